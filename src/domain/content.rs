//! What is said: one post as one account publishes it.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Digest, PostId};

/// What a post is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Goal {
    /// To meet the people it is for.
    Connection,
    /// To move something.
    Change,
    /// To sell; `policy.promotion` limits its share.
    Promotion,
}

impl Goal {
    pub const ALL: [Self; 3] = [Self::Connection, Self::Change, Self::Promotion];

    /// As written in a queue file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Change => "change",
            Self::Promotion => "promotion",
        }
    }
}

/// Who may see it, where the platform knows the difference.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Visibility {
    /// Everybody, and it is listed.
    #[default]
    Public,
    /// Everybody who has the address; it is not listed.
    Unlisted,
    /// Followers only.
    Followers,
}

/// What a post answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReplyTo {
    /// A post of ours, by its id in the queue.
    Ours(PostId),
    /// Somebody's post, by its URL (`https://`) or URI (`at://`).
    Theirs(String),
}

/// One file that goes with a post.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaItem {
    /// Path relative to the queue file, as it was written.
    pub file: String,
    /// Description for people who do not see it.
    pub alt: String,
    /// SHA-256 of the bytes that were approved.
    pub sha256: Digest,
    /// What the bytes are, where somebody has looked; no part of what is approved.
    #[serde(skip)]
    pub facts: Option<Arc<MediaFacts>>,
}

/// What the bytes of a media file say of themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaFacts {
    /// By content, not by name.
    pub mime: &'static str,
    pub bytes: u64,
    /// Width and height in pixels, of an image or a video.
    pub size: Option<(u32, u32)>,
    /// How long a video or a sound plays.
    pub duration: Option<Duration>,
}

/// A media file as somebody has found it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundMedia {
    pub sha256: Digest,
    pub facts: Option<Arc<MediaFacts>>,
}

impl From<Digest> for FoundMedia {
    fn from(sha256: Digest) -> Self {
        Self { sha256, facts: None }
    }
}

/// A post as one account publishes it: its variant is applied, its defaults are filled in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Content {
    pub text: String,
    pub link: Option<String>,
    /// BCP 47.
    pub lang: Option<String>,
    /// Without `#`.
    pub tags: Vec<String>,
    pub media: Vec<MediaItem>,
    /// The parts after the first; each answers the one before it.
    pub thread: Vec<String>,
    pub reply_to: Option<ReplyTo>,
    pub visibility: Visibility,
    /// Content warning.
    pub warning: Option<String>,
}
