//! The inbox: what the queue folder holds, and what changes in it.
//!
//! `scan` lists the folder without reading it. [`Desk`] remembers what was read, reads again what has changed, and says
//! so in [`crate::parts::Inbox`] messages; it starts nothing and waits for nothing. `keep` holds the last good version of
//! each file. [`Watcher`] is the thread that looks when the operating system hints at a change, and at fixed times
//! anyway, because hints get lost.
//!
//! It does not know what a queue file means: bytes go to a [`Reader`], posts and faults come back. Where approvals are
//! signed, what stands beside a queue file is looked after as the media are that it names.
//!
//! Invariants:
//! - Nothing outside the queue folder is opened, and nothing that is not a regular file.
//! - A file that cannot be read or used never takes its last good posts away, and never keeps another file back.
//! - A file is gone only when a folder that could be read does not hold it.
//! - Where signatures count and nobody can tell whose, because that list cannot be read, nothing is known of the queue: that
//!   is no word against any post. The same goes for one file while what is signed beside it cannot be read.

mod desk;
mod keep;
mod scan;
mod watcher;

use std::path::PathBuf;
use std::sync::Arc;

pub use desk::{Depth, Desk, Look, Patience, read_all};
pub use keep::Keep;
pub use scan::{Entry, Scan, scan};
pub use watcher::{Watch, Watcher};

use crate::domain::FoundMedia;
use crate::domain::policy::ApprovalMode;
use crate::edge::signatures::Watched;
use crate::queue::parse::Reading;

/// Makes posts of a queue file.
pub struct Reader {
    read: Read,
    /// What counts as an approval here, where somebody wants to know when it does.
    approval: Option<ApprovalMode>,
    /// Who may sign, where approvals are signed.
    signers: Option<Watched>,
}

/// Its path relative to the queue folder, its bytes, and a way to ask for the digest of a media file by the path that stands
/// in it.
type Read = Box<dyn FnMut(&Arc<str>, &[u8], &mut dyn FnMut(&str) -> Result<FoundMedia, String>) -> Reading + Send>;

impl Reader {
    pub fn new(
        read: impl FnMut(&Arc<str>, &[u8], &mut dyn FnMut(&str) -> Result<FoundMedia, String>) -> Reading + Send + 'static,
    ) -> Self {
        Self { read: Box::new(read), approval: None, signers: None }
    }

    /// Says that this counts as an approval, before the first file that is read so ([`Inbox::Anew`]).
    ///
    /// [`Inbox::Anew`]: crate::parts::Inbox::Anew
    #[must_use]
    pub fn counting(mut self, approval: ApprovalMode) -> Self {
        self.approval = Some(approval);
        self
    }

    /// Approvals count only when they are signed by those whom this file allows to.
    #[must_use]
    pub fn signed_by(mut self, allowed_signers: PathBuf) -> Self {
        self.signers = Some(Watched::new(allowed_signers));
        self
    }
}
