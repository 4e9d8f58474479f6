//! What is answered instead of what was asked for: a status of HTTP, and a document that says why.

use serde_json::{Value, json};

use crate::control::protocol::{ErrorKind, Problem};

/// Why a request is not answered as asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Of HTTP.
    pub status: u16,
    pub problem: Problem,
    /// What the `Allow` header has to say.
    pub allow: Option<&'static str>,
}

impl Refusal {
    pub fn new(status: u16, kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { status, problem: Problem { kind, message: message.into(), hint: None }, allow: None }
    }

    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.problem.hint = Some(hint.into());
        self
    }

    pub(super) fn garbled(message: impl Into<String>) -> Self {
        Self::new(400, ErrorKind::Garbled, message)
    }

    pub(super) fn method(allow: &'static str) -> Self {
        let message = format!("this is asked for with {allow}");
        Self { allow: Some(allow), ..Self::new(405, ErrorKind::Garbled, message) }
    }
}

/// The document of a refusal or a problem.
pub fn error_document(problem: &Problem) -> Value {
    json!({ "error": problem })
}

/// The status of HTTP that says the same as a problem.
pub fn status_of(kind: ErrorKind) -> u16 {
    match kind {
        ErrorKind::Garbled => 400,
        ErrorKind::Forbidden => 403,
        ErrorKind::Unknown => 404,
        ErrorKind::WrongState => 409,
        ErrorKind::Store => 500,
        ErrorKind::NotReady => 503,
    }
}
