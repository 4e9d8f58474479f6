//! What a look has found becomes records: only what has changed since the look before.
//!
//! Platforms leave out of their lists who has blocked us or is gone, and go on counting them. So somebody who is not in a
//! list any more has taken it back only when the list is as long as the count says; else nobody knows who is missing, and
//! all who were seen stay. Whoever is not to be recorded is not, and the counts stay what they are.

use std::collections::{BTreeMap, BTreeSet};

use super::record::Came;
use super::{Fact, Record, Sample, Watch};
use crate::domain::{AccountId, DeliveryId, Digest, Message, PersonId, Profile, Timestamp, time};
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
    let mut news = News { watch, account, now, facts: Vec::new(), told: BTreeSet::new(), passed: BTreeSet::new() };
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
    now: Timestamp,
    facts: Vec<Fact>,
    told: BTreeSet<PersonId>,
    /// Messages of those who are not to be recorded.
    passed: BTreeSet<String>,
}

impl News<'_> {
    fn post(&mut self, finding: Finding, ours: &dyn Ours, now: Timestamp) {
        let Finding { delivery, gone, counts, who, said, people, partly } = finding;
        let Some(published) = ours.published(&delivery) else { return };
        self.people(people);
        let seen = self.watch.seen(&delivery);
        let (mut came, mut left) = (BTreeMap::new(), BTreeMap::new());
        let nobody = BTreeSet::new();
        for (kind, acts) in who {
            let known = seen.and_then(|seen| seen.who.get(&kind)).unwrap_or(&nobody);
            let enough = |count: &u64| u64::try_from(acts.len()).unwrap_or(u64::MAX) >= *count;
            let whole = !partly && counts.get(&kind).is_none_or(enough);
            let here: BTreeSet<&PersonId> = acts.iter().map(|act| &act.person).collect();
            if whole {
                let away: Vec<PersonId> = known.iter().filter(|person| !here.contains(person)).cloned().collect();
                if !away.is_empty() {
                    left.insert(kind, away);
                }
            }
            // Of who is not dated, it cannot be told whether they were let go of or have come since.
            let undated = seen.is_none_or(|seen| seen.age.is_zero()) || self.watch.keeps_all_since(published, now);
            let acts = acts.into_iter().filter(|act| undated || act.at.is_some()).collect();
            let new = self.who_came(acts, known, published, now);
            if !new.is_empty() {
                came.insert(kind, new);
            }
        }
        if let Some(said) = said {
            let here: BTreeSet<String> = said.iter().map(|message| message.id.clone()).collect();
            self.below(&delivery, said);
            let known = seen.into_iter().flat_map(|seen| seen.said.keys());
            let away = known.filter(|id| !partly && !here.contains(*id));
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
            // Nobody has done anything with a post before it was there, nor tomorrow.
            let at = at.unwrap_or(now).clamp(published.min(now), now);
            if !known.contains(&person) && self.watch.may_record(&person, at, now) {
                new.entry(person).or_insert(at);
            }
        }
        new.into_iter().map(|(person, at)| Came(person, at)).collect()
    }

    fn people(&mut self, people: Vec<Profile>) {
        for profile in people {
            let wanted = self.watch.may_record(&profile.person, self.now, self.now) && self.watch.is_news(&profile);
            if wanted && self.told.insert(profile.person.clone()) {
                self.facts.push(Fact::Person(profile));
            }
        }
    }

    fn below(&mut self, delivery: &DeliveryId, said: Vec<Message>) {
        self.pass_over(&said);
        for message in said {
            self.say(Some(delivery.clone()), message);
        }
    }

    /// Messages that were found beside any post of ours: what they answer tells what they stand below.
    fn messages(&mut self, mut messages: Vec<Message>, ours: &dyn Ours) {
        messages.sort_by_key(|message| message.at);
        self.pass_over(&messages);
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

    fn pass_over(&mut self, messages: &[Message]) {
        let Self { watch, now, passed, .. } = self;
        let theirs = messages.iter().filter(|message| {
            message.by.as_ref().is_some_and(|person| !watch.may_record(person, message.at.min(*now), *now))
        });
        passed.extend(theirs.map(|message| message.id.clone()));
    }

    fn say(&mut self, delivery: Option<DeliveryId>, mut message: Message) {
        message.at = message.at.min(self.now);
        if self.passed.contains(&message.id) {
            return;
        }
        if let Some(parent) = message.parent.take() {
            // An id may hold the name of who wrote it: what answers the same still hangs below the same.
            let named = self.passed.contains(&parent) || self.watch.is_of_somebody_forgotten(&parent);
            message.parent = Some(if named { Digest::of(parent.as_bytes()).to_string() } else { parent });
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::domain::Interaction;
    use crate::engage::retention::Retention;

    struct One;

    impl Ours for One {
        fn published(&self, _: &DeliveryId) -> Option<Timestamp> {
            Some(at(0))
        }

        fn post(&self, _: &AccountId, remote: &str) -> Option<DeliveryId> {
            (remote == "ours").then(|| "p@a".parse().unwrap())
        }
    }

    fn at(day: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + day * 86_400).unwrap()
    }

    fn person(name: &str) -> PersonId {
        PersonId::new("bluesky", &format!("did:plc:{name}")).unwrap()
    }

    fn message(name: &str, parent: &str, day: i64) -> Message {
        Message {
            id: format!("at://did:plc:{name}/{day}"),
            parent: Some(parent.to_owned()),
            by: Some(person(name)),
            at: at(day),
            text: "a word".into(),
            url: None,
            answer: String::new(),
            private: false,
        }
    }

    fn look(watch: &mut Watch, day: i64, said: Vec<Message>, likes: &[&str], count: u64) -> String {
        let mut finding = Finding::of("p@a".parse().unwrap());
        finding.said = Some(said);
        let acts = likes.iter().map(|name| Act { person: person(name), at: None }).collect();
        finding.who.insert(Interaction::Like, acts);
        finding.counts.insert(Interaction::Like, count);
        let account = AccountId::new("a").unwrap();
        let records = records(watch, &account, Found::Post(Box::new(finding)), &One, at(day));
        records.iter().for_each(|record| watch.apply(record));
        records.iter().map(|record| String::from_utf8(record.encode()).unwrap() + "\n").collect()
    }

    #[test]
    fn nothing_of_somebody_forgotten_is_recorded_again_nor_their_name_in_what_others_answer() {
        let mut watch = Watch::default();
        let forgotten = Fact::Forgotten { person: Digest::of(person("ann").as_str().as_bytes()) };
        watch.apply(&Record::new(at(0), forgotten));
        let said = vec![message("bob", "at://did:plc:ann/1", 2), message("ann", "ours", 1)];
        let text = look(&mut watch, 3, said, &["ann", "bob"], 2);
        assert!(!text.contains("plc:ann") && text.contains("plc:bob") && text.contains("sha256:"), "{text}");
        // Where what they said is not shown any more, its id alone tells.
        let text = look(&mut watch, 4, vec![message("cat", "at://did:plc:ann/1", 3)], &[], 0);
        assert!(!text.contains("plc:ann") && text.contains("plc:cat"), "{text}");
    }

    #[test]
    fn what_would_not_be_kept_is_not_recorded() {
        let mut watch = Watch::default();
        watch.keep_to(Retention { most: Duration::from_secs(7 * 86_400), platforms: BTreeMap::new() });
        assert!(look(&mut watch, 1, vec![message("ann", "ours", 1)], &["ann"], 1).contains("plc:ann"));
        let mut anew = Watch::default();
        anew.keep_to(Retention { most: Duration::from_secs(7 * 86_400), platforms: BTreeMap::new() });
        // A restart after they were let go of: the post was looked at before, and the like has no date.
        let sample = Sample {
            delivery: "p@a".parse().unwrap(),
            age: 86_400,
            gone: false,
            counts: BTreeMap::new(),
            came: BTreeMap::new(),
            left: BTreeMap::new(),
        };
        anew.apply(&Record::new(at(1), Fact::Sampled(Box::new(sample))));
        let text = look(&mut anew, 20, vec![message("ann", "ours", 1), message("bob", "ours", 19)], &["ann"], 1);
        assert!(!text.contains("plc:ann") && text.contains("plc:bob"), "{text}");
    }

    #[test]
    fn where_not_everybody_was_heard_nobody_has_left_and_nothing_is_unsaid() {
        let mut watch = Watch::default();
        look(&mut watch, 1, vec![message("ann", "ours", 1)], &["ann", "bob"], 2);
        let mut finding = Finding::of("p@a".parse().unwrap());
        finding.said = Some(vec![message("cat", "ours", 2)]);
        finding.who.insert(Interaction::Like, vec![Act { person: person("cat"), at: Some(at(2)) }]);
        finding.counts.insert(Interaction::Like, 1);
        for (partly, lost) in [(true, 0), (false, 2)] {
            let found = Found::Post(Box::new(Finding { partly, ..finding.clone() }));
            let records = records(&watch, &AccountId::new("a").unwrap(), found, &One, at(2));
            let left = |record: &Record| match &record.fact {
                Fact::Sampled(sample) => usize::from(!sample.left.is_empty()),
                Fact::Unsaid { .. } => 1,
                _ => 0,
            };
            assert_eq!(records.iter().map(left).sum::<usize>(), lost, "{records:?}");
            let came = |record: &Record| matches!(&record.fact, Fact::Sampled(sample) if sample.came.len() == 1);
            assert!(records.iter().any(came), "whoever is new is on record");
        }
    }

    #[test]
    fn whoever_is_not_listed_has_taken_it_back_only_where_the_list_is_as_long_as_the_count() {
        let mut watch = Watch::default();
        look(&mut watch, 1, Vec::new(), &["ann", "bob"], 2);
        // One of two is hidden; then one has gone.
        assert!(!look(&mut watch, 2, Vec::new(), &["ann"], 2).contains("\"left\""));
        assert!(look(&mut watch, 3, Vec::new(), &["ann"], 1).contains("\"left\":{\"like\":[\"bluesky:did:plc:bob\"]}"));
    }
}
