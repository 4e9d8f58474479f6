use super::*;
use crate::domain::Digest;
use crate::ledger::view::samples::*;
use crate::ledger::view::{Entry, View};

#[test]
fn the_state_follows_the_last_record() {
    let cases: Vec<(&str, Vec<Line>, State)> = vec![
        ("planned", vec![(1, planned(None))], State::Scheduled),
        (
            "held",
            vec![(1, planned(None)), (2, planned(Some(Held::NotBefore)))],
            State::Held { reason: Held::NotBefore, detail: None },
        ),
        ("begun", vec![(1, intent(1, "k"))], State::Sending { attempt: 1 }),
        ("a step", vec![(1, intent(1, "k")), (2, step("upload", false))], State::Sending { attempt: 1 }),
        ("delivered", vec![(1, intent(1, "k")), (2, outcome(1, delivered()))], arrived(1, "42", None)),
        (
            "retry",
            vec![(1, intent(1, "k")), (2, outcome(1, retry(90, true)))],
            State::Retrying { attempt: 1, at: at(90) },
        ),
        (
            "rate limit",
            vec![(1, intent(1, "k")), (2, outcome(1, limited(90)))],
            State::Retrying { attempt: 1, at: at(90) },
        ),
        (
            "token",
            vec![(1, intent(1, "k")), (2, outcome(1, Outcome::Auth { why: "401".into() }))],
            State::Retrying { attempt: 1, at: at(2) },
        ),
        (
            "refused",
            vec![(1, intent(1, "k")), (2, outcome(1, refused()))],
            State::Refused { attempt: 1, why: "422".into() },
        ),
        ("in doubt", vec![(1, intent(1, "k")), (2, outcome(1, ambiguous(60)))], State::Sending { attempt: 1 }),
        (
            "nobody knows",
            vec![(1, intent(1, "k")), (2, outcome(1, ambiguous(60))), (61, outcome(1, uncertain()))],
            State::Uncertain { attempt: 1, why: "lost".into() },
        ),
        ("given up before it left", vec![(1, intent(1, "k")), (2, outcome(1, abandoned()))], State::Scheduled),
        ("missed", vec![(1, planned(None)), (9, missed())], State::Missed),
        ("expired", vec![(1, planned(None)), (9, Fact::Expired { delivery: id() })], State::Expired),
        ("left the queue", vec![(1, planned(None)), (9, withdrawn(None))], State::Withdrawn),
        ("came back", vec![(1, withdrawn(None)), (9, planned(None))], State::Scheduled),
        (
            "a person found it",
            vec![
                (1, intent(1, "k")),
                (2, outcome(1, uncertain())),
                (3, resolved(Decision::Delivered { url: "https://a/1".into() })),
            ],
            arrived(1, "https://a/1", Some("https://a/1")),
        ),
        (
            "a person wants it sent",
            vec![(1, intent(1, "k")), (2, outcome(1, uncertain())), (3, resolved(Decision::Retry))],
            State::Retrying { attempt: 1, at: at(3) },
        ),
        (
            "a person gives it up",
            vec![(1, intent(1, "k")), (2, outcome(1, uncertain())), (3, resolved(Decision::Drop))],
            State::Withdrawn,
        ),
        (
            "an intent from before a person gave it up",
            vec![(1, planned(None)), (2, missed()), (3, resolved(Decision::Drop)), (3, intent(1, "k"))],
            State::Withdrawn,
        ),
        (
            "an intent from before a person published it by hand",
            vec![
                (1, planned(None)),
                (2, missed()),
                (3, resolved(Decision::Delivered { url: "https://a/1".into() })),
                (3, intent(1, "k")),
            ],
            arrived(0, "https://a/1", Some("https://a/1")),
        ),
        (
            "a plan from before a person gave it up",
            vec![(1, planned(None)), (2, missed()), (3, resolved(Decision::Drop)), (3, planned(None))],
            State::Withdrawn,
        ),
    ];
    for (what, lines, state) in cases {
        let view = fold(&lines);
        assert_eq!(view.entry(&id()).unwrap().state, state, "{what}");
    }
}

#[test]
fn the_next_attempt_on_the_same_content_goes_on_from_the_last() {
    let first = [(1, intent(1, "k")), (2, step("upload", false)), (3, step("part", true))];
    type Case = (&'static str, Vec<Line>, Option<(usize, u32, u32)>);
    // What follows; then steps kept, parts published, tries used up.
    let cases: Vec<Case> = vec![
        ("nothing", vec![], Some((2, 1, 0))),
        ("counted", vec![(4, outcome(1, retry(9, true)))], Some((2, 1, 1))),
        ("not counted", vec![(4, outcome(1, limited(9)))], Some((2, 1, 0))),
        ("same content", vec![(4, outcome(1, retry(9, true))), (9, intent(2, "k"))], Some((2, 1, 0))),
        ("other content", vec![(4, outcome(1, retry(9, true))), (9, intent(2, "l"))], Some((0, 0, 0))),
        ("decided", vec![(4, outcome(1, retry(9, true))), (5, resolved(Decision::Retry))], Some((2, 1, 0))),
        ("over", vec![(4, outcome(1, delivered()))], None),
    ];
    for (what, lines, expected) in cases {
        let view = fold(&[&first[..], &lines[..]].concat());
        let open = view.entry(&id()).unwrap().open.as_ref();
        assert_eq!(open.map(|open| (open.done.len(), open.published, open.intent.tries)), expected, "{what}");
    }
}

#[test]
fn doubt_ends_with_evidence() {
    let doubt = [(1, intent(1, "k")), (2, outcome(1, ambiguous(60)))];
    let settle = |more: &[Line]| {
        fold(&[&doubt[..], more].concat()).entry(&id()).unwrap().open.as_ref().and_then(|open| open.ambiguous)
    };
    assert_eq!(settle(&[]), Some(at(60)));
    assert_eq!(settle(&[(70, step("found", true))]), None);
    assert_eq!(settle(&[(70, outcome(1, retry(80, true)))]), None);
    assert_eq!(settle(&[(70, outcome(1, uncertain()))]), Some(at(60)));
}

#[test]
fn what_makes_no_sense_changes_nothing() {
    let begun = vec![(1, intent(1, "k"))];
    let retrying = vec![(1, intent(1, "k")), (2, outcome(1, retry(9, true)))];
    let done = vec![(1, intent(1, "k")), (2, outcome(1, delivered()))];
    let doubtful = vec![(1, intent(1, "k")), (2, outcome(1, uncertain()))];
    let again = vec![(1, intent(1, "k")), (2, outcome(1, retry(9, true))), (9, intent(2, "k"))];
    let cases: Vec<(&str, &[Line], Fact)> = vec![
        ("a plan that was written late", &done, planned(None)),
        ("a plan during an attempt", &begun, planned(Some(Held::NotApproved))),
        ("a plan between two attempts", &retrying, planned(None)),
        ("a plan of what is in doubt", &doubtful, planned(None)),
        ("missed after all", &done, missed()),
        ("withdrawn while it is being sent", &begun, withdrawn(None)),
        ("withdrawn after it was sent", &done, withdrawn(None)),
        ("the outcome of an earlier attempt", &again, outcome(1, abandoned())),
        ("a second outcome", &done, outcome(1, retry(20, true))),
        ("a decision on what is delivered", &done, resolved(Decision::Retry)),
    ];
    for (what, lines, fact) in cases {
        let before = fold(lines);
        let mut view = before.clone();
        view.apply(&Record::new(at(30), fact));
        assert_eq!(view.entry(&id()), before.entry(&id()), "{what}");
    }
}

#[test]
fn what_is_owed_is_held_with_its_account_and_stays_owed() {
    let owed = [(1, intent(1, "k")), (2, outcome(1, retry(60, true)))];
    let with = |more: &[Line]| fold(&[&owed, more].concat());
    let halted = |view: &View| view.entry(&id()).unwrap().halted;
    let before = with(&[]);
    let other =
        Fact::Planned { delivery: id(), digest: Digest::of(b"other"), held: Some(Held::AccountPaused), detail: None };
    let held = with(&[(3, other)]);
    let (entry, then) = (held.entry(&id()).unwrap(), before.entry(&id()).unwrap());
    assert_eq!(entry.halted, Some(Held::AccountPaused));
    assert_eq!((entry.digest, &entry.state, &entry.open), (then.digest, &then.state, &then.open));
    let kept: Entry = serde_json::from_value(serde_json::to_value(entry).unwrap()).unwrap();
    assert_eq!(&kept, entry);
    let paused = (3, planned(Some(Held::AccountPaused)));
    assert_eq!(halted(&with(&[paused.clone(), (4, planned(None))])), None);
    assert_eq!(halted(&with(&[paused.clone(), (4, intent(2, "k"))])), None);
    assert_eq!(halted(&with(&[paused.clone(), (4, resolved(Decision::Retry))])), None);
    assert_eq!(halted(&with(&[paused, (4, outcome(1, abandoned()))])), None);
    let refused = fold(&[(1, intent(1, "k")), (2, outcome(1, Outcome::Auth { why: "401".into() }))]);
    assert_eq!(halted(&refused), Some(Held::AccountAuth));
    // The plan has nothing else to say of it.
    for held in [None, Some(Held::NotApproved)] {
        assert!(!before.takes(&Record::new(at(3), planned(held))));
    }
}

#[test]
fn a_person_s_drop_outlives_the_queue() {
    let view = fold(&[(1, planned(None)), (2, withdrawn(Some("me"))), (3, planned(None))]);
    assert!(view.entry(&id()).unwrap().dropped);
    let view = fold(&[(1, withdrawn(Some("me"))), (2, resolved(Decision::Retry))]);
    assert!(!view.entry(&id()).unwrap().dropped);
}

#[test]
fn an_attempt_that_is_owed_or_in_doubt_has_a_reason() {
    let lines = [
        (1, intent(1, "k")),
        (2, outcome(1, retry(90, true))),
        (90, intent(2, "k")),
        (91, outcome(2, ambiguous(60))),
        (92, step("part", true)),
        (93, outcome(2, uncertain())),
        (94, resolved(Decision::Retry)),
        (95, intent(3, "k")),
    ];
    let reasons: Vec<_> = (1..=lines.len()).map(|n| fold(&lines[..n]).entry(&id()).unwrap().trouble()).collect();
    let [retry, doubt] = [&lines[1], &lines[3]].map(|(_, fact)| match fact {
        Fact::Outcome { outcome: Outcome::Retry { why, .. } | Outcome::Ambiguous { why, .. }, .. } => Some(why.clone()),
        _ => None,
    });
    let asked = Some("a person wants it sent".to_owned());
    assert_eq!(reasons, [None, retry, None, doubt, None, None, asked.clone(), asked]);
}
