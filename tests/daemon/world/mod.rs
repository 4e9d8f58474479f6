//! The simulated world around the whole daemon.
//!
//! What is real: the loop (`daemon::run`), the engine, the adapters, and the journal with its opening code, its segments
//! and its torn ends. What is not: time, which is the runtime's and paused; the disk under the journal; the platforms,
//! which are the adapters' twins, and the network before them; the queue folder, of which the daemon is told as the inbox
//! would tell it; and the journal's thread, whose turns are taken here, one at a time, so that a run can be repeated. The
//! index of the store is left out: it decides nothing.

mod asked;
mod disk;
mod lives;
mod person;
mod troubles;

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use cadenced::control::protocol::{Answer, DaemonReport, Decision, Question};
use cadenced::daemon::{self, Ended, Handle, Input, Stage, Until};
use cadenced::domain::fault::Place;
use cadenced::domain::policy::Missed;
use cadenced::domain::{AccountId, DeliveryId, Fault as QueueFault, Goal, MediaItem, PostId, State, Timestamp, time};
use cadenced::edge::disk::Disk;
use cadenced::edge::journal::{Journal, Options, Position, StoreId};
use cadenced::engine::engine::Mode;
use cadenced::engine::{AccountSetup, Chore, Engine, Event};
use cadenced::ledger::record::{Fact, Outcome};
use cadenced::ledger::store::{CommitError, Room};
use cadenced::ledger::{Record, View};
use cadenced::parts::{Done, Inbox, ShelfError};
use cadenced::platform::contract::{Adapter, Call, Entry, Failure, FileWork, Media, Reply, Twin};
use cadenced::telemetry::events::Event as LogEvent;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::failing_disk::{FailingDisk, Fault};
use crate::parts::{Part, lock};
use crate::simulated::chance::Chance;
use crate::simulated::oracle::{BY_HAND, Known as _, Oracle};
use crate::simulated::pairs::{self, Pairs};
use crate::simulated::scenario::{self, AccountPlan, Family, PostPlan, Scenario, Weather};
use crate::simulated::seal::seal;
use crate::simulated::twins::{self, LATEST, call_text, reply_text};
use crate::watch::{Standing, Watch};

/// How long everything may take to settle when nothing goes wrong any more.
const SETTLES: Duration = Duration::from_secs(40 * 86_400);
/// Steps after which a run is called endless.
const STEPS: u64 = 400_000;
/// How much later than it may a stop comes to its end: the loop looks at the clock every 15 s.
const STOPS_WITHIN: Duration = Duration::from_secs(16);

type Daemon = Pin<Box<dyn Future<Output = Ended> + Send>>;
/// Number of a batch, and what the journal said.
type Answers = Arc<Mutex<Vec<(u64, Result<(), CommitError>)>>>;
type Committed = Box<dyn FnOnce(Result<(), CommitError>) + Send>;

/// A rule that is taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// The disk says that it has synced, and has not.
    DiskLies,
    /// A batch is acknowledged before it is durable.
    EarlyAcknowledgement,
    /// Nobody answers a batch that was refused.
    RefusalUntold,
    /// A time-out counts as "never left".
    TimeoutIsFailure,
    /// "Not there" counts at once.
    EarlyReadBack,
    /// Two replies come under each other's ticket.
    RepliesSwapped,
    /// A reply that was lost is never called lost.
    TimeoutUntold,
    /// The inbox does not tell of an edit.
    EditUntold,
    /// A changed configuration is not put into force.
    ConfigurationUntold,
    /// Nobody tells the loop to stop.
    StopUntold,
    /// Some lines of the log get lost.
    LogLoses,
    /// The clock of passing time goes ahead with the wall clock, so that nobody notices when that is set ahead.
    JumpsUnnoticed,
}

impl Sabotage {
    pub const ALL: [Self; 12] = [
        Self::DiskLies,
        Self::EarlyAcknowledgement,
        Self::RefusalUntold,
        Self::TimeoutIsFailure,
        Self::EarlyReadBack,
        Self::RepliesSwapped,
        Self::TimeoutUntold,
        Self::EditUntold,
        Self::ConfigurationUntold,
        Self::StopUntold,
        Self::LogLoses,
        Self::JumpsUnnoticed,
    ];
}

/// What happened in a run, by name.
pub type Tally = BTreeMap<&'static str, u64>;

/// How often what only the whole daemon meets goes wrong, in a thousand.
#[derive(Debug, Clone)]
struct Rough {
    power: u64,
    turn: u64,
    configuration: u64,
    files: u64,
    suspend: u64,
    stop: u64,
    idle: u64,
}

/// Something that will happen.
enum Coming {
    /// The journal writes what waits.
    Turn {
        life: u64,
    },
    /// The daemon hears what became of a batch.
    Answered {
        life: u64,
        batch: Batch,
        result: Result<(), CommitError>,
    },
    /// A request reaches the platform.
    Arrives {
        twin: usize,
        call: Call,
        reply: Option<(u64, Done<Result<Reply, Failure>>)>,
        durable: usize,
    },
    /// The daemon hears of a reply, or that there is none.
    Replied {
        life: u64,
        done: Done<Result<Reply, Failure>>,
        result: Result<Reply, Failure>,
    },
    Gathered {
        life: u64,
        done: Done<Result<Vec<Media>, ShelfError>>,
        result: Result<Vec<Media>, ShelfError>,
    },
    /// The folder has been read through.
    Read {
        life: u64,
    },
    Restart,
    /// Trouble that comes by itself.
    Trouble,
    /// A person looks at the daemon.
    Operator,
}

/// A batch that was handed in.
struct Batch {
    number: u64,
    records: Vec<Record>,
    done: Committed,
}

/// How a life ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Death {
    /// The process: what was written is still there.
    Killed,
    /// The machine: of what was not synced, chance decides.
    Power,
    /// It ended by itself.
    Ended,
}

/// An account as the configuration has it now.
struct Account {
    plan: AccountPlan,
    adapter: Arc<dyn Adapter>,
    configured: bool,
    paused: bool,
}

/// A queue file as it lies in the folder.
struct File {
    plans: Vec<PostPlan>,
    /// What it held when it could be read last.
    good: Vec<PostPlan>,
    broken: bool,
    there: bool,
}

struct Asked {
    question: Question,
    answer: oneshot::Receiver<Answer>,
    now: Timestamp,
}

pub struct World {
    scenario: Scenario,
    sabotage: Option<Sabotage>,
    chance: Chance,
    weather: Weather,
    rough: Rough,
    origin: Instant,
    /// How long the machine has slept.
    suspended: Duration,
    slept_while_stopping: bool,
    /// What the wall clock is ahead of true time, in seconds.
    ahead: i64,
    /// How far ahead the wall clock has been at most.
    unnoticed: Duration,
    life: u64,
    dying: Option<Death>,
    handle: Option<Handle>,
    until: Until,
    stop_asked: Option<Duration>,
    disk: FailingDisk,
    /// Whether the disk has failed in this life.
    disk_failed: bool,
    segment: u64,
    journal: Option<Journal>,
    answers: Answers,
    /// Handed in, and not answered by the journal.
    handed_in: VecDeque<Batch>,
    /// Batches of the life before of which nobody knows.
    doubted: Vec<Vec<Record>>,
    turn_due: bool,
    /// What the journal holds, as far as it said so.
    durable: Vec<Record>,
    full_until: Timestamp,
    coming: BTreeMap<(Timestamp, u64), Coming>,
    last_answer: Timestamp,
    sequence: u64,
    notify: Arc<Notify>,
    twins: Vec<Box<dyn Twin>>,
    entries: Vec<&'static Entry>,
    /// Folders of sites that are being written, though the write may have been given up; the edge lets nobody near them.
    written: BTreeMap<PathBuf, Timestamp>,
    accounts: Vec<Account>,
    files: BTreeMap<Arc<str>, File>,
    folder_lost: bool,
    posts_made: u64,
    removed: Vec<PostPlan>,
    asked: Vec<Asked>,
    oracle: Oracle,
    pairs: Pairs,
    watch: Watch,
    tally: Tally,
    steps: u64,
    failure: Option<String>,
    finishing: bool,
    print: bool,
    trace: Option<Vec<String>>,
    faults_end: Timestamp,
    jump_unsaid: usize,
}

impl World {
    pub fn new(seed: u64, sabotage: Option<Sabotage>, print: bool) -> Self {
        let mut scenario = Scenario::draw(Family::Brief, seed);
        let mut chance = scenario.chance.clone();
        let (entries, twins): (Vec<_>, Vec<_>) = twins::all(scenario.oauth2).into_iter().unzip();
        for plan in &mut scenario.accounts {
            quicken(&mut chance, plan, scenario.start);
            if sabotage == Some(Sabotage::EarlyReadBack) {
                plan.rules.settle = Some(Duration::ZERO);
            }
        }
        let mut sometimes = |most: u64| if chance.permille(350) { 0 } else { chance.below(most + 1) };
        let rough = Rough {
            power: sometimes(1000),
            turn: sometimes(60),
            configuration: sometimes(60),
            files: sometimes(60),
            suspend: sometimes(40),
            stop: sometimes(60),
            idle: sometimes(150),
        };
        let accounts: Vec<Account> = scenario
            .accounts
            .iter()
            .map(|plan| Account {
                plan: plan.clone(),
                adapter: twins::adapter(&entries, &twins, plan.twin, plan.number, &plan.id),
                configured: true,
                paused: false,
            })
            .collect();
        if sabotage == Some(Sabotage::JumpsUnnoticed) {
            scenario.weather.clock_jumps = true;
        }
        let oracle = Oracle::new(&scenario);
        let files: BTreeMap<_, _> = scenario
            .files
            .iter()
            .map(|(name, plans)| {
                let file = File { plans: plans.clone(), good: plans.clone(), broken: false, there: true };
                (name.clone(), file)
            })
            .collect();
        let start = scenario.start;
        let disk = FailingDisk::new();
        if sabotage == Some(Sabotage::DiskLies) {
            disk.lie();
        }
        Self {
            weather: scenario.weather.clone(),
            rough,
            origin: Instant::now(),
            suspended: Duration::ZERO,
            slept_while_stopping: false,
            ahead: 0,
            unnoticed: Duration::ZERO,
            life: 0,
            dying: None,
            handle: None,
            until: Until { idle: false, stop_timeout: Duration::from_secs(75) },
            stop_asked: None,
            disk,
            disk_failed: false,
            segment: (8 * 1024) << chance.below(4),
            journal: None,
            answers: Arc::default(),
            handed_in: VecDeque::new(),
            doubted: Vec::new(),
            turn_due: false,
            durable: Vec::new(),
            full_until: start,
            coming: BTreeMap::new(),
            last_answer: start,
            sequence: 0,
            notify: Arc::new(Notify::new()),
            twins,
            entries,
            written: BTreeMap::new(),
            accounts,
            posts_made: files.values().map(|file| file.plans.len() as u64).sum(),
            files,
            folder_lost: false,
            removed: Vec::new(),
            asked: Vec::new(),
            oracle,
            pairs: Pairs::default(),
            watch: Watch::new(),
            tally: Tally::new(),
            steps: 0,
            failure: None,
            finishing: false,
            print,
            trace: None,
            faults_end: time::after(start, Duration::from_secs(scenario.days * 86_400)),
            jump_unsaid: 0,
            chance,
            scenario,
            sabotage,
        }
    }

    pub fn keep_trace(&mut self) {
        self.trace = Some(Vec::new());
    }

    pub fn take_trace(&mut self) -> Vec<String> {
        self.trace.take().unwrap_or_default()
    }

    /// True time.
    fn now(&self) -> Timestamp {
        time::after(self.scenario.start, self.origin.elapsed() + self.suspended)
    }

    /// The wall clock of the machine.
    pub fn wall(&self) -> Timestamp {
        self.now().saturating_add(jiff::SignedDuration::from_secs(self.ahead)).unwrap()
    }

    /// Time that has passed on the machine.
    pub fn boot(&self) -> Duration {
        let passed = self.origin.elapsed() + self.suspended + Duration::from_secs(30 * 86_400);
        match self.sabotage {
            Some(Sabotage::JumpsUnnoticed) => passed + self.unnoticed,
            _ => passed,
        }
    }

    pub fn lives(&self, life: u64) -> bool {
        self.life == life && self.dying.is_none()
    }

    pub fn durable(&self) -> &[Record] {
        &self.durable
    }

    fn calm(&self) -> bool {
        self.now() >= self.faults_end
    }

    fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }

    /// Something that must not be. The first such thing is the one that is told.
    fn check(&mut self, result: Result<(), String>) {
        if let Err(why) = result {
            self.failure.get_or_insert(why);
            self.notify.notify_one();
        }
    }

    fn say(&mut self, line: impl FnOnce() -> String) {
        if self.print || self.trace.is_some() {
            let line = format!("{} {}", self.now(), line());
            if self.print {
                eprintln!("{line}");
            }
            if let Some(trace) = &mut self.trace {
                trace.push(line);
            }
        }
    }

    fn later(&mut self, span: Duration, coming: Coming) {
        self.put(time::after(self.now(), span), coming);
    }

    fn put(&mut self, at: Timestamp, coming: Coming) {
        self.sequence += 1;
        self.coming.insert((at, self.sequence), coming);
        self.notify.notify_one();
    }

    fn millis(&mut self, most: u64) -> Duration {
        Duration::from_millis(1 + self.chance.below(most))
    }

    /// Whether the process ends at this command; then, whether it carries it out before.
    fn strikes(&mut self) -> Option<bool> {
        if self.calm() || !self.chance.permille(self.weather.crash) {
            return None;
        }
        Some(self.chance.permille(500))
    }

    fn dies(&mut self, death: Death) {
        self.dying = Some(death);
        self.notify.notify_one();
    }

    fn crash(&mut self) {
        let power = self.chance.permille(self.rough.power);
        self.dies(if power { Death::Power } else { Death::Killed });
    }
}

/// Schedules that come to an end within the days of a run. In some of them a slot comes every few seconds for a while on
/// the first days.
fn quicken(chance: &mut Chance, plan: &mut AccountPlan, start: Timestamp) {
    let first = start.to_zoned(plan.schedule.zone.clone()).date();
    let next = first.tomorrow().unwrap_or(first);
    let dense = |times: &str, day: jiff::civil::Date| format!("{times} {} {} *", day.day(), day.month());
    let slots = match chance.below(8) {
        0 => vec![dense("*/5 0-9 9,21", first), dense("*/5 0-9 9,21", next), "45 * * * *".into()],
        1 => vec![dense("*/3 30 *", first), dense("*/3 30 *", next), "0 * * * *".into()],
        2 | 3 => vec![dense("*/5 *", first), dense("*/5 *", next), "30 * * * *".into()],
        4 | 5 => vec![dense("*/20 *", first), dense("*/20 *", next), "15 * * * *".into()],
        6 => vec!["0 * * * *".to_owned(), "30 2 * * *".to_owned()],
        _ => vec!["0 */3 * * *".to_owned()],
    };
    plan.schedule.slots = slots.iter().map(|text| scenario::cron(text)).collect();
    plan.policy.max_per_day = 4 + chance.below(30) as u32;
    plan.policy.min_gap = Duration::from_secs(*chance.pick(&[0, 4, 60, 600, 3600]));
    plan.policy.missed = *chance.pick(&[Missed::NextSlot, Missed::Skip, Missed::Now]);
}

/// Runs a world to its end.
#[expect(clippy::disallowed_methods, reason = "time is paused: sleeping moves it on")]
pub async fn run(world: Arc<Mutex<World>>) -> Result<Tally, String> {
    let notify = {
        let mut world = lock(&world);
        world.later(Duration::ZERO, Coming::Restart);
        world.later(Duration::from_secs(60), Coming::Trouble);
        world.later(Duration::from_secs(1800), Coming::Operator);
        world.notify.clone()
    };
    let mut daemon: Option<Daemon> = None;
    loop {
        let wait = lock(&world).until_next();
        let running = async {
            match daemon.as_mut() {
                Some(daemon) => daemon.await,
                None => std::future::pending().await,
            }
        };
        let ended = tokio::select! {
            biased;
            ended = running => Some(ended),
            () = notify.notified() => None,
            () = tokio::time::sleep(wait) => None,
        };
        let mut held = lock(&world);
        if let Some(why) = held.failure.take() {
            return Err(why);
        }
        let deadline = time::after(held.faults_end, SETTLES);
        if held.now() > deadline || held.steps > STEPS {
            return Err(format!("not settled by {}: {}", held.now(), held.watch.unsettled()));
        }
        if let Some(death) = held.dying {
            daemon = None;
            held.bury(death);
            continue;
        }
        if let Some(ended) = ended {
            daemon = None;
            held.ended(&ended)?;
            if held.finishing {
                return Ok(held.finish());
            }
            continue;
        }
        held.look()?;
        if !held.finishing && held.is_over() {
            held.at_the_end()?;
            // The end of all is a stop in good order.
            held.finishing = true;
            held.stop("the end");
        }
        if let Some(started) = held.happens(&world)? {
            daemon = Some(started);
        }
    }
}
