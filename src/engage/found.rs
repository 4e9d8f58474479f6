//! What a look has found becomes records: only what has changed since the look before.
//!
//! Platforms leave out of their lists who has blocked us or is gone, and go on counting them. So somebody who is not in a
//! list any more has taken it back only when the list is as long as the count says; else nobody knows who is missing, and
//! all who were seen stay. Whoever is not to be recorded is not, and the counts stay what they are.

use std::collections::{BTreeMap, BTreeSet};

use super::record::Came;
use super::{Fact, Record, Sample, Watch};
use crate::domain::{AccountId, DeliveryId, Message, PersonId, Profile, Timestamp, time};
use crate::platform::contract::sweep::{Act, Finding, Found};

/// What must be known of our own posts to tell what was found.
pub trait Ours {
    /// When a post was published.
    fn published(&self, delivery: &DeliveryId) -> Option<Timestamp>;

    /// The post of ours that a platform calls so.
    fn post(&self, account: &AccountId, remote: &str) -> Option<DeliveryId>;
}

/// The records that a finding comes to, in order.
pub fn records(watch: &Watch, account: &AccountId, found: Found, ours: &dyn Ours, now: Timestamp) -> Vec<Record> {
    let mut news = News { watch, account, facts: Vec::new(), told: BTreeSet::new() };
    match found {
        Found::Post(finding) => news.post(*finding, ours, now),
        Found::Around { waiting, people, messages } => {
            if messages.is_empty() && watch.place(account, &waiting).is_some() {
                news.facts.push(Fact::Unsaid { account: account.clone(), id: waiting });
            }
            news.people(people);
            news.messages(messages, ours);
        }
        Found::Heard { people, messages, heard } => {
            news.people(people);
            news.messages(messages, ours);
            if watch.heard(account) != heard.0 {
                news.facts.push(Fact::Heard { account: account.clone(), to: heard.0 });
            }
        }
    }
    news.facts.into_iter().map(|fact| Record::new(now, fact)).collect()
}

struct News<'a> {
    watch: &'a Watch,
    account: &'a AccountId,
    facts: Vec<Fact>,
    told: BTreeSet<PersonId>,
}

impl News<'_> {
    fn post(&mut self, finding: Finding, ours: &dyn Ours, now: Timestamp) {
        let Finding { delivery, gone, counts, who, said, people } = finding;
        let Some(published) = ours.published(&delivery) else { return };
        self.people(people);
        let seen = self.watch.seen(&delivery);
        let (mut came, mut left) = (BTreeMap::new(), BTreeMap::new());
        let nobody = BTreeSet::new();
        for (kind, acts) in who {
            let known = seen.and_then(|seen| seen.who.get(&kind)).unwrap_or(&nobody);
            let whole = counts.get(&kind).is_none_or(|count| u64::try_from(acts.len()).unwrap_or(u64::MAX) >= *count);
            let here: BTreeSet<&PersonId> = acts.iter().map(|act| &act.person).collect();
            if whole {
                let away: Vec<PersonId> = known.iter().filter(|person| !here.contains(person)).cloned().collect();
                if !away.is_empty() {
                    left.insert(kind, away);
                }
            }
            let new = self.who_came(acts, known, published, now);
            if !new.is_empty() {
                came.insert(kind, new);
            }
        }
        if let Some(said) = said {
            let here: BTreeSet<String> = said.iter().map(|message| message.id.clone()).collect();
            self.below(&delivery, said);
            let away = seen.into_iter().flat_map(|seen| seen.said.keys()).filter(|id| !here.contains(*id));
            let away: Vec<Fact> =
                away.map(|id| Fact::Unsaid { account: self.account.clone(), id: id.clone() }).collect();
            self.facts.extend(away);
        }
        let age = time::since(now, published).as_secs();
        self.facts.push(Fact::Sampled(Box::new(Sample { delivery, age, gone, counts, came, left })));
    }

    /// Who was not known to have done this, each once.
    fn who_came(&self, acts: Vec<Act>, known: &BTreeSet<PersonId>, published: Timestamp, now: Timestamp) -> Vec<Came> {
        let mut new = BTreeMap::new();
        for Act { person, at } in acts {
            if !known.contains(&person) && !self.watch.is_forgotten(&person) {
                // Nobody has done anything with a post before it was there, nor tomorrow.
                new.entry(person).or_insert(at.unwrap_or(now).clamp(published.min(now), now));
            }
        }
        new.into_iter().map(|(person, at)| Came(person, at)).collect()
    }

    fn people(&mut self, people: Vec<Profile>) {
        for profile in people {
            let wanted = !self.watch.is_forgotten(&profile.person) && self.watch.is_news(&profile);
            if wanted && self.told.insert(profile.person.clone()) {
                self.facts.push(Fact::Person(profile));
            }
        }
    }

    fn below(&mut self, delivery: &DeliveryId, said: Vec<Message>) {
        for message in said {
            self.say(Some(delivery.clone()), message);
        }
    }

    /// Messages that were found beside any post of ours: what they answer tells what they stand below.
    fn messages(&mut self, mut messages: Vec<Message>, ours: &dyn Ours) {
        messages.sort_by_key(|message| message.at);
        let mut placed: BTreeMap<String, DeliveryId> = BTreeMap::new();
        for message in messages {
            let known = self.watch.place(self.account, &message.id).cloned().flatten();
            let parent = message.parent.as_deref();
            let by_parent = parent.and_then(|parent| {
                let held = || self.watch.place(self.account, parent).cloned().flatten();
                placed.get(parent).cloned().or_else(held).or_else(|| ours.post(self.account, parent))
            });
            let delivery = known.or(by_parent);
            if let Some(delivery) = &delivery {
                placed.insert(message.id.clone(), delivery.clone());
            }
            // A post of ours that was published by itself is no message.
            if message.by.is_none() && ours.post(self.account, &message.id).is_some() && message.parent.is_none() {
                continue;
            }
            self.say(delivery, message);
        }
    }

    fn say(&mut self, delivery: Option<DeliveryId>, mut message: Message) {
        if message.by.as_ref().is_some_and(|person| self.watch.is_forgotten(person)) {
            return;
        }
        let known = self.watch.place(self.account, &message.id);
        // What has a place keeps it: below an answer of ours that is a post of its own, it hangs below two.
        if known.is_some_and(|known| known.is_some() || delivery.is_none()) {
            return;
        }
        if message.text.chars().count() > Message::TEXT_CHARS {
            message.text = message.text.chars().take(Message::TEXT_CHARS).collect();
        }
        self.facts.push(Fact::Said { account: self.account.clone(), delivery, message });
    }
}
