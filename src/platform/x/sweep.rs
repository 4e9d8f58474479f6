//! What has become of posts, who it was, and who has spoken to us; each thing that is read is billed.
//!
//! - **Counts** come for a hundred posts at once. **Who** liked, reposted or quoted is asked only where as many as are
//!   counted are not on record, and for no more than are counted: people cost most of all. X tells of at most a hundred who
//!   like a post; where there are more, the list would not be whole.
//! - **What was said to us** comes from the mentions, which name us in every answer and cost little. Conversations are not
//!   searched: that is dear, and ends after a week. So what was said below a post is not told as a whole.
//! - Whether a message was answered by hand is seen in our own list of posts, once for all messages that wait.
//! - X has no sign for automated accounts.
//!
//! A price is reckoned before each request by what the page could hold, and afterwards by what it held.

use std::collections::BTreeMap;

use serde_json::Value;
use url::Url;

use crate::domain::{Interaction, Message, PersonId, Profile, Secret, Spend, Timestamp};
use crate::platform::contract::sweep::{Found, Heard, Hindrance, Looking, Seek, Sweep, Sweeper, Watched};
use crate::platform::contract::sweeping::{Agenda, Looked, Page, Turn};
use crate::platform::contract::{HttpReply, Request};

use super::ENTRY;
use super::prices::Prices;
use super::session::{self, Signing};
use super::wire::{self, Trouble, Wire};

/// Most posts that are told at once, and most people of one page.
const MANY: usize = 100;
/// Mentions of the first page ever, and of each later one.
const FIRST: u32 = 20;
const LATER: u32 = 100;
/// Pages of mentions, and of our own posts behind a message that waits.
const PAGES: u32 = 5;
/// Smallest pages of lists of posts.
const FEWEST: u64 = 10;

/// A sweep that is under way.
#[derive(Debug)]
pub(super) struct Sweeping {
    base: Url,
    signing: Signing,
    prices: Prices,
    hidden: Vec<String>,
    us: String,
    posts: Vec<Watching>,
    /// Messages that wait, as they were told, and what we have answered since.
    around: Vec<Message>,
    answers: Vec<Message>,
    mentions: Mentions,
    now: Timestamp,
    agenda: Agenda<Question>,
    /// What was asked last.
    last: Option<Question>,
}

#[derive(Debug)]
struct Watching {
    id: String,
    looked: Looked,
}

#[derive(Debug, Default)]
struct Mentions {
    messages: BTreeMap<String, Message>,
    people: BTreeMap<PersonId, Profile>,
    newest: String,
    pages: u32,
}

#[derive(Debug, Clone)]
enum Question {
    Posts(Vec<usize>),
    List {
        post: usize,
        kind: Interaction,
        size: u64,
        page: Option<String>,
    },
    Tell(usize),
    /// The messages that wait, and then our own posts since the oldest of them.
    Waiting(Vec<String>),
    Own {
        since: String,
        page: Option<String>,
        pages: u32,
    },
    Mentions {
        since: Option<String>,
        page: Option<String>,
    },
}

impl Sweeping {
    pub fn new(base: Url, signing: Option<Signing>, prices: Prices, sweep: Sweep, looking: &Looking<'_>) -> Self {
        let us = looking.session.identity.clone().filter(|us| wire::is_id(us));
        let watching = |watched: &Watched| {
            let id = Some(watched.remote.id.clone()).filter(|id| wire::is_id(id));
            let id = id.or_else(|| wire::post_id(&watched.remote.id))?;
            Some(Watching { id, looked: Looked::new(watched) })
        };
        let posts: Vec<_> = sweep.posts.iter().filter_map(watching).collect();
        let places: Vec<usize> = (0..posts.len()).collect();
        let waiting: Vec<_> = sweep.waiting.into_iter().filter(|id| wire::is_id(id)).collect();
        let mut todo: Vec<_> = places.chunks(MANY).map(|chunk| Question::Posts(chunk.to_vec())).collect();
        todo.extend(waiting.chunks(MANY).map(|chunk| Question::Waiting(chunk.to_vec())));
        todo.extend(sweep.heard.map(|Heard(since)| Question::Mentions {
            since: Some(since).filter(|since| wire::is_id(since)),
            page: None,
        }));
        let out = |why: &str| Agenda::stopped(Hindrance::LoggedOut { why: why.into() });
        let agenda = match (&signing, &us) {
            (None, _) => out("there is no token to ask with"),
            (_, None) => out("nobody knows whose token it is"),
            _ => Agenda::new(todo),
        };
        Self {
            base,
            signing: signing.unwrap_or(Signing::OAuth2(Secret::new(""))),
            prices,
            hidden: session::held(looking.secrets, looking.session),
            us: us.unwrap_or_default(),
            posts,
            around: Vec::new(),
            answers: Vec::new(),
            mentions: Mentions::default(),
            now: looking.now,
            agenda,
            last: None,
        }
    }

    /// The question as a request; without one it is settled already.
    fn request(&mut self, question: &Question) -> Option<Request> {
        let wire = Wire { base: &self.base };
        const AUTHOR: [(&str, &str); 3] = [
            ("tweet.fields", "author_id,created_at,referenced_tweets,note_tweet"),
            ("expansions", "author_id"),
            ("user.fields", "username"),
        ];
        let mut query: Vec<(&str, String)> = Vec::new();
        let path: Vec<&str> = match question {
            Question::Posts(places) => {
                let ids: Vec<_> = places.iter().map(|place| self.posts[*place].id.as_str()).collect();
                query.extend([("ids", ids.join(",")), ("tweet.fields", "author_id,public_metrics".into())]);
                vec!["2", "tweets"]
            }
            Question::List { post, kind, size, page } => {
                query.push(("max_results", size.to_string()));
                match kind {
                    Interaction::Quote => query.extend(AUTHOR.map(|(name, value)| (name, value.into()))),
                    _ => query.push(("user.fields", "username".into())),
                }
                query.extend(page.clone().map(|page| ("pagination_token", page)));
                vec!["2", "tweets", &self.posts[*post].id, list_name(*kind)]
            }
            Question::Waiting(ids) => {
                query.extend([("ids", ids.join(",")), (AUTHOR[0].0, AUTHOR[0].1.into())]);
                vec!["2", "tweets"]
            }
            Question::Own { since, page, .. } => {
                query.extend([("max_results", MANY.to_string()), ("since_id", since.clone())]);
                query.push((AUTHOR[0].0, AUTHOR[0].1.into()));
                query.extend(page.clone().map(|page| ("pagination_token", page)));
                vec!["2", "users", &self.us, "tweets"]
            }
            Question::Mentions { since, page } => {
                query.push(("max_results", self.of_mentions(since.as_deref()).to_string()));
                query.extend(AUTHOR.map(|(name, value)| (name, value.into())));
                query.extend(since.clone().map(|since| ("since_id", since)));
                query.extend(page.clone().map(|page| ("pagination_token", page)));
                vec!["2", "users", &self.us, "mentions"]
            }
            Question::Tell(place) => {
                let found = self.posts[*place].looked.take();
                self.agenda.tell(found);
                return None;
            }
        };
        let request = wire.read(&path, &query);
        Some(self.signing.sign(request, self.now))
    }

    fn of_mentions(&self, since: Option<&str>) -> u32 {
        if since.is_some() { LATER } else { FIRST }
    }

    fn read(&mut self, question: Question, reply: &HttpReply) {
        let secrets: Vec<&str> = self.hidden.iter().map(String::as_str).collect();
        // Where nothing is there, X leaves the list out.
        let understood = wire::understand(reply, &secrets, self.now).and_then(|value| {
            let told = value["data"].is_array() || value["meta"]["result_count"] == 0 || value["errors"].is_array();
            if told { Ok(value) } else { Err(Trouble::Unknown("the reply holds no list".into())) }
        });
        let value = match understood {
            Ok(value) => value,
            Err(trouble) => {
                if let Question::List { post, .. } = question {
                    self.posts[post].looked.no_list();
                }
                return self.nothing(trouble);
            }
        };
        self.agenda.went_well();
        let items = value["data"].as_array().map(Vec::as_slice).unwrap_or_default();
        let next = value["meta"]["next_token"].as_str().filter(|page| page.len() <= 1_000).map(str::to_owned);
        match question {
            Question::Posts(places) => {
                let next: Vec<_> = places.into_iter().flat_map(|place| self.counted(place, items, &value)).collect();
                self.agenda.first(next);
            }
            Question::List { post, kind, size, .. } => {
                let acts: Option<Vec<_>> = items.iter().map(|item| self.act(kind, item, &value)).collect();
                let Some(acts) = acts else { return self.posts[post].looked.no_list() };
                // Some lists repeat their last page under ever new names.
                let looked = &self.posts[post].looked;
                let brings = acts.iter().flatten().any(|(profile, _)| looked.is_new(&profile.person));
                let next = next.filter(|_| brings).map_or(Page::Last, Page::Next);
                let next = self.posts[post].looked.page(kind, acts.into_iter().flatten(), next);
                self.agenda.first(next.map(|page| Question::List { post, kind, size, page: Some(page) }));
            }
            Question::Waiting(ids) => {
                let mut oldest: Option<String> = None;
                for waiting in ids {
                    let told = items.iter().find(|item| item["id"] == waiting.as_str());
                    match told.and_then(|item| self.message(item, &value)) {
                        Some((message, _)) => {
                            oldest = Some(oldest.map_or(waiting.clone(), |oldest| earlier(oldest, waiting)));
                            self.around.push(message);
                        }
                        None if is_missing(&value, &waiting) => {
                            self.agenda.tell(Found::Around { waiting, people: Vec::new(), messages: Vec::new() });
                        }
                        None => {}
                    }
                }
                self.agenda.first(oldest.map(|since| Question::Own { since, page: None, pages: 1 }));
            }
            Question::Own { since, pages, .. } => {
                let ours: Vec<_> = items.iter().filter_map(|item| Some(self.message(item, &value)?.0)).collect();
                self.answers.extend(ours.into_iter().filter(|message| message.by.is_none()));
                match next {
                    Some(page) if pages < PAGES => {
                        self.agenda.first([Question::Own { since, page: Some(page), pages: pages + 1 }]);
                    }
                    _ => self.tell_around(),
                }
            }
            Question::Mentions { since, .. } => self.mentioned(items, &value, since, next),
            Question::Tell(_) => {}
        }
    }

    /// Each message that waits with those of our posts that answer it.
    fn tell_around(&mut self) {
        self.answers.sort_by(|one, other| (one.at, &one.id).cmp(&(other.at, &other.id)));
        for message in std::mem::take(&mut self.around) {
            let waiting = message.id.clone();
            let ours = self.answers.iter().filter(|answer| answer.parent.as_ref() == Some(&waiting)).cloned();
            let messages = std::iter::once(message).chain(ours.collect::<Vec<_>>()).collect();
            self.agenda.tell(Found::Around { waiting, people: Vec::new(), messages });
        }
        self.answers.clear();
    }

    fn nothing(&mut self, trouble: Trouble) {
        let said = |why: String| format!("failed to read what became of posts: {why}");
        self.agenda.came_to_nothing(match trouble {
            Trouble::Token(why) => Hindrance::LoggedOut { why: said(why) },
            Trouble::Stopped(why) | Trouble::Refused { status: 403, why } => Hindrance::Forbidden { why: said(why) },
            Trouble::TooMuch { until, why } => Hindrance::Limited { until, why: said(why) },
            other => Hindrance::Failed { why: said(other.why()) },
        });
    }

    /// What is to be asked now that these were told.
    fn counted(&mut self, post: usize, items: &[Value], whole: &Value) -> Vec<Question> {
        let id = self.posts[post].id.clone();
        let looked = &mut self.posts[post].looked;
        let Some(item) = items.iter().find(|item| item["id"] == id.as_str()) else {
            if !is_missing(whole, &id) {
                return Vec::new();
            }
            looked.gone();
            return vec![Question::Tell(post)];
        };
        if item["author_id"] != self.us.as_str() {
            return Vec::new();
        }
        for (kind, names) in COUNTS {
            looked.count(*kind, names.iter().find_map(|name| item["public_metrics"][*name].as_u64()));
        }
        let mut next = Vec::new();
        for kind in [Interaction::Like, Interaction::Repost, Interaction::Quote] {
            let Some(count) = looked.counted(kind) else { continue };
            match (count, looked.known(kind)) {
                (0, _) => looked.nobody(kind),
                // Who is on record is who it was.
                (count, known) if count == known => {}
                // X tells of no more who like a post.
                (count, _) if kind == Interaction::Like && count > MANY as u64 => {}
                (count, _) => {
                    let fewest = if kind == Interaction::Quote { FEWEST } else { 1 };
                    next.push(Question::List { post, kind, size: count.clamp(fewest, MANY as u64), page: None });
                }
            }
        }
        next.push(Question::Tell(post));
        next
    }

    /// Who is meant by an item of a list; `Some(None)`: ourselves, or somebody of whom nothing is told.
    fn act(&self, kind: Interaction, item: &Value, whole: &Value) -> Option<Option<(Profile, Option<Timestamp>)>> {
        wire::id(&item["id"])?;
        if kind != Interaction::Quote {
            let profile = self.profile(item);
            return Some(profile.map(|profile| (profile, None)));
        }
        let author = wire::id(&item["author_id"])?;
        let user =
            whole["includes"]["users"].as_array().into_iter().flatten().find(|user| user["id"] == author.as_str());
        Some(user.and_then(|user| self.profile(user)).map(|profile| (profile, moment(item))))
    }

    fn profile(&self, user: &Value) -> Option<Profile> {
        let id = wire::id(&user["id"]).filter(|id| *id != self.us)?;
        let name = user["username"].as_str().unwrap_or(&id).to_owned();
        Some(Profile::new(PersonId::new(ENTRY.name, &id)?, &name, None))
    }

    /// A post as a message, and how its author looks, where that is told.
    fn message(&self, item: &Value, whole: &Value) -> Option<(Message, Option<Profile>)> {
        let (id, author) = (wire::id(&item["id"])?, wire::id(&item["author_id"])?);
        let user =
            whole["includes"]["users"].as_array().into_iter().flatten().find(|user| user["id"] == author.as_str());
        let answered = item["referenced_tweets"].as_array().into_iter().flatten();
        let parent =
            answered.into_iter().find(|held| held["type"] == "replied_to").and_then(|held| wire::id(&held["id"]));
        let text = item["note_tweet"]["text"].as_str().or_else(|| item["text"].as_str()).unwrap_or_default();
        // Three characters stand there as HTML writes them.
        let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
        let address = format!("https://x.com/i/status/{id}");
        let message = Message {
            parent,
            by: if author == self.us { None } else { Some(PersonId::new(ENTRY.name, &author)?) },
            at: moment(item)?,
            text: Message::plain(&text),
            url: Some(address.clone()),
            answer: address,
            private: false,
            id,
        };
        Some((message, user.and_then(|user| self.profile(user))))
    }

    fn mentioned(&mut self, items: &[Value], whole: &Value, since: Option<String>, next: Option<String>) {
        let newer = |id: &str, than: &str| (id.len(), id) > (than.len(), than);
        for item in items {
            let Some((message, profile)) = self.message(item, whole) else { continue };
            if newer(&message.id, &self.mentions.newest) {
                self.mentions.newest.clone_from(&message.id);
            }
            if let (Some(by), Some(profile)) = (&message.by, profile) {
                self.mentions.people.insert(by.clone(), profile);
                self.mentions.messages.insert(message.id.clone(), message);
            }
        }
        self.mentions.pages += 1;
        if let (Some(page), Some(_)) = (next, &since)
            && self.mentions.pages < PAGES
        {
            return self.agenda.first([Question::Mentions { since, page: Some(page) }]);
        }
        let Mentions { messages, people, newest, .. } = std::mem::take(&mut self.mentions);
        let before = since.unwrap_or_default();
        let heard = Heard(if newer(&newest, &before) { newest } else { before });
        let (people, messages) = (people.into_values().collect(), messages.into_values().collect());
        self.agenda.tell(Found::Heard { people, messages, heard });
    }
}

impl Sweeper for Sweeping {
    fn next(&mut self) -> Seek {
        loop {
            let question = match self.agenda.turn() {
                Turn::Seek(seek) => return seek,
                Turn::Try(question) => question,
            };
            if let Some(request) = self.request(&question) {
                self.last = Some(question.clone());
                return self.agenda.ask(question, request);
            }
        }
    }

    fn answered(&mut self, reply: &HttpReply, now: Timestamp) {
        self.now = now;
        if let Some(question) = self.agenda.asked() {
            self.read(question, reply);
        }
    }

    fn price(&self, reply: Option<&HttpReply>) -> Spend {
        let Some(question) = &self.last else { return Spend::default() };
        let most = match question {
            Question::Posts(places) => places.len() as u64,
            Question::Waiting(ids) => ids.len() as u64,
            Question::List { size, .. } => *size,
            Question::Own { .. } => MANY as u64,
            Question::Mentions { since, .. } => u64::from(self.of_mentions(since.as_deref())),
            Question::Tell(_) => 0,
        };
        let of = |count: u64, users: u64| match question {
            Question::Posts(_) | Question::Waiting(_) => self.prices.of_posts(count),
            Question::List { kind: Interaction::Quote, .. } => {
                self.prices.of_posts(count).plus(self.prices.of_users(users))
            }
            Question::List { .. } => self.prices.of_users(count),
            Question::Own { .. } => self.prices.of_own(count),
            Question::Mentions { .. } => self.prices.of_own(count).plus(self.prices.of_users(users)),
            Question::Tell(_) => Spend::default(),
        };
        let Some(reply) = reply else { return of(most, most) };
        match wire::understand(reply, &[], self.now) {
            Ok(value) => {
                let length = |list: &Value| list.as_array().map_or(0, |list| list.len() as u64).min(most);
                of(length(&value["data"]), length(&value["includes"]["users"]))
            }
            Err(Trouble::Token(_) | Trouble::Stopped(_) | Trouble::TooMuch { .. } | Trouble::TurnedAway(_)) => {
                Spend::default()
            }
            Err(_) => of(most, most),
        }
    }
}

const COUNTS: &[(Interaction, &[&str])] = &[
    (Interaction::Like, &["like_count"]),
    (Interaction::Repost, &["retweet_count", "repost_count"]),
    (Interaction::Quote, &["quote_count"]),
    (Interaction::Reply, &["reply_count"]),
    (Interaction::Save, &["bookmark_count"]),
    (Interaction::View, &["impression_count"]),
];

fn list_name(kind: Interaction) -> &'static str {
    match kind {
        Interaction::Like => "liking_users",
        Interaction::Repost => "retweeted_by",
        _ => "quote_tweets",
    }
}

/// Whether X says that there is no such post. What it says nothing of, nobody knows.
fn is_missing(value: &Value, id: &str) -> bool {
    let names = |error: &&Value| error["resource_id"] == id || error["value"] == id;
    let missing = |error: &Value| error["type"].as_str().is_some_and(|kind| kind.ends_with("/resource-not-found"));
    value["errors"].as_array().into_iter().flatten().filter(names).any(missing)
}

fn earlier(one: String, other: String) -> String {
    if (one.len(), &one) < (other.len(), &other) { one } else { other }
}

fn moment(item: &Value) -> Option<Timestamp> {
    item["created_at"].as_str()?.parse().ok()
}
