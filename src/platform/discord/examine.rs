//! What Discord tells of a webhook: its name and its server. A webhook that is there may post.

use super::wire::{Hook, Wire};
use super::{Discord, WEBHOOK};
use crate::platform::contract::examine::{Examination, Facts, Life, Note};
use crate::platform::contract::{Ask, HttpReply, quoted};

impl Discord {
    pub(super) fn examined(&self, about: &Examination<'_>, replies: &[HttpReply]) -> Ask<Facts> {
        let secret = about.secrets.get(WEBHOOK);
        let Some((secret, hook)) = secret.and_then(|secret| Some((secret, Hook::parse(secret.expose())?))) else {
            return Ask::Done(Facts::default());
        };
        let Some(reply) = replies.first() else {
            return Ask::Call(Wire { base: &self.base, hook: &hook, thread: self.thread.as_deref() }.webhook());
        };
        let mut facts = Facts { token: Some(Life::Endless), ..Facts::default() };
        let value = reply.value().filter(|_| reply.status == 200).unwrap_or_default();
        let quote = |text: &str| quoted(text, &[secret.expose()]);
        facts.name = value["name"].as_str().map(|name| format!("the webhook {:?}", quote(name)));
        if let Some(thread) = &self.thread {
            facts.notes.push(Note::ok(format!("whether the thread {thread} is open, the first post will show")));
        }
        Ask::Done(facts)
    }
}
