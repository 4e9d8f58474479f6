//! What the reply to each step means.

use std::time::Duration;

use serde_json::Value;

use super::media::Roles;
use super::progress::{Adorned, Begun, Captioned, Done, Listed, Published, Scratch, Uploaded, data};
use super::wire::{Ear, Standing, Trouble, standing};
use super::{Youtube, is_id, session};
use crate::domain::time;
use crate::platform::contract::{Attempt, Effect, HttpReply, Reading, Step};

/// How often it is asked whether a film is processed, and for how long.
const POLL: Duration = Duration::from_secs(30);
const PROCESSING: Duration = Duration::from_secs(10 * 60);
/// A session that has all bytes needs a moment to make a video of them.
const MAKING: Duration = Duration::from_secs(5);
/// What to do where YouTube keeps a video private.
const AUDIT: &str = "YouTube keeps it private, as it does with all uploads of a Google project that it has not audited: \
                     ask for the audit, and upload again after it";

impl Youtube {
    pub(super) fn reading(&self, attempt: &Attempt<'_>, step: &Step, reply: &HttpReply) -> Reading {
        let done = Done::of(attempt.done);
        let ear = ear(attempt, &done);
        match step.name.as_str() {
            session::TOKEN => return session::read_token(attempt, &ear, reply),
            "begin" => return self.read_begin(attempt, &ear, reply),
            "video" => return read_video(attempt, standing(&ear, reply)),
            name if name == "ask" || name.starts_with("chunk-") => {
                return read_progress(attempt, name == "ask", standing(&ear, reply));
            }
            _ => {}
        }
        let value = match ear.understand(reply) {
            Ok(value) => value,
            Err(trouble) => return self.refused(attempt, step, trouble),
        };
        match (step.name.as_str(), &done.uploaded) {
            (session::CHANNEL, _) => session::read_channel(attempt, &value),
            ("look-0", None) => match items(&value, "channel") {
                Some(_) => Reading::Absent,
                None => again("there is no list in the reply"),
            },
            ("look-0", Some(uploaded)) => look(&value, uploaded, &ear),
            ("processing", Some(uploaded)) => processing(attempt, &value, uploaded, &ear),
            ("thumbnail", Some(uploaded)) => match word(&value, "/kind") {
                "youtube#thumbnailSetResponse" => {
                    Reading::Checkpoint(data(&Adorned { thumbnail_of: uploaded.video.clone() }))
                }
                _ => again("the reply does not show the thumbnail"),
            },
            ("captions", Some(uploaded)) => match word(&value, "/kind") {
                "youtube#caption" => captioned(uploaded),
                _ => again("the reply does not show the captions"),
            },
            ("playlist-look", Some(_)) => match items(&value, "playlistItem") {
                Some(found) => Scratch { in_playlist: Some(!found.is_empty()), ..Scratch::of(attempt) }.learned(),
                None => again("there is no list in the reply"),
            },
            ("playlist", Some(_)) => match word(&value, "/kind") {
                "youtube#playlistItem" => self.listed(),
                _ => again("the reply does not show the entry"),
            },
            ("publish-0", Some(uploaded)) => published(&value, uploaded),
            _ => again("a reply to a step that there is not"),
        }
    }

    fn read_begin(&self, attempt: &Attempt<'_>, ear: &Ear, reply: &HttpReply) -> Reading {
        if !matches!(reply.status, 200 | 201) {
            return match ear.understand(reply) {
                Err(trouble) => settle(attempt, Effect::Leaves, trouble),
                Ok(_) => again("the reply tells no upload session"),
            };
        }
        let Some(location) = reply.header("location").filter(|_| !reply.cut) else {
            return again("the reply tells no upload session");
        };
        match self.wire.session(location) {
            Some(session) => Reading::Checkpoint(data(&Begun { session: session.into() })),
            None => again("the upload session is at a host that gets no token of ours"),
        }
    }

    fn listed(&self) -> Reading {
        Reading::Checkpoint(data(&Listed { playlist: self.playlist.clone().unwrap_or_default() }))
    }

    /// What trouble means where the step gives it a meaning of its own, or a person a thing to do.
    fn refused(&self, attempt: &Attempt<'_>, step: &Step, trouble: Trouble) -> Reading {
        let Trouble::Refused { reason, why } = trouble else { return settle(attempt, step.effect, trouble) };
        let why = match (step.name.as_str(), reason.as_str()) {
            // An earlier try has arrived: nobody else knows this video yet.
            ("captions", "captionExists") => {
                let uploaded = Done::of(attempt.done).uploaded;
                return uploaded.map_or_else(|| again("captions of no video"), |uploaded| captioned(&uploaded));
            }
            // Whoever looks does not know it yet.
            ("captions", "videoNotFound") => return Reading::Retry { after: None, why },
            ("captions", _) => format!("{why}; look at the file of captions"),
            ("playlist", "videoAlreadyInPlaylist") => return self.listed(),
            // The playlist does not know it yet.
            ("playlist", "videoNotFound") => return Reading::Retry { after: None, why },
            ("playlist" | "playlist-look", _) => format!("{why}; look at the account's key \"playlist\""),
            ("thumbnail", "forbidden") => {
                format!("{why}; thumbnails are for verified channels: verify yours at youtube.com/verify")
            }
            ("publish-0", "forbiddenPrivacySetting") => format!("{why}; {AUDIT}"),
            ("publish-0", "videoNotFound") => format!("{why}; it was uploaded, and somebody has deleted it since"),
            // Nothing was asked that could be refused for good.
            (session::CHANNEL | "look-0" | "processing", _) => return Reading::Retry { after: None, why },
            _ => why,
        };
        Reading::Refused { why }
    }
}

fn captioned(uploaded: &Uploaded) -> Reading {
    Reading::Checkpoint(data(&Captioned { captions_of: uploaded.video.clone() }))
}

fn ear(attempt: &Attempt<'_>, done: &Done) -> Ear {
    let mut hidden = session::hidden(attempt);
    if let Some(begun) = &done.begun {
        hidden.push(begun.session.clone());
        // A part of it is as good as the whole.
        hidden.extend(begun.session.split(['?', '&', '=']).filter(|part| part.len() > 20).map(str::to_owned));
    }
    Ear { now: attempt.now, attempt: attempt.job.attempt, hidden }
}

/// What trouble means for a step that surely did nothing by it, and for one that may have.
fn settle(attempt: &Attempt<'_>, effect: Effect, trouble: Trouble) -> Reading {
    match trouble {
        Trouble::Token(why) => session::refused(attempt, why),
        Trouble::Stopped(why) => Reading::Auth { why },
        Trouble::TooMuch { until, why } => Reading::RateLimited { until, why },
        Trouble::Refused { why, .. } => Reading::Refused { why },
        Trouble::Unknown { why, .. } if effect == Effect::Publishes => Reading::Unclear { why },
        Trouble::Unknown { after, why } => Reading::Retry { after, why },
    }
}

fn again(why: &str) -> Reading {
    Reading::Retry { after: None, why: why.into() }
}

fn gone() -> Reading {
    Reading::Redo { why: "the upload session is gone".into() }
}

/// The session was asked, or got some bytes. What it says that it has counts, not what was sent.
fn read_progress(attempt: &Attempt<'_>, asked: bool, standing: Standing) -> Reading {
    let film = Roles::of(&attempt.job.media).map_or(0, |roles| roles.film.bytes.len());
    let before = Scratch::of(attempt).stored;
    let scratch = Scratch { stored: None, ..Scratch::of(attempt) };
    match standing {
        Standing::Has(bytes) if !asked && before.is_some_and(|before| bytes <= before) => {
            again("the upload session takes no bytes")
        }
        Standing::Has(bytes) if bytes < film => Scratch { stored: Some(bytes), ..scratch }.learned(),
        Standing::Has(_) if asked => Reading::Wait(MAKING),
        Standing::Has(_) => scratch.learned(),
        Standing::Whole(video) => match made(&video) {
            Some(_) => Scratch { whole: true, ..scratch }.learned(),
            None => again("the reply to the upload tells no video"),
        },
        Standing::Gone => gone(),
        Standing::Trouble(trouble) => interrupted(attempt, trouble),
    }
}

/// The session should have all bytes now.
fn read_video(attempt: &Attempt<'_>, standing: Standing) -> Reading {
    match standing {
        Standing::Whole(video) => match made(&video) {
            Some(id) => Reading::Checkpoint(data(&Uploaded { video: id.into(), uploaded: attempt.now })),
            None => again("the reply to the upload tells no video"),
        },
        // It kept less than was sent. The next attempt asks how much; a session that never keeps the rest uses up the
        // tries.
        Standing::Has(_) => again("the upload session has not got all bytes"),
        Standing::Gone => gone(),
        Standing::Trouble(trouble) => interrupted(attempt, trouble),
    }
}

/// What trouble with a session means. What is refused for its form may be right when the session was asked again; only
/// what is said of the video itself is refused for good.
fn interrupted(attempt: &Attempt<'_>, trouble: Trouble) -> Reading {
    match trouble {
        Trouble::Refused { reason, why } if !["invalid", "forbidden"].iter().any(|word| reason.starts_with(word)) => {
            Reading::Retry { after: None, why }
        }
        trouble => settle(attempt, Effect::Leaves, trouble),
    }
}

/// The id of the video that an upload has made.
fn made(video: &Value) -> Option<&str> {
    (word(video, "/kind") == "youtube#video").then(|| word(video, "/id")).filter(|id| is_id(id))
}

/// The items of a list of that kind. Some lists leave the key out when they are empty.
pub(super) fn items<'a>(value: &'a Value, kind: &str) -> Option<&'a [Value]> {
    let found = word(value, "/kind").strip_prefix("youtube#")?.strip_suffix("ListResponse")?;
    match value.get("items") {
        _ if found != kind => None,
        None => Some(&[]),
        Some(items) => items.as_array().map(Vec::as_slice),
    }
}

/// The status of our video in a list.
fn status<'a>(items: &'a [Value], video: &str) -> Option<&'a Value> {
    items.iter().find(|item| item.get("id").and_then(Value::as_str) == Some(video))
}

fn word<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn processing(attempt: &Attempt<'_>, value: &Value, uploaded: &Uploaded, ear: &Ear) -> Reading {
    let Some(items) = items(value, "video") else { return again("there is no list in the reply") };
    let patient = time::since(attempt.now, uploaded.uploaded) < PROCESSING;
    let ready = || Scratch { processed: true, ..Scratch::of(attempt) }.learned();
    let refused = |why: String| Reading::Refused { why };
    let Some(video) = status(items, &uploaded.video) else {
        return match patient {
            true => Reading::Wait(POLL),
            false => refused("the video was uploaded and is not there any more: somebody has deleted it".into()),
        };
    };
    let said = |pointer: &str| ear.quote(word(video, pointer));
    match (word(video, "/status/uploadStatus"), word(video, "/processingDetails/processingStatus")) {
        ("failed", _) => refused(format!("YouTube cannot read the film: {}", said("/status/failureReason"))),
        ("rejected", _) => refused(format!("YouTube has rejected the video: {}", said("/status/rejectionReason"))),
        ("deleted", _) => refused("the video was uploaded, and somebody has deleted it".into()),
        (_, "failed" | "terminated") => {
            refused(format!("YouTube cannot read the film: {}", said("/processingDetails/processingFailureReason")))
        }
        ("processed", _) => ready(),
        ("uploaded", _) if patient => Reading::Wait(POLL),
        ("uploaded", _) => ready(),
        _ => again("the reply does not tell the state of the video"),
    }
}

fn published(video: &Value, uploaded: &Uploaded) -> Reading {
    match (word(video, "/id") == uploaded.video, word(video, "/status/privacyStatus")) {
        // Where YouTube narrows it, it is published all the same.
        (true, "public" | "unlisted") => found_published(uploaded, Reading::Checkpoint),
        (true, "private") => Reading::Refused { why: AUDIT.into() },
        _ => Reading::Unclear { why: "the reply does not show the video with its new status".into() },
    }
}

fn look(value: &Value, uploaded: &Uploaded, ear: &Ear) -> Reading {
    let Some(items) = items(value, "video") else { return again("there is no list in the reply") };
    let Some(video) = status(items, &uploaded.video) else {
        let why = "the video is not there any more: somebody has deleted it".into();
        return Reading::Refused { why };
    };
    match word(video, "/status/privacyStatus") {
        "private" => Reading::Absent,
        // Whoever has set it so: it is published, and what a person has made of it since stays.
        "public" | "unlisted" => found_published(uploaded, Reading::Found),
        other => again(&format!("the reply shows the status {:?}", ear.quote(other))),
    }
}

fn found_published(uploaded: &Uploaded, reading: fn(Value) -> Reading) -> Reading {
    reading(data(&Published { published: uploaded.video.clone() }))
}
