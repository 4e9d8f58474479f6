//! The answering side, whatever a connection came by.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use hyper::header::HeaderMap;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::patient::Patient;
use super::reply::{Content, Reply, in_words, response};
use super::socket::Peer;

/// What whoever asks may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at the same time. When all are taken, the one that has done nothing for longest makes room.
    pub connections: usize,
    /// Longest body of a request, in bytes.
    pub body_bytes: usize,
    /// How long a head or a body may take to arrive, a connection may be silent, and a part of an answer may wait to be
    /// read. People's programs need milliseconds.
    pub patience: Duration,
}

/// Longest head of a request, in bytes, and most lines in it. The smallest that hyper allows.
const HEAD_BYTES: usize = 8 * 1024;
const HEAD_LINES: usize = 64;
/// Most of a body that is too long that is read for politeness.
const READ_AWAY_BYTES: usize = 1024 * 1024;
/// How long is waited when no descriptors are free.
const BREATHER: Duration = Duration::from_millis(100);

/// A request.
pub struct Request {
    pub method: String,
    /// Path and query.
    pub target: String,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub from: From,
}

/// Without headers and body: they may hold tokens.
impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} by {:?}", self.method, self.target, self.from)
    }
}

impl Request {
    /// A header that is there once and is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut all = self.headers.get_all(name).iter();
        let first = all.next()?.to_str().ok()?;
        all.next().is_none().then_some(first)
    }
}

/// Which way a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum From {
    Socket(Peer),
    Tcp(SocketAddr),
}

/// What answers. Called on a task of the runtime: it must not wait; it may keep the reply and give it later.
pub trait Handler: Send + Sync {
    /// Whether a request is refused for what its head says. Asked before anything of its body is read: `request` has none.
    fn refuses(&self, _request: &Request) -> Option<Refused> {
        None
    }

    fn handle(&self, request: Request, reply: Reply);
}

/// What is answered to who is not heard out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Of HTTP.
    pub status: u16,
    pub headers: Vec<(&'static str, &'static str)>,
    pub body: String,
}

impl<F: Fn(Request, Reply) + Send + Sync> Handler for F {
    fn handle(&self, request: Request, reply: Reply) {
        self(request, reply);
    }
}

pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for S {}

/// Where connections come from.
pub(super) trait Accept: Send + 'static {
    type Stream: Stream;
    fn accept(&mut self) -> impl Future<Output = std::io::Result<(Self::Stream, From)>> + Send;
}

/// Takes connections until it is dropped; then they end, too.
pub(super) async fn serve(mut listener: impl Accept, handler: Arc<dyn Handler>, limits: Limits) {
    let table = Arc::new(Table::default());
    // Ends with the tasks in it when this task is aborted.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, from)) => {
                // Now, and not before: who came last has not had the time to say anything.
                table.room(limits.connections).await;
                let (table, handler) = (table.clone(), handler.clone());
                // It finds its own seat: nothing is polled before that is there.
                let number = table.reserve();
                let seat = Seat { table: table.clone(), number };
                let task = connections.spawn(async move {
                    let _leave = Leave(seat.clone());
                    converse(stream, from, handler, seat, limits).await;
                });
                table.seat(number, task);
            }
            Err(_) => {
                #[expect(clippy::disallowed_methods, reason = "no descriptors are free; only time can help")]
                tokio::time::sleep(BREATHER).await;
            }
        }
    }
}

async fn converse(stream: impl Stream, from: From, handler: Arc<dyn Handler>, seat: Seat, limits: Limits) {
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let (handler, seat) = (handler.clone(), seat.clone());
        async move { Ok::<_, Infallible>(answer(request, from, &*handler, seat, limits).await) }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.patience)
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEAD_LINES)
        .half_close(false);
    // Whoever goes away in the middle of it has no use for an error.
    let _ = builder.serve_connection(TokioIo::new(Patient::new(stream, limits.patience)), service).await;
}

async fn answer(
    request: hyper::Request<Incoming>,
    from: From,
    handler: &dyn Handler,
    seat: Seat,
    limits: Limits,
) -> Response<Content> {
    let (head, body) = request.into_parts();
    let mut request = Request {
        method: head.method.as_str().to_owned(),
        target: head.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned(),
        headers: head.headers,
        body: Bytes::new(),
        from,
    };
    let expects = request.headers.contains_key(hyper::header::EXPECT);
    if let Some(Refused { status, headers, body: words }) = handler.refuses(&request) {
        return unheard(response(status, &headers, Content::Whole(Some(words.into()))), body, expects, limits);
    }
    if body.size_hint().lower() > limits.body_bytes as u64 {
        return unheard(in_words(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long"), body, expects, limits);
    }
    request.body = match tokio::time::timeout(limits.patience, whole(body, limits.body_bytes)).await {
        Ok(Ok(Some(body))) => body,
        Ok(Ok(None)) => return last(in_words(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long")),
        Ok(Err(_)) => return last(in_words(StatusCode::BAD_REQUEST, "the body broke off")),
        Err(_) => return last(in_words(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time")),
    };
    let (reply, answered) = Reply::new(seat.busy(), limits.patience, head.version);
    handler.handle(request, reply);
    answered.await.unwrap_or_else(|_| in_words(StatusCode::INTERNAL_SERVER_ERROR, "there was no answer"))
}

/// An answer before the body. What is sent of that all the same is read away beside it: whoever is still writing when the
/// connection ends may never see the answer. Who asks first whether to send it is not told to.
fn unheard(response: Response<Content>, body: Incoming, expects: bool, limits: Limits) -> Response<Content> {
    if body.is_end_stream() {
        return response;
    }
    if !expects {
        tokio::runtime::Handle::current().spawn(tokio::time::timeout(limits.patience, whole(body, 0)));
    }
    last(response)
}

/// The body, or `None` where it is longer than `most`: what is over is read away, so that the refusal can be read.
async fn whole(mut body: Incoming, most: usize) -> Result<Option<Bytes>, hyper::Error> {
    let (mut kept, mut length) = (BytesMut::new(), 0);
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame?.into_data() else { continue };
        length += piece.len();
        if length > READ_AWAY_BYTES {
            break;
        }
        if length <= most {
            kept.extend_from_slice(&piece);
        }
    }
    Ok((length <= most).then(|| kept.freeze()))
}

/// What is left of the request is not worth reading.
fn last(mut response: Response<Content>) -> Response<Content> {
    response.headers_mut().insert(hyper::header::CONNECTION, hyper::header::HeaderValue::from_static("close"));
    response
}

/// Who is connected.
#[derive(Debug, Default)]
struct Table {
    seats: Mutex<Seats>,
    left: Notify,
}

#[derive(Debug, Default)]
struct Seats {
    next: u64,
    taken: BTreeMap<u64, Taken>,
}

#[derive(Debug)]
struct Taken {
    /// `None` until its task is known.
    task: Option<AbortHandle>,
    /// Its connection has ended. The place stays taken while an answer is being made: who asks and goes away at once has
    /// no more answers made than who stays.
    gone: bool,
    /// Answers that are being made.
    busy: usize,
    since: Instant,
}

impl Table {
    fn lock(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until there is room for one more, and makes it where somebody only sits.
    async fn room(&self, most: usize) {
        loop {
            let left = self.left.notified();
            {
                let mut seats = self.lock();
                if seats.taken.len() < most {
                    return;
                }
                let idle = seats.taken.iter().filter(|(_, taken)| taken.busy == 0 && taken.task.is_some());
                let longest = idle.min_by_key(|(_, taken)| taken.since).map(|(number, _)| *number);
                if let Some(taken) = longest.and_then(|number| seats.taken.remove(&number)) {
                    if let Some(task) = taken.task {
                        task.abort();
                    }
                    return;
                }
            }
            left.await;
        }
    }

    fn reserve(&self) -> u64 {
        let mut seats = self.lock();
        let number = seats.next;
        seats.next += 1;
        seats.taken.insert(number, Taken { task: None, gone: false, busy: 0, since: Instant::now() });
        number
    }

    fn seat(&self, number: u64, task: AbortHandle) {
        // It may have left already.
        if let Some(taken) = self.lock().taken.get_mut(&number) {
            taken.task = Some(task);
        }
    }
}

/// The place of one connection.
#[derive(Debug, Clone)]
struct Seat {
    table: Arc<Table>,
    number: u64,
}

impl Seat {
    fn busy(&self) -> Busy {
        self.change(|taken| taken.busy += 1);
        Busy(self.clone())
    }

    fn change(&self, change: impl FnOnce(&mut Taken)) {
        if let Some(taken) = self.table.lock().taken.get_mut(&self.number) {
            change(taken);
        }
    }
}

/// A connection that is being answered, until it is dropped.
#[derive(Debug)]
pub(super) struct Busy(Seat);

impl Busy {
    /// Ends the connection: whoever is there does not read.
    pub(super) fn give_up(&self) {
        let Seat { table, number } = &self.0;
        if let Some(task) = table.lock().taken.get(number).and_then(|taken| taken.task.clone()) {
            task.abort();
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let Seat { table, number } = &self.0;
        let mut seats = table.lock();
        let Some(taken) = seats.taken.get_mut(number) else { return };
        taken.busy -= 1;
        taken.since = Instant::now();
        if taken.busy == 0 {
            if taken.gone {
                seats.taken.remove(number);
            }
            // It has left, or it may be turned out now.
            table.left.notify_one();
        }
    }
}

struct Leave(Seat);

impl Drop for Leave {
    fn drop(&mut self) {
        let Seat { table, number } = &self.0;
        let mut seats = table.lock();
        match seats.taken.get_mut(number) {
            Some(taken) if taken.busy > 0 => taken.gone = true,
            _ => drop(seats.taken.remove(number)),
        }
        table.left.notify_one();
    }
}
