//! Who has done something with our posts, and what they are to us.
//!
//! Records are folded into one short row for each interaction; who and which post are numbers in it, so that a million
//! interactions of a hundred thousand people take some tens of megabytes. What was taken back counts for nothing. Views and
//! clicks are reach: whoever has only looked is nobody here. Bots and accounts of ours are told apart, never counted.
//!
//! What somebody is to us is said for a moment: what came later does not matter then. Weeks are those of ISO 8601, in UTC,
//! because people live in no zone of ours.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use serde::Serialize;

use super::{Fact, Record};
use crate::domain::{AccountId, BotSign, DeliveryId, Digest, Interaction, PersonId, Profile, Timestamp, time};

/// How far back it counts that somebody comes back, or brings others.
pub const FAITHFUL: Duration = Duration::from_secs(90 * 86_400);
/// After this time without anything, somebody is cooling; until then, somebody is new.
pub const FRESH: Duration = Duration::from_secs(30 * 86_400);
/// Interactions that make the core, in two or more weeks.
const CORE: usize = 3;
/// Posts by which an advocate has brought others.
const ADVOCACY: usize = 2;

/// What somebody is to us at a moment. The first that fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// Three or more interactions in two or more weeks of the last 90 days.
    Core,
    /// The last one is more than 90 days ago.
    Lost,
    /// The last one is more than 30 days ago.
    Cooling,
    /// All of them lie in one week, the first within the last 30 days.
    New,
    /// None of these: seldom, but not for the first time.
    Returning,
}

/// Folds records.
#[derive(Debug, Default)]
pub struct PeopleFold {
    numbers: HashMap<PersonId, u32>,
    faces: Vec<Face>,
    posts: HashMap<DeliveryId, u32>,
    deliveries: Vec<DeliveryId>,
    /// What was done with a post: once by each person in each way, until it is undone.
    done: Vec<Told>,
    /// What was said: each message counts, by a hash of account and id.
    said: Vec<(u64, Told)>,
    ours: BTreeSet<PersonId>,
    forgotten: BTreeSet<Digest>,
}

#[derive(Debug)]
struct Face {
    person: PersonId,
    handle: Box<str>,
    bot: Option<BotSign>,
}

/// That somebody has done something, or taken it back.
#[derive(Debug, Clone, Copy)]
struct Told {
    act: Act,
    undone: bool,
}

/// One interaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Act {
    person: u32,
    post: u32,
    /// Seconds of 1970, until 2106.
    at: u32,
    pub kind: Interaction,
}

/// In place of a post: a mention stands below none of ours.
const NO_POST: u32 = u32::MAX;

/// Everybody on record.
#[derive(Debug)]
pub struct People {
    faces: Vec<Face>,
    deliveries: Vec<DeliveryId>,
    /// By person, then by time.
    acts: Vec<Act>,
}

/// One person, or one bot, who has done something.
#[derive(Debug, Clone, Copy)]
pub struct Person<'a> {
    pub id: &'a PersonId,
    /// Empty where it is not on record.
    pub handle: &'a str,
    pub bot: Option<BotSign>,
    /// Oldest first; never empty.
    pub acts: &'a [Act],
}

impl PeopleFold {
    /// Names an account of ours.
    pub fn ours(&mut self, person: PersonId) {
        self.ours.insert(person);
    }

    /// Takes the next record.
    pub fn apply(&mut self, record: &Record) {
        match &record.fact {
            Fact::Person(profile) => self.look(profile),
            Fact::Sampled(sample) => {
                let post = self.post(&sample.delivery);
                let told = |kind: &Interaction| !kind.is_reach() && *kind != Interaction::Reply;
                for (&kind, came) in sample.came.iter().filter(|(kind, _)| told(kind)) {
                    for came in came {
                        let act = Act { person: self.number(&came.0), post, at: seconds(came.1.min(record.at)), kind };
                        self.done.push(Told { act, undone: false });
                    }
                }
                for (&kind, left) in sample.left.iter().filter(|(kind, _)| told(kind)) {
                    for person in left {
                        let act = Act { person: self.number(person), post, at: 0, kind };
                        self.done.push(Told { act, undone: true });
                    }
                }
            }
            Fact::Said { account, delivery, message } => {
                let Some(by) = &message.by else { return };
                let (post, kind) = match delivery {
                    Some(delivery) => (self.post(delivery), Interaction::Reply),
                    None => (NO_POST, Interaction::Mention),
                };
                let act = Act { person: self.number(by), post, at: seconds(message.at.min(record.at)), kind };
                self.said.push((name(account, &message.id), Told { act, undone: false }));
            }
            Fact::Unsaid { account, id } => {
                let act = Act { person: 0, post: NO_POST, at: 0, kind: Interaction::Reply };
                self.said.push((name(account, id), Told { act, undone: true }));
            }
            Fact::Forgotten { person } => {
                self.forgotten.insert(*person);
            }
            Fact::Settled { .. } | Fact::Heard { .. } => {}
        }
    }

    /// Puts in order what was told.
    pub fn finish(self) -> People {
        let Self { faces, deliveries, mut done, mut said, ours, forgotten, .. } = self;
        // Stable: of one thing, what was told last stands.
        done.sort_by_key(|told| (told.act.person, told.act.post, told.act.kind));
        said.sort_by_key(|(name, _)| *name);
        let mut acts = Vec::with_capacity(done.len() + said.len());
        for same in
            done.chunk_by(|a, b| (a.act.person, a.act.post, a.act.kind) == (b.act.person, b.act.post, b.act.kind))
        {
            acts.extend(stands(same.iter()));
        }
        for same in said.chunk_by(|a, b| a.0 == b.0) {
            acts.extend(stands(same.iter().map(|(_, told)| told)));
        }
        drop((done, said));
        let gone = |face: &Face| {
            ours.contains(&face.person)
                || !forgotten.is_empty() && forgotten.contains(&Digest::of(face.person.as_str().as_bytes()))
        };
        let gone: Vec<bool> = faces.iter().map(gone).collect();
        acts.retain(|act| !gone[act.person as usize]);
        acts.sort_unstable_by_key(|act| (act.person, act.at, act.post, act.kind));
        People { faces, deliveries, acts }
    }

    fn look(&mut self, profile: &Profile) {
        let number = self.number(&profile.person) as usize;
        let face = &mut self.faces[number];
        face.bot = profile.bot;
        if *face.handle != *profile.handle {
            face.handle = profile.handle.as_str().into();
        }
    }

    fn number(&mut self, person: &PersonId) -> u32 {
        if let Some(number) = self.numbers.get(person) {
            return *number;
        }
        let number = u32::try_from(self.faces.len()).expect("fewer people than four billion");
        self.numbers.insert(person.clone(), number);
        self.faces.push(Face { person: person.clone(), handle: "".into(), bot: None });
        number
    }

    fn post(&mut self, delivery: &DeliveryId) -> u32 {
        if let Some(post) = self.posts.get(delivery) {
            return *post;
        }
        let post = u32::try_from(self.deliveries.len()).expect("fewer posts than four billion");
        self.posts.insert(delivery.clone(), post);
        self.deliveries.push(delivery.clone());
        post
    }
}

/// What is left of everything that was told of one interaction: since when it is there, if it is. What was told first
/// stands, but for a message of which it showed only later that it answers a post of ours.
fn stands<'a>(told: impl Iterator<Item = &'a Told>) -> Option<Act> {
    told.fold(None, |stands: Option<Act>, told| {
        let better = |stands: &Act| stands.post != NO_POST || told.act.post == NO_POST;
        if told.undone { None } else { stands.filter(better).or(Some(told.act)) }
    })
}

fn name(account: &AccountId, id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (account.as_str(), id).hash(&mut hasher);
    hasher.finish()
}

fn seconds(at: Timestamp) -> u32 {
    u32::try_from(at.as_second().max(0)).unwrap_or(u32::MAX)
}

/// The number of an ISO week: 0 is that of 1 January 1970.
pub fn week(at: Timestamp) -> u32 {
    week_of(seconds(at))
}

/// 1 January 1970 was a Thursday.
fn week_of(seconds: u32) -> u32 {
    (seconds / 86_400 + 3) / 7
}

/// When a week begins.
pub fn week_starts(week: u32) -> Timestamp {
    Timestamp::from_second((i64::from(week) * 7 - 3) * 86_400).unwrap_or(Timestamp::MAX)
}

impl People {
    /// Those who count.
    pub fn people(&self) -> impl Iterator<Item = Person<'_>> {
        self.all().filter(|person| person.bot.is_none())
    }

    /// Those who do not.
    pub fn bots(&self) -> impl Iterator<Item = Person<'_>> {
        self.all().filter(|person| person.bot.is_some())
    }

    /// In the order in which they were named first.
    fn all(&self) -> impl Iterator<Item = Person<'_>> {
        self.acts.chunk_by(|a, b| a.person == b.person).map(|acts| {
            let face = &self.faces[acts[0].person as usize];
            Person { id: &face.person, handle: &face.handle, bot: face.bot, acts }
        })
    }

    /// What people call somebody, whatever they have done; empty where it is not on record.
    pub fn handles(&self) -> HashMap<&PersonId, &str> {
        self.faces.iter().map(|face| (&face.person, &*face.handle)).collect()
    }

    /// Our posts with which something was done: [`Act::post`] is a place in this list.
    pub fn deliveries(&self) -> &[DeliveryId] {
        &self.deliveries
    }
}

impl Act {
    pub fn at(&self) -> Timestamp {
        Timestamp::from_second(i64::from(self.at)).unwrap_or(Timestamp::MAX)
    }

    /// The number of its week.
    pub fn week(&self) -> u32 {
        week_of(self.at)
    }

    /// Which post of ours it was done with, by its place in [`People::deliveries`].
    pub fn post(&self) -> Option<usize> {
        (self.post != NO_POST).then_some(self.post as usize)
    }
}

impl<'a> Person<'a> {
    /// What was done from `since` on, up to and with `until`.
    pub fn between(&self, since: Timestamp, until: Timestamp) -> &'a [Act] {
        let (since, until) = (seconds(since), seconds(until));
        let begin = self.acts.partition_point(|act| act.at < since);
        let end = self.acts.partition_point(|act| act.at <= until);
        self.acts.get(begin..end).unwrap_or_default()
    }

    /// What was done in the 90 days before a moment.
    pub fn recent(&self, now: Timestamp) -> &'a [Act] {
        self.between(time::before(now, FAITHFUL), now)
    }

    /// `None`: at that moment they had not done anything yet.
    pub fn standing(&self, now: Timestamp) -> Option<Standing> {
        let until = self.between(Timestamp::MIN, now);
        let (first, last) = (until.first()?, until.last()?);
        let ago = |span| seconds(time::before(now, span));
        Some(if is_core(self.recent(now)) {
            Standing::Core
        } else if last.at < ago(FAITHFUL) {
            Standing::Lost
        } else if last.at < ago(FRESH) {
            Standing::Cooling
        } else if first.week() == last.week() && first.at >= ago(FRESH) {
            Standing::New
        } else {
            Standing::Returning
        })
    }

    /// Whether they brought others at least twice in the 90 days before a moment, by different posts. A mention stands
    /// below no post of ours: each is one of its own.
    pub fn is_advocate(&self, now: Timestamp) -> bool {
        let brought = self.recent(now).iter().filter(|act| act.kind.brings_others());
        let (posts, mentions): (Vec<_>, Vec<_>) = brought.map(|act| act.post).partition(|post| *post != NO_POST);
        posts.into_iter().collect::<BTreeSet<_>>().len() + mentions.len() >= ADVOCACY
    }
}

/// Whether what was done in 90 days, oldest first, makes somebody belong to the core.
pub fn is_core(recent: &[Act]) -> bool {
    recent.len() >= CORE && recent.first().map(Act::week) != recent.last().map(Act::week)
}

#[cfg(test)]
mod tests;
