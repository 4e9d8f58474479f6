//! How far everything has come: what those who drive the engine ask before they wait, show something, or stop.

use crate::domain::{AccountId, State};

use super::Engine;
use super::desk::{Desk, Work};
use super::engine::Folder;

impl Engine {
    /// Whether the queue has been read and every record it caused is durable.
    pub fn is_ready(&self) -> bool {
        self.folder != Folder::Reading && self.commits.is_empty() && self.desks.values().all(|desk| !desk.planning)
    }

    /// Whether it has been ready once. Before, nothing is begun.
    pub fn is_started(&self) -> bool {
        self.ready
    }

    /// Whether every delivery's state is in the ledger: nothing is on its way, nothing waits for the disk, and no plan
    /// waits for a call to come back.
    pub fn is_recorded(&self) -> bool {
        let said = |desk: &Desk| desk.pause_until.is_none() && !desk.unread && !desk.is_in_flight();
        self.is_ready() && !self.full && self.desks.values().all(said)
    }

    /// Whether the queue folder has been looked at.
    pub fn is_read(&self) -> bool {
        self.folder != Folder::Reading
    }

    /// Whether nothing is sending, retrying or scheduled any more, or only what waits for a person. See
    /// [`Engine::unfinished`].
    pub fn is_idle(&self) -> bool {
        self.is_ready()
            && self.folder != Folder::Outdated
            && self.desks.iter().all(|(id, desk)| {
                if desk.probe.is_some() || desk.unread {
                    return false;
                }
                let quiet = matches!(desk.work, Work::Idle);
                let Some(account) = self.view.account(id) else { return quiet };
                let stopped = account.head.stopped.is_some();
                let scheduled = account.counts().get(State::Scheduled.name()).copied().unwrap_or(0);
                let waits_in_vain = desk.wake.is_none() && !self.full;
                // What is parked goes on when its token is accepted again, and not before.
                (quiet || (stopped && matches!(desk.work, Work::Parked { .. })))
                    && (desk.setup.paused
                        || stopped
                        || (account.open().next().is_none() && (scheduled == 0 || waits_in_vain)))
            })
    }

    /// What waits for a person on each account once the engine is idle: how many deliveries, and for what.
    pub fn unfinished(&self) -> Vec<(AccountId, usize, &'static str)> {
        let left = self.view.accounts().filter_map(|(id, account)| {
            let waits = |state: &State| match state {
                State::Held { reason, .. } => reason.is_of_the_account(),
                _ => *state == State::Scheduled,
            };
            let waiting = account.deliveries().filter(|(_, entry)| waits(&entry.state));
            let deliveries = account.open().count() + waiting.count();
            let reason = match self.desks.get(id) {
                None => "the account is not in the configuration",
                Some(_) if account.head.stopped.is_some() => "the account's token is not accepted",
                Some(desk) if desk.setup.paused => "the account is paused",
                Some(_) => "no slot comes any more",
            };
            (deliveries > 0).then(|| (id.clone(), deliveries, reason))
        });
        left.collect()
    }

    /// How many accounts have a call or a commit under way. A probe is one of them: what it is given may be the only way
    /// to go on.
    pub fn in_flight(&self) -> usize {
        let working = self.desks.values().filter(|desk| desk.is_in_flight() || desk.probe.is_some()).count();
        working.max(usize::from(!self.commits.is_empty()))
    }
}
