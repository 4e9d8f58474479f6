//! How far an attempt has come: what its checkpoints and its scratch hold.
//!
//! Checkpoints are told apart by what they hold and not by the name of their step, so that one learned by looking
//! back counts like one learned from the reply.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::lookback::Look;
use crate::domain::{Checkpoint, Remote, Timestamp};
use crate::platform::contract::{Attempt, Reading};

/// What one step has left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "left", rename_all = "kebab-case")]
pub enum Left {
    /// Part `part` (from 0) is published.
    Posted { part: usize, id: String, at: Timestamp },
    /// An upload in segments has begun; of media file `media` (from 0).
    Opened { media: usize, id: String },
    Appended {
        media: usize,
        segment: usize,
        /// The upload that it is a segment of. One that was begun anew has none of them.
        upload: String,
    },
    /// The file is there; `ready` when X had it processed at once.
    Uploaded { media: usize, id: String, ready: bool, at: Timestamp },
    /// It has its description, or X wants none for it.
    Described { media: usize, upload: String },
}

impl Left {
    pub fn checkpoint(&self) -> Reading {
        Reading::Checkpoint(self.value())
    }

    pub fn value(&self) -> Value {
        serde_json::to_value(self).unwrap_or(Value::Null)
    }
}

/// A published part.
#[derive(Debug, Clone, PartialEq)]
pub struct Posted {
    pub id: String,
    pub at: Timestamp,
}

/// An upload, as far as it has come.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Upload {
    pub opened: Option<String>,
    pub segments: BTreeSet<usize>,
    pub id: Option<String>,
    pub ready: bool,
    pub described: bool,
    pub at: Option<Timestamp>,
}

/// What the steps so far have left.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Done {
    /// Published parts, the first one first, without gaps.
    pub posts: Vec<Posted>,
    pub uploads: BTreeMap<usize, Upload>,
}

impl Done {
    pub fn of(checkpoints: &[Checkpoint]) -> Self {
        let (mut posts, mut uploads) = (BTreeMap::new(), BTreeMap::<usize, Upload>::new());
        let (mut segments, mut described) = (Vec::new(), Vec::new());
        for left in checkpoints.iter().filter_map(|checkpoint| Left::deserialize(&checkpoint.data).ok()) {
            match left {
                Left::Posted { part, id, at } => {
                    posts.insert(part, Posted { id, at });
                }
                Left::Opened { media, id } => uploads.entry(media).or_default().opened = Some(id),
                Left::Appended { media, segment, upload } => segments.push((media, segment, upload)),
                Left::Uploaded { media, id, ready, at } => {
                    let upload = uploads.entry(media).or_default();
                    (upload.id, upload.ready, upload.at) = (Some(id), ready, Some(at));
                }
                Left::Described { media, upload } => described.push((media, upload)),
            }
        }
        // Steps can be done anew without what the earlier ones left being forgotten. That is of another upload then.
        for (media, segment, of) in segments {
            if let Some(upload) = uploads.get_mut(&media).filter(|upload| upload.opened.as_ref() == Some(&of)) {
                upload.segments.insert(segment);
            }
        }
        for (media, of) in described {
            if let Some(upload) = uploads.get_mut(&media).filter(|upload| upload.id.as_ref() == Some(&of)) {
                upload.described = true;
            }
        }
        let posts = posts.into_iter().enumerate().take_while(|(at, (part, _))| at == part);
        Self { posts: posts.map(|(_, (_, post))| post).collect(), uploads }
    }

    /// What the platform calls the whole: the first part, and the last one where there are several.
    pub fn remote(&self) -> Option<Remote> {
        let (first, last) = (self.posts.first()?, self.posts.last()?);
        let reference = if self.posts.len() > 1 { json!({ "last": last.id }) } else { Value::Null }.into();
        Some(Remote { id: first.id.clone(), url: Some(format!("https://x.com/i/web/status/{}", first.id)), reference })
    }
}

/// What harmless steps have learned. Lost at a crash, and then learned again.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Scratch {
    /// Uploads that were still in processing when X took them, and are ready now.
    pub ready: BTreeSet<usize>,
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
