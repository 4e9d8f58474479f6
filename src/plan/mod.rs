//! Whether and when: a pure function of the posts, the policy, what the ledger says, and `now`.
//!
//! A [`Lane`] is one account's share of the plan: an index over its waiting deliveries, kept up to date post by post,
//! so that one step costs the same for ten posts and for a million. Nothing of it is stored; it is derived anew at
//! every start. [`Lane::step`] says what changes now, what is to be sent now, and when to ask again;
//! [`Lane::project`] is the same rule run ahead in time, for `cadenced plan`.

mod ahead;
pub mod draw;
mod gates;
mod index;
pub mod lane;
mod owed;
mod past;
mod purse;
pub mod slots;
mod turn;

pub use ahead::{EMPTY_SLOTS, OWED, Runway};
pub use draw::draw;
pub use index::{fixed_time, is_broadcast, is_over};
pub use lane::{Brakes, Choice, Lane, Projected, Step, Verdict, Whole};
pub use turn::CLOSE;

#[cfg(test)]
mod tests;
