//! What Threads may answer. The first line may say `unready`, for a container that is finished and cannot be found for a while,
//! and `denied`, for a publishing call that is carried out and answered with an error.

use cadenced::platform::threads::ENTRY;
use cadenced::platform::threads::twin::ThreadsTwin;

use super::replies::{self, Platform};

pub fn run(bytes: &[u8]) -> &'static str {
    let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let has = |word: &str| line.split(|&byte| byte == b' ').any(|found| found == word.as_bytes());
    let mut twin = ThreadsTwin::new();
    if has("unready") {
        twin.lose_sight(6);
    }
    if has("denied") {
        twin.deny(1);
    }
    replies::run(
        Platform { entry: &ENTRY, twin: Box::new(twin), address: "https://www.threads.com/@fan/post/1" },
        bytes,
    )
}
