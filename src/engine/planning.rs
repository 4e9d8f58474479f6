//! Keeps the lanes true to queue and ledger, and carries the plan's verdicts into the ledger.

use std::sync::Arc;

use crate::domain::{AccountId, Content, DeliveryId, Fault, Held, PostId, State, Timestamp, fault::Severity, time};
use crate::ledger::Record;
use crate::ledger::record::Fact;
use crate::ledger::store::Room;
use crate::parts::Inbox;
use crate::plan::{self, Brakes, Verdict, Whole};
use crate::queue::{Approval, Change, Post};
use crate::telemetry::events::{Event as LogEvent, quote};

use super::Engine;
use super::attempts::{UNWANTED, with_link};
use super::commits::Then;
use super::desk::{Desk, Work};
use super::engine::{Folder, Mode};
use super::event::runway_horizon;
use super::spray::spray_of;
use super::tokens::is_stopped;

impl Engine {
    pub(super) fn inbox(&mut self, inbox: Inbox, now: Timestamp) {
        match inbox {
            Inbox::File { file, posts, faults } => {
                // Posts that come with an error that is none of theirs are those of the last good version, after a
                // restart.
                let usable = posts.as_ref().is_some_and(|posts| {
                    posts.iter().any(|post| post.rare.trouble.is_some())
                        || faults.iter().all(|fault| fault.severity != Severity::Error)
                });
                self.log_faults(&faults, usable);
                let broken = faults.first().filter(|_| !usable);
                match broken {
                    Some(fault) => self.broken.insert(file.clone(), fault.place.to_string()),
                    None => self.broken.remove(&file),
                };
                if let Some(mut posts) = posts {
                    self.unheard.remove(&file);
                    for post in &mut posts {
                        self.share_id(post);
                    }
                    self.log(LogEvent::QueueLoaded { file: quote(&file), posts: posts.len() });
                    let changes = self.queue.file(&file, posts);
                    self.changed(changes, now);
                }
            }
            Inbox::Gone { file } => {
                self.log(LogEvent::QueueFileGone { file: quote(&file) });
                self.broken.remove(&file);
                self.unheard.remove(&file);
                let changes = self.queue.gone(&file);
                self.changed(changes, now);
            }
            Inbox::Lost { why } => {
                if self.folder != Folder::Lost {
                    self.log(LogEvent::QueueLost { why: quote(&why) });
                }
                (self.folder, self.lost) = (Folder::Lost, why);
            }
            Inbox::Anew { approval } => self.read_anew(approval, now),
            Inbox::Signers { faults } => self.log_faults(&faults, true),
            Inbox::Complete => {
                self.read_through(now);
                self.desks.values_mut().for_each(|desk| desk.unread = false);
                self.withdraw_absent(now);
                self.advance_all(now);
            }
        }
    }

    /// Takes the id as the view holds it, so that it is in memory once.
    fn share_id(&self, post: &mut Post) {
        let account = post.to.first().and_then(|account| self.view.account(account));
        if let Some(id) = account.and_then(|account| account.id(&post.id)) {
            post.id = id.clone();
        }
    }

    fn log_faults(&mut self, faults: &[Fault], usable: bool) {
        for fault in faults {
            let (place, reason, hint) = (fault.place.to_string(), quote(&fault.reason), fault.hint.clone());
            self.log(match fault.severity {
                Severity::Error if !usable => LogEvent::QueueFileRejected { place, reason, hint },
                Severity::Error | Severity::Warning => LogEvent::QueueFileWarning { place, reason, hint },
            });
        }
    }

    pub(super) fn changed(&mut self, changes: Vec<Change>, now: Timestamp) {
        let mut touched = std::collections::BTreeSet::new();
        for change in changes {
            match change {
                Change::Put(post) => {
                    let before = self.posts.insert(post.clone());
                    self.notice(before.as_deref(), &post);
                    for account in before.iter().flat_map(|post| post.to.iter()) {
                        if !post.to.contains(account) {
                            self.withdraw(&DeliveryId::new(post.id.clone(), account.clone()), now);
                        }
                        touched.insert(account.clone());
                    }
                    touched.extend(post.to.iter().cloned());
                    self.reconsider(&post, now);
                    self.refresh(&post.id);
                }
                Change::Removed(id) => {
                    let Some(post) = self.posts.remove(&id) else { continue };
                    for account in post.to.iter() {
                        self.withdraw(&DeliveryId::new(id.clone(), account.clone()), now);
                        touched.insert(account.clone());
                    }
                }
            }
        }
        for account in touched {
            self.look_soon(&account, now);
            self.advance(&account, now);
        }
    }

    /// Says what a person may not expect of a changed post.
    fn notice(&mut self, before: Option<&Post>, post: &Post) {
        let was_stale = before.is_some_and(|before| before.approval == Approval::Stale);
        if post.approval == Approval::Stale && !was_stale {
            let (post, file) = (post.id.to_string(), quote(&post.order.file));
            self.log(LogEvent::PostApprovedStale { post, file });
        }
        for account in post.to.iter() {
            let delivery = DeliveryId::new(post.id.clone(), account.clone());
            let delivered = self.entry(&delivery).is_some_and(|entry| {
                matches!(entry.state, State::Delivered { .. })
                    && entry.digest.is_some_and(|sent| sent != post.digest)
                    && post.approval.is_given()
            });
            if delivered {
                self.log(LogEvent::PostChangedAfterDelivery { delivery, digest: post.digest.to_string() });
            }
        }
    }

    /// Tells attempts that are under way whether they are still wanted.
    fn reconsider(&mut self, post: &Arc<Post>, now: Timestamp) {
        for account in post.to.iter() {
            let delivery = DeliveryId::new(post.id.clone(), account.clone());
            let Some(intended) = self.entry(&delivery).and_then(|entry| entry.open.as_ref()) else { continue };
            let wanted = intended.intent.digest == post.digest && post.approval.is_given();
            match self.desks.get_mut(account).map(|desk| &mut desk.work) {
                Some(Work::Delivering { delivery: attempt, .. } | Work::Parked { delivery: attempt })
                    if *attempt.id() == delivery =>
                {
                    if wanted {
                        attempt.publish_after_all();
                    } else {
                        attempt.only_settle();
                    }
                }
                // What is about to begin is looked at again when it does.
                Some(
                    Work::Gathering { .. } | Work::Looking { .. } | Work::Vouching { .. } | Work::Intending { .. },
                ) => {}
                _ if wanted => {}
                _ => self.abandon(&delivery, now),
            }
        }
    }

    /// Gives up an attempt that is owed and has surely left nothing.
    fn abandon(&mut self, delivery: &DeliveryId, now: Timestamp) {
        if self.desks.get(&delivery.account).is_some_and(|desk| desk.ending) {
            return;
        }
        let Some(entry) = self.entry(delivery) else { return };
        let State::Retrying { attempt, .. } = entry.state else { return };
        if self.is_out(delivery) {
            // It is only to tell where it is.
            return;
        }
        self.give_up(delivery, attempt, UNWANTED.to_owned(), now);
    }

    fn withdraw(&mut self, delivery: &DeliveryId, now: Timestamp) {
        if self.entry(delivery).is_some_and(|entry| entry.state.goes_on()) {
            self.leaving.leaves(delivery);
        }
        if let Some(desk) = self.desks.get_mut(&delivery.account) {
            desk.lane.remove(&delivery.post);
            if let Work::Delivering { delivery: attempt, .. } | Work::Parked { delivery: attempt } = &mut desk.work
                && attempt.id() == delivery
            {
                attempt.only_settle();
                return;
            }
            if let Work::Intending { delivery: attempt, .. } = &mut desk.work
                && attempt.id() == delivery
            {
                attempt.only_settle();
                return;
            }
        }
        self.withdraw_durably(delivery, now);
    }

    /// Records that the post has left the queue, unless its delivery is over or in doubt.
    pub(super) fn withdraw_durably(&mut self, delivery: &DeliveryId, now: Timestamp) {
        let Some(entry) = self.entry(delivery) else { return };
        match &entry.state {
            State::Held { .. } | State::Scheduled => {
                let withdrawn = Record::new(now, Fact::Withdrawn { delivery: delivery.clone(), by: None });
                self.commit(vec![withdrawn], Room::Reserve, Then::Withdrawn(delivery.account.clone()));
            }
            // When that has come to its end, it is withdrawn.
            State::Retrying { .. } => self.abandon(delivery, now),
            _ => {}
        }
    }

    pub(super) fn withdraw_if_gone(&mut self, delivery: &DeliveryId, now: Timestamp) {
        if !self.posts.get(&delivery.post).is_some_and(|post| post.to.contains(&delivery.account)) {
            self.withdraw_durably(delivery, now);
        }
    }

    /// After the folder has been read through: what the ledger has waiting and no file holds has been withdrawn.
    fn withdraw_absent(&mut self, now: Timestamp) {
        let mut absent = Vec::new();
        for (account, held) in self.view.accounts() {
            for (post, entry) in held.deliveries() {
                let in_queue = self.posts.get(post).is_some_and(|post| post.to.contains(account));
                if !in_queue && entry.state.goes_on() {
                    absent.push(DeliveryId::new(post.clone(), account.clone()));
                }
            }
        }
        for delivery in absent {
            self.withdraw(&delivery, now);
        }
    }

    /// Puts a post into its lanes as queue and ledger say now.
    pub(super) fn refresh(&mut self, id: &PostId) {
        let Some(post) = self.posts.get(id).cloned() else { return };
        for account in post.to.iter() {
            self.refresh_on(&post, account);
        }
    }

    pub(super) fn refresh_on(&mut self, post: &Arc<Post>, account: &AccountId) {
        let Some(desk) = self.desks.get_mut(account) else { return };
        let held = self.view.account(account);
        if plan::is_over(held.and_then(|held| held.entry(&post.id)), post) {
            // Nothing of its content matters to the plan any more.
            return desk.lane.put(post, None, held);
        }
        let content = post.content(account);
        let (said_before, absent) = (self.said_before(post, account, &content), self.absence(post, account));
        let Some(desk) = self.desks.get_mut(account) else { return };
        let link = content.link.as_ref().and_then(|_| desk.tagged_link(&post.body.read()));
        let objection = desk.setup.adapter.check(&with_link(&content, link), &desk.session).into_iter().next();
        let objection = objection.map(|complaint| (Held::Invalid, complaint.reason)).or(absent).or(said_before);
        let cost = self.cost(account, &content);
        let Some(desk) = self.desks.get_mut(account) else { return };
        if let Some(cost) = cost {
            desk.lane.reckon(&post.id, cost);
        }
        desk.lane.put(post, objection, self.view.account(account));
    }

    /// What was held as a double stays so as long as it is one; whether a post is one shows when its turn comes.
    fn said_before(&mut self, post: &Arc<Post>, account: &AccountId, content: &Content) -> Option<(Held, String)> {
        let entry = self.entry(&DeliveryId::new(post.id.clone(), account.clone()))?;
        let held = matches!(entry.state, State::Held { reason: Held::Duplicate, .. });
        let same = held && entry.digest == Some(post.digest);
        if !same {
            return None;
        }
        let double = self.double(account, post, content, self.now).map(|other| double_of(&other));
        let detail = double.or_else(|| self.sprayed(account, post, content, self.now).map(|other| spray_of(&other)))?;
        Some((Held::Duplicate, detail))
    }

    /// Looks again at posts that were held when their turn came: time may have mended it, or somebody.
    pub(super) fn reconsider_objections(&mut self, now: Timestamp) {
        if self.mode != Mode::Publish {
            return;
        }
        let mut held = std::collections::BTreeSet::new();
        for (_, account) in self.view.accounts() {
            let objected = |state: &State| {
                let reason = if let State::Held { reason, .. } = state { Some(*reason) } else { None };
                matches!(reason, Some(Held::Duplicate | Held::MediaMissing | Held::ApprovalStale))
            };
            held.extend(account.deliveries().filter(|(_, entry)| objected(&entry.state)).map(|(post, _)| post.clone()));
        }
        for post in &held {
            self.refresh(post);
        }
        self.advance_all(now);
    }

    /// Keeps a post from being chosen, for a reason that only showed when it was.
    pub(super) fn object(&mut self, post: &Arc<Post>, account: &AccountId, reason: Held, detail: String) {
        if let Some(desk) = self.desks.get_mut(account) {
            desk.lane.put(post, Some((reason, detail)), self.view.account(account));
        }
    }

    /// Moves an account on as far as it goes.
    pub(super) fn advance(&mut self, account: &AccountId, now: Timestamp) {
        let Some(desk) = self.desks.get_mut(account) else { return };
        if matches!(desk.work, Work::Idle)
            && let Some(setup) = desk.later.take()
        {
            self.set_up(setup);
            self.stop_locked(account, now);
        }
        let Some(desk) = self.desks.get_mut(account) else { return };
        let turns = desk.turns;
        let mut wake = self.carry_on(account, now);
        if self.folder != Folder::Reading {
            wake = wake.min_with(self.owed(account, now));
            wake = wake.min_with(self.ask_plan(account, now));
        }
        let Some(desk) = self.desks.get_mut(account) else { return };
        if desk.turns != turns {
            // What was begun has moved the account on already, and may want to be woken earlier.
            wake = wake.min_with(desk.wake);
        }
        desk.turns += 1;
        self.set_wake(account, wake);
    }

    /// Asks the plan, and begins what it chooses.
    fn ask_plan(&mut self, account: &AccountId, now: Timestamp) -> Option<Timestamp> {
        let no_send = self.brake(account, now);
        let unanswered = self.is_unanswered(account, now);
        let held = self.held_as_a_whole(account, self.desks.get(account)?);
        let whole = held.map(|held| Whole { held, alone: self.standstill(account).is_none() });
        let Self { desks, view, .. } = self;
        let desk = desks.get_mut(account)?;
        desk.unanswered = unanswered;
        // A call or a commit under way asks again when it ends, and before that nothing could be begun.
        if desk.planning || desk.unread || desk.ending || desk.is_in_flight() {
            return None;
        }
        if let Some(until) = desk.pause_until {
            if now < until {
                return Some(until);
            }
            desk.pause_until = None;
        }
        let brakes = Brakes { no_send, unanswered, whole, waits_until: None };
        let mut step = desk.lane.step(view.account(account), brakes, now);
        while desk.empties.hold_back(&step.verdicts) {
            desk.lane.pass_over(desk.empties.through());
            step = desk.lane.step(view.account(account), brakes, now);
        }
        if step.send.is_some() && !step.verdicts.iter().any(|verdict| matches!(verdict, Verdict::Missed { .. })) {
            // Of the slots that stay empty before the one that is used, those after the first can be said as one then.
            let mut first = true;
            step.verdicts.retain(|verdict| !matches!(verdict, Verdict::SlotEmpty { .. }) || std::mem::take(&mut first));
        }
        // What was held back is said before anything else is, and in its time.
        let newer = step.verdicts.iter().any(|verdict| matches!(verdict, Verdict::SlotEmpty { .. }));
        let due = desk.empties.due().is_some_and(|due| due <= now);
        if (newer || due || step.send.is_some() || self.stopping) && self.say_held_back(account, now) {
            return None;
        }
        let Self { desks, .. } = self;
        let desk = desks.get_mut(account)?;
        if !step.verdicts.is_empty() {
            if self.full {
                // They are said again when there is room.
                return None;
            }
            desk.planning = true;
            self.record_verdicts(account, step.verdicts, now);
            return None;
        }
        if let Some(choice) = step.send {
            self.begin_choice(account, choice, now);
            return None;
        }
        step.wake.min_with(desk.empties.due())
    }

    /// Records the empty slots that were held back. `false`: there are none.
    pub(super) fn say_held_back(&mut self, account: &AccountId, now: Timestamp) -> bool {
        let Some(desk) = self.desks.get_mut(account) else { return false };
        let Some(fact) = desk.empties.held_back(account) else { return false };
        if !desk.planning {
            desk.planning = true;
            self.commit(vec![Record::new(now, fact)], Room::Reserve, Then::Planned(account.clone()));
        }
        true
    }

    /// Says everywhere what was held back. `false`: there is nothing.
    pub fn say_all_held_back(&mut self, now: Timestamp) -> bool {
        let accounts: Vec<AccountId> = self.desks.keys().cloned().collect();
        accounts.into_iter().filter(|account| self.say_held_back(account, now)).count() > 0
    }

    /// Why the plan may begin nothing on this account now.
    pub(super) fn brake(&self, account: &AccountId, now: Timestamp) -> Option<&'static str> {
        let desk = self.desks.get(account)?;
        let reasons = [
            (!matches!(desk.work, Work::Idle), "another delivery was under way"),
            (self.view.account(account).is_some_and(|a| a.open().next().is_some()), plan::OWED),
        ];
        let busy = || reasons.into_iter().find(|(stands, _)| *stands).map(|(_, reason)| reason);
        self.halt(account, now).or_else(busy)
    }

    /// Why nothing at all may be begun on this account now, not even what it owes.
    pub(super) fn halt(&self, account: &AccountId, now: Timestamp) -> Option<&'static str> {
        let desk = self.desks.get(account)?;
        let stopped = is_stopped(&self.view, account) || self.stops.contains(account);
        let reasons = [
            (stopped, "the account's token is not accepted"),
            (desk.setup.paused, "the account is paused"),
            (desk.locked.is_some(), "the account's tokens could not be opened"),
            (self.keeps.contains(account), "the account's new tokens were being recorded"),
            (desk.rate_limited.is_some_and(|until| now < until), "the platform asked to wait"),
        ];
        self.standstill(account).or_else(|| reasons.into_iter().find(|(stands, _)| *stands).map(|(_, reason)| reason))
    }

    /// Why what is under way on this account publishes nothing more now. It ends, unless it is in doubt, and is owed; so it
    /// comes back through the gates, and by what the queue holds then.
    pub(super) fn held_under_way(&self, account: &AccountId) -> Option<&'static str> {
        let desk = self.desks.get(account)?;
        let paused = desk.setup.paused || desk.later.as_ref().is_some_and(|later| later.paused);
        let reasons = [
            (paused, "the account is paused"),
            (self.folder == Folder::Outdated, "the queue is being read anew"),
            (self.clock_behind, "the wall clock is behind"),
        ];
        reasons.into_iter().find(|(stands, _)| *stands).map(|(_, reason)| reason)
    }

    /// Why nothing is begun on any account now, or this one's time cannot be told.
    pub(super) fn standstill(&self, account: &AccountId) -> Option<&'static str> {
        let desk = self.desks.get(account)?;
        let reasons = [
            (self.mode == Mode::Look, "the daemon was not running"),
            (!self.ready, "the daemon was starting"),
            (self.stopping, "the daemon was stopping"),
            (self.clock_behind, "the wall clock was behind"),
            (self.folder == Folder::Outdated || desk.unread, "the queue was being read anew"),
            (self.folder != Folder::Known, "the queue could not be read"),
            (desk.clock_set, "the wall clock was set"),
            (self.full, "the disk was full"),
        ];
        reasons.into_iter().find(|(stands, _)| *stands).map(|(_, reason)| reason)
    }

    fn record_verdicts(&mut self, account: &AccountId, verdicts: Vec<Verdict>, now: Timestamp) {
        let at = |post: &PostId| DeliveryId::new(post.clone(), account.clone());
        let mut records = Vec::with_capacity(verdicts.len());
        for verdict in verdicts {
            let digest = |post: &PostId| self.posts.get(post).map(|post| post.digest);
            let fact = match verdict {
                Verdict::Scheduled { post, slot: _ } => {
                    digest(&post).map(|digest| Fact::Planned { delivery: at(&post), digest, held: None, detail: None })
                }
                Verdict::Held { post, reason, detail } => digest(&post).map(|digest| Fact::Planned {
                    delivery: at(&post),
                    digest,
                    held: Some(reason),
                    detail,
                }),
                Verdict::Missed { post, slot } => Some(Fact::Missed { delivery: at(&post), slot }),
                Verdict::Expired { post } => Some(Fact::Expired { delivery: at(&post) }),
                Verdict::SlotEmpty { slot, reason } => {
                    Some(Fact::SlotEmpty { account: account.clone(), slot, reason, run: None })
                }
            };
            records.extend(fact.map(|fact| Record::new(now, fact)));
        }
        if records.is_empty() {
            if let Some(desk) = self.desks.get_mut(account) {
                desk.planning = false;
            }
            return;
        }
        // One batch: a post that is given up for a slot must not outlive the slot.
        self.commit(records, Room::Free, Then::Planned(account.clone()));
    }

    pub(super) fn planned(&mut self, account: &AccountId, records: &[Record], now: Timestamp) {
        if let Some(desk) = self.desks.get_mut(account) {
            desk.planning = false;
        }
        for record in records {
            let Fact::Planned { delivery, .. } = &record.fact else { continue };
            // While it was on its way, its post may have come in anew, and was held against what the ledger said before.
            match self.posts.get(&delivery.post).filter(|post| post.to.contains(account)) {
                Some(_) => _ = self.desks.get_mut(account).map(|desk| desk.lane.look_again(&delivery.post)),
                None if self.leaving.holds(delivery) => {}
                None => self.withdraw(delivery, now),
            }
        }
        let over: Vec<Record> = records
            .iter()
            .filter(|record| matches!(record.fact, Fact::Missed { .. } | Fact::Expired { .. }))
            .cloned()
            .collect();
        self.ended(account, &over, now);
    }

    /// The states of these deliveries have left the plan's hands, or come back into them.
    pub(super) fn ended(&mut self, account: &AccountId, records: &[Record], now: Timestamp) {
        for delivery in records.iter().filter_map(|record| record.fact.delivery()) {
            self.refresh(&delivery.post.clone());
        }
        self.advance(account, now);
    }

    fn set_wake(&mut self, account: &AccountId, wake: Option<Timestamp>) {
        let Some(desk) = self.desks.get_mut(account) else { return };
        if desk.wake == wake {
            return;
        }
        if let Some(old) = desk.wake {
            self.agenda.remove(&(old, account.clone()));
        }
        desk.wake = wake;
        if let Some(at) = wake {
            self.agenda.insert((at, account.clone()));
        }
    }

    /// Warns, once each time, where approved posts run low.
    pub(super) fn look_at_runways(&mut self, now: Timestamp) {
        let mut events = Vec::new();
        for (id, desk) in &mut self.desks {
            let ends = runway(desk, self.view.account(id), now);
            let low = ends.is_some() && !desk.setup.schedule.slots.is_empty();
            if low && !desk.low {
                let runway_days = ends.map_or(0.0, |ends| time::days(time::since(ends, now)));
                let warn_days = time::days(desk.setup.policy.runway_warn);
                events.push(LogEvent::QueueLow { account: id.clone(), runway_days, warn_days });
            }
            desk.low = low;
        }
        for event in events {
            self.log(event);
        }
    }
}

/// What is said of a post that says the same as another one.
pub(super) fn double_of(other: &str) -> String {
    format!("{other} said the same here; change the text, or wait 30 days")
}

/// When approved content runs out, if that is before the account wants to be warned.
fn runway(desk: &Desk, account: Option<&crate::ledger::view::Account>, now: Timestamp) -> Option<Timestamp> {
    desk.lane.runway(account, now, runway_horizon(now, &desk.setup.policy))
}

/// The earlier of two moments, either of which may be unknown.
trait Earlier {
    fn min_with(self, other: Self) -> Self;
}

impl Earlier for Option<Timestamp> {
    fn min_with(self, other: Self) -> Self {
        [self, other].into_iter().flatten().min()
    }
}
