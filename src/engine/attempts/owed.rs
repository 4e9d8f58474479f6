//! Attempts that are owed: what was begun and is not over is tried again in its time, and held, given up or let pass meanwhile.
//!
//! Another try is made of what the first one sent, if the queue still wants just that. It keeps the gates of the plan, and it
//! waits while its account as a whole is held, which is said.

use crate::domain::{AccountId, DeliveryId, State, Timestamp, time};
use crate::ledger::Record;
use crate::ledger::record::{Fact, Outcome};
use crate::ledger::store::Room;
use crate::queue::Post;
use crate::queue::digest::content;

use super::super::Engine;
use super::super::commits::Then;
use super::super::desk::{Beginning, Work};
use super::super::engine::{Folder, Mode};
use super::super::spending::TOO_DEAR;
use super::found::is_out;

/// Why an attempt is given up whose post is not what it was any more.
pub(in crate::engine) const UNWANTED: &str = "the post was withdrawn or changed";

impl Engine {
    /// Begins an attempt that is owed; says when the next one is.
    pub(in crate::engine) fn owed(&mut self, account: &AccountId, now: Timestamp) -> Option<Timestamp> {
        let desk = self.desks.get(account)?;
        if !matches!(desk.work, Work::Idle) || desk.ending {
            return None;
        }
        if self.stopping || !self.ready || self.mode != Mode::Publish {
            return None;
        }
        if let Some(until) = desk.pause_until.filter(|until| *until > now) {
            return Some(until);
        }
        let (facts, next) = self.owed_verdicts(account, now);
        if !facts.is_empty() && !desk.planning {
            self.desks.get_mut(account)?.planning = true;
            let records = facts.into_iter().map(|fact| Record::new(now, fact)).collect();
            self.commit(records, Room::Free, Then::Planned(account.clone()));
            return None;
        }
        let (at, delivery) = self.first_owed(account)?;
        let shut = self.is_shut(account);
        if at == Timestamp::MIN {
            // Looking for it sends nothing; it needs only an account that is let in. Before it is known what the queue holds,
            // all would be given up that turns out not to be there, and with it the rest of a thread.
            if !shut && self.was_read {
                self.find_out(&delivery, now);
            }
            return None;
        }
        let waits_for_clock = self.clock_behind || desk.clock_set;
        // What stands against its post may be that there was no such account when the queue was read.
        let unread = desk.unread || self.folder != Folder::Known;
        if shut || desk.setup.paused || waits_for_clock || self.full || unread {
            return next;
        }
        if at > now {
            return Some(at);
        }
        if desk.planning {
            return None;
        }
        let allowed = desk.lane.earliest(self.view.account(account), &delivery.post, now);
        if allowed > now && !self.is_over(&delivery, now) && !self.is_out(&delivery) {
            return Some(allowed);
        }
        if self.say_held_back(account, now) {
            return None;
        }
        self.try_again(&delivery, now);
        None
    }

    /// What is owed first: what is to be looked for at once, the rest when it is due.
    fn first_owed(&self, account: &AccountId) -> Option<(Timestamp, DeliveryId)> {
        let (desk, held) = (self.desks.get(account)?, self.view.account(account)?);
        let mut due: Option<(Timestamp, DeliveryId)> = None;
        for post in held.open() {
            let delivery = DeliveryId::new(post.clone(), account.clone());
            let at = match held.entry(post).map(|entry| &entry.state) {
                Some(State::Sending { .. }) => Timestamp::MIN,
                Some(State::Retrying { at, .. }) => (*at).max(desk.rate_limited.unwrap_or(*at)),
                _ => continue,
            };
            if due.as_ref().is_none_or(|(earliest, _)| at < *earliest) {
                due = Some((at, delivery));
            }
        }
        due
    }

    /// What is to be said of attempts that are owed: that the account as a whole holds them, once their moment has come, and
    /// that it does not any more. Also when there is more to say.
    fn owed_verdicts(&self, account: &AccountId, now: Timestamp) -> (Vec<Fact>, Option<Timestamp>) {
        let (mut facts, mut next) = (Vec::new(), None);
        let (Some(desk), Some(held)) = (self.desks.get(account), self.view.account(account)) else {
            return (facts, next);
        };
        if self.standstill(account).is_some() {
            return (facts, next);
        }
        let whole = self.held_as_a_whole(account, desk);
        for post in held.open() {
            let Some(entry) = held.entry(post).filter(|entry| entry.halted != whole) else { continue };
            let (State::Retrying { at, .. }, Some(digest)) = (&entry.state, entry.digest) else { continue };
            if entry.halted.is_none() && *at > now {
                next = next.min(Some(*at)).or(Some(*at));
                continue;
            }
            let delivery = DeliveryId::new(post.clone(), account.clone());
            facts.push(Fact::Planned { delivery, digest, held: whole, detail: None });
        }
        (facts, next)
    }

    /// Whether the time of a delivery that is owed has passed.
    fn is_over(&self, delivery: &DeliveryId, now: Timestamp) -> bool {
        let (Some(post), Some(desk)) = (self.posts.get(&delivery.post), self.desks.get(&delivery.account)) else {
            return false;
        };
        let Some(entry) = self.entry(delivery) else { return false };
        let untouched = entry.open.as_ref().is_none_or(|open| open.published == 0);
        let expired = post.rare.expires.is_some_and(|expires| expires <= now);
        // Who asks for another try knows what time it is. `expires` binds them too: it is part of what was approved.
        let too_late =
            !entry.asked && post.rare.at.is_some_and(|at| time::after(at, desk.setup.policy.late_grace) < now);
        untouched && (expired || too_late)
    }

    /// Another attempt at a delivery whose last one surely failed, or that a person wants sent.
    fn try_again(&mut self, delivery: &DeliveryId, now: Timestamp) {
        let Some(entry) = self.entry(delivery) else { return };
        let (prior, attempt) = (entry.open.clone(), entry.attempts);
        if let Some(open) = prior.clone().filter(|open| is_out(open)) {
            return match self.moved_from(delivery) {
                Some(why) => self.give_up(delivery, attempt, why, now),
                None => self.ask_where(delivery, open, now),
            };
        }
        let post = self.posts.get(&delivery.post).filter(|post| post.to.contains(&delivery.account)).cloned();
        let wanted = post.filter(|post| {
            post.approval.is_given()
                && post.rare.trouble.is_none()
                && prior.as_ref().is_none_or(|open| open.intent.digest == post.digest)
        });
        let Some(post) = wanted else {
            self.give_up(delivery, attempt, UNWANTED.to_owned(), now);
            return;
        };
        if self.is_over(delivery, now) {
            return self.let_pass(delivery, attempt, &post, now);
        }
        let slot = prior.as_ref().map_or(post.rare.at, |open| open.intent.slot);
        let prior = match (self.moved_from(delivery), prior) {
            // Surely nothing of it is out: it begins anew, with nothing that was frozen for the other platform.
            (Some(_), Some(open)) if open.published == 0 => None,
            (Some(why), Some(_)) => return self.give_up(delivery, attempt, why, now),
            (_, prior) => prior,
        };
        let body = post.body.read();
        let content = content(&body, &delivery.account);
        let is_out = prior.as_ref().is_some_and(|open| open.published > 0);
        if !is_out && !self.can_afford(&delivery.account, &content, now) {
            return self.give_up(delivery, attempt, TOO_DEAR.to_owned(), now);
        }
        self.begin(&delivery.account, Beginning { post: Some(post), prior, ..Beginning::of(body, content, slot) }, now);
    }

    /// The time of a delivery has passed before another try was made.
    fn let_pass(&mut self, delivery: &DeliveryId, attempt: u32, post: &Post, now: Timestamp) {
        let why = "its time passed while it was being retried".to_owned();
        let mut records = self.ended_with(delivery, attempt, Outcome::Abandoned { why }, now);
        let end = match (post.rare.expires, post.rare.at) {
            (Some(expires), _) if expires <= now => Fact::Expired { delivery: delivery.clone() },
            (_, Some(at)) => Fact::Missed { delivery: delivery.clone(), slot: at },
            _ => return,
        };
        records.push(Record::new(now, end));
        self.commit(records, Room::Reserve, Then::Concluded(delivery.account.clone()));
        self.hold_desk(&delivery.account);
    }
}
