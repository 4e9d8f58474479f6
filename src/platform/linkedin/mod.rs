//! LinkedIn: posts of members and of pages, through the versioned Posts API.
//!
//! A delivery is: uploads, then one `POST /rest/posts`, which answers 201 with nothing but the post's URN in a header.
//! Once in a life of the process it is asked before that whose token it is and whether the API's version is still
//! served; see [`session`].
//!
//! What is decided here, and why:
//! - **There is no key that makes a post appear once.** What may have arrived is looked for among the page's posts
//!   ([`lookback`]). A member's token may write and not read, so there a person decides: [`Evidence::None`].
//! - **A refusal as duplicate names the post that is there.** It is ours when it was made after the delivery began and
//!   is no other delivery's: the upper bits of a post's number are the moment of its making. Another one is refused,
//!   and the refusal says which one it is.
//! - **Only 201 with a URN is success**, and a 5xx may have been carried out: LinkedIn's gateway gives up before what
//!   is behind it does.
//! - **A version that is gone stops the account** and not the post: nothing is wrong with the post, and no other one
//!   would go out either. The reason names the key to change.
//! - **A link without media becomes a card.** LinkedIn looks nothing up, so the card says where it leads; beside media,
//!   of which a post takes one kind, the link stands in the text.
//!
//! No threads, no comments, no reshares: an answer to a post is a comment, which LinkedIn neither keeps from doubling
//! nor lets a member read back. No visibility but the public one: LinkedIn's "connections" are not followers, and a
//! page has none. No polls, events, carousels of its own making, editing or deleting.

mod examine;
mod kind;
mod login;
mod lookback;
mod session;
mod sweep;
#[cfg(test)]
mod tests;
pub mod text;
pub mod twin;
mod upload;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::contract::auth::{AuthFlow, Redirect};
use super::contract::examine::{End, Examination, Facts};
use super::contract::sweep::{Looking, Sweep, Sweeper};
use super::contract::{
    Abilities, Adapter, Answers, Ask, Attempt, Call, Complaint, Effect, Entry, Evidence, HttpReply, Job, Key, KeyKind,
    Next, Purpose, Reading, Reply, Secrets, Session, Step, Table, Twin,
};
use crate::domain::{Checkpoint, Content, Remote, Secret, SecretRef, Timestamp, Visibility};
use kind::Kind;
use wire::{Trouble, Wire};

/// The version of the API that is asked for where the account names none. Versions live for a year or a little more;
/// this one ends in September 2027.
pub const VERSION: &str = "202609";
const API: &str = "https://api.linkedin.com";
const OAUTH: &str = "https://www.linkedin.com";
/// How long a post may be missing from its author's list.
const LAG: Duration = Duration::from_secs(600);
/// How long what members do is kept. It may be for 48 hours (data storage requirements of the Marketing API), and is let go
/// of once a day.
const RETENTION: Duration = Duration::from_secs(24 * 3600);
/// How long to wait when a post came before its files were ready.
const NOT_READY: Duration = Duration::from_secs(10);
/// How a post is put together; see [`text::compose`].
const COMPOSITION: u32 = 1;

const fn key(name: &'static str, kind: KeyKind, required: bool, doc: &'static str) -> Key {
    Key { name, kind, required, doc }
}

pub static ENTRY: Entry = Entry {
    name: "linkedin",
    keys: &[
        key(
            "author",
            KeyKind::Text,
            false,
            "Who posts: `urn:li:organization:…` for a page, `urn:li:person:…` for a member; left out, the member whose token it is.",
        ),
        key(
            session::TOKEN,
            KeyKind::Secret,
            true,
            "Access token, with the scopes `openid profile w_member_social` for a member, or `w_organization_social r_organization_social` for a page.",
        ),
        key(
            session::REFRESH_TOKEN,
            KeyKind::Secret,
            false,
            "Refresh token, which approved partner apps have; with `client_id` and `client_secret`.",
        ),
        key("client_id", KeyKind::Text, false, "The app's client id, for the refresh token and for `cadenced auth`."),
        key(
            session::CLIENT_SECRET,
            KeyKind::Secret,
            false,
            "The app's client secret, for the refresh token and for `cadenced auth`.",
        ),
        key(
            "redirect",
            KeyKind::Text,
            false,
            "An address that the app has registered among its redirect URLs, for `cadenced auth`; nothing need be there.",
        ),
        key(
            "version",
            KeyKind::Text,
            false,
            "Version of the API as `YYYYMM`, when the built-in one is served no more.",
        ),
        key("base_url", KeyKind::Url, false, "Address of the API, when it is not LinkedIn's own."),
        key("oauth_url", KeyKind::Url, false, "Address of the OAuth server, when it is not LinkedIn's own."),
    ],
    can: Abilities {
        text_alone: true,
        images: 20,
        videos: 1,
        sounds: 0,
        documents: 1,
        mixed: false,
        threads: false,
        answers: Answers::Nothing,
        warnings: false,
        unlisted: false,
        followers: false,
    },
    build,
    twin: || Box::new(twin::LinkedinTwin::new()) as Box<dyn Twin>,
};

fn build(table: &mut Table) -> Option<Arc<dyn Adapter>> {
    let author = table.text("author");
    if let Some(author) = author.as_ref().filter(|author| !is_author(author)) {
        let hint = "write \"urn:li:organization:12345\" or \"urn:li:person:AbC123\"";
        let reason = format!("{author:?} is no page and no member");
        table.complain(Complaint::new("author", reason).with_hint(hint));
    }
    let token = table.secret(session::TOKEN);
    let (app, refresh) = (build_app(table), table.optional_secret(session::REFRESH_TOKEN));
    let redirect = Redirect::read(table, None);
    let version = table.text("version").unwrap_or_else(|| VERSION.into());
    if !is_version(&version) {
        let complaint = Complaint::new("version", format!("{version:?} is no version of LinkedIn's API"));
        table.complain(complaint.with_hint(format!("write year and month, such as \"{VERSION}\"")));
    }
    let base = table.base_url_or("base_url", API);
    let oauth = table.base_url_or("oauth_url", OAUTH);
    let sound = author.as_deref().is_none_or(is_author) && is_version(&version);
    let account = Linkedin { base: base?, oauth: oauth?, author, version, token: token?, app, refresh, redirect };
    sound.then(|| Arc::new(account) as Arc<dyn Adapter>)
}

/// The app, where the account names it. A refresh token is of no use without it, and neither is an address to come back to.
fn build_app(table: &mut Table) -> Option<App> {
    let given = [session::REFRESH_TOKEN, "client_id", session::CLIENT_SECRET].map(|key| table.has(key));
    if let Some(missing) = match given {
        [_, true, false] | [true, _, false] => Some(session::CLIENT_SECRET),
        [_, false, true] => Some("client_id"),
        _ if table.has("redirect") && !given[1] => Some("client_id"),
        _ => None,
    } {
        let reason =
            format!("{missing:?} is missing: `refresh_token` and `redirect` need `client_id` and `client_secret`");
        table.complain(Complaint::new(missing, reason));
    }
    let (id, secret) = (table.text("client_id"), table.optional_secret(session::CLIENT_SECRET));
    Some(App { id: id?, secret: secret? })
}

/// One account.
#[derive(Debug)]
pub struct Linkedin {
    base: Url,
    oauth: Url,
    author: Option<String>,
    version: String,
    token: SecretRef,
    app: Option<App>,
    refresh: Option<SecretRef>,
    /// Where a login ends.
    redirect: Option<Redirect>,
}

/// What gets access tokens.
#[derive(Debug)]
struct App {
    id: String,
    secret: SecretRef,
}

impl Adapter for Linkedin {
    fn platform(&self) -> &'static str {
        ENTRY.name
    }

    fn host(&self) -> String {
        let port = self.base.port().map(|port| format!(":{port}")).unwrap_or_default();
        let path = self.base.path().trim_end_matches('/');
        format!("{}{port}{path}", self.base.host_str().unwrap_or_default())
    }

    fn place(&self) -> String {
        let who = match (&self.author, &self.token) {
            (Some(author), _) => author.clone(),
            (None, SecretRef::Credential(name)) => format!("member with the token from credential {name}"),
            (None, SecretRef::File(path)) => format!("member with the token from file {}", path.display()),
            (None, SecretRef::Env(name)) => format!("member with the token from variable {name}"),
        };
        format!("{}, {who}", self.host())
    }

    /// A member's posts cannot be read back by an ordinary app.
    fn evidence(&self) -> Evidence {
        if self.is_page() { Evidence::LookBack { lag: LAG } } else { Evidence::None }
    }

    fn secrets(&self) -> Vec<(&'static str, SecretRef)> {
        let refresh = self.refresh.iter().map(|token| (session::REFRESH_TOKEN, token.clone()));
        let app = self.app.iter().map(|app| (session::CLIENT_SECRET, app.secret.clone()));
        std::iter::once((session::TOKEN, self.token.clone())).chain(refresh).chain(app).collect()
    }

    fn auth(&self) -> AuthFlow {
        let page = match self.login() {
            Some(_) => "what the app's page shows below Docs and tools, OAuth token tools",
            None => {
                "an access token, made on the app's page below Docs and tools, OAuth token tools; with `client_id`, \
                 `client_secret` and `redirect` there is a login in a browser"
            }
        };
        AuthFlow { page: Some(page.into()), code: self.login().map(|login| Box::new(login) as _) }
    }

    fn check(&self, content: &Content, _session: &Session) -> Vec<Complaint> {
        check(content)
    }

    /// The text is composed anew for each attempt, always by this composition.
    fn freeze(&self, _content: &Content, _now: Timestamp, _draw: u64) -> Value {
        json!({ "composition": COMPOSITION })
    }

    fn examine(&self, about: &Examination<'_>, replies: &[HttpReply]) -> Ask<Facts> {
        self.examined(about, replies)
    }

    fn sweep(&self, sweep: Sweep, looking: &Looking<'_>) -> Option<Box<dyn Sweeper>> {
        let page = self.author.as_deref().filter(|_| self.is_page())?;
        Some(Box::new(sweep::Sweeping::new(self, page, sweep, looking)))
    }

    fn retention(&self) -> Option<Duration> {
        Some(RETENTION)
    }

    fn ends(&self, session: &Session, _secrets: &Secrets) -> Vec<End> {
        self.ending(session)
    }

    fn next(&self, attempt: &Attempt<'_>) -> Next {
        if let Some(posted) = Posted::of(attempt.done) {
            return Next::Done(posted.remote());
        }
        // Both are answers; `Err` is only the shorter way out.
        self.advance(attempt).unwrap_or_else(|early| *early)
    }

    fn read(&self, attempt: &Attempt<'_>, step: &Step, reply: &Reply) -> Reading {
        let Reply::Http(reply) = reply else {
            let why = "not a reply of this platform".to_owned();
            return if step.effect == Effect::Publishes { Reading::Unclear { why } } else { again(why) };
        };
        let place = step.name.split('-').nth(1).and_then(|place| place.parse().ok()).unwrap_or(usize::MAX);
        match step.name.split('-').next().unwrap_or_default() {
            session::REFRESH => session::read_refresh(attempt, reply),
            session::WHOSE => session::read_whose(self, attempt, reply),
            session::AUTHOR => session::read_author(self, attempt, reply),
            "begin" => upload::read_begin(self, attempt, place, reply),
            "part" => upload::read_part(self, attempt, place, reply),
            "upload" => upload::read_upload(self, attempt, place, reply),
            "media" => upload::read_media(self, attempt, place, reply),
            "look" => lookback::read(self, attempt, place, reply),
            "publish" => self.published(attempt, reply),
            name => again(format!("a reply to an unknown step {name:?}")),
        }
    }
}

/// Everything that the next step depends on.
struct Situation<'a> {
    wire: Wire<'a>,
    attempt: &'a Attempt<'a>,
}

impl Linkedin {
    fn login(&self) -> Option<login::Login> {
        Some(login::Login {
            oauth: self.oauth.clone(),
            client_id: self.app.as_ref()?.id.clone(),
            is_page: self.is_page(),
            refreshes: self.refresh.is_some(),
            redirect: self.redirect.clone()?,
        })
    }

    fn is_page(&self) -> bool {
        self.author.as_deref().is_some_and(|author| author.starts_with("urn:li:organization:"))
    }

    fn wire<'a>(&'a self, token: &'a Secret) -> Wire<'a> {
        Wire { base: &self.base, version: &self.version, token }
    }

    fn upload_url(&self, text: &str) -> Option<Url> {
        wire::upload_url(&self.base, text)
    }

    fn advance(&self, attempt: &Attempt<'_>) -> Result<Next, Box<Next>> {
        let looks_back = attempt.purpose == Purpose::LookBack;
        if looks_back && !self.is_page() {
            let why = "linkedin does not let a member's posts be read: look at the profile, and say what you see";
            return Ok(Next::CannotTell(why.into()));
        }
        let token = session::token(self, attempt)?;
        let wire = self.wire(&token);
        let author = session::author(self, wire, attempt)?;
        let view = Situation { wire, attempt };
        if looks_back {
            return Ok(lookback::next(&view, &author));
        }
        if let Some(why) = unfit(attempt.job) {
            return Ok(Next::Refuse(why));
        }
        if let Some(next) = upload::next(&view, &author) {
            return Ok(next);
        }
        let post = post(attempt, &author);
        Ok(step("publish-0".into(), Effect::Publishes, wire.create(&post)))
    }

    /// What trouble means for a step of that effect.
    fn settle(&self, attempt: &Attempt<'_>, effect: Effect, trouble: Trouble) -> Reading {
        match trouble {
            Trouble::Token(why) => session::refused(self, attempt, why),
            Trouble::Forbidden(why) => Reading::Auth {
                why: match self.is_page() {
                    true => format!("not allowed, the token needs w_organization_social and a role on the page: {why}"),
                    false => format!("not allowed, the token needs the scope w_member_social: {why}"),
                },
            },
            Trouble::Version(why) => {
                let version = &self.version;
                let hint = "set the account's key `version` to a newer one (YYYYMM)";
                Reading::Auth { why: format!("linkedin does not serve version {version} of its API; {hint}: {why}") }
            }
            Trouble::TooMuch { until, why } => Reading::RateLimited { until, why },
            Trouble::Again(why) => again(why),
            Trouble::Refused { why, .. } => Reading::Refused { why },
            Trouble::Unknown(why) if effect == Effect::Publishes => Reading::Unclear { why },
            Trouble::Unknown(why) => again(why),
        }
    }

    fn published(&self, attempt: &Attempt<'_>, reply: &HttpReply) -> Reading {
        let named = reply.header("x-restli-id").map(str::trim).filter(|id| is_post(id));
        match (reply.status, named) {
            (201, Some(id)) if !reply.cut => return Reading::Checkpoint(Posted::data(id)),
            (201, Some(id)) => return Reading::Unclear { why: format!("the reply was cut off; it names {id}") },
            (201, None) => return Reading::Unclear { why: "201, and the reply names no post".into() },
            _ => {}
        }
        match trouble(attempt, reply) {
            Trouble::Refused { refusal, why } if is_duplicate(&refusal) => {
                self.duplicate(attempt, reply, &refusal.message, why)
            }
            // Something before LinkedIn has answered, and what came of the request behind it, nobody knows. It is
            // known only where the request was too much even to be passed on.
            Trouble::Refused { refusal, why } if !refusal.spoken && !matches!(refusal.status, 413..=415) => {
                Reading::Unclear { why }
            }
            Trouble::Refused { refusal, why } if has_media(attempt) && gone(&refusal) => Reading::Redo { why },
            Trouble::Refused { refusal, why } if has_media(attempt) && refusal.has("MEDIA_ASSET_WAITING_UPLOAD") => {
                if upload::should_be_ready(attempt) {
                    Reading::Redo { why }
                } else {
                    Reading::Wait(NOT_READY)
                }
            }
            trouble => self.settle(attempt, Effect::Publishes, trouble),
        }
    }

    fn duplicate(&self, attempt: &Attempt<'_>, reply: &HttpReply, message: &str, why: String) -> Reading {
        let words = message.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, ':' | '-' | '_')));
        let Some(id) = words.map(|word| word.trim_end_matches(':')).find(|word| is_post(word)) else {
            return Reading::AlreadyThere { why };
        };
        if attempt.job.taken.contains(id) {
            return Reading::Refused { why: format!("another delivery of this account says the same: {why}") };
        }
        // Where our clock was set back since, nobody can say what is older.
        let floor = Some(attempt.floor(reply.date("date"), lookback::SKEW)).filter(|floor| *floor > Timestamp::MIN);
        match (made(id), floor) {
            // A page can be asked whether it is there: the name may be that of a post which nobody can see.
            (Some(at), Some(floor)) if at >= floor && self.is_page() => Reading::AlreadyThere { why },
            (Some(at), Some(floor)) if at >= floor => Reading::Checkpoint(Posted::data(id)),
            _ => Reading::Refused { why: format!("it was said before this delivery began: {why}") },
        }
    }
}

fn has_media(attempt: &Attempt<'_>) -> bool {
    !attempt.job.content.media.is_empty()
}

/// LinkedIn says that it already has this text of this author. Some answers say it in words only.
fn is_duplicate(refusal: &wire::Refusal) -> bool {
    refusal.has("DUPLICATE_POST") || (refusal.status == 422 && refusal.message.contains("duplicate of urn:li:"))
}

/// Uploads that a post cannot be made with any more.
fn gone(refusal: &wire::Refusal) -> bool {
    ["EXPIRED_UPLOAD_URL", "INVALID_IMAGE_ID", "INVALID_VIDEO_ID", "INVALID_DOCUMENT_ID"]
        .iter()
        .any(|code| refusal.has(code))
}

/// What kind of trouble a reply is, our secrets blanked out.
fn trouble(attempt: &Attempt<'_>, reply: &HttpReply) -> Trouble {
    wire::trouble(reply, &session::hidden(attempt), attempt.now)
}

/// Checkpoint of the post.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Posted {
    post: String,
}

impl Posted {
    fn data(id: &str) -> Value {
        json!({ "post": id })
    }

    fn of(done: &[Checkpoint]) -> Option<Self> {
        done.iter().find_map(|checkpoint| Self::deserialize(&checkpoint.data).ok())
    }

    fn remote(self) -> Remote {
        let url = Some(format!("https://www.linkedin.com/feed/update/{}/", self.post));
        Remote { id: self.post, url, reference: Value::Null.into() }
    }
}

fn step(name: String, effect: Effect, call: Call) -> Next {
    Next::Call(Step { name, effect, call })
}

fn harmless(name: String, call: Call) -> Next {
    step(name, Effect::Harmless, call)
}

fn again(why: String) -> Reading {
    Reading::Retry { after: None, why }
}

/// The request's body for a post whose files are all there.
fn post(attempt: &Attempt<'_>, author: &str) -> Value {
    let content = &attempt.job.content;
    let mut post = json!({
        "author": author,
        "commentary": text::little(&text::compose(content)),
        "visibility": "PUBLIC",
        "distribution": {"feedDistribution": "MAIN_FEED", "targetEntities": [], "thirdPartyDistributionChannels": []},
        "lifecycleState": "PUBLISHED",
        "isReshareDisabledByAuthor": false,
    });
    if let Some(shown) = shown(attempt) {
        post["content"] = shown;
    }
    post
}

/// The media of a post, or the card of its link.
fn shown(attempt: &Attempt<'_>) -> Option<Value> {
    let job = attempt.job;
    let files = job.media.iter().enumerate().filter_map(|(place, media)| {
        let urn = upload::uploaded(attempt.done, place)?.urn;
        let alt = media.item.alt.trim();
        let said = match Kind::of(&media.mime) {
            Kind::Image => Some("altText"),
            Kind::Document => Some("title"),
            // There is no place for the description of a video.
            Kind::Video => None,
        };
        let mut file = json!({ "id": urn });
        if let Some(key) = said.filter(|_| !alt.is_empty()) {
            file[key] = json!(alt);
        }
        Some(file)
    });
    let mut files: Vec<Value> = files.collect();
    match files.len() {
        0 => text::link(&job.content).map(|link| json!({"article": {"source": link, "title": text::title(link)}})),
        1 => files.pop().map(|file| json!({ "media": file })),
        _ => Some(json!({"multiImage": {"images": files}})),
    }
}

fn check(content: &Content) -> Vec<Complaint> {
    let mut complaints = ENTRY.can.complaints(ENTRY.name, content);
    let said = text::compose(content);
    let length = text::length(&said);
    if length > text::CHARACTERS {
        let reason = format!("the text has {length} characters, linkedin takes {}", text::CHARACTERS);
        complaints.push(Complaint::new("text", reason).with_hint("shorten it, or give this account a variant"));
    }
    let link = text::link(content);
    if said.trim().is_empty() && content.media.is_empty() && link.is_none() {
        complaints.push(Complaint::new("text", "the text is empty"));
    }
    if link.is_some_and(|link| !is_web(link)) {
        complaints.push(Complaint::new("link", "the link is not an http or https address"));
    }
    if content.visibility != Visibility::Public {
        let complaint = Complaint::new("visibility", "posts on linkedin are public; there is no narrower visibility");
        complaints.push(complaint.with_hint("leave this account out, or make the post public"));
    }
    complaints.extend(content.media.iter().filter_map(kind::unfit).map(|reason| Complaint::new("media", reason)));
    complaints
}

/// What makes the post impossible to publish, once its media are at hand.
fn unfit(job: &Job) -> Option<String> {
    if job.media.len() != job.content.media.len() {
        return Some("the media files were not handed over".into());
    }
    let kinds: Vec<Kind> = job.media.iter().map(|media| Kind::of(&media.mime)).collect();
    if kinds.len() > 1 && kinds.iter().any(|kind| *kind != Kind::Image) {
        return Some("linkedin takes several images, or one video, or one document".into());
    }
    let first = check(&job.content).into_iter().map(|complaint| complaint.reason).next();
    first.or_else(|| job.media.iter().find_map(kind::unfit_at_hand))
}

fn is_author(text: &str) -> bool {
    let page = text.strip_prefix("urn:li:organization:");
    let page = page.is_some_and(|id| (1..=20).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit()));
    page || text.strip_prefix("urn:li:person:").is_some_and(kind::is_id)
}

fn is_version(text: &str) -> bool {
    let digits = text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_digit());
    digits && text[..4] >= *"2022" && matches!(text[4..].parse(), Ok(1..=12))
}

fn is_web(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some())
}

/// Whether this is the URN of a post.
fn is_post(text: &str) -> bool {
    let id = text.strip_prefix("urn:li:share:").or_else(|| text.strip_prefix("urn:li:ugcPost:"));
    id.is_some_and(|id| (1..=20).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit()))
}

/// When a post was made: the upper bits of its number count milliseconds since 1970.
fn made(urn: &str) -> Option<Timestamp> {
    let number: u64 = urn.rsplit_once(':')?.1.parse().ok()?;
    Timestamp::from_millisecond(i64::try_from(number >> 22).ok()?).ok()
}
