//! A server on loopback that answers like Mastodon, as cheaply as possible, and notes when posts arrive.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use cadenced::domain::Timestamp;

use super::wall;

/// What it has seen.
#[derive(Default)]
pub struct Seen {
    /// How long every answer takes.
    delay: Duration,
    pub requests: AtomicU64,
    pub posts: AtomicU64,
    pub connections: AtomicU64,
    /// When each post arrived, and its number in the text.
    pub arrivals: Mutex<Vec<(usize, Timestamp)>>,
}

pub struct Server {
    pub address: SocketAddr,
    pub seen: Arc<Seen>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Server {
    /// On a thread of its own, until it is dropped.
    pub fn start() -> Self {
        Self::slow(Duration::ZERO)
    }

    /// One that takes so long for every answer.
    pub fn slow(delay: Duration) -> Self {
        let seen = Arc::new(Seen { delay, ..Seen::default() });
        let (send, receive) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let theirs = seen.clone();
        let run = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let listener = listen();
                send.send(listener.local_addr().expect("an address")).expect("somebody waits");
                tokio::select! { () = serve(listener, theirs) => {}, _ = stopped => {} }
            });
            runtime.shutdown_timeout(Duration::from_millis(100));
        };
        let thread = std::thread::Builder::new().name("server".into()).spawn(run).expect("a thread");
        let address = receive.recv().expect("an address");
        Self { address, seen, stop: Some(stop), thread: Some(thread) }
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// With room for a thousand who knock in one moment.
fn listen() -> TcpListener {
    let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port");
    socket.listen(4096).expect("a listener")
}

#[expect(clippy::disallowed_methods, reason = "the server's own tasks")]
async fn serve(listener: TcpListener, seen: Arc<Seen>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let _ = stream.set_nodelay(true);
        seen.connections.fetch_add(1, Ordering::Relaxed);
        let seen = seen.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, seen.clone()));
            let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
            let _ = connection.await;
        });
    }
}

const INSTANCE: &str = r#"{"domain":"bench.example","version":"4.5.0","source_url":"https://github.com/mastodon/mastodon","api_versions":{"mastodon":7},"configuration":{"statuses":{"max_characters":500,"max_media_attachments":4,"characters_reserved_per_url":23}}}"#;

#[expect(clippy::disallowed_methods, reason = "a slow server waits")]
async fn answer(request: Request<Incoming>, seen: Arc<Seen>) -> Result<Response<Full<Bytes>>, Infallible> {
    seen.requests.fetch_add(1, Ordering::Relaxed);
    let path = request.uri().path();
    let token = request.headers().get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let account = format!("1{}", token.rsplit('-').next().unwrap_or_default());
    let body = if request.method() == Method::POST {
        let arrived = wall();
        let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let n = seen.posts.fetch_add(1, Ordering::Relaxed);
        if let Some(number) = number(&body) {
            seen.arrivals.lock().expect("whole").push((number, arrived));
        }
        status(&n.to_string(), &account)
    } else if path == "/api/v2/instance" {
        INSTANCE.to_owned()
    } else if path == "/api/v1/accounts/verify_credentials" {
        format!(r#"{{"id":"{account}","username":"a","acct":"a","url":"https://bench.example/@a"}}"#)
    } else {
        status(path.rsplit('/').next().unwrap_or_default(), &account)
    };
    if !seen.delay.is_zero() {
        tokio::time::sleep(seen.delay).await;
    }
    let mut response = Response::new(Full::new(Bytes::from(body)));
    response.headers_mut().insert("content-type", "application/json".parse().expect("a value"));
    Ok(response)
}

fn status(id: &str, account: &str) -> String {
    format!(
        r#"{{"id":"{id}","created_at":"2026-11-22T09:00:00.000Z","visibility":"public","language":"en","uri":"https://bench.example/users/a/statuses/{id}","url":"https://bench.example/@a/{id}","content":"<p>as sent</p>","account":{{"id":"{account}"}}}}"#
    )
}

/// The number that the text of [`super::post`] begins with.
fn number(body: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(body).ok()?;
    let (_, rest) = text.split_once("Number ")?;
    rest.split(':').next()?.parse().ok()
}
