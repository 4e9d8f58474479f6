//! Web addresses in a text, found by the grammar of twitter-text, which several platforms count and shorten by.
//!
//! Known differences: there is no list of top-level domains here (any run of two or more letters is taken for one),
//! and Twitter's own short links are nothing special. Whoever counts by what is found here decides what that may cost.

use std::ops::Range;

/// What may stand in a path and a query, beside what always may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paths {
    /// Any letter, as in Mastodon's version of the grammar.
    Any,
    /// Latin and Cyrillic, as in the original.
    Latin,
}

impl Paths {
    fn holds(self, c: char) -> bool {
        match self {
            Self::Any => !c.is_whitespace() && !matches!(c, '<' | '>' | '(' | ')' | '?' | '\u{200b}'),
            Self::Latin => {
                c.is_ascii_alphanumeric()
                    || "!*';:=+,.$/%#[]-\u{2013}_~@|&".contains(c)
                    || is_cyrillic(c)
                    || is_accented_latin(c)
            }
        }
    }

    /// Whether a path that has this character last ends before it.
    fn ends_before(self, c: char) -> bool {
        match self {
            Self::Any => "!*\"'「」;:=,.$%[]~&|@".contains(c),
            Self::Latin => {
                !(c.is_ascii_alphanumeric() || "+-=_#/".contains(c) || is_cyrillic(c) || is_accented_latin(c))
            }
        }
    }
}

/// The `http` and `https` addresses in `text`, in bytes.
pub fn urls(text: &str, paths: Paths) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut from = 0;
    while let Some((start, host)) = next_protocol(text, from) {
        from = host;
        let before = text[..start].chars().next_back();
        let allowed = before.is_none_or(|c| !c.is_ascii_alphanumeric() && !matches!(c, '@' | '＠' | '$' | '#' | '＃'));
        if let Some(end) = allowed.then(|| url_end(text, host, is_domain, paths)).flatten() {
            found.push(start..end);
            from = end;
        }
    }
    found
}

/// The addresses without a protocol, such as `example.org/a`. Only Latin letters stand in their names.
pub fn bare(text: &str, paths: Paths) -> Vec<Range<usize>> {
    let mut others = urls(text, paths).into_iter().peekable();
    let (mut found, mut from) = (Vec::new(), 0);
    while let Some((start, _)) = text[from..].char_indices().find(|&(_, c)| is_bare(c)) {
        let start = from + start;
        // An address with its protocol is none without.
        while others.next_if(|other| other.end <= start).is_some() {}
        if let Some(other) = others.peek().filter(|other| other.contains(&start)) {
            from = other.end;
            continue;
        }
        let before = text[..start].chars().next_back();
        let allowed = before.is_none_or(|c| !is_bare(c) && !"-_./@＠$#＃".contains(c));
        // Nor does one reach into the protocol of the next.
        let next = others.peek().map_or(text.len(), |other| other.start);
        let end = allowed.then(|| url_end(text, start, is_bare, paths)).flatten().filter(|end| *end <= next);
        from = end.unwrap_or_else(|| {
            let run = text[start..].chars().take_while(|&c| is_bare(c) || "-_.".contains(c));
            (start + run.map(char::len_utf8).sum::<usize>()).min(next)
        });
        found.extend(end.map(|end| start..end));
    }
    found
}

fn is_bare(c: char) -> bool {
    c.is_ascii_alphanumeric() || is_accented_latin(c)
}

/// Where the next `http://` or `https://` from `first` on begins, and where its host does.
fn next_protocol(text: &str, first: usize) -> Option<(usize, usize)> {
    let mut from = first;
    loop {
        let at = from + text[from..].find("://")?;
        let bytes = text.as_bytes();
        for name in ["https", "http"] {
            // In `https://a.https://b` the second one is the end of the first address.
            if let Some(start) = at.checked_sub(name.len()).filter(|start| *start >= first)
                && bytes[start..at].eq_ignore_ascii_case(name.as_bytes())
            {
                return Some((start, at + 3));
            }
        }
        from = at + 3;
    }
}

/// Where the address ends whose host begins at `host` and has labels of such characters.
fn url_end(text: &str, host: usize, in_label: fn(char) -> bool, paths: Paths) -> Option<usize> {
    let mut end = host_end(text, host, in_label)?;
    let digits = |from: usize| text[from..].bytes().take_while(u8::is_ascii_digit).count();
    if text[end..].starts_with(':') && digits(end + 1) > 0 {
        end += 1 + digits(end + 1);
    }
    if text[end..].starts_with('/') {
        end = path_end(text, end + 1, paths);
    }
    if text[end..].starts_with('?') {
        end = query_end(text, end + 1, paths).unwrap_or(end);
    }
    Some(end)
}

/// Where the domain that begins at `start` ends: labels with a top-level domain behind them, the longest that fits.
fn host_end(text: &str, start: usize, in_label: fn(char) -> bool) -> Option<usize> {
    let mut labels = Vec::new();
    let mut at = start;
    loop {
        let length: usize =
            text[at..].chars().take_while(|&c| in_label(c) || matches!(c, '-' | '_')).map(char::len_utf8).sum();
        if length == 0 {
            break;
        }
        labels.push(at..at + length);
        at += length;
        // DNS has no longer names; it also bounds the work on a hostile text.
        if labels.len() == 127 || !text[at..].starts_with('.') {
            break;
        }
        at += 1;
    }
    (1..labels.len()).rev().find_map(|last| {
        let end = top_level_end(text, &labels[last])?;
        let name = &text[labels[last - 1].clone()];
        let named = is_label(name) && !name.contains('_');
        let below = labels[..last - 1].iter().all(|label| is_label(&text[label.clone()]));
        (named && below && resolvable(&text[start..end])).then_some(end)
    })
}

/// Where a label that may be a top-level domain ends as one.
fn top_level_end(text: &str, label: &Range<usize>) -> Option<usize> {
    let whole = &text[label.clone()];
    let run = |inner: fn(&char) -> bool| whole.chars().take_while(inner).map(char::len_utf8).sum::<usize>();
    let is_punycode = whole.get(..4).is_some_and(|head| head.eq_ignore_ascii_case("xn--"));
    let length = if is_punycode {
        run(|c| c.is_ascii_alphanumeric() || *c == '-')
    } else if whole.starts_with(|c: char| c.is_ascii_alphabetic()) {
        Some(run(char::is_ascii_alphabetic)).filter(|length| (2..=24).contains(length))?
    } else {
        Some(run(|c| !c.is_ascii())).filter(|&length| length > 0)?
    };
    let end = label.start + length;
    let next = text[end..].chars().next();
    next.is_none_or(|c| !c.is_ascii_alphanumeric() && !matches!(c, '@' | '+' | '-' | '_')).then_some(end)
}

/// Begins and ends with something else than a hyphen or underscore.
fn is_label(label: &str) -> bool {
    let edge = ['-', '_'];
    !label.is_empty() && !label.starts_with(edge) && !label.ends_with(edge)
}

/// Whether the name can be written in ASCII, with labels that fit into DNS.
fn resolvable(host: &str) -> bool {
    match url::Host::parse(host) {
        Ok(url::Host::Domain(name)) => name.len() <= 253 && name.split('.').all(|label| label.len() <= 63),
        _ => false,
    }
}

fn is_domain(c: char) -> bool {
    !c.is_ascii_punctuation()
        && !c.is_whitespace()
        && !c.is_control()
        && !matches!(c, '\u{200b}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn path_end(text: &str, start: usize, paths: Paths) -> usize {
    let (mut at, mut end) = (start, start);
    while let Some(c) = text[at..].chars().next() {
        if c == '(' {
            let Some(close) = balanced(text, at, paths, 1) else { break };
            (at, end) = (close, close);
        } else if paths.holds(c) {
            at += c.len_utf8();
            if !paths.ends_before(c) {
                end = at;
            }
        } else {
            break;
        }
    }
    end
}

/// Where the parenthesis that opens at `open` closes; pairs inside it `depth` deep.
fn balanced(text: &str, open: usize, paths: Paths, depth: u8) -> Option<usize> {
    let inside = open + 1;
    let mut at = inside;
    while let Some(c) = text[at..].chars().next() {
        match c {
            ')' if at > inside => return Some(at + 1),
            '(' if depth > 0 => at = balanced(text, at, paths, depth - 1)?,
            c if paths.holds(c) => at += c.len_utf8(),
            _ => return None,
        }
    }
    None
}

fn query_end(text: &str, start: usize, paths: Paths) -> Option<usize> {
    let international = |c: char| matches!(c, '\u{a0}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}' | '\u{fdf0}'..='\u{ffef}' | '\u{10000}'..='\u{efffd}');
    let wide = paths == Paths::Any;
    let mut end = None;
    for (at, c) in text[start..].char_indices() {
        let last = c.is_ascii_alphanumeric() || "_&=#/-".contains(c) || (wide && international(c));
        let inside = "!?*'();:+$%[].,~|@".contains(c) || (wide && c == '^');
        if last {
            end = Some(start + at + c.len_utf8());
        } else if !inside {
            break;
        }
    }
    end
}

fn is_cyrillic(c: char) -> bool {
    matches!(c, '\u{400}'..='\u{4ff}')
}

/// A Latin letter with an accent, as twitter-text lists them.
pub fn is_accented_latin(c: char) -> bool {
    matches!(c, 'À'..='Ö' | 'Ø'..='ö' | 'ø'..='ɏ' | 'ɓ' | 'ɔ' | 'ɖ' | 'ɗ' | 'ə' | 'ɛ' | 'ɣ' | 'ɨ' | 'ɯ' | 'ɲ' | 'ʉ' | 'ʋ' | 'ʻ')
}

/// Whether `text` holds `word` (a link or a hashtag) as a whole, letter case aside. Intents that are kept were composed
/// by this rule, and a read-back compares with it.
pub fn holds(text: &str, word: &str) -> bool {
    let (text, word) = (text.to_lowercase(), word.to_lowercase());
    text.match_indices(&word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let starts = before.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '#' | '/' | '&' | '_'));
        // Punctuation may end a sentence; behind it a link or tag that goes on would be another one.
        let after = text[at + word.len()..].trim_start_matches(['.', ',', ';', ':', '!', '?', ')', ']', '"', '\'']);
        let ends = after.chars().next().is_none_or(|c| c.is_whitespace() || (!c.is_alphanumeric() && !c.is_ascii()));
        starts && ends
    })
}

/// Whether a URL names a loopback address, literally or as `localhost`.
pub fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, ranges: Vec<Range<usize>>) -> Vec<&str> {
        ranges.into_iter().map(|range| &text[range]).collect()
    }

    #[test]
    fn addresses_without_a_protocol_are_found() {
        let table: &[(&str, &[&str])] = &[
            ("see example.org/a, or b.example.", &["example.org/a", "b.example"]),
            ("これはexample.com/path/index.html中国語t.co/a한국", &["example.com/path/index.html", "t.co/a"]),
            ("name.al-lastname@foo.com name.al-lastname.com", &["name.al-lastname.com"]),
            ("$TVI.CA #test.com @test.com /test.com _test.com", &[]),
            ("http://example.org/a.b and ELPAÍS.com:80?a=b", &["ELPAÍS.com:80?a=b"]),
            ("http://no-tld tar.bz2 1.5 e.g. a.b", &[]),
            ("http:// example.com/path", &["example.com/path"]),
            ("h.https://f.example and a.example", &["a.example"]),
            ("", &[]),
        ];
        for (text, expected) in table {
            assert_eq!(of(text, bare(text, Paths::Latin)), *expected, "{text}");
        }
    }

    #[test]
    fn letters_of_other_scripts_end_a_path_or_do_not() {
        let text = "http://a.example/Ру_é–b道?q=道";
        assert_eq!(of(text, urls(text, Paths::Latin)), ["http://a.example/Ру_é–b"]);
        assert_eq!(of(text, urls(text, Paths::Any)), [text]);
    }

    proptest::proptest! {
        #[test]
        fn addresses_lie_in_the_text_one_behind_the_other(text in "(https?://|@|\\(|[a-z./]|\\PC|\\s){0,60}") {
            for paths in [Paths::Any, Paths::Latin] {
                let mut all = [urls(&text, paths), bare(&text, paths)].concat();
                all.sort_by_key(|range| range.start);
                proptest::prop_assert!(all.iter().all(|range| text.get(range.clone()).is_some()));
                proptest::prop_assert!(all.windows(2).all(|pair| pair[0].end <= pair[1].start), "{all:?}");
            }
        }
    }
}
