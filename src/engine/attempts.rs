//! Begins attempts and carries them on.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::deliver::delivery::{AccountState, UNNAMED};
use crate::deliver::{Act, Delivery, Progress};
use crate::domain::{AccountId, Content, DeliveryId, Digest, Held, ReplyTo, Spend, State, Timestamp, time};
use crate::ledger::record::{Fact, Intent, Outcome};
use crate::ledger::store::Room;
use crate::ledger::view::Open;
use crate::ledger::{Record, View};
use crate::parts::ShelfError;
use crate::plan::{Choice, draw};
use crate::platform::contract::{Adapter, Failure, Job, Media, Reply};
use crate::queue::digest::{Body, content};
use crate::queue::{Kind, Post};
use crate::telemetry::events::{Event as LogEvent, quote};

use super::desk::{Beginning, Work};
use super::engine::{Folder, Mode, Then};
use super::patience::Patience;
use super::spending::TOO_DEAR;
use super::spray::spray_of;
use super::{Command, Engine, Ticket};

/// Why an attempt is given up whose post is not what it was any more.
pub(super) const UNWANTED: &str = "the post was withdrawn or changed";
/// What is said of an account that must wait although nobody has asked it to.
const ALLOWANCE: &str = "its answers tell that the account's allowance is used up";

/// How long the same content under another id counts as a double on one account.
const DOUBLE: std::time::Duration = std::time::Duration::from_secs(30 * 24 * 60 * 60);
/// How many of the account's latest posts a look-back must not take for the one it looks for.
const TAKEN: usize = 200;

impl Engine {
    /// Carries on what the account is doing; says when it wants to be asked again.
    pub(super) fn carry_on(&mut self, account: &AccountId, now: Timestamp) -> Option<Timestamp> {
        let held = self.held_under_way(account);
        let desk = self.desks.get_mut(account)?;
        if desk.rate_limited.is_some_and(|until| until <= now) {
            desk.rate_limited = None;
        }
        let limited = desk.rate_limited;
        match &mut desk.work {
            Work::Delivering { delivery, ticket: None, keeping: false } => {
                if let Some(until) = delivery.sleeps_until().filter(|until| *until > now) {
                    return Some(until);
                }
                if self.stopping && delivery.sleeps_until().is_some() {
                    return None;
                }
                if let Some(why) = desk.locked {
                    // What it would be asked with is used up, or soon would be.
                    let act = delivery.not_let_in(why.to_owned());
                    self.act(account, act, now);
                    return None;
                }
                if delivery.is_in_doubt() {
                    delivery.know_others(others(&self.view, delivery.id()));
                }
                let state = AccountState { session: &desk.session, secrets: &desk.setup.secrets, held };
                let act = delivery.proceed(state, now);
                self.act(account, act, now);
                self.desks.get(account).and_then(|desk| match &desk.work {
                    Work::Delivering { delivery, ticket: None, .. } => delivery.sleeps_until(),
                    _ => None,
                })
            }
            Work::Parked { delivery } => {
                if let Some(later) = desk.later.take() {
                    let began = (desk.setup.adapter.platform(), Some(&*desk.setup.adapter.host()));
                    let why = moved(began, &*later.adapter);
                    let (delivery, attempt) = (delivery.id().clone(), delivery.attempt());
                    desk.work = Work::Idle;
                    // With the token and the name of today it is looked for like one that was found at start: all that
                    // this needs is on record.
                    self.set_up(later);
                    self.stop_locked(account, now);
                    if let Some(why) = why {
                        let fact = Fact::Outcome { delivery, attempt, outcome: Outcome::Uncertain { why } };
                        self.commit(vec![Record::new(now, fact)], Room::Reserve, Then::Concluded(account.clone()));
                        self.hold_desk(account);
                    }
                    return None;
                }
                if self.is_shut(account) {
                    return None;
                }
                let desk = self.desks.get_mut(account)?;
                if let Work::Parked { mut delivery } = std::mem::replace(&mut desk.work, Work::Idle) {
                    delivery.let_in_again(now);
                    desk.work = Work::Delivering { delivery, ticket: None, keeping: false };
                    return self.carry_on(account, now);
                }
                None
            }
            Work::Idle => limited,
            Work::Vouching { again: Some(_), .. } => self.vouch_again(account, now),
            _ => None,
        }
    }

    /// Begins an attempt that is owed; says when the next one is.
    pub(super) fn owed(&mut self, account: &AccountId, now: Timestamp) -> Option<Timestamp> {
        let desk = self.desks.get(account)?;
        if !matches!(desk.work, Work::Idle) || desk.ending {
            return None;
        }
        if self.stopping || !self.ready || self.mode != Mode::Publish {
            return None;
        }
        if let Some(until) = desk.pause_until.filter(|until| *until > now) {
            return Some(until);
        }
        let (facts, next) = self.owed_verdicts(account, now);
        if !facts.is_empty() && !desk.planning {
            self.desks.get_mut(account)?.planning = true;
            let records = facts.into_iter().map(|fact| Record::new(now, fact)).collect();
            self.commit(records, Room::Free, Then::Planned(account.clone()));
            return None;
        }
        let held = self.view.account(account)?;
        let mut due: Option<(Timestamp, DeliveryId)> = None;
        for post in held.open() {
            let delivery = DeliveryId::new(post.clone(), account.clone());
            let at = match held.entry(post).map(|entry| &entry.state) {
                Some(State::Sending { .. }) => Timestamp::MIN,
                Some(State::Retrying { at, .. }) => (*at).max(desk.rate_limited.unwrap_or(*at)),
                _ => continue,
            };
            if due.as_ref().is_none_or(|(earliest, _)| at < *earliest) {
                due = Some((at, delivery));
            }
        }
        let (at, delivery) = due?;
        let shut = self.is_shut(account);
        if at == Timestamp::MIN {
            // Looking for it sends nothing; it needs only an account that is let in. Before it is known what the queue holds,
            // all would be given up that turns out not to be there, and with it the rest of a thread.
            if !shut && self.was_read {
                self.find_out(&delivery, now);
            }
            return None;
        }
        let waits_for_clock = self.clock_behind || desk.clock_set;
        if shut || desk.setup.paused || waits_for_clock || self.full || self.folder != Folder::Known {
            return next;
        }
        if at > now {
            return Some(at);
        }
        if desk.planning {
            return None;
        }
        let allowed = desk.lane.earliest(self.view.account(account), &delivery.post, now);
        if allowed > now && !self.is_over(&delivery, now) && !self.is_out(&delivery) {
            return Some(allowed);
        }
        if self.say_held_back(account, now) {
            return None;
        }
        self.try_again(&delivery, now);
        None
    }

    /// What is to be said of attempts that are owed: that the account as a whole holds them, once their moment has come, and
    /// that it does not any more. Also when there is more to say.
    fn owed_verdicts(&self, account: &AccountId, now: Timestamp) -> (Vec<Fact>, Option<Timestamp>) {
        let (mut facts, mut next) = (Vec::new(), None);
        let (Some(desk), Some(held)) = (self.desks.get(account), self.view.account(account)) else {
            return (facts, next);
        };
        if self.standstill(account).is_some() {
            return (facts, next);
        }
        let whole = self.held_as_a_whole(account, desk);
        for post in held.open() {
            let Some(entry) = held.entry(post).filter(|entry| entry.halted != whole) else { continue };
            let (State::Retrying { at, .. }, Some(digest)) = (&entry.state, entry.digest) else { continue };
            if entry.halted.is_none() && *at > now {
                next = next.min(Some(*at)).or(Some(*at));
                continue;
            }
            let delivery = DeliveryId::new(post.clone(), account.clone());
            facts.push(Fact::Planned { delivery, digest, held: whole, detail: None });
        }
        (facts, next)
    }

    /// Whether the time of a delivery that is owed has passed.
    fn is_over(&self, delivery: &DeliveryId, now: Timestamp) -> bool {
        let (Some(post), Some(desk)) = (self.posts.get(&delivery.post), self.desks.get(&delivery.account)) else {
            return false;
        };
        let Some(entry) = self.entry(delivery) else { return false };
        let untouched = entry.open.as_ref().is_none_or(|open| open.published == 0);
        let expired = post.rare.expires.is_some_and(|expires| expires <= now);
        // Who asks for another try knows what time it is. `expires` binds them too: it is part of what was approved.
        let too_late =
            !entry.asked && post.rare.at.is_some_and(|at| time::after(at, desk.setup.policy.late_grace) < now);
        untouched && (expired || too_late)
    }

    /// Another attempt at a delivery whose last one surely failed, or that a person wants sent.
    fn try_again(&mut self, delivery: &DeliveryId, now: Timestamp) {
        let Some(entry) = self.entry(delivery) else { return };
        let (prior, attempt) = (entry.open.clone(), entry.attempts);
        if let Some(open) = prior.clone().filter(|open| is_out(open)) {
            return match self.moved_from(delivery) {
                Some(why) => self.give_up(delivery, attempt, why, now),
                None => self.ask_where(delivery, open, now),
            };
        }
        let post = self.posts.get(&delivery.post).filter(|post| post.to.contains(&delivery.account)).cloned();
        let wanted = post.filter(|post| {
            post.approval.is_given()
                && post.rare.trouble.is_none()
                && prior.as_ref().is_none_or(|open| open.intent.digest == post.digest)
        });
        let Some(post) = wanted else {
            self.give_up(delivery, attempt, UNWANTED.to_owned(), now);
            return;
        };
        if self.is_over(delivery, now) {
            let why = "its time passed while it was being retried".to_owned();
            let mut records = self.ended_with(delivery, attempt, Outcome::Abandoned { why }, now);
            let end = match (post.rare.expires, post.rare.at) {
                (Some(expires), _) if expires <= now => Fact::Expired { delivery: delivery.clone() },
                (_, Some(at)) => Fact::Missed { delivery: delivery.clone(), slot: at },
                _ => return,
            };
            records.push(Record::new(now, end));
            self.commit(records, Room::Reserve, Then::Concluded(delivery.account.clone()));
            self.hold_desk(&delivery.account);
            return;
        }
        let slot = prior.as_ref().map_or(post.rare.at, |open| open.intent.slot);
        let prior = match (self.moved_from(delivery), prior) {
            // Surely nothing of it is out: it begins anew, with nothing that was frozen for the other platform.
            (Some(_), Some(open)) if open.published == 0 => None,
            (Some(why), Some(_)) => return self.give_up(delivery, attempt, why, now),
            (_, prior) => prior,
        };
        let body = post.body.read();
        let content = content(&body, &delivery.account);
        let is_out = prior.as_ref().is_some_and(|open| open.published > 0);
        if !is_out && !self.can_afford(&delivery.account, &content, now) {
            return self.give_up(delivery, attempt, TOO_DEAR.to_owned(), now);
        }
        self.begin(
            &delivery.account,
            Beginning {
                post: Some(post),
                body,
                content,
                slot,
                fixed: true,
                prior,
                found: false,
                begun: None,
                by: None,
                unclear: 0,
            },
            now,
        );
    }

    /// Goes on with a delivery of which all is published, and that is only to tell where. What the queue holds of it now
    /// does not matter, and its media are not needed.
    fn ask_where(&mut self, delivery: &DeliveryId, prior: Box<Open>, now: Timestamp) {
        let body = prior.intent.body.clone();
        let (content, slot) = (content(&body, &delivery.account), prior.intent.slot);
        let prior = Some(prior);
        let beginning = Beginning {
            post: None,
            body,
            content,
            slot,
            fixed: true,
            prior,
            found: false,
            begun: None,
            by: None,
            unclear: 0,
        };
        self.begin(&delivery.account, beginning, now);
    }

    /// Whether all of a delivery that is owed is published.
    pub(super) fn is_out(&self, delivery: &DeliveryId) -> bool {
        self.entry(delivery).and_then(|entry| entry.open.as_deref()).is_some_and(is_out)
    }

    /// An attempt that was under way when the daemon stopped: it is looked for.
    fn find_out(&mut self, delivery: &DeliveryId, now: Timestamp) {
        let Some(prior) = self.entry(delivery).and_then(|entry| entry.open.clone()) else { return };
        if let Some(why) = self.moved_from(delivery) {
            let outcome = Outcome::Uncertain { why };
            let fact = Fact::Outcome { delivery: delivery.clone(), attempt: prior.intent.attempt, outcome };
            self.commit(vec![Record::new(now, fact)], Room::Reserve, Then::Concluded(delivery.account.clone()));
            self.hold_desk(&delivery.account);
            return;
        }
        let post = self.posts.get(&delivery.post).filter(|post| post.to.contains(&delivery.account)).cloned();
        let body = prior.intent.body.clone();
        let content = content(&body, &delivery.account);
        let (slot, begun) = (prior.intent.slot, Some(prior.begun));
        let beginning = Beginning {
            post,
            body,
            content,
            slot,
            fixed: true,
            prior: Some(prior),
            found: true,
            begun,
            by: None,
            unclear: 0,
        };
        self.begin(&delivery.account, beginning, now);
    }

    /// Gives up an attempt that is owed and has surely left nothing but the parts that are on record.
    pub(super) fn give_up(&mut self, delivery: &DeliveryId, attempt: u32, why: String, now: Timestamp) {
        let parts = self.entry(delivery).and_then(|entry| entry.open.as_ref()).map_or(0, |open| open.published);
        let outcome = match parts {
            0 => Outcome::Abandoned { why },
            // Nothing of it can be taken back, and nothing is left to send.
            _ if self.is_out(delivery) => Outcome::Uncertain { why: format!("{UNNAMED}: {why}") },
            n => Outcome::Refused { why: format!("{why} ({n} parts are published)") },
        };
        let records = self.ended_with(delivery, attempt, outcome, now);
        self.commit(records, Room::Reserve, Then::Concluded(delivery.account.clone()));
        self.hold_desk(&delivery.account);
    }

    /// The records of an outcome. A slot whose post is given up unsent has passed without a post, and nobody else says
    /// so: it is over since the intent.
    fn ended_with(&self, delivery: &DeliveryId, attempt: u32, outcome: Outcome, now: Timestamp) -> Vec<Record> {
        let empty = match &outcome {
            Outcome::Abandoned { why } => {
                let intent = self.entry(delivery).and_then(|entry| entry.open.as_ref()).map(|open| &open.intent);
                let slot = intent.filter(|intent| Body::read(&intent.body).at.is_none()).and_then(|intent| intent.slot);
                let reason = quote(&format!("{}: {why}", delivery.post));
                slot.map(|slot| Fact::SlotEmpty { account: delivery.account.clone(), slot, reason, run: None })
            }
            _ => None,
        };
        let fact = Fact::Outcome { delivery: delivery.clone(), attempt, outcome };
        [Some(fact), empty].into_iter().flatten().map(|fact| Record::new(now, fact)).collect()
    }

    /// What to say of an attempt that began when its account was on another platform, or on another host of the same. The
    /// adapter of today cannot tell what became of it there, and must not go on with what was made for the other.
    fn moved_from(&self, delivery: &DeliveryId) -> Option<String> {
        let intent = &self.entry(delivery)?.open.as_ref()?.intent;
        moved((&intent.platform, intent.host.as_deref()), &*self.desks.get(&delivery.account)?.setup.adapter)
    }

    /// Keeps an account from beginning something else while a record about its open delivery is on its way.
    pub(super) fn hold_desk(&mut self, account: &AccountId) {
        if let Some(desk) = self.desks.get_mut(account) {
            desk.ending = true;
        }
    }

    pub(super) fn begin_choice(&mut self, account: &AccountId, choice: Choice, now: Timestamp) {
        let Choice { post, slot, fixed } = choice;
        let body = post.body.read();
        let content = content(&body, account);
        if let Some(other) = self.double(account, &post, &content, now) {
            let detail = super::planning::double_of(&other);
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
        let prior = None;
        self.begin(
            account,
            Beginning {
                post: Some(post),
                body,
                content,
                slot,
                fixed,
                prior,
                found: false,
                begun: None,
                by: None,
                unclear: 0,
            },
            now,
        );
    }

    fn begin(&mut self, account: &AccountId, beginning: Beginning, now: Timestamp) {
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

    pub(super) fn gathered(&mut self, ticket: Ticket, result: Result<Vec<Media>, ShelfError>, now: Timestamp) {
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
    pub(super) fn media_failed(
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
    pub(super) fn not_begun(
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

    /// Makes the intent, or, for an attempt that was found, goes straight to looking for it.
    pub(super) fn intend(&mut self, account: &AccountId, mut beginning: Beginning, media: Vec<Media>, now: Timestamp) {
        let Some(post_id) = beginning
            .post
            .as_ref()
            .map(|post| post.id.clone())
            .or_else(|| beginning.prior.as_ref().map(|open| open.intent.delivery.post.clone()))
        else {
            return;
        };
        let delivery = DeliveryId::new(post_id, account.clone());
        if !beginning.found {
            if !self.may_still_begin(&delivery, &beginning, now) {
                return self.advance(account, now);
            }
            if let Some(claim) = self.claim(&delivery, &beginning) {
                return self.ask_who_approved(account, claim, beginning, media);
            }
        }
        let Some(intent) = self.intent(&delivery, &mut beginning, now) else { return };
        beginning.content = with_link(&beginning.content, intent.link.clone()).into_owned();
        let aside = self.set_aside(account, &beginning.content, now);
        let job = self.job(&intent, beginning.content, media);
        let (done, published) = beginning.prior.map_or((Vec::new(), 0), |open| (open.done, open.published));
        let done = self.reveal(&delivery, done);
        let Some(desk) = self.desks.get_mut(account) else { return };
        let number = draw(self.seed, &delivery.to_string(), &format!("retry-{}", intent.attempt));
        let begun = beginning.begun.unwrap_or(now);
        let so_far = Progress { done, published, tries: intent.tries, begun };
        let attempt = Delivery::new(desk.setup.adapter.clone(), desk.setup.rules, job, so_far, number);
        if !beginning.found {
            let facts = std::iter::once(Fact::Intent(Box::new(intent))).chain(aside);
            let records = facts.map(|fact| Record::new(now, fact)).collect();
            let ticket = self.commit(records, Room::Free, Then::Intended(account.clone()));
            if let Some(desk) = self.desks.get_mut(account) {
                desk.work = Work::Intending { ticket, delivery: Box::new(attempt) };
            }
            return;
        }
        let settle = self.view.entry(&delivery).and_then(|entry| entry.open.as_ref()).and_then(|open| open.ambiguous);
        let (mut attempt, act) = attempt.found(settle, now);
        if !self.is_wanted(&delivery, &intent.digest) {
            attempt.only_settle();
        }
        if let Some(desk) = self.desks.get_mut(account) {
            desk.work = Work::Delivering { delivery: Box::new(attempt), ticket: None, keeping: false };
        }
        self.act(account, act, now);
        // Where its media were read first, nobody else asks when it wants to be carried on.
        self.advance(account, now);
    }

    /// Whether the queue still holds this content, approved.
    fn is_wanted(&self, delivery: &DeliveryId, digest: &Digest) -> bool {
        self.posts.get(&delivery.post).is_some_and(|post| {
            post.to.contains(&delivery.account) && post.digest == *digest && post.approval.is_given()
        })
    }

    /// Between choosing and now media were read. Meanwhile the post may have changed, expired or been given up, the folder
    /// got lost, or the account been paused or moved.
    fn may_still_begin(&self, delivery: &DeliveryId, beginning: &Beginning, now: Timestamp) -> bool {
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

    fn intent(&self, delivery: &DeliveryId, beginning: &mut Beginning, now: Timestamp) -> Option<Intent> {
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
            promotion: post.goal == crate::domain::Goal::Promotion,
            counts: post.kind == Kind::Post,
            body: std::mem::take(&mut beginning.body),
            link,
            frozen,
            by: beginning.by.as_deref().map(Into::into),
            started: now,
        })
    }

    fn job(&self, intent: &Intent, content: Content, media: Vec<Media>) -> Job {
        let answers = match &content.reply_to {
            Some(ReplyTo::Ours(post)) => {
                let answered = DeliveryId::new(post.clone(), intent.delivery.account.clone());
                self.entry(&answered).and_then(|entry| entry.remote()).cloned()
            }
            _ => None,
        };
        Job {
            delivery: intent.delivery.clone(),
            attempt: intent.attempt,
            key: intent.key.clone(),
            digest: intent.digest,
            content,
            media,
            frozen: intent.frozen.clone(),
            started: intent.started,
            answers,
            // A refusal as duplicate, too, may name one of them.
            taken: Arc::new(others(&self.view, &intent.delivery)),
        }
    }

    /// Another post of this account that said the same lately.
    pub(super) fn double(&self, account: &AccountId, post: &Post, content: &Content, now: Timestamp) -> Option<String> {
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

    /// The intent is durable: the attempt begins. One of an account that was taken out of the configuration and put back
    /// meanwhile is nobody's: what the account is about to begin waits for an intent of its own.
    pub(super) fn intended(&mut self, account: &AccountId, ticket: Ticket, now: Timestamp) {
        let Some(desk) = self.desks.get_mut(account) else { return };
        match std::mem::replace(&mut desk.work, Work::Idle) {
            Work::Intending { ticket: waited, mut delivery } if waited == ticket => {
                // While it was being written, the post may have been changed or withdrawn, and put back.
                let intent = self.view.entry(delivery.id()).and_then(|entry| entry.open.as_ref());
                let digest = intent.map(|open| open.intent.digest);
                let post = self.posts.get(&delivery.id().post).filter(|post| post.to.contains(account));
                match post.filter(|post| post.approval.is_given() && Some(post.digest) == digest) {
                    Some(_) => delivery.publish_after_all(),
                    None => delivery.only_settle(),
                }
                desk.work = Work::Delivering { delivery, ticket: None, keeping: false };
            }
            other => desk.work = other,
        }
        self.advance(account, now);
    }

    /// The ledger does not take such an intent: the post is held, and nothing has been sent.
    pub(super) fn cannot_be_intended(&mut self, account: &AccountId, ticket: Ticket, why: &str, now: Timestamp) {
        let Some(desk) = self.desks.get_mut(account).filter(|desk| desk.work.intends(ticket)) else { return };
        let Work::Intending { delivery, .. } = std::mem::replace(&mut desk.work, Work::Idle) else { return };
        if let Some(post) = self.posts.get(&delivery.id().post).cloned() {
            self.object(&post, account, Held::Invalid, why.to_owned());
        }
        let owed = self.entry(delivery.id()).filter(|entry| entry.state.is_open()).map(|entry| entry.attempts);
        if let Some(attempt) = owed {
            self.give_up(delivery.id(), attempt, why.to_owned(), now);
        }
        self.withdraw_if_gone(delivery.id(), now);
        self.advance(account, now);
    }

    /// A checkpoint is durable: the attempt goes on.
    pub(super) fn kept(&mut self, account: &AccountId, now: Timestamp) {
        if let Some(Work::Delivering { keeping, .. }) = self.desks.get_mut(account).map(|desk| &mut desk.work) {
            *keeping = false;
        }
        self.advance(account, now);
    }

    /// An outcome is durable.
    pub(super) fn concluded(&mut self, account: &AccountId, records: &[Record], now: Timestamp) {
        if let Some(desk) = self.desks.get_mut(account) {
            desk.ending = false;
        }
        for record in records {
            // An account may have left the configuration meanwhile; what follows for the queue follows all the same.
            let Some(desk) = self.desks.get_mut(account) else { break };
            let Fact::Outcome { delivery, attempt: number, outcome } = &record.fact else { continue };
            let in_doubt = matches!(outcome, Outcome::Ambiguous { .. });
            if let Work::Delivering { delivery: attempt, keeping, .. } = &mut desk.work
                && attempt.id() == delivery
                && attempt.attempt() == *number
            {
                *keeping = false;
                if !in_doubt {
                    desk.work = Work::Idle;
                }
            }
            match outcome {
                Outcome::RateLimited { until, why } => self.limit(account, *until, why),
                Outcome::Auth { .. } => {
                    desk.log_out();
                    desk.patience.stopped(now);
                }
                Outcome::Delivered { .. } => desk.patience = Patience::default(),
                _ => {}
            }
        }
        for delivery in records.iter().filter_map(|record| record.fact.delivery()) {
            if self.entry(delivery).is_some_and(|entry| entry.open.is_none()) {
                self.forget_private(delivery);
            }
            let in_queue = self.posts.get(&delivery.post).is_some_and(|post| post.to.contains(account));
            match in_queue {
                true => self.refresh(&delivery.post),
                false => self.withdraw_durably(delivery, now),
            }
        }
        self.advance(account, now);
    }

    /// The platform asks to wait until then, or would if it were asked anything. Each wait is said once.
    fn limit(&mut self, account: &AccountId, until: Timestamp, why: &str) {
        let Some(desk) = self.desks.get_mut(account) else { return };
        if desk.rate_limited.is_some_and(|known| known >= until) {
            return;
        }
        desk.rate_limited = Some(until);
        let (account, platform) = (account.clone(), desk.setup.adapter.platform().into());
        self.log(LogEvent::AccountRateLimited { account, platform, until, reason: quote(why) });
    }

    fn stop_account(&mut self, account: &AccountId, why: &str, now: Timestamp) {
        if let Some(desk) = self.desks.get_mut(account) {
            desk.log_out();
            desk.patience.stopped(now);
        }
        if let Some(fact) = self.stopped(account, why)
            && self.stops.insert(account.clone())
        {
            self.commit(vec![Record::new(now, fact)], Room::Reserve, Then::Changed(account.clone()));
        }
    }

    /// That the account is stopped, if the ledger does not say so already.
    fn stopped(&self, account: &AccountId, why: &str) -> Option<Fact> {
        let known = self.view.account(account).is_some_and(|account| account.head.stopped.is_some());
        (!known && !self.stops.contains(account))
            .then(|| Fact::AccountStopped { account: account.clone(), why: why.into() })
    }

    /// Does what an attempt wants.
    pub(super) fn act(&mut self, account: &AccountId, act: Act, now: Timestamp) {
        let Some(desk) = self.desks.get_mut(account) else { return };
        let Work::Delivering { delivery, keeping, .. } = &mut desk.work else { return };
        let (id, attempt) = (delivery.id().clone(), delivery.attempt());
        match act {
            Act::Call(_) if desk.rate_limited.is_some_and(|until| until > now) => {
                // The allowance is used up: what was chosen has not been sent and can wait. Before anything can be
                // seen, it waits outside of an attempt, so that it comes back through the gates of the plan.
                let until = desk.rate_limited.unwrap_or(now);
                if let Some(outcome) = delivery.put_off(until, now) {
                    self.act(account, Act::End(outcome), now);
                }
            }
            Act::Call(_) if let Some(why) = desk.locked => {
                let act = delivery.not_let_in(why.to_owned());
                self.act(account, act, now);
            }
            Act::Call(step) => {
                let state = AccountState { session: &desk.session, secrets: &desk.setup.secrets, held: None };
                let price = delivery.price(None, state, now);
                if self.is_short(account, price, now) {
                    return self.pay_first(account, price, now);
                }
                let Some(desk) = self.desks.get_mut(account) else { return };
                let Work::Delivering { ticket, .. } = &mut desk.work else { return };
                self.next_ticket += 1;
                *ticket = Some(Ticket(self.next_ticket));
                desk.purse.pay(Ticket(self.next_ticket), price, now);
                desk.asked_by.clone_from(&desk.origin);
                let (ticket, timeout) = (Ticket(self.next_ticket), desk.setup.rules.timeout);
                self.callers.insert(ticket, account.clone());
                self.commands.push_back(Command::Call { ticket, account: account.clone(), call: step.call, timeout });
            }
            Act::Keep { checkpoint, publishes, reconciled } => {
                *keeping = true;
                if publishes {
                    desk.patience = Patience::default();
                }
                let (step, data) = (checkpoint.step, checkpoint.data);
                let data = self.hide(&id, &step, data);
                let fact = Fact::Checkpoint { delivery: id, attempt, step, data, publishes, reconciled };
                self.commit(vec![Record::new(now, fact)], Room::Reserve, Then::Kept(account.clone()));
            }
            Act::Session(session) => self.take_session(account, session, now),
            Act::Sleep(_) => {}
            Act::End(outcome) => {
                *keeping = true;
                let stopped = match &outcome {
                    // In one batch: nothing may be begun between the two.
                    Outcome::Auth { why } => self.stopped(account, why),
                    _ => None,
                };
                // What is in doubt is looked for, and that may cost something.
                let in_doubt = matches!(outcome, Outcome::Ambiguous { .. });
                let back = if in_doubt { Vec::new() } else { self.give_back(account, now) };
                let mut records = self.ended_with(&id, attempt, outcome, now);
                records.extend(stopped.into_iter().chain(back).map(|fact| Record::new(now, fact)));
                self.commit(records, Room::Reserve, Then::Concluded(account.clone()));
            }
            Act::Park { why } => {
                if let Work::Delivering { delivery, .. } = std::mem::replace(&mut desk.work, Work::Idle) {
                    desk.work = Work::Parked { delivery };
                }
                self.stop_account(account, &why, now);
            }
        }
    }

    /// What the call that was chosen may cost is set aside before it is made. An attempt of which nothing can be seen yet
    /// ends rather than pass the budget.
    fn pay_first(&mut self, account: &AccountId, price: Spend, now: Timestamp) {
        let may_pay = self.may_pay(account, price, now);
        let Some(desk) = self.desks.get_mut(account) else { return };
        let Work::Delivering { delivery, keeping, .. } = &mut desk.work else { return };
        let seen = delivery.put_back();
        if !seen && !may_pay {
            return self.act(account, Act::End(Outcome::Abandoned { why: TOO_DEAR.into() }), now);
        }
        *keeping = true;
        self.set_aside_first(account, price, Then::Kept(account.clone()), now);
    }

    pub(super) fn replied(&mut self, ticket: Ticket, result: Result<Reply, Failure>, now: Timestamp) {
        let calling = |work: &Work| matches!(work, Work::Delivering { ticket: Some(waited), .. } if *waited == ticket);
        let Some(account) = self.caller(ticket) else { return };
        let held = self.held_under_way(&account);
        if self.looked(&account, ticket, &result, now) || self.swept(&account, ticket, &result, now) {
            return;
        }
        let Some(desk) = self.desks.get_mut(&account) else { return };
        if desk.probe.as_ref().is_some_and(|(waited, _)| *waited == ticket) {
            return self.probed(&account, result, now);
        }
        if !calling(&desk.work) {
            return desk.purse.forget(ticket);
        }
        let pace = result.as_ref().ok().and_then(|reply| desk.setup.adapter.pace(reply, now));
        let used_up = pace.filter(|pace| pace.remaining == 0 && pace.reset > now).map(|pace| pace.reset);
        let Work::Delivering { delivery, ticket: waited, .. } = &mut desk.work else { return };
        *waited = None;
        let state = AccountState { session: &desk.session, secrets: &desk.setup.secrets, held };
        desk.purse.settle(ticket, delivery.price(Some(&result), state, now));
        let mut act = delivery.answered(result, state, now);
        match (&mut act, used_up) {
            // Said when it is on record.
            (Act::End(Outcome::RateLimited { until, .. }), Some(reset)) => *until = reset.max(*until),
            (_, Some(reset)) => self.limit(&account, reset, ALLOWANCE),
            (_, None) => {}
        }
        self.act(&account, act, now);
        self.advance(&account, now);
    }
}

/// Whether every part of an attempt is published: only where, is still to be told.
fn is_out(open: &Open) -> bool {
    open.published as usize > content(&open.intent.body, &open.intent.delivery.account).thread.len()
}

/// Remote ids of the account's latest posts but this one: neither a look-back nor the refusal of a duplicate may make
/// one of them ours.
fn others(view: &View, delivery: &DeliveryId) -> BTreeSet<String> {
    let Some(account) = view.account(&delivery.account) else { return BTreeSet::new() };
    let latest = account.beat().take(TAKEN).filter(|(post, _)| **post != delivery.post);
    latest.filter_map(|(post, _)| Some(account.entry(post)?.remote()?.id.clone())).collect()
}

/// What to say of something that was begun elsewhere than where the account is now.
fn moved((platform, host): (&str, Option<&str>), now: &dyn Adapter) -> Option<String> {
    let (to, to_host) = (now.platform(), now.host());
    if platform != to {
        return Some(format!("it was begun on {platform}, and the account is on {to} now; look there"));
    }
    let host = host.filter(|host| *host != to_host)?;
    Some(format!("it was begun on {host}, and the account is on {to_host} now; look there"))
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
pub(super) fn with_link(content: &Content, link: Option<String>) -> Cow<'_, Content> {
    match link {
        Some(link) => Cow::Owned(Content { link: Some(link), ..content.clone() }),
        None => Cow::Borrowed(content),
    }
}

/// A hash of what people will see, whatever the post is called and its link is tagged with.
fn fingerprint(content: &Content) -> u64 {
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
