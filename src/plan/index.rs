//! The index over one account's waiting deliveries: who could go, who is held and why, and when time changes that.
//!
//! Every post stands in one ordered set by what it waits for, so that the next candidate, the next timer and the next
//! member of a series are found in log n. Sets share the posts themselves (`Arc`), ordered by their own fields: a
//! waiting post costs some fifty bytes here, and one with dates some forty more for each set of timers.
//!
//! The index knows what the ledger says only at the moments it is told ([`Index::put`], [`Index::settle`],
//! [`Index::verdicts`]); in between it keeps what may differ from the ledger in `dirty`. It does not know of slots
//! and of the beat: that is `turn`.
//!
//! Invariants: a candidate (`ready`, `replies`, `fixed`) is waiting, is held by nothing of its own, and is the first
//! of its series. A member of a series is in its line exactly while it is waiting, under way, or stuck.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::limits;
use crate::domain::time::after;
use crate::domain::{Dollars, Goal, Held, PostId, Sorted, State, Timestamp, sorted};
use crate::ledger::view::{Account, Entry};
use crate::queue::{Approval, Kind, Post, Trouble};

use super::lane::Verdict;
use super::purse::Costs;

/// Most posts that one step says something new about. What is left follows at once; in between, sending goes on.
pub const POSTS_A_STEP: usize = 250;

/// A post by its place in line for a slot: higher priority first, then file name, then place in the file.
#[derive(Debug, Clone)]
pub struct Ranked(pub Arc<Post>);

/// A post by its place in the queue.
#[derive(Debug, Clone)]
struct Placed(Arc<Post>);

/// A post by its id.
#[derive(Debug, Clone)]
struct Named(Arc<Post>);

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
ordered_by!(Named, |a, b| a.id.cmp(&b.id));

impl Borrow<PostId> for Named {
    fn borrow(&self) -> &PostId {
        &self.0.id
    }
}

/// A post at a moment; `None` stands before all posts of that moment.
type Timed = (Timestamp, Option<Ranked>);

fn timed(moment: Timestamp, post: &Arc<Post>) -> Timed {
    (moment, Some(Ranked(post.clone())))
}

fn posts_in(set: &BTreeSet<Timed>, from: Bound<Timestamp>, to: Bound<Timestamp>) -> impl Iterator<Item = &Arc<Post>> {
    // A probe without a post stands before the posts of its moment, so it turns "not this moment" into "from the
    // next nanosecond on".
    let next = |moment: Timestamp| (after(moment, Duration::from_nanos(1)), None);
    let from = match from {
        Bound::Included(moment) => Bound::Included((moment, None)),
        Bound::Excluded(moment) => Bound::Included(next(moment)),
        Bound::Unbounded => Bound::Unbounded,
    };
    let to = match to {
        Bound::Included(moment) => Bound::Excluded(next(moment)),
        Bound::Excluded(moment) => Bound::Excluded((moment, None)),
        Bound::Unbounded => Bound::Unbounded,
    };
    let empty = matches!((&from, &to), (Bound::Included(from), Bound::Excluded(to)) if from >= to);
    let range = (!empty).then(|| set.range((from, to)));
    range.into_iter().flatten().filter_map(|(_, post)| post.as_ref().map(|ranked| &ranked.0))
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

/// The set in which a post stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seat {
    Nowhere,
    Ready,
    Reply,
    Fixed,
    FixedHeld,
}

#[derive(Debug, Clone, Default)]
struct Series {
    line: BTreeSet<Placed>,
    /// Those of the line that hold up all after them, until something other than time in line helps.
    stuck: BTreeSet<Placed>,
    /// Somebody behind an attempt was looked at, and may be held because of it.
    looked: bool,
}

/// Which state a post should be in.
#[derive(Debug, Clone, PartialEq)]
enum Want {
    /// That one.
    Be(Status),
    /// The first, when nothing is said of it yet; the second is as good, and a record saved.
    Either(Status, Status),
    End(End),
}

#[derive(Debug, Clone, PartialEq)]
enum Status {
    Scheduled,
    Held(Held, Option<String>),
}

/// Whose a delivery is by the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hands {
    Plan,
    UnderWay,
    Stuck,
    Over,
}

/// Whether the plan has nothing more to do with the delivery of `post`.
pub fn is_over(entry: Option<&Entry>, post: &Post) -> bool {
    hands(entry, post) == Hands::Over
}

/// Whose the delivery of `post` is. A post that ended without an attempt is the plan's again when its content has
/// changed, one that was withdrawn when it is back; one that a person dropped never.
pub fn hands(entry: Option<&Entry>, post: &Post) -> Hands {
    let Some(entry) = entry else { return Hands::Plan };
    if entry.dropped {
        return Hands::Over;
    }
    match &entry.state {
        State::Held { .. } | State::Scheduled | State::Withdrawn => Hands::Plan,
        State::Missed | State::Expired if entry.digest.is_some_and(|digest| digest != post.digest) => Hands::Plan,
        State::Missed | State::Expired | State::Delivered { .. } => Hands::Over,
        State::Sending { .. } | State::Retrying { .. } => Hands::UnderWay,
        State::Uncertain { .. } | State::Refused { .. } => Hands::Stuck,
    }
}

/// The fixed time of a post that has one. Answers have none: they go as soon as they may.
pub fn fixed_time(post: &Post) -> Option<Timestamp> {
    post.rare.at.filter(|_| post.kind == Kind::Post)
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Index {
    items: Sorted<Named, Item>,
    /// Candidates for a slot, by [`Goal`].
    ready: [Sorted<Ranked>; 3],
    replies: Sorted<Ranked>,
    /// By their own time: those that could go then, and those that are held.
    fixed: BTreeSet<Timed>,
    fixed_held: BTreeSet<Timed>,
    /// By `not_before`.
    later: BTreeSet<Timed>,
    /// By `expires`.
    expiring: BTreeSet<Timed>,
    series: BTreeMap<Box<str>, Series>,
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
    costs: Costs,
}

impl Default for Index {
    fn default() -> Self {
        Self {
            items: Sorted::default(),
            ready: Default::default(),
            replies: Sorted::default(),
            fixed: BTreeSet::new(),
            fixed_held: BTreeSet::new(),
            later: BTreeSet::new(),
            expiring: BTreeSet::new(),
            series: BTreeMap::new(),
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
            costs: Costs::default(),
        }
    }
}

fn goal_set(goal: Goal) -> usize {
    match goal {
        Goal::Connection => 0,
        Goal::Change => 1,
        Goal::Promotion => 2,
    }
}

/// Whether it is held while too many people wait for an answer.
fn is_broadcast(post: &Post) -> bool {
    post.kind == Kind::Post && post.goal != Goal::Connection
}

/// Whether the promotion share applies.
pub fn is_promotion(post: &Post) -> bool {
    post.kind == Kind::Post && post.goal == Goal::Promotion
}

/// Cut to what a recorded reason keeps, so that it compares equal with what was recorded.
fn cut(text: &str) -> String {
    match text.char_indices().nth(limits::QUOTED_CHARS) {
        Some(_) => text.chars().take(limits::QUOTED_CHARS - 1).chain(['…']).collect(),
        None => text.into(),
    }
}

// Posts come and go.
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
            if standing == Standing::Waiting
                && let Some(want) = self.item(post).map(|item| self.want(post, item))
            {
                self.note_look(post, &want);
                if !is_said(&want, post, entry) {
                    self.dirty.put(Ranked(post.clone()));
                }
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
            let item = Item { extra: None, standing, seat: Seat::Nowhere, later: false, awaits: false };
            self.insert(&post, item);
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
                self.later.insert(timed(moment, post));
                item.later = true;
            }
            if let Some(moment) = post.rare.expires {
                self.expiring.insert(timed(moment, post));
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
            self.enter(post, item.seat);
            self.items.insert(Named(post.clone()), item);
            return;
        }
        self.items.insert(Named(post.clone()), item);
        self.in_series(post, |series, placed| {
            series.line.insert(placed);
        });
        self.refresh(post);
    }

    /// Whether a post with `not_before` at `moment` has to wait for it. One for a slot waits for a slot; one with a
    /// fixed time after it does not go before it anyway.
    fn waits_for(&self, post: &Post, moment: Timestamp) -> bool {
        match (post.kind, post.rare.at) {
            (Kind::Reply, _) => moment > self.clock,
            (Kind::Post, Some(at)) => moment > self.clock && moment > at,
            (Kind::Post, None) => moment > self.released,
        }
    }

    fn take_out(&mut self, id: &PostId) -> Option<(Arc<Post>, Item)> {
        let (Named(post), _) = self.items.get(id)?;
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
        self.called.remove(id);
        self.dirty.remove(&Ranked(post.clone()));
        Some((post, item))
    }

    /// Out of all sets but `items`.
    fn leave(&mut self, post: &Arc<Post>) {
        self.in_series(post, |series, placed| {
            series.line.remove(&placed);
            series.stuck.remove(&placed);
        });
        // Only now: leaving the series may have given it another seat.
        self.sit(post, Seat::Nowhere);
        if let Some(moment) = post.rare.not_before {
            self.later.remove(&timed(moment, post));
        }
        if let Some(moment) = post.rare.expires {
            self.expiring.remove(&timed(moment, post));
        }
    }

    /// Its wait is over without an attempt.
    fn end(&mut self, post: &Arc<Post>, end: End) {
        self.leave(post);
        if let Some(item) = self.items.get_mut(&post.id) {
            item.standing = Standing::Over(end);
            item.later = false;
        }
        self.dirty.put(Ranked(post.clone()));
    }

    /// Tells those who answer `target` whether it is delivered.
    fn tell_waiting(&mut self, target: &PostId, delivered: bool) {
        let waiting: Vec<PostId> = self.awaiting.get(target).into_iter().flatten().cloned().collect();
        for id in waiting {
            let Some((Named(post), item)) = self.items.get(&id) else { continue };
            if item.awaits != delivered {
                continue;
            }
            let post = post.clone();
            if let Some(item) = self.items.get_mut(&id) {
                item.awaits = !delivered;
            }
            self.refresh(&post);
            self.dirty.put(Ranked(post));
        }
    }
}

fn is_delivered(account: Option<&Account>, post: &PostId) -> bool {
    let entry = account.and_then(|account| account.entry(post));
    entry.is_some_and(|entry| matches!(entry.state, State::Delivered { .. }))
}

// Where each stands.
impl Index {
    fn item(&self, post: &Post) -> Option<&Item> {
        self.items.get(&post.id).map(|(_, item)| item)
    }

    /// What is against the post itself, in the order in which a person would have to mend it.
    fn own_hold(&self, post: &Post, item: &Item) -> Option<(Held, Option<String>)> {
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
        let why = || post.rare.unapproved.as_deref().map(cut);
        match post.approval {
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
    fn class_hold(&self, post: &Arc<Post>) -> Option<Held> {
        if is_broadcast(post) && self.unanswered {
            return Some(Held::Unanswered);
        }
        // Behind others of its series it is they who matter.
        (is_promotion(post) && self.promotion_stuck && self.is_first(post)).then_some(Held::PromotionShare)
    }

    fn is_first(&self, post: &Arc<Post>) -> bool {
        let Some(name) = &post.rare.series else { return true };
        let first = self.series.get(name).and_then(|series| series.line.first());
        first.is_none_or(|first| first.0.id == post.id)
    }

    /// Puts a post where it belongs after something about it has changed.
    fn refresh(&mut self, post: &Arc<Post>) {
        let Some(item) = self.item(post) else { return };
        let free = item.standing == Standing::Waiting && self.own_hold(post, item).is_none();
        if post.rare.series.is_some() {
            let holds_up = match item.standing {
                Standing::Waiting => !free || self.class_hold(post).is_some(),
                Standing::Stuck => true,
                Standing::UnderWay | Standing::Left | Standing::Over(_) => false,
            };
            self.in_series(post, |series, placed| {
                // It may be on its way out.
                if holds_up && series.line.contains(&placed) {
                    series.stuck.insert(placed);
                } else {
                    series.stuck.remove(&placed);
                }
            });
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

    fn seat(&self, post: &Arc<Post>, item: &Item) -> Seat {
        if item.standing != Standing::Waiting {
            return Seat::Nowhere;
        }
        let free = self.own_hold(post, item).is_none() && self.is_first(post);
        match (fixed_time(post), post.kind) {
            (Some(_), _) if free => Seat::Fixed,
            (Some(_), _) => Seat::FixedHeld,
            (None, Kind::Post) if free && !item.later => Seat::Ready,
            (None, Kind::Reply) if free && !item.later => Seat::Reply,
            _ => Seat::Nowhere,
        }
    }

    fn sit(&mut self, post: &Arc<Post>, seat: Seat) {
        let Some(item) = self.items.get_mut(&post.id) else { return };
        let old = std::mem::replace(&mut item.seat, seat);
        if old != seat {
            self.get_up(post, old);
            self.enter(post, seat);
        }
    }

    fn enter(&mut self, post: &Arc<Post>, seat: Seat) {
        let ranked = || Ranked(post.clone());
        let at = fixed_time(post).unwrap_or_default();
        match seat {
            Seat::Nowhere => false,
            Seat::Ready => self.ready[goal_set(post.goal)].put(ranked()),
            Seat::Reply => self.replies.put(ranked()),
            Seat::Fixed => self.fixed.insert(timed(at, post)),
            Seat::FixedHeld => self.fixed_held.insert(timed(at, post)),
        };
    }

    fn get_up(&mut self, post: &Arc<Post>, seat: Seat) {
        let ranked = || Ranked(post.clone());
        let at = fixed_time(post).unwrap_or_default();
        match seat {
            Seat::Nowhere => false,
            Seat::Ready => self.ready[goal_set(post.goal)].remove(&ranked()).is_some(),
            Seat::Reply => self.replies.remove(&ranked()).is_some(),
            Seat::Fixed => self.fixed.remove(&timed(at, post)),
            Seat::FixedHeld => self.fixed_held.remove(&timed(at, post)),
        };
    }

    /// Changes the series of a post, if it has one, and sees to all whom that concerns.
    fn in_series(&mut self, post: &Arc<Post>, change: impl FnOnce(&mut Series, Placed)) {
        let Some(name) = &post.rare.series else { return };
        if !self.series.contains_key(name) {
            self.series.insert(name.clone(), Series::default());
        }
        let Some(series) = self.series.get_mut(name) else { return };
        let before = (series.line.first().cloned(), series.stuck.first().cloned());
        change(series, Placed(post.clone()));
        let now = (series.line.first().cloned(), series.stuck.first().cloned());
        if before.1 != now.1 {
            // Whoever is behind the one or the other is held for another reason now, or for none.
            if let Some(from) = before.1.iter().chain(&now.1).min() {
                let behind = series.line.range((Bound::Excluded(from.clone()), Bound::Unbounded));
                self.dirty.extend(behind.map(|placed| Ranked(placed.0.clone())));
            }
        }
        if before.0 != now.0 {
            if std::mem::take(&mut series.looked) {
                self.dirty.extend(series.line.iter().map(|placed| Ranked(placed.0.clone())));
            }
            self.dirty.extend(now.0.iter().map(|placed| Ranked(placed.0.clone())));
            for Placed(post) in before.0.into_iter().chain(now.0) {
                self.refresh(&post);
            }
        }
        if self.series.get(name).is_some_and(|series| series.line.is_empty()) {
            self.series.remove(name);
        }
    }
}

// Time, brakes and the share.
impl Index {
    /// Looks up in the ledger what became of those that left the plan's hands.
    pub fn settle(&mut self, account: Option<&Account>) {
        for id in self.unsure.clone() {
            let Some((Named(post), item)) = self.items.get(&id) else {
                self.unsure.remove(&id);
                continue;
            };
            let (post, standing) = (post.clone(), item.standing);
            let entry = account.and_then(|account| account.entry(&id));
            match (hands(entry, &post), standing) {
                (Hands::UnderWay | Hands::Stuck, _) if post.rare.series.is_none() => self.drop_out(&id),
                (Hands::UnderWay, Standing::UnderWay | Standing::Left) => {}
                (Hands::Stuck, Standing::Left) => self.drop_out(&id),
                (hands @ (Hands::UnderWay | Hands::Stuck), _) => {
                    self.take_out(&id);
                    let standing = if hands == Hands::Stuck { Standing::Stuck } else { Standing::UnderWay };
                    let item = Item { extra: None, standing, seat: Seat::Nowhere, later: false, awaits: false };
                    self.insert(&post, item);
                }
                (Hands::Over, _) | (Hands::Plan, Standing::UnderWay | Standing::Left | Standing::Stuck) => {
                    let delivered = is_delivered(account, &id);
                    self.drop_out(&id);
                    self.tell_waiting(&id, delivered);
                }
                (Hands::Plan, _) => {
                    self.unsure.remove(&id);
                    self.dirty.put(Ranked(post));
                }
            }
        }
    }

    /// The same, for a look between two steps: what has been begun since the last one is not the plan's any more.
    pub fn settle_begun(&mut self, account: Option<&Account>) {
        self.unsure.extend(account.into_iter().flat_map(Account::open).cloned());
        self.settle(account);
    }

    /// It is `now`. `late_grace` is how late a fixed time may be kept. Returns the posts whose wait has ended by it,
    /// with the word for it.
    pub fn advance(&mut self, now: Timestamp, late_grace: Duration) -> Vec<(Arc<Post>, &'static str)> {
        if now < self.clock {
            self.turn_back(now);
        }
        let passed: Vec<Arc<Post>> =
            posts_in(&self.later, Bound::Excluded(self.clock), Bound::Included(now)).cloned().collect();
        self.clock = now;
        for post in passed {
            if post.kind == Kind::Reply || post.rare.at.is_some() {
                self.let_in(&post);
            }
            self.refresh(&post);
            self.dirty.put(Ranked(post));
        }
        let mut ended = Vec::new();
        while let Some((moment, Some(Ranked(post)))) = self.expiring.first().cloned()
            && moment <= now
        {
            self.end(&post, End::Expired);
            ended.push((post, "expired"));
        }
        for held in [false, true] {
            let set = |index: &Self| (if held { &index.fixed_held } else { &index.fixed }).first().cloned();
            while let Some((at, Some(Ranked(post)))) = set(self)
                && after(at, late_grace) <= now
            {
                self.end(&post, End::Missed);
                ended.push((post, "missed"));
            }
        }
        ended
    }

    /// The clock was ahead, and somebody has set it right: what it let in too early waits once more. Walks through
    /// everything, as seldom as that happens.
    fn turn_back(&mut self, now: Timestamp) {
        self.clock = now;
        self.released = self.released.min(now);
        let ahead = |post: &Post| post.rare.not_before.is_some_and(|moment| moment > now);
        let waiting = self.items.iter().filter(|(Named(post), item)| item.standing == Standing::Waiting && ahead(post));
        let early: Vec<_> = waiting.map(|(Named(post), _)| post.clone()).collect();
        for post in early {
            if let Some((post, item)) = self.take_out(&post.id) {
                self.insert(&post, Item { seat: Seat::Nowhere, later: false, ..item });
                self.dirty.put(Ranked(post));
            }
        }
    }

    fn let_in(&mut self, post: &Arc<Post>) {
        if let Some(moment) = post.rare.not_before {
            self.later.remove(&timed(moment, post));
        }
        if let Some(item) = self.items.get_mut(&post.id) {
            item.later = false;
        }
    }

    /// Lets those in line for slots that may use this one, or one after it.
    pub fn release(&mut self, slot: Timestamp) {
        self.released = self.released.max(slot.min(self.clock));
        while let Some((moment, Some(Ranked(post)))) = self.later.first().cloned()
            && moment <= self.released
        {
            self.let_in(&post);
            self.refresh(&post);
        }
    }

    /// Whether somebody is waiting for a slot later than the one [`Self::release`] was told last.
    pub fn wait_for_a_later_slot(&self, now: Timestamp) -> bool {
        posts_in(&self.later, Bound::Unbounded, Bound::Included(now)).next().is_some()
    }

    /// Too many people wait for an answer, or do not any more.
    pub fn set_unanswered(&mut self, unanswered: bool) {
        if self.unanswered != unanswered {
            self.unanswered = unanswered;
            let broadcasts = self.items.iter().filter(|(Named(post), _)| is_broadcast(post));
            for post in broadcasts.map(|(Named(post), _)| post.clone()).collect::<Vec<_>>() {
                self.refresh(&post);
                self.dirty.put(Ranked(post));
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
        for id in called {
            if let Some((Named(post), _)) = self.items.get(&id) {
                self.dirty.put(Ranked(post.clone()));
            }
        }
    }

    /// It is this post's turn, and the account as a whole is held.
    pub fn call(&mut self, post: &Arc<Post>) {
        if self.called.insert(post.id.clone()) {
            self.dirty.put(Ranked(post.clone()));
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
                    self.dirty.put(Ranked(post));
                }
            }
        }
        if open {
            for id in std::mem::take(&mut self.passed_over) {
                if let Some((Named(post), _)) = self.items.get(&id) {
                    self.dirty.put(Ranked(post.clone()));
                }
            }
            self.dirty.extend(self.ready[goal_set(Goal::Promotion)].first_key().cloned());
        }
    }

    /// So much may still be spent; `None`: nothing limits it. Whoever there is enough for is in line again.
    pub fn set_left(&mut self, left: Option<Dollars>) {
        while let Some(id) = self.costs.next_affordable(left) {
            if let Some((Named(post), _)) = self.items.get(&id) {
                let post = post.clone();
                self.refresh(&post);
                self.dirty.put(Ranked(post));
            }
        }
    }

    /// It was this post's turn, and it costs too much.
    pub fn set_aside(&mut self, post: &Arc<Post>, why: String) {
        self.costs.set_aside(&post.id, cut(&why));
        self.refresh(post);
        self.dirty.put(Ranked(post.clone()));
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
            own.is_none() && self.is_first(post)
        };
        let mut later = posts_in(&self.later, Bound::Unbounded, Bound::Included(self.clock));
        let mut fixed = self.fixed.iter().filter_map(|(_, post)| post.as_ref());
        self.ready[goal_set(Goal::Connection)].is_empty()
            && (self.unanswered || self.ready[goal_set(Goal::Change)].is_empty())
            && !later.any(|post| goes(post) && free(post))
            && !fixed.any(|Ranked(post)| goes(post))
    }

    fn promotion_in_line(&self) -> Vec<Arc<Post>> {
        let fixed = self.fixed.iter().filter_map(|(_, post)| post.as_ref());
        let in_line = self.ready[goal_set(Goal::Promotion)].keys().chain(fixed).map(|Ranked(post)| post);
        let all = in_line.chain(posts_in(&self.later, Bound::Unbounded, Bound::Included(self.clock)));
        all.filter(|post| is_promotion(post)).cloned().collect()
    }

    /// It was this promotion post's turn, and the share is used up.
    pub fn pass_over(&mut self, post: &Arc<Post>) {
        if self.passed_over.insert(post.id.clone()) {
            self.dirty.put(Ranked(post.clone()));
        }
    }

    /// The next moment later than `now` at which time changes something about a post.
    pub fn wake(&self, now: Timestamp, late_grace: Duration) -> Option<Timestamp> {
        let next = |set| posts_in(set, Bound::Excluded(now), Bound::Unbounded).next();
        let later = next(&self.later).and_then(|post| post.rare.not_before);
        let fixed = next(&self.fixed).and_then(|post| fixed_time(post));
        let expiring = self.expiring.first().map(|(moment, _)| *moment);
        let over = [&self.fixed, &self.fixed_held].map(|set| set.first().map(|(at, _)| after(*at, late_grace)));
        let all = [later, fixed, expiring, over[0], over[1]];
        all.into_iter().flatten().filter(|moment| *moment > now).min()
    }
}

// Candidates.
impl Index {
    /// Whether the rules for its kind let a post go now.
    pub fn class_may_go(&self, post: &Post) -> bool {
        !(is_broadcast(post) && self.unanswered || is_promotion(post) && !self.promotion_open)
    }

    fn best_of(&self, promotion: bool) -> Option<&Ranked> {
        let [connection, change, promoting] = &self.ready;
        let sets = [
            Some(connection),
            (!self.unanswered).then_some(change),
            (!self.unanswered && promotion).then_some(promoting),
        ];
        sets.into_iter().flatten().filter_map(Sorted::first_key).min()
    }

    /// The best candidate for a slot.
    pub fn best(&self) -> Option<Arc<Post>> {
        self.best_of(self.promotion_open).map(|ranked| ranked.0.clone())
    }

    /// The promotion post that would have been the best candidate, had the share allowed it.
    pub fn best_but_for_the_share(&self) -> Option<Arc<Post>> {
        let best = self.best_of(true).filter(|_| !self.promotion_open)?;
        is_promotion(&best.0).then(|| best.0.clone())
    }

    /// Whether broadcasts are in line that wait only for answers to be given.
    pub fn broadcasts_wait(&self) -> bool {
        self.unanswered && !(self.ready[1].is_empty() && self.ready[2].is_empty())
    }

    /// The candidates in the order in which slots would take them, should each of them be given up.
    pub fn in_turn(&self) -> InTurn<'_> {
        let sets = [true, !self.unanswered, !self.unanswered && self.promotion_open];
        let mut heads = BTreeMap::new();
        for (set, _) in self.ready.iter().zip(sets).filter(|(_, open)| *open) {
            let mut rest = set.iter();
            if let Some((first, ())) = rest.next() {
                heads.insert(first.clone(), Some(rest));
            }
        }
        InTurn { index: self, heads }
    }

    /// Fixed posts whose time has come, earliest first.
    pub fn due(&self, now: Timestamp) -> impl Iterator<Item = &Arc<Post>> {
        posts_in(&self.fixed, Bound::Unbounded, Bound::Included(now))
    }

    /// Fixed posts that could go after `now` and before `until`, earliest first.
    pub fn fixed_until(&self, now: Timestamp, until: Timestamp) -> impl Iterator<Item = &Arc<Post>> {
        posts_in(&self.fixed, Bound::Excluded(now), Bound::Excluded(until))
    }

    pub fn reply(&self) -> Option<Arc<Post>> {
        self.replies.first_key().map(|ranked| ranked.0.clone())
    }

    /// All replies that could go.
    pub fn replies(&self) -> impl Iterator<Item = &Arc<Post>> {
        self.replies.keys().map(|Ranked(post)| post)
    }

    /// How many posts that no share limits are in line for a slot.
    pub fn in_line(&self) -> usize {
        self.ready[0].len() + self.ready[1].len()
    }

    /// Whether an approved post is left that goes out sooner or later.
    pub fn some_are_left(&self) -> bool {
        let promotion = !self.promotion_stuck && !self.ready[2].is_empty();
        let later = self.later.iter().filter_map(|(_, post)| post.as_ref());
        let mut later = later.filter(|Ranked(post)| post.approval.is_given() && post.rare.trouble.is_none());
        self.in_line() > 0 || promotion || !self.fixed.is_empty() || !self.replies.is_empty() || later.next().is_some()
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
        if let Some(name) = &post.rare.series
            && let Some(series) = self.index.series.get(name)
        {
            let behind = (Bound::Excluded(Placed(post.clone())), Bound::Unbounded);
            if let Some(Placed(next)) = series.line.range(behind).next()
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
        }
        Some(post)
    }
}

// What is to be said.
impl Index {
    fn want(&self, post: &Arc<Post>, item: &Item) -> Want {
        if let Standing::Over(end) = item.standing {
            return Want::End(end);
        }
        if let Some((reason, detail)) = self.own_hold(post, item) {
            return Want::Be(Status::Held(reason, detail));
        }
        let placed = Placed(post.clone());
        let series = post.rare.series.as_ref().and_then(|name| self.series.get(name));
        let behind = |first: &Placed| Status::Held(Held::WaitingSeries, Some(format!("waits for {}", first.0.id)));
        if let Some(first) = series.and_then(|series| series.stuck.first()).filter(|first| **first < placed) {
            return Want::Be(behind(first));
        }
        if let Some(reason) = self.class_hold(post) {
            return Want::Be(Status::Held(reason, None));
        }
        if let Some(first) = series.and_then(|series| series.line.first()).filter(|first| **first < placed) {
            let under_way =
                self.item(&first.0).is_some_and(|item| matches!(item.standing, Standing::UnderWay | Standing::Left));
            if under_way {
                return Want::Either(behind(first), Status::Scheduled);
            }
        }
        if let Some(held) = self.whole.filter(|_| self.called.contains(&post.id)) {
            return Want::Be(Status::Held(held, None));
        }
        if is_promotion(post) {
            let share = Status::Held(Held::PromotionShare, None);
            if self.passed_over.contains(&post.id) {
                return Want::Be(share);
            }
            let is_next = self.ready[goal_set(Goal::Promotion)].first_key().is_some_and(|next| next.0.id == post.id);
            if !(is_next && self.promotion_open) {
                return Want::Either(Status::Scheduled, share);
            }
        }
        Want::Be(Status::Scheduled)
    }

    /// Somebody was looked at behind an attempt of his series: when that is over, he is looked at again.
    fn note_look(&mut self, post: &Post, want: &Want) {
        if matches!(want, Want::Either(Status::Held(..), _))
            && let Some(series) = post.rare.series.as_ref().and_then(|name| self.series.get_mut(name))
        {
            series.looked = true;
        }
    }

    /// Why a post is held, if it is.
    pub fn hold(&self, post: &Arc<Post>) -> Option<(Held, Option<String>)> {
        let item = self.item(post)?;
        match self.want(post, item) {
            Want::Be(Status::Held(reason, detail)) => Some((reason, detail)),
            _ => None,
        }
    }

    pub fn is_waiting(&self, id: &PostId) -> bool {
        self.items.get(id).is_some_and(|(_, item)| item.standing == Standing::Waiting)
    }

    /// All posts that wait.
    pub fn waiting(&self) -> impl Iterator<Item = &Arc<Post>> {
        let waiting = self.items.iter().filter(|(_, item)| item.standing == Standing::Waiting);
        waiting.map(|(Named(post), _)| post)
    }

    /// What differs from what the ledger says, in order of rank. What was said is compared again at the next call,
    /// until the ledger agrees. `next_slot` is that of the best candidate. Also says whether there is more to say.
    pub fn verdicts(&mut self, account: Option<&Account>, next_slot: Option<Timestamp>) -> (Vec<Verdict>, bool) {
        let mut verdicts = Vec::new();
        let mut again = Vec::new();
        let best = self.best();
        while again.len() < POSTS_A_STEP
            && let Some((Ranked(post), ())) = self.dirty.pop_first()
        {
            let entry = account.and_then(|account| account.entry(&post.id));
            let Some(item) = self.item(&post) else { continue };
            let ended = matches!(item.standing, Standing::Over(_));
            if !(ended || item.standing == Standing::Waiting) {
                continue;
            }
            if hands(entry, &post) != Hands::Plan {
                // The ledger knows better; `settle` sees to it.
                self.unsure.insert(post.id.clone());
                continue;
            }
            let want = self.want(&post, item);
            self.note_look(&post, &want);
            if is_said(&want, &post, entry) {
                continue;
            }
            let slot = fixed_time(&post).or(next_slot.filter(|_| best.as_ref().is_some_and(|best| best.id == post.id)));
            let scheduled = Verdict::Scheduled { post: post.id.clone(), slot };
            match want {
                Want::Be(Status::Scheduled) | Want::Either(Status::Scheduled, _) => verdicts.push(scheduled),
                Want::Be(Status::Held(reason, detail)) | Want::Either(Status::Held(reason, detail), _) => {
                    verdicts.push(Verdict::Held { post: post.id.clone(), reason, detail });
                }
                Want::End(end) => {
                    verdicts.extend(introduction(&post, entry));
                    verdicts.push(match (end, fixed_time(&post)) {
                        (End::Missed, Some(slot)) => Verdict::Missed { post: post.id.clone(), slot },
                        _ => Verdict::Expired { post: post.id.clone() },
                    });
                }
            }
            if ended {
                self.unsure.insert(post.id.clone());
            }
            again.push(Ranked(post));
        }
        let more = !self.dirty.is_empty();
        self.dirty.extend(again);
        (verdicts, more)
    }

    /// A post was given up; the ledger is asked at the next step whether it says so too.
    pub fn give_up(&mut self, post: &Arc<Post>) {
        self.unsure.insert(post.id.clone());
    }
}

/// The ledger learns a content's digest when it is planned. A post that ends before it was is planned first, so that
/// another content of it can be told from this one.
pub fn introduction(post: &Post, entry: Option<&Entry>) -> Option<Verdict> {
    let known = entry.is_some_and(|entry| entry.digest == Some(post.digest));
    (!known).then(|| Verdict::Scheduled { post: post.id.clone(), slot: fixed_time(post) })
}

/// Whether the ledger says what is wanted. `entry` is the plan's.
fn is_said(want: &Want, post: &Post, entry: Option<&Entry>) -> bool {
    let Some(entry) = entry.filter(|entry| entry.digest == Some(post.digest)) else { return false };
    match want {
        Want::Be(status) => is_status(status, &entry.state),
        Want::Either(Status::Held(reason, _), Status::Scheduled)
        | Want::Either(Status::Scheduled, Status::Held(reason, _)) => match &entry.state {
            State::Scheduled => true,
            State::Held { reason: said, .. } => said == reason,
            _ => false,
        },
        Want::Either(one, other) => is_status(one, &entry.state) || is_status(other, &entry.state),
        Want::End(_) => false,
    }
}

fn is_status(status: &Status, state: &State) -> bool {
    match (status, state) {
        (Status::Scheduled, State::Scheduled) => true,
        (Status::Held(reason, detail), State::Held { reason: said, detail: why }) => {
            reason == said && detail.as_deref() == why.as_deref()
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiting_post_costs_little_beside_itself() {
        // Once in `items` and once in line. What is filled in order is full; else two thirds of it are.
        let bytes = size_of::<(Named, Item)>() + size_of::<Ranked>();
        assert!(bytes * 3 / 2 <= 60, "{bytes}");
        assert!(size_of::<Timed>() * 3 / 2 <= 40);
    }
}
