//! The configuration: as written (`raw`), then valid by construction (`settings`).
//!
//! Every fault of the file is reported at once, each at its place. Account tables hold keys that only the adapter
//! understands; they are handed on as they stand, with the places of their keys.

pub mod settings;

pub use settings::{AccountSettings, LogFormat, Settings};
