//! A folder with a configuration, a queue and a store, and the real program running in it.
//!
//! Nothing of the environment reaches the program. Tests wait for what it says, never for time to pass: [`PATIENCE`]
//! only makes a test that went wrong end at all.

#![allow(dead_code, reason = "each test binary uses its own part of this file")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use serde_json::Value;

/// Far more than anything here takes, on a machine with much else to do.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// What every configuration of these tests begins with; accounts follow.
const RULES: &str = r#"
timezone = "UTC"
[queue]
path = "queue"
approval = "none"
[store]
path = "store"
[log]
format = "json"
level = "debug"
[control]
socket = "c.sock"
[policy]
min_gap = "1s"
max_per_day = 1000
quiet = []
runway_warn = "1s"
[delivery]
timeout = "5s"
settle = "1s"
retry = { first = "1s", max = "1s", tries = 4 }
stop_timeout = "30s"
"#;

/// An account on our own site that has a slot every second.
pub const SITE: &str = r#"
[accounts.site]
platform = "site"
path = "site"
base_url = "http://127.0.0.1:8000"
title = "Notes"
slots = ["* * * * * *"]
"#;

pub struct House {
    dir: tempfile::TempDir,
    env: BTreeMap<String, String>,
}

impl House {
    /// A house with these accounts, and the rules that hurry.
    pub fn new(accounts: &str) -> Self {
        let house = Self { dir: tempfile::Builder::new().prefix("cadenced-").tempdir().unwrap(), env: BTreeMap::new() };
        std::fs::create_dir(house.path("queue")).unwrap();
        house.configure(&format!("{RULES}{accounts}"));
        house
    }

    /// As [`House::new`], with a change to the rules.
    pub fn with(accounts: &str, change: impl FnOnce(String) -> String) -> Self {
        let house = Self::new("");
        house.configure(&change(format!("{RULES}{accounts}")));
        house
    }

    pub fn configure(&self, text: &str) {
        std::fs::write(self.path("cadenced.toml"), text).unwrap();
    }

    pub fn config(&self) -> String {
        std::fs::read_to_string(self.path("cadenced.toml")).unwrap()
    }

    /// A variable of the environment.
    pub fn set(&mut self, name: &str, value: &str) {
        self.env.insert(name.into(), value.into());
    }

    pub fn root(&self) -> &Path {
        self.dir.path()
    }

    pub fn path(&self, inside: &str) -> PathBuf {
        self.dir.path().join(inside)
    }

    /// Writes a queue file by rename.
    pub fn queue(&self, file: &str, text: &str) {
        let aside = self.path("aside");
        std::fs::write(&aside, text).unwrap();
        std::fs::rename(aside, self.path("queue").join(file)).unwrap();
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cadenced"));
        command.env_clear().envs(&self.env).env("USER", "tester").current_dir(self.dir.path());
        command.arg("--config").arg(self.path("cadenced.toml")).args(args);
        command.stdin(Stdio::null());
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, args: &[&str]) -> Said {
        Said::of(&self.command(args).output().unwrap(), args)
    }

    /// Starts the daemon.
    pub fn start(&self, args: &[&str]) -> Daemon {
        let mut all = vec!["run"];
        all.extend(args);
        Daemon::spawn(self.command(&all))
    }

    /// Starts the daemon and waits until it is ready.
    pub fn ready(&self) -> Daemon {
        let mut daemon = self.start(&[]);
        daemon.event("daemon.ready");
        daemon
    }

    /// What `status --format json` says.
    pub fn status(&self) -> Value {
        let said = self.run(&["status", "--format", "json"]);
        assert_eq!(said.code, 0, "{said:?}");
        serde_json::from_str(&said.out).unwrap()
    }

    /// The state of a delivery, as `status` tells it; with the reason behind it when there is one.
    pub fn state(&self, delivery: &str) -> String {
        let status = self.status();
        let all = status["deliveries"].as_array().unwrap();
        let found = all.iter().find(|entry| entry["delivery"] == delivery);
        let found = found.unwrap_or_else(|| panic!("{delivery} is not in {status}"));
        found["state"].as_str().unwrap().to_owned()
    }

    /// All that the ledger holds, as `export` gives it; without the last row, which says when that was.
    pub fn exported(&self) -> Vec<Value> {
        let said = self.run(&["export", "--what", "all", "--format", "jsonl"]);
        assert_eq!(said.code, 0, "{said:?}");
        let rows = said.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        rows.filter(|row| row["table"] != "end").collect()
    }

    /// The posts that the site shows, as its feed lists them.
    pub fn shown(&self) -> Vec<String> {
        self.shown_in("site")
    }

    /// The same for a site in another folder.
    pub fn shown_in(&self, folder: &str) -> Vec<String> {
        let Ok(feed) = std::fs::read_to_string(self.path(folder).join("feed.json")) else { return Vec::new() };
        let feed: Value = serde_json::from_str(&feed).unwrap();
        let name =
            |item: &Value| item["url"].as_str().unwrap().trim_end_matches('/').rsplit('/').next().unwrap().to_owned();
        let mut names: Vec<String> = feed["items"].as_array().unwrap().iter().map(name).collect();
        names.sort();
        names
    }

    /// Fails when one of `secrets` stands in any file below this house.
    pub fn hides(&self, secrets: &[String]) {
        let mut waiting = vec![self.dir.path().to_path_buf()];
        while let Some(folder) = waiting.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let entry = entry.unwrap();
                let kind = entry.file_type().unwrap();
                if kind.is_dir() {
                    waiting.push(entry.path());
                } else if kind.is_file() {
                    let mut bytes = Vec::new();
                    std::fs::File::open(entry.path()).unwrap().read_to_end(&mut bytes).unwrap();
                    // What is reserved and not yet written to is not worth a look.
                    bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
                    let text = String::from_utf8_lossy(&bytes);
                    let found = secrets.iter().any(|secret| text.contains(secret.as_str()));
                    assert!(!found, "a secret stands in {}", entry.path().display());
                }
            }
        }
    }
}

/// What a command said, and how it ended.
#[derive(Debug)]
pub struct Said {
    pub out: String,
    pub err: String,
    pub code: i32,
}

impl Said {
    fn of(output: &Output, args: &[&str]) -> Self {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let code = output.status.code().unwrap_or_else(|| panic!("{args:?} was ended by {:?}", output.status.signal()));
        Self { out: text(&output.stdout), err: text(&output.stderr), code }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A daemon that runs; dropping it kills it.
pub struct Daemon {
    child: Child,
    lines: Receiver<Option<String>>,
    errors: Receiver<String>,
    /// Everything it has said so far.
    pub log: Vec<Value>,
    /// How much of it has been looked at.
    read: usize,
    patience: Duration,
}

impl Daemon {
    pub fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (tell, lines) = mpsc::channel();
        thread("log", move || {
            for line in BufReader::new(stdout).lines() {
                let Ok(line) = line else { break };
                if tell.send(Some(line)).is_err() {
                    return;
                }
            }
            let _ = tell.send(None);
        });
        let (tell, errors) = mpsc::channel();
        thread("errors", move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            let _ = tell.send(text);
        });
        Self { child, lines, errors, log: Vec::new(), read: 0, patience: PATIENCE }
    }

    /// For what takes minutes by design.
    pub fn patiently(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it is still running.
    pub fn lives(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Hands out what it has said since the last time, so that it need not be kept.
    pub fn take_log(&mut self) -> Vec<Value> {
        self.read = 0;
        std::mem::take(&mut self.log)
    }

    /// Waits for a line of the log after those that were waited for already.
    pub fn wait(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Deadline::within(self.patience);
        loop {
            while self.read < self.log.len() {
                self.read += 1;
                if wanted(&self.log[self.read - 1]) {
                    return self.log[self.read - 1].clone();
                }
            }
            if !self.take(deadline.left()) {
                self.give_up(&format!("it never said: {what}"));
            }
        }
    }

    /// Waits for an event.
    pub fn event(&mut self, name: &str) -> Value {
        self.wait(name, |line| line["event"] == name)
    }

    /// Waits for an event, or for the end.
    pub fn event_or_end(&mut self, name: &str) -> Result<Value, Ended> {
        let deadline = Deadline::within(self.patience);
        loop {
            if let Some(line) = self.log[self.read..].iter().find(|line| line["event"] == name).cloned() {
                return Ok(line);
            }
            self.read = self.log.len();
            if !self.take(deadline.left()) {
                return Err(self.end());
            }
        }
    }

    /// Waits for an event about a delivery.
    pub fn about(&mut self, name: &str, delivery: &str) -> Value {
        self.wait(&format!("{name} {delivery}"), |line| line["event"] == name && line["delivery"] == delivery)
    }

    /// Looks at what has been said from the beginning again.
    pub fn rewind(&mut self) {
        self.read = 0;
    }

    /// How often an event has been said up to now.
    pub fn count(&self, name: &str) -> usize {
        self.log.iter().filter(|line| line["event"] == name).count()
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Waits for its end.
    pub fn end(&mut self) -> Ended {
        let deadline = Deadline::within(self.patience);
        while self.take(deadline.left()) {}
        // The log has ended: the process has, or is about to.
        let Ok(err) = self.errors.recv_timeout(deadline.left()) else { self.give_up("it does not end") };
        let status = self.child.wait().unwrap();
        Ended { status, err }
    }

    /// SIGTERM, and how it ends.
    pub fn stop(&mut self) -> Ended {
        self.signal(Signal::TERM);
        self.end()
    }

    /// SIGKILL; how it ended, should it have done so before.
    pub fn kill(&mut self) -> ExitStatus {
        let _ = self.child.kill();
        let status = self.child.wait().unwrap();
        let deadline = Deadline::new();
        while self.take(deadline.left()) {}
        status
    }

    /// Waits until a line of the log is as wanted, the log ends, or the time is over; whether such a line came.
    pub fn hears(&mut self, limit: Duration, wanted: impl Fn(&Value) -> bool) -> bool {
        let deadline = Deadline::within(limit);
        loop {
            while self.read < self.log.len() {
                self.read += 1;
                if wanted(&self.log[self.read - 1]) {
                    return true;
                }
            }
            if !self.take(deadline.left()) {
                return false;
            }
        }
    }

    /// What it has said on stderr, once it has ended.
    pub fn last_words(&self) -> String {
        self.errors.recv_timeout(self.patience).unwrap_or_default()
    }

    /// Takes the next line, if one comes in time.
    fn take(&mut self, patience: Duration) -> bool {
        match self.lines.recv_timeout(patience) {
            Ok(Some(line)) => {
                let value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("no JSON ({error}): {line}"));
                self.log.push(value);
                true
            }
            _ => false,
        }
    }

    fn give_up(&mut self, why: &str) -> ! {
        let _ = self.child.kill();
        let err = self.errors.recv_timeout(Duration::from_secs(10)).unwrap_or_default();
        let log: Vec<String> = self.log.iter().map(ToString::to_string).collect();
        panic!("{why}\n{}\n{err}", log.join("\n"));
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub err: String,
}

impl Ended {
    /// The exit code; fails when a signal ended it.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| panic!("{self:?}"))
    }
}

/// When a test loses patience.
pub struct Deadline(Instant);

impl Deadline {
    pub fn new() -> Self {
        Self::within(PATIENCE)
    }

    #[expect(clippy::disallowed_methods, reason = "a real process is waited for in real time")]
    pub fn within(patience: Duration) -> Self {
        Self(Instant::now() + patience)
    }

    #[expect(clippy::disallowed_methods, reason = "a real process is waited for in real time")]
    pub fn left(&self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

/// Lets a moment pass in which something may happen; never long enough to rely on.
#[expect(clippy::disallowed_methods, reason = "a real process is disturbed at moments of real time")]
pub fn pause(span: Duration) {
    std::thread::sleep(span);
}

/// Waits until something outside of the log is so.
pub fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    let deadline = Deadline::new();
    while !so() {
        assert!(deadline.left() > Duration::ZERO, "it never came true: {what}");
        pause(Duration::from_millis(20));
    }
}

/// A post on one account, as a queue file has it.
pub fn post(id: &str, to: &str, text: &str) -> String {
    format!(
        "[[post]]\nid = \"{id}\"\nto = [\"{to}\"]\naudience = \"testers\"\ngoal = \"connection\"\ntext = \"{text}\"\n"
    )
}

fn thread(name: &str, work: impl FnOnce() + Send + 'static) {
    std::thread::Builder::new().name(name.into()).spawn(work).unwrap();
}

/// Says past the test harness that something was not tried.
pub fn skipped(test: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIPPED {test}: {why}");
}
