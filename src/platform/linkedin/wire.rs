//! Requests as LinkedIn's versioned API takes them, and what its replies say.
//!
//! A token goes to the API, to the OAuth server and to LinkedIn's own upload servers. Where an upload goes is told by
//! a reply, so its host is checked before anything is sent there: see [`upload_url`].
//!
//! What a reply means for a step is not decided here, only what kind of trouble it is.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use url::Url;

use super::kind::Kind;
use crate::domain::{Secret, Timestamp, limits, time};
use crate::platform::contract::{Body, Call, HeaderValue, HttpReply, Method, Request};

/// Posts on one page of a list.
pub const PAGE: usize = 20;
/// Entries on one page of what people did.
pub const ENTRIES: usize = 100;
/// Bounds for a wait that a reply asks for.
const WAIT: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(24 * 3600);
const DAY: i64 = 24 * 3600;
/// How long after midnight UTC, when allowances are filled up, the next request is made.
const AFTER_MIDNIGHT: Duration = Duration::from_secs(60);
/// Shortest secret that is looked for in what LinkedIn says. Shorter ones would blank out ordinary words.
const SECRET_CHARS: usize = 6;

/// Where requests go, and by whom.
#[derive(Clone, Copy)]
pub struct Wire<'a> {
    pub base: &'a Url,
    pub version: &'a str,
    pub token: &'a Secret,
}

impl Wire<'_> {
    /// Whose token it is. This one path has no versions.
    pub fn user(&self) -> Call {
        let headers = vec![accept(), bearer(self.token)];
        call(Method::Get, at(self.base, "v2/userinfo"), headers, Body::default())
    }

    /// A page of an author's posts, the newest first.
    pub fn posts(&self, author: &str, start: usize, count: usize) -> Call {
        let mut url = at(self.base, "rest/posts");
        url.query_pairs_mut()
            .append_pair("author", author)
            .append_pair("q", "author")
            .append_pair("start", &start.to_string())
            .append_pair("count", &count.to_string())
            .append_pair("sortBy", "CREATED");
        let mut headers = self.headers();
        headers.push(("x-restli-method", HeaderValue::Plain("FINDER".into())));
        call(Method::Get, url, headers, Body::default())
    }

    /// One post.
    pub fn post(&self, urn: &str) -> Call {
        self.get(&format!("posts/{}", encoded(urn)), None)
    }

    /// What is counted of a post.
    pub fn metadata(&self, urn: &str) -> Call {
        self.get(&format!("socialMetadata/{}", encoded(urn)), None)
    }

    /// Who reacted to a post, the last ones first. Parentheses and colons belong to the syntax of these paths.
    pub fn reactions(&self, urn: &str, start: usize) -> Call {
        let query = format!("q=entity&sort=(value:REVERSE_CHRONOLOGICAL)&start={start}&count={ENTRIES}");
        self.get(&format!("reactions/(entity:{})", encoded(urn)), Some(&query))
    }

    /// What was said directly below a post or a comment.
    pub fn comments(&self, urn: &str, start: usize) -> Call {
        self.get(&format!("socialActions/{}/comments", encoded(urn)), Some(&format!("start={start}&count={ENTRIES}")))
    }

    /// One comment.
    pub fn comment(&self, object: &str, id: &str) -> Call {
        self.get(&format!("socialActions/{}/comments/{}", encoded(object), encoded(id)), None)
    }

    fn get(&self, path: &str, query: Option<&str>) -> Call {
        let mut url = at(self.base, &format!("rest/{path}"));
        url.set_query(query);
        call(Method::Get, url, self.headers(), Body::default())
    }

    pub fn create(&self, post: &Value) -> Call {
        call(Method::Post, at(self.base, "rest/posts"), self.headers(), Body::json(post))
    }

    /// Asks for a place to upload a file of that kind and length to.
    pub fn initialize(&self, kind: Kind, owner: &str, bytes: usize) -> Call {
        let mut wanted = json!({"owner": owner});
        if kind == Kind::Video {
            wanted["fileSizeBytes"] = json!(bytes);
            wanted["uploadCaptions"] = json!(false);
            wanted["uploadThumbnail"] = json!(false);
        }
        self.action(kind, "initializeUpload", &json!({"initializeUploadRequest": wanted}))
    }

    /// Says that all parts of a video are there.
    pub fn finalize(&self, urn: &str, upload_token: &str, parts: &[String]) -> Call {
        let wanted = json!({"video": urn, "uploadToken": upload_token, "uploadedPartIds": parts});
        self.action(Kind::Video, "finalizeUpload", &json!({"finalizeUploadRequest": wanted}))
    }

    /// What has become of an upload.
    pub fn media(&self, kind: Kind, urn: &str) -> Call {
        let path = format!("rest/{}/{}", kind.collection(), encoded(urn));
        call(Method::Get, at(self.base, &path), self.headers(), Body::default())
    }

    /// The bytes of an image or a document.
    pub fn put(&self, url: Url, bytes: Arc<[u8]>) -> Call {
        call(Method::Put, url, vec![bearer(self.token)], Body::bytes("application/octet-stream", bytes))
    }

    /// A part of a video, which must come without a token.
    pub fn put_part(url: Url, bytes: Arc<[u8]>) -> Call {
        call(Method::Put, url, Vec::new(), Body::bytes("application/octet-stream", bytes))
    }

    fn action(&self, kind: Kind, action: &str, body: &Value) -> Call {
        let mut url = at(self.base, &format!("rest/{}", kind.collection()));
        url.query_pairs_mut().append_pair("action", action);
        call(Method::Post, url, self.headers(), Body::json(body))
    }

    fn headers(&self) -> Vec<(&'static str, HeaderValue)> {
        let plain = |name, value: &str| (name, HeaderValue::Plain(value.into()));
        vec![
            accept(),
            plain("linkedin-version", self.version),
            plain("x-restli-protocol-version", "2.0.0"),
            bearer(self.token),
        ]
    }
}

/// Asks for a new access token.
pub fn refresh(oauth: &Url, client_id: &str, client_secret: &Secret, refresh_token: &Secret) -> Call {
    let request = grant(
        oauth,
        &[
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token.expose().trim()),
            ("client_id", client_id),
            ("client_secret", client_secret.expose().trim()),
        ],
    );
    Call::Http(request)
}

/// Asks the token endpoint.
pub fn grant(oauth: &Url, fields: &[(&str, &str)]) -> Request {
    let (method, url) = (Method::Post, at(oauth, "oauth/v2/accessToken"));
    Request { method, url, headers: vec![accept()], body: Body::urlencoded(fields), secret_path: None }
}

/// Asks what a token may do, and until when; only the app that it was made for is told.
pub fn introspect(oauth: &Url, client_id: &str, client_secret: &Secret, token: &Secret) -> Call {
    let body = Body::urlencoded(&[
        ("client_id", client_id),
        ("client_secret", client_secret.expose().trim()),
        ("token", token.expose().trim()),
    ]);
    call(Method::Post, at(oauth, "oauth/v2/introspectToken"), vec![accept()], body)
}

fn call(method: Method, url: Url, headers: Vec<(&'static str, HeaderValue)>, body: Body) -> Call {
    Call::Http(Request { method, url, headers, body, secret_path: None })
}

fn accept() -> (&'static str, HeaderValue) {
    ("accept", HeaderValue::Plain("application/json".into()))
}

fn bearer(token: &Secret) -> (&'static str, HeaderValue) {
    ("authorization", HeaderValue::Secret { prefix: "Bearer ", secret: Secret::new(token.expose().trim()) })
}

pub fn at(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url
}

/// A URN in a path: Rest.li keeps parentheses and commas for itself, and wants the rest encoded.
fn encoded(urn: &str) -> String {
    url::form_urlencoded::byte_serialize(urn.as_bytes()).collect()
}

/// An address that a reply gave to upload to, if that is a place of LinkedIn's.
pub fn upload_url(base: &Url, text: &str) -> Option<Url> {
    let url = Url::parse(text).ok()?;
    let same = url.origin() == base.origin();
    let family = url.scheme() == "https" && is_linkedin(&url) && is_linkedin(base);
    let bare = url.username().is_empty() && url.password().is_none();
    ((same || family) && bare).then_some(url)
}

fn is_linkedin(url: &Url) -> bool {
    url.host_str().is_some_and(|host| host == "linkedin.com" || host.ends_with(".linkedin.com"))
}

/// What went wrong, as far as the reply alone tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The token is not accepted. Nothing was done.
    Token(String),
    /// The token may not do this. Nothing was done.
    Forbidden(String),
    /// This version of the API is not served. Nothing was done.
    Version(String),
    /// Too much was asked. Nothing was done.
    TooMuch { until: Timestamp, why: String },
    /// Nothing was done, and it may be tried again.
    Again(String),
    /// It was understood and refused; or, where that is not spoken, something before LinkedIn has turned it away.
    Refused { refusal: Refusal, why: String },
    /// Something stumbled, or another has answered: what was done, nobody knows.
    Unknown(String),
}

/// A refusal in LinkedIn's own words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    /// Of the whole and of each field, such as `FIELD_LENGTH_TOO_LONG`.
    pub codes: Vec<String>,
    pub message: String,
    /// LinkedIn itself has answered, and not something before it.
    pub spoken: bool,
}

impl Refusal {
    fn of(reply: &HttpReply) -> Self {
        let value = reply.value().unwrap_or_default();
        let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let inputs = value.pointer("/errorDetails/inputErrors").and_then(Value::as_array);
        let codes: Vec<String> = std::iter::once(&value)
            .chain(inputs.into_iter().flatten())
            .filter_map(|value| text(value, "code"))
            .filter(|code| code.len() <= 80)
            .collect();
        let message = text(&value, "message").unwrap_or_default();
        let spoken = !codes.is_empty() || !message.is_empty();
        Self { status: reply.status, codes, message, spoken }
    }

    pub fn has(&self, code: &str) -> bool {
        self.codes.iter().any(|held| held == code)
    }

    /// The last code is the most particular.
    fn words(&self) -> String {
        let code = self.codes.last().map(String::as_str).unwrap_or_default();
        match (code, self.message.as_str()) {
            ("", "") => format!("{} without an explanation", self.status),
            (code, "") => format!("{} {code}", self.status),
            ("", message) => format!("{}: {message}", self.status),
            (code, message) => format!("{} {code}: {message}", self.status),
        }
    }
}

/// What kind of trouble a reply is that is not the success of its step. `hidden` is blanked out of what it says.
pub fn trouble(reply: &HttpReply, hidden: &[&str], now: Timestamp) -> Trouble {
    let refusal = Refusal::of(reply);
    let why = quote(&refusal.words(), hidden);
    match reply.status {
        401 => Trouble::Token(why),
        426 => Trouble::Version(why),
        400 if refusal.has("VERSION_MISSING") || refusal.has("NONEXISTENT_VERSION") => Trouble::Version(why),
        403 if refusal.spoken && !refusal.message.contains("Unpermitted fields") => Trouble::Forbidden(why),
        429 => Trouble::TooMuch { until: limited_until(reply, now), why },
        409 if refusal.spoken => Trouble::Again(why),
        400 | 403 | 404 | 405 | 406 | 410 | 411 | 413 | 414 | 415 | 422 | 431 | 451 => {
            Trouble::Refused { refusal, why }
        }
        200..300 if reply.cut => Trouble::Unknown(format!("{}: the reply was cut off", reply.status)),
        200..300 => Trouble::Unknown(format!("{}: the reply is not what was asked for", reply.status)),
        _ => Trouble::Unknown(why),
    }
}

/// When to ask again after a 429. LinkedIn counts by the day of UTC and does not say; should it say, that counts.
fn limited_until(reply: &HttpReply, now: Timestamp) -> Timestamp {
    if let Some(seconds) = reply.header("retry-after").and_then(|text| text.trim().parse().ok()) {
        return time::after(now, Duration::from_secs(seconds).clamp(*WAIT.start(), *WAIT.end()));
    }
    // By LinkedIn's clock, where it tells.
    let there = reply.date("date").unwrap_or(now);
    let left = DAY - there.as_second().rem_euclid(DAY);
    time::after(now, Duration::from_secs(u64::try_from(left).unwrap_or_default()) + AFTER_MIDNIGHT)
}

/// What LinkedIn said, without our secrets, cut to a length that a log line can carry.
pub fn quote(text: &str, hidden: &[&str]) -> String {
    let secrets = hidden.iter().filter(|secret| secret.len() >= SECRET_CHARS);
    let text = secrets.fold(text.to_owned(), |text, secret| text.replace(secret, "[secret]"));
    match text.char_indices().nth(limits::QUOTED_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_790_000_000, 0);

    #[test]
    fn a_day_of_utc_is_waited_for_unless_a_time_is_told() {
        let until = |headers: &[(&str, &str)]| {
            let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            let reply = HttpReply { status: 429, headers, ..HttpReply::default() };
            limited_until(&reply, NOW).as_second() - NOW.as_second()
        };
        // NOW is 14:13:20.
        assert_eq!(until(&[]), 9 * 3600 + 46 * 60 + 40 + 60);
        assert_eq!(until(&[("date", "Mon, 21 Sep 2026 23:00:00 GMT")]), 3660);
        assert_eq!(until(&[("retry-after", "90")]), 90);
        assert_eq!(until(&[("retry-after", "0")]), 1);
        assert_eq!(until(&[("retry-after", "999999999")]), DAY);
    }

    #[test]
    fn files_go_to_places_of_linkedin_only() {
        let held = |base: &str, url: &str| upload_url(&base.parse().unwrap(), url).is_some();
        let api = "https://api.linkedin.com";
        assert!(held(api, "https://www.linkedin.com/dms-uploads/x?a=b"));
        assert!(held(api, "https://api.linkedin.com/mediaUpload/x"));
        for elsewhere in [
            "http://www.linkedin.com/x",
            "https://linkedin.com.example/x",
            "https://notlinkedin.com/x",
            "https://user@www.linkedin.com/x",
            "http://127.0.0.1/x",
            "file:///etc/passwd",
            "",
        ] {
            assert!(!held(api, elsewhere), "{elsewhere}");
        }
        assert!(held("http://127.0.0.1:9/", "http://127.0.0.1:9/x"));
        assert!(!held("http://127.0.0.1:9/", "http://127.0.0.1:10/x"));
        assert!(!held("http://127.0.0.1:9/", "https://www.linkedin.com/x"));
    }

    #[test]
    fn urns_are_encoded_and_the_path_of_the_base_is_kept() {
        let (base, token) = ("http://127.0.0.1:1/li/".parse().unwrap(), Secret::new("token-1"));
        let wire = Wire { base: &base, version: "202609", token: &token };
        let url = |call: Call| match call {
            Call::Http(request) => request.url.to_string(),
            _ => unreachable!("a request"),
        };
        let image = url(wire.media(Kind::Image, "urn:li:image:a-b"));
        assert_eq!(image, "http://127.0.0.1:1/li/rest/images/urn%3Ali%3Aimage%3Aa-b");
        let posts = url(wire.posts("urn:li:organization:1", 20, PAGE));
        let query = "author=urn%3Ali%3Aorganization%3A1&q=author&start=20&count=20&sortBy=CREATED";
        assert_eq!(posts, format!("http://127.0.0.1:1/li/rest/posts?{query}"));
    }

    #[test]
    fn what_is_hidden_is_not_quoted() {
        let said = json!({"message": "got Bearer AQX-secret", "status": 400});
        let why = trouble(&HttpReply::json(400, &said), &["AQX-secret", "go"], NOW);
        let Trouble::Refused { why, .. } = why else { panic!("{why:?}") };
        assert_eq!(why, "400: got Bearer [secret]");
    }
}
