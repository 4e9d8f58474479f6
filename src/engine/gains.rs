//! Outcomes on their way into the ledger.
//!
//! Batches are taken one after the other: whether a key is known is asked only when nothing is on its way, so that two
//! commands that hand in the same outcome at the same moment record it once, and neither is told that it is known before
//! it is durable.

use std::collections::{BTreeMap, HashSet, VecDeque};

use crate::control::protocol::Taken;
use crate::domain::document::nearest;
use crate::domain::{AccountId, Gain, PostId, Timestamp};
use crate::ledger::store::{CommitError, Room};
use crate::ledger::{Fact, Record};

use super::commits::Then;
use super::{Engine, Mode, Ticket};

/// How many ids are compared for hints in one batch at most: what is due to be sent waits meanwhile.
const COMPARED: usize = 200_000;

/// A dry run keeps nothing, so it takes no outcomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the daemon is on a dry run, which records nothing")]
pub struct DryRun;

/// What is to be done with an outcome of a post that nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown {
    Keep,
    Refuse,
}

/// Batches that were handed in.
#[derive(Debug, Default)]
pub(super) struct Gains {
    waiting: VecDeque<(Ticket, Vec<Gain>, Unknown)>,
    /// The batch whose records are on their way, and what became of each of its outcomes if they arrive.
    under_way: Option<(Ticket, Vec<Taken>)>,
    told: Vec<(Ticket, Result<Vec<Taken>, CommitError>)>,
}

impl Engine {
    /// Takes outcomes. What became of each is given by [`Engine::next_gained`] under the same ticket, when those that are
    /// new are durable.
    ///
    /// # Errors
    /// Nothing is recorded on a dry run.
    pub fn gain(&mut self, gains: Vec<Gain>, unknown: Unknown, now: Timestamp) -> Result<Ticket, DryRun> {
        if self.mode == Mode::DryRun {
            return Err(DryRun);
        }
        let ticket = self.ticket();
        self.gains.waiting.push_back((ticket, gains, unknown));
        self.take_gains(now);
        Ok(ticket)
    }

    /// What became of the outcomes of a batch, in their order.
    pub fn next_gained(&mut self) -> Option<(Ticket, Result<Vec<Taken>, CommitError>)> {
        self.gains.told.pop()
    }

    /// The batch under way is durable, or could not be recorded.
    pub(super) fn gained(&mut self, result: Result<(), CommitError>, now: Timestamp) {
        if let Some((ticket, taken)) = self.gains.under_way.take() {
            self.gains.told.push((ticket, result.map(|()| taken)));
        }
        self.take_gains(now);
    }

    fn take_gains(&mut self, now: Timestamp) {
        while self.gains.under_way.is_none()
            && let Some((ticket, gains, unknown)) = self.gains.waiting.pop_front()
        {
            let taken = self.judge(&gains, unknown);
            let fresh = gains.into_iter().zip(&taken).filter(|(_, taken)| **taken == Taken::New);
            let records: Vec<Record> = fresh.map(|(gain, _)| Record::new(now, Fact::Gained(Box::new(gain)))).collect();
            if records.is_empty() {
                self.gains.told.push((ticket, Ok(taken)));
            } else {
                self.gains.under_way = Some((ticket, taken));
                self.commit(records, Room::Free, Then::Gained);
            }
        }
    }

    fn judge(&self, gains: &[Gain], unknown: Unknown) -> Vec<Taken> {
        let mut seen = HashSet::new();
        let mut near: BTreeMap<PostId, Option<PostId>> = BTreeMap::new();
        let mut left = COMPARED;
        let mut there: BTreeMap<PostId, bool> = BTreeMap::new();
        let mut judge_one = |gain: &Gain| {
            if let Some(account) = gain.account.as_ref().filter(|account| !self.has_account(account)) {
                let known = self.desks.keys().map(AccountId::as_str);
                let nearest = nearest(account.as_str(), known).and_then(|name| AccountId::new(name).ok());
                return Taken::UnknownAccount { nearest };
            }
            // Old orders name few posts, and those that have left the queue are looked for on every account.
            let mut is_there = |post: &PostId| *there.entry(post.clone()).or_insert_with(|| self.has_post(post));
            if let Some(post) = gain.post.as_ref().filter(|post| unknown == Unknown::Refuse && !is_there(post)) {
                let found = near.entry(post.clone()).or_insert_with(|| self.nearest_post(post, &mut left));
                return Taken::UnknownPost { nearest: found.clone() };
            }
            if seen.insert(gain.key_hash()) { Taken::New } else { Taken::Known }
        };
        let known = |gain: &Gain| self.view.knows_gain(gain.key_hash());
        gains.iter().map(|gain| if known(gain) { Taken::Known } else { judge_one(gain) }).collect()
    }

    /// Whether an account is in the configuration, or was.
    pub fn has_account(&self, account: &AccountId) -> bool {
        self.desks.contains_key(account) || self.view.account(account).is_some()
    }

    /// Whether a post is in the queue, or was.
    fn has_post(&self, post: &PostId) -> bool {
        self.posts.get(post).is_some() || self.view.accounts().any(|(_, account)| account.entry(post).is_some())
    }

    fn nearest_post(&self, post: &PostId, left: &mut usize) -> Option<PostId> {
        let recorded = self.view.accounts().flat_map(|(_, account)| account.deliveries().map(|(post, _)| post));
        let all = self.posts.iter().map(|post| &post.id).chain(recorded);
        let within = all.take_while(|_| {
            *left = left.saturating_sub(1);
            *left > 0
        });
        nearest(post.as_str(), within.map(PostId::as_str)).and_then(|name| PostId::new(name).ok())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::Digest;
    use crate::engine::{Command, Event};
    use crate::ledger::View;

    fn engine(mode: Mode) -> Engine {
        let mut view = View::default();
        let fact = Fact::Planned {
            delivery: "desk-story@fedi".parse().unwrap(),
            digest: Digest::of(b"desk"),
            held: None,
            detail: None,
        };
        view.apply(&Record::new(now(), fact));
        Engine::new(0, view, mode)
    }

    fn now() -> Timestamp {
        "2026-12-01T08:00:00Z".parse().unwrap()
    }

    fn gain(key: &str, post: &str, account: &str) -> Gain {
        let value = json!({"key": key, "at": "2026-11-30T08:00:00Z", "kind": "lead", "post": post, "account": account});
        serde_json::from_value(value).unwrap()
    }

    /// The batch that is to be recorded now, and its ticket.
    fn handed_in(engine: &mut Engine) -> Option<(Ticket, Vec<String>)> {
        let mut found = None;
        while let Some(command) = engine.next_command() {
            if let Command::Commit { ticket, records, .. } = command {
                let keys = records.iter().filter_map(|record| match &record.fact {
                    Fact::Gained(gain) => Some(gain.key.clone()),
                    _ => None,
                });
                assert!(found.replace((ticket, keys.collect())).is_none(), "one batch at a time");
            }
        }
        found
    }

    #[test]
    fn what_is_handed_in_twice_at_once_is_recorded_once() {
        let mut engine = engine(Mode::Publish);
        let one = |key| gain(key, "desk-story", "fedi");
        let first = engine.gain(vec![one("a"), one("b"), one("a")], Unknown::Refuse, now()).unwrap();
        let second = engine.gain(vec![one("b"), one("c")], Unknown::Refuse, now()).unwrap();
        let (ticket, keys) = handed_in(&mut engine).unwrap();
        assert_eq!(keys, ["a", "b"]);
        assert_eq!(engine.next_gained(), None, "nothing is said before it is durable");
        engine.handle(Event::Committed { ticket, result: Ok(()) }, now());
        assert_eq!(engine.next_gained(), Some((first, Ok(vec![Taken::New, Taken::New, Taken::Known]))));
        let (ticket, keys) = handed_in(&mut engine).unwrap();
        assert_eq!(keys, ["c"]);
        engine.handle(Event::Committed { ticket, result: Ok(()) }, now());
        assert_eq!(engine.next_gained(), Some((second, Ok(vec![Taken::Known, Taken::New]))));
        let third = engine.gain(vec![one("c")], Unknown::Refuse, now()).unwrap();
        assert_eq!(engine.next_gained(), Some((third, Ok(vec![Taken::Known]))));
        assert_eq!(handed_in(&mut engine), None);
    }

    #[test]
    fn what_could_not_be_recorded_is_not_known() {
        let mut engine = engine(Mode::Publish);
        let one = || vec![gain("a", "desk-story", "fedi")];
        let first = engine.gain(one(), Unknown::Refuse, now()).unwrap();
        let second = engine.gain(one(), Unknown::Refuse, now()).unwrap();
        let full = CommitError::NoRoom("full".into());
        let (ticket, _) = handed_in(&mut engine).unwrap();
        engine.handle(Event::Committed { ticket, result: Err(full.clone()) }, now());
        assert_eq!(engine.next_gained(), Some((first, Err(full))));
        let (ticket, _) = handed_in(&mut engine).unwrap();
        engine.handle(Event::Committed { ticket, result: Ok(()) }, now());
        assert_eq!(engine.next_gained(), Some((second, Ok(vec![Taken::New]))));
    }

    #[test]
    fn posts_and_accounts_that_nobody_knows_are_said_with_the_nearest() {
        let mut engine = engine(Mode::Publish);
        let batch =
            || vec![gain("a", "desk-stroy", "fedi"), gain("b", "lamp", "fedi"), gain("c", "desk-story", "elsewhere")];
        engine.gain(batch(), Unknown::Refuse, now()).unwrap();
        let nearest = |id: Option<&str>| Taken::UnknownPost { nearest: id.map(|id| id.parse().unwrap()) };
        let account = Taken::UnknownAccount { nearest: None };
        let (_, taken) = engine.next_gained().unwrap();
        assert_eq!(taken, Ok(vec![nearest(Some("desk-story")), nearest(None), account]));
        engine.gain(batch(), Unknown::Keep, now()).unwrap();
        assert_eq!(handed_in(&mut engine).unwrap().1, ["a", "b"]);
    }

    #[test]
    fn a_dry_run_takes_none() {
        let mut engine = engine(Mode::DryRun);
        assert_eq!(engine.gain(vec![gain("a", "desk-story", "fedi")], Unknown::Refuse, now()), Err(DryRun));
    }
}
