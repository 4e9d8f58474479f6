//! The configuration, up to the adapters that are built from it.

use std::path::Path;

use cadenced::cli::check::{build, platform_keys};
use cadenced::config::read::{self, ConfigEnv, Draft};
use cadenced::domain::Fault;
use cadenced::platform::REGISTRY;

/// A secret that somebody has written into the file by mistake.
const SECRET: &str = "tok3n-in-place";

pub fn run(bytes: &[u8]) -> &'static str {
    let (draft, _) = read(bytes);
    for fault in &draft.faults {
        let span = fault.place.span.as_ref().map(|span| (span.start, span.end));
        assert!(span.is_none_or(|(start, end)| start <= end && end <= bytes.len()), "{fault:?} lies outside");
    }
    let end = match (&draft.settings, draft.usable) {
        (None, usable) => {
            assert!(!usable && !draft.faults.is_empty(), "a file that is not looked at is refused");
            "not looked at"
        }
        (Some(_), false) => {
            assert!(!draft.faults.is_empty(), "what cannot be used has a fault");
            "refused"
        }
        (Some(settings), true) if settings.accounts.is_empty() => "no accounts",
        (Some(_), true) => "accounts",
    };
    no_message_quotes_a_secret(bytes);
    end
}

/// The draft, and all there is to say about it.
fn read(bytes: &[u8]) -> (Draft, Vec<Fault>) {
    let platforms = platform_keys(REGISTRY);
    let env = ConfigEnv { state_directory: None, runtime_directory: None, platforms: &platforms };
    let draft = read::draft(Path::new("/etc/cadenced/cadenced.toml"), bytes, &env);
    let built = draft.settings.as_ref().map(|settings| build(settings, REGISTRY));
    let faults = draft.faults.iter().cloned().chain(built.into_iter().flat_map(|(_, faults)| faults)).collect();
    (draft, faults)
}

fn no_message_quotes_a_secret(bytes: &[u8]) {
    let account = format!("\n[accounts.zz]\nplatform = \"mastodon\"\nbase_url = \"{SECRET}\"\ntoken = \"{SECRET}\"\n");
    let (_, faults) = read(&[bytes, account.as_bytes()].concat());
    let told = faults.iter().find(|fault| fault.to_string().contains(SECRET));
    assert_eq!(told, None, "a value of an account's table is quoted");
}
