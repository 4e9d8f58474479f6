//! Discord: a channel of a server, by a webhook that its people have made for us.
//!
//! A delivery is one call for each part of a thread, one behind the other; media go with the first part, in the same
//! call. Before the first one ever, a harmless step (`webhook`) asks the webhook which channel it writes to.
//!
//! What is decided here, and why:
//! - **Nothing can be read back.** A webhook sees only messages whose number it knows, and takes no key that makes one
//!   message of two requests (`nonce` is for bots). A lost reply ends as `uncertain`, and a person looks
//!   ([`Evidence::None`]).
//! - **The address is the secret.** It is given as one, read here, and its host must be Discord's; its token stands in
//!   the path of each request and nowhere to be read.
//! - **The account is the channel, not the webhook.** The channel is pinned as the identity: a new webhook for the same
//!   channel changes nothing, one that was moved to another channel stops the account.
//! - **Nobody is pinged.** Every message forbids mentions, whatever its text holds.
//! - A webhook cannot answer, so a thread is messages one behind the other, and no post answers another.
//! - A webhook that is gone stops the account at once: Discord blocks the address of those who go on asking.
//! - Sizes of single files are left to Discord, since servers raise them; only what no request may hold is complained
//!   about.
//!
//! It does not edit, delete, send embeds, polls or components, open threads of a forum, or write under another name.

mod examine;
#[cfg(test)]
mod tests;
pub mod text;
pub mod twin;
mod wire;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::contract::examine::{Examination, Facts};
use super::contract::{
    Abilities, Adapter, Answers, Ask, Attempt, Call, Complaint, Effect, Entry, Evidence, HttpReply, Job, Key, KeyKind,
    Next, Pace, Purpose, Reading, Reply, Session, Step, Table, Trouble,
};
use crate::domain::{Content, Remote, SecretRef, Timestamp, Visibility};
use wire::{Hook, Wire};

const WEBHOOK: &str = "webhook";
/// Most files of one message.
const FILES: usize = 10;
/// Most bytes of one request (documentation of the API, "Uploading Files").
const REQUEST_BYTES: u64 = 25 * 1024 * 1024;

pub static ENTRY: Entry = Entry {
    name: "discord",
    keys: &[
        Key {
            name: WEBHOOK,
            kind: KeyKind::Secret,
            required: true,
            doc: "The webhook's address, as the settings of the channel show it: whoever has it may write there.",
        },
        Key {
            name: "thread",
            kind: KeyKind::Text,
            required: false,
            doc: "Number of a thread of that channel to write to; a forum takes posts in its threads only.",
        },
        Key {
            name: "base_url",
            kind: KeyKind::Url,
            required: false,
            doc: "Where the API is reached; https://discord.com/api/v10 where it is left out.",
        },
    ],
    can: Abilities {
        text_alone: true,
        images: FILES,
        videos: FILES,
        sounds: FILES,
        documents: FILES,
        mixed: true,
        threads: true,
        answers: Answers::Nothing,
        warnings: false,
        unlisted: false,
        followers: false,
    },
    build,
    twin: || Box::new(twin::DiscordTwin::default()),
};

fn build(table: &mut Table) -> Option<Arc<dyn Adapter>> {
    let base = table.base_url_or("base_url", wire::PUBLIC);
    let webhook = table.secret(WEBHOOK);
    let thread = table.text("thread");
    if let Some(text) = thread.as_ref().filter(|text| !wire::is_id(text)) {
        let complaint = Complaint::new("thread", format!("{text:?} is not the number of a thread"));
        table.complain(complaint.with_hint("copy the thread's id, such as \"1200000000000000000\""));
        return None;
    }
    Some(Arc::new(Discord { base: base?, webhook: webhook?, thread }))
}

/// One webhook, and perhaps one thread of its channel.
#[derive(Debug)]
struct Discord {
    base: Url,
    webhook: SecretRef,
    thread: Option<String>,
}

/// Checkpoint of a published part.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Posted {
    id: String,
    url: Option<String>,
}

/// Under [`WEBHOOK`] in [`Session::values`]: what the webhook says of itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Known {
    id: String,
    channel: String,
    guild: Option<String>,
}

impl Adapter for Discord {
    fn platform(&self) -> &'static str {
        ENTRY.name
    }

    fn host(&self) -> String {
        let port = self.base.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}{port}", self.base.host_str().unwrap_or_default())
    }

    /// Which channel it is, only the webhook knows; its address is a secret, whose name stands for it.
    fn place(&self) -> String {
        let webhook = match &self.webhook {
            SecretRef::Credential(name) => format!("credential {name}"),
            SecretRef::File(path) => format!("file {}", path.display()),
            SecretRef::Env(name) => format!("variable {name}"),
        };
        let thread = self.thread.as_ref().map(|thread| format!(", thread {thread}")).unwrap_or_default();
        format!("{}, webhook from {webhook}{thread}", self.host())
    }

    fn evidence(&self) -> Evidence {
        Evidence::None
    }

    fn secrets(&self) -> Vec<(&'static str, SecretRef)> {
        vec![(WEBHOOK, self.webhook.clone())]
    }

    fn check(&self, content: &Content, _session: &Session) -> Vec<Complaint> {
        let mut complaints = ENTRY.can.complaints(ENTRY.name, content);
        for (part, text) in text::compose(content).iter().enumerate() {
            if let Some(reason) = about_text(part, text, !content.media.is_empty()) {
                let hint = "shorten it, split it into a thread, or give this account a variant";
                complaints.push(Complaint::new(if part == 0 { "text" } else { "thread" }, reason).with_hint(hint));
            }
        }
        let known = content.media.iter().filter_map(|item| item.facts.as_ref()).map(|facts| facts.bytes).sum();
        let alts = content.media.iter().map(|item| item.alt.as_str());
        complaints.extend(about_media(known, alts).map(|reason| Complaint::new("media", reason)));
        if content.visibility != Visibility::Public {
            let reason = "who is in the channel sees all of it; there is no narrower visibility";
            let hint = "leave this account out, or make the post public";
            complaints.push(Complaint::new("visibility", reason).with_hint(hint));
        }
        complaints
    }

    /// The text is composed anew for each attempt, always alike.
    fn freeze(&self, _content: &Content, _now: Timestamp, _draw: u64) -> Value {
        json!({ "composition": 1 })
    }

    fn next(&self, attempt: &Attempt<'_>) -> Next {
        let Some(secret) = attempt.secrets.get(WEBHOOK).filter(|secret| !secret.expose().trim().is_empty()) else {
            return Next::Auth("there is no webhook".into());
        };
        let Some(hook) = Hook::parse(secret.expose()) else {
            return Next::Auth(
                "the secret is not the address of a Discord webhook: https://discord.com/api/webhooks/…".into(),
            );
        };
        let posts: Vec<Posted> = attempt.published();
        let (job, part) = (attempt.job, posts.len());
        if part > job.content.thread.len() {
            return done(&posts);
        }
        if attempt.purpose == Purpose::LookBack {
            return Next::CannotTell("discord shows no webhook what is in a channel: look there".into());
        }
        let wire = Wire { base: &self.base, hook: &hook, thread: self.thread.as_deref() };
        if attempt.session.identity.is_none() || known(attempt.session).is_none_or(|known| known.id != hook.id) {
            let call = Call::Http(wire.webhook());
            return Next::Call(Step { name: WEBHOOK.into(), effect: Effect::Harmless, call });
        }
        let parts = text::compose(&job.content);
        if let Some(why) = unfit(job, &parts).filter(|_| part == 0) {
            return Next::Refuse(why);
        }
        let media = if part == 0 { job.media.as_slice() } else { &[] };
        // The delivery's key cannot occur in a file that was made before it.
        let request = wire.send(&format!("cadenced-{}-{part}", job.key), &parts[part], media);
        Next::Call(Step { name: format!("publish-{part}"), effect: Effect::Publishes, call: Call::Http(request) })
    }

    fn read(&self, attempt: &Attempt<'_>, step: &Step, reply: &Reply) -> Reading {
        let Reply::Http(reply) = reply else {
            return Trouble::Unknown("not a reply of this platform".into()).reading(step.effect);
        };
        let hook = attempt.secrets.get(WEBHOOK).and_then(|secret| Hook::parse(secret.expose()));
        match (wire::understand(reply, hook.as_ref(), attempt.now), step.effect) {
            (Ok(value), Effect::Publishes) => self.sent(attempt, &value),
            (Ok(value), _) => learned(attempt, hook.as_ref(), &value),
            (Err(trouble), effect) => trouble.reading(effect),
        }
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

impl Discord {
    fn sent(&self, attempt: &Attempt<'_>, message: &Value) -> Reading {
        let unclear = |why: &str| Reading::Unclear { why: why.into() };
        let id = |key: &str| message[key].as_str().filter(|id| wire::is_id(id));
        let (Some(number), Some(channel)) = (id("id"), id("channel_id")) else {
            return unclear("the answer to publishing names no message");
        };
        let Some(known) = known(attempt.session) else { return unclear("nobody knows whose channel it is") };
        if channel != self.thread.as_deref().unwrap_or(&known.channel) {
            return unclear("the answer to publishing names another channel");
        }
        let url = known.guild.map(|guild| format!("https://discord.com/channels/{guild}/{channel}/{number}"));
        let posted = Posted { id: number.into(), url };
        serde_json::to_value(posted).map_or_else(|_| unclear("the message cannot be kept"), Reading::Checkpoint)
    }
}

fn learned(attempt: &Attempt<'_>, hook: Option<&Hook>, value: &Value) -> Reading {
    let id = |key: &str| value[key].as_str().filter(|id| wire::is_id(id)).map(str::to_owned);
    let (Some(webhook), Some(channel)) = (id("id"), id("channel_id")) else {
        return Reading::Retry { after: None, why: "the webhook does not tell its channel".into() };
    };
    if hook.is_none_or(|hook| hook.id != webhook) {
        return Reading::Retry { after: None, why: "another webhook has answered".into() };
    }
    let known = Known { id: webhook, channel: channel.clone(), guild: id("guild_id") };
    let mut session = attempt.session.clone();
    session.values.insert(WEBHOOK.into(), json!(known));
    session.identity = Some(channel);
    Reading::Session(session)
}

fn known(session: &Session) -> Option<Known> {
    Known::deserialize(session.values.get(WEBHOOK)?).ok()
}

/// What is wrong with the text of a part.
fn about_text(part: usize, text: &str, has_media: bool) -> Option<String> {
    let name = if part == 0 { "the text".to_owned() } else { format!("part {}", part + 1) };
    if text.trim().is_empty() && (part > 0 || !has_media) {
        return Some(format!("{name} is empty"));
    }
    let length = text::length(text);
    (length > text::CONTENT).then(|| format!("{name} has {length} characters, discord takes {}", text::CONTENT))
}

fn about_media<'a>(bytes: u64, alts: impl Iterator<Item = &'a str>) -> impl Iterator<Item = String> {
    let large = (bytes > REQUEST_BYTES)
        .then(|| format!("the files have {bytes} bytes together, discord takes {REQUEST_BYTES} in one message"));
    let long: Vec<String> = alts
        .map(text::length)
        .filter(|length| *length > text::ALT)
        .map(|length| format!("an alt text has {length} characters, discord takes {}", text::ALT))
        .collect();
    large.into_iter().chain(long)
}

/// What makes the post impossible to publish, once its media are at hand.
fn unfit(job: &Job, parts: &[String]) -> Option<String> {
    if job.media.len() != job.content.media.len() {
        return Some("the media files were not handed over".into());
    }
    let bytes = job.media.iter().map(|media| media.bytes.len() as u64).sum();
    let text = |(part, text): (usize, &String)| about_text(part, text, !job.media.is_empty());
    let of_text = parts.iter().enumerate().find_map(text);
    of_text.or_else(|| about_media(bytes, job.media.iter().map(|media| media.item.alt.as_str())).next())
}

fn done(posts: &[Posted]) -> Next {
    match posts.first() {
        Some(first) => {
            Next::Done(Remote { id: first.id.clone(), url: first.url.clone(), reference: Value::Null.into() })
        }
        None => Next::Refuse("there is nothing to publish".into()),
    }
}
