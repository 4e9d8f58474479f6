//! What an adapter is, and the words it speaks with `deliver`.
//!
//! Invariants an adapter keeps:
//! - `next` and `read` are pure: the same arguments give the same answer.
//! - Of the steps of one attempt, only those marked [`Effect::Publishes`] can make a post appear.
//! - Everything a repeat must send unchanged comes from [`Job::frozen`] and [`Attempt::done`], never from `now`. What
//!   only dates a request is marked as [`HeaderValue::Fresh`].
//! - A secret enters a request only as [`HeaderValue::Secret`], as [`Request::secret_path`], or inside a [`Body`].

mod abilities;
pub mod auth;
mod call;
#[cfg(test)]
pub mod cases;
pub mod crowd;
pub mod examine;
mod multipart;
mod reply;
pub mod sweep;
pub mod sweeping;
mod table;
mod trouble;
mod twin;
mod words;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use url::Url;

pub use abilities::{Abilities, Answers, MediaKind, lasts};
pub use call::{Body, Call, Exec, Fetch, FileCall, FileWork, HeaderValue, Method, Request, SECRET_IN_PATH, Socket};
pub use multipart::Part;
pub use reply::{ExecReply, Failure, HttpReply, Reply, SocketEnd, SocketReply};
pub use table::{Complaint, Table, is_loopback};
pub use trouble::Trouble;
pub use twin::{Billed, Codes, Published, Twin, WrongCode};
pub use words::{LONGEST_WAIT, holds, quoted, wait};

pub use self::auth::{Ask, AuthFlow};
use self::examine::{End, Examination, Facts, Need};
use self::sweep::{Looking, Sweep, Sweeper};
pub use crate::domain::secret::secret_ref;
use crate::domain::{
    Checkpoint, Content, DeliveryId, Digest, MediaItem, Remote, Secret, SecretRef, Spend, Timestamp, time,
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
    /// A table of amounts of money by these names.
    Amounts(&'static [&'static str]),
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

    /// Which of a post's files the platform is still to fetch from the web when the steps of `done` are done. `files` are
    /// the post's media, each with its type. What lies at those addresses is read through before an attempt begins; where
    /// it is not what was approved, the post is held.
    fn fetches(&self, _files: &[(&MediaItem, &str)], _done: &[Checkpoint]) -> Vec<Public> {
        Vec::new()
    }

    /// How a person gets its secrets.
    fn auth(&self) -> AuthFlow {
        AuthFlow::default()
    }

    /// What publishing this content costs at most, from the first request to the last, where all goes well. Something
    /// for every content where the platform bills requests, nothing elsewhere.
    fn cost(&self, _content: &Content) -> Spend {
        Spend::default()
    }

    /// What a step costs at most; with the reply to it, what it has cost at most. The reply makes it no dearer.
    fn price(&self, _attempt: &Attempt<'_>, _step: &Step, _reply: Option<&Reply>) -> Spend {
        Spend::default()
    }

    /// What it cannot do without on this machine.
    fn needs(&self) -> Vec<Need> {
        Vec::new()
    }

    /// What can be found out about the account beyond whose it is. `replies` are the answers to the requests so far; one
    /// without a status stands for a request that nobody answered.
    fn examine(&self, _about: &Examination<'_>, _replies: &[HttpReply]) -> Ask<Facts> {
        Ask::Done(Facts::default())
    }

    /// What of the account ends by itself, as far as is known without asking.
    fn ends(&self, _session: &Session, _secrets: &Secrets) -> Vec<End> {
        Vec::new()
    }

    /// Looks at what has become of posts. `None` where the platform tells nothing of that, or nothing that this adapter
    /// understands.
    fn sweep(&self, _sweep: Sweep, _looking: &Looking<'_>) -> Option<Box<dyn Sweeper>> {
        None
    }

    /// How long the platform's terms allow to keep what it tells of people, where they say so.
    fn retention(&self) -> Option<Duration> {
        None
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
    pub fn public_name(&self) -> String {
        public_name(&self.item, &self.mime)
    }
}

/// The name under which a public folder holds a file of this type, ours among them: what its bytes are, and an ending by
/// which a web server tells the type. The name that a person gave the file is told to nobody.
pub fn public_name(item: &MediaItem, mime: &str) -> String {
    format!("{}.{}", item.sha256.hex(), extension(mime))
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

/// A file of a post that the platform fetches from the web by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Public {
    /// Its place among the post's media.
    pub place: usize,
    pub url: Url,
    /// The key of the account table that has led to this address.
    pub key: &'static str,
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

    /// What is said, without these.
    pub fn blanked(&self, text: &str) -> String {
        let long = self.0.values().map(Secret::expose).filter(|secret| secret.len() > 3);
        long.fold(text.to_owned(), |text, secret| text.replace(secret, "[secret]"))
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
