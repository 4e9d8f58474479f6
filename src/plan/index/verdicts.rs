//! What is to be said of each post, and what of it the ledger does not say yet.
//!
//! A verdict is said until the ledger agrees, at each step those that are new. Where two states are equally true, the one
//! that stands in the ledger stays there: time in line alone makes no record.

use std::sync::Arc;

use crate::domain::{Goal, Held, State, Timestamp};
use crate::ledger::view::{Account, Entry};
use crate::plan::lane::Verdict;
use crate::queue::Post;

use super::hands::{Hands, hands};
use super::kind::{fixed_time, is_promotion};
use super::order::Ranked;
use super::{End, Index, Item, Standing};

/// Most posts that one step says something new about. What is left follows at once; in between, sending goes on.
pub const POSTS_A_STEP: usize = 250;

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

impl Index {
    fn want(&self, post: &Arc<Post>, item: &Item) -> Want {
        if let Standing::Over(end) = item.standing {
            return Want::End(end);
        }
        if let Some((reason, detail)) = self.own_hold(post, item) {
            return Want::Be(Status::Held(reason, detail));
        }
        let behind = |first: &Post| Status::Held(Held::WaitingSeries, Some(format!("waits for {}", first.id)));
        if let Some(first) = self.series.stuck_before(post) {
            return Want::Be(behind(first));
        }
        let called = self.whole.filter(|_| self.called.contains(&post.id));
        // Hundreds may wait for the same answers. On record it is said of those whose turn comes meanwhile, and of those who
        // hold up their series.
        let is_quiet =
            |reason| reason == Held::Unanswered && post.rare.series.is_none() && !self.passed_by.contains(&post.id);
        match self.class_hold(post) {
            Some(reason) if !is_quiet(reason) => return Want::Be(Status::Held(reason, None)),
            Some(reason) if called.is_none() => return Want::Either(Status::Scheduled, Status::Held(reason, None)),
            _ => {}
        }
        if let Some(first) = self.series.first_before(post) {
            let under_way =
                self.item(first).is_some_and(|item| matches!(item.standing, Standing::UnderWay | Standing::Left));
            if under_way {
                return Want::Either(behind(first), Status::Scheduled);
            }
        }
        if let Some(held) = called {
            return Want::Be(Status::Held(held, None));
        }
        if is_promotion(post) {
            let share = Status::Held(Held::PromotionShare, None);
            if self.passed_over.contains(&post.id) {
                return Want::Be(share);
            }
            let is_next = self.seats.ready(Goal::Promotion).first_key().is_some_and(|next| next.0.id == post.id);
            if !(is_next && self.promotion_open) {
                return Want::Either(Status::Scheduled, share);
            }
        }
        Want::Be(Status::Scheduled)
    }

    /// A post that waits has come in, or has come back.
    pub(super) fn compare(&mut self, post: &Arc<Post>, entry: Option<&Entry>) {
        let Some(want) = self.item(post).map(|item| self.want(post, item)) else { return };
        self.note_look(post, &want);
        if !is_said(&want, post, entry) {
            self.look_again(post.clone());
        }
    }

    /// Somebody was looked at behind an attempt of his series: when that is over, he is looked at again.
    fn note_look(&mut self, post: &Post, want: &Want) {
        if matches!(want, Want::Either(Status::Held(..), _)) {
            self.series.note_look(post);
        }
    }

    /// Why a post is held, if it is.
    pub fn hold(&self, post: &Arc<Post>) -> Option<(Held, Option<String>)> {
        let item = self.item(post)?;
        match self.want(post, item) {
            Want::Be(Status::Held(reason, detail)) => Some((reason, detail)),
            Want::Either(_, Status::Held(Held::Unanswered, detail)) => Some((Held::Unanswered, detail)),
            _ => None,
        }
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
            // Nor is who is held for the share let go because people wait.
            State::Held { reason: said, .. } => {
                said == reason || (*reason, *said) == (Held::Unanswered, Held::PromotionShare)
            }
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
