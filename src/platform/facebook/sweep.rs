//! What has become of the Page's posts: counts, who reacted, and what was said below them.
//!
//! Each post costs two requests for its counts, and one more for each list where anything is counted. Every kind of
//! reaction counts as a like. What is decided here, and why:
//! - **Gone is what is missing twice.** Facebook says "missing" also of what the token may not see, so a post that is
//!   missing with its counts is asked for once more by itself. One that is there then is not told at all.
//! - **An empty list is no news where something is counted.** A token that may not read comments is shown none, and no
//!   error.
//! - **Whom Meta does not name is left out**, with what they said: the lists are shorter than the counts then.
//! - **No shares are unknown shares**: Facebook leaves the number out where there is none, and where it does not tell.
//!
//! Comments of the Page itself are ours. Who shared a post and who names the Page is not asked.

#[cfg(test)]
mod tests;

use serde_json::Value;
use url::Url;

use super::errors::{self, Class, GraphError};
use super::wire::{self, Id, Wire};
use super::{ENTRY, Facebook, lookback};
use crate::domain::{Interaction, Message, PersonId, Profile, Secret, Timestamp};
use crate::platform::contract::sweep::{Hindrance, Looking, Seek, Sweep, Sweeper, Watched};
use crate::platform::contract::sweeping::{self, Agenda, Looked, Overheard, PAGES, Page, Said, around};
use crate::platform::contract::{HttpReply, Request};

/// A sweep that is under way.
#[derive(Debug)]
pub struct Sweeping {
    base: Url,
    version: String,
    page: String,
    token: Secret,
    app_secret: Option<Secret>,
    posts: Vec<Watching>,
    waiting: Vec<String>,
    overheard: Overheard,
    agenda: Agenda<Question>,
}

#[derive(Debug)]
struct Watching {
    /// As the ledger has it, and as Facebook wants it: a video by itself has no reactions.
    remote: String,
    id: String,
    looked: Looked,
    /// Comments that were shown, also of those whom Meta does not name.
    shown: usize,
}

#[derive(Debug)]
enum Question {
    Counts(usize),
    There(usize),
    Views(usize),
    Reactions {
        post: usize,
        after: Option<String>,
    },
    Comments {
        post: usize,
        after: Option<String>,
    },
    Tell(usize),
    Waiting,
    /// A comment that waits, and then what answers it.
    Comment(String),
    Answers {
        waiting: String,
        said: Vec<Said>,
        after: Option<String>,
        pages: u32,
    },
}

impl Sweeping {
    pub fn new(facebook: &Facebook, sweep: Sweep, looking: &Looking<'_>) -> Self {
        let given = |key: &str| looking.secrets.get(key).filter(|secret| !secret.expose().trim().is_empty()).cloned();
        let (token, app_secret) = (given("token"), facebook.app_secret.as_ref().and_then(|_| given("app_secret")));
        let watching = |watched: &Watched| {
            let remote = Id::read(&Value::from(watched.remote.id.as_str()))?;
            let id = if remote.contains('_') { remote.clone() } else { format!("{}_{remote}", facebook.page) };
            Some(Watching { remote, id, looked: Looked::new(watched), shown: 0 })
        };
        let posts: Vec<_> = sweep.posts.iter().filter_map(watching).collect();
        let out = |why: &str| Agenda::stopped(Hindrance::LoggedOut { why: why.into() });
        let agenda = match (&token, &looking.session.identity) {
            (None, _) => out("there is no access token"),
            (_, None) => out("nobody knows whose token it is"),
            _ => Agenda::new((0..posts.len()).map(Question::Counts).chain([Question::Waiting])),
        };
        Self {
            base: facebook.base.clone(),
            version: facebook.version.clone(),
            page: facebook.page.clone(),
            token: token.unwrap_or_else(|| Secret::new("")),
            app_secret,
            posts,
            waiting: sweep.waiting,
            overheard: Overheard::default(),
            agenda,
        }
    }

    fn wire(&self) -> Wire<'_> {
        let (token, app_secret) = (&self.token, self.app_secret.as_ref());
        Wire { base: &self.base, version: &self.version, page: &self.page, token, app_secret }
    }

    /// The question as a request; without one it is settled already.
    fn request(&mut self, question: &Question) -> Option<Request> {
        let id = |post: &usize| self.posts[*post].id.as_str();
        Some(match question {
            Question::Counts(post) => self.wire().counts(id(post)),
            Question::There(post) => self.wire().there(&self.posts[*post].remote),
            Question::Views(post) => self.wire().views(id(post)),
            Question::Reactions { post, after } => self.wire().reactions(id(post), after.as_deref()),
            Question::Comments { post, after } => self.wire().comments(id(post), after.as_deref()),
            Question::Comment(id) => self.wire().comment(id),
            Question::Answers { waiting, after, .. } => self.wire().comments(waiting, after.as_deref()),
            Question::Tell(post) => {
                let found = self.posts[*post].looked.take();
                self.overheard.hear(&found);
                self.agenda.tell(found);
                return None;
            }
            Question::Waiting => {
                let is_id = |id: &String| Id::read(&Value::from(id.as_str())).is_some();
                let waiting = std::mem::take(&mut self.waiting);
                let (heard, alone) = self.overheard.sort(waiting.into_iter().filter(is_id).collect());
                heard.into_iter().for_each(|found| self.agenda.tell(found));
                self.agenda.first(alone.into_iter().map(Question::Comment));
                return None;
            }
        })
    }

    fn read(&mut self, question: Question, reply: &HttpReply, now: Timestamp) {
        let value = reply.value().filter(|value| reply.status == 200 && value.is_object());
        let missing = GraphError::read(reply).is_some_and(|error| error.class() == Class::Missing);
        match (question, value) {
            (Question::Counts(post), Some(value)) if value["id"] == self.posts[post].id.as_str() => {
                let looked = &mut self.posts[post].looked;
                looked.count(Interaction::Like, value["reactions"]["summary"]["total_count"].as_u64());
                looked.count(Interaction::Reply, value["comments"]["summary"]["total_count"].as_u64());
                looked.count(Interaction::Repost, value["shares"]["count"].as_u64());
                let reactions = looked.may_list(Interaction::Like);
                if !reactions {
                    looked.nobody(Interaction::Like);
                }
                let reactions = reactions.then_some(Question::Reactions { post, after: None });
                let comments = looked.may_list(Interaction::Reply);
                let comments = comments.then_some(Question::Comments { post, after: None });
                let next = [Question::Views(post)].into_iter().chain(reactions).chain(comments);
                self.agenda.first(next.chain([Question::Tell(post)]));
            }
            (Question::Counts(post), None) if missing => self.agenda.first([Question::There(post)]),
            (Question::There(post), None) if missing => {
                self.posts[post].looked.gone();
                self.agenda.first([Question::Tell(post)]);
            }
            // Its counts are what is missing. Nothing is known of them.
            (Question::There(post), Some(value)) if value["id"] == self.posts[post].remote.as_str() => {}
            (Question::Views(post), Some(value)) if value["data"].is_array() => {
                let told = value["data"].as_array().into_iter().flatten();
                let views = told
                    .filter(|metric| metric["name"] == wire::VIEWS)
                    .find_map(|metric| metric["values"][0]["value"].as_u64());
                self.posts[post].looked.count(Interaction::View, views);
            }
            (Question::Reactions { post, .. }, Some(value)) if is_page(&value) => {
                let people = value["data"].as_array().into_iter().flatten();
                let people = people.filter_map(|item| Some((person(item)?, None)));
                let next = self.posts[post].looked.page(Interaction::Like, people, next_page(&value));
                self.agenda.first(next.map(|after| Question::Reactions { post, after: Some(after) }));
            }
            (Question::Comments { post, .. }, Some(value)) if is_page(&value) => {
                let said = self.said(&value, &self.posts[post].remote);
                let held = &mut self.posts[post];
                held.shown += value["data"].as_array().map_or(0, Vec::len);
                let next = next_page(&value);
                let hidden =
                    next == Page::Last && held.shown == 0 && held.looked.counted(Interaction::Reply) != Some(0);
                if !hidden {
                    let next = held.looked.said_page(said, next);
                    self.agenda.first(next.map(|after| Question::Comments { post, after: Some(after) }));
                }
            }
            (Question::Comment(waiting), None) if missing => self.agenda.tell(around(waiting, Vec::new())),
            (Question::Comment(waiting), Some(value)) if value["id"] == waiting.as_str() => {
                // Whose it is, is not told any more: nothing can be said of it.
                let below = format!("{}_{}", self.page, waiting.split('_').next().unwrap_or_default());
                if let Some(said) = self.one(&value, &below) {
                    self.agenda.first([Question::Answers { waiting, said: vec![said], after: None, pages: 0 }]);
                }
            }
            (Question::Answers { waiting, mut said, pages, .. }, Some(value)) if is_page(&value) => {
                said.extend(self.said(&value, &waiting));
                match next_page(&value) {
                    Page::Last => self.agenda.tell(around(waiting, said)),
                    Page::Next(after) if pages < PAGES => {
                        self.agenda.first([Question::Answers { waiting, said, after: Some(after), pages: pages + 1 }]);
                    }
                    Page::Next(_) => {}
                }
            }
            (question, _) => {
                if let Question::Reactions { post, .. } | Question::Comments { post, .. } = question {
                    self.posts[post].looked.no_list();
                }
                return self.nothing(reply, now);
            }
        }
        self.agenda.went_well();
    }

    fn nothing(&mut self, reply: &HttpReply, now: Timestamp) {
        let proof = self.wire().proof();
        let hidden = errors::hidden(Some(&self.token), self.app_secret.as_ref(), proof.as_deref());
        let why = format!("failed to read what became of a post: {}", errors::complaint(reply, &hidden));
        let class = GraphError::read(reply).map(|error| error.class());
        self.agenda.came_to_nothing(match class {
            Some(Class::Token) => Hindrance::LoggedOut { why },
            Some(Class::Permission | Class::Version | Class::Moved | Class::Restricted) => Hindrance::Forbidden { why },
            Some(Class::Limited | Class::TooFast) => {
                Hindrance::Limited { until: errors::limited_until(reply, now), why }
            }
            None if reply.status == 429 => Hindrance::Limited { until: errors::limited_until(reply, now), why },
            _ => Hindrance::Failed { why },
        });
    }

    /// What was said by those who are named, on a page of comments.
    fn said(&self, value: &Value, below: &str) -> Vec<Said> {
        value["data"].as_array().into_iter().flatten().filter_map(|item| self.one(item, below)).collect()
    }

    fn one(&self, item: &Value, below: &str) -> Option<Said> {
        let id = Id::read(&item["id"])?;
        let ours = Id::read(&item["from"]["id"])? == self.page;
        let by = if ours { None } else { Some(person(&item["from"])?) };
        let message = Message {
            parent: Some(Id::read(&item["parent"]["id"]).unwrap_or_else(|| below.to_owned())),
            by: by.as_ref().map(|profile| profile.person.clone()),
            at: lookback::created(item)?,
            text: Message::plain(item["message"].as_str().unwrap_or_default()),
            url: wire::permalink(item),
            answer: id.clone(),
            private: false,
            id,
        };
        Some((message, by))
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
        if let Some(until) = errors::spared(reply, now) {
            let why = "little is left of what may be asked".into();
            self.agenda.spend(Hindrance::Limited { until, why });
        }
    }
}

/// Whom Meta names. It marks no bots.
fn person(item: &Value) -> Option<Profile> {
    let id = Id::read(&item["id"])?;
    let name = item["name"].as_str().unwrap_or(&id);
    Some(Profile::new(PersonId::new(ENTRY.name, &id)?, name, None))
}

/// A page of a list that can be read on.
fn is_page(value: &Value) -> bool {
    value["data"].is_array() && (value["paging"]["next"].is_null() || after(value).is_some())
}

/// Where a list goes on. The address of the next page holds the token; only the place in it is taken over.
fn next_page(value: &Value) -> Page {
    let more = !value["paging"]["next"].is_null();
    after(value).filter(|_| more).map_or(Page::Last, |after| Page::Next(after.to_owned()))
}

fn after(value: &Value) -> Option<&str> {
    value["paging"]["cursors"]["after"].as_str().filter(|after| !after.is_empty() && after.len() <= 1_000)
}
