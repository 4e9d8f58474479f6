//! Posts of a Mastodon archive: the file `outbox.json` in it, which holds a collection of ActivityPub activities.
//!
//! Public, unlisted and followers' posts are taken; what was written to single people never becomes a post. Who answered
//! themselves wrote a thread: the first answer to each part goes on with it. Items are read one by one, so one that is odd
//! is named and does not spoil the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{BufRead as _, BufReader, Read};

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use super::{Beside, Found, Harvest, Medium, plain_text, whole};
use crate::domain::Visibility;
use crate::engage::outcomes::{TableError, Wrong};

const PUBLIC: &[&str] = &["https://www.w3.org/ns/activitystreams#Public", "as:Public", "Public"];

pub fn read(source: impl Read) -> Result<Harvest, TableError> {
    let mut from = BufReader::with_capacity(256 * 1024, source);
    // Some programs put a mark of UTF-8 in front, which JSON may not begin with.
    if from.fill_buf().is_ok_and(|begin| begin.starts_with(b"\xef\xbb\xbf")) {
        from.consume(3);
    }
    let mut text = serde_json::Deserializer::from_reader(from);
    let outbox = Outbox::deserialize(&mut text).and_then(|outbox| text.end().map(|()| outbox));
    let outbox = outbox.map_err(|error| {
        let line = error.line() as u64;
        TableError { line, wrong: Wrong::new(format!("it is no outbox.json: {error}")) }
    })?;
    let Some(items) = outbox.0 else {
        return Err(whole("it is no outbox.json: it has no orderedItems"));
    };
    let mut harvest = items.harvest;
    threads(items.notes, &mut harvest);
    Ok(harvest)
}

/// A post, and which one it answers.
struct Note {
    id: String,
    answers: Option<String>,
    found: Found,
}

struct Outbox(Option<Items>);

#[derive(Default)]
struct Items {
    notes: Vec<Note>,
    harvest: Harvest,
}

impl<'de> Deserialize<'de> for Outbox {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Outbox;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a collection of activities")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Outbox, A::Error> {
                let mut items = None;
                while let Some(key) = map.next_key::<String>()? {
                    if key == "orderedItems" {
                        items = Some(map.next_value()?);
                    } else {
                        map.next_value::<IgnoredAny>()?;
                    }
                }
                Ok(Outbox(items))
            }
        }
        from.deserialize_map(Keys)
    }
}

impl<'de> Deserialize<'de> for Items {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Items;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of activities")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Items, A::Error> {
                let mut items = Items::default();
                let mut number = 0u64;
                while let Some(item) = list.next_element::<Value>()? {
                    number += 1;
                    items.take(&item, number);
                }
                Ok(items)
            }
        }
        from.deserialize_seq(List)
    }
}

impl Items {
    fn take(&mut self, item: &Value, number: u64) {
        match item["type"].as_str() {
            Some("Announce") => return self.harvest.skip("boosts"),
            Some("Create") => {}
            Some(_) => return self.harvest.skip("activities of other kinds"),
            None => return self.odd(number, "it has no type"),
        }
        let object = &item["object"];
        match object["type"].as_str() {
            Some("Question") => return self.harvest.skip("polls"),
            Some(_) => {}
            None => return self.odd(number, "it holds no post"),
        }
        let Some(id) = object["id"].as_str().filter(|id| !id.is_empty()) else {
            return self.odd(number, "its post has no id");
        };
        let Some(visibility) = visibility(object) else {
            return self.harvest.skip("messages to single people");
        };
        let Some(content) = object["content"].as_str() else {
            return self.odd(number, "its post has no content");
        };
        let answers = match &object["inReplyTo"] {
            Value::Null => None,
            // Some servers put the whole post there.
            other => Some(other.as_str().or_else(|| other["id"].as_str()).unwrap_or_default().to_owned()),
        };
        self.notes.push(Note { id: id.to_owned(), answers, found: found(object, id, content, visibility, number) });
    }

    fn odd(&mut self, number: u64, why: &str) {
        self.harvest.refuse(0, Wrong::new(format!("item {number}: {why}")));
    }
}

/// Who may see it; `None` where only those who are named.
fn visibility(object: &Value) -> Option<Visibility> {
    let to = texts(&object["to"]);
    let cc = texts(&object["cc"]);
    let public = |all: &[&str]| all.iter().any(|one| PUBLIC.contains(one));
    if public(&to) {
        Some(Visibility::Public)
    } else if public(&cc) {
        Some(Visibility::Unlisted)
    } else {
        to.iter().any(|one| one.ends_with("/followers")).then_some(Visibility::Followers)
    }
}

/// One text, or a list of them.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn tables(value: &Value) -> &[Value] {
    match value {
        Value::Array(list) => list,
        Value::Object(_) => std::slice::from_ref(value),
        _ => &[],
    }
}

fn found(object: &Value, id: &str, content: &str, visibility: Visibility, number: u64) -> Found {
    let text = |key: &str| object[key].as_str().map(str::trim).filter(|text| !text.is_empty()).map(ToOwned::to_owned);
    let tags = tables(&object["tag"]);
    let named =
        |kind: &'static str| tags.iter().filter(move |tag| tag["type"] == kind).filter_map(|tag| tag["name"].as_str());
    let people: Vec<&str> = named("Mention").collect();
    let mut beside = Beside::default();
    for attached in tables(&object["attachment"]) {
        let address = attached["url"].as_str().or_else(|| attached["href"].as_str()).unwrap_or_default();
        beside.media.push(Medium {
            address: address.to_owned(),
            alt: attached["name"].as_str().unwrap_or_default().to_owned(),
        });
    }
    let words = plain_text(content, &|words, href, class| mention(words, href, class, &people), &mut beside);
    let mut notes: Vec<String> = beside.note().into_iter().collect();
    if !people.is_empty() {
        notes.push(format!("it names {}, who would be told of it again", people.join(" ")));
    }
    let warning = text("summary");
    if warning.is_none() && object["sensitive"] == true && !beside.media.is_empty() {
        notes.push("its media were marked as sensitive".to_owned());
    }
    let langs = object["contentMap"].as_object().filter(|map| map.len() == 1);
    let tags = named("Hashtag").map(|name| name.trim_start_matches('#').to_owned());
    Found {
        line: 0,
        key: id.to_owned(),
        text: words,
        lang: langs.and_then(|map| map.keys().next().cloned()),
        tags: tags.collect(),
        visibility: Some(visibility),
        warning,
        published: text("published"),
        media: beside.media,
        notes: {
            notes.insert(0, format!("item {number}: {}", text("url").unwrap_or_else(|| id.to_owned())));
            notes
        },
        ..Found::default()
    }
}

/// Somebody's whole name, of which a status shows the first half only.
fn mention(words: &str, href: &str, class: &str, people: &[&str]) -> Option<String> {
    let name = words.strip_prefix('@')?;
    if !class.split_whitespace().any(|word| word == "mention") || name.is_empty() || name.contains('@') {
        return None;
    }
    let host = url::Url::parse(href).ok().and_then(|url| url.host_str().map(ToOwned::to_owned))?;
    let same: Vec<&&str> = people
        .iter()
        .filter(|person| person.trim_start_matches('@').split('@').next().is_some_and(|own| own == name))
        .collect();
    let whole = |person: &&&str| person.trim_start_matches('@').contains('@');
    let exact = same.iter().copied().find(|person| person.ends_with(&format!("@{host}")));
    // A server's own people are named without it.
    Some(match (exact, &same[..]) {
        (Some(person), _) => (*person).to_owned(),
        (None, [person]) if whole(person) => (**person).to_owned(),
        _ => format!("@{name}@{host}"),
    })
}

/// Puts the parts of threads together; what answers others is left out.
fn threads(mut notes: Vec<Note>, harvest: &mut Harvest) {
    notes.sort_by(|one, other| one.found.published.cmp(&other.found.published));
    let mut next: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (place, note) in notes.iter().enumerate() {
        if let Some(answered) = &note.answers {
            next.entry(answered.clone()).or_default().push(place);
        }
    }
    let mut used = BTreeSet::new();
    for place in 0..notes.len() {
        if notes[place].answers.is_some() {
            continue;
        }
        used.insert(place);
        let mut post = notes[place].found.clone();
        let mut last = place;
        while let Some(part) = next.get(&notes[last].id).and_then(|parts| parts.first()).copied() {
            if !used.insert(part) {
                break;
            }
            let Found { text, media, .. } = &notes[part].found;
            let number = post.thread.len() + 2;
            if text.trim().is_empty() {
                post.notes.push(format!("after part {} came media without a text", number - 1));
            } else {
                post.thread.push(text.clone());
            }
            for medium in media {
                let alt = serde_json::Value::from(medium.alt.as_str());
                post.notes.push(format!("with part {number} went {}, alt = {alt}", medium.address));
            }
            last = part;
        }
        harvest.posts.push(post);
    }
    let own: BTreeSet<&str> = notes.iter().map(|note| note.id.as_str()).collect();
    for (place, note) in notes.iter().enumerate() {
        if !used.contains(&place) {
            let ours = note.answers.as_deref().is_some_and(|answered| own.contains(answered));
            harvest.skip(if ours { "answers within conversations" } else { "answers to others" });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn note(id: &str, answers: Option<&str>, content: &str, change: Value) -> Value {
        let mut object = json!({
            "id": format!("https://m.example/s/{id}"), "type": "Note", "content": content,
            "published": format!("2026-01-0{}T00:00:00Z", id.len()),
            "inReplyTo": answers.map(|id| format!("https://m.example/s/{id}")),
            "to": ["https://www.w3.org/ns/activitystreams#Public"], "cc": ["https://m.example/users/ann/followers"],
        });
        for (key, value) in change.as_object().unwrap() {
            object[key] = value.clone();
        }
        json!({"type": "Create", "object": object})
    }

    fn harvest(items: &[Value]) -> Harvest {
        let text =
            format!("\u{feff}{}", json!({"@context": {"a": [1]}, "type": "OrderedCollection", "orderedItems": items}));
        read(text.as_bytes()).unwrap_or_else(|error| panic!("{error:?}"))
    }

    #[test]
    fn a_status_is_taken_with_all_that_belongs_to_it() {
        let found = harvest(&[note(
            "a",
            None,
            "<p>Hi <span class=\"h-card\"><a href=\"https://b.example/@bob\" class=\"u-url mention\">@<span>bob</span></a></span> \
             and <a href=\"https://m.example/@cy\" class=\"mention\">@<span>cy</span></a> :blobcat:</p><p>#tea</p>",
            json!({
                "summary": "food", "sensitive": true, "contentMap": {"de": "x"}, "url": "https://m.example/@ann/1",
                "tag": [
                    {"type": "Mention", "name": "@bob@b.example", "href": "https://b.example/users/bob"},
                    {"type": "Mention", "name": "@cy"}, {"type": "Hashtag", "name": "#tea"}, {"type": "Emoji", "name": ":blobcat:"},
                ],
                "attachment": [{"type": "Document", "url": "/files/1.png", "name": "A cup"}],
            }),
        )]);
        let [post] = &found.posts[..] else { panic!("{found:?}") };
        assert_eq!(post.text, "Hi @bob@b.example and @cy@m.example :blobcat:\n\n#tea");
        assert_eq!((post.lang.as_deref(), post.warning.as_deref()), (Some("de"), Some("food")));
        assert_eq!((post.visibility, &post.tags[..]), (Some(Visibility::Public), &["tea".to_owned()][..]));
        assert_eq!(post.media, [Medium { address: "/files/1.png".into(), alt: "A cup".into() }]);
        assert_eq!(
            post.notes,
            ["item 1: https://m.example/@ann/1", "it names @bob@b.example @cy, who would be told of it again"]
        );
    }

    #[test]
    fn answers_to_oneself_are_a_thread_and_to_others_nothing() {
        let found = harvest(&[
            note("bbb", Some("bb"), "<p>three</p>", json!({})),
            note("bb", Some("b"), "two", json!({"attachment": {"url": "/2.png"}})),
            note("b", None, "one", json!({})),
            note("bbbb", Some("b"), "aside", json!({})),
            note("c", Some("elsewhere"), "yes", json!({"inReplyTo": "https://x.example/1"})),
            note("cc", Some("c"), "and", json!({})),
            note("d", Some("dd"), "round", json!({})),
            note("dd", Some("d"), "round", json!({})),
        ]);
        assert_eq!(found.posts.len(), 1);
        assert_eq!(found.posts[0].thread, ["two", "three"]);
        assert!(found.posts[0].notes.contains(&"with part 2 went /2.png, alt = \"\"".to_owned()), "{found:?}");
        assert_eq!(
            found.skipped,
            [("answers to others", 1), ("answers within conversations", 4)].into_iter().collect()
        );
    }

    #[test]
    fn what_was_meant_for_few_stays_there() {
        let ann = "https://m.example/users/ann/followers";
        let public = PUBLIC[0];
        for (to, cc, told) in [
            (json!([public]), json!([ann]), Some(Visibility::Public)),
            (json!(ann), json!(public), Some(Visibility::Unlisted)),
            (json!([ann]), json!([]), Some(Visibility::Followers)),
            (json!(["https://b.example/users/bob"]), json!([]), None),
            (json!(null), json!(7), None),
        ] {
            let found = harvest(&[note("a", None, "hush", json!({"to": to, "cc": cc}))]);
            assert_eq!(found.posts.first().and_then(|post| post.visibility), told);
            assert_eq!(found.skipped.get("messages to single people").copied(), told.is_none().then_some(1));
        }
    }

    #[test]
    fn odd_items_are_named_and_others_are_kept() {
        let boost = json!({"type": "Announce", "object": "https://x.example/1"});
        let found = harvest(&[
            boost,
            json!(7),
            json!({"type": "Create", "object": "https://m.example/s/x"}),
            json!({"type": "Create", "object": {"type": "Question", "id": "x"}}),
            note("a", None, "x", json!({"content": null})),
            note("aa", None, "good", json!({})),
        ]);
        assert_eq!(found.posts.len(), 1);
        let wrong: Vec<&str> = found.wrong.iter().map(|(_, wrong)| wrong.reason.as_str()).collect();
        assert_eq!(wrong, ["item 2: it has no type", "item 3: it holds no post", "item 5: its post has no content"]);
        assert_eq!(found.skipped, [("boosts", 1), ("polls", 1)].into_iter().collect());
        for text in ["", "[]", "{\"a\":1}", "{\"orderedItems\":[{}", "{\"orderedItems\":[]}x", &"[".repeat(100_000)] {
            assert!(read(text.as_bytes()).is_err(), "{text:.20}");
        }
    }
}
