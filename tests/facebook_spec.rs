//! Every request that the Facebook adapter can make, against the description of the Graph API that Meta's own SDKs are
//! made from.
//!
//! It is reference data that is not part of this repository. It is looked for in `../shared/specs`, or below
//! `$CADENCED_SHARED/specs`; where it is not, the tests that need it say so and pass.

#![cfg(test)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use cadenced::domain::{AccountId, Content, DeliveryId, Digest, MediaItem, PostId, Timestamp};
use cadenced::platform::contract::{
    Adapter, Body, Call, Effect, Job, Media, Method, Purpose, Request, Session, Step, Table, Twin,
};
use cadenced::platform::facebook::{ENTRY, twin::FacebookTwin};
use serde_json::{Value, json};
use support::drive::{Drive, Wire};
use support::sweep::exchanges;

#[test]
fn every_request_is_one_that_the_api_describes() {
    let Some(spec) = Spec::read() else { return };
    let requests = all_requests();
    let kinds: BTreeSet<&str> = requests.iter().map(|(step, ..)| step.split('-').next().unwrap()).collect();
    let expected = ["chunk", "confirm", "draft", "identity", "list", "look", "photo", "publish", "sweep", "video"];
    assert_eq!(kinds, expected.into(), "the run must make every kind of request");
    let sent: BTreeSet<String> =
        requests.iter().flat_map(|(.., request)| parameters(request)).map(|(name, _)| name).collect();
    for name in ["after", "alt_text_custom", "attached_media", "description", "link", "is_published", "start_offset"] {
        assert!(sent.contains(name), "no request has {name}");
    }
    for (step, node, request) in &requests {
        let faults = spec.violations(*node, request);
        assert!(faults.is_empty(), "{step}: {} {}: {faults:?}", request.method.name(), request.url);
    }
}

#[test]
fn the_check_finds_what_is_wrong() {
    let Some(spec) = Spec::read() else { return };
    let requests = all_requests();
    let of = |kind: &str| {
        let (_, node, request) = requests.iter().find(|(step, ..)| step.starts_with(kind)).unwrap();
        (*node, request.clone())
    };
    let with = |kind: &str, body: Value| {
        let (node, mut request) = of(kind);
        request.body = Body::json(&body);
        spec.violations(node, &request)
    };
    assert_eq!(with("draft", json!({"message": "x", "published": false})), Vec::<String>::new());
    assert!(!with("draft", json!({"text": "x"})).is_empty(), "no such parameter");
    assert!(!with("draft", json!({"published": "maybe"})).is_empty(), "a text for a truth");
    assert!(!with("draft", json!({"attached_media": "1"})).is_empty(), "a text for a list");
    assert!(!with("draft", json!({"message": "x", "fields": "id,colour"})).is_empty(), "no such field");
    assert!(!with("video", json!({"upload_phase": "begin"})).is_empty(), "no such phase");
    assert!(!with("video", json!({"upload_phase": "start", "file_size": -1})).is_empty(), "no size");
    assert!(!with("publish", json!({"published": true})).is_empty(), "a post is published by `is_published`");
    let (node, mut request) = of("draft");
    request.url.set_path("/v26.0/110000000000000000/wall");
    assert!(!spec.violations(node, &request).is_empty(), "no such edge");
    let (node, mut request) = of("list");
    request.url.set_query(Some("fields=id,mesage"));
    assert!(!spec.violations(node, &request).is_empty(), "no such field");
    request.url.set_query(Some("fields=id,attachments.limit(0){mesage},mesage.limit(0)"));
    assert_eq!(spec.violations(node, &request), ["no field mesage"]);
    request.url.set_query(Some("before_that=1"));
    assert!(!spec.violations(node, &request).is_empty(), "no such parameter");
    request.headers.clear();
    assert!(spec.violations(node, &request).len() > 1, "no token");
}

// ---- all requests ----

/// What an address names: a Page or what lies below it, a post, or a video.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    Page,
    Post,
    Video,
    Comment,
}

/// Drives deliveries of every kind until each step of the adapter has been made, and hands out what was sent.
fn all_requests() -> Vec<(String, Node, Request)> {
    let post = |text: &str| Content { text: text.into(), ..Content::default() };
    let link = Content { link: Some("https://example.org/a".into()), tags: vec!["tag".into()], ..post("Text") };
    let mut requests = Vec::new();
    for two_step in [true, false] {
        let mut twin = FacebookTwin::new();
        let adapter = adapter(&twin, two_step);
        for (content, media) in [
            (link.clone(), vec![]),
            (post("Photos"), vec![media("image/png", b"\x89PNG"), media("image/png", b"\x89PNG2")]),
            (post("Film"), vec![media("video/mp4", &[7; 150])]),
        ] {
            deliver(&*adapter, &mut twin, content, media, &mut requests);
        }
        // So many that the list has a second page.
        for number in 0..if two_step { 0 } else { 30 } {
            deliver(&*adapter, &mut twin, post(&format!("Text {number}")), vec![], &mut requests);
        }
        look_for_nothing(&*adapter, &mut twin, post("Never said"), &mut requests);
    }
    let mut twin = FacebookTwin::new();
    let adapter = adapter(&twin, true);
    for (request, _) in exchanges(&*adapter, &mut twin, &job(&*adapter, post("Looked at"), vec![])) {
        // Comments are named by a post and themselves, posts by the Page and themselves.
        let id = request.url.path_segments().unwrap().nth(1).unwrap();
        let of_page = id.starts_with("110000000000000000_") && id.matches('_').count() == 1;
        requests.push(("sweep".into(), if of_page { Node::Post } else { Node::Comment }, request));
    }
    requests
}

fn adapter(twin: &FacebookTwin, two_step: bool) -> Arc<dyn Adapter> {
    let mut values = twin.table(0, "https://graph.facebook.com", "/");
    values.insert("two_step".into(), two_step.into());
    let mut table = Table::new(AccountId::new("page").unwrap(), values, "/".into());
    (ENTRY.build)(&mut table).unwrap()
}

fn media(mime: &str, bytes: &[u8]) -> Media {
    let item = MediaItem { file: "a.bin".into(), alt: "what it shows".into(), sha256: Digest::of(bytes), facts: None };
    Media { item, mime: mime.into(), size: None, bytes: bytes.into() }
}

fn job(adapter: &dyn Adapter, content: Content, media: Vec<Media>) -> Job {
    let content = Content { media: media.iter().map(|media| media.item.clone()).collect(), ..content };
    let digest = Digest::of(format!("{content:?}").as_bytes());
    let started: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
    assert_eq!(adapter.check(&content, &Session::default()), []);
    Job {
        delivery: DeliveryId::new(PostId::new("a-post").unwrap(), AccountId::new("page").unwrap()),
        attempt: 1,
        key: digest.hex()[..32].into(),
        digest,
        frozen: adapter.freeze(&content, started, 1),
        content,
        media,
        started,
        answers: None,
        taken: Arc::default(),
    }
}

type Requests = Vec<(String, Node, Request)>;

/// Publishes; the answer is lost, so it is looked for; then it is asked for.
fn deliver(adapter: &dyn Adapter, twin: &mut dyn Twin, content: Content, media: Vec<Media>, requests: &mut Requests) {
    let job = job(adapter, content, media);
    for lost in [true, false] {
        let mut drive = Drive::new(adapter, twin, &job);
        let mut keep = |step: &Step, _: &mut dyn Twin| {
            requests.push(described(step, &job));
            if lost && step.effect == Effect::Publishes { Wire::ReplyLost } else { Wire::Whole }
        };
        drive.attempt_in(Purpose::Publish, &mut keep);
        if lost {
            drive.attempt_in(Purpose::LookBack, &mut keep);
        }
    }
}

fn look_for_nothing(adapter: &dyn Adapter, twin: &mut dyn Twin, content: Content, requests: &mut Requests) {
    let job = job(adapter, content, Vec::new());
    let mut keep = |step: &Step, _: &mut dyn Twin| {
        requests.push(described(step, &job));
        Wire::Whole
    };
    Drive::new(adapter, twin, &job).attempt_in(Purpose::LookBack, &mut keep);
}

fn described(step: &Step, job: &Job) -> (String, Node, Request) {
    let Call::Http(request) = &step.call else { panic!("not HTTP") };
    let alone = request.url.path_segments().unwrap().count() == 2;
    let video = job.media.iter().any(|media| media.mime.starts_with("video"));
    let node = match (alone && !request.url.path().ends_with("/me"), video) {
        (false, _) => Node::Page,
        (true, false) => Node::Post,
        (true, true) => Node::Video,
    };
    (step.name.clone(), node, request.clone())
}

// ---- a small check of requests against the description ----

/// Parameters that every call may have.
const GENERAL: &[&str] = &["appsecret_proof", "fields", "after", "limit"];
/// Files, which the SDKs add beside the parameters.
const FILES: &[&str] = &["source"];

struct Spec {
    nodes: BTreeMap<&'static str, Value>,
    enums: Value,
}

impl Spec {
    fn read() -> Option<Self> {
        let read = |name: &str| Some(serde_json::from_str(&shared(&format!("facebook/{name}.json"))?).unwrap());
        let mut nodes = BTreeMap::new();
        for name in ["Page", "PagePost", "AdVideo", "Comment"] {
            nodes.insert(name, read(name)?);
        }
        Some(Self { nodes, enums: read("enum_types.subset")? })
    }

    fn node(&self, node: Node) -> &Value {
        match node {
            Node::Page => &self.nodes["Page"],
            Node::Post => &self.nodes["PagePost"],
            Node::Video => &self.nodes["AdVideo"],
            Node::Comment => &self.nodes["Comment"],
        }
    }

    /// What is wrong with `request`.
    fn violations(&self, node: Node, request: &Request) -> Vec<String> {
        let mut faults = Vec::new();
        if !request.headers.iter().any(|(name, _)| *name == "Authorization") {
            faults.push("no token".into());
        }
        let path: Vec<&str> = request.url.path_segments().unwrap().collect();
        let (method, described) = (request.method.name(), self.node(node));
        let operation = match (path.as_slice(), request.method) {
            ([_, _], Method::Get) => find(described, |api| api["name"] == "#get"),
            ([_, _], _) => find(described, |api| api["name"] == "#update"),
            ([_, _, edge], _) => find(described, |api| api["endpoint"] == *edge && api["method"] == method),
            _ => None,
        };
        let Some(operation) = operation else { return vec!["no such path or method".into()] };
        // What the fields are of: an edge that is read gives other nodes, and a post is what `feed` makes.
        let fields_of = match path.get(2) {
            Some(&("published_posts" | "feed")) => self.node(Node::Post),
            Some(&"comments") => self.node(Node::Comment),
            _ => described,
        };
        for (name, value) in parameters(request) {
            let parameter = operation["params"].as_array().unwrap().iter().find(|held| held["name"] == *name);
            match parameter {
                // A list of names is written with commas; and who reacted is a node of which nothing is described.
                Some(_) if name == "metric" && value == "post_media_view" => {}
                Some(parameter) => faults.extend(self.spells(parameter["type"].as_str().unwrap(), &name, &value)),
                None if GENERAL.contains(&name.as_str()) => {}
                None if FILES.contains(&name.as_str()) && value == FILE => {}
                None => faults.push(format!("no parameter {name}")),
            }
            if name == "fields" && path.get(2) != Some(&"reactions") {
                let unknown = |field: &String| !has_field(fields_of, field);
                faults.extend(fields(value.as_str().unwrap()).filter(unknown).map(|f| format!("no field {f}")));
            }
        }
        faults
    }

    fn spells(&self, kind: &str, name: &str, value: &Value) -> Option<String> {
        let fault = || Some(format!("{name} cannot be {value}, it is of type {kind}"));
        let fits = match kind {
            "string" => value.is_string(),
            // A form knows texts only.
            "bool" => value.is_boolean() || *value == "true" || *value == "false",
            "unsigned int" => value.as_u64().or_else(|| value.as_str()?.parse().ok()).is_some(),
            "list<Object>" => value.as_array().is_some_and(|list| list.iter().all(Value::is_object)),
            other => match self.enums.as_array().unwrap().iter().find(|held| held["name"] == other) {
                Some(held) => held["values"].as_array().unwrap().contains(value),
                None => false,
            },
        };
        if fits { None } else { fault() }
    }
}

fn find(described: &Value, fits: impl Fn(&Value) -> bool) -> Option<&Value> {
    described["apis"].as_array().unwrap().iter().find(|api| fits(api))
}

/// The fields that are asked for, without what is asked of each: `a.b(c,d),e{f}` are `a` and `e`.
fn fields(text: &str) -> impl Iterator<Item = String> {
    let mut depth = 0;
    let outer: String = text
        .chars()
        .filter(|c| {
            depth += i32::from("({".contains(*c)) - i32::from(")}".contains(*c));
            depth == 0 && !")}".contains(*c)
        })
        .collect();
    let names: Vec<String> =
        outer.split(',').map(|field| field.split('.').next().unwrap_or_default().to_owned()).collect();
    names.into_iter()
}

/// Edges can be read as fields.
fn has_field(described: &Value, field: &str) -> bool {
    let held = described["fields"].as_array().unwrap().iter().any(|held| held["name"] == field);
    held || find(described, |api| api["endpoint"] == field && api["method"] == "GET").is_some()
}

/// Stands for the bytes of a file.
const FILE: &str = "(a file)";

/// The parameters of a request, wherever they stand.
fn parameters(request: &Request) -> Vec<(String, Value)> {
    let query = request.url.query_pairs().map(|(name, value)| (name.into_owned(), Value::String(value.into_owned())));
    let mut parameters: Vec<_> = query.collect();
    let body = request.body.concat();
    match request.body.mime.as_deref() {
        None => {}
        Some("application/json") => {
            let Ok(Value::Object(fields)) = serde_json::from_slice(&body) else { panic!("no object") };
            parameters.extend(fields);
        }
        Some(_) => {
            for part in String::from_utf8_lossy(&body).split("Content-Disposition: form-data; ").skip(1) {
                let (head, value) = part.split_once("\r\n\r\n").unwrap();
                let name = head.split("name=\"").nth(1).unwrap().split('"').next().unwrap();
                let text = value.split("\r\n--").next().unwrap();
                let value = if head.contains("filename=") { FILE } else { text };
                parameters.push((name.into(), json!(value)));
            }
        }
    }
    parameters
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
