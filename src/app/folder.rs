//! The queue folder as commands see it.

use std::fs::Permissions;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cli::approve::{QueueDesk, Written};
use crate::cli::check::{QueueFiles, QueueFolder};
use crate::domain::path::shown;
use crate::domain::{FoundMedia, limits};
use crate::edge::beneath::{self, FolderPath, Group};
use crate::edge::inbox::{Entry, scan};
use crate::edge::media;
use crate::edge::signatures;
use crate::queue::signed::{self, Allowed, Beside};

use super::load;

/// A queue file by its path below the folder, and why it cannot be read, where that is known already.
type Name = (Arc<str>, Option<String>);

/// All queue files, or those that were named.
pub struct Folder {
    only: Vec<PathBuf>,
}

impl Folder {
    pub fn all() -> Self {
        Self { only: Vec::new() }
    }

    /// Only these files; all when none is named.
    pub fn only(files: &[PathBuf]) -> Self {
        Self { only: files.iter().map(|file| load::absolute(file)).collect() }
    }

    fn names(&self, folder: &Path) -> Result<Vec<Name>, String> {
        let opened = FolderPath(folder.into()).open().map_err(|error| beneath::reason(&error))?;
        let found = scan(&opened).map_err(|error| beneath::reason(&error))?;
        let all = found.entries.into_iter().map(|(name, entry)| match entry {
            Entry::File(_) => (name, None),
            Entry::Odd(why) | Entry::Unlisted(why) => (name, Some(why)),
            Entry::Shortcut => (name, Some("it is a symlink to a folder, which is not followed".into())),
        });
        if self.only.is_empty() {
            return Ok(all.collect());
        }
        let mut wanted = Vec::new();
        for file in &self.only {
            match relative(folder, file) {
                Some(name) => wanted.push((name, None)),
                None => {
                    let why = format!("it is not in the queue folder {}", shown(folder));
                    wanted.push((file.display().to_string().into(), Some(why)));
                }
            }
        }
        Ok(wanted)
    }
}

/// The path of `file` below `folder`, both taken as they really are. A queue file that is a symlink is known by its own name,
/// as the daemon knows it: what approves it stands beside that. A name elsewhere that leads into the folder is what it leads to.
fn relative(folder: &Path, file: &Path) -> Option<Arc<str>> {
    let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let folder = real(folder);
    let by_its_name = || Some(real(file.parent()?).join(file.file_name()?));
    let below = |path: PathBuf| Some(path.strip_prefix(&folder).ok()?.to_str()?.to_owned());
    let name = by_its_name().and_then(below).or_else(|| below(real(file)))?;
    (!name.is_empty()).then(|| name.into())
}

fn read(folder: &Path, file: &str) -> Result<Vec<u8>, String> {
    let opened = FolderPath(folder.into()).open().map_err(|error| beneath::reason(&error))?;
    let (mut found, _) = opened.file(file).map_err(|error| beneath::reason(&error))?;
    match beneath::read_bounded(&mut found, limits::FILE_BYTES) {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(format!("it is larger than {} bytes", limits::FILE_BYTES)),
        Err(error) => Err(beneath::reason(&error)),
    }
}

fn beside(folder: &Path, file: &str) -> Beside {
    match FolderPath(folder.into()).open() {
        Ok(opened) => signatures::approval(&opened, file).0,
        Err(error) => Beside::Unreadable(beneath::reason(&error)),
    }
}

impl QueueFolder for Folder {
    fn files<'f>(&'f self, folder: &Path) -> Result<QueueFiles<'f>, String> {
        let folder = folder.to_path_buf();
        let names = self.names(&folder)?;
        Ok(Box::new(names.into_iter().map(move |(name, odd)| {
            let bytes = odd.map_or_else(|| read(&folder, &name), Err);
            (name, bytes)
        })))
    }

    fn read(&self, folder: &Path, file: &str) -> Result<Vec<u8>, String> {
        read(folder, file)
    }

    fn media(&self, folder: &Path, file: &str, path: &str) -> Result<FoundMedia, String> {
        media::look(folder, file, path)
    }

    fn beside(&self, folder: &Path, file: &str) -> Beside {
        beside(folder, file)
    }

    fn allowed(&self, path: &Path) -> Allowed {
        signatures::allowed(path)
    }

    fn media_size(&self, folder: &Path, file: &str, path: &str) -> Option<u64> {
        let inside = beneath::beside(file, path).ok()?;
        Some(std::fs::metadata(folder.join(inside)).ok()?.len())
    }
}

/// Puts `after` in the place of what is at `path`: written aside and renamed, with these permissions.
fn put(path: &Path, after: &[u8], kept: Permissions) -> io::Result<()> {
    crate::cli::output::write_aside(path, |out| out.write_all(after))?;
    std::fs::set_permissions(path, kept)
}

/// Between the look at what is there and the rename nobody else may replace it.
fn claim(opened: &beneath::Folder, file: &str) -> Result<beneath::Claimed, String> {
    let claimed = opened.claim(file).map_err(|error| beneath::reason(&error))?;
    claimed.ok_or_else(|| "somebody else is approving there at this moment; look at it again".into())
}

impl QueueDesk for Folder {
    fn locate(&self, folder: &Path, word: &str) -> Option<Arc<str>> {
        let given = load::absolute(Path::new(word));
        let found = [given, folder.join(word)].into_iter().find(|path| path.is_file())?;
        relative(folder, &found)
    }

    fn replace(&self, folder: &Path, file: &str, before: &[u8], after: &[u8]) -> Result<(), String> {
        let path = folder.join(file);
        let failed = |error: io::Error| beneath::reason(&error);
        // A symlink stays one: what it leads to is replaced.
        let path = std::fs::canonicalize(&path).map_err(failed)?;
        let kept = std::fs::metadata(&path).map_err(failed)?.permissions();
        let opened = FolderPath(folder.into()).open().map_err(failed)?;
        let _claimed = claim(&opened, file)?;
        if read(folder, file)? != before {
            return Err("it has been changed meanwhile; look at it again".into());
        }
        put(&path, after, kept).map_err(failed)
    }

    fn replace_beside(&self, folder: &Path, file: &str, before: &Beside, after: &[u8]) -> Result<Written, String> {
        let opened = FolderPath(folder.into()).open().map_err(|error| beneath::reason(&error))?;
        if let Beside::Unreadable(why) = before {
            return Err(format!("what stands beside it cannot be read: {why}; take it away"));
        }
        let _claimed = claim(&opened, file)?;
        if signatures::approval(&opened, file).0 != *before {
            return Err("what stands beside it has been changed meanwhile; look at it again".into());
        }
        // Whoever may read the queue file may read who has approved it.
        match opened.put(&signed::beside(file), after, file).map_err(|error| beneath::reason(&error))? {
            Group::Kept => Ok(Written::AsItWas),
            Group::Own => Ok(Written::WithoutItsGroup),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_stands_beside_a_queue_file_never_leads_the_writer_out() {
        let dir = tempfile::tempdir().unwrap();
        let (queue, outside) = (dir.path().join("queue"), dir.path().join("outside"));
        std::fs::create_dir(&queue).unwrap();
        std::fs::write(&outside, "precious").unwrap();
        std::fs::write(queue.join("week.toml"), "").unwrap();
        let sheet = queue.join("week.toml.approval");
        symlink(&outside, &sheet).unwrap();
        let desk = Folder::all();
        for before in [desk.beside(&queue, "week.toml"), Beside::Nothing, Beside::Bytes(b"precious".to_vec())] {
            let refused = desk.replace_beside(&queue, "week.toml", &before, b"signed").unwrap_err();
            assert!(refused.starts_with("what stands beside it"), "{refused}");
        }
        assert_eq!(std::fs::read(&outside).unwrap(), b"precious");
        std::fs::remove_file(&sheet).unwrap();
        assert_eq!(desk.replace_beside(&queue, "week.toml", &Beside::Nothing, b"signed"), Ok(Written::AsItWas));
        assert_eq!(std::fs::read(&sheet).unwrap(), b"signed");
    }

    #[test]
    fn what_somebody_else_has_approved_meanwhile_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let queue = dir.path().join("queue");
        std::fs::create_dir(&queue).unwrap();
        std::fs::write(queue.join("week.toml"), "").unwrap();
        let desk = Folder::all();
        let put = |before: &Beside, after: &[u8]| desk.replace_beside(&queue, "week.toml", before, after);
        assert_eq!(put(&Beside::Nothing, b"of one"), Ok(Written::AsItWas));
        for before in [Beside::Nothing, Beside::Bytes(b"older".to_vec())] {
            let refused = put(&before, b"of another").unwrap_err();
            assert!(refused.contains("has been changed meanwhile"), "{refused}");
        }
        // And while another one is between the look and the rename.
        let other = beneath::Folder::open(&queue).unwrap();
        let busy = other.claim("week.toml").unwrap().expect("nobody else is there");
        let seen = Beside::Bytes(b"of one".to_vec());
        for refused in [put(&seen, b"of another").map(drop), desk.replace(&queue, "week.toml", b"", b"# new\n")] {
            let refused = refused.unwrap_err();
            assert!(refused.starts_with("somebody else is approving"), "{refused}");
        }
        assert_eq!(std::fs::read(queue.join("week.toml.approval")).unwrap(), b"of one");
        drop(busy);
        assert_eq!(put(&seen, b"of both"), Ok(Written::AsItWas));
        assert_eq!(desk.replace(&queue, "week.toml", b"", b"# new\n"), Ok(()));
    }

    #[test]
    fn a_queue_file_that_is_a_symlink_is_known_by_its_own_name() {
        let dir = tempfile::tempdir().unwrap();
        let queue = dir.path().join("queue");
        std::fs::create_dir_all(queue.join(".data")).unwrap();
        std::fs::write(queue.join(".data/week.v2"), "").unwrap();
        symlink(".data/week.v2", queue.join("week.toml")).unwrap();
        symlink(queue.join("week.toml"), dir.path().join("shortcut.toml")).unwrap();
        let desk = Folder::all();
        assert_eq!(desk.locate(&queue, "week.toml").as_deref(), Some("week.toml"));
        assert_eq!(desk.locate(&queue, queue.join("week.toml").to_str().unwrap()).as_deref(), Some("week.toml"));
        let elsewhere = dir.path().join("shortcut.toml");
        assert_eq!(desk.locate(&queue, elsewhere.to_str().unwrap()).as_deref(), Some(".data/week.v2"));
        let only = Folder::only(&[queue.join("week.toml")]);
        let names: Vec<_> = only.files(&queue).unwrap().map(|(name, _)| name).collect();
        assert_eq!(names, ["week.toml".into()]);
    }
}
