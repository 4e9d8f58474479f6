//! Replies one by one, as a table of files, and whole deliveries against the imitations, with what can go wrong
//! between the two.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::progress::data;
use super::twin::MastodonTwin;
use super::*;
use crate::domain::{AccountId, Checkpoint, DeliveryId, JsonText, MediaItem, PostId, Remote};
use crate::platform::contract::{Body, HeaderValue, HttpReply, Job, Media, Method, Secrets};

const NOW: &str = "2026-11-22T12:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn content(text: &str) -> Content {
    Content { text: text.into(), ..Content::default() }
}

fn media(mime: &str, alt: &str) -> Media {
    let bytes: Arc<[u8]> = b"bytes".as_slice().into();
    let item = MediaItem { file: "a.bin".into(), alt: alt.into(), sha256: Digest::of(&bytes), facts: None };
    Media { item, mime: mime.into(), size: None, bytes }
}

fn job(content: Content, media: Vec<Media>) -> Job {
    let digest = Digest::of(format!("{content:?}").as_bytes());
    Job {
        delivery: DeliveryId::new(PostId::new("a-post").unwrap(), AccountId::new("fedi").unwrap()),
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

fn adapter() -> Mastodon {
    Mastodon { base: "https://host.example".parse().unwrap(), token: SecretRef::Env("T".into()) }
}

fn secrets(token: &str) -> Secrets {
    Secrets([("token".to_owned(), Secret::new(token))].into())
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
    software: Option<String>,
    /// `new`, `met` (limits are known), else all is known.
    session: Option<String>,
    /// Media files, not uploaded; uploaded ones.
    media: usize,
    uploads: usize,
    upload_age_s: u64,
    /// Further parts; published parts.
    thread: usize,
    posts: usize,
    post_age_s: u64,
    answers: Option<String>,
    theirs: Option<String>,
    taken: BTreeSet<String>,
    /// Neither a text nor alt texts.
    wordless: bool,
    scratch: Value,
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
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/platform/mastodon/fixtures");
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
    for class in ["checkpoint", "unclear", "refused", "auth", "rate-limited", "already-there", "redo", "retry"] {
        assert!(seen.contains(&format!("publish {class}")), "no fixture for publish {class}");
    }
}

fn meaning(fixture: &Fixture) -> Reading {
    let given = &fixture.given;
    let (text, alt) = if given.wordless { ("", "") } else { ("Text", "alt") };
    let files = (0..given.media.max(given.uploads)).map(|_| media("image/png", alt)).collect();
    let mut job = job(content(text), files);
    job.attempt = given.attempt.unwrap_or(1);
    job.content.thread = (0..given.thread).map(|part| format!("part {}", part + 2)).collect();
    job.taken = Arc::new(given.taken.clone());
    if let Some(address) = &given.theirs {
        job.content.reply_to = Some(ReplyTo::Theirs(address.clone()));
    }
    if let Some(id) = &given.answers {
        job.content.reply_to = Some(ReplyTo::Ours(PostId::new("earlier").unwrap()));
        job.answers = Some(Remote { id: id.clone(), url: None, reference: JsonText::default() });
    }
    let ago = |seconds: u64| time::before(at(NOW), Duration::from_secs(seconds));
    let uploads = (0..given.uploads).map(|media| {
        let at = ago(given.upload_age_s);
        data(&progress::Uploaded { media, id: format!("11{}", media + 1), ready: false, at })
    });
    let posts = (0..given.posts).map(|part| {
        let id = format!("11350000000000000{}", part + 1);
        let at = ago(given.post_age_s);
        data(&progress::Posted { part, id, url: None, visibility: None, attempt: job.attempt, at, seen: false })
    });
    let done: Vec<_> = uploads.chain(posts).map(|data| Checkpoint { step: "a-step".into(), data }).collect();
    let secrets = secrets("fixture-token");
    let software = given.software.as_deref().map_or(Software::Mastodon, Instance::named);
    let mut session = Session::default();
    let kind = given.session.as_deref().unwrap_or("full");
    if kind != "new" {
        let instance = Instance { software, ..Instance::unknown(at(NOW)) };
        session.values.insert(INSTANCE.into(), data(&instance));
    }
    if kind == "full" {
        session.identity = Some("110000000000000001".into());
        session.values.insert(TOKEN.into(), json!(token_mark(secrets.get("token").unwrap())));
    }
    let purpose = if given.purpose.is_some() { Purpose::LookBack } else { Purpose::Publish };
    let attempt = Attempt {
        job: &job,
        purpose,
        done: &done,
        scratch: &given.scratch,
        session: &session,
        secrets: &secrets,
        now: at(NOW),
    };
    let effect = match fixture.step.split('-').next().unwrap() {
        "publish" => Effect::Publishes,
        "upload" => Effect::Leaves,
        _ => Effect::Harmless,
    };
    let token = Secret::new("t");
    let base: Url = "https://host.example".parse().unwrap();
    let request = Wire { base: &base, token: &token }.status("1");
    let step = Step { name: fixture.step.clone(), effect, call: Call::Http(request) };
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

/// One delivery against an imitation, carried out as `deliver` does it, but without a ledger.
struct Run {
    adapter: Mastodon,
    twin: MastodonTwin,
    account: u32,
    job: Job,
    session: Session,
    done: Vec<Checkpoint>,
    scratch: Value,
    now: Timestamp,
    /// Method, path and step of every call that reached the twin.
    calls: Vec<String>,
    keys: Vec<String>,
    waited: Duration,
    /// Longer bodies end here.
    cut_above: Option<usize>,
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
    Lost(String),
}

/// What happens to a call.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// It is carried out, and the reply is lost.
    ReplyLost,
    /// It never arrives.
    NeverLeft,
}

impl Run {
    fn new(twin: MastodonTwin, content: Content, media: Vec<Media>) -> Self {
        Self {
            adapter: adapter(),
            twin,
            account: 0,
            job: job(content, media),
            session: Session::default(),
            done: Vec::new(),
            scratch: Value::Null,
            now: at(NOW),
            calls: Vec::new(),
            keys: Vec::new(),
            waited: Duration::ZERO,
            cut_above: None,
        }
    }

    fn publish(&mut self) -> End {
        self.go(Purpose::Publish, |_| Fault::None)
    }

    fn look_back(&mut self) -> End {
        self.go(Purpose::LookBack, |_| Fault::None)
    }

    fn go(&mut self, purpose: Purpose, fault: impl Fn(&str) -> Fault) -> End {
        for _ in 0..200 {
            let secrets = self.twin.secrets(self.account);
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
            let fault = fault(&step.name);
            if fault == Fault::NeverLeft {
                return End::Lost(step.name);
            }
            let Call::Http(request) = &step.call else { panic!("not HTTP") };
            self.calls.push(format!("{} {}", request.method.name(), request.url.path()));
            if let Some((_, key)) = request.headers.iter().find(|(name, _)| *name == "Idempotency-Key") {
                self.keys.push(key.expose());
            }
            let mut reply = self.twin.answer(&step.call, self.now);
            if let (Some(limit), Reply::Http(reply)) = (self.cut_above, &mut reply)
                && reply.body.len() > limit
            {
                reply.body.truncate(limit);
                reply.cut = true;
            }
            if fault == Fault::ReplyLost {
                return End::Lost(step.name);
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
                Reading::Redo { .. } => self.done.retain(|held| held.data.get("part").is_some()),
                other => return End::Read(other),
            }
        }
        panic!("no end: {:?}", self.calls)
    }

    /// A new attempt after a crash: everything is lost but the ledger.
    fn crash(&mut self) {
        self.session = Session::default();
        self.scratch = Value::Null;
        self.job.attempt += 1;
        self.now = time::after(self.now, Duration::from_secs(300));
    }

    /// Two looks as far apart as the evidence asks; whether both found nothing.
    fn surely_absent(&mut self) -> bool {
        let first = self.look_back();
        self.now = time::after(self.now, LAG);
        first == End::Read(Reading::Absent) && self.look_back() == End::Read(Reading::Absent)
    }

    fn texts(&self) -> Vec<String> {
        self.twin.published().into_iter().map(|post| post.text).collect()
    }
}

fn flavours() -> [MastodonTwin; 3] {
    [MastodonTwin::mastodon(), MastodonTwin::gotosocial(), MastodonTwin::pleroma()]
}

#[test]
fn in_steady_state_a_post_is_one_post_request() {
    for (twin, confirms) in flavours().into_iter().zip([true, false, false]) {
        let mut run = Run::new(twin, content("First"), Vec::new());
        assert!(matches!(run.publish(), End::Done(_)));
        let first = run.calls.len();
        run.job = job(content("Second"), Vec::new());
        (run.done, run.scratch) = (Vec::new(), Value::Null);
        let End::Done(remote) = run.publish() else { panic!("{:?}", run.calls) };
        let mut expected = vec!["POST /api/v1/statuses".to_owned()];
        if confirms {
            expected.push(format!("GET /api/v1/statuses/{}", remote.id));
        }
        assert_eq!(run.calls[first..], expected);
        assert_eq!(run.texts(), ["First", "Second"]);
        assert_eq!(remote.url, Some(format!("https://host.example/@twin0/{}", remote.id)));
    }
}

#[test]
fn a_thread_hangs_together_and_media_are_on_its_first_part() {
    for twin in flavours() {
        let thread = Content { thread: vec!["b".into(), "c".into()], tags: vec!["t".into()], ..content("a") };
        let files = vec![media("image/png", "one"), media("video/mp4", "two")];
        let mut run = Run::new(twin, thread, files);
        let End::Done(remote) = run.publish() else { panic!("{:?}", run.calls) };
        let posts = run.twin.published();
        assert_eq!(run.texts(), ["a\n#t", "b", "c"]);
        assert_eq!(posts[1].answers.as_ref(), Some(&posts[0].id));
        assert_eq!(posts[2].answers.as_ref(), Some(&posts[1].id));
        assert_eq!(
            (remote.id.as_str(), remote.reference.value()),
            (posts[0].id.as_str(), json!({"last": posts[2].id}))
        );
        assert_eq!(run.calls.iter().filter(|call| call.starts_with("POST /api/v2/media")).count(), 2);
    }
}

#[test]
fn a_video_is_waited_for() {
    let mut run = Run::new(MastodonTwin::mastodon(), content("Film"), vec![media("video/mp4", "a film")]);
    assert!(matches!(run.publish(), End::Done(_)));
    assert_eq!(run.calls.iter().filter(|call| call.contains("/api/v1/media/")).count(), 3);
    assert!(run.waited >= Duration::from_secs(2) && run.waited <= Duration::from_secs(10), "{:?}", run.waited);
}

#[test]
fn answers_go_below_what_they_answer() {
    for twin in flavours() {
        let mut run = Run::new(twin, content("First"), Vec::new());
        let End::Done(first) = run.publish() else { panic!() };
        let theirs =
            Content { reply_to: Some(ReplyTo::Theirs("https://far.example/@a/1".into())), ..content("To you") };
        let ours = Content { reply_to: Some(ReplyTo::Ours(PostId::new("first").unwrap())), ..content("To me") };
        // A person told only where it is.
        let told = Remote { id: first.url.clone().unwrap(), ..first.clone() };
        for (content, answers) in [(theirs, None), (ours.clone(), Some(first.clone())), (ours, Some(told))] {
            (run.done, run.scratch) = (Vec::new(), Value::Null);
            run.job = Job { answers, ..job(content, Vec::new()) };
            run.job.key = format!("{}", run.calls.len());
            assert!(matches!(run.publish(), End::Done(_)), "{:?}", run.calls);
        }
        let posts = run.twin.published();
        assert!(posts[1].answers.is_some());
        assert_eq!((posts[2].answers.as_ref(), posts[3].answers.as_ref()), (Some(&first.id), Some(&first.id)));
    }
    let gone = Content { reply_to: Some(ReplyTo::Theirs("https://far.example/missing".into())), ..content("Hm") };
    let mut run = Run::new(MastodonTwin::mastodon(), gone, Vec::new());
    assert!(matches!(run.publish(), End::Read(Reading::Refused { .. })));
    assert_eq!(run.texts(), Vec::<String>::new());
}

/// The text that servers rewrite most.
fn awkward() -> Content {
    Content {
        text: "Hello @Twin1@host.example  & <you>\r\n\r\nsee".into(),
        link: Some("https://example.org/a?b=c&d=e".into()),
        tags: vec!["Desk".into()],
        warning: Some("long  story".into()),
        visibility: Visibility::Followers,
        lang: Some("en-GB".into()),
        ..Content::default()
    }
}

#[test]
fn a_lost_reply_is_found_again_and_nothing_is_sent_twice() {
    for twin in flavours() {
        for step in ["publish-0", "publish-1"] {
            let twin = MastodonTwin::like(&twin);
            let mut run =
                Run::new(twin, Content { thread: vec!["more".into()], ..awkward() }, vec![media("image/png", "x")]);
            let lose = |name: &str| if name == step { Fault::ReplyLost } else { Fault::None };
            assert_eq!(run.go(Purpose::Publish, lose), End::Lost(step.into()));
            run.crash();
            assert!(matches!(run.look_back(), End::Read(Reading::Found(_))), "{step} {:?}", run.calls);
            assert!(matches!(run.publish(), End::Done(_)));
            assert_eq!(run.twin.published().len(), 2, "{step} {:?}", run.calls);
        }
    }
}

#[test]
fn what_never_arrived_is_seen_to_be_absent_and_then_sent() {
    for twin in flavours() {
        let mut run = Run::new(twin, Content { thread: vec!["more".into()], ..awkward() }, Vec::new());
        let lose = |name: &str| if name == "publish-1" { Fault::NeverLeft } else { Fault::None };
        assert_eq!(run.go(Purpose::Publish, lose), End::Lost("publish-1".into()));
        run.crash();
        assert!(run.surely_absent(), "{:?}", run.calls);
        assert!(matches!(run.publish(), End::Done(_)));
        assert_eq!(run.twin.published().len(), 2);
    }
}

#[test]
fn a_second_look_sees_what_has_come_since_the_first() {
    // On Mastodon the first look ends with a source, so that its scratch is that of a look under way.
    for twin in flavours() {
        let mut run = Run::new(twin, content("Other text"), Vec::new());
        assert!(matches!(run.publish(), End::Done(_)));
        run.job = job(content("Text"), Vec::new());
        (run.done, run.scratch) = (Vec::new(), Value::Null);
        assert_eq!(run.look_back(), End::Read(Reading::Absent));
        let lost = run.go(Purpose::Publish, |name| if name == "publish-0" { Fault::ReplyLost } else { Fault::None });
        assert_eq!(lost, End::Lost("publish-0".into()));
        run.now = time::after(run.now, LAG);
        assert!(matches!(run.look_back(), End::Read(Reading::Found(_))), "{:?}", run.calls);
    }
}

#[test]
fn the_same_words_in_another_delivery_are_not_taken_for_ours() {
    for twin in flavours() {
        let mut run = Run::new(twin, content("Good morning"), Vec::new());
        let End::Done(first) = run.publish() else { panic!() };
        run.job.taken = Arc::new([first.id.clone()].into());
        (run.done, run.scratch) = (Vec::new(), Value::Null);
        assert!(run.surely_absent());
        // Of two more, nobody can tell which is ours.
        run.job.taken = Arc::default();
        run.job.key = "another".into();
        assert!(matches!(run.publish(), End::Done(_)));
        (run.done, run.scratch) = (Vec::new(), Value::Null);
        assert!(matches!(run.look_back(), End::CannotTell(_)), "{:?}", run.calls);
    }
}

#[test]
fn many_later_posts_do_not_hide_ours() {
    for twin in flavours() {
        let mut run = Run::new(twin, content("Ours"), Vec::new());
        run.go(Purpose::Publish, |name| if name == "publish-0" { Fault::ReplyLost } else { Fault::None });
        let ours = run.job.clone();
        // Answers to somebody, so that they are no candidates: only the paging is looked at here.
        for number in 0..90 {
            let other = Content {
                reply_to: Some(ReplyTo::Theirs("https://far.example/1".into())),
                ..content(&format!("Other {number}"))
            };
            run.job = job(other, Vec::new());
            (run.done, run.scratch) = (Vec::new(), Value::Null);
            run.now = time::after(run.now, Duration::from_secs(20));
            assert!(matches!(run.publish(), End::Done(_)));
        }
        run.job = ours;
        (run.done, run.scratch) = (Vec::new(), Value::Null);
        let before = run.calls.len();
        assert!(matches!(run.look_back(), End::Read(Reading::Found(_))));
        assert!(run.calls.len() - before <= 5, "{:?}", &run.calls[before..]);
        run.job.content.text = "Never sent".into();
        (run.done, run.scratch) = (Vec::new(), Value::Null);
        assert_eq!(run.look_back(), End::Read(Reading::Absent));
    }
}

#[test]
fn a_list_that_does_not_fit_into_an_answer_is_read_in_small_pages() {
    let mut run = Run::new(MastodonTwin::gotosocial(), content("Ours"), Vec::new());
    run.go(Purpose::Publish, |name| if name == "publish-0" { Fault::ReplyLost } else { Fault::None });
    let ours = run.job.clone();
    for number in 0..12 {
        run.job = job(content(&format!("Other {number}")), Vec::new());
        (run.done, run.scratch) = (Vec::new(), Value::Null);
        assert!(matches!(run.publish(), End::Done(_)));
    }
    (run.job, run.done, run.scratch, run.cut_above) = (ours, Vec::new(), Value::Null, Some(8_000));
    let before = run.calls.len();
    assert!(matches!(run.look_back(), End::Read(Reading::Found(_))));
    assert_eq!(run.calls.len() - before, 5, "one that was cut, three with posts, the empty one");
}

#[test]
fn all_parts_out_is_done_whatever_is_asked() {
    let mut run = Run::new(MastodonTwin::mastodon(), content("Text"), Vec::new());
    let lost = run.go(Purpose::Publish, |name| if name == "confirm" { Fault::NeverLeft } else { Fault::None });
    assert_eq!(lost, End::Lost("confirm".into()));
    run.crash();
    let before = run.calls.len();
    assert!(matches!(run.look_back(), End::Done(_)));
    assert!(matches!(run.publish(), End::Done(_)));
    assert_eq!(run.calls.len(), before);
}

#[test]
fn a_post_that_the_server_only_pretends_to_take_is_refused() {
    let mut run = Run::new(MastodonTwin::mastodon(), content("Text"), Vec::new());
    run.twin.drop_silently(1);
    let End::Read(Reading::Refused { why }) = run.publish() else { panic!() };
    assert!(why.contains("dropped"), "{why}");
    let mut thread =
        Run::new(MastodonTwin::mastodon(), Content { thread: vec!["b".into()], ..content("a") }, Vec::new());
    thread.twin.drop_silently(1);
    let End::Read(Reading::Refused { why }) = thread.publish() else { panic!() };
    assert!(why.contains("part before it"), "{why}");
}

#[test]
fn what_servers_do_to_a_post_does_not_hide_it() {
    let mut silenced = Run::new(MastodonTwin::mastodon(), content("Text"), Vec::new());
    silenced.twin.silence();
    let wordless = Content { warning: Some("cw".into()), ..Content::default() };
    let mut wordless = Run::new(MastodonTwin::mastodon(), wordless, vec![media("image/png", "x")]);
    for run in [&mut silenced, &mut wordless] {
        run.go(Purpose::Publish, |name| if name == "publish-0" { Fault::ReplyLost } else { Fault::None });
        run.crash();
        assert!(matches!(run.look_back(), End::Read(Reading::Found(_))), "{:?}", run.calls);
    }
}

#[test]
fn keys_last_as_long_as_the_server_allows() {
    for (twin, same) in flavours().into_iter().zip([true, true, false]) {
        let mut run = Run::new(twin, content("Text"), Vec::new());
        let lose = |name: &str| if name == "publish-0" { Fault::ReplyLost } else { Fault::None };
        for _ in 0..2 {
            run.go(Purpose::Publish, lose);
            (run.done, run.scratch) = (Vec::new(), Value::Null);
        }
        run.job.attempt += 1;
        run.go(Purpose::Publish, lose);
        assert_eq!(run.keys[0], run.keys[1], "a repeat within an attempt is the same request");
        assert_eq!(run.keys[0] == run.keys[2], same);
        assert_eq!(run.keys[0].len(), 32);
        // Another remote account, another key: Pleroma's keys are shared by all.
        run.account = 1;
        run.go(Purpose::Publish, lose);
        assert!(!run.keys[..3].contains(&run.keys[3]));
    }
}

#[test]
fn another_token_is_asked_whose_it_is_before_anything_is_sent() {
    let mut run = Run::new(MastodonTwin::mastodon(), content("Text"), Vec::new());
    assert!(matches!(run.publish(), End::Done(_)));
    let first = run.session.identity.clone();
    (run.account, run.done, run.scratch) = (1, Vec::new(), Value::Null);
    let before = run.calls.len();
    assert!(matches!(run.publish(), End::Done(_)));
    assert_eq!(run.calls[before], "GET /api/v1/accounts/verify_credentials");
    assert_ne!(run.session.identity, first);
}

#[test]
fn a_repeat_that_mastodon_answers_with_500_is_found() {
    let mut run = Run::new(MastodonTwin::mastodon().with_duplicate_fault(), content("Text"), Vec::new());
    run.go(Purpose::Publish, |name| if name == "publish-0" { Fault::ReplyLost } else { Fault::None });
    assert!(matches!(run.publish(), End::Read(Reading::Unclear { .. })));
    assert!(matches!(run.look_back(), End::Read(Reading::Found(_))));
    assert_eq!(run.texts(), ["Text"]);
}

#[test]
fn media_that_are_attached_already_prove_the_first_attempt() {
    for twin in [MastodonTwin::mastodon(), MastodonTwin::gotosocial()] {
        let mut run = Run::new(twin, content("Text"), vec![media("image/png", "x")]);
        run.go(Purpose::Publish, |name| if name == "publish-0" { Fault::ReplyLost } else { Fault::None });
        run.now = time::after(run.now, Duration::from_secs(2 * 3600));
        let end = run.publish();
        assert!(matches!(end, End::Read(Reading::AlreadyThere { .. })), "{end:?}");
        assert!(matches!(run.look_back(), End::Read(Reading::Found(_))));
    }
}

#[test]
fn throttling_and_revocation_are_told_apart() {
    for twin in flavours() {
        let mut run = Run::new(twin, content("Text"), Vec::new());
        let until = time::after(run.now, Duration::from_secs(60));
        run.twin.throttle(until);
        let End::Read(Reading::RateLimited { until: told, .. }) = run.publish() else { panic!("{:?}", run.calls) };
        assert!(told >= until);
        run.now = told;
        run.twin.set_revoked(true);
        assert!(matches!(run.publish(), End::Read(Reading::Auth { .. })));
        run.twin.set_revoked(false);
        assert!(matches!(run.publish(), End::Done(_)));
    }
}

#[test]
fn the_allowance_is_passed_on() {
    let mut run = Run::new(MastodonTwin::mastodon(), content("Text"), Vec::new());
    let Next::Call(step) = run.adapter.next(&Attempt {
        job: &run.job,
        purpose: Purpose::Publish,
        done: &[],
        scratch: &Value::Null,
        session: &Session::default(),
        secrets: &run.twin.secrets(0),
        now: run.now,
    }) else {
        panic!()
    };
    let reply = run.twin.answer(&step.call, run.now);
    assert_eq!(run.adapter.pace(&reply, run.now), Some(Pace { remaining: 299, reset: at("2026-11-22T12:05:00Z") }));
}

#[test]
fn what_the_server_would_refuse_is_refused_before_anything_is_sent() {
    let big = Media { size: Some((10_000, 10_000)), ..media("image/png", "x") };
    let table = [
        (Content { thread: vec!["y".repeat(501)], ..content("x") }, vec![], "501 characters"),
        (content("x"), vec![media("image/png", "x"); 5], "5 media files"),
        (content("x"), vec![media("image/tiff", "x")], "image/tiff"),
        (content("x"), vec![big], "pixels"),
        (content("x"), vec![media("image/png", &"x".repeat(1501))], "1501"),
        (content("  \n"), vec![], "no text"),
    ];
    for (content, files, expected) in table {
        let mut run = Run::new(MastodonTwin::mastodon(), content, files);
        let End::Refuse(why) = run.publish() else { panic!("{expected}: {:?}", run.calls) };
        assert!(why.contains(expected), "{why}");
        assert!(run.calls.iter().all(|call| call.starts_with("GET")));
    }
    // The same text is short enough elsewhere.
    let mut run = Run::new(MastodonTwin::gotosocial(), content(&"y".repeat(501)), Vec::new());
    assert!(matches!(run.publish(), End::Done(_)));
}

#[test]
fn limits_are_read_again_after_a_day() {
    let mut run = Run::new(MastodonTwin::mastodon(), content("a"), Vec::new());
    run.publish();
    run.now = time::after(run.now, Duration::from_secs(25 * 3600));
    run.job = Job { started: run.now, ..job(content("b"), Vec::new()) };
    (run.done, run.scratch) = (Vec::new(), Value::Null);
    let before = run.calls.len();
    assert!(matches!(run.publish(), End::Done(_)));
    assert_eq!(run.calls[before], "GET /api/v2/instance");
}

#[test]
fn what_is_sent_is_what_was_approved() {
    let mut run = Run::new(MastodonTwin::gotosocial(), awkward(), vec![media("image/png", "Zwei Bildschirme")]);
    let mut posts = Vec::new();
    let secrets = run.twin.secrets(0);
    run.go(Purpose::Publish, |name| if name == "publish-0" { Fault::NeverLeft } else { Fault::None });
    let Next::Call(step) = run.adapter.next(&Attempt {
        job: &run.job,
        purpose: Purpose::Publish,
        done: &run.done,
        scratch: &run.scratch,
        session: &run.session,
        secrets: &secrets,
        now: run.now,
    }) else {
        panic!()
    };
    if let Call::Http(request) = &step.call {
        posts.push(request.clone());
    }
    let Request { method, headers, body: Body { mime, .. }, .. } = &posts[0];
    assert_eq!((*method, mime.as_deref()), (Method::Post, Some("application/json")));
    assert!(matches!(&headers[0], ("Authorization", HeaderValue::Secret { prefix: "Bearer ", .. })));
    let sent: Value = serde_json::from_slice(&posts[0].body.concat()).unwrap();
    let expected = json!({
        "status": "Hello @Twin1@host.example  & <you>\r\n\r\nsee\nhttps://example.org/a?b=c&d=e\n#Desk",
        "visibility": "private",
        "spoiler_text": "long  story",
        "sensitive": true,
        "language": "en-GB",
        "media_ids": [run.done[0].data["id"]],
        "content_type": "text/plain",
    });
    assert_eq!(sent, expected);
    assert!(!format!("{step:?}").contains("twin-token"), "a secret must not be printed");
}

#[test]
fn objections_name_the_key_and_wait_for_knowledge() {
    let adapter = adapter();
    let keys = |content: &Content| -> Vec<String> {
        adapter.check(content, &Session::default()).into_iter().map(|complaint| complaint.key).collect()
    };
    assert_eq!(keys(&content(&"x".repeat(5_000))), Vec::<String>::new());
    assert_eq!(keys(&content("")), ["text"]);
    assert_eq!(keys(&Content { thread: vec![" ".into()], ..content("x") }), ["thread"]);
    let reply_to = Some(ReplyTo::Theirs("at://did:plc:a/app.bsky.feed.post/1".into()));
    assert_eq!(keys(&Content { reply_to, ..content("x") }), ["reply_to"]);
}

#[test]
fn the_account_table_is_read_and_complained_about_at_once() {
    let build = |text: &str| {
        let mut table = Table::new(AccountId::new("fedi").unwrap(), text.parse().unwrap(), "/etc/cadenced".into());
        let adapter = build(&mut table);
        (adapter, table.into_complaints().into_iter().map(|complaint| complaint.key).collect::<Vec<_>>())
    };
    let (adapter, complaints) = build("base_url = \"https://host.example/\"\ntoken = { credential = \"t\" }");
    assert_eq!((adapter.unwrap().place().as_str(), complaints.len()), ("host.example, token from credential t", 0));
    let (adapter, complaints) = build("base_url = \"http://host.example\"\ntoken = \"abc\"");
    assert_eq!((adapter.is_none(), complaints), (true, vec!["base_url".to_owned(), "token".to_owned()]));
    assert_eq!(build("").1, ["base_url", "token"]);
}

#[test]
fn the_imitation_wants_a_user_agent_where_it_can_have_one() {
    let mut twin = MastodonTwin::gotosocial().needing_user_agent();
    let token = Secret::new("twin-token-0");
    let base: Url = "https://host.example".parse().unwrap();
    let mut request = Wire { base: &base, token: &token }.verify_credentials();
    let mut status = |request: &Request| match twin.answer(&Call::Http(request.clone()), at(NOW)) {
        Reply::Http(reply) => reply.status,
        _ => 0,
    };
    assert_eq!(status(&request), 418);
    request.headers.push(("User-Agent", HeaderValue::Plain("cadenced".into())));
    assert_eq!(status(&request), 200);
}

#[test]
fn the_imitations_differ_in_what_a_repeated_key_does() {
    let repeat = |twin: MastodonTwin, text: &str| {
        let mut run = Run::new(twin, content(text), Vec::new());
        let lose = |name: &str| if name == "publish-0" { Fault::ReplyLost } else { Fault::None };
        run.go(Purpose::Publish, lose);
        run.go(Purpose::Publish, lose);
        run.twin.published().len()
    };
    assert_eq!(repeat(MastodonTwin::mastodon(), "a"), 1);
    assert_eq!(repeat(MastodonTwin::gotosocial(), "a"), 2);
    assert_eq!(repeat(MastodonTwin::pleroma(), "a"), 1);
}

proptest::proptest! {
    /// Whatever comes back: no panic, nothing unclear becomes a refusal or a repeat, and no secret is told.
    #[test]
    fn hostile_replies_are_survived(
        status in 100u16..600,
        step in proptest::sample::select(vec!["publish-0", "upload-0", "media-0", "instance", "instance-v1", "nodeinfo", "identity", "parent", "confirm", "look-0-0", "look-0-1", "source-0-1"]),
        body in "(\\{|\\}|\\[|\\]|\"|,|:|null|1e999|\"(id|error|account|text|url)\":|fixture-token|\\PC){0,40}",
        wait in "\\PC{0,12}",
        cut in proptest::bool::ANY,
    ) {
        let raw = Raw {
            status,
            headers: [("retry-after".to_owned(), wait.clone()), ("x-ratelimit-remaining".to_owned(), "0".into()), ("x-ratelimit-reset".to_owned(), wait.clone()), ("date".to_owned(), wait)].into(),
            json: None,
            text: Some(body),
            cut,
        };
        let given = Given { uploads: 1, ..Given::default() };
        let fixture = Fixture { about: String::new(), step: step.into(), given, reply: raw, reading: String::new(), holds: Vec::new() };
        let reading = meaning(&fixture);
        let shown = format!("{reading:?}");
        proptest::prop_assert!(!shown.contains("fixture-token"));
        if step == "publish-0" && (status < 400 || status == 408 || (500..600).contains(&status)) {
            proptest::prop_assert!(matches!(name(&reading), "unclear" | "checkpoint" | "rate-limited"), "{:?}", reading);
        }
    }
}
