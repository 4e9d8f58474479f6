//! The records about people, as JSON with a version in each.
//!
//! They have a journal of their own, apart from that of deliveries, because they are not kept for ever: retention and
//! `forget` write it anew without what is to go. Nothing that decides about publishing is in it, but who waits for an
//! answer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::{AccountId, DeliveryId, Digest, Interaction, Message, PersonId, Profile, Timestamp};

/// Version that this build writes.
pub const VERSION: u32 = 1;

/// One fact about people and when it was recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    #[serde(rename = "v")]
    pub version: u32,
    pub at: Timestamp,
    pub fact: Fact,
}

impl Record {
    pub fn new(at: Timestamp, fact: Fact) -> Self {
        Self { version: VERSION, at, fact }
    }

    /// The bytes that are kept.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a record is made of texts and numbers only")
    }

    /// Reads what [`Record::encode`] wrote, by this version or an earlier one.
    ///
    /// # Errors
    /// The bytes are no record, or one of a later version.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        #[derive(Deserialize)]
        struct Head {
            v: u32,
        }
        match serde_json::from_slice::<Head>(bytes) {
            Ok(head) if head.v > VERSION => Err(DecodeError::Newer(head.v)),
            Ok(_) => serde_json::from_slice(bytes).map_err(|cause| DecodeError::Garbled(cause.to_string())),
            Err(cause) => Err(DecodeError::Garbled(cause.to_string())),
        }
    }
}

/// Why bytes are no record about people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("written by a later version of cadenced (record version {0}); use that version")]
    Newer(u32),
    #[error("not a record about people: {0}")]
    Garbled(String),
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fact {
    /// How somebody looks from now on; before anything else that names them.
    Person(Profile),
    /// What a post of ours has come to.
    Sampled(Box<Sample>),
    /// What was said, below a post of ours (`delivery`) or to us.
    Said {
        account: AccountId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        delivery: Option<DeliveryId>,
        message: Message,
    },
    /// It was taken back.
    Unsaid { account: AccountId, id: String },
    /// A person of ours has said that these need no answer any more, by [`Message::id`].
    Settled { account: AccountId, ids: Vec<String>, by: String },
    /// How far it is known who has spoken to an account of ours.
    Heard { account: AccountId, to: String },
    /// Somebody is never to be recorded again: SHA-256 over their id.
    Forgotten { person: Digest },
}

impl Fact {
    /// Stable name of what was seen.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Person(_) => "person",
            Self::Sampled(_) => "sampled",
            Self::Said { .. } => "said",
            Self::Unsaid { .. } => "unsaid",
            Self::Settled { .. } => "settled",
            Self::Heard { .. } => "heard",
            Self::Forgotten { .. } => "forgotten",
        }
    }

    /// The post of ours that it is about.
    pub fn delivery(&self) -> Option<&DeliveryId> {
        match self {
            Self::Sampled(sample) => Some(&sample.delivery),
            Self::Said { delivery, .. } => delivery.as_ref(),
            _ => None,
        }
    }

    /// The account of ours that it is about.
    pub fn account(&self) -> Option<&AccountId> {
        match self {
            Self::Sampled(sample) => Some(&sample.delivery.account),
            Self::Said { account, .. }
            | Self::Unsaid { account, .. }
            | Self::Settled { account, .. }
            | Self::Heard { account, .. } => Some(account),
            Self::Person(_) | Self::Forgotten { .. } => None,
        }
    }
}

/// What a post has come to, and what has changed since the sample before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    pub delivery: DeliveryId,
    /// How old the post was when it was looked at, in seconds.
    pub age: u64,
    /// It is not there any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub gone: bool,
    /// What the platform counts; a kind that is absent is unknown.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counts: BTreeMap<Interaction, u64>,
    /// Who has done it since the sample before; replies are in [`Fact::Said`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub came: BTreeMap<Interaction, Vec<Came>>,
    /// Who has undone it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub left: BTreeMap<Interaction, Vec<PersonId>>,
}

/// Somebody has done something, and when: as the platform tells, or else when it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Came(pub PersonId, pub Timestamp);
