//! Signed approvals: what counts as one, whose, until when; compared with the real `ssh-keygen` where it is there, and
//! through the program itself.

#![cfg(test)]
#![expect(clippy::disallowed_macros, reason = "what cannot be tested on a machine is said on stderr")]

mod approving;
mod keygen;
mod keys;
mod program;
mod reload;
mod sheets;
mod signers;
mod vouched;
mod watched;

#[path = "../support/house.rs"]
mod house;
#[path = "../support/program.rs"]
mod support;
