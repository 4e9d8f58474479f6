//! The requests that a program gets, and what its replies mean. `docs/platforms/exec.md` is the contract with those who
//! write programs: [`VERSION`] counts its changes.

use std::sync::Arc;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::{Content, Digest, ReplyTo, Secret, Visibility};
use crate::platform::contract::{Attempt, ExecReply, Job, Secrets};

/// Of the protocol.
const VERSION: u32 = 1;
/// Longest id and address that a program may give, in bytes.
const ID_BYTES: usize = 500;
const URL_BYTES: usize = 2_000;
/// What a program may ask to wait for at most.
const LONGEST_WAIT: Duration = Duration::from_secs(31 * 86_400);

#[derive(Serialize)]
struct Request<'a> {
    version: u32,
    action: &'static str,
    delivery: String,
    key: String,
    attempt: u32,
    part: usize,
    parts: usize,
    text: &'a str,
    link: Option<&'a str>,
    tags: &'a [String],
    lang: Option<&'a str>,
    warning: Option<&'a str>,
    visibility: Visibility,
    answers: Option<Answered>,
    media: Vec<File<'a>>,
    /// When the post was made: the same for every attempt.
    at: &'a Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
}

/// A post that is answered, by what is known of it.
#[derive(Debug, Clone, Serialize)]
pub struct Answered {
    pub id: Option<String>,
    pub url: Option<String>,
}

#[derive(Serialize)]
struct File<'a> {
    mime: &'a str,
    alt: &'a str,
    sha256: String,
    /// Base64; left out where nothing is to be published.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
}

/// Checkpoint of a published part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posted {
    /// From 0.
    pub part: usize,
    pub id: String,
    pub url: Option<String>,
}

/// What a part is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Publish,
    Find,
}

/// The request for one part of a post. `before` is the part before it.
pub fn request(action: Action, attempt: &Attempt<'_>, before: Option<&Posted>, secret: Option<&Secret>) -> Arc<[u8]> {
    let (job, part) = (attempt.job, before.map_or(0, |before| before.part + 1));
    let content = &job.content;
    let media = job.media.iter().map(|media| File {
        mime: &media.mime,
        alt: &media.item.alt,
        sha256: media.item.sha256.hex(),
        data: (action == Action::Publish).then(|| BASE64_STANDARD.encode(&media.bytes)),
    });
    let first = part == 0;
    let request = Request {
        version: VERSION,
        action: match action {
            Action::Publish => "publish",
            Action::Find => "find",
        },
        delivery: job.delivery.to_string(),
        key: key(job, part),
        attempt: job.attempt,
        part,
        parts: 1 + content.thread.len(),
        text: if first { &content.text } else { content.thread.get(part - 1).map_or("", String::as_str) },
        link: content.link.as_deref().filter(|_| first),
        tags: if first { &content.tags } else { &[] },
        lang: content.lang.as_deref(),
        warning: content.warning.as_deref(),
        visibility: content.visibility,
        answers: match before {
            Some(before) => Some(Answered { id: Some(before.id.clone()), url: before.url.clone() }),
            None => answered(content, job),
        },
        media: if first { media.collect() } else { Vec::new() },
        at: job.frozen.get("at").unwrap_or(&Value::Null),
        secret: secret.map(Secret::expose),
    };
    encode(&request)
}

/// The question whose account the secret opens.
pub fn whose(secret: &Secret) -> Arc<[u8]> {
    encode(&serde_json::json!({ "version": VERSION, "action": "account", "secret": secret.expose() }))
}

fn encode(request: &impl Serialize) -> Arc<[u8]> {
    // Nothing in it can fail to become JSON: its keys are texts, and its numbers are whole.
    serde_json::to_vec(request).unwrap_or_default().into()
}

/// The same for every attempt at one part, and for no other part.
fn key(job: &Job, part: usize) -> String {
    Digest::of(format!("cadenced-exec-v1\n{}\n{part}", job.key).as_bytes()).hex()[..32].into()
}

/// What the first part answers.
fn answered(content: &Content, job: &Job) -> Option<Answered> {
    Some(match content.reply_to.as_ref()? {
        ReplyTo::Theirs(address) => Answered { id: None, url: Some(address.clone()) },
        ReplyTo::Ours(_) => {
            let remote = job.answers.as_ref()?;
            Answered { id: Some(remote.id.clone()), url: remote.url.clone() }
        }
    })
}

/// What a program has said.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    Published { id: String, url: Option<String> },
    Found { id: String, url: Option<String> },
    Absent,
    Account(String),
    Retry { after: Option<Duration>, why: String },
    RateLimited { wait: Duration, why: String },
    Refused(String),
    Auth(String),
}

/// Reads a reply; the error says why it cannot be believed. The `secrets` are blanked out of all that it says.
///
/// # Errors
/// A code other than 0, more output than is read, or anything but one JSON object with one answer in it.
pub fn understand(reply: &ExecReply, secrets: &Secrets) -> Result<Said, String> {
    let wrong = |what: String| match secrets.quote(&reply.said) {
        said if said.is_empty() => format!("the program {what}"),
        said => format!("the program {what}, and said: {said}"),
    };
    if reply.code != 0 {
        return Err(wrong(format!("ended with code {}", reply.code)));
    }
    if reply.cut {
        return Err(wrong("wrote more than is read, or left somebody behind who may still write".into()));
    }
    let value: Value = serde_json::from_slice(&reply.output).map_err(|_| wrong("wrote no JSON".into()))?;
    let answers: Vec<_> =
        KINDS.iter().filter_map(|(kind, read)| value.get(kind).map(|held| (*kind, *read, held))).collect();
    let [(kind, read, held)] = answers.as_slice() else {
        return Err(wrong(format!("gave {} answers in place of one", answers.len())));
    };
    let why = secrets.quote(value.get("why").and_then(Value::as_str).unwrap_or("the program gave no reason"));
    match read(held, why, secrets) {
        Some(said) if !tells(&said, secrets) => Ok(said),
        _ => Err(wrong(format!("gave an answer {kind:?} that cannot be read"))),
    }
}

type Read = fn(&Value, String, &Secrets) -> Option<Said>;

/// The answers, by the key that tells them.
const KINDS: &[(&str, Read)] = &[
    ("published", |held, _, _| place(held).map(|(id, url)| Said::Published { id, url })),
    ("found", |held, _, _| place(held).map(|(id, url)| Said::Found { id, url })),
    ("absent", |held, _, _| held.as_bool().filter(|absent| *absent).map(|_| Said::Absent)),
    ("account", |held, _, _| id(held).map(Said::Account)),
    ("retry", |held, why, _| match held {
        Value::Bool(true) => Some(Said::Retry { after: None, why }),
        held => wait(held).map(|wait| Said::Retry { after: Some(wait), why }),
    }),
    ("rate_limited", |held, why, _| wait(held).map(|wait| Said::RateLimited { wait, why })),
    ("refused", |held, _, secrets| held.as_str().map(|why| Said::Refused(secrets.quote(why)))),
    ("auth", |held, _, secrets| held.as_str().map(|why| Said::Auth(secrets.quote(why)))),
];

fn place(held: &Value) -> Option<(String, Option<String>)> {
    let url = match held.get("url") {
        None | Some(Value::Null) => None,
        Some(url) => Some(url.as_str().filter(|url| is_address(url))?.to_owned()),
    };
    Some((id(held.get("id")?)?, url))
}

fn id(held: &Value) -> Option<String> {
    let plain = |id: &&str| !id.trim().is_empty() && id.len() <= ID_BYTES && !id.chars().any(char::is_control);
    held.as_str().filter(plain).map(str::to_owned)
}

fn is_address(text: &str) -> bool {
    let web = |url: url::Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    text.len() <= URL_BYTES && url::Url::parse(text).is_ok_and(web)
}

fn wait(seconds: &Value) -> Option<Duration> {
    let seconds = seconds.as_f64()?.clamp(1.0, LONGEST_WAIT.as_secs_f64());
    Duration::try_from_secs_f64(seconds).ok()
}

/// Whether what would be kept holds a secret.
fn tells(said: &Said, secrets: &Secrets) -> bool {
    let kept = match said {
        Said::Published { id, url } | Said::Found { id, url } => [Some(id), url.as_ref()],
        Said::Account(id) => [Some(id), None],
        _ => [None, None],
    };
    let tells = |text: &String| secrets.0.values().any(|secret| text.contains(secret.expose()));
    kept.into_iter().flatten().any(tells)
}
