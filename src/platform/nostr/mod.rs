//! Nostr: signed notes that are handed to several relays (NIP-01).
//!
//! There is no server whose word counts: a note is published when one relay has it, and its id is the digest of what it
//! says. So the same note can be offered to any relay any number of times, and a lost answer is settled by asking for the
//! id, or by offering it again. What is decided here, and why:
//!
//! - **A part is one step, and goes to all relays at once.** One that is down then holds up nobody else, and the part is
//!   a checkpoint as soon as one relay has it, which is the moment when people can see it. If that is fewer than the
//!   quorum, `spread` offers the same note to the others until it is reached, when all parts are out. Where it is not
//!   reached in some attempts, the post is delivered with what is there: people see it, and others wait behind it.
//! - **Nothing that the id is made of comes from the clock, the configuration or the bytes of media**: see [`text`].
//! - **"Not there" is said only when every relay says so.** A relay that cannot be asked may be the one that has it.
//! - **Whose key it is, we know**; the first step of a session still asks the relays something, so that a key that was
//!   exchanged meets the identity that is pinned, and a stopped account is let in again when relays are.
//!
//! It does not upload media: it names them where `media_base_url` says that a person has put them. It does not answer
//! other people's notes, speaks no NIP-42 (a relay that asks for it takes nothing), mines nothing, and never signs a
//! deletion.

pub mod event;
mod examine;
pub mod nip19;
mod sweep;
#[cfg(test)]
mod tests;
pub mod text;
pub mod twin;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::contract::examine::{Examination, Facts};
use super::contract::sweep::{Looking, Sweep, Sweeper};
use super::contract::{
    Abilities, Adapter, Answers, Ask, Attempt, Call, Complaint, Effect, Entry, Evidence, HttpReply, Job,
    Key as ConfigKey, KeyKind, Next, Purpose, Reading, Reply, Session, Socket, SocketReply, Step, Table, is_loopback,
};
use crate::domain::{Checkpoint, Content, Remote, ReplyTo, SecretRef, Timestamp, Visibility, time};
use event::{Event, Key};
use text::{Above, Frozen};
use wire::Answer;

pub static ENTRY: Entry = Entry {
    name: "nostr",
    keys: &[
        key("key", KeyKind::Secret, true, "The account's private key, as nsec1… or 64 hexadecimal digits."),
        key("relays", KeyKind::Texts, true, "Addresses of relays, such as [\"wss://relay.example\"]."),
        key("quorum", KeyKind::Integer, false, "How many relays must have a post; 1 where it is left out."),
        key(
            "media_base_url",
            KeyKind::Url,
            false,
            "Where media are found, as SHA256.EXTENSION; without it, posts have none.",
        ),
        key(
            "viewer",
            KeyKind::Url,
            false,
            "Web client that shows notes to people; https://njump.me where it is left out.",
        ),
    ],
    // Media are links, so nothing limits them.
    can: Abilities {
        text_alone: true,
        images: usize::MAX,
        videos: usize::MAX,
        sounds: usize::MAX,
        documents: usize::MAX,
        mixed: true,
        threads: true,
        answers: Answers::Ours,
        warnings: true,
        unlisted: false,
        followers: false,
    },
    build,
    twin: || Box::new(twin::Relays::default()),
};

const fn key(name: &'static str, kind: KeyKind, required: bool, doc: &'static str) -> ConfigKey {
    ConfigKey { name, kind, required, doc }
}

/// Most relays of an account: a connection to each is open while a part is published.
const RELAYS: usize = 20;
const VIEWER: &str = "https://njump.me";
/// How long a relay that asked us to slow down is left alone, times the number of the attempt. None says how long.
const SLOW: Duration = Duration::from_secs(60);
const SLOWEST: u32 = 30;

/// In so many attempts, the one that published the last part among them, relays that are missing are offered it.
const SPREADS: u32 = 5;

/// Names of the steps.
const HELLO: &str = "hello";
const PUBLISH: &str = "publish";
const SPREAD: &str = "spread";
const LOOK: &str = "look";

fn build(table: &mut Table) -> Option<Arc<dyn Adapter>> {
    let secret = table.secret("key");
    let relays = table.required_texts("relays").map(|list| relays(table, &list));
    let quorum = table.integer("quorum").unwrap_or(1);
    let quorum = usize::try_from(quorum).ok().filter(|quorum| *quorum > 0);
    if quorum.is_none_or(|quorum| relays.as_ref().is_some_and(|relays| !relays.is_empty() && quorum > relays.len())) {
        table.complain(Complaint::new("quorum", "the quorum is at least 1, and at most the number of relays"));
    }
    let media = match table.text("media_base_url") {
        Some(_) => table.base_url("media_base_url"),
        None => None,
    };
    let viewer = table.base_url_or("viewer", VIEWER);
    Some(Arc::new(Nostr { key: secret?, relays: relays?, quorum: quorum?, media, viewer: viewer? }))
}

fn relays(table: &mut Table, list: &[String]) -> Vec<Url> {
    let mut relays: Vec<Url> = Vec::new();
    let mut refuse = |why: String| {
        let hint = "write them as [\"wss://relay.example\", \"wss://another.example\"]";
        table.complain(Complaint::new("relays", why).with_hint(hint));
    };
    for (place, text) in list.iter().enumerate() {
        let nth = place + 1;
        match Url::parse(text) {
            Ok(url) if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() => {
                refuse(format!("relay {nth} holds a user, a password or a fragment"));
            }
            Ok(url) if url.query().is_some() => {
                refuse(format!("relay {nth} has a query; notes name their relays, so everybody would read it"));
            }
            Ok(url) if relays.contains(&url) => refuse(format!("relay {nth} stands there twice")),
            Ok(url) if url.host().is_some() && (url.scheme() == "wss" || url.scheme() == "ws" && is_loopback(&url)) => {
                relays.push(url);
            }
            _ => refuse(format!("relay {nth} is no wss:// address; ws:// is accepted for loopback addresses only")),
        }
    }
    if list.is_empty() || list.len() > RELAYS {
        refuse(format!("there must be 1 to {RELAYS} relays"));
    }
    relays
}

/// One account: a key, and where its notes go.
#[derive(Debug)]
struct Nostr {
    key: SecretRef,
    relays: Vec<Url>,
    quorum: usize,
    media: Option<Url>,
    viewer: Url,
}

/// Checkpoint of a part: who has it. There may be several of one part, which add up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    /// From 0.
    part: usize,
    id: String,
    author: String,
    relays: Vec<String>,
    /// The attempt that has found it out.
    #[serde(default)]
    attempt: u32,
}

/// The parts that are out, the first one first, each with all that have it.
fn kept(checkpoints: &[Checkpoint]) -> Vec<Kept> {
    let mut parts: BTreeMap<usize, Kept> = BTreeMap::new();
    for held in checkpoints.iter().filter_map(|checkpoint| Kept::deserialize(&checkpoint.data).ok()) {
        match parts.get_mut(&held.part) {
            Some(part) => {
                let more = held.relays.into_iter().filter(|relay| !part.relays.contains(relay)).collect::<Vec<_>>();
                part.relays.extend(more);
            }
            None => drop(parts.insert(held.part, held)),
        }
    }
    parts.into_values().enumerate().take_while(|(place, held)| *place == held.part).map(|(_, held)| held).collect()
}

impl Adapter for Nostr {
    fn platform(&self) -> &'static str {
        ENTRY.name
    }

    /// Wherever a note is, it is the same note: another list of relays is no other place to look for it, and no reason to
    /// sign it again.
    fn host(&self) -> String {
        ENTRY.name.into()
    }

    fn place(&self) -> String {
        let mut relays: Vec<_> = self.relays.iter().map(name).collect();
        relays.sort();
        format!("{}, key from {}", relays.join(", "), self.key)
    }

    fn evidence(&self) -> Evidence {
        Evidence::Repeatable
    }

    fn secrets(&self) -> Vec<(&'static str, SecretRef)> {
        vec![("key", self.key.clone())]
    }

    fn check(&self, content: &Content, _session: &Session) -> Vec<Complaint> {
        let mut complaints = ENTRY.can.complaints(ENTRY.name, content);
        complaints.extend(self.objection(content));
        complaints
    }

    fn freeze(&self, _content: &Content, now: Timestamp, draw: u64) -> Value {
        let hint = self.relays.first().map(|relay| relay.as_str().trim_end_matches('/').to_owned()).unwrap_or_default();
        json!(Frozen::new(now.as_second(), draw, hint, self.media.as_ref().map(Url::to_string)))
    }

    fn examine(&self, about: &Examination<'_>, replies: &[HttpReply]) -> Ask<Facts> {
        self.examined(about, replies)
    }

    fn sweep(&self, sweep: Sweep, looking: &Looking<'_>) -> Option<Box<dyn Sweeper>> {
        Some(Box::new(sweep::Sweeping::new(self, sweep, looking)))
    }

    fn next(&self, attempt: &Attempt<'_>) -> Next {
        let (job, parts) = (attempt.job, kept(attempt.done));
        let all_out = parts.len() > job.content.thread.len();
        let thin = parts.iter().find(|part| part.relays.len() < self.quorum);
        let spread = |last: &Kept| job.attempt >= last.attempt.saturating_add(SPREADS);
        let enough = thin.is_none() || attempt.purpose == Purpose::LookBack || parts.last().is_some_and(spread);
        if all_out && enough {
            return self.finish(&parts);
        }
        let Some(secret) = attempt.secrets.get("key").filter(|secret| !secret.expose().trim().is_empty()) else {
            return Next::Auth("there is no key".into());
        };
        let Some(key) = Key::read(secret) else {
            return Next::Auth("the key is neither nsec1… nor 64 hexadecimal digits".into());
        };
        if attempt.session.identity.as_ref() != Some(&key.pubkey()) {
            let sockets = self.relays.iter().map(|relay| wire::hello(relay, &key.pubkey())).collect();
            return step(HELLO.into(), Effect::Harmless, sockets);
        }
        if let Some(complaint) = self.objection(&job.content) {
            return Next::Refuse(complaint.reason);
        }
        let part = if all_out { thin.map_or(0, |thin| thin.part) } else { parts.len() };
        let event = match event(job, &key, &parts, part) {
            Ok(event) => event,
            Err(why) => return Next::Refuse(why),
        };
        let offer = |relay| wire::offer(relay, &event);
        match (attempt.purpose, thin.filter(|_| all_out)) {
            (Purpose::Publish, None) => {
                step(format!("{PUBLISH}-{part}"), Effect::Publishes, self.relays.iter().map(offer).collect())
            }
            (Purpose::Publish, Some(thin)) => {
                let round = attempt.done.len();
                step(format!("{SPREAD}-{part}-{round}"), Effect::Leaves, self.without(thin).map(offer).collect())
            }
            (Purpose::LookBack, _) => {
                let sockets = self.relays.iter().map(|relay| wire::look(relay, &event.id)).collect();
                step(format!("{LOOK}-{part}"), Effect::Harmless, sockets)
            }
        }
    }

    fn read(&self, attempt: &Attempt<'_>, step: &Step, reply: &Reply) -> Reading {
        let secret = attempt.secrets.get("key");
        let parts = kept(attempt.done);
        let action = step.name.split('-').next().unwrap_or_default();
        let (Reply::Sockets(replies), Call::Sockets(asked)) = (reply, &step.call) else {
            return unreadable(action, "the answer is not that of relays");
        };
        let Some(key) = secret.and_then(Key::read) else {
            return unreadable(action, "the key is gone");
        };
        let part = match action {
            SPREAD => parts.iter().find(|part| part.relays.len() < self.quorum).map_or(0, |thin| thin.part),
            _ => parts.len(),
        };
        let Ok(event) = event(attempt.job, &key, &parts, part) else {
            return unreadable(action, "the note cannot be made any more");
        };
        let read = |reply: &SocketReply| match action {
            HELLO => wire::greeted(reply, attempt.secrets),
            LOOK => wire::looked(reply, &event, attempt.secrets),
            _ => wire::offered(reply, &event.id, attempt.secrets),
        };
        let answers: Vec<_> = asked.iter().zip(replies).map(|(socket, reply)| (&socket.url, read(reply))).collect();
        if answers.len() != asked.len() || replies.len() != asked.len() {
            return unreadable(action, "not every relay's answer is there");
        }
        let relays: Vec<_> =
            answers.iter().filter(|(_, answer)| *answer == Answer::Yes).map(|(url, _)| name(url)).collect();
        let kept = || {
            let (id, author, attempt) = (event.id.clone(), event.pubkey.clone(), attempt.job.attempt);
            json!(Kept { part, id, author, relays: relays.clone(), attempt })
        };
        match action {
            HELLO if !relays.is_empty() => {
                Reading::Session(Session { identity: Some(key.pubkey()), ..attempt.session.clone() })
            }
            PUBLISH | SPREAD if !relays.is_empty() => Reading::Checkpoint(kept()),
            LOOK if !relays.is_empty() => Reading::Found(kept()),
            LOOK if answers.iter().all(|(_, answer)| *answer == Answer::No) => Reading::Absent,
            _ => nobody(attempt, action, &answers),
        }
    }
}

impl Nostr {
    fn objection(&self, content: &Content) -> Option<Complaint> {
        let texts = || std::iter::once(&content.text).chain(&content.thread);
        if let Some(c) = texts().chain(&content.warning).chain(&content.tags).find_map(|text| text::unwritable(text)) {
            let complaint =
                Complaint::new("text", format!("the character U+{:04X} cannot stand in a note", u32::from(c)));
            return Some(complaint.with_hint("take it out"));
        }
        let blank = |(part, text): &(usize, &String)| {
            text.trim().is_empty() && (*part > 0 || content.media.is_empty() && content.link.is_none())
        };
        if let Some((part, _)) = texts().enumerate().find(blank) {
            let key = if part == 0 { "text" } else { "thread" };
            return Some(Complaint::new(key, format!("part {} has no text", part + 1)));
        }
        if !content.media.is_empty() && self.media.is_none() {
            let complaint = Complaint::new("media", "notes hold no files, and the account does not say where they are");
            return Some(complaint.with_hint("put them on a web server, and set media_base_url in the account"));
        }
        if content.visibility != Visibility::Public {
            let complaint = Complaint::new("visibility", "everybody can see a note");
            return Some(complaint.with_hint("use \"public\", or leave this account out of `to`"));
        }
        None
    }

    /// The relays that do not have a part yet.
    fn without<'a>(&'a self, part: &'a Kept) -> impl Iterator<Item = &'a Url> {
        self.relays.iter().filter(|relay| !part.relays.contains(&name(relay)))
    }

    fn finish(&self, parts: &[Kept]) -> Next {
        let (Some(first), Some(last)) = (parts.first(), parts.last()) else {
            return Next::Refuse("there is nothing to publish".into());
        };
        let relay = first.relays.first().map_or("", String::as_str);
        let scheme = self.relays.iter().find(|url| name(url) == relay).map_or("wss", Url::scheme);
        let nevent = nip19::nevent(&first.id, &first.author, &format!("{scheme}://{relay}"));
        let url = nevent.map(|nevent| format!("{}/{nevent}", self.viewer.as_str().trim_end_matches('/')));
        let reference = json!(Above { root: first.id.clone(), last: last.id.clone() }).into();
        Next::Done(Remote { id: first.id.clone(), url, reference })
    }
}

/// Part number `part`, below what came before it.
fn event(job: &Job, key: &Key, before: &[Kept], part: usize) -> Result<Event, String> {
    let frozen = Frozen::read(&job.frozen).ok_or("what was frozen cannot be read")?;
    let answered = answered(job)?;
    let above = match before.get(..part).and_then(<[Kept]>::last) {
        None => answered,
        Some(last) => {
            let root = answered.map_or_else(|| before[0].id.clone(), |above| above.root);
            Some(Above { root, last: last.id.clone() })
        }
    };
    let draft = text::draft(&job.content, part, &frozen, &key.pubkey(), above.as_ref());
    key.sign(draft).ok_or_else(|| "it cannot be signed".into())
}

/// The note of ours that the first part answers.
fn answered(job: &Job) -> Result<Option<Above>, String> {
    match (&job.content.reply_to, &job.answers) {
        (None, _) => Ok(None),
        (Some(ReplyTo::Ours(_)), Some(remote)) => {
            if let Ok(above) = Above::deserialize(remote.reference.value()) {
                return Ok(Some(above));
            }
            // A person may have told the address of a note that nobody else knows of.
            let named =
                [Some(&remote.id), remote.url.as_ref()].into_iter().flatten().find_map(|text| nip19::event_id(text));
            let id = named.ok_or("nobody knows the id of the post that it answers")?;
            Ok(Some(Above { root: id.clone(), last: id }))
        }
        (Some(ReplyTo::Ours(_)), None) => Err("the post that it answers is not on this account".into()),
        (Some(ReplyTo::Theirs(_)), _) => Err("notes of other people cannot be answered from here".into()),
    }
}

/// No relay said yes: what is the best that can be made of it.
fn nobody(attempt: &Attempt<'_>, action: &str, answers: &[(&Url, Answer)]) -> Reading {
    let told = |(url, answer): &(&Url, Answer)| match answer {
        Answer::Yes | Answer::No => None,
        Answer::Refused(why)
        | Answer::Barred(why)
        | Answer::Limited(why)
        | Answer::Failed(why)
        | Answer::Unclear(why) => Some(format!("{}: {why}", name(url))),
    };
    let why = answers.iter().filter_map(told).collect::<Vec<_>>().join("; ");
    let any = |is: fn(&Answer) -> bool| answers.iter().any(|(_, answer)| is(answer));
    if action == PUBLISH && any(|answer| matches!(answer, Answer::Unclear(_))) {
        return Reading::Unclear { why };
    }
    // A wait that uses up no try holds the whole account: not for the sake of one relay, where others have said that
    // waiting helps nothing.
    let for_good = any(|answer| matches!(answer, Answer::Refused(_) | Answer::Barred(_)));
    if !for_good && any(|answer| matches!(answer, Answer::Limited(_))) {
        let until = time::after(attempt.now, SLOW * attempt.job.attempt.clamp(1, SLOWEST));
        return Reading::RateLimited { until, why };
    }
    if any(|answer| matches!(answer, Answer::Unclear(_) | Answer::Failed(_) | Answer::Limited(_) | Answer::No)) {
        return Reading::Retry { after: None, why };
    }
    match action {
        PUBLISH | HELLO if !any(|answer| matches!(answer, Answer::Refused(_))) => Reading::Auth { why },
        PUBLISH => Reading::Refused { why },
        // What is out on one relay is not refused by what others say. It is offered a few times, and then that is it.
        _ => Reading::Retry { after: None, why },
    }
}

fn unreadable(action: &str, why: &str) -> Reading {
    match action {
        PUBLISH => Reading::Unclear { why: why.into() },
        _ => Reading::Retry { after: None, why: why.into() },
    }
}

/// A relay as it is called in reasons and checkpoints.
fn name(relay: &Url) -> String {
    let text = relay.as_str();
    text.split_once("://").map_or(text, |(_, rest)| rest).trim_end_matches('/').to_owned()
}

fn step(name: String, effect: Effect, sockets: Vec<Socket>) -> Next {
    Next::Call(Step { name, effect, call: Call::Sockets(sockets) })
}
