//! How attempts end: what is recorded of it, and what follows for their account and for the queue once that is durable.

use crate::deliver::delivery::UNNAMED;
use crate::domain::{AccountId, DeliveryId, Timestamp};
use crate::ledger::Record;
use crate::ledger::record::{Fact, Outcome};
use crate::ledger::store::Room;
use crate::queue::digest::Body;
use crate::telemetry::events::{Event as LogEvent, quote};

use super::super::Engine;
use super::super::commits::Then;
use super::super::desk::Work;
use super::super::patience::Patience;

impl Engine {
    /// Gives up an attempt that is owed and has surely left nothing but the parts that are on record.
    pub(in crate::engine) fn give_up(&mut self, delivery: &DeliveryId, attempt: u32, why: String, now: Timestamp) {
        let parts = self.entry(delivery).and_then(|entry| entry.open.as_ref()).map_or(0, |open| open.published);
        let outcome = match parts {
            0 => Outcome::Abandoned { why },
            // Nothing of it can be taken back, and nothing is left to send.
            _ if self.is_out(delivery) => Outcome::Uncertain { why: format!("{UNNAMED}: {why}") },
            n => Outcome::Refused { why: format!("{why} ({n} parts are published)") },
        };
        let records = self.ended_with(delivery, attempt, outcome, now);
        self.commit(records, Room::Reserve, Then::Concluded(delivery.account.clone()));
        self.hold_desk(&delivery.account);
    }

    /// The records of an outcome. A slot whose post is given up unsent has passed without a post, and nobody else says
    /// so: it is over since the intent.
    pub(super) fn ended_with(
        &self,
        delivery: &DeliveryId,
        attempt: u32,
        outcome: Outcome,
        now: Timestamp,
    ) -> Vec<Record> {
        let empty = match &outcome {
            Outcome::Abandoned { why } => {
                let intent = self.entry(delivery).and_then(|entry| entry.open.as_ref()).map(|open| &open.intent);
                let slot = intent.filter(|intent| Body::read(&intent.body).at.is_none()).and_then(|intent| intent.slot);
                let reason = quote(&format!("{}: {why}", delivery.post));
                slot.map(|slot| Fact::SlotEmpty { account: delivery.account.clone(), slot, reason, run: None })
            }
            _ => None,
        };
        let fact = Fact::Outcome { delivery: delivery.clone(), attempt, outcome };
        [Some(fact), empty].into_iter().flatten().map(|fact| Record::new(now, fact)).collect()
    }

    /// Keeps an account from beginning something else while a record about its open delivery is on its way.
    pub(super) fn hold_desk(&mut self, account: &AccountId) {
        if let Some(desk) = self.desks.get_mut(account) {
            desk.ending = true;
        }
    }

    /// An outcome is durable.
    pub(in crate::engine) fn concluded(&mut self, account: &AccountId, records: &[Record], now: Timestamp) {
        if let Some(desk) = self.desks.get_mut(account) {
            desk.ending = false;
        }
        for record in records {
            if let Fact::Outcome { delivery, attempt, outcome } = &record.fact {
                self.conclude(account, delivery, *attempt, outcome, now);
            }
        }
        for delivery in records.iter().filter_map(|record| record.fact.delivery()) {
            if self.entry(delivery).is_some_and(|entry| entry.open.is_none()) {
                self.forget_private(delivery);
            }
            let in_queue = self.posts.get(&delivery.post).is_some_and(|post| post.to.contains(account));
            match in_queue {
                true => self.refresh(&delivery.post),
                false => self.withdraw_durably(delivery, now),
            }
        }
        self.advance(account, now);
    }

    /// What an outcome means for its account. That may have left the configuration meanwhile; what follows for the queue follows
    /// all the same.
    fn conclude(&mut self, account: &AccountId, delivery: &DeliveryId, number: u32, outcome: &Outcome, now: Timestamp) {
        let Some(desk) = self.desks.get_mut(account) else { return };
        let in_doubt = matches!(outcome, Outcome::Ambiguous { .. });
        if let Work::Delivering { delivery: attempt, keeping, .. } = &mut desk.work
            && attempt.id() == delivery
            && attempt.attempt() == number
        {
            *keeping = false;
            if !in_doubt {
                desk.work = Work::Idle;
            }
        }
        match outcome {
            Outcome::RateLimited { until, why } => self.limit(account, *until, why),
            Outcome::Auth { .. } => {
                desk.log_out();
                desk.patience.stopped(now);
            }
            Outcome::Delivered { .. } => desk.patience = Patience::default(),
            _ => {}
        }
    }

    /// The platform asks to wait until then, or would if it were asked anything. Each wait is said once.
    pub(super) fn limit(&mut self, account: &AccountId, until: Timestamp, why: &str) {
        let Some(desk) = self.desks.get_mut(account) else { return };
        if desk.rate_limited.is_some_and(|known| known >= until) {
            return;
        }
        desk.rate_limited = Some(until);
        desk.limited_since.get_or_insert(self.now);
        let (account, platform) = (account.clone(), desk.setup.adapter.platform().into());
        self.log(LogEvent::AccountRateLimited { account, platform, until, reason: quote(why) });
    }

    pub(super) fn stop_account(&mut self, account: &AccountId, why: &str, now: Timestamp) {
        if let Some(desk) = self.desks.get_mut(account) {
            desk.log_out();
            desk.patience.stopped(now);
        }
        if let Some(fact) = self.stopped(account, why)
            && self.stops.insert(account.clone())
        {
            self.commit(vec![Record::new(now, fact)], Room::Reserve, Then::Changed(account.clone()));
        }
    }

    /// That the account is stopped, if the ledger does not say so already.
    pub(super) fn stopped(&self, account: &AccountId, why: &str) -> Option<Fact> {
        let known = self.view.account(account).is_some_and(|account| account.head.stopped.is_some());
        (!known && !self.stops.contains(account))
            .then(|| Fact::AccountStopped { account: account.clone(), why: why.into() })
    }
}
