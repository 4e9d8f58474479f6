//! Questions and answers between the commands and the daemon, and everybody else who asks it.
//!
//! While the daemon holds the store, commands ask it; else they open the store themselves and fill in the same types.
//! So what a command prints does not depend on who answered. Nothing here opens a socket or decides what is published;
//! the types, their JSON and their place in HTTP are the whole room.

pub mod metrics;
pub mod overview;
pub mod protocol;
pub mod requests;

pub use protocol::{
    AccountReport, AccountState, Answer, Attention, AttentionKind, DaemonReport, Decision, DeliveryReport, ErrorKind,
    HistoryLine, PlanLine, PlanReport, PlanState, Problem, Question, Resolved, Stage, StatusReport, Which,
};
