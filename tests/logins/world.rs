//! A person who logs in, their browser, and the platform.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, Write};
use std::path::Path;
use std::rc::Rc;

use cadenced::cli::args::AuthArgs;
use cadenced::cli::auth::{Auth, AuthDesk, auth};
use cadenced::cli::exit::{Exit, Failure};
use cadenced::cli::output::Page;
use cadenced::domain::{AccountId, Secret, Timestamp};
use cadenced::platform::contract::{Body, Call, HttpReply, Method, Published, Reply, Request, Secrets, Twin};
use serde_json::Value;
use url::Url;

use super::cases::Case;

/// What a person does, and what goes wrong on the way.
pub struct Way {
    /// What the browser shows, made of where it was sent.
    pub brings: fn(&str) -> String,
    /// What becomes of the request that carries the code.
    pub tampers: fn(&mut Request),
    /// The code was used by somebody before.
    pub used: bool,
    pub secrets: Option<Secrets>,
    pub identity: Option<&'static str>,
}

impl Default for Way {
    fn default() -> Self {
        Self { brings: str::to_owned, tampers: |_| {}, used: false, secrets: None, identity: None }
    }
}

/// The person, their browser, and the platform.
pub struct World {
    pub twin: RefCell<Box<dyn Twin>>,
    pub account: u32,
    pub way: Way,
    /// What they type where they are asked for a secret.
    pub types: RefCell<VecDeque<String>>,
    pub out: Shared,
    pub address: RefCell<Option<Url>>,
    pub requests: RefCell<Vec<Request>>,
    pub written: RefCell<BTreeMap<String, String>>,
    pub kept: RefCell<Option<Value>>,
    /// All that nobody may read: what replies gave, codes, verifiers.
    pub canaries: RefCell<BTreeSet<String>>,
}

#[derive(Clone, Default)]
pub struct Shared(pub Rc<RefCell<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub fn now() -> Timestamp {
    "2026-11-27T12:00:00Z".parse().unwrap()
}

/// The fields of a form or of a query, secret ones too.
pub fn fields(request: &Request) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> = request.exposed_url().unwrap().query_pairs().into_owned().collect();
    if request.body.mime.as_deref() == Some("application/x-www-form-urlencoded") {
        all.extend(url::form_urlencoded::parse(&request.body.concat()).into_owned());
    }
    all
}

/// The same request with another value of one field, wherever it stands.
pub fn set(request: &mut Request, name: &str, value: &str) {
    let mut all = fields(request);
    assert!(all.insert(name.into(), value.into()).is_some(), "there is no {name}: {all:?}");
    let all: Vec<(&str, &str)> = all.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    if request.method == Method::Get {
        let url = request.url.clone();
        *request = Request { headers: request.headers.clone(), ..Request::get_secretly(url, &all) };
    } else {
        request.body = Body::urlencoded(&all);
    }
}

impl World {
    pub fn log_in(case: &Case, way: Way) -> (Self, Result<Exit, Failure>) {
        Self::log_in_at(case, (case.twin)(), way)
    }

    pub fn log_in_at(case: &Case, twin: Box<dyn Twin>, way: Way) -> (Self, Result<Exit, Failure>) {
        let adapter = case.adapter(&*twin);
        let args = AuthArgs { account: AccountId::new("acc").unwrap(), paste: false, out: None };
        let secrets = way.secrets.clone().unwrap_or_else(|| case.secrets());
        let identity = way.identity.map(Into::into);
        let world = Self {
            twin: RefCell::new(twin),
            account: case.account,
            way,
            types: RefCell::default(),
            out: Shared::default(),
            address: RefCell::default(),
            requests: RefCell::default(),
            written: RefCell::default(),
            kept: RefCell::default(),
            canaries: RefCell::default(),
        };
        world.types.borrow_mut().extend(case.client.map(|(_, secret)| format!("{secret}\n")));
        world.canaries.borrow_mut().extend(case.client.map(|(_, secret)| secret.to_owned()));
        let result = auth(&Auth { args: &args, adapter: &adapter, secrets, identity }, &world, &mut world.out.clone());
        (world, result)
    }

    /// Everything that was shown, the failure too.
    pub fn said(&self, result: &Result<Exit, Failure>) -> String {
        let mut shown = self.out.0.borrow().clone();
        if let Err(failure) = result {
            failure.render(Page::plain(400), &mut shown).unwrap();
        }
        let shown = String::from_utf8(shown).unwrap();
        for canary in self.canaries.borrow().iter() {
            assert!(!shown.contains(canary.as_str()), "{canary} in {shown}");
        }
        for request in self.requests.borrow().iter() {
            let debug = format!("{request:?} {}", request.url);
            assert!(self.canaries.borrow().iter().all(|canary| !debug.contains(canary.as_str())), "{debug}");
        }
        shown
    }

    pub fn stored_nothing(&self) -> bool {
        self.written.borrow().is_empty() && self.kept.borrow().is_none()
    }
}

impl AuthDesk for World {
    fn now(&self) -> Timestamp {
        now()
    }

    fn call(&self, call: Call) -> Result<Reply, String> {
        let Call::Http(mut request) = call else { panic!("no files here") };
        let mut twin = self.twin.borrow_mut();
        let asked = fields(&request);
        if asked.contains_key("code") {
            self.canaries
                .borrow_mut()
                .extend(["code", "code_verifier"].iter().filter_map(|name| asked.get(*name).cloned()));
            if self.way.used {
                twin.answer(&Call::Http(request.clone()), now());
            }
            (self.way.tampers)(&mut request);
        }
        self.requests.borrow_mut().push(request.clone());
        let reply = twin.answer(&Call::Http(request), now());
        if let Reply::Http(reply) = &reply {
            let value = reply.value().unwrap_or_default();
            let mut tokens = Vec::new();
            gather(&value, &mut tokens);
            self.canaries.borrow_mut().extend(tokens);
        }
        Ok(reply)
    }

    fn chance(&self) -> Result<[u8; 48], String> {
        Ok(std::array::from_fn(|place| u8::try_from(place * 5).unwrap()))
    }

    fn line(&self) -> io::Result<String> {
        let shown = String::from_utf8(self.out.0.borrow().clone()).unwrap();
        if shown.ends_with("(it is not shown): ") {
            return Ok(self.types.borrow_mut().pop_front().expect("a secret was typed already"));
        }
        let address = shown.lines().find_map(|line| line.strip_prefix("  http")).expect("an address");
        let address: Url = format!("http{address}").parse().unwrap();
        let sent = self.twin.borrow_mut().agree(self.account, &address).expect("the platform shows its dialog");
        *self.address.borrow_mut() = Some(address);
        Ok(format!("{}\n", (self.way.brings)(&sent)))
    }

    fn may_write(&self, _: &Path) -> Result<(), String> {
        Ok(())
    }

    fn write(&self, path: &Path, secret: &Secret) -> Result<Option<String>, String> {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        self.written.borrow_mut().insert(name, secret.expose().to_owned());
        Ok(None)
    }

    fn may_keep(&self) -> Result<(), Failure> {
        Ok(())
    }

    fn keep(&self, tokens: &Value) -> Result<(), Failure> {
        *self.kept.borrow_mut() = Some(tokens.clone());
        Ok(())
    }
}

/// All tokens in a reply, however deep.
pub fn gather(value: &Value, tokens: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if let (true, Some(token)) = (name.ends_with("_token"), value.as_str()) {
                    tokens.push(token.to_owned());
                }
                gather(value, tokens);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| gather(value, tokens)),
        _ => {}
    }
}

/// A platform that says one thing to every request, or a person who unticks one thing in the dialog.
pub struct Odd {
    pub twin: Box<dyn Twin>,
    pub says: Option<(u16, Value)>,
    pub unticks: &'static str,
}

impl Twin for Odd {
    fn table(&self, account: u32, base: &str, folder: &str) -> toml::Table {
        self.twin.table(account, base, folder)
    }

    fn secrets(&self, account: u32) -> Secrets {
        self.twin.secrets(account)
    }

    fn answer(&mut self, call: &Call, now: Timestamp) -> Reply {
        match &self.says {
            Some((status, value)) => Reply::Http(HttpReply::json(*status, value)),
            None => self.twin.answer(call, now),
        }
    }

    fn published_since(&self, mark: &mut usize) -> Vec<Published> {
        self.twin.published_since(mark)
    }

    fn throttle(&mut self, until: Timestamp) {
        self.twin.throttle(until);
    }

    fn expire_tokens(&mut self) {
        self.twin.expire_tokens();
    }

    fn set_revoked(&mut self, revoked: bool) {
        self.twin.set_revoked(revoked);
    }

    fn agree(&mut self, account: u32, address: &Url) -> Option<String> {
        let mut address = address.clone();
        let pairs: Vec<(String, String)> = address.query_pairs().into_owned().collect();
        let parted = if pairs.iter().any(|(name, value)| name == "scope" && value.contains(',')) { "," } else { " " };
        let ticked = |value: &str| {
            let left: Vec<&str> = value.split(parted).filter(|scope| *scope != self.unticks).collect();
            left.join(parted)
        };
        let pairs = pairs
            .iter()
            .map(|(name, value)| (name.as_str(), if name == "scope" { ticked(value) } else { value.clone() }));
        address.query_pairs_mut().clear().extend_pairs(pairs.collect::<Vec<_>>());
        self.twin.agree(account, &address)
    }
}
