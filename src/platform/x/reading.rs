//! What each reply means for the step that it answers.

use std::time::Duration;

use serde_json::Value;

use super::progress::{Done, Left, Scratch};
use super::wire::{self, Trouble};
use super::{StepName, X, lookback, session};
use crate::domain::time;
use crate::platform::contract::{Attempt, Effect, HttpReply, MediaKind, Reading, Step};

/// An upload that is older than this may be gone: X keeps it for a day.
const UPLOAD_LIFE: Duration = Duration::from_secs(20 * 3600);
/// A post that was just made may not be known everywhere yet, and then it cannot be answered.
const SETTLING: Duration = Duration::from_secs(2 * 60);
const SETTLING_WAIT: Duration = Duration::from_secs(5);
/// How long X may let us wait for the processing of an upload between two questions.
const PROCESSING: std::ops::RangeInclusive<u64> = 1..=60;
/// A clock that is off by more than this makes signatures worthless.
const SKEW: Duration = Duration::from_secs(5 * 60);

/// A reply in its situation.
pub(super) struct Answer<'a> {
    pub account: &'a X,
    pub attempt: &'a Attempt<'a>,
    pub reply: &'a HttpReply,
}

impl Answer<'_> {
    pub fn read(&self, step: &Step) -> Reading {
        match StepName::parse(&step.name) {
            StepName::Identity => self.identity(),
            StepName::Refresh => self.refresh(),
            StepName::Upload(media) => self.uploaded(media),
            StepName::Open(media) => self.opened(media),
            StepName::Append(media, segment) => self.appended(media, segment),
            StepName::Finalize(media) => self.uploaded(media),
            StepName::Status(media) => self.processed(media),
            StepName::Describe(media) => self.described(media),
            StepName::Publish(part) => self.published(part),
            StepName::Look(part) => lookback::read(self, part),
            StepName::Unknown => again(format!("a reply to an unknown step {:?}", step.name)),
        }
    }

    pub fn understand(&self) -> Result<Value, Trouble> {
        let hidden = session::hidden(self.attempt);
        let hidden: Vec<&str> = hidden.iter().map(String::as_str).collect();
        wire::understand(self.reply, &hidden, self.attempt.now)
    }

    /// What trouble means for a step that has surely done nothing by it, and for one that may have.
    pub fn settle(&self, effect: Effect, trouble: Trouble) -> Reading {
        match trouble {
            Trouble::Token(why) => self.account.auth.refused(self.attempt, format!("{why}{}", self.clock())),
            Trouble::Stopped(why) => Reading::Auth { why },
            Trouble::TooMuch { until, why } => Reading::RateLimited { until, why },
            Trouble::Duplicate(why) => Reading::AlreadyThere { why },
            Trouble::NoParent(why) | Trouble::Refused { why, .. } => Reading::Refused { why },
            Trouble::TurnedAway(why) => again(why),
            Trouble::Unknown(why) if effect == Effect::Publishes => Reading::Unclear { why },
            Trouble::Unknown(why) => again(why),
        }
    }

    /// A word about our clock, where it is too wrong to sign with.
    fn clock(&self) -> &'static str {
        let now = self.attempt.now;
        let off = |there| time::since(there, now).max(time::since(now, there)) > SKEW;
        if self.reply.date("date").is_some_and(off) { "; the clock of this machine is wrong" } else { "" }
    }

    fn identity(&self) -> Reading {
        match self.understand() {
            Ok(value) => match self.account.auth.identified(self.attempt, &value) {
                Some(session) => Reading::Session(session),
                None => again("the reply does not tell whose token it is".into()),
            },
            // Without knowing who we are nothing can be done.
            Err(Trouble::Refused { status: 403, why }) => Reading::Auth { why },
            Err(Trouble::Refused { why, .. }) => again(why),
            Err(trouble) => self.settle(Effect::Harmless, trouble),
        }
    }

    fn refresh(&self) -> Reading {
        let said = self.reply.value().and_then(|value| Some(value["error"].as_str()?.to_owned())).unwrap_or_default();
        session::read_refresh(&self.account.auth, self.attempt, self.understand(), &said)
    }

    fn opened(&self, media: usize) -> Reading {
        match self.understand() {
            Ok(value) => match wire::id(&value["data"]["id"]) {
                Some(id) => Left::Opened { media, id }.checkpoint(),
                None => again("the reply names no upload".into()),
            },
            Err(trouble) => self.settle(Effect::Leaves, trouble),
        }
    }

    /// Nothing stands in this reply that is needed, and X has answered it with nothing at all before. A segment that
    /// is missing nevertheless is noticed at the end.
    fn appended(&self, media: usize, segment: usize) -> Reading {
        let empty = matches!(self.reply.status, 200..=204) && self.reply.body.is_empty() && !self.reply.cut;
        let done = Done::of(self.attempt.done);
        let appended = || {
            let upload = done.uploads.get(&media).and_then(|upload| upload.opened.clone()).unwrap_or_default();
            Left::Appended { media, segment, upload }.checkpoint()
        };
        match self.understand() {
            Ok(value) if value["data"].is_object() => appended(),
            _ if empty => appended(),
            Ok(_) => again("the reply does not tell of a segment".into()),
            Err(trouble) => self.anew(trouble),
        }
    }

    /// A whole file is there: sent at once, or in segments.
    fn uploaded(&self, media: usize) -> Reading {
        let value = match self.understand() {
            Ok(value) => value,
            Err(trouble) if Done::of(self.attempt.done).uploads.contains_key(&media) => return self.anew(trouble),
            Err(trouble) => return self.settle(Effect::Leaves, trouble),
        };
        let Some(id) = wire::id(&value["data"]["id"]) else { return again("the reply names no upload".into()) };
        match self.state(&value) {
            State::Failed(why) => Reading::Refused { why },
            state => Left::Uploaded { media, id, ready: state == State::Ready, at: self.attempt.now }.checkpoint(),
        }
    }

    fn processed(&self, media: usize) -> Reading {
        let value = match self.understand() {
            Ok(value) => value,
            Err(trouble) => return self.anew(trouble),
        };
        if wire::id(&value["data"]["id"]).is_none() {
            return again("the reply names no upload".into());
        }
        match self.state(&value) {
            State::Failed(why) => Reading::Refused { why },
            State::Ready => {
                let mut scratch = Scratch::of(self.attempt);
                scratch.ready.insert(media);
                scratch.learned()
            }
            State::Working(wait) => Reading::Wait(wait),
        }
    }

    fn state(&self, value: &Value) -> State {
        let told = &value["data"]["processing_info"];
        match told["state"].as_str() {
            None | Some("succeeded") => State::Ready,
            Some("failed") => {
                let hidden = session::hidden(self.attempt);
                let hidden: Vec<&str> = hidden.iter().map(String::as_str).collect();
                let cause = told["error"]["message"].as_str().unwrap_or("it does not say why");
                State::Failed(wire::quote(&format!("X cannot process the file: {cause}"), &hidden))
            }
            Some(_) => {
                let seconds = told["check_after_secs"].as_u64().unwrap_or(5);
                State::Working(Duration::from_secs(seconds.clamp(*PROCESSING.start(), *PROCESSING.end())))
            }
        }
    }

    /// What cannot go on with an upload begins it anew.
    fn anew(&self, trouble: Trouble) -> Reading {
        match trouble {
            Trouble::Refused { why, .. } => Reading::Redo { why },
            trouble => self.settle(Effect::Leaves, trouble),
        }
    }

    fn described(&self, media: usize) -> Reading {
        let done = Done::of(self.attempt.done);
        let described = || {
            let upload = done.uploads.get(&media).and_then(|upload| upload.id.clone()).unwrap_or_default();
            Left::Described { media, upload }.checkpoint()
        };
        let mime = self.attempt.job.media.get(media).map_or("", |media| &media.mime);
        match self.understand() {
            Ok(value) if value["data"].is_object() => described(),
            Ok(_) => again("the reply does not tell of a description".into()),
            // Whether films have descriptions, nobody says. They go out, with one or without.
            Err(Trouble::Refused { .. }) if MediaKind::of(mime) == MediaKind::Video => described(),
            Err(Trouble::Refused { status: 404, why }) => Reading::Redo { why },
            Err(trouble) => self.settle(Effect::Leaves, trouble),
        }
    }

    fn published(&self, part: usize) -> Reading {
        let done = Done::of(self.attempt.done);
        let now = self.attempt.now;
        match self.understand() {
            Ok(value) => match wire::id(&value["data"]["id"]) {
                Some(id) => Left::Posted { part, id, at: now }.checkpoint(),
                None => Reading::Unclear { why: "the reply to publishing names no post".into() },
            },
            Err(Trouble::NoParent(why)) => match done.posts.last() {
                Some(parent) if time::since(now, parent.at) < SETTLING => {
                    Reading::Retry { after: Some(SETTLING_WAIT), why }
                }
                _ => Reading::Refused { why },
            },
            Err(Trouble::Refused { status: 400, why }) if part == 0 && !done.uploads.is_empty() => {
                let oldest = done.uploads.values().filter_map(|upload| upload.at).min();
                let old = oldest.is_some_and(|at| time::since(now, at) > UPLOAD_LIFE);
                let blamed = why.to_lowercase().contains("media");
                if old || blamed { Reading::Redo { why } } else { Reading::Refused { why } }
            }
            Err(trouble) => self.settle(Effect::Publishes, trouble),
        }
    }
}

/// What X makes of an upload.
#[derive(PartialEq)]
enum State {
    Ready,
    Working(Duration),
    Failed(String),
}

pub(super) fn again(why: String) -> Reading {
    Reading::Retry { after: None, why }
}
