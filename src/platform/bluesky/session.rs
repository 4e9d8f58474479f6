//! Logging in, and staying logged in.
//!
//! An account has a pair of tokens: one for access, which lives for minutes or hours, and one that a new pair is
//! got with. Both are kept in [`Session::values`], in memory only: after a restart the password makes a new pair.
//! A pair is refreshed only when it is needed and about to expire, and refreshing can be repeated, for a used refresh
//! token still works for two hours.
//!
//! Lives are counted from when a token arrived, not by the moments that it names: those are of the server's
//! clock, and with a clock of ours that runs ahead every token would look expired at once.
//!
//! The password is used sparingly, for servers allow 30 logins in five minutes: a new login comes only after the
//! refresh token was refused. And never in circles: a server that refuses the tokens it has just given out is
//! left alone for a while, see [`FRESH_REFUSALS`].

use std::time::Duration;

use serde_json::{Value, json};

use super::syntax;
use super::wire::{self, Trouble, Wire};
use crate::domain::{Secret, Timestamp, time};
use crate::platform::contract::{Attempt, Effect, HttpReply, Next, Reading, Secrets, Session, Step};

/// Steps of their own.
pub const CREATE: &str = "session-create";
pub const REFRESH: &str = "session-refresh";
/// The key of the account table that names the password.
pub const PASSWORD: &str = "password";

/// A token is replaced when it has less than this to live, so that it does not expire under way; for very short
/// lives half of the life.
const MARGIN: Duration = Duration::from_secs(30);
/// How many tokens in a row, with no progress in between, may be refused right after they were given out. The first
/// two send us for another one; then the server is at fault, or the account.
const FRESH_REFUSALS: u64 = 3;
/// How old a token may be to count as fresh, and how long a server is left alone that refuses such.
const FRESH: Duration = Duration::from_secs(60);

const ACCESS: &str = "access";
const REFRESH_TOKEN: &str = "refresh";
/// When the access token arrived, and how long it lives, in milliseconds.
const ISSUED: &str = "issued_ms";
const LIFE: &str = "life_ms";
const REFUSALS: &str = "fresh_refusals";
/// The delivery, attempt and progress at which the last refusal came.
const PLACE: &str = "refused_at";

/// What authenticated calls need.
#[derive(Debug, Clone)]
pub struct Login {
    pub did: String,
    pub access: Secret,
}

/// The login to go on with, or what has to be done to get one.
///
/// # Errors
/// The step that logs in or refreshes, or [`Next::Auth`] when there is nothing to log in with.
pub fn login(wire: &Wire, handle: &str, attempt: &Attempt<'_>) -> Result<Login, Box<Next>> {
    let session = attempt.session;
    if let (Some(did), Some(access)) = (&session.identity, access(session, attempt.now)) {
        return Ok(Login { did: did.clone(), access });
    }
    let (name, call) = match (token(session, REFRESH_TOKEN), attempt.secrets.get(PASSWORD)) {
        (Some(refresh), _) => (REFRESH, wire.refresh_session(refresh)),
        (None, Some(password)) => (CREATE, wire.create_session(handle, password)),
        (None, None) => return Err(Box::new(Next::Auth("the password is not given".into()))),
    };
    Err(Box::new(Next::Call(Step { name: name.into(), effect: Effect::Harmless, call })))
}

/// The access token, unless it is about to expire.
pub fn access(session: &Session, now: Timestamp) -> Option<Secret> {
    let fresh = match (moment(session), life(session)) {
        (Some(issued), Some(life)) => now < time::after(issued, life - MARGIN.min(life / 2)),
        // A token that does not tell is used until it is refused.
        _ => true,
    };
    token(session, ACCESS).filter(|_| fresh)
}

/// What must not show up in anything that is said.
pub fn hidden<'a>(attempt: &'a Attempt<'_>) -> Vec<&'a str> {
    let tokens = [ACCESS, REFRESH_TOKEN].into_iter().filter_map(|key| attempt.session.values.get(key)?.as_str());
    tokens.chain(attempt.secrets.get(PASSWORD).map(Secret::expose)).collect()
}

/// The same for those who have no attempt to keep it for them.
pub fn kept_from_words(session: &Session, secrets: &Secrets) -> Vec<Secret> {
    let tokens = [ACCESS, REFRESH_TOKEN].into_iter().filter_map(|key| token(session, key));
    tokens.chain(secrets.get(PASSWORD).cloned()).collect()
}

/// What the reply to [`CREATE`] or [`REFRESH`] means.
pub fn read(attempt: &Attempt<'_>, step: &Step, reply: &HttpReply) -> Reading {
    let refreshing = step.name == REFRESH;
    match wire::understand(reply, &hidden(attempt), attempt.now) {
        Ok(value) if value.get("active") == Some(&Value::Bool(false)) => {
            let status = value.get("status").and_then(Value::as_str);
            let status = status.filter(|status| matches!(*status, "takendown" | "suspended" | "deactivated"));
            Reading::Auth { why: format!("the account is not active: {}", status.unwrap_or("no reason is given")) }
        }
        Ok(value) => match taken(attempt, &value) {
            Some(session) => Reading::Session(session),
            None => Reading::Retry { after: None, why: "the session in the reply is incomplete".into() },
        },
        // The refresh token is of no use any more: the password is.
        Err(Trouble::Token(_) | Trouble::LoggedOut(_) | Trouble::Refused { .. }) if refreshing => {
            Reading::Session(without(attempt.session, &[ACCESS, REFRESH_TOKEN]))
        }
        Err(Trouble::Token(why) | Trouble::LoggedOut(why) | Trouble::Stopped(why) | Trouble::Refused { why, .. }) => {
            Reading::Auth { why }
        }
        Err(Trouble::TooMuch { until, why }) => Reading::RateLimited { until, why },
        Err(Trouble::Unknown { after, why }) => Reading::Retry { after, why },
    }
}

/// What is to be done when a step's reply refuses the login. `with_password`: a refreshed token would not help.
pub fn refused(attempt: &Attempt<'_>, why: String, with_password: bool) -> Reading {
    let session = attempt.session;
    if !session.values.contains_key(ACCESS) {
        // It was asked without a token, so there is none to replace.
        return Reading::Retry { after: Some(FRESH), why };
    }
    let age = moment(session).map(|issued| time::since(attempt.now, issued));
    let young = FRESH.min(life(session).map_or(FRESH, |life| life / 2));
    // Where this attempt stands. A token that was refused elsewhere has done some good in between.
    let place = json!(format!("{} {} {}", attempt.job.delivery, attempt.job.attempt, attempt.done.len()));
    let earlier = session.values.get(REFUSALS).and_then(Value::as_u64).unwrap_or_default();
    let in_a_row = age.is_some_and(|age| age < young) && session.values.get(PLACE) == Some(&place);
    let refusals = if in_a_row { earlier + 1 } else { 1 };
    if refusals >= FRESH_REFUSALS {
        // The token stays: it is asked about again when it is no longer fresh, and refused then it is replaced.
        return if with_password {
            Reading::Auth { why: format!("logged in, and still refused: {why}") }
        } else {
            Reading::Retry { after: Some(FRESH), why: format!("a new token is refused: {why}") }
        };
    }
    let old: &[&str] = if with_password || refusals > 1 { &[ACCESS, REFRESH_TOKEN] } else { &[ACCESS] };
    let mut session = without(session, old);
    session.values.insert(REFUSALS.into(), json!(refusals));
    session.values.insert(PLACE.into(), place);
    Reading::Session(session)
}

/// The session with the tokens of `value` in it.
fn taken(attempt: &Attempt<'_>, value: &Value) -> Option<Session> {
    let text = |key: &str| value.get(key)?.as_str().filter(|text| !text.is_empty());
    let (access, refresh) = (text("accessJwt")?, text("refreshJwt")?);
    // A token becomes a header: nothing that could end the line may be in it.
    let clean = |token: &str| token.bytes().all(|byte| byte.is_ascii_graphic());
    let did = text("did").filter(|did| syntax::is_did(did) && clean(access) && clean(refresh))?;
    let mut session = without(attempt.session, &[ISSUED, LIFE]);
    session.identity = Some(did.into());
    session.values.insert(ACCESS.into(), json!(access));
    session.values.insert(REFRESH_TOKEN.into(), json!(refresh));
    session.values.insert(ISSUED.into(), json!(attempt.now.as_millisecond()));
    if let Some(life) = wire::token_life(access).and_then(|life| u64::try_from(life.as_millis()).ok()) {
        session.values.insert(LIFE.into(), json!(life));
    }
    Some(session)
}

fn without(session: &Session, keys: &[&str]) -> Session {
    let mut session = session.clone();
    session.values.retain(|key, _| !keys.contains(&key.as_str()));
    session
}

fn token(session: &Session, key: &str) -> Option<Secret> {
    session.values.get(key)?.as_str().map(Secret::new)
}

fn moment(session: &Session) -> Option<Timestamp> {
    Timestamp::from_millisecond(session.values.get(ISSUED)?.as_i64()?).ok()
}

fn life(session: &Session) -> Option<Duration> {
    session.values.get(LIFE)?.as_u64().map(Duration::from_millis)
}
