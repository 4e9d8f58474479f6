//! Whose token it is, and another one when it ends.
//!
//! An access token lives sixty days. Most apps get nothing else, and then a person has to fetch the next one in a
//! browser. Approved partners have a refresh token, which lives a year and is not replaced when it is used: so what it
//! gives is kept in memory only, and asked for again after a restart. It is used when a token was refused, and not
//! before: LinkedIn refuses before it does anything, so nothing is lost by trying.
//!
//! Before anything is published, once in a life of the process, two things are asked. `whose`: the member, by
//! `/v2/userinfo`; a page has no such path, there its posts tell that the token may act for it. `author`: the list of
//! the author's posts, because that path has a version, and a version that is served no longer would otherwise be
//! noticed by the first post only. A member's token may not read that list, and that it is told so is good enough.

use std::time::Duration;

use serde_json::{Value, json};

use super::wire::{self, Trouble, Wire};
use super::{Linkedin, again};
use crate::domain::{Digest, Secret, Timestamp, time};
use crate::platform::contract::{Attempt, Effect, HttpReply, Next, Reading, Secrets, Session, Step};

/// Steps of their own.
pub const REFRESH: &str = "refresh";
pub const WHOSE: &str = "whose";
pub const AUTHOR: &str = "author";

/// Keys of the account table that name secrets.
pub const TOKEN: &str = "token";
pub const REFRESH_TOKEN: &str = "refresh_token";
pub const CLIENT_SECRET: &str = "client_secret";

/// How old a refreshed token may be to count as just given out. One that is refused then is no case for another.
const FRESH: Duration = Duration::from_secs(60);

/// Keys of [`Session::values`]. What a refresh gave, and when.
const ACCESS: &str = "access_token";
const ISSUED: &str = "issued_ms";
/// When the refresh token ends, in seconds, where the reply to a refresh has told.
const REFRESH_ENDS: &str = "refresh_ends";
/// Marks of the token in the configuration: that it was refused, whose it is, and that all is well.
const REFUSED: &str = "refused";
const KNOWN: &str = "known";
const READY: &str = "ready";

/// The token to go on with, or what has to be done to get one.
///
/// # Errors
/// The step that refreshes, or [`Next::Auth`] when there is nothing to go on with.
pub fn token(account: &Linkedin, attempt: &Attempt<'_>) -> Result<Secret, Box<Next>> {
    if let Some(token) = given(attempt).or_else(|| refreshed(attempt.session)) {
        return Ok(token);
    }
    match partner(account, attempt) {
        Some((client_id, secret, refresh)) => {
            Err(ask(REFRESH, wire::refresh(&account.oauth, client_id, secret, refresh)))
        }
        None => Err(Box::new(Next::Auth("there is no access token that is accepted".into()))),
    }
}

/// The author that is known to be ours, or the question that tells.
///
/// # Errors
/// The step that asks.
pub fn author(account: &Linkedin, wire: Wire<'_>, attempt: &Attempt<'_>) -> Result<String, Box<Next>> {
    let session = attempt.session;
    let mark = json!(mark(account, attempt));
    let holds = |key: &str| session.values.get(key) == Some(&mark);
    let page = account.author.as_deref().filter(|_| account.is_page());
    let known = session.identity.as_deref().filter(|_| holds(KNOWN));
    let Some(author) = page.or(known) else {
        return Err(ask(WHOSE, wire.user()));
    };
    if !holds(READY) {
        return Err(ask(AUTHOR, wire.posts(author, 0, 1)));
    }
    Ok(author.into())
}

fn ask(name: &str, call: crate::platform::contract::Call) -> Box<Next> {
    Box::new(Next::Call(Step { name: name.into(), effect: Effect::Harmless, call }))
}

/// What must not show up in anything that is said.
pub fn hidden<'a>(attempt: &'a Attempt<'_>) -> Vec<&'a str> {
    let kept = attempt.session.values.get(ACCESS).and_then(Value::as_str);
    attempt.secrets.0.values().map(|secret| secret.expose().trim()).chain(kept).collect()
}

/// What the reply to [`REFRESH`] means.
pub fn read_refresh(attempt: &Attempt<'_>, reply: &HttpReply) -> Reading {
    let value = reply.value().unwrap_or_default();
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
    let access = text("access_token");
    // A token becomes a header: nothing that could end the line may be in it.
    if reply.status == 200 && !access.is_empty() && access.bytes().all(|byte| byte.is_ascii_graphic()) {
        let mut session = attempt.session.clone();
        session.values.insert(ACCESS.into(), json!(access));
        session.values.insert(ISSUED.into(), json!(attempt.now.as_millisecond()));
        if let Some(life) = value.get("refresh_token_expires_in").and_then(Value::as_u64) {
            let end = time::after(attempt.now, Duration::from_secs(life));
            session.values.insert(REFRESH_ENDS.into(), json!(end.as_second()));
        }
        return Reading::Session(session);
    }
    let said = match (text("error"), text("error_description")) {
        ("", _) => None,
        (error, "") => Some(error.to_owned()),
        (error, about) => Some(format!("{error}: {about}")),
    };
    if let (400 | 401 | 403, Some(said)) = (reply.status, said) {
        let said = wire::quote(&said, &hidden(attempt));
        return Reading::Auth { why: format!("the refresh token is not accepted: {} {said}", reply.status) };
    }
    match wire::trouble(reply, &hidden(attempt), attempt.now) {
        Trouble::TooMuch { until, why } => Reading::RateLimited { until, why },
        Trouble::Token(why) => Reading::Auth { why: format!("the refresh token is not accepted: {why}") },
        Trouble::Forbidden(why)
        | Trouble::Version(why)
        | Trouble::Again(why)
        | Trouble::Refused { why, .. }
        | Trouble::Unknown(why) => again(format!("failed to refresh the token: {why}")),
    }
}

/// What the reply to [`WHOSE`] means.
pub fn read_whose(account: &Linkedin, attempt: &Attempt<'_>, reply: &HttpReply) -> Reading {
    let value = reply.value().filter(|_| reply.status == 200).unwrap_or_default();
    let Some(sub) = value.get("sub").and_then(Value::as_str).filter(|sub| super::kind::is_id(sub)) else {
        return match wire::trouble(reply, &hidden(attempt), attempt.now) {
            Trouble::Forbidden(why) => Reading::Auth {
                why: format!("the token does not tell whose it is, it needs the scopes openid and profile: {why}"),
            },
            Trouble::Refused { why, .. } => again(format!("failed to learn whose token it is: {why}")),
            trouble => account.settle(attempt, Effect::Harmless, trouble),
        };
    };
    let member = format!("urn:li:person:{sub}");
    if let Some(author) = account.author.as_ref().filter(|author| **author != member) {
        return Reading::Auth { why: format!("the token belongs to {member}, and not to {author}") };
    }
    let mut session = attempt.session.clone();
    session.identity = Some(member);
    session.values.insert(KNOWN.into(), json!(mark(account, attempt)));
    Reading::Session(session)
}

/// What the reply to [`AUTHOR`] means.
pub fn read_author(account: &Linkedin, attempt: &Attempt<'_>, reply: &HttpReply) -> Reading {
    let value = reply.value().filter(|_| reply.status == 200).unwrap_or_default();
    let listed = value.get("elements").is_some_and(Value::is_array);
    let ready = || {
        let mut session = attempt.session.clone();
        if account.is_page() {
            session.identity.clone_from(&account.author);
        }
        session.values.insert(READY.into(), json!(mark(account, attempt)));
        Reading::Session(session)
    };
    if listed {
        return ready();
    }
    match wire::trouble(reply, &hidden(attempt), attempt.now) {
        Trouble::Forbidden(_) if !account.is_page() => ready(),
        Trouble::Forbidden(why) => Reading::Auth {
            why: format!("the token may not read the page's posts, it needs r_organization_social and a role: {why}"),
        },
        // The list is not needed for a member: that this version answers is all.
        Trouble::Refused { refusal, .. } if refusal.spoken && !account.is_page() => ready(),
        Trouble::Refused { refusal, why } if refusal.spoken => {
            Reading::Auth { why: format!("the page's posts cannot be read: {why}") }
        }
        Trouble::Refused { why, .. } => again(format!("failed to read the author's posts: {why}")),
        trouble => account.settle(attempt, Effect::Harmless, trouble),
    }
}

/// What is to be done when a step's reply refuses the token.
pub fn refused(account: &Linkedin, attempt: &Attempt<'_>, why: String) -> Reading {
    if partner(account, attempt).is_none() {
        return Reading::Auth { why: format!("the access token is expired, revoked or wrong: {why}") };
    }
    let mut session = attempt.session.clone();
    if given(attempt).is_some() {
        session.values.insert(REFUSED.into(), json!(token_mark(attempt)));
        return Reading::Session(session);
    }
    let issued = session.values.get(ISSUED).and_then(Value::as_i64);
    let issued = issued.and_then(|issued| Timestamp::from_millisecond(issued).ok());
    if issued.is_none_or(|issued| time::since(attempt.now, issued) < FRESH) {
        return Reading::Auth { why: format!("a token that was just refreshed is refused: {why}") };
    }
    session.values.remove(ACCESS);
    Reading::Session(session)
}

/// The token to ask questions with, once the first steps have found it accepted.
pub fn at_hand(session: &Session, secrets: &Secrets) -> Option<Secret> {
    refreshed(session).or_else(|| secrets.get(TOKEN).cloned())
}

/// When the refresh token ends, where that was told.
pub fn refresh_ends(session: &Session) -> Option<Timestamp> {
    Timestamp::from_second(session.values.get(REFRESH_ENDS)?.as_i64()?).ok()
}

/// The token of the configuration, unless it was refused.
fn given(attempt: &Attempt<'_>) -> Option<Secret> {
    let token = attempt.secrets.get(TOKEN).filter(|token| !token.expose().trim().is_empty())?;
    let refused = attempt.session.values.get(REFUSED) == Some(&json!(token_mark(attempt)));
    (!refused).then(|| token.clone())
}

fn refreshed(session: &Session) -> Option<Secret> {
    session.values.get(ACCESS)?.as_str().map(Secret::new)
}

/// What a refresh needs, where the account has it all.
fn partner<'a>(account: &'a Linkedin, attempt: &'a Attempt<'_>) -> Option<(&'a str, &'a Secret, &'a Secret)> {
    let app = account.app.as_ref().filter(|_| account.refresh.is_some())?;
    let secret = |key: &str| attempt.secrets.get(key).filter(|secret| !secret.expose().trim().is_empty());
    Some((app.id.as_str(), secret(CLIENT_SECRET)?, secret(REFRESH_TOKEN)?))
}

/// Tells tokens apart without holding them.
fn token_mark(attempt: &Attempt<'_>) -> String {
    let token = attempt.secrets.get(TOKEN).map(Secret::expose).unwrap_or_default();
    Digest::of(format!("cadenced-linkedin-token {token}").as_bytes()).hex()[..16].to_owned()
}

/// What is known is known of this token, for this author, in this version.
fn mark(account: &Linkedin, attempt: &Attempt<'_>) -> String {
    let author = account.author.as_deref().unwrap_or_default();
    format!("{} {author} {}", token_mark(attempt), account.version)
}
