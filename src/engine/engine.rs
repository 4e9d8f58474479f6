//! The state of the daemon, and what happens to it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::domain::policy::ApprovalMode;
use crate::domain::{AccountId, DeliveryId, PostId, Timestamp};
use crate::engage::{self, Watch};
use crate::ledger::View;
use crate::ledger::store::CommitError;
use crate::ledger::view::Entry;
use crate::queue::{Post, Posts, Queue};
use crate::telemetry::events::Event as LogEvent;

use super::anew::Anew;
use super::commits::Commits;
use super::desk::Desk;
use super::gains::Gains;
use super::leaving::Leaving;
use super::spray::Spoken;
use super::{AccountSetup, Chore, Command, Event, Ticket};

/// Whether attempts are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Publish,
    /// Everything but attempts: what would be sent is only said.
    DryRun,
    /// Nothing at all: somebody only wants to know where things stand.
    Look,
}

/// The core. See the module for what it promises.
#[derive(Debug)]
pub struct Engine {
    pub(super) seed: u64,
    pub(super) mode: Mode,
    /// What counts as an approval now.
    pub(super) approvals: ApprovalMode,
    /// What counted when the queue was read.
    pub(super) read_with: ApprovalMode,
    /// Files that were read with something else and have not been heard of since.
    pub(super) unheard: BTreeSet<Arc<str>>,
    /// Since when it is being read by what counts now.
    pub(super) anew: Option<Anew>,
    pub(super) view: View,
    pub(super) queue: Queue,
    pub(super) posts: Posts,
    pub(super) leaving: Leaving,
    pub(super) desks: BTreeMap<AccountId, Desk>,
    pub(super) commands: VecDeque<Command>,
    pub(super) agenda: BTreeSet<(Timestamp, AccountId)>,
    /// When missing files are looked for again.
    pub(super) looks: BTreeSet<(Timestamp, AccountId)>,
    pub(super) folder: Folder,
    /// Why nothing is known of it, where it is lost.
    pub(super) lost: String,
    /// Whether it has been read through once: before, nobody knows what is still wanted.
    pub(super) was_read: bool,
    pub(super) clock_behind: bool,
    pub(super) full: bool,
    pub(super) stopping: bool,
    /// Whether everything was recorded once since the start; before, nothing is begun.
    pub(super) ready: bool,
    /// The last `now`.
    pub(super) now: Timestamp,
    /// Accounts whose stop is on its way into the ledger.
    pub(super) stops: BTreeSet<AccountId>,
    /// Accounts that are let in although nobody knows whether their token is accepted.
    pub(super) untested: BTreeSet<AccountId>,
    /// Accounts whose new tokens are. Nothing is asked with them before.
    pub(super) keeps: BTreeSet<AccountId>,
    /// Queue files that cannot be used, and the first thing that is wrong with each.
    pub(super) broken: BTreeMap<Arc<str>, String>,
    pub(super) commits: Commits,
    /// Deliveries on which a decision is on its way into the ledger.
    pub(super) resolving: BTreeSet<DeliveryId>,
    /// What is known of people; `None` where nothing is recorded about them.
    pub(super) watch: Option<Watch>,
    /// What a person has said about people, on its way into the record.
    pub(super) settling: Vec<(Ticket, Vec<engage::Record>)>,
    /// What sweeps have found, on its way into the record.
    pub(super) remembering: BTreeMap<Ticket, Vec<engage::Record>>,
    /// A sweep has ended: another account may be looked at.
    pub(super) sweep_ended: bool,
    pub(super) resolved: Vec<(Ticket, Result<(), CommitError>)>,
    pub(super) gains: Gains,
    /// What was said lately; looked up when it is first asked for.
    pub(super) spoken: Option<Spoken>,
    /// Whose call a ticket is.
    pub(super) callers: BTreeMap<Ticket, AccountId>,
    pub(super) next_ticket: u64,
}

/// What is known of the queue folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Folder {
    /// It is being read for the first time.
    Reading,
    Known,
    /// It was read when something else counted as an approval.
    Outdated,
    Lost,
}

impl Engine {
    /// An engine that knows what `view` says. Nothing is sent before the accounts are configured and the queue folder
    /// has been read once.
    pub fn new(seed: u64, view: View, mode: Mode) -> Self {
        Self {
            seed,
            mode,
            approvals: ApprovalMode::Digest,
            read_with: ApprovalMode::Digest,
            unheard: BTreeSet::new(),
            anew: None,
            view,
            queue: Queue::default(),
            posts: Posts::default(),
            leaving: Leaving::default(),
            desks: BTreeMap::new(),
            commands: VecDeque::new(),
            agenda: BTreeSet::new(),
            looks: BTreeSet::new(),
            folder: Folder::Reading,
            lost: String::new(),
            was_read: false,
            clock_behind: false,
            full: false,
            stopping: false,
            ready: false,
            now: Timestamp::MIN,
            stops: BTreeSet::new(),
            untested: BTreeSet::new(),
            keeps: BTreeSet::new(),
            broken: BTreeMap::new(),
            commits: Commits::default(),
            resolving: BTreeSet::new(),
            watch: None,
            settling: Vec::new(),
            remembering: BTreeMap::new(),
            sweep_ended: false,
            resolved: Vec::new(),
            gains: Gains::default(),
            spoken: None,
            callers: BTreeMap::new(),
            next_ticket: 0,
        }
    }

    pub fn view(&self) -> &View {
        &self.view
    }

    /// The post in force under this id.
    pub fn post(&self, id: &PostId) -> Option<&Arc<Post>> {
        self.posts.get(id)
    }

    /// Queue files that cannot be used, each with the place of the first thing that is wrong.
    pub(super) fn broken_files(&self) -> impl Iterator<Item = &String> {
        self.broken.values()
    }

    pub fn posts(&self) -> impl Iterator<Item = &Arc<Post>> {
        self.posts.iter()
    }

    pub fn accounts(&self) -> impl Iterator<Item = &AccountSetup> {
        self.desks.values().map(|desk| &desk.setup)
    }

    /// Takes what happened. Afterwards [`Engine::next_command`] is to be asked until it gives nothing.
    pub fn handle(&mut self, event: Event, now: Timestamp) {
        self.now = now;
        let clock_turned = self.watch_clock(now);
        match event {
            Event::Tick => {}
            Event::Inbox(inbox) => self.inbox(inbox, now),
            Event::Committed { ticket, result } => self.committed(ticket, result, now),
            Event::Replied { ticket, result } => self.replied(ticket, result, now),
            Event::Gathered { ticket, result } => self.gathered(ticket, result, now),
            Event::Vouched { ticket, result } => self.vouched(ticket, result, now),
            Event::Remembered { ticket, result } => self.remembered(ticket, result, now),
            Event::Trimmed(retention) => {
                if let Some(watch) = &mut self.watch {
                    watch.trim(retention, now);
                }
                self.watch_the_waiting(now);
            }
            Event::Room => self.room(now),
            Event::Chore(Chore::Runway) => {
                self.look_at_runways(now);
                self.reconsider_objections(now);
                self.let_go(now);
            }
            Event::Chore(Chore::Accounts) => {
                self.probe_accounts(now);
                self.announce_ends(now);
            }
            Event::Chore(Chore::Sweep) => {
                self.sweep_accounts(now);
                self.watch_the_waiting(now);
            }
            Event::ClockJumped { seconds } => self.clock_jumped(seconds, now),
            Event::ClockConfirmed { by } => self.clock_confirmed(by, now),
            Event::Approvals(mode) => self.approve_by(mode, now),
            Event::Configured(accounts) => self.configured(accounts, now),
            Event::Stop => {
                self.stopping = true;
                self.wait_for_no_word(now);
                self.say_all_held_back(now);
            }
        }
        if clock_turned {
            self.advance_all(now);
        }
        self.sweep_on_others(now);
        self.hand_in_again(now);
        self.follow_agenda(now);
        self.follow_looks(now);
        self.say_whether_slow(now);
        if !self.ready && self.is_ready() {
            self.ready = true;
            self.advance_all(now);
        }
    }

    /// The next thing to do.
    pub fn next_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// When to send [`Event::Tick`] at the latest.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let agenda = self.agenda.first().map(|(at, _)| *at);
        let again = self.commits.next();
        let looks = self.looks.first().map(|(at, _)| *at);
        [agenda, again, looks, self.is_slow_at()].into_iter().flatten().min()
    }

    pub(super) fn log(&mut self, event: LogEvent) {
        self.commands.push_back(Command::Log(event));
    }

    pub(super) fn ticket(&mut self) -> Ticket {
        self.next_ticket += 1;
        Ticket(self.next_ticket)
    }

    /// The account whose call, or whose media, a ticket stands for.
    pub(super) fn caller(&mut self, ticket: Ticket) -> Option<AccountId> {
        self.callers.remove(&ticket)
    }

    pub(super) fn entry(&self, delivery: &DeliveryId) -> Option<&Entry> {
        self.view.entry(delivery)
    }

    fn follow_agenda(&mut self, now: Timestamp) {
        while let Some((at, account)) = self.agenda.first().cloned() {
            if at > now {
                break;
            }
            self.agenda.remove(&(at, account.clone()));
            if let Some(desk) = self.desks.get_mut(&account) {
                desk.wake = None;
            }
            self.advance(&account, now);
        }
    }

    pub(super) fn advance_all(&mut self, now: Timestamp) {
        let accounts: Vec<AccountId> = self.desks.keys().cloned().collect();
        for account in accounts {
            self.advance(&account, now);
        }
    }
}
