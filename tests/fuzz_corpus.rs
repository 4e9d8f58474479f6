//! The inputs that fuzzing has kept, and small changes of them, through the very functions that the fuzz targets run.
//! `docs/guarantees.md` says how to fuzz; nothing of that is needed here.

#![cfg(test)]

#[path = "../fuzz/targets/mod.rs"]
mod targets;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};

use targets::Target;

/// Most bytes of all inputs together: they are part of the source.
const ALL_BYTES: usize = 300 * 1024;
/// How many changed inputs each target gets.
const CHANGED: usize = 1_500;

/// Where inputs must come to, so that a corpus that is turned away at the door is noticed.
const REACHED: &[(&str, &[&str])] = &[
    ("approval", &["approved", "nothing chosen", "nobody approves", "not usable"]),
    ("bluesky", &["delivered", "refused", "auth", "rate-limited", "retry", "uncertain"]),
    ("config", &["accounts", "no accounts", "refused", "not looked at"]),
    ("control", &["question", "answer", "neither"]),
    ("cron", &["slots", "no expression", "no zone"]),
    ("exec", &["delivered", "refused", "auth", "rate-limited", "retry", "uncertain"]),
    ("discord", &["delivered", "refused", "auth", "rate-limited", "retry", "uncertain"]),
    ("facebook", &["delivered", "refused", "auth", "rate-limited", "retry", "uncertain"]),
    ("instagram", &["delivered", "refused", "auth", "rate-limited", "retry", "uncertain"]),
    ("journal", &["clean", "torn", "damaged"]),
    ("mastodon", &["delivered", "refused", "auth", "rate-limited", "retry", "uncertain"]),
    // A look comes to no end but by the clock: what is not settled is looked for, for a day.
    ("nostr", &["delivered", "refused", "auth", "rate-limited", "retry"]),
    ("queue", &["good", "good, with something to say", "refused", "empty"]),
    ("record", &["a history", "one record", "no record"]),
    ("site", &["delivered", "retry"]),
    ("telegram", &["delivered", "refused", "auth", "rate-limited", "retry", "uncertain"]),
    ("text", &["something is found in it", "plain"]),
    ("webhook", &["delivered", "refused", "auth", "rate-limited", "retry", "uncertain", "parked"]),
    ("x", &["delivered", "refused", "auth", "rate-limited", "retry", "uncertain"]),
    ("youtube", &["delivered", "refused", "auth", "rate-limited", "retry", "uncertain"]),
    ("threads", &["delivered", "refused", "auth", "rate-limited", "retry", "uncertain"]),
];

#[test]
fn every_kept_input_keeps_the_rules_and_all_ends_are_reached() {
    let mut bytes = 0;
    for (name, run) in targets::ALL {
        let mut reached = BTreeSet::new();
        for (path, input) in corpus(name) {
            bytes += input.len();
            reached.insert(keeps(*run, &input, &format!("{}", path.display())));
        }
        let wanted = REACHED.iter().find(|(target, _)| target == name).map_or(&[][..], |(_, ends)| ends);
        assert!(!wanted.is_empty(), "{name}: nobody says what its corpus is for");
        let missing: Vec<_> = wanted.iter().filter(|end| !reached.contains(*end)).collect();
        assert!(missing.is_empty(), "{name}: no input comes to {missing:?}, only to {reached:?}");
    }
    assert!(bytes <= ALL_BYTES, "the corpus has {bytes} bytes");
}

#[test]
fn small_changes_of_kept_inputs_keep_them_too() {
    for (name, run) in targets::ALL {
        let inputs: Vec<_> = corpus(name).into_values().collect();
        let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
        for _ in 0..CHANGED {
            let mut input = inputs[chance.below(inputs.len())].clone();
            for _ in 0..=chance.below(4) {
                change(&mut input, &inputs, &mut chance);
            }
            keeps(*run, &input, &format!("{name}: {:?}", String::from_utf8_lossy(&input)));
        }
    }
}

#[test]
fn every_folder_of_the_corpus_has_a_target() {
    let folders = std::fs::read_dir(root()).expect("the corpus can be read");
    let folders: BTreeSet<_> = folders.map(|entry| entry.expect("an entry").file_name()).collect();
    let targets: BTreeSet<_> = targets::ALL.iter().map(|(name, _)| std::ffi::OsString::from(name)).collect();
    assert_eq!(folders, targets);
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus")
}

/// The inputs of a target, by their paths.
fn corpus(target: &str) -> BTreeMap<PathBuf, Vec<u8>> {
    let folder = root().join(target);
    let files = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let read = |path: PathBuf| (path.clone(), std::fs::read(path).expect("an input can be read"));
    let inputs: BTreeMap<_, _> = files.map(|entry| read(entry.expect("an entry").path())).collect();
    assert!(!inputs.is_empty(), "{} is empty", folder.display());
    inputs
}

/// Runs a target; says which input it was that broke a rule.
fn keeps(run: Target, input: &[u8], what: &str) -> &'static str {
    std::panic::catch_unwind(AssertUnwindSafe(|| run(input))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        panic!("{what}\nbreaks a rule: {}", text.unwrap_or_default())
    })
}

/// One small change: a bit, a byte, a piece taken out, doubled, or taken from another input.
fn change(input: &mut Vec<u8>, others: &[Vec<u8>], chance: &mut Chance) {
    let at = chance.below(input.len() + 1);
    let end = (at + chance.below(24)).min(input.len());
    match chance.below(6) {
        0 if at < input.len() => input[at] ^= 1 << chance.below(8),
        1 if at < input.len() => input[at] = chance.byte(),
        2 => input.truncate(at),
        3 => _ = input.drain(at..end),
        4 => {
            let piece = input[at..end].to_vec();
            input.splice(at..at, piece);
        }
        _ => {
            let other = &others[chance.below(others.len())];
            let from = chance.below(other.len() + 1);
            let until = (from + chance.below(48)).min(other.len());
            input.splice(at..end, other[from..until].iter().copied());
        }
    }
}

/// The same numbers in every run.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.next() % most.max(1) as u64).unwrap_or_default()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[3]
    }
}
