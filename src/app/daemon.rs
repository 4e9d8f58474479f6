//! Puts the parts together and runs the daemon.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::{Builder, Handle as Runtime};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::cli::args::RunArgs;
use crate::cli::exit::{Exit, Failure, Kind};
use crate::config::{LogFormat, Settings, changes};
use crate::control::protocol::DaemonReport;
use crate::daemon::{self, Ended, Handle, Input, Parts, Stage, Until};
use crate::domain::path::shown;
use crate::domain::{DeliveryId, Fault, time};
use crate::edge::caller::{Dispatcher, Files};
use crate::edge::chores::{Chore as Timed, Chores};
use crate::edge::clock::SystemClock;
use crate::edge::control as socket;
use crate::edge::http::Http;
use crate::edge::inbox::{Watch, Watcher};
use crate::edge::manager::Manager;
use crate::edge::media::MediaShelf;
use crate::edge::people::PeopleStore;
use crate::edge::relay::Relays;
use crate::edge::signals::{self, Wish};
use crate::edge::signatures::SignersPath;
use crate::edge::store::{self, OpenError, Progress, Store};
use crate::edge::{files, manager, secrets};
use crate::engine::{Chore, Engine, Event, Mode};
use crate::ledger::store::{CommitError, Figures, Ledger, ReadError, Room};
use crate::ledger::{Fact, Record};
use crate::parts::{Caller, Clock};
use crate::telemetry::events::{self, Event as LogEvent};
use crate::telemetry::setup::Format;
use crate::telemetry::setup::{self, Printer};

use super::control::{self, Answers, Doorkeeper};
use super::desk::{reader, store_refused};
use super::load::{self, Loaded};
use super::{digest, people};

/// Threads for HTTP beside the one that thinks.
const WORKERS: usize = 2;

/// How many seconds somebody who holds the store for a moment is waited for. A check of a large store takes minutes.
const HELD_TRIES: u32 = 600;
/// How long the end waits for the store to write what is left and to close.
const CLOSING: Duration = Duration::from_secs(5);

/// Most keys that a line about a reload names.
const CHANGES: usize = 40;

/// Runs the daemon until it is told to stop, or is idle.
///
/// # Errors
/// Exit code 77 for the store, 78 for the configuration.
pub fn run(config: &Path, args: RunArgs) -> Result<Exit, Failure> {
    let clock = SystemClock;
    let loaded = load::load(config)?;
    let setups = load::armed(&loaded).map_err(|faults| secrets_missing(&faults))?;
    let token = load::control_token(&loaded).map_err(|fault| secrets_missing(&[fault]))?;
    let printer = Arc::new(printer(&loaded.settings));
    setup::install_panic_hook(&printer);
    setup::listen(&printer);
    if let Err(error) = secrets::harden() {
        warn(&printer, "this process", &format!("core dumps could not be switched off: {error}"));
    }
    let file = shown(&loaded.settings.file);
    printer.emit(&LogEvent::DaemonStarted {
        version: env!("CARGO_PKG_VERSION").into(),
        pid: std::process::id(),
        config: file.clone(),
    });
    config_loaded(&printer, &loaded);

    let internal =
        |what: &str, error: &dyn std::fmt::Display| Failure::new(Kind::Internal, format!("failed to {what}: {error}"));
    let runtime = Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .map_err(|error| internal("start the runtime", &error))?;
    let (handle, inputs) = Handle::new();
    let (reload, reloads) = std::sync::mpsc::channel();
    let wishes = handle.clone();
    signals::listen(runtime.handle(), move |wish| match wish {
        Wish::Stop(signal) => wishes.send(Input::Stop(signal)),
        Wish::Reload => drop(reload.send(())),
    })
    .map_err(|error| internal("listen to signals", &error))?;

    let manager: Arc<dyn Manager> = manager::find().into();
    let mut inputs = inputs;
    let opening = clock.boot();
    let open = || {
        store::open(&loaded.settings.store, &store::Options::default(), &mut |progress| {
            manager.starting();
            tell(&printer, progress);
        })
    };
    let opened = match free(&loaded, open, runtime.handle(), &mut inputs, (&printer, &*manager)) {
        Some(opened) => opened,
        // It was told to stop before it had begun.
        None => return Ok(Exit::Done),
    };
    let (store, view, opened) = opened.map_err(|error| {
        printer.emit(&LogEvent::StoreFailed { why: error.to_string() });
        store_refused(error)
    })?;
    let open_ms = u64::try_from((clock.boot() - opening).as_millis()).unwrap_or(u64::MAX);
    let path = shown(&loaded.settings.store);
    printer.emit(&LogEvent::StoreOpened { path, records: opened.records, open_ms });
    if opened.adopted {
        warn(&printer, "store", "the store was tied to no machine, and is to this one from now on");
    }
    if let Some(why) = &opened.without_index {
        printer.emit(&LogEvent::StoreFailed { why: format!("there is no index, look-ups are slow: {why}") });
    }

    let ledger: Arc<dyn Ledger> = if args.dry_run { Arc::new(Forgetful) } else { store.clone() };
    let mode = if args.dry_run { Mode::DryRun } else { Mode::Publish };
    let mut engine = Engine::new(opened.seed, view, mode);
    if !args.dry_run {
        opened_by(&ledger, &mut engine, &clock, args.confirm_clock);
    }
    let people = if args.dry_run { None } else { people::open(&loaded, &mut engine, &printer) };
    engine.handle(Event::Approvals(loaded.settings.queue.approval), clock.now());
    engine.handle(Event::Configured(setups), clock.now());

    let agent = concat!("cadenced/", env!("CARGO_PKG_VERSION"));
    let http = Http::new(agent, &[]).map_err(|error| internal("set up HTTP", &error))?;
    if let Some(why) = http.distrust() {
        warn(&printer, "certificate authorities", &format!("no https server will be trusted: {why}"));
    }
    let relays = Relays::new(agent, &[]).map_err(|error| internal("set up WebSocket", &error))?;
    let carry_out: Files = Arc::new(files::carry_out);
    let caller: Arc<dyn Caller> = Arc::new(Dispatcher::new(runtime.handle().clone(), http, relays, carry_out));
    let report =
        DaemonReport { running: true, pid: Some(std::process::id()), version: env!("CARGO_PKG_VERSION").into() };
    let doorkeeper = Arc::new(Doorkeeper::new(token, &loaded.settings));
    let held = (store.clone(), people.clone());
    let answers = Answers::new(runtime.handle().clone(), handle.clone(), held, doorkeeper.clone(), &loaded.settings);
    let _listening = control::listen(&loaded.settings, runtime.handle(), answers, &printer)?;
    let watch = Watch {
        queue: loaded.settings.queue.path.clone(),
        keep: (!args.dry_run).then(|| loaded.settings.store.join("queue")),
        reader: reader(&loaded),
    };
    let told = handle.clone();
    let watcher = Watcher::start(watch, move |message| told.event(Event::Inbox(message)))
        .map_err(|error| internal("watch the queue folder", &error))?;
    let watcher = Arc::new(watcher);
    let weekly = digest::chore(&loaded, caller.clone(), printer.clone());
    let _chores = chores(&loaded, runtime.handle(), &handle, (&store, people.as_ref()), weekly, &printer)
        .map_err(|error| Failure::new(Kind::ConfigRefused, error))?;
    let signers = SignersPath::default();
    signers.set(loaded.settings.queue.signers().map(Path::to_path_buf));
    let is_up = Arc::new(AtomicBool::new(false));
    let reloaded = Reloaded {
        handle: handle.clone(),
        watcher: watcher.clone(),
        doorkeeper,
        signers: signers.clone(),
        manager: manager.clone(),
        is_up: is_up.clone(),
    };
    follow_reloads(reloads, runtime.handle(), config.to_path_buf(), &loaded.settings, &printer, reloaded);

    let parts = Parts {
        is_watched: manager.is_there(),
        clock: Arc::new(clock),
        caller,
        shelf: Arc::new(MediaShelf::new(runtime.handle().clone(), loaded.settings.queue.path.clone(), signers)),
        ledger,
        people: people.clone().map(|people| people as _),
        log: {
            let printer = printer.clone();
            Box::new(move |at, event| printer.print(at, event))
        },
        manager: Box::new(move |stage| match stage {
            Stage::Starting => manager.starting(),
            Stage::Ready => {
                is_up.store(true, Ordering::SeqCst);
                manager.ready();
            }
            Stage::Alive => manager.alive(),
            Stage::Stopping => manager.stopping(),
            Stage::Says(line) => manager.status(line),
        }),
    };
    let until = Until { idle: args.until_idle, stop_timeout: loaded.settings.stop_timeout };
    let ended = runtime.block_on(daemon::run(engine, parts, handle, inputs, until, report));
    let closing = runtime.spawn_blocking(move || {
        if let Some(people) = people {
            people.close();
        }
        store.close();
    });
    if runtime.block_on(async { tokio::time::timeout(CLOSING, closing).await }).is_err() {
        // Which part of it was slow, and why, cannot be told from here.
        let why = format!(
            "the store could not be closed within {CLOSING:?} at the end, and is left as it is: what was recorded is kept, \
             what was not is not on record; the next start catches up and looks for what is in doubt"
        );
        printer.emit(&LogEvent::StoreFailed { why });
    }
    runtime.shutdown_timeout(Duration::from_millis(100));
    match ended {
        Ended::Idle | Ended::Stopped => Ok(Exit::Done),
        Ended::LedgerBroken(why) => Err(Failure::new(Kind::StoreRefused, why)
            .with_hint("look at the disk; nothing is lost that was recorded, and nothing is sent without a record")),
    }
}

/// Opens the store. Somebody who holds it only to look at it, or to record a person's word, is waited for; another daemon
/// is not. `None`: a signal came first.
fn free<T>(
    loaded: &Loaded,
    mut open: impl FnMut() -> Result<T, OpenError>,
    runtime: &Runtime,
    inputs: &mut UnboundedReceiver<Input>,
    (printer, manager): (&Printer, &dyn Manager),
) -> Option<Result<T, OpenError>> {
    let answers = || loaded.settings.control.socket.as_deref().is_some_and(socket::is_there);
    let mut tries = HELD_TRIES;
    loop {
        match open() {
            Err(error @ OpenError::Locked { pid, .. }) if tries > 0 && !pid.is_some_and(runs) && !answers() => {
                if tries == HELD_TRIES {
                    let minutes = HELD_TRIES / 60;
                    warn(printer, "store", &format!("{error}; it is waited for, {minutes} minutes at most"));
                }
                tries -= 1;
                manager.starting();
                let stop = async { tokio::time::timeout(Duration::from_secs(1), inputs.recv()).await };
                if let Ok(Some(Input::Stop(signal))) = runtime.block_on(stop) {
                    printer.emit(&LogEvent::DaemonStopping { reason: signal.into(), in_flight: 0 });
                    printer.emit(&LogEvent::DaemonStopped { in_flight: 0 });
                    return None;
                }
            }
            opened => return Some(opened),
        }
    }
}

/// Whether a process is `cadenced run`, as far as it may be seen.
fn runs(pid: u32) -> bool {
    let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    words.split(|byte| *byte == 0).any(|word| word == b"run")
}

fn secrets_missing(faults: &[Fault]) -> Failure {
    let all: Vec<String> = faults.iter().map(ToString::to_string).collect();
    Failure::new(Kind::ConfigRefused, all.join("; "))
        .with_hint("every secret that the configuration names must be there when the daemon starts")
}

fn printer(settings: &Settings) -> Printer {
    let format = settings.log.format.map(|format| match format {
        LogFormat::Json => Format::Json,
        LogFormat::Journald => Format::Journald,
        LogFormat::Pretty => Format::Pretty,
    });
    Printer::stdout(format, level(settings), Box::new(|| SystemClock.now()))
}

fn level(settings: &Settings) -> events::Level {
    use crate::config::settings::LogLevel;
    match settings.log.level {
        LogLevel::Error => events::Level::Error,
        LogLevel::Warn => events::Level::Warn,
        LogLevel::Info => events::Level::Info,
        LogLevel::Debug | LogLevel::Trace => events::Level::Debug,
    }
}

fn warn(printer: &Printer, place: &str, reason: &str) {
    printer.emit(&LogEvent::ConfigWarning { place: place.into(), reason: reason.into() });
}

fn config_loaded(printer: &Printer, loaded: &Loaded) {
    let file = shown(&loaded.settings.file);
    printer.emit(&LogEvent::ConfigLoaded { file, accounts: loaded.settings.accounts.len() });
    for warning in &loaded.warnings {
        warn(printer, &warning.place.to_string(), &warning.reason);
    }
}

fn tell(printer: &Printer, progress: Progress) {
    printer.emit(&match progress {
        Progress::Torn(torn) => LogEvent::StoreTornTail { segment: torn.segment, bytes: torn.bytes },
        Progress::Rebuilding { reason, done, total } => LogEvent::StoreRebuilding { reason, done, total },
    });
}

/// The first record of this run, and a confirmed clock if a person has confirmed it.
fn opened_by(ledger: &Arc<dyn Ledger>, engine: &mut Engine, clock: &SystemClock, confirm_clock: bool) {
    let program = concat!("cadenced ", env!("CARGO_PKG_VERSION")).to_owned();
    let now = clock.now();
    let behind = engine.view().clock_mark.is_some_and(|mark| now < time::before(mark, Duration::from_secs(2)));
    if confirm_clock && behind {
        let by = std::env::var("USER").unwrap_or_else(|_| "whoever started the daemon".into());
        engine.handle(Event::ClockConfirmed { by }, now);
    }
    // Whether it can be recorded shows with the first record that matters.
    ledger.submit(vec![Record::new(now, Fact::Opened { program })], Room::Free, Box::new(|_| {}));
}

fn chores(
    loaded: &Loaded,
    runtime: &Runtime,
    handle: &Handle,
    (store, people): (&Arc<Store>, Option<&Arc<PeopleStore>>),
    digest: Box<dyn Fn() + Send + Sync>,
    printer: &Arc<Printer>,
) -> Result<Chores, crate::edge::chores::ChoreError> {
    let settings = &loaded.settings;
    let event = |name, cron: &str, chore: Chore| {
        let handle = handle.clone();
        Timed { name, cron: cron.into(), run: Box::new(move || handle.event(Event::Chore(chore))) }
    };
    let (store, log) = (store.clone(), printer.clone());
    let upkeep = move || {
        let figures = store.figures();
        log.emit(&LogEvent::StoreUpkeep {
            records: figures.records,
            journal_bytes: figures.journal_bytes,
            index_bytes: figures.index_bytes,
        });
        if let Some(why) = store.index_trouble() {
            log.emit(&LogEvent::StoreFailed { why: format!("the index was given up until the next start: {why}") });
        }
    };
    let mut all = vec![
        event("runway", &settings.chores.runway, Chore::Runway),
        event("accounts", &settings.chores.accounts, Chore::Accounts),
        Timed { name: "upkeep", cron: settings.chores.upkeep.clone(), run: Box::new(upkeep) },
    ];
    if let Some(people) = people {
        all.push(event("sweep", &settings.chores.sweep, Chore::Sweep));
        let told = handle.clone();
        let tell = move |retention| told.event(Event::Trimmed(retention));
        let run = people::trim(people.clone(), people::retention(loaded), printer.clone(), tell);
        all.push(Timed { name: "retention", cron: settings.chores.retention.clone(), run });
    }
    all.push(Timed { name: "digest", cron: settings.chores.digest.clone(), run: digest });
    Chores::start(runtime, all)
}

/// Who is told of another configuration.
struct Reloaded {
    handle: Handle,
    watcher: Arc<Watcher>,
    doorkeeper: Arc<Doorkeeper>,
    signers: SignersPath,
    manager: Arc<dyn Manager>,
    /// Whether the start is over. Until then the end of a reload is not for the service manager, which would take it for that.
    is_up: Arc<AtomicBool>,
}

/// SIGHUP: the configuration is read again, off the runtime's own threads, and put into force when it can be used.
fn follow_reloads(
    reloads: std::sync::mpsc::Receiver<()>,
    runtime: &Runtime,
    config: PathBuf,
    running: &Settings,
    printer: &Arc<Printer>,
    reloaded: Reloaded,
) {
    let Reloaded { handle, watcher, doorkeeper, signers, manager, is_up } = reloaded;
    let printer = printer.clone();
    let (started_with, mut in_force) = (running.clone(), running.clone());
    runtime.spawn_blocking(move || {
        while reloads.recv().is_ok() {
            // Whatever comes of it, what runs goes on running.
            let _done = is_up.load(Ordering::SeqCst).then(|| {
                manager.reloading();
                Done(&*manager)
            });
            let file = shown(&config);
            let reject = |faults: &[Fault]| {
                let fault = faults.first().map(ToString::to_string).unwrap_or_default();
                manager.status(&format!("the changed configuration is refused: {fault}"));
                printer.emit(&LogEvent::ConfigRejected { file: file.clone(), faults: faults.len(), fault });
            };
            let loaded = match load::read(&config) {
                Ok(loaded) => loaded,
                Err(refusal) => {
                    reject(&refusal.faults);
                    continue;
                }
            };
            let token = load::control_token(&loaded).map_err(|fault| vec![fault]);
            let (setups, token) = match load::armed(&loaded).and_then(|setups| Ok((setups, token?))) {
                Ok(armed) => armed,
                Err(faults) => {
                    reject(&faults);
                    continue;
                }
            };
            let settings = &loaded.settings;
            let later = changes(&started_with, settings).later;
            if !later.is_empty() {
                warn(&printer, &file, &format!("in force after a restart only: {}", later.join(", ")));
            }
            printer.set_level(level(settings));
            config_loaded(&printer, &loaded);
            let changed = changes(&in_force, settings).keys;
            if !changed.is_empty() {
                printer.emit(&LogEvent::ConfigChanged { file: shown(&settings.file), changes: told(&changed) });
            }
            in_force = settings.clone();
            doorkeeper.reload(token, settings);
            // What counts as an approval comes before all that may begin something. Where signatures count no more, they can
            // be looked at for as long as somebody may ask.
            let path = settings.queue.signers().map(Path::to_path_buf);
            let no_more = path.is_none();
            if !no_more {
                signers.set(path);
            }
            handle.event(Event::Approvals(settings.queue.approval));
            handle.event(Event::Configured(setups));
            watcher.set_reader(reader(&loaded));
            watcher.rescan();
            if no_more {
                signers.set(None);
            }
        }
    });
}

/// Names of keys for one line of the log.
fn told(keys: &[String]) -> String {
    let more = keys.len().saturating_sub(CHANGES);
    let shown = keys.iter().take(CHANGES).map(String::as_str).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{shown}, and {more} more") } else { shown }
}

/// Ends a reload for the service manager, whatever came of it.
struct Done<'m>(&'m dyn Manager);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.ready();
    }
}

/// The ledger of a dry run: it takes everything and keeps nothing.
struct Forgetful;

impl Ledger for Forgetful {
    fn submit(&self, _: Vec<Record>, _: Room, done: Box<dyn FnOnce(Result<(), CommitError>) + Send>) {
        done(Ok(()));
    }

    fn history(&self, _: &DeliveryId) -> Result<Vec<Record>, ReadError> {
        Ok(Vec::new())
    }

    fn replay(&self, _: &mut dyn FnMut(Record) -> bool) -> Result<(), ReadError> {
        Ok(())
    }

    fn has_room(&self) -> bool {
        true
    }

    fn figures(&self) -> Figures {
        Figures::default()
    }
}
