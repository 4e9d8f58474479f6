//! The posts whose turn may come, each in the one set that answers for it.

use std::sync::Arc;

use crate::domain::{Goal, Sorted};
use crate::queue::Post;

use super::kind::fixed_time;
use super::order::Ranked;
use super::timers::Timers;

/// The set in which a post stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seat {
    Nowhere,
    Ready,
    Reply,
    Fixed,
    FixedHeld,
}

/// See the module. The index sees to it that each post stands where its item says.
#[derive(Debug, Clone, Default)]
pub(super) struct Seats {
    /// Candidates for a slot, by [`Goal`].
    ready: [Sorted<Ranked>; 3],
    pub(super) replies: Sorted<Ranked>,
    /// By their own time: those that could go then, and those that are held.
    pub(super) fixed: Timers,
    pub(super) fixed_held: Timers,
}

impl Seats {
    /// Candidates for a slot that have this goal.
    pub(super) fn ready(&self, goal: Goal) -> &Sorted<Ranked> {
        &self.ready[set_of(goal)]
    }

    pub(super) fn put(&mut self, post: &Arc<Post>, seat: Seat) {
        let ranked = || Ranked(post.clone());
        let at = fixed_time(post).unwrap_or_default();
        match seat {
            Seat::Nowhere => {}
            Seat::Ready => _ = self.ready[set_of(post.goal)].put(ranked()),
            Seat::Reply => _ = self.replies.put(ranked()),
            Seat::Fixed => self.fixed.put(at, post),
            Seat::FixedHeld => self.fixed_held.put(at, post),
        }
    }

    pub(super) fn remove(&mut self, post: &Arc<Post>, seat: Seat) {
        let ranked = || Ranked(post.clone());
        let at = fixed_time(post).unwrap_or_default();
        match seat {
            Seat::Nowhere => {}
            Seat::Ready => _ = self.ready[set_of(post.goal)].remove(&ranked()),
            Seat::Reply => _ = self.replies.remove(&ranked()),
            Seat::Fixed => self.fixed.remove(at, post),
            Seat::FixedHeld => self.fixed_held.remove(at, post),
        }
    }
}

fn set_of(goal: Goal) -> usize {
    match goal {
        Goal::Connection => 0,
        Goal::Change => 1,
        Goal::Promotion => 2,
    }
}
