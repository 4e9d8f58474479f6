//! What a server tells of an account and its token. Scopes are told by `/oauth/token/info`, which Mastodon has from the
//! library that gives its tokens and does not document; a server without it leaves them unknown.

use super::Mastodon;
use super::wire::Wire;
use crate::platform::contract::examine::{Examination, Facts, Life, Note, Permission, permissions};
use crate::platform::contract::{Adapter as _, Ask, HttpReply, quoted};

const WANTED: &[Permission] = &[
    Permission { any_of: &["write:statuses", "write"], always: true, purpose: "every post" },
    Permission {
        any_of: &["read:statuses", "read"],
        always: true,
        purpose: "looking for a post whose answer was lost",
    },
    Permission { any_of: &["write:media", "write"], always: false, purpose: "a post with media" },
    Permission { any_of: &["read:search", "read"], always: false, purpose: "an answer to somebody else's post" },
    Permission {
        any_of: &["read:notifications", "read"],
        always: false,
        purpose: "seeing who has spoken to the account",
    },
];

impl Mastodon {
    pub(super) fn examined(&self, about: &Examination<'_>, replies: &[HttpReply]) -> Ask<Facts> {
        let Some(token) = about.secrets.get("token") else { return Ask::Done(Facts::default()) };
        let wire = Wire { base: &self.base, token };
        let [me, instance, info] = replies else {
            return Ask::Call(match replies {
                [] => wire.verify_credentials(),
                [_] => wire.instance_v2(),
                _ => wire.token_info(),
            });
        };
        let value = |reply: &HttpReply| reply.value().filter(|_| reply.status == 200).unwrap_or_default();
        let quote = |text: &str| quoted(text, &[token.expose()]);
        let (me, instance, info) = (value(me), value(instance), value(info));
        let mut facts = Facts { token: Some(Life::Endless), ..Facts::default() };
        facts.name = me["acct"].as_str().map(|name| format!("@{} on {}", quote(name), self.host()));
        if let Some(version) = instance["version"].as_str() {
            facts.notes.push(Note::ok(format!("the server runs {}", quote(version))));
        }
        let listed = info["scope"].as_array().or_else(|| info["scopes"].as_array());
        let Some(scopes) = listed else {
            facts.notes.push(Note::ok("the server does not tell the token's scopes"));
            return Ask::Done(facts);
        };
        let has = |scope: &str| scopes.iter().any(|held| held.as_str() == Some(scope));
        facts.notes.extend(permissions(WANTED, has, "make a token with the scopes read and write"));
        if let Some(left) = info["expires_in"].as_u64().filter(|left| *left > 0) {
            let left = std::time::Duration::from_secs(left);
            facts.token = Some(Life::Until(crate::domain::time::after(about.now, left)));
        }
        Ask::Done(facts)
    }
}
