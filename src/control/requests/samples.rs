//! Every question, with as little in it as may be.

use serde_json::json;

use crate::control::protocol::{Decision, Question, Tokens};

pub fn questions() -> Vec<Question> {
    let resolve = Question::Resolve {
        delivery: "a@fedi".parse().unwrap(),
        decision: Decision::Delivered { url: "https://x.example/1".into() },
        by: "me".into(),
    };
    let auth =
        Question::Auth { account: "fedi".parse().unwrap(), tokens: Tokens(json!({"refresh": "canary"})), origin: None };
    let settle = Question::Settle { account: "fedi".parse().unwrap(), ids: vec!["1/2".into()], by: "me".into() };
    let forget = Question::Forget { person: "mastodon:https://x.example/@a".parse().unwrap() };
    let gain = json!({"key": "order-1", "at": "2026-12-01T08:00:00Z", "kind": "revenue", "post": "a",
        "money": {"micros": 120_500_000, "currency": "EUR"}});
    let gains = vec![serde_json::from_value(gain).unwrap()];
    vec![
        Question::Ping,
        Question::Status { which: None },
        Question::Status { which: Some("a".parse().unwrap()) },
        Question::Status { which: Some("a@fedi".parse().unwrap()) },
        Question::Plan { days: 14 },
        Question::Overview,
        resolve,
        auth,
        settle,
        forget,
        Question::Gain { gains, unknown_posts: true },
    ]
}
