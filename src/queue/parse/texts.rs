//! What one key of an entry says, and which characters a text may hold. A text that can make a line look other than it is
//! (controls, marks of direction) is refused where it serves as a name, and remarked on where people read it.

use std::borrow::Cow;

use crate::domain::document::{DeTable, Faults, Value, quoted};
use crate::domain::{Timestamp, Visibility, limits};
use crate::queue::digest::Words;

use super::keys::VISIBILITIES;

/// What a text may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// One line of a name-like thing: no control and no bidi characters.
    Line,
    /// What people read: lines and tabs too.
    Prose,
}

/// One line of a name-like thing.
pub(super) fn line<'v, 't>(faults: &mut Faults<'t>, table: &'v DeTable<'t>, key: &str) -> Option<Words<'v>> {
    table.get(key).and_then(|value| words(faults, key, value, Shape::Line))
}

/// What people read.
pub(super) fn prose<'v, 't>(faults: &mut Faults<'t>, table: &'v DeTable<'t>, key: &str) -> Option<Words<'v>> {
    table.get(key).and_then(|value| words(faults, key, value, Shape::Prose))
}

pub(super) fn link<'v, 't>(faults: &mut Faults<'t>, table: &'v DeTable<'t>) -> Option<Words<'v>> {
    let value = table.get("link")?;
    let text = faults.text("link", value)?;
    if !is_web_address(text) {
        let reason = format!("\"link\" cannot be {}", quoted(text));
        faults.error(value.span(), reason, "write a URL that begins with https:// or http://".to_owned());
        return None;
    }
    Some(Cow::Borrowed(&**text))
}

pub(super) fn lang<'v, 't>(faults: &mut Faults<'t>, table: &'v DeTable<'t>) -> Option<Words<'v>> {
    let value = table.get("lang")?;
    let text = faults.text("lang", value)?;
    let part = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let first = text.split('-').next().unwrap_or_default();
    let good = text.len() <= 35
        && text.split('-').all(part)
        && first.len() >= 2
        && first.bytes().all(|byte| byte.is_ascii_alphabetic());
    if !good {
        let reason = format!("\"lang\" cannot be {}", quoted(text));
        faults.error(value.span(), reason, "write a language tag such as \"en\" or \"pt-BR\"".to_owned());
        return None;
    }
    Some(Cow::Borrowed(&**text))
}

pub(super) fn tags<'v, 't>(faults: &mut Faults<'t>, table: &'v DeTable<'t>) -> Option<Vec<Words<'v>>> {
    let value = table.get("tags")?;
    let list = faults.list("tags", value, "texts")?;
    let mut tags = Vec::with_capacity(list.len());
    for item in list.iter() {
        let Some(tag) = words(faults, "tags", item, Shape::Line) else { continue };
        if let Some(bare) = tag.strip_prefix('#') {
            faults.error(item.span(), "a tag is written without '#'", format!("write {bare:?}"));
        } else if tag.contains(char::is_whitespace) {
            let reason = format!("the tag {} holds a space", quoted(&tag));
            faults.error(item.span(), reason, "write it as one word".to_owned());
        }
        tags.push(tag);
    }
    Some(tags)
}

pub(super) fn thread<'v, 't>(faults: &mut Faults<'t>, table: &'v DeTable<'t>) -> Option<Vec<Words<'v>>> {
    let value = table.get("thread")?;
    let list = faults.list("thread", value, "texts")?;
    let mut parts = Vec::with_capacity(list.len());
    for item in list.iter() {
        let Some(part) = words(faults, "thread", item, Shape::Prose) else { continue };
        if part.trim().is_empty() {
            faults.error(item.span(), "a part of the thread is empty", None);
        }
        parts.push(part);
    }
    Some(parts)
}

pub(super) fn visibility<'t>(faults: &mut Faults<'t>, table: &DeTable<'t>) -> Option<Visibility> {
    table.get("visibility").and_then(|value| faults.one_of("visibility", value, VISIBILITIES))
}

pub(super) fn moment<'t>(faults: &mut Faults<'t>, table: &DeTable<'t>, key: &str) -> Option<Timestamp> {
    table.get(key).and_then(|value| faults.moment(key, value))
}

/// Whether a text is the address of a post: a URL, or an AT URI.
pub(super) fn is_address(text: &str) -> bool {
    match text.strip_prefix("at://") {
        Some(rest) => is_plain(text) && !rest.is_empty(),
        None => is_web_address(text),
    }
}

pub(super) fn is_bidi(c: char) -> bool {
    is_override(c) || matches!(c, '\u{200e}' | '\u{200f}' | '\u{61c}')
}

pub(super) fn is_line_end(c: char) -> bool {
    matches!(c, '\u{2028}' | '\u{2029}')
}

/// A text, with lines ended as everywhere.
fn words<'v, 't>(faults: &mut Faults<'t>, key: &str, value: &'v Value<'t>, shape: Shape) -> Option<Words<'v>> {
    let text = faults.text(key, value)?;
    if text.len() > limits::TEXT_BYTES {
        let reason = format!("{key:?} is longer than {} bytes", limits::TEXT_BYTES);
        faults.error(value.span(), reason, None);
        return None;
    }
    let words = if text.contains("\r\n") { Cow::Owned(text.replace("\r\n", "\n")) } else { Cow::Borrowed(&**text) };
    let prose = shape == Shape::Prose;
    let refused =
        |c: char| c.is_control() && !(prose && matches!(c, '\n' | '\t')) || !prose && (is_bidi(c) || is_line_end(c));
    if let Some(c) = words.chars().find(|&c| refused(c)) {
        let reason = format!("{key:?} holds the control character U+{:04X}", u32::from(c));
        faults.error(value.span(), reason, "leave it out".to_owned());
        return None;
    }
    if !prose && words.trim().is_empty() {
        faults.error(value.span(), format!("{key:?} is empty"), None);
        return None;
    }
    if let Some(c) = words.chars().find(|&c| is_override(c)) {
        let reason = format!("{key:?} holds U+{:04X}, which can make text look other than it is", u32::from(c));
        faults.warning(value.span(), reason, None);
    }
    Some(words)
}

/// Whether a text is the address of a page, with nothing in it that could pass for another.
fn is_web_address(text: &str) -> bool {
    is_plain(text) && url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

fn is_plain(text: &str) -> bool {
    !text.chars().any(|c| c.is_whitespace() || c.is_control() || is_bidi(c))
}

fn is_override(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
