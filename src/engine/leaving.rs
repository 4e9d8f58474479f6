//! Deliveries whose posts leave the queue, until they are withdrawn or end otherwise.
//!
//! Which of them is the last of its post is asked for each: a file of a thousand posts for a thousand accounts leaves by a million
//! records. So who leaves is remembered here, and no account is looked through for a post that it may never have had. Those whose
//! post comes back are over sooner or later like the others; until then a post that is there is not asked for.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{AccountId, DeliveryId, PostId};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Leaving(BTreeMap<PostId, BTreeSet<AccountId>>);

impl Leaving {
    /// Its post has left the queue, or this account.
    pub fn leaves(&mut self, delivery: &DeliveryId) {
        self.0.entry(delivery.post.clone()).or_default().insert(delivery.account.clone());
    }

    pub fn holds(&self, delivery: &DeliveryId) -> bool {
        self.0.get(&delivery.post).is_some_and(|accounts| accounts.contains(&delivery.account))
    }

    /// It is over.
    pub fn is_over(&mut self, delivery: &DeliveryId) {
        let Some(accounts) = self.0.get_mut(&delivery.post) else { return };
        accounts.remove(&delivery.account);
        if accounts.is_empty() {
            self.0.remove(&delivery.post);
        }
    }

    /// Whether no other delivery of its post is still on its way out.
    pub fn is_last(&self, delivery: &DeliveryId) -> bool {
        self.0.get(&delivery.post).is_none_or(|accounts| accounts.iter().all(|account| *account == delivery.account))
    }
}
