//! The simulated world: it carries out the engine's commands, badly.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use cadenced::domain::{AccountId, DeliveryId, Goal, PostId, State, Timestamp, time};
use cadenced::engine::engine::Mode;
use cadenced::engine::{AccountSetup, Chore, Command, Engine, Event, Ticket};
use cadenced::ledger::record::{Decision, Fact};
use cadenced::ledger::store::{CommitError, Room};
use cadenced::ledger::{Record, View};
use cadenced::parts::{Inbox, ShelfError};
use cadenced::platform::contract::{Adapter, Call, Failure, HttpReply, Media, Reply, Table, Twin};
use cadenced::platform::{self};
use cadenced::telemetry::events::Level;

use crate::arrows::{self, Arrow};
use crate::chance::Chance;
use crate::oracle::Oracle;
use crate::scenario::{self, DAYS, PostPlan, Scenario, Weather};

/// Latest moment at which a request that was sent may take effect. Less than the settle time, as the platforms' sheets
/// say; a world in which requests stay under way for longer is one in which nobody can promise anything.
const LATEST: Duration = Duration::from_secs(230);
/// Steps after which a run is called endless.
const STEPS: u64 = 200_000;
/// In how many steps everything is looked at once, without any memory of what was seen before.
const EVERYTHING: u64 = 500;
/// How long everything may take to settle when nothing goes wrong any more.
const SETTLES: Duration = Duration::from_secs(40 * 86_400);

/// Where a person has published what the daemon had given up.
pub const BY_HAND: &str = "https://example.org/by-hand";

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
}

impl Sabotage {
    pub const ALL: [Self; 4] =
        [Self::IntentNotDurable, Self::TimeoutIsFailure, Self::EarlyReadBack, Self::CheckpointDropped];
}

/// What happened in a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    pub seeds: u64,
    pub steps: u64,
    pub crashes: u64,
    pub calls: u64,
    pub delivered: u64,
    pub reconciled: u64,
    pub uncertain: u64,
    pub refused: u64,
    pub missed: u64,
    pub lost_replies: u64,
    pub late_effects: u64,
    pub disk_faults: u64,
    pub edits: u64,
    pub clock_jumps: u64,
    pub simulated_days: u64,
    /// How often each arrow of the state machine was taken.
    pub arrows: BTreeMap<Arrow, u64>,
}

impl Report {
    pub fn add(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.steps += other.steps;
        self.crashes += other.crashes;
        self.calls += other.calls;
        self.delivered += other.delivered;
        self.reconciled += other.reconciled;
        self.uncertain += other.uncertain;
        self.refused += other.refused;
        self.missed += other.missed;
        self.lost_replies += other.lost_replies;
        self.late_effects += other.late_effects;
        self.disk_faults += other.disk_faults;
        self.edits += other.edits;
        self.clock_jumps += other.clock_jumps;
        self.simulated_days += other.simulated_days;
        for (arrow, count) in &other.arrows {
            *self.arrows.entry(*arrow).or_default() += count;
        }
    }
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
    /// Trouble that comes by itself.
    Trouble,
    /// A person looks at the status.
    Operator,
}

fn call_text(call: &Call) -> String {
    match call {
        Call::Http(request) => {
            let body = String::from_utf8_lossy(&request.body.concat()).chars().take(300).collect::<String>();
            format!("{} {} {body:?}", request.method.name(), request.url.as_str())
        }
        Call::File(file) => format!("{:?}", file.work).chars().take(200).collect(),
    }
}

fn reply_text(reply: &Reply) -> String {
    match reply {
        Reply::Http(reply) => {
            let body = String::from_utf8_lossy(&reply.body).chars().take(300).collect::<String>();
            format!("{} {body}", reply.status)
        }
        Reply::File(files) => format!("{} files", files.len()),
    }
}

/// The twins of a run: every platform, and the servers that speak Mastodon's language otherwise.
fn twins() -> Vec<(&'static platform::contract::Entry, Box<dyn Twin>)> {
    let mut twins: Vec<(&'static platform::contract::Entry, Box<dyn Twin>)> =
        platform::REGISTRY.iter().map(|entry| (*entry, (entry.twin)())).collect();
    twins.extend(extra_twins());
    twins
}

fn extra_twins() -> Vec<(&'static platform::contract::Entry, Box<dyn Twin>)> {
    use platform::mastodon::{ENTRY, twin::MastodonTwin};
    vec![(&ENTRY, Box::new(MastodonTwin::gotosocial())), (&ENTRY, Box::new(MastodonTwin::pleroma()))]
}

pub fn twin_count() -> usize {
    twins().len()
}

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
    adapters: Vec<Arc<dyn Adapter>>,
    files: BTreeMap<Arc<str>, Vec<PostPlan>>,
    posts_made: u64,
    /// Posts that were taken out of the queue, and are put back now and then.
    removed: Vec<PostPlan>,
    oracle: Oracle,
    report: Report,
    print: bool,
    trace: Option<Vec<String>>,
    faults_end: Timestamp,
    /// For how many accounts the ledger does not say yet that the clock was set ahead.
    jump_unsaid: usize,
}

impl World {
    pub fn new(scenario: Scenario, sabotage: Option<Sabotage>, print: bool) -> Self {
        let entries = twins();
        let mut adapters = Vec::new();
        for plan in &scenario.accounts {
            let (entry, twin) = &entries[plan.twin];
            let values = twin.table(plan.number, "http://127.0.0.1:9", "site");
            let id = AccountId::new(&plan.id).unwrap();
            let mut table = Table::new(id, values, format!("/sim/{}", plan.id).into());
            let adapter = (entry.build)(&mut table);
            adapters.push(adapter.unwrap_or_else(|| panic!("{}: {:?}", entry.name, table.into_complaints())));
        }
        let mut scenario = scenario;
        if sabotage == Some(Sabotage::EarlyReadBack) {
            for plan in &mut scenario.accounts {
                plan.rules.settle = Some(Duration::ZERO);
            }
        }
        let start = scenario.start;
        let posts_made = scenario.files.iter().map(|(_, posts)| posts.len() as u64).sum();
        Self {
            chance: scenario.chance.clone(),
            weather: scenario.weather.clone(),
            now: start,
            ahead: 0,
            life: 0,
            engine: None,
            durable: Vec::new(),
            folded: View::default(),
            unsynced: VecDeque::new(),
            synced_by: start,
            full_until: start,
            coming: BTreeMap::new(),
            sequence: 0,
            twins: entries.into_iter().map(|(_, twin)| twin).collect(),
            adapters,
            files: scenario.files.iter().cloned().collect(),
            posts_made,
            removed: Vec::new(),
            oracle: Oracle::new(&scenario),
            report: Report::default(),
            print,
            trace: None,
            faults_end: time::after(start, Duration::from_secs(DAYS * 86_400)),
            jump_unsaid: 0,
            scenario,
            sabotage,
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
        self.later(Duration::from_secs(60), Coming::Trouble);
        self.later(Duration::from_secs(3600), Coming::Operator);
        let deadline = time::after(self.faults_end, SETTLES);
        while self.report.steps < STEPS {
            self.report.steps += 1;
            self.carry_out()?;
            let calm = self.now >= self.faults_end;
            let settled = |engine: &Engine| {
                engine.is_idle() && engine.view().accounts().all(|(_, account)| account.head.stopped.is_none())
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
            for (_, entry) in account.deliveries() {
                match entry.state {
                    State::Delivered { .. } => self.report.delivered += 1,
                    State::Uncertain { .. } => self.report.uncertain += 1,
                    State::Refused { .. } => self.report.refused += 1,
                    State::Missed => self.report.missed += 1,
                    _ => {}
                }
            }
        }
        self.report.simulated_days = time::since(self.now, self.scenario.start).as_secs() / 86_400;
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
            Coming::Trouble => self.trouble(),
            Coming::Operator => self.operator(),
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
            if self.report.steps.is_multiple_of(EVERYTHING) {
                self.oracle.look_at_everything(engine, &self.folded)?;
            }
        }
        Ok(())
    }

    fn start(&mut self) {
        self.life += 1;
        self.say(|| "starts".to_owned());
        let mut engine = Engine::new(self.scenario.seed, self.folded.clone(), Mode::Publish);
        let wall = self.wall();
        let setups = self.setups();
        engine.handle(Event::Configured(setups), wall);
        for (file, plans) in self.files.clone() {
            let posts = Some(scenario::read(&file, &plans));
            engine.handle(Event::Inbox(Inbox::File { file, posts, faults: Vec::new() }), wall);
        }
        engine.handle(Event::Inbox(Inbox::Complete), wall);
        self.oracle.started(&engine);
        self.engine = Some(engine);
    }

    fn setups(&self) -> Vec<AccountSetup> {
        let accounts = self.scenario.accounts.iter().zip(&self.adapters);
        accounts
            .map(|(plan, adapter)| AccountSetup {
                id: AccountId::new(&plan.id).unwrap(),
                adapter: adapter.clone(),
                secrets: self.twins[plan.twin].secrets(plan.number),
                schedule: plan.schedule.clone(),
                policy: plan.policy.clone(),
                rules: plan.rules,
                paused: false,
                identity: None,
            })
            .collect()
    }

    fn crash(&mut self) {
        self.report.crashes += 1;
        self.say(|| "crashes".to_owned());
        if self.jump_unsaid > 0 {
            // A clock that is set while nobody looks cannot be told from one that was right.
            self.oracle.clock_was_set_unseen();
        }
        self.engine = None;
        self.life += 1;
        // Of what the disk had not finished, any first part may be there all the same.
        let kept = self.chance.below(self.unsynced.len() as u64 + 1) as usize;
        let unsynced = std::mem::take(&mut self.unsynced);
        for (_, records, _) in unsynced.into_iter().take(kept) {
            self.keep(records);
        }
        let before = self.durable.len();
        match self.sabotage {
            Some(Sabotage::IntentNotDurable) => {
                while matches!(self.durable.last().map(|record| &record.fact), Some(Fact::Intent(_))) {
                    self.durable.pop();
                }
            }
            Some(Sabotage::CheckpointDropped) => {
                self.durable.retain(|record| !matches!(record.fact, Fact::Checkpoint { .. }));
            }
            _ => {}
        }
        if self.durable.len() != before {
            self.folded = View::default();
            self.durable.iter().for_each(|record| self.folded.apply(record));
        }
        let down = match self.chance.below(10) {
            0 => Duration::from_secs(self.chance.below(3 * 86_400)),
            1..4 => Duration::from_secs(self.chance.below(7200)),
            _ => self.millis(30_000),
        };
        self.later(down, Coming::Restart);
    }

    fn carry_out(&mut self) -> Result<(), String> {
        while let Some(command) = self.engine.as_mut().and_then(Engine::next_command) {
            let calm = self.now >= self.faults_end;
            if !calm && !matches!(command, Command::Log(_)) && self.chance.permille(self.weather.crash) {
                if self.chance.permille(500) {
                    self.command(command)?;
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
                let engine = self.engine.as_ref().expect("it just spoke");
                self.oracle.intends(engine, &records)?;
                self.unsynced.push_back((ticket, records, room));
                // One committer: batches finish in the order in which they were handed in.
                let span = self.millis(20).max(time::since(self.synced_by, self.now));
                self.synced_by = time::after(self.now, span);
                self.later(span, Coming::Synced { life: self.life });
            }
            Command::Call { ticket, account, call, .. } => self.call(ticket, &account, call),
            Command::Gather { ticket, items, .. } => {
                let bytes: Arc<[u8]> = scenario::dot().into();
                let media = |item: cadenced::domain::MediaItem| Media {
                    item,
                    mime: "image/png".into(),
                    size: Some((1, 1)),
                    bytes: bytes.clone(),
                };
                let result = if self.now < self.faults_end && self.chance.permille(self.weather.edits) {
                    Err(ShelfError::Unreadable { file: "dot.png".into(), why: "gone for a moment".into() })
                } else {
                    Ok(items.into_iter().map(media).collect())
                };
                let (life, span) = (self.life, self.millis(10));
                self.later(span, Coming::Told { life, event: Event::Gathered { ticket, result } });
            }
            Command::Log(event) => {
                self.say(|| format!("{} {}", event.name(), serde_json::to_string(&event).unwrap()));
                if event.name() == "delivery.reconciled" {
                    self.report.reconciled += 1;
                }
                if event.level() == Level::Error {
                    self.oracle.error(&event)?;
                }
            }
            Command::Halt { why } => return Err(format!("the engine halts: {why}")),
        }
        Ok(())
    }

    fn synced(&mut self) -> Result<(), String> {
        let Some((ticket, records, room)) = self.unsynced.pop_front() else { return Ok(()) };
        let calm = self.now >= self.faults_end;
        let error = if self.now < self.full_until && room == Room::Free {
            Some(CommitError::NoRoom("no space left".into()))
        } else if !calm && self.chance.permille(self.weather.disk) {
            Some(CommitError::Io("the disk said no".into()))
        } else {
            None
        };
        if let Some(error) = error {
            self.report.disk_faults += 1;
            return self.tell(Event::Committed { ticket, result: Err(error) });
        }
        let said = records.iter().filter(|record| matches!(record.fact, Fact::ClockSet { .. })).count();
        self.jump_unsaid = self.jump_unsaid.saturating_sub(said);
        self.keep(records);
        self.tell(Event::Committed { ticket, result: Ok(()) })
    }

    /// These records are durable.
    fn keep(&mut self, records: Vec<Record>) {
        self.oracle.durable(&records);
        for record in &records {
            arrows::take(&mut self.folded, record, &mut self.report.arrows);
        }
        self.durable.extend(records);
    }

    fn call(&mut self, ticket: Ticket, account: &AccountId, call: Call) {
        self.report.calls += 1;
        let plan = self.scenario.accounts.iter().find(|plan| plan.id == account.as_str());
        let twin = plan.expect("a call of an account that there is").twin;
        let (life, durable) = (self.life, self.oracle.durable_records());
        let weather = if self.now >= self.faults_end { Weather::calm() } else { self.weather.clone() };
        let told = |result| Coming::Told { life, event: Event::Replied { ticket, result } };
        let timeout = Duration::from_secs(60);
        let gone = || {
            if self.sabotage == Some(Sabotage::TimeoutIsFailure) {
                Failure::NeverLeft("timed out".into())
            } else {
                Failure::MayHaveArrived("timed out".into())
            }
        };
        let gone = gone();
        if self.chance.permille(weather.never_left) {
            let span = self.millis(10_000);
            self.later(span, told(Err(Failure::NeverLeft("connection refused".into()))));
        } else if self.chance.permille(weather.lost_request) {
            self.later(timeout, told(Err(gone)));
        } else if self.chance.permille(weather.late_effect) {
            self.report.late_effects += 1;
            let late = Duration::from_secs(self.chance.below(LATEST.as_secs()));
            self.later(late, Coming::Arrives { twin, call, reply: None, durable });
            self.later(timeout, told(Err(gone)));
        } else if self.chance.permille(weather.lost_reply) {
            self.report.lost_replies += 1;
            let span = self.millis(2000);
            self.later(span, Coming::Arrives { twin, call, reply: None, durable });
            let error = self.broken_reply(gone);
            let span = span + self.millis(3000);
            self.later(span, told(error));
        } else if self.chance.permille(weather.server_error + weather.garbage) {
            let span = self.millis(2000);
            let error = self.broken_reply(gone);
            self.later(span, told(error));
        } else {
            let span = self.millis(3000);
            self.later(span, Coming::Arrives { twin, call, reply: Some((life, ticket)), durable });
        }
    }

    /// What comes back instead of the true reply.
    fn broken_reply(&mut self, gone: Failure) -> Result<Reply, Failure> {
        let html = |status| {
            Ok(Reply::Http(HttpReply {
                status,
                headers: vec![("content-type".into(), "text/html".into())],
                body: b"<html><h1>Something went wrong</h1>".to_vec(),
                cut: false,
            }))
        };
        match self.chance.below(7) {
            0 => html(500),
            1 => html(502),
            2 => html(200),
            3 => html(504),
            4 => Ok(Reply::Http(HttpReply { status: 200, headers: vec![], body: b"{\"id\":".to_vec(), cut: true })),
            _ => Err(gone),
        }
    }

    fn arrive(&mut self, twin: usize, call: &Call, reply: Option<(u64, Ticket)>, durable: usize) -> Result<(), String> {
        let answer = self.twins[twin].answer(call, self.now);
        self.say(|| format!("arrives {} -> {}", call_text(call), reply_text(&answer)));
        self.oracle.published(twin, &*self.twins[twin], durable)?;
        if let Some((life, ticket)) = reply {
            let span = self.millis(1000);
            self.later(span, Coming::Told { life, event: Event::Replied { ticket, result: Ok(answer) } });
        }
        Ok(())
    }

    fn trouble(&mut self) -> Result<(), String> {
        if self.now >= self.faults_end {
            for twin in &mut self.twins {
                twin.set_revoked(false);
            }
            self.ahead = 0;
            self.tell(Event::Chore(Chore::Accounts))?;
            self.later(Duration::from_secs(3600), Coming::Trouble);
            return self.tell(Event::Room);
        }
        let span = Duration::from_secs(60 + self.chance.below(3600));
        self.later(span, Coming::Trouble);
        let twin = self.chance.below(self.twins.len() as u64) as usize;
        if self.chance.permille(self.weather.throttle * 5) {
            let until = time::after(self.now, Duration::from_secs(self.chance.below(3600)));
            self.twins[twin].throttle(until);
        }
        if self.chance.permille(self.weather.expire * 5) {
            self.twins[twin].expire_tokens();
        }
        if self.chance.permille(self.weather.revoke * 5) {
            self.twins[twin].set_revoked(true);
            self.oracle.expects("account.auth_lost");
        } else if self.chance.permille(300) {
            self.twins[twin].set_revoked(false);
        }
        if self.chance.permille(self.weather.disk * 3) {
            self.full_until = time::after(self.now, Duration::from_secs(self.chance.below(7200)));
        } else if self.now >= self.full_until {
            self.tell(Event::Room)?;
        }
        if self.chance.permille(500) {
            let chore = if self.chance.permille(980) { Chore::Accounts } else { Chore::Runway };
            self.tell(Event::Chore(chore))?;
        }
        if self.weather.clock_jumps && self.chance.permille(15) && self.engine.is_some() {
            self.jump()?;
        }
        if self.chance.permille(self.weather.edits * 4) {
            // What was decided before the edit is on its way before it: the oracle judges an intent by the queue it
            // was made from. (An intent that an edit overtakes is given up unsent; `tests/engine.rs` shows it.)
            self.carry_out()?;
            self.edit()?;
        }
        if self.chance.permille(self.weather.crash * 2) && self.engine.is_some() {
            self.crash();
        }
        Ok(())
    }

    fn jump(&mut self) -> Result<(), String> {
        let before = self.ahead;
        self.ahead = *self.chance.pick(&[0, -86_400, 7 * 86_400, 3600, -600]);
        let seconds = self.ahead - before;
        if seconds != 0 {
            self.report.clock_jumps += 1;
            self.oracle.clock_was_set();
            self.say(|| format!("the clock is set by {seconds} s"));
            if seconds > 0 {
                self.jump_unsaid = self.scenario.accounts.len();
            }
            self.tell(Event::ClockJumped { seconds })?;
        }
        Ok(())
    }

    /// Somebody edits the queue.
    fn edit(&mut self) -> Result<(), String> {
        self.report.edits += 1;
        let names: Vec<Arc<str>> = self.files.keys().cloned().collect();
        if names.is_empty() {
            return Ok(());
        }
        let file = self.chance.pick(&names).clone();
        let mut plans = self.files[&file].clone();
        let place = self.chance.below(plans.len() as u64 + 1) as usize;
        match self.chance.below(6) {
            // A new post, somewhere in the file.
            0 | 1 => {
                self.posts_made += 1;
                let post = scenario::post(&mut self.chance, self.posts_made, self.now, &self.scenario.accounts);
                plans.insert(place, post);
            }
            2 if place < plans.len() => {
                self.removed.push(plans.remove(place));
            }
            // Another text, approved anew or not.
            3 if place < plans.len() => {
                let approved = self.chance.permille(500);
                plans[place].change(approved);
            }
            4 => plans.reverse(),
            5 if !self.removed.is_empty() => {
                let back = self.chance.below(self.removed.len() as u64) as usize;
                plans.insert(place, self.removed.swap_remove(back));
            }
            _ if place < plans.len() => plans[place].approved = !plans[place].approved,
            _ => {}
        }
        self.files.insert(file.clone(), plans.clone());
        let posts = scenario::read(&file, &plans);
        self.tell(Event::Inbox(Inbox::File { file, posts: Some(posts), faults: Vec::new() }))
    }

    /// A person decides what only a person can, looking at the platform.
    fn operator(&mut self) -> Result<(), String> {
        let span = Duration::from_secs(3600 + self.chance.below(40_000));
        self.later(span, Coming::Operator);
        let wall = self.wall();
        let Some(engine) = &mut self.engine else { return Ok(()) };
        let mut open: BTreeMap<DeliveryId, bool> = BTreeMap::new();
        for (id, account) in engine.view().accounts() {
            for (post, entry) in account.deliveries() {
                let unsure = matches!(entry.state, State::Uncertain { .. });
                if unsure || matches!(entry.state, State::Refused { .. } | State::Missed) {
                    open.insert(DeliveryId::new(PostId::clone(post), id.clone()), unsure);
                }
            }
        }
        for (delivery, unsure) in open {
            // What is plainly over is mostly left at that. Whom a person asks to send is not held to the share.
            let plain = engine.post(&delivery.post).is_some_and(|post| post.goal != Goal::Promotion);
            if !(unsure || plain && self.chance.permille(60)) {
                continue;
            }
            // A person waits until everything that was under way must have come to rest.
            let since = engine.view().entry(&delivery).and_then(|entry| entry.sent.as_ref()).and_then(|sent| sent.to);
            if since.is_some_and(|since| time::since(wall, since) < LATEST) {
                continue;
            }
            let there = self.oracle.parts_of(&delivery);
            let decision = match there {
                0 => match self.chance.below(4) {
                    0 => Decision::Drop,
                    1 if !unsure => Decision::Delivered { url: BY_HAND.into() },
                    _ => Decision::Retry,
                },
                _ => Decision::Delivered { url: "https://example.org/seen".into() },
            };
            let _ = engine.resolve(&delivery, decision, "a person", wall);
        }
        Ok(())
    }
}
