//! What a person wrote wrongly: place, reason, hint.

use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;

/// A place in a text file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// Path as the person knows it.
    pub file: Arc<str>,
    /// From 1; 0 when the whole file is meant.
    pub line: u32,
    /// From 1, in characters; 0 when the whole line or file is meant.
    pub column: u32,
    /// Bytes of the file, for an excerpt.
    #[serde(skip)]
    pub span: Option<SpanBytes>,
}

/// First and last-plus-one byte of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SpanBytes {
    pub start: usize,
    pub end: usize,
}

impl Place {
    /// The file as a whole.
    pub fn file(file: &str) -> Self {
        Self { file: file.into(), line: 0, column: 0, span: None }
    }

    /// The place of `span` in `text`; lines and columns are counted from 1.
    pub fn in_text(file: &Arc<str>, text: &str, span: Range<usize>) -> Self {
        let start = (0..=span.start.min(text.len())).rev().find(|&at| text.is_char_boundary(at)).unwrap_or(0);
        let before = &text[..start];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        Self {
            file: file.clone(),
            line: u32::try_from(before.matches('\n').count() + 1).unwrap_or(u32::MAX),
            column: u32::try_from(before[line_start..].chars().count() + 1).unwrap_or(u32::MAX),
            span: Some(SpanBytes { start, end: span.end.min(text.len()).max(start) }),
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.line, self.column) {
            (0, _) => write!(f, "{}", self.file),
            (line, 0) => write!(f, "{}:{line}", self.file),
            (line, column) => write!(f, "{}:{line}:{column}", self.file),
        }
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// It cannot be used.
    Error,
    /// It works, but probably not as meant.
    Warning,
}

/// One thing a person wrote wrongly, with what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Fault {
    pub place: Place,
    pub severity: Severity,
    /// A lower-case fragment: what is wrong.
    pub reason: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl Fault {
    pub fn error(place: Place, reason: impl Into<String>) -> Self {
        Self { place, severity: Severity::Error, reason: reason.into(), hint: None }
    }

    pub fn warning(place: Place, reason: impl Into<String>) -> Self {
        Self { place, severity: Severity::Warning, reason: reason.into(), hint: None }
    }

    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.place, self.reason)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}
