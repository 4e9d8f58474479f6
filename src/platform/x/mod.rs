//! X, through its API of version 2.
//!
//! A delivery is: who asks ([`session`]), the uploads, then one `POST /2/tweets` for each part of a thread, each
//! answering the one before it. A picture is one upload, a film or an animation is sent in segments and waited for;
//! each gets its description before anything is published.
//!
//! What is decided here, and why:
//! - **Twice is prevented by looking back** ([`lookback`]). X has no key for idempotency. It refuses what the same
//!   account has said not long ago, which tells that a first try has arrived, but not where it is; so that, too, is
//!   answered by looking.
//! - **Money is no rate limit.** Where nobody has paid, the account stops and says so; where a cap is reached, it is
//!   asked about once a day. Refused requests may cost as well, so neither is tried again sooner.
//! - **What X surely does not take is complained about ahead**, all else is left to X: it changes its rules often, and
//!   a post that is held for a wrong reason goes out never.
//! - **Answers to other people** are taken by X only where they have named or quoted the account. Nobody can
//!   know that ahead; a refusal ends that post and no other.
//!
//! It does not edit, delete, quote, hide replies or ask in polls.

mod examine;
mod login;
mod lookback;
mod oauth1;
mod prices;
mod progress;
mod reading;
mod session;
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

use super::contract::auth::{self, AuthFlow, Redirect};
use super::contract::examine::{Examination, Facts};
use super::contract::sweep::{Looking, Sweep, Sweeper};
use super::contract::{
    Abilities, Adapter, Answers, Ask, Attempt, Complaint, Effect, Entry, Evidence, HttpReply, Job, Key, KeyKind, Media,
    MediaKind, Next, Pace, Purpose, Reading, Reply, Request, Session, Step, Table, Twin, lasts,
};
use crate::domain::{Content, MediaFacts, ReplyTo, SecretRef, Spend, Timestamp, Visibility};

use prices::Prices;
use progress::{Done, Scratch};
use reading::Answer;
use session::{Auth, Signer};
use wire::{Draft, Wire};

pub static ENTRY: Entry = Entry {
    name: "x",
    keys: &[
        Key {
            name: "auth",
            kind: KeyKind::Text,
            required: true,
            doc: "How the account proves itself: \"oauth1\" (four secrets that do not expire) or \"oauth2\" (a refresh token)",
        },
        secret(session::CONSUMER_KEY, "For oauth1: the application's API key"),
        secret(session::CONSUMER_SECRET, "For oauth1: the application's API key secret"),
        secret(session::ACCESS_TOKEN, "For oauth1: the account's access token, made with read and write permission"),
        secret(session::ACCESS_TOKEN_SECRET, "For oauth1: the account's access token secret"),
        Key {
            name: session::CLIENT_ID,
            kind: KeyKind::Text,
            required: false,
            doc: "For oauth2: the application's client id",
        },
        secret(session::CLIENT_SECRET, "For oauth2: the application's client secret, where it has one"),
        secret(
            session::REFRESH_TOKEN,
            "For oauth2, where nobody logs in with `cadenced auth`: the first refresh token, with the scopes tweet.read tweet.write users.read media.write offline.access",
        ),
        Key {
            name: "redirect",
            kind: KeyKind::Text,
            required: false,
            doc: "For oauth2: the callback address that the application has registered for `cadenced auth`. Default: `http://127.0.0.1:8917/`",
        },
        Key {
            name: "long_posts",
            kind: KeyKind::Bool,
            required: false,
            doc: "Whether the account may publish more than 280 characters, as X Premium does",
        },
        Key {
            name: "base_url",
            kind: KeyKind::Url,
            required: false,
            doc: "Address of the API, where it is not X's own",
        },
        Key {
            name: prices::PRICES,
            kind: KeyKind::Amounts(&prices::NAMES),
            required: false,
            doc: "What X bills for each, in US dollars, where it is not what it was in August 2026; see `budget`",
        },
    ],
    can: Abilities {
        text_alone: true,
        images: 4,
        videos: 1,
        sounds: 0,
        documents: 0,
        mixed: false,
        threads: true,
        answers: Answers::Anything,
        warnings: false,
        unlisted: false,
        followers: false,
    },
    build,
    twin: || Box::new(twin::XTwin::new()) as Box<dyn Twin>,
};

const fn secret(name: &'static str, doc: &'static str) -> Key {
    Key { name, kind: KeyKind::Secret, required: false, doc }
}

fn build(table: &mut Table) -> Option<Arc<dyn Adapter>> {
    let auth = Auth::read(table);
    let oauth2 = matches!(auth, Some(Auth::OAuth2 { .. }));
    let redirect = oauth2.then(|| Redirect::read(table, Some(auth::LOOPBACK))).flatten();
    let base = table.base_url_or("base_url", wire::API);
    let long_posts = table.bool("long_posts").unwrap_or(false);
    let prices = Prices::read(table);
    Some(Arc::new(X { base: base?, auth: auth?, redirect, long_posts, prices }))
}

/// One account.
#[derive(Debug)]
struct X {
    base: Url,
    auth: Auth,
    /// Where a login ends.
    redirect: Option<Redirect>,
    long_posts: bool,
    prices: Prices,
}

/// How long our own list of posts may lag behind what X has taken.
const LAG: Duration = Duration::from_secs(120);
/// Bytes of one segment.
const SEGMENT: usize = 4 * 1024 * 1024;
/// Largest files that X takes of each kind.
const IMAGE_BYTES: u64 = 5 * 1024 * 1024;
const GIF_BYTES: u64 = 15 * 1024 * 1024;
const VIDEO_BYTES: u64 = 512 * 1024 * 1024;
/// What X takes of each kind.
const IMAGES: [&str; 4] = ["image/jpeg", "image/png", "image/webp", GIF];
const GIF: &str = "image/gif";
const VIDEOS: [&str; 2] = ["video/mp4", "video/quicktime"];
/// Shortest and longest film.
const FILM: std::ops::RangeInclusive<Duration> = Duration::from_millis(500)..=Duration::from_secs(140);
/// How a post is put together; see [`text::compose`].
const COMPOSITION: u32 = 1;

impl Adapter for X {
    fn platform(&self) -> &'static str {
        ENTRY.name
    }

    fn host(&self) -> String {
        let port = self.base.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}{port}", self.base.host_str().unwrap_or_default())
    }

    /// Who the account is, only X knows; its token stands for it.
    fn place(&self) -> String {
        format!("{}, token from {}", self.host(), self.auth.origin())
    }

    fn evidence(&self) -> Evidence {
        Evidence::LookBack { lag: LAG }
    }

    fn secrets(&self) -> Vec<(&'static str, SecretRef)> {
        self.auth.secrets()
    }

    fn auth(&self) -> AuthFlow {
        let page = match &self.auth {
            Auth::OAuth1(_) => "the four keys of an application, in the developer console below Keys and tokens",
            Auth::OAuth2 { .. } => "a first refresh token, which nothing else may use",
        };
        AuthFlow { page: Some(page.into()), code: self.login().map(|login| Box::new(login) as _) }
    }

    /// Each refresh uses up the token that it is made with.
    fn keeps_tokens(&self) -> bool {
        matches!(self.auth, Auth::OAuth2 { .. })
    }

    fn check(&self, content: &Content, _session: &Session) -> Vec<Complaint> {
        let mut complaints = ENTRY.can.complaints(ENTRY.name, content);
        complaints.extend(self.complaints_of_texts(content));
        complaints.extend(complaints_of_media(content));
        if content.visibility != Visibility::Public {
            let complaint = Complaint::new("visibility", "everything on x is public; there is no narrower visibility");
            complaints.push(complaint.with_hint("leave this account out, or make the post public"));
        }
        if let Some(ReplyTo::Theirs(address)) = &content.reply_to
            && wire::post_id(address).is_none()
        {
            let complaint = Complaint::new("reply_to", "this is not the address of a post on x");
            complaints.push(complaint.with_hint("write \"https://x.com/NAME/status/ID\""));
        }
        complaints
    }

    /// The text is composed anew for each attempt, always by this composition.
    fn freeze(&self, _content: &Content, _now: Timestamp, _draw: u64) -> Value {
        json!({ "composition": COMPOSITION })
    }

    fn next(&self, attempt: &Attempt<'_>) -> Next {
        // Both are answers; `Err` is only the shorter way out.
        self.advance(attempt).unwrap_or_else(|early| *early)
    }

    fn read(&self, attempt: &Attempt<'_>, step: &Step, reply: &Reply) -> Reading {
        match reply {
            Reply::Http(reply) => Answer { account: self, attempt, reply }.read(step),
            Reply::File(_) if step.effect == Effect::Publishes => {
                Reading::Unclear { why: "a reply of files to a request by HTTP".into() }
            }
            _ => reading::again("a reply of files to a request by HTTP".into()),
        }
    }

    fn cost(&self, content: &Content) -> Spend {
        self.prices.of_content(content)
    }

    fn price(&self, attempt: &Attempt<'_>, step: &Step, reply: Option<&Reply>) -> Spend {
        self.prices.of_step(attempt, step, reply)
    }

    fn sweep(&self, sweep: Sweep, looking: &Looking<'_>) -> Option<Box<dyn Sweeper>> {
        let signing = self.auth.signing(looking.session, looking.secrets, looking.now);
        Some(Box::new(sweep::Sweeping::new(self.base.clone(), signing, self.prices, sweep, looking)))
    }

    fn examine(&self, about: &Examination<'_>, replies: &[HttpReply]) -> Ask<Facts> {
        self.examined(about, replies)
    }

    fn pace(&self, reply: &Reply, now: Timestamp) -> Option<Pace> {
        match reply {
            Reply::Http(reply) => wire::pace(reply, now),
            _ => None,
        }
    }
}

/// The steps by name, with the file or the part they are for.
enum StepName {
    Identity,
    Refresh,
    Upload(usize),
    Open(usize),
    Append(usize, usize),
    Finalize(usize),
    Status(usize),
    Describe(usize),
    Publish(usize),
    Look(usize),
    Unknown,
}

impl StepName {
    fn parse(name: &str) -> Self {
        let mut words = name.split('-');
        let kind = words.next().unwrap_or_default();
        let mut number = || words.next()?.parse::<usize>().ok();
        match (kind, number(), number()) {
            (session::IDENTITY, ..) => Self::Identity,
            (session::REFRESH, ..) => Self::Refresh,
            ("upload", Some(media), _) => Self::Upload(media),
            ("open", Some(media), _) => Self::Open(media),
            ("append", Some(media), Some(segment)) => Self::Append(media, segment),
            ("finalize", Some(media), _) => Self::Finalize(media),
            ("status", Some(media), _) => Self::Status(media),
            ("describe", Some(media), _) => Self::Describe(media),
            ("publish", Some(part), _) => Self::Publish(part),
            ("look", Some(part), _) => Self::Look(part),
            _ => Self::Unknown,
        }
    }
}

impl X {
    fn login(&self) -> Option<login::Login> {
        let Auth::OAuth2 { client_id, client_secret, .. } = &self.auth else { return None };
        Some(login::Login {
            base: self.base.clone(),
            dialog: Url::parse(login::DIALOG).ok()?,
            client_id: client_id.clone(),
            has_secret: client_secret.is_some(),
            redirect: self.redirect.clone()?,
        })
    }

    fn advance(&self, attempt: &Attempt<'_>) -> Result<Next, Box<Next>> {
        let job = attempt.job;
        let done = Done::of(attempt.done);
        let part = done.posts.len();
        if part > job.content.thread.len() {
            let remote = done.remote().ok_or_else(|| Box::new(Next::Refuse("there is nothing to publish".into())))?;
            return Ok(Next::Done(remote));
        }
        let wire = Wire { base: &self.base };
        let signer = self.auth.signer(wire, attempt)?;
        let step = |name: String, effect, request| Ok(Next::Call(signer.step(attempt, name, effect, request)));
        let Some(me) = self.auth.identity(attempt) else {
            return step(session::IDENTITY.into(), Effect::Harmless, wire.me());
        };
        let refuse = |why: String| Box::new(Next::Refuse(why));
        if attempt.purpose == Purpose::LookBack {
            return match lookback::next(attempt, wire, me) {
                Ok(request) => step(format!("look-{part}"), Effect::Harmless, request),
                Err(why) => Ok(Next::CannotTell(why)),
            };
        }
        let parent = answered(job).map_err(|why| refuse(why.into()))?;
        if part == 0 {
            if let Some(why) = unfit(job) {
                return Ok(Next::Refuse(why));
            }
            if let Some(next) = upload(attempt, &done, wire, &signer) {
                return Ok(next);
            }
        }
        let parts = text::compose(&job.content);
        let parent = done.posts.last().map(|post| &post.id).or(parent.as_ref());
        let media = if part == 0 {
            done.uploads.values().filter_map(|upload| upload.id.as_deref()).collect()
        } else {
            Vec::new()
        };
        if parts[part].is_empty() && media.is_empty() {
            return Ok(Next::Refuse(format!("part {} is empty", part + 1)));
        }
        let draft = Draft { text: &parts[part], media, answers: parent.map(String::as_str) };
        step(format!("publish-{part}"), Effect::Publishes, wire.publish(&draft))
    }

    fn complaints_of_texts(&self, content: &Content) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        for (part, text) in text::compose(content).iter().enumerate() {
            let key = if part == 0 { "text" } else { "thread" };
            let name = if part == 0 { "the text".to_owned() } else { format!("part {}", part + 1) };
            if text.trim().is_empty() && (part > 0 || content.media.is_empty()) {
                complaints.push(Complaint::new(key, format!("{name} is empty")));
            }
            let weight = text::weight(text);
            // How X counts long posts, it does not say.
            let (weight, most, hint) = if self.long_posts {
                (weight.min(text.chars().count() as u64), text::LONG_WEIGHT, SHORTER)
            } else {
                (weight, text::WEIGHT, SHORTER_OR_PREMIUM)
            };
            if weight > most {
                let reason = format!("{name} counts {weight} as x counts, and x takes {most}");
                complaints.push(Complaint::new(key, reason).with_hint(hint));
            }
            let cashtags = text::cashtags(text);
            if cashtags > 1 {
                complaints.push(Complaint::new(key, format!("{name} has {cashtags} cashtags, and x takes one")));
            }
        }
        complaints
    }
}

const SHORTER: &str = "shorten it, split it into a thread, or give this account a variant";
const SHORTER_OR_PREMIUM: &str =
    "shorten it, split it into a thread, give this account a variant, or set `long_posts` where it has Premium";

fn complaints_of_media(content: &Content) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for item in &content.media {
        let reason = item.facts.as_ref().and_then(|facts| unfit_file(facts));
        complaints.extend(reason.map(|reason| Complaint::new("media", format!("{}: {reason}", item.file))));
        let chars = item.alt.chars().count();
        if chars > text::ALT_CHARS {
            let reason = format!("{}: the description has {chars} characters, x takes {}", item.file, text::ALT_CHARS);
            complaints.push(Complaint::new("media", reason));
        }
    }
    complaints
}

/// What X would not take of a file.
fn unfit_file(facts: &MediaFacts) -> Option<String> {
    let (takes, most) = match MediaKind::of(facts.mime) {
        MediaKind::Image if facts.mime == GIF => (&IMAGES[..], GIF_BYTES),
        MediaKind::Image => (&IMAGES[..], IMAGE_BYTES),
        MediaKind::Video => (&VIDEOS[..], VIDEO_BYTES),
        MediaKind::Sound | MediaKind::Document => return None,
    };
    if !takes.contains(&facts.mime) {
        return Some(format!("x takes no {}", facts.mime));
    }
    if !(1..=most).contains(&facts.bytes) {
        return Some(format!("{} bytes, x takes 1 to {most}", facts.bytes));
    }
    let outside = facts.duration.filter(|duration| !lasts(*duration, &FILM))?;
    let (least, most) = (FILM.start().as_secs_f32(), FILM.end().as_secs());
    Some(format!("it plays {:.1} s, x takes {least} to {most} s", outside.as_secs_f32()))
}

/// What makes the post impossible to publish, once its media are at hand.
fn unfit(job: &Job) -> Option<String> {
    let (here, all) = (job.media.len(), job.content.media.len());
    if here != all {
        return Some(format!("{here} of {all} media files are at hand"));
    }
    let known = |media: &Media| [&IMAGES[..], &VIDEOS[..]].concat().into_iter().find(|mime| **mime == media.mime);
    if let Some(media) = job.media.iter().find(|media| known(media).is_none()) {
        return Some(format!("{}: x takes no {}", media.item.file, media.mime));
    }
    job.media.iter().find_map(|media| {
        let facts =
            MediaFacts { mime: known(media)?, bytes: media.bytes.len() as u64, size: media.size, duration: None };
        Some(format!("{}: {}", media.item.file, unfit_file(&facts)?))
    })
}

/// The id of the post that the first part answers.
fn answered(job: &Job) -> Result<Option<String>, &'static str> {
    match &job.content.reply_to {
        None => Ok(None),
        Some(ReplyTo::Theirs(address)) => {
            wire::post_id(address).map(Some).ok_or("this is not the address of a post on x")
        }
        Some(ReplyTo::Ours(_)) => {
            let remote = job.answers.as_ref().ok_or("the post that it answers is not on this account")?;
            // The conversation goes on below a thread's last part. A person may have told an address in place of an id.
            let last = remote.reference.value()["last"].as_str().and_then(wire::post_id);
            let id = last.or_else(|| wire::post_id(&remote.id));
            id.map(Some).ok_or("the post that it answers has no address on x")
        }
    }
}

/// The next step of the uploads.
fn upload(attempt: &Attempt<'_>, done: &Done, wire: Wire<'_>, signer: &Signer<'_>) -> Option<Next> {
    let job = attempt.job;
    let scratch = Scratch::of(attempt);
    let call = |name: String, effect, request: Request| Some(Next::Call(signer.step(attempt, name, effect, request)));
    let leave = |name: String, request| call(name, Effect::Leaves, request);
    job.media.iter().enumerate().find_map(|(place, media)| {
        let held = done.uploads.get(&place).cloned().unwrap_or_default();
        // The delivery's key cannot occur in a file that was made before it; the numbers keep parts apart.
        let boundary = |segment: usize| format!("cadenced-{}-{place}-{segment}", job.key);
        let category = category(&media.mime, job.media.len());
        let Some(id) = &held.id else {
            if category == PICTURE {
                return leave(format!("upload-{place}"), wire.upload(&boundary(0), media, category));
            }
            let Some(id) = &held.opened else {
                return leave(format!("open-{place}"), wire.open(media, category));
            };
            let mut segments = media.bytes.chunks(SEGMENT).enumerate();
            if let Some((segment, bytes)) = segments.find(|(segment, _)| !held.segments.contains(segment)) {
                let part = Media { bytes: bytes.into(), ..media.clone() };
                return leave(format!("append-{place}-{segment}"), wire.append(id, &boundary(segment), segment, &part));
            }
            return leave(format!("finalize-{place}"), wire.finalize(id));
        };
        if !held.ready && !scratch.ready.contains(&place) {
            return call(format!("status-{place}"), Effect::Harmless, wire.status(id));
        }
        let alt = media.item.alt.trim();
        if held.described || alt.is_empty() { None } else { leave(format!("describe-{place}"), wire.describe(id, alt)) }
    })
}

const PICTURE: &str = "tweet_image";

/// What X calls the use of one of so many files. An animation stands alone.
fn category(mime: &str, files: usize) -> &'static str {
    match MediaKind::of(mime) {
        MediaKind::Video => "tweet_video",
        _ if mime == GIF && files == 1 => "tweet_gif",
        _ => PICTURE,
    }
}
