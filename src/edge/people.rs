//! The store of people: a journal of its own below the store's folder, which can be written anew without what is to go.
//!
//! `people/` has the format of the delivery journal. One thread has it open and does what it is asked in the order it
//! was asked. To write it anew, a whole new folder is made beside it, and the two change places in one step; what was
//! there is deleted then. A crash leaves the old one or the new one in force, and a leftover that the next opening
//! removes. Deleted blocks are not overwritten: what a disk gives back of them is the disk's business.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::engage::Record;
use crate::engage::record::DecodeError;
use crate::engage::store::{Done, People};
use crate::ledger::store::{CommitError, ReadError, Room};

use super::chance;
use super::disk::{Disk, RealDisk};
use super::journal::{self, Journal, OpenError, Options, Position, StoreId};

/// Size of a segment. There are two from the first day on, on a disk whose room is for deliveries. It holds the longest list
/// of people that one look brings.
const SEGMENT: u64 = 512 * 1024;
/// A batch that is larger goes in several.
const BATCH: usize = 256 * 1024;

/// The open store; dropping it closes it.
pub struct PeopleStore {
    jobs: Mutex<Option<Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    store: PathBuf,
}

type Keep = Box<dyn FnMut(Record) -> Option<Record> + Send>;

enum Job {
    Submit(Vec<Record>, Done),
    Rewrite(Keep, Done),
}

/// The folder in a store.
fn folder(store: &Path) -> PathBuf {
    store.join("people")
}

fn aside(store: &Path) -> PathBuf {
    store.join("people.new")
}

fn before(store: &Path) -> PathBuf {
    store.join("people.old")
}

impl PeopleStore {
    /// Opens what is recorded about people in a store's folder, or makes it. Only for who holds the store itself: what is
    /// left of a rewriting is removed before this one is locked.
    ///
    /// # Errors
    /// It is in use, damaged, of a later version, or the disk refuses.
    pub fn open(store: &Path) -> Result<Arc<Self>, OpenError> {
        tidy(store).map_err(|source| OpenError::Io { what: "tidy", path: folder(store), source })?;
        let journal = open(&folder(store))?;
        let mut newer = None;
        read(&journal, &mut |record| {
            newer = record.err();
            false
        })
        .map_err(|error| OpenError::Io {
            what: "read",
            path: folder(store),
            source: io::Error::other(error.0),
        })?;
        if let Some(error) = newer {
            return Err(OpenError::Corrupt { file: folder(store), offset: 0, why: error.to_string() });
        }
        let (jobs, asked) = channel();
        let at = store.to_path_buf();
        let thread = std::thread::Builder::new().name("people".into()).spawn(move || work(journal, &at, &asked));
        let thread =
            thread.map_err(|source| OpenError::Io { what: "start a thread for", path: store.into(), source })?;
        let (jobs, thread) = (Mutex::new(Some(jobs)), Mutex::new(Some(thread)));
        Ok(Arc::new(Self { jobs, thread, store: store.into() }))
    }

    /// Whether anything was ever recorded about people in a store.
    pub fn exists(store: &Path) -> bool {
        [folder(store), aside(store), before(store)].iter().any(|folder| folder.exists())
    }

    /// Does what waits and ends the thread. What is handed in later is refused.
    pub fn close(&self) {
        drop(lock(&self.jobs).take());
        if let Some(thread) = lock(&self.thread).take() {
            // A panic of the thread was said where it happened.
            let _ = thread.join();
        }
    }

    fn ask(&self, job: Job) {
        let refused = match &*lock(&self.jobs) {
            Some(jobs) => jobs.send(job).err().map(|refused| refused.0),
            None => Some(job),
        };
        if let Some(Job::Submit(_, done) | Job::Rewrite(_, done)) = refused {
            done(Err(CommitError::Broken("the store of people is closed".into())));
        }
    }
}

impl Drop for PeopleStore {
    fn drop(&mut self) {
        self.close();
    }
}

impl People for PeopleStore {
    fn submit(&self, batch: Vec<Record>, done: Done) {
        self.ask(Job::Submit(batch, done));
    }

    fn rewrite(&self, keep: Keep, done: Done) {
        self.ask(Job::Rewrite(keep, done));
    }

    fn replay(&self, each: &mut dyn FnMut(Record) -> bool) -> Result<(), ReadError> {
        replay_files(&self.store, each)
    }
}

/// Gives every record about people of a store to `each`, oldest first, until it returns `false`. Needs no lock and
/// changes nothing; beside a running daemon it sees what was complete at this moment. A store without any has none.
///
/// # Errors
/// The journal is damaged, of a later version, or was written anew while it was read.
pub fn replay_files(store: &Path, each: &mut dyn FnMut(Record) -> bool) -> Result<(), ReadError> {
    let folder = folder(store);
    match std::fs::metadata(folder.join("journal")) {
        Ok(about) if about.is_dir() => {}
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        // That there is nothing is not to be believed then.
        Err(error) => return Err(ReadError(format!("what is recorded about people cannot be seen: {error}"))),
    }
    let mut failed = None;
    let read = journal::read_files(&RealDisk, &folder, &mut |item| match Record::decode(item.payload) {
        Ok(record) => each(record),
        Err(error) => {
            failed = Some(ReadError(format!("record {} about people: {error}", item.seq)));
            false
        }
    });
    read.map_err(|error| ReadError(error.to_string()))?;
    failed.map_or(Ok(()), Err)
}

/// Removes what a crash has left of a rewriting, and finishes one that was cut off between two renames.
fn tidy(store: &Path) -> io::Result<()> {
    let (now, new, old) = (folder(store), aside(store), before(store));
    if !now.exists() {
        // Where folders cannot change places in one step, the new one is whole before the old one is moved away.
        for whole in [&new, &old] {
            if whole.exists() {
                std::fs::rename(whole, &now)?;
                break;
            }
        }
    }
    [new, old].iter().filter(|left| left.exists()).try_for_each(std::fs::remove_dir_all)
}

fn open(folder: &Path) -> Result<Journal, OpenError> {
    let mut name = [0; 16];
    chance::fill(&mut name).map_err(|source| OpenError::Io { what: "draw a name for", path: folder.into(), source })?;
    // Which machine it is of is the business of the store around it.
    let options = Options { segment_bytes: SEGMENT, machine: None, fresh: StoreId(name) };
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    Journal::open(disk, folder, &options).map(|(journal, _)| journal)
}

/// Gives every record of an open journal to `each`, until it returns `false`.
fn read(journal: &Journal, each: &mut dyn FnMut(Result<Record, DecodeError>) -> bool) -> Result<(), ReadError> {
    journal.read(Position::START, &mut |item| each(Record::decode(item.payload)))
}

/// What the thread does.
fn work(journal: Journal, store: &Path, asked: &Receiver<Job>) {
    let mut journal = Some(journal);
    while let Ok(job) = asked.recv() {
        let held = journal.take().map_or_else(|| open(&folder(store)), Ok);
        match (job, held) {
            (Job::Submit(_, done) | Job::Rewrite(_, done), Err(error)) => {
                done(Err(CommitError::Io(format!("the store of people cannot be opened again: {error}"))));
            }
            (Job::Submit(batch, done), Ok(open)) => {
                submit(&open, &batch, done);
                journal = Some(open);
            }
            (Job::Rewrite(mut keep, done), Ok(held)) => {
                let result = rewrite(&held, store, &mut keep);
                if matches!(result, Ok(true)) {
                    drop(held);
                    // Where it cannot be opened now, the next to come tries again.
                    journal = open(&folder(store)).ok();
                } else {
                    journal = Some(held);
                }
                done(result.map(drop).map_err(|error| CommitError::Io(error.to_string())));
            }
        }
    }
}

/// In batches of a bearable size; `done` hears the first refusal, or of the last one.
fn submit(journal: &Journal, batch: &[Record], done: Done) {
    let mut parts: Vec<Vec<Vec<u8>>> = vec![Vec::new()];
    let mut size = 0;
    for payload in batch.iter().map(Record::encode) {
        if size + payload.len() > BATCH && size > 0 {
            parts.push(Vec::new());
            size = 0;
        }
        size += payload.len();
        parts.last_mut().expect("it begins with one").push(payload);
    }
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let (tell, told) = channel();
        // Its turn comes before that of the next part; nothing else waits for this thread.
        journal.submit(part, Room::Free, Box::new(move |result| drop(tell.send(result))));
        if let Ok(Err(error)) = told.recv() {
            return done(Err(error));
        }
    }
    journal.submit(last, Room::Free, done);
}

/// Whether anything is another than before, and so was written.
fn rewrite(journal: &Journal, store: &Path, keep: &mut Keep) -> Result<bool, RewriteError> {
    let new = aside(store);
    if new.exists() {
        std::fs::remove_dir_all(&new).map_err(RewriteError::Aside)?;
    }
    let mut changes = false;
    let mut failed = None;
    let written = open(&new).map_err(|error| RewriteError::Aside(io::Error::other(error.to_string())))?;
    let mut batch = Vec::new();
    let mut size = 0;
    let hand_in = |batch: &mut Vec<Vec<u8>>| -> Result<(), CommitError> {
        let (tell, told) = channel();
        written.submit(std::mem::take(batch), Room::Reserve, Box::new(move |result| drop(tell.send(result))));
        told.recv().unwrap_or_else(|_| Err(CommitError::Broken("nobody answered".into())))
    };
    read(journal, &mut |record| {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                failed = Some(RewriteError::Decode(error));
                return false;
            }
        };
        let kept = keep(record.clone());
        changes |= kept.as_ref() != Some(&record);
        if let Some(kept) = kept {
            let payload = kept.encode();
            size += payload.len();
            batch.push(payload);
        }
        if size > BATCH {
            size = 0;
            failed = hand_in(&mut batch).err().map(RewriteError::Commit);
        }
        failed.is_none()
    })
    .map_err(RewriteError::Read)?;
    if failed.is_none() && !batch.is_empty() {
        failed = hand_in(&mut batch).err().map(RewriteError::Commit);
    }
    drop(written);
    match failed {
        Some(error) => {
            let _ = std::fs::remove_dir_all(&new);
            Err(error)
        }
        None if !changes => std::fs::remove_dir_all(&new).map(|()| false).map_err(RewriteError::Aside),
        None => swap(store).map(|()| true).map_err(RewriteError::Swap),
    }
}

fn swap(store: &Path) -> io::Result<()> {
    let (now, new, old) = (folder(store), aside(store), before(store));
    match renameat_with(CWD, &new, CWD, &now, RenameFlags::EXCHANGE) {
        Ok(()) => {
            // It is in force: what is left to do is done by the next opening where it fails now.
            let _ = RealDisk.sync_folder(store);
            let _ = std::fs::remove_dir_all(&new);
            Ok(())
        }
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::OPNOTSUPP) => {
            std::fs::rename(&now, &old)?;
            std::fs::rename(&new, &now)?;
            let _ = RealDisk.sync_folder(store);
            let _ = std::fs::remove_dir_all(&old);
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

/// Why what is recorded about people was not written anew. It is as it was.
#[derive(Debug, thiserror::Error)]
enum RewriteError {
    #[error("failed to make room for the new journal: {0}")]
    Aside(io::Error),
    #[error("failed to read what is recorded: {}", .0.0)]
    Read(ReadError),
    #[error(transparent)]
    Decode(DecodeError),
    #[error(transparent)]
    Commit(CommitError),
    #[error("failed to put the new journal into force: {0}")]
    Swap(io::Error),
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{PersonId, Profile, Timestamp};
    use crate::engage::Fact;

    fn person(name: &str) -> Record {
        let person = PersonId::new("bluesky", name).unwrap();
        let profile = Profile { person, handle: name.into(), bot: None };
        Record::new(Timestamp::constant(1_790_000_000, 0), Fact::Person(profile))
    }

    fn wait(hand_in: impl FnOnce(Done)) -> Result<(), CommitError> {
        let (tell, told) = channel();
        hand_in(Box::new(move |result| drop(tell.send(result))));
        told.recv().unwrap()
    }

    fn all(store: &Path) -> Vec<Record> {
        let mut all = Vec::new();
        replay_files(store, &mut |record| {
            all.push(record);
            true
        })
        .unwrap();
        all
    }

    #[test]
    fn what_is_written_anew_is_gone_from_the_disk_and_the_rest_is_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path();
        assert_eq!(all(store), []);
        let people = PeopleStore::open(store).unwrap();
        // More than one batch holds.
        let long = "x".repeat(400);
        let names: Vec<String> = (0..1_000).map(|number| format!("{number}-{long}")).collect();
        let records: Vec<Record> = names.iter().map(|name| person(name)).collect();
        wait(|done| people.submit(records.clone(), done)).unwrap();
        assert_eq!(all(store), records);
        let gone = person(&names[7]);
        let keep = {
            let gone = gone.clone();
            move |record| (record != gone).then_some(record)
        };
        wait(|done| people.rewrite(Box::new(keep), done)).unwrap();
        let left: Vec<Record> = records.iter().filter(|record| **record != gone).cloned().collect();
        assert_eq!(all(store), left);
        // It goes on in the new one, and so does the next to open it.
        wait(|done| people.submit(vec![person("ann")], done)).unwrap();
        drop(people);
        let people = PeopleStore::open(store).unwrap();
        wait(|done| people.submit(vec![person("bob")], done)).unwrap();
        assert_eq!(all(store).len(), left.len() + 2);
        let held = std::fs::read_dir(store).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        assert_eq!(held.collect::<Vec<_>>(), ["people"]);
        for segment in std::fs::read_dir(store.join("people/journal")).unwrap() {
            let bytes = std::fs::read(segment.unwrap().path()).unwrap();
            let needle = format!("\"bluesky:{}\"", names[7]);
            assert!(!bytes.windows(needle.len()).any(|window| window == needle.as_bytes()));
        }
    }

    #[test]
    fn a_rewriting_that_a_crash_cut_off_is_removed_or_finished() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path();
        let people = PeopleStore::open(store).unwrap();
        wait(|done| people.submit(vec![person("ann")], done)).unwrap();
        drop(people);
        // Cut off while it was being made.
        std::fs::create_dir(store.join("people.new")).unwrap();
        drop(PeopleStore::open(store).unwrap());
        assert!(!store.join("people.new").exists());
        assert_eq!(all(store), [person("ann")]);
        // Cut off between two renames: the new one is whole.
        std::fs::rename(store.join("people"), store.join("people.new")).unwrap();
        std::fs::create_dir(store.join("people.old")).unwrap();
        drop(PeopleStore::open(store).unwrap());
        assert_eq!(all(store), [person("ann")]);
        assert!(!store.join("people.old").exists());
    }

    #[test]
    fn two_daemons_do_not_have_it_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let _held = PeopleStore::open(folder.path()).unwrap();
        assert!(matches!(PeopleStore::open(folder.path()), Err(OpenError::Locked { .. })));
    }
}
