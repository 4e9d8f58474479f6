//! What YouTube tells of a channel. What the token may do was told when it was got ([`session`]); what is left of the
//! project's quota is told to nobody.

use serde_json::Value;

use super::{Youtube, session};
use crate::platform::contract::examine::{End, Ending, Examination, Facts, Life, Note};
use crate::platform::contract::{Ask, Call, HttpReply, Session, quoted};

impl Youtube {
    pub(super) fn examined(&self, about: &Examination<'_>, replies: &[HttpReply]) -> Ask<Facts> {
        let Some(access) = session::held(about.session, about.now) else { return Ask::Done(Facts::default()) };
        let Some(reply) = replies.first() else {
            return match self.wire.about_channel(&access) {
                Call::Http(request) => Ask::Call(request),
                _ => Ask::Done(Facts::default()),
            };
        };
        let mut facts = Facts { token: Some(Life::Renewed), ..Facts::default() };
        let value = reply.value().filter(|_| reply.status == 200).unwrap_or_default();
        let channel = value.pointer("/items/0").unwrap_or(&Value::Null);
        let word = |path: &str| channel.pointer(path).and_then(Value::as_str);
        facts.name = word("/snippet/title").map(|name| quoted(name, &[access.expose()]));
        match word("/status/longUploadsStatus") {
            Some("eligible" | "disallowed") => facts.notes.push(Note::warn(
                "the channel may not upload videos longer than 15 minutes, and perhaps no thumbnails",
                "verify the channel at youtube.com/verify",
            )),
            Some("allowed") => facts.notes.push(Note::ok("the token may manage videos, and the channel is verified")),
            _ => facts.notes.push(Note::ok("the token may manage videos")),
        }
        Ask::Done(facts)
    }

    /// The refresh token, where Google has said when it ends.
    pub(super) fn ending(&self, session: &Session) -> Vec<End> {
        session::refresh_ends(session).map(|at| End { of: Ending::Token, at }).into_iter().collect()
    }
}
