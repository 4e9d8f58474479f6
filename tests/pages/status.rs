//! Status pages, for the browser.

use cadenced::control::overview::Overview;
use cadenced::page::{self, Status};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::reports::{HOSTILE, sample};

fn overview(value: Value) -> Overview {
    serde_json::from_value(value).unwrap()
}

/// A house in which a lot is going on.
fn busy(accounts: usize) -> Overview {
    let name = |nth: usize| format!("account-{nth}");
    let mut ahead = Vec::new();
    for day in 1..15 {
        for nth in 0..accounts {
            let at = format!("2026-12-{day:02}T{:02}:30:00Z", 7 + nth % 12);
            let (id, account) = (format!("2026-12-story-{day}-{nth}@{}", name(nth)), name(nth));
            ahead.push(match (day + nth) % 4 {
                0 => json!({"at": at, "account": account, "state": "empty", "reason": "nothing approved"}),
                1 => json!({"at": at, "delivery": id, "state": "held", "reason": "promotion-share: allowed from 2026-12-09"}),
                _ => json!({"at": at, "delivery": id, "state": "scheduled", "reason": null}),
            });
        }
    }
    let state = |nth: usize| ["ready", "auth", "paused"][nth % 3];
    let reports = (0..accounts).map(|nth| {
        json!({"account": name(nth), "platform": "mastodon", "state": state(nth),
            "reason": (state(nth) == "auth").then_some("the platform answered 401"), "next": "2026-12-01T09:00:00Z",
            "runway_days": 2.5, "warn_days": 7.0})
    });
    let wanting = json!([
        {"kind": "uncertain", "delivery": "2026-12-story@account-0", "reason": "the reply was lost and nothing is found",
            "hint": "look at the account, then: cadenced resolve 2026-12-story@account-0 --delivered URL, --retry or --drop"},
        {"kind": "account-auth", "account": "account-1", "reason": "the platform answered 401", "hint": "cadenced auth account-1"},
        {"kind": "queue", "reason": "queue/week.toml:7:3 cannot be used", "hint": "mend the file: cadenced check says how"},
    ]);
    let latest: Vec<_> = (0..20)
        .map(|nth| {
            json!({"delivery": "desk@account-0", "post": format!("2026-11-a-long-name-of-a-post-{nth}"), "account": "account-0",
                "platform": "mastodon", "state": "delivered", "reason": null, "slot": "2026-11-30T09:00:00Z",
                "at": "2026-11-30T09:00:07Z", "attempts": 1, "remote_id": "1", "digest": null, "late_seconds": 7.0,
                "url": "https://mastodon.example/@brand/110000000000000001"})
        })
        .collect();
    let held: Vec<_> = (0..30)
        .map(|nth| json!({"at": null, "delivery": format!("lamp-{nth}@account-0"), "state": "held", "reason": "not-approved"}))
        .collect();
    overview(json!({
        "now": "2026-12-01T08:00:00Z", "ready": true, "stopping": false, "attention_by_kind": {}, "in_flight": 2,
        "daemon": {"running": true, "pid": 7, "version": "1.2.3"},
        "accounts": reports.collect::<Vec<_>>(),
        "counts": {"account-0": {"delivered": 1234, "held": 30, "scheduled": 12, "uncertain": 1}},
        "attention": {"first": wanting, "more": 4},
        "ahead": {"first": ahead, "more": 3}, "held": {"first": held, "more": 9},
        "latest": latest, "ahead_until": "2026-12-12T00:00:00Z", "waiting": 3, "waiting_since": "2026-11-29T06:00:00Z",
    }))
}

fn quiet() -> Overview {
    overview(json!({
        "now": "2026-12-01T08:00:00Z", "ready": true, "stopping": false, "attention_by_kind": {}, "in_flight": 0,
        "daemon": {"running": true, "pid": 7, "version": "1.2.3"}, "accounts": [], "counts": {},
        "attention": {"first": [], "more": 0}, "ahead": {"first": [], "more": 0}, "held": {"first": [], "more": 0},
        "latest": [], "waiting": 0,
    }))
}

fn hostile() -> Overview {
    let mut overview = busy(1);
    let long = format!("{HOSTILE} {}", "x".repeat(300));
    overview.attention.first[0].reason = long.clone();
    overview.attention.first[0].hint = Some(long.clone());
    overview.held.first[0].reason = Some(long.clone());
    overview.accounts[0].reason = Some(long.clone());
    overview.latest[0].delivery.url = Some(format!("javascript:{long}"));
    overview
}

/// Pages at the limits, by name.
pub fn pages() -> Vec<(&'static str, String)> {
    let report = sample(2);
    let page = |overview: &Overview, report| page::html(&Status { overview, report, zone: &TimeZone::UTC });
    vec![
        ("status-quiet", page(&quiet(), None)),
        ("status-busy", page(&busy(3), Some(&report))),
        ("status-many", page(&busy(20), Some(&report))),
        ("status-hostile", page(&hostile(), None)),
    ]
}
