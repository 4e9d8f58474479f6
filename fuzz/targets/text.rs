//! How long a text is for each platform, and what is found in it. Parts of a thread are parted by a line `%%`.

use cadenced::domain::{Content, Timestamp, limits};
use cadenced::platform::bluesky::{record, text as bluesky};
use cadenced::platform::mastodon::instance;
use cadenced::platform::mastodon::text::{self as mastodon, Counting};
use serde_json::Value;

pub fn run(bytes: &[u8]) -> &'static str {
    let text = String::from_utf8_lossy(bytes);
    if text.len() > limits::TEXT_BYTES {
        return "too long";
    }
    let content = content(&text);
    let mut found = false;
    for part in std::iter::once(&content.text).chain(&content.thread) {
        found |= counted_by_mastodon(part);
        found |= counted_by_bluesky(part);
    }
    composed_again(&content);
    facets_are_of_the_text(&content);
    instance::check_blind(&content);
    if found { "something is found in it" } else { "plain" }
}

/// A part that is an address alone becomes the link.
fn content(text: &str) -> Content {
    let mut parts = text.split("\n%%\n").map(ToOwned::to_owned);
    let text = parts.next().unwrap_or_default();
    let is_link =
        |part: &String| record::uri(part).is_some() && !part.contains(|c: char| c.is_whitespace() || c.is_control());
    let (links, thread): (Vec<_>, Vec<_>) = parts.partition(is_link);
    Content { text, link: links.into_iter().next(), thread, ..Content::default() }
}

fn counted_by_mastodon(text: &str) -> bool {
    let mut end = 0;
    let urls = mastodon::urls(text);
    for url in &urls {
        assert!(end <= url.start && url.start < url.end, "addresses do not overlap");
        assert!(text[url.clone()].get(..4).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http")));
        end = url.end;
    }
    let mut end = 0;
    let mentions = mastodon::mentions(text);
    for mention in &mentions {
        assert!(end <= mention.whole.start && mention.whole.start < mention.user_end, "mentions do not overlap");
        assert!(mention.user_end <= mention.whole.end && text[mention.whole.clone()].starts_with('@'));
        end = mention.whole.end;
    }
    let count = |counting| mastodon::length(counting, "", text);
    let (points, graphemes) = (count(Counting::CodePoints), count(Counting::Graphemes));
    assert_eq!(points, text.chars().count() as u64);
    assert!(graphemes <= points);
    let (short, long) = (count(Counting::Mastodon { url: 23 }), count(Counting::Mastodon { url: 24 }));
    // Each address that counts is one character longer; one inside of a mention does not count.
    assert!(long >= short && long - short <= urls.len() as u64, "{short} {long} {}", urls.len());
    assert!(!mentions.is_empty() || long - short == urls.len() as u64, "{short} {long} {}", urls.len());
    assert!(!(urls.is_empty() && mentions.is_empty()) || short == graphemes);
    assert_eq!(count(Counting::Lenient { url: 23 }), short.min(graphemes));
    !urls.is_empty() || !mentions.is_empty()
}

fn counted_by_bluesky(text: &str) -> bool {
    let length = bluesky::graphemes(text);
    for most in [1, 2, 80] {
        let cut = bluesky::shorten(text, most);
        assert!(bluesky::graphemes(&cut) <= most, "{cut:?} is longer than {most}");
        assert!(length > most || cut == text, "only what is too long is cut");
    }
    let spans = bluesky::spans(text);
    let mut end = 0;
    for span in &spans {
        assert!(span.range.start >= end && span.range.start < span.range.end, "{spans:?}");
        assert!(text.get(span.range.clone()).is_some(), "{spans:?}");
        end = span.range.end;
    }
    !spans.is_empty()
}

/// A repeat, and a look-back, put a post together as the first attempt did.
fn composed_again(content: &Content) {
    let parts = mastodon::compose(content);
    assert_eq!(parts.len(), 1 + content.thread.len());
    let again = mastodon::compose(&Content { text: parts[0].clone(), ..content.clone() });
    assert_eq!(again, parts, "what is composed needs nothing more");
}

fn facets_are_of_the_text(content: &Content) {
    let frozen = record::Frozen::new(content, Timestamp::constant(1_790_000_000, 0), 7);
    let kept = serde_json::to_value(&frozen).expect("keys can be written");
    assert_eq!(record::Frozen::read(&kept, content).as_ref(), Some(&frozen), "the keys of all parts are kept");
    for part in 0..record::parts(content) {
        let made = record::record(content, &frozen, part, &record::Around::default());
        let text = made["text"].as_str().expect("a text");
        assert_eq!(text, record::text(content, part));
        for facet in made["facets"].as_array().into_iter().flatten() {
            let place = |key: &str| facet["index"][key].as_u64().and_then(|at| usize::try_from(at).ok());
            let range = place("byteStart").zip(place("byteEnd"));
            assert!(range.is_some_and(|(start, end)| start < end && text.get(start..end).is_some()), "{facet}");
            assert_ne!(facet["features"], Value::Null);
        }
    }
}
