//! Which token is used, and how it stays alive.
//!
//! The configured secret is a long-lived token: it lives for sixty days and can be changed for a fresh one once it is a
//! day old. What a refresh gives is kept in [`Session::kept`](crate::platform::contract::Session::kept), so that it outlives the process; the configured token
//! stays good until its own end, so nothing is lost where it cannot be kept. How long the configured token has to live,
//! nobody tells; so it is changed at first use, and from then on the end is known and the token is changed at half life.
//! A refresh that does not work stops nothing: the token in hand is used until Meta refuses it.
//!
//! A kept token belongs to the secret it came from. With another secret, which a person has put there, it counts no more;
//! and when Meta refuses it, the configured one is tried once more before the account is stopped.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::domain::{Digest, Secret, Timestamp, time};
use crate::platform::contract::examine::{End, Ending};
use crate::platform::contract::{Attempt, HttpReply, Reading, Secrets, Session};

/// Keys of the account table.
pub const TOKEN: &str = "token";
pub const APP_SECRET: &str = "app_secret";

/// A token with less than this to live is changed: half of its life.
const HALF_LIFE: Duration = Duration::from_secs(30 * 86_400);
/// How long a refresh that was refused is not asked for again. A token must be a day old.
const AGAIN: Duration = Duration::from_secs(86_400);

/// Key of the session's values: when a refresh was tried last, in seconds.
const TRIED: &str = "refreshed_at";
/// Key of the session's values: the mark of the secret whose account the identity is.
const OF: &str = "identity_of";
/// Key of the session's values: the mark of the kept token that Meta has refused. A session cannot say that nothing is
/// kept, so the token stays where it is and is not looked at any more.
const REFUSED: &str = "refused";

/// What is kept of a refresh.
#[derive(Serialize, Deserialize)]
struct Kept {
    token: String,
    /// Mark of the configured secret that it stands for.
    of: String,
    /// In seconds, by our clock.
    expires: i64,
}

/// The configured secret, by a hash that tells nothing.
fn mark(secret: &Secret) -> String {
    mark_of(secret.expose())
}

fn mark_of(token: &str) -> String {
    Digest::of(format!("cadenced-token {token}").as_bytes()).hex()[..16].to_owned()
}

fn configured<'a>(attempt: &'a Attempt<'_>) -> Option<&'a Secret> {
    attempt.secrets.get(TOKEN).filter(|secret| !secret.expose().trim().is_empty())
}

fn kept(attempt: &Attempt<'_>) -> Option<Kept> {
    kept_of(attempt.session, configured(attempt)?).filter(|kept| kept.expires > attempt.now.as_second())
}

fn kept_of(session: &Session, configured: &Secret) -> Option<Kept> {
    let kept = Kept::deserialize(session.kept.as_ref()?).ok()?;
    let refused = session.values.get(REFUSED).and_then(serde_json::Value::as_str);
    (kept.of == mark(configured) && refused != Some(mark_of(&kept.token).as_str())).then_some(kept)
}

/// The token to ask questions with.
pub fn at_hand(session: &Session, secrets: &Secrets, now: Timestamp) -> Option<Secret> {
    let configured = secrets.get(TOKEN)?;
    let kept = kept_of(session, configured).filter(|kept| kept.expires > now.as_second());
    Some(kept.map_or_else(|| configured.clone(), |kept| Secret::new(kept.token)))
}

/// When the token ends that a refresh has given.
pub fn ends(session: &Session, configured: Option<&Secret>) -> Option<Timestamp> {
    Timestamp::from_second(kept_of(session, configured?)?.expires).ok()
}

/// The same as an end that is to be announced: nobody replaces the token where refreshing does not work any more, and
/// where it does, the end is never near.
pub fn end(session: &Session, secrets: &Secrets) -> Vec<End> {
    ends(session, secrets.get(TOKEN)).map(|at| End { of: Ending::Token, at }).into_iter().collect()
}

/// The token to use now.
pub fn current(attempt: &Attempt<'_>) -> Option<Secret> {
    kept(attempt).map(|kept| Secret::new(kept.token)).or_else(|| configured(attempt).cloned())
}

/// What must not show up in anything that is said.
pub fn hidden(attempt: &Attempt<'_>) -> Vec<String> {
    let held = [TOKEN, APP_SECRET].into_iter().filter_map(|key| attempt.secrets.get(key));
    let held = held.map(|secret| secret.expose().to_owned());
    // The longer ones first: one may begin with the other.
    let mut hidden: Vec<String> = kept(attempt).map(|kept| kept.token).into_iter().chain(held).collect();
    hidden.sort_by_key(|text| std::cmp::Reverse(text.len()));
    hidden
}

/// Whether the token should be changed for a fresh one before anything else.
pub fn wants_refresh(attempt: &Attempt<'_>) -> bool {
    let tried = attempt.session.values.get(TRIED).and_then(serde_json::Value::as_i64);
    if tried.and_then(|at| Timestamp::from_second(at).ok()).is_some_and(|at| time::since(attempt.now, at) < AGAIN) {
        return false;
    }
    let left = |kept: Kept| Timestamp::from_second(kept.expires).map(|end| time::since(end, attempt.now));
    kept(attempt).is_none_or(|kept| left(kept).is_ok_and(|left| left < HALF_LIFE))
}

/// What the reply to a refresh means.
pub fn refreshed(attempt: &Attempt<'_>, reply: &HttpReply) -> Reading {
    let mut session = attempt.session.clone();
    session.values.insert(TRIED.into(), json!(attempt.now.as_second()));
    let value = reply.value().filter(|_| reply.status == 200).unwrap_or_default();
    let token = value["access_token"].as_str().filter(|token| {
        // A token becomes a header: nothing that could end the line may be in it.
        (8..4096).contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic())
    });
    let life = value["expires_in"].as_u64().filter(|life| *life > 0);
    if let (Some(token), Some(life), Some(secret)) = (token, life, configured(attempt)) {
        let expires = time::after(attempt.now, Duration::from_secs(life)).as_second();
        session.kept = Some(json!(Kept { token: token.into(), of: mark(secret), expires }));
    }
    // A refusal tells that this token cannot be changed, not that nothing can be asked with it: the next call decides.
    Reading::Session(session)
}

/// Meta refuses the token: back to the configured one, or the account has to wait for a person.
pub fn refused(attempt: &Attempt<'_>, why: String) -> Reading {
    let Some(kept) = kept(attempt) else { return Reading::Auth { why } };
    let mut session = attempt.session.clone();
    session.values.insert(REFUSED.into(), json!(mark_of(&kept.token)));
    Reading::Session(session)
}

/// Whose token it is, if that is known of this very secret.
pub fn identity<'a>(attempt: &'a Attempt<'_>) -> Option<&'a str> {
    let session = attempt.session;
    let of = session.values.get(OF)?.as_str()?;
    session.identity.as_deref().filter(|_| configured(attempt).is_some_and(|secret| of == mark(secret)))
}

/// The session that knows it.
pub fn identified(attempt: &Attempt<'_>, id: String) -> Reading {
    let mut session = attempt.session.clone();
    session.identity = Some(id);
    session.values.insert(OF.into(), json!(configured(attempt).map(mark)));
    Reading::Session(session)
}
