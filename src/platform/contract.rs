//! What an adapter is, and the words it speaks with `deliver`.
//!
//! Invariants an adapter keeps:
//! - `next` and `read` are pure: the same arguments give the same answer.
//! - Of the steps of one attempt, only those marked [`Effect::Publishes`] can make a post appear.
//! - Everything a repeat must send unchanged comes from [`Job::frozen`] and [`Attempt::done`], never from `now`. What
//!   only dates a request is marked as [`HeaderValue::Fresh`].
//! - A secret enters a request only as [`HeaderValue::Secret`], as [`Request::secret_path`], or inside a [`Body`].

pub mod auth;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use url::Url;

#[cfg(test)]
pub mod cases;
mod multipart;
mod trouble;
mod words;

pub use multipart::Part;
pub use trouble::Trouble;
pub use words::{LONGEST_WAIT, holds, quoted, wait};

pub use self::auth::AuthFlow;
pub use crate::domain::secret::secret_ref;
use crate::domain::{
    AccountId, Checkpoint, Content, DeliveryId, Digest, MediaItem, Remote, ReplyTo, Secret, SecretRef, Timestamp, time,
};

/// One line of the registry.
pub struct Entry {
    /// As written in `platform = "…"`.
    pub name: &'static str,
    /// The keys of its account table beside those that every account has.
    pub keys: &'static [Key],
    /// What it can show at all.
    pub can: Abilities,
    /// Reads the account table. Everything wrong with it is reported to the table, all at once; `None` when
    /// nothing could be built.
    pub build: fn(&mut Table) -> Option<Arc<dyn Adapter>>,
    /// A new imitation of the platform, empty, for tests, simulation and benchmarks.
    pub twin: fn() -> Box<dyn Twin>,
}

/// One key of an account table, for unknown-key hints and the published schema.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    pub name: &'static str,
    pub kind: KeyKind,
    pub required: bool,
    /// One sentence for the schema.
    pub doc: &'static str,
}

/// What a key holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    Text,
    Url,
    Path,
    Secret,
    Integer,
    Bool,
    /// A list of texts.
    Texts,
}

/// What a platform can show. The rest is refused in the same words for all of them, and the documents list it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities {
    /// A post may be text alone.
    pub text_alone: bool,
    /// Most images, videos, sounds and other documents of one post; 0 where it takes none.
    pub images: usize,
    pub videos: usize,
    pub sounds: usize,
    pub documents: usize,
    /// Whether media of several kinds may stand in one post.
    pub mixed: bool,
    pub threads: bool,
    /// Answers to posts of ours, and to those of other people.
    pub answers: Answers,
    pub warnings: bool,
    /// Beside everybody.
    pub unlisted: bool,
    pub followers: bool,
}

/// What a post may answer on a platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    Nothing,
    Ours,
    Anything,
}

/// What a media file is to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MediaKind {
    Image,
    Video,
    Sound,
    Document,
}

impl MediaKind {
    pub fn of(mime: &str) -> Self {
        match mime.split_once('/').map_or("", |(family, _)| family) {
            "image" => Self::Image,
            "video" => Self::Video,
            "audio" => Self::Sound,
            _ => Self::Document,
        }
    }

    fn many(self) -> &'static str {
        match self {
            Self::Image => "images",
            Self::Video => "videos",
            Self::Sound => "sounds",
            Self::Document => "documents",
        }
    }
}

impl Abilities {
    /// What `platform` cannot show of this content. Media that nobody has looked into are counted only.
    pub fn complaints(&self, platform: &str, content: &Content) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        if !self.threads && !content.thread.is_empty() {
            let complaint = Complaint::new("thread", format!("{platform} knows no threads"));
            complaints.push(complaint.with_hint("give this account a variant with `thread = []` and the whole text"));
        }
        let ours = matches!(content.reply_to, Some(ReplyTo::Ours(_)));
        if content.reply_to.is_some() && (self.answers == Answers::Nothing || (self.answers == Answers::Ours && !ours))
        {
            let what = if self.answers == Answers::Ours { "posts of other people" } else { "posts" };
            let complaint = Complaint::new("reply_to", format!("{platform} lets nobody answer {what} this way"));
            complaints.push(complaint.with_hint("leave this account out of `to`"));
        }
        if content.warning.is_some() && !self.warnings {
            let complaint = Complaint::new("warning", format!("{platform} knows no content warnings"));
            complaints.push(complaint.with_hint("leave this account out of `to`, or the warning out of the post"));
        }
        complaints.extend(self.complaints_of_media(platform, &content.media));
        complaints
    }

    fn complaints_of_media(&self, platform: &str, media: &[MediaItem]) -> Vec<Complaint> {
        let complaint = |reason: String| Complaint::new("media", reason);
        if media.is_empty() {
            let hint = "add a file to `media`, or leave this account out of `to`";
            let missing = || complaint(format!("{platform} takes no post without {}", self.wanted())).with_hint(hint);
            return (!self.text_alone).then(missing).into_iter().collect();
        }
        let mut kinds: BTreeMap<MediaKind, usize> = BTreeMap::new();
        for facts in media.iter().filter_map(|item| item.facts.as_ref()) {
            *kinds.entry(MediaKind::of(facts.mime)).or_default() += 1;
        }
        let mut complaints = Vec::new();
        for (kind, count) in &kinds {
            match self.most(*kind) {
                0 => complaints.push(complaint(format!("{platform} takes no {}", kind.many()))),
                most if *count > most => {
                    complaints.push(complaint(format!("{count} {}, {platform} takes {most}", kind.many())));
                }
                _ => {}
            }
        }
        if kinds.len() > 1 && !self.mixed && complaints.is_empty() {
            let names: Vec<_> = kinds.keys().map(|kind| kind.many()).collect();
            complaints.push(complaint(format!("{platform} takes no {} in one post", names.join(" and "))));
        }
        let most = [self.images, self.videos, self.sounds, self.documents].into_iter().max().unwrap_or(0);
        if complaints.is_empty() && media.len() > most {
            complaints.push(complaint(format!("{} files, {platform} takes {most}", media.len())));
        }
        complaints
    }

    /// Most files of this kind in one post.
    pub fn most(&self, kind: MediaKind) -> usize {
        match kind {
            MediaKind::Image => self.images,
            MediaKind::Video => self.videos,
            MediaKind::Sound => self.sounds,
            MediaKind::Document => self.documents,
        }
    }

    fn wanted(&self) -> String {
        let kinds = [MediaKind::Image, MediaKind::Video, MediaKind::Sound, MediaKind::Document];
        let names: Vec<_> = kinds.into_iter().filter(|kind| self.most(*kind) > 0).map(MediaKind::many).collect();
        names.join(" or ")
    }
}

/// One platform account: builds requests, reads replies.
pub trait Adapter: Send + Sync + std::fmt::Debug {
    /// Name in the registry.
    fn platform(&self) -> &'static str;

    /// What this account publishes to, for messages and to notice two accounts that are one place: a host and
    /// handle, or a folder.
    fn place(&self) -> String;

    /// The server, or the site, that can be asked what became of an attempt: of [`Adapter::place`] what does not
    /// change with another token.
    fn host(&self) -> String {
        self.place()
    }

    /// How an attempt that may have arrived is settled.
    fn evidence(&self) -> Evidence;

    /// The secrets it needs, by the key that names them.
    fn secrets(&self) -> Vec<(&'static str, SecretRef)>;

    /// Whether a refresh uses up the token that it is made with, so that what it gives must be kept. Such an account
    /// needs a store with a key.
    fn keeps_tokens(&self) -> bool {
        false
    }

    /// What the platform would refuse in this content. `session` holds limits the server has told, if any.
    fn check(&self, content: &Content, session: &Session) -> Vec<Complaint>;

    /// Everything a repeat must send unchanged, made once before the first attempt: keys, creation time.
    /// `draw` is a number that is the same whenever this delivery asks. Kept in the intent.
    fn freeze(&self, content: &Content, now: Timestamp, draw: u64) -> Value;

    /// What to do next.
    fn next(&self, attempt: &Attempt<'_>) -> Next;

    /// What the reply to `step` means. Called for replies only: what the transport could not get a reply for,
    /// `deliver` judges by the step's effect.
    fn read(&self, attempt: &Attempt<'_>, step: &Step, reply: &Reply) -> Reading;

    /// How a person gets its secrets.
    fn auth(&self) -> AuthFlow {
        AuthFlow::default()
    }

    /// What the reply says about the account's remaining allowance.
    fn pace(&self, _reply: &Reply, _now: Timestamp) -> Option<Pace> {
        None
    }
}

/// How an attempt that may have arrived is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// The publishing step can be repeated with the same bytes and makes one post only; it needs no waiting.
    Repeatable,
    /// Our own posts are looked through. "Not there" counts only when `lag` has passed since the request could
    /// last have been under way, and only when seen twice.
    LookBack { lag: Duration },
    /// Nothing can tell: a person decides.
    None,
}

/// One delivery, as its attempts see it.
#[derive(Debug, Clone)]
pub struct Job {
    pub delivery: DeliveryId,
    /// From 1.
    pub attempt: u32,
    /// 32 hexadecimal digits, the same for every attempt on this content: the first 128 bits of
    /// SHA-256 over `cadenced-delivery-v1`, account id and digest.
    pub key: String,
    pub digest: Digest,
    pub content: Content,
    /// In the order of `content.media`; the very bytes that were hashed.
    pub media: Vec<Media>,
    /// What [`Adapter::freeze`] gave before the first attempt.
    pub frozen: Value,
    /// When the first attempt's intent was made.
    pub started: Timestamp,
    /// Where the post that this one answers is, when it is ours: what its delivery on this account left.
    pub answers: Option<Remote>,
    /// Remote ids of other deliveries on this account: a read-back must not take one of these for ours.
    pub taken: Arc<std::collections::BTreeSet<String>>,
}

/// A media file that was opened once, read and hashed.
#[derive(Clone)]
pub struct Media {
    pub item: MediaItem,
    /// By content, not by name.
    pub mime: String,
    /// Width and height in pixels, where it is an image.
    pub size: Option<(u32, u32)>,
    pub bytes: Arc<[u8]>,
}

impl Media {
    /// The name under which a public folder holds it, ours among them: what its bytes are, and an ending by which a web
    /// server tells the type. The name that a person gave the file is told to nobody.
    pub fn public_name(&self) -> String {
        format!("{}.{}", self.item.sha256.hex(), extension(&self.mime))
    }
}

/// What we do not know is served as plain bytes, so that nothing can be smuggled in that a browser would run.
fn extension(mime: &str) -> &'static str {
    match mime {
        "image/jpeg" => "jpg",
        "image/png" => "png",
        "image/gif" => "gif",
        "image/webp" => "webp",
        "image/avif" => "avif",
        "video/mp4" => "mp4",
        "video/webm" => "webm",
        "video/quicktime" => "mov",
        "audio/mpeg" => "mp3",
        "audio/ogg" | "application/ogg" => "ogg",
        "audio/x-flac" | "audio/flac" => "flac",
        "audio/m4a" | "audio/mp4" | "audio/x-m4a" => "m4a",
        "audio/x-wav" | "audio/wav" => "wav",
        "application/pdf" => "pdf",
        _ => "bin",
    }
}

impl std::fmt::Debug for Media {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Media({}, {}, {} bytes)", self.item.file, self.mime, self.bytes.len())
    }
}

/// Whether to publish, or to look for what an earlier try may have left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Publish,
    /// For the publishing step that comes after `done`.
    LookBack,
}

/// What an adapter may know when it decides.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    pub job: &'a Job,
    pub purpose: Purpose,
    /// Durable results of the steps that leave something behind or publish, oldest first.
    pub done: &'a [Checkpoint],
    /// What harmless steps of this attempt have learned; `Null` at first; lost at a crash.
    pub scratch: &'a Value,
    /// What is known of the account; empty at first; lost at a crash.
    pub session: &'a Session,
    pub secrets: &'a Secrets,
    pub now: Timestamp,
}

impl Attempt<'_> {
    /// What the parts that are out have left, from the first on, where each of them is a step `publish-N`.
    pub fn published<T: serde::de::DeserializeOwned>(&self) -> Vec<T> {
        let checkpoint = |part: usize| {
            let name = format!("publish-{part}");
            // The last one: a step that was done again stands twice.
            let held = self.done.iter().rev().find(|checkpoint| checkpoint.step == name)?;
            T::deserialize(&held.data).ok()
        };
        (0..=self.job.content.thread.len()).map_while(checkpoint).collect()
    }
}

impl Attempt<'_> {
    /// The earliest time, by a server's clock that shows `there` now, that a post of this attempt can be dated, with
    /// `skew` to spare. Our own clock may have been wrong when the delivery began: by as much as it is wrong now, or,
    /// when it has been set back since, by nobody knows how much, and then every post is looked at.
    pub fn floor(&self, there: Option<Timestamp>, skew: Duration) -> Timestamp {
        if self.job.started > time::after(self.now, skew) {
            return Timestamp::MIN;
        }
        let behind = there.map_or(Duration::ZERO, |there| time::since(self.now, there));
        time::before(time::before(self.job.started, behind), skew)
    }
}

/// Account state between requests: tokens, identity, limits the server has told. Never printed; of it only `kept` is
/// stored.
#[derive(Clone, Default, PartialEq)]
pub struct Session {
    /// The adapter's own.
    pub values: BTreeMap<String, Value>,
    /// The remote account's stable id, once known. It is pinned in the ledger at first use, and a session of
    /// another account stops ours.
    pub identity: Option<String>,
    /// Tokens that must outlive this process, in the adapter's own form: what a refresh has given in place of a token
    /// that it used up. They are sealed and durable before anything is asked with them, and here again after a restart,
    /// for as long as the account has the same secrets and host. `None` in a session that an adapter gives leaves what
    /// is kept as it is.
    pub kept: Option<Value>,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let keys: Vec<_> = self.values.keys().collect();
        f.debug_struct("Session").field("identity", &self.identity).field("keys", &keys).finish()
    }
}

/// The account's secrets, by configuration key.
#[derive(Debug, Clone, Default)]
pub struct Secrets(pub BTreeMap<String, Secret>);

impl Secrets {
    pub fn get(&self, key: &str) -> Option<&Secret> {
        self.0.get(key)
    }

    /// What somebody else said, without these, and then cut to a length that a log line can carry: half a secret would
    /// still tell much of it.
    pub fn quote(&self, text: &str) -> String {
        quoted(text, &self.0.values().map(Secret::expose).collect::<Vec<_>>())
    }
}

/// What an adapter wants.
#[derive(Debug, Clone)]
pub enum Next {
    /// Make this call and give the reply to `read`.
    Call(Step),
    /// All parts are published; this is what the platform calls it.
    Done(Remote),
    /// This can never be published as it is.
    Refuse(String),
    /// There is no token to go on with.
    Auth(String),
    /// Looking back is not possible here.
    CannotTell(String),
}

/// One call of an attempt.
#[derive(Debug, Clone)]
pub struct Step {
    /// Stable name, such as `upload-0` or `publish-2`; it becomes the checkpoint's name.
    pub name: String,
    pub effect: Effect,
    pub call: Call,
}

/// What a step does to the platform when it arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing that stays.
    Harmless,
    /// Something that nobody sees (an upload, a container). Its checkpoint saves doing it again.
    Leaves,
    /// A post, or a part of one, that people see.
    Publishes,
}

/// What the edge is asked to do.
#[derive(Debug, Clone)]
pub enum Call {
    Http(Request),
    File(FileCall),
    Exec(Exec),
    Fetch(Fetch),
    /// Conversations with several servers, side by side.
    Sockets(Vec<Socket>),
}

/// Reads a public file and tells what it is, without keeping it: platforms that fetch media themselves are given an
/// address, and what they would find there must be what was approved. No secret goes along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    pub url: Url,
    /// No more bytes than that are wanted: behind it the file is another one anyway.
    pub most: u64,
}

/// An HTTP request, complete but for `User-Agent`, `Host` and `Content-Length`, which the edge adds.
#[derive(Clone)]
pub struct Request {
    pub method: Method,
    /// Holds no secret, so that it can be shown.
    pub url: Url,
    /// Where a platform wants its token in the address: what stands there in place of [`SECRET_IN_PATH`].
    pub secret_path: Option<Secret>,
    pub headers: Vec<(&'static str, HeaderValue)>,
    pub body: Body,
}

/// Marks the place of a secret in the path of a URL. It stands there exactly once where there is a secret.
pub const SECRET_IN_PATH: &str = "[secret]";

impl Request {
    /// The address with its secret in it, for the edge, which sends it, and for imitations. It must not be shown.
    ///
    /// # Errors
    /// A secret that would not stay where it is put, or has no place; the reason does not tell it.
    pub fn exposed_url(&self) -> Result<Url, &'static str> {
        let mut url = self.url.clone();
        let Some(secret) = self.secret_path.as_ref().map(Secret::expose) else { return Ok(url) };
        let stays = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '~' | ':');
        if secret.chars().all(|c| c == '.') || !secret.chars().all(stays) {
            return Err("the secret holds what cannot stand in an address");
        }
        if url.path().matches(SECRET_IN_PATH).count() != 1 {
            return Err("the address has no single place for the secret");
        }
        url.set_path(&url.path().replace(SECRET_IN_PATH, secret));
        Ok(url)
    }
}

/// Of a query only the names are shown: an address that a platform has handed out may be all that is needed to use it.
impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut bare = self.url.clone();
        bare.set_query(None);
        let query: Vec<_> = self.url.query_pairs().map(|(name, _)| name.into_owned()).collect();
        let (method, headers, body) = (self.method, &self.headers, &self.body);
        write!(f, "Request({} {bare} ?{query:?} {headers:?} {body:?})", method.name())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
    Put,
    Delete,
}

impl Method {
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
        }
    }
}

/// A header's value; a secret one is kept out of every log.
#[derive(Debug, Clone)]
pub enum HeaderValue {
    Plain(String),
    /// Dates this very request: it is another one in a repeat, of which all else is the same.
    Fresh(String),
    /// `prefix` and the secret right behind it (`"Bearer "`).
    Secret {
        prefix: &'static str,
        secret: Secret,
    },
}

impl HeaderValue {
    pub fn expose(&self) -> String {
        match self {
            Self::Plain(text) | Self::Fresh(text) => text.clone(),
            Self::Secret { prefix, secret } => format!("{prefix}{}", secret.expose()),
        }
    }
}

/// A request's body, in chunks that are sent one behind the other, so that media are not copied.
#[derive(Clone, Default)]
pub struct Body {
    /// `Content-Type`; none when there is no body at all.
    pub mime: Option<String>,
    pub chunks: Vec<Arc<[u8]>>,
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Body({:?}, {} bytes)", self.mime, self.len())
    }
}

impl Body {
    pub fn json(value: &Value) -> Self {
        Self { mime: Some("application/json".into()), chunks: vec![value.to_string().into_bytes().into()] }
    }

    /// `application/x-www-form-urlencoded`.
    pub fn urlencoded(fields: &[(&str, &str)]) -> Self {
        let text = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        Self::bytes("application/x-www-form-urlencoded", text.into_bytes().into())
    }

    pub fn bytes(mime: &str, bytes: Arc<[u8]>) -> Self {
        Self { mime: Some(mime.into()), chunks: vec![bytes] }
    }

    pub fn len(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.len()).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All chunks in one piece, for imitations.
    pub fn concat(&self) -> Vec<u8> {
        self.chunks.concat()
    }
}

/// Work in a folder of ours. Paths are relative to `root`, with `/`, and never leave it.
#[derive(Debug, Clone)]
pub struct FileCall {
    pub root: PathBuf,
    pub work: FileWork,
}

#[derive(Debug, Clone)]
pub enum FileWork {
    /// Reads files; the reply holds one entry a path, `None` where there is no such file.
    Read(Vec<String>),
    /// Writes each file aside and renames it into place, in this order; durable when it returns.
    Write(Vec<(String, Arc<[u8]>)>),
}

/// A program that is run once: it gets one request on its standard input and gives one reply on its standard output.
#[derive(Clone)]
pub struct Exec {
    pub program: PathBuf,
    /// Anybody on the machine can read these.
    pub args: Vec<String>,
    /// Where it runs.
    pub folder: PathBuf,
    /// May hold a secret.
    pub input: Arc<[u8]>,
}

impl std::fmt::Debug for Exec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Exec({}, {:?}, {} bytes)", self.program.display(), self.args, self.input.len())
    }
}

/// A conversation over WebSocket with one server.
#[derive(Debug, Clone)]
pub struct Socket {
    /// `wss`, or `ws` for a loopback address.
    pub url: Url,
    /// What is said, one message behind the other.
    pub send: Vec<String>,
    /// It is over when for each of these lists a message has come that begins with one of the list. White space does not
    /// count, so that one need not know how the other side writes its JSON.
    pub until: Vec<Vec<String>>,
    /// How long all of it may take, where the call's time-out is not shorter.
    pub patience: Duration,
}

impl Socket {
    /// Whether what has been heard is all that was waited for.
    pub fn is_over(&self, messages: &[String]) -> bool {
        let begins = |message: &str, beginning: &str| {
            let mut dense = message.chars().filter(|c| !c.is_whitespace());
            beginning.chars().filter(|c| !c.is_whitespace()).all(|c| dense.next() == Some(c))
        };
        self.until
            .iter()
            .all(|any| any.iter().any(|beginning| messages.iter().any(|message| begins(message, beginning))))
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub enum Reply {
    Http(HttpReply),
    /// In the order of [`FileWork::Read`]; empty after a write.
    File(Vec<Option<Vec<u8>>>),
    Exec(ExecReply),
    /// To a [`Fetch`]: the status as it came, redirects too. More `bytes` than were wanted say that there are more,
    /// and then `digest` is that of a part.
    Fetched {
        status: u16,
        bytes: u64,
        digest: Digest,
    },
    /// In the order of [`Call::Sockets`].
    Sockets(Vec<SocketReply>),
}

/// What was heard of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SocketReply {
    pub messages: Vec<String>,
    pub end: SocketEnd,
}

/// How a conversation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SocketEnd {
    /// All that was waited for has come.
    Over,
    /// The server was not reached: it has heard nothing.
    NeverLeft(String),
    /// It may have heard everything, and has not said all that was waited for.
    BrokenOff(String),
}

/// What a program left that came to its end by itself.
#[derive(Debug, Clone, Default)]
pub struct ExecReply {
    pub code: i32,
    /// What it wrote to its standard output, cut at [`crate::domain::limits::ANSWER_BYTES`].
    pub output: Vec<u8>,
    /// It wrote more than we read.
    pub cut: bool,
    /// The first line that it wrote to its standard error, harmless for a terminal.
    pub said: String,
}

/// An HTTP reply, its body cut at [`crate::domain::limits::ANSWER_BYTES`].
#[derive(Debug, Clone, Default)]
pub struct HttpReply {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The body was longer than we read, or ended before its announced end.
    pub cut: bool,
}

impl HttpReply {
    /// A JSON reply, for imitations.
    pub fn json(status: u16, value: &Value) -> Self {
        Self {
            status,
            headers: vec![("content-type".into(), "application/json".into())],
            body: value.to_string().into_bytes(),
            cut: false,
        }
    }

    /// The first header of that name, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(held, _)| held == name).map(|(_, value)| value.as_str())
    }

    /// The moment that a header names, as HTTP writes moments.
    pub fn date(&self, name: &str) -> Option<Timestamp> {
        Some(jiff::fmt::rfc2822::parse(self.header(name)?.trim()).ok()?.timestamp())
    }

    /// How long it is from `now` to `then`, a moment of the platform's clock. Where the reply tells what that clock
    /// shows, the hours by which it differs from ours are not waited for.
    pub fn until(&self, then: Timestamp, now: Timestamp) -> Duration {
        time::since(then, self.date("date").unwrap_or(now))
    }

    /// The body as JSON, unless it was cut or is something else.
    pub fn value(&self) -> Option<Value> {
        if self.cut { None } else { serde_json::from_slice(&self.body).ok() }
    }
}

/// Why there is no reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Nothing of the request reached the platform: no address, no connection, no TLS, or refused by us.
    #[error("{0}")]
    NeverLeft(String),
    /// At least one byte left, and no complete answer came: it may have been carried out.
    #[error("{0}")]
    MayHaveArrived(String),
}

/// What a reply means.
#[derive(Debug, Clone, PartialEq)]
pub enum Reading {
    /// A harmless step learned something: this becomes `scratch`.
    Learned(Value),
    /// A step that leaves something or publishes has done so: this becomes its checkpoint.
    Checkpoint(Value),
    /// The account's state has changed (logged in, token expired, limits read); nothing happened to the post.
    Session(Session),
    /// Looking back: it is there; the checkpoint that the lost reply would have given.
    Found(Value),
    /// Looking back: it is not there now.
    Absent,
    /// Not ready yet (media in processing): go on with this attempt after a while.
    Wait(Duration),
    /// It did not happen, and may be tried again; `after` when the platform says how long to wait.
    Retry { after: Option<Duration>, why: String },
    /// It did not happen: too much was asked. Nothing goes out on this account before `until`.
    RateLimited { until: Timestamp, why: String },
    /// It did not happen: the token is not accepted.
    Auth { why: String },
    /// It did not happen and never will.
    Refused { why: String },
    /// It may have happened.
    Unclear { why: String },
    /// The platform says that it already has this post.
    AlreadyThere { why: String },
    /// What earlier steps left is gone (an upload that expired): forget the checkpoints that are not
    /// publications and do those steps again.
    Redo { why: String },
}

/// What is left of the account's allowance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    pub remaining: u64,
    pub reset: Timestamp,
}

/// Something a person should change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The key it is about: of the account table, or of the post (`text`, `thread`, `media`, …).
    pub key: String,
    pub reason: String,
    pub hint: Option<String>,
}

impl Complaint {
    pub fn new(key: &str, reason: impl Into<String>) -> Self {
        Self { key: key.into(), reason: reason.into(), hint: None }
    }

    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// An account's own keys, read one by one; keeps everything that is wrong.
#[derive(Debug)]
pub struct Table {
    pub account: AccountId,
    values: toml::Table,
    base: PathBuf,
    complaints: Vec<Complaint>,
}

impl Table {
    /// `values` are the account's keys without those that every account has; `base` is the folder of the file.
    pub fn new(account: AccountId, values: toml::Table, base: PathBuf) -> Self {
        Self { account, values, base, complaints: Vec::new() }
    }

    pub fn complain(&mut self, complaint: Complaint) {
        self.complaints.push(complaint);
    }

    pub fn into_complaints(self) -> Vec<Complaint> {
        self.complaints
    }

    /// Whether a key is there, whatever it holds.
    pub fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// A text that may be left out.
    pub fn text(&mut self, key: &str) -> Option<String> {
        match self.values.get(key)? {
            toml::Value::String(text) => Some(text.clone()),
            other => self.wrong(key, "a text in quotes", other.type_str()),
        }
    }

    /// A text that must be there.
    pub fn required(&mut self, key: &str) -> Option<String> {
        self.demand(key);
        self.text(key)
    }

    pub fn bool(&mut self, key: &str) -> Option<bool> {
        match self.values.get(key)? {
            toml::Value::Boolean(value) => Some(*value),
            other => self.wrong(key, "true or false", other.type_str()),
        }
    }

    pub fn integer(&mut self, key: &str) -> Option<i64> {
        match self.values.get(key)? {
            toml::Value::Integer(value) => Some(*value),
            other => self.wrong(key, "a whole number", other.type_str()),
        }
    }

    /// A list of texts that may be left out.
    pub fn texts(&mut self, key: &str) -> Option<Vec<String>> {
        const WANTED: &str = "a list of texts";
        let list = match self.values.get(key)? {
            toml::Value::Array(list) => list,
            other => return self.wrong(key, WANTED, other.type_str()),
        };
        let texts: Result<Vec<_>, _> =
            list.iter().map(|item| item.as_str().map(str::to_owned).ok_or(item.type_str())).collect();
        texts.map_or_else(|found| self.wrong(key, WANTED, &format!("one that holds a {found}")), Some)
    }

    /// A list of texts that must be there.
    pub fn required_texts(&mut self, key: &str) -> Option<Vec<String>> {
        self.demand(key);
        self.texts(key)
    }

    /// The folder of the file it stands in.
    pub fn folder(&self) -> PathBuf {
        self.base.clone()
    }

    /// A path that must be there; a relative one is relative to the file it stands in.
    pub fn path(&mut self, key: &str) -> Option<PathBuf> {
        self.required(key).map(|text| self.base.join(text))
    }

    /// A base URL that must be there: `https`, or `http` on a loopback address; no user, query or fragment.
    pub fn base_url(&mut self, key: &str) -> Option<Url> {
        let text = self.required(key)?;
        self.as_base_url(key, &text)
    }

    /// The same, or `default` where it is left out.
    pub fn base_url_or(&mut self, key: &str, default: &str) -> Option<Url> {
        if !self.values.contains_key(key) {
            return self.as_base_url(key, default);
        }
        self.base_url(key)
    }

    fn as_base_url(&mut self, key: &str, text: &str) -> Option<Url> {
        let refuse = |reason: &str, hint: &str| Complaint::new(key, reason).with_hint(hint);
        let complaint = match Url::parse(text) {
            Err(cause) => refuse(&format!("not a URL: {cause}"), "write it as \"https://host.example\""),
            Ok(url) if url.host().is_none() => refuse("the URL names no host", "write it as \"https://host.example\""),
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                refuse("a URL must not hold a user or password", "give secrets by reference, in a key of their own")
            }
            Ok(url) if url.query().is_some() || url.fragment().is_some() => {
                refuse("a base URL has no query and no fragment", "leave out everything from '?' or '#' on")
            }
            Ok(url) if url.scheme() == "http" && !is_loopback(&url) => {
                refuse("http:// is accepted for loopback addresses only", "use https://")
            }
            Ok(url) if !matches!(url.scheme(), "http" | "https") => refuse("the URL is not https", "use https://"),
            Ok(url) => return Some(url),
        };
        self.complain(complaint);
        None
    }

    /// A secret by reference that must be there.
    pub fn secret(&mut self, key: &str) -> Option<SecretRef> {
        self.demand(key);
        self.optional_secret(key)
    }

    /// A secret by reference that may be left out.
    pub fn optional_secret(&mut self, key: &str) -> Option<SecretRef> {
        let base = self.base.clone();
        match secret_ref(self.values.get(key)?, &base) {
            Ok(reference) => Some(reference),
            Err((reason, hint)) => {
                self.complain(Complaint::new(key, reason).with_hint(hint));
                None
            }
        }
    }

    fn demand(&mut self, key: &str) {
        if !self.values.contains_key(key) {
            self.complain(Complaint::new(key, format!("accounts.{}: the key {key:?} is missing", self.account)));
        }
    }

    fn wrong<T>(&mut self, key: &str, wanted: &str, found: &str) -> Option<T> {
        self.complain(Complaint::new(key, format!("{key:?} must be {wanted}, not {found}")));
        None
    }
}

/// Whether a URL names a loopback address, literally or as `localhost`.
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// A wire-level imitation of a platform, for tests, simulation and benchmarks. Pure: time comes in, effects stay
/// inside. Faults of the network are not its business; faults of the platform are.
pub trait Twin: Send {
    /// The keys of an account table that reach account number `account` (from 0) of this platform. `base` is a
    /// URL to reach HTTP twins by, and `folder` a place for files. Secrets are given as `{ env = "NAME" }`.
    fn table(&self, account: u32, base: &str, folder: &str) -> toml::Table;

    /// The secrets of account number `account`, by key.
    fn secrets(&self, account: u32) -> Secrets;

    /// Carries a call out and answers it.
    fn answer(&mut self, call: &Call, now: Timestamp) -> Reply;

    /// What is published of that which appeared after `mark`, in the order it appeared; a thread's parts each on their
    /// own. `mark` is 0 at first, and afterwards stands behind what was given.
    fn published_since(&self, mark: &mut usize) -> Vec<Published>;

    /// Everything that is published, in the order it appeared.
    fn published(&self) -> Vec<Published> {
        self.published_since(&mut 0)
    }

    /// Until then, calls are refused as the platform refuses them when too much is asked.
    fn throttle(&mut self, until: Timestamp);

    /// Short-lived tokens given out so far are no longer accepted.
    fn expire_tokens(&mut self);

    /// The account's secret is accepted, or no longer.
    fn set_revoked(&mut self, revoked: bool);
}

/// One thing that people can see on a twin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// As in [`Twin::table`].
    pub account: u32,
    pub id: String,
    pub text: String,
    /// When it appeared.
    pub at: Timestamp,
    /// The id of the post that it answers.
    pub answers: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(url: &str, secret: Option<&str>) -> Request {
        let url = Url::parse(url).unwrap();
        Request {
            method: Method::Get,
            url,
            secret_path: secret.map(Secret::new),
            headers: Vec::new(),
            body: Body::default(),
        }
    }

    #[test]
    fn a_secret_in_the_path_is_shown_to_nobody_but_the_edge() {
        let request = request("https://api.example/bot[secret]/send?a=1", Some("12:ca-nary_"));
        assert_eq!(request.exposed_url().unwrap().as_str(), "https://api.example/bot12:ca-nary_/send?a=1");
        let shown = format!("{request:?} {}", request.url);
        assert!(!shown.contains("ca-nary"), "{shown}");
        assert!(request.url.as_str().contains("/bot[secret]/send"), "the place is there to be read");
    }

    #[test]
    fn a_secret_that_would_lead_elsewhere_goes_nowhere() {
        for secret in ["", ".", "..", "a/b", "a?b", "a#b", "a%2fb", "a b", "a\\b", "@other.example", "\u{e4}"] {
            let why = request("https://api.example/bot[secret]/send", Some(secret)).exposed_url().unwrap_err();
            assert!(secret.len() < 3 || !why.contains(secret), "{why}");
        }
        for url in
            ["https://api.example/send", "https://api.example/[secret]/[secret]", "https://api.example/?[secret]"]
        {
            assert!(request(url, Some("canary")).exposed_url().is_err(), "{url}");
        }
        assert_eq!(request("https://api.example/a", None).exposed_url().unwrap().path(), "/a");
    }
}
