//! Accounts as the configuration has them: they come, change, are paused, and go.
//!
//! One that has something under way keeps the host and the platform that it began with until that is over.

use std::collections::BTreeSet;

use crate::domain::{AccountId, PostId, Timestamp, time};
use crate::telemetry::events::Event as LogEvent;

use super::desk::{Desk, Work};
use super::empties::HOLD;
use super::{AccountSetup, Engine};

impl Engine {
    /// These are the accounts from now on.
    pub(super) fn configured(&mut self, accounts: Vec<AccountSetup>, now: Timestamp) {
        let mut gone: BTreeSet<AccountId> = self.desks.keys().cloned().collect();
        let mut renewed = BTreeSet::new();
        let some_are_new = accounts.iter().any(|setup| !self.desks.contains_key(&setup.id));
        let in_trouble = if some_are_new { self.in_trouble() } else { BTreeSet::new() };
        for setup in accounts {
            gone.remove(&setup.id);
            if self.desks.get(&setup.id).is_some_and(|desk| desk.is_renewed_by(&setup)) {
                renewed.insert(setup.id.clone());
            }
            self.configure(setup, &in_trouble);
        }
        for account in gone {
            self.dismiss(&account, now);
        }
        let ids: Vec<PostId> = self.posts.iter().map(|post| post.id.clone()).collect();
        for id in &ids {
            self.refresh(id);
        }
        let accounts: Vec<AccountId> = self.desks.keys().cloned().collect();
        for account in &accounts {
            self.stop_locked(account, now);
            self.look_soon(account, now);
        }
        self.try_stopped(&renewed, now);
        self.advance_all(now);
    }

    /// The accounts of posts that something stands against, as the queue was read.
    fn in_trouble(&self) -> BTreeSet<AccountId> {
        let posts = self.posts.iter().filter(|post| post.rare.trouble.is_some());
        posts.flat_map(|post| post.to.iter().cloned()).collect()
    }

    /// An account is there, or is something else than it was, unless it is in the middle of something.
    fn configure(&mut self, setup: AccountSetup, in_trouble: &BTreeSet<AccountId>) {
        let head = self.view.account(&setup.id).map(|account| &account.head);
        match self.desks.get_mut(&setup.id) {
            // A token must not go to another host than its own: what is under way keeps the account as it was.
            // So does what another platform's adapter has begun.
            Some(desk)
                if !matches!(desk.work, Work::Idle)
                    && (desk.setup.adapter.place() != setup.adapter.place()
                        || desk.setup.adapter.platform() != setup.adapter.platform()) =>
            {
                desk.later = Some(setup);
            }
            Some(_) => self.set_up(setup),
            None => {
                let cursor = head.and_then(|head| head.cursor);
                let mut desk = Desk::new(setup, head);
                desk.unread = self.was_read && in_trouble.contains(&desk.setup.id);
                desk.lane.spare(cursor.map(|cursor| time::after(cursor, HOLD)));
                let id = desk.setup.id.clone();
                self.desks.insert(id.clone(), desk);
                self.say_whether_paused(&id, false);
                self.list_posts(&id);
            }
        }
    }

    /// An account is this from now on.
    pub(super) fn set_up(&mut self, setup: AccountSetup) {
        let id = setup.id.clone();
        let head = self.view.account(&id).map(|account| &account.head);
        let Some(desk) = self.desks.get_mut(&id) else { return };
        let before = desk.setup.paused;
        desk.set_up(setup, head);
        self.say_whether_paused(&id, before);
    }

    fn say_whether_paused(&mut self, account: &AccountId, before: bool) {
        let Some(desk) = self.desks.get(account).filter(|desk| desk.setup.paused != before) else { return };
        let (account, platform) = (account.clone(), desk.setup.adapter.platform().into());
        self.log(match before {
            false => LogEvent::AccountPaused { account, platform },
            true => LogEvent::AccountResumed { account, platform },
        });
    }

    /// An account that is configured no more does nothing more. What it has in doubt is looked for when it is back.
    fn dismiss(&mut self, account: &AccountId, now: Timestamp) {
        self.say_held_back(account, now);
        if let Some(desk) = self.desks.remove(account)
            && let Some(wake) = desk.wake
        {
            self.agenda.remove(&(wake, account.clone()));
        }
    }
}
