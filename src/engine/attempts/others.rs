//! What else an account has published: the same is not said twice, and nothing of it is taken for what is looked for.

use std::collections::BTreeSet;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use crate::domain::{AccountId, Content, DeliveryId, Timestamp, time};
use crate::ledger::View;
use crate::queue::{Kind, Post};

use super::super::Engine;

/// How long the same content under another id counts as a double on one account.
const DOUBLE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
/// How many of the account's latest posts a look-back must not take for the one it looks for.
const TAKEN: usize = 200;

impl Engine {
    /// Another post of this account that said the same lately.
    pub(in crate::engine) fn double(
        &self,
        account: &AccountId,
        post: &Post,
        content: &Content,
        now: Timestamp,
    ) -> Option<String> {
        if post.kind == Kind::Reply {
            return None;
        }
        let print = fingerprint(content);
        let since = time::before(now, DOUBLE);
        let beat = self.view.account(account)?.beat();
        let lately = beat.take_while(|(_, sent)| sent.from >= since);
        lately
            .filter(|(other, sent)| **other != post.id && sent.fingerprint == print)
            .map(|(o, _)| o.to_string())
            .next()
    }
}

/// Remote ids of the account's latest posts but this one: neither a look-back nor the refusal of a duplicate may make
/// one of them ours.
pub(super) fn others(view: &View, delivery: &DeliveryId) -> BTreeSet<String> {
    let Some(account) = view.account(&delivery.account) else { return BTreeSet::new() };
    let latest = account.beat().take(TAKEN).filter(|(post, _)| **post != delivery.post);
    latest.filter_map(|(post, _)| Some(account.entry(post)?.remote()?.id.clone())).collect()
}

/// A hash of what people will see, whatever the post is called and its link is tagged with.
pub(super) fn fingerprint(content: &Content) -> u64 {
    let mut hash = Sha256::new();
    let mut add = |part: &str| {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    };
    add(content.text.trim());
    add(content.link.as_deref().unwrap_or(""));
    content.thread.iter().for_each(|part| add(part));
    content.media.iter().for_each(|media| add(&media.sha256.hex()));
    if let Some(answered) = &content.reply_to {
        add(&format!("{answered:?}"));
    }
    // Only where there is one: what was recorded of posts without a warning stays comparable. A zero byte stands in no
    // text, so that this is nothing else's hash.
    if let Some(warning) = &content.warning {
        add(&format!("\0warning\0{}", warning.trim()));
    }
    let bytes: [u8; 32] = hash.finalize().into();
    u64::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3], bytes[4], bytes[5], bytes[6], bytes[7]])
}
