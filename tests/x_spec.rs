//! Every request that the X adapter can make, and every answer of its imitation, against the two published versions of
//! the API's description; and how long it finds texts, against the conformance data of twitter-text.
//!
//! They are reference data that are not part of this repository. They are looked for in `../shared/specs`, or below
//! `$CADENCED_SHARED/specs`; where they are not, the tests that need them say so and pass.

#![cfg(test)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cadenced::domain::{
    AccountId, Checkpoint, Content, DeliveryId, Digest, MediaItem, PostId, ReplyTo, Timestamp, time,
};
use cadenced::platform::contract::{
    Adapter, Attempt, Body, Call, HttpReply, Job, Media, Next, Purpose, Reading, Reply, Request, Session, Table, Twin,
};
use cadenced::platform::x::twin::{SUMMONS, XTwin};
use cadenced::platform::x::{ENTRY, text};
use serde_json::{Value, json};

/// What the newest description says otherwise than X's own documents, which the adapter follows: fields of a post are
/// asked for under another name. Both names work.
const RENAMED: &str = "no parameter tweet.fields";
/// Likewise the name of a count, which follows the name that was asked for.
const RENAMED_COUNT: &str = "public_metrics: repost_count is missing";
const VERSIONS: [&str; 2] = ["x/openapi-2.159.json", "x/openapi-2.167.json"];

#[test]
fn every_request_is_one_that_the_api_describes() {
    let calls = all_calls();
    let kinds: BTreeSet<&str> = calls.iter().map(|(step, ..)| step.split('-').next().unwrap()).collect();
    let expected = [
        "append", "describe", "finalize", "identity", "look", "open", "publish", "refresh", "status", "sweep", "upload",
    ];
    assert_eq!(kinds, expected.into(), "the run must make every kind of request");
    for version in VERSIONS {
        let Some(schema) = description(version) else { return };
        for (step, request, reply) in &calls {
            if step == "refresh" {
                let url = &schema["components"]["securitySchemes"]["OAuth2UserToken"]["flows"]["authorizationCode"]["tokenUrl"];
                assert!(url.as_str().unwrap().ends_with(request.url.path()), "{version}: {url}");
                continue;
            }
            let mut faults = violations(&schema, request);
            faults.retain(|fault| fault != RENAMED || version == VERSIONS[0]);
            assert!(faults.is_empty(), "{version}: {step}: {} {}: {faults:?}", request.method.name(), request.url);
            let mut faults = reply_violations(&schema, request, reply);
            faults.retain(|fault| !fault.ends_with(RENAMED_COUNT) || version == VERSIONS[0]);
            assert!(faults.is_empty(), "{version}: the imitation's answer to {step}: {faults:?}");
        }
    }
}

#[test]
fn the_check_finds_what_is_wrong() {
    let calls = all_calls();
    for version in VERSIONS {
        let Some(schema) = description(version) else { return };
        let of = |kind: &str| calls.iter().find(|(step, ..)| step.starts_with(kind)).unwrap().1.clone();
        let with = |mut request: Request, body: Value| {
            request.body = Body::json(&body);
            violations(&schema, &request)
        };
        assert!(!with(of("publish"), json!({"text": "x", "colour": "red"})).is_empty(), "no such field");
        assert!(!with(of("publish"), json!({"text": 7})).is_empty(), "a number for a text");
        assert!(!with(of("publish"), json!({"media": {"media_ids": ["a"]}})).is_empty(), "no id");
        assert!(!with(of("publish"), json!({"reply_settings": "nobody"})).is_empty(), "no such setting");
        assert!(!with(of("describe"), json!({"metadata": {}})).is_empty(), "no id");
        let long = json!({"id": "1", "metadata": {"alt_text": {"text": "x".repeat(1_001)}}});
        assert!(!with(of("describe"), long).is_empty(), "too long");
        let mut elsewhere = of("publish");
        elsewhere.url.set_path("/2/posts");
        assert!(!violations(&schema, &elsewhere).is_empty(), "no such path");
        let mut look = of("look");
        look.url.set_query(Some("max_results=4&exclude=everything"));
        assert_eq!(violations(&schema, &look).len(), 2, "too few, and no such kind");
    }
}

/// Cases in which the adapter does not know what X knows, and takes the smaller count.
const OTHER_WEIGHTS: &[(&str, &str)] = &[(
    "Tweet text containing directional characters should be considered valid",
    "a top-level domain in Arabic is not known here",
)];

#[test]
fn texts_count_as_the_conformance_data_say() {
    let Some(data) = shared("x/twitter-text/validate.yml") else { return };
    let mut differing = Vec::new();
    let mut compared = 0;
    for section in ["WeightedTweetsWithDiscountedEmojiCounterTest", "UnicodeDirectionalMarkerCounterTest"] {
        for Case { about, text, weight } in cases(&data, section) {
            compared += 1;
            let found = text::weight(&text);
            if found != weight {
                assert!(found < weight, "{about}: {found} is more than {weight}");
                differing.push((about, format!("{found} for {weight}")));
            }
        }
    }
    assert!(compared > 20, "{compared} cases");
    let named: Vec<&str> = differing.iter().map(|(about, _)| about.as_str()).collect();
    let known: Vec<&str> = OTHER_WEIGHTS.iter().map(|(about, _)| *about).collect();
    assert_eq!(named, known, "{differing:#?}");
}

/// A reference file, or nothing and a word about it.
fn shared(path: &str) -> Option<String> {
    let root = std::env::var_os("CADENCED_SHARED").map(PathBuf::from);
    let root = root.unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")));
    let path = root.join("specs").join(path);
    let text = std::fs::read_to_string(&path).ok();
    if text.is_none() {
        skipped(&format!("{} is not there", path.display()));
    }
    text
}

#[expect(clippy::disallowed_macros, reason = "a test that checks nothing must say so")]
fn skipped(why: &str) {
    eprintln!("SKIPPED: {why}");
}

fn description(path: &str) -> Option<Value> {
    Some(serde_json::from_str(&shared(path)?).expect("it is JSON"))
}

// ---- all requests ----

/// Drives deliveries of every kind until each step of the adapter has been made: what was sent and answered.
fn all_calls() -> Vec<(String, Request, HttpReply)> {
    let full = Content {
        text: "Text & more @somebody example.org".into(),
        link: Some("https://example.org/a".into()),
        tags: vec!["tag".into()],
        thread: vec!["more".into(), "and more".into()],
        reply_to: Some(ReplyTo::Theirs(format!("https://x.com/fan/status/{SUMMONS}"))),
        ..Content::default()
    };
    let picture = media("image/png", 9);
    let mut calls = Vec::new();
    for twin in [XTwin::new(), XTwin::with_oauth2()] {
        let mut drive = Drive::new(twin);
        drive.deliver(&full, &[picture.clone(), media("image/jpeg", 9)], Purpose::Publish);
        drive.deliver(&Content::default(), &[media("video/mp4", 5 * 1024 * 1024)], Purpose::Publish);
        drive.deliver(&Content::default(), &[media("image/gif", 9)], Purpose::Publish);
        for number in 0..25 {
            drive.deliver(&Content { text: format!("Text {number}"), ..Content::default() }, &[], Purpose::Publish);
        }
        drive.now = time::after(drive.now, Duration::from_secs(60));
        drive.deliver(&full, std::slice::from_ref(&picture), Purpose::LookBack);
        drive.deliver(&Content { text: "never said".into(), ..Content::default() }, &[], Purpose::LookBack);
        calls.append(&mut drive.calls);
    }
    let mut twin = XTwin::new();
    let mut table = Table::new(AccountId::new("x").unwrap(), twin.table(0, "https://x.example", "/"), "/".into());
    let adapter = (ENTRY.build)(&mut table).unwrap();
    let content = Content { text: "Text".into(), ..Content::default() };
    let swept = support::sweep::exchanges(&*adapter, &mut twin, &support::graph::job(&*adapter, content, Vec::new()));
    calls.extend(swept.into_iter().map(|(request, reply)| ("sweep".to_owned(), request, reply)));
    calls
}

fn media(mime: &str, bytes: usize) -> Media {
    let bytes: Arc<[u8]> = vec![7; bytes].into();
    let item = MediaItem { file: "a.bin".into(), alt: "what it shows".into(), sha256: Digest::of(&bytes), facts: None };
    Media { item, mime: mime.into(), size: None, bytes }
}

/// Carries deliveries out against an imitation and keeps every call.
struct Drive {
    adapter: Arc<dyn Adapter>,
    twin: XTwin,
    session: Session,
    now: Timestamp,
    calls: Vec<(String, Request, HttpReply)>,
}

impl Drive {
    fn new(twin: XTwin) -> Self {
        let values = twin.table(0, "https://api.x.com", "/");
        let mut table = Table::new(AccountId::new("x").unwrap(), values, "/".into());
        let adapter = (ENTRY.build)(&mut table).unwrap();
        let now = "2026-11-22T12:00:00Z".parse().unwrap();
        Self { adapter, twin, session: Session::default(), now, calls: Vec::new() }
    }

    fn deliver(&mut self, content: &Content, media: &[Media], purpose: Purpose) {
        let content = Content { media: media.iter().map(|media| media.item.clone()).collect(), ..content.clone() };
        let digest = Digest::of(format!("{content:?}").as_bytes());
        let job = Job {
            delivery: DeliveryId::new(PostId::new("a-post").unwrap(), AccountId::new("x").unwrap()),
            attempt: 1,
            key: digest.hex()[..32].into(),
            digest,
            content,
            media: media.to_vec(),
            frozen: Value::Null,
            started: "2026-11-22T12:00:00Z".parse().unwrap(),
            answers: None,
            taken: Arc::default(),
        };
        let (mut done, mut scratch, secrets) = (Vec::new(), Value::Null, self.twin.secrets(0));
        for _ in 0..200 {
            self.now = time::after(self.now, Duration::from_secs(1));
            let attempt = Attempt {
                job: &job,
                purpose,
                done: &done,
                scratch: &scratch,
                session: &self.session,
                secrets: &secrets,
                now: self.now,
            };
            let step = match self.adapter.next(&attempt) {
                Next::Call(step) => step,
                Next::Done(_) | Next::CannotTell(_) => return,
                other => panic!("{other:?}"),
            };
            let Call::Http(request) = &step.call else { panic!("not HTTP") };
            let reply = self.twin.answer(&step.call, self.now);
            let Reply::Http(answer) = &reply else { panic!("not HTTP") };
            self.calls.push((step.name.clone(), request.clone(), answer.clone()));
            match self.adapter.read(&attempt, &step, &reply) {
                Reading::Learned(value) => scratch = value,
                Reading::Session(session) => self.session = session,
                Reading::Checkpoint(data) => done.push(Checkpoint { step: step.name, data }),
                Reading::Wait(span) => self.now = time::after(self.now, span),
                Reading::Found(_) | Reading::Absent => return,
                other => panic!("{}: {other:?}", step.name),
            }
        }
        panic!("no end");
    }
}

// ---- a small check of requests and replies against an OpenAPI description ----

/// What is wrong with `request`.
fn violations(schema: &Value, request: &Request) -> Vec<String> {
    let Some(operation) = operation(schema, request) else { return vec!["no such path or method".into()] };
    let mut faults = Vec::new();
    let described = operation["parameters"].as_array().into_iter().flatten();
    let described: Vec<&Value> = described.map(|parameter| resolved(schema, parameter)).collect();
    let query = |name: &str| described.iter().find(|held| held["in"] == "query" && held["name"] == name);
    let sent: BTreeMap<String, String> = request.url.query_pairs().into_owned().collect();
    for (name, text) in &sent {
        let Some(parameter) = query(name) else {
            faults.push(format!("no parameter {name}"));
            continue;
        };
        let form = resolved(schema, &parameter["schema"]);
        let value = match form["type"].as_str() {
            Some("array") => text.split(',').map(Value::from).collect(),
            Some("integer") => text.parse::<i64>().map_or(json!(text), Value::from),
            _ => json!(text),
        };
        check(schema, form, &value, name, &mut faults);
    }
    for parameter in described.iter().filter(|parameter| parameter["in"] == "query" && parameter["required"] == true) {
        if !sent.contains_key(parameter["name"].as_str().unwrap()) {
            faults.push(format!("the parameter {} is missing", parameter["name"]));
        }
    }
    for (name, _) in &request.headers {
        if !["authorization", "accept"].contains(&name.to_lowercase().as_str()) {
            faults.push(format!("no header {name}"));
        }
    }
    if !request.headers.iter().any(|(name, _)| *name == "Authorization") {
        faults.push("nobody signs it".into());
    }
    let wanted = &operation["requestBody"];
    let Some(mime) = &request.body.mime else {
        if wanted["required"] == true {
            faults.push("no body".into());
        }
        return faults;
    };
    let kind = mime.split(';').next().unwrap();
    match wanted["content"].get(kind) {
        None => faults.push(format!("a body of {kind}")),
        Some(media) => {
            let bytes = request.body.concat();
            let value = if kind == "application/json" { serde_json::from_slice(&bytes).unwrap() } else { form(&bytes) };
            check(schema, &media["schema"], &value, "body", &mut faults);
        }
    }
    faults
}

/// What is wrong with an answer of 2xx.
fn reply_violations(schema: &Value, request: &Request, reply: &HttpReply) -> Vec<String> {
    let Some(operation) = operation(schema, request) else { return vec!["no such path or method".into()] };
    let described = &operation["responses"][reply.status.to_string()];
    if described.is_null() {
        return vec![format!("a status of {}", reply.status)];
    }
    let mut faults = Vec::new();
    let form = &described["content"]["application/json"]["schema"];
    check(schema, form, &reply.value().expect("it is JSON"), "reply", &mut faults);
    faults
}

fn operation<'a>(schema: &'a Value, request: &Request) -> Option<&'a Value> {
    let path: Vec<&str> = request.url.path_segments()?.collect();
    let fits = |template: &str| {
        let template: Vec<&str> = template.trim_start_matches('/').split('/').collect();
        template.len() == path.len()
            && template.iter().zip(&path).all(|(held, sent)| held == sent || held.starts_with('{'))
    };
    let mut fitting: Vec<_> = schema["paths"].as_object()?.iter().filter(|(template, _)| fits(template)).collect();
    // Where one has a name and another a placeholder, the name is meant.
    fitting.sort_by_key(|(template, _)| template.matches('{').count());
    fitting.first()?.1.get(request.method.name().to_lowercase())
}

/// The fields of a multipart form; a file stands as a text, a number as a number.
fn form(body: &[u8]) -> Value {
    let text = String::from_utf8_lossy(body);
    let field = |part: &str| {
        let name = part.split("name=\"").nth(1)?.split('"').next()?.to_owned();
        let value = part.split_once("\r\n\r\n")?.1.split("\r\n--").next()?;
        let is_file = part.contains("filename=");
        let number = value.parse::<i64>().ok().filter(|_| !is_file);
        Some((name, number.map_or(json!(value), Value::from)))
    };
    Value::Object(text.split("Content-Disposition").skip(1).filter_map(field).collect())
}

fn resolved<'a>(schema: &'a Value, held: &'a Value) -> &'a Value {
    match held["$ref"].as_str().and_then(|path| schema.pointer(path.trim_start_matches('#'))) {
        Some(referred) => resolved(schema, referred),
        None => held,
    }
}

/// Checks what these descriptions use: types, enumerations, bounds, patterns of ids, closed objects, alternatives.
fn check(schema: &Value, form: &Value, value: &Value, place: &str, faults: &mut Vec<String>) {
    let form = resolved(schema, form);
    for part in form["allOf"].as_array().into_iter().flatten() {
        check(schema, part, value, place, faults);
    }
    if let Some(forms) = form["oneOf"].as_array().or_else(|| form["anyOf"].as_array()) {
        let tried = forms.iter().map(|form| {
            let mut faults = Vec::new();
            check(schema, form, value, place, &mut faults);
            faults
        });
        faults.extend(tried.min_by_key(Vec::len).unwrap_or_default());
        return;
    }
    let fits = match form["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64() || value.is_u64(),
        _ => true,
    };
    if !fits {
        faults.push(format!("{place}: {value} is no {}", form["type"]));
        return;
    }
    if form["enum"].as_array().is_some_and(|allowed| !allowed.contains(value)) {
        faults.push(format!("{place}: {value} is none of {}", form["enum"]));
    }
    let size = match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => Some(text.chars().count() as f64),
        Value::Array(items) => Some(items.len() as f64),
        _ => None,
    };
    let outside = |key: &str, is_wrong: fn(f64, f64) -> bool| {
        size.zip(form[key].as_f64()).is_some_and(|(size, bound)| is_wrong(size, bound))
    };
    let too_small = ["minimum", "minLength", "minItems"].iter().any(|key| outside(key, |size, bound| size < bound));
    let too_large = ["maximum", "maxLength", "maxItems"].iter().any(|key| outside(key, |size, bound| size > bound));
    if too_small || too_large {
        faults.push(format!("{place}: {value} is out of bounds"));
    }
    if form["pattern"] == "^[0-9]{1,19}$" {
        let text = value.as_str().unwrap_or_default();
        if !(1..=19).contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            faults.push(format!("{place}: {value} is no id"));
        }
    }
    for item in value.as_array().into_iter().flatten() {
        check(schema, &form["items"], item, place, faults);
    }
    let Some(fields) = value.as_object() else { return };
    for name in form["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        // One version demands fields that it does not describe.
        if !fields.contains_key(name) && form["properties"].get(name).is_some() {
            faults.push(format!("{place}: {name} is missing"));
        }
    }
    for (name, field) in fields {
        match form["properties"].get(name) {
            Some(property) => check(schema, property, field, &format!("{place}.{name}"), faults),
            None if form["additionalProperties"] == false => faults.push(format!("{place}: no field {name}")),
            None => {}
        }
    }
}

// ---- conformance data ----

struct Case {
    about: String,
    text: String,
    weight: u64,
}

/// The cases of one section. The files use little of YAML: keys, numbers, and strings in double quotes.
fn cases(data: &str, section: &str) -> Vec<Case> {
    let head = format!("  {section}:");
    let mut cases = Vec::new();
    let (mut about, mut text) = (String::new(), String::new());
    let lines = data.lines().skip_while(|line| *line != head).skip(1);
    for line in lines.take_while(|line| !line.trim_end().ends_with("Test:")) {
        let line = line.trim();
        if let Some(rest) = line.strip_prefix("- description: ") {
            about = unquoted(rest);
        } else if let Some(rest) = line.strip_prefix("text: ") {
            text = unquoted(rest);
        } else if let Some(rest) = line.strip_prefix("weightedLength: ") {
            cases.push(Case { about: about.clone(), text: text.clone(), weight: rest.parse().unwrap() });
        }
    }
    cases
}

fn unquoted(line: &str) -> String {
    let mut out = String::new();
    let mut chars = line.trim().trim_start_matches('"').strip_suffix('"').unwrap_or_default().chars();
    while let Some(c) = chars.next() {
        out.push(match (c, if c == '\\' { chars.next() } else { None }) {
            (_, Some('n')) => '\n',
            (_, Some(length @ ('u' | 'U'))) => {
                let digits: String = chars.by_ref().take(if length == 'u' { 4 } else { 8 }).collect();
                char::from_u32(u32::from_str_radix(&digits, 16).unwrap()).unwrap()
            }
            (_, Some(other)) => other,
            (c, None) => c,
        });
    }
    out
}
