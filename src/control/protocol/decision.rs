//! A person's word on a delivery that does not go on by itself, and what has become of it.
//!
//! What a person writes is kept on record for good and shown in logs and tables. Which words can be is said here once, for
//! the command line and for requests.

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::domain::DeliveryId;
use crate::domain::escape::is_unsafe;

use super::Stage;

/// What a person has decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// It is there: this is its URL or URI.
    Delivered {
        #[serde(deserialize_with = "read_url")]
        url: String,
    },
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

/// Longest name of a person, in characters; it is kept in every record of a decision.
const PERSON_CHARS: usize = 200;

/// Takes a name that can stand in a record and in a log as it is.
///
/// # Errors
/// Why it cannot, for whoever wrote it.
pub fn person(text: &str) -> Result<String, String> {
    let name = text.trim();
    if name.is_empty() {
        return Err("say who, as a name or an address".into());
    }
    if name.chars().any(is_unsafe) {
        return Err("a name holds no control characters".into());
    }
    if name.chars().count() > PERSON_CHARS {
        return Err(format!("a name has at most {PERSON_CHARS} characters"));
    }
    Ok(name.to_owned())
}

/// Takes the address of a published post. `at://` names hold colons that a URL parser takes for ports, so no more is
/// asked than that it is an address and can stand on one line.
///
/// # Errors
/// What to write instead.
pub fn remote_url(text: &str) -> Result<String, &'static str> {
    let rest = ["https://", "http://", "at://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    let plain = !text.chars().any(|c| c.is_whitespace() || is_unsafe(c));
    match rest {
        Some(rest) if !rest.is_empty() && plain => Ok(text.to_owned()),
        _ => Err("give the post's address as the platform shows it: https://… or at://…"),
    }
}

fn read_url<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    remote_url(&String::deserialize(from)?).map_err(D::Error::custom)
}

pub(super) fn read_person<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    person(&String::deserialize(from)?).map_err(D::Error::custom)
}

/// Ids of messages, as a platform gives them.
pub(super) fn read_ids<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let ids = Vec::<String>::deserialize(from)?;
    if ids.iter().any(|id| id.is_empty() || id.chars().any(char::is_control)) {
        return Err(D::Error::custom("an id of a message is not empty and holds no control characters"));
    }
    Ok(ids)
}
