//! The last good version of each queue file, so that a restart does not change what is in force.
//!
//! A copy is a file of its own in a folder of the store, named after the hash of the queue file's path, and ends with
//! a line that tells the path. A copy without that line is torn, and counts as none. Losing a copy loses nothing but
//! what a broken queue file would have said.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Seek as _, SeekFrom, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::domain::{Digest, limits};
use crate::edge::beneath;

/// Copies that are synced one by one. Beyond, as when a large queue is read for the first time, the file system is
/// synced once for all.
const SYNCED_ALONE: usize = 16;
/// Room for the last line: the longest path, every character escaped.
const LAST_LINE: u64 = 64 * 1024;

/// The folder of copies.
#[derive(Debug)]
pub struct Keep {
    folder: PathBuf,
    read_only: bool,
    /// Copies written since the last [`Keep::settle`].
    written: usize,
}

impl Keep {
    /// Keeps copies in `folder`, which is made when it is needed.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder, read_only: false, written: 0 }
    }

    /// Only reads copies; for commands that look at the queue beside a daemon, or without one.
    pub fn read_only(folder: PathBuf) -> Self {
        Self { read_only: true, ..Self::new(folder) }
    }

    /// The last good version of `file`, if there is one.
    pub fn load(&self, file: &str) -> Option<Vec<u8>> {
        let mut copy = File::open(self.path(file)).ok()?;
        let mut bytes = beneath::read_bounded(&mut copy, limits::FILE_BYTES + LAST_LINE).ok()??;
        let end = bytes.strip_suffix(last_line(file).as_bytes())?.len();
        bytes.truncate(end);
        Some(bytes)
    }

    /// `bytes` are the last good version of `file` now.
    ///
    /// # Errors
    /// When they cannot be written; the copy before is unharmed.
    pub fn save(&mut self, file: &str, bytes: &[u8]) -> io::Result<()> {
        if self.read_only {
            return Ok(());
        }
        if self.written == 0 {
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        }
        let mut aside = tempfile::NamedTempFile::new_in(&self.folder)?;
        aside.write_all(bytes)?;
        aside.write_all(last_line(file).as_bytes())?;
        self.written += 1;
        if self.written <= SYNCED_ALONE {
            aside.as_file().sync_data()?;
        }
        aside.persist(self.path(file)).map_err(|error| error.error)?;
        Ok(())
    }

    /// The files of which there is a copy. Each copy is opened for that.
    pub fn files(&self) -> Vec<Arc<str>> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let named = entries.filter_map(|entry| {
            let file = named_in(&entry.path())?;
            (self.path(&file) == entry.path()).then(|| file.into())
        });
        named.collect()
    }

    /// `file` is not in the queue any more.
    pub fn forget(&mut self, file: &str) {
        if !self.read_only {
            let _ = fs::remove_file(self.path(file));
        }
    }

    /// Removes all copies but those of `files`, and what an interrupted write has left.
    pub fn prune<'a>(&mut self, files: impl Iterator<Item = &'a Arc<str>>) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        if self.read_only {
            return;
        }
        let wanted: BTreeSet<PathBuf> = files.map(|file| self.path(file)).collect();
        for path in entries.flatten().map(|entry| entry.path()).filter(|path| !wanted.contains(path)) {
            let _ = fs::remove_file(path);
        }
    }

    /// Makes durable what was written, at the end of a look.
    pub fn settle(&mut self) {
        if self.written > 0
            && let Ok(folder) = File::open(&self.folder)
        {
            // Whether the copies survive a power cut is no reason to stop; a torn one is noticed.
            let _ = if self.written > SYNCED_ALONE {
                rustix::fs::syncfs(&folder).map_err(io::Error::from)
            } else {
                folder.sync_all()
            };
        }
        self.written = 0;
    }

    fn path(&self, file: &str) -> PathBuf {
        self.folder.join(format!("{}.toml", Digest::of(file.as_bytes()).hex()))
    }
}

const LAST_LINE_BEGINS: &str = "# the last good version of ";

fn last_line(file: &str) -> String {
    format!("\n{LAST_LINE_BEGINS}{file:?}\n")
}

/// The path that the last line of a copy names.
fn named_in(copy: &Path) -> Option<String> {
    let mut copy = File::open(copy).ok()?;
    let from = copy.metadata().ok()?.len().saturating_sub(LAST_LINE);
    copy.seek(SeekFrom::Start(from)).ok()?;
    let bytes = beneath::read_bounded(&mut copy, LAST_LINE).ok()??;
    let line = bytes.strip_suffix(b"\n")?.rsplit(|byte| *byte == b'\n').next()?;
    let name = str::from_utf8(line).ok()?.strip_prefix(LAST_LINE_BEGINS)?.strip_prefix('"')?.strip_suffix('"')?;
    unescaped(name)
}

/// A text from what `{:?}` makes of it; names hold no control characters.
fn unescaped(text: &str) -> Option<String> {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, escaped)) = rest.split_once('\\') {
        plain += before;
        rest = match escaped.strip_prefix("u{") {
            Some(code) => {
                let (code, rest) = code.split_once('}')?;
                plain.push(char::from_u32(u32::from_str_radix(code, 16).ok()?)?);
                rest
            }
            None => {
                let escaped_char = escaped.chars().next()?;
                plain.push(escaped_char);
                &escaped[escaped_char.len_utf8()..]
            }
        };
    }
    Some(plain + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_what_was_saved_and_belongs_to_one_file() {
        let dir = tempfile::tempdir().unwrap();
        let mut keep = Keep::new(dir.path().join("queue/copies"));
        assert_eq!(keep.load("a.toml"), None);
        for bytes in [b"".as_slice(), b"x = 1", b"x = 1\n"] {
            keep.save("a.toml", bytes).unwrap();
            keep.settle();
            assert_eq!(keep.load("a.toml").as_deref(), Some(bytes));
        }
        assert_eq!(keep.load("b.toml"), None);
        fs::copy(keep.path("a.toml"), keep.path("b.toml")).unwrap();
        assert_eq!(keep.load("b.toml"), None, "the copy of another file was taken");
        keep.prune([Arc::from("a.toml")].iter());
        assert!(!keep.path("b.toml").exists() && keep.path("a.toml").exists());
        keep.forget("a.toml");
        assert_eq!(keep.load("a.toml"), None);
    }

    #[test]
    fn copies_tell_whose_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let mut keep = Keep::new(dir.path().into());
        // The second one as some systems write it: with a mark of its own over the letter.
        let files = ["\\\"\\\\\"q\\.toml", "a b/u\u{308}.toml", "a b/ü\u{200b}.toml", "long.toml"];
        for file in files {
            keep.save(file, &vec![b'x'; if file == "long.toml" { 200_000 } else { 0 }]).unwrap();
        }
        fs::write(dir.path().join("other.toml"), "\n# the last good version of \"a.toml\"\n").unwrap();
        fs::write(dir.path().join("torn.toml"), "x = 1").unwrap();
        let mut found = keep.files();
        found.sort();
        assert_eq!(found.iter().map(|file| &**file).collect::<Vec<_>>(), files);
    }

    #[test]
    fn a_torn_copy_counts_as_none() {
        let dir = tempfile::tempdir().unwrap();
        let mut keep = Keep::new(dir.path().into());
        keep.save("a.toml", b"x = 1\ny = 2\n").unwrap();
        let whole = fs::read(keep.path("a.toml")).unwrap();
        for length in 0..whole.len() {
            fs::write(keep.path("a.toml"), &whole[..length]).unwrap();
            assert_eq!(keep.load("a.toml"), None, "{length} bytes");
        }
    }

    #[test]
    fn reading_only_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        Keep::new(dir.path().into()).save("a.toml", b"x = 1").unwrap();
        let mut keep = Keep::read_only(dir.path().into());
        keep.save("a.toml", b"other").unwrap();
        keep.forget("a.toml");
        keep.prune([].iter());
        assert_eq!(keep.load("a.toml").as_deref(), Some(b"x = 1".as_slice()));
    }
}
