//! Bluesky against its imitation, and every request and reply of it against the platform's published lexicons.
//!
//! The lexicons and test vectors are not part of the project; where they are absent, the tests that need them say
//! so and pass.

#[path = "support/bluesky.rs"]
mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use cadenced::domain::{DeliveryId, JsonText, Remote, Secret, Timestamp, time};
use cadenced::platform::bluesky::syntax;
use cadenced::platform::bluesky::twin::{BlueskyTwin, FAN};
use cadenced::platform::contract::crowd::{By, CrowdAct};
use cadenced::platform::contract::sweep::{Heard, Looking, Seek, Sweep, Watched};
use cadenced::platform::contract::{
    Adapter, Effect, HttpReply, Job, Method, Next, Purpose, Reading, Reply, Request, Secrets, Session, Step, Twin as _,
};
use serde_json::{Value, json};
use support::{Driver, End, Fate, Network, Scenario, request, scenarios, shared, skipped};
use unicode_segmentation::UnicodeSegmentation as _;

type Before = Box<dyn FnMut(&mut BlueskyTwin, &Step)>;

/// The imitation as a network: each call takes 10 ms.
struct TwinNet {
    twin: BlueskyTwin,
    now: Timestamp,
    log: Vec<(Request, HttpReply)>,
    /// Done before each call.
    before: Before,
}

impl TwinNet {
    fn new(twin: BlueskyTwin) -> Self {
        Self { twin, now: Timestamp::constant(1_790_000_000, 0), log: Vec::new(), before: Box::new(|_, _| {}) }
    }

    fn parts(&self, driver: &Driver<'_>) -> Vec<(String, String, Value)> {
        let record = |(uri, cid): (String, String)| {
            let record = self.twin.record(&uri).expect("it was published").clone();
            (uri, cid, record)
        };
        driver.parts().into_iter().map(record).collect()
    }
}

impl Network for TwinNet {
    fn now(&self) -> Timestamp {
        self.now
    }

    fn call(&mut self, step: &Step) -> Reply {
        self.now = time::after(self.now, Duration::from_millis(10));
        (self.before)(&mut self.twin, step);
        let reply = self.twin.answer(&step.call, self.now);
        if let Reply::Http(http) = &reply {
            self.log.push((request(step).clone(), http.clone()));
        }
        reply
    }
}

fn adapter(net: &TwinNet) -> std::sync::Arc<dyn Adapter> {
    support::adapter(net.twin.table(0, "http://127.0.0.1:9/pds", ""))
}

fn job(adapter: &dyn Adapter, net: &TwinNet, scenario: &Scenario, draw: u64) -> Job {
    let content = scenario.content(&net.twin.fan_posts()[0].uri);
    let media = scenario.media(&content);
    assert_eq!(adapter.check(&content, &Default::default()), [], "{}", scenario.name);
    support::job(adapter, scenario.name, content, media, net.now, draw)
}

fn fan_did(net: &TwinNet) -> String {
    net.twin.fan_posts()[0].uri["at://".len()..].split('/').next().unwrap_or_default().to_owned()
}

fn arrives(_: usize, _: &Step) -> Fate {
    Fate::Arrives
}

fn verify(scenario: &Scenario, net: &TwinNet, driver: &Driver<'_>) {
    let answered = scenario.answers_fan.then(|| json!(net.twin.fan_posts()[0]));
    scenario.verify(&net.parts(driver), &fan_did(net), answered.as_ref());
}

#[test]
fn each_scenario_becomes_what_it_should() {
    let mut net = TwinNet::new(BlueskyTwin::new());
    let adapter = adapter(&net);
    let mut driver = Driver::new(&*adapter, net.twin.secrets(0));
    for (draw, scenario) in scenarios().iter().enumerate() {
        let job = job(&*adapter, &net, scenario, draw as u64);
        let remote = driver.publish(&job, &mut net);
        assert_eq!(remote.id, driver.parts()[0].0);
        verify(scenario, &net, &driver);
    }
    let logins = net.log.iter().filter(|(request, _)| request.url.path().ends_with("createSession")).count();
    assert_eq!(logins, 1);
}

#[test]
fn a_crash_or_lost_reply_at_any_step_changes_nothing() {
    for scenario in &scenarios() {
        for fate in [Fate::Lost, Fate::Crash] {
            for at in 0.. {
                let mut net = TwinNet::new(BlueskyTwin::new());
                let adapter = adapter(&net);
                let mut driver = Driver::new(&*adapter, net.twin.secrets(0));
                let job = job(&*adapter, &net, scenario, 5);
                let mut hit = false;
                let mut once = |number, _: &Step| {
                    if number == at {
                        hit = true;
                        fate
                    } else {
                        Fate::Arrives
                    }
                };
                let end = driver.run(&job, Purpose::Publish, &mut net, &mut once);
                assert!(matches!(end, End::Done(_)), "{}, {fate:?} at {at}: {end:?}", scenario.name);
                assert_eq!(net.twin.published().len(), scenario.records.len(), "{}, {fate:?} at {at}", scenario.name);
                verify(scenario, &net, &driver);
                if !hit {
                    break;
                }
            }
        }
    }
}

#[test]
fn a_lost_publication_is_found_by_looking_back() {
    for scenario in &scenarios() {
        let mut net = TwinNet::new(BlueskyTwin::new());
        let adapter = adapter(&net);
        let job = job(&*adapter, &net, scenario, 5);
        let mut driver = Driver::new(&*adapter, net.twin.secrets(0));
        let before = driver.run(&job, Purpose::LookBack, &mut net, &mut arrives);
        assert!(matches!(before, End::Reading(Reading::Absent)), "{}: {before:?}", scenario.name);
        driver.publish(&job, &mut net);
        let whole = driver.done.clone();
        for part in driver.parts().iter().rev() {
            let last = driver.done.iter().rposition(|held| held.step.starts_with("publish-")).unwrap();
            driver.done.truncate(last);
            let end = driver.run(&job, Purpose::LookBack, &mut net, &mut arrives);
            let End::Reading(Reading::Found(found)) = end else { panic!("{}: {end:?}", scenario.name) };
            assert_eq!(found, json!({"uri": part.0, "cid": part.1}));
            assert_eq!(found, whole[last].data);
        }
    }
}

#[test]
fn expired_tokens_cost_a_refresh_and_nothing_else() {
    let scenario = scenarios().into_iter().find(|scenario| scenario.name == "thread").unwrap();
    let mut net = TwinNet::new(BlueskyTwin::with_access_life(Duration::from_secs(3)));
    let adapter = adapter(&net);
    let mut driver = Driver::new(&*adapter, net.twin.secrets(0));
    let job = job(&*adapter, &net, &scenario, 5);
    let mut left = vec!["publish-2", "publish-0"];
    net.before = Box::new(move |twin, step| {
        if left.last() == Some(&step.name.as_str()) {
            left.pop();
            twin.expire_tokens();
        }
    });
    driver.publish(&job, &mut net);
    verify(&scenario, &net, &driver);
    let called = |log: &[(Request, HttpReply)], method: &str| {
        log.iter().filter(|(request, _)| request.url.path().ends_with(method)).count()
    };
    assert_eq!((called(&net.log, "refreshSession"), called(&net.log, "createSession")), (2, 1));

    // After half of its three seconds a token is replaced before anybody refuses it.
    net.now = time::after(net.now, Duration::from_secs(3));
    let from = net.log.len();
    let again = Job { frozen: adapter.freeze(&job.content, net.now, 6), ..job };
    driver.publish(&again, &mut net);
    assert!(net.log[from].0.url.path().ends_with("refreshSession"));
    assert!(net.log[from..].iter().all(|(_, reply)| !reply.body.starts_with(b"{\"error\":\"ExpiredToken")));
}

#[test]
fn the_troubles_of_the_platform_are_told_apart() {
    let scenario = scenarios().into_iter().find(|scenario| scenario.name == "images").unwrap();
    let world = || {
        let net = TwinNet::new(BlueskyTwin::new());
        let adapter = adapter(&net);
        let job = job(&*adapter, &net, &scenario, 5);
        (net, adapter, job)
    };

    // A wrong password, and one that is withdrawn while the session is good.
    let (mut net, adapter, job) = world();
    let wrong = Secrets(BTreeMap::from([("password".into(), Secret::new("not-the-password"))]));
    let end = Driver::new(&*adapter, wrong).run(&job, Purpose::Publish, &mut net, &mut arrives);
    assert!(matches!(end, End::Reading(Reading::Auth { .. })), "{end:?}");
    let mut driver = Driver::new(&*adapter, net.twin.secrets(0));
    driver.publish(&job, &mut net);
    net.twin.set_revoked(true);
    driver.done.clear();
    let end = driver.run(&job, Purpose::Publish, &mut net, &mut arrives);
    assert!(matches!(end, End::Reading(Reading::Auth { .. })), "{end:?}");
    net.twin.set_revoked(false);
    driver.publish(&job, &mut net);
    assert_eq!(net.twin.published().len(), 1);

    // Too much at once.
    let (mut net, adapter, job) = world();
    let until = time::after(net.now, Duration::from_secs(90));
    net.twin.throttle(until);
    let mut driver = Driver::new(&*adapter, net.twin.secrets(0));
    let end = driver.run(&job, Purpose::Publish, &mut net, &mut arrives);
    let End::Reading(Reading::RateLimited { until: told, .. }) = end else { panic!("{end:?}") };
    assert!(told >= until && told < time::after(until, Duration::from_secs(1)), "{told}");

    // Uploads that are gone are sent again; none is left out.
    let (mut net, adapter, job) = world();
    let mut driver = Driver::new(&*adapter, net.twin.secrets(0));
    let mut collected = false;
    net.before = Box::new(move |twin, step| {
        if step.name == "publish-0" && !std::mem::replace(&mut collected, true) {
            twin.collect_blobs();
        }
    });
    driver.publish(&job, &mut net);
    let uploads = net.log.iter().filter(|(request, _)| request.url.path().ends_with("uploadBlob")).count();
    assert_eq!(uploads, 4);
    verify(&scenario, &net, &driver);

    // Something else stands under our key.
    let (mut net, adapter, job) = world();
    let rkey = job.frozen["rkeys"][0].as_str().unwrap();
    net.twin.occupy(0, rkey, json!({"$type": syntax::POSTS, "text": "x", "createdAt": "2026-01-01T00:00:00.000Z"}));
    let mut driver = Driver::new(&*adapter, net.twin.secrets(0));
    let end = driver.run(&job, Purpose::Publish, &mut net, &mut arrives);
    assert!(matches!(end, End::Reading(Reading::AlreadyThere { .. })), "{end:?}");
    let end = driver.run(&job, Purpose::LookBack, &mut net, &mut arrives);
    assert!(matches!(end, End::Reading(Reading::Refused { .. })), "{end:?}");
    assert_eq!(net.twin.published()[0].text, "x");

    // Nobody is there to be answered.
    let (mut net, adapter, job) = world();
    for address in
        ["at://nobody.test/app.bsky.feed.post/3kfanpost2222", "at://fan.test/app.bsky.feed.post/3knopost22222"]
    {
        let mut job = job.clone();
        job.content.reply_to = Some(cadenced::domain::ReplyTo::Theirs(address.into()));
        let mut driver = Driver::new(&*adapter, net.twin.secrets(0));
        let end = driver.run(&job, Purpose::Publish, &mut net, &mut arrives);
        let refused = matches!(&end, End::Reading(Reading::Refused { .. }) | End::Other(Next::Refuse(_)));
        assert!(refused && net.twin.published().is_empty(), "{end:?}");
    }
}

#[test]
fn answers_join_the_conversation_where_it_began() {
    let mut net = TwinNet::new(BlueskyTwin::new());
    let adapter = adapter(&net);
    let mut driver = Driver::new(&*adapter, net.twin.secrets(0));
    let [root, answer] = net.twin.fan_posts();
    let theirs = |address: &str| cadenced::domain::Content {
        text: "We do".into(),
        reply_to: Some(cadenced::domain::ReplyTo::Theirs(address.into())),
        ..Default::default()
    };
    let url = format!("https://bsky.app/profile/{FAN}/post/{}", answer.uri.rsplit('/').next().unwrap());
    let first = support::job(&*adapter, "theirs", theirs(&url), vec![], net.now, 1);
    let remote = driver.publish(&first, &mut net);
    let ours = net.parts(&driver).remove(0);
    assert_eq!(ours.2["reply"], json!({"root": root, "parent": answer}));

    // And who answers that stays in it.
    let reply_to = Some(cadenced::domain::ReplyTo::Ours("theirs".parse().unwrap()));
    let content = cadenced::domain::Content { reply_to, ..theirs("") };
    let mut second = support::job(&*adapter, "ours", content, vec![], net.now, 2);
    for reference in [remote.reference.clone(), JsonText::default()] {
        second.answers = Some(cadenced::domain::Remote { reference, ..remote.clone() });
        second.frozen = adapter.freeze(&second.content, net.now, 2);
        driver.publish(&second, &mut net);
        let record = net.parts(&driver).remove(0).2;
        assert_eq!(record["reply"], json!({"root": root, "parent": {"uri": ours.0, "cid": ours.1}}));
    }
}

// ---- against the lexicons ---------------------------------------------------------------------------------------

#[test]
fn requests_and_replies_keep_to_the_lexicons() {
    let Some(folder) = shared("specs/bluesky/lexicons") else {
        return skipped("requests_and_replies_keep_to_the_lexicons", "no lexicons beside the project");
    };
    let lexicons = Lexicons::load(&folder);
    let mut net = TwinNet::new(BlueskyTwin::new());
    let adapter = adapter(&net);
    let mut driver = Driver::new(&*adapter, net.twin.secrets(0));
    for (draw, scenario) in scenarios().iter().enumerate() {
        let job = job(&*adapter, &net, scenario, draw as u64);
        driver.publish(&job, &mut net);
        driver.done.clear();
        driver.run(&job, Purpose::LookBack, &mut net, &mut arrives);
        net.twin.expire_tokens();
    }
    // The last one has left a session that is over; another post makes a new one.
    let job = job(&*adapter, &net, &scenarios()[0], 77);
    driver.done.clear();
    driver.publish(&job, &mut net);
    sweep(&*adapter, &driver.session, &mut net);
    let mut methods = BTreeMap::<String, u32>::new();
    for (request, reply) in &net.log {
        let method = request.url.path().rsplit('/').next().unwrap();
        *methods.entry(method.into()).or_default() += 1;
        let faults = lexicons.exchange(method, request, reply);
        assert!(faults.is_empty(), "{method}: {faults:#?}\n{request:?}\n{}", String::from_utf8_lossy(&reply.body));
    }
    let expected = [
        "app.bsky.feed.getLikes",
        "app.bsky.feed.getPostThread",
        "app.bsky.feed.getPosts",
        "app.bsky.feed.getQuotes",
        "app.bsky.feed.getRepostedBy",
        "app.bsky.notification.listNotifications",
        "com.atproto.identity.resolveHandle",
        "com.atproto.repo.getRecord",
        "com.atproto.repo.putRecord",
        "com.atproto.repo.uploadBlob",
        "com.atproto.server.createSession",
        "com.atproto.server.refreshSession",
    ];
    assert!(methods.keys().eq(expected.iter()), "{methods:?}");
}

/// Asks everything that can be asked about posts that have every kind of it.
fn sweep(adapter: &dyn Adapter, session: &Session, net: &mut TwinNet) {
    let published = net.twin.published();
    let post = published.last().expect("a post").id.clone();
    let by = By::Person(1);
    for number in 0..120 {
        net.now = time::after(net.now, Duration::from_millis(10));
        net.twin.act(&CrowdAct::Like { by: By::Person(number), post: post.clone() }, net.now);
        let reply = CrowdAct::Reply { by, to: post.clone(), text: "Yes".into(), private: false };
        net.twin.act(&reply, net.now);
    }
    net.twin.act(&CrowdAct::Repost { by, post: post.clone() }, net.now);
    net.twin.act(&CrowdAct::Quote { by, post: post.clone(), text: "This".into() }, net.now);
    let mention = CrowdAct::Mention { by, account: 0, text: "You?".into(), private: false };
    let waiting = net.twin.act(&mention, net.now).expect("an address");
    let gone = format!("{post}x");
    net.now = time::after(net.now, Duration::from_secs(2));
    let watched = |id: &String| Watched {
        delivery: DeliveryId::new("a-post".parse().expect("an id"), "bsky".parse().expect("an id")),
        remote: Remote { id: id.clone(), url: None, reference: JsonText::default() },
        known: BTreeMap::new(),
    };
    let ids = published.iter().map(|post| &post.id).chain([&gone]);
    let heard = Some(Heard("2026-01-01T00:00:00Z".into()));
    let sweep = Sweep { posts: ids.map(watched).collect(), waiting: vec![waiting, gone.clone()], heard };
    let secrets = net.twin.secrets(0);
    let looking = Looking { session, secrets: &secrets, now: net.now };
    let mut sweeper = adapter.sweep(sweep, &looking).expect("it sweeps");
    loop {
        match sweeper.next() {
            Seek::Ask(call) => {
                let step = Step { name: "sweep".into(), effect: Effect::Harmless, call };
                let Reply::Http(reply) = net.call(&step) else { panic!("not by HTTP") };
                sweeper.answered(&reply, net.now);
            }
            Seek::Found(_) => {}
            Seek::Over => return,
            Seek::Stopped(why) => panic!("{why:?}"),
        }
    }
}

#[test]
fn the_validator_finds_what_is_wrong() {
    let Some(folder) = shared("specs/bluesky/lexicons") else {
        return skipped("the_validator_finds_what_is_wrong", "no lexicons beside the project");
    };
    let lexicons = Lexicons::load(&folder);
    let good = json!({"$type": syntax::POSTS, "text": "a", "createdAt": "2026-01-01T00:00:00.000Z"});
    assert_eq!(lexicons.record(&good), Vec::<String>::new());
    let facet = |feature: Value| json!([{"index": {"byteStart": 0, "byteEnd": 1}, "features": [feature]}]);
    let changes = [
        ("text", json!(1)),
        ("text", json!("a".repeat(301))),
        ("text", json!("👨‍👩‍👧‍👧".repeat(121))),
        ("createdAt", json!("2026-01-01T00:00:00")),
        ("langs", json!(["en", "de", "fr", "es"])),
        ("langs", json!(["jaja"])),
        ("tags", json!(["a".repeat(65)])),
        ("extra", json!(1)),
        ("facets", facet(json!({"$type": "app.bsky.richtext.facet#mention", "did": "fan.test"}))),
        ("facets", facet(json!({"$type": "app.bsky.richtext.facet#link", "uri": "not a uri"}))),
        ("facets", facet(json!({"$type": "app.bsky.richtext.facet#other"}))),
        ("facets", json!([{"index": {"byteStart": -1, "byteEnd": 1}, "features": []}])),
        ("facets", json!([{"index": {"byteStart": 1.5, "byteEnd": 1}, "features": []}])),
        ("reply", json!({"root": {"uri": "at://did:plc:a/app.bsky.feed.post/3k"}, "parent": {}})),
        ("embed", json!({"$type": "app.bsky.embed.images", "images": [{"alt": ""}]})),
        ("embed", json!({"$type": "app.bsky.embed.external", "external": {"uri": "https://a.example"}})),
    ];
    for (key, value) in changes {
        let mut record = good.clone();
        record[key] = value;
        assert!(!lexicons.record(&record).is_empty(), "{record}");
    }
}

#[test]
fn syntax_agrees_with_the_published_vectors() {
    let Some(folder) = shared("specs/bluesky/interop/syntax") else {
        return skipped("syntax_agrees_with_the_published_vectors", "no vectors beside the project");
    };
    type Check = fn(&str) -> bool;
    let checks: [(&str, Check, usize); 8] = [
        ("tid_syntax", syntax::is_tid, 4),
        ("handle_syntax", syntax::is_handle, 40),
        ("datetime_syntax", syntax::is_datetime, 25),
        ("language_syntax", syntax::is_language, 10),
        ("tid_syntax", syntax::is_tid, 4),
        ("datetime_parse", syntax::is_datetime, 0),
        ("aturi_syntax", |text| syntax::PostAddress::parse(text).is_some(), 0),
        (
            "recordkey_syntax",
            |key| syntax::PostAddress::parse(&format!("at://did:plc:a/{}/{key}", syntax::POSTS)).is_some(),
            5,
        ),
    ];
    for (name, check, least) in checks {
        for valid in [true, false] {
            let file = folder.join(format!("{name}_{}.txt", if valid { "valid" } else { "invalid" }));
            let Ok(text) = std::fs::read_to_string(&file) else { continue };
            let lines =
                text.lines().filter(|line| !line.is_empty() && !line.starts_with("# ") && !line.starts_with("#d"));
            let mut seen = 0;
            for line in lines {
                // Addresses of anything but posts are no addresses to us.
                if !(name == "aturi_syntax" && valid) {
                    assert_eq!(check(line), valid, "{name}: {line:?}");
                }
                seen += 1;
            }
            assert!(!valid || seen >= least, "{name}: {seen} vectors");
        }
    }
}

#[test]
fn content_addresses_agree_with_the_published_vectors() {
    let Some(folder) = shared("specs/bluesky/interop/data-model") else {
        return skipped("content_addresses_agree_with_the_published_vectors", "no vectors beside the project");
    };
    let text = std::fs::read_to_string(folder.join("data-model-fixtures.json")).unwrap();
    let vectors: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert!(vectors.len() >= 3);
    for vector in vectors {
        let cid = cadenced::platform::bluesky::twin::content_address(&vector["json"]);
        assert_eq!(cid.as_deref(), vector["cid"].as_str());
    }
}

/// The lexicons by id, and a validator of what we use of them. Strict in one thing where the protocol is lenient:
/// a key that no lexicon names is a fault, for we would have misspelt it.
struct Lexicons(BTreeMap<String, Value>);

impl Lexicons {
    fn load(folder: &Path) -> Self {
        let mut lexicons = BTreeMap::new();
        let mut folders = vec![folder.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).expect("the folder can be read") {
                let path = entry.expect("the folder can be read").path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|ending| ending == "json") {
                    let text = std::fs::read_to_string(&path).expect("a lexicon can be read");
                    let lexicon: Value = serde_json::from_str(&text).expect("a lexicon is JSON");
                    lexicons.insert(lexicon["id"].as_str().unwrap_or_default().to_owned(), lexicon);
                }
            }
        }
        Self(lexicons)
    }

    fn exchange(&self, method: &str, request: &Request, reply: &HttpReply) -> Vec<String> {
        // Not among the copied ones; it takes one handle.
        let Some(main) = self.0.get(method).map(|lexicon| &lexicon["defs"]["main"]) else {
            let query: Vec<_> = request.url.query_pairs().collect();
            let fits = method == "com.atproto.identity.resolveHandle"
                && matches!(&query[..], [(key, handle)] if key == "handle" && syntax::is_handle(handle));
            return if fits { vec![] } else { vec![format!("{method}: no lexicon, or not called as known")] };
        };
        let mut faults = Vec::new();
        let wanted = if main["type"] == "query" { Method::Get } else { Method::Post };
        if request.method != wanted {
            faults.push(format!("{} in place of {}", request.method.name(), wanted.name()));
        }
        let mut query = serde_json::Map::new();
        for (key, value) in request.url.query_pairs() {
            match main["parameters"]["properties"][&*key]["type"].as_str() {
                Some("array") => match query.entry(&*key).or_insert(json!([])) {
                    Value::Array(items) => items.push(json!(value)),
                    _ => faults.push(format!("{key} is no list")),
                },
                Some("integer") => _ = query.insert(key.into_owned(), json!(value.parse::<i64>().ok())),
                _ => _ = query.insert(key.into_owned(), json!(value)),
            }
        }
        if main.get("parameters").is_some() {
            self.value(method, &main["parameters"], &Value::Object(query), "query", &mut faults);
        } else if !query.is_empty() {
            faults.push("an unexpected query".into());
        }
        match (main["input"]["encoding"].as_str(), &request.body.mime) {
            (None, None) if request.body.is_empty() => {}
            (Some("application/json"), Some(mime)) if mime == "application/json" => {
                let body: Value = serde_json::from_slice(&request.body.concat()).expect("we send JSON");
                self.value(method, &main["input"]["schema"], &body, "body", &mut faults);
                if let Some(record) = body.get("record") {
                    faults.extend(self.record(record));
                    assert_eq!(self.0[syntax::POSTS]["defs"]["main"]["key"], "tid");
                    if !syntax::is_tid(body["rkey"].as_str().unwrap_or_default()) {
                        faults.push("rkey is no TID".into());
                    }
                }
            }
            (Some("*/*"), Some(_)) => {}
            (wanted, sent) => faults.push(format!("body of {sent:?} in place of {wanted:?}")),
        }
        if reply.status == 200 {
            let body = reply.value().expect("replies are JSON");
            self.value(method, &main["output"]["schema"], &body, "reply", &mut faults);
        }
        faults
    }

    /// The faults of a record, by the lexicon that its `$type` names.
    fn record(&self, record: &Value) -> Vec<String> {
        let mut faults = Vec::new();
        let id = record["$type"].as_str().unwrap_or_default();
        self.value(id, &self.0[id]["defs"]["main"]["record"], record, "record", &mut faults);
        faults
    }

    fn definition(&self, home: &str, reference: &str) -> (String, &Value) {
        let (id, name) = reference.split_once('#').unwrap_or((reference, "main"));
        let id = if id.is_empty() { home } else { id };
        (id.into(), &self.0[id]["defs"][name])
    }

    fn value(&self, home: &str, schema: &Value, value: &Value, at: &str, faults: &mut Vec<String>) {
        let mut fault = |what: String| faults.push(format!("{at}: {what}, got {value}"));
        let number = |key: &str| schema[key].as_u64().map(|number| number as usize);
        match schema["type"].as_str().unwrap_or_default() {
            "string" => {
                let Some(text) = value.as_str() else { return fault("not a string".into()) };
                if number("maxLength").is_some_and(|most| text.len() > most) {
                    fault("too many bytes".into());
                }
                if number("maxGraphemes").is_some_and(|most| text.graphemes(true).count() > most) {
                    fault("too many graphemes".into());
                }
                if let Some(format) = schema["format"].as_str().filter(|format| !has_format(text, format)) {
                    fault(format!("no {format}"));
                }
            }
            "integer" => {
                let number = value.as_i64();
                let least = schema["minimum"].as_i64().unwrap_or(i64::MIN);
                let most = schema["maximum"].as_i64().unwrap_or(i64::MAX);
                if number.is_none_or(|number| !(least..=most).contains(&number)) {
                    fault("no such integer".into());
                }
            }
            "boolean" if !value.is_boolean() => fault("not a boolean".into()),
            "boolean" => {}
            "array" => {
                let Some(items) = value.as_array() else { return fault("not an array".into()) };
                if number("maxLength").is_some_and(|most| items.len() > most) {
                    fault("too many items".into());
                }
                for (place, item) in items.iter().enumerate() {
                    self.value(home, &schema["items"], item, &format!("{at}[{place}]"), faults);
                }
            }
            "object" | "params" => {
                let Some(map) = value.as_object() else { return fault("not an object".into()) };
                let listed = |list: &str, key: &str| {
                    schema[list].as_array().is_some_and(|keys| keys.iter().any(|held| held == key))
                };
                for key in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                    if !map.contains_key(key) {
                        fault(format!("no {key}"));
                    }
                }
                for (key, item) in map.iter().filter(|(key, _)| *key != "$type") {
                    let at = format!("{at}.{key}");
                    match schema["properties"].get(key) {
                        None => faults.push(format!("{at}: unknown key")),
                        Some(_) if item.is_null() && listed("nullable", key) => {}
                        Some(schema) => self.value(home, schema, item, &at, faults),
                    }
                }
            }
            "ref" => {
                let (home, schema) = self.definition(home, schema["ref"].as_str().unwrap_or_default());
                self.value(&home, schema, value, at, faults);
            }
            "union" => {
                let kind = value["$type"].as_str().unwrap_or_default();
                let refs = schema["refs"].as_array().into_iter().flatten().filter_map(Value::as_str);
                let full = |reference: &str| {
                    if reference.starts_with('#') { format!("{home}{reference}") } else { reference.into() }
                };
                match refs.map(full).find(|reference| reference == kind) {
                    None => fault(format!("{kind:?} is none of the union")),
                    Some(reference) => {
                        let (home, schema) = self.definition(home, &reference);
                        self.value(&home, schema, value, at, faults);
                    }
                }
            }
            "blob" => {
                let mime = value["mimeType"].as_str().unwrap_or_default();
                let accepted = schema["accept"].as_array().is_none_or(|kinds| {
                    kinds.iter().filter_map(Value::as_str).any(|kind| mime.starts_with(kind.trim_end_matches('*')))
                });
                let size = value["size"].as_u64();
                let small = size.is_some_and(|size| schema["maxSize"].as_u64().is_none_or(|most| size <= most));
                let link = value["ref"]["$link"].as_str().is_some_and(|link| has_format(link, "cid"));
                if value["$type"] != "blob" || !accepted || !small || !link {
                    fault("no such blob".into());
                }
            }
            "unknown" if !value.is_object() => fault("not an object".into()),
            "unknown" => {}
            other => fault(format!("a schema of type {other:?}")),
        }
    }
}

/// Whether `text` names a record: whose, of which kind, and which.
fn is_record(text: &str) -> bool {
    let parts: Vec<_> = text.strip_prefix("at://").unwrap_or_default().split('/').collect();
    matches!(parts[..], [did, kind, key] if syntax::is_did(did) && has_format(kind, "nsid") && has_format(key, "record-key"))
}

fn has_format(text: &str, format: &str) -> bool {
    match format {
        "tid" => syntax::is_tid(text),
        "datetime" => syntax::is_datetime(text),
        "did" => syntax::is_did(text),
        "handle" => syntax::is_handle(text),
        "at-identifier" => syntax::is_did(text) || syntax::is_handle(text),
        "language" => syntax::is_language(text),
        "at-uri" => syntax::PostAddress::parse(text).is_some_and(|at| text == syntax::post_uri(&at.repo, &at.rkey)),
        "nsid" => text.split('.').count() >= 3 && text.split('.').all(|part| part.chars().all(char::is_alphanumeric)),
        "cid" => {
            text.len() == 59
                && text.starts_with("baf")
                && text.bytes().all(|byte| byte.is_ascii_lowercase() || (b'2'..=b'7').contains(&byte))
        }
        "record-key" => {
            !text.is_empty()
                && text.len() <= 512
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:~".contains(&byte))
        }
        // An address of the protocol has no host, so that a parser of web addresses does not know what to do with it.
        "uri" => (url::Url::parse(text).is_ok() || is_record(text)) && text.bytes().all(|byte| byte.is_ascii_graphic()),
        other => panic!("the validator does not know the format {other}"),
    }
}
