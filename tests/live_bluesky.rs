//! Bluesky against a real personal data server on this machine: the program itself from its queue folder to the
//! records on the server, and, where every single reply has to be lost, the adapter under a small driver.
//!
//! They run where `CADENCED_LIVE_BLUESKY` names the JSON file that tells about a running network: `service`,
//! `accounts.brand` and `accounts.fan` with `handle`, `did` and `appPassword`, `accessTtlSeconds`, `rateLimits`. What people
//! do with posts is looked at where `appview` names the service that shows posts, too.
//! Elsewhere they say so and pass.

#![cfg(test)]

#[path = "support/between.rs"]
mod between;
#[path = "live_bluesky/people.rs"]
mod people;
#[path = "support/program.rs"]
mod program;
#[path = "support/bluesky.rs"]
mod support;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use between::{Between, Way};
use cadenced::domain::{Checkpoint, Secret, Timestamp};
use cadenced::platform::bluesky::syntax;
use cadenced::platform::bluesky::twin::content_address;
use cadenced::platform::contract::{
    Adapter, Body, Call, Effect, HttpReply, Job, Method, Purpose, Reading, Reply, Request, Secrets, Step,
};
use program::{Program, list, pause, quoted};
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

/// Content id and record by address.
type Posts = BTreeMap<String, (String, Value)>;

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
        let reply =
            exchange(&Request { method: Method::Get, url, secret_path: None, headers: vec![], body: Body::default() });
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

    /// All posts of an account as the server holds them: content id and record by address.
    fn posts(&self, account: &str) -> Posts {
        let did = self.did(account);
        let mut posts = Posts::new();
        let mut cursor = String::new();
        loop {
            let mut query = vec![("repo", did.as_str()), ("collection", syntax::POSTS), ("limit", "100")];
            if !cursor.is_empty() {
                query.push(("cursor", &cursor));
            }
            let page = self.get("com.atproto.repo.listRecords", &query);
            let records = page["records"].as_array().cloned().unwrap_or_default();
            for record in &records {
                let text = |key: &str| record[key].as_str().unwrap_or_default().to_owned();
                posts.insert(text("uri"), (text("cid"), record["value"].clone()));
            }
            match page["cursor"].as_str() {
                Some(next) if !records.is_empty() => cursor = next.to_owned(),
                _ => return posts,
            }
        }
    }

    /// The program, for the account `brand`, by way of `between`.
    fn program(&self, between: &Between, approval: &str) -> Program {
        let handle = self.told("/accounts/brand/handle");
        let password = self.told("/accounts/brand/appPassword");
        let config = format!(
            "[queue]\napproval = \"{approval}\"\n[store]\npath = \"store\"\n[control]\nsocket = \"socket\"\n\
             [log]\nformat = \"json\"\nlevel = \"debug\"\n[policy]\nmax_per_day = 1000\nmin_gap = \"1s\"\n\
             [delivery]\nretry = {{ first = \"1s\", max = \"2s\", tries = 8 }}\n\
             [accounts.bsky]\nplatform = \"bluesky\"\nservice = \"{}\"\nhandle = \"{handle}\"\n\
             password = {{ env = \"BRAND_PASSWORD\" }}\nslots = [\"* * * * * *\"]\n",
            between.url()
        );
        Program::new(&config, &[("BRAND_PASSWORD", password)])
    }

    /// A way to the server that loses things.
    fn between(&self) -> Between {
        let service = Url::parse(self.told("/service")).expect("a URL");
        let (host, port) = (service.host_str().expect("a host"), service.port_or_known_default().expect("a port"));
        Between::new(&format!("{host}:{port}"))
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
    let Request { method, url, headers, body, .. } = request;
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

/// A queue file with one post.
fn queue_file(id: &str, scenario: &Scenario, fan_url: &str) -> String {
    let mut file = format!(
        "[[post]]\nid = {}\nto = [\"bsky\"]\naudience = \"those who test\"\ngoal = \"connection\"\ntext = {}\n",
        quoted(id),
        quoted(&scenario.text)
    );
    let mut add = |line: String| file += &(line + "\n");
    // A queue file takes no spaces in an address.
    let link = scenario.link.map(|link| link.replace(' ', "%20"));
    let lines = [("link", link.as_deref()), ("lang", scenario.lang), ("warning", scenario.warning)];
    for (key, text) in lines {
        text.into_iter().for_each(|text| add(format!("{key} = {}", quoted(text))));
    }
    if !scenario.tags.is_empty() {
        add(format!("tags = {}", list(scenario.tags)));
    }
    if !scenario.thread.is_empty() {
        add(format!("thread = {}", list(scenario.thread)));
    }
    if !scenario.images.is_empty() {
        let item = |(place, alt): (usize, &&str)| format!("{{ file = \"image-{place}.png\", alt = {} }}", quoted(alt));
        let items: Vec<String> = scenario.images.iter().enumerate().map(item).collect();
        add(format!("media = [{}]", items.join(", ")));
    }
    if scenario.answers_fan {
        add(format!("reply_to = {}", quoted(fan_url)));
    }
    file
}

/// The parts of a post, first to last: each one answers the one before. Two that answer the same are a doubled part.
fn chain(posts: &Posts, first: &str) -> Vec<(String, String, Value)> {
    let mut parts = Vec::new();
    let mut next = vec![first.to_owned()];
    while let Some(uri) = next.pop() {
        assert!(next.is_empty(), "{uri} and {next:?} are the same part");
        let (cid, record) = posts.get(&uri).unwrap_or_else(|| panic!("{uri} is not on the server"));
        next = posts
            .iter()
            .filter(|(_, (_, other))| other["reply"]["parent"]["uri"] == uri.as_str())
            .map(|(uri, _)| uri.clone())
            .collect();
        parts.push((uri, cid.clone(), record.clone()));
    }
    parts
}

/// What is there now and was not there before.
fn new_since(before: &Posts, mut now: Posts) -> Posts {
    now.retain(|uri, _| !before.contains_key(uri));
    now
}

fn delivered(deliveries: &[Value], post: &str) -> String {
    let found = deliveries.iter().find(|delivery| delivery["post"] == post).expect("status lists every delivery");
    assert_eq!(found["state"], "delivered", "{found:#}");
    assert!(found["url"].as_str().is_some_and(|url| url.starts_with("https://bsky.app/profile/")), "{found:#}");
    found["remote_id"].as_str().expect("it has an address").to_owned()
}

#[test]
fn the_program_publishes_what_was_approved_and_nothing_twice() {
    let Some(mut live) = Live::find("the_program_publishes_what_was_approved_and_nothing_twice") else { return };
    let (fan_url, fan_ref) = fan_post(&mut live);
    let between = live.between();
    let program = live.program(&between, "digest");
    let scenarios = scenarios();
    let names: Vec<String> = (0..scenarios.len()).map(|place| format!("scenario-{place:02}")).collect();
    for place in 0..2 {
        program.queue(&format!("image-{place}.png"), support::png(place));
    }
    for (name, scenario) in names.iter().zip(&scenarios) {
        program.queue(&format!("{name}.toml"), queue_file(name, scenario, &fan_url));
    }
    let before = live.posts("brand");

    // Nobody has approved anything.
    program.run();
    assert_eq!(live.posts("brand"), before);
    assert!(program.deliveries().iter().all(|delivery| delivery["reason"] == "not-approved"));
    assert_eq!(between.take_count("com.atproto.server.createSession"), 0, "there is nothing to log in for");

    let mut approve = vec!["approve", "--by", "tester@example.org", "--yes"];
    approve.extend(names.iter().map(String::as_str));
    program.succeeds(&approve);
    program.run();
    let posts = new_since(&before, live.posts("brand"));
    let deliveries = program.deliveries();
    let all = deliveries.iter().all(|delivery| delivery["state"] == "delivered");
    assert!(all, "it was not idle yet: {}", program.log_text());
    for (name, scenario) in names.iter().zip(&scenarios) {
        let parts = chain(&posts, &delivered(&deliveries, name));
        scenario.verify(&parts, &live.did("fan"), scenario.answers_fan.then_some(&fan_ref));
    }
    assert_eq!(posts.len(), scenarios.iter().map(|scenario| scenario.records.len()).sum::<usize>());
    assert_eq!(between.take_count("com.atproto.server.createSession"), 1);
    assert_eq!(between.take_count("com.atproto.repo.putRecord"), posts.len());

    // Another start finds everything done.
    program.run();
    assert_eq!(new_since(&before, live.posts("brand")), posts);
    assert_eq!(between.take_count("com.atproto.repo.putRecord"), 0);
    assert_eq!(program.count("delivery.delivered"), scenarios.len());
}

#[test]
fn a_thread_survives_that_the_program_is_killed_in_the_middle() {
    let Some(mut live) = Live::find("a_thread_survives_that_the_program_is_killed_in_the_middle") else { return };
    let (fan_url, fan_ref) = fan_post(&mut live);
    let between = live.between();
    let program = live.program(&between, "none");
    let scenario = Scenario {
        name: "long thread",
        text: "one".into(),
        thread: &["two", "three", "four, by @fan.test"],
        images: &["A dot"],
        answers_fan: true,
        records: &[r#"{"text": "one"}"#, r#"{"text": "two"}"#, r#"{"text": "three"}"#, "{}"],
        ..Scenario::default()
    };
    program.queue("image-0.png", support::png(0));
    program.queue("thread.toml", queue_file("thread", &scenario, &fan_url));
    let before = live.posts("brand");
    let count = || new_since(&before, live.posts("brand")).len();

    // Runs it until the n-th request of a kind, or its reply, is lost, kills it there, and counts what is on the server.
    let killed_at = |step: &'static str, number: usize, way: Way| {
        let mut seen = 0;
        between.set_rule(move |name| {
            seen += usize::from(name == step);
            if name == step && seen == number { way } else { Way::Through }
        });
        let running = program.start();
        assert!(between.waits_for_a_loss(), "{step} was never sent: {}", program.log_text());
        running.kill();
        count()
    };
    const PUT: &str = "com.atproto.repo.putRecord";
    assert_eq!(killed_at("com.atproto.repo.uploadBlob", 1, Way::ReplyLost), 0);
    assert_eq!(killed_at(PUT, 2, Way::ReplyLost), 2);
    let found = "com.atproto.repo.getRecord";
    assert_eq!(killed_at(found, 1, Way::ReplyLost), 2, "it only looks for what was in doubt");
    assert_eq!(killed_at(PUT, 1, Way::Lost), 2);
    assert_eq!(killed_at(PUT, 1, Way::ReplyLost), 3);
    between.set_rule(|_| Way::Through);
    program.run();

    let posts = new_since(&before, live.posts("brand"));
    let deliveries = program.deliveries();
    let parts = chain(&posts, &delivered(&deliveries, "thread"));
    scenario.verify(&parts, &live.did("fan"), Some(&fan_ref));
    assert_eq!(posts.len(), 4, "nothing is doubled, nothing is lost");
    assert_eq!(program.count("delivery.delivered"), 1);
    // Each life was in doubt about what the one before had left.
    assert!(program.count("delivery.ambiguous") >= 2 && program.count("delivery.reconciled") >= 1);
}

#[test]
fn a_lost_reply_and_a_lost_request_both_make_one_post() {
    let Some(live) = Live::find("a_lost_reply_and_a_lost_request_both_make_one_post") else { return };
    let between = live.between();
    let program = live.program(&between, "none");
    // The network loses the reply to the first record and the whole of the third; the program gives up waiting.
    let config = std::fs::read_to_string(program.path("cadenced.toml")).expect("a configuration");
    let hasty = config.replace("[delivery]\n", "[delivery]\ntimeout = \"2s\"\n");
    std::fs::write(program.path("cadenced.toml"), hasty).expect("it can be written");
    let mut puts = 0;
    between.set_rule(move |name| {
        puts += usize::from(name == "com.atproto.repo.putRecord");
        match (name, puts) {
            ("com.atproto.repo.putRecord", 1) => Way::ReplyLost,
            ("com.atproto.repo.putRecord", 3) => Way::Lost,
            _ => Way::Through,
        }
    });
    let before = live.posts("brand");
    for name in ["first", "second"] {
        let scenario = Scenario { name: "post", text: format!("The {name}"), ..Scenario::default() };
        program.queue(&format!("{name}.toml"), queue_file(name, &scenario, ""));
    }
    program.run();
    let posts = new_since(&before, live.posts("brand"));
    let deliveries = program.deliveries();
    for name in ["first", "second"] {
        assert_eq!(chain(&posts, &delivered(&deliveries, name)).len(), 1);
    }
    assert_eq!(posts.len(), 2, "{posts:#?}");
    assert!(program.count("delivery.ambiguous") >= 1);
}

#[test]
fn tokens_that_expire_are_replaced_in_the_middle_of_a_thread() {
    let Some(live) = Live::find("tokens_that_expire_are_replaced_in_the_middle_of_a_thread") else { return };
    let between = live.between();
    let program = live.program(&between, "none");
    // Every record takes its time: more than six seconds in all.
    between.set_rule(|name| match name {
        "com.atproto.repo.putRecord" => Way::Slowly(Duration::from_millis(1500)),
        _ => Way::Through,
    });
    let before = live.posts("brand");
    let scenario = Scenario {
        name: "slow thread",
        text: "zero".into(),
        thread: &["one", "two", "three", "four"],
        records: &["{}"; 5],
        ..Scenario::default()
    };
    program.queue("slow.toml", queue_file("slow", &scenario, ""));
    program.run();
    let posts = new_since(&before, live.posts("brand"));
    let deliveries = program.deliveries();
    scenario.verify(&chain(&posts, &delivered(&deliveries, "slow")), "", None);
    assert_eq!(posts.len(), 5);
    assert_eq!(program.count("delivery.ambiguous"), 0);
    assert_eq!(between.take_count("com.atproto.server.createSession"), 1, "one login is enough");
    let refreshed = between.take_count("com.atproto.server.refreshSession");
    match live.kit["accessTtlSeconds"].as_u64() {
        Some(life) if life <= 3 => assert!(refreshed >= 2, "{refreshed}"),
        _ => assert_eq!(refreshed, 0),
    }
}

#[test]
fn a_wrong_password_stops_the_account_and_publishes_nothing() {
    let Some(live) = Live::find("a_wrong_password_stops_the_account_and_publishes_nothing") else { return };
    let between = live.between();
    let program = live.program(&between, "none");
    let config = std::fs::read_to_string(program.path("cadenced.toml")).expect("a configuration");
    let wrong = config.replace("BRAND_PASSWORD", "PATH");
    std::fs::write(program.path("cadenced.toml"), wrong).expect("it can be written");
    let before = live.posts("brand");
    let scenario = Scenario { name: "post", text: "Nobody reads this".into(), ..Scenario::default() };
    program.queue("post.toml", queue_file("post", &scenario, ""));
    program.run();
    assert_eq!(live.posts("brand"), before);
    assert_eq!(program.count("account.auth_lost"), 1);
    let (status, said) = program.says(&["status", "--strict"]);
    assert_eq!(status.code(), Some(1), "{said}");
    let secret = std::env::var("PATH").expect("there is a path");
    assert!(!said.contains(&secret) && !program.log_text().contains(&secret), "the secret stays one");
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
