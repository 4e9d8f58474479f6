//! Every request that the Instagram adapter can make, against Meta's own description of the nodes and edges.
//!
//! The description is reference data that is not part of this repository; where it is not, these tests say so and pass.

#![cfg(test)]

mod support;

use std::collections::BTreeSet;

use cadenced::domain::Content;
use cadenced::platform::contract::Request;
use cadenced::platform::instagram::ENTRY;
use serde_json::Value;
use support::graph::{self, film, parameters, picture, requests, requests_with, shared};
use support::sweep::exchanges;

/// Of the account with either login, of a post, of a container, of a quota, and of a refresh.
struct Api {
    accounts: [Value; 2],
    media: Value,
    comment: Value,
    container: Value,
    quota: Value,
    refresh: Value,
}

fn api() -> Option<Api> {
    let read = |name: &str| {
        let text = shared(&format!("instagram/{name}.json"))?;
        Some(serde_json::from_str::<Value>(&text).expect("a description is JSON"))
    };
    Some(Api {
        accounts: [read("IGUserForIGOnlyAPI")?, read("IGUser")?],
        media: read("IGMedia")?,
        comment: read("IGComment")?,
        container: read("ShadowIGMediaBuilder")?,
        quota: read("ContentPublishingLimitResponse")?,
        refresh: read("IGRefreshAccessTokenForIGOnlyAPI")?,
    })
}

fn names(of: &Value, list: &str) -> BTreeSet<String> {
    let all = of[list].as_array().into_iter().flatten();
    all.filter_map(|one| one["name"].as_str()).map(Into::into).collect()
}

/// What an edge takes, where there is one.
fn edge(of: &Value, method: &str, name: &str) -> Option<BTreeSet<String>> {
    let mut edges = of["apis"].as_array()?.iter();
    // The description of Instagram's own login writes edges without their underscores.
    let same = |endpoint: &str| endpoint == name || endpoint == name.replace('_', "");
    let found = edges.find(|edge| edge["method"] == method && edge["endpoint"].as_str().is_some_and(same))?;
    Some(names(found, "params"))
}

/// The fields of a list, each without what is asked inside of it.
fn outside_braces(fields: &str) -> Vec<String> {
    let (mut depth, mut plain) = (0, String::new());
    for c in fields.chars() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        if depth == 0 && c != '}' {
            plain.push(c);
        }
    }
    plain.split(',').map(str::to_owned).collect()
}

fn violations(api: &Api, step: &str, request: &Request) -> Vec<String> {
    let sent = parameters(request);
    let path: Vec<&str> = request.url.path_segments().into_iter().flatten().collect();
    let asked = |of: &Value| -> Vec<String> {
        let (fields, known) = (sent.get("fields").cloned().unwrap_or_default(), names(of, "fields"));
        fields.split(',').filter(|field| !known.contains(*field)).map(|field| format!("no field {field}")).collect()
    };
    let kind = step.split('-').next().unwrap_or_default();
    let mut faults = Vec::new();
    match (kind, path.as_slice()) {
        ("refresh", ["refresh_access_token"]) => {
            let known = names(&api.refresh["apis"][0], "params");
            faults.extend(sent.keys().filter(|name| !known.contains(*name)).map(|name| format!("no parameter {name}")));
            let needed = api.refresh["apis"][0]["params"].as_array().into_iter().flatten();
            let needed = needed.filter(|one| one["required"] == true).filter_map(|one| one["name"].as_str());
            faults.extend(needed.filter(|name| !sent.contains_key(*name)).map(|name| format!("{name} is missing")));
        }
        ("identity", ["v26.0", _]) if sent.get("fields").is_some_and(|fields| fields == "id,username") => {
            faults.extend(asked(&api.accounts[1]));
        }
        ("identity", ["v26.0", "me"]) => faults.extend(asked(&api.accounts[0])),
        ("bytes", ["ig-api-upload", "v26.0", _]) => {}
        ("status" | "ready" | "asked", ["v26.0", _]) => faults.extend(asked(&api.container)),
        // What stands in braces is a comment again, or who has written it.
        ("sweep", ["v26.0", id]) => {
            let of =
                if id.starts_with("1800") && sent["fields"].contains("like_count") { &api.media } else { &api.comment };
            let known = names(of, "fields");
            let plain = outside_braces(&sent["fields"]);
            let edges = |name: &str| edge(of, "GET", name).is_some();
            let unknown = plain.iter().filter(|field| !known.contains(*field) && !edges(field));
            faults.extend(unknown.map(|field| format!("no field {field}")));
        }
        ("sweep", ["v26.0", _, name]) => match edge(&api.media, "GET", name) {
            Some(known) => {
                let known =
                    |name: &&String| known.contains(*name) || ["fields", "limit", "after"].contains(&name.as_str());
                faults.extend(sent.keys().filter(|name| !known(name)).map(|name| format!("no parameter {name}")));
            }
            None => faults.push(format!("no edge {name}")),
        },
        ("address", ["v26.0", _]) => faults.extend(asked(&api.media)),
        ("quota" | "look" | "container" | "item" | "publish", ["v26.0", _, name]) => {
            match kind {
                "quota" => faults.extend(asked(&api.quota)),
                "look" => faults.extend(asked(&api.media)),
                _ => {}
            }
            for account in &api.accounts {
                let Some(known) = edge(account, request.method.name(), name) else {
                    faults.push(format!("no edge {name}"));
                    continue;
                };
                // What every edge knows.
                let general = ["fields", "limit", "after"];
                let known = |name: &&String| known.contains(*name) || general.contains(&name.as_str());
                faults.extend(sent.keys().filter(|name| !known(name)).map(|name| format!("no parameter {name}")));
            }
        }
        _ => faults.push(format!("no such request: {path:?}")),
    }
    if kind != "refresh" && !request.headers.iter().any(|(name, _)| *name == "Authorization") {
        faults.push("no token".into());
    }
    faults
}

fn all_requests() -> Vec<(String, Request)> {
    let post = Content { text: "one".into(), ..Content::default() };
    let kinds = [vec![picture(1)], vec![film()], vec![picture(1), film()]];
    let mut all: Vec<_> = kinds.into_iter().flat_map(|media| requests(&ENTRY, &post, &media)).collect();
    // A film is sent where the account has Facebook's login.
    all.extend(requests_with("user_id = '17841400000000000'", &ENTRY, &post, &[film()]));
    for file in [picture(1), film()] {
        all.extend(requests_with("kind = 'story'", &ENTRY, &Content::default(), &[file]));
    }
    let adapter = graph::adapter(&ENTRY, "");
    let job = graph::job(&*adapter, post, vec![picture(1)]);
    let swept = exchanges(&*adapter, &mut *(ENTRY.twin)(), &job);
    all.extend(swept.into_iter().map(|(request, _)| ("sweep".to_owned(), request)));
    all
}

#[test]
fn every_request_is_one_that_is_described() {
    let Some(api) = api() else { return };
    let requests = all_requests();
    let kinds: BTreeSet<&str> = requests.iter().map(|(step, _)| step.split('-').next().expect("a name")).collect();
    let expected = [
        "address",
        "asked",
        "bytes",
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
        let faults = violations(&api, step, request);
        assert!(faults.is_empty(), "{step}: {} {}: {faults:?}", request.method.name(), request.url);
    }
}

#[test]
fn the_check_finds_what_is_wrong() {
    let Some(api) = api() else { return };
    let all = all_requests();
    let of = |kind: &str| all.iter().find(|(step, _)| step == kind).expect("it is asked").clone();
    let (step, mut status) = of("status-0");
    assert_eq!(violations(&api, &step, &status).len(), 0);
    status.url.set_query(Some("fields=status,error_message"));
    assert_eq!(violations(&api, &step, &status), ["no field error_message"], "it is Threads' name");
    let (step, mut publish) = of("publish-0");
    publish.url.set_query(Some("colour=red"));
    assert_eq!(violations(&api, &step, &publish).len(), 2, "with either login");
    publish.url.set_path("/v26.0/1/publish");
    publish.headers.clear();
    assert_eq!(violations(&api, &step, &publish).len(), 3);
}
