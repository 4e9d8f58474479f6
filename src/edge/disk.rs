//! What the journal asks of a file system, as a trait, and the real one.
//!
//! Every effect that matters for durability goes through [`Disk`], so that tests can fail any single call and cut
//! the power between any two. The trait promises no more than POSIX does: a write may be short, what was not synced
//! may be lost in any part, and a name is durable only when its folder was synced.
//!
//! After a failed [`DiskFile::sync`] the file must be opened anew: the kernel may have dropped the unwritten pages
//! and would report success the next time.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::{FallocateFlags, FlockOperation};
use rustix::io::Errno;

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// It exists, and is only read.
    Read,
    /// It exists, and is read and written.
    Write,
    /// It is made, or emptied when it exists; read and written. Only the owner may open it.
    Create,
}

/// What came of asking for a lock.
pub enum Lock {
    /// Held until the value is dropped, or the process ends in whatever way.
    Held(Box<dyn Send + Sync>),
    /// Somebody else holds it: this process, if they left their number.
    Taken(Option<u32>),
}

/// A file system.
pub trait Disk: Send + Sync {
    /// # Errors
    /// As the file system says.
    fn open(&self, path: &Path, how: How) -> io::Result<Box<dyn DiskFile>>;

    /// Gives a file another name, in one step; an existing file of that name goes.
    ///
    /// # Errors
    /// As the file system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable.
    ///
    /// # Errors
    /// As the file system says.
    fn sync_folder(&self, path: &Path) -> io::Result<()>;

    /// # Errors
    /// As the file system says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// The names in a folder, sorted.
    ///
    /// # Errors
    /// As the file system says; `NotFound` when there is no such folder.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;

    /// Makes a folder that only its owner may enter, with those above it, and their names durable; fine when it
    /// exists.
    ///
    /// # Errors
    /// As the file system says.
    fn create_folder(&self, path: &Path) -> io::Result<()>;

    /// Asks for a lock that no two processes hold at once, without waiting.
    ///
    /// # Errors
    /// As the file system says.
    fn lock(&self, path: &Path) -> io::Result<Lock>;
}

/// An open file. Places are absolute; there is no cursor.
pub trait DiskFile: Send + Sync {
    /// Its length in bytes.
    ///
    /// # Errors
    /// As the file system says.
    fn length(&self) -> io::Result<u64>;

    /// Reads up to `to.len()` bytes; 0 at the end.
    ///
    /// # Errors
    /// As the file system says.
    fn read_at(&self, to: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes up to `bytes.len()` bytes.
    ///
    /// # Errors
    /// As the file system says.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Makes its bytes durable (`fdatasync`).
    ///
    /// # Errors
    /// As the file system says; the file must then be opened anew.
    fn sync(&self) -> io::Result<()>;

    /// Reserves blocks for `length` bytes from the beginning, and makes it that long; new bytes are zero.
    ///
    /// # Errors
    /// As the file system says.
    fn allocate(&self, length: u64) -> io::Result<()>;

    /// Whether it is still the file at `path`. Disks from which nothing is taken away need not look.
    fn is_at(&self, _path: &Path) -> bool {
        true
    }
}

/// Writes all of `bytes`, whatever short writes the disk makes.
///
/// # Errors
/// The first error that is not an interruption; how much was written is then unknown.
pub fn write_all(file: &dyn DiskFile, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write_at(bytes, offset) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                bytes = &bytes[written..];
                offset += written as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Writes `from..until` full of zeros.
///
/// # Errors
/// As [`write_all`].
pub fn write_zeros(file: &dyn DiskFile, from: u64, until: u64) -> io::Result<()> {
    static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
    let mut at = from;
    while at < until {
        let part = (until - at).min(ZEROS.len() as u64);
        write_all(file, &ZEROS[..usize::try_from(part).unwrap_or(ZEROS.len())], at)?;
        at += part;
    }
    Ok(())
}

/// Fills `to` as far as the file goes; the number of bytes read.
///
/// # Errors
/// The first error that is not an interruption.
pub fn read_full(file: &dyn DiskFile, to: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut have = 0;
    while have < to.len() {
        match file.read_at(&mut to[have..], offset + have as u64) {
            Ok(0) => break,
            Ok(read) => have += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(have)
}

/// Whether an error says that there is no room: a full disk, or a used-up quota.
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// The file system of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn open(&self, path: &Path, how: How) -> io::Result<Box<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true);
        match how {
            How::Read => {}
            How::Write => _ = options.write(true),
            How::Create => _ = options.write(true).create(true).truncate(true).mode(0o600),
        }
        Ok(Box::new(options.open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        std::fs::rename(from, to)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        Ok(rustix::fs::fsync(File::open(path)?)?)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(path)? {
            // A name that is no UTF-8 is not one of ours.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
        self.create_folder(above)?;
        match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            // Somebody else was quicker; what it is shows when it is used.
            _ => self.sync_folder(above),
        }
    }

    fn lock(&self, path: &Path) -> io::Result<Lock> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                // The number is a courtesy to the next one who asks; on a full disk there is none.
                let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
                Ok(Lock::Held(Box::new(file)))
            }
            Err(Errno::WOULDBLOCK) => {
                let mut text = String::new();
                let read = file.rewind().and_then(|()| file.take(32).read_to_string(&mut text));
                Ok(Lock::Taken(read.ok().and_then(|_| text.trim().parse().ok())))
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl DiskFile for File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, to: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, to, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::write_at(self, bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fdatasync(self)?)
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        match rustix::fs::fallocate(self, FallocateFlags::empty(), 0, length) {
            // Some file systems (NFS before 4.2) cannot reserve; writing is the next best.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => write_zeros(self, 0, length),
            other => Ok(other?),
        }
    }

    fn is_at(&self, path: &Path) -> bool {
        use std::os::unix::fs::MetadataExt as _;
        match (self.metadata(), std::fs::metadata(path)) {
            (Ok(held), Ok(there)) => (held.dev(), held.ino()) == (there.dev(), there.ino()),
            (_, Err(error)) => error.kind() != io::ErrorKind::NotFound,
            (Err(_), _) => true,
        }
    }
}
