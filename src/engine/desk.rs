//! One account at work.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::deliver::{Delivery, Probe};
use crate::domain::{Content, Origin, PostId, Timestamp};
use crate::ledger::view::{Head, Open};
use crate::plan::Lane;
use crate::platform::contract::{Media, Session};
use crate::queue::Post;
use crate::queue::digest::Body;

use super::empties::Empties;
use super::ends::Said;
use super::patience::Patience;
use super::private::Handed;
use super::public::{Absent, Looking};
use super::spending::Purse;
use super::sweeps::Sweeps;
use super::{AccountSetup, Ticket, tokens};

/// One account at work: its plan, its session, and the one thing it does.
#[derive(Debug)]
pub(super) struct Desk {
    pub setup: AccountSetup,
    /// What it is to be once nothing is under way.
    pub later: Option<AccountSetup>,
    pub lane: Lane,
    pub session: Session,
    /// What its tokens are got by, and what those were got by with which the last call was made.
    pub origin: Origin,
    pub asked_by: Origin,
    /// Why its tokens cannot be opened.
    pub locked: Option<&'static str>,
    pub work: Work,
    /// Verdicts of the plan are on their way into the ledger.
    pub planning: bool,
    /// It is new, and what stands against some of its posts may be that there was no such account when they were read.
    /// Nothing is said of them, and nothing begun, before they have been read anew.
    pub unread: bool,
    /// Empty slots that are said together.
    pub empties: Empties,
    /// The end of an attempt that was owed is on its way into the ledger.
    pub ending: bool,
    /// The platform asked us to wait.
    pub rate_limited: Option<Timestamp>,
    /// When it first did, of waits that follow each other without a break.
    pub limited_since: Option<Timestamp>,
    pub probe: Option<(Ticket, Probe)>,
    /// A start or a reload has asked for it: the account is let in unless its token is refused.
    pub tries: bool,
    pub sweeps: Sweeps,
    /// Whether too many wait for an answer.
    pub unanswered: bool,
    /// When its token was last to be renewed although nothing was to be published.
    pub renewed: Option<Timestamp>,
    /// A person's tokens are on their way into the ledger: what was given meanwhile for those before.
    pub authorising: Option<Meanwhile>,
    pub purse: Purse,
    pub patience: Patience,
    /// What was said of things that end.
    pub ends_said: Said,
    /// Posts whose files are not where the platform is to fetch them.
    pub absent: Absent,
    /// What its deliveries have been handed out.
    pub handed: Handed,
    /// How often it was moved on.
    pub turns: u64,
    /// Where it stands in the agenda.
    pub wake: Option<Timestamp>,
    /// When a failed commit of a plan or an intent may be tried again.
    pub pause_until: Option<Timestamp>,
    /// The wall clock was set ahead, and the ledger does not know yet.
    pub clock_set: bool,
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
    /// It is looked whether the platform will find the media.
    Looking {
        ticket: Ticket,
        looking: Box<Looking>,
    },
    /// It is looked whether the signature that it was approved by still counts; or will be again at `again`, because it
    /// could not be told.
    Vouching {
        ticket: Ticket,
        beginning: Box<Beginning>,
        media: Vec<Media>,
        again: Option<Timestamp>,
    },
    /// The intent is on its way into the ledger.
    Intending {
        ticket: Ticket,
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

impl Work {
    /// Whether it waits for the intent with this ticket.
    pub(super) fn intends(&self, ticket: Ticket) -> bool {
        matches!(self, Self::Intending { ticket: waited, .. } if *waited == ticket)
    }
}

/// What an attempt and a probe were given while a person's tokens were on their way into the ledger. It counts for nothing
/// when those arrive there, and is all there is when they do not.
#[derive(Debug, Default)]
pub(super) struct Meanwhile {
    pub session: Option<Session>,
    pub probe: Option<Value>,
}

/// An attempt that is about to be made.
#[derive(Debug)]
pub(super) struct Beginning {
    /// `None` when the post is not in the queue (any more): then it is only looked for.
    pub post: Option<Arc<Post>>,
    /// The canonical JSON that is intended, and what the account would publish of it, but for the tags of its link.
    pub body: String,
    pub content: Content,
    pub slot: Option<Timestamp>,
    pub fixed: bool,
    /// What earlier attempts have left.
    pub prior: Option<Box<Open>>,
    /// Found in `sending` at start: look for it first.
    pub found: bool,
    /// When the attempt that was found began.
    pub begun: Option<Timestamp>,
    /// Who has approved it, where that was asked for again.
    pub by: Option<Arc<str>>,
    /// How often nobody could tell.
    pub unclear: u8,
}

impl Beginning {
    /// The first attempt at this content, of a post that need not be in the queue.
    pub fn of(body: String, content: Content, slot: Option<Timestamp>) -> Self {
        Self {
            post: None,
            body,
            content,
            slot,
            fixed: true,
            prior: None,
            found: false,
            begun: None,
            by: None,
            unclear: 0,
        }
    }
}

impl Desk {
    pub fn new(setup: AccountSetup, head: Option<&Head>) -> Self {
        let origin = tokens::origin(&setup);
        let mut desk = Self {
            lane: Lane::new(setup.schedule.clone(), setup.policy.clone()),
            setup,
            later: None,
            session: Session::default(),
            asked_by: origin.clone(),
            origin,
            locked: None,
            work: Work::Idle,
            planning: false,
            unread: false,
            empties: Empties::default(),
            ending: false,
            rate_limited: None,
            limited_since: None,
            probe: None,
            tries: false,
            sweeps: Sweeps::default(),
            unanswered: false,
            renewed: None,
            authorising: None,
            purse: Purse::default(),
            patience: Patience::default(),
            ends_said: Said::new(),
            absent: Absent::default(),
            handed: Handed::default(),
            turns: 0,
            wake: None,
            pause_until: None,
            clock_set: false,
            low: false,
        };
        desk.take_tokens(head);
        desk
    }

    /// The wall clock was set ahead by `step`: what may still arrive comes no sooner for that.
    pub fn clock_set_ahead(&mut self, step: Duration) {
        if let Work::Delivering { delivery, .. } | Work::Parked { delivery } = &mut self.work {
            delivery.clock_set_ahead(step);
        }
    }

    /// Whether this setup has other secrets, or is for another place: what was learned of the token counts no more.
    pub fn is_renewed_by(&self, setup: &AccountSetup) -> bool {
        let (origin, place) = (&self.origin, self.setup.adapter.place());
        tokens::origin(setup) != *origin || setup.adapter.place() != place
    }

    /// The account is this from now on.
    pub fn set_up(&mut self, setup: AccountSetup, head: Option<&Head>) {
        self.lane.set_rules(setup.schedule.clone(), setup.policy.clone());
        let origin = tokens::origin(&setup);
        if origin != self.origin || setup.adapter.place() != self.setup.adapter.place() {
            // Whoever is being asked about the token is not the one to show the new one to. Else the answer is waited
            // for: it may hold tokens that nobody is given twice.
            self.probe = None;
            let moved = setup.adapter.place() != self.setup.adapter.place();
            self.sweeps.begin_anew(moved);
        }
        self.setup = setup;
        self.patience = Patience::default();
        self.origin = origin;
        self.later = None;
        // Limits and tokens may be those of another server or secret now.
        self.session = Session::default();
        self.take_tokens(head);
    }

    /// Whether an attempt at this post is about to be made, and not on record yet.
    pub fn begins(&self, post: &PostId) -> bool {
        let chosen = |beginning: &Beginning| beginning.post.as_ref().is_some_and(|chosen| chosen.id == *post);
        match &self.work {
            Work::Gathering { beginning, .. } | Work::Vouching { beginning, .. } => chosen(beginning),
            Work::Looking { looking, .. } => chosen(&looking.beginning),
            Work::Intending { delivery, .. } => delivery.id().post == *post,
            Work::Idle | Work::Delivering { .. } | Work::Parked { .. } => false,
        }
    }

    /// The link of a post as this account publishes it, with tags, by the post's body; `None` where it goes out as it is.
    pub fn tagged_link(&self, body: &str) -> Option<String> {
        let AccountSetup { id, adapter, links, .. } = &self.setup;
        links.tag.then(|| Body::read(body).tagged_link(id, links, adapter.platform())).flatten()
    }

    /// Whether something is under way that a stop should wait for.
    pub fn is_in_flight(&self) -> bool {
        match &self.work {
            Work::Idle | Work::Parked { .. } => false,
            Work::Gathering { .. } | Work::Looking { .. } | Work::Vouching { .. } | Work::Intending { .. } => true,
            Work::Delivering { delivery, ticket, keeping } => {
                ticket.is_some() || *keeping || delivery.sleeps_until().is_none()
            }
        }
    }
}
