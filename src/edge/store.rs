//! The store of one daemon: the journal, which is the truth, and the index, which is quick.
//!
//! Opening gives the view, the fold of all records. It is made from the journal itself as long as that takes no time
//! to speak of, and else restored from the index, whose checksum must prove it. The index decides nothing else; but one
//! that knows more than the journal tells that durable records are gone, and then the store is refused.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::domain::{DeliveryId, Timestamp};
use crate::ledger::record::DecodeError;
use crate::ledger::store::{CommitError, Figures, Ledger, ReadError, Room};
use crate::ledger::{Record, View, view};

use super::disk::{Disk, RealDisk};
use super::journal::{self, Item, Journal, Position, StoreId, Torn};
use super::sled_index::{self, Index};

pub use super::journal::OpenError;

/// How a store is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// Size of a segment of the journal, in bytes.
    pub segment_bytes: u64,
    /// The file that tells this machine from others. Where it cannot be read, the store is not tied to a machine.
    pub machine_file: PathBuf,
    /// The name of a new store; random when `None`.
    pub fresh: Option<StoreId>,
    /// How the index is kept.
    pub index: sled_index::Options,
    /// From how many records on the view is restored from the index. Below, the journal is folded, which needs no
    /// trust in anything.
    pub restore_from: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 8 * 1024 * 1024,
            machine_file: "/etc/machine-id".into(),
            fresh: None,
            index: sled_index::Options { cache_bytes: 256 * 1024, flush_every: Duration::from_secs(3) },
            restore_from: 200_000,
        }
    }
}

/// What opening is doing, as it happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// A write that a crash cut short was removed.
    Torn(Torn),
    /// The index is made anew; so far `done` of `total` records have been read.
    Rebuilding { reason: String, done: u64, total: u64 },
}

/// What opening has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The store's random name.
    pub store: StoreId,
    /// The seed of all draws, from the store's name.
    pub seed: u64,
    pub records: u64,
    /// The store was made just now.
    pub fresh: bool,
    /// The store was tied to no machine, and is to this one now.
    pub adopted: bool,
    pub torn: Option<Torn>,
    /// Why the index is made anew.
    pub rebuilt: Option<String>,
    /// Why there is no index; looking things up is slow then.
    pub without_index: Option<String>,
}

/// How many records behind an index may be, for catching up to be quicker than folding the journal.
const QUICK_LAG: u64 = 20_000;

/// Records between two words of progress.
const PROGRESS: u64 = 50_000;

/// The open store; dropping it closes it.
pub struct Store {
    journal: Arc<Journal>,
    index: Option<Index>,
    clock_mark: Arc<Mutex<Option<Timestamp>>>,
}

/// Opens a store, or makes one. Nobody else can open it until it is dropped.
///
/// # Errors
/// It is in use, of another machine, damaged, of a later version, or the disk refuses.
pub fn open(
    dir: &Path,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Arc<Store>, View, Opened), OpenError> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let fresh = options.fresh.map_or_else(|| random(dir), Ok)?;
    let machine = std::fs::read_to_string(&options.machine_file).ok().filter(|text| !text.trim().is_empty());
    let how = journal::Options { segment_bytes: options.segment_bytes, machine, fresh };
    let path = dir.join("index");
    let mut looked = None;
    let (journal, found) = Journal::open_with(disk, dir, &how, &mut |store, records| {
        let (index, rebuilt, without) = match sled_index::open(&path, store, records, &options.index) {
            Ok((index, rebuilt)) => (Some(index), rebuilt, None),
            Err(why) => (None, None, Some(why)),
        };
        if let Some(known) = index.as_ref().map(|index| index.mark.seq).filter(|known| *known > records) {
            // The index is fed with durable records only: some of them are gone. What is left of them stays as it is.
            let (journal, index) = (dir.join("journal"), path.clone());
            return Err(OpenError::Shortened { journal, index, held: records, known });
        }
        looked = Some((index, rebuilt, without));
        Ok(())
    })?;
    let (mut index, mut rebuilt, mut without) = looked.unwrap_or_default();
    let journal = Arc::new(journal);
    keep_to_ourselves(dir);
    if let Some(torn) = &found.torn {
        progress(Progress::Torn(torn.clone()));
    }

    let mut restored = None;
    if rebuilt.is_none()
        && found.records >= options.restore_from
        && let Some(usable) = &mut index
        && found.records - usable.mark.seq <= QUICK_LAG
    {
        match usable.catch_up(&journal).and_then(|()| usable.restore(&journal)) {
            Ok(view) => restored = Some(view),
            Err(why) => {
                rebuilt = Some(why);
                let renewed =
                    index.take().map(|index| sled_index::renew(index, &path, found.store, &options.index)).transpose();
                index = renewed.unwrap_or_else(|why| {
                    without = Some(why);
                    None
                });
            }
        }
    }
    let view = match restored {
        Some(view) => view,
        None => fold(dir, &journal, found.records, rebuilt.as_deref(), progress)?,
    };
    let index = index
        .and_then(|index| index.start(&path, journal.clone(), &options.index).map_err(|why| without = Some(why)).ok());
    let opened = Opened {
        store: found.store,
        seed: found.store.seed(),
        records: found.records,
        fresh: found.fresh,
        adopted: found.adopted,
        torn: found.torn,
        rebuilt,
        without_index: without,
    };
    let clock_mark = Arc::new(Mutex::new(view.clock_mark));
    Ok((Arc::new(Store { journal, index, clock_mark }), view, opened))
}

/// Whether somebody holds a store. Asking changes nothing; who may not read its lock cannot know, and is told so.
///
/// # Errors
/// The lock is there and cannot be read.
pub fn is_held(dir: &Path) -> std::io::Result<bool> {
    let file = match std::fs::File::open(dir.join("lock")) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(std::fs::TryLockError::WouldBlock) => Ok(true),
        Err(std::fs::TryLockError::Error(error)) => Err(error),
    }
}

/// Gives every record of a store to `each`, oldest first, until it returns `false`. Needs no lock and changes
/// nothing; beside a running daemon it sees what was complete at this moment. A folder without a store has none.
///
/// # Errors
/// The journal is damaged, or of a later version.
pub fn replay_files(dir: &Path, each: &mut dyn FnMut(Record) -> bool) -> Result<(), OpenError> {
    let mut failed = None;
    journal::read_files(&RealDisk, dir, &mut |item| match Record::decode(item.payload) {
        Ok(record) => each(record),
        Err(error) => {
            failed = Some(undecodable(dir, &item, error));
            false
        }
    })?;
    failed.map_or(Ok(()), Err)
}

impl Store {
    /// Writes what waits, brings the index up, and ends the threads. What is handed in later is refused.
    pub fn close(&self) {
        self.journal.close();
        if let Some(index) = &self.index {
            index.close();
        }
    }

    /// Why the index was given up, if it was; it is made anew at the next start.
    pub fn index_trouble(&self) -> Option<String> {
        self.index.as_ref().and_then(Index::trouble)
    }

    /// How many records the index lacks; `None` without an index.
    pub fn index_lag(&self) -> Option<u64> {
        let index = self.index.as_ref().filter(|index| index.trouble().is_none())?;
        Some(self.journal.records().saturating_sub(index.records()))
    }

    /// Reads the journal from `from` on for the records of a delivery.
    fn search(&self, delivery: &DeliveryId, from: Position, found: &mut Vec<Record>) -> Result<(), ReadError> {
        // Ids hold nothing that JSON would write in another way, so most records need not be read in full.
        let name = delivery.to_string();
        let mut failed = None;
        self.journal.read(from, &mut |item| {
            if std::str::from_utf8(item.payload).is_ok_and(|text| text.contains(&name)) {
                match Record::decode(item.payload) {
                    Ok(record) if record.fact.delivery() == Some(delivery) => found.push(record),
                    Ok(_) => {}
                    Err(error) => failed = Some(unreadable(&item, &error)),
                }
            }
            failed.is_none()
        })?;
        failed.map_or(Ok(()), Err)
    }

    /// The records at the places that the index has named; `None` when they are not those of the delivery.
    fn look_up(&self, delivery: &DeliveryId, places: &[(u64, Position)]) -> Option<Vec<Record>> {
        let mut records = Vec::with_capacity(places.len());
        for (seq, place) in places {
            let read = self.journal.read_one(*place, &mut |item| {
                if item.seq == *seq {
                    records.extend(Record::decode(item.payload).ok());
                }
            });
            read.ok()?;
        }
        let all =
            records.len() == places.len() && records.iter().all(|record| record.fact.delivery() == Some(delivery));
        all.then_some(records)
    }
}

impl Ledger for Store {
    fn submit(&self, batch: Vec<Record>, room: Room, done: Box<dyn FnOnce(Result<(), CommitError>) + Send>) {
        let payloads = batch.iter().map(Record::encode).collect();
        let clock_mark = self.clock_mark.clone();
        let done = move |result: Result<(), CommitError>| {
            if result.is_ok() {
                let mut mark = clock_mark.lock().unwrap_or_else(PoisonError::into_inner);
                *mark = batch.iter().fold(*mark, view::clock_mark);
            }
            done(result);
        };
        self.journal.submit(payloads, room, Box::new(done));
    }

    fn history(&self, delivery: &DeliveryId) -> Result<Vec<Record>, ReadError> {
        let (mut records, mut from) = (Vec::new(), Position::START);
        if let Some(index) = &self.index
            && let Some((places, mark)) = index.places(delivery)
        {
            match self.look_up(delivery, &places) {
                Some(known) => (records, from) = (known, mark.position()),
                None => index.give_up(format!("the places of {delivery} are not where it says")),
            }
        }
        self.search(delivery, from, &mut records)?;
        Ok(records)
    }

    fn replay(&self, each: &mut dyn FnMut(Record) -> bool) -> Result<(), ReadError> {
        let mut failed = None;
        self.journal.read(Position::START, &mut |item| match Record::decode(item.payload) {
            Ok(record) => each(record),
            Err(error) => {
                failed = Some(unreadable(&item, &error));
                false
            }
        })?;
        failed.map_or(Ok(()), Err)
    }

    fn has_room(&self) -> bool {
        self.journal.has_room()
    }

    fn figures(&self) -> Figures {
        Figures {
            records: self.journal.records(),
            journal_bytes: self.journal.bytes(),
            index_bytes: self.index.as_ref().map_or(0, Index::bytes),
            clock_mark: *self.clock_mark.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

/// The fold of the whole journal.
fn fold(
    dir: &Path,
    journal: &Journal,
    total: u64,
    rebuilding: Option<&str>,
    progress: &mut dyn FnMut(Progress),
) -> Result<View, OpenError> {
    let mut view = View::default();
    let mut failed = None;
    let mut tell = |done| {
        if let Some(reason) = rebuilding {
            progress(Progress::Rebuilding { reason: reason.into(), done, total });
        }
    };
    tell(0);
    let read = journal.read(Position::START, &mut |item| {
        match Record::decode(item.payload) {
            Ok(record) => view.apply(&record),
            Err(error) => failed = Some(undecodable(dir, &item, error)),
        }
        if item.seq.is_multiple_of(PROGRESS) && item.seq < total {
            tell(item.seq);
        }
        failed.is_none()
    });
    if let Some(error) = failed {
        return Err(error);
    }
    read.map_err(|error| OpenError::Io {
        what: "read",
        path: dir.join("journal"),
        source: std::io::Error::other(error.0),
    })?;
    tell(total);
    Ok(view)
}

fn undecodable(dir: &Path, item: &Item<'_>, error: DecodeError) -> OpenError {
    let file = dir.join("journal").join(format!("{:010}.seg", item.at.segment));
    match error {
        DecodeError::Newer(version) => OpenError::Newer { file, what: format!("record version {version}") },
        DecodeError::Garbled(why) => OpenError::Corrupt { file, offset: item.at.offset, why },
    }
}

fn unreadable(item: &Item<'_>, error: &DecodeError) -> ReadError {
    ReadError(format!("record {}: {error}", item.seq))
}

/// 16 random bytes.
fn random(dir: &Path) -> Result<StoreId, OpenError> {
    let mut bytes = [0u8; 16];
    super::chance::fill(&mut bytes).map_err(|source| OpenError::Io {
        what: "draw a name for",
        path: dir.into(),
        source,
    })?;
    Ok(StoreId(bytes))
}

/// Closes the folder to others, where it was made by hand and left open. Where it is not ours to close, it stays.
fn keep_to_ourselves(dir: &Path) {
    if let Ok(folder) = std::fs::metadata(dir)
        && folder.permissions().mode() & 0o077 != 0
    {
        let _ = std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700));
    }
}
