//! What the plan reads of the ledger: an account's part of the view, and for a projection what it has imagined since.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{Dollars, Month, PostId, Timestamp};
use crate::ledger::view::{Account, Entry};

/// A send that counts for the gap, the day and the promotion share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counted {
    /// When its last attempt began.
    pub from: Timestamp,
    /// When that attempt was settled; none while it is not.
    pub to: Option<Timestamp>,
    pub promotion: bool,
}

/// The past as the gates see it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Past<'a> {
    account: Option<&'a Account>,
    imagined: Option<&'a Imagined>,
    /// A post that is left out.
    but: Option<&'a PostId>,
}

/// What a projection has let happen.
#[derive(Debug, Clone, Default)]
pub struct Imagined {
    /// Oldest first.
    pub sent: Vec<Counted>,
    /// The last slot that was used or said to be empty.
    pub cursor: Option<Timestamp>,
    /// Attempts that are open in the ledger count as settled then.
    pub settled: Option<Timestamp>,
    /// Posts whose last attempt counts no more, for the one that was owed is among those that were sent.
    pub repeated: BTreeSet<PostId>,
    /// What was spent by it.
    pub spent: BTreeMap<Month, Dollars>,
}

impl<'a> Past<'a> {
    pub fn of(account: Option<&'a Account>) -> Self {
        Self { account, imagined: None, but: None }
    }

    /// The past without one post.
    pub fn but(account: Option<&'a Account>, post: &'a PostId) -> Self {
        Self { account, imagined: None, but: Some(post) }
    }

    pub fn with(account: Option<&'a Account>, imagined: &'a Imagined) -> Self {
        Self { account, imagined: Some(imagined), but: None }
    }

    /// What counts for the beat, latest first.
    pub fn counted(&self) -> impl Iterator<Item = Counted> + '_ {
        let settled = self.imagined.and_then(|imagined| imagined.settled);
        let imagined = self.imagined.into_iter().flat_map(|imagined| imagined.sent.iter().rev().copied());
        let recorded = self.account.into_iter().flat_map(Account::beat);
        let is_repeated = |post: &PostId| self.imagined.is_some_and(|imagined| imagined.repeated.contains(post));
        let recorded = recorded
            .filter(move |(post, sent)| sent.counts && self.but != Some(*post) && !is_repeated(post))
            .map(move |(_, sent)| Counted { from: sent.from, to: sent.to.or(settled), promotion: sent.promotion });
        imagined.chain(recorded)
    }

    /// All slots up to it are over.
    pub fn cursor(&self) -> Option<Timestamp> {
        let recorded = self.account.and_then(|account| account.head.cursor);
        recorded.max(self.imagined.and_then(|imagined| imagined.cursor))
    }

    /// When the wall clock was last set ahead.
    pub fn clock_set(&self) -> Option<Timestamp> {
        self.account.and_then(|account| account.head.clock_set)
    }

    /// What was spent in a month, with what is set aside in it.
    pub fn spent(&self, month: Month) -> Dollars {
        let recorded = self.account.map(|account| account.head.spent(month).money).unwrap_or_default();
        let imagined = self.imagined.and_then(|imagined| imagined.spent.get(&month)).copied().unwrap_or_default();
        recorded.plus(imagined)
    }

    pub fn entry(&self, post: &PostId) -> Option<&'a Entry> {
        self.account?.entry(post)
    }
}
