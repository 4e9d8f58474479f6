//! What the two simulations share: how a run is drawn, the platforms in it, and who judges it.
//!
//! `chance` is the stream of numbers, `scenario` what a run is about, `twins` the platforms, `oracle` looks from outside, `pairs` at tokens that work once,
//! `arrows` tells which arrows of the state machine were taken, `seal` is what stores seal tokens with, and `runs` leads many runs.

pub mod arrows;
pub mod chance;
pub mod oracle;
pub mod pairs;
pub mod runs;
pub mod scenario;
pub mod seal;
pub mod twins;
