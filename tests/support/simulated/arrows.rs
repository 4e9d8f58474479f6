//! The arrows of the delivery state machine, and which of them runs have taken.

use std::collections::BTreeMap;

use cadenced::ledger::record::{Decision, Fact};
use cadenced::ledger::{Record, View};

/// From a state (`-` is none yet), by a fact, to a state.
pub type Arrow = (&'static str, &'static str, &'static str);

/// All arrows that the engine draws.
const ALL: &[Arrow] = &[
    ("-", "planned", "held"),
    ("-", "planned", "scheduled"),
    ("held", "planned", "held"),
    ("held", "planned", "scheduled"),
    ("held", "missed", "missed"),
    ("held", "expired", "expired"),
    ("held", "withdrawn", "withdrawn"),
    ("scheduled", "planned", "held"),
    ("scheduled", "planned", "scheduled"),
    ("scheduled", "missed", "missed"),
    ("scheduled", "expired", "expired"),
    ("scheduled", "withdrawn", "withdrawn"),
    ("scheduled", "intent", "sending"),
    ("sending", "checkpoint", "sending"),
    ("sending", "ambiguous", "sending"),
    ("sending", "delivered", "delivered"),
    ("sending", "retry", "retrying"),
    ("sending", "rate-limited", "retrying"),
    ("sending", "auth", "retrying"),
    ("sending", "refused", "refused"),
    ("sending", "uncertain", "uncertain"),
    ("sending", "abandoned", "scheduled"),
    ("retrying", "planned", "retrying"),
    ("retrying", "intent", "sending"),
    ("retrying", "abandoned", "scheduled"),
    ("retrying", "refused", "refused"),
    ("missed", "planned", "held"),
    ("missed", "planned", "scheduled"),
    ("expired", "planned", "held"),
    ("expired", "planned", "scheduled"),
    ("withdrawn", "planned", "held"),
    ("withdrawn", "planned", "scheduled"),
    ("withdrawn", "missed", "missed"),
    ("withdrawn", "expired", "expired"),
    // What the plan says may be on its way, or refused by the disk, when the next thing happens.
    ("held", "intent", "sending"),
    ("missed", "withdrawn", "withdrawn"),
    ("expired", "withdrawn", "withdrawn"),
    ("withdrawn", "withdrawn", "withdrawn"),
    // A person puts a clock right.
    ("delivered", "delivery-set-back", "delivered"),
    ("refused", "delivery-set-back", "refused"),
    ("retrying", "delivery-set-back", "retrying"),
    ("sending", "delivery-set-back", "sending"),
    ("uncertain", "delivery-set-back", "uncertain"),
    ("withdrawn", "delivery-set-back", "withdrawn"),
    ("missed", "resolved as delivered", "delivered"),
    ("missed", "resolved to retry", "retrying"),
    ("missed", "resolved to drop", "withdrawn"),
    ("refused", "resolved as delivered", "delivered"),
    ("refused", "resolved to retry", "retrying"),
    ("refused", "resolved to drop", "withdrawn"),
    ("uncertain", "resolved as delivered", "delivered"),
    ("uncertain", "resolved to retry", "retrying"),
    ("uncertain", "resolved to drop", "withdrawn"),
];

/// What takes two things within milliseconds, or three that are rare: nobody can count on it in ten minutes.
const SELDOM: &[Arrow] = &[
    ("missed", "withdrawn", "withdrawn"),
    ("expired", "withdrawn", "withdrawn"),
    ("withdrawn", "delivery-set-back", "withdrawn"),
    ("sending", "delivery-set-back", "sending"),
    ("uncertain", "delivery-set-back", "uncertain"),
    ("refused", "delivery-set-back", "refused"),
];

/// What was taken and how often, then what was not, then what should not exist.
pub fn told(taken: &BTreeMap<Arrow, u64>) -> String {
    let arrow = |(from, by, to): &Arrow| format!("{from} --{by}--> {to}");
    let mut told = String::new();
    for (known, count) in ALL.iter().filter_map(|known| Some((known, taken.get(known)?))) {
        told += &format!("  {count:>9}  {}\n", arrow(known));
    }
    for known in ALL.iter().filter(|known| !taken.contains_key(*known)) {
        told += &format!("  NOT TAKEN  {}\n", arrow(known));
    }
    for (other, count) in taken.iter().filter(|(other, _)| !ALL.contains(other)) {
        told += &format!("  {count:>9}  NOT FORESEEN  {}\n", arrow(other));
    }
    told
}

/// Arrows that exist and were not taken, but for those that are seldom.
pub fn not_taken(taken: &BTreeMap<Arrow, u64>) -> Vec<String> {
    let missing = ALL.iter().filter(|known| !taken.contains_key(*known) && !SELDOM.contains(known));
    missing.map(|(from, by, to)| format!("{from} --{by}--> {to}")).collect()
}

/// Adds a record to the fold of those before it, and counts the arrow that it takes.
pub fn take(view: &mut View, record: &Record, taken: &mut BTreeMap<Arrow, u64>) {
    let state = |view: &View| {
        record.fact.delivery().map(|delivery| view.entry(delivery).map_or("-", |entry| entry.state.name()))
    };
    let (counts, before) = (view.takes(record), state(view));
    view.apply(record);
    if let (true, Some(before), Some(after)) = (counts, before, state(view)) {
        *taken.entry((before, label(&record.fact), after)).or_default() += 1;
    }
}

fn label(fact: &Fact) -> &'static str {
    match fact {
        Fact::Resolved { decision: Decision::Delivered { .. }, .. } => "resolved as delivered",
        Fact::Resolved { decision: Decision::Retry, .. } => "resolved to retry",
        Fact::Resolved { decision: Decision::Drop, .. } => "resolved to drop",
        _ => fact.name(),
    }
}
