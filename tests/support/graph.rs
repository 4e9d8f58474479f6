//! Every request that an adapter for one of Meta's Graph APIs makes, for comparison with what is published of them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cadenced::domain::time::after;
use cadenced::domain::{AccountId, Content, DeliveryId, Digest, MediaItem, PostId, Timestamp};
use cadenced::platform::contract::{
    Adapter, Attempt, Call, Effect, Entry, HttpReply, Job, Media, Next, Purpose, Reading, Reply, Request, Session,
    Step, Table,
};
use serde_json::Value;

use super::drive::{Drive, Wire};

/// A reference file below `../shared/specs`, or `$CADENCED_SHARED/specs`; or nothing and a word about it.
#[expect(clippy::disallowed_macros, reason = "a test that checks nothing must say so")]
pub fn shared(path: &str) -> Option<String> {
    let root = std::env::var_os("CADENCED_SHARED").map(PathBuf::from);
    let root = root.unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared")));
    let path = root.join("specs").join(path);
    let text = std::fs::read_to_string(&path).ok();
    if text.is_none() {
        eprintln!("SKIPPED: {} is not there", path.display());
    }
    text
}

pub fn now() -> Timestamp {
    "2026-12-01T08:00:00Z".parse().expect("a moment")
}

pub fn adapter(entry: &Entry, more: &str) -> Arc<dyn Adapter> {
    let mut values = (entry.twin)().table(0, "https://graph.example", "/");
    values.extend(more.parse::<toml::Table>().expect("a table"));
    let mut table = Table::new(AccountId::new("brand").expect("an id"), values, "/".into());
    let adapter = (entry.build)(&mut table);
    assert_eq!(table.into_complaints(), []);
    adapter.expect("there are no complaints")
}

pub fn picture(shade: u8) -> Media {
    media("image/jpeg", &[shade])
}

pub fn film() -> Media {
    media("video/mp4", b"film")
}

fn media(mime: &str, bytes: &[u8]) -> Media {
    let item = MediaItem { file: "a.bin".into(), alt: "a desk".into(), sha256: Digest::of(bytes), facts: None };
    Media { item, mime: mime.into(), size: Some((100, 100)), bytes: bytes.into() }
}

pub fn job(adapter: &dyn Adapter, content: Content, media: Vec<Media>) -> Job {
    let content = Content { media: media.iter().map(|media| media.item.clone()).collect(), ..content };
    let digest = Digest::of(format!("{content:?}").as_bytes());
    Job {
        delivery: DeliveryId::new(PostId::new("a-post").expect("an id"), AccountId::new("brand").expect("an id")),
        attempt: 1,
        key: digest.hex()[..32].into(),
        digest,
        frozen: adapter.freeze(&content, now(), 7),
        content,
        media,
        started: now(),
        answers: None,
        taken: Arc::default(),
    }
}

/// Publishes a post, loses the answer to each publishing call in turn, and to none, and looks for it; tells every request.
pub fn requests(entry: &Entry, content: &Content, media: &[Media]) -> Vec<(String, Request)> {
    requests_with("", entry, content, media)
}

/// The same on an account with these keys, too.
pub fn requests_with(keys: &str, entry: &Entry, content: &Content, media: &[Media]) -> Vec<(String, Request)> {
    let mut requests = Vec::new();
    let mut keep = |step: &Step| {
        if let Call::Http(request) = &step.call {
            requests.push((step.name.clone(), request.clone()));
        }
    };
    for lost in 0..content.thread.len() + 2 {
        let mut twin = (entry.twin)();
        let adapter = adapter(entry, keys);
        let job = job(&*adapter, content.clone(), media.to_vec());
        let mut drive = Drive::new(&*adapter, &mut *twin, &job);
        let mut publications = 0;
        drive.attempt_in(Purpose::Publish, &mut |step, _| {
            keep(step);
            publications += usize::from(step.effect == Effect::Publishes);
            if step.effect == Effect::Publishes && publications == lost + 1 { Wire::ReplyLost } else { Wire::Whole }
        });
        drive.now = after(drive.now, Duration::from_secs(600));
        drive.attempt_in(Purpose::LookBack, &mut |step, _| {
            keep(step);
            Wire::Whole
        });
        drive.attempt_in(Purpose::Publish, &mut |step, _| {
            keep(step);
            Wire::Whole
        });
    }
    requests
}

/// What is given with a request, in its address or as a form.
pub fn parameters(request: &Request) -> BTreeMap<String, String> {
    let url = request.exposed_url().unwrap_or_else(|_| request.url.clone());
    let mut all: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
    if request.body.mime.as_deref() == Some("application/x-www-form-urlencoded") {
        all.extend(url::form_urlencoded::parse(&request.body.concat()).into_owned());
    }
    all
}

/// What the adapter makes of a published example of a reply to the step called `name`.
pub fn reading(adapter: &dyn Adapter, entry: &Entry, name: &str, effect: Effect, example: &Value) -> Reading {
    let twin = (entry.twin)();
    let (job, secrets) =
        (job(adapter, Content { text: "x".into(), ..Content::default() }, vec![picture(1)]), twin.secrets(0));
    let session = Session::default();
    let attempt = Attempt {
        job: &job,
        purpose: Purpose::Publish,
        done: &[],
        scratch: &Value::Null,
        session: &session,
        secrets: &secrets,
        now: now(),
    };
    let Next::Call(any) = adapter.next(&attempt) else { panic!("there is nothing to ask") };
    let step = Step { name: name.into(), effect, call: any.call };
    adapter.read(&attempt, &step, &Reply::Http(HttpReply::json(200, example)))
}
