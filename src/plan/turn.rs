//! Whose turn it is: which slots are over, which one is to be kept now, and by which post.
//!
//! A slot that has come stays open for [`SLOT_GRACE`]; only then is it said to be empty, so that a post that is
//! approved a minute later, or a restart, does not lose it. When a later one has come, one that was seen with nobody in
//! line is not gone back to. One that nobody saw in that time was *missed*, and the
//! policy says what becomes of its post. Slots are dealt with strictly in order, because the ledger remembers only
//! the last one.
//!
//! Order of sending: a fixed post whose time has come, then the slot, then answers; one at a time.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::policy::Missed;
use crate::domain::time::{after, before, since};
use crate::domain::{Month, Timestamp};
use crate::queue::Post;

use super::gates::{self, Closed, Day};
use super::index::{self, Hands, fixed_time};
use super::lane::{Brakes, Choice, Lane, SLOT_GRACE, Watch};
use super::past::Past;
use super::purse::Purse;
use super::slots;

/// Most slots that one step says something about one by one.
const SLOTS_A_STEP: usize = 100;

/// How far slots that are said to be over all at once are counted. Years of a slot a second are not worth an exact
/// number.
const COUNTED_SLOTS: usize = 10_000;

/// Slots at most so far apart follow each other closely: empty ones are said as one.
pub const CLOSE: Duration = Duration::from_secs(5 * 60);

const NOTHING_LEFT: &str = "nothing is left to send";
const SHARE: &str = "promotion would pass its share";
const BUDGET: &str = "the budget of the month is too small for what is left";

/// Most posts that one step sets aside because they cost too much. What is left follows at once.
const DEAR_A_STEP: usize = index::POSTS_A_STEP;

/// A slot that is over.
#[derive(Debug, Clone, PartialEq)]
pub enum Passed {
    Empty {
        slot: Timestamp,
        reason: String,
    },
    /// The policy gives up the post that would have gone. The slot itself is said to be empty before.
    GivenUp {
        slot: Timestamp,
        post: Arc<Post>,
    },
}

/// What is to be done now.
#[derive(Debug, Default)]
pub struct Turn {
    pub passed: Vec<Passed>,
    pub send: Option<Choice>,
    pub wake: Option<Timestamp>,
}

/// The gates as they stand now.
#[derive(Clone, Copy)]
struct Gates {
    no_send: Option<&'static str>,
    /// That is the account itself, and nothing else.
    whole: bool,
    quiet: Option<Closed>,
    /// Of what counts for the beat: quiet hours, gap, day.
    closed: Option<Closed>,
    day: Day,
}

/// The slots whose time has come.
#[derive(Default)]
struct Come {
    /// Those that can still be kept, first of all the missed one that is to be made up for.
    open: Vec<Timestamp>,
    /// When the first of them is over.
    until: Option<Timestamp>,
    /// Some were missed, and the ledger does not know yet.
    missed: bool,
    /// The next step is to follow at once: there are more to deal with than one does, or a post was given up.
    more: bool,
}

impl Lane {
    pub(super) fn turn(&mut self, past: &Past<'_>, brakes: Brakes, now: Timestamp) -> Turn {
        let mut turn = Turn::default();
        let gates = self.gates(past, brakes, now);
        let promotion_open = gates::promotion_open(&self.policy.promotion, past);
        self.index.set_promotion_open(promotion_open);
        self.purse = Purse::of(&self.policy, past, now);
        self.index.set_left(self.purse.map(Purse::left));
        self.dear = 0;
        let come = self.pass_slots(past, &gates, now, &mut turn.passed);
        if gates.whole {
            self.call(past, &Gates { no_send: None, ..gates }, now, &come);
        }

        turn.send = self.fixed_post(past, &gates, now);
        let kept = self.keep_slot(past, &gates, now, &come);
        if turn.send.is_none()
            && let Ok((slot, post)) = &kept
        {
            let earlier = come.open.iter().take_while(|earlier| *earlier < slot);
            let reason = NOTHING_LEFT.to_string();
            turn.passed.extend(earlier.map(|slot| Passed::Empty { slot: *slot, reason: reason.clone() }));
            turn.send = Some(Choice { post: post.clone(), slot: Some(*slot), fixed: false });
        }
        if turn.send.is_none() && gates.no_send.is_none() && gates.quiet.is_none() {
            let reply = self.candidate(past, |lane| lane.index.reply());
            turn.send = reply.map(|post| Choice { post, slot: None, fixed: false });
        }

        // Slots have let posts in line; that may have changed what is left beside promotion.
        self.index.set_promotion_open(promotion_open);
        let reason = match kept {
            Ok(_) => "another post was sent".to_string(),
            Err(reason) => reason,
        };
        self.watch_slots(&come, now, reason);
        turn.wake = if come.more || self.dear == DEAR_A_STEP { Some(now) } else { self.wake(&gates, &come, now) };
        turn
    }

    fn gates(&self, past: &Past<'_>, brakes: Brakes, now: Timestamp) -> Gates {
        let zone = &self.schedule.zone;
        let quiet = gates::quiet(&self.policy, zone, now);
        let day = gates::day(&self.policy, zone, past, now);
        let gap = gates::gap(&self.policy, past, now);
        let whole = brakes.whole.is_some_and(|whole| whole.alone);
        Gates { no_send: brakes.no_send, whole, quiet, closed: quiet.or(gap).or(day.closed()), day }
    }

    /// Calls those who would go now if their account as a whole were not held. They stay where they are in line, so that
    /// the slots that follow find the same ones.
    fn call(&mut self, past: &Past<'_>, gates: &Gates, now: Timestamp, come: &Come) {
        let mut turns = Vec::new();
        if gates.closed.is_none() {
            self.pass_over_late(now);
            turns.extend(self.index.due(now).filter(|post| self.index.class_may_go(post)).cloned());
        }
        // Looking at a later slot would let those in that must not use this one.
        if let Some(slot) = come.open.first() {
            self.index.release(*slot);
            turns.extend(self.for_slot(past, gates, now).ok());
        }
        if gates.quiet.is_none() {
            turns.extend(self.index.replies().cloned());
        }
        turns.iter().for_each(|post| self.index.call(post));
    }

    /// Says which slots are over, and finds those that can still be kept.
    fn pass_slots(&mut self, past: &Past<'_>, gates: &Gates, now: Timestamp, passed: &mut Vec<Passed>) -> Come {
        let mut come = Come::default();
        let begin = self.slots_begin_after(past);
        self.index.release(begin);
        let over = before(now, SLOT_GRACE);
        let first = self.next_slot(begin);
        if first.is_some_and(|first| first <= over) {
            self.pass_over_slots(begin, over, gates, now, passed, &mut come);
        }
        if come.open.is_empty() && !come.more {
            let begin = begin.max(over);
            if let Some(first) = self.next_slot(begin).filter(|slot| *slot <= now) {
                come.open = vec![first];
                if self.next_slot(first).is_some_and(|slot| slot <= now) {
                    come.open = slots::after(&self.schedule, begin).take_while(|slot| *slot <= now).collect();
                }
                come.until = come.open.first().map(|slot| after(*slot, SLOT_GRACE));
            }
        }
        come
    }

    fn pass_over_slots(
        &mut self,
        begin: Timestamp,
        over: Timestamp,
        gates: &Gates,
        now: Timestamp,
        passed: &mut Vec<Passed>,
        come: &mut Come,
    ) {
        let saw = |lane: &Self, slot| lane.watch.as_ref().is_some_and(|watch| watch.saw(slot));
        let first: Vec<Timestamp> =
            slots::after(&self.schedule, begin).take_while(|slot| *slot <= over).take(SLOTS_A_STEP + 1).collect();
        let last = if first.len() > SLOTS_A_STEP { slots::latest(&self.schedule, over) } else { first.last().copied() };
        let Some(last) = last else { return };
        // As long as no later slot has come there is time to make up for the last one.
        let in_time = !saw(self, last) && self.next_slot(over).is_none_or(|next| next > now);
        let one_by_one = &first[..first.len().min(SLOTS_A_STEP)];
        self.index.release(last);

        let close = first.windows(2).all(|pair| since(pair[1], pair[0]) <= CLOSE);
        let spared = |lane: &Self, slot| close && lane.spared.is_some_and(|until| slot <= until);
        let mut given_up: Vec<Arc<Post>> = Vec::new();
        if self.policy.missed == Missed::Skip && one_by_one.iter().any(|slot| !saw(self, *slot) && !spared(self, *slot))
        {
            if gates.no_send.is_some() && in_time {
                // Perhaps the posts are not all known yet: nothing is given up while nothing may be done.
                come.missed = true;
                return;
            }
            if gates.no_send.is_none() {
                // One more than there are slots, to know whether somebody is left.
                given_up = self.index.in_turn().take(one_by_one.len() + 1).collect();
            }
        }
        for slot in one_by_one.iter().copied() {
            if let Some(watch) = self.watch.as_ref().filter(|watch| watch.saw(slot)) {
                passed.push(Passed::Empty { slot, reason: watch.reason.clone() });
                continue;
            }
            come.missed = true;
            match self.policy.missed {
                Missed::Now if slot == last && in_time && self.index.best().is_some() => come.open = vec![slot],
                Missed::Skip => {
                    // A post is not given up for a slot that came before its `not_before`.
                    let spared = spared(self, slot);
                    let may = |post: &Arc<Post>| !spared && post.rare.not_before.is_none_or(|moment| moment <= slot);
                    let post = given_up.iter().position(may).map(|place| given_up.remove(place));
                    let reason = match (&post, gates.no_send) {
                        (Some(post), _) => format!("missed: {} is given up", post.id),
                        (None, Some(why)) => format!("missed: {why}"),
                        (None, None) if spared => "missed, or empty before: nobody is given up for it".to_string(),
                        (None, None) => format!("missed: {NOTHING_LEFT}"),
                    };
                    passed.push(Passed::Empty { slot, reason });
                    // Nobody else's turn comes before the ledger knows that it is given up.
                    come.more |= post.is_some();
                    passed.extend(post.map(|post| Passed::GivenUp { slot, post }));
                }
                Missed::NextSlot | Missed::Now => passed.push(Passed::Empty { slot, reason: self.why_missed() }),
            }
        }
        if first.len() <= SLOTS_A_STEP {
            return;
        }
        come.missed = true;
        let some_spared = self.policy.missed == Missed::Skip && one_by_one.iter().any(|slot| spared(self, *slot));
        if !given_up.is_empty() || some_spared {
            // Each slot has a post to give up, and each of those is to be named; or the next ones may have.
            come.more = true;
            return;
        }
        let make_up = self.policy.missed == Missed::Now && in_time && self.index.best().is_some();
        let until = if make_up { slots::latest(&self.schedule, before(last, NANOSECOND)) } else { Some(last) };
        let from = one_by_one[SLOTS_A_STEP - 1];
        if let Some(until) = until.filter(|until| *until > from) {
            let rest = slots::after(&self.schedule, from).take_while(|slot| *slot <= until);
            let count = rest.take(COUNTED_SLOTS).count();
            let more = if count < COUNTED_SLOTS { "" } else { "or more " };
            let reason = format!("{} ({count} {more}slots since {from})", self.why_missed());
            passed.push(Passed::Empty { slot: until, reason });
        }
        if make_up {
            come.open = vec![last];
        }
    }

    fn why_missed(&self) -> String {
        match self.policy.missed {
            Missed::NextSlot => "missed: its post takes the next slot",
            Missed::Skip => "missed: nothing is left to give up",
            Missed::Now => "missed: one post makes up for all",
        }
        .into()
    }

    /// Slots that have come were seen; why they are not used is told when they are over.
    fn watch_slots(&mut self, come: &Come, now: Timestamp, reason: String) {
        if come.missed {
            return;
        }
        let watch = self.watch.get_or_insert_with(|| Watch {
            after: before(now, SLOT_GRACE),
            through: now,
            reason: String::new(),
            empty: None,
        });
        watch.through = watch.through.max(now);
        if !come.open.is_empty() {
            if reason == NOTHING_LEFT {
                watch.empty = watch.empty.max(Some(now));
            }
            watch.reason = reason;
        }
    }

    /// A fixed post that goes now.
    fn fixed_post(&mut self, past: &Past<'_>, gates: &Gates, now: Timestamp) -> Option<Choice> {
        if gates.no_send.is_some() || gates.closed.is_some() {
            return None;
        }
        self.pass_over_late(now);
        let post = self.candidate(past, |lane| {
            let mut due = lane.index.due(now).filter(|post| lane.index.class_may_go(post));
            due.next().cloned()
        })?;
        Some(Choice { slot: fixed_time(&post), post, fixed: true })
    }

    /// Fixed posts whose time has come, and the rules for their kind are against them.
    fn pass_over_late(&mut self, now: Timestamp) {
        let late: Vec<_> = self.index.due(now).filter(|post| !self.index.class_may_go(post)).cloned().collect();
        for post in late {
            self.index.pass_over(&post);
        }
    }

    /// The slot to keep now and the post that keeps it, or why there is none.
    fn keep_slot(
        &mut self,
        past: &Past<'_>,
        gates: &Gates,
        now: Timestamp,
        come: &Come,
    ) -> Result<(Timestamp, Arc<Post>), String> {
        let mut why = None;
        for slot in &come.open[self.seen_empty(come)..] {
            self.index.release(*slot);
            match self.for_slot(past, gates, now) {
                Ok(post) => return Ok((*slot, post)),
                Err(reason) => why = why.or(Some(reason)),
            }
            // A later slot that has come too helps only those who must not use this one.
            if gates.no_send.is_some() || gates.closed.is_some() || !self.index.wait_for_a_later_slot(now) {
                break;
            }
        }
        Err(why.unwrap_or_default())
    }

    /// How many of the first open slots were seen with nobody in line, and have another one after them: whoever has come
    /// since takes that one.
    fn seen_empty(&self, come: &Come) -> usize {
        let empty = self.watch.as_ref().and_then(|watch| watch.empty);
        let but_the_last = &come.open[..come.open.len().saturating_sub(1)];
        but_the_last.iter().take_while(|slot| Some(**slot) <= empty).count()
    }

    fn for_slot(&mut self, past: &Past<'_>, gates: &Gates, now: Timestamp) -> Result<Arc<Post>, String> {
        if let Some(why) = gates.no_send {
            return Err(why.into());
        }
        let passed = self.index.best_but_for_the_share().or_else(|| self.index.best_but_for_those_who_wait());
        if let Some(post) = passed {
            self.index.pass_over(&post);
        }
        let Some(post) = self.candidate(past, |lane| lane.index.best()) else {
            return Err(if self.index.best_but_for_the_share().is_some() {
                SHARE.into()
            } else if self.index.broadcasts_wait() {
                "too many people wait for an answer".into()
            } else if self.index.some_are_dear() {
                BUDGET.into()
            } else {
                NOTHING_LEFT.into()
            });
        };
        if let Some(closed) = gates.closed {
            return Err(closed.reason().into());
        }
        match self.kept_free_for(gates, now) {
            Some((other, at)) => Err(format!("kept free for {} at {at}", other.id)),
            None => Ok(post),
        }
    }

    /// The fixed post that a post sent now would be in the way of: by the gap, or by taking its place in the day.
    fn kept_free_for(&self, gates: &Gates, now: Timestamp) -> Option<(Arc<Post>, Timestamp)> {
        let affordable = |post: &Post| fixed_time(post).is_none_or(|at| self.affords(post, at));
        let may_go = |post: &&Arc<Post>| self.index.class_may_go(post) && affordable(post);
        let going = |until| self.index.fixed_until(now, until).filter(may_go);
        let by_gap = going(after(now, self.policy.min_gap)).next();
        let spare = usize::try_from(gates.day.left).unwrap_or(usize::MAX);
        let by_day = || going(gates.day.end).nth(spare.saturating_sub(1));
        let post = by_gap.or_else(by_day)?;
        Some((post.clone(), fixed_time(post)?))
    }

    /// What `find` finds, unless the ledger says that it is not the plan's any more: then it is taken out first. What
    /// costs more than may be spent is set aside.
    fn candidate(&mut self, past: &Past<'_>, find: impl Fn(&Self) -> Option<Arc<Post>>) -> Option<Arc<Post>> {
        loop {
            let post = find(self)?;
            if index::hands(past.entry(&post.id), &post) != Hands::Plan {
                self.index.remove(&post.id);
                continue;
            }
            let cost = self.index.cost(&post.id);
            let Some(purse) = self.purse.filter(|purse| cost > purse.left()) else { return Some(post) };
            if self.dear == DEAR_A_STEP {
                return None;
            }
            self.dear += 1;
            self.index.set_aside(&post, purse.too_little_for(cost));
        }
    }

    /// Whether there is enough for a post at a moment, as far as is known now.
    fn affords(&self, post: &Post, at: Timestamp) -> bool {
        let purse = self.purse.filter(|purse| purse.month == Month::of(at));
        purse.is_none_or(|purse| self.index.cost(&post.id) <= purse.left())
    }

    fn wake(&mut self, gates: &Gates, come: &Come, now: Timestamp) -> Option<Timestamp> {
        let mut all = vec![self.index.wake(now, self.late_grace()), come.until, self.next_slot(now)];
        all.push(self.index.some_are_dear().then(|| Month::of(now).end()));
        if gates.no_send.is_none() || gates.whole {
            // When a brake is let go, somebody will say so; gates open by themselves.
            let slot = !come.open.is_empty() && self.index.best().is_some();
            if slot || self.index.due(now).next().is_some() {
                all.push(gates.closed.and_then(Closed::until));
            }
            if self.index.reply().is_some() {
                all.push(gates.quiet.and_then(Closed::until));
            }
        }
        all.into_iter().flatten().filter(|moment| *moment > now).min()
    }
}

const NANOSECOND: std::time::Duration = std::time::Duration::from_nanos(1);
