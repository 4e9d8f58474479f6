//! What has become of notes, and who has spoken to us: asked of all relays at once, and put together.
//!
//! No relay knows everything, and none can be believed. So everything is an event with the signature of whoever it is of,
//! what one relay tells is added to what the others tell, and [`Pool`] says what it all means. What is decided here:
//!
//! - **Everything is asked for all posts together**: what names them, then what answers that, then what of it was taken
//!   back, and last how those look who are named.
//! - **A relay that fails is asked no more in this sweep**, and then it is said that not everybody was heard: nobody has
//!   left for that, nor is a message gone that another one still has.
//! - **Lists are read backwards in time**, to a page that is short. Moments are whole seconds and what others write there,
//!   so the second at the end of a page is asked for once more with the next one.
//! - **How far we have heard is known for each relay**, by what it has told: one that was away for a day tells the day.
//!
//! Only relays of the account are asked. Whoever writes to others alone is not seen.

mod pool;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};
use url::Url;

use super::event::{self, Event};
use super::wire::{self, Answer};
use super::{ENTRY, Nostr, nip19};
use crate::domain::{Interaction, Message, PersonId, Profile, Timestamp, time};
use crate::platform::contract::sweep::{Found, Heard, Hindrance, Looking, Seek, Sweep, Sweeper, Watched};
use crate::platform::contract::sweeping::{self, Agenda, Looked, PAGES, Page};
use crate::platform::contract::{HttpReply, Secrets, Socket, SocketReply};
use pool::Pool;

/// Most ids or keys that one question names.
const NAMES: usize = 100;
/// Events of a page, and of the second that is read once more with it: fewer than the edge listens to.
const PAGE: usize = 120;
const SECOND: usize = 60;
/// A page with fewer events is the last one: no relay that people use tells fewer at once.
const SHORT: usize = 20;
/// So much is read once more, for what came late to a relay.
const AGAIN: Duration = Duration::from_secs(3_600);
/// Farther back it is not asked who has spoken to us.
const FAR: Duration = Duration::from_secs(30 * 86_400);
/// How long a relay that asked us to slow down is left alone. None says how long.
const SLOW: Duration = Duration::from_secs(600);

/// A sweep that is under way.
#[derive(Debug)]
pub struct Sweeping {
    relays: Vec<Relay>,
    viewer: Url,
    /// Our key.
    us: String,
    posts: Vec<Watching>,
    waiting: Vec<String>,
    /// How far each relay has told who has spoken to us; `None`: that is not asked.
    heard: Option<BTreeMap<String, i64>>,
    pool: Pool,
    /// Notes of which it has been asked what answers them.
    searched: BTreeSet<String>,
    /// There is more than can be read.
    endless: bool,
    agenda: Agenda<Question>,
    secrets: Secrets,
}

#[derive(Debug)]
struct Relay {
    url: Url,
    /// Why it is asked no more.
    lost: Option<Hindrance>,
    /// When it was that somebody spoke to us last, by what it has told, or that it was asked first.
    told: Option<i64>,
}

#[derive(Debug)]
struct Watching {
    id: String,
    looked: Looked,
}

#[derive(Debug)]
enum Question {
    Find(Find),
    /// What answers the answers, so deep already.
    Deeper(u32),
    Undone,
    Profiles,
    Tell,
}

/// Everything that fits a filter, read backwards on each relay.
#[derive(Debug)]
struct Find {
    filter: Value,
    /// By places in `relays`.
    on: BTreeMap<usize, Window>,
    pages: u32,
}

/// Where a relay's list goes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Window {
    since: Option<i64>,
    /// The second that is read once more, and how many events the page had that ended there.
    until: Option<(i64, usize)>,
}

impl Sweeping {
    pub fn new(nostr: &Nostr, sweep: Sweep, looking: &Looking<'_>) -> Self {
        let us = looking.session.identity.clone();
        let watching =
            |post: &Watched| Some(Watching { id: nip19::event_id(&post.remote.id)?, looked: Looked::new(post) });
        let posts: Vec<_> = sweep.posts.iter().filter_map(watching).collect();
        let waiting = sweep.waiting.into_iter().filter(|id| nip19::event_id(id).as_ref() == Some(id)).collect();
        let agenda = match us {
            Some(_) => Agenda::new([]),
            None => Agenda::stopped(Hindrance::LoggedOut { why: "nobody knows whose key it is".into() }),
        };
        let relays = nostr.relays.iter().map(|url| Relay { url: url.clone(), lost: None, told: None }).collect();
        let heard = sweep.heard.map(|Heard(text)| serde_json::from_str(&text).unwrap_or_default());
        let mut sweeping = Self {
            relays,
            viewer: nostr.viewer.clone(),
            us: us.unwrap_or_default(),
            posts,
            waiting,
            heard,
            pool: Pool::default(),
            searched: BTreeSet::new(),
            endless: false,
            agenda,
            secrets: looking.secrets.clone(),
        };
        sweeping.begin(looking.now);
        sweeping
    }

    fn begin(&mut self, now: Timestamp) {
        let seeds: Vec<String> = self.seeds().map(str::to_owned).collect();
        let posts: Vec<&str> = self.posts.iter().map(|post| post.id.as_str()).collect();
        let mut todo: Vec<_> = seeds.chunks(NAMES).map(|ids| self.find(json!({ "ids": ids }))).collect();
        todo.extend(seeds.chunks(NAMES).map(|ids| self.find(json!({"kinds": [1, 6, 7, 16], "#e": ids}))));
        todo.extend(posts.chunks(NAMES).map(|ids| self.find(json!({"kinds": [event::NOTE], "#q": ids}))));
        if self.heard.is_some() {
            let mut find = self.everywhere(json!({"kinds": [event::NOTE], "#p": [self.us]}));
            for (place, window) in &mut find.on {
                let told = self.told(*place, now);
                self.relays[*place].told = Some(told);
                window.since = Some(told.max(now.as_second() - seconds(FAR)) - seconds(AGAIN));
            }
            todo.push(Question::Find(find));
        }
        todo.extend([Question::Deeper(0), Question::Undone, Question::Profiles, Question::Tell]);
        self.agenda.first(todo);
        self.searched.extend(seeds);
    }

    /// Our posts, and the messages that wait.
    fn seeds(&self) -> impl Iterator<Item = &str> {
        self.posts.iter().map(|post| &post.id).chain(&self.waiting).map(String::as_str)
    }

    fn everywhere(&self, filter: Value) -> Find {
        Find { filter, on: (0..self.relays.len()).map(|place| (place, Window::default())).collect(), pages: 0 }
    }

    fn find(&self, filter: Value) -> Question {
        Question::Find(self.everywhere(filter))
    }

    /// When somebody spoke to us last, as far as a relay has told.
    fn told(&self, place: usize, now: Timestamp) -> i64 {
        let held = self.heard.as_ref().and_then(|heard| heard.get(&super::name(&self.relays[place].url)));
        held.copied().unwrap_or(i64::MAX).min(now.as_second())
    }

    /// The question as a conversation; without one it is settled already.
    fn sockets(&mut self, question: &Question) -> Option<Vec<Socket>> {
        match question {
            Question::Find(find) => {
                let asked = find.on.iter().filter(|(place, _)| self.relays[**place].lost.is_none());
                let sockets: Vec<_> = asked
                    .map(|(place, window)| wire::sweep(&self.relays[*place].url, &window.filters(&find.filter)))
                    .collect();
                return (!sockets.is_empty()).then_some(sockets);
            }
            Question::Deeper(depth) => {
                let below = self.pool.all_below(self.seeds());
                let new: Vec<String> = below.difference(&self.searched).cloned().collect();
                if *depth >= PAGES || self.pool.is_full() {
                    self.endless |= !new.is_empty();
                } else if !new.is_empty() {
                    let ask = |ids: &[String]| self.find(json!({"kinds": [event::NOTE], "#e": ids}));
                    let next: Vec<_> = new.chunks(NAMES).map(ask).chain([Question::Deeper(depth + 1)]).collect();
                    self.agenda.first(next);
                    self.searched.extend(new);
                }
            }
            Question::Undone => {
                let ours = self.posts.iter().map(|post| (post.id.as_str(), self.us.as_str()));
                let all: BTreeMap<&str, &str> = self.pool.authors().chain(ours).collect();
                let all: Vec<_> = all.into_iter().collect();
                // By name: nobody can keep us reading deletions that are none.
                let ask = |some: &[(&str, &str)]| {
                    let (ids, authors): (Vec<_>, BTreeSet<_>) = some.iter().copied().unzip();
                    self.find(json!({"kinds": [event::DELETION], "authors": authors, "#e": ids}))
                };
                let next: Vec<_> = all.chunks(NAMES).map(ask).collect();
                self.agenda.first(next);
            }
            Question::Profiles => {
                let authors: BTreeSet<&str> = self.pool.authors().map(|(_, author)| author).collect();
                let authors: Vec<_> = authors.into_iter().collect();
                let ask = |some: &[&str]| self.find(json!({"kinds": [event::PROFILE], "authors": some}));
                let next: Vec<_> = authors.chunks(NAMES).map(ask).collect();
                self.agenda.first(next);
            }
            Question::Tell => self.tell(),
        }
        None
    }

    fn read(&mut self, mut find: Find, replies: &[SocketReply], now: Timestamp) {
        find.on.retain(|place, _| self.relays[*place].lost.is_none());
        if find.on.len() != replies.len() {
            return self.agenda.stop(Hindrance::Failed { why: "not every relay's answer is there".into() });
        }
        let mut next = BTreeMap::new();
        for ((place, window), reply) in find.on.into_iter().zip(replies) {
            let (events, answer) = wire::told(reply, &self.secrets);
            let mut moments = Vec::new();
            for event in events {
                let at = event.created_at;
                moments.extend(self.pool.take(event).then_some(at));
            }
            if let (Some(_), Some(told)) = (window.since, &mut self.relays[place].told) {
                // A moment that is still to come would make us deaf until then.
                let newest = moments.iter().filter(|at| **at <= now.as_second()).max();
                *told = (*told).max(newest.copied().unwrap_or(i64::MIN));
            }
            match window.then(&moments) {
                _ if answer != Answer::Yes => self.relays[place].lost = Some(hindrance(answer, now)),
                Behind::Nothing => {}
                Behind::More(window) => drop(next.insert(place, window)),
                Behind::Endless => self.endless = true,
            }
        }
        if self.relays.iter().all(|relay| relay.lost.is_some()) {
            return self.agenda.stop(self.hindered());
        }
        let pages = find.pages + 1;
        if pages >= PAGES || self.pool.is_full() {
            self.endless |= !next.is_empty();
        } else if !next.is_empty() {
            self.agenda.first([Question::Find(Find { filter: find.filter, on: next, pages })]);
        }
    }

    /// Why nobody can be asked any more: what is worth waiting for before what a person must change.
    fn hindered(&self) -> Hindrance {
        let mut all: Vec<(&Hindrance, String)> = Vec::new();
        for relay in &self.relays {
            if let Some(
                why @ (Hindrance::Limited { why: told, .. }
                | Hindrance::Failed { why: told }
                | Hindrance::Forbidden { why: told }
                | Hindrance::LoggedOut { why: told }),
            ) = &relay.lost
            {
                all.push((why, format!("{}: {told}", super::name(&relay.url))));
            }
        }
        let why = all.iter().map(|(_, told)| told.as_str()).collect::<Vec<_>>().join("; ");
        let limited = all.iter().find_map(|(held, _)| match held {
            Hindrance::Limited { until, .. } => Some(*until),
            _ => None,
        });
        match limited {
            Some(until) => Hindrance::Limited { until, why },
            None if all.iter().all(|(held, _)| matches!(held, Hindrance::Forbidden { .. })) => {
                Hindrance::Forbidden { why }
            }
            None => Hindrance::Failed { why },
        }
    }

    /// Everything has been heard that can be: what it comes to.
    fn tell(&mut self) {
        let partly = self.endless || self.relays.iter().any(|relay| relay.lost.is_some());
        for mut post in std::mem::take(&mut self.posts) {
            // A relay lets go of what it likes: gone is what we have taken back.
            if self.pool.is_undone(&post.id, &self.us) {
                post.looked.gone();
            } else if self.pool.find(&post.id).is_some() {
                self.look(&mut post);
                if partly {
                    post.looked.partly();
                }
            } else {
                continue;
            }
            self.agenda.tell(post.looked.take());
        }
        for waiting in std::mem::take(&mut self.waiting) {
            let messages = match self.pool.find(&waiting) {
                Some(event) => std::iter::once(event)
                    .chain(self.pool.below(&waiting))
                    .filter_map(|event| self.message(event))
                    .collect(),
                None if partly => continue,
                None => Vec::new(),
            };
            self.agenda.tell(Found::Around { waiting, people: self.people(&messages), messages });
        }
        if let Some(mut heard) = self.heard.take() {
            let naming = self.pool.naming(&self.us);
            let theirs = naming.into_iter().filter(|event| event.pubkey != self.us);
            let messages: Vec<_> = theirs.filter_map(|event| self.message(event)).collect();
            for relay in self.relays.iter().filter(|relay| relay.lost.is_none()) {
                heard.extend(relay.told.map(|told| (super::name(&relay.url), told)));
            }
            let people = self.people(&messages);
            self.agenda.tell(Found::Heard { people, messages, heard: Heard(json!(heard).to_string()) });
        }
    }

    fn look(&self, post: &mut Watching) {
        let moment = |second: i64| Timestamp::from_second(second).ok();
        for kind in [Interaction::Like, Interaction::Repost, Interaction::Quote] {
            let who = self.pool.who(kind, &post.id);
            post.looked.count(kind, u64::try_from(who.len()).ok());
            let acts = who.into_iter().filter_map(|(key, at)| Some((self.pool.profile(key)?, moment(at))));
            post.looked.page(kind, acts.collect::<Vec<_>>(), Page::Last);
        }
        let messages: Vec<_> = self.pool.below(&post.id).into_iter().filter_map(|event| self.message(event)).collect();
        let theirs = messages.iter().filter(|message| message.by.is_some()).count();
        post.looked.count(Interaction::Reply, u64::try_from(theirs).ok());
        let people = self.people(&messages);
        post.looked.said(messages, people);
    }

    fn message(&self, event: &Event) -> Option<Message> {
        let by = if event.pubkey == self.us { None } else { Some(PersonId::new(ENTRY.name, &event.pubkey)?) };
        let relay = self.relays.first().map_or("", |relay| relay.url.as_str().trim_end_matches('/'));
        let nevent = nip19::nevent(&event.id, &event.pubkey, relay);
        Some(Message {
            id: event.id.clone(),
            parent: pool::parent(event).map(str::to_owned),
            by,
            at: Timestamp::from_second(event.created_at).ok()?,
            text: Message::plain(&event.content),
            url: nevent.map(|nevent| format!("{}/{nevent}", self.viewer.as_str().trim_end_matches('/'))),
            answer: event.id.clone(),
            private: false,
        })
    }

    fn people(&self, messages: &[Message]) -> Vec<Profile> {
        let people: BTreeSet<&PersonId> = messages.iter().filter_map(|message| message.by.as_ref()).collect();
        let key = |person: &'_ PersonId| person.as_str().split_once(':').map(|(_, key)| key.to_owned());
        people.into_iter().filter_map(|person| self.pool.profile(&key(person)?)).collect()
    }
}

impl Sweeper for Sweeping {
    fn next(&mut self) -> Seek {
        sweeping::next(self, |held| &mut held.agenda, Self::sockets)
    }

    fn answered(&mut self, _reply: &HttpReply, _now: Timestamp) {
        self.agenda.stop(Hindrance::Failed { why: "the answer is not that of relays".into() });
    }

    fn heard(&mut self, replies: &[SocketReply], now: Timestamp) {
        if let Some(Question::Find(find)) = self.agenda.asked() {
            self.read(find, replies, now);
        }
    }
}

/// What comes behind a page.
#[derive(Debug, PartialEq, Eq)]
enum Behind {
    Nothing,
    More(Window),
    /// More was done in one second than is told at once.
    Endless,
}

impl Window {
    /// What a relay is asked for by this.
    fn filters(self, filter: &Value) -> Vec<Value> {
        let with = |limit: usize, bounds: &[(&str, Option<i64>)]| {
            let mut filter = filter.clone();
            filter["limit"] = limit.into();
            for (name, second) in bounds {
                if let Some(second) = second {
                    filter[*name] = (*second).into();
                }
            }
            filter
        };
        let Some((second, _)) = self.until else { return vec![with(PAGE, &[("since", self.since)])] };
        let before = with(PAGE, &[("since", self.since), ("until", Some(second - 1))]);
        vec![before, with(SECOND, &[("since", Some(second)), ("until", Some(second))])]
    }

    /// Where the list goes on behind a page of which each event was of one of these moments.
    fn then(self, moments: &[i64]) -> Behind {
        let before = |at: &&i64| self.until.is_none_or(|(second, _)| **at < second);
        let within = |at: &&i64| before(at) && self.since.is_none_or(|since| **at >= since);
        let page: Vec<i64> = moments.iter().filter(within).copied().collect();
        if let Some((second, length)) = self.until
            && moments.iter().filter(|at| **at == second).count() >= length.min(SECOND)
        {
            return Behind::Endless;
        }
        match page.iter().min() {
            Some(oldest) if page.len() >= SHORT => Behind::More(Self { until: Some((*oldest, page.len())), ..self }),
            _ => Behind::Nothing,
        }
    }
}

fn seconds(span: Duration) -> i64 {
    i64::try_from(span.as_secs()).unwrap_or(i64::MAX)
}

/// Why a relay did not tell all.
fn hindrance(answer: Answer, now: Timestamp) -> Hindrance {
    match answer {
        Answer::Barred(why) => Hindrance::Forbidden { why },
        Answer::Limited(why) => Hindrance::Limited { until: time::after(now, SLOW), why },
        Answer::Refused(why) | Answer::Failed(why) | Answer::Unclear(why) => Hindrance::Failed { why },
        Answer::Yes | Answer::No => Hindrance::Failed { why: "its answer cannot be read".into() },
    }
}
