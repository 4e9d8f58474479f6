//! Asks once more for a signed approval, right before the intent is made.
//!
//! What the queue was read with may be two seconds old, or older where the folder tells of no changes, and a key's time may
//! have ended since. So the signature is looked at again, by whoever may open files, when everything else about the attempt
//! is settled. What does not hold any more holds the post; nothing was begun, and no try is used up. What was published in
//! part before, is given up as for any other post that is not approved any more.

use std::sync::Arc;

use crate::domain::policy::ApprovalMode;
use crate::domain::{AccountId, DeliveryId, Held, Timestamp};
use crate::parts::Claim;
use crate::platform::contract::Media;
use crate::queue::Approval;

use super::desk::{Beginning, Work};
use super::{Command, Engine, Ticket};

impl Engine {
    /// What has to be asked before this is begun, if somebody has to.
    pub(super) fn claim(&self, delivery: &DeliveryId, beginning: &Beginning) -> Option<Claim> {
        if beginning.by.is_some() || beginning.post.is_none() {
            return None;
        }
        // As the queue has it now: what counts as an approval may have changed while media were read. Where only signatures
        // count, every post is asked for, as the queue may have been read when something else did.
        let only_signed = self.approvals == ApprovalMode::Signed;
        let post = self.posts.get(&delivery.post).filter(|post| only_signed || post.approval == Approval::Signed)?;
        Some(Claim { queue_file: post.order.file.clone(), post: post.id.clone(), digest: post.digest })
    }

    pub(super) fn ask_who_approved(
        &mut self,
        account: &AccountId,
        claim: Claim,
        beginning: Beginning,
        media: Vec<Media>,
    ) {
        let ticket = self.ticket();
        self.callers.insert(ticket, account.clone());
        self.commands.push_back(Command::Vouch { ticket, claim });
        if let Some(desk) = self.desks.get_mut(account) {
            desk.work = Work::Vouching { ticket, beginning: Box::new(beginning), media };
        }
    }

    pub(super) fn vouched(&mut self, ticket: Ticket, result: Result<Arc<str>, String>, now: Timestamp) {
        let vouching = |work: &Work| matches!(work, Work::Vouching { ticket: waited, .. } if *waited == ticket);
        let Some(account) = self.caller(ticket) else { return };
        let Some(desk) = self.desks.get_mut(&account).filter(|desk| vouching(&desk.work)) else { return };
        let Work::Vouching { mut beginning, media, .. } = std::mem::replace(&mut desk.work, Work::Idle) else { return };
        match result {
            Ok(by) => {
                beginning.by = Some(by);
                self.intend(&account, *beginning, media, now);
            }
            Err(why) => self.not_begun(&account, *beginning, Held::ApprovalStale, why, now),
        }
    }
}
