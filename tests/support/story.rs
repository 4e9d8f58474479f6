//! What the records of a store say of each delivery, held against the protocol and against what the log has said.

#![allow(dead_code, reason = "each test binary uses its own part of this file")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cadenced::domain::DeliveryId;
use cadenced::edge::store;
use cadenced::ledger::record::Outcome;
use cadenced::ledger::{Fact, Record};
use serde_json::Value;

/// All records of the store in this folder, which a kill may have left as it was.
pub fn records(store: &Path) -> Vec<Record> {
    let mut records = Vec::new();
    let all = store::replay_files(store, &mut |record| {
        records.push(record);
        true
    });
    all.unwrap_or_else(|error| panic!("{error}"));
    records
}

/// Making it fails where the records say what the protocol does not allow.
#[derive(Default)]
pub struct Story {
    pub told: BTreeMap<String, Told>,
    /// Records of kinds that come only where posts are edited, refused or taken away, or where somebody asks to wait.
    pub rare: Vec<Record>,
}

#[derive(Debug, Default)]
pub struct Told {
    pub attempts: u32,
    /// The attempt that is under way.
    pub open: Option<u32>,
    pub published: BTreeSet<String>,
    pub remote: Option<String>,
    /// The state that it has come to its end in.
    pub end: Option<&'static str>,
}

impl Story {
    pub fn of(records: &[Record]) -> Self {
        let mut story = Self::default();
        for record in records {
            story.tell(record);
        }
        story
    }

    fn tell(&mut self, record: &Record) {
        let of = |delivery: &DeliveryId| delivery.to_string();
        match &record.fact {
            Fact::Intent(intent) => {
                let told = self.told.entry(of(&intent.delivery)).or_default();
                assert!(told.open.is_none() && told.end.is_none(), "it is begun again: {record:?}, {told:?}");
                told.attempts += 1;
                told.open = Some(told.attempts);
                assert_eq!(intent.attempt, told.attempts, "{record:?}");
            }
            Fact::Checkpoint { delivery, attempt, step, publishes, .. } => {
                let told = self.told.get_mut(&of(delivery)).unwrap_or_else(|| panic!("no intent: {record:?}"));
                assert_eq!(told.open, Some(*attempt), "{record:?}");
                assert!(!publishes || told.published.insert(step.clone()), "published twice: {record:?}");
            }
            Fact::Outcome { delivery, attempt, outcome } => {
                let told = self.told.get_mut(&of(delivery)).unwrap_or_else(|| panic!("no intent: {record:?}"));
                // An attempt that has failed may be given up later, when it is not wanted any more.
                let given_up = matches!(outcome, Outcome::Abandoned { .. } | Outcome::Refused { .. });
                let now = told.open.or(given_up.then_some(told.attempts));
                assert_eq!(now, Some(*attempt), "{record:?}");
                match outcome {
                    Outcome::Ambiguous { .. } => return,
                    Outcome::Delivered { remote, .. } => {
                        (told.remote, told.end) = (Some(remote.id.clone()), Some("delivered"));
                    }
                    Outcome::Retry { .. } => {}
                    Outcome::Abandoned { .. } => {
                        assert!(told.published.is_empty(), "given up as if nothing were there: {record:?}, {told:?}");
                        self.rare.push(record.clone());
                    }
                    Outcome::RateLimited { .. } => self.rare.push(record.clone()),
                    Outcome::Refused { .. } => {
                        told.end = Some("refused");
                        self.rare.push(record.clone());
                    }
                    other => panic!("nothing here asks for {other:?}: {record:?}"),
                }
                told.open = None;
            }
            Fact::Planned { delivery, .. } => drop(self.told.entry(of(delivery)).or_default()),
            Fact::Withdrawn { delivery, .. } => {
                let told = self.told.entry(of(delivery)).or_default();
                assert!(told.open.is_none() && told.end.is_none(), "{record:?}, {told:?}");
                told.end = Some("withdrawn");
                self.rare.push(record.clone());
            }
            Fact::Opened { .. } | Fact::Pinned { .. } | Fact::TokensKept { .. } | Fact::SlotEmpty { .. } => {}
            other => panic!("nothing here asks for {other:?}"),
        }
    }

    /// Fails when the log has said what is not on record.
    pub fn backs(&self, line: &Value) {
        let told = || self.told.get(line["delivery"].as_str().unwrap());
        match line["event"].as_str().unwrap() {
            "delivery.sending" => {
                let attempt = line["attempt"].as_u64().unwrap();
                assert!(told().is_some_and(|told| u64::from(told.attempts) >= attempt), "{line}");
            }
            "delivery.delivered" => {
                assert_eq!(told().and_then(|told| told.remote.as_deref()), line["remote_id"].as_str(), "{line}");
            }
            _ => {}
        }
    }
}
