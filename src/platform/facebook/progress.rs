//! How far an attempt has come: what its checkpoints and its scratch hold.
//!
//! Checkpoints say themselves what they are, so that one learned by looking back counts like one learned from the
//! reply.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::{Checkpoint, Remote, Timestamp};
use crate::platform::contract::{Attempt, Reading};

use super::lookback::Look;

/// A checkpoint.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum Kept {
    Photo(Photo),
    Video(Video),
    Chunk(Chunk),
    Draft(Draft),
    Posted(Posted),
}

/// A photo that nobody sees yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Photo {
    /// Place in the post's media, from 0.
    pub place: usize,
    pub id: String,
    pub at: Timestamp,
}

/// A video whose upload has begun. It has its id before it has a byte.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Video {
    pub id: String,
    /// The upload session.
    pub session: String,
    pub wanted: Span,
    pub at: Timestamp,
}

/// A piece of a video has arrived.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chunk {
    pub session: String,
    pub wanted: Span,
}

/// The bytes that Facebook asks for next; none where both are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    pub start: u64,
    pub end: u64,
}

/// A post that nobody sees yet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    pub id: String,
    pub url: Option<String>,
    pub at: Timestamp,
}

/// The post is out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Posted {
    pub id: String,
    pub url: String,
    /// The attempt in which it was learned.
    pub attempt: u32,
    pub at: Timestamp,
    /// It was seen, so it need not be confirmed.
    pub seen: bool,
}

/// What the steps so far have left.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Done {
    pub photos: BTreeMap<usize, Photo>,
    pub video: Option<Video>,
    pub draft: Option<Draft>,
    pub posted: Option<Posted>,
}

impl Done {
    pub fn of(checkpoints: &[Checkpoint]) -> Self {
        let mut done = Self::default();
        for Checkpoint { data, .. } in checkpoints {
            match Kept::deserialize(data) {
                Ok(Kept::Photo(photo)) => _ = done.photos.insert(photo.place, photo),
                Ok(Kept::Video(video)) => done.video = Some(video),
                Ok(Kept::Chunk(chunk)) => {
                    if let Some(video) = done.video.as_mut().filter(|video| video.session == chunk.session) {
                        video.wanted = chunk.wanted;
                    }
                }
                Ok(Kept::Draft(draft)) => done.draft = Some(draft),
                Ok(Kept::Posted(posted)) => done.posted = Some(posted),
                Err(_) => {}
            }
        }
        done
    }

    /// When the oldest upload was made.
    pub fn oldest_upload(&self) -> Option<Timestamp> {
        self.photos.values().map(|photo| photo.at).chain(self.video.iter().map(|video| video.at)).min()
    }
}

impl Posted {
    pub fn remote(&self) -> Remote {
        Remote { id: self.id.clone(), url: Some(self.url.clone()), reference: Value::Null.into() }
    }
}

impl Span {
    pub fn is_empty(self) -> bool {
        self.start >= self.end
    }
}

/// What harmless steps have learned. Lost at a crash, and then learned again.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Scratch {
    /// Our posts were looked through before a draft is made once more.
    pub looked: bool,
    /// When that was done for the first time, and nothing was there.
    pub clean: Option<Timestamp>,
    /// The post was asked for after it was published; what came back is no reason to doubt it.
    pub confirmed: bool,
    pub look: Option<Look>,
}

impl Scratch {
    pub fn of(attempt: &Attempt<'_>) -> Self {
        Self::deserialize(attempt.scratch).unwrap_or_default()
    }

    /// The reading that keeps it.
    pub fn learned(&self) -> Reading {
        Reading::Learned(serde_json::to_value(self).unwrap_or(Value::Null))
    }
}

/// A checkpoint's data.
pub fn data(kept: &Kept) -> Value {
    serde_json::to_value(kept).unwrap_or(Value::Null)
}
