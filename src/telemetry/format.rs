//! One event becomes one line, in three shapes. Pure: the moment comes in, text goes out.
//!
//! Invariants: a shape never holds a newline but the one at its end, never a character of [`escape::is_unsafe`], and no
//! text in it is longer than [`FIELD_BYTES`]. So a line stays one record for journald, for `jq` and for a terminal,
//! whatever a post or a platform says. There is no secret to hide here: events have no field that could hold one.

use std::fmt::Write as _;
use std::io;

use anstyle::{AnsiColor, Style};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::ser::{CharEscape, Formatter};

use crate::domain::Timestamp;

use super::escape::{is_unsafe, push_escaped};
use super::events::{Event, Level};
use super::ids::message_id;

/// Longest text of one field, in bytes after escaping. journald splits lines of a service's stdout at 48 KiB
/// (`LineMax=`); ten texts of this length still fit.
pub const FIELD_BYTES: usize = 4_000;
/// Longest summary in a record of journald: two long texts and what stands around them. The fields have it all.
pub const SUMMARY_BYTES: usize = 2 * FIELD_BYTES;

/// Whether colours are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    Always,
    Never,
}

/// `{"timestamp":…,"level":…,"event":…,FIELDS}` and a newline. Fields without a value are `null`.
pub fn json(at: Timestamp, event: &Event) -> Vec<u8> {
    #[derive(Serialize)]
    struct Line<'a> {
        timestamp: String,
        level: &'static str,
        event: &'static str,
        #[serde(flatten)]
        fields: &'a Event,
    }
    let line = Line { timestamp: moment(at), level: event.level().name(), event: event.name(), fields: event };
    let mut bytes = Vec::with_capacity(256);
    let written = line.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, Safe::default()));
    // Events are made of texts and numbers, which serde_json always takes; were that to change, the line still says
    // which event it was.
    if let Err(cause) = written {
        bytes =
            format!("{{\"timestamp\":\"{}\",\"level\":\"error\",\"event\":\"{}\",", moment(at), event.name()).into();
        bytes.extend(format!("\"unprintable\":{}}}", Value::from(cause.to_string())).bytes());
    }
    bytes.push(b'\n');
    bytes
}

/// `2026-12-01T08:00:00.000Z  INFO delivery.delivered delivery=a@fedi …` and a newline. Fields without a value are
/// left out.
pub fn pretty(at: Timestamp, event: &Event, colour: Colour) -> Vec<u8> {
    let (level, word) = match event.level() {
        Level::Error => (AnsiColor::Red.on_default().bold(), "ERROR"),
        Level::Warn => (AnsiColor::Yellow.on_default(), " WARN"),
        Level::Info => (AnsiColor::Green.on_default(), " INFO"),
        Level::Debug => (AnsiColor::Blue.on_default(), "DEBUG"),
    };
    let (dim, bold) = (Style::new().dimmed(), Style::new().bold());
    let mut line = String::with_capacity(200);
    painted(&mut line, colour, dim, &moment(at));
    line.push(' ');
    painted(&mut line, colour, level, word);
    line.push(' ');
    painted(&mut line, colour, bold, event.name());
    for (name, value) in fields(event) {
        if let Some(shown) = shown(&value) {
            line.push(' ');
            painted(&mut line, colour, dim, &format!("{name}="));
            line.push_str(&shown);
        }
    }
    line.push('\n');
    line.into_bytes()
}

/// Names that journald's own fields have, or that mean something else there.
pub const TAKEN: &[&str] = &["MESSAGE", "MESSAGE_ID", "PRIORITY", "ERRNO", "UNIT", "PID", "TID"];

/// One datagram of journald's native protocol: `KEY=value` lines. Fields are in capitals; one whose name journald
/// uses itself gets `CADENCED_` in front. Fields without a value are left out. Events that a person will want to have
/// explained say which kind they are (`MESSAGE_ID`).
///
/// A datagram never needs more room than a socket has by default, so no descriptor of a sealed memory file has to be
/// passed, which the unit's sandbox forbids: each text is cut to [`FIELD_BYTES`], the summary to [`SUMMARY_BYTES`].
pub fn journal(event: &Event) -> Vec<u8> {
    let priority = match event.level() {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug => 7,
    };
    let mut message = event.name().to_owned();
    let mut rest = String::with_capacity(256);
    for (name, value) in fields(event) {
        let Some(text) = shown(&value) else { continue };
        // Writing to a String cannot fail.
        let _ = write!(message, " {name}={text}");
        let key = name.to_ascii_uppercase();
        let prefix = if TAKEN.contains(&key.as_str()) { "CADENCED_" } else { "" };
        // Escaped texts hold no newline, so the protocol's form for binary values is never needed.
        let _ = writeln!(rest, "{prefix}{key}={}", plain(&value).unwrap_or_default());
    }
    if message.len() > SUMMARY_BYTES {
        message.truncate(message.floor_char_boundary(SUMMARY_BYTES));
        message.push('…');
    }
    let kind = message_id(event.name()).map(|id| format!("MESSAGE_ID={id}\n")).unwrap_or_default();
    format!("MESSAGE={message}\nPRIORITY={priority}\nSYSLOG_IDENTIFIER=cadenced\n{kind}EVENT={}\n{rest}", event.name())
        .into()
}

/// RFC 3339 in UTC, always with milliseconds, so that lines sort as texts.
fn moment(at: Timestamp) -> String {
    format!("{at:.3}")
}

fn painted(line: &mut String, colour: Colour, style: Style, text: &str) {
    match colour {
        Colour::Always => {
            let _ = write!(line, "{style}{text}{style:#}");
        }
        Colour::Never => line.push_str(text),
    }
}

/// The event's fields in the order they are declared in.
fn fields(event: &Event) -> Vec<(String, Value)> {
    struct InOrder(Vec<(String, Value)>);
    impl<'de> Deserialize<'de> for InOrder {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
            struct Pairs;
            impl<'de> Visitor<'de> for Pairs {
                type Value = InOrder;
                fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("the fields of an event")
                }
                fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<InOrder, A::Error> {
                    let mut pairs = Vec::new();
                    while let Some(pair) = map.next_entry()? {
                        pairs.push(pair);
                    }
                    Ok(InOrder(pairs))
                }
            }
            from.deserialize_map(Pairs)
        }
    }
    let read = serde_json::to_vec(event).and_then(|bytes| serde_json::from_slice::<InOrder>(&bytes));
    read.map(|InOrder(pairs)| pairs).unwrap_or_default()
}

/// A value behind `key=`: bare where that is clear, else in quotes.
fn shown(value: &Value) -> Option<String> {
    let text = plain(value)?;
    let bare = !text.is_empty() && !text.contains([' ', '"', '=', '\\']);
    Some(if bare { text } else { format!("\"{}\"", text.replace('"', "\\\"")) })
}

/// A value's text, escaped and cut; none for `null`.
fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(cut(text)),
        other => Some(cut(&other.to_string())),
    }
}

fn cut(text: &str) -> String {
    let mut shown = String::with_capacity(text.len().min(FIELD_BYTES));
    for c in text.chars() {
        push_escaped(&mut shown, c);
        if shown.len() > FIELD_BYTES {
            shown.push('…');
            break;
        }
    }
    shown
}

/// JSON whose texts are cut and hold no unsafe character as it is: those become `\uXXXX` (two of them beyond
/// U+FFFF).
#[derive(Default)]
struct Safe {
    /// Bytes of the present text so far.
    used: usize,
}

impl Safe {
    /// Whether `bytes` more fit. The first time they do not, the text ends with `…`.
    fn fits<W: ?Sized + io::Write>(&mut self, to: &mut W, bytes: usize) -> io::Result<bool> {
        if self.used > FIELD_BYTES {
            return Ok(false);
        }
        self.used += bytes;
        if self.used > FIELD_BYTES {
            to.write_all("…".as_bytes())?;
            return Ok(false);
        }
        Ok(true)
    }
}

impl Formatter for Safe {
    fn begin_string<W: ?Sized + io::Write>(&mut self, to: &mut W) -> io::Result<()> {
        self.used = 0;
        to.write_all(b"\"")
    }

    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, to: &mut W, fragment: &str) -> io::Result<()> {
        let mut units = [0u16; 2];
        for c in fragment.chars() {
            if is_unsafe(c) {
                let units = c.encode_utf16(&mut units);
                if !self.fits(to, 6 * units.len())? {
                    return Ok(());
                }
                for unit in units {
                    write!(to, "\\u{unit:04x}")?;
                }
            } else {
                if !self.fits(to, c.len_utf8())? {
                    return Ok(());
                }
                to.write_all(c.encode_utf8(&mut [0; 4]).as_bytes())?;
            }
        }
        Ok(())
    }

    fn write_char_escape<W: ?Sized + io::Write>(&mut self, to: &mut W, escape: CharEscape) -> io::Result<()> {
        // The longest escape has six bytes; the exact length does not matter for a limit.
        if !self.fits(to, 6)? {
            return Ok(());
        }
        serde_json::ser::CompactFormatter.write_char_escape(to, escape)
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;
    use crate::telemetry::events::About;

    const HOSTILE: &str = "it\nsays \u{1b}[2J\u{202e}\"no\"\u{2028}\u{e0041}\u{9b}\0 =\\ end";

    fn at() -> Timestamp {
        "2026-12-01T08:00:00.0419Z".parse().unwrap()
    }

    fn delivered() -> Event {
        Event::DeliveryDelivered {
            about: About::new(&"desk@fedi".parse().unwrap(), "mastodon", 1),
            slot: Some("2026-12-01T08:00:00Z".parse().unwrap()),
            lateness_ms: 41,
            remote_id: "115".into(),
            url: None,
            duration_ms: 340,
        }
    }

    fn refused(reason: &str) -> Event {
        Event::DeliveryRefused {
            about: About::new(&"desk@fedi".parse().unwrap(), "mastodon", 2),
            reason: reason.into(),
        }
    }

    fn text(bytes: Vec<u8>) -> String {
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn one_event_in_three_shapes() {
        assert_snapshot!(text(json(at(), &delivered())), @r#"{"timestamp":"2026-12-01T08:00:00.041Z","level":"info","event":"delivery.delivered","delivery":"desk@fedi","post":"desk","account":"fedi","platform":"mastodon","attempt":1,"slot":"2026-12-01T08:00:00Z","lateness_ms":41,"remote_id":"115","url":null,"duration_ms":340}"#);
        assert_snapshot!(text(pretty(at(), &delivered(), Colour::Never)), @r#"2026-12-01T08:00:00.041Z  INFO delivery.delivered delivery=desk@fedi post=desk account=fedi platform=mastodon attempt=1 slot=2026-12-01T08:00:00Z lateness_ms=41 remote_id=115 duration_ms=340"#);
        assert_snapshot!(text(journal(&delivered())), @r#"
        MESSAGE=delivery.delivered delivery=desk@fedi post=desk account=fedi platform=mastodon attempt=1 slot=2026-12-01T08:00:00Z lateness_ms=41 remote_id=115 duration_ms=340
        PRIORITY=6
        SYSLOG_IDENTIFIER=cadenced
        MESSAGE_ID=6ff6f779118740b9b11c7c67d70b1bc9
        EVENT=delivery.delivered
        DELIVERY=desk@fedi
        POST=desk
        ACCOUNT=fedi
        PLATFORM=mastodon
        ATTEMPT=1
        SLOT=2026-12-01T08:00:00Z
        LATENESS_MS=41
        REMOTE_ID=115
        DURATION_MS=340
        "#);
    }

    #[test]
    fn hostile_text_is_one_harmless_line() {
        assert_snapshot!(text(json(at(), &refused(HOSTILE))), @r#"{"timestamp":"2026-12-01T08:00:00.041Z","level":"error","event":"delivery.refused","delivery":"desk@fedi","post":"desk","account":"fedi","platform":"mastodon","attempt":2,"reason":"it\nsays \u001b[2J\u202e\"no\"\u2028\udb40\udc41\u009b\u0000 =\\ end"}"#);
        assert_snapshot!(text(pretty(at(), &refused(HOSTILE), Colour::Never)), @r#"2026-12-01T08:00:00.041Z ERROR delivery.refused delivery=desk@fedi post=desk account=fedi platform=mastodon attempt=2 reason="it\nsays \u{1b}[2J\u{202e}\"no\"\u{2028}\u{e0041}\u{9b}\u{0} =\ end""#);
        let event = refused(HOSTILE);
        for line in [json(at(), &event), pretty(at(), &event, Colour::Never)] {
            let line = text(line);
            assert_eq!(line.matches('\n').count(), 1, "{line:?}");
            assert!(!line.trim_end().chars().any(is_unsafe), "{line:?}");
        }
    }

    #[test]
    fn json_gives_back_the_text_that_was_escaped() {
        let line: Value = serde_json::from_slice(&json(at(), &refused(HOSTILE))).unwrap();
        assert_eq!(line["reason"], HOSTILE);
    }

    #[test]
    fn a_megabyte_is_cut_in_every_shape() {
        for filler in ["x", "\u{e0041}", "\n", "\u{202e}", "é"] {
            let event = refused(&filler.repeat(1_000_000 / filler.len()));
            let shapes = [json(at(), &event), pretty(at(), &event, Colour::Never)];
            for line in shapes {
                assert!(line.len() < FIELD_BYTES + 500, "{filler:?}: {}", line.len());
                assert_eq!(line.iter().filter(|&&byte| byte == b'\n').count(), 1);
                assert!(text(line).contains('…'));
            }
            assert!(journal(&event).len() < 2 * FIELD_BYTES + 500);
            assert!(serde_json::from_slice::<Value>(&json(at(), &event)).is_ok(), "{filler:?}");
        }
    }

    #[test]
    fn a_field_that_journald_has_itself_is_renamed() {
        let event = Event::LibraryMessage { target: "sled".into(), message: "a\nMESSAGE=forged".into() };
        assert_snapshot!(text(journal(&event)), @r#"
        MESSAGE=library.message target=sled message="a\nMESSAGE=forged"
        PRIORITY=4
        SYSLOG_IDENTIFIER=cadenced
        EVENT=library.message
        TARGET=sled
        CADENCED_MESSAGE=a\nMESSAGE=forged
        "#);
    }

    /// A socket that nobody has set up takes 208 KiB at once, and the daemon has no other way to hand a record over.
    #[test]
    fn no_record_of_journald_outgrows_a_datagram() {
        let quoted = "\"".repeat(FIELD_BYTES);
        let event = Event::AccountVersionAges {
            account: "fedi".parse().unwrap(),
            platform: quoted.clone(),
            version: quoted.clone(),
            days: 1.0,
            at: at(),
            remedy: quoted,
        };
        let record = text(journal(&event));
        let summary = record.lines().next().unwrap();
        assert!(summary.len() <= "MESSAGE=…".len() + SUMMARY_BYTES && summary.ends_with('…'), "{}", summary.len());
        let most = |(_, _, fields): &(&str, Level, &[&str])| {
            let names = fields.iter().map(|&name| if name == "about" { 5 } else { 1 }).sum::<usize>();
            SUMMARY_BYTES + names * (FIELD_BYTES + 100) + 500
        };
        let most = super::super::events::EVENTS.iter().map(most).max().unwrap();
        assert!(most < 100 * 1024, "{most}");
    }

    #[test]
    fn colours_only_where_asked_for() {
        assert!(!text(pretty(at(), &refused("x"), Colour::Never)).contains('\u{1b}'));
        let coloured = text(pretty(at(), &refused("\u{1b}[0m"), Colour::Always));
        assert!(coloured.contains("\u{1b}[1m\u{1b}[31mERROR"), "{coloured:?}");
        assert!(coloured.contains("\\u{1b}[0m"), "{coloured:?}");
    }
}
