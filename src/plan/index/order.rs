//! Posts in an order of their own. Sets of them share the posts themselves, compared by their fields.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::queue::Post;

/// A post by its place in line for a slot: higher priority first, then file name, then place in the file.
#[derive(Debug, Clone)]
pub(super) struct Ranked(pub(super) Arc<Post>);

/// A post by its place in the queue.
#[derive(Debug, Clone)]
pub(super) struct Placed(pub(super) Arc<Post>);

macro_rules! ordered_by {
    ($name:ident, $compare:expr) => {
        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                let compare: fn(&Post, &Post) -> Ordering = $compare;
                compare(&self.0, &other.0)
            }
        }
        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }
        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.cmp(other).is_eq()
            }
        }
        impl Eq for $name {}
    };
}

fn by_place(a: &Post, b: &Post) -> Ordering {
    // While a file is being read anew two posts may claim one place.
    a.order.cmp(&b.order).then_with(|| a.id.cmp(&b.id))
}

ordered_by!(Ranked, |a, b| b.priority.cmp(&a.priority).then_with(|| by_place(a, b)));
ordered_by!(Placed, by_place);
