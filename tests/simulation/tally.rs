//! What happened in runs, by kind.

use std::collections::BTreeMap;

use crate::simulated::arrows::Arrow;

/// Everything that a run may bring about, so that what never happened is told too.
const KINDS: &[(&str, &[&str])] = &[
    (
        "the program",
        &[
            "crash before a command",
            "crash after a command",
            "crash between events",
            "stop in good order",
            "stop that did not wait",
            "down for seconds",
            "down for hours",
            "down for days",
        ],
    ),
    (
        "the network",
        &["never left", "lost request", "lost reply", "late effect", "outage", "refused by a server that is down"],
    ),
    (
        "instead of an answer",
        &["no answer", "page with 200", "half an answer", "status 500", "status 502", "status 503", "status 504"],
    ),
    (
        "the platform",
        &["status 403", "status 422", "throttled", "tokens expired", "token revoked", "token accepted again"],
    ),
    ("the disk", &["batch refused", "disk full", "batch lost in a crash", "batch kept and not acknowledged"]),
    ("media", &["media gone for a moment", "media changed", "public folder empty", "signers gone for a moment"]),
    (
        "the queue",
        &[
            "post added",
            "post removed",
            "post put back",
            "post moved to another file",
            "text changed and approved",
            "text changed and not approved",
            "times taken out",
            "order reversed",
            "approval given",
            "approval taken",
            "post archived",
            "file broken",
            "file mended",
            "folder lost",
            "folder back",
        ],
    ),
    (
        "the accounts",
        &[
            "account paused",
            "account goes on",
            "account removed",
            "account put back",
            "account moved to another host",
            "schedule changed",
            "budget raised",
            "tokens given by a person",
        ],
    ),
    ("the clock", &["clock set ahead", "clock set back", "clock confirmed"]),
    ("a person", &["resolved as delivered", "resolved to retry", "resolved to drop", "not to be resolved"]),
    (
        "what came of it",
        &[
            "delivered",
            "reconciled",
            "uncertain",
            "refused",
            "missed",
            "expired",
            "withdrawn",
            "held for the budget",
            "held with its account",
        ],
    ),
];

/// What happened in one run, or in many.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    pub seeds: u64,
    pub steps: u64,
    pub calls: u64,
    pub records: u64,
    pub days: u64,
    /// Days on which something was recorded.
    pub busy_days: u64,
    /// Slots that were kept or passed.
    pub slots: u64,
    /// Times at which a zone of one of the accounts changed its clocks.
    pub clock_changes: u64,
    pub happened: BTreeMap<&'static str, u64>,
    /// How often each arrow of the state machine was taken.
    pub arrows: BTreeMap<Arrow, u64>,
}

impl Report {
    pub fn count(&mut self, kind: &'static str) {
        *self.happened.entry(kind).or_default() += 1;
    }

    pub fn of(&self, kind: &str) -> u64 {
        self.happened.get(kind).copied().unwrap_or(0)
    }

    pub fn crashes(&self) -> u64 {
        ["crash before a command", "crash after a command", "crash between events"]
            .map(|kind| self.of(kind))
            .iter()
            .sum()
    }

    pub fn add(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.steps += other.steps;
        self.calls += other.calls;
        self.records += other.records;
        self.days += other.days;
        self.busy_days += other.busy_days;
        self.slots += other.slots;
        self.clock_changes += other.clock_changes;
        for (kind, count) in &other.happened {
            *self.happened.entry(kind).or_default() += count;
        }
        for (arrow, count) in &other.arrows {
            *self.arrows.entry(*arrow).or_default() += count;
        }
    }

    /// How much of what, and what never.
    pub fn told(&self) -> String {
        let mut told = String::new();
        for (group, kinds) in KINDS {
            let kinds = kinds.iter().map(|kind| match self.of(kind) {
                0 => format!("{kind} NEVER"),
                count => format!("{kind} {count}"),
            });
            told += &format!("  {group}: {}\n", kinds.collect::<Vec<_>>().join(", "));
        }
        told
    }

    /// Kinds that nobody has listed.
    pub fn unlisted(&self) -> Vec<&'static str> {
        let listed = |kind: &&str| KINDS.iter().any(|(_, kinds)| kinds.contains(kind));
        self.happened.keys().copied().filter(|kind| !listed(kind)).collect()
    }

    /// Kinds that have not happened.
    pub fn never(&self) -> Vec<&'static str> {
        let all = KINDS.iter().flat_map(|(_, kinds)| kinds.iter().copied());
        all.filter(|kind| self.of(kind) == 0).collect()
    }
}
