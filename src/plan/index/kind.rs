//! Which rules a post falls under, by what it says itself.

use crate::domain::{Goal, Timestamp};
use crate::queue::{Kind, Post};

/// The fixed time of a post that has one. Answers have none: they go as soon as they may.
pub fn fixed_time(post: &Post) -> Option<Timestamp> {
    post.rare.at.filter(|_| post.kind == Kind::Post)
}

/// Whether the promotion share applies.
pub fn is_promotion(post: &Post) -> bool {
    post.kind == Kind::Post && post.goal == Goal::Promotion
}

/// Whether it is held while too many people wait for an answer.
pub fn is_broadcast(post: &Post) -> bool {
    post.kind == Kind::Post && post.goal != Goal::Connection
}

/// When an approval that was given ends, where that is known.
pub(super) fn lapses_at(post: &Post) -> Option<Timestamp> {
    post.rare.lapse.as_ref().filter(|_| post.approval.is_given()).map(|lapse| lapse.at)
}

/// Whether a post is approved, and still is at a moment.
pub(super) fn is_approved_at(post: &Post, moment: Timestamp) -> bool {
    post.approval.is_given() && lapses_at(post).is_none_or(|end| moment < end)
}
