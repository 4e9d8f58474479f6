//! What an account's owner has asked for: when to publish, how much, and how hard to try.

use std::time::Duration;

use jiff::civil;
use jiff::tz::TimeZone;

use super::Dollars;

/// When posting moments are: cron expressions over the civil time of a zone.
#[derive(Debug, Clone)]
pub struct Schedule {
    pub zone: TimeZone,
    /// 5 fields, or 6 with seconds first.
    pub slots: Vec<Cron>,
}

/// A cron expression that has been read. `text` is kept for messages.
#[derive(Debug, Clone)]
pub struct Cron {
    pub text: String,
    pub pattern: croner::Cron,
}

/// The beat and its limits for one account.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// Most posts in one of the account's own local days.
    pub max_per_day: u32,
    /// Least time between two posts.
    pub min_gap: Duration,
    pub missed: Missed,
    /// How late a post with a fixed time may still go out.
    pub late_grace: Duration,
    pub promotion: Promotion,
    pub unanswered: Unanswered,
    /// Local hours in which nothing is published.
    pub quiet: Vec<Quiet>,
    /// Warn when fewer days of approved posts than this are left.
    pub runway_warn: Duration,
    /// Most that may be spent in a calendar month of UTC, where the platform bills requests.
    pub budget: Option<Dollars>,
    /// What becomes of a post that says what another one has said to the same people.
    pub spray: Spray,
}

/// What becomes of the same text to several accounts of one audience, or again too soon.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Spray {
    /// It goes out, and nothing is said.
    Off,
    /// `cadenced check` says so.
    #[default]
    Warn,
    /// It is held as well.
    Hold,
}

/// What becomes of a slot that passed while the daemon was away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missed {
    /// Its post takes the next slot; all after it move on by one.
    NextSlot,
    /// Its post is given up as `missed`; the others keep their slots.
    Skip,
    /// One post goes out at once, never more; the others take the coming slots.
    Now,
}

/// At most `share` of any `window` consecutive posts may be promotion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Promotion {
    /// From 0 to 1.
    pub share: f64,
    pub window: u32,
}

/// Broadcasts wait while more than `max` replies have waited longer than `older_than`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unanswered {
    pub max: u32,
    pub older_than: Duration,
}

/// From `from` (included) to `to` (excluded) of local time; over midnight when `to` is not later than `from`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quiet {
    pub from: civil::Time,
    pub to: civil::Time,
}

impl Quiet {
    /// Whether `time` of day lies in it.
    pub fn covers(&self, time: civil::Time) -> bool {
        if self.from < self.to { self.from <= time && time < self.to } else { self.from <= time || time < self.to }
    }
}

/// How one delivery is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryRules {
    /// For one request in total.
    pub timeout: Duration,
    /// How long after an ambiguous attempt a read-back's "not there" may count; `None`: as the adapter asks.
    pub settle: Option<Duration>,
    pub retry: Retry,
}

/// Exponential back-off with full jitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// Ceiling of the first wait; doubled at each try.
    pub first: Duration,
    /// Highest ceiling.
    pub max: Duration,
    /// Tries in all, the first one included.
    pub tries: u32,
}

/// What counts as an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApprovalMode {
    /// `[post.approval]` with the digest of the content.
    Digest,
    /// A signature beside the queue file, by somebody who is allowed to.
    Signed,
    /// Being in the queue.
    None,
}

impl ApprovalMode {
    /// How `cadenced approve` is told to give one; `None` where none is asked for.
    pub fn how(self) -> Option<&'static str> {
        match self {
            Self::Digest => Some("--by NAME"),
            Self::Signed => Some("--sign"),
            Self::None => None,
        }
    }
}
