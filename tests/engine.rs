//! The engine, input by input: what happens at a time, and the commands that follow.

#![cfg(test)]

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use cadenced::control::protocol::DaemonReport;
use cadenced::domain::policy::{
    ApprovalMode, Cron, DeliveryRules, Missed, Policy, Promotion, Quiet, Retry, Schedule, Spray, Unanswered,
};
use cadenced::domain::{
    AccountId, Checkpoint, Content, DeliveryId, Digest, Fault, JsonText, MediaItem, Place, PostId, Remote, Secret,
    SecretRef, State, Timestamp, time,
};
use cadenced::engine::engine::Mode;
use cadenced::engine::{AccountSetup, Chore, Command, Engine, Event, ResolveError, Ticket};
use cadenced::ledger::record::{Decision, Fact, Intent};
use cadenced::ledger::store::CommitError;
use cadenced::ledger::{Record, View};
use cadenced::parts::{Claim, Inbox, ShelfError, Unvouched};
use cadenced::platform::contract::{
    Adapter, Attempt, Body, Call, Complaint, Effect, Evidence, Failure, HttpReply, Media, Method, Next, Pace, Public,
    Purpose, Reading, Reply, Request, Secrets, Session, Step,
};
use cadenced::queue::{Approval, Post, parse};
use serde_json::{Value, json};

#[path = "support/simulated/seal.rs"]
mod simulated;

/// A platform with one call to post and one to look; the replies are their own meaning.
#[derive(Debug)]
struct Plain {
    platform: &'static str,
    place: &'static str,
    logs_in: bool,
    /// Sending the same once more makes one post.
    repeatable: bool,
}

impl Adapter for Plain {
    fn platform(&self) -> &'static str {
        self.platform
    }

    fn place(&self) -> String {
        self.place.into()
    }

    fn host(&self) -> String {
        self.place.split('/').next().unwrap_or_default().into()
    }

    fn evidence(&self) -> Evidence {
        if self.repeatable { Evidence::Repeatable } else { Evidence::LookBack { lag: Duration::ZERO } }
    }

    fn secrets(&self) -> Vec<(&'static str, SecretRef)> {
        vec![("token", SecretRef::Env("TOKEN".into()))]
    }

    fn check(&self, _: &Content, _: &Session) -> Vec<Complaint> {
        Vec::new()
    }

    fn freeze(&self, _: &Content, _: Timestamp, _: u64) -> Value {
        Value::Null
    }

    fn next(&self, attempt: &Attempt<'_>) -> Next {
        if self.logs_in && attempt.session.identity.is_none() {
            return self.call("session", Effect::Harmless);
        }
        let taken: String = attempt.job.taken.iter().map(|id| format!("not-{id}/")).collect();
        if attempt.purpose == Purpose::LookBack {
            return self.call(&format!("{taken}look"), Effect::Harmless);
        }
        match attempt.done.last() {
            Some(_) if self.place == "naming.example" && attempt.scratch.is_null() => {
                self.call("where", Effect::Harmless)
            }
            Some(_) if attempt.done.len() <= attempt.job.content.thread.len() => {
                self.call(&format!("publish-{}", attempt.done.len()), Effect::Publishes)
            }
            Some(_) => Next::Done(Remote { id: "1".into(), url: None, reference: JsonText::default() }),
            None if self.place == "telling.example" => self.call(&format!("{taken}publish-0"), Effect::Publishes),
            None => self.call("publish-0", Effect::Publishes),
        }
    }

    fn pace(&self, reply: &Reply, now: Timestamp) -> Option<Pace> {
        let Reply::Http(reply) = reply else { panic!("no files here") };
        let reset = now.checked_add(jiff::SignedDuration::from_secs(600)).unwrap();
        reply.body.ends_with(b"no more for ten minutes").then_some(Pace { remaining: 0, reset })
    }

    fn read(&self, attempt: &Attempt<'_>, _: &Step, reply: &Reply) -> Reading {
        let Reply::Http(reply) = reply else { panic!("no files here") };
        let why = "so it says".to_owned();
        match std::str::from_utf8(&reply.body).unwrap() {
            "posted" | "posted, and no more for ten minutes" => Reading::Checkpoint(json!(1)),
            "wait, there is no more for ten minutes" => {
                Reading::RateLimited { until: time::after(attempt.now, Duration::from_secs(60)), why }
            }
            "there" => Reading::Found(json!(1)),
            "absent" => Reading::Absent,
            "wait for a month" => {
                Reading::RateLimited { until: time::after(attempt.now, Duration::from_hours(30 * 24)), why }
            }
            "later" => Reading::Retry { after: None, why },
            "denied" => Reading::Auth { why },
            "refused" => Reading::Refused { why },
            "learned" => Reading::Learned(json!(1)),
            "hello" | "hello, and no more for ten minutes" => {
                Reading::Session(Session { identity: Some("me".into()), ..Session::default() })
            }
            other => panic!("{other}"),
        }
    }
}

impl Plain {
    fn call(&self, name: &str, effect: Effect) -> Next {
        let url = format!("https://{}/{name}", self.place).parse().unwrap();
        let request =
            Request { method: Method::Get, url, secret_path: None, headers: Vec::new(), body: Body::default() };
        Next::Call(Step { name: name.into(), effect, call: Call::Http(request) })
    }
}

/// The same for a platform that fetches media from the web, or hands out an address before a post is published.
#[derive(Debug)]
struct Fetching {
    plain: Plain,
    hands_out: bool,
}

impl Adapter for Fetching {
    fn platform(&self) -> &'static str {
        self.plain.platform()
    }

    fn place(&self) -> String {
        self.plain.place()
    }

    fn evidence(&self) -> Evidence {
        self.plain.evidence()
    }

    fn secrets(&self) -> Vec<(&'static str, SecretRef)> {
        self.plain.secrets()
    }

    fn check(&self, content: &Content, session: &Session) -> Vec<Complaint> {
        self.plain.check(content, session)
    }

    fn freeze(&self, content: &Content, now: Timestamp, draw: u64) -> Value {
        self.plain.freeze(content, now, draw)
    }

    fn next(&self, attempt: &Attempt<'_>) -> Next {
        let begun = attempt.done.iter().find(|checkpoint| checkpoint.step == "begin");
        let address = begun.and_then(|begun| begun.data[Checkpoint::PRIVATE].as_str());
        match address {
            _ if !self.hands_out || attempt.purpose == Purpose::LookBack => self.plain.next(attempt),
            None => self.plain.call("begin", Effect::Leaves),
            Some(_) if attempt.done.len() > 1 => self.plain.next(attempt),
            Some(address) => self.plain.call(&format!("{address}/publish-0"), Effect::Publishes),
        }
    }

    fn read(&self, attempt: &Attempt<'_>, step: &Step, reply: &Reply) -> Reading {
        match step.name.as_str() {
            "begin" => Reading::Checkpoint(json!({ Checkpoint::PRIVATE: format!("canary-{}", attempt.job.attempt) })),
            _ => self.plain.read(attempt, step, reply),
        }
    }

    fn fetches(&self, files: &[(&MediaItem, &str)], _: &[Checkpoint]) -> Vec<Public> {
        let public = |place| {
            let url = format!("https://{}/media/{place}", self.plain.place).parse().unwrap();
            Public { place, url, key: "media_base_url" }
        };
        (0..files.len()).map(public).collect()
    }
}

fn fetching(hands_out: bool) -> AccountSetup {
    let plain = Plain { platform: "plain", place: "one.example", logs_in: false, repeatable: false };
    AccountSetup { adapter: Arc::new(Fetching { plain, hands_out }), ..setup("a", &["0 9 * * *"]) }
}

/// An engine, the batches and calls that it waits for, and what it has said.
struct Bench {
    engine: Engine,
    now: Timestamp,
    setups: Vec<AccountSetup>,
    files: BTreeMap<String, Vec<Post>>,
    commits: VecDeque<(Ticket, Vec<Record>)>,
    calls: VecDeque<(Ticket, String)>,
    gathers: VecDeque<Ticket>,
    claims: VecDeque<(Ticket, Claim)>,
    halted: Option<String>,
    durable: Vec<Record>,
    events: Vec<&'static str>,
    /// The events with their fields.
    log: Vec<Value>,
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn account(name: &str) -> AccountId {
    AccountId::new(name).unwrap()
}

fn delivery(text: &str) -> DeliveryId {
    text.parse().unwrap()
}

fn setup(name: &str, slots: &[&str]) -> AccountSetup {
    let builder = croner::parser::CronParser::builder().seconds(croner::parser::Seconds::Optional).build();
    let slots = slots.iter().map(|text| Cron { text: (*text).into(), pattern: builder.parse(text).unwrap() });
    AccountSetup {
        id: account(name),
        adapter: Arc::new(Plain { platform: "plain", place: "one.example", logs_in: false, repeatable: false }),
        secrets: Secrets::default(),
        schedule: Schedule { zone: jiff::tz::TimeZone::UTC, slots: slots.collect() },
        policy: Policy {
            max_per_day: 10,
            min_gap: Duration::from_hours(2),
            missed: Missed::NextSlot,
            late_grace: Duration::from_hours(1),
            promotion: Promotion { share: 1.0, window: 1 },
            unanswered: Unanswered { max: 5, older_than: Duration::from_hours(24) },
            quiet: Vec::new(),
            runway_warn: Duration::from_hours(7 * 24),
            budget: None,
            spray: Spray::default(),
        },
        links: cadenced::domain::Links::default(),
        rules: DeliveryRules {
            timeout: Duration::from_secs(60),
            settle: None,
            retry: Retry { first: Duration::from_secs(30), max: Duration::from_hours(1), tries: 8 },
        },
        paused: false,
        identity: None,
        token_expires: None,
        seal: None,
    }
}

/// A post for account `a`.
fn post(id: &str, text: &str, more: &str) -> String {
    format!(
        "[[post]]\nid = \"{id}\"\nto = [\"a\"]\naudience = \"all\"\ngoal = \"connection\"\ntext = \"{text}\"\n{more}\n"
    )
}

fn posts(file: &str, toml: &str) -> Vec<Post> {
    let mut media = |_: &str| Ok(Digest::of(b"dot").into());
    let mut around = parse::Surroundings { approval: ApprovalMode::None, accounts: None, media: &mut media };
    let reading = parse::read(&file.into(), toml.as_bytes(), &mut around);
    reading.posts.unwrap_or_else(|| panic!("{:?}", reading.faults))
}

impl Bench {
    /// Not configured yet, and the queue not read.
    fn new(view: View, mode: Mode, now: &str) -> Self {
        Self {
            engine: Engine::new(7, view, mode),
            now: at(now),
            setups: Vec::new(),
            files: BTreeMap::new(),
            commits: VecDeque::new(),
            calls: VecDeque::new(),
            gathers: VecDeque::new(),
            claims: VecDeque::new(),
            halted: None,
            durable: Vec::new(),
            events: Vec::new(),
            log: Vec::new(),
        }
    }

    /// With account `a`, whose slot is at nine each day, the queue read and recorded. It is half past eight.
    fn ready(toml: &str) -> Self {
        let mut bench = Self::new(View::default(), Mode::Publish, "2026-06-01T08:30:00Z");
        bench.configure(vec![setup("a", &["0 9 * * *"])]);
        bench.file("q.toml", toml);
        bench.tell(Event::Inbox(Inbox::Complete));
        bench.settle();
        assert!(bench.engine.is_ready());
        bench
    }

    fn configure(&mut self, setups: Vec<AccountSetup>) {
        self.setups.clone_from(&setups);
        self.tell(Event::Configured(setups));
    }

    fn file(&mut self, file: &str, toml: &str) {
        self.posts(file, posts(file, toml));
    }

    fn posts(&mut self, file: &str, posts: Vec<Post>) {
        self.files.insert(file.to_owned(), posts.clone());
        self.tell(Event::Inbox(Inbox::File { file: file.into(), posts: Some(posts), faults: Vec::new() }));
    }

    /// The file with its posts not approved (any more).
    fn unapproved(&mut self, file: &str, toml: &str) {
        let mut posts = posts(file, toml);
        posts.iter_mut().for_each(|post| post.approval = Approval::Stale);
        self.posts(file, posts);
    }

    /// The file with its posts approved by a signature.
    fn signed(&mut self, file: &str, toml: &str) {
        let mut posts = posts(file, toml);
        posts.iter_mut().for_each(|post| post.approval = Approval::Signed);
        self.posts(file, posts);
    }

    /// The oldest question for a signature is answered.
    fn vouched(&mut self, by: Result<&str, &str>) {
        let (ticket, _) = self.claims.pop_front().expect("its signature is asked for");
        self.tell(Event::Vouched { ticket, result: by.map(Into::into).map_err(|why| Unvouched::Void(why.into())) });
        self.settle();
    }

    /// Nobody can tell the oldest question for a signature.
    fn unclear(&mut self) {
        let (ticket, _) = self.claims.pop_front().expect("its signature is asked for");
        self.tell(Event::Vouched { ticket, result: Err(Unvouched::Unclear("no such file".into())) });
        self.settle();
    }

    fn tell(&mut self, event: Event) {
        self.engine.handle(event, self.now);
        while let Some(command) = self.engine.next_command() {
            match command {
                Command::Commit { ticket, records, .. } => self.commits.push_back((ticket, records)),
                Command::Call { ticket, call: Call::Http(request), .. } => {
                    self.calls.push_back((ticket, request.url.to_string()));
                }
                Command::Call { ticket, call: Call::Fetch(file), .. } => {
                    self.calls.push_back((ticket, file.url.to_string()));
                }
                Command::Call { .. } => panic!("no files here"),
                Command::Gather { ticket, .. } => self.gathers.push_back(ticket),
                Command::Vouch { ticket, claim } => self.claims.push_back((ticket, claim)),
                Command::Log(event) => {
                    self.events.push(event.name());
                    self.log.push(serde_json::to_value(&event).unwrap());
                }
                Command::Remember { .. } => unreachable!("nothing is recorded about people"),
                Command::Halt { why } => self.halted = Some(why),
            }
        }
    }

    /// The oldest batch is durable.
    fn synced(&mut self) {
        let (ticket, records) = self.commits.pop_front().expect("a batch");
        self.durable.extend(records);
        self.tell(Event::Committed { ticket, result: Ok(()) });
    }

    /// The oldest batch was not written.
    fn disk_fails(&mut self) {
        let (ticket, _) = self.commits.pop_front().expect("a batch");
        self.tell(Event::Committed { ticket, result: Err(CommitError::Io("the disk said no".into())) });
    }

    fn settle(&mut self) {
        while !self.commits.is_empty() {
            self.synced();
        }
    }

    /// The oldest call comes back.
    fn replied(&mut self, body: &str) {
        let (ticket, _) = self.calls.pop_front().expect("a call");
        let reply = HttpReply { status: 200, body: body.into(), ..HttpReply::default() };
        self.tell(Event::Replied { ticket, result: Ok(Reply::Http(reply)) });
    }

    /// The oldest gathering of media brings the dot, as often as it was asked for.
    fn gathered(&mut self, files: usize) {
        let ticket = self.gathers.pop_front().expect("its media are read");
        let item = MediaItem { file: "dot.png".into(), alt: "a dot".into(), sha256: Digest::of(b"dot"), facts: None };
        let dot = Media { item, mime: "image/png".into(), size: Some((1, 1)), bytes: b"dot".as_slice().into() };
        self.tell(Event::Gathered { ticket, result: Ok(vec![dot; files]) });
        self.settle();
    }

    /// The oldest call, which reads a public file, finds these bytes there, or nothing.
    fn fetched(&mut self, found: Option<&[u8]>) {
        let (ticket, url) = self.calls.pop_front().expect("a call");
        assert!(url.contains("/media/"), "{url}");
        let (status, bytes) = found.map_or((404, &b""[..]), |bytes| (200, bytes));
        let reply = Reply::Fetched { status, bytes: bytes.len() as u64, digest: Digest::of(bytes) };
        self.tell(Event::Replied { ticket, result: Ok(reply) });
        self.settle();
    }

    /// Why a delivery is held.
    fn held(&self, text: &str) -> String {
        match &self.engine.view().entry(&delivery(text)).unwrap().state {
            State::Held { reason, detail } => format!("{reason}: {}", detail.as_deref().unwrap_or_default()),
            other => format!("{other:?}"),
        }
    }

    /// The oldest call is lost on its way, or its reply is.
    fn lost(&mut self) {
        let (ticket, _) = self.calls.pop_front().expect("a call");
        self.tell(Event::Replied { ticket, result: Err(Failure::MayHaveArrived("timed out".into())) });
        self.settle();
    }

    /// A person decides, and that is recorded.
    fn decide(&mut self, text: &str, decision: Decision) -> Result<(), ResolveError> {
        self.engine.resolve(&delivery(text), decision, "me", self.now)?;
        self.tell(Event::Tick);
        self.settle();
        Ok(())
    }

    /// The daemon is killed and starts again, with what was durable, the same accounts and the same queue.
    fn restarted(self) -> Self {
        self.restarted_after(|_| {})
    }

    fn restarted_with(self, setups: Vec<AccountSetup>) -> Self {
        Self { setups, ..self }.restarted_after(|_| {})
    }

    /// Something happens before the accounts are configured.
    fn restarted_after(self, first: impl FnOnce(&mut Self)) -> Self {
        let setups = self.setups.clone();
        let mut view = View::default();
        self.durable.iter().for_each(|record| view.apply(record));
        assert_eq!(&view, self.engine.view(), "the view is the fold of what is durable");
        let mut bench = Self::new(view, Mode::Publish, &self.now.to_string());
        bench.durable = self.durable;
        first(&mut bench);
        bench.configure(setups);
        for (file, posts) in self.files {
            bench.posts(&file, posts);
        }
        bench.tell(Event::Inbox(Inbox::Complete));
        bench.settle();
        bench
    }

    /// Time goes on, with a tick whenever the engine asks for one. What is on its way to the disk arrives before.
    fn until(&mut self, moment: &str) {
        let moment = at(moment);
        self.settle();
        for _ in 0..10_000 {
            let next = self.engine.poll_timeout().filter(|next| *next <= moment);
            self.now = next.unwrap_or(moment).max(self.now);
            self.tell(Event::Tick);
            self.settle();
            if next.is_none() {
                return;
            }
        }
        panic!("it asks for the same moment again and again");
    }

    fn state(&self, text: &str) -> &'static str {
        self.engine.view().entry(&delivery(text)).map_or("none", |entry| entry.state.name())
    }

    fn intents(&self) -> Vec<&Intent> {
        let intent = |record| match record {
            &Record { fact: Fact::Intent(ref intent), .. } => Some(&**intent),
            _ => None,
        };
        self.durable.iter().filter_map(intent).collect()
    }

    /// What was recorded, by name, but for the plan.
    fn recorded(&self) -> Vec<&'static str> {
        self.durable.iter().map(|record| record.fact.name()).filter(|name| *name != "planned").collect()
    }
}

#[test]
fn a_post_goes_out_at_its_slot() {
    let mut bench = Bench::ready(&post("p", "hello", ""));
    assert_eq!(bench.state("p@a"), "scheduled");
    bench.until("2026-06-01T09:00:00Z");
    assert_eq!((bench.state("p@a"), bench.calls.len()), ("sending", 1));
    bench.replied("posted");
    bench.settle();
    assert_eq!(bench.state("p@a"), "delivered");
    assert_eq!(bench.recorded(), ["intent", "delivered"]);
}

/// The moment at which the intent of `p` is on its way into the ledger.
fn intending() -> Bench {
    let mut bench = Bench::ready(&post("p", "hello", ""));
    bench.now = at("2026-06-01T09:00:00Z");
    bench.tell(Event::Tick);
    assert!(matches!(bench.commits[0].1[0].fact, Fact::Intent(_)));
    bench
}

#[test]
fn what_is_not_approved_any_more_when_its_intent_is_durable_is_not_sent() {
    let mut bench = intending();
    bench.unapproved("q.toml", &post("p", "hello", ""));
    bench.settle();
    assert_eq!((bench.calls.len(), bench.state("p@a")), (0, "held"));
    // Another text, approved: that one goes, and only that one.
    let mut bench = intending();
    bench.file("q.toml", &post("p", "other words", ""));
    bench.settle();
    assert_eq!((bench.calls.len(), bench.state("p@a")), (0, "scheduled"));
    bench.until("2026-06-02T09:00:00Z");
    assert_eq!(bench.calls.len(), 1);
    let intents = bench.durable.iter().filter_map(|record| match &record.fact {
        Fact::Intent(intent) => Some(intent.body.contains("other words")),
        _ => None,
    });
    assert_eq!(intents.collect::<Vec<_>>(), [false, true]);
    // Gone, and put back before the disk was done: it goes out.
    let mut bench = intending();
    bench.file("q.toml", "");
    bench.file("q.toml", &post("p", "hello", ""));
    bench.settle();
    assert_eq!((bench.calls.len(), bench.state("p@a")), (1, "sending"));
}

#[test]
fn what_an_account_begins_waits_for_its_own_intent() {
    let mut bench = intending();
    let setups = bench.setups.clone();
    bench.configure(Vec::new());
    bench.configure(setups);
    bench.tell(Event::Tick);
    let intents = |bench: &Bench| {
        let all = bench.commits.iter().flat_map(|(_, records)| records);
        all.filter(|record| matches!(record.fact, Fact::Intent(_))).count()
    };
    assert_eq!(intents(&bench), 2, "the account that is back begins anew");
    while intents(&bench) > 0 {
        assert_eq!(bench.calls.len(), 0);
        bench.synced();
    }
    bench.settle();
    assert_eq!(bench.calls.len(), 1);
    bench.replied("posted");
    bench.settle();
    assert_eq!(bench.state("p@a"), "delivered");
}

/// `p` waits for its second try.
fn retrying() -> Bench {
    let mut bench = Bench::ready(&post("p", "hello", ""));
    bench.until("2026-06-01T09:00:00Z");
    bench.replied("later");
    bench.settle();
    assert_eq!(bench.state("p@a"), "retrying");
    bench
}

#[test]
fn a_change_while_a_second_try_is_being_intended_does_not_hide_it_from_a_restart() {
    let mut bench = retrying();
    bench.now = bench.engine.poll_timeout().unwrap();
    bench.tell(Event::Tick);
    assert!(matches!(bench.commits[0].1[0].fact, Fact::Intent(_)));
    bench.file("q.toml", &post("p", "other words", ""));
    bench.synced();
    // Whatever has been sent, the ledger knows of an attempt.
    if !bench.calls.is_empty() {
        bench.settle();
        assert_eq!(bench.state("p@a"), "sending");
    }
    bench.settle();
    let bodies = bench.durable.iter().filter_map(|record| match &record.fact {
        Fact::Intent(intent) => Some(intent.attempt),
        _ => None,
    });
    assert_eq!(bodies.collect::<Vec<_>>(), [1, 2], "the new content waits for its slot");
    assert_eq!((bench.calls.len(), bench.state("p@a")), (0, "scheduled"));
}

#[test]
fn what_leaves_the_queue_while_its_account_is_gone_is_withdrawn() {
    let mut bench = retrying();
    bench.configure(Vec::new());
    bench.file("q.toml", "");
    bench.settle();
    assert_eq!(bench.state("p@a"), "withdrawn");
}

#[test]
fn the_end_of_an_attempt_that_is_owed_is_recorded_once() {
    let mut bench = retrying();
    bench.now = bench.engine.poll_timeout().unwrap();
    bench.events.clear();
    bench.unapproved("q.toml", &post("p", "hello", ""));
    for _ in 0..3 {
        bench.tell(Event::Tick);
    }
    bench.settle();
    assert_eq!(bench.recorded(), ["intent", "retry", "abandoned", "slot-empty"]);
    assert_eq!(bench.state("p@a"), "held");
    assert_eq!(said(&mut bench), ["delivery.scheduled", "delivery.held"], "and each change of its state is said");
}

#[test]
fn a_post_with_a_time_of_its_own_says_so_when_it_is_in_line() {
    let bench = Bench::ready(&[post("p", "hello", ""), post("q", "more", "at = 2026-06-01T09:30:00Z")].concat());
    let scheduled = bench.log.iter().filter(|line| line.get("slot").is_some());
    let slots: Vec<_> = scheduled.map(|line| (line["post"].as_str().unwrap(), line["slot"].as_str())).collect();
    assert_eq!(slots, [("p", None), ("q", Some("2026-06-01T09:30:00Z"))]);
}

#[test]
fn a_withdrawal_that_the_disk_refused_is_recorded_later() {
    for mut bench in [Bench::ready(&post("p", "hello", "")), retrying()] {
        bench.file("q.toml", "");
        bench.disk_fails();
        bench.until("2026-06-01T09:10:00Z");
        assert_eq!(bench.state("p@a"), "withdrawn");
        assert!(bench.engine.is_idle());
    }
    // The intent is refused while the post leaves.
    let mut bench = intending();
    bench.file("q.toml", "");
    bench.disk_fails();
    bench.settle();
    assert_eq!(bench.state("p@a"), "withdrawn");
}

#[test]
fn a_post_that_is_back_before_its_withdrawal_is_durable_is_in_line_again() {
    for mut bench in [Bench::ready(&post("p", "hello", "")), retrying()] {
        bench.file("q.toml", "");
        bench.file("q.toml", &post("p", "hello", ""));
        bench.settle();
        assert!(["scheduled", "retrying"].contains(&bench.state("p@a")), "{}", bench.state("p@a"));
        assert!(!bench.engine.is_idle());
        bench.until("2026-06-02T09:00:00Z");
        assert_eq!(bench.calls.len(), 1);
    }
}

#[test]
fn a_plan_that_is_on_its_way_is_not_said_twice_because_a_post_leaves() {
    let mut bench = Bench::ready(&post("p", "hello", ""));
    let two = format!("{}{}", post("p", "hello", ""), post("q", "more", ""));
    bench.file("q.toml", &two);
    bench.file("r.toml", &post("r", "third", ""));
    // The plan of `q` is being written; `p` leaves, and that is durable first.
    bench.file("q.toml", &post("q", "more", ""));
    bench.settle();
    let planned = |id: &str| {
        let of =
            |record: &&Record| matches!(&record.fact, Fact::Planned { delivery, .. } if delivery.post.as_str() == id);
        bench.durable.iter().filter(of).count()
    };
    assert_eq!((planned("p"), planned("q"), planned("r")), (1, 1, 1));
}

#[test]
fn a_batch_of_many_verdicts_that_failed_is_not_written_when_it_is_out_of_date() {
    let mut bench = Bench::new(View::default(), Mode::Publish, "2026-06-01T08:59:50Z");
    bench.configure(vec![setup("a", &["0 9 * * *"])]);
    let all: String = (0..1500).map(|n| post(&format!("p{n:04}"), &format!("text {n}"), "")).collect();
    bench.file("q.toml", &all);
    bench.tell(Event::Inbox(Inbox::Complete));
    bench.disk_fails();
    bench.until("2026-06-01T09:00:00Z");
    assert_eq!(bench.calls.len(), 1);
    bench.replied("posted");
    bench.settle();
    assert_eq!(bench.state("p0000@a"), "delivered");
    bench.until("2026-06-01T12:00:00Z");
    assert_eq!(bench.state("p0000@a"), "delivered");
}

#[test]
fn nothing_is_begun_before_everything_is_recorded_once() {
    let mut bench = Bench::new(View::default(), Mode::Publish, "2026-06-01T08:59:59Z");
    bench.configure(vec![setup("a", &["0 9 * * *"]), setup("b", &["0 9 * * *"])]);
    let both = post("p", "hello", "").replace("[\"a\"]", "[\"a\", \"b\"]");
    bench.file("q.toml", &both);
    bench.tell(Event::Inbox(Inbox::Complete));
    bench.now = at("2026-06-01T09:00:00Z");
    while !bench.engine.is_started() {
        assert!(bench.commits.iter().all(|(_, records)| !matches!(records[0].fact, Fact::Intent(_))));
        bench.synced();
    }
    // It was asked to stop just then: nothing has been sent, and nothing is.
    assert_eq!(bench.calls.len(), 0);
    bench.settle();
    assert_eq!(bench.calls.len(), 2);
}

#[test]
fn who_only_looks_says_that_a_token_is_not_accepted() {
    let mut view = View::default();
    let stopped = Fact::AccountStopped { account: account("a"), why: "401".into() };
    view.apply(&Record::new(at("2026-06-01T08:00:00Z"), stopped));
    let mut bench = Bench::new(view, Mode::Look, "2026-06-01T09:00:00Z");
    bench.configure(vec![setup("a", &["0 9 * * *"])]);
    bench.tell(Event::Inbox(Inbox::Complete));
    bench.settle();
    assert!(bench.engine.view().account(&account("a")).unwrap().head.stopped.is_some());
}

#[test]
fn a_clock_that_is_set_ahead_ends_no_gap() {
    let two = format!("{}{}", post("p", "hello", ""), post("q", "more", ""));
    let mut bench = Bench::ready(&two);
    bench.configure(vec![setup("a", &["*/10 * * * *"])]);
    bench.until("2026-06-01T09:00:00Z");
    bench.replied("posted");
    bench.settle();
    bench.until("2026-06-01T09:30:00Z");
    // How much of the two hours has passed, nobody can tell after that: they begin anew.
    bench.now = at("2026-06-08T09:30:00Z");
    bench.tell(Event::ClockJumped { seconds: 7 * 86_400 });
    bench.until("2026-06-08T11:29:59Z");
    assert_eq!((bench.calls.len(), bench.state("q@a")), (0, "scheduled"));
    bench.until("2026-06-08T11:30:00Z");
    assert_eq!(bench.calls.len(), 1);
}

#[test]
fn a_clock_that_is_set_ahead_does_not_make_a_lost_request_surely_lost() {
    let mut bench = Bench::ready(&post("p", "hello", ""));
    bench.until("2026-06-01T09:00:00Z");
    let (ticket, _) = bench.calls.pop_front().unwrap();
    bench.tell(Event::Replied { ticket, result: Err(Failure::MayHaveArrived("timed out".into())) });
    bench.settle();
    bench.now = at("2026-06-02T09:00:00Z");
    bench.tell(Event::ClockJumped { seconds: 86_400 });
    let mut looks = 0;
    for minute in 1..5 {
        bench.until(&format!("2026-06-02T09:0{minute}:00Z"));
        while !bench.calls.is_empty() {
            assert!(bench.calls[0].1.ends_with("look"), "it is not sent again yet");
            looks += 1;
            bench.replied("absent");
        }
        bench.settle();
    }
    assert!(looks > 0);
    assert_eq!(bench.state("p@a"), "sending");
}

#[test]
fn an_attempt_in_doubt_waits_for_its_account_and_not_for_ever() {
    let mut bench = Bench::ready(&post("p", "hello", ""));
    bench.until("2026-06-01T09:00:00Z");
    let (ticket, _) = bench.calls.pop_front().unwrap();
    bench.tell(Event::Replied { ticket, result: Err(Failure::MayHaveArrived("timed out".into())) });
    bench.settle();
    bench.until("2026-06-01T09:00:30Z");
    bench.replied("denied");
    bench.settle();
    assert_eq!(bench.calls.len(), 0, "nothing can be found out before the account is let in");
    bench.until("2026-06-04T09:00:00Z");
    // The token is mended: it is looked for, although that has not been possible for days.
    let setups = bench.setups.clone();
    bench.configure(setups);
    bench.settle();
    assert!(bench.calls[0].1.ends_with("look"));
    bench.replied("there");
    bench.settle();
    assert_eq!(bench.state("p@a"), "delivered");
}

#[test]
fn a_slot_a_second_does_not_keep_those_waiting_who_ask() {
    let mut bench = Bench::ready(&post("p", "hello", "at = 2026-12-01T08:31:00Z"));
    bench.configure(vec![setup("a", &["* * * * * *"])]);
    bench.until("2026-06-01T08:30:05Z");
    let daemon = DaemonReport { running: true, pid: None, version: String::new() };
    let report = bench.engine.status(None, daemon.clone(), bench.now);
    // The look ahead ends long before a post that is half a year and sixteen million slots away: nothing is claimed.
    assert_eq!(report.accounts[0].runway_days, None);
    assert!(report.accounts[0].runway_at_least_days.is_some_and(|days| days > 0.2), "but what is known is said");
    bench.engine.plan(bench.now, at("2126-06-01T10:00:00Z"));
    // The account is gone: what was in line is not any more, and says why.
    bench.configure(vec![]);
    let report = bench.engine.status(None, daemon, bench.now);
    assert_eq!(report.deliveries[0].state.name(), "held");
    assert!(report.deliveries[0].reason.as_deref().unwrap().starts_with("invalid"));
}

#[test]
fn a_token_that_is_refused_is_tried_no_more_while_that_is_being_recorded() {
    let mut bench = Bench::ready(&post("p", "hello", ""));
    bench.until("2026-06-01T09:00:00Z");
    bench.replied("denied");
    bench.settle();
    assert_eq!(bench.recorded(), ["intent", "auth", "account-stopped"]);
    assert_eq!((bench.calls.len(), bench.state("p@a")), (0, "retrying"));
}

#[test]
fn nearly_the_same_to_the_same_people_is_held_where_the_policy_says_so() {
    let words =
        |last: &str| format!("The desk I built the first version on, with two screens and a lamp, stands in a {last}");
    let to_b = |post: String| post.replace("to = [\"a\"]", "to = [\"b\"]");
    let toml = [post("p", &words("cellar"), ""), to_b(post("q", &words("garage"), ""))].concat();
    let others = to_b(post("r", &words("garage"), "")).replace("audience = \"all\"", "audience = \"some\"");
    let setups = |spray| {
        let setup = |name| setup(name, &["0 9 * * *"]);
        vec![setup("a"), AccountSetup { policy: Policy { spray, ..setup("b").policy }, ..setup("b") }]
    };
    let run = |spray, toml: &str| {
        let mut bench = Bench::new(View::default(), Mode::Publish, "2026-06-01T08:30:00Z");
        bench.configure(setups(spray));
        bench.file("q.toml", toml);
        bench.tell(Event::Inbox(Inbox::Complete));
        bench.settle();
        // Both have their slot at once.
        bench.until("2026-06-01T09:00:00Z");
        bench
    };
    let mut bench = run(Spray::Hold, &toml);
    let why = "duplicate: p@a said nearly the same to the same people; change the text, or wait 90 days";
    assert_eq!((bench.calls.len(), bench.held("q@b").as_str()), (1, why));
    bench.replied("posted");
    bench.settle();
    let mut bench = bench.restarted();
    assert_eq!(bench.held("q@b"), why, "what was said is known after a restart");
    bench.now = at("2026-08-30T10:00:00Z");
    bench.tell(Event::Chore(Chore::Runway));
    bench.settle();
    assert_eq!(bench.state("q@b"), "scheduled");
    for (spray, toml) in
        [(Spray::Warn, toml.clone()), (Spray::Hold, [post("p", &words("cellar"), ""), others].concat())]
    {
        assert_eq!(run(spray, &toml).calls.len(), 2);
    }
}

#[test]
fn a_double_is_held_through_a_restart_and_let_go_after_its_time() {
    let twice = format!("{}{}", post("p", "hello", ""), post("q", "hello", ""));
    let mut bench = Bench::ready(&twice);
    bench.until("2026-06-01T09:00:00Z");
    bench.replied("posted");
    bench.settle();
    bench.until("2026-06-02T09:00:00Z");
    assert_eq!(bench.state("q@a"), "held");
    let recorded = bench.durable.len();
    let setups = bench.setups.clone();
    bench.configure(setups);
    bench.tell(Event::Chore(Chore::Runway));
    bench.settle();
    assert_eq!((bench.state("q@a"), bench.durable.len()), ("held", recorded));
    bench.now = at("2026-07-02T08:00:00Z");
    bench.tell(Event::Chore(Chore::Runway));
    bench.settle();
    bench.until("2026-07-02T09:00:00Z");
    assert_eq!((bench.state("q@a"), bench.calls.len()), ("sending", 1));
}

/// `p`, whose own time is nine, is uncertain; it is noon.
fn uncertain(more: &str) -> Bench {
    let mut bench = Bench::ready(&post("p", "hello", &format!("at = 2026-06-01T09:00:00Z\n{more}")));
    bench.until("2026-06-01T09:00:00Z");
    bench.lost();
    bench.until("2026-06-01T09:00:30Z");
    bench.replied("refused");
    bench.settle();
    assert_eq!(bench.state("p@a"), "uncertain");
    bench.until("2026-06-01T12:00:00Z");
    bench
}

#[test]
fn what_a_person_wants_sent_is_sent_although_its_time_has_passed() {
    let mut bench = uncertain("");
    bench.decide("p@a", Decision::Retry).unwrap();
    assert_eq!((bench.calls.len(), bench.state("p@a")), (1, "sending"));
    // It stays wanted through another failure and a restart.
    bench.replied("later");
    bench.settle();
    let mut bench = bench.restarted();
    bench.until("2026-06-01T12:01:00Z");
    assert_eq!((bench.calls.len(), bench.state("p@a")), (1, "sending"));
    // A pause, and quiet hours, hold it back all the same.
    let mut bench = uncertain("");
    let mut paused = setup("a", &[]);
    paused.paused = true;
    bench.configure(vec![paused]);
    bench.decide("p@a", Decision::Retry).unwrap();
    assert_eq!((bench.calls.len(), bench.state("p@a")), (0, "retrying"));
    let mut quiet = setup("a", &[]);
    quiet.policy.quiet = vec![Quiet { from: "11:00".parse().unwrap(), to: "14:00".parse().unwrap() }];
    bench.configure(vec![quiet]);
    bench.until("2026-06-01T13:59:59Z");
    assert_eq!(bench.calls.len(), 0);
    bench.until("2026-06-01T14:00:00Z");
    assert_eq!(bench.calls.len(), 1);
}

/// Account `a`, paused.
fn paused() -> Vec<AccountSetup> {
    vec![AccountSetup { paused: true, ..setup("a", &["0 9 * * *"]) }]
}

/// What was said of deliveries since the last time.
fn said(bench: &mut Bench) -> Vec<&'static str> {
    std::mem::take(&mut bench.events).into_iter().filter(|event| event.starts_with("delivery.")).collect()
}

#[test]
fn a_post_whose_turn_comes_on_a_paused_account_is_held_and_says_so_once() {
    let mut bench = Bench::ready(&[post("p", "hello", ""), post("q", "more", "")].concat());
    bench.configure(paused());
    said(&mut bench);
    bench.until("2026-06-01T08:59:00Z");
    assert_eq!((said(&mut bench), bench.state("p@a")), (vec![], "scheduled"));
    bench.until("2026-06-01T12:00:00Z");
    assert_eq!((said(&mut bench), bench.held("p@a").as_str()), (vec!["delivery.held"], "account-paused: "));
    assert_eq!(bench.state("q@a"), "scheduled", "its turn comes when that of the other one is over");
    assert!(bench.engine.is_idle());
    assert_eq!(bench.engine.unfinished(), [(account("a"), 2, "the account is paused")]);
    bench.configure(paused());
    bench.until("2026-06-02T12:00:00Z");
    let mut bench = Bench { setups: paused(), ..bench }.restarted();
    bench.until("2026-06-03T12:00:00Z");
    assert_eq!(said(&mut bench), [""; 0], "neither a reload, a restart nor the next slot says it again");
    // The account is gone: so is what held it.
    bench.configure(vec![]);
    let daemon = || DaemonReport { running: true, pid: None, version: String::new() };
    let reasons: Vec<_> =
        bench.engine.status(None, daemon(), bench.now).deliveries.into_iter().map(|line| line.reason).collect();
    let gone = Some("invalid: its account is not in the configuration".to_owned());
    assert_eq!(reasons, [gone.clone(), gone]);
    let overview = bench.engine.overview(daemon(), bench.now);
    assert_eq!(overview.attention.first.len(), 2, "{:?}", overview.attention);
    bench.configure(vec![setup("a", &["0 9 * * *"])]);
    bench.settle();
    assert_eq!((said(&mut bench), bench.state("p@a")), (vec!["delivery.scheduled"], "scheduled"));
    bench.until("2026-06-04T09:00:00Z");
    assert_eq!((said(&mut bench), bench.state("p@a")), (vec!["delivery.sending"], "sending"));
}

#[test]
fn a_pause_is_said_when_it_is_in_force_and_when_it_is_over() {
    let mut bench = Bench::ready(&post("p", "hello", ""));
    bench.until("2026-06-01T09:00:00Z");
    let of_pauses = |bench: &mut Bench| {
        let all = std::mem::take(&mut bench.events).into_iter();
        all.filter(|event| ["account.paused", "account.resumed"].contains(event)).collect::<Vec<_>>()
    };
    // The account is moved in the same breath: until the attempt ends, it is what it was.
    let adapter = Arc::new(Plain { platform: "plain", place: "two.example", logs_in: false, repeatable: false });
    let moved = || vec![AccountSetup { adapter: adapter.clone(), paused: true, ..setup("a", &["0 9 * * *"]) }];
    bench.configure(moved());
    bench.configure(moved());
    assert_eq!(of_pauses(&mut bench), [""; 0]);
    bench.replied("posted");
    bench.settle();
    bench.configure(moved());
    assert_eq!(of_pauses(&mut bench), ["account.paused"]);
    let mut bench = bench.restarted();
    assert_eq!(of_pauses(&mut bench), ["account.paused"]);
    bench.configure(vec![setup("a", &["0 9 * * *"])]);
    assert_eq!(of_pauses(&mut bench), ["account.resumed"]);
}

#[test]
fn a_post_that_leaves_the_queue_is_said_to_when_the_last_of_it_is() {
    let mut bench = Bench::ready("");
    bench.configure(vec![setup("a", &["0 9 * * *"]), setup("b", &["0 10 * * *"])]);
    let both = post("p", "hello", "").replace("[\"a\"]", "[\"a\", \"b\"]");
    bench.file("q.toml", &both);
    bench.settle();
    let withdrawn = |bench: &mut Bench| {
        bench.settle();
        let all = std::mem::take(&mut bench.events).into_iter();
        all.filter(|event| event.ends_with(".withdrawn")).collect::<Vec<_>>()
    };
    // It moves to another account, and to another file.
    bench.file("q.toml", &both.replace("\"b\"", "\"c\""));
    assert_eq!(withdrawn(&mut bench), ["delivery.withdrawn"]);
    bench.file("q.toml", "");
    bench.file("r.toml", &both);
    assert_eq!(withdrawn(&mut bench), ["delivery.withdrawn"]);
    bench.file("r.toml", "");
    assert_eq!(withdrawn(&mut bench), ["delivery.withdrawn", "delivery.withdrawn", "post.withdrawn"]);
    // It loses an account on which it is under way, and leaves before that is over.
    bench.file("r.toml", &both.replace("\"p\"", "\"q\"").replace("hello", "other words"));
    bench.until("2026-06-01T09:00:00Z");
    bench.file("r.toml", &post("q", "other words", "").replace("[\"a\"]", "[\"b\"]"));
    bench.file("r.toml", "");
    assert_eq!((bench.state("q@a"), withdrawn(&mut bench)), ("sending", vec!["delivery.withdrawn"]));
    bench.replied("later");
    assert_eq!(withdrawn(&mut bench), ["delivery.withdrawn", "post.withdrawn"]);
    // It leaves while nobody looks.
    bench.file("r.toml", &both.replace("\"p\"", "\"r\"").replace("hello", "more"));
    bench.settle();
    bench.files.clear();
    let mut bench = bench.restarted();
    assert_eq!(withdrawn(&mut bench), ["delivery.withdrawn", "delivery.withdrawn", "post.withdrawn"]);
    // What goes out although its post has left is not withdrawn.
    bench.until("2026-06-01T12:00:00Z");
    bench.file("r.toml", &both.replace("\"p\"", "\"s\"").replace("hello", "yet more"));
    bench.until("2026-06-02T09:00:00Z");
    bench.file("r.toml", "");
    assert_eq!(withdrawn(&mut bench), ["delivery.withdrawn"]);
    bench.replied("posted");
    bench.settle();
    assert_eq!((bench.state("s@a"), withdrawn(&mut bench)), ("delivered", vec![]));
    // It leaves while nobody looks, and one of its attempts is under way.
    bench.until("2026-06-02T12:00:00Z");
    bench.file("r.toml", &both.replace("\"p\"", "\"t\"").replace("hello", "and more"));
    bench.until("2026-06-03T09:00:00Z");
    bench.files.clear();
    let mut bench = bench.restarted();
    assert_eq!((bench.state("t@a"), withdrawn(&mut bench)), ("sending", vec!["delivery.withdrawn"]));
    assert_eq!(asked_for_ten_minutes(&mut bench, "absent"), ["look"]);
    assert_eq!(withdrawn(&mut bench), ["delivery.withdrawn", "post.withdrawn"]);
}

#[test]
fn it_is_nobody_s_turn_on_a_paused_account_while_the_queue_cannot_be_read() {
    let mut bench = Bench::ready(&post("p", "hello", ""));
    bench.configure(paused());
    bench.tell(Event::Inbox(Inbox::Lost { why: "no such folder".into() }));
    said(&mut bench);
    bench.until("2026-06-01T09:02:00Z");
    assert_eq!((said(&mut bench), bench.state("p@a")), (vec![], "scheduled"));
    bench.tell(Event::Inbox(Inbox::Complete));
    bench.settle();
    assert_eq!((said(&mut bench), bench.state("p@a")), (vec!["delivery.held"], "held"));
}

#[test]
fn an_attempt_that_is_owed_on_a_paused_account_is_held_when_its_moment_comes() {
    let mut bench = retrying();
    bench.configure(paused());
    said(&mut bench);
    let moment = bench.engine.poll_timeout().expect("its moment is waited for");
    bench.until(&moment.to_string());
    assert_eq!((said(&mut bench), bench.state("p@a")), (vec!["delivery.held"], "retrying"));
    assert!(bench.engine.is_idle());
    bench.configure(paused());
    let mut bench = Bench { setups: paused(), ..bench }.restarted();
    bench.until("2026-06-01T12:00:00Z");
    assert_eq!((said(&mut bench), bench.calls.len()), (vec![], 0));
    bench.configure(vec![setup("a", &["0 9 * * *"])]);
    bench.settle();
    assert_eq!((said(&mut bench), bench.calls.len()), (vec!["delivery.retrying", "delivery.sending"], 1));
}

#[test]
fn a_token_that_is_not_accepted_holds_the_attempt_until_the_account_is_let_in() {
    let mut bench = Bench::ready(&[post("p", "hello", ""), post("q", "more", "")].concat());
    bench.until("2026-06-01T09:00:00Z");
    bench.events.clear();
    bench.replied("denied");
    bench.settle();
    assert_eq!(bench.events, ["delivery.held", "account.auth_lost"]);
    assert_eq!(bench.recorded(), ["intent", "auth", "account-stopped"], "one record for each of them");
    // It is paused as well; with the token that it then gets only the pause is left.
    bench.events.clear();
    bench.configure(paused());
    bench.settle();
    assert_eq!(said(&mut bench), ["delivery.held"], "a reload lets the account in");
    bench.configure(vec![setup("a", &["0 9 * * *"])]);
    bench.settle();
    assert_eq!((said(&mut bench), bench.calls.len()), (vec!["delivery.retrying", "delivery.sending"], 1));
}

#[test]
fn what_has_expired_is_not_sent_whoever_asks() {
    let mut bench = uncertain("expires = 2026-06-01T12:00:30Z");
    bench.decide("p@a", Decision::Retry).unwrap();
    assert_eq!(bench.calls.len(), 1);
    bench.replied("later");
    bench.settle();
    bench.now = at("2026-06-01T12:00:30Z");
    bench.tell(Event::Tick);
    bench.settle();
    assert_eq!((bench.calls.len(), bench.state("p@a")), (0, "expired"));
    let mut bench = uncertain("expires = 2026-06-01T11:00:00Z");
    assert!(matches!(bench.decide("p@a", Decision::Retry), Err(ResolveError::Expired { .. })));
    assert_eq!(bench.state("p@a"), "uncertain");
    bench.decide("p@a", Decision::Drop).unwrap();
    assert_eq!(bench.state("p@a"), "withdrawn");
}

/// `p` is in doubt, and its account's token is not accepted any more.
fn parked() -> Bench {
    let mut bench = Bench::ready(&post("p", "hello", ""));
    bench.until("2026-06-01T09:00:00Z");
    bench.lost();
    bench.until("2026-06-01T09:00:30Z");
    bench.replied("denied");
    bench.settle();
    assert_eq!(bench.state("p@a"), "sending");
    bench
}

#[test]
fn it_is_idle_when_only_a_person_can_make_something_happen() {
    let bench = parked();
    assert!(bench.engine.is_idle());
    assert_eq!(bench.engine.unfinished(), [(account("a"), 1, "the account's token is not accepted")]);
    // A schedule that never fires: the thirtieth of February.
    let mut bench = Bench::ready(&post("p", "hello", ""));
    assert!(!bench.engine.is_idle(), "its slot is at nine");
    bench.configure(vec![setup("a", &["0 9 30 2 *"])]);
    bench.settle();
    assert_eq!((bench.state("p@a"), bench.engine.is_idle()), ("scheduled", true));
    assert_eq!(bench.engine.unfinished(), [(account("a"), 1, "no slot comes any more")]);
    bench.file("r.toml", &post("r", "its own time", "at = 2026-06-01T10:00:00Z"));
    bench.settle();
    assert!(!bench.engine.is_idle(), "the other one goes at ten");
    bench.until("2026-06-01T10:00:00Z");
    bench.replied("posted");
    bench.settle();
    assert!(bench.engine.is_idle());
}

/// Account `a`, on another platform under the same address.
fn moved() -> Vec<AccountSetup> {
    let adapter = Arc::new(Plain { platform: "other", place: "one.example", logs_in: false, repeatable: false });
    vec![AccountSetup { adapter, ..setup("a", &["0 9 * * *"]) }]
}

#[test]
fn what_was_begun_on_another_platform_is_not_carried_on_here() {
    // Killed while it was being sent: nobody here can tell.
    let mut bench = Bench::ready(&post("p", "hello", ""));
    bench.until("2026-06-01T09:00:00Z");
    let mut bench = bench.restarted_with(moved());
    bench.until("2026-06-02T10:00:00Z");
    assert_eq!((bench.calls.len(), bench.state("p@a")), (0, "uncertain"));
    let state = format!("{:?}", bench.engine.view().entry(&delivery("p@a")).unwrap().state);
    assert!(state.contains("begun on plain") && state.contains("on other now"), "{state}");
    // A person has looked: it begins anew.
    bench.decide("p@a", Decision::Retry).unwrap();
    assert_eq!((bench.calls.len(), bench.intents().last().unwrap().platform.as_str()), (1, "other"));
    // In doubt and not let in, while the daemon runs.
    let mut bench = parked();
    bench.configure(moved());
    bench.settle();
    bench.until("2026-06-01T10:00:00Z");
    assert_eq!((bench.calls.len(), bench.state("p@a")), (0, "uncertain"));
    // What surely did not happen begins anew, with nothing of the other platform's.
    let mut bench = retrying();
    bench.configure(moved());
    bench.until("2026-06-01T09:01:00Z");
    assert_eq!((bench.calls.len(), bench.intents().last().unwrap().platform.as_str()), (1, "other"));
}

/// Account `a`, on another host of the same platform.
fn on_another_host() -> Vec<AccountSetup> {
    let adapter = Arc::new(Plain { platform: "plain", place: "two.example", logs_in: false, repeatable: false });
    vec![AccountSetup { adapter, ..setup("a", &["0 9 * * *"]) }]
}

#[test]
fn what_was_begun_on_another_host_is_not_looked_for_here() {
    // Killed while it was being sent: it may be there, and the host of today does not know.
    let mut bench = Bench::ready(&post("p", "hello", ""));
    bench.until("2026-06-01T09:00:00Z");
    let mut bench = bench.restarted_with(on_another_host());
    bench.until("2026-06-02T10:00:00Z");
    assert_eq!((bench.calls.len(), bench.state("p@a")), (0, "uncertain"));
    let state = format!("{:?}", bench.engine.view().entry(&delivery("p@a")).unwrap().state);
    assert!(state.contains("begun on one.example") && state.contains("on two.example now"), "{state}");
    bench.decide("p@a", Decision::Retry).unwrap();
    assert_eq!((bench.calls.len(), bench.intents().last().unwrap().host.as_deref()), (1, Some("two.example")));
    // In doubt and not let in, while the daemon runs.
    let mut bench = parked();
    bench.configure(on_another_host());
    bench.settle();
    bench.until("2026-06-01T10:00:00Z");
    assert_eq!((bench.calls.len(), bench.state("p@a")), (0, "uncertain"));
    // What surely did not happen begins anew there.
    let mut bench = retrying();
    bench.configure(on_another_host());
    bench.until("2026-06-01T09:01:00Z");
    assert_eq!((bench.calls.len(), bench.intents().last().unwrap().host.as_deref()), (1, Some("two.example")));
}

#[test]
fn an_attempt_begun_by_an_earlier_version_tells_where_it_goes_on() {
    let before = retrying();
    let mut view = View::default();
    for record in &before.durable {
        let mut record = record.clone();
        if let Fact::Intent(intent) = &mut record.fact {
            intent.host = None;
        }
        view.apply(&record);
    }
    let mut bench = Bench::new(view, Mode::Publish, &before.now.to_string());
    bench.configure(before.setups);
    for (file, posts) in before.files {
        bench.posts(&file, posts);
    }
    bench.tell(Event::Inbox(Inbox::Complete));
    bench.until("2026-06-01T09:01:00Z");
    assert_eq!(bench.intents().last().unwrap().host.as_deref(), Some("one.example"));
}

#[test]
fn a_slot_whose_post_is_given_up_is_said_to_be_empty() {
    let mut bench = intending();
    bench.file("q.toml", &post("p", "other words", ""));
    bench.settle();
    assert_eq!(bench.recorded(), ["intent", "abandoned", "slot-empty"]);
    assert_eq!(bench.events.iter().filter(|name| **name == "slot.empty").count(), 1);
    // A post's own time is no slot of the account.
    let mut bench = Bench::ready(&post("p", "hello", "at = 2026-06-01T08:45:00Z"));
    bench.now = at("2026-06-01T08:45:00Z");
    bench.tell(Event::Tick);
    bench.file("q.toml", "");
    bench.settle();
    assert_eq!(bench.recorded(), ["intent", "abandoned", "withdrawn"]);
}

#[test]
fn what_a_person_wants_sent_and_has_no_media_is_held() {
    let media = "at = 2026-06-01T07:00:00Z\nmedia = [{ file = \"dot.png\", alt = \"a dot\" }]";
    let mut bench = Bench::ready(&post("p", "hello", media));
    assert_eq!(bench.state("p@a"), "missed");
    bench.decide("p@a", Decision::Retry).unwrap();
    let ticket = bench.gathers.pop_front().expect("its media are read");
    let gone = ShelfError::Unreadable { file: "dot.png".into(), why: "it is gone".into() };
    bench.tell(Event::Gathered { ticket, result: Err(gone) });
    bench.settle();
    // It is not asked for again and again, and waits for a person.
    assert_eq!((bench.gathers.len(), bench.state("p@a")), (0, "missed"));
    assert_eq!(bench.recorded(), ["missed", "resolved", "abandoned", "missed"]);
}

#[test]
fn a_signature_is_asked_for_again_right_before_the_intent() {
    let text = post("p", "hello", DOT);
    let mut bench = Bench::ready("");
    bench.signed("q.toml", &text);
    bench.until("2026-06-01T09:00:00Z");
    assert!(bench.claims.is_empty(), "its media come first");
    bench.gathered(1);
    assert_eq!((bench.intents().len(), bench.claims.len()), (0, 1), "nothing is begun before it is answered");
    let digest = posts("q.toml", &text)[0].digest;
    let claim = Claim { queue_file: "q.toml".into(), post: PostId::new("p").unwrap(), digest };
    assert_eq!(bench.claims[0].1, claim);
    bench.vouched(Ok("editor@example.org"));
    let intents = bench.intents();
    assert_eq!(intents.len(), 1);
    assert_eq!(intents[0].by.as_deref(), Some("editor@example.org"), "who has approved it is on record");
    assert_eq!((bench.claims.len(), bench.calls.len()), (0, 1), "it is asked once");
}

#[test]
fn a_signature_that_does_not_count_any_more_holds_the_post_and_leaves_the_slot() {
    let two = post("p", "hello", "") + &post("q", "other words", "");
    let mut bench = Bench::ready("");
    bench.signed("q.toml", &two);
    bench.until("2026-06-01T09:00:00Z");
    bench.vouched(Err("the key is not in allowed_signers"));
    assert_eq!(bench.held("p@a"), "approval-stale: the key is not in allowed_signers");
    bench.vouched(Ok("me"));
    assert_eq!(bench.intents().len(), 1, "the slot is the other post's");
    assert_eq!(bench.state("q@a"), "sending");
    bench.replied("posted");
    bench.settle();
    // Looked at again, it is asked again.
    bench.tell(Event::Chore(Chore::Runway));
    bench.settle();
    bench.until("2026-06-02T09:00:00Z");
    bench.vouched(Ok("me"));
    assert_eq!(bench.state("p@a"), "sending");
}

#[test]
fn where_only_signatures_count_all_is_asked_for_whatever_it_was_read_with() {
    let mut bench = Bench::ready("");
    bench.tell(Event::Approvals(ApprovalMode::Signed));
    bench.tell(Event::Inbox(Inbox::Anew { approval: ApprovalMode::Signed }));
    bench.file("q.toml", &post("p", "hello", ""));
    bench.tell(Event::Inbox(Inbox::Complete));
    bench.until("2026-06-01T09:00:00Z");
    bench.vouched(Err("there is no q.toml.approval"));
    assert_eq!(bench.intents().len(), 0);
    assert_eq!(bench.held("p@a"), "approval-stale: there is no q.toml.approval");
    // And no more where they do not.
    bench.tell(Event::Approvals(ApprovalMode::Digest));
    bench.tell(Event::Inbox(Inbox::Anew { approval: ApprovalMode::Digest }));
    bench.file("q.toml", &post("p", "hello there", ""));
    bench.tell(Event::Inbox(Inbox::Complete));
    bench.until("2026-06-02T09:00:00Z");
    assert_eq!((bench.claims.len(), bench.intents().len()), (0, 1));
}

#[test]
fn what_was_approved_by_something_else_waits_until_the_queue_has_been_read_anew() {
    use ApprovalMode::{Digest, None, Signed};
    for (before, after, waits) in [
        (None, Digest, true),
        (None, Signed, true),
        (Digest, Signed, true),
        (Signed, Digest, true),
        (Digest, None, false),
        (Signed, None, false),
        (Digest, Digest, false),
    ] {
        // Two posts, the first of them on its way to the moment of its intent.
        let two = post("p", "hello", DOT) + &post("q", "other words", "");
        let mut bench = Bench::new(View::default(), Mode::Publish, "2026-06-01T08:30:00Z");
        bench.tell(Event::Approvals(before));
        bench.configure(vec![setup("a", &["0 9 * * *"])]);
        bench.tell(Event::Inbox(Inbox::Anew { approval: before }));
        bench.file("q.toml", &two);
        bench.tell(Event::Inbox(Inbox::Complete));
        bench.until("2026-06-01T09:00:00Z");
        bench.tell(Event::Approvals(after));
        bench.gathered(1);
        bench.until("2026-06-01T09:01:00Z");
        let begun = |bench: &Bench| (bench.intents().len() + bench.claims.len(), bench.state("p@a"));
        if !waits {
            assert_eq!(begun(&bench).0, 1, "{before:?} {after:?}");
            continue;
        }
        let case = format!("{before:?} {after:?}");
        assert_eq!(begun(&bench), (0, "scheduled"), "{case}");
        assert!(!bench.engine.is_idle(), "{case}: it goes on by itself");
        // What the reader of before has still said is no reading anew.
        bench.tell(Event::Inbox(Inbox::Complete));
        bench.until("2026-06-01T09:02:00Z");
        assert_eq!(begun(&bench), (0, "scheduled"), "{case}");
        bench.tell(Event::Inbox(Inbox::Anew { approval: after }));
        bench.until("2026-06-01T09:03:00Z");
        assert_eq!(begun(&bench), (0, "scheduled"), "{case}: not all of it has been told");
        bench.unapproved("q.toml", &two);
        bench.tell(Event::Inbox(Inbox::Complete));
        bench.until("2026-06-01T09:04:00Z");
        assert_eq!(begun(&bench), (0, "held"), "{case}");
        if after == Signed {
            bench.signed("q.toml", &two);
        } else {
            bench.file("q.toml", &two);
        }
        bench.until("2026-06-02T09:00:00Z");
        bench.gathered(1);
        assert_eq!(begun(&bench).0, 1, "{case}");
    }
}

#[test]
fn what_could_not_be_read_anew_is_not_approved() {
    use ApprovalMode::{Digest, None};
    let mut bench = Bench::new(View::default(), Mode::Publish, "2026-06-01T08:30:00Z");
    bench.tell(Event::Approvals(None));
    bench.configure(vec![setup("a", &["0 9 * * *"])]);
    bench.tell(Event::Inbox(Inbox::Anew { approval: None }));
    bench.file("sub/q.toml", &post("p", "hello", ""));
    bench.file("other.toml", &post("q", "other words", ""));
    bench.tell(Event::Inbox(Inbox::Complete));
    bench.tell(Event::Approvals(Digest));
    bench.tell(Event::Inbox(Inbox::Anew { approval: Digest }));
    // Its folder cannot be listed, so nothing is said of the one file; of the other there is no copy.
    let file: Arc<str> = "other.toml".into();
    let faults = vec![Fault::error(Place::file(&file), "it cannot be read")];
    bench.tell(Event::Inbox(Inbox::File { file, posts: Option::None, faults }));
    bench.tell(Event::Inbox(Inbox::Complete));
    bench.until("2026-06-01T09:01:00Z");
    assert_eq!((bench.intents().len(), bench.state("p@a"), bench.state("q@a")), (0, "held", "held"));
    bench.file("sub/q.toml", &post("p", "hello", ""));
    bench.until("2026-06-02T09:00:00Z");
    assert_eq!(bench.intents().len(), 1);
}

#[test]
fn a_reading_anew_that_takes_its_time_is_told_until_it_is_over() {
    let told = |bench: &mut Bench| {
        bench.settle();
        let all = std::mem::take(&mut bench.events).into_iter();
        let events = all.filter(|event| ["queue.outdated", "queue.back"].contains(event)).collect::<Vec<_>>();
        let daemon = DaemonReport { running: true, pid: None, version: String::new() };
        let attention = bench.engine.status(None, daemon, bench.now).attention;
        let line = bench.engine.headline(bench.now).starts_with("nothing is begun: the queue is being read anew, ");
        let waits = attention.iter().any(|item| item.kind.name() == "queue");
        assert_eq!(waits, line, "{attention:?}");
        (events, waits)
    };
    let read_anew = |bench: &mut Bench, approval| {
        bench.tell(Event::Inbox(Inbox::Anew { approval }));
        bench.file("q.toml", &post("p", "hello", ""));
        bench.tell(Event::Inbox(Inbox::Complete));
    };
    let mut bench = Bench::ready(&post("p", "hello", ""));
    bench.tell(Event::Approvals(ApprovalMode::Signed));
    bench.until("2026-06-01T08:30:29Z");
    assert_eq!(told(&mut bench), (vec![], false), "nearly all are over by then");
    bench.until("2026-06-01T08:30:30Z");
    assert_eq!(told(&mut bench), (vec!["queue.outdated"], true));
    bench.until("2026-06-01T08:40:00Z");
    // Another reload in between begins no other one.
    bench.tell(Event::Approvals(ApprovalMode::Digest));
    assert_eq!(told(&mut bench), (vec![], true), "it is said once, and told for as long as it lasts");
    read_anew(&mut bench, ApprovalMode::Digest);
    assert_eq!(told(&mut bench), (vec!["queue.back"], false));
    bench.tell(Event::Approvals(ApprovalMode::Signed));
    read_anew(&mut bench, ApprovalMode::Signed);
    bench.until("2026-06-01T08:50:00Z");
    assert_eq!(told(&mut bench), (vec![], false), "what goes as it should is not worth a word");
    // The folder is away meanwhile: that is told instead, and then this again.
    bench.tell(Event::Approvals(ApprovalMode::Digest));
    bench.until("2026-06-01T08:50:30Z");
    assert_eq!(told(&mut bench), (vec!["queue.outdated"], true));
    bench.tell(Event::Inbox(Inbox::Lost { why: "it is not mounted".into() }));
    assert!(bench.engine.headline(bench.now).starts_with("nothing is begun: the queue cannot be read, "));
    bench.tell(Event::Inbox(Inbox::Complete));
    assert_eq!(told(&mut bench), (vec![], true), "what it was read with counts no more");
    read_anew(&mut bench, ApprovalMode::Digest);
    assert_eq!(told(&mut bench), (vec!["queue.back"], false));
    bench.tell(Event::Inbox(Inbox::Lost { why: "it is not mounted".into() }));
    bench.tell(Event::Approvals(ApprovalMode::Signed));
    bench.tell(Event::Inbox(Inbox::Complete));
    assert_eq!(told(&mut bench), (vec![], true), "whoever was told that nothing is begun waits for the end of that");
    read_anew(&mut bench, ApprovalMode::Signed);
    assert_eq!(told(&mut bench), (vec!["queue.back"], false));
}

#[test]
fn one_reading_anew_after_another_counts_as_what_it_was_read_for() {
    use ApprovalMode::{Digest, None};
    let mut bench = Bench::ready(&post("p", "hello", ""));
    for approval in [None, Digest] {
        bench.tell(Event::Approvals(approval));
    }
    // The reader of the first reload has its say before that of the second.
    bench.tell(Event::Inbox(Inbox::Anew { approval: None }));
    bench.tell(Event::Inbox(Inbox::Complete));
    bench.until("2026-06-01T09:01:00Z");
    assert_eq!((bench.intents().len(), bench.state("p@a")), (0, "scheduled"));
    bench.tell(Event::Inbox(Inbox::Anew { approval: Digest }));
    bench.file("q.toml", &post("p", "hello", ""));
    bench.tell(Event::Inbox(Inbox::Complete));
    bench.until("2026-06-02T09:00:00Z");
    assert_eq!(bench.intents().len(), 1);
}

#[test]
fn another_try_asks_for_the_signature_again_and_is_given_up_without_it() {
    let mut bench = Bench::ready("");
    bench.signed("q.toml", &post("p", "hello", ""));
    bench.until("2026-06-01T09:00:00Z");
    bench.vouched(Ok("me"));
    let (ticket, _) = bench.calls.pop_front().expect("a call");
    bench.tell(Event::Replied { ticket, result: Err(Failure::NeverLeft("no address".into())) });
    bench.settle();
    assert_eq!(bench.state("p@a"), "retrying");
    bench.until("2026-06-01T09:10:00Z");
    assert_eq!(bench.claims.len(), 1);
    bench.vouched(Err("it has changed since me signed it"));
    assert_eq!((bench.intents().len(), bench.calls.len()), (1, 0));
    assert_eq!(bench.recorded(), ["intent", "retry", "abandoned", "slot-empty"]);
    // It waits for its turn again, and is asked again then.
    bench.until("2026-06-02T09:00:00Z");
    bench.vouched(Err("it has changed since me signed it"));
    assert_eq!(bench.held("p@a"), "approval-stale: it has changed since me signed it");
}

#[test]
fn a_moment_at_which_nobody_can_tell_costs_neither_the_slot_nor_the_rest_of_a_thread() {
    let mut bench = Bench::ready("");
    bench.signed("q.toml", &post("p", "hello", ""));
    bench.until("2026-06-01T09:00:00Z");
    bench.unclear();
    assert_eq!((bench.state("p@a"), bench.claims.len()), ("scheduled", 0));
    bench.until("2026-06-01T09:00:02Z");
    bench.unclear();
    bench.until("2026-06-01T09:00:06Z");
    bench.vouched(Ok("me"));
    assert_eq!((bench.intents().len(), bench.state("p@a")), (1, "sending"));
    // What is owed stays owed.
    let (ticket, _) = bench.calls.pop_front().expect("a call");
    bench.tell(Event::Replied { ticket, result: Err(Failure::NeverLeft("no address".into())) });
    bench.settle();
    bench.until("2026-06-01T09:10:00Z");
    bench.unclear();
    assert_eq!(bench.state("p@a"), "retrying");
    bench.until("2026-06-01T09:10:02Z");
    bench.vouched(Ok("you"));
    assert_eq!((bench.state("p@a"), bench.recorded().contains(&"abandoned")), ("sending", false));
    let by: Vec<_> = bench.intents().iter().map(|intent| intent.by.as_deref()).collect();
    assert_eq!(by, [Some("me"), Some("you")], "each try has who has approved it then");
}

/// A thread of two parts, of which the first one is out, when its approval is asked for again.
fn halfway() -> Bench {
    let mut bench = Bench::ready("");
    bench.signed("q.toml", &post("p", "hello", "thread = [\"and more\"]"));
    bench.until("2026-06-01T09:00:00Z");
    bench.vouched(Ok("me"));
    bench.replied("posted");
    bench.settle();
    bench.replied("later");
    bench.settle();
    assert_eq!(bench.state("p@a"), "retrying");
    bench.until("2026-06-01T10:00:00Z");
    assert_eq!((bench.claims.len(), bench.calls.len()), (1, 0));
    bench
}

#[test]
fn half_a_thread_waits_for_who_cannot_tell_and_is_a_persons_where_nobody_has_approved_it() {
    let mut bench = halfway();
    bench.unclear();
    bench.until("2026-06-01T10:00:02Z");
    assert_eq!((bench.state("p@a"), bench.claims.len()), ("retrying", 1));
    // Nobody knows who may sign: nothing is begun, and nothing is given up.
    bench.tell(Event::Inbox(Inbox::Lost { why: "nobody can tell who may sign".into() }));
    bench.unclear();
    bench.until("2026-06-01T12:00:00Z");
    assert_eq!((bench.state("p@a"), bench.claims.len()), ("retrying", 0));
    let daemon = DaemonReport { running: true, pid: None, version: "1".into() };
    let waits = bench.engine.status(None, daemon, bench.now).attention;
    assert!(waits.iter().any(|item| item.reason == "nobody can tell who may sign"), "{waits:?}");
    bench.tell(Event::Inbox(Inbox::Complete));
    bench.settle();
    bench.vouched(Ok("me"));
    assert_eq!(bench.calls.front().expect("a call").1, "https://one.example/publish-1");

    let mut bench = halfway();
    bench.vouched(Err("the key is not in allowed_signers"));
    assert_eq!((bench.state("p@a"), bench.calls.len()), ("refused", 0));
    let State::Refused { why, .. } = &bench.engine.view().entry(&delivery("p@a")).unwrap().state else { panic!() };
    assert_eq!(&**why, "the key is not in allowed_signers (1 parts are published)");
}

#[test]
fn half_a_thread_in_doubt_is_not_looked_for_before_it_is_known_what_the_queue_holds() {
    let mut bench = Bench::ready(&post("p", "hello", "thread = [\"and more\"]"));
    bench.until("2026-06-01T09:00:00Z");
    bench.replied("posted");
    bench.settle();
    let lost = Inbox::Lost { why: "it is not mounted".into() };
    let mut view = View::default();
    bench.durable.iter().for_each(|record| view.apply(record));
    let mut again = Bench::new(view, Mode::Publish, "2026-06-01T09:00:10Z");
    again.configure(bench.setups.clone());
    again.tell(Event::Inbox(lost));
    again.until("2026-06-01T09:30:00Z");
    assert_eq!((again.calls.len(), again.state("p@a")), (0, "sending"));
    again.file("q.toml", &post("p", "hello", "thread = [\"and more\"]"));
    again.tell(Event::Inbox(Inbox::Complete));
    again.until("2026-06-01T10:00:00Z");
    assert!(again.calls.front().is_some_and(|(_, url)| url.ends_with("look")), "{:?}", again.calls);
}

#[test]
fn a_clock_set_back_does_not_make_the_next_question_late() {
    let mut bench = Bench::ready("");
    bench.signed("q.toml", &post("p", "hello", ""));
    bench.until("2026-06-01T09:00:00Z");
    bench.unclear();
    bench.now = at("2026-06-01T08:50:00Z");
    bench.tell(Event::ClockJumped { seconds: -600 });
    assert_eq!(bench.claims.len(), 1, "nobody waits for a moment that is further away than it ever is");
}

#[test]
fn what_stays_unclear_for_a_minute_is_held() {
    let mut bench = Bench::ready("");
    bench.signed("q.toml", &post("p", "hello", ""));
    bench.until("2026-06-01T09:00:00Z");
    for seconds in ["02", "06", "14", "30"] {
        bench.unclear();
        bench.until(&format!("2026-06-01T09:00:{seconds}Z"));
    }
    bench.unclear();
    bench.until("2026-06-01T09:01:02Z");
    assert_eq!(bench.state("p@a"), "scheduled");
    bench.unclear();
    assert_eq!(bench.held("p@a"), "approval-stale: no such file");
    assert!(bench.claims.is_empty());
}

#[test]
fn a_stop_waits_for_nobody_who_cannot_tell() {
    for after in [true, false] {
        let mut bench = Bench::ready("");
        bench.signed("q.toml", &post("p", "hello", ""));
        bench.until("2026-06-01T09:00:00Z");
        if after {
            bench.tell(Event::Stop);
        }
        bench.unclear();
        if !after {
            assert_eq!(bench.engine.in_flight(), 1);
            bench.tell(Event::Stop);
        }
        assert_eq!((bench.engine.in_flight(), bench.state("p@a")), (0, "scheduled"));
    }
}

#[test]
fn a_post_that_leaves_the_queue_while_its_signature_is_looked_at_is_not_begun() {
    let mut bench = Bench::ready("");
    bench.signed("q.toml", &post("p", "hello", ""));
    bench.until("2026-06-01T09:00:00Z");
    bench.unapproved("q.toml", &post("p", "hello", ""));
    bench.vouched(Ok("me"));
    assert_eq!((bench.intents().len(), bench.state("p@a")), (0, "held"));
}

const DOT: &str = "media = [{ file = \"dot.png\", alt = \"a dot\" }]";

/// A post whose turn has come on an account that fetches its file, and another one behind it.
fn looking() -> Bench {
    let mut bench = Bench::ready("");
    bench.configure(vec![fetching(false)]);
    bench.file("q.toml", &(post("p", "hello", DOT) + &post("q", "words alone", "")));
    bench.until("2026-06-01T09:00:00Z");
    bench.gathered(1);
    assert_eq!((bench.intents().len(), bench.calls.len()), (0, 1), "it is looked at before anything is begun");
    bench
}

#[test]
fn what_a_platform_would_not_find_is_held_and_goes_out_by_itself_when_it_is_there() {
    let mut bench = looking();
    bench.fetched(None);
    let why = "media-missing: https://one.example/media/0 answers with status 404: copy dot.png there under that name, \
               or mend \"media_base_url\"";
    assert_eq!(bench.held("p@a"), why);
    // The slot is the next post's, and nothing of this one was begun.
    assert_eq!((bench.recorded(), bench.intents()[0].delivery.to_string()), (vec!["intent"], "q@a".into()));
    bench.replied("posted");
    bench.settle();
    assert_eq!(bench.state("q@a"), "delivered");
    // It is looked for again beside that, ever more rarely, and stays held meanwhile.
    let mut looks = 0;
    while bench.now < at("2026-06-02T06:00:00Z") {
        let moment = bench.engine.poll_timeout().unwrap().to_string();
        bench.until(&moment);
        if !bench.calls.is_empty() {
            looks += 1;
            bench.fetched(if looks % 2 == 0 { None } else { Some(b"dit") });
            assert!(bench.held("p@a").starts_with("media-missing: https://one.example/media/0 "), "{looks}");
        }
    }
    assert!((40..60).contains(&looks), "{looks} looks in 21 hours");
    bench.until("2026-06-02T07:00:00Z");
    bench.fetched(Some(b"dot"));
    assert_eq!(bench.state("p@a"), "scheduled");
    bench.until("2026-06-02T09:00:00Z");
    bench.gathered(1);
    bench.fetched(Some(b"dot"));
    assert_eq!(bench.intents().last().map(|intent| (intent.attempt, intent.tries)), Some((1, 0)));
    bench.replied("posted");
    bench.settle();
    assert_eq!(bench.state("p@a"), "delivered");
}

#[test]
fn a_file_that_comes_within_the_slot_keeps_it() {
    let mut bench = looking();
    bench.file("q.toml", &post("p", "hello", DOT));
    let (ticket, _) = bench.calls.pop_front().unwrap();
    bench.tell(Event::Replied { ticket, result: Err(Failure::NeverLeft("nobody is there".into())) });
    bench.settle();
    assert!(bench.held("p@a").contains("media/0 cannot be read (nobody is there): copy"), "{}", bench.held("p@a"));
    bench.until("2026-06-01T09:00:30Z");
    bench.fetched(Some(b"dot"));
    bench.gathered(1);
    bench.fetched(Some(b"dot"));
    assert_eq!(bench.intents()[0].slot, Some(at("2026-06-01T09:00:00Z")));
}

#[test]
fn what_is_missing_is_looked_for_when_the_queue_or_the_account_changes() {
    for changes in ["queue", "account"] {
        let mut bench = looking();
        bench.fetched(None);
        bench.replied("posted");
        bench.settle();
        for _ in 0..8 {
            let moment = bench.engine.poll_timeout().unwrap().to_string();
            bench.until(&moment);
            if !bench.calls.is_empty() {
                bench.fetched(None);
            }
        }
        bench.now = time::after(bench.now, Duration::from_secs(60));
        match changes {
            "queue" => bench.file("r.toml", &post("r", "more words", "")),
            _ => bench.configure(vec![fetching(false)]),
        }
        bench.settle();
        assert!(bench.calls.len() == 1 && bench.held("p@a").starts_with("media-missing"), "{changes}");
        // One that wants nothing on the web is asked no more.
        bench.fetched(None);
        bench.configure(vec![setup("a", &["0 9 * * *"])]);
        bench.until(&time::after(bench.now, Duration::from_secs(60)).to_string());
        assert_eq!((bench.calls.len(), bench.state("p@a")), (0, "scheduled"), "{changes}");
    }
}

#[test]
fn a_post_that_left_the_queue_while_it_was_looked_at_is_gone() {
    for found in [None, Some(&b"dot"[..])] {
        let mut bench = looking();
        bench.file("q.toml", "");
        bench.settle();
        bench.fetched(found);
        assert_eq!((bench.state("p@a"), bench.intents().len()), ("withdrawn", 0), "{found:?}");
        bench.until("2026-06-01T12:00:00Z");
        assert_eq!(bench.calls.len(), 0);
    }
}

#[test]
fn all_files_are_looked_at_and_a_stop_waits_for_the_one_that_is_asked_for() {
    let two = "media = [{ file = \"dot.png\", alt = \"a dot\" }, { file = \"dot.png\", alt = \"a dot\" }]";
    for stops in [false, true] {
        let mut bench = Bench::ready("");
        bench.configure(vec![fetching(false)]);
        bench.file("q.toml", &post("p", "hello", two));
        bench.until("2026-06-01T09:00:00Z");
        bench.gathered(2);
        if stops {
            bench.tell(Event::Stop);
            assert_eq!(bench.engine.in_flight(), 1);
        }
        bench.fetched(Some(b"dot"));
        assert_eq!((bench.calls.len(), bench.engine.in_flight()), if stops { (0, 0) } else { (1, 1) });
        if !stops {
            bench.fetched(None);
            assert!(bench.held("p@a").contains("/media/1 answers"), "{}", bench.held("p@a"));
        }
        assert_eq!(bench.intents().len(), 0);
    }
}

#[test]
fn what_a_retry_would_not_find_gives_the_attempt_up_without_a_try() {
    let mut bench = looking();
    bench.fetched(Some(b"dot"));
    bench.replied("later");
    bench.settle();
    assert_eq!(bench.state("p@a"), "retrying");
    bench.until("2026-06-01T09:01:00Z");
    bench.gathered(1);
    bench.fetched(None);
    assert!(bench.held("p@a").starts_with("media-missing"), "{}", bench.held("p@a"));
    assert_eq!(bench.recorded(), ["intent", "retry", "abandoned", "slot-empty"]);
    // Not asked for again and again.
    bench.until("2026-06-01T09:01:10Z");
    assert_eq!((bench.calls.len(), bench.gathers.len()), (0, 0));
}

#[test]
fn what_is_handed_out_is_gone_on_with_and_in_the_ledger_only_sealed() {
    for key in
        [None, Some("a key that nobody can guess, of many words"), Some("the same, and another one after a restart")]
    {
        let sealing = |text: Option<&str>| AccountSetup { seal: text.map(simulated::seal), ..fetching(true) };
        let mut bench = Bench::ready(&post("p", "hello", ""));
        bench.configure(vec![sealing(key)]);
        bench.until("2026-06-01T09:00:00Z");
        bench.replied("");
        bench.settle();
        // The same life goes on with it, in this attempt and in the next one.
        bench.replied("later");
        bench.settle();
        bench.until("2026-06-01T09:01:00Z");
        assert_eq!(bench.calls.front().map(|(_, url)| url.as_str()), Some("https://one.example/canary-1/publish-0"));
        bench.replied("later");
        bench.settle();
        let ledger: String = bench.durable.iter().map(|record| String::from_utf8(record.encode()).unwrap()).collect();
        assert_eq!((ledger.contains("canary"), ledger.contains("sealed")), (false, key.is_some()), "{ledger}");
        // Another life needs the key.
        let other =
            key.filter(|key| key.starts_with("a key")).or(key.map(|_| "another key of more than 32 characters"));
        let mut bench = bench.restarted_with(vec![sealing(other)]);
        bench.until("2026-06-01T10:00:00Z");
        let next = if key == other && key.is_some() { "canary-1/publish-0" } else { "begin" };
        assert!(bench.calls.front().is_some_and(|(_, url)| url.ends_with(next)), "{key:?}: {:?}", bench.calls);
    }
}

#[test]
fn what_an_earlier_version_kept_in_plain_text_is_gone_on_with() {
    let mut bench = Bench::ready(&post("p", "hello", ""));
    bench.configure(vec![fetching(true)]);
    bench.until("2026-06-01T09:00:00Z");
    bench.replied("");
    bench.settle();
    bench.replied("later");
    bench.settle();
    for record in &mut bench.durable {
        if let Fact::Checkpoint { data, .. } = &mut record.fact {
            data[Checkpoint::PRIVATE] = json!("canary-0");
        }
    }
    let mut view = View::default();
    bench.durable.iter().for_each(|record| view.apply(record));
    let mut again = Bench::new(view, Mode::Publish, "2026-06-01T09:01:00Z");
    again.configure(vec![fetching(true)]);
    again.file("q.toml", &post("p", "hello", ""));
    again.tell(Event::Inbox(Inbox::Complete));
    again.until("2026-06-01T10:00:00Z");
    assert!(again.calls.front().is_some_and(|(_, url)| url.ends_with("canary-0/publish-0")), "{:?}", again.calls);
}

#[test]
fn a_content_warning_makes_another_post_of_the_same_text() {
    let warned = "warning = \"long\"";
    let posts = [post("p", "hello", ""), post("q", "hello", warned), post("r", "hello", warned)].concat();
    let mut bench = Bench::ready(&posts);
    for day in 1..4 {
        bench.until(&format!("2026-06-0{day}T09:00:00Z"));
        while !bench.calls.is_empty() {
            bench.replied("posted");
            bench.settle();
        }
    }
    assert_eq!(["p@a", "q@a", "r@a"].map(|id| bench.state(id)), ["delivered", "delivered", "held"]);
}

#[test]
fn only_an_answer_that_tells_whose_account_it_is_ends_a_stop() {
    let adapter = Arc::new(Plain { platform: "plain", place: "one.example", logs_in: true, repeatable: false });
    let mut bench = Bench::ready(&post("p", "hello", ""));
    bench.configure(vec![AccountSetup { adapter, ..setup("a", &["0 9 * * *"]) }]);
    bench.until("2026-06-01T09:00:00Z");
    bench.replied("denied");
    bench.settle();
    let stopped = |bench: &Bench| bench.engine.view().account(&account("a")).unwrap().head.stopped.is_some();
    assert!(stopped(&bench));
    for answer in ["refused", "learned", "later"] {
        bench.tell(Event::Chore(Chore::Accounts));
        while !bench.calls.is_empty() {
            bench.replied(answer);
            bench.settle();
        }
        assert!(stopped(&bench), "{answer}");
    }
    bench.tell(Event::Chore(Chore::Accounts));
    bench.replied("hello");
    bench.settle();
    assert!(!stopped(&bench));
    // The attempt goes on with the session of the probe, and the account is pinned all the same.
    assert_eq!(bench.engine.view().account(&account("a")).unwrap().head.pinned.as_deref(), Some("me"));
}

/// The platform knows the token, and does not let it publish.
fn without_permission() -> Bench {
    let adapter = Arc::new(Plain { platform: "plain", place: "one.example", logs_in: true, repeatable: false });
    let mut bench = Bench::ready(&post("p", "hello", ""));
    bench.configure(vec![AccountSetup { adapter, ..setup("a", &["0 9 * * *"]) }]);
    bench.until("2026-06-01T09:00:00Z");
    bench
}

/// The chore runs every five minutes until then; gives how often it was tried to publish.
fn tries_until(bench: &mut Bench, moment: &str, answer: &str) -> usize {
    let mut tries = 0;
    while bench.now < at(moment) {
        bench.tell(Event::Chore(Chore::Accounts));
        bench.settle();
        while let Some((_, url)) = bench.calls.front() {
            let publishes = url.ends_with("publish-0");
            tries += usize::from(publishes);
            bench.replied(if publishes { answer } else { "hello" });
            bench.settle();
        }
        let next = time::after(bench.now, Duration::from_secs(300));
        bench.until(&next.to_string());
    }
    tries
}

#[test]
fn a_permission_that_is_missing_is_tried_less_and_less() {
    let mut bench = without_permission();
    // At once, after five minutes, and then after 10, 20, 40, 80 … more.
    let tries = tries_until(&mut bench, "2026-06-02T09:00:00Z", "denied");
    assert!((6..=10).contains(&tries), "{tries}");
    // Many more than there are tries for a delivery; and none is used up.
    let more = tries_until(&mut bench, "2026-06-12T09:00:00Z", "denied");
    assert!((8..=12).contains(&more), "{more}");
    let intents = bench.durable.iter().filter_map(|record| match &record.fact {
        Fact::Intent(intent) => Some(intent.tries),
        _ => None,
    });
    assert!(intents.clone().count() > 8 && intents.clone().all(|tries| tries == 0));
    // It is granted at last: nothing was lost, and nothing has to be done here.
    let granted = tries_until(&mut bench, "2026-06-13T10:00:00Z", "posted");
    assert_eq!((granted, bench.state("p@a")), (1, "delivered"));
}

#[test]
fn a_person_who_has_granted_a_permission_need_not_wait() {
    for reload in [true, false] {
        let mut bench = without_permission();
        tries_until(&mut bench, "2026-06-02T09:00:00Z", "denied");
        bench.tell(Event::Chore(Chore::Accounts));
        assert!(bench.calls.is_empty(), "it waits");
        if reload {
            bench.configure(bench.setups.clone());
        } else {
            bench = bench.restarted();
        }
        bench.settle();
        let now = bench.now;
        assert_eq!(tries_until(&mut bench, "2026-06-02T09:05:00Z", "posted"), 1);
        assert_eq!((bench.state("p@a"), time::since(bench.now, now)), ("delivered", Duration::from_secs(300)));
    }
}

#[test]
fn what_goes_out_ends_the_waiting() {
    let mut bench = without_permission();
    tries_until(&mut bench, "2026-06-02T08:00:00Z", "denied");
    bench.configure(bench.setups.clone());
    bench.settle();
    tries_until(&mut bench, "2026-06-02T08:10:00Z", "posted");
    assert_eq!(bench.state("p@a"), "delivered");
    // The next trouble is another one, and asked about as soon as the first was.
    bench.file("r.toml", &post("q", "more", ""));
    bench.until("2026-06-03T09:00:00Z");
    assert_eq!(tries_until(&mut bench, "2026-06-03T09:10:00Z", "denied"), 2);
}

/// The chore runs every hour until then; gives how often an end was announced, and what waits for a person at last.
fn ends_until(bench: &mut Bench, moment: &str) -> (usize, Vec<&'static str>) {
    bench.events.clear();
    while bench.now < at(moment) {
        let next = time::after(bench.now, Duration::from_secs(3_600));
        bench.until(&next.to_string());
        bench.tell(Event::Chore(Chore::Accounts));
    }
    let daemon = DaemonReport { running: true, pid: None, version: String::new() };
    let waits = bench.engine.status(None, daemon, bench.now).attention;
    let said = bench.events.iter().filter(|event| **event == "account.token_expires").count();
    (said, waits.iter().map(|item| item.kind.name()).filter(|kind| *kind != "queue-low").collect())
}

#[test]
fn the_end_of_a_token_is_announced_ahead_and_each_time_once() {
    let ends = |end: &str| vec![AccountSetup { token_expires: Some(at(end)), ..setup("a", &["0 9 * * *"]) }];
    let mut bench = Bench::ready("");
    bench.configure(ends("2026-06-21T08:30:00Z"));
    assert_eq!(ends_until(&mut bench, "2026-06-07T07:30:00Z"), (0, vec![]));
    assert_eq!(ends_until(&mut bench, "2026-06-07T10:30:00Z"), (1, vec!["token-expires"]), "fourteen days before");
    assert_eq!(ends_until(&mut bench, "2026-06-14T07:30:00Z"), (0, vec!["token-expires"]));
    assert_eq!(ends_until(&mut bench, "2026-06-18T07:30:00Z").0, 1, "seven days before");
    // A reload is no reason to say it again; a start is.
    bench.configure(bench.setups.clone());
    assert_eq!(ends_until(&mut bench, "2026-06-18T08:00:00Z").0, 1, "three days before");
    assert_eq!(ends_until(&mut bench, "2026-06-20T08:30:00Z").0, 0);
    bench = bench.restarted();
    assert_eq!(ends_until(&mut bench, "2026-06-20T12:30:00Z").0, 1);
    assert_eq!(ends_until(&mut bench, "2026-06-23T08:30:00Z"), (1, vec!["token-expires"]), "when it has ended");
    // Another token, which lives as long as the first.
    bench.configure(ends("2026-07-21T08:30:00Z"));
    assert_eq!(ends_until(&mut bench, "2026-07-07T07:30:00Z"), (0, vec![]));
    assert_eq!(ends_until(&mut bench, "2026-07-07T10:30:00Z").0, 1);
}

/// Everything that was said of the account's token since the last time, and whether the account is stopped.
fn of_the_token(bench: &mut Bench) -> (Vec<&'static str>, bool) {
    bench.settle();
    let said = std::mem::take(&mut bench.events).into_iter().filter(|event| event.starts_with("account.auth_"));
    (said.collect(), bench.engine.view().account(&account("a")).unwrap().head.stopped.is_some())
}

#[test]
fn a_reload_and_a_start_ask_before_they_let_a_stopped_account_in() {
    for restarts in [false, true] {
        let stopped = || {
            let mut bench = without_permission();
            bench.replied("denied");
            assert_eq!(of_the_token(&mut bench), (vec!["account.auth_lost"], true));
            if restarts {
                bench = bench.restarted();
            } else {
                bench.configure(bench.setups.clone());
            }
            assert_eq!(of_the_token(&mut bench), (vec![], true), "nobody has answered yet");
            assert_eq!(bench.calls.len(), 1);
            bench
        };
        let mut bench = stopped();
        bench.replied("hello");
        assert_eq!(of_the_token(&mut bench), (vec!["account.auth_refreshed"], false));
        // Who has just started it, or has mended something, learns that it is still so. On record it is already.
        let mut bench = stopped();
        bench.replied("denied");
        assert_eq!(of_the_token(&mut bench), (vec!["account.auth_lost"], true));
        assert_eq!((bench.calls.len(), bench.state("p@a")), (0, "retrying"));
        assert_eq!(bench.recorded().iter().filter(|name| **name == "account-stopped").count(), 1);
        // The chore says it no more.
        bench.tell(Event::Chore(Chore::Accounts));
        bench.replied("denied");
        assert_eq!(of_the_token(&mut bench), (vec![], true));
        bench.tell(Event::Chore(Chore::Accounts));
        bench.replied("later");
        assert_eq!(of_the_token(&mut bench), (vec![], true));
        // Nobody could tell: the next attempt does.
        let mut bench = stopped();
        bench.replied("later");
        assert_eq!(of_the_token(&mut bench), (vec!["account.auth_untested"], false));
        bench.until("2026-06-01T09:30:00Z");
        bench.replied("denied");
        assert_eq!(of_the_token(&mut bench), (vec!["account.auth_lost"], true));
    }
}

#[test]
fn where_nothing_can_be_asked_a_stopped_account_is_let_in_to_try() {
    let mut bench = Bench::ready(&post("p", "hello", ""));
    bench.until("2026-06-01T09:00:00Z");
    bench.replied("denied");
    assert_eq!(of_the_token(&mut bench), (vec!["account.auth_lost"], true));
    bench.configure(bench.setups.clone());
    assert_eq!(of_the_token(&mut bench), (vec!["account.auth_untested"], false));
}

#[test]
fn another_secret_lets_a_stopped_account_in_without_a_question() {
    let mut bench = without_permission();
    bench.replied("denied");
    of_the_token(&mut bench);
    let other = Secrets([("token".to_owned(), Secret::new("another"))].into());
    bench.configure(vec![AccountSetup { secrets: other, ..bench.setups[0].clone() }]);
    assert_eq!(of_the_token(&mut bench), (vec!["account.auth_refreshed"], false));
}

#[test]
fn the_token_of_a_new_host_is_not_shown_to_the_old_one() {
    let at_host = |place| {
        let adapter = Arc::new(Plain { platform: "plain", place, logs_in: true, repeatable: false });
        vec![AccountSetup { adapter, ..setup("a", &["0 9 * * *"]) }]
    };
    let mut bench = Bench::ready(&post("p", "hello", ""));
    bench.configure(at_host("one.example"));
    bench.until("2026-06-01T09:00:00Z");
    bench.replied("denied");
    bench.settle();
    // The old host is being asked whether it takes the token again when the account is moved.
    bench.tell(Event::Chore(Chore::Accounts));
    bench.configure(at_host("two.example"));
    bench.settle();
    bench.replied("learned");
    bench.settle();
    let hosts: Vec<&str> = bench.calls.iter().map(|(_, url)| url.as_str()).collect();
    assert_eq!(hosts, ["https://two.example/session"]);
}

#[test]
fn a_token_of_another_account_publishes_nothing() {
    let adapter = Arc::new(Plain { platform: "plain", place: "one.example", logs_in: true, repeatable: false });
    let mut bench = Bench::ready(&post("p", "hello", ""));
    let identity = Some("somebody-else".to_owned());
    bench.configure(vec![AccountSetup { adapter, identity, ..setup("a", &["0 9 * * *"]) }]);
    bench.until("2026-06-01T09:00:00Z");
    bench.replied("hello");
    bench.settle();
    let head = &bench.engine.view().account(&account("a")).unwrap().head;
    assert_eq!((bench.calls.len(), head.stopped.is_some(), head.pinned.as_deref()), (0, true, None));
}

#[test]
fn what_is_on_record_ahead_of_a_confirmed_clock_keeps_nobody_silent() {
    let two = [post("p", "hello", ""), post("q", "more", ""), post("r", "third", "")].concat();
    let mut bench = Bench::ready(&two);
    // The clock is a year ahead for a while.
    bench.now = at("2027-06-01T08:59:00Z");
    bench.tell(Event::ClockJumped { seconds: 365 * 86_400 });
    bench.settle();
    let setups = bench.setups.clone();
    let policy = Policy { min_gap: Duration::from_secs(60), ..setups[0].policy.clone() };
    bench.configure(vec![AccountSetup { policy, ..setup("a", &["*/10 9 * * *"]) }]);
    bench.until("2027-06-01T09:00:00Z");
    bench.replied("posted");
    bench.settle();
    bench.until("2027-06-01T09:10:00Z");
    bench.lost();
    assert_eq!((bench.state("p@a"), bench.state("q@a")), ("delivered", "sending"));
    // It is right again, and a person says so at the next start.
    bench.now = at("2026-06-01T08:50:00Z");
    let mut bench = bench.restarted_after(|bench| {
        bench.tell(Event::ClockConfirmed { by: "me".into() });
        bench.settle();
    });
    let beat: Vec<_> =
        bench.engine.view().account(&account("a")).unwrap().beat().map(|(post, _)| post.to_string()).collect();
    assert_eq!(beat, ["q", "p"], "they keep their order");
    // What may have arrived is still given its time, and no more than that.
    bench.until("2026-06-01T08:54:59Z");
    while !bench.calls.is_empty() {
        assert!(bench.calls[0].1.ends_with("look"));
        bench.replied("absent");
        bench.settle();
    }
    assert_eq!(bench.state("q@a"), "sending");
    while bench.state("q@a") == "sending" {
        bench.until(&time::after(bench.now, Duration::from_secs(10)).to_string());
        while !bench.calls.is_empty() {
            bench.replied(if bench.calls[0].1.ends_with("look") { "absent" } else { "posted" });
            bench.settle();
        }
    }
    assert!(bench.now < at("2026-06-01T08:58:00Z"), "{}", bench.now);
    // It surely was not there: it goes again, and the slots of this day are those of the account.
    for (moment, id) in [("2026-06-01T08:59:00Z", "q@a"), ("2026-06-01T09:00:00Z", "r@a")] {
        bench.until(moment);
        assert_eq!((bench.state(id), bench.calls.len()), ("sending", 1), "{id}");
        bench.replied("posted");
        bench.settle();
    }
    // And the fold says the same after another start.
    bench.restarted();
}

#[test]
fn what_is_found_in_doubt_at_start_is_looked_for_at_once_and_not_at_the_next_slot() {
    let mut bench = Bench::ready(&post("p", "hello", ""));
    bench.until("2026-06-01T09:00:00Z");
    bench.lost();
    let mut bench = bench.restarted();
    bench.until("2026-06-01T09:01:00Z");
    assert!(bench.calls.front().is_some_and(|(_, url)| url.ends_with("look")), "{:?}", bench.calls);
}

#[test]
fn nothing_is_begun_when_the_folder_got_lost_while_media_were_read() {
    let mut bench = Bench::ready(&post("p", "hello", "media = [{ file = \"dot.png\", alt = \"a dot\" }]"));
    bench.until("2026-06-01T09:00:00Z");
    let ticket = bench.gathers.pop_front().expect("its media are read");
    bench.tell(Event::Inbox(Inbox::Lost { why: "gone".into() }));
    bench.tell(Event::Gathered { ticket, result: Ok(Vec::new()) });
    bench.settle();
    assert_eq!(bench.intents().len(), 0);
    bench.tell(Event::Inbox(Inbox::Complete));
    bench.settle();
    let ticket = bench.gathers.pop_front().expect("they are read again when the folder is back");
    bench.tell(Event::Gathered { ticket, result: Ok(Vec::new()) });
    bench.settle();
    assert_eq!(bench.intents().len(), 1);
}

#[test]
fn nothing_is_begun_on_an_account_that_was_paused_while_media_were_read() {
    let mut bench = Bench::ready(&post("p", "hello", "media = [{ file = \"dot.png\", alt = \"a dot\" }]"));
    bench.until("2026-06-01T09:00:00Z");
    let ticket = bench.gathers.pop_front().expect("its media are read");
    bench.configure(vec![AccountSetup { paused: true, ..setup("a", &["0 9 * * *"]) }]);
    bench.tell(Event::Gathered { ticket, result: Ok(Vec::new()) });
    bench.settle();
    assert_eq!(bench.intents().len(), 0);
    bench.configure(vec![setup("a", &["0 9 * * *"])]);
    bench.settle();
    let ticket = bench.gathers.pop_front().expect("they are read again when it goes on");
    bench.tell(Event::Gathered { ticket, result: Ok(Vec::new()) });
    bench.settle();
    assert_eq!(bench.intents().len(), 1);
}

#[test]
fn nothing_is_begun_at_the_old_place_of_an_account_that_was_moved_while_media_were_read() {
    let mut bench = Bench::ready(&post("p", "hello", "media = [{ file = \"dot.png\", alt = \"a dot\" }]"));
    bench.until("2026-06-01T09:00:00Z");
    let ticket = bench.gathers.pop_front().expect("its media are read");
    bench.configure(on_another_host());
    bench.tell(Event::Gathered { ticket, result: Ok(Vec::new()) });
    bench.settle();
    assert_eq!(bench.intents().len(), 0);
    let ticket = bench.gathers.pop_front().expect("they are read again for the new place");
    bench.tell(Event::Gathered { ticket, result: Ok(Vec::new()) });
    bench.settle();
    assert_eq!(bench.intents()[0].host.as_deref(), Some("two.example"));
}

#[test]
fn a_post_that_expires_while_its_media_are_read_is_not_begun() {
    let media = "expires = 2026-06-01T09:00:01Z\nmedia = [{ file = \"dot.png\", alt = \"a dot\" }]";
    let mut bench = Bench::ready(&post("p", "hello", media));
    bench.until("2026-06-01T09:00:00Z");
    let ticket = bench.gathers.pop_front().expect("its media are read");
    bench.now = at("2026-06-01T09:00:02Z");
    bench.tell(Event::Gathered { ticket, result: Ok(Vec::new()) });
    bench.settle();
    assert_eq!((bench.intents().len(), bench.state("p@a")), (0, "expired"));
}

#[test]
fn what_is_parked_goes_on_with_another_token_or_name_on_the_same_host() {
    let mut bench = parked();
    let adapter = Plain { platform: "plain", place: "one.example/renamed", logs_in: false, repeatable: false };
    bench.configure(vec![AccountSetup { adapter: Arc::new(adapter), ..setup("a", &["0 9 * * *"]) }]);
    bench.until("2026-06-01T09:01:00Z");
    let (_, url) = bench.calls.front().expect("it is looked for");
    assert_eq!(url, "https://one.example/renamed/look");
    bench.replied("there");
    bench.settle();
    assert_eq!(bench.state("p@a"), "delivered");
}

#[test]
fn what_is_not_approved_any_more_when_its_media_were_read_is_not_begun() {
    let media = "media = [{ file = \"dot.png\", alt = \"a dot\" }]";
    for (change, intents) in [(false, 1), (true, 0)] {
        let mut bench = Bench::ready(&post("p", "hello", media));
        bench.until("2026-06-01T09:00:00Z");
        let ticket = bench.gathers.pop_front().expect("its media are read");
        if change {
            bench.unapproved("q.toml", &post("p", "hello", media));
            bench.settle();
        }
        bench.tell(Event::Gathered { ticket, result: Ok(Vec::new()) });
        bench.settle();
        assert_eq!(bench.intents().len(), intents);
    }
}

#[test]
fn what_a_person_wants_sent_after_an_edit_begins_anew() {
    let mut bench = Bench::ready(&post("p", "hello", ""));
    bench.until("2026-06-01T09:00:00Z");
    bench.lost();
    bench.until("2026-06-01T09:00:30Z");
    bench.replied("refused");
    bench.settle();
    assert_eq!(bench.state("p@a"), "uncertain");
    bench.file("q.toml", &post("p", "other words", ""));
    bench.until("2026-06-01T12:00:00Z");
    bench.decide("p@a", Decision::Retry).unwrap();
    // What was intended then is not what is approved now.
    assert_eq!((bench.calls.len(), bench.state("p@a")), (0, "scheduled"));
    bench.until("2026-06-02T09:00:00Z");
    assert_eq!((bench.calls.len(), bench.state("p@a")), (1, "sending"));
    let digests: Vec<_> = bench.intents().iter().map(|intent| intent.digest).collect();
    assert_eq!(digests[1], posts("q.toml", &post("p", "other words", ""))[0].digest);
}

#[test]
fn what_is_found_in_doubt_and_not_approved_any_more_is_only_looked_for() {
    for (change, publishes) in [(false, true), (true, false)] {
        let adapter = Arc::new(Plain { platform: "plain", place: "one.example", logs_in: false, repeatable: true });
        let mut bench = Bench::ready(&post("p", "hello", ""));
        bench.configure(vec![AccountSetup { adapter, ..setup("a", &["0 9 * * *"]) }]);
        bench.until("2026-06-01T09:00:00Z");
        assert_eq!(bench.calls.len(), 1);
        if change {
            let stale = |post: Post| Post { approval: Approval::Stale, ..post };
            let posts = posts("q.toml", &post("p", "hello", ""));
            bench.files.insert("q.toml".into(), posts.into_iter().map(stale).collect());
        }
        let mut bench = bench.restarted();
        bench.until("2026-06-01T09:01:00Z");
        bench.replied("absent");
        bench.until("2026-06-01T09:02:00Z");
        let published = bench.calls.front().is_some_and(|(_, url)| url.ends_with("publish-0"));
        assert_eq!(published, publishes, "{:?}", bench.calls);
    }
}

/// Whatever is asked is answered so, for ten minutes; gives what was asked.
fn asked_for_ten_minutes(bench: &mut Bench, answer: &str) -> Vec<String> {
    let (end, mut asked) = (time::after(bench.now, Duration::from_secs(600)), Vec::new());
    while bench.now < end {
        let next = time::after(bench.now, Duration::from_secs(10)).to_string();
        bench.until(&next);
        while let Some((_, url)) = bench.calls.front() {
            asked.push(url.rsplit('/').next().unwrap().to_owned());
            bench.replied(answer);
            bench.settle();
        }
    }
    asked.dedup();
    asked
}

#[test]
fn what_is_found_in_doubt_on_a_paused_account_is_looked_for_and_not_sent() {
    let adapter = Arc::new(Plain { platform: "plain", place: "one.example", logs_in: false, repeatable: true });
    let with = |paused| vec![AccountSetup { adapter: adapter.clone(), paused, ..setup("a", &["0 9 * * *"]) }];
    let mut bench = Bench::ready(&post("p", "hello", ""));
    bench.configure(with(false));
    bench.until("2026-06-01T09:00:00Z");
    // It is lost, and the account is paused then: by a reload, or before a restart.
    let lost = |mut bench: Bench, restarts: bool| {
        if restarts {
            return bench.restarted_with(with(true));
        }
        bench.lost();
        bench.configure(with(true));
        bench
    };
    bench = lost(bench, true);
    assert_eq!(asked_for_ten_minutes(&mut bench, "absent"), ["look"]);
    assert_eq!(bench.state("p@a"), "retrying");
    let daemon = DaemonReport { running: true, pid: None, version: String::new() };
    let status = bench.engine.status(None, daemon, bench.now);
    assert_eq!(status.deliveries[0].reason.as_deref(), Some("account-paused"));
    bench.configure(with(false));
    bench.until("2026-06-01T09:30:00Z");
    assert!(bench.calls.front().is_some_and(|(_, url)| url.ends_with("publish-0")), "{:?}", bench.calls);
    bench = lost(bench, false);
    assert_eq!(asked_for_ten_minutes(&mut bench, "absent"), ["look"]);
}

/// A thread of two parts, the first of which is on its way.
fn thread_under_way() -> Bench {
    let mut bench = Bench::ready(&post("p", "hello", "thread = [\"more\"]"));
    bench.until("2026-06-01T09:00:00Z");
    assert_eq!(bench.calls.len(), 1);
    bench
}

#[test]
fn the_rest_of_a_thread_waits_for_the_end_of_a_pause() {
    let mut bench = thread_under_way();
    bench.configure(paused());
    bench.replied("posted");
    bench.until("2026-06-01T09:30:00Z");
    assert_eq!((bench.calls.len(), bench.state("p@a")), (0, "retrying"));
    bench.configure(vec![setup("a", &["0 9 * * *"])]);
    bench.settle();
    assert!(bench.calls.front().is_some_and(|(_, url)| url.ends_with("publish-1")), "{:?}", bench.calls);
    // Also where the account is moved in the same breath, and is what it was until the attempt ends.
    let mut bench = thread_under_way();
    bench.configure(on_another_host().into_iter().map(|setup| AccountSetup { paused: true, ..setup }).collect());
    bench.replied("posted");
    bench.until("2026-06-01T09:30:00Z");
    assert_eq!(bench.calls.len(), 0);
}

#[test]
fn what_is_under_way_waits_until_the_queue_has_been_read_anew() {
    let toml = |thread: bool| post("p", "hello", if thread { "thread = [\"more\"]" } else { "" });
    let read_anew = |bench: &mut Bench, thread: bool, is_approved: bool| {
        bench.tell(Event::Inbox(Inbox::Anew { approval: ApprovalMode::Signed }));
        if is_approved {
            bench.signed("q.toml", &toml(thread));
        } else {
            bench.unapproved("q.toml", &toml(thread));
        }
        bench.tell(Event::Inbox(Inbox::Complete));
        bench.settle();
    };
    let signed = || Event::Approvals(ApprovalMode::Signed);
    for (is_approved, ends) in [(true, "sending"), (false, "refused")] {
        let mut bench = thread_under_way();
        bench.tell(signed());
        bench.replied("posted");
        bench.until("2026-06-01T09:00:10Z");
        assert_eq!((bench.calls.len(), bench.state("p@a")), (0, "retrying"));
        read_anew(&mut bench, true, is_approved);
        if is_approved {
            bench.vouched(Ok("me"));
        }
        assert_eq!((bench.calls.len(), bench.state("p@a")), (usize::from(is_approved), ends));
    }
    // The same for an intent that is being written.
    for (is_approved, ends) in [(true, "sending"), (false, "held")] {
        let mut bench = intending();
        bench.tell(signed());
        bench.settle();
        assert_eq!((bench.calls.len(), bench.state("p@a")), (0, "retrying"));
        read_anew(&mut bench, false, is_approved);
        if is_approved {
            bench.vouched(Ok("me"));
        }
        assert_eq!((bench.calls.len(), bench.state("p@a")), (usize::from(is_approved), ends));
    }
    // And for what was found in doubt, where the same bytes could be sent again.
    let adapter = Arc::new(Plain { platform: "plain", place: "one.example", logs_in: false, repeatable: true });
    let mut bench = Bench::ready(&toml(false));
    bench.configure(vec![AccountSetup { adapter, ..setup("a", &["0 9 * * *"]) }]);
    bench.until("2026-06-01T09:00:00Z");
    let mut bench = bench.restarted();
    bench.tell(signed());
    assert_eq!(asked_for_ten_minutes(&mut bench, "absent"), ["look"]);
}

#[test]
fn what_is_under_way_waits_for_a_clock_that_is_behind() {
    let mut bench = thread_under_way();
    bench.now = at("2026-06-01T08:00:00Z");
    bench.replied("posted");
    bench.until("2026-06-01T08:59:00Z");
    assert_eq!((bench.calls.len(), bench.state("p@a")), (0, "retrying"));
    bench.until("2026-06-01T09:00:00Z");
    assert!(bench.calls.front().is_some_and(|(_, url)| url.ends_with("publish-1")), "{:?}", bench.calls);
}

/// The empty slots on record: the last of each line, how many they are, and why.
fn empties(bench: &Bench) -> Vec<(Timestamp, u64, &str)> {
    let line = |record| match record {
        &Record { fact: Fact::SlotEmpty { slot, ref reason, run, .. }, .. } => {
            Some((slot, run.map_or(1, |run| run.count), reason.as_str()))
        }
        _ => None,
    };
    bench.durable.iter().filter_map(line).collect()
}

#[test]
fn empty_slots_that_follow_each_other_closely_are_said_as_one() {
    let mut bench = Bench::ready("");
    bench.configure(vec![setup("a", &["* * * * *"])]);
    bench.until("2026-06-01T11:30:30Z");
    let lines = empties(&bench);
    assert_eq!(lines.iter().map(|(_, count, _)| *count).collect::<Vec<_>>(), [1, 56, 56, 56], "{lines:?}");
    assert_eq!(bench.events.iter().filter(|name| **name == "slot.empty").count(), 4);
    // Before something is sent, all of them are on record: each slot once.
    bench.file("q.toml", &post("p", "hello", ""));
    bench.settle();
    assert_eq!((bench.state("p@a"), bench.calls.len()), ("sending", 1));
    bench.replied("posted");
    bench.settle();
    let used = bench.intents()[0].slot.unwrap();
    let said: u64 = empties(&bench).iter().map(|(_, count, _)| count).sum();
    assert_eq!(time::since(used, at("2026-06-01T08:30:00Z")).as_secs() / 60, said, "{:?}", empties(&bench));
    // So they are when the reason changes, and at a stop.
    bench.until("2026-06-01T11:45:30Z");
    let mut paused = setup("a", &["* * * * *"]);
    paused.paused = true;
    bench.configure(vec![paused]);
    bench.until("2026-06-01T12:00:30Z");
    bench.tell(Event::Stop);
    bench.settle();
    let lines = empties(&bench);
    assert_eq!(lines.last().map(|line| (line.0, line.2)), Some((at("2026-06-01T11:55:00Z"), "the account is paused")));
    let said: u64 = lines.iter().map(|(_, count, _)| count).sum();
    assert_eq!(said, 3 * 60 + 25, "each slot but the one that was used: {lines:?}");
}

#[test]
fn who_comes_after_an_idle_stretch_is_not_late_and_the_stretch_is_said_in_short() {
    for idle in ["2026-06-01T08:31:00Z", "2026-06-01T08:50:00Z"] {
        let mut bench = Bench::ready(&post("far", "later", "at = 2026-12-01T09:00:00Z"));
        bench.configure(vec![setup("a", &["* * * * * *"])]);
        bench.until(idle);
        bench.file("p.toml", &post("p", "hello", ""));
        bench.settle();
        assert_eq!(bench.intents()[0].slot, Some(at(idle)), "the slot of this moment, and none of five minutes ago");
        let lines = empties(&bench);
        let said: u64 = lines.iter().map(|(_, count, _)| count).sum();
        assert_eq!(
            (said, lines.len() <= 4),
            (time::since(at(idle), at("2026-06-01T08:30:01Z")).as_secs(), true),
            "{lines:?}"
        );
    }
}

#[test]
fn a_crash_loses_the_number_of_empty_slots_and_nothing_else() {
    let mut skipping = setup("a", &["* * * * *"]);
    skipping.policy.missed = Missed::Skip;
    let mut bench = Bench::ready("");
    bench.configure(vec![skipping]);
    bench.until("2026-06-01T09:10:30Z");
    let before = empties(&bench).len();
    let file = posts("q.toml", &[post("p", "hello", ""), post("q", "more", "")].concat());
    bench.files.insert("q.toml".into(), file);
    let mut bench = bench.restarted();
    bench.until("2026-06-01T09:12:00Z");
    assert_eq!((bench.state("p@a"), bench.calls.len()), ("sending", 1), "nobody is given up for slots that were empty");
    assert_eq!(bench.state("q@a"), "scheduled");
    assert!(bench.intents()[0].slot.unwrap() > at("2026-06-01T09:05:00Z"), "no slot that is over is used");
    let slots: Vec<_> = empties(&bench).iter().map(|line| line.0).collect();
    assert!(slots.len() > before && slots.is_sorted_by(|a, b| a < b), "{slots:?}");
}

#[test]
fn a_look_is_told_which_posts_are_not_ours() {
    let mut bench = Bench::ready(&[post("p", "hello", ""), post("q", "more", "")].concat());
    bench.until("2026-06-01T09:00:00Z");
    bench.replied("posted");
    bench.settle();
    bench.until("2026-06-02T09:00:00Z");
    bench.lost();
    bench.until("2026-06-02T09:00:30Z");
    assert!(bench.calls.front().is_some_and(|(_, url)| url.ends_with("/not-1/look")), "{:?}", bench.calls);
}

#[test]
fn a_first_try_is_told_which_posts_are_not_ours() {
    let adapter = Arc::new(Plain { platform: "plain", place: "telling.example", logs_in: false, repeatable: false });
    let mut bench = Bench::ready(&[post("p", "hello", ""), post("q", "more", "")].concat());
    bench.configure(vec![AccountSetup { adapter, ..setup("a", &["0 9 * * *"]) }]);
    bench.until("2026-06-01T09:00:00Z");
    bench.replied("posted");
    bench.settle();
    bench.until("2026-06-02T09:00:00Z");
    assert!(bench.calls.front().is_some_and(|(_, url)| url.ends_with("/not-1/publish-0")), "{:?}", bench.calls);
}

#[test]
fn an_allowance_that_is_used_up_is_waited_for_before_anything_is_sent() {
    let adapter = Arc::new(Plain { platform: "plain", place: "one.example", logs_in: true, repeatable: false });
    let mut bench = Bench::ready(&post("p", "hello", ""));
    bench.configure(vec![AccountSetup { adapter, ..setup("a", &["0 9 * * *"]) }]);
    bench.until("2026-06-01T09:00:00Z");
    bench.replied("hello, and no more for ten minutes");
    bench.settle();
    bench.until("2026-06-01T09:09:59Z");
    assert_eq!((bench.calls.len(), bench.state("p@a")), (0, "retrying"));
    bench.until("2026-06-01T09:10:00Z");
    assert_eq!((bench.calls.len(), bench.state("p@a")), (1, "sending"));
    assert_eq!(waits(&bench), ["2026-06-01T09:10:00Z"]);
}

/// Until when an account was said to wait.
fn waits(bench: &Bench) -> Vec<&str> {
    let named = bench.events.iter().zip(&bench.log).filter(|(name, _)| **name == "account.rate_limited");
    named.map(|(_, event)| event["until"].as_str().unwrap()).collect()
}

#[test]
fn an_account_that_waits_is_said_to_once_for_each_wait() {
    let mut bench = Bench::ready(&[post("p", "hello", ""), post("q", "more", "")].concat());
    let policy = Policy { min_gap: Duration::ZERO, ..setup("a", &[]).policy };
    bench.configure(vec![AccountSetup { policy, ..setup("a", &["* 9 * * *"]) }]);
    bench.until("2026-06-01T09:00:00Z");
    // Nobody has asked to wait, and the next post waits all the same.
    bench.replied("posted, and no more for ten minutes");
    bench.until("2026-06-01T09:09:59Z");
    assert_eq!((bench.state("p@a"), bench.state("q@a")), ("delivered", "scheduled"));
    assert_eq!(waits(&bench), ["2026-06-01T09:10:00Z"]);
    bench.until("2026-06-01T09:10:00Z");
    // It asks to wait, and tells by the same answer of a longer wait.
    bench.replied("wait, there is no more for ten minutes");
    bench.until("2026-06-01T09:19:59Z");
    let State::Retrying { at: again, .. } = bench.engine.view().entry(&delivery("q@a")).unwrap().state else {
        panic!()
    };
    assert_eq!((bench.calls.len(), again), (0, at("2026-06-01T09:20:00Z")), "the longer one is on record");
    assert_eq!(waits(&bench), ["2026-06-01T09:10:00Z", "2026-06-01T09:20:00Z"]);
    bench.until("2026-06-01T09:20:00Z");
    assert_eq!(bench.state("q@a"), "sending");
}

#[test]
fn nothing_new_is_begun_while_another_try_is_owed() {
    let mut patient = setup("a", &["* * * * *"]);
    patient.policy.min_gap = Duration::ZERO;
    let day = Duration::from_hours(24);
    patient.rules.retry = Retry { first: day, max: day, ..patient.rules.retry };
    let mut bench = Bench::ready("");
    bench.configure(vec![patient]);
    bench.file("q.toml", &[post("p", "hello", ""), post("q", "more", "")].concat());
    bench.until("2026-06-01T09:00:00Z");
    bench.replied("later");
    bench.settle();
    bench.until("2026-06-01T09:20:00Z");
    assert_eq!((bench.state("p@a"), bench.state("q@a"), bench.calls.len()), ("retrying", "scheduled", 0));
}

#[test]
fn nothing_is_sent_by_a_clock_that_is_behind_what_was_recorded() {
    let mut bench = Bench::ready(&post("p", "hello", ""));
    bench.until("2026-06-01T08:59:00Z");
    bench.file("r.toml", &post("q", "more", ""));
    bench.settle();
    bench.now = at("2026-06-01T08:40:00Z");
    let mut bench = bench.restarted_with(vec![setup("a", &["45 8 * * *"])]);
    bench.until("2026-06-01T08:45:00Z");
    assert_eq!((bench.calls.len(), bench.state("p@a")), (0, "scheduled"));
    assert!(bench.events.contains(&"clock.behind"), "{:?}", bench.events);
    bench.until("2026-06-02T08:45:00Z");
    assert_eq!((bench.calls.len(), bench.state("p@a")), (1, "sending"));
}

#[test]
fn nothing_is_sent_while_the_queue_folder_cannot_be_read() {
    let mut bench = Bench::ready(&post("p", "hello", ""));
    bench.until("2026-06-01T08:59:00Z");
    bench.tell(Event::Inbox(Inbox::Lost { why: "it is not mounted".into() }));
    bench.until("2026-06-01T09:10:00Z");
    assert_eq!((bench.calls.len(), bench.state("p@a")), (0, "scheduled"));
    assert!(bench.events.contains(&"queue.lost"), "{:?}", bench.events);
    bench.tell(Event::Inbox(Inbox::Complete));
    bench.until("2026-06-02T09:00:00Z");
    assert_eq!((bench.calls.len(), bench.state("p@a")), (1, "sending"));
}

#[test]
fn another_try_waits_for_a_queue_folder_that_cannot_be_read() {
    let mut bench = Bench::ready(&post("p", "hello", ""));
    bench.until("2026-06-01T09:00:00Z");
    bench.replied("later");
    bench.settle();
    bench.tell(Event::Inbox(Inbox::Lost { why: "it is not mounted".into() }));
    bench.until("2026-06-01T09:10:00Z");
    assert_eq!((bench.calls.len(), bench.state("p@a")), (0, "retrying"));
    bench.tell(Event::Inbox(Inbox::Complete));
    bench.settle();
    assert_eq!((bench.calls.len(), bench.state("p@a")), (1, "sending"));
}

#[test]
fn what_is_delivered_is_not_a_persons_to_decide() {
    let mut bench = Bench::ready(&post("p", "hello", ""));
    bench.until("2026-06-01T09:00:00Z");
    bench.replied("posted");
    bench.settle();
    let decided = bench.decide("p@a", Decision::Retry);
    assert!(matches!(decided, Err(ResolveError::NotOpen { state: "delivered", .. })), "{decided:?}");
    assert_eq!(bench.state("p@a"), "delivered");
}

#[test]
fn nothing_is_begun_before_it_is_durable_that_the_clock_was_set_ahead() {
    let mut bench = Bench::ready(&[post("p", "hello", ""), post("q", "more", "")].concat());
    bench.configure(vec![setup("a", &["0 9,11 * * *"])]);
    bench.until("2026-06-01T09:00:00Z");
    bench.replied("posted");
    bench.until("2026-06-01T09:30:00Z");
    bench.now = at("2026-06-01T11:00:00Z");
    bench.tell(Event::ClockJumped { seconds: 5_400 });
    bench.tell(Event::Tick);
    bench.settle();
    assert_eq!((bench.calls.len(), bench.state("q@a")), (0, "scheduled"));
}

/// All of `p` is published, and its address was not told when it was asked for.
fn out_without_an_address(more: &str) -> (Bench, String) {
    let toml = post("p", "hello", more);
    let mut bench = Bench::ready(&toml);
    let naming = Plain { platform: "plain", place: "naming.example", logs_in: false, repeatable: false };
    bench.configure(vec![AccountSetup { adapter: Arc::new(naming), ..setup("a", &["0 9 * * *"]) }]);
    bench.until("2026-06-01T09:00:00Z");
    if let Some(ticket) = bench.gathers.pop_front() {
        let dot = shown_media(&bench);
        bench.tell(Event::Gathered { ticket, result: Ok(dot) });
        bench.settle();
    }
    bench.replied("posted");
    bench.settle();
    assert_eq!(bench.calls.front().unwrap().1, "https://naming.example/where");
    bench.replied("later");
    bench.settle();
    assert_eq!(bench.state("p@a"), "retrying");
    (bench, toml)
}

fn shown_media(bench: &Bench) -> Vec<Media> {
    let content = bench.engine.posts().next().unwrap().content(&account("a"));
    let media =
        |item: &MediaItem| Media { item: item.clone(), mime: "image/png".into(), size: None, bytes: b"dot"[..].into() };
    content.media.iter().map(media).collect()
}

#[test]
fn what_is_wholly_published_is_never_given_up() {
    type Happens = fn(&mut Bench, &str);
    let withdrawn: Happens = |bench, _| bench.file("q.toml", "");
    let changed: Happens = |bench, _| bench.file("q.toml", &post("p", "other words", ""));
    let unapproved: Happens = |bench, toml| bench.unapproved("q.toml", toml);
    let expired: Happens = |bench, _| bench.now = at("2026-06-03T09:00:00Z");
    for happens in [withdrawn, changed, unapproved, expired] {
        for restarts in [false, true] {
            let (mut bench, toml) = out_without_an_address("expires = 2026-06-02T00:00:00Z");
            happens(&mut bench, &toml);
            bench.settle();
            if restarts {
                bench = bench.restarted();
            }
            let later = time::after(bench.now, Duration::from_hours(1)).to_string();
            bench.until(&later);
            // It is asked where it is, and sent to nobody.
            let asked: Vec<String> = bench.calls.iter().map(|(_, url)| url.clone()).collect();
            assert_eq!(asked, ["https://naming.example/where"]);
            bench.replied("learned");
            bench.settle();
            assert_eq!(bench.state("p@a"), "delivered");
        }
    }
}

#[test]
fn what_is_wholly_published_needs_its_media_no_more() {
    let (mut bench, _) = out_without_an_address("media = [{ file = \"dot.png\", alt = \"a dot\" }]");
    bench.until("2026-06-01T10:00:00Z");
    assert!(bench.gathers.is_empty(), "whoever has deleted them does no harm");
    bench.replied("learned");
    bench.settle();
    assert_eq!(bench.state("p@a"), "delivered");
}

#[test]
fn a_person_looks_for_what_is_published_where_nobody_can_ask_any_more() {
    // The account has moved.
    let (mut bench, _) = out_without_an_address("");
    bench.configure(vec![setup("a", &["0 9 * * *"])]);
    bench.until("2026-06-01T10:00:00Z");
    assert_eq!((bench.calls.len(), bench.state("p@a")), (0, "uncertain"));
    // The platform refuses to tell.
    let (mut bench, _) = out_without_an_address("");
    bench.until("2026-06-01T10:00:00Z");
    bench.replied("refused");
    bench.settle();
    assert_eq!(bench.state("p@a"), "uncertain");
    bench.decide("p@a", Decision::Retry).unwrap();
    bench.until("2026-06-01T11:00:00Z");
    bench.replied("learned");
    bench.settle();
    assert_eq!(bench.state("p@a"), "delivered");
}

/// The posts of a file as they are read by a configuration that has these accounts.
fn posts_for(accounts: &[&str], toml: &str) -> Vec<Post> {
    let known = accounts.iter().map(|name| account(name)).collect();
    let mut media = |_: &str| Ok(Digest::of(b"dot").into());
    let mut around = parse::Surroundings { approval: ApprovalMode::None, accounts: Some(&known), media: &mut media };
    parse::read(&"q.toml".into(), toml.as_bytes(), &mut around).posts.unwrap()
}

#[test]
fn what_was_said_while_its_post_came_in_anew_is_put_right() {
    let toml = post("p", "hello", "");
    let mut bench = Bench::ready(&toml);
    // Its state is on its way into the ledger when the post is mended.
    bench.posts("q.toml", posts_for(&[], &toml));
    assert_eq!(bench.commits.len(), 1);
    bench.file("q.toml", &toml);
    bench.settle();
    assert_eq!(bench.state("p@a"), "scheduled");
    // The same when it goes, and comes back.
    bench.posts("q.toml", posts_for(&[], &toml));
    bench.file("q.toml", "");
    bench.file("q.toml", &toml);
    bench.settle();
    assert_eq!(bench.state("p@a"), "scheduled");
}

#[test]
fn a_post_that_goes_while_it_is_first_planned_is_withdrawn() {
    let mut bench = Bench::ready("");
    bench.file("q.toml", &post("p", "hello", ""));
    assert_eq!(bench.commits.len(), 1);
    bench.file("q.toml", "");
    bench.settle();
    assert_eq!(bench.state("p@a"), "withdrawn");
    assert_eq!(bench.durable.len(), 2, "{:?}", bench.durable);
}

#[test]
fn an_account_that_is_back_is_judged_by_a_queue_that_was_read_with_it() {
    let (toml, both) = (post("p", "hello", ""), vec![setup("a", &["0 9 * * *"]), setup("b", &["0 9 * * *"])]);
    let toml = [toml.clone(), toml.replace("\"p\"", "\"q\"").replace("[\"a\"]", "[\"a\", \"b\"]")].concat();
    let mut bench = Bench::ready("");
    bench.configure(both.clone());
    bench.posts("q.toml", posts_for(&["a", "b"], &toml));
    bench.settle();
    for _ in 0..3 {
        bench.configure(both[..1].to_vec());
        bench.posts("q.toml", posts_for(&["a"], &toml));
        bench.tell(Event::Inbox(Inbox::Complete));
        bench.settle();
        assert_eq!((bench.state("q@a"), bench.state("q@b")), ("held", "scheduled"));
        let said = bench.events.len();
        bench.configure(both.clone());
        // Nothing is begun meanwhile on what may be held for no reason.
        bench.settle();
        assert!(!bench.engine.is_recorded());
        bench.posts("q.toml", posts_for(&["a", "b"], &toml));
        bench.tell(Event::Inbox(Inbox::Complete));
        bench.settle();
        assert!(bench.engine.is_recorded());
        assert_eq!(
            (bench.state("p@a"), bench.state("q@a"), bench.state("q@b")),
            ("scheduled", "scheduled", "scheduled")
        );
        assert!(!bench.events[said..].contains(&"delivery.held"), "{:?}", &bench.events[said..]);
    }
    // Where it stands against a post all the same, that is said.
    bench.configure(both[..1].to_vec());
    bench.posts("q.toml", posts_for(&["a"], &toml));
    bench.tell(Event::Inbox(Inbox::Complete));
    bench.settle();
    bench.configure(both);
    bench.tell(Event::Inbox(Inbox::Complete));
    bench.settle();
    assert_eq!(bench.state("q@b"), "held");
}

#[test]
fn the_rest_of_a_thread_outlives_an_account_that_goes_and_comes_back() {
    let toml = post("p", "hello", "thread = [\"more\"]");
    let mut bench = thread_under_way();
    bench.configure(paused());
    bench.replied("posted");
    bench.settle();
    assert_eq!(bench.state("p@a"), "retrying");
    // The queue is read without the account, and then with it.
    bench.configure(Vec::new());
    bench.posts("q.toml", posts_for(&[], &toml));
    bench.tell(Event::Inbox(Inbox::Complete));
    bench.until("2026-06-01T09:30:00Z");
    bench.configure(vec![setup("a", &["0 9 * * *"])]);
    bench.settle();
    assert_eq!((bench.calls.len(), bench.state("p@a")), (0, "retrying"));
    bench.posts("q.toml", posts_for(&["a"], &toml));
    bench.tell(Event::Inbox(Inbox::Complete));
    bench.settle();
    assert!(bench.calls.front().is_some_and(|(_, url)| url.ends_with("publish-1")), "{:?}", bench.calls);
}

#[test]
fn a_clock_that_is_set_back_is_said_once() {
    let jumps = |bench: &mut Bench, moment: &str, seconds| {
        bench.now = at(moment);
        let before = bench.events.len();
        bench.tell(Event::ClockJumped { seconds });
        bench.settle();
        let clock = |name: &&&str| name.starts_with("clock.");
        bench.events[before..].iter().filter(clock).copied().collect::<Vec<_>>()
    };
    let mut bench = Bench::ready(&post("p", "hello", ""));
    assert_eq!(jumps(&mut bench, "2026-06-01T08:40:00Z", 300), ["clock.jumped"]);
    // Within what the store has seen nothing is behind.
    assert_eq!(jumps(&mut bench, "2026-06-01T08:39:59Z", -61), ["clock.jumped"]);
    assert_eq!(jumps(&mut bench, "2026-05-21T08:30:01Z", -950_399), ["clock.behind"]);
    assert_eq!(jumps(&mut bench, "2026-05-20T08:30:01Z", -86_400), [""; 0]);
}

#[test]
fn an_account_that_is_to_wait_for_long_is_not_ready() {
    let mut bench = Bench::ready(&[post("p", "hello", ""), post("q", "more", "")].concat());
    let stands = |bench: &Bench| {
        let overview =
            bench.engine.overview(DaemonReport { running: true, pid: None, version: String::new() }, bench.now);
        let kinds: Vec<_> = overview.attention.first.iter().map(|item| item.kind.name()).collect();
        (overview.accounts[0].state.name(), overview.accounts[0].reason.clone(), kinds.join(" "))
    };
    assert_eq!(stands(&bench).0, "ready");
    bench.until("2026-06-01T09:00:00Z");
    bench.replied("wait for a month");
    bench.settle();
    let wanted = ("waiting", Some("the platform asks to wait until 2026-07-01T09:00:00Z".to_owned()));
    let told = stands(&bench);
    assert_eq!((told.0, told.1), wanted);
    assert!(told.2.contains("account-waiting"), "{}", told.2);
    // Nothing else is planned before.
    let lines = bench.engine.plan(bench.now, at("2026-07-04T00:00:00Z"));
    let goes = lines.iter().filter(|line| line.delivery.is_some()).map(|line| line.at.unwrap().to_string());
    assert_eq!(goes.collect::<Vec<_>>(), ["2026-07-01T09:00:00Z", "2026-07-02T09:00:00Z"]);
    let bench = bench.restarted();
    assert_eq!((stands(&bench).0, stands(&bench).1), wanted);
    let lines = bench.engine.plan(bench.now, at("2026-07-04T00:00:00Z"));
    assert_eq!(lines.iter().filter(|line| line.delivery.is_some()).count(), 2);
    // Ten minutes are nobody's concern.
    let mut bench = Bench::ready(&post("p", "hello", ""));
    bench.until("2026-06-01T09:00:00Z");
    bench.replied("wait, there is no more for ten minutes");
    bench.settle();
    assert_eq!(stands(&bench).0, "ready");
}

#[test]
fn what_is_behind_another_try_is_planned_after_it() {
    let mut dense = setup("a", &["*/10 * * * *"]);
    dense.policy.min_gap = Duration::from_secs(25 * 60);
    dense.rules.retry.first = Duration::from_secs(15 * 60);
    dense.rules.retry.max = Duration::from_secs(15 * 60);
    let mut bench = Bench::ready("");
    bench.configure(vec![dense]);
    bench.file("q.toml", &[post("p", "hello", ""), post("q", "more", "")].concat());
    bench.until("2026-06-01T09:00:00Z");
    bench.replied("later");
    bench.settle();
    let State::Retrying { at: again, .. } = bench.engine.view().entry(&delivery("p@a")).unwrap().state else {
        panic!()
    };
    let lines = bench.engine.plan(bench.now, at("2026-06-01T12:00:00Z"));
    let of = |id: &str| {
        let line = lines.iter().find(|line| line.delivery == Some(delivery(id))).unwrap();
        line.at.unwrap()
    };
    assert_eq!(of("p@a"), again);
    // The gap begins with the other try.
    assert!(time::since(of("q@a"), again) >= Duration::from_secs(25 * 60), "{lines:?}");
}

#[test]
fn a_plan_by_a_clock_that_is_behind_says_so() {
    let mut bench = Bench::ready(&post("p", "hello", ""));
    bench.until("2026-06-01T08:59:00Z");
    bench.file("r.toml", &post("q", "more", ""));
    bench.settle();
    bench.now = at("2026-05-21T08:30:00Z");
    bench.tell(Event::Tick);
    bench.settle();
    let lines = bench.engine.plan(bench.now, at("2026-05-22T08:30:00Z"));
    let told: Vec<_> = lines.iter().map(|line| (line.at, line.state.name(), line.reason.as_deref().unwrap())).collect();
    let why = "the wall clock is behind what the store has seen, 2026-06-01T08:59:00Z";
    assert_eq!(told, [(None, "held", why)]);
}
