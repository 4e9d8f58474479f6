//! What a post's parts say on the wire, how long X finds them, and when two texts are the same.
//!
//! X counts by the rules of twitter-text, version 3: the text is put into normal form C, an address counts 23, an emoji
//! with all that belongs to it 2, a character of the ranges that Latin scripts use 1, any other 2. Where this
//! module cannot know what X would find (a top-level domain that it has never heard of, an emoji newer than it),
//! it takes the smaller count: a post that is held for a wrong reason never goes out, and one that X finds too long
//! is refused there, loudly.
//!
//! Nothing here knows of HTTP; everything is a function of its arguments.

use std::borrow::Cow;
use std::ops::Range;

use icu_normalizer::ComposingNormalizerBorrowed;
use unicode_segmentation::UnicodeSegmentation;
use url::Url;

use crate::domain::Content;
use crate::domain::links::{self, Paths};

/// Most that a post may count, and a long one of an account that pays for that.
pub const WEIGHT: u64 = 280;
pub const LONG_WEIGHT: u64 = 25_000;
/// Most characters of a description.
pub const ALT_CHARS: usize = 1_000;
/// What an address counts, however long it is.
const URL_WEIGHT: u64 = 23;
const EMOJI_WEIGHT: u64 = 2;

/// Top-level domains that exist for sure: those of countries, and the others that texts are full of. `main.js` is no
/// address, and `main.rs` is one.
const COUNTRIES: &str = "ac ad ae af ag ai al am ao aq ar as at au aw ax az ba bb bd be bf bg bh bi bj bm bn bo br bs bt bw \
     by bz ca cc cd cf cg ch ci ck cl cm cn co cr cu cv cw cx cy cz de dj dk dm do dz ec ee eg er es et \
     eu fi fj fk fm fo fr ga gb gd ge gf gg gh gi gl gm gn gp gq gr gs gt gu gw gy hk hm hn hr ht hu id \
     ie il im in io iq ir is it je jm jo jp ke kg kh ki km kn kp kr kw ky kz la lb lc li lk lr ls lt lu \
     lv ly ma mc md me mg mh mk ml mm mn mo mp mq mr ms mt mu mv mw mx my mz na nc ne nf ng ni nl no np \
     nr nu nz om pa pe pf pg ph pk pl pm pn pr ps pt pw py qa re ro rs ru rw sa sb sc sd se sg sh si sj \
     sk sl sm sn so sr ss st su sv sx sy sz tc td tf tg th tj tk tl tm tn to tr tt tv tw tz ua ug uk us \
     uy uz va vc ve vg vi vn vu wf ws ye yt za zm zw";
const COMMON: &str = "com org net edu gov mil int info biz name pro aero coop museum jobs mobi travel tel cat asia post \
     app dev page blog shop store site online tech xyz cloud design news media social studio space \
     website world live club art agency email events academy community foundation software systems wiki";

/// The texts of a post's parts, as they are sent: the first one with link and hashtags.
///
/// A link that is not in the text stands on a line of its own behind it, hashtags that are not in the text on
/// another one. This is composition 1: intents that name it were sent so, and a read-back compares with it.
pub fn compose(content: &Content) -> Vec<String> {
    let mut lines = vec![content.text.trim_end().to_owned()];
    let link = content.link.as_deref().map(str::trim).filter(|link| !link.is_empty());
    lines.extend(link.filter(|link| !holds(&lines[0], link)).map(Into::into));
    let tags = content.tags.iter().map(|tag| format!("#{}", tag.trim_start_matches('#')));
    let tags: Vec<_> = tags.filter(|tag| tag.len() > 1 && !holds(&lines[0], tag)).collect();
    lines.push(tags.join(" "));
    lines.retain(|line| !line.is_empty());
    let rest = content.thread.iter().map(|part| part.trim_end().to_owned());
    std::iter::once(lines.join("\n")).chain(rest).collect()
}

/// Whether `text` holds `word` (a link or a hashtag) and not only the beginning of a longer one.
fn holds(text: &str, word: &str) -> bool {
    let (text, word) = (text.to_lowercase(), word.to_lowercase());
    let goes_on = |c: char| c.is_alphanumeric() || "#/&_-=?%~+@".contains(c);
    text.match_indices(&word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let behind = text[at + word.len()..].trim_start_matches(['.', ',', ';', ':', '!', '?', ')', '"', '\'']);
        !before.is_some_and(goes_on) && !behind.starts_with(goes_on)
    })
}

/// The length of a part as X counts it.
pub fn weight(text: &str) -> u64 {
    let text = normal(text);
    let (mut sum, mut from) = (0, 0);
    for range in addresses(&text) {
        let plain = characters(&text[range.clone()]);
        sum += characters(&text[from..range.start]);
        sum += if is_surely_one(&text[range.clone()]) { URL_WEIGHT } else { plain.min(URL_WEIGHT) };
        from = range.end;
    }
    sum + characters(&text[from..])
}

pub(super) fn normal(text: &str) -> Cow<'_, str> {
    ComposingNormalizerBorrowed::new_nfc().normalize(text)
}

/// All web addresses of a text in their order, with their protocol and without.
pub(super) fn addresses(text: &str) -> Vec<Range<usize>> {
    let mut all = [links::urls(text, Paths::Latin), links::bare(text, Paths::Latin)].concat();
    all.sort_by_key(|range| range.start);
    all
}

/// Whether it ends in a top-level domain that exists for sure.
fn is_surely_one(address: &str) -> bool {
    let host = address.split_once("://").map_or(address, |(_, rest)| rest);
    let host = host.split(['/', '?', '#', ':']).next().unwrap_or_default();
    let last = host.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    [COUNTRIES, COMMON].iter().any(|list| list.split(' ').any(|known| known == last))
}

/// What a text without addresses counts.
fn characters(text: &str) -> u64 {
    let of_cluster = |cluster: &str| {
        let mut chars = cluster.chars();
        match (chars.next(), chars.next()) {
            (Some(first), Some(_)) if is_emoji(first, cluster) => EMOJI_WEIGHT,
            _ => cluster.chars().map(of_character).sum(),
        }
    };
    text.graphemes(true).map(of_cluster).sum()
}

fn of_character(c: char) -> u64 {
    match c {
        '\0'..='\u{10ff}' | '\u{2000}'..='\u{200d}' | '\u{2010}'..='\u{201f}' | '\u{2032}'..='\u{2037}' => 1,
        _ => 2,
    }
}

/// Whether a cluster of several characters is one emoji: a picture with its joiners, tones and selectors, a flag, or a
/// keycap. A picture of one character counts 2 like any other character of its range.
fn is_emoji(first: char, cluster: &str) -> bool {
    let is_picture = matches!(first,
        '©' | '®' | '\u{203c}' | '\u{2049}' | '\u{2100}'..='\u{27bf}' | '\u{2900}'..='\u{2bff}'
        | '\u{3030}' | '\u{303d}' | '\u{3297}' | '\u{3299}' | '\u{1f000}'..='\u{1faff}');
    is_picture || cluster.contains('\u{20e3}')
}

/// How many cashtags (`$TICKER`) stand in a text.
pub fn cashtags(text: &str) -> usize {
    let is_one = |at: usize| {
        let before = text[..at].chars().next_back();
        let name = &text[at + 1..];
        let letters = name.bytes().take_while(u8::is_ascii_alphabetic).count();
        let behind = name[letters..].chars().next();
        before.is_none_or(char::is_whitespace)
            && (1..=6).contains(&letters)
            && behind.is_none_or(|c| c.is_whitespace() || c.is_ascii_punctuation())
    };
    text.match_indices('$').filter(|&(at, _)| is_one(at)).count()
}

/// A text in the form in which it is compared in a read-back. X puts texts into normal form C, trims them, and tells an
/// address as it understood it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparable {
    /// With a placeholder for each address.
    pub words: String,
    pub addresses: Vec<String>,
}

pub fn comparable(text: &str) -> Comparable {
    let text = normal(text);
    let (mut words, mut found, mut from) = (String::with_capacity(text.len()), Vec::new(), 0);
    for range in addresses(&text) {
        words.push_str(&text[from..range.start]);
        words.push('\u{fffc}');
        found.push(canonical(&text[range.clone()]));
        from = range.end;
    }
    words.push_str(&text[from..]);
    Comparable { words: words.split_whitespace().collect::<Vec<_>>().join(" "), addresses: found }
}

/// An address without what may be spelt in several ways: the protocol, the case and script of the host, a last slash.
fn canonical(address: &str) -> String {
    let full = if address.contains("://") { address.to_owned() } else { format!("http://{address}") };
    let told = Url::parse(&full).map_or(full, String::from);
    let bare = told.split_once("://").map_or(told.as_str(), |(_, rest)| rest);
    bare.trim_end_matches('/').to_owned()
}

/// What a person may have written, from what X tells: each shortened address is what it stands for, or nothing, where it
/// stands for media; and `&`, `<` and `>` are plain, should X have escaped them, or as they are told, should it not.
pub fn written(told: &str, shortened: &[(&str, Option<&str>)]) -> [String; 2] {
    // `&amp;` last, so that nothing is made plain twice.
    let plain = told.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    [plain, told.to_owned()]
        .map(|told| shortened.iter().fold(told, |text, (short, long)| text.replace(short, long.unwrap_or_default())))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From the conformance data of twitter-text, long ones cut down.
    #[test]
    fn texts_count_as_x_counts_them() {
        let family = "👨\u{200d}👩\u{200d}👧\u{200d}👦";
        let table: &[(&str, u64)] = &[
            ("", 0),
            ("I am a Tweet", 12),
            ("Hi http://test.co", 26),
            ("http://test.co", 23),
            ("https://www.twitter.com/aloha https://www.twitter.com/aloha ", 48),
            ("故人西辞黄鹤楼，", 16),
            ("the故人", 7),
            ("😷😷", 4),
            ("A\u{301}B", 2),
            ("A\u{fb2c}", 4),
            ("H🐱☺👨\u{200d}👩\u{200d}👧\u{200d}👦", 7),
            ("😷👾😡🔥💩", 10),
            ("🙋🏽👨\u{200d}🎤", 4),
            ("\u{2000}\u{200b}\u{2010}\u{2016}‗\u{2032}\u{2037}", 7),
            ("1\u{20e3}", 2),
            ("🤪; 🧕; 🧕🏾; 🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}", 14),
            ("🇩🇪", 2),
            ("♥\u{fe0f}©", 3),
            ("か\u{3099}か\u{309a}", 6),
            ("randomurlrandomurlrandomurlrandomurlrandomurlrandomurlrandomurls.com", 68),
            ("see example.org/a/very/long/path/that/goes/on, ok", 31),
            // Nobody here knows whether these are addresses.
            ("foo.baz", 7),
            ("main.js main.rs", 31),
            ("see http://example.nonsense/with/a/very/long/path", 27),
            ("ABC\u{202a}ABC", 8),
        ];
        for (text, expected) in table {
            assert_eq!(weight(text), *expected, "{text:?}");
        }
        assert_eq!(weight(&family.repeat(140)), WEIGHT);
    }

    #[test]
    fn link_and_tags_are_added_where_the_text_lacks_them() {
        let of = |text: &str, link: Option<&str>, tags: &[&str]| {
            let tags = tags.iter().map(|&tag| tag.into()).collect();
            compose(&Content { text: text.into(), link: link.map(Into::into), tags, ..Content::default() }).remove(0)
        };
        let link = Some("https://a.example/x");
        assert_eq!(of("Hi\n", link, &["One", "#two"]), "Hi\nhttps://a.example/x\n#One #two");
        assert_eq!(of("See https://a.example/x.", link, &[]), "See https://a.example/x.");
        assert_eq!(of("See https://a.example/xy", link, &[]), "See https://a.example/xy\nhttps://a.example/x");
        assert_eq!(of("so #ONE it is", None, &["one"]), "so #ONE it is");
        assert_eq!(of("so #ones it is", None, &["one", ""]), "so #ones it is\n#one");
        assert_eq!(of("", link, &[]), "https://a.example/x");
        assert_eq!(of("", None, &[]), "");
    }

    #[test]
    fn what_x_rewrites_makes_no_difference() {
        for (one, other) in [
            (" a\r\nb  c\n", "a\nb c"),
            ("A\u{301}", "Á"),
            ("see example.org", "see http://example.org/"),
            ("https://BÜCHER.example/A", "http://xn--bcher-kva.example/A/"),
        ] {
            assert_eq!(comparable(one), comparable(other), "{one:?}");
        }
        assert_ne!(comparable("Text"), comparable("text"));
        assert_ne!(comparable("https://a.example/x"), comparable("https://a.example/X"));
        assert_eq!(comparable("https://a.example/x").words, comparable("https://a.example/y").words);
    }

    #[test]
    fn a_told_text_is_made_what_was_written() {
        let shortened = [("https://t.co/aaa", Some("https://example.org/?a=1&b=2")), ("https://t.co/mmm", None)];
        let told = "1 &lt; 2 &amp;amp; https://t.co/aaa's https://t.co/zzz https://t.co/mmm";
        let text = "1 < 2 &amp; https://example.org/?a=1&b=2's https://t.co/zzz ";
        assert_eq!(written(told, &shortened)[0], text);
        assert_eq!(written("a &amp; b", &[]), ["a & b", "a &amp; b"]);
    }

    #[test]
    fn cashtags_are_counted() {
        for (text, expected) in [("$TEST $a, $b.", 3), ("$123 $ $TooLongOne a$b $ü", 0), ("$USD $EUR", 2)] {
            assert_eq!(cashtags(text), expected, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_can_be_counted_and_compared(text in "(https?://|[@$&;(]|[a-z./]|\\PC|\\s){0,60}") {
            let clusters = text.graphemes(true).count() as u64;
            proptest::prop_assert!(weight(&text) <= 2 * text.chars().count() as u64 + 23 * clusters);
            proptest::prop_assert_eq!(comparable(&text), comparable(&normal(&text)));
            proptest::prop_assert_eq!(&written(&text.replace('&', "&amp;"), &[])[0], &text);
            let found = addresses(&text);
            proptest::prop_assert!(found.windows(2).all(|pair| pair[0].end <= pair[1].start), "{:?}", found);
            let _ = cashtags(&text);
        }
    }
}
