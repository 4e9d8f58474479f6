//! Empty slots of one account, in as few words as are needed.
//!
//! A schedule may have a slot each second, and a record and a log line for each that stays empty would be all that the
//! store and the log hold. So the first one is said at once; those that follow it closely, for the same reason, are held
//! back and said as one, with their number: every hour, when the reason changes, before anything is sent on the
//! account, and at a stop. Until then their slots are over all the same, because the lane is told so.
//!
//! A crash loses the number and the reason. The slots stay over: at the next start they are slots that have passed.

use std::time::Duration;

use crate::domain::time::{after, since};
use crate::domain::{AccountId, Timestamp};
use crate::ledger::record::{Fact, Run};
use crate::plan::{CLOSE, Verdict};

/// How long empty slots are held back.
pub(super) const HOLD: Duration = Duration::from_secs(60 * 60);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Empties {
    /// The last empty slot in the ledger, and why it was empty.
    said: Option<(Timestamp, String)>,
    /// What came after it for the same reason.
    held: Option<(Run, Timestamp)>,
}

impl Empties {
    /// Takes verdicts that need not be said now. `false`: they are to be said, all of them.
    pub fn hold_back(&mut self, verdicts: &[Verdict]) -> bool {
        let Some((said, why)) = &self.said else { return false };
        let mut held = self.held;
        for verdict in verdicts {
            let Verdict::SlotEmpty { slot, reason } = verdict else { return false };
            let last = held.map_or(*said, |(_, last)| last);
            if reason != why || *slot <= last || since(*slot, last) > CLOSE {
                return false;
            }
            let run = held.map_or(Run { count: 0, first: *slot }, |(run, _)| run);
            held = Some((Run { count: run.count + 1, ..run }, *slot));
        }
        self.held = held;
        !verdicts.is_empty()
    }

    /// All slots up to this one are over.
    pub fn through(&self) -> Option<Timestamp> {
        self.held.map(|(_, last)| last)
    }

    /// When what is held back is to be said.
    pub fn due(&self) -> Option<Timestamp> {
        self.held.map(|(run, _)| after(run.first, HOLD))
    }

    /// What is held back, as a fact.
    pub fn held_back(&self, account: &AccountId) -> Option<Fact> {
        let ((run, slot), (_, reason)) = (self.held?, self.said.as_ref()?);
        let run = Some(run).filter(|run| run.count > 1);
        Some(Fact::SlotEmpty { account: account.clone(), slot, reason: reason.clone(), run })
    }

    /// An empty slot is on record.
    pub fn said(&mut self, slot: Timestamp, reason: &str) {
        if self.through().is_some_and(|last| last <= slot) {
            self.held = None;
        }
        if self.said.as_ref().is_none_or(|(last, _)| *last <= slot) && self.held.is_none() {
            self.said = Some((slot, reason.to_owned()));
        }
    }
}
