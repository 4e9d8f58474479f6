//! One account's share of the plan: its rules, the index of its waiting posts, and what it remembers of the slots that
//! it saw pass.
//!
//! The lane never sends and never writes: it says what should be recorded and what should be sent, and says it again
//! until the ledger shows that it was done. Its memory beside the ledger is only about politeness: a slot that nobody
//! used is said to be empty for the reason that was seen at the time, not for being missed.
//!
//! The rest of `impl Lane` is in `turn` (which slot, which post) and `ahead` (the plan ahead).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::domain::policy::{Policy, Schedule};
use crate::domain::time::before;
use crate::domain::{Dollars, Held, PostId, ReplyTo, Timestamp};
use crate::ledger::view::Account;
use crate::queue::Post;

use super::index::{self, Index};
use super::past::Past;
use super::purse::Purse;
use super::slots;
use super::turn::Passed;

/// How late a slot may be kept. A restart takes seconds; five minutes leave room for a slow one, and nobody who reads
/// the post would call it late.
pub const SLOT_GRACE: Duration = Duration::from_secs(5 * 60);

/// Least grace of a fixed time. Timers, commits and a delivery just before take their moment; with no grace at all
/// every fixed post would be missed by milliseconds.
pub const LEAST_GRACE: Duration = Duration::from_secs(10);

/// An index over the waiting deliveries of one account.
#[derive(Debug, Clone)]
pub struct Lane {
    pub(super) schedule: Schedule,
    pub(super) policy: Policy,
    pub(super) index: Index,
    /// Slots before it were never promised: there was no account, or another schedule.
    pub(super) floor: Option<Timestamp>,
    /// The schedule has changed since the last step.
    pub(super) new_schedule: bool,
    /// Slots up to it are over, and will be said to be.
    over: Option<Timestamp>,
    /// Slots up to it may have been seen by a daemon that had not said so yet when it ended.
    pub(super) spared: Option<Timestamp>,
    pub(super) watch: Option<Watch>,
    pub(super) known: Option<Known>,
    /// What may be spent at the last step.
    pub(super) purse: Option<Purse>,
    /// How many posts it has set aside for what they cost.
    pub(super) dear: usize,
}

/// The stretch of time whose slots were seen while there was still time to use them.
#[derive(Debug, Clone)]
pub(super) struct Watch {
    /// Slots later than this,
    pub after: Timestamp,
    /// and up to this.
    pub through: Timestamp,
    /// Why the last of them that was looked at was not used.
    pub reason: String,
    /// Those up to this were seen with nobody in line.
    pub empty: Option<Timestamp>,
}

impl Watch {
    pub fn saw(&self, slot: Timestamp) -> bool {
        self.after < slot && slot <= self.through
    }
}

/// Most slots that are remembered: one step asks for the first one after the cursor, for the one that is open, and for
/// the one to wake at.
const KNOWN_SLOTS: usize = 4;

/// A run of slots that were searched for: all there are after some moment, up to the last of them.
#[derive(Debug, Clone)]
pub(super) struct Known {
    after: Timestamp,
    slots: VecDeque<Timestamp>,
    /// None comes after them.
    ended: bool,
}

/// What stands against sending on this account as a whole.
#[derive(Debug, Clone, Copy, Default)]
pub struct Brakes {
    /// Why nothing may be begun now (an attempt is open, the queue folder is lost, the clock is behind, the disk is
    /// full, the account is paused or its token not accepted); it becomes the reason of slots that pass meanwhile.
    pub no_send: Option<&'static str>,
    /// More people wait for an answer than the policy allows.
    pub unanswered: bool,
    /// The platform has asked to wait until then. Only the plan ahead asks for it: for a turn it is a reason of `no_send`.
    pub waits_until: Option<Timestamp>,
    /// The account as a whole is held. That is a reason of `no_send` too.
    pub whole: Option<Whole>,
}

/// The account as a whole is held: whose turn comes meanwhile is held with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whole {
    /// It is paused, or its token is not accepted.
    pub held: Held,
    /// Nothing that all accounts have in common stands against sending. Else it is nobody's turn.
    pub alone: bool,
}

/// What one step of the plan says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Step {
    /// What differs from what the ledger says, in order. Each becomes one record and one log event.
    pub verdicts: Vec<Verdict>,
    /// What is to be sent now; nothing when a brake is on.
    pub send: Option<Choice>,
    /// When to ask again, if nothing else happens before.
    pub wake: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    Scheduled {
        post: PostId,
        slot: Option<Timestamp>,
    },
    Held {
        post: PostId,
        reason: Held,
        detail: Option<String>,
    },
    /// Its time has passed, and the policy gives it up.
    Missed {
        post: PostId,
        slot: Timestamp,
    },
    Expired {
        post: PostId,
    },
    SlotEmpty {
        slot: Timestamp,
        reason: String,
    },
}

/// A post to send now.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    pub post: Arc<Post>,
    /// The slot it keeps, or its own fixed time; `None` for replies.
    pub slot: Option<Timestamp>,
    /// Whether `slot` is its own fixed time.
    pub fixed: bool,
}

/// One line of the plan ahead.
#[derive(Debug, Clone, PartialEq)]
pub struct Projected {
    /// `None` when nobody can say.
    pub at: Option<Timestamp>,
    /// `None`: a slot with nothing to send. With `empty`, a post that would be given up then.
    pub post: Option<PostId>,
    /// `None`: it goes out then.
    pub held: Option<(Held, Option<String>)>,
    /// Why a slot stays empty.
    pub empty: Option<String>,
    /// It is held now for the promotion share, and this is what ends that. With `at`, it goes out then.
    pub share: Option<Share>,
}

/// What is known of a post that the promotion share holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Share {
    /// The promotion that filled the share, and when it was sent.
    pub since: Option<Timestamp>,
    /// How many posts go out before it. Without `Projected::at`: how many that are no promotion are needed; `None` when no
    /// number would do.
    pub posts: Option<u32>,
}

impl Projected {
    pub(super) fn of(post: PostId) -> Self {
        Self { at: None, post: Some(post), held: None, empty: None, share: None }
    }
}

impl Lane {
    pub fn new(schedule: Schedule, policy: Policy) -> Self {
        Self {
            schedule,
            policy,
            index: Index::default(),
            floor: None,
            new_schedule: false,
            over: None,
            spared: None,
            watch: None,
            known: None,
            purse: None,
            dear: 0,
        }
    }

    /// Slots up to `slot` are dealt with, although the ledger does not say so yet.
    pub fn pass_over(&mut self, slot: Option<Timestamp>) {
        self.over = self.over.max(slot);
    }

    /// Nobody is given up for a slot up to `until` where slots follow each other closely: it may have been seen to be
    /// empty by a daemon that held that back.
    pub fn spare(&mut self, until: Option<Timestamp>) {
        self.spared = until;
    }

    /// Other rules for the same posts (a changed configuration). A changed schedule begins at the next step: what it
    /// would have had before is not missed.
    pub fn set_rules(&mut self, schedule: Schedule, policy: Policy) {
        let texts = |schedule: &Schedule| schedule.slots.iter().map(|cron| cron.text.clone()).collect::<Vec<_>>();
        if schedule.zone != self.schedule.zone || texts(&schedule) != texts(&self.schedule) {
            self.new_schedule = true;
            self.known = None;
        }
        self.schedule = schedule;
        self.policy = policy;
    }

    /// Adds a post, or replaces the one of the same id. `objection` is what the platform has against it.
    ///
    /// Every post of the queue that goes to this account is put, whatever its state in the ledger, and put again when
    /// that state has left the plan's hands: others may wait for it.
    pub fn put(&mut self, post: &Arc<Post>, objection: Option<(Held, String)>, account: Option<&Account>) {
        self.index.put(post, objection, answered(post), account);
    }

    /// What publishing a post may cost; to be told before it is put, of accounts with a budget.
    pub fn reckon(&mut self, post: &PostId, cost: Dollars) {
        self.index.reckon(post, cost);
    }

    /// Takes a post out (it left the queue, or its delivery is over or open).
    pub fn remove(&mut self, post: &PostId) {
        self.index.remove(post);
    }

    /// What the ledger says of a post has changed by what was said of it here.
    pub fn look_again(&mut self, post: &PostId) {
        self.index.look_again_at(post);
    }

    /// Says what changes now and what is to be sent now.
    ///
    /// Nothing is remembered as said: what is neither recorded nor begun is said again. A million posts that are all
    /// new are spoken of in several steps, each of which asks to be followed at once by `wake`.
    pub fn step(&mut self, account: Option<&Account>, brakes: Brakes, now: Timestamp) -> Step {
        let past = Past::of(account);
        self.index.settle(account);
        self.begin(&past, brakes, now);
        let turn = self.turn(&past, brakes, now);
        let kept = turn.send.as_ref().filter(|choice| !choice.fixed).and_then(|choice| choice.slot);
        let next_slot = kept.or_else(|| self.next_slot(now));
        let (mut verdicts, more) = self.index.verdicts(account, next_slot);
        for passed in turn.passed {
            match passed {
                Passed::Empty { slot, reason } => verdicts.push(Verdict::SlotEmpty { slot, reason }),
                Passed::GivenUp { slot, post } => {
                    verdicts.extend(index::introduction(&post, past.entry(&post.id)));
                    self.index.give_up(&post);
                    verdicts.push(Verdict::Missed { post: post.id.clone(), slot });
                }
            }
        }
        let wake = if more { Some(now) } else { turn.wake };
        Step { verdicts, send: turn.send, wake }
    }

    /// Time, floor and brakes are what they are now. Returns the posts whose wait has ended by it.
    pub(super) fn begin(&mut self, past: &Past<'_>, brakes: Brakes, now: Timestamp) -> Vec<(Arc<Post>, &'static str)> {
        if std::mem::take(&mut self.new_schedule) || (past.cursor().is_none() && self.floor.is_none()) {
            self.floor = Some(now);
        }
        // The clock may have been ahead when the floor was laid.
        self.floor = self.floor.map(|floor| floor.min(now));
        let ended = self.index.advance(now, self.late_grace());
        self.index.set_unanswered(brakes.unanswered);
        self.index.set_whole(brakes.whole.map(|whole| whole.held));
        ended
    }

    pub(super) fn late_grace(&self) -> Duration {
        self.policy.late_grace.max(LEAST_GRACE)
    }

    /// All slots up to this moment are over, or were never promised.
    pub(super) fn slots_begin_after(&self, past: &Past<'_>) -> Timestamp {
        let floor = self.floor.map(|floor| before(floor, Duration::from_nanos(1)));
        past.cursor().max(floor).max(self.over).unwrap_or(Timestamp::MIN)
    }

    /// The first slot later than `moment`.
    pub(super) fn next_slot(&mut self, moment: Timestamp) -> Option<Timestamp> {
        let begin = Known { after: moment, slots: VecDeque::new(), ended: false };
        let known = self.known.get_or_insert_with(|| begin.clone());
        if moment < known.after {
            *known = begin.clone();
        }
        // Slots may follow each other too closely to be searched for one by one.
        for _ in 0..=KNOWN_SLOTS {
            if let Some(next) = known.slots.iter().find(|slot| **slot > moment) {
                return Some(*next);
            }
            if known.ended {
                return None;
            }
            known.search_on(&self.schedule);
        }
        *known = begin;
        known.search_on(&self.schedule);
        known.slots.front().copied()
    }
}

impl Known {
    fn search_on(&mut self, schedule: &Schedule) {
        let last = self.slots.back().copied().unwrap_or(self.after);
        match slots::after(schedule, last).next() {
            Some(next) => self.slots.push_back(next),
            None => self.ended = true,
        }
        if self.slots.len() > KNOWN_SLOTS
            && let Some(oldest) = self.slots.pop_front()
        {
            self.after = oldest;
        }
    }
}

/// The post of ours that a post answers. Reading the content of every post would cost more than all the rest.
fn answered(post: &Post) -> Option<PostId> {
    if !post.answers_ours {
        return None;
    }
    match post.content(post.to.first()?).reply_to {
        Some(ReplyTo::Ours(answered)) => Some(answered),
        _ => None,
    }
}
