//! What can happen.

use std::sync::Arc;

use crate::domain::policy::{ApprovalMode, DeliveryRules, Policy, Schedule};
use crate::domain::{AccountId, Links, Timestamp};
use crate::engage::retention::Retention;
use crate::ledger::store::CommitError;
use crate::parts::{Inbox, ShelfError, Unvouched};
use crate::platform::contract::{Adapter, Failure, Media, Reply, Secrets};

use super::{Seal, Ticket};

/// Something that happened outside.
#[derive(Debug)]
pub enum Event {
    /// Time has passed. A hint: late, doubled and missing ticks do no harm.
    Tick,
    /// The queue folder was looked at.
    Inbox(Inbox),
    /// A batch is durable, or is not.
    Committed {
        ticket: Ticket,
        result: Result<(), CommitError>,
    },
    /// A call has come back.
    Replied {
        ticket: Ticket,
        result: Result<Reply, Failure>,
    },
    /// Media were read.
    Gathered {
        ticket: Ticket,
        result: Result<Vec<Media>, ShelfError>,
    },
    /// The signature was looked at: who has approved it, or why nobody has.
    Vouched {
        ticket: Ticket,
        result: Result<Arc<str>, Unvouched>,
    },
    /// Records about people are durable, or are not.
    Remembered {
        ticket: Ticket,
        result: Result<(), CommitError>,
    },
    /// People were let go of by these rules: what was said by them is on record no more.
    Trimmed(Retention),
    /// The store has room for new intents again.
    Room,
    Chore(Chore),
    /// The wall clock moved otherwise than time passed, by so many seconds.
    ClockJumped {
        seconds: i64,
    },
    /// A person says that the wall clock is right, although it is behind what the ledger holds.
    ClockConfirmed {
        by: String,
    },
    /// This counts as an approval from now on, whatever the queue was read with.
    Approvals(ApprovalMode),
    /// The accounts are these from now on.
    Configured(Vec<AccountSetup>),
    /// Begin nothing new.
    Stop,
}

/// Recurring work; a chore only hands the engine this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chore {
    /// Look at every account's runway.
    Runway,
    /// Ask the accounts whose token was not accepted once more, and say what ends soon.
    Accounts,
    /// Look at what has become of posts, and who has spoken to us.
    Sweep,
}

/// One account, ready for work.
#[derive(Debug, Clone)]
pub struct AccountSetup {
    pub id: AccountId,
    pub adapter: Arc<dyn Adapter>,
    pub secrets: Secrets,
    pub schedule: Schedule,
    pub policy: Policy,
    pub rules: DeliveryRules,
    pub links: Links,
    pub paused: bool,
    /// The remote account's stable id, when the configuration pins it.
    pub identity: Option<String>,
    /// When its token ends, where the configuration says so.
    pub token_expires: Option<Timestamp>,
    /// What its tokens are sealed with, where the store has a key.
    pub seal: Option<Seal>,
}

/// Until when the plan is looked through for the runway, beyond the warning mark: none needed.
pub(super) fn runway_horizon(now: Timestamp, policy: &Policy) -> Timestamp {
    crate::domain::time::after(now, policy.runway_warn)
}
