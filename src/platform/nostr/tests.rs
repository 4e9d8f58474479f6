use std::sync::Arc;

use super::twin::{Manner, Relays};
use super::*;
use crate::domain::{AccountId, DeliveryId, Digest, MediaItem, PostId, Secret};
use crate::platform::contract::{SocketEnd, Twin as _};

const BASE: &str = "http://127.0.0.1:1/";

fn built(text: &str) -> Result<Arc<dyn Adapter>, Vec<String>> {
    let mut table = Table::new(AccountId::new("notes").unwrap(), text.parse().unwrap(), "/etc".into());
    let adapter = (ENTRY.build)(&mut table);
    let complaints: Vec<_> = table.into_complaints().into_iter().map(|complaint| complaint.key).collect();
    if complaints.is_empty() { Ok(adapter.unwrap()) } else { Err(complaints) }
}

/// The twin's first account, with another quorum.
fn adapter(quorum: i64) -> Arc<dyn Adapter> {
    let mut values = Relays::default().table(0, BASE, "");
    values.insert("quorum".into(), quorum.into());
    let mut table = Table::new(AccountId::new("notes").unwrap(), values, "/".into());
    let adapter = (ENTRY.build)(&mut table);
    assert_eq!(table.into_complaints(), []);
    adapter.unwrap()
}

fn now() -> Timestamp {
    Timestamp::constant(1_790_000_000, 0)
}

fn plain(text: &str) -> Content {
    Content { text: text.into(), ..Content::default() }
}

fn job(adapter: &dyn Adapter, content: Content) -> Job {
    Job {
        delivery: DeliveryId::new(PostId::new("desk").unwrap(), AccountId::new("notes").unwrap()),
        attempt: 1,
        key: "0123456789abcdef0123456789abcdef".into(),
        digest: Digest::of(b"desk"),
        media: Vec::new(),
        frozen: adapter.freeze(&content, now(), 7),
        content,
        started: now(),
        answers: None,
        taken: Arc::default(),
    }
}

/// Attempts at one job, as far as they come.
struct Way<'a> {
    adapter: &'a dyn Adapter,
    job: &'a Job,
    done: Vec<Checkpoint>,
    session: Session,
}

impl<'a> Way<'a> {
    fn of(adapter: &'a dyn Adapter, job: &'a Job) -> Self {
        Self { adapter, job, done: Vec::new(), session: Session::default() }
    }

    /// The names of the steps that it takes, and how it ends.
    fn go(&mut self, twin: &mut Relays, purpose: Purpose) -> (Vec<String>, Result<Remote, Reading>) {
        let secrets = twin.secrets(0);
        let mut steps = Vec::new();
        for _ in 0..20 {
            let (done, session) = (self.done.clone(), self.session.clone());
            let attempt = Attempt {
                job: self.job,
                purpose,
                done: &done,
                scratch: &Value::Null,
                session: &session,
                secrets: &secrets,
                now: now(),
            };
            let step = match self.adapter.next(&attempt) {
                Next::Call(step) => step,
                Next::Done(remote) => return (steps, Ok(remote)),
                other => panic!("{other:?}"),
            };
            steps.push(step.name.clone());
            let reply = twin.answer(&step.call, now());
            match self.adapter.read(&attempt, &step, &reply) {
                Reading::Session(session) => self.session = session,
                Reading::Checkpoint(data) => self.done.push(Checkpoint { step: step.name, data }),
                ending => return (steps, Err(ending)),
            }
        }
        panic!("it comes to no end: {steps:?}");
    }
}

// What goes out.

#[test]
fn a_thread_hangs_together_and_says_what_was_approved() {
    let (adapter, mut twin) = (adapter(3), Relays::default());
    let content = Content {
        text: "A desk #Build".into(),
        link: Some("https://example.org/desk".into()),
        tags: vec!["build".into(), "ZweiWörter".into()],
        thread: vec!["A chair".into(), "A lamp".into()],
        warning: Some("wood".into()),
        media: vec![MediaItem {
            file: "img/Desk.JPG".into(),
            alt: "A desk".into(),
            sha256: Digest::of(b"desk"),
            facts: None,
        }],
        ..Content::default()
    };
    let job = job(&*adapter, content);
    let (steps, end) = Way::of(&*adapter, &job).go(&mut twin, Purpose::Publish);
    let remote = end.unwrap();
    assert_eq!(steps, ["hello", "publish-0", "publish-1", "publish-2"]);
    let mut notes = twin.held("three");
    notes.sort_by_key(|event| event.created_at);
    let [first, second, third] = notes.as_slice() else { panic!("{notes:?}") };
    let file = format!("https://files.example/{}.jpg", Digest::of(b"desk").hex());
    assert_eq!(first.content, format!("A desk #Build\n\nhttps://example.org/desk\n\n#ZweiWörter\n\n{file}"));
    let imeta = [
        "imeta".to_owned(),
        format!("url {file}"),
        "m image/jpeg".into(),
        format!("x {}", Digest::of(b"desk").hex()),
        "alt A desk".into(),
    ];
    let tags = |event: &Event| serde_json::to_value(&event.tags).unwrap();
    assert_eq!(
        tags(first),
        json!([["salt", "0000000000000007"], ["content-warning", "wood"], ["t", "build"], ["t", "zweiwörter"], imeta])
    );
    let (hint, author) = ("ws://127.0.0.1:1/one", &first.pubkey);
    let root = json!(["e", first.id, hint, "root", author]);
    assert_eq!(tags(second), json!([root, ["p", author], ["content-warning", "wood"]]));
    assert_eq!(
        tags(third),
        json!([root, ["e", second.id, hint, "reply", author], ["p", author], ["content-warning", "wood"]])
    );
    assert_eq!((second.content.as_str(), third.created_at - first.created_at), ("A chair", 2));
    assert_eq!(remote.id, first.id);
    let url = remote.url.clone().unwrap();
    assert_eq!(nip19::event_id(url.strip_prefix("https://njump.me/").unwrap()), Some(first.id.clone()));

    // What answers it hangs below its last part, in the same conversation.
    let reply_to = Some(ReplyTo::Ours(PostId::new("desk").unwrap()));
    let answer = Job { answers: Some(remote.clone()), ..self::job(&*adapter, Content { reply_to, ..plain("A door") }) };
    let below = Way::of(&*adapter, &answer).go(&mut twin, Purpose::Publish).1.unwrap();
    let note = twin.held("one").into_iter().find(|event| event.id == below.id).unwrap();
    assert_eq!(
        note.tags[..2],
        [vec!["e", &first.id, hint, "root", author], vec!["e", &third.id, hint, "reply", author]]
    );
    // A person told where it is.
    let told = Remote { id: url, url: None, reference: Value::Null.into() };
    let answer = Job { answers: Some(told), ..answer };
    let below = Way::of(&*adapter, &answer).go(&mut twin, Purpose::Publish).1.unwrap();
    let note = twin.held("one").into_iter().find(|event| event.id == below.id).unwrap();
    assert_eq!(note.tags[..2], [vec!["e", &first.id, hint, "root", author], vec!["p", author]]);
}

#[test]
fn the_id_depends_on_nothing_that_may_change_between_two_attempts() {
    let content = plain("A desk");
    let one = adapter(1);
    let job = job(&*one, content);
    let (mut twin, mut other) = (Relays::default(), Relays::default());
    let first = Way::of(&*one, &job).go(&mut twin, Purpose::Publish).1.unwrap();
    let other_relays = built(
        "key = { env = \"A\" }\nrelays = [\"ws://127.0.0.1:1/two\", \"ws://127.0.0.1:1/three\"]\nmedia_base_url = \"https://elsewhere.example\"",
    );
    let other_relays = other_relays.unwrap();
    let again = Way::of(&*other_relays, &job).go(&mut other, Purpose::Publish).1.unwrap();
    assert_eq!(again.id, first.id);
    assert_eq!(other_relays.host(), one.host(), "what was begun with the one list goes on with the other");
    assert_ne!(other_relays.place(), one.place());
}

// Relays that are not well.

#[test]
fn a_relay_that_is_down_holds_up_nobody_and_the_quorum_is_reached_later() {
    let (adapter, mut twin) = (adapter(2), Relays::default());
    let job = job(&*adapter, Content { thread: vec!["A chair".into()], ..plain("A desk") });
    twin.behave("one", Some(Manner::Down));
    twin.behave("two", Some(Manner::Silent));
    let mut way = Way::of(&*adapter, &job);
    let (steps, end) = way.go(&mut twin, Purpose::Publish);
    assert_eq!(steps, ["hello", "publish-0", "publish-1", "spread-0-2"]);
    match end {
        Err(Reading::Retry { after: None, why }) => {
            assert_eq!(why, "127.0.0.1:1/one: connection refused; 127.0.0.1:1/two: no answer");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(twin.published().len(), 2);
    // The silent one had taken them after all, and says so.
    twin.behave("two", None);
    let (steps, end) = way.go(&mut twin, Purpose::Publish);
    assert_eq!(steps, ["spread-0-2", "spread-1-3"]);
    assert_eq!(end.unwrap().id, twin.published()[0].id);
    assert_eq!((twin.published().len(), twin.held("one").len()), (2, 0));
}

#[test]
fn a_quorum_that_is_not_reached_is_not_waited_for_for_ever() {
    let (adapter, mut twin) = (adapter(2), Relays::default());
    let mut job = Job { attempt: 3, ..job(&*adapter, plain("A desk")) };
    twin.behave("one", Some(Manner::Down));
    twin.behave("two", Some(Manner::Down));
    let mut done = Vec::new();
    for attempt in 3..8 {
        job.attempt = attempt;
        let mut way = Way { done: std::mem::take(&mut done), ..Way::of(&*adapter, &job) };
        let (steps, end) = way.go(&mut twin, Purpose::Publish);
        assert_eq!(steps.last().map(String::as_str), Some("spread-0-1"));
        assert!(matches!(end, Err(Reading::Retry { after: None, .. })), "{end:?}");
        done = way.done;
    }
    job.attempt = 8;
    let mut way = Way { done, ..Way::of(&*adapter, &job) };
    let (steps, end) = way.go(&mut twin, Purpose::Publish);
    assert_eq!((steps.len(), end.unwrap().id), (0, twin.published()[0].id.clone()));
    // Who asks what became of it before that, as after a restart, is told that it is out.
    let job = Job { attempt: 3, ..job.clone() };
    let (steps, end) = Way { job: &job, ..way }.go(&mut twin, Purpose::LookBack);
    assert_eq!((steps.len(), end.is_ok()), (0, true));
}

#[test]
fn who_refuses_is_left_out_as_long_as_the_quorum_can_be_reached() {
    let (adapter, mut twin) = (adapter(2), Relays::default());
    let job = job(&*adapter, plain("A desk"));
    twin.behave("one", Some(Manner::Refusing("blocked: not here")));
    assert!(Way::of(&*adapter, &job).go(&mut twin, Purpose::Publish).1.is_ok());

    let mut twin = Relays::default();
    twin.behave("one", Some(Manner::Refusing("pow: difficulty 28")));
    twin.behave("two", Some(Manner::Refusing("auth-required: who are you")));
    let (steps, end) = Way::of(&*adapter, &job).go(&mut twin, Purpose::Publish);
    assert_eq!(steps, ["hello", "publish-0", "spread-0-1"]);
    // It is out on one relay, and is delivered with that when it was offered often enough.
    assert!(matches!(&end, Err(Reading::Retry { why, .. }) if why.contains("/one: pow: difficulty 28; ")), "{end:?}");
}

#[test]
fn each_refusal_means_what_nip_01_says() {
    let adapter = adapter(1);
    let job = job(&*adapter, plain("A desk"));
    let mut ends = Vec::new();
    for why in [
        "duplicate: have it",
        "blocked: no",
        "invalid: no",
        "pow: no",
        "mute: no",
        "no reason that anybody knows",
        "",
        "auth-required: no",
        "restricted: no",
        "rate-limited: no",
        "error: no",
    ] {
        let mut twin = Relays::default();
        for relay in ["one", "two", "three"] {
            twin.behave(relay, Some(Manner::Refusing(why)));
        }
        let word = match Way::of(&*adapter, &job).go(&mut twin, Purpose::Publish).1 {
            Ok(_) => "there",
            Err(Reading::Refused { .. }) => "refused",
            Err(Reading::Auth { .. }) => "auth",
            Err(Reading::RateLimited { until, .. }) => {
                assert_eq!(until, time::after(now(), SLOW));
                "limited"
            }
            Err(Reading::Retry { after: None, .. }) => "retry",
            other => panic!("{why}: {other:?}"),
        };
        ends.push(word);
    }
    let refused = ["refused"; 6];
    assert_eq!(ends, [&["there"][..], &refused, &["auth", "auth", "limited", "retry"]].concat());
}

#[test]
fn one_relay_that_wants_a_pause_does_not_hold_the_account_where_others_refuse() {
    let adapter = adapter(1);
    let job = job(&*adapter, plain("A desk"));
    for (other, limited) in
        [("rate-limited: no", true), ("error: no", true), ("blocked: no", false), ("auth-required: no", false)]
    {
        let mut twin = Relays::default();
        twin.behave("one", Some(Manner::Refusing("rate-limited: no")));
        twin.behave("two", Some(Manner::Refusing(other)));
        twin.behave("three", Some(Manner::Refusing(other)));
        let end = Way::of(&*adapter, &job).go(&mut twin, Purpose::Publish).1.unwrap_err();
        let is_right = match &end {
            Reading::RateLimited { .. } => limited,
            Reading::Retry { after: None, .. } => !limited,
            _ => false,
        };
        assert!(is_right, "{other}: {end:?}");
    }
}

#[test]
fn not_there_is_said_only_when_every_relay_says_so() {
    let (adapter, mut twin) = (adapter(1), Relays::default());
    let job = job(&*adapter, plain("A desk"));
    let look = |twin: &mut Relays| {
        let mut way = Way::of(&*adapter, &job);
        way.go(twin, Purpose::LookBack).1.unwrap_err()
    };
    assert_eq!(look(&mut twin), Reading::Absent);
    for manner in [Manner::Down, Manner::Silent] {
        twin.behave("three", Some(manner));
        assert!(matches!(look(&mut twin), Reading::Retry { after: None, .. }));
    }
    // One that takes it and says nothing, where nobody else takes it: nobody knows.
    twin.behave("one", Some(Manner::Refusing("blocked: no")));
    twin.behave("two", Some(Manner::Refusing("blocked: no")));
    let end = Way::of(&*adapter, &job).go(&mut twin, Purpose::Publish).1;
    assert!(matches!(&end, Err(Reading::Unclear { why }) if why.contains("/three: no answer")), "{end:?}");
    twin.behave("three", None);
    let Reading::Found(data) = look(&mut twin) else { panic!("it is there") };
    assert_eq!(data["relays"], json!(["127.0.0.1:1/three"]));
    // And then it is enough that one has it.
    twin.behave("two", Some(Manner::Down));
    assert!(matches!(look(&mut twin), Reading::Found(_)));
}

#[test]
fn answers_that_are_not_ours_are_not_believed() {
    let adapter = adapter(1);
    let job = job(&*adapter, plain("A desk"));
    let mut way = Way::of(&*adapter, &job);
    way.session.identity = Some(Key::read(twin_key().get("key").unwrap()).unwrap().pubkey());
    let secrets = twin_key();
    let attempt = Attempt {
        job: &job,
        purpose: Purpose::Publish,
        done: &[],
        scratch: &Value::Null,
        session: &way.session,
        secrets: &secrets,
        now: now(),
    };
    let Next::Call(step) = adapter.next(&attempt) else { panic!("there is something to do") };
    let Call::Sockets(sockets) = &step.call else { panic!("{step:?}") };
    let id = sockets[0].until[0][0].split('"').nth(3).unwrap().to_owned();
    let read = |messages: &[String], count: usize| {
        let reply = SocketReply { messages: messages.to_vec(), end: SocketEnd::Over };
        adapter.read(&attempt, &step, &Reply::Sockets(vec![reply; count]))
    };
    let good = format!(" [\"OK\" , \"{id}\", true, \"\"]");
    assert!(matches!(read(std::slice::from_ref(&good), 3), Reading::Checkpoint(_)));
    assert!(sockets[0].is_over(&["[\"NOTICE\", \"hello\"]".into(), good.clone()]));
    assert!(!sockets[0].is_over(&["[\"NOTICE\", \"hello\"]".into()]));
    for message in [
        String::new(),
        "{}".into(),
        format!("[\"OK\",\"{}\",true,\"\"]", "ab".repeat(32)),
        format!("[\"OK\",\"{id}\"]"),
        format!("[\"OK\",\"{id}\",\"true\",\"\"]"),
        format!("[\"OK\",\"{id}\",1]"),
        format!("[\"EVENT\",\"{id}\",true,\"\"]"),
        "[\"NOTICE\",\"OK\"]".into(),
    ] {
        let reading = read(std::slice::from_ref(&message), 3);
        assert!(matches!(reading, Reading::Unclear { .. }), "{message}: {reading:?}");
    }
    assert!(matches!(read(std::slice::from_ref(&good), 2), Reading::Unclear { .. }));
    assert!(matches!(read(&[good], 4), Reading::Unclear { .. }));
}

fn twin_key() -> crate::platform::contract::Secrets {
    Relays::default().secrets(0)
}

#[test]
fn an_exchanged_key_is_asked_about_before_anything_is_published() {
    let (adapter, mut twin) = (adapter(1), Relays::default());
    let job = job(&*adapter, plain("A desk"));
    let mut way = Way::of(&*adapter, &job);
    way.session.identity = Some("another".into());
    let (steps, end) = way.go(&mut twin, Purpose::Publish);
    assert_eq!(steps, ["hello", "publish-0"]);
    assert!(end.is_ok());
    let ours = Key::read(twin.secrets(0).get("key").unwrap()).unwrap().pubkey();
    assert_eq!(way.session.identity, Some(ours));
    let mut secrets = twin.secrets(0);
    secrets.0.insert("key".into(), Secret::new("no key at all"));
    let attempt = Attempt {
        job: &job,
        purpose: Purpose::Publish,
        done: &[],
        scratch: &Value::Null,
        session: &way.session,
        secrets: &secrets,
        now: now(),
    };
    assert!(matches!(adapter.next(&attempt), Next::Auth(_)));
}

// What is refused beforehand.

#[test]
fn a_table_is_read_key_by_key() {
    let with = |more: &str| built(&format!("key = {{ env = \"A\" }}\n{more}"));
    assert!(
        with("relays = [\"wss://a.example\", \"wss://b.example/inbox\", \"ws://localhost:7000\"]\nquorum = 3").is_ok()
    );
    for relays in [
        "[]",
        "[\"https://a.example\"]",
        "[\"ws://a.example\"]",
        "[\"wss://u:p@a.example\"]",
        "[\"wss://a.example#x\"]",
        "[\"wss://a.example/?token=canary\"]",
        "[\"wss://a.example\", \"wss://a.example/\"]",
        "[\"a.example\"]",
        "\"wss://a.example\"",
    ] {
        assert_eq!(with(&format!("relays = {relays}")).unwrap_err(), ["relays"], "{relays}");
    }
    for quorum in ["0", "-1", "2"] {
        assert_eq!(with(&format!("relays = [\"wss://a.example\"]\nquorum = {quorum}")).unwrap_err(), ["quorum"]);
    }
    let more = "relays = [\"wss://a.example\"]\nmedia_base_url = \"http://a.example\"\nviewer = \"x\"";
    assert_eq!(with(more).unwrap_err(), ["media_base_url", "viewer"]);
}

#[test]
fn what_a_note_cannot_hold_is_said_beforehand() {
    let adapter = adapter(1);
    let bare = built("key = { env = \"A\" }\nrelays = [\"wss://a.example\"]").unwrap();
    let keys = |adapter: &dyn Adapter, content: &Content| {
        let complaints = adapter.check(content, &Session::default());
        complaints.into_iter().map(|complaint| complaint.key).collect::<Vec<_>>()
    };
    let picture = MediaItem { file: "a.png".into(), alt: String::new(), sha256: Digest::of(b"a"), facts: None };
    let pictured = Content { media: vec![picture], ..plain("") };
    assert_eq!(keys(&*adapter, &pictured), [""; 0]);
    assert_eq!(keys(&*bare, &pictured), ["media"]);
    assert_eq!(keys(&*adapter, &plain(" ")), ["text"]);
    assert_eq!(keys(&*adapter, &plain("a\u{1b}b")), ["text"]);
    assert_eq!(keys(&*adapter, &plain("a\tb\r\nc\u{7f}")), [""; 0]);
    assert_eq!(keys(&*adapter, &Content { thread: vec!["".into()], ..plain("a") }), ["thread"]);
    for visibility in [Visibility::Unlisted, Visibility::Followers] {
        assert_eq!(keys(&*adapter, &Content { visibility, ..plain("a") }), ["visibility"]);
    }
    let theirs = Some(ReplyTo::Theirs("nostr:note1".into()));
    assert_eq!(keys(&*adapter, &Content { reply_to: theirs, ..plain("a") }), ["reply_to"]);
}
