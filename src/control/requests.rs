//! Questions as HTTP requests, and answers as JSON documents: the interface that `docs/control-api.md` describes.
//!
//! One table for both sides: a command makes its request from a question (`ask`), the daemon finds the question in a request
//! (`route`). The Unix socket and the TCP listener have the same routes; what may come by which of them is decided here as well
//! (`table`, `door`). Nothing here knows of connections or headers beyond those that it is handed.

mod answer;
mod ask;
mod door;
mod query;
mod refusal;
mod route;
#[cfg(test)]
mod samples;
mod table;

pub use answer::{read_answer, write_answer};
pub use ask::{Asked, ask};
pub use door::{Caller, Door};
pub use refusal::{Refusal, error_document, status_of};
pub use route::{Request, Route, route};
pub use table::{Access, ROUTES, access};

/// Longest body of a request, in bytes. Outcomes are handed in in portions that fit.
pub const BODY_BYTES: usize = 64 * 1024;
