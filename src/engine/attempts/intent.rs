//! What an intent says: all that is settled once and stays so for every try of the same content.

use std::borrow::Cow;

use sha2::{Digest as _, Sha256};

use crate::domain::{AccountId, Content, DeliveryId, Digest, Goal, Timestamp};
use crate::ledger::record::Intent;
use crate::plan::draw;
use crate::queue::Kind;

use super::super::Engine;
use super::super::desk::Beginning;
use super::others::fingerprint;

impl Engine {
    /// The intent of what is about to begin: that of the tries before it, or a new one.
    pub(super) fn intent(&self, delivery: &DeliveryId, beginning: &mut Beginning, now: Timestamp) -> Option<Intent> {
        if let Some(open) = &beginning.prior {
            let attempts = self.entry(delivery).map_or(open.intent.attempt, |entry| entry.attempts);
            let attempt = if beginning.found { attempts } else { attempts + 1 };
            let mut host = open.intent.host.clone();
            if !beginning.found {
                // Records of earlier versions do not tell where they began; this attempt begins here.
                host = host.or_else(|| self.desks.get(&delivery.account).map(|desk| desk.setup.adapter.host()));
            }
            let by = beginning.by.as_deref().map(Into::into).or_else(|| open.intent.by.clone());
            return Some(Intent { attempt, fixed: true, host, by, ..open.intent.clone() });
        }
        let post = beginning.post.as_ref()?;
        let desk = self.desks.get(&delivery.account)?;
        let number = draw(self.seed, &delivery.to_string(), "freeze");
        let link = desk.tagged_link(&beginning.body);
        let frozen = desk.setup.adapter.freeze(&with_link(&beginning.content, link.clone()), now, number);
        Some(Intent {
            delivery: delivery.clone(),
            platform: desk.setup.adapter.platform().into(),
            host: Some(desk.setup.adapter.host()),
            attempt: self.entry(delivery).map_or(0, |entry| entry.attempts) + 1,
            tries: 0,
            digest: post.digest,
            key: key(&delivery.account, &post.digest),
            slot: beginning.slot,
            fixed: beginning.fixed,
            fingerprint: fingerprint(&beginning.content),
            promotion: post.goal == Goal::Promotion,
            counts: post.kind == Kind::Post,
            body: std::mem::take(&mut beginning.body),
            link,
            frozen,
            by: beginning.by.as_deref().map(Into::into),
            started: now,
        })
    }
}

/// The delivery's key: the same for every attempt on this content, and after the loss of the store too.
fn key(account: &AccountId, digest: &Digest) -> String {
    let mut hash = Sha256::new();
    hash.update("cadenced-delivery-v1\0");
    hash.update(account.as_str());
    hash.update("\0");
    hash.update(digest.0);
    let bytes: [u8; 32] = hash.finalize().into();
    Digest(bytes).hex()[..32].to_owned()
}

/// The content as it goes out: with the link that tags have been put into, if there is one.
pub(in crate::engine) fn with_link(content: &Content, link: Option<String>) -> Cow<'_, Content> {
    match link {
        Some(link) => Cow::Owned(Content { link: Some(link), ..content.clone() }),
        None => Cow::Borrowed(content),
    }
}
