//! From the plan's choice to the intent: everything that can still stand against a post whose turn has come, and its media.
//!
//! What only shows now holds the post, and nothing has been sent. Reading media takes time, so that what was asked before is asked
//! once more after it.

use crate::domain::{AccountId, DeliveryId, Held, Timestamp};
use crate::parts::ShelfError;
use crate::plan::Choice;
use crate::platform::contract::Media;
use crate::queue::digest::content;
use crate::telemetry::events::Event as LogEvent;

use super::super::desk::{Beginning, Work};
use super::super::engine::Mode;
use super::super::planning::double_of;
use super::super::spray::spray_of;
use super::super::{Command, Engine, Ticket};
use super::found::is_out;
use super::intent::with_link;

impl Engine {
    /// A post whose turn has come is begun, unless something stands against it that was not known before.
    pub(in crate::engine) fn begin_choice(&mut self, account: &AccountId, choice: Choice, now: Timestamp) {
        let Choice { post, slot, fixed } = choice;
        let body = post.body.read();
        let content = content(&body, account);
        if let Some(other) = self.double(account, &post, &content, now) {
            let detail = double_of(&other);
            self.object(&post, account, Held::Duplicate, detail);
            return self.advance(account, now);
        }
        if let Some(other) = self.sprayed(account, &post, &content, now) {
            self.object(&post, account, Held::Duplicate, spray_of(&other));
            return self.advance(account, now);
        }
        if !self.can_afford(account, &content, now) {
            // The account's rules have changed since the post was put into its lane.
            self.refresh_on(&post, account);
            return self.advance(account, now);
        }
        let Some(desk) = self.desks.get(account) else { return };
        // The session may have told limits since the post was put into its lane.
        let tagged = with_link(&content, desk.tagged_link(&body));
        if let Some(complaint) = desk.setup.adapter.check(&tagged, &desk.session).into_iter().next() {
            self.object(&post, account, Held::Invalid, complaint.reason);
            return self.advance(account, now);
        }
        if self.mode == Mode::DryRun {
            let delivery = DeliveryId::new(post.id.clone(), account.clone());
            let platform = desk.setup.adapter.platform();
            self.log(LogEvent::DeliveryWouldSend {
                about: crate::telemetry::events::About::new(&delivery, platform, 0),
                slot,
            });
            self.object(&post, account, Held::Duplicate, "a dry run sends nothing".into());
            return self.advance(account, now);
        }
        self.spoke(account, &post, &content, now);
        self.begin(account, Beginning { post: Some(post), fixed, ..Beginning::of(body, content, slot) }, now);
    }

    pub(super) fn begin(&mut self, account: &AccountId, beginning: Beginning, now: Timestamp) {
        if beginning.content.media.is_empty() {
            return self.intend(account, beginning, Vec::new(), now);
        }
        let Some(queue_file) = beginning.post.as_ref().map(|post| post.order.file.clone()) else {
            // Nobody knows where its media were; looking for it needs none.
            return self.intend(account, beginning, Vec::new(), now);
        };
        let ticket = self.ticket();
        let items = beginning.content.media.clone();
        self.callers.insert(ticket, account.clone());
        self.commands.push_back(Command::Gather { ticket, queue_file, items });
        if let Some(desk) = self.desks.get_mut(account) {
            desk.work = Work::Gathering { ticket, beginning: Box::new(beginning) };
        }
    }

    /// Its media have been read.
    pub(in crate::engine) fn gathered(
        &mut self,
        ticket: Ticket,
        result: Result<Vec<Media>, ShelfError>,
        now: Timestamp,
    ) {
        let gathering = |work: &Work| matches!(work, Work::Gathering { ticket: waited, .. } if *waited == ticket);
        let Some(account) = self.caller(ticket) else { return };
        let Some(desk) = self.desks.get_mut(&account).filter(|desk| gathering(&desk.work)) else { return };
        let Work::Gathering { beginning, .. } = std::mem::replace(&mut desk.work, Work::Idle) else { return };
        match result {
            Ok(media) => self.look(&account, *beginning, media, now),
            Err(_) if beginning.found => self.intend(&account, *beginning, Vec::new(), now),
            Err(error) => self.media_failed(&account, *beginning, &error, now),
        }
    }

    /// The media are not what was approved, or not there: the post is held, and nothing has been sent.
    pub(in crate::engine) fn media_failed(
        &mut self,
        account: &AccountId,
        beginning: Beginning,
        error: &ShelfError,
        now: Timestamp,
    ) {
        let reason = match error {
            ShelfError::Changed { .. } => Held::ApprovalStale,
            ShelfError::Unreadable { .. } | ShelfError::NotServed(_) => Held::MediaMissing,
        };
        self.not_begun(account, beginning, reason, error.to_string(), now);
    }

    /// A reason not to begin that only showed when the post's turn had come: it is held.
    pub(in crate::engine) fn not_begun(
        &mut self,
        account: &AccountId,
        beginning: Beginning,
        reason: Held,
        why: String,
        now: Timestamp,
    ) {
        let Some(post) = beginning.post else { return };
        self.object(&post, account, reason, why.clone());
        let delivery = DeliveryId::new(post.id.clone(), account.clone());
        let owed = self.entry(&delivery).filter(|entry| entry.state.is_open()).map(|entry| entry.attempts);
        if let Some(attempt) = owed {
            self.give_up(&delivery, attempt, why, now);
            return;
        }
        self.advance(account, now);
    }

    /// Between choosing and now media were read. Meanwhile the post may have changed, expired or been given up, the folder
    /// got lost, or the account been paused or moved.
    pub(super) fn may_still_begin(&self, delivery: &DeliveryId, beginning: &Beginning, now: Timestamp) -> bool {
        let as_it_was = self.desks.get(&delivery.account).is_some_and(|desk| desk.later.is_none() && !desk.ending);
        if !as_it_was || self.halt(&delivery.account, now).is_some() {
            return false;
        }
        if beginning.prior.as_deref().is_some_and(is_out) {
            return true;
        }
        let (Some(post), Some(chosen)) = (self.posts.get(&delivery.post), &beginning.post) else { return false };
        let same = post.digest == chosen.digest && post.approval.is_given() && post.rare.trouble.is_none();
        // What is out in part is carried on.
        let untouched = beginning.prior.as_ref().is_none_or(|open| open.published == 0);
        let expired = untouched && post.rare.expires.is_some_and(|expires| expires <= now);
        same && !expired
    }
}
