//! The plan ahead: the same turns, taken on a copy of the lane, with every send delivered at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::time::{before, since};
use crate::domain::{Held, PostId, Timestamp};
use crate::ledger::view::Account;
use crate::queue::{Kind, Post};

use super::index::is_promotion;
use super::lane::{Brakes, Choice, Lane, Projected, SLOT_GRACE};
use super::past::{Counted, Imagined, Past};
use super::slots;
use super::turn::Passed;

/// Most slots that a projection looks at. It is enough for months of a slot a minute; where they come every second, who
/// asks is not kept waiting, and what would follow is not told, as if it lay beyond the end.
const LOOKED: usize = 500_000;

/// How long a projection goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// Up to its end, through slots that nobody will use.
    All,
    /// Only through slots in which something could go out.
    Posts,
}

/// What happens in a projection.
enum Ahead {
    Sent { at: Timestamp, choice: Choice },
    Empty { slot: Timestamp, reason: String },
    Ended { at: Timestamp, post: Arc<Post>, word: &'static str },
}

impl Lane {
    /// The plan from `now` until `until`, as if everything were delivered at once when it is sent: sends, empty slots
    /// and posts that would be given up in order of time, then all that is held, by id. What is neither goes out
    /// after `until`. A brake that is on stays on.
    pub fn project(
        &self,
        account: Option<&Account>,
        brakes: Brakes,
        now: Timestamp,
        until: Timestamp,
    ) -> Vec<Projected> {
        self.look_ahead(account, brakes, (now, until), Extent::All)
    }

    /// The same for posts alone: slots in which nothing could go out are left out, and cost nothing.
    pub fn project_posts(&self, account: Option<&Account>, now: Timestamp, until: Timestamp) -> Vec<Projected> {
        self.look_ahead(account, Brakes::default(), (now, until), Extent::Posts)
    }

    fn look_ahead(
        &self,
        account: Option<&Account>,
        brakes: Brakes,
        (now, until): (Timestamp, Timestamp),
        extent: Extent,
    ) -> Vec<Projected> {
        let mut lane = self.clone();
        let mut lines = Vec::new();
        let mut held = BTreeMap::new();
        lane.index.settle(account);
        lane.run_ahead(account, brakes, (now, until), extent, |lane, event| match event {
            None => held = lane.holds(),
            Some(Ahead::Sent { at, choice }) => {
                held.remove(&choice.post.id);
                lines.push(Projected { at: Some(at), post: Some(choice.post.id.clone()), held: None, empty: None });
            }
            Some(Ahead::Empty { slot, reason }) if slot >= now => {
                lines.push(Projected { at: Some(slot), post: None, held: None, empty: Some(reason) });
            }
            Some(Ahead::Empty { .. }) => {}
            Some(Ahead::Ended { at, post, word }) if !held.contains_key(&post.id) => {
                lines.push(Projected {
                    at: Some(at),
                    post: Some(post.id.clone()),
                    held: None,
                    empty: Some(word.into()),
                });
            }
            Some(Ahead::Ended { .. }) => {}
        });
        // Those that are held now and not sent until then stay on the list, unless only the time was against them.
        let at_last = lane.holds();
        held.retain(|id, _| at_last.contains_key(id) || !lane.index.is_waiting(id));
        held.extend(at_last);
        lines.sort_by_key(|line| line.at);
        let held = held.into_iter();
        lines.extend(held.map(|(id, hold)| Projected { at: None, post: Some(id), held: Some(hold), empty: None }));
        lines
    }

    /// When the last approved post goes out, looked for until `until`; `None` when posts are left then. `now` when
    /// there is none.
    pub fn runway(&self, account: Option<&Account>, now: Timestamp, until: Timestamp) -> Option<Timestamp> {
        let in_line = self.index.in_line();
        // A million posts need not be counted out: a day holds only so many, and so do the slots.
        let days = since(until, now).as_secs() / (24 * 60 * 60) + 2;
        if in_line as u64 > days.saturating_mul(self.policy.max_per_day.into()) {
            return None;
        }
        let begin = self.slots_begin_after(&Past::of(account));
        let slots = slots::after(&self.schedule, begin.max(now)).take_while(|slot| *slot <= until);
        // Two beside those ahead: one that is being kept, and one that is made up for.
        if in_line > slots.take(in_line).count() + 2 {
            return None;
        }
        let mut lane = self.clone();
        let mut last = now;
        lane.index.settle(account);
        lane.run_ahead(account, Brakes::default(), (now, until), Extent::Posts, |_, event| {
            if let Some(Ahead::Sent { at, .. }) = event {
                last = at;
            }
        });
        (!lane.index.some_are_left()).then_some(last)
    }

    /// Takes turns from `now` until `until`. `tell` is called once with nothing, when the lane stands as it does
    /// now, and then with each thing that happens.
    fn run_ahead(
        &mut self,
        account: Option<&Account>,
        brakes: Brakes,
        (now, until): (Timestamp, Timestamp),
        extent: Extent,
        mut tell: impl FnMut(&Self, Option<Ahead>),
    ) {
        let mut imagined = Imagined { settled: Some(now), ..Imagined::default() };
        let mut moment = now;
        let mut first = true;
        let mut looked = 0;
        while looked < LOOKED {
            if moment > until {
                break;
            }
            let past = Past::with(account, &imagined);
            let ended = self.begin(&past, brakes, moment);
            let turn = self.turn(&past, brakes, moment);
            looked += turn.looked;
            if std::mem::take(&mut first) {
                tell(self, None);
            }
            for (post, word) in ended {
                self.index.drop_out(&post.id);
                tell(self, Some(Ahead::Ended { at: moment, post, word }));
            }
            // What was said or sent is imagined to be recorded; then the question is asked again, as the engine does.
            let again = !turn.passed.is_empty() || turn.send.is_some();
            for passed in turn.passed {
                match passed {
                    Passed::Empty { slot, reason } => {
                        imagined.cursor = imagined.cursor.max(Some(slot));
                        tell(self, Some(Ahead::Empty { slot, reason }));
                    }
                    Passed::GivenUp { post, .. } => {
                        self.index.drop_out(&post.id);
                        tell(self, Some(Ahead::Ended { at: moment, post, word: "missed" }));
                    }
                }
            }
            if let Some(choice) = turn.send {
                self.index.delivered(&choice.post.id);
                if !choice.fixed {
                    imagined.cursor = imagined.cursor.max(choice.slot);
                }
                if choice.post.kind == Kind::Post {
                    let promotion = is_promotion(&choice.post);
                    imagined.sent.push(Counted { from: moment, to: Some(moment), promotion });
                }
                tell(self, Some(Ahead::Sent { at: moment, choice }));
            }
            if !again {
                let next = match extent {
                    Extent::All => turn.wake,
                    Extent::Posts => self.next_that_matters(&mut imagined, turn.closed, turn.wake, moment),
                };
                let Some(wake) = next else { break };
                moment = wake.max(moment);
            }
        }
    }

    /// When something may be sent at the earliest, after a turn in which nothing was. The slots until then are over by
    /// that time, and were seen to be: nobody needs to look at each of them.
    fn next_that_matters(
        &mut self,
        imagined: &mut Imagined,
        closed: Option<Timestamp>,
        wake: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let timer = self.index.wake(now, self.late_grace());
        let in_line = self.index.best().is_some() || self.index.wait_for_a_later_slot(now);
        let next = match closed.filter(|closed| *closed > now) {
            _ if self.index.reply().is_some() || self.index.due(now).next().is_some() => return wake,
            None if in_line => return wake,
            Some(closed) if in_line => timer.map_or(closed, |timer| timer.min(closed)),
            _ => timer?,
        };
        if self.next_slot(now).is_some_and(|slot| slot < next) {
            let over = slots::latest(&self.schedule, before(next, SLOT_GRACE)).filter(|slot| *slot > now);
            imagined.cursor = imagined.cursor.max(over);
            if let Some(watch) = &mut self.watch {
                watch.through = watch.through.max(next);
            }
        }
        Some(next)
    }

    fn holds(&self) -> BTreeMap<PostId, (Held, Option<String>)> {
        let held = self.index.waiting().filter_map(|post| Some((post.id.clone(), self.index.hold(post)?)));
        held.collect()
    }
}
