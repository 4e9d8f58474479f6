//! One sweep from call to call: what was found is recorded before the next call is made.

use crate::domain::{AccountId, Spend, Timestamp, time};
use crate::engage::{self, Fact, found};
use crate::ledger::store::CommitError;
use crate::platform::contract::sweep::{Found, Hindrance, Seek};
use crate::platform::contract::{Call, Failure, Reply};

use super::super::desk::Work;
use super::super::{Command, Engine, Ticket};
use super::AGAIN;
use super::posts::Known;

impl Engine {
    /// What a sweep does next, when nothing is waited for.
    pub(super) fn sweep_on(&mut self, account: &AccountId, now: Timestamp) {
        loop {
            let Some(desk) = self.desks.get_mut(account).filter(|_| self.watch.is_some()) else { return };
            let Some(running) = &mut desk.sweeps.running else { return };
            match running.held.take().map_or_else(|| running.sweeper.next(), Seek::Ask) {
                Seek::Ask(call) => return self.sweep_asks(account, call, now),
                Seek::Found(found) => {
                    if self.sweep_records(account, found, now) {
                        return;
                    }
                }
                Seek::Over => return self.end_sweep(account, None, now),
                Seek::Stopped(why) => return self.end_sweep(account, Some(why), now),
            }
        }
    }

    /// Makes a call, unless it must not be made now. Until its cost is in the ledger, it is kept.
    fn sweep_asks(&mut self, account: &AccountId, call: Call, now: Timestamp) {
        let Some(desk) = self.desks.get_mut(account) else { return };
        if self.stopping {
            desk.sweeps.running = None;
            return;
        }
        let Some(running) = &desk.sweeps.running else { return };
        if let Some(until) = desk.rate_limited.max(running.spent).filter(|until| now < *until) {
            let why = "the platform asked to wait".into();
            return self.end_sweep(account, Some(Hindrance::Limited { until, why }), now);
        }
        let price = running.sweeper.price(None);
        if !price.is_nothing() {
            if let Some(why) = self.must_not_spend(account, price, now) {
                return self.end_sweep(account, Some(why), now);
            }
            if self.is_short(account, price, now) {
                return self.sweep_pays_first(account, call, price, now);
            }
        }
        let ticket = self.ticket();
        let Some(desk) = self.desks.get_mut(account) else { return };
        let Some(running) = &mut desk.sweeps.running else { return };
        let timeout = desk.setup.rules.timeout;
        running.ticket = ticket;
        desk.purse.pay(ticket, price, now);
        let account = account.clone();
        self.callers.insert(ticket, account.clone());
        self.commands.push_back(Command::Call { ticket, account, call, timeout });
    }

    /// Has what was found recorded. `false`: there is nothing to record.
    fn sweep_records(&mut self, account: &AccountId, found: Found, now: Timestamp) -> bool {
        let (Some(watch), Some(desk)) = (&self.watch, self.desks.get_mut(account)) else { return false };
        let Some(running) = &mut desk.sweeps.running else { return false };
        if let Found::Post(finding) = &found {
            running.asked.remove(&finding.delivery.post);
        }
        let ours = Known { view: &self.view, account };
        let records = found::records(watch, account, found, &ours, now);
        running.found = true;
        if records.is_empty() {
            return false;
        }
        self.next_ticket += 1;
        let ticket = Ticket(self.next_ticket);
        running.ticket = ticket;
        self.callers.insert(ticket, account.clone());
        // Whatever becomes of the sweep, what is on record is known.
        self.remembering.insert(ticket, records.clone());
        self.commands.push_back(Command::Remember { ticket, records });
        true
    }

    /// What a sweep's call may cost is in the ledger, unless that sweep is over and another one has begun.
    pub(in crate::engine) fn sweep_has_money(&mut self, account: &AccountId, now: Timestamp) {
        let Some(desk) = self.desks.get(account) else { return };
        match &desk.sweeps.running {
            Some(running) if running.held.is_some() => self.sweep_on(account, now),
            _ if matches!(desk.work, Work::Idle) => self.give_back_after_sweep(account, now),
            _ => {}
        }
    }

    /// Takes the answer to a sweep's call. `false`: the call was another one.
    pub(in crate::engine) fn swept(
        &mut self,
        account: &AccountId,
        ticket: Ticket,
        result: &Result<Reply, Failure>,
        now: Timestamp,
    ) -> bool {
        let Some(desk) = self.desks.get_mut(account) else { return false };
        let Some(running) = desk.sweeps.running.as_mut().filter(|running| running.ticket == ticket) else {
            return false;
        };
        let pace = result.as_ref().ok().and_then(|reply| desk.setup.adapter.pace(reply, now));
        match result {
            Ok(Reply::Http(reply)) => {
                desk.purse.settle(ticket, running.sweeper.price(Some(reply)));
                running.sweeper.answered(reply, now);
            }
            Ok(Reply::Sockets(replies)) => {
                desk.purse.forget(ticket);
                running.sweeper.heard(replies, now);
            }
            Ok(_) => {
                desk.purse.forget(ticket);
                self.end_sweep(account, Some(Hindrance::Failed { why: "the answer is of another kind".into() }), now);
                return true;
            }
            Err(failure) => {
                match failure {
                    Failure::NeverLeft(_) => desk.purse.settle(ticket, Spend::default()),
                    Failure::MayHaveArrived(_) => desk.purse.forget(ticket),
                }
                self.end_sweep(account, Some(Hindrance::Failed { why: failure.to_string() }), now);
                return true;
            }
        }
        // What has been found with this answer counts; the next is not asked.
        running.spent = pace.filter(|pace| pace.remaining == 0 && pace.reset > now).map(|pace| pace.reset);
        self.sweep_on(account, now);
        true
    }

    /// What a sweep has found is on record, or could not be recorded.
    pub(in crate::engine) fn sweep_has_recorded(
        &mut self,
        ticket: Ticket,
        records: &[engage::Record],
        result: Result<(), CommitError>,
        now: Timestamp,
    ) {
        let Some(account) = self.caller(ticket) else { return };
        let Some(desk) = self.desks.get_mut(&account) else { return };
        if desk.sweeps.running.as_ref().is_none_or(|running| running.ticket != ticket) {
            return;
        }
        match result {
            Ok(()) => {
                self.sweep_on(&account, now);
                // Somebody may have begun to wait, or does no more.
                self.advance(&account, now);
            }
            Err(error) => {
                // They are still due: nothing of it counts as seen.
                for record in records {
                    if let Fact::Sampled(sample) = &record.fact {
                        desk.sweeps.due.insert((time::after(now, AGAIN), sample.delivery.post.clone()));
                    }
                }
                self.end_sweep(&account, Some(Hindrance::Failed { why: error.to_string() }), now);
            }
        }
    }
}
