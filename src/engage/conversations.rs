//! Conversations: what hangs below one first message of somebody else, and whether they wait for an answer of ours.
//!
//! A conversation begins with a direct answer to a post of ours, or with a post that names us; what we say ourselves
//! without being asked begins none. It waits when a person has said something after our newest message in it, and nobody
//! here has settled that. Where in it we answer does not matter. Bots, and accounts of ours that are not the one spoken to,
//! are nobody: what only they have said is no conversation.
//!
//! Records come in one by one, in any order that messages are found in: a message may be told before what it answers, and
//! moves then. Memory stays bounded: of what is answered only the first message keeps its text, and 90 days after its last
//! message it is forgotten, or kept as a [`Past`] for those who look back. What waits is kept until it is answered.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use super::{Fact, Record};
use crate::domain::{AccountId, DeliveryId, Digest, Message, PersonId, Timestamp, time};

/// How long it is remembered what hangs below what, after the last message.
const KEPT: Duration = Duration::from_secs(90 * 86_400);
/// How often it is looked what can be forgotten.
const UPKEEP: Duration = Duration::from_secs(86_400);

/// One conversation in which a person has said something.
#[derive(Debug, Clone, PartialEq)]
pub struct Conversation {
    /// The account of ours that was spoken to.
    pub account: AccountId,
    /// The post of ours that it stands below; `None` for a mention.
    pub delivery: Option<DeliveryId>,
    /// The first message of a person.
    pub first: Message,
    /// The newest message of a person; its text only while it waits.
    pub latest: Message,
    /// Who has written the newest.
    pub person: PersonId,
    /// Since when somebody waits: the first message of a person that is not covered by an answer of ours or by a decision.
    pub since: Option<Timestamp>,
    /// When we have said something in it for the first time.
    pub answered: Option<Timestamp>,
    /// The messages that wait, oldest first, by [`Message::id`].
    pub waits: Vec<Arc<str>>,
}

/// What is left of a conversation that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    pub account: AccountId,
    pub delivery: Option<DeliveryId>,
    /// When a person said something first.
    pub opened: Timestamp,
    pub answered: Option<Timestamp>,
}

/// Folds records into conversations.
#[derive(Debug, Default)]
pub struct Conversations {
    desks: BTreeMap<AccountId, Desk>,
    bots: BTreeSet<PersonId>,
    ours: BTreeSet<PersonId>,
    /// Those that wait, oldest first.
    waiting: Line,
    past: Option<Vec<Past>>,
    /// When it was looked last what can be forgotten.
    kept_up: Option<Timestamp>,
}

/// Conversations that wait, by their first message, oldest first.
#[derive(Debug, Default)]
struct Line {
    all: BTreeSet<(Timestamp, AccountId, Arc<str>)>,
    /// The same, so that who asks about one account need not walk past all the others.
    of: BTreeMap<AccountId, BTreeSet<(Timestamp, Arc<str>)>>,
}

/// What was said to one account.
#[derive(Debug, Default)]
struct Desk {
    nodes: HashMap<Arc<str>, Node>,
    /// What answers what, also where the latter is not on record: it may be told later.
    below: HashMap<Arc<str>, Vec<Arc<str>>>,
    /// By the id of their topmost message of somebody else.
    threads: HashMap<Arc<str>, Thread>,
}

/// One message.
#[derive(Debug)]
struct Node {
    message: Message,
    delivery: Option<DeliveryId>,
    /// None for what we have said outside any conversation.
    thread: Option<Arc<str>>,
    /// It was taken back. What answers it still hangs below it.
    unsaid: bool,
}

/// All messages that hang below one.
#[derive(Debug, Default)]
struct Thread {
    ids: Vec<Arc<str>>,
    newest: Timestamp,
    /// Nothing up to here needs an answer any more.
    settled: Option<Timestamp>,
    /// `None` while no person has said anything.
    shown: Option<Conversation>,
}

impl Conversations {
    /// Keeps in few bytes what is over, for those who look back.
    pub fn with_past() -> Self {
        Self { past: Some(Vec::new()), ..Self::default() }
    }

    /// Names an account of ours. Before what it has said.
    pub fn ours(&mut self, person: PersonId) {
        self.ours.insert(person);
    }

    /// Takes the next record.
    pub fn apply(&mut self, record: &Record) {
        match &record.fact {
            Fact::Person(profile) => {
                let person = &profile.person;
                let changed = match profile.bot {
                    Some(_) => self.bots.insert(person.clone()),
                    None => self.bots.remove(person),
                };
                if changed {
                    self.look_again(&|message| message.by.as_ref() == Some(person));
                }
            }
            Fact::Said { account, delivery, message } => self.said(account, delivery.as_ref(), message),
            Fact::Unsaid { account, id } => self.unsaid(account, id),
            Fact::Settled { account, ids, .. } => self.settled(account, ids),
            Fact::Forgotten { person } => self.forgotten(*person),
            Fact::Sampled(_) | Fact::Heard { .. } => {}
        }
        self.keep_up(record.at);
    }

    /// Those in which somebody waits for us, oldest first; of one account, or of all.
    pub fn waiting(&self, account: Option<&AccountId>) -> impl Iterator<Item = &Conversation> {
        let one = account.and_then(|account| self.waiting.of.get_key_value(account));
        let one = one.into_iter().flat_map(|(whose, line)| line.iter().map(move |(_, root)| (whose, root)));
        let all = account.is_none().then_some(&self.waiting.all).into_iter().flatten();
        let line = one.chain(all.map(|(_, whose, root)| (whose, root)));
        line.filter_map(|(whose, root)| self.desks.get(whose)?.threads.get(root)?.shown.as_ref())
    }

    /// How many wait on all accounts.
    pub fn count(&self) -> usize {
        self.waiting.all.len()
    }

    /// Whether something that was said to an account is remembered here.
    pub fn knows(&self, account: &AccountId, id: &str) -> bool {
        self.desks.get(account).is_some_and(|desk| desk.nodes.contains_key(id))
    }

    /// The messages that wait in a conversation, oldest first.
    pub fn unanswered<'a>(&'a self, conversation: &'a Conversation) -> impl Iterator<Item = &'a Message> {
        let desk = self.desks.get(&conversation.account);
        conversation.waits.iter().filter_map(move |id| Some(&desk?.nodes.get(id)?.message))
    }

    /// All that is known, in no order: with what is over where that is kept.
    pub fn all(&self) -> impl Iterator<Item = Past> {
        let here = self.desks.values().flat_map(|desk| desk.threads.values());
        let here = here.filter_map(|thread| thread.shown.as_ref()).map(Conversation::over);
        here.chain(self.past.iter().flatten().cloned())
    }

    fn said(&mut self, account: &AccountId, delivery: Option<&DeliveryId>, message: &Message) {
        if !self.desks.contains_key(account) {
            self.desks.insert(account.clone(), Desk::default());
        }
        let Some(desk) = self.desks.get_mut(account) else { return };
        if let Some(known) = desk.nodes.get_mut(message.id.as_str()) {
            // Told again, as after an edit: its place is what it was.
            known.message = Message { parent: known.message.parent.take(), ..message.clone() };
            known.delivery = known.delivery.take().or_else(|| delivery.cloned());
            known.unsaid = false;
            if let Some(thread) = known.thread.clone() {
                self.refresh(account, &thread);
            }
            return;
        }
        let id: Arc<str> = message.id.as_str().into();
        if let Some(parent) = &message.parent {
            desk.below.entry(parent.as_str().into()).or_default().push(id.clone());
        }
        let mut node = Node { message: message.clone(), delivery: delivery.cloned(), thread: None, unsaid: false };
        if message.by.as_ref().is_none_or(|by| self.bots.contains(by)) {
            node.message.text = String::new();
        }
        desk.nodes.insert(id.clone(), node);
        for thread in desk.place(id.clone()) {
            self.refresh_with(account, &thread, &id);
        }
    }

    fn unsaid(&mut self, account: &AccountId, id: &str) {
        let Some(node) = self.desks.get_mut(account).and_then(|desk| desk.nodes.get_mut(id)) else { return };
        node.unsaid = true;
        node.message.text.clear();
        if let Some(thread) = node.thread.clone() {
            self.refresh(account, &thread);
        }
    }

    /// Settling a message settles what was said in its conversation before it.
    fn settled(&mut self, account: &AccountId, ids: &[String]) {
        for id in ids {
            let Some(desk) = self.desks.get_mut(account) else { return };
            let Some(node) = desk.nodes.get(id.as_str()) else { continue };
            let Some(root) = node.thread.clone() else { continue };
            if let Some(thread) = desk.threads.get_mut(&root) {
                thread.settled = thread.settled.max(Some(node.message.at));
            }
            self.refresh(account, &root);
        }
    }

    fn forgotten(&mut self, person: Digest) {
        let is_theirs =
            |message: &Message| message.by.as_ref().is_some_and(|by| Digest::of(by.as_str().as_bytes()) == person);
        for node in self.desks.values_mut().flat_map(|desk| desk.nodes.values_mut()) {
            if is_theirs(&node.message) {
                node.unsaid = true;
                node.message.text.clear();
            }
        }
        self.look_again(&is_theirs);
    }

    /// Decides anew about all in which a message that is looked for was said.
    fn look_again(&mut self, which: &dyn Fn(&Message) -> bool) {
        let mut touched = BTreeSet::new();
        for (account, desk) in &self.desks {
            let hits = desk.nodes.values().filter(|node| which(&node.message));
            touched.extend(hits.filter_map(|node| Some((account.clone(), node.thread.clone()?))));
        }
        for (account, thread) in touched {
            self.refresh(&account, &thread);
        }
    }

    /// One message more: only looked at where it is the newest.
    fn refresh_with(&mut self, account: &AccountId, root: &Arc<str>, id: &Arc<str>) {
        let Self { desks, waiting, bots, ours, .. } = self;
        let Some(desk) = desks.get_mut(account) else { return };
        let Some(thread) = desk.threads.get_mut(root) else { return self.refresh(account, root) };
        let Some(node) = desk.nodes.get(id).filter(|node| thread.ids.last() == Some(id) && !node.unsaid) else {
            return self.refresh(account, root);
        };
        if thread.ids.len() > 1 && node.message.at < thread.newest {
            return self.refresh(account, root);
        }
        thread.newest = node.message.at;
        if node.message.by.as_ref().is_some_and(|by| bots.contains(by) || ours.contains(by)) {
            return;
        }
        let before = thread.shown.as_ref().and_then(|shown| shown.since);
        let covered = thread.take(account, id, node);
        desk.strip(&covered);
        waiting.mark(account, root, before, desk.since(root));
    }

    /// Decides anew about a conversation.
    fn refresh(&mut self, account: &AccountId, root: &Arc<str>) {
        let Self { desks, waiting, bots, ours, .. } = self;
        let Some(desk) = desks.get_mut(account) else { return };
        let Some(thread) = desk.threads.get_mut(root) else { return };
        let shown = thread.shown.take();
        let before = shown.as_ref().and_then(|shown| shown.since);
        // Its text may be needed again, and is kept nowhere else.
        let first = shown.map(|shown| shown.first);
        let mut told: Vec<_> = thread.ids.iter().filter_map(|id| Some((id.clone(), desk.nodes.get(id)?))).collect();
        told.sort_by_key(|(_, node)| node.message.at);
        thread.newest = told.last().map_or(Timestamp::MIN, |(_, node)| node.message.at);
        let nobody = |by: &PersonId| bots.contains(by) || ours.contains(by);
        let mut covered = Vec::new();
        for (id, node) in told {
            if !node.unsaid && !node.message.by.as_ref().is_some_and(nobody) {
                covered.extend(thread.take(account, &id, node));
            }
        }
        if let (Some(shown), Some(first)) = (&mut thread.shown, first)
            && shown.first.id == first.id
            && shown.first.text.is_empty()
        {
            shown.first.text = first.text;
        }
        if thread.ids.is_empty() {
            desk.threads.remove(root);
        }
        desk.strip(&covered);
        waiting.mark(account, root, before, desk.since(root));
    }

    /// Forgets what is over and long ago.
    fn keep_up(&mut self, now: Timestamp) {
        let last = *self.kept_up.get_or_insert(now);
        if time::since(now, last) < UPKEEP {
            return;
        }
        self.kept_up = Some(now);
        let limit = time::before(now, KEPT);
        for desk in self.desks.values_mut() {
            let Desk { nodes, below, threads } = desk;
            threads.retain(|_, thread| {
                let waits = thread.shown.as_ref().is_some_and(|shown| shown.since.is_some());
                let keep = waits || thread.newest >= limit;
                if let (false, Some(past), Some(shown)) = (keep, &mut self.past, &thread.shown) {
                    past.push(shown.over());
                }
                keep
            });
            let before = nodes.len();
            nodes.retain(|_, node| match &node.thread {
                Some(thread) => threads.contains_key(thread),
                None => node.message.at >= limit,
            });
            if nodes.len() < before {
                below.values_mut().for_each(|ids| ids.retain(|id| nodes.contains_key(id)));
                below.retain(|_, ids| !ids.is_empty());
            }
        }
        self.desks.retain(|_, desk| !desk.nodes.is_empty());
    }
}

impl Line {
    /// Keeps the order of those that wait.
    fn mark(&mut self, account: &AccountId, root: &Arc<str>, before: Option<Timestamp>, after: Option<Timestamp>) {
        if before == after {
            return;
        }
        let of = self.of.entry(account.clone()).or_default();
        if let Some(since) = before {
            self.all.remove(&(since, account.clone(), root.clone()));
            of.remove(&(since, root.clone()));
        }
        if let Some(since) = after {
            self.all.insert((since, account.clone(), root.clone()));
            of.insert((since, root.clone()));
        }
        if of.is_empty() {
            self.of.remove(account);
        }
    }
}

impl Desk {
    fn since(&self, root: &Arc<str>) -> Option<Timestamp> {
        self.threads.get(root)?.shown.as_ref()?.since
    }

    /// Texts are kept of what waits.
    fn strip(&mut self, ids: &[Arc<str>]) {
        for id in ids {
            if let Some(node) = self.nodes.get_mut(id) {
                node.message.text = String::new();
            }
        }
    }

    /// Puts a message into its conversation, and with it all that hangs below it. Gives the conversations that have changed.
    fn place(&mut self, id: Arc<str>) -> BTreeSet<Arc<str>> {
        let mut changed = BTreeSet::new();
        let mut todo = vec![id];
        while let Some(id) = todo.pop() {
            let Some(node) = self.nodes.get(&id) else { continue };
            let above = node.message.parent.as_ref().and_then(|parent| self.nodes.get(parent.as_str())?.thread.clone());
            let thread = above.or_else(|| node.message.by.is_some().then(|| id.clone()));
            // Who answers in a circle comes to rest here.
            if thread == node.thread {
                // What is below may hang on something that had no conversation either; that has not changed.
                continue;
            }
            let before = mem::replace(&mut self.nodes.get_mut(&id).expect("it was just there").thread, thread.clone());
            if let Some(before) = before
                && let Some(old) = self.threads.get_mut(&before)
            {
                old.ids.retain(|other| *other != id);
                changed.insert(before);
            }
            if let Some(thread) = thread {
                self.threads.entry(thread.clone()).or_default().ids.push(id.clone());
                changed.insert(thread);
            }
            todo.extend(self.below.get(&id).into_iter().flatten().cloned());
        }
        changed
    }
}

impl Thread {
    /// Takes a message of ours or of a person, the newest up to now; gives those that wait no more, and keep no text.
    fn take(&mut self, account: &AccountId, id: &Arc<str>, node: &Node) -> Vec<Arc<str>> {
        let Node { message, delivery, .. } = node;
        let Some(by) = &message.by else {
            let Some(shown) = &mut self.shown else { return Vec::new() };
            shown.answered.get_or_insert(message.at);
            shown.since = None;
            shown.latest.text = String::new();
            return mem::take(&mut shown.waits);
        };
        let shown = self.shown.get_or_insert_with(|| Conversation {
            account: account.clone(),
            delivery: delivery.clone(),
            first: message.clone(),
            latest: message.clone(),
            person: by.clone(),
            since: None,
            answered: None,
            waits: Vec::new(),
        });
        (shown.latest, shown.person) = (message.clone(), by.clone());
        shown.delivery = shown.delivery.take().or_else(|| delivery.clone());
        if self.settled.is_some_and(|settled| message.at <= settled) {
            shown.latest.text = String::new();
            return vec![id.clone()];
        }
        shown.since.get_or_insert(message.at);
        shown.waits.push(id.clone());
        Vec::new()
    }
}

impl Conversation {
    fn over(&self) -> Past {
        let (account, delivery) = (self.account.clone(), self.delivery.clone());
        Past { account, delivery, opened: self.first.at, answered: self.answered }
    }
}

#[cfg(test)]
mod tests;
