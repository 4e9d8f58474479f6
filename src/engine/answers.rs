//! What the engine knows, as the reports that people and programs ask for.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::control::protocol::{
    AccountReport, AccountState, Attention, AttentionKind, DaemonReport, DeliveryReport, HistoryLine, PlanLine,
    PlanReport, PlanState, SpentReport, Stage, StatusReport, Which, attention,
};
use crate::domain::{AccountId, Content, DeliveryId, Dollars, Held, Month, State, Timestamp, time};
use crate::ledger::Record;
use crate::ledger::view::{Account, Entry};
use crate::plan::{Brakes, Projected, Runway};
use crate::telemetry::events::quote;

use super::Engine;
use super::desk::Desk;
use super::engine::Folder;

/// How far ahead slots are looked up for `status`; a post with a later slot is scheduled without one.
const AHEAD: Duration = Duration::from_secs(31 * 24 * 60 * 60);
/// How far ahead the runway is looked for; longer is long enough.
const RUNWAY: Duration = Duration::from_secs(RUNWAY_DAYS as u64 * 24 * 60 * 60);
/// The same in days.
pub const RUNWAY_DAYS: f64 = 366.0;

/// What an account that is to wait for so long is said to do. Allowances of minutes and of a few hours are a platform's everyday
/// business, and nobody need know of them; a wait of six hours costs slots of the day, and is a person's to look into.
const LONG_WAIT: Duration = Duration::from_secs(6 * 60 * 60);

impl Engine {
    /// Where everything stands, or what `which` covers. Histories are added by who can read the ledger.
    pub fn status(&self, which: Option<&Which>, daemon: DaemonReport, now: Timestamp) -> StatusReport {
        let mut accounts = Vec::new();
        let mut deliveries = Vec::new();
        let gone = self.view.accounts().filter(|(id, _)| !self.desks.contains_key(*id));
        for (id, desk) in &self.desks {
            let held = self.view.account(id);
            let plan = self.posts_ahead(id, desk, now);
            accounts.push(self.account_report(id, desk, &plan, now));
            let platform = desk.setup.adapter.platform();
            let slots: BTreeMap<_, _> = plan
                .iter()
                .filter(|line| line.held.is_none())
                .filter_map(|line| Some((line.post.clone()?, line.at?)))
                .collect();
            let shares: BTreeMap<_, _> = plan
                .iter()
                .filter(|line| line.share.is_some())
                .filter_map(|line| Some((line.post.clone()?, line)))
                .collect();
            // On record, not all of them are held.
            let people_wait = |line: &&Projected| matches!(line.held, Some((Held::Unanswered, _)));
            let waiting: BTreeMap<_, _> =
                plan.iter().filter(people_wait).filter_map(|line| Some((line.post.clone()?, line))).collect();
            for (post, entry) in held.into_iter().flat_map(Account::deliveries) {
                let delivery = DeliveryId::new(post.clone(), id.clone());
                if which.is_none_or(|which| which.covers(&delivery)) {
                    let slot = slots.get(post).copied();
                    let mut report = self.delivery_report(delivery, platform, entry, slot, Some(desk));
                    if let (Some(line), State::Held { reason: Held::PromotionShare, .. }) =
                        (shares.get(post), &entry.state)
                    {
                        report.reason = Some(share_text(line));
                        report.allowed_from = line.at;
                    }
                    if let (Some(line), Stage::Scheduled) = (waiting.get(post), report.state) {
                        report.state = Stage::Held;
                        report.reason = line.held.as_ref().map(|(held, detail)| with_detail(*held, detail.as_deref()));
                    }
                    deliveries.push(report);
                }
            }
        }
        deliveries.extend(self.unrecorded(which));
        for (id, held) in gone {
            accounts.push(gone_report(id));
            for (post, entry) in held.deliveries() {
                let delivery = DeliveryId::new(post.clone(), id.clone());
                if which.is_none_or(|which| which.covers(&delivery)) {
                    deliveries.push(self.delivery_report(delivery, "", entry, None, None));
                }
            }
        }
        accounts.sort_by(|a, b| a.account.cmp(&b.account));
        deliveries.sort_by(|a, b| a.delivery.cmp(&b.delivery));
        let mut attention = attention(&deliveries, &accounts, self.approvals);
        attention.extend(self.ending(now));
        attention.extend(self.own_troubles());
        attention.extend(self.owed_answers(now));
        StatusReport { now, daemon, accounts, deliveries, attention }
    }

    /// What goes out until `until`, and what does not and why.
    pub fn plan(&self, now: Timestamp, until: Timestamp) -> PlanReport {
        let mut lines = Vec::new();
        // By a clock that is behind nothing goes out, and all that has been is ahead of it.
        let mark = self.view.clock_mark.filter(|_| self.clock_behind);
        let begin = mark.map_or(now, |mark| mark.max(now));
        let until = time::after(begin, time::since(until, now));
        for (id, desk) in &self.desks {
            let whole = self.held_as_a_whole(id, desk);
            for (post, entry) in self.view.account(id).into_iter().flat_map(Account::deliveries) {
                let delivery = DeliveryId::new(post.clone(), id.clone());
                let (at, state, reason) = match &entry.state {
                    State::Retrying { .. } if let Some(whole) = whole => {
                        (None, PlanState::Held, Some(whole.to_string()))
                    }
                    State::Retrying { .. } if let Some(mark) = mark => (None, PlanState::Held, Some(behind(mark))),
                    State::Sending { .. } => (Some(now), PlanState::Sending, entry.trouble()),
                    State::Retrying { at, .. } => (Some((*at).max(now)), PlanState::Sending, entry.trouble()),
                    State::Uncertain { why, .. } => (None, PlanState::Uncertain, Some(why.to_string())),
                    _ => continue,
                };
                lines.push(PlanLine { at, delivery: Some(delivery), account: None, state, reason, allowed_from: None });
            }
            let plan = desk.lane.project(self.view.account(id), self.brakes_ahead(id, now), begin, until);
            lines.extend(self.as_held(id, desk, plan).into_iter().map(|line| plan_line(id, line)));
        }
        if let Some(mark) = mark {
            lines.retain(|line| line.delivery.is_some());
            for line in lines.iter_mut().filter(|line| matches!(line.state, PlanState::Scheduled | PlanState::Empty)) {
                (line.at, line.state, line.reason) = (None, PlanState::Held, Some(behind(mark)));
                line.allowed_from = None;
            }
        }
        lines.sort_by(|a, b| {
            let key = |line: &PlanLine| (line.at.is_none(), line.at);
            key(a).cmp(&key(b)).then_with(|| a.account().cmp(&b.account())).then_with(|| a.delivery.cmp(&b.delivery))
        });
        lines
    }

    /// The plan of an account's posts, as far as slots are looked up.
    fn posts_ahead(&self, id: &AccountId, desk: &Desk, now: Timestamp) -> Vec<Projected> {
        let held = self.view.account(id);
        let plan = desk.lane.project_posts(held, self.brakes_ahead(id, now), now, time::after(now, AHEAD));
        self.as_held(id, desk, plan)
    }

    /// How one account stands.
    pub(super) fn account_now(&self, id: &AccountId, desk: &Desk, now: Timestamp) -> AccountReport {
        self.account_report(id, desk, &self.posts_ahead(id, desk, now), now)
    }

    /// What stands against sending as long as nobody does anything.
    fn brakes_ahead(&self, id: &AccountId, now: Timestamp) -> Brakes {
        let waits_until = self.desks.get(id).and_then(|desk| desk.rate_limited).filter(|until| *until > now);
        Brakes { unanswered: self.is_unanswered(id, now), waits_until, ..Brakes::default() }
    }

    /// The plan of one account; all of it held when the account as a whole is.
    fn as_held(&self, id: &AccountId, desk: &Desk, lines: Vec<Projected>) -> Vec<Projected> {
        let Some(reason) = self.held_as_a_whole(id, desk) else {
            return lines.into_iter().map(|line| self.with_who_waits(id, line)).collect();
        };
        let posts = lines.into_iter().filter(|line| line.post.is_some()).map(|line| Projected { share: None, ..line });
        posts
            .map(|line| Projected { at: None, held: line.held.or(Some((reason, None))), empty: None, ..line })
            .collect()
    }

    /// A post that waits for answers to be given: to whom is not on record with it, and told here.
    fn with_who_waits(&self, id: &AccountId, line: Projected) -> Projected {
        match line.held {
            Some((Held::Unanswered, None)) => Projected { held: Some((Held::Unanswered, self.who_waits(id))), ..line },
            _ => line,
        }
    }

    /// How many wait for an answer on an account, and who has waited longest.
    fn who_waits(&self, id: &AccountId) -> Option<String> {
        let conversations = self.watched()?.conversations();
        let mut waiting = conversations.waiting(Some(id));
        let oldest = waiting.next()?;
        let (count, since) = (1 + waiting.count(), oldest.since?);
        let wait = if count == 1 { "conversation waits" } else { "conversations wait" };
        Some(format!("{count} {wait} for an answer, that of {} since {since}", oldest.person))
    }

    pub(super) fn owed_answers(&self, now: Timestamp) -> Vec<Attention> {
        let owed = self.desks.keys().filter(|id| self.is_unanswered(id, now));
        let item = |id: &AccountId| {
            Some(Attention {
                kind: AttentionKind::Unanswered,
                delivery: None,
                account: Some(id.clone()),
                reason: self.who_waits(id)?,
                hint: Some("cadenced inbox shows them; posts that are no talk wait meanwhile".into()),
            })
        };
        owed.filter_map(item).collect()
    }

    pub(super) fn held_as_a_whole(&self, id: &AccountId, desk: &Desk) -> Option<Held> {
        let stopped = self.view.account(id).is_some_and(|account| account.head.stopped.is_some());
        match (stopped, desk.setup.paused) {
            (true, _) => Some(Held::AccountAuth),
            (false, true) => Some(Held::AccountPaused),
            (false, false) => None,
        }
    }

    fn account_report(&self, id: &AccountId, desk: &Desk, plan: &[Projected], now: Timestamp) -> AccountReport {
        let held = self.view.account(id);
        let (state, reason) = match self.held_as_a_whole(id, desk) {
            Some(Held::AccountAuth) => (AccountState::Auth, held.and_then(|account| account.head.stopped.clone())),
            Some(_) => (AccountState::Paused, None),
            None => match self.waits_long(id, desk, now) {
                Some(until) => (AccountState::Waiting, Some(format!("the platform asks to wait until {until}"))),
                None => (AccountState::Ready, None),
            },
        };
        let has_slots = !desk.setup.schedule.slots.is_empty();
        let runway = has_slots.then(|| desk.lane.look_for_runway(held, now, time::after(now, RUNWAY)));
        let days = |until| time::days(time::since(until, now));
        AccountReport {
            account: id.clone(),
            platform: desk.setup.adapter.platform().into(),
            state,
            reason,
            next: plan.iter().filter(|line| line.post.is_some() && line.held.is_none()).filter_map(|l| l.at).min(),
            runway_days: runway.and_then(Runway::ends).map(days),
            runway_at_least_days: match runway {
                Some(Runway::AtLeastUntil(until)) => Some(days(until)),
                _ => None,
            },
            warn_days: has_slots.then(|| time::days(desk.setup.policy.runway_warn)),
            identity: held.and_then(|account| account.head.pinned.clone()),
            spent: spent_report(desk, held, now),
        }
    }

    /// Until when the platform has asked to wait, where that was for long.
    fn waits_long(&self, id: &AccountId, desk: &Desk, now: Timestamp) -> Option<Timestamp> {
        let held = self.view.account(id);
        // After a restart only what is owed tells of it.
        let owed = held.into_iter().flat_map(Account::open).filter_map(|post| {
            let entry = held?.entry(post)?;
            let State::Retrying { at, .. } = entry.state else { return None };
            Some((at, entry.sent.as_deref()?.to?))
        });
        let waits = owed.chain(desk.rate_limited.zip(desk.limited_since));
        let long = |(until, since): &(Timestamp, Timestamp)| *until > now && time::since(*until, *since) >= LONG_WAIT;
        waits.filter(long).map(|(until, _)| until).max()
    }

    pub(super) fn delivery_report(
        &self,
        delivery: DeliveryId,
        platform: &str,
        entry: &Entry,
        slot: Option<Timestamp>,
        desk: Option<&Desk>,
    ) -> DeliveryReport {
        let whole = desk.and_then(|desk| self.held_as_a_whole(&delivery.account, desk));
        let sent = entry.sent.as_deref();
        let (mut state, mut reason, mut at) = (Stage::from(&entry.state), None, None);
        match &entry.state {
            State::Scheduled if desk.is_none() => {
                state = Stage::Held;
                reason = Some(no_account());
            }
            State::Held { reason: why, .. } if desk.is_none() && why.is_of_the_account() => reason = Some(no_account()),
            State::Held { reason: why, detail } => {
                let waits = || self.who_waits(&delivery.account).filter(|_| *why == Held::Unanswered);
                reason = Some(with_detail(*why, detail.as_ref().map(ToString::to_string).or_else(waits).as_deref()));
            }
            // What waits for another try waits for the account first.
            State::Scheduled | State::Retrying { .. } if let Some(whole) = whole => {
                state = Stage::Held;
                reason = Some(whole.to_string());
            }
            State::Scheduled => at = slot,
            State::Retrying { at: next, .. } => (at, reason) = (Some(*next), entry.trouble()),
            State::Uncertain { why, .. } | State::Refused { why, .. } => reason = Some(why.to_string()),
            State::Delivered { .. } => at = sent.map(|sent| sent.to.unwrap_or(sent.from)),
            State::Sending { .. } => (at, reason) = (sent.map(|sent| sent.from), entry.trouble()),
            State::Missed | State::Expired | State::Withdrawn => {}
        }
        let waiting = matches!(entry.state, State::Scheduled | State::Held { .. });
        let fixed = self.posts.get(&delivery.post).and_then(|post| post.rare.at);
        let remote = entry.remote();
        DeliveryReport {
            post: delivery.post.clone(),
            account: delivery.account.clone(),
            delivery,
            platform: entry.open.as_ref().map_or_else(|| platform.to_owned(), |open| open.intent.platform.clone()),
            state,
            reason,
            slot: if waiting { slot.or(fixed) } else { sent.and_then(|sent| sent.slot).or(fixed) },
            at,
            attempts: entry.attempts,
            remote_id: remote.map(|remote| remote.id.clone()),
            url: remote.and_then(|remote| remote.url.clone()),
            digest: entry.digest,
            allowed_from: None,
            history: None,
        }
    }

    /// Deliveries that are new, and whose first state is not in the ledger yet.
    pub(super) fn unrecorded(&self, which: Option<&Which>) -> Vec<DeliveryReport> {
        let pairs = self
            .posts
            .iter()
            .flat_map(|post| post.to.iter().map(|account| DeliveryId::new(post.id.clone(), account.clone())));
        let new = pairs.filter(|delivery| which.is_none_or(|which| which.covers(delivery)));
        let new = new.filter(|delivery| self.desks.contains_key(&delivery.account) && self.entry(delivery).is_none());
        new.map(|delivery| {
            let desk = self.desks.get(&delivery.account);
            let platform = desk.map(|desk| desk.setup.adapter.platform()).unwrap_or_default();
            let mut report = self.delivery_report(delivery, platform, &Entry::default(), None, desk);
            report.reason = Some("new; not in the ledger yet".into());
            report
        })
        .collect()
    }

    /// What waits for a person beside deliveries and accounts.
    pub(super) fn own_troubles(&self) -> Vec<Attention> {
        let item = |kind, reason: &str, hint: &str| Attention {
            kind,
            delivery: None,
            account: None,
            reason: reason.into(),
            hint: Some(hint.into()),
        };
        let mut items = Vec::new();
        if self.folder == Folder::Lost {
            let hint = "put it back, or let the daemon's user read it; nothing new is begun until then";
            items.push(item(AttentionKind::Queue, &quote(&self.lost), hint));
        }
        if let Some(since) = self.is_slow_since() {
            let reason = format!(
                "something else counts as an approval since {since}, and the queue is still being read by that"
            );
            let hint = "nothing goes out until then; look at the disk of the queue, and for a file that is written all the time";
            items.push(item(AttentionKind::Queue, &reason, hint));
        }
        for place in self.broken_files() {
            let hint = "mend the file: cadenced check says how; its last good version stays in force";
            items.push(item(AttentionKind::Queue, &format!("{place} cannot be used"), hint));
        }
        if self.clock_behind {
            let hint = "set the clock; if it is right, restart with --confirm-clock";
            items.push(item(AttentionKind::Clock, "the wall clock is behind what the store has seen", hint));
        }
        if self.full {
            let hint = "make room on the disk of the store; it goes on by itself";
            items.push(item(AttentionKind::Store, "the store has no room for new attempts", hint));
        }
        items
    }
}

/// Why nothing goes out by this clock.
fn behind(mark: Timestamp) -> String {
    format!("the wall clock is behind what the store has seen, {mark}")
}

/// Why what waits on an account that is gone does not go out.
fn no_account() -> String {
    format!("{}: its account is not in the configuration", Held::Invalid)
}

fn spent_report(desk: &Desk, held: Option<&Account>, now: Timestamp) -> Option<SpentReport> {
    let month = Month::of(now);
    let budget = desk.setup.policy.budget;
    let spent = held.map(|account| account.head.spent(month)).unwrap_or_default();
    let bills = budget.is_some() || !desk.setup.adapter.cost(&Content::default()).is_nothing();
    bills.then(|| SpentReport {
        month: month.to_string(),
        usd: spent.money.as_f64(),
        budget_usd: budget.map(Dollars::as_f64),
        reads: spent.reads,
        writes: spent.writes,
    })
}

pub(super) fn gone_report(id: &AccountId) -> AccountReport {
    AccountReport {
        account: id.clone(),
        platform: String::new(),
        state: AccountState::Gone,
        reason: Some("it is not in the configuration".into()),
        next: None,
        runway_days: None,
        runway_at_least_days: None,
        warn_days: None,
        identity: None,
        spent: None,
    }
}

/// Why the promotion share holds a post, and what ends that.
fn share_text(line: &Projected) -> String {
    let Some(share) = &line.share else { return Held::PromotionShare.to_string() };
    let since = share.since.map(|since| format!("since {since}, ")).unwrap_or_default();
    let ending = match (line.at, share.posts) {
        (Some(at), Some(0)) => format!("allowed from {at}"),
        (Some(at), Some(1)) => format!("allowed from {at} if the post before it goes out"),
        (Some(at), Some(posts)) => format!("allowed from {at} if the {posts} posts before it go out"),
        (None, Some(1)) => "allowed at the earliest after one more post that is no promotion".into(),
        (None, Some(posts)) if posts > 1 => format!("allowed at the earliest after {posts} more that are no promotion"),
        (_, None) => "the share is less than one post of the window: it is never allowed".into(),
        _ => "allowed when its turn comes".into(),
    };
    format!("{}: {since}{ending}", Held::PromotionShare)
}

fn with_detail(held: Held, detail: Option<&str>) -> String {
    detail.map_or_else(|| held.to_string(), |detail| format!("{held}: {detail}"))
}

fn plan_line(account: &AccountId, line: Projected) -> PlanLine {
    let (share, allowed_from) =
        (line.share.is_some().then(|| share_text(&line)), line.at.filter(|_| line.share.is_some()));
    let delivery = line.post.map(|post| DeliveryId::new(post, account.clone()));
    let account = delivery.is_none().then(|| account.clone());
    let (state, reason) = match (&delivery, line.held) {
        (None, _) => (PlanState::Empty, line.empty),
        // Where it goes out all the same, it says what that depends on.
        (Some(_), None) => (PlanState::Scheduled, share),
        (Some(_), Some((Held::PromotionShare, _))) if share.is_some() => (PlanState::Held, share),
        (Some(_), Some((held, detail))) => (PlanState::Held, Some(with_detail(held, detail.as_deref()))),
    };
    PlanLine { at: line.at, delivery, account, state, reason, allowed_from }
}

/// The records of one delivery, in words.
pub fn history(records: &[Record]) -> Vec<HistoryLine> {
    let line = |record: &Record| HistoryLine {
        at: record.at,
        what: record.fact.name().into(),
        attempt: record.fact.attempt(),
        detail: record.fact.detail().map(|text| quote(&text)),
    };
    records.iter().map(line).collect()
}
