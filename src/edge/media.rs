//! Media files: their digests at intake, their bytes at the moment of sending.
//!
//! [`Hasher`] tells the digest of a file when a queue file is read, and remembers it for as long as the file stays
//! the same. [`MediaShelf`] opens a file once, reads it whole, hashes those bytes and hands out those very bytes, so
//! that what was approved is what leaves, whatever happens to the file meanwhile.
//!
//! Nothing is decoded: kind, dimensions and duration are read from the headers.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek};
use std::path::PathBuf;
use std::sync::Arc;

use sha2::Digest as _;
use tokio::runtime::Handle;

use super::beneath::{self, Folder, FolderPath, Stamp};
use super::clock::SystemClock;
use super::film;
use super::signatures::{self, SignersPath};
use crate::domain::{Digest, FoundMedia, MediaFacts, MediaItem, limits};
use crate::parts::{Claim, Clock as _, Done, Shelf, ShelfError, Unvouched};
use crate::platform::contract::Media;

/// How much of a file is held while its digest is taken.
const PIECE: usize = 64 * 1024;
/// As much of a file's beginning is looked into for its kind and dimensions; more is asked for by hostile pictures only.
const HEADERS: u64 = 1024 * 1024;
/// The kind of what has none that we know.
const UNKNOWN: &str = "application/octet-stream";

/// Digests of media files and what their headers say, kept until a file changes.
#[derive(Debug, Default)]
pub struct Hasher {
    known: HashMap<String, (Stamp, FoundMedia)>,
}

impl Hasher {
    /// What the file is that `queue_file` (relative to `folder`) calls `path`, and the stamp for which that holds.
    /// `settled` says whether a file with that stamp can be told from a later version of itself by the stamp; of files
    /// that cannot, nothing is kept.
    ///
    /// # Errors
    /// A lower-case reason why the file cannot be used.
    pub fn hash(
        &mut self,
        folder: &Folder,
        queue_file: &str,
        path: &str,
        settled: impl Fn(&Stamp) -> bool,
    ) -> Result<(Stamp, FoundMedia), String> {
        let path = beneath::beside(queue_file, path)?;
        let stamp = folder.look(&path).map_err(|error| beneath::reason(&error))?;
        if let Some(known) = self.known.get(&path).filter(|known| known.0 == stamp) {
            return Ok(known.clone());
        }
        self.known.remove(&path);
        let (mut file, stamp) = folder.file(&path).map_err(|error| beneath::reason(&error))?;
        too_large(&stamp)?;
        let sha256 = digest_of(&mut file).map_err(|error| beneath::reason(&error))?;
        let facts = file.rewind().ok().and_then(|()| facts_of(file, stamp.size)).map(Arc::new);
        let found = FoundMedia { sha256, facts };
        if settled(&stamp) {
            self.known.insert(path, (stamp, found.clone()));
        }
        Ok((stamp, found))
    }

    /// How many digests are kept.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

/// What a media file is, for commands that read the queue once.
///
/// # Errors
/// A lower-case reason why the file cannot be used.
pub fn look(queue: &std::path::Path, queue_file: &str, path: &str) -> Result<FoundMedia, String> {
    let folder = Folder::open(queue).map_err(|error| beneath::reason(&error))?;
    Hasher::default().hash(&folder, queue_file, path, |_| false).map(|(_, found)| found)
}

/// Reads media from the queue folder, on the runtime's threads for blocking work.
#[derive(Debug, Clone)]
pub struct MediaShelf {
    runtime: Handle,
    queue: FolderPath,
    signers: SignersPath,
}

impl MediaShelf {
    /// `signers` is where those stand whose signatures count.
    pub fn new(runtime: Handle, queue: PathBuf, signers: SignersPath) -> Self {
        Self { runtime, queue: FolderPath(queue), signers }
    }
}

impl Shelf for MediaShelf {
    fn gather(&self, queue_file: Arc<str>, items: Vec<MediaItem>, done: Done<Result<Vec<Media>, ShelfError>>) {
        let queue = self.queue.clone();
        let first = items.first().map(|item| item.file.clone()).unwrap_or_default();
        let work = self.runtime.spawn_blocking(move || gather(&queue, &queue_file, items));
        // Bytes that nobody has looked into before may make a reader of headers panic: that is an answer, too.
        let broken = move |_| Err(ShelfError::Unreadable { file: first, why: "reading it failed".into() });
        self.runtime.spawn(async move { done(work.await.unwrap_or_else(broken)) });
    }

    fn vouch(&self, claim: Claim, done: Done<Result<Arc<str>, Unvouched>>) {
        let (queue, signers) = (self.queue.clone(), self.signers.clone());
        let work = self.runtime.spawn_blocking(move || signatures::vouch(&queue, &signers, &claim, SystemClock.now()));
        let broken = |_| Err(Unvouched::Unclear("looking at the signature failed".into()));
        self.runtime.spawn(async move { done(work.await.unwrap_or_else(broken)) });
    }
}

fn gather(queue: &FolderPath, queue_file: &str, items: Vec<MediaItem>) -> Result<Vec<Media>, ShelfError> {
    let mut folder = None;
    let mut gathered = Vec::with_capacity(items.len());
    for item in items {
        let unreadable = |why: String| ShelfError::Unreadable { file: item.file.clone(), why };
        let folder = match &folder {
            Some(folder) => folder,
            None => folder.insert(queue.open().map_err(|_| unreadable("the queue folder cannot be opened".into()))?),
        };
        let bytes = read(folder, queue_file, &item.file).map_err(unreadable)?;
        let found = Digest::of(&bytes);
        if found != item.sha256 {
            return Err(ShelfError::Changed { file: item.file, approved: item.sha256, found });
        }
        gathered.push(media(item, bytes));
    }
    Ok(gathered)
}

/// Reads a file whole into memory that is shared from then on; media are large and are not copied once more.
fn read(folder: &Folder, queue_file: &str, path: &str) -> Result<Arc<[u8]>, String> {
    let path = beneath::beside(queue_file, path)?;
    let (mut file, stamp) = folder.file(&path).map_err(|error| beneath::reason(&error))?;
    too_large(&stamp)?;
    let size = usize::try_from(stamp.size).map_err(|_| "the file is too large")?;
    let mut bytes: Arc<[u8]> = std::iter::repeat_n(0, size).collect();
    let room = Arc::get_mut(&mut bytes).ok_or("the memory for it is shared")?;
    match file.read_exact(room).and_then(|()| file.read(&mut [0])) {
        Ok(0) => Ok(bytes),
        Ok(_) => Err("it grew while it was read".into()),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err("it shrank while it was read".into()),
        Err(error) => Err(beneath::reason(&error)),
    }
}

fn media(item: MediaItem, bytes: Arc<[u8]>) -> Media {
    let facts = facts_of(Cursor::new(&bytes), bytes.len() as u64).map(Arc::new);
    let mime = facts.as_ref().map_or(UNKNOWN, |facts| facts.mime).into();
    let size = facts.as_ref().and_then(|facts| facts.size);
    Media { item: MediaItem { facts, ..item }, mime, size, bytes }
}

/// What the headers of a file say; `None` where its kind is not known, and where reading them makes the reader stumble,
/// which only hostile bytes do.
fn facts_of(mut file: impl Read + Seek, bytes: u64) -> Option<MediaFacts> {
    let look = std::panic::AssertUnwindSafe(|| {
        let mut head = Vec::new();
        file.by_ref().take(HEADERS).read_to_end(&mut head).ok()?;
        let mime = infer::get(&head)?.mime_type();
        let (size, duration) = match mime.split_once('/').map_or("", |(family, _)| family) {
            "image" => (imagesize::blob_size(&head).ok().and_then(|size| in_pixels(size.width, size.height)), None),
            "video" | "audio" => film::look(&mut file).map_or((None, None), |film| (film.size, film.duration)),
            _ => (None, None),
        };
        Some(MediaFacts { mime, bytes, size, duration })
    });
    std::panic::catch_unwind(look).ok().flatten()
}

fn in_pixels(width: usize, height: usize) -> Option<(u32, u32)> {
    let side = |pixels: usize| u32::try_from(pixels).ok().filter(|side| *side > 0);
    Some((side(width)?, side(height)?))
}

fn too_large(stamp: &Stamp) -> Result<(), String> {
    match stamp.size {
        0 => Err("the file is empty".into()),
        size if size > limits::MEDIA_BYTES => {
            Err(format!("the file has {size} bytes, more than {} MiB", limits::MEDIA_BYTES >> 20))
        }
        _ => Ok(()),
    }
}

fn digest_of(file: &mut File) -> io::Result<Digest> {
    let mut hash = sha2::Sha256::new();
    let mut piece = vec![0; PIECE];
    // The limit again, for a file that grows while it is read.
    let mut left = limits::MEDIA_BYTES;
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(Digest(hash.finalize().into())),
            Ok(length) => {
                hash.update(&piece[..length]);
                left = left.checked_sub(length as u64).ok_or_else(|| io::Error::other("it grew while it was read"))?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
#[path = "../../tests/support/mp4.rs"]
pub mod mp4;

#[cfg(test)]
mod tests {
    use super::*;

    /// The smallest PNG header that tells a size: 3 x 2 pixels.
    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x03\0\0\0\x02\x08\x02\0\0\0";

    fn item(file: &str, bytes: &[u8]) -> MediaItem {
        MediaItem { file: file.into(), alt: "a picture".into(), sha256: Digest::of(bytes), facts: None }
    }

    fn queue() -> (tempfile::TempDir, FolderPath) {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("week/img")).unwrap();
        std::fs::write(dir.path().join("week/img/desk.jpg"), PNG).unwrap();
        std::fs::write(dir.path().join("drawing.svg"), "<svg xmlns='http://www.w3.org/2000/svg'/>").unwrap();
        let path = FolderPath(dir.path().into());
        (dir, path)
    }

    #[test]
    fn media_are_what_their_bytes_say_not_their_names() {
        let (_dir, queue) = queue();
        let media = gather(&queue, "week/a.toml", vec![item("img/desk.jpg", PNG)]).unwrap();
        assert_eq!((media[0].mime.as_str(), media[0].size), ("image/png", Some((3, 2))));
        assert_eq!(&*media[0].bytes, PNG);
        let svg = std::fs::read(queue.0.join("drawing.svg")).unwrap();
        let media = gather(&queue, "week/a.toml", vec![item("../drawing.svg", &svg)]).unwrap();
        assert_eq!((media[0].mime.as_str(), media[0].size), ("application/octet-stream", None));
    }

    #[test]
    fn headers_tell_kind_size_and_duration_at_intake_and_at_the_time_of_sending() {
        let (dir, queue) = queue();
        let film = mp4::film(640, 480, 2_500, &[0; 20_000]);
        std::fs::write(dir.path().join("film.jpg"), &film).unwrap();
        std::fs::write(dir.path().join("half.mp4"), &film[..60]).unwrap();
        let facts = |file: &str| {
            let found = look(&queue.0, "a.toml", file).unwrap();
            let sent = gather(&queue, "a.toml", vec![item(file, &std::fs::read(dir.path().join(file)).unwrap())]);
            assert_eq!(sent.unwrap()[0].item.facts, found.facts, "{file}");
            let facts = found.facts.unwrap();
            (facts.mime, facts.bytes, facts.size, facts.duration.map(|span| span.as_millis()))
        };
        let length = film.len() as u64;
        assert_eq!(facts("film.jpg"), ("video/mp4", length, Some((640, 480)), Some(2_500)));
        assert_eq!(facts("half.mp4"), ("video/mp4", 60, None, None));
        assert_eq!(facts("week/img/desk.jpg"), ("image/png", PNG.len() as u64, Some((3, 2)), None));
        assert_eq!(
            look(&queue.0, "a.toml", "drawing.svg").unwrap().facts,
            None,
            "of what is not known nothing is said"
        );
    }

    #[test]
    fn bytes_that_were_not_approved_are_not_handed_out() {
        let (_dir, queue) = queue();
        let error = gather(&queue, "week/a.toml", vec![item("img/desk.jpg", b"other")]).unwrap_err();
        let changed =
            ShelfError::Changed { file: "img/desk.jpg".into(), approved: Digest::of(b"other"), found: Digest::of(PNG) };
        assert_eq!(error, changed);
        let error = gather(&queue, "a.toml", vec![item("none.png", b"")]).unwrap_err();
        assert_eq!(error.to_string(), "none.png: there is no such file");
        let error = gather(&queue, "a.toml", vec![item("../../etc/passwd", b"")]).unwrap_err();
        assert_eq!(error.to_string(), "../../etc/passwd: the path leads out of the queue folder");
    }

    #[test]
    fn a_digest_is_kept_until_the_file_changes() {
        let (dir, _) = queue();
        let folder = Folder::open(dir.path()).unwrap();
        let mut hasher = Hasher::default();
        let mut hash = |settled: bool| hasher.hash(&folder, "week/a.toml", "img/desk.jpg", |_| settled);
        let first = hash(true).unwrap();
        assert_eq!(first.1.sha256, Digest::of(PNG));
        assert_eq!(hash(true), Ok(first.clone()));
        // A new file under the old name: another inode, so another stamp whatever the clock says.
        std::fs::write(dir.path().join("new"), b"other").unwrap();
        std::fs::rename(dir.path().join("new"), dir.path().join("week/img/desk.jpg")).unwrap();
        assert_eq!(hash(false).unwrap().1.sha256, Digest::of(b"other"));
        std::fs::remove_file(dir.path().join("week/img/desk.jpg")).unwrap();
        assert_eq!(hash(true), Err("there is no such file".into()));
    }

    #[test]
    fn files_that_are_too_large_or_empty_are_refused_unread() {
        let (dir, queue) = queue();
        File::create(dir.path().join("huge")).unwrap().set_len(limits::MEDIA_BYTES + 1).unwrap();
        File::create(dir.path().join("empty")).unwrap();
        assert!(look(&queue.0, "a.toml", "huge").unwrap_err().contains("more than 100 MiB"));
        assert_eq!(look(&queue.0, "a.toml", "empty"), Err("the file is empty".into()));
        assert!(gather(&queue, "a.toml", vec![item("huge", b"")]).is_err());
    }
}
