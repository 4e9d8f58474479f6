//! Carries out an adapter's [`FileCall`]: reads and writes in a folder that is ours.
//!
//! A write first puts every changed file aside, whole and synced, in the folder where it belongs; only then are they
//! renamed into place, in the order given, each rename synced before the next. So a full disk changes nothing, and a
//! power cut leaves a beginning of the list. A file that already holds these bytes is not touched.
//!
//! Paths are walked folder by folder, each opened relative to the one before it and never through a symbolic link.
//! That is what `openat2` with `RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS` would say, and it works where a sandbox knows no
//! `openat2`. The root itself is the owner's choice and may be a link.
//!
//! It does not lock: one account writes to one folder, one delivery at a time, and `http` lets nobody near a folder into
//! which a write that was given up may still be under way.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::platform::contract::{Failure, FileCall, FileWork, Reply};

/// Largest file that is read, in bytes. The longest we write is the list of all posts: at 200 bytes a post, this is
/// three hundred thousand of them.
const READ_BYTES: u64 = 64 * 1024 * 1024;
/// What is written is for a web server that runs as somebody else, whatever our umask is.
const FILE_MODE: u32 = 0o644;
const FOLDER_MODE: u32 = 0o755;

/// Carries out `call`; blocks until it is done and, for a write, durable.
///
/// # Errors
/// [`Failure::NeverLeft`] when no file has changed (always so for a read), [`Failure::MayHaveArrived`] when the first
/// rename has been asked for.
pub fn carry_out(call: &FileCall) -> Result<Reply, Failure> {
    match &call.work {
        FileWork::Read(paths) => read(&call.root, paths).map_err(|error| Failure::NeverLeft(error.to_string())),
        FileWork::Write(files) => write(&call.root, files),
    }
}

/// Why a file could not be read or written.
#[derive(Debug, thiserror::Error)]
enum FileError {
    #[error("{0:?} is no path inside the folder")]
    Path(String),
    #[error("{0:?} is to be written twice")]
    Twice(String),
    #[error("failed to open the folder {path}: {source}", path = .path.display())]
    Root { path: PathBuf, source: io::Error },
    #[error("failed to {what} {path}: {source}")]
    Io { what: &'static str, path: String, source: io::Error },
    #[error("{0} is a symbolic link or no plain file, and is left alone")]
    Kind(String),
    #[error("{0} is larger than {READ_BYTES} bytes")]
    TooLarge(String),
}

fn failed(what: &'static str, path: &str) -> impl FnOnce(Errno) -> FileError {
    move |errno| match errno {
        Errno::LOOP | Errno::NOTDIR => FileError::Kind(path.into()),
        errno => FileError::Io { what, path: path.into(), source: errno.into() },
    }
}

fn failed_io(what: &'static str, path: &str) -> impl FnOnce(io::Error) -> FileError {
    move |source| FileError::Io { what, path: path.into(), source }
}

fn read(root: &Path, paths: &[String]) -> Result<Reply, FileError> {
    let folder = match open_root(root) {
        Ok(folder) => folder,
        // Nothing was ever written there.
        Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(Reply::File(vec![None; paths.len()])),
        Err(source) => return Err(FileError::Root { path: root.into(), source }),
    };
    let read_one = |path: &String| {
        let (folders, name) = split(path)?;
        let Some(parent) = walk(&folder, &folders, path)? else { return Ok(None) };
        let Some(file) = open_plain(&parent, name, path)? else { return Ok(None) };
        let mut bytes = Vec::new();
        let limited = file.take(READ_BYTES + 1).read_to_end(&mut bytes);
        limited.map_err(failed_io("read", path))?;
        if bytes.len() as u64 > READ_BYTES { Err(FileError::TooLarge(path.clone())) } else { Ok(Some(bytes)) }
    };
    paths.iter().map(read_one).collect::<Result<_, _>>().map(Reply::File)
}

/// A file that stands aside, whole and synced.
struct Aside<'a> {
    parent: OwnedFd,
    name: &'a str,
    aside: String,
    path: &'a str,
}

fn write(root: &Path, files: &[(String, Arc<[u8]>)]) -> Result<Reply, Failure> {
    let mut staged = Vec::new();
    let all_staged = make_root(root).and_then(|folder| {
        let mut paths = BTreeSet::new();
        for (path, bytes) in files {
            if !paths.insert(path) {
                return Err(FileError::Twice(path.clone()));
            }
            staged.extend(stage(&folder, path, bytes)?);
        }
        Ok(())
    });
    if let Err(error) = all_staged {
        clear(&staged);
        return Err(Failure::NeverLeft(error.to_string()));
    }
    for (place, file) in staged.iter().enumerate() {
        if let Err(error) = put_in_place(file) {
            clear(&staged[place..]);
            return Err(Failure::MayHaveArrived(error.to_string()));
        }
    }
    Ok(Reply::File(Vec::new()))
}

/// Puts a file aside; `None` when the one in place already holds these bytes.
fn stage<'a>(root: &OwnedFd, path: &'a str, bytes: &[u8]) -> Result<Option<Aside<'a>>, FileError> {
    let (folders, name) = split(path)?;
    let parent = make_folders(root, &folders, path)?;
    if let Some(held) = open_plain(&parent, name, path)?
        && holds(held, bytes).map_err(failed_io("compare", path))?
    {
        // It may have been renamed by an attempt that did not live to sync the folder.
        rustix::fs::fsync(&parent).map_err(failed("sync the folder of", path))?;
        return Ok(None);
    }
    // One name a file, so that what a crash leaves is used up by the next attempt and does not pile up.
    let aside = Aside { parent, name, aside: format!(".{name}.cadenced-aside"), path };
    clear(std::slice::from_ref(&aside));
    match fill(&aside, bytes) {
        Ok(()) => Ok(Some(aside)),
        Err(error) => {
            clear(std::slice::from_ref(&aside));
            Err(error)
        }
    }
}

fn fill(aside: &Aside<'_>, bytes: &[u8]) -> Result<(), FileError> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(&aside.parent, aside.aside.as_str(), flags, Mode::from_raw_mode(FILE_MODE))
        .map_err(failed("create", aside.path))?;
    let mut file = File::from(file);
    file.write_all(bytes).map_err(failed_io("write", aside.path))?;
    rustix::fs::fchmod(&file, Mode::from_raw_mode(FILE_MODE)).map_err(failed("make readable", aside.path))?;
    file.sync_all().map_err(failed_io("sync", aside.path))
}

fn put_in_place(file: &Aside<'_>) -> Result<(), FileError> {
    rustix::fs::renameat(&file.parent, file.aside.as_str(), &file.parent, file.name)
        .map_err(failed("rename into place", file.path))?;
    rustix::fs::fsync(&file.parent).map_err(failed("sync the folder of", file.path))
}

/// Removes what stands aside. What cannot be removed does no harm: nobody links to it, and the next attempt tries again.
fn clear(files: &[Aside<'_>]) {
    for file in files {
        let _ = rustix::fs::unlinkat(&file.parent, file.aside.as_str(), AtFlags::empty());
    }
}

/// Whether `file` holds exactly `bytes`.
fn holds(mut file: File, bytes: &[u8]) -> io::Result<bool> {
    if file.metadata()?.len() != bytes.len() as u64 {
        return Ok(false);
    }
    let mut buffer = vec![0; bytes.len().min(64 * 1024)];
    let mut rest = bytes;
    while !rest.is_empty() {
        let read = file.read(&mut buffer)?;
        match rest.strip_prefix(&buffer[..read]) {
            Some(after) if read > 0 => rest = after,
            _ => return Ok(false),
        }
    }
    Ok(true)
}

/// The folders and the name of a relative path.
fn split(path: &str) -> Result<(Vec<&str>, &str), FileError> {
    let mut parts: Vec<&str> = path.split('/').collect();
    let plain = |part: &&str| !part.is_empty() && *part != "." && *part != ".." && !part.contains('\0');
    match parts.pop() {
        Some(name) if plain(&name) && parts.iter().all(plain) => Ok((parts, name)),
        _ => Err(FileError::Path(path.into())),
    }
}

const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::RDONLY).union(OFlags::CLOEXEC);

fn open_root(root: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(root, FOLDER, Mode::empty())?)
}

/// Opens the root, and makes it and the folders above it where they are not there.
fn make_root(root: &Path) -> Result<OwnedFd, FileError> {
    let make = || {
        let missing: Vec<&Path> = root.ancestors().take_while(|folder| is_missing(folder)).collect();
        for folder in missing.into_iter().rev() {
            std::fs::create_dir(folder)?;
            // Said again, because a strict umask would lock the web server out.
            std::fs::set_permissions(folder, PermissionsExt::from_mode(FOLDER_MODE))?;
            match folder.parent() {
                Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all()?,
                _ => File::open(".")?.sync_all()?,
            }
        }
        open_root(root)
    };
    make().map_err(|source| FileError::Root { path: root.into(), source })
}

fn is_missing(folder: &Path) -> bool {
    !folder.as_os_str().is_empty() && folder.symlink_metadata().is_err_and(|e| e.kind() == io::ErrorKind::NotFound)
}

/// Opens the folder below `root`; `None` when there is none.
fn walk(root: &OwnedFd, folders: &[&str], path: &str) -> Result<Option<OwnedFd>, FileError> {
    let mut here = root.try_clone().map_err(failed_io("open the folder of", path))?;
    for folder in folders {
        here = match rustix::fs::openat(&here, *folder, FOLDER | OFlags::NOFOLLOW, Mode::empty()) {
            Ok(next) => next,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(failed("open the folder of", path)(errno)),
        };
    }
    Ok(Some(here))
}

/// Opens the folder below `root`, and makes what is not there of it.
fn make_folders(root: &OwnedFd, folders: &[&str], path: &str) -> Result<OwnedFd, FileError> {
    let mut here = root.try_clone().map_err(failed_io("open the folder of", path))?;
    for folder in folders {
        let made = match rustix::fs::mkdirat(&here, *folder, Mode::from_raw_mode(FOLDER_MODE)) {
            Ok(()) => true,
            Err(Errno::EXIST) => false,
            Err(errno) => return Err(failed("make the folder of", path)(errno)),
        };
        let next = rustix::fs::openat(&here, *folder, FOLDER | OFlags::NOFOLLOW, Mode::empty())
            .map_err(failed("open the folder of", path))?;
        if made {
            rustix::fs::fchmod(&next, Mode::from_raw_mode(FOLDER_MODE))
                .map_err(failed("open up the folder of", path))?;
            rustix::fs::fsync(&here).map_err(failed("sync the folder of", path))?;
        }
        here = next;
    }
    Ok(here)
}

/// Opens a plain file; `None` when there is nothing of that name.
fn open_plain(parent: &OwnedFd, name: &str, path: &str) -> Result<Option<File>, FileError> {
    // Without NONBLOCK, a pipe of that name would hold us up for ever.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::openat(parent, name, flags, Mode::empty()) {
        Ok(file) => file,
        Err(Errno::NOENT) => return Ok(None),
        Err(errno) => return Err(failed("open", path)(errno)),
    };
    let found = rustix::fs::fstat(&file).map_err(failed("look at", path))?;
    match FileType::from_raw_mode(found.st_mode) {
        FileType::RegularFile => Ok(Some(File::from(file))),
        _ => Err(FileError::Kind(path.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt as _, symlink};

    fn writes(root: &Path, files: &[(&str, &str)]) -> Result<Reply, Failure> {
        let files = files.iter().map(|(path, text)| ((*path).into(), Arc::from(text.as_bytes()))).collect();
        carry_out(&FileCall { root: root.into(), work: FileWork::Write(files) })
    }

    fn reads(root: &Path, paths: &[&str]) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        let paths = paths.iter().map(|path| (*path).into()).collect();
        match carry_out(&FileCall { root: root.into(), work: FileWork::Read(paths) })? {
            Reply::File(files) => Ok(files),
            _ => panic!("files were asked for"),
        }
    }

    /// All names below a folder, sorted.
    fn names(root: &Path) -> Vec<String> {
        let mut names = Vec::new();
        let mut folders = vec![root.to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_dir() {
                    folders.push(entry.path());
                } else {
                    names.push(entry.path().strip_prefix(root).unwrap().display().to_string());
                }
            }
        }
        names.sort();
        names
    }

    #[test]
    fn what_is_written_is_read_back_and_open_to_a_web_server() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("not/there/yet");
        assert_eq!(reads(&root, &["a.txt"]).unwrap(), [None]);
        writes(&root, &[("posts/one/a.txt", "one"), ("b.txt", "two")]).unwrap();
        assert_eq!(
            reads(&root, &["b.txt", "posts/two/a.txt", "posts/one/a.txt"]).unwrap(),
            [Some(b"two".to_vec()), None, Some(b"one".to_vec())]
        );
        assert_eq!(names(&root), ["b.txt", "posts/one/a.txt"], "nothing is left aside");
        let mode = |path: &str| std::fs::metadata(root.join(path)).unwrap().mode() & 0o777;
        assert_eq!((mode(""), mode("posts"), mode("posts/one/a.txt")), (0o755, 0o755, 0o644));
    }

    #[test]
    fn a_file_that_holds_these_bytes_is_not_touched_and_another_is_replaced() {
        let place = tempfile::tempdir().unwrap();
        writes(place.path(), &[("same", "same"), ("other", "before")]).unwrap();
        let inode = |path: &str| std::fs::metadata(place.path().join(path)).unwrap().ino();
        let before = (inode("same"), inode("other"));
        writes(place.path(), &[("same", "same"), ("other", "behind")]).unwrap();
        assert_eq!(inode("same"), before.0);
        assert_ne!(inode("other"), before.1);
        assert_eq!(reads(place.path(), &["other"]).unwrap(), [Some(b"behind".to_vec())]);
    }

    #[test]
    fn no_path_leads_out_of_the_folder() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("root");
        for path in ["../out", "/etc/passwd", "a/../../out", "", "a//b", "./a", "a/", "a\0b"] {
            assert!(matches!(writes(&root, &[(path, "x")]), Err(Failure::NeverLeft(_))), "{path:?}");
            assert!(matches!(reads(&root, &[path]), Err(Failure::NeverLeft(_))), "{path:?}");
        }
        assert_eq!(names(place.path()), [""; 0]);
    }

    #[test]
    fn a_link_or_a_folder_in_the_way_stops_everything_before_anything_changes() {
        let place = tempfile::tempdir().unwrap();
        let (root, outside) = (place.path().join("root"), place.path().join("outside"));
        std::fs::create_dir_all(&outside).unwrap();
        std::fs::create_dir_all(root.join("folder")).unwrap();
        std::fs::write(outside.join("theirs"), "theirs").unwrap();
        symlink(&outside, root.join("linked")).unwrap();
        symlink(outside.join("theirs"), root.join("file")).unwrap();
        symlink(outside.join("absent"), root.join("dangling")).unwrap();
        for path in ["linked/theirs", "linked/new", "file", "dangling", "folder"] {
            let refused = writes(&root, &[("fine", "x"), (path, "ours")]);
            assert!(matches!(&refused, Err(Failure::NeverLeft(why)) if why.contains(path)), "{path}: {refused:?}");
            assert!(matches!(reads(&root, &[path]), Err(Failure::NeverLeft(_))), "{path}");
        }
        assert_eq!(names(&outside), ["theirs"]);
        assert_eq!(std::fs::read(outside.join("theirs")).unwrap(), b"theirs");
        assert_eq!(names(&root), ["dangling", "file", "linked"], "neither the good file nor anything aside is left");
    }

    #[test]
    fn the_root_itself_may_be_a_link() {
        let place = tempfile::tempdir().unwrap();
        let (real, link) = (place.path().join("real"), place.path().join("link"));
        std::fs::create_dir(&real).unwrap();
        symlink(&real, &link).unwrap();
        writes(&link, &[("a", "a")]).unwrap();
        assert_eq!(names(&real), ["a"]);
    }

    #[test]
    fn a_folder_that_cannot_be_made_means_that_nothing_left() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("file"), "").unwrap();
        // The second cannot be made even by root.
        for root in [place.path().join("file/below"), PathBuf::from("/proc/cadenced-has-no-place-here")] {
            assert!(matches!(writes(&root, &[("a", "a")]), Err(Failure::NeverLeft(_))), "{}", root.display());
        }
    }

    #[test]
    fn a_failure_behind_the_first_rename_may_have_arrived_and_a_repeat_completes_it() {
        let place = tempfile::tempdir().unwrap();
        // "b" as a file cannot replace the folder that "b/c" has made.
        let files = [("a", "a"), ("b", "b"), ("b/c", "c"), ("d", "d")];
        assert!(matches!(writes(place.path(), &files), Err(Failure::MayHaveArrived(_))));
        assert_eq!(names(place.path()), ["a"], "in order, and nothing is left aside");
        writes(place.path(), &[("a", "a"), ("b/c", "c"), ("d", "d")]).unwrap();
        assert_eq!(names(place.path()), ["a", "b/c", "d"]);
    }

    #[test]
    fn one_path_is_written_once() {
        let place = tempfile::tempdir().unwrap();
        assert!(matches!(writes(place.path(), &[("a", "1"), ("a", "2")]), Err(Failure::NeverLeft(_))));
        assert_eq!(names(place.path()), [""; 0]);
    }

    #[test]
    fn what_a_crash_left_aside_is_used_up() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join(".a.cadenced-aside"), "half").unwrap();
        writes(place.path(), &[("a", "whole")]).unwrap();
        assert_eq!(names(place.path()), ["a"]);
        assert_eq!(reads(place.path(), &["a"]).unwrap(), [Some(b"whole".to_vec())]);
    }
}
