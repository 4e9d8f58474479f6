//! The error envelope of the Graph APIs, and what its numbers mean.
//!
//! One table for all services: codes are shared, and subcodes (2207…: Instagram, 4279…: Threads) are not used twice.
//! The subcode decides where there is one, then the code. Texts are for people; only two things that share a number are
//! told apart by them. What a class means for a step is not said here: the same error is harmless to one step and leaves
//! another in doubt.

use std::time::Duration;

use serde_json::Value;

use crate::domain::{Timestamp, limits, time};
use crate::platform::contract::{HttpReply, Pace};

/// What Meta complains about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The token is expired, revoked or of nobody.
    Token,
    /// It lacks a permission.
    Permission,
    /// This version of the API is no longer served.
    Version,
    /// The account may not do this until a person has been to the app: restricted, inactive, to be confirmed.
    Restricted,
    /// What was sent is taken for spam. Has been answered to what went out.
    Spam,
    /// Too many requests.
    Limited,
    /// Too many posts in a day.
    Quota,
    /// Its own trouble; may pass.
    Transient,
    /// Meta could not fetch the file, or not as what it was called.
    Fetch,
    /// The container cannot be published yet, or cannot be found (although it may have been a moment ago).
    NotReady,
    /// There is no such object, or it is not for this token.
    Missing,
    /// The post or its files are refused.
    Input,
    /// Nothing that is known.
    Other,
}

/// One error, as Meta tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphError {
    pub code: i64,
    pub subcode: Option<i64>,
    pub transient: bool,
    pub message: String,
}

impl GraphError {
    /// Reads the envelope; `None` for anything else, such as the page of a proxy.
    pub fn read(reply: &HttpReply) -> Option<Self> {
        let value = reply.value().filter(|_| !(200..300).contains(&reply.status))?;
        let error = value.get("error")?;
        let text = |key: &str| error[key].as_str().unwrap_or_default();
        // What is meant for people says more where it is there.
        let message = match text("error_user_msg") {
            "" => text("message"),
            told => told,
        };
        Some(Self {
            code: error["code"].as_i64()?,
            subcode: error["error_subcode"].as_i64(),
            transient: error["is_transient"].as_bool().unwrap_or_default(),
            message: message.into(),
        })
    }

    pub fn class(&self) -> Class {
        if let Some(class) = self.subcode.and_then(by_subcode) {
            return class;
        }
        match self.code {
            190 | 102 => Class::Token,
            2635 => Class::Version,
            // Meta hides what a token may not see as "does not exist"; fresh objects are answered so, too.
            100 if self.subcode == Some(33) => Class::Missing,
            // Told as a bad parameter, and about the account all the same.
            100 if self.message.to_lowercase().contains("appsecret_proof") => Class::Token,
            10 | 200..=299 => Class::Permission,
            4 | 17 | 32 | 341 | 613 | 80_000..=80_014 => Class::Limited,
            368 => Class::Restricted,
            9007 => Class::NotReady,
            9004 => Class::Fetch,
            1 | 2 | -1 | -2 => Class::Transient,
            _ if self.transient => Class::Transient,
            100 if self.message.to_lowercase().contains("could not be fetched") => Class::Fetch,
            24 | 803 => Class::Missing,
            100 | 352 | 36_000..=36_010 => Class::Input,
            _ => Class::Other,
        }
    }
}

fn by_subcode(subcode: i64) -> Option<Class> {
    Some(match subcode {
        458..=460 | 463 | 464 | 467 | 492 => Class::Token,
        2_207_050 | 4_279_013 => Class::Restricted,
        2_207_051 => Class::Spam,
        2_207_042 => Class::Quota,
        2_207_027 | 2_207_008 | 4_279_009 => Class::NotReady,
        2_207_006 => Class::Missing,
        2_207_003 | 2_207_020 | 2_207_052 | 2_207_077 => Class::Fetch,
        2_207_001 | 2_207_032 | 2_207_053 | 2_207_082 => Class::Transient,
        2_207_004
        | 2_207_005
        | 2_207_009
        | 2_207_010
        | 2_207_023
        | 2_207_026
        | 2_207_028
        | 2_207_035..=2_207_037
        | 2_207_040
        | 2_207_057
        | 2_207_081
        | 2_207_085 => Class::Input,
        _ => return None,
    })
}

/// What a reply complains about; replies of others by their status alone.
pub fn class(reply: &HttpReply) -> Class {
    match GraphError::read(reply) {
        Some(error) => error.class(),
        None => match reply.status {
            401 => Class::Token,
            429 => Class::Limited,
            _ => Class::Other,
        },
    }
}

/// What happened, with the status and what Meta says about it: one line, cut, without any of `hidden`.
pub fn why(what: &str, reply: &HttpReply, hidden: &[&str]) -> String {
    let Some(error) = GraphError::read(reply) else { return format!("{what}: status {}", reply.status) };
    let mut said = error.message.clone();
    for secret in hidden.iter().filter(|secret| !secret.is_empty()) {
        said = said.replace(secret, "[secret]");
    }
    let said: String = plain(&said).chars().take(limits::QUOTED_CHARS).collect();
    let code = error.subcode.map_or(error.code.to_string(), |subcode| format!("{}/{subcode}", error.code));
    format!("{what}: status {}, error {code}: {said}", reply.status)
}

/// A text from outside on one line, without what could make the line read as something else.
pub fn plain(text: &str) -> String {
    let shown = |c: char| {
        let odd = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if c.is_control() || odd { ' ' } else { c }
    };
    text.chars().map(shown).collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Shortest and longest wait that is believed. Meta's windows are an hour or a day long.
const WAIT: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(24 * 3600);
/// Wait after a limit that tells no time: its windows move, so some allowance comes back soon.
const UNTOLD: Duration = Duration::from_secs(15 * 60);

/// When to come back after too many requests.
pub fn limited_until(reply: &HttpReply, now: Timestamp) -> Timestamp {
    let told = || {
        let text = reply.header("retry-after")?.trim();
        match text.parse::<f64>() {
            Ok(seconds) if seconds.is_nan() => None,
            Ok(seconds) => Some(Duration::from_secs_f64(seconds.clamp(0.0, WAIT.end().as_secs_f64()))),
            Err(_) => Some(reply.until(reply.date("retry-after")?, now)),
        }
    };
    let wait = regained(reply).or_else(told).unwrap_or(UNTOLD);
    time::after(now, wait.clamp(*WAIT.start(), *WAIT.end()))
}

/// How long until access is given again, where a usage header says that it is not now.
fn regained(reply: &HttpReply) -> Option<Duration> {
    let told: Value = serde_json::from_str(reply.header("x-business-use-case-usage")?).ok()?;
    let uses = told.as_object()?.values().filter_map(Value::as_array).flatten();
    let minutes = uses.filter_map(|used| used["estimated_time_to_regain_access"].as_u64()).max()?;
    (minutes > 0).then(|| Duration::from_secs(minutes.saturating_mul(60)))
}

/// Nothing is left where a usage header says so; how much is left otherwise, Meta tells in percent only.
pub fn pace(reply: &HttpReply, now: Timestamp) -> Option<Pace> {
    let wait = regained(reply)?.min(*WAIT.end());
    Some(Pace { remaining: 0, reset: time::after(now, wait) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn error(code: i64, subcode: Option<i64>, message: &str) -> HttpReply {
        let mut error = json!({"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "A"});
        if let Some(subcode) = subcode {
            error["error_subcode"] = subcode.into();
        }
        HttpReply::json(400, &json!({ "error": error }))
    }

    #[test]
    fn numbers_are_told_apart() {
        let table = [
            (190, Some(463), Class::Token),
            (190, None, Class::Token),
            (102, None, Class::Token),
            (10, None, Class::Permission),
            (200, None, Class::Permission),
            (2635, None, Class::Version),
            (4, None, Class::Limited),
            (4, Some(2_207_051), Class::Spam),
            (80_002, None, Class::Limited),
            (613, None, Class::Limited),
            (9, Some(2_207_042), Class::Quota),
            (9007, Some(2_207_027), Class::NotReady),
            (24, Some(4_279_009), Class::NotReady),
            (24, Some(2_207_008), Class::NotReady),
            (24, Some(2_207_006), Class::Missing),
            (100, Some(33), Class::Missing),
            (100, None, Class::Input),
            (36_003, Some(2_207_009), Class::Input),
            (9004, Some(2_207_052), Class::Fetch),
            (-2, Some(2_207_003), Class::Fetch),
            (-1, Some(2_207_001), Class::Transient),
            (25, Some(2_207_050), Class::Restricted),
            (2, None, Class::Transient),
            (987, None, Class::Other),
        ];
        for (code, subcode, expected) in table {
            assert_eq!(class(&error(code, subcode, "no")), expected, "{code}/{subcode:?}");
        }
        assert_eq!(class(&error(100, None, "The media could not be fetched from this URI")), Class::Fetch);
        assert_eq!(class(&error(100, None, "Invalid appsecret_proof provided in the API argument")), Class::Token);
        assert_eq!(class(&HttpReply { status: 429, ..HttpReply::default() }), Class::Limited);
        assert_eq!(class(&HttpReply { status: 502, ..HttpReply::default() }), Class::Other);
    }

    #[test]
    fn a_reason_is_one_short_line_without_secrets() {
        let reply = error(190, Some(463), "Session of s3cret has\n\u{202e}expired");
        let told = why("the token is not accepted", &reply, &["s3cret"]);
        assert_eq!(told, "the token is not accepted: status 400, error 190/463: Session of [secret] has expired");
        assert!(why("no", &error(1, None, &"x".repeat(5_000)), &[]).len() < 400);
    }

    #[test]
    fn waits_are_read_and_held_within_bounds() {
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let at = |headers: &[(&str, &str)]| {
            let headers = headers.iter().map(|&(name, value)| (name.into(), value.into())).collect();
            limited_until(&HttpReply { status: 400, headers, ..HttpReply::default() }, now).to_string()
        };
        let usage = |minutes: u64| {
            json!({"17": [{"type": "threads", "call_count": 101, "estimated_time_to_regain_access": minutes}]})
                .to_string()
        };
        assert_eq!(at(&[("x-business-use-case-usage", &usage(19))]), "2026-11-22T12:19:00Z");
        assert_eq!(at(&[("x-business-use-case-usage", &usage(999_999_999))]), "2026-11-23T12:00:00Z");
        assert_eq!(at(&[("x-business-use-case-usage", &usage(0))]), "2026-11-22T12:15:00Z");
        assert_eq!(at(&[("retry-after", "7")]), "2026-11-22T12:00:07Z");
        assert_eq!(at(&[("retry-after", "-1")]), "2026-11-22T12:00:01Z");
        assert_eq!(at(&[("retry-after", "NaN")]), "2026-11-22T12:15:00Z");
        assert_eq!(at(&[]), "2026-11-22T12:15:00Z");
    }
}
