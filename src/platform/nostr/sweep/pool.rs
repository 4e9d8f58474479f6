//! Events of all relays, each once, and what they say about notes.
//!
//! What has no genuine signature does not come in. What was taken back by its own author (NIP-09) counts for nothing any
//! more, whatever relays go on showing; a deletion by anybody else is none. Of what is taken back it is still known what
//! it answered, so that what stands below it keeps its place.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::event::{DELETION, Event, NOTE, PROFILE, REACTION, REPOSTS, bytes};
use super::super::{ENTRY, nip19};
use crate::domain::{BotSign, Interaction, PersonId, Profile, Timestamp};

#[derive(Debug, Default)]
pub struct Pool {
    events: BTreeMap<String, Event>,
    /// Ids, and by whom they were taken back.
    undone: BTreeSet<(String, String)>,
    /// The newest one of each author.
    profiles: BTreeMap<String, Event>,
    /// Of all that is held, as text.
    bytes: usize,
}

/// Most events of one sweep, and most bytes: what strangers write costs no more memory than that. Whoever has more is told
/// in part.
const EVENTS: usize = 10_000;
const BYTES: usize = 16 * 1024 * 1024;

/// What a note answers.
struct Answers<'a> {
    root: &'a str,
    parent: &'a str,
}

impl Pool {
    /// Takes an event in, where it is genuine; whether it is.
    pub fn take(&mut self, event: Event) -> bool {
        if self.events.get(&event.id) == Some(&event) {
            return true;
        }
        if Timestamp::from_second(event.created_at).is_err() || !event.is_genuine() {
            return false;
        }
        match event.kind {
            DELETION => self.undone.extend(tagged(&event, "e").map(|id| (id.to_owned(), event.pubkey.clone()))),
            PROFILE => {
                // Of two of the same second, relays keep the one with the lowest id.
                let rank = |event: &Event| (event.created_at, std::cmp::Reverse(event.id.clone()));
                let held = self.profiles.get(&event.pubkey);
                if held.is_none_or(|held| rank(held) < rank(&event)) {
                    self.profiles.insert(event.pubkey.clone(), event);
                }
                return true;
            }
            _ => {}
        }
        self.bytes += event.content.len() + event.tags.iter().flatten().map(String::len).sum::<usize>();
        self.events.insert(event.id.clone(), event);
        true
    }

    /// Whether it holds as much as it may.
    pub fn is_full(&self) -> bool {
        self.events.len() > EVENTS || self.bytes > BYTES
    }

    /// Everything that can be taken back, by id, with its author.
    pub fn authors(&self) -> impl Iterator<Item = (&str, &str)> {
        let events = self.events.values().filter(|event| event.kind != DELETION);
        events.map(|event| (event.id.as_str(), event.pubkey.as_str()))
    }

    /// An event that its author has not taken back.
    pub fn find(&self, id: &str) -> Option<&Event> {
        self.events.get(id).filter(|event| self.stands(event))
    }

    pub fn is_undone(&self, id: &str, author: &str) -> bool {
        self.undone.contains(&(id.to_owned(), author.to_owned()))
    }

    fn stands(&self, event: &Event) -> bool {
        !self.is_undone(&event.id, &event.pubkey)
    }

    /// Everything that stands, oldest first.
    fn standing(&self) -> Vec<&Event> {
        let mut events: Vec<&Event> = self.events.values().filter(|event| self.stands(event)).collect();
        events.sort_by_key(|event| (event.created_at, event.id.as_str()));
        events
    }

    /// Who has done that with a note, each once, and when first.
    pub fn who(&self, kind: Interaction, note: &str) -> BTreeMap<&str, i64> {
        let did = |event: &&&Event| match kind {
            // Pictures are neither likes nor dislikes (NIP-25).
            Interaction::Like => {
                event.kind == REACTION && matches!(event.content.as_str(), "+" | "") && target(event) == Some(note)
            }
            Interaction::Repost => REPOSTS.contains(&event.kind) && target(event) == Some(note),
            Interaction::Quote => event.kind == NOTE && tagged(event, "q").any(|id| id == note),
            _ => false,
        };
        let mut who = BTreeMap::new();
        for event in self.standing().iter().filter(did) {
            who.entry(event.pubkey.as_str()).or_insert(event.created_at);
        }
        who
    }

    /// Notes that name an author, oldest first.
    pub fn naming(&self, author: &str) -> Vec<&Event> {
        let names = |event: &&Event| event.kind == NOTE && tagged(event, "p").any(|key| key == author);
        self.standing().into_iter().filter(names).collect()
    }

    /// Ids of all that hangs below a note, also of what was taken back.
    fn inside(&self, note: &str) -> BTreeSet<&str> {
        let mut answers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        let mut next = Vec::new();
        for event in self.events.values().filter(|event| event.kind == NOTE) {
            if let Some(Answers { root, parent }) = answered(event) {
                answers.entry(parent).or_default().push(&event.id);
                // What stands between is not there any more, or was never told.
                next.extend((root == note).then_some(event.id.as_str()));
            }
        }
        next.extend(answers.get(note).into_iter().flatten());
        let mut inside = BTreeSet::new();
        while let Some(id) = next.pop() {
            if id != note && inside.insert(id) {
                next.extend(answers.get(id).into_iter().flatten());
            }
        }
        inside
    }

    /// The notes below one, oldest first.
    pub fn below(&self, note: &str) -> Vec<&Event> {
        let inside = self.inside(note);
        self.standing().into_iter().filter(|event| inside.contains(event.id.as_str())).collect()
    }

    /// Ids of everything that hangs below any of these.
    pub fn all_below<'a>(&self, notes: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
        notes.flat_map(|note| self.inside(note)).map(str::to_owned).collect()
    }

    /// How an author looks: by the name that they give themselves, or by their key.
    pub fn profile(&self, author: &str) -> Option<Profile> {
        let person = PersonId::new(ENTRY.name, author)?;
        let told = self.profiles.get(author).and_then(|event| serde_json::from_str(&event.content).ok());
        let told: Value = told.unwrap_or_default();
        let bot = (told["bot"] == true).then_some(BotSign::SelfLabel);
        let names = ["name", "display_name"].into_iter().filter_map(|key| told[key].as_str());
        let mut named = names.map(|name| Profile::new(person.clone(), name, bot));
        named.find(|profile| !profile.handle.is_empty()).or_else(|| {
            let npub = nip19::encode("npub", &bytes(author)?)?;
            Some(Profile::new(person.clone(), &npub, bot))
        })
    }
}

/// What an event names by a tag, in order.
fn tagged<'a>(event: &'a Event, name: &'static str) -> impl DoubleEndedIterator<Item = &'a str> {
    let named = move |tag: &'a Vec<String>| tag.first().is_some_and(|first| first == name).then(|| tag.get(1));
    event.tags.iter().filter_map(named).flatten().map(String::as_str).filter(|id| is_id(id))
}

fn is_id(text: &str) -> bool {
    bytes(text).is_some_and(|bytes| bytes.len() == 32)
}

/// What a reaction or a repost is of: the last event that it names (NIP-25).
fn target(event: &Event) -> Option<&str> {
    tagged(event, "e").next_back()
}

/// What a note answers, by its marks, or where it has none, by the order of what it names (NIP-10).
fn answered(event: &Event) -> Option<Answers<'_>> {
    let marked = |mark: &str| {
        let is = |tag: &&Vec<String>| tag.len() > 3 && tag[0] == "e" && tag[3] == mark && is_id(&tag[1]);
        event.tags.iter().find(is).map(|tag| tag[1].as_str())
    };
    match (marked("root"), marked("reply")) {
        (root, Some(parent)) => Some(Answers { root: root.unwrap_or(parent), parent }),
        (Some(root), None) => Some(Answers { root, parent: root }),
        // What is only mentioned is marked so by old clients.
        (None, None) if marked("mention").is_some() => None,
        (None, None) => {
            let mut named = tagged(event, "e");
            let root = named.next()?;
            Some(Answers { root, parent: named.next_back().unwrap_or(root) })
        }
    }
}

/// What a note answers directly.
pub fn parent(event: &Event) -> Option<&str> {
    answered(event).map(|answers| answers.parent)
}
