use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::*;
use crate::domain::{DeliveryId, Digest, JsonText, MediaItem, PostId, Secret, time};
use crate::platform::contract::{Body, Call, HeaderValue, Media, Secrets};

macro_rules! fixtures {
    ($($name:literal)*) => { &[$(($name, include_str!(concat!("fixtures/", $name, ".json")))),*] };
}

/// One reply for each class of them.
const FIXTURES: &[(&str, &str)] = fixtures![
    "session" "session-opaque" "session-incomplete" "session-header-injection" "session-deactivated"
    "wrong-password" "factor-required" "expired-token" "invalid-token" "auth-missing" "takedown" "deactivated"
    "account-not-found" "forbidden-html" "created" "unchanged" "created-elsewhere" "created-by-another" "accepted"
    "empty" "html" "invalid-swap" "already-exists" "blob-not-found" "invalid-size" "invalid-mime" "invalid-record"
    "bad-request-html" "internal-error" "bad-gateway" "not-enough-resources" "timed-out" "redirect" "request-timeout"
    "not-implemented" "not-found-html" "limited" "limited-html" "too-large" "too-large-html" "blob" "blob-other-size"
    "blob-no-image" "did" "did-garbled" "handle-not-found" "record" "record-other" "record-other-moment"
    "record-not-found" "record-not-located" "repo-not-found" "fan-post" "fan-answer"
];

const STEPS: [&str; 7] =
    ["session-create", "session-refresh", "upload-0", "resolve-0", "target", "publish-0", "look-0"];

/// What each reply means for each step.
const TABLE: &str = include_str!("fixtures/readings.txt");

const NOW: Timestamp = Timestamp::constant(1_790_000_000, 0);
const DID: &str = "did:plc:7nh2alkgyn5dmkcpflm5tscm";
const RKEY: &str = "3mwcxqek5bc2b";

#[test]
fn every_reply_means_something_for_every_step() {
    let world = full();
    let mut lines = vec![format!("{:<26}{}", "", STEPS.map(|step| format!("{step:<17}")).concat())];
    for (name, _) in FIXTURES {
        let words = STEPS.map(|step| format!("{:<17}", word(&world, &world.read(step, &fixture(name)))));
        lines.push(format!("{name:<26}{}", words.concat()));
    }
    let table: Vec<_> = lines.iter().map(|line| line.trim_end()).collect();
    let table = table.join("\n") + "\n";
    for (held, made) in TABLE.lines().zip(table.lines()) {
        assert_eq!(held, made);
    }
    assert_eq!(TABLE, table);
}

#[test]
fn every_fixture_is_in_the_table() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/platform/bluesky/fixtures");
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let files: BTreeSet<_> = names.filter_map(|name| Some(name.strip_suffix(".json")?.to_owned())).collect();
    assert_eq!(files, FIXTURES.iter().map(|(name, _)| (*name).to_owned()).collect());
}

#[test]
fn a_cut_or_garbled_reply_to_a_publication_is_never_believed() {
    let world = full();
    for (name, _) in FIXTURES {
        let whole = fixture(name);
        let cut = HttpReply { cut: true, ..whole.clone() };
        let half = HttpReply { body: whole.body[..whole.body.len() / 2].into(), ..whole.clone() };
        for broken in [cut, half] {
            let reading = world.read("publish-0", &broken);
            assert!(!matches!(reading, Reading::Checkpoint(_) | Reading::Found(_)), "{name}: {reading:?}");
            if (200..300).contains(&broken.status) || broken.status >= 500 {
                assert!(matches!(reading, Reading::Unclear { .. }), "{name}: {reading:?}");
            }
        }
    }
}

#[test]
fn a_session_is_made_from_the_reply_and_says_whose_it_is() {
    let world = World::new(Content { text: "a".into(), ..Content::default() });
    let Reading::Session(session) = world.read("session-create", &fixture("session")) else { panic!() };
    assert_eq!(session.identity.as_deref(), Some(DID));
    assert_eq!(session.values["life_ms"], json!(7_200_000));
    assert_eq!(session.values["issued_ms"], json!(NOW.as_millisecond()));
    let printed = format!("{session:?}");
    assert!(!printed.contains("eyJ"), "{printed}");
}

#[test]
fn tokens_are_replaced_before_they_expire_and_only_then() {
    let named = |age_ms: u64, life: Option<u64>| {
        let world = World::new(Content { text: "a".into(), ..Content::default() });
        world.logged_in(Duration::from_millis(age_ms), life.map(Duration::from_secs)).next_name()
    };
    assert_eq!(named(7_169_999, Some(7_200)), "publish-0");
    assert_eq!(named(7_170_000, Some(7_200)), "session-refresh");
    assert_eq!(named(1_499, Some(3)), "publish-0");
    assert_eq!(named(1_500, Some(3)), "session-refresh");
    assert_eq!(named(u64::from(u32::MAX), None), "publish-0");

    let mut world = World::new(Content { text: "a".into(), ..Content::default() });
    assert_eq!(world.next_name(), "session-create");
    world.secrets = Secrets::default();
    assert!(matches!(world.next(), Next::Auth(_)));
}

#[test]
fn refused_tokens_lead_to_a_refresh_then_to_a_login_then_to_a_pause() {
    let content = || Content { text: "a".into(), ..Content::default() };
    let refuse = |world: &mut World, name: &str| {
        let reading = world.read("publish-0", &fixture(name));
        if let Reading::Session(session) = &reading {
            world.session = session.clone();
        }
        word(world, &reading)
    };
    let renew = |world: &mut World, step: &str| match world.read(step, &fixture("session")) {
        Reading::Session(session) => world.session = session,
        other => panic!("{other:?}"),
    };
    // An old token is simply refreshed.
    let mut world = World::new(content()).logged_in(Duration::from_secs(3600), Some(Duration::from_secs(7200)));
    assert_eq!(refuse(&mut world, "expired-token"), "tokens-=");
    assert_eq!(world.next_name(), "session-refresh");
    // A fresh one that is refused costs a login.
    renew(&mut world, "session-refresh");
    assert_eq!(refuse(&mut world, "expired-token"), "tokens--");
    assert_eq!(world.next_name(), "session-create");
    // And then it is enough.
    renew(&mut world, "session-create");
    assert_eq!(refuse(&mut world, "invalid-token"), "retry 60");
    // A minute later the same token is no longer fresh, and the round may begin again.
    world.now = time::after(NOW, Duration::from_secs(60));
    assert_eq!(refuse(&mut world, "invalid-token"), "tokens-=");

    // Where the server says that nobody is logged in, refreshing is no use, and a second login neither.
    let mut world = World::new(content()).logged_in(Duration::from_secs(3600), Some(Duration::from_secs(7200)));
    for expected in ["tokens--", "tokens--", "auth"] {
        assert_eq!(refuse(&mut world, "auth-missing"), expected);
        renew(&mut world, "session-create");
    }
}

#[test]
fn steps_come_in_order_and_survive_a_restart() {
    let content = Content {
        text: "Hello @fan.test".into(),
        media: vec![image("a.png"), image("b.png")],
        thread: vec!["second @other.test".into()],
        reply_to: Some(ReplyTo::Theirs("https://bsky.app/profile/Fan.test/post/3kfanpost3333".into())),
        ..Content::default()
    };
    let mut world = World::new(content).logged_in(Duration::ZERO, None);
    let rkeys: Vec<String> = serde_json::from_value(world.job.frozen["rkeys"].clone()).unwrap();
    let part = |place: usize| json!({"uri": format!("at://{DID}/app.bsky.feed.post/{}", rkeys[place]), "cid": "c"});
    let fan = json!({"uri": "at://did:plc:fan/app.bsky.feed.post/3k", "cid": "f"});
    let steps = [
        ("upload-0", json!({"n": 0})),
        ("upload-1", json!({"n": 1})),
        ("resolve-0", json!({"handle": "fan.test", "did": "did:plc:fan"})),
        ("resolve-1", json!({"handle": "other.test", "did": null})),
        ("target", json!({"root": fan, "parent": fan})),
        ("publish-0", part(0)),
        ("publish-1", part(1)),
    ];
    for (name, data) in steps {
        let Next::Call(step) = world.next() else { panic!("{name}") };
        assert_eq!(step.name, name);
        assert_eq!(step.effect == Effect::Publishes, name.starts_with("publish"), "{name}");
        assert_eq!(step.effect == Effect::Leaves, !name.starts_with("publish"), "{name}");
        if name == "publish-1" {
            let Call::Http(request) = &step.call else { panic!() };
            let body: Value = serde_json::from_slice(&request.body.concat()).unwrap();
            assert_eq!(body["record"]["reply"], json!({"root": fan, "parent": part(0)}));
            assert_eq!((&body["record"]["embed"], &body["swapRecord"]), (&Value::Null, &Value::Null));
            assert!(body.as_object().unwrap().contains_key("swapRecord"));
        }
        world.done.push(Checkpoint { step: name.into(), data });
    }
    let Next::Done(remote) = world.next() else { panic!() };
    assert_eq!(remote.url, Some(format!("https://bsky.app/profile/{DID}/post/{}", rkeys[0])));
    assert_eq!(remote.reference.value(), json!({"root": fan, "last": part(1)}));
}

#[test]
fn a_repeat_sends_the_same_bytes() {
    let request = |now: Timestamp| {
        let mut world = full();
        world.done = [
            ("upload-0", json!({"n": 0})),
            ("resolve-0", json!({"handle": "fan.test", "did": "did:plc:fan"})),
            ("target", json!({"root": {"uri": "a", "cid": "b"}, "parent": {"uri": "a", "cid": "b"}})),
        ]
        .map(|(step, data)| Checkpoint { step: step.into(), data })
        .into();
        world.now = now;
        match world.next() {
            Next::Call(Step { name, call: Call::Http(request), .. }) if name == "publish-0" => request.body.concat(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(request(NOW), request(time::after(NOW, Duration::from_secs(3))));
}

#[test]
fn looking_back_needs_no_password_once_the_account_is_known() {
    let content = || Content { text: "a".into(), ..Content::default() };
    let mut world = World { purpose: Purpose::LookBack, ..World::new(content()) };
    assert_eq!(world.next_name(), "session-create");
    world.session.identity = Some(DID.into());
    let Next::Call(step) = world.next() else { panic!() };
    assert_eq!((step.name.as_str(), step.effect), ("look-0", Effect::Harmless));
    let Call::Http(request) = step.call else { panic!() };
    assert!(request.headers.iter().all(|(name, _)| *name != "authorization"));
}

#[test]
fn what_the_platform_would_refuse_is_said_beforehand() {
    let keys = |content: Content| -> Vec<String> {
        let complaints = check(&content);
        assert!(complaints.iter().all(|complaint| !complaint.reason.is_empty()));
        complaints.into_iter().map(|complaint| complaint.key).collect()
    };
    let text = |text: &str| Content { text: text.into(), ..Content::default() };
    assert!(keys(text(&"🇩🇪".repeat(300))).is_empty());
    assert_eq!(keys(text(&"🇩🇪".repeat(301))), ["text"]);
    assert_eq!(keys(text(&"👨‍👩‍👧‍👧".repeat(121))), ["text"]);
    assert_eq!(keys(text(" \n")), ["text"]);
    assert_eq!(keys(Content { warning: Some("long".into()), ..text(&"a".repeat(295)) }), ["text"]);
    assert!(keys(Content { warning: Some("nudity".into()), ..text(&"a".repeat(300)) }).is_empty());
    assert_eq!(keys(Content { thread: vec!["b".repeat(301), String::new()], ..text("a") }), ["thread", "thread"]);
    assert_eq!(keys(Content { media: (0..5).map(|_| image("a.png")).collect(), ..text("a") }), ["media"]);
    assert_eq!(keys(Content { media: vec![image("a.MP4")], ..text("a") }), ["media"]);
    assert_eq!(keys(Content { tags: (0..9).map(|tag| format!("t{tag}")).collect(), ..text("a") }), ["tags"]);
    assert!(keys(Content { tags: (0..9).map(|tag| format!("t{tag}")).collect(), ..text("a #T0") }).is_empty());
    assert_eq!(keys(Content { tags: vec!["a".repeat(65), "#".into()], ..text("a") }), ["tags", "tags"]);
    assert_eq!(keys(Content { visibility: Visibility::Unlisted, ..text("a") }), ["visibility"]);
    assert_eq!(keys(Content { lang: Some("jaja".into()), ..text("a") }), ["lang"]);
    assert_eq!(keys(Content { link: Some("ftp://example.org".into()), ..text("a") }), ["link"]);
    let answer = |address: &str| Some(ReplyTo::Theirs(address.into()));
    assert_eq!(keys(Content { reply_to: answer("https://mastodon.example/@a/1"), ..text("a") }), ["reply_to"]);
    assert!(keys(Content { reply_to: answer("https://bsky.app/profile/fan.test/post/3k"), ..text("a") }).is_empty());
}

#[test]
fn media_that_cannot_go_out_stop_the_post_before_anything_is_sent() {
    let with = |mime: &str, bytes: usize| {
        let mut world = World::new(Content { media: vec![image("a.png")], ..Content::default() });
        world.job.media = vec![media(&image("a.png"), mime, &vec![0; bytes])];
        matches!(world.next(), Next::Refuse(_))
    };
    assert!(with("video/mp4", 10) && with("image/png", 2_000_001) && with("image/png", 0));
    assert!(!with("image/png", 2_000_000));
}

#[test]
fn an_answer_to_ours_hangs_below_its_last_part() {
    let mut world = World::new(Content {
        text: "a".into(),
        reply_to: Some(ReplyTo::Ours(PostId::new("b").unwrap())),
        ..Content::default()
    })
    .logged_in(Duration::ZERO, None);
    assert!(matches!(world.next(), Next::Refuse(_)));
    let (root, last) = (json!({"uri": "at://r", "cid": "1"}), json!({"uri": "at://l", "cid": "2"}));
    let reference = json!({"root": root, "last": last}).into();
    world.job.answers = Some(Remote { id: "at://r".into(), url: None, reference });
    let Next::Call(Step { call: Call::Http(request), .. }) = world.next() else { panic!() };
    let body: Value = serde_json::from_slice(&request.body.concat()).unwrap();
    assert_eq!(body["record"]["reply"], json!({"root": root, "parent": last}));

    // Where a person has only said the address, the rest is asked for.
    let url = Some(format!("https://bsky.app/profile/{DID}/post/{RKEY}"));
    world.job.answers = Some(Remote { id: url.clone().unwrap(), url, reference: JsonText::default() });
    assert_eq!(world.next_name(), "target");
}

#[test]
fn no_secret_is_printed_with_a_step() {
    let mut world = World::new(Content { text: "a".into(), ..Content::default() });
    let login = format!("{:?}", world.next());
    world = world.logged_in(Duration::ZERO, None);
    let publish = format!("{:?}", world.next());
    assert!(!login.contains("twin-password-0") && !publish.contains("token-1"), "{login} {publish}");
    assert!(publish.contains("authorization"));
}

#[test]
fn the_account_table_is_read_with_everything_wrong_in_it() {
    let read = |text: &str| {
        let mut table = Table::new("bsky".parse().unwrap(), text.parse().unwrap(), "/etc".into());
        let place = build(&mut table).map(|adapter| adapter.place());
        (place, table.into_complaints().into_iter().map(|complaint| complaint.key).collect::<Vec<_>>())
    };
    let good = "service = 'https://bsky.social'\nhandle = 'Brand.example'\npassword = { credential = 'p' }";
    assert_eq!(read(good), (Some("bsky.social/brand.example".into()), vec![]));
    let bad = "service = 'http://bsky.social'\nhandle = '@brand.example'\npassword = 'abc'";
    assert_eq!(read(bad), (None, vec!["service".into(), "handle".into(), "password".into()]));
    assert_eq!(read("").1, ["service", "handle", "password"]);
}

#[test]
fn a_body_without_content_has_no_type() {
    let mut world = World::new(Content { text: "a".into(), ..Content::default() });
    world = world.logged_in(Duration::from_secs(9_000), Some(Duration::from_secs(7_200)));
    let Next::Call(Step { name, call: Call::Http(request), .. }) = world.next() else { panic!() };
    let Body { mime, chunks } = request.body;
    assert_eq!((name.as_str(), mime, chunks.len()), ("session-refresh", None, 0));
    let authorization = request.headers.iter().find(|(name, _)| *name == "authorization").map(|(_, value)| value);
    assert_eq!(authorization.map(HeaderValue::expose).as_deref(), Some("Bearer refresh-token-1"));
}

#[test]
fn a_look_that_is_refused_without_a_token_does_not_go_in_circles() {
    let mut world =
        World { purpose: Purpose::LookBack, ..World::new(Content { text: "a".into(), ..Content::default() }) };
    world.session.identity = Some(DID.into());
    assert_eq!(word(&world, &world.read("look-0", &fixture("auth-missing"))), "retry 60");
}

proptest::proptest! {
    #[test]
    fn no_reply_makes_it_panic_or_believe_in_another_record(
        which in 0..FIXTURES.len(), status in 100u16..600, at in 0usize..2000, byte: u8, keep in 0usize..3,
    ) {
        let world = full();
        let mut reply = fixture(FIXTURES[which].0);
        if keep == 0 {
            reply.status = status;
        }
        if keep < 2 && !reply.body.is_empty() {
            let at = at % reply.body.len();
            reply.body[at] = byte;
        }
        for step in STEPS {
            let reading = world.read(step, &reply);
            if let (true, Reading::Checkpoint(data) | Reading::Found(data)) = (step == "publish-0" || step == "look-0", reading) {
                proptest::prop_assert_eq!(data["uri"].as_str(), Some(&*syntax::post_uri(DID, RKEY)));
            }
        }
        let _ = wire::pace(&reply, NOW);
    }
}

/// Everything an attempt refers to.
struct World {
    job: Job,
    purpose: Purpose,
    done: Vec<Checkpoint>,
    session: Session,
    secrets: Secrets,
    now: Timestamp,
}

impl World {
    fn new(content: Content) -> Self {
        let account = "bsky".parse().unwrap();
        let frozen = Frozen::new(&content, NOW, 7);
        let job = Job {
            delivery: DeliveryId::new(PostId::new("p").unwrap(), account),
            attempt: 1,
            key: "0".repeat(32),
            digest: Digest::of(b""),
            media: content.media.iter().map(|item| media(item, "image/png", b"\x89PNG")).collect(),
            content,
            frozen: json!(frozen),
            started: NOW,
            answers: None,
            taken: Arc::new(BTreeSet::new()),
        };
        let secrets = Secrets(BTreeMap::from([("password".into(), Secret::new("twin-password-0"))]));
        Self { job, purpose: Purpose::Publish, done: Vec::new(), session: Session::default(), secrets, now: NOW }
    }

    fn logged_in(mut self, age: Duration, life: Option<Duration>) -> Self {
        let issued = time::before(NOW, age).as_millisecond();
        let values = [
            ("access", json!("access-token-1")),
            ("refresh", json!("refresh-token-1")),
            ("issued_ms", json!(issued)),
            ("life_ms", json!(life.map(|life| u64::try_from(life.as_millis()).unwrap()))),
        ];
        self.session.values = values.into_iter().map(|(key, value)| (key.into(), value)).collect();
        self.session.identity = Some(DID.into());
        self
    }

    fn attempt(&self) -> Attempt<'_> {
        let Self { job, purpose, done, session, secrets, now } = self;
        Attempt { job, purpose: *purpose, done, scratch: &Value::Null, session, secrets, now: *now }
    }

    fn next(&self) -> Next {
        adapter().next(&self.attempt())
    }

    /// The name of the step that comes next, or what comes instead.
    fn next_name(&self) -> String {
        match self.next() {
            Next::Call(step) => step.name,
            other => format!("{other:?}"),
        }
    }

    fn read(&self, step: &str, reply: &HttpReply) -> Reading {
        let call = adapter().wire.resolve_handle("unused.test");
        let step = Step { name: step.into(), effect: Effect::Harmless, call };
        adapter().read(&self.attempt(), &step, &Reply::Http(reply.clone()))
    }
}

fn adapter() -> Bluesky {
    Bluesky {
        wire: Wire::new("https://pds.example".parse().unwrap()),
        handle: "brand.test".into(),
        password: SecretRef::Env("P".into()),
    }
}

fn media(item: &MediaItem, mime: &str, bytes: &[u8]) -> Media {
    Media { item: item.clone(), mime: mime.into(), size: Some((2, 1)), bytes: bytes.into() }
}

fn image(file: &str) -> MediaItem {
    MediaItem { file: file.into(), alt: "A desk".into(), sha256: Digest::of(b""), facts: None }
}

fn fixture(name: &str) -> HttpReply {
    let text = FIXTURES.iter().find(|(held, _)| *held == name).unwrap().1;
    let value: Value = serde_json::from_str(text).unwrap();
    let headers = value["headers"].as_object().unwrap();
    HttpReply {
        status: u16::try_from(value["status"].as_u64().unwrap()).unwrap(),
        headers: headers.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().into())).collect(),
        body: match &value["body"] {
            Value::String(text) => text.clone().into_bytes(),
            body => body.to_string().into_bytes(),
        },
        cut: false,
    }
}

/// A reading in a word or two.
fn word(world: &World, reading: &Reading) -> String {
    let seconds = |until: Timestamp| time::since(until, NOW).as_secs();
    match reading {
        Reading::Learned(_) => "learned".into(),
        Reading::Checkpoint(data) if data.get("did") == Some(&Value::Null) => "nobody".into(),
        Reading::Checkpoint(_) => "done".into(),
        Reading::Session(session) => {
            let state = |key: &str| match (world.session.values.get(key), session.values.get(key)) {
                (_, None) => '-',
                (before, now) if before == now => '=',
                _ => '+',
            };
            format!("tokens{}{}", state("access"), state("refresh"))
        }
        Reading::Found(_) => "found".into(),
        Reading::Absent => "absent".into(),
        Reading::Wait(_) => "wait".into(),
        Reading::Retry { after: Some(after), .. } => format!("retry {}", after.as_secs()),
        Reading::Retry { after: None, .. } => "retry".into(),
        Reading::RateLimited { until, .. } => format!("wait {}", seconds(*until)),
        Reading::Auth { .. } => "auth".into(),
        Reading::Refused { .. } => "refused".into(),
        Reading::Unclear { .. } => "unclear".into(),
        Reading::AlreadyThere { .. } => "look".into(),
        Reading::Redo { .. } => "redo".into(),
    }
}

/// A post with something for every step, and the key and moment that the fixtures name.
fn full() -> World {
    let content = Content {
        text: "Hello".into(),
        media: vec![image("desk.png")],
        reply_to: Some(ReplyTo::Theirs("at://fan.test/app.bsky.feed.post/3kfanpost3333".into())),
        ..Content::default()
    };
    let mut world = World::new(content).logged_in(Duration::from_secs(3600), Some(Duration::from_secs(7200)));
    world.job.frozen = json!({"rkeys": [RKEY], "createdAt": ["2026-09-21T14:13:20.000Z"]});
    world
}
