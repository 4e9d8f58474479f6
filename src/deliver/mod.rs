//! How to proceed with one delivery: the delivery protocol, written once for all platforms.
//!
//! [`Delivery`] is one delivery in progress. It is asked what to do ([`Delivery::proceed`]), told what came back
//! ([`Delivery::answered`]), and says what to do next as an [`Act`]: a call to make, a fact to make durable before
//! anything else, a moment to sleep until, or the outcome. It does nothing itself.
//!
//! Invariants:
//! - "May have arrived" on a publishing step becomes `ambiguous` here and nowhere else, and an ambiguous step is never
//!   sent again before a look-back has said twice, after the settle time, that it is not there.
//! - Every result that stays on the platform is a checkpoint that is durable before the next call.
//! - Nothing is sent for a post that has been withdrawn or changed: it is only looked for.
//!
//! What this room does not do: choose posts (that is `plan`), order deliveries (`engine`), touch the network (`edge`).

pub mod delivery;
mod echo;
pub mod probe;
pub mod public;
pub mod retry;

pub use delivery::{Act, Delivery, Progress, Wanted};
pub use probe::{Probe, Verdict};
