//! How long it is kept who has done what. What is counted stays: it is about nobody.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use super::record::Came;
use super::{Fact, Record, Sample};
use crate::domain::{AccountId, Digest, Message, PersonId, Timestamp, time};

/// How long people are kept, by platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Where a platform has no terms of its own.
    pub most: Duration,
    /// What the terms of platforms allow, where that is less.
    pub platforms: BTreeMap<String, Duration>,
}

impl Retention {
    /// Whether what somebody has done then is kept still.
    pub fn keeps(&self, person: &PersonId, at: Timestamp, now: Timestamp) -> bool {
        let most = self.platforms.get(person.platform()).copied().unwrap_or(self.most).min(self.most);
        at >= time::before(now, most)
    }

    /// Whether all that was done since then is kept, on every platform.
    pub fn keeps_all_since(&self, moment: Timestamp, now: Timestamp) -> bool {
        let least = self.platforms.values().copied().min().unwrap_or(self.most).min(self.most);
        moment >= time::before(now, least)
    }
}

/// What is recorded while everything is read may name somebody who was not named when it was looked at.
const MEANWHILE: Duration = Duration::from_secs(60);

/// What is left when it is time for some to go, or when somebody is to be forgotten. Everything is read before: to see who
/// is not to be recorded, who is still named, and what goes with whom.
#[derive(Debug)]
pub struct Trim {
    retention: Option<Retention>,
    now: Timestamp,
    forgotten: HashSet<Digest>,
    named: HashSet<PersonId>,
    /// Messages that stay, and those that go. An id may hold the name of who wrote it.
    stay: HashSet<String>,
    go: HashSet<String>,
    heard: HashMap<AccountId, String>,
}

impl Trim {
    /// What retention asks for, and whoever is on record as forgotten.
    pub fn new(retention: Retention, now: Timestamp) -> Self {
        Self { retention: Some(retention), ..Self::of(now) }
    }

    /// Only whoever is on record as forgotten, with this one.
    pub fn without(person: Digest, now: Timestamp) -> Self {
        Self { forgotten: HashSet::from([person]), ..Self::of(now) }
    }

    fn of(now: Timestamp) -> Self {
        Self {
            retention: None,
            now,
            forgotten: HashSet::new(),
            named: HashSet::new(),
            stay: HashSet::new(),
            go: HashSet::new(),
            heard: HashMap::new(),
        }
    }

    fn keeps(&self, person: &PersonId, at: Timestamp) -> bool {
        let forgotten =
            || !self.forgotten.is_empty() && self.forgotten.contains(&Digest::of(person.as_str().as_bytes()));
        self.retention.as_ref().is_none_or(|retention| retention.keeps(person, at, self.now)) && !forgotten()
    }

    /// Whether a message stays. What we have said is kept as long as what others have.
    fn keeps_message(&self, message: &Message) -> bool {
        match (&message.by, &self.retention) {
            (Some(person), _) => self.keeps(person, message.at),
            (None, Some(retention)) => message.at >= time::before(self.now, retention.most),
            (None, None) => true,
        }
    }

    /// First of all, who is on record as forgotten.
    pub fn forget(&mut self, record: &Record) {
        if let Fact::Forgotten { person } = &record.fact {
            self.forgotten.insert(*person);
        }
    }

    /// Then, every record.
    pub fn look(&mut self, record: &Record) {
        match &record.fact {
            Fact::Sampled(sample) => {
                for Came(person, at) in sample.came.values().flatten() {
                    self.name(person, *at);
                }
            }
            Fact::Said { message, .. } => {
                if let Some(person) = &message.by {
                    self.name(person, message.at);
                }
                let held = if self.keeps_message(message) { &mut self.stay } else { &mut self.go };
                held.insert(message.id.clone());
            }
            // Who was seen today may be named by what is recorded next.
            Fact::Person(profile) => self.name(&profile.person, record.at),
            Fact::Heard { account, to } => drop(self.heard.insert(account.clone(), to.clone())),
            Fact::Forgotten { .. } | Fact::Unsaid { .. } | Fact::Settled { .. } => {}
        }
    }

    fn name(&mut self, person: &PersonId, at: Timestamp) {
        if self.keeps(person, at) && !self.named.contains(person) {
            self.named.insert(person.clone());
        }
    }

    /// At last, what is left of each of them.
    pub fn keep(&self, record: Record) -> Option<Record> {
        let fresh = record.at >= time::before(self.now, MEANWHILE);
        let fact = match record.fact {
            Fact::Person(profile) => {
                let named = self.named.contains(&profile.person) || (fresh && self.keeps(&profile.person, record.at));
                Fact::Person(Some(profile).filter(|_| named)?)
            }
            Fact::Said { account, delivery, message } => {
                let mut message = Some(message).filter(|message| self.keeps_message(message))?;
                if message.parent.as_ref().is_some_and(|parent| self.go.contains(parent)) {
                    // What answers the same still hangs below the same.
                    message.parent = message.parent.map(|parent| Digest::of(parent.as_bytes()).to_string());
                }
                Fact::Said { account, delivery, message }
            }
            Fact::Unsaid { account, id } => {
                Fact::Unsaid { account, id: Some(id).filter(|id| self.is_told(id, fresh))? }
            }
            Fact::Settled { account, mut ids, by } => {
                ids.retain(|id| self.is_told(id, fresh));
                Fact::Settled { account, ids: Some(ids).filter(|ids| !ids.is_empty())?, by }
            }
            Fact::Sampled(mut sample) => {
                let Sample { came, left, .. } = &mut *sample;
                came.values_mut().for_each(|came| came.retain(|Came(person, at)| self.keeps(person, *at)));
                left.values_mut().for_each(|left| left.retain(|person| self.named.contains(person)));
                came.retain(|_, came| !came.is_empty());
                left.retain(|_, left| !left.is_empty());
                Fact::Sampled(sample)
            }
            Fact::Heard { account, to } => {
                let last = fresh || self.heard.get(&account) == Some(&to);
                Fact::Heard { account, to: Some(to).filter(|_| last)? }
            }
            fact @ Fact::Forgotten { .. } => fact,
        };
        Some(Record { fact, ..record })
    }

    /// Whether something that was said is on record, or may have been said just now.
    fn is_told(&self, id: &str, fresh: bool) -> bool {
        self.stay.contains(id) || (fresh && !self.go.contains(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Interaction, Profile};

    fn at(day: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + day * 86_400).unwrap()
    }

    fn person(name: &str) -> PersonId {
        PersonId::new("bluesky", &format!("did:plc:{name}")).unwrap()
    }

    fn said(name: &str, id: &str, parent: Option<&str>, day: i64) -> Record {
        let message = Message {
            id: format!("at://did:plc:{name}/{id}"),
            parent: parent.map(ToOwned::to_owned),
            by: (name != "us").then(|| person(name)),
            at: at(day),
            text: "a word".into(),
            url: None,
            answer: String::new(),
            private: false,
        };
        let account = AccountId::new("a").unwrap();
        Record::new(at(day), Fact::Said { account, delivery: None, message })
    }

    fn records() -> Vec<Record> {
        let face = |name: &str, day| {
            let profile = Profile { person: person(name), handle: name.into(), bot: None };
            Record::new(at(day), Fact::Person(profile))
        };
        let account = || AccountId::new("a").unwrap();
        let came = |name: &str, day| Came(person(name), at(day));
        let sample = Sample {
            delivery: "p@a".parse().unwrap(),
            age: 900,
            gone: false,
            counts: BTreeMap::from([(Interaction::Like, 2)]),
            came: BTreeMap::from([(Interaction::Like, vec![came("ann", 10), came("bob", 100)])]),
            left: BTreeMap::from([(Interaction::Repost, vec![person("ann")])]),
        };
        let ids = vec!["at://did:plc:ann/1".to_owned()];
        vec![
            face("ann", 10),
            face("bob", 100),
            Record::new(at(100), Fact::Sampled(Box::new(sample))),
            said("ann", "1", None, 10),
            said("bob", "2", Some("at://did:plc:ann/1"), 100),
            said("us", "3", Some("at://did:plc:ann/1"), 100),
            Record::new(at(100), Fact::Settled { account: account(), ids, by: "me".into() }),
            Record::new(at(100), Fact::Unsaid { account: account(), id: "at://did:plc:ann/9".into() }),
            Record::new(at(100), Fact::Heard { account: account(), to: "1".into() }),
            Record::new(at(101), Fact::Heard { account: account(), to: "2".into() }),
        ]
    }

    fn left(mut trim: Trim, records: Vec<Record>) -> Vec<Record> {
        records.iter().for_each(|record| trim.forget(record));
        records.iter().for_each(|record| trim.look(record));
        records.into_iter().filter_map(|record| trim.keep(record)).collect()
    }

    #[test]
    fn nothing_of_a_forgotten_person_is_left_and_the_counts_stay() {
        let digest = Digest::of(person("ann").as_str().as_bytes());
        let on_record = Record::new(at(120), Fact::Forgotten { person: digest });
        let retention = Retention { most: Duration::from_secs(4_000 * 86_400), platforms: BTreeMap::new() };
        let told = [records(), vec![on_record]].concat();
        for (trim, records) in [(Trim::without(digest, at(120)), records()), (Trim::new(retention, at(120)), told)] {
            let left = left(trim, records);
            let bytes: Vec<u8> = left.iter().flat_map(Record::encode).collect();
            let text = String::from_utf8(bytes).unwrap();
            assert!(!text.contains("plc:ann") && text.contains("plc:bob") && text.contains("\"like\":2"), "{text}");
            // The two that answered the same hang below the same.
            let parent = |record: &Record| match &record.fact {
                Fact::Said { message, .. } => message.parent.clone(),
                _ => None,
            };
            let parents: Vec<_> = left.iter().filter_map(parent).collect();
            assert!(parents.len() == 2 && parents[0] == parents[1]);
        }
    }

    #[test]
    fn what_is_older_than_retention_goes_and_what_is_recorded_meanwhile_stays() {
        let retention = Retention { most: Duration::from_secs(60 * 86_400), platforms: BTreeMap::new() };
        let mut trim = Trim::new(retention.clone(), at(120));
        let before = records();
        before.iter().for_each(|record| trim.look(record));
        let profile = Profile { person: person("cat"), handle: "cat".into(), bot: None };
        let meanwhile = [Record::new(at(120), Fact::Person(profile)), said("cat", "5", None, 120)];
        let left: Vec<Record> =
            before.into_iter().chain(meanwhile.clone()).filter_map(|record| trim.keep(record)).collect();
        let text: String = left.iter().map(|record| String::from_utf8(record.encode()).unwrap()).collect();
        assert!(!text.contains("plc:ann") && text.contains("plc:bob"), "{text}");
        assert_eq!(left[left.len() - 2..], meanwhile);
        assert_eq!(left.iter().filter(|record| matches!(record.fact, Fact::Heard { .. })).count(), 1);
        // The terms of a platform may ask for less.
        let strict = BTreeMap::from([("bluesky".to_owned(), Duration::from_secs(86_400))]);
        let left = self::left(Trim::new(Retention { platforms: strict, ..retention }, at(120)), records());
        assert!(!left.iter().any(|record| String::from_utf8(record.encode()).unwrap().contains("plc:bob")));
    }
}
