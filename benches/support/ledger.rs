//! A ledger with a past.

use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use cadenced::domain::time::before;
use cadenced::domain::{DeliveryId, Digest, Remote, Timestamp};
use cadenced::edge::store;
use cadenced::ledger::record::Intent;
use cadenced::ledger::store::{Ledger as _, Room};
use cadenced::ledger::{Fact, Outcome, Record};

/// Records of one delivery from plan to outcome.
pub const RECORDS_A_LIFE: usize = 4;

/// What the ledger keeps of one delivery.
pub fn life(n: usize, account: &str, at: Timestamp) -> Vec<Record> {
    let delivery: DeliveryId = format!("past-post-{n:07}@{account}").parse().expect("an id");
    let digest = Digest::of(&n.to_be_bytes());
    let null = serde_json::Value::Null;
    let intent = Intent {
        delivery: delivery.clone(),
        platform: "mastodon".into(),
        host: None,
        attempt: 1,
        tries: 0,
        digest,
        key: digest.hex()[..32].into(),
        slot: Some(at),
        fixed: false,
        fingerprint: n as u64,
        promotion: false,
        counts: true,
        body: body(n, account),
        link: None,
        by: None,
        frozen: null.clone(),
        started: at,
    };
    let remote = Remote { id: n.to_string(), url: Some(format!("https://a.example/{n}")), reference: null.into() };
    let step = Fact::Checkpoint {
        delivery: delivery.clone(),
        attempt: 1,
        step: "publish-0".into(),
        data: serde_json::json!({"id": n.to_string()}),
        publishes: true,
        reconciled: false,
    };
    let facts = [
        Fact::Planned { delivery: delivery.clone(), digest, held: None, detail: None },
        Fact::Intent(Box::new(intent)),
        step,
        Fact::Outcome { delivery, attempt: 1, outcome: Outcome::Delivered { remote, reconciled: false } },
    ];
    facts.into_iter().map(|fact| Record::new(at, fact)).collect()
}

/// As the queue's parser writes it.
fn body(n: usize, account: &str) -> String {
    let text = super::post(n, account, None);
    let cadenced::parts::Inbox::File { posts, .. } = super::inbox("a.toml", &text) else { return String::new() };
    posts.into_iter().flatten().map(|post| post.body.read()).collect()
}

/// Fills a store with past deliveries, and waits until its index has them all.
pub fn fill(dir: &Path, deliveries: usize, accounts: usize) {
    let (store, ..) = store::open(dir, &store::Options::default(), &mut |_| {}).expect("a store");
    let start = before(super::wall(), Duration::from_secs(60 * deliveries as u64 + 3600));
    let at = |n: usize| cadenced::domain::time::after(start, Duration::from_secs(60 * n as u64));
    let (send, receive) = mpsc::channel();
    let mut batches = 0;
    for from in (0..deliveries).step_by(1000) {
        let to = (from + 1000).min(deliveries);
        let records = (from..to).flat_map(|n| life(n, &super::account(n % accounts), at(n))).collect();
        let send = send.clone();
        store.submit(records, Room::Free, Box::new(move |answer| send.send(answer).expect("somebody waits")));
        batches += 1;
    }
    receive.iter().take(batches).for_each(|answer| answer.expect("durable"));
    while store.index_lag().is_some_and(|lag| lag > 0) {
        std::thread::park_timeout(Duration::from_millis(10));
    }
    store.close();
}
