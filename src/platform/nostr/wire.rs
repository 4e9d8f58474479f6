//! What is said to relays, and what their answers mean.

use std::time::Duration;

use serde::Deserialize as _;
use serde_json::{Value, json};
use url::Url;

use super::event::Event;
use crate::platform::contract::{Secrets, Socket, SocketEnd, SocketReply};

/// How long one relay may take for all of it. The others' answers wait for the slowest.
const PATIENCE: Duration = Duration::from_secs(15);
/// The names of our subscriptions.
const HELLO: &str = "hello";
const LOOK: &str = "look";
const SWEEP: &str = "sweep";

/// Offers an event to a relay.
pub fn offer(relay: &Url, event: &Event) -> Socket {
    talk(relay, json!(["EVENT", event]), vec![format!("[\"OK\",\"{}\"", event.id)])
}

/// Asks a relay for an event.
pub fn look(relay: &Url, id: &str) -> Socket {
    ask(relay, LOOK, &[json!({ "ids": [id] })])
}

/// Asks a relay for the profile of an author: not for its sake, but to learn whether we are let in.
pub fn hello(relay: &Url, pubkey: &str) -> Socket {
    ask(relay, HELLO, &[json!({ "kinds": [0], "authors": [pubkey], "limit": 1 })])
}

/// Asks a relay for whatever fits one of these.
pub fn sweep(relay: &Url, filters: &[Value]) -> Socket {
    ask(relay, SWEEP, filters)
}

fn ask(relay: &Url, name: &str, filters: &[Value]) -> Socket {
    let ends = ["EOSE", "CLOSED"].map(|word| format!("[\"{word}\",\"{name}\""));
    let mut message = vec![json!("REQ"), json!(name)];
    message.extend_from_slice(filters);
    talk(relay, message.into(), ends.into())
}

fn talk(relay: &Url, message: Value, until: Vec<String>) -> Socket {
    Socket { url: relay.clone(), send: vec![message.to_string()], until: vec![until], patience: PATIENCE }
}

/// What one relay made of an offer or a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It has the event; or, asked who we are, it lets us in.
    Yes,
    /// It does not have it.
    No,
    /// It does not take it, and never will.
    Refused(String),
    /// It does not let us in.
    Barred(String),
    /// Too much was asked.
    Limited(String),
    /// It has not taken it, and may another time.
    Failed(String),
    /// Nobody knows.
    Unclear(String),
}

/// To an offer of the event `id`.
pub fn offered(reply: &SocketReply, id: &str, secrets: &Secrets) -> Answer {
    let said = messages(reply).find_map(|message| match message.as_slice() {
        [word, named, taken, why @ ..] if word == "OK" && named == id => {
            Some((taken.as_bool()?, why.first().and_then(Value::as_str).unwrap_or_default().to_owned()))
        }
        _ => None,
    });
    match said {
        Some((true, _)) => Answer::Yes,
        Some((false, why)) if prefix(&why) == "duplicate" => Answer::Yes,
        Some((false, why)) => refusal(&why, secrets, Answer::Refused),
        None => silence(reply, secrets),
    }
}

/// To the question for the event `id`.
pub fn looked(reply: &SocketReply, event: &Event, secrets: &Secrets) -> Answer {
    let is_it = |held: &Value| held["id"] == *event.id && held["pubkey"] == *event.pubkey;
    let found = messages(reply).any(
        |message| matches!(message.as_slice(), [word, name, held] if word == "EVENT" && name == LOOK && is_it(held)),
    );
    if found { Answer::Yes } else { ended(reply, LOOK, Answer::No, secrets) }
}

/// To the question for our profile.
pub fn greeted(reply: &SocketReply, secrets: &Secrets) -> Answer {
    ended(reply, HELLO, Answer::Yes, secrets)
}

/// What was told when it was asked for whatever fits, and [`Answer::Yes`] where that is all that the relay tells. What it
/// says to be an event may be anything.
pub fn told(reply: &SocketReply, secrets: &Secrets) -> (Vec<Event>, Answer) {
    let events = messages(reply).filter_map(|message| match message.as_slice() {
        [word, name, event] if word == "EVENT" && name == SWEEP => Event::deserialize(event).ok(),
        _ => None,
    });
    (events.collect(), ended(reply, SWEEP, Answer::Yes, secrets))
}

/// How a subscription ended: `whole`, where the relay has told all that it has.
fn ended(reply: &SocketReply, name: &str, whole: Answer, secrets: &Secrets) -> Answer {
    let end = messages(reply).find_map(|message| match message.as_slice() {
        [word, named, ..] if word == "EOSE" && named == name => Some(None),
        [word, named, why @ ..] if word == "CLOSED" && named == name => {
            Some(Some(why.first().and_then(Value::as_str).unwrap_or_default().to_owned()))
        }
        _ => None,
    });
    match end {
        Some(None) => whole,
        Some(Some(why)) => refusal(&why, secrets, Answer::Failed),
        None => silence(reply, secrets),
    }
}

/// A refusal by the word that NIP-01 puts in front; `other` for what has none that we know.
fn refusal(why: &str, secrets: &Secrets, other: fn(String) -> Answer) -> Answer {
    let told = secrets.quote(if why.trim().is_empty() { "no reason is given" } else { why });
    match prefix(why) {
        "auth-required" | "restricted" => Answer::Barred(told),
        "rate-limited" => Answer::Limited(told),
        "error" => Answer::Failed(told),
        _ => other(told),
    }
}

fn silence(reply: &SocketReply, secrets: &Secrets) -> Answer {
    match &reply.end {
        SocketEnd::NeverLeft(why) => Answer::Failed(secrets.quote(why)),
        SocketEnd::BrokenOff(why) => Answer::Unclear(secrets.quote(why)),
        SocketEnd::Over => Answer::Unclear("its answer cannot be read".into()),
    }
}

fn prefix(why: &str) -> &str {
    why.split_once(':').map_or("", |(prefix, _)| prefix.trim())
}

fn messages(reply: &SocketReply) -> impl Iterator<Item = Vec<Value>> {
    reply.messages.iter().filter_map(|message| serde_json::from_str(message).ok())
}
