//! Files beneath a folder, opened so that nothing outside it can be reached.
//!
//! A queue folder is written by people and programs that are not trusted with the rest of the machine. So a path is
//! resolved by the kernel with the folder as its root (`openat2`): `..` and symlinks that lead out of the folder are
//! refused, symlinks that stay inside are followed. Where the kernel or a sandbox has no `openat2`, the path is
//! walked part by part and every symlink is refused. Only regular files are handed out, and opening never waits: a
//! FIFO or a device named like a file is reported, not read.
//!
//! It does not judge contents, and it does not hold files still: who must not mix two versions reads once.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, FlockOperation, Gid, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

/// What tells one version of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stamp {
    dev: u64,
    ino: u64,
    pub size: u64,
    /// Nanoseconds since 1970.
    pub modified: i128,
    changed: i128,
}

impl Stamp {
    fn of(stat: &Stat) -> Self {
        let nanos = |seconds: i64, rest: i64| i128::from(seconds) * 1_000_000_000 + i128::from(rest);
        #[allow(clippy::useless_conversion, reason = "the widths differ between architectures")]
        Self {
            dev: stat.st_dev.into(),
            ino: stat.st_ino.into(),
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: nanos(stat.st_mtime.into(), i64::try_from(stat.st_mtime_nsec).unwrap_or(0)),
            changed: nanos(stat.st_ctime.into(), i64::try_from(stat.st_ctime_nsec).unwrap_or(0)),
        }
    }

    /// When it was last written, or put in its place with the time of its writing kept. Nanoseconds since 1970.
    pub fn put_there(&self) -> i128 {
        self.modified.max(self.changed)
    }

    /// Which file it is, whatever its content.
    pub fn identity(&self) -> (u64, u64) {
        (self.dev, self.ino)
    }
}

/// What an entry of a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    File,
    Folder,
    Symlink,
    /// With the word for messages.
    Other(&'static str),
}

/// The group of a file that was put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// That of the file it was made like.
    Kept,
    /// That of whoever wrote it, who may not give files to the other.
    Own,
}

/// The files of a folder are one's own to replace for as long as this is kept.
#[derive(Debug)]
pub struct Claimed {
    /// Locked, where the file system knows locks.
    _lock: OwnedFd,
}

/// A folder that has been opened.
#[derive(Debug)]
pub struct Folder {
    root: OwnedFd,
}

impl Folder {
    /// Opens the folder at `path`; a symlink to a folder is fine here, the path is the configuration's.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self { root: rustix::fs::open(path, flags, Mode::empty())? })
    }

    /// Which folder it is.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn stamp(&self) -> io::Result<Stamp> {
        Ok(Stamp::of(&rustix::fs::fstat(&self.root)?))
    }

    /// The entries of the subfolder `path` (empty: of the folder itself), unordered, without `.` and `..`. Files
    /// whose names are `wanted` come with their stamps.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn entries(&self, path: &str, wanted: impl Fn(&[u8]) -> bool) -> io::Result<Vec<Entry>> {
        let path = if path.is_empty() { "." } else { path };
        let folder = self.resolve(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let mut entries = Vec::new();
        for entry in rustix::fs::Dir::read_from(&folder)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            entries.push(Entry { name: name.to_vec(), kind: kind(entry.file_type()), stamp: None });
        }
        for entry in &mut entries {
            let is_wanted = entry.kind == Kind::File && wanted(&entry.name);
            if !is_wanted && entry.kind != Kind::Other(UNKNOWN) {
                continue;
            }
            // Nothing is said of a name that is gone by now: whoever wants to read it will notice.
            if let Ok(stat) = rustix::fs::statat(&folder, entry.name.as_slice(), AtFlags::SYMLINK_NOFOLLOW) {
                entry.kind = kind(FileType::from_raw_mode(stat.st_mode));
                entry.stamp = (entry.kind == Kind::File).then(|| Stamp::of(&stat));
            }
        }
        Ok(entries)
    }

    /// The stamp of the regular file at `path`, without opening it for reading.
    ///
    /// # Errors
    /// When it is not there, leads out of the folder, or is no regular file.
    pub fn look(&self, path: &str) -> io::Result<Stamp> {
        let file = self.resolve(path, OFlags::PATH)?;
        regular(&rustix::fs::fstat(&file)?)
    }

    /// Whether a link at `path` leads to a folder, wherever that is. It is looked at and not opened.
    pub fn leads_to_a_folder(&self, path: &str) -> bool {
        let found = rustix::fs::statat(&self.root, path, AtFlags::empty());
        found.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
    }

    /// The kind of file system it is on, as `statfs` tells it.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn file_system(&self) -> io::Result<u32> {
        #[allow(clippy::unnecessary_cast, reason = "the width differs between architectures; all magics have 32 bits")]
        Ok(rustix::fs::fstatfs(&self.root)?.f_type as u32)
    }

    /// Opens the regular file at `path` for reading.
    ///
    /// # Errors
    /// When it is not there, leads out of the folder, is no regular file or may not be read.
    pub fn file(&self, path: &str) -> io::Result<(File, Stamp)> {
        let file = self.resolve(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY)?;
        let stamp = regular(&rustix::fs::fstat(&file)?)?;
        Ok((File::from(file), stamp))
    }

    /// Keeps others who ask, too, from replacing what lies in the folder of `path`. `None`: somebody else is doing so. The
    /// folder is locked and not the file, for whoever replaces a file puts another one in its place.
    ///
    /// # Errors
    /// The folder cannot be opened.
    pub fn claim(&self, path: &str) -> io::Result<Option<Claimed>> {
        let (parent, _) = path.rsplit_once('/').unwrap_or((".", path));
        let lock = self.resolve(parent, OFlags::RDONLY | OFlags::DIRECTORY)?;
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => Ok(None),
            // Where there are no locks, one goes on without.
            Ok(()) | Err(_) => Ok(Some(Claimed { _lock: lock })),
        }
    }

    /// Puts a file in the place of what has the name `path`, for those who may use the regular file `like`: with its mode
    /// and its group. It is written aside and renamed over the name itself: a symlink is replaced, wherever it leads.
    ///
    /// # Errors
    /// As the operating system says; then what was there still is.
    pub fn put(&self, path: &str, bytes: &[u8], like: &str) -> io::Result<Group> {
        let (parent, name) = path.rsplit_once('/').unwrap_or((".", path));
        let parent = self.resolve(parent, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let like = self.resolve(like, OFlags::PATH)?;
        let like = rustix::fs::fstat(&like)?;
        let (mut file, aside) = aside(&parent)?;
        let mut fill = || {
            file.write_all(bytes)?;
            let same = rustix::fs::fstat(&file)?.st_gid == like.st_gid;
            let kept = same || rustix::fs::fchown(&file, None, Some(Gid::from_raw(like.st_gid))).is_ok();
            // Of a file's bits, those who may read, write and run it.
            rustix::fs::fchmod(&file, Mode::from_raw_mode(like.st_mode & 0o777))?;
            file.sync_all()?;
            rustix::fs::renameat(&parent, &*aside, &parent, name)?;
            Ok(if kept { Group::Kept } else { Group::Own })
        };
        let put = fill();
        if put.is_err() {
            let _ = rustix::fs::unlinkat(&parent, &*aside, AtFlags::empty());
        }
        put
    }

    fn resolve(&self, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
        let flags = flags | OFlags::CLOEXEC;
        let how = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        // The kernel gives up with EAGAIN when something is renamed meanwhile; a few tries are its documentation's advice.
        for _ in 0..16 {
            return match rustix::fs::openat2(&self.root, path, flags, Mode::empty(), how) {
                Err(Errno::AGAIN) => continue,
                Err(Errno::NOSYS | Errno::PERM) => self.walk(path, flags),
                Err(Errno::XDEV) => Err(io::Error::new(io::ErrorKind::PermissionDenied, OUTSIDE)),
                other => Ok(other?),
            };
        }
        Err(Errno::AGAIN.into())
    }

    /// What [`Folder::resolve`] does where there is no `openat2`: part by part, through no symlink at all.
    fn walk(&self, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
        let mut parts = path.split('/').filter(|part| !part.is_empty() && *part != ".").peekable();
        let step = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut at = rustix::fs::openat(self.root.as_fd(), ".", step, Mode::empty())?;
        while let Some(part) = parts.next() {
            if part == ".." {
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, OUTSIDE));
            }
            let last = parts.peek().is_none();
            let flags = if last { flags | OFlags::NOFOLLOW } else { step };
            at = match rustix::fs::openat(at.as_fd(), part, flags, Mode::empty()) {
                Err(Errno::LOOP) => return Err(io::Error::new(io::ErrorKind::PermissionDenied, SYMLINK)),
                other => other?,
            };
            if last {
                return Ok(at);
            }
        }
        Ok(rustix::fs::openat(at.as_fd(), ".", flags, Mode::empty())?)
    }
}

/// A new file to be renamed, and its name.
fn aside(parent: &OwnedFd) -> io::Result<(File, String)> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    for number in 0..NAMES_ASIDE {
        // Names with a dot in front are no queue files.
        let name = format!(".aside.{}.{number}", std::process::id());
        match rustix::fs::openat(parent, &*name, flags, Mode::RUSR | Mode::WUSR) {
            // One that was killed has left it, and in a container all have the same number.
            Err(Errno::EXIST) => {}
            opened => return Ok((File::from(opened?), name)),
        }
    }
    Err(Errno::EXIST.into())
}

/// One name in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub name: Vec<u8>,
    pub kind: Kind,
    /// Of a wanted file.
    pub stamp: Option<Stamp>,
}

/// So many names are tried for a file that is written aside.
const NAMES_ASIDE: u32 = 1000;
const OUTSIDE: &str = "it leads out of the queue folder";
const SYMLINK: &str = "it is a symlink, and this system cannot follow one safely";
const UNKNOWN: &str = "something unknown";

fn kind(found: FileType) -> Kind {
    match found {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Folder,
        FileType::Symlink => Kind::Symlink,
        FileType::Fifo => Kind::Other("a FIFO"),
        FileType::Socket => Kind::Other("a socket"),
        FileType::CharacterDevice | FileType::BlockDevice => Kind::Other("a device"),
        FileType::Unknown => Kind::Other(UNKNOWN),
    }
}

fn regular(stat: &Stat) -> io::Result<Stamp> {
    let word = match kind(FileType::from_raw_mode(stat.st_mode)) {
        Kind::File => return Ok(Stamp::of(stat)),
        Kind::Folder => "a folder",
        Kind::Symlink => SYMLINK,
        Kind::Other(word) => word,
    };
    let why = if word == SYMLINK { word.into() } else { format!("it is {word}, not a file") };
    Err(io::Error::new(io::ErrorKind::InvalidInput, why))
}

/// The stamp of the file at a path of the configuration's, whatever kind of file it is.
///
/// # Errors
/// As the operating system says.
pub fn stamp_of(path: &Path) -> io::Result<Stamp> {
    Ok(Stamp::of(&rustix::fs::stat(path)?))
}

/// Reads a regular file by its path, at most `limit` bytes. Never waits for a pipe or a device.
///
/// # Errors
/// It cannot be read, is too large, or is not a regular file.
pub fn read_file(path: &std::path::Path, limit: u64) -> io::Result<Vec<u8>> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let nonblock = rustix::fs::OFlags::NONBLOCK.bits() as i32;
    let mut file = std::fs::OpenOptions::new().read(true).custom_flags(nonblock).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    read_bounded(&mut file, limit)?.ok_or_else(|| io::Error::other(format!("it is larger than {limit} bytes")))
}

/// Reads at most `limit` bytes; `None` when there are more.
///
/// # Errors
/// As the operating system says.
pub fn read_bounded(file: &mut File, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= limit).then_some(bytes))
}

/// The path of what `queue_file` calls `path`, relative to the queue folder.
///
/// # Errors
/// A lower-case reason when it is absolute, leads out of the queue folder, or cannot be a path.
pub fn beside(queue_file: &str, path: &str) -> Result<String, String> {
    if path.is_empty() {
        return Err("the path is empty".into());
    }
    if path.chars().any(char::is_control) {
        return Err("the path holds control characters".into());
    }
    if path.starts_with('/') {
        return Err("the path must be relative to the queue file".into());
    }
    let mut parts: Vec<&str> = queue_file.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.pop().is_none() => return Err("the path leads out of the queue folder".into()),
            ".." => {}
            part => parts.push(part),
        }
    }
    if parts.is_empty() { Err("the path names a folder".into()) } else { Ok(parts.join("/")) }
}

/// What an error means to the person who wrote the path, without the operating system's numbers.
pub fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".into(),
        io::ErrorKind::PermissionDenied if error.raw_os_error().is_some() => "there is no permission to read it".into(),
        _ if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => "its symlinks lead nowhere".into(),
        _ => error.to_string(),
    }
}

/// A folder's path as the configuration gives it, opened anew at each use: it may be replaced by another one.
#[derive(Debug, Clone)]
pub struct FolderPath(pub PathBuf);

impl FolderPath {
    /// Opens the folder that is there now.
    ///
    /// # Errors
    /// As the operating system says.
    pub fn open(&self) -> io::Result<Folder> {
        Folder::open(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn tree() -> (tempfile::TempDir, Folder) {
        let dir = tempfile::tempdir().unwrap();
        let queue = dir.path().join("queue");
        std::fs::create_dir_all(queue.join("sub")).unwrap();
        std::fs::write(dir.path().join("outside"), "secret").unwrap();
        std::fs::write(queue.join("sub/file"), "content").unwrap();
        symlink("sub/file", queue.join("inside")).unwrap();
        symlink("../outside", queue.join("leads-out")).unwrap();
        symlink(dir.path().join("outside"), queue.join("absolute")).unwrap();
        symlink("..", queue.join("up")).unwrap();
        symlink("loop", queue.join("loop")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, queue.join("fifo"), FileType::Fifo, Mode::from_raw_mode(0o600), 0)
            .unwrap();
        let folder = Folder::open(&queue).unwrap();
        (dir, folder)
    }

    #[test]
    fn nothing_outside_the_folder_is_opened() {
        let (_dir, folder) = tree();
        assert_eq!(read_bounded(&mut folder.file("sub/file").unwrap().0, 100).unwrap().unwrap(), b"content");
        for path in ["leads-out", "absolute", "up/outside", "../outside", "/etc/passwd", "loop", "sub", "fifo", "none"]
        {
            let error = folder.file(path).expect_err(path);
            assert!(folder.look(path).is_err(), "{path}: {error}");
        }
        assert!(folder.entries("up", |_| true).is_err());
    }

    #[test]
    fn walking_refuses_what_the_kernel_refuses_and_every_symlink() {
        let (_dir, folder) = tree();
        let walk = |path| folder.walk(path, OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC);
        assert!(walk("sub/file").is_ok());
        assert!(walk("./sub//file").is_ok());
        assert!(walk(".").is_ok());
        for path in ["inside", "leads-out", "absolute", "up/outside", "sub/../../outside", "../outside", "loop"] {
            assert!(walk(path).is_err(), "{path}");
        }
    }

    #[test]
    fn what_is_put_takes_the_place_of_the_name_and_not_of_what_it_leads_to() {
        use std::os::unix::fs::PermissionsExt;
        let (dir, folder) = tree();
        let queue = dir.path().join("queue");
        std::fs::set_permissions(queue.join("sub/file"), PermissionsExt::from_mode(0o640)).unwrap();
        symlink("../../outside", queue.join("sub/leads-out")).unwrap();
        for path in ["leads-out", "absolute", "inside", "loop", "sub/leads-out", "new"] {
            assert_eq!(folder.put(path, b"put", "sub/file").unwrap(), Group::Kept, "{path}");
            let found = std::fs::symlink_metadata(queue.join(path)).unwrap();
            assert!(found.is_file(), "{path} is the file itself");
            assert_eq!(found.permissions().mode() & 0o7777, 0o640, "{path}");
            assert_eq!(std::fs::read(queue.join(path)).unwrap(), b"put", "{path}");
        }
        for path in ["sub", "up/new", "../new", "none/new"] {
            assert!(folder.put(path, b"put", "sub/file").is_err(), "{path}");
        }
        assert_eq!(std::fs::read(dir.path().join("outside")).unwrap(), b"secret");
        assert_eq!(std::fs::read(queue.join("sub/file")).unwrap(), b"content");
        let left = std::fs::read_dir(&queue).unwrap().flatten();
        assert_eq!(left.filter(|entry| entry.file_name().to_string_lossy().starts_with(".aside")).count(), 0);
    }

    #[test]
    fn what_somebody_has_left_aside_is_in_nobodys_way() {
        let (dir, folder) = tree();
        let left = dir.path().join("queue").join(format!(".aside.{}.0", std::process::id()));
        std::fs::write(&left, "half").unwrap();
        folder.put("new", b"put", "sub/file").unwrap();
        assert_eq!(std::fs::read(dir.path().join("queue/new")).unwrap(), b"put");
        assert_eq!(std::fs::read(left).unwrap(), b"half");
    }

    #[test]
    fn a_fifo_is_reported_and_not_waited_for() {
        let (_dir, folder) = tree();
        assert_eq!(reason(&folder.file("fifo").unwrap_err()), "it is a FIFO, not a file");
        assert_eq!(reason(&folder.file("leads-out").unwrap_err()), OUTSIDE);
        assert_eq!(reason(&folder.file("sub").unwrap_err()), "it is a folder, not a file");
    }

    #[test]
    fn paths_are_relative_to_the_queue_file_and_stay_in_the_folder() {
        assert_eq!(beside("a/b.toml", "img/x.jpg").as_deref(), Ok("a/img/x.jpg"));
        assert_eq!(beside("a/b.toml", "../img/./x.jpg").as_deref(), Ok("img/x.jpg"));
        assert_eq!(beside("b.toml", "x.jpg").as_deref(), Ok("x.jpg"));
        for path in ["", "/etc/passwd", "../x", "img/../../x", "a\nb", "a\0b", "."] {
            assert!(beside("b.toml", path).is_err(), "{path:?}");
        }
    }

    #[test]
    fn a_file_over_the_limit_is_not_read_whole() {
        let (dir, folder) = tree();
        let sparse = File::create(dir.path().join("queue/sparse")).unwrap();
        sparse.set_len(1 << 40).unwrap();
        assert_eq!(read_bounded(&mut folder.file("sparse").unwrap().0, 1000).unwrap(), None);
    }
}
