use std::sync::Arc;

use super::*;
use crate::domain::{AccountId, Checkpoint, DeliveryId, MediaItem, PostId};
use crate::platform::contract::{ExecReply, HttpReply, Job, Media, Secrets};

const SECRET: &str = "canary-secret-77aa";

fn built(text: &str) -> Result<Arc<dyn Adapter>, Vec<String>> {
    let mut table = Table::new(AccountId::new("board").unwrap(), text.parse().unwrap(), "/etc/cadenced".into());
    let adapter = (ENTRY.build)(&mut table);
    let complaints: Vec<_> = table.into_complaints().into_iter().map(|complaint| complaint.key).collect();
    if complaints.is_empty() { Ok(adapter.unwrap()) } else { Err(complaints) }
}

fn adapter(more: &str) -> Arc<dyn Adapter> {
    built(&format!("program = \"bin/post\"\n{more}")).unwrap()
}

fn now() -> Timestamp {
    "2026-12-01T08:00:00Z".parse().unwrap()
}

fn job(content: Content) -> Job {
    let media = |item: &MediaItem| Media {
        item: item.clone(),
        mime: "image/png".into(),
        size: None,
        bytes: item.file.as_bytes().into(),
    };
    Job {
        delivery: DeliveryId::new(PostId::new("desk").unwrap(), AccountId::new("board").unwrap()),
        attempt: 2,
        key: "0123456789abcdef0123456789abcdef".into(),
        digest: Digest::of(b"desk"),
        media: content.media.iter().map(media).collect(),
        content,
        frozen: json!({ "at": "2026-12-01T08:00:00.000Z" }),
        started: now(),
        answers: None,
        taken: Arc::new(["taken".to_owned()].into()),
    }
}

fn content() -> Content {
    Content {
        text: "A desk".into(),
        link: Some("https://example.org/desk".into()),
        tags: vec!["desk".into()],
        lang: Some("en".into()),
        media: vec![MediaItem {
            file: "desk.png".into(),
            alt: "A desk".into(),
            sha256: Digest::of(b"desk.png"),
            facts: None,
        }],
        thread: vec!["A chair".into()],
        warning: Some("wood".into()),
        ..Content::default()
    }
}

/// An attempt at `job` that has come as far as `done`.
struct At<'a> {
    job: &'a Job,
    purpose: Purpose,
    done: Vec<Checkpoint>,
    session: Session,
    secrets: Secrets,
}

impl<'a> At<'a> {
    fn the_beginning(job: &'a Job) -> Self {
        let (done, session, secrets) = (Vec::new(), Session::default(), Secrets::default());
        Self { job, purpose: Purpose::Publish, done, session, secrets }
    }

    fn with_secret(mut self) -> Self {
        self.secrets.0.insert("secret".into(), Secret::new(SECRET));
        self.session.identity = Some("board-17".into());
        self.session.values.insert(MARK.into(), mark(&Secret::new(SECRET)).into());
        self
    }

    fn attempt(&self) -> Attempt<'_> {
        Attempt {
            job: self.job,
            purpose: self.purpose,
            done: &self.done,
            scratch: &Value::Null,
            session: &self.session,
            secrets: &self.secrets,
            now: now(),
        }
    }

    #[track_caller]
    fn step(&self, adapter: &dyn Adapter) -> (Step, Value) {
        match adapter.next(&self.attempt()) {
            Next::Call(step) => {
                let Call::Exec(exec) = &step.call else { panic!("{step:?}") };
                let request = serde_json::from_slice(&exec.input).unwrap();
                (step, request)
            }
            other => panic!("{other:?}"),
        }
    }

    fn read(&self, adapter: &dyn Adapter, code: i32, output: &str) -> Reading {
        let (step, _) = self.step(adapter);
        let reply = ExecReply { code, output: output.into(), cut: false, said: String::new() };
        adapter.read(&self.attempt(), &step, &Reply::Exec(reply))
    }
}

// What is asked.

#[test]
fn a_part_is_asked_for_with_all_that_was_approved() {
    let (job, adapter) = (job(content()), adapter("args = [\"--quiet\"]"));
    let (step, request) = At::the_beginning(&job).step(&*adapter);
    assert_eq!((step.name.as_str(), step.effect), ("publish-0", Effect::Publishes));
    let Call::Exec(exec) = &step.call else { panic!("{step:?}") };
    assert_eq!(exec.program, PathBuf::from("/etc/cadenced/bin/post"));
    assert_eq!(
        (exec.args.as_slice(), exec.folder.clone()),
        (["--quiet".to_owned()].as_slice(), "/etc/cadenced".into())
    );
    let key = request["key"].as_str().unwrap().to_owned();
    let wanted = json!({
        "version": 1, "action": "publish", "delivery": "desk@board", "key": key, "attempt": 2, "part": 0, "parts": 2,
        "text": "A desk", "link": "https://example.org/desk", "tags": ["desk"], "lang": "en", "warning": "wood",
        "visibility": "public", "answers": null, "at": "2026-12-01T08:00:00.000Z",
        "media": [{ "mime": "image/png", "alt": "A desk", "sha256": Digest::of(b"desk.png").hex(), "data": "ZGVzay5wbmc=" }],
    });
    assert_eq!(request, wanted);

    let first = json!({ "part": 0, "id": "8812", "url": "https://board.example/8812" });
    let done = vec![Checkpoint { step: "publish-0".into(), data: first }];
    let second = At { done, ..At::the_beginning(&job) };
    let (step, request) = second.step(&*adapter);
    assert_eq!((step.name.as_str(), request["part"].as_u64()), ("publish-1", Some(1)));
    assert_eq!(request["text"], "A chair");
    assert_eq!(request["answers"], json!({ "id": "8812", "url": "https://board.example/8812" }));
    assert_eq!((&request["media"], &request["link"], &request["tags"]), (&json!([]), &Value::Null, &json!([])));
    assert_ne!(request["key"], key, "each part has a key of its own");
}

#[test]
fn a_program_without_secret_and_find_gets_nothing_but_publish() {
    let (job, adapter) = (job(content()), adapter(""));
    assert_eq!(adapter.evidence(), Evidence::None);
    assert_eq!(At::the_beginning(&job).step(&*adapter).1["action"], "publish");
    let looking = At { purpose: Purpose::LookBack, ..At::the_beginning(&job) };
    assert!(matches!(adapter.next(&looking.attempt()), Next::CannotTell(_)));
}

#[test]
fn a_look_names_the_same_key_and_brings_no_files() {
    let (job, finder, repeater) = (job(content()), adapter("can_find = true"), adapter("repeatable = true"));
    assert_eq!(finder.evidence(), Evidence::LookBack { lag: LAG });
    assert_eq!(repeater.evidence(), Evidence::Repeatable);
    for adapter in [finder, repeater] {
        let (_, sent) = At::the_beginning(&job).step(&*adapter);
        let looking = At { purpose: Purpose::LookBack, ..At::the_beginning(&job) };
        let (step, asked) = looking.step(&*adapter);
        assert_eq!((step.effect, &asked["action"], &asked["key"]), (Effect::Harmless, &json!("find"), &sent["key"]));
        assert_eq!(asked["media"][0].get("data"), None);
    }
}

#[test]
fn whose_the_secret_is_comes_first_and_it_stands_in_the_request_alone() {
    let (job, adapter) = (job(content()), adapter("secret = { credential = \"board\" }"));
    let mut at = At::the_beginning(&job);
    assert!(matches!(adapter.next(&at.attempt()), Next::Auth(_)));
    at.secrets.0.insert("secret".into(), Secret::new(SECRET));
    let (step, request) = at.step(&*adapter);
    assert_eq!((step.name.as_str(), step.effect), ("account", Effect::Harmless));
    assert_eq!(request, json!({ "version": 1, "action": "account", "secret": SECRET }));
    assert!(!format!("{step:?}").contains(SECRET));
    let Reading::Session(session) = at.read(&*adapter, 0, include_str!("fixtures/account.json")) else { panic!() };
    assert_eq!(session.identity.as_deref(), Some("board-17"));
    assert!(!format!("{:?}", session.values).contains(SECRET));
    at.session = session;
    assert_eq!(at.step(&*adapter).1["action"], "publish");
    // Another secret may open another account.
    at.secrets.0.insert("secret".into(), Secret::new("another"));
    assert_eq!(at.step(&*adapter).1["action"], "account");
    assert!(matches!(at.read(&*adapter, 0, include_str!("fixtures/refused.json")), Reading::Retry { after: None, .. }));
}

#[test]
fn what_cannot_be_published_is_not_asked_for() {
    let adapter = adapter("");
    let ours = Content { reply_to: Some(ReplyTo::Ours(PostId::new("first").unwrap())), ..content() };
    let lost = job(ours);
    assert!(matches!(adapter.next(&At::the_beginning(&lost).attempt()), Next::Refuse(_)));
    let half = Job { media: Vec::new(), ..job(content()) };
    assert!(matches!(adapter.next(&At::the_beginning(&half).attempt()), Next::Refuse(_)));
    let theirs = Content { reply_to: Some(ReplyTo::Theirs("https://elsewhere.example/1".into())), ..content() };
    let answer = job(theirs);
    let request = At::the_beginning(&answer).step(&*adapter).1;
    assert_eq!(request["answers"], json!({ "id": null, "url": "https://elsewhere.example/1" }));
    let facts = crate::domain::MediaFacts { mime: "video/mp4", bytes: MEDIA_BYTES, size: None, duration: None };
    let mut large = content();
    large.media[0].facts = Some(Arc::new(facts.clone()));
    assert_eq!(adapter.check(&large, &Session::default()), []);
    large.media.push(large.media[0].clone());
    assert_eq!(adapter.check(&large, &Session::default())[0].key, "media");
}

#[test]
fn a_table_is_read_key_by_key() {
    assert_eq!(built("").unwrap_err(), ["program"]);
    let wrong = "program = 1\nargs = [\"a\", 2]\nrepeatable = \"yes\"\ncan_find = 1\nsecret = \"abc\"";
    assert_eq!(built(wrong).unwrap_err(), ["program", "args", "repeatable", "can_find", "secret"]);
    assert_eq!(built("program = \"p\"\nargs = [\"a\\u0000\"]").unwrap_err(), ["args"]);
    let place = |more: &str| adapter(more).place();
    assert_eq!(place("args = [\"a\", \"b\"]"), "/etc/cadenced/bin/post a b");
    assert_ne!(place("secret = { env = \"A\" }"), place("secret = { env = \"B\" }"));
}

// What is answered.

#[test]
fn each_answer_means_one_thing() {
    let (job, adapter) = (job(content()), adapter("can_find = true"));
    let publish = At::the_beginning(&job);
    let find = At { purpose: Purpose::LookBack, ..At::the_beginning(&job) };
    let both = |output: &str| (publish.read(&*adapter, 0, output), find.read(&*adapter, 0, output));
    let (url, why) = (Some("https://board.example/8812"), |why: &str| why.to_owned());
    let nothing_of_that = |reading: &Reading| matches!(reading, Reading::Retry { after: None, .. });

    let (done, odd) = both(include_str!("fixtures/published.json"));
    assert_eq!(done, Reading::Checkpoint(json!({ "part": 0, "id": "8812", "url": url })));
    assert!(nothing_of_that(&odd), "{odd:?}");
    let (odd, found) = both(include_str!("fixtures/found.json"));
    assert_eq!(found, Reading::Found(json!({ "part": 0, "id": "8812", "url": null })));
    assert!(matches!(odd, Reading::Unclear { .. }), "{odd:?}");
    let (odd, absent) = both(include_str!("fixtures/absent.json"));
    assert_eq!(absent, Reading::Absent);
    assert!(matches!(odd, Reading::Unclear { .. }), "{odd:?}");
    let later = Reading::Retry { after: Some(Duration::from_secs(90)), why: why("the board is being mended") };
    assert_eq!(both(include_str!("fixtures/retry.json")), (later.clone(), later));
    let until = "2026-12-01T08:15:00Z".parse().unwrap();
    let much = Reading::RateLimited { until, why: why("ten posts in an hour") };
    assert_eq!(both(include_str!("fixtures/rate_limited.json")), (much.clone(), much));
    let refused = Reading::Refused { why: why("the board takes no more than 2000 characters") };
    assert_eq!(both(include_str!("fixtures/refused.json")), (refused.clone(), refused));
    let auth = Reading::Auth { why: why("the board does not know this secret") };
    assert_eq!(both(include_str!("fixtures/auth.json")), (auth.clone(), auth));
    let again = Reading::Retry { after: None, why: why("the program gave no reason") };
    assert_eq!(both("{\"retry\": true}"), (again.clone(), again));
    assert!(nothing_of_that(&find.read(&*adapter, 0, "{\"found\": {\"id\": \"taken\"}}")));
}

#[test]
fn what_is_not_one_whole_answer_may_have_happened() {
    let (job, adapter) = (job(content()), adapter("can_find = true"));
    let publish = At::the_beginning(&job);
    let find = At { purpose: Purpose::LookBack, ..At::the_beginning(&job) };
    let good = include_str!("fixtures/published.json");
    for (code, output) in [
        (1, good),
        (-1, good),
        (0, ""),
        (0, "published"),
        (0, "{\"published\": {\"id\": \"1\"}"),
        (0, "{\"published\": {\"id\": \"1\"}} {}"),
        (0, "[{\"published\": {\"id\": \"1\"}}]"),
        (0, "{}"),
        (0, "null"),
        (0, "{\"published\": true}"),
        (0, "{\"published\": {\"id\": 1}}"),
        (0, "{\"published\": {\"id\": \" \"}}"),
        (0, "{\"published\": {\"id\": \"a\\nb\"}}"),
        (0, "{\"published\": {\"id\": \"1\", \"url\": \"javascript:alert(1)\"}}"),
        (0, "{\"published\": {\"id\": \"1\", \"url\": 1}}"),
        (0, "{\"published\": {\"id\": \"1\"}, \"refused\": \"no\"}"),
        (0, "{\"absent\": false}"),
        (0, "{\"retry\": \"soon\"}"),
        (0, "{\"retry\": false}"),
        (0, "{\"refused\": 1}"),
    ] {
        let reading = publish.read(&*adapter, code, output);
        assert!(matches!(reading, Reading::Unclear { .. }), "{code} {output}: {reading:?}");
        let reading = find.read(&*adapter, code, output);
        assert!(matches!(reading, Reading::Retry { after: None, .. }), "{code} {output}: {reading:?}");
    }
    let reading = |reply: Reply| adapter.read(&publish.attempt(), &publish.step(&*adapter).0, &reply);
    let cut = ExecReply { output: good.into(), cut: true, ..ExecReply::default() };
    assert!(matches!(reading(Reply::Exec(cut)), Reading::Unclear { .. }));
    assert!(matches!(reading(Reply::Http(HttpReply::default())), Reading::Unclear { .. }));
    let long = format!("{{\"published\": {{\"id\": \"{}\"}}}}", "x".repeat(501));
    assert!(matches!(publish.read(&*adapter, 0, &long), Reading::Unclear { .. }));
}

#[test]
fn waits_are_sane() {
    let (job, adapter) = (job(content()), adapter(""));
    let publish = At::the_beginning(&job);
    for (asked, seconds) in
        [("-5", 1), ("0", 1), ("1.5", 1), ("1e300", 31 * 86_400), ("99999999999999999999", 31 * 86_400)]
    {
        match publish.read(&*adapter, 0, &format!("{{\"retry\": {asked}}}")) {
            Reading::Retry { after: Some(after), .. } => assert_eq!(after.as_secs(), seconds, "{asked}"),
            other => panic!("{asked}: {other:?}"),
        }
    }
}

#[test]
fn the_secret_is_blanked_out_of_whatever_is_said() {
    let (job, adapter) = (job(content()), adapter("secret = { env = \"A\" }"));
    let at = At::the_beginning(&job).with_secret();
    let told = "{\"K\": \"no: canary-secret-77aa\"}";
    for kind in ["refused", "auth"] {
        let reading = format!("{:?}", at.read(&*adapter, 0, &told.replace('K', kind)));
        assert!(reading.contains("no: [secret]"), "{reading}");
    }
    let reading = at.read(&*adapter, 0, "{\"retry\": 5, \"why\": \"canary-secret-77aa\"}");
    assert!(!format!("{reading:?}").contains(SECRET), "{reading:?}");
    for output in [
        "{\"published\": {\"id\": \"canary-secret-77aa\"}}",
        "{\"published\": {\"id\": \"1\", \"url\": \"https://x.example/?t=canary-secret-77aa\"}}",
    ] {
        let reading = at.read(&*adapter, 0, output);
        assert!(matches!(reading, Reading::Unclear { .. }), "{reading:?}");
    }
    let (step, _) = at.step(&*adapter);
    // Cut only after it is blanked out: half a secret is still one.
    let said = format!("{}canary-secret-77aa", "x".repeat(limits::QUOTED_CHARS - 8));
    let reply = ExecReply { code: 1, said, ..ExecReply::default() };
    let reading = format!("{:?}", adapter.read(&at.attempt(), &step, &Reply::Exec(reply)));
    assert!(reading.contains("code 1") && !reading.contains("canary"), "{reading}");
}
