//! The list of queue files in a folder and the folders in it.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use crate::edge::beneath::{self, Folder, Kind, Stamp};

/// Deepest folder in folders. Real queues need two or three.
const DEPTH: usize = 32;
/// Most names that are looked at, files of every kind together; bounds time and memory for a folder that was not meant.
const NAMES: usize = 200_000;

/// What stands under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    File(Stamp),
    /// Called like a queue file, but cannot be read as one; why.
    Odd(String),
    /// A folder that could not be listed: nothing is known of what it holds; why.
    Unlisted(String),
    /// A symlink to a folder, which is not followed.
    Shortcut,
}

/// What a queue folder holds, by path relative to it, in name order.
#[derive(Debug, Default)]
pub struct Scan {
    pub entries: BTreeMap<Arc<str>, Entry>,
}

impl Scan {
    /// Whether `file`, which was not found, may be there all the same.
    pub fn may_hold(&self, file: &str) -> bool {
        self.entries.iter().any(|(path, entry)| {
            let below = || file.strip_prefix(&**path).is_some_and(|rest| rest.starts_with('/'));
            matches!(entry, Entry::Unlisted(_)) && (&**path == WHOLE || below())
        })
    }

    /// Whether there is a folder of which nobody knows what it holds.
    pub fn is_partial(&self) -> bool {
        self.entries.values().any(|entry| matches!(entry, Entry::Unlisted(_)))
    }

    fn put(&mut self, path: &str, entry: Entry) {
        self.entries.insert(path.into(), entry);
    }
}

/// How the folder itself is called in messages.
const WHOLE: &str = ".";

/// Lists all `*.toml` files. Names that begin with a dot are skipped: editors keep their temporary files there.
///
/// # Errors
/// When the folder itself cannot be listed.
pub fn scan(folder: &Folder) -> io::Result<Scan> {
    let mut scan = Scan::default();
    let mut names = 0;
    let mut waiting = vec![(String::new(), folder.entries("", named_as_queue_file)?)];
    while let Some((parent, entries)) = waiting.pop() {
        names += entries.len();
        if names > NAMES {
            scan.put(WHOLE, Entry::Unlisted(format!("it holds more than {NAMES} names")));
            break;
        }
        for entry in entries {
            if entry.name.starts_with(b".") {
                continue;
            }
            let is_queue_file = named_as_queue_file(&entry.name);
            let Some(name) = printable(&entry.name) else {
                if is_queue_file || entry.kind == Kind::Folder {
                    let name: String = String::from_utf8_lossy(&entry.name).escape_debug().collect();
                    scan.put(&join(&parent, &name), Entry::Odd("its name is not printable UTF-8".into()));
                }
                continue;
            };
            let path = join(&parent, name);
            match entry.kind {
                Kind::File | Kind::Symlink if is_queue_file => match entry.stamp.map_or_else(|| folder.look(&path), Ok)
                {
                    Ok(stamp) => scan.put(&path, Entry::File(stamp)),
                    // Removed since it was listed.
                    Err(error) if error.kind() == io::ErrorKind::NotFound && entry.kind == Kind::File => {}
                    Err(error) => scan.put(&path, Entry::Odd(beneath::reason(&error))),
                },
                Kind::Folder if is_queue_file => scan.put(&path, Entry::Odd("it is a folder, not a file".into())),
                Kind::Other(word) if is_queue_file => {
                    scan.put(&path, Entry::Odd(format!("it is {word}, not a file")));
                }
                Kind::Folder if path.split('/').count() > DEPTH => {
                    scan.put(&path, Entry::Unlisted(format!("it lies more than {DEPTH} folders deep")));
                }
                Kind::Folder => match folder.entries(&path, named_as_queue_file) {
                    Ok(entries) => waiting.push((path, entries)),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => scan.put(&path, Entry::Unlisted(beneath::reason(&error))),
                },
                Kind::Symlink if folder.leads_to_a_folder(&path) => scan.put(&path, Entry::Shortcut),
                Kind::File | Kind::Symlink | Kind::Other(_) => {}
            }
        }
    }
    Ok(scan)
}

fn named_as_queue_file(name: &[u8]) -> bool {
    name.ends_with(b".toml")
}

fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() { name.into() } else { format!("{parent}/{name}") }
}

/// The name, if it can stand in a message and in one line.
fn printable(name: &[u8]) -> Option<&str> {
    std::str::from_utf8(name).ok().filter(|name| !name.chars().any(char::is_control))
}
