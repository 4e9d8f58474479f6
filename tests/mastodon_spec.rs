//! Every request that the Mastodon adapter can make, against the published description of the API; and what it finds
//! in texts, against the conformance data of twitter-text, whose grammar Mastodon uses.
//!
//! Both are reference data that are not part of this repository. They are looked for in `../shared/specs`, or below
//! `$CADENCED_SHARED/specs`; where they are not, the tests that need them say so and pass.

#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cadenced::domain::{
    AccountId, Checkpoint, Content, DeliveryId, Digest, MediaItem, PostId, Remote, ReplyTo, Secret, Timestamp, time,
};
use cadenced::platform::contract::auth::{Ask, Login};
use cadenced::platform::contract::crowd::{By, CrowdAct};
use cadenced::platform::contract::sweep::{Heard, Looking, Seek, Sweep, Watched};
use cadenced::platform::contract::{
    Adapter, Attempt, Body, Call, HttpReply, Job, Media, Method, Next, Purpose, Reading, Reply, Request, Secrets,
    Session, Table, Twin,
};
use cadenced::platform::mastodon::{ENTRY, text, twin::MastodonTwin};
use serde_json::{Value, json};

#[test]
fn every_request_is_one_that_the_api_describes() {
    let Some(schema) = shared("mastodon/mastodon-openapi.schema.json") else { return };
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let requests = all_requests();
    let kinds: BTreeSet<&str> = requests.iter().map(|(step, _)| step.split('-').next().unwrap()).collect();
    let expected = [
        "confirm", "identity", "instance", "look", "media", "nodeinfo", "parent", "publish", "source", "sweep",
        "upload",
    ];
    assert_eq!(kinds, expected.into(), "the run must make every kind of request");
    for (step, request) in &requests {
        // Not part of this API; it belongs to the network's own.
        if step == "nodeinfo" {
            continue;
        }
        let faults = violations(&schema, request);
        assert!(faults.is_empty(), "{step}: {} {}: {faults:?}", request.method.name(), request.url);
    }
}

#[test]
fn the_requests_of_a_login_are_such_too() {
    let Some(schema) = shared("mastodon/mastodon-openapi.schema.json") else { return };
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let mut table = Table::new(
        AccountId::new("a").unwrap(),
        MastodonTwin::mastodon().table(0, "http://127.0.0.1:1", "unused"),
        PathBuf::from("/"),
    );
    let flow = (ENTRY.build)(&mut table).unwrap().auth().code.expect("a login");
    let Ask::Call(register) = flow.client(&Secrets::default(), &[]) else { panic!("no application is asked for") };
    // Described as a list, which Mastodon takes since 4.3; a text is what all of these servers take.
    assert_eq!(violations(&schema, &register), ["\"urn:ietf:wg:oauth:2.0:oob\" is not of type \"array\""]);
    let answer = HttpReply::json(200, &json!({"client_id": "id", "client_secret": "secret"}));
    let Ask::Done(client) = flow.client(&Secrets::default(), &[answer]) else { panic!("an application") };
    let login = Login::new(flow.redirect(), [7; 48]);
    let Ask::Call(mut exchange) = flow.exchange(&client, &login, &Secret::new("code"), &[]) else { panic!("no token") };
    // Sent as OAuth has it (RFC 6749, 4.1.3), which the description leaves out: its fields are looked at as JSON.
    assert_eq!(exchange.body.mime.as_deref(), Some("application/x-www-form-urlencoded"));
    let sent = exchange.body.concat();
    let fields = url::form_urlencoded::parse(&sent).into_owned().map(|(name, value)| (name, value.into())).collect();
    exchange.body = Body::json(&Value::Object(fields));
    assert_eq!(violations(&schema, &exchange), Vec::<String>::new());
    let address = flow.authorize(&client, &login);
    let opened =
        Request { method: Method::Get, url: address, headers: Vec::new(), body: Body::default(), secret_path: None };
    assert_eq!(violations(&schema, &opened), Vec::<String>::new());
}

#[test]
fn the_check_finds_what_is_wrong() {
    let Some(schema) = shared("mastodon/mastodon-openapi.schema.json") else { return };
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let requests = all_requests();
    let of = |kind: &str| requests.iter().find(|(step, _)| step.starts_with(kind)).unwrap().1.clone();
    let with = |mut request: Request, body: Value| {
        request.body = cadenced::platform::contract::Body::json(&body);
        violations(&schema, &request)
    };
    assert!(!with(of("publish"), json!({"visibility": "public"})).is_empty(), "neither text nor media");
    assert!(!with(of("publish"), json!({"status": "x", "visibility": "followers"})).is_empty(), "no such visibility");
    assert!(!with(of("publish"), json!({"status": "x", "colour": "red"})).is_empty(), "no such field");
    assert!(!with(of("publish"), json!({"status": 7})).is_empty(), "a number for a text");
    assert!(!with(of("upload"), json!({"file": "x"})).is_empty(), "not multipart");
    let mut elsewhere = of("confirm");
    elsewhere.url.set_path("/api/v1/status/1");
    assert!(!violations(&schema, &elsewhere).is_empty(), "no such path");
    let mut search = of("parent");
    search.url.set_query(Some("resolve=maybe"));
    assert_eq!(violations(&schema, &search).len(), 2, "q is missing and resolve is no boolean");
}

/// Cases of the conformance data in which Mastodon's grammar, or ours, differs from Twitter's.
const OTHER_URLS: &[(&str, &str)] = &[
    ("Extract valid URL: http://example.com/", "no list of top-level domains"),
    ("Extract URLs with and without protocol surrounded by CJK characters", "Mastodon takes any letter in a path"),
    ("Extract a t.co URL with a trailing apostrophe", "short links are nothing special"),
    ("Extract a t.co URL with a trailing hyphen", "short links are nothing special"),
    ("DO NOT extract URLs with > 40 characters in a t.co slug", "short links are nothing special"),
];

#[test]
fn urls_are_found_as_the_conformance_data_say() {
    let Some(data) = shared("x/twitter-text/extract.yml") else { return };
    let cases = conformance(&data, "urls");
    assert!(cases.len() > 70, "{} cases", cases.len());
    let mut differing = Vec::new();
    for Case { about, text, expected } in &cases {
        // Mastodon takes only addresses with their protocol.
        let expected: Vec<&str> =
            expected.iter().map(String::as_str).filter(|url| url.to_lowercase().starts_with("http")).collect();
        let found: Vec<&str> = text::urls(text).into_iter().map(|range| &text[range]).collect();
        if found != expected {
            differing.push((about.as_str(), format!("{found:?} for {expected:?}")));
        }
    }
    let named: Vec<&str> = differing.iter().map(|(about, _)| *about).collect();
    let known: Vec<&str> = OTHER_URLS.iter().map(|(about, _)| *about).collect();
    assert_eq!(named, known, "{differing:#?}");
}

/// Cases in which Mastodon's own rule for mentions differs from Twitter's.
const OTHER_MENTIONS: &[(&str, &str)] = &[
    ("Extract mention in the middle of a Japanese tweet", "no letter of any script may stand before it"),
    ("Extract lone metion but not @user@user (too close to an email)", "@user@host is a mention"),
    ("Extract mentions after 'RT'", "nothing is special about RT"),
    ("Extract mentions after 'rt'", "nothing is special about RT"),
    ("Extract mentions after 'Rt'", "nothing is special about RT"),
    ("Extract mentions after 'rT'", "nothing is special about RT"),
    ("DO NOT extract username preceded by !", "only letters, '=' and '/' before it forbid a mention"),
    ("DO NOT extract username preceded by @", "only letters, '=' and '/' before it forbid a mention"),
    ("DO NOT extract username preceded by #", "only letters, '=' and '/' before it forbid a mention"),
    ("DO NOT extract username preceded by $", "only letters, '=' and '/' before it forbid a mention"),
    ("DO NOT extract username preceded by %", "only letters, '=' and '/' before it forbid a mention"),
    ("DO NOT extract username preceded by &", "only letters, '=' and '/' before it forbid a mention"),
    ("DO NOT extract username preceded by *", "only letters, '=' and '/' before it forbid a mention"),
];

#[test]
fn mentions_are_found_as_the_conformance_data_say() {
    let Some(data) = shared("x/twitter-text/extract.yml") else { return };
    let cases = conformance(&data, "mentions");
    assert!(cases.len() > 20, "{} cases", cases.len());
    let mut differing = Vec::new();
    for Case { about, text, expected } in &cases {
        let found: Vec<&str> =
            text::mentions(text).into_iter().map(|m| &text[m.whole.start + 1..m.whole.end]).collect();
        if found != *expected {
            differing.push((about.as_str(), format!("{found:?} for {expected:?}")));
        }
    }
    let named: Vec<&str> = differing.iter().map(|(about, _)| *about).collect();
    let known: Vec<&str> = OTHER_MENTIONS.iter().map(|(about, _)| *about).collect();
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

// ---- all requests ----

/// Drives deliveries of every kind until each step of the adapter has been made, and hands out what was sent.
fn all_requests() -> Vec<(String, Request)> {
    let mut requests = Vec::new();
    let post = |text: &str| Content { text: text.into(), ..Content::default() };
    let full = Content {
        text: "Text @somebody@far.example".into(),
        link: Some("https://example.org/a".into()),
        tags: vec!["tag".into()],
        thread: vec!["more".into()],
        lang: Some("en-US".into()),
        warning: Some("long".into()),
        reply_to: Some(ReplyTo::Theirs("https://far.example/@a/1".into())),
        ..Content::default()
    };
    for twin in [MastodonTwin::mastodon(), MastodonTwin::gotosocial(), MastodonTwin::pleroma()] {
        let mut drive = Drive::new(twin);
        drive.deliver(&full, &[media("image/png"), media("video/mp4")], Purpose::Publish);
        drive.deliver(&post("Text"), &[], Purpose::Publish);
        drive.deliver(&Content { text: String::new(), ..full.clone() }, &[media("image/png")], Purpose::Publish);
        drive.deliver(&post("Text"), &[], Purpose::LookBack);
        // So many that the list has a second page.
        for number in 0..45 {
            drive.deliver(&post(&format!("Text {number}")), &[], Purpose::Publish);
            drive.now = time::after(drive.now, Duration::from_secs(20));
        }
        drive.deliver(&full, &[], Purpose::LookBack);
        drive.deliver(&post("Text"), &[], Purpose::LookBack);
        drive.sweep();
        requests.append(&mut drive.requests);
    }
    // A server of an unknown kind, and one that only knows the first version.
    let mut plain = Drive::new(MastodonTwin::mastodon());
    plain.instance = Some(HttpReply::json(200, &json!({"version": "4.1.0"})));
    plain.deliver(&post("Text"), &[], Purpose::Publish);
    let mut old = Drive::new(MastodonTwin::mastodon());
    old.instance = Some(HttpReply::json(404, &json!({"error": "Not Found"})));
    old.deliver(&post("Text"), &[], Purpose::Publish);
    requests.extend(plain.requests.into_iter().chain(old.requests));
    requests
}

fn media(mime: &str) -> Media {
    let bytes: Arc<[u8]> = b"bytes".as_slice().into();
    let item = MediaItem { file: "a.bin".into(), alt: "what it shows".into(), sha256: Digest::of(&bytes), facts: None };
    Media { item, mime: mime.into(), size: None, bytes }
}

/// Carries deliveries out against an imitation and keeps every request.
struct Drive {
    adapter: Arc<dyn Adapter>,
    twin: MastodonTwin,
    session: Session,
    now: Timestamp,
    requests: Vec<(String, Request)>,
    /// Answers `/api/v2/instance` in place of the twin.
    instance: Option<HttpReply>,
}

impl Drive {
    fn new(twin: MastodonTwin) -> Self {
        let values = twin.table(0, "https://host.example", "/");
        let mut table = Table::new(AccountId::new("fedi").unwrap(), values, "/".into());
        let adapter = (ENTRY.build)(&mut table).unwrap();
        let now = "2026-11-22T12:00:00Z".parse().unwrap();
        Self { adapter, twin, session: Session::default(), now, requests: Vec::new(), instance: None }
    }

    fn deliver(&mut self, content: &Content, media: &[Media], purpose: Purpose) {
        let content = Content { media: media.iter().map(|media| media.item.clone()).collect(), ..content.clone() };
        let digest = Digest::of(format!("{content:?}").as_bytes());
        let job = Job {
            delivery: DeliveryId::new(PostId::new("a-post").unwrap(), AccountId::new("fedi").unwrap()),
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
            self.requests.push((step.name.clone(), request.clone()));
            let reply = match &self.instance {
                Some(reply) if step.name == "instance" => Reply::Http(reply.clone()),
                _ => self.twin.answer(&step.call, self.now),
            };
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

impl Drive {
    /// Asks everything that can be asked about posts that have every kind of it.
    fn sweep(&mut self) {
        let published = self.twin.published();
        let post = published.last().unwrap().id.clone();
        let by = By::Person(1);
        for number in 0..100 {
            self.twin.act(&CrowdAct::Like { by: By::Person(number), post: post.clone() }, self.now);
        }
        let said = CrowdAct::Reply { by, to: post.clone(), text: "Yes".into(), private: true };
        let waiting = self.twin.act(&said, self.now).unwrap();
        let again = CrowdAct::Reply { by, to: post.clone(), text: "Yes, yes".into(), private: false };
        self.twin.act(&again, self.now);
        let mention = CrowdAct::Mention { by, account: 0, text: "You?".into(), private: false };
        let other = self.twin.act(&mention, self.now).unwrap();
        self.twin.act(&CrowdAct::Repost { by, post: post.clone() }, self.now);
        self.twin.act(&CrowdAct::Quote { by, post, text: "This".into() }, self.now);
        let watched = |id: String| Watched {
            delivery: DeliveryId::new(PostId::new("a-post").unwrap(), AccountId::new("fedi").unwrap()),
            remote: Remote { id, url: None, reference: Value::Null.into() },
            known: BTreeMap::new(),
        };
        let ids = published.iter().rev().take(3).map(|post| post.id.clone());
        let posts = ids.chain(["https://host.example/@twin0/1".to_owned()]).map(watched).collect();
        let sweep = Sweep { posts, waiting: vec![waiting, other], heard: Some(Heard("1".into())) };
        let secrets = self.twin.secrets(0);
        let looking = Looking { session: &self.session, secrets: &secrets, now: self.now };
        let mut sweeper = self.adapter.sweep(sweep, &looking).unwrap();
        let mut asked = BTreeSet::new();
        loop {
            match sweeper.next() {
                Seek::Ask(call) => {
                    let Reply::Http(reply) = self.twin.answer(&call, self.now) else { panic!() };
                    let Call::Http(request) = call else { panic!() };
                    sweeper.answered(&reply, self.now);
                    asked.insert(request.url.path().rsplit('/').next().unwrap().to_owned());
                    self.requests.push(("sweep".into(), request));
                }
                Seek::Found(_) => {}
                Seek::Over => break,
                Seek::Stopped(why) => panic!("{why:?}"),
            }
        }
        for name in ["favourited_by", "reblogged_by", "context", "notifications", "search"] {
            assert!(asked.contains(name), "{name} was not asked: {asked:?}");
        }
    }
}

// ---- a small check of requests against an OpenAPI description ----

/// What is wrong with `request`.
fn violations(schema: &Value, request: &Request) -> Vec<String> {
    let Some(operation) = operation(schema, request) else { return vec!["no such path or method".into()] };
    let mut faults = Vec::new();
    let described: Vec<&Value> = operation["parameters"].as_array().into_iter().flatten().collect();
    // A list stands there as `name[]`, once for each of its items.
    let is_list = |name: &str| described.iter().any(|held| held["name"] == name && held["schema"]["type"] == "array");
    let plain = |name: String| match name.strip_suffix("[]") {
        Some(list) if is_list(list) => list.to_owned(),
        _ => name,
    };
    let sent = request.url.query_pairs().into_owned().map(|(name, value)| (plain(name), value));
    let sent: BTreeMap<String, String> = sent.collect();
    for parameter in described.iter().filter(|parameter| parameter["in"] == "query") {
        let name = parameter["name"].as_str().unwrap();
        match sent.get(name) {
            None if parameter["required"] == true => faults.push(format!("the parameter {name} is missing")),
            Some(value) if !spells(&parameter["schema"], value) => {
                faults.push(format!("the parameter {name} cannot be {value}"))
            }
            _ => {}
        }
    }
    let is_described = |place: &str, name: &str| {
        described.iter().any(|held| {
            held["in"] == place && held["name"].as_str().is_some_and(|held| held.eq_ignore_ascii_case(name))
        })
    };
    faults.extend(sent.keys().filter(|name| !is_described("query", name)).map(|name| format!("no parameter {name}")));
    let general = ["authorization", "accept", "accept-language"];
    for (name, _) in &request.headers {
        if !general.contains(&name.to_lowercase().as_str()) && !is_described("header", name) {
            faults.push(format!("no header {name}"));
        }
    }
    let authorized = request.headers.iter().any(|(name, _)| *name == "Authorization");
    if operation["security"].is_array() && !authorized {
        faults.push("no token".into());
    }
    faults.extend(body_violations(schema, &operation["requestBody"], request));
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

/// Whether a text of a query spells a value of this type.
fn spells(schema: &Value, text: &str) -> bool {
    match schema["type"].as_str() {
        Some("integer") => text.parse::<i64>().is_ok(),
        Some("boolean") => matches!(text, "true" | "false"),
        _ => true,
    }
}

fn body_violations(schema: &Value, described: &Value, request: &Request) -> Vec<String> {
    let Some(mime) = &request.body.mime else {
        return if described["required"] == true { vec!["no body".into()] } else { Vec::new() };
    };
    let kind = mime.split(';').next().unwrap();
    let Some(media) = described["content"].get(kind) else { return vec![format!("a body of {kind}")] };
    let value = if kind == "application/json" {
        serde_json::from_slice(&request.body.concat()).unwrap()
    } else {
        form(&request.body.concat())
    };
    value_violations(schema, &media["schema"], &value)
}

/// The names of a form's fields, with texts for what they hold.
fn form(body: &[u8]) -> Value {
    let text = String::from_utf8_lossy(body);
    let names = text.split("name=\"").skip(1).filter_map(|rest| rest.split('"').next());
    Value::Object(names.filter(|name| !name.starts_with("media.")).map(|name| (name.into(), json!("x"))).collect())
}

/// Fields that other servers than Mastodon understand.
const EXTENSIONS: &[&str] = &["content_type"];

fn value_violations(schema: &Value, described: &Value, value: &Value) -> Vec<String> {
    let flat = flattened(schema, described);
    // A post may have text and media: at least one of the forms has to fit.
    let tried: Vec<Vec<String>> = flat.iter().map(|form| form_violations(schema, form, value)).collect();
    tried.into_iter().min_by_key(Vec::len).unwrap_or_default()
}

/// The alternatives of a schema, references followed and `allOf` merged.
fn flattened(schema: &Value, described: &Value) -> Vec<Value> {
    if let Some(name) = described["$ref"].as_str() {
        let held = &schema["components"]["schemas"][name.rsplit('/').next().unwrap()];
        return flattened(schema, held);
    }
    if let Some(forms) = described["oneOf"].as_array().or_else(|| described["anyOf"].as_array()) {
        return forms.iter().flat_map(|form| flattened(schema, form)).collect();
    }
    let Some(parts) = described["allOf"].as_array() else { return vec![described.clone()] };
    let mut merged = json!({"type": "object", "properties": {}, "required": []});
    for part in parts.iter().flat_map(|part| flattened(schema, part)) {
        for (name, property) in part["properties"].as_object().into_iter().flatten() {
            merged["properties"][name] = property.clone();
        }
        let required = part["required"].as_array().cloned().unwrap_or_default();
        merged["required"].as_array_mut().unwrap().extend(required);
    }
    vec![merged]
}

fn form_violations(schema: &Value, form: &Value, value: &Value) -> Vec<String> {
    let fits = match form["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64() || value.is_u64(),
        _ => true,
    };
    if !fits {
        return vec![format!("{value} is not of type {}", form["type"])];
    }
    let mut faults = Vec::new();
    if let Some(allowed) = form["enum"].as_array().filter(|allowed| !allowed.contains(value)) {
        faults.push(format!("{value} is none of {allowed:?}"));
    }
    for item in value.as_array().into_iter().flatten() {
        faults.extend(value_violations(schema, &form["items"], item));
    }
    let Some(fields) = value.as_object() else { return faults };
    for name in form["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !fields.contains_key(name) {
            faults.push(format!("the field {name} is missing"));
        }
    }
    for (name, field) in fields {
        let property = &form["properties"][name];
        if !property.is_null() {
            // A type behind a reference stands beside its description.
            let referred = flattened(schema, property).first().cloned().unwrap_or_default();
            faults.extend(form_violations(schema, &referred, field));
        } else if !EXTENSIONS.contains(&name.as_str()) {
            faults.push(format!("no field {name}"));
        }
    }
    faults
}

// ---- conformance data ----

struct Case {
    about: String,
    text: String,
    expected: Vec<String>,
}

/// The cases of one section. The files use little of YAML: keys, and strings and lists in double quotes.
fn conformance(data: &str, section: &str) -> Vec<Case> {
    let head = format!("  {section}:");
    let mut cases = Vec::new();
    let (mut about, mut text) = (String::new(), String::new());
    let lines = data.lines().skip_while(|line| *line != head).skip(1);
    for line in
        lines.take_while(|line| !line.starts_with("  ") || !line[2..].starts_with(|c: char| c.is_ascii_lowercase()))
    {
        let line = line.trim();
        if let Some(rest) = line.strip_prefix("- description: ") {
            about = strings(rest).concat();
        } else if let Some(rest) = line.strip_prefix("text: ") {
            text = strings(rest).concat();
        } else if let Some(rest) = line.strip_prefix("expected: ") {
            cases.push(Case { about: about.clone(), text: text.clone(), expected: strings(rest) });
        }
    }
    cases
}

/// All strings in double quotes.
fn strings(line: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut chars = line.chars();
    while chars.by_ref().any(|c| c == '"') {
        let mut held = String::new();
        while let Some(c) = chars.next().filter(|&c| c != '"') {
            held.push(match (c, if c == '\\' { chars.next() } else { None }) {
                (_, Some('n')) => '\n',
                (_, Some(length @ ('u' | 'U'))) => {
                    let digits: String = chars.by_ref().take(if length == 'u' { 4 } else { 8 }).collect();
                    char::from_u32(u32::from_str_radix(&digits, 16).unwrap()).unwrap()
                }
                (_, Some(other)) => other,
                (c, None) => c,
            });
        }
        out.push(held);
    }
    out
}
