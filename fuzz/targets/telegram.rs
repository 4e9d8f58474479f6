//! What the Bot API may answer.

use cadenced::platform::telegram::ENTRY;
use cadenced::platform::telegram::twin::TelegramTwin;

use super::replies::{self, Platform};

pub fn run(bytes: &[u8]) -> &'static str {
    replies::run(
        Platform { entry: &ENTRY, twin: Box::new(TelegramTwin::default()), address: "https://t.me/elsewhere/1" },
        bytes,
    )
}
