//! The logins of the platforms, from the address that a person opens to a token that is proven: each against the imitation
//! of its platform, with all that can be wrong about a code.

#![cfg(test)]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use cadenced::cli::args::AuthArgs;
use cadenced::cli::auth::{Auth, AuthDesk, auth};
use cadenced::cli::exit::{Exit, Failure};
use cadenced::cli::output::Page;
use cadenced::deliver::{Probe, probe::Verdict};
use cadenced::domain::{AccountId, Secret, Timestamp};
use cadenced::platform;
use cadenced::platform::contract::{Adapter, Body, Call, HeaderValue, Method, Reply, Request, Secrets, Table, Twin};
use cadenced::platform::facebook::twin::FacebookTwin;
use cadenced::platform::graph::twin as graph;
use cadenced::platform::x::twin::{PUBLIC_CLIENT, XTwin};
use cadenced::platform::{facebook, instagram, linkedin, threads, youtube};
use serde_json::{Value, json};
use url::Url;

/// A platform's login, and what the configuration has for it.
struct Case {
    platform: &'static str,
    account: u32,
    twin: fn() -> Box<dyn Twin>,
    /// Plain keys; one without a value is left out.
    keys: &'static [(&'static str, &'static str)],
    /// The key and the value of the client's secret.
    client: Option<(&'static str, &'static str)>,
    /// The keys that secrets come for; none where they go into the store.
    gives: &'static [&'static str],
    pkce: bool,
    scopes: &'static str,
}

const LOOPBACK: &str = "http://127.0.0.1:8917/";

fn cases() -> Vec<Case> {
    let x_scopes = "tweet.read tweet.write users.read media.write like.read offline.access";
    vec![
        Case {
            platform: "x",
            account: 3,
            twin: || Box::new(XTwin::with_oauth2()),
            keys: &[("refresh_token", "")],
            client: Some(("client_secret", "twin-client-secret")),
            gives: &[],
            pkce: true,
            scopes: x_scopes,
        },
        Case {
            platform: "x",
            account: 4,
            twin: || Box::new(XTwin::with_oauth2()),
            keys: &[("refresh_token", ""), ("client_secret", ""), ("client_id", PUBLIC_CLIENT)],
            client: None,
            gives: &[],
            pkce: true,
            scopes: x_scopes,
        },
        Case {
            platform: "youtube",
            account: 1,
            twin: || Box::new(youtube::twin::YoutubeTwin::new()),
            keys: &[],
            client: Some(("client_secret", "GOCSPX-twin-client-secret")),
            gives: &["refresh_token"],
            pkce: true,
            scopes: "https://www.googleapis.com/auth/youtube.force-ssl",
        },
        Case {
            platform: "linkedin",
            account: 1,
            twin: || Box::new(linkedin::twin::LinkedinTwin::new()),
            keys: &[("client_id", "twin-client"), ("redirect", linkedin::twin::REDIRECT), ("oauth_url", "BASE")],
            client: Some(("client_secret", "twin-client-secret-1")),
            gives: &["token"],
            pkce: false,
            scopes: "openid profile w_member_social",
        },
        Case {
            platform: "linkedin",
            account: 2,
            twin: || Box::new(linkedin::twin::LinkedinTwin::new()),
            keys: &[("redirect", linkedin::twin::REDIRECT)],
            client: Some(("client_secret", "twin-client-secret-2")),
            gives: &["token", "refresh_token"],
            pkce: false,
            scopes: "w_organization_social r_organization_social",
        },
        Case {
            platform: "threads",
            account: 5,
            twin: || Box::new(threads::twin::ThreadsTwin::new()),
            keys: &[("app_id", graph::APP[0]), ("redirect", graph::REDIRECT)],
            client: Some(("app_secret", graph::APP[1])),
            gives: &["token"],
            pkce: false,
            scopes: "threads_basic,threads_content_publish,threads_manage_replies,threads_read_replies,threads_manage_insights",
        },
        Case {
            platform: "instagram",
            account: 6,
            twin: || Box::new(instagram::twin::InstagramTwin::new()),
            keys: &[("app_id", graph::APP[0]), ("redirect", graph::REDIRECT)],
            client: Some(("app_secret", graph::APP[1])),
            gives: &["token"],
            pkce: false,
            scopes: "instagram_business_basic,instagram_business_content_publish,instagram_business_manage_comments,instagram_business_manage_insights",
        },
        Case {
            platform: "facebook",
            account: 7,
            twin: || Box::new(FacebookTwin::new()),
            keys: &[("app_id", facebook::twin::APP), ("redirect", facebook::twin::REDIRECT)],
            client: Some(("app_secret", "twin-app-secret-7")),
            gives: &["token"],
            pkce: false,
            scopes: "pages_show_list,pages_manage_posts,pages_read_engagement,pages_read_user_content,read_insights",
        },
    ]
}

impl Case {
    fn name(&self) -> String {
        format!("{} {}", self.platform, self.account)
    }

    /// The account, with secrets in files of a folder that is not there.
    fn adapter(&self, twin: &dyn Twin) -> Arc<dyn Adapter> {
        let mut table = twin.table(self.account, "http://127.0.0.1:1", "unused");
        for (key, value) in self.keys {
            match *value {
                "" => drop(table.remove(*key)),
                "BASE" => drop(table.insert((*key).into(), "http://127.0.0.1:1".into())),
                value => drop(table.insert((*key).into(), value.into())),
            }
        }
        let file = |key: &str| toml::Value::Table([("file".to_owned(), key.into())].into_iter().collect());
        for key in self.gives.iter().copied().chain(self.client.map(|(key, _)| key)) {
            table.insert(key.into(), file(key));
        }
        let mut table = Table::new(AccountId::new("acc").unwrap(), table, PathBuf::from("/secrets"));
        let adapter = (platform::find(self.platform).unwrap().build)(&mut table);
        let complaints = table.into_complaints();
        assert!(complaints.is_empty(), "{}: {complaints:?}", self.name());
        adapter.unwrap()
    }

    fn secrets(&self) -> Secrets {
        Secrets(self.client.iter().map(|(key, secret)| ((*key).to_owned(), Secret::new(*secret))).collect())
    }
}

/// What a person does, and what goes wrong on the way.
struct Way {
    /// What the browser shows, made of where it was sent.
    brings: fn(&str) -> String,
    /// What becomes of the request that carries the code.
    tampers: fn(&mut Request),
    /// The code was used by somebody before.
    used: bool,
    secrets: Option<Secrets>,
    identity: Option<&'static str>,
}

impl Default for Way {
    fn default() -> Self {
        Self { brings: str::to_owned, tampers: |_| {}, used: false, secrets: None, identity: None }
    }
}

/// The person, their browser, and the platform.
struct World {
    twin: RefCell<Box<dyn Twin>>,
    account: u32,
    way: Way,
    /// What they type where they are asked for a secret.
    types: RefCell<VecDeque<String>>,
    out: Shared,
    address: RefCell<Option<Url>>,
    requests: RefCell<Vec<Request>>,
    written: RefCell<BTreeMap<String, String>>,
    kept: RefCell<Option<Value>>,
    /// All that nobody may read: what replies gave, codes, verifiers.
    canaries: RefCell<BTreeSet<String>>,
}

#[derive(Clone, Default)]
struct Shared(Rc<RefCell<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn now() -> Timestamp {
    "2026-11-27T12:00:00Z".parse().unwrap()
}

/// The fields of a form or of a query, secret ones too.
fn fields(request: &Request) -> BTreeMap<String, String> {
    let mut all: BTreeMap<String, String> = request.exposed_url().unwrap().query_pairs().into_owned().collect();
    if request.body.mime.as_deref() == Some("application/x-www-form-urlencoded") {
        all.extend(url::form_urlencoded::parse(&request.body.concat()).into_owned());
    }
    all
}

/// The same request with another value of one field, wherever it stands.
fn set(request: &mut Request, name: &str, value: &str) {
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
    fn log_in(case: &Case, way: Way) -> (Self, Result<Exit, Failure>) {
        Self::log_in_at(case, (case.twin)(), way)
    }

    fn log_in_at(case: &Case, twin: Box<dyn Twin>, way: Way) -> (Self, Result<Exit, Failure>) {
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
    fn said(&self, result: &Result<Exit, Failure>) -> String {
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

    fn stored_nothing(&self) -> bool {
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
fn gather(value: &Value, tokens: &mut Vec<String>) {
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

#[test]
fn every_login_ends_with_tokens_that_the_platform_takes() {
    for case in cases() {
        let (world, result) = World::log_in(&case, Way::default());
        let said = world.said(&result);
        assert_eq!(result.unwrap(), Exit::Done, "{}: {said}", case.name());
        assert!(said.contains("it is accepted: acc is the account"), "{}: {said}", case.name());
        let address = world.address.borrow().clone().unwrap();
        let shown: BTreeMap<String, String> = address.query_pairs().into_owned().collect();
        assert_eq!(shown["scope"], case.scopes, "{}", case.name());
        assert_eq!(shown.contains_key("code_challenge"), case.pkce, "{}", case.name());
        let redirects = case.keys.iter().find(|(key, _)| *key == "redirect").map_or(LOOPBACK, |(_, uri)| *uri);
        assert_eq!(shown["redirect_uri"], redirects);
        // What is stored is all that is needed from then on.
        let written = world.written.borrow().clone();
        assert_eq!(written.keys().map(String::as_str).collect::<BTreeSet<_>>(), case.gives.iter().copied().collect());
        assert_eq!(world.kept.borrow().is_some(), case.gives.is_empty(), "{}", case.name());
        let mut secrets = case.secrets();
        secrets.0.extend(written.into_iter().map(|(key, token)| (key, Secret::new(token))));
        let adapter = case.adapter(&**world.twin.borrow());
        let kept = world.kept.borrow().clone();
        let mut probe = Probe::new(adapter, &AccountId::new("acc").unwrap(), kept, now());
        let mut verdict = probe.proceed(&secrets, now());
        loop {
            verdict = match verdict {
                Verdict::Call(step) => {
                    let reply = world.twin.borrow_mut().answer(&step.call, now());
                    probe.answered(Ok(reply), &secrets, now())
                }
                Verdict::Keep(_) => probe.proceed(&secrets, now()),
                Verdict::Accepted(_) => break,
                Verdict::NotYet(why) => panic!("{}: {why}", case.name()),
            };
        }
    }
}

#[test]
fn what_is_wrong_about_a_code_stores_nothing_and_is_said_without_it() {
    type Wrong = (&'static str, fn(&Case) -> Option<Way>);
    let wrong: [Wrong; 7] = [
        ("another code", |_| {
            let brings = |sent: &str| {
                let mut sent: Url = sent.parse().unwrap();
                let pairs: Vec<(String, String)> = sent.query_pairs().into_owned().collect();
                let other =
                    |name: &str, value: &str| if name == "code" { "code-of-nobody".into() } else { value.to_owned() };
                let pairs = pairs.iter().map(|(name, value)| (name.clone(), other(name, value)));
                sent.query_pairs_mut().clear().extend_pairs(pairs.collect::<Vec<_>>());
                sent.into()
            };
            Some(Way { brings, ..Way::default() })
        }),
        ("a code that was used", |_| Some(Way { used: true, ..Way::default() })),
        ("another redirect", |_| {
            Some(Way {
                tampers: |request| set(request, "redirect_uri", "https://elsewhere.example/"),
                ..Way::default()
            })
        }),
        ("another verifier", |case| {
            let tampers: fn(&mut Request) = |request| set(request, "code_verifier", "somebody-else-s");
            case.pkce.then(|| Way { tampers, ..Way::default() })
        }),
        ("another client secret", |case| {
            let (key, _) = case.client?;
            let secrets = Secrets([(key.to_owned(), Secret::new("canary-of-a-wrong-client"))].into());
            Some(Way { secrets: Some(secrets), ..Way::default() })
        }),
        ("the address of another login", |_| {
            Some(Way { brings: |sent| sent.replace("state=", "state=x"), ..Way::default() })
        }),
        ("a person who says no", |_| {
            let brings = |sent: &str| sent.replace("code=", "error=access_denied&was=");
            Some(Way { brings, ..Way::default() })
        }),
    ];
    for case in cases() {
        for (what, way) in &wrong {
            let Some(way) = way(&case) else { continue };
            let (world, result) = World::log_in(&case, way);
            let said = world.said(&result);
            assert!(result.is_err() && world.stored_nothing(), "{}, {what}: {said}", case.name());
            assert!(!said.contains("canary"), "{}, {what}: {said}", case.name());
            let asked = world.requests.borrow().len();
            let expected = match *what {
                "the address of another login" => (0, "belongs to another login"),
                "a person who says no" => (0, "the platform refused: access_denied"),
                _ => (1, "gives no token for this code: status 4"),
            };
            assert!(asked == expected.0 && said.contains(expected.1), "{}, {what}, {asked}: {said}", case.name());
        }
    }
}

#[test]
fn a_login_as_somebody_else_is_not_stored() {
    for case in cases() {
        let (world, result) = World::log_in(&case, Way { identity: Some("4711"), ..Way::default() });
        let said = world.said(&result);
        assert!(result.is_err() && world.stored_nothing(), "{}: {said}", case.name());
        assert!(said.contains("not of 4711"), "{}: {said}", case.name());
    }
}

#[test]
fn a_client_secret_that_cannot_be_read_is_asked_for() {
    for case in cases().into_iter().filter(|case| case.client.is_some()) {
        let (world, result) = World::log_in(&case, Way { secrets: Some(Secrets::default()), ..Way::default() });
        let said = world.said(&result);
        assert_eq!(result.unwrap(), Exit::Done, "{}: {said}", case.name());
        assert!(said.contains("cannot be read here") && world.types.borrow().is_empty(), "{said}");
    }
}

#[test]
fn answers_that_are_no_tokens_are_refused() {
    let replies = [
        json!(null),
        json!([1]),
        json!({"access_token": 7}),
        json!({"access_token": "", "refresh_token": ""}),
        json!({"access_token": "canary-a\r\nHost: evil.example", "refresh_token": "canary-b\u{0}"}),
        json!({"access_token": "canary-".to_owned() + &"x".repeat(5_000)}),
        json!({"data": []}),
        json!({"error": "\u{202e}gnp\n", "error_description": {"deep": [[[]]]}}),
        json!({"error": {"message": ["x"], "code": "y"}}),
    ];
    for case in cases() {
        for reply in &replies {
            for status in [200, 302, 400, 500] {
                let twin = Box::new(Says { twin: (case.twin)(), status, reply: reply.clone() });
                let (world, result) = World::log_in_at(&case, twin, Way::default());
                let mut shown = world.out.0.borrow().clone();
                result.expect_err("nothing was given").render(Page::plain(400), &mut shown).unwrap();
                let shown = String::from_utf8(shown).unwrap();
                assert!(world.stored_nothing() && !shown.contains("canary") && !shown.contains('\u{202e}'), "{shown}");
            }
        }
    }
}

/// A platform that says one thing to every code.
struct Says {
    twin: Box<dyn Twin>,
    status: u16,
    reply: Value,
}

impl Twin for Says {
    fn table(&self, account: u32, base: &str, folder: &str) -> toml::Table {
        self.twin.table(account, base, folder)
    }

    fn secrets(&self, account: u32) -> Secrets {
        self.twin.secrets(account)
    }

    fn answer(&mut self, _: &Call, _: Timestamp) -> Reply {
        Reply::Http(cadenced::platform::contract::HttpReply::json(self.status, &self.reply))
    }

    fn published_since(&self, mark: &mut usize) -> Vec<platform::contract::Published> {
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
        self.twin.agree(account, address)
    }
}

#[test]
fn what_was_not_granted_is_told() {
    let without = |scope: &'static str| move |twin: Box<dyn Twin>| Box::new(Unticked { twin, scope }) as Box<dyn Twin>;
    let cases = cases();
    let of = |platform: &str, account: u32| {
        cases.iter().find(|case| (case.platform, case.account) == (platform, account)).expect("a case")
    };
    let told = [
        ("x", 3, "offline.access", "no refresh token"),
        ("x", 3, "media.write", "not granted all"),
        ("youtube", 1, "https://www.googleapis.com/auth/youtube.force-ssl", "was not granted"),
        ("linkedin", 1, "w_member_social", "has not granted"),
        ("instagram", 6, "instagram_business_content_publish", "was not granted"),
        ("threads", 5, "threads_content_publish", "was not granted"),
    ];
    for (platform, account, scope, expected) in told {
        let case = of(platform, account);
        let (world, result) = World::log_in_at(case, without(scope)((case.twin)()), Way::default());
        let said = world.said(&result);
        assert!(result.is_err() && world.stored_nothing() && said.contains(expected), "{platform}, {scope}: {said}");
    }
    // A Page that was not chosen, by a person who has others.
    let case = of("facebook", 7);
    let (world, result) = World::log_in_at(case, Box::new(FacebookTwin::new().leaving_out()), Way::default());
    let said = world.said(&result);
    assert!(result.is_err() && world.stored_nothing(), "{said}");
    assert!(said.contains("110000000000000107, 110000000000000207"), "it names those that were chosen: {said}");
    // A refresh token that the application is not given.
    let member = Case { keys: of("linkedin", 1).keys, gives: &["token", "refresh_token"], ..cases_of_member() };
    let (world, result) = World::log_in(&member, Way::default());
    let said = world.said(&result);
    assert!(result.is_err() && world.stored_nothing() && said.contains("gives no refresh token"), "{said}");
}

fn cases_of_member() -> Case {
    cases().into_iter().find(|case| case.platform == "linkedin" && case.account == 1).unwrap()
}

/// A person who unticks one thing in the dialog.
struct Unticked {
    twin: Box<dyn Twin>,
    scope: &'static str,
}

impl Twin for Unticked {
    fn table(&self, account: u32, base: &str, folder: &str) -> toml::Table {
        self.twin.table(account, base, folder)
    }

    fn secrets(&self, account: u32) -> Secrets {
        self.twin.secrets(account)
    }

    fn answer(&mut self, call: &Call, now: Timestamp) -> Reply {
        self.twin.answer(call, now)
    }

    fn published_since(&self, mark: &mut usize) -> Vec<platform::contract::Published> {
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
        let less = |name: &str, value: String| match name {
            "scope" => {
                let left = value.split([' ', ',']).filter(|scope| *scope != self.scope).collect::<Vec<_>>();
                left.join(if value.contains(',') { "," } else { " " })
            }
            _ => value,
        };
        let pairs: Vec<_> = pairs.into_iter().map(|(name, value)| (name.clone(), less(&name, value))).collect();
        address.query_pairs_mut().clear().extend_pairs(pairs);
        self.twin.agree(account, &address)
    }
}

/// What the published descriptions say of scopes and of the requests of a login.
#[test]
fn what_is_asked_is_what_the_platforms_describe() {
    let asked = |platform: &str| {
        let case = cases().into_iter().find(|case| case.platform == platform).unwrap();
        let (world, result) = World::log_in(&case, Way::default());
        result.unwrap();
        world.requests.into_inner()
    };
    let scopes = |platform: &str| cases().into_iter().find(|case| case.platform == platform).unwrap().scopes;
    if let Some(api) = shared("x/openapi-2.167.json") {
        let flow = &api["components"]["securitySchemes"]["OAuth2UserToken"]["flows"]["authorizationCode"];
        assert!(scopes("x").split(' ').all(|scope| flow["scopes"][scope].is_string()), "{flow}");
        let token = asked("x").remove(0);
        assert!(flow["tokenUrl"].as_str().unwrap().ends_with(token.url.path()), "{}", token.url);
    }
    if let Some(api) = shared("youtube/youtube-v3.discovery.json") {
        let all = [
            ("videos", "insert"),
            ("videos", "update"),
            ("videos", "list"),
            ("thumbnails", "set"),
            ("channels", "list"),
            ("playlistItems", "insert"),
            ("playlistItems", "list"),
            ("commentThreads", "list"),
        ];
        for (resource, method) in all {
            let takes = api["resources"][resource]["methods"][method]["scopes"].as_array().unwrap();
            assert!(takes.contains(&json!(scopes("youtube"))), "{resource}.{method}: {takes:?}");
        }
    }
    if let Some(api) = shared("threads/threads-api.postman_collection.json") {
        let mut described = BTreeMap::new();
        describe(&api["item"], &mut described);
        let requests = asked("threads");
        for (request, beside) in requests[..2].iter().zip([None, Some("access_token")]) {
            let known = &described[&format!("{} {}", request.method.name(), request.url.path())];
            let names: BTreeSet<String> =
                fields(request).into_keys().filter(|name| Some(name.as_str()) != beside).collect();
            assert_eq!(names, *known, "{}", request.url);
        }
        assert_eq!(fields(&requests[1])["grant_type"], "th_exchange_token");
    }
    if let Some(api) = shared("instagram/IGAccessTokenForIGOnlyAPI.json") {
        let request = asked("instagram").remove(1);
        let known =
            api["apis"][0]["params"].as_array().unwrap().iter().map(|name| name["name"].as_str().unwrap().to_owned());
        assert_eq!(fields(&request).into_keys().collect::<BTreeSet<_>>(), known.collect());
        assert_eq!(request.method.name(), api["apis"][0]["method"]);
    }
    if let Some(page) = shared("facebook/Page.json") {
        let request = asked("facebook").remove(2);
        let known: BTreeSet<&str> =
            page["fields"].as_array().unwrap().iter().filter_map(|field| field["name"].as_str()).collect();
        assert!(fields(&request)["fields"].split(',').all(|field| known.contains(field)));
        assert!(matches!(&request.headers[0].1, HeaderValue::Secret { prefix: "Bearer ", .. }));
    }
}

/// The names of the parameters of each request in a collection.
fn describe(items: &Value, described: &mut BTreeMap<String, BTreeSet<String>>) {
    for item in items.as_array().into_iter().flatten() {
        describe(&item["item"], described);
        let (Some(method), Some(raw)) = (item["request"]["method"].as_str(), item["request"]["url"]["raw"].as_str())
        else {
            continue;
        };
        let (path, query) = raw.split_once('?').unwrap_or((raw, ""));
        let names = query.split('&').filter_map(|pair| pair.split('=').next()).filter(|name| !name.is_empty());
        described
            .insert(format!("{method} {}", path.trim_start_matches("{{api_host}}")), names.map(Into::into).collect());
    }
}

/// Reference data that are not part of this repository.
fn shared(path: &str) -> Option<Value> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let folder = std::env::var_os("CADENCED_SHARED").map_or(beside, PathBuf::from).join("specs");
    let text = std::fs::read_to_string(folder.join(path)).ok();
    if text.is_none() {
        let _ = writeln!(io::stderr(), "skipped: {path} is not there");
    }
    serde_json::from_str(&text?).ok()
}
