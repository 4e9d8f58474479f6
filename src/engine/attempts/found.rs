//! Attempts of which it is not known what became of them, or where what they have published is: nothing more is begun, they are
//! looked for.

use crate::domain::{DeliveryId, Timestamp};
use crate::ledger::Record;
use crate::ledger::record::{Fact, Outcome};
use crate::ledger::store::Room;
use crate::ledger::view::Open;
use crate::queue::digest::content;

use super::super::Engine;
use super::super::commits::Then;
use super::super::desk::Beginning;

impl Engine {
    /// Goes on with a delivery of which all is published, and that is only to tell where. What the queue holds of it now
    /// does not matter, and its media are not needed.
    pub(super) fn ask_where(&mut self, delivery: &DeliveryId, prior: Box<Open>, now: Timestamp) {
        let body = prior.intent.body.clone();
        let (content, slot) = (content(&body, &delivery.account), prior.intent.slot);
        let prior = Some(prior);
        let beginning = Beginning { prior, ..Beginning::of(body, content, slot) };
        self.begin(&delivery.account, beginning, now);
    }

    /// Whether all of a delivery that is owed is published.
    pub(in crate::engine) fn is_out(&self, delivery: &DeliveryId) -> bool {
        self.entry(delivery).and_then(|entry| entry.open.as_deref()).is_some_and(is_out)
    }

    /// An attempt that was under way when the daemon stopped: it is looked for.
    pub(super) fn find_out(&mut self, delivery: &DeliveryId, now: Timestamp) {
        let Some(prior) = self.entry(delivery).and_then(|entry| entry.open.clone()) else { return };
        if let Some(why) = self.moved_from(delivery) {
            let outcome = Outcome::Uncertain { why };
            let fact = Fact::Outcome { delivery: delivery.clone(), attempt: prior.intent.attempt, outcome };
            self.commit(vec![Record::new(now, fact)], Room::Reserve, Then::Concluded(delivery.account.clone()));
            self.hold_desk(&delivery.account);
            return;
        }
        let post = self.posts.get(&delivery.post).filter(|post| post.to.contains(&delivery.account)).cloned();
        let body = prior.intent.body.clone();
        let content = content(&body, &delivery.account);
        let (slot, begun) = (prior.intent.slot, Some(prior.begun));
        let beginning =
            Beginning { post, prior: Some(prior), found: true, begun, ..Beginning::of(body, content, slot) };
        self.begin(&delivery.account, beginning, now);
    }
}

/// Whether every part of an attempt is published: only where, is still to be told.
pub(super) fn is_out(open: &Open) -> bool {
    open.published as usize > content(&open.intent.body, &open.intent.delivery.account).thread.len()
}
