//! One queue file: bytes become posts, or faults with line and column, all at once.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::domain::policy::ApprovalMode;
use crate::domain::{AccountId, Digest, Fault};

use super::Post;

/// What the text alone does not tell.
pub struct Surroundings<'a> {
    pub approval: ApprovalMode,
    /// The configured accounts; `None` when nobody has looked (then any name is taken).
    pub accounts: Option<&'a BTreeSet<AccountId>>,
    /// SHA-256 of a media file by its path as written, or why it cannot be used. The edge looks.
    pub media: &'a mut dyn FnMut(&str) -> Result<Digest, String>,
}

/// What a file says.
#[derive(Debug, Clone)]
pub struct Reading {
    /// `None` when the file cannot be used as a whole. A post with a trouble of its own (no such account, a media
    /// file that is missing) is here, with [`Post::trouble`] set, and its fault is in `faults`.
    pub posts: Option<Vec<Post>>,
    pub faults: Vec<Fault>,
}

/// Reads one file. `file` is its path relative to the queue folder.
pub fn read(_file: &Arc<str>, _bytes: &[u8], _around: &mut Surroundings<'_>) -> Reading {
    unimplemented!()
}
