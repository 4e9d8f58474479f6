//! All accounts together.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde::Serialize;

use crate::domain::{AccountId, DeliveryId, Gain, KeyHash, PersonId, Timestamp, time};
use crate::engage::people::PeopleFold;
use crate::engage::{self, Conversations};
use crate::ledger::Record;
use crate::ledger::record::{Decision, Fact, Outcome};

use super::beat::{AccountBeat, Beat};
use super::measured::Seen;
use super::post::Posts;
use super::posts::{self, Known};
use super::{
    Comparison, ConversationSummary, OutcomeSummary, PeopleSummary, PostGroup, Reach, conversations, outcomes, people,
};

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
    /// How long approved posts last from now on; what is on record does not tell it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runway: Option<Runway>,
}

/// Days until the approved posts of an account run out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Runway {
    pub days: f64,
    /// They last longer than was looked ahead: at least so long.
    pub at_least: bool,
}

impl Runway {
    /// For people.
    pub fn text(self) -> String {
        let days = time::days_text(self.days);
        if self.at_least { format!("over {days}") } else { days }
    }
}

/// Makes a report out of records: those of the delivery journal first, then those about people, each oldest first.
#[derive(Debug)]
pub struct Reporter {
    window: Window,
    zones: BTreeMap<AccountId, TimeZone>,
    accounts: BTreeMap<AccountId, Account>,
    posts: Posts,
    /// By their keys: of two with the same, the first counts.
    gains: BTreeMap<KeyHash, Gain>,
    seen: BTreeMap<DeliveryId, Seen>,
    people: PeopleFold,
    conversations: Conversations,
    /// Accounts of ours are known to the folds about people.
    introduced: bool,
}

#[derive(Debug, Default)]
struct Account {
    platform: String,
    /// Who it is there, as the platform says.
    identity: Option<String>,
    beat: Beat,
}

impl Reporter {
    /// `zones` are those of the accounts that are configured; weeks of others begin in UTC.
    pub fn new(window: Window, zones: BTreeMap<AccountId, TimeZone>) -> Self {
        let accounts = zones.keys().map(|account| (account.clone(), Account::default())).collect();
        Self {
            window,
            zones,
            accounts,
            posts: Posts::default(),
            gains: BTreeMap::new(),
            seen: BTreeMap::new(),
            people: PeopleFold::default(),
            conversations: Conversations::with_past(),
            introduced: false,
        }
    }

    /// Takes the next record of the delivery journal.
    pub fn record(&mut self, record: &Record) {
        if let Fact::Gained(gain) = &record.fact {
            self.gains.entry(gain.key_hash()).or_insert_with(|| (**gain).clone());
        }
        let delivery = record.fact.delivery();
        let other = match &record.fact {
            Fact::SlotEmpty { account, .. } | Fact::AccountSetBack { account } | Fact::Pinned { account, .. } => {
                Some(account)
            }
            _ => None,
        };
        let Some(account) = delivery.map(|delivery| &delivery.account).or(other) else { return };
        if !self.accounts.contains_key(account) {
            self.accounts.insert(account.clone(), Account::default());
        }
        let Some(known) = self.accounts.get_mut(account) else { return };
        known.beat.record(record.at, &record.fact);
        match &record.fact {
            Fact::Pinned { identity, .. } => known.identity = Some(identity.clone()),
            Fact::Intent(intent) => {
                known.platform.clone_from(&intent.platform);
                if intent.counts {
                    self.posts.intended(&intent.delivery.post, &intent.body);
                }
            }
            Fact::Outcome { delivery, outcome: Outcome::Delivered { .. }, .. }
            | Fact::Resolved { delivery, decision: Decision::Delivered { .. }, .. }
                if self.window.holds(record.at) =>
            {
                self.posts.delivered_at(delivery, record.at);
            }
            _ => {}
        }
    }

    /// Takes the next record about people.
    pub fn people(&mut self, record: &engage::Record) {
        if !self.introduced {
            self.introduced = true;
            for account in self.accounts.values() {
                let ours = account.identity.as_ref().and_then(|identity| PersonId::new(&account.platform, identity));
                if let Some(ours) = ours {
                    self.people.ours(ours.clone());
                    self.conversations.ours(ours);
                }
            }
        }
        self.people.apply(record);
        self.conversations.apply(record);
        match &record.fact {
            engage::Fact::Sampled(sample) => {
                if !self.seen.contains_key(&sample.delivery) {
                    self.seen.insert(sample.delivery.clone(), Seen::default());
                }
                self.seen.get_mut(&sample.delivery).into_iter().for_each(|seen| seen.sampled(sample));
            }
            engage::Fact::Said { delivery: Some(delivery), .. } => {
                self.seen.entry(delivery.clone()).or_default().said();
            }
            _ => {}
        }
    }

    pub fn finish(self) -> Report {
        let Self { window, zones, accounts, posts, gains, seen, people, conversations, .. } = self;
        let zone = |account: &AccountId| zones.get(account).cloned().unwrap_or(TimeZone::UTC);
        let beats = accounts.into_iter().map(|(account, known)| {
            let beat = known.beat.finish(&window, &zone(&account));
            AccountSummary { account, platform: known.platform, beat, runway: None }
        });
        let accounts: Vec<_> = beats.collect();
        let names: Vec<_> = accounts.iter().map(|account| account.account.clone()).collect();
        let people = people.finish();
        let within: Vec<&Gain> = gains.values().filter(|gain| window.holds(gain.at)).collect();
        let known =
            Known { posts: &posts, seen: &seen, people: &people, conversations: &conversations, gains: &within };
        let (groups, comparison) = posts::lines(&known);
        let reach = posts::reach(&known);
        let who = posts::measured(&known, Seen::who);
        let said = posts::measured(&known, Seen::what_was_said);
        let nothing = [
            ("people", people.people().next().is_none() && who.measured == 0),
            ("conversations", conversations.all().next().is_none() && said.measured == 0),
            ("outcomes", gains.is_empty()),
            ("reach", reach.views.is_none() && reach.clicks.is_none()),
        ];
        Report {
            made_up: false,
            window,
            people: people::summary(&people, who, &window),
            conversations: conversations::summary(&conversations, &people.handles(), said, &window),
            outcomes: outcomes::summary(within.iter().copied(), &posts, &names),
            accounts,
            posts: groups,
            comparison,
            reach,
            not_measured: nothing.into_iter().filter_map(|(name, nothing)| nothing.then_some(name)).collect(),
        }
    }
}
