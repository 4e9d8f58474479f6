//! Reads through what a platform is to fetch from the web.
//!
//! A platform that fetches media itself is told an address, and what it finds there people will see. So what lies there
//! must be, byte for byte, what was approved, and that is looked at before an attempt begins: while a file is missing or
//! another one, nothing is recorded as begun and nothing is sent.
//!
//! It does not watch what happens to the file between the look and the fetch, which follows within the attempt.

use crate::domain::{Checkpoint, Digest, MediaItem};
use crate::platform::contract::{Adapter, Call, Failure, Fetch, Media, Public, Reply};

/// A file of a post, as it was read from the shelf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    item: MediaItem,
    mime: String,
    bytes: u64,
}

impl Read {
    pub fn of(media: &[Media]) -> Vec<Self> {
        let read = |media: &Media| Self {
            item: media.item.clone(),
            mime: media.mime.clone(),
            bytes: media.bytes.len() as u64,
        };
        media.iter().map(read).collect()
    }
}

/// One look at the files of one post.
#[derive(Debug)]
pub struct Look {
    /// Those that have not been looked at, the next one last.
    left: Vec<Wanted>,
}

/// What is to lie at an address.
#[derive(Debug)]
struct Wanted {
    public: Public,
    file: String,
    bytes: u64,
    sha256: Digest,
}

/// What a look has come to.
#[derive(Debug, PartialEq, Eq)]
pub enum Seen {
    /// There is another file to look at.
    More,
    /// All that the platform is to fetch is there.
    All,
    /// Something is not there as it was approved: what, and what a person does about it.
    Missing(String),
}

impl Look {
    /// `None` where the platform has nothing left to fetch.
    pub fn new(adapter: &dyn Adapter, files: &[Read], done: &[Checkpoint]) -> Option<Self> {
        let named: Vec<_> = files.iter().map(|file| (&file.item, file.mime.as_str())).collect();
        let wanted = |public: Public| {
            let Read { item, bytes, .. } = files.get(public.place)?;
            Some(Wanted { public, file: item.file.clone(), bytes: *bytes, sha256: item.sha256 })
        };
        let mut left: Vec<_> = adapter.fetches(&named, done).into_iter().filter_map(wanted).collect();
        left.reverse();
        (!left.is_empty()).then_some(Self { left })
    }

    /// The next call to make, whose answer [`Look::answered`] is told; `None` when all has been looked at.
    pub fn call(&self) -> Option<Call> {
        let Wanted { public, bytes, .. } = self.left.last()?;
        Some(Call::Fetch(Fetch { url: public.url.clone(), most: *bytes }))
    }

    /// What the last call has brought. That nobody answers is no better than another answer: the platform would not find
    /// the file either.
    pub fn answered(&mut self, result: &Result<Reply, Failure>) -> Seen {
        let Some(Wanted { public, file, bytes, sha256 }) = self.left.pop() else { return Seen::All };
        let what = match result {
            Ok(Reply::Fetched { status: 200, bytes: found, digest }) if found == &bytes && digest == &sha256 => {
                return if self.left.is_empty() { Seen::All } else { Seen::More };
            }
            Ok(Reply::Fetched { status: 200, .. }) => "serves another file than the approved one".to_owned(),
            Ok(Reply::Fetched { status, .. }) => format!("answers with status {status}"),
            Ok(_) => "was answered by something else".to_owned(),
            Err(failure) => format!("cannot be read ({failure})"),
        };
        Seen::Missing(format!("{} {what}: copy {file} there under that name, or mend {:?}", public.url, public.key))
    }
}
