//! All accounts together.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::domain::{AccountId, Goal, PostId, Timestamp};
use crate::engage;
use crate::ledger::Record;
use crate::ledger::record::{Decision, Fact, Outcome};

use super::beat::{AccountBeat, Beat};
use super::{Comparison, ConversationSummary, OutcomeSummary, PeopleSummary, PostGroup, Reach};

/// The time that is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Window {
    pub since: Timestamp,
    /// Not itself.
    pub until: Timestamp,
}

impl Window {
    pub fn holds(&self, moment: Timestamp) -> bool {
        self.since <= moment && moment < self.until
    }
}

/// What `cadenced report --format json` gives.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Nothing of it has happened: it shows what a report looks like.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub made_up: bool,
    pub window: Window,
    /// In the order of their names.
    pub accounts: Vec<AccountSummary>,
    pub people: PeopleSummary,
    pub conversations: ConversationSummary,
    pub outcomes: OutcomeSummary,
    /// What was delivered, by audience and goal, in the order of their names.
    pub posts: Vec<PostGroup>,
    pub comparison: Comparison,
    pub reach: Reach,
    /// What a reader may expect here and nothing is recorded of. No figure stands for it.
    pub not_measured: Vec<&'static str>,
}

/// One account.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AccountSummary {
    pub account: AccountId,
    /// What it was published on last; empty where nothing was.
    pub platform: String,
    pub beat: AccountBeat,
}

/// Makes a report out of records, oldest first.
#[derive(Debug)]
pub struct Reporter {
    window: Window,
    zones: BTreeMap<AccountId, TimeZone>,
    accounts: BTreeMap<AccountId, Account>,
    posts: BTreeMap<PostId, Post>,
}

#[derive(Debug, Default)]
struct Account {
    platform: String,
    beat: Beat,
}

#[derive(Debug, Default)]
struct Post {
    about: About,
    deliveries: u64,
}

/// What an intent holds of a post for those who count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
struct About {
    #[serde(default)]
    audience: Option<String>,
    #[serde(default)]
    goal: Option<Goal>,
}

impl Reporter {
    /// `zones` are those of the accounts that are configured; weeks of others begin in UTC.
    pub fn new(window: Window, zones: BTreeMap<AccountId, TimeZone>) -> Self {
        let accounts = zones.keys().map(|account| (account.clone(), Account::default())).collect();
        Self { window, zones, accounts, posts: BTreeMap::new() }
    }

    /// Takes the next record about people.
    pub fn people(&mut self, _record: &engage::Record) {}

    /// Takes the next record of the delivery journal.
    pub fn record(&mut self, record: &Record) {
        let delivery = record.fact.delivery();
        let slot = match &record.fact {
            Fact::SlotEmpty { account, .. } | Fact::AccountSetBack { account } => Some(account),
            _ => None,
        };
        let Some(account) = delivery.map(|delivery| &delivery.account).or(slot) else { return };
        if !self.accounts.contains_key(account) {
            self.accounts.insert(account.clone(), Account::default());
        }
        let Some(known) = self.accounts.get_mut(account) else { return };
        known.beat.record(record.at, &record.fact);
        if let Fact::Intent(intent) = &record.fact {
            known.platform.clone_from(&intent.platform);
            if intent.counts && !self.posts.contains_key(&intent.delivery.post) {
                let about = serde_json::from_str(&intent.body).unwrap_or_default();
                self.posts.insert(intent.delivery.post.clone(), Post { about, deliveries: 0 });
            }
        }
        let delivered = matches!(
            record.fact,
            Fact::Outcome { outcome: Outcome::Delivered { .. }, .. }
                | Fact::Resolved { decision: Decision::Delivered { .. }, .. }
        );
        if delivered
            && self.window.holds(record.at)
            && let Some(post) = delivery.and_then(|delivery| self.posts.get_mut(&delivery.post))
        {
            post.deliveries += 1;
        }
    }

    pub fn finish(self) -> Report {
        let Self { window, zones, accounts, posts } = self;
        let zone = |account: &AccountId| zones.get(account).cloned().unwrap_or(TimeZone::UTC);
        let accounts = accounts.into_iter().map(|(account, known)| {
            let beat = known.beat.finish(&window, &zone(&account));
            AccountSummary { account, platform: known.platform, beat }
        });
        let mut groups: BTreeMap<(String, &'static str), (u64, u64)> = BTreeMap::new();
        for post in posts.into_values().filter(|post| post.deliveries > 0) {
            let goal = post.about.goal.map_or("", Goal::name);
            let group = groups.entry((post.about.audience.unwrap_or_default(), goal)).or_default();
            *group = (group.0 + 1, group.1 + post.deliveries);
        }
        let posts = groups.into_iter().map(|((audience, goal), (posts, deliveries))| PostGroup {
            audience,
            goal: goal.into(),
            posts,
            deliveries,
            ..PostGroup::default()
        });
        Report {
            made_up: false,
            window,
            accounts: accounts.collect(),
            people: PeopleSummary::default(),
            conversations: ConversationSummary::default(),
            outcomes: OutcomeSummary::default(),
            posts: posts.collect(),
            comparison: Comparison::default(),
            reach: Reach::default(),
            not_measured: vec!["people", "conversations", "outcomes", "reach"],
        }
    }
}
