//! What came back, or why nothing did.

use std::time::Duration;

use serde_json::Value;

use crate::domain::{Digest, Timestamp, time};

/// What came back.
#[derive(Debug, Clone)]
pub enum Reply {
    Http(HttpReply),
    /// In the order of [`FileWork::Read`]; empty after a write.
    File(Vec<Option<Vec<u8>>>),
    Exec(ExecReply),
    /// To a [`Fetch`]: the status as it came, redirects too. More `bytes` than were wanted say that there are more,
    /// and then `digest` is that of a part.
    Fetched {
        status: u16,
        bytes: u64,
        digest: Digest,
    },
    /// In the order of [`Call::Sockets`].
    Sockets(Vec<SocketReply>),
}

/// What was heard of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketReply {
    pub messages: Vec<String>,
    pub end: SocketEnd,
}

/// How a conversation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SocketEnd {
    /// All that was waited for has come.
    Over,
    /// The server was not reached: it has heard nothing.
    NeverLeft(String),
    /// It may have heard everything, and has not said all that was waited for.
    BrokenOff(String),
}

/// What a program left that came to its end by itself.
#[derive(Debug, Clone, Default)]
pub struct ExecReply {
    pub code: i32,
    /// What it wrote to its standard output, cut at [`crate::domain::limits::ANSWER_BYTES`].
    pub output: Vec<u8>,
    /// It wrote more than we read.
    pub cut: bool,
    /// The first line that it wrote to its standard error, harmless for a terminal.
    pub said: String,
}

/// An HTTP reply, its body cut at [`crate::domain::limits::ANSWER_BYTES`].
#[derive(Debug, Clone, Default)]
pub struct HttpReply {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The body was longer than we read, or ended before its announced end.
    pub cut: bool,
}

impl HttpReply {
    /// A JSON reply, for imitations.
    pub fn json(status: u16, value: &Value) -> Self {
        Self {
            status,
            headers: vec![("content-type".into(), "application/json".into())],
            body: value.to_string().into_bytes(),
            cut: false,
        }
    }

    /// The first header of that name, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(held, _)| held == name).map(|(_, value)| value.as_str())
    }

    /// The moment that a header names, as HTTP writes moments.
    pub fn date(&self, name: &str) -> Option<Timestamp> {
        Some(jiff::fmt::rfc2822::parse(self.header(name)?.trim()).ok()?.timestamp())
    }

    /// How long it is from `now` to `then`, a moment of the platform's clock. Where the reply tells what that clock
    /// shows, the hours by which it differs from ours are not waited for.
    pub fn until(&self, then: Timestamp, now: Timestamp) -> Duration {
        time::since(then, self.date("date").unwrap_or(now))
    }

    /// The body as JSON, unless it was cut or is something else.
    pub fn value(&self) -> Option<Value> {
        if self.cut { None } else { serde_json::from_slice(&self.body).ok() }
    }
}

/// Why there is no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Nothing of the request reached the platform: no address, no connection, no TLS, or refused by us.
    #[error("{0}")]
    NeverLeft(String),
    /// At least one byte left, and no complete answer came: it may have been carried out.
    #[error("{0}")]
    MayHaveArrived(String),
}
