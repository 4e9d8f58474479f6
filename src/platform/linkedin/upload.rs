//! Media: each file is announced, sent, and waited for.
//!
//! `begin-N` asks for a place, `part-N-K` sends a slice of a video, `upload-N` sends an image or a document, or says
//! that all slices are there; then `media-N` asks until the file is ready. Only `upload-N` leaves a checkpoint, the
//! file's URN. What comes before it is called harmless although something waits at LinkedIn then: nobody ever sees it,
//! it goes by itself, and the addresses to send to are as good as tokens, so they are not written into the ledger. An
//! attempt that breaks off in the middle of a file sends that file again.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::kind::Kind;
use super::lookback::Look;
use super::wire::{Trouble, Wire};
use super::{Linkedin, Situation, again, harmless, step};
use crate::domain::{Checkpoint, Timestamp, time};
use crate::platform::contract::{Attempt, Effect, HttpReply, Media, Next, Reading};

/// How long a file may be in processing before the attempt is put off.
const PROCESSING: Duration = Duration::from_secs(600);
/// Most slices of a video. LinkedIn's have four megabytes.
const PARTS: usize = 1_000;

/// Checkpoint of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Uploaded {
    /// Place in the post's media, from 0.
    pub media: usize,
    pub urn: String,
    pub at: Timestamp,
}

/// What harmless steps have learned. Lost at a crash, and then learned again.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Scratch {
    /// The file that is being sent.
    begun: Option<Begun>,
    /// Files that need not be waited for, by URN.
    ready: BTreeSet<String>,
    pub look: Option<Look>,
}

/// A file that LinkedIn has made room for.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Begun {
    media: usize,
    urn: String,
    /// Where the slices go: the whole of an image or a document.
    slices: Vec<Slice>,
    /// Handed back when all slices are there.
    upload_token: String,
    /// What LinkedIn calls each slice that it has.
    sent: Vec<String>,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
struct Slice {
    url: Url,
    first: usize,
    /// The last byte of it.
    last: usize,
}

impl Scratch {
    pub fn of(attempt: &Attempt<'_>) -> Self {
        Self::deserialize(attempt.scratch).unwrap_or_default()
    }

    /// The reading that keeps it.
    pub fn learned(&self) -> Reading {
        Reading::Learned(serde_json::to_value(self).unwrap_or(Value::Null))
    }
}

/// The files that are at LinkedIn, by their place in the post; a later one counts.
pub fn uploaded(done: &[Checkpoint], media: usize) -> Option<Uploaded> {
    let held = done.iter().rev().filter_map(|checkpoint| Uploaded::deserialize(&checkpoint.data).ok());
    held.into_iter().find(|held| held.media == media)
}

/// Whether LinkedIn has had the files for longer than it can take to process them.
pub fn should_be_ready(attempt: &Attempt<'_>) -> bool {
    let mut held = (0..attempt.job.content.media.len()).filter_map(|place| uploaded(attempt.done, place));
    held.all(|held| time::since(attempt.now, held.at) > PROCESSING)
}

/// What has to be done before all files can be used.
pub fn next(view: &Situation<'_>, author: &str) -> Option<Next> {
    let attempt = view.attempt;
    let scratch = Scratch::of(attempt);
    attempt.job.media.iter().enumerate().find_map(|(place, media)| match uploaded(attempt.done, place) {
        None => Some(send(view.wire, author, place, media, scratch.begun.as_ref())),
        Some(held) if scratch.ready.contains(&held.urn) => None,
        Some(held) => {
            let kind = Kind::of_urn(&held.urn).unwrap_or(Kind::of(&media.mime));
            Some(harmless(format!("media-{place}"), view.wire.media(kind, &held.urn)))
        }
    })
}

fn send(wire: Wire<'_>, author: &str, place: usize, media: &Media, begun: Option<&Begun>) -> Next {
    let kind = Kind::of(&media.mime);
    let Some(begun) = begun.filter(|begun| begun.media == place) else {
        return harmless(format!("begin-{place}"), wire.initialize(kind, author, media.bytes.len()));
    };
    let leave = |call| step(format!("upload-{place}"), Effect::Leaves, call);
    match (kind, begun.slices.get(begun.sent.len())) {
        (Kind::Video, None) => leave(wire.finalize(&begun.urn, &begun.upload_token, &begun.sent)),
        (Kind::Video, Some(slice)) => {
            let bytes = media.bytes.get(slice.first..=slice.last).unwrap_or_default().into();
            harmless(format!("part-{place}-{}", begun.sent.len()), Wire::put_part(slice.url.clone(), bytes))
        }
        (_, Some(slice)) => leave(wire.put(slice.url.clone(), media.bytes.clone())),
        (_, None) => Next::Refuse("there is nowhere to send the file to".into()),
    }
}

/// What the reply to `begin-N` means.
pub fn read_begin(account: &Linkedin, attempt: &Attempt<'_>, place: usize, reply: &HttpReply) -> Reading {
    let Some(media) = attempt.job.media.get(place) else { return again("an upload of no file of this post".into()) };
    let kind = Kind::of(&media.mime);
    let value = reply.value().filter(|_| reply.status == 200).unwrap_or_default();
    let Some(value) = value.get("value").filter(|value| value.is_object()) else {
        return trouble(account, attempt, place, reply);
    };
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
    let urn = text(kind.name()).to_owned();
    let slices = match kind {
        Kind::Video => slices(account, value, media.bytes.len()),
        _ => account
            .upload_url(text("uploadUrl"))
            .map(|url| vec![Slice { url, first: 0, last: media.bytes.len().saturating_sub(1) }]),
    };
    match slices {
        Some(slices) if kind.owns(&urn) => {
            let upload_token = text("uploadToken").to_owned();
            let begun = Begun { media: place, urn, slices, upload_token, sent: Vec::new() };
            Scratch { begun: Some(begun), ..Scratch::of(attempt) }.learned()
        }
        _ => again("the reply does not tell where to send the file, or names a place that is not LinkedIn's".into()),
    }
}

/// The slices of a video, when they make up the whole of it.
fn slices(account: &Linkedin, value: &Value, bytes: usize) -> Option<Vec<Slice>> {
    let told = value.get("uploadInstructions")?.as_array().filter(|told| told.len() <= PARTS)?;
    let mut slices: Vec<Slice> = Vec::with_capacity(told.len());
    for slice in told {
        let byte = |key: &str| usize::try_from(slice.get(key)?.as_u64()?).ok();
        let (first, last) = (byte("firstByte")?, byte("lastByte")?);
        let expected = slices.last().map_or(0, |before| before.last + 1);
        if first != expected || last < first || last >= bytes {
            return None;
        }
        slices.push(Slice { url: account.upload_url(slice.get("uploadUrl")?.as_str()?)?, first, last });
    }
    (slices.last()?.last + 1 == bytes).then_some(slices)
}

/// What the reply to `part-N-K` means.
pub fn read_part(account: &Linkedin, attempt: &Attempt<'_>, place: usize, reply: &HttpReply) -> Reading {
    let mut scratch = Scratch::of(attempt);
    let tag = reply.header("etag").map(str::trim).filter(|tag| !tag.is_empty());
    match (reply.status, tag, &mut scratch.begun) {
        (200 | 201, Some(tag), Some(begun)) => {
            begun.sent.push(tag.to_owned());
            scratch.learned()
        }
        // No token went along that could be refused.
        (401, ..) => again("the address to send a part of the film to is not let in any more".into()),
        _ => trouble(account, attempt, place, reply),
    }
}

/// What the reply to `upload-N` means.
pub fn read_upload(account: &Linkedin, attempt: &Attempt<'_>, place: usize, reply: &HttpReply) -> Reading {
    let is_video = attempt.job.media.get(place).is_some_and(|media| Kind::of(&media.mime) == Kind::Video);
    // A page of somebody else's is no answer. What is said to the end of a video is asked about anyway.
    let taken = match is_video {
        true => reply.status == 200 && !reply.cut && (reply.body.is_empty() || reply.value().is_some()),
        false => reply.status == 201 && !reply.cut,
    };
    match Scratch::of(attempt).begun.filter(|begun| taken && begun.media == place) {
        Some(begun) => {
            let uploaded = Uploaded { media: place, urn: begun.urn, at: attempt.now };
            Reading::Checkpoint(serde_json::to_value(uploaded).unwrap_or(Value::Null))
        }
        None => trouble(account, attempt, place, reply),
    }
}

/// What the reply to `media-N` means.
pub fn read_media(account: &Linkedin, attempt: &Attempt<'_>, place: usize, reply: &HttpReply) -> Reading {
    let Some(held) = uploaded(attempt.done, place) else { return again("a question about no file".into()) };
    let elapsed = time::since(attempt.now, held.at);
    let value = reply.value().filter(|_| reply.status == 200).unwrap_or_default();
    let ready = || {
        let mut scratch = Scratch::of(attempt);
        // The places to send to belong to a file that is there: should it have to be sent again, they are of no use.
        scratch.begun = None;
        scratch.ready.insert(held.urn.clone());
        scratch.learned()
    };
    match value.get("status").and_then(Value::as_str) {
        Some("AVAILABLE") => return ready(),
        Some("PROCESSING_FAILED") => {
            let file = attempt.job.media.get(place).map(|media| media.item.file.as_str()).unwrap_or_default();
            return Reading::Refused { why: format!("linkedin could not process {file}") };
        }
        Some("WAITING_UPLOAD") if elapsed > PROCESSING => {
            return Reading::Redo { why: "linkedin still waits for the file".into() };
        }
        Some(_) if elapsed > PROCESSING => return again("linkedin is still processing the file".into()),
        Some(_) => return Reading::Wait(growing(elapsed)),
        None => {}
    }
    match super::trouble(attempt, reply) {
        // A member's token may post and not look.
        Trouble::Forbidden(_) => {
            let grace = Kind::of_urn(&held.urn).map_or(Duration::ZERO, Kind::grace);
            if elapsed >= grace { ready() } else { Reading::Wait(grace - elapsed) }
        }
        Trouble::Refused { refusal, why } if refusal.spoken && refusal.status == 404 => Reading::Redo { why },
        Trouble::Refused { why, .. } => again(why),
        trouble => account.settle(attempt, Effect::Harmless, trouble),
    }
}

/// What went wrong with sending a file. An address that has expired is no reason to give up.
fn trouble(account: &Linkedin, attempt: &Attempt<'_>, place: usize, reply: &HttpReply) -> Reading {
    let file = attempt.job.media.get(place).map(|media| media.item.file.as_str()).unwrap_or_default();
    match super::trouble(attempt, reply) {
        Trouble::Refused { refusal, why } if matches!(refusal.status, 413 | 415) => {
            Reading::Refused { why: format!("linkedin does not take {file}: {why}") }
        }
        Trouble::Refused { refusal, why } if refusal.spoken && !refusal.has("EXPIRED_UPLOAD_URL") => {
            Reading::Refused { why: format!("linkedin does not take {file}: {why}") }
        }
        Trouble::Refused { why, .. } => again(format!("failed to send {file}: {why}")),
        trouble => account.settle(attempt, Effect::Leaves, trouble),
    }
}

/// Two seconds at first, then as long as it has taken so far, half a minute at most.
fn growing(elapsed: Duration) -> Duration {
    elapsed.clamp(Duration::from_secs(2), Duration::from_secs(30))
}
