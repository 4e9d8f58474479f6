//! An imitation of the Bot API, as far as the adapter speaks to it: one bot for each account, each in a channel of its
//! own. It looks at tokens, lengths, files and the message that is answered, and refuses in Telegram's words. As the
//! real one, it takes everything twice, and tells nobody what is in a chat.

use serde_json::{Map, Value, json};

use super::text;
use super::wire::Chat;
use crate::domain::{Secret, Timestamp, time};
use crate::platform::contract::{Call, HttpReply, Part, Published, Reply, Request, Secrets, Twin};

/// The numbers of the first bot and of the first channel; the others follow.
const BOT: i64 = 7_000_000_000;
const CHANNEL: i64 = -1_002_000_000_000;

#[derive(Debug, Default)]
pub struct TelegramTwin {
    /// Of all channels, in the order they appeared.
    messages: Vec<Message>,
    throttled: Option<Timestamp>,
    revoked: bool,
    /// The bots are in no chat any more.
    removed: bool,
    /// The bots may write, and send no photos.
    textual: bool,
}

#[derive(Debug)]
struct Message {
    account: u32,
    number: i64,
    text: String,
    answers: Option<i64>,
    at: Timestamp,
    /// One of the later items of an album, which says nothing.
    silent: bool,
}

/// What a method was given: fields and files.
struct Given {
    fields: Map<String, Value>,
    files: Vec<Part>,
}

impl TelegramTwin {
    /// The bots are thrown out of their channels, or let in again.
    pub fn set_removed(&mut self, removed: bool) {
        self.removed = removed;
    }

    /// The bots may write from now on, and send no photos.
    pub fn bar_photos(&mut self) {
        self.textual = true;
    }

    fn route(&mut self, request: &Request, now: Timestamp) -> HttpReply {
        let url = request.exposed_url().unwrap_or_else(|_| request.url.clone());
        let mut segments = url.path_segments().into_iter().flatten().rev();
        let (method, bot) = (segments.next().unwrap_or_default(), segments.next().unwrap_or_default());
        let Some(account) = account_of(bot).filter(|_| !self.revoked) else {
            return error(401, "Unauthorized", Value::Null);
        };
        if let Some(until) = self.throttled.filter(|until| *until > now) {
            let seconds = time::since(until, now).as_secs().max(1);
            let parameters = json!({ "retry_after": seconds });
            return error(429, &format!("Too Many Requests: retry after {seconds}"), parameters);
        }
        let Some(given) = Given::read(request) else {
            return error(400, "Bad Request: unsupported content type", Value::Null);
        };
        match method {
            "getMe" => {
                let me = json!({"id": BOT + i64::from(account), "is_bot": true, "first_name": "Twin", "username": format!("twin{account}_bot")});
                result(me)
            }
            _ if !names(given.field("chat_id"), account) => error(400, "Bad Request: chat not found", Value::Null),
            "getChat" => result(chat(account)),
            "getChatMember" if self.removed => result(json!({"status": "left", "user": {"id": BOT, "is_bot": true}})),
            "getChatMember" if self.textual => result(json!({
                "status": "restricted",
                "user": {"id": BOT + i64::from(account), "is_bot": true, "first_name": "Twin"},
                "can_send_messages": true, "can_send_photos": false, "can_send_videos": true,
                "can_send_audios": true, "can_send_documents": true,
            })),
            "getChatMember" => result(json!({
                "status": "administrator",
                "user": {"id": BOT + i64::from(account), "is_bot": true, "first_name": "Twin"},
                "can_post_messages": true,
            })),
            _ if self.removed => error(403, "Forbidden: bot is not a member of the channel chat", Value::Null),
            "sendMessage" | "sendPhoto" | "sendVideo" | "sendAnimation" | "sendAudio" | "sendDocument"
            | "sendMediaGroup" => self.send(account, method, &given, now).unwrap_or_else(|error| error),
            _ => error(404, "Not Found", Value::Null),
        }
    }

    fn send(&mut self, account: u32, method: &str, given: &Given, now: Timestamp) -> Result<HttpReply, HttpReply> {
        let refuse = |why: &str| error(400, &format!("Bad Request: {why}"), Value::Null);
        let album: Vec<Value> = match given.field("media").as_str() {
            Some(media) => serde_json::from_str(media).map_err(|_| refuse("can't parse media JSON object"))?,
            None => Vec::new(),
        };
        let (text, most) = match method {
            "sendMessage" => (given.field("text"), text::TEXT),
            "sendMediaGroup" => (album.first().map_or(&Value::Null, |item| &item["caption"]), text::CAPTION),
            _ => (given.field("caption"), text::CAPTION),
        };
        let text = text.as_str().unwrap_or_default().trim().to_owned();
        match text::chars(&text) {
            0 if method == "sendMessage" => return Err(refuse("message text is empty")),
            chars if chars > most && most == text::TEXT => return Err(refuse("message is too long")),
            chars if chars > most => return Err(refuse("message caption is too long")),
            _ => {}
        }
        if let Some(why) = misfit(method, &album, given) {
            return Err(refuse(why));
        }
        // A form holds objects as texts.
        let answers = match given.field("reply_parameters") {
            Value::String(text) => serde_json::from_str(text).unwrap_or_default(),
            value => value.clone(),
        };
        let answers = answers["message_id"].as_i64();
        let is_there = |number: i64| self.of(account).any(|message| message.number == number);
        if answers.is_some_and(|number| !is_there(number)) {
            return Err(refuse("message to be replied not found"));
        }
        let mut shown = Vec::new();
        for place in 0..album.len().max(1) {
            let number = self.of(account).map(|message| message.number).max().unwrap_or(0) + 1;
            let said = if place == 0 { text.clone() } else { String::new() };
            let field = if method == "sendMessage" { "text" } else { "caption" };
            let mut message = json!({
                "message_id": number, "date": now.as_second(), "chat": chat(account), "sender_chat": chat(account),
            });
            if !said.is_empty() {
                message[field] = said.clone().into();
            }
            shown.push(message);
            self.messages.push(Message { account, number, text: said, answers, at: now, silent: place > 0 });
        }
        let first = shown.first().cloned().unwrap_or_default();
        Ok(result(if album.is_empty() { first } else { Value::Array(shown) }))
    }

    fn of(&self, account: u32) -> impl Iterator<Item = &Message> {
        self.messages.iter().filter(move |message| message.account == account)
    }
}

impl Given {
    fn read(request: &Request) -> Option<Self> {
        if request.body.is_empty() {
            return Some(Self { fields: Map::new(), files: Vec::new() });
        }
        if let Some(parts) = request.body.parts() {
            let (files, fields): (Vec<_>, Vec<_>) = parts.into_iter().partition(|part| part.file.is_some());
            let fields = fields.into_iter().map(|part| (part.name.clone(), part.text().into())).collect();
            return Some(Self { fields, files });
        }
        let Ok(Value::Object(fields)) = serde_json::from_slice(&request.body.concat()) else { return None };
        Some(Self { fields, files: Vec::new() })
    }

    fn field(&self, name: &str) -> &Value {
        self.fields.get(name).unwrap_or(&Value::Null)
    }
}

/// What is wrong with the files.
fn misfit(method: &str, album: &[Value], given: &Given) -> Option<&'static str> {
    let file = |name: &str| given.files.iter().find(|file| file.name == name).filter(|file| !file.bytes.is_empty());
    let is_photo =
        |file: &Part| [b"\x89PNG".as_slice(), b"\xff\xd8\xff", b"RIFF"].iter().any(|head| file.bytes.starts_with(head));
    if method == "sendMediaGroup" {
        if !(2..=10).contains(&album.len()) {
            return Some("wrong number of messages in the album");
        }
        let named = |item: &Value| item["media"].as_str().and_then(|name| file(name.strip_prefix("attach://")?));
        let photo = |item: &Value| item["type"] != "photo" || named(item).is_some_and(is_photo);
        return match album.iter().all(|item| named(item).is_some() && photo(item)) {
            true => None,
            false => Some("failed to get HTTP URL content"),
        };
    }
    let field = method.strip_prefix("send")?.to_lowercase();
    match file(&field) {
        _ if method == "sendMessage" => None,
        None => Some("there is no file in the request"),
        Some(file) if method == "sendPhoto" && !is_photo(file) => Some("IMAGE_PROCESS_FAILED"),
        Some(_) => None,
    }
}

/// Whose bot it is.
fn account_of(bot: &str) -> Option<u32> {
    let account = bot.rsplit_once('-')?.1.parse().ok()?;
    (bot == format!("bot{}", token(account))).then_some(account)
}

fn token(account: u32) -> String {
    format!("{}:twin-token-{account}", BOT + i64::from(account))
}

fn names(chat: &Value, account: u32) -> bool {
    let number = CHANNEL - i64::from(account);
    match chat.as_str().map(Chat::parse) {
        Some(Some(Chat::Name(name))) => name == format!("@twin{account}"),
        Some(Some(Chat::Number(told))) => told == number,
        Some(None) => false,
        None => chat.as_i64() == Some(number),
    }
}

fn chat(account: u32) -> Value {
    let number = CHANNEL - i64::from(account);
    json!({"id": number, "type": "channel", "title": format!("Twin {account}"), "username": format!("twin{account}")})
}

fn result(value: Value) -> HttpReply {
    HttpReply::json(200, &json!({"ok": true, "result": value}))
}

fn error(code: u16, description: &str, parameters: Value) -> HttpReply {
    let mut value = json!({"ok": false, "error_code": code, "description": description});
    if !parameters.is_null() {
        value["parameters"] = parameters;
    }
    HttpReply::json(code, &value)
}

impl Twin for TelegramTwin {
    fn table(&self, account: u32, base: &str, _folder: &str) -> toml::Table {
        let mut token = toml::Table::new();
        token.insert("env".into(), format!("TWIN_TOKEN_{account}").into());
        let mut table = toml::Table::new();
        table.insert("base_url".into(), base.into());
        table.insert("chat".into(), format!("@twin{account}").into());
        table.insert("token".into(), token.into());
        table
    }

    fn secrets(&self, account: u32) -> Secrets {
        Secrets([("token".to_owned(), Secret::new(token(account)))].into())
    }

    fn answer(&mut self, call: &Call, now: Timestamp) -> Reply {
        Reply::Http(match call {
            Call::Http(request) => self.route(request, now),
            _ => error(400, "Bad Request: not a request", Value::Null),
        })
    }

    fn published_since(&self, mark: &mut usize) -> Vec<Published> {
        let id = |account: u32, number: i64| format!("{}/{number}", CHANNEL - i64::from(account));
        let shown = |message: &Message| Published {
            account: message.account,
            id: id(message.account, message.number),
            text: message.text.clone(),
            at: message.at,
            answers: message.answers.map(|number| id(message.account, number)),
        };
        let from = std::mem::replace(mark, self.messages.len());
        self.messages.iter().skip(from).filter(|message| !message.silent).map(shown).collect()
    }

    fn throttle(&mut self, until: Timestamp) {
        self.throttled = Some(until);
    }

    /// A bot's token does not end.
    fn expire_tokens(&mut self) {}

    fn set_revoked(&mut self, revoked: bool) {
        self.revoked = revoked;
    }
}
