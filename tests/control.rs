//! Asking the daemon over its socket and over TCP: who may do what, and what comes back.

#![cfg(test)]

mod support {
    pub mod house;
}

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;

use cadenced::control::requests::ROUTES;
use rustix::process::Signal;
use serde_json::{Value, json};
use support::house::{Daemon, House, eventually};

/// The site, with a slot at nine: nothing goes out while a test looks.
const SITE: &str = r#"
[accounts.site]
platform = "site"
path = "site"
base_url = "https://example.org/notes"
title = "Notes"
slots = ["0 9 * * *"]
"#;

const QUEUE: &str = r#"
[[post]]
id = "desk-story"
to = ["site"]
audience = "founders"
goal = "connection"
text = "A desk"
at = 2099-01-01T09:00:00Z
[[post]]
id = "first"
to = ["site"]
audience = "founders"
goal = "connection"
text = "The first"
at = 2020-01-01T09:00:00Z
"#;
const TOKEN: &str = "control-token-canary-of-some-length";

fn house() -> House {
    let house = House::with(SITE, |rules| {
        rules.replace("[control]\n", "[control]\nlisten = \"127.0.0.1:0\"\ntoken = { file = \"token\" }\n")
    });
    house.queue("posts.toml", QUEUE);
    set_token(&house, TOKEN);
    house
}

fn set_token(house: &House, token: &str) {
    let path = house.path("token");
    std::fs::write(&path, token).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// A daemon that listens.
struct Asked {
    daemon: Daemon,
    address: String,
}

impl Asked {
    /// Its one post that has missed its time is on record as such.
    fn of(house: &House) -> Self {
        let mut daemon = house.start(&[]);
        let address = daemon.event("control.listening")["address"].as_str().unwrap().to_owned();
        daemon.event("daemon.ready");
        Self { daemon, address }
    }

    /// Asks over TCP: status, head and body of the answer.
    fn ask(&self, method: &str, target: &str, headers: &[&str], body: &str) -> (u16, String, String) {
        let host = format!("Host: {}", self.address);
        let headers = [&[host.as_str()], headers].concat();
        exchange(TcpStream::connect(&self.address).unwrap(), method, target, &headers, body)
    }

    fn get(&self, target: &str) -> (u16, String, String) {
        self.ask("GET", target, &[], "")
    }

    fn post(&self, target: &str, token: &str, body: &Value) -> (u16, Value) {
        let bearer = format!("Authorization: Bearer {token}");
        let (status, _, text) = self.ask("POST", target, &[&bearer], &body.to_string());
        (status, serde_json::from_str(&text).unwrap_or(json!(text)))
    }

    fn stop(mut self) -> Daemon {
        assert_eq!(self.daemon.stop().code(), 0);
        self.daemon
    }
}

fn exchange(
    mut stream: impl Write + Read,
    method: &str,
    target: &str,
    headers: &[&str],
    body: &str,
) -> (u16, String, String) {
    let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
    let length = body.len();
    let request =
        format!("{method} {target} HTTP/1.1\r\n{headers}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status =
        head.get(9..12).and_then(|status| status.parse().ok()).unwrap_or_else(|| panic!("no answer: {answer}"));
    let body =
        if head.to_lowercase().contains("transfer-encoding: chunked") { unchunked(body) } else { body.to_owned() };
    (status, head.to_lowercase(), body)
}

fn unchunked(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).expect("the size of a piece");
        whole.push_str(&rest[..size]);
        body = &rest[size + 2..];
    }
    whole
}

#[test]
fn a_browser_a_monitor_and_a_program_see_the_same() {
    let house = house();
    let daemon = Asked::of(&house);
    let (status, head, page) = daemon.get("/");
    assert_eq!(status, 200, "{page}");
    for header in [
        "content-type: text/html; charset=utf-8",
        "content-security-policy: default-src 'none'",
        "x-frame-options: deny",
        "cache-control: no-store",
        "x-content-type-options: nosniff",
    ] {
        assert!(head.contains(header), "{header}: {head}");
    }
    assert!(page.contains("One thing needs a person") && page.contains("first@site"), "{page}");
    assert_eq!(daemon.get("/healthz").2, "ok\n");
    let (status, head, metrics) = daemon.get("/metrics");
    assert!(status == 200 && head.contains("application/openmetrics-text"), "{head}");
    for line in [
        "cadenced_ready 1.0",
        "cadenced_deliveries{account=\"site\",state=\"missed\"} 1.0",
        "cadenced_deliveries{account=\"site\",state=\"scheduled\"} 1.0",
        "cadenced_attention{kind=\"missed\"} 1.0",
    ] {
        assert!(metrics.lines().any(|told| told == line), "{line}: {metrics}");
    }
    let read = |target: &str| -> Value { serde_json::from_str(&daemon.get(target).2).unwrap() };
    let whole = read("/v1/status");
    assert_eq!(whole["deliveries"].as_array().unwrap().len(), 2);
    let told: Value = house.status();
    assert_eq!(told["deliveries"], whole["deliveries"]);
    let one = read("/v1/status?of=first@site");
    assert_eq!(one["deliveries"][0]["history"].as_array().unwrap().last().unwrap()["what"], "missed");
    assert_eq!(read("/v1/overview")["attention"]["first"][0]["kind"], "missed");
    assert_eq!(read("/v1/daemon")["running"], true);
    assert!(read("/v1/plan?days=20").as_array().unwrap().iter().any(|line| line["state"] == "empty"));
    let (status, _, nothing) = daemon.get("/v1/nothing");
    assert_eq!((status, nothing.contains("\"kind\":\"unknown\"")), (404, true), "{nothing}");
    let (status, head, _) = daemon.ask("PUT", "/v1/status", &[], "");
    assert!(status == 405 && head.contains("allow: get"), "{head}");
    daemon.stop();
}

#[test]
fn nothing_is_changed_over_tcp_without_the_token_and_no_other_name_is_answered_to() {
    let house = house();
    let mut daemon = Asked::of(&house);
    let drop_it = json!({"delivery": "first@site", "decision": "drop", "by": "me"});
    assert_eq!(daemon.ask("POST", "/v1/resolve", &[], &drop_it.to_string()).0, 401);
    assert_eq!(daemon.post("/v1/resolve", "wrong", &drop_it).0, 401);
    assert_eq!(daemon.get("/v1/records").0, 401);
    assert_eq!(daemon.ask("POST", "/v1/resolve", &[], "no JSON").0, 401, "what it holds is nobody's business");
    assert_eq!(daemon.post("/v1/auth", TOKEN, &json!({"account": "site", "tokens": {}})).0, 403);
    let (status, _, _) =
        exchange(TcpStream::connect(&daemon.address).unwrap(), "GET", "/", &["Host: evil.example"], "");
    assert_eq!(status, 403);
    let (_, _, overview) = daemon.get("/v1/overview");
    assert!(overview.contains("\"missed\":1"), "{overview}");
    // With it, it is done; the socket needs none.
    let (status, resolved) = daemon.post("/v1/resolve", TOKEN, &drop_it);
    assert_eq!((status, &resolved["after"]), (200, &json!("withdrawn")), "{resolved}");
    assert_eq!(daemon.post("/v1/resolve", TOKEN, &drop_it).0, 409);
    let socket = UnixStream::connect(house.path("c.sock")).unwrap();
    let (status, _, records) = exchange(socket, "GET", "/v1/records", &["Host: localhost"], "");
    let rows: Vec<Value> = records.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(status == 200 && rows.len() > 3, "{records}");
    // Another token is in force after a reload, and only that one.
    set_token(&house, "another-token-of-some-length");
    daemon.daemon.signal(Signal::HUP);
    daemon.daemon.event("config.loaded");
    let again = json!({"key": "form-1", "kind": "lead"});
    eventually("the new token is in force", || daemon.post("/v1/outcomes", TOKEN, &again).0 == 401);
    assert_eq!(daemon.post("/v1/outcomes", TOKEN, &again).0, 401);
    assert!([200, 201].contains(&daemon.post("/v1/outcomes", "another-token-of-some-length", &again).0));
    let log = format!("{:?}", daemon.stop().log);
    assert!(!log.contains(TOKEN) && !log.contains("another-token"), "{log}");
}

#[test]
fn an_outcome_that_is_posted_twice_is_on_record_once() {
    let house = house();
    let daemon = Asked::of(&house);
    let order = json!({"key": "order-17", "kind": "revenue", "amount": "120.50", "currency": "EUR",
        "url": "https://shop.example/thanks?utm_content=desk-story"});
    let (status, told) = daemon.post("/v1/outcomes", TOKEN, &order);
    assert_eq!((status, told), (201, json!({"outcomes": [{"key": "order-17", "taken": "new"}]})));
    assert_eq!(daemon.post("/v1/outcomes", TOKEN, &order).0, 200);
    let bearer = format!("Authorization: Bearer {TOKEN}");
    for expected in [201, 200] {
        let headers = [bearer.as_str(), "Idempotency-Key: form-9"];
        let (status, _, text) = daemon.ask("POST", "/v1/outcomes", &headers, "{\"kind\": \"lead\"}");
        assert_eq!(status, expected, "{text}");
    }
    let foreign = json!({"key": "order-18", "kind": "lead", "post": "desk-stroy"});
    let (status, told) = daemon.post("/v1/outcomes", TOKEN, &foreign);
    assert_eq!((status, &told["outcomes"][0]["taken"]), (422, &json!({"unknown-post": {"nearest": "desk-story"}})));
    assert_eq!(daemon.post("/v1/outcomes?unknown_posts=keep", TOKEN, &foreign).0, 201);
    let mixed =
        json!([order, {"key": "form-9", "kind": "lead"}, {"key": "x", "kind": "lead", "post": "nothing-like-it"}]);
    assert_eq!(daemon.post("/v1/outcomes", TOKEN, &mixed).0, 207);
    let (status, wrong) = daemon.post("/v1/outcomes", TOKEN, &json!([{"key": "a", "kind": "lead"}, {"kind": "gift"}]));
    assert_eq!((status, &wrong["wrong"][0]["outcome"]), (400, &json!(1)), "{wrong}");
    assert_eq!(daemon.post("/v1/outcomes", TOKEN, &json!({"key": "x".repeat(70_000), "kind": "lead"})).0, 413);
    daemon.stop();
    let daemon = Asked::of(&house);
    assert_eq!(daemon.post("/v1/outcomes", TOKEN, &order).0, 200, "it is remembered over a restart");
    daemon.stop();
    let rows = house.run(&["export", "--what", "outcomes"]).out;
    assert_eq!(rows.lines().count(), 3, "{rows}");
}

#[test]
fn what_there_is_none_of_is_not_answered_with_nothing() {
    let house = house();
    let daemon = Asked::of(&house);
    for of in ["nope", "nope@site", "desk-story@nope"] {
        let (status, _, text) = daemon.get(&format!("/v1/status?of={of}"));
        assert_eq!(status, 404, "{of}: {text}");
        assert!(text.contains(&format!("there is no delivery of {of}")), "{text}");
    }
    assert_eq!(daemon.get("/v1/status?of=desk-story").0, 200);
    let settle =
        |account: &str| daemon.post("/v1/settle", TOKEN, &json!({"account": account, "ids": ["1"], "by": "me"}));
    let (status, said) = settle("nope");
    assert_eq!((status, &said["error"]["kind"]), (404, &json!("unknown")), "{said}");
    assert_ne!(settle("site").0, 404);
    daemon.stop();
}

#[test]
fn the_page_about_the_interface_lists_what_there_is() {
    let page = include_str!("../docs/control-api.md");
    let house = house();
    let daemon = Asked::of(&house);
    let row = |line: &str| -> Option<(String, String)> {
        let (method, target) = line.strip_prefix("| `")?.split_once('`')?.0.split_once(' ')?;
        Some((method.to_owned(), target.to_owned()))
    };
    let rows: Vec<_> = page.lines().filter_map(row).collect();
    let path = |target: &str| target.split_once('?').map_or(target, |(path, _)| path).to_owned();
    let listed: BTreeSet<_> = rows.iter().map(|(method, target)| (method.clone(), path(target))).collect();
    let there: BTreeSet<_> =
        ROUTES.iter().map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned())).collect();
    assert_eq!(listed.iter().filter(|(method, _)| method != "HEAD").cloned().collect::<BTreeSet<_>>(), there);
    for (method, path) in listed {
        let (status, _, text) = daemon.ask(&method, &path, &[&format!("Authorization: Bearer {TOKEN}")], "{}");
        assert!(![404, 405, 500].contains(&status), "{method} {path}: {status} {text}");
    }
    let (_, _, metrics) = daemon.get("/metrics");
    let told = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let unlisted: Vec<_> = told.filter(|name| !page.contains(&format!("`{name}"))).collect();
    assert_eq!(unlisted, Vec::<&str>::new());
    daemon.stop();
}
