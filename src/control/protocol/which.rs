//! Which deliveries a question is about, in the words of a command line. JSON and addresses carry the same text.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{ErrorKind, Problem};
use crate::domain::{DeliveryId, IdError, PostId};

/// One post on all its accounts, or one delivery; written `POST` or `POST@ACCOUNT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    Post(PostId),
    Delivery(DeliveryId),
}

impl Which {
    /// Whether `delivery` is meant.
    pub fn covers(&self, delivery: &DeliveryId) -> bool {
        match self {
            Self::Post(post) => delivery.post == *post,
            Self::Delivery(one) => delivery == one,
        }
    }

    /// That there is none of them.
    pub fn nowhere(&self) -> Problem {
        let message = format!("there is no delivery of {self}");
        Problem { kind: ErrorKind::Unknown, message, hint: Some("cadenced status lists all there are".into()) }
    }
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Post(post) => post.fmt(f),
            Self::Delivery(delivery) => delivery.fmt(f),
        }
    }
}

impl FromStr for Which {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.contains('@') { text.parse().map(Self::Delivery) } else { PostId::new(text).map(Self::Post) }
    }
}

impl Serialize for Which {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Which {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
