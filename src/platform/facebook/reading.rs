//! What each reply means.
//!
//! A success is believed only in the form that the step must have; errors mean what [`super::errors`] says. A published
//! post is asked for once: Facebook's own description of publishing a draft is thin, and a video may still fail when
//! it is processed. Any other answer to that question lets the delivery count as it was acknowledged: a published post
//! must not become doubtful because a harmless question found no answer.

use std::time::Duration;

use serde_json::{Value, json};

use crate::domain::{Timestamp, time};
use crate::platform::contract::{Attempt, Effect, HttpReply, Purpose, Reading, Reply, Step};

use super::errors::{self, Class, Failed, GraphError};
use super::lookback::{Look, Proof, Verdict};
use super::progress::{Chunk, Done, Draft, Kept, Photo, Posted, Scratch, Video, data};
use super::wire::{self, Id};
use super::{Facebook, LAG, TOKEN, token_mark};

/// Uploads that no post shows live about a day; past this age a refusal may come of that.
const UPLOAD_LIFE: Duration = Duration::from_secs(20 * 3600);
/// A new object may not be visible for so long.
const UNSEEN: Duration = Duration::from_secs(300);
/// How long an acknowledged publication may not show before it counts as not carried out.
const UNPUBLISHED: Duration = Duration::from_secs(60);
/// How long the processing of a published video is waited for.
const PROCESSING: Duration = Duration::from_secs(30 * 60);

/// What `reply` to `step` means.
pub fn read(account: &Facebook, attempt: &Attempt<'_>, step: &Step, reply: &Reply) -> Reading {
    let Reply::Http(reply) = reply else {
        let why = "not a reply of this platform".to_owned();
        return match step.effect {
            Effect::Publishes => Reading::Unclear { why },
            Effect::Harmless | Effect::Leaves => Reading::Retry { after: None, why },
        };
    };
    let token = attempt.secrets.get("token");
    let app_secret = attempt.secrets.get("app_secret");
    let proof = token.zip(app_secret).map(|(token, secret)| wire::proof(token, secret));
    let hidden = errors::hidden(token, app_secret, proof.as_deref());
    let failed = Failed { reply, effect: step.effect, attempt: attempt.job.attempt, now: attempt.now, hidden: &hidden };
    let value = reply.value().filter(|value| reply.status == 200 && value["error"].is_null());
    let answer = Answer { account, attempt, reply, value: value.unwrap_or_default(), failed };
    match step.name.split('-').next().unwrap_or_default() {
        "identity" => answer.identity(),
        "photo" => answer.photo(&step.name),
        "video" => answer.video(),
        "chunk" => answer.chunk(),
        "draft" => answer.draft(),
        "publish" => answer.published(),
        "confirm" => answer.confirmation(),
        "look" => answer.look(),
        "list" => answer.list(),
        name => Reading::Retry { after: None, why: format!("a reply to an unknown step {name:?}") },
    }
}

/// A reply in its situation.
struct Answer<'a> {
    account: &'a Facebook,
    attempt: &'a Attempt<'a>,
    reply: &'a HttpReply,
    /// The body of a success; `Null` otherwise.
    value: Value,
    failed: Failed<'a>,
}

/// What a video or a post tells of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Out,
    NotOut,
    /// It will be, or will fail.
    Processing,
    Failed(String),
    Nothing,
}

impl Answer<'_> {
    fn done(&self) -> Done {
        Done::of(self.attempt.done)
    }

    fn error(&self) -> Option<GraphError> {
        GraphError::read(self.reply)
    }

    /// How long ago that was.
    fn since(&self, at: Timestamp) -> Duration {
        time::since(self.attempt.now, at)
    }

    fn keep(&self, kept: &Kept) -> Reading {
        Reading::Checkpoint(data(kept))
    }

    /// A step that leaves something was refused: uploads that are old may be gone.
    fn not_left(&self, what: &str) -> Reading {
        let old = self.done().oldest_upload().is_some_and(|at| self.since(at) > UPLOAD_LIFE);
        match self.failed.reading(what) {
            Reading::Refused { why } if old => Reading::Redo { why },
            reading => reading,
        }
    }

    fn identity(&self) -> Reading {
        let token = self.attempt.secrets.get("token");
        let (Some(id), Some(token)) = (Id::read(&self.value["id"]), token) else {
            // There is no post in this question that could be at fault.
            return match self.failed.reading("failed to learn whose token it is") {
                Reading::Refused { why } => Reading::Auth { why },
                reading => reading,
            };
        };
        if id != self.account.page {
            let name = errors::shown(self.value["name"].as_str().unwrap_or_default(), self.failed.hidden);
            let why = format!("the token is that of {name:?} ({id}), and not of the Page {}", self.account.page);
            return Reading::Auth { why };
        }
        let served = self.reply.header("facebook-api-version").filter(|version| super::is_version(version));
        let asked = self.account.version.as_str();
        if let Some(served) = served.filter(|served| *served != asked) {
            // Another version may mean something else by the same request.
            let remedy = format!("read what has changed, then set `version = {served:?}` for this account");
            return Reading::Auth {
                why: format!("Facebook serves {served} in place of {asked}, which is gone: {remedy}"),
            };
        }
        let mut session = self.attempt.session.clone();
        session.identity = Some(id);
        session.values.insert(TOKEN.into(), json!(token_mark(token)));
        Reading::Session(session)
    }

    /// A question about posts that told nothing. It says nothing against the post; and what a look lacks, the question
    /// that lets a stopped account in again does not need, so a stop would be lifted and come back for ever.
    fn not_told(&self, what: &str) -> Reading {
        let class = self.error().map(|error| error.class());
        match (self.failed.reading(what), class) {
            (Reading::Refused { why }, _) => Reading::Retry { after: None, why },
            (Reading::Auth { why }, Some(Class::Permission)) if self.attempt.purpose == Purpose::LookBack => {
                Reading::Retry { after: None, why }
            }
            (reading, _) => reading,
        }
    }

    fn photo(&self, name: &str) -> Reading {
        let place = name.rsplit_once('-').and_then(|(_, place)| place.parse().ok());
        match (Id::read(&self.value["id"]), place) {
            (Some(id), Some(place)) => self.keep(&Kept::Photo(Photo { place, id, at: self.attempt.now })),
            _ => self.failed.reading("the upload of a photo failed"),
        }
    }

    fn length(&self) -> usize {
        self.attempt.job.media.first().map_or(0, |media| media.bytes.len())
    }

    fn video(&self) -> Reading {
        let (id, session) = (Id::read(&self.value["video_id"]), Id::read(&self.value["upload_session_id"]));
        match (id, session, wire::span(&self.value, self.length())) {
            (Some(id), Some(session), Some(wanted)) => {
                self.keep(&Kept::Video(Video { id, session, wanted, at: self.attempt.now }))
            }
            _ => self.failed.reading("the upload of the video was not begun"),
        }
    }

    fn chunk(&self) -> Reading {
        let Some(video) = self.done().video else {
            return Reading::Retry { after: None, why: "nobody knows which video it was".into() };
        };
        let corrected = self.error().filter(|error| error.class() == Class::Offset);
        let offsets = corrected.as_ref().map_or(&self.value, GraphError::offsets);
        match wire::span(offsets, self.length()) {
            Some(wanted) if wanted != video.wanted => self.keep(&Kept::Chunk(Chunk { session: video.session, wanted })),
            Some(_) => Reading::Retry { after: None, why: "the upload of the video does not get on".into() },
            None => self.not_left("the upload of the video failed"),
        }
    }

    fn draft(&self) -> Reading {
        match Id::read(&self.value["id"]) {
            Some(id) => {
                let url = wire::permalink(&self.value);
                self.keep(&Kept::Draft(Draft { id, url, at: self.attempt.now }))
            }
            None => self.not_left("the post was refused"),
        }
    }

    /// What is published, by what the steps before it have left.
    fn known(&self) -> Option<(String, String)> {
        let (done, page) = (self.done(), self.account.page.as_str());
        if let Some(video) = done.video {
            return Some((video.id.clone(), wire::video_address(page, &video.id)));
        }
        let draft = done.draft?;
        Some((draft.id.clone(), draft.url.unwrap_or_else(|| wire::post_address(page, &draft.id))))
    }

    fn posted(&self, (id, url): (String, String), seen: bool) -> Value {
        let (attempt, at) = (self.attempt.job.attempt, self.attempt.now);
        data(&Kept::Posted(Posted { id, url, attempt, at, seen }))
    }

    fn published(&self) -> Reading {
        let done = self.done();
        let acknowledged = match self.known() {
            Some(known) => (self.value["success"] == Value::Bool(true)).then_some(known),
            None => Id::read(&self.value["id"]).map(|id| {
                let url = wire::post_address(&self.account.page, &id);
                (id, url)
            }),
        };
        if let Some(known) = acknowledged {
            return Reading::Checkpoint(self.posted(known, false));
        }
        let lost = self.error().is_some_and(|error| error.class() == Class::SessionLost);
        if lost && done.video.as_ref().is_some_and(|video| self.since(video.at) > UPLOAD_LIFE) {
            // Earlier tries of such an age are settled: it is not out, and never will be.
            return Reading::Redo { why: self.failed.why("the upload is lost") };
        }
        match self.failed.reading("publishing got no clear answer") {
            // What Facebook says to a draft that is out already is not described, and the draft can be asked.
            Reading::Refused { why } if done.draft.is_some() => Reading::Unclear { why },
            reading => reading,
        }
    }

    fn confirmation(&self) -> Reading {
        let since = self.done().posted.map_or(Duration::MAX, |posted| self.since(posted.at));
        let mut scratch = Scratch::of(self.attempt);
        scratch.confirmed = true;
        // Who only asks has no media at hand.
        let video = self.done().video.is_some();
        let patience = if video { PROCESSING } else { UNPUBLISHED };
        match self.seen() {
            Seen::NotOut if since < UNPUBLISHED => Reading::Wait(Duration::from_secs(5)),
            Seen::NotOut if !video => Reading::Refused {
                why: "Facebook has acknowledged the publication, and the post is still a draft: publish it on the \
                      Page, and set `two_step = false` for this account"
                    .into(),
            },
            Seen::Processing if since < PROCESSING => {
                Reading::Wait((since / 4).clamp(Duration::from_secs(5), Duration::from_secs(60)))
            }
            Seen::Failed(why) => Reading::Refused { why: format!("Facebook could not process the video: {why}") },
            // A question that failed tells nothing of what was asked about.
            Seen::Nothing if since < patience => {
                Reading::Wait((since / 4).clamp(Duration::from_secs(15), Duration::from_secs(60)))
            }
            Seen::Out | Seen::NotOut | Seen::Processing | Seen::Nothing => scratch.learned(),
        }
    }

    /// Looking back at an object whose id is known.
    fn look(&self) -> Reading {
        let done = self.done();
        let at = done.video.as_ref().map(|video| video.at).or(done.draft.as_ref().map(|draft| draft.at));
        let missing = self.error().is_some_and(|error| error.class() == Class::Missing);
        match (self.seen(), self.known()) {
            (Seen::Out, Some((id, url))) => {
                Reading::Found(self.posted((id, wire::permalink(&self.value).unwrap_or(url)), true))
            }
            (Seen::NotOut, Some(_)) => Reading::Absent,
            (Seen::Processing, Some(_)) => Reading::Wait(Duration::from_secs(15)),
            (Seen::Failed(why), _) => Reading::Refused { why: format!("Facebook could not process the video: {why}") },
            _ if missing && at.is_some_and(|at| self.since(at) < UNSEEN) => Reading::Wait(Duration::from_secs(10)),
            // Deleted as a draft or as a post: only a person knows.
            _ if missing => Reading::Refused { why: self.failed.why("the post is not there any more") },
            _ => self.not_told("failed to ask what became of the post"),
        }
    }

    fn seen(&self) -> Seen {
        let video = &self.value["status"];
        if Id::read(&self.value["id"]).is_none() {
            return Seen::Nothing;
        }
        match (self.done().video.is_some(), &self.value["is_published"]) {
            (true, _) => video_state(video, &self.value["published"], self.failed.hidden),
            (false, Value::Bool(true)) => Seen::Out,
            (false, Value::Bool(false)) => Seen::NotOut,
            (false, _) => Seen::Nothing,
        }
    }

    /// A page of what the Page has published.
    fn list(&self) -> Reading {
        let clean = Scratch::of(self.attempt).clean.map(|clean| self.since(clean));
        if let Some(since) = clean.filter(|since| *since < LAG && Look::of(self.attempt).pages == 0) {
            return Reading::Wait(LAG.saturating_sub(since));
        }
        let proof = if self.account.two_step { Proof::BesideDrafts } else { Proof::Alone };
        let Some(look) = Look::of(self.attempt).read(self.attempt, self.reply, proof) else {
            return self.not_told("failed to read our own posts");
        };
        let mut scratch = Scratch::of(self.attempt);
        let verdict = look.verdict.clone();
        scratch.look = Some(look);
        match (verdict, self.attempt.purpose) {
            (None, _) => return scratch.learned(),
            (Some(Verdict::There(post)), Purpose::LookBack) => {
                let url = post.url.unwrap_or_else(|| wire::post_address(&self.account.page, &post.id));
                return Reading::Found(self.posted((post.id, url), true));
            }
            (Some(Verdict::NotThere), Purpose::LookBack) => return Reading::Absent,
            (Some(_), Purpose::LookBack) => return scratch.learned(),
            (Some(Verdict::There(_) | Verdict::Several(_)), Purpose::Publish) => {
                // A draft of an earlier attempt was shown at once, and its answer was lost.
                return Reading::AlreadyThere { why: "a post of ours says the same already".into() };
            }
            // Another draft could be a second post. A look of its own asks again, and in the end a person decides.
            (Some(Verdict::CannotTell(why)), Purpose::Publish) => {
                return Reading::AlreadyThere { why: format!("an earlier draft may be out: {why}") };
            }
            // A request that got lost may still be under way: it is looked through once more.
            (Some(_), Purpose::Publish) if scratch.clean.is_none() => {
                (scratch.clean, scratch.look) = (Some(self.attempt.now), None);
                return scratch.learned();
            }
            (Some(_), Purpose::Publish) => {}
        }
        scratch.looked = true;
        scratch.look = None;
        scratch.learned()
    }
}

/// What a video's status says. That a video is published is believed of one that is ready only: what an upload without
/// an end tells there is not described.
fn video_state(status: &Value, published: &Value, hidden: &[&str]) -> Seen {
    let phase = |name: &str| status[name]["status"].as_str().unwrap_or_default();
    let (upload, processing, publishing) =
        (phase("uploading_phase"), phase("processing_phase"), phase("publishing_phase"));
    let whole = status["video_status"].as_str().unwrap_or_default();
    if whole == "error" || [upload, processing, publishing].contains(&"error") {
        let phases = ["uploading_phase", "processing_phase", "publishing_phase"];
        let said = phases.iter().find_map(|name| status[*name]["errors"][0]["message"].as_str());
        return Seen::Failed(errors::shown(said.unwrap_or("no reason was told"), hidden));
    }
    let out = publishing == "complete" || status["publishing_phase"]["publish_status"] == "published";
    match whole {
        _ if out => Seen::Out,
        "ready" if *published == Value::Bool(true) => Seen::Out,
        "ready" | "processing" => Seen::Processing,
        _ if matches!(processing, "in_progress" | "complete") => Seen::Processing,
        "expired" | "upload_complete" | "upload_in_progress" | "uploading" => Seen::NotOut,
        _ => Seen::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_video_is_out_when_it_is_ready_and_published() {
        let state = |status: Value, published: Value| video_state(&status, &published, &[]);
        let phases = |upload: &str, processing: &str, publishing: &str| {
            json!({"uploading_phase": {"status": upload}, "processing_phase": {"status": processing},
                   "publishing_phase": {"status": publishing}})
        };
        let named = |name: &str| json!({ "video_status": name });
        assert_eq!(state(named("ready"), json!(true)), Seen::Out);
        assert_eq!(state(named("ready"), json!(false)), Seen::Processing);
        assert_eq!(state(named("processing"), json!(true)), Seen::Processing);
        assert_eq!(state(named("upload_complete"), json!(true)), Seen::NotOut);
        assert_eq!(state(named("expired"), json!(true)), Seen::NotOut);
        assert_eq!(state(phases("complete", "complete", "complete"), json!(null)), Seen::Out);
        assert_eq!(state(phases("complete", "in_progress", "not_started"), json!(null)), Seen::Processing);
        assert_eq!(state(named("something new"), json!(true)), Seen::Nothing);
        assert_eq!(state(json!(null), json!(true)), Seen::Nothing);
        let mut failed = phases("complete", "error", "not_started");
        failed["processing_phase"]["errors"] = json!([{"code": 1_363_008, "message": "too short"}]);
        assert_eq!(state(failed, json!(null)), Seen::Failed("too short".into()));
    }
}
