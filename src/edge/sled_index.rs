//! The index: what the journal says, kept in sled so that it can be looked up.
//!
//! It is fed from the journal by a thread of its own, may lag, and is never the truth: where it cannot be opened, is
//! of another store, does not agree with the journal or with its own checksum, it is moved aside and made anew; where
//! it fails while it runs, it is given up until the next start. Nothing that is committed ever waits for it.
//!
//! Why sled is handled with such care: its `flush` makes nothing durable against a power cut, so the file is synced
//! here; a snapshot that a crash left unfinished keeps it from ever opening again, so those are removed first; its
//! `flush_async` can wait for itself, so only this thread flushes; and it panics where it should fail.
//!
//! Trees: `deliveries` (account, NUL, post) to the fold of that delivery; `heads` (account) to what is remembered of
//! it; `gains` has the hash of each outcome's key, and no values; `history` (delivery, NUL, sequence number) to the place
//! of the record; `meta`, how far all this is. The first three and `meta` change together, in one transaction, and `meta` holds a checksum over them: a view that is restored
//! from here is either exactly the fold of the journal up to that place, or refused.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use sled::transaction::{TransactionError, Transactional as _};

use crate::domain::{AccountId, DeliveryId, KeyHash, PostId, Timestamp};
use crate::ledger::record::VERSION as RECORD_VERSION;
use crate::ledger::view::{Entry, Head, clock_mark};
use crate::ledger::{Fact, Record, View};

use super::disk::{Disk as _, RealDisk};
use super::journal::{Journal, Position, StoreId};

/// Layout of the trees, and what is folded into them. Another one is not converted but made anew.
const LAYOUT: u32 = 5;

/// Records that are applied in one transaction. Every value that is written leaves a copy of its whole page as garbage
/// until the transaction is over, and that memory does not come back: with 1,024 records it is some 18 MB for good,
/// with 256 some 8, at the same speed.
const STEP: usize = 256;

/// How long no record must come before those that have come are applied: sending has the machine first, and a
/// delivery's four records, which come within moments, are written once.
const LINGER: Duration = Duration::from_millis(250);
/// How long, and for how many records, that is waited for at most. A look-up reads what is not applied from the journal.
const LONGEST: Duration = Duration::from_secs(5);
const GATHER: u64 = 65_536;

/// Largest value, in bytes. Sled writes larger ones to files of their own, which it never syncs. What is longer is
/// kept as an empty value and folded from the journal when it is needed.
const VALUE: usize = 8 * 1024;

/// How far behind an index may be at a closing that is not in a hurry, in records.
const CLOSING_LAG: u64 = 50_000;

/// How often, and after which pause, the lock of sled's files is asked for again: ten seconds in all.
const LOCK_TRIES: u32 = 1000;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// How the index is kept.
#[derive(Debug, Clone)]
pub struct Options {
    /// Sled's cache, in bytes. It takes several times as much memory as this says.
    pub cache_bytes: u64,
    /// How long applied records may be unsynced. A crash costs as much catching up.
    pub flush_every: Duration,
}

/// How far the index is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    layout: u32,
    record_version: u32,
    store: String,
    /// Sequence number of the last record in it.
    pub seq: u64,
    segment: u64,
    offset: u64,
    clock_mark: Option<Timestamp>,
    /// Deliveries, heads and outcomes in it.
    values: u64,
    /// Sum of the checksums of all of them.
    sum: u64,
}

impl Mark {
    fn new(store: StoreId) -> Self {
        let Position { segment, offset } = Position::START;
        let store = store.to_string();
        Self {
            layout: LAYOUT,
            record_version: RECORD_VERSION,
            store,
            seq: 0,
            segment,
            offset,
            clock_mark: None,
            values: 0,
            sum: 0,
        }
    }

    /// Where the next record is.
    pub fn position(&self) -> Position {
        Position { segment: self.segment, offset: self.offset }
    }

    /// Counts a new value in place of an old one.
    fn exchange(&mut self, key: &[u8], old: Option<&[u8]>, new: &[u8]) {
        match old {
            Some(old) => self.sum = self.sum.wrapping_sub(checksum(key, old)),
            None => self.values += 1,
        }
        self.sum = self.sum.wrapping_add(checksum(key, new));
    }
}

/// An open index that is not fed yet.
pub struct Opened {
    handle: Handle,
    pub mark: Mark,
}

/// Opens the index of a journal that holds `records`. Second: why it was made anew, if it was. Its mark may be beyond
/// the journal's end; then the journal is to be asked about, not the index.
///
/// # Errors
/// It cannot even be made anew; the store does without one then.
pub fn open(path: &Path, store: StoreId, records: u64, options: &Options) -> Result<(Opened, Option<String>), String> {
    let there = path.exists();
    let first = if there { try_open(path, store, options) } else { Err("there was none".into()) };
    match first {
        Ok(opened) => Ok((opened, None)),
        Err(why) => {
            set_aside(path).map_err(|error| format!("{why}; moving it aside failed: {error}"))?;
            let opened = try_open(path, store, options).map_err(|again| format!("{why}; {again}"))?;
            Ok((opened, (there || records > 0).then_some(why)))
        }
    }
}

/// Gives up an open index and makes a new one.
///
/// # Errors
/// As [`open`].
pub fn renew(opened: Opened, path: &Path, store: StoreId, options: &Options) -> Result<Opened, String> {
    discard(opened);
    set_aside(path).map_err(|error| format!("moving it aside failed: {error}"))?;
    try_open(path, store, options)
}

fn try_open(path: &Path, store: StoreId, options: &Options) -> Result<Opened, String> {
    remove_unfinished(path);
    guarded(|| {
        let db = open_patiently(path, options)?;
        let handle = Handle {
            deliveries: db.open_tree("deliveries")?,
            heads: db.open_tree("heads")?,
            gains: db.open_tree("gains")?,
            history: db.open_tree("history")?,
            meta: db.open_tree("meta")?,
            db,
        };
        let kept = handle.meta.get("mark")?;
        let mark = match &kept {
            Some(bytes) => serde_json::from_slice(bytes).map_err(unusable)?,
            None if handle.db.was_recovered() && !handle.deliveries.is_empty() => {
                return Err(unusable("it does not say how far it is"));
            }
            None => Mark::new(store),
        };
        if (mark.layout, mark.record_version) != (LAYOUT, RECORD_VERSION) {
            return Err(unusable("another version has written it"));
        }
        if mark.store != store.to_string() {
            return Err(unusable("it belongs to another store"));
        }
        Ok(Opened { handle, mark })
    })
}

/// Opens sled's files, and waits for their lock. The store's own lock says that no other program has them; who holds
/// them still is a thread of a handle that this program has dropped, which sled does not wait for.
fn open_patiently(path: &Path, options: &Options) -> sled::Result<sled::Db> {
    let config = sled::Config::new().path(path).cache_capacity(options.cache_bytes).flush_every_ms(None);
    let mut tries_left = LOCK_TRIES;
    loop {
        match config.open() {
            Err(sled::Error::Io(error)) if tries_left > 0 && error.to_string().contains("acquire lock") => {
                tries_left -= 1;
                #[expect(clippy::disallowed_methods, reason = "the lock tells nobody that it is free")]
                std::thread::sleep(LOCK_PAUSE);
            }
            other => return other,
        }
    }
}

/// Removes the snapshots that a crash has left half written; sled would take them for its newest.
fn remove_unfinished(path: &Path) {
    for name in RealDisk.list(path).unwrap_or_default() {
        if name.starts_with("snap.") && name.ends_with(".generating") {
            // What cannot be removed shows when sled opens.
            let _ = RealDisk.remove(&path.join(name));
        }
    }
}

/// Moves the folder away for an examination, and removes those that were moved away before.
fn set_aside(path: &Path) -> std::io::Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str())) else {
        return Ok(());
    };
    let prefix = format!("{name}.broken-");
    let mut highest = 0;
    for other in RealDisk.list(parent)? {
        if let Some(number) = other.strip_prefix(&prefix).and_then(|number| number.parse::<u64>().ok()) {
            highest = highest.max(number);
            if path.exists() {
                std::fs::remove_dir_all(parent.join(other))?;
            }
        }
    }
    match std::fs::rename(path, parent.join(format!("{prefix}{}", highest + 1))) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

impl Opened {
    /// Applies what the journal holds beyond the mark.
    ///
    /// # Errors
    /// The index cannot be used.
    pub fn catch_up(&mut self, journal: &Journal) -> Result<(), String> {
        feed(&self.handle, &mut self.mark, journal, &AtomicBool::new(false), &mut |_| {})
    }

    /// The view as of the mark.
    ///
    /// # Errors
    /// The index is not what it was when it was written.
    pub fn restore(&self, journal: &Journal) -> Result<View, String> {
        guarded(|| {
            let mut view = View::default();
            view.clock_mark = self.mark.clock_mark;
            let (mut values, mut sum) = (0u64, 0u64);
            let mut count = |key: &[u8], value: &[u8]| {
                values += 1;
                sum = sum.wrapping_add(checksum(key, value));
            };
            for item in &self.handle.heads {
                let (key, value) = item?;
                count(&key, &value);
                let account = text(&key).and_then(|text| AccountId::new(text).ok());
                let account = account.ok_or_else(|| unusable("a key is none"))?;
                view.restore_head(account, serde_json::from_slice(&value).map_err(unusable)?);
            }
            for item in &self.handle.deliveries {
                let (key, value) = item?;
                count(&key, &value);
                let delivery = delivery_of(&key).ok_or_else(|| unusable("a key is none"))?;
                let entry = self.handle.entry(&delivery, &value, self.mark.seq, journal)?;
                view.restore_delivery(delivery, entry);
            }
            for item in &self.handle.gains {
                let (key, value) = item?;
                count(&key, &value);
                view.restore_gain(KeyHash(key.as_ref().try_into().map_err(|_| unusable("a key is none"))?));
            }
            if (values, sum) != (self.mark.values, self.mark.sum) {
                return Err(unusable("its checksum is wrong"));
            }
            Ok(view)
        })
    }

    /// Starts the thread that feeds it.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn start(self, path: &Path, journal: Arc<Journal>, options: &Options) -> Result<Index, String> {
        let Self { handle, mark } = self;
        let shared = Arc::new(Shared {
            path: path.into(),
            stop: AtomicBool::new(false),
            state: Mutex::new(State { handle: Some(handle), mark, trouble: None }),
        });
        let (theirs, every, feeding) = (shared.clone(), options.flush_every, journal.clone());
        let thread = std::thread::Builder::new()
            .name("index".into())
            .spawn(move || run(&theirs, &feeding, every))
            .map_err(|error| error.to_string())?;
        Ok(Index { shared, journal, thread: Mutex::new(Some(thread)) })
    }
}

/// An index that is fed; dropping it closes it.
pub struct Index {
    shared: Arc<Shared>,
    journal: Arc<Journal>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Index {
    /// Sequence numbers and places of a delivery's records, as far as the index is, and how far that is. `None` when
    /// there is no index to ask.
    pub fn places(&self, delivery: &DeliveryId) -> Option<(Vec<(u64, Position)>, Mark)> {
        let (handle, mark) = {
            let state = lock(&self.shared.state);
            (state.handle.clone()?, state.mark.clone())
        };
        match guarded(|| handle.places(delivery, mark.seq)) {
            Ok(places) => Some((places, mark)),
            Err(why) => {
                self.give_up(why);
                None
            }
        }
    }

    /// Ends the use of the index until the next start, when it is made anew.
    pub fn give_up(&self, why: String) {
        self.shared.stop.store(true, Ordering::Release);
        self.journal.nudge();
        self.shared.give_up(why);
    }

    /// How many records are in it.
    pub fn records(&self) -> u64 {
        lock(&self.shared.state).mark.seq
    }

    /// Why it was given up.
    pub fn trouble(&self) -> Option<String> {
        lock(&self.shared.state).trouble.clone()
    }

    /// Bytes on the disk.
    pub fn bytes(&self) -> u64 {
        std::fs::metadata(self.shared.path.join("db")).map_or(0, |file| file.len())
    }

    /// Applies what is left, unless that is a lot, makes it durable and ends the thread.
    pub fn close(&self) {
        self.shared.stop.store(true, Ordering::Release);
        self.journal.nudge();
        if let Some(thread) = lock(&self.thread).take() {
            // Its panics are caught inside.
            let _ = thread.join();
        }
        let handle = lock(&self.shared.state).handle.take();
        discard(handle);
    }
}

impl Drop for Index {
    fn drop(&mut self) {
        self.close();
    }
}

struct Shared {
    path: PathBuf,
    stop: AtomicBool,
    state: Mutex<State>,
}

struct State {
    /// `None` when the index was given up, or is closed.
    handle: Option<Handle>,
    mark: Mark,
    trouble: Option<String>,
}

impl Shared {
    fn give_up(&self, why: String) {
        let mut state = lock(&self.state);
        let Some(handle) = state.handle.take() else { return };
        state.trouble = Some(why);
        drop(state);
        discard(handle);
        // Moved away now, not at the next start: then it is absent, and cannot be taken for a good one. It is not
        // kept, for the most likely trouble is a full disk.
        let _ = set_aside(&self.path);
        if let (Some(parent), Some(name)) = (self.path.parent(), self.path.file_name().and_then(|name| name.to_str())) {
            for other in RealDisk.list(parent).unwrap_or_default() {
                if other.starts_with(&format!("{name}.broken-")) {
                    let _ = std::fs::remove_dir_all(parent.join(other));
                }
            }
        }
    }
}

/// The thread.
fn run(shared: &Shared, journal: &Journal, every: Duration) {
    let (Some(handle), mut mark) = ({
        let state = lock(&shared.state);
        (state.handle.clone(), state.mark.clone())
    }) else {
        return;
    };
    let mut flushed = (now(), mark.seq);
    let result = loop {
        let unflushed = mark.seq > flushed.1;
        let mut seen = journal.wait(mark.seq, &shared.stop, unflushed.then(|| every.saturating_sub(now() - flushed.0)));
        let since = now();
        while seen > mark.seq && seen - mark.seq < GATHER && now() - since < LONGEST {
            let before = seen;
            seen = journal.wait(mark.seq + GATHER - 1, &shared.stop, Some(LINGER));
            if seen == before {
                break;
            }
        }
        let stopping = shared.stop.load(Ordering::Acquire);
        if seen > mark.seq && (!stopping || seen - mark.seq < CLOSING_LAG) {
            let publish = &mut |mark: &Mark| lock(&shared.state).mark = mark.clone();
            // What is left at a closing is little, and applied in full.
            let never = AtomicBool::new(false);
            let stop = if stopping { &never } else { &shared.stop };
            if let Err(why) = feed(&handle, &mut mark, journal, stop, publish) {
                break Err(why);
            }
        }
        if mark.seq > flushed.1 && (stopping || now() - flushed.0 >= every) {
            if let Err(why) = flush(&handle, &shared.path) {
                break Err(why);
            }
            flushed = (now(), mark.seq);
        } else if !unflushed {
            flushed.0 = now();
        }
        if stopping {
            break Ok(());
        }
    };
    discard(handle);
    if let Err(why) = result {
        shared.give_up(why);
    }
}

#[expect(clippy::disallowed_methods, reason = "how often a cache is synced decides nothing")]
fn now() -> Instant {
    Instant::now()
}

fn flush(handle: &Handle, path: &Path) -> Result<(), String> {
    guarded(|| {
        handle.db.flush()?;
        // Sled leaves it at `sync_file_range`, which a power cut undoes.
        rustix::fs::fdatasync(File::open(path.join("db"))?).map_err(std::io::Error::from)?;
        Ok(())
    })
}

/// Applies the journal from the mark on, step by step, until its end or until `stop`.
fn feed(
    handle: &Handle,
    mark: &mut Mark,
    journal: &Journal,
    stop: &AtomicBool,
    publish: &mut dyn FnMut(&Mark),
) -> Result<(), String> {
    guarded(|| {
        let mut step = Step::new(handle, mark.clone(), journal);
        let mut failed = None;
        let read = journal.read(mark.position(), &mut |item| {
            let added = step.add(item).and_then(|()| {
                if step.records == STEP {
                    *mark = step.apply()?;
                    publish(mark);
                }
                Ok(())
            });
            failed = added.err();
            failed.is_none() && !stop.load(Ordering::Acquire)
        });
        if let Some(error) = failed {
            return Err(error);
        }
        read.map_err(unusable)?;
        if step.records > 0 {
            *mark = step.apply()?;
            publish(mark);
        }
        Ok(())
    })
}

/// Records that are applied together.
struct Step<'a> {
    handle: &'a Handle,
    journal: &'a Journal,
    mark: Mark,
    records: usize,
    deliveries: BTreeMap<DeliveryId, (Option<sled::IVec>, Entry)>,
    heads: BTreeMap<AccountId, (Option<sled::IVec>, Head)>,
    gains: BTreeSet<KeyHash>,
    history: sled::Batch,
}

impl<'a> Step<'a> {
    fn new(handle: &'a Handle, mark: Mark, journal: &'a Journal) -> Self {
        let (deliveries, heads, gains) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Self { handle, journal, mark, records: 0, deliveries, heads, gains, history: sled::Batch::default() }
    }

    fn add(&mut self, item: super::journal::Item<'_>) -> Result<(), Trouble> {
        if item.seq != self.mark.seq + 1 {
            return Err(unusable(format!("record {} follows {} in the journal", item.seq, self.mark.seq)));
        }
        let record = Record::decode(item.payload).map_err(unusable)?;
        if let Some(account) = record.fact.account() {
            if !self.heads.contains_key(account) {
                let old = self.handle.heads.get(account.as_str())?;
                let head =
                    old.as_ref().map_or(Ok(Head::default()), |old| serde_json::from_slice(old)).map_err(unusable)?;
                self.heads.insert(account.clone(), (old, head));
            }
            if let Some((_, head)) = self.heads.get_mut(account) {
                head.apply(&record);
            }
        }
        if let Some(delivery) = record.fact.delivery() {
            if !self.deliveries.contains_key(delivery) {
                let old = self.handle.deliveries.get(key_of(delivery))?;
                let entry = match &old {
                    Some(old) => self.handle.entry(delivery, old, self.mark.seq, self.journal)?,
                    None => Entry::default(),
                };
                self.deliveries.insert(delivery.clone(), (old, entry));
            }
            if let Some((_, entry)) = self.deliveries.get_mut(delivery) {
                entry.apply(&record);
            }
            let mut place = [0u8; 16];
            place[..8].copy_from_slice(&item.at.segment.to_be_bytes());
            place[8..].copy_from_slice(&item.at.offset.to_be_bytes());
            self.history.insert(history_key(delivery, item.seq), &place);
        }
        if let Fact::Gained(gain) = &record.fact {
            self.gains.insert(gain.key_hash());
        }
        self.mark.clock_mark = clock_mark(self.mark.clock_mark, &record);
        self.mark.seq = item.seq;
        (self.mark.segment, self.mark.offset) = (item.next.segment, item.next.offset);
        self.records += 1;
        Ok(())
    }

    /// Writes the step; the mark that holds now.
    fn apply(&mut self) -> Result<Mark, Trouble> {
        let (mut deliveries, mut heads) = (sled::Batch::default(), sled::Batch::default());
        let mut gains = sled::Batch::default();
        for (delivery, (old, entry)) in std::mem::take(&mut self.deliveries) {
            let key = key_of(&delivery);
            let mut value = serde_json::to_vec(&entry).map_err(unusable)?;
            if value.len() > VALUE {
                value.clear();
            }
            if old.as_deref() != Some(&value) {
                self.mark.exchange(&key, old.as_deref(), &value);
                deliveries.insert(key, value);
            }
        }
        for (account, (old, head)) in std::mem::take(&mut self.heads) {
            let value = serde_json::to_vec(&head).map_err(unusable)?;
            if old.as_deref() != Some(&value) {
                self.mark.exchange(account.as_str().as_bytes(), old.as_deref(), &value);
                heads.insert(account.as_str(), value);
            }
        }
        for KeyHash(key) in std::mem::take(&mut self.gains) {
            if self.handle.gains.get(key)?.is_none() {
                self.mark.exchange(&key, None, &[]);
                gains.insert(&key, &[]);
            }
        }
        // Places first: what is written twice after a crash is the same both times.
        self.handle.history.apply_batch(std::mem::take(&mut self.history))?;
        let mark = serde_json::to_vec(&self.mark).map_err(unusable)?;
        let trees = (&self.handle.deliveries, &self.handle.heads, &self.handle.gains, &self.handle.meta);
        let applied = trees.transaction(|(their_deliveries, their_heads, their_gains, meta)| {
            their_deliveries.apply_batch(&deliveries)?;
            their_heads.apply_batch(&heads)?;
            their_gains.apply_batch(&gains)?;
            meta.insert("mark", &*mark)?;
            Ok(())
        });
        applied.map_err(|error: TransactionError<()>| unusable(format!("{error:?}")))?;
        self.records = 0;
        Ok(self.mark.clone())
    }
}

/// The open trees.
#[derive(Clone)]
struct Handle {
    deliveries: sled::Tree,
    heads: sled::Tree,
    gains: sled::Tree,
    history: sled::Tree,
    meta: sled::Tree,
    db: sled::Db,
}

impl Handle {
    /// Reads the value of a delivery, as of sequence number `until`.
    fn entry(&self, delivery: &DeliveryId, value: &[u8], until: u64, journal: &Journal) -> Result<Entry, Trouble> {
        if !value.is_empty() {
            return serde_json::from_slice(value).map_err(unusable);
        }
        let mut entry = Entry::default();
        let mut wrong = None;
        // Places beyond the mark may be there already, of a step that a crash has cut in two.
        for (seq, place) in self.places(delivery, until)? {
            journal
                .read_one(place, &mut |item| match Record::decode(item.payload) {
                    Ok(record) if item.seq == seq && record.fact.delivery() == Some(delivery) => entry.apply(&record),
                    Ok(_) => wrong = Some("a place is not that of its delivery".to_owned()),
                    Err(error) => wrong = Some(error.to_string()),
                })
                .map_err(unusable)?;
        }
        wrong.map_or(Ok(entry), |why| Err(unusable(why)))
    }

    /// The records of a delivery up to sequence number `until`, and where they are.
    fn places(&self, delivery: &DeliveryId, until: u64) -> Result<Vec<(u64, Position)>, Trouble> {
        let prefix = history_prefix(delivery);
        let mut places = Vec::new();
        for item in self.history.range(history_key(delivery, 0)..=history_key(delivery, until)) {
            let (key, value) = item?;
            let number =
                |at: usize| value.get(at..at + 8).and_then(|part| Some(u64::from_be_bytes(part.try_into().ok()?)));
            let seq = key.strip_prefix(&*prefix).and_then(|seq| Some(u64::from_be_bytes(seq.try_into().ok()?)));
            let (Some(seq), Some(segment), Some(offset)) = (seq, number(0), number(8)) else {
                return Err(unusable("a place is none"));
            };
            places.push((seq, Position { segment, offset }));
        }
        Ok(places)
    }
}

fn key_of(delivery: &DeliveryId) -> Vec<u8> {
    format!("{}\0{}", delivery.account, delivery.post).into_bytes()
}

fn delivery_of(key: &[u8]) -> Option<DeliveryId> {
    let (account, post) = text(key)?.split_once('\0')?;
    Some(DeliveryId::new(PostId::new(post).ok()?, AccountId::new(account).ok()?))
}

fn history_prefix(delivery: &DeliveryId) -> Vec<u8> {
    format!("{delivery}\0").into_bytes()
}

fn history_key(delivery: &DeliveryId, seq: u64) -> Vec<u8> {
    let mut key = history_prefix(delivery);
    key.extend_from_slice(&seq.to_be_bytes());
    key
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

fn checksum(key: &[u8], value: &[u8]) -> u64 {
    let mut hash = crc32fast::Hasher::new();
    hash.update(key);
    hash.update(&[0]);
    hash.update(value);
    u64::from(hash.finalize())
}

/// What is wrong with the index; all of it has one consequence.
struct Trouble(String);

fn unusable(why: impl std::fmt::Display) -> Trouble {
    Trouble(why.to_string())
}

impl From<sled::Error> for Trouble {
    fn from(error: sled::Error) -> Self {
        unusable(error)
    }
}

impl From<std::io::Error> for Trouble {
    fn from(error: std::io::Error) -> Self {
        unusable(error)
    }
}

/// Does something with sled; its panics are errors.
fn guarded<T>(act: impl FnOnce() -> Result<T, Trouble>) -> Result<T, String> {
    match catch_unwind(AssertUnwindSafe(act)) {
        Ok(result) => result.map_err(|Trouble(why)| why),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
            Err(format!("sled panicked: {}", text.unwrap_or("without a word")))
        }
    }
}

/// Drops a part of sled, which writes then, and may panic at it.
fn discard<T>(part: T) {
    let _ = guarded(|| {
        drop(part);
        Ok(())
    });
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
