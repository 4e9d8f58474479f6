//! Outcomes through the program: with a daemon and without one, from the command line, from files, and by two at once.

#![cfg(test)]

#[path = "support/program.rs"]
mod program;

use std::collections::BTreeSet;
use std::fs;

use program::{Program, pause};
use serde_json::Value;

const CONFIG: &str = r#"
timezone = "Europe/Berlin"
[queue]
approval = "none"
[store]
path = "store"
[log]
format = "json"
[control]
socket = "control.sock"
[accounts.site]
platform = "site"
path = "site"
base_url = "https://example.org/notes"
title = "Notes"
slots = ["0 9 * * *"]
"#;

/// The daemon waits for it as long as the test needs one.
const QUEUE: &str = r#"
[[post]]
id = "desk-story"
to = ["site"]
audience = "founders"
goal = "connection"
text = "A desk"
at = 2099-01-01T09:00:00Z
"#;

fn program() -> Program {
    let program = Program::new(CONFIG, &[]);
    program.queue("posts.toml", QUEUE);
    program
}

fn exported(program: &Program) -> Vec<Value> {
    let said = program.succeeds(&["export", "--what", "outcomes"]);
    said.lines().map(|line| serde_json::from_str(line).expect("a row of JSON")).collect()
}

/// Starts the daemon and waits until it takes questions.
fn started(program: &Program) -> program::Running<'_> {
    let running = program.start();
    for _ in 0..3_000 {
        if program.log_text().contains("\"daemon.ready\"") {
            return running;
        }
        pause(std::time::Duration::from_millis(20));
    }
    panic!("it is not ready\n{}", program.log_text());
}

#[test]
fn outcomes_are_recorded_once_with_a_daemon_and_without() {
    let program = program();
    let lead =
        ["outcome", "add", "--kind", "lead", "--post", "desk-story", "--key", "form-17", "--note", "canary-note"];
    assert_eq!(program.succeeds(&lead), "lead form-17, of desk-story: is on record\n");
    let money = ["outcome", "add", "--kind", "revenue", "--amount", "120.50", "--currency", "EUR"];
    assert!(program.succeeds(&money).contains(", 120.50 EUR: is on record"));
    let (status, said) = program.says(&["outcome", "add", "--kind", "lead", "--post", "desk-stroy"]);
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("did you mean desk-story? --unknown-post records it"), "{said}");

    let daemon = started(&program);
    assert_eq!(program.succeeds(&lead), "lead form-17, of desk-story: was on record already\n");
    let unknown = ["outcome", "add", "--kind", "customer", "--post", "lamp", "--key", "c-1", "--unknown-post"];
    assert_eq!(program.succeeds(&unknown), "customer c-1, of lamp: is on record\n");
    let file = program.path("orders.csv");
    let rows = "\u{feff}Order;Date;Type;Amount;Currency;Landing page\r\n\
        1;24.12.2020;revenue;1.234,50;EUR;https://example.org/?utm_content=desk-story\r\n\
        2;24.12.2020;lead;;;\r\n\
        3;02/03/2020;lead;;;\r\n";
    fs::write(&file, rows).expect("a file");
    let import = ["outcome", "import", file.to_str().expect("a path")];
    let (status, said) = program.says(&import);
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("orders.csv:4: \"02/03/2020\" may begin with the day or with the month"), "{said}");
    assert!(said.ends_with("2 new, 0 known already, 1 not recorded\n"), "{said}");
    assert!(program.says(&import).1.ends_with("0 new, 2 known already, 1 not recorded\n"));
    let events: Vec<Value> = program.log().into_iter().filter(|line| line["event"] == "outcome.recorded").collect();
    let keys: Vec<_> = events.iter().map(|event| event["key"].as_str().expect("a key")).collect();
    assert_eq!(keys, ["c-1", "1", "2"], "one line for each that the daemon has recorded");
    assert_eq!((&events[1]["post"], &events[1]["amount"]), (&"desk-story".into(), &1234.5.into()));
    daemon.kill();

    let rows = exported(&program);
    assert_eq!(rows.len(), 5);
    let of = |key: &str| rows.iter().find(|row| row["key"] == key).expect("it is exported");
    assert_eq!(of("1")["at"], "2020-12-23T23:00:00Z", "in the configuration's time zone");
    assert_eq!(of("form-17")["note"], "canary-note");
    assert!(!program.log_text().contains("canary-note"), "a note is in no log");
}

#[test]
fn two_that_bring_the_same_file_at_once_record_it_once() {
    let program = program();
    let daemon = started(&program);
    let file = program.path("many.csv");
    let mut text = String::from("at,kind,post\n");
    (0..3_000)
        .for_each(|row| text.push_str(&format!("2020-01-01T00:{:02}:{:02}Z,lead,desk-story\n", row / 60, row % 60)));
    fs::write(&file, text).expect("a file");
    let import = ["outcome", "import", file.to_str().expect("a path")];
    let told: Vec<(u64, u64)> = std::thread::scope(|scope| {
        let both = [(); 2].map(|()| scope.spawn(|| program.succeeds(&import)));
        both.into_iter()
            .map(|one| {
                let said = one.join().expect("it ends");
                let numbers: Vec<u64> = said.split(' ').filter_map(|word| word.parse().ok()).collect();
                (numbers[0], numbers[1])
            })
            .collect()
    });
    daemon.kill();
    let [(new, known), (other_new, other_known)] = told[..] else { panic!("{told:?}") };
    assert_eq!((new + other_new, known + other_known), (3_000, 3_000), "{told:?}");
    let rows = exported(&program);
    let keys: BTreeSet<_> = rows.iter().map(|row| row["key"].to_string()).collect();
    assert_eq!((rows.len(), keys.len()), (3_000, 3_000));
}
