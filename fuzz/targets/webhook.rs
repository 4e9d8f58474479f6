//! What a receiver of signed posts may answer. The first line may name the `forgetful` kind, which promises nothing.

use cadenced::platform::webhook::ENTRY;
use cadenced::platform::webhook::twin::Receiver;

use super::replies::{self, Platform};

pub fn run(bytes: &[u8]) -> &'static str {
    let line = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let forgets = line.split(|&byte| byte == b' ').any(|word| word == b"forgetful");
    let twin = if forgets { Receiver::plain() } else { Receiver::repeatable() };
    replies::run(Platform { entry: &ENTRY, twin: Box::new(twin), address: "https://elsewhere.example/1" }, bytes)
}
