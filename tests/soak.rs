//! The real program with its real store at work for an hour and more: many accounts on four sorts of platforms, a queue
//! that is written to all the time, a network and platforms that fail all the time.
//!
//! The time is cut into stretches by turns. In a *killed* one the program is killed with SIGKILL every few seconds. In a
//! *calm* one it is left alone, because memory and handles can be judged only in a process that lives; what the network
//! does to it goes on, and the stretch ends with SIGTERM. The queue folder does not grow: a file whose posts are all over
//! is taken away, as people do. So what grows is what the program remembers.
//!
//! New posts come steadily, some with a time of their own, some as threads. Approved posts are edited, and approved again
//! or changed back; others are withdrawn. Requests are lost before and after their effect, never answered, answered late,
//! carried out after the program has given them up, refused with 429, 500, 502 and 503; sessions expire. A request is
//! under way for [`sky::LATEST`] at most, and what is in doubt is believed not to be there only after [`SETTLE`]: that is the
//! assumption the promise rests on, in small.
//!
//! At the end faults stop and the program runs until it is idle. Every post is on every account as often as its state
//! says, the states add up to all that was ever in the queue, and no secret stands in log or store. Figures of memory,
//! handles and store are printed, and bounds on their growth are held.
//!
//! `cargo test` runs it for some seconds, without kills while Mastodon is used: a post that is lost before it has arrived
//! there is found missing after two minutes of looking. `CADENCED_SOAK_SECONDS`, `CADENCED_SOAK_ACCOUNTS` and
//! `CADENCED_SOAK_SEED` are for the long run; the seed gives the same draws, and the kernel makes of them what it likes.
//! `CADENCED_SOAK_KILLS=0` makes one calm life of it.

#![cfg(test)]
#![expect(clippy::disallowed_macros, reason = "a long run says on stderr how it goes and what it has measured")]

mod support {
    pub mod house;
    pub mod platform;
    pub mod server;
    pub mod story;
}

#[path = "support/soak/folder.rs"]
mod folder;
#[path = "support/soak/sky.rs"]
mod sky;
#[path = "support/soak/vitals.rs"]
mod vitals;

#[path = "support/simulated/chance.rs"]
#[allow(dead_code, reason = "the simulation uses all of it")]
mod chance;

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, RandomState};
use std::os::unix::process::ExitStatusExt as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cadenced::ledger::{Fact, Record};
use chance::Chance;
use folder::{Folder, Rate};
use serde_json::Value;
use sky::{Mood, Sky};
use support::house::{Daemon, Deadline, House};
use support::platform::Platform;
use support::story::{self, Story};
use vitals::{Sample, Vitals, mib};

const MASTODON: &str = "mastodon";
const GOTOSOCIAL: &str = "gotosocial";
const BLUESKY: &str = "bluesky";
const SITE: &str = "site";
const KINDS: [&str; 4] = [MASTODON, GOTOSOCIAL, BLUESKY, SITE];

/// `delivery.settle` and `delivery.timeout`.
const SETTLE: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(3);
/// Longer than the program keeps a connection that nobody uses.
const REST: Duration = Duration::from_secs(75);
/// Between two looks at the log.
const TICK: Duration = Duration::from_millis(100);
/// Between two words on how it goes.
const WORD: Duration = Duration::from_secs(30);
/// Most that a stretch takes, and the end of it all: two minutes of looking on Mastodon, and the posts that waited for it.
const PATIENCE: Duration = Duration::from_secs(1200);
/// How much of a secret is looked for: what all secrets of one sort begin with.
const BEGINNING: usize = 11;

/// What a run consists of.
struct Shape {
    accounts: usize,
    /// Seconds of killed and calm stretches, by turns.
    stretches: Vec<(Stretch, u64)>,
    /// Milliseconds that a daemon lives before it is killed, but for some that live longer.
    longest: u64,
    /// Seconds between two slots of an account, a divisor of sixty.
    slots: u64,
    /// Of so many requests that publish, 143 do not go as they should, and 92 of others.
    requests: u64,
    rate: Rate,
    /// Between two samples.
    sample: Duration,
    /// Kills between two looks at the whole journal.
    looks: u64,
    /// Whether there is time to find a lost post missing on Mastodon.
    patient: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stretch {
    Killed,
    Calm,
}

struct Soak {
    shape: Shape,
    house: House,
    twins: BTreeMap<&'static str, Platform>,
    sky: Arc<Mutex<Sky>>,
    folder: Folder,
    chance: Chance,
    delivered: usize,
    /// Lines that must be on record by the next look at the journal.
    said: Vec<Value>,
    records: Vec<Record>,
    /// Beginnings of everything that must not be told.
    needles: Vec<String>,
    events: BTreeMap<String, u64>,
    /// Of calm stretches.
    samples: Vec<Sample>,
    /// After the last work was done and idle connections were closed.
    rested: Option<Sample>,
    kills: u64,
    /// Time in which a daemon was alive.
    lived: Duration,
    next_word: Deadline,
}

fn account(kind: &str, number: usize) -> String {
    format!("{}{number}", &kind[..1])
}

fn kind_of(account: &str) -> &'static str {
    KINDS.into_iter().find(|kind| account.starts_with(&kind[..1])).unwrap()
}

impl Soak {
    fn new(shape: Shape, seed: u64) -> Self {
        let twins = BTreeMap::from([
            (MASTODON, Platform::mastodon()),
            (GOTOSOCIAL, Platform::gotosocial()),
            (BLUESKY, Platform::bluesky()),
        ]);
        let mut accounts = String::new();
        let each = shape.accounts / KINDS.len();
        for number in 0..each {
            for (place, kind) in KINDS.into_iter().enumerate() {
                let id = account(kind, number);
                let table = match twins.get(kind) {
                    Some(twin) => twin.account_of(&id, u32::try_from(number).unwrap()),
                    None => format!(
                        "[accounts.{id}]\nplatform = \"site\"\npath = \"{id}\"\nbase_url = \"http://127.0.0.1:8000/{id}\"\n\
                         title = \"Notes\"\nslots = [\"* * * * * *\"]\n"
                    ),
                };
                // Not all at once.
                let first = (number * KINDS.len() + place) as u64 % shape.slots;
                let seconds: Vec<String> =
                    (0..60 / shape.slots).map(|turn| (first + turn * shape.slots).to_string()).collect();
                accounts += &table.replace("\"* * ", &format!("\"{} * ", seconds.join(",")));
            }
        }
        let mut house = House::with(&accounts, |rules| {
            rules
                .replace("approval = \"none\"", "approval = \"digest\"")
                .replace("max_per_day = 1000", "max_per_day = 100000\nlate_grace = \"12h\"")
                .replace("timeout = \"5s\"", &format!("timeout = \"{}s\"", TIMEOUT.as_secs()))
                .replace("settle = \"1s\"", &format!("settle = \"{}s\"", SETTLE.as_secs()))
                .replace("max = \"1s\", tries = 4", "max = \"4s\", tries = 100000")
        });
        for number in 0..each {
            for twin in twins.values() {
                for (name, value) in twin.secrets_of(u32::try_from(number).unwrap()) {
                    house.set(&name, &value);
                }
            }
            std::fs::create_dir(house.path(&account(SITE, number))).unwrap();
        }
        let mut chance = Chance::new(seed);
        let sky = Arc::new(Mutex::new(Sky::new(shape.requests, Chance::new(chance.next()))));
        for (kind, twin) in &twins {
            let worst = if shape.patient || *kind == BLUESKY { Mood::Rough } else { Mood::Gentle };
            let sky = sky.clone();
            twin.weather(move |asked| sky.lock().unwrap().over(asked, worst));
        }
        let mut soak = Self {
            house,
            twins,
            sky,
            folder: Folder::new(shape.rate, Chance::new(chance.next())),
            shape,
            chance,
            delivered: 0,
            said: Vec::new(),
            records: Vec::new(),
            needles: Vec::new(),
            events: BTreeMap::new(),
            samples: Vec::new(),
            rested: None,
            kills: 0,
            lived: Duration::ZERO,
            next_word: Deadline::within(Duration::ZERO),
        };
        soak.learn_secrets();
        soak
    }

    fn run(&mut self) {
        for (place, (stretch, seconds)) in self.shape.stretches.clone().into_iter().enumerate() {
            let end = self.lived + Duration::from_secs(seconds);
            match stretch {
                Stretch::Killed => {
                    while self.lived < end {
                        // Now and then one that gets somewhere.
                        let longest = self.shape.longest * if self.chance.permille(60) { 4 } else { 1 };
                        let life = Duration::from_millis(300 + self.chance.below(longest));
                        self.live_and_die(place, life.min(end - self.lived));
                    }
                }
                Stretch::Calm => {
                    let mut daemon = self.live(place, stretch, end - self.lived);
                    let ended = daemon.stop();
                    self.hear(&mut daemon);
                    assert_eq!(ended.code(), 0, "{ended:?}");
                }
            }
            self.look();
        }
    }

    fn live_and_die(&mut self, place: usize, span: Duration) {
        let mut daemon = self.live(place, Stretch::Killed, span);
        let status = daemon.kill();
        self.hear(&mut daemon);
        assert_eq!(status.signal(), Some(9), "it ended by itself: {status}\n{}", daemon.last_words());
        self.kills += 1;
        if self.kills.is_multiple_of(self.shape.looks) {
            self.look();
        }
    }

    /// The accounts that get new posts.
    fn in_use(&self, stretch: Stretch) -> Vec<String> {
        let kinds: &[&str] = if stretch == Stretch::Calm || self.shape.patient { &KINDS } else { &[BLUESKY, SITE] };
        let numbers = 0..self.shape.accounts / KINDS.len();
        numbers.flat_map(|number| kinds.iter().map(move |kind| account(kind, number))).collect()
    }

    /// One life of a daemon, up to its end.
    fn live(&mut self, place: usize, stretch: Stretch, span: Duration) -> Daemon {
        let accounts = self.in_use(stretch);
        let mut daemon = self.house.start(&[]);
        let (life, whole) = (Deadline::within(span), Deadline::within(span + PATIENCE));
        let mut next_sample = Deadline::within(self.shape.sample);
        while life.left() > Duration::ZERO {
            daemon.hears(life.left().min(TICK), |_| false);
            self.hear(&mut daemon);
            assert!(daemon.lives(), "it has ended by itself: {:?}", daemon.end());
            if self.folder.edit(&self.house, &accounts) && self.chance.permille(150) {
                self.twins[BLUESKY].expire();
            }
            if next_sample.left() == Duration::ZERO {
                next_sample = Deadline::within(self.shape.sample);
                let age = (span - life.left()).as_secs();
                let sample = Sample { stretch: place, age, ..self.sample(&daemon) };
                if stretch == Stretch::Calm {
                    self.samples.push(sample);
                }
                self.say_how_it_goes(sample, span + PATIENCE - whole.left());
            }
        }
        // The last turn may have taken its time.
        self.lived += span + PATIENCE - whole.left();
        daemon
    }

    fn say_how_it_goes(&mut self, sample: Sample, alive: Duration) {
        if self.next_word.left() > Duration::ZERO {
            return;
        }
        self.next_word = Deadline::within(WORD);
        eprintln!(
            "soak: {} s, {} kills, {} delivered, {} posts in the queue; {:.1} MiB resident, {} handles, {} threads; \
             journal {:.2} MiB, index {:.2} MiB",
            (self.lived + alive).as_secs(),
            self.kills,
            sample.delivered,
            sample.queued,
            mib(sample.resident),
            sample.handles,
            sample.threads,
            mib(sample.journal),
            mib(sample.index)
        );
    }

    fn sample(&self, daemon: &Daemon) -> Sample {
        let sample = Sample::of(daemon.pid(), &self.house);
        Sample { delivered: self.delivered, queued: self.folder.len(), ..sample }
    }

    /// Takes in what the daemon has said.
    fn hear(&mut self, daemon: &mut Daemon) {
        for line in daemon.take_log() {
            let event = line["event"].as_str().unwrap();
            let post = line["post"].as_str().and_then(|post| self.folder.posts.get(post));
            if line["level"] == "error" {
                let given_up = event == "delivery.refused" && post.is_some_and(|post| post.touched);
                assert!(given_up, "{line}");
            }
            let text = line.to_string();
            assert!(!self.needles.iter().any(|needle| text.contains(needle)), "a secret is told: {line}");
            *self.events.entry(event.to_owned()).or_default() += 1;
            match event {
                "delivery.delivered" | "delivery.refused" | "delivery.withdrawn" => {
                    if self.folder.over.insert(line["delivery"].as_str().unwrap().to_owned())
                        && event == "delivery.delivered"
                    {
                        self.delivered += 1;
                    }
                    self.said.push(line);
                }
                "delivery.sending" => self.said.push(line),
                _ => {}
            }
        }
    }

    /// What must hold at any moment.
    fn look(&mut self) -> Story {
        let records = story::records(&self.house.path("store"));
        assert!(records.starts_with(&self.records), "records are gone that were there");
        self.records = records;
        let story = Story::of(&self.records);
        self.said.drain(..).for_each(|line| story.backs(&line));
        // What a kill kept from being said.
        for (delivery, told) in &story.told {
            if told.end.is_some() && self.folder.over.insert(delivery.clone()) && told.end == Some("delivered") {
                self.delivered += 1;
            }
        }
        self.twins.values().for_each(|twin| drop(twin.parts()));
        self.learn_secrets();
        story
    }

    fn learn_secrets(&mut self) {
        let canaries = self.twins.values().flat_map(Platform::canaries);
        let beginnings: BTreeSet<String> = canaries.map(|canary| canary.chars().take(BEGINNING).collect()).collect();
        self.needles = beginnings.into_iter().collect();
    }

    /// Lets a daemon do all that is left, then nothing until idle connections are closed.
    fn come_to_rest(&mut self) {
        let mut daemon = self.house.start(&[]);
        let (patience, begun) = (Deadline::within(PATIENCE), self.delivered);
        while !self.folder.is_over() {
            assert!(patience.left() > Duration::ZERO, "it comes to no end");
            daemon.hears(TICK, |_| false);
            self.hear(&mut daemon);
        }
        daemon.hears(REST, |_| false);
        self.hear(&mut daemon);
        let sample = self.sample(&daemon);
        eprintln!(
            "soak: faults over; {} more delivered, then nothing for {} s: {:.1} MiB resident, {:.1} anonymous, {} handles, \
             {} threads",
            self.delivered - begun,
            REST.as_secs(),
            mib(sample.resident),
            mib(sample.anonymous),
            sample.handles,
            sample.threads
        );
        self.rested = Some(sample);
        assert_eq!(daemon.stop().code(), 0);
        self.hear(&mut daemon);
        self.folder.clear_up(&self.house);
    }

    /// Faults are over: lets the daemon end what is left, and looks at everything.
    fn settle(&mut self) {
        self.sky.lock().unwrap().mood = Mood::Fair;
        self.folder.approve_all(&self.house);
        if self.shape.patient {
            self.come_to_rest();
        }
        let mut daemon = self.house.start(&["--until-idle"]).patiently(PATIENCE);
        let ended = daemon.end();
        assert_eq!(ended.code(), 0, "{ended:?}");
        self.hear(&mut daemon);
        let story = self.look();

        let states = self.hold_against_platforms(&story);
        let status = self.house.status();
        let mut told: BTreeMap<&str, usize> = BTreeMap::new();
        for delivery in status["deliveries"].as_array().unwrap() {
            *told.entry(delivery["state"].as_str().unwrap()).or_default() += 1;
        }
        assert_eq!(told, states, "`status` has other sums than the queue");

        // What is over stays over.
        let asked = |soak: &Self| soak.twins.values().map(|twin| twin.asked().len()).sum::<usize>();
        let before = asked(self);
        let mut daemon = self.house.start(&["--until-idle"]);
        assert_eq!(daemon.end().code(), 0);
        assert_eq!((daemon.count("delivery.sending"), asked(self) - before), (0, 0));
        self.house.hides(&self.needles);
    }

    /// Every delivery of every post that was ever in the queue is at its end, and what people see is what its state says.
    /// Gives how many there are of each state.
    fn hold_against_platforms(&self, story: &Story) -> BTreeMap<&'static str, usize> {
        let (mut states, mut unplanned) = (BTreeMap::new(), 0);
        let twins = self.twins.iter();
        let mut there: BTreeMap<&str, _> = twins.map(|(kind, twin)| (*kind, twin.parts())).collect();
        let mut sites: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        let all = self.folder.posts.iter();
        for (id, post, account) in all.flat_map(|(id, post)| post.to.iter().map(move |account| (id, post, account))) {
            let delivery = format!("{id}@{account}");
            let told = story.told.get(&delivery);
            let Some(end) = told.and_then(|told| told.end) else {
                assert!(told.is_none() && post.withdrawn, "{delivery} is not at its end: {told:?}, {post:?}");
                unplanned += 1;
                continue;
            };
            *states.entry(end).or_default() += 1;
            let parts = match end {
                "delivered" => post.parts,
                "refused" if post.touched => told.unwrap().published.len(),
                "withdrawn" if post.withdrawn => 0,
                _ => panic!("{delivery} is not at its end: {told:?}, {post:?}"),
            };
            let (seen, at): (Vec<String>, _) = match there.get_mut(kind_of(account)) {
                Some(there) => {
                    let number: u32 = account[1..].parse().unwrap();
                    let part = |part: usize| there.remove(&(number, format!("{id}-{part}")));
                    let seen: Vec<_> = (0..post.parts).map_while(part).collect();
                    if end == "delivered" {
                        assert_eq!(told.unwrap().remote.as_ref(), seen.first().map(|part| &part.id), "{delivery}");
                    }
                    let at = seen.first().map(|part| part.at);
                    (seen.into_iter().map(|part| part.text).collect(), at)
                }
                None if parts == 0 => (Vec::new(), None),
                None => {
                    sites.entry(account).or_default().insert(id);
                    (self.parts_on_page(account, id, post.parts), None)
                }
            };
            assert_eq!(seen.len(), parts, "{delivery} is {end}: {seen:?}");
            let approved = parts == 0 || post.had_approval(id, &seen, at);
            assert!(approved, "{delivery} is {end}, and was not approved: {seen:?} at {at:?}, {post:?}");
        }
        for (kind, left) in there {
            assert!(left.is_empty(), "{kind} has what nobody asked for: {left:?}");
        }
        for (site, ids) in sites {
            let list = std::fs::read_to_string(self.house.path(site).join("posts.json")).unwrap();
            let list: Value = serde_json::from_str(&list).unwrap();
            let listed = list["posts"].as_array().unwrap().iter();
            let mut shown: Vec<&str> = listed.map(|post| post["id"].as_str().unwrap()).collect();
            shown.sort_unstable();
            assert_eq!(shown, ids.into_iter().collect::<Vec<_>>(), "{site}");
        }
        eprintln!("soak: {states:?}, and {unplanned} withdrawn before the program had seen them");
        states
    }

    /// What the page of a post says of its parts.
    fn parts_on_page(&self, site: &str, id: &str, parts: usize) -> Vec<String> {
        let page = std::fs::read_to_string(self.house.path(site).join("posts").join(id).join("index.html")).unwrap();
        let part = |part| {
            let begins = page.rfind(&format!("{id}-{part}. "))?;
            Some(page[begins..].split('<').next()?.trim().to_owned())
        };
        (0..parts).map_while(part).collect()
    }

    /// Says what was measured; fails where something grows beyond its bounds.
    fn report(&self) {
        eprintln!(
            "soak: a daemon was alive for {} s, {} kills; {} posts, {} deliveries; faults {:?}; events {:?}",
            self.lived.as_secs(),
            self.kills,
            self.folder.posts.len(),
            self.delivered,
            self.sky.lock().unwrap().tally,
            self.events
        );
        let mut daemon = self.house.ready();
        let fresh = self.sample(&daemon);
        assert_eq!(daemon.stop().code(), 0);
        eprintln!(
            "soak: a new process on this store, at ready: {:.1} MiB resident, {:.1} anonymous, {} handles",
            mib(fresh.resident),
            mib(fresh.anonymous),
            fresh.handles
        );
        let mut kinds: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for record in &self.records {
            let kind = kinds.entry(kind(&record.fact)).or_default();
            *kind = (kind.0 + 1, kind.1 + record.encode().len() as u64);
        }
        let delivered = self.delivered as u64;
        for (kind, (count, bytes)) in kinds {
            eprintln!(
                "soak: {count:7} records {kind:12} of {bytes:9} bytes, {:5} a delivery",
                bytes / delivered.max(1)
            );
        }
        eprintln!(
            "soak: journal {} bytes, {} a delivery; index {} bytes, {} a delivery",
            fresh.journal,
            fresh.journal / delivered.max(1),
            fresh.index,
            fresh.index / delivered.max(1)
        );
        let vitals = Vitals::new(&self.samples);
        vitals.told().iter().for_each(|line| eprintln!("soak: {line}"));
        if let Some(rested) = &self.rested {
            let beyond = vitals.beyond_bounds(rested, &fresh);
            assert!(beyond.is_empty(), "{beyond:#?}");
        }
    }
}

fn kind(fact: &Fact) -> &'static str {
    match fact {
        Fact::Opened { .. } => "opened",
        Fact::Planned { .. } => "planned",
        Fact::Intent(_) => "intent",
        Fact::Checkpoint { .. } => "checkpoint",
        Fact::Outcome { .. } => "outcome",
        Fact::Withdrawn { .. } => "withdrawn",
        Fact::SlotEmpty { .. } => "slot-empty",
        _ => "other",
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

fn soak(shape: Shape) {
    let seed = number("CADENCED_SOAK_SEED").unwrap_or_else(|| RandomState::new().hash_one("soak"));
    eprintln!("soak: CADENCED_SOAK_SEED={seed}");
    let mut soak = Soak::new(shape, seed);
    soak.run();
    soak.settle();
    soak.report();
}

#[test]
fn some_seconds_of_faults_and_kills_lose_and_double_nothing() {
    soak(Shape {
        accounts: 16,
        stretches: vec![(Stretch::Killed, 5), (Stretch::Calm, 4)],
        longest: 1_000,
        slots: 1,
        requests: 400,
        rate: Rate { feed: Duration::from_millis(1200), edits: 800, withdrawals: 300 },
        sample: Duration::from_millis(500),
        looks: 1,
        patient: false,
    });
}

#[test]
#[ignore = "it takes an hour and more: memory and handles can be judged only in a process that lives"]
fn an_hour_of_faults_and_kills_loses_and_doubles_nothing_and_stays_flat() {
    let seconds = number("CADENCED_SOAK_SECONDS").unwrap_or(3600);
    let accounts = number("CADENCED_SOAK_ACCOUNTS").unwrap_or(200);
    let cycles = (seconds / 900).max(2);
    let killed = seconds * 2 / 3 / cycles;
    let cycle = [(Stretch::Killed, killed), (Stretch::Calm, seconds.div_ceil(cycles) - killed)];
    let stretches = match number("CADENCED_SOAK_KILLS") {
        Some(0) => vec![(Stretch::Calm, seconds)],
        _ => cycle.repeat(cycles as usize),
    };
    soak(Shape {
        accounts: accounts as usize,
        stretches,
        longest: 8_000,
        slots: 30,
        requests: 1000,
        rate: Rate { feed: Duration::from_millis(3000 * 200 / accounts.max(1)), edits: 300, withdrawals: 100 },
        sample: Duration::from_secs(5),
        looks: 5,
        patient: true,
    });
}
