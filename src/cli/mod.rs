//! The commands: arguments in, text out.
//!
//! `args` says what can be asked; each verb's file turns a report into text. Arguments record and do not act; the
//! rendering is pure: a report, a [`output::Page`] and a writer come in. Who answers (the daemon over its socket, or the
//! store itself) is chosen in `app`, so nothing here opens a store or a socket. Text that others wrote is escaped
//! wherever it is shown to a person.

pub mod approve;
pub mod args;
pub mod auth;
pub mod check;
pub mod completions;
pub mod doctor;
pub mod drafts;
pub mod exit;
pub mod export;
pub mod faults;
pub mod import;
pub mod inbox;
pub mod man;
pub mod new;
pub mod outcome;
pub mod output;
pub mod people;
pub mod plan;
pub mod report;
pub mod resolve;
pub mod schema;
pub mod signing;
mod sprays;
pub mod status;

pub use args::{Cli, Command};
pub use exit::{Exit, Failure};
