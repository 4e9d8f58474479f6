//! One suite over the registry: every adapter, against its own twin, keeps the promises that `deliver` builds on.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cadenced::deliver::Probe;
use cadenced::deliver::probe::Verdict;
use cadenced::deliver::public::{Look, Read, Seen};
use cadenced::domain::time::after;
use cadenced::domain::{
    AccountId, Checkpoint, Content, DeliveryId, Digest, MediaFacts, MediaItem, PostId, Remote, ReplyTo, Timestamp,
    Visibility,
};
use cadenced::platform::contract::{
    Abilities, Adapter, Answers, Call, Effect, Entry, Evidence, HttpReply, Job, Media, Published, Purpose, Reading,
    Reply, Session, Step, Table, Twin,
};
use cadenced::platform::{REGISTRY, find};
use serde_json::json;
use support::drive::{Drive, End, Wire};
use support::{mp4, png};

/// Rooms of the registry that nobody lives in yet.
fn is_unfinished(entry: &Entry) -> bool {
    entry.keys.is_empty()
}

/// A stopped account is let in again when its token is accepted, and not before.
#[test]
fn a_probe_tells_whether_the_token_is_accepted() {
    for_each_platform(|entry| {
        let mut twin = (entry.twin)();
        let adapter = adapter(entry, &*twin, 0);
        if adapter.secrets().is_empty() {
            return;
        }
        let id = AccountId::new("a0").expect("an id");
        let mut accepted = |revoked| {
            twin.set_revoked(revoked);
            let (secrets, mut probe) = (twin.secrets(0), Probe::new(adapter.clone(), &id, None, now()));
            let mut verdict = probe.proceed(&secrets, now());
            loop {
                verdict = match verdict {
                    Verdict::Call(step) => {
                        let reply = twin.answer(&step.call, now());
                        probe.answered(Ok(reply), &secrets, now())
                    }
                    Verdict::Keep(_) => probe.proceed(&secrets, now()),
                    Verdict::Accepted(session) => break Ok(session.identity),
                    Verdict::NotYet(why) => break Err(why),
                };
            }
        };
        assert!(accepted(true).is_err());
        assert!(accepted(false).expect("it is accepted").is_some(), "it tells whose account it is");
    });
}

/// Runs `check` for every platform; the name is told when it fails.
fn for_each_platform(check: impl Fn(&Entry)) {
    let entries: Vec<_> = REGISTRY.iter().filter(|entry| !is_unfinished(entry)).collect();
    assert!(!entries.is_empty());
    for entry in entries {
        let run = std::panic::AssertUnwindSafe(|| check(entry));
        if let Err(cause) = std::panic::catch_unwind(run) {
            let text = cause.downcast_ref::<String>().cloned();
            let text = text.or_else(|| cause.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            panic!("{}: {}", entry.name, text.unwrap_or_default());
        }
    }
}

fn now() -> Timestamp {
    "2026-12-01T08:00:00Z".parse().expect("a moment")
}

fn adapter(entry: &Entry, twin: &dyn Twin, account: u32) -> Arc<dyn Adapter> {
    let values = twin.table(account, "http://127.0.0.1:1/", "folder");
    let known: Vec<_> = entry.keys.iter().map(|key| key.name).collect();
    for key in values.keys() {
        assert!(known.contains(&key.as_str()), "the key {key:?} is not declared");
    }
    let mut table = Table::new(AccountId::new(&format!("a{account}")).expect("an id"), values, PathBuf::from("/base"));
    let built = (entry.build)(&mut table);
    assert_eq!(table.into_complaints(), []);
    built.expect("there are no complaints")
}

/// A post that says nothing but its own name.
fn plain(id: &str) -> Content {
    Content { text: text_of(id, 0), lang: Some("en".into()), ..Content::default() }
}

fn text_of(id: &str, part: usize) -> String {
    format!("part {part} of <{id}> & \"more\"")
}

fn thread(id: &str) -> Content {
    Content { thread: vec![text_of(id, 1), text_of(id, 2)], ..plain(id) }
}

fn pictured(id: &str) -> Content {
    Content { media: vec![item("1.png"), item("2.png")], ..plain(id) }
}

fn item(file: &str) -> MediaItem {
    let (bytes, facts) = bytes_of(file);
    let facts = Some(Arc::new(facts));
    MediaItem { file: file.into(), alt: format!("What {file} shows"), sha256: Digest::of(&bytes), facts }
}

/// The bytes of a file that is called by its shade and its kind.
fn bytes_of(file: &str) -> (Vec<u8>, MediaFacts) {
    let shade = file.as_bytes()[0];
    let (bytes, mime, size, duration) = match file.rsplit_once('.').expect("an ending").1 {
        "mp4" => (mp4::tiny(shade), "video/mp4", (640, 480), Some(Duration::from_secs(2))),
        // No more than begin and end: nobody here looks into it.
        "jpg" => (vec![0xff, 0xd8, 0xff, 0xe0, shade, 0xff, 0xd9], "image/jpeg", (4, 3), None),
        _ => (png::tiny(shade), "image/png", (4, 3), None),
    };
    let facts = MediaFacts { mime, bytes: bytes.len() as u64, size: Some(size), duration };
    (bytes, facts)
}

/// A picture called `name`, of a kind that the platform takes.
fn picture(adapter: &dyn Adapter, name: &str) -> MediaItem {
    let mut kinds = ["png", "jpg"].into_iter().map(|kind| item(&format!("{name}.{kind}")));
    let fits = |item: &MediaItem| {
        let content = Content { media: vec![item.clone()], ..plain("post") };
        adapter.check(&content, &Session::default()).is_empty()
    };
    kinds.find(fits).unwrap_or_else(|| item(&format!("{name}.png")))
}

/// What the platform can show of this content, and no less than it demands.
fn fit(adapter: &dyn Adapter, content: Content) -> Content {
    let can = can(adapter);
    let wants_media = !content.media.is_empty() || !can.text_alone;
    let media = match wants_media {
        false => Vec::new(),
        true if can.images > 1 => vec![picture(adapter, "1"), picture(adapter, "2")],
        true if can.images == 1 => vec![picture(adapter, "1")],
        true if can.videos > 0 => vec![item("1.mp4")],
        true => Vec::new(),
    };
    let unlisted = content.visibility == Visibility::Unlisted && !can.unlisted;
    Content {
        media,
        thread: if can.threads { content.thread } else { Vec::new() },
        warning: content.warning.filter(|_| can.warnings),
        visibility: if unlisted { Visibility::Public } else { content.visibility },
        ..content
    }
}

/// The same with other brackets, where a platform refuses those of HTML in what it shows.
fn spelled(adapter: &dyn Adapter, content: Content) -> Content {
    let refused = adapter.check(&content, &Session::default()).iter().any(|complaint| complaint.reason.contains('<'));
    let spell = |text: &String| if refused { text.replace('<', "(").replace('>', ")") } else { text.clone() };
    Content { text: spell(&content.text), thread: content.thread.iter().map(spell).collect(), ..content }
}

fn can(adapter: &dyn Adapter) -> &'static Abilities {
    &find(adapter.platform()).expect("it is in the registry").can
}

fn adorned(id: &str) -> Content {
    Content {
        link: Some("https://example.org/story?a=1&b=2".into()),
        tags: vec!["buildinpublic".into(), "ZweiWörter".into()],
        lang: Some("de".into()),
        warning: Some("long & <odd>".into()),
        visibility: Visibility::Unlisted,
        ..plain(id)
    }
}

fn contents(id: &str) -> Vec<Content> {
    let all = Content { media: pictured(id).media, thread: thread(id).thread, ..adorned(id) };
    vec![plain(id), adorned(id), pictured(id), thread(id), all]
}

fn job(adapter: &dyn Adapter, id: &str, content: Content) -> Job {
    // What it says that it can show, it must take.
    let content = spelled(adapter, fit(adapter, content));
    assert_eq!(adapter.check(&content, &Session::default()), [], "nothing is wrong with {content:?}");
    let digest = Digest::of(format!("{content:?}").as_bytes());
    // The same whenever this delivery asks, and another for every delivery.
    let draw = id.bytes().fold(7, |draw: u64, byte| draw.wrapping_mul(0x0100_0000_01b3).wrapping_add(byte.into()));
    let media = |item: &MediaItem| {
        let (bytes, facts) = bytes_of(&item.file);
        Media { item: item.clone(), mime: facts.mime.into(), size: facts.size, bytes: bytes.into() }
    };
    Job {
        delivery: DeliveryId::new(PostId::new(id).expect("an id"), AccountId::new("a0").expect("an id")),
        attempt: 1,
        key: Digest::of(id.as_bytes()).hex()[..32].to_owned(),
        digest,
        media: content.media.iter().map(media).collect(),
        frozen: adapter.freeze(&content, now(), draw),
        content,
        started: now(),
        answers: None,
        taken: Arc::new(BTreeSet::new()),
    }
}

/// Each part of the post is there once, each answers the one before it, and the first is the one that `remote` names.
/// Where nothing can answer anything, the parts stand one behind the other.
fn assert_once(can: &Abilities, twin: &dyn Twin, job: &Job, remote: &Remote) {
    let id = job.delivery.post.as_str();
    let published = twin.published();
    let mut before = job.answers.as_ref().map(|remote| remote.id.clone());
    for (part, wanted) in std::iter::once(&job.content.text).chain(&job.content.thread).enumerate() {
        let found: Vec<_> = published.iter().filter(|post| post.text.contains(wanted)).collect();
        assert_eq!(found.len(), 1, "{wanted:?} among {published:#?}");
        match (can.answers, &found[0].answers) {
            (Answers::Nothing, None) => {
                let of = |id: &String| published.iter().position(|post| post.id == *id);
                let place = of(&found[0].id);
                assert!(before.as_ref().is_none_or(|before| of(before) < place), "{wanted:?} stands before its turn");
            }
            (_, answers) => assert_eq!(*answers, before, "{wanted:?} answers the wrong one"),
        }
        assert!(part > 0 || found[0].id == remote.id, "{remote:?} names another post than {:?}", found[0]);
        before = Some(found[0].id.clone());
    }
    let names = [format!("of <{id}>"), format!("of ({id})")];
    let all = published.iter().filter(|post| names.iter().any(|name| post.text.contains(name))).count();
    assert_eq!(all, job.content.thread.len() + 1, "{published:#?}");
}

/// A platform that asks for no secret can neither throttle nor shut out.
fn needs_no_account(adapter: &dyn Adapter) -> bool {
    adapter.secrets().is_empty()
}

/// One post: its parts appear once and in order, and it says where.
#[test]
fn every_kind_of_post_is_published_once() {
    for_each_platform(|entry| {
        for content in contents("post") {
            let mut twin = (entry.twin)();
            let adapter = adapter(entry, &*twin, 0);
            let job = job(&*adapter, "post", content);
            let mut drive = Drive::new(&*adapter, &mut *twin, &job);
            let End::Done(remote) = drive.attempt() else { panic!("{:?} was not published", job.content) };
            assert!(remote.url.as_ref().is_some_and(|url| url.starts_with("http")), "people cannot see {remote:?}");
            // The result is told again from the checkpoints alone.
            drive.crash();
            let sent = drive.sent.len();
            assert!(matches!(drive.attempt(), End::Done(again) if again == remote));
            assert_eq!(drive.sent.len(), sent, "nothing more is asked once all parts are there");
            assert_once(&entry.can, &*twin, &job, &remote);
        }
    });
}

/// What a platform fetches from the web is found to be missing before anything is asked of it, and found when it is there;
/// once it is published, nobody looks.
#[test]
fn files_that_a_platform_would_not_find_are_missed_beforehand() {
    let fetching = std::cell::RefCell::new(BTreeSet::new());
    for_each_platform(|entry| {
        let mut twin = (entry.twin)();
        let adapter = adapter(entry, &*twin, 0);
        let job = job(&*adapter, "post", pictured("post"));
        let look = |twin: &mut dyn Twin, done: &[Checkpoint]| {
            let mut look = Look::new(&*adapter, &Read::of(&job.media), done)?;
            loop {
                let call = look.call().expect("there is something to look at");
                assert!(matches!(call, Call::Fetch(_)), "{call:?}");
                match look.answered(&Ok(twin.answer(&call, job.started))) {
                    Seen::More => {}
                    seen => return Some(seen),
                }
            }
        };
        if look(&mut *twin, &[]).is_none() {
            return;
        }
        fetching.borrow_mut().insert(entry.name);
        twin.hide_files(true);
        let Some(Seen::Missing(why)) = look(&mut *twin, &[]) else { panic!("it is not missed") };
        assert!(why.contains(&job.media[0].public_name()) && why.contains("copy "), "{why}");
        twin.hide_files(false);
        assert_eq!(look(&mut *twin, &[]), Some(Seen::All));
        let mut drive = Drive::new(&*adapter, &mut *twin, &job);
        assert!(matches!(drive.attempt(), End::Done(_)));
        let done: Vec<Checkpoint> = drive.done.iter().map(|(checkpoint, _)| checkpoint.clone()).collect();
        assert_eq!(look(&mut *twin, &done), None, "it is published");
    });
    assert_eq!(fetching.into_inner(), ["instagram", "threads"].into());
}

#[test]
fn an_answer_to_a_post_of_ours_hangs_below_it() {
    for_each_platform(|entry| {
        for first in [plain("first"), thread("first")] {
            if entry.can.answers == Answers::Nothing {
                return;
            }
            let mut twin = (entry.twin)();
            let adapter = adapter(entry, &*twin, 0);
            let first = job(&*adapter, "first", first);
            let remote = Drive::new(&*adapter, &mut *twin, &first).finish();
            // What a platform needs to answer a thread may be its last part.
            let reply_to = Some(ReplyTo::Ours(first.delivery.post.clone()));
            let answer = job(&*adapter, "answer", Content { reply_to, ..thread("answer") });
            let answer = Job { answers: Some(remote.clone()), ..answer };
            let mut drive = Drive::new(&*adapter, &mut *twin, &answer);
            let End::Done(below) = drive.attempt() else { panic!("the answer was not published") };
            let published = twin.published();
            let of_first: BTreeSet<_> = published.iter().filter(|post| post.text.contains("of <first>")).collect_ids();
            let top = published.iter().find(|post| post.id == below.id).expect("it is there");
            assert!(top.answers.as_ref().is_some_and(|id| of_first.contains(id)), "{top:?} hangs below {of_first:?}");
            let answer = Job { answers: Some(Remote { id: top.answers.clone().unwrap(), ..remote }), ..answer };
            assert_once(&entry.can, &*twin, &answer, &below);
        }
    });
}

trait Ids {
    fn collect_ids(self) -> BTreeSet<String>;
}

impl<'a, I: Iterator<Item = &'a Published>> Ids for I {
    fn collect_ids(self) -> BTreeSet<String> {
        self.map(|post| post.id.clone()).collect()
    }
}

#[test]
fn two_accounts_do_not_meet() {
    for_each_platform(|entry| {
        let mut twin = (entry.twin)();
        let adapters = [0, 1].map(|account| adapter(entry, &*twin, account));
        assert_ne!(adapters[0].place(), adapters[1].place());
        for (account, adapter) in [0, 1].into_iter().zip(&adapters) {
            let job = job(&**adapter, "post", plain("post"));
            let secrets = twin.secrets(account);
            let mut drive = Drive::new(&**adapter, &mut *twin, &job);
            drive.secrets = secrets;
            drive.finish();
        }
        let accounts: Vec<_> = twin.published().iter().map(|post| post.account).collect();
        assert_eq!(accounts, [0, 1]);
    });
}

/// Whichever reply is lost, with or without a crash of ours, and whether or not the call had arrived: in the end each
/// part is there once.
#[test]
fn a_lost_reply_at_any_call_neither_doubles_nor_loses_a_part() {
    for_each_platform(|entry| {
        for content in contents("post") {
            for (crash, arrived) in [(false, true), (true, true), (false, false), (true, false)] {
                for call in 0..usize::MAX {
                    let mut twin = (entry.twin)();
                    let adapter = adapter(entry, &*twin, 0);
                    let job = job(&*adapter, "post", content.clone());
                    let mut drive = Drive::new(&*adapter, &mut *twin, &job);
                    let mut calls = 0;
                    let end = drive.attempt_in(Purpose::Publish, &mut |_, _| {
                        calls += 1;
                        match (calls == call + 1, arrived) {
                            (false, _) => Wire::Whole,
                            (true, true) => Wire::ReplyLost,
                            (true, false) => Wire::RequestLost,
                        }
                    });
                    let effect = match end {
                        End::Lost(effect) => effect,
                        End::Done(_) => break,
                        other => panic!("{other:?} in fair weather"),
                    };
                    if crash {
                        drive.crash();
                    }
                    match (effect, adapter.evidence()) {
                        // A person decides, who is told so and not left to a guess.
                        (Effect::Publishes, Evidence::None) => {
                            assert!(matches!(drive.look_back(), End::CannotTell(_)));
                            continue;
                        }
                        (Effect::Publishes, _) => drive.settle(),
                        _ => {}
                    }
                    drive.now = after(drive.now, Duration::from_secs(1));
                    let remote = drive.finish();
                    assert_once(&entry.can, &*twin, &job, &remote);
                }
            }
        }
    });
}

/// What a repeat sends is what the first attempt sent, however much later.
#[test]
fn the_publishing_step_is_the_same_in_every_attempt() {
    for_each_platform(|entry| {
        for content in contents("post") {
            let mut twin = (entry.twin)();
            let adapter = adapter(entry, &*twin, 0);
            let job = job(&*adapter, "post", content);
            let mut drive = Drive::new(&*adapter, &mut *twin, &job);
            let mut lose = |step: &Step, _: &mut dyn Twin| match step.effect {
                Effect::Publishes => Wire::RequestLost,
                _ => Wire::Whole,
            };
            assert!(matches!(drive.attempt_in(Purpose::Publish, &mut lose), End::Lost(Effect::Publishes)));
            drive.crash();
            drive.now = after(drive.now, Duration::from_secs(86_400));
            assert!(matches!(drive.attempt_in(Purpose::Publish, &mut lose), End::Lost(Effect::Publishes)));
            let sent: Vec<_> = drive.sent.iter().filter(|(effect, _)| *effect == Effect::Publishes).collect();
            assert_eq!(sent.len(), 2);
            assert!(sent[0] == sent[1], "a repeat sends something else");
            let uploads = drive.sent.iter().filter(|(effect, _)| *effect == Effect::Leaves).count();
            assert!(uploads <= drive.done.len(), "what was left there is not left again");
        }
    });
}

#[test]
fn looking_back_for_what_was_never_sent_finds_nothing() {
    for_each_platform(|entry| {
        for content in contents("post") {
            let mut twin = (entry.twin)();
            let adapter = adapter(entry, &*twin, 0);
            let absent = |end: End| match adapter.evidence() {
                Evidence::None => matches!(end, End::CannotTell(_)),
                _ => matches!(end, End::Read(Reading::Absent)),
            };
            let first = job(&*adapter, "post", content.clone());
            assert!(absent(Drive::new(&*adapter, &mut *twin, &first).look_back()), "on an empty account");
            // Another post of ours that says the same is not this one.
            let remote = Drive::new(&*adapter, &mut *twin, &first).finish();
            let ids = twin.published().iter().collect_ids();
            let same = Job {
                taken: Arc::new(ids.into_iter().chain([remote.id]).collect()),
                ..job(&*adapter, "same", content)
            };
            let mut drive = Drive::new(&*adapter, &mut *twin, &same);
            drive.now = after(now(), Duration::from_secs(600));
            let end = drive.look_back();
            assert!(absent(end), "beside one that says the same");
        }
    });
}

#[test]
fn looking_back_finds_what_was_sent() {
    for_each_platform(|entry| {
        for content in contents("post") {
            let mut twin = (entry.twin)();
            let adapter = adapter(entry, &*twin, 0);
            let job = job(&*adapter, "post", content);
            let mut drive = Drive::new(&*adapter, &mut *twin, &job);
            let end = drive.attempt_in(Purpose::Publish, &mut |step, _| match step.effect {
                Effect::Publishes => Wire::ReplyLost,
                _ => Wire::Whole,
            });
            assert!(matches!(end, End::Lost(Effect::Publishes)), "{end:?}");
            drive.now = after(drive.now, Duration::from_secs(3_600));
            match (adapter.evidence(), drive.look_back()) {
                (Evidence::None, End::CannotTell(_)) => continue,
                (_, End::Found) => {}
                (_, other) => panic!("looking back says {other:?}"),
            }
            let remote = drive.finish();
            assert_once(&entry.can, &*twin, &job, &remote);
        }
    });
}

#[test]
fn too_much_asked_is_waited_for() {
    for_each_platform(|entry| {
        for before_publishing in [false, true] {
            let mut twin = (entry.twin)();
            let adapter = adapter(entry, &*twin, 0);
            let job = job(&*adapter, "post", thread("post"));
            let until = after(now(), Duration::from_secs(900));
            if !before_publishing {
                twin.throttle(until);
            }
            let mut drive = Drive::new(&*adapter, &mut *twin, &job);
            let end = drive.attempt_in(Purpose::Publish, &mut |step, twin| {
                if before_publishing && step.effect == Effect::Publishes {
                    twin.throttle(until);
                }
                Wire::Whole
            });
            match end {
                End::Read(Reading::RateLimited { until: told, .. }) => {
                    assert!(told >= now(), "{told} is over");
                    assert_eq!(drive.twin.published(), []);
                }
                End::Done(_) if needs_no_account(&*adapter) => {}
                other => panic!("a limit is read as {other:?}"),
            }
            let remote = drive.finish();
            assert_once(&entry.can, &*twin, &job, &remote);
        }
    });
}

/// Tokens end in the middle of an attempt, before each of its calls in turn.
#[test]
fn tokens_that_end_midway_are_got_anew() {
    for_each_platform(|entry| {
        for content in contents("post") {
            for call in 0..usize::MAX {
                let mut twin = (entry.twin)();
                let adapter = adapter(entry, &*twin, 0);
                let job = job(&*adapter, "post", content.clone());
                let mut drive = Drive::new(&*adapter, &mut *twin, &job);
                let mut calls = 0;
                let end = drive.attempt_in(Purpose::Publish, &mut |_, twin| {
                    if calls == call {
                        twin.expire_tokens();
                    }
                    calls += 1;
                    Wire::Whole
                });
                let End::Done(remote) = end else { panic!("tokens that ended before call {call}: {end:?}") };
                let over = calls <= call;
                assert_once(&entry.can, &*twin, &job, &remote);
                if over {
                    break;
                }
            }
        }
    });
}

#[test]
fn an_account_that_is_shut_out_says_so_and_comes_back() {
    for_each_platform(|entry| {
        let mut twin = (entry.twin)();
        let adapter = adapter(entry, &*twin, 0);
        let job = job(&*adapter, "post", pictured("post"));
        twin.set_revoked(true);
        let mut drive = Drive::new(&*adapter, &mut *twin, &job);
        match drive.attempt() {
            End::Auth(_) | End::Read(Reading::Auth { .. }) => assert_eq!(drive.twin.published(), []),
            End::Done(_) if needs_no_account(&*adapter) => {}
            other => panic!("a revoked token is read as {other:?}"),
        }
        drive.twin.set_revoked(false);
        drive.crash();
        let remote = drive.finish();
        assert_once(&entry.can, &*twin, &job, &remote);
    });
}

#[test]
fn without_its_secrets_nothing_is_sent() {
    for_each_platform(|entry| {
        let mut twin = (entry.twin)();
        let adapter = adapter(entry, &*twin, 0);
        let job = job(&*adapter, "post", plain("post"));
        let mut drive = Drive::new(&*adapter, &mut *twin, &job);
        drive.secrets.0 = BTreeMap::new();
        match drive.attempt() {
            End::Auth(_) => assert_eq!(drive.sent.len(), 0),
            End::Done(_) if needs_no_account(&*adapter) => {}
            other => panic!("no token is read as {other:?}"),
        }
    });
}

/// What a reply that is not the platform's own may at most mean.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Means {
    /// Nobody can say whether it was carried out.
    MayHaveHappened,
    /// Anything but success.
    NotSuccess,
}

fn http(status: u16, headers: &[(&str, &str)], body: &[u8]) -> HttpReply {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    HttpReply { status, headers, body: body.to_vec(), cut: false }
}

fn strange_replies() -> Vec<(&'static str, Means, HttpReply)> {
    use Means::{MayHaveHappened, NotSuccess};
    let page = http(200, &[("content-type", "text/html")], b"<!DOCTYPE html><title>Welcome to the hotel</title>");
    let json = |status, value| HttpReply::json(status, &value);
    vec![
        ("a page with 200", MayHaveHappened, page),
        ("an empty body", MayHaveHappened, http(200, &[], b"")),
        ("half of a reply", MayHaveHappened, http(200, &[("content-type", "application/json")], b"{\"id\":\"1")),
        ("a reply that was cut", MayHaveHappened, HttpReply { cut: true, ..json(200, json!({"id": "1", "uri": "x"})) }),
        ("no text", MayHaveHappened, http(200, &[("content-type", "application/json")], b"\xff\xfe\x00")),
        ("null", MayHaveHappened, json(200, json!(null))),
        ("a text", MayHaveHappened, json(200, json!("ok"))),
        ("an empty object", MayHaveHappened, json(200, json!({}))),
        ("an empty list", MayHaveHappened, json(200, json!([]))),
        ("wrong types", MayHaveHappened, json(200, json!({"id": {}, "uri": [], "url": 1, "cid": null, "commit": 3}))),
        ("deep nesting", MayHaveHappened, http(200, &[], "[".repeat(100_000).as_bytes())),
        ("no content", MayHaveHappened, http(204, &[], b"")),
        ("a redirect", MayHaveHappened, http(302, &[("location", "https://elsewhere.example/")], b"")),
        ("a permanent redirect", MayHaveHappened, http(308, &[("location", "/login")], b"")),
        ("too slow", MayHaveHappened, http(408, &[], b"")),
        ("its own fault", MayHaveHappened, http(500, &[], b"Internal Server Error")),
        ("its own fault in JSON", MayHaveHappened, json(500, json!({"error": "InternalServerError"}))),
        ("a bad gateway", MayHaveHappened, http(502, &[], b"<html>")),
        ("a gateway's time-out", MayHaveHappened, http(504, &[], b"")),
        ("unavailable", NotSuccess, http(503, &[], b"")),
        ("unavailable for a while", NotSuccess, http(503, &[("retry-after", "30")], b"")),
        ("not understood", NotSuccess, json(400, json!({"error": "InvalidRequest", "message": "no"}))),
        ("shut out", NotSuccess, json(403, json!({"error": "This action is not allowed"}))),
        ("not there", NotSuccess, json(404, json!({"error": "Record not found"}))),
        ("gone", NotSuccess, http(410, &[], b"")),
        ("too large", NotSuccess, http(413, &[], b"")),
        ("refused", NotSuccess, json(422, json!({"error": "Validation failed: Text can't be blank"}))),
        ("too much", NotSuccess, http(429, &[], b"")),
    ]
}

/// The publishing step number `number` (from 0) gets another reply than the twin's.
fn reply_to_publishing(entry: &Entry, content: Content, number: usize, reply: &Reply) -> (bool, End) {
    let mut twin = (entry.twin)();
    let adapter = adapter(entry, &*twin, 0);
    let job = job(&*adapter, "post", content);
    let mut drive = Drive::new(&*adapter, &mut *twin, &job);
    let (mut seen, mut over_http) = (0, false);
    let end = drive.attempt_in(Purpose::Publish, &mut |step, _| {
        let publishes = step.effect == Effect::Publishes;
        seen += usize::from(publishes);
        match publishes && seen == number + 1 {
            true => {
                over_http = matches!(step.call, Call::Http(_));
                Wire::Instead(reply.clone())
            }
            false => Wire::Whole,
        }
    });
    (over_http, end)
}

#[test]
fn a_strange_reply_to_the_publishing_step_is_never_success() {
    for_each_platform(|entry| {
        for (name, means, reply) in strange_replies() {
            for number in [0, 1] {
                let (over_http, end) = reply_to_publishing(entry, thread("post"), number, &Reply::Http(reply.clone()));
                let reading = match end {
                    End::Read(reading) => reading,
                    // The account was found to be logged out, or there is no second publishing step.
                    End::Done(_) if number > 0 => continue,
                    End::Auth(_) => continue,
                    other => panic!("{name} to part {number} ends in {other:?}"),
                };
                let success = matches!(
                    reading,
                    Reading::Checkpoint(_)
                        | Reading::Found(_)
                        | Reading::Absent
                        | Reading::Learned(_)
                        | Reading::Wait(_)
                );
                assert!(!success, "{name} to part {number} is read as {reading:?}");
                if means == Means::MayHaveHappened || !over_http {
                    let unclear = matches!(reading, Reading::Unclear { .. });
                    assert!(unclear, "{name} to part {number} is read as {reading:?}");
                }
            }
        }
    });
}

#[test]
fn a_reply_that_was_cut_is_not_believed() {
    for_each_platform(|entry| {
        let mut twin = (entry.twin)();
        let adapter = adapter(entry, &*twin, 0);
        let job = job(&*adapter, "post", pictured("post"));
        for effect in [Effect::Publishes, Effect::Leaves] {
            let mut drive = Drive::new(&*adapter, &mut *twin, &job);
            let mut over_http = false;
            let end = drive.attempt_in(Purpose::Publish, &mut |step, _| {
                over_http |= matches!(step.call, Call::Http(_));
                if step.effect != effect || !over_http {
                    return Wire::Whole;
                }
                Wire::Changed(|reply| match reply {
                    Reply::Http(mut reply) => {
                        reply.body.truncate(reply.body.len() / 2);
                        Reply::Http(HttpReply { cut: true, ..reply })
                    }
                    _ => panic!("a folder answers a request"),
                })
            });
            match end {
                End::Done(_) if !over_http || effect == Effect::Leaves => {}
                End::Read(Reading::Unclear { .. }) => {}
                End::Read(Reading::Retry { .. }) if effect == Effect::Leaves => {}
                other => panic!("half a reply to a step that {effect:?} is read as {other:?}"),
            }
        }
    });
}

/// At every call of an attempt, and of looking back: nothing strange is taken for a result, and nothing panics.
#[test]
fn a_strange_reply_at_any_call_is_never_a_result() {
    for_each_platform(|entry| {
        for purpose in [Purpose::Publish, Purpose::LookBack] {
            for (name, means, reply) in strange_replies() {
                for call in 0..usize::MAX {
                    let mut twin = (entry.twin)();
                    let adapter = adapter(entry, &*twin, 0);
                    let job = job(&*adapter, "post", pictured("post"));
                    let mut drive = Drive::new(&*adapter, &mut *twin, &job);
                    let (mut calls, mut effect) = (0, None);
                    let end = drive.attempt_in(purpose, &mut |step, _| {
                        calls += 1;
                        if calls != call + 1 {
                            return Wire::Whole;
                        }
                        effect = Some(step.effect);
                        Wire::Instead(Reply::Http(reply.clone()))
                    });
                    let Some(effect) = effect else { break };
                    if calls > call + 1 {
                        // It was about the account and did no harm (limits that were not told, a login that was
                        // lost); what came after it was genuine.
                        assert_eq!(effect, Effect::Harmless, "{name} at call {call} of {purpose:?}");
                        if let End::Done(remote) = end {
                            assert_once(&entry.can, &*twin, &job, &remote);
                        }
                        continue;
                    }
                    let reading = match end {
                        End::Read(reading) => reading,
                        End::Auth(_) | End::CannotTell(_) => continue,
                        other => panic!("{name} at call {call} of {purpose:?} ends in {other:?}"),
                    };
                    let what = format!("{name} at call {call} ({effect:?}) of {purpose:?} is read as {reading:?}");
                    assert!(!matches!(reading, Reading::Checkpoint(_) | Reading::Found(_)), "{what}");
                    let empty = matches!(name, "an empty list" | "an empty object" | "wrong types");
                    let absent = matches!(reading, Reading::Absent | Reading::AlreadyThere { .. });
                    assert!(!absent || empty || means == Means::NotSuccess, "{what}");
                }
            }
        }
    });
}

#[test]
fn a_wait_that_a_server_asks_for_is_sane() {
    for_each_platform(|entry| {
        let resets = [
            ("retry-after", "-1"),
            ("retry-after", "1000000000"),
            ("retry-after", "99999999999999999999999"),
            ("retry-after", "Wed, 01 Jan 2020 00:00:00 GMT"),
            ("retry-after", "soon"),
            ("x-ratelimit-reset", "9999-12-31T23:59:59Z"),
            ("x-ratelimit-reset", "1970-01-01T00:00:00Z"),
            ("ratelimit-reset", "0"),
            ("ratelimit-reset", "99999999999999"),
        ];
        for (header, value) in resets {
            let reply =
                http(429, &[(header, value), ("x-ratelimit-remaining", "0"), ("ratelimit-remaining", "0")], b"{}");
            let (over_http, end) = reply_to_publishing(entry, plain("post"), 0, &Reply::Http(reply));
            match end {
                End::Read(Reading::RateLimited { until, .. }) => {
                    assert!(until >= now(), "{header}: {value} is over at {until}");
                    let most = after(now(), Duration::from_secs(31 * 86_400));
                    assert!(until <= most, "{header}: {value} shuts the account down until {until}");
                }
                End::Read(Reading::Unclear { .. }) if !over_http => {}
                other => panic!("{header}: {value} is read as {other:?}"),
            }
        }
    });
}

#[test]
fn a_table_without_its_keys_is_refused_key_by_key() {
    for_each_platform(|entry| {
        let mut table = Table::new(AccountId::new("a").unwrap(), toml::Table::new(), PathBuf::from("/base"));
        assert!((entry.build)(&mut table).is_none());
        let complained: BTreeSet<_> = table.into_complaints().into_iter().map(|complaint| complaint.key).collect();
        let required = entry.keys.iter().filter(|key| key.required).map(|key| key.name.to_owned());
        assert_eq!(complained, required.collect::<BTreeSet<_>>());
    });
}

#[test]
fn names_are_those_of_the_registry() {
    let mut names = BTreeSet::new();
    for_each_platform(|entry| {
        let twin = (entry.twin)();
        let adapter = adapter(entry, &*twin, 0);
        assert_eq!(adapter.platform(), entry.name);
        let secrets: BTreeSet<_> = adapter.secrets().into_iter().map(|(key, _)| key.to_owned()).collect();
        assert_eq!(twin.secrets(0).0.into_keys().collect::<BTreeSet<_>>(), secrets);
    });
    assert!(REGISTRY.iter().all(|entry| names.insert(entry.name)), "a name stands once");
}
