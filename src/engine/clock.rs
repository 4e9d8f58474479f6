//! The wall clock: what is done when it is behind, when it was set ahead, and when a person says that it is right.
//!
//! While it is behind what the ledger has seen, nothing is sent. Set ahead, it must neither end a gap nor the time in which
//! something may still arrive: both are time that has passed.

use std::time::Duration;

use crate::domain::{AccountId, DeliveryId, Timestamp, time};
use crate::ledger::Record;
use crate::ledger::record::Fact;
use crate::ledger::store::Room;
use crate::telemetry::events::Event as LogEvent;

use super::Engine;
use super::commits::Then;

/// How far the wall clock may be behind the highest recorded one before nothing is sent. Clocks are set back by
/// fractions of a second all the time.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(2);

impl Engine {
    /// Whether what the clock allows has changed. What follows from it waits until the event is taken: a post that has
    /// just lost its approval must not be begun first.
    pub(super) fn watch_clock(&mut self, now: Timestamp) -> bool {
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

    /// The wall clock was set.
    pub(super) fn clock_jumped(&mut self, seconds: i64, now: Timestamp) {
        // That it was set back further than the store has seen is said already.
        if seconds > 0 || !self.clock_behind {
            self.log(LogEvent::ClockJumped { seconds });
        }
        self.clock_set(seconds);
        self.spare_gaps(seconds, now);
        self.advance_all(now);
    }

    /// A person says that the wall clock is right.
    pub(super) fn clock_confirmed(&mut self, by: String, now: Timestamp) {
        let mut facts = self.set_back(now);
        facts.push(Fact::ClockConfirmed { by });
        let records = facts.into_iter().map(|fact| Record::new(now, fact)).collect();
        self.commit(records, Room::Reserve, Then::ClockRight);
    }

    /// The time in which something may still arrive is time that has passed, not what the wall clock shows.
    fn clock_set(&mut self, seconds: i64) {
        let Ok(step) = u64::try_from(seconds) else { return };
        self.desks.values_mut().for_each(|desk| desk.clock_set_ahead(Duration::from_secs(step)));
    }

    /// A clock that was set ahead makes the last post look older than it is: the gap must not be over by that.
    fn spare_gaps(&mut self, seconds: i64, now: Timestamp) {
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
}
