//! A platform that says our own secrets back.
//!
//! What it calls a post, and whose account it is, goes into the ledger, the log and every answer, and stays there. So an
//! answer that names a secret is not believed: a post that it is about may have been published, and an account of that name is
//! none. An error text goes elsewhere, and has its secrets blanked out where it is read.

use serde_json::Value;

use crate::platform::contract::{Reading, Secrets, Session};

const WHY: &str = "the platform's answer names a secret of this account";
/// A shorter secret may be part of a name by chance.
const CHANCE: usize = 8;

/// What a reply means, if it may be written down.
pub(super) fn without_secrets(reading: Reading, secrets: &Secrets, session: &Session) -> Reading {
    let mut known: Vec<&str> = secrets.0.values().map(|secret| secret.expose()).collect();
    strings(session.kept.as_ref().unwrap_or(&Value::Null), &mut known);
    let tells = |text: &str| known.iter().any(|secret| text == *secret || is_part(secret, text));
    let has_one = |value: &Value| {
        let mut said = Vec::new();
        strings(value, &mut said);
        said.into_iter().any(tells)
    };
    match reading {
        Reading::Checkpoint(data) | Reading::Found(data) if has_one(&data) => Reading::Unclear { why: WHY.into() },
        Reading::Session(Session { identity: Some(identity), .. }) if tells(&identity) => {
            Reading::Auth { why: WHY.into() }
        }
        reading => reading,
    }
}

fn is_part(secret: &str, text: &str) -> bool {
    secret.len() >= CHANCE && text.contains(secret)
}

/// All texts of a value, names of members included.
fn strings<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => found.push(text),
        Value::Array(list) => list.iter().for_each(|value| strings(value, found)),
        Value::Object(members) => {
            for (name, value) in members {
                found.push(name);
                strings(value, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::domain::Secret;

    #[test]
    fn what_names_a_secret_is_not_believed() {
        let secrets = [("token", "whsec_1234"), ("pin", "12")].map(|(key, secret)| (key.into(), Secret::new(secret)));
        let secrets = Secrets(BTreeMap::from(secrets));
        let session = Session { kept: Some(json!({"access": "fresh-token"})), ..Session::default() };
        let whose =
            |identity: &str| Reading::Session(Session { identity: Some(identity.into()), ..Session::default() });
        let believed = |reading: Reading| without_secrets(reading.clone(), &secrets, &session) == reading;
        for good in [json!({"id": "p-123", "url": "https://x.example/12/3"}), json!({"id": 12}), json!("whsec_")] {
            assert!(believed(Reading::Checkpoint(good.clone())) && believed(Reading::Found(good)));
        }
        for bad in [
            json!("whsec_1234"),
            json!({"id": ["12"]}),
            json!({"u": "https://x/whsec_1234?"}),
            json!({"fresh-token": 1}),
        ] {
            for reading in [Reading::Checkpoint(bad.clone()), Reading::Found(bad)] {
                let read = without_secrets(reading, &secrets, &session);
                assert!(matches!(&read, Reading::Unclear { .. }), "{read:?}");
                assert!(!format!("{read:?}").contains("whsec"), "{read:?}");
            }
        }
        assert!(believed(whose("ann")));
        assert!(matches!(without_secrets(whose("whsec_1234"), &secrets, &session), Reading::Auth { .. }));
        // What was learned is kept in memory only.
        assert!(believed(Reading::Learned(json!("whsec_1234"))));
    }
}
