//! Begins sweeps: for whom one is due and possible, and what each of them is to look at.
//!
//! A sweep needs a session that knows who we are. Where there is none, that is asked first, and the sweep waits for its next
//! turn.

use crate::domain::{AccountId, Timestamp, time};
use crate::platform::contract::sweep::{Heard, Looking, Sweep};

use super::super::desk::{Desk, Work};
use super::super::engine::Mode;
use super::super::tokens::is_stopped;
use super::super::{Engine, Ticket};
use super::{AGAIN, IN_VAIN, Running, Sweeps, doubled};

/// How many accounts are looked at side by side. Publishing has the network to itself but for these.
const AT_ONCE: usize = 4;

/// Most conversations that are looked at in one sweep, to see whether they were answered by hand.
const WAITING: usize = 10;

impl Engine {
    /// Begins what is due, for as many accounts as may be looked at side by side.
    pub(in crate::engine) fn sweep_accounts(&mut self, now: Timestamp) {
        if self.mode != Mode::Publish || self.watch.is_none() || self.stopping || self.clock_behind || !self.ready {
            return;
        }
        let busy = |desk: &&Desk| desk.sweeps.running.is_some() || (desk.probe.is_some() && desk.sweeps.probes > 0);
        let running = self.desks.values().filter(busy).count();
        let mut due: Vec<(Timestamp, AccountId)> = self
            .desks
            .iter()
            .filter_map(|(id, desk)| Some((desk.sweeps.next(now).filter(|at| *at <= now)?, id)))
            // Whoever cannot be looked at now takes nobody's place.
            .filter(|(_, id)| self.may_sweep(id, now))
            .map(|(at, id)| (at, id.clone()))
            .collect();
        due.sort();
        for (_, account) in due.into_iter().take(AT_ONCE.saturating_sub(running)) {
            self.begin_sweep(&account, now);
        }
    }

    /// Where sweeps have ended, others begin.
    pub(in crate::engine) fn sweep_on_others(&mut self, now: Timestamp) {
        for _ in 0..AT_ONCE {
            if std::mem::take(&mut self.sweep_ended) {
                self.sweep_accounts(now);
            }
        }
    }

    fn may_sweep(&self, account: &AccountId, now: Timestamp) -> bool {
        let Some(desk) = self.desks.get(account) else { return false };
        let limited = desk.rate_limited.is_some_and(|until| now < until);
        // Without a session there is nothing to ask with, and it is asked who we are only when nobody publishes.
        let adapter = &desk.setup.adapter;
        let login = desk.session.identity.is_some() || (matches!(desk.work, Work::Idle) && !adapter.keeps_tokens());
        let stopped = is_stopped(&self.view, account) || self.keeps.contains(account);
        login && !stopped && !limited && desk.probe.is_none() && desk.locked.is_none()
    }

    fn begin_sweep(&mut self, account: &AccountId, now: Timestamp) {
        let (Some(watch), Some(desk)) = (&self.watch, self.desks.get_mut(account)) else { return };
        let adapter = desk.setup.adapter.clone();
        let looking = Looking { session: &desk.session, secrets: &desk.setup.secrets, now };
        if adapter.sweep(Sweep::default(), &looking).is_none() {
            desk.sweeps.blind = true;
            return;
        }
        if desk.session.identity.is_none() {
            return self.ask_who_we_are(account, now);
        }
        let listens = desk.sweeps.listens(now);
        let mut sweep = Sweep { heard: listens.then(|| Heard(watch.heard(account))), ..Sweep::default() };
        if listens {
            let waiting = watch.conversations().waiting(Some(account));
            let waiting: Vec<_> = waiting.filter_map(|held| Some((held.since?, held.latest.id.clone()))).collect();
            sweep.waiting = desk.sweeps.turn(&waiting);
        }
        let (posts, asked) = desk.sweeps.take_due(account, watch, &self.view, now);
        sweep.posts = posts;
        let looking = Looking { session: &desk.session, secrets: &desk.setup.secrets, now };
        let Some(sweeper) = adapter.sweep(sweep, &looking) else { return };
        let session = desk.session.clone();
        desk.sweeps.running = Some(Running {
            sweeper,
            ticket: Ticket(0),
            asked,
            held: None,
            spent: None,
            found: false,
            listens,
            session,
        });
        self.sweep_on(account, now);
    }

    /// There is nothing to look with yet. It is not asked who we are again and again where nobody tells.
    fn ask_who_we_are(&mut self, account: &AccountId, now: Timestamp) {
        let Some(desk) = self.desks.get_mut(account) else { return };
        desk.sweeps.after = Some(time::after(now, doubled(AGAIN / 10, desk.sweeps.probes)));
        desk.sweeps.probes = desk.sweeps.probes.saturating_add(1);
        let in_vain = desk.sweeps.probes > IN_VAIN;
        self.probe_further(account, now);
        if in_vain {
            self.say_in_vain(account, "it cannot be found out whose account it is");
        }
    }
}

impl Sweeps {
    /// Whose conversations are looked at this time, of those that wait, oldest first: who comes after the last of the time
    /// before, and when nobody does, the first again.
    fn turn(&mut self, waiting: &[(Timestamp, String)]) -> Vec<String> {
        let later = waiting.iter().filter(|(since, _)| self.turned.is_none_or(|turned| *since > turned));
        let mut turn: Vec<_> = later.take(WAITING).collect();
        if turn.is_empty() {
            turn = waiting.iter().take(WAITING).collect();
        }
        if let Some((since, _)) = turn.last() {
            self.turned = Some(*since);
        }
        turn.into_iter().map(|(_, id)| id.clone()).collect()
    }
}
