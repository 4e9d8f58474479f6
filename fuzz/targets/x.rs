//! What X may answer.

use cadenced::platform::x::ENTRY;
use cadenced::platform::x::twin::SUMMONS;

use super::replies::{self, Platform};

pub fn run(bytes: &[u8]) -> &'static str {
    replies::run(Platform { entry: &ENTRY, twin: (ENTRY.twin)(), address: SUMMONS }, bytes)
}
