use super::*;
use crate::domain::{BotSign, Profile};

fn account(name: &str) -> AccountId {
    AccountId::new(name).unwrap()
}

fn person(name: &str) -> PersonId {
    PersonId::new("mastodon", name).unwrap()
}

/// Hour `hour` of day `day` of 2026.
fn at(day: i64, hour: i64) -> Timestamp {
    "2026-01-01T00:00:00Z".parse::<Timestamp>().unwrap() + Duration::from_secs(((day * 24 + hour) * 3600) as u64)
}

/// `by` says `id`, in answer to `parent`; nobody is us.
fn said(moment: Timestamp, id: &str, parent: &str, by: &str) -> Record {
    let message = Message {
        id: id.into(),
        parent: (!parent.is_empty()).then(|| parent.into()),
        by: (!by.is_empty()).then(|| person(by)),
        at: moment,
        text: format!("words of {id}"),
        url: None,
        answer: id.into(),
        private: false,
    };
    Record::new(moment, Fact::Said { account: account("fedi"), delivery: "p@fedi".parse().ok(), message })
}

fn bot(name: &str, bot: Option<BotSign>) -> Record {
    Record::new(at(0, 0), Fact::Person(Profile { person: person(name), handle: name.into(), bot }))
}

fn unsaid(id: &str) -> Record {
    Record::new(at(0, 0), Fact::Unsaid { account: account("fedi"), id: id.into() })
}

fn settled(ids: &[&str]) -> Record {
    let ids = ids.iter().map(|&id| id.to_owned()).collect();
    Record::new(at(0, 0), Fact::Settled { account: account("fedi"), ids, by: "me".into() })
}

fn told(records: &[Record]) -> Conversations {
    let mut told = Conversations::default();
    records.iter().for_each(|record| told.apply(record));
    told
}

/// The messages that wait, by conversation.
fn waiting(told: &Conversations) -> Vec<Vec<&str>> {
    let ids = |conversation| told.unanswered(conversation).map(|message| message.id.as_str()).collect();
    told.waiting(None).map(ids).collect()
}

#[test]
fn a_conversation_waits_until_we_answer_anywhere_in_it() {
    let mut records = vec![
        // The second part of our own thread begins nothing; what answers it does.
        said(at(0, 0), "ours2", "ours", ""),
        said(at(0, 2), "a", "ours2", "ann"),
        said(at(0, 1), "b", "ours", "bea"),
        said(at(0, 3), "a2", "a", "cem"),
    ];
    let found = told(&records);
    assert_eq!(waiting(&found), [vec!["b"], vec!["a", "a2"]]);
    let second = found.waiting(Some(&account("fedi"))).nth(1).unwrap();
    assert_eq!((second.since, &second.person, second.answered), (Some(at(0, 2)), &person("cem"), None));
    assert_eq!((second.first.id.as_str(), second.latest.text.as_str()), ("a", "words of a2"));
    assert_eq!(second.delivery, "p@fedi".parse().ok());
    assert_eq!(found.waiting(Some(&account("other"))).count(), 0);

    records.push(said(at(0, 5), "answer", "a", ""));
    assert_eq!(waiting(&told(&records)), [["b"]]);
    records.push(said(at(0, 6), "a3", "answer", "ann"));
    records.push(said(at(0, 7), "answer2", "a3", ""));
    records.push(said(at(0, 8), "a4", "answer2", "ann"));
    let found = told(&records);
    assert_eq!(waiting(&found), [["b"], ["a4"]]);
    // The first answer is the one that is fast or slow.
    assert_eq!(found.waiting(None).nth(1).unwrap().answered, Some(at(0, 5)));
}

#[test]
fn messages_may_be_told_in_any_order() {
    let records = [
        said(at(0, 1), "a", "ours", "ann"),
        said(at(0, 2), "b", "a", "bea"),
        said(at(0, 3), "answer", "b", ""),
        said(at(0, 4), "c", "answer", "cem"),
    ];
    let orders: [[usize; 4]; 6] = [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1], [0, 3, 2, 1], [3, 0, 1, 2]];
    for order in orders {
        let found = told(&order.map(|place| records[place].clone()));
        assert_eq!(waiting(&found), [["c"]], "{order:?}");
        let past: Vec<_> = found.all().map(|past| (past.opened, past.answered)).collect();
        assert_eq!(past, [(at(0, 1), Some(at(0, 3)))], "{order:?}");
    }
}

#[test]
fn who_answers_in_a_circle_waits_once() {
    let records = [said(at(0, 1), "a", "c", "ann"), said(at(0, 2), "b", "a", "bea"), said(at(0, 3), "c", "b", "cem")];
    for order in [[0, 1, 2], [2, 1, 0], [1, 0, 2], [1, 2, 0]] {
        assert_eq!(waiting(&told(&order.map(|place: usize| records[place].clone()))), [["a", "b", "c"]], "{order:?}");
    }
}

#[test]
fn bots_and_our_other_accounts_are_nobody() {
    let flagged = bot("robo", Some(BotSign::PlatformFlag));
    let mut records = vec![flagged, said(at(0, 1), "a", "ours", "robo"), said(at(0, 2), "b", "a", "ann")];
    let found = told(&records);
    assert_eq!(waiting(&found), [["b"]]);
    assert_eq!(found.all().next().unwrap().opened, at(0, 2));
    // It says so only later, or no more.
    records.push(bot("ann", Some(BotSign::SelfLabel)));
    assert_eq!((waiting(&told(&records)).len(), told(&records).all().count()), (0, 0));
    records.push(bot("robo", None));
    assert_eq!(waiting(&told(&records)), [["a"]]);

    let mut found = Conversations::default();
    found.ours(person("ann"));
    records.iter().take(3).for_each(|record| found.apply(record));
    assert_eq!(waiting(&found).len(), 0);
}

#[test]
fn what_is_settled_or_taken_back_waits_no_more() {
    let mut records = vec![said(at(0, 1), "a", "ours", "ann"), said(at(0, 2), "b", "a", "bea")];
    records.push(settled(&["b", "unknown"]));
    assert_eq!(waiting(&told(&records)).len(), 0);
    records.push(said(at(0, 3), "c", "b", "ann"));
    assert_eq!(waiting(&told(&records)), [["c"]]);
    records.push(unsaid("c"));
    assert_eq!(waiting(&told(&records)).len(), 0);

    let answered = [said(at(0, 1), "a", "ours", "ann"), said(at(0, 2), "answer", "a", ""), unsaid("answer")];
    assert_eq!(waiting(&told(&answered)), [["a"]]);
    let gone = [said(at(0, 1), "a", "ours", "ann"), unsaid("a"), unsaid("never seen")];
    assert_eq!(told(&gone).all().count(), 0);
}

#[test]
fn who_is_forgotten_waits_no_more() {
    let forgotten = Fact::Forgotten { person: Digest::of(person("ann").as_str().as_bytes()) };
    let found = told(&[
        said(at(0, 1), "a", "ours", "ann"),
        said(at(0, 2), "b", "ours", "bea"),
        Record::new(at(0, 3), forgotten),
    ]);
    assert_eq!(waiting(&found), [["b"]]);
    assert!(!format!("{found:?}").contains("words of a"));
}

#[test]
fn texts_are_kept_of_what_waits_and_memory_is_bounded() {
    let mut records = vec![said(at(0, 1), "a", "ours", "ann"), said(at(0, 2), "b", "a", "ann")];
    records.push(said(at(0, 3), "answer", "b", ""));
    let found = told(&records);
    let words = format!("{found:?}");
    assert!(words.contains("words of a") && !words.contains("words of b") && !words.contains("words of answer"));

    let mut found = Conversations::with_past();
    records.iter().for_each(|record| found.apply(record));
    found.apply(&said(at(1, 0), "waits", "ours", "bea"));
    found.apply(&said(at(89, 0), "newer", "ours", "cem"));
    assert_eq!(found.all().filter(|past| past.answered.is_some()).count(), 1);
    found.apply(&said(at(95, 0), "newest", "ours", "dan"));
    assert_eq!(found.desks[&account("fedi")].nodes.len(), 3);
    assert_eq!(waiting(&found), [["waits"], ["newer"], ["newest"]]);
    let past: Vec<_> = found.all().filter_map(|past| Some((past.opened, past.answered?))).collect();
    assert_eq!(past, [(at(0, 1), at(0, 3))]);
}

#[test]
fn a_message_that_is_told_again_stands_where_it_stood() {
    let edited = |text: &str| {
        let mut record = said(at(0, 1), "a", "ours", "ann");
        if let Fact::Said { message, .. } = &mut record.fact {
            message.text = text.into();
        }
        record
    };
    let found = told(&[edited("first"), edited("second")]);
    assert_eq!(waiting(&found), [["a"]]);
    assert_eq!(found.waiting(None).next().unwrap().latest.text, "second");
    let found = told(&[edited("first"), said(at(0, 2), "answer", "a", ""), edited("second")]);
    assert_eq!(waiting(&found).len(), 0);
}
