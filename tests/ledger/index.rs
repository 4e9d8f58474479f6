//! The view and the look-ups are those of the journal, whatever becomes of the index.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cadenced::domain::DeliveryId;
use cadenced::edge::store::{self, OpenError, Opened, Options, Progress, Store};
use cadenced::ledger::store::{Ledger as _, Room};
use cadenced::ledger::{Fact, Record, View};
use serde_json::json;

use super::support::{at, copy_folder, fold, intent, record, story, story_with_outcomes};

/// Small segments, a view that always comes from the index, and no machine.
fn options() -> Options {
    Options { segment_bytes: 64 * 1024, machine_file: "/nonexistent".into(), restore_from: 0, ..Options::default() }
}

fn open(dir: &Path) -> (Arc<Store>, View, Opened) {
    store::open(dir, &options(), &mut |_| {}).unwrap()
}

/// A store with a story in it, closed.
fn filled(dir: &Path, records: &[Record]) {
    let (store, view, opened) = open(dir);
    assert_eq!((view, opened.rebuilt, opened.fresh), (View::default(), None, true));
    record(&store, records, 7);
    store.close();
}

fn history(records: &[Record], delivery: &DeliveryId) -> Vec<Record> {
    records.iter().filter(|record| record.fact.delivery() == Some(delivery)).cloned().collect()
}

fn deliveries(records: &[Record]) -> std::collections::BTreeSet<DeliveryId> {
    records.iter().filter_map(|record| record.fact.delivery().cloned()).collect()
}

fn assert_all_found(store: &Store, records: &[Record]) {
    for delivery in deliveries(records) {
        assert_eq!(store.history(&delivery).unwrap(), history(records, &delivery), "{delivery}");
    }
}

/// Changes the trees of a closed store.
fn with_sled(dir: &Path, change: impl FnOnce(&sled::Db)) {
    let config = sled::Config::new().path(dir.join("index")).flush_every_ms(None);
    let open = |_| config.open().map_err(|_| std::thread::park_timeout(Duration::from_millis(10))).ok();
    let db = (0..500).find_map(open).unwrap_or_else(|| config.open().unwrap());
    change(&db);
    db.flush().unwrap();
}

fn broken(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("broken"))
        .collect();
    names.sort();
    names
}

#[test]
fn a_restored_view_is_the_fold_of_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let records = story_with_outcomes(3000);
    let (first, second) = records.split_at(2000);
    filled(dir.path(), first);
    let (store, view, opened) = open(dir.path());
    assert_eq!((opened.rebuilt, opened.without_index, opened.records), (None, None, 2000));
    assert_eq!(store.index_lag(), Some(0), "an orderly end leaves nothing to catch up");
    assert!(view == fold(first));
    record(&store, second, 100);
    assert_all_found(&store, &records);
    let mut all = Vec::new();
    store
        .replay(&mut |record| {
            all.push(record);
            true
        })
        .unwrap();
    assert!(all == records);
    let figures = store.figures();
    assert_eq!((figures.records, figures.clock_mark), (3000, view_of(&records).clock_mark));
    assert!(figures.journal_bytes >= 64 * 1024 && figures.index_bytes > 0);
    drop(store);
    let (_store, view, opened) = open(dir.path());
    assert_eq!(opened.rebuilt, None);
    assert!(view == fold(&records));
    let keys: Vec<_> = records
        .iter()
        .filter_map(|record| match &record.fact {
            Fact::Gained(gain) => Some(gain.key_hash()),
            _ => None,
        })
        .collect();
    let different: std::collections::BTreeSet<_> = keys.iter().collect();
    assert!(different.len() < keys.len() && different.len() > 50, "some of them were told twice");
    assert!(keys.iter().all(|key| view.knows_gain(*key)));
}

fn view_of(records: &[Record]) -> View {
    fold(records)
}

#[test]
fn an_index_that_is_gone_or_garbled_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let records = story(500);
    filled(dir.path(), &records);
    let index = dir.path().join("index");
    let breaks: [(&str, &dyn Fn()); 4] = [
        ("there was none", &|| std::fs::remove_dir_all(&index).unwrap()),
        ("", &|| std::fs::write(index.join("db"), vec![0xa5; 3 * 512 * 1024]).unwrap()),
        ("", &|| std::fs::write(index.join("conf"), "no configuration").unwrap()),
        ("checksum", &|| {
            with_sled(dir.path(), |db| {
                let tree = db.open_tree("deliveries").unwrap();
                let (key, _) = tree.iter().next().unwrap().unwrap();
                tree.remove(key).unwrap();
            });
        }),
    ];
    for (why, damage) in breaks {
        damage();
        let mut told = Vec::new();
        let (store, view, opened) = store::open(dir.path(), &options(), &mut |progress| told.push(progress)).unwrap();
        let reason = opened.rebuilt.unwrap();
        assert!(reason.contains(why), "{reason}");
        let word = |done| Progress::Rebuilding { reason: reason.clone(), done, total: 500 };
        assert_eq!(told, [word(0), word(500)]);
        assert!(view == fold(&records), "{reason}");
        assert_all_found(&store, &records);
        store.close();
        assert!(broken(dir.path()).len() <= 1);
        drop(store);
        let (store, view, opened) = open(dir.path());
        assert_eq!(opened.rebuilt, None, "it was whole again");
        assert!(view == fold(&records));
        assert_all_found(&store, &records);
    }
    assert_eq!(broken(dir.path()), ["index.broken-3"]);
}

/// Sled's own threads may hold the lock for a moment after the last handle is gone.
#[test]
fn an_index_that_is_being_let_go_of_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let records = story(300);
    filled(dir.path(), &records);
    with_sled(dir.path(), |_| {});
    let held = std::fs::File::open(dir.path().join("index/db")).unwrap();
    while held.try_lock().is_err() {
        std::thread::park_timeout(Duration::from_millis(10));
    }
    let let_go = move || {
        std::thread::park_timeout(Duration::from_millis(300));
        drop(held);
    };
    let late = std::thread::Builder::new().spawn(let_go).unwrap();
    let (_store, view, opened) = open(dir.path());
    late.join().unwrap();
    assert_eq!((opened.rebuilt, opened.without_index), (None, None));
    assert!(view == fold(&records));
}

#[test]
fn a_snapshot_that_a_crash_left_unfinished_does_no_harm() {
    let dir = tempfile::tempdir().unwrap();
    let records = story(300);
    filled(dir.path(), &records);
    std::fs::write(dir.path().join("index/snap.00000000FFFFFFFF.generating"), "half").unwrap();
    let (_store, view, opened) = open(dir.path());
    assert_eq!(opened.rebuilt, None);
    assert!(view == fold(&records));
}

#[test]
fn a_journal_that_has_lost_its_end_is_refused_until_a_person_decides() {
    let dir = tempfile::tempdir().unwrap();
    let ours = dir.path().join("ours");
    let records = story(400);
    filled(&ours, &records[..300]);
    copy_folder(&ours, &dir.path().join("before"));
    let (store, ..) = open(&ours);
    record(&store, &records[300..], 10);
    drop(store);
    std::fs::remove_dir_all(ours.join("journal")).unwrap();
    copy_folder(&dir.path().join("before/journal"), &ours.join("journal"));
    for _ in 0..2 {
        let refused = store::open(&ours, &options(), &mut |_| {}).err().unwrap();
        assert!(matches!(refused, OpenError::Shortened { held: 300, known: 400, .. }), "{refused}");
        assert!(refused.hint().contains(ours.join("index").to_str().unwrap()), "{}", refused.hint());
    }
    // A person has looked, and goes on without them.
    std::fs::remove_dir_all(ours.join("index")).unwrap();
    let (store, view, _) = open(&ours);
    assert!(view == fold(&records[..300]));
    assert_all_found(&store, &records[..300]);
}

#[test]
fn an_index_of_another_journal_is_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, theirs) = (dir.path().join("ours"), dir.path().join("theirs"));
    let records = story(300);
    filled(&ours, &records);
    filled(&theirs, &records[..50]);
    std::fs::remove_dir_all(ours.join("index")).unwrap();
    copy_folder(&theirs.join("index"), &ours.join("index"));
    let (_store, view, opened) = open(&ours);
    assert_eq!(opened.rebuilt.as_deref(), Some("it belongs to another store"));
    assert!(view == fold(&records[..300]));
}

#[test]
fn look_ups_do_without_an_index_that_lies() {
    let dir = tempfile::tempdir().unwrap();
    let records = story(300);
    filled(dir.path(), &records);
    with_sled(dir.path(), |db| {
        let tree = db.open_tree("history").unwrap();
        let places: Vec<_> = tree.iter().map(Result::unwrap).collect();
        for (key, _) in &places {
            tree.insert(key, &places[0].1).unwrap();
        }
    });
    let (store, ..) = open(dir.path());
    assert_all_found(&store, &records);
    assert!(store.index_trouble().unwrap().contains("not where it says"));
    record(&store, &story(310)[300..], 10);
    assert_all_found(&store, &story(310));
    drop(store);
    let (store, _, opened) = open(dir.path());
    assert!(opened.rebuilt.is_some());
    assert_eq!(store.index_trouble(), None);
    assert_all_found(&store, &story(310));
}

#[test]
fn what_is_too_long_for_the_index_is_folded_from_the_journal() {
    let dir = tempfile::tempdir().unwrap();
    let delivery: DeliveryId = "long@fedi".parse().unwrap();
    let step = |n: usize| Fact::Checkpoint {
        delivery: delivery.clone(),
        attempt: 1,
        step: format!("step {n}"),
        data: json!("x".repeat(3000)),
        publishes: false,
        reconciled: false,
    };
    let facts = std::iter::once(intent("long@fedi", 1, 0)).chain((0..6).map(step));
    let records: Vec<_> = facts.map(|fact| Record::new(at(0), fact)).collect();
    filled(dir.path(), &records[..5]);
    for known in [5, 7] {
        let (store, view, opened) = open(dir.path());
        assert_eq!(opened.rebuilt, None);
        assert!(view == fold(&records[..known]));
        if known == 5 {
            record(&store, &records[5..], 1);
        }
    }
}

#[test]
fn a_record_of_a_later_version_is_refused_as_such() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), &story(20));
    let (store, ..) = open(dir.path());
    let mut later = story(1);
    later[0].version = 2;
    record(&store, &later, 1);
    drop(store);
    let error = store::open(dir.path(), &options(), &mut |_| {}).map(drop).unwrap_err();
    assert!(matches!(&error, OpenError::Newer { what, .. } if what == "record version 2"), "{error}");
    assert!(store::replay_files(dir.path(), &mut |_| true).is_err());
}

#[test]
fn a_journal_that_is_gone_is_missed_even_without_its_identity() {
    let dir = tempfile::tempdir().unwrap();
    filled(dir.path(), &story(20));
    std::fs::remove_dir_all(dir.path().join("journal")).unwrap();
    std::fs::remove_file(dir.path().join("identity")).unwrap();
    let error = store::open(dir.path(), &options(), &mut |_| {}).map(drop).unwrap_err();
    assert!(error.to_string().ends_with("the journal is missing"), "{error}");
}

#[test]
fn a_store_is_nobody_elses_business() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("deep/store");
    filled(&path, &story(3));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let (store, ..) = open(&path);
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
    assert!(store.has_room());
    store.close();
    let (send, receive) = std::sync::mpsc::channel();
    store.submit(story(1), Room::Free, Box::new(move |answer| send.send(answer).unwrap()));
    assert!(receive.recv().unwrap().is_err());
}
