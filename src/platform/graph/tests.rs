//! What the tests of both services share: replies one by one, as a table of files, and whole deliveries against the
//! imitation.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::progress::{Left, data};
use crate::domain::{
    AccountId, Checkpoint, Content, DeliveryId, Digest, JsonText, MediaItem, PostId, Remote, ReplyTo, Secret,
    Timestamp, time,
};
use crate::platform::contract::{
    Adapter, Attempt, Call, Effect, Entry, HttpReply, Job, Media, Next, Purpose, Reading, Reply, Secrets, Session,
    Step, Table, Twin,
};

pub const NOW: &str = "2026-11-22T12:00:00Z";

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn content(text: &str) -> Content {
    Content { text: text.into(), ..Content::default() }
}

pub fn media(mime: &str, bytes: &[u8]) -> Media {
    let bytes: Arc<[u8]> = bytes.into();
    let item = MediaItem { file: "a.bin".into(), alt: "a desk".into(), sha256: Digest::of(&bytes), facts: None };
    Media { item, mime: mime.into(), size: Some((100, 100)), bytes }
}

pub fn job(adapter: &dyn Adapter, content: Content, media: Vec<Media>) -> Job {
    let content = Content { media: media.iter().map(|media| media.item.clone()).collect(), ..content };
    let digest = Digest::of(format!("{content:?}").as_bytes());
    Job {
        delivery: DeliveryId::new(PostId::new("a-post").unwrap(), AccountId::new("brand").unwrap()),
        attempt: 1,
        key: digest.hex()[..32].into(),
        digest,
        frozen: adapter.freeze(&content, at(NOW), 7),
        content,
        media,
        started: at(NOW),
        answers: None,
        taken: Arc::default(),
    }
}

/// The adapter of a table, and the keys that are complained about.
pub fn build(entry: &Entry, values: toml::Table) -> (Option<Arc<dyn Adapter>>, Vec<String>) {
    let mut table = Table::new(AccountId::new("brand").unwrap(), values, "/etc/cadenced".into());
    let adapter = (entry.build)(&mut table);
    (adapter, table.into_complaints().into_iter().map(|complaint| complaint.key).collect())
}

pub fn name(reading: &Reading) -> &'static str {
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
    look_back: bool,
    attempt: Option<u32>,
    /// Pictures; those of them that are items already.
    media: usize,
    items: usize,
    /// Further parts, containers that were made, parts that are published.
    thread: usize,
    containers: usize,
    posts: usize,
    /// How long ago the containers were made.
    age_s: u64,
    answers: Option<String>,
    taken: BTreeSet<String>,
    /// A token from a refresh is in use.
    refreshed: bool,
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
}

impl Raw {
    fn reply(&self) -> Reply {
        let body = self.json.as_ref().map(Value::to_string).or_else(|| self.text.clone()).expect("json or text");
        let headers = self.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
        Reply::Http(HttpReply { status: self.status, headers, body: body.into_bytes(), cut: false })
    }
}

/// Reads every file of `folder` as its adapter reads it, and tells the readings of publishing that there were.
pub fn fixtures(folder: &str, adapter: &dyn Adapter) -> BTreeSet<String> {
    let (mut seen, mut wrong) = (BTreeSet::new(), Vec::new());
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let fixture: Fixture = serde_json::from_slice(&std::fs::read(&path).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let reading = meaning(&fixture, adapter);
        seen.insert(format!("{} {}", fixture.step.split('-').next().unwrap(), name(&reading)));
        let shown = format!("{reading:?}");
        let lacks: Vec<_> = fixture.holds.iter().filter(|part| !shown.contains(part.as_str())).collect();
        if name(&reading) != fixture.reading || !lacks.is_empty() {
            wrong.push(format!("{} ({}): {shown} lacks {lacks:?}", path.display(), fixture.about));
        }
        assert!(!shown.contains("fixture-token"), "{}: {shown}", path.display());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    seen
}

fn meaning(fixture: &Fixture, adapter: &dyn Adapter) -> Reading {
    let given = &fixture.given;
    let files = (0..given.media).map(|_| media("image/jpeg", b"x")).collect();
    let mut job = job(adapter, content("Text"), files);
    job.attempt = given.attempt.unwrap_or(1);
    job.content.thread = (0..given.thread).map(|part| format!("part {}", part + 1)).collect();
    job.taken = Arc::new(given.taken.clone());
    if let Some(id) = &given.answers {
        job.content.reply_to = Some(ReplyTo::Ours(PostId::new("earlier").unwrap()));
        job.answers = Some(Remote { id: id.clone(), url: None, reference: JsonText::default() });
    }
    let made = time::before(at(NOW), Duration::from_secs(given.age_s));
    let items = (0..given.items).map(|item| Left::Item { item, id: format!("179{item}"), at: made });
    let containers =
        (0..given.containers).map(|part| Left::Container { part, id: format!("178{part}"), at: made, attempt: 1 });
    let posts = (0..given.posts).map(|part| Left::Posted { part, id: format!("180{part}"), url: None, attempt: 1 });
    let all = items.chain(containers).chain(posts);
    let done: Vec<_> = all.map(|left| Checkpoint { step: "a-step".into(), data: data(&left) }).collect();
    let secrets = Secrets([("token".to_owned(), Secret::new("fixture-token"))].into());
    let session = session(adapter, &job, &secrets, given.refreshed);
    let purpose = if given.look_back { Purpose::LookBack } else { Purpose::Publish };
    let (scratch, now) = (&given.scratch, at(NOW));
    let attempt = Attempt { job: &job, purpose, done: &done, scratch, session: &session, secrets: &secrets, now };
    let effect = match fixture.step.split('-').next().unwrap() {
        "publish" => Effect::Publishes,
        "item" | "container" | "bytes" | "address" => Effect::Leaves,
        _ => Effect::Harmless,
    };
    let Next::Call(any) = adapter.next(&Attempt { done: &[], session: &Session::default(), ..attempt }) else {
        panic!()
    };
    let step = Step { name: fixture.step.clone(), effect, call: any.call };
    adapter.read(&attempt, &step, &fixture.reply.reply())
}

/// The session of an account that was asked who it is, and whose token was refreshed if that is wanted.
fn session(adapter: &dyn Adapter, job: &Job, secrets: &Secrets, refreshed: bool) -> Session {
    let mut session = Session::default();
    let told = [
        ("refresh", json!({"access_token": "fixture-token-fresh", "token_type": "bearer", "expires_in": 5_184_000})),
        ("identity", json!({"id": "17841400000000001", "user_id": "17841400000000001", "username": "brand"})),
    ];
    for (name, value) in told.into_iter().skip(usize::from(!refreshed)) {
        let attempt = Attempt {
            job,
            purpose: Purpose::Publish,
            done: &[],
            scratch: &Value::Null,
            session: &session,
            secrets,
            now: at(NOW),
        };
        let Next::Call(any) = adapter.next(&attempt) else { panic!("nothing to ask") };
        let step = Step { name: name.into(), effect: Effect::Harmless, call: any.call };
        let Reading::Session(new) = adapter.read(&attempt, &step, &Reply::Http(HttpReply::json(200, &value))) else {
            panic!("{name} tells nothing")
        };
        session = new;
    }
    session
}

/// One delivery against an imitation, carried out as `deliver` does it, but without a ledger.
pub struct Run<T: Twin> {
    pub adapter: Arc<dyn Adapter>,
    pub twin: T,
    pub job: Job,
    pub secrets: Secrets,
    pub session: Session,
    pub done: Vec<Checkpoint>,
    pub now: Timestamp,
    /// Names of the steps that were asked for, and what they sent.
    pub steps: Vec<Step>,
    pub waited: Duration,
}

/// How a run ends.
#[derive(Debug, PartialEq)]
pub enum End {
    Done(Remote),
    Refuse(String),
    Auth(String),
    CannotTell(String),
    Read(Reading),
    Lost(String),
}

impl<T: Twin> Run<T> {
    pub fn new(entry: &Entry, twin: T, content: Content, media: Vec<Media>) -> Self {
        let (adapter, complaints) = build(entry, twin.table(0, "https://graph.example", "/"));
        assert_eq!(complaints, Vec::<String>::new());
        let adapter = adapter.unwrap();
        let (job, secrets) = (job(&*adapter, content, media), twin.secrets(0));
        Self {
            adapter,
            twin,
            job,
            secrets,
            session: Session::default(),
            done: Vec::new(),
            now: at(NOW),
            steps: Vec::new(),
            waited: Duration::ZERO,
        }
    }

    pub fn publish(&mut self) -> End {
        self.go(Purpose::Publish, "")
    }

    pub fn look_back(&mut self) -> End {
        self.go(Purpose::LookBack, "")
    }

    /// Until it ends, or the reply to the step called `lost` is lost.
    pub fn go(&mut self, purpose: Purpose, lost: &str) -> End {
        let mut scratch = Value::Null;
        for _ in 0..300 {
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
                Next::Refuse(why) => return End::Refuse(why),
                Next::Auth(why) => return End::Auth(why),
                Next::CannotTell(why) => return End::CannotTell(why),
            };
            self.steps.push(step.clone());
            let reply = self.twin.answer(&step.call, self.now);
            if step.name == lost {
                return End::Lost(step.name);
            }
            self.now = time::after(self.now, Duration::from_millis(100));
            match self.adapter.read(&Attempt { now: self.now, ..attempt }, &step, &reply) {
                Reading::Learned(value) => scratch = value,
                Reading::Session(mut session) => {
                    session.kept = session.kept.or_else(|| self.session.kept.take());
                    self.session = session;
                }
                Reading::Checkpoint(data) => self.done.push(Checkpoint { step: step.name, data }),
                Reading::Found(data) => {
                    self.done.push(Checkpoint { step: step.name, data: data.clone() });
                    return End::Read(Reading::Found(data));
                }
                Reading::Wait(span) => {
                    self.waited += span;
                    self.now = time::after(self.now, span);
                }
                Reading::Redo { .. } => self.done.retain(|checkpoint| checkpoint.step.starts_with("publish-")),
                other => return End::Read(other),
            }
        }
        panic!("the attempt does not end: {:?}", self.names());
    }

    pub fn names(&self) -> Vec<&str> {
        self.steps.iter().map(|step| step.name.as_str()).collect()
    }

    pub fn count(&self, name: &str) -> usize {
        self.steps.iter().filter(|step| step.name == name).count()
    }

    /// What the step called `name` sent last, as a form.
    pub fn form(&self, name: &str) -> BTreeMap<String, String> {
        let step = self.steps.iter().rev().find(|step| step.name == name).expect("it was asked for");
        let Call::Http(request) = &step.call else { panic!("not HTTP") };
        url::form_urlencoded::parse(&request.body.concat()).into_owned().collect()
    }

    pub fn texts(&self) -> Vec<String> {
        self.twin.published().into_iter().map(|post| post.text).collect()
    }
}
