//! What Facebook tells of a Page: its name, and which version of the API answers. What a Page's token may do, and until
//! when, it tells by `debug_token` only, which wants the token in an address.

use super::wire::Wire;
use super::{Facebook, errors, is_version};
use crate::platform::contract::examine::{Examination, Facts, Note};
use crate::platform::contract::{Ask, HttpReply};

impl Facebook {
    pub(super) fn examined(&self, about: &Examination<'_>, replies: &[HttpReply]) -> Ask<Facts> {
        let Some(token) = about.secrets.get("token") else { return Ask::Done(Facts::default()) };
        let app_secret = about.secrets.get("app_secret");
        let Some(reply) = replies.first() else {
            let wire = Wire { base: &self.base, version: &self.version, page: &self.page, token, app_secret };
            return Ask::Call(wire.me());
        };
        let mut facts = Facts::default();
        let value = reply.value().filter(|_| reply.status == 200).unwrap_or_default();
        let hidden: Vec<&str> = about.secrets.0.values().map(crate::domain::Secret::expose).collect();
        facts.name = value["name"].as_str().map(|name| errors::shown(name, &hidden));
        let served = reply.header("facebook-api-version").filter(|version| is_version(version));
        facts.notes.push(match served {
            Some(served) if served != self.version => Note::warn(
                format!("Facebook serves {served} in place of {}, which is gone", self.version),
                format!("read what has changed, then set `version = {served:?}` for this account"),
            ),
            _ if reply.status != 200 => Note::warn("Facebook did not tell how the Page is", "ask again later"),
            _ => Note::ok(format!("version {} of the API answers", self.version)),
        });
        facts.notes.push(Note::ok(
            "a Page's token that was got with a long-lived token of a person has no end; Facebook tells neither that nor its \
             permissions here",
        ));
        Ask::Done(facts)
    }
}
