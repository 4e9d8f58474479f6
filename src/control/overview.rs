//! As much as fits on a page, and figures for the rest: what the status page and monitors show.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::{AccountId, DeliveryId, Timestamp};

use super::protocol::{AccountReport, Attention, DaemonReport, DeliveryReport, PlanLine, Stage};

/// Most lines of each kind. The rest is counted.
pub const LINES: usize = 300;
/// How many of the last deliveries are shown.
pub const LATEST: usize = 20;

/// Where everything stands, in short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Overview {
    /// The moment of which the rest is true.
    pub now: Timestamp,
    pub daemon: DaemonReport,
    /// Whether the queue has been read and everything planned.
    pub ready: bool,
    /// Deliveries and requests that are under way.
    pub in_flight: usize,
    /// In the order of their names.
    pub accounts: Vec<AccountReport>,
    /// How many deliveries of each account are in each state.
    pub counts: BTreeMap<AccountId, BTreeMap<Stage, u64>>,
    /// What waits for a person, worst first.
    pub attention: Shortened<Attention>,
    /// What goes out in the time ahead, by time, with the slots that stay empty.
    pub ahead: Shortened<PlanLine>,
    /// What is held and has no date.
    pub held: Shortened<PlanLine>,
    /// What was delivered last, newest first.
    pub latest: Vec<DeliveryReport>,
    /// How late those were, in seconds, the latest first; where they had a slot.
    pub lateness_seconds: Vec<f64>,
    /// Conversations that wait for us.
    pub waiting: u64,
    /// Since when the longest of them does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_since: Option<Timestamp>,
}

/// The first of a list, and how many there are besides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortened<T> {
    pub first: Vec<T>,
    pub more: u64,
}

impl<T> Shortened<T> {
    pub fn of(mut all: Vec<T>, most: usize) -> Self {
        let more = all.len().saturating_sub(most) as u64;
        all.truncate(most);
        Self { first: all, more }
    }

    pub fn len(&self) -> u64 {
        self.first.len() as u64 + self.more
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Overview {
    /// What goes out next, and when.
    pub fn next(&self) -> Option<(&DeliveryId, Timestamp)> {
        self.ahead.first.iter().find_map(|line| match line.state {
            super::protocol::PlanState::Scheduled => Some((line.delivery.as_ref()?, line.at?)),
            _ => None,
        })
    }

    /// How many deliveries are in a state, over all accounts.
    pub fn count(&self, stage: Stage) -> u64 {
        self.counts.values().filter_map(|states| states.get(&stage)).sum()
    }
}
