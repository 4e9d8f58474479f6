//! What is on its way into the ledger, and what goes on once it is there.
//!
//! A record counts when it is durable, and not before: then it is announced and applied to the view, and only then does what it
//! was written for go on. What could not be written is handed in again until it is, but for what is planned anew by then, or
//! what somebody waits for who can be told.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::{AccountId, DeliveryId, Dollars, Held, Timestamp, time};
use crate::ledger::Record;
use crate::ledger::record::{Fact, Outcome};
use crate::ledger::store::{CommitError, Room};
use crate::telemetry::events::Event as LogEvent;

use super::desk::Work;
use super::{Command, Engine, Ticket};

/// When a batch that could not be written is handed in again.
const COMMIT_AGAIN: Duration = Duration::from_secs(5);

/// Batches that are not durable yet.
#[derive(Debug, Default)]
pub(super) struct Commits {
    pending: BTreeMap<Ticket, Pending>,
    /// Those that could not be written, and when they are handed in again.
    again: BTreeMap<Timestamp, Vec<Ticket>>,
}

impl Commits {
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// When the next batch is handed in again.
    pub fn next(&self) -> Option<Timestamp> {
        self.again.keys().next().copied()
    }
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
    pub(super) fn commit(&mut self, records: Vec<Record>, room: Room, then: Then) -> Ticket {
        let ticket = self.ticket();
        self.commands.push_back(Command::Commit { ticket, records: records.clone(), room });
        self.commits.pending.insert(ticket, Pending { records, room, then });
        ticket
    }

    pub(super) fn committed(&mut self, ticket: Ticket, result: Result<(), CommitError>, now: Timestamp) {
        let Some(pending) = self.commits.pending.remove(&ticket) else {
            return;
        };
        match result {
            Ok(()) => {
                pending.records.iter().for_each(|record| self.is_durable(record, now));
                self.went_on(ticket, pending, now);
            }
            Err(CommitError::Broken(why)) => {
                self.commits.pending.insert(ticket, pending);
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

    /// A record is durable: it is announced and applied, and what else hangs on it follows.
    fn is_durable(&mut self, record: &Record, now: Timestamp) {
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
        match &record.fact {
            Fact::Spent { account, month, spend } => {
                if let Some(before) = before {
                    self.spent(account, *month, *spend, before);
                }
            }
            Fact::Planned { delivery, held: Some(Held::Budget), .. } => self.held_for_budget(&delivery.account, now),
            Fact::Outcome { delivery, outcome: Outcome::Delivered { .. }, .. } => {
                self.look_at_in_time(delivery, now);
                if let Some(answer) = answer {
                    // Whoever asked for nothing waits for no word that it is on record.
                    let _ = self.settle(vec![answer], now);
                }
            }
            Fact::AccountStopped { account, .. } => drop(self.stops.remove(account)),
            Fact::AccountResumed { account } => drop(self.untested.remove(account)),
            Fact::Pinned { account, .. } => self.name_ours(account),
            Fact::TokensKept { account, .. } => self.tokens_are_durable(account, now),
            Fact::SlotEmpty { account, slot, reason, .. } => {
                if let Some(desk) = self.desks.get_mut(account) {
                    desk.empties.said(*slot, reason);
                }
            }
            Fact::ClockSet { account, .. } => {
                if let Some(desk) = self.desks.get_mut(account) {
                    desk.clock_set = false;
                }
            }
            _ => {}
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
                self.commits.pending.insert(ticket, pending);
                self.commits.again.entry(later).or_default().push(ticket);
            }
        }
    }

    pub(super) fn hand_in_again(&mut self, now: Timestamp) {
        while let Some(entry) = self.commits.again.first_entry().filter(|entry| *entry.key() <= now) {
            for ticket in entry.remove() {
                if let Some(pending) = self.commits.pending.get(&ticket) {
                    let (records, room) = (pending.records.clone(), pending.room);
                    self.commands.push_back(Command::Commit { ticket, records, room });
                }
            }
        }
    }

    /// The disk has room again.
    pub(super) fn room(&mut self, now: Timestamp) {
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
}
