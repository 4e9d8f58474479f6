//! Whose a delivery is by the ledger: the plan's, an attempt's, a person's, or nobody's any more. What has left the
//! plan's hands is looked up again at each step until it is known what became of it.

use std::sync::Arc;

use crate::domain::{PostId, State};
use crate::ledger::view::{Account, Entry};
use crate::queue::{ById, Post};

use super::{Index, Item, Standing};

/// Whose a delivery is by the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hands {
    Plan,
    UnderWay,
    Stuck,
    Over,
}

/// Whether the plan has nothing more to do with the delivery of `post`.
pub fn is_over(entry: Option<&Entry>, post: &Post) -> bool {
    hands(entry, post) == Hands::Over
}

/// Whose the delivery of `post` is. A post that ended without an attempt is the plan's again when its content has
/// changed, one that was withdrawn when it is back; one that a person dropped never.
pub fn hands(entry: Option<&Entry>, post: &Post) -> Hands {
    let Some(entry) = entry else { return Hands::Plan };
    if entry.dropped {
        return Hands::Over;
    }
    match &entry.state {
        State::Held { .. } | State::Scheduled | State::Withdrawn => Hands::Plan,
        State::Missed | State::Expired if entry.digest.is_some_and(|digest| digest != post.digest) => Hands::Plan,
        State::Missed | State::Expired | State::Delivered { .. } => Hands::Over,
        State::Sending { .. } | State::Retrying { .. } => Hands::UnderWay,
        State::Uncertain { .. } | State::Refused { .. } => Hands::Stuck,
    }
}

/// Whether a post of ours has gone out.
pub(super) fn is_delivered(account: Option<&Account>, post: &PostId) -> bool {
    let entry = account.and_then(|account| account.entry(post));
    entry.is_some_and(|entry| matches!(entry.state, State::Delivered { .. }))
}

impl Index {
    /// Looks up in the ledger what became of those that left the plan's hands.
    pub fn settle(&mut self, account: Option<&Account>) {
        for id in self.unsure.clone() {
            let Some((ById(post), item)) = self.items.get(&id) else {
                self.unsure.remove(&id);
                continue;
            };
            let (post, standing) = (post.clone(), item.standing);
            let entry = account.and_then(|account| account.entry(&id));
            match (hands(entry, &post), standing) {
                (Hands::UnderWay | Hands::Stuck, _) if post.rare.series.is_none() => self.drop_out(&id),
                (Hands::UnderWay, Standing::UnderWay | Standing::Left) => {}
                (Hands::Stuck, Standing::Left) => self.drop_out(&id),
                (hands @ (Hands::UnderWay | Hands::Stuck), _) => {
                    self.take_out(&id);
                    let standing = if hands == Hands::Stuck { Standing::Stuck } else { Standing::UnderWay };
                    self.insert(&post, Item::kept(standing));
                }
                (Hands::Over, _) | (Hands::Plan, Standing::UnderWay | Standing::Left | Standing::Stuck) => {
                    let delivered = is_delivered(account, &id);
                    self.drop_out(&id);
                    self.tell_waiting(&id, delivered);
                }
                (Hands::Plan, _) => {
                    self.unsure.remove(&id);
                    self.look_again(post);
                }
            }
        }
    }

    /// The same, for a look between two steps: what has been begun since the last one is not the plan's any more.
    pub fn settle_begun(&mut self, account: Option<&Account>) {
        self.unsure.extend(account.into_iter().flat_map(Account::open).cloned());
        self.settle(account);
    }

    /// A post was given up; the ledger is asked at the next step whether it says so too.
    pub fn give_up(&mut self, post: &Arc<Post>) {
        self.unsure.insert(post.id.clone());
    }
}
