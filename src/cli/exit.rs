//! How a command ends: one code, one match, one way of telling people what went wrong.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::control::protocol::Problem;
use crate::telemetry::escape::escape;

use super::output::{Page, paint};

/// How a command ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done,
    /// Done, and there is something to mend; or not done, for a reason that was said.
    Findings,
    /// The command cannot be used like this, or the program failed.
    Unusable,
    /// The store is refused: locked, corrupt, of another machine.
    Store,
    /// The configuration is refused. systemd does not restart the service for this one.
    Config,
}

impl Exit {
    /// The process's exit code. 77 and 78 are `EX_NOPERM` and `EX_CONFIG` of `sysexits.h`; the unit names them.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Findings => 1,
            Self::Unusable => 2,
            Self::Store => 77,
            Self::Config => 78,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command did not do what was asked.
#[derive(Debug)]
pub struct Failure {
    kind: Kind,
    cause: Box<dyn Error + Send + Sync>,
    hint: Option<String>,
}

/// What a failure means for who called the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What was asked cannot be done as things are: no such post, a state that does not allow it, a file that cannot be
    /// written.
    NotDone,
    /// The command was given something it cannot use.
    Usage,
    /// The program or the machine failed.
    Internal,
    /// The store is refused.
    StoreRefused,
    /// The configuration is refused.
    ConfigRefused,
}

impl Failure {
    /// What went wrong, for a log.
    pub fn cause(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.cause
    }

    /// `cause` says what was attempted; its sources say why it did not work.
    pub fn new(kind: Kind, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, cause: cause.into(), hint: None }
    }

    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn exit(&self) -> Exit {
        match self.kind {
            Kind::NotDone => Exit::Findings,
            Kind::Usage | Kind::Internal => Exit::Unusable,
            Kind::StoreRefused => Exit::Store,
            Kind::ConfigRefused => Exit::Config,
        }
    }

    /// What failed and why, and what to do, for a list of several.
    pub fn told(&self) -> (String, String) {
        let mut what = self.cause.to_string();
        let mut source = self.cause.source();
        while let Some(cause) = source {
            what += &format!(": {cause}");
            source = cause.source();
        }
        (what, self.hint.clone().unwrap_or_default())
    }

    /// Tells a person: what, why (the whole chain, once), and what to do.
    ///
    /// # Errors
    /// When the output cannot be written.
    pub fn render(&self, page: Page, out: &mut dyn Write) -> io::Result<()> {
        let mut text =
            format!("{} {}\n", paint(page.colour, page.styles().error, "error:"), escape(&self.cause.to_string()));
        let mut source = self.cause.source();
        while let Some(cause) = source {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  because: {}", escape(&cause.to_string()));
            source = cause.source();
        }
        if let Some(hint) = &self.hint {
            let _ = writeln!(text, "{} {}", paint(page.colour, page.styles().hint, "hint:"), escape(hint));
        }
        out.write_all(text.as_bytes())
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let hint = problem.hint.clone();
        Self { kind: Kind::NotDone, cause: Box::new(problem), hint }
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("failed to open the store {path}")]
    struct Open {
        path: &'static str,
        source: io::Error,
    }

    #[test]
    fn a_failure_tells_what_why_and_what_to_do() {
        let cause = Open { path: "/var/lib/\u{1b}[2Jx", source: io::Error::other("held by\nprocess 7") };
        let failure = Failure::new(Kind::StoreRefused, cause).with_hint("ask the daemon: cadenced status");
        assert_eq!(failure.exit().code(), 77);
        let mut out = Vec::new();
        failure.render(Page::plain(80), &mut out).unwrap();
        assert_snapshot!(String::from_utf8(out).unwrap(), @r#"
        error: failed to open the store /var/lib/\u{1b}[2Jx
          because: held by\nprocess 7
        hint: ask the daemon: cadenced status
        "#);
    }

    #[test]
    fn each_kind_has_its_code() {
        let codes = [Kind::NotDone, Kind::Usage, Kind::Internal, Kind::StoreRefused, Kind::ConfigRefused]
            .map(|kind| Failure::new(kind, "x").exit().code());
        assert_eq!(codes, [1, 2, 2, 77, 78]);
    }
}
