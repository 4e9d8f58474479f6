//! Replies one by one, as a table of files, and whole deliveries against the imitation, with what can go wrong between
//! the two.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::progress::{Chunk, Draft, Kept, Photo, Span, data};
use super::twin::FacebookTwin;
use super::*;
use crate::domain::{AccountId, Checkpoint, DeliveryId, MediaFacts, MediaItem, PostId, Remote, ReplyTo, time};
use crate::platform::contract::{HttpReply, Job, Method, Secrets};

const NOW: &str = "2026-11-22T12:00:00Z";
const PAGE: &str = "110000000000000000";
const POST: &str = "110000000000000000_122000000000001";
const VIDEO: &str = "122000000000008";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn content(text: &str) -> Content {
    Content { text: text.into(), ..Content::default() }
}

fn media(mime: &str, alt: &str, bytes: &[u8]) -> Media {
    let item = MediaItem { file: "a.bin".into(), alt: alt.into(), sha256: Digest::of(bytes), facts: None };
    Media { item, mime: mime.into(), size: None, bytes: bytes.into() }
}

fn photo(alt: &str) -> Media {
    media("image/png", alt, b"\x89PNG\r\n\x1a\n")
}

/// Longer than two of the pieces that the imitation asks for.
fn film() -> Media {
    media("video/mp4", "a film", &[7; 150])
}

fn job(content: Content, media: Vec<Media>) -> Job {
    let digest = Digest::of(format!("{content:?}").as_bytes());
    Job {
        delivery: DeliveryId::new(PostId::new("a-post").unwrap(), AccountId::new("page").unwrap()),
        attempt: 1,
        key: digest.hex()[..32].into(),
        digest,
        content: Content { media: media.iter().map(|media| media.item.clone()).collect(), ..content },
        media,
        frozen: Value::Null,
        started: at(NOW),
        answers: None,
        taken: Arc::default(),
    }
}

fn adapter() -> Facebook {
    Facebook {
        base: wire::API.parse().unwrap(),
        page: PAGE.into(),
        token: SecretRef::Env("T".into()),
        app_secret: Some(SecretRef::Env("S".into())),
        version: VERSION.into(),
        two_step: true,
        app: None,
    }
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
    attempt: Option<u32>,
    purpose: Option<String>,
    /// Photos of the post, and how many of them are uploaded.
    media: usize,
    photos: usize,
    /// The post is a video of five bytes; its upload has begun.
    film: bool,
    video: bool,
    draft: bool,
    posted: bool,
    /// How old all that is, and the delivery.
    age_s: u64,
    begun_s: u64,
    /// How long ago our posts were looked through in vain.
    clean_s: Option<u64>,
    taken: BTreeSet<String>,
    wordless: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    json: Option<Value>,
    text: Option<String>,
    #[serde(default)]
    cut: bool,
}

#[test]
fn every_class_of_reply_means_what_its_file_says() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/platform/facebook/fixtures");
    let mut seen: BTreeSet<String> = BTreeSet::new();
    let mut wrong = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let fixture: Fixture = serde_json::from_slice(&std::fs::read(&path).unwrap())
            .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let reading = meaning(&fixture);
        seen.insert(format!("{} {}", fixture.step.split('-').next().unwrap(), name(&reading)));
        let shown = format!("{reading:?}");
        let lacks: Vec<_> = fixture.holds.iter().filter(|part| !shown.contains(part.as_str())).collect();
        if name(&reading) != fixture.reading || !lacks.is_empty() {
            wrong.push(format!("{} ({}): {shown} lacks {lacks:?}", path.display(), fixture.about));
        }
        assert!(!shown.contains("fixture-token"), "{}: {shown}", path.display());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for class in ["checkpoint", "unclear", "refused", "auth", "rate-limited", "already-there", "redo"] {
        assert!(seen.contains(&format!("publish {class}")), "no fixture for publish {class}");
    }
}

fn meaning(fixture: &Fixture) -> Reading {
    let given = &fixture.given;
    let files = match given.film {
        true => vec![media("video/mp4", "", b"bytes")],
        false => (0..given.media).map(|_| photo("alt")).collect(),
    };
    let ago = |seconds: u64| time::before(at(NOW), Duration::from_secs(seconds));
    let mut job = job(content(if given.wordless { "" } else { "Text" }), files);
    job.attempt = given.attempt.unwrap_or(1);
    job.started = ago(given.begun_s);
    job.taken = Arc::new(given.taken.clone());
    let at = ago(given.age_s);
    let photos = (0..given.photos).map(|place| Kept::Photo(Photo { place, id: format!("3{}", place + 1), at }));
    let mut kept: Vec<Kept> = photos.collect();
    if given.video {
        let wanted = Span { start: 0, end: 4 };
        kept.push(Kept::Video(Video { id: VIDEO.into(), session: "9".into(), wanted, at }));
    }
    if given.draft {
        let url = Some("https://www.facebook.com/110000000000000000/posts/122000000000001".into());
        kept.push(Kept::Draft(Draft { id: POST.into(), url, at }));
    }
    if given.posted {
        let posted = Posted { id: POST.into(), url: "https://www.facebook.com/".into(), attempt: 1, at, seen: false };
        kept.push(Kept::Posted(posted));
    }
    let done: Vec<_> =
        kept.iter().enumerate().map(|(n, kept)| Checkpoint { step: format!("step-{n}"), data: data(kept) }).collect();
    let secrets = Secrets(
        [("token", "fixture-token"), ("app_secret", "fixture-secret")]
            .map(|(key, secret)| (key.to_owned(), Secret::new(secret)))
            .into(),
    );
    let session = Session::default();
    let scratch = given.clean_s.map_or(Value::Null, |seconds| json!({ "clean": ago(seconds) }));
    let purpose = if given.purpose.is_some() { Purpose::LookBack } else { Purpose::Publish };
    let attempt = Attempt {
        job: &job,
        purpose,
        done: &done,
        scratch: &scratch,
        session: &session,
        secrets: &secrets,
        now: self::at(NOW),
    };
    let effect = match fixture.step.split('-').next().unwrap() {
        "publish" => Effect::Publishes,
        "photo" | "video" | "chunk" | "draft" => Effect::Leaves,
        _ => Effect::Harmless,
    };
    let (token, base): (_, Url) = (Secret::new("t"), wire::API.parse().unwrap());
    let wire = Wire { base: &base, version: VERSION, page: PAGE, token: &token, app_secret: None };
    let step = Step { name: fixture.step.clone(), effect, call: Call::Http(wire.me()) };
    adapter().read(&attempt, &step, &Reply::Http(fixture.reply.reply()))
}

impl Raw {
    fn reply(&self) -> HttpReply {
        let body = match (&self.json, &self.text) {
            (Some(json), None) => json.to_string(),
            (None, Some(text)) => text.clone(),
            _ => panic!("a reply has json or text"),
        };
        let headers = self.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        HttpReply { status: self.status, headers, body: body.into_bytes(), cut: self.cut }
    }
}

fn name(reading: &Reading) -> &'static str {
    match reading {
        Reading::Learned(_) => "learned",
        Reading::Checkpoint(_) => "checkpoint",
        Reading::Session(_) => "session",
        Reading::Found(_) => "found",
        Reading::Absent => "absent",
        Reading::Wait(_) => "wait",
        Reading::Retry { .. } => "retry",
        Reading::RateLimited { .. } => "rate-limited",
        Reading::Auth { .. } => "auth",
        Reading::Refused { .. } => "refused",
        Reading::Unclear { .. } => "unclear",
        Reading::AlreadyThere { .. } => "already-there",
        Reading::Redo { .. } => "redo",
    }
}

// ---- whole deliveries ----

/// One delivery against the imitation, carried out as `deliver` does it, but without a ledger.
struct Run {
    adapter: Facebook,
    twin: FacebookTwin,
    job: Job,
    session: Session,
    done: Vec<Checkpoint>,
    scratch: Value,
    now: Timestamp,
    /// Names of the steps that were made.
    steps: Vec<String>,
    waited: Duration,
}

/// How a run ends.
#[derive(Debug, PartialEq)]
enum End {
    Done(Remote),
    Refuse(String),
    Auth(String),
    CannotTell(String),
    Read(Reading),
    /// The call of this name got no reply.
    Lost,
}

impl Run {
    fn new(twin: FacebookTwin, content: Content, media: Vec<Media>) -> Self {
        Self {
            adapter: adapter(),
            twin,
            job: job(content, media),
            session: Session::default(),
            done: Vec::new(),
            scratch: Value::Null,
            now: at(NOW),
            steps: Vec::new(),
            waited: Duration::ZERO,
        }
    }

    fn publish(&mut self) -> End {
        self.go(Purpose::Publish, "")
    }

    fn look_back(&mut self) -> End {
        self.scratch = Value::Null;
        self.go(Purpose::LookBack, "")
    }

    /// The step called `lost` is carried out, and its reply is lost.
    fn go(&mut self, purpose: Purpose, lost: &str) -> End {
        for _ in 0..100 {
            let secrets = self.twin.secrets(0);
            let attempt = Attempt {
                job: &self.job,
                purpose,
                done: &self.done,
                scratch: &self.scratch,
                session: &self.session,
                secrets: &secrets,
                now: self.now,
            };
            let step = match self.adapter.next(&attempt) {
                Next::Call(step) => step,
                Next::Done(remote) => return End::Done(remote),
                Next::Refuse(why) => return End::Refuse(why),
                Next::Auth(why) => return End::Auth(why),
                Next::CannotTell(why) => return End::CannotTell(why),
            };
            self.steps.push(step.name.clone());
            let reply = self.twin.answer(&step.call, self.now);
            if step.name == lost {
                return End::Lost;
            }
            self.now = time::after(self.now, Duration::from_millis(100));
            match self.adapter.read(&Attempt { now: self.now, ..attempt }, &step, &reply) {
                Reading::Learned(value) => self.scratch = value,
                Reading::Session(session) => self.session = session,
                Reading::Checkpoint(data) => self.done.push(Checkpoint { step: step.name, data }),
                Reading::Found(data) => {
                    self.done.push(Checkpoint { step: step.name, data: data.clone() });
                    return End::Read(Reading::Found(data));
                }
                Reading::Wait(span) => {
                    self.waited += span;
                    self.now = time::after(self.now, span);
                }
                other => return End::Read(other),
            }
        }
        panic!("no end: {:?}", self.steps)
    }

    /// A new attempt after a crash: everything is lost but the ledger.
    fn crash(&mut self) {
        self.session = Session::default();
        self.scratch = Value::Null;
        self.job.attempt += 1;
        self.now = time::after(self.now, Duration::from_secs(60));
    }

    fn texts(&self) -> Vec<String> {
        self.twin.published().into_iter().map(|post| post.text).collect()
    }
}

#[test]
fn a_post_is_drafted_published_and_asked_for() {
    let mut run = Run::new(FacebookTwin::new(), content("Text"), Vec::new());
    let End::Done(remote) = run.publish() else { panic!("{:?}", run.steps) };
    assert_eq!(run.steps, ["identity", "draft-0", "publish-0", "confirm"]);
    assert_eq!(run.texts(), ["Text"]);
    let url = format!("https://www.facebook.com/{}", remote.id.replace('_', "/posts/"));
    assert_eq!(remote.url, Some(url));
    assert_eq!(run.session.identity.as_deref(), Some(PAGE));
}

#[test]
fn photos_are_uploaded_with_their_descriptions_and_shown_by_one_post() {
    let files = vec![photo("A desk"), photo(""), photo("Zwei Stühle")];
    let mut run = Run::new(FacebookTwin::new(), content("Text"), files);
    assert!(matches!(run.publish(), End::Done(_)), "{:?}", run.steps);
    assert_eq!(run.steps[1..5], ["photo-0", "photo-1", "photo-2", "draft-0"]);
    assert_eq!(run.twin.alts(), [Some("A desk".into()), None, Some("Zwei Stühle".into())]);
    assert_eq!(run.texts(), ["Text"]);
}

#[test]
fn a_lost_publication_is_found_by_its_id() {
    for twin in [FacebookTwin::new(), FacebookTwin::new().showing_drafts()] {
        let mut run = Run::new(twin, content("Text"), vec![photo("A desk")]);
        assert_eq!(run.go(Purpose::Publish, "publish-0"), End::Lost);
        run.crash();
        assert!(matches!(run.look_back(), End::Read(Reading::Found(_))), "{:?}", run.steps);
        assert_eq!(run.steps.last().unwrap(), "look-0");
        let steps = run.steps.len();
        assert!(matches!(run.publish(), End::Done(_)));
        assert_eq!((run.steps.len(), run.texts().len()), (steps, 1));
    }
}

/// A post that a person has deleted stays deleted: nobody says that it never was there.
#[test]
fn a_draft_that_is_gone_is_for_a_person() {
    let mut run = Run::new(FacebookTwin::new(), content("Text"), Vec::new());
    assert_eq!(run.go(Purpose::Publish, "publish-0"), End::Lost);
    let id = run.twin.published()[0].id.clone();
    run.twin.delete(&id);
    run.now = time::after(run.now, Duration::from_secs(600));
    assert!(matches!(run.look_back(), End::Read(Reading::Refused { .. })));
}

/// Whether or not Facebook shows drafts at once, a draft whose answer was lost makes no second post.
#[test]
fn a_lost_draft_makes_no_second_post() {
    for (twin, out) in [(FacebookTwin::new(), 0), (FacebookTwin::new().showing_drafts(), 1)] {
        let mut run = Run::new(twin, content("Text"), vec![photo("A desk")]);
        assert_eq!(run.go(Purpose::Publish, "draft-0"), End::Lost);
        assert_eq!(run.texts().len(), out);
        run.crash();
        let end = run.publish();
        if out == 1 {
            assert!(matches!(end, End::Read(Reading::AlreadyThere { .. })), "{end:?}");
            assert!(matches!(run.look_back(), End::Read(Reading::Found(_))));
        } else {
            assert!(matches!(end, End::Done(_)), "{end:?}");
            assert!(run.waited >= Duration::from_secs(200), "the lost one may have been under way");
        }
        assert_eq!(run.texts(), ["Text"]);
    }
}

#[test]
fn a_draft_that_stays_one_is_told_loudly() {
    let mut run = Run::new(FacebookTwin::new().keeping_drafts(), content("Text"), Vec::new());
    let End::Read(Reading::Refused { why }) = run.publish() else { panic!("{:?}", run.steps) };
    assert!(why.contains("two_step = false"), "{why}");
    assert_eq!(run.texts(), Vec::<String>::new());
}

#[test]
fn in_one_step_a_lost_post_is_found_in_the_list() {
    let mut run = Run::new(FacebookTwin::new(), content("Text"), Vec::new());
    run.adapter.two_step = false;
    let End::Done(remote) = run.publish() else { panic!("{:?}", run.steps) };
    assert_eq!(run.steps, ["identity", "publish-0"]);
    let mut taken = BTreeSet::from([remote.id]);
    // So many that the list has a second page, and one of them that was meant.
    for number in 0..30 {
        run.job = job(content(&format!("Text {number}")), vec![photo("A desk")]);
        run.job.started = run.now;
        run.job.taken = Arc::new(taken.clone());
        (run.done, run.scratch) = (Vec::new(), Value::Null);
        assert_eq!(run.go(Purpose::Publish, "publish-0"), End::Lost);
        run.crash();
        assert!(matches!(run.look_back(), End::Read(Reading::Found(_))), "{:?}", run.steps);
        let End::Done(remote) = run.publish() else { panic!("{:?}", run.steps) };
        assert!(taken.insert(remote.id), "it was taken for another one");
    }
    assert_eq!(run.texts().len(), 31);
    // One that was never sent is not there, and all pages are read for that.
    run.job = Job { started: at(NOW), ..job(content("Text 99"), Vec::new()) };
    (run.done, run.steps) = (Vec::new(), Vec::new());
    run.job.taken = Arc::new(taken);
    assert_eq!(run.look_back(), End::Read(Reading::Absent));
    assert_eq!(run.steps, ["list-0", "list-1"]);
}

#[test]
fn the_same_text_right_after_the_last_one_is_looked_for() {
    for two_step in [true, false] {
        let mut run = Run::new(FacebookTwin::new(), content("Text"), Vec::new());
        run.adapter.two_step = two_step;
        let End::Done(first) = run.publish() else { panic!("{:?}", run.steps) };
        (run.done, run.scratch) = (Vec::new(), Value::Null);
        run.job.taken = Arc::new([first.id].into());
        assert!(matches!(run.publish(), End::Read(Reading::AlreadyThere { .. })), "{:?}", run.steps);
        assert_eq!(run.look_back(), End::Read(Reading::Absent));
        assert_eq!(run.texts(), ["Text"]);
    }
}

#[test]
fn a_video_is_uploaded_in_pieces_finished_and_waited_for() {
    let mut run = Run::new(FacebookTwin::new(), content("Text"), vec![film()]);
    let End::Done(remote) = run.publish() else { panic!("{:?}", run.steps) };
    let kinds: Vec<&str> = run.steps.iter().map(|step| step.split('-').next().unwrap()).collect();
    let expected = ["identity", "video", "chunk", "chunk", "chunk", "publish", "confirm", "confirm", "confirm"];
    assert_eq!(kinds, expected);
    assert_eq!(remote.url, Some(format!("https://www.facebook.com/{PAGE}/videos/{}", remote.id)));
    assert_eq!(run.texts(), ["Text"]);
}

#[test]
fn a_lost_piece_of_a_video_is_not_sent_to_the_wrong_place() {
    let mut run = Run::new(FacebookTwin::new(), content("Text"), vec![film()]);
    // The session of the imitation's first video is its second id.
    assert_eq!(run.go(Purpose::Publish, "chunk-122000000000002-64"), End::Lost);
    run.crash();
    assert!(matches!(run.publish(), End::Done(_)), "{:?}", run.steps);
    assert_eq!(run.steps.iter().filter(|step| step.ends_with("-64")).count(), 2);
    assert_eq!(run.steps.iter().filter(|step| step.starts_with("video")).count(), 1);
    assert_eq!(run.texts(), ["Text"]);
}

#[test]
fn a_lost_finish_of_a_video_is_found_by_its_id() {
    let mut run = Run::new(FacebookTwin::new(), content("Text"), vec![film()]);
    assert_eq!(run.go(Purpose::Publish, "publish-0"), End::Lost);
    run.crash();
    assert!(matches!(run.look_back(), End::Read(Reading::Found(_))), "{:?}", run.steps);
    assert!(matches!(run.publish(), End::Done(_)));
    assert_eq!(run.texts(), ["Text"]);
    // One that was never finished is not there.
    let mut upload = Run::new(FacebookTwin::new(), content("Text"), vec![film()]);
    assert_eq!(upload.go(Purpose::Publish, "chunk-122000000000002-128"), End::Lost);
    upload.crash();
    assert_eq!(upload.look_back(), End::Read(Reading::Absent));
}

#[test]
fn a_video_that_fails_when_it_is_processed_is_told() {
    let mut run = Run::new(FacebookTwin::new().failing_videos(), content("Text"), vec![film()]);
    let End::Read(Reading::Refused { why }) = run.publish() else { panic!("{:?}", run.steps) };
    assert!(why.contains("The video is broken"), "{why}");
}

#[test]
fn offsets_of_another_session_are_not_ours() {
    let wanted = Span { start: 0, end: 4 };
    let video = Video { id: VIDEO.into(), session: "9".into(), wanted, at: at(NOW) };
    let chunk = |session: &str, start| Chunk { session: session.into(), wanted: Span { start, end: 9 } };
    let kept = [Kept::Video(video), Kept::Chunk(chunk("9", 4)), Kept::Chunk(chunk("8", 7))];
    let done: Vec<_> = kept.iter().map(|kept| Checkpoint { step: "a".into(), data: data(kept) }).collect();
    assert_eq!(Done::of(&done).video.unwrap().wanted, Span { start: 4, end: 9 });
}

#[test]
fn another_token_is_asked_whose_it_is_before_anything_else() {
    let mut run = Run::new(FacebookTwin::new(), content("Text"), Vec::new());
    assert!(matches!(run.publish(), End::Done(_)));
    run.session.values.insert(TOKEN.into(), json!("another"));
    (run.done, run.scratch, run.steps) = (Vec::new(), Value::Null, Vec::new());
    run.look_back();
    assert_eq!(run.steps[0], "identity");
    run.adapter.page = "110000000000000001".into();
    (run.session, run.done) = (Session::default(), Vec::new());
    let End::Read(Reading::Auth { why }) = run.publish() else { panic!() };
    assert!(why.contains(PAGE) && why.contains("110000000000000001"), "{why}");
}

#[test]
fn a_version_that_is_gone_stops_the_account_until_it_is_served_or_another_is_asked_for() {
    let mut run = Run::new(FacebookTwin::new().serving("v27.0"), content("Text"), Vec::new());
    let End::Read(Reading::Auth { why }) = run.publish() else { panic!("{:?}", run.steps) };
    assert!(why.contains("serves v27.0 in place of v26.0") && why.contains("set `version = \"v27.0\"`"), "{why}");
    assert_eq!((run.steps.join(" "), run.texts().len()), ("identity".into(), 0));
    // Who lets stopped accounts in again asks the same, so that it goes on when the right one is served again.
    run.twin = FacebookTwin::new();
    assert!(matches!(run.publish(), End::Done(_)));
    let mut run = Run::new(FacebookTwin::new().serving("v27.0"), content("Text"), Vec::new());
    run.adapter.version = "v27.0".into();
    assert!(matches!(run.publish(), End::Done(_)));
}

#[test]
fn a_page_that_is_too_much_data_is_asked_for_in_small() {
    let mut run = Run::new(FacebookTwin::new().answering_at_most(5), content("Text"), Vec::new());
    run.adapter.two_step = false;
    assert_eq!(run.go(Purpose::Publish, "publish-0"), End::Lost);
    run.crash();
    assert!(matches!(run.look_back(), End::Read(Reading::Found(_))), "{:?}", run.steps);
    assert_eq!(run.steps.iter().filter(|step| *step == "list-0").count(), 2);
    // What is too long even so is trouble like any other.
    let mut run = Run::new(FacebookTwin::new().answering_at_most(1), content("Text"), Vec::new());
    run.adapter.two_step = false;
    run.go(Purpose::Publish, "publish-0");
    run.crash();
    assert!(matches!(run.look_back(), End::Read(Reading::Unclear { .. })), "{:?}", run.steps);
}

/// Where no draft was made, a list is all there is, and not every list is a proof.
#[test]
fn without_drafts_a_list_that_proves_nothing_tells_nothing() {
    let post = |minute: u32, text: &str| json!({"id": format!("{PAGE}_{minute}"), "message": text, "created_time": format!("2026-11-22T12:{minute:02}:00+0000"), "is_published": true});
    let looked = |two_step: bool, posts: Value| {
        let mut run = Run::new(FacebookTwin::new(), content("Text"), Vec::new());
        run.adapter.two_step = two_step;
        run.publish();
        (run.done, run.scratch) = (Vec::new(), Value::Null);
        let (secrets, now) = (run.twin.secrets(0), run.now);
        let (job, session, purpose) = (&run.job, &run.session, Purpose::LookBack);
        let attempt = Attempt { job, purpose, done: &[], scratch: &Value::Null, session, secrets: &secrets, now };
        let Next::Call(step) = run.adapter.next(&attempt) else { panic!("it looks") };
        let reply = Reply::Http(HttpReply::json(200, &json!({ "data": posts })));
        match run.adapter.read(&attempt, &step, &reply) {
            Reading::Learned(scratch) => match run.adapter.next(&Attempt { scratch: &scratch, ..attempt }) {
                Next::CannotTell(why) => why,
                other => panic!("{other:?}"),
            },
            reading => name(&reading).to_owned(),
        }
    };
    let none = json!([]);
    let (ordered, turned) = (json!([post(30, "b"), post(20, "a")]), json!([post(20, "a"), post(30, "b")]));
    assert_eq!(looked(true, none.clone()), "absent");
    assert!(looked(false, none).contains("pages_read_engagement"));
    assert_eq!([true, false].map(|two_step| looked(two_step, ordered.clone())), ["absent", "absent"]);
    assert_eq!(looked(true, turned.clone()), "absent");
    assert!(looked(false, turned).contains("does not go by time"));
    // What is found is found, wherever it stands.
    assert_eq!(looked(false, json!([post(20, "a"), post(30, "Text")])), "found");
}

#[test]
fn what_facebook_cannot_show_is_told_ahead() {
    let keys = |content: Content| -> Vec<String> {
        let complaints = adapter().check(&content, &Session::default());
        complaints.into_iter().map(|complaint| complaint.key).collect()
    };
    let with = |mime: &'static str, bytes: u64| {
        let facts = Some(Arc::new(MediaFacts { mime, bytes, size: None, duration: None }));
        let item = MediaItem { file: "a".into(), alt: String::new(), sha256: Digest::of(b""), facts };
        Content { media: vec![item], ..Content::default() }
    };
    assert_eq!(keys(content("Text")), Vec::<String>::new());
    assert_eq!(keys(content(" ")), ["text"]);
    assert_eq!(keys(content(&"ä".repeat(text::MOST))), Vec::<String>::new());
    assert_eq!(keys(content(&"ä".repeat(text::MOST + 1))), ["text"]);
    assert_eq!(keys(Content { link: Some("https://example.org/".into()), ..Content::default() }), Vec::<String>::new());
    assert_eq!(keys(Content { visibility: Visibility::Unlisted, ..content("a") }), ["visibility"]);
    assert_eq!(keys(Content { thread: vec!["b".into()], ..content("a") }), ["thread"]);
    let reply_to = Some(ReplyTo::Theirs("https://www.facebook.com/1".into()));
    assert_eq!(keys(Content { reply_to, ..content("a") }), ["reply_to"]);
    assert_eq!(keys(with("image/png", PHOTO_BYTES)), Vec::<String>::new());
    assert_eq!(keys(with("image/png", PHOTO_BYTES + 1)), ["media"]);
    assert_eq!(keys(with("image/avif", 9)), ["media"]);
    assert_eq!(keys(with("video/mp4", 9_000)), Vec::<String>::new());
    assert_eq!(keys(with("application/pdf", 9)), ["media"]);
}

#[test]
fn what_is_handed_over_is_judged_once_more_before_anything_leaves() {
    let pdf = media("application/pdf", "", b"%PDF");
    for files in [vec![pdf], vec![film(), photo("")]] {
        let mut run = Run::new(FacebookTwin::new(), content("Text"), files);
        assert!(matches!(run.publish(), End::Refuse(_)));
        assert_eq!(run.steps, ["identity"]);
    }
    let mut run = Run::new(FacebookTwin::new(), content("Text"), vec![photo("")]);
    run.job.media.clear();
    assert!(matches!(run.publish(), End::Refuse(_)));
}

#[test]
fn keys_are_judged_where_they_stand() {
    let complained = |text: &str| -> Vec<String> {
        let mut table = Table::new(AccountId::new("page").unwrap(), text.parse().unwrap(), "/".into());
        let built = (ENTRY.build)(&mut table);
        let complaints: Vec<_> = table.into_complaints().into_iter().map(|complaint| complaint.key).collect();
        assert_eq!(built.is_some(), complaints.iter().all(|key| key == "version" || key == "app_secret"), "{text}");
        complaints
    };
    let good = "page = \"42\"\ntoken = { env = \"T\" }\n";
    assert_eq!(complained(good), Vec::<String>::new());
    assert_eq!(complained(&format!("{good}two_step = false\nversion = \"v25.0\"")), Vec::<String>::new());
    assert_eq!(complained(&format!("{good}version = \"26\"")), ["version"]);
    assert_eq!(complained(&format!("{good}app_secret = \"abc\"")), ["app_secret"]);
    assert_eq!(complained(&format!("{good}base_url = \"http://graph.example\"")), ["base_url"]);
    assert_eq!(complained("page = \"my.page\"\ntoken = { env = \"T\" }"), ["page"]);
}

#[test]
fn without_an_app_secret_no_proof_is_sent() {
    let bare = Facebook { app_secret: None, ..adapter() };
    let job = job(content("Text"), Vec::new());
    let secrets = Secrets([("token".to_owned(), Secret::new("a-token"))].into());
    let attempt = |secrets| {
        let session: &'static Session = Box::leak(Box::default());
        Attempt {
            job: &job,
            purpose: Purpose::Publish,
            done: &[],
            scratch: &Value::Null,
            session,
            secrets,
            now: at(NOW),
        }
    };
    let Next::Call(Step { call: Call::Http(request), .. }) = bare.next(&attempt(&secrets)) else { panic!() };
    assert_eq!(
        (request.method, request.url.as_str()),
        (Method::Get, "https://graph.facebook.com/v26.0/me?fields=id%2Cname")
    );
    // Where the app demands it, nothing leaves without it.
    assert!(matches!(adapter().next(&attempt(&secrets)), Next::Auth(_)));
}

/// What a page of the list makes of a look.
fn looked(page: &Value) -> Option<Verdict> {
    let (job, session, secrets) = (job(content("Text"), Vec::new()), Session::default(), Secrets::default());
    let attempt = Attempt {
        job: &job,
        purpose: Purpose::LookBack,
        done: &[],
        scratch: &Value::Null,
        session: &session,
        secrets: &secrets,
        now: at(NOW),
    };
    Look::begin(at(NOW))
        .read(&attempt, &HttpReply::json(200, page), lookback::Proof::BesideDrafts)
        .expect("a page of the list")
        .verdict
}

#[test]
fn only_a_page_that_names_no_next_one_is_the_last() {
    let next = "https://graph.facebook.com/next";
    assert_eq!(looked(&json!({"data": []})), Some(Verdict::NotThere));
    assert_eq!(looked(&json!({"data": [], "paging": {"cursors": {"after": "a"}, "next": next}})), None);
    for odd in [json!({ "next": next }), json!({"cursors": {"after": 7}, "next": next}), json!({ "next": 7 })] {
        assert!(matches!(looked(&json!({"data": [], "paging": odd})), Some(Verdict::CannotTell(_))));
    }
}
