//! Figures for a monitor, as OpenMetrics text.
//!
//! All of them are gauges made from one [`Overview`]: the ledger is the memory, so nothing is counted a second time here
//! and a restart loses nothing. What is unknown is left out; nought means nought.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::domain::Timestamp;

use super::overview::Overview;
use super::protocol::AccountState;

/// The content type that says what this is.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// How large the store is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreSize {
    pub records: u64,
    pub journal_bytes: u64,
    pub index_bytes: u64,
}

type Labels = Vec<(&'static str, String)>;
type Number = Gauge<f64, AtomicU64>;

/// A family of gauges on its way into a registry.
struct Gauges(Family<Labels, Number>);

impl Gauges {
    fn new() -> Self {
        Self(Family::default())
    }

    fn set(&self, labels: Labels, value: f64) {
        self.0.get_or_create(&labels).set(value);
    }

    fn single(value: f64) -> Self {
        let gauges = Self::new();
        gauges.set(Vec::new(), value);
        gauges
    }
}

/// The text of all figures.
pub fn text(overview: &Overview, store: StoreSize) -> String {
    let mut registry = Registry::with_prefix("cadenced");
    let version = overview.daemon.version.clone();
    registry.register("build", "The program that answers", Info::new(vec![("version", version)]));
    let mut add = |name: &str, help: &str, unit: Option<Unit>, gauges: Gauges| match unit {
        Some(unit) => registry.register_with_unit(name, help, unit, gauges.0),
        None => registry.register(name, help, gauges.0),
    };
    let flag = |so| f64::from(u8::from(so));
    let seconds = |at: Timestamp| at.as_millisecond() as f64 / 1000.0;

    add(
        "ready",
        "1 when the queue has been read and everything is planned",
        None,
        Gauges::single(flag(overview.ready)),
    );
    add("in_flight", "Accounts that are sending or asking something", None, Gauges::single(overview.in_flight as f64));
    let deliveries = Gauges::new();
    for (account, states) in &overview.counts {
        for (stage, count) in states {
            deliveries.set(vec![("account", account.to_string()), ("state", stage.name().into())], *count as f64);
        }
    }
    add("deliveries", "Deliveries by account and present state", None, deliveries);

    let (ready, next, runway) = (Gauges::new(), Gauges::new(), Gauges::new());
    let (spent, budget) = (Gauges::new(), Gauges::new());
    for account in overview.accounts.iter().filter(|account| account.state != AccountState::Gone) {
        let of = || vec![("account", account.account.to_string())];
        let with_platform = [of(), vec![("platform", account.platform.clone())]].concat();
        ready.set(with_platform, flag(account.state == AccountState::Ready));
        if let Some(at) = account.next {
            next.set(of(), seconds(at));
        }
        if let Some(days) = account.runway_days.or(account.runway_at_least_days) {
            runway.set(of(), days);
        }
        if let Some(bill) = &account.spent {
            spent.set(of(), bill.usd);
            if let Some(usd) = bill.budget_usd {
                budget.set(of(), usd);
            }
        }
    }
    add(
        "account_ready",
        "1 when the account publishes; 0 when it is paused, its token is not accepted, or it is to wait for hours",
        None,
        ready,
    );
    add("next_post_timestamp", "When the next post goes out", Some(Unit::Seconds), next);
    add("runway_days", "Days until approved posts run out; at least so many where they last longer", None, runway);
    add("spent_usd", "What requests of this month cost, with what is set aside", None, spent);
    add("budget_usd", "What requests of a month may cost", None, budget);

    let attention = Gauges::new();
    for (kind, count) in &overview.attention_by_kind {
        attention.set(vec![("kind", kind.name().into())], *count as f64);
    }
    add("attention", "What waits for a person, by kind", None, attention);
    add(
        "conversations_waiting",
        "Conversations that wait for an answer",
        None,
        Gauges::single(overview.waiting as f64),
    );
    if let Some(since) = overview.waiting_since {
        let help = "Since when the longest of them waits";
        add("conversations_waiting_since_timestamp", help, Some(Unit::Seconds), Gauges::single(seconds(since)));
    }
    if let Some(at) = overview.latest.first().and_then(|last| last.delivery.at) {
        add("last_delivery_timestamp", "When the last post went out", Some(Unit::Seconds), Gauges::single(seconds(at)));
    }
    if let Some(most) = overview.latest.iter().filter_map(|last| last.late_seconds).max_by(f64::total_cmp) {
        let help = "How late the latest of the last 20 deliveries was";
        add("recent_lateness", help, Some(Unit::Seconds), Gauges::single(most));
    }

    add("store_records", "Records of the ledger", None, Gauges::single(store.records as f64));
    add("store_journal", "Size of the journal", Some(Unit::Bytes), Gauges::single(store.journal_bytes as f64));
    add("store_index", "Size of the index", Some(Unit::Bytes), Gauges::single(store.index_bytes as f64));

    let mut text = String::new();
    // Writing to memory does not fail.
    let _ = encode(&mut text, &registry);
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_known_is_told_and_nothing_else() {
        let late = |seconds: f64| {
            json!({"delivery": "a@fedi", "post": "a", "account": "fedi", "platform": "mastodon", "state": "delivered",
                "reason": null, "slot": null, "at": null, "attempts": 1, "remote_id": null, "url": null, "digest": null,
                "late_seconds": seconds})
        };
        let overview: Overview = serde_json::from_value(json!({
            "now": "2026-12-01T08:00:00Z", "ready": true, "stopping": false, "in_flight": 1,
            "daemon": {"running": true, "pid": 7, "version": "0.1.0"},
            "accounts": [
                {"account": "fedi", "platform": "mastodon", "state": "ready", "next": "2026-12-01T09:00:00Z",
                    "runway_days": 2.5, "warn_days": 7.0},
                {"account": "x", "platform": "x", "state": "auth", "spent": {"month": "2026-12", "usd": 1.5,
                    "budget_usd": 5.0, "reads": 1, "writes": 2}},
                {"account": "old", "platform": "", "state": "gone"},
            ],
            "counts": {"fedi": {"delivered": 12, "held": 1}},
            "attention": {"first": [{"kind": "account-auth", "account": "x", "reason": "quote \" and \\ and\nline", "hint": null}],
                "more": 400}, "attention_by_kind": {"account-auth": 1, "missed": 400},
            "ahead": {"first": [], "more": 0}, "held": {"first": [], "more": 0},
            "latest": [late(0.25), late(7.5)], "waiting": 0,
        }))
        .unwrap();
        let text = text(&overview, StoreSize { records: 40, journal_bytes: 2048, index_bytes: 1024 });
        for line in [
            "cadenced_build_info{version=\"0.1.0\"} 1",
            "cadenced_ready 1.0",
            "cadenced_deliveries{account=\"fedi\",state=\"delivered\"} 12.0",
            "cadenced_account_ready{account=\"x\",platform=\"x\"} 0.0",
            "cadenced_next_post_timestamp_seconds{account=\"fedi\"} 1796115600.0",
            "cadenced_runway_days{account=\"fedi\"} 2.5",
            "cadenced_budget_usd{account=\"x\"} 5.0",
            "cadenced_attention{kind=\"account-auth\"} 1.0",
            "cadenced_attention{kind=\"missed\"} 400.0",
            "cadenced_recent_lateness_seconds 7.5",
            "cadenced_store_journal_bytes 2048.0",
            "cadenced_conversations_waiting 0.0",
        ] {
            assert!(text.lines().any(|told| told == line), "{line} is not in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
        assert!(!text.contains("old") && !text.contains("last_delivery"), "{text}");
    }
}
