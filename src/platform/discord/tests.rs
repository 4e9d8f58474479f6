//! Replies one by one, and what is special here: whose webhook it is, where its token stands, and that nobody is pinged.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::twin::DiscordTwin;
use super::*;
use crate::domain::{AccountId, Checkpoint, DeliveryId, Digest, MediaFacts, MediaItem, PostId, Secret};
use crate::platform::contract::{HttpReply, Media, Request, Secrets, Twin, cases};

const ADDRESS: &str = "https://discord.com/api/webhooks/1200000000000000000/twin-hook-0";

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn build_with(change: impl FnOnce(&mut toml::Table)) -> Result<Arc<dyn Adapter>, Vec<Complaint>> {
    let mut values = DiscordTwin::default().table(0, "http://127.0.0.1:1/", "");
    change(&mut values);
    let mut table = Table::new(AccountId::new("guild").unwrap(), values, "/".into());
    (ENTRY.build)(&mut table).ok_or_else(|| table.into_complaints())
}

fn adapter() -> Arc<dyn Adapter> {
    build_with(|_| {}).unwrap()
}

fn content(text: &str) -> Content {
    Content { text: text.into(), ..Content::default() }
}

fn media(mime: &'static str, alt: &str) -> Media {
    let bytes: Arc<[u8]> = b"\x89PNG bytes".as_slice().into();
    let facts = MediaFacts { mime, bytes: bytes.len() as u64, size: Some((4, 3)), duration: None };
    let facts = Some(Arc::new(facts));
    let item = MediaItem { file: "a.bin".into(), alt: alt.into(), sha256: Digest::of(&bytes), facts };
    Media { item, mime: mime.into(), size: Some((4, 3)), bytes }
}

fn job(content: Content, media: Vec<Media>) -> Job {
    let digest = Digest::of(format!("{content:?}").as_bytes());
    Job {
        delivery: DeliveryId::new(PostId::new("a-post").unwrap(), AccountId::new("guild").unwrap()),
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

/// What a session knows once the webhook has told its channel.
fn met() -> Session {
    let known = Known {
        id: "1200000000000000000".into(),
        channel: "1300000000000000000".into(),
        guild: Some("1100000000000000000".into()),
    };
    let values = [(WEBHOOK.to_owned(), json!(known))].into();
    Session { values, identity: Some("1300000000000000000".into()), kept: None }
}

fn with<T>(job: &Job, session: &Session, secret: &str, act: impl FnOnce(&Attempt<'_>) -> T) -> T {
    let secrets = Secrets([(WEBHOOK.to_owned(), Secret::new(secret))].into());
    let scratch = Value::Null;
    let purpose = Purpose::Publish;
    act(&Attempt { job, purpose, done: &[], scratch: &scratch, session, secrets: &secrets, now: now() })
}

/// The whole of a delivery against the imitation: how it ended, and the requests that were made.
fn deliver(adapter: &dyn Adapter, job: &Job) -> (Result<Remote, Reading>, Vec<Request>) {
    let mut twin = DiscordTwin::default();
    let secrets = Secrets([(WEBHOOK.to_owned(), Secret::new(ADDRESS))].into());
    let (mut session, mut done, mut requests) = (Session::default(), Vec::new(), Vec::new());
    for _ in 0..20 {
        let scratch = Value::Null;
        let purpose = Purpose::Publish;
        let attempt =
            Attempt { job, purpose, done: &done, scratch: &scratch, session: &session, secrets: &secrets, now: now() };
        let step = match adapter.next(&attempt) {
            Next::Call(step) => step,
            Next::Done(remote) => return (Ok(remote), requests),
            Next::Refuse(why) => return (Err(Reading::Refused { why }), requests),
            other => panic!("{other:?}"),
        };
        let Call::Http(request) = &step.call else { panic!("not HTTP") };
        requests.push(request.clone());
        let reply = twin.answer(&step.call, now());
        match adapter.read(&attempt, &step, &reply) {
            Reading::Session(new) => session = new,
            Reading::Checkpoint(data) => done.push(Checkpoint { step: step.name, data }),
            other => return (Err(other), requests),
        }
    }
    panic!("no end")
}

#[test]
fn every_class_of_reply_means_what_its_file_says() {
    let read = |name: &'static str, effect| {
        move |reply: &HttpReply| {
            let hook = Hook::parse(ADDRESS).unwrap();
            let base = wire::PUBLIC.parse().unwrap();
            let call = Call::Http(Wire { base: &base, hook: &hook, thread: None }.webhook());
            let step = Step { name: name.into(), effect, call };
            let reply = Reply::Http(reply.clone());
            with(&job(content("Text"), vec![]), &met(), ADDRESS, |attempt| adapter().read(attempt, &step, &reply))
        }
    };
    let seen = cases::check(include_str!("fixtures/publish.json"), "twin-hook-0", read("publish-0", Effect::Publishes));
    assert_eq!(seen, BTreeSet::from(["checkpoint", "unclear", "refused", "auth", "rate-limited", "retry"]));
    let seen = cases::check(include_str!("fixtures/webhook.json"), "twin-hook-0", read(WEBHOOK, Effect::Harmless));
    assert_eq!(seen, BTreeSet::from(["session", "auth", "rate-limited", "retry"]));
}

#[test]
fn the_address_is_a_secret_and_its_token_stands_nowhere_to_be_read() {
    let post = Content { thread: vec!["more".into()], ..content("Text") };
    let (end, requests) = deliver(&*adapter(), &job(post, vec![media("image/png", "what it shows")]));
    assert!(end.is_ok(), "{end:?}");
    assert_eq!(requests.len(), 3);
    for request in &requests {
        let whole = request.exposed_url().unwrap();
        assert_eq!(whole.path(), "/webhooks/1200000000000000000/twin-hook-0");
        let body = String::from_utf8_lossy(&request.body.concat()).into_owned();
        let shown = format!("{request:?} {} {body}", request.url);
        assert!(!shown.contains("twin-hook"), "{shown}");
    }
    for address in ["https://evil.example/api/webhooks/1/x", "1/../x", "nothing"] {
        let next = with(&job(content("Text"), vec![]), &met(), address, |attempt| adapter().next(attempt));
        assert!(matches!(&next, Next::Auth(why) if !why.contains("evil")), "{next:?}");
    }
    // Another webhook is asked for its channel before it is written to.
    let next = with(&job(content("Text"), vec![]), &met(), "7/x", |attempt| adapter().next(attempt));
    assert!(matches!(&next, Next::Call(step) if step.name == WEBHOOK), "{next:?}");
}

#[test]
fn a_message_pings_nobody_and_is_waited_for() {
    let files = vec![media("image/png", "what it shows"), media("application/pdf", "")];
    for (files, adapter) in [(vec![], adapter()), (files, build_with(in_a_thread).unwrap())] {
        let (end, requests) = deliver(&*adapter, &job(content("Hello @everyone"), files.clone()));
        let remote = end.unwrap();
        let request = requests.last().unwrap();
        assert!(request.url.query().unwrap().starts_with("wait=true"), "{}", request.url);
        let message: Value = match request.body.parts() {
            None => serde_json::from_slice(&request.body.concat()).unwrap(),
            Some(parts) => {
                let names: Vec<_> = parts.iter().map(|part| (part.name.as_str(), part.file.as_deref())).collect();
                let expected =
                    [("payload_json", None), ("files[0]", Some("media.png")), ("files[1]", Some("media.pdf"))];
                assert_eq!(names, expected);
                serde_json::from_slice(&parts[0].bytes).unwrap()
            }
        };
        assert_eq!(message["allowed_mentions"], json!({"parse": []}));
        assert_eq!(message["content"], "Hello @everyone");
        if files.is_empty() {
            assert_eq!(request.url.query(), Some("wait=true"));
            continue;
        }
        let attachments = json!([
            {"id": "0", "filename": "media.png", "description": "what it shows"},
            {"id": "1", "filename": "media.pdf"},
        ]);
        assert_eq!(message["attachments"], attachments);
        assert_eq!(request.url.query(), Some("wait=true&thread_id=1500000000000000000"));
        assert!(remote.url.unwrap().contains("/1500000000000000000/"), "the page is in the thread");
    }
}

fn in_a_thread(table: &mut toml::Table) {
    table.insert("thread".into(), "1500000000000000000".into());
}

#[test]
fn limits_are_known_ahead_and_held_to_when_it_is_sent() {
    let long = |characters: usize| "\u{1f600}".repeat(characters);
    for (content, files) in [(content(&long(2000)), vec![]), (content(""), vec![media("image/png", &long(1024))])] {
        let job = job(content, files);
        assert_eq!(adapter().check(&job.content, &Session::default()), []);
        let (end, _) = deliver(&*adapter(), &job);
        assert!(end.is_ok(), "{end:?}");
    }
    let with_link = Content { link: Some("https://example.org/a".into()), ..content(&long(2000)) };
    let with_part = |text: String| Content { thread: vec![text], ..content("Text") };
    let wrong = [
        (content(&long(2001)), vec![], "text"),
        (with_link, vec![], "text"),
        (content(" "), vec![], "text"),
        (with_part(long(2001)), vec![], "thread"),
        (with_part(" ".into()), vec![media("image/png", "")], "thread"),
        (content("Text"), vec![media("image/png", &long(1025))], "media"),
    ];
    for (content, files, key) in wrong {
        let job = job(content, files);
        let keys: Vec<_> = adapter().check(&job.content, &Session::default()).into_iter().map(|c| c.key).collect();
        assert_eq!(keys, [key]);
        let (end, requests) = deliver(&*adapter(), &job);
        assert!(matches!(end, Err(Reading::Refused { .. })), "{end:?}");
        assert_eq!(requests.len(), 1, "nothing of it is sent");
    }
    let facts = |bytes| MediaFacts { mime: "video/mp4", bytes, size: None, duration: None };
    let mut large = job(content("Text"), vec![media("video/mp4", ""), media("video/mp4", "")]).content;
    for (bytes, complaints) in [(REQUEST_BYTES / 2, 0), (REQUEST_BYTES / 2 + 1, 1)] {
        large.media.iter_mut().for_each(|item| item.facts = Some(Arc::new(facts(bytes))));
        assert_eq!(adapter().check(&large, &Session::default()).len(), complaints);
    }
}

#[test]
fn a_table_says_what_is_wrong_with_it() {
    let keys = |change: fn(&mut toml::Table)| -> Vec<String> {
        build_with(change).unwrap_err().into_iter().map(|complaint| complaint.key).collect()
    };
    assert_eq!(keys(|table| drop(table.insert("thread".into(), "general".into()))), ["thread"]);
    assert_eq!(keys(|table| drop(table.insert("webhook".into(), ADDRESS.into()))), ["webhook"]);
    let public = build_with(|table| drop(table.remove("base_url"))).unwrap();
    assert_eq!(public.host(), "discord.com");
    assert_ne!(public.place(), build_with(in_a_thread).unwrap().place());
}
