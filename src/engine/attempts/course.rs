//! One attempt from step to step: it is asked what it wants, that is done, and it is told what came of it.
//!
//! What it wants, `deliver` says. Here is only when it may have it: a call is not made while the platform asks to wait, while the
//! account's tokens cannot be opened, or before what it may cost is durable.

use crate::deliver::Act;
use crate::deliver::delivery::AccountState;
use crate::domain::{AccountId, Spend, Timestamp};
use crate::ledger::Record;
use crate::ledger::record::{Fact, Outcome};
use crate::ledger::store::Room;
use crate::platform::contract::{Failure, Reply, Step};

use super::super::commits::Then;
use super::super::desk::Work;
use super::super::patience::Patience;
use super::super::spending::TOO_DEAR;
use super::super::{Command, Engine, Ticket};
use super::moved::moved;
use super::others::others;

/// What is said of an account that must wait although nobody has asked it to.
const ALLOWANCE: &str = "its answers tell that the account's allowance is used up";

impl Engine {
    /// Carries on what the account is doing; says when it wants to be asked again.
    pub(in crate::engine) fn carry_on(&mut self, account: &AccountId, now: Timestamp) -> Option<Timestamp> {
        let desk = self.desks.get_mut(account)?;
        if desk.rate_limited.is_some_and(|until| until <= now) {
            (desk.rate_limited, desk.limited_since) = (None, None);
        }
        match &desk.work {
            Work::Delivering { ticket: None, keeping: false, .. } => self.proceed(account, now),
            Work::Parked { .. } => self.carry_on_parked(account, now),
            Work::Idle => desk.rate_limited,
            Work::Vouching { again: Some(_), .. } => self.vouch_again(account, now),
            _ => None,
        }
    }

    /// An attempt that waits for nothing is asked what it wants.
    fn proceed(&mut self, account: &AccountId, now: Timestamp) -> Option<Timestamp> {
        let held = self.held_under_way(account);
        let desk = self.desks.get_mut(account)?;
        let Work::Delivering { delivery, .. } = &mut desk.work else { return None };
        if let Some(until) = delivery.sleeps_until().filter(|until| *until > now) {
            return Some(until);
        }
        if self.stopping && delivery.sleeps_until().is_some() {
            return None;
        }
        if let Some(why) = desk.locked {
            // What it would be asked with is used up, or soon would be.
            let act = delivery.not_let_in(why.to_owned());
            self.act(account, act, now);
            return None;
        }
        if delivery.is_in_doubt() {
            delivery.know_others(others(&self.view, delivery.id()));
        }
        let state = AccountState { session: &desk.session, secrets: &desk.setup.secrets, held };
        let act = delivery.proceed(state, now);
        self.act(account, act, now);
        self.desks.get(account).and_then(|desk| match &desk.work {
            Work::Delivering { delivery, ticket: None, .. } => delivery.sleeps_until(),
            _ => None,
        })
    }

    /// What is parked goes on when its account is let in again, or is somewhere else now.
    fn carry_on_parked(&mut self, account: &AccountId, now: Timestamp) -> Option<Timestamp> {
        let desk = self.desks.get_mut(account)?;
        let Work::Parked { delivery } = &desk.work else { return None };
        if let Some(later) = desk.later.take() {
            let began = (desk.setup.adapter.platform(), Some(&*desk.setup.adapter.host()));
            let why = moved(began, &*later.adapter);
            let (delivery, attempt) = (delivery.id().clone(), delivery.attempt());
            desk.work = Work::Idle;
            // With the token and the name of today it is looked for like one that was found at start: all that
            // this needs is on record.
            self.set_up(later);
            self.stop_locked(account, now);
            if let Some(why) = why {
                let fact = Fact::Outcome { delivery, attempt, outcome: Outcome::Uncertain { why } };
                self.commit(vec![Record::new(now, fact)], Room::Reserve, Then::Concluded(account.clone()));
                self.hold_desk(account);
            }
            return None;
        }
        if self.is_shut(account) {
            return None;
        }
        let desk = self.desks.get_mut(account)?;
        if let Work::Parked { mut delivery } = std::mem::replace(&mut desk.work, Work::Idle) {
            delivery.let_in_again(now);
            desk.work = Work::Delivering { delivery, ticket: None, keeping: false };
            return self.carry_on(account, now);
        }
        None
    }

    /// Does what an attempt wants.
    pub(in crate::engine) fn act(&mut self, account: &AccountId, act: Act, now: Timestamp) {
        let Some(desk) = self.desks.get_mut(account) else { return };
        let Work::Delivering { delivery, keeping, .. } = &mut desk.work else { return };
        let (id, attempt) = (delivery.id().clone(), delivery.attempt());
        match act {
            Act::Call(_) if desk.rate_limited.is_some_and(|until| until > now) => {
                // The allowance is used up: what was chosen has not been sent and can wait. Before anything can be
                // seen, it waits outside of an attempt, so that it comes back through the gates of the plan.
                let until = desk.rate_limited.unwrap_or(now);
                if let Some(outcome) = delivery.put_off(until, now) {
                    self.act(account, Act::End(outcome), now);
                }
            }
            Act::Call(_) if let Some(why) = desk.locked => {
                let act = delivery.not_let_in(why.to_owned());
                self.act(account, act, now);
            }
            Act::Call(step) => self.call(account, step, now),
            Act::Keep { checkpoint, publishes, reconciled } => {
                *keeping = true;
                if publishes {
                    desk.patience = Patience::default();
                }
                let (step, data) = (checkpoint.step, checkpoint.data);
                let data = self.hide(&id, &step, data);
                let fact = Fact::Checkpoint { delivery: id, attempt, step, data, publishes, reconciled };
                self.commit(vec![Record::new(now, fact)], Room::Reserve, Then::Kept(account.clone()));
            }
            Act::Session(session) => self.take_session(account, session, now),
            Act::Sleep(_) => {}
            Act::End(outcome) => self.end_attempt(account, outcome, now),
            Act::Park { why } => {
                if let Work::Delivering { delivery, .. } = std::mem::replace(&mut desk.work, Work::Idle) {
                    desk.work = Work::Parked { delivery };
                }
                self.stop_account(account, &why, now);
            }
        }
    }

    /// Makes a call, as soon as what it may cost is set aside.
    fn call(&mut self, account: &AccountId, step: Step, now: Timestamp) {
        let Some(desk) = self.desks.get_mut(account) else { return };
        let Work::Delivering { delivery, .. } = &mut desk.work else { return };
        let state = AccountState { session: &desk.session, secrets: &desk.setup.secrets, held: None };
        let price = delivery.price(None, state, now);
        if self.is_short(account, price, now) {
            return self.pay_first(account, price, now);
        }
        let Some(desk) = self.desks.get_mut(account) else { return };
        let Work::Delivering { ticket, .. } = &mut desk.work else { return };
        self.next_ticket += 1;
        *ticket = Some(Ticket(self.next_ticket));
        desk.purse.pay(Ticket(self.next_ticket), price, now);
        desk.asked_by.clone_from(&desk.origin);
        let (ticket, timeout) = (Ticket(self.next_ticket), desk.setup.rules.timeout);
        self.callers.insert(ticket, account.clone());
        self.commands.push_back(Command::Call { ticket, account: account.clone(), call: step.call, timeout });
    }

    /// Has an outcome recorded.
    fn end_attempt(&mut self, account: &AccountId, outcome: Outcome, now: Timestamp) {
        let Some(desk) = self.desks.get_mut(account) else { return };
        let Work::Delivering { delivery, keeping, .. } = &mut desk.work else { return };
        let (id, attempt) = (delivery.id().clone(), delivery.attempt());
        *keeping = true;
        let stopped = match &outcome {
            // In one batch: nothing may be begun between the two.
            Outcome::Auth { why } => self.stopped(account, why),
            _ => None,
        };
        // What is in doubt is looked for, and that may cost something.
        let in_doubt = matches!(outcome, Outcome::Ambiguous { .. });
        let back = if in_doubt { Vec::new() } else { self.give_back(account, now) };
        let mut records = self.ended_with(&id, attempt, outcome, now);
        records.extend(stopped.into_iter().chain(back).map(|fact| Record::new(now, fact)));
        self.commit(records, Room::Reserve, Then::Concluded(account.clone()));
    }

    /// What the call that was chosen may cost is set aside before it is made. An attempt of which nothing can be seen yet
    /// ends rather than pass the budget.
    fn pay_first(&mut self, account: &AccountId, price: Spend, now: Timestamp) {
        let may_pay = self.may_pay(account, price, now);
        let Some(desk) = self.desks.get_mut(account) else { return };
        let Work::Delivering { delivery, keeping, .. } = &mut desk.work else { return };
        let seen = delivery.put_back();
        if !seen && !may_pay {
            return self.act(account, Act::End(Outcome::Abandoned { why: TOO_DEAR.into() }), now);
        }
        *keeping = true;
        self.set_aside_first(account, price, Then::Kept(account.clone()), now);
    }

    /// A checkpoint is durable: the attempt goes on.
    pub(in crate::engine) fn kept(&mut self, account: &AccountId, now: Timestamp) {
        if let Some(Work::Delivering { keeping, .. }) = self.desks.get_mut(account).map(|desk| &mut desk.work) {
            *keeping = false;
        }
        self.advance(account, now);
    }

    /// An answer has come, to whomever it belongs.
    pub(in crate::engine) fn replied(&mut self, ticket: Ticket, result: Result<Reply, Failure>, now: Timestamp) {
        let calling = |work: &Work| matches!(work, Work::Delivering { ticket: Some(waited), .. } if *waited == ticket);
        let Some(account) = self.caller(ticket) else { return };
        let held = self.held_under_way(&account);
        if self.looked(&account, ticket, &result, now) || self.swept(&account, ticket, &result, now) {
            return;
        }
        let Some(desk) = self.desks.get_mut(&account) else { return };
        if desk.probe.as_ref().is_some_and(|(waited, _)| *waited == ticket) {
            return self.probed(&account, result, now);
        }
        if !calling(&desk.work) {
            return desk.purse.forget(ticket);
        }
        let pace = result.as_ref().ok().and_then(|reply| desk.setup.adapter.pace(reply, now));
        let used_up = pace.filter(|pace| pace.remaining == 0 && pace.reset > now).map(|pace| pace.reset);
        let Work::Delivering { delivery, ticket: waited, .. } = &mut desk.work else { return };
        *waited = None;
        let state = AccountState { session: &desk.session, secrets: &desk.setup.secrets, held };
        desk.purse.settle(ticket, delivery.price(Some(&result), state, now));
        let mut act = delivery.answered(result, state, now);
        match (&mut act, used_up) {
            // Said when it is on record.
            (Act::End(Outcome::RateLimited { until, .. }), Some(reset)) => *until = reset.max(*until),
            (_, Some(reset)) => self.limit(&account, reset, ALLOWANCE),
            (_, None) => {}
        }
        self.act(&account, act, now);
        self.advance(&account, now);
    }
}
