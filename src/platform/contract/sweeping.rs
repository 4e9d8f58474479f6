//! What sweepers have in common: the order of their questions, and what is gathered of a post until it can be told.
//!
//! A sweeper says what each question is as a request and what the answer means; the rest is here. Most things that go
//! wrong cost one list only: the others of the post, and the other posts, are told all the same.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Debug;

use super::Call;
use super::sweep::{Act, Finding, Found, Hindrance, Seek, Watched};
use crate::domain::{Interaction, Message, PersonId, Profile, Timestamp};

/// Most pages of one list. A longer one is not told in full, and so not at all.
pub const PAGES: u32 = 40;

/// So many failures in a row end a sweep: whoever fails three times is asked later.
const FAILURES: u32 = 3;

/// What is still to be asked, what was found, and why it ends.
#[derive(Debug)]
pub struct Agenda<Q> {
    todo: VecDeque<Q>,
    asked: Option<Q>,
    found: VecDeque<Found>,
    stopped: Option<Hindrance>,
    /// What a part of it was refused for; told at the end.
    refused: Option<Hindrance>,
    /// Nothing more is asked, but what was asked already is told.
    spent: Option<Hindrance>,
    failures: u32,
}

/// What an agenda says.
#[derive(Debug)]
pub enum Turn<Q> {
    Seek(Seek),
    /// The question whose turn it is.
    Try(Q),
}

impl<Q: Debug> Agenda<Q> {
    pub fn new(todo: impl IntoIterator<Item = Q>) -> Self {
        Self {
            todo: todo.into_iter().collect(),
            asked: None,
            found: VecDeque::new(),
            stopped: None,
            refused: None,
            spent: None,
            failures: 0,
        }
    }

    /// Nothing can be asked at all.
    pub fn stopped(why: Hindrance) -> Self {
        Self { stopped: Some(why), ..Self::new([]) }
    }

    pub fn turn(&mut self) -> Turn<Q> {
        if let Some(found) = self.found.pop_front() {
            return Turn::Seek(Seek::Found(found));
        }
        if let Some(why) = &self.stopped {
            return Turn::Seek(Seek::Stopped(why.clone()));
        }
        match self.todo.pop_front() {
            Some(question) => Turn::Try(question),
            None => Turn::Seek(self.refused.clone().map_or(Seek::Over, Seek::Stopped)),
        }
    }

    /// Asks, or stops where nothing more may be asked.
    pub fn ask(&mut self, question: Q, call: impl Into<Call>) -> Seek {
        if let Some(why) = self.spent.take() {
            self.stopped = Some(why.clone());
            return Seek::Stopped(why);
        }
        self.asked = Some(question);
        Seek::Ask(call.into())
    }

    /// These are not to be asked, or settled, any more.
    pub fn drop_where(&mut self, unwanted: impl Fn(&Q) -> bool) {
        self.todo.retain(|question| !unwanted(question));
    }

    /// The question that was asked last.
    pub fn asked(&mut self) -> Option<Q> {
        self.asked.take()
    }

    /// Before everything else, in this order.
    pub fn first(&mut self, questions: impl IntoIterator<Item = Q>) {
        let questions: Vec<Q> = questions.into_iter().collect();
        questions.into_iter().rev().for_each(|question| self.todo.push_front(question));
    }

    pub fn tell(&mut self, found: Found) {
        self.found.push_back(found);
    }

    /// Nothing more is asked after this answer.
    pub fn spend(&mut self, why: Hindrance) {
        self.spent = Some(why);
    }

    pub fn went_well(&mut self) {
        self.failures = 0;
    }

    /// It cannot go on; what was found so far is told.
    pub fn stop(&mut self, why: Hindrance) {
        self.stopped = Some(why);
    }

    /// One question came to nothing: what was refused to it costs the others nothing, a failure only when the next ones
    /// fail too. Everything else ends the sweep.
    pub fn came_to_nothing(&mut self, why: Hindrance) {
        match why {
            Hindrance::Forbidden { .. } => self.refused = Some(why),
            Hindrance::Failed { .. } => {
                self.failures += 1;
                if self.failures >= FAILURES {
                    self.stopped = Some(why);
                }
            }
            Hindrance::LoggedOut { .. } | Hindrance::Limited { .. } => self.stopped = Some(why),
        }
    }
}

/// What a sweeper does next by its agenda: `call` makes of a question what is asked, or has settled it already.
pub fn next<S, Q: Debug, C: Into<Call>>(
    sweeper: &mut S,
    agenda: fn(&mut S) -> &mut Agenda<Q>,
    call: fn(&mut S, &Q) -> Option<C>,
) -> Seek {
    loop {
        let question = match agenda(sweeper).turn() {
            Turn::Seek(seek) => return seek,
            Turn::Try(question) => question,
        };
        if let Some(call) = call(sweeper, &question) {
            return agenda(sweeper).ask(question, call);
        }
    }
}

/// A post that is looked at, and what has been heard of it so far.
#[derive(Debug)]
pub struct Looked {
    finding: Finding,
    known: BTreeMap<Interaction, u64>,
    people: BTreeMap<PersonId, Profile>,
    list: List,
    talk: Talk,
}

/// A conversation that is being read.
#[derive(Debug, Default)]
struct Talk {
    messages: Vec<Message>,
    pages: u32,
}

/// One thing that was said, and how its author looks, where that is somebody else.
pub type Said = (Message, Option<Profile>);

/// A list that is being read: who has been on it so far.
#[derive(Debug, Default)]
struct List {
    acts: Vec<Act>,
    met: BTreeSet<PersonId>,
    pages: u32,
}

/// How a list goes on behind a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Page {
    Last,
    /// The next one is there.
    Next(String),
}

impl Looked {
    pub fn new(watched: &Watched) -> Self {
        Self {
            finding: Finding::of(watched.delivery.clone()),
            known: watched.known.clone(),
            people: BTreeMap::new(),
            list: List::default(),
            talk: Talk::default(),
        }
    }

    pub fn gone(&mut self) {
        self.finding = Finding { gone: true, ..Finding::of(self.finding.delivery.clone()) };
        self.people.clear();
    }

    pub fn count(&mut self, kind: Interaction, count: Option<u64>) {
        self.finding.counts.extend(count.map(|count| (kind, count)));
    }

    pub fn counted(&self, kind: Interaction) -> Option<u64> {
        self.finding.counts.get(&kind).copied()
    }

    pub fn known(&self, kind: Interaction) -> u64 {
        self.known.get(&kind).copied().unwrap_or_default()
    }

    /// Whether there is anybody on this list, or somebody of whom we thought so.
    pub fn may_list(&self, kind: Interaction) -> bool {
        self.counted(kind) != Some(0) || self.known(kind) > 0
    }

    /// Nobody has done this.
    pub fn nobody(&mut self, kind: Interaction) {
        self.finding.who.insert(kind, Vec::new());
    }

    /// Whether nobody of that name was on the list that is being read.
    pub fn is_new(&self, person: &PersonId) -> bool {
        !self.list.met.contains(person)
    }

    /// One more page of a list; where it goes on, or nowhere. A list that is too long is left out.
    pub fn page(
        &mut self,
        kind: Interaction,
        acts: impl IntoIterator<Item = (Profile, Option<Timestamp>)>,
        next: Page,
    ) -> Option<String> {
        for (profile, at) in acts {
            // Lists shift while they are read, and some name people twice.
            if self.list.met.insert(profile.person.clone()) {
                self.list.acts.push(Act { person: profile.person.clone(), at });
            }
            self.people.insert(profile.person.clone(), profile);
        }
        self.list.pages += 1;
        match next {
            Page::Next(cursor) if self.list.pages < PAGES => Some(cursor),
            Page::Next(_) => {
                self.no_list();
                None
            }
            Page::Last => {
                let list = std::mem::take(&mut self.list);
                self.finding.who.insert(kind, list.acts);
                None
            }
        }
    }

    /// The list that is being read cannot be told in full.
    pub fn no_list(&mut self) {
        self.list = List::default();
    }

    pub fn said(&mut self, messages: Vec<Message>, people: impl IntoIterator<Item = Profile>) {
        self.people.extend(people.into_iter().map(|profile| (profile.person.clone(), profile)));
        self.finding.said = Some(messages);
    }

    /// One more page of what was said, of several lists; whether another one may be read.
    pub fn say(&mut self, said: impl IntoIterator<Item = Said>) -> bool {
        for (message, by) in said {
            // Pages shift while they are read.
            if !self.has_said(&message.id) {
                self.talk.messages.push(message);
                self.people.extend(by.map(|profile| (profile.person.clone(), profile)));
            }
        }
        self.talk.pages += 1;
        self.talk.pages < PAGES
    }

    pub fn has_said(&self, id: &str) -> bool {
        self.talk.messages.iter().any(|held| held.id == id)
    }

    /// What was said cannot be told in full.
    pub fn no_talk(&mut self) {
        self.talk = Talk::default();
    }

    /// One more page of what was said; where it goes on, or nowhere. What is too long is left out.
    pub fn said_page(&mut self, said: impl IntoIterator<Item = Said>, next: Page) -> Option<String> {
        let more = self.say(said);
        match next {
            Page::Next(cursor) if more => Some(cursor),
            Page::Next(_) => {
                self.no_talk();
                None
            }
            Page::Last => {
                self.finding.said = Some(std::mem::take(&mut self.talk).messages);
                None
            }
        }
    }

    /// Not everybody was heard who may know more. What is counted is no less than what was known.
    pub fn partly(&mut self) {
        self.finding.partly = true;
        let known = &self.known;
        for (kind, count) in &mut self.finding.counts {
            *count = (*count).max(known.get(kind).copied().unwrap_or_default());
        }
    }

    /// All that was found; of people only those that are named.
    pub fn take(&mut self) -> Found {
        let empty = Finding::of(self.finding.delivery.clone());
        let mut finding = std::mem::replace(&mut self.finding, empty);
        let acts = finding.who.values().flatten().map(|act| &act.person);
        let said = finding.said.iter().flatten().filter_map(|message| message.by.as_ref());
        let named: BTreeSet<&PersonId> = acts.chain(said).collect();
        let people = std::mem::take(&mut self.people);
        finding.people = people.into_values().filter(|profile| named.contains(&profile.person)).collect();
        Found::Post(Box::new(finding))
    }
}

/// The conversation around a message that waits: itself, and what was said below it. Nothing of it: the message is gone.
pub fn around(waiting: String, said: Vec<Said>) -> Found {
    let (messages, people): (Vec<_>, Vec<_>) = said.into_iter().unzip();
    let people: BTreeMap<_, _> = people.into_iter().flatten().map(|held| (held.person.clone(), held)).collect();
    Found::Around { waiting, people: people.into_values().collect(), messages }
}

/// What stands below a message, in the order in which it was said in `all`.
pub fn below(id: &str, all: &[Message]) -> Vec<Message> {
    let mut inside = BTreeSet::from([id]);
    loop {
        let before = inside.len();
        let hangs = |message: &&Message| message.parent.as_deref().is_some_and(|parent| inside.contains(parent));
        let more: Vec<&str> = all.iter().filter(hangs).map(|message| message.id.as_str()).collect();
        inside.extend(more);
        if inside.len() == before {
            break;
        }
    }
    all.iter().filter(|message| message.id != id && inside.contains(message.id.as_str())).cloned().collect()
}

/// What is told of messages found in conversations that were read as a whole anyway: the conversation around each.
#[derive(Debug, Default)]
pub struct Overheard {
    messages: Vec<Message>,
    people: BTreeMap<PersonId, Profile>,
}

impl Overheard {
    pub fn add(&mut self, messages: &[Message], people: &[Profile]) {
        self.messages.extend_from_slice(messages);
        self.people.extend(people.iter().map(|profile| (profile.person.clone(), profile.clone())));
    }

    /// What is told of a post.
    pub fn hear(&mut self, found: &Found) {
        if let Found::Post(finding) = found {
            self.add(finding.said.as_deref().unwrap_or_default(), &finding.people);
        }
    }

    /// What is known of those that wait, and of which nothing is.
    pub fn sort(&self, waiting: Vec<String>) -> (Vec<Found>, Vec<String>) {
        let (mut known, mut unknown) = (Vec::new(), Vec::new());
        for id in waiting {
            match self.around(&id) {
                Some(found) => known.push(found),
                None => unknown.push(id),
            }
        }
        (known, unknown)
    }

    /// The message and what stands below it, where it was among them.
    pub fn around(&self, waiting: &str) -> Option<Found> {
        let whole = self.messages.iter().find(|message| message.id == waiting)?;
        let mut messages = vec![whole.clone()];
        messages.extend(below(waiting, &self.messages));
        let people = messages.iter().filter_map(|message| self.people.get(message.by.as_ref()?));
        let people = people.map(|profile| (profile.person.clone(), profile.clone()));
        let people = people.collect::<BTreeMap<_, _>>().into_values().collect();
        Some(Found::Around { waiting: waiting.to_owned(), people, messages })
    }
}
