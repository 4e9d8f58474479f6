//! Example replies in a file, and what an adapter must read in each: a table to be read beside the platform's own
//! documentation. And a sweep, each question answered by the test.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::sweep::{Found, Hindrance, Seek, Sweeper};
use super::{Call, HttpReply, Reading, Reply};
use crate::domain::Timestamp;

/// One reply.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    about: String,
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    json: Option<Value>,
    text: Option<String>,
    #[serde(default)]
    cut: bool,
    /// The reading's name, in lower case with dashes.
    reading: String,
    /// What must stand in it.
    #[serde(default)]
    holds: Vec<String>,
}

/// Reads every reply of `file`; says which readings there were.
pub fn check(file: &str, secret: &str, read: impl Fn(&HttpReply) -> Reading) -> BTreeSet<&'static str> {
    let cases: Vec<Case> = serde_json::from_str(file).unwrap();
    let (mut seen, mut wrong) = (BTreeSet::new(), Vec::new());
    for case in cases {
        let body = match (&case.json, &case.text) {
            (Some(value), None) => value.to_string(),
            (None, text) => text.clone().unwrap_or_default(),
            _ => panic!("{}: a body is JSON or text", case.about),
        };
        let headers = case.headers.into_iter().collect();
        let body = body.replace("THE-SECRET", secret).into_bytes();
        let reading = read(&HttpReply { status: case.status, headers, body, cut: case.cut });
        let shown = format!("{reading:?}");
        assert!(!shown.contains(secret), "{}: {shown}", case.about);
        let lacks: Vec<_> = case.holds.iter().filter(|part| !shown.contains(part.as_str())).collect();
        if name(&reading) != case.reading || !lacks.is_empty() {
            wrong.push(format!("{}: {shown} lacks {lacks:?}", case.about));
        }
        seen.insert(name(&reading));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    seen
}

/// What a sweeper finds, and why it stops before its end.
pub fn swept(
    sweeper: &mut dyn Sweeper,
    now: Timestamp,
    mut answer: impl FnMut(&Call) -> Reply,
) -> (Vec<Found>, Option<Hindrance>) {
    let mut found = Vec::new();
    loop {
        match sweeper.next() {
            Seek::Ask(call) => match answer(&call) {
                Reply::Http(reply) => sweeper.answered(&reply, now),
                Reply::Sockets(replies) => sweeper.heard(&replies, now),
                other => panic!("no answer to this: {other:?}"),
            },
            Seek::Found(more) => found.push(more),
            Seek::Over => return (found, None),
            Seek::Stopped(why) => return (found, Some(why)),
        }
    }
}

fn name(reading: &Reading) -> &'static str {
    match reading {
        Reading::Learned(_) => "learned",
        Reading::Checkpoint(_) => "checkpoint",
        Reading::Session(_) => "session",
        Reading::Found(_) => "found",
        Reading::Absent => "absent",
        Reading::Wait(_) => "wait",
        Reading::Retry { .. } => "retry",
        Reading::RateLimited { .. } => "rate-limited",
        Reading::Auth { .. } => "auth",
        Reading::Refused { .. } => "refused",
        Reading::Unclear { .. } => "unclear",
        Reading::AlreadyThere { .. } => "already-there",
        Reading::Redo { .. } => "redo",
    }
}
