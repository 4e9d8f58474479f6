//! Posts of a Mastodon archive: the file `outbox.json` in it, which holds a collection of ActivityPub activities.
//!
//! Public, unlisted and followers' posts are taken; what was written to single people never becomes a post. Items are read
//! one by one, so one that is odd is named and does not spoil the rest.

mod threads;

use std::cell::Cell;
use std::fmt;
use std::io::{self, BufRead as _, BufReader, Read};
use std::rc::Rc;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

use self::threads::{Note, threads};
use super::{Beside, Found, Harvest, Medium, POSTS, plain_text, room, whole};
use crate::domain::Visibility;
use crate::engage::outcomes::{TableError, Wrong};

const PUBLIC: &[&str] = &["https://www.w3.org/ns/activitystreams#Public", "as:Public", "Public"];
/// Largest item. As a value it takes up to thirty times its size.
const ITEM_BYTES: u64 = 2 * 1024 * 1024;

pub fn read(source: impl Read) -> Result<Harvest, TableError> {
    let budget = Rc::new(Cell::new(u64::MAX));
    let limited = Limited { inner: source, budget: budget.clone() };
    let mut from = BufReader::with_capacity(256 * 1024, limited);
    // Some programs put a mark of UTF-8 in front, which JSON may not begin with.
    if from.fill_buf().is_ok_and(|begin| begin.starts_with(b"\xef\xbb\xbf")) {
        from.consume(3);
    }
    let mut text = serde_json::Deserializer::from_reader(from);
    let items = (&mut text).deserialize_map(Outbox(&budget)).and_then(|items| text.end().map(|()| items));
    let items = items.map_err(|error| {
        let line = error.line() as u64;
        let what = if error.is_io() { "failed to read it" } else { "it is no outbox.json" };
        TableError { line, wrong: Wrong::new(format!("{what}: {error}")) }
    })?;
    let Some(Items { notes, mut harvest }) = items else {
        return Err(whole("it is no outbox.json: it has no orderedItems"));
    };
    room(notes.len())?;
    threads(notes, &mut harvest);
    Ok(harvest)
}

/// Everything, with an error in place of what goes beyond the budget.
struct Limited<R> {
    inner: R,
    budget: Rc<Cell<u64>>,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.budget.get();
        if left == 0 {
            return Err(io::Error::other(format!("an item has more than {ITEM_BYTES} bytes")));
        }
        let count = self.inner.read(buffer)?;
        self.budget.set(left.saturating_sub(count as u64));
        Ok(count)
    }
}

#[derive(Default)]
struct Items {
    notes: Vec<Note>,
    harvest: Harvest,
}

/// A collection, with what may still be read of it.
struct Outbox<'b>(&'b Cell<u64>);

impl<'de> Visitor<'de> for Outbox<'_> {
    type Value = Option<Items>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a collection of activities")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<Items>, A::Error> {
        let mut items = None;
        while let Some(key) = map.next_key::<String>()? {
            if key == "orderedItems" {
                items = Some(map.next_value_seed(List(self.0))?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(items)
    }
}

struct List<'b>(&'b Cell<u64>);

impl<'de> DeserializeSeed<'de> for List<'_> {
    type Value = Items;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Items, D::Error> {
        from.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for List<'_> {
    type Value = Items;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of activities")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Items, A::Error> {
        let mut items = Items::default();
        let mut number = 0u64;
        self.0.set(ITEM_BYTES);
        while let Some(item) = list.next_element::<Value>()? {
            number += 1;
            items.take(&item, number);
            self.0.set(ITEM_BYTES);
        }
        self.0.set(u64::MAX);
        Ok(items)
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
        let author = object["attributedTo"].as_str().or_else(|| item["actor"].as_str()).unwrap_or_default();
        let Some(visibility) = visibility(object, author) else {
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
        // With one more than there may be, nothing is taken.
        if self.notes.len() <= POSTS {
            let found = found(object, id, content, visibility, number);
            self.notes.push(Note { id: id.to_owned(), answers, found });
        }
    }

    fn odd(&mut self, number: u64, why: &str) {
        self.harvest.refuse(0, Wrong::new(format!("item {number}: {why}")));
    }
}

/// Who may see it; `None` where only those who are named.
fn visibility(object: &Value, author: &str) -> Option<Visibility> {
    let to = texts(&object["to"]);
    let cc = texts(&object["cc"]);
    let public = |all: &[&str]| all.iter().any(|one| PUBLIC.contains(one));
    if public(&to) {
        Some(Visibility::Public)
    } else if public(&cc) {
        Some(Visibility::Unlisted)
    } else {
        // Somebody may be called "followers".
        let followers = format!("{author}/followers");
        to.contains(&followers.as_str()).then_some(Visibility::Followers)
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
    let mut notes = vec![format!("item {number}: {}", text("url").unwrap_or_else(|| id.to_owned()))];
    notes.extend(beside.note());
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
        notes,
        ..Found::default()
    }
}

/// Somebody's whole name, of which a status shows the first half only.
fn mention(words: &str, href: &str, class: &str, people: &[&str]) -> Option<String> {
    let name = words.strip_prefix('@').filter(|name| !name.is_empty())?;
    if !class.split_whitespace().any(|word| word == "mention") {
        return None;
    }
    if name.contains('@') {
        return Some(words.to_owned());
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    pub fn note(id: &str, answers: Option<&str>, content: &str, change: Value) -> Value {
        let mut object = json!({
            "id": format!("https://m.example/s/{id}"), "type": "Note", "content": content,
            "published": format!("2026-01-0{}T00:00:00Z", id.len()),
            "inReplyTo": answers.map(|id| format!("https://m.example/s/{id}")),
            "attributedTo": "https://m.example/users/ann",
            "to": ["https://www.w3.org/ns/activitystreams#Public"], "cc": ["https://m.example/users/ann/followers"],
        });
        for (key, value) in change.as_object().unwrap() {
            object[key] = value.clone();
        }
        json!({"type": "Create", "object": object})
    }

    pub fn harvest(items: &[Value]) -> Harvest {
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
    fn people_are_named_whole() {
        let link = |words: &str, host: &str| {
            format!(
                "<a class=\"mention\" href=\"https://{host}/@bob\">{words}</a> <a href=\"https://x.example/y\">@z</a>"
            )
        };
        for (words, host, people, text) in [
            ("@bob@b.example", "b.example", json!([]), "@bob@b.example"),
            ("@bob", "alias.example", json!([{"type": "Mention", "name": "@bob@b.example"}]), "@bob@b.example"),
            ("@bob", "b.example", json!([]), "@bob@b.example"),
        ] {
            let found = harvest(&[note("a", None, &link(words, host), json!({"tag": people}))]);
            assert_eq!(found.posts[0].text, format!("{text} @z (https://x.example/y)"));
        }
    }

    #[test]
    fn no_item_takes_more_than_it_may() {
        let large = |bytes: usize| json!({"type": "Like", "object": "x".repeat(bytes)}).to_string();
        let read_all = |item: &str| {
            let rest = format!("\"more\":\"{}\"", "x".repeat(3 * ITEM_BYTES as usize));
            read(format!("{{{rest},\"orderedItems\":[{item},{item}],{rest}}}").as_bytes())
        };
        assert_eq!(read_all(&large(ITEM_BYTES as usize / 2)).unwrap().skipped["activities of other kinds"], 2);
        let error = read_all(&large(2 * ITEM_BYTES as usize)).unwrap_err();
        let why = format!("failed to read it: an item has more than {ITEM_BYTES} bytes");
        assert!(error.wrong.reason.starts_with(&why), "{error:?}");
    }

    #[test]
    fn what_was_meant_for_few_stays_there() {
        let ann = "https://m.example/users/ann/followers";
        let public = PUBLIC[0];
        for (to, cc, told) in [
            (json!([public]), json!([ann]), Some(Visibility::Public)),
            (json!(ann), json!(public), Some(Visibility::Unlisted)),
            (json!("as:Public"), json!([]), Some(Visibility::Public)),
            (json!([]), json!("Public"), Some(Visibility::Unlisted)),
            (json!([ann]), json!([]), Some(Visibility::Followers)),
            (json!(["https://b.example/users/bob"]), json!([]), None),
            (json!(["https://b.example/users/followers"]), json!([]), None),
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
