//! A receiver of one's own: the whole post as signed JSON to any address.
//!
//! A delivery is one call, `publish-0`, which holds text, thread and media. Before the first one ever, a harmless call
//! (`ping`) asks who is there: that tells whether the signature is accepted, and the receiver's name is pinned as the
//! account's identity. The protocol is ours; `docs/platforms/webhook.md` describes it for those who write a receiver.
//!
//! What is decided here, and why:
//! - **Once only is the receiver's promise.** With `repeatable = true` it has promised to make one post of all requests
//!   with one `Idempotency-Key`, and to tell by that key what it has (`find`): a lost reply is then settled by asking,
//!   and by the same body once more ([`Evidence::Repeatable`]). Without the promise, a lost reply is for a person.
//! - **A repeat has the same body and key, and a new date.** See [`sign`] for why it is not frozen.
//! - **Media go inside**, as base 64, up to a bound: one body is one signature, and a receiver needs no parser of forms.
//! - Only 200 and 201 with an id are a success. A refusal of the receiver's own says `error`; any other 4xx comes from
//!   something before it and is tried again.
//!
//! It sends no events, follows no redirect, and does not edit or delete.

pub mod sign;
#[cfg(test)]
mod tests;
pub mod twin;
mod wire;

use std::sync::Arc;

use serde_json::{Value, json};
use url::Url;

use super::contract::{
    Abilities, Adapter, Answers, Attempt, Call, Complaint, Effect, Entry, Evidence, Job, Key, KeyKind, Next, Purpose,
    Reading, Reply, Request, Session, Step, Table, Trouble,
};
use crate::domain::{Content, Remote, ReplyTo, SecretRef, Timestamp};
use wire::{Receipt, Wire};

const SECRET: &str = "secret";
/// Most bytes of all files of a post. In base 64 they become a third more, and receivers hold a body in memory.
const MEDIA_BYTES: u64 = 20 * 1024 * 1024;
/// Names of the steps.
const PING: &str = "ping";
const PUBLISH: &str = "publish-0";
const FIND: &str = "find";

pub static ENTRY: Entry = Entry {
    name: "webhook",
    keys: &[
        Key { name: "url", kind: KeyKind::Url, required: true, doc: "Address of the receiver." },
        Key {
            name: SECRET,
            kind: KeyKind::Secret,
            required: true,
            doc: "What requests are signed with: `whsec_` and 24 to 64 bytes in base 64.",
        },
        Key {
            name: "repeatable",
            kind: KeyKind::Bool,
            required: false,
            doc: "Whether the receiver makes one post of all requests with one Idempotency-Key, and answers `find`.",
        },
    ],
    can: Abilities {
        text_alone: true,
        images: usize::MAX,
        videos: usize::MAX,
        sounds: usize::MAX,
        documents: usize::MAX,
        mixed: true,
        threads: true,
        answers: Answers::Anything,
        warnings: true,
        unlisted: true,
        followers: true,
    },
    build,
    twin: || Box::new(twin::Receiver::repeatable()),
};

fn build(table: &mut Table) -> Option<Arc<dyn Adapter>> {
    let url = table.base_url("url");
    let secret = table.secret(SECRET);
    let repeatable = table.bool("repeatable").unwrap_or(false);
    let evidence = if repeatable { Evidence::Repeatable } else { Evidence::None };
    Some(Arc::new(Webhook { url: url?, secret: secret?, evidence }))
}

/// One receiver.
#[derive(Debug)]
struct Webhook {
    url: Url,
    secret: SecretRef,
    evidence: Evidence,
}

impl Adapter for Webhook {
    fn platform(&self) -> &'static str {
        ENTRY.name
    }

    fn place(&self) -> String {
        let port = self.url.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}{port}{}", self.url.host_str().unwrap_or_default(), self.url.path())
    }

    fn evidence(&self) -> Evidence {
        self.evidence
    }

    fn secrets(&self) -> Vec<(&'static str, SecretRef)> {
        vec![(SECRET, self.secret.clone())]
    }

    fn check(&self, content: &Content, _session: &Session) -> Vec<Complaint> {
        let mut complaints = ENTRY.can.complaints(ENTRY.name, content);
        if is_nothing(content) {
            complaints.push(Complaint::new("text", "the post says nothing"));
        }
        let bytes = content.media.iter().filter_map(|item| item.facts.as_ref()).map(|facts| facts.bytes).sum();
        complaints.extend(too_large(bytes).map(|reason| Complaint::new("media", reason)));
        complaints
    }

    /// The body is made anew for each attempt, always alike: receivers tell by its version how it is to be read.
    fn freeze(&self, _content: &Content, _now: Timestamp, _draw: u64) -> Value {
        json!({ "composition": 1 })
    }

    fn next(&self, attempt: &Attempt<'_>) -> Next {
        let job = attempt.job;
        let Some(secret) = attempt.secrets.get(SECRET).filter(|secret| !secret.expose().trim().is_empty()) else {
            return Next::Auth("there is no secret to sign with".into());
        };
        let Some(key) = sign::Key::parse(secret) else {
            return Next::Auth("the secret is not \"whsec_\" and 24 to 64 bytes in base 64".into());
        };
        if let Some(checkpoint) = attempt.done.iter().rev().find(|checkpoint| checkpoint.step == PUBLISH) {
            return match Receipt::read(&checkpoint.data) {
                Some(Receipt { id, url }) => Next::Done(Remote { id, url, reference: Value::Null.into() }),
                None => Next::Refuse("what the receiver has made of it cannot be read any more".into()),
            };
        }
        let wire = Wire { url: &self.url, key: &key, now: attempt.now };
        if attempt.purpose == Purpose::LookBack {
            return match self.evidence {
                Evidence::Repeatable => call(FIND, Effect::Harmless, wire.find(job)),
                _ => Next::CannotTell("this receiver has not promised to know what it has: look there".into()),
            };
        }
        if attempt.session.identity.is_none() {
            return call(PING, Effect::Harmless, wire.ping(job));
        }
        match unfit(job) {
            Some(why) => Next::Refuse(why),
            None => call(PUBLISH, Effect::Publishes, wire.publish(job)),
        }
    }

    fn read(&self, attempt: &Attempt<'_>, step: &Step, reply: &Reply) -> Reading {
        let unknown = |why: String| Trouble::Unknown(why).reading(step.effect);
        let Reply::Http(reply) = reply else { return unknown("not a reply of this platform".into()) };
        let value = match wire::understand(reply, attempt.secrets.get(SECRET), attempt.now) {
            Ok(value) => value,
            // That there is no `find` tells nothing of the post. That there is no `ping` stops the account: until there
            // is one, this is no receiver.
            Err(Trouble::Refused(why)) if step.name == FIND => return unknown(why),
            Err(trouble) => return trouble.reading(step.effect),
        };
        match (step.name.as_str(), Receipt::read(&value)) {
            (PING, Some(receipt)) => {
                let mut session = attempt.session.clone();
                session.identity = Some(receipt.id);
                Reading::Session(session)
            }
            (FIND, Some(receipt)) => Reading::Found(receipt.data()),
            (FIND, None) if value.get("id").is_some_and(Value::is_null) => Reading::Absent,
            (PUBLISH, Some(receipt)) => Reading::Checkpoint(receipt.data()),
            _ => unknown("the receiver's answer names no id".into()),
        }
    }
}

impl Receipt {
    /// As a checkpoint keeps it, in the form in which it came.
    fn data(&self) -> Value {
        json!({ "id": self.id, "url": self.url })
    }
}

fn call(name: &str, effect: Effect, request: Option<Request>) -> Next {
    match request {
        Some(request) => Next::Call(Step { name: name.into(), effect, call: Call::Http(request) }),
        None => Next::Auth("the secret cannot sign".into()),
    }
}

fn is_nothing(content: &Content) -> bool {
    content.text.trim().is_empty() && content.media.is_empty() && content.link.is_none() && content.thread.is_empty()
}

fn too_large(bytes: u64) -> Option<String> {
    (bytes > MEDIA_BYTES).then(|| format!("the files have {bytes} bytes together, webhook sends {MEDIA_BYTES}"))
}

/// What makes the post impossible to publish, once its media are at hand.
fn unfit(job: &Job) -> Option<String> {
    if job.media.len() != job.content.media.len() {
        return Some("the media files were not handed over".into());
    }
    if matches!(job.content.reply_to, Some(ReplyTo::Ours(_))) && job.answers.is_none() {
        return Some("the post that it answers is not on this account".into());
    }
    if is_nothing(&job.content) {
        return Some("the post says nothing".into());
    }
    too_large(job.media.iter().map(|media| media.bytes.len() as u64).sum())
}
