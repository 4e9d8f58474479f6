//! What counts as an approval changes: nothing goes out until the queue has been read by that.
//!
//! What was approved by something that counts no more has not been approved, whatever is said of it afterwards. So nothing is
//! begun from the reload on, and what is under way publishes nothing more: the next part of a thread, another try with the same
//! bytes, or a first call whose intent was being written waits outside of its attempt until it is known what is approved. What
//! turns out not to be is given up like any other post whose approval is gone; what was published of it before is on record. A call
//! that is on its way already comes to its end. It was approved when it was made.
//!
//! That takes as long as a look at the folder. Where it takes longer, somebody is told that nothing goes out, and again when it is
//! over: a disk may be slow, and a file that is written all the time keeps the look from its end.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::policy::ApprovalMode;
use crate::domain::{Timestamp, time};
use crate::queue::{Approval, Post};
use crate::telemetry::events::Event as LogEvent;

use super::Engine;
use super::engine::Folder;

/// Nobody is told before. A look at a large folder takes seconds.
const SLOW: Duration = Duration::from_secs(30);

/// The queue is being read anew.
#[derive(Debug, Clone, Copy)]
pub(super) struct Anew {
    since: Timestamp,
    told: bool,
}

impl Engine {
    /// This counts as an approval from now on. What was approved by something else is not begun: the queue has to be read
    /// anew, which another reader tells ([`crate::parts::Inbox::Anew`]).
    pub(super) fn approve_by(&mut self, mode: ApprovalMode, now: Timestamp) {
        self.approvals = mode;
        self.look_whether_outdated(now);
    }

    /// What follows is read as if this counted. Where it does, only a part of that may have been told when the next thing is to
    /// begin: that it is right ends nothing before all is told.
    pub(super) fn read_anew(&mut self, mode: ApprovalMode, now: Timestamp) {
        if mode != self.read_with {
            self.unheard = self.queue.files().cloned().collect();
        }
        self.read_with = mode;
        self.look_whether_outdated(now);
    }

    /// All was read and told. What it was read with may count no more.
    pub(super) fn read_through(&mut self, now: Timestamp) {
        self.distrust_unheard(now);
        let was_lost = self.folder == Folder::Lost;
        self.folder = Folder::Known;
        self.was_read = true;
        self.look_whether_outdated(now);
        if self.folder == Folder::Known {
            let was_told = self.anew.take().is_some_and(|anew| anew.told);
            if was_lost || was_told {
                self.log(LogEvent::QueueBack { posts: self.posts.len() });
            }
        } else if let Some(anew) = self.anew.as_mut().filter(|_| was_lost) {
            // That nothing goes out has been said, and goes on.
            anew.told = true;
        }
    }

    /// Of a file that could not be read anew, and of which there is no copy, nobody knows what is approved in it now. Where only
    /// signatures count, each post is asked for before it is begun.
    fn distrust_unheard(&mut self, now: Timestamp) {
        let unheard = std::mem::take(&mut self.unheard);
        if self.read_with != ApprovalMode::Digest {
            return;
        }
        for file in unheard {
            let distrusted = |post: &Arc<Post>| {
                let mut post = Post::clone(post);
                if post.approval.is_given() {
                    post.approval = Approval::NotApproved;
                }
                post
            };
            let posts: Vec<Post> = self.queue.of_file(&file).iter().map(distrusted).collect();
            let changes = self.queue.file(&file, posts);
            self.changed(changes, now);
        }
    }

    fn look_whether_outdated(&mut self, now: Timestamp) {
        let stands = self.approvals == ApprovalMode::None || self.approvals == self.read_with;
        if self.folder == Folder::Known && !stands {
            self.folder = Folder::Outdated;
            self.anew.get_or_insert(Anew { since: now, told: false });
        }
    }

    /// When somebody is to be told that reading the queue anew takes its time.
    pub(super) fn is_slow_at(&self) -> Option<Timestamp> {
        let anew = self.anew.filter(|anew| self.folder == Folder::Outdated && !anew.told)?;
        Some(time::after(anew.since, SLOW))
    }

    pub(super) fn say_whether_slow(&mut self, now: Timestamp) {
        if self.is_slow_at().is_some_and(|at| at <= now)
            && let Some(anew) = &mut self.anew
        {
            anew.told = true;
            let since = anew.since;
            self.log(LogEvent::QueueOutdated { since });
        }
    }

    /// Since when the queue is being read anew, where that takes so long that somebody was told.
    pub(super) fn is_slow_since(&self) -> Option<Timestamp> {
        let anew = self.anew.filter(|anew| self.folder == Folder::Outdated && anew.told);
        anew.map(|anew| anew.since)
    }
}
