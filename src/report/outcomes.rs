//! Outcomes: leads, customers and revenue, and what they came from.

use jiff::civil::Date;
use serde::Serialize;

use crate::domain::Money;

/// What came of posts outside the platforms, within the time that is looked at.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct OutcomeSummary {
    /// What is counted here, in words.
    pub counts: &'static str,
    pub total: Gains,
    /// Of the total: that which names no post.
    pub without_post: Gains,
    /// Of the total: that which names a post of which no delivery is on record.
    pub unknown_post: Gains,
    /// Every week from the first to the last with an outcome, oldest first. Weeks begin in UTC.
    pub weeks: Vec<GainWeek>,
    /// These tables hold what names a post that is on record. Names in their order; `None` at the end.
    pub by_audience: Vec<GainRow>,
    /// Connection, change, promotion, also where there was nothing.
    pub by_goal: Vec<GainRow>,
    pub by_series: Vec<GainRow>,
    pub by_post: Vec<GainRow>,
    /// Of every outcome that names an account, whether it names a post or not.
    pub by_account: Vec<GainRow>,
}

/// Leads, customers and revenue.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Gains {
    pub leads: u64,
    pub customers: u64,
    /// One sum for each currency, in the order of their names. Amounts of different currencies are never added. Every kind
    /// of outcome may bring money.
    pub revenue: Vec<Money>,
}

/// One line of a table of outcomes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct GainRow {
    /// An audience, goal, series, post or account; `None` for what has none.
    pub name: Option<String>,
    /// Posts that were delivered within the time that is looked at.
    pub posts: u64,
    pub gains: Gains,
}

/// One week of outcomes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GainWeek {
    /// By ISO 8601, such as `2026-W48`.
    pub week: String,
    /// Its Monday.
    pub starts: Date,
    pub gains: Gains,
}
