//! What the Graph API's errors mean, by code and subcode, and what its headers say about the allowance.
//!
//! The HTTP status says little (nearly everything is 400), so the code decides. Texts, which change with versions,
//! only tell apart what shares a code. What is not known to be without effect is unclear.

use std::time::Duration;

use serde_json::Value;

use crate::domain::{Secret, Timestamp, limits, time};
use crate::platform::contract::{Effect, HttpReply, Pace, Reading};

use super::wire::number;

/// An error as the Graph API tells it.
#[derive(Debug, Clone, PartialEq)]
pub struct GraphError {
    pub code: i64,
    /// 0 where there is none.
    pub subcode: i64,
    transient: bool,
    /// For decisions only: it may hold a token.
    text: String,
    data: Value,
}

/// What an error is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The token is not accepted, or not for this app.
    Token,
    /// A permission or a role is missing.
    Permission,
    /// The version of the API that was asked for is gone, or never was.
    Version,
    /// The Page has another id now.
    Moved,
    /// Too much was asked.
    Limited,
    /// The same to us, by a judgement about abuse.
    TooFast,
    /// The Page or its person may not publish until something is done on Facebook.
    Restricted,
    /// It says what the last post said.
    Duplicate,
    /// The object is not there, or not for this token.
    Missing,
    /// The upload is at another place of the file than we thought.
    Offset,
    /// The upload has to begin anew.
    SessionLost,
    /// It was refused, and always will be.
    Invalid,
    /// Facebook's own trouble, or nobody knows.
    Unclear,
}

impl GraphError {
    /// The error in a reply, whatever its status.
    pub fn read(reply: &HttpReply) -> Option<Self> {
        let value = reply.value()?;
        let error = value["error"].as_object()?;
        let text = |key: &str| error.get(key).and_then(Value::as_str).unwrap_or_default();
        let data = match error.get("error_data") {
            // It comes as an object or as the text of one.
            Some(Value::String(text)) => serde_json::from_str(text).unwrap_or(Value::Null),
            other => other.cloned().unwrap_or(Value::Null),
        };
        Some(Self {
            code: error.get("code")?.as_i64()?,
            subcode: error.get("error_subcode").and_then(Value::as_i64).unwrap_or(0),
            transient: error.get("is_transient") == Some(&Value::Bool(true)),
            text: [text("message"), text("error_user_title"), text("error_user_msg")].join(" ").to_lowercase(),
            data,
        })
    }

    fn says(&self, words: &str) -> bool {
        self.text.contains(words)
    }

    pub fn class(&self) -> Class {
        // What some endpoints tell as the code, others tell as the subcode.
        for code in [self.subcode, self.code] {
            match code {
                1_363_037 => return Class::Offset,
                1_363_041 | 1_363_045 => return Class::SessionLost,
                1_363_042 => return Class::Permission,
                1_363_019 | 1_363_030 | 1_363_033 => return Class::Unclear,
                1_363_000..=1_363_999 | 1_366_046 | 1_609_005 | 1_609_008 => return Class::Invalid,
                1_366_051 => return Class::Duplicate,
                4_854_002 => return Class::Token,
                _ => {}
            }
        }
        match (self.code, self.subcode) {
            (190 | 102, _) => Class::Token,
            (4 | 17 | 32 | 341 | 613 | 80_000..=80_014, _) => Class::Limited,
            (368, 1_390_008) => Class::TooFast,
            (368, _) if self.says("already posted") => Class::Duplicate,
            (368, 1_404_102) => Class::Invalid,
            // A judgement about who posts, unless it is known to be one about the post.
            (368, _) => Class::Restricted,
            (506, _) => Class::Duplicate,
            (100, 33) => Class::Missing,
            // Told as a bad parameter, and about the account all the same.
            (100, _) if self.says("appsecret_proof") => Class::Token,
            (12 | 2635, _) => Class::Version,
            (2500, _) if self.says("unknown path components: /v") => Class::Version,
            (2500, _) if self.says("access token") => Class::Token,
            (10 | 200..=299, _) => Class::Permission,
            (21, _) => Class::Moved,
            (1 | 2, _) => Class::Unclear,
            _ if self.transient => Class::Unclear,
            (100 | 324 | 352 | 803 | 1500 | 2500, _) => Class::Invalid,
            _ => Class::Unclear,
        }
    }

    /// What a person can do about a token.
    fn remedy(&self) -> &'static str {
        match self.subcode {
            458 => "the app was removed: let it in again and make a new token",
            459 => "Facebook wants the person to log in at facebook.com",
            460 => "the password was changed: make a new token",
            463 => "the token has expired: make a new one from a long-lived user token",
            464 => "the person's account is not confirmed",
            492 => "the person has no role on the Page any more",
            4_854_002 => "Facebook wants the person to confirm their identity",
            _ if self.says("appsecret_proof") => "the app demands a proof: check `app_secret`",
            _ => "the token is not accepted: make a new one",
        }
    }

    /// The page of a list that was asked for is too long to be answered.
    pub fn is_too_much_data(&self) -> bool {
        self.code == 1 && self.says("reduce the amount of data")
    }

    /// The permission that the error names.
    fn permission(&self) -> Option<&'static str> {
        PERMISSIONS.iter().copied().find(|name| self.says(name))
    }

    /// The bytes that the upload goes on with.
    pub fn offsets(&self) -> &Value {
        &self.data
    }
}

/// Permissions that a publisher can lack.
const PERMISSIONS: &[&str] = &[
    "pages_manage_posts",
    "pages_read_engagement",
    "pages_manage_engagement",
    "pages_read_user_content",
    "pages_manage_metadata",
    "pages_show_list",
    "publish_video",
    "business_management",
];

/// A reply that brought no result, in its situation.
#[derive(Debug, Clone, Copy)]
pub struct Failed<'a> {
    pub reply: &'a HttpReply,
    pub effect: Effect,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    pub now: Timestamp,
    /// What must not be told on: the token, the app's secret and the proof.
    pub hidden: &'a [&'a str],
}

/// First wait after "you go too fast"; it doubles with every attempt.
const TOO_FAST: Duration = Duration::from_secs(3600);
/// How long nothing is tried while the Page is restricted. Not an end of the account's token, whose probe would let the
/// account in again at once: every try of a restricted Page speaks against it.
const RESTRICTED: Duration = Duration::from_secs(24 * 3600);

impl Failed<'_> {
    /// What it means. For the classes that depend on what was asked, the step itself is asked first.
    pub fn reading(&self, what: &str) -> Reading {
        let Some(error) = GraphError::read(self.reply) else { return self.without_error(what) };
        let unclear = || Reading::Unclear { why: self.why(what) };
        match error.class() {
            Class::Token => Reading::Auth { why: self.why(error.remedy()) },
            Class::Permission => {
                let usual =
                    if self.effect == Effect::Harmless { "pages_read_engagement" } else { "pages_manage_posts" };
                let name = error.permission().unwrap_or(usual);
                Reading::Auth { why: self.why(&format!("the token lacks the permission {name}")) }
            }
            Class::Version => Reading::Auth { why: self.why("Facebook has no such version of its API: set `version`") },
            Class::Moved => Reading::Auth { why: self.why("the Page has another id now: set `page`") },
            Class::Limited => self.limited(regain(self.reply).unwrap_or(UNTOLD), "too many requests"),
            Class::TooFast => {
                let wait = TOO_FAST.saturating_mul(1 << self.attempt.saturating_sub(1).min(5));
                self.limited(wait.min(*WAIT.end()), "Facebook finds this too fast")
            }
            Class::Restricted => {
                self.limited(RESTRICTED, "the Page is restricted: log in at facebook.com and do what is asked there")
            }
            // Nothing of a step that publishes nothing can be out, and the last post may soon be another one.
            Class::Duplicate if self.effect == Effect::Publishes => {
                Reading::AlreadyThere { why: self.why("Facebook has this post") }
            }
            Class::Duplicate => Reading::Retry { after: None, why: self.why("the last post says the same") },
            Class::Invalid => Reading::Refused { why: self.why(what) },
            Class::SessionLost if self.effect == Effect::Leaves => {
                Reading::Redo { why: self.why("the upload is lost") }
            }
            Class::Missing if self.effect != Effect::Publishes => Reading::Retry { after: None, why: self.why(what) },
            // It was there a moment ago. Whether it was published and deleted since, or never, nobody can tell.
            Class::Missing | Class::SessionLost | Class::Offset | Class::Unclear => unclear(),
        }
    }

    /// Something before the API spoke, or the API without words.
    fn without_error(&self, what: &str) -> Reading {
        let wait = retry_after(self.reply, self.now);
        match (self.reply.status, self.effect) {
            (429, _) => self.limited(wait.or(regain(self.reply)).unwrap_or(UNTOLD), "too many requests"),
            (503, Effect::Harmless | Effect::Leaves) if wait.is_some() => {
                self.limited(wait.unwrap_or(UNTOLD), "Facebook asks for a pause")
            }
            (_, Effect::Publishes) => Reading::Unclear { why: self.why(what) },
            (_, Effect::Harmless | Effect::Leaves) => Reading::Retry { after: None, why: self.why(what) },
        }
    }

    fn limited(&self, wait: Duration, what: &str) -> Reading {
        Reading::RateLimited { until: time::after(self.now, wait), why: self.why(what) }
    }

    /// `what` happened, with what the reply says about it.
    pub fn why(&self, what: &str) -> String {
        format!("{what}: {}", complaint(self.reply, self.hidden))
    }
}

/// What an error reply says, for people: the numbers and the text, on one line, cut, without what must not be told on.
/// What is cut first could end in the middle of a secret.
pub fn complaint(reply: &HttpReply, hidden: &[&str]) -> String {
    let value = reply.value().unwrap_or_default();
    let error = &value["error"];
    let text = |key: &str| error[key].as_str().unwrap_or_default();
    // What is written for the person stands first where it is there.
    let said = shown(&[text("error_user_msg"), text("message")].join(" "), hidden);
    let mut numbers: Vec<String> = vec![format!("status {}", reply.status)];
    for (name, key) in [("code", "code"), ("subcode", "error_subcode")] {
        numbers.extend(error[key].as_i64().map(|number| format!("{name} {number}")));
    }
    let trace = shown(text("fbtrace_id"), hidden).chars().take(40).collect::<String>();
    numbers.extend((!trace.is_empty()).then(|| format!("trace {trace}")));
    if said.is_empty() { numbers.join(", ") } else { format!("{}: {said}", numbers.join(", ")) }
}

/// A text from outside on one line, cut, and without secrets.
pub fn shown(text: &str, hidden: &[&str]) -> String {
    let line: String = text.chars().map(|c| if is_shown(c) { c } else { ' ' }).collect();
    let mut line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    for secret in hidden.iter().filter(|secret| !secret.is_empty()) {
        line = line.replace(secret, "[secret]");
    }
    line.chars().take(limits::QUOTED_CHARS).collect()
}

/// Neither a control nor a direction mark, which could make a line read as something else.
fn is_shown(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// The texts that must not be told on.
pub fn hidden<'a>(token: Option<&'a Secret>, app_secret: Option<&'a Secret>, proof: Option<&'a str>) -> Vec<&'a str> {
    let secrets = token.into_iter().chain(app_secret).map(Secret::expose);
    secrets.chain(proof).collect()
}

/// Shortest and longest wait that is kept. Facebook's windows have an hour or a day.
const WAIT: std::ops::RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(24 * 3600);
/// From so many percent of an allowance on, nothing but publishing uses it.
const NEARLY: u64 = 90;
/// Wait where nothing tells how long.
const UNTOLD: Duration = Duration::from_secs(3600);

/// What a usage header says: the highest percentage of any allowance, and the longest time to regain access.
fn usage(reply: &HttpReply) -> Option<(u64, Duration)> {
    let read = |name: &str| serde_json::from_str::<Value>(reply.header(name)?).ok();
    let business = read("x-business-use-case-usage");
    let lists = business.iter().flat_map(|value| value.as_object().into_iter().flat_map(|map| map.values()));
    let entries = lists.flat_map(|list| list.as_array().into_iter().flatten().cloned());
    let all: Vec<Value> = entries.chain(read("x-app-usage")).collect();
    let most = |keys: &[&str]| all.iter().flat_map(|entry| keys.iter().filter_map(|key| number(&entry[*key]))).max();
    let percent = most(&["call_count", "total_cputime", "total_time"])?;
    let minutes = most(&["estimated_time_to_regain_access"]).unwrap_or(0);
    Some((percent, Duration::from_secs(minutes.saturating_mul(60)).min(*WAIT.end())))
}

/// How long until calls are answered again, where a header tells.
fn regain(reply: &HttpReply) -> Option<Duration> {
    usage(reply).map(|(_, wait)| wait).filter(|wait| !wait.is_zero())
}

/// Until when nothing is looked at: the little that is left of the allowance is for publishing.
pub fn spared(reply: &HttpReply, now: Timestamp) -> Option<Timestamp> {
    let (percent, wait) = usage(reply)?;
    let little = percent >= NEARLY || !wait.is_zero();
    let wait = if wait.is_zero() { UNTOLD } else { wait };
    little.then(|| time::after(now, wait))
}

/// When to ask again after too much was asked.
pub fn limited_until(reply: &HttpReply, now: Timestamp) -> Timestamp {
    time::after(now, retry_after(reply, now).or_else(|| regain(reply)).unwrap_or(UNTOLD))
}

/// The account's allowance is used up. Calls that are made all the same make the wait longer.
pub fn pace(reply: &HttpReply, now: Timestamp) -> Option<Pace> {
    let (percent, wait) = usage(reply)?;
    let over = percent >= 100 || !wait.is_zero();
    let wait = if wait.is_zero() { UNTOLD } else { wait };
    over.then(|| Pace { remaining: 0, reset: time::after(now, wait) })
}

/// How long `Retry-After` asks to wait: seconds, or a date of the server's clock.
fn retry_after(reply: &HttpReply, now: Timestamp) -> Option<Duration> {
    let text = reply.header("retry-after")?.trim();
    let wait = match text.parse::<i64>() {
        Ok(seconds) => Duration::from_secs(u64::try_from(seconds).unwrap_or(0)),
        Err(_) => reply.until(reply.date("retry-after")?, now),
    };
    Some(wait.clamp(*WAIT.start(), *WAIT.end()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn error(code: i64, subcode: i64, message: &str) -> GraphError {
        let body = json!({"error": {"message": message, "code": code, "error_subcode": subcode}});
        GraphError::read(&HttpReply::json(400, &body)).unwrap()
    }

    #[test]
    fn codes_and_subcodes_have_their_classes() {
        let table = [
            (190, 463, Class::Token),
            (102, 0, Class::Token),
            (10, 0, Class::Permission),
            (200, 0, Class::Permission),
            (299, 0, Class::Permission),
            (300, 0, Class::Unclear),
            (4, 0, Class::Limited),
            (17, 0, Class::Limited),
            (32, 0, Class::Limited),
            (341, 0, Class::Limited),
            (613, 0, Class::Limited),
            (80_001, 0, Class::Limited),
            (1, 0, Class::Unclear),
            (2, 0, Class::Unclear),
            (100, 0, Class::Invalid),
            (100, 33, Class::Missing),
            (368, 1_390_008, Class::TooFast),
            (368, 1_404_078, Class::Restricted),
            (368, 1_346_003, Class::Restricted),
            (368, 0, Class::Restricted),
            (368, 1_404_102, Class::Invalid),
            (506, 0, Class::Duplicate),
            (100, 1_366_051, Class::Duplicate),
            (324, 0, Class::Invalid),
            (100, 1_366_046, Class::Invalid),
            (6001, 1_363_037, Class::Offset),
            (1_363_037, 0, Class::Offset),
            (6000, 1_363_045, Class::SessionLost),
            (6000, 1_363_019, Class::Unclear),
            (6000, 1_363_031, Class::Invalid),
            (6000, 0, Class::Unclear),
            (21, 0, Class::Moved),
            (2635, 0, Class::Version),
            (1500, 0, Class::Invalid),
            (1_609_008, 0, Class::Invalid),
            (4_854_002, 0, Class::Token),
            (987_654, 0, Class::Unclear),
        ];
        for (code, subcode, class) in table {
            assert_eq!(error(code, subcode, "words").class(), class, "{code}/{subcode}");
        }
        assert_eq!(error(368, 0, "You've already posted this").class(), Class::Duplicate);
        assert_eq!(error(100, 0, "Invalid appsecret_proof provided").class(), Class::Token);
        let nobody = "An active access token must be used to query information about the current user.";
        assert_eq!(error(2500, 0, nobody).class(), Class::Token);
        assert_eq!(error(2500, 0, "Unknown path components: /v99.0/me").class(), Class::Version);
        let body = json!({"error": {"message": "m", "code": 100, "is_transient": true}});
        assert_eq!(GraphError::read(&HttpReply::json(500, &body)).unwrap().class(), Class::Unclear);
        assert_eq!(GraphError::read(&HttpReply::json(400, &json!({"error": "invalid_request"}))), None);
    }

    #[test]
    fn allowances_are_read_from_both_headers_and_waits_have_bounds() {
        let now: Timestamp = "2026-12-01T08:00:00Z".parse().unwrap();
        let of = |headers: &[(&str, &str)]| {
            let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            HttpReply { status: 400, headers, ..HttpReply::default() }
        };
        let business = |percent: u64, minutes: i64| {
            let entry = json!({"type": "pages", "call_count": percent, "total_time": 3, "total_cputime": 2,
                               "estimated_time_to_regain_access": minutes});
            json!({"42": [entry]}).to_string()
        };
        let told = of(&[("x-business-use-case-usage", &business(101, 19))]);
        assert_eq!(regain(&told), Some(Duration::from_secs(19 * 60)));
        let reset = |text: &str| Some(Pace { remaining: 0, reset: text.parse().unwrap() });
        assert_eq!(pace(&told, now), reset("2026-12-01T08:19:00Z"));
        let huge = of(&[("x-business-use-case-usage", &business(100, i64::MAX))]);
        assert_eq!(pace(&huge, now), reset("2026-12-02T08:00:00Z"));
        assert_eq!(pace(&of(&[("x-business-use-case-usage", &business(28, 0))]), now), None);
        let app = of(&[("x-app-usage", r#"{"call_count":100,"total_time":1,"total_cputime":1}"#)]);
        assert_eq!(pace(&app, now), reset("2026-12-01T09:00:00Z"));
        for odd in ["", "[]", "7", "{\"42\":7}", "{\"42\":[[]]}", "{\"call_count\":\"many\"}"] {
            let odd = of(&[("x-business-use-case-usage", odd), ("x-app-usage", odd)]);
            assert_eq!((pace(&odd, now), regain(&odd)), (None, None));
        }
        let wait = |text: &str| retry_after(&of(&[("retry-after", text)]), now);
        assert_eq!(wait("120"), Some(Duration::from_secs(120)));
        assert_eq!(wait("-1"), Some(*WAIT.start()));
        assert_eq!(wait("1000000000"), Some(*WAIT.end()));
        assert_eq!(wait("Wed, 01 Jan 2020 00:00:00 GMT"), Some(*WAIT.start()));
        assert_eq!(wait("soon"), None);
    }

    #[test]
    fn what_an_error_says_is_one_short_line_without_secrets() {
        let body = json!({"error": {"message": "Malformed access token s3cret\r\n\u{202e}x", "code": 190,
                                    "error_subcode": 467, "error_user_msg": "Log in", "fbtrace_id": "A1b"}});
        let reply = HttpReply::json(400, &body);
        assert_eq!(
            complaint(&reply, &["s3cret", ""]),
            "status 400, code 190, subcode 467, trace A1b: Log in Malformed access token [secret] x"
        );
        let long = HttpReply::json(400, &json!({"error": {"message": "x".repeat(5_000), "code": 1}}));
        assert!(complaint(&long, &[]).len() < 400);
        assert_eq!(complaint(&HttpReply { status: 502, ..HttpReply::default() }, &[]), "status 502");
    }
}
