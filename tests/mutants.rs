//! The list of mutants is one of the program as it is: each edit still has its place. Whether a test notices them is
//! for `tests/mutants.sh` to say, which takes an hour or two.

#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

#[test]
fn every_mutant_still_applies() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut wrong = Vec::new();
    for (name, mutant) in mutants(root) {
        let text = |key: &str| mutant.get(key).cloned().unwrap_or_default();
        let (from, to, at) = (text("from"), text("to"), text("at"));
        let source = fs::read_to_string(root.join(text("file"))).unwrap_or_default();
        let (place, count) = at.split_once('/').unwrap_or(("1", "1"));
        let (place, count): (usize, usize) = (place.parse().unwrap_or(0), count.parse().unwrap_or(0));
        let found = if from.is_empty() { 0 } else { source.matches(&from).count() };
        if found != count || !(1..=count).contains(&place) || from == to || text("rule").is_empty() {
            wrong.push(format!("{name}: {from:?} is in {} {found} times, the list says {at:?}", text("file")));
        }
        if !text("tests").split(' ').all(|word| word.ends_with("::") || TESTS.contains(&word)) {
            wrong.push(format!("{name}: nobody knows the tests {:?}", text("tests")));
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn every_reason_is_that_of_a_mutant() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names: BTreeSet<String> = mutants(root).into_iter().map(|(name, _)| name).collect();
    let reasons = fs::read_to_string(root.join("tests/mutants/survivors.txt")).expect("the reasons can be read");
    for line in reasons.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (name, reason) = line.split_once(": ").unwrap_or((line, ""));
        assert!(names.contains(name) && !reason.is_empty(), "{line:?}");
    }
}

const TESTS: &[&str] = &[
    "lib",
    "delivery",
    "engine",
    "approvals",
    "tokens",
    "logins",
    "simulation",
    "ledger",
    "conformance",
    "fuzz_corpus",
    "restore",
];

/// The mutants by name, each with what stands below it.
fn mutants(root: &Path) -> Vec<(String, BTreeMap<String, String>)> {
    let list = fs::read_to_string(root.join("tests/mutants/list.txt")).expect("the list can be read");
    let mut all: Vec<(String, BTreeMap<String, String>)> = Vec::new();
    for line in list.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        let value = value.trim_start().to_owned();
        match (key, all.last_mut()) {
            ("mutant", _) => all.push((value, BTreeMap::new())),
            (key, Some((name, mutant))) => {
                assert_eq!(mutant.insert(key.to_owned(), value), None, "{name} says {key} twice");
            }
            (_, None) => panic!("what is {line:?}?"),
        }
    }
    let names: BTreeSet<_> = all.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), all.len(), "a name stands twice");
    assert!(!all.is_empty());
    all
}
