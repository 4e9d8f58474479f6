//! Where each post stands: what is against it, and the seat that it has by that.
//!
//! Only what a person could mend, what its own dates say and what was set aside is against the post itself; brakes and the
//! share are against all posts of its kind, and leave it where it is in line.

use std::sync::Arc;

use crate::domain::{Held, limits};
use crate::queue::{Approval, Kind, Post, Trouble};

use super::kind::{fixed_time, is_broadcast, is_promotion};
use super::seats::Seat;
use super::series::Move;
use super::{Index, Item, Standing};

/// Cut to what a recorded reason keeps, so that it compares equal with what was recorded.
pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(limits::QUOTED_CHARS) {
        Some(_) => text.chars().take(limits::QUOTED_CHARS - 1).chain(['…']).collect(),
        None => text.into(),
    }
}

impl Index {
    /// What is against the post itself, in the order in which a person would have to mend it.
    pub(super) fn own_hold(&self, post: &Post, item: &Item) -> Option<(Held, Option<String>)> {
        if let Some(trouble) = &post.rare.trouble {
            let (reason, why) = match trouble {
                Trouble::Media(why) => (Held::MediaMissing, why),
                Trouble::Invalid(why) => (Held::Invalid, why),
                Trouble::Duplicate(why) => (Held::Duplicate, why),
            };
            return Some((reason, Some(cut(why))));
        }
        if let Some((reason, why)) = item.extra.as_ref().and_then(|extra| extra.objection.as_ref()) {
            return Some((*reason, Some(cut(why))));
        }
        let lapsed = post.rare.lapse.as_ref().filter(|lapse| post.approval.is_given() && lapse.at <= self.clock);
        let (approval, why) = match lapsed {
            Some(lapse) => (lapse.approval, Some(&lapse.why)),
            None => (post.approval, post.rare.unapproved.as_ref()),
        };
        let why = || why.map(|why| cut(why));
        match approval {
            Approval::Approved | Approval::Signed => {}
            Approval::NotApproved => return Some((Held::NotApproved, why())),
            Approval::Stale => return Some((Held::ApprovalStale, why())),
        }
        if item.later
            && let Some(moment) = post.rare.not_before.filter(|moment| *moment > self.clock)
        {
            return Some((Held::NotBefore, Some(format!("not before {moment}"))));
        }
        if item.awaits
            && let Some(answers) = item.extra.as_ref().and_then(|extra| extra.answers.as_ref())
        {
            return Some((Held::WaitingSeries, Some(format!("answers {answers}, which is not delivered"))));
        }
        self.costs.why(&post.id).map(|why| (Held::Budget, Some(why.clone())))
    }

    /// What is against all posts of its kind.
    pub(super) fn class_hold(&self, post: &Arc<Post>) -> Option<Held> {
        if is_broadcast(post) && self.unanswered {
            return Some(Held::Unanswered);
        }
        // Behind others of its series it is they who matter.
        (is_promotion(post) && self.promotion_stuck && self.series.is_first(post)).then_some(Held::PromotionShare)
    }

    /// Puts a post where it belongs after something about it has changed.
    pub(super) fn refresh(&mut self, post: &Arc<Post>) {
        let Some(item) = self.item(post) else { return };
        let free = item.standing == Standing::Waiting && self.own_hold(post, item).is_none();
        if post.rare.series.is_some() {
            let holds_up = match item.standing {
                Standing::Waiting => !free || self.class_hold(post).is_some(),
                Standing::Stuck => true,
                Standing::UnderWay | Standing::Left | Standing::Over(_) => false,
            };
            self.in_series(post, if holds_up { Move::HoldsUp } else { Move::LetsPass });
        }
        self.reseat(post);
    }

    fn reseat(&mut self, post: &Arc<Post>) {
        let Some(item) = self.item(post) else { return };
        let (old, seat) = (item.seat, self.seat(post, item));
        if old != seat {
            self.sit(post, seat);
        }
    }

    pub(super) fn seat(&self, post: &Arc<Post>, item: &Item) -> Seat {
        if item.standing != Standing::Waiting {
            return Seat::Nowhere;
        }
        let free = self.own_hold(post, item).is_none() && self.series.is_first(post);
        match (fixed_time(post), post.kind) {
            (Some(_), _) if free => Seat::Fixed,
            (Some(_), _) => Seat::FixedHeld,
            (None, Kind::Post) if free && !item.later => Seat::Ready,
            (None, Kind::Reply) if free && !item.later => Seat::Reply,
            _ => Seat::Nowhere,
        }
    }

    pub(super) fn sit(&mut self, post: &Arc<Post>, seat: Seat) {
        let Some(item) = self.items.get_mut(&post.id) else { return };
        let old = std::mem::replace(&mut item.seat, seat);
        if old != seat {
            self.seats.remove(post, old);
            self.seats.put(post, seat);
        }
    }

    /// Does something in the series of a post, if it has one, and sees to all whom that concerns.
    pub(super) fn in_series(&mut self, post: &Arc<Post>, step: Move) {
        for head in self.series.change(post, step, &mut self.dirty) {
            self.refresh(&head);
        }
        self.series.tidy(post);
    }
}
