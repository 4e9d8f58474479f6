//! `cadenced` publishes approved posts on a steady schedule: each at most once on each account, whatever crashes, and
//! with a durable record of every step. This page is the map of the source; `docs/architecture.md` tells the reasons.
//!
//! # The shape
//!
//! A core that thinks, and an edge that acts.
//!
//! ```text
//! queue text -> Queue -> Plan -> deliveries -> ledger records
//!                         ^                        |
//!                         +--------- View <--------+      (the only way back)
//! ```
//!
//! The core takes `now` as an argument and gives commands. It opens no file, reads no clock, sends nothing and knows no
//! runtime, so the simulation in `tests/simulation` runs the very code that ships, on time, disk and platforms of its
//! own. Nothing that is planned is stored: the plan is derived from queue and ledger, and derived again after a crash.
//!
//! # The rooms
//!
//! Begin with [`domain`], the words that everybody uses: ids, states, limits, and what an account's owner asks for. It
//! imports nothing of ours.
//!
//! Text becomes values in two rooms. [`config`] reads `cadenced.toml` into settings that are valid by construction;
//! [`queue`] reads queue files into posts, and knows what an approval is bound to. Both report all faults at once, with
//! file, line, column and a hint.
//!
//! What happened is in [`ledger`]: records, [`ledger::View`] as their fold, and the trait behind which they are kept.
//! Whether and when something goes out is [`plan`]: slots, gates and whose turn it is, as a pure function. How one
//! delivery is carried out, for all platforms alike, is [`deliver`]: the only place that turns "it may have arrived"
//! into something to look for. What a request and a reply look like is [`platform`]: one folder for each platform, one
//! line in the registry, no I/O.
//!
//! [`engine`] composes these. It is asked with `handle(event, now)`, `next_command()` and `poll_timeout()`, and adds
//! order, not policy. [`daemon`] is its loop: it names what happened, lets the engine decide, carries out the commands
//! and decides nothing.
//!
//! The world comes in as the traits of [`parts`] and [`ledger::store`]. [`edge`] implements them: clock, HTTP, the
//! journal and its index, the queue folder, secrets, socket, signals, chores, the service manager. [`app`] is the only
//! room that names the edge; it puts everything together, and `main` only hands it the exit code.
//!
//! What happens after a post is out is [`engage`]: who did something with it, what was said, who waits for an answer.
//! [`report`] looks back: folds of the records that say whether the beat was kept, and what came of it for people.
//!
//! For people there are [`cli`], one file for each command, arguments in and text out; [`control`], the questions and
//! answers between commands and daemon; and [`telemetry`], where every event of the log is a type.
//!
//! `tests/architecture.rs` reads the sources and fails when a room imports what it may not.
pub mod app;
pub mod cli;
pub mod config;
pub mod control;
pub mod daemon;
pub mod deliver;
pub mod domain;
pub mod edge;
pub mod engage;
pub mod engine;
pub mod ledger;
pub mod page;
pub mod parts;
pub mod plan;
pub mod platform;
pub mod queue;
pub mod report;
pub mod telemetry;
