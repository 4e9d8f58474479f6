//! The states of a delivery. Each (post, account) pair is at all times in exactly one of them.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::Timestamp;

/// Why a delivery is not publishable now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Held {
    /// Nobody has approved it.
    NotApproved,
    /// It was approved, but something in it has changed since.
    ApprovalStale,
    /// The platform would refuse it, or the post names what does not exist.
    Invalid,
    /// A media file is absent, unreadable or not the one that was approved.
    MediaMissing,
    /// An earlier post of its series, or the post it answers, has not been delivered.
    WaitingSeries,
    /// Promotion would pass its share of the account's posts.
    PromotionShare,
    /// Too many people wait for an answer.
    Unanswered,
    /// It would pass what the account may spend in this month.
    Budget,
    /// The account's token is not accepted.
    AccountAuth,
    /// The account is paused in the configuration.
    AccountPaused,
    /// Its `not_before` is ahead.
    NotBefore,
    /// The same was sent there lately under another id, or two files hold this id with different contents.
    Duplicate,
}

impl Held {
    /// The stable name, as in logs and `status`.
    pub fn name(self) -> &'static str {
        match self {
            Self::NotApproved => "not-approved",
            Self::ApprovalStale => "approval-stale",
            Self::Invalid => "invalid",
            Self::MediaMissing => "media-missing",
            Self::WaitingSeries => "waiting-series",
            Self::PromotionShare => "promotion-share",
            Self::Unanswered => "unanswered",
            Self::Budget => "budget",
            Self::AccountAuth => "account-auth",
            Self::AccountPaused => "account-paused",
            Self::NotBefore => "not-before",
            Self::Duplicate => "duplicate",
        }
    }

    /// Whether it is the account as a whole that is held, and the post has no part in it.
    pub fn is_of_the_account(self) -> bool {
        matches!(self, Self::AccountAuth | Self::AccountPaused)
    }
}

impl std::fmt::Display for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// What a platform calls the post it took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remote {
    /// The platform's id or URI of the (first) post.
    pub id: String,
    /// Where a person can see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What the adapter needs to answer this post later (Bluesky: root and last part as URI and CID).
    #[serde(default, skip_serializing_if = "JsonText::is_null")]
    pub reference: JsonText,
}

/// A JSON value, kept as its text. It is for what is remembered of every delivery for ever: as a tree it takes several
/// times the room. `null` takes none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JsonText(Option<Box<str>>);

impl JsonText {
    pub fn is_null(&self) -> bool {
        self.0.is_none()
    }

    pub fn value(&self) -> Value {
        self.0.as_ref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }
}

impl From<Value> for JsonText {
    fn from(value: Value) -> Self {
        Self((!value.is_null()).then(|| value.to_string().into()))
    }
}

impl Serialize for JsonText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for JsonText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Value::deserialize(deserializer).map(Self::from)
    }
}

/// The durable result of one step.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Checkpoint {
    pub step: String,
    pub data: serde_json::Value,
}

impl Checkpoint {
    /// The key of `data` that holds what a platform has handed out and whoever has it may use, such as the address of an
    /// upload that is under way. The ledger has it sealed, or not at all: an adapter that finds nothing there does the step
    /// again.
    pub const PRIVATE: &str = "private";
    /// What is shown instead of it.
    pub const HIDDEN: &str = "[secret]";
}

/// Without the data: what a platform has handed out there may be all that is needed to use it.
impl std::fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Checkpoint({})", self.step)
    }
}

/// Where a delivery stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum State {
    Held {
        reason: Held,
        detail: Option<Box<str>>,
    },
    /// Waits for its slot. The slot is derived by the plan and kept nowhere.
    Scheduled,
    /// An intent is durable; the attempt runs, or is being read back after something went wrong.
    Sending {
        attempt: u32,
    },
    Retrying {
        attempt: u32,
        at: Timestamp,
    },
    /// It may or may not have arrived, and nothing can tell: a person decides.
    Uncertain {
        attempt: u32,
        why: Box<str>,
    },
    Delivered {
        attempt: u32,
        remote: Box<Remote>,
    },
    Refused {
        attempt: u32,
        why: Box<str>,
    },
    Missed,
    Expired,
    Withdrawn,
}

impl State {
    /// The stable name, as in logs and `status`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Held { .. } => "held",
            Self::Scheduled => "scheduled",
            Self::Sending { .. } => "sending",
            Self::Retrying { .. } => "retrying",
            Self::Uncertain { .. } => "uncertain",
            Self::Delivered { .. } => "delivered",
            Self::Refused { .. } => "refused",
            Self::Missed => "missed",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// Whether something happens to it by itself still: it waits in the queue, or an attempt at it is owed or runs.
    pub fn goes_on(&self) -> bool {
        self.is_waiting() || self.is_open()
    }

    /// Whether an attempt is under way or owed: the account does nothing else meanwhile.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Sending { .. } | Self::Retrying { .. })
    }

    /// Whether the plan may still choose it.
    pub fn is_waiting(&self) -> bool {
        matches!(self, Self::Held { .. } | Self::Scheduled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_a_platform_calls_a_post_is_written_as_a_tree_and_kept_as_a_text() {
        let written = json!({"id": "1", "reference": {"last": {"uri": "at://a", "cid": ["b", 1, null]}}});
        let remote: Remote = serde_json::from_value(written.clone()).unwrap();
        assert_eq!(remote.reference.0.as_deref(), Some(r#"{"last":{"cid":["b",1,null],"uri":"at://a"}}"#));
        assert_eq!(json!(remote), written);
        assert_eq!(remote.reference.value(), written["reference"]);

        let written = json!({"id": "1"});
        let remote: Remote = serde_json::from_value(written.clone()).unwrap();
        assert_eq!((remote.reference.is_null(), remote.reference.value()), (true, Value::Null));
        assert_eq!(json!(remote), written);
        assert_eq!(JsonText::from(Value::Null), JsonText::default());
    }
}
