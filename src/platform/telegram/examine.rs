//! What Telegram tells of a bot in its chat. Whether it may write there at all, the first steps have found out.

use super::wire::{self, Wire};
use super::{BOT, CHAT, TOKEN, Telegram};
use crate::platform::contract::examine::{Examination, Facts, Life, Note};
use crate::platform::contract::{Ask, HttpReply, quoted};

/// What a bot with restrictions may be kept from sending.
const MEDIA: [&str; 4] = ["can_send_photos", "can_send_videos", "can_send_audios", "can_send_documents"];

impl Telegram {
    pub(super) fn examined(&self, about: &Examination<'_>, replies: &[HttpReply]) -> Ask<Facts> {
        let number = |key: &str| about.session.values.get(key).and_then(serde_json::Value::as_i64);
        let (Some(token), Some(bot), Some(chat)) = (about.secrets.get(TOKEN), number(BOT), number(CHAT)) else {
            return Ask::Done(Facts::default());
        };
        let wire = Wire { base: &self.base, token };
        let [me, place, member] = replies else {
            return Ask::Call(match replies {
                [] => wire.me(),
                [_] => wire.chat(&self.chat),
                _ => wire.member(chat, bot),
            });
        };
        let result = |reply| wire::understand(reply, Some(token), about.now).unwrap_or_default();
        let (me, place, member) = (result(me), result(place), result(member));
        let mut facts = Facts { token: Some(Life::Endless), ..Facts::default() };
        let quote = |text: &str| quoted(text, &[token.expose()]);
        let bot = me["username"].as_str().map(|name| format!("@{}", quote(name)));
        facts.name = bot.map(|bot| format!("{bot} in {}", quote(place["title"].as_str().unwrap_or("its chat"))));
        let barred: Vec<&str> = MEDIA.into_iter().filter(|right| member[*right] == false).collect();
        facts.notes.push(if member["status"].is_null() {
            Note::warn("Telegram did not tell what the bot may do in the chat", "ask again later")
        } else if barred.is_empty() {
            Note::ok("the bot may write in the chat")
        } else {
            Note::warn(
                format!("the bot may write in the chat, and not send all media (no {})", barred.join(", ")),
                "give it these rights, or send posts without such media",
            )
        });
        Ask::Done(facts)
    }
}
