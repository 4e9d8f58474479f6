//! Which posts are to be looked at, and when. How often a post is worth a look, its age decides ([`Watch`]).

use std::collections::BTreeSet;

use crate::domain::{AccountId, DeliveryId, PostId, Timestamp, time};
use crate::engage::Watch;
use crate::engage::watch::AGES;
use crate::ledger::View;
use crate::platform::contract::sweep::Watched;

use super::super::Engine;
use super::posts::{is_told, published};
use super::{AGAIN, Sweeps};

/// Most posts of one sweep.
const POSTS: usize = 100;

impl Engine {
    /// Finds the posts of an account that are still to be looked at.
    pub(in crate::engine) fn list_posts(&mut self, account: &AccountId) {
        self.name_ours(account);
        let now = self.now;
        let (Some(watch), Some(held), Some(desk)) =
            (&self.watch, self.view.account(account), self.desks.get_mut(account))
        else {
            return;
        };
        let oldest = time::before(now, AGES[AGES.len() - 1] * 2);
        let posts = held.beat().take_while(|(_, sent)| sent.from >= oldest);
        let due = posts.filter_map(|(post, sent)| {
            is_told(held.entry(post)?.remote()?)?;
            let delivery = DeliveryId::new(post.clone(), account.clone());
            Some((watch.due(&delivery, sent.from, now)?, post.clone()))
        });
        desk.sweeps.due = due.collect();
    }

    /// A post is out: it is looked at in its time.
    pub(in crate::engine) fn look_at_in_time(&mut self, delivery: &DeliveryId, now: Timestamp) {
        let Some(watch) = &self.watch else { return };
        let Some(published) = published(&self.view, delivery) else { return };
        let due = watch.due(delivery, published, now);
        if let (Some(due), Some(desk)) = (due, self.desks.get_mut(&delivery.account)) {
            desk.sweeps.due.insert((due, delivery.post.clone()));
        }
    }

    /// Once a day: what is too old to be looked at is let go of.
    pub(in crate::engine) fn let_go(&mut self, now: Timestamp) {
        let oldest = time::before(now, AGES[AGES.len() - 1] * 2);
        let Self { watch, view, .. } = self;
        if let Some(watch) = watch {
            watch.let_go(|delivery| published(view, delivery).is_none_or(|published| published < oldest));
        }
    }
}

impl Sweeps {
    /// Takes out what is to be looked at now: what is due, and what soon will be and may as well be looked at along with it.
    pub(super) fn take_due(
        &mut self,
        account: &AccountId,
        watch: &Watch,
        view: &View,
        now: Timestamp,
    ) -> (Vec<Watched>, BTreeSet<PostId>) {
        let due: Vec<_> = self.due.iter().take_while(|(at, _)| *at <= time::after(now, AGES[5])).cloned().collect();
        let (mut posts, mut asked) = (Vec::new(), BTreeSet::new());
        for (at, post) in due {
            let delivery = DeliveryId::new(post.clone(), account.clone());
            let Some(published) = published(view, &delivery) else {
                self.due.remove(&(at, post));
                continue;
            };
            if asked.len() >= POSTS || at > time::after(now, Watch::spare(published, at)) {
                continue;
            }
            let Some(remote) = view.entry(&delivery).and_then(|entry| entry.remote()).cloned() else { continue };
            let known = watch.known(&delivery);
            posts.push(Watched { delivery, remote, known });
            self.due.remove(&(at, post.clone()));
            asked.insert(post);
        }
        (posts, asked)
    }

    /// What was asked about and not told is asked again later: the older it is, the later.
    pub(super) fn put_back(
        &mut self,
        account: &AccountId,
        asked: BTreeSet<PostId>,
        watch: &Watch,
        view: &View,
        now: Timestamp,
    ) {
        for post in asked {
            let delivery = DeliveryId::new(post.clone(), account.clone());
            let Some(published) = published(view, &delivery) else { continue };
            if watch.due(&delivery, published, now).is_some() {
                let wait = AGAIN.max(time::since(now, published) / 10);
                self.due.insert((time::after(now, wait), post));
            }
        }
    }
}
