//! Conversations: whom we owe an answer, and how fast we answer. No text of anybody is in a report.

use std::collections::{BTreeMap, HashMap};

use jiff::civil::Date;
use serde::Serialize;

use crate::domain::{AccountId, DeliveryId, PersonId, Timestamp, time};
use crate::engage::Conversations;
use crate::engage::people::week;

use super::{Measured, Window, week};

/// What is counted, in words.
const COUNTS: &str = "what hangs below one first message of somebody else, below a post of ours or naming us; it waits while a \
    person has said something after our newest message; bots are not waited for";

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

/// Counts what is known, at the end of the window.
pub fn summary(
    conversations: &Conversations,
    handles: &HashMap<&PersonId, &str>,
    measured: Measured,
    window: &Window,
) -> ConversationSummary {
    let mut summary = ConversationSummary { counts: COUNTS, measured, ..ConversationSummary::default() };
    for waiting in conversations.waiting(None) {
        let since = waiting.since.unwrap_or(waiting.latest.at);
        summary.waiting.push(Owed {
            account: waiting.account.clone(),
            platform: waiting.person.platform().to_owned(),
            delivery: waiting.delivery.clone(),
            person: waiting.person.clone(),
            handle: handles.get(&waiting.person).copied().unwrap_or_default().to_owned(),
            since,
            waited_s: time::since(window.until, since).as_secs(),
            url: waiting.latest.url.clone(),
            answer: waiting.latest.answer.clone(),
        });
    }
    let mut all = Vec::new();
    // Conversations opened, and how long each first answer took.
    let mut weeks: BTreeMap<u32, (u64, Vec<u64>)> = BTreeMap::new();
    for told in conversations.all() {
        let took = told.answered.map(|answered| (answered, time::since(answered, told.opened).as_secs()));
        if window.holds(told.opened) {
            summary.opened += 1;
            all.extend(took.map(|(_, seconds)| seconds));
            weeks.entry(week(told.opened)).or_default().0 += 1;
        }
        if let Some((answered, seconds)) = took.filter(|(answered, _)| window.holds(*answered)) {
            weeks.entry(week(answered)).or_default().1.push(seconds);
        }
    }
    summary.answered = all.len() as u64;
    summary.speed = Speed::of(all);
    let weeks = week::without_gaps(weeks).into_iter().map(|(number, (opened, took))| {
        let starts = week::monday(number);
        let answered = took.len() as u64;
        ConversationWeek { week: week::name(starts), starts, opened, answered, speed: Speed::of(took) }
    });
    summary.weeks = weeks.collect();
    summary
}

impl Speed {
    fn of(mut seconds: Vec<u64>) -> Option<Self> {
        seconds.sort_unstable();
        // The first that so many of a hundred do not pass.
        let rank = |percent: usize| seconds.get((seconds.len() * percent).div_ceil(100).saturating_sub(1)).copied();
        Some(Self { answers: seconds.len() as u64, median_s: rank(50)?, p90_s: rank(90)? })
    }
}
