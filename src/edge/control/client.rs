//! The asking side: one request to the daemon's socket. Blocking.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::runtime::{Builder, Runtime};

use crate::domain::path::shown;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// No daemon runs there.
    #[error("no daemon answers at {}", shown(.0))]
    Absent(PathBuf),
    #[error("there is no permission to ask the daemon at {}", shown(.0))]
    Forbidden(PathBuf),
    #[error("the daemon did not answer in time")]
    Late,
    #[error("the daemon broke off its answer")]
    BrokenOff,
    #[error("failed to ask the daemon")]
    Io(#[source] io::Error),
}

/// An answer. Its body is read as it comes; reading fails when it breaks off, or nothing comes for too long.
#[derive(Debug)]
pub struct Answered {
    /// Of HTTP.
    pub status: u16,
    runtime: Runtime,
    body: Incoming,
    piece: Bytes,
    timeout: Duration,
}

/// Whether a daemon is there. It is asked nothing.
pub fn is_there(path: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(path).is_ok()
}

/// For how long an answer is waited for.
pub struct Patience<'p> {
    /// For the head, and for each piece after it.
    pub timeout: Duration,
    /// After this `tell` is called once: whoever waits without a word takes the command for dead.
    pub silent: Duration,
    pub tell: &'p mut dyn FnMut(),
}

/// Asks the daemon at `path`, and waits for the head of its answer.
///
/// # Errors
/// When nobody answers there, or not in time.
pub fn ask(
    path: &Path,
    method: &str,
    target: &str,
    body: Option<Vec<u8>>,
    patience: Patience<'_>,
) -> Result<Answered, AskError> {
    let Patience { timeout, silent, tell } = patience;
    let runtime = Builder::new_current_thread().enable_all().build().map_err(AskError::Io)?;
    let request = hyper::Request::builder()
        .method(method)
        .uri(target)
        .header(hyper::header::HOST, "localhost")
        .header(hyper::header::CONTENT_TYPE, "application/json")
        .header(hyper::header::CONNECTION, "close")
        .body(Full::new(Bytes::from(body.unwrap_or_default())))
        .map_err(|error| AskError::Io(io::Error::other(error)))?;
    let response = runtime.block_on(async {
        let asking = async {
            let stream = UnixStream::connect(path).await.map_err(|error| match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => AskError::Absent(path.into()),
                io::ErrorKind::PermissionDenied => AskError::Forbidden(path.into()),
                _ => AskError::Io(error),
            })?;
            let (mut sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(lost)?;
            // What goes wrong on it shows in the answer.
            tokio::runtime::Handle::current().spawn(connection);
            sender.send_request(request).await.map_err(lost)
        };
        let mut asking = std::pin::pin!(asking);
        if let Ok(answered) = tokio::time::timeout(silent.min(timeout), &mut asking).await {
            return answered;
        }
        tell();
        tokio::time::timeout(timeout.saturating_sub(silent), asking).await.map_err(|_| AskError::Late)?
    })?;
    let (head, body) = response.into_parts();
    Ok(Answered { status: head.status.as_u16(), runtime, body, piece: Bytes::new(), timeout })
}

fn lost(error: hyper::Error) -> AskError {
    if error.is_incomplete_message() || error.is_closed() || error.is_canceled() {
        AskError::BrokenOff
    } else {
        AskError::Io(io::Error::other(error))
    }
}

impl Read for Answered {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            let timeout = self.timeout;
            let next = self.runtime.block_on(async { tokio::time::timeout(timeout, self.body.frame()).await });
            match next {
                Err(_) => return Err(io::ErrorKind::TimedOut.into()),
                Ok(None) => return Ok(0),
                Ok(Some(Err(_))) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(Some(Ok(frame))) => self.piece = frame.into_data().unwrap_or_default(),
            }
        }
        let taken = into.len().min(self.piece.len());
        into[..taken].copy_from_slice(&self.piece.split_to(taken));
        Ok(taken)
    }
}
