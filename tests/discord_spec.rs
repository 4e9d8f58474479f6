//! Every request that the Discord adapter can make, against the published description of the API, and what the
//! imitation answers against the replies described there.
//!
//! The description is reference data that is not part of this repository. It is looked for in `../shared/specs`, or
//! below `$CADENCED_SHARED/specs`; where it is not, the tests that need it say so and pass.

#![cfg(test)]

mod support;

use std::path::PathBuf;
use std::sync::Arc;

use cadenced::domain::{AccountId, Content, DeliveryId, Digest, MediaItem, PostId};
use cadenced::platform::contract::{Call, Job, Media, Reply, Request, Table, Twin};
use cadenced::platform::discord::{ENTRY, twin::DiscordTwin};
use serde_json::{Value, json};
use support::drive::{Drive, End};

const PATH: &str = "/webhooks/{webhook_id}/{webhook_token}";

#[test]
fn every_request_is_one_that_the_api_describes() {
    let Some(spec) = spec() else { return };
    let requests = all_requests();
    assert!(requests.iter().any(|request| request.method.name() == "GET"));
    assert!(requests.iter().any(|request| request.body.parts().is_some()));
    for request in &requests {
        let segments: Vec<_> = request.url.path_segments().unwrap().collect();
        let ["webhooks", id, "[secret]"] = segments[..] else { panic!("{}", request.url) };
        assert!(id.bytes().all(|byte| byte.is_ascii_digit()));
        let operation = &spec["paths"][PATH][request.method.name().to_lowercase()];
        assert!(operation.is_object(), "{} is not described", request.method.name());
        for (name, value) in request.url.query_pairs() {
            let described = operation["parameters"].as_array().into_iter().flatten();
            let described: Vec<_> = described.filter(|held| held["in"] == "query" && held["name"] == *name).collect();
            assert_eq!(described.len(), 1, "no parameter {name}");
            let value = serde_json::from_str(&value).ok().filter(Value::is_boolean).unwrap_or(json!(value));
            assert_eq!(violations(&spec, &described[0]["schema"], &value, &name), [""; 0]);
        }
        let Some((kind, body)) = body(request) else { continue };
        let schema = &operation["requestBody"]["content"][kind]["schema"];
        assert_eq!(violations(&spec, schema, &body, "body"), [""; 0], "{body}");
    }
}

#[test]
fn the_check_finds_what_is_wrong() {
    let Some(spec) = spec() else { return };
    let schema = json!({"$ref": "#/components/schemas/IncomingWebhookRequestPartial"});
    let faults = |value: Value| violations(&spec, &schema, &value, "body").len();
    assert_eq!(faults(json!({"content": "x", "allowed_mentions": {"parse": ["users"]}})), 0);
    assert_eq!(faults(json!({"content": 7})), 1, "a number for a text");
    assert_eq!(faults(json!({"content": "x".repeat(2001)})), 1, "too long");
    assert_eq!(faults(json!({"nonce": "x"})), 1, "webhooks know no nonce");
    assert_eq!(faults(json!({"allowed_mentions": {"parse": ["everybody"]}})), 1, "no such mention");
    assert_eq!(faults(json!({"attachments": [{"filename": "a.png"}]})), 1, "no id");
    assert_eq!(faults(json!({"attachments": vec![json!({"id": "0"}); 11]})), 1, "too many");
}

/// What is read from the imitation is where the API puts it.
#[test]
fn the_imitation_answers_as_the_api_describes() {
    let Some(spec) = spec() else { return };
    let mut twin = DiscordTwin::default();
    for request in all_requests() {
        let reply = twin.answer(&Call::Http(request.clone()), "2026-11-22T12:00:00Z".parse().unwrap());
        let Reply::Http(reply) = reply else { panic!() };
        assert_eq!(reply.status, 200);
        let name = if request.method.name() == "GET" { "GuildIncomingWebhookResponse" } else { "MessageResponse" };
        let (answer, schema) = (reply.value().unwrap(), &spec["components"]["schemas"][name]);
        for field in schema["required"].as_array().unwrap().iter().filter_map(Value::as_str) {
            assert!(answer.get(field).is_some(), "{name}: {field} is missing");
        }
        for field in ["id", "channel_id", "guild_id", "content"].iter().filter(|field| answer.get(field).is_some()) {
            assert_eq!(violations(&spec, &schema["properties"][field], &answer[field], field), [""; 0], "{name}");
        }
    }
}

fn spec() -> Option<Value> {
    let root = std::env::var_os("CADENCED_SHARED").map(PathBuf::from);
    let root = root.unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")));
    let path = root.join("specs/discord/openapi.json");
    let text = std::fs::read_to_string(&path).ok();
    if text.is_none() {
        skipped(&format!("{} is not there", path.display()));
    }
    Some(serde_json::from_str(&text?).expect("the description is JSON"))
}

#[expect(clippy::disallowed_macros, reason = "a test that checks nothing must say so")]
fn skipped(why: &str) {
    eprintln!("SKIPPED: {why}");
}

/// Deliveries of every kind, and what was sent for them.
fn all_requests() -> Vec<Request> {
    let content = Content {
        text: "Text".into(),
        link: Some("https://example.org/a".into()),
        tags: vec!["tag".into()],
        thread: vec!["more".into()],
        ..Content::default()
    };
    let mut requests = Vec::new();
    for (files, thread) in [(0, None), (1, Some("1500000000000000000")), (10, None)] {
        let mut twin = DiscordTwin::default();
        let mut values = twin.table(0, "https://host.example", "/");
        values.extend(thread.map(|thread| ("thread".to_owned(), thread.into())));
        let mut table = Table::new(AccountId::new("guild").unwrap(), values, "/".into());
        let adapter = (ENTRY.build)(&mut table).unwrap();
        let job = job(&content, files);
        let mut drive = Drive::new(&*adapter, &mut twin, &job);
        assert!(matches!(drive.attempt(), End::Done(_)));
        for step in drive.steps {
            let Call::Http(request) = step.call else { panic!("not HTTP") };
            requests.push(request);
        }
    }
    requests
}

fn job(content: &Content, files: usize) -> Job {
    let bytes: Arc<[u8]> = b"\x89PNG".as_slice().into();
    let item = MediaItem { file: "a.bin".into(), alt: "what it shows".into(), sha256: Digest::of(&bytes), facts: None };
    let media = Media { item: item.clone(), mime: "image/png".into(), size: None, bytes };
    let content = Content { media: vec![item; files], ..content.clone() };
    let digest = Digest::of(format!("{content:?}").as_bytes());
    Job {
        delivery: DeliveryId::new(PostId::new("a-post").unwrap(), AccountId::new("guild").unwrap()),
        attempt: 1,
        key: digest.hex()[..32].into(),
        digest,
        content,
        media: vec![media; files],
        frozen: Value::Null,
        started: "2026-11-22T12:00:00Z".parse().unwrap(),
        answers: None,
        taken: Arc::default(),
    }
}

/// The kind of body, and what it says. Of a form, that is the part which holds the JSON; files are named by it.
fn body(request: &Request) -> Option<(&'static str, Value)> {
    if let Some(parts) = request.body.parts() {
        let message: Value = serde_json::from_slice(&parts[0].bytes).unwrap();
        let named: Vec<String> = (0..parts.len() - 1).map(|place| format!("files[{place}]")).collect();
        assert!(parts[1..].iter().map(|part| &part.name).eq(&named), "{named:?}");
        assert_eq!(message["attachments"].as_array().map(Vec::len), Some(named.len()));
        return Some(("multipart/form-data", message));
    }
    (!request.body.is_empty()).then(|| ("application/json", serde_json::from_slice(&request.body.concat()).unwrap()))
}

/// What is wrong with `value`, as far as this description uses its language. Fields that it does not name are wrong.
fn violations(spec: &Value, schema: &Value, value: &Value, place: &str) -> Vec<String> {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap();
        return violations(spec, &spec["components"]["schemas"][name], value, place);
    }
    if let Some(forms) = schema["oneOf"].as_array().or_else(|| schema["anyOf"].as_array()) {
        let tried = forms.iter().map(|form| violations(spec, form, value, place));
        return tried.min_by_key(Vec::len).unwrap_or_default();
    }
    let mut faults = Vec::new();
    let types: Vec<&str> = match &schema["type"] {
        Value::Array(types) => types.iter().filter_map(Value::as_str).collect(),
        name => name.as_str().into_iter().collect(),
    };
    let is = |name: &&str| match *name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        _ => false,
    };
    if !types.is_empty() && !types.iter().any(is) {
        return vec![format!("{place} cannot be {value}")];
    }
    if schema.get("const").is_some_and(|only| only != value) {
        faults.push(format!("{place} cannot be {value}"));
    }
    let length = value.as_str().map(|text| text.chars().count()).or(value.as_array().map(Vec::len)).unwrap_or(0);
    if ["maxLength", "maxItems"].iter().any(|key| schema[key].as_u64().is_some_and(|most| length as u64 > most)) {
        faults.push(format!("{place} is too long"));
    }
    for item in value.as_array().into_iter().flatten() {
        faults.extend(violations(spec, &schema["items"], item, place));
    }
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.get(name).is_none() {
            faults.push(format!("{place}: the field {name} is missing"));
        }
    }
    for (name, inner) in value.as_object().into_iter().flatten() {
        match schema["properties"].get(name) {
            Some(property) => faults.extend(violations(spec, property, inner, name)),
            None => faults.push(format!("{place}: no field {name}")),
        }
    }
    faults
}
