//! Every request that the Threads adapter can make, against Meta's own collection of requests, and the answers that it
//! gives as examples.
//!
//! The collection is reference data that is not part of this repository; where it is not, these tests say so and pass.

#![cfg(test)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use cadenced::domain::Content;
use cadenced::platform::contract::{Effect, Reading, Request};
use cadenced::platform::threads::ENTRY;
use serde_json::Value;
use support::graph::{self, film, parameters, picture, requests, shared};
use support::sweep::exchanges;

const COLLECTION: &str = "threads/threads-api.postman_collection.json";

/// Parameters that Meta describes elsewhere: paging, and cards.
const BESIDE: &[&str] = &["after", "limit", "link_attachment"];

/// Of each kind of request the parameters that the collection uses somewhere; and the fields of each kind of object.
struct Api {
    operations: BTreeMap<(String, String), BTreeSet<String>>,
    fields: BTreeSet<String>,
    examples: BTreeMap<String, Value>,
}

fn api() -> Option<Api> {
    let collection: Value = serde_json::from_str(&shared(COLLECTION)?).expect("the collection is JSON");
    let mut api = Api { operations: BTreeMap::new(), fields: BTreeSet::new(), examples: BTreeMap::new() };
    gather(&collection["item"], &mut api);
    for variable in collection["variable"].as_array().into_iter().flatten() {
        if variable["key"].as_str().is_some_and(|key| key.starts_with("fields_")) {
            let fields = variable["value"].as_str().unwrap_or_default().split(',');
            api.fields.extend(fields.map(|field| field.split(['{', '}']).next().unwrap_or_default().to_owned()));
        }
    }
    Some(api)
}

fn gather(items: &Value, api: &mut Api) {
    for item in items.as_array().into_iter().flatten() {
        gather(&item["item"], api);
        let (Some(method), Some(raw)) = (item["request"]["method"].as_str(), item["request"]["url"]["raw"].as_str())
        else {
            continue;
        };
        let (path, query) = raw.split_once('?').unwrap_or((raw, ""));
        let path = path.trim_start_matches("{{api_host}}").trim_matches('/');
        let path: Vec<&str> = path.split('/').map(|part| if part.starts_with("{{") { "*" } else { part }).collect();
        let names = query.split('&').filter_map(|pair| pair.split('=').next()).filter(|name| !name.is_empty());
        let known = api.operations.entry((method.into(), path.join("/"))).or_default();
        known.extend(names.map(Into::into));
        if let Some(body) = item["response"][0]["body"].as_str()
            && let Ok(example) = serde_json::from_str(body)
        {
            api.examples.insert(item["name"].as_str().unwrap_or_default().into(), example);
        }
    }
}

fn violations(api: &Api, request: &Request) -> Vec<String> {
    let path: Vec<&str> = request.url.path_segments().into_iter().flatten().collect();
    let path = path.strip_prefix(&["v1.0"]).unwrap_or(&path);
    let is_id = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit());
    let shape: Vec<&str> = path.iter().map(|part| if is_id(part) { "*" } else { *part }).collect();
    let Some(known) = api.operations.get(&(request.method.name().into(), shape.join("/"))) else {
        return vec![format!("no such request: {shape:?}")];
    };
    let sent = parameters(request);
    let named = |name: &&String| known.contains(*name) || BESIDE.contains(&name.as_str());
    let mut faults: Vec<String> =
        sent.keys().filter(|name| !named(name)).map(|name| format!("no parameter {name}")).collect();
    let fields =
        sent.get("fields").map(String::as_str).unwrap_or_default().split(',').filter(|field| !field.is_empty());
    faults.extend(fields.filter(|field| !api.fields.contains(*field)).map(|field| format!("no field {field}")));
    if !request.headers.iter().any(|(name, _)| *name == "Authorization") {
        faults.push("no token".into());
    }
    faults
}

fn all_requests() -> Vec<(String, Request)> {
    let text = Content { text: "one".into(), link: Some("https://example.org/a".into()), ..Content::default() };
    let thread = Content { thread: vec!["two".into()], ..text.clone() };
    let mut all = requests(&ENTRY, &thread, &[]);
    for media in [vec![picture(1)], vec![film()], vec![picture(1), film()]] {
        all.extend(requests(&ENTRY, &text, &media));
    }
    let adapter = graph::adapter(&ENTRY, "");
    let job = graph::job(&*adapter, text, Vec::new());
    let swept = exchanges(&*adapter, &mut *(ENTRY.twin)(), &job);
    all.extend(swept.into_iter().map(|(request, _)| ("sweep".to_owned(), request)));
    all
}

#[test]
fn every_request_is_one_that_the_collection_has() {
    let Some(api) = api() else { return };
    let requests = all_requests();
    let kinds: BTreeSet<&str> = requests.iter().map(|(step, _)| step.split('-').next().expect("a name")).collect();
    let expected = [
        "address",
        "asked",
        "container",
        "identity",
        "item",
        "look",
        "publish",
        "quota",
        "ready",
        "refresh",
        "status",
        "sweep",
    ];
    assert_eq!(kinds, expected.into(), "the run must make every kind of request");
    for (step, request) in &requests {
        let faults = violations(&api, request);
        assert!(faults.is_empty(), "{step}: {} {}: {faults:?}", request.method.name(), request.url);
    }
}

#[test]
fn the_check_finds_what_is_wrong() {
    let Some(api) = api() else { return };
    let (_, good) = all_requests().into_iter().find(|(step, _)| step == "status-0").expect("it is asked");
    let with = |change: &dyn Fn(&mut Request)| {
        let mut request = good.clone();
        change(&mut request);
        violations(&api, &request).len()
    };
    assert_eq!(with(&|_| {}), 0);
    assert_eq!(with(&|request| request.url.set_query(Some("fields=id,status_code"))), 1, "Instagram's name");
    assert_eq!(with(&|request| request.url.set_query(Some("colour=red"))), 1);
    assert_eq!(with(&|request| request.url.set_path("/v1.0/me/thread")), 1);
    assert_eq!(with(&|request| request.headers.clear()), 1);
}

#[test]
fn the_published_examples_are_understood() {
    let Some(api) = api() else { return };
    let adapter = graph::adapter(&ENTRY, "");
    let read = |step: &str, effect: Effect, example: &str| {
        graph::reading(&*adapter, &ENTRY, step, effect, api.examples.get(example).expect(example))
    };
    assert!(matches!(read("container-0", Effect::Leaves, "1.1 Create Text Container"), Reading::Checkpoint(_)));
    assert!(matches!(read("publish-0", Effect::Publishes, "2. Publish Threads Post"), Reading::Checkpoint(_)));
    let person = "Get App-Scoped User's Profile Information";
    assert!(
        matches!(read("identity", Effect::Harmless, person), Reading::Session(session) if session.identity.is_some())
    );
    assert!(matches!(read("quota", Effect::Harmless, "Retrieve Publishing Quota Limit"), Reading::Learned(_)));
    assert!(matches!(read("refresh", Effect::Harmless, "Get Long-Lived Access Token"), Reading::Session(_)));
    // It holds another post.
    assert!(matches!(read("look-0-0-0", Effect::Harmless, "Get a List of All a User's Threads"), Reading::Absent));
}
