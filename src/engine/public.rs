//! Holds posts whose files are not where a platform is to fetch them, until they are.
//!
//! When a post's turn has come and its media are at hand, what the platform is to fetch is looked at before the intent is
//! made ([`Look`]). What is missing holds the post as a missing file does: nothing was begun, no try is used up, and the
//! slot is another post's. From then on it is looked for beside all else that the account does, soon at first and then
//! ever more rarely, and at once when the queue or the configuration has changed. The post goes back into its lane with
//! what is found, and not before.
//!
//! What was missed is not in the ledger but for the reason of the hold. After a restart a post is looked at again when its
//! turn comes.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::deliver::public::{Look, Read, Seen};
use crate::domain::{AccountId, Digest, Held, PostId, Timestamp, time};
use crate::parts::ShelfError;
use crate::plan;
use crate::platform::contract::{Call, Failure, Media, Reply};
use crate::queue::Post;

use super::desk::{Beginning, Work};
use super::{Command, Engine, Ticket};

/// How soon it is looked for again. Our own site may be the folder, and writes the file in the very slot.
const SOON: Duration = Duration::from_secs(30);
/// And how rarely at last; the wait doubles in between.
const RARELY: Duration = Duration::from_secs(30 * 60);
/// Bytes a second that a server of files gives at least; who is slower takes more than the time for a request.
const SLOWEST: u64 = 256 * 1024;

/// What one account waits for.
#[derive(Debug, Default)]
pub(super) struct Absent {
    posts: BTreeMap<PostId, Waiting>,
    /// The look that is under way, and posts that are looked at after it.
    asking: Option<(Ticket, PostId, Look)>,
    next: VecDeque<PostId>,
    /// When the next round begins, where none is under way, and how long was waited for the last one.
    due: Option<Timestamp>,
    waited: Duration,
    /// When the last round ended.
    ended: Option<Timestamp>,
}

/// A post that is held.
#[derive(Debug)]
struct Waiting {
    digest: Digest,
    files: Vec<Read>,
    why: String,
}

impl Engine {
    /// The media of a post are at hand: it is begun when what the platform fetches by itself is where it should be.
    pub(super) fn look(&mut self, account: &AccountId, beginning: Beginning, media: Vec<Media>, now: Timestamp) {
        let Some(desk) = self.desks.get(account) else { return };
        let done = beginning.prior.as_ref().map_or(&[][..], |open| &open.done);
        // Looking for a post that may be out needs nothing of it.
        let look = if beginning.found { None } else { Look::new(&*desk.setup.adapter, &Read::of(&media), done) };
        match look {
            Some(look) => self.look_on(account, Box::new(Looking { beginning, media, look }), now),
            None => self.intend(account, beginning, media, now),
        }
    }

    fn look_on(&mut self, account: &AccountId, looking: Box<Looking>, now: Timestamp) {
        let Some(call) = looking.look.call() else {
            return self.intend(account, looking.beginning, looking.media, now);
        };
        let Some(ticket) = self.call_for(account, call) else { return };
        if let Some(desk) = self.desks.get_mut(account) {
            desk.work = Work::Looking { ticket, looking };
        }
    }

    fn call_for(&mut self, account: &AccountId, call: Call) -> Option<Ticket> {
        let mut timeout = self.desks.get(account)?.setup.rules.timeout;
        if let Call::Fetch(file) = &call {
            // The time for a request is not one for a film of gigabytes.
            timeout += Duration::from_secs(file.most / SLOWEST);
        }
        let ticket = self.ticket();
        self.callers.insert(ticket, account.clone());
        self.commands.push_back(Command::Call { ticket, account: account.clone(), call, timeout });
        Some(ticket)
    }

    /// Takes the answer to a look. `false`: the call was another one.
    pub(super) fn looked(
        &mut self,
        account: &AccountId,
        ticket: Ticket,
        result: &Result<Reply, Failure>,
        now: Timestamp,
    ) -> bool {
        let Some(desk) = self.desks.get_mut(account) else { return false };
        if let Some((_, post, mut look)) = desk.absent.asking.take_if(|(waited, ..)| *waited == ticket) {
            // That nobody answers now says nothing new of a file that was missed: the reason that is on record stays.
            let silent = match result {
                Ok(Reply::Fetched { status, .. }) => *status >= 500,
                other => other.is_err(),
            };
            match look.answered(result) {
                Seen::Missing(_) if silent => self.look_at_next(account, now),
                seen => self.looked_again(account, post, look, seen, now),
            }
            return true;
        }
        if !matches!(&desk.work, Work::Looking { ticket: waited, .. } if *waited == ticket) {
            return false;
        }
        let Work::Looking { mut looking, .. } = std::mem::replace(&mut desk.work, Work::Idle) else { return false };
        match looking.look.answered(result) {
            Seen::More if !self.stopping => self.look_on(account, looking, now),
            Seen::More => self.advance(account, now),
            Seen::All => self.intend(account, looking.beginning, looking.media, now),
            Seen::Missing(why) => self.missing(account, *looking, why, now),
        }
        true
    }

    fn missing(&mut self, account: &AccountId, looking: Looking, why: String, now: Timestamp) {
        let Some(post) = looking.beginning.post.clone() else { return };
        let held = self.posts.get(&post.id);
        if !held.is_some_and(|held| held.digest == post.digest && held.to.contains(account)) {
            // It has left the queue while its files were looked for.
            return self.advance(account, now);
        }
        if let Some(desk) = self.desks.get_mut(account) {
            let waiting = Waiting { digest: post.digest, files: Read::of(&looking.media), why: why.clone() };
            desk.absent.posts.insert(post.id.clone(), waiting);
            desk.absent.waited = Duration::ZERO;
            if desk.absent.asking.is_none() {
                self.look_later(account, now);
            }
        }
        self.media_failed(account, looking.beginning, &ShelfError::NotServed(why), now);
    }

    /// What holds a post whose file was missed, unless it has changed since.
    pub(super) fn absence(&self, post: &Post, account: &AccountId) -> Option<(Held, String)> {
        let waiting = self.desks.get(account)?.absent.posts.get(&post.id)?;
        (waiting.digest == post.digest).then(|| (Held::MediaMissing, waiting.why.clone()))
    }

    /// Something has changed, for the better perhaps: what is missing is looked for now, unless it has just been.
    pub(super) fn look_soon(&mut self, account: &AccountId, now: Timestamp) {
        let Some(absent) = self.desks.get_mut(account).map(|desk| &mut desk.absent) else { return };
        let soon = absent.ended.map_or(now, |ended| time::after(ended, SOON).max(now));
        if let Some(due) = absent.due.filter(|due| *due > soon) {
            self.looks.remove(&(due, account.clone()));
            self.looks.insert((soon, account.clone()));
            absent.due = Some(soon);
        }
    }

    fn look_later(&mut self, account: &AccountId, now: Timestamp) {
        let Some(absent) = self.desks.get_mut(account).map(|desk| &mut desk.absent) else { return };
        absent.waited = (absent.waited * 2).clamp(SOON, RARELY);
        let due = time::after(now, absent.waited);
        if let Some(before) = absent.due.replace(due) {
            self.looks.remove(&(before, account.clone()));
        }
        self.looks.insert((due, account.clone()));
    }

    /// Begins the rounds that are due.
    pub(super) fn follow_looks(&mut self, now: Timestamp) {
        while let Some((at, account)) = self.looks.first().cloned().filter(|(at, _)| *at <= now) {
            self.looks.remove(&(at, account.clone()));
            let Some(desk) = self.desks.get_mut(&account) else { continue };
            desk.absent.due = None;
            desk.absent.next = desk.absent.posts.keys().cloned().collect();
            self.look_at_next(&account, now);
        }
    }

    fn look_at_next(&mut self, account: &AccountId, now: Timestamp) {
        while let Some(desk) = self.desks.get_mut(account)
            && let Some(id) = desk.absent.next.pop_front()
        {
            let post = self.posts.get(&id).filter(|post| post.to.contains(account));
            let entry = self.view.account(account).and_then(|held| held.entry(&id));
            let same = |waiting: &&Waiting| {
                post.is_some_and(|post| post.digest == waiting.digest && !plan::is_over(entry, post))
            };
            let Some(waiting) = desk.absent.posts.get(&id).filter(same) else {
                desk.absent.posts.remove(&id);
                continue;
            };
            // With the account as it is now; nothing of what was held is on the platform.
            match Look::new(&*desk.setup.adapter, &waiting.files, &[]) {
                Some(look) if !self.stopping => return self.ask_again(account, id, look),
                Some(_) => {}
                None => self.found(account, &id, now),
            }
        }
        if let Some(desk) = self.desks.get_mut(account) {
            desk.absent.ended = Some(now);
            if !desk.absent.posts.is_empty() && !self.stopping {
                self.look_later(account, now);
            }
        }
    }

    fn ask_again(&mut self, account: &AccountId, post: PostId, look: Look) {
        let ticket = look.call().and_then(|call| self.call_for(account, call));
        if let (Some(ticket), Some(desk)) = (ticket, self.desks.get_mut(account)) {
            desk.absent.asking = Some((ticket, post, look));
        }
    }

    fn looked_again(&mut self, account: &AccountId, post: PostId, look: Look, seen: Seen, now: Timestamp) {
        match seen {
            Seen::More => return self.ask_again(account, post, look),
            Seen::All => self.found(account, &post, now),
            Seen::Missing(why) => {
                let waiting = self.desks.get_mut(account).and_then(|desk| desk.absent.posts.get_mut(&post));
                if let Some(waiting) = waiting.filter(|waiting| waiting.why != why) {
                    waiting.why = why;
                    self.refresh(&post);
                    self.advance(account, now);
                }
            }
        }
        self.look_at_next(account, now);
    }

    fn found(&mut self, account: &AccountId, post: &PostId, now: Timestamp) {
        if let Some(desk) = self.desks.get_mut(account) {
            desk.absent.posts.remove(post);
        }
        self.refresh(post);
        self.advance(account, now);
    }
}

/// A post that is begun when its files are found.
#[derive(Debug)]
pub(super) struct Looking {
    pub(super) beginning: Beginning,
    media: Vec<Media>,
    look: Look,
}
