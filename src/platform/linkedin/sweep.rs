//! What has become of a page's posts: counts, who reacted, and what was said below them. A member's token may read nothing
//! of that; what is unknown stays unknown.
//!
//! A post costs one request for its counts, one for a hundred who reacted, one for a hundred comments, and one for each
//! comment that was answered. LinkedIn counts requests by the day, a hundred of them in its smallest tier, and publishing
//! needs them too: so a conversation that waits is looked at only with posts that are due, and not by itself every few
//! minutes. What is decided besides:
//! - **Every kind of reaction counts as a like**, as LinkedIn's own sum has it.
//! - **Gone is what is missing by itself.** That its counts are missing may have other reasons.
//! - **Pages are counted off**, so whoever takes a reaction back moves all behind them one place up: the end of a page is
//!   read again with the next one.
//! - **People are URNs, and their names are not told.** What they do may be kept for two days: see
//!   [`super::Linkedin`]'s retention.

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use serde_json::Value;
use url::Url;

use super::session;
use super::wire::{self, Trouble, Wire};
use super::{ENTRY, Linkedin, is_post};
use crate::domain::{Interaction, Message, PersonId, Profile, Secret, Timestamp};
use crate::platform::contract::sweep::{Hindrance, Looking, Seek, Sweep, Sweeper, Watched};
use crate::platform::contract::sweeping::{self, Agenda, Looked, Overheard, Page, Said, around};
use crate::platform::contract::{Call, HttpReply};

/// Entries at the end of a page that are read again with the next one.
const AGAIN: usize = 10;
/// Most comments of a post whose answers are read. Where more were answered, nothing is told of what was said.
const ANSWERED: usize = 30;
/// Most answers of one comment that waits.
const MOST: usize = 1_000;
/// Longest URN of a person or a comment.
const URN_CHARS: usize = 300;

/// A sweep that is under way.
#[derive(Debug)]
pub struct Sweeping {
    base: Url,
    version: String,
    token: Secret,
    hidden: Vec<Secret>,
    /// The page.
    us: String,
    posts: Vec<Watching>,
    waiting: Vec<String>,
    overheard: Overheard,
    agenda: Agenda<Question>,
}

#[derive(Debug)]
struct Watching {
    urn: String,
    looked: Looked,
    /// Comments below comments, as far as they are counted.
    nested: Option<u64>,
    /// Comments that were answered, and whose answers are still to be read.
    answered: VecDeque<String>,
}

#[derive(Debug)]
enum Question {
    Counts(usize),
    There(usize),
    Reactions {
        post: usize,
        start: usize,
    },
    Comments {
        post: usize,
        start: usize,
    },
    /// What answers the first comment that was answered.
    Below {
        post: usize,
        comment: String,
        start: usize,
    },
    Tell(usize),
    Waiting,
    /// A comment that waits, and then what answers it.
    Comment(Urn),
    Answers {
        comment: Urn,
        said: Vec<Said>,
        start: usize,
    },
}

/// A comment's: below what it stands, and its number.
#[derive(Debug)]
struct Urn {
    whole: String,
    object: String,
    id: String,
}

impl Sweeping {
    /// `us` is the page.
    pub fn new(linkedin: &Linkedin, us: &str, sweep: Sweep, looking: &Looking<'_>) -> Self {
        let token = session::at_hand(looking.session, looking.secrets);
        let token = token.filter(|token| !token.expose().trim().is_empty());
        let watching = |watched: &Watched| Watching {
            urn: watched.remote.id.clone(),
            looked: Looked::new(watched),
            nested: None,
            answered: VecDeque::new(),
        };
        let posts: Vec<_> = sweep.posts.iter().filter(|post| is_post(&post.remote.id)).map(watching).collect();
        let out = |why: &str| Agenda::stopped(Hindrance::LoggedOut { why: why.into() });
        let agenda = match (&token, &looking.session.identity) {
            (None, _) => out("there is no access token"),
            (_, None) => out("nobody knows yet whether the token is accepted"),
            _ => Agenda::new((0..posts.len()).map(Question::Counts).chain([Question::Waiting])),
        };
        Self {
            base: linkedin.base.clone(),
            version: linkedin.version.clone(),
            hidden: looking.secrets.0.values().chain(&token).cloned().collect(),
            token: token.unwrap_or_else(|| Secret::new("")),
            us: us.to_owned(),
            waiting: if posts.is_empty() { Vec::new() } else { sweep.waiting },
            posts,
            overheard: Overheard::default(),
            agenda,
        }
    }

    /// The question as a call; without one it is settled already.
    fn call(&mut self, question: &Question) -> Option<Call> {
        let wire = Wire { base: &self.base, version: &self.version, token: &self.token };
        let urn = |post: &usize| self.posts[*post].urn.as_str();
        Some(match question {
            Question::Counts(post) => wire.metadata(urn(post)),
            Question::There(post) => wire.post(urn(post)),
            Question::Reactions { post, start } => wire.reactions(urn(post), *start),
            Question::Comments { post, start } => wire.comments(urn(post), *start),
            Question::Below { comment, start, .. } => wire.comments(comment, *start),
            Question::Comment(comment) => wire.comment(&comment.object, &comment.id),
            Question::Answers { comment, start, .. } => wire.comments(&comment.whole, *start),
            Question::Tell(post) => {
                let found = self.posts[*post].looked.take();
                self.overheard.hear(&found);
                self.agenda.tell(found);
                return None;
            }
            Question::Waiting => {
                let (heard, alone) = self.overheard.sort(std::mem::take(&mut self.waiting));
                heard.into_iter().for_each(|found| self.agenda.tell(found));
                self.agenda.first(alone.iter().filter_map(|id| Urn::read(id)).map(Question::Comment));
                return None;
            }
        })
    }

    fn read(&mut self, question: Question, reply: &HttpReply, now: Timestamp) {
        let value = reply.value().filter(|value| reply.status == 200 && value.is_object());
        let hidden: Vec<&str> = self.hidden.iter().map(|secret| secret.expose().trim()).collect();
        let trouble = || wire::trouble(reply, &hidden, now);
        let missing = reply.status == 404 && matches!(trouble(), Trouble::Refused { refusal, .. } if refusal.spoken);
        match (question, value) {
            (Question::Counts(post), Some(value)) if value["commentSummary"].is_object() => {
                let held = &mut self.posts[post];
                let counts =
                    value["reactionSummaries"].as_object().map(|all| all.values().map(|one| one["count"].as_u64()));
                held.looked.count(Interaction::Like, counts.and_then(Iterator::sum));
                let (all, top) =
                    (value["commentSummary"]["count"].as_u64(), value["commentSummary"]["topLevelCount"].as_u64());
                held.looked.count(Interaction::Reply, all);
                held.nested = all.zip(top).map(|(all, top)| all.saturating_sub(top));
                let reactions = held.looked.may_list(Interaction::Like);
                if !reactions {
                    held.looked.nobody(Interaction::Like);
                }
                let reactions = reactions.then_some(Question::Reactions { post, start: 0 });
                let comments = held.looked.may_list(Interaction::Reply);
                let comments = comments.then_some(Question::Comments { post, start: 0 });
                self.agenda.first(reactions.into_iter().chain(comments).chain([Question::Tell(post)]));
            }
            (Question::Counts(post), None) if missing => self.agenda.first([Question::There(post)]),
            (Question::There(post), None) if missing => {
                self.posts[post].looked.gone();
                self.agenda.first([Question::Tell(post)]);
            }
            // Its counts are what is missing. Nothing is known of them.
            (Question::There(post), Some(value)) if value["id"] == self.posts[post].urn.as_str() => {}
            (Question::Reactions { post, start }, Some(value)) if value["elements"].is_array() => {
                let looked = &mut self.posts[post].looked;
                let people: Vec<_> = elements(&value).filter_map(reacted).collect();
                let news = people.iter().any(|(profile, _)| looked.is_new(&profile.person));
                let next = next_page(&value, start, news);
                if let Some(start) = looked.page(Interaction::Like, people, next).and_then(|start| start.parse().ok()) {
                    self.agenda.first([Question::Reactions { post, start }]);
                }
            }
            (Question::Comments { post, start }, Some(value)) if value["elements"].is_array() => {
                self.comments(post, start, &value);
            }
            (Question::Below { post, comment, start }, Some(value)) if value["elements"].is_array() => {
                self.below(post, comment, start, &value);
            }
            (Question::Comment(comment), None) if missing => self.agenda.tell(around(comment.whole, Vec::new())),
            (Question::Comment(comment), Some(value)) if value["id"] == comment.id.as_str() => {
                if let Some(said) = self.said(&value, &comment.object) {
                    self.agenda.first([Question::Answers { comment, said: vec![said], start: 0 }]);
                }
            }
            (Question::Answers { comment, mut said, start }, Some(value)) if value["elements"].is_array() => {
                let before = said.len();
                for one in elements(&value).filter_map(|item| self.said(item, &comment.whole)) {
                    if said.iter().all(|(held, _)| held.id != one.0.id) {
                        said.push(one);
                    }
                }
                match next_page(&value, start, said.len() > before) {
                    Page::Next(start) if said.len() < MOST => {
                        let start = start.parse().unwrap_or_default();
                        self.agenda.first([Question::Answers { comment, said, start }]);
                    }
                    Page::Next(_) => {}
                    Page::Last => self.agenda.tell(around(comment.whole, said)),
                }
            }
            (question, _) => {
                if let Question::Reactions { post, .. } = question {
                    self.posts[post].looked.no_list();
                }
                let why = "failed to read what became of a post";
                return self.agenda.came_to_nothing(match trouble() {
                    Trouble::Token(told) => Hindrance::LoggedOut { why: format!("{why}: {told}") },
                    Trouble::Forbidden(told) | Trouble::Version(told) => {
                        Hindrance::Forbidden { why: format!("{why}: {told}") }
                    }
                    Trouble::TooMuch { until, why: told } => {
                        Hindrance::Limited { until, why: format!("{why}: {told}") }
                    }
                    Trouble::Again(told) | Trouble::Refused { why: told, .. } | Trouble::Unknown(told) => {
                        Hindrance::Failed { why: format!("{why}: {told}") }
                    }
                });
            }
        }
        self.agenda.went_well();
    }

    /// A page of comments, behind the last of which the answers are read.
    fn comments(&mut self, post: usize, start: usize, value: &Value) {
        let said: Vec<_> = elements(value).filter_map(|item| self.said(item, &self.posts[post].urn)).collect();
        let held = &mut self.posts[post];
        let mut news = false;
        for item in elements(value) {
            let Some(urn) = urn_of(item) else { continue };
            let told = &item["commentsSummary"];
            let count = told["aggregatedTotalComments"].as_u64().or_else(|| told["totalFirstLevelComments"].as_u64());
            // Where it is not told by the comment itself, any may have been answered.
            if count.unwrap_or(held.nested.unwrap_or(1)) > 0 && !held.answered.contains(&urn) {
                held.answered.push_back(urn);
            }
        }
        for (message, _) in &said {
            news |= !held.looked.has_said(&message.id);
        }
        let next = next_page(value, start, news);
        let more = held.answered.len() > ANSWERED;
        match next {
            _ if more => held.looked.no_talk(),
            Page::Last if !held.answered.is_empty() && held.looked.say(said.clone()) => {
                self.agenda.first(self.posts[post].answered.pop_front().map(|comment| Question::Below {
                    post,
                    comment,
                    start: 0,
                }));
            }
            next => {
                if let Some(start) = held.looked.said_page(said, next).and_then(|start| start.parse().ok()) {
                    self.agenda.first([Question::Comments { post, start }]);
                }
            }
        }
    }

    /// A page of what answers a comment, and then the next comment's.
    fn below(&mut self, post: usize, comment: String, start: usize, value: &Value) {
        let said: Vec<_> = elements(value).filter_map(|item| self.said(item, &comment)).collect();
        let held = &mut self.posts[post];
        let news = said.iter().any(|(message, _)| !held.looked.has_said(&message.id));
        match next_page(value, start, news) {
            _ if !held.looked.say(said.clone()) => held.looked.no_talk(),
            Page::Next(start) => {
                let start = start.parse().unwrap_or_default();
                self.agenda.first([Question::Below { post, comment, start }]);
            }
            Page::Last => match held.answered.pop_front() {
                Some(comment) => self.agenda.first([Question::Below { post, comment, start: 0 }]),
                None => drop(held.looked.said_page([], Page::Last)),
            },
        }
    }

    fn said(&self, item: &Value, below: &str) -> Option<Said> {
        let id = urn_of(item)?;
        let actor = item["actor"].as_str()?;
        let by = if actor == self.us { None } else { Some(person(actor)?) };
        let parent = urn(&item["parentComment"]).unwrap_or_else(|| below.to_owned());
        let message = Message {
            parent: Some(parent),
            by: by.as_ref().map(|profile| profile.person.clone()),
            at: moment(&item["created"])?,
            text: Message::plain(item["message"]["text"].as_str().unwrap_or_default()),
            url: None,
            answer: id.clone(),
            private: false,
            id,
        };
        Some((message, by))
    }
}

impl Sweeper for Sweeping {
    fn next(&mut self) -> Seek {
        sweeping::next(self, |held| &mut held.agenda, Self::call)
    }

    fn answered(&mut self, reply: &HttpReply, now: Timestamp) {
        if let Some(question) = self.agenda.asked() {
            self.read(question, reply, now);
        }
    }
}

impl Urn {
    /// `urn:li:comment:(urn:li:activity:1,2)`.
    fn read(text: &str) -> Option<Self> {
        let whole = urn(&Value::from(text))?;
        let (object, id) = whole.strip_prefix("urn:li:comment:(")?.strip_suffix(')')?.split_once(',')?;
        let plain =
            |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || ":_-".contains(c));
        let parts = (object.to_owned(), id.to_owned());
        (plain(&parts.0) && plain(&parts.1)).then_some(Self { whole, object: parts.0, id: parts.1 })
    }
}

fn elements(value: &Value) -> impl Iterator<Item = &Value> {
    value["elements"].as_array().into_iter().flatten()
}

/// A URN that can stand in a record and in a path.
fn urn(value: &Value) -> Option<String> {
    let text = value.as_str().filter(|text| text.len() <= URN_CHARS && text.starts_with("urn:li:"))?;
    text.chars().all(|c| c.is_ascii_alphanumeric() || ":_-(),".contains(c)).then(|| text.to_owned())
}

/// What a comment is called; some versions tell its number and what it stands below.
fn urn_of(item: &Value) -> Option<String> {
    let made = || Some(format!("urn:li:comment:({},{})", item["object"].as_str()?, item["id"].as_str()?));
    Urn::read(&urn(&item["commentUrn"]).or_else(made)?).map(|urn| urn.whole)
}

fn person(actor: &str) -> Option<Profile> {
    let actor = urn(&Value::from(actor))?;
    Some(Profile::new(PersonId::new(ENTRY.name, &actor)?, &actor, None))
}

fn reacted(item: &Value) -> Option<(Profile, Option<Timestamp>)> {
    Some((person(item["created"]["actor"].as_str()?)?, moment(&item["created"])))
}

fn moment(created: &Value) -> Option<Timestamp> {
    Timestamp::from_millisecond(created["time"].as_i64()?).ok()
}

/// Where a list goes on: at the last entries of this page. Behind a page without news there is nothing more: a list is
/// said to be as long as what is counted, and ends before that where somebody is not shown.
fn next_page(value: &Value, start: usize, news: bool) -> Page {
    let length = elements(value).count();
    let behind = start + length;
    let total = value["paging"]["total"].as_u64().and_then(|total| usize::try_from(total).ok());
    let again = AGAIN.min(length / 2);
    let over = length == 0 || (start > 0 && !news) || total.map_or(!news, |total| behind >= total);
    if over { Page::Last } else { Page::Next((behind - again).to_string()) }
}
