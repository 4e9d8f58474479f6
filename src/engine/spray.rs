//! Holds what says nearly the same as something that was said to the same people lately, where the policy asks for it.
//!
//! Compared is with what has been sent, or may have been: of two posts that are alike and wait, the first goes out and the
//! second is held. What was sent before the start is known by the posts that are still in the queue, for the ledger keeps
//! no texts of deliveries that are over; a post that has left the queue is not seen.

use crate::domain::policy::Spray;
use crate::domain::{AccountId, Content, DeliveryId, PostId, Timestamp, time};
use crate::queue::alike::{AGAIN, Alikes, Gist};
use crate::queue::digest::Body;
use crate::queue::{Kind, Post};

use super::Engine;
use super::desk::Desk;

/// Everything that was said lately, on all accounts, by audience.
#[derive(Debug)]
pub(super) struct Spoken {
    /// When the newer part was begun. When that is so long ago that nothing of the older part counts any more, the newer
    /// takes its place.
    begun: Timestamp,
    newer: Alikes<Said>,
    older: Alikes<Said>,
}

/// A text that was sent.
#[derive(Debug, Clone)]
struct Said {
    delivery: DeliveryId,
    at: Timestamp,
}

impl Spoken {
    fn add(&mut self, audience: &str, content: &Content, said: Said) {
        if time::since(said.at, self.begun) > AGAIN {
            self.older = std::mem::take(&mut self.newer);
            self.begun = said.at;
        }
        if let Some(gist) = Gist::of(content) {
            self.newer.insert(audience, gist, said);
        }
    }
}

impl Engine {
    /// A delivery that has said nearly the same to the same people lately, where the account's policy holds such posts. The
    /// same post on another platform is what posts are for.
    pub(super) fn sprayed(
        &mut self,
        account: &AccountId,
        post: &Post,
        content: &Content,
        now: Timestamp,
    ) -> Option<DeliveryId> {
        let holds = |desk: &Desk| desk.setup.policy.spray == Spray::Hold;
        if self.spoken.is_none() && self.desks.values().any(holds) {
            self.spoken = Some(self.recall(now));
        }
        if !self.desks.get(account).is_some_and(holds) || post.kind == Kind::Reply {
            return None;
        }
        let gist = Gist::of(content)?;
        let body = post.body.read();
        let audience = Body::read(&body).audience.unwrap_or_default();
        let platform = |account: &AccountId| self.desks.get(account).map(|desk| desk.setup.adapter.platform());
        let since = time::before(now, AGAIN);
        let counts = |said: &Said| {
            let elsewhere = said.delivery.account != *account && platform(&said.delivery.account) != platform(account);
            let own = said.delivery.post == post.id && (said.delivery.account == *account || elsewhere);
            // What was given up, or refused, has not been said. What is about to be may not be on record yet.
            let sent = self.entry(&said.delivery).is_some_and(|entry| entry.sent.is_some());
            let desk = self.desks.get(&said.delivery.account);
            said.at >= since && !own && (sent || desk.is_some_and(|desk| desk.begins(&said.delivery.post)))
        };
        let spoken = self.spoken.as_ref()?;
        let found = spoken.newer.find(&audience, &gist, counts).or_else(|| spoken.older.find(&audience, &gist, counts));
        found.map(|said| said.delivery.clone())
    }

    /// A post is about to be sent: what it says counts from now on.
    pub(super) fn spoke(&mut self, account: &AccountId, post: &Post, content: &Content, at: Timestamp) {
        let Some(spoken) = self.spoken.as_mut().filter(|_| post.kind == Kind::Post) else { return };
        let body = post.body.read();
        let delivery = DeliveryId::new(post.id.clone(), account.clone());
        spoken.add(&Body::read(&body).audience.unwrap_or_default(), content, Said { delivery, at });
    }

    /// What the queue still knows of what was sent lately, oldest first.
    fn recall(&self, now: Timestamp) -> Spoken {
        let since = time::before(now, AGAIN);
        let mut sent: Vec<(Timestamp, &PostId, &AccountId)> = Vec::new();
        for (id, account) in self.view.accounts() {
            let lately = account.beat().take_while(|(_, sent)| sent.from >= since).filter(|(_, sent)| sent.counts);
            sent.extend(lately.map(|(post, sent)| (sent.from, post, id)));
        }
        sent.sort();
        let mut spoken = Spoken { begun: now, newer: Alikes::default(), older: Alikes::default() };
        for (at, post, account) in sent {
            let Some(post) = self.posts.get(post) else { continue };
            let body = post.body.read();
            let body = Body::read(&body);
            let delivery = DeliveryId::new(post.id.clone(), account.clone());
            spoken.add(&body.audience.clone().unwrap_or_default(), &body.content(account), Said { delivery, at });
        }
        spoken
    }
}

/// What is said of a post that says nearly the same as a delivery.
pub(super) fn spray_of(other: &DeliveryId) -> String {
    format!("{other} said nearly the same to the same people; change the text, or wait 90 days")
}
