//! Waits and carries out.
//!
//! The driver names what happened, lets the engine decide, and carries out the commands; it decides nothing itself.
//! Its world comes in as [`Parts`], so that it runs the same over the real edge and over an imitation.

pub mod driver;
#[cfg(test)]
mod tests;

pub use driver::{Ended, Handle, Input, Parts, Stage, Until, run};
