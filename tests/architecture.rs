//! Who may import whom. The picture is worth keeping only while it is true, so this test reads the sources.
//!
//! It understands paths (`use crate::a::{b, c}`, `crate::a::f()`, `super::super::a`, `self::a`) after comments, texts
//! and test modules are taken out; it does not expand macros. Tests inside a room may import what they need. Rooms
//! that do not exist yet are fine; a room that the table does not know is not.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A room and the other rooms that its code may name.
enum Rule {
    /// These and itself. `room::item` allows that item only.
    Only(&'static [&'static str]),
    /// All but these.
    AllBut(&'static [&'static str]),
}
use Rule::{AllBut, Only};

const ROOMS: &[(&str, Rule)] = &[
    // The words; nothing of ours imported.
    ("domain", Only(&[])),
    ("config", Only(&["domain"])),
    ("queue", Only(&["domain"])),
    ("ledger", Only(&["domain"])),
    ("control", Only(&["domain"])),
    ("telemetry", Only(&["domain"])),
    ("platform", Only(&["domain"])),
    ("parts", Only(&["domain", "queue", "platform::contract"])),
    ("plan", Only(&["domain", "queue", "ledger"])),
    // `draw` is chance that gives the same answer again: back-off asks it as the plan does.
    ("deliver", Only(&["domain", "ledger", "platform::contract", "plan::draw"])),
    ("engage", Only(&["domain", "ledger", "platform::contract"])),
    ("report", Only(&["domain", "ledger", "engage"])),
    // Shows what was answered; shares its looks with the report.
    ("page", Only(&["domain", "control", "report"])),
    // Composes the rooms above it; adds order, not policy.
    ("engine", AllBut(&["edge", "daemon", "cli", "app"])),
    // Waits and carries out; what it carries out comes in as traits.
    ("daemon", AllBut(&["edge", "cli", "app"])),
    // Implements traits; decides nothing.
    ("edge", AllBut(&["engine", "plan", "deliver", "cli", "app"])),
    // `app` chooses who answers a command.
    ("cli", AllBut(&["edge", "app"])),
    // Wires everything.
    ("app", AllBut(&[])),
    ("main", Only(&["app", "cli"])),
    // Declares.
    ("lib", AllBut(&[])),
];

/// Libraries that stay in their corner: the files (by the beginning of their path below `src`) that may name them.
const CORNERS: &[(&str, &[&str])] = &[
    ("reqwest", &["edge/http"]),
    ("rustls", &["edge/"]),
    ("rustls_platform_verifier", &["edge/"]),
    ("tokio_rustls", &["edge/"]),
    ("tokio_tungstenite", &["edge/relay"]),
    ("k256", &["platform/nostr/event"]),
    ("ring", &["platform/x/oauth1", "queue/signed/sshsig"]),
    ("sled", &["edge/sled_index", "edge/store"]),
    ("tokio", &["edge/", "daemon/", "app", "main.rs"]),
    ("csv", &["engage/outcomes"]),
    ("hyper", &["edge/"]),
    ("hyper_util", &["edge/"]),
    ("prometheus_client", &["control/metrics"]),
    ("tokio_cron_scheduler", &["edge/"]),
    ("notify", &["edge/"]),
    ("sd_notify", &["edge/"]),
    ("rustix", &["edge/"]),
    ("chacha20poly1305", &["domain/seal"]),
    ("clap", &["cli/", "main.rs"]),
    ("clap_complete", &["cli/"]),
    ("clap_mangen", &["cli/"]),
    ("terminal_size", &["cli/"]),
    ("tracing_subscriber", &["telemetry/"]),
];

/// Rooms that think: they open no file, start no thread, read no clock.
const CORE: &[&str] =
    &["domain", "queue", "ledger", "control", "platform", "plan", "deliver", "engage", "report", "page", "engine"];
const WORLD: &[&[&str]] = &[
    &["std", "fs"],
    &["std", "process"],
    &["std", "thread"],
    &["std", "net", "TcpStream"],
    &["std", "net", "TcpListener"],
    &["std", "net", "UdpSocket"],
    &["std", "os", "unix", "net"],
    &["std", "time", "SystemTime"],
    &["std", "time", "Instant"],
];

#[test]
fn every_room_imports_only_what_it_may() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files = files(&source);
    assert!(files.len() > 20, "the sources were not found");
    let mut wrong = Vec::new();
    for file in files {
        if is_test_file(&source, &file) {
            continue;
        }
        let text = fs::read_to_string(source.join(&file)).expect("a source file can be read");
        wrong.extend(violations(&file, &text));
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn wrong_imports_are_seen() {
    for (file, text, expected) in [
        ("domain/ids.rs", "use crate::ledger::Record;", "domain may not name ledger"),
        ("domain/ids.rs", "fn f() { crate::queue::parse::read(); }", "domain may not name queue"),
        ("domain/ids.rs", "use super::super::config;", "domain may not name config"),
        ("ledger/view.rs", "use crate::{domain::Post, plan::{Lane, Step}};", "ledger may not name plan"),
        ("ledger/store.rs", "pub(crate) use crate::queue as q;", "ledger may not name queue"),
        ("control/protocol.rs", "use crate::ledger::Record;", "control may not name ledger"),
        ("telemetry/setup.rs", "use crate::config::LogLevel;", "telemetry may not name config"),
        ("platform/contract.rs", "use crate::queue::Post;", "platform may not name queue"),
        (
            "platform/site/mod.rs",
            "use crate::platform::mastodon::text;",
            "platform::site may not name platform::mastodon",
        ),
        ("platform/site/mod.rs", "use super::bluesky;", "platform::site may not name platform::bluesky"),
        ("platform/site/text.rs", "use crate::platform::REGISTRY;", "platform::site may not name platform::REGISTRY"),
        ("platform/contract.rs", "use super::site;", "platform::contract may not name platform::site"),
        ("platform/contract.rs", "use super::graph::wire;", "platform::contract may not name platform::graph"),
        ("platform/graph/look.rs", "use crate::platform::threads;", "platform::graph may not name platform::threads"),
        ("plan/lane.rs", "use crate::platform::contract::Job;", "plan may not name platform"),
        ("deliver/retry.rs", "use crate::plan::Lane;", "deliver may not name plan"),
        ("deliver/retry.rs", "use crate::platform::find;", "deliver may not name platform"),
        ("deliver/retry.rs", "use crate::plan::*;", "deliver may not name plan"),
        ("parts.rs", "use crate::ledger::store::Ledger;", "parts may not name ledger"),
        ("parts.rs", "use crate::platform;", "parts may not name platform"),
        ("engine/mod.rs", "use crate::edge::clock;", "engine may not name edge"),
        ("engine/mod.rs", "use crate::app;", "engine may not name app"),
        ("daemon/driver.rs", "use crate::edge::http::Http;", "daemon may not name edge"),
        ("cli/plan.rs", "use crate::edge::socket;", "cli may not name edge"),
        ("edge/http.rs", "use crate::engine::Engine;", "edge may not name engine"),
        ("main.rs", "use cadenced::edge;", "main may not name edge"),
        ("plan/lane.rs", "mod inner { use super::super::super::edge; }", "plan may not name edge"),
        ("plan/draw.rs", "use crate :: edge :: clock ;", "plan may not name edge"),
        ("plan/draw.rs", "const S: &str = \"// \\\" /*\"; use crate::edge;", "plan may not name edge"),
        ("plan/draw.rs", "const C: char = '\"'; use crate::edge;", "plan may not name edge"),
        ("plan/draw.rs", "fn f<'a>(x: &'a str) { crate::edge::x() }", "plan may not name edge"),
        ("plan/draw.rs", "#[cfg(test)] mod tests { fn f() {} } use crate::edge;", "plan may not name edge"),
        ("plan/draw.rs", "#[cfg(test)] use crate::domain; use crate::edge;", "plan may not name edge"),
        ("utils/mod.rs", "", "utils is a room that nobody has drawn"),
        ("edge/socket.rs", "use reqwest::Client;", "reqwest has no place here"),
        ("edge/clock.rs", "pub use sled;", "sled has no place here"),
        ("engine/mod.rs", "async fn f() { tokio::select! {} }", "tokio has no place here"),
        ("deliver/mod.rs", "use {serde::Serialize, tokio::time};", "tokio has no place here"),
        ("config/mod.rs", "#[derive(clap::ValueEnum)] enum E {}", "clap has no place here"),
        ("edge/http.rs", "extern crate sled;", "sled has no place here"),
        ("plan/lane.rs", "let x = std::fs::read(p);", "std::fs has no place here"),
        ("queue/parse.rs", "use std::{sync::Arc, fs};", "std::fs has no place here"),
        ("engine/mod.rs", "use std::time::{Duration, Instant};", "std::time::Instant has no place here"),
    ] {
        let found = violations(Path::new(file), text);
        assert!(found.iter().any(|line| line.contains(expected)), "{file}: {text}\nfound {found:?}");
    }
}

#[test]
fn right_imports_are_left_alone() {
    for (file, text) in [
        ("domain/ids.rs", "use super::limits; use crate::domain::time::after; use sha2::Digest;"),
        ("ledger/view.rs", "use super::record::Fact; use crate::domain::{AccountId, ids};"),
        ("platform/site/mod.rs", "use super::contract::Entry; use crate::platform::site::text; use self::wire::X;"),
        ("platform/site/text.rs", "use super::wire; use crate::domain::Content; use super::super::contract;"),
        ("platform/threads/mod.rs", "use super::graph::errors; use crate::platform::contract::Job;"),
        ("platform/graph/look.rs", "use super::wire; use crate::platform::contract::Next;"),
        ("platform/mod.rs", "pub mod site; use contract::Entry; static R: &E = &site::ENTRY; use self::site::X;"),
        ("deliver/retry.rs", "use crate::plan::draw; use crate::plan::draw::draw; use crate::platform::contract::Job;"),
        ("parts.rs", "use crate::platform::contract::{Call, Reply}; use crate::queue::Post;"),
        ("app.rs", "use crate::edge::http::Http; use tokio::runtime;"),
        ("main.rs", "use cadenced::{app, cli}; fn main() { cadenced::app::run() }"),
        (
            "plan/lane.rs",
            "// use crate::edge;\n/* crate::edge /* nested */ crate::edge */ const S: &str = \"crate::edge\";",
        ),
        ("plan/lane.rs", "const S: &str = r#\"say \"crate::edge\" \"#; const B: &[u8] = b\"crate::edge\";"),
        ("plan/lane.rs", "/// [`crate::edge`]\nfn f() {}"),
        ("plan/lane.rs", "#[cfg(test)]\nmod tests { use crate::edge; fn f() { std::fs::read(\"x\"); } }"),
        ("plan/lane.rs", "#[cfg(test)]\nuse crate::edge::clock;\nfn g() {}"),
        ("edge/http.rs", "use reqwest::Client; use tokio::time;"),
        ("edge/store.rs", "use sled::Tree;"),
        ("cli/args.rs", "use clap::Parser;"),
        ("plan/lane.rs", "fn f(a: A) { a.tokio.sled(); let clap = 1; x::tokio::y(); }"),
        ("plan/lane.rs", "use std::time::Duration; use std::net::SocketAddr;"),
    ] {
        assert_eq!(violations(Path::new(file), text), Vec::<String>::new(), "{file}: {text}");
    }
}

#[test]
fn a_file_of_tests_is_one_that_is_declared_so() {
    let declared = |text: &str| declares_tests(&without_tests(tokens(&bare(text))));
    assert!(!declared("mod wire;\n#[cfg(test)]\nmod tests;\n"));
    assert!(declared("mod wire;\nmod tests;\n"), "it ships, so the rules hold for it");
}

/// What a file names that it may not. `file` is below `src`.
fn violations(file: &Path, text: &str) -> Vec<String> {
    let shown = file.to_string_lossy().replace('\\', "/");
    let module = module_of(file);
    let room = module.first().cloned().unwrap_or_else(|| file_stem(file));
    let Some((_, rule)) = ROOMS.iter().find(|(name, _)| *name == room) else {
        return vec![format!("{shown}: {room} is a room that nobody has drawn: add it to the table with its rule")];
    };
    let mut found = BTreeSet::new();
    for path in paths(&without_tests(tokens(&bare(text))), &module, &room) {
        match path {
            Named::Ours(segments) => {
                let Some(to) = segments.first() else { continue };
                if !allowed(rule, &room, &segments) {
                    found.insert(format!("{shown}: {room} may not name {to}"));
                }
                if let Some((from, to)) = between_platforms(&module, &segments) {
                    found.insert(format!("{shown}: platform::{from} may not name platform::{to}"));
                }
            }
            Named::Theirs(segments) => {
                for (library, places) in CORNERS {
                    if segments[0] == *library && !places.iter().any(|place| shown.starts_with(place)) {
                        found.insert(format!("{shown}: {library} has no place here"));
                    }
                }
                for world in WORLD {
                    if CORE.contains(&room.as_str())
                        && segments.iter().map(String::as_str).take(world.len()).eq(world.iter().copied())
                    {
                        found.insert(format!("{shown}: {} has no place here", world.join("::")));
                    }
                }
            }
        }
    }
    found.into_iter().collect()
}

fn allowed(rule: &Rule, room: &str, segments: &[String]) -> bool {
    let to = segments[0].as_str();
    // A name at the root that is no room is an item of lib.rs or a macro of ours.
    if to == room || !ROOMS.iter().any(|(name, _)| *name == to) {
        return true;
    }
    match rule {
        AllBut(rooms) => !rooms.contains(&to),
        Only(rooms) => rooms.iter().any(|allowed| match allowed.split_once("::") {
            None => *allowed == to,
            Some((room, item)) => room == to && segments.get(1).is_some_and(|segment| segment == item),
        }),
    }
}

/// Rooms that adapters share. They name the contract only.
const SHARED: &[&str] = &["contract", "graph"];

/// Inside `platform`: the registry may name all; an adapter may name its own folder and what adapters share; that may
/// name no adapter.
fn between_platforms(module: &[String], segments: &[String]) -> Option<(String, String)> {
    let from = module.get(1).filter(|_| module[0] == "platform")?;
    let to = segments.get(1).filter(|_| segments[0] == "platform")?;
    let may = if SHARED.contains(&from.as_str()) { &SHARED[..1] } else { SHARED };
    (to != from && !may.contains(&to.as_str())).then(|| (from.clone(), to.clone()))
}

/// The module a file is: `plan/lane.rs` is `plan::lane`, `plan/mod.rs` is `plan`, `lib.rs` and `main.rs` the root.
fn module_of(file: &Path) -> Vec<String> {
    let mut module: Vec<String> =
        file.parent().into_iter().flat_map(Path::iter).map(|part| part.to_string_lossy().into_owned()).collect();
    let stem = file_stem(file);
    if stem != "mod" && !(module.is_empty() && (stem == "lib" || stem == "main")) {
        module.push(stem);
    }
    module
}

/// Whether it is a `tests.rs` that its room declares for tests only.
fn is_test_file(source: &Path, file: &Path) -> bool {
    let declared_in = source.join(file).with_file_name("mod.rs");
    file_stem(file) == "tests"
        && fs::read_to_string(declared_in).is_ok_and(|text| !declares_tests(&without_tests(tokens(&bare(&text)))))
}

fn declares_tests(tokens: &[String]) -> bool {
    tokens.windows(3).any(|three| three[0] == "mod" && three[1] == "tests" && three[2] == ";")
}

fn file_stem(file: &Path) -> String {
    file.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    fn walk(folder: &Path, root: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).expect("a folder of sources can be read") {
            let path = entry.expect("an entry can be read").path();
            if path.is_dir() {
                walk(&path, root, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path.strip_prefix(root).expect("it is below the root").to_owned());
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, folder, &mut found);
    found.sort();
    found
}

/// The text without comments, and with empty texts and characters.
fn bare(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    let is = |at: usize, c: char| chars.get(at) == Some(&c);
    let word = |at: usize| chars.get(at).is_some_and(|c| c.is_alphanumeric() || *c == '_');
    while at < chars.len() {
        if is(at, '/') && is(at + 1, '/') {
            while at < chars.len() && !is(at, '\n') {
                at += 1;
            }
        } else if is(at, '/') && is(at + 1, '*') {
            let mut depth = 0;
            while at < chars.len() {
                if is(at, '/') && is(at + 1, '*') {
                    (depth, at) = (depth + 1, at + 2);
                } else if is(at, '*') && is(at + 1, '/') {
                    (depth, at) = (depth - 1, at + 2);
                    if depth == 0 {
                        break;
                    }
                } else {
                    at += 1;
                }
            }
            out.push(' ');
        } else if let Some(end) = raw_text(&chars, at, at > 0 && word(at - 1)) {
            out.push_str("\"\"");
            at = end;
        } else if is(at, '"') {
            at += 1;
            while at < chars.len() && !is(at, '"') {
                at += if is(at, '\\') { 2 } else { 1 };
            }
            at += 1;
            out.push_str("\"\"");
        } else if is(at, '\'') && (is(at + 1, '\\') || is(at + 2, '\'')) {
            // A character; anything else behind an apostrophe is a lifetime.
            at += 1;
            while at < chars.len() && !is(at, '\'') {
                at += if is(at, '\\') { 2 } else { 1 };
            }
            at += 1;
            out.push_str("' '");
        } else {
            out.push(chars[at]);
            at += 1;
        }
    }
    out
}

/// Where a raw text (`r"…"`, `br#"…"#`) that begins at `at` ends.
fn raw_text(chars: &[char], at: usize, inside_word: bool) -> Option<usize> {
    if inside_word {
        return None;
    }
    let mut begin = at;
    if matches!(chars.get(begin), Some('b' | 'c')) {
        begin += 1;
    }
    if chars.get(begin) != Some(&'r') {
        return None;
    }
    begin += 1;
    let hashes = chars[begin..].iter().take_while(|c| **c == '#').count();
    if chars.get(begin + hashes) != Some(&'"') {
        return None;
    }
    let mut end = begin + hashes + 1;
    while end < chars.len() {
        if chars[end] == '"' && chars[end + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes {
            return Some(end + 1 + hashes);
        }
        end += 1;
    }
    Some(end)
}

/// Words, `::`, and every other sign by itself.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut word = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c.is_alphanumeric() || c == '_' {
            word.push(c);
            continue;
        }
        if !word.is_empty() {
            tokens.push(std::mem::take(&mut word));
        }
        if c == ':' && chars.peek() == Some(&':') {
            chars.next();
            tokens.push("::".into());
        } else if !c.is_whitespace() {
            tokens.push(c.into());
        }
    }
    if !word.is_empty() {
        tokens.push(word);
    }
    tokens
}

/// Takes out the item behind each `#[cfg(test)]`: up to its `;`, or its whole block.
fn without_tests(tokens: Vec<String>) -> Vec<String> {
    const MARK: &[&str] = &["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::with_capacity(tokens.len());
    let mut at = 0;
    while at < tokens.len() {
        if !tokens[at..].iter().map(String::as_str).take(MARK.len()).eq(MARK.iter().copied()) {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        at += MARK.len();
        let is_use = tokens[at..].iter().take(6).take_while(|token| *token != ";").any(|token| token == "use");
        let mut depth = 0;
        while at < tokens.len() {
            match tokens[at].as_str() {
                "{" => depth += 1,
                "}" => depth -= 1,
                _ => {}
            }
            let over = depth == 0 && (tokens[at] == ";" || (tokens[at] == "}" && !is_use));
            at += 1;
            if over {
                break;
            }
        }
    }
    kept
}

/// A path that a file names.
#[derive(Debug)]
enum Named {
    /// From the root of the crate on.
    Ours(Vec<String>),
    /// With the name of a library first.
    Theirs(Vec<String>),
}

/// All paths that begin at the crate's root, above or at this module, or with a library.
fn paths(tokens: &[String], module: &[String], room: &str) -> Vec<Named> {
    let mut found = Vec::new();
    let mut here: Vec<(usize, String)> = Vec::new();
    let mut depth = 0;
    let mut at = 0;
    while at < tokens.len() {
        let token = tokens[at].as_str();
        let before = at.checked_sub(1).map(|before| tokens[before].as_str());
        let next = tokens.get(at + 1).map(String::as_str);
        match token {
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                here.retain(|(at_depth, _)| *at_depth < depth + 1);
            }
            "mod" if tokens.get(at + 2).is_some_and(|token| token == "{") => {
                here.push((depth + 1, tokens[at + 1].clone()));
            }
            _ => {}
        }
        let head = !matches!(before, Some("::" | "."));
        let begins = head && (next == Some("::") || matches!(before, Some("use" | "crate")));
        if !begins || !token.starts_with(|c: char| c.is_alphabetic() || c == '_') {
            at += 1;
            continue;
        }
        let mut trees = Vec::new();
        let end = tree(tokens, at, &[], &mut trees);
        for segments in trees {
            let mut base: Vec<String> =
                module.iter().cloned().chain(here.iter().map(|(_, name)| name.clone())).collect();
            let mut rest = segments.as_slice();
            match rest[0].as_str() {
                "crate" => (base, rest) = (Vec::new(), &rest[1..]),
                // The binary names the library like any other.
                "cadenced" if room == "main" => (base, rest) = (Vec::new(), &rest[1..]),
                "self" => rest = &rest[1..],
                "super" => {
                    while rest.first().is_some_and(|segment| segment == "super") {
                        base.pop();
                        rest = &rest[1..];
                    }
                }
                _ => {
                    found.push(Named::Theirs(segments));
                    continue;
                }
            }
            base.extend(rest.iter().cloned());
            found.push(Named::Ours(base));
        }
        at = end.max(at + 1);
    }
    found
}

/// Reads a path with its groups from `at` on; gives the place behind it.
fn tree(tokens: &[String], mut at: usize, prefix: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let mut path = prefix.to_vec();
    loop {
        match tokens.get(at).map(String::as_str) {
            Some("{") => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token != "}") {
                    let next = tree(tokens, at, &path, found);
                    at = next.max(at + 1);
                    // Over `as name` and the comma.
                    while tokens.get(at).is_some_and(|token| !matches!(token.as_str(), "," | "}")) {
                        at += 1;
                    }
                    if tokens.get(at).is_some_and(|token| token == ",") {
                        at += 1;
                    }
                }
                return at + 1;
            }
            Some("*") => {
                at += 1;
                break;
            }
            Some(word) if word.starts_with(|c: char| c.is_alphanumeric() || c == '_') => {
                path.push(word.to_owned());
                at += 1;
            }
            _ => break,
        }
        let goes_on = tokens.get(at + 1).is_some_and(|token| {
            matches!(token.as_str(), "{" | "*") || token.starts_with(|c: char| c.is_alphanumeric() || c == '_')
        });
        if tokens.get(at).is_some_and(|token| token == "::") && goes_on {
            at += 1;
        } else {
            break;
        }
    }
    if path.len() > prefix.len() || !prefix.is_empty() {
        found.push(path);
    }
    at
}
