//! The budget of a month: what may still be spent, what posts may cost, and which of them cost too much.
//!
//! A post is looked at when its turn comes. One that would pass the budget is set aside then, and the next one may go
//! that costs less; it is in line again as soon as there is enough for it, which a new month, a higher budget or a
//! cheaper outcome than was feared may bring. What was begun is no business of the budget any more.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::policy::Policy;
use crate::domain::{Dollars, Month, PostId, Timestamp};

use super::past::Past;

/// The account's budget in one month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Purse {
    cap: Dollars,
    spent: Dollars,
    pub month: Month,
}

impl Purse {
    /// What may be spent now; `None` where nothing limits it.
    pub fn of(policy: &Policy, past: &Past<'_>, now: Timestamp) -> Option<Self> {
        let month = Month::of(now);
        policy.budget.map(|cap| Self { cap, spent: past.spent(month), month })
    }

    /// What may still be spent, with what is set aside counted as spent.
    pub fn left(self) -> Dollars {
        self.cap.minus(self.spent)
    }

    /// Why a post that may cost so much is held.
    pub fn too_little_for(self, cost: Dollars) -> String {
        let Self { cap, spent, month } = self;
        if cost > cap {
            return format!("it may cost {cost} USD, and the budget of a month is {cap}");
        }
        format!(
            "{spent} of {cap} USD are spent in {month}, it may cost {cost}; the next month begins at {}",
            month.end()
        )
    }
}

/// What the posts of an account may cost. Empty where there is no budget.
#[derive(Debug, Clone, Default)]
pub struct Costs {
    each: BTreeMap<PostId, Dollars>,
    /// Those that were set aside, with the reason.
    dear: BTreeMap<PostId, String>,
    /// The same, cheapest first.
    cheapest: BTreeSet<(Dollars, PostId)>,
}

impl Costs {
    pub fn reckon(&mut self, post: &PostId, cost: Dollars) {
        self.put_back(post);
        self.each.insert(post.clone(), cost);
    }

    pub fn forget(&mut self, post: &PostId) {
        self.put_back(post);
        self.each.remove(post);
    }

    /// What a post may cost; nothing where nobody reckons.
    pub fn of(&self, post: &PostId) -> Dollars {
        self.each.get(post).copied().unwrap_or_default()
    }

    /// Whether costs are reckoned for this post.
    pub fn knows(&self, post: &PostId) -> bool {
        self.each.contains_key(post)
    }

    pub fn set_aside(&mut self, post: &PostId, why: String) {
        self.cheapest.insert((self.of(post), post.clone()));
        self.dear.insert(post.clone(), why);
    }

    /// Why a post was set aside.
    pub fn why(&self, post: &PostId) -> Option<&String> {
        self.dear.get(post)
    }

    pub fn some_are_dear(&self) -> bool {
        !self.dear.is_empty()
    }

    /// Puts one back that costs no more than is `left`; `None`: nothing limits it.
    pub fn next_affordable(&mut self, left: Option<Dollars>) -> Option<PostId> {
        let (cost, post) = self.cheapest.first()?.clone();
        if left.is_some_and(|left| cost > left) {
            return None;
        }
        self.put_back(&post);
        Some(post)
    }

    fn put_back(&mut self, post: &PostId) {
        if self.dear.remove(post).is_some() {
            self.cheapest.remove(&(self.of(post), post.clone()));
        }
    }
}
