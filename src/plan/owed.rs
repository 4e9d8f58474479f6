//! When an attempt that is owed may be made: it needs no slot, but it keeps gap, day and quiet hours like any other.

use crate::domain::time::after;
use crate::domain::{PostId, Timestamp};
use crate::ledger::view::Account;

use super::gates::{self, Closed};
use super::lane::Lane;
use super::past::Past;

/// When it is asked again where nothing tells how long a gate stays closed.
const ASK_AGAIN: std::time::Duration = std::time::Duration::from_secs(60);

impl Lane {
    /// The earliest moment from `now` on at which `post` may be sent, its own earlier attempts not counted. Later gates
    /// may still be closed then: ask again.
    pub fn earliest(&self, account: Option<&Account>, post: &PostId, now: Timestamp) -> Timestamp {
        let past = Past::but(account, post);
        let entry = past.entry(post);
        let counts = entry.and_then(|entry| entry.open.as_ref()).is_none_or(|open| open.intent.counts);
        let zone = &self.schedule.zone;
        let mut closed = gates::quiet(&self.policy, zone, now);
        if counts {
            let day = || gates::day(&self.policy, zone, &past, now).closed();
            closed = closed.or_else(|| gates::gap(&self.policy, &past, now)).or_else(day);
        }
        match closed {
            None => now,
            Some(closed) => Closed::until(closed).unwrap_or_else(|| after(now, ASK_AGAIN)),
        }
    }
}
