use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::json;

use super::super::twin::FacebookTwin;
use super::*;
use crate::domain::{AccountId, DeliveryId, Remote};
use crate::platform::contract::sweep::{Finding, Found};
use crate::platform::contract::{Call, HeaderValue, Reply, Session, Table, Twin as _, cases};

const NOW: Timestamp = Timestamp::constant(1_790_000_000, 0);
const PAGE: &str = "110000000000000000";
const POST: &str = "110000000000000000_7";

/// Sweeps a post, and a comment that waits, with these answers by the end of the path and one parameter: `ID`, or
/// `ID/comments`, and what stands behind `after=`.
fn sweep(
    remote: &str,
    waiting: &[&str],
    answers: &[(&str, HttpReply)],
) -> (Vec<Found>, Option<Hindrance>, Vec<String>) {
    let twin = FacebookTwin::new();
    let mut table =
        Table::new(AccountId::new("page").unwrap(), twin.table(0, "https://graph.example/", ""), PathBuf::from("/"));
    let adapter = (ENTRY.build)(&mut table).unwrap();
    let (session, secrets) = (Session { identity: Some(PAGE.into()), ..Session::default() }, twin.secrets(0));
    let looking = Looking { session: &session, secrets: &secrets, now: NOW };
    let delivery: DeliveryId = "desk@page".parse().unwrap();
    let remote = Remote { id: remote.into(), url: None, reference: Value::Null.into() };
    let posts = vec![Watched { delivery, remote, known: BTreeMap::new() }];
    let waiting = waiting.iter().map(|id| (*id).to_owned()).collect();
    let mut sweeper = adapter.sweep(Sweep { posts, waiting, heard: None }, &looking).unwrap();
    let mut asked = Vec::new();
    let (found, stopped) = cases::swept(&mut *sweeper, NOW, |call| {
        let Call::Http(request) = call else { panic!() };
        assert!(request.headers.iter().any(|(_, value)| matches!(value, HeaderValue::Secret { .. })));
        let path = request.url.path().trim_start_matches("/v26.0/").to_owned();
        let field =
            |name: &str| request.url.query_pairs().find(|(held, _)| held == name).map(|(_, value)| value.into_owned());
        let path = field("after").map_or(path.clone(), |after| format!("{path}?{after}"));
        let path = if field("fields").as_deref() == Some("id") { format!("{path}?there") } else { path };
        asked.push(path.clone());
        let answer = answers.iter().find(|(held, _)| *held == path).map(|(_, reply)| reply.clone());
        Reply::Http(answer.unwrap_or_else(|| panic!("{path} is asked")))
    });
    (found, stopped, asked)
}

fn ok(value: Value) -> HttpReply {
    HttpReply::json(200, &value)
}

fn error(code: i64, subcode: i64) -> HttpReply {
    HttpReply::json(400, &json!({"error": {"message": "no", "code": code, "error_subcode": subcode}}))
}

fn counts(id: &str, likes: u64, comments: u64) -> HttpReply {
    ok(json!({"id": id, "reactions": {"data": [], "summary": {"total_count": likes}},
        "comments": {"data": [], "summary": {"total_count": comments}}}))
}

fn comment(id: &str, from: Value, more: Value) -> Value {
    let mut value = json!({"id": id, "message": "Nice", "created_time": "2026-09-21T10:00:00+0000", "from": from});
    value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    value
}

fn finding(found: &[Found]) -> &Finding {
    match found.first() {
        Some(Found::Post(finding)) => finding,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_told_is_read_and_what_is_not_told_is_unknown() {
    let ann = json!({"id": "24", "name": "Ann Lee"});
    let answers = [
        (POST, counts(POST, 3, 3)),
        ("110000000000000000_7/insights", error(100, 0)),
        (
            "110000000000000000_7/reactions",
            ok(json!({"data": [{"id": "24", "name": "Ann Lee", "type": "ANGRY"}, {"type": "LIKE"}],
                "paging": {"cursors": {"after": "x"}, "next": "https://evil.example/?access_token=1"}})),
        ),
        ("110000000000000000_7/reactions?x", ok(json!({"data": [{"id": PAGE, "name": "Twin", "type": "CARE"}]}))),
        (
            "110000000000000000_7/comments",
            ok(json!({"data": [
                comment("7_1", ann.clone(), json!({})),
                comment("7_2", Value::Null, json!({})),
                comment("7_3", json!({"id": PAGE, "name": "Twin"}), json!({"parent": {"id": "7_1"}}))]})),
        ),
    ];
    let (found, stopped, _) = sweep(POST, &["7_1"], &answers);
    let told = finding(&found);
    // Nobody knows how often it was shared or seen. That the token may not ask is no word about the rest.
    let expected = [(Interaction::Like, 3), (Interaction::Reply, 3)];
    assert_eq!(told.counts, expected.into());
    let likes: Vec<_> = told.who[&Interaction::Like].iter().map(|act| act.person.to_string()).collect();
    assert_eq!(likes, ["facebook:24".to_owned(), format!("facebook:{PAGE}")]);
    let said = told.said.as_ref().unwrap();
    let said: Vec<_> = said.iter().map(|held| (held.id.as_str(), held.parent.as_deref(), held.by.is_some())).collect();
    assert_eq!(said, [("7_1", Some(POST), true), ("7_3", Some("7_1"), false)]);
    assert_eq!(told.people.iter().map(|profile| profile.handle.as_str()).collect::<Vec<_>>(), ["Twin", "AnnLee"]);
    assert!(matches!(&found[1], Found::Around { messages, .. } if messages.len() == 2), "{found:?}");
    assert_eq!((found.len(), stopped), (2, None));
}

#[test]
fn an_empty_list_of_comments_that_are_counted_tells_nothing() {
    let list = |data: Value| ("110000000000000000_7/comments", ok(json!({ "data": data })));
    let of = |data: Value| {
        let answers =
            [(POST, counts(POST, 0, 2)), ("110000000000000000_7/insights", ok(json!({"data": []}))), list(data)];
        finding(&sweep(POST, &[], &answers).0).said.clone()
    };
    assert_eq!(of(json!([])), None);
    // They are there, and whose they are is not told.
    assert_eq!(of(json!([comment("7_1", Value::Null, json!({}))])), Some(Vec::new()));
}

#[test]
fn gone_is_what_is_missing_twice() {
    let there = "110000000000000000_7?there";
    let (found, _, _) = sweep(POST, &[], &[(POST, error(100, 33)), (there, error(100, 33))]);
    assert!(finding(&found).gone);
    for other in
        [ok(json!({ "id": POST })), error(190, 0), error(10, 0), HttpReply { status: 502, ..HttpReply::default() }]
    {
        let (found, _, _) = sweep(POST, &[], &[(POST, error(100, 33)), (there, other)]);
        assert_eq!(found, []);
    }
    // A video is asked for as a post of the Page, and looked for by itself.
    let (found, _, asked) = sweep("9", &[], &[("110000000000000000_9", error(100, 33)), ("9?there", error(100, 33))]);
    assert!(finding(&found).gone && asked.len() == 2);
}

#[test]
fn a_refusal_stops_what_it_is_about() {
    let stopped = |reply: HttpReply| sweep(POST, &[], &[(POST, reply)]).1;
    assert!(matches!(stopped(error(190, 463)), Some(Hindrance::LoggedOut { .. })));
    for code in [10, 200, 21] {
        assert!(matches!(stopped(error(code, 0)), Some(Hindrance::Forbidden { .. })), "{code}");
    }
    let mut limited = error(80_001, 0);
    let usage = json!({"1": [{"call_count": 101, "estimated_time_to_regain_access": 9}]}).to_string();
    limited.headers.push(("x-business-use-case-usage".into(), usage));
    let until = NOW.as_second() + 9 * 60;
    assert!(matches!(stopped(limited), Some(Hindrance::Limited { until: at, .. }) if at.as_second() == until));
    let mut nearly = counts(POST, 1, 0);
    nearly.headers.push(("x-app-usage".into(), json!({"call_count": 91}).to_string()));
    let (found, why, asked) = sweep(POST, &[], &[(POST, nearly)]);
    assert!(matches!(why, Some(Hindrance::Limited { .. })) && found.is_empty(), "{why:?}");
    assert_eq!(asked, [POST], "the rest is for publishing");
    let unspoken = HttpReply { status: 429, ..HttpReply::default() };
    assert!(matches!(stopped(unspoken), Some(Hindrance::Limited { .. })));
}
