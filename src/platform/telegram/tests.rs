//! Replies one by one, and what is special here: whose chat it is, what the bot may, and where the token stands.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::twin::TelegramTwin;
use super::*;
use crate::domain::{AccountId, Checkpoint, DeliveryId, Digest, MediaFacts, MediaItem, PostId, Secret};
use crate::platform::contract::{HttpReply, Job, Media, Secrets, Twin, cases};

const TOKEN_TEXT: &str = "7000000000:twin-token-0";

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn build_with(change: impl FnOnce(&mut toml::Table)) -> Result<Arc<dyn Adapter>, Vec<Complaint>> {
    let mut values = TelegramTwin::default().table(0, "http://127.0.0.1:1/", "");
    change(&mut values);
    let mut table = Table::new(AccountId::new("chan").unwrap(), values, "/".into());
    (ENTRY.build)(&mut table).ok_or_else(|| table.into_complaints())
}

fn adapter() -> Arc<dyn Adapter> {
    build_with(|_| {}).unwrap()
}

fn content(text: &str) -> Content {
    Content { text: text.into(), ..Content::default() }
}

fn media(mime: &'static str) -> Media {
    let bytes: Arc<[u8]> = b"\x89PNG bytes".as_slice().into();
    let facts = MediaFacts { mime, bytes: bytes.len() as u64, size: Some((4, 3)), duration: None };
    let item = MediaItem {
        file: "a.bin".into(),
        alt: "what it shows".into(),
        sha256: Digest::of(&bytes),
        facts: Some(Arc::new(facts)),
    };
    Media { item, mime: mime.into(), size: Some((4, 3)), bytes }
}

fn job(content: Content, media: Vec<Media>) -> Job {
    let digest = Digest::of(format!("{content:?}").as_bytes());
    Job {
        delivery: DeliveryId::new(PostId::new("a-post").unwrap(), AccountId::new("chan").unwrap()),
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

/// What a session knows once the chat is known.
fn met() -> Session {
    let values = [(BOT.to_owned(), json!(7_000_000_000_i64)), (CHAT.to_owned(), json!(-1_002_000_000_000_i64))];
    Session { values: values.into(), identity: Some("-1002000000000".into()), kept: None }
}

fn with<T>(job: &Job, session: &Session, token: &str, act: impl FnOnce(&Attempt<'_>) -> T) -> T {
    let secrets = Secrets([(TOKEN.to_owned(), Secret::new(token))].into());
    act(&Attempt {
        job,
        purpose: Purpose::Publish,
        done: &[],
        scratch: &Value::Null,
        session,
        secrets: &secrets,
        now: now(),
    })
}

/// The whole of a delivery against the imitation: how it ended, and the requests that were made.
fn deliver(twin: &mut TelegramTwin, job: &Job) -> (Result<Remote, Reading>, Vec<(String, Request)>) {
    let (adapter, secrets) = (adapter(), twin.secrets(0));
    let (mut session, mut done, mut requests) = (Session::default(), Vec::new(), Vec::new());
    for _ in 0..20 {
        let attempt = Attempt {
            job,
            purpose: Purpose::Publish,
            done: &done,
            scratch: &Value::Null,
            session: &session,
            secrets: &secrets,
            now: now(),
        };
        let step = match adapter.next(&attempt) {
            Next::Call(step) => step,
            Next::Done(remote) => return (Ok(remote), requests),
            Next::Refuse(why) => return (Err(Reading::Refused { why }), requests),
            Next::Auth(why) => return (Err(Reading::Auth { why }), requests),
            Next::CannotTell(why) => panic!("{why}"),
        };
        let Call::Http(request) = &step.call else { panic!("not HTTP") };
        requests.push((step.name.clone(), request.clone()));
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
            let call = Call::Http(Wire { base: &PUBLIC.parse().unwrap(), token: &Secret::new("1:x") }.me());
            let step = Step { name: name.into(), effect, call };
            let reply = Reply::Http(reply.clone());
            with(&job(content("Text"), vec![]), &met(), TOKEN_TEXT, |attempt| adapter().read(attempt, &step, &reply))
        }
    };
    let seen = cases::check(include_str!("fixtures/publish.json"), TOKEN_TEXT, read("publish-0", Effect::Publishes));
    let all = ["checkpoint", "unclear", "refused", "auth", "rate-limited", "retry"];
    assert_eq!(seen, all.into());
    let seen = cases::check(include_str!("fixtures/chat.json"), TOKEN_TEXT, read("chat", Effect::Harmless));
    assert_eq!(seen, BTreeSet::from(["session", "auth", "rate-limited", "retry"]));
    let seen = cases::check(include_str!("fixtures/member.json"), TOKEN_TEXT, read("member", Effect::Harmless));
    assert_eq!(seen, BTreeSet::from(["session", "auth", "retry"]));
}

#[test]
fn the_token_stands_in_the_address_and_nowhere_to_be_read() {
    let mut twin = TelegramTwin::default();
    let post = Content { thread: vec!["more".into()], ..content("Text") };
    let (end, requests) = deliver(&mut twin, &job(post, vec![media("image/png")]));
    assert!(end.is_ok(), "{end:?}");
    assert_eq!(requests.len(), 5);
    for (name, request) in &requests {
        let whole = request.exposed_url().unwrap();
        assert!(whole.path().starts_with(&format!("/bot{TOKEN_TEXT}/")), "{name}");
        let body = String::from_utf8_lossy(&request.body.concat()).into_owned();
        let shown = format!("{request:?} {} {body}", request.url);
        assert!(!shown.contains("twin-token"), "{shown}");
    }
    // One that would lead elsewhere is told from a token before anything is sent.
    for token in ["1:x/../../evil", "https://evil.example", "1:x y"] {
        let next = with(&job(content("Text"), vec![]), &met(), token, |attempt| adapter().next(attempt));
        assert!(matches!(&next, Next::Auth(why) if !why.contains("evil")), "{next:?}");
    }
}

#[test]
fn files_go_by_the_method_that_shows_them() {
    let table: &[(&[&'static str], &str, &[&str])] = &[
        (&[], "sendMessage", &["\"text\":\"Text\""]),
        (&["image/png"], "sendPhoto", &["name=\"photo\"; filename=\"media.png\"", "name=\"caption\""]),
        (&["video/mp4"], "sendVideo", &["name=\"video\"; filename=\"media.mp4\"", "name=\"supports_streaming\""]),
        (&["image/gif"], "sendAnimation", &["name=\"animation\"; filename=\"media.gif\""]),
        (&["audio/mpeg"], "sendAudio", &["name=\"audio\"; filename=\"media.mp3\""]),
        (&["application/pdf"], "sendDocument", &["name=\"document\"; filename=\"media.pdf\""]),
        (
            &["image/png", "video/mp4"],
            "sendMediaGroup",
            &["\"caption\":\"Text\"", "attach://file0", "attach://file1", "name=\"file1\"; filename=\"media.mp4\""],
        ),
    ];
    for (mimes, method, parts) in table {
        let job = job(content("Text"), mimes.iter().map(|mime| media(mime)).collect());
        assert_eq!(adapter().check(&job.content, &Session::default()), []);
        let (end, requests) = deliver(&mut TelegramTwin::default(), &job);
        assert!(end.is_ok(), "{mimes:?}: {end:?}");
        let (_, request) = requests.last().unwrap();
        assert!(request.url.path().ends_with(&format!("/{method}")), "{mimes:?}: {}", request.url);
        let body = String::from_utf8_lossy(&request.body.concat()).into_owned();
        for part in *parts {
            assert!(body.contains(part), "{mimes:?}: {body} lacks {part}");
        }
        assert!(!body.contains("parse_mode") && body.matches("Text").count() == 1, "{body}");
    }
}

#[test]
fn limits_are_known_ahead_and_held_to_when_it_is_sent() {
    let long = |chars: usize| "\u{1f600}".repeat(chars);
    let fine = [(content(&long(4096)), 0), (content(&long(1024)), 1), (content(""), 1)];
    for (content, files) in fine {
        let job = job(content, vec![media("image/png"); files]);
        assert_eq!(adapter().check(&job.content, &Session::default()), []);
        let (end, _) = deliver(&mut TelegramTwin::default(), &job);
        assert!(end.is_ok(), "{end:?}");
    }
    let part = |text: String| Content { thread: vec![text], ..content("Text") };
    let with_link = Content { link: Some("https://example.org/a".into()), ..content(&long(4096)) };
    let wrong = [
        (content(&long(4098)), 0, "text"),
        (with_link, 0, "text"),
        (content(&long(1026)), 1, "text"),
        (content(" "), 0, "text"),
        (part(long(4098)), 0, "thread"),
        (part(" ".into()), 1, "thread"),
    ];
    for (content, files, key) in wrong {
        let job = job(content, vec![media("image/png"); files]);
        let keys: Vec<_> = adapter().check(&job.content, &Session::default()).into_iter().map(|c| c.key).collect();
        assert_eq!(keys, [key]);
        let (end, requests) = deliver(&mut TelegramTwin::default(), &job);
        assert!(matches!(end, Err(Reading::Refused { .. })), "{end:?}");
        assert!(requests.iter().all(|(name, _)| !name.starts_with("publish")), "nothing of it is sent");
    }
    // Two kinds that nobody takes together, known only when the bytes are at hand.
    let mut job = job(content("Text"), vec![media("image/png"), media("application/pdf")]);
    job.content.media.iter_mut().for_each(|item| item.facts = None);
    assert_eq!(adapter().check(&job.content, &Session::default()), []);
    assert!(matches!(deliver(&mut TelegramTwin::default(), &job).0, Err(Reading::Refused { .. })));
}

#[test]
fn a_bot_that_may_not_write_is_noticed_before_a_post_is_tried() {
    let mut twin = TelegramTwin::default();
    twin.set_removed(true);
    let job = job(content("Text"), vec![]);
    let (end, requests) = deliver(&mut twin, &job);
    assert!(matches!(end, Err(Reading::Auth { .. })), "{end:?}");
    assert_eq!(requests.len(), 3);
    twin.set_removed(false);
    assert!(deliver(&mut twin, &job).0.is_ok());
}

#[test]
fn the_message_that_is_answered_is_one_of_this_chat() {
    const CHAT: i64 = -1_002_000_000_000;
    let table = [
        ("-1002000000000/7", Some(7)),
        ("https://t.me/Twin0/7", Some(7)),
        ("https://t.me/twin1/7", None),
        ("https://t.me/c/2000000000/7/", Some(7)),
        ("-1002000000001/7", None),
        ("https://t.me/c/2000000001/7", None),
        ("https://t.me/c/2000000000", None),
        ("https://example.org/twin0/7", None),
        ("-1002000000000/0", None),
        ("7", None),
    ];
    for (name, expected) in table {
        assert_eq!(message_of(name, CHAT, &Chat::Name("@twin0".into())), expected, "{name}");
    }
}

#[test]
fn a_table_says_what_is_wrong_with_it() {
    let keys = |change: fn(&mut toml::Table)| -> Vec<String> {
        build_with(change).unwrap_err().into_iter().map(|complaint| complaint.key).collect()
    };
    assert_eq!(keys(|table| drop(table.insert("chat".into(), "brand".into()))), ["chat"]);
    assert_eq!(keys(|table| drop(table.insert("base_url".into(), "http://api.example".into()))), ["base_url"]);
    assert_eq!(keys(|table| drop(table.insert("token".into(), "1:written".into()))), ["token"]);
    let public = build_with(|table| drop(table.remove("base_url"))).unwrap();
    assert_eq!(public.place(), "api.telegram.org/@twin0");
}

/// That members may not write is a right of the group, and stands nowhere in what is told of the member.
#[test]
fn a_bot_that_is_a_plain_member_of_a_closed_group_may_not_write() {
    let read = |step: &str, session: &Session, result: Value| {
        let call = Call::Http(Wire { base: &PUBLIC.parse().unwrap(), token: &Secret::new("1:x") }.me());
        let step = Step { name: step.into(), effect: Effect::Harmless, call };
        let reply = Reply::Http(HttpReply::json(200, &json!({"ok": true, "result": result})));
        with(&job(content("Text"), vec![]), session, TOKEN_TEXT, |attempt| adapter().read(attempt, &step, &reply))
    };
    let met_in = |may_write: Value, status: &str| {
        let chat = json!({"id": -100_200, "type": "supergroup", "permissions": {"can_send_messages": may_write}});
        let Reading::Session(session) = read("chat", &Session::default(), chat) else { panic!("a chat") };
        read("member", &session, json!({"status": status}))
    };
    let Reading::Auth { why } = met_in(json!(false), "member") else { panic!("it may not write") };
    assert!(why.contains("make the bot an administrator"), "{why}");
    for (may_write, status) in [(json!(true), "member"), (Value::Null, "member"), (json!(false), "administrator")] {
        assert!(matches!(met_in(may_write, status), Reading::Session(_)));
    }
}
