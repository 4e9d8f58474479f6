//! Conversations: whom we owe an answer, and how fast we answer. No text of anybody is in a report.

use jiff::civil::Date;
use serde::Serialize;

use crate::domain::{AccountId, DeliveryId, PersonId, Timestamp};

use super::Measured;

/// What was said to us, and whether we answered.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ConversationSummary {
    /// What is counted here, in words.
    pub counts: &'static str,
    /// Deliveries of which it is known what was said below them.
    pub measured: Measured,
    /// Whom we owe an answer now, whenever it was opened; who has waited longest comes first.
    pub waiting: Vec<Owed>,
    /// Conversations that a person opened within the time that is looked at.
    pub opened: u64,
    /// Of these, those in which we have said something.
    pub answered: u64,
    /// How fast we gave the first answer in those; `None` where none was given.
    pub speed: Option<Speed>,
    /// Every week from the first to the last in which one was opened or answered, oldest first. Weeks begin in UTC.
    pub weeks: Vec<ConversationWeek>,
}

/// Somebody who waits for an answer of ours.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Owed {
    pub account: AccountId,
    /// Empty where it is not on record.
    pub platform: String,
    /// The post of ours that it stands below; `None` for a mention.
    pub delivery: Option<DeliveryId>,
    pub person: PersonId,
    /// What people call them, without `@`; empty where it is not on record.
    pub handle: String,
    /// The first message that waits.
    pub since: Timestamp,
    /// Until the end of the time that is looked at.
    pub waited_s: u64,
    /// Where the latest message can be seen.
    pub url: Option<String>,
    /// What is to be written as `conversation` to answer it.
    pub answer: String,
}

/// How long first answers took. Who still waits is in none of these figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Speed {
    pub answers: u64,
    pub median_s: u64,
    /// Nine of ten were faster, or as fast.
    pub p90_s: u64,
}

/// One week of conversations.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ConversationWeek {
    /// By ISO 8601, such as `2026-W48`.
    pub week: String,
    /// Its Monday.
    pub starts: Date,
    /// Opened by a person in it.
    pub opened: u64,
    /// First answers that we gave in it, whenever the conversation was opened.
    pub answered: u64,
    /// Of these first answers.
    pub speed: Option<Speed>,
}
