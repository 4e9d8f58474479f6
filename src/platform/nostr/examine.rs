//! What relays tell of themselves (NIP-11), each asked over HTTPS at the address of its socket. The first steps have found
//! out that at least one lets our key in; here it is told which ones cannot be reached, and which ask for more.

use serde_json::Value;
use url::Url;

use super::{Nostr, name};
use crate::platform::contract::examine::{Examination, Facts, Life, Note};
use crate::platform::contract::{Ask, Body, HeaderValue, HttpReply, Method, Request, quoted};

impl Nostr {
    pub(super) fn examined(&self, about: &Examination<'_>, replies: &[HttpReply]) -> Ask<Facts> {
        if let Some(relay) = self.relays.get(replies.len()) {
            return match by_http(relay) {
                Some(request) => Ask::Call(request),
                None => Ask::Done(Facts::default()),
            };
        }
        let mut facts = Facts { token: Some(Life::Endless), ..Facts::default() };
        facts.notes = self.relays.iter().zip(replies).map(|(relay, reply)| self.note(relay, reply)).collect();
        if let Some(key) = about.secrets.get("key") {
            for note in &mut facts.notes {
                note.what = quoted(&note.what, &[key.expose()]);
            }
        }
        Ask::Done(facts)
    }

    fn note(&self, relay: &Url, reply: &HttpReply) -> Note {
        let shown = name(relay);
        let instead = "take it out of `relays`, or put another one beside it";
        if reply.status == 0 {
            return Note::warn(format!("the relay {shown} cannot be reached"), instead);
        }
        let value = reply.value().filter(|_| reply.status == 200).unwrap_or_default();
        let demands =
            |key: &str| value.pointer("/limitation").and_then(|held| held.get(key)) == Some(&Value::Bool(true));
        if demands("payment_required") {
            return Note::warn(format!("the relay {shown} wants to be paid"), instead);
        }
        if demands("restricted_writes") {
            return Note::warn(format!("the relay {shown} takes notes of some people only"), instead);
        }
        if demands("auth_required") {
            return Note::warn(format!("the relay {shown} wants a login, which is not built in"), instead);
        }
        Note::ok(format!("the relay {shown} answers"))
    }
}

fn by_http(relay: &Url) -> Option<Request> {
    let scheme = if relay.scheme() == "wss" { "https" } else { "http" };
    let url = Url::parse(&relay.as_str().replacen(relay.scheme(), scheme, 1)).ok()?;
    let headers = vec![("Accept", HeaderValue::Plain("application/nostr+json".into()))];
    Some(Request { method: Method::Get, url, secret_path: None, headers, body: Body::default() })
}
