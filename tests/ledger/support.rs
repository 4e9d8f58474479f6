//! What several of these tests do.

use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};

use cadenced::domain::{DeliveryId, Digest, Gain, GainKind, Held, JsonText, Remote, Timestamp};
use cadenced::edge::disk::Disk;
use cadenced::edge::journal::{Found, Journal, OpenError, Options, Position, StoreId};
use cadenced::edge::store::Store;
use cadenced::ledger::record::Intent;
use cadenced::ledger::store::{CommitError, Ledger as _, Room};
use cadenced::ledger::{Fact, Outcome, Record, View};
use serde_json::json;

/// Small segments, so that a few batches fill several.
pub const SEGMENT: u64 = 2048;

pub fn options() -> Options {
    Options { segment_bytes: SEGMENT, machine: Some("this machine".into()), fresh: StoreId([7; 16]) }
}

pub fn store() -> PathBuf {
    PathBuf::from("/store")
}

pub fn segment(number: u64) -> PathBuf {
    store().join("journal").join(format!("{number:010}.seg"))
}

pub fn open(disk: &(impl Disk + Clone + 'static)) -> Result<(Journal, Found), OpenError> {
    Journal::open(Arc::new(disk.clone()), &store(), &options())
}

/// The records of a batch say which batch they are of, which one of it, and how many it has.
pub fn batch(id: usize) -> Vec<Vec<u8>> {
    let count = [1, 3, 2, 1, 5, 1, 9, 1][id % 8];
    let filler = "x".repeat([10, 0, 150, 40, 300, 600][id % 6]);
    (0..count).map(|place| format!("{id} {place} {count} {filler}").into_bytes()).collect()
}

/// Hands in batches at once, and waits for all answers.
pub fn submit(journal: &Journal, ids: &[usize], room: Room) -> Vec<Result<(), CommitError>> {
    let (send, receive) = mpsc::channel();
    for &id in ids {
        let send = send.clone();
        journal.submit(batch(id), room, Box::new(move |answer| send.send((id, answer)).unwrap()));
    }
    ids.iter()
        .map(|&id| {
            let (answered, answer) = receive.recv().unwrap();
            assert_eq!(answered, id, "answers come in the order of handing in");
            answer
        })
        .collect()
}

/// The ids of the batches that a journal holds. Fails when one is not whole, or in the wrong place.
pub fn batches(journal: &Journal) -> Vec<usize> {
    let mut records = Vec::new();
    let mut next = 1;
    journal
        .read(Position::START, &mut |item| {
            assert_eq!(item.seq, next, "sequence numbers have no gaps");
            next += 1;
            records.push(String::from_utf8(item.payload.to_vec()).unwrap());
            true
        })
        .unwrap();
    assert_eq!(journal.records(), next - 1);
    whole(&records)
}

pub fn whole(records: &[String]) -> Vec<usize> {
    let mut ids = Vec::new();
    let mut at = 0;
    while at < records.len() {
        let id: usize = records[at].split(' ').next().unwrap().parse().unwrap();
        let expected: Vec<_> = batch(id).into_iter().map(|record| String::from_utf8(record).unwrap()).collect();
        assert_eq!(records.get(at..at + expected.len()), Some(&expected[..]), "batch {id} is whole");
        ids.push(id);
        at += expected.len();
    }
    ids
}

/// Says that a test could not be done here. A test that is skipped must not look like one that passed.
pub fn skip(why: &str) {
    use std::io::Write as _;
    writeln!(std::io::stderr(), "SKIPPED: {why}").unwrap();
}

pub fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A clock, a delivery and a digest for records.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

pub fn intent(delivery: &str, attempt: u32, second: i64) -> Fact {
    Fact::Intent(Box::new(Intent {
        delivery: delivery.parse().unwrap(),
        platform: "mastodon".into(),
        host: None,
        attempt,
        tries: attempt - 1,
        digest: Digest::of(delivery.as_bytes()),
        key: format!("key of {delivery}"),
        slot: Some(at(second)),
        fixed: false,
        fingerprint: 7,
        promotion: attempt == 2,
        counts: true,
        body: String::new(),
        link: None,
        by: None,
        frozen: json!({"created": "2027-01-15T08:00:00Z"}),
        started: at(second),
    }))
}

/// The life of many deliveries, told one after the other and across each other; `n` records.
pub fn story(n: usize) -> Vec<Record> {
    let mut records = vec![Record::new(at(0), Fact::Opened { program: "0.1.0".into() })];
    let mut second = 1;
    while records.len() < n {
        let post = records.len() / 40 * 5 + records.len() % 5;
        let account = ["fedi", "bsky", "site"][records.len() % 3];
        let name = format!("post-{post}@{account}");
        let delivery: DeliveryId = name.parse().unwrap();
        let digest = Digest::of(name.as_bytes());
        let outcome = |outcome| Fact::Outcome { delivery: delivery.clone(), attempt: 1, outcome };
        let step = |publishes| Fact::Checkpoint {
            delivery: delivery.clone(),
            attempt: 1,
            step: "upload".into(),
            data: json!({"id": second}),
            publishes,
            reconciled: false,
        };
        let facts = match records.len() % 11 {
            0 => vec![Fact::Planned { delivery, digest, held: Some(Held::NotApproved), detail: None }],
            1 => vec![Fact::SlotEmpty {
                account: delivery.account,
                slot: at(second),
                reason: "nothing".into(),
                run: None,
            }],
            2 => vec![Fact::AccountStopped { account: delivery.account.clone(), why: "401".into() }],
            3 => vec![Fact::Pinned { account: delivery.account, identity: second.to_string() }],
            4 => vec![intent(&name, 1, second), outcome(Outcome::Ambiguous { why: "lost".into(), settle: at(second) })],
            5 => vec![intent(&name, 1, second), step(false), outcome(Outcome::Refused { why: "no".into() })],
            6 => vec![Fact::Withdrawn { delivery, by: None }],
            7 => vec![intent(&name, 2, second), step(true)],
            _ => {
                let remote = Remote { id: second.to_string(), url: None, reference: JsonText::default() };
                let delivered = outcome(Outcome::Delivered { remote, reconciled: false });
                let planned = Fact::Planned { delivery: delivery.clone(), digest, held: None, detail: None };
                vec![planned, intent(&name, 1, second), step(true), delivered]
            }
        };
        for fact in facts {
            records.push(Record::new(at(second), fact));
            second += 1;
        }
    }
    records.truncate(n);
    records
}

/// A story in which outcomes come in between, some of them twice.
pub fn story_with_outcomes(n: usize) -> Vec<Record> {
    let mut records = Vec::new();
    for (number, record) in story(n).into_iter().enumerate() {
        let at = record.at;
        records.push(record);
        if number % 10 == 9 {
            let key = format!("order-{}", number % 700);
            let (post, account, money, note) = (None, None, None, String::new());
            let gain = Gain { key, at, kind: GainKind::Lead, post, account, money, note };
            records.push(Record::new(at, Fact::Gained(Box::new(gain))));
        }
    }
    records.truncate(n);
    records
}

pub fn fold(records: &[Record]) -> View {
    let mut view = View::default();
    records.iter().for_each(|record| view.apply(record));
    view
}

/// Hands in records in batches of `size`, and waits until all are durable.
pub fn record(store: &Store, records: &[Record], size: usize) {
    let (send, receive) = mpsc::channel();
    for batch in records.chunks(size) {
        let send = send.clone();
        store.submit(batch.to_vec(), Room::Free, Box::new(move |answer| send.send(answer).unwrap()));
    }
    for _ in records.chunks(size) {
        assert_eq!(receive.recv().unwrap(), Ok(()));
    }
}
