//! The structured log: every event is a type, and its name is part of the contract.
//!
//! `events` lists them; `setup` prints them as JSON, journald fields or for a terminal.

pub mod events;
