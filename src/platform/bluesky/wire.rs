//! Requests as a personal data server (PDS) takes them, and what its replies say.
//!
//! Everything goes to the configured `service`, the account's own server or its provider's entryway, which passes
//! requests on. The address in a DID document is not followed: it comes from outside, and no token goes to
//! a host other than the one the configuration names.
//!
//! What a reply means for a step is not decided here, only what kind of trouble it is: by the error's name first,
//! by the status where there is no name that we know.

use std::time::Duration;

use serde_json::{Value, json};
use url::Url;

use super::syntax::POSTS;
use crate::domain::{Secret, Timestamp, limits, time};
use crate::platform::contract::{Body, Call, HeaderValue, HttpReply, Media, Method, Pace, Request};

/// Bounds for how long a server may make us wait: less than a second hammers it, and what asks for more than a
/// day is more likely a mistake than a wish.
const WAIT: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(24 * 3600);
/// How long to wait after a 429 that does not say. The shortest window of the reference server is five minutes.
const WAIT_UNTOLD: Duration = Duration::from_secs(300);
/// Policies of the bucket that counts logins only. It stands in the replies to logins and says nothing about
/// publishing.
const LOGIN_POLICIES: [&str; 2] = ["30;w=300", "300;w=86400"];
/// Policies of the bucket that counts points for writes, of which one `putRecord` costs [`PUT_POINTS`].
const WRITE_POLICIES: [&str; 2] = ["5000;w=3600", "35000;w=86400"];
const PUT_POINTS: u64 = 2;
/// Shortest secret that is looked for in what a server says. Shorter ones would blank out ordinary words.
const SECRET_CHARS: usize = 6;

/// Where requests go.
#[derive(Debug, Clone)]
pub struct Wire {
    service: Url,
}

impl Wire {
    pub fn new(service: Url) -> Self {
        Self { service }
    }

    pub fn service(&self) -> &Url {
        &self.service
    }

    pub fn create_session(&self, identifier: &str, password: &Secret) -> Call {
        let body = json!({"identifier": identifier, "password": password.expose()});
        self.post("com.atproto.server.createSession", None, Body::json(&body))
    }

    /// The one call that carries the refresh token, and no body: the server refuses even an empty object.
    pub fn refresh_session(&self, refresh: Secret) -> Call {
        self.post("com.atproto.server.refreshSession", Some(refresh), Body::default())
    }

    pub fn get_session(&self, access: Secret) -> Call {
        self.get("com.atproto.server.getSession", Some(access), &[])
    }

    pub fn upload_blob(&self, access: Secret, media: &Media) -> Call {
        let body = Body::bytes(&media.mime, media.bytes.clone());
        self.post("com.atproto.repo.uploadBlob", Some(access), body)
    }

    /// Creates a record unless there is one. `swapRecord: null` says "only where nothing is"; the same record once
    /// more is answered as the first time, another one is refused, and none is ever overwritten.
    pub fn put_post(&self, access: Secret, did: &str, rkey: &str, record: &Value) -> Call {
        let body = json!({"repo": did, "collection": POSTS, "rkey": rkey, "swapRecord": null, "record": record});
        self.post("com.atproto.repo.putRecord", Some(access), Body::json(&body))
    }

    /// Needs no login; a token lets an entryway find the account's server without guessing.
    pub fn get_post(&self, access: Option<Secret>, repo: &str, rkey: &str) -> Call {
        Call::Http(self.record(access, repo, rkey))
    }

    /// The same as a request.
    pub fn record(&self, access: Option<Secret>, repo: &str, rkey: &str) -> Request {
        let query = [("repo", repo), ("collection", POSTS), ("rkey", rkey)];
        self.ask("com.atproto.repo.getRecord", access, &query)
    }

    /// Asks the service that tells of posts and people, by way of the account's server.
    pub fn view(&self, method: &str, access: Secret, query: &[(&str, &str)]) -> Request {
        self.ask(method, Some(access), query)
    }

    pub fn resolve_handle(&self, handle: &str) -> Call {
        self.get("com.atproto.identity.resolveHandle", None, &[("handle", handle)])
    }

    fn get(&self, method: &str, token: Option<Secret>, query: &[(&str, &str)]) -> Call {
        Call::Http(self.ask(method, token, query))
    }

    fn ask(&self, method: &str, token: Option<Secret>, query: &[(&str, &str)]) -> Request {
        let mut url = self.endpoint(method);
        url.query_pairs_mut().extend_pairs(query);
        Request { method: Method::Get, url, secret_path: None, headers: headers(token), body: Body::default() }
    }

    fn post(&self, method: &str, token: Option<Secret>, body: Body) -> Call {
        let url = self.endpoint(method);
        Call::Http(Request { method: Method::Post, url, secret_path: None, headers: headers(token), body })
    }

    fn endpoint(&self, method: &str) -> Url {
        let mut url = self.service.clone();
        let path = format!("{}/xrpc/{method}", url.path().trim_end_matches('/'));
        url.set_path(&path);
        url
    }
}

fn headers(token: Option<Secret>) -> Vec<(&'static str, HeaderValue)> {
    let accept = ("accept", HeaderValue::Plain("application/json".into()));
    let bearer = token.map(|secret| ("authorization", HeaderValue::Secret { prefix: "Bearer ", secret }));
    std::iter::once(accept).chain(bearer).collect()
}

/// What went wrong, as far as the reply alone tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// The token is not accepted any more, or never was. Nothing was done.
    Token(String),
    /// The server does not know who asks, or does not let them. Nothing was done.
    LoggedOut(String),
    /// The account itself is closed, or the token may not do this: a person has to act. Nothing was done.
    Stopped(String),
    /// Too much was asked. Nothing was done.
    TooMuch { until: Timestamp, why: String },
    /// The server has understood and refuses. Nothing was done.
    Refused { name: String, why: String },
    /// The server stumbled, or something between us and it has answered: what was done, nobody knows.
    Unknown { after: Option<Duration>, why: String },
}

/// The reply's object, or what went wrong. `secrets` are blanked out of what the server says.
///
/// # Errors
/// Everything but a complete JSON object with a status of 2xx.
pub fn understand(reply: &HttpReply, secrets: &[&str], now: Timestamp) -> Result<Value, Trouble> {
    let status = reply.status;
    let value = reply.value().filter(Value::is_object);
    if (200..300).contains(&status) {
        let why = if reply.cut { "the reply was cut off" } else { "the reply is not JSON" };
        return value.ok_or_else(|| Trouble::Unknown { after: None, why: format!("{status}: {why}") });
    }
    let word = |key: &str| value.as_ref().and_then(|value| value.get(key)?.as_str()).unwrap_or_default();
    let name = word("error");
    let why = match (name, word("message")) {
        ("", _) => format!("{status} without an explanation"),
        (name, "") => format!("{status} {}", quote(name, secrets)),
        (name, message) => format!("{status} {}: {}", quote(name, secrets), quote(message, secrets)),
    };
    let unknown = |why| Trouble::Unknown { after: retry_after(reply), why };
    Err(match (name, status) {
        ("ExpiredToken" | "InvalidToken", _) => Trouble::Token(why),
        ("AuthMissing" | "AuthenticationRequired", _) => Trouble::LoggedOut(why),
        (
            "AccountTakedown"
            | "AccountDeactivated"
            | "AccountSuspended"
            | "AccountNotFound"
            | "RepoTakendown"
            | "RepoDeactivated"
            | "RepoSuspended"
            | "AuthFactorTokenRequired",
            _,
        ) => Trouble::Stopped(why),
        ("RateLimitExceeded", _) | (_, 429) => Trouble::TooMuch { until: until(reply, now), why },
        ("InternalServerError" | "UpstreamFailure" | "UpstreamTimeout" | "NotEnoughResources", _) => unknown(why),
        (_, 401) => Trouble::LoggedOut(why),
        (_, 413) => Trouble::Refused { name: name.into(), why },
        ("", _) => unknown(why),
        (_, 403) => Trouble::Stopped(why),
        (name, 400 | 404 | 405 | 409 | 415 | 422 | 501) => Trouble::Refused { name: name.into(), why },
        _ => unknown(why),
    })
}

/// What a server said, without our secrets, cut to a length that a log line can carry.
pub fn quote(text: &str, secrets: &[&str]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().filter(|secret| secret.len() >= SECRET_CHARS) {
        text = text.replace(secret, "[secret]");
    }
    match text.char_indices().nth(limits::QUOTED_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

fn retry_after(reply: &HttpReply) -> Option<Duration> {
    let seconds = reply.header("retry-after")?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).clamp(*WAIT.start(), *WAIT.end()))
}

/// When a server that refuses for too many requests wants to be asked again. The span counts before the moments:
/// it does not depend on whose clock is right.
fn until(reply: &HttpReply, now: Timestamp) -> Timestamp {
    let moment = || reset(reply).or_else(|| reply.date("retry-after"));
    let bounded = |moment| reply.until(moment, now).clamp(*WAIT.start(), *WAIT.end());
    time::after(now, retry_after(reply).or_else(|| moment().map(bounded)).unwrap_or(WAIT_UNTOLD))
}

fn reset(reply: &HttpReply) -> Option<Timestamp> {
    Timestamp::from_second(reply.header("ratelimit-reset")?.trim().parse().ok()?).ok()
}

/// How many more posts the account may make until its allowance is filled up again.
pub fn pace(reply: &HttpReply, now: Timestamp) -> Option<Pace> {
    let policy = reply.header("ratelimit-policy").unwrap_or_default().trim();
    let remaining: u64 = reply.header("ratelimit-remaining")?.trim().parse().ok()?;
    let reset = time::after(now, reply.until(reset(reply)?, now).min(*WAIT.end()));
    let remaining = if WRITE_POLICIES.contains(&policy) { remaining / PUT_POINTS } else { remaining };
    (!LOGIN_POLICIES.contains(&policy)).then_some(Pace { remaining, reset })
}

/// How long a token lives from its making on, where it says. Moments inside it are of the server's clock, the span
/// between them is the same by any clock.
pub fn token_life(token: &str) -> Option<Duration> {
    let claims = claims(token)?;
    let life = claims.get("exp")?.as_i64()?.checked_sub(claims.get("iat")?.as_i64()?)?;
    u64::try_from(life).ok().filter(|&life| life > 0).map(Duration::from_secs)
}

/// What a token says that it may do.
pub fn token_scope(token: &str) -> Option<String> {
    claims(token)?.get("scope")?.as_str().map(str::to_owned)
}

fn claims(token: &str) -> Option<Value> {
    serde_json::from_slice(&token.split('.').nth(1).and_then(from_base64)?).ok()
}

/// Reads base 64 in either alphabet, with or without padding.
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut held, mut bits) = (0u32, 0u32);
    for digit in text.trim_end_matches('=').bytes() {
        let value = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        held = (held << 6) | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(held >> bits).ok()?);
            held &= (1 << bits) - 1;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_790_000_000, 0);

    fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> HttpReply {
        let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        HttpReply { status, headers, body: body.into(), cut: false }
    }

    #[test]
    fn waits_are_taken_from_the_headers_within_bounds() {
        let reset = |by: i64| (1_790_000_000 + by).to_string();
        let cases: &[(&[(&str, &str)], u64)] = &[
            (&[("retry-after", "120")], 120),
            (&[("retry-after", "120"), ("ratelimit-reset", &reset(7))], 120),
            (&[("ratelimit-reset", &reset(7))], 7),
            (&[("ratelimit-reset", &reset(-7))], 1),
            (&[("retry-after", "0")], 1),
            (&[("retry-after", "1000000000")], 24 * 3600),
            (&[("retry-after", "-1")], 300),
            (&[("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT"), ("ratelimit-reset", &reset(9))], 9),
            (&[("retry-after", "Mon, 21 Sep 2026 14:13:31 GMT")], 11),
            // A clock that is five hours ahead, or behind.
            (&[("retry-after", "Mon, 21 Sep 2026 19:13:31 GMT"), ("date", "Mon, 21 Sep 2026 19:13:20 GMT")], 11),
            (&[("ratelimit-reset", &reset(9 - 18_000)), ("date", "Mon, 21 Sep 2026 09:13:20 GMT")], 9),
            (&[], 300),
        ];
        for (headers, seconds) in cases {
            let expected = time::after(NOW, Duration::from_secs(*seconds));
            assert_eq!(until(&reply(429, headers, ""), NOW), expected, "{headers:?}");
        }
    }

    #[test]
    fn the_pace_counts_posts_and_leaves_logins_out() {
        let reset = "1790000060";
        let pace_of = |policy: &str, remaining: &str| {
            let headers =
                [("ratelimit-policy", policy), ("ratelimit-remaining", remaining), ("ratelimit-reset", reset)];
            pace(&reply(200, &headers, "{}"), NOW).map(|pace| (pace.remaining, pace.reset.as_second()))
        };
        assert_eq!(pace_of("3000;w=300", "17"), Some((17, 1_790_000_060)));
        assert_eq!(pace_of("5000;w=3600", "17"), Some((8, 1_790_000_060)));
        assert_eq!(pace_of("30;w=300", "0"), None);
        assert_eq!(pace_of("3000;w=300", "-3"), None);
        assert_eq!(pace(&reply(200, &[], "{}"), NOW), None);
    }

    #[test]
    fn a_token_that_a_server_echoes_is_blanked_out() {
        let body = r#"{"error":"InvalidRequest","message":"got Bearer eyJ.abc.def"}"#;
        let trouble = understand(&reply(400, &[], body), &["eyJ.abc.def", "re"], NOW);
        let why = "400 InvalidRequest: got Bearer [secret]".to_owned();
        assert_eq!(trouble, Err(Trouble::Refused { name: "InvalidRequest".into(), why }));
    }

    #[test]
    fn a_tokens_life_is_the_span_it_names() {
        // {"iat":1000,"exp":8200} and {"exp":8200}
        assert_eq!(token_life("x.eyJpYXQiOjEwMDAsImV4cCI6ODIwMH0.y"), Some(Duration::from_secs(7200)));
        assert_eq!(token_life("x.eyJleHAiOjgyMDB9.y"), None);
        for opaque in ["", "opaque", "a.b.c", "a.%.c"] {
            assert_eq!(token_life(opaque), None, "{opaque}");
        }
    }

    #[test]
    fn addresses_keep_the_path_of_the_service() {
        let wire = Wire::new("http://127.0.0.1:1234/pds/".parse().unwrap());
        let Call::Http(request) = wire.get_post(None, "did:plc:abc", "3l") else { panic!("not http") };
        let expected = "http://127.0.0.1:1234/pds/xrpc/com.atproto.repo.getRecord\
                        ?repo=did%3Aplc%3Aabc&collection=app.bsky.feed.post&rkey=3l";
        assert_eq!(request.url.as_str(), expected);
        assert!(request.body.is_empty() && request.body.mime.is_none());
    }
}
