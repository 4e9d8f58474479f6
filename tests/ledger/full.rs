//! A disk that is really full.

use std::path::Path;
use std::process::Command;

use cadenced::edge::store::{self, Options};
use cadenced::ledger::Record;
use cadenced::ledger::store::{CommitError, Ledger as _, Room};

use super::support::{fold, record, skip, story};

/// A small file system in memory, until it is dropped.
struct Mount<'p>(&'p Path);

impl Drop for Mount<'_> {
    fn drop(&mut self) {
        // Lazily: a store that a failed test has left open must not keep it for ever.
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

fn mount(path: &Path) -> Option<Mount<'_>> {
    let done = Command::new("mount").args(["-t", "tmpfs", "-o", "size=6m", "cadenced-test"]).arg(path).output();
    done.is_ok_and(|output| output.status.success()).then(|| Mount(path))
}

fn submit(store: &store::Store, batch: Vec<Record>, room: Room) -> Result<(), CommitError> {
    let (send, receive) = std::sync::mpsc::channel();
    store.submit(batch, room, Box::new(move |answer| send.send(answer).unwrap()));
    receive.recv().unwrap()
}

#[test]
fn a_store_on_a_full_disk_records_what_it_must_opens_again_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let Some(_mount) = mount(folder.path()) else {
        skip("a full disk needs the right to mount a file system");
        return;
    };
    let dir = folder.path().join("store");
    let options = Options {
        segment_bytes: 256 * 1024,
        machine_file: "/nonexistent".into(),
        restore_from: 0,
        ..Options::default()
    };
    let all = story(4000);
    let mut kept = Vec::new();
    let (store, ..) = store::open(&dir, &options, &mut |_| {}).unwrap();
    record(&store, &all[..100], 10);
    kept.extend_from_slice(&all[..100]);
    // Somebody else fills the disk.
    let filler = folder.path().join("filler");
    let mut bytes = 8 * 1024 * 1024;
    while bytes >= 4096 {
        let before = std::fs::metadata(&filler).map_or(0, |file| file.len());
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&filler).unwrap();
        if rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), before, bytes).is_err() {
            bytes /= 2;
        }
    }
    let mut refused = 0;
    for batch in all[100..2000].chunks(10) {
        match submit(&store, batch.to_vec(), Room::Free) {
            Ok(()) => kept.extend_from_slice(batch),
            Err(CommitError::NoRoom(_)) => {
                refused += 1;
                break;
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(refused, 1, "what can wait is refused in the end");
    assert!(!store.has_room());
    for batch in all[2000..2100].chunks(1) {
        assert_eq!(submit(&store, batch.to_vec(), Room::Reserve), Ok(()));
        kept.extend_from_slice(batch);
    }
    store.close();
    drop(store);

    let (store, view, opened) = store::open(&dir, &options, &mut |_| {}).unwrap();
    assert_eq!(opened.records, kept.len() as u64);
    assert!(view == fold(&kept));
    assert!(!store.has_room());
    assert_eq!(submit(&store, all[2100..2110].to_vec(), Room::Reserve), Ok(()));
    kept.extend_from_slice(&all[2100..2110]);

    std::fs::remove_file(&filler).unwrap();
    assert!(store.has_room());
    assert_eq!(submit(&store, all[2110..2120].to_vec(), Room::Free), Ok(()));
    kept.extend_from_slice(&all[2110..2120]);
    drop(store);
    let (_store, view, _) = store::open(&dir, &options, &mut |_| {}).unwrap();
    assert!(view == fold(&kept));
}
