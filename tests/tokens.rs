//! Tokens that a platform takes only once: what a refresh gives is sealed and durable before it is used, through crashes,
//! failing disks, changed keys, changed secrets and the hand of a person.

#![cfg(test)]

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cadenced::cli::args::{AuthArgs, ExportFormat, ExportWhat};
use cadenced::cli::auth::{Auth, AuthDesk, auth};
use cadenced::cli::check::{build, platform_keys};
use cadenced::cli::exit::{Exit, Failure as Failed};
use cadenced::cli::export::{Exporter, Held};
use cadenced::cli::output::Page;
use cadenced::config::ConfigEnv;
use cadenced::domain::policy::{
    ApprovalMode, Cron, DeliveryRules, Missed, Policy, Promotion, Retry, Schedule, Unanswered,
};
use cadenced::domain::{AccountId, Content, Digest, JsonText, Remote, SealKey, Secret, SecretRef, Timestamp, time};
use cadenced::engine::engine::Mode;
use cadenced::engine::{AccountSetup, Chore, Command, Engine, Event, Ticket, TokensError, origin};
use cadenced::ledger::record::Fact;
use cadenced::ledger::store::CommitError;
use cadenced::ledger::{Record, View};
use cadenced::parts::Inbox;
use cadenced::platform::contract::auth::{Ask, AuthFlow, Client, CodeFlow, Granted, Kept, Login, Redirect};
use cadenced::platform::contract::examine::{End, Ending};
use cadenced::platform::contract::{
    Adapter, Attempt, Body, Call, Complaint, Effect, Entry, Evidence, Failure, HeaderValue, HttpReply, Method, Next,
    Purpose, Reading, Reply, Request, Secrets, Session, Step,
};
use cadenced::queue::{Post, parse};
use serde_json::{Value, json};

#[path = "support/simulated/chance.rs"]
#[allow(dead_code, reason = "the simulations use more of it")]
mod chance;
#[path = "support/simulated/seal.rs"]
mod seal;
use chance::Chance;
use seal::seal;

/// The key that the configuration gives the store, and another one.
const KEY: &str = "a key of more than thirty-two characters";
const OTHER: &str = "another key of more than thirty-two characters";

/// A platform whose refresh tokens work once.
#[derive(Debug)]
struct Rotating {
    host: &'static str,
    /// When a token ends that need not be replaced by the one that refreshing gives: it can be, as long as it is good.
    ends: Option<&'static str>,
}

impl Adapter for Rotating {
    fn platform(&self) -> &'static str {
        "rotating"
    }

    fn place(&self) -> String {
        self.host.into()
    }

    fn evidence(&self) -> Evidence {
        Evidence::LookBack { lag: Duration::ZERO }
    }

    fn secrets(&self) -> Vec<(&'static str, SecretRef)> {
        vec![("refresh_token", SecretRef::Env("REFRESH".into()))]
    }

    fn keeps_tokens(&self) -> bool {
        self.ends.is_none()
    }

    fn ends(&self, session: &Session, _: &Secrets) -> Vec<End> {
        let at = self.ends.filter(|_| session.kept.is_some()).map(|at| at.parse().unwrap());
        at.map(|at| End { of: Ending::Token, at }).into_iter().collect()
    }

    fn auth(&self) -> AuthFlow {
        AuthFlow { page: None, code: Some(Box::new(Browser)) }
    }

    fn check(&self, _: &Content, _: &Session) -> Vec<Complaint> {
        Vec::new()
    }

    fn freeze(&self, _: &Content, _: Timestamp, _: u64) -> Value {
        Value::Null
    }

    fn next(&self, attempt: &Attempt<'_>) -> Next {
        let session = attempt.session;
        let Some(access) = session.values.get("access").and_then(Value::as_str) else {
            let kept = session.kept.as_ref().and_then(|kept| kept["refresh"].as_str()).map(Secret::new);
            let Some(token) = kept.or_else(|| attempt.secrets.get("refresh_token").cloned()) else {
                return Next::Auth("no token is given".into());
            };
            return self.call("refresh", Effect::Harmless, token);
        };
        let access = Secret::new(access);
        if session.identity.is_none() {
            return self.call("me", Effect::Harmless, access);
        }
        match (attempt.purpose, attempt.done.last()) {
            (Purpose::LookBack, _) => self.call(&format!("look-{}", attempt.job.key), Effect::Harmless, access),
            (_, Some(_)) => {
                Next::Done(Remote { id: attempt.job.key.clone(), url: None, reference: JsonText::default() })
            }
            (_, None) => self.call(&format!("publish-{}", attempt.job.key), Effect::Publishes, access),
        }
    }

    fn read(&self, attempt: &Attempt<'_>, step: &Step, reply: &Reply) -> Reading {
        let Reply::Http(reply) = reply else { panic!("no files here") };
        let value = reply.value().unwrap_or_default();
        let mut session = attempt.session.clone();
        match (step.name.split('-').next().unwrap(), reply.status) {
            ("refresh", 200) => {
                session.kept = Some(json!({"refresh": value["refresh"]}));
                session.values.insert("access".into(), value["access"].clone());
                Reading::Session(session)
            }
            ("refresh", _) => Reading::Auth { why: "the refresh token is used up".into() },
            // Begins anew, with nothing said of what is kept.
            (_, 401) => Reading::Session(Session { identity: session.identity, ..Session::default() }),
            ("me", _) => {
                session.identity = value["id"].as_str().map(Into::into);
                Reading::Session(session)
            }
            ("look", 200) => Reading::Found(json!(1)),
            ("look", _) => Reading::Absent,
            (_, 200) => Reading::Checkpoint(json!(1)),
            (name, status) => panic!("{name} {status}"),
        }
    }
}

impl Rotating {
    fn call(&self, name: &str, effect: Effect, token: Secret) -> Next {
        let url = format!("https://{}/{name}", self.host).parse().unwrap();
        let headers = vec![("authorization", HeaderValue::Secret { prefix: "", secret: token })];
        let call = Call::Http(Request { method: Method::Post, url, headers, body: Body::default(), secret_path: None });
        Next::Call(Step { name: name.into(), effect, call })
    }
}

/// The login of it: two requests for a code, as some platforms want.
struct Browser;

impl CodeFlow for Browser {
    fn gives(&self) -> &'static [&'static str] {
        &[]
    }

    fn redirect(&self) -> Redirect {
        Redirect::To("http://127.0.0.1:8917/".into())
    }

    fn client(&self, secrets: &Secrets, _: &[HttpReply]) -> Ask<Client> {
        assert!(secrets.get("refresh_token").is_some());
        Ask::Done(Client { id: "client".into(), secret: None })
    }

    fn authorize(&self, client: &Client, login: &Login) -> url::Url {
        let mut url = "https://one.example/authorize".parse().unwrap();
        login.add_to(&mut url, client, "write");
        url
    }

    fn exchange(&self, _: &Client, _: &Login, code: &Secret, replies: &[HttpReply]) -> Ask<Granted> {
        let step = |name: &str, token: Secret| match (Rotating { host: "one.example", ends: None }).call(
            name,
            Effect::Harmless,
            token,
        ) {
            Next::Call(Step { call: Call::Http(request), .. }) => Ask::Call(request),
            other => panic!("{other:?}"),
        };
        match replies {
            [] => step("code", code.clone()),
            [first] if first.status == 200 => step("longer", code.clone()),
            [_, reply] => {
                Ask::Done(Granted::Kept(Kept(json!({"refresh": reply.value().unwrap_or_default()["refresh"]}))))
            }
            _ => Ask::Refused("the code is not taken".into()),
        }
    }
}

/// A person at a terminal, with a browser somewhere else.
struct Person<'h> {
    house: RefCell<&'h mut House>,
    /// What the browser is sent to, but for the state, and whether that is the right one.
    brings: &'static str,
    knows_state: bool,
    out: RefCell<Vec<u8>>,
}

impl Person<'_> {
    fn logs_in(self, identity: Option<&str>) -> (Result<Exit, Failed>, String) {
        let args = AuthArgs { account: account(), paste: false, out: None };
        let setup = self.house.borrow().setup.clone();
        let ask = Auth {
            args: &args,
            adapter: &setup.adapter,
            secrets: setup.secrets.clone(),
            identity: identity.map(Into::into),
        };
        let result = auth(&ask, &self, &mut Shared(&self.out));
        (result, String::from_utf8(self.out.into_inner()).unwrap())
    }
}

struct Shared<'o>(&'o RefCell<Vec<u8>>);

impl Write for Shared<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AuthDesk for Person<'_> {
    fn now(&self) -> Timestamp {
        self.house.borrow().now
    }

    fn call(&self, call: Call) -> Result<Reply, String> {
        let Call::Http(request) = call else { panic!("no files here") };
        let name = request.url.path().trim_start_matches('/').to_owned();
        Ok(Reply::Http(self.house.borrow_mut().platform.answer(&name, &request.headers[0].1.expose())))
    }

    fn chance(&self) -> Result<[u8; 48], String> {
        Ok([7; 48])
    }

    fn line(&self) -> io::Result<String> {
        let shown = String::from_utf8(self.out.borrow().clone()).unwrap();
        let address = shown.lines().find(|line| line.contains("/authorize?")).expect("an address").trim();
        let address: url::Url = address.parse().unwrap();
        let state = address.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
        Ok(format!("{}&state={}\n", self.brings, if self.knows_state { &state } else { "other" }))
    }

    fn may_write(&self, _: &Path) -> Result<(), String> {
        panic!("there is nothing to write")
    }

    fn may_keep(&self) -> Result<(), Failed> {
        Ok(())
    }

    fn write(&self, _: &Path, _: &Secret) -> Result<Option<String>, String> {
        panic!("there is nothing to write")
    }

    fn keep(&self, tokens: &Value) -> Result<(), Failed> {
        let mut house = self.house.borrow_mut();
        let now = house.now;
        house.engine.keep_tokens(&account(), tokens, now).expect("it takes them");
        house.take_commands();
        house.settle();
        Ok(())
    }
}

/// The far side of it.
#[derive(Debug)]
struct Platform {
    /// The refresh token that it takes next, and the access token that it takes.
    refresh: String,
    access: Option<String>,
    /// Number of the next token.
    next: u64,
    id: &'static str,
    published: BTreeMap<String, u32>,
}

impl Platform {
    fn new() -> Self {
        Self { refresh: "tok-first".into(), access: None, next: 1, id: "me", published: BTreeMap::new() }
    }

    /// A person logs in: the first token of a new family.
    fn log_in(&mut self) -> String {
        self.next += 1;
        self.refresh = format!("tok-r{}", self.next);
        self.refresh.clone()
    }

    fn answer(&mut self, name: &str, token: &str) -> HttpReply {
        let (verb, key) = name.split_once('-').unwrap_or((name, ""));
        match verb {
            "refresh" if token == self.refresh => {
                self.next += 1;
                self.refresh = format!("tok-r{}", self.next);
                self.access = Some(format!("tok-a{}", self.next));
                HttpReply::json(200, &json!({"refresh": self.refresh, "access": self.access}))
            }
            "refresh" => HttpReply::json(400, &json!({"error": "invalid_grant"})),
            "code" if token == "tok-code" => HttpReply::json(200, &json!({})),
            "longer" if token == "tok-code" => HttpReply::json(200, &json!({"refresh": self.log_in()})),
            "code" => HttpReply::json(400, &json!({})),
            _ if self.access.as_deref() != Some(token) => HttpReply::json(401, &json!({})),
            "me" => HttpReply::json(200, &json!({"id": self.id})),
            "look" => HttpReply::json(if self.published.contains_key(key) { 200 } else { 404 }, &json!({})),
            _ => {
                *self.published.entry(key.into()).or_default() += 1;
                HttpReply::json(200, &json!({}))
            }
        }
    }
}

fn key(text: &str) -> SealKey {
    SealKey::new(&Secret::new(text)).unwrap()
}

fn account() -> AccountId {
    AccountId::new("a").unwrap()
}

/// The account at a host, with a first token, and a key of the store.
fn setup(host: &'static str, first: &str, sealed_with: Option<&str>) -> AccountSetup {
    let builder = croner::parser::CronParser::builder().seconds(croner::parser::Seconds::Optional).build();
    let slots = vec![Cron { text: "0 9 * * *".into(), pattern: builder.parse("0 9 * * *").unwrap() }];
    AccountSetup {
        id: account(),
        adapter: Arc::new(Rotating { host, ends: None }),
        secrets: Secrets([("refresh_token".to_owned(), Secret::new(first))].into()),
        schedule: Schedule { zone: jiff::tz::TimeZone::UTC, slots },
        policy: Policy {
            max_per_day: 10,
            min_gap: Duration::from_hours(2),
            missed: Missed::NextSlot,
            late_grace: Duration::from_hours(1),
            promotion: Promotion { share: 1.0, window: 1 },
            unanswered: Unanswered { max: 5, older_than: Duration::from_hours(24) },
            quiet: Vec::new(),
            runway_warn: Duration::from_hours(1),
            budget: None,
            spray: cadenced::domain::policy::Spray::default(),
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
        seal: sealed_with.map(seal),
    }
}

fn as_ever() -> AccountSetup {
    setup("one.example", "tok-first", Some(KEY))
}

fn posts(count: usize) -> Vec<Post> {
    let post =
        |n| format!("[[post]]\nid = \"p{n}\"\nto = [\"a\"]\naudience = \"all\"\ngoal = \"change\"\ntext = \"{n}\"\n");
    let toml: String = (0..count).map(post).collect();
    let mut media = |_: &str| Ok(Digest::of(b"dot").into());
    let mut around = parse::Surroundings { approval: ApprovalMode::None, accounts: None, media: &mut media };
    parse::read(&"q.toml".into(), toml.as_bytes(), &mut around).posts.unwrap()
}

struct House {
    engine: Engine,
    setup: AccountSetup,
    posts: Vec<Post>,
    platform: Platform,
    now: Timestamp,
    commits: VecDeque<(Ticket, Vec<Record>)>,
    calls: VecDeque<(Ticket, Request)>,
    durable: Vec<Record>,
    /// Every token that a call was made with.
    asked_with: Vec<String>,
    log: Vec<String>,
}

impl House {
    /// Half an hour before the slot of the first of so many posts.
    fn new(count: usize) -> Self {
        Self::of(as_ever(), count)
    }

    fn of(setup: AccountSetup, count: usize) -> Self {
        let now = "2026-06-01T08:30:00Z".parse().unwrap();
        let mut house = Self {
            engine: Engine::new(7, View::default(), Mode::Publish),
            setup,
            posts: posts(count),
            platform: Platform::new(),
            now,
            commits: VecDeque::new(),
            calls: VecDeque::new(),
            durable: Vec::new(),
            asked_with: Vec::new(),
            log: Vec::new(),
        };
        house.begin();
        house
    }

    fn begin(&mut self) {
        let mut view = View::default();
        self.durable.iter().for_each(|record| view.apply(record));
        self.engine = Engine::new(7, view, Mode::Publish);
        self.tell(Event::Configured(vec![self.setup.clone()]));
        let file = Inbox::File { file: "q.toml".into(), posts: Some(self.posts.clone()), faults: Vec::new() };
        self.tell(Event::Inbox(file));
        self.tell(Event::Inbox(Inbox::Complete));
    }

    /// The process dies; of what was not durable, nothing is left. It starts again with `setup`.
    fn crashes_into(&mut self, setup: AccountSetup) {
        (self.setup, self.commits, self.calls) = (setup, VecDeque::new(), VecDeque::new());
        self.begin();
    }

    fn crashes(&mut self) {
        self.crashes_into(self.setup.clone());
    }

    fn tell(&mut self, event: Event) {
        self.engine.handle(event, self.now);
        self.take_commands();
    }

    fn take_commands(&mut self) {
        while let Some(command) = self.engine.next_command() {
            match command {
                Command::Commit { ticket, records, .. } => self.commits.push_back((ticket, records)),
                Command::Call { ticket, call: Call::Http(request), .. } => {
                    let token = request.headers[0].1.expose();
                    self.may_ask_with(&token);
                    self.asked_with.push(token);
                    self.calls.push_back((ticket, request));
                }
                Command::Log(event) => self.log.push(format!("{event:?}")),
                other => panic!("{other:?}"),
            }
        }
    }

    /// Whatever a refresh has given is used only when its refresh token is durable.
    fn may_ask_with(&self, token: &str) {
        let Some(number) = token.strip_prefix("tok-r").or_else(|| token.strip_prefix("tok-a")) else { return };
        let refresh = format!("tok-r{number}");
        let kept = self.kept().contains(&refresh) || self.setup.secrets.0["refresh_token"].expose() == refresh;
        assert!(kept, "asked with {token} before {refresh} was durable");
    }

    /// The refresh tokens that are on record, oldest first.
    fn kept(&self) -> Vec<String> {
        let sealed = self.durable.iter().filter_map(|record| match &record.fact {
            Fact::TokensKept { sealed, .. } => sealed.as_ref(),
            _ => None,
        });
        let open = |sealed| key(KEY).open(&account(), sealed).or_else(|| key(OTHER).open(&account(), sealed)).unwrap();
        let read = |plain: Vec<u8>| serde_json::from_slice::<Value>(&plain).unwrap();
        sealed.map(|sealed| read(open(sealed))["refresh"].as_str().unwrap().to_owned()).collect()
    }

    /// The oldest batch is durable.
    fn synced(&mut self) {
        let (ticket, records) = self.commits.pop_front().expect("a batch");
        self.durable.extend(records);
        self.tell(Event::Committed { ticket, result: Ok(()) });
    }

    fn settle(&mut self) {
        while !self.commits.is_empty() {
            self.synced();
        }
    }

    /// The oldest batch was not written.
    fn disk_fails(&mut self) {
        let (ticket, _) = self.commits.pop_front().expect("a batch");
        self.tell(Event::Committed { ticket, result: Err(CommitError::Io("the disk said no".into())) });
    }

    /// The platform takes the oldest call; its answer.
    fn carried_out(&mut self) -> (Ticket, HttpReply) {
        let (ticket, request) = self.calls.pop_front().expect("a call");
        let name = request.url.path().trim_start_matches('/').to_owned();
        let token = request.headers[0].1.expose();
        (ticket, self.platform.answer(&name, &token))
    }

    fn answered(&mut self) {
        let (ticket, reply) = self.carried_out();
        self.tell(Event::Replied { ticket, result: Ok(Reply::Http(reply)) });
    }

    /// What is under way comes to its end; no time passes.
    fn finish(&mut self) {
        while !self.commits.is_empty() || !self.calls.is_empty() {
            self.settle();
            if !self.calls.is_empty() {
                self.answered();
            }
        }
    }

    fn until(&mut self, moment: &str) {
        self.settle();
        self.now = moment.parse().unwrap();
        self.tell(Event::Tick);
        self.settle();
    }

    /// Time passes; the disk and the platform do as they should.
    fn in_good_order_until(&mut self, moment: &str) {
        let moment = moment.parse().unwrap();
        while self.now < moment {
            self.finish();
            self.now = self.engine.poll_timeout().map_or(moment, |at| at.clamp(self.now, moment));
            self.tell(Event::Tick);
        }
        self.finish();
    }

    /// What is asked, as the names of calls.
    fn asks(&self) -> Vec<&str> {
        self.calls.iter().map(|(_, request)| request.url.path().split(['/', '-']).nth(1).unwrap()).collect()
    }

    fn stopped(&self) -> Option<&str> {
        self.engine.view().account(&account()).and_then(|account| account.head.stopped.as_deref())
    }

    fn state(&self, post: &str) -> &'static str {
        let delivery = format!("{post}@a").parse().unwrap();
        self.engine.view().entry(&delivery).map_or("none", |entry| entry.state.name())
    }

    /// A person logs in, and gives what they got to the daemon.
    fn person_logs_in(&mut self) -> Result<(), TokensError> {
        let tokens = json!({"refresh": self.platform.log_in()});
        self.engine.keep_tokens(&account(), &tokens, self.now)?;
        self.take_commands();
        Ok(())
    }

    /// No token stands in a record or in the log.
    fn hides_tokens(&self) {
        for record in &self.durable {
            let text = format!("{record:?} {}", String::from_utf8(record.encode()).unwrap());
            assert!(!text.contains("tok-"), "{text}");
        }
        for format in [ExportFormat::Jsonl, ExportFormat::Csv] {
            let mut out = Vec::new();
            let mut exporter = Exporter::new(ExportWhat::All, format, &mut out).unwrap();
            self.durable.iter().for_each(|record| exporter.record(record).unwrap());
            exporter.finish(Held { at: Timestamp::MIN, daemon: false }).unwrap();
            let text = String::from_utf8(out).unwrap();
            // That there were new ones is told, not what they are, in no form.
            assert!(text.contains("tokens-kept") && !text.contains("sealed"), "{text}");
        }
        assert!(self.log.iter().all(|line| !line.contains("tok-")), "{:?}", self.log);
    }
}

#[test]
fn what_a_refresh_gives_is_durable_before_it_is_used() {
    let mut house = House::new(1);
    house.until("2026-06-01T09:00:00Z");
    assert_eq!(house.asks(), ["refresh"]);
    house.answered();
    assert_eq!((house.asks().len(), house.commits.len()), (0, 1), "the next call waits for the disk");
    assert!(matches!(house.commits[0].1[0].fact, Fact::TokensKept { .. }));
    house.tell(Event::Tick);
    assert_eq!(house.asks().len(), 0);
    house.synced();
    assert_eq!(house.asks(), ["me"]);
    house.finish();
    assert_eq!(house.state("p0"), "delivered");
    assert_eq!(house.kept(), ["tok-r2"]);
    house.hides_tokens();
}

#[test]
fn after_a_crash_an_account_goes_on_with_what_was_kept() {
    let mut house = House::new(2);
    house.until("2026-06-01T09:00:00Z");
    house.finish();
    house.crashes();
    house.until("2026-06-02T09:00:00Z");
    assert_eq!(house.asked_with.last().map(String::as_str), Some("tok-r2"));
    house.finish();
    assert_eq!((house.state("p1"), house.stopped()), ("delivered", None));
    assert_eq!(house.kept(), ["tok-r2", "tok-r3"]);
}

#[test]
fn a_token_that_expires_is_replaced_although_the_new_session_says_nothing_of_what_is_kept() {
    let mut house = House::new(2);
    house.until("2026-06-01T09:00:00Z");
    house.finish();
    house.platform.access = None;
    house.until("2026-06-02T09:00:00Z");
    house.finish();
    assert_eq!((house.state("p1"), house.stopped()), ("delivered", None));
    assert_eq!(house.kept(), ["tok-r2", "tok-r3"]);
}

#[test]
fn tokens_that_a_crash_has_lost_stop_the_account_until_a_person_logs_in() {
    let mut house = House::new(1);
    house.until("2026-06-01T09:00:00Z");
    house.answered();
    // Given out, and not durable: nobody has them any more.
    house.crashes();
    house.finish();
    house.until("2026-06-01T09:20:00Z");
    house.finish();
    assert_eq!((house.stopped(), house.state("p0")), (Some("the refresh token is used up"), "sending"));
    assert_eq!(house.platform.published.len(), 0);
    house.tell(Event::Chore(Chore::Accounts));
    house.finish();
    assert!(house.stopped().is_some(), "the token of the configuration is spent");
    house.person_logs_in().unwrap();
    assert!(matches!(house.engine.keep_tokens(&account(), &json!(1), house.now), Err(TokensError::Busy(_))));
    let given = house.kept().len();
    house.finish();
    assert!(house.kept().len() > given);
    house.in_good_order_until("2026-06-01T12:00:00Z");
    assert_eq!((house.stopped(), house.state("p0")), (None, "delivered"));
    assert!(house.platform.published.values().all(|times| *times == 1));
    house.hides_tokens();
}

#[test]
fn a_reload_asks_nobody_while_a_person_s_tokens_are_on_their_way() {
    let mut house = House::new(1);
    house.until("2026-06-01T09:00:00Z");
    house.answered();
    house.crashes();
    house.finish();
    house.until("2026-06-01T09:20:00Z");
    house.finish();
    assert!(house.stopped().is_some(), "its token is spent");
    house.person_logs_in().unwrap();
    house.tell(Event::Configured(vec![house.setup.clone()]));
    assert_eq!(house.asks(), [""; 0], "what it was asked with would count no more");
    house.in_good_order_until("2026-06-01T12:00:00Z");
    assert_eq!((house.stopped(), house.state("p0")), (None, "delivered"));
}

#[test]
fn what_another_key_has_sealed_stops_the_account_and_is_there_again_with_the_old_one() {
    let mut house = House::new(2);
    house.until("2026-06-01T09:00:00Z");
    house.finish();
    let asked = house.asked_with.len();
    let reason = |house: &House| house.stopped().unwrap_or_default().to_owned();
    house.crashes_into(setup("one.example", "tok-first", Some(OTHER)));
    house.settle();
    assert!(reason(&house).contains("sealed with another key"), "{}", reason(&house));
    // Nobody asks with what the configuration holds: it is spent, or it is another one than was kept.
    house.tell(Event::Chore(Chore::Accounts));
    house.until("2026-06-02T09:00:00Z");
    assert_eq!((house.asked_with.len(), house.calls.len()), (asked, 0));
    // Nor does a reload of the same end it; without a key it says so.
    house.tell(Event::Configured(vec![house.setup.clone()]));
    house.settle();
    assert!(house.stopped().is_some());
    house.tell(Event::Configured(vec![setup("one.example", "tok-first", None)]));
    house.settle();
    assert!(reason(&house).contains("no key"), "{}", reason(&house));
    house.tell(Event::Configured(vec![as_ever()]));
    house.settle();
    house.until("2026-06-03T09:00:00Z");
    house.finish();
    assert_eq!((house.stopped(), house.state("p1")), (None, "delivered"));
}

#[test]
fn a_key_that_changes_while_tokens_are_being_sealed_stops_the_account_aloud() {
    let mut house = House::new(1);
    house.until("2026-06-01T09:00:00Z");
    house.answered();
    house.tell(Event::Configured(vec![setup("one.example", "tok-first", Some(OTHER))]));
    house.settle();
    assert!(house.stopped().is_some_and(|why| why.contains("sealed with another key")), "{:?}", house.stopped());
}

#[test]
fn a_dry_run_takes_no_tokens() {
    let mut engine = Engine::new(7, View::default(), Mode::DryRun);
    let now = "2026-06-01T08:30:00Z".parse().unwrap();
    engine.handle(Event::Configured(vec![as_ever()]), now);
    assert_eq!(engine.keep_tokens(&account(), &json!(1), now), Err(TokensError::DryRun));
}

#[test]
fn a_person_s_new_tokens_take_the_place_of_those_that_do_not_open() {
    let mut house = House::new(2);
    house.until("2026-06-01T09:00:00Z");
    house.finish();
    house.crashes_into(setup("one.example", "tok-first", Some(OTHER)));
    house.settle();
    house.person_logs_in().unwrap();
    house.settle();
    assert_eq!(house.stopped(), None);
    house.until("2026-06-02T09:00:00Z");
    house.finish();
    assert_eq!(house.state("p1"), "delivered");
}

#[test]
fn another_secret_or_another_host_leaves_alone_what_was_kept() {
    let asks_first_with = |setup: AccountSetup| {
        let mut house = House::new(2);
        house.until("2026-06-01T09:00:00Z");
        house.finish();
        house.crashes_into(setup);
        house.until("2026-06-02T09:00:00Z");
        house.asked_with.last().cloned().unwrap()
    };
    assert_eq!(asks_first_with(as_ever()), "tok-r2");
    assert_eq!(asks_first_with(setup("one.example", "tok-second", Some(KEY))), "tok-second");
    assert_eq!(asks_first_with(setup("two.example", "tok-first", Some(KEY))), "tok-first");
    // Where they do not open, a new secret needs no person beside the one who gave it.
    assert_eq!(asks_first_with(setup("one.example", "tok-second", Some(OTHER))), "tok-second");
}

#[test]
fn the_answer_to_a_secret_that_counts_no_more_is_not_kept() {
    let mut house = House::new(1);
    house.until("2026-06-01T09:00:00Z");
    let (ticket, reply) = house.carried_out();
    let second = house.platform.log_in();
    house.setup = setup("one.example", &second, Some(KEY));
    house.tell(Event::Configured(vec![house.setup.clone()]));
    house.settle();
    house.tell(Event::Replied { ticket, result: Ok(Reply::Http(reply)) });
    assert_eq!(house.commits.len(), 0);
    assert_eq!(house.asked_with.last(), Some(&second));
    house.finish();
    assert_eq!((house.stopped(), house.state("p0")), (None, "delivered"));
}

#[test]
fn a_person_s_tokens_outlive_the_answer_to_those_before() {
    let mut house = House::new(1);
    house.until("2026-06-01T09:00:00Z");
    let (ticket, reply) = house.carried_out();
    house.person_logs_in().unwrap();
    house.settle();
    house.tell(Event::Replied { ticket, result: Ok(Reply::Http(reply)) });
    house.finish();
    assert_eq!((house.stopped(), house.state("p0")), (None, "delivered"));
    assert_eq!(house.kept(), ["tok-r3", "tok-r4"]);
}

#[test]
fn a_person_s_tokens_outlive_an_answer_that_comes_before_they_are_durable() {
    let mut house = House::new(1);
    house.until("2026-06-01T09:00:00Z");
    let (ticket, reply) = house.carried_out();
    house.person_logs_in().unwrap();
    house.tell(Event::Replied { ticket, result: Ok(Reply::Http(reply)) });
    house.tell(Event::Tick);
    assert_eq!(house.calls.len(), 0, "neither of them is durable");
    house.finish();
    assert_eq!((house.stopped(), house.state("p0")), (None, "delivered"));
    assert_eq!(house.kept(), ["tok-r3", "tok-r4"]);
    assert!(!house.asked_with.contains(&"tok-r2".into()), "{:?}", house.asked_with);
}

#[test]
fn an_answer_is_not_lost_where_a_person_s_tokens_were_not_written() {
    let mut house = House::new(1);
    house.until("2026-06-01T09:00:00Z");
    let (ticket, reply) = house.carried_out();
    // Somebody else's tokens: the platform goes on with what it has answered.
    house.engine.keep_tokens(&account(), &json!({"refresh": "tok-other"}), house.now).unwrap();
    house.take_commands();
    house.tell(Event::Replied { ticket, result: Ok(Reply::Http(reply)) });
    assert_eq!((house.commits.len(), house.calls.len()), (1, 0));
    house.disk_fails();
    assert_eq!((house.commits.len(), house.calls.len()), (1, 0), "it is durable before it is used");
    house.finish();
    assert_eq!((house.stopped(), house.state("p0")), (None, "delivered"));
    assert_eq!(house.kept(), ["tok-r2"]);
}

#[test]
fn a_person_s_tokens_outlive_what_a_probe_is_being_given() {
    for written in [true, false] {
        let mut house = probing();
        let (ticket, reply) = house.carried_out();
        let before = house.platform.refresh.clone();
        if written {
            house.person_logs_in().unwrap();
        } else {
            house.engine.keep_tokens(&account(), &json!({"refresh": "tok-other"}), house.now).unwrap();
            house.take_commands();
        }
        house.tell(Event::Replied { ticket, result: Ok(Reply::Http(reply)) });
        assert_eq!((house.commits.len(), house.calls.len()), (1, 0));
        if written {
            house.synced()
        } else {
            house.disk_fails()
        }
        house.in_good_order_until("2026-06-02T12:00:00Z");
        assert_eq!((house.stopped(), house.state("p1")), (None, "delivered"));
        assert_eq!(house.kept().contains(&before), !written, "{:?}", house.kept());
        house.hides_tokens();
    }
}

#[test]
fn a_failing_disk_and_a_reload_do_not_let_a_spent_token_be_used() {
    let mut house = House::new(1);
    house.until("2026-06-01T09:00:00Z");
    house.answered();
    for _ in 0..3 {
        house.disk_fails();
        house.tell(Event::Configured(vec![]));
        house.tell(Event::Configured(vec![house.setup.clone()]));
        house.tell(Event::Chore(Chore::Accounts));
        while house.commits.iter().any(|(_, records)| !matches!(records[0].fact, Fact::TokensKept { .. })) {
            house.synced();
        }
        assert_eq!(house.calls.len(), 0);
        house.now = time::after(house.now, Duration::from_secs(6));
        house.tell(Event::Tick);
    }
    house.in_good_order_until("2026-06-01T12:00:00Z");
    assert_eq!((house.stopped(), house.state("p0")), (None, "delivered"));
    let spent = house.asked_with.iter().filter(|token| *token == "tok-first").count();
    assert_eq!(spent, 1, "{:?}", house.asked_with);
}

/// The account is stopped although its refresh token is good, and is being probed.
fn probing() -> House {
    let mut house = House::new(2);
    house.until("2026-06-01T09:00:00Z");
    house.finish();
    let good = std::mem::replace(&mut house.platform.refresh, "tok-elsewhere".into());
    house.platform.access = None;
    house.until("2026-06-02T09:00:00Z");
    house.finish();
    assert_eq!(house.stopped(), Some("the refresh token is used up"));
    house.platform.refresh = good;
    house.tell(Event::Chore(Chore::Accounts));
    assert_eq!(house.asks(), ["refresh"]);
    house
}

#[test]
fn a_probe_uses_what_was_kept_and_keeps_what_it_is_given() {
    let mut house = probing();
    assert_eq!(house.asked_with.last().map(String::as_str), Some("tok-r2"));
    house.answered();
    assert_eq!((house.calls.len(), house.commits.len()), (0, 1), "the next call waits for the disk");
    house.tell(Event::Chore(Chore::Accounts));
    house.tell(Event::Configured(vec![house.setup.clone()]));
    assert_eq!(house.calls.len(), 0);
    house.settle();
    assert_eq!(house.asks(), ["me"]);
    house.finish();
    assert_eq!((house.stopped(), house.kept().last().map(String::as_str)), (None, Some("tok-r3")));
    // What has accepted it is not asked to again.
    house.until("2026-06-02T12:00:00Z");
    house.finish();
    assert_eq!(house.state("p1"), "delivered");
    assert_eq!(house.kept().len(), 2);
}

#[test]
fn a_reload_does_not_lose_what_a_probe_is_being_given() {
    let mut house = probing();
    let (ticket, reply) = house.carried_out();
    house.tell(Event::Configured(vec![house.setup.clone()]));
    house.settle();
    assert_eq!(house.calls.len(), 0, "nobody spends the same token beside it");
    house.tell(Event::Replied { ticket, result: Ok(Reply::Http(reply)) });
    house.finish();
    house.until("2026-06-02T12:00:00Z");
    house.finish();
    assert_eq!((house.stopped(), house.state("p1")), (None, "delivered"));
}

#[test]
fn the_tokens_of_the_wrong_account_publish_nothing_and_are_not_lost() {
    let named = |identity: &str| AccountSetup { identity: Some(identity.into()), ..as_ever() };
    let mut house = House::of(named("somebody-else"), 1);
    house.until("2026-06-01T09:00:00Z");
    house.finish();
    assert!(house.stopped().unwrap().contains("the token is that of account me"));
    assert_eq!((house.platform.published.len(), house.kept()), (0, vec!["tok-r2".to_owned()]));
    // It was the name that was wrong.
    house.crashes_into(named("me"));
    house.until("2026-06-01T12:00:00Z");
    house.finish();
    assert_eq!((house.stopped(), house.state("p0")), (None, "delivered"));
}

#[test]
fn tokens_that_are_too_large_stop_the_account() {
    let mut house = House::new(1);
    let large = json!({"refresh": "x".repeat(5000)});
    assert!(matches!(house.engine.keep_tokens(&account(), &large, house.now), Err(TokensError::Sealing(_))));
    house.until("2026-06-01T09:00:00Z");
    let (ticket, _) = house.carried_out();
    let reply = HttpReply::json(200, &json!({"refresh": "x".repeat(5000), "access": "tok-a"}));
    house.tell(Event::Replied { ticket, result: Ok(Reply::Http(reply)) });
    house.settle();
    assert!(house.stopped().unwrap().contains("cannot be kept"), "{:?}", house.stopped());
}

/// An account that lost its tokens in a crash.
fn stopped() -> House {
    let mut house = House::new(1);
    house.until("2026-06-01T09:00:00Z");
    house.answered();
    house.crashes();
    house.in_good_order_until("2026-06-01T09:20:00Z");
    assert!(house.stopped().is_some());
    house
}

#[test]
fn a_login_gives_the_store_what_its_proof_was_given() {
    let brings = "http://127.0.0.1:8917/?code=tok-code";
    let mut house = stopped();
    let person = Person { house: RefCell::new(&mut house), brings, knows_state: true, out: RefCell::default() };
    let (result, said) = person.logs_in(Some("me"));
    assert_eq!(result.unwrap(), Exit::Done, "{said}");
    assert!(said.contains("a is the account me") && !said.contains("tok-"), "{said}");
    // The proof has spent the token that the login gave; what it was given for it is what is kept.
    let kept = house.kept();
    assert_eq!((kept.last(), house.stopped()), (Some(&house.platform.refresh), None));
    house.in_good_order_until("2026-06-01T12:00:00Z");
    assert_eq!((house.stopped(), house.state("p0")), (None, "delivered"));
    house.hides_tokens();
}

#[test]
fn a_login_of_somebody_else_or_another_login_changes_nothing() {
    let cases = [
        ("http://127.0.0.1:8917/?code=tok-code", false, Some("me"), "belongs to another login"),
        ("http://127.0.0.1:8917/?code=tok-other", true, Some("me"), "the code is not taken"),
        ("http://127.0.0.1:8917/?error=access_denied", true, Some("me"), "access_denied"),
        ("http://127.0.0.1:8917/?code=tok-code", true, Some("you"), "not of you"),
    ];
    for (brings, knows_state, identity, expected) in cases {
        let mut house = stopped();
        let person = Person { house: RefCell::new(&mut house), brings, knows_state, out: RefCell::default() };
        let mut shown = Vec::new();
        person.logs_in(identity).0.unwrap_err().render(Page::plain(80), &mut shown).unwrap();
        let shown = String::from_utf8(shown).unwrap();
        assert!(shown.contains(expected) && !shown.contains("tok-"), "{shown}");
        assert_eq!((house.kept().len(), house.stopped().is_some()), (0, true));
    }
}

#[test]
fn an_account_whose_tokens_work_once_needs_a_store_with_a_key() {
    static ENTRY: Entry = Entry {
        name: "rotating",
        keys: &[],
        can: cadenced::platform::site::ENTRY.can,
        build: |_| Some(Arc::new(Rotating { host: "one.example", ends: None })),
        twin: || panic!("nobody asks for it here"),
    };
    let faults = |store: &str| {
        let config = format!("[store]\n{store}\n[accounts.a]\nplatform = \"rotating\"\nslots = [\"0 9 * * *\"]\n");
        let platforms = platform_keys(&[&ENTRY]);
        let env = ConfigEnv { state_directory: None, runtime_directory: None, platforms: &platforms };
        let (settings, _) = cadenced::config::read(Path::new("/c.toml"), config.as_bytes(), &env).unwrap();
        build(&settings, &[&ENTRY]).1
    };
    let refused = faults("");
    assert_eq!(refused[0].place.to_string(), "/c.toml:4:12");
    assert!(refused[0].hint.as_deref().unwrap().contains("seal = {"), "{refused:?}");
    assert_eq!(faults("seal = { credential = \"store-key\" }"), []);
}

/// Random histories: crashes, lost answers, expiring tokens, reloads, a disk that fails. A person logs in where an account
/// is stopped, and nowhere else is one needed.
#[test]
fn every_post_goes_out_once_whatever_becomes_of_its_tokens() {
    let (mut lost, mut kept, mut persons) = (0, 0, 0);
    for seed in 0..100 {
        let mut draw = Chance::new(seed);
        let mut house = House::new(3);
        let trouble_until: Timestamp = "2026-06-08T00:00:00Z".parse().unwrap();
        let mut turns = 0;
        while !(0..3).all(|n| house.state(&format!("p{n}")) == "delivered") {
            turns += 1;
            assert!(turns < 20_000, "seed {seed}: it does not come to an end, stopped: {:?}", house.stopped());
            let trouble = house.now < trouble_until;
            match draw.below(if trouble { 24 } else { 12 }) {
                0..=4 if !house.commits.is_empty() => house.synced(),
                0..=8 if !house.calls.is_empty() => house.answered(),
                0..=9 if house.calls.is_empty() && house.commits.is_empty() => {
                    let wait = Duration::from_secs(60 * (1 + draw.below(240)));
                    let due = house.engine.poll_timeout().map_or(wait, |at| time::since(at, house.now).min(wait));
                    house.now = time::after(house.now, due.max(Duration::from_secs(1)));
                    house.tell(Event::Tick);
                }
                10 => house.tell(Event::Chore(Chore::Accounts)),
                11 if house.stopped().is_some() && house.person_logs_in().is_ok() => persons += 1,
                12 | 13 => {
                    lost += house.commits.iter().filter(|(_, r)| matches!(r[0].fact, Fact::TokensKept { .. })).count();
                    house.crashes();
                }
                14 if !house.commits.is_empty() => house.disk_fails(),
                15 if !house.calls.is_empty() => {
                    let (ticket, _) = house.carried_out();
                    house.tell(Event::Replied { ticket, result: Err(Failure::MayHaveArrived("cut".into())) });
                }
                16 => house.platform.access = None,
                17 => house.tell(Event::Configured(vec![house.setup.clone()])),
                18 if draw.below(4) == 0 => {
                    house.tell(Event::Configured(vec![]));
                    house.tell(Event::Configured(vec![house.setup.clone()]));
                }
                _ => {}
            }
        }
        assert!(house.platform.published.values().all(|times| *times == 1), "seed {seed}: {:?}", house.platform);
        kept += house.kept().len();
        house.hides_tokens();
    }
    assert!(lost > 10 && kept > 300 && persons > 10, "{lost} {kept} {persons}");
}

#[test]
fn an_attempt_under_way_asks_nothing_once_its_tokens_do_not_open() {
    let mut house = House::new(2);
    house.until("2026-06-01T09:00:00Z");
    house.finish();
    // It is asked to publish with a token that has just expired, and would ask for another one.
    house.platform.access = None;
    house.until("2026-06-02T09:00:00Z");
    assert_eq!(house.asks(), ["publish"]);
    house.tell(Event::Configured(vec![setup("one.example", "tok-first", Some(OTHER))]));
    let asked = house.asked_with.len();
    house.finish();
    assert_eq!(house.asked_with.len(), asked, "what the configuration holds is spent");
    assert!(house.stopped().is_some_and(|why| why.contains("sealed with another key")), "{:?}", house.stopped());
    house.tell(Event::Configured(vec![as_ever()]));
    house.in_good_order_until("2026-06-02T12:00:00Z");
    assert_eq!((house.stopped(), house.state("p1")), (None, "delivered"));
}

#[test]
fn a_stop_waits_for_what_a_probe_is_being_given() {
    let mut house = House::new(1);
    house.until("2026-06-01T09:00:00Z");
    house.platform.refresh = "tok-unknown".into();
    house.finish();
    assert!(house.stopped().is_some());
    house.platform.refresh = "tok-first".into();
    house.tell(Event::Chore(Chore::Accounts));
    assert_eq!((house.asks(), house.engine.is_idle()), (vec!["refresh"], false));
    house.tell(Event::Stop);
    assert_eq!(house.engine.in_flight(), 1);
    house.answered();
    assert_eq!(house.engine.in_flight(), 1, "it is not durable yet");
    house.settle();
    assert_eq!((house.engine.in_flight(), house.asks().len()), (0, 0), "and nothing else is begun");
    house.crashes();
    house.tell(Event::Chore(Chore::Accounts));
    house.in_good_order_until("2026-06-01T12:00:00Z");
    assert_eq!((house.stopped(), house.state("p0")), (None, "delivered"));
}

#[test]
fn a_token_that_would_end_unused_is_renewed() {
    let lasting = Rotating { host: "one.example", ends: Some("2026-07-15T00:00:00Z") };
    let mut house = House::of(AccountSetup { adapter: Arc::new(lasting), ..as_ever() }, 1);
    house.until("2026-06-01T09:00:00Z");
    house.finish();
    assert_eq!((house.state("p0"), house.kept().len()), ("delivered", 1));
    let records = house.durable.len();
    let mut asked_at = |moment: &str| {
        house.until(moment);
        let asked = house.asked_with.len();
        house.tell(Event::Chore(Chore::Accounts));
        house.finish();
        house.asked_with.len() - asked
    };
    assert_eq!(asked_at("2026-06-10T12:00:00Z"), 0, "it has more than a month to live");
    assert_eq!(asked_at("2026-06-20T12:00:00Z"), 2, "a new one, and whose it is");
    assert_eq!(asked_at("2026-06-20T18:00:00Z"), 0, "once a day");
    assert_eq!(asked_at("2026-06-21T18:00:00Z"), 2);
    assert_eq!((house.stopped(), house.kept().len()), (None, 3));
    let new: Vec<_> = house.durable[records..].iter().map(|record| record.fact.name()).collect();
    assert!(!new.contains(&"account-resumed"), "{new:?}");
}

#[test]
fn a_login_for_another_configuration_than_the_daemon_s_is_known_by_its_origin() {
    let house = House::new(1);
    assert!(house.engine.asks_by(&account(), &origin(&as_ever())));
    for other in [setup("one.example", "tok-second", Some(KEY)), setup("two.example", "tok-first", Some(KEY))] {
        assert!(!house.engine.asks_by(&account(), &origin(&other)));
    }
}
