//! The index over one account's waiting deliveries: who could go, who is held and why, and when time changes that.
//!
//! Every post stands in one ordered set by what it waits for (`seats`), so that the next candidate, the next timer and the next
//! member of a series are found in log n. Sets share the posts themselves (`Arc`), ordered by their own fields: a
//! waiting post costs some fifty bytes here, and one with dates some forty more for each set of timers.
//!
//! The index knows what the ledger says only at the moments it is told ([`Index::put`], [`Index::settle`],
//! [`Index::verdicts`]); in between it keeps what may differ from the ledger in `dirty`. It does not know of slots
//! and of the beat: that is `turn`.
//!
//! Here posts come and go. Whose a delivery is says `hands`; where a waiting post stands, and what is against it, `hold`;
//! what time changes `clock`, what stops many at once `brakes`; whose turn it is `candidates`, what is to be said `verdicts`.
//!
//! Invariants: a candidate (ready, a reply, or fixed) is waiting, is held by nothing of its own, and is the first
//! of its series. A member of a series is in its line exactly while it is waiting, under way, or stuck.

mod brakes;
mod candidates;
mod clock;
mod hands;
mod hold;
mod kind;
mod order;
mod seats;
mod series;
mod timers;
mod verdicts;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::{Held, PostId, Sorted, State, Timestamp};
use crate::ledger::view::{Account, Entry};
use crate::queue::{ById, Post};

use super::purse::Costs;
use hands::is_delivered;
use kind::lapses_at;
use order::Ranked;
use seats::{Seat, Seats};
use series::{Lines, Move};
use timers::Timers;

pub use hands::{Hands, hands, is_over};
pub use kind::{fixed_time, is_broadcast, is_promotion};
pub use verdicts::{POSTS_A_STEP, introduction};

/// See the module.
#[derive(Debug, Clone)]
pub struct Index {
    items: Sorted<ById, Item>,
    /// Those whose turn may come.
    seats: Seats,
    /// By `not_before`.
    later: Timers,
    /// By `expires`.
    expiring: Timers,
    /// By the end of their approval.
    lapsing: Timers,
    series: Lines,
    /// Answered post of ours, and who waits for it.
    awaiting: BTreeMap<PostId, BTreeSet<PostId>>,
    /// Those whose state in the ledger is looked up at each step.
    unsure: BTreeSet<PostId>,
    /// Those whose state may differ from what the ledger says.
    dirty: Sorted<Ranked>,
    /// The last `now`.
    clock: Timestamp,
    /// Posts were let in line for all slots up to this one, or those are over.
    released: Timestamp,
    /// Too many people wait for an answer.
    unanswered: bool,
    /// The account as a whole is held, and these are the posts whose turn has come since.
    whole: Option<Held>,
    called: BTreeSet<PostId>,
    promotion_open: bool,
    /// The promotion share is used up, and nothing else is in line that would free some of it.
    promotion_stuck: bool,
    /// Promotion posts whose turn it was when the share was used up.
    passed_over: BTreeSet<PostId>,
    /// Broadcasts whose turn it was while too many people waited for an answer.
    passed_by: BTreeSet<PostId>,
    costs: Costs,
}

impl Default for Index {
    fn default() -> Self {
        Self {
            items: Sorted::default(),
            seats: Seats::default(),
            later: Timers::default(),
            expiring: Timers::default(),
            lapsing: Timers::default(),
            series: Lines::default(),
            awaiting: BTreeMap::new(),
            unsure: BTreeSet::new(),
            dirty: Sorted::default(),
            clock: Timestamp::MIN,
            released: Timestamp::MIN,
            unanswered: false,
            whole: None,
            called: BTreeSet::new(),
            promotion_open: true,
            promotion_stuck: false,
            passed_over: BTreeSet::new(),
            passed_by: BTreeSet::new(),
            costs: Costs::default(),
        }
    }
}

/// What the index keeps of a post.
#[derive(Debug, Clone)]
struct Item {
    extra: Option<Box<Extra>>,
    standing: Standing,
    seat: Seat,
    /// Its `not_before` is ahead, or no slot at or after it has come yet.
    later: bool,
    /// The post it answers is not delivered.
    awaits: bool,
}

impl Item {
    /// Of a post that is kept for its series only.
    fn kept(standing: Standing) -> Self {
        Self { extra: None, standing, seat: Seat::Nowhere, later: false, awaits: false }
    }
}

#[derive(Debug, Clone)]
struct Extra {
    objection: Option<(Held, String)>,
    /// The post of ours that it answers.
    answers: Option<PostId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Waiting,
    /// Kept for its series only: an attempt is under way or owed, or it was taken out and nobody has looked why.
    UnderWay,
    /// Kept for its series only: it has left the queue in the middle of an attempt.
    Left,
    /// Kept for its series only: a person has to decide about it first.
    Stuck,
    /// Its time has passed; kept until the ledger says so.
    Over(End),
}

/// How a wait ends without an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Expired,
    /// Its fixed time is over.
    Missed,
}

impl Index {
    /// Adds a post, or replaces the one of the same id. `answers` is the post of ours that it answers.
    pub fn put(
        &mut self,
        post: &Arc<Post>,
        objection: Option<(Held, String)>,
        answers: Option<PostId>,
        account: Option<&Account>,
    ) {
        let entry = account.and_then(|account| account.entry(&post.id));
        // Whose turn has come is not called again.
        let held_with_it = |entry: &&Entry| {
            matches!(entry.state, State::Held { reason, .. } if reason.is_of_the_account())
                && entry.digest == Some(post.digest)
        };
        let called = self.called.contains(&post.id) || entry.filter(held_with_it).is_some();
        self.take_out(&post.id);
        // What was too dear when its turn came stays so until there is enough for it.
        if let Some(State::Held { reason: Held::Budget, detail }) = entry.map(|entry| &entry.state)
            && self.costs.knows(&post.id)
            && entry.is_some_and(|entry| entry.digest == Some(post.digest))
        {
            self.costs.set_aside(&post.id, detail.as_deref().unwrap_or_default().into());
        }
        let standing = match hands(entry, post) {
            Hands::Plan => Some(Standing::Waiting),
            Hands::UnderWay if post.rare.series.is_some() => Some(Standing::UnderWay),
            Hands::Stuck if post.rare.series.is_some() => Some(Standing::Stuck),
            _ => None,
        };
        if let Some(standing) = standing {
            let awaits = answers.as_ref().is_some_and(|target| !is_delivered(account, target));
            let extra = (objection.is_some() || answers.is_some()).then(|| Box::new(Extra { objection, answers }));
            self.insert(post, Item { extra, standing, seat: Seat::Nowhere, later: false, awaits });
            if called && standing == Standing::Waiting {
                self.called.insert(post.id.clone());
            }
            if standing == Standing::Waiting {
                self.compare(post, entry);
            }
        }
        self.tell_waiting(&post.id, entry.is_some_and(|entry| matches!(entry.state, State::Delivered { .. })));
    }

    /// Takes a post out. A member of a series still holds its place until the ledger tells what became of it: it may
    /// be taken out because it is being sent.
    pub fn remove(&mut self, id: &PostId) {
        self.costs.forget(id);
        let Some((post, item)) = self.take_out(id) else { return };
        let standing = match item.standing {
            Standing::Waiting => Standing::UnderWay,
            Standing::UnderWay | Standing::Left => Standing::Left,
            // What is not in the queue any more holds up nobody.
            Standing::Stuck | Standing::Over(_) => return,
        };
        if post.rare.series.is_some() {
            self.insert(&post, Item::kept(standing));
        }
    }

    /// Takes a post out that was delivered.
    pub fn delivered(&mut self, id: &PostId) {
        self.costs.forget(id);
        self.take_out(id);
        self.tell_waiting(id, true);
    }

    /// Takes a post out that goes nowhere from here.
    pub fn drop_out(&mut self, id: &PostId) {
        self.costs.forget(id);
        self.take_out(id);
    }

    fn insert(&mut self, post: &Arc<Post>, mut item: Item) {
        if item.standing == Standing::Waiting {
            if let Some(moment) = post.rare.not_before
                && self.waits_for(post, moment)
            {
                self.later.put(moment, post);
                item.later = true;
            }
            if let Some(moment) = post.rare.expires {
                self.expiring.put(moment, post);
            }
            if let Some(moment) = lapses_at(post) {
                self.lapsing.put(moment, post);
            }
            if let Some(answers) = item.extra.as_ref().and_then(|extra| extra.answers.clone()) {
                self.awaiting.entry(answers).or_default().insert(post.id.clone());
            }
        }
        if matches!(item.standing, Standing::UnderWay | Standing::Left) {
            self.unsure.insert(post.id.clone());
        }
        if post.rare.series.is_none() {
            // Nobody else is concerned, and it can be seated before it is looked up for the first time.
            item.seat = self.seat(post, &item);
            self.seats.put(post, item.seat);
            self.items.insert(ById(post.clone()), item);
            return;
        }
        self.items.insert(ById(post.clone()), item);
        self.in_series(post, Move::Joins);
        self.refresh(post);
    }

    fn take_out(&mut self, id: &PostId) -> Option<(Arc<Post>, Item)> {
        let (ById(post), _) = self.items.get(id)?;
        let post = post.clone();
        self.leave(&post);
        let (_, item) = self.items.remove(id)?;
        if let Some(answers) = item.extra.as_ref().and_then(|extra| extra.answers.as_ref())
            && let Some(waiting) = self.awaiting.get_mut(answers)
        {
            waiting.remove(id);
            if waiting.is_empty() {
                self.awaiting.remove(answers);
            }
        }
        self.unsure.remove(id);
        self.passed_over.remove(id);
        self.passed_by.remove(id);
        self.called.remove(id);
        self.dirty.remove(&Ranked(post.clone()));
        Some((post, item))
    }

    /// Out of all sets but `items`.
    fn leave(&mut self, post: &Arc<Post>) {
        self.in_series(post, Move::Leaves);
        // Only now: leaving the series may have given it another seat.
        self.sit(post, Seat::Nowhere);
        if let Some(moment) = post.rare.not_before {
            self.later.remove(moment, post);
        }
        if let Some(moment) = post.rare.expires {
            self.expiring.remove(moment, post);
        }
        if let Some(moment) = lapses_at(post) {
            self.lapsing.remove(moment, post);
        }
    }

    /// Its wait is over without an attempt.
    fn end(&mut self, post: &Arc<Post>, end: End) {
        self.leave(post);
        if let Some(item) = self.items.get_mut(&post.id) {
            item.standing = Standing::Over(end);
            item.later = false;
        }
        self.look_again(post.clone());
    }

    /// Tells those who answer `target` whether it is delivered.
    fn tell_waiting(&mut self, target: &PostId, delivered: bool) {
        let waiting: Vec<PostId> = self.awaiting.get(target).into_iter().flatten().cloned().collect();
        for id in waiting {
            let Some((ById(post), item)) = self.items.get(&id) else { continue };
            if item.awaits != delivered {
                continue;
            }
            let post = post.clone();
            if let Some(item) = self.items.get_mut(&id) {
                item.awaits = !delivered;
            }
            self.refresh(&post);
            self.look_again(post);
        }
    }

    fn item(&self, post: &Post) -> Option<&Item> {
        self.items.get(&post.id).map(|(_, item)| item)
    }

    pub fn is_waiting(&self, id: &PostId) -> bool {
        self.items.get(id).is_some_and(|(_, item)| item.standing == Standing::Waiting)
    }

    /// All posts that wait.
    pub fn waiting(&self) -> impl Iterator<Item = &Arc<Post>> {
        let waiting = self.items.iter().filter(|(_, item)| item.standing == Standing::Waiting);
        waiting.map(|(ById(post), _)| post)
    }

    /// Its state may not be what the ledger says.
    fn look_again(&mut self, post: Arc<Post>) {
        self.dirty.put(Ranked(post));
    }

    pub fn look_again_at(&mut self, id: &PostId) {
        if let Some((ById(post), _)) = self.items.get(id) {
            self.dirty.put(Ranked(post.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiting_post_costs_little_beside_itself() {
        // Once in `items` and once in line. What is filled in order is full; else two thirds of it are.
        let bytes = size_of::<(ById, Item)>() + size_of::<Ranked>();
        assert!(bytes * 3 / 2 <= 60, "{bytes}");
    }
}
