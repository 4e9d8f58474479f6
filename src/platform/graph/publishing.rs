//! Publishing by containers: the one protocol of Threads and Instagram.
//!
//! A part of a post is a container that is made, asked after until it is finished, and published by one call. Containers
//! are seen by nobody and cost little; a container publishes once, whatever is asked of it. So what is decided here:
//! - **The container is durable before it is published**, and every attempt goes on with it. Right before each call that
//!   publishes, the container's status is asked for: one that says PUBLISHED went out in an earlier try, whatever that
//!   try was answered, and is looked for. A repeat thus has two guards, the status and the container itself.
//! - **An error of the publishing call is believed only where Meta turned the request away before looking at it** (token,
//!   permission, limits), or says that the container is not ready. All other errors have been seen on posts that went
//!   out: they leave it in doubt.
//! - **Not ready after FINISHED** is frequent: the same container is tried again a few times, its status in between, and
//!   then a new one is made. An old one that may have been published is never replaced before it was looked for.
//! - **Failing to learn an address fails nothing.** It is asked for once, after the last part.
//!
//! Steps: `refresh`, `identity`, `quota`; for each file `fetch-N`, for a carousel `item-N` and `ready-N`; then for each
//! part `container-N` (for a film that is sent as bytes `bytes-N`), `status-N`, `publish-N`; at last `address`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::errors::{self, Class, GraphError};
use super::look::{self, Look};
use super::wire::{self, Wire};
use super::{Dialect, media, token};
use crate::domain::{Checkpoint, Content, Remote, ReplyTo, SecretRef, Timestamp, time};
use crate::platform::contract::{
    Attempt, Call, Effect, HttpReply, Job, Media, Next, Purpose, Reading, Reply, Request, Step,
};

/// What every account of a service has.
#[derive(Debug)]
pub struct Account {
    pub dialect: &'static Dialect,
    pub base: Url,
    /// Such as `v1.0`.
    pub version: String,
    pub token: SecretRef,
    pub app_secret: Option<SecretRef>,
    /// The account's id, where the token is not its own.
    pub user: Option<String>,
    /// Where Meta finds our media.
    pub media_base: Option<Url>,
}

/// What one service makes of a post.
pub trait Service {
    fn account(&self) -> &Account;

    /// The texts of the parts.
    fn texts(&self, content: &Content) -> Vec<String>;

    /// Why this cannot be published as it is.
    fn refuses(&self, job: &Job) -> Option<String>;

    /// What a container is told of a file; `address` is where it is to be fetched, if it is.
    fn file(&self, media: &Media, address: Option<&str>, place: Place) -> Vec<(&'static str, String)>;

    /// What a container without files is told.
    fn bare(&self, content: &Content, part: usize) -> Vec<(&'static str, String)>;

    /// The request that sends a container its bytes, for posts whose one film is not fetched.
    fn bytes(&self, _wire: &Wire<'_>, _job: &Job, _container: &str) -> Option<Request> {
        None
    }
}

/// Where a file stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Alone,
    InCarousel,
}

impl Account {
    pub fn host(&self) -> String {
        let port = self.base.port().map(|port| format!(":{port}")).unwrap_or_default();
        let path = self.base.path().trim_end_matches('/');
        format!("{}{port}{path}", self.base.host_str().unwrap_or_default())
    }

    /// Who the account is, only its token tells.
    pub fn place(&self) -> String {
        let token = match &self.token {
            SecretRef::Credential(name) => format!("credential {name}"),
            SecretRef::File(path) => format!("file {}", path.display()),
            SecretRef::Env(name) => format!("variable {name}"),
        };
        format!(
            "{}, {}token from {token}",
            self.host(),
            self.user.as_ref().map(|id| format!("{id}, ")).unwrap_or_default()
        )
    }

    pub fn secrets(&self) -> Vec<(&'static str, SecretRef)> {
        let app = self.app_secret.clone().map(|secret| (token::APP_SECRET, secret));
        std::iter::once((token::TOKEN, self.token.clone())).chain(app).collect()
    }
}

/// What the steps so far have left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "left", rename_all = "kebab-case")]
pub enum Left {
    Item {
        item: usize,
        id: String,
        at: Timestamp,
    },
    Container {
        part: usize,
        id: String,
        at: Timestamp,
        attempt: u32,
    },
    /// The container has its bytes.
    Bytes {
        container: String,
    },
    Posted {
        part: usize,
        id: String,
        url: Option<String>,
        attempt: u32,
    },
    Address {
        url: String,
    },
}

/// A container that was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    pub id: String,
    pub at: Timestamp,
    pub attempt: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Posted {
    pub id: String,
    pub url: Option<String>,
    attempt: u32,
}

#[derive(Debug, Default)]
pub struct Done {
    items: BTreeMap<usize, Made>,
    pub containers: BTreeMap<usize, Made>,
    sent: BTreeSet<String>,
    /// Published parts, without gaps.
    pub posts: Vec<Posted>,
    address: Option<String>,
}

impl Done {
    pub fn of(checkpoints: &[Checkpoint]) -> Self {
        let (mut done, mut posts) = (Self::default(), BTreeMap::new());
        for checkpoint in checkpoints {
            match Left::deserialize(&checkpoint.data) {
                Ok(Left::Item { item, id, at }) => drop(done.items.insert(item, Made { id, at, attempt: 0 })),
                Ok(Left::Container { part, id, at, attempt }) => {
                    done.containers.insert(part, Made { id, at, attempt });
                }
                Ok(Left::Bytes { container }) => drop(done.sent.insert(container)),
                Ok(Left::Posted { part, id, url, attempt }) => drop(posts.insert(part, Posted { id, url, attempt })),
                Ok(Left::Address { url }) => done.address = Some(url),
                Err(_) => {}
            }
        }
        let whole = posts.into_iter().enumerate().take_while(|(at, (part, _))| at == part);
        done.posts = whole.map(|(_, (_, posted))| posted).collect();
        done
    }

    /// What the platform calls the whole: its first part, and the last one where there are several.
    fn remote(&self) -> Option<Remote> {
        let (first, last) = (self.posts.first()?, self.posts.last()?);
        let reference = if self.posts.len() > 1 { serde_json::json!({ "last": last.id }) } else { Value::Null };
        let url = first.url.clone().or_else(|| self.address.clone());
        Some(Remote { id: first.id.clone(), url, reference: reference.into() })
    }
}

/// What harmless steps have learned; lost at a crash, and then learned again.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Scratch {
    quota: bool,
    /// Files that are where Meta will look for them.
    fetched: BTreeSet<usize>,
    /// Items that are finished.
    ready: BTreeSet<String>,
    finished: Option<Finished>,
    pub look: Option<Look>,
}

/// A container was finished at that moment, and how often it was found so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Finished {
    id: String,
    at: Timestamp,
    times: u32,
}

impl Scratch {
    pub fn of(attempt: &Attempt<'_>) -> Self {
        Self::deserialize(attempt.scratch).unwrap_or_default()
    }

    pub fn learned(&self) -> Reading {
        Reading::Learned(data(self))
    }
}

pub fn data(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or(Value::Null)
}

pub fn harmless(name: String, request: Request) -> Next {
    Next::Call(Step { name, effect: Effect::Harmless, call: Call::Http(request) })
}

fn leaves(name: String, request: Request) -> Next {
    Next::Call(Step { name, effect: Effect::Leaves, call: Call::Http(request) })
}

/// Most times that a container which says FINISHED is published in one attempt, before a new one is made.
const TIMES: u32 = 4;
/// How old a status may be when something is published on it.
const FRESH: Duration = Duration::from_secs(1);
/// How long a container may be unknown: reads lag behind writes.
const UNKNOWN: Duration = Duration::from_secs(120);
/// How long a film may take to process before the attempt is put off.
const PROCESSING: Duration = Duration::from_secs(30 * 60);
/// When a day's quota is asked for again: its window moves.
const QUOTA: Duration = Duration::from_secs(3600);

/// What to do next.
pub fn next(service: &dyn Service, attempt: &Attempt<'_>) -> Next {
    let account = service.account();
    let Some(token) = token::current(attempt) else {
        return Next::Auth("there is no access token".into());
    };
    let proof = match (&account.app_secret, attempt.secrets.get(token::APP_SECRET)) {
        (None, _) => None,
        (Some(_), Some(secret)) => Some(wire::proof(secret, &token)),
        (Some(_), None) => return Next::Auth("there is no app secret".into()),
    };
    let wire = Wire { base: &account.base, version: &account.version, token, proof };
    let view = View { service, account, attempt, wire, done: Done::of(attempt.done), scratch: Scratch::of(attempt) };
    view.next()
}

/// Everything that the next step depends on.
pub struct View<'a> {
    service: &'a dyn Service,
    pub account: &'a Account,
    pub attempt: &'a Attempt<'a>,
    pub wire: Wire<'a>,
    pub done: Done,
    pub scratch: Scratch,
}

impl View<'_> {
    fn next(&self) -> Next {
        if self.done.posts.len() > self.attempt.job.content.thread.len() {
            return self.finish();
        }
        match self.attempt.purpose {
            Purpose::Publish => self
                .refresh()
                .or_else(|| self.identify())
                .or_else(|| self.object())
                .or_else(|| self.count())
                .or_else(|| self.files())
                .unwrap_or_else(|| self.publish()),
            Purpose::LookBack => self.identify().unwrap_or_else(|| look::next(self)),
        }
    }

    /// The account in a path.
    pub fn me(&self) -> &str {
        let user = self.account.user.as_deref().unwrap_or("me");
        if self.account.dialect.by_me { user } else { token::identity(self.attempt).unwrap_or(user) }
    }

    fn refresh(&self) -> Option<Next> {
        // A token that is not the account's own is refreshed elsewhere.
        let begins = self.account.user.is_none() && self.attempt.done.is_empty() && token::wants_refresh(self.attempt);
        begins.then(|| harmless("refresh".into(), self.wire.refresh(self.account.dialect.refresh)))
    }

    fn identify(&self) -> Option<Next> {
        if token::identity(self.attempt).is_some() {
            return None;
        }
        let field = if self.account.user.is_some() { "id" } else { self.account.dialect.account };
        let fields = [("fields", &*format!("{field},username"))];
        Some(harmless("identity".into(), self.wire.get(&[self.account.user.as_deref().unwrap_or("me")], &fields)))
    }

    /// What is surely refused, before anything is left there.
    fn object(&self) -> Option<Next> {
        let job = self.attempt.job;
        if !self.done.posts.is_empty() {
            return None;
        }
        if job.media.len() != job.content.media.len() {
            return Some(Next::Refuse("the media files were not handed over".into()));
        }
        self.service.refuses(job).map(Next::Refuse)
    }

    fn count(&self) -> Option<Next> {
        let begins = self.done.containers.is_empty() && self.done.posts.is_empty() && !self.scratch.quota;
        let fields = if self.account.dialect.answers.is_some() {
            "quota_usage,config,reply_quota_usage,reply_config"
        } else {
            "quota_usage,config"
        };
        begins.then(|| {
            let path = [self.me(), self.account.dialect.quota];
            harmless("quota".into(), self.wire.get(&path, &[("fields", fields)]))
        })
    }

    /// The request that sends the one film as bytes.
    fn bytes(&self, container: &str) -> Option<Request> {
        self.service.bytes(&self.wire, self.attempt.job, container)
    }

    /// The files are where Meta will look, and a carousel's are fetched.
    fn files(&self) -> Option<Next> {
        let job = self.attempt.job;
        if !self.done.posts.is_empty() || self.done.containers.contains_key(&0) || self.bytes("0").is_some() {
            return None;
        }
        let alone = job.media.len() == 1;
        for (place, file) in job.media.iter().enumerate() {
            let Some(base) = &self.account.media_base else {
                return Some(Next::Refuse(media::homeless(self.account.dialect.name).reason));
            };
            if self.done.items.contains_key(&place) {
                continue;
            }
            if !self.scratch.fetched.contains(&place) {
                return Some(media::look(format!("fetch-{place}"), base, file));
            }
            if !alone {
                let address = media::address(base, file);
                let form = self.service.file(file, Some(address.as_str()), Place::InCarousel);
                return Some(leaves(format!("item-{place}"), self.post(self.account.dialect.containers, &form)));
            }
        }
        let open = self.done.items.iter().find(|(_, made)| !self.scratch.ready.contains(&made.id));
        open.filter(|_| !alone).map(|(place, made)| harmless(format!("ready-{place}"), self.status(&made.id)))
    }

    fn publish(&self) -> Next {
        let part = self.done.posts.len();
        let Some(made) = self.done.containers.get(&part) else { return self.make(part) };
        if let Some(request) = self.bytes(&made.id).filter(|_| part == 0 && !self.done.sent.contains(&made.id)) {
            return leaves(format!("bytes-{part}"), request);
        }
        let fresh = self
            .scratch
            .finished
            .as_ref()
            .is_some_and(|finished| finished.id == made.id && time::since(self.attempt.now, finished.at) < FRESH);
        if !fresh {
            return harmless(format!("status-{part}"), self.status(&made.id));
        }
        let request = self.post(self.account.dialect.publish, &[("creation_id", made.id.clone())]);
        Next::Call(Step { name: format!("publish-{part}"), effect: Effect::Publishes, call: Call::Http(request) })
    }

    fn make(&self, part: usize) -> Next {
        let job = self.attempt.job;
        let mut form = match (part, job.media.as_slice()) {
            (0, [file]) => {
                let base = self.account.media_base.as_ref().filter(|_| self.bytes("0").is_none());
                let address = base.map(|base| media::address(base, file));
                self.service.file(file, address.as_ref().map(Url::as_str), Place::Alone)
            }
            (0, [_, ..]) => {
                let ids: Vec<&str> = self.done.items.values().map(|made| made.id.as_str()).collect();
                vec![("media_type", "CAROUSEL".into()), ("children", ids.join(","))]
            }
            _ => self.service.bare(&job.content, part),
        };
        let text = self.service.texts(&job.content).into_iter().nth(part).unwrap_or_default();
        if !text.is_empty() {
            form.push((self.account.dialect.text, text));
        }
        match parent(job, &self.done, part) {
            Parent::Nobody => {}
            Parent::Is(id) => form.push(("reply_to_id", id)),
            Parent::Unknown => {
                return Next::Refuse(
                    "the post that it answers is known by its address only, which is not enough here".into(),
                );
            }
        }
        leaves(format!("container-{part}"), self.post(self.account.dialect.containers, &form))
    }

    fn post(&self, edge: &str, form: &[(&'static str, String)]) -> Request {
        let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        self.wire.post(&[self.me(), edge], &form)
    }

    pub fn status(&self, container: &str) -> Request {
        let Dialect { status, problem, .. } = self.account.dialect;
        self.wire.get(&[container], &[("fields", &format!("{status},{problem}"))])
    }

    /// All parts are out. Where people see it is asked for once, in the attempt that published the last one.
    fn finish(&self) -> Next {
        let (Some(remote), Some(last)) = (self.done.remote(), self.done.posts.last()) else {
            return Next::Refuse("there is nothing to publish".into());
        };
        let now = self.attempt.purpose == Purpose::Publish && last.attempt == self.attempt.job.attempt;
        if now && remote.url.is_none() {
            return leaves("address".into(), self.wire.get(&[&remote.id], &[("fields", "permalink")]));
        }
        Next::Done(remote)
    }
}

/// What a part answers.
pub enum Parent {
    Nobody,
    Is(String),
    /// A person has told its address, and nobody knows its id.
    Unknown,
}

pub fn parent(job: &Job, done: &Done, part: usize) -> Parent {
    if let Some(before) = part.checked_sub(1).and_then(|before| done.posts.get(before)) {
        return Parent::Is(before.id.clone());
    }
    match (&job.content.reply_to, &job.answers) {
        (None, _) => Parent::Nobody,
        (Some(ReplyTo::Ours(_)), Some(remote)) => {
            wire::id(&remote.id.as_str().into()).map_or(Parent::Unknown, Parent::Is)
        }
        (Some(_), _) => Parent::Unknown,
    }
}

/// What `reply` to `step` means.
pub fn read(service: &dyn Service, attempt: &Attempt<'_>, step: &Step, reply: &Reply) -> Reading {
    let account = service.account();
    let (kind, place) = step.name.split_once('-').unwrap_or((&step.name, ""));
    let place = place.split('-').next().and_then(|place| place.parse().ok()).unwrap_or(usize::MAX);
    if kind == "fetch" {
        let objection = account.media_base.as_ref().zip(attempt.job.media.get(place));
        let objection = objection.and_then(|(base, file)| media::objection(base, file, reply));
        return objection.unwrap_or_else(|| {
            let mut scratch = Scratch::of(attempt);
            scratch.fetched.insert(place);
            scratch.learned()
        });
    }
    let Reply::Http(reply) = reply else {
        let why = "not a reply of this platform".to_owned();
        return match step.effect {
            Effect::Publishes => Reading::Unclear { why },
            Effect::Harmless | Effect::Leaves => Reading::Retry { after: None, why },
        };
    };
    let (done, texts) = (Done::of(attempt.done), service.texts(&attempt.job.content));
    let answer = Answer { dialect: account.dialect, attempt, reply, done, texts };
    match kind {
        "refresh" => token::refreshed(attempt, reply),
        "identity" => answer.identity(account.user.is_some()),
        "quota" => answer.quota(),
        "item" => answer.made(|id, at| Left::Item { item: place, id, at }),
        "container" => answer.made(|id, at| Left::Container { part: place, id, at, attempt: attempt.job.attempt }),
        "bytes" => answer.sent(place),
        "ready" => answer.item_status(place),
        "status" => answer.status(place),
        "publish" => answer.published(place),
        "address" => answer.address(),
        "asked" => look::read_status(&answer, place),
        "look" => look::read_page(&answer, place),
        _ => Reading::Retry { after: None, why: format!("a reply to an unknown step {:?}", step.name) },
    }
}

/// A reply in its situation.
pub struct Answer<'a> {
    pub dialect: &'static Dialect,
    pub attempt: &'a Attempt<'a>,
    pub reply: &'a HttpReply,
    pub done: Done,
    /// What the parts say.
    pub texts: Vec<String>,
}

/// What a container says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    InProgress,
    Finished,
    Published,
    Failed,
    Expired,
}

impl Answer<'_> {
    pub fn why(&self, what: &str) -> String {
        let hidden = token::hidden(self.attempt);
        errors::why(what, self.reply, &hidden.iter().map(String::as_str).collect::<Vec<_>>())
    }

    pub fn value(&self) -> Option<Value> {
        self.reply.value().filter(|_| self.reply.status == 200)
    }

    /// What no step may go on after.
    pub fn stop(&self) -> Option<Reading> {
        let until = errors::limited_until(self.reply, self.attempt.now);
        Some(match errors::class(self.reply) {
            Class::Token => token::refused(self.attempt, self.why("the access token is not accepted")),
            Class::Permission => Reading::Auth { why: self.why("the token lacks a permission") },
            Class::Version => Reading::Auth { why: self.why("this version of the API is gone: set `version`") },
            Class::Restricted => Reading::Auth { why: self.why("the account is restricted: look into the app") },
            Class::Limited => Reading::RateLimited { until, why: self.why("too many requests") },
            Class::Quota => self.quota_is_used_up(self.why("the day's posts are used up")),
            _ => return None,
        })
    }

    fn quota_is_used_up(&self, why: String) -> Reading {
        Reading::RateLimited { until: time::after(self.attempt.now, QUOTA), why }
    }

    /// A harmless step that told nothing.
    pub fn unanswered(&self, what: &str) -> Reading {
        self.stop().unwrap_or_else(|| Reading::Retry { after: None, why: self.why(what) })
    }

    fn identity(&self, configured: bool) -> Reading {
        let field = if configured { "id" } else { self.dialect.account };
        match self.value().and_then(|account| wire::id(&account[field])) {
            Some(id) => token::identified(self.attempt, id),
            None => self.unanswered("failed to learn whose token it is"),
        }
    }

    /// The quota is a courtesy: where it cannot be read, the publishing call enforces it.
    fn quota(&self) -> Reading {
        let value = self.value().unwrap_or_default();
        let used_up = |usage: &str, config: &str| {
            let told = &value["data"][0];
            let (used, total) =
                (told[usage].as_u64()?, told[config]["quota_total"].as_u64().filter(|total| *total > 0)?);
            (used >= total).then(|| format!("{used} of {total} posts a day are used up"))
        };
        let answers = self.attempt.job.content.reply_to.is_some();
        let why = if answers { used_up("reply_quota_usage", "reply_config") } else { used_up("quota_usage", "config") };
        if let Some(why) = why {
            return self.quota_is_used_up(why);
        }
        self.stop().unwrap_or_else(|| {
            let mut scratch = Scratch::of(self.attempt);
            scratch.quota = true;
            scratch.learned()
        })
    }

    fn made(&self, left: impl FnOnce(String, Timestamp) -> Left) -> Reading {
        if let Some(id) = self.value().and_then(|value| wire::id(&value["id"])) {
            return Reading::Checkpoint(data(&left(id, self.attempt.now)));
        }
        match errors::class(self.reply) {
            Class::Input => Reading::Refused { why: self.why("the post was refused") },
            Class::Spam => Reading::Refused { why: self.why("the post is taken for spam") },
            Class::Fetch => Reading::Retry { after: None, why: self.why("a file could not be fetched") },
            _ => self.unanswered("failed to make a container"),
        }
    }

    fn sent(&self, part: usize) -> Reading {
        let container = self.done.containers.get(&part).map(|made| made.id.clone());
        match (self.value(), container) {
            (Some(value), Some(container)) if value["success"] == true => {
                Reading::Checkpoint(data(&Left::Bytes { container }))
            }
            // What it has of the bytes, nobody knows; a new one has none.
            _ => self.stop().unwrap_or_else(|| match self.reply.status {
                400..=499 => Reading::Redo { why: self.why("the bytes were not taken") },
                _ => Reading::Retry { after: None, why: self.why("the bytes were not taken") },
            }),
        }
    }

    pub fn container_status(&self) -> Option<Status> {
        Some(match self.value()?[self.dialect.status].as_str()? {
            "IN_PROGRESS" => Status::InProgress,
            "FINISHED" => Status::Finished,
            "PUBLISHED" => Status::Published,
            "ERROR" => Status::Failed,
            "EXPIRED" => Status::Expired,
            _ => return None,
        })
    }

    fn item_status(&self, item: usize) -> Reading {
        let Some(made) = self.done.items.get(&item) else { return self.unanswered("nobody asked for this item") };
        match self.container_status() {
            Some(Status::Finished) => {
                let mut scratch = Scratch::of(self.attempt);
                scratch.ready.insert(made.id.clone());
                scratch.learned()
            }
            Some(Status::Published) => Reading::Redo { why: "the item is part of something else".into() },
            other => self.unfinished(other, made),
        }
    }

    fn status(&self, part: usize) -> Reading {
        let Some(made) = self.done.containers.get(&part) else { return self.unanswered("nobody asked for this part") };
        let mut scratch = Scratch::of(self.attempt);
        match self.container_status() {
            Some(Status::Finished) => {
                let times = scratch.finished.filter(|earlier| earlier.id == made.id).map_or(0, |earlier| earlier.times);
                if times >= TIMES {
                    return Reading::Redo {
                        why: "the container says that it is finished, and cannot be published".into(),
                    };
                }
                scratch.finished = Some(Finished { id: made.id.clone(), at: self.attempt.now, times: times + 1 });
                scratch.learned()
            }
            Some(Status::Published) => Reading::AlreadyThere { why: "the container is published".into() },
            None if self.has_no_status() => {
                Reading::AlreadyThere { why: "the container is no container any more: it may be published".into() }
            }
            // Nobody has tried to publish one of this attempt that was never finished.
            None if self.is_missing() && (made.attempt != self.attempt.job.attempt || scratch.finished.is_some()) => {
                Reading::AlreadyThere { why: "the container is gone: it may have been published".into() }
            }
            other => self.unfinished(other, made),
        }
    }

    /// Published posts have no status, and Threads has been seen to say so.
    pub fn has_no_status(&self) -> bool {
        let nonexisting = |error: GraphError| error.code == 100 && error.message.contains("nonexisting field");
        GraphError::read(self.reply).is_some_and(nonexisting)
    }

    pub fn is_missing(&self) -> bool {
        matches!(errors::class(self.reply), Class::Missing | Class::NotReady)
    }

    /// A container that cannot be published now, and was not.
    fn unfinished(&self, status: Option<Status>, made: &Made) -> Reading {
        let elapsed = time::since(self.attempt.now, made.at);
        match status {
            Some(Status::InProgress) if elapsed > PROCESSING => Reading::Retry {
                after: Some(Duration::from_secs(120)),
                why: "the media are still in processing".into(),
            },
            Some(Status::InProgress) => Reading::Wait(growing(elapsed)),
            Some(Status::Failed) => self.failed(),
            Some(_) => Reading::Redo { why: "the container has expired".into() },
            None if self.is_missing() && elapsed < UNKNOWN => Reading::Wait(growing(elapsed)),
            None if self.is_missing() => Reading::Redo { why: self.why("the container is gone") },
            None => self.unanswered("failed to ask after a container"),
        }
    }

    /// Why a container came to nothing: Threads tells a word, Instagram a sentence with a number in it.
    fn failed(&self) -> Reading {
        let told = self.value().unwrap_or_default()[self.dialect.problem].as_str().unwrap_or_default().to_owned();
        let number =
            told.split(|c: char| !c.is_ascii_digit()).find(|digits| digits.len() == 7 && digits.starts_with("2207"));
        let number = number.and_then(|digits| digits.parse().ok());
        let class = number.map(|subcode| {
            GraphError { code: 0, subcode: Some(subcode), transient: false, message: String::new() }.class()
        });
        let shown: String = errors::plain(&told).chars().take(200).collect();
        let why = format!("the media were not taken: {}", if shown.is_empty() { "no reason is given" } else { &shown });
        let refused =
            class == Some(Class::Input) || told.starts_with("INVALID_") || told.starts_with("FAILED_PROCESSING_");
        if refused { Reading::Refused { why } } else { Reading::Redo { why } }
    }

    fn published(&self, part: usize) -> Reading {
        if (200..300).contains(&self.reply.status) {
            return match self.value().and_then(|value| wire::id(&value["id"])) {
                Some(id) => Reading::Checkpoint(data(&self.posted(part, id, None))),
                None => Reading::Unclear { why: "the answer to publishing names no post".into() },
            };
        }
        if let Some(reading) = self.stop() {
            return reading;
        }
        let made = self.done.containers.get(&part);
        let elapsed = made.map_or(Duration::ZERO, |made| time::since(self.attempt.now, made.at));
        match errors::class(self.reply) {
            Class::NotReady => Reading::Wait(later(elapsed)),
            _ => Reading::Unclear { why: self.why("publishing got no clear answer") },
        }
    }

    pub fn posted(&self, part: usize, id: String, url: Option<String>) -> Left {
        Left::Posted { part, id, url, attempt: self.attempt.job.attempt }
    }

    fn address(&self) -> Reading {
        match self.value().and_then(|value| wire::web_address(&value["permalink"])) {
            Some(url) => Reading::Checkpoint(data(&Left::Address { url })),
            // The next attempt does without, whatever it was.
            None => match self.stop() {
                Some(reading @ Reading::Session(_)) => reading,
                _ => Reading::Retry { after: Some(FRESH), why: self.why("it is published, but not where") },
            },
        }
    }
}

/// How long to wait for processing: text and pictures are ready at once, films take minutes.
fn growing(elapsed: Duration) -> Duration {
    (elapsed / 2).clamp(Duration::from_secs(3), Duration::from_secs(60))
}

/// How long until a container that was not found is published again.
fn later(elapsed: Duration) -> Duration {
    elapsed.clamp(Duration::from_secs(5), Duration::from_secs(30))
}
