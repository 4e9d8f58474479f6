//! The edge: the only code that touches the world.
//!
//! Each file owns one effect and implements a trait of [`crate::parts`] or [`crate::ledger`]; `app` puts them
//! together. Nothing here decides what is published, when, or what a reply means: the edge carries out what it is
//! told and says truthfully what came of it. What it reads from disk or network is hostile until it has been
//! measured: sizes, times and kinds are bounded here, contents are judged further in.

pub mod beneath;
pub mod caller;
pub mod chance;
pub mod chores;
pub mod clock;
pub mod complaints;
pub mod control;
pub mod disk;
pub mod exec;
pub mod files;
pub mod film;
pub mod http;
pub mod inbox;
pub mod journal;
pub mod keygen;
pub mod manager;
pub mod media;
pub mod people;
pub mod relay;
pub mod secrets;
pub mod signals;
pub mod signatures;
pub mod sled_index;
pub mod standing;
pub mod store;
pub mod terminal;
