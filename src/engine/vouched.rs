//! Asks once more for a signed approval, right before the intent is made.
//!
//! What the queue was read with may be two seconds old, or older where the folder tells of no changes, and a key's time may
//! have ended since. So the signature is looked at again, by whoever may open files, when everything else about the attempt
//! is settled. What does not hold any more holds the post; nothing was begun, and no try is used up. What was published in
//! part before, is given up as for any other post that is not approved any more. Where it cannot be told at this moment, it is
//! asked again a few times before that counts: a bad moment of the disk must not cost a slot, or the rest of a thread.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::policy::ApprovalMode;
use crate::domain::{AccountId, DeliveryId, Held, Timestamp, time};
use crate::parts::{Claim, Unvouched};
use crate::platform::contract::Media;
use crate::queue::Approval;

use super::desk::{Beginning, Desk, Work};
use super::{Command, Engine, Ticket};

/// So many times it may be unclear who has approved something, before that counts like nobody: files that are being replaced
/// are there again by then.
const PATIENCE: u8 = 5;

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
            desk.work = Work::Vouching { ticket, beginning: Box::new(beginning), media, again: None };
        }
    }

    /// What was asked for, and could not be told, is begun again when its time has come: all else about it may have changed.
    /// Says when that is.
    pub(super) fn vouch_again(&mut self, account: &AccountId, now: Timestamp) -> Option<Timestamp> {
        let desk = self.desks.get_mut(account)?;
        let Work::Vouching { again: Some(at), .. } = &desk.work else { return None };
        // However the clock has been set meanwhile.
        if *at > now && *at <= time::after(now, between(PATIENCE)) {
            return Some(*at);
        }
        if let Work::Vouching { beginning, media, .. } = std::mem::replace(&mut desk.work, Work::Idle) {
            self.intend(account, *beginning, media, now);
        }
        None
    }

    /// Nothing new is begun: nobody waits until it can be told who has approved something.
    pub(super) fn wait_for_no_word(&mut self, now: Timestamp) {
        let waits = |desk: &Desk| matches!(desk.work, Work::Vouching { again: Some(_), .. });
        let waiting: Vec<_> = self.desks.iter().filter(|(_, desk)| waits(desk)).map(|(id, _)| id.clone()).collect();
        for account in waiting {
            if let Some(desk) = self.desks.get_mut(&account) {
                desk.work = Work::Idle;
            }
            self.advance(&account, now);
        }
    }

    pub(super) fn vouched(&mut self, ticket: Ticket, result: Result<Arc<str>, Unvouched>, now: Timestamp) {
        let vouching = |work: &Work| matches!(work, Work::Vouching { ticket: waited, .. } if *waited == ticket);
        let Some(account) = self.caller(ticket) else { return };
        let Some(desk) = self.desks.get_mut(&account).filter(|desk| vouching(&desk.work)) else { return };
        let Work::Vouching { mut beginning, media, .. } = std::mem::replace(&mut desk.work, Work::Idle) else { return };
        match result {
            Ok(by) => {
                beginning.by = Some(by);
                self.intend(&account, *beginning, media, now);
            }
            Err(Unvouched::Unclear(_)) if beginning.unclear < PATIENCE => {
                beginning.unclear += 1;
                let again = (!self.stopping).then(|| time::after(now, between(beginning.unclear)));
                if let (Some(desk), Some(_)) = (self.desks.get_mut(&account), again) {
                    desk.work = Work::Vouching { ticket, beginning, media, again };
                }
                self.advance(&account, now);
            }
            Err(Unvouched::Void(why) | Unvouched::Unclear(why)) => {
                self.not_begun(&account, *beginning, Held::ApprovalStale, why, now);
            }
        }
    }
}

/// How long to wait when it could not be told for the so-manieth time: twice as long each time, a minute in all.
fn between(time: u8) -> Duration {
    Duration::from_secs(1 << time)
}
