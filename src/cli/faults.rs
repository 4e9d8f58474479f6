//! How faults are shown: with an excerpt for people, as JSON for programs.
//!
//! Everything from a file is escaped before it reaches a terminal. An excerpt of the configuration is shown only
//! where the line cannot hold a secret that somebody wrote there by mistake.

use std::io::{self, Write};
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use crate::config::keys::may_show;
use crate::domain::Fault;
use crate::domain::fault::Severity;

/// Longest line that an excerpt shows, in bytes.
const LINE_BYTES: usize = 400;
/// Columns of a terminal that excerpts are laid out for.
const COLUMNS: usize = 140;

/// Whether the output understands colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    Plain,
    Color,
}

/// The text that a fault is about.
#[derive(Debug, Clone, Copy)]
pub enum Source<'s> {
    Nothing,
    Queue(&'s str),
    Config(&'s str),
}

/// Writes a fault for people: what, where, the line, what to do.
///
/// # Errors
/// The output cannot be written to.
pub fn write(out: &mut dyn Write, fault: &Fault, source: Source<'_>, look: Look) -> io::Result<()> {
    let level = match fault.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let path = visible(&fault.place.file);
    let mut group = Group::with_title(level.primary_title(visible(&fault.reason)));
    group = match excerpt(fault, source) {
        Some((line, span)) => group.element(
            Snippet::source(line)
                .path(path)
                .line_start(fault.place.line as usize)
                .annotation(AnnotationKind::Primary.span(span)),
        ),
        None if fault.place.line == 0 => group.element(Origin::path(path)),
        None => {
            group.element(Origin::path(path).line(fault.place.line as usize).char_column(fault.place.column as usize))
        }
    };
    if let Some(hint) = &fault.hint {
        group = group.element(Level::HELP.message(visible(hint)));
    }
    let renderer = match look {
        Look::Plain => Renderer::plain(),
        Look::Color => Renderer::styled(),
    };
    writeln!(out, "{}\n", renderer.term_width(COLUMNS).render(&[group]))
}

/// Writes a fault as one line of JSON.
///
/// # Errors
/// The output cannot be written to.
pub fn write_json(out: &mut dyn Write, fault: &Fault) -> io::Result<()> {
    #[derive(serde::Serialize)]
    struct Line<'f> {
        file: &'f str,
        line: u32,
        column: u32,
        severity: Severity,
        reason: &'f str,
        hint: Option<&'f str>,
    }
    let line = Line {
        file: &fault.place.file,
        line: fault.place.line,
        column: fault.place.column,
        severity: fault.severity,
        reason: &fault.reason,
        hint: fault.hint.as_deref(),
    };
    writeln!(out, "{}", serde_json::to_string(&line)?)
}

/// The line of a fault, and the part of it that is meant.
fn excerpt(fault: &Fault, source: Source<'_>) -> Option<(String, Range<usize>)> {
    let text = match source {
        Source::Nothing => return None,
        Source::Queue(text) | Source::Config(text) => text,
    };
    let span = fault.place.span?;
    let first = text.get(..span.start)?.rfind('\n').map_or(0, |at| at + 1);
    let line = text.get(first..)?.split('\n').next()?;
    let mark = line.len() - line.trim_start_matches('\u{feff}').len();
    let (first, line) = (first + mark, line.get(mark..)?.trim_end_matches('\r'));
    if line.len() > LINE_BYTES || matches!(source, Source::Config(_)) && !may_show(line) {
        return None;
    }
    let start = span.start.saturating_sub(first).min(line.len());
    let mut end = span.end.saturating_sub(first).clamp(start, line.len());
    while !line.is_char_boundary(end) {
        end += 1;
    }
    // One sign for one: the column must stay what it is.
    let plain = |part: &str| -> String {
        part.chars().map(|c| if c != '\t' && is_hidden(c) { '\u{fffd}' } else { c }).collect()
    };
    let (before, meant) = (plain(line.get(..start)?), plain(line.get(start..end)?));
    let span = before.len()..before.len() + meant.len();
    Some((before + &meant + &plain(line.get(end..)?), span))
}

/// Text from a file as a terminal may show it: what cannot be seen, or changes how the rest looks, is written out.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\t' | '\n' | '\r' => shown.extend(c.escape_default()),
            _ if is_hidden(c) => shown.extend(c.escape_unicode()),
            _ => shown.push(c),
        }
    }
    shown
}

/// Control and bidi characters, and others that nobody sees. The joiners are not among them: emoji are made with them.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{feff}')
        || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::document::Text;

    fn show(text: &str, span: Range<usize>, config: bool) -> String {
        let file = "a\u{1b}.toml".into();
        let held = Text::new(&file, text.as_bytes(), &mut Vec::new()).unwrap();
        let fault = Fault::error(held.place(span), "wrong \u{202e}").with_hint("do\nthis");
        let source = if config { Source::Config(text) } else { Source::Queue(text) };
        let mut out = Vec::new();
        write(&mut out, &fault, source, Look::Plain).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn nothing_from_a_file_reaches_the_terminal_as_it_is() {
        let shown = show("# x\nte\u{202e}xt = \"\u{9b}\"\r\nb = 1", 4..8, false);
        assert!(!shown.contains(['\u{1b}', '\u{202e}', '\u{9b}', '\r']), "{shown:?}");
        assert!(shown.contains("--> a\\u{1b}.toml:2:1"), "{shown}");
        assert!(shown.contains("help: do\\nthis"), "{shown}");
    }

    #[test]
    fn a_line_that_may_hold_a_secret_is_not_shown() {
        for line in
            ["token = \"s3cret\"", "fedi = { token = \"s3cret\" }", "a.quiet = \"s3cret\"", "s3cret", "[a]\"s3cret\"=1"]
        {
            assert!(!show(line, 0..3, true).contains("s3cret"), "{line}");
        }
        assert!(show("slots = [\"x\"]", 0..3, true).contains("slots = "));
    }

    proptest::proptest! {
        #[test]
        fn any_place_of_any_text_can_be_shown(text in "(\\PC|[\n\r\t\u{feff}]){0,30}", from in 0usize..40, long in 0usize..20) {
            show(&text, from..from + long, false);
        }
    }
}
