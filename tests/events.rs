//! `docs/events.md` and the program list the same events, and the lines they become keep their promises.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use cadenced::telemetry::events::{About, EVENTS, Event, Level};
use cadenced::telemetry::format;
use cadenced::telemetry::ids::MESSAGE_IDS;
use cadenced::telemetry::setup::{Colour, Format, Printer, install_panic_hook};
use serde_json::Value;

const PAGE: &str = include_str!("../docs/events.md");
const CATALOG: &str = include_str!("../systemd/cadenced.catalog");

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

#[test]
fn message_ids_are_distinct_and_belong_to_events() {
    let known: Vec<&str> = EVENTS.iter().map(|(name, ..)| *name).collect();
    let with_id: Vec<&str> = MESSAGE_IDS.iter().map(|(name, _)| *name).collect();
    let in_order: Vec<&str> = known.iter().copied().filter(|name| with_id.contains(name)).collect();
    assert_eq!(with_id, in_order, "each names an event, once, in the order in which they are declared");
    for (name, id) in MESSAGE_IDS {
        assert!(id.len() == 32 && id.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')), "{name}: {id}");
    }
    assert_eq!(MESSAGE_IDS.iter().map(|(_, id)| id).collect::<BTreeSet<_>>().len(), MESSAGE_IDS.len());
    for (name, level, _) in EVENTS {
        assert!(*level != Level::Error || with_id.contains(name), "{name}: somebody must act, and nothing explains it");
    }
}

/// One entry of the catalog.
struct Explained<'c> {
    event: &'c str,
    id: &'c str,
    text: &'c str,
}

fn catalog() -> Vec<Explained<'static>> {
    let entries = CATALOG.split("\n# ").skip(1).filter_map(|entry| {
        let (event, rest) = entry.split_once("\n-- ")?;
        let (id, text) = rest.split_once('\n').expect("an entry has a text");
        Some(Explained { event: event.rsplit('\n').next().unwrap_or_default(), id, text })
    });
    entries.collect()
}

#[test]
fn the_catalog_explains_what_has_an_id_and_nothing_else() {
    let explained: Vec<(&str, &str)> = catalog().iter().map(|entry| (entry.event, entry.id)).collect();
    assert_eq!(explained, MESSAGE_IDS);
    assert_eq!(CATALOG.matches("\n-- ").count(), MESSAGE_IDS.len(), "every entry says which event it explains");
}

#[test]
fn the_catalog_names_fields_that_the_event_has() {
    let built_in = built_in();
    for Explained { event, text, .. } in catalog() {
        let (head, body) = text.split_once("\n\n").unwrap_or_else(|| panic!("{event}: no text"));
        assert!(head.starts_with("Subject: ") && head.contains("\nDefined-By: cadenced"), "{event}: {head}");
        assert!(body.trim().len() > 40, "{event}: {body}");
        let fields = built_in[event].1.iter().map(|field| field.to_ascii_uppercase());
        let fields: BTreeSet<String> = fields
            .map(|field| if format::TAKEN.contains(&field.as_str()) { format!("CADENCED_{field}") } else { field })
            .collect();
        for named in text.split('@').skip(1).step_by(2) {
            assert!(fields.contains(named), "{event} has no field {named}: {fields:?}");
        }
    }
}

#[test]
fn journald_takes_the_catalog() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("usr/lib/systemd/catalog");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("cadenced.catalog"), CATALOG).unwrap();
    let ask = |what: &str| {
        std::process::Command::new("journalctl").arg(what).arg("--root").arg(root.path()).output().map(|said| {
            assert!(said.status.success() && said.stderr.is_empty(), "{said:?}");
            String::from_utf8(said.stdout).unwrap()
        })
    };
    if ask("--update-catalog").is_err() {
        let _ = writeln!(io::stderr(), "SKIPPED journald_takes_the_catalog: journalctl is not here");
        return;
    }
    let listed = ask("--list-catalog").unwrap();
    assert_eq!(listed.lines().count(), MESSAGE_IDS.len(), "{listed}");
    assert!(listed.lines().all(|line| line.contains(" cadenced: ")), "{listed}");
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
