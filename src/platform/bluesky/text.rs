//! How long a text is for Bluesky, and what in it is a link, a mention or a hashtag.
//!
//! Nothing is parsed from a text on the server: what people can tap is what the *facets* say, byte range by byte
//! range. The habits followed here are those of the official client, so that a text behaves as its author expects.
//! Where they need a list of all top-level domains, ours is shorter: a bare domain is a link only below a
//! few well-known ones ([`BARE`]), so that "Node.js" and "main.rs" stay words.
//!
//! The text itself is never changed here.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;
use url::Url;

use super::syntax;

/// Most extended grapheme clusters in one post (lexicon `app.bsky.feed.post`, `text.maxGraphemes`).
pub const GRAPHEMES: usize = 300;
/// Most bytes of UTF-8 in one post (`text.maxLength`).
pub const BYTES: usize = 3_000;
/// Most graphemes in a hashtag, and most bytes (lexicons `app.bsky.feed.post` and `app.bsky.richtext.facet`).
pub const TAG_GRAPHEMES: usize = 64;
pub const TAG_BYTES: usize = 640;

/// Top-level domains below which a bare domain is taken for a link. Short on purpose: a link that the author did
/// not mean is worse than one that has to be written with `https://`.
const BARE: &[&str] = &[
    "com", "org", "net", "edu", "gov", "int", "info", "dev", "app", "blog", "social", "online", "site", "shop", "news",
    "cloud", "example",
];

/// Length as Bluesky counts: extended grapheme clusters.
pub fn graphemes(text: &str) -> usize {
    text.graphemes(true).count()
}

/// The first `most` graphemes, the last one replaced by `…` where something was cut.
pub fn shorten(text: &str, most: usize) -> String {
    match text.grapheme_indices(true).nth(most) {
        None => text.into(),
        Some(_) => text.graphemes(true).take(most.saturating_sub(1)).chain(["…"]).collect(),
    }
}

/// A part of a text that people can tap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// In bytes of UTF-8, as facets count.
    pub range: Range<usize>,
    pub kind: SpanKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpanKind {
    /// The full address.
    Link(String),
    /// A handle without `@`, in lower case; whose it is, only a server knows.
    Mention(String),
    /// Without `#`.
    Tag(String),
}

/// Everything in `text` that could be tapped, from left to right, without overlaps.
pub fn spans(text: &str) -> Vec<Span> {
    let mut found = Vec::new();
    let mut rest = 0;
    while let Some((start, word)) = next_word(text, rest) {
        rest = start + word.len();
        // Only tags have to stand free; links and mentions may stand in brackets.
        let open = word.len() - word.trim_start_matches('(').len();
        let span = tag(word, start).or_else(|| {
            let (start, word) = (start + open, &word[open..]);
            mention(word, start).or_else(|| link(word, start))
        });
        found.extend(span);
    }
    found
}

/// The next run of characters that are not white space, from byte `from` on.
fn next_word(text: &str, from: usize) -> Option<(usize, &str)> {
    let blank = |c: char| c.is_whitespace() || c == '\u{feff}';
    let start = from + text[from..].find(|c| !blank(c))?;
    let end = text[start..].find(blank).map_or(text.len(), |length| start + length);
    Some((start, &text[start..end]))
}

fn link(word: &str, start: usize) -> Option<Span> {
    let scheme = ["https://", "http://"].into_iter().any(|scheme| {
        word.get(..scheme.len()).is_some_and(|head| head.eq_ignore_ascii_case(scheme)) && word.len() > scheme.len()
    });
    let word = without_tail(word);
    let uri = if scheme { address(word)? } else { bare_domain(word)? };
    Some(Span { range: start..start + word.len(), kind: SpanKind::Link(uri) })
}

/// Takes off punctuation that ends a sentence rather than an address, and closing brackets that were opened
/// outside of it.
fn without_tail(word: &str) -> &str {
    let mut word = word;
    loop {
        let shorter = word.trim_end_matches(['.', ',', ';', ':', '!', '?', '"', '\'', '…', '”', '’', '»', '>']);
        let shorter = match shorter.strip_suffix(')') {
            Some(inner) if shorter.matches(')').count() > shorter.matches('(').count() => inner,
            _ => shorter,
        };
        if shorter.len() == word.len() {
            return word;
        }
        word = shorter;
    }
}

/// The address as written where it is ASCII; else in the spelling that servers understand.
fn address(word: &str) -> Option<String> {
    let url = Url::parse(word).ok().filter(Url::has_host)?;
    Some(if word.is_ascii() { word.into() } else { url.into() })
}

fn bare_domain(word: &str) -> Option<String> {
    let domain = &word[..word.find(['/', '?', '#', ':']).unwrap_or(word.len())];
    let top = domain.rsplit_once('.').map(|(_, top)| top.to_ascii_lowercase())?;
    let plausible = syntax::is_handle(domain)
        && domain.starts_with(|first: char| first.is_ascii_alphabetic())
        && (BARE.contains(&top.as_str()) || domain.starts_with("www."));
    plausible.then(|| address(&format!("https://{word}"))).flatten()
}

fn mention(word: &str, start: usize) -> Option<Span> {
    let name = word.strip_prefix('@')?;
    let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '-').unwrap_or(name.len());
    let handle = name[..end].trim_end_matches(['.', '-']);
    syntax::is_handle(handle)
        .then(|| Span { range: start..start + 1 + handle.len(), kind: SpanKind::Mention(handle.to_ascii_lowercase()) })
}

fn tag(word: &str, start: usize) -> Option<Span> {
    let body = word.strip_prefix(['#', '＃'])?;
    let sign = word.len() - body.len();
    // The keycap emoji `#️⃣` begins with a number sign as well.
    if body.starts_with('\u{fe0f}') {
        return None;
    }
    let invisible = |c: char| matches!(c, '\u{ad}' | '\u{2060}' | '\u{200a}'..='\u{200d}' | '\u{20e2}');
    let body = &body[..body.find(invisible).unwrap_or(body.len())];
    let tag = body.trim_end_matches(is_punctuation);
    is_tag(tag).then(|| Span { range: start..start + sign + tag.len(), kind: SpanKind::Tag(tag.into()) })
}

/// Whether `tag`, without its number sign, can be a hashtag: not of digits and punctuation only, and not too long.
fn is_tag(tag: &str) -> bool {
    tag.chars().any(|c| !c.is_numeric() && !is_punctuation(c))
        && tag.len() <= TAG_BYTES
        && graphemes(tag) <= TAG_GRAPHEMES
}

/// Punctuation as Unicode's category P has it, for the scripts that posts are likely to end a tag in. Signs such
/// as `+` and `$` belong to another category: `#c++` keeps its plusses.
fn is_punctuation(c: char) -> bool {
    match c {
        '$' | '+' | '<' | '=' | '>' | '^' | '`' | '|' | '~' => false,
        c if c.is_ascii() => c.is_ascii_punctuation(),
        '¡' | '§' | '«' | '¶' | '·' | '»' | '¿' | '؟' | '،' | '؛' | '।' | '॥' => true,
        '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205e}' => c != '\u{2044}' && c != '\u{2052}',
        '、' | '。' | '〃' | '〈'..='】' | '〔'..='〟' | '・' => true,
        '！'..='／' | '：' | '；' | '？' | '＠' | '［'..='＿' | '｛' | '｝' | '｟'..='･' => {
            !matches!(c, '＄' | '＋' | '＾')
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found, as (text, what it stands for).
    fn found(text: &str) -> Vec<(String, String)> {
        spans(text)
            .into_iter()
            .map(|span| {
                let meant = match span.kind {
                    SpanKind::Link(uri) => uri,
                    SpanKind::Mention(handle) => format!("@{handle}"),
                    SpanKind::Tag(tag) => format!("#{tag}"),
                };
                (text[span.range].to_owned(), meant)
            })
            .collect()
    }

    #[test]
    fn length_is_counted_in_extended_graphemes_of_unicode_17() {
        // Each of these was taken by the reference server as exactly 300.
        let full = [
            ("flags", "🇩🇪".repeat(300)),
            ("combining accents", "e\u{301}".repeat(300)),
            ("a, then CR LF as one", "a\r\n".repeat(150)),
            ("Devanagari conjuncts, which need rule GB9c", "\u{915}\u{94d}\u{937}".repeat(300)),
        ];
        for (what, text) in full {
            assert_eq!(graphemes(&text), GRAPHEMES, "{what}");
            assert_eq!(graphemes(&(text + "x")), GRAPHEMES + 1, "{what}");
        }
        let family = "👨‍👩‍👧‍👧";
        assert_eq!((graphemes(&family.repeat(120)), family.repeat(120).len()), (120, BYTES));
    }

    #[test]
    fn what_can_be_tapped() {
        let cases: &[(&str, &[(&str, &str)])] = &[
            ("", &[]),
            ("nothing here, e.g. Node.js or main.rs or 3.com", &[]),
            ("https://example.org", &[("https://example.org", "https://example.org")]),
            ("see https://example.org/a?b=c#d.", &[("https://example.org/a?b=c#d", "https://example.org/a?b=c#d")]),
            ("HTTPS://Example.org/A!?", &[("HTTPS://Example.org/A", "HTTPS://Example.org/A")]),
            ("(https://example.org/a)", &[("https://example.org/a", "https://example.org/a")]),
            ("(see https://example.org/a).", &[("https://example.org/a", "https://example.org/a")]),
            ("https://example.org/a_(b)", &[("https://example.org/a_(b)", "https://example.org/a_(b)")]),
            ("https://example.org/a_(b))...", &[("https://example.org/a_(b)", "https://example.org/a_(b)")]),
            ("https:// and http://", &[]),
            ("ftp://example.org", &[]),
            ("xhttps://example.org", &[]),
            ("https://bücher.example/ä", &[("https://bücher.example/ä", "https://xn--bcher-kva.example/%C3%A4")]),
            (
                "at example.com, www.example.de/x",
                &[("example.com", "https://example.com"), ("www.example.de/x", "https://www.example.de/x")],
            ),
            (
                "👨‍👩‍👧‍👧 @fan.test, (@Bot.test) @fan. a@b.test @x..y",
                &[("@fan.test", "@fan.test"), ("@Bot.test", "@bot.test")],
            ),
            ("@fan.test's", &[("@fan.test", "@fan.test")]),
            (
                "#tag #Über, #c++ #foo_bar! ＃全角。",
                &[
                    ("#tag", "#tag"),
                    ("#Über", "#Über"),
                    ("#c++", "#c++"),
                    ("#foo_bar", "#foo_bar"),
                    ("＃全角", "#全角"),
                ],
            ),
            ("#1 #2026 #... # #\u{fe0f}\u{20e3} (#no) a#no", &[]),
            ("#1st #a\u{200b}b", &[("#1st", "#1st"), ("#a", "#a")]),
            ("#🦋", &[("#🦋", "#🦋")]),
        ];
        for (text, expected) in cases {
            let expected: Vec<_> = expected.iter().map(|(text, meant)| ((*text).into(), (*meant).into())).collect();
            assert_eq!(found(text), expected, "{text:?}");
        }
        assert_eq!(found(&format!("#{}", "a".repeat(TAG_GRAPHEMES))).len(), 1);
        assert_eq!(found(&format!("#{}", "a".repeat(TAG_GRAPHEMES + 1))).len(), 0);
    }

    #[test]
    fn ranges_count_bytes_and_never_overlap() {
        let text = "🦋 @fan.test e\u{301} #tag https://example.org\r\nexample.com";
        let spans = spans(text);
        assert_eq!(spans.first().map(|span| span.range.clone()), Some(5..14));
        assert!(spans.windows(2).all(|pair| pair[0].range.end <= pair[1].range.start), "{spans:?}");
        assert_eq!(spans.len(), 4);
    }

    #[test]
    fn a_long_title_is_cut_between_graphemes() {
        assert_eq!(shorten("abc", 3), "abc");
        assert_eq!(shorten("🇩🇪🇫🇷🇪🇸", 2), "🇩🇪…");
    }

    proptest::proptest! {
        #[test]
        fn any_text_gives_ranges_on_character_boundaries(text in "[ a-z#@.:/()\u{fe0f}🦋é\u{301}\n]{0,60}") {
            let mut end = 0;
            for span in spans(&text) {
                proptest::prop_assert!(span.range.start >= end && span.range.start < span.range.end);
                proptest::prop_assert!(text.get(span.range.clone()).is_some());
                end = span.range.end;
            }
        }
    }
}
