//! People: who did something with posts of ours, who came back, who brought others.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Serialize;

use crate::domain::{BotSign, Interaction, PersonId, Timestamp};

use super::Measured;

/// What people did. Bots are told beside and counted nowhere else; accounts of ours are nobody.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct PeopleSummary {
    /// What is counted here, in words.
    pub counts: &'static str,
    /// Deliveries of which it is known who it was.
    pub measured: Measured,
    /// People who did something within the time that is looked at.
    pub distinct: u64,
    /// Of them, those whose very first interaction on record lies within it.
    pub first_time: u64,
    /// Everybody on record, by what they are to us at its end.
    pub standing: Standings,
    /// People who brought others at least twice, by different posts, in the last 90 days of it.
    pub advocates: u64,
    /// What people did within it, by kind. A kind that is absent was not seen.
    pub kinds: BTreeMap<Interaction, u64>,
    /// What says that somebody is a bot, and how many there are who did something within it.
    pub bots: Vec<Bots>,
    /// Every week from the first to the last in which somebody did something, oldest first. Weeks begin in UTC.
    pub weeks: Vec<PeopleWeek>,
    /// In the order of their names.
    pub platforms: Vec<PlatformPeople>,
    /// Those who come back, the most faithful first: by weeks and then by interactions in the last 90 days.
    pub core: Vec<CorePerson>,
}

/// How many people stand how to us. Together they are everybody on record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Standings {
    pub core: u64,
    pub returning: u64,
    pub new: u64,
    pub cooling: u64,
    pub lost: u64,
}

/// Bots, by what says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Bots {
    pub sign: BotSign,
    /// `sign` in words.
    pub reason: &'static str,
    pub accounts: u64,
}

/// One week of people.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PeopleWeek {
    /// By ISO 8601, such as `2026-W48`.
    pub week: String,
    /// Its Monday.
    pub starts: Date,
    /// People who did something in it.
    pub distinct: u64,
    /// Of them, those who had never done anything before it.
    pub new: u64,
    /// Of them, those who had.
    pub returning: u64,
    /// How many belonged to the core at its end.
    pub core: u64,
}

/// The people of one platform.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlatformPeople {
    pub platform: String,
    pub distinct: u64,
    pub first_time: u64,
    pub standing: Standings,
    pub advocates: u64,
    /// Bots that did something, whatever says so.
    pub bots: u64,
}

/// Somebody who comes back.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CorePerson {
    pub person: PersonId,
    /// What people call them, without `@`; empty where it is not on record.
    pub handle: String,
    pub platform: String,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    /// What they did in the last 90 days.
    pub interactions: u64,
    /// In how many weeks of the last 90 days.
    pub weeks: u64,
    pub advocate: bool,
}
