//! Posts: by audience and goal, and one by one, where reach is set against what a post did for people.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::domain::{AccountId, PostId, Timestamp};

use super::{Gains, Measured};

/// Posts for one audience with one goal. A post counts once, on however many accounts it was delivered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PostGroup {
    pub audience: String,
    /// Empty for posts of which nothing is known any more. Every audience has a group for each goal, also without posts.
    pub goal: String,
    pub posts: u64,
    pub deliveries: u64,
    /// People who did something with them, each once; `None` where it is known of none of them.
    pub people: Option<u64>,
    /// Conversations that a person opened below them; `None` where it is known of none of them.
    pub conversations: Option<u64>,
    /// What came of them within the time that is looked at.
    pub gains: Gains,
}

/// Reach set against people and outcomes.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Comparison {
    /// What is counted here, in words.
    pub counts: &'static str,
    /// By what a post is loud and useless or quiet and useful, in words.
    pub rule: &'static str,
    /// Posts of which reach and people are known: those that are compared with each other.
    pub compared: u64,
    /// All posts that were delivered within the time that is looked at, oldest first.
    pub posts: Vec<PostLine>,
}

/// One post, on all its accounts together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PostLine {
    pub post: PostId,
    pub audience: String,
    /// Empty where it is not on record.
    pub goal: String,
    pub series: Option<String>,
    /// When it was delivered first.
    pub at: Timestamp,
    /// In the order of their names.
    pub accounts: Vec<AccountId>,
    /// Views, where they are told; `None` where no account tells them. `measured` speaks of those.
    pub reach: Option<u64>,
    pub measured: Measured,
    /// People who did something with it, each once; `None` where it is known of no account.
    pub people: Option<u64>,
    /// Conversations that a person opened below it; `None` where it is known of no account.
    pub conversations: Option<u64>,
    pub gains: Gains,
    /// `None`: neither, or not compared.
    pub verdict: Option<Verdict>,
}

/// What a post was worth for the noise it made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    LoudAndUseless,
    QuietAndUseful,
}

/// How far posts went. It comes last: nobody has said or done anything.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Reach {
    /// What is counted here, in words.
    pub counts: &'static str,
    /// Deliveries whose views are told.
    pub measured: Measured,
    /// As counted when each post was looked at last; `None` where no account tells them.
    pub views: Option<u64>,
    /// Ways that were gone to the link; `None` where no account tells them.
    pub clicks: Option<u64>,
    pub accounts: BTreeMap<AccountId, AccountReach>,
}

/// The reach of one account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct AccountReach {
    pub measured: Measured,
    pub views: Option<u64>,
    pub clicks: Option<u64>,
}
