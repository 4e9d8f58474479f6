use super::*;
use crate::domain::Message;
use crate::engage::Sample;
use crate::engage::record::Came;

const DAY: i64 = 86_400;

fn at(day: i64) -> Timestamp {
    // 1 June 2026 is a Monday.
    "2026-06-01T12:00:00Z".parse::<Timestamp>().unwrap() + jiff::SignedDuration::from_secs(day * DAY)
}

fn person(name: &str) -> PersonId {
    PersonId::new("mastodon", name).unwrap()
}

fn came(day: i64, post: &str, kind: Interaction, name: &str) -> Record {
    sample(day, post, |sample| drop(sample.came.insert(kind, vec![Came(person(name), at(day))])))
}

fn left(day: i64, post: &str, kind: Interaction, name: &str) -> Record {
    sample(day, post, |sample| drop(sample.left.insert(kind, vec![person(name)])))
}

fn sample(day: i64, post: &str, fill: impl FnOnce(&mut Sample)) -> Record {
    let mut sample = Sample {
        delivery: format!("{post}@fedi").parse().unwrap(),
        age: 60,
        gone: false,
        counts: Default::default(),
        came: Default::default(),
        left: Default::default(),
    };
    fill(&mut sample);
    Record::new(at(day), Fact::Sampled(Box::new(sample)))
}

fn said(day: i64, id: &str, post: &str, name: &str) -> Record {
    let message = Message {
        id: id.into(),
        parent: None,
        by: (!name.is_empty()).then(|| person(name)),
        at: at(day),
        text: String::new(),
        url: None,
        answer: id.into(),
        private: false,
    };
    let delivery = (!post.is_empty()).then(|| format!("{post}@fedi").parse().unwrap());
    Record::new(at(day), Fact::Said { account: AccountId::new("fedi").unwrap(), delivery, message })
}

fn unsaid(id: &str) -> Record {
    Record::new(at(0), Fact::Unsaid { account: AccountId::new("fedi").unwrap(), id: id.into() })
}

fn people(records: &[Record]) -> People {
    let mut fold = PeopleFold::default();
    records.iter().for_each(|record| fold.apply(record));
    fold.finish()
}

/// What a person who liked posts on these days is to us on day 0.
fn standing(days: &[i64]) -> Option<Standing> {
    let liked = |(post, day): (usize, &i64)| came(*day, &format!("p{post}"), Interaction::Like, "ann");
    let records: Vec<_> = days.iter().enumerate().map(liked).collect();
    people(&records).people().next().and_then(|person| person.standing(at(0)))
}

#[test]
fn what_somebody_is_to_us_at_a_moment() {
    use Standing::{Cooling, Core, Lost, New, Returning};
    for (days, expected) in [
        // Monday of this week is day 0; day -1 is a Sunday, in the week before.
        (&[-1, 0, 0][..], Some(Core)),
        (&[-90, -50, -40], Some(Core)),
        (&[-91, -50, -40], Some(Cooling)),
        (&[-3, -2, -1], Some(New)),
        (&[0], Some(New)),
        (&[-30], Some(New)),
        (&[-31], Some(Cooling)),
        (&[-90], Some(Cooling)),
        (&[-91], Some(Lost)),
        (&[-400, -300, -200, -100], Some(Lost)),
        (&[-8, -1], Some(Returning)),
        (&[-200, -1], Some(Returning)),
        // What comes later does not matter.
        (&[-91, 1, 2, 9], Some(Lost)),
        (&[1], None),
    ] {
        assert_eq!(standing(days), expected, "{days:?}");
    }
}

#[test]
fn what_was_taken_back_counts_for_nothing() {
    let acts = |records: &[Record]| people(records).people().map(|person| person.acts.len()).sum::<usize>();
    let like = |day| came(day, "p", Interaction::Like, "ann");
    assert_eq!(acts(&[like(0), like(1)]), 1);
    assert_eq!(acts(&[like(0), came(0, "p", Interaction::Save, "ann"), came(0, "q", Interaction::Like, "ann")]), 3);
    assert_eq!(acts(&[like(0), left(1, "p", Interaction::Like, "ann")]), 0);
    assert_eq!(acts(&[like(0), left(1, "p", Interaction::Repost, "ann")]), 1);
    assert_eq!(acts(&[like(0), left(1, "p", Interaction::Like, "bea")]), 1);
    let again = people(&[like(0), left(1, "p", Interaction::Like, "ann"), like(2)]);
    assert_eq!(again.people().next().unwrap().acts[0].at(), at(2));
    assert_eq!(acts(&[said(0, "1", "p", "ann"), said(0, "2", "p", "ann"), said(0, "1", "p", "ann")]), 2);
    assert_eq!(acts(&[said(0, "1", "p", "ann"), said(0, "2", "", "ann"), unsaid("2")]), 1);
}

#[test]
fn who_has_only_looked_is_nobody_and_replies_are_told_by_what_was_said() {
    let records = [
        came(0, "p", Interaction::View, "ann"),
        came(0, "p", Interaction::Click, "ann"),
        came(0, "p", Interaction::Reply, "bea"),
        said(0, "1", "p", "cem"),
        said(0, "2", "", "dan"),
        said(0, "3", "p", ""),
    ];
    let found = people(&records);
    let kinds: Vec<_> = found.people().map(|person| (person.id.as_str(), person.acts[0].kind)).collect();
    assert_eq!(kinds, [("mastodon:cem", Interaction::Reply), ("mastodon:dan", Interaction::Mention)]);
    assert_eq!(found.people().map(|person| person.acts[0].post()).collect::<Vec<_>>(), [Some(0), None]);
    assert_eq!(found.deliveries()[0].post.as_str(), "p");
}

#[test]
fn advocates_bring_others_by_different_posts() {
    let advocate = |records: &[Record]| people(records).people().next().unwrap().is_advocate(at(0));
    let repost = |day, post| came(day, post, Interaction::Repost, "ann");
    assert!(advocate(&[repost(-90, "p"), repost(0, "q")]));
    assert!(!advocate(&[repost(-91, "p"), repost(0, "q")]));
    assert!(!advocate(&[repost(0, "p"), came(0, "p", Interaction::Quote, "ann")]));
    assert!(!advocate(&[repost(0, "p"), came(0, "q", Interaction::Like, "ann"), said(0, "1", "q", "ann")]));
    assert!(advocate(&[said(0, "1", "", "ann"), said(0, "2", "", "ann")]));
    assert!(!advocate(&[repost(0, "p"), repost(1, "q")]));
}

#[test]
fn bots_are_told_apart_and_we_and_the_forgotten_are_nobody() {
    let profile = |name: &str, handle: &str, bot| {
        Record::new(at(0), Fact::Person(Profile { person: person(name), handle: handle.into(), bot }))
    };
    let mut records = vec![profile("robo", "robo", Some(BotSign::PlatformFlag)), profile("ann", "ann", None)];
    records.extend(["robo", "ann", "we", "bea"].map(|name| came(0, "p", Interaction::Like, name)));
    records.push(profile("ann", "ann.example", None));
    records.push(Record::new(at(0), Fact::Forgotten { person: Digest::of(b"mastodon:bea") }));
    let mut fold = PeopleFold::default();
    records.iter().for_each(|record| fold.apply(record));
    fold.ours(person("we"));
    let found = fold.finish();
    assert_eq!(found.people().map(|person| person.handle).collect::<Vec<_>>(), ["ann.example"]);
    assert_eq!(found.bots().map(|person| person.bot).collect::<Vec<_>>(), [Some(BotSign::PlatformFlag)]);
}

#[test]
fn a_clock_that_is_ahead_makes_nobody_come_later_than_they_were_seen() {
    let ahead = sample(0, "p", |sample| drop(sample.came.insert(Interaction::Like, vec![Came(person("ann"), at(9))])));
    assert_eq!(people(&[ahead]).people().next().unwrap().acts[0].at(), at(0));
}

#[test]
fn weeks_begin_on_monday() {
    let (sunday, monday) = ("2026-06-07T23:59:59Z".parse().unwrap(), "2026-06-08T00:00:00Z".parse().unwrap());
    assert_eq!(week(sunday) + 1, week(monday));
    assert_eq!(week_starts(week(monday)), monday);
    assert_eq!(week(Timestamp::UNIX_EPOCH), 0);
}
