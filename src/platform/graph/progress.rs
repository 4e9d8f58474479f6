//! How far an attempt has come: what its checkpoints and its scratch hold.
//!
//! Checkpoints are told apart by what they hold and not by the name of their step, so that one learned by looking back
//! counts like one learned from the reply.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::look::Look;
use crate::domain::{Checkpoint, Remote, Timestamp};
use crate::platform::contract::{Attempt, Reading};

/// What the steps so far have left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "left", rename_all = "kebab-case")]
pub enum Left {
    Item {
        item: usize,
        id: String,
        at: Timestamp,
    },
    Container {
        part: usize,
        id: String,
        at: Timestamp,
        attempt: u32,
    },
    /// The container has its bytes.
    Bytes {
        container: String,
    },
    Posted {
        part: usize,
        id: String,
        url: Option<String>,
        attempt: u32,
    },
    Address {
        url: String,
    },
}

/// A container that was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    pub id: String,
    pub at: Timestamp,
    pub attempt: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Posted {
    pub id: String,
    pub url: Option<String>,
    pub attempt: u32,
}

#[derive(Debug, Default)]
pub struct Done {
    pub items: BTreeMap<usize, Made>,
    pub containers: BTreeMap<usize, Made>,
    pub sent: BTreeSet<String>,
    /// Published parts, without gaps.
    pub posts: Vec<Posted>,
    pub address: Option<String>,
}

impl Done {
    pub fn of(checkpoints: &[Checkpoint]) -> Self {
        let (mut done, mut posts) = (Self::default(), BTreeMap::new());
        for checkpoint in checkpoints {
            match Left::deserialize(&checkpoint.data) {
                Ok(Left::Item { item, id, at }) => drop(done.items.insert(item, Made { id, at, attempt: 0 })),
                Ok(Left::Container { part, id, at, attempt }) => {
                    done.containers.insert(part, Made { id, at, attempt });
                }
                Ok(Left::Bytes { container }) => drop(done.sent.insert(container)),
                Ok(Left::Posted { part, id, url, attempt }) => drop(posts.insert(part, Posted { id, url, attempt })),
                Ok(Left::Address { url }) => done.address = Some(url),
                Err(_) => {}
            }
        }
        let whole = posts.into_iter().enumerate().take_while(|(at, (part, _))| at == part);
        done.posts = whole.map(|(_, (_, posted))| posted).collect();
        done
    }

    /// What the platform calls the whole: its first part, and the last one where there are several.
    pub fn remote(&self) -> Option<Remote> {
        let (first, last) = (self.posts.first()?, self.posts.last()?);
        let reference = if self.posts.len() > 1 { serde_json::json!({ "last": last.id }) } else { Value::Null };
        let url = first.url.clone().or_else(|| self.address.clone());
        Some(Remote { id: first.id.clone(), url, reference: reference.into() })
    }
}

/// What harmless steps have learned; lost at a crash, and then learned again.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Scratch {
    pub quota: bool,
    /// Items that are finished.
    pub ready: BTreeSet<String>,
    pub finished: Option<Finished>,
    /// What a container has of the bytes that it is sent.
    pub stored: Option<Stored>,
    pub look: Option<Look>,
}

/// A container has so many bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stored {
    pub id: String,
    pub bytes: usize,
}

/// A container was finished at that moment, and how often it was found so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    pub id: String,
    pub at: Timestamp,
    pub times: u32,
}

impl Scratch {
    pub fn of(attempt: &Attempt<'_>) -> Self {
        Self::deserialize(attempt.scratch).unwrap_or_default()
    }

    pub fn learned(&self) -> Reading {
        Reading::Learned(data(self))
    }
}

pub fn data(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}
