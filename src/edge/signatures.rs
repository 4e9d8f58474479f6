//! The files of signed approvals: who may sign, and what stands beside a queue file.
//!
//! They are read when the queue is, and once more right before an intent is made, each time anew: who may not sign any more
//! must not count because somebody remembers a file. What they mean is said by [`crate::queue::signed`].

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use jiff::tz::TimeZone;

use super::beneath::{self, Folder, FolderPath, Stamp};
use crate::domain::{Digest, Timestamp, limits};
use crate::parts::Claim;
use crate::queue::signed::{Allowed, Beside, Signers, Verdict, beside};

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
    let text = std::str::from_utf8(&bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    Ok(Signers::read(text, &TimeZone::system()))
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

/// Who has approved this, by what stands in the files now.
pub(super) fn vouch(
    queue: &FolderPath,
    signers: &SignersPath,
    claim: &Claim,
    now: Timestamp,
) -> Result<Arc<str>, String> {
    let path = signers.get().ok_or("the configuration names nobody who may sign")?;
    let folder = queue.open().map_err(|_| "the queue folder cannot be opened")?;
    let (found, _) = approval(&folder, &claim.queue_file);
    let verdict = Verdict::new(&claim.queue_file, &found, &allowed(&path), now);
    verdict.of(&claim.post, &claim.digest).map_err(|void| void.why.to_string())
}

/// Those who may sign, as they were read last.
#[derive(Debug)]
pub(super) struct Watched {
    path: PathBuf,
    /// Of the version that was read; `None`: to be read again.
    stamp: Option<Stamp>,
    said: Option<Digest>,
    pub allowed: Allowed,
}

impl Watched {
    pub fn new(path: PathBuf) -> Self {
        Self { path, stamp: None, said: None, allowed: Err("it has not been read".into()) }
    }

    /// Whether the file is another one than the one that was read.
    pub fn has_moved(&self) -> bool {
        beneath::stamp_of(&self.path).ok() != self.stamp
    }

    /// Reads the file again where it may have changed; whether it says something else now. A version that `settled` does not
    /// tell from a later one is read again next time.
    pub fn refresh(&mut self, settled: impl Fn(&Stamp) -> bool) -> bool {
        let stamp = beneath::stamp_of(&self.path).ok();
        if stamp.is_some() && stamp == self.stamp {
            return false;
        }
        self.stamp = stamp.filter(settled);
        self.allowed = allowed(&self.path);
        let said = Digest::of(format!("{:?}", self.allowed).as_bytes());
        self.said.replace(said) != Some(said)
    }
}
