//! Records of the ledger, a line each: what decodes is encoded to the same, and any fold of them is a view.

use cadenced::domain::DeliveryId;
use cadenced::ledger::{Record, View};

pub fn run(bytes: &[u8]) -> &'static str {
    let mut view = View::default();
    let mut known = 0;
    for line in bytes.split(|&byte| byte == b'\n') {
        let Ok(record) = Record::decode(line) else { continue };
        known += 1;
        let written = record.encode();
        let again = Record::decode(&written).expect("what we write can be read");
        assert_eq!(again, record, "it is read as it was");
        assert_eq!(again.encode(), written, "it is written as it was");
        assert!(!record.fact.name().is_empty());
        record.fact.detail();
        record.fact.attempt();
        view.takes(&record);
        view.apply(&record);
    }
    restored(&view);
    match known {
        0 => "no record",
        1 => "one record",
        _ => "a history",
    }
}

/// What an index keeps of a view makes the same view.
fn restored(view: &View) {
    let mut restored = View::default();
    restored.clock_mark = view.clock_mark;
    for (name, account) in view.accounts() {
        let head = serde_json::to_vec(&account.head).expect("a head can be written");
        restored.restore_head(name.clone(), serde_json::from_slice(&head).expect("a head can be read"));
        for (post, entry) in account.deliveries() {
            let entry = serde_json::to_vec(entry).expect("an entry can be written");
            let entry = serde_json::from_slice(&entry).expect("an entry can be read");
            restored.restore_delivery(DeliveryId::new(post.clone(), name.clone()), entry);
        }
        let states: usize = account.counts().values().sum();
        assert_eq!(states, account.deliveries().count(), "each delivery is in one state");
    }
    assert_eq!(&restored, view);
}
