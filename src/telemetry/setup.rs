//! Where lines of the log go: one [`Printer`] for the whole program.
//!
//! Our own events are handed to [`Printer::emit`] and nowhere else; there is no global logger to forget to set up, and
//! a test gives its own writer. What libraries say through `tracing` at warn and above comes out as `library.message`
//! ([`listen`]), what a panic says as `daemon.panicked` ([`install_panic_hook`]).
//!
//! A log that cannot be written never stops the daemon and never panics: the line is counted in [`Printer::lost`]. What
//! must not be lost is in the ledger. Secrets cannot get here by construction: no event has a field for one, and from
//! libraries only the message is taken, never the fields, which are where HTTP libraries put headers.

use std::io::{IsTerminal as _, Write};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use crate::domain::Timestamp;

use super::events::{Event, Level, quote};
use super::format;
pub use super::format::Colour;

/// Where journald takes datagrams.
pub const JOURNAL_SOCKET: &str = "/run/systemd/journal/socket";

/// The shape of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// journald's native protocol, so that every field can be asked for (`journalctl DELIVERY=post@account`).
    Journald,
    /// For people in front of a terminal.
    Pretty,
}

/// Tells the moment of a line.
pub type ClockFn = Box<dyn Fn() -> Timestamp + Send + Sync>;

/// Writes events, one line each.
pub struct Printer {
    format: Format,
    colour: Colour,
    level: AtomicU8,
    clock: ClockFn,
    journal: Option<Journal>,
    out: Mutex<Box<dyn Write + Send>>,
    lost: AtomicU64,
}

struct Journal {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Printer {
    /// To stdout. Without a format: pretty on a terminal, else JSON. Colours only on a terminal, and only where
    /// `NO_COLOR` is unset. [`Format::Journald`] falls back to JSON on stdout while journald cannot be reached,
    /// which is always so in a sandbox that does not show its socket.
    pub fn stdout(format: Option<Format>, level: Level, clock: ClockFn) -> Self {
        let out = std::io::stdout();
        let colour = match anstream::AutoStream::choice(&out) {
            anstream::ColorChoice::Never => Colour::Never,
            _ => Colour::Always,
        };
        let format = format.unwrap_or(if out.is_terminal() { Format::Pretty } else { Format::Json });
        let printer = Self::new(format, colour, level, clock, Box::new(out));
        match format {
            Format::Journald => printer.with_journal(Path::new(JOURNAL_SOCKET)),
            Format::Json | Format::Pretty => printer,
        }
    }

    /// To a writer. [`Format::Journald`] is JSON until [`Printer::with_journal`] names a socket.
    pub fn new(format: Format, colour: Colour, level: Level, clock: ClockFn, out: Box<dyn Write + Send>) -> Self {
        Self {
            format,
            colour,
            level: AtomicU8::new(level as u8),
            clock,
            journal: None,
            out: Mutex::new(out),
            lost: AtomicU64::new(0),
        }
    }

    /// Sends datagrams to the socket at `path`; the writer gets JSON whenever that fails.
    #[must_use]
    pub fn with_journal(mut self, path: &Path) -> Self {
        let socket = UnixDatagram::unbound().ok();
        self.journal = socket.map(|socket| Journal { socket, path: path.to_owned() });
        self
    }

    /// Lines above this level are left out from now on.
    pub fn set_level(&self, level: Level) {
        self.level.store(level as u8, Ordering::Relaxed);
    }

    /// Writes the event with the present moment.
    pub fn emit(&self, event: &Event) {
        if self.wants(event.level()) {
            self.print((self.clock)(), event);
        }
    }

    /// Writes the event, if its level is wanted.
    pub fn print(&self, at: Timestamp, event: &Event) {
        if !self.wants(event.level()) {
            return;
        }
        if let Some(journal) = &self.journal
            // Addressed anew each time: journald may have been restarted in between.
            && journal.socket.send_to(&format::journal(event), &journal.path).is_ok()
        {
            return;
        }
        let line = match self.format {
            Format::Json | Format::Journald => format::json(at, event),
            Format::Pretty => format::pretty(at, event, self.colour),
        };
        // A writer that has panicked once may still work; the log goes on.
        let mut out = self.out.lock().unwrap_or_else(PoisonError::into_inner);
        if out.write_all(&line).and_then(|()| out.flush()).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many lines could not be written so far.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    fn wants(&self, level: Level) -> bool {
        level as u8 <= self.level.load(Ordering::Relaxed)
    }
}

/// From now on what libraries warn of comes out of `printer`. `false` when somebody listens already (then nothing
/// changes).
pub fn listen(printer: &Arc<Printer>) -> bool {
    let subscriber = tracing_subscriber::registry().with(Libraries { printer: printer.clone() });
    tracing::subscriber::set_global_default(subscriber).is_ok()
}

/// From now on a panic is one event of the log, and nothing else is printed about it.
pub fn install_panic_hook(printer: &Arc<Printer>) {
    let printer = printer.clone();
    std::panic::set_hook(Box::new(move |panic| {
        let payload = panic.payload();
        let message = payload.downcast_ref::<&str>().copied();
        let message = message.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let message = message.unwrap_or("a panic without a text");
        let place = panic.location().map_or_else(|| "unknown".into(), ToString::to_string);
        printer.emit(&Event::DaemonPanicked { message: quote(message), place });
    }));
}

/// Turns what libraries say into events.
pub struct Libraries {
    printer: Arc<Printer>,
}

impl Libraries {
    pub fn new(printer: Arc<Printer>) -> Self {
        Self { printer }
    }
}

impl<S: Subscriber> Layer<S> for Libraries {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        // ERROR is the least in tracing's order.
        metadata.is_event() && *metadata.level() <= tracing::Level::WARN
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::WARN)
    }

    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut message = Message::default();
        event.record(&mut message);
        self.printer
            .emit(&Event::LibraryMessage { target: quote(event.metadata().target()), message: quote(&message.0) });
    }
}

/// Takes the message and leaves the fields.
#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.0 = value.into();
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use serde_json::Value;

    use super::*;

    /// Keeps what is written.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Kept {
        fn lines(&self) -> Vec<Value> {
            let bytes = self.0.lock().unwrap();
            bytes.split(|&b| b == b'\n').filter(|l| !l.is_empty()).map(|l| serde_json::from_slice(l).unwrap()).collect()
        }
    }

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn printer(format: Format, level: Level, out: impl Write + Send + 'static) -> Printer {
        let clock = Box::new(|| "2026-12-01T08:00:00Z".parse().unwrap());
        Printer::new(format, Colour::Never, level, clock, Box::new(out))
    }

    fn event() -> Event {
        Event::QueueBack { posts: 3 }
    }

    #[test]
    fn levels_above_the_wanted_one_are_left_out() {
        let kept = Kept::default();
        let printer = printer(Format::Json, Level::Warn, kept.clone());
        printer.emit(&event());
        assert!(kept.lines().is_empty());
        printer.set_level(Level::Info);
        printer.emit(&event());
        assert_eq!(kept.lines()[0]["timestamp"], "2026-12-01T08:00:00.000Z");
    }

    #[test]
    fn a_closed_output_loses_lines_and_nothing_else() {
        let printer = printer(Format::Pretty, Level::Info, Closed);
        printer.emit(&event());
        printer.emit(&event());
        assert_eq!(printer.lost(), 2);
    }

    #[test]
    fn one_record_is_one_datagram() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let journald = UnixDatagram::bind(&path).unwrap();
        let kept = Kept::default();
        let printer = printer(Format::Journald, Level::Info, kept.clone()).with_journal(&path);
        printer.emit(&event());
        let mut bytes = [0; 4096];
        let length = journald.recv(&mut bytes).unwrap();
        let text = std::str::from_utf8(&bytes[..length]).unwrap();
        assert_eq!(
            text,
            "MESSAGE=queue.back posts=3\nPRIORITY=6\nSYSLOG_IDENTIFIER=cadenced\nEVENT=queue.back\nPOSTS=3\n"
        );
        assert!(kept.lines().is_empty());
    }

    #[test]
    fn without_journald_the_line_is_json() {
        let folder = tempfile::tempdir().unwrap();
        let kept = Kept::default();
        let printer = printer(Format::Journald, Level::Info, kept.clone()).with_journal(&folder.path().join("none"));
        printer.emit(&event());
        assert_eq!(kept.lines()[0]["event"], "queue.back");
    }

    #[test]
    fn libraries_are_heard_from_warn_on_and_without_their_fields() {
        let kept = Kept::default();
        let printer = Arc::new(printer(Format::Json, Level::Info, kept.clone()));
        let subscriber = tracing_subscriber::registry().with(Libraries::new(printer));
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!("not heard");
            tracing::warn!(token = "canary", "odd\nthing {}", 7);
            tracing::error!(target: "their::room", "broken");
        });
        let lines = kept.lines();
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert_eq!(lines[0]["event"], "library.message");
        assert_eq!(lines[0]["message"], "odd\nthing 7");
        assert_eq!(lines[1]["level"], "warn");
        assert_eq!(lines[1]["target"], "their::room");
        assert!(!String::from_utf8_lossy(&kept.0.lock().unwrap()).contains("canary"));
    }
}
