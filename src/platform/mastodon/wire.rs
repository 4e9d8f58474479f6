//! The wire: every request the adapter can make, and the words of the replies.
//!
//! Here is no decision. Requests go to the account's base URL and nowhere else; an id that a server gave goes into a
//! path as one segment, escaped, and only after [`Id::read`] has found it harmless.

use std::time::Duration;

use serde_json::{Map, Value};
use url::Url;

use crate::domain::{Secret, Timestamp, time};
use crate::platform::contract::{Body, HeaderValue, HttpReply, Media, Method, Pace, Request, quoted};

/// Builds the requests of one account.
#[derive(Debug, Clone, Copy)]
pub struct Wire<'a> {
    pub base: &'a Url,
    pub token: &'a Secret,
}

/// What `POST /api/v1/statuses` is given. `visibility` is always sent: servers' defaults differ.
#[derive(Debug, Clone)]
pub struct Draft<'a> {
    pub text: &'a str,
    pub visibility: &'static str,
    pub warning: Option<&'a str>,
    pub language: Option<String>,
    pub media: Vec<String>,
    pub answers: Option<String>,
    /// Ask for plain text, on servers where an account may default to Markdown.
    pub plain: bool,
}

impl Wire<'_> {
    pub fn instance_v2(self) -> Request {
        self.get(&["api", "v2", "instance"])
    }

    pub fn instance_v1(self) -> Request {
        self.get(&["api", "v1", "instance"])
    }

    /// Public, so the token stays out of it.
    pub fn node_info(self) -> Request {
        let mut request = self.get(&["nodeinfo", "2.0"]);
        request.headers.retain(|(name, _)| *name != "Authorization");
        request
    }

    pub fn verify_credentials(self) -> Request {
        self.get(&["api", "v1", "accounts", "verify_credentials"])
    }

    /// What the server's token library tells of a token.
    pub fn token_info(self) -> Request {
        self.get(&["oauth", "token", "info"])
    }

    /// Finds the local id of somebody's post; the server fetches it where it does not know it yet.
    pub fn resolve(self, url: &str) -> Request {
        let mut request = self.get(&["api", "v2", "search"]);
        let query = [("q", url), ("resolve", "true"), ("type", "statuses"), ("limit", "1")];
        request.url.query_pairs_mut().extend_pairs(query);
        request
    }

    /// `boundary` must not occur in the parts.
    pub fn upload(self, boundary: &str, media: &Media) -> Request {
        let fields: &[(&str, &str)] = &[("description", &media.item.alt)];
        let fields = if media.item.alt.is_empty() { &[] } else { fields };
        let mut request = self.get(&["api", "v2", "media"]);
        request.method = Method::Post;
        request.body = Body::multipart(boundary, fields, ("file", media));
        request
    }

    pub fn media(self, id: &str) -> Request {
        self.get(&["api", "v1", "media", id])
    }

    pub fn publish(self, draft: &Draft<'_>, key: String) -> Request {
        let mut fields = Map::new();
        let mut set = |name: &str, value: Value| {
            fields.insert(name.into(), value);
        };
        set("status", draft.text.into());
        set("visibility", draft.visibility.into());
        if let Some(warning) = draft.warning {
            set("spoiler_text", warning.into());
            set("sensitive", true.into());
        }
        if let Some(language) = &draft.language {
            set("language", language.as_str().into());
        }
        if !draft.media.is_empty() {
            set("media_ids", draft.media.clone().into());
        }
        if let Some(parent) = &draft.answers {
            set("in_reply_to_id", parent.as_str().into());
        }
        if draft.plain {
            set("content_type", "text/plain".into());
        }
        let mut request = self.get(&["api", "v1", "statuses"]);
        request.method = Method::Post;
        request.headers.push(("Idempotency-Key", HeaderValue::Plain(key)));
        request.body = Body::json(&Value::Object(fields));
        request
    }

    pub fn status(self, id: &str) -> Request {
        self.get(&["api", "v1", "statuses", id])
    }

    pub fn source(self, id: &str) -> Request {
        self.get(&["api", "v1", "statuses", id, "source"])
    }

    /// Several statuses at once; those that are not there are left out.
    pub fn statuses(self, ids: &[&str]) -> Request {
        let mut request = self.get(&["api", "v1", "statuses"]);
        request.url.query_pairs_mut().extend_pairs(ids.iter().map(|id| ("id[]", id)));
        request
    }

    /// One page of who did something with a status: `favourited_by`, `reblogged_by` or `quotes`. What a page goes on
    /// behind, only the page before it tells.
    pub fn people_of(self, id: &str, list: &str, limit: u32, before: Option<&str>) -> Request {
        let mut request = self.get(&["api", "v1", "statuses", id, list]);
        request.url.query_pairs_mut().append_pair("limit", &limit.to_string());
        if let Some(id) = before {
            request.url.query_pairs_mut().append_pair("max_id", id);
        }
        request
    }

    pub fn context(self, id: &str) -> Request {
        self.get(&["api", "v1", "statuses", id, "context"])
    }

    /// Who has named us: the newest ones, or those that follow right behind `after`.
    pub fn mentions(self, limit: u32, after: Option<&str>) -> Request {
        let mut request = self.get(&["api", "v1", "notifications"]);
        let limit = limit.to_string();
        request.url.query_pairs_mut().append_pair("types[]", "mention").append_pair("limit", &limit);
        if let Some(id) = after {
            request.url.query_pairs_mut().append_pair("min_id", id);
        }
        request
    }

    /// Our own posts, newest first; replies included, boosts not.
    pub fn own_statuses(self, account: &str, limit: u32, before: Option<&str>) -> Request {
        let mut request = self.get(&["api", "v1", "accounts", account, "statuses"]);
        request.url.query_pairs_mut().append_pair("limit", &limit.to_string()).append_pair("exclude_reblogs", "true");
        if let Some(id) = before {
            request.url.query_pairs_mut().append_pair("max_id", id);
        }
        request
    }

    fn get(self, path: &[&str]) -> Request {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        let plain = |text: &str| HeaderValue::Plain(text.into());
        let headers = vec![
            ("Authorization", HeaderValue::Secret { prefix: "Bearer ", secret: self.token.clone() }),
            ("Accept", plain("application/json")),
            // Error texts follow it, and two of them have to be told apart.
            ("Accept-Language", plain("en")),
        ];
        Request { method: Method::Get, url, secret_path: None, headers, body: Body::default() }
    }
}

/// An id as a server gave it: decimal, ULID or flake.
pub struct Id;

impl Id {
    /// Longest id that is taken; real ones have up to 26 characters.
    const CHARS: usize = 128;

    /// Reads an id; one that could not stand in a URL and a log line as it is, is none.
    pub fn read(value: &Value) -> Option<String> {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.as_u64()?.to_string(),
            _ => return None,
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let dots = text.chars().all(|c| c == '.');
        (!dots && text.len() <= Self::CHARS && text.chars().all(plain)).then_some(text)
    }
}

/// A status as far as the adapter looks at one.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    pub id: String,
    pub account: String,
    /// Where people see it.
    pub url: Option<String>,
    pub visibility: Option<String>,
}

impl Status {
    /// Reads a status; `None` for anything that does not name its id and its account.
    pub fn read(value: &Value) -> Option<Self> {
        let address = |key: &str| web_address(value[key].as_str()?);
        Some(Self {
            id: Id::read(&value["id"])?,
            account: Id::read(&value["account"]["id"])?,
            url: address("url").or_else(|| address("uri")),
            visibility: value["visibility"].as_str().filter(|text| text.len() <= 20).map(Into::into),
        })
    }
}

/// An `http` or `https` address as a URL parser writes it: no spaces, no control characters.
pub fn web_address(text: &str) -> Option<String> {
    let url = Url::parse(text).ok().filter(|_| text.len() <= 2048)?;
    matches!(url.scheme(), "http" | "https").then(|| url.into())
}

/// What an error reply says, for people: status and text, on one line, cut, and without `token` should the server
/// have echoed it. What is cut first could end in the middle of the token.
pub fn complaint(reply: &HttpReply, token: Option<&Secret>) -> String {
    let text = quoted(&error_words(reply), &[token.map_or("", Secret::expose)]);
    if text.is_empty() { format!("status {}", reply.status) } else { format!("status {}: {text}", reply.status) }
}

/// The text of an error reply, cut; empty where it has none of the form that the API gives. It may hold a token: for
/// decisions, not for people.
pub fn error_text(reply: &HttpReply) -> String {
    quoted(&error_words(reply), &[])
}

fn error_words(reply: &HttpReply) -> String {
    let Some(value) = reply.value() else { return String::new() };
    let text = |key: &str| value[key].as_str().unwrap_or_default();
    [text("error"), text("error_description")].join(" ")
}

/// Whether the reply is the API speaking, and not a proxy before it.
pub fn is_api_error(reply: &HttpReply) -> bool {
    reply.value().is_some_and(|value| value["error"].is_string())
}

/// Shortest and longest wait that a server may ask for. Longer ones are a server's mistake, or an attack.
const WAIT: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(24 * 3600);
/// Wait after a refusal for asking too much that tells no time (Pleroma).
const UNTOLD: Duration = Duration::from_secs(5 * 60);

/// When to come back after a 429: `Retry-After`, else the reset where nothing is left, else five minutes on.
pub fn limited_until(reply: &HttpReply, now: Timestamp) -> Timestamp {
    let reset = || left(reply).filter(|&left| left == 0).and_then(|_| reset(reply)).map(|at| reply.until(at, now));
    let wait = retry_after(reply, now).or_else(|| reset().map(clamped)).unwrap_or(UNTOLD);
    time::after(now, wait)
}

/// How long `Retry-After` asks to wait, held within [`WAIT`].
pub fn retry_after(reply: &HttpReply, now: Timestamp) -> Option<Duration> {
    reply.retry_after(now).map(clamped)
}

fn clamped(wait: Duration) -> Duration {
    wait.clamp(*WAIT.start(), *WAIT.end())
}

/// What is left of the bucket that is closest to exhaustion.
pub fn pace(reply: &HttpReply, now: Timestamp) -> Option<Pace> {
    let wait = reply.until(reset(reply)?, now);
    let told = Pace { remaining: left(reply)?, reset: time::after(now, wait.min(*WAIT.end())) };
    (!wait.is_zero()).then_some(told)
}

fn left(reply: &HttpReply) -> Option<u64> {
    reply.header("x-ratelimit-remaining")?.trim().parse().ok()
}

/// ISO 8601 with any number of decimals, of which nine are kept.
fn reset(reply: &HttpReply) -> Option<Timestamp> {
    let text = reply.header("x-ratelimit-reset")?.trim();
    let Some((whole, rest)) = text.split_once('.') else { return text.parse().ok() };
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    format!("{whole}.{}{}", &rest[..digits.min(9)], &rest[digits..]).parse().ok()
}

/// What the next, older page of a list lies before. Of the address in `Link` only this is taken: requests go nowhere
/// but to the account's server.
pub fn next_page(reply: &HttpReply) -> Option<String> {
    let next = reply.header("link")?.split(',').find(|link| link.contains("rel=\"next\""))?;
    let address = next.split_once('<')?.1.split_once('>')?.0;
    let query = address.split_once('?')?.1;
    let id = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "max_id")?.1;
    Id::read(&Value::String(id.into_owned()))
}

/// The server's clock as its `Date` header tells it.
pub fn server_time(reply: &HttpReply) -> Option<Timestamp> {
    reply.date("date")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const NOW: &str = "2026-11-22T12:00:00Z";

    fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> HttpReply {
        let headers = headers.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        HttpReply { status, headers, body: body.as_bytes().to_vec(), cut: false }
    }

    #[test]
    fn waits_are_read_in_all_their_forms_and_held_within_bounds() {
        let now: Timestamp = NOW.parse().unwrap();
        let table: &[(&[(&str, &str)], &str)] = &[
            (&[("retry-after", "7")], "2026-11-22T12:00:07Z"),
            (&[("retry-after", "-1")], "2026-11-22T12:00:01Z"),
            (&[("retry-after", "1000000000")], "2026-11-23T12:00:00Z"),
            (&[("retry-after", "99999999999999999999")], "2026-11-23T12:00:00Z"),
            (&[("retry-after", "NaN")], "2026-11-22T12:05:00Z"),
            (&[("retry-after", "Sun, 22 Nov 2026 12:01:00 GMT")], "2026-11-22T12:01:00Z"),
            (&[("retry-after", "Sun, 22 Nov 2020 12:01:00 GMT")], "2026-11-22T12:00:01Z"),
            (&[("retry-after", "soon")], "2026-11-22T12:05:00Z"),
            (&[], "2026-11-22T12:05:00Z"),
            (
                &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "2026-11-22T12:02:00.123456Z")],
                "2026-11-22T12:02:00.123456Z",
            ),
            (
                &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "2026-11-22T12:02:00.000000000000Z")],
                "2026-11-22T12:02:00Z",
            ),
            (&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1764072000")], "2026-11-22T12:05:00Z"),
            (&[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "2020-01-01T00:00:00Z")], "2026-11-22T12:00:01Z"),
            (&[("x-ratelimit-remaining", "3"), ("x-ratelimit-reset", "2026-11-22T13:00:00Z")], "2026-11-22T12:05:00Z"),
            // A clock that is five hours ahead or behind.
            (
                &[("retry-after", "Sun, 22 Nov 2026 17:01:00 GMT"), ("date", "Sun, 22 Nov 2026 17:00:00 GMT")],
                "2026-11-22T12:01:00Z",
            ),
            (
                &[
                    ("x-ratelimit-remaining", "0"),
                    ("x-ratelimit-reset", "2026-11-22T07:02:00Z"),
                    ("date", "Sun, 22 Nov 2026 07:00:00 GMT"),
                ],
                "2026-11-22T12:02:00Z",
            ),
        ];
        for (headers, expected) in table {
            assert_eq!(limited_until(&reply(429, headers, ""), now), expected.parse().unwrap(), "{headers:?}");
        }
    }

    #[test]
    fn the_allowance_is_read_from_iso_times_only() {
        let now: Timestamp = NOW.parse().unwrap();
        let of = |left: &str, reset: &str| {
            pace(&reply(200, &[("x-ratelimit-remaining", left), ("x-ratelimit-reset", reset)], ""), now)
        };
        let reset = "2026-11-22T12:05:00.5Z".parse().unwrap();
        assert_eq!(of("12", "2026-11-22T12:05:00.5Z"), Some(Pace { remaining: 12, reset }));
        assert_eq!(of("12", "2026-11-22T11:00:00Z"), None);
        let ahead = [
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "2026-11-22T17:05:00.5Z"),
            ("date", "Sun, 22 Nov 2026 17:00:00 GMT"),
        ];
        assert_eq!(pace(&reply(200, &ahead, ""), now), Some(Pace { remaining: 0, reset }));
        assert_eq!(of("-1", "2026-11-22T12:05:00Z"), None);
        assert_eq!(of("1", "300"), None);
        assert_eq!(pace(&reply(200, &[], ""), now), None);
    }

    #[test]
    fn a_page_says_where_the_next_one_begins_and_nothing_else_of_it_is_followed() {
        let of = |link: &str| next_page(&reply(200, &[("link", link)], "[]"));
        let both =
            "<https://evil.example/x?limit=2&max_id=17>; rel=\"next\", <https://h.example/x?since_id=20>; rel=\"prev\"";
        assert_eq!(of(both).as_deref(), Some("17"));
        assert_eq!(of("<https://h.example/x?since_id=20>; rel=\"prev\""), None);
        assert_eq!(of("<https://h.example/x?max_id=..%2F..>; rel=\"next\""), None);
        assert_eq!(of("rel=\"next\""), None);
        assert_eq!(next_page(&reply(200, &[], "[]")), None);
    }

    #[test]
    fn an_id_is_one_plain_segment() {
        for good in [json!("113000000000000001"), json!("01JDE7X0Z4N1V0Q6S8M2K3T5RB"), json!(42), json!("A_b-c.1")] {
            assert!(Id::read(&good).is_some(), "{good}");
        }
        let long = "1".repeat(129);
        for bad in
            [json!(""), json!("a/b"), json!(".."), json!("a\u{202e}b"), json!(1.5), json!(-1), json!(null), json!(long)]
        {
            assert_eq!(Id::read(&bad), None, "{bad}");
        }
    }

    #[test]
    fn an_error_text_is_one_short_line_without_the_token() {
        let token = Secret::new("s3cret");
        let body = json!({"error": "bad\u{1b}[31m\u{202e} token s3cret\r\n was given"}).to_string();
        assert_eq!(complaint(&reply(401, &[], &body), Some(&token)), "status 401: bad [31m token [secret] was given");
        assert_eq!(complaint(&reply(502, &[], "<html>"), Some(&token)), "status 502");
        let long = json!({"error": "x".repeat(5_000)}).to_string();
        assert!(complaint(&reply(422, &[], &long), None).len() < 400);
    }

    #[test]
    fn paths_stay_below_the_base_url() {
        let token = Secret::new("t");
        let base: Url = "https://host.example/social/".parse().unwrap();
        let wire = Wire { base: &base, token: &token };
        assert_eq!(wire.status("1").url.as_str(), "https://host.example/social/api/v1/statuses/1");
        assert_eq!(
            wire.own_statuses("7", 40, Some("9")).url.as_str(),
            "https://host.example/social/api/v1/accounts/7/statuses?limit=40&exclude_reblogs=true&max_id=9"
        );
        let found = wire.resolve("https://far.example/@a/1?b=c&d").url;
        assert_eq!(found.query_pairs().next().unwrap().1, "https://far.example/@a/1?b=c&d");
        assert!(wire.node_info().headers.iter().all(|(name, _)| *name != "Authorization"));
    }
}
