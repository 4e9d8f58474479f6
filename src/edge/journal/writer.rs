//! Appending to the journal, and undoing what went wrong.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::edge::disk::{Disk, DiskFile, How, is_full, write_all, write_zeros};
use crate::ledger::store::CommitError;

use super::opening::{segment_path, spare_path};
use super::segment::{HEADER, Header, Rest, Tail, scan};
use super::{Part, StoreId};

/// Writes one group of batches at a time, each with its own sync.
pub struct Writer {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    store: StoreId,
    segment_bytes: u64,
    current: Current,
    seq: u64,
    crc: u32,
    spare: bool,
    /// Why nothing can be written any more.
    broken: Option<String>,
}

/// The segment that is written to.
pub struct Current {
    pub number: u64,
    pub file: Box<dyn DiskFile>,
    pub length: u64,
    /// Where the next frame goes; zeros from there on.
    pub end: u64,
    /// Whether its name is durable. Nothing is written to it before.
    pub named: bool,
}

impl Writer {
    pub fn new(
        disk: Arc<dyn Disk>,
        folder: PathBuf,
        store: StoreId,
        segment_bytes: u64,
        current: Current,
        last: (u64, u32),
    ) -> Self {
        let (seq, crc) = last;
        Self { disk, folder, store, segment_bytes, current, seq, crc, spare: false, broken: None }
    }

    pub fn has_spare(&self) -> bool {
        self.spare
    }

    pub fn set_spare(&mut self, there: bool) {
        self.spare = there;
    }

    /// Sequence number of the last record.
    pub fn seq(&self) -> u64 {
        self.seq
    }

    /// Bytes that fit into the current segment.
    pub fn room(&self) -> u64 {
        self.current.length.saturating_sub(self.current.end)
    }

    pub fn check(&self) -> Result<(), CommitError> {
        self.broken.clone().map_or(Ok(()), |why| Err(CommitError::Broken(why)))
    }

    /// Makes the spare segment where there is none.
    pub fn prepare_spare(&mut self) -> io::Result<()> {
        if !self.spare {
            make(&*self.disk, &self.folder, self.segment_bytes, None, &spare_path(&self.folder))?;
            self.disk.sync_folder(&self.folder)?;
            self.spare = true;
        }
        Ok(())
    }

    /// Goes on to a new segment that has room for `need` bytes of frames: the spare one, or one made to measure for
    /// a batch that is larger than a segment. The old one gets nothing more.
    pub fn advance(&mut self, need: u64) -> Result<(), CommitError> {
        self.check()?;
        let number = self.current.number + 1;
        let header = super::header(self.store, number, self.seq, self.crc);
        let path = segment_path(&self.folder, number);
        let step = |this: &mut Self| -> io::Result<(Option<Box<dyn DiskFile>>, u64)> {
            if HEADER + need > this.segment_bytes {
                make(&*this.disk, &this.folder, HEADER + need, Some(&header), &path)?;
                return Ok((None, HEADER + need));
            }
            this.prepare_spare()?;
            let spare = spare_path(&this.folder);
            let file = this.disk.open(&spare, How::Write)?;
            write_all(&*file, &header.encode(), 0)?;
            file.sync()?;
            rename(&*this.disk, &spare, &path)?;
            this.spare = false;
            Ok((Some(file), this.segment_bytes))
        };
        let (file, length) = step(self).map_err(|error| failure("begin a segment", &error))?;
        // From here on the header of the new segment closes the old one, so there is no way back.
        let file = file.map_or_else(|| self.disk.open(&path, How::Write), Ok).map_err(|error| {
            let why = format!("{}: {error}", path.display());
            self.broken = Some(why.clone());
            CommitError::Broken(why)
        })?;
        self.current = Current { number, file, length, end: HEADER, named: false };
        Ok(())
    }

    /// Writes frames that fit and makes them durable. `seq` and `crc` are those of the last one.
    pub fn commit(&mut self, frames: &[u8], seq: u64, crc: u32) -> Result<Part, CommitError> {
        self.check()?;
        if !self.current.named {
            self.disk.sync_folder(&self.folder).map_err(|error| failure("name a segment", &error))?;
            self.current.named = true;
        }
        let current = &self.current;
        let path = segment_path(&self.folder, current.number);
        if !current.file.is_at(&path) {
            // What is written to a file that nobody will find again is forgotten at the next start, and sent again.
            let why = format!("{} was taken away while the daemon was running", path.display());
            self.broken = Some(why.clone());
            return Err(CommitError::Broken(why));
        }
        if let Err(error) = write_all(&*current.file, frames, current.end).and_then(|()| current.file.sync()) {
            self.undo(frames.len() as u64)?;
            return Err(failure("write", &error));
        }
        self.current.end += frames.len() as u64;
        (self.seq, self.crc) = (seq, crc);
        let Current { number, length, end, .. } = self.current;
        Ok(Part { number, end, length })
    }

    /// Puts zeros over a write that failed. The descriptor is given up: after a failed sync the kernel may report
    /// success for pages that it has dropped.
    fn undo(&mut self, written: u64) -> Result<(), CommitError> {
        // Twice, for an error that came and went.
        let undone = self.try_undo(written).or_else(|_| self.try_undo(written));
        undone.map_err(|error| {
            let why = format!("a failed write could not be undone: {error}");
            self.broken = Some(why.clone());
            CommitError::Broken(why)
        })
    }

    fn try_undo(&mut self, written: u64) -> io::Result<()> {
        let path = segment_path(&self.folder, self.current.number);
        let file = self.disk.open(&path, How::Write)?;
        let Current { end, length, .. } = self.current;
        write_zeros(&*file, end, (end + written).min(length))?;
        file.sync()?;
        let strange = || io::Error::new(io::ErrorKind::InvalidData, "the segment is not the one that was written");
        let header = Header::read(&*file)?.map_err(|_| strange())?;
        let (tail, rest) = scan(&*file, &header)?;
        if header.store != self.store
            || header.number != self.current.number
            || rest != Rest::Clean
            || tail != (Tail { end, seq: self.seq, crc: self.crc })
        {
            return Err(strange());
        }
        self.current.file = file;
        Ok(())
    }
}

/// Makes a segment under another name first: a segment that has its name is complete. The name is not durable before
/// the folder is synced.
pub fn make(disk: &dyn Disk, folder: &Path, length: u64, header: Option<&Header>, path: &Path) -> io::Result<()> {
    let aside = folder.join("new.tmp");
    let made = (|| {
        let file = disk.open(&aside, How::Create)?;
        file.allocate(length)?;
        // Reserved, and not filled with zeros: that would cost a second write of everything, and on file systems that
        // never write in place the room of what was reserved would be used up.
        if let Some(header) = header {
            write_all(&*file, &header.encode(), 0)?;
        }
        file.sync()?;
        drop(file);
        rename(disk, &aside, path)
    })();
    if made.is_err() {
        // It would hold the room that somebody is missing; what remains is removed at the next start.
        let _ = disk.remove(&aside);
    }
    made
}

/// Renames; a failure after the effect counts as success, for the effect is what the journal must not forget.
fn rename(disk: &dyn Disk, from: &Path, to: &Path) -> io::Result<()> {
    disk.rename(from, to).or_else(|error| match disk.open(from, How::Read) {
        Err(gone) if gone.kind() == io::ErrorKind::NotFound => disk.open(to, How::Read).map(drop),
        _ => Err(error),
    })
}

fn failure(what: &str, error: &io::Error) -> CommitError {
    let why = format!("failed to {what}: {error}");
    if is_full(error) { CommitError::NoRoom(why) } else { CommitError::Io(why) }
}
