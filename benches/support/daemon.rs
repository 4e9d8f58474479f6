//! The daemon: in this process, or the real binary as a child.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use cadenced::control::protocol::DaemonReport;
use cadenced::daemon::{self, Ended, Handle, Parts, Until};
use cadenced::domain::MediaItem;
use cadenced::edge::caller::Dispatcher;
use cadenced::edge::clock::SystemClock;
use cadenced::edge::http::Http;
use cadenced::edge::relay::Relays;
use cadenced::edge::store::{self, Store};
use cadenced::engine::{AccountSetup, Engine, Event, Mode};
use cadenced::ledger::store::Ledger;
use cadenced::parts::{Caller, Clock as _, Done, Inbox, Shelf, ShelfError};
use cadenced::platform::contract::{Call, Failure, Media, Reply, Request};
use cadenced::telemetry::events::Level;
use cadenced::telemetry::setup::{Colour, Format, Printer};

use super::ticks;

/// Threads for HTTP, as the binary has.
pub const WORKERS: usize = 2;

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build().expect("a runtime")
}

/// Notes the requests that pass.
pub struct Tap {
    inner: Dispatcher,
    pub requests: Mutex<Vec<Request>>,
}

impl Caller for Tap {
    fn call(&self, call: Call, timeout: Duration, done: Done<Result<Reply, Failure>>) {
        if let Call::Http(request) = &call {
            self.requests.lock().expect("whole").push(request.clone());
        }
        self.inner.call(call, timeout, done);
    }
}

/// No benchmark has media.
struct NoShelf;

impl Shelf for NoShelf {
    fn gather(&self, _: Arc<str>, _: Vec<MediaItem>, done: Done<Result<Vec<Media>, ShelfError>>) {
        done(Ok(Vec::new()));
    }
}

/// What one run of the daemon's loop took and did.
pub struct Drained {
    /// From the last word of the queue to idle.
    pub took: Duration,
    pub requests: Vec<Request>,
    pub lines: u64,
    pub log_bytes: u64,
    pub records: u64,
    pub journal_bytes: u64,
}

/// Counts what is written to it.
#[derive(Clone, Default)]
struct Sink(Arc<AtomicU64>);

impl std::io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Runs the daemon's own loop, over a real store in `dir` and real HTTP, until nothing is left to do. Its log is
/// written as JSON, to nowhere.
pub fn drain(dir: &Path, setups: Vec<AccountSetup>, queue: Vec<Inbox>, keep_requests: bool) -> Drained {
    let runtime = runtime();
    let (store, view, opened) = store::open(dir, &store::Options::default(), &mut |_| {}).expect("a store");
    let mut engine = Engine::new(opened.seed, view, Mode::Publish);
    engine.handle(Event::Configured(setups), SystemClock.now());
    let http = Http::new("cadenced-bench", &[]).expect("HTTP");
    let relays = Relays::new("cadenced-bench", &[]).expect("WebSocket");
    let caller = Dispatcher::new(runtime.handle().clone(), http, relays, Arc::new(cadenced::edge::files::carry_out));
    let tap = Arc::new(Tap { inner: caller.clone(), requests: Mutex::default() });
    let bytes = Sink::default();
    let printer =
        Printer::new(Format::Json, Colour::Never, Level::Info, Box::new(|| SystemClock.now()), Box::new(bytes.clone()));
    // To see what goes on: BENCH_LOG=1.
    let shown = std::env::var_os("BENCH_LOG")
        .map(|_| Printer::stdout(Some(Format::Json), Level::Info, Box::new(|| SystemClock.now())));
    let lines = Arc::new(AtomicU64::new(0));
    let counted = lines.clone();
    let ledger: Arc<Store> = store.clone();
    let parts = Parts {
        clock: Arc::new(SystemClock),
        caller: if keep_requests { tap.clone() } else { Arc::new(caller) },
        shelf: Arc::new(NoShelf),
        ledger,
        people: None,
        log: Box::new(move |at, event| {
            counted.fetch_add(1, Ordering::Relaxed);
            if let Some(shown) = &shown {
                shown.print(at, event);
            }
            printer.print(at, event);
        }),
        manager: Box::new(|_| {}),
        is_watched: false,
    };
    let (handle, inputs) = Handle::new();
    for message in queue {
        handle.event(Event::Inbox(message));
    }
    handle.event(Event::Inbox(Inbox::Complete));
    let until = Until { idle: true, stop_timeout: Duration::from_secs(10) };
    let report = DaemonReport { running: true, pid: None, version: "bench".into() };
    let began = ticks();
    let ended = runtime.block_on(daemon::run(engine, parts, handle, inputs, until, report));
    let took = began.elapsed();
    assert_eq!(ended, Ended::Idle);
    store.close();
    let figures = store.figures();
    let requests = std::mem::take(&mut *tap.requests.lock().expect("whole"));
    let (lines, log_bytes) = (lines.load(Ordering::Relaxed), bytes.0.load(Ordering::Relaxed));
    runtime.shutdown_timeout(Duration::from_millis(100));
    Drained { took, requests, lines, log_bytes, records: figures.records, journal_bytes: figures.journal_bytes }
}

/// The real binary.
pub struct Running {
    child: Child,
    lines: mpsc::Receiver<String>,
    pub started: Instant,
}

impl Running {
    /// `cadenced run` with the configuration of `dir`; `environment` beside.
    pub fn start(dir: &Path, environment: &[(String, String)]) -> Self {
        let started = ticks();
        let mut child = Command::new(env!("CARGO_BIN_EXE_cadenced"))
            .args(["run", "--config"])
            .arg(config_file(dir))
            .env_clear()
            .envs(environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the binary");
        let out = child.stdout.take().expect("a pipe");
        let (send, lines) = mpsc::channel();
        let read = move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                // Only what is waited for: a million lines would take more memory than the daemon.
                if line.contains("\"daemon.") || line.contains("\"store.") || line.contains("\"error\"") {
                    let _ = send.send(line);
                }
            }
        };
        std::thread::Builder::new().spawn(read).expect("a thread");
        Self { child, lines, started }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for an event; the time since the start, and its line.
    pub fn wait(&self, event: &str) -> (Duration, String) {
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(1800)).expect("the daemon goes on");
            if line.contains(event) {
                return (self.started.elapsed(), line);
            }
            if line.contains("\"error\"") {
                super::say(&line);
            }
        }
    }

    /// SIGTERM, and the end.
    pub fn stop(mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "{status}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn config_file(dir: &Path) -> PathBuf {
    dir.join("cadenced.toml")
}

/// Writes the configuration; the environment that holds its tokens.
pub fn write_config(dir: &Path, text: &str, accounts: usize) -> Vec<(String, String)> {
    let mut file = std::fs::File::create(config_file(dir)).expect("a file");
    file.write_all(text.as_bytes()).expect("written");
    (0..accounts).map(|n| (format!("TOKEN_{n}"), format!("token-{n}"))).collect()
}
