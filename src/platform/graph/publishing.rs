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
//! Steps: `refresh`, `identity`, `quota`; for each file of a carousel `item-N` and `ready-N`; then for each part
//! `container-N` (for a film that is sent `stored-N` and `bytes-N`), `status-N`, `publish-N`; at last `address`.

use std::time::Duration;

use url::Url;

use super::progress::{Done, Made, Scratch};
use super::wire::{self, Wire};
use super::{Dialect, look, media, token};
use crate::domain::{Checkpoint, Content, MediaItem, ReplyTo, SecretRef, time};
use crate::platform::contract::{Attempt, Call, Effect, Job, Media, Next, Public, Purpose, Request, Step};

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

    /// Whether a post of such files has its one film sent and not fetched.
    fn sends_bytes(&self, _mimes: &[&str]) -> bool {
        false
    }

    /// The request that sends a container its bytes, from `offset` on.
    fn bytes(&self, _wire: &Wire<'_>, _job: &Job, _container: &str, _offset: usize) -> Option<Request> {
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

pub fn harmless(name: String, request: Request) -> Next {
    Next::Call(Step { name, effect: Effect::Harmless, call: Call::Http(request) })
}

fn leaves(name: String, request: Request) -> Next {
    Next::Call(Step { name, effect: Effect::Leaves, call: Call::Http(request) })
}

/// How old a status may be when something is published on it.
pub const FRESH: Duration = Duration::from_secs(1);

/// What Meta is still to fetch: see [`Adapter::fetches`](crate::platform::contract::Adapter::fetches). A container that was
/// made may have to be made again, so that its files are wanted until it is published.
pub fn fetches(service: &dyn Service, files: &[(&MediaItem, &str)], done: &[Checkpoint]) -> Vec<Public> {
    let mimes: Vec<&str> = files.iter().map(|(_, mime)| *mime).collect();
    let over = service.sends_bytes(&mimes) || !Done::of(done).posts.is_empty();
    let Some(base) = service.account().media_base.as_ref().filter(|_| !over) else { return Vec::new() };
    let public = |(place, (item, mime)): (usize, &(&MediaItem, &str))| {
        let url = media::address(base, item, mime);
        Public { place, url, key: media::BASE }
    };
    files.iter().enumerate().map(public).collect()
}

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
        begins.then(|| harmless("refresh".into(), self.wire.refresh(self.account.dialect)))
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
        let begins = self.done.posts.is_empty() && !self.scratch.quota;
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

    fn sends_bytes(&self) -> bool {
        let mimes: Vec<&str> = self.attempt.job.media.iter().map(|file| file.mime.as_str()).collect();
        self.service.sends_bytes(&mimes)
    }

    /// What is to be sent of the one film whose bytes are, or what its container has of them. One that this attempt has
    /// made has none.
    fn send(&self, part: usize, made: &Made) -> Option<Next> {
        if part > 0 || !self.sends_bytes() || self.done.sent.contains(&made.id) {
            return None;
        }
        let new = made.attempt == self.attempt.job.attempt;
        let stored = self.scratch.stored.as_ref().filter(|stored| stored.id == made.id).map(|stored| stored.bytes);
        let Some(offset) = stored.or(new.then_some(0)) else {
            let request = self.wire.get(&[&made.id], &[("fields", "video_status")]);
            return Some(harmless(format!("stored-{part}"), request));
        };
        let whole = self.attempt.job.media.first().is_some_and(|film| offset >= film.bytes.len());
        let request = || self.service.bytes(&self.wire, self.attempt.job, &made.id, offset);
        if whole { None } else { request().map(|request| leaves(format!("bytes-{part}"), request)) }
    }

    /// Meta knows where the files are, and has fetched a carousel's.
    fn files(&self) -> Option<Next> {
        let job = self.attempt.job;
        if !self.done.posts.is_empty() || self.done.containers.contains_key(&0) || self.sends_bytes() {
            return None;
        }
        let alone = job.media.len() == 1;
        for (place, file) in job.media.iter().enumerate() {
            let Some(base) = &self.account.media_base else {
                return Some(Next::Refuse(media::homeless(self.account.dialect.name).reason));
            };
            if !alone && !self.done.items.contains_key(&place) {
                let address = media::address(base, &file.item, &file.mime);
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
        if let Some(next) = self.send(part, made) {
            return next;
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
                let base = self.account.media_base.as_ref().filter(|_| !self.sends_bytes());
                let address = base.map(|base| media::address(base, &file.item, &file.mime));
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
