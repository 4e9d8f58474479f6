//! What relays may say.

use cadenced::platform::nostr::ENTRY;

use super::replies::{self, Platform};

pub fn run(bytes: &[u8]) -> &'static str {
    let address = "https://elsewhere.example/notes/1";
    replies::run(Platform { entry: &ENTRY, twin: (ENTRY.twin)(), address }, bytes)
}
