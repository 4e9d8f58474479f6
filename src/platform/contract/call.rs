//! What the edge is asked to do.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use url::Url;

use crate::domain::Secret;

/// What the edge is asked to do.
#[derive(Debug, Clone)]
pub enum Call {
    Http(Request),
    File(FileCall),
    Exec(Exec),
    Fetch(Fetch),
    /// Conversations with several servers, side by side.
    Sockets(Vec<Socket>),
}

impl From<Request> for Call {
    fn from(request: Request) -> Self {
        Self::Http(request)
    }
}

impl From<Vec<Socket>> for Call {
    fn from(sockets: Vec<Socket>) -> Self {
        Self::Sockets(sockets)
    }
}

/// Reads a public file and tells what it is, without keeping it: platforms that fetch media themselves are given an
/// address, and what they would find there must be what was approved. No secret goes along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    pub url: Url,
    /// No more bytes than that are wanted: behind it the file is another one anyway.
    pub most: u64,
}

/// An HTTP request, complete but for `User-Agent`, `Host` and `Content-Length`, which the edge adds.
#[derive(Clone)]
pub struct Request {
    pub method: Method,
    /// Holds no secret, so that it can be shown.
    pub url: Url,
    /// Where a platform wants its token in the address: what stands there in place of [`SECRET_IN_PATH`], as a part of the
    /// path or as all of the query.
    pub secret_path: Option<Secret>,
    pub headers: Vec<(&'static str, HeaderValue)>,
    pub body: Body,
}

/// Marks the place of a secret in a URL. It stands there exactly once where there is a secret.
pub const SECRET_IN_PATH: &str = "[secret]";

impl Request {
    /// Asks with a query that nobody is shown, for token endpoints that take their secrets nowhere else.
    pub fn get_secretly(mut url: Url, fields: &[(&str, &str)]) -> Self {
        url.set_query(Some(SECRET_IN_PATH));
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let headers = vec![("Accept", HeaderValue::Plain("application/json".into()))];
        Self { method: Method::Get, url, secret_path: Some(Secret::new(query)), headers, body: Body::default() }
    }

    /// The address with its secret in it, for the edge, which sends it, and for imitations. It must not be shown.
    ///
    /// # Errors
    /// A secret that would not stay where it is put, or has no place; the reason does not tell it.
    pub fn exposed_url(&self) -> Result<Url, &'static str> {
        let mut url = self.url.clone();
        let Some(secret) = self.secret_path.as_ref().map(Secret::expose) else { return Ok(url) };
        if url.query() == Some(SECRET_IN_PATH) {
            // As a form is written: it stays behind the question mark.
            let stays = |c: char| c.is_ascii_alphanumeric() || "-_.*+%&=".contains(c);
            if !secret.chars().all(stays) {
                return Err("the secret holds what cannot stand in an address");
            }
            url.set_query(Some(secret));
            return Ok(url);
        }
        let stays = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~' | ':');
        if secret.chars().all(|c| c == '.') || !secret.chars().all(stays) {
            return Err("the secret holds what cannot stand in an address");
        }
        if url.path().matches(SECRET_IN_PATH).count() != 1 {
            return Err("the address has no single place for the secret");
        }
        url.set_path(&url.path().replace(SECRET_IN_PATH, secret));
        Ok(url)
    }
}

/// Of a query only the names are shown: an address that a platform has handed out may be all that is needed to use it.
impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut bare = self.url.clone();
        bare.set_query(None);
        let query: Vec<_> = self.url.query_pairs().map(|(name, _)| name.into_owned()).collect();
        let (method, headers, body) = (self.method, &self.headers, &self.body);
        write!(f, "Request({} {bare} ?{query:?} {headers:?} {body:?})", method.name())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
    Put,
    Delete,
}

impl Method {
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// A header's value; a secret one is kept out of every log.
#[derive(Debug, Clone)]
pub enum HeaderValue {
    Plain(String),
    /// Dates this very request: it is another one in a repeat, of which all else is the same.
    Fresh(String),
    /// `prefix` and the secret right behind it (`"Bearer "`).
    Secret {
        prefix: &'static str,
        secret: Secret,
    },
}

impl HeaderValue {
    pub fn expose(&self) -> String {
        match self {
            Self::Plain(text) | Self::Fresh(text) => text.clone(),
            Self::Secret { prefix, secret } => format!("{prefix}{}", secret.expose()),
        }
    }
}

/// A request's body, in chunks that are sent one behind the other, so that media are not copied.
#[derive(Clone, Default)]
pub struct Body {
    /// `Content-Type`; none when there is no body at all.
    pub mime: Option<String>,
    pub chunks: Vec<Arc<[u8]>>,
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Body({:?}, {} bytes)", self.mime, self.len())
    }
}

impl Body {
    pub fn json(value: &Value) -> Self {
        Self { mime: Some("application/json".into()), chunks: vec![value.to_string().into_bytes().into()] }
    }

    /// `application/x-www-form-urlencoded`.
    pub fn urlencoded(fields: &[(&str, &str)]) -> Self {
        let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        Self::bytes("application/x-www-form-urlencoded", text.into_bytes().into())
    }

    pub fn bytes(mime: &str, bytes: Arc<[u8]>) -> Self {
        Self { mime: Some(mime.into()), chunks: vec![bytes] }
    }

    pub fn len(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.len()).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All chunks in one piece, for imitations.
    pub fn concat(&self) -> Vec<u8> {
        self.chunks.concat()
    }
}

/// Work in a folder of ours. Paths are relative to `root`, with `/`, and never leave it.
#[derive(Debug, Clone)]
pub struct FileCall {
    pub root: PathBuf,
    pub work: FileWork,
}

#[derive(Debug, Clone)]
pub enum FileWork {
    /// Reads files; the reply holds one entry a path, `None` where there is no such file.
    Read(Vec<String>),
    /// Writes each file aside and renames it into place, in this order; durable when it returns.
    Write(Vec<(String, Arc<[u8]>)>),
}

/// A program that is run once: it gets one request on its standard input and gives one reply on its standard output.
#[derive(Clone)]
pub struct Exec {
    pub program: PathBuf,
    /// Anybody on the machine can read these.
    pub args: Vec<String>,
    /// Where it runs.
    pub folder: PathBuf,
    /// May hold a secret.
    pub input: Arc<[u8]>,
}

impl std::fmt::Debug for Exec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Exec({}, {:?}, {} bytes)", self.program.display(), self.args, self.input.len())
    }
}

/// A conversation over WebSocket with one server.
#[derive(Debug, Clone)]
pub struct Socket {
    /// `wss`, or `ws` for a loopback address.
    pub url: Url,
    /// What is said, one message behind the other.
    pub send: Vec<String>,
    /// It is over when for each of these lists a message has come that begins with one of the list. White space does not
    /// count, so that one need not know how the other side writes its JSON.
    pub until: Vec<Vec<String>>,
    /// How long all of it may take, where the call's time-out is not shorter.
    pub patience: Duration,
}

impl Socket {
    /// Whether what has been heard is all that was waited for.
    pub fn is_over(&self, messages: &[String]) -> bool {
        let begins = |message: &str, beginning: &str| {
            let mut dense = message.chars().filter(|c| !c.is_whitespace());
            beginning.chars().filter(|c| !c.is_whitespace()).all(|c| dense.next() == Some(c))
        };
        self.until
            .iter()
            .all(|any| any.iter().any(|beginning| messages.iter().any(|message| begins(message, beginning))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(url: &str, secret: Option<&str>) -> Request {
        let url = Url::parse(url).unwrap();
        Request {
            method: Method::Get,
            url,
            secret_path: secret.map(Secret::new),
            headers: Vec::new(),
            body: Body::default(),
        }
    }

    #[test]
    fn a_secret_in_the_path_is_shown_to_nobody_but_the_edge() {
        let request = request("https://api.example/bot[secret]/send?a=1", Some("12:ca-nary_"));
        assert_eq!(request.exposed_url().unwrap().as_str(), "https://api.example/bot12:ca-nary_/send?a=1");
        let shown = format!("{request:?} {}", request.url);
        assert!(!shown.contains("ca-nary"), "{shown}");
        assert!(request.url.as_str().contains("/bot[secret]/send"), "the place is there to be read");
    }

    #[test]
    fn a_query_may_be_secret_as_a_whole() {
        let url: Url = "https://api.example/token".parse().unwrap();
        let asked = Request::get_secretly(url, &[("secret", "ca nary&#/\u{e4}"), ("token", "ca-nary")]);
        let exposed = asked.exposed_url().unwrap();
        assert_eq!((exposed.path(), exposed.fragment()), ("/token", None));
        let pairs: Vec<(String, String)> = exposed.query_pairs().into_owned().collect();
        assert_eq!(pairs, [("secret", "ca nary&#/\u{e4}"), ("token", "ca-nary")].map(|(a, b)| (a.into(), b.into())));
        let shown = format!("{asked:?} {}", asked.url);
        assert!(!shown.contains("nary") && asked.url.as_str() == "https://api.example/token?[secret]", "{shown}");
        // What is not written as a form is.
        for secret in ["a#b", "a b", "a\u{e4}", "a\r\nb", "a/b"] {
            assert!(request("https://api.example/token?[secret]", Some(secret)).exposed_url().is_err(), "{secret}");
        }
    }

    #[test]
    fn a_secret_that_would_lead_elsewhere_goes_nowhere() {
        for secret in ["", ".", "..", "a/b", "a?b", "a#b", "a%2fb", "a b", "a\\b", "@other.example", "\u{e4}"] {
            let why = request("https://api.example/bot[secret]/send", Some(secret)).exposed_url().unwrap_err();
            assert!(secret.len() < 3 || !why.contains(secret), "{why}");
        }
        for url in
            ["https://api.example/send", "https://api.example/[secret]/[secret]", "https://api.example/?a=[secret]"]
        {
            assert!(request(url, Some("canary")).exposed_url().is_err(), "{url}");
        }
        assert_eq!(request("https://api.example/a", None).exposed_url().unwrap().path(), "/a");
    }
}
