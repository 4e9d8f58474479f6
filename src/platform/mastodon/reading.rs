//! What each reply means: one table for all servers.
//!
//! The status decides. Texts, which change with versions and languages, only tell apart what shares a status: media
//! that are attached already, unknown, or not ready. What is not surely without effect is unclear.

use std::time::Duration;

use serde_json::{Value, json};

use crate::domain::{Secret, time};
use crate::platform::contract::{Attempt, Effect, HttpReply, Purpose, Reading, Reply, Session, Step};

use super::instance::{Instance, Software};
use super::progress::{Done, Parent, Posted, Scratch, Uploaded, data};
use super::wire::{self, Id, Status};
use super::{INSTANCE, NO_V2, TOKEN, identity_of, instance_of, lookback, token_mark};

/// Unattached uploads are deleted after about a day; past this age "not found" is believed.
pub const UPLOAD_LIFE: Duration = Duration::from_secs(20 * 3600);
/// How long an acknowledged post may be missing before it counts as dropped: replicas lag.
const DROPPED_AFTER: Duration = Duration::from_secs(30);
/// Processing of an upload is asked after every few seconds for so long, then four times a minute …
const PATIENCE: Duration = Duration::from_secs(120);
/// … and after that the attempt is put off.
const PROCESSING_LIMIT: Duration = Duration::from_secs(30 * 60);

/// What `reply` to `step` means.
pub fn read(attempt: &Attempt<'_>, step: &Step, reply: &Reply) -> Reading {
    let Reply::Http(reply) = reply else {
        let why = "not a reply of this platform".to_owned();
        return match step.effect {
            Effect::Publishes => Reading::Unclear { why },
            Effect::Harmless | Effect::Leaves => Reading::Retry { after: None, why },
        };
    };
    let answer = Answer { attempt, reply };
    match step.name.as_str() {
        "instance" => answer.instance(Asked::V2),
        "instance-v1" => answer.instance(Asked::V1),
        "nodeinfo" => answer.node_info(),
        "identity" => answer.identity(),
        "parent" => answer.parent(),
        "confirm" => answer.confirmation(),
        name => match (step.effect, number(name)) {
            (Effect::Publishes, Some(part)) => answer.published(part),
            (Effect::Leaves, Some(place)) => answer.uploaded(place),
            (Effect::Harmless, Some(place)) if name.starts_with("media-") => answer.processed(place),
            (Effect::Harmless, Some(page)) if name.starts_with("look-") => lookback::read_page(&answer, page),
            (Effect::Harmless, Some(_)) if name.starts_with("source-") => lookback::read_source(&answer),
            _ => Reading::Retry { after: None, why: format!("a reply to an unknown step {name:?}") },
        },
    }
}

/// The number at the end of a step's name.
fn number(name: &str) -> Option<usize> {
    name.rsplit_once('-')?.1.parse().ok()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    V2,
    V1,
}

/// A reply in its situation.
pub(super) struct Answer<'a> {
    pub attempt: &'a Attempt<'a>,
    pub reply: &'a HttpReply,
}

impl Answer<'_> {
    fn token(&self) -> Option<&Secret> {
        self.attempt.secrets.get("token")
    }

    /// `what` happened, with the status and what the server says about it.
    fn why(&self, what: &str) -> String {
        format!("{what}: {}", wire::complaint(self.reply, self.token()))
    }

    fn success(&self) -> bool {
        (200..300).contains(&self.reply.status)
    }

    /// What no step may go on after: the token, the allowance, an announced pause.
    fn stop(&self) -> Option<Reading> {
        let until = || wire::limited_until(self.reply, self.attempt.now);
        match self.reply.status {
            401 => Some(Reading::Auth { why: self.why("the access token is not accepted") }),
            429 => Some(Reading::RateLimited { until: until(), why: self.why("too many requests") }),
            _ => None,
        }
    }

    /// The same, and an announced pause: for steps that publish nothing, 503 with a time is as good as 429.
    fn pause(&self) -> Option<Reading> {
        let announced = self.reply.status == 503 && self.reply.header("retry-after").is_some();
        let until = wire::limited_until(self.reply, self.attempt.now);
        self.stop()
            .or_else(|| announced.then(|| Reading::RateLimited { until, why: self.why("the server asks for a pause") }))
    }

    /// A harmless step that told nothing.
    pub(super) fn unanswered(&self, what: &str) -> Reading {
        self.pause().unwrap_or_else(|| Reading::Retry { after: None, why: self.why(what) })
    }

    /// 403, where the API says it: a scope is missing, or the account may not log in.
    pub(super) fn forbidden(&self, scope: &str) -> Option<Reading> {
        let said = self.reply.status == 403 && wire::is_api_error(self.reply);
        said.then(|| Reading::Auth { why: self.why(&format!("not allowed (the token needs {scope})")) })
    }

    fn session(&self, change: impl FnOnce(&mut Session)) -> Reading {
        let mut session = self.attempt.session.clone();
        change(&mut session);
        Reading::Session(session)
    }

    fn know(&self, instance: &Instance) -> Reading {
        self.session(|session| {
            session.values.insert(INSTANCE.into(), data(instance));
        })
    }

    fn instance(&self, asked: Asked) -> Reading {
        let now = self.attempt.now;
        let told = self.reply.value().filter(|_| self.reply.status == 200);
        if let Some(instance) = told.and_then(|value| Instance::read(&value, now)) {
            return self.know(&instance);
        }
        let stop = self.stop();
        // What was known yesterday is good enough while the server does not tell.
        match instance_of(self.attempt.session) {
            Some(old) if stop.is_none() => return self.know(&Instance { read: now, ..old }),
            _ => {}
        }
        match (self.reply.status, asked) {
            (401 | 429, _) | (300..=399, _) | (408 | 499 | 500.., _) => {
                self.unanswered("failed to read the server's limits")
            }
            (_, Asked::V2) => self.session(|session| {
                session.values.insert(NO_V2.into(), Value::Bool(true));
            }),
            (_, Asked::V1) => self.know(&Instance::unknown(now)),
        }
    }

    /// Whatever comes back, it is asked once.
    fn node_info(&self) -> Reading {
        let name = self.reply.value().filter(|_| self.reply.status == 200);
        let name = name.as_ref().and_then(|value| value["software"]["name"].as_str());
        let software = name.map_or(Software::Other, Instance::named);
        let known = instance_of(self.attempt.session).unwrap_or_else(|| Instance::unknown(self.attempt.now));
        let formats = known.formats || matches!(software, Software::GoToSocial | Software::Pleroma);
        self.know(&Instance { software, formats, ..known })
    }

    fn identity(&self) -> Reading {
        let account = self.reply.value().filter(|_| self.reply.status == 200);
        if let (Some(id), Some(token)) = (account.as_ref().and_then(|account| Id::read(&account["id"])), self.token()) {
            return self.session(|session| {
                session.identity = Some(id);
                session.values.insert(TOKEN.into(), json!(token_mark(token)));
            });
        }
        if let Some(reading) = self.forbidden("read:accounts") {
            return reading;
        }
        match self.reply.status {
            // An application's own token belongs to no account.
            422 if wire::is_api_error(self.reply) => Reading::Auth { why: self.why("the access token is no user's") },
            _ => self.unanswered("failed to learn whose token it is"),
        }
    }

    fn parent(&self) -> Reading {
        let mut scratch = Scratch::of(self.attempt);
        let found = self.reply.value().filter(|_| self.reply.status == 200);
        let id = found.as_ref().and_then(|found| Id::read(&found["statuses"][0]["id"]));
        let listed = found.as_ref().is_some_and(|found| found["statuses"].is_array());
        scratch.parent = match (id, self.attempt.purpose) {
            (Some(id), _) => Some(Parent::Id(id)),
            // What is looked for may be there although the post that it answers is not any more.
            (None, Purpose::LookBack) if self.pause().is_none() => Some(Parent::Gone),
            (None, _) => None,
        };
        let refused = |what: &str| Reading::Refused { why: self.why(what) };
        match (&scratch.parent, self.reply.status) {
            (Some(_), _) => scratch.learned(),
            (None, 200) if listed => {
                Reading::Refused { why: "the post that it answers cannot be found from this server".into() }
            }
            // Not a reason to stop the account: only answers to other people's posts need it.
            (None, 403) if wire::is_api_error(self.reply) => {
                refused("failed to look up the post that it answers (the token needs read:search)")
            }
            (None, 400 | 404 | 410 | 422) if wire::is_api_error(self.reply) => {
                refused("failed to look up the post that it answers")
            }
            _ => self.unanswered("failed to look up the post that it answers"),
        }
    }

    fn uploaded(&self, media: usize) -> Reading {
        let at = self.attempt.now;
        if self.success() {
            let Some((id, value)) = self.reply.value().and_then(|value| Some((Id::read(&value["id"])?, value))) else {
                return Reading::Retry { after: None, why: self.why("the answer to an upload cannot be read") };
            };
            // Pleroma answers 202 to everything, with an address when the file is ready.
            let ready = self.reply.status != 202 || value["url"].is_string();
            return Reading::Checkpoint(data(&Uploaded { media, id, ready, at }));
        }
        if let Some(reading) = self.forbidden("write:media") {
            return reading;
        }
        match self.reply.status {
            413 => Reading::Refused { why: self.why("the file is too large for the server") },
            status if is_refusal(status) && self.spoken() => Reading::Refused { why: self.why("the file was refused") },
            _ => self.unanswered("the upload failed"),
        }
    }

    fn processed(&self, place: usize) -> Reading {
        let elapsed = Done::of(self.attempt.done)
            .uploads
            .get(&place)
            .map_or(Duration::ZERO, |held| time::since(self.attempt.now, held.at));
        match self.reply.status {
            200 if self.reply.value().is_some() => {
                let mut scratch = Scratch::of(self.attempt);
                scratch.ready.insert(place);
                scratch.learned()
            }
            206 if elapsed > PROCESSING_LIMIT => {
                Reading::Retry { after: Some(PATIENCE), why: "the server is still processing the media".into() }
            }
            206 if elapsed > PATIENCE => Reading::Wait(Duration::from_secs(15)),
            206 => Reading::Wait(growing(elapsed)),
            404 if wire::is_api_error(self.reply) => Reading::Redo { why: self.why("the upload is gone") },
            status if is_refusal(status) && wire::is_api_error(self.reply) => {
                Reading::Refused { why: self.why("the server failed to process the media") }
            }
            _ => self.unanswered("failed to ask after an upload"),
        }
    }

    fn published(&self, part: usize) -> Reading {
        let status = self.reply.status;
        if self.success() {
            return self.acknowledged(part);
        }
        let text = wire::error_text(self.reply).to_lowercase();
        // GoToSocial turns requests away when it is overloaded, before it looks at them.
        let turned_away =
            status == 503 && self.reply.header("retry-after").is_some() && text.contains("server capacity exceeded");
        if turned_away {
            return Reading::RateLimited {
                until: wire::limited_until(self.reply, self.attempt.now),
                why: self.why("the server is overloaded"),
            };
        }
        if let Some(reading) = self.stop().or_else(|| self.forbidden("write:statuses")) {
            return reading;
        }
        match status {
            400 | 422 => self.invalid(part, &text),
            404 if wire::is_api_error(self.reply) => Reading::Refused { why: self.why(self.missing(part)) },
            // A proxy that knows no such page has passed nothing on.
            404 => Reading::Retry { after: None, why: self.why("the server has no such address") },
            403 => Reading::Refused { why: self.why("something before the server forbids it") },
            status if is_refusal(status) => Reading::Refused { why: self.why("the post was refused") },
            300..=399 => Reading::Unclear { why: self.why("answered with a redirect, which is not followed") },
            _ => Reading::Unclear { why: self.why("publishing got no clear answer") },
        }
    }

    fn acknowledged(&self, part: usize) -> Reading {
        let unclear = |why: &str| Reading::Unclear { why: why.into() };
        let Some(value) = self.reply.value() else { return unclear("the answer to publishing cannot be read") };
        let Some(status) = Status::read(&value) else { return unclear("the answer to publishing names no post") };
        let ours = self.token().and_then(|token| identity_of(self.attempt.session, token));
        if ours != Some(&status.account) {
            return unclear("the answer to publishing names another account's post");
        }
        Reading::Checkpoint(data(&Posted {
            part,
            id: status.id,
            url: status.url,
            visibility: status.visibility,
            attempt: self.attempt.job.attempt,
            at: self.attempt.now,
            seen: false,
        }))
    }

    /// 400 and 422: the same thing from different servers.
    fn invalid(&self, part: usize, text: &str) -> Reading {
        let has_media = part == 0 && !self.attempt.job.content.media.is_empty();
        let oldest = Done::of(self.attempt.done).uploads.into_values().map(|held| held.at).min();
        let expired = oldest.is_some_and(|at| time::since(self.attempt.now, at) > UPLOAD_LIFE);
        let why = |what: &str| self.why(what);
        if text.contains("duplicate idempotency key") {
            Reading::AlreadyThere { why: why("the server has seen this post") }
        } else if text.contains("requires an authenticated user") {
            Reading::Auth { why: why("the access token is no user's") }
        } else if has_media && text.contains("not finished processing") {
            Reading::Retry { after: Some(Duration::from_secs(5)), why: why("the media are not ready") }
        } else if has_media && text.contains("already attached") {
            // Mastodon says "not found or already attached"; GoToSocial names the post.
            let either = text.contains("not found");
            if either && expired {
                Reading::Redo { why: why("the uploads have expired") }
            } else {
                Reading::AlreadyThere { why: why("the media are attached to a post") }
            }
        } else if has_media && text.contains("media not found") {
            Reading::Redo { why: why("the uploads are gone") }
        } else {
            Reading::Refused { why: why("the post was refused") }
        }
    }

    /// What a 404 to publishing says.
    fn missing(&self, part: usize) -> &'static str {
        if part > 0 {
            "the part before it is not there: the server dropped it, or somebody deleted it"
        } else if self.attempt.job.content.reply_to.is_some() {
            "the post that it answers is not there"
        } else {
            // Mastodon's answer to a repeat of a post that was deleted since.
            "the server misses something that the post needs"
        }
    }

    fn confirmation(&self) -> Reading {
        let mut scratch = Scratch::of(self.attempt);
        let missing = matches!(self.reply.status, 404 | 410) && wire::is_api_error(self.reply);
        let since = Done::of(self.attempt.done).posts.last().map(|post| time::since(self.attempt.now, post.at));
        match since.filter(|_| missing) {
            Some(elapsed) if elapsed < DROPPED_AFTER => Reading::Wait(growing(elapsed)),
            Some(_) => Reading::Refused {
                why: self
                    .why("the server acknowledged the post and does not have it: dropped as spam, or deleted at once"),
            },
            None => {
                scratch.confirmed = true;
                scratch.learned()
            }
        }
    }

    /// Whether a refusal comes from the server itself. Proxies refuse with these only on behalf of it.
    fn spoken(&self) -> bool {
        wire::is_api_error(self.reply) || !matches!(self.reply.status, 400 | 404)
    }
}

/// A status that says that nothing was done, and nothing will be.
fn is_refusal(status: u16) -> bool {
    matches!(status, 400 | 404 | 405 | 406 | 410 | 411 | 413 | 414 | 415 | 417 | 418 | 422 | 426 | 431 | 451)
}

/// One second at first, then half of the time that has passed, five seconds at most.
fn growing(elapsed: Duration) -> Duration {
    (elapsed / 2).clamp(Duration::from_secs(1), Duration::from_secs(5))
}
