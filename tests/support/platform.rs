//! The imitation of a platform behind a loopback HTTP server that counts, and does to requests what it is told.

#![allow(dead_code, reason = "each test binary uses its own part of this file")]

use std::collections::BTreeMap;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cadenced::domain::Timestamp;
use cadenced::platform;
use cadenced::platform::contract::{Body, Call, HeaderValue, HttpReply, Method, Published, Reply, Request, Twin};
use jiff::SignedDuration;
use url::Url;

use super::server::{Identity, Seen, Server, Wire};

/// What becomes of a request.
pub enum Weather {
    /// It is carried out and answered.
    Fair,
    /// It is read and not carried out; the connection ends.
    CutBefore,
    /// It is carried out; the connection ends.
    CutAfter,
    /// It is read and not carried out; nothing more is said.
    Hang,
    /// It is carried out; nothing more is said.
    HangAfter,
    /// It is not carried out; these bytes are the answer.
    Say(Vec<u8>),
    /// It is carried out; these bytes are the answer.
    SayAfter(Vec<u8>),
    /// It is not carried out; these bytes come first, then the second ones for ever.
    Flood(Vec<u8>, Vec<u8>),
    /// It is carried out; these bytes come first, then the second ones for ever.
    FloodAfter(Vec<u8>, Vec<u8>),
    /// It is not carried out; these bytes come first, then one byte after the other, slowly and for ever.
    Drip(Vec<u8>),
    /// It is carried out; these bytes come first, then one byte after the other, slowly and for ever.
    DripAfter(Vec<u8>),
    /// It is carried out and answered once this is told, or nobody is left to tell it.
    When(Receiver<()>),
    /// It is carried out; the answer comes after this time.
    Slowly(Duration),
    /// It is carried out only after this time, whoever still waits for the answer.
    Late(Duration),
    /// It is carried out and answered with this header beside the others.
    With(&'static str, String),
    /// It is carried out; then this is done, and the connection ends without an answer.
    Then(Box<dyn FnOnce() + Send>),
    /// It is carried out and answered; then this is done.
    AnswerThen(Box<dyn FnOnce() + Send>),
}

type Rule = Box<dyn FnMut(&Asked) -> Weather + Send>;

/// A request as the rule sees it.
pub struct Asked<'a> {
    /// `POST /api/v1/statuses`, without a query.
    pub what: String,
    pub seen: &'a Seen,
    /// How many requests like it (same method and path) were there before.
    pub before: usize,
    /// Whether it is one that publishes.
    pub publishes: bool,
}

struct Inner {
    twin: Box<dyn Twin>,
    rule: Rule,
    asked: Vec<String>,
    /// By how many seconds its clock is ahead, and whether its answers tell its time.
    clock: (i64, bool),
    /// The tokens that it has given out.
    tokens: Vec<String>,
}

pub struct Platform {
    server: Server,
    inner: Arc<Mutex<Inner>>,
    name: &'static str,
}

impl Platform {
    pub fn mastodon() -> Self {
        Self::start("mastodon")
    }

    pub fn bluesky() -> Self {
        Self::start("bluesky")
    }

    pub fn start(name: &'static str) -> Self {
        Self::over(name, None)
    }

    /// The same over TLS.
    pub fn secure(name: &'static str, identity: &Identity) -> Self {
        Self::over(name, Some(identity))
    }

    /// Speaks Mastodon's API, and takes no notice of its keys: what comes twice is there twice.
    pub fn gotosocial() -> Self {
        Self::of("mastodon", Box::new(platform::mastodon::twin::MastodonTwin::gotosocial()), None)
    }

    /// Whose accounts prove themselves by OAuth 2.0.
    pub fn x_oauth2() -> Self {
        Self::of("x", Box::new(platform::x::twin::XTwin::with_oauth2()), None)
    }

    fn over(name: &'static str, identity: Option<&Identity>) -> Self {
        Self::of(name, (platform::find(name).unwrap().twin)(), identity)
    }

    fn of(name: &'static str, twin: Box<dyn Twin>, identity: Option<&Identity>) -> Self {
        let inner = Arc::new(Mutex::new(Inner {
            twin,
            rule: Box::new(|_| Weather::Fair),
            asked: Vec::new(),
            clock: (0, false),
            tokens: Vec::new(),
        }));
        let shared = inner.clone();
        let manner = move |wire: &mut Wire| while serve(wire, &shared) {};
        let server = match identity {
            Some(identity) => Server::start_tls(identity, manner),
            None => Server::start(manner),
        };
        Self { server, inner, name }
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    /// From now on its clock is ahead by `seconds`; `told`: its answers have a `Date`.
    pub fn clock(&self, seconds: i64, told: bool) {
        self.inner.lock().unwrap().clock = (seconds, told);
    }

    /// Everything that must stand nowhere but in requests to it: the account's secrets, and the tokens given out.
    pub fn canaries(&self) -> Vec<String> {
        let mut all: Vec<String> = self.secrets().into_iter().map(|(_, secret)| secret).collect();
        all.extend(self.inner.lock().unwrap().tokens.iter().cloned());
        all
    }

    /// What is done to requests from now on.
    pub fn weather(&self, rule: impl FnMut(&Asked) -> Weather + Send + 'static) {
        self.inner.lock().unwrap().rule = Box::new(rule);
    }

    /// The account table, with a slot every second. Its secret is in the variable `TWIN_TOKEN_0` or the like.
    pub fn account(&self, id: &str) -> String {
        self.account_of(id, 0)
    }

    /// The same for account number `number` of the platform.
    pub fn account_of(&self, id: &str, number: u32) -> String {
        let table = self.inner.lock().unwrap().twin.table(number, &self.server.url(""), "unused");
        let mut text = format!("[accounts.{id}]\nplatform = \"{}\"\nslots = [\"* * * * * *\"]\n", self.name);
        for (key, value) in &table {
            match (value.as_str(), value.get("env").and_then(toml::Value::as_str)) {
                (Some(plain), _) => text += &format!("{key} = \"{plain}\"\n"),
                (_, Some(name)) => text += &format!("{key} = {{ env = \"{name}\" }}\n"),
                _ => panic!("{key} = {value:?}"),
            }
        }
        text
    }

    /// The variables that hold the secrets.
    pub fn secrets(&self) -> Vec<(String, String)> {
        self.secrets_of(0)
    }

    /// The same for account number `number` of the platform.
    pub fn secrets_of(&self, number: u32) -> Vec<(String, String)> {
        let inner = self.inner.lock().unwrap();
        let (table, secrets) = (inner.twin.table(number, &self.server.url(""), "unused"), inner.twin.secrets(number));
        let named = |key: &str| table[key].as_table().and_then(|table| table["env"].as_str()).unwrap().to_owned();
        secrets.0.iter().map(|(key, secret)| (named(key), secret.expose().to_owned())).collect()
    }

    /// Every post of ours that can be seen.
    pub fn published(&self) -> Vec<Published> {
        self.inner.lock().unwrap().twin.published()
    }

    /// The same by account and by what stands before the first full stop: which part of which post it is. Fails when
    /// one of them is there twice.
    pub fn parts(&self) -> BTreeMap<(u32, String), Published> {
        let mut parts = BTreeMap::new();
        for post in self.published() {
            let part = post.text.split('.').next().unwrap().to_owned();
            let first = parts.insert((post.account, part), post.clone());
            assert!(first.is_none(), "twice on {}: {first:?} and {post:?}", self.name);
        }
        parts
    }

    /// How often each text can be seen.
    pub fn times(&self, text: &str) -> usize {
        self.published().iter().filter(|post| post.text.contains(text)).count()
    }

    /// All requests so far, as method and path.
    pub fn asked(&self) -> Vec<String> {
        self.inner.lock().unwrap().asked.clone()
    }

    /// How many publishing requests were made.
    pub fn tries(&self) -> usize {
        self.asked().iter().filter(|what| publishes(what)).count()
    }

    pub fn revoke(&self, revoked: bool) {
        self.inner.lock().unwrap().twin.set_revoked(revoked);
    }

    /// The tokens of all sessions are over; sessions are not.
    pub fn expire(&self) {
        self.inner.lock().unwrap().twin.expire_tokens();
    }

    pub fn throttle(&self, until: Timestamp) {
        self.inner.lock().unwrap().twin.throttle(until);
    }

    /// A person opens the address of a login as account number `number`, and agrees: where their browser is sent.
    pub fn agree(&self, number: u32, address: &str) -> String {
        let address = Url::parse(address).unwrap();
        self.inner.lock().unwrap().twin.agree(number, &address).expect("the platform shows its dialog")
    }

    pub fn server(&self) -> &Server {
        &self.server
    }
}

fn publishes(what: &str) -> bool {
    what == "POST /api/v1/statuses" || what.ends_with("com.atproto.repo.putRecord")
}

/// Serves one request; says whether the connection goes on.
fn serve(wire: &mut Wire, inner: &Mutex<Inner>) -> bool {
    let Some(seen) = wire.request() else { return false };
    let request = request(&seen);
    let what = format!("{} {}", request.method.name(), request.url.path());
    let mut held = inner.lock().unwrap();
    let before = held.asked.iter().filter(|earlier| **earlier == what).count();
    held.asked.push(what.clone());
    let publishes = publishes(&what);
    let weather = (held.rule)(&Asked { what, seen: &seen, before, publishes });
    let carry_out = |held: &mut Inner| {
        let (ahead, told) = held.clock;
        let now = now() + SignedDuration::from_secs(ahead);
        let Reply::Http(mut reply) = held.twin.answer(&Call::Http(request), now) else { panic!("files over HTTP") };
        if told {
            reply.headers.push(("date".into(), http_date(now)));
        }
        let answer = reply.value().unwrap_or_default();
        let given = ["accessJwt", "refreshJwt", "access_token", "refresh_token"]
            .into_iter()
            .filter_map(|name| answer[name].as_str());
        held.tokens.extend(given.map(str::to_owned));
        reply
    };
    match weather {
        Weather::Fair => {
            let reply = carry_out(&mut held);
            drop(held);
            wire.send(&bytes(&reply))
        }
        Weather::When(told) => {
            drop(held);
            let _ = told.recv();
            let reply = carry_out(&mut inner.lock().unwrap());
            wire.send(&bytes(&reply))
        }
        Weather::Slowly(span) => {
            let reply = carry_out(&mut held);
            drop(held);
            pause(span);
            wire.send(&bytes(&reply))
        }
        Weather::Late(span) => {
            drop(held);
            pause(span);
            let reply = carry_out(&mut inner.lock().unwrap());
            wire.send(&bytes(&reply))
        }
        Weather::With(name, value) => {
            let mut reply = carry_out(&mut held);
            drop(held);
            reply.headers.push((name.into(), value));
            wire.send(&bytes(&reply))
        }
        Weather::Then(then) => {
            carry_out(&mut held);
            // Before anybody else is served: nothing comes between the effect and this.
            then();
            false
        }
        Weather::AnswerThen(then) => {
            let reply = carry_out(&mut held);
            drop(held);
            let sent = wire.send(&bytes(&reply));
            then();
            sent
        }
        Weather::CutBefore => {
            wire.reset();
            false
        }
        Weather::CutAfter => {
            carry_out(&mut held);
            wire.reset();
            false
        }
        Weather::Hang => {
            drop(held);
            wire.hang();
            false
        }
        Weather::HangAfter => {
            carry_out(&mut held);
            drop(held);
            wire.hang();
            false
        }
        Weather::Say(answer) => {
            drop(held);
            wire.send(&answer)
        }
        Weather::SayAfter(answer) => {
            carry_out(&mut held);
            drop(held);
            wire.send(&answer)
        }
        Weather::Flood(head, more) => {
            drop(held);
            wire.send(&head);
            wire.send_for_ever(&more);
            false
        }
        Weather::FloodAfter(head, more) => {
            carry_out(&mut held);
            drop(held);
            wire.send(&head);
            wire.send_for_ever(&more);
            false
        }
        Weather::Drip(head) => {
            drop(held);
            drip(wire, &head)
        }
        Weather::DripAfter(head) => {
            carry_out(&mut held);
            drop(held);
            drip(wire, &head)
        }
    }
}

fn drip(wire: &mut Wire, head: &[u8]) -> bool {
    wire.send(head);
    while wire.send(b" ") {
        pause(Duration::from_millis(50));
    }
    false
}

/// A moment as headers write it.
pub fn http_date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[expect(clippy::disallowed_methods, reason = "a slow server is slow in real time")]
fn pause(span: Duration) {
    std::thread::sleep(span);
}

#[expect(clippy::disallowed_methods, reason = "the platform has a clock of its own")]
pub fn now() -> Timestamp {
    Timestamp::now()
}

fn request(seen: &Seen) -> Request {
    let mut words = seen.head.lines().next().unwrap().split(' ');
    let method = match words.next().unwrap() {
        "GET" => Method::Get,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        other => panic!("{other}"),
    };
    let host = seen.header("host").unwrap();
    let url = Url::parse(&format!("http://{host}{}", words.next().unwrap())).unwrap();
    let mut headers = Vec::new();
    for line in seen.head.lines().skip(1).filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').unwrap();
        let name: &'static str = Box::leak(name.to_lowercase().into_boxed_str());
        headers.push((name, HeaderValue::Plain(value.trim().into())));
    }
    let body = Body {
        mime: seen.header("content-type").map(Into::into),
        chunks: if seen.body.is_empty() { Vec::new() } else { vec![seen.body.clone().into()] },
    };
    Request { method, url, secret_path: None, headers, body }
}

/// A reply on the wire.
pub fn bytes(reply: &HttpReply) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {} Whatever\r\n", reply.status);
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += &format!("content-length: {}\r\n\r\n", reply.body.len());
    [head.as_bytes(), &reply.body].concat()
}

/// An answer with this status, these headers (each with its line end) and this body.
pub fn answer(status: u16, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status} Whatever\r\n{headers}content-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}
