//! The program itself, on a folder of its own: configuration, queue and store, as a person would have them.

// Each test binary uses its own part of it.
#![allow(dead_code)]

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;

/// Most time that one run may take. Real ones take seconds; a slow machine may take longer.
const PATIENCE: Duration = Duration::from_secs(180);
/// Between two looks at a program that runs.
const LOOK: Duration = Duration::from_millis(20);

/// A folder with all that one daemon needs.
pub struct Program {
    folder: tempfile::TempDir,
    /// What is set in its environment.
    environment: Vec<(String, String)>,
}

impl Program {
    pub fn new(config: &str, environment: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::create_dir(folder.path().join("queue")).expect("a folder for the queue");
        fs::write(folder.path().join("cadenced.toml"), config).expect("the configuration is written");
        let text = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self { folder, environment: environment.iter().map(text).collect() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts a file into the queue folder.
    pub fn queue(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path("queue").join(name);
        fs::write(path, bytes).expect("a queue file is written");
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cadenced"));
        command.args(arguments).arg("--config").arg(self.path("cadenced.toml"));
        command.env_remove("CADENCED_CONFIG").env("USER", "tester").env("TZ", "UTC").stdin(Stdio::null());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command to its end and gives what it wrote.
    pub fn says(&self, arguments: &[&str]) -> (ExitStatus, String) {
        let output = self.command(arguments).output().expect("the program starts");
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (output.status, format!("{out}{err}"))
    }

    /// The same, where it has to succeed.
    pub fn succeeds(&self, arguments: &[&str]) -> String {
        let (status, said) = self.says(arguments);
        assert!(status.success(), "{arguments:?}: {status}\n{said}");
        said
    }

    /// Starts the daemon. Its log goes to a file that every start continues.
    pub fn start(&self) -> Running<'_> {
        let log = File::options().create(true).append(true).open(self.path("log")).expect("a log");
        let copy = log.try_clone().expect("a second handle");
        let child = self.command(&["run", "--until-idle"]).stdout(log).stderr(copy).spawn();
        Running { program: self, child: child.expect("the program starts") }
    }

    /// Runs the daemon until it is idle.
    pub fn run(&self) {
        let status = self.start().wait();
        assert!(status.success(), "{status}\n{}", self.log_text());
    }

    pub fn log_text(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// Every line of the log so far.
    pub fn log(&self) -> Vec<Value> {
        let text = self.log_text();
        let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("not an event: {line}"));
        text.lines().map(read).collect()
    }

    /// How often an event stands in the log.
    pub fn count(&self, event: &str) -> usize {
        self.log().iter().filter(|line| line["event"] == event).count()
    }

    /// What `status` says of all deliveries.
    pub fn deliveries(&self) -> Vec<Value> {
        let said = self.succeeds(&["status", "--format", "json"]);
        let report: Value = serde_json::from_str(&said).expect("one object of JSON");
        report["deliveries"].as_array().cloned().expect("a list")
    }
}

/// A daemon that has been started.
pub struct Running<'p> {
    program: &'p Program,
    child: Child,
}

impl Running<'_> {
    /// Waits for its end.
    pub fn wait(mut self) -> ExitStatus {
        let mut waited = Duration::ZERO;
        loop {
            if let Some(status) = self.child.try_wait().expect("it can be asked") {
                return status;
            }
            assert!(waited < PATIENCE, "it does not come to an end\n{}", self.program.log_text());
            pause(LOOK);
            waited += LOOK;
        }
    }

    /// SIGKILL: it gets no chance to do anything.
    pub fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it has ended");
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // A test that has failed leaves nothing running.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `text` as a TOML string: what JSON escapes, TOML escapes alike.
pub fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a text is JSON")
}

/// A list of TOML strings.
pub fn list<T: AsRef<str>>(texts: &[T]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| quoted(text.as_ref())).collect();
    format!("[{}]", quoted.join(", "))
}

#[expect(clippy::disallowed_methods, reason = "another process runs by real time")]
pub fn pause(span: Duration) {
    std::thread::sleep(span);
}
