//! The wire: every request the adapter can make, and what the words of a refusal mean.
//!
//! The token is part of every address. It enters a request as [`Request::secret_path`] and nowhere else, and is taken
//! out of what a server says before that is told.

use serde_json::{Map, Value, json};
use url::Url;

use super::media::Kind;
use crate::domain::{Secret, Timestamp};
use crate::platform::contract::{
    Body, HeaderValue, HttpReply, Media, Method, Request, SECRET_IN_PATH, Trouble, quoted, wait,
};

/// A chat as the configuration names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chat {
    /// With its `@`.
    Name(String),
    Number(i64),
}

impl Chat {
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(name) = text.strip_prefix('@') {
            let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            return (plain && (4..=32).contains(&name.len())).then(|| Self::Name(text.into()));
        }
        text.parse().ok().filter(|number| *number != 0).map(Self::Number)
    }

    fn value(&self) -> Value {
        match self {
            Self::Name(name) => json!(name),
            Self::Number(number) => json!(number),
        }
    }
}

impl std::fmt::Display for Chat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

/// Whether a secret looks like what @BotFather hands out: a number, a colon, and letters.
pub fn is_token(text: &str) -> bool {
    let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_');
    text.split_once(':').is_some_and(|(bot, rest)| {
        !bot.is_empty() && bot.bytes().all(|c| c.is_ascii_digit()) && !rest.is_empty() && rest.bytes().all(plain)
    })
}

/// Builds the requests of one bot.
#[derive(Debug, Clone, Copy)]
pub struct Wire<'a> {
    pub base: &'a Url,
    pub token: &'a Secret,
}

/// One message to send, or one album.
#[derive(Debug, Clone)]
pub struct Draft<'a> {
    pub chat: i64,
    pub text: &'a str,
    /// What the preview shows, where the post names it.
    pub link: Option<&'a str>,
    pub media: &'a [Media],
    /// The message that it answers, in the same chat.
    pub answers: Option<i64>,
}

impl Wire<'_> {
    pub fn me(self) -> Request {
        self.call("getMe", Body::default())
    }

    pub fn chat(self, chat: &Chat) -> Request {
        self.call("getChat", Body::json(&json!({ "chat_id": chat.value() })))
    }

    pub fn member(self, chat: i64, bot: i64) -> Request {
        self.call("getChatMember", Body::json(&json!({ "chat_id": chat, "user_id": bot })))
    }

    /// `boundary` must not occur in the parts.
    pub fn send(self, boundary: &str, draft: &Draft<'_>) -> Request {
        let answers = draft.answers.map(|id| json!({ "message_id": id }));
        match draft.media {
            [] => {
                let mut fields = Map::new();
                fields.insert("chat_id".into(), draft.chat.into());
                fields.insert("text".into(), draft.text.into());
                fields.extend(draft.link.map(|url| ("link_preview_options".into(), json!({ "url": url }))));
                fields.extend(answers.map(|answers| ("reply_parameters".into(), answers)));
                self.call("sendMessage", Body::json(&Value::Object(fields)))
            }
            [media] => {
                let kind = Kind::of(&media.mime);
                let mut fields = vec![("chat_id", draft.chat.to_string())];
                if !draft.text.is_empty() {
                    fields.push(("caption", draft.text.into()));
                }
                if kind == Kind::Video {
                    fields.push(("supports_streaming", "true".into()));
                }
                fields.extend(answers.map(|answers| ("reply_parameters", answers.to_string())));
                self.call(kind.method(), form(boundary, &fields, &[(kind.name().to_owned(), media)]))
            }
            several => {
                let files: Vec<_> =
                    several.iter().enumerate().map(|(place, media)| (format!("file{place}"), media)).collect();
                let mut album = Vec::new();
                for (name, media) in &files {
                    let kind = Kind::of(&media.mime);
                    let mut item = json!({ "type": kind.name(), "media": format!("attach://{name}") });
                    if kind == Kind::Video {
                        item["supports_streaming"] = true.into();
                    }
                    // What stands below the first one stands below the album.
                    if album.is_empty() && !draft.text.is_empty() {
                        item["caption"] = draft.text.into();
                    }
                    album.push(item);
                }
                let mut fields = vec![("chat_id", draft.chat.to_string()), ("media", Value::Array(album).to_string())];
                fields.extend(answers.map(|answers| ("reply_parameters", answers.to_string())));
                self.call("sendMediaGroup", form(boundary, &fields, &files))
            }
        }
    }

    fn call(self, method: &str, body: Body) -> Request {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend([&format!("bot{SECRET_IN_PATH}"), method]);
        }
        let method = if body.is_empty() { Method::Get } else { Method::Post };
        let headers = vec![("Accept", HeaderValue::Plain("application/json".into()))];
        Request { method, url, secret_path: Some(self.token.clone()), headers, body }
    }
}

fn form(boundary: &str, fields: &[(&str, String)], files: &[(String, &Media)]) -> Body {
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Body::form(boundary, &fields, files)
}

/// The result of a call, or why there is none.
pub fn understand(reply: &HttpReply, token: Option<&Secret>, now: Timestamp) -> Result<Value, Trouble> {
    let mut value = reply.value().unwrap_or(Value::Null);
    if reply.status == 200 && value["ok"] == true && !value["result"].is_null() {
        return Ok(value["result"].take());
    }
    let is_telegram = value["ok"] == false && value["error_code"] == reply.status;
    let said = value["description"].as_str().unwrap_or_default();
    let said = quoted(said, &[token.map_or("", Secret::expose)]);
    let why = if said.is_empty() { format!("status {}", reply.status) } else { format!("{}: {said}", reply.status) };
    Err(match reply.status {
        429 => {
            let told = value["parameters"]["retry_after"].as_f64().and_then(wait);
            Trouble::too_much(told.or_else(|| reply.retry_after(now)), now, why)
        }
        400 if is_telegram => refusal(&value, &said, why),
        // A token that is none leads to an address that is none.
        401 | 404 if is_telegram => Trouble::Stopped(format!("the bot's token is not accepted ({why})")),
        403 if is_telegram => Trouble::Stopped(format!("the bot is shut out of the chat ({why})")),
        408 | 499 => Trouble::Unknown(why),
        400..=498 if is_telegram => Trouble::Refused(why),
        400..=498 => Trouble::TurnedAway(format!("something before Telegram answered ({why})")),
        _ => Trouble::Unknown(why),
    })
}

/// What shuts the bot out of a chat as a whole, by the words of the description.
const SHUT_OUT: &[&str] = &[
    "chat not found",
    "need administrator rights",
    "not enough rights to send text messages",
    "have no rights to send a message",
    "chat_write_forbidden",
    "chat_admin_required",
    "user_banned_in_channel",
    "member list is inaccessible",
];

/// 400: about the chat, or about this message.
fn refusal(value: &Value, said: &str, why: String) -> Trouble {
    if let Some(number) = value["parameters"]["migrate_to_chat_id"].as_i64() {
        return Trouble::Stopped(format!(
            "the group has become a supergroup: write \"{number}\" as both chat and identity of the account ({why})"
        ));
    }
    let said = said.to_lowercase();
    if said.contains("chat not found") {
        let hint = "is the chat written as @name or -100…, and is the bot in it?";
        return Trouble::Stopped(format!("the bot finds no such chat; {hint} ({why})"));
    }
    if SHUT_OUT.iter().any(|words| said.contains(words)) {
        return Trouble::Stopped(format!("the bot may not write there; make it an administrator ({why})"));
    }
    Trouble::Refused(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chat_is_a_name_or_a_number() {
        assert_eq!(Chat::parse("@brand_news"), Some(Chat::Name("@brand_news".into())));
        assert_eq!(Chat::parse("-1002000000000"), Some(Chat::Number(-1_002_000_000_000)));
        for text in ["", "brand", "@a", "@with space", "@a/../b", "0", "-", "1.5", "https://t.me/brand"] {
            assert_eq!(Chat::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_token_is_a_number_and_letters() {
        assert!(is_token("110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"));
        for text in ["", "110201543", ":AAH", "110201543:", "bot110201543:AAH", "1:a/b", "1:a b", "x:AAH"] {
            assert!(!is_token(text), "{text}");
        }
    }
}
