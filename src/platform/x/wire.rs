//! The wire: every request the adapter can make, and what an error reply says.
//!
//! Here is no decision about a step. Requests go to the account's base URL and nowhere else, and leave here unsigned;
//! an id that X gave goes into a path only after [`id`] has found it to be one. [`understand`] turns all that X can
//! answer into a [`Trouble`]: by the last word of a problem's type first, for its host has changed before, then by the
//! title and the numbers of old, then by the status.

use std::time::Duration;

use jiff::civil;
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use url::Url;

use crate::domain::{Timestamp, limits, time};
use crate::platform::contract::{Body, HeaderValue, HttpReply, Media, Method, Pace, Request};

/// Where the API is.
pub const API: &str = "https://api.x.com";
/// What is asked of our own posts to know one again. The names are those that X documents; since version 2.167 there
/// are others for the same things, and replies are read in both.
const FIELDS: &str = "created_at,entities,attachments,referenced_tweets,note_tweet";

/// Builds the requests of one account.
#[derive(Debug, Clone, Copy)]
pub struct Wire<'a> {
    pub base: &'a Url,
}

/// What a post is made of.
#[derive(Debug, Clone, Default)]
pub struct Draft<'a> {
    pub text: &'a str,
    pub media: Vec<&'a str>,
    pub answers: Option<&'a str>,
}

impl Wire<'_> {
    pub fn me(self) -> Request {
        self.get(&["2", "users", "me"])
    }

    pub fn publish(self, draft: &Draft<'_>) -> Request {
        let mut fields = json!({ "text": draft.text });
        if !draft.media.is_empty() {
            fields["media"] = json!({ "media_ids": draft.media });
        }
        if let Some(parent) = draft.answers {
            fields["reply"] = json!({ "in_reply_to_tweet_id": parent });
        }
        self.post(&["2", "tweets"], Body::json(&fields))
    }

    /// A page of our own posts, newest first, answers included: those after the post `since`, or from `page` on. Reposts
    /// stand among them: X leaves them out of a page only after it was cut, and what is left may be nothing.
    pub fn own_posts(self, me: &str, size: u32, since: Option<&str>, page: Option<&str>) -> Request {
        let mut request = self.get(&["2", "users", me, "tweets"]);
        let size = size.to_string();
        let always = [("max_results", size.as_str()), ("tweet.fields", FIELDS)];
        let some = [("since_id", since), ("pagination_token", page)];
        let some = some.into_iter().filter_map(|(name, value)| Some((name, value?)));
        request.url.query_pairs_mut().extend_pairs(always.into_iter().chain(some));
        request
    }

    /// Asks for a list of something.
    pub fn read(self, path: &[&str], query: &[(&str, String)]) -> Request {
        let mut request = self.get(path);
        request.url.query_pairs_mut().extend_pairs(query);
        request
    }

    /// A picture in one request.
    pub fn upload(self, boundary: &str, media: &Media, category: &str) -> Request {
        let fields = [("media_category", category)];
        self.post(&["2", "media", "upload"], Body::multipart(boundary, &fields, ("media", media)))
    }

    pub fn open(self, media: &Media, category: &str) -> Request {
        let fields = json!({"media_type": media.mime, "total_bytes": media.bytes.len(), "media_category": category});
        self.post(&["2", "media", "upload", "initialize"], Body::json(&fields))
    }

    pub fn append(self, id: &str, boundary: &str, segment: usize, part: &Media) -> Request {
        let fields = [("segment_index", segment.to_string())];
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.post(&["2", "media", "upload", id, "append"], Body::multipart(boundary, &fields, ("media", part)))
    }

    pub fn finalize(self, id: &str) -> Request {
        self.post(&["2", "media", "upload", id, "finalize"], Body::default())
    }

    pub fn status(self, id: &str) -> Request {
        let mut request = self.get(&["2", "media", "upload"]);
        request.url.query_pairs_mut().append_pair("media_id", id).append_pair("command", "STATUS");
        request
    }

    pub fn describe(self, id: &str, alt: &str) -> Request {
        let fields = json!({"id": id, "metadata": {"alt_text": {"text": alt}}});
        self.post(&["2", "media", "metadata"], Body::json(&fields))
    }

    /// New tokens. `fields` hold a secret, so they go into the body.
    pub fn token(self, fields: &[(&str, &str)], basic: Option<HeaderValue>) -> Request {
        let mut request = self.post(&["2", "oauth2", "token"], Body::urlencoded(fields));
        request.headers.extend(basic.map(|value| ("Authorization", value)));
        request
    }

    fn post(self, path: &[&str], body: Body) -> Request {
        Request { method: Method::Post, body, ..self.get(path) }
    }

    fn get(self, path: &[&str]) -> Request {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        let headers = vec![("Accept", HeaderValue::Plain("application/json".into()))];
        Request { method: Method::Get, url, headers, body: Body::default(), secret_path: None }
    }
}

/// An id of a post, a user or an upload: up to nineteen digits.
pub fn id(value: &Value) -> Option<String> {
    value.as_str().filter(|text| is_id(text)).map(Into::into)
}

pub fn is_id(text: &str) -> bool {
    (1..=19).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The id in the address of a post, such as `https://x.com/NAME/status/ID`, or an id alone.
pub fn post_id(address: &str) -> Option<String> {
    if is_id(address) {
        return Some(address.into());
    }
    let url = Url::parse(address).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let host = url.host_str()?.trim_start_matches("www.").trim_start_matches("mobile.");
    let mut segments = url.path_segments()?.skip_while(|segment| !matches!(*segment, "status" | "statuses"));
    let id = segments.nth(1).filter(|segment| is_id(segment))?;
    matches!(host, "x.com" | "twitter.com").then(|| id.into())
}

/// What went wrong, as far as the reply alone tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// Who asks is not known. Nothing was done.
    Token(String),
    /// The application or the account may not do this at all, or nobody has paid: a person has to act. Nothing was done.
    Stopped(String),
    /// Too much was asked, or spent. Nothing was done.
    TooMuch { until: Timestamp, why: String },
    /// The account has said the same not long ago. Nothing was done by this request.
    Duplicate(String),
    /// The post to answer is not there, or not there yet. Nothing was done.
    NoParent(String),
    /// X has understood and refuses. Nothing was done.
    Refused { status: u16, why: String },
    /// Something before X has refused. Nothing was done.
    TurnedAway(String),
    /// X stumbled, or something between us and it has answered: what was done, nobody knows.
    Unknown(String),
}

impl Trouble {
    pub fn why(self) -> String {
        match self {
            Self::Token(why) | Self::Stopped(why) | Self::Duplicate(why) | Self::NoParent(why) => why,
            Self::TurnedAway(why) | Self::Unknown(why) => why,
            Self::TooMuch { why, .. } | Self::Refused { why, .. } => why,
        }
    }
}

/// The reply's object, or what went wrong. `secrets` are blanked out of what is told.
///
/// # Errors
/// Everything but a complete JSON object with a status of 2xx.
pub fn understand(reply: &HttpReply, secrets: &[&str], now: Timestamp) -> Result<Value, Trouble> {
    let status = reply.status;
    let value = reply.value().filter(Value::is_object);
    if (200..300).contains(&status) {
        let why = if reply.cut { "the reply was cut off" } else { "the reply is not JSON" };
        return value.ok_or_else(|| Trouble::Unknown(format!("status {status}: {why}")));
    }
    let Some(problem) = value.as_ref().and_then(Problem::read) else {
        let why = format!("status {status} without an explanation");
        return Err(match status {
            401 => Trouble::Token(why),
            402 => Trouble::Stopped(format!("{why} ({UNPAID})")),
            429 => Trouble::TooMuch { until: limited_until(reply, now), why },
            413 => Trouble::Refused { status, why },
            400..=499 if !matches!(status, 408 | 499) => Trouble::TurnedAway(why),
            _ => Trouble::Unknown(why),
        });
    };
    let why = quote(&format!("status {status}: {}", problem.words), secrets);
    let says = |words: &[&str]| words.iter().any(|word| problem.lower.contains(word));
    let with = |hint: &str| format!("{why} ({hint})");
    Err(match (status, problem.kind.as_str()) {
        (..=399 | 408 | 499.., _) => Trouble::Unknown(why),
        (403, kind) if kind.starts_with("credits") || says(&["spendcap", "spend cap", "spending limit"]) => {
            Trouble::TooMuch { until: spent_until(value.as_ref().unwrap_or(&Value::Null), now), why: with(CAPPED) }
        }
        (402, _) => Trouble::Stopped(with(UNPAID)),
        (_, "usage-capped") => {
            Trouble::TooMuch { until: spent_until(value.as_ref().unwrap_or(&Value::Null), now), why: with(CAPPED) }
        }
        (429, _) | (_, "rate-limit-exceeded") => Trouble::TooMuch { until: limited_until(reply, now), why },
        (401, _) => Trouble::Token(why),
        (403, _) if says(&["duplicate content"]) || problem.code == Some(187) => Trouble::Duplicate(why),
        (403, _) if says(&["deleted or not visible to you"]) || problem.code == Some(385) => Trouble::NoParent(why),
        (403, "client-forbidden" | "unsupported-authentication" | "oauth1-permissions") => Trouble::Stopped(why),
        (403, _) if says(&["suspended", "account is temporarily locked", "to unlock your account"]) => {
            Trouble::Stopped(why)
        }
        (403, _) if matches!(problem.code, Some(64 | 326)) => Trouble::Stopped(why),
        (403, "" | "about:blank") if problem.lower.split(": ").all(|word| word == "forbidden") => {
            Trouble::Stopped(with(UNSCOPED))
        }
        _ => Trouble::Refused { status, why },
    })
}

const UNPAID: &str = "buy credits in the developer console; the account goes on by itself then";
/// X says so, and no more, to a token that may not do this at all, whatever the post.
const UNSCOPED: &str = "the token may not do this; make it anew, for oauth2 with the scopes tweet.read tweet.write users.read media.write offline.access, for oauth1 with Read and write";
const CAPPED: &str = "a cap of the developer console; raise it there, it is asked again after midnight UTC";

/// What an error reply says, in any of the forms that X has.
struct Problem {
    /// The last word of its type.
    kind: String,
    /// A number of old.
    code: Option<i64>,
    words: String,
    lower: String,
}

impl Problem {
    fn read(value: &Value) -> Option<Self> {
        let first = &value["errors"][0];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let of_old = [&first["message"], &first["detail"]].map(text);
        let words = [&value["title"], &value["detail"], &value["error"], &value["error_description"]].map(text);
        let words: Vec<_> = words.into_iter().chain(of_old).filter(|words| !words.is_empty()).collect();
        let kind = value["type"].as_str().or(first["type"].as_str()).unwrap_or_default();
        let kind = kind.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
        let words = words.join(": ");
        let lower = words.to_lowercase();
        (!words.is_empty()).then(|| Self { kind, code: first["code"].as_i64(), words, lower })
    }
}

/// What X said, on one line, without our secrets, cut to a length that a log line can carry. What is cut first could end
/// in the middle of a secret.
pub fn quote(text: &str, secrets: &[&str]) -> String {
    let blanked = |text: String, secret: &&str| if secret.is_empty() { text } else { text.replace(secret, "[secret]") };
    let text = secrets.iter().fold(text.to_owned(), blanked);
    let shown: String = text.chars().map(|c| if is_shown(c) { c } else { ' ' }).collect();
    shown.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(limits::QUOTED_CHARS).collect()
}

/// Neither a control nor a direction mark, which could make a line read as something else.
fn is_shown(c: char) -> bool {
    let marks = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    !(c.is_control() || marks)
}

/// Shortest and longest wait that is believed.
const WAIT: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(2 * 24 * 3600);
/// Wait after a 429 that does not tell: the window of every endpoint.
const UNTOLD: Duration = Duration::from_secs(15 * 60);
/// The allowances that replies tell of: of the endpoint, and of the user and the application for a day.
const BUCKETS: [&str; 3] = ["x-rate-limit", "x-user-limit-24hour", "x-app-limit-24hour"];

/// When to come back after a 429: when the last of the exhausted allowances is filled up again.
fn limited_until(reply: &HttpReply, now: Timestamp) -> Timestamp {
    let exhausted = BUCKETS.iter().filter_map(|bucket| allowance(reply, bucket, now));
    let told = exhausted.filter(|pace| pace.remaining == 0).map(|pace| pace.reset).max();
    // Not documented, and taken where it stands.
    let asked = reply.header("retry-after").and_then(|text| text.trim().parse().ok()).map(Duration::from_secs);
    let wait = told.map(|reset| time::since(reset, now)).or(asked).unwrap_or(UNTOLD);
    time::after(now, wait.clamp(*WAIT.start(), *WAIT.end()))
}

/// When to ask again after a cap was reached: at the told moment, or at the next midnight, by which days and months
/// are counted. So it is asked once a day, for a person may have raised the cap.
fn spent_until(problem: &Value, now: Timestamp) -> Timestamp {
    let told = problem["reset_date"].as_str().and_then(moment).filter(|told| *told > now);
    let midnight = now.to_zoned(TimeZone::UTC).date().tomorrow().ok().and_then(beginning);
    told.into_iter().chain(midnight).min().unwrap_or_else(|| time::after(now, UNTOLD))
}

/// A moment, or the beginning of a day.
fn moment(text: &str) -> Option<Timestamp> {
    text.parse().ok().or_else(|| beginning(text.parse().ok()?))
}

fn beginning(day: civil::Date) -> Option<Timestamp> {
    Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// The allowance that is closest to exhaustion.
pub fn pace(reply: &HttpReply, now: Timestamp) -> Option<Pace> {
    let told = BUCKETS.iter().filter_map(|bucket| allowance(reply, bucket, now));
    told.filter(|pace| pace.reset > now).min_by_key(|pace| (pace.remaining, std::cmp::Reverse(pace.reset)))
}

fn allowance(reply: &HttpReply, bucket: &str, now: Timestamp) -> Option<Pace> {
    let number = |what: &str| reply.header(&format!("{bucket}-{what}"))?.trim().parse::<i64>().ok();
    let reset = Timestamp::from_second(number("reset")?).ok()?;
    let reset = time::after(now, reply.until(reset, now).min(*WAIT.end()));
    Some(Pace { remaining: u64::try_from(number("remaining")?).ok()?, reset })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_790_000_000, 0);

    fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> HttpReply {
        let headers = headers.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        HttpReply { status, headers, body: body.as_bytes().to_vec(), cut: false }
    }

    #[test]
    fn waits_are_taken_from_the_exhausted_allowance_within_bounds() {
        let at = |by: i64| (1_790_000_000 + by).to_string();
        let (soon, late, past, never) = (at(60), at(7_200), at(-60), at(i64::from(i32::MAX)));
        let left = |bucket: &str, left: &str, reset: &str| {
            [(format!("{bucket}-remaining"), left.to_owned()), (format!("{bucket}-reset"), reset.to_owned())]
        };
        let table = [
            (left("x-rate-limit", "0", &soon).to_vec(), 60),
            ([left("x-rate-limit", "0", &soon), left("x-user-limit-24hour", "0", &late)].concat(), 7_200),
            ([left("x-rate-limit", "0", &soon), left("x-user-limit-24hour", "3", &late)].concat(), 60),
            (left("x-rate-limit", "0", &past).to_vec(), 1),
            (left("x-rate-limit", "0", &never).to_vec(), 2 * 86_400),
            (left("x-rate-limit", "0", "soon").to_vec(), 900),
            (left("x-rate-limit", "5", &late).to_vec(), 900),
            (vec![("retry-after".to_owned(), "30".to_owned())], 30),
            // A clock that is an hour ahead.
            (
                [
                    &left("x-rate-limit", "0", &at(3_660))[..],
                    &[("date".into(), "Mon, 21 Sep 2026 15:13:20 GMT".into())],
                ]
                .concat(),
                60,
            ),
        ];
        for (headers, seconds) in table {
            let reply = HttpReply { status: 429, headers: headers.clone(), ..HttpReply::default() };
            let expected = time::after(NOW, Duration::from_secs(seconds));
            assert_eq!(limited_until(&reply, NOW), expected, "{headers:?}");
        }
    }

    #[test]
    fn a_cap_is_asked_about_once_a_day() {
        let until = |problem: Value| spent_until(&problem, NOW).to_string();
        let midnight = "2026-09-22T00:00:00Z";
        assert_eq!(until(json!({"reset_date": "2026-09-21T20:00:00Z"})), "2026-09-21T20:00:00Z");
        for problem in [
            json!({"reset_date": "2026-09-22"}),
            json!({"reset_date": "2026-10-01", "period": "Monthly"}),
            json!({"reset_date": "2026-01-01"}),
            json!({"reset_date": 7}),
            Value::Null,
        ] {
            assert_eq!(until(problem.clone()), midnight, "{problem}");
        }
    }

    #[test]
    fn the_allowance_is_the_one_closest_to_exhaustion() {
        let headers = [
            ("x-rate-limit-remaining", "99"),
            ("x-rate-limit-reset", "1790000900"),
            ("x-user-limit-24hour-remaining", "3"),
            ("x-user-limit-24hour-reset", "1790080000"),
        ];
        let found = pace(&reply(201, &headers, "{}"), NOW).unwrap();
        assert_eq!((found.remaining, found.reset.as_second()), (3, 1_790_080_000));
        let found = pace(&reply(201, &headers[..2], "{}"), NOW).unwrap();
        assert_eq!((found.remaining, found.reset.as_second()), (99, 1_790_000_900));
        assert_eq!(pace(&reply(201, &[], "{}"), NOW), None);
    }

    #[test]
    fn the_id_is_read_from_every_address_of_a_post() {
        for good in [
            "17",
            "https://x.com/name/status/17",
            "https://twitter.com/name/status/17?s=20",
            "https://mobile.twitter.com/name/statuses/17/photo/1",
            "https://www.x.com/i/web/status/17#a",
        ] {
            assert_eq!(post_id(good).as_deref(), Some("17"), "{good}");
        }
        for bad in [
            "",
            "x",
            "https://x.com/name/17",
            "https://x.com/name/status/a",
            "https://y.com/a/status/17",
            "12345678901234567890",
        ] {
            assert_eq!(post_id(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_error_is_one_short_line_without_secrets() {
        let body = json!({"title": "Unauthorized", "detail": "bad\u{1b}[31m\u{202e}\n s3cret"}).to_string();
        let expected = Trouble::Token("status 401: Unauthorized: bad [31m [secret]".into());
        assert_eq!(understand(&reply(401, &[], &body), &["s3cret", ""], NOW), Err(expected));
        let long = json!({"title": "x".repeat(5_000)}).to_string();
        let Err(Trouble::Refused { why, .. }) = understand(&reply(400, &[], &long), &[], NOW) else { panic!() };
        assert_eq!(why.chars().count(), limits::QUOTED_CHARS);
    }

    #[test]
    fn paths_stay_below_the_base_url() {
        let base: Url = "http://127.0.0.1:9/x/".parse().unwrap();
        let wire = Wire { base: &base };
        assert_eq!(wire.status("1").url.as_str(), "http://127.0.0.1:9/x/2/media/upload?media_id=1&command=STATUS");
        assert!(
            wire.own_posts("7", 20, Some("5"), None).url.as_str().starts_with("http://127.0.0.1:9/x/2/users/7/tweets?")
        );
    }
}
