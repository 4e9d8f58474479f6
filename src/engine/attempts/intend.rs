//! An attempt is made of its intent, and runs when that is durable; one that was found needs none, and is looked for at once.

use std::sync::Arc;

use crate::deliver::{Delivery, Progress};
use crate::domain::{AccountId, Content, DeliveryId, Digest, Held, ReplyTo, Timestamp};
use crate::ledger::Record;
use crate::ledger::record::{Fact, Intent};
use crate::ledger::store::Room;
use crate::plan::draw;
use crate::platform::contract::{Job, Media};

use super::super::commits::Then;
use super::super::desk::{Beginning, Work};
use super::super::{Engine, Ticket};
use super::intent::with_link;
use super::others::others;

impl Engine {
    /// Makes the intent, or, for an attempt that was found, goes straight to looking for it.
    pub(in crate::engine) fn intend(
        &mut self,
        account: &AccountId,
        mut beginning: Beginning,
        media: Vec<Media>,
        now: Timestamp,
    ) {
        let Some(post_id) = beginning
            .post
            .as_ref()
            .map(|post| post.id.clone())
            .or_else(|| beginning.prior.as_ref().map(|open| open.intent.delivery.post.clone()))
        else {
            return;
        };
        let delivery = DeliveryId::new(post_id, account.clone());
        if !beginning.found {
            if !self.may_still_begin(&delivery, &beginning, now) {
                return self.advance(account, now);
            }
            if let Some(claim) = self.claim(&delivery, &beginning) {
                return self.ask_who_approved(account, claim, beginning, media);
            }
        }
        let Some(intent) = self.intent(&delivery, &mut beginning, now) else { return };
        beginning.content = with_link(&beginning.content, intent.link.clone()).into_owned();
        let aside = self.set_aside(account, &beginning.content, now);
        let job = self.job(&intent, beginning.content, media);
        let (done, published) = beginning.prior.map_or((Vec::new(), 0), |open| (open.done, open.published));
        let done = self.reveal(&delivery, done);
        let Some(desk) = self.desks.get_mut(account) else { return };
        let number = draw(self.seed, &delivery.to_string(), &format!("retry-{}", intent.attempt));
        let begun = beginning.begun.unwrap_or(now);
        let so_far = Progress { done, published, tries: intent.tries, begun };
        let attempt = Delivery::new(desk.setup.adapter.clone(), desk.setup.rules, job, so_far, number);
        if !beginning.found {
            let facts = std::iter::once(Fact::Intent(Box::new(intent))).chain(aside);
            let records = facts.map(|fact| Record::new(now, fact)).collect();
            let ticket = self.commit(records, Room::Free, Then::Intended(account.clone()));
            if let Some(desk) = self.desks.get_mut(account) {
                desk.work = Work::Intending { ticket, delivery: Box::new(attempt) };
            }
            return;
        }
        self.look_for(account, attempt, &intent.digest, now);
    }

    /// Looks for what an attempt that was found has left; it goes on only if the queue still wants it.
    fn look_for(&mut self, account: &AccountId, attempt: Delivery, digest: &Digest, now: Timestamp) {
        let settle =
            self.view.entry(attempt.id()).and_then(|entry| entry.open.as_ref()).and_then(|open| open.ambiguous);
        let (mut attempt, act) = attempt.found(settle, now);
        if !self.is_wanted(attempt.id(), digest) {
            attempt.only_settle();
        }
        if let Some(desk) = self.desks.get_mut(account) {
            desk.work = Work::Delivering { delivery: Box::new(attempt), ticket: None, keeping: false };
        }
        self.act(account, act, now);
        // Where its media were read first, nobody else asks when it wants to be carried on.
        self.advance(account, now);
    }

    /// Whether the queue still holds this content, approved.
    fn is_wanted(&self, delivery: &DeliveryId, digest: &Digest) -> bool {
        self.posts.get(&delivery.post).is_some_and(|post| {
            post.to.contains(&delivery.account) && post.digest == *digest && post.approval.is_given()
        })
    }

    fn job(&self, intent: &Intent, content: Content, media: Vec<Media>) -> Job {
        let answers = match &content.reply_to {
            Some(ReplyTo::Ours(post)) => {
                let answered = DeliveryId::new(post.clone(), intent.delivery.account.clone());
                self.entry(&answered).and_then(|entry| entry.remote()).cloned()
            }
            _ => None,
        };
        Job {
            delivery: intent.delivery.clone(),
            attempt: intent.attempt,
            key: intent.key.clone(),
            digest: intent.digest,
            content,
            media,
            frozen: intent.frozen.clone(),
            started: intent.started,
            answers,
            // A refusal as duplicate, too, may name one of them.
            taken: Arc::new(others(&self.view, &intent.delivery)),
        }
    }

    /// The intent is durable: the attempt begins. One of an account that was taken out of the configuration and put back
    /// meanwhile is nobody's: what the account is about to begin waits for an intent of its own.
    pub(in crate::engine) fn intended(&mut self, account: &AccountId, ticket: Ticket, now: Timestamp) {
        let Some(desk) = self.desks.get_mut(account) else { return };
        match std::mem::replace(&mut desk.work, Work::Idle) {
            Work::Intending { ticket: waited, mut delivery } if waited == ticket => {
                // While it was being written, the post may have been changed or withdrawn, and put back.
                let intent = self.view.entry(delivery.id()).and_then(|entry| entry.open.as_ref());
                let digest = intent.map(|open| open.intent.digest);
                let post = self.posts.get(&delivery.id().post).filter(|post| post.to.contains(account));
                match post.filter(|post| post.approval.is_given() && Some(post.digest) == digest) {
                    Some(_) => delivery.publish_after_all(),
                    None => delivery.only_settle(),
                }
                desk.work = Work::Delivering { delivery, ticket: None, keeping: false };
            }
            other => desk.work = other,
        }
        self.advance(account, now);
    }

    /// The ledger does not take such an intent: the post is held, and nothing has been sent.
    pub(in crate::engine) fn cannot_be_intended(
        &mut self,
        account: &AccountId,
        ticket: Ticket,
        why: &str,
        now: Timestamp,
    ) {
        let Some(desk) = self.desks.get_mut(account).filter(|desk| desk.work.intends(ticket)) else { return };
        let Work::Intending { delivery, .. } = std::mem::replace(&mut desk.work, Work::Idle) else { return };
        if let Some(post) = self.posts.get(&delivery.id().post).cloned() {
            self.object(&post, account, Held::Invalid, why.to_owned());
        }
        let owed = self.entry(delivery.id()).filter(|entry| entry.state.is_open()).map(|entry| entry.attempts);
        if let Some(attempt) = owed {
            self.give_up(delivery.id(), attempt, why.to_owned(), now);
        }
        self.withdraw_if_gone(delivery.id(), now);
        self.advance(account, now);
    }
}
