//! What a Bluesky server may answer.

use cadenced::platform::bluesky::ENTRY;

use super::replies::{self, Platform};

pub fn run(bytes: &[u8]) -> &'static str {
    let address = "at://fan.test/app.bsky.feed.post/3kfanpost3333";
    replies::run(Platform { entry: &ENTRY, twin: (ENTRY.twin)(), address }, bytes)
}
