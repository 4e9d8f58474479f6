//! A TOML file as a person wrote it: values with their places, and everything that is wrong with it.
//!
//! Both kinds of files that people write, the configuration and the queue, are read through this. It bounds size and
//! nesting before the parser sees the text, goes on after a syntax error to find the others, and counts lines only
//! when there is something to report.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use jiff::civil;
use toml::Spanned;
pub use toml::de::{DeArray, DeTable, DeValue};

use super::fault::{Severity, SpanBytes};
use super::{Fault, Place, Timestamp, limits};

/// Most faults that are kept of one file. More help nobody, and a hostile file must not make us count for ever.
const FAULTS: usize = 500;
/// Most parts of one dotted key. Real files need three; the parser makes a table of each without asking its own
/// recursion guard.
const KEY_PARTS: usize = 16;
/// Longest word that a nearest known one is looked for.
const WORD_BYTES: usize = 40;

/// A value and where it stands.
pub type Value<'t> = Spanned<DeValue<'t>>;

/// The text of a file.
pub struct Text<'b> {
    file: Arc<str>,
    text: Cow<'b, str>,
    /// First byte of each header of a list of tables (`[[post]]`).
    headers: Vec<usize>,
    /// First byte of each line.
    lines: OnceCell<Vec<usize>>,
}

/// A file cut where its lists of tables go on: each piece is TOML of its own, if the file is.
pub struct Pieces<'t> {
    /// What stands before the first of them.
    pub first: &'t str,
    /// The name in each header, and the text from it to the next.
    pub rest: Vec<(&'t str, &'t str)>,
}

impl<'b> Text<'b> {
    /// Takes the bytes of a file. Bytes that are no UTF-8 are reported and stand as `?` afterwards, so that the rest
    /// can still be read.
    ///
    /// # Errors
    /// The file is so large, or nested so deeply, that it is not looked at.
    pub fn new(file: &Arc<str>, bytes: &'b [u8], faults: &mut Vec<Fault>) -> Result<Self, Fault> {
        if bytes.len() as u64 > limits::FILE_BYTES {
            return Err(Fault::error(
                Place::file(file),
                format!("the file is larger than {} bytes", limits::FILE_BYTES),
            )
            .with_hint("split it into several files"));
        }
        let mut broken = Vec::new();
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => Cow::Owned(patch(bytes, &mut broken)),
        };
        let mut headers = Vec::new();
        let deep = too_deep(&text, &mut headers);
        let text = Self { file: file.clone(), text, headers, lines: OnceCell::new() };
        for at in broken {
            let byte = bytes.get(at).copied().unwrap_or_default();
            faults.push(
                Fault::error(text.place(at..at + 1), format!("the byte 0x{byte:02x} is not UTF-8"))
                    .with_hint("save the file as UTF-8"),
            );
        }
        match deep {
            None => Ok(text),
            Some(at) => Err(Fault::error(text.place(at..at + 1), "tables and lists are nested too deeply")
                .with_hint(format!("at most {} levels are read", limits::NESTING))),
        }
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Reads the TOML. After a syntax error as much as possible is still given, and `faults` holds the error.
    pub fn parse<'t>(&'t self, faults: &mut Faults<'t>) -> DeTable<'t> {
        let (root, errors) = DeTable::parse_recoverable(&self.text);
        for error in errors {
            faults.syntax(error.span().unwrap_or_default(), error.message());
        }
        root.into_inner()
    }

    /// The file in pieces, one for each table of a list. What is read of them one by one is what [`Text::parse`] reads of
    /// the whole, as long as every piece can be read and its root holds nothing but the list that its header names.
    pub fn pieces(&self) -> Pieces<'_> {
        let ends = self.headers.iter().skip(1).copied().chain([self.text.len()]);
        let piece = |(&from, to): (&usize, usize)| {
            let text = self.text.get(from..to).unwrap_or_default();
            let name = text.trim_start_matches('[').split(']').next().unwrap_or_default();
            (name.trim_matches([' ', '\t']), text)
        };
        let first = self.headers.first().copied().unwrap_or(self.text.len());
        Pieces {
            first: self.text.get(..first).unwrap_or_default(),
            rest: self.headers.iter().zip(ends).map(piece).collect(),
        }
    }

    /// The place of some bytes of the file.
    pub fn place(&self, span: Range<usize>) -> Place {
        let mut start = span.start.min(self.text.len());
        while !self.text.is_char_boundary(start) {
            start -= 1;
        }
        let line = self.line(start);
        let first = self.lines().get(line).copied().unwrap_or_default();
        let before = self.text.get(first..start).unwrap_or_default();
        let column = before.strip_prefix('\u{feff}').unwrap_or(before).chars().count() + 1;
        Place {
            file: self.file.clone(),
            line: u32::try_from(line + 1).unwrap_or(u32::MAX),
            column: u32::try_from(column).unwrap_or(u32::MAX),
            span: Some(SpanBytes { start, end: span.end.min(self.text.len()).max(start) }),
        }
    }

    /// The line of a byte, from 0.
    fn line(&self, at: usize) -> usize {
        self.lines().partition_point(|&first| first <= at).saturating_sub(1)
    }

    fn lines(&self) -> &[usize] {
        self.lines
            .get_or_init(|| std::iter::once(0).chain(self.text.match_indices('\n').map(|(at, _)| at + 1)).collect())
    }
}

/// Reads one of the [`Pieces`]; `None` when anything is wrong with it.
pub fn parse_piece(piece: &str) -> Option<DeTable<'_>> {
    DeTable::parse(piece).ok().map(Spanned::into_inner)
}

/// The text with `?` for every byte that is no UTF-8, so that all places stay what they are.
fn patch(bytes: &[u8], broken: &mut Vec<usize>) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        if !chunk.invalid().is_empty() && broken.len() < FAULTS {
            broken.push(text.len());
        }
        text.extend(chunk.invalid().iter().map(|_| '?'));
    }
    text
}

/// The first byte at which tables and lists are nested deeper than is read. The parser recurses, and so does dropping
/// what it has made; this looks at brackets and dots only, outside of texts and comments. On its way it notes where the
/// headers of lists of tables stand.
fn too_deep(text: &str, headers: &mut Vec<usize>) -> Option<usize> {
    let bytes = text.as_bytes();
    // Depth outside of each open bracket; how deep the last header leads; parts of the key that is being read.
    let mut open: Vec<usize> = Vec::new();
    let (mut header, mut in_header, mut parts) = (0, false, 0);
    let mut line_begins = true;
    let mut at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    while let Some(&byte) = bytes.get(at) {
        let begins = line_begins;
        line_begins = begins && matches!(byte, b' ' | b'\t');
        match byte {
            b'#' => {
                at = line_end(bytes, at);
                continue;
            }
            b'"' | b'\'' => {
                at = text_end(bytes, at, byte);
                continue;
            }
            b'\n' => {
                parts = 0;
                if open.is_empty() || in_header {
                    line_begins = true;
                    in_header = false;
                    open.clear();
                }
            }
            b',' => parts = 0,
            b'.' => {
                parts += 1;
                let below = open.last().copied().unwrap_or(header);
                if parts > KEY_PARTS || below + parts > limits::NESTING {
                    return Some(at);
                }
            }
            b'[' if begins && open.is_empty() => {
                (in_header, header, parts) = (true, 0, 0);
                if bytes.get(at + 1) == Some(&b'[') {
                    headers.push(at);
                }
            }
            // Such a header is broken anyway; the parser need not find out how.
            b'[' | b'{' if in_header => {
                header += 1;
                if header > limits::NESTING {
                    return Some(at);
                }
            }
            b']' if in_header => header = parts + 2,
            b'[' | b'{' => {
                let depth = open.last().copied().unwrap_or(header) + parts + 1;
                if depth > limits::NESTING {
                    return Some(at);
                }
                open.push(depth);
                parts = 0;
            }
            b']' | b'}' => {
                open.pop();
                parts = 0;
            }
            _ => {}
        }
        at += 1;
    }
    None
}

fn line_end(bytes: &[u8], from: usize) -> usize {
    bytes[from..].iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |length| from + length)
}

/// The first byte behind a quoted text; a text of one line ends with its line whatever is missing.
fn text_end(bytes: &[u8], from: usize, quote: u8) -> usize {
    let long = bytes[from..].starts_with(&[quote; 3]);
    let mut at = from + if long { 3 } else { 1 };
    while let Some(&byte) = bytes.get(at) {
        if byte == b'\\' && quote == b'"' {
            at += if bytes.get(at + 1) == Some(&b'\n') && !long { 1 } else { 2 };
        } else if byte == b'\n' && !long {
            return at;
        } else if byte == quote && !long {
            return at + 1;
        } else if byte == quote && bytes[at..].starts_with(&[quote; 3]) {
            // Up to two quotes may stand directly before the closing three.
            let run = bytes[at..].iter().take(5).take_while(|&&byte| byte == quote).count();
            return at + run;
        } else {
            at += 1;
        }
    }
    bytes.len()
}

/// What is wrong with a file, and the small readers that find it.
pub struct Faults<'t> {
    text: &'t Text<'t>,
    found: Vec<Fault>,
    errors: usize,
    more: usize,
    /// Lines with a syntax error. What else is found there only follows from it.
    broken: BTreeSet<usize>,
    /// The last syntax error.
    last: String,
}

impl<'t> Faults<'t> {
    /// `before` is what was wrong with the bytes themselves.
    pub fn new(text: &'t Text<'t>, before: Vec<Fault>) -> Self {
        let errors = before.len();
        Self { text, found: before, errors, more: 0, broken: BTreeSet::new(), last: String::new() }
    }

    /// Everything found, from top to bottom.
    pub fn finish(mut self) -> Vec<Fault> {
        self.found.sort_by(|a, b| a.place.cmp(&b.place).then(a.severity.cmp(&b.severity)));
        if self.more > 0 {
            let reason = format!("{} more faults are not listed", self.more);
            self.found.push(Fault::error(Place::file(&self.text.file), reason));
        }
        self.found
    }

    /// Whether there is anything to say.
    pub fn any(&self) -> bool {
        !self.found.is_empty()
    }

    /// Whether anything makes the file unusable.
    pub fn any_errors(&self) -> bool {
        self.errors > 0
    }

    pub fn place(&self, span: Range<usize>) -> Place {
        self.text.place(span)
    }

    pub fn error(&mut self, span: Range<usize>, reason: impl Into<String>, hint: impl Into<Option<String>>) {
        self.errors += 1;
        self.add(Severity::Error, span, reason.into(), hint.into());
    }

    /// An error that does not make the file unusable.
    pub fn trouble(&mut self, span: Range<usize>, reason: impl Into<String>, hint: impl Into<Option<String>>) {
        self.add(Severity::Error, span, reason.into(), hint.into());
    }

    pub fn warning(&mut self, span: Range<usize>, reason: impl Into<String>, hint: impl Into<Option<String>>) {
        self.add(Severity::Warning, span, reason.into(), hint.into());
    }

    fn syntax(&mut self, span: Range<usize>, reason: &str) {
        self.errors += 1;
        let line = self.text.line(span.start);
        // A second error on the same line almost always follows from the first; and so does the same error line by
        // line, when something was left open above.
        let follows = line.checked_sub(1).is_some_and(|above| self.broken.contains(&above)) && self.last == reason;
        if self.broken.insert(line) && !follows {
            self.last = reason.to_owned();
            let mut reason = reason.to_owned();
            reason.make_ascii_lowercase();
            self.push(Severity::Error, span, reason, None);
        }
    }

    fn add(&mut self, severity: Severity, span: Range<usize>, reason: String, hint: Option<String>) {
        if !self.broken.is_empty() && (span == (0..0) || self.broken.contains(&self.text.line(span.start))) {
            return;
        }
        self.push(severity, span, reason, hint);
    }

    fn push(&mut self, severity: Severity, span: Range<usize>, reason: String, hint: Option<String>) {
        if self.found.len() >= FAULTS {
            self.more += 1;
            return;
        }
        self.found.push(Fault { place: self.text.place(span), severity, reason, hint });
    }

    /// A key that must be there is not.
    pub fn missing(&mut self, table: Range<usize>, key: &str, hint: impl Into<Option<String>>) {
        self.errors += 1;
        // Where the text is broken, the key may well be there.
        if self.broken.is_empty() {
            self.add(Severity::Error, table, format!("the key {key:?} is missing"), hint.into());
        }
    }

    /// The keys of a table are those that somebody knows.
    pub fn check_keys<'k>(&mut self, table: &DeTable<'t>, whose: &str, known: impl Iterator<Item = &'k str> + Clone) {
        for (key, _) in table.iter() {
            if !known.clone().any(|known| known == key.get_ref()) {
                self.unknown(key, whose, known.clone());
            }
        }
    }

    /// A key that nobody knows.
    fn unknown<'k>(&mut self, key: &Spanned<Cow<'t, str>>, whose: &str, known: impl Iterator<Item = &'k str> + Clone) {
        let name = key.get_ref();
        let hint = nearest(name, known.clone()).map(|near| format!("did you mean {near:?}?")).or_else(|| {
            let list: Vec<_> = known.collect();
            (!list.is_empty() && list.len() <= 12).then(|| format!("known keys: {}", list.join(", ")))
        });
        self.error(key.span(), format!("unknown key {} {whose}", quoted(name)), hint);
    }

    /// A value of the wrong type.
    pub fn wrong(&mut self, key: &str, value: &Value<'t>, wanted: &str, hint: impl Into<Option<String>>) {
        let found = kind(value.get_ref());
        self.error(value.span(), format!("{key:?} must be {wanted}, not {found}"), hint);
    }

    pub fn text<'v>(&mut self, key: &str, value: &'v Value<'t>) -> Option<&'v Cow<'t, str>> {
        match value.get_ref() {
            DeValue::String(text) => Some(text),
            _ => {
                self.wrong(key, value, "a text in quotes", None);
                None
            }
        }
    }

    pub fn table<'v>(&mut self, key: &str, value: &'v Value<'t>) -> Option<&'v DeTable<'t>> {
        match value.get_ref() {
            DeValue::Table(table) => Some(table),
            _ => {
                self.wrong(key, value, "a table", None);
                None
            }
        }
    }

    pub fn list<'v>(&mut self, key: &str, value: &'v Value<'t>, of: &str) -> Option<&'v DeArray<'t>> {
        match value.get_ref() {
            DeValue::Array(list) => Some(list),
            DeValue::String(text) if text.len() <= WORD_BYTES && of == "texts" => {
                self.wrong(key, value, "a list of texts", format!("write {key} = [{text:?}]"));
                None
            }
            _ => {
                self.wrong(key, value, &format!("a list of {of}"), None);
                None
            }
        }
    }

    pub fn flag(&mut self, key: &str, value: &Value<'t>) -> Option<bool> {
        match value.get_ref() {
            DeValue::Boolean(flag) => Some(*flag),
            _ => {
                self.wrong(key, value, "true or false", None);
                None
            }
        }
    }

    /// A whole number of `range`.
    pub fn integer(&mut self, key: &str, value: &Value<'t>, range: std::ops::RangeInclusive<i64>) -> Option<i64> {
        let DeValue::Integer(number) = value.get_ref() else {
            self.wrong(key, value, "a whole number", None);
            return None;
        };
        match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) if range.contains(&number) => Some(number),
            _ => {
                let reason = format!("{key:?} must be a whole number from {} to {}", range.start(), range.end());
                self.error(value.span(), reason, None);
                None
            }
        }
    }

    /// A moment with its distance from UTC.
    pub fn moment(&mut self, key: &str, value: &Value<'t>) -> Option<Timestamp> {
        const HINT: &str = "write it as 2026-12-01T09:00:00+01:00, or with Z for UTC";
        let DeValue::Datetime(written) = value.get_ref() else {
            let hint = match value.get_ref() {
                DeValue::String(text) if text.starts_with(|c: char| c.is_ascii_digit()) => {
                    "write the date and time without quotes"
                }
                _ => HINT,
            };
            self.wrong(key, value, "a date and time", hint.to_owned());
            return None;
        };
        let (Some(date), Some(time)) = (written.date, written.time) else {
            self.error(value.span(), format!("{key:?} must be a date and a time"), HINT.to_owned());
            return None;
        };
        let minutes = match written.offset {
            Some(toml::value::Offset::Z) => 0,
            Some(toml::value::Offset::Custom { minutes }) => i32::from(minutes),
            None => {
                let reason = format!("{key:?} does not say how far from UTC it is");
                let hint = format!("write {written}+01:00, or {written}Z for UTC");
                self.error(value.span(), reason, hint);
                return None;
            }
        };
        let second = time.second.unwrap_or(0);
        if second == 60 {
            self.error(value.span(), "a leap second cannot be kept", "write :59".to_owned());
            return None;
        }
        let moment = civil::DateTime::new(
            i16::try_from(date.year).unwrap_or(i16::MAX),
            date.month.cast_signed(),
            date.day.cast_signed(),
            time.hour.cast_signed(),
            time.minute.cast_signed(),
            second.cast_signed(),
            time.nanosecond.unwrap_or(0).cast_signed(),
        )
        .and_then(|local| jiff::tz::Offset::from_seconds(minutes * 60)?.to_timestamp(local));
        match moment {
            Ok(moment) => Some(moment),
            Err(_) => {
                self.error(value.span(), format!("{key:?} is no moment that can be kept"), HINT.to_owned());
                None
            }
        }
    }

    /// One of some names.
    pub fn one_of<T: Copy>(&mut self, key: &str, value: &Value<'t>, names: &[(&str, T)]) -> Option<T> {
        let list = || names.iter().map(|(name, _)| format!("{name:?}")).collect::<Vec<_>>().join(", ");
        let DeValue::String(text) = value.get_ref() else {
            self.wrong(key, value, &format!("one of {}", list()), None);
            return None;
        };
        if let Some((_, found)) = names.iter().find(|(name, _)| name == text) {
            return Some(*found);
        }
        let hint = match nearest(text, names.iter().map(|(name, _)| *name)) {
            Some(near) => format!("did you mean {near:?}?"),
            None => format!("write one of {}", list()),
        };
        self.error(value.span(), format!("{key:?} cannot be {}", quoted(text)), hint);
        None
    }
}

/// A text from a file as a message may show it: escaped, and cut.
pub fn quoted(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// What a value is, in words.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// The known word that somebody who wrote `word` probably meant.
pub fn nearest<'k>(word: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    if word.len() > WORD_BYTES {
        return None;
    }
    let most = (word.chars().count() / 3).max(1);
    let lower = word.to_lowercase().replace('-', "_");
    known
        .map(|other| (strsim::damerau_levenshtein(&lower, &other.to_lowercase().replace('-', "_")), other))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, other)| other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn deep(text: &str) -> bool {
        too_deep(text, &mut Vec::new()).is_some()
    }

    #[test]
    fn nesting_is_bounded_however_it_is_written() {
        assert!(deep(&"[".repeat(100_000)));
        assert!(deep(&format!("a = {}", "[".repeat(41))));
        assert!(!deep(&format!("a = {}{}", "[".repeat(39), "]".repeat(39))));
        assert!(deep(&format!("a = {}", "{a=".repeat(41))));
        assert!(deep(&format!("{} = 1", ["a"; 50_000].join("."))));
        assert!(deep(&format!("[{}]", ["a"; 50_000].join("."))));
        assert!(deep(&format!("[[{}]]", ["a"; 30].join("."))));
        assert!(deep(&format!("a = {}", "{a.a.a.a.a.a.a.a=".repeat(6))));
        assert!(deep(&format!("{} = [{{ {} = 1 }}]", ["'a'"; 14].join("."), ["\"b\""; 30].join("."))));
    }

    #[test]
    fn brackets_in_texts_and_comments_nest_nothing() {
        let brackets = "[{".repeat(100);
        assert!(!deep(&format!("# {brackets}\na = \"{brackets}\\\"{brackets}\"\nb = '{brackets}'")));
        assert!(!deep(&format!("a = \"\"\"\n{brackets}\\\"\"\" {brackets}\"\"\"\"\"\nb = '''\n{brackets}''''")));
        assert!(!deep(&"[post]\na = [1.5, 2.5]\nb = 1.5\n".repeat(100)));
        assert!(deep(&format!("a = \"\"\"x\"\"\"\"\"\nb = {brackets}")));
    }

    #[test]
    fn places_count_characters_from_one() {
        let file: Arc<str> = "a.toml".into();
        let text = Text::new(&file, "\u{feff}é = 1\nöö = 2".as_bytes(), &mut Vec::new()).unwrap();
        let place = |at: usize| {
            let place = text.place(at..at + 1);
            (place.line, place.column)
        };
        assert_eq!(place(3), (1, 1));
        assert_eq!(place(6), (1, 3));
        assert_eq!(place(10), (2, 1));
        assert_eq!(place(12), (2, 2));
        assert_eq!(place(1000), (2, 7));
    }

    #[test]
    fn bytes_that_are_no_utf8_keep_their_place() {
        let file: Arc<str> = "a.toml".into();
        let mut faults = Vec::new();
        let text = Text::new(&file, b"a = 1\nb = \"\xff\xfe\"", &mut faults).unwrap();
        assert_eq!(text.as_str(), "a = 1\nb = \"??\"");
        let places: Vec<_> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(
            places,
            [
                "a.toml:2:6: the byte 0xff is not UTF-8 (save the file as UTF-8)",
                "a.toml:2:7: the byte 0xfe is not UTF-8 (save the file as UTF-8)"
            ]
        );
    }

    #[test]
    fn the_nearest_word_is_near() {
        let known = ["timezone", "max_per_day", "min_gap"];
        assert_eq!(nearest("time_zone", known.into_iter()), Some("timezone"));
        assert_eq!(nearest("max-per-day", known.into_iter()), Some("max_per_day"));
        assert_eq!(nearest("token", known.into_iter()), None);
    }
}
