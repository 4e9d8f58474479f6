//! Telegram: a channel or a group, by a bot of ours and the Bot API.
//!
//! A delivery is one call for each part of a thread, each answering the one before it; media go with the first part,
//! in the same call. Before the first one ever, harmless steps learn who the bot is (`me`), which chat it is about
//! (`chat`), and whether the bot may write there (`member`).
//!
//! What is decided here, and why:
//! - **Nothing can be read back.** A bot sees no history, and there is no key that makes one message of two requests.
//!   So a lost reply ends as `uncertain`, and a person looks ([`Evidence::None`]).
//! - **The account is the chat, not the bot.** The chat's number is pinned as the account's identity, and messages go
//!   to that number: a name may be given to another channel. A new bot for the same chat changes nothing.
//! - **Text goes without a parse mode**, so what was written is what people see.
//! - What shuts the bot out of the chat stops the account; what is wrong with one post refuses that post. Whether the
//!   bot may write is asked ahead, so that an account that is let in again is let in for good.
//! - A message number 0 means that Telegram has taken a film and sends it later, under a number that nobody is told:
//!   that is for a person, too.
//!
//! It does not edit, delete, pin, poll, read updates, write to a topic of a forum or send silently. Alt texts have no
//! place on this platform.

mod examine;
mod media;
#[cfg(test)]
mod tests;
pub mod text;
pub mod twin;
mod wire;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::contract::examine::{Examination, Facts};
use super::contract::{
    Abilities, Adapter, Answers, Ask, Attempt, Call, Complaint, Effect, Entry, Evidence, HttpReply, Key, KeyKind, Next,
    Purpose, Reading, Reply, Request, Session, Step, Table, Trouble,
};
use crate::domain::{Content, Remote, ReplyTo, SecretRef, Timestamp, Visibility};
use wire::{Chat, Draft, Wire};

/// The server that everybody uses.
const PUBLIC: &str = "https://api.telegram.org";
const TOKEN: &str = "token";

pub static ENTRY: Entry = Entry {
    name: "telegram",
    keys: &[
        Key {
            name: "chat",
            kind: KeyKind::Text,
            required: true,
            doc: "The channel or group: its public name with @, or its number, such as \"-1001234567890\".",
        },
        Key { name: TOKEN, kind: KeyKind::Secret, required: true, doc: "The bot's token, as @BotFather gives it." },
        Key {
            name: "base_url",
            kind: KeyKind::Url,
            required: false,
            doc: "A Bot API server of one's own; https://api.telegram.org where it is left out.",
        },
    ],
    can: Abilities {
        text_alone: true,
        images: ALBUM,
        videos: ALBUM,
        sounds: ALBUM,
        documents: ALBUM,
        mixed: true,
        threads: true,
        answers: Answers::Ours,
        warnings: false,
        unlisted: false,
        followers: false,
    },
    build,
    twin: || Box::new(twin::TelegramTwin::default()),
};

/// Most files of one album.
const ALBUM: usize = 10;

fn build(table: &mut Table) -> Option<Arc<dyn Adapter>> {
    let base = table.base_url_or("base_url", PUBLIC);
    let token = table.secret(TOKEN);
    let chat = table.required("chat");
    let parsed = chat.as_deref().and_then(Chat::parse);
    if let (Some(chat), None) = (&chat, &parsed) {
        let complaint = Complaint::new("chat", format!("{chat:?} is neither a chat's name nor its number"));
        table.complain(complaint.with_hint("write it as \"@name\" or \"-1001234567890\""));
    }
    Some(Arc::new(Telegram { base: base?, token: token?, chat: parsed? }))
}

/// One chat.
#[derive(Debug)]
struct Telegram {
    base: Url,
    token: SecretRef,
    chat: Chat,
}

/// Checkpoint of a published part.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Posted {
    chat: i64,
    message: i64,
    url: Option<String>,
}

impl Posted {
    /// What Telegram calls it: a message's number means nothing without its chat.
    fn id(&self) -> String {
        format!("{}/{}", self.chat, self.message)
    }
}

/// Keys of [`Session::values`]: the numbers of the bot and of the chat.
const BOT: &str = "bot";
const CHAT: &str = "chat";
/// Whether members may not write in it.
const CLOSED: &str = "closed";

impl Adapter for Telegram {
    fn platform(&self) -> &'static str {
        ENTRY.name
    }

    fn place(&self) -> String {
        let host = self.base.host_str().unwrap_or_default();
        let port = self.base.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{host}{port}/{}", self.chat).to_lowercase()
    }

    fn evidence(&self) -> Evidence {
        Evidence::None
    }

    fn secrets(&self) -> Vec<(&'static str, SecretRef)> {
        vec![(TOKEN, self.token.clone())]
    }

    fn check(&self, content: &Content, _session: &Session) -> Vec<Complaint> {
        let mut complaints = ENTRY.can.complaints(ENTRY.name, content);
        for (part, text) in text::compose(content).iter().enumerate() {
            if let Some(reason) = about_text(part, text, !content.media.is_empty()) {
                let hint = "shorten it, split it into a thread, or give this account a variant";
                complaints.push(Complaint::new(if part == 0 { "text" } else { "thread" }, reason).with_hint(hint));
            }
        }
        let objections = media::objections(content, self.largest_file());
        complaints.extend(objections.into_iter().map(|reason| Complaint::new("media", reason)));
        if content.visibility != Visibility::Public {
            let reason = "who is in the chat sees all of it; there is no narrower visibility";
            let hint = "leave this account out, or make the post public";
            complaints.push(Complaint::new("visibility", reason).with_hint(hint));
        }
        complaints
    }

    /// The text is composed anew for each attempt, always alike.
    fn freeze(&self, _content: &Content, _now: Timestamp, _draw: u64) -> Value {
        json!({ "composition": 1 })
    }

    fn examine(&self, about: &Examination<'_>, replies: &[HttpReply]) -> Ask<Facts> {
        self.examined(about, replies)
    }

    fn next(&self, attempt: &Attempt<'_>) -> Next {
        let Some(token) = attempt.secrets.get(TOKEN).filter(|token| !token.expose().is_empty()) else {
            return Next::Auth("there is no bot token".into());
        };
        if !wire::is_token(token.expose()) {
            return Next::Auth("the token is none: @BotFather gives a number, a colon and letters".into());
        }
        let posts: Vec<Posted> = attempt.published();
        let part = posts.len();
        if part > attempt.job.content.thread.len() {
            return done(&posts);
        }
        if attempt.purpose == Purpose::LookBack {
            return Next::CannotTell("telegram shows no bot what is in a chat: look there".into());
        }
        let wire = Wire { base: &self.base, token };
        let number = |key: &str| attempt.session.values.get(key).and_then(Value::as_i64);
        let (Some(bot), Some(chat)) = (number(BOT), number(CHAT)) else {
            return match number(BOT) {
                None => harmless("me", wire.me()),
                Some(_) => harmless("chat", wire.chat(&self.chat)),
            };
        };
        if attempt.session.identity.is_none() {
            return harmless("member", wire.member(chat, bot));
        }
        self.publish(attempt, wire, chat, &posts)
    }

    fn read(&self, attempt: &Attempt<'_>, step: &Step, reply: &Reply) -> Reading {
        let Reply::Http(reply) = reply else {
            return Trouble::Unknown("not a reply of this platform".into()).reading(step.effect);
        };
        let result = match wire::understand(reply, attempt.secrets.get(TOKEN), attempt.now) {
            Ok(result) => result,
            Err(trouble) => return trouble.reading(step.effect),
        };
        match step.name.as_str() {
            "me" => learned(attempt, BOT, result["id"].as_i64()),
            "chat" => match learned(attempt, CHAT, result["id"].as_i64()) {
                Reading::Session(mut session) => {
                    let closed = result["permissions"]["can_send_messages"] == false;
                    session.values.insert(CLOSED.into(), closed.into());
                    Reading::Session(session)
                }
                other => other,
            },
            "member" => member(attempt, &result),
            _ => sent(attempt, &result),
        }
    }
}

impl Telegram {
    fn largest_file(&self) -> Option<u64> {
        let public = Url::parse(PUBLIC).is_ok_and(|public| public.host() == self.base.host());
        public.then_some(media::FILE_BYTES)
    }

    fn publish(&self, attempt: &Attempt<'_>, wire: Wire<'_>, chat: i64, posts: &[Posted]) -> Next {
        let (job, part) = (attempt.job, posts.len());
        let parts = text::compose(&job.content);
        let has_media = !job.content.media.is_empty();
        let wrong = parts.iter().enumerate().find_map(|(part, text)| about_text(part, text, has_media));
        if part == 0
            && let Some(why) = wrong.or_else(|| media::unfit(job, self.largest_file()))
        {
            return Next::Refuse(why);
        }
        let answers = match posts.last() {
            Some(before) => Some(before.message),
            None => match self.answered(attempt, chat) {
                Ok(answers) => answers,
                Err(why) => return Next::Refuse(why.into()),
            },
        };
        let draft = Draft {
            chat,
            text: &parts[part],
            link: job.content.link.as_deref().filter(|_| part == 0),
            media: if part == 0 { &job.media } else { &[] },
            answers,
        };
        // The delivery's key cannot occur in a file that was made before it.
        let request = wire.send(&format!("cadenced-{}-{part}", job.key), &draft);
        Next::Call(Step { name: format!("publish-{part}"), effect: Effect::Publishes, call: Call::Http(request) })
    }

    /// The message that the first part answers.
    fn answered(&self, attempt: &Attempt<'_>, chat: i64) -> Result<Option<i64>, &'static str> {
        match (&attempt.job.content.reply_to, &attempt.job.answers) {
            (None, _) => Ok(None),
            (Some(ReplyTo::Theirs(_)), _) => Err("telegram lets nobody answer posts of other people this way"),
            (Some(ReplyTo::Ours(_)), None) => Err("the post that it answers is not on this account"),
            (Some(ReplyTo::Ours(_)), Some(remote)) => message_of(&remote.id, chat, &self.chat)
                .map(Some)
                .ok_or("the post that it answers is not known to be in this chat"),
        }
    }
}

fn harmless(name: &str, request: Request) -> Next {
    Next::Call(Step { name: name.into(), effect: Effect::Harmless, call: Call::Http(request) })
}

/// What is wrong with the text of a part.
fn about_text(part: usize, text: &str, has_media: bool) -> Option<String> {
    let below_media = part == 0 && has_media;
    let name = if part == 0 { "the text".to_owned() } else { format!("part {}", part + 1) };
    let (chars, most) = (text::chars(text), if below_media { text::CAPTION } else { text::TEXT });
    if text.trim().is_empty() && !below_media {
        return Some(format!("{name} is empty"));
    }
    let place = if below_media { " below media" } else { "" };
    (chars > most).then(|| format!("{name} has {chars} characters, telegram takes {most}{place}"))
}

fn done(posts: &[Posted]) -> Next {
    match posts.first() {
        Some(first) => Next::Done(Remote { id: first.id(), url: first.url.clone(), reference: Value::Null.into() }),
        None => Next::Refuse("there is nothing to publish".into()),
    }
}

/// The number of a message of this chat, from its name, or from the address that a person has told. Whether a public
/// name is that of this chat, only the configuration tells.
fn message_of(name: &str, number: i64, chat: &Chat) -> Option<i64> {
    let (before, message) = name.trim_end_matches('/').rsplit_once('/')?;
    let message = message.parse().ok().filter(|message| *message > 0)?;
    let ours = match (before.strip_prefix("https://t.me/c/"), before.strip_prefix("https://t.me/")) {
        (Some(internal), _) => format!("-100{internal}") == number.to_string(),
        (None, Some(public)) => format!("@{public}").eq_ignore_ascii_case(&chat.to_string()),
        (None, None) => before == number.to_string(),
    };
    ours.then_some(message)
}

fn learned(attempt: &Attempt<'_>, key: &str, number: Option<i64>) -> Reading {
    let Some(number) = number.filter(|number| *number != 0) else {
        return Reading::Retry { after: None, why: format!("telegram told no number of the {key}") };
    };
    let mut session = attempt.session.clone();
    session.values.insert(key.into(), number.into());
    Reading::Session(session)
}

/// Whether the bot may write. What is not surely a no, the first message decides.
fn member(attempt: &Attempt<'_>, result: &Value) -> Reading {
    let why = match result["status"].as_str() {
        Some("left" | "kicked") => "the bot is not in the chat",
        Some("member") if attempt.session.values.get(CLOSED) == Some(&Value::Bool(true)) => {
            "members may not write in this group: make the bot an administrator"
        }
        Some("restricted") if result["can_send_messages"] == false => "the bot may not write in the chat",
        // Told for channels only.
        Some("administrator") if result["can_post_messages"] == false => {
            "the bot is an administrator who may not post: give it that right"
        }
        Some(_) => {
            let mut session = attempt.session.clone();
            session.identity = session.values.get(CHAT).and_then(Value::as_i64).map(|number| number.to_string());
            return Reading::Session(session);
        }
        None => return Reading::Retry { after: None, why: "telegram told nothing of the bot in the chat".into() },
    };
    Reading::Auth { why: why.into() }
}

/// A message was sent, or an album of them, of which the first one stands for all.
fn sent(attempt: &Attempt<'_>, result: &Value) -> Reading {
    let unclear = |why: &str| Reading::Unclear { why: why.into() };
    let first = match result {
        Value::Array(messages) => messages.first(),
        message => Some(message),
    };
    let chat = attempt.session.values.get(CHAT).and_then(Value::as_i64);
    let numbers = first.and_then(|message| Some((message["chat"]["id"].as_i64()?, message["message_id"].as_i64()?)));
    let (Some(message), Some((found, number))) = (first, numbers) else {
        return unclear("the answer to publishing names no message");
    };
    if Some(found) != chat {
        return unclear("the answer to publishing names another chat");
    }
    if number <= 0 {
        return unclear("telegram sends it later, and does not tell under which number");
    }
    let username = message["chat"]["username"].as_str().filter(|name| Chat::parse(&format!("@{name}")).is_some());
    let internal = found.to_string().strip_prefix("-100").map(|inner| format!("c/{inner}"));
    // A group that is no supergroup, and a person, have no pages.
    let place = username.map(Into::into).or(internal);
    let url = place.map(|place: String| format!("https://t.me/{place}/{number}"));
    let posted = Posted { chat: found, message: number, url };
    serde_json::to_value(posted).map_or_else(|_| unclear("the message cannot be kept"), Reading::Checkpoint)
}
