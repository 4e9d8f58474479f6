//! Watches the daemon from outside: what it was told, what it has recorded, and what it says of it.
//!
//! It has no engine to look into. It folds the acknowledged records itself, keeps the queue as it was told, and compares
//! both with the log, with the answers to commands and with what is asked of the world.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use cadenced::control::protocol::{Answer, PlanReport, Stage, StatusReport};
use cadenced::domain::{AccountId, DeliveryId, PostId, State, Timestamp, time};
use cadenced::ledger::record::{Fact, Outcome};
use cadenced::ledger::{Record, View};
use cadenced::queue::{Approval, Post};
use cadenced::telemetry::events::{Event as LogEvent, Level};

use crate::simulated::oracle::{Known, read_marker};

/// What is refused by the disk is handed in again, and a full disk is asked again, within this time.
const HANDED_IN_AGAIN: Duration = Duration::from_secs(30);

/// Errors that come of the platforms' faults.
const EXPECTED: [&str; 3] = ["delivery.refused", "delivery.uncertain", "account.auth_lost"];

/// What is known of an account's place in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub configured: bool,
    pub paused: bool,
}

pub struct Watch {
    /// The fold of what the daemon was told is durable.
    pub view: View,
    /// The posts of each file as the daemon was told of them last.
    told: BTreeMap<Arc<str>, Vec<Post>>,
    posts: BTreeMap<PostId, Post>,
    /// Queue or accounts are not what they were when somebody asked last.
    changed: bool,
    /// What was in force until this moment: the daemon may have decided before it heard.
    before: Before,
    standing: BTreeMap<AccountId, Standing>,
    folder: Folder,
    stopping: bool,
    /// Batches, calls and readings of media that are under way.
    pub under_way: usize,
    refused_at: Option<Timestamp>,
    full: bool,
    /// `delivery.*` events that must come next.
    announced: VecDeque<(&'static str, DeliveryId)>,
    errors: BTreeSet<&'static str>,
    quiet: bool,
}

#[derive(Debug, Default)]
struct Before {
    posts: Vec<Post>,
    standing: Option<BTreeMap<AccountId, Standing>>,
    folder: Option<Folder>,
    begun_to_stop: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Folder {
    Reading,
    Known,
    Lost,
}

impl Known for Watch {
    fn view(&self) -> &View {
        &self.view
    }

    fn post(&self, id: &PostId) -> Option<&Post> {
        self.posts.get(id)
    }

    fn posts(&self) -> impl Iterator<Item = &Post> {
        self.posts.values()
    }

    fn accounts(&self) -> impl Iterator<Item = &AccountId> {
        self.standing.iter().filter(|(_, standing)| standing.configured).map(|(account, _)| account)
    }

    fn is_recorded(&self) -> bool {
        self.quiet && self.under_way == 0 && self.folder != Folder::Reading && !self.full
    }
}

impl Watch {
    pub fn new() -> Self {
        Self {
            view: View::default(),
            told: BTreeMap::new(),
            posts: BTreeMap::new(),
            changed: false,
            before: Before::default(),
            standing: BTreeMap::new(),
            folder: Folder::Reading,
            stopping: false,
            under_way: 0,
            refused_at: None,
            full: false,
            announced: VecDeque::new(),
            errors: EXPECTED.into(),
            quiet: false,
        }
    }

    /// An ERROR of this name may come.
    pub fn expects(&mut self, event: &'static str) {
        self.errors.insert(event);
    }

    /// A daemon starts over this ledger.
    pub fn starts(&mut self, view: View) {
        self.view = view;
        self.told.clear();
        self.posts.clear();
        self.before = Before::default();
        self.folder = Folder::Reading;
        self.stopping = false;
        self.under_way = 0;
        self.refused_at = None;
        self.full = false;
        self.announced.clear();
    }

    pub fn configured(&mut self, standing: BTreeMap<AccountId, Standing>) {
        self.changed = true;
        let before = std::mem::replace(&mut self.standing, standing);
        self.before.standing.get_or_insert(before);
    }

    /// The daemon is told what a file holds.
    pub fn file(&mut self, file: Arc<str>, posts: Vec<Post>) {
        let old = self.told.insert(file, posts);
        self.before.posts.extend(old.into_iter().flatten());
        self.gather();
    }

    pub fn gone(&mut self, file: &Arc<str>) {
        let old = self.told.remove(file);
        self.before.posts.extend(old.into_iter().flatten());
        self.gather();
    }

    pub fn lost(&mut self) {
        self.before.folder.get_or_insert(self.folder);
        self.folder = Folder::Lost;
    }

    pub fn complete(&mut self) {
        self.before.folder.get_or_insert(self.folder);
        self.folder = Folder::Known;
    }

    pub fn stops(&mut self) {
        self.before.begun_to_stop = !self.stopping;
        self.stopping = true;
    }

    /// Whether queue or accounts have changed since this was asked last.
    pub fn has_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    fn gather(&mut self) {
        self.changed = true;
        self.posts = self.told.values().flatten().map(|post| (post.id.clone(), post.clone())).collect();
    }

    /// The daemon hands in a batch: no intent of it may be one that must not be.
    pub fn intends(&self, records: &[Record]) -> Result<(), String> {
        for record in records {
            let Fact::Intent(intent) = &record.fact else { continue };
            let delivery = &intent.delivery;
            let fits = |post: &Post| {
                post.id == delivery.post
                    && post.approval == Approval::Approved
                    && post.digest == intent.digest
                    && post.to.contains(&delivery.account)
            };
            if !self.posts.get(&delivery.post).into_iter().chain(&self.before.posts).any(fits) {
                return Err(format!("I1: {delivery} is attempted, but not approved"));
            }
            let works = |standing: &BTreeMap<AccountId, Standing>| {
                standing.get(&delivery.account).is_some_and(|standing| standing.configured && !standing.paused)
            };
            if !works(&self.standing) && !self.before.standing.as_ref().is_some_and(works) {
                return Err(format!("{delivery} is begun on an account that is paused or not configured"));
            }
            if self.folder == Folder::Reading {
                return Err(format!("{delivery} is begun before the queue has been read"));
            }
            if self.folder == Folder::Lost && self.before.folder != Some(Folder::Known) {
                return Err(format!("{delivery} is begun while the queue folder cannot be read"));
            }
            if self.stopping && !self.before.begun_to_stop {
                return Err(format!("{delivery} is begun although the daemon was told to stop"));
            }
        }
        Ok(())
    }

    /// A request leaves: what it would show must be what is approved now.
    pub fn sends(&self, body: &str) -> Result<(), String> {
        let Some((post, version, _)) = read_marker(body) else { return Ok(()) };
        let mark = format!(" v{version} ");
        let fits =
            |held: &Post| held.id == post && held.approval == Approval::Approved && held.body.read().contains(&mark);
        if self.posts.get(&post).into_iter().chain(&self.before.posts).any(fits) {
            return Ok(());
        }
        Err(format!("I1: version {version} of {post} is sent, which is not approved now"))
    }

    /// The daemon is told that a batch is durable: it must say so, once for each record, in this order.
    pub fn acknowledged(&mut self, records: &[Record]) {
        for record in records {
            if self.view.takes(record) {
                let delivery = record.fact.delivery();
                let owed = delivery.and_then(|delivery| self.view.entry(delivery));
                let owed = owed.is_some_and(|entry| matches!(entry.state, State::Retrying { .. }));
                let event = match announces(&record.fact) {
                    Some("delivery.scheduled") if owed && matches!(record.fact, Fact::Planned { .. }) => {
                        Some("delivery.retrying")
                    }
                    event => event,
                };
                self.announced.extend(event.zip(delivery.cloned()));
            }
            self.view.apply(record);
        }
    }

    pub fn refused(&mut self, now: Timestamp) {
        self.refused_at = Some(now);
    }

    /// The daemon says something.
    pub fn logs(&mut self, event: &LogEvent) -> Result<(), String> {
        match event.name() {
            "store.full" => self.full = true,
            "store.room" => self.full = false,
            _ => {}
        }
        if event.level() == Level::Error && !self.errors.contains(event.name()) {
            return Err(format!("unexpected error event: {event:?}"));
        }
        if !event.name().starts_with("delivery.") || event.name() == "delivery.reconciled" {
            return Ok(());
        }
        let said = serde_json::to_value(event).map_err(|error| error.to_string())?;
        let next = self.announced.pop_front();
        match &next {
            Some((name, delivery)) if *name == event.name() && said["delivery"] == delivery.to_string() => Ok(()),
            _ => Err(format!("I3: the log says {event:?}, and next on record was {next:?}")),
        }
    }

    /// The daemon waits: it has taken everything that it was told.
    pub fn waits(&mut self, now: Timestamp) -> Result<(), String> {
        self.before = Before::default();
        if self.refused_at.is_some_and(|at| time::since(now, at) > HANDED_IN_AGAIN) {
            self.refused_at = None;
        }
        self.quiet = self.refused_at.is_none();
        match self.announced.front() {
            Some((name, delivery)) => Err(format!("I3: {delivery} has changed durably, and no {name} was logged")),
            None => Ok(()),
        }
    }

    /// Whether nothing is left that would go on by itself.
    pub fn is_settled(&self) -> bool {
        let open = |entry: &cadenced::ledger::view::Entry| {
            matches!(entry.state, State::Sending { .. } | State::Retrying { .. } | State::Scheduled)
        };
        self.is_recorded()
            && self.folder == Folder::Known
            && self.view.accounts().all(|(_, account)| {
                account.head.stopped.is_none() && account.deliveries().all(|(_, entry)| !open(entry))
            })
    }

    /// What is not over yet, for a message.
    pub fn unsettled(&self) -> String {
        let mut open = Vec::new();
        for (id, account) in self.view.accounts() {
            for (post, entry) in account.deliveries() {
                if entry.state.is_open() || entry.state == State::Scheduled {
                    open.push(format!("{post}@{id} {}", entry.state.name()));
                }
            }
        }
        format!("{open:?}, {} under way, folder {:?}", self.under_way, self.folder)
    }

    /// The loop ended by itself because nothing was left to do.
    pub fn is_idle(&self) -> Result<(), String> {
        for (id, account) in self.view.accounts() {
            let Some(standing) = self.standing.get(id) else { continue };
            if !standing.configured || standing.paused || account.head.stopped.is_some() {
                continue;
            }
            for (post, entry) in account.deliveries() {
                if entry.state.is_open() || entry.state == State::Scheduled {
                    return Err(format!("idle, but {post}@{id} is {}", entry.state.name()));
                }
            }
        }
        Ok(())
    }

    pub fn answered(&self, answer: &Answer, now: Timestamp, until: Timestamp) -> Result<(), String> {
        match answer {
            Answer::Status(report) => self.status(report),
            Answer::Plan(lines) => plan(lines, now, until),
            Answer::Pong(_) | Answer::Error(_) => Ok(()),
            other => Err(format!("another answer than was asked for: {other:?}")),
        }
    }

    /// What `status` tells is what is on record, of every delivery that there is.
    fn status(&self, report: &StatusReport) -> Result<(), String> {
        let told: BTreeMap<&DeliveryId, Stage> =
            report.deliveries.iter().map(|line| (&line.delivery, line.state)).collect();
        if told.len() != report.deliveries.len() {
            return Err("status: a delivery is listed twice".into());
        }
        let mut known = 0;
        for (id, account) in self.view.accounts() {
            for (post, entry) in account.deliveries() {
                known += 1;
                let delivery = DeliveryId::new(post.clone(), id.clone());
                let Some(stage) = told.get(&delivery) else {
                    return Err(format!("status: {delivery} is missing"));
                };
                let waits = matches!(entry.state, State::Scheduled | State::Retrying { .. });
                if *stage != Stage::from(&entry.state) && !(waits && *stage == Stage::Held) {
                    return Err(format!("status: {delivery} is {}, told as {}", entry.state.name(), stage.name()));
                }
            }
        }
        let new = |delivery: &&DeliveryId| self.view.entry(delivery).is_none();
        let strange = |delivery: &DeliveryId| {
            self.posts.get(&delivery.post).is_none_or(|post| !post.to.contains(&delivery.account))
        };
        if told.len() != known && told.keys().copied().filter(new).any(strange) {
            return Err("status: a delivery of nothing".into());
        }
        Ok(())
    }
}

/// By time, within what was asked for, each delivery once.
fn plan(lines: &PlanReport, now: Timestamp, until: Timestamp) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    let mut last = now;
    for line in lines {
        if let Some(at) = line.at {
            if at < last || at > until && line.state.name() != "sending" {
                return Err(format!("plan: {line:?} is out of its place between {last} and {until}"));
            }
            last = at;
        }
        if let Some(delivery) = &line.delivery
            && !seen.insert(delivery.clone())
        {
            let both: Vec<_> = lines.iter().filter(|line| line.delivery.as_ref() == Some(delivery)).collect();
            return Err(format!("plan: {delivery} stands there twice: {both:?}"));
        }
    }
    Ok(())
}

/// The event by which a record is announced, if it is one of a delivery.
fn announces(fact: &Fact) -> Option<&'static str> {
    Some(match fact {
        Fact::Planned { held: None, .. } => "delivery.scheduled",
        Fact::Planned { .. } => "delivery.held",
        Fact::Intent(_) => "delivery.sending",
        Fact::Checkpoint { .. } => "delivery.checkpoint",
        Fact::Outcome { outcome, .. } => match outcome {
            Outcome::Delivered { .. } => "delivery.delivered",
            Outcome::Retry { .. } | Outcome::RateLimited { .. } => "delivery.retrying",
            Outcome::Auth { .. } => "delivery.held",
            Outcome::Refused { .. } => "delivery.refused",
            Outcome::Ambiguous { .. } => "delivery.ambiguous",
            Outcome::Uncertain { .. } => "delivery.uncertain",
            Outcome::Abandoned { .. } => "delivery.scheduled",
        },
        Fact::Missed { .. } => "delivery.missed",
        Fact::Expired { .. } => "delivery.expired",
        Fact::Withdrawn { .. } => "delivery.withdrawn",
        Fact::Resolved { .. } => "delivery.resolved",
        _ => return None,
    })
}
