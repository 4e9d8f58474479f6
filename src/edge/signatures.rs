//! The files of signed approvals: who may sign, and what stands beside a queue file.
//!
//! They are read when the queue is, and once more right before an intent is made, each time anew: who may not sign any more
//! must not count because somebody remembers a file. What they mean is said by [`crate::queue::signed`].

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jiff::tz::TimeZone;

use super::beneath::{self, Folder, FolderPath, Stamp};
use crate::domain::path::shown;
use crate::domain::{Digest, Fault, Place, Timestamp, limits};
use crate::parts::{Claim, Unvouched};
use crate::queue::signed::{Allowed, Beside, Signers, Verdict, beside};

/// What was written more recently than this may still be written, or be half of what belongs together.
const UNREST: Duration = Duration::from_secs(1);

/// Where those stand who may sign; another configuration may name another file.
#[derive(Debug, Clone, Default)]
pub struct SignersPath(Arc<RwLock<Option<PathBuf>>>);

impl SignersPath {
    pub fn set(&self, path: Option<PathBuf>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = path;
    }

    fn get(&self) -> Option<PathBuf> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Reads those who may sign. Times without a zone are those of this machine.
pub fn allowed(path: &Path) -> Allowed {
    let bytes = beneath::read_file(path, limits::FILE_BYTES).map_err(|error| beneath::reason(&error))?;
    // What is garbled in a comment is nobody's business; anywhere else it spoils its line only.
    Ok(Signers::read(&String::from_utf8_lossy(&bytes), &TimeZone::system()))
}

/// Reads what stands beside a queue file, and its stamp where there is something.
pub fn approval(folder: &Folder, file: &str) -> (Beside, Option<Stamp>) {
    match folder.file(&beside(file)) {
        Ok((mut found, stamp)) => match beneath::read_bounded(&mut found, limits::FILE_BYTES) {
            Ok(Some(bytes)) => (Beside::Bytes(bytes), Some(stamp)),
            Ok(None) => (Beside::Unreadable(format!("it has more than {} MiB", limits::FILE_BYTES >> 20)), Some(stamp)),
            Err(error) => (Beside::Unreadable(beneath::reason(&error)), Some(stamp)),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => (Beside::Nothing, None),
        Err(error) => (Beside::Unreadable(beneath::reason(&error)), None),
    }
}

/// Who has approved this, by what stands in the files now. A "no" counts when both files could be read and have been at rest.
///
/// # Errors
/// Nobody has, or it cannot be told.
pub fn vouch(queue: &FolderPath, signers: &SignersPath, claim: &Claim, now: Timestamp) -> Result<Arc<str>, Unvouched> {
    let unclear = |why: &str| Unvouched::Unclear(why.into());
    let path = signers.get().ok_or_else(|| unclear("the configuration names nobody who may sign"))?;
    let folder = queue.open().map_err(|_| unclear("the queue folder cannot be opened"))?;
    let (found, sheet) = approval(&folder, &claim.queue_file);
    let (allowed, list) = (allowed(&path), beneath::stamp_of(&path).ok());
    let verdict = Verdict::new(&claim.queue_file, &found, &allowed, now);
    // A copy that keeps its times is new where it was put, all the same.
    let rests = |stamp: Option<Stamp>| stamp.is_some_and(|stamp| !is_recent(stamp.put_there(), now, UNREST));
    let sure =
        rests(sheet) && rests(list) && verdict.fault.is_none() && allowed.is_ok_and(|signers| !signers.is_empty());
    verdict.of(&claim.post, &claim.digest).map_err(|void| {
        let why = void.why.to_string();
        if sure { Unvouched::Void(why) } else { Unvouched::Unclear(why) }
    })
}

/// Whether a file has been written just now. One whose time is further ahead than that was written by somebody with
/// another clock, and tells nothing.
pub(super) fn is_fresh(stamp: &Stamp, now: Timestamp, just_now: Duration) -> bool {
    is_recent(stamp.modified, now, just_now)
}

fn is_recent(nanos: i128, now: Timestamp, just_now: Duration) -> bool {
    (now.as_nanosecond() - nanos).unsigned_abs() < just_now.as_nanos()
}

/// Those who may sign, as they were read last.
#[derive(Debug)]
pub(super) struct Watched {
    path: PathBuf,
    /// Of the version that was read; `None`: to be read again.
    stamp: Option<Stamp>,
    said: Option<Digest>,
    /// Since when it has been gone, unreadable or in the middle of a change.
    since: Option<Timestamp>,
    /// Whether it was told that nobody can tell.
    lost: bool,
    pub allowed: Allowed,
}

/// What a look at those who may sign has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Turn {
    Same,
    /// It says something else now.
    Other,
    /// It is being changed, and what was read last counts a moment longer: look again soon.
    Later,
    /// It cannot be read, for longer than a change takes: nobody can tell whose signatures count. Why, for a person.
    Lost(String),
}

impl Watched {
    pub fn new(path: PathBuf) -> Self {
        Self { path, stamp: None, said: None, since: None, lost: false, allowed: Err("it has not been read".into()) }
    }

    /// Whether the file is another one than the one that was read.
    pub fn has_moved(&self) -> bool {
        beneath::stamp_of(&self.path).ok() != self.stamp
    }

    /// What is wrong with the file that was read last.
    pub fn faults(&self) -> Vec<Fault> {
        let lines = self.allowed.iter().flat_map(|signers| &signers.faults);
        let fault = |(line, why): &(u32, String)| {
            let place = Place { line: *line, column: 1, ..Place::file(&shown(&self.path)) };
            Fault::warning(place, why.as_str()).with_hint("mend the line: whoever it is to name cannot sign")
        };
        lines.map(fault).collect()
    }

    /// Reads the file again where it may have changed. What is `fresh`, or says nothing, is read when it has come to rest, at
    /// the latest after `wait`. Only a version that was read, and that can be told from a later one, is not read again.
    /// Without a `wait`, it is taken as it is, whatever that is.
    pub fn refresh(&mut self, now: Timestamp, wait: Option<Duration>, fresh: impl Fn(&Stamp) -> bool) -> Turn {
        let stamp = beneath::stamp_of(&self.path).ok();
        if stamp.is_some() && stamp == self.stamp {
            self.since = None;
            return Turn::Same;
        }
        let rests = stamp.filter(|stamp| !fresh(stamp));
        let read = allowed(&self.path);
        if read.is_ok() && std::mem::take(&mut self.lost) {
            // It is being put back: that may take as long as any other change.
            self.since = None;
        }
        let whole = rests.is_some() && read.as_ref().is_ok_and(|signers| !signers.is_empty());
        let since = if whole { None } else { Some(self.since.unwrap_or(now)) };
        self.since = since;
        if let Some(wait) = wait {
            // However the clock has been set meanwhile.
            let waits = since.is_some_and(|since| now.duration_since(since).unsigned_abs() < wait);
            if waits && self.said.is_some() {
                return Turn::Later;
            }
            if let Err(why) = read {
                self.lost = true;
                return Turn::Lost(format!(
                    "nobody can tell who may sign: {} cannot be read: {why}",
                    shown(&self.path)
                ));
            }
        }
        self.stamp = rests.filter(|_| read.is_ok());
        self.allowed = read;
        let said = Digest::of(format!("{:?}", self.allowed).as_bytes());
        if self.said.replace(said) == Some(said) { Turn::Same } else { Turn::Other }
    }
}
