//! What a Mastodon server, or one that speaks its API, may answer. The first line may name the `gotosocial` or
//! `pleroma` flavour, and `broken` for a server that answers a repeat with 500.

use cadenced::platform::mastodon::ENTRY;
use cadenced::platform::mastodon::twin::MastodonTwin;

use super::replies::{self, Platform};

pub fn run(bytes: &[u8]) -> &'static str {
    let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let has = |word: &str| line.split(|&byte| byte == b' ').any(|found| found == word.as_bytes());
    let twin = match () {
        () if has("gotosocial") => MastodonTwin::gotosocial(),
        () if has("pleroma") => MastodonTwin::pleroma(),
        () if has("broken") => MastodonTwin::mastodon().with_duplicate_fault(),
        () => MastodonTwin::mastodon(),
    };
    let address = "https://elsewhere.example/@fan/1";
    replies::run(Platform { entry: &ENTRY, twin: Box::new(twin), address }, bytes)
}
