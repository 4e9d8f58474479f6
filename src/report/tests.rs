//! The parts of a report that are made of both journals.

use std::collections::BTreeMap;

use super::*;
use crate::domain::{
    AccountId, BotSign, Digest, Gain, GainKind, Interaction, JsonText, Message, Money, PersonId, Profile, Remote,
    Timestamp,
};
use crate::engage::record::Came;
use crate::engage::{self, Sample};
use crate::ledger::Record;
use crate::ledger::record::{Fact, Intent, Outcome};

/// Hour `hour` of day `day`; day 0 is Monday, 1 June 2026.
fn at(day: i64, hour: i64) -> Timestamp {
    "2026-06-01T00:00:00Z".parse::<Timestamp>().unwrap() + jiff::SignedDuration::from_hours(day * 24 + hour)
}

fn person(name: &str) -> PersonId {
    PersonId::new("mastodon", name).unwrap()
}

/// Records of both journals.
#[derive(Default)]
struct Told {
    deliveries: Vec<Record>,
    people: Vec<engage::Record>,
}

impl Told {
    /// `about` is the rest of the body, as JSON. Without a slot it is a reply.
    fn delivered(&mut self, moment: Timestamp, delivery: &str, about: &str, slot: Option<Timestamp>) {
        let delivery: crate::domain::DeliveryId = delivery.parse().unwrap();
        let intent = Intent {
            delivery: delivery.clone(),
            platform: "mastodon".into(),
            host: None,
            attempt: 1,
            tries: 0,
            digest: Digest([0; 32]),
            key: String::new(),
            slot,
            fixed: false,
            fingerprint: 0,
            promotion: false,
            counts: slot.is_some(),
            body: about.into(),
            link: None,
            by: None,
            frozen: serde_json::Value::Null,
            started: moment,
        };
        let remote = Remote { id: "1".into(), url: None, reference: JsonText::default() };
        let outcome = Outcome::Delivered { remote, reconciled: false };
        self.deliveries.push(Record::new(moment, Fact::Intent(Box::new(intent))));
        self.deliveries.push(Record::new(moment, Fact::Outcome { delivery, attempt: 1, outcome }));
    }

    fn post(&mut self, day: i64, delivery: &str, about: &str) {
        self.delivered(at(day, 9), delivery, about, Some(at(day, 9)));
    }

    fn gained(&mut self, day: i64, key: &str, kind: GainKind, post: Option<&str>, money: Option<(i64, &str)>) {
        let money =
            money.map(|(whole, currency)| Money { micros: whole * 1_000_000, currency: currency.parse().unwrap() });
        let post = post.map(|post| post.parse().unwrap());
        let account = AccountId::new("fedi").ok().filter(|_| post.is_some());
        let gain = Gain { key: key.into(), at: at(day, 0), kind, post, account, money, note: String::new() };
        self.deliveries.push(Record::new(at(40, 0), Fact::Gained(Box::new(gain))));
    }

    fn sampled(&mut self, delivery: &str, fill: impl FnOnce(&mut Sample)) {
        let (counts, came, left) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut sample = Sample { delivery: delivery.parse().unwrap(), age: 60, gone: false, counts, came, left };
        fill(&mut sample);
        self.people.push(engage::Record::new(at(40, 0), engage::Fact::Sampled(Box::new(sample))));
    }

    fn liked(&mut self, day: i64, delivery: &str, names: &[&str]) {
        let came = names.iter().map(|name| Came(person(name), at(day, 12))).collect();
        self.sampled(delivery, |sample| sample.came = [(Interaction::Like, came)].into());
    }

    fn counted(&mut self, delivery: &str, kind: Interaction, count: u64) {
        self.sampled(delivery, |sample| sample.counts = [(kind, count)].into());
    }

    /// Nobody is us.
    fn said(&mut self, moment: Timestamp, id: &str, parent: &str, delivery: &str, by: &str) {
        let message = Message {
            id: id.into(),
            parent: Some(parent.into()),
            by: (!by.is_empty()).then(|| person(by)),
            at: moment,
            text: "words of somebody".into(),
            url: None,
            answer: id.into(),
            private: false,
        };
        let account = AccountId::new("fedi").unwrap();
        let fact = engage::Fact::Said { account, delivery: delivery.parse().ok(), message };
        self.people.push(engage::Record::new(moment, fact));
    }

    fn looks(&mut self, name: &str, handle: &str, bot: Option<BotSign>) {
        let profile = Profile { person: person(name), handle: handle.into(), bot };
        self.people.push(engage::Record::new(at(0, 0), engage::Fact::Person(profile)));
    }

    /// From day 0 to day 40.
    fn report(&self) -> Report {
        let window = Window { since: at(0, 0), until: at(40, 0) };
        let mut reporter = Reporter::new(window, BTreeMap::new());
        self.deliveries.iter().for_each(|record| reporter.record(record));
        self.people.iter().for_each(|record| reporter.people(record));
        reporter.finish()
    }
}

const FOUNDERS: &str = r#"{"audience":"founders","goal":"connection","series":"desk","text":"x"}"#;
const SHOPS: &str = r#"{"audience":"shops","goal":"promotion","text":"x"}"#;

#[test]
fn an_empty_store_measures_nothing() {
    let mut told = Told::default();
    let report = told.report();
    assert_eq!(report.not_measured, ["people", "conversations", "outcomes", "reach"]);
    assert_eq!(
        report.outcomes.by_goal.iter().map(|row| row.name.as_deref()).collect::<Vec<_>>(),
        [Some("connection"), Some("change"), Some("promotion")]
    );
    told.post(1, "p@fedi", FOUNDERS);
    told.counted("p@fedi", Interaction::Like, 0);
    assert_eq!(told.report().not_measured, ["conversations", "outcomes", "reach"]);
    assert_eq!(told.report().comparison.posts[0].people, Some(0));
}

#[test]
fn people_are_counted_once_and_by_week() {
    let mut told = Told::default();
    told.looks("robo", "robo", Some(BotSign::SelfLabel));
    told.looks("ann", "ann.example", None);
    for (day, post) in [(-45, "old"), (1, "p"), (8, "q"), (22, "r")] {
        told.post(day, &format!("{post}@fedi"), FOUNDERS);
    }
    told.liked(-45, "old@fedi", &["ann", "bea", "dan"]);
    told.liked(1, "p@fedi", &["ann", "robo"]);
    told.liked(8, "q@fedi", &["ann", "cem"]);
    told.liked(22, "r@fedi", &["cem", "eve"]);
    let people = told.report().people;
    assert_eq!((people.distinct, people.first_time), (3, 2));
    let expected = Standings { core: 1, returning: 1, new: 1, cooling: 2, lost: 0 };
    assert_eq!(people.standing, expected);
    let weeks: Vec<_> = people
        .weeks
        .iter()
        .map(|week| (week.starts.day(), week.distinct, week.new, week.returning, week.core))
        .collect();
    assert_eq!(weeks, [(1, 1, 0, 1, 0), (8, 2, 1, 1, 1), (15, 0, 0, 0, 1), (22, 2, 1, 1, 1)]);
    assert_eq!(people.kinds, [(Interaction::Like, 5)].into());
    assert_eq!(people.bots, [Bots { sign: BotSign::SelfLabel, reason: BotSign::SelfLabel.reason(), accounts: 1 }]);
    assert_eq!((people.platforms.len(), people.platforms[0].bots, people.platforms[0].standing), (1, 1, expected));
    let core: Vec<_> = people.core.iter().map(|core| (&*core.handle, core.interactions, core.weeks)).collect();
    assert_eq!(core, [("ann.example", 3, 3)]);
    assert_eq!(people.measured, Measured { deliveries: 3, measured: 3, ..Measured::default() });
}

#[test]
fn whom_we_owe_an_answer_and_how_fast_we_are() {
    let mut told = Told::default();
    told.looks("ann", "ann.example", None);
    told.post(1, "p@fedi", FOUNDERS);
    for (number, hours) in [1, 2, 3, 4, 5, 6, 7, 8, 9, 90].into_iter().enumerate() {
        let id = format!("q{number}");
        told.said(at(1, 10), &id, "ours", "p@fedi", &format!("one{number}"));
        told.said(at(1, 10 + hours), &format!("a{number}"), &id, "p@fedi", "");
    }
    told.said(at(9, 0), "late", "ours", "p@fedi", "bea");
    told.said(at(8, 0), "early", "elsewhere", "", "ann");
    // Opened before the time that is looked at, answered in it.
    told.said(at(-1, 0), "before", "elsewhere", "", "cem");
    told.said(at(0, 1), "after", "before", "", "");
    let report = told.report();
    let talks = &report.conversations;
    assert_eq!((talks.opened, talks.answered), (12, 10));
    let speed = talks.speed.unwrap();
    assert_eq!((speed.answers, speed.median_s, speed.p90_s), (10, 5 * 3600, 9 * 3600));
    let owed: Vec<_> =
        talks.waiting.iter().map(|owed| (&*owed.handle, &*owed.answer, owed.waited_s / 86_400)).collect();
    assert_eq!(owed, [("ann.example", "early", 32), ("", "late", 31)]);
    let weeks: Vec<_> = talks.weeks.iter().map(|week| (week.starts.day(), week.opened, week.answered)).collect();
    assert_eq!(weeks, [(1, 10, 11), (8, 2, 0)]);
    assert_eq!((report.comparison.posts[0].conversations, report.posts[0].conversations), (Some(11), Some(11)));
    assert!(!serde_json::to_string(&report).unwrap().contains("words of somebody"));
}

#[test]
fn outcomes_are_told_by_what_they_came_from() {
    let mut told = Told::default();
    told.post(1, "p@fedi", FOUNDERS);
    told.post(2, "q@fedi", SHOPS);
    told.gained(3, "1", GainKind::Lead, Some("p"), None);
    // Recorded twice under one key: the first counts.
    told.gained(3, "1", GainKind::Lead, Some("q"), None);
    told.gained(4, "2", GainKind::Customer, Some("p"), Some((100, "EUR")));
    told.gained(11, "3", GainKind::Revenue, Some("q"), Some((5, "CHF")));
    told.gained(12, "4", GainKind::Revenue, None, Some((7, "EUR")));
    told.gained(12, "5", GainKind::Lead, Some("nobody-knows-it"), None);
    told.gained(-1, "6", GainKind::Lead, Some("p"), None);
    let report = told.report();
    let outcomes = &report.outcomes;
    let figures = |gains: &Gains| {
        let money = gains.revenue.iter().map(|sum| format!("{} {}", sum.micros / 1_000_000, sum.currency));
        (gains.leads, gains.customers, money.collect::<Vec<_>>().join(", "))
    };
    assert_eq!(figures(&outcomes.total), (2, 1, "5 CHF, 107 EUR".into()));
    assert_eq!(figures(&outcomes.without_post), (0, 0, "7 EUR".into()));
    assert_eq!(figures(&outcomes.unknown_post), (1, 0, String::new()));
    let rows = |rows: &[GainRow]| {
        rows.iter().map(|row| (row.name.clone(), row.posts, figures(&row.gains))).collect::<Vec<_>>()
    };
    let (of_p, of_q) = ((1, 1, "100 EUR".to_owned()), (0, 0, "5 CHF".to_owned()));
    let nothing = (0, 0, String::new());
    let name = |name: &str| Some(name.to_owned());
    assert_eq!(rows(&outcomes.by_audience), [(name("founders"), 1, of_p.clone()), (name("shops"), 1, of_q.clone())]);
    assert_eq!(rows(&outcomes.by_series), [(name("desk"), 1, of_p.clone()), (None, 1, of_q.clone())]);
    assert_eq!(rows(&outcomes.by_post), [(name("p"), 1, of_p.clone()), (name("q"), 1, of_q.clone())]);
    assert_eq!(
        rows(&outcomes.by_goal),
        [(name("connection"), 1, of_p.clone()), (name("change"), 0, nothing), (name("promotion"), 1, of_q)]
    );
    assert_eq!(rows(&outcomes.by_account), [(name("fedi"), 2, (2, 1, "5 CHF, 100 EUR".into()))]);
    assert_eq!(outcomes.weeks.iter().map(|week| week.gains.leads).collect::<Vec<_>>(), [1, 1]);
    let groups: Vec<_> = report.posts.iter().map(|group| (&*group.audience, &*group.goal, group.posts)).collect();
    assert_eq!(groups[..3], [("founders", "connection", 1), ("founders", "change", 0), ("founders", "promotion", 0)]);
    assert_eq!((groups.len(), figures(&report.posts[0].gains)), (6, of_p));
}

#[test]
fn noise_is_set_against_people_and_outcomes() {
    let mut told = Told::default();
    // Views, and how many people did something.
    let posts =
        [("loud", 9_000, 0), ("sold", 8_000, 0), ("b", 500, 3), ("c", 400, 3), ("quiet", 10, 9), ("calm", 20, 0)];
    for (place, (post, views, people)) in posts.into_iter().enumerate() {
        let delivery = format!("{post}@fedi");
        told.post(place as i64, &delivery, FOUNDERS);
        told.counted(&delivery, Interaction::View, views);
        told.counted(&delivery, Interaction::Like, people);
        let names: Vec<_> = (0..people).map(|number| format!("one{number}")).collect();
        told.liked(1, &delivery, &names.iter().map(String::as_str).collect::<Vec<_>>());
    }
    told.gained(9, "1", GainKind::Lead, Some("sold"), None);
    let verdicts = |told: &Told| {
        let posts = told.report().comparison.posts;
        posts.into_iter().filter_map(|line| Some((line.post.to_string(), line.verdict?))).collect::<Vec<_>>()
    };
    let (loud, quiet) = (("loud".to_owned(), Verdict::LoudAndUseless), ("quiet".to_owned(), Verdict::QuietAndUseful));
    assert_eq!(verdicts(&told), [loud.clone(), quiet.clone()]);
    told.gained(9, "2", GainKind::Lead, Some("calm"), None);
    assert_eq!(verdicts(&told), [loud, quiet, ("calm".to_owned(), Verdict::QuietAndUseful)]);
    // What nobody has looked at is not compared; five have no thirds.
    told.people.retain(
        |record| !matches!(&record.fact, engage::Fact::Sampled(sample) if sample.delivery.post.as_str() == "b"),
    );
    assert_eq!(verdicts(&told), []);
    let report = told.report();
    assert_eq!((report.comparison.compared, report.comparison.posts[2].reach), (5, None));
    assert_eq!(report.reach.views, Some(17_430));
    assert_eq!(report.reach.measured, Measured { deliveries: 6, measured: 5, not_yet: 1, ..Measured::default() });
    assert_eq!((report.reach.clicks, report.reach.accounts.len()), (None, 1));
}

#[test]
fn answers_of_ours_are_no_posts_and_what_was_before_is_no_delivery() {
    let mut told = Told::default();
    told.post(-1, "before@fedi", FOUNDERS);
    told.post(1, "p@fedi", FOUNDERS);
    told.post(2, "p@bsky", FOUNDERS);
    told.delivered(at(2, 0), "re@fedi", SHOPS, None);
    let report = told.report();
    let groups: Vec<_> = report.posts.iter().map(|group| (group.posts, group.deliveries, group.people)).collect();
    assert_eq!(groups, [(1, 2, None), (0, 0, None), (0, 0, None)]);
    assert_eq!(report.comparison.posts.len(), 1);
    assert_eq!(report.people.measured, Measured { deliveries: 2, not_yet: 2, ..Measured::default() });
}

#[test]
fn our_own_account_is_nobody() {
    let mut told = Told::default();
    told.post(1, "p@fedi", FOUNDERS);
    let pinned = Fact::Pinned { account: AccountId::new("fedi").unwrap(), identity: "we".into() };
    told.deliveries.push(Record::new(at(1, 0), pinned));
    told.liked(1, "p@fedi", &["we", "ann"]);
    assert_eq!(told.report().people.distinct, 1);
}
