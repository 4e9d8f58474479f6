//! One account's share of the plan.

use std::sync::Arc;

use crate::domain::policy::{Policy, Schedule};
use crate::domain::{Held, PostId, Timestamp};
use crate::ledger::view::Account;
use crate::queue::Post;

/// An index over the waiting deliveries of one account.
#[derive(Debug, Clone)]
pub struct Lane {
    schedule: Schedule,
    policy: Policy,
}

/// What stands against sending on this account as a whole.
#[derive(Debug, Clone, Copy, Default)]
pub struct Brakes {
    /// Why nothing may be begun now (an attempt is open, the queue folder is lost, the clock is behind, the disk is
    /// full, the account is paused or its token not accepted); it becomes the reason of slots that pass meanwhile.
    pub no_send: Option<&'static str>,
    /// More people wait for an answer than the policy allows.
    pub unanswered: bool,
}

/// What one step of the plan says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Step {
    /// What differs from what the ledger says, in order. Each becomes one record and one log event.
    pub verdicts: Vec<Verdict>,
    /// What is to be sent now; nothing when a brake is on.
    pub send: Option<Choice>,
    /// When to ask again, if nothing else happens before.
    pub wake: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    Scheduled {
        post: PostId,
        slot: Option<Timestamp>,
    },
    Held {
        post: PostId,
        reason: Held,
        detail: Option<String>,
    },
    /// Its time has passed, and the policy gives it up.
    Missed {
        post: PostId,
        slot: Timestamp,
    },
    Expired {
        post: PostId,
    },
    SlotEmpty {
        slot: Timestamp,
        reason: String,
    },
}

/// A post to send now.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    pub post: Arc<Post>,
    /// The slot it keeps, or its own fixed time; `None` for replies.
    pub slot: Option<Timestamp>,
    /// Whether `slot` is its own fixed time.
    pub fixed: bool,
}

/// One line of the plan ahead.
#[derive(Debug, Clone, PartialEq)]
pub struct Projected {
    /// `None` when nobody can say.
    pub at: Option<Timestamp>,
    /// `None`: a slot with nothing to send.
    pub post: Option<PostId>,
    /// `None`: it goes out then.
    pub held: Option<(Held, Option<String>)>,
    /// Why a slot stays empty.
    pub empty: Option<String>,
}

impl Lane {
    pub fn new(schedule: Schedule, policy: Policy) -> Self {
        Self { schedule, policy }
    }

    /// Other rules for the same posts (a changed configuration).
    pub fn set_rules(&mut self, schedule: Schedule, policy: Policy) {
        self.schedule = schedule;
        self.policy = policy;
    }

    /// Adds a post, or replaces the one of the same id. `objection` is what the platform has against it.
    pub fn put(&mut self, _post: &Arc<Post>, _objection: Option<(Held, String)>, _account: Option<&Account>) {
        unimplemented!()
    }

    /// Takes a post out (it left the queue, or its delivery is over or open).
    pub fn remove(&mut self, _post: &PostId) {
        unimplemented!()
    }

    /// Says what changes now and what is to be sent now.
    pub fn step(&mut self, _account: Option<&Account>, _brakes: Brakes, _now: Timestamp) -> Step {
        unimplemented!()
    }

    /// The earliest moment from `now` on at which gap, day and quiet hours allow `post` to be sent, its own earlier
    /// attempts not counted. For attempts that are owed, which need no slot.
    pub fn earliest(&self, _account: Option<&Account>, _post: &PostId, now: Timestamp) -> Timestamp {
        now
    }

    /// The plan from `now` until `until`, as if everything were delivered at once when it is sent.
    pub fn project(
        &self,
        _account: Option<&Account>,
        _brakes: Brakes,
        _now: Timestamp,
        _until: Timestamp,
    ) -> Vec<Projected> {
        unimplemented!()
    }

    /// When the last approved post goes out, looked for until `until`; `None` when posts are left then.
    pub fn runway(&self, _account: Option<&Account>, _now: Timestamp, _until: Timestamp) -> Option<Timestamp> {
        unimplemented!()
    }
}
