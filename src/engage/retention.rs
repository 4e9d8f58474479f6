//! How long it is kept who has done what. What is counted stays: it is about nobody.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use super::record::Came;
use super::{Fact, Record, Sample};
use crate::domain::{Digest, PersonId, Timestamp, time};

/// How long people are kept, by platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Where a platform has no terms of its own.
    pub most: Duration,
    /// What the terms of platforms allow, where that is less.
    pub platforms: BTreeMap<String, Duration>,
}

impl Retention {
    fn keeps(&self, person: &PersonId, at: Timestamp, now: Timestamp) -> bool {
        let most = self.platforms.get(person.platform()).copied().unwrap_or(self.most).min(self.most);
        at >= time::before(now, most)
    }
}

/// What is left when it is time for some to go. Everything is read twice: how people look is kept of those who are still
/// named.
#[derive(Debug)]
pub struct Trim {
    retention: Retention,
    now: Timestamp,
    named: HashSet<PersonId>,
}

impl Trim {
    pub fn new(retention: Retention, now: Timestamp) -> Self {
        Self { retention, now, named: HashSet::new() }
    }

    /// First, every record.
    pub fn look(&mut self, record: &Record) {
        let Self { retention, now, named } = self;
        let mut name = |person: &PersonId, at| {
            if retention.keeps(person, at, *now) && !named.contains(person) {
                named.insert(person.clone());
            }
        };
        match &record.fact {
            Fact::Sampled(sample) => sample.came.values().flatten().for_each(|Came(person, at)| name(person, *at)),
            Fact::Said { message, .. } => message.by.iter().for_each(|person| name(person, message.at)),
            // Who was seen today may be named by what is recorded next.
            Fact::Person(profile) => name(&profile.person, record.at),
            _ => {}
        }
    }

    /// Then, what is left of each of them.
    pub fn keep(&self, record: Record) -> Option<Record> {
        let keeps = |person: &PersonId, at| self.retention.keeps(person, at, self.now);
        match record.fact {
            Fact::Person(profile) if !self.named.contains(&profile.person) => None,
            Fact::Said { message, .. } if message.by.as_ref().is_some_and(|person| !keeps(person, message.at)) => None,
            // What we have said is kept as long as what others have.
            Fact::Said { message, .. }
                if message.by.is_none() && message.at < time::before(self.now, self.retention.most) =>
            {
                None
            }
            Fact::Sampled(mut sample) => {
                sample.came.values_mut().for_each(|came| came.retain(|Came(person, at)| keeps(person, *at)));
                sample.left.values_mut().for_each(|left| left.retain(|person| self.named.contains(person)));
                Some(Record { fact: Fact::Sampled(without_empty(sample)), ..record })
            }
            fact => Some(Record { fact, ..record }),
        }
    }
}

/// What is left of a record without one person.
pub fn without(person: Digest, record: Record) -> Option<Record> {
    let is = |held: &PersonId| Digest::of(held.as_str().as_bytes()) == person;
    match record.fact {
        Fact::Person(profile) if is(&profile.person) => None,
        Fact::Said { message, .. } if message.by.as_ref().is_some_and(is) => None,
        Fact::Sampled(mut sample) => {
            sample.came.values_mut().for_each(|came| came.retain(|Came(held, _)| !is(held)));
            sample.left.values_mut().for_each(|left| left.retain(|held| !is(held)));
            Some(Record { fact: Fact::Sampled(without_empty(sample)), ..record })
        }
        fact => Some(Record { fact, ..record }),
    }
}

fn without_empty(mut sample: Box<Sample>) -> Box<Sample> {
    sample.came.retain(|_, came| !came.is_empty());
    sample.left.retain(|_, left| !left.is_empty());
    sample
}
