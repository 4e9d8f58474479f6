//! What several of these tests do.

use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};

use cadenced::edge::disk::Disk;
use cadenced::edge::journal::{Found, Journal, OpenError, Options, Position, StoreId};
use cadenced::ledger::store::{CommitError, Room};

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
