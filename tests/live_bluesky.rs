//! Bluesky against a real personal data server on this machine.
//!
//! They run where `CADENCED_LIVE_BLUESKY` names the JSON file that tells about a running network: `service`,
//! `accounts.brand` and `accounts.fan` with `handle`, `did` and `appPassword`, `accessTtlSeconds`, `rateLimits`.
//! Elsewhere they say so and pass.

#[path = "support/bluesky.rs"]
mod support;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cadenced::domain::{Checkpoint, Secret, Timestamp};
use cadenced::platform::bluesky::syntax;
use cadenced::platform::bluesky::twin::content_address;
use cadenced::platform::contract::{
    Adapter, Body, Call, Effect, HttpReply, Job, Method, Purpose, Reading, Reply, Request, Secrets, Step,
};
use serde_json::{Value, json};
use support::{Driver, End, Fate, Network, Scenario, request, scenarios, skipped};
use url::Url;

/// The running network, and everything that was asked of it.
struct Live {
    kit: Value,
    log: Vec<(Step, HttpReply)>,
    /// One test at a time: they count what is on one account.
    _turn: MutexGuard<'static, ()>,
}

static TURN: Mutex<()> = Mutex::new(());

impl Live {
    fn find(test: &str) -> Option<Self> {
        let Some(file) = std::env::var_os("CADENCED_LIVE_BLUESKY") else {
            skipped(test, "CADENCED_LIVE_BLUESKY names no running network");
            return None;
        };
        let text = std::fs::read_to_string(&file).expect("CADENCED_LIVE_BLUESKY names a file");
        let kit = serde_json::from_str(&text).expect("the file is JSON");
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        Some(Self { kit, log: Vec::new(), _turn: turn })
    }

    fn told(&self, pointer: &str) -> &str {
        self.kit.pointer(pointer).and_then(Value::as_str).expect("the network tells it")
    }

    fn adapter(&self, account: &str) -> (Arc<dyn Adapter>, Secrets) {
        let text = |key: &str| self.told(&format!("/accounts/{account}/{key}"));
        let password = toml::Table::from_iter([("env".to_owned(), "UNUSED".into())]);
        let table = toml::Table::from_iter([
            ("service".into(), self.told("/service").into()),
            ("handle".into(), text("handle").into()),
            ("password".into(), toml::Value::Table(password)),
        ]);
        let secret = Secret::new(text("appPassword"));
        (support::adapter(table), Secrets(BTreeMap::from([("password".into(), secret)])))
    }

    fn did(&self, account: &str) -> String {
        self.told(&format!("/accounts/{account}/did")).to_owned()
    }

    /// Asks the server itself, past the adapter.
    fn get(&self, method: &str, query: &[(&str, &str)]) -> Value {
        let mut url = Url::parse(self.told("/service")).expect("a URL");
        url.set_path(&format!("/xrpc/{method}"));
        url.query_pairs_mut().extend_pairs(query);
        let reply = exchange(&Request { method: Method::Get, url, headers: vec![], body: Body::default() });
        assert_eq!(reply.status, 200, "{method}: {}", String::from_utf8_lossy(&reply.body));
        reply.value().expect("replies are JSON")
    }

    fn parts(&self, driver: &Driver<'_>) -> Vec<(String, String, Value)> {
        let record = |(uri, cid): (String, String)| {
            let at = syntax::PostAddress::parse(&uri).expect("an address");
            let query = [("repo", at.repo.as_str()), ("collection", syntax::POSTS), ("rkey", &at.rkey)];
            let held = self.get("com.atproto.repo.getRecord", &query);
            assert_eq!(held["cid"], cid, "{uri}");
            // What the imitation would have called it.
            assert_eq!(content_address(&held["value"]).as_ref(), Some(&cid), "{uri}");
            (uri, cid, held["value"].clone())
        };
        driver.parts().into_iter().map(record).collect()
    }

    /// How many posts an account has made since `key`.
    fn count_since(&self, account: &str, key: &str) -> usize {
        let query =
            [("repo", self.told(&format!("/accounts/{account}/did"))), ("collection", syntax::POSTS), ("limit", "100")];
        let list = self.get("com.atproto.repo.listRecords", &query);
        let keys = list["records"].as_array().into_iter().flatten().filter_map(|record| record["uri"].as_str());
        keys.filter(|uri| uri.rsplit('/').next().is_some_and(|held| held >= key)).count()
    }

    fn job(&self, adapter: &dyn Adapter, scenario: &Scenario, fan_post: &str) -> Job {
        let content = scenario.content(fan_post);
        let media = scenario.media(&content);
        let now = self.now();
        support::job(adapter, scenario.name, content, media, now, now.as_microsecond().unsigned_abs())
    }
}

impl Network for Live {
    #[expect(clippy::disallowed_methods, reason = "a real server measures real time")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn call(&mut self, step: &Step) -> Reply {
        let reply = exchange(request(step));
        self.log.push((step.clone(), reply.clone()));
        Reply::Http(reply)
    }
}

/// One request over a connection of its own.
fn exchange(request: &Request) -> HttpReply {
    let Request { method, url, headers, body } = request;
    let host = format!("{}:{}", url.host_str().expect("a host"), url.port_or_known_default().expect("a port"));
    let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut head = format!("{} {}{query} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n", method.name(), url.path());
    head += "user-agent: cadenced-test\r\n";
    for (name, value) in headers {
        head += &format!("{name}: {}\r\n", value.expose());
    }
    if let Some(mime) = &body.mime {
        head += &format!("content-type: {mime}\r\n");
    }
    if *method != Method::Get {
        head += &format!("content-length: {}\r\n", body.len());
    }
    let mut stream = TcpStream::connect(&host).expect("the server is up");
    stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout can be set");
    stream.write_all(format!("{head}\r\n").as_bytes()).expect("the head is sent");
    // A server that refuses early may have hung up by now; its reply is there all the same.
    let _ = stream.write_all(&body.concat());
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").expect("a reply has a head");
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status");
    let header = |line: &str| line.split_once(':').map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()));
    let mut reply = HttpReply { status, headers: lines.filter_map(header).collect(), body: vec![], cut: false };
    let body = &bytes[end + 4..];
    reply.body = if reply.header("transfer-encoding") == Some("chunked") { unchunk(body) } else { body.into() };
    reply
}

fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = String::from_utf8_lossy(&rest[..end]);
        let size = usize::from_str_radix(size.trim(), 16).expect("a chunk's size");
        let data = &rest[end + 2..];
        if size == 0 {
            break;
        }
        body.extend(&data[..size]);
        rest = &data[size + 2..];
    }
    body
}

fn arrives(_: usize, _: &Step) -> Fate {
    Fate::Arrives
}

/// A post of the fan's, to answer.
fn fan_post(live: &mut Live) -> (String, Value) {
    let (adapter, secrets) = live.adapter("fan");
    let scenario = Scenario { name: "fan asks", text: "Who starts small?".into(), ..Scenario::default() };
    let job = live.job(&*adapter, &scenario, "");
    let mut driver = Driver::new(&*adapter, secrets);
    let remote = driver.publish(&job, live);
    let (uri, cid) = driver.parts().remove(0);
    (remote.url.expect("a post has an address"), json!({"uri": uri, "cid": cid}))
}

#[test]
fn each_scenario_becomes_what_it_should_though_every_publication_is_repeated() {
    let Some(mut live) = Live::find("each_scenario_becomes_what_it_should_though_every_publication_is_repeated") else {
        return;
    };
    let (adapter, secrets) = live.adapter("brand");
    let (fan_url, fan_ref) = fan_post(&mut live);
    let mut driver = Driver::new(&*adapter, secrets);
    let mut posts = 0;
    let mut first = None;
    for scenario in scenarios() {
        let job = live.job(&*adapter, &scenario, &fan_url);
        assert_eq!(adapter.check(&job.content, &driver.session), [], "{}", scenario.name);
        first.get_or_insert_with(|| job.frozen["rkeys"][0].as_str().unwrap_or_default().to_owned());
        driver.done.clear();
        let look = driver.run(&job, Purpose::LookBack, &mut live, &mut arrives);
        assert!(matches!(look, End::Reading(Reading::Absent)), "{}: {look:?}", scenario.name);
        // The first reply to every step that changes something is lost.
        let mut lost = std::collections::BTreeSet::new();
        let end = driver.run(&job, Purpose::Publish, &mut live, &mut |_, step| {
            if step.effect == Effect::Harmless || !lost.insert(step.name.clone()) { Fate::Arrives } else { Fate::Lost }
        });
        assert!(matches!(end, End::Done(_)), "{}: {end:?}", scenario.name);
        let answered = scenario.answers_fan.then_some(&fan_ref);
        scenario.verify(&live.parts(&driver), &live.did("fan"), answered);
        posts += scenario.records.len();
        // And the last part is found where its reply never came.
        let last = driver.done.pop().expect("it was published");
        let look = driver.run(&job, Purpose::LookBack, &mut live, &mut arrives);
        let End::Reading(Reading::Found(found)) = look else { panic!("{}: {look:?}", scenario.name) };
        assert_eq!(found, last.data, "{}", scenario.name);
    }
    assert_eq!(live.count_since("brand", &first.expect("there are scenarios")), posts);
    let logins = live.log.iter().filter(|(step, _)| step.name == "session-create").count();
    // One of the fan's.
    assert_eq!(logins, 2);
    if live.kit["rateLimits"] != false {
        let (_, put) = live.log.iter().rfind(|(step, _)| step.name.starts_with("publish")).expect("one was sent");
        let pace = adapter.pace(&Reply::Http(put.clone()), live.now()).expect("the server tells");
        assert!(pace.remaining > 0 && pace.reset > live.now(), "{pace:?}");
    }
}

#[test]
fn expired_and_garbled_tokens_are_replaced() {
    let Some(mut live) = Live::find("expired_and_garbled_tokens_are_replaced") else { return };
    let (adapter, secrets) = live.adapter("brand");
    let mut driver = Driver::new(&*adapter, secrets);
    let mut attempts = 0..;
    let mut publish = |live: &mut Live, change: &dyn Fn(&mut Driver<'_>)| {
        let scenario = Scenario { name: "a session", text: "Still here".into(), ..Scenario::default() };
        let attempt = attempts.next().unwrap_or_default();
        let job = Job { attempt, ..live.job(&*adapter, &scenario, "") };
        change(&mut driver);
        live.log.clear();
        driver.publish(&job, live);
        live.log.iter().map(|(step, reply)| format!("{} {}", step.name, reply.status)).collect::<Vec<_>>()
    };
    assert_eq!(publish(&mut live, &|_| {}), ["session-create 200", "publish-0 200"]);
    let set = |key: &'static str, value: Value| {
        move |driver: &mut Driver<'_>| drop(driver.session.values.insert(key.into(), value.clone()))
    };
    let refreshed = ["publish-0 400", "session-refresh 200", "publish-0 200"];
    assert_eq!(publish(&mut live, &set("access", json!("eyJ.garbled.token"))), refreshed);
    // As if it had lived its whole life but for a moment.
    assert_eq!(publish(&mut live, &set("issued_ms", json!(0))), ["session-refresh 200", "publish-0 200"]);
    let again = ["session-refresh 400", "session-create 200", "publish-0 200"];
    assert_eq!(
        publish(&mut live, &|driver| {
            set("issued_ms", json!(0))(driver);
            set("refresh", json!("eyJ.garbled.token"))(driver);
        }),
        again
    );

    let life = live.kit["accessTtlSeconds"].as_u64().unwrap_or(u64::MAX);
    if life > 10 {
        return skipped("expired_and_garbled_tokens_are_replaced (by themselves)", "access tokens live too long here");
    }
    // A token that does not tell its life is used until the server refuses it.
    pause(Duration::from_secs(life + 1));
    let untold = |driver: &mut Driver<'_>| drop(driver.session.values.remove("life_ms"));
    assert_eq!(publish(&mut live, &untold), refreshed);
    // One that does is replaced before.
    pause(Duration::from_secs(life + 1));
    assert_eq!(publish(&mut live, &|_| {}), ["session-refresh 200", "publish-0 200"]);
}

#[expect(clippy::disallowed_methods, reason = "tokens of a real server expire by real time")]
fn pause(span: Duration) {
    std::thread::sleep(span);
}

#[test]
fn the_troubles_of_a_real_server_are_told_apart() {
    let Some(mut live) = Live::find("the_troubles_of_a_real_server_are_told_apart") else { return };
    let (adapter, secrets) = live.adapter("brand");
    let images = scenarios().into_iter().find(|scenario| scenario.name == "images").expect("it is one");

    // A wrong password.
    let wrong = Secrets(BTreeMap::from([("password".into(), Secret::new("not-the-password"))]));
    let job = live.job(&*adapter, &images, "");
    let end = Driver::new(&*adapter, wrong).run(&job, Purpose::Publish, &mut live, &mut arrives);
    assert!(matches!(&end, End::Reading(Reading::Auth { why }) if why.contains("Invalid identifier")), "{end:?}");

    // Uploads that the server has never seen, or has forgotten.
    let job = live.job(&*adapter, &images, "");
    let mut driver = Driver::new(&*adapter, secrets.clone());
    let link = "bafkreiccldh766hwcnuxnf2wh6jgzepf2nlu2lvcllt63eww5p6chi4ity";
    for place in 0..2 {
        let data = json!({"$type": "blob", "ref": {"$link": link}, "mimeType": "image/png", "size": 10000});
        driver.done.push(Checkpoint { step: format!("upload-{place}"), data });
    }
    let end = driver.run(&job, Purpose::Publish, &mut live, &mut arrives);
    assert!(matches!(end, End::Done(_)), "{end:?}");
    let statuses: Vec<_> =
        live.log.iter().filter(|(step, _)| step.name == "publish-0").map(|(_, reply)| reply.status).collect();
    assert_eq!(statuses, [400, 200]);
    images.verify(&live.parts(&driver), "", None);

    // Another post under the same key.
    let mut other = job.clone();
    other.content.text = "Something else".into();
    driver.done.clear();
    let end = driver.run(&other, Purpose::Publish, &mut live, &mut arrives);
    assert!(matches!(end, End::Reading(Reading::AlreadyThere { .. })), "{end:?}");
    let end = driver.run(&other, Purpose::LookBack, &mut live, &mut arrives);
    assert!(matches!(end, End::Reading(Reading::Refused { .. })), "{end:?}");

    // What the server counts and we count the same way.
    for (text, complaint) in
        [("🇩🇪".repeat(301), "grapheme"), ("👨‍👩‍👧‍👧".repeat(121), "string"), ("a\r\n".repeat(151), "grapheme")]
    {
        let scenario = Scenario { name: "too long", text, ..Scenario::default() };
        let job = live.job(&*adapter, &scenario, "");
        assert_eq!(adapter.check(&job.content, &driver.session).len(), 1);
        driver.done.clear();
        let end = driver.run(&job, Purpose::Publish, &mut live, &mut arrives);
        assert!(matches!(&end, End::Reading(Reading::Refused { why }) if why.contains(complaint)), "{end:?}");
    }

    // Nobody there to be answered.
    let scenario = Scenario { name: "no answer", text: "Hello?".into(), answers_fan: true, ..Scenario::default() };
    for address in
        ["https://bsky.app/profile/fan.test/post/3kfanpost2222", "at://nobody.test/app.bsky.feed.post/3kfanpost2222"]
    {
        let job = live.job(&*adapter, &scenario, address);
        driver.done.clear();
        let end = driver.run(&job, Purpose::Publish, &mut live, &mut arrives);
        let refused = format!("{end:?}");
        assert!(refused.contains("Refuse") && driver.parts().is_empty(), "{refused}");
    }

    // Without its token an upload is refused, and nothing but a login follows.
    let Call::Http(upload) = &live.log.iter().find(|(step, _)| step.name == "upload-0").expect("one was sent").0.call
    else {
        panic!("not by HTTP")
    };
    let bare = Request { headers: vec![], ..upload.clone() };
    assert_eq!(exchange(&bare).status, 401);
}
