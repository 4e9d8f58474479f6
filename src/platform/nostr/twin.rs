//! An imitation of relays: each keeps the events that it was offered, by id, once their id and signature are right.
//!
//! The relays of an account are `/one`, `/two` and `/three` of the base; all accounts share them. What people see is
//! what any relay has. What other people do is in [`people`].

mod people;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::event::{Event, Key};
use crate::domain::{Digest, Secret, Timestamp};
use crate::platform::contract::crowd::{CrowdAct, Standing};
use crate::platform::contract::{Call, HttpReply, Published, Reply, Secrets, Socket, SocketEnd, SocketReply, Twin};

/// So many accounts are known by their keys.
const ACCOUNTS: u32 = 64;
const RELAYS: [&str; 3] = ["one", "two", "three"];
/// Most events that one filter is answered with.
const MOST: usize = 100;

#[derive(Debug, Default)]
pub struct Relays {
    /// By their paths.
    held: BTreeMap<String, BTreeMap<String, Event>>,
    appeared: Vec<Published>,
    authors: BTreeMap<String, u32>,
    manners: BTreeMap<String, Manner>,
    throttled: Option<Timestamp>,
    revoked: bool,
    people: people::People,
}

/// What is wrong with a relay.
#[derive(Debug, Clone)]
pub enum Manner {
    /// Nobody can reach it.
    Down,
    /// It takes what it is given and says nothing.
    Silent,
    /// It says that it wants to be paid.
    Paid,
    /// It refuses events with these words.
    Refusing(&'static str),
}

impl Relays {
    /// From now on that relay is like this; `None`: it is well.
    pub fn behave(&mut self, relay: &str, manner: Option<Manner>) {
        match manner {
            Some(manner) => self.manners.insert(format!("/{relay}"), manner),
            None => self.manners.remove(&format!("/{relay}")),
        };
    }

    /// The events of one relay.
    pub fn held(&self, relay: &str) -> Vec<Event> {
        self.held.get(&format!("/{relay}")).into_iter().flat_map(BTreeMap::values).cloned().collect()
    }

    /// A relay tells of this event, whatever it is.
    pub fn plant(&mut self, relay: &str, event: Event) {
        self.held.entry(format!("/{relay}")).or_default().insert(event.id.clone(), event);
    }

    /// What a relay tells of itself; nothing where nobody can reach it.
    fn about(&self, relay: &str) -> HttpReply {
        match self.manners.get(relay) {
            Some(Manner::Down) => HttpReply::default(),
            Some(Manner::Paid) => {
                HttpReply::json(200, &json!({"name": "twin", "limitation": {"payment_required": true}}))
            }
            _ => HttpReply::json(200, &json!({"name": "twin", "supported_nips": [1, 11]})),
        }
    }

    fn talk(&mut self, socket: &Socket, now: Timestamp) -> SocketReply {
        let relay = socket.url.path().to_owned();
        let manner = self.manners.get(&relay).cloned();
        if matches!(manner, Some(Manner::Down)) {
            let end = SocketEnd::NeverLeft("connection refused".into());
            return SocketReply { messages: Vec::new(), end };
        }
        let mut messages = Vec::new();
        for message in &socket.send {
            match self.hear(&relay, manner.as_ref(), message, now) {
                Some(answers) => messages.extend(answers.iter().map(Value::to_string)),
                None => messages.push(json!(["NOTICE", "could not parse message"]).to_string()),
            }
        }
        if matches!(manner, Some(Manner::Silent)) {
            messages.clear();
        }
        let end = match socket.is_over(&messages) {
            true => SocketEnd::Over,
            false => SocketEnd::BrokenOff("no answer".into()),
        };
        SocketReply { messages, end }
    }

    fn hear(&mut self, relay: &str, manner: Option<&Manner>, message: &str, now: Timestamp) -> Option<Vec<Value>> {
        let message: Vec<Value> = serde_json::from_str(message).ok()?;
        let refusal = match manner {
            Some(Manner::Refusing(why)) => Some(*why),
            _ if self.revoked => Some("restricted: not a member of this relay"),
            _ if self.throttled.is_some_and(|until| until > now) => Some("rate-limited: slow down"),
            _ => None,
        };
        match message.as_slice() {
            [word, event] if word == "EVENT" => {
                let event: Event = serde_json::from_value(event.clone()).ok()?;
                let (id, taken) = (event.id.clone(), refusal.map_or_else(|| self.take(relay, event, now), Err));
                let (ok, why) = match taken {
                    Ok(why) => (true, why),
                    Err(why) => (false, why),
                };
                Some(vec![json!(["OK", id, ok, why])])
            }
            [word, name, filters @ ..] if word == "REQ" => {
                let barred = refusal.filter(|_| self.revoked || !matches!(manner, Some(Manner::Refusing(_))));
                if let Some(why) = barred {
                    return Some(vec![json!(["CLOSED", name, why])]);
                }
                let held = self.held.get(relay).into_iter().flat_map(BTreeMap::values);
                let mut held: Vec<&Event> = held.collect();
                // Newest first.
                held.sort_by_key(|event| (std::cmp::Reverse(event.created_at), event.id.as_str()));
                let chosen = |filter: &Value| {
                    let limit = filter["limit"].as_u64().and_then(|limit| usize::try_from(limit).ok()).unwrap_or(MOST);
                    let fits = held.iter().filter(|event| fits(event, filter)).take(limit.min(MOST));
                    fits.map(|event| event.id.as_str()).collect::<Vec<_>>()
                };
                let chosen: BTreeSet<&str> = filters.iter().flat_map(chosen).collect();
                let found = held.iter().filter(|event| chosen.contains(event.id.as_str()));
                let found = found.map(|event| json!(["EVENT", name, event]));
                Some(found.chain([json!(["EOSE", name])]).collect())
            }
            _ => None,
        }
    }

    /// The account of a key. Making keys takes time, so each is made when nobody before it is the one.
    fn author(&mut self, pubkey: &str) -> Option<u32> {
        for account in u32::try_from(self.authors.len()).unwrap_or(ACCOUNTS)..ACCOUNTS {
            if self.authors.contains_key(pubkey) {
                break;
            }
            self.authors.insert(Key::read(&secret(account))?.pubkey(), account);
        }
        self.authors.get(pubkey).copied()
    }

    fn take(&mut self, relay: &str, event: Event, now: Timestamp) -> Result<&'static str, &'static str> {
        let seen = self.held.values().any(|held| held.get(&event.id) == Some(&event));
        if !seen && !event.is_genuine() {
            return Err("invalid: id or signature is wrong");
        }
        let account = self.author(&event.pubkey).ok_or("blocked: nobody knows this key")?;
        if self.held.get(relay).is_some_and(|held| held.contains_key(&event.id)) {
            return Ok("duplicate: already have this event");
        }
        if self.appeared.iter().all(|post| post.id != event.id) {
            let answers = ["reply", "root"].iter().find_map(|marker| {
                let marked = |tag: &&Vec<String>| tag.len() > 3 && tag[0] == "e" && tag[3] == *marker;
                event.tags.iter().find(marked).map(|tag| tag[1].clone())
            });
            let post = Published { account, id: event.id.clone(), text: event.content.clone(), at: now, answers };
            self.appeared.push(post);
        }
        self.held.entry(relay.into()).or_default().insert(event.id.clone(), event);
        Ok("")
    }
}

fn fits(event: &Event, filter: &Value) -> bool {
    let named = |key: &str, value: Value| match filter[key].as_array() {
        Some(list) => list.contains(&value),
        None => true,
    };
    let tagged = |name: &str| match filter[format!("#{name}")].as_array() {
        Some(list) => event.tags.iter().any(|tag| tag[0] == name && list.contains(&json!(tag[1]))),
        None => true,
    };
    let within = filter["since"].as_i64().is_none_or(|since| event.created_at >= since)
        && filter["until"].as_i64().is_none_or(|until| event.created_at <= until);
    named("ids", json!(event.id))
        && named("authors", json!(event.pubkey))
        && named("kinds", json!(event.kind))
        && ["e", "p", "q"].into_iter().all(tagged)
        && within
}

fn secret(account: u32) -> Secret {
    Secret::new(Digest::of(format!("twin-key-{account}").as_bytes()).hex())
}

impl Twin for Relays {
    fn table(&self, account: u32, base: &str, _folder: &str) -> toml::Table {
        let base = base.replacen("http", "ws", 1);
        let relays: Vec<_> = RELAYS.iter().map(|relay| format!("{}/{relay}", base.trim_end_matches('/'))).collect();
        let mut table = toml::Table::new();
        let way = toml::Table::from_iter([("env".to_owned(), format!("TWIN_KEY_{account}").into())]);
        table.insert("key".into(), way.into());
        table.insert("relays".into(), relays.into());
        table.insert("quorum".into(), 2.into());
        table.insert("media_base_url".into(), "https://files.example/".into());
        table
    }

    fn secrets(&self, account: u32) -> Secrets {
        Secrets(BTreeMap::from([("key".into(), secret(account))]))
    }

    fn answer(&mut self, call: &Call, now: Timestamp) -> Reply {
        match call {
            Call::Sockets(sockets) => Reply::Sockets(sockets.iter().map(|socket| self.talk(socket, now)).collect()),
            Call::Http(request) => Reply::Http(self.about(request.url.path())),
            _ => Reply::Http(HttpReply { status: 404, ..HttpReply::default() }),
        }
    }

    fn published_since(&self, mark: &mut usize) -> Vec<Published> {
        let from = std::mem::replace(mark, self.appeared.len());
        let there = |post: &&Published| !self.people.is_deleted(&post.id);
        self.appeared.iter().skip(from).filter(there).cloned().collect()
    }

    fn act(&mut self, act: &CrowdAct, now: Timestamp) -> Option<String> {
        self.carry_out(act, now)
    }

    fn standing(&self, account: u32, post: &str) -> Option<Standing> {
        Some(self.stands(account, post))
    }

    fn throttle(&mut self, until: Timestamp) {
        self.throttled = Some(until);
    }

    /// A key does not end.
    fn expire_tokens(&mut self) {}

    fn set_revoked(&mut self, revoked: bool) {
        self.revoked = revoked;
    }
}
