//! Replies one by one, as a table of files, and whole deliveries against the imitation, with what can go wrong between
//! the two.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::progress::Left;
use super::session::*;
use super::twin::{ALOOF, SUMMONS, XTwin};
use super::*;
use crate::domain::{AccountId, Checkpoint, DeliveryId, Digest, JsonText, MediaItem, PostId, Remote, Secret, time};
use crate::platform::contract::{Call, HttpReply, Secrets};

fn now() -> Timestamp {
    "2026-12-01T08:00:00Z".parse().unwrap()
}

fn content(text: &str) -> Content {
    Content { text: text.into(), ..Content::default() }
}

fn media(mime: &str, bytes: usize, alt: &str) -> Media {
    let bytes: Arc<[u8]> = vec![7; bytes].into();
    let item = MediaItem { file: "a.bin".into(), alt: alt.into(), sha256: Digest::of(&bytes), facts: None };
    Media { item, mime: mime.into(), size: None, bytes }
}

fn job(content: Content, media: Vec<Media>) -> Job {
    let digest = Digest::of(format!("{content:?}").as_bytes());
    Job {
        delivery: DeliveryId::new(PostId::new("a-post").unwrap(), AccountId::new("x").unwrap()),
        attempt: 1,
        key: digest.hex()[..32].into(),
        digest,
        content: Content { media: media.iter().map(|media| media.item.clone()).collect(), ..content },
        media,
        frozen: Value::Null,
        started: now(),
        answers: None,
        taken: Arc::default(),
    }
}

fn table(twin: &XTwin) -> Table {
    Table::new(AccountId::new("x").unwrap(), twin.table(0, "http://127.0.0.1:1/", "/"), "/".into())
}

// ---- one reply at a time ----

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixture {
    about: String,
    step: String,
    #[serde(default)]
    given: Given,
    reply: Raw,
    reading: String,
    #[serde(default)]
    holds: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Given {
    oauth2: bool,
    /// Age of the pair that is kept.
    kept_age_s: Option<u64>,
    purpose: Option<String>,
    /// Media files; those that are uploaded; whether an upload in segments has begun.
    media: usize,
    uploads: usize,
    upload_age_s: u64,
    opened: bool,
    film: bool,
    /// Another text, or none.
    text: Option<String>,
    wordless: bool,
    link: Option<String>,
    /// Further parts; published parts.
    thread: usize,
    posts: usize,
    post_age_s: u64,
    theirs: Option<String>,
    taken: BTreeSet<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    json: Option<Value>,
    text: Option<String>,
}

#[test]
fn every_class_of_reply_means_what_its_file_says() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/platform/x/fixtures");
    let (mut seen, mut wrong) = (BTreeSet::new(), Vec::new());
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let fixture: Fixture = serde_json::from_slice(&std::fs::read(&path).unwrap())
            .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let reading = meaning(&fixture);
        seen.insert(format!("{} {}", fixture.step.split('-').next().unwrap(), name(&reading)));
        let shown = match &reading {
            Reading::RateLimited { until, why } => format!("{until} {why}"),
            other => format!("{other:?}"),
        };
        let lacks: Vec<_> = fixture.holds.iter().filter(|part| !shown.contains(part.as_str())).collect();
        if name(&reading) != fixture.reading || !lacks.is_empty() {
            wrong.push(format!("{} ({}): {reading:?} lacks {lacks:?}", path.display(), fixture.about));
        }
        assert!(!shown.contains("twin-"), "{}: {shown}", path.display());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for class in
        ["checkpoint", "unclear", "refused", "auth", "rate-limited", "already-there", "redo", "retry", "session"]
    {
        assert!(seen.contains(&format!("publish {class}")), "no fixture for publish {class}");
    }
}

fn name(reading: &Reading) -> &'static str {
    match reading {
        Reading::Learned(_) => "learned",
        Reading::Checkpoint(_) => "checkpoint",
        Reading::Session(_) => "session",
        Reading::Found(_) => "found",
        Reading::Absent => "absent",
        Reading::Wait(span) if *span <= Duration::from_secs(60) => "wait",
        Reading::Wait(_) => "wait too long",
        Reading::Retry { after: None, .. } => "retry",
        Reading::Retry { after: Some(_), .. } => "retry-soon",
        Reading::RateLimited { .. } => "rate-limited",
        Reading::Auth { .. } => "auth",
        Reading::Refused { .. } => "refused",
        Reading::Unclear { .. } => "unclear",
        Reading::AlreadyThere { .. } => "already-there",
        Reading::Redo { .. } => "redo",
    }
}

fn meaning(fixture: &Fixture) -> Reading {
    let given = &fixture.given;
    let mime = if given.film { "video/mp4" } else { "image/png" };
    let files = (0..given.media).map(|_| media(mime, 9, "what it shows")).collect();
    let text = if given.wordless { "" } else { given.text.as_deref().unwrap_or("Text") };
    let mut job = job(content(text), files);
    job.content.link = given.link.clone();
    job.content.thread = (0..given.thread).map(|part| format!("part {}", part + 2)).collect();
    job.taken = Arc::new(given.taken.clone());
    job.content.reply_to = given.theirs.clone().map(ReplyTo::Theirs);
    let ago = |seconds: u64| time::before(now(), Duration::from_secs(seconds));
    let upload = |media| {
        let id = format!("188000000000000000{}", media + 1);
        Left::Uploaded { media, id, ready: false, at: ago(given.upload_age_s) }
    };
    let post = |part| Left::Posted { part, id: format!("199000000000000000{part}"), at: ago(given.post_age_s) };
    let opened = given.opened.then(|| Left::Opened { media: 0, id: "1880000000000000002".into() });
    let left = (0..given.uploads).map(upload).chain((0..given.posts).map(post)).chain(opened);
    let done: Vec<_> = left.map(|left| Checkpoint { step: "a-step".into(), data: left.value() }).collect();
    let twin = if given.oauth2 { XTwin::with_oauth2() } else { XTwin::new() };
    let (adapter, secrets) = (build(&mut table(&twin)).unwrap(), twin.secrets(0));
    let mut session = Session { identity: Some(twin::user(0)), ..Session::default() };
    if let Some(age) = given.kept_age_s {
        let origin = &Digest::of(secrets.get(REFRESH_TOKEN).unwrap().expose().as_bytes()).hex()[..16];
        session.kept = Some(json!({
            "origin": origin, "refresh": "r", "access": "a", "issued": ago(age).to_string(), "life_s": 7200
        }));
    }
    let purpose = if given.purpose.is_some() { Purpose::LookBack } else { Purpose::Publish };
    let attempt = Attempt {
        job: &job,
        purpose,
        done: &done,
        scratch: &Value::Null,
        session: &session,
        secrets: &secrets,
        now: now(),
    };
    let effect = match fixture.step.split('-').next().unwrap() {
        "publish" => Effect::Publishes,
        "identity" | "refresh" | "status" | "look" => Effect::Harmless,
        _ => Effect::Leaves,
    };
    let base: Url = wire::API.parse().unwrap();
    let call = Call::Http(Wire { base: &base }.me());
    let step = Step { name: fixture.step.clone(), effect, call };
    adapter.read(&attempt, &step, &Reply::Http(fixture.reply.reply()))
}

impl Raw {
    fn reply(&self) -> HttpReply {
        let body = match (&self.json, &self.text) {
            (Some(json), None) => json.to_string(),
            (None, Some(text)) => text.clone(),
            _ => panic!("a reply has json or text"),
        };
        let headers = self.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        HttpReply { status: self.status, headers, body: body.into_bytes(), cut: false }
    }
}

// ---- whole deliveries ----

/// What becomes of a call.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Carried,
    ReplyLost,
}

#[derive(Debug)]
enum End {
    Done(Remote),
    Lost(String),
    Read(Reading),
    Other(Next),
}

struct Drive {
    adapter: Arc<dyn Adapter>,
    twin: XTwin,
    job: Job,
    secrets: Secrets,
    session: Session,
    done: Vec<Checkpoint>,
    now: Timestamp,
    steps: Vec<String>,
}

impl Drive {
    fn new(twin: XTwin, job: Job) -> Self {
        let (adapter, secrets) = (build(&mut table(&twin)).unwrap(), twin.secrets(0));
        let (session, now) = (Session::default(), job.started);
        Self { adapter, twin, job, secrets, session, done: Vec::new(), now, steps: Vec::new() }
    }

    /// The process has died and is back: what was durable is left, and of the session what is kept.
    fn crash(&mut self) {
        self.session = Session { kept: self.session.kept.take(), ..Session::default() };
    }

    fn publish(&mut self) -> End {
        self.run(Purpose::Publish, |_| Fate::Carried)
    }

    fn look(&mut self) -> End {
        self.run(Purpose::LookBack, |_| Fate::Carried)
    }

    fn run(&mut self, purpose: Purpose, mut fate: impl FnMut(&str) -> Fate) -> End {
        let mut scratch = Value::Null;
        for _ in 0..100 {
            self.now = time::after(self.now, Duration::from_secs(1));
            let attempt = Attempt {
                job: &self.job,
                purpose,
                done: &self.done,
                scratch: &scratch,
                session: &self.session,
                secrets: &self.secrets,
                now: self.now,
            };
            let step = match self.adapter.next(&attempt) {
                Next::Call(step) => step,
                Next::Done(remote) => return End::Done(remote),
                other => return End::Other(other),
            };
            self.steps.push(step.name.clone());
            let reply = self.twin.answer(&step.call, self.now);
            if fate(&step.name) == Fate::ReplyLost {
                return End::Lost(step.name);
            }
            match self.adapter.read(&attempt, &step, &reply) {
                Reading::Learned(value) => scratch = value,
                Reading::Session(session) => self.session = session,
                Reading::Checkpoint(data) => self.done.push(Checkpoint { step: step.name, data }),
                Reading::Redo { .. } => {
                    scratch = Value::Null;
                    self.done.retain(|done| done.step.starts_with("publish-"));
                }
                Reading::Wait(span) => self.now = time::after(self.now, span),
                other => return End::Read(other),
            }
        }
        panic!("no end: {:?}", self.steps)
    }

    /// The part is published, nobody hears of it, and an hour goes by.
    fn lose(&mut self) {
        let lost = self
            .run(Purpose::Publish, |step| if step.starts_with("publish") { Fate::ReplyLost } else { Fate::Carried });
        assert!(matches!(lost, End::Lost(_)), "{lost:?}");
        self.now = time::after(self.now, Duration::from_secs(3_600));
        self.steps.clear();
    }

    fn kept(&self, key: &str) -> Value {
        self.session.kept.as_ref().map_or(Value::Null, |kept| kept[key].clone())
    }
}

#[test]
fn a_film_is_sent_in_segments_and_an_attempt_goes_on_where_it_was() {
    let film = media("video/mp4", 2 * SEGMENT + 1, "what happens");
    let mut drive = Drive::new(XTwin::new(), job(content("A film"), vec![film]));
    let lost = drive.run(Purpose::Publish, |step| if step == "append-0-1" { Fate::ReplyLost } else { Fate::Carried });
    assert!(matches!(lost, End::Lost(_)));
    drive.crash();
    drive.steps.clear();
    let End::Done(remote) = drive.publish() else { panic!("{:?}", drive.steps) };
    // The segment whose reply was lost goes out once more, and takes its own place.
    let steps = drive.steps.join(" ");
    let expected = "identity append-0-1 append-0-2 finalize-0 status-0 status-0 describe-0 publish-0";
    assert_eq!(steps.replace("status-0 status-0 status-0", "status-0 status-0"), expected);
    assert_eq!(drive.twin.described(&remote.id), [Some("what happens".to_owned())]);
}

#[test]
fn uploads_that_are_gone_are_done_again() {
    let pictures = vec![media("image/png", 9, "one"), media("image/gif", 9, "")];
    let mut drive = Drive::new(XTwin::new(), job(content("Pictures"), pictures));
    let lost = drive.run(Purpose::Publish, |step| if step == "describe-0" { Fate::ReplyLost } else { Fate::Carried });
    assert!(matches!(lost, End::Lost(_)));
    drive.twin.forget_uploads();
    let End::Done(remote) = drive.publish() else { panic!("{:?}", drive.steps) };
    assert_eq!(drive.twin.described(&remote.id), [Some("one".to_owned()), None]);
    assert_eq!(drive.twin.published().len(), 1);
}

#[test]
fn what_an_upload_was_given_counts_for_no_other_one() {
    let done = |lefts: &[Left]| {
        let points = lefts.iter().map(|left| Checkpoint { step: "a-step".into(), data: left.value() });
        Done::of(&points.collect::<Vec<_>>())
    };
    let opened = |id: &str| Left::Opened { media: 0, id: id.into() };
    let appended = |id: &str| Left::Appended { media: 0, segment: 0, upload: id.into() };
    let uploaded = |id: &str| Left::Uploaded { media: 0, id: id.into(), ready: true, at: now() };
    let described = |id: &str| Left::Described { media: 0, upload: id.into() };
    let held = |lefts: &[Left]| {
        let upload = &done(lefts).uploads[&0];
        (upload.segments.len(), upload.described)
    };
    let old = [opened("1"), appended("1"), uploaded("1"), described("1")];
    assert_eq!(held(&old), (1, true));
    let anew = [&old[..], &[opened("2"), uploaded("2")]].concat();
    assert_eq!(held(&anew), (0, false));
    assert_eq!(held(&[&anew[..], &[appended("2"), described("2")]].concat()), (1, true));
}

#[test]
fn a_pair_is_kept_refreshed_late_and_bound_to_the_configured_token() {
    let mut drive = Drive::new(XTwin::with_oauth2(), job(content("One"), vec![]));
    assert!(matches!(drive.publish(), End::Done(_)), "{:?}", drive.steps);
    assert_eq!(drive.steps, ["refresh", "identity", "publish-0"]);
    assert_eq!(drive.kept("refresh"), "twin-refresh-0-1");
    // After a restart the access token is still good.
    drive.crash();
    (drive.done, drive.job.content.text) = (Vec::new(), "Two".into());
    drive.steps.clear();
    assert!(matches!(drive.publish(), End::Done(_)));
    assert_eq!(drive.steps, ["identity", "publish-0"]);
    // When it is about to expire, the kept token gets the next pair, not the configured one.
    drive.now = time::after(drive.now, Duration::from_secs(7_100));
    (drive.done, drive.job.content.text) = (Vec::new(), "Three".into());
    assert!(matches!(drive.publish(), End::Done(_)), "{:?}", drive.steps);
    assert_eq!(drive.kept("refresh"), "twin-refresh-0-2");
    // A person configures another token: what is kept of the old one counts no more.
    let another = Secret::new("twin-refresh-0-9");
    drive.secrets.0.insert(REFRESH_TOKEN.into(), another);
    (drive.done, drive.job.content.text) = (Vec::new(), "Four".into());
    let End::Read(Reading::Auth { why }) = drive.publish() else { panic!("{:?}", drive.steps) };
    assert!(why.contains("get a new one"), "{why}");
}

#[test]
fn a_refresh_without_a_reply_is_tried_once_more_and_then_a_person_is_asked() {
    let mut drive = Drive::new(XTwin::with_oauth2(), job(content("One"), vec![]));
    let lost = drive.run(Purpose::Publish, |_| Fate::ReplyLost);
    assert!(matches!(lost, End::Lost(step) if step == REFRESH));
    let End::Read(Reading::Auth { why }) = drive.publish() else { panic!("{:?}", drive.steps) };
    assert!(why.contains("spent") && !why.contains("twin-"), "{why}");
    assert_eq!(drive.twin.published(), []);
}

#[test]
fn tokens_that_end_midway_are_got_anew() {
    let thread = Content { thread: vec!["second".into(), "third".into()], ..content("first") };
    for call in 1..6 {
        let mut drive = Drive::new(XTwin::with_oauth2(), job(thread.clone(), vec![media("image/png", 9, "a")]));
        let mut calls = 0;
        let lost = drive.run(Purpose::Publish, |step| {
            calls += 1;
            if calls == call && !step.starts_with("publish") { Fate::ReplyLost } else { Fate::Carried }
        });
        // Later than a token counts as new.
        drive.now = time::after(drive.now, Duration::from_secs(120));
        drive.twin.expire_tokens();
        if call > 1 {
            let end = if matches!(lost, End::Done(_)) { lost } else { drive.publish() };
            assert!(matches!(end, End::Done(_)), "{call}: {end:?} {:?}", drive.steps);
            assert_eq!(drive.twin.published().len(), 3);
        }
    }
}

#[test]
fn what_x_rewrites_is_found_all_the_same() {
    let text = "1 < 2 & A\u{301}; example.org/a and (https://bücher.example/ü?a=1&b=2)'s";
    let linked =
        Content { link: Some("https://example.org/b?c=d&e".into()), tags: vec!["tag".into()], ..content(text) };
    let answer =
        Content { reply_to: Some(ReplyTo::Theirs(format!("https://x.com/fan/status/{SUMMONS}"))), ..linked.clone() };
    let thread = Content { thread: vec!["more example.org".into()], ..linked.clone() };
    let pictured = vec![media("image/png", 9, "a"), media("image/png", 9, "")];
    for (content, media) in [(linked, vec![]), (answer, vec![]), (thread, pictured.clone()), (content(""), pictured)] {
        let mut drive = Drive::new(XTwin::new(), job(content, media));
        drive.lose();
        // Others have been said since, so many that the list has a second page.
        for number in 0..25 {
            drive.twin.say(0, &format!("something else {number}"), time::before(drive.now, Duration::from_secs(60)));
        }
        let End::Read(Reading::Found(_)) = drive.look() else { panic!("{:?}: {:?}", drive.job.content, drive.steps) };
        assert_eq!(drive.steps, ["look-0", "look-0"], "the second page is read, and no third");
    }
}

#[test]
fn a_clock_that_is_ahead_hides_nothing() {
    let mut drive = Drive::new(XTwin::new(), job(content("Text"), vec![]));
    // The delivery began at a time of ours that is an hour ahead of X's.
    drive.job.started = time::after(drive.now, Duration::from_secs(3_600));
    drive.lose();
    drive.now = time::before(drive.now, Duration::from_secs(3_000));
    assert!(matches!(drive.look(), End::Read(Reading::Found(_))));
}

#[test]
fn what_was_said_before_is_refused_as_the_same_and_left_to_a_person() {
    let mut drive = Drive::new(XTwin::new(), job(content("Text"), vec![]));
    drive.twin.say(0, "Text", time::before(drive.now, Duration::from_secs(3_600)));
    assert!(matches!(drive.publish(), End::Read(Reading::AlreadyThere { .. })));
    let End::Other(Next::CannotTell(why)) = drive.look() else { panic!("{:?}", drive.steps) };
    assert!(why.contains("before this delivery"), "{why}");
}

#[test]
fn an_answer_that_nobody_asked_for_is_refused_alone() {
    let answering = |id: &str| Content {
        reply_to: Some(ReplyTo::Theirs(format!("https://x.com/a/status/{id}"))),
        ..content("Text")
    };
    let mut drive = Drive::new(XTwin::new(), job(answering(ALOOF), vec![]));
    assert!(matches!(drive.publish(), End::Read(Reading::Refused { .. })));
    let mut drive = Drive::new(XTwin::new(), job(answering(SUMMONS), vec![]));
    assert!(matches!(drive.publish(), End::Done(_)));
    assert_eq!(drive.twin.published()[0].answers.as_deref(), Some(SUMMONS));
}

#[test]
fn an_answer_to_a_thread_hangs_below_its_last_part() {
    let mut job = job(Content { reply_to: Some(ReplyTo::Ours(PostId::new("b").unwrap())), ..content("Text") }, vec![]);
    assert!(answered(&job).is_err(), "nobody knows where it is");
    let remote = |id: &str, reference: Value| Some(Remote { id: id.into(), url: None, reference: reference.into() });
    job.answers = remote("17", json!({"last": "19"}));
    assert_eq!(answered(&job), Ok(Some("19".into())));
    job.answers = remote("https://x.com/a/status/17", JsonText::default().value().clone());
    assert_eq!(answered(&job), Ok(Some("17".into())));
}

#[test]
fn nobody_pays_twice_to_be_refused() {
    let mut drive = Drive::new(XTwin::new(), job(content("Text"), vec![]));
    let unpaid = json!({"title": "CreditsDepleted", "detail": "no credits", "type": "https://api.x.com/2/problems/credits-depleted"});
    drive.twin.refuse_next(402, &unpaid);
    let End::Read(Reading::Auth { why }) = drive.publish() else { panic!() };
    assert!(why.contains("buy credits"), "{why}");
    let mut capped = unpaid;
    capped["title"] = json!("SpendCapReached");
    drive.twin.refuse_next(403, &capped);
    let End::Read(Reading::RateLimited { until, .. }) = drive.publish() else { panic!() };
    assert_eq!(until.to_string(), "2026-12-02T00:00:00Z");
}

// ---- configuration and checks ----

#[test]
fn keys_of_both_ways_or_of_none_are_complained_about() {
    let complaints = |change: &dyn Fn(&mut toml::Table)| {
        let mut values = XTwin::new().table(0, "http://127.0.0.1:1/", "/");
        change(&mut values);
        let mut table = Table::new(AccountId::new("x").unwrap(), values, "/".into());
        build(&mut table);
        table.into_complaints().into_iter().map(|complaint| complaint.key).collect::<Vec<_>>()
    };
    assert_eq!(complaints(&|_| {}), Vec::<String>::new());
    assert_eq!(complaints(&|table| drop(table.remove("auth"))), ["auth"]);
    assert_eq!(complaints(&|table| drop(table.insert("auth".into(), "oauth3".into()))), ["auth"]);
    assert_eq!(complaints(&|table| drop(table.remove(ACCESS_TOKEN))), [ACCESS_TOKEN]);
    assert_eq!(complaints(&|table| drop(table.insert(CLIENT_ID.into(), "id".into()))), [CLIENT_ID]);
    assert_eq!(complaints(&|table| drop(table.insert("redirect".into(), "https://a.example/".into()))), ["redirect"]);
    assert_eq!(
        complaints(&|table| drop(table.insert("auth".into(), "oauth2".into()))),
        [CONSUMER_KEY, CONSUMER_SECRET, ACCESS_TOKEN, ACCESS_TOKEN_SECRET, CLIENT_ID]
    );
    let public = |table: &mut toml::Table| {
        *table = XTwin::with_oauth2().table(0, "http://127.0.0.1:1/", "/");
        table.remove(CLIENT_SECRET);
    };
    assert_eq!(complaints(&public), Vec::<String>::new());
    let logs_in = |table: &mut toml::Table| {
        public(table);
        table.remove(REFRESH_TOKEN);
    };
    assert_eq!(complaints(&logs_in), Vec::<String>::new());
    for bad in [
        "http://app.example/",
        "https://app.example/?a=b",
        "https://app.example/#a",
        "app.example",
        "https://u@a.example",
    ] {
        let redirected = |table: &mut toml::Table| {
            public(table);
            table.insert("redirect".into(), bad.into());
        };
        assert_eq!(complaints(&redirected), ["redirect"], "{bad}");
    }
    let in_place = |table: &mut toml::Table| {
        public(table);
        table.insert(CLIENT_SECRET.into(), "in place".into());
    };
    assert_eq!(complaints(&in_place), [CLIENT_SECRET]);
}

#[test]
fn tokens_that_a_refresh_uses_up_are_kept() {
    let keeps = |twin: XTwin| build(&mut table(&twin)).unwrap().keeps_tokens();
    assert!(keeps(XTwin::with_oauth2()), "what a refresh gives would be lost, and the token with it");
    assert!(!keeps(XTwin::new()), "four secrets that do not expire");
}

#[test]
fn what_x_surely_refuses_is_complained_about() {
    let complaints = |content: &Content, long: bool| {
        let auth = Auth::OAuth1(std::array::from_fn(|_| SecretRef::Env("S".into())));
        let prices = Prices::read(&mut table(&XTwin::new()));
        let account = X { base: wire::API.parse().unwrap(), auth, redirect: None, long_posts: long, prices };
        let keys = account.check(content, &Session::default()).into_iter().map(|complaint| complaint.key);
        keys.collect::<Vec<_>>()
    };
    let none: [&str; 0] = [];
    let of = |change: &dyn Fn(&mut Content)| {
        let mut post = content("Text");
        change(&mut post);
        complaints(&post, false)
    };
    assert_eq!(of(&|_| {}), none);
    assert_eq!(of(&|post| post.text = "x".repeat(280)), none);
    assert_eq!(of(&|post| post.text = "x".repeat(281)), ["text"]);
    assert_eq!(complaints(&content(&"道".repeat(281)), true), none);
    assert_eq!(complaints(&content(&"道".repeat(25_001)), true), ["text"]);
    assert_eq!(of(&|post| post.text = "道".repeat(141)), ["text"]);
    assert_eq!(of(&|post| post.link = Some("https://example.org/".to_owned() + &"x".repeat(500))), none);
    assert_eq!(of(&|post| post.text = " ".into()), ["text"]);
    assert_eq!(of(&|post| post.thread = vec!["".into()]), ["thread"]);
    assert_eq!(of(&|post| post.text = "$USD and $EUR".into()), ["text"]);
    assert_eq!(of(&|post| post.visibility = Visibility::Followers), ["visibility"]);
    assert_eq!(of(&|post| post.warning = Some("long".into())), ["warning"]);
    assert_eq!(of(&|post| post.reply_to = Some(ReplyTo::Theirs("https://y.com/a/status/1".into()))), ["reply_to"]);
    let file = |mime: &'static str, bytes: u64, seconds: Option<u64>| {
        let facts = MediaFacts { mime, bytes, size: None, duration: seconds.map(Duration::from_secs) };
        let mut item = media(mime, 1, "alt").item;
        item.facts = Some(Arc::new(facts));
        of(&|post| post.media = vec![item.clone()])
    };
    assert_eq!(file("image/png", IMAGE_BYTES, None), none);
    assert_eq!(file("image/png", IMAGE_BYTES + 1, None), ["media"]);
    assert_eq!(file("image/gif", GIF_BYTES, None), none);
    assert_eq!(file("image/avif", 9, None), ["media"]);
    assert_eq!(file("video/mp4", 9, Some(140)), none);
    assert_eq!(file("video/mp4", 9, Some(141)), ["media"]);
    let mut told = media("image/png", 1, &"x".repeat(1_001)).item;
    told.facts = None;
    assert_eq!(of(&|post| post.media = vec![told.clone()]), ["media"]);
}

#[test]
fn media_are_judged_again_when_they_are_at_hand() {
    let unfit_for = |media: Vec<Media>| unfit(&job(content("Text"), media)).is_some();
    assert!(!unfit_for(vec![media("image/png", 9, "")]));
    assert!(unfit_for(vec![media("image/png", 0, "")]));
    assert!(unfit_for(vec![media("audio/mpeg", 9, "")]));
    let mut missing = job(content("Text"), vec![media("image/png", 9, "")]);
    missing.media.clear();
    assert!(unfit(&missing).is_some());
}
