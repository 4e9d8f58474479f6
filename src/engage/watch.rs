//! What is known of the posts that are still looked at, and when each is looked at next.
//!
//! A post is looked at when it is so old as [`AGES`] say. What is kept of it here is what the next look is compared with:
//! who did what, and what was said. A month after its publication a post is left alone, and only its record remains.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash as _, Hasher as _};
use std::time::Duration;

use super::retention::Retention;
use super::{Conversations, Fact, Record, Sample};
use crate::domain::{AccountId, DeliveryId, Digest, Interaction, PersonId, Profile, Timestamp, time};

/// How old a post is when it is looked at: often while people see it, and once more a month later.
pub const AGES: [Duration; 7] = [
    Duration::from_secs(15 * 60),
    Duration::from_secs(3_600),
    Duration::from_secs(6 * 3_600),
    Duration::from_secs(86_400),
    Duration::from_secs(3 * 86_400),
    Duration::from_secs(7 * 86_400),
    Duration::from_secs(30 * 86_400),
];
/// A look that comes so much of an age before its time counts for it: posts that are nearly due are looked at together.
const EARLY: u32 = 10;
/// How long after the last age a post is still looked at, if it could not be in time.
const LATE: Duration = Duration::from_secs(7 * 86_400);

/// What is known of people, as far as the next look needs it.
#[derive(Debug, Default)]
pub struct Watch {
    posts: BTreeMap<DeliveryId, Seen>,
    /// Messages by account and id, and the post that each stands below.
    messages: BTreeMap<AccountId, BTreeMap<String, Option<DeliveryId>>>,
    heard: BTreeMap<AccountId, String>,
    /// How those looked who were seen lately.
    people: BTreeMap<PersonId, u64>,
    /// Who is not to be recorded again.
    forgotten: BTreeSet<Digest>,
    conversations: Conversations,
    /// How long people are kept, where that is known.
    retention: Option<Retention>,
}

/// A post that is looked at.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// How old it was when it was looked at last.
    pub age: Duration,
    pub gone: bool,
    pub who: BTreeMap<Interaction, BTreeSet<PersonId>>,
    /// Messages below it, and whose they are; `None`: ours.
    pub said: BTreeMap<String, Option<PersonId>>,
}

impl Watch {
    /// Takes the next record.
    pub fn apply(&mut self, record: &Record) {
        self.conversations.apply(record);
        match &record.fact {
            Fact::Person(profile) => {
                self.people.insert(profile.person.clone(), look_of(profile));
            }
            Fact::Sampled(sample) => self.sampled(sample),
            Fact::Said { account, delivery, message } => {
                if let Some(delivery) = delivery {
                    let seen = self.posts.entry(delivery.clone()).or_default();
                    seen.said.insert(message.id.clone(), message.by.clone());
                }
                let held = self.messages.entry(account.clone()).or_default().entry(message.id.clone()).or_default();
                if delivery.is_some() {
                    held.clone_from(delivery);
                }
            }
            Fact::Unsaid { account, id } => {
                let held = self.messages.get_mut(account).and_then(|held| held.remove(id)).flatten();
                if let Some(seen) = held.and_then(|delivery| self.posts.get_mut(&delivery)) {
                    seen.said.remove(id);
                }
            }
            Fact::Heard { account, to } => {
                self.heard.insert(account.clone(), to.clone());
            }
            Fact::Forgotten { person } => {
                self.forgotten.insert(*person);
                let is = |held: &PersonId| Digest::of(held.as_str().as_bytes()) == *person;
                self.people.retain(|held, _| !is(held));
                for who in self.posts.values_mut().flat_map(|seen| seen.who.values_mut()) {
                    who.retain(|held| !is(held));
                }
            }
            Fact::Settled { .. } => {}
        }
    }

    fn sampled(&mut self, sample: &Sample) {
        let seen = self.posts.entry(sample.delivery.clone()).or_default();
        seen.age = seen.age.max(Duration::from_secs(sample.age));
        seen.gone |= sample.gone;
        for (kind, came) in &sample.came {
            seen.who.entry(*kind).or_default().extend(came.iter().map(|came| came.0.clone()));
        }
        for (kind, left) in &sample.left {
            if let Some(who) = seen.who.get_mut(kind) {
                who.retain(|person| !left.contains(person));
            }
        }
    }

    /// When a post is to be looked at next; `None` when it is left alone.
    pub fn due(&self, delivery: &DeliveryId, published: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let seen = self.posts.get(delivery);
        if seen.is_some_and(|seen| seen.gone) {
            return None;
        }
        let age = seen.map_or(Duration::ZERO, |seen| seen.age);
        let next = AGES.iter().find(|next| age < **next - **next / EARLY)?;
        let over = time::after(published, AGES[AGES.len() - 1] + LATE);
        (now < over).then(|| time::after(published, *next))
    }

    /// How long before its time a post of this age may be looked at, to save a request of its own.
    pub fn spare(published: Timestamp, due: Timestamp) -> Duration {
        time::since(due, published) / (2 * EARLY)
    }

    /// How many people are on record for each kind.
    pub fn known(&self, delivery: &DeliveryId) -> BTreeMap<Interaction, u64> {
        let who = self.posts.get(delivery).map(|seen| &seen.who);
        let counts = who.into_iter().flatten().map(|(kind, who)| (*kind, u64::try_from(who.len()).unwrap_or(u64::MAX)));
        let mut counts: BTreeMap<_, _> = counts.filter(|(_, count)| *count > 0).collect();
        let said = self.posts.get(delivery).into_iter().flat_map(|seen| seen.said.values());
        let answered: BTreeSet<&PersonId> = said.flatten().collect();
        if !answered.is_empty() {
            counts.insert(Interaction::Reply, u64::try_from(answered.len()).unwrap_or(u64::MAX));
        }
        counts
    }

    /// How far it is known who has spoken to an account.
    pub fn heard(&self, account: &AccountId) -> String {
        self.heard.get(account).cloned().unwrap_or_default()
    }

    pub fn conversations(&self) -> &Conversations {
        &self.conversations
    }

    /// Names an account of ours: nobody waits there for an answer.
    pub fn ours(&mut self, person: PersonId) {
        self.conversations.ours(person);
    }

    /// Forgets what the next look needs no more: old posts, what was said below them unless it is a conversation still, and
    /// how people look.
    pub fn let_go(&mut self, is_old: impl Fn(&DeliveryId) -> bool) {
        self.posts.retain(|delivery, _| !is_old(delivery));
        let Self { messages, conversations, .. } = self;
        for (account, held) in messages {
            held.retain(|id, delivery| {
                delivery.as_ref().is_some_and(|delivery| !is_old(delivery)) || conversations.knows(account, id)
            });
        }
        // Whoever is seen again is recorded again.
        self.people.clear();
    }

    /// What retention has removed from the record waits for nobody any more.
    pub fn trim(&mut self, retention: Retention, now: Timestamp) {
        let mut over = Vec::new();
        for held in self.conversations.waiting(None) {
            let gone = self
                .conversations
                .unanswered(held)
                .filter(|message| message.by.as_ref().is_some_and(|person| !retention.keeps(person, message.at, now)));
            over.extend(gone.map(|message| (held.account.clone(), message.id.clone())));
        }
        for (account, id) in over {
            self.apply(&Record::new(now, Fact::Unsaid { account, id }));
        }
        self.retention = Some(retention);
    }

    pub(super) fn seen(&self, delivery: &DeliveryId) -> Option<&Seen> {
        self.posts.get(delivery)
    }

    /// The post that a message stands below; `None` when the message is not known.
    pub(super) fn place(&self, account: &AccountId, id: &str) -> Option<&Option<DeliveryId>> {
        self.messages.get(account)?.get(id)
    }

    /// Whether somebody has never looked like this.
    pub(super) fn is_news(&self, profile: &Profile) -> bool {
        self.people.get(&profile.person) != Some(&look_of(profile))
    }

    fn is_forgotten(&self, person: &PersonId) -> bool {
        !self.forgotten.is_empty() && self.forgotten.contains(&Digest::of(person.as_str().as_bytes()))
    }

    /// Whether it may be recorded that somebody has done something then: they are not forgotten, and it would be kept.
    pub(super) fn may_record(&self, person: &PersonId, at: Timestamp, now: Timestamp) -> bool {
        !self.is_forgotten(person) && self.retention.as_ref().is_none_or(|held| held.keeps(person, at, now))
    }

    /// Whether nobody has been let go of who has done something since then.
    pub(super) fn keeps_all_since(&self, moment: Timestamp, now: Timestamp) -> bool {
        self.retention.as_ref().is_none_or(|held| held.keeps_all_since(moment, now))
    }

    /// Whether an id is that of something that somebody forgotten has written, where ids tell (`at://DID/…`).
    pub(super) fn is_of_somebody_forgotten(&self, id: &str) -> bool {
        let did = id.strip_prefix("at://").and_then(|rest| rest.split('/').next());
        did.and_then(|did| PersonId::new("bluesky", did)).is_some_and(|person| self.is_forgotten(&person))
    }

    /// Nothing is recorded that would not be kept.
    pub fn keep_to(&mut self, retention: Retention) {
        self.retention = Some(retention);
    }
}

fn look_of(profile: &Profile) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&profile.handle, profile.bot.map(|sign| sign as u8)).hash(&mut hasher);
    hasher.finish()
}
