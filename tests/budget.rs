//! The budget of a month, from the engine's door: what is set aside with an intent and given back with an outcome, what
//! is held and goes out later, and what is finished all the same.

#![cfg(test)]

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use cadenced::config::read::{default_policy, default_rules};
use cadenced::domain::policy::{ApprovalMode, Cron, Policy, Schedule};
use cadenced::domain::{AccountId, DeliveryId, Digest, Dollars, Month, State, Timestamp, time};
use cadenced::engine::engine::Mode;
use cadenced::engine::{AccountSetup, Chore, Command, Engine, Event, Ticket};
use cadenced::ledger::record::{Fact, Outcome};
use cadenced::ledger::{Record, View};
use cadenced::parts::Inbox;
use cadenced::platform::contract::{Adapter, Call, Failure, Table, Twin};
use cadenced::platform::x::{self, twin::XTwin};
use cadenced::queue::parse;
use cadenced::telemetry::events::Event as LogEvent;

/// What one post without an address costs, with a look at whose token it is.
const POST: i64 = 25_000;

fn account() -> AccountId {
    AccountId::new("x").unwrap()
}

fn adapter(twin: &XTwin) -> Arc<dyn Adapter> {
    let mut table = Table::new(account(), twin.table(0, "http://127.0.0.1:1/", "/"), "/".into());
    (x::ENTRY.build)(&mut table).expect("the table of an imitation is good")
}

/// What becomes of the next calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wire {
    Good,
    /// Carried out, and the reply is lost.
    ReplyLost,
}

struct House {
    engine: Engine,
    twin: XTwin,
    budget: Option<i64>,
    queue: String,
    now: Timestamp,
    durable: Vec<Record>,
    /// Facts of each batch, by name.
    batches: Vec<Vec<String>>,
    calls: VecDeque<(Ticket, Call)>,
    wire: Wire,
    /// The name of the last call before the process dies.
    dies_at: Option<&'static str>,
    log: Vec<LogEvent>,
}

impl House {
    /// An account with a slot at nine and at ten, and posts that say their names; `+` parts follow.
    fn new(budget: Option<i64>, now: &str, posts: &[&str]) -> Self {
        let queue = posts.iter().map(|name| {
            let (name, parts) = name.split_once('+').unwrap_or((name, "0"));
            let parts: Vec<String> = (0..parts.parse().unwrap()).map(|part| format!("\"{name} {part}\"")).collect();
            format!(
                "[[post]]\nid = \"{name}\"\nto = [\"x\"]\naudience = \"all\"\ngoal = \"change\"\ntext = \"{name}\"\nthread = [{}]\n",
                parts.join(", ")
            )
        });
        let mut house = Self {
            engine: Engine::new(7, View::default(), Mode::Publish),
            twin: XTwin::new(),
            budget,
            queue: queue.collect(),
            now: now.parse().unwrap(),
            durable: Vec::new(),
            batches: Vec::new(),
            calls: VecDeque::new(),
            wire: Wire::Good,
            dies_at: None,
            log: Vec::new(),
        };
        house.start();
        house
    }

    fn setup(&self) -> AccountSetup {
        let cron = |text: &str| Cron { text: text.into(), pattern: text.parse().unwrap() };
        let slots = vec![cron("0 9 * * *"), cron("0 10 * * *")];
        AccountSetup {
            id: account(),
            adapter: adapter(&self.twin),
            secrets: self.twin.secrets(0),
            schedule: Schedule { zone: jiff::tz::TimeZone::UTC, slots },
            policy: Policy { budget: self.budget.map(Dollars), min_gap: Duration::ZERO, ..default_policy() },
            rules: default_rules(),
            links: cadenced::domain::Links::default(),
            paused: false,
            identity: None,
            token_expires: None,
            seal: None,
        }
    }

    fn start(&mut self) {
        let mut view = View::default();
        self.durable.iter().for_each(|record| view.apply(record));
        self.calls.clear();
        self.engine = Engine::new(7, view, Mode::Publish);
        self.tell(Event::Configured(vec![self.setup()]));
        let mut media = |_: &str| Ok(Digest::of(b"").into());
        let mut around = parse::Surroundings { approval: ApprovalMode::None, accounts: None, media: &mut media };
        let posts = parse::read(&"q.toml".into(), self.queue.as_bytes(), &mut around).posts;
        self.tell(Event::Inbox(Inbox::File { file: "q.toml".into(), posts, faults: Vec::new() }));
        self.tell(Event::Inbox(Inbox::Complete));
    }

    fn tell(&mut self, event: Event) {
        self.engine.handle(event, self.now);
        while let Some(command) = self.engine.next_command() {
            match command {
                Command::Commit { ticket, records, .. } => {
                    self.batches.push(records.iter().map(|record| record.fact.name().to_owned()).collect());
                    self.durable.extend(records);
                    self.engine.handle(Event::Committed { ticket, result: Ok(()) }, self.now);
                }
                Command::Call { ticket, call, .. } => self.calls.push_back((ticket, call)),
                Command::Log(event) => self.log.push(event),
                other => panic!("{other:?}"),
            }
        }
    }

    /// Answers calls and lets time pass until then.
    fn until(&mut self, moment: &str) {
        let moment: Timestamp = moment.parse().unwrap();
        for _ in 0..10_000 {
            if let Some((ticket, call)) = self.calls.pop_front() {
                let Call::Http(request) = &call else { panic!("{call:?}") };
                let path = request.url.path().trim_start_matches("/2/").to_owned();
                if self.dies_at.is_some_and(|name| path == name) {
                    self.dies_at = None;
                    self.start();
                    continue;
                }
                let result = match self.wire {
                    Wire::Good => Ok(self.twin.answer(&call, self.now)),
                    Wire::ReplyLost => {
                        self.twin.answer(&call, self.now);
                        Err(Failure::MayHaveArrived("gone".into()))
                    }
                };
                self.tell(Event::Replied { ticket, result });
                continue;
            }
            match self.engine.poll_timeout().filter(|at| *at <= moment) {
                Some(at) => {
                    self.now = at.max(self.now);
                    self.tell(Event::Tick);
                }
                None => {
                    self.now = self.now.max(moment);
                    return;
                }
            }
        }
        panic!("it comes to no end");
    }

    fn state(&self, post: &str) -> String {
        let delivery: DeliveryId = format!("{post}@x").parse().unwrap();
        match self.engine.view().entry(&delivery).map(|entry| &entry.state) {
            Some(State::Held { reason, .. }) => format!("held({reason})"),
            Some(state) => state.name().into(),
            None => "unknown".into(),
        }
    }

    fn states(&self, posts: &[&str]) -> Vec<String> {
        posts.iter().map(|post| self.state(post)).collect()
    }

    /// Spent in the month of now, in millionths.
    fn spent(&self) -> i64 {
        self.engine.view().account(&account()).map_or(0, |account| account.head.spent(Month::of(self.now)).money.0)
    }

    fn billed(&self) -> i64 {
        self.twin.billed_since(&mut 0).iter().map(|item| item.money.0).sum()
    }

    /// What was said of the budget: percent and what was spent.
    fn said(&self) -> Vec<(i64, f64)> {
        let said = self.log.iter().filter_map(|event| match event {
            LogEvent::AccountBudget { percent, spent_usd, .. } => Some((*percent, *spent_usd)),
            _ => None,
        });
        said.collect()
    }
}

#[test]
fn what_a_post_may_cost_is_set_aside_with_its_intent_and_costs_no_sync() {
    let batches = |budget| {
        let mut house = House::new(budget, "2026-06-01T08:30:00Z", &["a", "b+1"]);
        house.until("2026-06-01T11:00:00Z");
        assert_eq!(house.states(&["a", "b"]), ["delivered", "delivered"]);
        assert_eq!((house.spent(), house.billed()), (55_000, 55_000), "one look, three parts");
        let set_aside = house.durable.iter().find_map(|record| match &record.fact {
            Fact::Spent { spend, .. } => Some(*spend),
            _ => None,
        });
        assert_eq!(set_aside.map(|spend| (spend.money.0, spend.reads, spend.writes)), Some((POST, 1, 1)));
        house.batches
    };
    let with = batches(Some(1_000_000));
    assert!(with.contains(&vec!["intent".into(), "spent".into()]), "{with:?}");
    assert!(!with.contains(&vec!["spent".into()]), "a batch of its own: {with:?}");
    // It is counted without a limit, too.
    assert_eq!(batches(None), with);
}

#[test]
fn what_would_pass_the_budget_is_held_until_the_month_turns_or_somebody_raises_it() {
    let posts = ["a", "b", "c"];
    let mut house = House::new(Some(POST), "2026-06-29T08:30:00Z", &posts);
    house.until("2026-06-30T22:00:00Z");
    assert_eq!(house.states(&posts), ["delivered", "held(budget)", "held(budget)"]);
    assert_eq!(house.said(), [(80, 0.025), (100, 0.025)]);
    house.until("2026-07-01T08:00:00Z");
    assert_eq!(house.states(&posts), ["delivered", "scheduled", "scheduled"]);
    // The second needs no look any more, and the third would, as far as anybody knows ahead.
    house.until("2026-07-01T22:00:00Z");
    assert_eq!(house.states(&posts), ["delivered", "delivered", "held(budget)"]);
    house.start();
    assert_eq!(house.state("c"), "held(budget)", "a restart changes nothing about it");
    house.budget = Some(3 * POST);
    house.tell(Event::Configured(vec![house.setup()]));
    house.until("2026-07-02T09:30:00Z");
    assert_eq!(house.states(&posts), ["delivered"; 3]);
}

#[test]
fn eighty_and_a_hundred_percent_are_said_once() {
    let posts = ["a", "b", "c", "d"];
    let mut house = House::new(Some(75_000), "2026-06-01T08:30:00Z", &posts);
    house.until("2026-06-05T12:00:00Z");
    // With what is set aside: 25, 50 of 75; then 65 of them, and the last that fits.
    assert_eq!(house.states(&posts), ["delivered", "delivered", "delivered", "held(budget)"]);
    assert_eq!(house.said().iter().map(|(percent, _)| *percent).collect::<Vec<_>>(), [80, 100]);
}

#[test]
fn a_crash_counts_too_much_and_never_too_little() {
    for (dies_at, counted) in [("users/me", POST + 25_000), ("tweets", POST + 35_000)] {
        let mut house = House::new(Some(1_000_000), "2026-06-01T08:30:00Z", &["a"]);
        house.dies_at = Some(dies_at);
        house.until("2026-06-01T12:00:00Z");
        assert_eq!(house.state("a"), "delivered");
        assert!(house.billed() <= house.spent() && house.spent() <= counted + 1_000, "{}", house.spent());
        assert!(house.spent() >= 2 * POST, "what the first life had set aside stays counted");
    }
}

#[test]
fn what_is_in_doubt_is_looked_for_whatever_it_costs() {
    let mut house = House::new(Some(POST), "2026-06-01T08:30:00Z", &["a", "b"]);
    house.until("2026-06-01T08:59:00Z");
    house.wire = Wire::ReplyLost;
    house.until("2026-06-01T09:01:00Z");
    house.wire = Wire::Good;
    house.until("2026-06-01T09:05:00Z");
    // Whose token it is was answered, lost and paid for: a whole post does not fit any more.
    assert_eq!((house.states(&["a", "b"]), house.spent()), (vec!["scheduled".into(), "scheduled".into()], 10_000));
    house.budget = Some(40_000);
    house.tell(Event::Configured(vec![house.setup()]));
    house.until("2026-06-01T09:59:59Z");
    house.dies_at = Some("tweets");
    house.until("2026-06-01T12:00:00Z");
    // It is looked for with what is not there any more, and found to be missing.
    assert!(
        house
            .durable
            .iter()
            .any(|record| matches!(record.fact, Fact::Outcome { outcome: Outcome::Ambiguous { .. }, .. }))
    );
    assert!(house.spent() > 40_000 && house.billed() <= house.spent(), "{}", house.spent());
    assert_eq!(house.states(&["a", "b"])[0], "scheduled", "and not begun again in this month");
    house.until("2026-07-01T12:00:00Z");
    assert_eq!(house.states(&["a", "b"]), ["delivered", "delivered"]);
}

#[test]
fn a_thread_that_has_begun_is_finished() {
    let mut house = House::new(Some(POST + 2 * 15_000), "2026-06-01T08:30:00Z", &["a+2", "b"]);
    house.until("2026-06-01T08:59:59Z");
    house.now = "2026-06-01T09:00:00Z".parse().unwrap();
    house.tell(Event::Tick);
    while house.twin.published().is_empty() {
        let (ticket, call) = house.calls.pop_front().expect("it is at work");
        let result = Ok(house.twin.answer(&call, house.now));
        house.tell(Event::Replied { ticket, result });
    }
    // The first part is out, and what was set aside for the others is lost with the process.
    house.dies_at = Some("tweets");
    house.until("2026-06-01T12:00:00Z");
    assert_eq!(house.state("a"), "delivered");
    assert_eq!(house.twin.published().len(), 3);
    assert!(house.spent() > POST + 2 * 15_000, "{}", house.spent());
    assert_eq!(house.state("b"), "held(budget)");
}

#[test]
fn a_stopped_account_is_asked_again_and_that_is_counted() {
    let mut house = House::new(Some(1_000_000), "2026-06-01T08:30:00Z", &["a"]);
    house.twin.set_revoked(true);
    house.until("2026-06-01T09:00:30Z");
    assert_eq!((house.state("a").as_str(), house.spent()), ("retrying", 0), "who is not known is not billed");
    for minute in 1..20 {
        house.until(&format!("2026-06-01T09:{minute:02}:30Z"));
        house.tell(Event::Chore(Chore::Accounts));
    }
    let set_aside = house.durable.iter().filter(|record| matches!(record.fact, Fact::Spent { .. })).count();
    assert_eq!((house.spent(), set_aside), (10_000, 3), "once for all that are asked in this life");
    house.twin.set_revoked(false);
    house.tell(Event::Chore(Chore::Accounts));
    house.until("2026-06-01T09:30:00Z");
    assert_eq!(house.state("a"), "delivered");
    assert_eq!((house.spent(), house.billed()), (POST, POST));
}

#[test]
fn what_is_begun_at_the_turn_of_a_month_counts_for_the_month_it_is_sent_in() {
    let mut house = House::new(Some(POST), "2026-06-30T08:30:00Z", &["a"]);
    house.until("2026-06-30T08:59:59Z");
    house.now = "2026-06-30T09:00:00Z".parse().unwrap();
    house.tell(Event::Tick);
    // Its intent is made, and then the machine sleeps into the next month.
    house.now = time::after(house.now, Duration::from_hours(16));
    house.until("2026-07-01T01:05:00Z");
    assert_eq!(house.state("a"), "delivered");
    let spent =
        |month: &str| house.engine.view().account(&account()).unwrap().head.spent(month.parse().unwrap()).money.0;
    assert_eq!((spent("2026-06") + spent("2026-07"), house.billed()), (POST, POST));
    assert_eq!(spent("2026-07"), 15_000);
}
