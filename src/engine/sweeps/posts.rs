//! Our posts, as the ledger has them: when people could see one first, and which one it is that a platform speaks of.

use crate::domain::{AccountId, DeliveryId, PostId, Remote, Timestamp};
use crate::engage::found::Ours;
use crate::ledger::View;

/// Posts that are older are not looked for by what a platform calls them.
const REMEMBERED: usize = 5_000;

/// What the ledger tells of our posts.
pub(super) struct Known<'a> {
    pub view: &'a View,
    pub account: &'a AccountId,
}

impl Ours for Known<'_> {
    fn published(&self, delivery: &DeliveryId) -> Option<Timestamp> {
        published(self.view, delivery)
    }

    fn post(&self, account: &AccountId, remote: &str) -> Option<DeliveryId> {
        let held = self.view.account(account).filter(|_| account == self.account)?;
        let called =
            |post: &&PostId| held.entry(post).and_then(|entry| entry.remote()).is_some_and(|held| held.id == remote);
        let post = held.beat().take(REMEMBERED).map(|(post, _)| post).find(called)?;
        Some(DeliveryId::new(post.clone(), account.clone()))
    }
}

/// When a delivery's last attempt began: no later than people could see it.
pub(super) fn published(view: &View, delivery: &DeliveryId) -> Option<Timestamp> {
    let entry = view.entry(delivery)?;
    entry.remote()?;
    entry.sent.as_ref().map(|sent| sent.from)
}

/// What a person has resolved is known by its address alone, which tells a platform nothing.
pub(super) fn is_told(remote: &Remote) -> Option<()> {
    let by_hand = remote.url.as_ref() == Some(&remote.id) && remote.reference.is_null() && remote.id.contains("://");
    (!by_hand || remote.id.starts_with("at://")).then_some(())
}
