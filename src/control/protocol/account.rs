//! One account, as `status` tells of it: whether it publishes, for how long there is something to publish, and what it costs.

use serde::{Deserialize, Serialize};

use crate::domain::{AccountId, Timestamp};

/// One account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccountReport {
    pub account: AccountId,
    /// As in `platform = "…"`.
    pub platform: String,
    pub state: AccountState,
    /// Why it is not `ready`.
    #[serde(default)]
    pub reason: Option<String>,
    /// When the next post goes out; `null` when nothing is in line.
    #[serde(default)]
    pub next: Option<Timestamp>,
    /// Days until the approved posts run out; `null` when they last longer than was looked ahead.
    #[serde(default)]
    pub runway_days: Option<f64>,
    /// At least so many days, where slots are so many that looking ahead ended early; else `null`.
    #[serde(default)]
    pub runway_at_least_days: Option<f64>,
    /// `policy.runway_warn` in days.
    #[serde(default)]
    pub warn_days: Option<f64>,
    /// The remote account's stable id, once known.
    #[serde(default)]
    pub identity: Option<String>,
    /// What was spent, where the platform bills requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent: Option<SpentReport>,
}

/// What an account has spent in this month, with what an attempt under way has set aside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpentReport {
    /// Of UTC, as `2026-11`.
    pub month: String,
    /// In US dollars.
    pub usd: f64,
    /// `null` where nothing limits it.
    pub budget_usd: Option<f64>,
    /// Things that were read, as the platform counts them.
    pub reads: i64,
    /// Things that were made.
    pub writes: i64,
}

/// Whether an account publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccountState {
    /// It publishes.
    Ready,
    /// The configuration pauses it.
    Paused,
    /// Its token is not accepted.
    Auth,
    /// The platform has asked to wait for hours, and nothing goes out before.
    Waiting,
    /// It has deliveries, but is not in the configuration any more.
    Gone,
}

impl AccountState {
    pub fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Paused => "paused",
            Self::Auth => "auth",
            Self::Waiting => "waiting",
            Self::Gone => "gone",
        }
    }
}
