//! How far an attempt has come: what its checkpoints and its scratch hold.
//!
//! Checkpoints are told apart by what they hold and not by the name of their step, so that one learned by looking
//! back counts like one learned from the reply.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::{Checkpoint, Remote, Timestamp};
use crate::platform::contract::{Attempt, Reading};

use super::lookback::Look;

/// Checkpoint of a published part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Posted {
    /// From 0.
    pub part: usize,
    pub id: String,
    pub url: Option<String>,
    /// What the server made of it: the public posts of a silenced account are stored as unlisted.
    pub visibility: Option<String>,
    /// The attempt in which it was learned.
    pub attempt: u32,
    pub at: Timestamp,
    /// It was seen among our posts, so it need not be confirmed.
    #[serde(default)]
    pub seen: bool,
}

/// Checkpoint of an upload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Uploaded {
    /// Place in the post's media, from 0.
    pub media: usize,
    pub id: String,
    /// The server had processed it when it answered.
    pub ready: bool,
    pub at: Timestamp,
}

/// What the steps so far have left.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Done {
    /// Published parts, the first one first, without gaps.
    pub posts: Vec<Posted>,
    pub uploads: BTreeMap<usize, Uploaded>,
}

impl Done {
    pub fn of(checkpoints: &[Checkpoint]) -> Self {
        let mut done = Self::default();
        let mut posts = BTreeMap::new();
        for Checkpoint { data, .. } in checkpoints {
            if let Ok(posted) = Posted::deserialize(data) {
                posts.insert(posted.part, posted);
            } else if let Ok(uploaded) = Uploaded::deserialize(data) {
                done.uploads.insert(uploaded.media, uploaded);
            }
        }
        done.posts =
            posts.into_values().enumerate().take_while(|(at, post)| *at == post.part).map(|(_, post)| post).collect();
        done
    }

    /// What the platform calls the whole: the first part, and the last one where there are several.
    pub fn remote(&self) -> Option<Remote> {
        let (first, last) = (self.posts.first()?, self.posts.last()?);
        let reference = if self.posts.len() > 1 { serde_json::json!({ "last": last.id }) } else { Value::Null }.into();
        Some(Remote { id: first.id.clone(), url: first.url.clone(), reference })
    }
}

/// What harmless steps have learned. Lost at a crash, and then learned again.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Scratch {
    /// The post that ours answers.
    pub parent: Option<Parent>,
    /// Uploads that were still in processing when the server took them, and are ready now.
    pub ready: BTreeSet<usize>,
    /// The last part was asked for after it was published; what came back is no reason to doubt it.
    pub confirmed: bool,
    pub look: Option<Look>,
}

/// Somebody's post, as this server knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Parent {
    Id(String),
    /// It cannot be found any more; a read-back goes on without it.
    Gone,
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
pub fn data(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}
