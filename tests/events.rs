//! `docs/events.md` and the program list the same events, and the lines they become keep their promises.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use cadenced::telemetry::events::{About, EVENTS, Event};
use cadenced::telemetry::setup::{Colour, Format, Printer, install_panic_hook};
use serde_json::Value;

const PAGE: &str = include_str!("../docs/events.md");

/// What `about` stands for.
const ABOUT: &[&str] = &["delivery", "post", "account", "platform", "attempt"];

type Listed = BTreeMap<String, (String, Vec<String>)>;

#[test]
fn the_page_lists_what_the_program_has() {
    assert_eq!(listed(PAGE), built_in());
}

#[test]
fn no_event_is_listed_twice() {
    let names: Vec<_> = rows(PAGE).filter(|cells| cells.len() == 4).map(|cells| cells[0].clone()).collect();
    assert_eq!(names.len(), names.iter().collect::<BTreeSet<_>>().len());
    let built_in: BTreeSet<_> = EVENTS.iter().map(|(name, ..)| name).collect();
    assert_eq!(built_in.len(), EVENTS.len());
}

#[test]
fn every_field_is_explained_and_no_other() {
    let fields = PAGE.split("## Fields").nth(1).expect("the page has a section about fields");
    let explained: BTreeSet<String> =
        rows(fields).filter(|cells| cells.len() == 2).map(|cells| cells[0].trim_matches('`').to_owned()).collect();
    let used: BTreeSet<String> = built_in().into_values().flat_map(|(_, fields)| fields).collect();
    assert_eq!(explained, used);
}

#[test]
fn the_comparison_sees_a_difference() {
    for (from, to) in [
        ("| `queue.back` | info |", "| `queue.back` | warn |"),
        ("`accounts`, `posts`, `ready_ms`", "`accounts`, `posts`"),
        ("| `store.room` |", "| `store.rooms` |"),
    ] {
        assert!(PAGE.contains(from));
        assert_ne!(listed(&PAGE.replace(from, to)), built_in(), "{to}");
    }
}

#[test]
fn about_is_what_the_page_says_it_is() {
    let about = About::new(&"desk@fedi".parse().unwrap(), "mastodon", 0);
    let Value::Object(fields) = serde_json::to_value(&about).unwrap() else { panic!("not an object") };
    assert_eq!(fields.keys().map(String::as_str).collect::<BTreeSet<_>>(), ABOUT.iter().copied().collect());
    let event = Event::DeliveryExpired { about };
    let Value::Object(line) = serde_json::to_value(&event).unwrap() else { panic!("not an object") };
    assert_eq!(line, fields, "the fields stand flat in the line");
}

#[test]
fn a_panic_is_one_event() {
    let kept = Kept::default();
    let clock = Box::new(|| "2026-12-01T08:00:00Z".parse().unwrap());
    let level = cadenced::telemetry::events::Level::Info;
    let printer = Arc::new(Printer::new(Format::Json, Colour::Never, level, clock, Box::new(kept.clone())));
    let before = std::panic::take_hook();
    install_panic_hook(&printer);
    let panicked = std::thread::Builder::new().spawn(|| panic!("out\nof \u{1b}[31mideas")).unwrap().join();
    std::panic::set_hook(before);
    assert!(panicked.is_err());
    let bytes = kept.0.lock().unwrap().clone();
    let text = String::from_utf8(bytes).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    let line: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((line["event"].as_str(), line["level"].as_str()), (Some("daemon.panicked"), Some("error")));
    assert_eq!(line["message"], "out\nof \u{1b}[31mideas");
    assert!(line["place"].as_str().unwrap().starts_with("tests/events.rs:"), "{line}");
    assert!(!text.contains('\u{1b}'));
}

/// Name, level and fields as the page has them.
fn listed(page: &str) -> Listed {
    rows(page)
        .filter(|cells| cells.len() == 4)
        .map(|cells| {
            let fields = cells[3].split(", ").map(|field| field.trim_matches('`').to_owned()).collect();
            (cells[0].trim_matches('`').to_owned(), (cells[1].clone(), fields))
        })
        .collect()
}

/// The same, as the program has them.
fn built_in() -> Listed {
    EVENTS
        .iter()
        .map(|(name, level, fields)| {
            let fields = fields.iter().flat_map(|&field| match field {
                "about" => ABOUT.to_vec(),
                other => vec![other],
            });
            ((*name).to_owned(), (level.name().to_owned(), fields.map(ToOwned::to_owned).collect()))
        })
        .collect()
}

/// The cells of every table row that begins with a name.
fn rows(page: &str) -> impl Iterator<Item = Vec<String>> {
    page.lines().filter_map(|line| {
        let inner = line.strip_prefix("| ")?.strip_suffix(" |").filter(|inner| inner.starts_with('`'))?;
        Some(inner.split(" | ").map(ToOwned::to_owned).collect())
    })
}

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panics while writing").extend(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
