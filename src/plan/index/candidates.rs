//! Whose turn it would be: the candidates for a slot, those whose fixed time has come, and answers.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use crate::domain::{Goal, Sorted, Timestamp, sorted};
use crate::queue::{Kind, Post};

use super::kind::{fixed_time, is_approved_at, is_broadcast, is_promotion};
use super::order::Ranked;
use super::{Index, Standing};

impl Index {
    /// Whether the rules for its kind let a post go now.
    pub fn class_may_go(&self, post: &Post) -> bool {
        !(is_broadcast(post) && self.unanswered || is_promotion(post) && !self.promotion_open)
    }

    fn best_of(&self, broadcasts: bool, promotion: bool) -> Option<&Ranked> {
        self.open_sets(broadcasts, promotion).filter_map(Sorted::first_key).min()
    }

    /// The candidates for a slot that no brake stops: broadcasts, and of those what the share limits, when they may go.
    fn open_sets(&self, broadcasts: bool, promotion: bool) -> impl Iterator<Item = &Sorted<Ranked>> {
        let sets = [(Goal::Connection, true), (Goal::Change, broadcasts), (Goal::Promotion, broadcasts && promotion)];
        sets.into_iter().filter(|(_, open)| *open).map(|(goal, _)| self.seats.ready(goal))
    }

    /// The best candidate for a slot.
    pub fn best(&self) -> Option<Arc<Post>> {
        self.best_of(!self.unanswered, self.promotion_open).map(|ranked| ranked.0.clone())
    }

    /// The promotion post that would have been the best candidate, had the share allowed it.
    pub fn best_but_for_the_share(&self) -> Option<Arc<Post>> {
        let best = self.best_of(!self.unanswered, true).filter(|_| !self.promotion_open)?;
        is_promotion(&best.0).then(|| best.0.clone())
    }

    /// The broadcast that would have been, had people been given their answers.
    pub fn best_but_for_those_who_wait(&self) -> Option<Arc<Post>> {
        let best = self.best_of(true, self.promotion_open).filter(|_| self.unanswered)?;
        is_broadcast(&best.0).then(|| best.0.clone())
    }

    /// Whether broadcasts are in line that wait only for answers to be given.
    pub fn broadcasts_wait(&self) -> bool {
        self.unanswered && [Goal::Change, Goal::Promotion].iter().any(|goal| !self.seats.ready(*goal).is_empty())
    }

    /// The candidates in the order in which slots would take them, should each of them be given up.
    pub fn in_turn(&self) -> InTurn<'_> {
        let mut heads = BTreeMap::new();
        for set in self.open_sets(!self.unanswered, self.promotion_open) {
            let mut rest = set.iter();
            if let Some((first, ())) = rest.next() {
                heads.insert(first.clone(), Some(rest));
            }
        }
        InTurn { index: self, heads }
    }

    /// Fixed posts whose time has come, earliest first.
    pub fn due(&self, now: Timestamp) -> impl Iterator<Item = &Arc<Post>> {
        self.seats.fixed.until(now)
    }

    /// Fixed posts that could go after `now` and before `until`, earliest first. One whose approval ends before its time
    /// will not.
    pub fn fixed_until(&self, now: Timestamp, until: Timestamp) -> impl Iterator<Item = &Arc<Post>> {
        let fixed = self.seats.fixed.within(Bound::Excluded(now), Bound::Excluded(until));
        fixed.filter(|post| fixed_time(post).is_none_or(|at| is_approved_at(post, at)))
    }

    pub fn reply(&self) -> Option<Arc<Post>> {
        self.seats.replies.first_key().map(|ranked| ranked.0.clone())
    }

    /// All replies that could go.
    pub fn replies(&self) -> impl Iterator<Item = &Arc<Post>> {
        self.seats.replies.keys().map(|Ranked(post)| post)
    }

    /// How many posts that no share limits are in line for a slot.
    pub fn in_line(&self) -> usize {
        self.seats.ready(Goal::Connection).len() + self.seats.ready(Goal::Change).len()
    }

    /// How many posts lose their approval until then, if nothing becomes of them before.
    pub fn lapse_until(&self, until: Timestamp) -> usize {
        self.lapsing.within(Bound::Excluded(self.clock), Bound::Included(until)).count()
    }

    /// Whether time alone may let this one go.
    pub fn may_ripen(&self, post: &Post) -> bool {
        is_approved_at(post, self.clock) && post.rare.trouble.is_none()
    }

    /// Whether an approved post is left that goes out sooner or later.
    pub fn some_are_left(&self) -> bool {
        let promotion = !self.promotion_stuck && !self.seats.ready(Goal::Promotion).is_empty();
        let others = !(self.seats.fixed.is_empty() && self.seats.replies.is_empty());
        let comes = |post: &Arc<Post>| {
            let moment = post.rare.not_before.unwrap_or(self.clock);
            is_approved_at(post, moment) && post.rare.trouble.is_none()
        };
        self.in_line() > 0 || promotion || others || self.later.iter().any(comes)
    }
}

/// See [`Index::in_turn`].
pub struct InTurn<'a> {
    index: &'a Index,
    /// The first of each set, with the rest of it; and followers of those given up.
    heads: BTreeMap<Ranked, Option<sorted::Iter<'a, Ranked>>>,
}

impl Iterator for InTurn<'_> {
    type Item = Arc<Post>;

    fn next(&mut self) -> Option<Arc<Post>> {
        let (Ranked(post), rest) = self.heads.pop_first()?;
        if let Some(mut rest) = rest
            && let Some((next, ())) = rest.next()
        {
            self.heads.insert(next.clone(), Some(rest));
        }
        if let Some(next) = self.index.series.behind(&post)
            && let Some(item) = self.index.item(next)
            && item.standing == Standing::Waiting
            && !item.later
            && fixed_time(next).is_none()
            && next.kind == Kind::Post
            && self.index.own_hold(next, item).is_none()
            && self.index.class_may_go(next)
        {
            self.heads.insert(Ranked(next.clone()), None);
        }
        Some(post)
    }
}
