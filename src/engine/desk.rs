//! One account at work.

use std::sync::Arc;
use std::time::Duration;

use crate::deliver::{Delivery, Probe};
use crate::domain::{Content, Timestamp, time};
use crate::ledger::view::{Open, Sent};
use crate::plan::Lane;
use crate::platform::contract::Session;
use crate::queue::Post;

use super::{AccountSetup, Ticket};

/// One account at work: its plan, its session, and the one thing it does.
#[derive(Debug)]
pub(super) struct Desk {
    pub setup: AccountSetup,
    pub lane: Lane,
    pub session: Session,
    pub work: Work,
    /// Verdicts of the plan are on their way into the ledger.
    pub planning: bool,
    /// The end of an attempt that was owed is on its way into the ledger.
    pub ending: bool,
    /// The platform asked us to wait.
    pub rate_limited: Option<Timestamp>,
    pub probe: Option<(Ticket, Probe)>,
    /// The wall clock was set ahead: until then the gap to what was sent before is not over.
    pub gap_until: Option<Timestamp>,
    /// Where it stands in the agenda.
    pub wake: Option<Timestamp>,
    /// When a failed commit of a plan or an intent may be tried again.
    pub pause_until: Option<Timestamp>,
    /// Whether a low runway has been said since it was last long enough.
    pub low: bool,
}

/// The one thing an account does.
#[derive(Debug)]
pub(super) enum Work {
    Idle,
    /// Media are being read.
    Gathering {
        ticket: Ticket,
        beginning: Box<Beginning>,
    },
    /// The intent is on its way into the ledger.
    Intending {
        delivery: Box<Delivery>,
    },
    /// An attempt runs, or is being read back. `ticket` is that of the call under way.
    Delivering {
        delivery: Box<Delivery>,
        ticket: Option<Ticket>,
        keeping: bool,
    },
    /// An attempt in doubt that cannot be read back before the account's token is accepted again.
    Parked {
        delivery: Box<Delivery>,
    },
}

/// An attempt that is about to be made.
#[derive(Debug)]
pub(super) struct Beginning {
    /// `None` when the post is not in the queue (any more): then it is only looked for.
    pub post: Option<Arc<Post>>,
    pub content: Content,
    pub slot: Option<Timestamp>,
    pub fixed: bool,
    /// What earlier attempts have left.
    pub prior: Option<Box<Open>>,
    /// Found in `sending` at start: look for it first.
    pub found: bool,
}

impl Desk {
    pub fn new(setup: AccountSetup) -> Self {
        Self {
            lane: Lane::new(setup.schedule.clone(), setup.policy.clone()),
            setup,
            session: Session::default(),
            work: Work::Idle,
            planning: false,
            ending: false,
            rate_limited: None,
            probe: None,
            gap_until: None,
            wake: None,
            pause_until: None,
            low: false,
        }
    }

    /// The wall clock was set ahead by `step` to `now`. What is left of the gap, and of the time in which something may
    /// still arrive, has to pass all the same.
    pub fn clock_set_ahead(&mut self, latest: Option<&Sent>, step: Duration, now: Timestamp) {
        let before = time::before(now, step);
        let ends =
            latest.map(|sent| time::after(sent.from.max(sent.to.unwrap_or(sent.from)), self.setup.policy.min_gap));
        let ends = ends.max(self.gap_until).filter(|ends| *ends > before);
        self.gap_until = ends.map(|ends| time::after(ends, step));
        if let Work::Delivering { delivery, .. } | Work::Parked { delivery } = &mut self.work {
            delivery.clock_set_ahead(step);
        }
    }

    /// Whether something is under way that a stop should wait for.
    pub fn is_in_flight(&self) -> bool {
        match &self.work {
            Work::Idle | Work::Parked { .. } => false,
            Work::Gathering { .. } | Work::Intending { .. } => true,
            Work::Delivering { delivery, ticket, keeping } => {
                ticket.is_some() || *keeping || delivery.sleeps_until().is_none()
            }
        }
    }
}
