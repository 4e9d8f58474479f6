//! What stops many posts at once, and lets them go again: people who wait for an answer, an account that is held as a
//! whole, the promotion share, the budget. Each change sees to those whom it concerns, and to nobody else.

use std::sync::Arc;

use crate::domain::{Dollars, Goal, Held, PostId};
use crate::queue::{ById, Post};

use super::Index;
use super::hold::cut;
use super::kind::{is_broadcast, is_promotion};
use super::order::Ranked;

impl Index {
    /// Too many people wait for an answer, or do not any more.
    pub fn set_unanswered(&mut self, unanswered: bool) {
        if self.unanswered != unanswered {
            self.unanswered = unanswered;
            self.passed_by.clear();
            let broadcasts = self.items.iter().filter(|(ById(post), _)| is_broadcast(post));
            for post in broadcasts.map(|(ById(post), _)| post.clone()).collect::<Vec<_>>() {
                self.refresh(&post);
                self.look_again(post);
            }
        }
    }

    /// The account as a whole is held, for this reason, or is not.
    pub fn set_whole(&mut self, whole: Option<Held>) {
        if whole.is_some() && whole == self.whole {
            return;
        }
        self.whole = whole;
        let called = if whole.is_some() { self.called.clone() } else { std::mem::take(&mut self.called) };
        called.iter().for_each(|id| self.look_again_at(id));
    }

    /// It is this post's turn, and the account as a whole is held.
    pub fn call(&mut self, post: &Arc<Post>) {
        if self.called.insert(post.id.clone()) {
            self.look_again(post.clone());
        }
    }

    /// Whether one more promotion post keeps the share.
    pub fn set_promotion_open(&mut self, open: bool) {
        self.promotion_open = open;
        let stuck = !open && self.nothing_but_promotion();
        if self.promotion_stuck != stuck {
            self.promotion_stuck = stuck;
            for post in self.promotion_in_line() {
                self.refresh(&post);
                if stuck {
                    self.look_again(post);
                }
            }
        }
        if open {
            std::mem::take(&mut self.passed_over).iter().for_each(|id| self.look_again_at(id));
            self.dirty.extend(self.seats.ready(Goal::Promotion).first_key().cloned());
        }
    }

    /// So much may still be spent; `None`: nothing limits it. Whoever there is enough for is in line again.
    pub fn set_left(&mut self, left: Option<Dollars>) {
        while let Some(id) = self.costs.next_affordable(left) {
            if let Some((ById(post), _)) = self.items.get(&id) {
                let post = post.clone();
                self.refresh(&post);
                self.look_again(post);
            }
        }
    }

    /// It was this post's turn, and it costs too much.
    pub fn set_aside(&mut self, post: &Arc<Post>, why: String) {
        self.costs.set_aside(&post.id, cut(&why));
        self.refresh(post);
        self.look_again(post.clone());
    }

    pub fn reckon(&mut self, post: &PostId, cost: Dollars) {
        self.costs.reckon(post, cost);
    }

    /// What a post may cost.
    pub fn cost(&self, post: &PostId) -> Dollars {
        self.costs.of(post)
    }

    pub fn some_are_dear(&self) -> bool {
        self.costs.some_are_dear()
    }

    fn nothing_but_promotion(&self) -> bool {
        let goes = |post: &Post| !(is_promotion(post) || self.unanswered && is_broadcast(post));
        let free = |post: &Arc<Post>| {
            let own = self.item(post).and_then(|item| self.own_hold(post, item));
            own.is_none() && self.series.is_first(post)
        };
        let mut fixed = self.seats.fixed.iter();
        self.seats.ready(Goal::Connection).is_empty()
            && (self.unanswered || self.seats.ready(Goal::Change).is_empty())
            && !self.later.until(self.clock).any(|post| goes(post) && free(post))
            && !fixed.any(|post| goes(post))
    }

    fn promotion_in_line(&self) -> Vec<Arc<Post>> {
        let in_line = self.seats.ready(Goal::Promotion).keys().map(|Ranked(post)| post);
        let all = in_line.chain(self.seats.fixed.iter()).chain(self.later.until(self.clock));
        all.filter(|post| is_promotion(post)).cloned().collect()
    }

    /// It was this post's turn, and the rules for its kind are against it: people wait, or the share is used up.
    pub fn pass_over(&mut self, post: &Arc<Post>) {
        let people_wait = is_broadcast(post) && self.unanswered;
        let passed = if people_wait { &mut self.passed_by } else { &mut self.passed_over };
        if passed.insert(post.id.clone()) {
            self.look_again(post.clone());
        }
    }
}
