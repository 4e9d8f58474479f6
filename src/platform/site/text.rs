//! What people wrote, made fit for HTML, XML and a list of titles.
//!
//! Text comes from queue files and is hostile until it went through here: characters that XML forbids, and other
//! controls, are dropped; markup is escaped. Nothing is interpreted but line breaks, blank lines and web addresses.

use unicode_segmentation::UnicodeSegmentation as _;

/// Longest title, in characters as people count them: a line of a list, and of a feed reader.
const TITLE: usize = 80;
/// Longest excerpt below a title on the index, counted alike.
const EXCERPT: usize = 240;

/// Drops what no page and no feed may hold: control characters but tab and newline, and U+FFFE and U+FFFF, which make
/// XML unreadable. Carriage returns go, so that there is one way to end a line.
pub fn clean(text: &str) -> String {
    text.chars().filter(|c| is_kept(*c)).collect()
}

fn is_kept(c: char) -> bool {
    matches!(c, '\t' | '\n') || !(c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}'))
}

/// Escapes text for element content and for attribute values in double quotes, in HTML and in XML.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let mut from = 0;
    for (place, c) in text.char_indices() {
        let instead = match c {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '"' => "&quot;",
            '\'' => "&#39;",
            c if is_kept(c) => continue,
            _ => "",
        };
        out.push_str(&text[from..place]);
        out.push_str(instead);
        from = place + c.len_utf8();
    }
    out.push_str(&text[from..]);
    out
}

/// Text as paragraphs: a blank line ends one, a line break stays one, a web address becomes a link.
pub fn paragraphs(text: &str) -> String {
    let text = clean(text);
    let paragraph = |part: &str| format!("<p>{}</p>", linked(part).replace('\n', "<br>\n"));
    text.trim_matches('\n').split("\n\n").map(paragraph).collect::<Vec<_>>().join("\n")
}

/// Escapes one paragraph, and makes links of its web addresses.
fn linked(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((start, end)) = next_address(rest) {
        let address = escape(&rest[start..end]);
        out += &escape(&rest[..start]);
        out += &format!("<a href=\"{address}\">{address}</a>");
        rest = &rest[end..];
    }
    out + &escape(rest)
}

/// Where the first web address of `text` begins and ends. The punctuation of the sentence around it stays outside.
fn next_address(text: &str) -> Option<(usize, usize)> {
    let begins =
        |start: usize| link_target(&text[start..]).is_some() && !text[..start].ends_with(|c: char| c.is_alphanumeric());
    let start = text.match_indices("http").map(|(start, _)| start).find(|&start| begins(start))?;
    let tail = &text[start..];
    let end = tail.find(|c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | '`')).unwrap_or(tail.len());
    let mut address = &tail[..end];
    let mut unopened = address.matches(')').count().saturating_sub(address.matches('(').count());
    loop {
        address = address.trim_end_matches(['.', ',', ';', ':', '!', '?', '\'', '*', '_', '…', '”', '’', '»']);
        match address.strip_suffix(')') {
            Some(shorter) if unopened > 0 => {
                address = shorter;
                unopened -= 1;
            }
            _ => return Some((start, start + address.len())),
        }
    }
}

/// The address, when a page may link to it: the web, and nothing that a browser would run.
pub fn link_target(address: &str) -> Option<&str> {
    let rest = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://"))?;
    rest.starts_with(|c: char| c.is_alphanumeric() || c == '[').then_some(address)
}

/// An address as a person reads it: without the scheme, and cut when it is long.
pub fn shown_address(address: &str) -> String {
    let bare = address.split_once("://").map_or(address, |(_, rest)| rest);
    cut(bare.strip_suffix('/').unwrap_or(bare), TITLE).0
}

/// A title for a post that has none: its first line, cut between words; and the beginning of what follows it.
pub fn title_and_excerpt(text: &str) -> (String, Option<String>) {
    let text = clean(text);
    let text = text.trim();
    let (line, after) = text.split_once('\n').unwrap_or((text, ""));
    let (title, left) = cut(line.trim(), TITLE);
    let follows = if left.is_empty() { after.trim().into() } else { format!("… {left}\n{after}") };
    let follows = follows.split_whitespace().collect::<Vec<_>>().join(" ");
    let excerpt = cut(&follows, EXCERPT).0;
    (title, (!excerpt.is_empty()).then_some(excerpt))
}

/// The beginning of `text`, with an ellipsis where something was left out, and what was left out.
fn cut(text: &str, most: usize) -> (String, &str) {
    let by_sight = text.grapheme_indices(true).nth(most).map_or(text.len(), |(end, _)| end);
    // One character as people see it can be a kilobyte of combining marks; a family emoji is 25 bytes.
    let by_size = text.char_indices().map(|(end, _)| end).find(|end| *end > most * 32).unwrap_or(text.len());
    let hard = by_sight.min(by_size);
    if hard == text.len() {
        return (text.into(), "");
    }
    // Between words where the last word is not most of the line (an address, or a language without spaces).
    let end = text[..hard].rfind(char::is_whitespace).filter(|&end| end * 2 > hard).unwrap_or(hard);
    (format!("{}…", text[..end].trim_end()), text[end..].trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_in_a_text_stays_text() {
        let html = paragraphs("<script>alert(1)</script> & \"x\" 'y'");
        assert_eq!(html, "<p>&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;x&quot; &#39;y&#39;</p>");
    }

    #[test]
    fn controls_are_dropped_and_all_writing_is_kept() {
        assert_eq!(clean("a\u{0}b\u{1b}[31mc\u{fffe}\u{ffff}\u{85}\r\nd\te"), "ab[31mc\nd\te");
        let kept = "Grüße 👩‍👩‍👧 שלום \u{202b}x";
        assert_eq!(clean(kept), kept);
    }

    #[test]
    fn blank_lines_part_paragraphs() {
        assert_eq!(paragraphs("\none\ntwo\n\nthree\n"), "<p>one<br>\ntwo</p>\n<p>three</p>");
        assert_eq!(paragraphs("a\r\n\r\nb"), "<p>a</p>\n<p>b</p>");
    }

    #[test]
    fn addresses_become_links_and_the_sentence_around_them_does_not() {
        for (text, address) in [
            ("see https://example.org/a?b=1&c=2, please", Some("https://example.org/a?b=1&amp;c=2")),
            ("(https://example.org/a_(b))", Some("https://example.org/a_(b)")),
            ("http://example.org.", Some("http://example.org")),
            ("https://example.org/\"onclick=alert(1)", Some("https://example.org/")),
            ("https://example.org/'x'", Some("https://example.org/&#39;x")),
            ("xhttps://example.org", None),
            ("https:// and http://<b>", None),
            ("javascript:alert(1)//https://", None),
        ] {
            let html = paragraphs(text);
            let found = html.split_once("<a href=\"").and_then(|(_, rest)| rest.split_once('"')).map(|(href, _)| href);
            assert_eq!(found, address, "{html}");
        }
    }

    #[test]
    fn only_web_addresses_are_linked_to() {
        assert_eq!(link_target("https://example.org"), Some("https://example.org"));
        for hostile in
            ["javascript:alert(1)", "JAVASCRIPT:alert(1)", "data:text/html,x", "at://did:plc:x/a/b", "//x", ""]
        {
            assert_eq!(link_target(hostile), None, "{hostile}");
        }
    }

    #[test]
    fn a_title_is_the_first_line_and_is_cut_between_words() {
        assert_eq!(title_and_excerpt("One line"), ("One line".into(), None));
        assert_eq!(title_and_excerpt("\n One\n\nTwo\nthree "), ("One".into(), Some("Two three".into())));
        let (title, excerpt) = title_and_excerpt(&"word ".repeat(30));
        assert_eq!(title, format!("{}…", ["word"; 16].join(" ")));
        assert_eq!(excerpt, Some(format!("… {}", ["word"; 14].join(" "))));
        assert_eq!(title_and_excerpt(&"字".repeat(100)).0, format!("{}…", "字".repeat(80)));
        assert_eq!(title_and_excerpt(""), (String::new(), None));
    }

    #[test]
    fn a_title_never_ends_inside_a_character_that_people_see_as_one() {
        let family = "👩‍👩‍👧";
        assert_eq!(title_and_excerpt(&family.repeat(81)).0, format!("{}…", family.repeat(80)));
        let stacked = format!("a{}", "\u{301}".repeat(30_000));
        assert!(title_and_excerpt(&stacked).0.len() < 3_000, "but it is bounded all the same");
    }
}
