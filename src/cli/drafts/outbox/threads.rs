//! Posts that answer each other, as threads.
//!
//! Who answered themselves wrote a thread: the first answer to each part goes on with it. A thread is seen as its first part
//! is, so what only followers were to see, or stood behind a warning of its own, is no part of one that more people see. What
//! else is known of a later part is said of the whole.

use std::collections::{BTreeMap, BTreeSet};
use std::mem::take;

use super::{Found, Harvest};
use crate::domain::Visibility;

/// A post, and which one it answers.
pub struct Note {
    pub id: String,
    pub answers: Option<String>,
    pub found: Found,
}

/// Puts the parts of threads together; what answers others is left out.
pub fn threads(mut notes: Vec<Note>, harvest: &mut Harvest) {
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
        let mut post = take(&mut notes[place].found);
        let mut last = place;
        loop {
            let answers = next.get(&notes[last].id).map_or(&[][..], Vec::as_slice);
            let (parts, apart): (Vec<usize>, Vec<usize>) =
                answers.iter().copied().partition(|part| is_part(&notes[*part].found, &post));
            let left_out = apart.into_iter().filter(|part| used.insert(*part)).count();
            (0..left_out).for_each(|_| harvest.skip("answers to oneself for fewer people or with another warning"));
            let Some(part) = parts.first().copied().filter(|part| used.insert(*part)) else {
                if left_out > 0 {
                    post.notes.push("it went on for fewer people or with another warning; that is left out".into());
                }
                break;
            };
            put(&mut post, take(&mut notes[part].found));
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

/// Whether an answer may be seen as the beginning of its thread is.
fn is_part(answer: &Found, first: &Found) -> bool {
    let is_open = answer.visibility != Some(Visibility::Followers) || answer.visibility == first.visibility;
    is_open && (answer.warning.is_none() || answer.warning == first.warning)
}

/// Goes on with a thread.
fn put(post: &mut Found, part: Found) {
    if part.text.trim().is_empty() {
        post.notes.push(format!("after part {} came media without a text", post.thread.len() + 1));
    } else {
        post.thread.push(part.text);
    }
    let number = post.thread.len() + 1;
    // The first says where it stands.
    let mut notes: Vec<String> = part.notes.into_iter().skip(1).collect();
    if part.visibility > post.visibility {
        notes.push("it was not listed".into());
    }
    if let Some(lang) = part.lang.filter(|lang| post.lang.as_ref() != Some(lang)) {
        notes.push(format!("its language is told as {lang}"));
    }
    post.notes.extend(notes.into_iter().map(|note| format!("part {number}: {note}")));
    post.apart.extend(part.media.into_iter().map(|medium| (number, medium)));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Medium;
    use super::super::tests::{harvest, note};

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
        assert_eq!(found.posts[0].apart, [(2, Medium { address: "/2.png".into(), alt: String::new() })]);
        assert_eq!(
            found.skipped,
            [("answers to others", 1), ("answers within conversations", 4)].into_iter().collect()
        );
    }

    #[test]
    fn what_fewer_people_saw_is_no_part_of_a_thread() {
        let only = json!({"to": ["https://m.example/users/ann/followers"], "cc": []});
        let bob = json!({
            "tag": {"type": "Mention", "name": "@bob@b.example"}, "contentMap": {"de": "x"},
            "to": ["https://m.example/users/ann/followers"], "cc": ["as:Public"], "sensitive": true, "attachment": {"url": "/2.png"},
        });
        let found = harvest(&[
            note("a", None, "one", json!({"contentMap": {"en": "x", "de": "y"}})),
            note("aa", Some("a"), "hush", only.clone()),
            note("aaa", Some("a"), "", bob),
            note("aaaa", Some("aaa"), "three", json!({})),
            note("aaaaa", Some("aaaa"), "spoiler", json!({"summary": "the end"})),
            note("aaaaaa", Some("aaaaa"), "and on", json!({})),
            note("b", None, "for few", only.clone()),
            note("bb", Some("b"), "too", only),
            note("c", None, "warned", json!({"summary": "food"})),
            note("cc", Some("c"), "also", json!({"summary": "food"})),
        ]);
        let threads: Vec<(&str, &[String])> =
            found.posts.iter().map(|post| (post.text.as_str(), &post.thread[..])).collect();
        let one = |text: &str| vec![text.to_owned()];
        assert_eq!(threads, [("one", &one("three")[..]), ("for few", &one("too")), ("warned", &one("also"))]);
        assert_eq!(
            found.posts[0].notes[1..],
            [
                "after part 1 came media without a text",
                "part 1: it names @bob@b.example, who would be told of it again",
                "part 1: its media were marked as sensitive",
                "part 1: it was not listed",
                "part 1: its language is told as de",
                "it went on for fewer people or with another warning; that is left out",
            ]
        );
        assert_eq!((found.posts[0].lang.as_deref(), found.posts[0].apart.len()), (None, 1));
        let left_out =
            [("answers to oneself for fewer people or with another warning", 2), ("answers within conversations", 1)];
        assert_eq!(found.skipped, left_out.into_iter().collect());
    }
}
