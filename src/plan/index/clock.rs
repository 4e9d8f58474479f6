//! What time alone changes: who is let in, whose wait is over, and when it is worth while to look again.

use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::Timestamp;
use crate::domain::time::after;
use crate::queue::{ById, Kind, Post};

use super::seats::Seat;
use super::timers::Timers;
use super::{End, Index, Item, Standing};

impl Index {
    /// It is `now`. `late_grace` is how late a fixed time may be kept. Returns the posts whose wait has ended by it,
    /// with the word for it.
    pub fn advance(&mut self, now: Timestamp, late_grace: Duration) -> Vec<(Arc<Post>, &'static str)> {
        if now < self.clock {
            self.turn_back(now);
        }
        let since = |timers: &Timers| {
            let passed = timers.within(Bound::Excluded(self.clock), Bound::Included(now));
            passed.cloned().collect::<Vec<Arc<Post>>>()
        };
        let (passed, lapsed) = (since(&self.later), since(&self.lapsing));
        self.clock = now;
        self.judge_again(lapsed);
        for post in passed {
            if post.kind == Kind::Reply || post.rare.at.is_some() {
                self.let_in(&post);
            }
            self.refresh(&post);
            self.look_again(post);
        }
        let mut ended = Vec::new();
        while let Some((moment, post)) = self.expiring.first()
            && moment <= now
        {
            let post = post.clone();
            self.end(&post, End::Expired);
            ended.push((post, "expired"));
        }
        for held in [false, true] {
            while let Some((at, post)) = (if held { &self.seats.fixed_held } else { &self.seats.fixed }).first()
                && after(at, late_grace) <= now
            {
                let post = post.clone();
                self.end(&post, End::Missed);
                ended.push((post, "missed"));
            }
        }
        ended
    }

    /// The clock was ahead, and somebody has set it right: what it let in too early waits once more. Walks through
    /// everything, as seldom as that happens.
    fn turn_back(&mut self, now: Timestamp) {
        let lapsed = self.lapsing.within(Bound::Excluded(now), Bound::Included(self.clock)).cloned().collect();
        self.clock = now;
        self.judge_again(lapsed);
        self.released = self.released.min(now);
        let ahead = |post: &Post| post.rare.not_before.is_some_and(|moment| moment > now);
        let waiting = self.items.iter().filter(|(ById(post), item)| item.standing == Standing::Waiting && ahead(post));
        let early: Vec<_> = waiting.map(|(ById(post), _)| post.clone()).collect();
        for post in early {
            if let Some((post, item)) = self.take_out(&post.id) {
                self.insert(&post, Item { seat: Seat::Nowhere, later: false, ..item });
                self.look_again(post);
            }
        }
    }

    /// The approval of these has ended, or has not any more.
    fn judge_again(&mut self, posts: Vec<Arc<Post>>) {
        for post in posts {
            self.refresh(&post);
            self.look_again(post);
        }
    }

    fn let_in(&mut self, post: &Arc<Post>) {
        if let Some(moment) = post.rare.not_before {
            self.later.remove(moment, post);
        }
        if let Some(item) = self.items.get_mut(&post.id) {
            item.later = false;
        }
    }

    /// Lets those in line for slots that may use this one, or one after it.
    pub fn release(&mut self, slot: Timestamp) {
        self.released = self.released.max(slot.min(self.clock));
        while let Some((moment, post)) = self.later.first()
            && moment <= self.released
        {
            let post = post.clone();
            self.let_in(&post);
            self.refresh(&post);
        }
    }

    /// Whether somebody is waiting for a slot later than the one [`Self::release`] was told last.
    pub fn wait_for_a_later_slot(&self, now: Timestamp) -> bool {
        self.later.until(now).next().is_some()
    }

    /// The next moment later than `now` at which time changes something about a post.
    pub fn wake(&self, now: Timestamp, late_grace: Duration) -> Option<Timestamp> {
        let later = self.later.next_after(now);
        let fixed = self.seats.fixed.next_after(now);
        let expiring = self.expiring.first().map(|(moment, _)| moment);
        let over = [&self.seats.fixed, &self.seats.fixed_held];
        let over = over.map(|timers| timers.first().map(|(at, _)| after(at, late_grace)));
        let lapsing = self.lapsing.next_after(now);
        let all = [later, fixed, expiring, lapsing, over[0], over[1]];
        all.into_iter().flatten().filter(|moment| *moment > now).min()
    }

    /// Whether a post with `not_before` at `moment` has to wait for it. One for a slot waits for a slot; one with a
    /// fixed time after it does not go before it anyway.
    pub(super) fn waits_for(&self, post: &Post, moment: Timestamp) -> bool {
        match (post.kind, post.rare.at) {
            (Kind::Reply, _) => moment > self.clock,
            (Kind::Post, Some(at)) => moment > self.clock && moment > at,
            (Kind::Post, None) => moment > self.released,
        }
    }
}
