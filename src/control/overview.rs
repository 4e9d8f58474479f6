//! As much as fits on a page, and figures for the rest: what the status page and monitors show.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::{AccountId, DeliveryId, Timestamp};

use super::protocol::{AccountReport, Attention, AttentionKind, DaemonReport, DeliveryReport, PlanLine, Stage};

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
    /// Whether it has been told to stop.
    pub stopping: bool,
    /// Whether the disk of the store has stopped answering.
    #[serde(default)]
    pub silent: bool,
    /// Accounts that are sending or asking something.
    pub in_flight: usize,
    /// In the order of their names.
    pub accounts: Vec<AccountReport>,
    /// How many deliveries of each account are in each state.
    pub counts: BTreeMap<AccountId, BTreeMap<Stage, u64>>,
    /// What waits for a person: first what concerns everything, then by kind, worst first.
    pub attention: Shortened<Attention>,
    /// How much of each kind that is.
    pub attention_by_kind: BTreeMap<AttentionKind, u64>,
    /// What goes out in the time ahead, by time, with the slots that stay empty as far as there is room for them.
    pub ahead: Shortened<PlanLine>,
    /// From then on not all of it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ahead_until: Option<Timestamp>,
    /// What is held and has no date.
    pub held: Shortened<PlanLine>,
    /// What was delivered last, newest first.
    pub latest: Vec<Delivered>,
    /// Conversations that wait for us.
    pub waiting: u64,
    /// Since when the longest of them does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_since: Option<Timestamp>,
}

/// A delivery that is over.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delivered {
    #[serde(flatten)]
    pub delivery: DeliveryReport,
    /// How long after its slot it was begun, in seconds; where it had one.
    pub late_seconds: Option<f64>,
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
    /// When something goes out next, on which account, and what if that is among the lines ahead.
    pub fn next(&self) -> Option<(Timestamp, &AccountId, Option<&DeliveryId>)> {
        let next = |account: &'_ AccountReport| Some((account.next?, account.account.clone()));
        let (at, account) = self.accounts.iter().filter_map(next).min()?;
        let account = &self.accounts.iter().find(|report| report.account == account)?.account;
        let mut lines = self.ahead.first.iter().filter_map(|line| Some((line.at?, line.delivery.as_ref()?)));
        let delivery = lines.find(|(when, delivery)| *when == at && delivery.account == *account);
        Some((at, account, delivery.map(|(_, delivery)| delivery)))
    }

    /// How many deliveries are in a state, over all accounts.
    pub fn count(&self, stage: Stage) -> u64 {
        self.counts.values().filter_map(|states| states.get(&stage)).sum()
    }
}
