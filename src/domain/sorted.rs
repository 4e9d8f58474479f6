//! A map in order that is full when it was filled in order.
//!
//! A queue is mostly read from top to bottom, and a B-tree that is filled that way ends half empty: with a million
//! posts in some five of them, half empty is a lot. Here entries lie in short lists, one after the other. A list that is
//! full is followed by a new one when the next entry comes behind it, and is cut in two only when one comes between.
//! What comes in no order at all fills it to two thirds, like a tree.

use std::borrow::Borrow;

/// Entries of a list at most: few enough that it costs nothing to move them up, many enough that finding the list costs
/// little beside them.
const LIST: usize = 64;
/// How near to an end of its list an entry may be put for the list to be cut there.
const EDGE: usize = 4;

/// See the module. No list is empty.
#[derive(Debug, Clone)]
pub struct Sorted<K, V = ()> {
    lists: Vec<Vec<(K, V)>>,
    len: usize,
}

/// Entries in order.
pub struct Iter<'a, K, V = ()> {
    lists: std::iter::Flatten<std::slice::Iter<'a, Vec<(K, V)>>>,
    left: usize,
}

impl<'a, K, V> Iterator for Iter<'a, K, V> {
    type Item = &'a (K, V);

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.lists.next()?;
        self.left -= 1;
        Some(next)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<K, V> ExactSizeIterator for Iter<'_, K, V> {}

impl<K, V> Default for Sorted<K, V> {
    fn default() -> Self {
        Self { lists: Vec::new(), len: 0 }
    }
}

impl<K: Ord, V> Sorted<K, V> {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&(K, V)>
    where
        K: Borrow<Q>,
    {
        let (list, place) = self.find(key).ok()?;
        self.lists.get(list)?.get(place)
    }

    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let (list, place) = self.find(key).ok()?;
        Some(&mut self.lists.get_mut(list)?.get_mut(place)?.1)
    }

    pub fn first(&self) -> Option<&(K, V)> {
        self.lists.first()?.first()
    }

    pub fn iter(&self) -> Iter<'_, K, V> {
        Iter { lists: self.lists.iter().flatten(), left: self.len }
    }

    /// Puts an entry in; gives the one that had an equal key.
    pub fn insert(&mut self, key: K, value: V) -> Option<(K, V)> {
        match self.find(&key) {
            Ok((list, place)) => Some(std::mem::replace(&mut self.lists[list][place], (key, value))),
            Err((list, place)) => {
                self.len += 1;
                self.insert_at(list, place, (key, value));
                None
            }
        }
    }

    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<(K, V)>
    where
        K: Borrow<Q>,
    {
        let (list, place) = self.find(key).ok()?;
        Some(self.remove_at(list, place))
    }

    pub fn pop_first(&mut self) -> Option<(K, V)> {
        (!self.is_empty()).then(|| self.remove_at(0, 0))
    }

    /// The place of a key, or where it would be put: a list, and a place in it.
    fn find<Q: Ord + ?Sized>(&self, key: &Q) -> Result<(usize, usize), (usize, usize)>
    where
        K: Borrow<Q>,
    {
        let behind = self.lists.partition_point(|list| list.first().is_some_and(|(first, _)| first.borrow() <= key));
        let list = behind.saturating_sub(1);
        let entries = self.lists.get(list).map_or(&[][..], Vec::as_slice);
        let place = entries.binary_search_by(|(other, _)| other.borrow().cmp(key));
        place.map(|place| (list, place)).map_err(|place| (list, place))
    }

    fn insert_at(&mut self, list: usize, place: usize, entry: (K, V)) {
        let is_full = |lists: &[Vec<_>], list: usize| lists.get(list).is_none_or(|entries| entries.len() >= LIST);
        if !is_full(&self.lists, list) {
            self.lists[list].insert(place, entry);
        } else if place == 0 {
            // Before all others, or the very first.
            self.lists.insert(list, vec![entry]);
        } else if place < LIST {
            // Next to an end it is most likely the next of many in order.
            let cut = if (EDGE..LIST - EDGE).contains(&place) { LIST / 2 } else { place };
            let mut rest = self.lists[list].split_off(cut);
            if place <= cut {
                self.lists[list].insert(place, entry);
            } else {
                rest.insert(place - cut, entry);
            }
            self.lists.insert(list + 1, rest);
        } else if is_full(&self.lists, list + 1) {
            self.lists.insert(list + 1, vec![entry]);
        } else {
            self.lists[list + 1].insert(0, entry);
        }
    }

    fn remove_at(&mut self, list: usize, place: usize) -> (K, V) {
        self.len -= 1;
        let entry = self.lists[list].remove(place);
        if self.lists[list].is_empty() {
            self.lists.remove(list);
        } else {
            self.join(list);
            self.join(list.saturating_sub(1));
        }
        entry
    }

    /// Makes a list and the next one into one, where that leaves room in it.
    fn join(&mut self, list: usize) {
        if self.lists[list..].iter().take(2).map(Vec::len).sum::<usize>() <= LIST / 2 && list + 1 < self.lists.len() {
            let next = self.lists.remove(list + 1);
            self.lists[list].extend(next);
        }
    }
}

/// How entries are spread over lists does not matter.
impl<K: Ord, V: PartialEq> PartialEq for Sorted<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

/// A map without values is a set.
impl<K: Ord> Sorted<K> {
    /// Puts a key in; whether it is new.
    pub fn put(&mut self, key: K) -> bool {
        self.insert(key, ()).is_none()
    }

    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.iter().map(|(key, ())| key)
    }

    pub fn first_key(&self) -> Option<&K> {
        self.first().map(|(key, ())| key)
    }
}

impl<K: Ord> Extend<K> for Sorted<K> {
    fn extend<I: IntoIterator<Item = K>>(&mut self, keys: I) {
        for key in keys {
            self.put(key);
        }
    }
}

impl<K: Ord, V> Extend<(K, V)> for Sorted<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for Sorted<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut sorted = Self::default();
        sorted.extend(entries);
        sorted
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_the_map_that_the_library_has(steps in prop::collection::vec((0u16..700, 0u8..8), 0..2_000)) {
            let (mut ours, mut theirs) = (Sorted::default(), BTreeMap::new());
            for (number, (key, what)) in steps.into_iter().enumerate() {
                match what {
                    0 | 1 => prop_assert_eq!(ours.remove(&key), theirs.remove_entry(&key)),
                    2 => prop_assert_eq!(ours.pop_first(), theirs.pop_first()),
                    // Whole runs, so that lists fill up.
                    3 => for key in key..key + 90 {
                        prop_assert_eq!(ours.insert(key, number).map(|(_, value)| value), theirs.insert(key, number));
                    },
                    _ => prop_assert_eq!(ours.insert(key, number).map(|(_, value)| value), theirs.insert(key, number)),
                }
                prop_assert_eq!(ours.get(&key).copied(), theirs.get_key_value(&key).map(|(key, value)| (*key, *value)));
                prop_assert_eq!(ours.get_mut(&key), theirs.get_mut(&key));
                prop_assert_eq!(ours.first().copied(), theirs.first_key_value().map(|(key, value)| (*key, *value)));
                prop_assert_eq!(ours.len(), theirs.len());
                prop_assert!(ours.lists.iter().all(|list| (1..=LIST).contains(&list.len())));
            }
            prop_assert_eq!(ours.iter().len(), theirs.len());
            prop_assert!(ours.iter().map(|(key, value)| (key, value)).eq(&theirs));
        }
    }

    #[test]
    fn what_comes_in_no_order_fills_it_to_two_thirds() {
        // Knuth's multiplicative hash: no two are alike, and each lies anywhere.
        let sorted: Sorted<u32> = (0..6_400u32).map(|key| (key.wrapping_mul(2_654_435_761), ())).collect();
        assert!(sorted.lists.len() <= 150, "{} lists", sorted.lists.len());
    }

    #[test]
    fn what_is_filled_in_order_is_full_and_what_is_emptied_is_given_back() {
        // Upwards; downwards; and both between two that are there already.
        for keys in [
            (0..6_400).collect::<Vec<u32>>(),
            (0..6_400).rev().collect(),
            [0, 9_999].into_iter().chain(1..6_399).collect(),
            [0, 9_999].into_iter().chain((1..6_399).rev()).collect(),
        ] {
            let mut sorted: Sorted<u32> = keys.iter().map(|key| (*key, ())).collect();
            assert!(sorted.lists.len() <= 103, "{} lists", sorted.lists.len());
            for key in keys.iter().filter(|key| *key % 32 != 0) {
                sorted.remove(key);
            }
            assert!(sorted.lists.len() <= 20, "{} lists for {} entries", sorted.lists.len(), sorted.len());
        }
    }
}
