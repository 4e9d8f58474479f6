//! The loop around the engine.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::control::protocol::{
    Answer, Attention, AttentionKind, DaemonReport, Decision, ErrorKind, Problem, Question, Resolved,
    Stage as StateName,
};
use crate::domain::{AccountId, Digest, Gain, Timestamp, time};
use crate::engage::Fact;
use crate::engage::store::People;
use crate::engine::{Command, Engine, Event, ResolveError, Ticket, TokensError, Unknown};
use crate::ledger::store::{CommitError, Ledger};
use crate::parts::{Caller, Clock, Shelf};
use crate::telemetry::events::Event as LogEvent;

/// The wall clock is read again at least this often: timers stand still while the machine is suspended.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(15);
/// How often a full store is asked whether there is room again.
const LOOK_FOR_ROOM: Duration = Duration::from_secs(5);
/// Wall clock and passing time may differ by this much between two looks before it is called a jump.
const JUMP: Duration = Duration::from_secs(60);
/// How often it is said where everything stands: not more often, and so seldom that it costs a thousandth of the time.
const SAY: Duration = Duration::from_secs(60);
const SAY_SHARE: u32 = 1000;
/// A batch that the ledger has said nothing about for so long is told: without its word nothing is begun. More is not done:
/// another start would meet the same disk, and lose what platforms have answered and the disk has not taken.
const SILENT: Duration = Duration::from_secs(30);
/// Only a second wish to stop that comes so long after the first is one of its own: who passes signals on may send it twice.
const AGAIN: Duration = Duration::from_secs(1);
const SILENCE: &str = "the disk of the store has not answered";
/// Most events that are taken before their commands are carried out.
const AT_ONCE: usize = 256;

/// Prints a line of the log.
pub type Log = Box<dyn FnMut(Timestamp, &LogEvent) + Send>;

/// The world.
pub struct Parts {
    pub clock: Arc<dyn Clock>,
    pub caller: Arc<dyn Caller>,
    pub shelf: Arc<dyn Shelf>,
    pub ledger: Arc<dyn Ledger>,
    /// `None`: nothing is recorded about people.
    pub people: Option<Arc<dyn People>>,
    pub log: Log,
    /// Told of readiness, of each turn of the loop, and of stopping.
    pub manager: Box<dyn FnMut(Stage<'_>) + Send>,
    /// Whether anybody reads where everything stands: finding out looks a year ahead.
    pub is_watched: bool,
}

/// What the service manager is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage<'s> {
    /// The start takes its time, and something has come of it since this was said last.
    Starting,
    Ready,
    /// The loop turned: the daemon is alive.
    Alive,
    Stopping,
    /// Where everything stands, in one line.
    Says(&'s str),
}

/// What reaches the loop from outside.
pub enum Input {
    Event(Event),
    /// A question of the command line, and where its answer goes.
    Ask {
        question: Question,
        answer: oneshot::Sender<Answer>,
    },
    /// Stop in good order; the reason is logged.
    Stop(&'static str),
}

/// Puts things into the loop, from any thread.
#[derive(Clone)]
pub struct Handle(mpsc::UnboundedSender<Input>);

impl Handle {
    /// A handle and the other end, for [`run`].
    pub fn new() -> (Self, mpsc::UnboundedReceiver<Input>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    /// Does nothing when the loop has ended.
    pub fn send(&self, input: Input) {
        let _ = self.0.send(input);
    }

    pub fn event(&self, event: Event) {
        self.send(Input::Event(event));
    }
}

/// How the loop is to end.
#[derive(Debug, Clone, Copy)]
pub struct Until {
    /// End when nothing is sending, retrying or scheduled any more.
    pub idle: bool,
    /// How long a stop waits for what is in flight.
    pub stop_timeout: Duration,
}

/// How the loop ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Nothing is left to do.
    Idle,
    /// It was asked to stop.
    Stopped,
    /// The ledger cannot be used any more.
    LedgerBroken(String),
}

/// Runs until it is to end.
pub async fn run(
    mut engine: Engine,
    mut parts: Parts,
    handle: Handle,
    mut inputs: mpsc::UnboundedReceiver<Input>,
    until: Until,
    report: DaemonReport,
) -> Ended {
    let mut driver = Driver {
        asked: Vec::new(),
        report,
        ready: false,
        stopping: None,
        broken: None,
        asked_to_stop: parts.clock.boot(),
        commits: Owed::default(),
        silent_since: None,
    };
    let started = parts.clock.boot();
    let mut looked = Looked { wall: parts.clock.now(), boot: started };
    let mut room_asked = started;
    let mut say_at = started;
    loop {
        driver.carry_out(&mut engine, &mut parts, &handle);
        if let Some(why) = driver.broken.take() {
            let now = parts.clock.now();
            (parts.log)(now, &LogEvent::StoreFailed { why: why.clone() });
            (parts.log)(now, &LogEvent::DaemonStopped { in_flight: engine.in_flight() });
            return Ended::LedgerBroken(why);
        }
        if !driver.ready && engine.is_started() && driver.stopping.is_none() {
            driver.ready = true;
            let ready_ms = u64::try_from((parts.clock.boot() - started).as_millis()).unwrap_or(u64::MAX);
            let (accounts, posts) = (engine.accounts().count(), engine.posts().count());
            (parts.log)(parts.clock.now(), &LogEvent::DaemonReady { accounts, posts, ready_ms });
            (parts.manager)(Stage::Ready);
        }
        if let Some(deadline) = driver.stopping {
            if engine.in_flight() == 0 || parts.clock.boot() >= deadline {
                let in_flight = engine.in_flight();
                (parts.log)(parts.clock.now(), &LogEvent::DaemonStopped { in_flight });
                return Ended::Stopped;
            }
        } else if until.idle && engine.is_idle() && !engine.say_all_held_back(parts.clock.now()) {
            for (account, deliveries, reason) in engine.unfinished() {
                let reason = reason.into();
                (parts.log)(parts.clock.now(), &LogEvent::DaemonUnfinished { account, deliveries, reason });
            }
            (parts.log)(parts.clock.now(), &LogEvent::DaemonStopped { in_flight: 0 });
            return Ended::Idle;
        }
        let boot = parts.clock.boot();
        let silence = driver.silence(&mut parts);
        (parts.manager)(Stage::Alive);
        if parts.is_watched && driver.ready && driver.stopping.is_none() && boot >= say_at {
            (parts.manager)(Stage::Says(&engine.headline(parts.clock.now())));
            say_at = boot + SAY.max((parts.clock.boot() - boot) * SAY_SHARE);
        }

        let mut wait = LOOK_AT_CLOCK;
        if let Some(at) = engine.poll_timeout() {
            wait = wait.min(time::since(at, parts.clock.now()));
        }
        if engine.is_full() {
            wait = wait.min(LOOK_FOR_ROOM);
        }
        if let Some(deadline) = driver.stopping {
            wait = wait.min(deadline.saturating_sub(parts.clock.boot()));
        }
        let slept = parts.clock.boot();
        let first = tokio::time::timeout(wait, inputs.recv()).await;
        driver.forgive(parts.clock.boot().saturating_sub(slept));
        let now = parts.clock.now();
        if let Some(seconds) = looked.jump(now, parts.clock.boot()) {
            engine.handle(Event::ClockJumped { seconds }, now);
        }
        match first {
            Ok(Some(input)) => {
                let goes_on = matches!(&input, Input::Event(Event::Inbox(_) | Event::Committed { .. }));
                if goes_on && !driver.ready && driver.stopping.is_none() && silence < SILENT {
                    (parts.manager)(Stage::Starting);
                }
                driver.take(&mut engine, &mut parts, input, until, now);
                for _ in 1..AT_ONCE {
                    let Ok(input) = inputs.try_recv() else { break };
                    driver.take(&mut engine, &mut parts, input, until, now);
                }
            }
            Ok(None) | Err(_) => engine.handle(Event::Tick, now),
        }
        if engine.is_full() && parts.clock.boot().saturating_sub(room_asked) >= LOOK_FOR_ROOM {
            room_asked = parts.clock.boot();
            if parts.ledger.has_room() {
                engine.handle(Event::Room, parts.clock.now());
            }
        }
    }
}

/// When the clocks were looked at last.
struct Looked {
    wall: Timestamp,
    boot: Duration,
}

impl Looked {
    /// By how many seconds the wall clock was set since the last look, if that is worth saying.
    fn jump(&mut self, wall: Timestamp, boot: Duration) -> Option<i64> {
        let passed = boot.saturating_sub(self.boot).as_millis() as i64;
        let went = wall.as_millisecond() - self.wall.as_millisecond();
        *self = Self { wall, boot };
        let set = went - passed;
        (set.unsigned_abs() > JUMP.as_millis() as u64).then_some(set / 1000)
    }
}

/// What a person has given, on its way into the ledger, and who waits for that.
struct Asked {
    ticket: Ticket,
    what: What,
    answer: oneshot::Sender<Answer>,
}

enum What {
    Resolved(Resolved),
    Kept(AccountId),
    Remembered,
    Gained,
}

/// Since when the ledger owes an answer about each batch, on the clock of passing time.
type Owed = Arc<Mutex<BTreeMap<Ticket, Duration>>>;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Driver {
    asked: Vec<Asked>,
    report: DaemonReport,
    ready: bool,
    /// When a stop no longer waits, on the clock of passing time.
    stopping: Option<Duration>,
    broken: Option<String>,
    /// When it was asked to, on the same clock.
    asked_to_stop: Duration,
    commits: Owed,
    /// Since when the ledger has been silent, where that was told.
    silent_since: Option<Duration>,
}

impl Driver {
    fn take(&mut self, engine: &mut Engine, parts: &mut Parts, input: Input, until: Until, now: Timestamp) {
        match input {
            Input::Event(event) => engine.handle(event, now),
            Input::Stop(reason) => {
                let boot = parts.clock.boot();
                if self.stopping.is_some() {
                    // Asked again, it waits no longer. What is in flight is looked for at the next start.
                    if boot.saturating_sub(self.asked_to_stop) >= AGAIN {
                        self.stopping = Some(boot);
                    }
                } else {
                    self.asked_to_stop = boot;
                    self.stopping = Some(boot + until.stop_timeout);
                    (parts.manager)(Stage::Stopping);
                    let in_flight = engine.in_flight();
                    (parts.log)(now, &LogEvent::DaemonStopping { reason: reason.into(), in_flight });
                    engine.handle(Event::Stop, now);
                }
            }
            Input::Ask { question, answer } => {
                let silence = self.silence(parts);
                self.ask(engine, question, answer, silence, now);
            }
        }
    }

    /// So long nobody here was running. Where that is longer than anybody waits, the machine slept, and so did the disk.
    fn forgive(&mut self, slept: Duration) {
        if slept >= 2 * LOOK_AT_CLOCK {
            lock(&self.commits).values_mut().for_each(|since| *since += slept);
        }
    }

    /// How long the ledger has not said a word about its oldest batch. A silence is told once, and its end.
    fn silence(&mut self, parts: &mut Parts) -> Duration {
        let boot = parts.clock.boot();
        let since = lock(&self.commits).values().next().copied();
        let silence = since.map_or(Duration::ZERO, |since| boot.saturating_sub(since));
        match (self.silent_since, since) {
            (None, Some(since)) if silence >= SILENT => {
                let why = format!("{SILENCE} for {} s; nothing is sent until it does", silence.as_secs());
                (parts.log)(parts.clock.now(), &LogEvent::StoreFailed { why });
                self.silent_since = Some(since);
            }
            (Some(silent), _) if silence < SILENT => {
                let waited_s = boot.saturating_sub(silent).as_secs();
                (parts.log)(parts.clock.now(), &LogEvent::StoreAnswers { waited_s });
                self.silent_since = None;
            }
            _ => {}
        }
        silence
    }

    fn ask(
        &mut self,
        engine: &mut Engine,
        question: Question,
        answer: oneshot::Sender<Answer>,
        silence: Duration,
        now: Timestamp,
    ) {
        let silent = (silence >= SILENT).then(|| Attention {
            kind: AttentionKind::Store,
            delivery: None,
            account: None,
            reason: format!("{SILENCE} for {} s", silence.as_secs()),
            hint: Some("look at the disk; nothing is sent until it answers".into()),
        });
        let reply = match question {
            Question::Ping => Answer::Pong(self.report.clone()),
            // Who has them has spent others for them: they are taken as soon as there is a store.
            Question::Auth { account, origin: Some(origin), .. } if !engine.asks_by(&account, &origin) => {
                let hint = "reload the daemon, then log in again".to_owned();
                let what = format!("the daemon has another configuration of {account} than the login was made with");
                problem(ErrorKind::WrongState, &what, Some(hint))
            }
            Question::Auth { account, tokens, .. } => match engine.keep_tokens(&account, &tokens.0, now) {
                Ok(ticket) => {
                    self.asked.push(Asked { ticket, what: What::Kept(account), answer });
                    return;
                }
                Err(error) => not_kept(&error),
            },
            Question::Settle { account, .. } if !engine.has_account(&account) => {
                problem(ErrorKind::Unknown, &format!("there is no account {account}"), None)
            }
            Question::Settle { account, ids, by } => {
                return self.settle(engine, Fact::Settled { account, ids, by }, answer, now);
            }
            Question::Forget { person } => {
                let person = Digest::of(person.as_str().as_bytes());
                return self.settle(engine, Fact::Forgotten { person }, answer, now);
            }
            // Whoever only looks sees that it is not ready.
            Question::Overview => {
                let mut overview = engine.overview(self.report.clone(), now);
                overview.stopping = self.stopping.is_some();
                overview.silent = silent.is_some();
                if let Some(silent) = silent {
                    *overview.attention_by_kind.entry(silent.kind).or_default() += 1;
                    overview.attention.first.insert(0, silent);
                }
                Answer::Overview(Box::new(overview))
            }
            _ if !engine.is_read() => {
                let hint = "ask again when the queue has been read".to_owned();
                problem(ErrorKind::NotReady, "the daemon is still reading the queue", Some(hint))
            }
            Question::Status { which } => {
                let mut status = engine.status(which.as_ref(), self.report.clone(), now);
                status.attention.splice(0..0, silent);
                match which.filter(|_| status.deliveries.is_empty()) {
                    Some(which) => Answer::Error(which.nowhere()),
                    None => Answer::Status(Box::new(status)),
                }
            }
            Question::Plan { days } => {
                let until = time::after(now, Duration::from_secs(u64::from(days) * 86_400));
                Answer::Plan(engine.plan(now, until))
            }
            Question::Resolve { delivery, decision, by } => {
                let before = engine.view().entry(&delivery).map(|entry| StateName::from(&entry.state));
                match (engine.resolve(&delivery, recorded(&decision), &by, now), before) {
                    (Ok(ticket), Some(before)) => {
                        let resolved = Resolved { delivery, decision, by, before, after: before };
                        self.asked.push(Asked { ticket, what: What::Resolved(resolved), answer });
                        return;
                    }
                    (Err(error), _) => refused(&error),
                    (Ok(_), None) => problem(ErrorKind::Unknown, "there is no such delivery", None),
                }
            }
            Question::Gain { gains, .. } if !gains.iter().all(Gain::is_sound) => {
                problem(ErrorKind::Garbled, "an outcome has no key, or one or a note that is too long", None)
            }
            Question::Gain { gains, unknown_posts } => {
                let unknown = if unknown_posts { Unknown::Keep } else { Unknown::Refuse };
                match engine.gain(gains, unknown, now) {
                    Ok(ticket) => {
                        self.asked.push(Asked { ticket, what: What::Gained, answer });
                        return;
                    }
                    Err(error) => problem(ErrorKind::WrongState, &error.to_string(), None),
                }
            }
        };
        // Who asked may have gone; then nobody misses the answer.
        let _ = answer.send(reply);
    }

    fn settle(&mut self, engine: &mut Engine, fact: Fact, answer: oneshot::Sender<Answer>, now: Timestamp) {
        match engine.settle(vec![fact], now) {
            Ok(ticket) => self.asked.push(Asked { ticket, what: What::Remembered, answer }),
            Err(why) => drop(answer.send(problem(ErrorKind::WrongState, why, None))),
        }
    }

    fn carry_out(&mut self, engine: &mut Engine, parts: &mut Parts, handle: &Handle) {
        while let Some(command) = engine.next_command() {
            match command {
                Command::Commit { ticket, records, room } => {
                    let handle = handle.clone();
                    lock(&self.commits).insert(ticket, parts.clock.boot());
                    let commits = self.commits.clone();
                    let done = Box::new(move |result| {
                        lock(&commits).remove(&ticket);
                        handle.event(Event::Committed { ticket, result });
                    });
                    parts.ledger.submit(records, room, done);
                }
                Command::Call { ticket, call, timeout, .. } => {
                    let handle = handle.clone();
                    let done = Box::new(move |result| handle.event(Event::Replied { ticket, result }));
                    parts.caller.call(call, timeout, done);
                }
                Command::Gather { ticket, queue_file, items } => {
                    let handle = handle.clone();
                    let done = Box::new(move |result| handle.event(Event::Gathered { ticket, result }));
                    parts.shelf.gather(queue_file, items, done);
                }
                Command::Vouch { ticket, claim } => {
                    let handle = handle.clone();
                    let done = Box::new(move |result| handle.event(Event::Vouched { ticket, result }));
                    parts.shelf.vouch(claim, done);
                }
                Command::Remember { ticket, records } => {
                    let handle = handle.clone();
                    let done = Box::new(move |result| handle.event(Event::Remembered { ticket, result }));
                    match &parts.people {
                        Some(people) => people.submit(records, done),
                        None => done(Err(CommitError::Broken("nothing is recorded about people here".into()))),
                    }
                }
                Command::Log(event) => (parts.log)(parts.clock.now(), &event),
                Command::Halt { why } => self.broken = Some(why),
            }
        }
        while let Some((ticket, result)) = engine.next_resolved() {
            let Some(place) = self.asked.iter().position(|asked| asked.ticket == ticket) else { continue };
            let Asked { what, answer, .. } = self.asked.swap_remove(place);
            let _ = answer.send(match (what, result) {
                (What::Resolved(mut resolved), Ok(())) => {
                    let entry = engine.view().entry(&resolved.delivery);
                    resolved.after = entry.map_or(resolved.before, |entry| StateName::from(&entry.state));
                    Answer::Resolved(resolved)
                }
                (What::Resolved(_), Err(error)) => refused(&ResolveError::Commit(error)),
                (What::Remembered, Ok(())) => Answer::Remembered,
                (What::Remembered, Err(error)) => problem(ErrorKind::Store, &error.to_string(), None),
                (What::Kept(account), Ok(())) => Answer::Kept(account),
                (What::Kept(_), Err(error)) => not_kept(&TokensError::Commit(error)),
                // What became of outcomes is told below.
                (What::Gained, _) => continue,
            });
        }
        while let Some((ticket, result)) = engine.next_gained() {
            let Some(place) = self.asked.iter().position(|asked| asked.ticket == ticket) else { continue };
            let _ = self.asked.swap_remove(place).answer.send(match result {
                Ok(taken) => Answer::Gained(taken),
                Err(error) => problem(ErrorKind::Store, &format!("the outcomes could not be recorded: {error}"), None),
            });
        }
    }
}

/// The decision as the ledger keeps it.
pub fn recorded(decision: &Decision) -> crate::ledger::record::Decision {
    match decision {
        Decision::Delivered { url } => crate::ledger::record::Decision::Delivered { url: url.clone() },
        Decision::Retry => crate::ledger::record::Decision::Retry,
        Decision::Drop => crate::ledger::record::Decision::Drop,
    }
}

fn problem(kind: ErrorKind, message: &str, hint: Option<String>) -> Answer {
    Answer::Error(Problem { kind, message: message.into(), hint })
}

fn not_kept(error: &TokensError) -> Answer {
    let kind = match error {
        TokensError::Unknown(_) => ErrorKind::Unknown,
        TokensError::Busy(_) | TokensError::DryRun => ErrorKind::WrongState,
        TokensError::NoKey | TokensError::Sealing(_) | TokensError::Commit(_) => ErrorKind::Store,
    };
    problem(kind, &error.to_string(), None)
}

fn refused(error: &ResolveError) -> Answer {
    let (kind, hint) = match error {
        ResolveError::Unknown(_) => (ErrorKind::Unknown, Some("cadenced status lists all deliveries".to_owned())),
        ResolveError::Expired { .. } => (
            ErrorKind::WrongState,
            Some(
                "give the post another `expires` and approve it again, or decide with --drop or --delivered".to_owned(),
            ),
        ),
        ResolveError::NotOpen { .. } | ResolveError::Busy(_) => (ErrorKind::WrongState, None),
        ResolveError::Commit(_) => (ErrorKind::Store, None),
    };
    problem(kind, &error.to_string(), hint)
}
