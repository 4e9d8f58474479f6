//! Requests as the Data API and Google's token endpoint take them, and what a reply says went wrong.
//!
//! What a reply means for a step is not decided here, only what kind of trouble it is: by the error's reason first, by
//! the status where there is no reason that we know.

use std::time::Duration;

use jiff::tz::TimeZone;
use serde_json::{Value, json};
use url::Url;

use crate::domain::{Secret, Timestamp, limits, time};
use crate::platform::contract::{Body, Call, HeaderValue, HttpReply, Media, Method, Request, is_loopback};

/// Where the API and the token endpoint are for everybody.
pub const API: &str = "https://www.googleapis.com";
pub const AUTH: &str = "https://oauth2.googleapis.com";
/// How much of a film goes up in one request: a multiple of 256 KiB, as the protocol asks, and little enough for one
/// request's time on a slow line.
pub const CHUNK: usize = 8 * 1024 * 1024;

/// Bounds for how long a reply may make us wait, and what is waited where it does not say: nothing tells when the
/// per-minute limits end.
const WAIT: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(24 * 3600);
const WAIT_UNTOLD: Duration = Duration::from_secs(60);
/// How often that wait is doubled at most.
const DOUBLINGS: u32 = 6;
/// A channel that has uploaded too much is let in again after a day; no reply says when exactly.
const UPLOAD_LIMIT: Duration = Duration::from_secs(24 * 3600);
/// Daily quota is filled up at midnight there. Written as a rule, so that no file of the machine has a say in it.
const PACIFIC: &str = "PST8PDT,M3.2.0,M11.1.0";
/// Our clock and Google's may differ by so much.
const CLOCKS: Duration = Duration::from_secs(120);
/// Shortest secret that is looked for in what a server says. Shorter ones would blank out ordinary words.
const SECRET_CHARS: usize = 6;

/// Where requests go.
#[derive(Debug, Clone)]
pub struct Wire {
    api: Url,
    auth: Url,
}

/// What the file is, for an upload session.
#[derive(Debug, Clone, Copy)]
pub struct Film<'a> {
    pub mime: &'a str,
    pub bytes: usize,
}

impl Wire {
    pub fn new(api: Url, auth: Url) -> Self {
        Self { api, auth }
    }

    pub fn api(&self) -> &Url {
        &self.api
    }

    /// The refresh token stays what it is: only an access token comes back.
    pub fn refresh(&self, client: &str, client_secret: &Secret, refresh: &Secret) -> Call {
        Call::Http(self.token(&[
            ("grant_type", "refresh_token"),
            ("client_id", client),
            ("client_secret", client_secret.expose()),
            ("refresh_token", refresh.expose()),
        ]))
    }

    /// Asks the token endpoint.
    pub fn token(&self, fields: &[(&str, &str)]) -> Request {
        Request {
            method: Method::Post,
            url: below(&self.auth, "token", &[]),
            headers: headers(None),
            body: Body::urlencoded(fields),
            secret_path: None,
        }
    }

    pub fn own_channel(&self, token: &Secret) -> Call {
        self.call(token, Method::Get, "youtube/v3/channels", &[("part", "id"), ("mine", "true")], Body::default())
    }

    /// What people call it, and what it may do.
    pub fn about_channel(&self, token: &Secret) -> Call {
        let query = [("part", "snippet,status"), ("mine", "true")];
        self.call(token, Method::Get, "youtube/v3/channels", &query, Body::default())
    }

    /// Begins an upload. What is said of the film goes along; its bytes come later, to the address in the reply.
    pub fn begin(&self, token: &Secret, about: &Value, film: Film<'_>) -> Call {
        let url =
            below(&self.api, "upload/youtube/v3/videos", &[("uploadType", "resumable"), ("part", "snippet,status")]);
        let mut headers = headers(Some(token));
        headers.push(("x-upload-content-type", HeaderValue::Plain(film.mime.into())));
        headers.push(("x-upload-content-length", HeaderValue::Plain(film.bytes.to_string())));
        Call::Http(Request { method: Method::Post, url, headers, body: Body::json(about), secret_path: None })
    }

    /// Asks an upload session how much it has.
    pub fn ask(&self, token: &Secret, session: Url, film: Film<'_>) -> Call {
        self.put(token, session, format!("bytes */{}", film.bytes), Body::default())
    }

    /// Sends the next bytes of a film, from `from` on.
    pub fn chunk(
        &self,
        token: &Secret,
        session: Url,
        film: Film<'_>,
        from: usize,
        chunk: std::sync::Arc<[u8]>,
    ) -> Call {
        let range = format!("bytes {from}-{}/{}", from + chunk.len().max(1) - 1, film.bytes);
        self.put(token, session, range, Body::bytes(film.mime, chunk))
    }

    fn put(&self, token: &Secret, url: Url, range: String, body: Body) -> Call {
        let mut headers = headers(Some(token));
        headers.push(("content-range", HeaderValue::Plain(range)));
        Call::Http(Request { method: Method::Put, url, headers, body, secret_path: None })
    }

    pub fn set_thumbnail(&self, token: &Secret, video: &str, image: &Media) -> Call {
        let query = [("videoId", video), ("uploadType", "media")];
        let body = Body::bytes(&image.mime, image.bytes.clone());
        self.call(token, Method::Post, "upload/youtube/v3/thumbnails/set", &query, body)
    }

    /// Adds captions to a video. What is said of them and the file itself go in one request, with `key` between them,
    /// which stands in no file that was made before it.
    pub fn add_captions(&self, token: &Secret, video: &str, lang: &str, file: &Media, key: &str) -> Call {
        let snippet = json!({"videoId": video, "language": lang, "name": file.item.alt.trim(), "isDraft": false});
        let about = json!({ "snippet": snippet });
        let head = format!(
            "--{key}\r\ncontent-type: application/json; charset=UTF-8\r\n\r\n{about}\r\n--{key}\r\n\
             content-type: application/octet-stream\r\n\r\n"
        );
        let chunks =
            vec![head.into_bytes().into(), file.bytes.clone(), format!("\r\n--{key}--\r\n").into_bytes().into()];
        let body = Body { mime: Some(format!("multipart/related; boundary={key}")), chunks };
        let query = [("uploadType", "multipart"), ("part", "snippet")];
        self.call(token, Method::Post, "upload/youtube/v3/captions", &query, body)
    }

    pub fn video(&self, token: &Secret, video: &str) -> Call {
        let query = [("part", "status,processingDetails"), ("id", video)];
        self.call(token, Method::Get, "youtube/v3/videos", &query, Body::default())
    }

    pub fn in_playlist(&self, token: &Secret, playlist: &str, video: &str) -> Call {
        let query = [("part", "id"), ("playlistId", playlist), ("videoId", video)];
        self.call(token, Method::Get, "youtube/v3/playlistItems", &query, Body::default())
    }

    pub fn add_to_playlist(&self, token: &Secret, playlist: &str, video: &str) -> Call {
        let resource = json!({"kind": "youtube#video", "videoId": video});
        let body = json!({"snippet": {"playlistId": playlist, "resourceId": resource}});
        self.call(token, Method::Post, "youtube/v3/playlistItems", &[("part", "snippet")], Body::json(&body))
    }

    /// Sets the whole status: what is left out would be cleared.
    pub fn set_status(&self, token: &Secret, video: &str, status: &Value) -> Call {
        let body = json!({"id": video, "status": status});
        self.call(token, Method::Put, "youtube/v3/videos", &[("part", "status")], Body::json(&body))
    }

    /// Asks for a list of something.
    pub fn read(&self, token: &Secret, list: &str, query: &[(&str, &str)]) -> Request {
        let url = below(&self.api, &format!("youtube/v3/{list}"), query);
        Request { method: Method::Get, url, headers: headers(Some(token)), body: Body::default(), secret_path: None }
    }

    fn call(&self, token: &Secret, method: Method, path: &str, query: &[(&str, &str)], body: Body) -> Call {
        let url = below(&self.api, path, query);
        Call::Http(Request { method, url, headers: headers(Some(token)), body, secret_path: None })
    }

    /// The address of an upload session, if it is one that a token may be sent to: where the API is, or, for Google's
    /// own API, another host of it.
    pub fn session(&self, location: &str) -> Option<Url> {
        let url = Url::parse(location).ok()?;
        let google = |url: &Url| url.host_str().is_some_and(|host| host.ends_with(".googleapis.com"));
        let ours = url.origin() == self.api.origin() || (google(&self.api) && google(&url) && url.port().is_none());
        let plain = url.username().is_empty() && url.password().is_none();
        let safe = url.scheme() == "https" || is_loopback(&url);
        (ours && plain && safe && location.len() <= 2_000).then_some(url)
    }
}

fn below(base: &Url, path: &str, query: &[(&str, &str)]) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    if !query.is_empty() {
        url.query_pairs_mut().extend_pairs(query);
    }
    url
}

fn headers(token: Option<&Secret>) -> Vec<(&'static str, HeaderValue)> {
    let accept = ("accept", HeaderValue::Plain("application/json".into()));
    let bearer = token.map(|token| ("authorization", HeaderValue::Secret { prefix: "Bearer ", secret: token.clone() }));
    std::iter::once(accept).chain(bearer).collect()
}

/// What went wrong, as far as the reply alone tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The access token is not accepted. Nothing was done.
    Token(String),
    /// A person has to act on the account, its project or its scopes. Nothing was done.
    Stopped(String),
    /// Too much was asked. Nothing was done.
    TooMuch { until: Timestamp, why: String },
    /// YouTube has understood and refuses. Nothing was done.
    Refused { reason: String, why: String },
    /// The server stumbled, or something between us and it has answered: what was done, nobody knows.
    Unknown { after: Option<Duration>, why: String },
}

/// When a reply is read, and what must not show up in what is said of it.
#[derive(Clone)]
pub struct Ear {
    pub now: Timestamp,
    /// From 1.
    pub attempt: u32,
    pub hidden: Vec<String>,
}

impl Ear {
    /// The reply's object, or what went wrong.
    pub fn understand(&self, reply: &HttpReply) -> Result<Value, Trouble> {
        let status = reply.status;
        let value = reply.value().filter(Value::is_object);
        if matches!(status, 200 | 201) {
            let why = if reply.cut { "the reply was cut off" } else { "the reply is not JSON" };
            return value.ok_or_else(|| Trouble::Unknown { after: None, why: format!("{status}: {why}") });
        }
        let error = value.as_ref().and_then(|value| value.get("error"));
        let text = |pointer: &str| error.and_then(|error| error.pointer(pointer)?.as_str()).unwrap_or_default();
        let reason = match text("/errors/0/reason") {
            "" => text("/details/0/reason"),
            reason => reason,
        };
        let why = match (reason, text("/message")) {
            ("", _) => format!("{status} without a reason"),
            (reason, "") => format!("{status} {}", self.quote(reason)),
            (reason, message) => format!("{status} {}: {}", self.quote(reason), self.quote(message)),
        };
        Err(self.trouble(reply, reason, why))
    }

    fn trouble(&self, reply: &HttpReply, reason: &str, why: String) -> Trouble {
        let too_much = |until: Timestamp, why: String| Trouble::TooMuch { until, why };
        match (reason, reply.status) {
            ("quotaExceeded" | "dailyLimitExceeded", _) => too_much(self.midnight(), why),
            ("uploadLimitExceeded", _) => too_much(time::after(self.now, UPLOAD_LIMIT), why),
            ("rateLimitExceeded" | "userRateLimitExceeded" | "uploadRateLimitExceeded" | "RATE_LIMIT_EXCEEDED", _)
            | (_, 429) => too_much(self.told_wait(reply), why),
            ("youtubeSignupRequired" | "NoLinkedYouTubeAccount" | "channelClosed" | "channelSuspended", _)
            | (
                "authenticatedUserAccountClosed" | "authenticatedUserAccountSuspended" | "accountDelegationForbidden",
                _,
            ) => Trouble::Stopped(why),
            ("insufficientPermissions" | "ACCESS_TOKEN_SCOPE_INSUFFICIENT", _) => Trouble::Stopped(format!(
                "{why}; the token may do too little: connect the channel again with the scope youtube.force-ssl"
            )),
            ("accessNotConfigured" | "SERVICE_DISABLED", _) => {
                Trouble::Stopped(format!("{why}; switch the YouTube Data API v3 on in the Google project"))
            }
            (_, 401) => Trouble::Token(why),
            ("internalError" | "backendError" | "processingFailure", _) => {
                Trouble::Unknown { after: retry_after(reply), why }
            }
            (reason, 400..=499) if !reason.is_empty() => Trouble::Refused { reason: reason.into(), why },
            _ => Trouble::Unknown { after: retry_after(reply), why },
        }
    }

    /// What a server said, in one line, without our secrets, cut to a length that a log line can carry.
    pub fn quote(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in self.hidden.iter().filter(|secret| secret.len() >= SECRET_CHARS) {
            text = text.replace(secret.as_str(), "[secret]");
        }
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        match text.char_indices().nth(limits::QUOTED_CHARS) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    }

    fn told_wait(&self, reply: &HttpReply) -> Timestamp {
        let doubled = WAIT_UNTOLD * 2u32.pow(self.attempt.saturating_sub(1).min(DOUBLINGS));
        let dated = || Some(reply.until(reply.date("retry-after")?, self.now).clamp(*WAIT.start(), *WAIT.end()));
        time::after(self.now, retry_after(reply).or_else(dated).unwrap_or(doubled))
    }

    /// The next midnight in California, when every project's quota is whole again.
    fn midnight(&self) -> Timestamp {
        let next = || {
            let zone = TimeZone::posix(PACIFIC).ok()?;
            let tomorrow = self.now.to_zoned(zone.clone()).date().tomorrow().ok()?;
            Some(tomorrow.to_zoned(zone).ok()?.timestamp())
        };
        time::after(next().unwrap_or_else(|| time::after(self.now, *WAIT.end())), CLOCKS)
    }
}

fn retry_after(reply: &HttpReply) -> Option<Duration> {
    let seconds = reply.header("retry-after")?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).clamp(*WAIT.start(), *WAIT.end()))
}

/// Where an upload session stands after a request to it.
#[derive(Debug, Clone, PartialEq)]
pub enum Standing {
    /// It has that many bytes, and waits for the next ones.
    Has(usize),
    /// It has them all; this is the video.
    Whole(Value),
    /// Nobody knows it any more.
    Gone,
    Trouble(Trouble),
}

/// Reads the reply to [`Wire::ask`] or [`Wire::chunk`].
pub fn standing(ear: &Ear, reply: &HttpReply) -> Standing {
    match reply.status {
        308 => match stored(reply) {
            Some(bytes) => Standing::Has(bytes),
            None => {
                let why = "308: the range in the reply cannot be read".into();
                Standing::Trouble(Trouble::Unknown { after: None, why })
            }
        },
        404 | 410 => Standing::Gone,
        _ => match ear.understand(reply) {
            Ok(video) => Standing::Whole(video),
            Err(trouble) => Standing::Trouble(trouble),
        },
    }
}

/// How many bytes a session has: those up to the last one of `Range`, and none where there is no range.
fn stored(reply: &HttpReply) -> Option<usize> {
    let Some(range) = reply.header("range") else { return Some(0) };
    let (first, last) = range.trim().trim_start_matches("bytes=").split_once('-')?;
    (first == "0").then(|| last.parse::<usize>().ok()?.checked_add(1)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ear(now: &str) -> Ear {
        Ear { now: now.parse().unwrap(), attempt: 1, hidden: vec!["canary-1".into()] }
    }

    fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> HttpReply {
        let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        HttpReply { status, headers, body: body.into(), cut: false }
    }

    #[test]
    fn quota_is_whole_again_at_midnight_in_california() {
        for (now, midnight) in [
            ("2026-12-01T08:00:00Z", "2026-12-02T08:02:00Z"),
            ("2026-12-01T07:59:59Z", "2026-12-01T08:02:00Z"),
            ("2026-07-01T12:00:00Z", "2026-07-02T07:02:00Z"),
            // The days on which their clocks change have 23 and 25 hours.
            ("2026-03-08T08:00:00Z", "2026-03-09T07:02:00Z"),
            ("2026-11-01T07:00:00Z", "2026-11-02T08:02:00Z"),
        ] {
            assert_eq!(ear(now).midnight(), midnight.parse().unwrap(), "{now}");
        }
    }

    #[test]
    fn waits_are_taken_from_the_reply_within_bounds_or_doubled() {
        let wait = |headers: &[(&str, &str)], attempt| {
            let ear = Ear { attempt, ..ear("2026-12-01T08:00:00Z") };
            time::since(ear.told_wait(&reply(429, headers, "")), ear.now).as_secs()
        };
        assert_eq!(wait(&[("retry-after", "7")], 3), 7);
        assert_eq!(wait(&[("retry-after", "0")], 1), 1);
        assert_eq!(wait(&[("retry-after", "1000000000")], 1), 24 * 3600);
        assert_eq!(wait(&[("retry-after", "Tue, 01 Dec 2026 08:00:09 GMT")], 1), 9);
        assert_eq!(wait(&[("retry-after", "-1")], 1), 60);
        assert_eq!((wait(&[], 1), wait(&[], 2), wait(&[], 3), wait(&[], 4_000_000)), (60, 120, 240, 3840));
    }

    #[test]
    fn a_session_says_how_much_it_has() {
        let of = |headers: &[(&str, &str)]| stored(&reply(308, headers, ""));
        assert_eq!(of(&[]), Some(0));
        assert_eq!(of(&[("range", "bytes=0-8388607")]), Some(8_388_608));
        assert_eq!(of(&[("range", "0-0")]), Some(1));
        for strange in ["bytes=1-5", "bytes=0-", "bytes=0-x", "", "bytes=0-18446744073709551615"] {
            assert_eq!(of(&[("range", strange)]), None, "{strange}");
        }
    }

    #[test]
    fn a_token_goes_to_google_or_to_where_the_api_is() {
        let at = |api: &str, location: &str| {
            Wire::new(api.parse().unwrap(), AUTH.parse().unwrap()).session(location).is_some()
        };
        assert!(at(API, "https://www.googleapis.com/upload/youtube/v3/videos?upload_id=x"));
        assert!(at(API, "https://youtube.googleapis.com/upload/youtube/v3/videos?upload_id=x"));
        assert!(at("http://127.0.0.1:7", "http://127.0.0.1:7/upload?upload_id=x"));
        for elsewhere in [
            "http://www.googleapis.com/upload?upload_id=x",
            "https://evil-googleapis.com/",
            "https://www.googleapis.com.evil.example/",
            "https://user@www.googleapis.com/",
            "https://www.googleapis.com:444/",
            "/upload?upload_id=x",
        ] {
            assert!(!at(API, elsewhere), "{elsewhere}");
        }
        assert!(!at("http://127.0.0.1:7", "http://127.0.0.1:8/upload") && !at("http://127.0.0.1:7", API));
    }

    #[test]
    fn what_a_server_says_is_one_line_without_secrets() {
        let body = json!({"error": {"errors": [{"reason": "invalidTitle"}], "message": "no\r\ncanary-1 here"}});
        let trouble = ear("2026-12-01T08:00:00Z").understand(&reply(400, &[], &body.to_string()));
        let why = "400 invalidTitle: no  [secret] here".to_owned();
        assert_eq!(trouble, Err(Trouble::Refused { reason: "invalidTitle".into(), why }));
    }
}
