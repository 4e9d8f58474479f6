//! What an account's server tells of it. The session was begun by the first steps, with the password.

use serde_json::Value;

use super::{Bluesky, session, wire};
use crate::platform::contract::examine::{Examination, Facts, Life, Note};
use crate::platform::contract::{Ask, Call, HttpReply};

/// The scope of a session that was begun with the account's main password.
const MAIN: &str = "com.atproto.access";

impl Bluesky {
    pub(super) fn examined(&self, about: &Examination<'_>, replies: &[HttpReply]) -> Ask<Facts> {
        let Some(access) = session::access(about.session, about.now) else { return Ask::Done(Facts::default()) };
        let Some(reply) = replies.first() else {
            return match self.wire.get_session(access) {
                Call::Http(request) => Ask::Call(request),
                _ => Ask::Done(Facts::default()),
            };
        };
        let mut facts = Facts { token: Some(Life::Endless), ..Facts::default() };
        let value = reply.value().filter(|_| reply.status == 200).unwrap_or_default();
        match value.get("handle").and_then(Value::as_str) {
            Some("handle.invalid") => facts.notes.push(Note::warn(
                "its handle does not lead to it: people find it by nothing but its number",
                "mend the handle's DNS record or well-known file",
            )),
            Some(handle) => {
                let handle = wire::quote(handle, &[access.expose()]);
                if !self.handle.starts_with("did:") && !handle.eq_ignore_ascii_case(&self.handle) {
                    let what = format!("it is called {handle} now, and {:?} in the configuration", self.handle);
                    facts.notes.push(Note::warn(what, "correct `handle`: somebody else may take the old one"));
                }
                facts.name = Some(format!("@{handle}"));
            }
            None => {}
        }
        if value.get("active") == Some(&Value::Bool(false)) {
            facts.notes.push(Note::fail("the account is not active", "look into it with Bluesky's own app"));
        }
        if wire::token_scope(access.expose()).as_deref() == Some(MAIN) {
            facts.notes.push(Note::warn(
                "the configuration holds the account's main password",
                "make an app password, which can be taken back and cannot delete the account",
            ));
        }
        Ask::Done(facts)
    }
}
