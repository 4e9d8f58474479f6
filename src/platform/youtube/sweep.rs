//! What has become of videos: their counts, and the comments below them. Who has watched or liked a video, YouTube tells
//! nobody.
//!
//! Fifty videos cost one unit of the day's quota, a hundred comments of one video another one, and a comment with more
//! answers than come with it one more. Where comments are switched off, nothing was said and nothing is wrong. An answer to
//! an answer stands below the comment on top, as YouTube keeps it. Comments without an author are left out.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::domain::{Interaction, Message, PersonId, Profile, Secret, Timestamp};
use crate::platform::contract::sweep::{Found, Hindrance, Looking, Seek, Sweep, Sweeper, Watched};
use crate::platform::contract::sweeping::{self, Agenda, Looked, Overheard, PAGES};
use crate::platform::contract::{HttpReply, Request};

use super::wire::{Ear, Trouble, Wire};
use super::{ENTRY, is_id, session};

/// Most videos, and most comments by their ids, that are told at once.
const VIDEOS: usize = 50;

/// A sweep that is under way.
#[derive(Debug)]
pub(super) struct Sweeping {
    wire: Wire,
    access: Secret,
    hidden: Vec<String>,
    /// Our channel.
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
    talk: Talk,
    pages: u32,
    /// It was missing in a list once.
    missed: bool,
}

/// What was said, as far as it is read.
#[derive(Debug, Default, Clone)]
struct Talk {
    messages: Vec<Message>,
    people: BTreeMap<PersonId, Profile>,
    met: BTreeSet<String>,
}

#[derive(Debug, Clone)]
enum Question {
    Videos(Vec<usize>),
    Threads {
        post: usize,
        page: Option<String>,
    },
    /// All answers to one comment.
    Answers {
        post: usize,
        comment: String,
        page: Option<String>,
    },
    /// Everything that was said below a video has been read.
    Said(usize),
    Tell(usize),
    Waiting,
    Comments(Vec<String>),
    Around {
        waiting: String,
        talk: Talk,
        page: Option<String>,
    },
}

impl Sweeping {
    pub fn new(wire: Wire, sweep: Sweep, looking: &Looking<'_>) -> Self {
        let us = looking.session.identity.clone();
        let access = session::held(looking.session, looking.now);
        let ours = sweep.posts.iter().filter(|watched| is_id(&watched.remote.id));
        let watching = |watched: &Watched| Watching {
            id: watched.remote.id.clone(),
            looked: Looked::new(watched),
            talk: Talk::default(),
            pages: 0,
            missed: false,
        };
        let posts: Vec<_> = ours.map(watching).collect();
        let places: Vec<usize> = (0..posts.len()).collect();
        let todo = places.chunks(VIDEOS).map(|chunk| Question::Videos(chunk.to_vec())).chain([Question::Waiting]);
        let out = |why: &str| Agenda::stopped(Hindrance::LoggedOut { why: why.into() });
        let agenda = match (&access, &us) {
            (None, _) => out("there is no token, or it is about to expire"),
            (_, None) => out("nobody knows whose token it is"),
            _ => Agenda::new(todo),
        };
        let secrets = looking.secrets.0.values().map(|secret| secret.expose().to_owned());
        let hidden = access.iter().map(|access| access.expose().to_owned()).chain(secrets).collect();
        Self {
            wire,
            access: access.unwrap_or_else(|| Secret::new("")),
            hidden,
            us: us.unwrap_or_default(),
            posts,
            waiting: sweep.waiting,
            overheard: Overheard::default(),
            agenda,
        }
    }

    fn get(&self, path: &str, query: &[(&str, &str)], page: Option<&str>) -> Request {
        let page = page.map(|page| ("pageToken", page));
        let query: Vec<_> = query.iter().copied().chain(page).collect();
        self.wire.read(&self.access, path, &query)
    }

    /// The question as a request; without one it is settled already.
    fn request(&mut self, question: &Question) -> Option<Request> {
        const COMMENTS: [(&str, &str); 3] = [("part", "snippet"), ("maxResults", "100"), ("textFormat", "plainText")];
        match question {
            Question::Videos(places) => {
                let ids: Vec<_> = places.iter().map(|place| self.posts[*place].id.as_str()).collect();
                Some(self.get(
                    "videos",
                    &[("part", "snippet,statistics"), ("id", &ids.join(",")), ("maxResults", "50")],
                    None,
                ))
            }
            Question::Threads { post, page } => {
                let query = [
                    ("part", "snippet,replies"),
                    ("videoId", &self.posts[*post].id),
                    ("order", "time"),
                    ("maxResults", "100"),
                    ("textFormat", "plainText"),
                ];
                Some(self.get("commentThreads", &query, page.as_deref()))
            }
            Question::Answers { comment, page, .. } | Question::Around { waiting: comment, page, .. } => {
                let query: Vec<_> = COMMENTS.into_iter().chain([("parentId", comment.as_str())]).collect();
                Some(self.get("comments", &query, page.as_deref()))
            }
            Question::Comments(ids) => {
                let ids = ids.join(",");
                let query = [("part", "snippet"), ("id", ids.as_str()), ("textFormat", "plainText")];
                Some(self.get("comments", &query, None))
            }
            Question::Said(post) => {
                let talk = std::mem::take(&mut self.posts[*post].talk);
                self.posts[*post].looked.said(talk.messages, talk.people.into_values());
                None
            }
            Question::Tell(post) => {
                let found = self.posts[*post].looked.take();
                if let Found::Post(finding) = &found {
                    self.overheard.add(finding.said.as_deref().unwrap_or_default(), &finding.people);
                }
                self.agenda.tell(found);
                None
            }
            Question::Waiting => {
                let mut ids = Vec::new();
                for id in std::mem::take(&mut self.waiting) {
                    match self.overheard.around(&id) {
                        Some(found) => self.agenda.tell(found),
                        None if is_comment(&id) => ids.push(id),
                        None => {}
                    }
                }
                self.agenda.first(ids.chunks(VIDEOS).map(|chunk| Question::Comments(chunk.to_vec())));
                None
            }
        }
    }

    fn read(&mut self, question: Question, reply: &HttpReply, now: Timestamp) {
        let ear = Ear { now, attempt: 1, hidden: self.hidden.clone() };
        let list = ear.understand(reply).and_then(|value| match value["items"].is_array() {
            true => Ok(value),
            false => Err(Trouble::Unknown { after: None, why: "the reply holds no list".into() }),
        });
        let value = match list {
            Ok(value) => value,
            Err(trouble) => return self.nothing(&question, trouble),
        };
        let items = value["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        let next = value["nextPageToken"].as_str().filter(|page| page.len() <= 1_000).map(str::to_owned);
        self.agenda.went_well();
        match question {
            Question::Videos(places) => {
                let next: Vec<_> = places.into_iter().flat_map(|place| self.counted(place, items)).collect();
                self.agenda.first(next);
            }
            Question::Threads { post, .. } => {
                let mut more = Vec::new();
                let video = self.posts[post].id.clone();
                let mut talk = std::mem::take(&mut self.posts[post].talk);
                for item in items {
                    let top = &item["snippet"]["topLevelComment"];
                    let belongs = item["snippet"]["videoId"] == video.as_str();
                    let Some(id) = top["id"].as_str().filter(|id| belongs && is_comment(id)) else {
                        // What is no comment of this video makes the whole of it doubtful: nothing is said of it.
                        self.agenda.drop_where(|question| match question {
                            Question::Said(other) | Question::Answers { post: other, .. } => *other == post,
                            _ => false,
                        });
                        return;
                    };
                    self.take(&mut talk, top, &video, Some(&video));
                    let answers = item["replies"]["comments"].as_array().map(Vec::as_slice).unwrap_or_default();
                    for answer in answers {
                        self.take(&mut talk, answer, id, Some(&video));
                    }
                    let total = item["snippet"]["totalReplyCount"].as_u64().unwrap_or_default();
                    if total > answers.len() as u64 {
                        more.push(Question::Answers { post, comment: id.to_owned(), page: None });
                    }
                }
                self.posts[post].talk = talk;
                self.goes_on(post, more, next.map(|page| Question::Threads { post, page: Some(page) }));
            }
            Question::Answers { post, comment, .. } => {
                let video = self.posts[post].id.clone();
                let mut talk = std::mem::take(&mut self.posts[post].talk);
                items.iter().for_each(|item| self.take(&mut talk, item, &comment, Some(&video)));
                self.posts[post].talk = talk;
                let more = next.map(|page| Question::Answers { post, comment, page: Some(page) });
                self.goes_on(post, Vec::new(), more);
            }
            Question::Comments(ids) => {
                let told = |id: &String| items.iter().find(|item| item["id"] == id.as_str());
                let mut around = Vec::new();
                for waiting in ids {
                    let Some(item) = told(&waiting) else {
                        self.agenda.tell(Found::Around { waiting, people: Vec::new(), messages: Vec::new() });
                        continue;
                    };
                    let mut talk = Talk::default();
                    self.take(&mut talk, item, item["snippet"]["videoId"].as_str().unwrap_or_default(), None);
                    // Answers have none of their own.
                    if item["snippet"]["parentId"].is_string() {
                        self.around(waiting, talk);
                    } else {
                        around.push(Question::Around { waiting, talk, page: None });
                    }
                }
                self.agenda.first(around);
            }
            Question::Around { waiting, mut talk, .. } => {
                items.iter().for_each(|item| self.take(&mut talk, item, &waiting, None));
                match next {
                    Some(page) if talk.messages.len() < 100 * PAGES as usize => {
                        self.agenda.first([Question::Around { waiting, talk, page: Some(page) }]);
                    }
                    Some(_) => {}
                    None => self.around(waiting, talk),
                }
            }
            // They are not asked.
            Question::Said(_) | Question::Tell(_) | Question::Waiting => {}
        }
    }

    fn around(&mut self, waiting: String, talk: Talk) {
        if !talk.messages.is_empty() {
            let people = talk.people.into_values().collect();
            self.agenda.tell(Found::Around { waiting, people, messages: talk.messages });
        }
    }

    /// More of what was said below a video is asked for, and then it is told; too much of it is not.
    fn goes_on(&mut self, post: usize, more: Vec<Question>, next: Option<Question>) {
        self.posts[post].pages += 1;
        if self.posts[post].pages <= PAGES {
            self.agenda.first(more.into_iter().chain(next));
        } else if !more.is_empty() || next.is_some() {
            self.posts[post].talk = Talk::default();
            self.agenda.drop_where(|question| matches!(question, Question::Said(other) if *other == post));
        }
    }

    fn nothing(&mut self, question: &Question, trouble: Trouble) {
        let of_post = match question {
            Question::Threads { post, .. } | Question::Answers { post, .. } => Some(*post),
            _ => None,
        };
        if let Some(post) = of_post {
            // Not in full, and so not at all.
            self.agenda.drop_where(|question| match question {
                Question::Said(other) => *other == post,
                Question::Answers { post: other, .. } => *other == post,
                _ => false,
            });
            if matches!(&trouble, Trouble::Refused { reason, .. } if reason == "commentsDisabled") {
                return self.agenda.went_well();
            }
        }
        let said = |why: String| format!("failed to read what became of videos: {why}");
        self.agenda.came_to_nothing(match trouble {
            Trouble::Token(why) => Hindrance::LoggedOut { why: said(why) },
            Trouble::Stopped(why) => Hindrance::Forbidden { why: said(why) },
            Trouble::TooMuch { until, why } => Hindrance::Limited { until, why: said(why) },
            Trouble::Refused { why, .. } | Trouble::Unknown { why, .. } => Hindrance::Failed { why: said(why) },
        });
    }

    /// What is to be asked now that the videos were told.
    fn counted(&mut self, post: usize, items: &[Value]) -> Vec<Question> {
        let held = &mut self.posts[post];
        let Some(item) = items.iter().find(|item| item["id"] == held.id.as_str()) else {
            if !std::mem::replace(&mut held.missed, true) {
                // That it is gone is said for good: it is asked once more, alone.
                return vec![Question::Videos(vec![post])];
            }
            held.looked.gone();
            return vec![Question::Tell(post)];
        };
        if item["snippet"]["channelId"] != self.us.as_str() {
            return Vec::new();
        }
        let counts =
            [(Interaction::View, "viewCount"), (Interaction::Like, "likeCount"), (Interaction::Reply, "commentCount")];
        for (kind, key) in counts {
            // They are numbers written as texts.
            let count = &item["statistics"][key];
            held.looked.count(kind, count.as_str().map_or_else(|| count.as_u64(), |text| text.parse().ok()));
        }
        let said = held.looked.may_list(Interaction::Reply);
        let said = said.then_some([Question::Threads { post, page: None }, Question::Said(post)]);
        said.into_iter().flatten().chain([Question::Tell(post)]).collect()
    }

    /// Takes a comment into the talk, if it has an author.
    fn take(&self, talk: &mut Talk, comment: &Value, below: &str, video: Option<&str>) {
        let snippet = &comment["snippet"];
        let (Some(id), Some(channel)) = (comment["id"].as_str(), snippet["authorChannelId"]["value"].as_str()) else {
            return;
        };
        let Some(at) = snippet["publishedAt"].as_str().and_then(|at| at.parse().ok()) else { return };
        let ours = channel == self.us;
        let person = PersonId::new(ENTRY.name, channel).filter(|_| !ours);
        if !is_comment(id) || (!ours && person.is_none()) || !talk.met.insert(id.to_owned()) {
            return;
        }
        let called = snippet["authorDisplayName"].as_str().unwrap_or_default();
        if let Some(person) = &person {
            talk.people.insert(person.clone(), Profile::new(person.clone(), called, None));
        }
        let text = snippet["textOriginal"].as_str().or_else(|| snippet["textDisplay"].as_str()).unwrap_or_default();
        let video = video.or_else(|| snippet["videoId"].as_str()).filter(|video| is_id(video));
        talk.messages.push(Message {
            id: id.to_owned(),
            parent: Some(snippet["parentId"].as_str().unwrap_or(below).to_owned()).filter(|parent| is_comment(parent)),
            by: person,
            at,
            text: Message::plain(text),
            url: video.map(|video| format!("https://www.youtube.com/watch?v={video}&lc={id}")),
            answer: id.to_owned(),
            private: false,
        });
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
    }
}

/// The id of a comment; an answer's has a dot in it.
fn is_comment(id: &str) -> bool {
    (1..=200).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}
