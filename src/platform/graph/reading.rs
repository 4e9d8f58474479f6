//! What each reply means: one table for both services. See [`publishing`](super::publishing) for why.

use std::time::Duration;

use serde_json::Value;

use super::errors::{self, Class, GraphError};
use super::progress::{Done, Finished, Left, Made, Scratch, Stored, data};
use super::publishing::{FRESH, Service};
use super::{Dialect, look, token, wire};
use crate::domain::{Timestamp, time};
use crate::platform::contract::{Attempt, Effect, HttpReply, Purpose, Reading, Reply, Step};

/// Most times that a container which says FINISHED is published in one attempt, before a new one is made.
const TIMES: u32 = 4;
/// How long until a part is offered again whose answered part is not known yet.
const UNTIL_KNOWN: Duration = Duration::from_secs(10);
/// How long a container may be unknown: reads lag behind writes.
const UNKNOWN: Duration = Duration::from_secs(120);
/// How long a film may take to process before the attempt is put off.
const PROCESSING: Duration = Duration::from_secs(30 * 60);
/// When a day's quota is asked for again: its window moves.
const QUOTA: Duration = Duration::from_secs(3600);

/// What `reply` to `step` means.
pub fn read(service: &dyn Service, attempt: &Attempt<'_>, step: &Step, reply: &Reply) -> Reading {
    let account = service.account();
    let (kind, place) = step.name.split_once('-').unwrap_or((&step.name, ""));
    let place = place.split('-').next().and_then(|place| place.parse().ok()).unwrap_or(usize::MAX);
    let Reply::Http(reply) = reply else {
        let why = "not a reply of this platform".to_owned();
        return match step.effect {
            Effect::Publishes => Reading::Unclear { why },
            Effect::Harmless | Effect::Leaves => Reading::Retry { after: None, why },
        };
    };
    let (done, texts) = (Done::of(attempt.done), service.texts(&attempt.job.content));
    let answer = Answer { dialect: account.dialect, attempt, reply, done, texts };
    match kind {
        "refresh" => token::refreshed(attempt, reply),
        "identity" => answer.identity(account.user.is_some()),
        "quota" => answer.quota(),
        "item" => answer.made(|id, at| Left::Item { item: place, id, at }),
        "container" => answer.made(|id, at| Left::Container { part: place, id, at, attempt: attempt.job.attempt }),
        "stored" => answer.stored(place),
        "bytes" => answer.sent(place),
        "ready" => answer.item_status(place),
        "status" => answer.status(place),
        "publish" => answer.published(place),
        "address" => answer.address(),
        "none" => answer.nothing_made(),
        "asked" => look::read_status(&answer, place),
        "look" => look::read_page(&answer, place),
        _ => Reading::Retry { after: None, why: format!("a reply to an unknown step {:?}", step.name) },
    }
}

/// A reply in its situation.
pub struct Answer<'a> {
    pub dialect: &'static Dialect,
    pub attempt: &'a Attempt<'a>,
    pub reply: &'a HttpReply,
    pub done: Done,
    /// What the parts say.
    pub texts: Vec<String>,
}

/// What a container says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    InProgress,
    Finished,
    Published,
    Failed,
    Expired,
}

impl Answer<'_> {
    pub fn why(&self, what: &str) -> String {
        let hidden = token::hidden(self.attempt);
        errors::why(what, self.reply, &hidden.iter().map(String::as_str).collect::<Vec<_>>())
    }

    pub fn value(&self) -> Option<Value> {
        self.reply.value().filter(|_| self.reply.status == 200)
    }

    /// What no step may go on after.
    pub fn stop(&self) -> Option<Reading> {
        let until = errors::limited_until(self.reply, self.attempt.now);
        Some(match errors::class(self.reply) {
            Class::Token => token::refused(self.attempt, self.why(self.no_token())),
            // A probe does not see what a look needs, and would let the account in again for ever.
            Class::Permission | Class::Restricted if self.attempt.purpose == Purpose::LookBack => {
                Reading::Retry { after: None, why: self.why("the token may not look, or the account is restricted") }
            }
            Class::Permission => Reading::Auth { why: self.why("the token lacks a permission") },
            Class::Version => Reading::Auth { why: self.why("this version of the API is gone: set `version`") },
            Class::Restricted => Reading::Auth { why: self.why("the account is restricted: look into the app") },
            Class::Limited => Reading::RateLimited { until, why: self.why("too many requests") },
            Class::Quota => self.quota_is_used_up(self.why("the day's posts are used up")),
            _ => return None,
        })
    }

    /// What a person can do about a token.
    fn no_token(&self) -> &'static str {
        match errors::GraphError::read(self.reply) {
            Some(error) if error.code == 100 => "the app demands a proof: check `app_secret`",
            _ => "the access token is not accepted",
        }
    }

    fn quota_is_used_up(&self, why: String) -> Reading {
        Reading::RateLimited { until: time::after(self.attempt.now, QUOTA), why }
    }

    /// A harmless step that told nothing.
    pub fn unanswered(&self, what: &str) -> Reading {
        self.stop().unwrap_or_else(|| Reading::Retry { after: None, why: self.why(what) })
    }

    fn identity(&self, configured: bool) -> Reading {
        let field = if configured { "id" } else { self.dialect.account };
        match self.value().and_then(|account| wire::id(&account[field])) {
            Some(id) => token::identified(self.attempt, id),
            None => self.unanswered("failed to learn whose token it is"),
        }
    }

    /// The quota is a courtesy: where it cannot be read, the publishing call enforces it.
    fn quota(&self) -> Reading {
        let value = self.value().unwrap_or_default();
        let used_up = |usage: &str, config: &str| {
            let told = &value["data"][0];
            let (used, total) =
                (told[usage].as_u64()?, told[config]["quota_total"].as_u64().filter(|total| *total > 0)?);
            (used >= total).then(|| format!("{used} of {total} posts a day are used up"))
        };
        let answers = self.attempt.job.content.reply_to.is_some();
        let why = if answers { used_up("reply_quota_usage", "reply_config") } else { used_up("quota_usage", "config") };
        if let Some(why) = why {
            return self.quota_is_used_up(why);
        }
        self.stop().unwrap_or_else(|| {
            let mut scratch = Scratch::of(self.attempt);
            scratch.quota = true;
            scratch.learned()
        })
    }

    fn made(&self, left: impl FnOnce(String, Timestamp) -> Left) -> Reading {
        if let Some(id) = self.value().and_then(|value| wire::id(&value["id"])) {
            return Reading::Checkpoint(data(&left(id, self.attempt.now)));
        }
        match errors::class(self.reply) {
            Class::Input => Reading::Refused { why: self.why("the post was refused") },
            Class::Spam => Reading::Refused { why: self.why("the post is taken for spam") },
            Class::Fetch => Reading::Retry { after: None, why: self.why("a file could not be fetched") },
            // The part before it is not known everywhere yet, and what is out of a thread must not be given up for that.
            Class::NotReady | Class::Missing if !self.done.posts.is_empty() => Reading::Wait(UNTIL_KNOWN),
            _ => self.unanswered("failed to make a container"),
        }
    }

    /// How much of its bytes a container has. Where that is not told, nobody knows; a new one has none.
    fn stored(&self, part: usize) -> Reading {
        let Some(made) = self.done.containers.get(&part) else { return self.unanswered("nobody asked for this part") };
        let told =
            self.value().and_then(|value| value["video_status"]["uploading_phase"]["bytes_transferred"].as_u64());
        let most = self.attempt.job.media.first().map_or(0, |film| film.bytes.len());
        match told.and_then(|bytes| usize::try_from(bytes).ok()).filter(|bytes| *bytes <= most) {
            Some(bytes) => {
                let mut scratch = Scratch::of(self.attempt);
                scratch.stored = Some(Stored { id: made.id.clone(), bytes });
                scratch.learned()
            }
            None => self.stop().unwrap_or_else(|| match self.reply.status {
                200..=499 => Reading::Redo { why: self.why("nobody knows what of the bytes has arrived") },
                _ => Reading::Retry { after: None, why: self.why("failed to ask what of the bytes has arrived") },
            }),
        }
    }

    fn sent(&self, part: usize) -> Reading {
        let container = self.done.containers.get(&part).map(|made| made.id.clone());
        match (self.value(), container) {
            (Some(value), Some(container)) if value["success"] == true => {
                Reading::Checkpoint(data(&Left::Bytes { container }))
            }
            // The next attempt asks what it has of the bytes, where it does not refuse them.
            _ => self.stop().unwrap_or_else(|| match self.reply.status {
                400..=499 => Reading::Redo { why: self.why("the bytes were not taken") },
                _ => Reading::Retry { after: None, why: self.why("the bytes were not taken") },
            }),
        }
    }

    pub fn container_status(&self) -> Option<Status> {
        Some(match self.value()?[self.dialect.status].as_str()? {
            "IN_PROGRESS" => Status::InProgress,
            "FINISHED" => Status::Finished,
            "PUBLISHED" => Status::Published,
            "ERROR" => Status::Failed,
            "EXPIRED" => Status::Expired,
            _ => return None,
        })
    }

    fn item_status(&self, item: usize) -> Reading {
        let Some(made) = self.done.items.get(&item) else { return self.unanswered("nobody asked for this item") };
        match self.container_status() {
            Some(Status::Finished) => {
                let mut scratch = Scratch::of(self.attempt);
                scratch.ready.insert(made.id.clone());
                scratch.learned()
            }
            Some(Status::Published) => Reading::Redo { why: "the item is part of something else".into() },
            other => self.unfinished(other, made),
        }
    }

    fn status(&self, part: usize) -> Reading {
        let Some(made) = self.done.containers.get(&part) else { return self.unanswered("nobody asked for this part") };
        let mut scratch = Scratch::of(self.attempt);
        match self.container_status() {
            Some(Status::Finished) => {
                let times = scratch.finished.filter(|earlier| earlier.id == made.id).map_or(0, |earlier| earlier.times);
                if times >= TIMES {
                    return Reading::Redo {
                        why: "the container says that it is finished, and cannot be published".into(),
                    };
                }
                scratch.finished = Some(Finished { id: made.id.clone(), at: self.attempt.now, times: times + 1 });
                scratch.learned()
            }
            Some(Status::Published) => Reading::AlreadyThere { why: "the container is published".into() },
            None if self.has_no_status() => {
                Reading::AlreadyThere { why: "the container is no container any more: it may be published".into() }
            }
            // Nobody has tried to publish one of this attempt that was never finished.
            None if self.is_missing() && (made.attempt != self.attempt.job.attempt || scratch.finished.is_some()) => {
                Reading::AlreadyThere { why: "the container is gone: it may have been published".into() }
            }
            other => self.unfinished(other, made),
        }
    }

    /// Published posts have no status, and Threads has been seen to say so.
    pub fn has_no_status(&self) -> bool {
        let nonexisting = |error: GraphError| error.code == 100 && error.message.contains("nonexisting field");
        GraphError::read(self.reply).is_some_and(nonexisting)
    }

    pub fn is_missing(&self) -> bool {
        matches!(errors::class(self.reply), Class::Missing | Class::NotReady)
    }

    /// A container that cannot be published now, and was not.
    fn unfinished(&self, status: Option<Status>, made: &Made) -> Reading {
        let elapsed = time::since(self.attempt.now, made.at);
        match status {
            Some(Status::InProgress) if elapsed > PROCESSING => Reading::Retry {
                // Counted among the tries: a container that never gets on must come to an end.
                after: None,
                why: "the media are still in processing".into(),
            },
            Some(Status::InProgress) => Reading::Wait(growing(elapsed)),
            Some(Status::Failed) => self.failed(),
            Some(_) => Reading::Redo { why: "the container has expired".into() },
            None if self.is_missing() && elapsed < UNKNOWN => Reading::Wait(growing(elapsed)),
            None if self.is_missing() => Reading::Redo { why: self.why("the container is gone") },
            None => self.unanswered("failed to ask after a container"),
        }
    }

    /// Why a container came to nothing: Threads tells a word, Instagram a sentence with a number in it.
    fn failed(&self) -> Reading {
        let told = self.value().unwrap_or_default()[self.dialect.problem].as_str().unwrap_or_default().to_owned();
        let number =
            told.split(|c: char| !c.is_ascii_digit()).find(|digits| digits.len() == 7 && digits.starts_with("2207"));
        let number = number.and_then(|digits| digits.parse().ok());
        let class = number.map(|subcode| {
            GraphError { code: 0, subcode: Some(subcode), transient: false, message: String::new() }.class()
        });
        let shown: String = errors::plain(&told).chars().take(200).collect();
        let why = format!("the media were not taken: {}", if shown.is_empty() { "no reason is given" } else { &shown });
        let refused =
            class == Some(Class::Input) || told.starts_with("INVALID_") || told.starts_with("FAILED_PROCESSING_");
        if refused { Reading::Refused { why } } else { Reading::Redo { why } }
    }

    fn published(&self, part: usize) -> Reading {
        if (200..300).contains(&self.reply.status) {
            return match self.value().and_then(|value| wire::id(&value["id"])) {
                Some(id) => Reading::Checkpoint(data(&self.posted(part, id, None))),
                None => Reading::Unclear { why: "the answer to publishing names no post".into() },
            };
        }
        if let Some(reading) = self.stop() {
            return reading;
        }
        let made = self.done.containers.get(&part);
        let elapsed = made.map_or(Duration::ZERO, |made| time::since(self.attempt.now, made.at));
        match errors::class(self.reply) {
            Class::NotReady => Reading::Wait(later(elapsed)),
            // It has been answered to what went out; and where it did not, trying on makes the block longer.
            Class::Spam => Reading::AlreadyThere { why: self.why("it is taken for spam, and may be out all the same") },
            _ => Reading::Unclear { why: self.why("publishing got no clear answer") },
        }
    }

    pub fn posted(&self, part: usize, id: String, url: Option<String>) -> Left {
        Left::Posted { part, id, url, attempt: self.attempt.job.attempt }
    }

    /// Without a container nothing can have been published.
    fn nothing_made(&self) -> Reading {
        match self.value().and_then(|value| wire::id(&value["id"])) {
            Some(_) => Reading::Absent,
            None => self.unanswered("failed to ask who we are"),
        }
    }

    fn address(&self) -> Reading {
        match self.value().and_then(|value| wire::web_address(&value["permalink"])) {
            Some(url) => Reading::Checkpoint(data(&Left::Address { url })),
            // The next attempt does without, whatever it was.
            None => match self.stop() {
                Some(reading @ Reading::Session(_)) => reading,
                _ => Reading::Retry { after: Some(FRESH), why: self.why("it is published, but not where") },
            },
        }
    }
}

/// How long to wait for processing: text and pictures are ready at once, films take minutes.
fn growing(elapsed: Duration) -> Duration {
    (elapsed / 2).clamp(Duration::from_secs(3), Duration::from_secs(60))
}

/// How long until a container that was not found is published again.
fn later(elapsed: Duration) -> Duration {
    elapsed.clamp(Duration::from_secs(5), Duration::from_secs(30))
}
