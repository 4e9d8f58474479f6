use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::*;

fn overview(change: impl FnOnce(&mut Value)) -> Overview {
    let mut value = json!({
        "now": "2026-12-01T08:00:00Z", "ready": true, "stopping": false, "in_flight": 0, "attention_by_kind": {},
        "daemon": {"running": true, "pid": 7, "version": "0.1.0"},
        "accounts": [{"account": "fedi", "platform": "mastodon", "state": "ready", "next": "2026-12-01T09:00:00Z",
            "runway_days": 2.5, "warn_days": 7.0}],
        "counts": {"fedi": {"delivered": 1, "held": 1}},
        "attention": {"first": [], "more": 0},
        "ahead": {"first": [
            {"at": "2026-12-01T09:00:00Z", "delivery": "desk@fedi", "state": "scheduled", "reason": null},
            {"at": "2026-12-03T09:00:00Z", "account": "fedi", "state": "empty", "reason": "nothing approved"},
        ], "more": 0},
        "held": {"first": [{"at": null, "delivery": "lamp@fedi", "state": "held", "reason": "not-approved"}], "more": 0},
        "latest": [], "waiting": 0,
    });
    change(&mut value);
    serde_json::from_value(value).unwrap()
}

fn shown(overview: &Overview) -> String {
    html(&Status { overview, report: None, zone: &TimeZone::UTC })
}

#[test]
fn the_page_says_first_whether_a_person_is_needed() {
    let well = shown(&overview(|_| ()));
    assert!(well.contains("<h1>All is well</h1>"), "{well}");
    let reading = shown(&overview(|value| value["ready"] = json!(false)));
    assert!(reading.contains("<h1>Reading the queue</h1>"));
    let needed = shown(&overview(|value| {
        value["attention"] = json!({"first": [{"kind": "uncertain", "delivery": "desk@fedi", "reason": "the reply was lost",
            "hint": "look at the account"}], "more": 2});
        value["waiting"] = json!(3);
        value["waiting_since"] = json!("2026-11-30T06:00:00Z");
    }));
    for words in [
        "3 things need a person",
        "the reply was lost",
        "look at the account",
        "2 more are not shown",
        "3 conversations wait for us, the longest for 1 d 2 h",
    ] {
        assert!(needed.contains(words), "{words}: {needed}");
    }
}

#[test]
fn two_weeks_are_shown_day_by_day_with_what_is_held_and_what_stays_empty() {
    let page = shown(&overview(|_| ()));
    assert_eq!(page.matches("<li class=\"day").count(), 14);
    for words in ["<bdi>desk</bdi>", "empty slot", "not-approved", "lamp@fedi", "2026-12-14"] {
        assert!(page.contains(words), "{words}");
    }
    let crowded = shown(&overview(|value| {
        let line =
            json!({"at": "2026-12-01T10:00:00Z", "delivery": "p@fedi", "state": "held", "reason": "promotion-share"});
        value["ahead"] = json!({"first": vec![line; 20], "more": 5});
        value["ahead_until"] = json!("2026-12-05T10:00:00Z");
    }));
    // A slot a second leaves the post of the evening in sight.
    let dense = shown(&overview(|value| {
        let slot =
            json!({"at": "2026-12-01T10:00:00Z", "account": "fedi", "state": "empty", "reason": "nothing approved"});
        let post =
            json!({"at": "2026-12-01T20:00:00Z", "delivery": "evening@fedi", "state": "scheduled", "reason": null});
        value["ahead"]["first"] = json!([vec![slot; 100], vec![post]].concat());
    }));
    assert!(dense.contains("<bdi>evening</bdi>") && dense.contains("97 more empty slots"), "{dense}");
    assert!(crowded.contains("8 more posts") && crowded.contains("on not everything is shown"), "{crowded}");
}

#[test]
fn what_others_wrote_is_shown_and_not_obeyed() {
    let bad = "<script>alert(1)</script>\u{202e}";
    let page = shown(&overview(|value| {
        value["attention"] =
            json!({"first": [{"kind": "refused", "account": "fedi", "reason": bad, "hint": bad}], "more": 0});
        value["held"]["first"][0]["reason"] = json!(bad);
        value["accounts"][0]["reason"] = json!(bad);
        value["latest"] = json!([{"delivery": "desk@fedi", "post": "desk", "account": "fedi", "platform": "mastodon",
            "state": "delivered", "reason": null, "slot": "2026-11-30T09:00:00Z", "at": "2026-11-30T09:00:07Z",
            "attempts": 1, "remote_id": bad, "url": "javascript:alert(1)", "digest": null, "late_seconds": 7.9}]);
    }));
    assert!(!page.contains("<script") && !page.contains('\u{202e}') && !page.contains("href=\"javascript"), "{page}");
    assert!(page.contains("&lt;script&gt;alert(1)") && page.contains("7 s"), "{page}");
}
