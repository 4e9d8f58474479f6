//! Posts that go one after the other: each series a line, in the order of the queue.
//!
//! Who stands first, and who holds up all behind it, decides about everybody else of the line; so whenever that changes,
//! those whom it concerns are to be looked at again.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use crate::domain::Sorted;
use crate::queue::Post;

use super::order::{Placed, Ranked};

/// All series, by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Lines(BTreeMap<Box<str>, Line>);

#[derive(Debug, Clone, Default)]
struct Line {
    all: BTreeSet<Placed>,
    /// Those of the line that hold up all after them, until something other than time in line helps.
    stuck: BTreeSet<Placed>,
    /// Somebody behind an attempt was looked at, and may be held because of it.
    looked: bool,
}

/// What a post does in its line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Move {
    Joins,
    Leaves,
    HoldsUp,
    LetsPass,
}

impl Lines {
    /// Changes the line of a post, if it has one. Whoever is held for another reason now, or for none, is put into
    /// `dirty`; who was first, and who is now, is given back where these are two.
    pub(super) fn change(&mut self, post: &Arc<Post>, step: Move, dirty: &mut Sorted<Ranked>) -> Vec<Arc<Post>> {
        let Some(name) = &post.rare.series else { return Vec::new() };
        if !self.0.contains_key(name) {
            self.0.insert(name.clone(), Line::default());
        }
        let Some(line) = self.0.get_mut(name) else { return Vec::new() };
        let before = (line.all.first().cloned(), line.stuck.first().cloned());
        line.take(step, Placed(post.clone()));
        let now = (line.all.first().cloned(), line.stuck.first().cloned());
        if before.1 != now.1
            && let Some(from) = before.1.iter().chain(&now.1).min()
        {
            let behind = line.all.range((Bound::Excluded(from.clone()), Bound::Unbounded));
            dirty.extend(behind.map(|placed| Ranked(placed.0.clone())));
        }
        if before.0 == now.0 {
            return Vec::new();
        }
        if std::mem::take(&mut line.looked) {
            dirty.extend(line.all.iter().map(|placed| Ranked(placed.0.clone())));
        }
        dirty.extend(now.0.iter().map(|placed| Ranked(placed.0.clone())));
        before.0.into_iter().chain(now.0).map(|placed| placed.0).collect()
    }

    /// Forgets the line of a post when nobody is left in it.
    pub(super) fn tidy(&mut self, post: &Post) {
        if let Some(name) = &post.rare.series
            && self.0.get(name).is_some_and(|line| line.all.is_empty())
        {
            self.0.remove(name);
        }
    }

    /// Whether nobody is before it.
    pub(super) fn is_first(&self, post: &Post) -> bool {
        let first = self.of(post).and_then(|line| line.all.first());
        first.is_none_or(|first| first.0.id == post.id)
    }

    /// The first of its line, when that is another one before it.
    pub(super) fn first_before(&self, post: &Arc<Post>) -> Option<&Arc<Post>> {
        let first = self.of(post)?.all.first().filter(|first| **first < Placed(post.clone()))?;
        Some(&first.0)
    }

    /// The first that holds up all after it, when that is another one before it.
    pub(super) fn stuck_before(&self, post: &Arc<Post>) -> Option<&Arc<Post>> {
        let first = self.of(post)?.stuck.first().filter(|first| **first < Placed(post.clone()))?;
        Some(&first.0)
    }

    /// Who comes next after it.
    pub(super) fn behind(&self, post: &Arc<Post>) -> Option<&Arc<Post>> {
        let behind = (Bound::Excluded(Placed(post.clone())), Bound::Unbounded);
        self.of(post)?.all.range(behind).next().map(|placed| &placed.0)
    }

    /// Somebody was looked at behind an attempt of his series: when that is over, he is looked at again.
    pub(super) fn note_look(&mut self, post: &Post) {
        if let Some(line) = post.rare.series.as_ref().and_then(|name| self.0.get_mut(name)) {
            line.looked = true;
        }
    }

    fn of(&self, post: &Post) -> Option<&Line> {
        post.rare.series.as_ref().and_then(|name| self.0.get(name))
    }
}

impl Line {
    fn take(&mut self, step: Move, post: Placed) {
        match step {
            Move::Joins => _ = self.all.insert(post),
            Move::Leaves => {
                self.all.remove(&post);
                self.stuck.remove(&post);
            }
            // It may be on its way out.
            Move::HoldsUp if self.all.contains(&post) => _ = self.stuck.insert(post),
            Move::HoldsUp | Move::LetsPass => _ = self.stuck.remove(&post),
        }
    }
}
