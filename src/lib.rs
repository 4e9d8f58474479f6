//! cadenced
pub mod config;
pub mod domain;
pub mod edge;
pub mod ledger;
pub mod parts;
pub mod plan;
pub mod platform;
pub mod queue;
pub mod telemetry;
