//! HTTP, and what a failure of it means.
//!
//! One request, one connection's worth of bytes, one answer: nothing is retried, no redirect is followed, no proxy
//! of the environment is used. A failure is [`Failure::NeverLeft`] only where it is certain that the platform has
//! not got the request: it was refused here, or there was no address, no connection, no TLS, or nobody had begun to
//! take it when time was up. Everything else is [`Failure::MayHaveArrived`]. Once the head of an answer is here there
//! is an answer, cut short if its body is not whole: what it means is the adapter's to say.
//!
//! Invariants:
//! - A token goes to the host of the request's URL and to no other, by `https`, or to a loopback address.
//! - No error text holds a URL, a header or a body, but for the public address that a [`Fetch`] asks for.
//! - Memory for one answer is bounded by [`limits::ANSWER_BYTES`]; bodies are never decompressed.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderName};
use sha2::{Digest as _, Sha256};
use tokio::time::Instant;

use crate::domain::{Digest, limits};
use crate::platform::contract::{Body, Failure, Fetch, HeaderValue, HttpReply, Method, Reply, Request, is_loopback};

/// For address, connection and TLS together. Past it nobody is there; the total may be shorter.
const CONNECT: Duration = Duration::from_secs(10);
/// How long a connection is kept for the next request to the same host. Many servers close at 75 s, some at 60;
/// a connection that closes as we begin is replaced without a byte sent, so this only saves handshakes.
const IDLE: Duration = Duration::from_secs(55);
/// Connections kept for one host; bounds file descriptors when very many accounts share a host.
const IDLE_PER_HOST: usize = 256;
/// A body is handed to the connection in pieces of this size, so that what it copies into its buffers stays small.
const PIECE: usize = 64 * 1024;

/// Why HTTP cannot be used at all.
#[derive(Debug, thiserror::Error)]
#[error("failed to set up HTTP: {0}")]
pub struct SetUpError(String);

/// HTTP, with connections that are kept for the next request.
#[derive(Clone)]
pub struct Http {
    client: reqwest::Client,
    distrust: Option<Arc<str>>,
}

impl Http {
    /// Trusts the certificate authorities of the system (`$SSL_CERT_FILE` and `$SSL_CERT_DIR` name others), and each of
    /// `authorities`, in PEM, like them. Where there are none, every `https` call will fail; [`Http::distrust`] says so.
    ///
    /// # Errors
    /// When `user_agent` cannot be sent, or one of `authorities` is none.
    pub fn new(user_agent: &str, authorities: &[&[u8]]) -> Result<Self, SetUpError> {
        // Fails when somebody was first, who has then installed the only provider this build has.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let wrong = |error: reqwest::Error| SetUpError(chain(&error.without_url()));
        let mut roots = Vec::new();
        for pem in authorities {
            roots.extend(reqwest::Certificate::from_pem_bundle(pem).map_err(wrong)?);
        }
        let settings = || {
            reqwest::Client::builder()
                .user_agent(user_agent)
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .referer(false)
                .no_proxy()
                .http1_only()
                .connect_timeout(CONNECT)
                .pool_idle_timeout(IDLE)
                .pool_max_idle_per_host(IDLE_PER_HOST)
                .tcp_nodelay(true)
        };
        let (client, distrust) = match settings().tls_certs_merge(roots.clone()).build() {
            Ok(client) => (client, None),
            // A machine without authorities may still have a site to write and loopback to talk to.
            Err(error) => (settings().tls_certs_only(roots).build().map_err(wrong)?, Some(chain(&error.without_url()))),
        };
        Ok(Self { client, distrust: distrust.map(Into::into) })
    }

    /// Why no certificate will be trusted, if so.
    pub fn distrust(&self) -> Option<&str> {
        self.distrust.as_deref()
    }

    /// One request and its answer, within `timeout`.
    ///
    /// # Errors
    /// When there is no answer; the failure says whether the request can have arrived.
    pub async fn send(&self, request: Request, timeout: Duration) -> Result<HttpReply, Failure> {
        send(&self.client, request, timeout).await
    }

    /// Reads a public file through and tells what it is, within `timeout`.
    ///
    /// # Errors
    /// When it did not come whole.
    pub async fn fetch(&self, file: Fetch, timeout: Duration) -> Result<Reply, Failure> {
        fetch(&self.client, file, timeout).await
    }
}

async fn send(client: &reqwest::Client, request: Request, timeout: Duration) -> Result<HttpReply, Failure> {
    let deadline = Instant::now() + timeout;
    let taken = Arc::new(AtomicBool::new(false));
    let has_body = !request.body.is_empty();
    let request = build(request, &taken).map_err(Failure::NeverLeft)?;
    let head = tokio::time::timeout_at(deadline, client.execute(request)).await;
    // The connection asks for the first byte of the body before it sends anything. So a request with a body whose
    // body nobody asked for has not left; one without a body leaves no such trace.
    let left = !has_body || taken.load(Ordering::Acquire);
    let response = match head {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => {
            let error = error.without_url();
            let never = error.is_connect() || error.is_builder() || !left;
            return Err(failure(never, chain(&error)));
        }
        Err(_) => return Err(failure(!left, format!("no answer within {timeout:?}"))),
    };
    Ok(read(response, deadline).await)
}

/// Reads a public file through, as far as it is wanted, and keeps nothing of it. The rules for requests hold for it as
/// well: `https` or loopback, no redirect is followed. A file that breaks off is none.
async fn fetch(client: &reqwest::Client, file: Fetch, timeout: Duration) -> Result<Reply, Failure> {
    let deadline = Instant::now() + timeout;
    let shown = crate::telemetry::events::quote(file.url.as_str());
    let gone = |never_left, why: String| failure(never_left, format!("failed to fetch {shown}: {why}"));
    let asked = Request {
        method: Method::Get,
        url: file.url.clone(),
        headers: Vec::new(),
        body: Body::default(),
        secret_path: None,
    };
    let request = build(asked, &Arc::default()).map_err(|why| gone(true, why))?;
    let read = async {
        let mut response = client.execute(request).await?;
        let (mut hash, mut bytes) = (Sha256::new(), 0);
        while let Some(chunk) = response.chunk().await? {
            hash.update(&chunk);
            bytes += chunk.len() as u64;
            if bytes > file.most {
                break;
            }
        }
        let digest = Digest(hash.finalize().into());
        Ok(Reply::Fetched { status: response.status().as_u16(), bytes, digest })
    };
    match tokio::time::timeout_at(deadline, read).await {
        Ok(Ok(reply)) => Ok(reply),
        Ok(Err(error)) => {
            let error: reqwest::Error = error;
            let error = error.without_url();
            Err(gone(error.is_connect(), chain(&error)))
        }
        Err(_) => Err(gone(false, format!("it is not here within {timeout:?}"))),
    }
}

fn failure(never_left: bool, why: String) -> Failure {
    if never_left { Failure::NeverLeft(why) } else { Failure::MayHaveArrived(why) }
}

/// Translates a request, and refuses what must not leave.
fn build(request: Request, taken: &Arc<AtomicBool>) -> Result<reqwest::Request, String> {
    let url = request.exposed_url()?;
    let Request { method, headers, body, .. } = request;
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => return Err("refused to send by http:// to an address that is not loopback".into()),
        _ => return Err("refused to send by anything but https://".into()),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("refused to send to a URL with a user or password".into());
    }
    let verb = match method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Delete => reqwest::Method::DELETE,
    };
    let mut built = reqwest::Request::new(verb, url);
    let map: &mut HeaderMap = built.headers_mut();
    for (name, value) in headers {
        let secret = matches!(value, HeaderValue::Secret { .. });
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| format!("{name:?} is no header name"))?;
        let mut value = reqwest::header::HeaderValue::from_str(&value.expose())
            .map_err(|_| format!("the header {name:?} would hold characters that cannot be sent"))?;
        value.set_sensitive(secret);
        map.append(key, value);
    }
    if let Some(mime) = &body.mime {
        let value = reqwest::header::HeaderValue::from_str(mime);
        map.insert(CONTENT_TYPE, value.map_err(|_| "the content type holds characters that cannot be sent")?);
    }
    if body.is_empty() {
        // Said as soon as a body could be expected: some servers answer 411 otherwise.
        if matches!(method, Method::Post | Method::Put) {
            map.insert(CONTENT_LENGTH, reqwest::header::HeaderValue::from_static("0"));
        }
    } else {
        *built.body_mut() = Some(reqwest::Body::wrap(Pieces::new(body, taken.clone())));
    }
    Ok(built)
}

/// Reads the body as far as it may be read. What has gone wrong once the head is here only cuts the body.
async fn read(mut response: reqwest::Response, deadline: Instant) -> HttpReply {
    let status = response.status().as_u16();
    let headers = response.headers().iter();
    let headers = headers.map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into()));
    let headers = headers.collect();
    let announced = response.content_length().and_then(|length| usize::try_from(length).ok());
    let mut body = Vec::with_capacity(announced.unwrap_or(0).min(limits::ANSWER_BYTES));
    let whole = tokio::time::timeout_at(deadline, async {
        while let Ok(chunk) = response.chunk().await.map_err(drop) {
            let Some(chunk) = chunk else { return true };
            let room = limits::ANSWER_BYTES - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            if chunk.len() > room {
                return false;
            }
        }
        false
    });
    let cut = !whole.await.unwrap_or(false);
    HttpReply { status, headers, body, cut }
}

/// An error and its causes, in one line that a log can carry.
fn chain(error: &reqwest::Error) -> String {
    use std::error::Error as _;
    // What the library says on top is only that a request failed.
    let first: &dyn std::error::Error = error.source().unwrap_or(error);
    let mut text = first.to_string();
    let mut cause = first.source();
    while let Some(error) = cause {
        let further = error.to_string();
        // Several layers only repeat the one below.
        if !text.ends_with(&further) {
            text = format!("{text}: {further}");
        }
        cause = error.source();
    }
    crate::telemetry::events::quote(&text)
}

/// A body of known length whose chunks are shared, not copied, and which notices when it is begun.
struct Pieces {
    left: VecDeque<Bytes>,
    length: u64,
    taken: Arc<AtomicBool>,
}

impl Pieces {
    fn new(body: Body, taken: Arc<AtomicBool>) -> Self {
        let left: VecDeque<Bytes> =
            body.chunks.into_iter().filter(|chunk| !chunk.is_empty()).map(Bytes::from_owner).collect();
        let length = left.iter().map(|chunk| chunk.len() as u64).sum();
        Self { left, length, taken }
    }
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.taken.store(true, Ordering::Release);
        let Some(chunk) = self.left.front_mut() else { return Poll::Ready(None) };
        let piece = chunk.split_to(chunk.len().min(PIECE));
        if chunk.is_empty() {
            self.left.pop_front();
        }
        self.length -= piece.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.length == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.length)
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::domain::Secret;

    fn request(url: &str) -> Request {
        let url = Url::parse(url).unwrap();
        Request { method: Method::Post, url, secret_path: None, headers: Vec::new(), body: Body::default() }
    }

    #[test]
    fn what_must_not_leave_is_refused_here() {
        let taken = Arc::default();
        for url in [
            "http://mastodon.example/?token=canary",
            "http://127.0.0.1.example/",
            "ftp://127.0.0.1/",
            "https://user:canary@mastodon.example/",
            "https://canary@mastodon.example/",
            "http://[::2]/",
        ] {
            let why = build(request(url), &taken).expect_err(url);
            assert!(!why.contains("canary"), "{why}");
        }
        for url in ["https://mastodon.example/", "http://127.0.0.1:1/", "http://[::1]/", "http://localhost/"] {
            assert!(build(request(url), &taken).is_ok(), "{url}");
        }
    }

    #[test]
    fn a_secret_that_cannot_be_a_header_is_not_shown() {
        let mut request = request("https://mastodon.example/");
        let secret = Secret::new("canary\r\nHost: other.example");
        request.headers = vec![("authorization", HeaderValue::Secret { prefix: "Bearer ", secret })];
        let why = build(request, &Arc::default()).unwrap_err();
        assert!(why.contains("authorization") && !why.contains("canary"), "{why}");
    }

    #[test]
    fn a_secret_in_the_path_is_put_in_and_an_unfit_one_is_not_shown() {
        let with = |secret: &str| {
            let mut request = request("https://api.example/bot[secret]/send");
            request.secret_path = Some(Secret::new(secret));
            build(request, &Arc::default())
        };
        assert_eq!(with("1:canary").unwrap().url().as_str(), "https://api.example/bot1:canary/send");
        let why = with("canary/../..").unwrap_err();
        assert!(why.contains("secret") && !why.contains("canary"), "{why}");
    }

    #[test]
    fn a_secret_header_is_marked_so() {
        let mut request = request("https://mastodon.example/");
        request.headers = vec![
            ("authorization", HeaderValue::Secret { prefix: "Bearer ", secret: Secret::new("canary") }),
            ("accept", HeaderValue::Plain("application/json".into())),
        ];
        let built = build(request, &Arc::default()).unwrap();
        assert_eq!(built.headers()["authorization"].as_bytes(), b"Bearer canary");
        assert!(built.headers()["authorization"].is_sensitive());
        assert!(!built.headers()["accept"].is_sensitive());
        assert!(!format!("{built:?}").contains("canary"));
    }

    #[test]
    fn pieces_are_the_chunks_in_order_and_say_how_much_is_left() {
        use http_body::Body as _;
        let large: Arc<[u8]> = vec![7; PIECE + 1].into();
        let chunks = vec![b"head".as_slice().into(), b"".as_slice().into(), large.clone(), b"tail".as_slice().into()];
        let body = Body { mime: None, chunks };
        let whole = body.concat();
        let taken = Arc::new(AtomicBool::new(false));
        let mut pieces = Pieces::new(body, taken.clone());
        let (mut sent, mut lengths) = (Vec::new(), Vec::new());
        assert!(!taken.load(Ordering::Acquire));
        while !pieces.is_end_stream() {
            assert_eq!(pieces.size_hint().exact(), Some((whole.len() - sent.len()) as u64));
            let mut context = Context::from_waker(std::task::Waker::noop());
            let Poll::Ready(Some(Ok(frame))) = Pin::new(&mut pieces).poll_frame(&mut context) else { panic!() };
            let data = frame.into_data().unwrap();
            lengths.push(data.len());
            sent.extend_from_slice(&data);
        }
        assert!(taken.load(Ordering::Acquire));
        assert_eq!(sent, whole);
        assert_eq!(lengths, [4, PIECE, 1, 4]);
    }
}
