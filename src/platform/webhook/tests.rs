//! Replies one by one, what a receiver is given, and what the two kinds of receivers make of a repeat.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::twin::Receiver;
use super::*;
use crate::domain::{AccountId, Checkpoint, DeliveryId, Digest, MediaItem, PostId, Secret, Visibility, time};
use crate::platform::contract::{HttpReply, Media, Secrets, Twin, cases};

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn build_with(change: impl FnOnce(&mut toml::Table)) -> Result<Arc<dyn Adapter>, Vec<Complaint>> {
    let mut values = Receiver::repeatable().table(0, "http://127.0.0.1:1/", "");
    change(&mut values);
    let mut table = Table::new(AccountId::new("hook").unwrap(), values, "/".into());
    (ENTRY.build)(&mut table).ok_or_else(|| table.into_complaints())
}

fn adapter(repeatable: bool) -> Arc<dyn Adapter> {
    build_with(|table| drop(table.insert("repeatable".into(), repeatable.into()))).unwrap()
}

fn media(bytes: &[u8]) -> Media {
    let item = MediaItem {
        file: "plan of 2027.png".into(),
        alt: "what it shows".into(),
        sha256: Digest::of(bytes),
        facts: None,
    };
    Media { item, mime: "image/png".into(), size: Some((4, 3)), bytes: bytes.into() }
}

fn job(content: Content, media: Vec<Media>) -> Job {
    Job {
        delivery: DeliveryId::new(PostId::new("a-post").unwrap(), AccountId::new("hook").unwrap()),
        attempt: 1,
        key: "0123456789abcdef0123456789abcdef".into(),
        digest: Digest::of(b""),
        content: Content { media: media.iter().map(|media| media.item.clone()).collect(), ..content },
        media,
        frozen: Value::Null,
        started: now(),
        answers: None,
        taken: Arc::default(),
    }
}

fn plain() -> Job {
    job(Content { text: "Text".into(), thread: vec!["more".into()], ..Content::default() }, vec![])
}

fn met() -> Session {
    Session { identity: Some("receiver-0".into()), ..Session::default() }
}

fn with<T>(job: &Job, session: &Session, purpose: Purpose, now: Timestamp, act: impl FnOnce(&Attempt<'_>) -> T) -> T {
    let (secrets, scratch) = (Receiver::plain().secrets(0), Value::Null);
    act(&Attempt { job, purpose, done: &[], scratch: &scratch, session, secrets: &secrets, now })
}

fn step(adapter: &dyn Adapter, job: &Job, purpose: Purpose, now: Timestamp) -> Step {
    match with(job, &met(), purpose, now, |attempt| adapter.next(attempt)) {
        Next::Call(step) => step,
        other => panic!("{other:?}"),
    }
}

fn request(step: &Step) -> &Request {
    let Call::Http(request) = &step.call else { panic!("not HTTP") };
    request
}

fn header(request: &Request, name: &str) -> String {
    request.headers.iter().find(|(held, _)| *held == name).map(|(_, value)| value.expose()).unwrap_or_default()
}

#[test]
fn every_class_of_reply_means_what_its_file_says() {
    let secrets = Receiver::plain().secrets(0);
    let secret = secrets.get(SECRET).unwrap().expose();
    let read = |name: &'static str, effect, purpose| {
        move |reply: &HttpReply| {
            let call = step(&*adapter(true), &plain(), Purpose::Publish, now()).call;
            let step = Step { name: name.into(), effect, call };
            let reply = Reply::Http(reply.clone());
            with(&plain(), &met(), purpose, now(), |attempt| adapter(true).read(attempt, &step, &reply))
        }
    };
    let publish = read(PUBLISH, Effect::Publishes, Purpose::Publish);
    let seen = cases::check(include_str!("fixtures/publish.json"), secret, publish);
    assert_eq!(seen, BTreeSet::from(["checkpoint", "unclear", "refused", "auth", "rate-limited", "retry"]));
    let find = read(FIND, Effect::Harmless, Purpose::LookBack);
    let seen = cases::check(include_str!("fixtures/find.json"), secret, find);
    assert_eq!(seen, BTreeSet::from(["found", "absent", "auth", "rate-limited", "retry"]));
    let ping = read(PING, Effect::Harmless, Purpose::Publish);
    let seen = cases::check(include_str!("fixtures/ping.json"), secret, ping);
    assert_eq!(seen, BTreeSet::from(["session", "auth", "rate-limited", "retry"]));
}

#[test]
fn a_receiver_is_given_the_whole_post() {
    let content = Content {
        text: "Text".into(),
        link: Some("https://example.org/a".into()),
        lang: Some("en".into()),
        tags: vec!["tag".into()],
        thread: vec!["more".into()],
        warning: Some("long".into()),
        visibility: Visibility::Unlisted,
        reply_to: Some(ReplyTo::Theirs("https://far.example/1".into())),
        ..Content::default()
    };
    let job = job(content, vec![media(b"\x00\xffbytes")]);
    let step = step(&*adapter(true), &job, Purpose::Publish, now());
    let sent: Value = serde_json::from_slice(&request(&step).body.concat()).unwrap();
    let expected = json!({
        "type": "publish", "version": 1, "key": job.key, "delivery": "a-post@hook", "account": "hook", "post": "a-post",
        "text": "Text", "thread": ["more"], "link": "https://example.org/a", "tags": ["tag"], "lang": "en",
        "warning": "long", "visibility": "unlisted", "reply_to": {"id": null, "url": "https://far.example/1"},
        "media": [{
            "name": "media.png", "mime": "image/png", "alt": "what it shows",
            "sha256": Digest::of(b"\x00\xffbytes").hex(), "bytes": 7, "width": 4, "height": 3, "data": "AP9ieXRlcw==",
        }],
    });
    assert_eq!(sent, expected);
}

#[test]
fn a_repeat_has_the_same_body_and_key_and_a_new_date() {
    let later = time::after(now(), Duration::from_secs(86_400));
    let [first, again] = [now(), later].map(|at| step(&*adapter(true), &plain(), Purpose::Publish, at));
    let (first, again) = (request(&first), request(&again));
    assert_eq!(first.body.concat(), again.body.concat());
    for same in ["Idempotency-Key", "Webhook-Id"] {
        assert_eq!(header(first, same), plain().key, "{same}");
        assert_eq!(header(first, same), header(again, same), "{same}");
    }
    assert_eq!(header(first, "Webhook-Timestamp"), "1795348800");
    for new in ["Webhook-Timestamp", "Webhook-Signature"] {
        assert_ne!(header(first, new), header(again, new), "{new}");
    }
    assert!(header(first, "Webhook-Signature").starts_with("v1,"));
    let shown = format!("{first:?}");
    assert!(!shown.contains(&header(first, "Webhook-Signature")[3..]), "{shown}");
}

/// What two requests for one post, a day apart, come to.
#[test]
fn one_key_makes_one_post_where_that_is_promised_and_old_requests_are_refused() {
    let later = time::after(now(), Duration::from_secs(86_400));
    for (mut twin, posts) in [(Receiver::repeatable(), 1), (Receiver::plain(), 2)] {
        twin.looks_at_dates = true;
        let adapter = adapter(posts == 1);
        let first = step(&*adapter, &plain(), Purpose::Publish, now());
        let mut ids = Vec::new();
        for (call, at) in [(&first, now()), (&step(&*adapter, &plain(), Purpose::Publish, later), later)] {
            let reply = twin.answer(&call.call, at);
            match with(&plain(), &met(), Purpose::Publish, at, |attempt| adapter.read(attempt, call, &reply)) {
                Reading::Checkpoint(data) => ids.push(data["id"].to_string()),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(twin.published().iter().filter(|part| part.text == "Text").count(), posts);
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), posts, "{ids:?}");
        // The old request itself is too old: nobody can play it again.
        let reply = twin.answer(&first.call, later);
        let reading = with(&plain(), &met(), Purpose::Publish, later, |attempt| adapter.read(attempt, &first, &reply));
        assert!(matches!(reading, Reading::Auth { .. }), "{reading:?}");
    }
}

#[test]
fn only_a_receiver_that_has_promised_to_know_is_asked() {
    assert_eq!(adapter(true).evidence(), Evidence::Repeatable);
    assert_eq!(adapter(false).evidence(), Evidence::None);
    let default = build_with(|table| drop(table.remove("repeatable"))).unwrap();
    assert_eq!(default.evidence(), Evidence::None, "nobody has promised anything");
    let next = with(&plain(), &met(), Purpose::LookBack, now(), |attempt| default.next(attempt));
    assert!(matches!(next, Next::CannotTell(_)), "{next:?}");
    assert_eq!(step(&*adapter(true), &plain(), Purpose::LookBack, now()).effect, Effect::Harmless);
}

#[test]
fn what_is_signed_otherwise_is_not_taken() {
    let mut twin = Receiver::repeatable();
    let good = step(&*adapter(true), &plain(), Purpose::Publish, now());
    let refused = |twin: &mut Receiver, change: &dyn Fn(&mut Request)| {
        let mut bad = request(&good).clone();
        change(&mut bad);
        let Reply::Http(reply) = twin.answer(&Call::Http(bad), now()) else { panic!() };
        reply.status
    };
    assert_eq!(refused(&mut twin, &|request| request.body = crate::platform::contract::Body::json(&json!({}))), 401);
    for name in ["Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"] {
        let without = |request: &mut Request| request.headers.retain(|(held, _)| *held != name);
        assert_eq!(refused(&mut twin, &without), 401, "{name}");
    }
    assert_eq!(twin.published(), []);
    assert_eq!(refused(&mut twin, &|_| {}), 200);
}

#[test]
fn a_secret_that_cannot_sign_and_a_post_that_is_too_large_go_nowhere() {
    let next = |job: &Job, secret: &str| {
        let secrets = Secrets([(SECRET.to_owned(), Secret::new(secret))].into());
        let (scratch, session) = (Value::Null, met());
        let purpose = Purpose::Publish;
        adapter(true).next(&Attempt {
            job,
            purpose,
            done: &[],
            scratch: &scratch,
            session: &session,
            secrets: &secrets,
            now: now(),
        })
    };
    let good = Receiver::plain().secrets(0).get(SECRET).unwrap().expose().to_owned();
    assert!(matches!(next(&plain(), "hunter2"), Next::Auth(why) if !why.contains("hunter2")));
    let most = usize::try_from(MEDIA_BYTES).unwrap();
    let content = || Content { text: "Text".into(), ..Content::default() };
    assert!(matches!(next(&job(content(), vec![media(&vec![0; most])]), &good), Next::Call(_)));
    let large = job(content(), vec![media(&vec![0; most]), media(b"x")]);
    assert!(matches!(next(&large, &good), Next::Refuse(_)));
    assert!(matches!(next(&job(Content::default(), vec![]), &good), Next::Refuse(_)));
    let answer = Content { reply_to: Some(ReplyTo::Ours(PostId::new("other").unwrap())), ..content() };
    assert!(matches!(next(&job(answer, vec![]), &good), Next::Refuse(_)));
}

#[test]
fn a_table_says_what_is_wrong_with_it() {
    let keys = |change: fn(&mut toml::Table)| -> Vec<String> {
        build_with(change).unwrap_err().into_iter().map(|complaint| complaint.key).collect()
    };
    assert_eq!(keys(|table| drop(table.insert("url".into(), "http://receiver.example/".into()))), ["url"]);
    assert_eq!(keys(|table| drop(table.insert("secret".into(), "whsec_abc".into()))), ["secret"]);
    let checkpoint = Checkpoint { step: PUBLISH.into(), data: json!({"id": "post-7", "url": null}) };
    let (secrets, scratch) = (Receiver::plain().secrets(0), Value::Null);
    let done = [checkpoint];
    let next = adapter(false).next(&Attempt {
        job: &plain(),
        purpose: Purpose::LookBack,
        done: &done,
        scratch: &scratch,
        session: &Session::default(),
        secrets: &secrets,
        now: now(),
    });
    assert!(matches!(next, Next::Done(Remote { id, url: None, .. }) if id == "post-7"));
}
