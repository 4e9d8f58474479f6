//! cadenced
pub mod app;
pub mod cli;
pub mod config;
pub mod control;
pub mod daemon;
pub mod deliver;
pub mod domain;
pub mod edge;
pub mod engine;
pub mod ledger;
pub mod parts;
pub mod plan;
pub mod platform;
pub mod queue;
pub mod telemetry;
