//! The structured log: every event is a type, and its name is part of the contract.
//!
//! `events` lists them, `format` makes each of them one safe line, `setup` writes the lines as JSON, as journald
//! fields or for a terminal. `escape` is the one place that knows which characters must not reach a terminal or a
//! log as they are.
//!
//! Nothing here decides anything, and nothing is kept: what must not be lost is a record of the ledger.

pub mod escape;
pub mod events;
pub mod format;
pub mod setup;
