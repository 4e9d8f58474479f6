//! Tagged links: what goes out and what is looked for is the same link for all attempts, and a double is one whatever its
//! tags.

#![cfg(test)]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use cadenced::config::read::{default_policy, default_rules};
use cadenced::domain::policy::{ApprovalMode, Cron, Policy, Schedule};
use cadenced::domain::{AccountId, Content, Digest, JsonText, Links, Remote, SecretRef, State, Timestamp};
use cadenced::engine::engine::Mode;
use cadenced::engine::{AccountSetup, Command, Engine, Event, Ticket};
use cadenced::ledger::{Fact, Record, View};
use cadenced::parts::Inbox;
use cadenced::platform::contract::{
    Adapter, Attempt, Body, Call, Complaint, Effect, Evidence, Failure, HttpReply, Method, Next, Purpose, Reading,
    Reply, Request, Secrets, Session, Step,
};
use cadenced::queue::parse;
use serde_json::{Value, json};

mod support {
    pub mod house;
}
use support::house::House;

const LINK: &str = "https://a.example/story?b=c#top";
const TAGGED: &str =
    "https://a.example/story?b=c&utm_source=wall&utm_medium=social&utm_campaign=desk&utm_content=p#top";

/// A platform whose calls are the link that they are about. A link may have seventy letters.
#[derive(Debug)]
struct Wall {
    longest: usize,
}

impl Adapter for Wall {
    fn platform(&self) -> &'static str {
        "wall"
    }
    fn place(&self) -> String {
        "wall.example".into()
    }
    fn evidence(&self) -> Evidence {
        Evidence::LookBack { lag: Duration::ZERO }
    }
    fn secrets(&self) -> Vec<(&'static str, SecretRef)> {
        Vec::new()
    }
    fn check(&self, content: &Content, _: &Session) -> Vec<Complaint> {
        let long = content.link.as_ref().is_some_and(|link| link.len() > self.longest);
        long.then(|| Complaint::new("link", "too long")).into_iter().collect()
    }
    fn freeze(&self, content: &Content, _: Timestamp, _: u64) -> Value {
        json!(content.link)
    }
    fn next(&self, attempt: &Attempt<'_>) -> Next {
        let (name, effect) = match (attempt.purpose, attempt.done.is_empty()) {
            (Purpose::LookBack, _) => ("look", Effect::Harmless),
            (_, true) => ("publish-0", Effect::Publishes),
            _ => return Next::Done(Remote { id: "1".into(), url: None, reference: JsonText::default() }),
        };
        assert_eq!(attempt.job.frozen, json!(attempt.job.content.link), "what was frozen is what is sent");
        let link = attempt.job.content.link.as_deref().unwrap_or("none:");
        let request = Request {
            method: Method::Get,
            url: link.parse().unwrap(),
            secret_path: None,
            headers: Vec::new(),
            body: Body::default(),
        };
        Next::Call(Step { name: name.into(), effect, call: Call::Http(request) })
    }
    fn read(&self, _: &Attempt<'_>, _: &Step, reply: &Reply) -> Reading {
        let Reply::Http(reply) = reply else { panic!("no files here") };
        match &*reply.body {
            b"posted" => Reading::Checkpoint(json!(1)),
            b"there" => Reading::Found(json!(1)),
            b"absent" => Reading::Absent,
            _ => Reading::Retry { after: None, why: "so it says".into() },
        }
    }
}

/// An engine with one account, whose slot is at nine.
struct Bench {
    engine: Engine,
    now: Timestamp,
    calls: VecDeque<(Ticket, String)>,
    durable: Vec<Record>,
}

fn setup(links: Links, longest: usize) -> AccountSetup {
    let cron = |text: &str| Cron { text: text.into(), pattern: text.parse().unwrap() };
    AccountSetup {
        id: AccountId::new("a").unwrap(),
        adapter: Arc::new(Wall { longest }),
        secrets: Secrets::default(),
        schedule: Schedule { zone: jiff::tz::TimeZone::UTC, slots: vec![cron("0 9 * * *"), cron("0 10 * * *")] },
        policy: Policy { min_gap: Duration::ZERO, ..default_policy() },
        rules: default_rules(),
        links,
        paused: false,
        identity: None,
        token_expires: None,
        seal: None,
    }
}

fn tagging() -> Links {
    Links { tag: true, ..Links::default() }
}

impl Bench {
    fn new(durable: Vec<Record>, now: &str, setup: AccountSetup, toml: &str) -> Self {
        let mut view = View::default();
        durable.iter().for_each(|record| view.apply(record));
        let engine = Engine::new(7, view, Mode::Publish);
        let mut bench = Self { engine, now: now.parse().unwrap(), calls: VecDeque::new(), durable };
        bench.tell(Event::Configured(vec![setup]));
        let mut media = |_: &str| Ok(Digest::of(b"dot").into());
        let mut around = parse::Surroundings { approval: ApprovalMode::None, accounts: None, media: &mut media };
        let posts = parse::read(&"q.toml".into(), toml.as_bytes(), &mut around).posts;
        assert!(posts.is_some(), "the queue file is good");
        bench.tell(Event::Inbox(Inbox::File { file: "q.toml".into(), posts, faults: Vec::new() }));
        bench.tell(Event::Inbox(Inbox::Complete));
        bench
    }

    /// Everything that is to be recorded is recorded.
    fn tell(&mut self, event: Event) {
        self.engine.handle(event, self.now);
        while let Some(command) = self.engine.next_command() {
            match command {
                Command::Commit { ticket, records, .. } => {
                    self.durable.extend(records);
                    self.engine.handle(Event::Committed { ticket, result: Ok(()) }, self.now);
                }
                Command::Call { ticket, call: Call::Http(request), .. } => {
                    self.calls.push_back((ticket, request.url.to_string()));
                }
                Command::Call { .. } | Command::Gather { .. } | Command::Vouch { .. } => panic!("no files here"),
                Command::Remember { .. } => panic!("nothing is recorded about people"),
                Command::Halt { why } => panic!("{why}"),
                Command::Log(_) => {}
            }
        }
    }

    fn until(&mut self, moment: &str) {
        self.now = moment.parse().unwrap();
        self.tell(Event::Tick);
    }

    /// The call that is under way is about this link, and gets an answer or none.
    fn call(&mut self, link: &str, answer: Option<&str>) {
        let (ticket, about) = self.calls.pop_front().expect("a call");
        assert_eq!(about, link);
        let reply = |body: &str| {
            Ok(Reply::Http(HttpReply { status: 200, body: body.to_owned().into(), ..HttpReply::default() }))
        };
        let lost = Err(Failure::MayHaveArrived("timed out".into()));
        self.tell(Event::Replied { ticket, result: answer.map_or(lost, reply) });
    }

    fn state(&self, delivery: &str) -> String {
        match &self.engine.view().entry(&delivery.parse().unwrap()).expect("it is known").state {
            State::Held { reason, detail } => format!("{reason}: {}", detail.as_deref().unwrap_or_default()),
            other => other.name().into(),
        }
    }
}

fn post(id: &str, more: &str) -> String {
    format!(
        "[[post]]\nid = \"{id}\"\nto = [\"a\"]\naudience = \"all\"\ngoal = \"connection\"\ntext = \"hello\"\nlink = \"{LINK}\"\n{more}\n"
    )
}

#[test]
fn all_attempts_are_about_the_link_of_the_first_whatever_is_configured() {
    let toml = post("p", "series = \"desk\"");
    let mut bench = Bench::new(Vec::new(), "2026-06-01T08:30:00Z", setup(tagging(), 200), &toml);
    bench.until("2026-06-01T09:00:00Z");
    bench.call(TAGGED, Some("later"));
    assert_eq!(bench.state("p@a"), "retrying");
    // Nobody tags any more, and the daemon has been started anew.
    let mut bench = Bench::new(bench.durable, "2026-06-01T09:00:01Z", setup(Links::default(), 200), &toml);
    bench.until("2026-06-01T09:10:00Z");
    bench.call(TAGGED, None);
    let other = Links { source: Some("other".into()), ..tagging() };
    let mut bench = Bench::new(bench.durable, "2026-06-01T09:10:01Z", setup(other, 200), &toml);
    bench.until("2026-06-01T09:30:00Z");
    bench.call(TAGGED, Some("there"));
    assert_eq!(bench.state("p@a"), "delivered");
    let links = bench.durable.iter().filter_map(|record| match &record.fact {
        Fact::Intent(intent) => Some(intent.link.as_deref()),
        _ => None,
    });
    assert_eq!(links.collect::<Vec<_>>(), [Some(TAGGED); 2]);
}

#[test]
fn an_attempt_that_was_begun_without_tags_goes_on_without() {
    let toml = post("p", "");
    let mut bench = Bench::new(Vec::new(), "2026-06-01T08:30:00Z", setup(Links::default(), 200), &toml);
    bench.until("2026-06-01T09:00:00Z");
    bench.call(LINK, Some("later"));
    let mut bench = Bench::new(bench.durable, "2026-06-01T09:00:01Z", setup(tagging(), 200), &toml);
    bench.until("2026-06-01T09:10:00Z");
    bench.call(LINK, Some("posted"));
    assert_eq!(bench.state("p@a"), "delivered");
}

#[test]
fn the_same_content_is_a_double_although_its_tags_differ() {
    let toml = [post("p", "series = \"desk\""), post("q", "")].concat();
    let mut bench = Bench::new(Vec::new(), "2026-06-01T08:30:00Z", setup(tagging(), 200), &toml);
    bench.until("2026-06-01T09:00:00Z");
    bench.call(TAGGED, Some("posted"));
    bench.until("2026-06-01T10:00:00Z");
    assert!(bench.state("q@a").starts_with("duplicate: "), "{}", bench.state("q@a"));
    assert!(bench.calls.is_empty());
}

#[test]
fn a_link_counts_with_its_tags_and_a_post_may_do_without() {
    let toml = [post("p", ""), post("q", "track = false")].concat();
    let mut bench = Bench::new(Vec::new(), "2026-06-01T08:30:00Z", setup(tagging(), 70), &toml);
    assert_eq!((bench.state("p@a"), bench.state("q@a")), ("invalid: too long".into(), "scheduled".into()));
    bench.until("2026-06-01T09:00:00Z");
    bench.call(LINK, Some("posted"));
    assert_eq!(bench.state("q@a"), "delivered");
}

#[test]
fn a_site_shows_the_tagged_link() {
    let house = House::with(
        "[accounts.site]\nplatform = \"site\"\npath = \"site\"\nbase_url = \"https://example.org\"\ntitle = \"Notes\"\n\
         slots = [\"* * * * * *\"]\n[links]\ntag = true\n",
        |text| text,
    );
    house.queue(
        "q.toml",
        "[[post]]\nid = \"p\"\nto = [\"site\"]\naudience = \"indie founders\"\ngoal = \"connection\"\ntext = \"hello\"\n\
         link = \"https://a.example/?x=1\"\n",
    );
    let said = house.run(&["run", "--until-idle"]);
    assert_eq!(said.code, 0, "{said:?}");
    let feed = std::fs::read_to_string(house.path("site/feed.json")).expect("a feed");
    let tagged = "https://a.example/?x=1&utm_source=site&utm_medium=social&utm_campaign=indie+founders&utm_content=p";
    assert!(feed.contains(tagged), "{feed}");
}
