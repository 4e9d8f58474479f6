//! Looks at what has become of posts, and listens for who speaks to us, beside everything else that an account does.
//!
//! A delivery is never delayed by it: a sweep makes one call after another, each of which nothing waits for; it begins
//! none while the platform asks us to wait or when little is left of the account's allowance; and a stop drops it. What it
//! has found is on record post by post, so that one that was broken off goes on with what is missing.
//!
//! It never refreshes a token. Where there is no session, a probe is made first, with the account's ordinary first steps;
//! where a refresh uses tokens up, that is left to those who publish.
//!
//! Here is what an account's sweeps stand at. `due` says which posts are to be looked at, `begin` begins a sweep, `course`
//! carries it from call to call, `cost` says what it may spend, `ending` how it ends; `posts` is what the ledger tells of our
//! own. What was found about people is `people`'s.

mod begin;
mod cost;
mod course;
mod due;
mod ending;
mod posts;

use std::collections::BTreeSet;
use std::time::Duration;

use crate::domain::{PostId, Timestamp, time};
use crate::platform::contract::sweep::Sweeper;
use crate::platform::contract::{Call, Session};

use super::Ticket;

/// How often it is asked who has spoken to us.
const LISTEN: Duration = Duration::from_secs(10 * 60);
/// When what could not be looked at is tried again at first; the wait doubles.
const AGAIN: Duration = Duration::from_secs(10 * 60);
const RARELY: Duration = Duration::from_secs(24 * 3_600);
/// So often in a row it may fail before that is said.
const IN_VAIN: u32 = 3;

/// What an account's sweeps stand at.
#[derive(Debug, Default)]
pub(super) struct Sweeps {
    /// Posts and when each is to be looked at.
    due: BTreeSet<(Timestamp, PostId)>,
    running: Option<Running>,
    /// When it was asked last who has spoken to us.
    listened: Option<Timestamp>,
    /// Conversations up to this one were looked at lately, by when they began to wait.
    turned: Option<Timestamp>,
    /// Nothing is looked at before.
    after: Option<Timestamp>,
    /// How often in a row it could not be, and how often it was asked in vain who we are.
    failures: u32,
    probes: u32,
    /// It has been said that it cannot be.
    said: bool,
    /// The token may not listen: it is tried again then.
    deaf: Option<Timestamp>,
    /// The adapter has nothing to look with.
    blind: bool,
}

/// A sweep that is under way.
#[derive(Debug)]
struct Running {
    sweeper: Box<dyn Sweeper>,
    /// The call or the commit that is waited for.
    ticket: Ticket,
    /// Posts that were asked about and not told yet.
    asked: BTreeSet<PostId>,
    /// A request whose cost is on its way into the ledger.
    held: Option<Call>,
    /// The allowance is used up until then.
    spent: Option<Timestamp>,
    /// Something was found.
    found: bool,
    listens: bool,
    /// The session that it asks with.
    session: Session,
}

impl Sweeps {
    fn listens(&self, now: Timestamp) -> bool {
        let deaf = self.deaf.is_some_and(|until| now < until && until <= time::after(now, RARELY));
        !deaf && self.listened.is_none_or(|at| at > now || time::since(now, at) >= LISTEN)
    }

    /// Since when something is due; `None` when nothing is looked at now.
    fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let waits = self.after.is_some_and(|after| now < after && after <= time::after(now, RARELY));
        if self.running.is_some() || self.blind || waits {
            return None;
        }
        let listened = || self.listened.map_or(Timestamp::MIN, |at| time::after(at, LISTEN));
        let listen = self.listens(now).then(listened);
        let post = self.due.first().map(|(at, _)| *at);
        [listen, post].into_iter().flatten().min()
    }

    fn failed(&mut self, now: Timestamp) {
        self.after = Some(time::after(now, doubled(AGAIN, self.failures)));
        self.failures = self.failures.saturating_add(1);
    }

    /// It is known who we are: there is something to ask with.
    pub(super) fn let_in(&mut self) {
        if self.probes > 0 {
            (self.probes, self.after) = (0, None);
        }
    }

    /// The account has another token now; or it is another one, and what was published is not there.
    pub(super) fn begin_anew(&mut self, moved: bool) {
        let running = self.running.take();
        let due = std::mem::take(&mut self.due);
        let turned = if moved { None } else { self.turned };
        *self = Self { turned, ..Self::default() };
        if !moved {
            let asked = running.into_iter().flat_map(|running| running.asked);
            self.due = due.into_iter().chain(asked.map(|post| (Timestamp::MIN, post))).collect();
        }
    }
}

/// A wait that has been doubled so often.
fn doubled(wait: Duration, times: u32) -> Duration {
    wait.saturating_mul(1 << times.min(12)).min(RARELY)
}
