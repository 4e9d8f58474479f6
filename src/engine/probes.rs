//! Asks accounts whose token was not accepted whether it is again, and has tokens renewed that would end unused.
//!
//! A chore does so every few minutes, and lets in only whose token was seen to be accepted. A start and a reload do so at once,
//! for a person may have mended something; and there are platforms where nothing can be asked, and moments at which nobody
//! answers. So they let in whose token is not refused, and say that it has not been tested: the next attempt tells. Another
//! secret, or another place, lets the account in without a question: what was refused was not that.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::deliver::{Probe, probe};
use crate::domain::{AccountId, Timestamp, time};
use crate::ledger::Record;
use crate::ledger::record::Fact;
use crate::ledger::store::Room;
use crate::platform::contract::examine::Ending;
use crate::platform::contract::{Failure, Reply};
use crate::telemetry::events::{Event as LogEvent, quote};

use super::commits::Then;
use super::desk::Work;
use super::engine::Mode;
use super::tokens::{is_locked, is_stopped, of_another};
use super::{Command, Engine, Ticket};

/// A token that has less than this to live is renewed although nothing is to be published: half the life of those that
/// can be.
const AGEING: Duration = Duration::from_secs(30 * 86_400);
/// How often that is tried.
const RENEWAL: Duration = Duration::from_secs(86_400);

impl Engine {
    /// A start or a reload: whoever is stopped is tried. `renewed` have other secrets than before.
    pub(super) fn try_stopped(&mut self, renewed: &BTreeSet<AccountId>, now: Timestamp) {
        if self.mode == Mode::Look {
            // Who only looks tries no token.
            return;
        }
        let stopped = self.desks.iter().filter(|(id, desk)| is_stopped(&self.view, id) && desk.locked.is_none());
        let stopped: Vec<AccountId> = stopped.map(|(id, _)| id.clone()).collect();
        for account in stopped {
            let opens =
                self.view.account(&account).and_then(|held| held.head.stopped.as_deref()).is_some_and(is_locked);
            let Some(desk) = self.desks.get_mut(&account) else { continue };
            if desk.probe.is_some() && desk.later.is_none() {
                // Somebody is being asked, and the answer decides: two that refresh with one token would spend it twice.
                desk.tries = true;
            } else if renewed.contains(&account) || opens {
                self.let_in(&account, now);
            } else if self.mode != Mode::Publish || self.stopping {
                self.let_in_untested(&account, now);
            } else if !self.keeps.contains(&account) {
                desk.tries = true;
                self.probe(&account, now);
            }
        }
    }

    fn let_in(&mut self, account: &AccountId, now: Timestamp) {
        let record = Record::new(now, Fact::AccountResumed { account: account.clone() });
        self.commit(vec![record], Room::Reserve, Then::Changed(account.clone()));
    }

    fn let_in_untested(&mut self, account: &AccountId, now: Timestamp) {
        self.untested.insert(account.clone());
        self.let_in(account, now);
    }

    /// Nobody can tell whether the token is accepted.
    fn not_told(&mut self, account: &AccountId, now: Timestamp) {
        let Some(desk) = self.desks.get_mut(account) else { return };
        desk.probe = None;
        let tries = std::mem::take(&mut desk.tries);
        if tries && desk.locked.is_none() && is_stopped(&self.view, account) {
            self.let_in_untested(account, now);
        }
    }

    /// It is not accepted still. Who has just started, or has mended something, is told.
    fn still_stopped(&mut self, account: &AccountId, why: &str) {
        let Some(desk) = self.desks.get_mut(account) else { return };
        if std::mem::take(&mut desk.tries) && is_stopped(&self.view, account) {
            let platform = desk.setup.adapter.platform().into();
            self.log(LogEvent::AccountAuthLost { account: account.clone(), platform, reason: quote(why) });
        }
    }

    /// Asks every account whose token was not accepted once more, and those whose token is ageing.
    pub(super) fn probe_accounts(&mut self, now: Timestamp) {
        if self.mode != Mode::Publish {
            // What a dry run is given, it does not keep: a token that works once would be lost.
            return;
        }
        let wanted =
            |id: &&AccountId| (is_stopped(&self.view, id) || self.is_ageing(id, now)) && !self.keeps.contains(*id);
        let accounts: Vec<AccountId> = self.desks.keys().filter(wanted).cloned().collect();
        for account in accounts {
            let renews = !is_stopped(&self.view, &account);
            let Some(desk) = self.desks.get_mut(&account) else { continue };
            if desk.probe.is_some() || desk.locked.is_some() || self.stopping || !desk.patience.is_over(now) {
                continue;
            }
            if renews {
                desk.renewed = Some(now);
            }
            desk.tries = false;
            self.probe(&account, now);
        }
    }

    /// Asks whose account it is with the session as it is, where something of it may still be good.
    pub(super) fn probe_further(&mut self, account: &AccountId, now: Timestamp) {
        let Some(desk) = self.desks.get_mut(account) else { return };
        let probe = Probe::new(desk.setup.adapter.clone(), account, None, now).with(desk.session.clone());
        desk.probe = Some((Ticket(0), probe));
        self.carry_on_probe(account, now);
    }

    /// Asks whose account it is, with the tokens that were kept.
    pub(super) fn probe(&mut self, account: &AccountId, now: Timestamp) {
        let Some(desk) = self.desks.get_mut(account) else { return };
        let probe = Probe::new(desk.setup.adapter.clone(), account, desk.session.kept.clone(), now);
        desk.probe = Some((Ticket(0), probe));
        self.carry_on_probe(account, now);
    }

    /// Whether what was kept of a refresh should be renewed while the account has nothing to publish. Where a refresh uses
    /// the token up, it is left to those who need one: an idle account would be asked for nothing.
    fn is_ageing(&self, account: &AccountId, now: Timestamp) -> bool {
        let Some(desk) = self.desks.get(account) else { return false };
        let adapter = &desk.setup.adapter;
        let ends_soon = || {
            let ends = adapter.ends(&desk.session, &desk.setup.secrets);
            ends.iter().any(|end| end.of == Ending::Token && end.at > now && time::since(end.at, now) < AGEING)
        };
        matches!(desk.work, Work::Idle)
            && desk.session.kept.is_some()
            && !adapter.keeps_tokens()
            && desk.renewed.is_none_or(|at| time::since(now, at) >= RENEWAL)
            && ends_soon()
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
        let price = probe.price(Some(&result), &desk.setup.secrets, now);
        desk.purse.settle(*ticket, price);
        let verdict = probe.answered(result, &desk.setup.secrets, now);
        if !price.is_nothing() && matches!(verdict, probe::Verdict::NotYet(_)) {
            desk.patience.in_vain(now);
        }
        self.follow_probe(account, verdict, now);
    }

    fn follow_probe(&mut self, account: &AccountId, verdict: probe::Verdict, now: Timestamp) {
        let pinned = self.view.account(account).and_then(|account| account.head.pinned.clone());
        let stopped = is_stopped(&self.view, account);
        let Some(desk) = self.desks.get_mut(account) else { return };
        match verdict {
            // A stop waits for what a call brings, and begins no other.
            probe::Verdict::Call(_) if self.stopping => desk.probe = None,
            probe::Verdict::Call(step) => {
                let Some((_, probe)) = &mut desk.probe else { return };
                let price = probe.price(None, &desk.setup.secrets, now);
                if !self.may_pay(account, price, now) {
                    // It is asked for nothing that the budget does not cover.
                    return self.not_told(account, now);
                }
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
                    desk.patience.in_vain(now);
                    let (found, expected) = (session.identity.unwrap_or_default(), expected.unwrap_or_default());
                    let why = of_another(&found, &expected);
                    return self.still_stopped(account, &why);
                }
                desk.tries = false;
                // With this session no attempt asks again whose account it is.
                let found = session.identity.clone().filter(|found| pinned.as_ref() != Some(found));
                let pin = found.map(|identity| Fact::Pinned { account: account.clone(), identity });
                desk.session = session;
                desk.sweeps.let_in();
                self.sweep_ended = true;
                if stopped {
                    desk.patience.let_in();
                }
                let resumed = stopped.then(|| Fact::AccountResumed { account: account.clone() });
                let facts = [pin, resumed].into_iter().flatten();
                let records: Vec<_> = facts.map(|fact| Record::new(now, fact)).collect();
                if !records.is_empty() {
                    self.commit(records, Room::Reserve, Then::Changed(account.clone()));
                }
            }
            probe::Verdict::NotYet(why) => {
                let is_refused = desk.probe.take().is_some_and(|(_, probe)| probe.is_refused());
                self.sweep_ended = true;
                if is_refused {
                    self.still_stopped(account, &why);
                } else {
                    self.not_told(account, now);
                }
            }
        }
    }
}
