//! What is different between two configurations, for the log of a reload.

use std::collections::BTreeSet;
use std::fmt::Debug;

use super::settings::{AccountSettings, Settings};

/// What has changed, as the names of keys; and whether some of it waits for a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Such as `accounts.fedi.slots` or `accounts.old: gone`, in the order of the file's sections.
    pub keys: Vec<String>,
    /// Those of them that are in force after a restart only.
    pub later: Vec<String>,
}

/// Compares what was in force with what comes into force. Secrets are not looked at: only where they are kept.
pub fn changes(before: &Settings, after: &Settings) -> Changes {
    let mut changes = Changes::default();
    let mut at_once = |key: &str, differs: bool| {
        if differs {
            changes.keys.push(key.into());
        }
    };
    at_once("queue.approval", before.queue.approval != after.queue.approval);
    at_once("queue.allowed_signers", before.queue.allowed_signers != after.queue.allowed_signers);
    at_once(
        "store.seal",
        unlike(&before.seal.as_ref().map(|seal| &seal.secret), &after.seal.as_ref().map(|seal| &seal.secret)),
    );
    at_once("log.level", before.log.level != after.log.level);
    at_once("control.token", before.control.token != after.control.token);
    let names: BTreeSet<_> = before.accounts.keys().chain(after.accounts.keys()).collect();
    for name in names {
        match (before.accounts.get(name), after.accounts.get(name)) {
            (Some(old), Some(new)) => {
                changes.keys.extend(of_account(old, new).into_iter().map(|key| format!("accounts.{name}.{key}")));
            }
            (None, _) => changes.keys.push(format!("accounts.{name}: new")),
            (_, None) => changes.keys.push(format!("accounts.{name}: gone")),
        }
    }
    let mut later = |key: &str, differs: bool| {
        if differs {
            changes.keys.push(key.into());
            changes.later.push(key.into());
        }
    };
    later("timezone of the status page", before.zone != after.zone);
    later("queue.path", before.queue.path != after.queue.path);
    later("store.path", before.store != after.store);
    later("log.format", before.log.format != after.log.format);
    later("control.socket", before.control.socket != after.control.socket);
    later("control.listen", before.control.listen != after.control.listen);
    later("control.allow_remote", before.control.allow_remote != after.control.allow_remote);
    later("delivery.stop_timeout", before.stop_timeout != after.stop_timeout);
    later("people", before.people != after.people);
    later("digest", unlike(&before.digest, &after.digest));
    later("chores", before.chores != after.chores);
    changes
}

fn of_account(old: &AccountSettings, new: &AccountSettings) -> Vec<String> {
    let mut keys = Vec::new();
    let mut add = |key: &str, differs: bool| {
        if differs {
            keys.push(key.to_owned());
        }
    };
    add("platform", old.platform != new.platform);
    add("slots", unlike(&old.schedule, &new.schedule));
    add("policy", unlike(&old.policy, &new.policy));
    add("delivery", unlike(&old.rules, &new.rules));
    add("links", unlike(&old.links, &new.links));
    add("paused", old.paused != new.paused);
    add("identity", old.identity != new.identity);
    add("token_expires", old.token_expires != new.token_expires);
    let named: BTreeSet<_> = old.table.keys().chain(new.table.keys()).collect();
    for key in named {
        add(key, old.table.get(key) != new.table.get(key));
    }
    keys.sort();
    keys.dedup();
    keys
}

/// For what has no comparison of its own; what is printed of settings is all there is in them.
fn unlike(before: &impl Debug, after: &impl Debug) -> bool {
    format!("{before:?}") != format!("{after:?}")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::read::{ConfigEnv, draft};
    use super::*;

    fn settings(text: &str) -> Settings {
        let platforms = [("mastodon", vec!["base_url", "token"]), ("site", vec!["path"])].into();
        let env = ConfigEnv { state_directory: Some("/s"), runtime_directory: Some("/r"), platforms: &platforms };
        let draft = draft(Path::new("/etc/cadenced/cadenced.toml"), text.as_bytes(), &env);
        draft.settings.unwrap_or_else(|| panic!("{:?}", draft.faults))
    }

    const BEFORE: &str = r#"
timezone = "UTC"
[log]
level = "info"
[accounts.fedi]
platform = "mastodon"
base_url = "https://a.example"
token = { credential = "fedi" }
slots = ["0 9 * * *"]
[accounts.old]
platform = "site"
slots = []
"#;

    #[test]
    fn the_same_again_has_not_changed() {
        let moved = format!("# A remark moves every place.\n{BEFORE}");
        assert_eq!(changes(&settings(BEFORE), &settings(&moved)), Changes::default());
    }

    #[test]
    fn keys_that_differ_are_named_and_what_waits_for_a_restart_is_told_apart() {
        let after = BEFORE
            .replace("level = \"info\"", "level = \"debug\"")
            .replace("a.example", "b.example")
            .replace("credential = \"fedi\"", "credential = \"other\"")
            .replace("0 9 * * *", "0 10 * * *")
            .replace("[accounts.old]", "paused = true\n[accounts.young]")
            .replace("timezone = \"UTC\"", "timezone = \"Europe/Berlin\"")
            + "[policy]\nmax_per_day = 2\n[people]\nrecord = false\n[control]\nlisten = \"127.0.0.1:8321\"\n";
        let found = changes(&settings(BEFORE), &settings(&after));
        let keys = [
            "log.level",
            "accounts.fedi.base_url",
            "accounts.fedi.paused",
            "accounts.fedi.policy",
            "accounts.fedi.slots",
            "accounts.fedi.token",
            "accounts.old: gone",
            "accounts.young: new",
            "timezone of the status page",
            "control.listen",
            "people",
        ];
        assert_eq!(found.keys, keys);
        assert_eq!(found.later, ["timezone of the status page", "control.listen", "people"]);
    }
}
