//! What is known of the people who speak to us: it becomes known when it is on record, is said in the log, and holds back
//! what an account publishes while too many of them wait for an answer.
//!
//! It is found by `sweeps`, told by a person, or follows from an answer of our own. Whoever waits, and since when, is kept by
//! [`Watch`]; here is no rule of conversations.

use crate::domain::{AccountId, Interaction, Message, PersonId, ReplyTo, Timestamp, time};
use crate::engage::{self, Fact, Sample, Watch};
use crate::ledger;
use crate::ledger::record::{Fact as LedgerFact, Outcome};
use crate::ledger::store::CommitError;
use crate::queue::digest::content;
use crate::telemetry::events::{Event as LogEvent, quote};

use super::desk::Desk;
use super::{Command, Engine, Ticket};

impl Engine {
    /// Knows from here on what is recorded about people, and looks at posts.
    pub fn watch(&mut self, watch: Watch) {
        self.watch = Some(watch);
        let accounts: Vec<AccountId> = self.desks.keys().cloned().collect();
        accounts.iter().for_each(|account| self.list_posts(account));
    }

    /// Whoever an account of ours is there is nobody who waits for an answer.
    pub(super) fn name_ours(&mut self, account: &AccountId) {
        let (Some(watch), Some(desk)) = (&mut self.watch, self.desks.get(account)) else { return };
        let pinned = self.view.account(account).and_then(|held| held.head.pinned.as_deref());
        if let Some(ours) = pinned.and_then(|id| PersonId::new(desk.setup.adapter.platform(), id)) {
            watch.ours(ours);
        }
    }

    /// What is known of people; `None` where nothing is recorded about them.
    pub fn watched(&self) -> Option<&Watch> {
        self.watch.as_ref()
    }

    /// What was found or told is on record, or could not be recorded.
    pub(super) fn remembered(&mut self, ticket: Ticket, result: Result<(), CommitError>, now: Timestamp) {
        if let Some(place) = self.settling.iter().position(|(waited, _)| *waited == ticket) {
            let (_, records) = self.settling.swap_remove(place);
            if result.is_ok() {
                records.iter().for_each(|record| self.remember(record, now));
            }
            self.resolved.push((ticket, result));
            return self.advance_all(now);
        }
        let Some(records) = self.remembering.remove(&ticket) else { return };
        if result.is_ok() {
            records.iter().for_each(|record| self.remember(record, now));
        }
        self.sweep_has_recorded(ticket, &records, result, now);
    }

    fn remember(&mut self, record: &engage::Record, now: Timestamp) {
        let Some(watch) = &mut self.watch else { return };
        let waited = watch.conversations().count();
        watch.apply(record);
        let waits = watch.conversations().count();
        match &record.fact {
            Fact::Sampled(sample) => {
                self.collected(sample);
                self.look_at_in_time(&sample.delivery, now);
            }
            Fact::Said { account, delivery, message } if waits > waited => {
                self.log(LogEvent::ConversationOpened {
                    account: account.clone(),
                    delivery: delivery.clone(),
                    message: quote(&message.id),
                    person: message.by.as_ref().map(ToString::to_string),
                });
            }
            Fact::Said { account, message, .. } if waits < waited => {
                self.log(LogEvent::ConversationAnswered { account: account.clone(), message: quote(&message.id) });
            }
            Fact::Settled { account, ids, .. } if waits < waited => {
                let message = ids.first().map(|id| quote(id)).unwrap_or_default();
                self.log(LogEvent::ConversationAnswered { account: account.clone(), message });
            }
            _ => {}
        }
    }

    fn collected(&mut self, sample: &Sample) {
        let Sample { delivery, age, gone, counts, came, left } = sample;
        let platform = self.desks.get(&delivery.account).map_or("", |desk| desk.setup.adapter.platform());
        let count = |kind| counts.get(&kind).copied();
        self.log(LogEvent::EngagementCollected {
            delivery: delivery.clone(),
            post: delivery.post.to_string(),
            account: delivery.account.clone(),
            platform: platform.into(),
            age_s: *age,
            gone: *gone,
            replies: count(Interaction::Reply),
            reposts: count(Interaction::Repost),
            quotes: count(Interaction::Quote),
            likes: count(Interaction::Like),
            came: came.values().map(Vec::len).sum(),
            left: left.values().map(Vec::len).sum(),
        });
    }

    /// What a record says of somebody who waits: an answer of ours is out, and need not be found by looking. To be asked
    /// before the record is applied.
    pub(super) fn answer_given(&self, record: &ledger::Record) -> Option<Fact> {
        let LedgerFact::Outcome { delivery, outcome: Outcome::Delivered { remote, .. }, .. } = &record.fact else {
            return None;
        };
        let conversations = self.watch.as_ref()?.conversations();
        let intent = &self.entry(delivery)?.open.as_ref()?.intent;
        let Some(ReplyTo::Theirs(asked)) = content(&intent.body, &delivery.account).reply_to else { return None };
        let is_asked =
            |message: &&Message| message.answer == asked || message.id == asked || message.url.as_ref() == Some(&asked);
        let mut waiting = conversations.waiting(Some(&delivery.account));
        let (held, parent) = waiting.find_map(|held| {
            let parent = conversations.unanswered(held).find(is_asked)?.id.clone();
            Some((held.delivery.clone(), parent))
        })?;
        let message = Message {
            id: remote.id.clone(),
            parent: Some(parent),
            by: None,
            at: record.at,
            text: String::new(),
            url: remote.url.clone(),
            answer: remote.url.clone().unwrap_or_else(|| remote.id.clone()),
            private: false,
        };
        Some(Fact::Said { account: delivery.account.clone(), delivery: held, message })
    }

    /// A person of ours says that these messages need no answer. What came of it is given by [`Engine::next_resolved`].
    ///
    /// # Errors
    /// When nothing is recorded about people.
    pub fn settle(&mut self, facts: Vec<Fact>, now: Timestamp) -> Result<Ticket, &'static str> {
        if self.watch.is_none() {
            return Err("nothing is recorded about people here");
        }
        let records: Vec<_> = facts.into_iter().map(|fact| engage::Record::new(now, fact)).collect();
        let ticket = self.ticket();
        self.commands.push_back(Command::Remember { ticket, records: records.clone() });
        self.settling.push((ticket, records));
        Ok(ticket)
    }

    /// Whether more people have waited longer for an answer than the account's policy allows.
    pub(super) fn is_unanswered(&self, account: &AccountId, now: Timestamp) -> bool {
        let (Some(watch), Some(desk)) = (&self.watch, self.desks.get(account)) else { return false };
        let rule = &desk.setup.policy.unanswered;
        let most = usize::try_from(rule.max).unwrap_or(usize::MAX);
        let before = time::before(now, rule.older_than);
        let late = watch.conversations().waiting(Some(account));
        // Oldest first.
        late.take_while(|held| held.since.is_some_and(|since| since < before)).nth(most).is_some()
    }

    /// Accounts on which somebody has waited too long by now, or no more.
    pub(super) fn watch_the_waiting(&mut self, now: Timestamp) {
        let changed = |(id, desk): &(&AccountId, &Desk)| desk.unanswered != self.is_unanswered(id, now);
        let changed: Vec<AccountId> = self.desks.iter().filter(changed).map(|(id, _)| id.clone()).collect();
        changed.iter().for_each(|account| self.advance(account, now));
    }
}
