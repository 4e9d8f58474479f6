//! A person's word on a delivery that does not go on by itself, and what has become of it.

use serde::{Deserialize, Serialize};

use crate::domain::DeliveryId;

use super::Stage;

/// What a person has decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// It is there: this is its URL or URI.
    Delivered { url: String },
    /// It is surely not there: send it.
    Retry,
    /// Never send it.
    Drop,
}

impl Decision {
    /// The stable name, as in logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Delivered { .. } => "delivered",
            Self::Retry => "retry",
            Self::Drop => "drop",
        }
    }
}

/// A decision that is on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    pub delivery: DeliveryId,
    pub decision: Decision,
    pub by: String,
    /// State before it.
    pub before: Stage,
    /// State after it.
    pub after: Stage,
}
