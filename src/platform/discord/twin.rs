//! An imitation of Discord's webhooks, as far as the adapter speaks to them: one webhook for each account, each in a
//! channel of its own. It looks at tokens, lengths, files and mentions, and refuses with Discord's codes. As the real
//! one, it takes everything twice, and tells nobody what is in a channel.

use serde_json::{Map, Value, json};

use super::text;
use crate::domain::{Secret, Timestamp, time};
use crate::platform::contract::{Call, HttpReply, Method, Published, Reply, Request, Secrets, Twin};

/// The first webhook, channel and message; the others follow.
const HOOK: u64 = 1_200_000_000_000_000_000;
const CHANNEL: u64 = 1_300_000_000_000_000_000;
const MESSAGE: u64 = 1_400_000_000_000_000_000;
const GUILD: &str = "1100000000000000000";
/// Most bytes of one file on a server that nobody has paid for.
const FILE_BYTES: usize = 10 * 1024 * 1024;

#[derive(Debug, Default)]
pub struct DiscordTwin {
    messages: Vec<Published>,
    throttled: Option<Timestamp>,
    revoked: bool,
}

impl DiscordTwin {
    fn route(&mut self, request: &Request, now: Timestamp) -> HttpReply {
        let url = request.exposed_url().unwrap_or_else(|_| request.url.clone());
        let path: Vec<&str> = url.path_segments().into_iter().flatten().collect();
        let [.., "webhooks", id, token] = path[..] else { return error(404, 0, "404: Not Found") };
        let Some(account) = id.parse().ok().and_then(account_of).filter(|_| !self.revoked) else {
            return error(404, 10_015, "Unknown Webhook");
        };
        if token != self::token(account) {
            return error(401, 50_027, "Invalid Webhook Token");
        }
        if let Some(until) = self.throttled.filter(|until| *until > now) {
            let seconds = time::since(until, now).as_secs_f64().max(0.5);
            let mut reply = HttpReply::json(
                429,
                &json!({"message": "You are being rate limited.", "retry_after": seconds, "global": false}),
            );
            reply.headers.push(("retry-after".into(), seconds.ceil().to_string()));
            return reply;
        }
        let channel = (CHANNEL + u64::from(account)).to_string();
        match request.method {
            Method::Get => HttpReply::json(
                200,
                &json!({
                    "application_id": null, "avatar": null, "channel_id": channel, "guild_id": GUILD, "id": id,
                    "name": "Brand", "type": 1, "token": token,
                    "url": format!("https://discord.com/api/webhooks/{id}/{token}"),
                }),
            ),
            Method::Post => self.execute(account, id, request, now).unwrap_or_else(|refusal| refusal),
            _ => error(405, 0, "405: Method Not Allowed"),
        }
    }

    fn execute(&mut self, account: u32, hook: &str, request: &Request, now: Timestamp) -> Result<HttpReply, HttpReply> {
        let query =
            |name: &str| request.url.query_pairs().find(|(held, _)| held == name).map(|(_, value)| value.into_owned());
        let (message, files) =
            read(request).ok_or_else(|| error(400, 50_109, "The request body contains invalid JSON."))?;
        let field = |name: &str| message.get(name).unwrap_or(&Value::Null);
        let content = field("content").as_str().unwrap_or_default().trim();
        if text::length(content) > text::CONTENT {
            return Err(invalid("content", "BASE_TYPE_MAX_LENGTH", "Must be 2000 or fewer in length."));
        }
        if content.is_empty() && files.is_empty() {
            return Err(error(400, 50_006, "Cannot send an empty message"));
        }
        if files.len() > 10 {
            return Err(invalid("attachments", "BASE_TYPE_MAX_LENGTH", "Must be 10 or fewer in length."));
        }
        if files.iter().any(|bytes| *bytes > FILE_BYTES) {
            return Err(error(413, 40_005, "Request entity too large"));
        }
        let attachments = field("attachments").as_array().cloned().unwrap_or_default();
        let alt = |attachment: &Value| text::length(attachment["description"].as_str().unwrap_or_default());
        if attachments.iter().any(|attachment| alt(attachment) > text::ALT) {
            return Err(invalid("attachments", "BASE_TYPE_MAX_LENGTH", "Must be 1024 or fewer in length."));
        }
        let channel = query("thread_id").unwrap_or_else(|| (CHANNEL + u64::from(account)).to_string());
        let id = (MESSAGE + self.messages.len() as u64).to_string();
        let pings = content.contains("@everyone") && field("allowed_mentions")["parse"] != json!([]);
        self.messages.push(Published { account, id: id.clone(), text: content.into(), at: now, answers: None });
        if query("wait").as_deref() != Some("true") {
            return Ok(HttpReply { status: 204, ..HttpReply::default() });
        }
        let mut reply = HttpReply::json(
            200,
            &json!({
                "id": id, "type": 0, "channel_id": channel, "webhook_id": hook, "content": content,
                "timestamp": now.to_string(), "edited_timestamp": null, "tts": false, "pinned": false, "flags": 0,
                "mention_everyone": pings, "mentions": [], "mention_roles": [], "embeds": [], "components": [],
                "author": {"id": hook, "username": "Brand", "bot": true, "discriminator": "0000", "avatar": null},
                "attachments": attachments,
            }),
        );
        let told = [("x-ratelimit-limit", "5"), ("x-ratelimit-remaining", "4"), ("x-ratelimit-reset-after", "2")];
        reply.headers.extend(told.map(|(name, value)| (name.into(), value.into())));
        Ok(reply)
    }
}

/// The message of a request, and how large its files are.
fn read(request: &Request) -> Option<(Map<String, Value>, Vec<usize>)> {
    let Some(parts) = request.body.parts() else {
        return Some((serde_json::from_slice(&request.body.concat()).ok()?, Vec::new()));
    };
    let message = parts.iter().find(|part| part.name == "payload_json")?;
    let files = parts.iter().filter(|part| part.name.starts_with("files[")).map(|part| part.bytes.len());
    Some((serde_json::from_slice(&message.bytes).ok()?, files.collect()))
}

fn account_of(hook: u64) -> Option<u32> {
    u32::try_from(hook.checked_sub(HOOK)?).ok()
}

fn token(account: u32) -> String {
    format!("twin-hook-{account}")
}

fn error(status: u16, code: u64, message: &str) -> HttpReply {
    HttpReply::json(status, &json!({"message": message, "code": code}))
}

fn invalid(field: &str, code: &str, message: &str) -> HttpReply {
    let errors = json!({ field: {"_errors": [{"code": code, "message": message}]} });
    HttpReply::json(400, &json!({"message": "Invalid Form Body", "code": 50_035, "errors": errors}))
}

impl Twin for DiscordTwin {
    fn table(&self, account: u32, base: &str, _folder: &str) -> toml::Table {
        let mut webhook = toml::Table::new();
        webhook.insert("env".into(), format!("TWIN_WEBHOOK_{account}").into());
        let mut table = toml::Table::new();
        table.insert("base_url".into(), base.into());
        table.insert("webhook".into(), webhook.into());
        table
    }

    fn secrets(&self, account: u32) -> Secrets {
        let hook = HOOK + u64::from(account);
        Secrets([("webhook".to_owned(), Secret::new(format!("{hook}/{}", token(account))))].into())
    }

    fn answer(&mut self, call: &Call, now: Timestamp) -> Reply {
        Reply::Http(match call {
            Call::Http(request) => self.route(request, now),
            _ => error(400, 0, "not a request"),
        })
    }

    fn published_since(&self, mark: &mut usize) -> Vec<Published> {
        let from = std::mem::replace(mark, self.messages.len());
        self.messages.iter().skip(from).cloned().collect()
    }

    fn throttle(&mut self, until: Timestamp) {
        self.throttled = Some(until);
    }

    /// A webhook does not end by itself.
    fn expire_tokens(&mut self) {}

    fn set_revoked(&mut self, revoked: bool) {
        self.revoked = revoked;
    }
}
