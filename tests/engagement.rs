//! The engine looks at what has become of posts, on virtual time and against the platforms' twins: whatever a crowd does,
//! whatever is lost on the way, and however often the program is killed, what is on record in the end is what is true.

#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use cadenced::control::protocol::{DaemonReport, Stage};
use cadenced::domain::policy::{
    ApprovalMode, Cron, DeliveryRules, Missed, Policy, Promotion, Retry, Schedule, Spray, Unanswered,
};
use cadenced::domain::time::{after, since};
use cadenced::domain::{AccountId, DeliveryId, Digest, Interaction, Links, PersonId, State, Timestamp};
use cadenced::engage::record::Came;
use cadenced::engage::watch::AGES;
use cadenced::engage::{self, Conversations, Watch};
use cadenced::engine::engine::Mode;
use cadenced::engine::{AccountSetup, Chore, Command, Engine, Event, Ticket};
use cadenced::ledger::record::{Fact, Outcome};
use cadenced::ledger::store::CommitError;
use cadenced::ledger::{Record, View};
use cadenced::parts::Inbox;
use cadenced::platform::contract::crowd::{By, CrowdAct};
use cadenced::platform::contract::{Call, Failure, HttpReply, Reply, Table, Twin};
use cadenced::platform::find;
use cadenced::queue::parse;

/// What is under way, by when it happens.
#[derive(Debug)]
enum Coming {
    /// A call arrives, and what of it is lost: nothing, the call, or the reply.
    Call(Ticket, Box<Call>, Lost),
    Committed(Ticket, Vec<Record>),
    Remembered(Ticket, Vec<engage::Record>),
    Chore,
    Crowd,
    Crash,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lost {
    Nothing,
    Request,
    Answer,
    /// Instead of an answer.
    Broken,
}

struct World {
    engine: Engine,
    setup: AccountSetup,
    twin: Box<dyn Twin>,
    queue: String,
    now: Timestamp,
    coming: BTreeMap<(Timestamp, u64), Coming>,
    sequence: u64,
    chance: Chance,
    durable: Vec<Record>,
    remembered: Vec<engage::Record>,
    /// Whether anything goes wrong, and until when people do things.
    rough: bool,
    crowd_ends: Timestamp,
    calls: u64,
    said: Vec<String>,
}

/// The same numbers in every run of a seed.
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % most.max(1)
    }

    fn one_in(&mut self, most: u64) -> bool {
        self.below(most) == 0
    }
}

fn account() -> AccountId {
    AccountId::new("a0").unwrap()
}

const BEGIN: Timestamp = Timestamp::constant(1_790_000_000, 0);
const DAY: Duration = Duration::from_secs(86_400);
/// Once a minute is what the configuration says. What comes of it is the same, and sooner.
const CHORE: Duration = Duration::from_secs(15 * 60);

fn setup(platform: &str, twin: &dyn Twin) -> AccountSetup {
    let entry = find(platform).unwrap();
    let mut table = Table::new(account(), twin.table(0, "https://host.example/", "folder"), PathBuf::from("/base"));
    let builder = croner::parser::CronParser::builder().seconds(croner::parser::Seconds::Optional).build();
    let slots = vec![Cron { text: "0 9 * * *".into(), pattern: builder.parse("0 9 * * *").unwrap() }];
    AccountSetup {
        id: account(),
        adapter: (entry.build)(&mut table).unwrap(),
        secrets: twin.secrets(0),
        schedule: Schedule { zone: jiff::tz::TimeZone::UTC, slots },
        policy: Policy {
            max_per_day: 10,
            min_gap: Duration::ZERO,
            missed: Missed::Now,
            late_grace: DAY,
            promotion: Promotion { share: 1.0, window: 1 },
            unanswered: Unanswered { max: 2, older_than: DAY },
            quiet: Vec::new(),
            runway_warn: Duration::ZERO,
            budget: None,
            spray: Spray::Warn,
        },
        rules: DeliveryRules {
            timeout: Duration::from_secs(60),
            settle: None,
            retry: Retry { first: Duration::from_secs(30), max: Duration::from_secs(3_600), tries: 8 },
        },
        paused: false,
        identity: None,
        token_expires: None,
        seal: None,
        links: Links::default(),
    }
}

fn post(id: usize, goal: &str) -> String {
    format!("[[post]]\nid = \"p{id}\"\nto = [\"a0\"]\naudience = \"all\"\ngoal = \"{goal}\"\ntext = \"Post {id}.\"\n")
}

impl World {
    fn new(platform: &str, seed: u64, rough: bool, queue: String) -> Self {
        let twin = (find(platform).unwrap().twin)();
        let setup = setup(platform, &*twin);
        let engine = Engine::new(7, View::default(), Mode::Publish);
        let mut world = Self {
            engine,
            setup,
            twin,
            queue,
            now: BEGIN,
            coming: BTreeMap::new(),
            sequence: 0,
            chance: Chance(seed),
            durable: Vec::new(),
            remembered: Vec::new(),
            rough,
            crowd_ends: after(BEGIN, DAY * 8),
            calls: 0,
            said: Vec::new(),
        };
        world.start();
        world.later(Duration::from_secs(20), Coming::Chore);
        world.later(Duration::from_secs(3_600), Coming::Crowd);
        if rough {
            world.later(DAY, Coming::Crash);
        }
        world
    }

    /// The program starts with what is durable.
    fn start(&mut self) {
        let mut view = View::default();
        self.durable.iter().for_each(|record| view.apply(record));
        let mut watch = Watch::default();
        self.remembered.iter().for_each(|record| watch.apply(record));
        self.engine = Engine::new(7, view, Mode::Publish);
        self.engine.watch(watch);
        let mut media = |_: &str| Err("there are no files here".to_owned());
        let mut around = parse::Surroundings { approval: ApprovalMode::None, accounts: None, media: &mut media };
        let posts = parse::read(&"q.toml".into(), self.queue.as_bytes(), &mut around).posts;
        self.tell(Event::Configured(vec![self.setup.clone()]));
        self.tell(Event::Inbox(Inbox::File { file: "q.toml".into(), posts, faults: Vec::new() }));
        self.tell(Event::Inbox(Inbox::Complete));
    }

    fn later(&mut self, span: Duration, coming: Coming) {
        self.sequence += 1;
        self.coming.insert((after(self.now, span), self.sequence), coming);
    }

    fn tell(&mut self, event: Event) {
        self.engine.handle(event, self.now);
        while let Some(command) = self.engine.next_command() {
            let soon = Duration::from_millis(1 + self.chance.below(900));
            match command {
                Command::Commit { ticket, records, .. } => self.later(soon, Coming::Committed(ticket, records)),
                Command::Remember { ticket, records } => self.later(soon, Coming::Remembered(ticket, records)),
                Command::Call { ticket, call, .. } => {
                    self.calls += 1;
                    let lost = match self.chance.below(40) {
                        _ if !self.rough => Lost::Nothing,
                        0 => Lost::Request,
                        1 => Lost::Answer,
                        2 => Lost::Broken,
                        _ => Lost::Nothing,
                    };
                    self.later(soon, Coming::Call(ticket, Box::new(call), lost));
                }
                Command::Log(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Until then.
    fn run(&mut self, span: Duration) {
        let until = after(self.now, span);
        loop {
            let alarm = self.engine.poll_timeout().map_or(Timestamp::MAX, |at| at.max(self.now));
            let next = self.coming.keys().next().copied();
            match next {
                Some(key) if key.0 <= alarm && key.0 <= until => {
                    let coming = self.coming.remove(&key).unwrap();
                    self.now = self.now.max(key.0);
                    self.happens(coming);
                }
                _ if alarm <= until => {
                    self.now = alarm;
                    self.tell(Event::Tick);
                }
                _ => break,
            }
        }
        self.now = until;
    }

    fn happens(&mut self, coming: Coming) {
        match coming {
            Coming::Call(ticket, call, lost) => {
                let result = match lost {
                    Lost::Request => Err(Failure::NeverLeft("no way there".into())),
                    Lost::Broken => Ok(Reply::Http(HttpReply { status: 502, ..HttpReply::default() })),
                    Lost::Nothing => Ok(self.twin.answer(&call, self.now)),
                    Lost::Answer => {
                        self.twin.answer(&call, self.now);
                        Err(Failure::MayHaveArrived("timed out".into()))
                    }
                };
                self.tell(Event::Replied { ticket, result });
            }
            Coming::Committed(ticket, records) => {
                self.durable.extend(records);
                self.tell(Event::Committed { ticket, result: Ok(()) });
            }
            Coming::Remembered(ticket, records) => {
                let fails = self.rough && self.chance.one_in(20);
                let result = if fails { Err(CommitError::Io("the disk said no".into())) } else { Ok(()) };
                if !fails {
                    self.remembered.extend(records);
                }
                self.tell(Event::Remembered { ticket, result });
            }
            Coming::Chore => {
                self.later(CHORE, Coming::Chore);
                self.tell(Event::Chore(Chore::Sweep));
            }
            Coming::Crowd => {
                if self.now < self.crowd_ends {
                    let pause = Duration::from_secs(60 + self.chance.below(3 * 3_600));
                    self.later(pause, Coming::Crowd);
                    self.crowd();
                }
            }
            Coming::Crash => {
                // What was on its way is lost, or has arrived and nobody is told.
                for (_, coming) in std::mem::take(&mut self.coming) {
                    match coming {
                        Coming::Call(_, call, Lost::Nothing | Lost::Answer) => drop(self.twin.answer(&call, self.now)),
                        Coming::Chore | Coming::Crowd => self.later(Duration::from_secs(60), coming),
                        _ => {}
                    }
                }
                let pause = DAY / 4 + Duration::from_secs(self.chance.below(2 * 86_400));
                self.later(pause, Coming::Crash);
                self.start();
            }
        }
    }

    /// Somebody does something.
    fn crowd(&mut self) {
        let posts: Vec<String> = self.twin.published().into_iter().map(|post| post.id).collect();
        if posts.is_empty() {
            return;
        }
        let post = posts[self.chance.below(posts.len() as u64) as usize].clone();
        let number = u32::try_from(self.chance.below(12)).unwrap();
        let by = By::Person(number);
        let text = format!("What about {}?", self.chance.below(1_000));
        let private = self.chance.one_in(10);
        let answered = match self.said.len() as u64 {
            0 => post.clone(),
            count => self.said[self.chance.below(count) as usize].clone(),
        };
        let act = match self.chance.below(20) {
            0..=4 => CrowdAct::Like { by, post },
            5 | 6 => CrowdAct::Repost { by, post },
            7 => CrowdAct::Unlike { by, post },
            8 => CrowdAct::Unrepost { by, post },
            9 | 10 => CrowdAct::Reply { by, to: post, text, private },
            11 | 12 => CrowdAct::Reply { by, to: answered, text, private },
            13 | 14 => CrowdAct::Reply { by: By::Ours(0), to: answered, text, private: false },
            15 => CrowdAct::Mention { by, account: 0, text, private },
            16 => CrowdAct::Quote { by, post, text },
            17 if !self.said.is_empty() => {
                let place = self.chance.below(self.said.len() as u64) as usize;
                CrowdAct::Unsay { id: self.said.swap_remove(place) }
            }
            18 if self.chance.one_in(4) => CrowdAct::Vanish { person: number },
            _ => CrowdAct::Like { by, post },
        };
        let ours = matches!(act, CrowdAct::Reply { by: By::Ours(_), .. });
        if let Some(id) = self.twin.act(&act, self.now)
            && !ours
        {
            self.said.push(id);
        }
    }

    fn posts(&self) -> Vec<(DeliveryId, String)> {
        let account = self.engine.view().account(&account());
        let posts = account.into_iter().flat_map(|account| account.deliveries());
        let remote = |entry: &cadenced::ledger::view::Entry| entry.remote().map(|remote| remote.id.clone());
        posts
            .filter_map(|(post, entry)| Some((DeliveryId::new(post.clone(), self::account()), remote(entry)?)))
            .collect()
    }
}

/// What the records come to.
#[derive(Debug, Default)]
struct Folded {
    counts: BTreeMap<Interaction, u64>,
    who: BTreeMap<Interaction, BTreeSet<PersonId>>,
    said: BTreeSet<String>,
    ages: Vec<u64>,
    gone: bool,
}

fn folded(records: &[engage::Record], delivery: &DeliveryId) -> Folded {
    let mut folded = Folded::default();
    let mut told: BTreeMap<String, bool> = BTreeMap::new();
    for record in records {
        match &record.fact {
            engage::Fact::Sampled(sample) if sample.delivery == *delivery => {
                folded.counts.clone_from(&sample.counts);
                folded.ages.push(sample.age);
                folded.gone |= sample.gone;
                for (kind, came) in &sample.came {
                    for Came(person, at) in came {
                        assert!(*at <= record.at);
                        let new = folded.who.entry(*kind).or_default().insert(person.clone());
                        assert!(new, "{person} has come twice");
                    }
                }
                for (kind, left) in &sample.left {
                    for person in left {
                        let there = folded.who.entry(*kind).or_default().remove(person);
                        assert!(there, "{person} has left who was not there");
                    }
                }
            }
            engage::Fact::Said { delivery: below, message, .. } if below.as_ref() == Some(delivery) => {
                told.insert(message.id.clone(), true);
            }
            engage::Fact::Unsaid { id, .. } => drop(told.remove(id)),
            _ => {}
        }
    }
    folded.said = told.into_keys().collect();
    folded
}

/// What is on record of each post is what is true of it.
fn agrees(world: &World) {
    let posts = world.posts();
    assert!(!posts.is_empty());
    for (delivery, remote) in posts {
        let truth = world.twin.standing(0, &remote).expect("it tells");
        let folded = folded(&world.remembered, &delivery);
        assert_eq!(folded.gone, truth.gone, "{delivery}");
        assert_eq!(folded.counts, truth.counts, "{delivery}");
        for (kind, who) in &truth.who {
            let held = folded.who.get(kind).cloned().unwrap_or_default();
            assert!(held.is_superset(who), "{delivery}: {kind}: {held:?} is on record, and {who:?} is true");
            // Where somebody is counted and not shown, nobody can tell who of those not shown has taken it back.
            if truth.counts.get(kind) == Some(&(who.len() as u64)) {
                assert_eq!(held, *who, "{delivery}: {kind}");
            }
        }
        // Where nobody is seen who has answered the post itself, it cannot be told what the rest hangs below.
        if truth.said.values().any(|word| word.parent.as_ref() == Some(&remote)) {
            let said: BTreeSet<String> = truth.said.keys().cloned().collect();
            assert_eq!(folded.said, said, "{delivery}");
        }
        let last = folded.ages.last().copied().unwrap_or_default();
        // It was looked at last when the last of the ages that it has reached was due.
        let published = world.engine.view().entry(&delivery).and_then(|entry| entry.sent.as_ref()).unwrap().from;
        let age = since(world.now, published);
        let due = AGES.iter().filter(|due| age > **due + Duration::from_secs(3 * 3_600)).max().copied();
        let due = due.unwrap_or_default().as_secs() * 9 / 10;
        assert!(last >= due, "{delivery}, {} s old, was looked at last when it was {last} s old", age.as_secs());
        assert!(folded.ages.len() <= 20, "{delivery} was looked at {} times", folded.ages.len());
    }
    // Who waits follows from what was said, whatever it was folded from.
    let mut anew = Conversations::default();
    world.remembered.iter().for_each(|record| anew.apply(record));
    let names = |conversations: &Conversations| -> Vec<(Timestamp, String)> {
        let waiting = conversations.waiting(None);
        waiting.map(|held| (held.since.unwrap(), held.latest.id.clone())).collect()
    };
    assert_eq!(names(world.engine.watched().unwrap().conversations()), names(&anew));
}

fn queue(posts: usize) -> String {
    (0..posts).map(|id| post(id, "connection")).collect()
}

const PLATFORMS: [&str; 5] = ["mastodon", "bluesky", "nostr", "facebook", "linkedin"];

#[test]
fn in_fair_weather_everything_is_on_record_and_nothing_is_late() {
    for platform in PLATFORMS {
        let mut world = World::new(platform, 1, false, queue(4));
        world.run(DAY * 36);
        agrees(&world);
        let mut slots = BTreeMap::new();
        for record in &world.durable {
            match &record.fact {
                Fact::Intent(intent) => drop(slots.insert(intent.delivery.clone(), intent.slot.unwrap())),
                Fact::Outcome { delivery, outcome: Outcome::Delivered { .. }, .. } => {
                    let late = since(record.at, slots[delivery]);
                    assert!(late < Duration::from_secs(20), "{delivery} was {late:?} late");
                }
                _ => {}
            }
        }
        // 4 posts are looked at 7 times, and it is listened every ten minutes, with whoever waits.
        assert!(world.calls < 60_000, "{} calls", world.calls);
    }
}

#[test]
fn what_is_on_record_is_what_is_true_whatever_happens() {
    let seeds: u64 = std::env::var("CADENCED_SIM_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(3);
    for platform in PLATFORMS {
        // What the engine does is the same for all; the others have a seed for what is their own.
        let seeds = if ["mastodon", "bluesky"].contains(&platform) { seeds } else { seeds.div_ceil(3) };
        for seed in 0..seeds {
            let mut world = World::new(platform, 1_000 + seed, true, queue(4));
            world.run(DAY * 20);
            // Fair weather for the last look: of a list that was broken off, nothing is told until the next one.
            world.rough = false;
            world.coming.retain(|_, coming| !matches!(coming, Coming::Crash));
            world.run(DAY * 17);
            agrees(&world);
            let states: Vec<_> = world.posts();
            assert_eq!(states.len(), 4, "{platform}, seed {seed}: everything is out");
        }
    }
}

#[test]
fn posts_that_are_no_talk_wait_while_people_do() {
    let mut world = World::new("mastodon", 3, false, format!("{}{}", post(0, "connection"), post(1, "change")));
    world.crowd_ends = BEGIN;
    world.run(DAY);
    let (_, remote) = world.posts()[0].clone();
    let ask = |world: &mut World, number: u32| {
        let (by, text) = (By::Person(number), "And then?".to_owned());
        let act = CrowdAct::Reply { by, to: remote.clone(), text, private: false };
        world.twin.act(&act, world.now).unwrap()
    };
    // Number 3 is a bot, and nobody waits for an answer to one. Two may wait.
    let asked: Vec<String> = [0, 1, 3, 2].map(|number| ask(&mut world, number)).into();
    let later = post(4, "change");
    world.queue = format!("{}{}{}{later}", post(0, "connection"), post(1, "change"), post(2, "change"));
    world.start();
    world.run(DAY * 2);
    let state = |world: &World, post: &str| {
        let delivery: DeliveryId = format!("{post}@a0").parse().unwrap();
        world.engine.view().entry(&delivery).unwrap().state.clone()
    };
    let held = |state: &State| matches!(state, State::Held { reason: cadenced::domain::Held::Unanswered, .. });
    assert!(held(&state(&world, "p2")), "{:?}", state(&world, "p2"));
    // On record that is whose turn it was. Whoever asks is told of the other one too.
    assert_eq!(state(&world, "p4"), State::Scheduled);
    let daemon = || DaemonReport { running: true, pid: None, version: String::new() };
    let status = world.engine.status(None, daemon(), world.now);
    let told = status.deliveries.iter().filter(|report| report.state == Stage::Held);
    let told: Vec<_> = told.map(|report| (report.post.as_str(), report.reason.as_deref().unwrap())).collect();
    let why = "unanswered: 3 conversations wait for an answer, that of ";
    assert!(told.len() == 2 && told.iter().all(|(_, reason)| reason.starts_with(why)), "{told:?}");
    let counts = world.engine.overview(daemon(), world.now).counts;
    assert_eq!(counts.values().filter_map(|states| states.get(&Stage::Held)).sum::<u64>(), 2);
    // Answered by hand, in the app: it opens by itself.
    let text = "Then we went home.".to_owned();
    world.twin.act(&CrowdAct::Reply { by: By::Ours(0), to: asked[0].clone(), text, private: false }, world.now);
    world.run(DAY);
    assert!(matches!(state(&world, "p2"), State::Delivered { .. }), "{:?}", state(&world, "p2"));
    world.run(DAY);
    assert!(matches!(state(&world, "p4"), State::Delivered { .. }), "{:?}", state(&world, "p4"));
    // An answer that is sent from the queue is seen as it goes out.
    let waits = |world: &World| world.engine.watched().unwrap().conversations().waiting(None).count();
    assert_eq!(waits(&world), 2);
    let answer = {
        let conversations = world.engine.watched().unwrap().conversations();
        conversations.waiting(None).next().unwrap().latest.answer.clone()
    };
    let reply =
        format!("[[reply]]\nid = \"r\"\nto = \"a0\"\nconversation = \"{answer}\"\ntext = \"Then we went home.\"\n");
    world.queue = format!("{}{reply}", world.queue);
    world.start();
    world.run(Duration::from_secs(50));
    assert!(matches!(state(&world, "r"), State::Delivered { .. }), "{:?}", state(&world, "r"));
    assert_eq!(waits(&world), 1);
}

#[test]
fn somebody_who_is_forgotten_is_not_recorded_again() {
    let mut world = World::new("mastodon", 4, false, queue(2));
    world.run(DAY * 4);
    let named: BTreeSet<PersonId> = world.remembered.iter().flat_map(people).collect();
    let gone = named.iter().next().expect("somebody has done something").clone();
    let person = Digest::of(gone.as_str().as_bytes());
    world.engine.settle(vec![engage::Fact::Forgotten { person }], world.now).unwrap();
    world.tell(Event::Tick);
    world.run(Duration::from_secs(5));
    let before = world.remembered.len();
    world.run(DAY * 12);
    let later: BTreeSet<PersonId> = world.remembered[before..].iter().flat_map(people).collect();
    assert!(!later.contains(&gone) && !later.is_empty());
}

/// Everybody a record names as having done something.
fn people(record: &engage::Record) -> Vec<PersonId> {
    match &record.fact {
        engage::Fact::Person(profile) => vec![profile.person.clone()],
        engage::Fact::Sampled(sample) => sample.came.values().flatten().map(|came| came.0.clone()).collect(),
        engage::Fact::Said { message, .. } => message.by.iter().cloned().collect(),
        _ => Vec::new(),
    }
}
