//! Receivers that keep to the protocol, one for each account. One kind keeps what it has under its key, as
//! `repeatable = true` promises; the other takes everything twice.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::sign::Key;
use crate::domain::{Digest, Secret, Timestamp, time};
use crate::platform::contract::{Call, HttpReply, Method, Published, Reply, Request, Secrets, Twin};

/// How old a request may be, in receivers that look.
const TOLERANCE: i64 = 5 * 60;

#[derive(Debug)]
pub struct Receiver {
    repeatable: bool,
    /// Refuses requests that are dated long before or after its own clock, as the libraries of the scheme do.
    pub looks_at_dates: bool,
    /// What was published, by account and key.
    known: BTreeMap<(u32, String), String>,
    parts: Vec<Published>,
    posts: usize,
    throttled: Option<Timestamp>,
    revoked: bool,
}

impl Receiver {
    /// Makes one post of all requests with one key.
    pub fn repeatable() -> Self {
        Self {
            repeatable: true,
            looks_at_dates: false,
            known: BTreeMap::new(),
            parts: Vec::new(),
            posts: 0,
            throttled: None,
            revoked: false,
        }
    }

    /// Promises nothing.
    pub fn plain() -> Self {
        Self { repeatable: false, ..Self::repeatable() }
    }

    fn route(&mut self, request: &Request, now: Timestamp) -> HttpReply {
        let account = request.url.path().strip_prefix("/hook/").and_then(|number| number.parse().ok());
        let Some(account) = account.filter(|_| request.method == Method::Post) else {
            return HttpReply { status: 404, ..HttpReply::default() };
        };
        if self.revoked || !self.is_signed(account, request, now) {
            return error(401, "the signature is not accepted");
        }
        if let Some(until) = self.throttled.filter(|until| *until > now) {
            let mut reply = error(429, "not so fast");
            reply.headers.push(("retry-after".into(), time::since(until, now).as_secs().max(1).to_string()));
            return reply;
        }
        let Ok(message) = serde_json::from_slice::<Value>(&request.body.concat()) else {
            return error(400, "the body is no JSON");
        };
        let key = message["key"].as_str().unwrap_or_default().to_owned();
        if message["type"] != "ping" && header(request, "idempotency-key").as_ref() != Some(&key) {
            return error(400, "the keys differ");
        }
        let known = self.known.get(&(account, key.clone())).filter(|_| self.repeatable).cloned();
        match (message["type"].as_str(), known) {
            (Some("ping"), _) => HttpReply::json(200, &json!({ "id": format!("receiver-{account}") })),
            (Some("find" | "publish"), Some(id)) => receipt(account, &id),
            (Some("find"), None) if self.repeatable => HttpReply::json(200, &json!({ "id": null })),
            (Some("publish"), None) => match broken(&message) {
                Some(why) => error(422, why),
                None => self.publish(account, key, &message, now),
            },
            _ => error(400, "no such type"),
        }
    }

    fn is_signed(&self, account: u32, request: &Request, now: Timestamp) -> bool {
        let of = |name: &str| header(request, name).unwrap_or_default();
        let at = of("webhook-timestamp").parse().ok().and_then(|second| Timestamp::from_second(second).ok());
        let (Some(at), Some(key)) = (at, Key::parse(&secret(account))) else { return false };
        let signature = key.sign(&of("webhook-id"), at, &request.body).map(|signature| format!("v1,{signature}"));
        let fresh = (now.as_second() - at.as_second()).abs() <= TOLERANCE || !self.looks_at_dates;
        fresh && signature.is_some_and(|signature| signature == of("webhook-signature"))
    }

    fn publish(&mut self, account: u32, key: String, message: &Value, now: Timestamp) -> HttpReply {
        self.posts += 1;
        let id = format!("post-{}", self.posts);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let thread = message["thread"].as_array().into_iter().flatten();
        let mut answers = message["reply_to"]["id"].as_str().map(Into::into);
        for (place, text) in std::iter::once(&message["text"]).chain(thread).map(text).enumerate() {
            let id = if place == 0 { id.clone() } else { format!("{id}.{}", place + 1) };
            let before = answers.replace(id.clone());
            self.parts.push(Published { account, id, text, at: now, answers: before });
        }
        self.known.insert((account, key), id.clone());
        receipt(account, &id)
    }
}

/// What is wrong with a post's files: each says what it holds.
fn broken(message: &Value) -> Option<&'static str> {
    let is_whole = |item: &Value| {
        let bytes = item["data"].as_str().and_then(|data| BASE64_STANDARD.decode(data).ok());
        bytes.is_some_and(|bytes| item["sha256"] == Digest::of(&bytes).hex() && item["bytes"] == bytes.len())
    };
    let all = message["media"].as_array()?;
    (!all.iter().all(is_whole)).then_some("a file is not what it says")
}

fn receipt(account: u32, id: &str) -> HttpReply {
    HttpReply::json(200, &json!({ "id": id, "url": format!("https://receiver.example/{account}/{id}") }))
}

fn error(status: u16, why: &str) -> HttpReply {
    HttpReply::json(status, &json!({ "error": why }))
}

fn header(request: &Request, name: &str) -> Option<String> {
    request.headers.iter().find(|(held, _)| held.eq_ignore_ascii_case(name)).map(|(_, value)| value.expose())
}

fn secret(account: u32) -> Secret {
    Secret::new(format!("whsec_{}", BASE64_STANDARD.encode(Digest::of(format!("twin {account}").as_bytes()).0)))
}

impl Twin for Receiver {
    fn table(&self, account: u32, base: &str, _folder: &str) -> toml::Table {
        let mut secret = toml::Table::new();
        secret.insert("env".into(), format!("TWIN_SECRET_{account}").into());
        let mut table = toml::Table::new();
        table.insert("url".into(), format!("{}/hook/{account}", base.trim_end_matches('/')).into());
        table.insert("secret".into(), secret.into());
        table.insert("repeatable".into(), self.repeatable.into());
        table
    }

    fn secrets(&self, account: u32) -> Secrets {
        Secrets([("secret".to_owned(), secret(account))].into())
    }

    fn answer(&mut self, call: &Call, now: Timestamp) -> Reply {
        Reply::Http(match call {
            Call::Http(request) => self.route(request, now),
            _ => error(400, "not a request"),
        })
    }

    fn published_since(&self, mark: &mut usize) -> Vec<Published> {
        let from = std::mem::replace(mark, self.parts.len());
        self.parts.iter().skip(from).cloned().collect()
    }

    fn throttle(&mut self, until: Timestamp) {
        self.throttled = Some(until);
    }

    /// A secret does not end by itself.
    fn expire_tokens(&mut self) {}

    fn set_revoked(&mut self, revoked: bool) {
        self.revoked = revoked;
    }
}
