//! Mastodon and the servers that speak its API: GoToSocial, Pleroma, Akkoma, and with less certainty Pixelfed.
//!
//! A delivery is: uploads, then one `POST /api/v1/statuses` for each part of a thread, each answering the one before
//! it; before the first one ever, harmless steps learn the server's limits and whose token it is. In steady state a
//! post costs one POST, and on Mastodon one GET behind it.
//!
//! What is decided here, and why:
//! - **Twice is prevented by looking back.** The `Idempotency-Key` is always sent and never relied on: GoToSocial
//!   ignores it, Mastodon keeps it for an hour and has had releases that answer a repeat with 500. The key is the
//!   same for all attempts, so that it also holds off a first request that is still under way; but Pleroma and
//!   Pixelfed keep refusals under it, so there each attempt has its own. It is bound to the remote account, because
//!   Pleroma's are shared by all users of the server.
//! - **A 200 is confirmed.** Mastodon's spam filter answers with a status that it never stores. So the last part is
//!   asked for once, on Mastodon and on software that is not known; the parts before it are proven by the answer to
//!   them being taken. Gone for half a minute means dropped, and that is refused loudly. Any other answer, and any
//!   failure that makes a new attempt necessary, lets the delivery count as it was acknowledged: a published post
//!   must not become doubtful because a harmless question found no answer.
//! - **Media are named again.** "Already attached" after an ambiguous attempt is evidence that it arrived. Mastodon
//!   has one text for that and for an unknown file; unattached uploads live about a day, so the text is taken for
//!   "expired" only when the upload is older than twenty hours.
//! - **Nothing is checked that nobody told.** Limits come from the server; without them only absurd sizes are
//!   complained about, because a post that is held for a wrong reason goes out never.
//! - The cached identity belongs to one token: with another token it is learned again before anything is published.
//!
//! The adapter does not edit, delete, boost or schedule, and never reads HTML where a source text can be had.

mod examine;
pub mod instance;
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

use std::cell::OnceCell;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use url::Url;

use super::contract::examine::{Examination, Facts};
use super::contract::sweep::{Looking, Sweep, Sweeper};
use super::contract::{
    Abilities, Adapter, Answers, Ask, Attempt, AuthFlow, Call, Complaint, Effect, Entry, Evidence, HttpReply, Key,
    KeyKind, Next, Pace, Purpose, Reading, Reply, Request, Session, Step, Table, Twin,
};
use crate::domain::{Content, Digest, ReplyTo, Secret, SecretRef, Timestamp, Visibility, time};

use instance::{Instance, Software};
use progress::{Done, Parent, Scratch};
use wire::{Draft, Wire};

pub static ENTRY: Entry = Entry {
    name: "mastodon",
    keys: &[
        Key {
            name: "base_url",
            kind: KeyKind::Url,
            required: true,
            doc: "Address of the server, such as `https://mastodon.example`.",
        },
        Key {
            name: "token",
            kind: KeyKind::Secret,
            required: true,
            doc: "Access token of the account, with the scopes `read` and `write`, or `read:accounts read:statuses read:search read:notifications write:statuses write:media`.",
        },
    ],
    // How many files a post may have, each server says for itself.
    can: Abilities {
        text_alone: true,
        images: 4,
        videos: 1,
        sounds: 1,
        documents: 0,
        mixed: false,
        threads: true,
        answers: Answers::Anything,
        warnings: true,
        unlisted: true,
        followers: true,
    },
    build,
    twin: || Box::new(twin::MastodonTwin::mastodon()) as Box<dyn Twin>,
};

fn build(table: &mut Table) -> Option<Arc<dyn Adapter>> {
    let base = table.base_url("base_url");
    let token = table.secret("token");
    Some(Arc::new(Mastodon { base: base?, token: token? }))
}

/// One account on one server.
#[derive(Debug)]
pub struct Mastodon {
    base: Url,
    token: SecretRef,
}

/// How long a replica may lag behind what the server has taken.
const LAG: Duration = Duration::from_secs(120);
/// How long the server's account of itself is believed. Limits change at an upgrade.
const INSTANCE_LIFE: Duration = Duration::from_secs(24 * 3600);
/// How a post is put together; see [`text::compose`].
const COMPOSITION: u32 = 1;

/// Keys of [`Session::values`].
const INSTANCE: &str = "instance";
/// `/api/v2/instance` was asked for and is of no use.
const NO_V2: &str = "no-v2";
/// Which token the identity belongs to, as a hash.
const TOKEN: &str = "token";

impl Adapter for Mastodon {
    fn platform(&self) -> &'static str {
        ENTRY.name
    }

    /// Who the account is, only the server knows; its token stands for it.
    fn host(&self) -> String {
        let host = self.base.host_str().unwrap_or_default();
        let port = self.base.port().map(|port| format!(":{port}")).unwrap_or_default();
        let path = self.base.path().trim_end_matches('/');
        format!("{host}{port}{path}")
    }

    fn place(&self) -> String {
        format!("{}, token from {}", self.host(), self.token)
    }

    fn evidence(&self) -> Evidence {
        Evidence::LookBack { lag: LAG }
    }

    fn auth(&self) -> AuthFlow {
        let page = "an access token, made on the server below Preferences, Development, New application";
        AuthFlow { page: Some(page.into()), code: Some(Box::new(login::Login { base: self.base.clone() })) }
    }

    fn secrets(&self) -> Vec<(&'static str, SecretRef)> {
        vec![("token", self.token.clone())]
    }

    fn check(&self, content: &Content, session: &Session) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        if let Some(part) = blank_part(content, &text::compose(content)) {
            let key = if part == 0 { "text" } else { "thread" };
            complaints.push(Complaint::new(key, format!("part {} has no text", part + 1)));
        }
        if let Some(ReplyTo::Theirs(address)) = &content.reply_to
            && !is_web(address)
        {
            complaints.push(
                Complaint::new("reply_to", "a Mastodon server finds posts by their https:// address only")
                    .with_hint("copy the link of the post on its own server"),
            );
        }
        complaints.extend(match instance_of(session) {
            Some(instance) => instance.check(content),
            None => instance::check_blind(content),
        });
        complaints
    }

    /// The text is composed anew for each attempt, always by this composition; the key comes with the job.
    fn freeze(&self, _content: &Content, _now: Timestamp, _draw: u64) -> Value {
        json!({ "composition": COMPOSITION })
    }

    fn next(&self, attempt: &Attempt<'_>) -> Next {
        let Some(token) = attempt.secrets.get("token").filter(|token| !token.expose().trim().is_empty()) else {
            return Next::Auth("there is no access token".into());
        };
        let view = Situation {
            wire: Wire { base: &self.base, token },
            attempt,
            done: Done::of(attempt.done),
            scratch: Scratch::of(attempt),
            parts: OnceCell::new(),
            instance: instance_of(attempt.session),
        };
        view.next()
    }

    fn read(&self, attempt: &Attempt<'_>, step: &Step, reply: &Reply) -> Reading {
        reading::read(attempt, step, reply)
    }

    fn examine(&self, about: &Examination<'_>, replies: &[HttpReply]) -> Ask<Facts> {
        self.examined(about, replies)
    }

    fn sweep(&self, sweep: Sweep, looking: &Looking<'_>) -> Option<Box<dyn Sweeper>> {
        Some(Box::new(sweep::Sweeping::new(self.base.clone(), sweep, looking)))
    }

    fn pace(&self, reply: &Reply, now: Timestamp) -> Option<Pace> {
        match reply {
            Reply::Http(reply) => wire::pace(reply, now),
            _ => None,
        }
    }
}

/// Everything that the next step depends on.
pub(crate) struct Situation<'a> {
    wire: Wire<'a>,
    attempt: &'a Attempt<'a>,
    done: Done,
    scratch: Scratch,
    /// The texts of the parts, once somebody has asked.
    parts: OnceCell<Vec<String>>,
    /// What is known of the server.
    instance: Option<Instance>,
}

impl Situation<'_> {
    fn next(&self) -> Next {
        if self.done.posts.len() > self.attempt.job.content.thread.len() {
            return self.finish();
        }
        match self.attempt.purpose {
            Purpose::Publish => self.prepare().unwrap_or_else(|| self.publish()),
            Purpose::LookBack => self.identify().or_else(|| self.find_parent()).unwrap_or_else(|| lookback::next(self)),
        }
    }

    fn parts(&self) -> &[String] {
        self.parts.get_or_init(|| text::compose(&self.attempt.job.content))
    }

    /// All parts are out.
    fn finish(&self) -> Next {
        let (Some(last), Some(remote)) = (self.done.posts.last(), self.done.remote()) else {
            return Next::Refuse("there is nothing to publish".into());
        };
        let doubtful = self.instance.as_ref().is_some_and(Instance::may_drop_silently);
        let fresh = last.attempt == self.attempt.job.attempt && !last.seen;
        let ask = self.attempt.purpose == Purpose::Publish && doubtful && fresh && !self.scratch.confirmed;
        if ask { harmless("confirm".into(), self.wire.status(&last.id)) } else { Next::Done(remote) }
    }

    /// What has to be known or uploaded before the next part can be published.
    fn prepare(&self) -> Option<Next> {
        self.meet_server()
            .or_else(|| self.identify())
            .or_else(|| self.object())
            .or_else(|| self.find_parent())
            .or_else(|| self.upload())
    }

    fn meet_server(&self) -> Option<Next> {
        let (session, now) = (self.attempt.session, self.attempt.now);
        let Some(instance) = &self.instance else {
            return Some(if session.values.contains_key(NO_V2) {
                harmless("instance-v1".into(), self.wire.instance_v1())
            } else {
                harmless("instance".into(), self.wire.instance_v2())
            });
        };
        if instance.software == Software::Undecided {
            return Some(harmless("nodeinfo".into(), self.wire.node_info()));
        }
        let begun = !self.done.posts.is_empty() || !self.done.uploads.is_empty();
        let old = time::since(now, instance.read) > INSTANCE_LIFE;
        (old && !begun).then(|| harmless("instance".into(), self.wire.instance_v2()))
    }

    fn identify(&self) -> Option<Next> {
        let known = identity_of(self.attempt.session, self.wire.token).is_some();
        (!known).then(|| harmless("identity".into(), self.wire.verify_credentials()))
    }

    /// What this server would refuse, before anything of the post is out.
    fn object(&self) -> Option<Next> {
        if !self.done.posts.is_empty() {
            return None;
        }
        let content = &self.attempt.job.content;
        if let Some(part) = blank_part(content, self.parts()) {
            return Some(Next::Refuse(format!("part {} has no text", part + 1)));
        }
        if self.attempt.job.media.len() != content.media.len() {
            return Some(Next::Refuse("the media files were not handed over".into()));
        }
        let instance = self.instance.as_ref()?;
        let first = instance.check(content).into_iter().map(|complaint| complaint.reason).next();
        first.or_else(|| self.attempt.job.media.iter().find_map(|media| instance.refuses(media))).map(Next::Refuse)
    }

    /// The post that the first part answers, when it is known by its address only.
    fn find_parent(&self) -> Option<Next> {
        let looks_back = self.attempt.purpose == Purpose::LookBack;
        let known = match self.scratch.parent {
            Some(Parent::Id(_)) => true,
            // Good enough to look back, not to publish.
            Some(Parent::Gone) => looks_back,
            None => false,
        };
        if !self.done.posts.is_empty() || known {
            return None;
        }
        match self.answered()? {
            Answered::Id(_) => None,
            Answered::Address(address) if is_web(address) => {
                Some(harmless("parent".into(), self.wire.resolve(address)))
            }
            _ if looks_back => None,
            Answered::Address(_) => {
                Some(Next::Refuse("a Mastodon server finds posts by their https:// address only".into()))
            }
            Answered::Nowhere => Some(Next::Refuse("the post that it answers is not on this account".into())),
        }
    }

    fn answered(&self) -> Option<Answered<'_>> {
        let job = self.attempt.job;
        Some(match job.content.reply_to.as_ref()? {
            ReplyTo::Theirs(address) => Answered::Address(address),
            // A person may have told the address of a post whose id nobody knows.
            ReplyTo::Ours(_) => match &job.answers {
                Some(remote) if is_web(&remote.id) => Answered::Address(&remote.id),
                Some(remote) => Answered::Id(&remote.id),
                None => Answered::Nowhere,
            },
        })
    }

    /// The local id of what the next part answers.
    pub(crate) fn parent(&self) -> Option<Parent> {
        if let Some(before) = self.done.posts.last() {
            return Some(Parent::Id(before.id.clone()));
        }
        match self.answered()? {
            Answered::Id(id) => Some(Parent::Id(id.into())),
            _ => Some(self.scratch.parent.clone().unwrap_or(Parent::Gone)),
        }
    }

    fn upload(&self) -> Option<Next> {
        let job = self.attempt.job;
        if !self.done.posts.is_empty() {
            return None;
        }
        job.media.iter().enumerate().find_map(|(place, media)| match self.done.uploads.get(&place) {
            None => {
                // The delivery's key cannot occur in a file that was made before it; the number keeps parts apart.
                let boundary = format!("cadenced-{}-{place}", job.key);
                let request = self.wire.upload(&boundary, media);
                Some(call(format!("upload-{place}"), Effect::Leaves, request))
            }
            Some(held) if held.ready || self.scratch.ready.contains(&place) => None,
            Some(held) => Some(harmless(format!("media-{place}"), self.wire.media(&held.id))),
        })
    }

    fn publish(&self) -> Next {
        let (job, part) = (self.attempt.job, self.done.posts.len());
        let (Some(instance), Some(identity)) = (&self.instance, identity_of(self.attempt.session, self.wire.token))
        else {
            return Next::Auth("nobody knows whose token it is".into());
        };
        let answers = match self.parent() {
            Some(Parent::Gone) => return Next::Refuse("the post that it answers cannot be found".into()),
            Some(Parent::Id(id)) => Some(id),
            None => None,
        };
        let media =
            if part == 0 { self.done.uploads.values().map(|held| held.id.clone()).collect() } else { Vec::new() };
        let draft = Draft {
            text: &self.parts()[part],
            visibility: visibility(job.content.visibility),
            warning: job.content.warning.as_deref().filter(|warning| !warning.trim().is_empty()),
            language: job.content.lang.as_deref().map(|lang| instance.language(lang)),
            media,
            answers,
            plain: instance.formats,
        };
        let epoch = if instance.keeps_refusals() { job.attempt } else { 0 };
        let key = idempotency_key(&job.key, identity, part, epoch);
        call(format!("publish-{part}"), Effect::Publishes, self.wire.publish(&draft, key))
    }
}

/// The first part without text; media may stand for the text of part 0. GoToSocial would publish an empty post.
fn blank_part(content: &Content, parts: &[String]) -> Option<usize> {
    let blank = |(part, text): &(usize, &String)| text.trim().is_empty() && (*part > 0 || content.media.is_empty());
    parts.iter().enumerate().find(blank).map(|(part, _)| part)
}

enum Answered<'a> {
    Id(&'a str),
    Address(&'a str),
    Nowhere,
}

/// 32 hexadecimal digits, the same for the same part of the same delivery to the same remote account.
fn idempotency_key(job: &str, identity: &str, part: usize, epoch: u32) -> String {
    let named = format!("cadenced-mastodon-v1\n{job}\n{identity}\n{part}\n{epoch}");
    Digest::of(named.as_bytes()).hex()[..32].into()
}

fn visibility(visibility: Visibility) -> &'static str {
    match visibility {
        Visibility::Public => "public",
        Visibility::Unlisted => "unlisted",
        Visibility::Followers => "private",
    }
}

fn is_web(address: &str) -> bool {
    Url::parse(address).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

fn harmless(name: String, request: Request) -> Next {
    call(name, Effect::Harmless, request)
}

fn call(name: String, effect: Effect, request: Request) -> Next {
    Next::Call(Step { name, effect, call: Call::Http(request) })
}

fn instance_of(session: &Session) -> Option<Instance> {
    serde::Deserialize::deserialize(session.values.get(INSTANCE)?).ok()
}

/// The remote account, where it was learned with this very token.
fn identity_of<'a>(session: &'a Session, token: &Secret) -> Option<&'a str> {
    let held = session.values.get(TOKEN).and_then(Value::as_str);
    (held == Some(&token_mark(token))).then_some(session.identity.as_deref()).flatten()
}

/// Tells tokens apart without keeping one.
fn token_mark(token: &Secret) -> String {
    Digest::of(token.expose().as_bytes()).hex()[..16].into()
}
