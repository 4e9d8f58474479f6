//! The wire: the three questions a receiver is asked, and what its answers mean. `docs/platforms/webhook.md` is the
//! protocol for those who write a receiver.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use url::Url;

use super::sign::Key;
use crate::domain::{ReplyTo, Secret, Timestamp};
use crate::platform::contract::{Body, HeaderValue, HttpReply, Job, Media, Method, Request, Trouble, quoted};

/// Of the body's form. It changes when a receiver would have to change.
const VERSION: u32 = 1;
/// Longest id and longest address that is taken from a receiver.
const ID_CHARS: usize = 200;
const URL_CHARS: usize = 2048;

/// Builds the requests to one receiver.
#[derive(Debug, Clone, Copy)]
pub struct Wire<'a> {
    pub url: &'a Url,
    pub key: &'a Key,
    pub now: Timestamp,
}

impl Wire<'_> {
    /// Who is there? It changes nothing.
    pub fn ping(self, job: &Job) -> Option<Request> {
        let body = json!({ "type": "ping", "version": VERSION, "account": job.delivery.account.as_str() });
        self.call(&format!("ping-{}", self.now.as_second()), None, &body)
    }

    /// Is it there? It changes nothing.
    pub fn find(self, job: &Job) -> Option<Request> {
        let id = format!("find-{}-{}", job.key, self.now.as_second());
        self.call(&id, Some(&job.key), &about("find", job))
    }

    /// The whole post, with its thread and its media.
    pub fn publish(self, job: &Job) -> Option<Request> {
        let content = &job.content;
        let mut body = about("publish", job);
        body["text"] = content.text.as_str().into();
        body["thread"] = json!(content.thread);
        body["link"] = json!(content.link);
        body["tags"] = json!(content.tags);
        body["lang"] = json!(content.lang);
        body["warning"] = json!(content.warning);
        body["visibility"] = json!(content.visibility);
        body["reply_to"] = match (&content.reply_to, &job.answers) {
            (Some(ReplyTo::Theirs(address)), _) => json!({ "id": null, "url": address }),
            (Some(ReplyTo::Ours(_)), Some(remote)) => json!({ "id": remote.id, "url": remote.url }),
            _ => Value::Null,
        };
        body["media"] = job.media.iter().map(shown).collect();
        self.call(&job.key, Some(&job.key), &body)
    }

    fn call(self, id: &str, key: Option<&str>, body: &Value) -> Option<Request> {
        let body = Body::json(body);
        let signature = Secret::new(self.key.sign(id, self.now, &body)?);
        let plain = |text: &str| HeaderValue::Plain(text.into());
        let mut headers = vec![
            ("Accept", plain("application/json")),
            ("Webhook-Id", plain(id)),
            ("Webhook-Timestamp", HeaderValue::Fresh(self.now.as_second().to_string())),
            ("Webhook-Signature", HeaderValue::Secret { prefix: "v1,", secret: signature }),
        ];
        headers.extend(key.map(|key| ("Idempotency-Key", plain(key))));
        Some(Request { method: Method::Post, url: self.url.clone(), secret_path: None, headers, body })
    }
}

fn about(kind: &str, job: &Job) -> Value {
    json!({
        "type": kind,
        "version": VERSION,
        "key": job.key,
        "delivery": job.delivery.to_string(),
        "account": job.delivery.account.as_str(),
        "post": job.delivery.post.as_str(),
    })
}

fn shown(media: &Media) -> Value {
    let (width, height) = media.size.unzip();
    json!({
        "name": media.sent_name(),
        "mime": media.mime,
        "alt": media.item.alt,
        "sha256": media.item.sha256.hex(),
        "bytes": media.bytes.len(),
        "width": width,
        "height": height,
        "data": BASE64_STANDARD.encode(&media.bytes),
    })
}

/// What a receiver has made of a post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    pub id: String,
    pub url: Option<String>,
}

impl Receipt {
    /// Reads `{ "id", "url" }`; an id that could not stand in a log line as it is, is none.
    pub fn read(value: &Value) -> Option<Self> {
        let id = match &value["id"] {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.as_u64()?.to_string(),
            _ => return None,
        };
        let plain = (1..=ID_CHARS).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
        let web = |url: &Url| matches!(url.scheme(), "http" | "https");
        let url = value["url"].as_str().filter(|text| text.len() <= URL_CHARS);
        let url = url.and_then(|text| Url::parse(text).ok()).filter(web).map(Into::into);
        plain.then_some(Self { id, url })
    }
}

/// The answer's JSON object, or why there is none. A refusal of the receiver's own says `error`.
pub fn understand(reply: &HttpReply, secret: Option<&Secret>, now: Timestamp) -> Result<Value, Trouble> {
    let value = reply.value().unwrap_or(Value::Null);
    if matches!(reply.status, 200 | 201) && value.is_object() {
        return Ok(value);
    }
    let said = value["error"].as_str();
    let quote = quoted(said.unwrap_or_default(), &[secret.map_or("", Secret::expose)]);
    let status = reply.status;
    let why = if quote.is_empty() { format!("status {status}") } else { format!("{status}: {quote}") };
    Err(match (status, said.is_some()) {
        (429, _) => Trouble::too_much(reply.retry_after(now), now, why),
        (401, _) | (403, true) => Trouble::Stopped(format!("the receiver does not accept our signature ({why})")),
        // Too slow, in conflict with a request that is under way, too early.
        (408 | 409 | 425 | 499, _) => Trouble::Unknown(why),
        (400..=498, true) => Trouble::Refused(format!("the receiver refused it ({why})")),
        (400..=498, false) => Trouble::TurnedAway(format!("something before the receiver answered ({why})")),
        _ => Trouble::Unknown(why),
    })
}
