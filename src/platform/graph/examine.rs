//! What Threads and Instagram tell of an account: its name, what is left of the day's posts, and, to tokens of Facebook's
//! login, the permissions. To their own logins' tokens they tell permissions by `debug_token` only, which wants the token
//! in an address; so there a missing one is seen by the first post that needs it.

use serde_json::Value;

use super::publishing::Account;
use super::wire::{self, Wire};
use super::{errors, token};
use crate::domain::Secret;
use crate::platform::contract::examine::{Examination, Facts, Life, Note, Permission, allowance, permissions};
use crate::platform::contract::{Ask, HttpReply, Session};

/// For accounts that are reached by Facebook's login.
const BY_FACEBOOK: &[Permission] = &[
    Permission { any_of: &["instagram_content_publish"], always: true, purpose: "every post" },
    Permission { any_of: &["instagram_basic"], always: true, purpose: "looking for a post whose answer was lost" },
];

/// Asks for name, allowance and permissions, and says what was told.
pub fn examine(account: &Account, about: &Examination<'_>, replies: &[HttpReply]) -> Ask<Facts> {
    let Some(token) = token::at_hand(about.session, about.secrets, about.now) else {
        return Ask::Done(Facts::default());
    };
    let proof = account.app_secret.as_ref().and(about.secrets.get(token::APP_SECRET));
    let proof = proof.map(|secret| wire::proof(secret, &token));
    let wire = Wire { base: &account.base, version: &account.version, token: token.clone(), proof };
    let by_facebook = account.user.is_some();
    let me = account.user.as_deref().unwrap_or("me");
    match replies {
        [] => return Ask::Call(wire.get(&[me], &[("fields", "username")])),
        [_] => {
            let id = if account.dialect.by_me { "me" } else { about.session.identity.as_deref().unwrap_or(me) };
            return Ask::Call(wire.get(&[id, account.dialect.quota], &[("fields", "quota_usage,config")]));
        }
        [_, _] if by_facebook => return Ask::Call(wire.get(&["me", "permissions"], &[])),
        _ => {}
    }
    let value = |place: usize| {
        let reply = replies.get(place).filter(|reply| reply.status == 200);
        reply.and_then(HttpReply::value).unwrap_or_default()
    };
    let mut facts = Facts::default();
    if by_facebook {
        facts.notes.push(Note::ok("a token of Facebook's login is not renewed here; a Page's has no end of its own"));
    } else {
        facts.token = Some(life(about.session, about.secrets.get(token::TOKEN)));
    }
    facts.name = value(0)["username"].as_str().map(|name| format!("@{}", errors::plain(name)));
    let told = value(1);
    let (used, total) = (told["data"][0]["quota_usage"].as_u64(), told["data"][0]["config"]["quota_total"].as_u64());
    facts.notes.push(match (used, total) {
        (Some(used), Some(total)) => allowance(used, total, "posts a day"),
        _ => Note::ok("it does not tell what is left of the day's posts"),
    });
    if by_facebook {
        facts.notes.extend(of_permissions(&value(2)));
    }
    Ask::Done(facts)
}

fn of_permissions(told: &Value) -> Vec<Note> {
    let Some(listed) = told["data"].as_array() else {
        return vec![Note::ok("it does not tell the token's permissions, as it never does for a Page's token")];
    };
    let has = |name: &str| listed.iter().any(|held| held["permission"] == name && held["status"] == "granted");
    permissions(BY_FACEBOOK, has, "log in again, and let the app have it")
}

/// A long-lived token is changed for a fresh one in time. Where that does not work, its end is not known.
fn life(session: &Session, configured: Option<&Secret>) -> Life {
    match token::ends(session, configured) {
        Some(_) => Life::Renewed,
        None => Life::Untold,
    }
}
