//! cadenced
pub mod cli;
pub mod config;
pub mod control;
pub mod domain;
pub mod ledger;
pub mod parts;
pub mod plan;
pub mod platform;
pub mod queue;
pub mod telemetry;
