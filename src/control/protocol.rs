//! The types. How they travel is [`super::requests`].
//!
//! The reports are the contract of `--format json`: names of fields are kept, new ones are added, times are RFC 3339.
//!
//! Here are the questions and the answers; what they are about has a room each: `account`, `delivery` and `attention` for
//! what stands where, `plan` for what goes out, `which` and `decision` for what a person means and decides.

mod account;
mod attention;
mod decision;
mod delivery;
mod plan;
#[cfg(test)]
mod samples;
mod which;

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::overview::Overview;
use crate::domain::{AccountId, DeliveryId, Gain, Origin, PersonId, PostId, Timestamp};

pub use account::{AccountReport, AccountState, SpentReport};
pub use attention::{Attention, AttentionKind, attention};
pub use decision::{Decision, Resolved, person, remote_url};
pub use delivery::{DeliveryReport, HistoryLine, Stage};
pub use plan::{PlanLine, PlanReport, PlanState};
pub use which::Which;

/// What a command asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "question", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Question {
    /// Is somebody there?
    Ping,
    /// Where everything stands, or the history of one.
    Status {
        /// `None`: every delivery, without histories.
        which: Option<Which>,
    },
    /// Where everything stands, in short.
    Overview,
    /// What goes out when.
    Plan {
        /// How far ahead, from now.
        days: u32,
    },
    /// A person's decision on a delivery that is `uncertain`, `refused` or `missed`.
    Resolve {
        delivery: DeliveryId,
        decision: Decision,
        #[serde(deserialize_with = "decision::read_person")]
        by: String,
    },
    /// Tokens that a person has obtained for an account, for the store to keep.
    Auth {
        account: AccountId,
        tokens: Tokens,
        /// What they were got by, as far as the command could tell: a daemon that asks by something else would seal them for
        /// what is not in force any more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        origin: Option<Origin>,
    },
    /// A person says that these messages need no answer any more, by the platform's own ids.
    Settle {
        account: AccountId,
        #[serde(deserialize_with = "decision::read_ids")]
        ids: Vec<String>,
        #[serde(deserialize_with = "decision::read_person")]
        by: String,
    },
    /// Somebody is to be removed from what is recorded.
    Forget { person: PersonId },
    /// Outcomes, for the ledger to keep; no more at once than fit into a question.
    Gain {
        gains: Vec<Gain>,
        /// Whether those of posts that nobody knows are kept, too.
        #[serde(default)]
        unknown_posts: bool,
    },
}

/// What became of an outcome that was handed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Taken {
    /// It is on record now.
    New,
    /// One with its key was on record already.
    Known,
    /// Not recorded: its post is neither in the queue nor on record.
    UnknownPost { nearest: Option<PostId> },
    /// Not recorded: its account is neither in the configuration nor on record.
    UnknownAccount { nearest: Option<AccountId> },
}

/// Tokens on their way to the daemon. The socket is a file that only its user and group may use.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tokens(pub Value);

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[tokens]")
    }
}

/// What the daemon says.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// To [`Question::Ping`].
    Pong(DaemonReport),
    /// To [`Question::Status`].
    Status(Box<StatusReport>),
    /// To [`Question::Overview`].
    Overview(Box<Overview>),
    /// To [`Question::Plan`].
    Plan(PlanReport),
    /// To [`Question::Resolve`].
    Resolved(Resolved),
    /// To [`Question::Auth`]: they are on record, sealed.
    Kept(AccountId),
    /// To [`Question::Settle`] and [`Question::Forget`]: it is so.
    Remembered,
    /// To [`Question::Gain`]: what became of each, in their order. Those that are new are on record.
    Gained(Vec<Taken>),
    /// It was not done.
    Error(Problem),
}

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    pub kind: ErrorKind,
    /// A lower-case fragment.
    pub message: String,
    /// What to do instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// What kind of error an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// The question cannot be read: another version, or no question at all.
    Garbled,
    /// Who asks may not.
    Forbidden,
    /// There is no such post, delivery or account.
    Unknown,
    /// It is there, but its state does not allow this.
    WrongState,
    /// The daemon is not ready yet, or is stopping.
    NotReady,
    /// The store could not take or give it.
    Store,
}

/// Where everything stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusReport {
    /// The moment of which the rest is true.
    pub now: Timestamp,
    pub daemon: DaemonReport,
    /// In the order of their names.
    pub accounts: Vec<AccountReport>,
    /// In the order of their names.
    pub deliveries: Vec<DeliveryReport>,
    /// What waits for a person; nothing when all is well. See [`attention`].
    pub attention: Vec<Attention>,
}

/// Who holds the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonReport {
    /// Whether the daemon answered. `false`: the command has read the store itself.
    pub running: bool,
    /// The daemon's process id; `null` when it is not running.
    pub pid: Option<u32>,
    /// Version of the program that answered.
    pub version: String,
}
