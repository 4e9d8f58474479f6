//! What Discord may answer a webhook.

use cadenced::platform::discord::ENTRY;
use cadenced::platform::discord::twin::DiscordTwin;

use super::replies::{self, Platform};

pub fn run(bytes: &[u8]) -> &'static str {
    replies::run(
        Platform {
            entry: &ENTRY,
            twin: Box::new(DiscordTwin::default()),
            address: "https://discord.com/channels/1/2/3",
        },
        bytes,
    )
}
