//! What has become of posts, and who has spoken to us.
//!
//! Counts come for twenty posts at once where the server can tell them so, else for each post. Who it was is asked only
//! where somebody is counted or on record; what was said below a post is one answer. A message whose conversation was read
//! with a post of ours is not asked for again. Last come the notifications, which alone tell of mentions elsewhere.
//!
//! - A boost stands twice in GoToSocial's list when it was made twice, and a reply without a mention makes no notification
//!   there: lists and conversations are what counts, notifications are no present state.
//! - Replies that are not public are counted by some servers and not by others; so "no replies" is believed of no count.
//! - Of the address of a next page only its place is taken. A status in place of another one is not ours, and what is no
//!   status makes a list one that was not told.
//! - Publishing shares the allowance: a sweep ends while there is some left.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use url::Url;

use crate::domain::{BotSign, Interaction, Message, PersonId, Profile, Secret, Timestamp, html};
use crate::platform::contract::sweep::{Found, Heard, Hindrance, Looking, Seek, Sweep, Sweeper};
use crate::platform::contract::sweeping::{self, Agenda, Looked, Overheard, PAGES, Page};
use crate::platform::contract::{HttpReply, Request};

use super::instance::Software;
use super::wire::{self, Id, Wire};
use super::{ENTRY, identity_of, instance_of, is_web};

/// Most statuses that Mastodon tells at once.
const STATUSES: usize = 20;
/// People on one page: the most that Mastodon gives, and few where that many do not fit into an answer.
const PEOPLE: u32 = 80;
const FEW: u32 = 10;
/// Statuses, and notifications, on one page.
const POSTS: u32 = 40;
/// Requests that are left to publishing.
const RESERVE: u64 = 40;

/// A sweep that is under way.
#[derive(Debug)]
pub(super) struct Sweeping {
    base: Url,
    token: Secret,
    /// Our account, by the server's id.
    us: String,
    /// Statuses are asked for one by one.
    singly: bool,
    posts: Vec<Watching>,
    waiting: Vec<String>,
    overheard: Overheard,
    mentions: Mentions,
    agenda: Agenda<Question>,
}

#[derive(Debug)]
struct Watching {
    /// As the server calls it; none while only its address is known.
    id: Option<String>,
    address: String,
    looked: Looked,
}

/// Mentions that were read so far.
#[derive(Debug, Default)]
struct Mentions {
    messages: BTreeMap<String, Message>,
    people: BTreeMap<PersonId, Profile>,
    pages: u32,
}

/// Something that is asked, or that is to be decided without asking when its turn comes.
#[derive(Debug, Clone)]
enum Question {
    /// The post with this address.
    Find(usize),
    /// All posts whose ids are known now.
    Posts,
    /// All messages that wait and were in no conversation so far.
    Waiting,
    Several(Vec<Subject>),
    One(Subject),
    List {
        post: usize,
        kind: Interaction,
        limit: u32,
        before: Option<String>,
    },
    Replies(usize),
    Tell(usize),
    /// What was said around a message, which is known already.
    Around(Box<Message>, Option<Profile>),
    Mentions {
        limit: u32,
        after: Option<String>,
    },
}

/// What a status is asked for.
#[derive(Debug, Clone)]
enum Subject {
    Post(usize),
    Waiting(String),
}

impl Sweeping {
    pub fn new(base: Url, sweep: Sweep, looking: &Looking<'_>) -> Self {
        let token = looking.secrets.get("token").filter(|token| !token.expose().trim().is_empty()).cloned();
        let us = token.as_ref().and_then(|token| identity_of(looking.session, token)).map(str::to_owned);
        let software = instance_of(looking.session).map(|instance| instance.software);
        let watching = |watched: &crate::platform::contract::sweep::Watched| {
            let id = Id::read(&Value::from(watched.remote.id.as_str()));
            Watching { id, address: watched.remote.id.clone(), looked: Looked::new(watched) }
        };
        let posts: Vec<_> = sweep.posts.iter().map(watching).collect();
        let found = |post: &Watching| post.id.is_none() && is_web(&post.address);
        let mut todo: Vec<_> = (0..posts.len()).filter(|&place| found(&posts[place])).map(Question::Find).collect();
        todo.extend([Question::Posts, Question::Waiting]);
        todo.extend(
            sweep.heard.map(|Heard(after)| Question::Mentions { limit: POSTS, after: Id::read(&Value::from(after)) }),
        );
        let agenda = match (&token, &us) {
            (Some(_), Some(_)) => Agenda::new(todo),
            (None, _) => Agenda::stopped(Hindrance::LoggedOut { why: "there is no access token".into() }),
            (_, None) => Agenda::stopped(Hindrance::LoggedOut { why: "nobody knows whose token it is".into() }),
        };
        Self {
            base,
            token: token.unwrap_or_else(|| Secret::new("")),
            us: us.unwrap_or_default(),
            singly: software.is_some_and(|software| software == Software::GoToSocial),
            posts,
            waiting: sweep.waiting,
            overheard: Overheard::default(),
            mentions: Mentions::default(),
            agenda,
        }
    }

    fn wire(&self) -> Wire<'_> {
        Wire { base: &self.base, token: &self.token }
    }

    /// The question as a request; without one it is settled already.
    fn request(&mut self, question: &Question) -> Option<Request> {
        match question {
            Question::Find(place) => Some(self.wire().resolve(&self.posts[*place].address)),
            Question::Posts => {
                let known = self.posts.iter().enumerate().filter(|(_, post)| post.id.is_some());
                let subjects = known.map(|(place, _)| Subject::Post(place)).collect();
                self.look(subjects);
                None
            }
            Question::Waiting => {
                let mut subjects = Vec::new();
                for id in std::mem::take(&mut self.waiting) {
                    match self.overheard.around(&id) {
                        Some(found) => self.agenda.tell(found),
                        None if Id::read(&Value::from(id.as_str())).is_some() => subjects.push(Subject::Waiting(id)),
                        None => {}
                    }
                }
                self.look(subjects);
                None
            }
            Question::Several(subjects) => {
                let ids: Vec<_> = subjects.iter().map(|subject| self.id(subject)).collect();
                Some(self.wire().statuses(&ids))
            }
            Question::One(subject) => Some(self.wire().status(self.id(subject))),
            Question::List { post, kind, limit, before } => {
                let id = self.posts[*post].id.as_deref().unwrap_or_default();
                Some(self.wire().people_of(id, list_name(*kind), *limit, before.as_deref()))
            }
            Question::Replies(post) => Some(self.wire().context(self.posts[*post].id.as_deref().unwrap_or_default())),
            Question::Around(message, _) => Some(self.wire().context(&message.id)),
            Question::Mentions { limit, after } => Some(self.wire().mentions(*limit, after.as_deref())),
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

    fn id<'a>(&'a self, subject: &'a Subject) -> &'a str {
        match subject {
            Subject::Post(place) => self.posts[*place].id.as_deref().unwrap_or_default(),
            Subject::Waiting(id) => id,
        }
    }

    /// Asks for these, in as few questions as the server allows.
    fn look(&mut self, subjects: Vec<Subject>) {
        let questions: Vec<_> = subjects.chunks(STATUSES).map(|chunk| Question::Several(chunk.to_vec())).collect();
        self.agenda.first(questions.into_iter().flat_map(|question| match question {
            Question::Several(subjects) if self.singly || subjects.len() == 1 => {
                subjects.into_iter().map(Question::One).collect()
            }
            several => vec![several],
        }));
    }

    fn read(&mut self, question: Question, reply: &HttpReply, now: Timestamp) {
        let value = reply.value().filter(|_| reply.status == 200);
        match question {
            Question::Find(place) => match value.as_ref().map(|value| &value["statuses"][0]) {
                // What is at that address may be somebody else's: then nothing is told of it.
                Some(status) => {
                    let ours = Id::read(&status["account"]["id"]).as_ref() == Some(&self.us);
                    self.posts[place].id = Id::read(&status["id"]).filter(|_| ours);
                    self.agenda.went_well();
                }
                None => self.nothing(reply, now, "failed to look up a post by its address", "read:search"),
            },
            Question::Several(subjects) => match value.as_ref().and_then(Value::as_array) {
                Some(statuses) => {
                    self.agenda.went_well();
                    let told: BTreeMap<String, &Value> =
                        statuses.iter().filter_map(|status| Some((Id::read(&status["id"])?, status))).collect();
                    let next: Vec<_> = subjects
                        .into_iter()
                        .flat_map(|subject| match told.get(self.id(&subject)) {
                            Some(status) => self.met(subject, status),
                            // Whether it is gone, only the question for it alone tells.
                            None => vec![Question::One(subject)],
                        })
                        .collect();
                    self.agenda.first(next);
                }
                None if reply.status == 200 || matches!(reply.status, 400 | 404..=406 | 410 | 422 | 501) => {
                    self.singly = true;
                    self.agenda.first(subjects.into_iter().map(Question::One));
                }
                None => self.nothing(reply, now, "failed to read our posts", "read:statuses"),
            },
            Question::One(subject) => {
                let asked = value.filter(|status| Id::read(&status["id"]).as_deref() == Some(self.id(&subject)));
                match asked {
                    Some(status) => {
                        self.agenda.went_well();
                        let next = self.met(subject, &status);
                        self.agenda.first(next);
                    }
                    None if matches!(reply.status, 404 | 410) && wire::is_api_error(reply) => self.is_gone(subject),
                    None => self.nothing(reply, now, "failed to read a post", "read:statuses"),
                }
            }
            Question::List { post, kind, limit, before } => {
                let acts = value.as_ref().and_then(|value| self.acts(kind, value));
                if acts.is_none() && reply.cut && limit > FEW {
                    return self.agenda.first([Question::List { post, kind, limit: FEW, before }]);
                }
                let Some(acts) = acts else {
                    self.posts[post].looked.no_list();
                    return self.nothing(reply, now, "failed to read who it was", "read:accounts");
                };
                self.agenda.went_well();
                let next = wire::next_page(reply).map_or(Page::Last, Page::Next);
                let next = self.posts[post].looked.page(kind, acts, next);
                let more = next.map(|before| Question::List { post, kind, limit, before: Some(before) });
                self.agenda.first(more);
            }
            Question::Replies(post) => {
                let id = self.posts[post].id.clone().unwrap_or_default();
                match value.as_ref().and_then(|value| self.said(&id, value)) {
                    Some((messages, people)) => {
                        self.agenda.went_well();
                        self.posts[post].looked.said(messages, people);
                    }
                    None => self.nothing(reply, now, "failed to read what was answered", "read:statuses"),
                }
            }
            Question::Around(message, by) => match value.as_ref().and_then(|value| self.said(&message.id, value)) {
                Some((said, people)) => {
                    self.agenda.went_well();
                    let waiting = message.id.clone();
                    let messages = std::iter::once(*message).chain(said).collect();
                    let people: BTreeMap<_, _> =
                        people.into_iter().chain(by).map(|profile| (profile.person.clone(), profile)).collect();
                    self.agenda.tell(Found::Around { waiting, people: people.into_values().collect(), messages });
                }
                None => self.nothing(reply, now, "failed to read a conversation", "read:statuses"),
            },
            Question::Mentions { limit, after } => match value.as_ref().and_then(Value::as_array) {
                Some(page) => {
                    self.agenda.went_well();
                    self.mentioned(page, limit, after);
                }
                None if reply.cut && limit > FEW => self.agenda.first([Question::Mentions { limit: FEW, after }]),
                None => self.nothing(reply, now, "failed to read who has spoken to us", "read:notifications"),
            },
            // They are not asked.
            Question::Posts | Question::Waiting | Question::Tell(_) => {}
        }
    }

    /// A question came to nothing.
    fn nothing(&mut self, reply: &HttpReply, now: Timestamp, what: &str, scope: &str) {
        let said = wire::complaint(reply, Some(&self.token));
        let why = format!("{what}: {said}");
        let pause = reply.status == 503 && reply.header("retry-after").is_some();
        self.agenda.came_to_nothing(match reply.status {
            401 => Hindrance::LoggedOut { why },
            429 => Hindrance::Limited { until: wire::limited_until(reply, now), why },
            _ if pause => Hindrance::Limited { until: wire::limited_until(reply, now), why },
            403 if wire::is_api_error(reply) => {
                Hindrance::Forbidden { why: format!("{what} (the token needs {scope}): {said}") }
            }
            _ => Hindrance::Failed { why },
        });
    }

    fn is_gone(&mut self, subject: Subject) {
        self.agenda.went_well();
        match subject {
            Subject::Post(place) => {
                self.posts[place].looked.gone();
                self.agenda.first([Question::Tell(place)]);
            }
            Subject::Waiting(waiting) => {
                self.agenda.tell(Found::Around { waiting, people: Vec::new(), messages: Vec::new() });
            }
        }
    }

    /// What is to be asked now that this status was told.
    fn met(&mut self, subject: Subject, status: &Value) -> Vec<Question> {
        let post = match subject {
            Subject::Post(place) if Id::read(&status["account"]["id"]).as_ref() == Some(&self.us) => place,
            Subject::Post(_) => return Vec::new(),
            Subject::Waiting(_) => {
                let read = self.message(status);
                return read.map(|(message, by)| Question::Around(Box::new(message), by)).into_iter().collect();
            }
        };
        let looked = &mut self.posts[post].looked;
        let counts = [
            (Interaction::Like, "favourites_count"),
            (Interaction::Repost, "reblogs_count"),
            (Interaction::Quote, "quotes_count"),
            (Interaction::Reply, "replies_count"),
        ];
        counts.into_iter().for_each(|(kind, key)| looked.count(kind, status[key].as_u64()));
        let mut next = Vec::new();
        for kind in [Interaction::Like, Interaction::Repost, Interaction::Quote] {
            // Who does not count quotes has no list of them.
            if kind == Interaction::Quote && looked.counted(kind).is_none() {
                continue;
            }
            if looked.may_list(kind) {
                next.push(Question::List { post, kind, limit: page_size(kind), before: None });
            } else {
                looked.nobody(kind);
            }
        }
        if looked.may_list(Interaction::Reply) {
            next.push(Question::Replies(post));
        }
        next.push(Question::Tell(post));
        next
    }

    /// Who is on a page of a list, but for ourselves. `None`: this is no such page.
    fn acts(&self, kind: Interaction, page: &Value) -> Option<Vec<(Profile, Option<Timestamp>)>> {
        let mut acts = Vec::new();
        for item in page.as_array()? {
            let account = if kind == Interaction::Quote { &item["account"] } else { item };
            match self.who(account)? {
                Who::Us | Who::Nameless => {}
                // When somebody liked or boosted it is told nowhere.
                Who::They(profile) => acts.push((profile, item["account"].is_object().then(|| moment(item)).flatten())),
            }
        }
        Some(acts)
    }

    fn who(&self, account: &Value) -> Option<Who> {
        let id = Id::read(&account["id"])?;
        let name = account["acct"].as_str().filter(|name| !name.is_empty())?;
        if id == self.us {
            return Some(Who::Us);
        }
        let (user, host) = match name.split_once('@') {
            Some((user, host)) => (user, Some(host.to_owned())),
            None => {
                let page = account["url"].as_str().and_then(|page| Url::parse(page).ok());
                (name, page.as_ref().unwrap_or(&self.base).host_str().map(str::to_owned))
            }
        };
        let Some(host) = host else { return Some(Who::Nameless) };
        // A domain with other than Latin letters is spelt in two ways.
        let domain = url::Host::parse(&host).map_or_else(|_| host.to_lowercase(), |host| host.to_string());
        let person = PersonId::new(ENTRY.name, &format!("{}@{domain}", user.to_lowercase()));
        let bot = (account["bot"] == true).then_some(BotSign::PlatformFlag);
        Some(person.map_or(Who::Nameless, |person| Who::They(Profile::new(person, &format!("{user}@{host}"), bot))))
    }

    /// A status as a message, and who has said it, where we have not.
    fn message(&self, status: &Value) -> Option<(Message, Option<Profile>)> {
        let by = match self.who(&status["account"])? {
            Who::Us => None,
            Who::They(profile) => Some(profile),
            Who::Nameless => return None,
        };
        let address = |key: &str| wire::web_address(status[key].as_str()?);
        let id = Id::read(&status["id"])?;
        let (url, uri) = (address("url"), address("uri"));
        let words = [status["spoiler_text"].as_str().unwrap_or_default(), &html::text(status["content"].as_str()?)];
        let message = Message {
            parent: Id::read(&status["in_reply_to_id"]),
            by: by.as_ref().map(|profile| profile.person.clone()),
            at: moment(status)?,
            text: Message::plain(&words.join("\n\n")),
            url: url.clone().or_else(|| uri.clone()),
            answer: uri.or(url).unwrap_or_else(|| id.clone()),
            private: !matches!(status["visibility"].as_str(), Some("public" | "unlisted")),
            id,
        };
        Some((message, by))
    }

    /// What a context tells to be below `id`. `None`: it is none, or that of something else.
    fn said(&self, id: &str, context: &Value) -> Option<(Vec<Message>, Vec<Profile>)> {
        let (mut messages, mut people, mut met) = (Vec::new(), Vec::new(), BTreeSet::from([id.to_owned()]));
        for status in context["descendants"].as_array()? {
            if matches!(self.who(&status["account"]), Some(Who::Nameless)) {
                continue;
            }
            let (message, by) = self.message(status)?;
            if met.insert(message.id.clone()) {
                messages.push(message);
                people.extend(by);
            }
        }
        let hangs = messages.iter().any(|message| message.parent.as_deref() == Some(id));
        (messages.is_empty() || hangs).then_some((messages, people))
    }

    fn mentioned(&mut self, page: &[Value], limit: u32, after: Option<String>) {
        // Ids count up: more digits are more.
        let newer = |id: &str, than: &str| (id.len(), id) > (than.len(), than);
        let before = after.clone().unwrap_or_default();
        let mut newest = before.clone();
        for item in page {
            let Some(id) = Id::read(&item["id"]).filter(|id| newer(id, &before)) else { continue };
            if newer(&id, &newest) {
                newest = id;
            }
            if let Some((message, Some(profile))) = self.message(&item["status"]).filter(|_| item["type"] == "mention")
            {
                self.mentions.people.insert(profile.person.clone(), profile);
                self.mentions.messages.insert(message.id.clone(), message);
            }
        }
        self.mentions.pages += 1;
        let went_on = newer(&newest, &before);
        // The first time only the newest page is read: what lies before it is long past.
        if after.is_some() && went_on && !page.is_empty() && self.mentions.pages < PAGES {
            return self.agenda.first([Question::Mentions { limit, after: Some(newest) }]);
        }
        let Mentions { messages, people, .. } = std::mem::take(&mut self.mentions);
        let (people, messages) = (people.into_values().collect(), messages.into_values().collect());
        self.agenda.tell(Found::Heard { people, messages, heard: Heard(newest) });
    }
}

impl Sweeper for Sweeping {
    fn next(&mut self) -> Seek {
        sweeping::next(self, |held| &mut held.agenda, Self::request)
    }

    fn answered(&mut self, reply: &HttpReply, now: Timestamp) {
        let Some(question) = self.agenda.asked() else { return };
        self.read(question, reply, now);
        if let Some(pace) = wire::pace(reply, now).filter(|pace| pace.remaining < RESERVE) {
            let why = "what is left of the server's allowance is for posts".into();
            self.agenda.spend(Hindrance::Limited { until: pace.reset, why });
        }
    }
}

/// An account, as far as it is anybody's.
enum Who {
    Us,
    They(Profile),
    /// Its name could be nobody's.
    Nameless,
}

fn list_name(kind: Interaction) -> &'static str {
    match kind {
        Interaction::Like => "favourited_by",
        Interaction::Repost => "reblogged_by",
        _ => "quotes",
    }
}

fn page_size(kind: Interaction) -> u32 {
    if kind == Interaction::Quote { POSTS } else { PEOPLE }
}

fn moment(status: &Value) -> Option<Timestamp> {
    status["created_at"].as_str()?.parse().ok()
}
