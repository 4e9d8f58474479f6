//! Threads, through Meta's Threads API.
//!
//! How posts get out exactly once is the protocol that Threads shares with Instagram: see
//! [`graph::publishing`](super::graph::publishing). Here stands what Threads takes and what a post becomes there.
//!
//! What is decided here, and why:
//! - **Each part of a thread is a container of its own**, answering the part before it; files go with the first part.
//! - **A link makes a card** (`link_attachment`) where nothing else can: in a post without files that does not hold the
//!   link. Elsewhere it stands in the text.
//! - **Hashtags stand in the text.** Threads makes the first one the post's topic; no field says it a second time.
//! - **`auto_publish_text` is not used.** One call less, and no container to ask what became of it.
//! - **Only posts of ours are answered**: the API finds no post by its address.
//! - **The length is counted as the documents say**, emoji by their bytes, and only by characters that surely are emoji.
//!
//! It does not quote, repost, poll, edit, delete or hide, and asks for no location.

pub mod text;
pub mod twin;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::contract::examine::{End, Examination, Facts};
use super::contract::sweep::{Looking, Sweep, Sweeper};
use super::contract::{
    Abilities, Adapter, Answers, Ask, Attempt, AuthFlow, Complaint, Entry, Evidence, HttpReply, Key, KeyKind,
    MediaKind, Next, Pace, Public, Reading, Reply, Secrets, Session, Step, Table, lasts,
};
use super::graph::publishing::{self, Account, Place, Service};
use super::graph::sweep::{Sweeping, Telling};
use super::graph::{Dialect, errors, examine, login, media, reading, token, wire};
use crate::domain::{Checkpoint, Content, Interaction, MediaItem, SecretRef, Timestamp, Visibility};
use crate::platform::contract::{Job, Media};

/// What Threads calls things.
pub static DIALECT: Dialect = Dialect {
    name: "Threads",
    containers: "threads",
    publish: "threads_publish",
    quota: "threads_publishing_limit",
    posts: "threads",
    answers: Some("replies"),
    status: "status",
    problem: "error_message",
    text: "text",
    refresh: "th_refresh_token",
    refresh_by_query: false,
    account: "id",
    // Writing below the account's number has been seen to find no containers.
    by_me: true,
};

/// Its login: to publish, and to read what people answer and what came of it.
pub static LOGIN: login::Words = login::Words {
    name: "Threads",
    dialog: "https://threads.net/oauth/authorize",
    exchange: "th_exchange_token",
    scopes: "threads_basic,threads_content_publish,threads_manage_replies,threads_read_replies,threads_manage_insights",
    needed: &["threads_basic", "threads_content_publish"],
};

/// What it tells of posts. People have no ids there but their names.
static TELLING: Telling = Telling {
    platform: "threads",
    fields: &[],
    metrics: &[
        ("views", Interaction::View),
        ("likes", Interaction::Like),
        ("replies", Interaction::Reply),
        ("reposts", Interaction::Repost),
        ("quotes", Interaction::Quote),
    ],
    said: "conversation",
    answers: Some("replies"),
    message: "id,text,timestamp,permalink,username,is_reply_owned_by_me,replied_to",
    parent: "replied_to",
    ids: false,
};

/// The version there has been since the API is there.
const VERSION: &str = "v1.0";
/// Longest a list of posts has been seen to lag behind what was published.
const LAG: Duration = Duration::from_secs(120);
/// Characters of a text, and of a description.
const CHARACTERS: usize = 500;
const ALT_CHARACTERS: usize = 1_000;
const ITEMS: usize = 20;
const IMAGE_BYTES: u64 = 8 * 1024 * 1024;
const VIDEO_BYTES: u64 = 1024 * 1024 * 1024;
const VIDEO_LENGTH: Duration = Duration::from_secs(5 * 60);
/// Longer side to shorter side of a picture.
const RATIO: u32 = 10;

pub static ENTRY: Entry = Entry {
    name: "threads",
    keys: &[
        Key {
            name: token::TOKEN,
            kind: KeyKind::Secret,
            required: true,
            doc: "Long-lived access token of the account, with the permissions `threads_basic`, `threads_content_publish` and, for threads and answers, `threads_manage_replies` and `threads_read_replies`.",
        },
        Key {
            name: token::APP_SECRET,
            kind: KeyKind::Secret,
            required: false,
            doc: "The app's Threads secret, for `cadenced auth`, and where the app demands a proof of it; with it, every call carries one (`appsecret_proof`).",
        },
        Key {
            name: login::APP_ID,
            kind: KeyKind::Text,
            required: false,
            doc: "The id of the app that people log in with (`cadenced auth`), its Threads app id; with `app_secret` and `redirect`.",
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
            doc: "Public folder from which Threads fetches media, each as `SHA256.EXT`; needed for posts with media. The `media` folder of a site account is one.",
        },
        Key { name: "version", kind: KeyKind::Text, required: false, doc: "Version of the API; `v1.0` by default." },
        Key {
            name: "base_url",
            kind: KeyKind::Url,
            required: false,
            doc: "Address of the API; `https://graph.threads.net` by default.",
        },
    ],
    can: Abilities {
        text_alone: true,
        images: ITEMS,
        videos: ITEMS,
        sounds: 0,
        documents: 0,
        mixed: true,
        threads: true,
        answers: Answers::Ours,
        warnings: false,
        unlisted: false,
        followers: false,
    },
    build,
    twin: || Box::new(twin::ThreadsTwin::new()),
};

fn build(table: &mut Table) -> Option<Arc<dyn Adapter>> {
    let base = table.base_url_or("base_url", "https://graph.threads.net");
    let version = wire::version(table, VERSION);
    let token = table.secret(token::TOKEN);
    let app_secret = table.optional_secret(token::APP_SECRET);
    let app = login::App::read(table);
    let media_base = media::base(table);
    let account = Account {
        dialect: &DIALECT,
        base: base?,
        version: version?,
        token: token?,
        app_secret,
        user: None,
        media_base,
    };
    Some(Arc::new(Threads { account, app }))
}

/// One account.
#[derive(Debug)]
struct Threads {
    account: Account,
    /// What people log in with.
    app: Option<login::App>,
}

impl Adapter for Threads {
    fn platform(&self) -> &'static str {
        ENTRY.name
    }

    fn place(&self) -> String {
        self.account.place()
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
        let page = "a long-lived token, made in the app dashboard below Use cases, Threads API, Settings, User token generator; with `app_id`, `app_secret` and `redirect` there is a login in a browser";
        let code = login::Login::of(&LOGIN, self.app.as_ref(), &self.account.base, &self.account.base);
        AuthFlow { page: Some(page.into()), code }
    }

    fn check(&self, content: &Content, _session: &Session) -> Vec<Complaint> {
        let mut complaints = ENTRY.can.complaints(DIALECT.name, content);
        if !content.media.is_empty() && self.account.media_base.is_none() {
            complaints.push(media::homeless(DIALECT.name));
        }
        if content.visibility != Visibility::Public {
            let complaint = Complaint::new("visibility", "what is on Threads, everybody sees");
            complaints.push(complaint.with_hint("leave this account out of `to`, or make the post public"));
        }
        complaints.extend(unsaid(content));
        complaints.extend(content.media.iter().filter_map(|item| {
            let facts = item.facts.as_ref()?;
            unfit(item, facts.mime, facts.bytes, facts.size, facts.duration)
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

impl Service for Threads {
    fn account(&self) -> &Account {
        &self.account
    }

    fn texts(&self, content: &Content) -> Vec<String> {
        text::compose(content)
    }

    fn refuses(&self, job: &Job) -> Option<String> {
        let files = job.media.iter().find_map(|file| {
            unfit(&file.item, &file.mime, file.bytes.len() as u64, file.size, None).map(|complaint| complaint.reason)
        });
        unsaid(&job.content).into_iter().map(|complaint| complaint.reason).next().or(files)
    }

    fn file(&self, media: &Media, address: Option<&str>, place: Place) -> Vec<(&'static str, String)> {
        let (kind, key) = match MediaKind::of(&media.mime) {
            MediaKind::Video => ("VIDEO", "video_url"),
            _ => ("IMAGE", "image_url"),
        };
        let mut form = vec![("media_type", kind.into()), (key, address.unwrap_or_default().into())];
        if place == Place::InCarousel {
            form.push(("is_carousel_item", "true".into()));
        }
        if !media.item.alt.is_empty() {
            form.push(("alt_text", media.item.alt.clone()));
        }
        form
    }

    fn bare(&self, content: &Content, part: usize) -> Vec<(&'static str, String)> {
        let mut form = vec![("media_type", "TEXT".into())];
        if let Some(link) = text::attachment(content).filter(|_| part == 0) {
            form.push(("link_attachment", link.into()));
        }
        form
    }
}

/// Parts that say nothing, or too much.
fn unsaid(content: &Content) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for (part, text) in text::compose(content).iter().enumerate() {
        let key = if part == 0 { "text" } else { "thread" };
        let length = text::length(text);
        if text.trim().is_empty() && (part > 0 || content.media.is_empty()) {
            complaints.push(Complaint::new(key, format!("part {} has no text", part + 1)));
        } else if length > CHARACTERS {
            let reason = format!("part {} has {length} characters, Threads takes {CHARACTERS}", part + 1);
            complaints.push(Complaint::new(key, reason));
        }
    }
    complaints
}

/// What is wrong with a file, as far as is known.
fn unfit(
    item: &MediaItem,
    mime: &str,
    bytes: u64,
    size: Option<(u32, u32)>,
    duration: Option<Duration>,
) -> Option<Complaint> {
    let file = &item.file;
    let (most, fits) = match MediaKind::of(mime) {
        MediaKind::Image => (IMAGE_BYTES, matches!(mime, "image/jpeg" | "image/png")),
        MediaKind::Video => (VIDEO_BYTES, matches!(mime, "video/mp4" | "video/quicktime")),
        MediaKind::Sound | MediaKind::Document => (0, false),
    };
    let wide = |(a, b): (u32, u32)| u64::from(a.max(b)) > u64::from(RATIO) * u64::from(a.min(b));
    let reason = if !fits {
        format!("{file} is {mime}: Threads takes JPEG and PNG, MP4 and MOV")
    } else if bytes > most {
        format!("{file} has {bytes} bytes, Threads takes {most}")
    } else if mime.starts_with("image/") && size.is_some_and(wide) {
        format!("{file} is more than {RATIO} times as long as it is wide")
    } else if duration.is_some_and(|duration| !lasts(duration, &(Duration::ZERO..=VIDEO_LENGTH))) {
        format!("{file} plays for more than {} minutes", VIDEO_LENGTH.as_secs() / 60)
    } else if item.alt.chars().count() > ALT_CHARACTERS {
        format!("the description of {file} has more than {ALT_CHARACTERS} characters")
    } else {
        return None;
    };
    Some(Complaint::new("media", reason))
}
