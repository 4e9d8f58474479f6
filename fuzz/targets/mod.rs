//! What each fuzz target does with its input: reads it with the program's own reader, and checks the rules that must
//! hold whatever the bytes are. A rule that does not hold is a panic.
//!
//! Nothing here knows a fuzzer. `fuzz_targets/` hands these functions to libFuzzer; `tests/fuzz_corpus.rs` hands them
//! the inputs that are kept in `corpus/`, in every ordinary `cargo test`.
//!
//! Each function says how far its input has come, so that a test can tell a corpus that reaches what it is for from one
//! that is turned away at the door.

pub mod approval;
pub mod bluesky;
pub mod config;
pub mod control;
pub mod cron;
pub mod discord;
pub mod exec;
pub mod facebook;
pub mod instagram;
pub mod journal;
pub mod mastodon;
pub mod nostr;
pub mod queue;
pub mod record;
mod replies;
pub mod site;
pub mod telegram;
pub mod text;
pub mod threads;
pub mod webhook;
pub mod x;
pub mod youtube;

/// A target. It takes any bytes, and says how far they came.
pub type Target = fn(&[u8]) -> &'static str;

/// All of them, by the names of their binaries and of their folders in `corpus/`.
pub const ALL: &[(&str, Target)] = &[
    ("approval", approval::run),
    ("bluesky", bluesky::run),
    ("config", config::run),
    ("control", control::run),
    ("cron", cron::run),
    ("exec", exec::run),
    ("discord", discord::run),
    ("facebook", facebook::run),
    ("instagram", instagram::run),
    ("journal", journal::run),
    ("mastodon", mastodon::run),
    ("nostr", nostr::run),
    ("queue", queue::run),
    ("record", record::run),
    ("site", site::run),
    ("telegram", telegram::run),
    ("text", text::run),
    ("webhook", webhook::run),
    ("x", x::run),
    ("youtube", youtube::run),
    ("threads", threads::run),
];
