//! The simulated world: it carries out the engine's commands, badly.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use cadenced::domain::fault::{Fault, Place};
use cadenced::domain::policy::Schedule;
use cadenced::domain::{AccountId, DeliveryId, Digest, Held, PostId, State, Timestamp, time};
use cadenced::engine::engine::Mode;
use cadenced::engine::{AccountSetup, Chore, Command, Engine, Event, Ticket};
use cadenced::ledger::record::{Decision, Fact};
use cadenced::ledger::store::{CommitError, Room};
use cadenced::ledger::{Record, View, view};
use cadenced::parts::{Claim, Inbox, ShelfError, Unvouched};
use cadenced::platform::contract::{Adapter, Call, Entry, Failure, HeaderValue, Reply, Twin};
use cadenced::queue::{Approval, Post};
use cadenced::telemetry::events::{Event as LogEvent, Level};

use crate::simulated::arrows;
use crate::simulated::chance::Chance;
use crate::simulated::oracle::{BY_HAND, Oracle};
use crate::simulated::pairs::{self, Pairs};
use crate::simulated::scenario::{self, PostPlan, Scenario, Weather};
use crate::simulated::seal::seal;
use crate::simulated::twins::{self, LATEST, call_text, reply_text};
use crate::tally::Report;
use crate::turns;

/// Steps after which a run is called endless. In a long life whose public folder is gone for years, every waiting post's
/// file is asked for each half hour.
const STEPS: u64 = 5_000_000;
/// In how many steps everything is looked at once, without any memory of what was seen before.
const EVERYTHING: u64 = 2_000;
/// How far the clock may be behind before nothing is sent.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(2);
/// How long everything may take to settle when nothing goes wrong any more: a dozen posts and a slot a week.
const SETTLES: Duration = Duration::from_secs(150 * 86_400);

/// A rule of the protocol that is taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sabotage {
    /// Intents are lost in a crash although they were called durable.
    IntentNotDurable,
    /// A time-out counts as "never left".
    TimeoutIsFailure,
    /// "Not there" counts at once.
    EarlyReadBack,
    /// Checkpoints are lost in a crash although they were called durable.
    CheckpointDropped,
    /// The gap, the day and the promotion share that people were promised do not reach the engine.
    GapIgnored,
    DayIgnored,
    ShareIgnored,
    /// What nobody has approved is read as approved.
    ApprovalIgnored,
    /// Nobody notices that the clock was set.
    ClockUnwatched,
    /// A batch is called durable before it is.
    CalledDurableEarly,
    /// An account that is moved to another host keeps its token.
    TokenTakenAlong,
    /// Nobody knows after a crash on which host an attempt was begun.
    HostForgotten,
    /// The budget that people have set does not reach the engine.
    BudgetIgnored,
    /// What was set aside before a call is lost in a crash although it was called durable.
    SpendingForgotten,
    /// Tokens that work once are lost in a crash although they were called durable.
    TokensForgotten,
    /// They are called durable before they are.
    TokensCalledDurableEarly,
}

impl Sabotage {
    /// Whether only runs on X can tell.
    pub fn is_about_x(self) -> bool {
        let of_tokens = matches!(self, Self::TokensForgotten | Self::TokensCalledDurableEarly);
        of_tokens || matches!(self, Self::BudgetIgnored | Self::SpendingForgotten)
    }

    pub const ALL: [Self; 16] = [
        Self::IntentNotDurable,
        Self::TimeoutIsFailure,
        Self::EarlyReadBack,
        Self::CheckpointDropped,
        Self::GapIgnored,
        Self::DayIgnored,
        Self::ShareIgnored,
        Self::ApprovalIgnored,
        Self::ClockUnwatched,
        Self::CalledDurableEarly,
        Self::HostForgotten,
        Self::TokenTakenAlong,
        Self::BudgetIgnored,
        Self::SpendingForgotten,
        Self::TokensForgotten,
        Self::TokensCalledDurableEarly,
    ];
}

/// Something that will happen.
#[derive(Debug)]
enum Coming {
    /// The disk has finished its oldest batch.
    Synced {
        life: u64,
    },
    /// A request reaches the platform.
    Arrives {
        twin: usize,
        call: Call,
        reply: Option<(u64, Ticket)>,
        durable: usize,
    },
    /// The engine hears of something.
    Told {
        life: u64,
        event: Event,
    },
    Restart,
    /// A stop waits no longer.
    StopNow {
        life: u64,
    },
    /// Trouble that comes by itself.
    Trouble,
    /// A person looks at the status.
    Operator,
    /// A person edits the queue.
    Edit,
    /// A person fills it.
    Editor,
    /// The queue folder is there again.
    FolderBack,
    /// A file that could not be used is mended.
    Mended(Arc<str>),
}

/// An account as it is configured now.
struct Seat {
    id: AccountId,
    adapter: Arc<dyn Adapter>,
    twin: usize,
    number: u32,
    identity: Option<String>,
    schedule: Schedule,
    paused: bool,
    removed: bool,
}

/// Accounts on another host than their first one have numbers from here on.
const ELSEWHERE: u32 = 10;

pub struct World {
    scenario: Scenario,
    sabotage: Option<Sabotage>,
    chance: Chance,
    weather: Weather,
    /// True time.
    now: Timestamp,
    /// What the wall clock is ahead of it, in seconds.
    ahead: i64,
    life: u64,
    engine: Option<Engine>,
    /// The engine was asked to stop.
    stopping: bool,
    /// Whoever starts the engine says that the clock is right.
    confirms: bool,
    durable: Vec<Record>,
    /// The fold of what is durable.
    folded: View,
    /// Batches that the disk has not finished, oldest first.
    unsynced: VecDeque<(Ticket, Vec<Record>, Room)>,
    /// When it finishes the last of them.
    synced_by: Timestamp,
    full_until: Timestamp,
    coming: BTreeMap<(Timestamp, u64), Coming>,
    sequence: u64,
    twins: Vec<Box<dyn Twin>>,
    entries: Vec<&'static Entry>,
    /// Until when each twin cannot be reached.
    out_until: Vec<Timestamp>,
    /// Whose tokens are not accepted.
    revoked: Vec<bool>,
    seats: Vec<Seat>,
    /// Secrets, and the twins to which each of them may be shown.
    tokens: BTreeMap<String, BTreeSet<usize>>,
    files: BTreeMap<Arc<str>, Vec<PostPlan>>,
    /// Files that cannot be used as they are, and what was in them before.
    broken: BTreeMap<Arc<str>, Vec<PostPlan>>,
    lost: bool,
    /// What the engine was last told of each file.
    told: BTreeMap<Arc<str>, Vec<PostPlan>>,
    posts_made: u64,
    /// Posts that were taken out of the queue, and are put back now and then.
    removed: Vec<PostPlan>,
    oracle: Oracle,
    pairs: Pairs,
    report: Report,
    print: bool,
    trace: Option<Vec<String>>,
    faults_end: Timestamp,
    calmed: bool,
    /// The last day on which something was recorded.
    last_busy: Option<i64>,
    /// For how many accounts the ledger does not say yet that the clock was set ahead.
    jump_unsaid: usize,
}

impl World {
    pub fn new(scenario: Scenario, sabotage: Option<Sabotage>, print: bool) -> Self {
        let (entries, twins): (Vec<_>, Vec<_>) = twins::all(scenario.oauth2).into_iter().unzip();
        let seats = scenario.accounts.iter().map(|plan| Seat {
            id: AccountId::new(&plan.id).unwrap(),
            adapter: twins::adapter(&entries, &twins, plan.twin, plan.number, &plan.id),
            twin: plan.twin,
            number: plan.number,
            identity: None,
            schedule: plan.schedule.clone(),
            paused: false,
            removed: false,
        });
        let seats: Vec<Seat> = seats.collect();
        let start = scenario.start;
        let posts_made = scenario.files.iter().map(|(_, posts)| posts.len() as u64).sum();
        let mut oracle = Oracle::new(&scenario);
        for (seat, other) in seats.iter().flat_map(|seat| hosts(&entries, seat.twin).map(move |other| (seat, other))) {
            oracle.may_be_at(other, seat.number + ELSEWHERE, &seat.id);
        }
        let mut world = Self {
            chance: scenario.chance.clone(),
            weather: scenario.weather.clone(),
            now: start,
            ahead: 0,
            life: 0,
            engine: None,
            stopping: false,
            confirms: false,
            durable: Vec::new(),
            folded: View::default(),
            unsynced: VecDeque::new(),
            synced_by: start,
            full_until: start,
            coming: BTreeMap::new(),
            sequence: 0,
            out_until: vec![start; twins.len()],
            revoked: vec![false; twins.len()],
            twins,
            entries,
            seats,
            tokens: BTreeMap::new(),
            files: scenario.files.iter().cloned().collect(),
            broken: BTreeMap::new(),
            lost: false,
            told: BTreeMap::new(),
            posts_made,
            removed: Vec::new(),
            oracle,
            pairs: Pairs::default(),
            report: Report::default(),
            print,
            trace: None,
            faults_end: time::after(start, Duration::from_secs(scenario.days * 86_400)),
            calmed: false,
            last_busy: None,
            jump_unsaid: 0,
            scenario,
            sabotage,
        };
        for place in 0..world.seats.len() {
            world.may_show_token(place);
        }
        world
    }

    /// The account's secret may be shown to the host that it is on.
    fn may_show_token(&mut self, place: usize) {
        let (twin, number) = (self.seats[place].twin, self.seats[place].number);
        for other in 0..self.twins.len() {
            for secret in self.twins[other].secrets(number).0.into_values() {
                let twins = self.tokens.entry(secret.expose().to_owned()).or_default();
                if other == twin {
                    twins.insert(twin);
                }
            }
        }
    }

    pub fn keep_trace(&mut self) {
        self.trace = Some(Vec::new());
    }

    pub fn into_trace(self) -> Vec<String> {
        self.trace.unwrap_or_default()
    }

    pub fn run(&mut self) -> Result<Report, String> {
        self.start();
        let rhythm = self.scenario.rhythm;
        self.later(Duration::from_secs(rhythm.trouble.0), Coming::Trouble);
        self.later(Duration::from_secs(rhythm.operator.0), Coming::Operator);
        if rhythm.editor.is_some() {
            self.later(Duration::from_secs(1), Coming::Editor);
        }
        let deadline = time::after(self.faults_end, SETTLES);
        while self.report.steps < STEPS {
            self.report.steps += 1;
            self.carry_out()?;
            if self.stopping && self.engine.as_ref().is_some_and(|engine| engine.in_flight() == 0) {
                self.stopped();
            }
            let calm = self.now >= self.faults_end && self.calmed;
            let waits_for_a_file = |entry: &view::Entry| match &entry.state {
                State::Held { reason: Held::MediaMissing, detail } => {
                    detail.as_ref().is_some_and(|detail| detail.contains("media_base_url"))
                }
                _ => false,
            };
            let settled = |engine: &Engine| {
                engine.is_idle()
                    && engine.view().accounts().all(|(_, account)| {
                        let mut deliveries = account.deliveries();
                        account.head.stopped.is_none() && !deliveries.any(|(_, entry)| waits_for_a_file(entry))
                    })
            };
            if calm && self.engine.as_ref().is_some_and(settled) && self.nothing_under_way() {
                return self.finish();
            }
            if self.now > deadline {
                return Err(format!("not settled by {}: {}", self.now, self.unsettled()));
            }
            self.step()?;
        }
        Err(format!("no end after {STEPS} steps at {}: {}", self.now, self.unsettled()))
    }

    fn finish(&mut self) -> Result<Report, String> {
        let engine = self.engine.as_ref().expect("runs");
        let mut refolded = View::default();
        self.durable.iter().for_each(|record| refolded.apply(record));
        if refolded != self.folded {
            return Err("the fold of the whole ledger is another one than that of its parts".into());
        }
        self.oracle.at_the_end(engine, &self.folded, &self.twins)?;
        for (_, account) in engine.view().accounts() {
            for (state, kind) in [
                ("delivered", "delivered"),
                ("uncertain", "uncertain"),
                ("refused", "refused"),
                ("missed", "missed"),
                ("expired", "expired"),
                ("withdrawn", "withdrawn"),
            ] {
                let count = account.counts().get(state).copied().unwrap_or(0);
                *self.report.happened.entry(kind).or_default() += count as u64;
            }
        }
        self.report.happened.retain(|_, count| *count > 0);
        self.report.days = time::since(self.now, self.scenario.start).as_secs() / 86_400;
        for seat in &self.seats {
            let changes = seat.schedule.zone.following(self.scenario.start);
            self.report.clock_changes += changes.take_while(|change| change.timestamp() < self.now).count() as u64;
        }
        Ok(self.report.clone())
    }

    fn unsettled(&self) -> String {
        let Some(engine) = &self.engine else { return "not running".into() };
        let mut open = Vec::new();
        for (id, account) in engine.view().accounts() {
            for (post, entry) in account.deliveries() {
                if entry.state.is_open() || entry.state == State::Scheduled {
                    open.push(format!("{post}@{id} {}", entry.state.name()));
                }
            }
        }
        format!("{open:?}, next at {:?}", engine.poll_timeout())
    }

    fn nothing_under_way(&self) -> bool {
        self.unsynced.is_empty()
            && !self.coming.values().any(|coming| matches!(coming, Coming::Arrives { .. } | Coming::Told { .. }))
    }

    /// The wall clock as the engine sees it.
    fn wall(&self) -> Timestamp {
        self.now.saturating_add(jiff::SignedDuration::from_secs(self.ahead)).unwrap()
    }

    fn say(&mut self, line: impl FnOnce() -> String) {
        if self.print || self.trace.is_some() {
            let line = format!("{} {}", self.now, line());
            if self.print {
                eprintln!("{line}");
            }
            if let Some(trace) = &mut self.trace {
                trace.push(line);
            }
        }
    }

    fn later(&mut self, span: Duration, coming: Coming) {
        self.sequence += 1;
        self.coming.insert((time::after(self.now, span), self.sequence), coming);
    }

    fn millis(&mut self, most: u64) -> Duration {
        Duration::from_millis(1 + self.chance.below(most))
    }

    /// Something happens: what comes next by itself, or the engine's alarm clock.
    fn step(&mut self) -> Result<(), String> {
        let next = self.coming.keys().next().copied();
        let alarm = self.engine.as_ref().and_then(Engine::poll_timeout).map(|at| {
            let at = at.saturating_add(jiff::SignedDuration::from_secs(-self.ahead)).unwrap();
            // The driver looks at the clock every 15 s; only with a clock that was set does that matter.
            at.max(self.now)
        });
        match (next, alarm) {
            (Some(key), alarm) if alarm.is_none_or(|at| key.0 <= at) => {
                let coming = self.coming.remove(&key).expect("it is there");
                self.now = self.now.max(key.0);
                self.happen(coming)
            }
            (_, Some(at)) => {
                self.now = at;
                self.tell(Event::Tick)
            }
            (_, None) => Err(format!("nothing will ever happen again: {}", self.unsettled())),
        }
    }

    fn happen(&mut self, coming: Coming) -> Result<(), String> {
        match coming {
            Coming::Synced { life } if life == self.life => self.synced(),
            Coming::Synced { .. } => Ok(()),
            Coming::Arrives { twin, call, reply, durable } => self.arrive(twin, &call, reply, durable),
            Coming::Told { life, event } if life == self.life => self.tell(event),
            Coming::Told { .. } => Ok(()),
            Coming::Restart => {
                self.start();
                Ok(())
            }
            Coming::StopNow { life } => {
                if life == self.life && self.stopping {
                    self.report.count("stop that did not wait");
                    self.crash();
                }
                Ok(())
            }
            Coming::Trouble => self.trouble(),
            Coming::Operator => self.operator(),
            Coming::Edit => self.edit(),
            Coming::Editor => self.editor(),
            Coming::FolderBack => self.folder_back(),
            Coming::Mended(file) => self.mend(&file),
        }
    }

    fn tell(&mut self, event: Event) -> Result<(), String> {
        let wall = self.wall();
        if let Some(engine) = &mut self.engine {
            let queue = matches!(event, Event::Inbox(_) | Event::Configured(_));
            engine.handle(event, wall);
            if queue {
                self.oracle.queue_changed(engine);
            }
            self.oracle.after_each_step(engine)?;
            let behind = engine.view().clock_mark.is_some_and(|mark| wall < time::before(mark, CLOCK_TOLERANCE));
            if engine.is_recorded() && engine.is_started() && !(self.lost || self.stopping || behind) {
                turns::told(engine, wall)?;
            }
            if self.report.steps.is_multiple_of(EVERYTHING) {
                self.oracle.look_at_everything(engine, &self.folded)?;
            }
        }
        Ok(())
    }

    fn start(&mut self) {
        self.life += 1;
        self.stopping = false;
        self.say(|| "starts".to_owned());
        let mut engine = Engine::new(self.scenario.seed, self.folded.clone(), Mode::Publish);
        let wall = self.wall();
        let behind = engine.view().clock_mark.is_some_and(|mark| wall < time::before(mark, CLOCK_TOLERANCE));
        if std::mem::take(&mut self.confirms) && behind {
            self.report.count("clock confirmed");
            self.say(|| "the clock is confirmed".to_owned());
            engine.handle(Event::ClockConfirmed { by: "a person".into() }, wall);
        }
        engine.handle(Event::Configured(self.setups()), wall);
        self.told.clear();
        if self.lost {
            self.oracle.expects("queue.lost");
            engine.handle(Event::Inbox(Inbox::Lost { why: "no such folder".into() }), wall);
        } else {
            for message in self.whole_folder() {
                engine.handle(Event::Inbox(message), wall);
            }
        }
        self.oracle.started(&engine);
        self.engine = Some(engine);
    }

    /// What the inbox says of the whole folder.
    fn whole_folder(&mut self) -> Vec<Inbox> {
        let mut messages = Vec::new();
        for file in self.files.keys().cloned().collect::<Vec<_>>() {
            messages.push(self.file_as_read(&file));
        }
        messages.push(Inbox::Complete);
        messages
    }

    /// What the inbox says of a file: of one that cannot be used, its last good version.
    fn file_as_read(&mut self, file: &Arc<str>) -> Inbox {
        let good = self.broken.get(file);
        let plans = good.unwrap_or(&self.files[file]).clone();
        let mut posts = scenario::read(file, &plans);
        if self.sabotage == Some(Sabotage::ApprovalIgnored) {
            posts.iter_mut().for_each(|post| post.approval = Approval::Approved);
        }
        // Every second post is approved by a signature.
        let signed =
            |post: &Post| post.approval == Approval::Approved && post.id.as_str().ends_with(['1', '3', '5', '7', '9']);
        posts.iter_mut().filter(|post| signed(post)).for_each(|post| post.approval = Approval::Signed);
        let faults = good.map(|_| wrong(file)).into_iter().collect();
        self.told.insert(file.clone(), plans);
        Inbox::File { file: file.clone(), posts: Some(posts), faults }
    }

    /// Whether a signature counts, by the files as they are and not as the engine was told of them.
    fn vouch(&mut self, ticket: Ticket, claim: &Claim) {
        let calm = self.now >= self.faults_end;
        let signed = |plan: &PostPlan| *plan.id() == claim.post && plan.is_signed(&claim.digest);
        let holds = self.files.get(&claim.queue_file).is_some_and(|plans| plans.iter().any(signed));
        let result = if !calm && self.chance.permille(self.weather.edits / 4) {
            self.report.count("signers gone for a moment");
            Err(Unvouched::Unclear("allowed_signers cannot be read".into()))
        } else if holds {
            Ok("editor@example.org".into())
        } else {
            Err(Unvouched::Void(format!("{} is not signed", claim.post)))
        };
        let (life, span) = (self.life, self.millis(10));
        self.later(span, Coming::Told { life, event: Event::Vouched { ticket, result } });
    }

    /// A file was written.
    fn tell_file(&mut self, file: &Arc<str>) -> Result<(), String> {
        if self.lost || self.broken.contains_key(file) || self.engine.is_none() {
            return Ok(());
        }
        let message = self.file_as_read(file);
        self.tell(Event::Inbox(message))
    }

    fn setups(&self) -> Vec<AccountSetup> {
        let seats = self.scenario.accounts.iter().zip(&self.seats).filter(|(_, seat)| !seat.removed);
        seats
            .map(|(plan, seat)| {
                let (mut policy, mut rules) = (plan.policy.clone(), plan.rules);
                match self.sabotage {
                    Some(Sabotage::GapIgnored) => policy.min_gap = Duration::ZERO,
                    Some(Sabotage::DayIgnored) => policy.max_per_day = u32::MAX,
                    Some(Sabotage::ShareIgnored) => policy.promotion.share = 1.0,
                    Some(Sabotage::BudgetIgnored) => policy.budget = None,
                    Some(Sabotage::EarlyReadBack) => rules.settle = Some(Duration::ZERO),
                    _ => {}
                }
                AccountSetup {
                    id: seat.id.clone(),
                    adapter: seat.adapter.clone(),
                    secrets: self.twins[seat.twin].secrets(match self.sabotage {
                        Some(Sabotage::TokenTakenAlong) => plan.number,
                        _ => seat.number,
                    }),
                    schedule: seat.schedule.clone(),
                    policy,
                    rules,
                    links: cadenced::domain::Links::default(),
                    paused: seat.paused,
                    identity: seat.identity.clone(),
                    seal: Some(seal(pairs::KEY)),
                    token_expires: None,
                }
            })
            .collect()
    }

    fn crash(&mut self) {
        self.say(|| "crashes".to_owned());
        if self.jump_unsaid > 0 {
            // A clock that is set while nobody looks cannot be told from one that was right.
            self.oracle.clock_was_set_unseen();
        }
        self.engine = None;
        self.life += 1;
        self.stopping = false;
        // Of what the disk had not finished, any first part may be there all the same.
        let kept = self.chance.below(self.unsynced.len() as u64 + 1) as usize;
        let unsynced = std::mem::take(&mut self.unsynced);
        for (place, (_, records, _)) in unsynced.into_iter().enumerate() {
            if place < kept {
                self.report.count("batch kept and not acknowledged");
                self.keep(records);
            } else {
                self.report.count("batch lost in a crash");
            }
        }
        let forgets = [
            Sabotage::IntentNotDurable,
            Sabotage::CheckpointDropped,
            Sabotage::HostForgotten,
            Sabotage::SpendingForgotten,
            Sabotage::TokensForgotten,
        ];
        let forgets = forgets.map(Some).contains(&self.sabotage);
        match self.sabotage {
            Some(Sabotage::IntentNotDurable) => {
                while matches!(self.durable.last().map(|record| &record.fact), Some(Fact::Intent(_))) {
                    self.durable.pop();
                }
            }
            Some(Sabotage::CheckpointDropped) => {
                self.durable.retain(|record| !matches!(record.fact, Fact::Checkpoint { .. }));
            }
            Some(Sabotage::SpendingForgotten) => {
                self.durable.retain(|record| !matches!(record.fact, Fact::Spent { .. }));
            }
            Some(Sabotage::TokensForgotten) => {
                self.durable.retain(|record| !matches!(record.fact, Fact::TokensKept { .. }));
            }
            Some(Sabotage::HostForgotten) => {
                for record in &mut self.durable {
                    if let Fact::Intent(intent) = &mut record.fact {
                        intent.host = None;
                    }
                }
            }
            _ => {}
        }
        if forgets {
            self.folded = View::default();
            self.durable.iter().for_each(|record| self.folded.apply(record));
        }
        let (kind, down) = match self.chance.below(10) {
            0 => ("down for days", Duration::from_secs(self.chance.below(3 * 86_400))),
            1..4 => ("down for hours", Duration::from_secs(self.chance.below(7200))),
            _ => ("down for seconds", self.millis(30_000)),
        };
        self.report.count(kind);
        self.later(down, Coming::Restart);
    }

    /// The engine is asked to stop, as a signal does.
    fn stop(&mut self) -> Result<(), String> {
        self.report.count("stop in good order");
        self.say(|| "is asked to stop".to_owned());
        self.stopping = true;
        let patience = Duration::from_secs(1 + self.chance.below(75));
        self.later(patience, Coming::StopNow { life: self.life });
        self.tell(Event::Stop)
    }

    /// Nothing is in flight any more: the process ends, and the disk has all that it was given.
    fn stopped(&mut self) {
        self.say(|| "stops".to_owned());
        self.stopping = false;
        self.engine = None;
        self.life += 1;
        for (_, records, _) in std::mem::take(&mut self.unsynced) {
            self.keep(records);
        }
        let down = self.millis(120_000);
        self.later(down, Coming::Restart);
    }

    fn carry_out(&mut self) -> Result<(), String> {
        while let Some(command) = self.engine.as_mut().and_then(Engine::next_command) {
            let calm = self.now >= self.faults_end;
            if !calm && !matches!(command, Command::Log(_)) && self.chance.permille(self.weather.crash) {
                if self.chance.permille(500) {
                    self.report.count("crash after a command");
                    self.command(command)?;
                } else {
                    self.report.count("crash before a command");
                }
                self.crash();
                return Ok(());
            }
            self.command(command)?;
        }
        Ok(())
    }

    fn command(&mut self, command: Command) -> Result<(), String> {
        match command {
            Command::Commit { ticket, records, room } => {
                self.say(|| format!("commit {ticket:?} {records:?}"));
                self.oracle.intends(&self.told, &records)?;
                if let Some(engine) = &self.engine {
                    turns::slots(engine, &records, self.wall())?;
                }
                if self.now < self.faults_end && self.chance.permille(self.weather.edits / 8) {
                    // Somebody edits the queue while the disk is at work.
                    let span = self.millis(15);
                    self.later(span, Coming::Edit);
                }
                let early = self.is_called_durable_early(&records);
                self.unsynced.push_back((ticket, records, room));
                // One committer: batches finish in the order in which they were handed in.
                let span = self.millis(20).max(time::since(self.synced_by, self.now));
                self.synced_by = time::after(self.now, span);
                self.later(span, Coming::Synced { life: self.life });
                if early {
                    let event = Event::Committed { ticket, result: Ok(()) };
                    self.later(Duration::ZERO, Coming::Told { life: self.life, event });
                }
            }
            Command::Call { ticket, call, .. } => self.call(ticket, call)?,
            Command::Gather { ticket, items, .. } => {
                let calm = self.now >= self.faults_end;
                let result = if !calm && self.chance.permille(self.weather.edits) {
                    self.report.count("media gone for a moment");
                    Err(ShelfError::Unreadable { file: "dot.png".into(), why: "gone for a moment".into() })
                } else if !calm && self.chance.permille(self.weather.edits / 4) {
                    self.report.count("media changed");
                    let item = items.first().expect("nothing is gathered for nothing");
                    let found = Digest::of(b"another file");
                    Err(ShelfError::Changed { file: item.file.clone(), approved: item.sha256, found })
                } else {
                    Ok(items.into_iter().map(scenario::media).collect())
                };
                let (life, span) = (self.life, self.millis(10));
                self.later(span, Coming::Told { life, event: Event::Gathered { ticket, result } });
            }
            Command::Vouch { ticket, claim } => self.vouch(ticket, &claim),
            Command::Log(event) => {
                self.say(|| format!("{} {}", event.name(), serde_json::to_string(&event).unwrap()));
                if let LogEvent::DeliveryHeld { reason, .. } = &event {
                    match reason.as_str() {
                        "budget" => self.report.count("held for the budget"),
                        "account-auth" | "account-paused" => self.report.count("held with its account"),
                        _ => {}
                    }
                }
                if event.name() == "delivery.reconciled" {
                    self.report.count("reconciled");
                }
                if event.level() == Level::Error {
                    self.oracle.error(&event)?;
                }
            }
            Command::Remember { .. } => return Err("nothing is recorded about people".into()),
            Command::Halt { why } => return Err(format!("the engine halts: {why}")),
        }
        Ok(())
    }

    fn is_called_durable_early(&self, records: &[Record]) -> bool {
        let holds_tokens = || records.iter().any(|record| matches!(record.fact, Fact::TokensKept { .. }));
        match self.sabotage {
            Some(Sabotage::CalledDurableEarly) => true,
            Some(Sabotage::TokensCalledDurableEarly) => holds_tokens(),
            _ => false,
        }
    }

    fn synced(&mut self) -> Result<(), String> {
        let Some((ticket, records, room)) = self.unsynced.pop_front() else { return Ok(()) };
        if self.is_called_durable_early(&records) {
            self.keep(records);
            return Ok(());
        }
        let calm = self.now >= self.faults_end;
        let error = if self.now < self.full_until && room == Room::Free {
            self.report.count("disk full");
            Some(CommitError::NoRoom("no space left".into()))
        } else if !calm && self.chance.permille(self.weather.disk) {
            self.report.count("batch refused");
            Some(CommitError::Io("the disk said no".into()))
        } else {
            None
        };
        if let Some(error) = error {
            return self.tell(Event::Committed { ticket, result: Err(error) });
        }
        let said = records.iter().filter(|record| matches!(record.fact, Fact::ClockSet { .. })).count();
        self.jump_unsaid = self.jump_unsaid.saturating_sub(said);
        for record in &records {
            turns::once(&self.folded, record)?;
        }
        self.keep(records);
        self.tell(Event::Committed { ticket, result: Ok(()) })
    }

    /// These records are durable.
    fn keep(&mut self, records: Vec<Record>) {
        self.oracle.durable(&records, self.now);
        self.pairs.durable(&records);
        for record in &records {
            arrows::take(&mut self.folded, record, &mut self.report.arrows);
            self.report.slots += match &record.fact {
                Fact::Intent(intent) if intent.slot.is_some() => 1,
                Fact::SlotEmpty { run, .. } => run.map_or(1, |run| run.count),
                _ => 0,
            };
        }
        self.report.records += records.len() as u64;
        let day = self.now.as_second().div_euclid(86_400);
        if self.last_busy.replace(day) != Some(day) {
            self.report.busy_days += 1;
        }
        self.durable.extend(records);
    }

    fn call(&mut self, ticket: Ticket, call: Call) -> Result<(), String> {
        self.report.calls += 1;
        let twin = self.addressed(&call)?;
        self.pairs.sent(&call)?;
        let (life, durable) = (self.life, self.oracle.durable_records());
        let weather = if self.now >= self.faults_end { Weather::default() } else { self.weather.clone() };
        let told = |result| Coming::Told { life, event: Event::Replied { ticket, result } };
        let timeout = Duration::from_secs(60);
        let gone = if self.sabotage == Some(Sabotage::TimeoutIsFailure) {
            Failure::NeverLeft("timed out".into())
        } else {
            Failure::MayHaveArrived("timed out".into())
        };
        if self.now < self.out_until[twin] {
            self.report.count("refused by a server that is down");
            let failure = if self.chance.permille(500) { gone } else { Failure::NeverLeft("no route".into()) };
            let span = self.millis(60_000);
            self.later(span, told(Err(failure)));
        } else if self.chance.permille(weather.never_left) {
            self.report.count("never left");
            let span = self.millis(10_000);
            self.later(span, told(Err(Failure::NeverLeft("connection refused".into()))));
        } else if self.chance.permille(weather.lost_request) {
            self.report.count("lost request");
            self.later(timeout, told(Err(gone)));
        } else if self.chance.permille(weather.late_effect) {
            self.report.count("late effect");
            let late = Duration::from_secs(self.chance.below(LATEST.as_secs()));
            self.later(late, Coming::Arrives { twin, call, reply: None, durable });
            self.later(timeout, told(Err(gone)));
        } else if self.chance.permille(weather.lost_reply) {
            self.report.count("lost reply");
            let span = self.millis(2000);
            self.later(span, Coming::Arrives { twin, call, reply: None, durable });
            let error = self.broken_reply(gone, true);
            let span = span + self.millis(3000);
            self.later(span, told(error));
        } else if self.chance.permille(weather.server_error + weather.garbage) {
            let span = self.millis(2000);
            let error = self.broken_reply(gone, false);
            self.later(span, told(error));
        } else {
            let span = self.millis(3000);
            self.later(span, Coming::Arrives { twin, call, reply: Some((life, ticket)), durable });
        }
        Ok(())
    }

    /// The twin that a call goes to. No secret goes to another host than its own (I6).
    fn addressed(&self, call: &Call) -> Result<usize, String> {
        let twin =
            twins::reached(call, &self.entries).ok_or_else(|| format!("a call to nobody: {}", call_text(call)))?;
        let Call::Http(request) = call else { return Ok(twin) };
        let in_headers = request.headers.iter().filter_map(|(_, value)| match value {
            HeaderValue::Secret { secret, .. } => Some(secret),
            HeaderValue::Plain(_) | HeaderValue::Fresh(_) => None,
        });
        for secret in in_headers.chain(&request.secret_path) {
            if self.tokens.get(secret.expose()).is_some_and(|twins| !twins.contains(&twin)) {
                return Err(format!("I6: a secret of another host goes to {}", request.url));
            }
        }
        Ok(twin)
    }

    fn broken_reply(&mut self, gone: Failure, carried_out: bool) -> Result<Reply, Failure> {
        let (kind, reply) = twins::broken_reply(&mut self.chance, gone, carried_out);
        self.report.count(kind);
        reply
    }

    fn arrive(&mut self, twin: usize, call: &Call, reply: Option<(u64, Ticket)>, durable: usize) -> Result<(), String> {
        let answer = self.twins[twin].answer(call, self.now);
        self.say(|| format!("arrives {} -> {}", call_text(call), reply_text(&answer)));
        let account = |number| {
            let mut seats = self.seats.iter().filter(|seat| (seat.twin, seat.number) == (twin, number));
            seats.next().map(|seat| seat.id.clone())
        };
        self.pairs.answered(call, &answer, account);
        self.oracle.published(twin, &*self.twins[twin], durable)?;
        if let Some((life, ticket)) = reply {
            let span = self.millis(1000);
            self.later(span, Coming::Told { life, event: Event::Replied { ticket, result: Ok(answer) } });
        }
        Ok(())
    }

    fn trouble(&mut self) -> Result<(), String> {
        let (least, more) = self.scenario.rhythm.trouble;
        if self.now >= self.faults_end {
            self.later(Duration::from_secs(3600), Coming::Trouble);
            return self.calm_down();
        }
        let span = Duration::from_secs(least + self.chance.below(more));
        self.later(span, Coming::Trouble);
        self.trouble_on_a_platform();
        if self.chance.permille(self.weather.disk * 3) {
            self.full_until = time::after(self.now, Duration::from_secs(self.chance.below(7200)));
        } else if self.now >= self.full_until {
            self.tell(Event::Room)?;
        }
        if self.chance.permille(500) {
            let chore = if self.chance.permille(980) { Chore::Accounts } else { Chore::Runway };
            self.tell(Event::Chore(chore))?;
        }
        if self.weather.clock_jumps && self.chance.permille(15) {
            let to = *self.chance.pick(&[0, -86_400, 7 * 86_400, 3600, -600]);
            self.set_clock(to)?;
        }
        if self.chance.permille(self.weather.edits) {
            self.edit()?;
        }
        if self.chance.permille(self.weather.folder) {
            self.trouble_in_the_folder()?;
        }
        self.reconfigure()?;
        if self.chance.permille(self.weather.stops) && self.engine.is_some() && !self.stopping {
            self.stop()?;
        }
        if self.chance.permille(self.weather.crash * 2) && self.engine.is_some() {
            self.report.count("crash between events");
            self.crash();
        }
        Ok(())
    }

    /// Nothing goes wrong any more, and a person has put right what they had changed.
    fn calm_down(&mut self) -> Result<(), String> {
        for twin in &mut self.twins {
            twin.set_revoked(false);
            twin.hide_files(false);
        }
        self.out_until.fill(self.now);
        self.set_clock(0)?;
        self.lost = false;
        if !std::mem::replace(&mut self.calmed, true) {
            for place in 0..self.seats.len() {
                self.put_right(place);
            }
            self.carry_out()?;
            self.broken.clear();
            self.tell(Event::Configured(self.setups()))?;
            if self.engine.is_some() {
                for message in self.whole_folder() {
                    self.tell(Event::Inbox(message))?;
                }
            }
        }
        self.renew_tokens()?;
        self.tell(Event::Chore(Chore::Accounts))?;
        self.tell(Event::Room)
    }

    /// A person gives new tokens to accounts that have lost theirs.
    fn renew_tokens(&mut self) -> Result<(), String> {
        let asks = |seat: &&Seat| self.pairs.asks_a_person(&self.folded, &seat.id);
        let lost: Vec<(AccountId, usize)> =
            self.seats.iter().filter(asks).map(|seat| (seat.id.clone(), seat.twin)).collect();
        if lost.is_empty() {
            return Ok(());
        }
        self.carry_out()?;
        for (id, twin) in lost {
            self.report.count("tokens given by a person");
            self.say(|| format!("{id} is given new tokens"));
            let place = self.seats.iter().position(|seat| seat.id == id).expect("it is one of them");
            self.twins[twin].renew(self.seats[place].number);
            self.pairs.renewed(&id);
            self.may_show_token(place);
        }
        self.tell(Event::Configured(self.setups()))
    }

    /// Somebody allows an account to spend more.
    fn raise_budget(&mut self, place: usize) -> bool {
        let Some(budget) = self.scenario.accounts[place].policy.budget else { return false };
        if !self.chance.permille(4) {
            return false;
        }
        self.report.count("budget raised");
        let plan = &mut self.scenario.accounts[place];
        plan.policy.budget = Some(budget.plus(budget));
        let id = AccountId::new(&plan.id).expect("a plan has an id");
        self.oracle.allows(&id, &plan.policy);
        true
    }

    fn trouble_on_a_platform(&mut self) {
        let twin = self.chance.below(self.twins.len() as u64) as usize;
        if self.chance.permille(self.weather.throttle) {
            self.report.count("throttled");
            let until = time::after(self.now, Duration::from_secs(self.chance.below(3600)));
            self.twins[twin].throttle(until);
        }
        if self.chance.permille(self.weather.expire) {
            self.report.count("tokens expired");
            self.twins[twin].expire_tokens();
        }
        if self.chance.permille(self.weather.revoke) {
            self.report.count("token revoked");
            self.twins[twin].set_revoked(true);
            self.oracle.expects("account.auth_lost");
            self.revoked[twin] = true;
        } else if self.chance.permille(300) && std::mem::take(&mut self.revoked[twin]) {
            self.report.count("token accepted again");
            self.twins[twin].set_revoked(false);
        }
        // Not drawn, so that a seed that is kept gives the run it gave before there were public folders.
        let hidden = self.now.as_second() / 3600 % 3 == 0;
        if hidden && matches!(self.entries[twin].name, "threads" | "instagram") {
            self.report.count("public folder empty");
        }
        self.twins[twin].hide_files(hidden);
        if self.chance.permille(self.weather.outage) {
            self.report.count("outage");
            // Some last for longer than anybody looks for a post.
            self.out_until[twin] = time::after(self.now, Duration::from_secs(self.chance.below(40 * 3600)));
        }
    }

    fn set_clock(&mut self, to: i64) -> Result<(), String> {
        let seconds = to - std::mem::replace(&mut self.ahead, to);
        if seconds == 0 {
            return Ok(());
        }
        self.report.count(if seconds > 0 { "clock set ahead" } else { "clock set back" });
        self.oracle.clock_was_set();
        self.say(|| format!("the clock is set by {seconds} s"));
        if self.sabotage == Some(Sabotage::ClockUnwatched) {
            return Ok(());
        }
        if seconds > 0 {
            self.jump_unsaid = self.scenario.accounts.len();
            if self.engine.is_none() {
                self.oracle.clock_was_set_unseen();
            }
        }
        self.tell(Event::ClockJumped { seconds })
    }

    fn trouble_in_the_folder(&mut self) -> Result<(), String> {
        if self.lost {
            return Ok(());
        }
        self.carry_out()?;
        if self.chance.permille(400) {
            self.report.count("folder lost");
            self.lost = true;
            self.oracle.expects("queue.lost");
            let span = Duration::from_secs(self.chance.below(12 * 3600));
            self.later(span, Coming::FolderBack);
            return self.tell(Event::Inbox(Inbox::Lost { why: "no such folder".into() }));
        }
        let whole: Vec<Arc<str>> = self.files.keys().filter(|file| !self.broken.contains_key(*file)).cloned().collect();
        if whole.is_empty() {
            return Ok(());
        }
        let file = self.chance.pick(&whole).clone();
        self.report.count("file broken");
        self.oracle.expects("queue.file_rejected");
        self.broken.insert(file.clone(), self.files[&file].clone());
        let span = Duration::from_secs(self.chance.below(24 * 3600));
        self.later(span, Coming::Mended(file.clone()));
        let faults = vec![wrong(&file)];
        self.tell(Event::Inbox(Inbox::File { file, posts: None, faults }))
    }

    fn mend(&mut self, file: &Arc<str>) -> Result<(), String> {
        self.carry_out()?;
        if self.broken.remove(file).is_some() {
            self.report.count("file mended");
        }
        self.tell_file(file)
    }

    fn folder_back(&mut self) -> Result<(), String> {
        self.carry_out()?;
        if std::mem::take(&mut self.lost) {
            self.report.count("folder back");
        }
        if self.engine.is_some() {
            for message in self.whole_folder() {
                self.tell(Event::Inbox(message))?;
            }
        }
        Ok(())
    }

    /// Somebody edits the configuration, and puts back what was changed some time after.
    fn reconfigure(&mut self) -> Result<(), String> {
        let mut changed = false;
        for place in 0..self.seats.len() {
            let seat = &self.seats[place];
            let odd = seat.paused || seat.removed || (seat.identity.is_none() && self.is_elsewhere(place));
            if odd && self.chance.permille(200) {
                self.put_right(place);
                changed = true;
            }
            changed |= self.raise_budget(place);
        }
        if self.chance.permille(self.weather.accounts) {
            let place = self.chance.below(self.seats.len() as u64) as usize;
            self.reseat(place);
            changed = true;
        }
        if !changed {
            return Ok(());
        }
        self.carry_out()?;
        self.tell(Event::Configured(self.setups()))
    }

    fn is_elsewhere(&self, place: usize) -> bool {
        self.seats[place].number >= ELSEWHERE
    }

    fn reseat(&mut self, place: usize) {
        let family = self.scenario.family;
        let kind = self.chance.below(5);
        let seat = &mut self.seats[place];
        let kind = match kind {
            0 => {
                seat.paused = true;
                "account paused"
            }
            1 => {
                seat.removed = true;
                "account removed"
            }
            2 | 3 => {
                let hosts: Vec<usize> = hosts(&self.entries, seat.twin).collect();
                if hosts.is_empty() {
                    return;
                }
                seat.twin = *self.chance.pick(&hosts);
                let plan = &self.scenario.accounts[place];
                seat.number = plan.number + if seat.twin == plan.twin { 0 } else { ELSEWHERE };
                seat.adapter = twins::adapter(&self.entries, &self.twins, seat.twin, seat.number, &plan.id);
                seat.identity = self.chance.permille(500).then(|| identity(seat.number));
                self.oracle.expects("account.auth_lost");
                "account moved to another host"
            }
            _ => {
                let slots = scenario::slots(&mut self.chance, family);
                if !scenario::may_be_kept(family, &slots, &self.scenario.accounts[place].policy) {
                    return;
                }
                seat.schedule.slots = slots;
                "schedule changed"
            }
        };
        self.may_show_token(place);
        self.report.count(kind);
        let id = self.seats[place].id.clone();
        self.say(|| format!("{kind}: {id}"));
    }

    fn put_right(&mut self, place: usize) {
        let moved = self.is_elsewhere(place) || self.seats[place].identity.is_some();
        let mastodon = self.entries[self.seats[place].twin].name == "mastodon";
        let seat = &mut self.seats[place];
        if std::mem::take(&mut seat.paused) {
            self.report.count("account goes on");
        }
        if std::mem::take(&mut seat.removed) {
            self.report.count("account put back");
        }
        if moved || mastodon {
            // Whoever moves an account says which one it is.
            seat.identity = Some(identity(seat.number));
        }
        let id = self.seats[place].id.clone();
        self.say(|| format!("{id} is put right"));
    }

    /// Somebody edits the queue. What was decided before the edit is on its way before it: the oracle judges an intent
    /// by the queue it was made from. (An intent that an edit overtakes is given up unsent; `tests/engine.rs` shows it.)
    fn edit(&mut self) -> Result<(), String> {
        self.carry_out()?;
        let names: Vec<Arc<str>> = self.files.keys().cloned().collect();
        if names.is_empty() {
            return Ok(());
        }
        let file = self.chance.pick(&names).clone();
        let mut plans = self.files[&file].clone();
        let place = self.chance.below(plans.len() as u64 + 1) as usize;
        let kind = match self.chance.below(9) {
            0 | 1 => {
                plans.insert(place, self.new_post());
                "post added"
            }
            2 if place < plans.len() => {
                self.removed.push(plans.remove(place));
                "post removed"
            }
            3 | 4 if place < plans.len() => {
                let approved = self.chance.permille(500);
                plans[place].change(approved);
                if approved { "text changed and approved" } else { "text changed and not approved" }
            }
            5 => {
                plans.reverse();
                "order reversed"
            }
            6 if !self.removed.is_empty() => {
                let back = self.chance.below(self.removed.len() as u64) as usize;
                plans.insert(place, self.removed.swap_remove(back));
                "post put back"
            }
            7 if place < plans.len() && names.len() > 1 => {
                let others: Vec<&Arc<str>> = names.iter().filter(|name| **name != file).collect();
                let other = (*self.chance.pick(&others)).clone();
                let moved = plans.remove(place);
                self.files.entry(other.clone()).or_default().push(moved);
                if self.chance.permille(500) {
                    self.tell_file(&other)?;
                } else {
                    // It is in no file for a moment.
                    self.later(Duration::from_millis(200), Coming::Mended(other));
                }
                "post moved to another file"
            }
            8 if place < plans.len() => {
                plans[place].forget_times();
                "times taken out"
            }
            _ if place < plans.len() => {
                plans[place].approved = !plans[place].approved;
                if plans[place].approved { "approval given" } else { "approval taken" }
            }
            _ => return Ok(()),
        };
        self.report.count(kind);
        self.say(|| format!("{kind} in {file}"));
        self.files.insert(file.clone(), plans);
        self.tell_file(&file)
    }

    fn new_post(&mut self) -> PostPlan {
        self.posts_made += 1;
        scenario::post(&mut self.chance, self.scenario.family, self.posts_made, self.now, &self.scenario.accounts)
    }

    /// Somebody takes out of the queue what is over, and fills it for the next days.
    fn editor(&mut self) -> Result<(), String> {
        let Some((least, more)) = self.scenario.rhythm.editor.filter(|_| self.now < self.faults_end) else {
            return Ok(());
        };
        let span = least + self.chance.below(more);
        self.later(Duration::from_secs(span), Coming::Editor);
        self.carry_out()?;
        let Some(engine) = &self.engine else { return Ok(()) };
        let over = |plan: &PostPlan, account: &AccountId| {
            let entry = engine.view().entry(&DeliveryId::new(plan.id().clone(), account.clone()));
            entry.is_some_and(|entry| {
                matches!(entry.state, State::Delivered { .. } | State::Missed | State::Expired | State::Refused { .. })
            })
        };
        let mut changed: BTreeSet<Arc<str>> = BTreeSet::new();
        let old = self.posts_made.saturating_sub(60);
        for (file, plans) in &mut self.files {
            let before = plans.len();
            // What has waited for weeks is given up.
            plans.retain(|plan| !plan.to().iter().all(|account| over(plan, account)) && plan.number() > old);
            if plans.len() < before {
                changed.insert(file.clone());
                *self.report.happened.entry("post archived").or_default() += (before - plans.len()) as u64;
            }
        }
        let most = self.seats.iter().map(|seat| scenario::a_week(&seat.schedule.slots)).max().unwrap_or(7);
        let wanted = 2 + most * (span as usize / 86_400 + 1) / 7 + self.chance.below(4) as usize;
        let held: usize = self.files.values().map(Vec::len).sum();
        let names: Vec<Arc<str>> = self.files.keys().cloned().collect();
        for _ in held..wanted {
            let file = self.chance.pick(&names).clone();
            let post = self.new_post();
            self.report.count("post added");
            self.files.entry(file.clone()).or_default().push(post);
            changed.insert(file);
        }
        for file in changed {
            self.tell_file(&file)?;
        }
        Ok(())
    }

    /// A person decides what only a person can, looking at the platform.
    fn operator(&mut self) -> Result<(), String> {
        let (least, more) = self.scenario.rhythm.operator;
        let span = Duration::from_secs(least + self.chance.below(more));
        self.later(span, Coming::Operator);
        self.renew_tokens()?;
        let wall = self.wall();
        let Some(engine) = &mut self.engine else { return Ok(()) };
        let behind = engine.view().clock_mark.is_some_and(|mark| wall < time::before(mark, CLOCK_TOLERANCE));
        if behind && !self.stopping && self.chance.permille(400) {
            self.confirms = true;
            return self.stop();
        }
        let mut open: BTreeMap<DeliveryId, u64> = BTreeMap::new();
        for (id, account) in engine.view().accounts() {
            if ["uncertain", "refused", "missed"].iter().all(|state| !account.counts().contains_key(state)) {
                continue;
            }
            for (post, entry) in account.deliveries() {
                // What is plainly over is mostly left at that.
                let often = match entry.state {
                    State::Uncertain { .. } => 1000,
                    State::Refused { .. } => 300,
                    State::Missed => 60,
                    _ => continue,
                };
                open.insert(DeliveryId::new(PostId::clone(post), id.clone()), often);
            }
        }
        for (delivery, often) in open {
            if !self.chance.permille(often) {
                continue;
            }
            // A person waits until everything that was under way must have come to rest.
            let since = engine.view().entry(&delivery).and_then(|entry| entry.sent.as_ref()).and_then(|sent| sent.to);
            if since.is_some_and(|since| time::since(wall, since) < LATEST) {
                continue;
            }
            let (kind, decision) = match self.oracle.parts_of(&delivery) {
                0 => match self.chance.below(4) {
                    0 => ("resolved to drop", Decision::Drop),
                    1 if often < 1000 => ("resolved as delivered", Decision::Delivered { url: BY_HAND.into() }),
                    _ => ("resolved to retry", Decision::Retry),
                },
                _ => ("resolved as delivered", Decision::Delivered { url: "https://example.org/seen".into() }),
            };
            let taken = engine.resolve(&delivery, decision, "a person", wall).is_ok();
            self.report.count(if taken { kind } else { "not to be resolved" });
        }
        Ok(())
    }
}

/// What is wrong with a file that cannot be used.
fn wrong(file: &Arc<str>) -> Fault {
    Fault::error(Place::file(file), "it ends in the middle of a text")
}

/// The other twins that speak the language of this one.
fn hosts<'a>(entries: &'a [&'static Entry], twin: usize) -> impl Iterator<Item = usize> + use<'a> {
    (0..entries.len()).filter(move |other| *other != twin && entries[*other].name == entries[twin].name)
}

/// The remote account's id as the twin that speaks Mastodon's language has it.
fn identity(number: u32) -> String {
    (110_000_000_000_000_000 + u64::from(number)).to_string()
}
