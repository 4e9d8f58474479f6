//! The access token, and whose channel it is.
//!
//! A person has connected the channel once; what remains of that is a refresh token, which does not rotate. With it an
//! access token is got when one is needed, and kept in [`Session::values`], in memory only, for the hour that it lives.
//! Its life is counted from when it arrived. A token that is refused is thrown away and another one is got; that this
//! does not go in circles, `deliver` sees to: it bounds how often a session may change in one attempt.
//!
//! A refresh token that Google no longer takes is a person's business. The commonest cause is told with it: while the
//! project's consent screen is in testing, every refresh token ends after seven days.

use std::time::Duration;

use serde_json::{Value, json};

use super::reading::items;
use super::wire::{Ear, Trouble, Wire};
use crate::domain::{Secret, Timestamp, time};
use crate::platform::contract::{Attempt, Effect, HttpReply, Next, Reading, Session, Step};

/// Steps of their own.
pub const TOKEN: &str = "token";
pub const CHANNEL: &str = "channel";
/// The keys of the account table that name secrets.
pub const CLIENT_SECRET: &str = "client_secret";
pub const REFRESH_TOKEN: &str = "refresh_token";

/// A token is replaced when it has less than this to live, so that it does not expire under way.
const MARGIN: Duration = Duration::from_secs(120);
/// How long a token lives that does not say.
const LIFE_UNTOLD: Duration = Duration::from_secs(1800);
/// Any one of these is enough for all that is asked here.
const SCOPES: [&str; 3] = ["youtube.force-ssl", "youtube", "youtubepartner"];

const ACCESS: &str = "access_token";
/// When it arrived and how long it lives, in milliseconds.
const ISSUED: &str = "issued_ms";
const LIFE: &str = "life_ms";
/// When the refresh token ends, in seconds, where Google has said so.
const REFRESH_ENDS: &str = "refresh_ends";
/// When an access token was refused last.
const REFUSED: &str = "refused_at";
/// Two refusals within that time are one fault.
const AGAIN: Duration = Duration::from_secs(120);

/// The access token to go on with, once it is known whose channel it opens.
///
/// # Errors
/// The step that gets one or asks, or [`Next::Auth`] when there is nothing to get one with.
pub fn access(wire: &Wire, client: &str, attempt: &Attempt<'_>) -> Result<Secret, Box<Next>> {
    let secret = |key: &str| attempt.secrets.get(key).filter(|secret| !secret.expose().trim().is_empty());
    let (Some(client_secret), Some(refresh)) = (secret(CLIENT_SECRET), secret(REFRESH_TOKEN)) else {
        return Err(Box::new(Next::Auth("the client secret or the refresh token is not given".into())));
    };
    let harmless = |name: &str, call| Next::Call(Step { name: name.into(), effect: Effect::Harmless, call });
    let Some(access) = held(attempt.session, attempt.now) else {
        return Err(Box::new(harmless(TOKEN, wire.refresh(client, client_secret, refresh))));
    };
    match &attempt.session.identity {
        Some(_) => Ok(access),
        None => Err(Box::new(harmless(CHANNEL, wire.own_channel(&access)))),
    }
}

/// The access token, unless it is about to expire.
pub fn held(session: &Session, now: Timestamp) -> Option<Secret> {
    let number = |key: &str| session.values.get(key)?.as_i64();
    let issued = Timestamp::from_millisecond(number(ISSUED)?).ok()?;
    let life = Duration::from_millis(u64::try_from(number(LIFE)?).ok()?);
    let fresh = now < time::after(issued, life.saturating_sub(MARGIN.min(life / 2)));
    session.values.get(ACCESS)?.as_str().filter(|_| fresh).map(Secret::new)
}

/// When the refresh token ends. Google says so where the person has given access for a time only.
pub fn refresh_ends(session: &Session) -> Option<Timestamp> {
    Timestamp::from_second(session.values.get(REFRESH_ENDS)?.as_i64()?).ok()
}

/// What must not show up in anything that is said.
pub fn hidden(attempt: &Attempt<'_>) -> Vec<String> {
    let access = attempt.session.values.get(ACCESS).and_then(Value::as_str);
    let secrets = [CLIENT_SECRET, REFRESH_TOKEN].into_iter().filter_map(|key| attempt.secrets.get(key));
    access.into_iter().chain(secrets.map(Secret::expose)).map(str::to_owned).collect()
}

/// The session without a token that was refused. Whose channel it is remains known.
/// Where its successor is refused as well, another one would be, too.
pub fn refused(attempt: &Attempt<'_>, why: String) -> Reading {
    let mut session = attempt.session.clone();
    let before = session.values.get(REFUSED).and_then(Value::as_i64);
    let before = before.and_then(|at| Timestamp::from_millisecond(at).ok());
    if before.is_some_and(|at| time::since(attempt.now, at) < AGAIN) {
        return Reading::Auth { why: format!("a token that was just given is refused: {why}") };
    }
    session.values.insert(REFUSED.into(), attempt.now.as_millisecond().into());
    session.values.remove(ACCESS);
    Reading::Session(session)
}

/// What the reply to [`TOKEN`] means. Its errors have a form of their own.
pub fn read_token(attempt: &Attempt<'_>, ear: &Ear, reply: &HttpReply) -> Reading {
    let value = reply.value().unwrap_or_default();
    let word = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
    if !matches!(reply.status, 200 | 201) {
        let why = format!("{} {} {}", reply.status, ear.quote(word("error")), ear.quote(word("error_description")));
        let why = why.trim_end().to_owned();
        return match (word("error"), reply.status) {
            ("invalid_grant", _) => Reading::Auth {
                why: format!(
                    "{why}; the refresh token has ended: connect the channel again. Where that happens every week, the \
                     project's consent screen is still in testing: publish it"
                ),
            },
            ("invalid_client" | "unauthorized_client" | "deleted_client" | "invalid_request" | "invalid_scope", _)
            | ("unsupported_grant_type" | "org_internal" | "admin_policy_enforced" | "disabled_client", _) => {
                Reading::Auth { why: format!("{why}; look at client_id and client_secret") }
            }
            _ => match ear.understand(reply) {
                Err(Trouble::TooMuch { until, .. }) => Reading::RateLimited { until, why },
                Err(Trouble::Unknown { after, .. }) => Reading::Retry { after, why },
                _ => Reading::Retry { after: None, why },
            },
        };
    }
    let scope = word("scope");
    let may = |name: &str| SCOPES.iter().any(|scope| name.rsplit_once("/auth/").is_some_and(|(_, it)| it == *scope));
    if !scope.is_empty() && !scope.split(' ').any(may) {
        let why = "the token may not manage videos: connect the channel again with the scope youtube.force-ssl";
        return Reading::Auth { why: why.into() };
    }
    // A token becomes a header: nothing that could end the line may be in it.
    let access = word("access_token");
    if access.is_empty() || !access.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Reading::Retry { after: None, why: format!("{}: there is no token in the reply", reply.status) };
    }
    let life = value.get("expires_in").and_then(Value::as_u64).map_or(LIFE_UNTOLD, Duration::from_secs);
    let mut session = attempt.session.clone();
    session.values.insert(ACCESS.into(), json!(access));
    session.values.insert(ISSUED.into(), json!(attempt.now.as_millisecond()));
    session.values.insert(LIFE.into(), json!(i64::try_from(life.as_millis()).unwrap_or(i64::MAX)));
    match value.get("refresh_token_expires_in").and_then(Value::as_u64) {
        Some(life) => {
            let end = time::after(attempt.now, Duration::from_secs(life));
            session.values.insert(REFRESH_ENDS.into(), json!(end.as_second()));
        }
        None => _ = session.values.remove(REFRESH_ENDS),
    }
    Reading::Session(session)
}

/// What the reply to [`CHANNEL`] means: one token opens one channel.
pub fn read_channel(attempt: &Attempt<'_>, channels: &Value) -> Reading {
    let Some(items) = items(channels, "channel") else {
        return Reading::Retry { after: None, why: "there is no list in the reply".into() };
    };
    let Some(first) = items.first() else { return nobody() };
    let id = first.get("id").and_then(Value::as_str).filter(|id| super::is_id(id));
    match id {
        Some(id) => {
            let mut session = attempt.session.clone();
            session.identity = Some(id.into());
            Reading::Session(session)
        }
        None => Reading::Retry { after: None, why: "the channel in the reply has no id".into() },
    }
}

fn nobody() -> Reading {
    Reading::Auth { why: "the account has no channel: make one, or choose the right account when connecting".into() }
}
