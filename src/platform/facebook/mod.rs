//! Facebook Pages, through Meta's Graph API. Profiles and groups cannot be published to.
//!
//! A delivery is: whose token it is, then uploads that nobody sees, then a draft, then its publication; a video needs
//! no draft, because its upload session is one. In steady state a text costs three calls.
//!
//! What is decided here, and why:
//! - **Twice is prevented by an id.** The API knows no idempotency key. So the post is made as a draft
//!   (`published: false`), whose id is a checkpoint, and then published (`is_published: true`): after a lost answer
//!   that very post is asked, whatever the lists say. A video is settled the same way, because it has its id before its
//!   first byte; the upload in one request has not, and is not used.
//! - **It is safe where Facebook's own words are thin.** Publishing a draft is described in few places. So the post is
//!   asked for once after it was published, and one that is still a draft is refused loudly. There are reports of
//!   drafts with photos or links that were shown at once; so before a draft is made once more, the Page's posts are
//!   looked through. Whom drafts do not serve sets `two_step = false`: then the post is published in one step, and
//!   looked for in the list of posts when the answer is lost.
//! - **The look is no proof without rights.** A token that may not read is shown an empty list; where it is known that
//!   the Page has posts of ours, such a list tells nothing. Where the list is all there is (`two_step = false`), it is
//!   believed only when it shows that it may be read and goes by time.
//! - **The account is the Page.** Whose token it is, is asked before anything is published or looked for, and belongs to
//!   that token: another token is asked again. Tokens of Pages cannot be refreshed.
//! - **A version that is gone is told.** Facebook serves another one silently, and names it in a header; then the account
//!   stops until a person has looked, or Facebook serves the right one again, which is asked every few minutes.
//!
//! What it does not do: to write comments (a token that may not read them is shown none, so a lost one could come twice), Reels
//! and Stories as such, several videos, tags of people and places, editing, deleting. Videos have no description
//! for people who do not see them; photos have (`alt_text_custom`).

mod errors;
mod examine;
mod login;
mod lookback;
mod progress;
mod reading;
mod sweep;
#[cfg(test)]
mod tests;
pub mod text;
pub mod twin;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use url::Url;

use super::contract::examine::{Examination, Facts};
use super::contract::sweep::{Looking, Sweep, Sweeper};
use super::contract::{
    Abilities, Adapter, Answers, Ask, Attempt, AuthFlow, Call, Complaint, Effect, Entry, Evidence, HttpReply, Key,
    KeyKind, Media, MediaKind, Next, Pace, Purpose, Reading, Reply, Request, Session, Step, Table, Twin,
};
use super::graph::login::{APP_ID, App, REDIRECT};
use crate::domain::{Content, Digest, Secret, SecretRef, Timestamp, Visibility};

use lookback::{Look, Verdict};
use progress::{Done, Posted, Scratch, Video};
use wire::{Shown, Wire};

/// The version of the Graph API that this adapter was written for. Facebook keeps a version for about two years.
pub const VERSION: &str = "v26.0";
/// Most photos of one post; no number of Meta's own is published, and other publishers have found this one.
const PHOTOS: usize = 10;
/// Kinds of photos that Facebook takes, and most bytes of one.
const PHOTO_KINDS: &[&str] = &["image/jpeg", "image/png", "image/gif", "image/bmp", "image/tiff", "image/webp"];
const PHOTO_BYTES: u64 = 10 * 1024 * 1024;

pub static ENTRY: Entry = Entry {
    name: "facebook",
    keys: &[
        Key { name: "page", kind: KeyKind::Text, required: true, doc: "The Page's numeric id." },
        Key {
            name: "token",
            kind: KeyKind::Secret,
            required: true,
            doc: "Access token of the Page (not of the person), with `pages_manage_posts` and `pages_read_engagement`.",
        },
        Key {
            name: "app_secret",
            kind: KeyKind::Secret,
            required: false,
            doc: "The app's secret, for `cadenced auth`, and where the app demands a proof of it; with it, every call carries one.",
        },
        Key {
            name: APP_ID,
            kind: KeyKind::Text,
            required: false,
            doc: "The id of the app that people log in with (`cadenced auth`); with `app_secret` and `redirect`.",
        },
        Key {
            name: REDIRECT,
            kind: KeyKind::Text,
            required: false,
            doc: "An https address that the app has registered among its redirect addresses, for `cadenced auth`; nothing need be there.",
        },
        Key { name: "version", kind: KeyKind::Text, required: false, doc: "Version of the Graph API, such as v26.0." },
        Key {
            name: "two_step",
            kind: KeyKind::Bool,
            required: false,
            doc: "Whether a post is made as a draft and then published (the default), so that a lost answer can be settled.",
        },
        Key {
            name: "base_url",
            kind: KeyKind::Url,
            required: false,
            doc: "Address of the API, for proxies and tests; Facebook's own where it is left out.",
        },
    ],
    can: Abilities {
        text_alone: true,
        images: PHOTOS,
        videos: 1,
        sounds: 0,
        documents: 0,
        mixed: false,
        threads: false,
        answers: Answers::Nothing,
        warnings: false,
        unlisted: false,
        followers: false,
    },
    build,
    twin: || Box::new(twin::FacebookTwin::new()) as Box<dyn Twin>,
};

fn build(table: &mut Table) -> Option<Arc<dyn Adapter>> {
    let page = table.required("page").filter(|page| {
        let known = !page.is_empty() && page.len() <= 20 && page.chars().all(|c| c.is_ascii_digit());
        if !known {
            let reason = format!("{page:?} is not the numeric id of a Page");
            let hint = "the token's own `GET /me` tells it, and so does the Page under About, Page transparency";
            table.complain(Complaint::new("page", reason).with_hint(hint));
        }
        known
    });
    let version = table.text("version").unwrap_or_else(|| VERSION.into());
    if !is_version(&version) {
        let complaint = Complaint::new("version", format!("{version:?} is not a version of the Graph API"));
        table.complain(complaint.with_hint(format!("write it as {VERSION:?}")));
    }
    let base = table.base_url_or("base_url", wire::API);
    let token = table.secret("token");
    let app_secret = table.optional_secret("app_secret");
    let app = App::read(table);
    let two_step = table.bool("two_step").unwrap_or(true);
    Some(Arc::new(Facebook { base: base?, page: page?, token: token?, app_secret, version, two_step, app }))
}

fn is_version(text: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.len() <= 3 && text.chars().all(|c| c.is_ascii_digit());
    text.strip_prefix('v').and_then(|text| text.split_once('.')).is_some_and(|(a, b)| number(a) && number(b))
}

/// One Page.
#[derive(Debug)]
pub struct Facebook {
    base: Url,
    page: String,
    token: SecretRef,
    app_secret: Option<SecretRef>,
    version: String,
    two_step: bool,
    /// What people log in with.
    app: Option<App>,
}

/// How long what was published may be missing from a list, and a lost request under way.
const LAG: Duration = Duration::from_secs(300);
/// How a post is put together; see [`text::message`].
const COMPOSITION: u32 = 1;

/// Key of [`Session::values`]: which token the identity belongs to, as a hash.
const TOKEN: &str = "token";

impl Adapter for Facebook {
    fn platform(&self) -> &'static str {
        ENTRY.name
    }

    fn host(&self) -> String {
        let host = self.base.host_str().unwrap_or_default();
        let port = self.base.port().map(|port| format!(":{port}")).unwrap_or_default();
        let path = self.base.path().trim_end_matches('/');
        format!("{host}{port}{path}")
    }

    fn place(&self) -> String {
        format!("{}/{}", self.host(), self.page)
    }

    fn evidence(&self) -> Evidence {
        Evidence::LookBack { lag: LAG }
    }

    fn secrets(&self) -> Vec<(&'static str, SecretRef)> {
        let app_secret = self.app_secret.clone().map(|secret| ("app_secret", secret));
        [("token", self.token.clone())].into_iter().chain(app_secret).collect()
    }

    fn auth(&self) -> AuthFlow {
        let page = "a token of the Page, not of a person; with `app_id`, `app_secret` and `redirect` there is a login in a \
                    browser";
        let code = login::Login::of(self.app.as_ref(), &self.base, &self.version, &self.page);
        AuthFlow { page: Some(page.into()), code }
    }

    fn check(&self, content: &Content, _session: &Session) -> Vec<Complaint> {
        let mut complaints = ENTRY.can.complaints(ENTRY.name, content);
        complaints.extend(check(content));
        complaints
    }

    /// The text is composed anew for each attempt, always by this composition.
    fn freeze(&self, _content: &Content, _now: Timestamp, _draw: u64) -> Value {
        json!({ "composition": COMPOSITION })
    }

    fn next(&self, attempt: &Attempt<'_>) -> Next {
        let given = |key: &str| attempt.secrets.get(key).filter(|secret| !secret.expose().trim().is_empty());
        let Some(token) = given("token") else {
            return Next::Auth("there is no access token".into());
        };
        let app_secret = given("app_secret");
        if self.app_secret.is_some() && app_secret.is_none() {
            return Next::Auth("there is no app secret".into());
        }
        let wire = Wire { base: &self.base, version: &self.version, page: &self.page, token, app_secret };
        let (done, scratch) = (Done::of(attempt.done), Scratch::of(attempt));
        Situation { wire, two_step: self.two_step, attempt, done, scratch }.next()
    }

    fn read(&self, attempt: &Attempt<'_>, step: &Step, reply: &Reply) -> Reading {
        reading::read(self, attempt, step, reply)
    }

    fn examine(&self, about: &Examination<'_>, replies: &[HttpReply]) -> Ask<Facts> {
        self.examined(about, replies)
    }

    fn sweep(&self, sweep: Sweep, looking: &Looking<'_>) -> Option<Box<dyn Sweeper>> {
        Some(Box::new(sweep::Sweeping::new(self, sweep, looking)))
    }

    fn pace(&self, reply: &Reply, now: Timestamp) -> Option<Pace> {
        match reply {
            Reply::Http(reply) => errors::pace(reply, now),
            _ => None,
        }
    }
}

/// What Facebook would refuse, beside what its abilities say.
fn check(content: &Content) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let message = text::message(content);
    if message.trim().is_empty() && content.media.is_empty() && text::card(content).is_none() {
        complaints.push(Complaint::new("text", "the post has no text"));
    }
    let length = message.chars().count();
    if length > text::MOST {
        complaints.push(Complaint::new("text", format!("{length} characters, facebook takes {}", text::MOST)));
    }
    if content.visibility != Visibility::Public {
        let reason = "everything on a facebook page is public; there is no narrower visibility";
        let hint = "leave this account out, or make the post public";
        complaints.push(Complaint::new("visibility", reason).with_hint(hint));
    }
    for item in &content.media {
        // What it cannot show at all is told by its abilities.
        let Some(facts) = item.facts.as_ref().filter(|facts| ENTRY.can.most(MediaKind::of(facts.mime)) > 0) else {
            continue;
        };
        if let Some(reason) = refusal(facts.mime, facts.bytes) {
            complaints.push(Complaint::new("media", format!("{}: {reason}", item.file)));
        }
    }
    complaints
}

/// Why a file would be refused for what it is.
fn refusal(mime: &str, bytes: u64) -> Option<String> {
    match MediaKind::of(mime) {
        MediaKind::Image if !PHOTO_KINDS.contains(&mime) => {
            Some(format!("facebook takes no photos of the kind {mime}; make it a JPEG or a PNG"))
        }
        MediaKind::Image if bytes > PHOTO_BYTES => Some(format!("{bytes} bytes, facebook takes {PHOTO_BYTES}")),
        MediaKind::Image | MediaKind::Video => None,
        MediaKind::Sound | MediaKind::Document => Some(format!("facebook takes nothing of the kind {mime}")),
    }
}

/// Whether the post is a video.
fn is_video(content: &Content, media: &[Media]) -> bool {
    let told = content.media.iter().filter_map(|item| item.facts.as_ref().map(|facts| facts.mime));
    media.iter().map(|media| media.mime.as_str()).chain(told).any(|mime| MediaKind::of(mime) == MediaKind::Video)
}

/// Everything that the next step depends on.
struct Situation<'a> {
    wire: Wire<'a>,
    two_step: bool,
    attempt: &'a Attempt<'a>,
    done: Done,
    scratch: Scratch,
}

impl Situation<'_> {
    fn next(&self) -> Next {
        if let Some(posted) = &self.done.posted {
            return self.finish(posted);
        }
        match self.attempt.purpose {
            Purpose::Publish => self.prepare().unwrap_or_else(|| self.publish()),
            Purpose::LookBack => self.identify().unwrap_or_else(|| self.look_back()),
        }
    }

    /// It is out. What went out in one step was acknowledged with its id.
    fn finish(&self, posted: &Posted) -> Next {
        let two_step = self.done.draft.is_some();
        if self.done.video.is_some() && !posted.seen && !self.scratch.confirmed {
            // A video is out when it is processed, and that may be in another attempt, or another life.
            return self.identify().unwrap_or_else(|| harmless("confirm".into(), self.object(&posted.id)));
        }
        let fresh = posted.attempt == self.attempt.job.attempt && !posted.seen && self.is_identified();
        let ask = self.attempt.purpose == Purpose::Publish && two_step && fresh && !self.scratch.confirmed;
        if ask { harmless("confirm".into(), self.object(&posted.id)) } else { Next::Done(posted.remote()) }
    }

    /// Asks a post, or a video, how it is.
    fn object(&self, id: &str) -> Request {
        if self.done.video.is_some() { self.wire.one_video(id) } else { self.wire.one_post(id) }
    }

    /// What has to be known, uploaded or drafted before anything can be published.
    fn prepare(&self) -> Option<Next> {
        self.identify().or_else(|| self.object_to()).or_else(|| self.upload()).or_else(|| self.draft())
    }

    fn is_identified(&self) -> bool {
        let (session, mark) = (self.attempt.session, token_mark(self.wire.token));
        session.identity.is_some() && session.values.get(TOKEN).and_then(Value::as_str) == Some(&mark)
    }

    fn identify(&self) -> Option<Next> {
        (!self.is_identified()).then(|| harmless("identity".into(), self.wire.me()))
    }

    /// What Facebook would refuse, before anything of the post is there.
    fn object_to(&self) -> Option<Next> {
        let job = self.attempt.job;
        if job.media.len() != job.content.media.len() {
            return Some(Next::Refuse("the media files were not handed over".into()));
        }
        let of_file = |media: &Media| refusal(&media.mime, media.bytes.len() as u64);
        let of_kinds = || {
            let videos = job.media.iter().filter(|media| MediaKind::of(&media.mime) == MediaKind::Video).count();
            (videos > 0 && job.media.len() > 1).then(|| "facebook takes a video alone".to_owned())
        };
        let said = check(&job.content).into_iter().map(|complaint| complaint.reason).next();
        said.or_else(|| job.media.iter().find_map(of_file)).or_else(of_kinds).map(Next::Refuse)
    }

    fn upload(&self) -> Option<Next> {
        let job = self.attempt.job;
        // The delivery's key cannot occur in a file that was made before it; the rest keeps parts apart.
        let boundary = |name: &str| format!("cadenced-{}-{name}", job.key);
        if is_video(&job.content, &job.media) {
            let media = job.media.first()?;
            let Some(video) = &self.done.video else {
                return Some(leaves("video-0".into(), self.wire.start_video(media.bytes.len())));
            };
            let name = format!("chunk-{}-{}", video.session, video.wanted.start);
            let transfer = || leaves(name.clone(), self.wire.transfer(&boundary(&name), video, video.wanted, media));
            return (!video.wanted.is_empty()).then(transfer);
        }
        let missing = |(place, _): &(usize, &Media)| !self.done.photos.contains_key(place);
        let (place, media) = job.media.iter().enumerate().find(missing)?;
        let name = format!("photo-{place}");
        Some(leaves(name.clone(), self.wire.photo(&boundary(&name), media)))
    }

    fn draft(&self) -> Option<Next> {
        if !self.two_step || self.done.draft.is_some() || self.done.video.is_some() {
            return None;
        }
        // An earlier attempt may have made one without hearing of it, and Facebook may have shown it.
        if self.attempt.job.attempt > 1 && !self.scratch.looked {
            return Some(self.list());
        }
        Some(leaves("draft-0".into(), self.post(Shown::Later)))
    }

    fn post(&self, shown: Shown) -> Request {
        let content = &self.attempt.job.content;
        let photos: Vec<&str> = self.done.photos.values().map(|photo| photo.id.as_str()).collect();
        self.wire.post(&text::message(content), text::card(content), &photos, shown)
    }

    fn publish(&self) -> Next {
        let request = match (&self.done.video, &self.done.draft) {
            (Some(video), _) => self.finish_video(video),
            (None, Some(draft)) => self.wire.publish(&draft.id),
            (None, None) => self.post(Shown::AtOnce),
        };
        call("publish-0".into(), Effect::Publishes, request)
    }

    fn finish_video(&self, video: &Video) -> Request {
        self.wire.finish_video(video, &text::message(&self.attempt.job.content))
    }

    fn look_back(&self) -> Next {
        let known = self.done.video.as_ref().map(|video| &video.id);
        match known.or(self.done.draft.as_ref().map(|draft| &draft.id)) {
            Some(id) => harmless("look-0".into(), self.object(id)),
            None => self.list(),
        }
    }

    /// The next page of what the Page has published.
    fn list(&self) -> Next {
        let mut look = Look::of(self.attempt);
        match &look.verdict {
            Some(Verdict::CannotTell(why)) => return Next::CannotTell(why.clone()),
            Some(Verdict::Several(several)) => {
                return Next::CannotTell(format!("{several} posts of ours say the same"));
            }
            Some(Verdict::There(_) | Verdict::NotThere) => look = Look::begin(self.attempt.now),
            None => {}
        }
        let request = self.wire.published_posts(look.limit(), look.after.as_deref());
        harmless(format!("list-{}", look.pages), request)
    }
}

fn harmless(name: String, request: Request) -> Next {
    call(name, Effect::Harmless, request)
}

fn leaves(name: String, request: Request) -> Next {
    call(name, Effect::Leaves, request)
}

fn call(name: String, effect: Effect, request: Request) -> Next {
    Next::Call(Step { name, effect, call: Call::Http(request) })
}

/// Tells tokens apart without keeping one.
fn token_mark(token: &Secret) -> String {
    Digest::of(token.expose().as_bytes()).hex()[..16].into()
}
