//! Where what was read stands, for messages about a post that was read before. A post does not carry the places of its
//! parts, for there may be a million of them: whoever has something to say reads the file once more.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::domain::document::{Faults, Text};
use crate::domain::{AccountId, Place};
use crate::queue::Order;

use super::keys::LISTS;

/// Where the parts of one entry stand.
#[derive(Debug, Clone, Default)]
pub struct Places {
    whole: Range<usize>,
    keys: BTreeMap<String, Range<usize>>,
}

impl Places {
    /// Where a key of the entry stands; that of its variant for `account`, when it has one; else the entry itself. A
    /// key with more behind it (`media[1]`, `thread.2`) is looked for by its first part.
    pub fn of(&self, key: &str, account: Option<&AccountId>) -> Range<usize> {
        let key = key.split(['[', '.']).next().unwrap_or(key);
        let own = account.and_then(|account| self.keys.get(&format!("variant.{account}.{key}")));
        own.or_else(|| self.keys.get(key)).unwrap_or(&self.whole).clone()
    }
}

/// Where the parts of every entry stand, in the order of [`Order::place`]. For messages only.
pub fn locate(text: &Text<'_>) -> Vec<Places> {
    let mut faults = Faults::new(text, Vec::new());
    let root = text.parse(&mut faults);
    let mut all = Vec::new();
    for (name, _) in LISTS {
        let entries = root.get(name).and_then(|value| value.get_ref().as_array());
        for entry in entries.into_iter().flat_map(|entries| entries.iter()) {
            let mut places = Places { whole: entry.span(), keys: BTreeMap::new() };
            for (key, value) in entry.get_ref().as_table().into_iter().flat_map(|table| table.iter()) {
                places.keys.insert(key.get_ref().to_string(), value.span());
                if key.get_ref() != "variant" {
                    continue;
                }
                for (account, own) in value.get_ref().as_table().into_iter().flat_map(|table| table.iter()) {
                    for (key, value) in own.get_ref().as_table().into_iter().flat_map(|table| table.iter()) {
                        let name = format!("variant.{}.{}", account.get_ref(), key.get_ref());
                        places.keys.insert(name, value.span());
                    }
                }
            }
            all.push(places);
        }
    }
    all
}

/// The place of an entry's key, for messages about a post that was read before.
pub fn place(text: &Text<'_>, places: &[Places], order: &Order, key: &str, account: Option<&AccountId>) -> Place {
    match places.get(order.place as usize) {
        Some(entry) => text.place(entry.of(key, account)),
        None => Place::file(&order.file),
    }
}
