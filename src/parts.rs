//! The world, as traits: what the driver needs from outside. `edge` implements them, the simulation imitates
//! them, `app` chooses.
//!
//! Work that takes time is given a `done` to call, from any thread, exactly once. So the traits know no runtime.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::policy::ApprovalMode;
use crate::domain::{Digest, Fault, MediaItem, PostId, Timestamp};
use crate::platform::contract::{Call, Failure, Media, Reply};
use crate::queue::Post;

/// Called once with the result.
pub type Done<T> = Box<dyn FnOnce(T) + Send>;

/// The wall clock.
pub trait Clock: Send + Sync {
    fn now(&self) -> Timestamp;

    /// Time that has passed since some fixed moment, suspended time included; it never goes back. Where it and the
    /// wall clock disagree, the wall clock was set.
    fn boot(&self) -> Duration;
}

/// Carries out an adapter's call: HTTP, files of the site, a program, or relays.
pub trait Caller: Send + Sync {
    /// `timeout` is for the whole call. Nothing is retried, no redirect is followed.
    fn call(&self, call: Call, timeout: Duration, done: Done<Result<Reply, Failure>>);
}

/// Reads what lies in the queue folder at the moment of sending.
pub trait Shelf: Send + Sync {
    /// Opens each file once, reads and hashes it. `queue_file` is the queue file that names them, relative to the
    /// queue folder.
    fn gather(&self, queue_file: Arc<str>, items: Vec<MediaItem>, done: Done<Result<Vec<Media>, ShelfError>>);

    /// Who has approved this by a signature, by what stands in the files now; or why nobody has whose word counts.
    fn vouch(&self, claim: Claim, done: Done<Result<Arc<str>, Unvouched>>) {
        done(Err(Unvouched::Void(format!("nobody can tell who has signed {}", claim.post))));
    }
}

/// Why nobody vouches for a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unvouched {
    /// Nobody has approved it whose word counts.
    Void(String),
    /// It cannot be told at this moment: a file cannot be read, or is being replaced.
    Unclear(String),
}

/// What is said to be approved by a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The queue file that holds it, relative to the queue folder.
    pub queue_file: Arc<str>,
    pub post: PostId,
    pub digest: Digest,
}

/// Chance that nobody can foretell, for nonces and one-time codes. What must be the same after a restart is drawn
/// elsewhere.
pub trait Chance: Send + Sync {
    /// Fills all of `bytes`.
    ///
    /// # Errors
    /// The operating system gives none; nothing may be made of `bytes` then.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), String>;
}

/// Why media cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShelfError {
    #[error("{file}: {why}")]
    Unreadable { file: String, why: String },
    #[error("{file} is {found}, approved was {approved}")]
    Changed { file: String, approved: Digest, found: Digest },
    /// The file is at hand, and not where the platform is to fetch it.
    #[error("{0}")]
    NotServed(String),
}

/// What the inbox saw in the queue folder.
#[derive(Debug, Clone)]
pub enum Inbox {
    /// A file was read, or could not be. `posts` is `None` when it cannot be used: its last good version stays.
    File { file: Arc<str>, posts: Option<Vec<Post>>, faults: Vec<Fault> },
    /// A file is not there any more.
    Gone { file: Arc<str> },
    /// The folder cannot be read, or nobody can tell whose signatures count: nothing is known of its files.
    Lost { why: String },
    /// From here on this counts as an approval. All that was told is told again.
    Anew { approval: ApprovalMode },
    /// What is wrong with the list of those whose signatures count.
    Signers { faults: Vec<Fault> },
    /// The whole folder has been read through (at the start, and after [`Inbox::Lost`] and [`Inbox::Anew`]).
    Complete,
}
