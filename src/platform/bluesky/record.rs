//! What one part of a post says, as a record of `app.bsky.feed.post`.
//!
//! A record is a function of the approved content, of what was frozen before the first attempt, and of durable
//! results of earlier steps. So a repeat, after a crash or days later, is the same record, and the server takes it
//! for what it is.
//!
//! Decisions that are not the protocol's:
//! - A link becomes a card, which needs no character of the text. Images take the card's place; then a link that the
//!   text does not name goes below it, on a line of its own, and counts.
//! - A card is titled with the address itself: nothing is fetched to find a better title, for that would let a
//!   post make this daemon ask any host for anything.
//! - A content warning that is one of the labels that Bluesky knows becomes that label. Any other is put above the
//!   text, in brackets, and counts: the platform has no place for it.
//! - Tags go into the record's own field, where they are found by search and take no room.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::syntax::{self, POSTS};
use super::text::{self, Span, SpanKind};
use crate::domain::{Content, Timestamp, time};

/// Labels that an author may put on a post (the known values of `com.atproto.label.defs`).
pub const LABELS: [&str; 4] = ["porn", "sexual", "nudity", "graphic-media"];
/// Longest title of a card, in graphemes. Clients show two lines of it.
const TITLE: usize = 80;

/// What every attempt sends unchanged, beside the content: one key and one moment for each part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frozen {
    pub rkeys: Vec<String>,
    #[serde(rename = "createdAt")]
    pub created: Vec<String>,
}

impl Frozen {
    /// Keys rise with the parts, and so do moments, by which clients sort. `draw` tells apart posts that are
    /// frozen in the same millisecond: it fills the microseconds and the clock's number.
    pub fn new(content: &Content, now: Timestamp, draw: u64) -> Self {
        let millis = u64::try_from(now.as_millisecond()).unwrap_or_default();
        // At most a thousand parts stay below the millisecond; more are still in order.
        let micros = millis * 1_000 + (draw >> 10) % 500;
        let moment = |place| time::after(now, std::time::Duration::from_millis(place));
        let places = 0..parts(content) as u64;
        Self {
            rkeys: places.clone().map(|place| syntax::tid(micros + place, draw)).collect(),
            created: places.map(|place| syntax::datetime(moment(place))).collect(),
        }
    }

    /// Reads what [`Frozen::new`] made for this content.
    pub fn read(value: &Value, content: &Content) -> Option<Self> {
        let frozen = Self::deserialize(value).ok()?;
        let fits = frozen.rkeys.len() == parts(content) && frozen.created.len() == parts(content);
        (fits && frozen.rkeys.iter().all(|rkey| syntax::is_tid(rkey))).then_some(frozen)
    }
}

/// How many posts it becomes.
pub fn parts(content: &Content) -> usize {
    1 + content.thread.len()
}

/// The text of part `part`, as it is published.
pub fn text(content: &Content, part: usize) -> String {
    if part > 0 {
        return content.thread.get(part - 1).cloned().unwrap_or_default();
    }
    let mut text = match &content.warning {
        Some(warning) if label(content).is_none() && !warning.is_empty() => format!("[{warning}]\n{}", content.text),
        _ => content.text.clone(),
    };
    if let Some(link) = &content.link
        && !content.media.is_empty()
        && !text.contains(link.as_str())
    {
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(link);
    }
    text
}

/// The handles that any part names, in lower case, each once.
pub fn handles(content: &Content) -> BTreeSet<String> {
    let spans = (0..parts(content)).flat_map(|part| text::spans(&text(content, part)));
    let handle = |span: Span| match span.kind {
        SpanKind::Mention(handle) => Some(handle),
        SpanKind::Link(_) | SpanKind::Tag(_) => None,
    };
    spans.filter_map(handle).collect()
}

/// The tags for the record's own field: those that stand in no text of the first part.
pub fn tags(content: &Content) -> Vec<String> {
    let mut seen: BTreeSet<String> = text::spans(&text(content, 0))
        .into_iter()
        .filter_map(|span| match span.kind {
            SpanKind::Tag(tag) => Some(tag.to_lowercase()),
            SpanKind::Link(_) | SpanKind::Mention(_) => None,
        })
        .collect();
    let tags = content.tags.iter().map(|tag| tag.trim_start_matches('#'));
    tags.filter(|tag| seen.insert(tag.to_lowercase())).map(Into::into).collect()
}

/// What a part needs beside the content.
#[derive(Debug, Default)]
pub struct Around<'a> {
    /// Whose the handles are; a handle that is nobody's stays plain text.
    pub people: BTreeMap<&'a str, &'a str>,
    /// In the order of the media, for the first part.
    pub images: Vec<Image<'a>>,
    /// What the part answers.
    pub reply: Option<Reply>,
}

/// An image that was uploaded.
#[derive(Debug)]
pub struct Image<'a> {
    /// As the server returned it.
    pub blob: &'a Value,
    /// Width and height in pixels, where they are known.
    pub size: Option<(u32, u32)>,
}

/// A post, by address and content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StrongRef {
    pub uri: String,
    pub cid: String,
}

/// The place of a reply: where the conversation began, and what is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    pub root: StrongRef,
    pub parent: StrongRef,
}

/// The record of part `part`.
pub fn record(content: &Content, frozen: &Frozen, part: usize, around: &Around<'_>) -> Value {
    let text = text(content, part);
    let facets: Vec<_> = text::spans(&text).into_iter().filter_map(|span| facet(span, &around.people)).collect();
    let mut record = json!({"$type": POSTS, "createdAt": frozen.created.get(part)});
    if !facets.is_empty() {
        record["facets"] = facets.into();
    }
    if let Some(lang) = &content.lang {
        record["langs"] = json!([lang]);
    }
    if let Some(label) = label(content) {
        record["labels"] = json!({"$type": "com.atproto.label.defs#selfLabels", "values": [{"val": label}]});
    }
    if let Some(reply) = &around.reply {
        record["reply"] = json!(reply);
    }
    if part == 0 {
        let tags = tags(content);
        if !tags.is_empty() {
            record["tags"] = tags.into();
        }
        if let Some(embed) = embed(content, &around.images) {
            record["embed"] = embed;
        }
    }
    record["text"] = text.into();
    record
}

fn label(content: &Content) -> Option<&'static str> {
    LABELS.into_iter().find(|label| content.warning.as_deref() == Some(label))
}

fn facet(span: Span, people: &BTreeMap<&str, &str>) -> Option<Value> {
    let feature = match span.kind {
        SpanKind::Link(uri) => json!({"$type": "app.bsky.richtext.facet#link", "uri": uri}),
        SpanKind::Tag(tag) => json!({"$type": "app.bsky.richtext.facet#tag", "tag": tag}),
        SpanKind::Mention(handle) => {
            json!({"$type": "app.bsky.richtext.facet#mention", "did": people.get(handle.as_str())?})
        }
    };
    Some(json!({"index": {"byteStart": span.range.start, "byteEnd": span.range.end}, "features": [feature]}))
}

fn embed(content: &Content, images: &[Image<'_>]) -> Option<Value> {
    if !content.media.is_empty() {
        let described = images.iter().zip(&content.media).map(|(Image { blob, size }, item)| {
            let mut image = json!({"image": blob, "alt": item.alt});
            if let Some((width, height)) = size.filter(|&(width, height)| width > 0 && height > 0) {
                image["aspectRatio"] = json!({"width": width, "height": height});
            }
            image
        });
        return Some(json!({"$type": "app.bsky.embed.images", "images": described.collect::<Vec<_>>()}));
    }
    let link = content.link.as_deref()?;
    let uri = uri(link)?;
    let external = json!({"uri": uri, "title": title(&uri), "description": ""});
    Some(json!({"$type": "app.bsky.embed.external", "external": external}))
}

/// A link as records hold it: as written where that is ASCII, else as servers understand it. `None` when it is not
/// the address of a page.
pub fn uri(link: &str) -> Option<String> {
    let url = Url::parse(link).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    let clean = link.bytes().all(|byte| byte.is_ascii_graphic());
    Some(if clean { link.into() } else { url.into() })
}

/// A page's address without what readers do not need.
fn title(uri: &str) -> String {
    let bare = uri.split(['?', '#']).next().unwrap_or_default();
    let bare = bare.split_once("://").map_or(bare, |(_, rest)| rest);
    let bare = bare.strip_prefix("www.").unwrap_or(bare).trim_end_matches('/');
    text::shorten(bare, TITLE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Digest, MediaItem};

    fn content(text: &str) -> Content {
        Content { text: text.into(), ..Content::default() }
    }

    fn image() -> MediaItem {
        MediaItem { file: "a.png".into(), alt: "A desk".into(), sha256: Digest::of(b""), facts: None }
    }

    #[test]
    fn frozen_keys_rise_and_fit_their_content_only() {
        let thread = Content { thread: vec!["b".into(), "c".into()], ..content("a") };
        let now = "2026-09-30T10:00:00.123456Z".parse().unwrap();
        let frozen = Frozen::new(&thread, now, 0x1234_5678_9abc_def0);
        assert!(frozen.rkeys.windows(2).all(|pair| pair[0] < pair[1]), "{frozen:?}");
        assert_eq!(
            frozen.created,
            ["2026-09-30T10:00:00.123Z", "2026-09-30T10:00:00.124Z", "2026-09-30T10:00:00.125Z"]
        );
        let value = json!(frozen);
        assert_eq!(Frozen::read(&value, &thread), Some(frozen.clone()));
        assert_eq!(Frozen::read(&value, &content("a")), None);
        assert_eq!(Frozen::read(&Value::Null, &thread), None);
        assert_ne!(Frozen::new(&thread, now, 1 << 20), frozen);
    }

    #[test]
    fn links_warnings_and_tags_find_their_place() {
        let link = || Some("https://www.example.org/a/?utm_source=x".to_owned());
        let frozen = |content: &Content| Frozen::new(content, Timestamp::UNIX_EPOCH, 0);
        let made = |content: &Content| record(content, &frozen(content), 0, &Around::default());

        let card = Content { link: link(), ..content("see") };
        assert_eq!(text(&card, 0), "see");
        assert_eq!(
            made(&card)["embed"]["external"],
            json!({
                "uri": "https://www.example.org/a/?utm_source=x", "title": "example.org/a", "description": ""
            })
        );

        let below = Content { media: vec![image()], ..card.clone() };
        assert_eq!(text(&below, 0), "see\nhttps://www.example.org/a/?utm_source=x");
        assert_eq!(made(&below)["facets"][0]["index"], json!({"byteStart": 4, "byteEnd": 43}));
        let named = Content { text: format!("at {} there", link().unwrap()), ..below.clone() };
        assert_eq!(text(&named, 0), named.text);

        let labelled = Content { warning: Some("nudity".into()), ..content("a") };
        assert_eq!(
            (text(&labelled, 0), &made(&labelled)["labels"]["values"]),
            ("a".into(), &json!([{"val": "nudity"}]))
        );
        let warned = Content { warning: Some("long".into()), ..content("a") };
        assert_eq!((text(&warned, 0), made(&warned).get("labels")), ("[long]\na".into(), None));

        let tagged = Content { tags: vec!["#One".into(), "two".into(), "TWO".into()], ..content("a #one") };
        assert_eq!(made(&tagged)["tags"], json!(["two"]));
    }

    #[test]
    fn only_people_that_exist_are_mentioned() {
        let both =
            Content { thread: vec!["@fan.test again, @Other.test".into()], ..content("👋 @Fan.test @none.test") };
        assert_eq!(handles(&both).into_iter().collect::<Vec<_>>(), ["fan.test", "none.test", "other.test"]);
        let people = BTreeMap::from([("fan.test", "did:plc:fan")]);
        let frozen = Frozen::new(&both, Timestamp::UNIX_EPOCH, 0);
        let facets = record(&both, &frozen, 0, &Around { people, ..Around::default() })["facets"].clone();
        assert_eq!(
            facets,
            json!([{
                "index": {"byteStart": 5, "byteEnd": 14},
                "features": [{"$type": "app.bsky.richtext.facet#mention", "did": "did:plc:fan"}]
            }])
        );
    }
}
