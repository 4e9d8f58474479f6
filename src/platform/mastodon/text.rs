//! What a post's parts say on the wire, how long each server finds them, and when two texts are the same.
//!
//! Mastodon replaces every `http` or `https` URL by a fixed number of characters and drops the domain of a mention
//! before it counts extended grapheme clusters, so URLs and mentions have to be found as it finds them: by the
//! grammar of twitter-text ([`links`]), with Mastodon's wider paths. What differs there can only make a count come
//! out a little off, and then the server's answer decides.
//!
//! Nothing here knows of HTTP; everything is a function of its arguments.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use crate::domain::Content;
use crate::domain::links::{self, Paths};
use crate::platform::contract::holds;

/// Characters that Mastodon counts for a URL (`characters_reserved_per_url`), when the server has not told.
pub const URL_CHARACTERS: u64 = 23;

/// The texts of a post's parts, as they are sent: the first one with link and hashtags.
///
/// A link that is not in the text stands on a line of its own behind it, hashtags that are not in the text on
/// another one. This is composition 1: intents that name it were sent so, and a read-back compares with it.
pub fn compose(content: &Content) -> Vec<String> {
    let mut first = content.text.trim_end().to_owned();
    if let Some(link) = content.link.as_deref().map(str::trim).filter(|link| !link.is_empty())
        && !holds(&first, link)
    {
        add_line(&mut first, link);
    }
    let tags: Vec<String> = content
        .tags
        .iter()
        .map(|tag| format!("#{}", tag.trim_start_matches('#')))
        .filter(|tag| tag.len() > 1 && !holds(&first, tag))
        .collect();
    if !tags.is_empty() {
        add_line(&mut first, &tags.join(" "));
    }
    let rest = content.thread.iter().map(|part| part.trim_end().to_owned());
    std::iter::once(first).chain(rest).collect()
}

fn add_line(text: &mut String, line: &str) {
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(line);
}

/// How a server counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counting {
    /// Grapheme clusters; URLs as so many characters, mentions without their domain.
    Mastodon { url: u64 },
    /// Unicode code points, everything in full.
    CodePoints,
    /// Grapheme clusters, everything in full.
    Graphemes,
    /// Nobody knows: the smallest of all, so that nothing is refused which the server would take.
    Lenient { url: u64 },
}

/// The length of a part with its content warning.
pub fn length(counting: Counting, warning: &str, text: &str) -> u64 {
    // In ASCII only a carriage return and its line feed are one.
    let plain = |text: &str| text.is_ascii() && !text.contains('\r');
    let graphemes = |text: &str| if plain(text) { text.len() as u64 } else { text.graphemes(true).count() as u64 };
    match counting {
        Counting::CodePoints => (warning.chars().count() + text.chars().count()) as u64,
        Counting::Graphemes => graphemes(warning) + graphemes(text),
        Counting::Mastodon { url } => graphemes(&format!("{warning}{}", countable(text, url))),
        Counting::Lenient { url } => {
            length(Counting::Mastodon { url }, warning, text).min(length(Counting::Graphemes, warning, text))
        }
    }
}

/// `text` with a placeholder for each URL and without the domains of mentions.
fn countable(text: &str, url: u64) -> String {
    let placeholder = "x".repeat(usize::try_from(url.min(1_000)).unwrap_or(0));
    let mut entities: Vec<(Range<usize>, String)> =
        urls(text).into_iter().map(|range| (range, placeholder.clone())).collect();
    entities.extend(mentions(text).into_iter().map(|mention| {
        let user = text[mention.whole.start..mention.user_end].to_owned();
        (mention.whole, user)
    }));
    entities.sort_by_key(|(range, _)| range.start);
    let (mut out, mut last) = (String::with_capacity(text.len()), 0);
    for (range, short) in entities {
        // Of two that overlap the first one counts.
        if range.start < last {
            continue;
        }
        out.push_str(&text[last..range.start]);
        out.push_str(&short);
        last = range.end;
    }
    out.push_str(&text[last..]);
    out
}

/// A mention in a text, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mention {
    /// With the `@` and the domain.
    pub whole: Range<usize>,
    /// Where `@user` ends.
    pub user_end: usize,
}

/// The mentions `@user` and `@user@host` in `text`.
pub fn mentions(text: &str) -> Vec<Mention> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some(at) = text[from..].find('@').map(|at| from + at) {
        from = at + 1;
        let before = text[..at].chars().next_back();
        if before.is_some_and(|c| is_word(c) || matches!(c, '=' | '/')) {
            continue;
        }
        let Some(user_end) = dotted(text, at + 1, |c| c.is_ascii_alphanumeric() || c == '_') else { continue };
        let host_end = text[user_end..].strip_prefix('@').and_then(|_| dotted(text, user_end + 1, is_word));
        let end = host_end.unwrap_or(user_end);
        from = end;
        let rest = &text[end..];
        let goes_on = rest.starts_with("://")
            || rest.chars().next().is_some_and(|c| matches!(c, '@' | '＠') || links::is_accented_latin(c));
        if !goes_on {
            found.push(Mention { whole: at..end, user_end });
        }
    }
    found
}

/// The end of words of `inner` characters joined by dots and hyphens, from `start`.
fn dotted(text: &str, start: usize, inner: impl Fn(char) -> bool) -> Option<usize> {
    let mut end = None;
    for (at, c) in text[start..].char_indices() {
        if inner(c) {
            end = Some(start + at + c.len_utf8());
        } else if end.is_none() || !matches!(c, '.' | '-') {
            break;
        }
    }
    end
}

/// A letter, mark, digit or connector, as in the `[[:word:]]` of Ruby.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '\u{203f}' | '\u{2040}' | '\u{300}'..='\u{36f}')
}

/// The `http` and `https` URLs in `text`, in bytes, as Mastodon finds them.
pub fn urls(text: &str) -> Vec<Range<usize>> {
    links::urls(text, Paths::Any)
}

/// A text as it is compared in a read-back: servers rewrite line ends, trim, drop their own domain from mentions and
/// spell a mention as the account is spelt.
pub fn comparable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut last = 0;
    for mention in mentions(text) {
        out.push_str(&text[last..mention.whole.start]);
        out.push_str(&text[mention.whole.start..mention.user_end].to_lowercase());
        last = mention.whole.end;
    }
    out.push_str(&text[last..]);
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether HTML shows `text`. A last resort, for servers that tell no source: white space counts for nothing.
pub fn shows(html: &str, text: &str) -> bool {
    let squeeze = |text: &str| comparable(text).split_whitespace().collect::<String>();
    squeeze(&without_tags(html)) == squeeze(text)
}

fn without_tags(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(open) = rest.find('<') {
        out.push_str(&rest[..open]);
        let Some(close) = rest[open..].find('>') else { break };
        let tag = &rest[open..open + close];
        // Only these two make white space; `<span>` in a word must not, lest a mention fall apart.
        if tag.starts_with("<br") || tag.starts_with("</p") {
            out.push('\n');
        }
        rest = &rest[open + close + 1..];
    }
    out.push_str(rest);
    let names = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&#x27;", "'"), ("&nbsp;", " ")];
    // `&amp;` last, so that nothing is unescaped twice.
    names.iter().chain(&[("&amp;", "&")]).fold(out, |text, (name, plain)| text.replace(name, plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(text: &str, link: Option<&str>, tags: &[&str]) -> Content {
        Content {
            text: text.into(),
            link: link.map(Into::into),
            tags: tags.iter().map(|&tag| tag.into()).collect(),
            ..Content::default()
        }
    }

    fn found(text: &str) -> Vec<&str> {
        urls(text).into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn link_and_tags_are_added_where_the_text_lacks_them() {
        let table = [
            (content("Hi", Some("https://a.example/x"), &["One", "two"]), "Hi\nhttps://a.example/x\n#One #two"),
            (content("See https://a.example/x.", Some("https://a.example/x"), &[]), "See https://a.example/x."),
            (
                content("See https://a.example/xy", Some("https://a.example/x"), &[]),
                "See https://a.example/xy\nhttps://a.example/x",
            ),
            (
                content("https://a.example/x?b=1", Some("https://a.example/x"), &[]),
                "https://a.example/x?b=1\nhttps://a.example/x",
            ),
            (content("so #ONE it is", None, &["one"]), "so #ONE it is"),
            (content("so #ones it is", None, &["one"]), "so #ones it is\n#one"),
            (content("", Some("https://a.example"), &[]), "https://a.example"),
            (content("Hi\n", None, &[]), "Hi"),
            (content("", None, &[]), ""),
        ];
        for (content, expected) in table {
            assert_eq!(compose(&content), [expected], "{content:?}");
        }
        let thread =
            Content { thread: vec!["b".into(), "c\n".into()], ..content("a", Some("https://a.example"), &["t"]) };
        assert_eq!(compose(&thread), ["a\nhttps://a.example\n#t", "b", "c"]);
    }

    #[test]
    fn urls_are_found_as_mastodon_finds_them() {
        let table: &[(&str, &[&str])] = &[
            ("see https://example.org/a.", &["https://example.org/a"]),
            ("HTTPS://Example.ORG:8443/a?b=c#d, ok", &["HTTPS://Example.ORG:8443/a?b=c#d"]),
            ("(https://example.org/wiki/A_(b))", &["https://example.org/wiki/A_(b)"]),
            ("https://example.org/a(b(c)d)e", &["https://example.org/a(b(c)d)e"]),
            ("https://example.org/(a", &["https://example.org/"]),
            ("見てhttps://example.org/道 ね", &["https://example.org/道"]),
            ("https://bücher.example/ü", &["https://bücher.example/ü"]),
            ("example.org http://localhost ftp://example.org", &[]),
            ("xhttps://example.org @https://example.org #https://example.org", &[]),
            ("https://a.example https://b.example", &["https://a.example", "https://b.example"]),
            ("https://example.org?a=b. https://example.org?", &["https://example.org?a=b", "https://example.org"]),
            ("http://http://example.org", &["http://example.org"]),
            ("https://", &[]),
            ("://", &[]),
        ];
        for (text, expected) in table {
            assert_eq!(found(text), *expected, "{text}");
        }
    }

    #[test]
    fn mentions_are_found_as_mastodon_finds_them() {
        let table: &[(&str, &[(&str, &str)])] = &[
            ("@a hi @b.c@host.example.", &[("@a", "@a"), ("@b.c@host.example", "@b.c")]),
            ("mail a@b.example /@a =@a", &[]),
            ("@a@", &[]),
            ("@a://", &[]),
            ("@ @- @_", &[("@_", "@_")]),
            ("@ü @aü", &[]),
            ("@Some_One@bücher.example: x", &[("@Some_One@bücher.example", "@Some_One")]),
        ];
        for (text, expected) in table {
            let found: Vec<_> = mentions(text)
                .into_iter()
                .map(|m| (&text[m.whole.clone()], &text[m.whole.start..m.user_end]))
                .collect();
            assert_eq!(found, *expected, "{text}");
        }
    }

    #[test]
    fn every_server_counts_in_its_own_way() {
        let family = "👨‍👩‍👧‍👦";
        let long = "https://example.org/a/very/long/path/that/is/longer/than/it/counts";
        let mastodon = Counting::Mastodon { url: URL_CHARACTERS };
        let table = [
            (mastodon, "", "abc", 3),
            (mastodon, "cw", family, 3),
            (mastodon, "", long, 23),
            (mastodon, "", "https://a.co", 23),
            (mastodon, "", "hi @someone@far.example", 11),
            (mastodon, "https://a.example", "", 17),
            (Counting::CodePoints, "cw", family, 9),
            (Counting::CodePoints, "", long, long.len() as u64),
            (Counting::Graphemes, "cw", family, 3),
            (Counting::Graphemes, "", "@someone@far.example", 20),
            (Counting::Lenient { url: 23 }, "", "https://a.co", 12),
            (Counting::Lenient { url: 23 }, "", long, 23),
        ];
        for (counting, warning, text, expected) in table {
            assert_eq!(length(counting, warning, text), expected, "{counting:?} {text}");
        }
    }

    #[test]
    fn what_servers_rewrite_makes_no_difference() {
        assert_eq!(comparable(" a\r\nb  c\n"), comparable("a\nb c"));
        assert_eq!(comparable("hi @Ann@our.example, you"), comparable("hi @ann, you"));
        assert_ne!(comparable("a b"), comparable("ab"));
        assert_ne!(comparable("Text"), comparable("text"));
        assert!(shows(
            "<p>a &lt;b&gt; &amp;amp;<br/>c <a href=\"x\"><span>https://</span>e.example/x</a></p>",
            "a <b> &amp;\nc https://e.example/x"
        ));
        assert!(!shows("<p>other</p>", "text"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_can_be_counted_and_compared(text in "(https?://|@|\\(|[a-z.]|\\PC|\\s){0,60}") {
            for range in urls(&text) {
                proptest::prop_assert!(text.get(range).is_some());
            }
            let counted = length(Counting::Mastodon { url: 23 }, "", &text);
            proptest::prop_assert!(counted <= text.chars().count() as u64 + 23 * urls(&text).len() as u64);
            proptest::prop_assert_eq!(comparable(&comparable(&text)).is_empty(), text.trim().is_empty());
            let _ = shows(&text, &text);
        }
    }
}
