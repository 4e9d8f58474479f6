//! Every request that the YouTube adapter can make, and every reply of its imitation, against Google's own description
//! of the Data API.
//!
//! The description is reference data and no part of this repository. It is looked for in `../shared/specs`, or below
//! `$CADENCED_SHARED/specs`; where it is not, the tests that need it say so and pass.

#![cfg(test)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use cadenced::domain::{
    AccountId, Checkpoint, Content, DeliveryId, Digest, MediaItem, PostId, Timestamp, Visibility, time,
};
use cadenced::platform::contract::{
    Attempt, Body, Call, HeaderValue, HttpReply, Job, Media, Method, Next, Purpose, Reading, Reply, Request, Session,
    Table, Twin,
};
use cadenced::platform::youtube::ENTRY;
use cadenced::platform::youtube::twin::{Manner, YoutubeTwin};
use serde_json::{Value, json};

/// Parameters that go with an upload's address and stand in no description.
const OF_UPLOADS: [&str; 1] = ["upload_id"];

#[test]
fn every_request_is_one_that_the_api_describes() {
    let Some(api) = shared("youtube/youtube-v3.discovery.json") else { return };
    let exchanges = all_exchanges();
    let kinds: BTreeSet<&str> = exchanges.iter().map(|(step, ..)| step.split('-').next().unwrap()).collect();
    let expected = [
        "ask",
        "begin",
        "captions",
        "channel",
        "chunk",
        "look",
        "playlist",
        "processing",
        "publish",
        "sweep",
        "thumbnail",
        "token",
        "video",
    ];
    assert_eq!(kinds, expected.into(), "the run must make every kind of request");
    for (step, request, _) in &exchanges {
        let faults = match step.as_str() {
            // It belongs to the accounts, not to this API.
            "token" => token_violations(request),
            _ => violations(&api, request),
        };
        assert!(faults.is_empty(), "{step}: {} {}: {faults:?}", request.method.name(), request.url);
    }
}

#[test]
fn every_reply_of_the_imitation_has_the_described_shape() {
    let Some(api) = shared("youtube/youtube-v3.discovery.json") else { return };
    let mut seen = BTreeSet::new();
    for (step, request, reply) in all_exchanges() {
        let described = described(&api, &request).and_then(|method| method["response"]["$ref"].as_str());
        let (Some(name), Some(value), 200 | 201) = (described, reply.value(), reply.status) else { continue };
        let faults = value_violations(&api, &json!({"$ref": name}), &value);
        assert!(faults.is_empty(), "{step} is answered {value}: {faults:?}");
        seen.insert(name.to_owned());
    }
    let expected = [
        "Caption",
        "ChannelListResponse",
        "CommentListResponse",
        "CommentThreadListResponse",
        "PlaylistItem",
        "PlaylistItemListResponse",
        "ThumbnailSetResponse",
        "Video",
        "VideoListResponse",
    ];
    assert_eq!(seen, expected.map(str::to_owned).into());
}

/// The adapter's kept replies are shaped as the API describes them.
#[test]
fn every_kept_reply_has_a_described_shape() {
    let Some(api) = shared("youtube/youtube-v3.discovery.json") else { return };
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/platform/youtube/fixtures");
    let mut checked = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let Some(text) =
            std::fs::read_to_string(&path).ok().filter(|_| path.extension().is_some_and(|it| it == "json"))
        else {
            continue;
        };
        let body = &serde_json::from_str::<Value>(&text).unwrap()["body"];
        let Some(kind) = body["kind"].as_str().and_then(|kind| kind.strip_prefix("youtube#")) else { continue };
        let name = kind[..1].to_uppercase() + &kind[1..];
        let faults = value_violations(&api, &json!({"$ref": name}), body);
        assert!(faults.is_empty(), "{}: {faults:?}", path.display());
        checked += 1;
    }
    assert!(checked > 10, "only {checked} were looked at");
}

#[test]
fn the_check_finds_what_is_wrong() {
    let Some(api) = shared("youtube/youtube-v3.discovery.json") else { return };
    let exchanges = all_exchanges();
    let of = |step: &str| exchanges.iter().find(|(name, ..)| name == step).unwrap().1.clone();
    let wrong = |request: &Request| !violations(&api, request).is_empty();
    let with = |step: &str, body: Value| {
        let mut request = of(step);
        request.body = Body::json(&body);
        wrong(&request)
    };
    assert!(!with("publish-0", json!({"id": "x", "status": {"privacyStatus": "public"}})));
    assert!(with("publish-0", json!({"id": "x", "status": {"privacyStatus": "followers"}})), "no such privacy");
    assert!(with("publish-0", json!({"id": "x", "state": {}})), "no such field");
    assert!(with("publish-0", json!({"id": 7})), "a number for a text");
    assert!(with("publish-0", json!({"id": "x", "snippet": {"title": "a"}})), "a part that is not named in the query");
    assert!(with("begin", json!({"snippet": {"tags": "a,b"}})), "a text for a list");
    assert!(with("thumbnail", json!({})), "no image");
    let changed = |step: &str, change: fn(&mut Request)| {
        let mut request = of(step);
        change(&mut request);
        wrong(&request)
    };
    assert!(changed("processing", |request| request.url.set_path("/youtube/v3/video")), "no such path");
    assert!(changed("processing", |request| request.url.set_query(Some("id=x"))), "part is missing");
    assert!(changed("processing", |request| request.url.set_query(Some("part=id&ids=x"))), "no such parameter");
    assert!(changed("processing", |request| request.url.set_query(Some("part=state"))), "no such part");
    assert!(changed("processing", |request| request.method = Method::Post), "no such method");
    assert!(changed("processing", |request| request.headers.clear()), "no token");
    assert!(changed("begin", |request| request.url.set_query(Some("part=snippet,status"))), "a way that is none");
    assert!(changed("ask", |request| request.headers.retain(|(name, _)| *name != "content-range")), "no range");
}

/// A reference file, or nothing and a word about it.
fn shared(path: &str) -> Option<Value> {
    let root = std::env::var_os("CADENCED_SHARED").map(PathBuf::from);
    let root = root.unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")));
    let path = root.join("specs").join(path);
    match std::fs::read_to_string(&path) {
        Ok(text) => Some(serde_json::from_str(&text).unwrap()),
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

/// Delivers posts of every kind, and looks back for them; hands out what was sent and answered.
fn all_exchanges() -> Vec<(String, Request, HttpReply)> {
    let content = |visibility| Content {
        text: "A desk\n\nThe one I began on.".into(),
        link: Some("https://example.org/a".into()),
        tags: vec!["desk".into(), "indie maker".into()],
        lang: Some("pt-BR".into()),
        visibility,
        ..Content::default()
    };
    let mut all = Vec::new();
    for (manner, bytes, visibility) in [
        (Manner::Usual, 9 * 1024 * 1024, Visibility::Public),
        (Manner::Slow, 10, Visibility::Unlisted),
        (Manner::Unreadable, 10, Visibility::Public),
    ] {
        let mut twin = YoutubeTwin::with(manner);
        let mut captions = media("film.vtt", "application/octet-stream", 1);
        captions.bytes = b"WEBVTT\n\n00:01.000 --> 00:02.000\nA desk.\n".as_slice().into();
        let media = [media("film.mp4", "video/mp4", bytes), media("still.png", "image/png", 9), captions];
        for purpose in [Purpose::Publish, Purpose::LookBack] {
            deliver(&mut twin, content(visibility), &media, purpose, &mut all);
        }
    }
    let mut twin = YoutubeTwin::new();
    let mut table = Table::new(AccountId::new("a").unwrap(), twin.table(0, "https://yt.example", "/"), "/".into());
    let adapter = (ENTRY.build)(&mut table).unwrap();
    let job = support::graph::job(&*adapter, content(Visibility::Public), vec![support::graph::film()]);
    let swept = support::sweep::exchanges(&*adapter, &mut twin, &job);
    all.extend(swept.into_iter().map(|(request, reply)| ("sweep".to_owned(), request, reply)));
    all
}

fn media(file: &str, mime: &str, bytes: usize) -> Media {
    let bytes: Arc<[u8]> = vec![7; bytes].into();
    let item = MediaItem { file: file.into(), alt: "what it shows".into(), sha256: Digest::of(&bytes), facts: None };
    Media { item, mime: mime.into(), size: None, bytes }
}

fn deliver(
    twin: &mut YoutubeTwin,
    content: Content,
    media: &[Media],
    purpose: Purpose,
    all: &mut Vec<(String, Request, HttpReply)>,
) {
    let mut table = Table::new(AccountId::new("tube").unwrap(), twin.table(0, "https://host.example", "/"), "/".into());
    let adapter = (ENTRY.build)(&mut table).unwrap();
    let content = Content { media: media.iter().map(|media| media.item.clone()).collect(), ..content };
    let mut now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
    let job = Job {
        delivery: DeliveryId::new(PostId::new("a-post").unwrap(), AccountId::new("tube").unwrap()),
        attempt: 1,
        key: "0".repeat(32),
        digest: Digest::of(b""),
        frozen: adapter.freeze(&content, now, 7),
        content,
        media: media.to_vec(),
        started: now,
        answers: None,
        taken: Arc::default(),
    };
    let (mut done, mut scratch, mut session, secrets) = (Vec::new(), Value::Null, Session::default(), twin.secrets(0));
    for _ in 0..200 {
        let attempt =
            Attempt { job: &job, purpose, done: &done, scratch: &scratch, session: &session, secrets: &secrets, now };
        let step = match adapter.next(&attempt) {
            Next::Call(step) => step,
            Next::Done(_) => return,
            other => panic!("{other:?}"),
        };
        let (Call::Http(request), Reply::Http(reply)) = (&step.call, twin.answer(&step.call, now)) else {
            panic!("not HTTP")
        };
        all.push((step.name.clone(), request.clone(), reply.clone()));
        match adapter.read(&attempt, &step, &Reply::Http(reply)) {
            Reading::Learned(value) => scratch = value,
            Reading::Session(new) => session = new,
            Reading::Checkpoint(data) => done.push(Checkpoint { step: step.name, data }),
            Reading::Wait(span) => now = time::after(now, span),
            Reading::Found(_) | Reading::Absent | Reading::Refused { .. } => return,
            other => panic!("{}: {other:?}", step.name),
        }
    }
    panic!("no end");
}

// ---- a small check of requests against Google's description ----

fn token_violations(request: &Request) -> Vec<String> {
    let form = request.body.concat();
    let fields: BTreeSet<String> = url::form_urlencoded::parse(&form).map(|(name, _)| name.into_owned()).collect();
    let expected: BTreeSet<String> =
        ["client_id", "client_secret", "grant_type", "refresh_token"].map(str::to_owned).into();
    let right = request.method == Method::Post
        && request.url.path() == "/token"
        && request.url.query().is_none()
        && request.body.mime.as_deref() == Some("application/x-www-form-urlencoded")
        && fields == expected;
    if right { Vec::new() } else { vec![format!("{fields:?}")] }
}

/// The method of the API that this request is, with its uploads.
fn described<'a>(api: &'a Value, request: &Request) -> Option<&'a Value> {
    let path = request.url.path();
    let methods = api["resources"].as_object()?.values().filter_map(|resource| resource["methods"].as_object());
    methods.flat_map(|methods| methods.values()).find(|method| {
        let upload = method["mediaUpload"]["protocols"]["simple"]["path"].as_str();
        let continues = request.method == Method::Put && upload == Some(path) && method["httpMethod"] == "POST";
        let plain = method["path"].as_str().is_some_and(|held| path == format!("/{held}"));
        let same = method["httpMethod"] == request.method.name();
        continues || (same && (plain || upload == Some(path)))
    })
}

/// What is wrong with `request`.
fn violations(api: &Value, request: &Request) -> Vec<String> {
    let Some(method) = described(api, request) else { return vec!["no such path or method".into()] };
    let mut faults = Vec::new();
    let sent: BTreeMap<String, String> = request.url.query_pairs().into_owned().collect();
    for (name, parameter) in method["parameters"].as_object().unwrap() {
        if parameter["required"] == true && !sent.contains_key(name) {
            faults.push(format!("the parameter {name} is missing"));
        }
    }
    for (name, value) in &sent {
        let parameter =
            [&method["parameters"][name], &api["parameters"][name]].into_iter().find(|held| held.is_object());
        match parameter {
            None if !OF_UPLOADS.contains(&name.as_str()) => faults.push(format!("no parameter {name}")),
            Some(held) if held["type"] == "boolean" && !matches!(value.as_str(), "true" | "false") => {
                faults.push(format!("{name} cannot be {value}"));
            }
            _ => {}
        }
    }
    // A part is a field of what the method is about.
    let parts: BTreeSet<&str> = sent.get("part").into_iter().flat_map(|parts| parts.split(',')).collect();
    let about = method["request"]["$ref"].as_str().map(str::to_owned).or_else(|| {
        let list = method["response"]["$ref"].as_str()?;
        list.strip_suffix("ListResponse").map(str::to_owned)
    });
    let fields = about.map(|name| &api["schemas"][name]["properties"]);
    let unknown = parts.iter().filter(|part| fields.is_none_or(|fields| fields[**part].is_null()));
    faults.extend(unknown.map(|part| format!("no part {part}")));
    if !header(request, "authorization").starts_with("Bearer ") {
        faults.push("no token".into());
    }
    faults.extend(body_violations(api, method, request, &parts));
    faults
}

/// What is said of a file, and the kind of the file, in a body of two parts.
fn related(request: &Request) -> Option<(Body, String)> {
    let boundary = request.body.mime.as_ref()?.strip_prefix("multipart/related; boundary=")?;
    let text = String::from_utf8(request.body.concat()).ok()?;
    let text = text.strip_suffix(&format!("\r\n--{boundary}--\r\n"))?.strip_prefix(&format!("--{boundary}\r\n"))?;
    let (about, file) = text.split_once(&format!("\r\n--{boundary}\r\n"))?;
    let (kind, about) = about.split_once("\r\n\r\n")?;
    let (file, _) = file.split_once("\r\n\r\n")?;
    let about = Body::bytes("application/json", about.as_bytes().into());
    kind.starts_with("content-type: application/json").then(|| (about, file.replace("content-type: ", "")))
}

fn body_violations(api: &Value, method: &Value, request: &Request, parts: &BTreeSet<&str>) -> Vec<String> {
    let upload = request.url.path().starts_with("/upload/");
    let mime = request.body.mime.clone().unwrap_or_default();
    let accepted = |mime: &str| {
        let kinds = method["mediaUpload"]["accept"].as_array().into_iter().flatten().filter_map(Value::as_str);
        kinds.into_iter().any(|kind| kind.strip_suffix('*').map_or(kind == mime, |family| mime.starts_with(family)))
    };
    let query: BTreeMap<_, _> = request.url.query_pairs().into_owned().collect();
    let way = query.get("uploadType").map(String::as_str);
    match (upload, request.method, way) {
        (true, Method::Put, Some("resumable")) => range_violations(request, accepted(&mime)),
        (true, Method::Post, Some("media")) if accepted(&mime) => Vec::new(),
        (true, Method::Post, Some("multipart")) => {
            let Some((about, file)) = related(request) else { return vec!["not two parts".into()] };
            let faults = if accepted(&file) { Vec::new() } else { vec![format!("a file of the kind {file}")] };
            let about = Request { body: Body { mime: Some("application/json".into()), ..about }, ..request.clone() };
            [faults, schema_violations(api, method, &about, parts)].concat()
        }
        (true, Method::Post, Some("resumable")) => {
            let announced = accepted(&header(request, "x-upload-content-type"));
            let length = header(request, "x-upload-content-length").parse::<u64>().is_ok();
            let mut faults = schema_violations(api, method, request, parts);
            if !(announced && length) {
                faults.push("the film is not announced".into());
            }
            faults
        }
        (true, ..) => vec!["no way to upload".into()],
        (false, Method::Get, _) if request.body.is_empty() => Vec::new(),
        (false, Method::Get, _) => vec!["a body of no use".into()],
        (false, ..) => schema_violations(api, method, request, parts),
    }
}

/// `bytes FIRST-LAST/ALL` with as many bytes, or `bytes */ALL` with none.
fn range_violations(request: &Request, accepted: bool) -> Vec<String> {
    let range = header(request, "content-range");
    let read = || {
        let (place, all) = range.strip_prefix("bytes ")?.split_once('/')?;
        let all: usize = all.parse().ok()?;
        if place == "*" {
            return request.body.is_empty().then_some(());
        }
        let (first, last) = place.split_once('-')?;
        let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
        let (length, is_last) = (request.body.len(), last + 1 == all);
        let whole = length.is_multiple_of(256 * 1024) || is_last;
        (last < all && last + 1 - first == length && whole && accepted).then_some(())
    };
    if read().is_some() { Vec::new() } else { vec![format!("the range {range:?}")] }
}

fn schema_violations(api: &Value, method: &Value, request: &Request, parts: &BTreeSet<&str>) -> Vec<String> {
    if request.body.mime.as_deref() != Some("application/json") {
        return vec!["the body is not JSON".into()];
    }
    let value: Value = serde_json::from_slice(&request.body.concat()).unwrap();
    let mut faults = value_violations(api, &method["request"], &value);
    // What is sent beside the parts that are named is dropped without a word.
    let beside = value.as_object().unwrap().keys().filter(|name| *name != "id" && !parts.contains(name.as_str()));
    faults.extend(beside.map(|name| format!("{name} is none of the parts")));
    faults
}

fn value_violations(api: &Value, described: &Value, value: &Value) -> Vec<String> {
    if let Some(name) = described["$ref"].as_str() {
        return value_violations(api, &api["schemas"][name], value);
    }
    let fits = match described["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64() || value.is_u64(),
        other => panic!("a description of the type {other:?}: {described}"),
    };
    if !fits {
        return vec![format!("{value} is not of type {}", described["type"])];
    }
    let mut faults = Vec::new();
    if described["enum"].as_array().is_some_and(|allowed| !allowed.contains(value)) {
        faults.push(format!("{value} is none of {}", described["enum"]));
    }
    for item in value.as_array().into_iter().flatten() {
        faults.extend(value_violations(api, &described["items"], item));
    }
    for (name, field) in value.as_object().into_iter().flatten() {
        match &described["properties"][name] {
            Value::Null => faults.push(format!("no field {name}")),
            property => faults.extend(value_violations(api, property, field)),
        }
    }
    faults
}

fn header(request: &Request, name: &str) -> String {
    let held = request.headers.iter().find(|(held, _)| *held == name);
    held.map(|(_, value)| HeaderValue::expose(value)).unwrap_or_default()
}
