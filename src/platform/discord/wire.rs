//! The wire: every request the adapter can make, and what the codes of a refusal mean.
//!
//! A webhook's address is its secret. Of it, only the token is one in truth, and that enters a request as
//! [`Request::secret_path`] and nowhere else.

use serde_json::{Value, json};
use url::Url;

use crate::domain::{Secret, Timestamp, time};
use crate::platform::contract::{
    Body, HeaderValue, HttpReply, Media, Method, Pace, Request, SECRET_IN_PATH, Trouble, quoted, wait,
};

/// The API in the version that this adapter speaks.
pub const PUBLIC: &str = "https://discord.com/api/v10";
/// Hosts of webhook addresses, as people copy them.
const HOSTS: &[&str] = &["discord.com", "discordapp.com", "ptb.discord.com", "canary.discord.com"];
/// Discord may block requests whose agent does not begin like this.
const AGENT: &str = concat!("DiscordBot (cadenced, ", env!("CARGO_PKG_VERSION"), ")");

/// A webhook, from its address.
#[derive(Debug, Clone)]
pub struct Hook {
    pub id: String,
    pub token: Secret,
}

impl Hook {
    /// Reads `https://discord.com/api/webhooks/ID/TOKEN`, with or without a version, or only `ID/TOKEN`.
    pub fn parse(secret: &str) -> Option<Self> {
        let secret = secret.trim().trim_end_matches('/');
        let pair = match secret.strip_prefix("https://") {
            None => secret,
            Some(address) => {
                let (host, path) = address.split_once('/')?;
                let path = HOSTS.contains(&host.to_ascii_lowercase().as_str()).then(|| path.strip_prefix("api/"))??;
                let unversioned = path.strip_prefix('v').and_then(|rest| {
                    let (version, rest) = rest.split_once('/')?;
                    version.bytes().all(|byte| byte.is_ascii_digit()).then_some(rest)
                });
                unversioned.unwrap_or(path).strip_prefix("webhooks/")?
            }
        };
        let (id, token) = pair.split_once('/')?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        let sound = is_id(id) && !token.is_empty() && token.bytes().all(plain);
        sound.then(|| Self { id: id.into(), token: Secret::new(token) })
    }
}

/// Whether a text is an id as Discord gives them.
pub fn is_id(text: &str) -> bool {
    (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Builds the requests of one webhook.
#[derive(Debug, Clone, Copy)]
pub struct Wire<'a> {
    pub base: &'a Url,
    pub hook: &'a Hook,
    /// The thread of the channel that it writes to.
    pub thread: Option<&'a str>,
}

impl Wire<'_> {
    /// What the webhook says of itself.
    pub fn webhook(self) -> Request {
        self.call(Method::Get, Body::default())
    }

    /// Without `wait`, nobody hears of a message that was not kept. Nobody is pinged, whatever the text holds.
    pub fn send(self, boundary: &str, text: &str, media: &[Media]) -> Request {
        let mut message = json!({ "content": text, "allowed_mentions": { "parse": [] } });
        let body = if media.is_empty() {
            Body::json(&message)
        } else {
            let attachments = media.iter().enumerate().map(|(place, media)| {
                let mut attachment = json!({ "id": place.to_string(), "filename": media.sent_name() });
                if !media.item.alt.is_empty() {
                    attachment["description"] = media.item.alt.as_str().into();
                }
                attachment
            });
            message["attachments"] = attachments.collect();
            let files: Vec<_> =
                media.iter().enumerate().map(|(place, media)| (format!("files[{place}]"), media)).collect();
            Body::form(boundary, &[("payload_json", &message.to_string())], &files)
        };
        let mut request = self.call(Method::Post, body);
        request.url.query_pairs_mut().append_pair("wait", "true");
        if let Some(thread) = self.thread {
            request.url.query_pairs_mut().append_pair("thread_id", thread);
        }
        request
    }

    fn call(self, method: Method, body: Body) -> Request {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(["webhooks", &self.hook.id, SECRET_IN_PATH]);
        }
        let plain = |text: &str| HeaderValue::Plain(text.into());
        let headers = vec![("User-Agent", plain(AGENT)), ("Accept", plain("application/json"))];
        Request { method, url, secret_path: Some(self.hook.token.clone()), headers, body }
    }
}

/// The result of a call, or why there is none.
pub fn understand(reply: &HttpReply, hook: Option<&Hook>, now: Timestamp) -> Result<Value, Trouble> {
    let value = reply.value().unwrap_or(Value::Null);
    if reply.status == 200 && value["id"].is_string() {
        return Ok(value);
    }
    let is_discord = value["code"].is_u64() && value["message"].is_string();
    let code = value["code"].as_u64().filter(|_| is_discord).unwrap_or(0);
    let mut said = value["message"].as_str().unwrap_or_default().to_owned();
    details(&value["errors"], "", &mut said);
    let secrets = hook.map(|hook| (format!("{}/{}", hook.id, hook.token.expose()), hook.token.expose()));
    let said = quoted(&said, &secrets.as_ref().map_or(["", ""], |(whole, token)| [whole, token]));
    let why = match (code, said.is_empty()) {
        (_, true) => format!("status {}", reply.status),
        (0, false) => format!("{}: {said}", reply.status),
        (code, false) => format!("{} {code}: {said}", reply.status),
    };
    Err(match (reply.status, code) {
        (429, _) => {
            let told = value["retry_after"].as_f64().and_then(wait);
            Trouble::too_much(told.or_else(|| reply.retry_after(now)), now, why)
        }
        // Unknown webhook, invalid webhook token.
        (400..=499, 10_015 | 50_027) => Trouble::Stopped(format!("the webhook is gone: make a new one ({why})")),
        (401, _) if is_discord => Trouble::Stopped(format!("the webhook's token is not accepted ({why})")),
        (400, 220_001..=220_003) => {
            Trouble::Refused(format!("a forum takes posts in its threads only: name one as `thread` ({why})"))
        }
        (408 | 499, _) => Trouble::Unknown(why),
        (413, _) => Trouble::Refused(format!("the files are too large ({why})")),
        // Of an address that is none, nobody but a proxy or a wrong `base_url` speaks.
        (404, 0) => Trouble::TurnedAway(why),
        (400..=498, _) if is_discord => Trouble::Refused(why),
        (400..=498, _) => Trouble::TurnedAway(format!("something before Discord answered ({why})")),
        _ => Trouble::Unknown(why),
    })
}

/// What is wrong with which field, from the nest of objects that tells it.
fn details(errors: &Value, place: &str, said: &mut String) {
    for (name, inner) in errors.as_object().into_iter().flatten() {
        if name == "_errors" {
            let texts = inner.as_array().into_iter().flatten().filter_map(|error| error["message"].as_str());
            texts.for_each(|text| *said += &format!("; {place}: {text}"));
        } else if place.len() < 60 {
            let dot = if place.is_empty() { "" } else { "." };
            details(inner, &format!("{place}{dot}{name}"), said);
        }
    }
}

/// What is left of the webhook's allowance. The span counts, not the moment: it does not depend on whose clock is
/// right.
pub fn pace(reply: &HttpReply, now: Timestamp) -> Option<Pace> {
    let remaining = reply.header("x-ratelimit-remaining")?.trim().parse().ok()?;
    let span = wait(reply.header("x-ratelimit-reset-after")?.trim().parse().ok()?)?;
    (!span.is_zero()).then(|| Pace { remaining, reset: time::after(now, span) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::contract::LONGEST_WAIT;

    #[test]
    fn a_webhook_is_read_from_its_address_if_that_is_discords() {
        let good = [
            "https://discord.com/api/webhooks/120/to-k_en",
            "https://discord.com/api/v10/webhooks/120/to-k_en/",
            "https://canary.discord.com/api/webhooks/120/to-k_en",
            "https://DiscordApp.com/api/webhooks/120/to-k_en\n",
            "120/to-k_en",
        ];
        for text in good {
            let hook = Hook::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((hook.id.as_str(), hook.token.expose()), ("120", "to-k_en"), "{text}");
            assert!(!format!("{hook:?}").contains("to-k_en"));
        }
        let bad = [
            "",
            "120",
            "120/",
            "x/token",
            "120/to/ken",
            "120/to?ken",
            "120/../ken",
            "http://discord.com/api/webhooks/120/token",
            "https://evil.example/api/webhooks/120/token",
            "https://discord.com.evil.example/api/webhooks/120/token",
            "https://discord.com@evil.example/api/webhooks/120/token",
            "https://discord.com/api/webhooks/120/token?wait=true",
            "https://discord.com/webhooks/120/token",
            "https://discord.com/api/vx/webhooks/120/token",
        ];
        for text in bad {
            assert!(Hook::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn the_allowance_is_a_number_and_a_span() {
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let of = |left: &str, after: &str| {
            let headers = [("x-ratelimit-remaining", left), ("x-ratelimit-reset-after", after)];
            let headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            pace(&HttpReply { status: 200, headers, ..HttpReply::default() }, now)
        };
        let reset = "2026-11-22T12:00:01.5Z".parse().unwrap();
        assert_eq!(of("0", "1.5"), Some(Pace { remaining: 0, reset }));
        assert_eq!((of("0", "0"), of("-1", "1"), of("0", "soon"), of("0", "NaN")), (None, None, None, None));
        assert!(of("0", "1e30").unwrap().reset <= time::after(now, LONGEST_WAIT));
    }
}
