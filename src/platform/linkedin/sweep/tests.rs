use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::json;

use super::super::twin::{LinkedinTwin, author};
use super::*;
use crate::domain::{AccountId, DeliveryId, Remote};
use crate::platform::contract::sweep::{Finding, Found};
use crate::platform::contract::{Adapter, Reply, Session, Table, Twin as _, cases};

const NOW: Timestamp = Timestamp::constant(1_790_000_000, 0);
const POST: &str = "urn:li:share:7";

fn account(number: u32) -> std::sync::Arc<dyn Adapter> {
    let values = LinkedinTwin::new().table(number, "https://api.example/", "");
    let mut table = Table::new(AccountId::new("li").unwrap(), values, PathBuf::from("/"));
    (ENTRY.build)(&mut table).unwrap()
}

/// Sweeps a post with these answers, by path and query.
fn sweep(waiting: &[&str], answers: &[(&str, HttpReply)]) -> (Vec<Found>, Option<Hindrance>) {
    let (adapter, secrets) = (account(0), LinkedinTwin::new().secrets(0));
    let session = Session { identity: Some(author(0)), ..Session::default() };
    let looking = Looking { session: &session, secrets: &secrets, now: NOW };
    let delivery: DeliveryId = "desk@li".parse().unwrap();
    let remote = Remote { id: POST.into(), url: None, reference: Value::Null.into() };
    let posts = vec![Watched { delivery, remote, known: BTreeMap::new() }];
    let waiting = waiting.iter().map(|id| (*id).to_owned()).collect();
    let mut sweeper = adapter.sweep(Sweep { posts, waiting, heard: None }, &looking).unwrap();
    cases::swept(&mut *sweeper, NOW, |call| {
        let Call::Http(request) = call else { panic!() };
        let asked = request.url.as_str().trim_start_matches("https://api.example/rest/").replace("&count=100", "");
        let answer = answers.iter().find(|(held, _)| *held == asked).map(|(_, reply)| reply.clone());
        Reply::Http(answer.unwrap_or_else(|| panic!("{asked} is asked")))
    })
}

fn ok(value: Value) -> HttpReply {
    HttpReply::json(200, &value)
}

fn refused(status: u16, code: &str) -> HttpReply {
    HttpReply::json(status, &json!({"status": status, "code": code, "message": "no"}))
}

fn counts(likes: u64, all: u64, top: u64) -> HttpReply {
    ok(json!({"reactionSummaries": {"LIKE": {"count": likes}, "PRAISE": {"count": 1}},
        "commentSummary": {"count": all, "topLevelCount": top}}))
}

fn list(elements: &[Value], total: usize) -> HttpReply {
    ok(json!({"paging": {"start": 0, "count": 100, "total": total}, "elements": elements}))
}

fn reaction(who: usize) -> Value {
    json!({"created": {"actor": format!("urn:li:person:p{who}"), "time": 1_789_000_000_000_i64}, "reactionType": "LIKE"})
}

fn comment(id: &str, actor: &str, answers: u64) -> Value {
    json!({"actor": actor, "object": "urn:li:activity:7", "id": id, "created": {"time": 1_789_000_000_000_i64},
        "message": {"text": "Nice"}, "commentsSummary": {"aggregatedTotalComments": answers}})
}

fn finding(found: &[Found]) -> &Finding {
    match found.first() {
        Some(Found::Post(finding)) => finding,
        other => panic!("{other:?}"),
    }
}

const COUNTS: &str = "socialMetadata/urn%3Ali%3Ashare%3A7";
const REACTIONS: &str = "reactions/(entity:urn%3Ali%3Ashare%3A7)?q=entity&sort=(value:REVERSE_CHRONOLOGICAL)&start=";
const COMMENTS: &str = "socialActions/urn%3Ali%3Ashare%3A7/comments?start=";
const BELOW: &str = "socialActions/urn%3Ali%3Acomment%3A%28urn%3Ali%3Aactivity%3A7%2C1%29/comments?start=";

#[test]
fn a_list_that_shifts_loses_nobody_and_counts_nobody_twice() {
    let page = |from: usize, to: usize| (from..to).map(reaction).collect::<Vec<_>>();
    let (first, second) = (format!("{REACTIONS}0"), format!("{REACTIONS}90"));
    // While it was read, five of the first hundred took it back: all behind them have moved up.
    let answers =
        [(COUNTS, counts(119, 0, 0)), (&*first, list(&page(0, 100), 120)), (&*second, list(&page(95, 120), 115))];
    let (found, stopped) = sweep(&[], &answers);
    let told = finding(&found);
    let people: std::collections::BTreeSet<_> = told.who[&Interaction::Like].iter().map(|act| &act.person).collect();
    assert_eq!((people.len(), told.who[&Interaction::Like].len(), stopped), (120, 120, None));
    assert_eq!(told.counts[&Interaction::Like], 120, "all kinds together");
}

#[test]
fn answers_are_read_below_what_was_answered_and_the_pages_own_are_ours() {
    let (top, below) = (format!("{COMMENTS}0"), format!("{BELOW}0"));
    let answer = |mut value: Value| {
        value["parentComment"] = json!("urn:li:comment:(urn:li:activity:7,1)");
        value
    };
    let answers = [
        (COUNTS, counts(0, 4, 2)),
        (&*format!("{REACTIONS}0"), list(&[], 1)),
        (&*top, list(&[comment("1", "urn:li:person:ann", 2), comment("2", "urn:li:person:bob", 0)], 2)),
        (&*below, list(&[answer(comment("3", &author(0), 0)), answer(comment("4", "urn:li:organization:9", 0))], 2)),
    ];
    let (found, stopped) = sweep(&["urn:li:comment:(urn:li:activity:7,1)"], &answers);
    let told = finding(&found);
    let said: Vec<_> = told
        .said
        .iter()
        .flatten()
        .map(|held| {
            let by = held.by.as_ref().map(ToString::to_string);
            (held.id.rsplit(',').next().unwrap().to_owned(), held.parent.clone().unwrap(), by)
        })
        .collect();
    let first = "urn:li:comment:(urn:li:activity:7,1)";
    let by = |name: &str| Some(format!("linkedin:urn:li:{name}"));
    let expected = [
        ("1)".to_owned(), POST.to_owned(), by("person:ann")),
        ("2)".to_owned(), POST.to_owned(), by("person:bob")),
        ("3)".to_owned(), first.to_owned(), None),
        ("4)".to_owned(), first.to_owned(), by("organization:9")),
    ];
    assert_eq!(said, expected);
    assert!(matches!(&found[1], Found::Around { messages, .. } if messages.len() == 3), "{found:?}");
    assert_eq!(stopped, None);
    // Where too many were answered, nothing is told of what was said: the day's allowance is for posts.
    let many: Vec<_> = (0..31).map(|id| comment(&id.to_string(), "urn:li:person:ann", 1)).collect();
    let answers = [(COUNTS, counts(0, 62, 31)), (&*format!("{REACTIONS}0"), list(&[], 1)), (&*top, list(&many, 31))];
    assert_eq!(finding(&sweep(&[], &answers).0).said, None);
}

#[test]
fn gone_is_what_is_missing_by_itself_and_in_linkedins_own_words() {
    let post = "posts/urn%3Ali%3Ashare%3A7";
    let missing = || refused(404, "NOT_FOUND");
    assert!(finding(&sweep(&[], &[(COUNTS, missing()), (post, missing())]).0).gone);
    let wordless = HttpReply { status: 404, ..HttpReply::default() };
    for other in [ok(json!({ "id": POST })), wordless, refused(403, "ACCESS_DENIED"), refused(500, "INTERNAL")] {
        assert_eq!(sweep(&[], &[(COUNTS, missing()), (post, other)]).0, []);
    }
}

#[test]
fn a_refusal_stops_what_it_is_about() {
    let stopped = |reply: HttpReply| sweep(&[], &[(COUNTS, reply)]).1;
    assert!(matches!(stopped(refused(401, "EXPIRED")), Some(Hindrance::LoggedOut { .. })));
    assert!(matches!(stopped(refused(403, "ACCESS_DENIED")), Some(Hindrance::Forbidden { .. })));
    assert!(matches!(stopped(refused(426, "NONEXISTENT_VERSION")), Some(Hindrance::Forbidden { .. })));
    // Until after midnight: what was asked too much is counted by the day.
    let until = |at: Timestamp| at.as_second() - NOW.as_second() > 9 * 3600;
    assert!(
        matches!(stopped(refused(429, "TOO_MANY_REQUESTS")), Some(Hindrance::Limited { until: at, .. }) if until(at))
    );
}

#[test]
fn of_a_member_nothing_is_known_and_of_people_nothing_is_kept_for_long() {
    let (member, secrets) = (account(1), LinkedinTwin::new().secrets(1));
    let session = Session { identity: Some(author(1)), ..Session::default() };
    let looking = Looking { session: &session, secrets: &secrets, now: NOW };
    assert!(member.sweep(Sweep::default(), &looking).is_none());
    assert_eq!(account(0).retention().map(|span| span.as_secs()), Some(24 * 3600));
}
