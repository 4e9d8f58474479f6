//! Every request that the LinkedIn adapter can make, against a description of the API; and what it makes of replies
//! that are built as the description says.
//!
//! LinkedIn publishes none that a machine reads. The one used here was made by others, for an older version: it is good
//! for paths, names of fields and their values, and where it is known to be wrong or silent, this file says so. It is
//! no part of this repository. It is looked for in `../shared/specs`, or below `$CADENCED_SHARED/specs`; where it is
//! not, the tests say so and pass.

#![cfg(test)]

mod support;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cadenced::domain::{AccountId, Content, DeliveryId, Digest, MediaItem, PostId, Timestamp, time};
use cadenced::platform::contract::{Adapter, Call, Effect, Job, Media, Purpose, Request, Table, Twin};
use cadenced::platform::linkedin::{ENTRY, twin::LinkedinTwin};
use serde_json::{Map, Value};
use support::drive::{Drive, End, Wire};

/// Where the adapter and the description differ, and why the adapter is right.
const DIFFERENT: &[(&str, &str)] = &[
    ("POST /rest/documents: no such path", "documents are missing from it"),
    ("GET /rest/documents/{id}: no such path", "documents are missing from it"),
    ("POST /rest/videos: action cannot be finalizeUpload", "only the first of the two actions is described"),
    ("POST /rest/videos: finalizeUploadRequest is not described", "only the first of the two actions is described"),
    ("POST /rest/images: fileSizeBytes is missing", "LinkedIn's own examples have the owner alone"),
    ("POST /rest/posts: description is missing", "an article's description may be left out; nobody has written one"),
    ("GET /rest/posts: no header x-restli-method", "finders may need it"),
];

#[test]
fn every_request_is_one_that_the_api_describes() {
    let Some(spec) = description() else { return };
    let requests = all_requests();
    let kinds: BTreeSet<&str> = requests.iter().map(|(step, _)| step.split('-').next().unwrap()).collect();
    let expected = ["author", "begin", "look", "media", "part", "publish", "refresh", "upload", "whose"];
    assert_eq!(kinds, expected.into(), "the run must make every kind of request");
    let described =
        requests.iter().map(|(_, request)| request).filter(|request| request.url.path().starts_with("/rest/"));
    let faults: BTreeSet<String> = described.flat_map(|request| violations(&spec, request)).collect();
    let known: BTreeSet<String> = DIFFERENT.iter().map(|(fault, _)| (*fault).to_owned()).collect();
    assert_eq!(faults, known);
}

#[test]
fn the_check_finds_what_is_wrong() {
    let Some(spec) = description() else { return };
    let requests = all_requests();
    let publish = &requests.iter().find(|(step, _)| step == "publish-0").unwrap().1;
    let with = |change: fn(&mut Value)| {
        let mut request = publish.clone();
        let mut body: Value = serde_json::from_slice(&request.body.concat()).unwrap();
        change(&mut body);
        request.body = cadenced::platform::contract::Body::json(&body);
        violations(&spec, &request)
    };
    assert_eq!(with(|_| {}), Vec::<String>::new());
    assert!(!with(|body| body["visibility"] = "FOLLOWERS".into()).is_empty());
    assert!(!with(|body| body["lifecycleState"] = "DRAFT".into()).is_empty());
    assert!(!with(|body| body["distribution"]["feedDistribution"] = "ALL".into()).is_empty());
    assert!(!with(|body| body["colour"] = "red".into()).is_empty());
    assert!(!with(|body| body["commentary"] = 7.into()).is_empty());
    assert!(!with(|body| _ = body.as_object_mut().unwrap().remove("author")).is_empty());
    let mut bare = publish.clone();
    bare.headers.retain(|(name, _)| *name != "linkedin-version");
    assert!(!violations(&spec, &bare).is_empty());
    let mut list = requests.iter().find(|(step, _)| step == "look-0").unwrap().1.clone();
    list.url.set_query(Some("q=nobody&sort=up"));
    assert_eq!(violations(&spec, &list).len(), 3, "a wrong finder, an unknown parameter, and the known header");
}

/// The description, or nothing and a word about it.
fn description() -> Option<Value> {
    let root = std::env::var_os("CADENCED_SHARED").map(PathBuf::from);
    let root = root.unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")));
    let path = root.join("specs/linkedin/community-openapi.yaml");
    match std::fs::read_to_string(&path) {
        Ok(text) => Some(yaml(&text)),
        Err(_) => {
            skipped(&format!("{} is not there", path.display()));
            None
        }
    }
}

#[expect(clippy::disallowed_macros, reason = "a test that checks nothing must say so")]
fn skipped(why: &str) {
    eprintln!("SKIPPED: {why}");
}

// ---- all requests ----

/// Drives deliveries of every kind, of a page and of a member, and hands out what was sent.
fn all_requests() -> Vec<(String, Request)> {
    let long = vec![7; 4 * 1024 * 1024 + 1];
    let image = |name: &str| file(name, "image/png", b"png");
    let posts: [(Vec<Media>, Option<&str>); 5] = [
        (vec![], None),
        (vec![], Some("https://example.org/a")),
        (vec![image("a.png"), image("b.png")], Some("https://example.org/a")),
        (vec![file("a.mp4", "video/mp4", &long)], None),
        (vec![file("a.pdf", "application/pdf", b"%PDF")], None),
    ];
    let mut requests = Vec::new();
    for account in [0, 1] {
        for (number, (media, link)) in posts.iter().enumerate() {
            let mut twin = LinkedinTwin::new();
            let values = twin.table(account, "https://host.example", "/");
            let mut table = Table::new(AccountId::new("li").unwrap(), values, "/".into());
            let adapter = (ENTRY.build)(&mut table).unwrap();
            let content = Content {
                text: format!("Text {number} #tag"),
                link: link.map(Into::into),
                media: media.iter().map(|media| media.item.clone()).collect(),
                ..Content::default()
            };
            let job = job(&*adapter, content, media);
            let secrets = twin.secrets(account);
            twin.expire_tokens();
            let mut drive = Drive::new(&*adapter, &mut twin, &job);
            drive.secrets = secrets;
            let mut keep = |step: &cadenced::platform::contract::Step| {
                if let Call::Http(request) = &step.call {
                    requests.push((step.name.clone(), request.clone()));
                }
            };
            let end = drive.attempt_in(Purpose::Publish, &mut |step, _| {
                keep(step);
                Wire::Whole
            });
            assert!(matches!(end, End::Done(_)), "{end:?}");
            drive.done.retain(|(checkpoint, _)| checkpoint.step != "publish-0");
            drive.now = time::after(drive.now, Duration::from_secs(3_600));
            let end = drive.attempt_in(Purpose::LookBack, &mut |step, _| {
                keep(step);
                assert_eq!(step.effect, Effect::Harmless);
                Wire::Whole
            });
            assert!(matches!((account, &end), (0, End::Found) | (1, End::CannotTell(_))), "{end:?}");
        }
    }
    requests
}

fn file(name: &str, mime: &str, bytes: &[u8]) -> Media {
    let item = MediaItem { file: name.into(), alt: "What it shows".into(), sha256: Digest::of(bytes), facts: None };
    Media { item, mime: mime.into(), size: None, bytes: bytes.into() }
}

fn job(adapter: &dyn Adapter, content: Content, media: &[Media]) -> Job {
    let started: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
    let digest = Digest::of(format!("{content:?}").as_bytes());
    Job {
        delivery: DeliveryId::new(PostId::new("a-post").unwrap(), AccountId::new("li").unwrap()),
        attempt: 1,
        key: digest.hex()[..32].into(),
        digest,
        frozen: adapter.freeze(&content, started, 7),
        content,
        media: media.to_vec(),
        started,
        answers: None,
        taken: Arc::default(),
    }
}

// ---- a small check of requests against an OpenAPI description ----

/// What is wrong with `request`, each with the operation it is about.
fn violations(spec: &Value, request: &Request) -> Vec<String> {
    let (path, id) = match request.url.path().strip_prefix("/rest/").and_then(|rest| rest.split_once('/')) {
        Some((collection, id)) => (format!("/rest/{collection}/{{id}}"), Some(id)),
        None => (request.url.path().to_owned(), None),
    };
    let method = request.method.name();
    let operation = &spec["paths"][&path][method.to_lowercase()];
    let mut faults = Vec::new();
    if operation.is_null() {
        faults.push("no such path".to_owned());
    } else {
        let parameters: Vec<&Value> =
            operation["parameters"].as_array().into_iter().flatten().map(|held| resolved(spec, held)).collect();
        let of = |place: &str, name: &str| {
            let same = |held: &&&Value| held["name"].as_str().is_some_and(|held| held.eq_ignore_ascii_case(name));
            parameters.iter().find(|held| held["in"] == place && same(held)).copied()
        };
        let queried: Vec<(String, String)> = request.url.query_pairs().into_owned().collect();
        for (name, value) in &queried {
            match of("query", name) {
                None => faults.push(format!("no parameter {name}")),
                Some(held) if !allowed(&held["schema"], value) => faults.push(format!("{name} cannot be {value}")),
                Some(_) => {}
            }
        }
        for (name, value) in &request.headers {
            match of("header", name) {
                None if ["accept", "authorization"].contains(name) => {}
                None => faults.push(format!("no header {name}")),
                Some(held) if !allowed(&held["schema"], &value.expose()) => faults.push(format!("{name} is wrong")),
                Some(_) => {}
            }
        }
        let sent = |place: &Value, name: &str| match place.as_str() {
            Some("query") => queried.iter().any(|(held, _)| held == name),
            Some("header") => request.headers.iter().any(|(held, _)| held.eq_ignore_ascii_case(name)),
            _ => id.is_some_and(|id| id.starts_with("urn%3Ali%3A") && !id.contains(['/', ':'])),
        };
        for held in parameters.iter().filter(|held| held["required"] == true) {
            let name = held["name"].as_str().unwrap();
            if !sent(&held["in"], name) {
                faults.push(format!("{name} is missing"));
            }
        }
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        match serde_json::from_slice::<Value>(&request.body.concat()) {
            Ok(body) => fits(spec, schema, &body, "body", &mut faults),
            Err(_) if schema.is_null() && request.body.is_empty() => {}
            Err(_) => faults.push("the body is not JSON".into()),
        }
    }
    faults.into_iter().map(|fault| format!("{method} {path}: {fault}")).collect()
}

fn resolved<'a>(spec: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str().and_then(|pointer| pointer.strip_prefix('#')) {
        Some(pointer) => spec.pointer(pointer).unwrap_or_else(|| panic!("{pointer} is nowhere")),
        None => value,
    }
}

fn allowed(schema: &Value, value: &str) -> bool {
    schema["enum"].as_array().is_none_or(|values| values.iter().any(|held| held == value))
}

fn fits(spec: &Value, schema: &Value, value: &Value, name: &str, faults: &mut Vec<String>) {
    let schema = resolved(spec, schema);
    let right = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.as_str().is_some_and(|text| allowed(schema, text)),
        Some("integer") => value.is_u64(),
        Some("boolean") => value.is_boolean(),
        _ => true,
    };
    if !right {
        faults.push(format!("{name} cannot be {value}"));
    }
    for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.get(required).is_none() {
            faults.push(format!("{required} is missing"));
        }
    }
    for (key, held) in value.as_object().into_iter().flatten() {
        match schema["properties"].get(key) {
            Some(schema) => fits(spec, schema, held, key, faults),
            None => faults.push(format!("{key} is not described")),
        }
    }
    for held in value.as_array().into_iter().flatten() {
        fits(spec, &schema["items"], held, name, faults);
    }
}

// ---- as much YAML as the description is written in ----

/// Maps and lists by indentation, lists in one line, and texts of several lines, which are left out.
fn yaml(text: &str) -> Value {
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    let lines: Vec<(usize, &str)> = lines.map(|line| (line.len() - line.trim_start().len(), line.trim())).collect();
    block(&lines)
}

fn block(lines: &[(usize, &str)]) -> Value {
    let Some(&(indent, first)) = lines.first() else { return Value::Null };
    let starts: Vec<usize> = (0..lines.len()).filter(|&at| lines[at].0 == indent).collect();
    let ends = starts.iter().skip(1).copied().chain([lines.len()]);
    let pieces = starts.iter().copied().zip(ends).map(|(from, to)| &lines[from..to]);
    if first.starts_with("- ") {
        return Value::Array(pieces.map(item).collect());
    }
    let mut map = Map::new();
    for piece in pieces {
        let (key, value) = piece[0].1.split_once(':').unwrap_or((piece[0].1, ""));
        let value = match value.trim() {
            "" => block(&piece[1..]),
            "|" => Value::Null,
            scalar => flow(scalar),
        };
        map.insert(key.trim_matches(['"', '\'']).to_owned(), value);
    }
    Value::Object(map)
}

/// What stands behind a dash, as if the dash were blank.
fn item(piece: &[(usize, &str)]) -> Value {
    let (indent, text) = piece[0];
    let text = text.trim_start_matches("- ");
    if !text.contains(": ") && !text.ends_with(':') {
        return flow(text);
    }
    let mut lines = vec![(indent + 2, text)];
    lines.extend_from_slice(&piece[1..]);
    block(&lines)
}

fn flow(text: &str) -> Value {
    if let Some(list) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        return list.split(',').map(str::trim).filter(|held| !held.is_empty()).map(flow).collect();
    }
    match text.trim_matches(['"', '\'']) {
        "true" if text == "true" => Value::Bool(true),
        "false" if text == "false" => Value::Bool(false),
        text => Value::String(text.into()),
    }
}
