//! A journal that is not as it was written is refused, with the place; only a torn end is cut.

use cadenced::edge::disk::RealDisk;
use cadenced::edge::journal::{Journal, OpenError, Options, Torn, read_files};
use cadenced::ledger::store::Room;

use super::failing_disk::FailingDisk;
use super::support::{batches, open, options, segment, store, submit, whole};

/// Batches 0..=9, each with its own sync, over several segments.
fn filled() -> FailingDisk {
    let disk = FailingDisk::new();
    let (journal, _) = open(&disk).unwrap();
    for id in 0..10 {
        assert_eq!(submit(&journal, &[id], Room::Free), [Ok(())]);
    }
    drop(journal);
    disk.restart()
}

fn last_segment(disk: &FailingDisk) -> u64 {
    (1..).find(|&number| !disk.names().contains(&segment(number + 1))).unwrap()
}

/// Where the records of a segment end.
fn end(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|&byte| byte != 0).unwrap() + 1
}

#[test]
fn damage_in_the_middle_is_refused_with_its_place() {
    let full = 1;
    type Damage = fn(&mut Vec<u8>);
    let cases: [(&str, u64, Damage); 7] = [
        ("the first record", full, |bytes| bytes[64 + 25] ^= 1),
        ("a length", full, |bytes| bytes[64] ^= 0x40),
        ("zeros over a record", full, |bytes| bytes[64..64 + 33].fill(0)),
        ("the last record of a segment that is not the last", full, |bytes| {
            let end = end(bytes);
            bytes[end - 1] ^= 1;
        }),
        ("a segment cut short", full, |bytes| bytes.truncate(200)),
        ("a header", 2, |bytes| bytes[30] ^= 1),
        ("an empty segment", 2, Vec::clear),
    ];
    for (what, number, damage) in cases {
        let disk = filled();
        assert!(last_segment(&disk) > 2);
        disk.edit(&segment(number), damage);
        match open(&disk) {
            Err(OpenError::Corrupt { file, .. }) => assert!(file == segment(number) || file == segment(number + 1)),
            Err(other) => panic!("{what}: {other}"),
            Ok(_) => panic!("{what} was not noticed"),
        }
    }
}

#[test]
fn a_damaged_record_before_a_good_one_of_a_later_sync_is_no_torn_end() {
    let disk = FailingDisk::new();
    let (journal, _) = open(&disk).unwrap();
    for id in [3, 5] {
        assert_eq!(submit(&journal, &[id], Room::Free), [Ok(())]);
    }
    drop(journal);
    disk.edit(&segment(1), |bytes| bytes[64 + 22] ^= 1);
    let error = open(&disk.restart()).map(drop).unwrap_err();
    assert_eq!(
        error.to_string(),
        "/store/journal/0000000001.seg is damaged at byte 64: record 1 cannot be read, but later ones can"
    );
}

#[test]
fn a_torn_end_is_cut_and_told() {
    let disk = FailingDisk::new();
    let (journal, _) = open(&disk).unwrap();
    for id in [0, 3, 1] {
        assert_eq!(submit(&journal, &[id], Room::Free), [Ok(())]);
    }
    drop(journal);
    // The last batch has three records; the middle one is damaged, as a write may be that a crash has interrupted.
    let mut cut = 0;
    disk.edit(&segment(1), |bytes| {
        let end = end(bytes);
        bytes[end - 30] ^= 1;
        cut = end;
    });
    let (journal, found) = open(&disk.restart()).unwrap();
    let Some(Torn { segment: name, bytes }) = found.torn else { panic!("nothing was cut") };
    assert_eq!(name, "0000000001.seg");
    assert_eq!(bytes, batch_bytes(1));
    assert_eq!(batches(&journal), [0, 3]);
    drop(journal);
    let (journal, found) = open(&disk.restart().restart()).unwrap();
    assert_eq!((found.torn, found.records), (None, 2));
    assert_eq!(submit(&journal, &[8], Room::Free), [Ok(())]);
    assert_eq!(batches(&journal), [0, 3, 8]);
}

fn batch_bytes(id: usize) -> u64 {
    super::support::batch(id).iter().map(|record| 20 + record.len() as u64).sum()
}

#[test]
fn missing_and_exchanged_segments_are_refused() {
    for number in [1, 2] {
        let disk = filled();
        disk.unlink(&segment(number));
        let error = open(&disk).map(drop).unwrap_err().to_string();
        assert!(error.contains(&format!("{number:010}.seg is damaged: the segment is missing")), "{error}");
    }
    let disk = filled();
    disk.swap(&segment(1), &segment(2));
    assert!(matches!(open(&disk), Err(OpenError::Corrupt { .. })));
}

#[test]
fn a_missing_journal_is_never_taken_for_an_empty_one() {
    let disk = filled();
    for path in disk.names() {
        if path.parent() == Some(&store().join("journal")) {
            disk.unlink(&path);
        }
    }
    let error = open(&disk).map(drop).unwrap_err();
    assert_eq!(error.to_string(), "/store/journal is damaged: the journal is missing");
    assert!(error.hint().contains("backup"));
}

#[test]
fn segments_of_another_store_are_refused() {
    let disk = FailingDisk::new();
    let other = Options { fresh: cadenced::edge::journal::StoreId([9; 16]), ..options() };
    drop(Journal::open(std::sync::Arc::new(disk.clone()), &store(), &other).unwrap());
    let mut foreign = Vec::new();
    disk.edit(&segment(1), |bytes| foreign.clone_from(bytes));
    let disk = filled();
    disk.edit(&segment(1), |bytes| *bytes = foreign);
    let error = open(&disk).map(drop).unwrap_err().to_string();
    assert!(error.contains("belongs to another store"), "{error}");
}

#[test]
fn a_later_format_is_refused_as_such() {
    let disk = filled();
    disk.edit(&segment(1), |bytes| {
        bytes[8] = 2;
        let crc = crc32fast::hash(&bytes[..60]);
        bytes[60..64].copy_from_slice(&crc.to_le_bytes());
    });
    assert!(matches!(open(&disk), Err(OpenError::Newer { .. })));
}

#[test]
fn a_copy_on_another_machine_is_refused_until_a_person_says_it_has_moved() {
    let disk = filled();
    let theirs = Options { machine: Some("another machine".into()), ..options() };
    let open = |disk: &FailingDisk, options: &Options| {
        Journal::open(std::sync::Arc::new(disk.clone()), &store(), options).map(|(_, found)| found)
    };
    let error = open(&disk, &theirs).unwrap_err();
    assert!(matches!(error, OpenError::OtherMachine { .. }));
    assert!(error.hint().contains("/store/identity"), "{}", error.hint());
    // Where the machine has no name, nobody can tell.
    assert!(!open(&disk, &Options { machine: None, ..options() }).unwrap().adopted);
    disk.unlink(&store().join("identity"));
    let found = open(&disk, &theirs).unwrap();
    assert!(found.adopted && found.records > 0);
    assert!(matches!(open(&disk, &options()), Err(OpenError::OtherMachine { .. })));
}

#[test]
fn a_second_opener_is_told_who_was_first() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let disk = std::sync::Arc::new(RealDisk);
    let (first, _) = Journal::open(disk.clone(), &path, &options()).unwrap();
    match Journal::open(disk.clone(), &path, &options()) {
        Err(OpenError::Locked { pid, .. }) => assert_eq!(pid, Some(std::process::id())),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("opened twice"),
    }
    drop(first);
    Journal::open(disk, &path, &options()).unwrap();
}

#[test]
fn files_are_read_beside_a_writer() {
    let disk = FailingDisk::new();
    let (journal, _) = open(&disk).unwrap();
    let read = || {
        let mut records = Vec::new();
        read_files(&disk, &store(), &mut |item| {
            records.push(String::from_utf8(item.payload.to_vec()).unwrap());
            true
        })
        .unwrap();
        whole(&records)
    };
    assert_eq!(read(), [0; 0]);
    for id in 0..10 {
        assert_eq!(submit(&journal, &[id], Room::Free), [Ok(())]);
        assert_eq!(read(), (0..=id).collect::<Vec<_>>());
    }
}
