//! One delivery, as `status` tells of it.
//!
//! A report says it in fields that are the same for every state, so that who reads the JSON needs no case for each of them:
//! what a state has no use for is `null`. The state itself is here by its name only: what is counted, sorted and printed.

use serde::{Deserialize, Serialize};

use crate::domain::{AccountId, DeliveryId, Digest, PostId, State, Timestamp};

/// One delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryReport {
    pub delivery: DeliveryId,
    pub post: PostId,
    pub account: AccountId,
    /// Empty when the account left the configuration before anything was sent.
    pub platform: String,
    pub state: Stage,
    /// Why it is in this state, where there is more to say than the state's name. For `held` it begins with the
    /// reason's stable name.
    pub reason: Option<String>,
    /// The moment of the schedule it keeps or kept, or the post's own fixed time.
    pub slot: Option<Timestamp>,
    /// When the state's next or last thing happens or happened: sent (`delivered`), tried again (`retrying`), due
    /// (`scheduled`).
    pub at: Option<Timestamp>,
    pub attempts: u32,
    /// What the platform calls it, once delivered.
    pub remote_id: Option<String>,
    /// Where a person can see it.
    pub url: Option<String>,
    /// Digest of what was planned last, or sent.
    pub digest: Option<Digest>,
    /// From when the promotion share lets a held post go, as the plan ahead has it; there only when that can be known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_from: Option<Timestamp>,
    /// Oldest first; there only when one post or delivery was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<Vec<HistoryLine>>,
}

/// A state's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    Held,
    Scheduled,
    Sending,
    Retrying,
    Uncertain,
    Delivered,
    Refused,
    Missed,
    Expired,
    Withdrawn,
}

impl Stage {
    pub fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Scheduled => "scheduled",
            Self::Sending => "sending",
            Self::Retrying => "retrying",
            Self::Uncertain => "uncertain",
            Self::Delivered => "delivered",
            Self::Refused => "refused",
            Self::Missed => "missed",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// Whether nothing more happens to it by itself.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Delivered | Self::Refused | Self::Missed | Self::Expired | Self::Withdrawn)
    }
}

impl From<&State> for Stage {
    fn from(state: &State) -> Self {
        match state {
            State::Held { .. } => Self::Held,
            State::Scheduled => Self::Scheduled,
            State::Sending { .. } => Self::Sending,
            State::Retrying { .. } => Self::Retrying,
            State::Uncertain { .. } => Self::Uncertain,
            State::Delivered { .. } => Self::Delivered,
            State::Refused { .. } => Self::Refused,
            State::Missed => Self::Missed,
            State::Expired => Self::Expired,
            State::Withdrawn => Self::Withdrawn,
        }
    }
}

/// One thing that happened to a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryLine {
    pub at: Timestamp,
    /// Stable name of the record or outcome: `planned`, `intent`, `checkpoint`, `delivered`, `retry`, …
    pub what: String,
    pub attempt: Option<u32>,
    /// In words: the reason, the step, who decided.
    pub detail: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::super::samples::delivery;
    use super::*;

    #[test]
    fn a_report_has_the_fields_that_were_promised() {
        let value = serde_json::to_value(delivery("a@fedi", Stage::Delivered, None)).unwrap();
        let keys: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
        let promised = [
            "delivery",
            "post",
            "account",
            "platform",
            "state",
            "reason",
            "slot",
            "at",
            "attempts",
            "remote_id",
            "url",
            "digest",
        ];
        assert!(promised.iter().all(|key| keys.contains(key)), "{keys:?}");
        assert_eq!(keys.len(), promised.len(), "history is there only when asked for: {keys:?}");
    }
}
