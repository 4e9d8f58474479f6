//! Asks accounts whose token was not accepted whether it is again.

use crate::deliver::{Probe, probe};
use crate::domain::{AccountId, Timestamp};
use crate::ledger::Record;
use crate::ledger::record::Fact;
use crate::ledger::store::Room;
use crate::platform::contract::{Failure, Reply};

use super::engine::{Mode, Then};
use super::tokens::is_stopped;
use super::{Command, Engine, Ticket};

impl Engine {
    /// Asks every account whose token was not accepted once more.
    pub(super) fn probe_accounts(&mut self, now: Timestamp) {
        if self.mode != Mode::Publish {
            // What a dry run is given, it does not keep: a token that works once would be lost.
            return;
        }
        let stopped = |id: &&AccountId| is_stopped(&self.view, id) && !self.keeps.contains(*id);
        let accounts: Vec<AccountId> = self.desks.keys().filter(stopped).cloned().collect();
        for account in accounts {
            let Some(desk) = self.desks.get_mut(&account) else { continue };
            if desk.probe.is_some() || desk.locked.is_some() || self.stopping || !desk.patience.is_over(now) {
                continue;
            }
            let probe = Probe::new(desk.setup.adapter.clone(), &account, desk.session.kept.clone(), now);
            desk.probe = Some((Ticket(0), probe));
            self.carry_on_probe(&account, now);
        }
    }

    /// What a probe does next, now that what it has learned is durable.
    pub(super) fn carry_on_probe(&mut self, account: &AccountId, now: Timestamp) {
        let Some(desk) = self.desks.get_mut(account) else { return };
        let Some((_, probe)) = desk.probe.as_mut().filter(|(_, probe)| !probe.is_asking()) else {
            // What has become durable may have been for a probe that is over.
            return;
        };
        let verdict = probe.proceed(&desk.setup.secrets, now);
        self.follow_probe(account, verdict, now);
    }

    pub(super) fn probed(&mut self, account: &AccountId, result: Result<Reply, Failure>, now: Timestamp) {
        let Some(desk) = self.desks.get_mut(account) else { return };
        let Some((ticket, probe)) = &mut desk.probe else { return };
        desk.purse.settle(*ticket, probe.price(Some(&result), &desk.setup.secrets, now));
        let verdict = probe.answered(result, &desk.setup.secrets, now);
        self.follow_probe(account, verdict, now);
    }

    fn follow_probe(&mut self, account: &AccountId, verdict: probe::Verdict, now: Timestamp) {
        let pinned = self.view.account(account).and_then(|account| account.head.pinned.clone());
        let Some(desk) = self.desks.get_mut(account) else { return };
        match verdict {
            // A stop waits for what a call brings, and begins no other.
            probe::Verdict::Call(_) if self.stopping => desk.probe = None,
            probe::Verdict::Call(step) => {
                let Some((_, probe)) = &mut desk.probe else { return };
                let price = probe.price(None, &desk.setup.secrets, now);
                if self.is_short(account, price, now) {
                    if let Some((_, probe)) = self.desks.get_mut(account).and_then(|desk| desk.probe.as_mut()) {
                        probe.put_back();
                    }
                    return self.set_aside_first(account, price, Then::Probe(account.clone()), now);
                }
                let Some(desk) = self.desks.get_mut(account) else { return };
                let timeout = desk.setup.rules.timeout;
                self.next_ticket += 1;
                let ticket = Ticket(self.next_ticket);
                desk.purse.pay(ticket, price, now);
                if let Some((waited, _)) = &mut desk.probe {
                    *waited = ticket;
                }
                self.callers.insert(ticket, account.clone());
                self.commands.push_back(Command::Call { ticket, account: account.clone(), call: step.call, timeout });
            }
            probe::Verdict::Keep(tokens) => self.keep_for_probe(account, tokens, now),
            probe::Verdict::Accepted(session) => {
                desk.probe = None;
                let expected = desk.setup.identity.clone().or(pinned.clone());
                let is_another = session.identity.is_some() && expected.is_some() && session.identity != expected;
                // The key that its tokens were opened with may be gone by now.
                if is_another || desk.locked.is_some() {
                    return;
                }
                // With this session no attempt asks again whose account it is.
                let found = session.identity.clone().filter(|found| pinned.as_ref() != Some(found));
                let pin = found.map(|identity| Fact::Pinned { account: account.clone(), identity });
                desk.session = session;
                desk.patience.let_in();
                let facts = [pin, Some(Fact::AccountResumed { account: account.clone() })];
                let records = facts.into_iter().flatten().map(|fact| Record::new(now, fact)).collect();
                self.commit(records, Room::Reserve, Then::Changed(account.clone()));
            }
            probe::Verdict::NotYet(_) => desk.probe = None,
        }
    }
}
