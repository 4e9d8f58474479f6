//! How far an attempt has come: what its checkpoints and its scratch hold.
//!
//! Checkpoints are told apart by what they hold and not by the name of their step, so that one learned by looking back
//! counts like one learned from the reply.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::{Checkpoint, Timestamp};
use crate::platform::contract::{Attempt, Reading};

/// Checkpoint of an upload that was begun.
// No `Debug`: the address must not be printed.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Begun {
    /// The session's address. Whoever has it may put bytes there. Ledgers of earlier versions have it under `session`.
    #[serde(rename = "private", alias = "session")]
    pub session: String,
}

/// Checkpoint of an upload that is complete: a private video.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Uploaded {
    pub video: String,
    pub uploaded: Timestamp,
}

/// Checkpoint of the thumbnail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Adorned {
    pub thumbnail_of: String,
}

/// Checkpoint of the captions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Captioned {
    pub captions_of: String,
}

/// Checkpoint of the place in a playlist.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Listed {
    pub playlist: String,
}

/// Checkpoint of the publication.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Published {
    pub published: String,
}

/// What the steps so far have left.
#[derive(Clone, Default, PartialEq)]
pub struct Done {
    pub begun: Option<Begun>,
    pub uploaded: Option<Uploaded>,
    pub adorned: bool,
    pub captioned: bool,
    pub listed: Option<String>,
    pub published: Option<Published>,
}

impl Done {
    pub fn of(checkpoints: &[Checkpoint]) -> Self {
        let mut done = Self::default();
        for Checkpoint { data, .. } in checkpoints {
            if let Ok(begun) = Begun::deserialize(data) {
                // What an earlier session came to is over.
                done = Self { begun: Some(begun), published: done.published, ..Self::default() };
            } else if let Ok(uploaded) = Uploaded::deserialize(data) {
                done.uploaded = Some(uploaded);
            } else if let Ok(listed) = Listed::deserialize(data) {
                done.listed = Some(listed.playlist);
            } else if let Ok(published) = Published::deserialize(data) {
                done.published = Some(published);
            } else if Adorned::deserialize(data).is_ok() {
                done.adorned = true;
            } else if Captioned::deserialize(data).is_ok() {
                done.captioned = true;
            }
        }
        done
    }
}

/// What harmless steps have learned. Lost at a crash, and then learned again.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Scratch {
    /// How many bytes the session has, once it was asked.
    pub stored: Option<usize>,
    /// It has them all.
    pub whole: bool,
    /// The video may be shown to people.
    pub processed: bool,
    /// Whether the playlist holds it, once it was looked for.
    pub in_playlist: Option<bool>,
}

impl Scratch {
    pub fn of(attempt: &Attempt<'_>) -> Self {
        Self::deserialize(attempt.scratch).unwrap_or_default()
    }

    /// The reading that keeps it.
    pub fn learned(&self) -> Reading {
        Reading::Learned(data(self))
    }
}

/// A checkpoint's data.
pub fn data(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}
