//! Where everything stands, in short, and in one line.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use crate::control::overview::{Delivered, LATEST, LINES, Overview, Shortened};
use crate::control::protocol::{DaemonReport, PlanLine, PlanState, Stage, attention};
use crate::domain::{AccountId, DeliveryId, Held, PostId, State, Timestamp, time};
use crate::ledger::view::{Account, Entry};

use crate::plan::{EMPTY_SLOTS, is_broadcast};
use crate::queue::Post;

use super::Engine;
use super::engine::Folder;

/// How far ahead is shown: two weeks.
pub const AHEAD: Duration = Duration::from_secs(14 * 24 * 60 * 60);
/// With more accounts than this, looking ahead for all of them takes too long to be done for one line.
const FEW: usize = 100;

impl Engine {
    /// Where everything stands, in short. What it costs grows with the deliveries on record, but they are only counted.
    pub fn overview(&self, daemon: DaemonReport, now: Timestamp) -> Overview {
        let mut counts: BTreeMap<AccountId, BTreeMap<Stage, u64>> =
            self.desks.keys().map(|account| (account.clone(), BTreeMap::new())).collect();
        let mut troubled = Vec::new();
        let mut latest = Latest::default();
        for (id, account) in self.view.accounts() {
            let states = counts.entry(id.clone()).or_default();
            let desk = self.desks.get(id);
            let whole = desk.is_none_or(|desk| self.held_as_a_whole(id, desk).is_some());
            let people_wait = self.is_unanswered(id, now);
            for (post, entry) in account.deliveries() {
                let waits = |post: &Arc<Post>| entry.state == State::Scheduled && is_broadcast(post);
                let held = whole || people_wait && self.post(post).is_some_and(waits);
                *states.entry(shown(entry, held, desk.is_none())).or_default() += 1;
                if needs_a_person(entry, desk.is_none()) {
                    let delivery = DeliveryId::new(post.clone(), id.clone());
                    troubled.push(self.delivery_report(delivery, "", entry, None, desk));
                }
                latest.see(id, post, entry);
            }
        }
        if !self.is_ready() {
            for report in self.unrecorded(None) {
                *counts.entry(report.account).or_default().entry(report.state).or_default() += 1;
            }
        }
        let accounts: Vec<_> = self.account_reports(now);
        let mut wanting = self.own_troubles();
        wanting.extend(attention(&troubled, &accounts, self.approvals));
        wanting.extend(self.ending(now));
        wanting.extend(self.owed_answers(now));
        let mut attention_by_kind = BTreeMap::new();
        for item in &wanting {
            *attention_by_kind.entry(item.kind).or_default() += 1;
        }
        let (ahead, held): (Vec<_>, Vec<_>) =
            self.plan(now, time::after(now, AHEAD)).into_iter().partition(|line| line.at.is_some());
        let (ahead, ahead_until) = posts_first(ahead);
        let latest = latest.newest().map(|(account, post, entry)| {
            let desk = self.desks.get(account);
            let platform = desk.map(|desk| desk.setup.adapter.platform()).unwrap_or_default();
            let delivery = DeliveryId::new(post.clone(), account.clone());
            Delivered {
                delivery: self.delivery_report(delivery, platform, entry, None, desk),
                late_seconds: lateness(entry),
            }
        });
        let conversations = self.watched().map(|watch| watch.conversations());
        Overview {
            now,
            daemon,
            ready: self.is_started(),
            stopping: false,
            silent: false,
            in_flight: self.in_flight(),
            accounts,
            counts,
            attention: Shortened::of(wanting, LINES),
            attention_by_kind,
            ahead,
            ahead_until,
            held: Shortened::of(held.into_iter().filter(needs_a_date).collect(), LINES),
            latest: latest.collect(),
            waiting: conversations.map_or(0, |all| all.count() as u64),
            waiting_since: conversations.and_then(|all| all.waiting(None).next()?.since),
        }
    }

    /// One line for whoever looks at the service: what goes out next, how long it lasts, who waits.
    pub fn headline(&self, now: Timestamp) -> String {
        let waiting = self.watched().map_or(0, |watch| watch.conversations().count());
        let mut parts: Vec<String> =
            self.stands_still().map(|why| format!("nothing is begun: {why}")).into_iter().collect();
        if self.desks.len() <= FEW {
            let reports = self.account_reports(now);
            parts.push(match reports.iter().filter_map(|report| Some((report.next?, &report.account))).min() {
                Some((at, account)) => format!("next post {at} on {account}"),
                None => "no post in line".to_owned(),
            });
            if let Some(days) = reports.iter().filter_map(|report| report.runway_days).min_by(f64::total_cmp) {
                parts.push(format!("runway {}", time::days_text(days)));
            }
        } else {
            parts.push(format!("{} accounts", self.desks.len()));
        }
        parts.push(match waiting {
            1 => "1 conversation waits".to_owned(),
            many => format!("{many} conversations wait"),
        });
        let stopped =
            self.desks.keys().filter(|id| self.view.account(id).is_some_and(|held| held.head.stopped.is_some()));
        let stopped = stopped.count();
        if stopped > 0 {
            parts.push(format!("{stopped} stopped for their token"));
        }
        parts.join(", ")
    }

    /// What somebody was told of that keeps every account from beginning anything.
    fn stands_still(&self) -> Option<&'static str> {
        let reasons = [
            (self.clock_behind, "the wall clock is behind"),
            (self.folder == Folder::Lost, "the queue cannot be read"),
            (self.is_slow_since().is_some(), "the queue is being read anew"),
            (self.full, "the disk is full"),
        ];
        reasons.into_iter().find(|(stands, _)| *stands).map(|(_, why)| why)
    }
}

/// The state as it is shown: what waits for another try, or for its slot, waits for its account first, or for answers.
fn shown(entry: &Entry, held: bool, gone: bool) -> Stage {
    match entry.state {
        State::Scheduled if held => Stage::Held,
        State::Retrying { .. } if held && !gone => Stage::Held,
        _ => Stage::from(&entry.state),
    }
}

/// Whether only a person can help a delivery, or it may be so.
fn needs_a_person(entry: &Entry, gone: bool) -> bool {
    match &entry.state {
        State::Uncertain { .. } | State::Refused { .. } | State::Missed => true,
        State::Scheduled => gone,
        State::Held { reason, .. } if reason.is_of_the_account() => gone,
        State::Held { reason, .. } => {
            matches!(reason, Held::ApprovalStale | Held::Invalid | Held::Duplicate | Held::MediaMissing)
        }
        _ => false,
    }
}

/// As many lines as there is room for, posts before empty slots; and from when on not all of them are known.
fn posts_first(lines: Vec<PlanLine>) -> (Shortened<PlanLine>, Option<Timestamp>) {
    let all = lines.len();
    let mut empty: BTreeMap<Option<AccountId>, (usize, Option<Timestamp>)> = BTreeMap::new();
    let (posts, slots): (Vec<_>, Vec<_>) = lines.into_iter().partition(|line| line.delivery.is_some());
    for slot in &slots {
        let (count, last) = empty.entry(slot.account.clone()).or_default();
        (*count, *last) = (*count + 1, slot.at);
    }
    // Looking ahead ends after so many empty slots of an account.
    let ends = empty.values().filter(|(count, _)| *count >= EMPTY_SLOTS).filter_map(|(_, last)| *last);
    let cut_slot = slots.get(LINES.saturating_sub(posts.len())).and_then(|slot| slot.at);
    let cut_post = posts.get(LINES).and_then(|post| post.at);
    let until = ends.chain(cut_slot).chain(cut_post).min();
    let mut shown: Vec<_> = posts.into_iter().chain(slots).take(LINES).collect();
    shown.sort_by_key(|line| line.at);
    let more = (all - shown.len()) as u64;
    (Shortened { first: shown, more }, until)
}

/// A post that has none, and no slot.
fn needs_a_date(line: &PlanLine) -> bool {
    line.delivery.is_some() && line.state != PlanState::Empty
}

/// How late a delivery was, in seconds.
fn lateness(entry: &Entry) -> Option<f64> {
    let sent = entry.sent.as_deref()?;
    Some(time::since(sent.from, sent.slot?).as_secs_f64())
}

/// Of all that was delivered, what was last.
#[derive(Default)]
struct Latest<'v>(BTreeSet<(Timestamp, &'v AccountId, &'v PostId)>, BTreeMap<(&'v AccountId, &'v PostId), &'v Entry>);

impl<'v> Latest<'v> {
    fn see(&mut self, account: &'v AccountId, post: &'v PostId, entry: &'v Entry) {
        let (State::Delivered { .. }, Some(sent)) = (&entry.state, entry.sent.as_deref()) else { return };
        let at = sent.to.unwrap_or(sent.from);
        if self.0.len() == LATEST && self.0.first().is_some_and(|(oldest, ..)| at <= *oldest) {
            return;
        }
        self.0.insert((at, account, post));
        self.1.insert((account, post), entry);
        if self.0.len() > LATEST
            && let Some((_, account, post)) = self.0.pop_first()
        {
            self.1.remove(&(account, post));
        }
    }

    fn newest(&self) -> impl Iterator<Item = (&'v AccountId, &'v PostId, &'v Entry)> {
        self.0.iter().rev().filter_map(|(_, account, post)| Some((*account, *post, *self.1.get(&(*account, *post))?)))
    }
}

impl Engine {
    fn account_reports(&self, now: Timestamp) -> Vec<crate::control::protocol::AccountReport> {
        let reports = self.desks.iter().map(|(id, desk)| self.account_now(id, desk, now));
        let gone = self.view.accounts().filter(|(id, _): &(&AccountId, &Account)| !self.desks.contains_key(*id));
        let mut all: Vec<_> = reports.chain(gone.map(|(id, _)| super::answers::gone_report(id))).collect();
        all.sort_by(|a, b| a.account.cmp(&b.account));
        all
    }
}
