//! Begins attempts and carries them on.
//!
//! `begin` takes what the plan has chosen, `owed` what is to be tried again, `found` what is to be looked for; `intend` makes the
//! attempt, and `intent` what is recorded of it before anything leaves. `course` carries it from step to step, `ending` says
//! how it ends. `moved` knows what was begun elsewhere, `others` what else the account has published.
//!
//! None of them decides how to proceed with a delivery (that is `deliver`) or whose turn it is (that is `plan`).

mod begin;
mod course;
mod ending;
mod found;
mod intend;
mod intent;
mod moved;
mod others;
mod owed;

pub(super) use intent::with_link;
pub(super) use owed::UNWANTED;
