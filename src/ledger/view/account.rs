//! One account's part of the view: its deliveries, and what is kept beside them so that nobody has to look through all of
//! them.
//!
//! Invariant: the beat, the open ones and the counts say what the entries say. They change only where an entry does, by
//! where it stood before and where it stands after.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{PostId, Sorted, Timestamp};
use crate::ledger::record::Record;

use super::{Entry, Head, Sent};

/// One account's part of the view.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Account {
    pub head: Head,
    deliveries: Sorted<PostId, Entry>,
    /// What was sent, by when it was sent; a post at most once.
    beat: BTreeSet<(Timestamp, PostId)>,
    /// Deliveries with an attempt under way or owed.
    open: BTreeSet<PostId>,
    /// How many deliveries are in each state, by its name.
    counts: BTreeMap<&'static str, usize>,
}

impl Account {
    pub fn entry(&self, post: &PostId) -> Option<&Entry> {
        self.deliveries.get(post).map(|(_, entry)| entry)
    }

    /// All deliveries, by post id.
    pub fn deliveries(&self) -> impl ExactSizeIterator<Item = (&PostId, &Entry)> {
        self.deliveries.iter().map(|(post, entry)| (post, entry))
    }

    /// Deliveries with an attempt under way or owed, by post id.
    pub fn open(&self) -> impl Iterator<Item = &PostId> {
        self.open.iter()
    }

    /// How many deliveries are in each state, by its name.
    pub fn counts(&self) -> &BTreeMap<&'static str, usize> {
        &self.counts
    }

    /// The id as it is held here: those who keep it for long share it.
    pub fn id(&self, post: &PostId) -> Option<&PostId> {
        self.deliveries.get(post).map(|(id, _)| id)
    }

    /// Adds what a record of its delivery of `post` says.
    pub(super) fn apply(&mut self, post: &PostId, record: &Record) {
        let (before, after) = match self.deliveries.get_mut(post) {
            Some(entry) => {
                let before = Standing::of(entry);
                entry.apply(record);
                (Some(before), Standing::of(entry))
            }
            None => {
                let mut entry = Entry::default();
                entry.apply(record);
                let after = Standing::of(&entry);
                self.deliveries.insert(post.clone(), entry);
                (None, after)
            }
        };
        if before != Some(after) {
            if let Some(before) = before {
                self.leave(post, before);
            }
            self.enter(post, after);
        }
    }

    /// Puts back what an index has kept of a delivery.
    pub(super) fn restore(&mut self, post: PostId, entry: Entry) {
        self.enter(&post, Standing::of(&entry));
        self.deliveries.insert(post, entry);
    }

    fn leave(&mut self, post: &PostId, standing: Standing) {
        if let Some(from) = standing.sent {
            self.beat.remove(&(from, post.clone()));
        }
        if standing.open {
            self.open.remove(post);
        }
        if let Some(count) = self.counts.get_mut(standing.state) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(standing.state);
            }
        }
    }

    fn enter(&mut self, post: &PostId, standing: Standing) {
        if let Some(from) = standing.sent {
            self.beat.insert((from, post.clone()));
        }
        if standing.open {
            self.open.insert(post.clone());
        }
        *self.counts.entry(standing.state).or_default() += 1;
    }

    /// What was sent, latest first.
    pub fn beat(&self) -> impl Iterator<Item = (&PostId, &Sent)> {
        self.beat.iter().rev().filter_map(|(_, post)| {
            let sent = self.entry(post)?.sent.as_deref()?;
            Some((post, sent))
        })
    }
}

/// Where a delivery stands beside its entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Standing {
    sent: Option<Timestamp>,
    open: bool,
    state: &'static str,
}

impl Standing {
    fn of(entry: &Entry) -> Self {
        let sent = entry.sent.as_ref().map(|sent| sent.from);
        Self { sent, open: entry.state.is_open(), state: entry.state.name() }
    }
}

#[cfg(test)]
mod tests {
    use crate::ledger::view::samples::*;

    #[test]
    fn the_beat_holds_what_was_sent_or_may_have_been() {
        type Case = (&'static str, Vec<Line>, Option<(i64, Option<i64>)>);
        // What happened; then, for the beat: begun at, settled at.
        let cases: Vec<Case> = vec![
            ("nothing sent", vec![(1, planned(None))], None),
            ("under way", vec![(1, intent(1, "k"))], Some((1, None))),
            ("delivered", vec![(1, intent(1, "k")), (5, outcome(1, delivered()))], Some((1, Some(5)))),
            ("in doubt", vec![(1, intent(1, "k")), (5, outcome(1, ambiguous(60)))], Some((1, None))),
            ("nobody knows", vec![(1, intent(1, "k")), (5, outcome(1, uncertain()))], Some((1, Some(5)))),
            ("refused", vec![(1, intent(1, "k")), (5, outcome(1, refused()))], None),
            (
                "refused after a part was there",
                vec![(1, intent(1, "k")), (2, step("part", true)), (5, outcome(1, refused()))],
                Some((1, Some(5))),
            ),
            ("given up", vec![(1, intent(1, "k")), (5, outcome(1, abandoned()))], None),
            (
                "sent again later",
                vec![(1, intent(1, "k")), (2, outcome(1, retry(30, true))), (30, intent(2, "k"))],
                Some((30, None)),
            ),
        ];
        for (what, lines, sent) in cases {
            let view = fold(&lines);
            let account = view.account(&id().account).unwrap();
            let beat: Vec<_> = account.beat().map(|(_, sent)| (sent.from, sent.to)).collect();
            let sent: Vec<_> = sent.into_iter().map(|(from, to)| (at(from), to.map(at))).collect();
            assert_eq!(beat, sent, "{what}");
        }
    }
}
