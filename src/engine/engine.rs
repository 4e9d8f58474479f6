//! The state of the daemon, and what happens to it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crate::domain::policy::ApprovalMode;
use crate::domain::{AccountId, DeliveryId, Dollars, Held, PostId, State, Timestamp, time};
use crate::engage::{self, Watch};
use crate::ledger::record::{Decision, Fact, Outcome};
use crate::ledger::store::{CommitError, Room};
use crate::ledger::view::Entry;
use crate::ledger::{Record, View};
use crate::queue::{Post, Posts, Queue};
use crate::telemetry::events::Event as LogEvent;

use super::anew::Anew;
use super::desk::{Desk, Work};
use super::empties::HOLD;
use super::gains::Gains;
use super::leaving::Leaving;
use super::spray::Spoken;
use super::{AccountSetup, Chore, Command, Event, Ticket};

/// How far the wall clock may be behind the highest recorded one before nothing is sent. Clocks are set back by
/// fractions of a second all the time.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(2);
/// When a batch that could not be written is handed in again.
const COMMIT_AGAIN: Duration = Duration::from_secs(5);

/// Whether attempts are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Publish,
    /// Everything but attempts: what would be sent is only said.
    DryRun,
    /// Nothing at all: somebody only wants to know where things stand.
    Look,
}

/// Why a person's decision cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    #[error("there is no delivery {0}")]
    Unknown(DeliveryId),
    #[error("{delivery} is {state}: only an uncertain, refused or missed delivery can be resolved")]
    NotOpen { delivery: DeliveryId, state: &'static str },
    #[error("{delivery} is not sent any more: its post expired at {expires}")]
    Expired { delivery: DeliveryId, expires: Timestamp },
    #[error("{0} is being decided already")]
    Busy(DeliveryId),
    #[error("the decision could not be recorded: {0}")]
    Commit(CommitError),
}

/// The core. See the module for what it promises.
#[derive(Debug)]
pub struct Engine {
    pub(super) seed: u64,
    pub(super) mode: Mode,
    /// What counts as an approval now.
    pub(super) approvals: ApprovalMode,
    /// What counted when the queue was read.
    pub(super) read_with: ApprovalMode,
    /// Files that were read with something else and have not been heard of since.
    pub(super) unheard: BTreeSet<Arc<str>>,
    /// Since when it is being read by what counts now.
    pub(super) anew: Option<Anew>,
    pub(super) view: View,
    pub(super) queue: Queue,
    pub(super) posts: Posts,
    pub(super) leaving: Leaving,
    pub(super) desks: BTreeMap<AccountId, Desk>,
    pub(super) commands: VecDeque<Command>,
    pub(super) agenda: BTreeSet<(Timestamp, AccountId)>,
    /// When missing files are looked for again.
    pub(super) looks: BTreeSet<(Timestamp, AccountId)>,
    pub(super) folder: Folder,
    /// Why nothing is known of it, where it is lost.
    pub(super) lost: String,
    /// Whether it has been read through once: before, nobody knows what is still wanted.
    pub(super) was_read: bool,
    pub(super) clock_behind: bool,
    pub(super) full: bool,
    pub(super) stopping: bool,
    /// Whether everything was recorded once since the start; before, nothing is begun.
    pub(super) ready: bool,
    /// The last `now`.
    pub(super) now: Timestamp,
    /// Accounts whose stop is on its way into the ledger.
    pub(super) stops: BTreeSet<AccountId>,
    /// Accounts that are let in although nobody knows whether their token is accepted.
    pub(super) untested: BTreeSet<AccountId>,
    /// Accounts whose new tokens are. Nothing is asked with them before.
    pub(super) keeps: BTreeSet<AccountId>,
    /// Queue files that cannot be used, and the first thing that is wrong with each.
    pub(super) broken: BTreeMap<Arc<str>, String>,
    pending: BTreeMap<Ticket, Pending>,
    again: BTreeMap<Timestamp, Vec<Ticket>>,
    resolving: BTreeSet<DeliveryId>,
    /// What is known of people; `None` where nothing is recorded about them.
    pub(super) watch: Option<Watch>,
    /// What a person has said about people, on its way into the record.
    pub(super) settling: Vec<(Ticket, Vec<engage::Record>)>,
    /// What sweeps have found, on its way into the record.
    pub(super) remembering: BTreeMap<Ticket, Vec<engage::Record>>,
    /// A sweep has ended: another account may be looked at.
    pub(super) sweep_ended: bool,
    pub(super) resolved: Vec<(Ticket, Result<(), CommitError>)>,
    pub(super) gains: Gains,
    /// What was said lately; looked up when it is first asked for.
    pub(super) spoken: Option<Spoken>,
    /// Whose call a ticket is.
    pub(super) callers: BTreeMap<Ticket, AccountId>,
    pub(super) next_ticket: u64,
}

/// What is known of the queue folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Folder {
    /// It is being read for the first time.
    Reading,
    Known,
    /// It was read when something else counted as an approval.
    Outdated,
    Lost,
}

/// A batch on its way into the ledger.
#[derive(Debug)]
struct Pending {
    records: Vec<Record>,
    room: Room,
    then: Then,
}

/// What goes on once a batch is durable.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Then {
    /// The wall clock is right, says a person.
    ClockRight,
    /// Something about this account has changed.
    Changed(AccountId),
    /// The plan's verdicts of an account.
    Planned(AccountId),
    /// Posts of this account have left the queue.
    Withdrawn(AccountId),
    /// An attempt may begin.
    Intended(AccountId),
    /// An attempt may go on.
    Kept(AccountId),
    /// An attempt is over, or in doubt.
    Concluded(AccountId),
    /// An attempt has turned out to be with the token of another account.
    WrongAccount(AccountId, String),
    /// A probe may go on.
    Probe(AccountId),
    /// A sweep may make a call that costs something.
    Sweep(AccountId),
    /// The tokens that a person has obtained are kept.
    Authorised(AccountId),
    /// A person's decision is in force.
    Resolved(DeliveryId),
    /// Outcomes are on record.
    Gained,
}

impl Engine {
    /// An engine that knows what `view` says. Nothing is sent before the accounts are configured and the queue folder
    /// has been read once.
    pub fn new(seed: u64, view: View, mode: Mode) -> Self {
        Self {
            seed,
            mode,
            approvals: ApprovalMode::Digest,
            read_with: ApprovalMode::Digest,
            unheard: BTreeSet::new(),
            anew: None,
            view,
            queue: Queue::default(),
            posts: Posts::default(),
            leaving: Leaving::default(),
            desks: BTreeMap::new(),
            commands: VecDeque::new(),
            agenda: BTreeSet::new(),
            looks: BTreeSet::new(),
            folder: Folder::Reading,
            lost: String::new(),
            was_read: false,
            clock_behind: false,
            full: false,
            stopping: false,
            ready: false,
            now: Timestamp::MIN,
            stops: BTreeSet::new(),
            untested: BTreeSet::new(),
            keeps: BTreeSet::new(),
            broken: BTreeMap::new(),
            pending: BTreeMap::new(),
            again: BTreeMap::new(),
            resolving: BTreeSet::new(),
            watch: None,
            settling: Vec::new(),
            remembering: BTreeMap::new(),
            sweep_ended: false,
            resolved: Vec::new(),
            gains: Gains::default(),
            spoken: None,
            callers: BTreeMap::new(),
            next_ticket: 0,
        }
    }

    pub fn view(&self) -> &View {
        &self.view
    }

    /// The post in force under this id.
    pub fn post(&self, id: &PostId) -> Option<&Arc<Post>> {
        self.posts.get(id)
    }

    /// Queue files that cannot be used, each with the place of the first thing that is wrong.
    pub(super) fn broken_files(&self) -> impl Iterator<Item = &String> {
        self.broken.values()
    }

    pub fn posts(&self) -> impl Iterator<Item = &Arc<Post>> {
        self.posts.iter()
    }

    pub fn accounts(&self) -> impl Iterator<Item = &AccountSetup> {
        self.desks.values().map(|desk| &desk.setup)
    }

    /// Takes what happened. Afterwards [`Engine::next_command`] is to be asked until it gives nothing.
    pub fn handle(&mut self, event: Event, now: Timestamp) {
        self.now = now;
        let clock_turned = self.watch_clock(now);
        match event {
            Event::Tick => {}
            Event::Inbox(inbox) => self.inbox(inbox, now),
            Event::Committed { ticket, result } => self.committed(ticket, result, now),
            Event::Replied { ticket, result } => self.replied(ticket, result, now),
            Event::Gathered { ticket, result } => self.gathered(ticket, result, now),
            Event::Vouched { ticket, result } => self.vouched(ticket, result, now),
            Event::Remembered { ticket, result } => self.remembered(ticket, result, now),
            Event::Trimmed(retention) => {
                if let Some(watch) = &mut self.watch {
                    watch.trim(retention, now);
                }
                self.watch_the_waiting(now);
            }
            Event::Room => self.room(now),
            Event::Chore(Chore::Runway) => {
                self.look_at_runways(now);
                self.reconsider_objections(now);
                self.let_go(now);
            }
            Event::Chore(Chore::Accounts) => {
                self.probe_accounts(now);
                self.announce_ends(now);
            }
            Event::Chore(Chore::Sweep) => {
                self.sweep_accounts(now);
                self.watch_the_waiting(now);
            }
            Event::ClockJumped { seconds } => {
                self.log(LogEvent::ClockJumped { seconds });
                self.clock_set(seconds);
                self.clock_jumped(seconds, now);
                self.advance_all(now);
            }
            Event::ClockConfirmed { by } => {
                let mut facts = self.set_back(now);
                facts.push(Fact::ClockConfirmed { by });
                let records = facts.into_iter().map(|fact| Record::new(now, fact)).collect();
                self.commit(records, Room::Reserve, Then::ClockRight);
            }
            Event::Approvals(mode) => self.approve_by(mode, now),
            Event::Configured(accounts) => self.configured(accounts, now),
            Event::Stop => {
                self.stopping = true;
                self.wait_for_no_word(now);
                self.say_all_held_back(now);
            }
        }
        if clock_turned {
            self.advance_all(now);
        }
        self.sweep_on_others(now);
        self.hand_in_again(now);
        self.follow_agenda(now);
        self.follow_looks(now);
        self.say_whether_slow(now);
        if !self.ready && self.is_ready() {
            self.ready = true;
            self.advance_all(now);
        }
    }

    /// The next thing to do.
    pub fn next_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// When to send [`Event::Tick`] at the latest.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let agenda = self.agenda.first().map(|(at, _)| *at);
        let again = self.again.keys().next().copied();
        let looks = self.looks.first().map(|(at, _)| *at);
        [agenda, again, looks, self.is_slow_at()].into_iter().flatten().min()
    }

    /// Whether the queue has been read and every record it caused is durable.
    pub fn is_ready(&self) -> bool {
        self.folder != Folder::Reading && self.pending.is_empty() && self.desks.values().all(|desk| !desk.planning)
    }

    /// Whether it has been ready once. Before, nothing is begun.
    pub fn is_started(&self) -> bool {
        self.ready
    }

    /// Whether every delivery's state is in the ledger: nothing is on its way, nothing waits for the disk, and no plan
    /// waits for a call to come back.
    pub fn is_recorded(&self) -> bool {
        let said = |desk: &Desk| desk.pause_until.is_none() && !desk.is_in_flight();
        self.is_ready() && !self.full && self.desks.values().all(said)
    }

    /// Whether the queue folder has been looked at.
    pub fn is_read(&self) -> bool {
        self.folder != Folder::Reading
    }

    /// Whether nothing is sending, retrying or scheduled any more, or only what waits for a person. See
    /// [`Engine::unfinished`].
    pub fn is_idle(&self) -> bool {
        self.is_ready()
            && self.folder != Folder::Outdated
            && self.desks.iter().all(|(id, desk)| {
                if desk.probe.is_some() {
                    return false;
                }
                let quiet = matches!(desk.work, Work::Idle);
                let Some(account) = self.view.account(id) else { return quiet };
                let stopped = account.head.stopped.is_some();
                let scheduled = account.counts().get(State::Scheduled.name()).copied().unwrap_or(0);
                let waits_in_vain = desk.wake.is_none() && !self.full;
                // What is parked goes on when its token is accepted again, and not before.
                (quiet || (stopped && matches!(desk.work, Work::Parked { .. })))
                    && (desk.setup.paused
                        || stopped
                        || (account.open().next().is_none() && (scheduled == 0 || waits_in_vain)))
            })
    }

    /// What waits for a person on each account once the engine is idle: how many deliveries, and for what.
    pub fn unfinished(&self) -> Vec<(AccountId, usize, &'static str)> {
        let left = self.view.accounts().filter_map(|(id, account)| {
            let waits = |state: &State| match state {
                State::Held { reason, .. } => reason.is_of_the_account(),
                _ => *state == State::Scheduled,
            };
            let waiting = account.deliveries().filter(|(_, entry)| waits(&entry.state));
            let deliveries = account.open().count() + waiting.count();
            let reason = match self.desks.get(id) {
                None => "the account is not in the configuration",
                Some(_) if account.head.stopped.is_some() => "the account's token is not accepted",
                Some(desk) if desk.setup.paused => "the account is paused",
                Some(_) => "no slot comes any more",
            };
            (deliveries > 0).then(|| (id.clone(), deliveries, reason))
        });
        left.collect()
    }

    /// How many accounts have a call or a commit under way. A probe is one of them: what it is given may be the only way
    /// to go on.
    pub fn in_flight(&self) -> usize {
        let working = self.desks.values().filter(|desk| desk.is_in_flight() || desk.probe.is_some()).count();
        working.max(usize::from(!self.pending.is_empty()))
    }

    /// Takes a person's decision. What came of it is given by [`Engine::next_resolved`] under the same ticket, when it
    /// is durable.
    ///
    /// # Errors
    /// When the delivery is in a state that leaves nothing to decide.
    pub fn resolve(
        &mut self,
        delivery: &DeliveryId,
        decision: Decision,
        by: &str,
        now: Timestamp,
    ) -> Result<Ticket, ResolveError> {
        let entry = self.view.entry(delivery).ok_or_else(|| ResolveError::Unknown(delivery.clone()))?;
        match entry.state {
            State::Uncertain { .. } | State::Refused { .. } | State::Missed => {}
            _ => return Err(ResolveError::NotOpen { delivery: delivery.clone(), state: entry.state.name() }),
        }
        let parts = entry.open.as_ref().map_or(0, |open| open.published);
        let expires =
            self.posts.get(&delivery.post).and_then(|post| post.rare.expires).filter(|expires| *expires <= now);
        if let (Decision::Retry, 0, Some(expires)) = (&decision, parts, expires) {
            return Err(ResolveError::Expired { delivery: delivery.clone(), expires });
        }
        if !self.resolving.insert(delivery.clone()) {
            return Err(ResolveError::Busy(delivery.clone()));
        }
        let fact = Fact::Resolved { delivery: delivery.clone(), decision, by: by.into() };
        Ok(self.commit(vec![Record::new(now, fact)], Room::Reserve, Then::Resolved(delivery.clone())))
    }

    /// What a person has given that has been recorded, or could not be.
    pub fn next_resolved(&mut self) -> Option<(Ticket, Result<(), CommitError>)> {
        self.resolved.pop()
    }

    pub(super) fn log(&mut self, event: LogEvent) {
        self.commands.push_back(Command::Log(event));
    }

    pub(super) fn ticket(&mut self) -> Ticket {
        self.next_ticket += 1;
        Ticket(self.next_ticket)
    }

    pub(super) fn commit(&mut self, records: Vec<Record>, room: Room, then: Then) -> Ticket {
        let ticket = self.ticket();
        self.commands.push_back(Command::Commit { ticket, records: records.clone(), room });
        self.pending.insert(ticket, Pending { records, room, then });
        ticket
    }

    /// The account whose call, or whose media, a ticket stands for.
    pub(super) fn caller(&mut self, ticket: Ticket) -> Option<AccountId> {
        self.callers.remove(&ticket)
    }

    pub(super) fn entry(&self, delivery: &DeliveryId) -> Option<&Entry> {
        self.view.entry(delivery)
    }

    fn committed(&mut self, ticket: Ticket, result: Result<(), CommitError>, now: Timestamp) {
        let Some(pending) = self.pending.remove(&ticket) else {
            return;
        };
        match result {
            Ok(()) => {
                for record in &pending.records {
                    if self.view.takes(record) {
                        self.announce(record);
                    }
                    let before = self.spent_before(record);
                    let answer = self.answer_given(record);
                    self.view.apply(record);
                    if let Some(delivery) = record.fact.delivery()
                        && self.leaving.holds(delivery)
                        && !self.entry(delivery).is_some_and(|entry| entry.state.goes_on())
                    {
                        self.leaving.is_over(delivery);
                    }
                    if let (Fact::Spent { account, month, spend }, Some(before)) = (&record.fact, before) {
                        self.spent(account, *month, *spend, before);
                    }
                    if let Fact::Planned { delivery, held: Some(Held::Budget), .. } = &record.fact {
                        self.held_for_budget(&delivery.account, now);
                    }
                    if let Fact::Outcome { delivery, outcome: Outcome::Delivered { .. }, .. } = &record.fact {
                        self.look_at_in_time(delivery, now);
                    }
                    if let Some(answer) = answer {
                        // Whoever asked for nothing waits for no word that it is on record.
                        let _ = self.settle(vec![answer], now);
                    }
                    match &record.fact {
                        Fact::AccountStopped { account, .. } => drop(self.stops.remove(account)),
                        Fact::AccountResumed { account } => drop(self.untested.remove(account)),
                        _ => {}
                    }
                    if let Fact::Pinned { account, .. } = &record.fact {
                        self.name_ours(account);
                    }
                    if let Fact::TokensKept { account, .. } = &record.fact {
                        self.tokens_are_durable(account, now);
                    }
                    if let Fact::SlotEmpty { account, slot, reason, .. } = &record.fact
                        && let Some(desk) = self.desks.get_mut(account)
                    {
                        desk.empties.said(*slot, reason);
                    }
                    if let Fact::ClockSet { account, .. } = &record.fact
                        && let Some(desk) = self.desks.get_mut(account)
                    {
                        desk.clock_set = false;
                    }
                }
                self.went_on(ticket, pending, now);
            }
            Err(CommitError::Broken(why)) => {
                self.pending.insert(ticket, pending);
                self.commands.push_back(Command::Halt { why });
            }
            Err(error @ CommitError::TooLarge { .. }) => match &pending.then {
                Then::Intended(account) => self.cannot_be_intended(&account.clone(), ticket, &error.to_string(), now),
                // Everything else is small; without it the ledger would not tell what has happened.
                _ => self.commands.push_back(Command::Halt { why: error.to_string() }),
            },
            Err(error) => self.commit_failed(ticket, pending, &error, now),
        }
    }

    /// What was spent before in the month that a record is about.
    fn spent_before(&self, record: &Record) -> Option<Dollars> {
        let Fact::Spent { account, month, .. } = &record.fact else { return None };
        Some(self.view.account(account).map(|account| account.head.spent(*month).money).unwrap_or_default())
    }

    fn went_on(&mut self, ticket: Ticket, pending: Pending, now: Timestamp) {
        match pending.then {
            Then::ClockRight => {
                self.watch_clock(now);
                self.advance_all(now);
            }
            Then::Changed(account) => self.advance(&account, now),
            Then::Planned(account) => self.planned(&account, &pending.records, now),
            Then::Withdrawn(account) => self.ended(&account, &pending.records, now),
            Then::Intended(account) => self.intended(&account, ticket, now),
            Then::Kept(account) => self.kept(&account, now),
            Then::Concluded(account) => self.concluded(&account, &pending.records, now),
            Then::WrongAccount(account, why) => self.wrong_account(&account, why, now),
            Then::Probe(account) => {
                self.carry_on_probe(&account, now);
                // An account that was not stopped was held back for as long as that took.
                self.advance(&account, now);
            }
            Then::Sweep(account) => {
                self.sweep_has_money(&account, now);
                self.advance(&account, now);
            }
            Then::Authorised(account) => {
                self.resolved.push((ticket, Ok(())));
                self.authorised(&account, now);
            }
            Then::Resolved(delivery) => {
                self.resolving.remove(&delivery);
                self.resolved.push((ticket, Ok(())));
                self.refresh(&delivery.post);
                self.advance_all(now);
            }
            Then::Gained => self.gained(Ok(()), now),
        }
    }

    /// What can wait is planned anew later; what has happened is handed in again until it is durable.
    fn commit_failed(&mut self, ticket: Ticket, pending: Pending, error: &CommitError, now: Timestamp) {
        let later = time::after(now, COMMIT_AGAIN);
        match error {
            CommitError::NoRoom(why) if !self.full => {
                self.full = true;
                self.log(LogEvent::StoreFull { why: why.clone() });
            }
            CommitError::NoRoom(_) => {}
            other => self.log(LogEvent::StoreFailed { why: other.to_string() }),
        }
        match pending.then.clone() {
            Then::Planned(account) => {
                if let Some(desk) = self.desks.get_mut(&account) {
                    desk.planning = false;
                    desk.pause_until = Some(later);
                }
                self.advance(&account, now);
            }
            Then::Intended(account) => {
                if let Some(desk) = self.desks.get_mut(&account).filter(|desk| desk.work.intends(ticket)) {
                    desk.work = Work::Idle;
                    desk.pause_until = Some(later);
                }
                for delivery in pending.records.iter().filter_map(|record| record.fact.delivery()) {
                    self.withdraw_if_gone(delivery, now);
                }
                self.advance(&account, now);
            }
            Then::Resolved(delivery) => {
                self.resolving.remove(&delivery);
                self.resolved.push((ticket, Err(error.clone())));
            }
            Then::Authorised(account) => {
                self.resolved.push((ticket, Err(error.clone())));
                self.not_authorised(&account, now);
            }
            Then::Gained => self.gained(Err(error.clone()), now),
            Then::ClockRight
            | Then::Changed(_)
            | Then::Withdrawn(_)
            | Then::Kept(_)
            | Then::Concluded(_)
            | Then::WrongAccount(..)
            | Then::Probe(_)
            | Then::Sweep(_) => {
                self.pending.insert(ticket, pending);
                self.again.entry(later).or_default().push(ticket);
            }
        }
    }

    fn hand_in_again(&mut self, now: Timestamp) {
        while let Some(entry) = self.again.first_entry().filter(|entry| *entry.key() <= now) {
            for ticket in entry.remove() {
                if let Some(pending) = self.pending.get(&ticket) {
                    let (records, room) = (pending.records.clone(), pending.room);
                    self.commands.push_back(Command::Commit { ticket, records, room });
                }
            }
        }
    }

    fn room(&mut self, now: Timestamp) {
        if self.full {
            self.full = false;
            self.log(LogEvent::StoreRoom { free_bytes: None });
            self.advance_all(now);
        }
    }

    /// Whether the store was found full and has not been said to have room since.
    pub fn is_full(&self) -> bool {
        self.full
    }

    /// The time in which something may still arrive is time that has passed, not what the wall clock shows.
    fn clock_set(&mut self, seconds: i64) {
        let Ok(step) = u64::try_from(seconds) else { return };
        self.desks.values_mut().for_each(|desk| desk.clock_set_ahead(Duration::from_secs(step)));
    }

    /// Whether what the clock allows has changed. What follows from it waits until the event is taken: a post that has
    /// just lost its approval must not be begun first.
    fn watch_clock(&mut self, now: Timestamp) -> bool {
        let behind = self.view.clock_mark.is_some_and(|mark| now < time::before(mark, CLOCK_TOLERANCE));
        match (self.clock_behind, behind) {
            (false, true) => {
                let mark = self.view.clock_mark.unwrap_or(now);
                self.log(LogEvent::ClockBehind { now, mark });
            }
            (true, false) => {
                self.log(LogEvent::ClockCaughtUp { now });
            }
            _ => {}
        }
        std::mem::replace(&mut self.clock_behind, behind) != behind
    }

    /// What lies ahead of a clock that is right must not keep its account silent until then. Posts that were sent keep
    /// their order.
    fn set_back(&self, now: Timestamp) -> Vec<Fact> {
        let mut facts = Vec::new();
        for (id, account) in self.view.accounts() {
            if account.head.is_ahead(now) {
                facts.push(Fact::AccountSetBack { account: id.clone() });
            }
            let mut ahead: Vec<_> = account.deliveries().filter(|(_, entry)| entry.is_ahead(now)).collect();
            ahead.sort_by_key(|(_, entry)| std::cmp::Reverse(entry.sent.as_ref().map(|sent| sent.from)));
            facts.extend((0..).zip(ahead).map(|(place, (post, _))| Fact::DeliverySetBack {
                delivery: DeliveryId::new(post.clone(), id.clone()),
                to: time::before(now, Duration::from_nanos(place)),
            }));
        }
        facts
    }

    /// A clock that was set ahead makes the last post look older than it is: the gap must not be over by that.
    fn clock_jumped(&mut self, seconds: i64, now: Timestamp) {
        if seconds <= 0 {
            return;
        }
        let accounts: Vec<AccountId> = self.desks.keys().cloned().collect();
        for account in accounts {
            let records = vec![Record::new(now, Fact::ClockSet { account: account.clone(), seconds })];
            // Until it is durable, nothing is begun.
            if let Some(desk) = self.desks.get_mut(&account) {
                desk.clock_set = true;
            }
            self.commit(records, Room::Reserve, Then::Changed(account));
        }
    }

    fn follow_agenda(&mut self, now: Timestamp) {
        while let Some((at, account)) = self.agenda.first().cloned() {
            if at > now {
                break;
            }
            self.agenda.remove(&(at, account.clone()));
            if let Some(desk) = self.desks.get_mut(&account) {
                desk.wake = None;
            }
            self.advance(&account, now);
        }
    }

    pub(super) fn advance_all(&mut self, now: Timestamp) {
        let accounts: Vec<AccountId> = self.desks.keys().cloned().collect();
        for account in accounts {
            self.advance(&account, now);
        }
    }

    fn configured(&mut self, accounts: Vec<AccountSetup>, now: Timestamp) {
        let mut gone: BTreeSet<AccountId> = self.desks.keys().cloned().collect();
        let mut renewed = BTreeSet::new();
        for setup in accounts {
            gone.remove(&setup.id);
            if self.desks.get(&setup.id).is_some_and(|desk| desk.is_renewed_by(&setup)) {
                renewed.insert(setup.id.clone());
            }
            let head = self.view.account(&setup.id).map(|account| &account.head);
            match self.desks.get_mut(&setup.id) {
                // A token must not go to another host than its own: what is under way keeps the account as it was.
                // So does what another platform's adapter has begun.
                Some(desk)
                    if !matches!(desk.work, Work::Idle)
                        && (desk.setup.adapter.place() != setup.adapter.place()
                            || desk.setup.adapter.platform() != setup.adapter.platform()) =>
                {
                    desk.later = Some(setup);
                }
                Some(_) => self.set_up(setup),
                None => {
                    let cursor = head.and_then(|head| head.cursor);
                    let mut desk = Desk::new(setup, head);
                    desk.lane.spare(cursor.map(|cursor| time::after(cursor, HOLD)));
                    let id = desk.setup.id.clone();
                    self.desks.insert(id.clone(), desk);
                    self.say_whether_paused(&id, false);
                    self.list_posts(&id);
                }
            }
        }
        for account in gone {
            self.dismiss(&account, now);
        }
        let ids: Vec<PostId> = self.posts.iter().map(|post| post.id.clone()).collect();
        for id in &ids {
            self.refresh(id);
        }
        let accounts: Vec<AccountId> = self.desks.keys().cloned().collect();
        for account in &accounts {
            self.stop_locked(account, now);
            self.look_soon(account, now);
        }
        self.try_stopped(&renewed, now);
        self.advance_all(now);
    }

    /// An account is this from now on.
    pub(super) fn set_up(&mut self, setup: AccountSetup) {
        let id = setup.id.clone();
        let head = self.view.account(&id).map(|account| &account.head);
        let Some(desk) = self.desks.get_mut(&id) else { return };
        let before = desk.setup.paused;
        desk.set_up(setup, head);
        self.say_whether_paused(&id, before);
    }

    fn say_whether_paused(&mut self, account: &AccountId, before: bool) {
        let Some(desk) = self.desks.get(account).filter(|desk| desk.setup.paused != before) else { return };
        let (account, platform) = (account.clone(), desk.setup.adapter.platform().into());
        self.log(match before {
            false => LogEvent::AccountPaused { account, platform },
            true => LogEvent::AccountResumed { account, platform },
        });
    }

    /// An account that is configured no more does nothing more. What it has in doubt is looked for when it is back.
    fn dismiss(&mut self, account: &AccountId, now: Timestamp) {
        self.say_held_back(account, now);
        if let Some(desk) = self.desks.remove(account)
            && let Some(wake) = desk.wake
        {
            self.agenda.remove(&(wake, account.clone()));
        }
    }
}
