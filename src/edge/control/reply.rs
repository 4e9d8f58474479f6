//! An answer on its way: a head, and a body that is written while it is read.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::{self, Write};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body::Frame;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{Response, StatusCode, Version};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::server::Busy;

/// How much of a body waits to be read before its writer does.
const AHEAD_BYTES: usize = 1024 * 1024;
/// How many times as long as a piece a whole answer may take.
const ANSWER_PATIENCE: u32 = 10;
/// How often within its patience a writer looks whether others wait.
const LOOKS: u32 = 8;
/// A body goes out in pieces of this size.
const PIECE_BYTES: usize = 64 * 1024;

/// Where an answer goes. It may be given later, from anywhere; dropped without, the asker is told that there is none.
#[derive(Debug)]
pub struct Reply {
    head: Option<oneshot::Sender<Response<Content>>>,
    busy: Busy,
    patience: Duration,
    version: Version,
    others: Arc<AtomicUsize>,
}

impl Reply {
    pub(super) fn new(
        busy: Busy,
        patience: Duration,
        version: Version,
    ) -> (Self, oneshot::Receiver<Response<Content>>) {
        let (head, answered) = oneshot::channel();
        (Self { head: Some(head), busy, patience, version, others: Arc::default() }, answered)
    }

    /// How many wait until this answer is through. While there are any, a reader who is slow on the whole is cut as one who
    /// does not read is.
    #[must_use]
    pub fn kept_by(self, others: Arc<AtomicUsize>) -> Self {
        Self { others, ..self }
    }

    /// Gives a whole answer.
    pub fn send(mut self, status: u16, headers: &[(&'static str, &str)], body: impl Into<Bytes>) {
        let body = body.into();
        if let Some(head) = self.head.take() {
            let _ = head.send(response(status, headers, Content::Whole(Some(body))));
        }
    }

    /// Gives the head of an answer whose body follows. Its writer waits while a lot has not been read yet, so it is for
    /// a thread that has nothing else to do.
    pub fn begin(mut self, status: u16, headers: &[(&'static str, &str)]) -> Body {
        let pipe = Arc::new(Pipe::default());
        if let Some(head) = self.head.take() {
            // In HTTP/1.0 a body that breaks off ends like a whole one.
            let _ = head.send(if self.version < Version::HTTP_11 {
                in_words(StatusCode::HTTP_VERSION_NOT_SUPPORTED, "this is given over HTTP/1.1 only")
            } else {
                response(status, headers, Content::Written(Reader(pipe.clone())))
            });
            if self.version < Version::HTTP_11 {
                pipe.lock().end = End::BrokenOff;
            }
        }
        let Self { busy, patience, others, .. } = self;
        let until = Instant::now() + patience * ANSWER_PATIENCE;
        Body { pipe, piece: Vec::with_capacity(PIECE_BYTES), busy, patience, until, others, stalled: Duration::ZERO }
    }
}

pub(super) fn response(status: u16, headers: &[(&'static str, &str)], content: Content) -> Response<Content> {
    let mut response = Response::new(content);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
    response
}

/// A short answer, for what never reached the handler or was given nothing by it.
pub(super) fn in_words(status: StatusCode, words: &'static str) -> Response<Content> {
    let kind = if status.is_server_error() { "not-ready" } else { "garbled" };
    let body = serde_json::json!({ "error": { "kind": kind, "message": words } }).to_string();
    response(status.as_u16(), &[("content-type", "application/json")], Content::Whole(Some(body.into())))
}

/// The body of an answer, to be written. One that is dropped before [`Body::finish`] is broken off for its reader too.
#[derive(Debug)]
pub struct Body {
    pipe: Arc<Pipe>,
    piece: Vec<u8>,
    busy: Busy,
    patience: Duration,
    /// By then it has to be through.
    until: Instant,
    /// How many wait until it is through.
    others: Arc<AtomicUsize>,
    /// How long it has waited for its reader in all.
    stalled: Duration,
}

impl Body {
    /// That was all.
    ///
    /// # Errors
    /// Nobody reads any more.
    pub fn finish(mut self) -> io::Result<()> {
        self.pass_on()?;
        self.pipe.lock().end = End::Whole;
        Ok(())
    }

    fn pass_on(&mut self) -> io::Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        let piece = Bytes::from(std::mem::replace(&mut self.piece, Vec::with_capacity(PIECE_BYTES)));
        let mut state = self.pipe.lock();
        let full = |state: &mut State| state.bytes > AHEAD_BYTES && state.end == End::Open;
        let begun = Instant::now();
        let (before, was_full) = (self.stalled, full(&mut state));
        let late = loop {
            // In slices: who waits for the end of this may come meanwhile.
            let (now, out) = self
                .pipe
                .room
                .wait_timeout_while(state, self.patience / LOOKS, full)
                .unwrap_or_else(PoisonError::into_inner);
            state = now;
            self.stalled = before + begun.elapsed();
            let hurry = was_full && self.stalled >= self.patience && self.others.load(Ordering::Relaxed) > 0;
            if hurry || begun.elapsed() >= self.patience || Instant::now() > self.until {
                break true;
            }
            if !out.timed_out() {
                break false;
            }
        };
        if late {
            state.end = End::BrokenOff;
            drop(state);
            self.busy.give_up();
            return Err(io::ErrorKind::TimedOut.into());
        }
        if state.end != End::Open {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        state.bytes += piece.len();
        state.pieces.push_back(piece);
        state.wake();
        Ok(())
    }
}

impl Write for Body {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = PIECE_BYTES - self.piece.len();
        let taken = room.min(bytes.len());
        self.piece.extend_from_slice(&bytes[..taken]);
        if self.piece.len() == PIECE_BYTES {
            self.pass_on()?;
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pass_on()
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        let mut state = self.pipe.lock();
        if state.end == End::Open {
            state.end = End::BrokenOff;
        }
        state.wake();
    }
}

/// The body as hyper reads it.
#[derive(Debug)]
pub enum Content {
    Whole(Option<Bytes>),
    Written(Reader),
}

/// The reading end; when it is gone, nobody reads any more.
#[derive(Debug)]
pub struct Reader(Arc<Pipe>);

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        if state.end == End::Open {
            state.end = End::BrokenOff;
        }
        self.0.room.notify_all();
    }
}

#[derive(Debug, Default)]
struct Pipe {
    state: Mutex<State>,
    room: Condvar,
}

#[derive(Debug, Default)]
struct State {
    pieces: VecDeque<Bytes>,
    bytes: usize,
    end: End,
    waker: Option<Waker>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum End {
    #[default]
    Open,
    Whole,
    BrokenOff,
}

impl Pipe {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// The answer was not written to its end; the connection ends with it, so that nobody takes it for whole.
#[derive(Debug, thiserror::Error)]
#[error("the answer broke off")]
pub struct BrokenOff;

impl From<Infallible> for BrokenOff {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

impl http_body::Body for Content {
    type Data = Bytes;
    type Error = BrokenOff;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BrokenOff>>> {
        match self.get_mut() {
            Self::Whole(body) => Poll::Ready(body.take().map(|body| Ok(Frame::data(body)))),
            Self::Written(Reader(pipe)) => {
                let mut state = pipe.lock();
                if let Some(piece) = state.pieces.pop_front() {
                    state.bytes -= piece.len();
                    pipe.room.notify_all();
                    return Poll::Ready(Some(Ok(Frame::data(piece))));
                }
                match state.end {
                    End::Whole => Poll::Ready(None),
                    End::BrokenOff => Poll::Ready(Some(Err(BrokenOff))),
                    End::Open => {
                        state.waker = Some(context.waker().clone());
                        Poll::Pending
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> http_body::SizeHint {
        match self {
            Self::Whole(body) => http_body::SizeHint::with_exact(body.as_ref().map_or(0, Bytes::len) as u64),
            Self::Written(_) => http_body::SizeHint::default(),
        }
    }
}
