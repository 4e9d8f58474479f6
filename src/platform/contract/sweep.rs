//! Looking at what has become of posts: counts, who it was, and what was said.
//!
//! A [`Sweep`] says what to look at; [`super::Adapter::sweep`] gives a [`Sweeper`], which asks one request after another
//! and gives what it finds as it finds it. It is pure, like the adapter: no I/O, no clock. Every request is harmless, and
//! none refreshes a token: whoever is logged out says so, and is asked again with another session.

use std::collections::BTreeMap;

use super::{Call, HttpReply, Secrets, Session, SocketReply};
use crate::domain::{DeliveryId, Interaction, Message, Profile, Remote, Spend, Timestamp};

/// What to look at, on one account.
#[derive(Debug, Clone, Default)]
pub struct Sweep {
    /// Posts of ours, as few or as many as are due.
    pub posts: Vec<Watched>,
    /// Messages that wait for an answer, by [`Message::id`]: the conversation below each is wanted, to see whether it has
    /// been answered by hand.
    pub waiting: Vec<String>,
    /// Whether it is to be asked who has spoken to us, from here on: what [`Found::Heard`] gave last.
    pub heard: Option<Heard>,
}

/// How far it is known who has spoken to us, in the adapter's own words; empty at first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Heard(pub String);

/// A post of ours that is looked at.
#[derive(Debug, Clone)]
pub struct Watched {
    pub delivery: DeliveryId,
    pub remote: Remote,
    /// How many people are on record for each kind. Where a platform bills or bounds reading, a list is worth asking for
    /// only when the count differs.
    pub known: BTreeMap<Interaction, u64>,
}

/// What an adapter may know when it begins to look.
#[derive(Debug, Clone, Copy)]
pub struct Looking<'a> {
    /// Who we are there is known.
    pub session: &'a Session,
    pub secrets: &'a Secrets,
    pub now: Timestamp,
}

/// Asks request by request.
pub trait Sweeper: Send + std::fmt::Debug {
    /// What comes next. After [`Seek::Ask`], [`Sweeper::answered`] or [`Sweeper::heard`] comes first.
    fn next(&mut self) -> Seek;

    /// The answer to the request that was given last.
    fn answered(&mut self, reply: &HttpReply, now: Timestamp);

    /// The same, where it was a conversation with several servers.
    fn heard(&mut self, _replies: &[SocketReply], _now: Timestamp) {}

    /// What the request that was given last costs at most; with the reply to it, what it has cost at most.
    fn price(&self, _reply: Option<&HttpReply>) -> Spend {
        Spend::default()
    }
}

/// What a sweeper wants.
#[derive(Debug)]
pub enum Seek {
    /// A request by HTTP, or a conversation with several servers.
    Ask(Call),
    Found(Found),
    /// Everything has been looked at.
    Over,
    /// It cannot go on; what was found so far counts.
    Stopped(Hindrance),
}

/// Why a sweep cannot go on. Words hold no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hindrance {
    /// The session is not accepted, or over.
    LoggedOut { why: String },
    /// Too much was asked: nothing more before `until`.
    Limited { until: Timestamp, why: String },
    /// Later, perhaps.
    Failed { why: String },
    /// The token may not look, or there is nothing to ask; a person would have to change that.
    Forbidden { why: String },
}

/// Something that was found.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// Of a post of ours. Each post of the sweep is told once, or not at all when it cannot be told now.
    Post(Box<Finding>),
    /// The conversation around a message that waits; empty when the message is gone.
    Around { waiting: String, people: Vec<Profile>, messages: Vec<Message> },
    /// Who has spoken to us, each message with all that is known of what it answers; from here on the next time.
    Heard { people: Vec<Profile>, messages: Vec<Message>, heard: Heard },
}

/// What a platform tells of a post of ours at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    pub delivery: DeliveryId,
    /// It is not there any more; nothing else is known then.
    pub gone: bool,
    /// What the platform counts. A kind that is absent is unknown, and no zero.
    pub counts: BTreeMap<Interaction, u64>,
    /// Who, of the kinds of which the whole list was told, each person once. It may be shorter than the count: platforms
    /// leave out who has blocked us or is gone. Replies are not listed here but said below.
    pub who: BTreeMap<Interaction, Vec<Act>>,
    /// Everything that was said below the post, ours among it; `None` where it was not told, or not in full.
    pub said: Option<Vec<Message>>,
    /// How those look who are named above.
    pub people: Vec<Profile>,
    /// Somebody who may know more was not heard: whoever is missing above has not left for that, what was said may still
    /// stand, and the counts are the least that is known.
    pub partly: bool,
}

impl Finding {
    /// Nothing is known yet.
    pub fn of(delivery: DeliveryId) -> Self {
        Self {
            delivery,
            gone: false,
            counts: BTreeMap::new(),
            who: BTreeMap::new(),
            said: None,
            people: Vec::new(),
            partly: false,
        }
    }
}

/// Somebody has done something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    pub person: crate::domain::PersonId,
    /// When, where the platform tells.
    pub at: Option<Timestamp>,
}
