//! `docs/logs.md` answers what it says it answers: every command in it is run, on what the real program has logged.
//!
//! The log is written into two files of journald, once as the fields of `journald` and once as the lines of `json`, and
//! the commands run word for word, with a `journalctl` before them that reads these files. Where `jq` is not there,
//! only their syntax is looked at; where journald's writer is not, the lines of `json` come from a plain file and the
//! other half is left out. Both is said.

#![cfg(test)]

mod support {
    pub mod house;
    pub mod platform;
    pub mod server;
}

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use cadenced::domain::Timestamp;
use cadenced::telemetry::events::{About, Event};
use cadenced::telemetry::{format, ids};
use rustix::process::Signal;
use serde_json::Value;
use support::house::{House, SITE, post, skipped};
use support::platform::{Platform, Weather, answer, now};

const PAGE: &str = include_str!("../docs/logs.md");
const WRITER: &str = "/lib/systemd/systemd-journal-remote";

/// What a question has to be answered with: lines from the fields of `journald`, and lines from `json`.
type Answers = [Vec<String>; 2];

#[test]
fn every_command_on_the_page_answers_its_question() {
    let (define, recipes) = page();
    for script in recipes.values().flatten() {
        let checked = Command::new("sh").args(["-n", "-c", &format!("{define}\n{script}")]).status().unwrap();
        assert!(checked.success(), "{script}");
    }
    if !has("jq --version") {
        return skipped("logs", "jq is not here; the commands were not run");
    }
    let journals = Path::new(WRITER).exists() && has("journalctl --version");
    if !journals {
        skipped("logs", "systemd-journal-remote or journalctl is not here; no command for journald was run");
    }
    // "Today" is another day when midnight passes meanwhile.
    let (log, answers) = loop {
        let day = now().strftime("%F").to_string();
        let log = a_bad_day();
        let journal = Journal::of(&log, journals);
        let ask = |(question, scripts): (&String, &[String; 2])| {
            let fields = if journals { journal.ask("fields", &scripts[0]) } else { Vec::new() };
            (question.clone(), [fields, journal.ask("lines", &format!("{define}\n{}", scripts[1]))])
        };
        let answers: BTreeMap<String, Answers> = recipes.iter().map(ask).collect();
        if now().strftime("%F").to_string() == day {
            break (log, answers);
        }
    };
    let expected = expected(&log);
    assert_eq!(answers.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (question, [fields, lines]) in &expected {
        assert!(!fields.is_empty() && !lines.is_empty(), "{question}: nothing is expected, so nothing is shown");
        if journals {
            assert_eq!(&answers[question][0], fields, "{question}, of journald");
        }
        assert_eq!(&answers[question][1], lines, "{question}, of json");
    }
}

/// The files are made of JSON lines; this is how the daemon would have told journald the same.
#[test]
fn a_line_becomes_the_record_that_the_daemon_would_have_sent() {
    let about = About::new(&"desk@fedi".parse().unwrap(), "mastodon", 2);
    let slot: Timestamp = "2026-12-01T08:00:00Z".parse().unwrap();
    let events = [
        Event::DeliveryRefused { about: about.clone(), reason: "it = \"so\"".into() },
        Event::DeliverySending { about, slot: Some(slot), lateness_ms: -3 },
        Event::QueueLow { account: "fedi".parse().unwrap(), runway_days: 2.5, warn_days: 7.0 },
        Event::QueueFileWarning { place: "a.toml:1:1".into(), reason: "odd".into(), hint: None },
        Event::DaemonPanicked { message: "no".into(), place: "x.rs:1:1".into() },
    ];
    for event in events {
        let sent = String::from_utf8(format::journal(&event)).unwrap();
        let mut fields: BTreeMap<String, String> =
            sent.lines().map(|line| line.split_once('=').unwrap()).map(|(k, v)| (k.into(), v.into())).collect();
        let line: Value = serde_json::from_slice(&format::json(slot, &event)).unwrap();
        let mut made = record(&line);
        // Fields have an order in a line, and none in a value; the summary is the one place that shows it.
        let words = |text: Option<String>| {
            let text = text.unwrap();
            assert!(text.starts_with(event.name()), "{text}");
            text.chars().fold([0; 128], |mut counts, c| {
                counts[c as usize] += 1;
                counts
            })
        };
        assert_eq!(words(made.remove("MESSAGE")), words(fields.remove("MESSAGE")));
        assert_eq!(made, fields);
    }
}

/// What the real program says on a bad day: posts go out, one is refused, one is missed, one is held, a token is lost,
/// a file is broken, the queue runs low, and the configuration is read again, badly and well.
fn a_bad_day() -> Vec<Value> {
    let platform = Platform::mastodon();
    let accounts = format!("[chores]\nrunway = \"* * * * * *\"\n{SITE}{}", platform.account("fedi"));
    let mut house = House::with(&accounts, |text| text.replace("runway_warn = \"1s\"", "runway_warn = \"7d\""));
    for (name, value) in platform.secrets() {
        house.set(&name, &value);
    }
    let long_ago = "at = 2020-01-01T09:00:00Z\n";
    let picture = "media = [{ file = \"none.png\", alt = \"Nothing\" }]\n";
    house.queue("a.toml", &format!("{}{}", post("one", "site", "First"), post("two", "site", "Second")));
    house.queue("b.toml", &format!("{}{long_ago}", post("old", "site", "Long ago")));
    house.queue("c.toml", &format!("{}{picture}", post("picture", "site", "Look")));
    house.queue("d.toml", &post("three", "fedi", "Third"));
    let mut daemon = house.ready();
    for delivery in ["one@site", "two@site", "three@fedi"] {
        daemon.rewind();
        daemon.about("delivery.delivered", delivery);
    }
    daemon.rewind();
    daemon.event("queue.low");
    let says = |status, error: &str| {
        let body = format!("{{\"error\":\"{error}\"}}");
        Weather::Say(answer(status, "content-type: application/json\r\n", &body))
    };
    platform.weather(move |asked| if asked.publishes { says(422, "Text is rude") } else { Weather::Fair });
    house.queue("e.toml", &post("rude", "fedi", "Rude"));
    daemon.about("delivery.refused", "rude@fedi");
    platform.weather(move |_| says(401, "The access token is invalid"));
    house.queue("f.toml", &post("four", "fedi", "Fourth"));
    daemon.event("account.auth_lost");
    house.queue("d.toml", "[[post]]\nid = \"three\nto = 3");
    daemon.event("queue.file_rejected");
    let good = house.config();
    house.configure(&good.replace("max_per_day = 1000", "max_per_day = \"many\""));
    daemon.signal(Signal::HUP);
    daemon.event("config.rejected");
    house.configure(&good.replace("title = \"Notes\"", "title = \"Notes\"\npaused = true"));
    daemon.signal(Signal::HUP);
    daemon.event("account.paused");
    assert_eq!(daemon.stop().code(), 0);
    let log = daemon.take_log();
    assert!(log.iter().any(|line| line["event"] == "daemon.stopped"), "all of it was heard");
    log
}

fn expected(log: &[Value]) -> BTreeMap<String, Answers> {
    let of = |events: &[&str]| -> Vec<&Value> {
        log.iter().filter(|line| events.contains(&text(&line["event"]).as_str())).collect()
    };
    let names = |lines: &[&Value]| {
        let mut names: Vec<String> = lines.iter().map(|line| text(&line["event"])).collect();
        names.sort();
        names.dedup();
        names
    };
    let lines = |strings: &[&str]| -> Vec<String> { strings.iter().map(|line| (*line).to_owned()).collect() };
    let told = |line: &&Value, fields: [&[&str]; 3]| {
        let first = |names: &[&str]| names.iter().map(|name| text(&line[*name])).find(|text| !text.is_empty());
        fields.map(|names| first(names).unwrap_or_default()).join(" ")
    };
    let summaries = |lines: &[&Value]| -> Vec<String> { lines.iter().map(|line| summary(line)).collect() };
    let mut all = BTreeMap::new();
    let mut put = |question: &str, answers: Answers| all.insert(question.to_owned(), answers);

    let delivered = of(&["delivery.delivered"]);
    let mut out: Vec<String> = delivered.iter().map(|line| text(&line["delivery"])).collect();
    out.sort();
    assert_eq!(out, ["one@site", "three@fedi", "two@site"]);
    let shown = delivered.iter().map(|line| told(line, [&["timestamp"], &["delivery"], &["url", "remote_id"]]));
    put("What went out today", [summaries(&delivered), shown.collect()]);

    let rude: Vec<&Value> = log.iter().filter(|line| line["delivery"] == "rude@fedi").collect();
    assert_eq!(names(&rude), ["delivery.refused", "delivery.scheduled", "delivery.sending"]);
    let shown = rude.iter().map(|line| told(line, [&["timestamp"], &["event"], &["reason"]]));
    put("Why did it not go out", [summaries(&rude), shown.collect()]);

    let (errors, wanting): (Vec<&Value>, Vec<&Value>) = of(&[
        "account.auth_lost",
        "config.rejected",
        "queue.file_rejected",
        "delivery.refused",
        "queue.low",
        "delivery.missed",
    ])
    .into_iter()
    .partition(|line| line["level"] == "error");
    assert_eq!(names(&errors), ["account.auth_lost", "config.rejected", "delivery.refused", "queue.file_rejected"]);
    assert_eq!(names(&wanting), ["delivery.missed", "queue.low"]);
    let both = of(&["account.auth_lost", "config.rejected", "queue.file_rejected", "delivery.refused"])
        .len()
        .checked_add(wanting.len())
        .unwrap();
    let shown: Vec<String> = log
        .iter()
        .filter(|line| errors.contains(line) || wanting.contains(line))
        .map(|line| told(&line, [&["event"], &["delivery", "account", "place", "post"], &["reason", "fault"]]))
        .collect();
    assert_eq!(shown.len(), both);
    put("What needs me", [[summaries(&errors), summaries(&wanting)].concat(), shown]);

    let mut late: Vec<i64> = delivered.iter().map(|line| line["lateness_ms"].as_i64().unwrap()).collect();
    late.sort_unstable();
    let figures = format!("{{\n  \"posts\": 3,\n  \"median_ms\": {},\n  \"worst_ms\": {}\n}}", late[1], late[2]);
    let figures: Vec<String> = figures.lines().map(ToOwned::to_owned).collect();
    put("How late are we", [figures.clone(), figures]);

    let counts = lines(&["      1 fedi", "      2 site"]);
    put("How much by account", [counts.clone(), counts]);

    let held = lines(&[
        "picture@site media-missing",
        "four@fedi account-auth",
        "fedi account.auth_lost",
        "site account.paused",
    ]);
    put("Which posts were held, and why", [held.clone(), held]);

    let fedi: Vec<&Value> = log.iter().filter(|line| line["account"] == "fedi").collect();
    assert!(names(&fedi).contains(&"account.pinned".to_owned()), "{fedi:?}");
    let shown = fedi.iter().map(|line| {
        format!(
            "{} {} {} {}",
            text(&line["timestamp"]),
            text(&line["event"]),
            text(&line["post"]),
            text(&line["reason"])
        )
    });
    put("What an account did", [summaries(&fedi), shown.collect()]);

    let last = log.iter().rposition(|line| line["event"] == "config.loaded").unwrap();
    let changed: Vec<&Value> = log[last..]
        .iter()
        .filter(|line| {
            let event = text(&line["event"]);
            ["config", "account", "post", "delivery"].contains(&event.split('.').next().unwrap())
        })
        .collect();
    assert!(names(&changed).contains(&"account.paused".to_owned()), "{changed:?}");
    let place: &[&str] = &["delivery", "account", "post", "file", "place"];
    let shown = changed.iter().map(|line| told(line, [&["event"], place, &["reason", "fault"]]));
    put("What changed at the last reload", [summaries(&changed), shown.collect()]);

    let starts = of(&["daemon.started", "daemon.stopped"]);
    assert_eq!(starts.len(), 2);
    let shown = starts.iter().map(|line| format!("{} {}", text(&line["timestamp"]), text(&line["event"])));
    put("How often was the daemon started, and how did it end", [summaries(&starts), shown.collect()]);
    all
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The function that the commands for `json` begin with, and for each question the commands of both halves.
fn page() -> (String, BTreeMap<String, [String; 2]>) {
    let mut sections = PAGE.split("\n## ");
    let blocks = |section: &str| -> Vec<String> {
        let fenced = section.split("```sh\n").skip(1);
        fenced.map(|block| block.split("```").next().unwrap().to_owned()).collect()
    };
    let define = blocks(sections.next().unwrap()).remove(0);
    let recipes = sections.map(|section| {
        let title = section.lines().next().unwrap().to_owned();
        let blocks: [String; 2] = blocks(section).try_into().unwrap_or_else(|_| panic!("{title}: two commands"));
        (title, blocks)
    });
    (define, recipes.collect())
}

/// A line of `json` as the fields of its record in journald.
fn record(line: &Value) -> BTreeMap<String, String> {
    let event = text(&line["event"]);
    let priority = match text(&line["level"]).as_str() {
        "error" => "3",
        "warn" => "4",
        "info" => "6",
        _ => "7",
    };
    let mut fields: BTreeMap<String, String> = [
        ("MESSAGE", summary(line).as_str()),
        ("PRIORITY", priority),
        ("SYSLOG_IDENTIFIER", "cadenced"),
        ("EVENT", &event),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    fields.extend(ids::message_id(&event).map(|id| ("MESSAGE_ID".to_owned(), id.to_owned())));
    for (name, value) in own(line) {
        let name = name.to_ascii_uppercase();
        let prefix = if format::TAKEN.contains(&name.as_str()) { "CADENCED_" } else { "" };
        fields.insert(format!("{prefix}{name}"), text(value));
    }
    fields
}

fn summary(line: &Value) -> String {
    own(line).fold(text(&line["event"]), |all, (name, value)| {
        let value = text(value);
        let bare = !value.is_empty() && !value.contains([' ', '"', '=', '\\']);
        let value = if bare { value } else { format!("\"{}\"", value.replace('"', "\\\"")) };
        format!("{all} {name}={value}")
    })
}

/// The fields of the event itself that have a value.
fn own(line: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let fields = line.as_object().unwrap().iter();
    fields.filter(|(name, value)| !matches!(name.as_str(), "event" | "level" | "timestamp") && !value.is_null())
}

/// Two journals of one log, and a `journalctl` that reads the one that is meant.
struct Journal(tempfile::TempDir);

impl Journal {
    fn of(log: &[Value], journals: bool) -> Self {
        let own = Self(tempfile::tempdir().unwrap());
        let line = |line: &Value| serde_json::to_string(line).unwrap();
        // Between the daemon's own lines stand those of systemd, and those of the check before the start.
        let others = ["Starting cadenced.service...", "queue/d.toml:2:12: error: a quote is missing", "7"];
        if !journals {
            let lines = others.map(ToOwned::to_owned).into_iter().chain(log.iter().map(line));
            fs::write(own.0.path().join("lines"), lines.map(|line| line + "\n").collect::<String>()).unwrap();
            own.command("cat \"$JOURNAL\"");
            return own;
        }
        own.command("exec /usr/bin/env PATH=\"$OTHERS\" journalctl --quiet --file \"$JOURNAL\" \"$@\"");
        let first: Timestamp = text(&log[0]["timestamp"]).parse().unwrap();
        let noise = others.map(|message| {
            (
                first,
                BTreeMap::from([("MESSAGE".to_owned(), message.to_owned()), ("PRIORITY".to_owned(), "6".to_owned())]),
            )
        });
        let moment = |line: &Value| text(&line["timestamp"]).parse::<Timestamp>().unwrap();
        let fields = log.iter().map(|line| (moment(line), record(line)));
        own.write("fields", noise.clone().into_iter().chain(fields));
        let lines = log.iter().map(|said| {
            let fields = [("MESSAGE", line(said)), ("PRIORITY", "6".into()), ("SYSLOG_IDENTIFIER", "cadenced".into())];
            (moment(said), fields.map(|(name, value)| (name.to_owned(), value)).into())
        });
        own.write("lines", noise.into_iter().chain(lines));
        own
    }

    /// Writes a file of journald, in the way in which other machines' journals come to one.
    fn write(&self, name: &str, records: impl Iterator<Item = (Timestamp, BTreeMap<String, String>)>) {
        let made = self.0.path().join(format!("{name}.journal"));
        let mut writer = Command::new(WRITER)
            .arg(format!("--output={}", made.display()))
            .arg("-")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut to = writer.stdin.take().unwrap();
        for (at, fields) in records {
            let at = at.as_microsecond();
            write!(to, "__REALTIME_TIMESTAMP={at}\n__MONOTONIC_TIMESTAMP={at}\n").unwrap();
            write!(to, "_BOOT_ID=00000000000000000000000000000001\n_SYSTEMD_UNIT=cadenced.service\n").unwrap();
            for (name, value) in fields {
                writeln!(to, "{name}={value}").unwrap();
            }
            writeln!(to).unwrap();
        }
        drop(to);
        assert!(writer.wait().unwrap().success());
        fs::rename(made, self.0.path().join(name)).unwrap();
    }

    fn command(&self, does: &str) {
        let path = self.0.path().join("bin");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("journalctl"), format!("#!/bin/sh\n{does}\n")).unwrap();
        fs::set_permissions(path.join("journalctl"), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Runs a command of the page.
    fn ask(&self, journal: &str, script: &str) -> Vec<String> {
        let others = std::env::var("PATH").unwrap();
        let said = Command::new("sh")
            .args(["-c", script])
            .env("PATH", format!("{}:{others}", self.0.path().join("bin").display()))
            .env("OTHERS", others)
            .env("JOURNAL", self.0.path().join(journal))
            .env("TZ", "UTC")
            .env("LC_ALL", "C")
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&said.stderr), "", "{script}");
        String::from_utf8(said.stdout).unwrap().lines().map(ToOwned::to_owned).collect()
    }
}

fn has(command: &str) -> bool {
    Command::new("sh")
        .args(["-c", command])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|s| s.success())
}
