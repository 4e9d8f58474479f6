//! Which characters of a text from outside must not reach a terminal, a log or a page as they are, and what is shown
//! instead.
//!
//! Posts, file names and platforms' answers are written by others. A newline would make one record look like two, an
//! escape sequence would drive the terminal, a bidirectional control would show a text in another order than it is
//! read by a machine. Joiners (U+200C, U+200D) and variation selectors stay: scripts and emoji need them.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether `c` is shown as an escape.
pub fn is_unsafe(c: char) -> bool {
    matches!(c,
        // C0, DEL and C1.
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        // Bidirectional marks, embeddings, overrides and isolates.
        | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        // Line and paragraph separator: a newline for some readers.
        | '\u{2028}' | '\u{2029}'
        // Characters that nobody sees and no script needs.
        | '\u{ad}' | '\u{180e}' | '\u{200b}' | '\u{2060}'..='\u{2065}' | '\u{206a}'..='\u{206f}'
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        // Tags: a whole hidden alphabet.
        | '\u{e0000}'..='\u{e007f}')
}

/// The text on one line, harmless for a terminal: `\n`, `\r`, `\t`, else `\u{…}`.
pub fn escape(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        push_escaped(&mut shown, c);
    }
    Cow::Owned(shown)
}

/// Adds one character, as [`escape`] shows it.
pub fn push_escaped(shown: &mut String, c: char) {
    match c {
        '\n' => shown.push_str("\\n"),
        '\r' => shown.push_str("\\r"),
        '\t' => shown.push_str("\\t"),
        c if is_unsafe(c) => {
            // Writing to a String cannot fail.
            let _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
        }
        c => shown.push(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_stays_on_its_line() {
        assert_eq!(escape("a\nb\r\tc"), "a\\nb\\r\\tc");
        assert_eq!(escape("\u{1b}[31mred\u{9b}0m"), "\\u{1b}[31mred\\u{9b}0m");
        assert_eq!(escape("user\u{202e}gpj.exe"), "user\\u{202e}gpj.exe");
        assert_eq!(escape("x\u{2028}y\u{e0041}"), "x\\u{2028}y\\u{e0041}");
    }

    #[test]
    fn what_scripts_need_is_left_alone() {
        let text = "Grüße, 家族 👩\u{200d}👧 ❤\u{fe0f} می\u{200c}خواهم";
        assert!(matches!(escape(text), Cow::Borrowed(same) if same == text));
    }
}
