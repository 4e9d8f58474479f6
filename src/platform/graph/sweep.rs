//! What has become of posts on Threads and Instagram: counts, and what was said below them. Who liked or passed on a
//! post, neither tells; people are those who have answered.
//!
//! Each post costs one or two requests for its counts, and one more for what was said where anything is counted. Counts
//! that are refused cost only themselves. A post is gone when Meta knows it neither by its counts nor by itself; what is
//! not ready yet is not gone. Messages without an author are of people whom Meta does not tell of: they are left out.

use serde_json::Value;
use url::Url;

use super::errors::{self, Class};
use super::publishing::Account;
use super::wire::{self, Wire};
use super::{look, token};
use crate::domain::{Interaction, Message, PersonId, Profile, Secret, Timestamp};
use crate::platform::contract::sweep::{Hindrance, Looking, Seek, Sweep, Sweeper, Watched};
use crate::platform::contract::sweeping::{self, Agenda, Looked, Overheard, Page, Said, around};
use crate::platform::contract::{HttpReply, Request};

/// What one service tells of its posts, and in which words.
#[derive(Debug, PartialEq, Eq)]
pub struct Telling {
    pub platform: &'static str,
    /// Counts among a post's fields.
    pub fields: &'static [(&'static str, Interaction)],
    /// Counts among its insights.
    pub metrics: &'static [(&'static str, Interaction)],
    /// The list of what was said below a post.
    pub said: &'static str,
    /// The list of what answers one message directly, where it stands apart from the message.
    pub answers: Option<&'static str>,
    /// Fields of a message.
    pub message: &'static str,
    /// The field that names what it answers: an object with an id, or an id.
    pub parent: &'static str,
    /// Whether people have ids; else their names are all there is.
    pub ids: bool,
}

/// Messages on one page.
const PAGE: usize = 50;

/// A sweep that is under way.
#[derive(Debug)]
pub struct Sweeping {
    telling: &'static Telling,
    base: Url,
    version: String,
    token: Secret,
    proof: Option<String>,
    hidden: Vec<Secret>,
    /// Our account's id.
    us: String,
    posts: Vec<Watching>,
    waiting: Vec<String>,
    overheard: Overheard,
    agenda: Agenda<Question>,
}

#[derive(Debug)]
struct Watching {
    id: String,
    looked: Looked,
    /// What we are called there.
    name: Option<String>,
}

#[derive(Debug, Clone)]
enum Question {
    Post(usize),
    Insights(usize),
    Said {
        post: usize,
        after: Option<String>,
    },
    Tell(usize),
    Waiting,
    /// A message that waits, and then what answers it.
    Message(String),
    Answers(String, Vec<Said>),
}

impl Sweeping {
    pub fn new(telling: &'static Telling, account: &Account, sweep: Sweep, looking: &Looking<'_>) -> Self {
        let token = token::at_hand(looking.session, looking.secrets, looking.now);
        let token = token.filter(|token| !token.expose().trim().is_empty());
        let us = looking.session.identity.clone();
        let watching = |watched: &Watched| {
            Some(Watching {
                id: wire::id(&Value::from(watched.remote.id.as_str()))?,
                looked: Looked::new(watched),
                name: None,
            })
        };
        let posts: Vec<_> = sweep.posts.iter().filter_map(watching).collect();
        let first = |post| if telling.fields.is_empty() { Question::Insights(post) } else { Question::Post(post) };
        let todo = (0..posts.len()).map(first).chain([Question::Waiting]);
        let out = |why: &str| Agenda::stopped(Hindrance::LoggedOut { why: why.into() });
        let agenda = match (&token, &us) {
            (None, _) => out("there is no access token"),
            (_, None) => out("nobody knows whose token it is"),
            _ => Agenda::new(todo),
        };
        let app = account.app_secret.as_ref().and(looking.secrets.get(token::APP_SECRET));
        let token = token.unwrap_or_else(|| Secret::new(""));
        Self {
            telling,
            base: account.base.clone(),
            version: account.version.clone(),
            proof: app.map(|secret| wire::proof(secret, &token)),
            hidden: [Some(&token), app, looking.secrets.get(token::TOKEN)].into_iter().flatten().cloned().collect(),
            token,
            us: us.unwrap_or_default(),
            posts,
            waiting: sweep.waiting,
            overheard: Overheard::default(),
            agenda,
        }
    }

    fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Request {
        let (token, proof) = (self.token.clone(), self.proof.clone());
        Wire { base: &self.base, version: &self.version, token, proof }.get(path, query)
    }

    /// The question as a request; without one it is settled already.
    fn request(&mut self, question: &Question) -> Option<Request> {
        match question {
            Question::Post(post) => {
                let names = self.telling.fields.iter().map(|(name, _)| *name);
                let fields: Vec<_> = ["id"].into_iter().chain(names).chain(["username"]).collect();
                let fields = if self.telling.fields.is_empty() { "id".to_owned() } else { fields.join(",") };
                Some(self.get(&[&self.posts[*post].id], &[("fields", &fields)]))
            }
            Question::Insights(post) => {
                let metrics: Vec<_> = self.telling.metrics.iter().map(|(name, _)| *name).collect();
                Some(self.get(&[&self.posts[*post].id, "insights"], &[("metric", &metrics.join(","))]))
            }
            Question::Said { post, after } => {
                let mut query = vec![("fields", self.telling.message), ("limit", "50")];
                query.extend(after.as_deref().map(|after| ("after", after)));
                Some(self.get(&[&self.posts[*post].id, self.telling.said], &query))
            }
            Question::Message(id) => Some(self.get(&[id], &[("fields", self.telling.message)])),
            Question::Answers(waiting, _) => {
                let list = self.telling.answers?;
                Some(self.get(&[waiting, list], &[("fields", self.telling.message), ("limit", "50")]))
            }
            Question::Tell(post) => {
                let found = self.posts[*post].looked.take();
                self.overheard.hear(&found);
                self.agenda.tell(found);
                None
            }
            Question::Waiting => {
                let (heard, alone) = self.overheard.sort(std::mem::take(&mut self.waiting));
                heard.into_iter().for_each(|found| self.agenda.tell(found));
                let alone = alone.into_iter().filter_map(|id| wire::id(&Value::from(id)));
                self.agenda.first(alone.map(Question::Message));
                None
            }
        }
    }

    fn read(&mut self, question: Question, reply: &HttpReply, now: Timestamp) {
        let value = reply.value().filter(|value| reply.status == 200 && value.is_object());
        let missing = errors::class(reply) == Class::Missing;
        match (question, value) {
            (Question::Post(post), Some(value)) if value["id"] == self.posts[post].id.as_str() => {
                self.agenda.went_well();
                let held = &mut self.posts[post];
                held.name = value["username"].as_str().map(str::to_owned);
                for (name, kind) in self.telling.fields {
                    held.looked.count(*kind, value[*name].as_u64());
                }
                // Asked once more only because nothing was told of its counts.
                if self.telling.fields.is_empty() {
                    return;
                }
                let next =
                    if self.telling.metrics.is_empty() { self.then(post) } else { vec![Question::Insights(post)] };
                self.agenda.first(next);
            }
            (Question::Post(post), None) if missing => {
                self.agenda.went_well();
                self.posts[post].looked.gone();
                self.agenda.first([Question::Tell(post)]);
            }
            (Question::Insights(post), Some(value)) if value["data"].is_array() => {
                self.agenda.went_well();
                for told in value["data"].as_array().into_iter().flatten() {
                    let kind = self.telling.metrics.iter().find(|(name, _)| told["name"] == *name);
                    let count = told["values"][0]["value"].as_u64().or_else(|| told["total_value"]["value"].as_u64());
                    if let Some((_, kind)) = kind {
                        self.posts[post].looked.count(*kind, count);
                    }
                }
                let next = self.then(post);
                self.agenda.first(next);
            }
            (Question::Insights(post), None) if missing && self.telling.fields.is_empty() => {
                self.agenda.went_well();
                self.agenda.first([Question::Post(post)]);
            }
            (Question::Insights(post), _) => {
                self.nothing(reply, now, "failed to read a post's counts");
                let next = self.then(post);
                // Where nothing was counted, nothing is told.
                self.agenda.first(if self.telling.fields.is_empty() { Vec::new() } else { next });
            }
            (Question::Said { post, .. }, Some(value)) => match self.said(post, &value) {
                Some(said) => {
                    self.agenda.went_well();
                    let next = next_page(&value).map_or(Page::Last, Page::Next);
                    let next = self.posts[post].looked.said_page(said, next);
                    self.agenda.first(next.map(|after| Question::Said { post, after: Some(after) }));
                }
                None => self.nothing(reply, now, "failed to read what was said"),
            },
            (Question::Message(waiting), None) if missing => {
                self.agenda.went_well();
                self.agenda.tell(around(waiting, Vec::new()));
            }
            (Question::Message(waiting), Some(value)) if value["id"] == waiting.as_str() => {
                self.agenda.went_well();
                let mut read = Vec::new();
                if self.message(&value, None, None, &mut read).is_none() || read.is_empty() {
                    return;
                }
                if self.telling.answers.is_some() {
                    return self.agenda.first([Question::Answers(waiting, read)]);
                }
                self.agenda.tell(around(waiting, read));
            }
            (Question::Answers(waiting, mut read), Some(value)) if value["data"].is_array() => {
                self.agenda.went_well();
                read.truncate(1);
                for item in value["data"].as_array().into_iter().flatten() {
                    _ = self.message(item, Some(&waiting), None, &mut read);
                }
                self.agenda.tell(around(waiting, read));
            }
            _ => self.nothing(reply, now, "failed to read what became of a post"),
        }
    }

    /// What comes behind a post's counts.
    fn then(&self, post: usize) -> Vec<Question> {
        let said = self.posts[post].looked.may_list(Interaction::Reply);
        let said = said.then_some(Question::Said { post, after: None });
        said.into_iter().chain([Question::Tell(post)]).collect()
    }

    fn nothing(&mut self, reply: &HttpReply, now: Timestamp, what: &str) {
        let hidden: Vec<&str> = self.hidden.iter().map(Secret::expose).collect();
        let why = errors::why(what, reply, &hidden);
        self.agenda.came_to_nothing(match errors::class(reply) {
            Class::Token => Hindrance::LoggedOut { why },
            Class::Permission | Class::Version | Class::Restricted => Hindrance::Forbidden { why },
            Class::Limited | Class::Quota => Hindrance::Limited { until: errors::limited_until(reply, now), why },
            _ => Hindrance::Failed { why },
        });
    }

    /// Everything on a page of what was said; `None`: this is no such page.
    fn said(&self, post: usize, value: &Value) -> Option<Vec<Said>> {
        let mut read = Vec::new();
        let Watching { id, name, .. } = &self.posts[post];
        for item in value["data"].as_array()? {
            self.message(item, Some(id), name.as_deref(), &mut read)?;
        }
        read.retain(|(message, _)| message.id != *id);
        Some(read)
    }

    /// A message and the answers that stand in it. Without an author it is left out; `None`: it is no message.
    fn message(&self, item: &Value, below: Option<&str>, name: Option<&str>, read: &mut Vec<Said>) -> Option<()> {
        let id = wire::id(&item["id"])?;
        let held = &item[self.telling.parent];
        let parent = wire::id(&held["id"]).or_else(|| wire::id(held)).or_else(|| below.map(str::to_owned));
        let parent = parent.or_else(|| wire::id(&item["media"]["id"]));
        let author = if item["from"].is_object() { &item["from"] } else { item };
        let called = author["username"].as_str().or_else(|| item["username"].as_str());
        let ours = item["is_reply_owned_by_me"] == true
            || (self.telling.ids && author["id"] == self.us.as_str())
            || (name.is_some() && called == name);
        let person = match (self.telling.ids, called) {
            (true, _) if item["from"].is_object() => wire::id(&author["id"]),
            (true, _) => None,
            (false, called) => called.map(str::to_lowercase),
        };
        let profile = person.and_then(|person| PersonId::new(self.telling.platform, &person));
        let by = profile.filter(|_| !ours).map(|person| Profile::new(person, called.unwrap_or_default(), None));
        if let Some(at) = look::written(item)
            && (ours || by.is_some())
        {
            let message = Message {
                id: id.clone(),
                parent,
                by: by.as_ref().map(|profile| profile.person.clone()),
                at,
                text: Message::plain(item["text"].as_str().unwrap_or_default()),
                url: wire::web_address(&item["permalink"]),
                answer: id.clone(),
                private: false,
            };
            read.push((message, by));
        }
        for answer in item["replies"]["data"].as_array().into_iter().flatten() {
            self.message(answer, Some(&id), name, read)?;
        }
        Some(())
    }
}

impl Sweeper for Sweeping {
    fn next(&mut self) -> Seek {
        sweeping::next(self, |held| &mut held.agenda, Self::request)
    }

    fn answered(&mut self, reply: &HttpReply, now: Timestamp) {
        if let Some(question) = self.agenda.asked() {
            self.read(question, reply, now);
        }
        if let Some(pace) = errors::pace(reply, now) {
            let why = "nothing is left of what may be asked".into();
            self.agenda.spend(Hindrance::Limited { until: pace.reset, why });
        }
    }
}

/// Where a list goes on. A last page may name a place behind it all the same, and a page that is not full may not be the
/// last one; only a short one without an address of the next one surely is.
fn next_page(value: &Value) -> Option<String> {
    let after = value["paging"]["cursors"]["after"].as_str().filter(|after| after.len() <= 1_000)?;
    let length = value["data"].as_array().map_or(0, Vec::len);
    (length >= PAGE || (length > 0 && value["paging"]["next"].is_string())).then(|| after.to_owned())
}
