//! What has become of posts, and who has spoken to us.
//!
//! Counts come for twenty-five posts at once. Who it was is asked only where somebody is counted or on record; what was
//! said below a post is one answer. A message whose conversation was read with a post of ours is not asked for again. Last
//! come the notifications of what names, answers or quotes us.
//!
//! - The service that tells of posts lags behind the account's own server. A post that it does not have is gone only when
//!   the server itself says so; else nothing is told of it this time.
//! - A list leaves out who has blocked us or is gone, while the count keeps them; so may a page that ends between two
//!   likes of the same millisecond. Pages are as large as they can be.
//! - Notifications are ordered by the moment that their author claims. They are read back to an hour before the newest
//!   one that was known; what is dated further back is found below its post only.
//! - A view of another record than the one asked for is of no use, and an author whose record it is not makes no message.
//! - Publishing shares the allowance: a sweep ends while there is some left.

mod words;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::domain::{BotSign, Interaction, Message, PersonId, Profile, Secret, Timestamp, time};
use crate::platform::contract::sweep::{Found, Heard, Hindrance, Looking, Seek, Sweep, Sweeper, Watched};
use crate::platform::contract::sweeping::{self, Agenda, Looked, Overheard, PAGES, Page, below};
use crate::platform::contract::{HttpReply, Request};

use super::syntax::{self, PostAddress};
use super::wire::{self, Trouble, Wire};
use super::{ENTRY, session};
use words::{COUNTS, REASONS, author, is_hidden, is_missing, list_of, moment, next_page, unreadable};

/// Most posts that are told at once.
const POSTS: usize = 25;
/// So deep a conversation is asked for at once: an answer that is nested deeper than a parser goes is none.
const DEPTH: usize = 40;
/// How far notifications are read again behind what is known.
const OVERLAP: Duration = Duration::from_secs(3600);
/// Requests that are left to publishing.
const RESERVE: u64 = 100;

/// A sweep that is under way.
#[derive(Debug)]
pub(super) struct Sweeping {
    wire: Wire,
    access: Secret,
    /// What must not show up in anything that is said.
    hidden: Vec<Secret>,
    /// Our account.
    us: String,
    posts: Vec<Watching>,
    waiting: Vec<String>,
    overheard: Overheard,
    mentions: Mentions,
    now: Timestamp,
    agenda: Agenda<Question>,
}

#[derive(Debug)]
struct Watching {
    rkey: Option<String>,
    uri: String,
    looked: Looked,
}

/// Mentions that were read so far.
#[derive(Debug, Default)]
struct Mentions {
    messages: BTreeMap<String, Message>,
    people: BTreeMap<PersonId, Profile>,
    newest: Option<Timestamp>,
    pages: u32,
}

/// Something that is asked, or that is to be decided without asking when its turn comes.
#[derive(Debug, Clone)]
enum Question {
    /// All messages that wait and were in no conversation so far.
    Waiting,
    Several(Vec<Subject>),
    /// Whether the account's own server has a post.
    Record(usize),
    List {
        post: usize,
        kind: Interaction,
        cursor: Option<String>,
    },
    Conversation(Box<Conversation>),
    Tell(usize),
    Mentions {
        since: Option<Timestamp>,
        cursor: Option<String>,
    },
}

/// A conversation that is being read.
#[derive(Debug, Clone)]
struct Conversation {
    of: Subject,
    /// Below which of its posts it goes on.
    todo: Vec<String>,
    messages: Vec<Message>,
    people: Vec<Profile>,
    asked: u32,
}

/// What a post is asked for.
#[derive(Debug, Clone)]
enum Subject {
    Post(usize),
    Waiting(String),
}

impl Sweeping {
    pub fn new(wire: Wire, handle: &str, sweep: Sweep, looking: &Looking<'_>) -> Self {
        let us = looking.session.identity.clone();
        let access = session::access(looking.session, looking.now);
        let watching = |watched: &Watched| {
            let did = us.as_deref().unwrap_or_default();
            let at = PostAddress::parse(&watched.remote.id);
            let ours = |at: &PostAddress| at.repo == did || at.repo.eq_ignore_ascii_case(handle);
            let rkey = at.filter(ours).map(|at| at.rkey);
            let uri = syntax::post_uri(did, rkey.as_deref().unwrap_or_default());
            Watching { rkey, uri, looked: Looked::new(watched) }
        };
        let posts: Vec<_> = sweep.posts.iter().map(watching).collect();
        let ours = posts.iter().enumerate().filter(|(_, post)| post.rkey.is_some());
        let subjects: Vec<_> = ours.map(|(place, _)| Subject::Post(place)).collect();
        let mut todo = in_chunks(&subjects);
        todo.push(Question::Waiting);
        todo.extend(sweep.heard.map(|Heard(since)| Question::Mentions { since: since.parse().ok(), cursor: None }));
        let out = |why: &str| Agenda::stopped(Hindrance::LoggedOut { why: why.into() });
        let agenda = match (&us, &access) {
            (None, _) => out("nobody knows whose session it is"),
            (_, None) => out("there is no token, or it is about to expire"),
            (Some(_), Some(_)) => Agenda::new(todo),
        };
        Self {
            wire,
            access: access.unwrap_or_else(|| Secret::new("")),
            hidden: session::kept_from_words(looking.session, looking.secrets),
            us: us.unwrap_or_default(),
            posts,
            waiting: sweep.waiting,
            overheard: Overheard::default(),
            mentions: Mentions::default(),
            now: looking.now,
            agenda,
        }
    }

    /// The question as a request; without one it is settled already.
    fn request(&mut self, question: &Question) -> Option<Request> {
        let view = |method: &str, query: &[(&str, &str)]| Some(self.wire.view(method, self.access.clone(), query));
        match question {
            Question::Waiting => {
                let mut subjects = Vec::new();
                for id in std::mem::take(&mut self.waiting) {
                    match self.overheard.around(&id) {
                        Some(found) => self.agenda.tell(found),
                        None if author(&id).is_some() => subjects.push(Subject::Waiting(id)),
                        None => {}
                    }
                }
                self.agenda.first(in_chunks(&subjects));
                None
            }
            Question::Several(subjects) => {
                let uris: Vec<_> = subjects.iter().map(|subject| ("uris", self.uri(subject))).collect();
                view("app.bsky.feed.getPosts", &uris)
            }
            Question::Record(place) => {
                let rkey = self.posts[*place].rkey.as_deref().unwrap_or_default();
                Some(self.wire.record(Some(self.access.clone()), &self.us, rkey))
            }
            Question::List { post, kind, cursor } => {
                let mut query = vec![("uri", self.posts[*post].uri.as_str()), ("limit", "100")];
                query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
                view(list_of(*kind).0, &query)
            }
            Question::Conversation(conversation) => {
                let uri = conversation.todo.last()?;
                let depth = DEPTH.to_string();
                let query = [("uri", uri.as_str()), ("depth", &depth), ("parentHeight", "0")];
                view("app.bsky.feed.getPostThread", &query)
            }
            Question::Mentions { cursor, .. } => {
                let mut query: Vec<_> = REASONS.iter().map(|reason| ("reasons", *reason)).collect();
                query.push(("limit", "100"));
                query.extend(cursor.as_deref().map(|cursor| ("cursor", cursor)));
                view("app.bsky.notification.listNotifications", &query)
            }
            Question::Tell(place) => {
                let found = self.posts[*place].looked.take();
                if let Found::Post(finding) = &found {
                    self.overheard.add(finding.said.as_deref().unwrap_or_default(), &finding.people);
                }
                self.agenda.tell(found);
                None
            }
        }
    }

    fn uri<'a>(&'a self, subject: &'a Subject) -> &'a str {
        match subject {
            Subject::Post(place) => &self.posts[*place].uri,
            Subject::Waiting(uri) => uri,
        }
    }

    fn read(&mut self, question: Question, reply: &HttpReply) {
        let secrets: Vec<&str> = self.hidden.iter().map(Secret::expose).collect();
        let value = wire::understand(reply, &secrets, self.now);
        match question {
            Question::Several(subjects) => {
                let posts = value.and_then(|mut value| match value["posts"].take() {
                    Value::Array(posts) => Ok(posts),
                    _ => Err(unreadable("posts")),
                });
                match posts {
                    Ok(posts) => self.met(subjects, &posts),
                    Err(trouble) => self.nothing("failed to read our posts", trouble),
                }
            }
            Question::Record(place) => match value {
                // It is there, and will be seen.
                Ok(_) => self.agenda.went_well(),
                Err(trouble) if is_missing(&trouble) => {
                    self.agenda.went_well();
                    self.posts[place].looked.gone();
                    self.agenda.first([Question::Tell(place)]);
                }
                Err(trouble) => self.nothing("failed to look for a post", trouble),
            },
            Question::List { post, kind, .. } => {
                let page = value.and_then(|value| {
                    let same = value["uri"] == self.posts[post].uri.as_str();
                    let acts = self.acts(kind, &value).filter(|_| same);
                    Ok((acts.ok_or_else(|| unreadable("a list"))?, next_page(&value)))
                });
                match page {
                    Ok((acts, next)) => {
                        self.agenda.went_well();
                        let next = self.posts[post].looked.page(kind, acts, next);
                        self.agenda.first(next.map(|cursor| Question::List { post, kind, cursor: Some(cursor) }));
                    }
                    Err(trouble) => {
                        self.posts[post].looked.no_list();
                        self.nothing("failed to read who it was", trouble);
                    }
                }
            }
            Question::Conversation(conversation) => match value {
                Ok(value) => self.conversation(*conversation, &value["thread"]),
                Err(trouble) => match (&conversation.of, is_missing(&trouble)) {
                    (Subject::Waiting(waiting), true) if conversation.asked == 0 => {
                        self.agenda.went_well();
                        let waiting = waiting.clone();
                        self.agenda.tell(Found::Around { waiting, people: Vec::new(), messages: Vec::new() });
                    }
                    _ => self.nothing("failed to read a conversation", trouble),
                },
            },
            Question::Mentions { since, .. } => {
                let page = value.and_then(|mut value| match value["notifications"].take() {
                    Value::Array(page) => Ok((page, next_page(&value))),
                    _ => Err(unreadable("notifications")),
                });
                match page {
                    Ok((page, next)) => {
                        self.agenda.went_well();
                        self.mentioned(&page, next, since);
                    }
                    Err(trouble) => self.nothing("failed to read who has spoken to us", trouble),
                }
            }
            // They are not asked.
            Question::Waiting | Question::Tell(_) => {}
        }
    }

    /// A question came to nothing.
    fn nothing(&mut self, what: &str, trouble: Trouble) {
        let said = |why: String| format!("{what}: {why}");
        self.agenda.came_to_nothing(match trouble {
            Trouble::Token(why) | Trouble::LoggedOut(why) => Hindrance::LoggedOut { why: said(why) },
            Trouble::Stopped(why) => Hindrance::Forbidden { why: said(why) },
            Trouble::TooMuch { until, why } => Hindrance::Limited { until, why: said(why) },
            Trouble::Refused { why, .. } | Trouble::Unknown { why, .. } => Hindrance::Failed { why: said(why) },
        });
    }

    /// What is to be asked now that these were told.
    fn met(&mut self, subjects: Vec<Subject>, posts: &[Value]) {
        self.agenda.went_well();
        let told: BTreeMap<&str, &Value> =
            posts.iter().filter_map(|post| Some((post["uri"].as_str()?, post))).collect();
        let mut next = Vec::new();
        for subject in subjects {
            match (told.get(self.uri(&subject)).copied(), subject) {
                (Some(view), Subject::Post(place)) => next.extend(self.counted(place, view)),
                (None, Subject::Post(place)) => next.push(Question::Record(place)),
                (Some(view), Subject::Waiting(uri)) if view["replyCount"] == 0 => {
                    // Nobody has answered: that is all there is.
                    if let Some((message, by)) = self.message(view) {
                        let people = by.into_iter().collect();
                        self.agenda.tell(Found::Around { waiting: uri, people, messages: vec![message] });
                    }
                }
                (_, of @ Subject::Waiting(_)) => next.push(self.ask_around(of)),
            }
        }
        self.agenda.first(next);
    }

    fn counted(&mut self, post: usize, view: &Value) -> Vec<Question> {
        if view["author"]["did"] != self.us.as_str() {
            return Vec::new();
        }
        let looked = &mut self.posts[post].looked;
        for (kind, key) in COUNTS {
            looked.count(*kind, view[*key].as_u64());
        }
        let mut next = Vec::new();
        for kind in [Interaction::Like, Interaction::Repost, Interaction::Quote] {
            if looked.may_list(kind) {
                next.push(Question::List { post, kind, cursor: None });
            } else {
                looked.nobody(kind);
            }
        }
        if looked.may_list(Interaction::Reply) {
            next.push(self.ask_around(Subject::Post(post)));
        } else {
            looked.said(Vec::new(), []);
        }
        next.push(Question::Tell(post));
        next
    }

    fn ask_around(&self, of: Subject) -> Question {
        let todo = vec![self.uri(&of).to_owned()];
        Question::Conversation(Box::new(Conversation { of, todo, messages: vec![], people: vec![], asked: 0 }))
    }

    /// Who is on a page of a list, but for ourselves. `None`: this is no such page.
    fn acts(&self, kind: Interaction, page: &Value) -> Option<Vec<(Profile, Option<Timestamp>)>> {
        let mut acts = Vec::new();
        for item in page[list_of(kind).1].as_array()? {
            let (author, at) = match kind {
                Interaction::Like => (&item["actor"], moment(&item["indexedAt"])),
                Interaction::Quote => (&item["author"], moment(&item["indexedAt"])),
                // When somebody passed it on is told nowhere.
                _ => (item, None),
            };
            let did = author["did"].as_str().filter(|did| syntax::is_did(did))?;
            if did != self.us {
                acts.push((self.profile(did, author)?, at));
            }
        }
        Some(acts)
    }

    fn profile(&self, did: &str, author: &Value) -> Option<Profile> {
        // A server that knows no handle for somebody says so by this one.
        let handle = author["handle"].as_str().filter(|handle| *handle != "handle.invalid").unwrap_or(did);
        let is_bot = |label: &Value| {
            let until = moment(&label["exp"]);
            let own = label["src"] == did && label["val"] == "bot" && label["neg"] != true;
            own && (label["exp"].is_null() || until.is_some_and(|until| until > self.now))
        };
        let labelled = author["labels"].as_array().into_iter().flatten().any(is_bot);
        let bot = labelled.then_some(BotSign::SelfLabel);
        Some(Profile::new(PersonId::new(ENTRY.name, did)?, handle, bot))
    }

    /// A view of a post as a message, and who has said it, where we have not.
    fn message(&self, view: &Value) -> Option<(Message, Option<Profile>)> {
        let (uri, record) = (view["uri"].as_str()?, &view["record"]);
        let at = PostAddress::parse(uri)?;
        let did = view["author"]["did"].as_str().filter(|did| *did == at.repo && syntax::is_did(did))?;
        let by = if did == self.us { None } else { Some(self.profile(did, &view["author"])?) };
        let message = Message {
            id: uri.to_owned(),
            parent: record["reply"]["parent"]["uri"].as_str().filter(|uri| author(uri).is_some()).map(str::to_owned),
            by: by.as_ref().map(|profile| profile.person.clone()),
            at: moment(&view["indexedAt"])?,
            text: Message::plain(record["text"].as_str().unwrap_or_default()),
            url: Some(format!("https://bsky.app/profile/{did}/post/{}", at.rkey)),
            answer: uri.to_owned(),
            private: false,
        };
        Some((message, by))
    }

    /// A conversation goes on, or has been read to its end.
    fn conversation(&mut self, mut conversation: Conversation, thread: &Value) {
        let asked = conversation.todo.pop().unwrap_or_default();
        let first = conversation.asked == 0;
        conversation.asked += 1;
        if first && let (Subject::Waiting(waiting), true) = (&conversation.of, is_hidden(thread)) {
            self.agenda.went_well();
            let waiting = waiting.clone();
            return self.agenda.tell(Found::Around { waiting, people: Vec::new(), messages: Vec::new() });
        }
        // Where it goes on further down, what stands there is known already.
        let whole = thread["post"]["uri"] == asked.as_str()
            && (!first || matches!(conversation.of, Subject::Post(_)) || conversation.add(self, thread))
            && conversation.below(self, thread);
        let ends = conversation.todo.is_empty();
        if !whole || (!ends && conversation.asked >= PAGES) {
            return self.nothing("failed to read a conversation", unreadable("a conversation"));
        }
        self.agenda.went_well();
        if !ends {
            return self.agenda.first([Question::Conversation(Box::new(conversation))]);
        }
        let Conversation { of, messages, people, .. } = conversation;
        match of {
            Subject::Post(place) => {
                let messages = below(&self.posts[place].uri, &messages);
                self.posts[place].looked.said(messages, people);
            }
            Subject::Waiting(waiting) => {
                let people: BTreeMap<_, _> =
                    people.into_iter().map(|profile| (profile.person.clone(), profile)).collect();
                self.agenda.tell(Found::Around { waiting, people: people.into_values().collect(), messages });
            }
        }
    }

    fn mentioned(&mut self, page: &[Value], next: Page, since: Option<Timestamp>) {
        let floor = since.map(|since| time::before(since, OVERLAP));
        let mut passed = false;
        for item in page {
            let Some(at) = moment(&item["indexedAt"]) else { continue };
            passed |= floor.is_some_and(|floor| at < floor);
            self.mentions.newest = self.mentions.newest.max(Some(at));
            let wanted = item["reason"].as_str().is_some_and(|reason| REASONS.contains(&reason));
            if let Some((message, Some(profile))) = self.message(item).filter(|_| wanted) {
                self.mentions.people.insert(profile.person.clone(), profile);
                self.mentions.messages.insert(message.id.clone(), message);
            }
        }
        self.mentions.pages += 1;
        if let Page::Next(cursor) = next
            && floor.is_some()
            && !passed
            && self.mentions.pages < PAGES
        {
            return self.agenda.first([Question::Mentions { since, cursor: Some(cursor) }]);
        }
        let Mentions { messages, people, newest, .. } = std::mem::take(&mut self.mentions);
        // Nobody is believed to have spoken later than now.
        let newest = newest.max(since).map(|newest| newest.min(self.now));
        let heard = Heard(newest.map(|newest| newest.to_string()).unwrap_or_default());
        let (people, messages) = (people.into_values().collect(), messages.into_values().collect());
        self.agenda.tell(Found::Heard { people, messages, heard });
    }
}

impl Conversation {
    /// The post that a node shows; whether it can be read.
    fn add(&mut self, sweep: &Sweeping, node: &Value) -> bool {
        let Some((message, by)) = sweep.message(&node["post"]) else { return false };
        if self.messages.iter().all(|held| held.id != message.id) {
            self.messages.push(message);
            self.people.extend(by);
        }
        true
    }

    /// Everything below a node, as far as it is told; whether it can be read.
    fn below(&mut self, sweep: &Sweeping, node: &Value) -> bool {
        let mut todo = vec![node];
        while let Some(node) = todo.pop() {
            let Some(replies) = node["replies"].as_array() else {
                let more = node["post"]["replyCount"].as_u64().is_some_and(|count| count > 0);
                // It was not told so deep.
                if let Some(uri) = node["post"]["uri"].as_str().filter(|_| more && self.asked > 0) {
                    self.todo.push(uri.to_owned());
                }
                continue;
            };
            for reply in replies.iter().filter(|reply| !is_hidden(reply)) {
                let hangs = reply["post"]["record"]["reply"]["parent"]["uri"] == node["post"]["uri"];
                if !hangs || !self.add(sweep, reply) {
                    return false;
                }
                todo.push(reply);
            }
        }
        true
    }
}

impl Sweeper for Sweeping {
    fn next(&mut self) -> Seek {
        sweeping::next(self, |held| &mut held.agenda, Self::request)
    }

    fn answered(&mut self, reply: &HttpReply, now: Timestamp) {
        let Some(question) = self.agenda.asked() else { return };
        self.now = now;
        self.read(question, reply);
        if let Some(pace) = wire::pace(reply, now).filter(|pace| pace.remaining < RESERVE) {
            let why = "what is left of the server's allowance is for posts".into();
            self.agenda.spend(Hindrance::Limited { until: pace.reset, why });
        }
    }
}

fn in_chunks(subjects: &[Subject]) -> Vec<Question> {
    subjects.chunks(POSTS).map(|chunk| Question::Several(chunk.to_vec())).collect()
}
