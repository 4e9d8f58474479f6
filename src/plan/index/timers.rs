//! Posts by a moment of theirs, so that the next one is found without a look at the others.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::Timestamp;
use crate::domain::time::after;
use crate::queue::Post;

use super::order::Ranked;

/// A post at a moment; `None` stands before all posts of that moment.
type Timed = (Timestamp, Option<Ranked>);

/// See the module. Posts of one moment stand by rank.
#[derive(Debug, Clone, Default)]
pub(super) struct Timers(BTreeSet<Timed>);

impl Timers {
    pub(super) fn put(&mut self, moment: Timestamp, post: &Arc<Post>) {
        self.0.insert((moment, Some(Ranked(post.clone()))));
    }

    pub(super) fn remove(&mut self, moment: Timestamp, post: &Arc<Post>) {
        self.0.remove(&(moment, Some(Ranked(post.clone()))));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn first(&self) -> Option<(Timestamp, &Arc<Post>)> {
        let (moment, post) = self.0.first()?;
        Some((*moment, &post.as_ref()?.0))
    }

    /// The next of their moments that is later than this one.
    pub(super) fn next_after(&self, moment: Timestamp) -> Option<Timestamp> {
        self.0.range(behind(moment)..).next().map(|(moment, _)| *moment)
    }

    /// Earliest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Post>> {
        self.0.iter().filter_map(|(_, post)| post.as_ref().map(|ranked| &ranked.0))
    }

    /// Those whose moment is not after this one, earliest first.
    pub(super) fn until(&self, moment: Timestamp) -> impl Iterator<Item = &Arc<Post>> {
        self.within(Bound::Unbounded, Bound::Included(moment))
    }

    /// Those whose moment is between two, earliest first.
    pub(super) fn within(&self, from: Bound<Timestamp>, to: Bound<Timestamp>) -> impl Iterator<Item = &Arc<Post>> {
        let from = match from {
            Bound::Included(moment) => Bound::Included((moment, None)),
            Bound::Excluded(moment) => Bound::Included(behind(moment)),
            Bound::Unbounded => Bound::Unbounded,
        };
        let to = match to {
            Bound::Included(moment) => Bound::Excluded(behind(moment)),
            Bound::Excluded(moment) => Bound::Excluded((moment, None)),
            Bound::Unbounded => Bound::Unbounded,
        };
        let empty = matches!((&from, &to), (Bound::Included(from), Bound::Excluded(to)) if from >= to);
        let range = (!empty).then(|| self.0.range((from, to)));
        range.into_iter().flatten().filter_map(|(_, post)| post.as_ref().map(|ranked| &ranked.0))
    }
}

/// A probe that stands behind all posts of a moment: without a post it stands before those of the next nanosecond.
fn behind(moment: Timestamp) -> Timed {
    (after(moment, Duration::from_nanos(1)), None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_costs_little_beside_its_post() {
        // A tree that is filled in no order at all is two thirds full.
        assert!(size_of::<Timed>() * 3 / 2 <= 40);
    }
}
