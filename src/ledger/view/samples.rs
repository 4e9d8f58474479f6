//! Records to fold: one delivery of one account, and what may happen to it.

use serde_json::json;

use crate::domain::{DeliveryId, Digest, Held, JsonText, Remote, State, Timestamp};
use crate::ledger::record::{Decision, Fact, Intent, Outcome, Record};

use super::View;

/// A record: second, then what happened.
pub type Line = (i64, Fact);

pub fn fold(lines: &[Line]) -> View {
    let mut view = View::default();
    for (second, fact) in lines {
        view.apply(&Record::new(at(*second), fact.clone()));
    }
    view
}

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

pub fn id() -> DeliveryId {
    "desk@fedi".parse().unwrap()
}

pub fn planned(held: Option<Held>) -> Fact {
    Fact::Planned { delivery: id(), digest: Digest::of(b"desk"), held, detail: None }
}

pub fn plain_intent(attempt: u32, key: &str) -> Intent {
    Intent {
        delivery: id(),
        platform: "mastodon".into(),
        host: None,
        attempt,
        tries: 0,
        digest: Digest::of(b"desk"),
        key: key.into(),
        slot: Some(at(100)),
        fixed: false,
        fingerprint: 1,
        promotion: false,
        counts: true,
        body: String::new(),
        link: None,
        by: None,
        frozen: json!(null),
        started: at(0),
    }
}

pub fn intent(attempt: u32, key: &str) -> Fact {
    Fact::Intent(Box::new(plain_intent(attempt, key)))
}

pub fn fixed() -> Fact {
    Fact::Intent(Box::new(Intent { fixed: true, ..plain_intent(1, "k") }))
}

pub fn step(name: &str, publishes: bool) -> Fact {
    let (delivery, step) = (id(), name.into());
    Fact::Checkpoint { delivery, attempt: 1, step, data: json!({}), publishes, reconciled: false }
}

pub fn outcome(attempt: u32, outcome: Outcome) -> Fact {
    Fact::Outcome { delivery: id(), attempt, outcome }
}

pub fn delivered() -> Outcome {
    let remote = Remote { id: "42".into(), url: None, reference: JsonText::default() };
    Outcome::Delivered { remote, reconciled: false }
}

pub fn arrived(attempt: u32, remote: &str, url: Option<&str>) -> State {
    let remote = Remote { id: remote.into(), url: url.map(Into::into), reference: JsonText::default() };
    State::Delivered { attempt, remote: Box::new(remote) }
}

pub fn retry(until: i64, counted: bool) -> Outcome {
    Outcome::Retry { until: at(until), why: "503".into(), counted }
}

pub fn limited(until: i64) -> Outcome {
    Outcome::RateLimited { until: at(until), why: "429".into() }
}

pub fn refused() -> Outcome {
    Outcome::Refused { why: "422".into() }
}

pub fn ambiguous(settle: i64) -> Outcome {
    Outcome::Ambiguous { why: "lost".into(), settle: at(settle) }
}

pub fn uncertain() -> Outcome {
    Outcome::Uncertain { why: "lost".into() }
}

pub fn abandoned() -> Outcome {
    Outcome::Abandoned { why: "withdrawn".into() }
}

pub fn missed() -> Fact {
    Fact::Missed { delivery: id(), slot: at(5) }
}

pub fn withdrawn(by: Option<&str>) -> Fact {
    Fact::Withdrawn { delivery: id(), by: by.map(Into::into) }
}

pub fn resolved(decision: Decision) -> Fact {
    Fact::Resolved { delivery: id(), decision, by: "me".into() }
}
