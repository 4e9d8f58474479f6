//! Questions and answers between the commands and the daemon.
//!
//! While the daemon holds the store, commands ask it; else they open the store themselves and fill in the same types.
//! So what a command prints does not depend on who answered. Nothing here opens a socket or decides anything; the
//! types and their JSON are the whole room.

pub mod protocol;

pub use protocol::{
    AccountReport, AccountState, Answer, Attention, AttentionKind, DaemonReport, Decision, DeliveryReport, ErrorKind,
    HistoryLine, Line, PlanLine, PlanReport, PlanState, Problem, Question, Resolved, Stage, StatusReport, Which,
};
