//! The structured log: every event is a type, and its name is part of the contract.
//!
//! `events` lists them, `ids` says which of them journald can explain, `format` makes each of them one safe line,
//! `setup` writes the lines as JSON, as journald fields or for a terminal. Which characters must not reach a terminal or
//! a log as they are is a word of the domain, since pages leave them out as well.
//!
//! Nothing here decides anything, and nothing is kept: what must not be lost is a record of the ledger.

pub mod events;
pub mod format;
pub mod ids;
pub mod setup;

pub use crate::domain::escape;
