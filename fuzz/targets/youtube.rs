//! What YouTube may answer.

use cadenced::platform::youtube::ENTRY;

use super::replies::{self, Platform};

pub fn run(bytes: &[u8]) -> &'static str {
    // Nobody is answered there.
    replies::run(Platform { entry: &ENTRY, twin: (ENTRY.twin)(), address: "" }, bytes)
}
