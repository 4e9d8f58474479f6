//! The plan ahead: the same turns, taken on a copy of the lane, with every send delivered at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::domain::time::since;
use crate::domain::{Held, Month, PostId, State, Timestamp};
use crate::ledger::view::{Account, Entry};
use crate::queue::{Kind, Post};

use super::gates;
use super::index::is_promotion;
use super::lane::{Brakes, Choice, Lane, Projected, Share};
use super::past::{Counted, Imagined, Past};
use super::slots;
use super::turn::Passed;

/// What happens in a projection.
enum Ahead {
    Sent { at: Timestamp, choice: Choice },
    Empty { slot: Timestamp, reason: String },
    Ended { at: Timestamp, post: Arc<Post>, word: &'static str },
}

/// What is known of an account's runway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runway {
    /// The last approved post goes out then.
    Ends(Timestamp),
    /// Posts are left at the end of what was asked for.
    Beyond,
    /// Slots are so many that nobody looked further; posts are left then.
    AtLeastUntil(Timestamp),
}

impl Runway {
    pub fn ends(self) -> Option<Timestamp> {
        match self {
            Self::Ends(moment) => Some(moment),
            Self::Beyond | Self::AtLeastUntil(_) => None,
        }
    }
}

/// Most turns that are taken ahead. A slot a second would make millions of them in a month; nobody reads so far.
const TURNS: usize = 50_000;
/// Most empty slots that are listed once nothing is left to send. They say how long nothing goes out; more of them
/// say no more.
pub const EMPTY_SLOTS: usize = 100;

/// Why a slot stays empty that comes before an attempt which is owed.
pub const OWED: &str = "another delivery was owed";

/// The attempts that are owed at a known time: nothing else of their account goes out before the last of them, and they count for
/// what comes after.
struct Owed {
    posts: Vec<(Timestamp, PostId)>,
    last: Option<Timestamp>,
}

impl Owed {
    fn of(account: Option<&Account>, waits_until: Option<Timestamp>) -> Self {
        let at = |post: &PostId| match account?.entry(post)?.state {
            State::Retrying { at, .. } => Some((at.max(waits_until.unwrap_or(at)), post.clone())),
            _ => None,
        };
        let mut posts: Vec<_> = account.into_iter().flat_map(Account::open).filter_map(at).collect();
        posts.sort();
        let last = posts.last().map(|(at, _)| *at).max(waits_until);
        Self { posts, last }
    }

    /// Those whose time has come are imagined to be sent.
    fn make(&mut self, moment: Timestamp, account: Option<&Account>, imagined: &mut Imagined) {
        let come = self.posts.partition_point(|(at, _)| *at <= moment);
        for (_, post) in self.posts.drain(..come) {
            let sent = account.and_then(|account| account.entry(&post)?.sent.as_deref());
            if let Some(sent) = sent.filter(|sent| sent.counts) {
                imagined.sent.push(Counted { from: moment, to: Some(moment), promotion: sent.promotion });
                imagined.repeated.insert(post);
            }
        }
    }
}

impl Lane {
    /// The plan from `now` until `until`, as if everything were delivered at once when it is sent: sends, empty slots
    /// and posts that would be given up in order of time, then all that is held, by id. What is neither goes out
    /// after `until`. A brake that is on stays on. Where nothing is left to send, or slots are very many, the list may
    /// end before `until`.
    pub fn project(
        &self,
        account: Option<&Account>,
        brakes: Brakes,
        now: Timestamp,
        until: Timestamp,
    ) -> Vec<Projected> {
        self.look_ahead(account, brakes, now, until, EMPTY_SLOTS)
    }

    /// As [`Lane::project`], without the empty slots after the last post.
    pub fn project_posts(
        &self,
        account: Option<&Account>,
        brakes: Brakes,
        now: Timestamp,
        until: Timestamp,
    ) -> Vec<Projected> {
        self.look_ahead(account, brakes, now, until, 0)
    }

    fn look_ahead(
        &self,
        account: Option<&Account>,
        brakes: Brakes,
        now: Timestamp,
        until: Timestamp,
        empty_slots: usize,
    ) -> Vec<Projected> {
        let mut lane = self.clone();
        let mut lines = Vec::new();
        let mut held = BTreeMap::new();
        let mut sent = 0;
        // Whom the share holds now. Whom it holds at the end only, it holds for what has not been sent yet.
        let by_share = |entry: &Entry| matches!(entry.state, State::Held { reason: Held::PromotionShare, .. });
        let recorded = account.into_iter().flat_map(Account::deliveries);
        let mut shared: BTreeSet<PostId> =
            recorded.filter(|(_, entry)| by_share(entry)).map(|(id, _)| id.clone()).collect();
        let filled = gates::promotion_filled(&self.policy.promotion, &Past::of(account));
        lane.index.settle_begun(account);
        lane.run_ahead(account, brakes, now, until, empty_slots, |lane, event| match event {
            None => {
                held = lane.holds();
                let by_share = held.iter().filter(|(_, (reason, _))| *reason == Held::PromotionShare);
                shared.extend(by_share.map(|(id, _)| id.clone()));
            }
            Some(Ahead::Sent { at, choice }) => {
                held.remove(&choice.post.id);
                let share =
                    shared.contains(&choice.post.id).then_some(Share { since: filled.since, posts: Some(sent) });
                sent += u32::from(choice.post.kind == Kind::Post);
                lines.push(Projected { at: Some(at), share, ..Projected::of(choice.post.id.clone()) });
            }
            Some(Ahead::Empty { slot, reason }) if slot >= now => {
                lines.push(Projected { at: Some(slot), post: None, held: None, empty: Some(reason), share: None });
            }
            Some(Ahead::Empty { .. }) => {}
            Some(Ahead::Ended { at, post, word }) if !held.contains_key(&post.id) => {
                lines.push(Projected { at: Some(at), empty: Some(word.into()), ..Projected::of(post.id.clone()) });
            }
            Some(Ahead::Ended { .. }) => {}
        });
        // Those that are held now and not sent until then stay on the list, unless only the time was against them.
        let at_last = lane.holds();
        held.retain(|id, _| at_last.contains_key(id) || !lane.index.is_waiting(id));
        held.extend(at_last);
        lines.sort_by_key(|line| line.at);
        let held = held.into_iter();
        lines.extend(held.map(|(id, hold)| {
            let by_share = hold.0 == Held::PromotionShare && shared.contains(&id);
            let share = by_share.then_some(Share { since: filled.since, posts: filled.others });
            Projected { held: Some(hold), share, ..Projected::of(id) }
        }));
        lines
    }

    /// When the last approved post goes out, looked for until `until`; `None` when posts are left then, or slots are too
    /// many to look so far. `now` when there is none.
    pub fn runway(&self, account: Option<&Account>, now: Timestamp, until: Timestamp) -> Option<Timestamp> {
        self.look_for_runway(account, now, until).ends()
    }

    /// As [`Lane::runway`], and what is known where it does not end.
    pub fn look_for_runway(&self, account: Option<&Account>, now: Timestamp, until: Timestamp) -> Runway {
        // What loses its approval before need not go out.
        let in_line = self.index.in_line().saturating_sub(self.index.lapse_until(until));
        // A million posts need not be counted out: a day holds only so many, and so do the slots.
        let days = since(until, now).as_secs() / (24 * 60 * 60) + 2;
        if in_line as u64 > days.saturating_mul(self.policy.max_per_day.into()) {
            return Runway::Beyond;
        }
        let begin = self.slots_begin_after(&Past::of(account));
        let slots = slots::after(&self.schedule, begin.max(now)).take_while(|slot| *slot <= until);
        // Two beside those ahead: one that is being kept, and one that is made up for.
        if in_line > slots.take(in_line).count() + 2 {
            return Runway::Beyond;
        }
        let mut lane = self.clone();
        let mut last = now;
        lane.index.settle_begun(account);
        let early = lane.run_ahead(account, Brakes::default(), now, until, 0, |_, event| {
            if let Some(Ahead::Sent { at, .. }) = event {
                last = at;
            }
        });
        match early {
            _ if !lane.index.some_are_left() => Runway::Ends(last),
            Some(moment) => Runway::AtLeastUntil(moment),
            None => Runway::Beyond,
        }
    }

    /// Takes turns from `now` until `until`. `tell` is called once with nothing, when the lane stands as it does
    /// now, and then with each thing that happens. Once nothing is left to send, so many more empty slots are told.
    /// Returns how far it came, where that is less far because slots are so many.
    fn run_ahead(
        &mut self,
        account: Option<&Account>,
        brakes: Brakes,
        now: Timestamp,
        until: Timestamp,
        empty_slots: usize,
        mut tell: impl FnMut(&Self, Option<Ahead>),
    ) -> Option<Timestamp> {
        let mut imagined = Imagined { settled: Some(now), ..Imagined::default() };
        let mut owed = Owed::of(account, brakes.waits_until);
        let mut moment = now;
        let mut first = true;
        // Empty slots since something was sent, and how many there must be before it is asked again whether anything
        // ever will be: that question is about every post.
        let (mut empty, mut ask_at) = (0, empty_slots);
        for _ in 0..TURNS {
            if moment > until {
                return None;
            }
            if !first && empty >= ask_at && !self.index.some_are_left() {
                if !self.some_may_go_yet() {
                    return None;
                }
                ask_at = 2 * empty + EMPTY_SLOTS;
            }
            owed.make(moment, account, &mut imagined);
            let waits = owed.last.filter(|last| moment < *last);
            let brakes = Brakes { no_send: brakes.no_send.or(waits.map(|_| OWED)), ..brakes };
            let past = Past::with(account, &imagined);
            let ended = self.begin(&past, brakes, moment);
            let turn = self.turn(&past, brakes, moment);
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
                        empty += 1;
                        tell(self, Some(Ahead::Empty { slot, reason }));
                    }
                    Passed::GivenUp { post, .. } => {
                        self.index.drop_out(&post.id);
                        tell(self, Some(Ahead::Ended { at: moment, post, word: "missed" }));
                    }
                }
            }
            if let Some(choice) = turn.send {
                (empty, ask_at) = (0, empty_slots);
                let spent = imagined.spent.entry(Month::of(moment)).or_default();
                *spent = spent.plus(self.index.cost(&choice.post.id));
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
                let wake = [turn.wake, waits].into_iter().flatten().min()?;
                moment = wake.max(moment);
            }
        }
        Some(moment)
    }

    /// Whether time alone may let an approved post go. One that waits for another of its series goes after that one, which
    /// is asked about by itself, or when that one's time is over.
    fn some_may_go_yet(&self) -> bool {
        let follows = |post: &Arc<Post>| matches!(self.index.hold(post), Some((Held::WaitingSeries, _)));
        let mut ripe = self.index.waiting().filter(|post| self.index.may_ripen(post));
        let some_end = self.index.waiting().any(|post| post.rare.expires.or(post.rare.at).is_some());
        ripe.any(|post| some_end || !follows(post))
    }

    fn holds(&self) -> BTreeMap<PostId, (Held, Option<String>)> {
        let held = self.index.waiting().filter_map(|post| Some((post.id.clone(), self.index.hold(post)?)));
        held.collect()
    }
}
