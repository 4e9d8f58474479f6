//! Accounts that are somewhere else than where something was begun.

use crate::domain::DeliveryId;
use crate::platform::contract::Adapter;

use super::super::Engine;

impl Engine {
    /// What to say of an attempt that began when its account was on another platform, or on another host of the same. The
    /// adapter of today cannot tell what became of it there, and must not go on with what was made for the other.
    pub(super) fn moved_from(&self, delivery: &DeliveryId) -> Option<String> {
        let intent = &self.entry(delivery)?.open.as_ref()?.intent;
        moved((&intent.platform, intent.host.as_deref()), &*self.desks.get(&delivery.account)?.setup.adapter)
    }
}

/// What to say of something that was begun elsewhere than where the account is now.
pub(super) fn moved((platform, host): (&str, Option<&str>), now: &dyn Adapter) -> Option<String> {
    let (to, to_host) = (now.platform(), now.host());
    if platform != to {
        return Some(format!("it was begun on {platform}, and the account is on {to} now; look there"));
    }
    let host = host.filter(|host| *host != to_host)?;
    Some(format!("it was begun on {host}, and the account is on {to_host} now; look there"))
}
