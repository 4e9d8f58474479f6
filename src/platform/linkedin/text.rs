//! What a post says, and how LinkedIn wants it written.
//!
//! `commentary` is "little text": hashtags and mentions are syntax in it, and everything reserved that is not meant as
//! syntax has a backslash before it. One that is left out does not fail: the post is published cut off at that
//! character. So everything is escaped but what is surely meant: a hashtag, and a mention in LinkedIn's own form,
//! `@[Name](urn:li:organization:1)`. Reads give the same form back, and [`read`] takes it apart again.
//!
//! Nothing here knows of HTTP; everything is a function of its arguments.

use crate::domain::Content;

/// Most characters of a post. Whether LinkedIn counts the backslashes too is not known, so they are not counted here.
pub const CHARACTERS: usize = 3_000;
/// Most characters of an image's description.
pub const ALT_CHARACTERS: usize = 4_086;
/// Characters of an article's title that are surely taken.
const TITLE_CHARACTERS: usize = 200;

const RESERVED: &str = "\\|{}@[]()<>#*_~";

/// The text of a post before it is escaped: a link that no card shows and hashtags that are not in the text stand on
/// lines of their own behind it. This is composition 1: intents that name it were sent so, and a read-back compares
/// with it.
pub fn compose(content: &Content) -> String {
    let mut text = content.text.trim_end().to_owned();
    if let Some(link) = link(content).filter(|link| !content.media.is_empty() && !holds(&text, link)) {
        add_line(&mut text, link);
    }
    let there: Vec<String> = hashtags(&text).map(str::to_lowercase).collect();
    let tags = content.tags.iter().map(|tag| tag.trim_start_matches('#').trim());
    let tags: Vec<String> = tags
        .filter(|tag| !tag.is_empty() && !there.contains(&tag.to_lowercase()))
        .map(|tag| format!("#{tag}"))
        .collect();
    if !tags.is_empty() {
        add_line(&mut text, &tags.join(" "));
    }
    text
}

/// The link of a post, unless it is blank.
pub fn link(content: &Content) -> Option<&str> {
    content.link.as_deref().map(str::trim).filter(|link| !link.is_empty())
}

/// What stands on the card of a link. Nobody has approved another title, so it says where the link goes.
pub fn title(link: &str) -> String {
    let place = link.split_once("://").map_or(link, |(_, place)| place);
    let place = place.split(['?', '#']).next().unwrap_or(place).trim_end_matches('/');
    place.strip_prefix("www.").unwrap_or(place).chars().take(TITLE_CHARACTERS).collect()
}

/// The length of a text as LinkedIn's limit is understood.
pub fn length(text: &str) -> usize {
    text.chars().count()
}

fn add_line(text: &mut String, line: &str) {
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(line);
}

/// Whether `text` holds the link as a whole, and not as the beginning of a longer one.
fn holds(text: &str, link: &str) -> bool {
    text.match_indices(link).any(|(at, _)| {
        let rest = text[at + link.len()..].trim_start_matches(['.', ',', ';', ':', '!', '?', ')', ']', '"', '\'']);
        rest.chars().next().is_none_or(char::is_whitespace)
    })
}

/// `text` as little text.
pub fn little(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let (mut rest, mut before) = (text, None);
    while let Some(first) = rest.chars().next() {
        let length = if let Some(tag) = hashtag(before, rest) {
            out.push_str("{hashtag|\\#|");
            out.push_str(tag);
            out.push('}');
            1 + tag.len()
        } else if let Some(mention) = mention(rest) {
            out.push_str("@[");
            escape(mention.name, &mut out);
            out.push_str("](");
            out.push_str(mention.urn);
            out.push(')');
            mention.length
        } else {
            escape(&rest[..first.len_utf8()], &mut out);
            first.len_utf8()
        };
        before = rest[..length].chars().next_back();
        rest = &rest[length..];
    }
    out
}

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        if RESERVED.contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
}

/// What `little` says, as it was before it was escaped. A mention stays in its form.
pub fn read(little: &str) -> String {
    let mut out = String::with_capacity(little.len());
    let mut rest = little;
    while let Some(first) = rest.chars().next() {
        if let Some((tag, length)) = template(rest) {
            out.push('#');
            unescape(tag, &mut out);
            rest = &rest[length..];
            continue;
        }
        let escaped = rest[first.len_utf8()..].chars().next().filter(|c| first == '\\' && RESERVED.contains(*c));
        out.push(escaped.unwrap_or(first));
        rest = &rest[first.len_utf8() + escaped.map_or(0, char::len_utf8)..];
    }
    out
}

fn unescape(text: &str, out: &mut String) {
    let mut escaped = false;
    for c in text.chars() {
        if c == '\\' && !escaped {
            escaped = true;
            continue;
        }
        escaped = false;
        out.push(c);
    }
}

/// A hashtag's template at the beginning of `text`: the tag, and how long the whole is.
fn template(text: &str) -> Option<(&str, usize)> {
    let inner = text.strip_prefix("{hashtag|")?;
    let tag = ["\\#|", "#|", "＃|"].iter().find_map(|mark| inner.strip_prefix(mark))?;
    let end = tag.find('}')?;
    Some((&tag[..end], text.len() - tag.len() + end + 1))
}

/// Whether two texts say the same. LinkedIn may trim and join blank space.
pub fn same(one: &str, other: &str) -> bool {
    one.split_whitespace().eq(other.split_whitespace())
}

/// The tag, without `#`, of a hashtag at the beginning of `rest`; `before` is what stands before it. A word with
/// anything else in it than letters and digits is none: LinkedIn would end the tag in the middle of it.
fn hashtag(before: Option<char>, rest: &str) -> Option<&str> {
    let word = rest.strip_prefix('#')?;
    if before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '#' | '/' | '&' | '_')) {
        return None;
    }
    let end = word.find(|c: char| !c.is_alphanumeric() && !is_mark(c)).unwrap_or(word.len());
    let tag = &word[..end];
    let whole = !word[end..].starts_with(['_', '#']);
    let spoken = tag.chars().any(char::is_alphabetic) && tag.starts_with(char::is_alphanumeric);
    (whole && spoken).then_some(tag)
}

/// Signs that belong to the letter before them and are no letters themselves.
fn is_mark(c: char) -> bool {
    let danda = matches!(c, '\u{964}' | '\u{965}');
    !danda
        && matches!(c, '\u{300}'..='\u{36f}' | '\u{900}'..='\u{dff}' | '\u{e31}'..='\u{e4e}' | '\u{200c}' | '\u{200d}')
}

fn hashtags(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices('#').filter_map(|(at, _)| hashtag(text[..at].chars().next_back(), &text[at..]))
}

struct Mention<'a> {
    name: &'a str,
    urn: &'a str,
    length: usize,
}

/// A mention in LinkedIn's form at the beginning of `text`.
fn mention(text: &str) -> Option<Mention<'_>> {
    let (name, rest) = text.strip_prefix("@[")?.split_once("](")?;
    let (urn, _) = rest.split_once(')')?;
    let id = urn.strip_prefix("urn:li:organization:").or_else(|| urn.strip_prefix("urn:li:person:"))?;
    let plain = !name.is_empty() && !name.contains(['\n', '[', ']']);
    let known = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    (plain && known).then_some(Mention { name, urn, length: "@[](".len() + name.len() + urn.len() + 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_reserved_is_escaped_but_hashtags_and_mentions() {
        let cases = [
            ("3 * 4 = 12 (see page 7)", r"3 \* 4 = 12 \(see page 7\)"),
            (r"a\b|c{d}e[f]<g>h_i~", r"a\\b\|c\{d\}e\[f\]\<g\>h\_i\~"),
            ("Hello #rust!", r"Hello {hashtag|\#|rust}!"),
            ("#Größe, #2026 and #a_b", r"{hashtag|\#|Größe}, \#2026 and \#a\_b"),
            ("#हिन्दी।", r"{hashtag|\#|हिन्दी}।"),
            ("C# and a#b and ##c", r"C\# and a\#b and \#\#c"),
            ("https://example.org/a_b#top", r"https://example.org/a\_b\#top"),
            ("https://example.org/#top", r"https://example.org/\#top"),
            ("@[Example (Ltd)](urn:li:organization:12)", r"@[Example \(Ltd\)](urn:li:organization:12)"),
            ("@[Ann](urn:li:person:a-B_c) @ann", r"@[Ann](urn:li:person:a-B_c) \@ann"),
            ("@[x](urn:li:share:1) @[](urn:li:person:x)", r"\@\[x\]\(urn:li:share:1\) \@\[\]\(urn:li:person:x\)"),
        ];
        for (plain, expected) in cases {
            assert_eq!(little(plain), expected);
            assert!(same(&read(expected), &read(&little(plain))));
        }
    }

    #[test]
    fn what_reads_give_is_taken_apart() {
        assert_eq!(read(r"{hashtag|\#|rust} {hashtag|#|a} {hashtag|＃|b}"), "#rust #a #b");
        assert_eq!(read(r"{hashtag|\#|never ends"), r"{hashtag|#|never ends");
        assert_eq!(read(r"a\"), r"a\");
        assert_eq!(read(r"a\n"), r"a\n");
        assert!(same(" a\r\n b ", "a b") && !same("a b", "ab"));
    }

    #[test]
    fn links_and_tags_are_added_once() {
        let content = |text: &str, media: usize| Content {
            text: text.into(),
            link: Some("https://example.org/a".into()),
            tags: vec!["rust".into(), "#new".into(), " ".into()],
            media: (0..media)
                .map(|_| crate::domain::MediaItem {
                    file: "a.png".into(),
                    alt: String::new(),
                    sha256: crate::domain::Digest::of(b""),
                    facts: None,
                })
                .collect(),
            ..Content::default()
        };
        assert_eq!(compose(&content("Hello #Rust\n", 0)), "Hello #Rust\n#new");
        assert_eq!(compose(&content("Hello", 1)), "Hello\nhttps://example.org/a\n#rust #new");
        assert_eq!(compose(&content("See https://example.org/a.", 1)), "See https://example.org/a.\n#rust #new");
        let longer = "See https://example.org/abc";
        assert_eq!(compose(&content(longer, 1)), format!("{longer}\nhttps://example.org/a\n#rust #new"));
    }

    #[test]
    fn a_card_says_where_its_link_goes() {
        assert_eq!(title("https://www.example.org/story/?a=1#b"), "example.org/story");
        assert_eq!(title("https://example.org"), "example.org");
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_said_comes_back(text in r"([a-z #@\[\]\(\)\{\}|\\_*~<>\n]|#[a-z]{1,3}|हि|@\[a\]\(urn:li:person:b\)){0,30}") {
            proptest::prop_assert_eq!(read(&little(&text)), text);
        }
    }
}
