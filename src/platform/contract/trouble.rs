//! Why a call brought no result, in the words in which most platforms can be understood, and what that means for the
//! step.

use std::time::Duration;

use super::{Effect, LONGEST_WAIT, Reading};
use crate::domain::{Timestamp, time};

/// Wait after a refusal for asking too much that tells no time.
const UNTOLD: Duration = Duration::from_secs(60);

/// Why a call brought no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The account may do nothing there, whatever it sends.
    Stopped(String),
    /// This is never taken.
    Refused(String),
    TooMuch {
        until: Timestamp,
        why: String,
    },
    /// Somebody between us and the platform has answered, and has passed nothing on.
    TurnedAway(String),
    /// Nobody can say what became of it.
    Unknown(String),
}

impl Trouble {
    /// Too much was asked; `told` is how long the platform says to wait.
    pub fn too_much(told: Option<Duration>, now: Timestamp, why: String) -> Self {
        let span = told.unwrap_or(UNTOLD).clamp(Duration::from_secs(1), LONGEST_WAIT);
        Self::TooMuch { until: time::after(now, span), why }
    }

    /// What it means for a step of this effect. What is refused before anything of a post is sent is about the account.
    pub fn reading(self, effect: Effect) -> Reading {
        match (self, effect) {
            (Self::Refused(why), Effect::Publishes | Effect::Leaves) => Reading::Refused { why },
            (Self::Stopped(why) | Self::Refused(why), _) => Reading::Auth { why },
            (Self::TooMuch { until, why }, _) => Reading::RateLimited { until, why },
            (Self::Unknown(why), Effect::Publishes) => Reading::Unclear { why },
            (Self::TurnedAway(why) | Self::Unknown(why), _) => Reading::Retry { after: None, why },
        }
    }
}
