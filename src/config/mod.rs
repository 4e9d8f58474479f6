//! The configuration: `read` takes the text, `settings` is what is valid by construction, `keys` lists what may be
//! written, and the sample `config/cadenced.toml` says what holds when nothing is.
//!
//! Every fault of the file is reported at once, each at its place. Account tables hold keys that only the adapter
//! understands; they are handed on as they stand, with the places of their keys.

mod changes;
pub mod keys;
pub mod read;
pub mod settings;
pub mod values;

pub use changes::{Changes, changes};
pub use read::{ConfigEnv, read};
pub use settings::{AccountSettings, LogFormat, Settings};

/// The sample configuration: every key with its default, for people to start from.
pub const SAMPLE: &str = include_str!("../../config/cadenced.toml");
