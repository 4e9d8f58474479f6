//! What the Graph API may answer. The first line may name `drafts` for a Facebook that shows drafts at once.

use cadenced::platform::facebook::ENTRY;
use cadenced::platform::facebook::twin::FacebookTwin;

use super::replies::{self, Platform};

pub fn run(bytes: &[u8]) -> &'static str {
    let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let shows_drafts = line.split(|&byte| byte == b' ').any(|found| found == b"drafts");
    let twin = if shows_drafts { FacebookTwin::new().showing_drafts() } else { FacebookTwin::new() };
    let address = "https://www.facebook.com/1/posts/2";
    replies::run(Platform { entry: &ENTRY, twin: Box::new(twin), address }, bytes)
}
