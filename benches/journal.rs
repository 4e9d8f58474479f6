//! What the journal costs: durable commits a second beside sled (with the sync that it leaves out) and SQLite (WAL,
//! synchronous = FULL), the same records in each, and how long a store takes to open.
//!
//! `cargo bench --bench journal [-- RECORDS]`; with `RECORDS`, a store of that size is
//! opened and nothing else measured. All three get the
//! same group commit: whatever waits shares one sync. Only the ratios say something: absolute figures are those of the
//! disk.

use std::io::{Write as _, stdout};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use cadenced::domain::{DeliveryId, Digest, JsonText, Remote, Timestamp};
use cadenced::edge::disk::RealDisk;
use cadenced::edge::journal::{Journal, Options, StoreId};
use cadenced::edge::store;
use cadenced::ledger::record::Intent;
use cadenced::ledger::store::{Ledger as _, Room};
use cadenced::ledger::{Fact, Outcome, Record};

const ROUNDS: usize = 5;

fn main() {
    let argument = std::env::args().skip(1).find_map(|argument| argument.parse::<usize>().ok());
    if argument.is_none() {
        commits();
    }
    opening(argument.unwrap_or(100_000));
}

fn say(line: &str) {
    writeln!(stdout(), "{line}").expect("stdout is open");
}

#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
fn now() -> Instant {
    Instant::now()
}

/// Something that makes records durable; `done` when one is.
trait Sink: Sync {
    fn commit(&self, record: Vec<u8>, done: mpsc::Sender<()>);
}

fn commits() {
    let records: Vec<Vec<u8>> = (0..1000).flat_map(life).map(|record| record.encode()).collect();
    let bytes: usize = records.iter().map(Vec::len).sum();
    say(&format!("records of {} bytes", bytes / records.len()));
    for (writers, count) in [(1, 1500), (256, 30_000)] {
        let mut rates = [const { Vec::new() }; 3];
        // In turn, so that whatever else the machine does hits all three.
        for _ in 0..ROUNDS {
            let dir = tempfile::tempdir().expect("a folder");
            rates[0].push(rate(&*journal(dir.path()), &records, writers, count));
            rates[1].push(rate(&sled_and_sync(&dir.path().join("sled")), &records, writers, count));
            rates[2].push(rate(&sqlite(&dir.path().join("sqlite")), &records, writers, count));
        }
        let median = |rates: &mut Vec<f64>| {
            rates.sort_by(f64::total_cmp);
            rates[ROUNDS / 2]
        };
        let [journal, sled, sqlite] = rates.each_mut().map(median);
        say(&format!(
            "{writers:>3} writers: journal {journal:>8.0}/s   sled+fdatasync {sled:>8.0}/s ({:.2}x)   \
             sqlite WAL FULL {sqlite:>8.0}/s ({:.2}x)",
            journal / sled,
            journal / sqlite
        ));
    }
}

/// Commits a second: each writer waits for its record before it hands in the next.
fn rate(sink: &dyn Sink, records: &[Vec<u8>], writers: usize, count: usize) -> f64 {
    let next = AtomicUsize::new(0);
    let began = now();
    std::thread::scope(|scope| {
        for _ in 0..writers {
            scope.spawn(|| {
                let (send, receive) = mpsc::channel();
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    if place >= count {
                        break;
                    }
                    sink.commit(records[place % records.len()].clone(), send.clone());
                    receive.recv().expect("an answer");
                }
            });
        }
    });
    count as f64 / began.elapsed().as_secs_f64()
}

fn journal(dir: &Path) -> Box<dyn Sink> {
    struct Ours(Journal);
    impl Sink for Ours {
        fn commit(&self, record: Vec<u8>, done: mpsc::Sender<()>) {
            let answer = move |result: Result<(), _>| {
                result.expect("durable");
                done.send(()).expect("a writer waits");
            };
            self.0.submit(vec![record], Room::Free, Box::new(answer));
        }
    }
    let options = Options { segment_bytes: 8 * 1024 * 1024, machine: None, fresh: StoreId([1; 16]) };
    let (journal, _) = Journal::open(Arc::new(RealDisk), &dir.join("store"), &options).expect("a journal");
    Box::new(Ours(journal))
}

/// A thread that commits whatever waits together.
struct Committer(mpsc::Sender<(Vec<u8>, mpsc::Sender<()>)>);

impl Committer {
    fn new(mut commit: impl FnMut(&[(Vec<u8>, mpsc::Sender<()>)]) + Send + 'static) -> Self {
        let (send, receive) = mpsc::channel();
        let run = move || {
            while let Ok(first) = receive.recv() {
                let mut group = vec![first];
                group.extend(receive.try_iter());
                commit(&group);
                group.into_iter().for_each(|(_, done)| done.send(()).expect("a writer waits"));
            }
        };
        std::thread::Builder::new().spawn(run).expect("a thread");
        Self(send)
    }
}

impl Sink for Committer {
    fn commit(&self, record: Vec<u8>, done: mpsc::Sender<()>) {
        self.0.send((record, done)).expect("the committer runs");
    }
}

fn sled_and_sync(path: &Path) -> Committer {
    let db = sled::Config::new().path(path).flush_every_ms(None).open().expect("sled");
    let file = std::fs::File::open(path.join("db")).expect("sled's file");
    let mut seq = 0u64;
    Committer::new(move |group| {
        let mut batch = sled::Batch::default();
        for (record, _) in group {
            seq += 1;
            batch.insert(&seq.to_be_bytes(), &record[..]);
        }
        db.apply_batch(batch).expect("sled writes");
        db.flush().expect("sled flushes");
        rustix::fs::fdatasync(&file).expect("a sync");
    })
}

fn sqlite(path: &Path) -> Committer {
    let mut db = rusqlite::Connection::open(path).expect("sqlite");
    db.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE t (seq INTEGER PRIMARY KEY, r BLOB)",
    )
    .expect("a table");
    Committer::new(move |group| {
        let transaction = db.transaction().expect("a transaction");
        {
            let mut insert = transaction.prepare_cached("INSERT INTO t (r) VALUES (?1)").expect("a statement");
            for (record, _) in group {
                insert.execute([&record[..]]).expect("sqlite writes");
            }
        }
        transaction.commit().expect("sqlite commits");
    })
}

fn opening(count: usize) {
    let dir = tempfile::tempdir().expect("a folder");
    let options = |restore_from| store::Options { restore_from, ..store::Options::default() };
    let open = |restore_from| {
        let began = now();
        let opened = store::open(dir.path(), &options(restore_from), &mut |_| {}).expect("a store");
        (opened, began.elapsed())
    };
    let ((store, ..), _) = open(u64::MAX);
    let began = now();
    let (send, receive) = mpsc::channel();
    let mut batches = 0;
    for batch in 0..count.div_ceil(4000) {
        let records: Vec<Record> = (batch * 1000..(batch + 1) * 1000).flat_map(life).collect();
        let send = send.clone();
        store.submit(records, Room::Free, Box::new(move |answer| send.send(answer).expect("somebody waits")));
        batches += 1;
    }
    receive.iter().take(batches).for_each(|answer| answer.expect("durable"));
    let written = began.elapsed();
    while store.index_lag().is_some_and(|lag| lag > 0) {
        std::thread::park_timeout(Duration::from_millis(10));
    }
    let indexed = began.elapsed();
    store.close();
    let figures = store.figures();
    say(&format!(
        "{} records, {} MB of journal, {} MB of index: written in {written:.1?}, in the index after {indexed:.1?}; memory {}",
        figures.records,
        figures.journal_bytes >> 20,
        std::fs::metadata(dir.path().join("index/db")).map_or(0, |file| file.len()) >> 20,
        memory()
    ));
    drop(store);
    for (how, restore_from) in [("folded from the journal", u64::MAX), ("restored from the index", 0)] {
        let ((store, view, opened), took) = open(restore_from);
        assert_eq!(opened.rebuilt, None);
        let delivery: DeliveryId = "post-7@account-7".parse().expect("an id");
        let began = now();
        let history = store.history(&delivery).expect("a history");
        say(&format!(
            "opened, view {how}: {took:.2?}; {} accounts; a history of {} in {:.2?}; memory {}",
            view.accounts().count(),
            history.len(),
            began.elapsed(),
            memory()
        ));
    }
}

fn memory() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.map_or_else(|| "unknown".into(), |kilobytes| kilobytes.trim().to_owned())
}

/// The records of one delivery.
fn life(n: usize) -> Vec<Record> {
    let at = |second: usize| Timestamp::from_second(1_800_000_000 + second as i64).expect("a time");
    let delivery: DeliveryId = format!("post-{n}@account-{}", n % 50).parse().expect("an id");
    let digest = Digest::of(&n.to_be_bytes());
    let intent = Intent {
        delivery: delivery.clone(),
        platform: "mastodon".into(),
        host: None,
        attempt: 1,
        tries: 0,
        digest,
        key: digest.hex()[..32].into(),
        slot: Some(at(n)),
        fixed: false,
        fingerprint: n as u64,
        promotion: false,
        counts: true,
        body: String::new(),
        link: None,
        by: None,
        frozen: serde_json::Value::Null,
        started: at(n),
    };
    let remote =
        Remote { id: n.to_string(), url: Some(format!("https://a.example/{n}")), reference: JsonText::default() };
    let step = Fact::Checkpoint {
        delivery: delivery.clone(),
        attempt: 1,
        step: "status".into(),
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
    facts.into_iter().map(|fact| Record::new(at(n), fact)).collect()
}
