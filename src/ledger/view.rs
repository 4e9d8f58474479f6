//! What the core remembers of the records: the state of every delivery, and the beat of every account.
//!
//! The view is a fold: [`View::apply`] over all records in order gives it, and nothing else does. The fold of one
//! delivery ([`Entry::apply`]) and of one account ([`Head::apply`]) stand alone, so that an index may keep them one
//! by one and give them back at the next start.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::domain::{AccountId, Checkpoint, DeliveryId, Digest, PostId, Remote, State, Timestamp};

use super::record::{Decision, Fact, Intent, Outcome, Record};

/// The fold of all records.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct View {
    /// Highest wall clock that was recorded.
    pub clock_mark: Option<Timestamp>,
    accounts: BTreeMap<AccountId, Account>,
}

/// One account's part of the view.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Account {
    pub head: Head,
    deliveries: BTreeMap<PostId, Entry>,
    /// What was sent, by when it was sent; a post at most once.
    beat: BTreeSet<(Timestamp, PostId)>,
}

/// What is remembered of an account beside its deliveries.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// Why its token is not accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// The remote account's stable id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<String>,
    /// The last slot that was used or passed by: all before it are over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Timestamp>,
}

/// What is remembered of a delivery.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub state: State,
    /// What the plan held last, or what was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Attempts so far.
    #[serde(default)]
    pub attempts: u32,
    /// A person has dropped it; being in the queue does not bring it back.
    #[serde(default)]
    pub dropped: bool,
    /// Its place in the beat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<Box<Sent>>,
    /// What an attempt has left for the next one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open: Option<Box<Open>>,
}

/// A post's place in the beat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sent {
    /// When its last attempt began.
    pub from: Timestamp,
    /// When that attempt was settled; none while it is not.
    pub to: Option<Timestamp>,
    pub slot: Option<Timestamp>,
    pub promotion: bool,
    /// Whether it counts for the gap, the day and the promotion share.
    pub counts: bool,
    pub fingerprint: u64,
}

/// An attempt that is not over, or whose results the next attempt goes on from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Open {
    pub intent: Intent,
    /// When the last intent was recorded.
    pub begun: Timestamp,
    /// Durable results of its steps.
    pub done: Vec<Checkpoint>,
    /// How many of `done` are published parts.
    pub published: u32,
    /// It may have arrived; "not there" counts from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ambiguous: Option<Timestamp>,
}

/// The high-water mark of the clock after a record, from that before it.
pub fn clock_mark(before: Option<Timestamp>, record: &Record) -> Option<Timestamp> {
    match record.fact {
        Fact::ClockConfirmed { .. } => Some(record.at),
        _ => before.max(Some(record.at)),
    }
}

impl View {
    /// Adds what a record says. Records that make no sense (of a delivery that is over, say) change nothing: the
    /// ledger is the truth, and the view of a strange ledger must still be one.
    pub fn apply(&mut self, record: &Record) {
        self.clock_mark = clock_mark(self.clock_mark, record);
        if let Some(account) = record.fact.account() {
            self.accounts.entry(account.clone()).or_default().head.apply(record);
        }
        if let Some(delivery) = record.fact.delivery() {
            let account = self.accounts.entry(delivery.account.clone()).or_default();
            let entry = account.deliveries.entry(delivery.post.clone()).or_default();
            let before = entry.sent.as_ref().map(|sent| sent.from);
            entry.apply(record);
            let after = entry.sent.as_ref().map(|sent| sent.from);
            if before != after {
                if let Some(from) = before {
                    account.beat.remove(&(from, delivery.post.clone()));
                }
                if let Some(from) = after {
                    account.beat.insert((from, delivery.post.clone()));
                }
            }
        }
    }

    /// Puts back what an index has kept of an account.
    pub fn restore_head(&mut self, account: AccountId, head: Head) {
        self.accounts.entry(account).or_default().head = head;
    }

    /// Puts back what an index has kept of a delivery.
    pub fn restore_entry(&mut self, delivery: DeliveryId, entry: Entry) {
        let account = self.accounts.entry(delivery.account).or_default();
        if let Some(sent) = &entry.sent {
            account.beat.insert((sent.from, delivery.post.clone()));
        }
        account.deliveries.insert(delivery.post, entry);
    }

    pub fn account(&self, account: &AccountId) -> Option<&Account> {
        self.accounts.get(account)
    }

    pub fn accounts(&self) -> impl Iterator<Item = (&AccountId, &Account)> {
        self.accounts.iter()
    }

    pub fn entry(&self, delivery: &DeliveryId) -> Option<&Entry> {
        self.accounts.get(&delivery.account)?.deliveries.get(&delivery.post)
    }
}

impl Account {
    pub fn entry(&self, post: &PostId) -> Option<&Entry> {
        self.deliveries.get(post)
    }

    /// All deliveries, by post id.
    pub fn deliveries(&self) -> impl Iterator<Item = (&PostId, &Entry)> {
        self.deliveries.iter()
    }

    /// What was sent, latest first.
    pub fn beat(&self) -> impl Iterator<Item = (&PostId, &Sent)> {
        self.beat.iter().rev().filter_map(|(_, post)| {
            let sent = self.deliveries.get(post)?.sent.as_deref()?;
            Some((post, sent))
        })
    }
}

impl Default for Entry {
    fn default() -> Self {
        Self { state: State::Scheduled, digest: None, attempts: 0, dropped: false, sent: None, open: None }
    }
}

impl Entry {
    /// Adds what a record of this delivery says.
    pub fn apply(&mut self, record: &Record) {
        let at = record.at;
        match &record.fact {
            Fact::Planned { digest, held, detail, .. } => {
                self.digest = Some(*digest);
                self.state = match held {
                    Some(reason) => State::Held { reason: *reason, detail: detail.as_deref().map(Into::into) },
                    None => State::Scheduled,
                };
            }
            Fact::Intent(intent) => self.begin(intent, at),
            Fact::Checkpoint { step, data, publishes, .. } => {
                if let Some(open) = &mut self.open {
                    open.done.push(Checkpoint { step: step.clone(), data: data.clone() });
                    open.published += u32::from(*publishes);
                    open.ambiguous = None;
                }
            }
            Fact::Outcome { attempt, outcome, .. } => self.conclude(*attempt, outcome, at),
            Fact::Missed { .. } => self.state = State::Missed,
            Fact::Expired { .. } => self.state = State::Expired,
            Fact::Withdrawn { by, .. } => {
                self.state = State::Withdrawn;
                self.dropped |= by.is_some();
            }
            Fact::Resolved { decision, .. } => self.resolve(decision, at),
            _ => {}
        }
    }

    fn begin(&mut self, intent: &Intent, at: Timestamp) {
        let earlier = self.open.take().filter(|open| open.intent.key == intent.key);
        let (done, published) = earlier.map_or((Vec::new(), 0), |open| (open.done, open.published));
        self.state = State::Sending { attempt: intent.attempt };
        self.attempts = intent.attempt;
        self.digest = Some(intent.digest);
        self.sent = Some(Box::new(Sent {
            from: at,
            to: None,
            slot: intent.slot,
            promotion: intent.promotion,
            counts: intent.counts,
            fingerprint: intent.fingerprint,
        }));
        self.open = Some(Box::new(Open { intent: intent.clone(), begun: at, done, published, ambiguous: None }));
    }

    fn conclude(&mut self, attempt: u32, outcome: &Outcome, at: Timestamp) {
        if let Some(sent) = &mut self.sent {
            sent.to = Some(at);
        }
        match outcome {
            Outcome::Delivered { remote, .. } => {
                self.state = State::Delivered { attempt, remote: Box::new(remote.clone()) };
                self.open = None;
            }
            Outcome::Retry { until, counted, .. } => {
                self.state = State::Retrying { attempt, at: *until };
                if let Some(open) = &mut self.open {
                    open.intent.tries += u32::from(*counted);
                    open.ambiguous = None;
                }
            }
            Outcome::RateLimited { until, .. } => {
                self.state = State::Retrying { attempt, at: *until };
                if let Some(open) = &mut self.open {
                    open.ambiguous = None;
                }
            }
            Outcome::Auth { .. } => {
                self.state = State::Retrying { attempt, at };
                if let Some(open) = &mut self.open {
                    open.ambiguous = None;
                }
            }
            Outcome::Refused { why } => {
                self.state = State::Refused { attempt, why: why.as_str().into() };
                self.forget_unless_published();
            }
            Outcome::Ambiguous { settle, .. } => {
                self.state = State::Sending { attempt };
                if let Some(sent) = &mut self.sent {
                    sent.to = None;
                }
                if let Some(open) = &mut self.open {
                    open.ambiguous = Some(*settle);
                }
            }
            Outcome::Uncertain { why } => self.state = State::Uncertain { attempt, why: why.as_str().into() },
            Outcome::Abandoned { .. } => {
                self.state = State::Scheduled;
                self.forget_unless_published();
            }
        }
    }

    /// After an attempt that surely published nothing, nothing counts for the beat.
    fn forget_unless_published(&mut self) {
        if self.open.as_ref().is_none_or(|open| open.published == 0) {
            self.sent = None;
            self.open = None;
        }
    }

    fn resolve(&mut self, decision: &Decision, at: Timestamp) {
        let attempt = self.attempts;
        if let Some(sent) = &mut self.sent {
            sent.to = Some(at);
        }
        match decision {
            Decision::Delivered { url } => {
                let remote = Remote { id: url.clone(), url: Some(url.clone()), reference: serde_json::Value::Null };
                self.state = State::Delivered { attempt, remote: Box::new(remote) };
                self.open = None;
            }
            Decision::Retry => {
                self.state = State::Retrying { attempt, at };
                self.dropped = false;
                if let Some(open) = &mut self.open {
                    open.intent.tries = 0;
                    open.ambiguous = None;
                }
            }
            Decision::Drop => {
                self.state = State::Withdrawn;
                self.dropped = true;
            }
        }
    }

    /// What the platform calls it, once it is delivered.
    pub fn remote(&self) -> Option<&Remote> {
        match &self.state {
            State::Delivered { remote, .. } => Some(remote),
            _ => None,
        }
    }
}

impl Head {
    /// Adds what a record of this account, or of one of its deliveries, says.
    pub fn apply(&mut self, record: &Record) {
        match &record.fact {
            Fact::AccountStopped { why, .. } => self.stopped = Some(why.clone()),
            Fact::AccountResumed { .. } => self.stopped = None,
            Fact::Pinned { identity, .. } => self.pinned = Some(identity.clone()),
            Fact::SlotEmpty { slot, .. } => self.cursor = self.cursor.max(Some(*slot)),
            Fact::Intent(intent) if !intent.fixed => self.cursor = self.cursor.max(intent.slot),
            // The account's first record: slots before it were never promised.
            Fact::Planned { .. } => {
                self.cursor.get_or_insert(record.at);
            }
            _ => {}
        }
    }
}

impl Fact {
    /// The delivery it is about.
    pub fn delivery(&self) -> Option<&DeliveryId> {
        match self {
            Self::Planned { delivery, .. }
            | Self::Checkpoint { delivery, .. }
            | Self::Outcome { delivery, .. }
            | Self::Missed { delivery, .. }
            | Self::Expired { delivery }
            | Self::Withdrawn { delivery, .. }
            | Self::Resolved { delivery, .. } => Some(delivery),
            Self::Intent(intent) => Some(&intent.delivery),
            Self::Opened { .. }
            | Self::SlotEmpty { .. }
            | Self::AccountStopped { .. }
            | Self::AccountResumed { .. }
            | Self::Pinned { .. }
            | Self::ClockConfirmed { .. } => None,
        }
    }

    /// The account whose [`Head`] it may change.
    pub fn account(&self) -> Option<&AccountId> {
        match self {
            Self::SlotEmpty { account, .. }
            | Self::AccountStopped { account, .. }
            | Self::AccountResumed { account }
            | Self::Pinned { account, .. } => Some(account),
            Self::Intent(intent) => Some(&intent.delivery.account),
            Self::Planned { delivery, .. } => Some(&delivery.account),
            _ => None,
        }
    }
}
