//! Questions as HTTP requests, and answers as JSON documents: the interface that `docs/control-api.md` describes.
//!
//! One table for both sides: a command makes its request from a question, the daemon finds the question in a request.
//! The Unix socket and the TCP listener have the same routes; what may come by which of them is decided here as well.

use std::borrow::Cow;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use subtle::ConstantTimeEq as _;

use crate::domain::IdError;
use crate::domain::escape::escape;
use crate::domain::links;

use super::protocol::{Answer, ErrorKind, Problem, Question, Which};

/// Longest body of a request, in bytes. Outcomes are handed in in portions that fit.
pub const BODY_BYTES: usize = 64 * 1024;
/// Farthest that a plan is asked ahead, in days.
const DAYS: u32 = 3_660;
/// How far ahead a plan goes where nobody says, in days.
const DAYS_AHEAD: u32 = 14;

/// A request, as far as it matters here.
#[derive(Debug, Clone, Copy)]
pub struct Request<'r> {
    pub method: &'r str,
    /// Path and query.
    pub target: &'r str,
    pub body: &'r [u8],
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Route {
    /// The status page.
    Page,
    /// What browsers ask for by themselves, and there is none of.
    Icon,
    /// Whether the daemon is well.
    Health,
    /// Figures for a monitor.
    Metrics,
    /// Answered by the engine with one document.
    Ask(Question),
    /// Every record of the ledger, a line each.
    Records,
    /// Outcomes as a shop tells them.
    Outcomes {
        body: Value,
        /// Whether those of posts that nobody knows are kept, too.
        unknown_posts: bool,
    },
}

/// Who may ask for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Whoever can reach the listener.
    Anybody,
    /// Over TCP only with the token.
    Token,
    /// Nobody over TCP: what goes there travels in the clear.
    SocketOnly,
}

/// Who may ask for what is at a target; `None` where there is nothing.
pub fn access(target: &str) -> Option<Access> {
    let path = target.split_once('?').map_or(target, |(path, _)| path);
    ROUTES.iter().find(|(_, at, _)| *at == path).map(|(_, _, access)| *access)
}

/// How a request came in over TCP.
#[derive(Clone, Copy, Default)]
pub struct Caller<'r> {
    pub authorization: Option<&'r str>,
    pub host: Option<&'r str>,
    /// What a browser says of the page that has it ask (`Sec-Fetch-Site`).
    pub site: Option<&'r str>,
}

/// What a TCP listener lets through.
#[derive(Clone, Copy)]
pub struct Door<'t> {
    /// `None`: nothing that needs it can be done over TCP.
    pub token: Option<&'t str>,
    /// Whether names other than this machine's own loopback are answered to.
    pub allow_remote: bool,
}

impl Door<'_> {
    /// Whether a request is looked at.
    ///
    /// # Errors
    /// The refusal to answer with.
    pub fn open_to(&self, caller: &Caller) -> Result<(), Refusal> {
        // A page of the web may have its own name point at 127.0.0.1 and would read the answers as its own. It cannot
        // choose what the browser says it is asking for.
        if !self.allow_remote && !caller.host.is_some_and(is_loopback) {
            let what = "this address is for this machine: ask for it as 127.0.0.1, [::1] or localhost";
            return Err(Refusal::new(403, ErrorKind::Forbidden, what));
        }
        // It cannot read what comes back, but may have it made, again and again.
        if caller.site.is_some_and(|site| site.eq_ignore_ascii_case("cross-site")) {
            return Err(Refusal::new(403, ErrorKind::Forbidden, "another site has the browser ask this"));
        }
        Ok(())
    }

    /// Whether a request may have what it asks for.
    ///
    /// # Errors
    /// The refusal to answer with.
    pub fn admit(&self, access: Access, caller: &Caller) -> Result<(), Refusal> {
        match (access, self.token) {
            (Access::Anybody, _) => Ok(()),
            (Access::SocketOnly, _) => {
                let what = "tokens of accounts are taken over the Unix socket only";
                Err(Refusal::new(403, ErrorKind::Forbidden, what))
            }
            (Access::Token, None) => {
                Err(Refusal::new(403, ErrorKind::Forbidden, "this needs a token, and none is configured")
                    .with_hint("set control.token, or use the Unix socket"))
            }
            (Access::Token, Some(token)) => {
                let given = caller.authorization.and_then(bearer).unwrap_or_default();
                // How long this takes tells the token's length, and not how much of what was given is right.
                if !token.is_empty() && bool::from(given.as_bytes().ct_eq(token.as_bytes())) {
                    return Ok(());
                }
                Err(Refusal::new(401, ErrorKind::Forbidden, "the token is missing or wrong")
                    .with_hint("send it as: Authorization: Bearer TOKEN"))
            }
        }
    }
}

/// The token of `Authorization: Bearer TOKEN`; the scheme's case does not matter.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn is_loopback(host: &str) -> bool {
    url::Url::parse(&format!("http://{host}/")).is_ok_and(|url| url.path() == "/" && links::is_loopback(&url))
}

/// Why a request is not answered as asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Of HTTP.
    pub status: u16,
    pub problem: Problem,
    /// What the `Allow` header has to say.
    pub allow: Option<&'static str>,
}

/// Everything that can be asked for: method, path, and who may over TCP. `HEAD` goes wherever `GET` does.
pub const ROUTES: &[(&str, &str, Access)] = &[
    ("GET", "/", Access::Anybody),
    ("GET", "/favicon.ico", Access::Anybody),
    ("GET", "/healthz", Access::Anybody),
    ("GET", "/metrics", Access::Anybody),
    ("GET", "/v1/daemon", Access::Anybody),
    ("GET", "/v1/overview", Access::Anybody),
    ("GET", "/v1/status", Access::Anybody),
    ("GET", "/v1/plan", Access::Anybody),
    ("GET", "/v1/records", Access::Token),
    ("POST", "/v1/outcomes", Access::Token),
    ("POST", "/v1/resolve", Access::Token),
    ("POST", "/v1/settle", Access::Token),
    ("POST", "/v1/forget", Access::Token),
    ("POST", "/v1/gains", Access::Token),
    ("POST", "/v1/auth", Access::SocketOnly),
];

impl Refusal {
    pub fn new(status: u16, kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { status, problem: Problem { kind, message: message.into(), hint: None }, allow: None }
    }

    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.problem.hint = Some(hint.into());
        self
    }

    fn garbled(message: impl Into<String>) -> Self {
        Self::new(400, ErrorKind::Garbled, message)
    }

    fn method(allow: &'static str) -> Self {
        let message = format!("this is asked for with {allow}");
        Self { allow: Some(allow), ..Self::new(405, ErrorKind::Garbled, message) }
    }
}

/// The document of a refusal or a problem.
pub fn error_document(problem: &Problem) -> Value {
    json!({ "error": problem })
}

/// The status of HTTP that says the same as a problem.
pub fn status_of(kind: ErrorKind) -> u16 {
    match kind {
        ErrorKind::Garbled => 400,
        ErrorKind::Forbidden => 403,
        ErrorKind::Unknown => 404,
        ErrorKind::WrongState => 409,
        ErrorKind::Store => 500,
        ErrorKind::NotReady => 503,
    }
}

/// Routes that change something, and the question that each becomes.
const WRITES: &[(&str, &str)] = &[
    ("/v1/resolve", "resolve"),
    ("/v1/auth", "auth"),
    ("/v1/settle", "settle"),
    ("/v1/forget", "forget"),
    ("/v1/gains", "gain"),
];
const OUTCOMES: &str = "/v1/outcomes";

/// Finds what a request asks for.
///
/// # Errors
/// There is nothing at that address, or what is asked cannot be read.
pub fn route(request: &Request) -> Result<Route, Refusal> {
    let (path, query) = request.target.split_once('?').unwrap_or((request.target, ""));
    let write = WRITES.iter().find(|(at, _)| *at == path);
    if let Some((_, question)) = write {
        if request.method != "POST" {
            return Err(Refusal::method("POST"));
        }
        return Ok(Route::Ask(written(question, request.body)?));
    }
    if path == OUTCOMES {
        if request.method != "POST" {
            return Err(Refusal::method("POST"));
        }
        let unknown_posts = match pairs(query, &["unknown_posts"])?.first() {
            None => false,
            Some((_, word)) if word == "refuse" => false,
            Some((_, word)) if word == "keep" => true,
            Some(_) => return Err(Refusal::garbled("unknown_posts is keep or refuse")),
        };
        return Ok(Route::Outcomes { body: read_body(request.body)?, unknown_posts });
    }
    let read = match path {
        "/" => Route::Page,
        "/favicon.ico" => Route::Icon,
        "/healthz" => Route::Health,
        "/metrics" => Route::Metrics,
        "/v1/daemon" => Route::Ask(Question::Ping),
        "/v1/overview" => Route::Ask(Question::Overview),
        "/v1/status" => Route::Ask(Question::Status { which: asked_for(query)? }),
        "/v1/plan" => Route::Ask(Question::Plan { days: days(query)? }),
        "/v1/records" => Route::Records,
        _ => {
            let message = format!("there is nothing at {}", escape(&cut(path)));
            return Err(
                Refusal::new(404, ErrorKind::Unknown, message).with_hint("docs/control-api.md lists what there is")
            );
        }
    };
    // A look at the heads only is as good.
    if matches!(request.method, "GET" | "HEAD") { Ok(read) } else { Err(Refusal::method("GET, HEAD")) }
}

fn cut(path: &str) -> Cow<'_, str> {
    match path.char_indices().nth(100) {
        Some((end, _)) => format!("{}…", &path[..end]).into(),
        None => path.into(),
    }
}

fn read_body(body: &[u8]) -> Result<Value, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::garbled(format!("the body is no JSON: {error}")))
}

/// The question that a body is for a route.
fn written(question: &str, body: &[u8]) -> Result<Question, Refusal> {
    let Value::Object(mut fields) = read_body(body)? else {
        return Err(Refusal::garbled("the body is no JSON object"));
    };
    fields.insert("question".into(), question.into());
    serde_json::from_value(Value::Object(fields)).map_err(|error| match question {
        // What serde says may quote a token.
        "auth" => Refusal::garbled("the body cannot be read"),
        _ => Refusal::garbled(format!("the body cannot be read: {error}")),
    })
}

/// A name and its value.
type Pair<'q> = (Cow<'q, str>, Cow<'q, str>);

/// The pairs of a query, each at most once and with a name that is known.
fn pairs<'q>(query: &'q str, known: &[&str]) -> Result<Vec<Pair<'q>>, Refusal> {
    let pairs: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).collect();
    for (nth, (name, _)) in pairs.iter().enumerate() {
        if !known.contains(&name.as_ref()) {
            let name = escape(name).to_string();
            return Err(Refusal::garbled(format!("there is no parameter {name}: there is {}", known.join(", "))));
        }
        if pairs[..nth].iter().any(|(other, _)| other == name) {
            return Err(Refusal::garbled(format!("{name} is given twice")));
        }
    }
    Ok(pairs)
}

fn asked_for(query: &str) -> Result<Option<Which>, Refusal> {
    let wrong = |error: IdError| Refusal::garbled(error.to_string());
    match pairs(query, &["of"])?.first() {
        None => Ok(None),
        Some((_, which)) => which.parse().map(Some).map_err(wrong),
    }
}

fn days(query: &str) -> Result<u32, Refusal> {
    let pairs = pairs(query, &["days"])?;
    let Some((_, text)) = pairs.first() else { return Ok(DAYS_AHEAD) };
    let days = text.parse().ok().filter(|days| (1..=DAYS).contains(days));
    days.ok_or_else(|| Refusal::garbled(format!("days is a number from 1 to {DAYS}")))
}

/// A request that is yet to be sent. Its body may hold tokens.
#[derive(Clone, PartialEq, Eq)]
pub struct Asked {
    pub method: &'static str,
    pub target: String,
    /// `None` where nothing is sent.
    pub body: Option<Vec<u8>>,
}

/// The request that asks a question.
///
/// # Errors
/// None for the questions of this room; the signature is serde_json's.
pub fn ask(question: &Question) -> Result<Asked, serde_json::Error> {
    let get = |target: String| Asked { method: "GET", target, body: None };
    Ok(match question {
        Question::Ping => get("/v1/daemon".into()),
        Question::Overview => get("/v1/overview".into()),
        Question::Status { which: None } => get("/v1/status".into()),
        Question::Status { which: Some(which) } => get(format!("/v1/status?of={which}")),
        Question::Plan { days } => get(format!("/v1/plan?days={days}")),
        _ => {
            let mut fields = match serde_json::to_value(question)? {
                Value::Object(fields) => fields,
                _ => Map::new(),
            };
            let name = fields.remove("question");
            let name = name.as_ref().and_then(Value::as_str).unwrap_or_default();
            let target = WRITES.iter().find(|(_, question)| *question == name).map_or("/v1", |(at, _)| at);
            Asked { method: "POST", target: target.into(), body: Some(serde_json::to_vec(&fields)?) }
        }
    })
}

/// The document of an answer, written to where it goes.
///
/// # Errors
/// It cannot be written.
pub fn write_answer(answer: &Answer, to: impl std::io::Write) -> serde_json::Result<()> {
    fn put(to: impl std::io::Write, value: &impl Serialize) -> serde_json::Result<()> {
        serde_json::to_writer(to, value)
    }
    match answer {
        Answer::Pong(daemon) => put(to, daemon),
        Answer::Overview(overview) => put(to, overview),
        Answer::Status(status) => put(to, status),
        Answer::Plan(lines) => put(to, lines),
        Answer::Resolved(resolved) => put(to, resolved),
        Answer::Kept(account) => put(to, &json!({ "account": account })),
        Answer::Remembered => put(to, &json!({ "remembered": true })),
        Answer::Gained(taken) => put(to, &json!({ "taken": taken })),
        Answer::Error(problem) => put(to, &error_document(problem)),
    }
}

/// The answer that a document is to a question.
///
/// # Errors
/// It is another document, or it broke off.
pub fn read_answer(question: &Question, failed: bool, from: impl std::io::Read) -> serde_json::Result<Answer> {
    fn take<T: DeserializeOwned>(from: impl std::io::Read) -> serde_json::Result<T> {
        serde_json::from_reader(from)
    }
    fn field<T: DeserializeOwned>(from: impl std::io::Read, name: &str) -> serde_json::Result<T> {
        let mut document: Map<String, Value> = take(from)?;
        serde_json::from_value(document.remove(name).unwrap_or_default())
    }
    if failed {
        return field(from, "error").map(Answer::Error);
    }
    Ok(match question {
        Question::Ping => Answer::Pong(take(from)?),
        Question::Overview => Answer::Overview(take(from)?),
        Question::Status { .. } => Answer::Status(take(from)?),
        Question::Plan { .. } => Answer::Plan(take(from)?),
        Question::Resolve { .. } => Answer::Resolved(take(from)?),
        Question::Auth { .. } => Answer::Kept(field(from, "account")?),
        Question::Settle { .. } | Question::Forget { .. } => {
            let _: Map<String, Value> = take(from)?;
            Answer::Remembered
        }
        Question::Gain { .. } => Answer::Gained(field(from, "taken")?),
    })
}

#[cfg(test)]
mod tests {
    use super::super::protocol::{DaemonReport, Decision, Taken, Tokens};
    use super::*;

    fn request<'r>(method: &'r str, target: &'r str, body: &'r str) -> Request<'r> {
        Request { method, target, body: body.as_bytes() }
    }

    fn questions() -> Vec<Question> {
        let resolve = Question::Resolve {
            delivery: "a@fedi".parse().unwrap(),
            decision: Decision::Delivered { url: "https://x.example/1".into() },
            by: "me".into(),
        };
        let auth = Question::Auth {
            account: "fedi".parse().unwrap(),
            tokens: Tokens(json!({"refresh": "canary"})),
            origin: None,
        };
        let settle = Question::Settle { account: "fedi".parse().unwrap(), ids: vec!["1/2".into()], by: "me".into() };
        let forget = Question::Forget { person: "mastodon:https://x.example/@a".parse().unwrap() };
        let gain = json!({"key": "order-1", "at": "2026-12-01T08:00:00Z", "kind": "revenue", "post": "a",
            "money": {"micros": 120_500_000, "currency": "EUR"}});
        let gains = vec![serde_json::from_value(gain).unwrap()];
        vec![
            Question::Ping,
            Question::Status { which: None },
            Question::Status { which: Some("a".parse().unwrap()) },
            Question::Status { which: Some("a@fedi".parse().unwrap()) },
            Question::Plan { days: 14 },
            Question::Overview,
            resolve,
            auth,
            settle,
            forget,
            Question::Gain { gains, unknown_posts: true },
        ]
    }

    #[test]
    fn what_a_command_asks_is_what_the_daemon_reads() {
        for question in questions() {
            let asked = ask(&question).unwrap();
            let body = asked.body.unwrap_or_default();
            let request = Request { method: asked.method, target: &asked.target, body: &body };
            assert_eq!(route(&request), Ok(Route::Ask(question)), "{}", asked.target);
        }
        let auth = &questions()[7];
        assert!(!format!("{auth:?}").contains("canary"));
    }

    #[test]
    fn an_answer_reads_back_as_it_was_written() {
        let daemon = DaemonReport { running: true, pid: Some(7), version: "0.1.0".into() };
        let problem = Problem { kind: ErrorKind::Store, message: "failed to read".into(), hint: Some("wait".into()) };
        let asked = questions();
        for (question, answer) in [
            (&asked[0], Answer::Pong(daemon)),
            (&asked[4], Answer::Plan(vec![])),
            (&asked[7], Answer::Kept("fedi".parse().unwrap())),
            (&asked[8], Answer::Remembered),
            (&asked[10], Answer::Gained(vec![Taken::New, Taken::UnknownPost { nearest: None }])),
            (&asked[10], Answer::Error(problem)),
        ] {
            let mut document = Vec::new();
            write_answer(&answer, &mut document).unwrap();
            let failed = matches!(answer, Answer::Error(_));
            assert_eq!(read_answer(question, failed, document.as_slice()).unwrap(), answer);
            let half = &document[..document.len() - 1];
            assert!(read_answer(question, failed, half).is_err(), "half an answer is none");
        }
    }

    #[test]
    fn what_is_no_question_is_refused_with_its_reason() {
        for (method, target, body, status, reason) in [
            ("GET", "/v2/status", "", 404, "nothing at /v2/status"),
            ("GET", "/v1/status/", "", 404, "nothing at"),
            ("POST", "/v1/status", "", 405, "GET"),
            ("DELETE", "/", "", 405, "GET"),
            ("GET", "/v1/resolve", "", 405, "POST"),
            ("GET", "/v1/outcomes", "", 405, "POST"),
            ("GET", "/v1/status?of=A%20B", "", 400, "an id starts with"),
            ("GET", "/v1/status?which=a", "", 400, "no parameter which: there is of"),
            ("GET", "/v1/status?of=a&of=b", "", 400, "given twice"),
            ("GET", "/v1/plan?days=0", "", 400, "1 to 3660"),
            ("GET", "/v1/plan?days=x", "", 400, "1 to 3660"),
            ("POST", "/v1/resolve", "", 400, "no JSON"),
            ("POST", "/v1/resolve", "[]", 400, "no JSON object"),
            (
                "POST",
                "/v1/resolve",
                r#"{"delivery":"A B","decision":"retry","by":"x"}"#,
                400,
                "the body cannot be read",
            ),
            ("POST", "/v1/resolve", r#"{"delivery":"a@b","decision":"retry","by":"x","more":1}"#, 400, "more"),
            ("POST", "/v1/outcomes?unknown_posts=maybe", "{}", 400, "keep or refuse"),
        ] {
            let refusal = route(&request(method, target, body)).unwrap_err();
            assert_eq!(refusal.status, status, "{method} {target} {body}: {refusal:?}");
            assert!(refusal.problem.message.contains(reason), "{method} {target} {body}: {refusal:?}");
            assert_eq!(refusal.allow.is_some(), status == 405, "{refusal:?}");
        }
        let auth = route(&request("POST", "/v1/auth", r#"{"account":"a","tokens":{},"canary":"canary"}"#)).unwrap_err();
        assert!(!format!("{auth:?}").contains("canary"), "{auth:?}");
        assert_eq!(route(&request("HEAD", "/healthz", "")), Ok(Route::Health));
        assert_eq!(route(&request("GET", "/v1/plan", "")), Ok(Route::Ask(Question::Plan { days: DAYS_AHEAD })));
    }

    #[test]
    fn over_tcp_nothing_is_changed_or_taken_out_without_the_token() {
        let door = Door { token: Some("right"), allow_remote: false };
        let status = |access, authorization, host| {
            let caller = Caller { authorization, host, site: None };
            door.admit(access, &caller).map_or_else(|refusal| refusal.status, |()| 200)
        };
        let here = Some("127.0.0.1:8321");
        assert_eq!(status(Access::Anybody, None, here), 200);
        assert_eq!(status(Access::Token, None, here), 401);
        for (given, told) in [
            ("Bearer right", 200),
            ("bearer  right", 200),
            ("Bearer wrong", 401),
            ("Bearer righ", 401),
            ("Bearer right2", 401),
            ("Bearer ", 401),
            ("Basic right", 401),
            ("right", 401),
        ] {
            assert_eq!(status(Access::Token, Some(given), here), told, "{given}");
            assert_eq!(status(Access::SocketOnly, Some(given), here), 403, "{given}");
        }
        for (token, told) in [(None, 403), (Some(""), 401)] {
            let caller = Caller { authorization: Some("Bearer "), host: here, site: None };
            let refusal = Door { token, ..door }.admit(Access::Token, &caller).unwrap_err();
            assert_eq!(refusal.status, told);
        }
    }

    #[test]
    fn only_what_changes_nothing_and_names_nobody_is_open() {
        for question in questions() {
            let asked = ask(&question).unwrap();
            let found = access(&asked.target).unwrap();
            assert_eq!(found == Access::Anybody, asked.method == "GET", "{}", asked.target);
            assert_eq!(found == Access::SocketOnly, matches!(question, Question::Auth { .. }));
        }
        assert_eq!(access("/v1/records"), Some(Access::Token));
        assert_eq!(access("/v1/outcomes?unknown_posts=keep"), Some(Access::Token));
        assert_eq!(access("/v1/nothing"), None);
    }

    #[test]
    fn a_name_that_was_pointed_here_gets_no_answer() {
        let admit = |host, allow_remote| {
            let caller = Caller { authorization: Some("Bearer right"), host, site: None };
            Door { token: Some("right"), allow_remote }.open_to(&caller).is_ok()
        };
        for host in
            ["localhost", "localhost:8321", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:8321", "127.9.9.9:1", "[::1]:8321"]
        {
            assert!(admit(Some(host), false), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:8321",
            "127.0.0.1.evil.example",
            "localhost.evil.example:1",
            "10.0.0.1",
            "localhost/x",
            "x@localhost/",
            "",
        ] {
            assert!(!admit(Some(host), false), "{host}");
            assert!(admit(Some(host), true), "{host}");
        }
        assert!(!admit(None, false));
        for (site, open) in [("cross-site", false), ("same-origin", true), ("none", true), ("same-site", true)] {
            let caller = Caller { authorization: None, host: Some("localhost"), site: Some(site) };
            let door = Door { token: None, allow_remote: true };
            assert_eq!(door.open_to(&caller).is_ok(), open, "{site}");
        }
    }

    #[test]
    fn every_route_is_there_and_no_other() {
        for (method, path, _) in ROUTES {
            let refused = route(&request(method, path, "{}")).err().map(|refusal| refusal.status);
            assert!([None, Some(400)].contains(&refused), "{method} {path}: {refused:?}");
        }
        let written: Vec<_> = WRITES.iter().map(|(path, _)| *path).collect();
        assert!(written.iter().all(|path| ROUTES.iter().any(|(method, at, _)| (*method, at) == ("POST", path))));
    }
}
