//! Instagram, through Meta's API for professional accounts.
//!
//! How posts get out exactly once is the protocol that Instagram shares with Threads: see
//! [`graph::publishing`](super::graph::publishing). Here stands what Instagram takes and what a post becomes there.
//!
//! What is decided here, and why:
//! - **Pictures are fetched by Meta, a single film is sent where that is allowed.** One film becomes a Reel, whose bytes go
//!   to the upload host in one request; what broke off in the middle goes on at the byte that Instagram names. By its
//!   documents that is for Facebook's login; with Instagram's own, a film is fetched like a picture where the account has a
//!   public folder, and sent where it has none. Pictures and carousels have no such way and need the folder.
//! - **Stories are an account of their own** (`kind = "story"`), so that each has its schedule. A story has no caption: a
//!   post that would say something is not taken. It is gone after a day, and so is what could be looked for.
//! - **Both logins**: with Instagram's own, the token tells the account. With Facebook's, `user_id` names it, the API's
//!   address is `graph.facebook.com`, and the token is not refreshed here.
//! - **A link is written out**, and is dead in a caption; nothing better can be done, and nothing is left out silently.
//! - **Only what the documents surely refuse is complained about.** Instagram counts hashtags lower for some accounts (5)
//!   than it documents (30); there its own answer decides.
//!
//! It makes no comments, tags of people or places, and neither edits nor deletes.

pub mod twin;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use url::Url;

use super::contract::examine::{End, Examination, Facts};
use super::contract::sweep::{Looking, Sweep, Sweeper};
use super::contract::{
    Abilities, Adapter, Answers, Ask, Attempt, AuthFlow, Body, Complaint, Entry, Evidence, HeaderValue, HttpReply, Job,
    Key, KeyKind, Media, MediaKind, Method, Next, Pace, Public, Reading, Reply, Request, Secrets, Session, Step, Table,
    lasts,
};
use super::graph::publishing::{self, Account, Place, Service};
use super::graph::sweep::{Sweeping, Telling};
use super::graph::{Dialect, errors, examine, login, media, reading, text, token, wire};
use crate::domain::{Checkpoint, Content, Interaction, MediaItem, SecretRef, Timestamp, Visibility};

/// What Instagram calls things.
pub static DIALECT: Dialect = Dialect {
    name: "Instagram",
    containers: "media",
    publish: "media_publish",
    quota: "content_publishing_limit",
    posts: "media",
    answers: None,
    status: "status_code",
    problem: "status",
    text: "caption",
    refresh: "ig_refresh_token",
    refresh_by_query: true,
    account: "user_id",
    by_me: false,
};

/// The same for stories, which stand in a list of their own.
pub static STORIES: Dialect = Dialect { posts: "stories", ..DIALECT };

/// Its login: to publish, and to read what people answer and what came of it.
pub static LOGIN: login::Words = login::Words {
    name: "Instagram",
    dialog: "https://www.instagram.com/oauth/authorize",
    exchange: "ig_exchange_token",
    scopes: "instagram_business_basic,instagram_business_content_publish,instagram_business_manage_comments,instagram_business_manage_insights",
    needed: &["instagram_business_basic", "instagram_business_content_publish"],
};

/// What it tells of posts.
static TELLING: Telling = Telling {
    platform: "instagram",
    fields: &[("like_count", Interaction::Like), ("comments_count", Interaction::Reply)],
    metrics: &[("views", Interaction::View), ("saved", Interaction::Save)],
    said: "comments",
    answers: None,
    message: "id,text,username,timestamp,from{id,username},parent_id,media,replies{id,text,username,timestamp,from{id,username}}",
    parent: "parent_id",
    ids: true,
};

/// The newest version, of July 2026.
const VERSION: &str = "v26.0";
/// Longest a list of posts has been seen to lag behind what was published.
const LAG: Duration = Duration::from_secs(120);
/// Characters of a caption, and of a description; hashtags and mentions in a caption.
const CHARACTERS: usize = 2_200;
const ALT_CHARACTERS: usize = 1_000;
const HASHTAGS: usize = 30;
const ITEMS: usize = 10;
const IMAGE_BYTES: u64 = 8 * 1024 * 1024;
const VIDEO_BYTES: u64 = 300 * 1024 * 1024;
const STORY_BYTES: u64 = 100 * 1024 * 1024;
const STORY_LENGTH: std::ops::RangeInclusive<Duration> = Duration::from_secs(3)..=Duration::from_secs(60);
const VIDEO_LENGTH: std::ops::RangeInclusive<Duration> = Duration::from_secs(3)..=Duration::from_secs(15 * 60);
/// Width by height of a picture in hundredths: 4:5 to 1.91:1, and one for rounding.
const RATIO: std::ops::RangeInclusive<u64> = 79..=192;

const UPLOAD: &str = "upload_url";
const KIND: &str = "kind";

pub static ENTRY: Entry = Entry {
    name: "instagram",
    keys: &[
        Key {
            name: token::TOKEN,
            kind: KeyKind::Secret,
            required: true,
            doc: "Long-lived access token with the permissions `instagram_business_basic` and `instagram_business_content_publish`; with Facebook Login `instagram_basic`, `instagram_content_publish` and `pages_read_engagement`.",
        },
        Key {
            name: token::APP_SECRET,
            kind: KeyKind::Secret,
            required: false,
            doc: "The app's Instagram secret, for `cadenced auth`, and where the app demands a proof of it; with it, every call carries one (`appsecret_proof`).",
        },
        Key {
            name: login::APP_ID,
            kind: KeyKind::Text,
            required: false,
            doc: "The id of the app that people log in with (`cadenced auth`), its Instagram app id; with `app_secret` and `redirect`.",
        },
        Key {
            name: login::REDIRECT,
            kind: KeyKind::Text,
            required: false,
            doc: "An https address that the app has registered among its redirect addresses, for `cadenced auth`; nothing need be there.",
        },
        Key {
            name: media::BASE,
            kind: KeyKind::Url,
            required: false,
            doc: "Public folder from which Instagram fetches files, each as `SHA256.EXT`; needed for all but a single film. The `media` folder of a site account is one.",
        },
        Key {
            name: "user_id",
            kind: KeyKind::Text,
            required: false,
            doc: "With Facebook Login: the id of the Instagram account that the token may publish to.",
        },
        Key {
            name: KIND,
            kind: KeyKind::Text,
            required: false,
            doc: "What posts become: `feed` (the default), or `story`, which has no caption and is gone after a day.",
        },
        Key { name: "version", kind: KeyKind::Text, required: false, doc: "Version of the API; `v26.0` by default." },
        Key {
            name: "base_url",
            kind: KeyKind::Url,
            required: false,
            doc: "Address of the API; `https://graph.instagram.com` by default, `https://graph.facebook.com` with `user_id`.",
        },
        Key {
            name: UPLOAD,
            kind: KeyKind::Url,
            required: false,
            doc: "Address that takes the bytes of films; `https://rupload.facebook.com` by default.",
        },
    ],
    can: Abilities {
        text_alone: false,
        images: ITEMS,
        videos: ITEMS,
        sounds: 0,
        documents: 0,
        mixed: true,
        threads: false,
        answers: Answers::Nothing,
        warnings: false,
        unlisted: false,
        followers: false,
    },
    build,
    twin: || Box::new(twin::InstagramTwin::new()),
};

fn build(table: &mut Table) -> Option<Arc<dyn Adapter>> {
    let user = table.text("user_id");
    let is_id = user.as_ref().is_none_or(|id| !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()));
    if !is_id {
        let complaint = Complaint::new("user_id", "an account's id is a number");
        table.complain(complaint.with_hint("it is the `id` of `instagram_business_account`, not the user name"));
    }
    let api = if user.is_some() { "https://graph.facebook.com" } else { "https://graph.instagram.com" };
    let base = table.base_url_or("base_url", api);
    let upload = table.base_url_or(UPLOAD, "https://rupload.facebook.com");
    let version = wire::version(table, VERSION);
    let token = table.secret(token::TOKEN);
    let app_secret = table.optional_secret(token::APP_SECRET);
    let app = login::App::read(table);
    if app.is_some() && user.is_some() {
        let reason = "a login for `user_id` is Facebook's: cadenced has Instagram's own only";
        table.complain(
            Complaint::new(login::APP_ID, reason).with_hint("leave out `user_id`, or `app_id` and `redirect`"),
        );
    }
    let media_base = media::base(table);
    let kind = match table.text(KIND).as_deref() {
        None | Some("feed") => Some(Kind::Feed),
        Some("story") => Some(Kind::Story),
        Some(other) => {
            let complaint = Complaint::new(KIND, format!("{other:?} is nothing that posts can become"));
            table.complain(complaint.with_hint("write \"feed\" or \"story\""));
            None
        }
    };
    let kind = kind?;
    let account = Account {
        dialect: if kind == Kind::Story { &STORIES } else { &DIALECT },
        base: base?,
        version: version?,
        token: token?,
        app_secret,
        user: user.filter(|_| is_id),
        media_base,
    };
    let adapter = Instagram { account, kind, upload: upload?, app };
    is_id.then(|| Arc::new(adapter) as Arc<dyn Adapter>)
}

/// What the posts of an account become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Feed,
    Story,
}

/// One account.
#[derive(Debug)]
struct Instagram {
    account: Account,
    kind: Kind,
    /// Where bytes go.
    upload: Url,
    /// What people log in with.
    app: Option<login::App>,
}

/// The API, and where it wants codes.
const API_HOST: &str = "graph.instagram.com";
const CODES_HOST: &str = "api.instagram.com";

impl Instagram {
    fn codes(&self) -> Url {
        let mut url = self.account.base.clone();
        // An imitation or a proxy has one host for all.
        if url.host_str() == Some(API_HOST) && url.set_host(Some(CODES_HOST)).is_err() {
            return self.account.base.clone();
        }
        url
    }
}

impl Adapter for Instagram {
    fn platform(&self) -> &'static str {
        ENTRY.name
    }

    fn place(&self) -> String {
        let stories = if self.kind == Kind::Story { ", stories" } else { "" };
        format!("{}{stories}", self.account.place())
    }

    fn host(&self) -> String {
        self.account.host()
    }

    fn evidence(&self) -> Evidence {
        Evidence::LookBack { lag: LAG }
    }

    fn secrets(&self) -> Vec<(&'static str, SecretRef)> {
        self.account.secrets()
    }

    fn auth(&self) -> AuthFlow {
        let page = "a long-lived token, made in the app dashboard below Instagram, API setup with Instagram login; with `app_id`, `app_secret` and `redirect` there is a login in a browser";
        let code = login::Login::of(&LOGIN, self.app.as_ref(), &self.account.base, &self.codes());
        AuthFlow { page: Some(page.into()), code }
    }

    fn check(&self, content: &Content, _session: &Session) -> Vec<Complaint> {
        let mut complaints = ENTRY.can.complaints(DIALECT.name, content);
        // Of a single file that nobody has looked into, nobody knows whether it is a film.
        let fetched = content.media.len() > 1
            || content.media.iter().filter_map(|item| item.facts.as_ref()).any(|facts| !is_film(facts.mime));
        if fetched && self.account.media_base.is_none() {
            complaints.push(media::homeless(DIALECT.name));
        }
        if self.kind == Kind::Story {
            complaints.extend(no_story(content));
        }
        if content.visibility != Visibility::Public {
            let complaint = Complaint::new("visibility", "what is on Instagram, all who may see the account see");
            complaints.push(complaint.with_hint("leave this account out of `to`, or make the post public"));
        }
        complaints.extend(said(content));
        complaints.extend(content.media.iter().enumerate().filter_map(|(place, item)| {
            let facts = item.facts.as_ref()?;
            unfit(self.kind, place, item, facts.mime, facts.bytes, facts.size, facts.duration)
        }));
        complaints
    }

    /// All that a repeat sends is in the post or in its checkpoints.
    fn freeze(&self, _content: &Content, _now: Timestamp, _draw: u64) -> Value {
        json!({ "composition": 1 })
    }

    fn next(&self, attempt: &Attempt<'_>) -> Next {
        publishing::next(self, attempt)
    }

    fn read(&self, attempt: &Attempt<'_>, step: &Step, reply: &Reply) -> Reading {
        reading::read(self, attempt, step, reply)
    }

    fn examine(&self, about: &Examination<'_>, replies: &[HttpReply]) -> Ask<Facts> {
        examine::examine(&self.account, about, replies)
    }

    fn ends(&self, session: &Session, secrets: &Secrets) -> Vec<End> {
        token::end(session, secrets)
    }

    fn fetches(&self, files: &[(&MediaItem, &str)], done: &[Checkpoint]) -> Vec<Public> {
        publishing::fetches(self, files, done)
    }

    fn sweep(&self, sweep: Sweep, looking: &Looking<'_>) -> Option<Box<dyn Sweeper>> {
        Some(Box::new(Sweeping::new(&TELLING, &self.account, sweep, looking)))
    }

    fn pace(&self, reply: &Reply, now: Timestamp) -> Option<Pace> {
        match reply {
            Reply::Http(reply) => errors::pace(reply, now),
            _ => None,
        }
    }
}

impl Service for Instagram {
    fn account(&self) -> &Account {
        &self.account
    }

    fn texts(&self, content: &Content) -> Vec<String> {
        match self.kind {
            Kind::Feed => vec![text::compose(content, false)],
            Kind::Story => vec![String::new()],
        }
    }

    fn refuses(&self, job: &Job) -> Option<String> {
        if job.media.is_empty() {
            return Some("Instagram takes no post without images or videos".into());
        }
        let mut files = job.media.iter().enumerate();
        let files = files.find_map(|(place, file)| {
            let complaint = unfit(self.kind, place, &file.item, &file.mime, file.bytes.len() as u64, file.size, None);
            complaint.map(|complaint| complaint.reason)
        });
        let no_story = if self.kind == Kind::Story { no_story(&job.content) } else { Vec::new() };
        if let Some(complaint) = no_story.into_iter().next() {
            return Some(complaint.reason);
        }
        said(&job.content).into_iter().map(|complaint| complaint.reason).next().or(files)
    }

    fn file(&self, media: &Media, address: Option<&str>, place: Place) -> Vec<(&'static str, String)> {
        let kind = match (self.kind, is_film(&media.mime), place) {
            (Kind::Story, ..) => Some("STORIES"),
            (Kind::Feed, true, Place::InCarousel) => Some("VIDEO"),
            (Kind::Feed, true, Place::Alone) => Some("REELS"),
            (Kind::Feed, false, _) => None,
        };
        let bytes = match (is_film(&media.mime), address) {
            (false, address) => ("image_url", address.unwrap_or_default().into()),
            (true, None) => ("upload_type", "resumable".into()),
            (true, Some(address)) => ("video_url", address.into()),
        };
        let mut form: Vec<_> = kind.map(|kind| ("media_type", kind.into())).into_iter().chain([bytes]).collect();
        if place == Place::InCarousel {
            form.push(("is_carousel_item", "true".into()));
        }
        // Films and stories have none.
        if self.kind == Kind::Feed && !is_film(&media.mime) && !media.item.alt.is_empty() {
            form.push(("alt_text", media.item.alt.clone()));
        }
        form
    }

    /// There is no post without files.
    fn bare(&self, _content: &Content, _part: usize) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    fn sends_bytes(&self, mimes: &[&str]) -> bool {
        // By the documents this is for Facebook's login; without a folder nothing else can be tried.
        let allowed = self.account.user.is_some() || self.account.media_base.is_none();
        allowed && matches!(mimes, [mime] if is_film(mime))
    }

    fn bytes(&self, wire: &wire::Wire<'_>, job: &Job, container: &str, offset: usize) -> Option<Request> {
        let film = job.media.first()?;
        let rest = if offset == 0 { film.bytes.clone() } else { film.bytes.get(offset..)?.into() };
        let mut url = self.upload.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["ig-api-upload", wire.version, container]);
        }
        let headers = vec![
            ("Authorization", HeaderValue::Secret { prefix: "OAuth ", secret: wire.token.clone() }),
            ("offset", HeaderValue::Plain(offset.to_string())),
            ("file_size", HeaderValue::Plain(film.bytes.len().to_string())),
        ];
        let body = Body::bytes("application/octet-stream", rest);
        Some(Request { method: Method::Post, url, headers, body, secret_path: None })
    }
}

fn is_film(mime: &str) -> bool {
    MediaKind::of(mime) == MediaKind::Video
}

/// What makes no story.
fn no_story(content: &Content) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    if !text::compose(content, false).trim().is_empty() {
        let complaint = Complaint::new("text", "a story has no caption, and this post would say something");
        let hint = "put the words into the picture, and give this account a variant with `text = \"\"` and neither link nor tags";
        complaints.push(complaint.with_hint(hint));
    }
    if content.media.len() > 1 {
        complaints.push(Complaint::new("media", format!("{} files, a story takes one", content.media.len())));
    }
    complaints
}

/// A caption that says too much.
fn said(content: &Content) -> Vec<Complaint> {
    let caption = text::compose(content, false);
    let (length, tags) = (caption.chars().count(), text::hashtags(&caption));
    let mut complaints = Vec::new();
    if length > CHARACTERS {
        complaints.push(Complaint::new("text", format!("{length} characters, Instagram takes {CHARACTERS}")));
    }
    if tags > HASHTAGS {
        complaints.push(Complaint::new("tags", format!("{tags} hashtags, Instagram takes {HASHTAGS}")));
    }
    complaints
}

/// What is wrong with a file, as far as is known. A carousel is cut to the shape of its first picture.
fn unfit(
    kind: Kind,
    place: usize,
    item: &MediaItem,
    mime: &str,
    bytes: u64,
    size: Option<(u32, u32)>,
    duration: Option<Duration>,
) -> Option<Complaint> {
    let file = &item.file;
    let film = is_film(mime);
    let story = kind == Kind::Story;
    let most = match (film, kind) {
        (false, _) => IMAGE_BYTES,
        (true, Kind::Feed) => VIDEO_BYTES,
        (true, Kind::Story) => STORY_BYTES,
    };
    let fits = matches!(mime, "image/jpeg" | "video/mp4" | "video/quicktime");
    let shape = |(width, height): (u32, u32)| u64::from(width) * 100 / u64::from(height.max(1));
    let reason = if !fits {
        format!("{file} is {mime}: Instagram takes JPEG, MP4 and MOV")
    } else if bytes > most {
        format!("{file} has {bytes} bytes, Instagram takes {most}")
    } else if !film && !story && place == 0 && size.map(shape).is_some_and(|shape| !RATIO.contains(&shape)) {
        format!("{file} is not between 4:5 and 1.91:1 in shape")
    } else if story && duration.is_some_and(|duration| !lasts(duration, &STORY_LENGTH)) {
        format!("{file} does not play for 3 to 60 seconds, as stories do")
    } else if duration.is_some_and(|duration| !lasts(duration, &VIDEO_LENGTH)) {
        format!("{file} does not play for 3 seconds to 15 minutes")
    } else if !film && !story && item.alt.chars().count() > ALT_CHARACTERS {
        format!("the description of {file} has more than {ALT_CHARACTERS} characters")
    } else {
        return None;
    };
    Some(Complaint::new("media", reason))
}
