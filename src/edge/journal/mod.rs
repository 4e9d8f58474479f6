//! The journal: an append-only, checksummed, preallocated file of records, in segments. It is the truth; everything
//! else of the store can be made anew from it.
//!
//! It keeps bytes and knows nothing of their meaning. It deletes nothing, and never begins anew where something
//! is missing: a journal that cannot be read in full is refused, for starting empty would post everything again.
//!
//! Invariants:
//! - A batch is durable (`fdatasync` returned) before its `done` is called with `Ok`, and is found again in full.
//! - A batch whose `done` was called with `NoRoom`, `Io` or `TooLarge` is not found again, in no part.
//! - Sequence numbers have no gaps. After the last good batch the segment is zero, or the journal is not written to.
//! - There is a spare segment, so that what must be recorded can be recorded on a full disk.
//!
//! `frame` and `segment` are the format, `opening` finds the end and cuts what a crash left, `writer` appends and
//! undoes, `committer` is the one thread that does so, `identity` ties the folder to its machine.

mod committer;
pub mod frame;
mod identity;
mod opening;
pub mod segment;
mod writer;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::edge::disk::{Disk, How};
use crate::ledger::store::{CommitError, ReadError, Room};

use committer::{Job, Queue};
use segment::{HEADER, Header, WINDOW, Window};
use writer::Writer;

pub use opening::{Consent, OpenError, Torn};

/// Called once with what became of a batch.
pub type Done = Box<dyn FnOnce(Result<(), CommitError>) + Send>;

/// The random name of a store; every segment carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoreId(pub [u8; 16]);

impl std::fmt::Display for StoreId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl StoreId {
    /// Its first 64 bits, as the seed of all draws.
    pub fn seed(&self) -> u64 {
        self.0[..8].iter().fold(0, |seed, &byte| seed << 8 | u64::from(byte))
    }
}

/// How a journal is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// Size of a segment in bytes. 8 MiB hold some twenty thousand records: small enough to be prepared in
    /// milliseconds, large enough that switching is rare.
    pub segment_bytes: u64,
    /// What tells this machine from others; `None` when nothing does, and then the store is not tied to it.
    pub machine: Option<String>,
    /// The name of a new store.
    pub fresh: StoreId,
}

/// What opening has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub store: StoreId,
    /// Records, all of them durable.
    pub records: u64,
    /// The store was made just now.
    pub fresh: bool,
    /// The store was not tied to a machine, and is to this one now.
    pub adopted: bool,
    pub torn: Option<Torn>,
}

/// A place between two records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub segment: u64,
    pub offset: u64,
}

impl Position {
    /// Before the first record.
    pub const START: Self = Self { segment: 1, offset: HEADER };
}

/// A record as it is read.
#[derive(Debug, Clone, Copy)]
pub struct Item<'a> {
    pub seq: u64,
    /// Where it begins.
    pub at: Position,
    /// Where the next one begins, if that is in the same segment.
    pub next: Position,
    pub payload: &'a [u8],
}

/// An open journal; dropping it closes it.
pub struct Journal {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Held as long as the journal is.
    _lock: Box<dyn Send + Sync>,
}

/// What the threads share.
struct Shared {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    queue: Mutex<Queue>,
    /// Something waits in the queue.
    wake: Condvar,
    writer: Mutex<Writer>,
    /// Whether the spare segment is there.
    spare: AtomicBool,
    durable: Mutex<Durable>,
    /// `durable` has grown, or a reader is to look up.
    grown: Condvar,
}

/// How far the journal is durable.
#[derive(Debug, Clone, Default)]
struct Durable {
    parts: Vec<Part>,
    seq: u64,
}

/// The durable part of one segment.
#[derive(Debug, Clone, Copy)]
struct Part {
    number: u64,
    /// Where its records end.
    end: u64,
    /// Size of the file.
    length: u64,
}

impl Journal {
    /// Opens the journal of a store folder, or makes both. Nobody else can open it until it is dropped.
    ///
    /// # Errors
    /// It is in use, of another machine, damaged, or the disk refuses. Nothing was changed that matters.
    pub fn open(disk: Arc<dyn Disk>, store: &Path, options: &Options) -> Result<(Self, Found), OpenError> {
        Self::open_with(disk, store, options, &mut |_, _| Ok(()))
    }

    /// The same, if `consent` says so: it is asked with the store and how many records it holds, before a torn end is
    /// cut off.
    ///
    /// # Errors
    /// Its own beside those of [`Journal::open`]; the journal is as it was then.
    pub fn open_with(
        disk: Arc<dyn Disk>,
        store: &Path,
        options: &Options,
        consent: Consent<'_>,
    ) -> Result<(Self, Found), OpenError> {
        let (journal, found) = Self::open_still(disk, store, options, consent)?;
        let theirs = journal.shared.clone();
        let thread = std::thread::Builder::new().name("journal".into()).spawn(move || committer::run(&theirs));
        let thread =
            thread.map_err(|source| OpenError::Io { what: "start a thread for", path: store.into(), source })?;
        *lock(&journal.thread) = Some(thread);
        Ok((journal, found))
    }

    /// The same without its thread, for those who must know when the disk is used: what is handed in waits for
    /// [`Journal::turn`].
    ///
    /// # Errors
    /// As [`Journal::open_with`].
    pub fn open_still(
        disk: Arc<dyn Disk>,
        store: &Path,
        options: &Options,
        consent: Consent<'_>,
    ) -> Result<(Self, Found), OpenError> {
        let (lock, writer, durable, found) = opening::open(&disk, store, options, consent)?;
        let shared = Arc::new(Shared {
            disk,
            folder: opening::folder(store),
            queue: Mutex::default(),
            wake: Condvar::new(),
            spare: AtomicBool::new(writer.has_spare()),
            writer: Mutex::new(writer),
            durable: Mutex::new(durable),
            grown: Condvar::new(),
        });
        Ok((Self { shared, thread: Mutex::new(None), _lock: lock }, found))
    }

    /// What the thread does when something waits: writes it in one go, syncs, and answers. Only for a journal without its
    /// thread, and for one caller at a time.
    pub fn turn(&self) {
        self.shared.turn(self.shared.waiting());
    }

    /// Hands in a batch; all of it or nothing is kept. `done` is called from the journal's thread, or by
    /// [`Journal::turn`] where there is none, in the order of handing in. It must not wait for the journal.
    pub fn submit(&self, batch: Vec<Vec<u8>>, room: Room, done: Done) {
        self.shared.submit(Job { batch, room, done });
    }

    /// Whether the spare segment is there; tries to make it when it is not.
    pub fn has_room(&self) -> bool {
        self.shared.spare.load(Ordering::Acquire) || {
            let mut writer = lock(&self.shared.writer);
            // What went wrong shows when something is handed in.
            let _ = writer.prepare_spare();
            self.shared.spare.store(writer.has_spare(), Ordering::Release);
            writer.has_spare()
        }
    }

    /// How many records are durable.
    pub fn records(&self) -> u64 {
        lock(&self.shared.durable).seq
    }

    /// Bytes of the segments, the spare one left out.
    pub fn bytes(&self) -> u64 {
        lock(&self.shared.durable).parts.iter().map(|part| part.length).sum()
    }

    /// Gives the durable records from a position on to `each`, oldest first, until it returns `false`.
    ///
    /// # Errors
    /// A segment cannot be read, or no record begins at `from`.
    pub fn read(&self, from: Position, each: &mut dyn FnMut(Item<'_>) -> bool) -> Result<(), ReadError> {
        let parts = lock(&self.shared.durable).parts.clone();
        for part in parts.iter().filter(|part| part.number >= from.segment) {
            let start = if part.number == from.segment { from.offset } else { HEADER };
            if !self.shared.read_part(part, start, WINDOW, each)? {
                break;
            }
        }
        Ok(())
    }

    /// Gives one record.
    ///
    /// # Errors
    /// The segment cannot be read, or no record begins there.
    pub fn read_one(&self, at: Position, each: &mut dyn FnMut(Item<'_>)) -> Result<(), ReadError> {
        let part = lock(&self.shared.durable).parts.iter().find(|part| part.number == at.segment).copied();
        let part = part.ok_or_else(|| ReadError(format!("there is no segment {}", at.segment)))?;
        let mut seen = false;
        self.shared.read_part(&part, at.offset, 4096, &mut |item| {
            seen = true;
            each(item);
            false
        })?;
        if seen { Ok(()) } else { Err(ReadError(format!("segment {} ends before {}", at.segment, at.offset))) }
    }

    /// Waits until there are more than `seen` records, `stop` is set (see [`Journal::nudge`]) or `limit` has passed;
    /// says how many there are.
    pub fn wait(&self, seen: u64, stop: &AtomicBool, limit: Option<Duration>) -> u64 {
        let idle = |durable: &mut Durable| durable.seq <= seen && !stop.load(Ordering::Acquire);
        let durable = lock(&self.shared.durable);
        let durable = match limit {
            Some(limit) => {
                self.shared.grown.wait_timeout_while(durable, limit, idle).unwrap_or_else(PoisonError::into_inner).0
            }
            None => self.shared.grown.wait_while(durable, idle).unwrap_or_else(PoisonError::into_inner),
        };
        durable.seq
    }

    /// Makes all who [`wait`](Journal::wait) look at their `stop`.
    pub fn nudge(&self) {
        // The lock orders this after the look of those who are about to wait.
        let _durable = lock(&self.shared.durable);
        self.shared.grown.notify_all();
    }

    /// Lets the thread write what waits, and ends it. What is handed in later is refused.
    pub fn close(&self) {
        lock(&self.shared.queue).close();
        self.shared.wake.notify_all();
        if let Some(thread) = lock(&self.thread).take() {
            // A panic of the thread has been told to all who waited.
            let _ = thread.join();
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.close();
    }
}

impl Shared {
    /// Reads one segment from `start` on; whether `each` wants more.
    fn read_part(
        &self,
        part: &Part,
        start: u64,
        ahead: usize,
        each: &mut dyn FnMut(Item<'_>) -> bool,
    ) -> Result<bool, ReadError> {
        let path = opening::segment_path(&self.folder, part.number);
        let failed = |error: io::Error| ReadError(format!("{}: {error}", path.display()));
        if start >= part.end {
            return Ok(true);
        }
        let file = self.disk.open(&path, How::Read).map_err(failed)?;
        let mut window = Window::new(&*file, part.end, ahead);
        let mut at = start;
        while at < part.end {
            let frame = window.frame(at).map_err(failed)?;
            let frame = frame.ok_or_else(|| ReadError(format!("{}: no record at byte {at}", path.display())))?;
            let next = at + frame.size();
            let payload = window.payload(at, &frame).map_err(failed)?;
            let place = |offset| Position { segment: part.number, offset };
            if !each(Item { seq: frame.seq, at: place(at), next: place(next), payload }) {
                return Ok(false);
            }
            at = next;
        }
        Ok(true)
    }
}

/// Reads the journal of a store folder without asking for its lock, for an export beside a running daemon: all
/// batches that are complete at this moment, oldest first, until `each` returns `false`. Changes nothing.
///
/// # Errors
/// There is no journal, or it is damaged.
pub fn read_files(disk: &dyn Disk, store: &Path, each: &mut dyn FnMut(Item<'_>) -> bool) -> Result<(), OpenError> {
    let folder = opening::folder(store);
    let (names, _) = opening::list(disk, &folder)?;
    if names.is_empty() && identity::Identity::read(disk, store)?.is_some() {
        return Err(OpenError::Corrupt { file: folder, offset: 0, why: "the journal is missing".into() });
    }
    let mut walk = opening::Walk::new(&folder, None);
    for (place, number) in names.iter().enumerate() {
        let mut damage = None;
        let (file, header, tail, _) = loop {
            match walk.step(disk, *number, place + 1 == names.len()) {
                // A record that was just being written looks damaged when later ones are there a moment after.
                Err(OpenError::Corrupt { offset, .. }) if damage != Some(offset) => damage = Some(offset),
                other => break other?,
            }
        };
        let path = opening::segment_path(&folder, *number);
        let mut window = Window::new(&*file, tail.end, WINDOW);
        let (mut at, mut seq) = (HEADER, header.first);
        while at < tail.end {
            let gone = || OpenError::Corrupt { file: path.clone(), offset: at, why: "no record".into() };
            let failed = |source| OpenError::Io { what: "read", path: path.clone(), source };
            let frame = window.frame(at).map_err(failed)?.ok_or_else(gone)?;
            let payload = window.payload(at, &frame).map_err(failed)?;
            let place = |offset| Position { segment: *number, offset };
            if !each(Item { seq, at: place(at), next: place(at + frame.size()), payload }) {
                return Ok(());
            }
            at += frame.size();
            seq += 1;
        }
    }
    Ok(())
}

/// Locks, whatever another thread's panic has left: all that is kept behind these locks is whole between two lines.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The header of a new segment.
fn header(store: StoreId, number: u64, seq: u64, crc: u32) -> Header {
    Header { store, number, first: seq + 1, before: crc }
}
