//! How much of what was delivered a figure can speak for.

use serde::Serialize;

/// Of how many deliveries something is known, and why not of the others. The four parts add up to `deliveries`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Measured {
    /// Posts of ours, on each account, that were delivered within the time that is looked at.
    pub deliveries: u64,
    /// Something is known of these; a figure counts them alone.
    pub measured: u64,
    /// Nobody has looked at them yet.
    pub not_yet: u64,
    /// They were looked at, and the platform does not tell this.
    pub silent: u64,
    /// They were not there any more before this was known of them.
    pub gone: u64,
}
