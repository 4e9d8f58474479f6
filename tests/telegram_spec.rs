//! Every request that the Telegram adapter can make, against the published list of the Bot API's methods and types, and
//! what it reads against the types of their results.
//!
//! The list is reference data that is not part of this repository. It is looked for in `../shared/specs`, or below
//! `$CADENCED_SHARED/specs`; where it is not, the tests that need it say so and pass.

#![cfg(test)]

mod support;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use cadenced::domain::{AccountId, Content, DeliveryId, Digest, MediaItem, PostId, Remote, ReplyTo};
use cadenced::platform::contract::{Call, Job, Media, Request, Table, Twin};
use cadenced::platform::telegram::{ENTRY, twin::TelegramTwin};
use serde_json::{Map, Value, json};
use support::drive::{Drive, End};

#[test]
fn every_request_is_one_that_the_api_describes() {
    let Some(spec) = spec() else { return };
    let requests = all_requests();
    let methods: BTreeSet<&str> = requests.iter().map(|(method, _)| method.as_str()).collect();
    let expected = [
        "getChat",
        "getChatMember",
        "getMe",
        "sendAnimation",
        "sendAudio",
        "sendDocument",
        "sendMediaGroup",
        "sendMessage",
        "sendPhoto",
        "sendVideo",
    ];
    assert_eq!(methods, expected.into(), "the run must make every kind of request");
    for (method, request) in &requests {
        let faults = violations(&spec, method, &fields(request));
        assert!(faults.is_empty(), "{method}: {faults:?}");
    }
}

#[test]
fn the_check_finds_what_is_wrong() {
    let Some(spec) = spec() else { return };
    let faults = |method: &str, fields: Value| violations(&spec, method, fields.as_object().unwrap()).len();
    assert_eq!(faults("sendMessage", json!({"chat_id": 1, "text": "x"})), 0);
    assert_eq!(faults("sendMessage", json!({"chat_id": 1})), 1, "no text");
    assert_eq!(faults("sendMessage", json!({"chat_id": 1, "text": "x", "colour": "red"})), 1, "no such field");
    assert_eq!(faults("sendMessage", json!({"chat_id": true, "text": "x"})), 1, "no chat");
    let answers = json!({"chat_id": 1, "text": "x", "reply_parameters": {"message_id": "7"}});
    assert_eq!(faults("sendMessage", answers), 1, "a text for a number");
    let album = json!({"chat_id": 1, "media": [{"type": "photo", "media": "a"}, {"type": "film", "media": "b"}]});
    assert_eq!(faults("sendMediaGroup", album), 1, "no such item");
    assert_eq!(faults("sendLetter", json!({})), 1, "no such method");
}

/// What the imitation answers has the types that the list gives, so what is read from it is read from the real one.
#[test]
fn the_imitation_answers_in_the_types_of_the_api() {
    let Some(spec) = spec() else { return };
    let mut twin = TelegramTwin::default();
    let now = "2026-11-22T12:00:00Z".parse().unwrap();
    let mut compared = BTreeSet::new();
    for (method, request) in all_requests() {
        let cadenced::platform::contract::Reply::Http(reply) = twin.answer(&Call::Http(request), now) else { panic!() };
        let answer = reply.value().unwrap();
        // An answer to a message of the other run is refused here.
        if answer["ok"] == false {
            assert!(answer["error_code"].is_u64() && answer["description"].is_string(), "{answer}");
            continue;
        }
        let returned = spec["methods"][&method]["returns"][0].as_str().unwrap();
        let sure = ["message_id", "id", "status", "text", "caption", "date", "chat", "username", "type"];
        let result = &answer["result"];
        let one = result.as_array().map_or(result, |all| &all[0]);
        let name = returned.trim_start_matches("Array of ");
        let name = if name == "ChatMember" { "ChatMemberAdministrator" } else { name };
        for (field, value) in one.as_object().unwrap().iter().filter(|(field, _)| sure.contains(&field.as_str())) {
            let described = field_of(&spec["types"][name], field).unwrap_or_else(|| panic!("{name} has no {field}"));
            assert_eq!(type_violations(&spec, described, value), [""; 0], "{method}: {field}");
        }
        compared.insert(method);
    }
    assert_eq!(compared.len(), 10, "{compared:?}");
}

fn spec() -> Option<Value> {
    let root = std::env::var_os("CADENCED_SHARED").map(PathBuf::from);
    let root = root.unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")));
    let path = root.join("specs/telegram/telegram-bot-api.json");
    let text = std::fs::read_to_string(&path).ok();
    if text.is_none() {
        skipped(&format!("{} is not there", path.display()));
    }
    Some(serde_json::from_str(&text?).expect("the list is JSON"))
}

#[expect(clippy::disallowed_macros, reason = "a test that checks nothing must say so")]
fn skipped(why: &str) {
    eprintln!("SKIPPED: {why}");
}

/// Deliveries of every kind, and what was sent for them, by method.
fn all_requests() -> Vec<(String, Request)> {
    let mut requests = Vec::new();
    let full = Content {
        text: "Text".into(),
        link: Some("https://example.org/a".into()),
        tags: vec!["tag".into()],
        thread: vec!["more".into()],
        ..Content::default()
    };
    let kinds: [&[&str]; 8] = [
        &[],
        &["image/png"],
        &["video/mp4"],
        &["image/gif"],
        &["audio/mpeg"],
        &["application/pdf"],
        &["image/png", "video/mp4"],
        &["application/pdf", "application/pdf"],
    ];
    for mimes in kinds {
        let mut twin = TelegramTwin::default();
        let values = twin.table(0, "https://host.example", "/");
        let mut table = Table::new(AccountId::new("chan").unwrap(), values, "/".into());
        let adapter = (ENTRY.build)(&mut table).unwrap();
        let first = job(&full, mimes, None);
        let mut drive = Drive::new(&*adapter, &mut twin, &first);
        let End::Done(remote) = drive.attempt() else { panic!("it is not published") };
        let mut steps = drive.steps;
        let reply_to = Some(ReplyTo::Ours(PostId::new("a-post").unwrap()));
        let answer = job(&Content { reply_to, ..full.clone() }, mimes, Some(remote));
        let mut drive = Drive::new(&*adapter, &mut twin, &answer);
        assert!(matches!(drive.attempt(), End::Done(_)));
        steps.append(&mut drive.steps);
        for step in steps {
            let Call::Http(request) = step.call else { panic!("not HTTP") };
            let path = request.url.path().to_owned();
            let method = path.strip_prefix("/bot[secret]/").expect("the token and the method are the path");
            requests.push((method.to_owned(), request));
        }
    }
    requests
}

fn job(content: &Content, mimes: &[&str], answers: Option<Remote>) -> Job {
    let bytes: Arc<[u8]> = b"\x89PNG".as_slice().into();
    let item = MediaItem { file: "a.bin".into(), alt: "what it shows".into(), sha256: Digest::of(&bytes), facts: None };
    let media = |mime: &&str| Media { item: item.clone(), mime: (*mime).into(), size: None, bytes: bytes.clone() };
    let media: Vec<Media> = mimes.iter().map(media).collect();
    let content = Content { media: media.iter().map(|media| media.item.clone()).collect(), ..content.clone() };
    let digest = Digest::of(format!("{content:?}").as_bytes());
    Job {
        delivery: DeliveryId::new(PostId::new("a-post").unwrap(), AccountId::new("chan").unwrap()),
        attempt: 1,
        key: digest.hex()[..32].into(),
        digest,
        content,
        media,
        frozen: Value::Null,
        started: "2026-11-22T12:00:00Z".parse().unwrap(),
        answers,
        taken: Arc::default(),
    }
}

/// What a request gives its method. In a form, numbers and objects are texts, and files have no value.
fn fields(request: &Request) -> Map<String, Value> {
    if let Some(parts) = request.body.parts() {
        let files: BTreeSet<String> = parts.iter().filter(|part| part.file.is_some()).map(|p| p.name.clone()).collect();
        let value = |text: String| serde_json::from_str(&text).unwrap_or(Value::String(text));
        let named = parts.into_iter().map(|part| match part.file {
            None => (part.name.clone(), value(part.text())),
            Some(_) => (part.name.clone(), json!("InputFile")),
        });
        let mut fields: Map<String, Value> = named.collect();
        // Files of an album are named by its items.
        let album = fields.get("media").map(Value::to_string).unwrap_or_default();
        fields.retain(|name, _| !(files.contains(name) && album.contains(&format!("attach://{name}"))));
        return fields;
    }
    match request.body.is_empty() {
        true => Map::new(),
        false => serde_json::from_slice(&request.body.concat()).expect("a body is JSON or a form"),
    }
}

fn field_of<'a>(described: &'a Value, name: &str) -> Option<&'a Value> {
    described["fields"].as_array()?.iter().find(|field| field["name"] == name)
}

fn violations(spec: &Value, method: &str, given: &Map<String, Value>) -> Vec<String> {
    let described = &spec["methods"][method];
    if described.is_null() {
        return vec![format!("no method {method}")];
    }
    object_violations(spec, described, given)
}

fn object_violations(spec: &Value, described: &Value, given: &Map<String, Value>) -> Vec<String> {
    let all: &[Value] = described["fields"].as_array().map_or(&[], Vec::as_slice);
    let missing = all.iter().filter(|field| field["required"] == true);
    let missing = missing.filter_map(|field| field["name"].as_str()).filter(|name| !given.contains_key(*name));
    let mut faults: Vec<String> = missing.map(|name| format!("the field {name} is missing")).collect();
    for (name, value) in given {
        match field_of(described, name) {
            Some(field) => faults.extend(type_violations(spec, field, value)),
            None => faults.push(format!("no field {name}")),
        }
    }
    faults
}

/// The value has to be of one of the field's types.
fn type_violations(spec: &Value, field: &Value, value: &Value) -> Vec<String> {
    let types = field["types"].as_array().expect("a field has types").iter().filter_map(Value::as_str);
    let tried = types.map(|name| one_type(spec, field, name, value));
    tried.min_by_key(Vec::len).unwrap_or_default()
}

fn one_type(spec: &Value, field: &Value, name: &str, value: &Value) -> Vec<String> {
    let wrong = || vec![format!("{} cannot be {value}", field["name"])];
    if let Some(inner) = name.strip_prefix("Array of ") {
        let Some(items) = value.as_array() else { return wrong() };
        // Each item may be of another of the types that the field names.
        let inner_types: Vec<String> = field["types"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .filter_map(|name| name.strip_prefix("Array of "))
            .map(Into::into)
            .collect();
        let inner_types = if inner_types.is_empty() { vec![inner.to_owned()] } else { inner_types };
        let field = json!({"name": field["name"], "types": inner_types, "description": ""});
        return items.iter().flat_map(|item| type_violations(spec, &field, item)).collect();
    }
    let fits = match name {
        "Integer" => value.is_i64(),
        "Float" => value.is_number(),
        "String" => value.is_string(),
        "Boolean" => value.is_boolean(),
        "InputFile" => value == "InputFile",
        _ => {
            let Some(object) = value.as_object() else { return wrong() };
            let described = &spec["types"][name];
            // A type of several is told by its `type`, which the description names.
            let told = field_of(described, "type").and_then(|field| field["description"].as_str());
            let kind = object.get("type").and_then(Value::as_str);
            if let (Some((_, must)), Some(kind)) = (told.and_then(|text| text.split_once("must be ")), kind)
                && must != kind
            {
                return wrong();
            }
            return object_violations(spec, described, object);
        }
    };
    if fits { Vec::new() } else { wrong() }
}
