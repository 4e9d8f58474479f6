//! The records of the delivery journal, as JSON with a version in each.
//!
//! A record that some version wrote stays readable for all later ones; `tests/fixtures/ledger` holds samples that
//! prove it. New fields are optional; a new meaning gets a new kind.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::{AccountId, Checkpoint, DeliveryId, Digest, Gain, Held, Month, Remote, Sealed, Spend, Timestamp};

/// Version that this build writes.
pub const VERSION: u32 = 1;

/// One fact and when it was recorded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    #[serde(rename = "v")]
    pub version: u32,
    /// Wall clock at the recording; the highest of all is the clock's high-water mark.
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

    /// The record for those who read what is on record: without tokens, sealed as they are, and without what a platform
    /// has handed out for us alone.
    pub fn shown(&self) -> Cow<'_, Self> {
        match &self.fact {
            Fact::TokensKept { account, .. } => {
                let fact = Fact::TokensKept { account: account.clone(), sealed: None };
                Cow::Owned(Self { fact, ..*self })
            }
            Fact::Checkpoint { data, .. } if PRIVATE.iter().any(|key| data.get(key).is_some()) => {
                let mut shown = self.clone();
                if let Fact::Checkpoint { data, .. } = &mut shown.fact {
                    for key in PRIVATE {
                        if let Some(value) = data.get_mut(key) {
                            *value = Checkpoint::HIDDEN.into();
                        }
                    }
                }
                Cow::Owned(shown)
            }
            _ => Cow::Borrowed(self),
        }
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
        match serde_json::from_slice::<Self>(bytes) {
            Ok(record) if record.version <= VERSION => Ok(record),
            Ok(record) => Err(DecodeError::Newer(record.version)),
            Err(cause) => match serde_json::from_slice::<Head>(bytes) {
                Ok(head) if head.v > VERSION => Err(DecodeError::Newer(head.v)),
                _ => Err(DecodeError::Garbled(cause.to_string())),
            },
        }
    }
}

/// Why bytes are no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("written by a later version of cadenced (record version {0}); use that version")]
    Newer(u32),
    #[error("not a record: {0}")]
    Garbled(String),
}

/// Keys of a checkpoint's data that are shown to nobody: that of today, and the one under which earlier versions kept the
/// address of an upload in plain text.
const PRIVATE: [&str; 2] = [Checkpoint::PRIVATE, "session"];

/// What happened.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fact {
    /// A daemon took the store.
    Opened {
        program: String,
    },
    /// The plan holds a delivery, or has it in line for a slot.
    Planned {
        delivery: DeliveryId,
        digest: Digest,
        /// `None`: scheduled.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        held: Option<Held>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        detail: Option<String>,
    },
    /// An attempt is about to begin. Durable before the first byte of it leaves.
    Intent(Box<Intent>),
    /// A step has left something on the platform.
    Checkpoint {
        delivery: DeliveryId,
        attempt: u32,
        step: String,
        data: Value,
        /// Whether the step made something people can see.
        publishes: bool,
        /// Learned by looking back, not from the reply.
        #[serde(default)]
        reconciled: bool,
    },
    /// What became of the attempt.
    Outcome {
        delivery: DeliveryId,
        attempt: u32,
        outcome: Outcome,
    },
    /// The delivery ended without an attempt.
    Missed {
        delivery: DeliveryId,
        slot: Timestamp,
    },
    Expired {
        delivery: DeliveryId,
    },
    /// The post left the queue, or a person dropped it (`by`).
    Withdrawn {
        delivery: DeliveryId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
    },
    /// A person decided.
    Resolved {
        delivery: DeliveryId,
        decision: Decision,
        by: String,
    },
    /// A slot passed without a post, or several did that follow each other closely; then `slot` is the last of them.
    SlotEmpty {
        account: AccountId,
        slot: Timestamp,
        reason: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<Run>,
    },
    /// The token of an account is not accepted.
    AccountStopped {
        account: AccountId,
        why: String,
    },
    AccountResumed {
        account: AccountId,
    },
    /// The remote account that this account is from now on.
    Pinned {
        account: AccountId,
        identity: String,
    },
    /// Tokens that the platform gave in place of others, which it takes no more. Durable before anything is asked with
    /// them.
    TokensKept {
        account: AccountId,
        /// Left out where records are shown.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sealed: Option<Sealed>,
    },
    /// What is added to the account's sum of a month: durable before the request that may cost it is sent, and less than
    /// nothing when requests have cost less than was set aside for them.
    Spent {
        account: AccountId,
        month: Month,
        spend: Spend,
    },
    /// What came of posts outside the platforms.
    Gained(Box<Gain>),
    /// The wall clock was set ahead while the account was at work.
    ClockSet {
        account: AccountId,
        seconds: i64,
    },
    /// The same person's word, for an account: slots and settings of the clock that lie ahead of it count as of now.
    AccountSetBack {
        account: AccountId,
    },
    /// The same, for a delivery: what it did ahead of the confirmed clock counts as of `to`.
    DeliverySetBack {
        delivery: DeliveryId,
        to: Timestamp,
    },
    /// A person has confirmed the wall clock although it is behind the high-water mark; the mark starts anew.
    ClockConfirmed {
        by: String,
    },
}

impl Fact {
    /// The delivery it is about.
    pub fn delivery(&self) -> Option<&DeliveryId> {
        match self {
            Self::Planned { delivery, .. }
            | Self::Checkpoint { delivery, .. }
            | Self::Outcome { delivery, .. }
            | Self::Missed { delivery, .. }
            | Self::Expired { delivery }
            | Self::Withdrawn { delivery, .. }
            | Self::DeliverySetBack { delivery, .. }
            | Self::Resolved { delivery, .. } => Some(delivery),
            Self::Intent(intent) => Some(&intent.delivery),
            Self::Opened { .. }
            | Self::SlotEmpty { .. }
            | Self::AccountStopped { .. }
            | Self::AccountResumed { .. }
            | Self::AccountSetBack { .. }
            | Self::Pinned { .. }
            | Self::TokensKept { .. }
            | Self::Spent { .. }
            | Self::Gained(_)
            | Self::ClockSet { .. }
            | Self::ClockConfirmed { .. } => None,
        }
    }

    /// The account of which it says something beside what it says of a delivery.
    pub fn account(&self) -> Option<&AccountId> {
        match self {
            Self::SlotEmpty { account, .. }
            | Self::AccountStopped { account, .. }
            | Self::AccountResumed { account }
            | Self::AccountSetBack { account }
            | Self::ClockSet { account, .. }
            | Self::TokensKept { account, .. }
            | Self::Spent { account, .. }
            | Self::Pinned { account, .. } => Some(account),
            Self::Intent(intent) => Some(&intent.delivery.account),
            Self::Planned { delivery, .. } => Some(&delivery.account),
            _ => None,
        }
    }
}

/// As it is recorded, but for a checkpoint's data: what a platform has handed out there may be all that is needed to use
/// it.
impl std::fmt::Debug for Fact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Checkpoint { delivery, attempt, step, data: _, publishes, reconciled } => f
                .debug_struct("Checkpoint")
                .field("delivery", delivery)
                .field("attempt", attempt)
                .field("step", step)
                .field("publishes", publishes)
                .field("reconciled", reconciled)
                .finish_non_exhaustive(),
            other => write!(f, "{}", serde_json::to_value(other).unwrap_or_default()),
        }
    }
}

/// Empty slots that are recorded as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// How many they are.
    pub count: u64,
    pub first: Timestamp,
}

/// Everything a repeat of the attempt must know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Intent {
    pub delivery: DeliveryId,
    pub platform: String,
    /// The server, or the folder, that it goes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    pub attempt: u32,
    /// Tries of the retry budget used before this one.
    pub tries: u32,
    pub digest: Digest,
    pub key: String,
    /// The slot it keeps, or the fixed time of a post that has one; `None` for replies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<Timestamp>,
    /// Whether `slot` is the post's own fixed time, which uses up no slot of the account.
    #[serde(default)]
    pub fixed: bool,
    /// First 64 bits of a hash of what people will see, to notice the same post under another id.
    pub fingerprint: u64,
    pub promotion: bool,
    /// Whether it counts for the beat (replies do not).
    pub counts: bool,
    /// The canonical content that the digest was taken over, so that an attempt in doubt can be read back even when
    /// its post has left the queue.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// The link of the content with its tags, where it got some: a repeat sends the same one, whatever the configuration
    /// says by then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Who has approved it, where approvals are signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// What the adapter froze before the first attempt: all that a repeat must send unchanged.
    pub frozen: Value,
    /// When the first attempt on this content began.
    pub started: Timestamp,
}

impl Intent {
    /// Whether the account may be another one than the one that the attempt was begun on. Older records do not tell
    /// the host.
    pub fn is_elsewhere(&self, platform: &str, host: Option<&str>) -> bool {
        let other_host = self.host.as_deref().zip(host).is_some_and(|(then, now)| then != now);
        self.platform != platform || other_host
    }
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Delivered {
        remote: Remote,
        /// Learned by looking back, or by a repeat, after the first reply was lost.
        #[serde(default)]
        reconciled: bool,
    },
    /// It surely did not happen and is tried again. `counted`: it used up a try.
    Retry { until: Timestamp, why: String, counted: bool },
    /// Not carried out; the account waits. Uses up no try.
    RateLimited { until: Timestamp, why: String },
    /// Not carried out: the account's token is not accepted.
    Auth { why: String },
    /// It will not be tried again.
    Refused { why: String },
    /// It may have happened. "Not there" counts from `settle` on.
    Ambiguous { why: String, settle: Timestamp },
    /// Nothing can tell; a person decides.
    Uncertain { why: String },
    /// Begun, but surely nothing left, and the post is held or withdrawn now.
    Abandoned { why: String },
}

/// A person's decision on a delivery.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// It is there.
    Delivered { url: String },
    /// It is not there: send it.
    Retry,
    /// Never send it.
    Drop,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_platform_has_handed_out_is_kept_and_not_shown() {
        let delivery: DeliveryId = "desk@tube".parse().unwrap();
        let record = |data| {
            let (delivery, step) = (delivery.clone(), "begin".into());
            let fact = Fact::Checkpoint { delivery, attempt: 1, step, data, publishes: false, reconciled: false };
            Record::new(Timestamp::constant(1_790_000_000, 0), fact)
        };
        for key in ["private", "session"] {
            let kept = record(json!({key: "https://upload.example/?upload_id=canary", "part": 0}));
            assert_eq!(*kept.shown(), record(json!({key: "[secret]", "part": 0})));
            assert_eq!(Record::decode(&kept.encode()).unwrap(), kept);
            let printed = format!("{kept:?}");
            assert!(printed.contains("desk") && !printed.contains("canary"), "{printed}");
        }
        for data in [Value::Null, json!("private"), json!(["session"]), json!({"id": "1"})] {
            assert_eq!(*record(data.clone()).shown(), record(data));
        }
    }
}
