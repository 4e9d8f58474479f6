//! A wire-level imitation of Mastodon, GoToSocial and Pleroma, for tests and simulation.
//!
//! It imitates what an adapter can get wrong: which answers a repeated key gets, where the source text is, when media
//! are ready, how limits and refusals look. It knows no federation and no HTML worth the name. Several
//! accounts live on one twin; account number N has the token `twin-token-N`.
//!
//! Every address `https://…` can be resolved as somebody's post, but for those that end in `/missing`.

mod people;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::domain::{Interaction, Secret, Timestamp, time};
use crate::platform::contract::crowd::{Crowd, CrowdAct, Standing};
use crate::platform::contract::{Call, HttpReply, Method, Part, Published, Reply, Request, Secrets, Twin};

use super::text::{self, Counting};

/// How long Mastodon remembers an idempotency key, and Pleroma an answer.
const MASTODON_KEY: Duration = Duration::from_secs(3600);
const PLEROMA_KEY: Duration = Duration::from_secs(6 * 3600);
/// Requests of one token in a window of five minutes.
const ALLOWANCE: u32 = 300;
const WINDOW: i64 = 300;
/// How often an unfinished upload is answered with 206.
const PROCESSING: u32 = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flavour {
    Mastodon,
    GoToSocial,
    Pleroma,
}

/// The imitation. [`MastodonTwin::mastodon`] behaves as upstream does.
#[derive(Debug)]
pub struct MastodonTwin {
    flavour: Flavour,
    statuses: Vec<Kept>,
    media: BTreeMap<String, File>,
    /// Address to id of other people's posts.
    remotes: BTreeMap<String, String>,
    keys: BTreeMap<String, (Timestamp, Repeat)>,
    spent: BTreeMap<u32, (i64, u32)>,
    /// Ids given out.
    issued: u64,
    throttled: Option<Timestamp>,
    revoked: bool,
    needs_agent: bool,
    duplicate_fault: bool,
    /// Of every token.
    scopes: Vec<&'static str>,
    silenced: bool,
    drops: u32,
    crowd: Crowd,
    /// By which it was asked last.
    host: String,
}

#[derive(Debug, Clone)]
struct Kept {
    account: u32,
    id: String,
    text: String,
    warning: String,
    visibility: String,
    language: Option<String>,
    answers: Option<String>,
    media: Vec<String>,
    at: Timestamp,
    /// Acknowledged and never stored.
    dropped: bool,
    deleted: bool,
}

#[derive(Debug, Clone)]
struct File {
    account: u32,
    kind: &'static str,
    alt: Option<String>,
    /// How often it will still be answered with 206.
    pending: u32,
    status: Option<String>,
}

#[derive(Debug, Clone)]
enum Repeat {
    /// The status that was made.
    Status(usize),
    /// The whole answer.
    Answer(HttpReply),
}

impl MastodonTwin {
    /// Keys are honoured for an hour, videos are processed after the upload, texts are in `/source` only.
    pub fn mastodon() -> Self {
        Self::new(Flavour::Mastodon)
    }

    /// Keys are ignored, media are ready at once, texts are in every status, ids are ULIDs, refusals are 400.
    pub fn gotosocial() -> Self {
        Self::new(Flavour::GoToSocial)
    }

    /// Whole answers are kept under the key, for all accounts alike and refusals too; uploads are answered with 202
    /// and ready; refusals for asking too much tell no time.
    pub fn pleroma() -> Self {
        Self::new(Flavour::Pleroma)
    }

    /// A new one of the same kind.
    pub fn like(other: &Self) -> Self {
        Self::new(other.flavour)
    }

    fn new(flavour: Flavour) -> Self {
        Self {
            flavour,
            statuses: Vec::new(),
            media: BTreeMap::new(),
            remotes: BTreeMap::new(),
            keys: BTreeMap::new(),
            spent: BTreeMap::new(),
            issued: 0,
            throttled: None,
            revoked: false,
            needs_agent: false,
            duplicate_fault: false,
            scopes: vec!["read", "write"],
            silenced: false,
            drops: 0,
            crowd: Crowd::default(),
            host: String::new(),
        }
    }

    /// All tokens have these scopes from now on, and no others.
    pub fn set_scopes(&mut self, scopes: &[&'static str]) {
        self.scopes = scopes.to_vec();
    }

    /// Refuses requests without a `User-Agent` with 418, as GoToSocial does. Only for a twin behind a real HTTP
    /// server: the edge adds that header, so a [`Call`] has none.
    #[must_use]
    pub fn needing_user_agent(mut self) -> Self {
        self.needs_agent = true;
        self
    }

    /// A repeat of a key whose post exists is answered with 500, as Mastodon 4.6 did.
    #[must_use]
    pub fn with_duplicate_fault(mut self) -> Self {
        self.duplicate_fault = true;
        self
    }

    /// Public posts are stored as unlisted, as those of a silenced account are.
    pub fn silence(&mut self) {
        self.silenced = true;
    }

    /// The next `posts` are acknowledged and never stored, as Mastodon's spam filter does.
    pub fn drop_silently(&mut self, posts: u32) {
        self.drops = posts;
    }

    /// A person deletes a post on the platform.
    pub fn delete(&mut self, id: &str) {
        for status in self.statuses.iter_mut().filter(|status| status.id == id) {
            status.deleted = true;
        }
    }

    fn route(&mut self, request: &Request, now: Timestamp) -> HttpReply {
        if self.needs_agent && header(request, "user-agent").is_none() {
            return self.error(418, "I'm a teapot: no user-agent sent with request");
        }
        self.host = request.url.host_str().unwrap_or_default().to_owned();
        let path: Vec<String> = request
            .url
            .path_segments()
            .into_iter()
            .flatten()
            .map(Into::into)
            .filter(|part: &String| !part.is_empty())
            .collect();
        // A base URL may have a path of its own.
        let api = path.iter().position(|part| part == "api" || part == "nodeinfo").unwrap_or(0);
        let path: Vec<&str> = path[api..].iter().map(String::as_str).collect();
        let open = matches!(path.as_slice(), ["nodeinfo", _] | ["api", _, "instance"]);
        let account = self.account(request);
        if let Some(until) = self.throttled.filter(|until| *until > now) {
            return self.too_many(until);
        }
        let Some(account) = account.or(open.then_some(u32::MAX)) else {
            return match self.flavour {
                Flavour::Mastodon => self.error(401, "The access token is invalid"),
                Flavour::GoToSocial => self.error(401, "Unauthorized: token not supplied"),
                Flavour::Pleroma => self.error(403, "Invalid credentials."),
            };
        };
        let (start, left) = self.spend(account, now);
        let reset = Timestamp::from_second(start + WINDOW).unwrap_or(Timestamp::MAX);
        let Some(left) = left else { return self.too_many(reset) };
        let reply = self.serve(account, request, &path, now);
        self.with_allowance(reply, left, reset)
    }

    fn account(&self, request: &Request) -> Option<u32> {
        let token = header(request, "authorization")?;
        let number = token.strip_prefix("Bearer twin-token-")?.parse().ok()?;
        (!self.revoked).then_some(number)
    }

    /// The window's begin, and what is left after this request.
    fn spend(&mut self, account: u32, now: Timestamp) -> (i64, Option<u32>) {
        let start = now.as_second().div_euclid(WINDOW) * WINDOW;
        let spent = self.spent.entry(account).or_insert((start, 0));
        if spent.0 != start {
            *spent = (start, 0);
        }
        spent.1 += 1;
        (start, ALLOWANCE.checked_sub(spent.1))
    }

    fn with_allowance(&self, mut reply: HttpReply, left: u32, reset: Timestamp) -> HttpReply {
        let decimals = match self.flavour {
            Flavour::Mastodon => 6,
            Flavour::GoToSocial => 3,
            Flavour::Pleroma => return reply,
        };
        reply.headers.push(("x-ratelimit-limit".into(), ALLOWANCE.to_string()));
        reply.headers.push(("x-ratelimit-remaining".into(), left.to_string()));
        reply.headers.push(("x-ratelimit-reset".into(), format!("{reset:.decimals$}")));
        reply
    }

    fn too_many(&self, until: Timestamp) -> HttpReply {
        let text = match self.flavour {
            Flavour::Mastodon => "Too many requests",
            Flavour::GoToSocial => "rate limit reached",
            Flavour::Pleroma => "Throttled",
        };
        self.with_allowance(self.error(429, text), 0, until)
    }

    fn error(&self, status: u16, text: &str) -> HttpReply {
        HttpReply::json(status, &json!({ "error": text }))
    }

    /// What Mastodon says as 422 and the others as 400.
    fn invalid(&self, text: &str) -> HttpReply {
        match self.flavour {
            Flavour::Mastodon => self.error(422, &format!("Validation failed: {text}")),
            Flavour::GoToSocial => self.error(400, &format!("Bad Request: {text}")),
            Flavour::Pleroma => self.error(422, text),
        }
    }

    fn not_found(&self) -> HttpReply {
        match self.flavour {
            Flavour::GoToSocial => self.error(404, "Not Found: target status not found"),
            _ => self.error(404, "Record not found"),
        }
    }

    fn serve(&mut self, account: u32, request: &Request, path: &[&str], now: Timestamp) -> HttpReply {
        let told = (request.method == Method::Get).then(|| self.tell(account, request, path)).flatten();
        if let Some(reply) = told {
            return reply;
        }
        match (request.method, path) {
            (Method::Get, ["api", version @ ("v1" | "v2"), "instance"]) => self.instance(version),
            (Method::Get, ["nodeinfo", "2.0"]) => {
                let name = match self.flavour {
                    Flavour::Mastodon => "mastodon",
                    Flavour::GoToSocial => "gotosocial",
                    Flavour::Pleroma => "pleroma",
                };
                HttpReply::json(200, &json!({"version": "2.0", "software": {"name": name, "version": "0"}}))
            }
            (Method::Get, ["api", "v1", "accounts", "verify_credentials"]) => {
                HttpReply::json(200, &person(account, request))
            }
            (Method::Get, ["oauth", "token", "info"]) if self.flavour == Flavour::Mastodon => HttpReply::json(
                200,
                &json!({
                    "resource_owner_id": account + 1, "scope": self.scopes, "expires_in": null,
                    "application": {"uid": "twin-app"}, "created_at": 1_700_000_000,
                }),
            ),
            (Method::Get, ["api", "v1", "accounts", id, "statuses"]) => self.list(account, id, request),
            (Method::Get, ["api", "v2", "search"]) => self.search(request, now),
            (Method::Post, ["api", "v2", "media"]) => self.upload(account, request, now),
            (Method::Get, ["api", "v1", "media", id]) => self.media(account, id),
            (Method::Post, ["api", "v1", "statuses"]) => self.publish(account, request, now),
            (Method::Get, ["api", "v1", "statuses", id]) => self.status(id, request),
            (Method::Get, ["api", "v1", "statuses", id, "source"]) => self.source(account, id),
            (Method::Delete, ["api", "v1", "statuses", id]) => {
                let reply = self.status(id, request);
                self.delete(id);
                reply
            }
            _ if self.flavour == Flavour::GoToSocial => HttpReply {
                status: 404,
                headers: vec![("content-type".into(), "text/plain".into())],
                body: b"404 page not found".to_vec(),
                cut: false,
            },
            _ => self.error(404, "The page you are looking for isn't here."),
        }
    }

    fn instance(&self, version: &str) -> HttpReply {
        let (name, limit, attachments, reserved) = match self.flavour {
            Flavour::Mastodon => ("4.5.15", 500, json!(4), 23),
            Flavour::GoToSocial => ("0.20.0 git-57cb4fe", 5000, json!(6), 25),
            Flavour::Pleroma => ("2.7.2 (compatible; Pleroma 2.6.50)", 5000, json!(null), 0),
        };
        let mut value = json!({
            "version": name,
            "configuration": {
                "statuses": {
                    "max_characters": limit,
                    "max_media_attachments": attachments,
                    "characters_reserved_per_url": reserved,
                },
                "media_attachments": {
                    "supported_mime_types":
                        ["image/jpeg", "image/png", "image/gif", "image/webp", "video/mp4", "video/webm", "audio/mpeg", "audio/ogg"],
                    "image_size_limit": 16 * 1024 * 1024,
                    "image_matrix_limit": 33_177_600,
                    "video_size_limit": 99 * 1024 * 1024,
                    "description_limit": 1500,
                },
            },
        });
        if version == "v1" {
            value["max_toot_chars"] = json!(limit);
        } else if self.flavour == Flavour::Mastodon {
            value["api_versions"] = json!({ "mastodon": 7 });
        }
        HttpReply::json(200, &value)
    }

    fn publish(&mut self, account: u32, request: &Request, now: Timestamp) -> HttpReply {
        let key = header(request, "idempotency-key").filter(|_| self.flavour != Flavour::GoToSocial);
        // Mastodon's keys belong to an account, Pleroma's to everybody.
        let key = key.map(|key| if self.flavour == Flavour::Mastodon { format!("{account}:{key}") } else { key });
        let life = if self.flavour == Flavour::Mastodon { MASTODON_KEY } else { PLEROMA_KEY };
        let held = key.as_ref().and_then(|key| self.keys.get(key)).filter(|(at, _)| time::since(now, *at) < life);
        match held {
            Some((_, Repeat::Status(_))) if self.duplicate_fault => return self.error(500, "Internal Server Error"),
            Some((_, Repeat::Status(place))) => {
                let kept = &self.statuses[*place];
                return if kept.deleted { self.not_found() } else { HttpReply::json(200, &self.show(kept, request)) };
            }
            Some((_, Repeat::Answer(answer))) => {
                let mut answer = answer.clone();
                answer.headers.push(("idempotent-replayed".into(), "true".into()));
                return answer;
            }
            None => {}
        }
        let before = self.statuses.len();
        let reply = self.create(account, request, now);
        if let Some(key) = key {
            let repeat = match self.flavour {
                Flavour::Pleroma => Some(Repeat::Answer(reply.clone())),
                _ => (self.statuses.len() > before).then_some(Repeat::Status(before)),
            };
            if let Some(repeat) = repeat {
                self.keys.insert(key, (now, repeat));
            }
        }
        reply
    }

    fn create(&mut self, account: u32, request: &Request, now: Timestamp) -> HttpReply {
        let Ok(form) = serde_json::from_slice::<Value>(&request.body.concat()) else {
            return self.error(400, "Bad Request: unexpected EOF");
        };
        let field = |name: &str| form[name].as_str().unwrap_or_default().trim().to_owned();
        let (mut said, mut warning) = (field("status"), field("spoiler_text"));
        let media: Vec<String> =
            form["media_ids"].as_array().into_iter().flatten().filter_map(|id| Some(id.as_str()?.to_owned())).collect();
        if said.is_empty() && self.flavour == Flavour::Mastodon {
            (said, warning) = (std::mem::take(&mut warning), String::new());
        }
        if said.is_empty() && media.is_empty() {
            return self.invalid("Text can't be blank");
        }
        let (counting, limit) = match self.flavour {
            Flavour::Mastodon => (Counting::Mastodon { url: 23 }, 500),
            Flavour::GoToSocial => (Counting::CodePoints, 5000),
            Flavour::Pleroma => (Counting::Graphemes, 5000),
        };
        if text::length(counting, &warning, &said) > limit {
            return self.invalid(&format!("Text character limit of {limit} exceeded"));
        }
        let mut visibility = field("visibility");
        if !matches!(visibility.as_str(), "" | "public" | "unlisted" | "private" | "direct") {
            return self.error(422, "processVisibility: invalid visibility");
        }
        if visibility.is_empty() || (self.silenced && visibility == "public") {
            visibility = "unlisted".into();
        }
        let answers = form["in_reply_to_id"].as_str().map(str::to_owned);
        if answers.as_deref().is_some_and(|id| !self.knows(id)) {
            return match self.flavour {
                Flavour::Mastodon => self.error(404, "The post you are trying to reply to does not appear to exist."),
                _ => self.not_found(),
            };
        }
        if let Some(reply) = self.media_trouble(account, &media) {
            return reply;
        }
        let id = self.issue(now);
        for file in &media {
            if let Some(file) = self.media.get_mut(file) {
                file.status = Some(id.clone());
            }
        }
        let host = request.url.host_str().unwrap_or_default();
        let dropped = self.drops > 0;
        self.drops = self.drops.saturating_sub(1);
        let kept = Kept {
            account,
            id,
            text: without_own_domain(&said, host),
            warning,
            visibility,
            language: form["language"].as_str().map(Into::into),
            answers,
            media,
            at: time::to_millis(now),
            dropped,
            deleted: false,
        };
        let shown = self.show(&kept, request);
        self.statuses.push(kept);
        HttpReply::json(200, &shown)
    }

    fn media_trouble(&self, account: u32, ids: &[String]) -> Option<HttpReply> {
        let most = match self.flavour {
            Flavour::Mastodon => 4,
            Flavour::GoToSocial => 6,
            Flavour::Pleroma => usize::MAX,
        };
        if ids.len() > most {
            return Some(self.invalid(&format!("Cannot attach more than {most} files")));
        }
        let held = |id: &String| self.media.get(id).filter(|file| file.account == account);
        let missing = ids.iter().find(|id| held(id).is_none());
        let used = ids.iter().find_map(|id| held(id)?.status.clone());
        match self.flavour {
            Flavour::Mastodon if missing.is_some() || used.is_some() => Some(
                self.error(422, &format!("Media {} not found or already attached to another post", ids.join(", "))),
            ),
            Flavour::Mastodon if ids.iter().filter_map(held).any(|file| file.pending > 0) => {
                Some(self.error(422, "Cannot attach files that have not finished processing. Try again in a moment!"))
            }
            Flavour::GoToSocial if missing.is_some() => {
                Some(self.invalid(&format!("media not found: {}", missing.map(String::as_str).unwrap_or_default())))
            }
            Flavour::GoToSocial => {
                used.map(|status| self.invalid(&format!("media already attached to status: {status}")))
            }
            _ => None,
        }
    }

    fn knows(&self, id: &str) -> bool {
        self.is_there(id) || self.remotes.values().any(|held| held == id)
    }

    fn live(&self) -> impl Iterator<Item = &Kept> {
        self.statuses.iter().filter(|kept| kept.is_live())
    }

    fn status(&self, id: &str, request: &Request) -> HttpReply {
        match self.live().find(|kept| kept.id == id) {
            Some(kept) => HttpReply::json(200, &self.show(kept, request)),
            None => self.not_found(),
        }
    }

    fn source(&self, account: u32, id: &str) -> HttpReply {
        match self.live().find(|kept| kept.id == id && kept.account == account) {
            Some(kept) => {
                HttpReply::json(200, &json!({"id": kept.id, "text": kept.text, "spoiler_text": kept.warning}))
            }
            None => self.not_found(),
        }
    }

    fn list(&self, viewer: u32, id: &str, request: &Request) -> HttpReply {
        let query =
            |name: &str| request.url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        let limit = query("limit").and_then(|text| text.parse().ok()).unwrap_or(20).min(40);
        let below = query("max_id");
        let page: Vec<Value> = self
            .live()
            .filter(|kept| account_id(kept.account) == id)
            .filter(|kept| kept.account == viewer || matches!(kept.visibility.as_str(), "public" | "unlisted"))
            .filter(|kept| below.as_ref().is_none_or(|below| (kept.id.len(), &kept.id) < (below.len(), below)))
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .take(limit)
            .map(|kept| self.show(kept, request))
            .collect();
        HttpReply::json(200, &Value::Array(page))
    }

    fn search(&mut self, request: &Request, now: Timestamp) -> HttpReply {
        let address = request.url.query_pairs().find(|(key, _)| key == "q").map(|(_, value)| value.into_owned());
        let address = address.unwrap_or_default();
        let named = |id: &&str| address.ends_with(&format!("/{id}"));
        let own = self.live().map(|kept| kept.id.as_str()).chain(self.crowd.shown().map(|said| said.id.as_str()));
        let own = own.into_iter().find(named).map(str::to_owned);
        let id = match (own, self.remotes.get(&address)) {
            (Some(id), _) => Some(id),
            (None, Some(id)) => Some(id.clone()),
            (None, None) if address.starts_with("https://") && !address.ends_with("/missing") => {
                let id = self.issue(now);
                self.remotes.insert(address.clone(), id.clone());
                Some(id)
            }
            (None, None) => None,
        };
        let shown = |id: String| match self.live().find(|kept| kept.id == id) {
            Some(kept) => self.show(kept, request),
            None => json!({"id": id, "url": address, "uri": address}),
        };
        let statuses: Vec<Value> = id.map(shown).into_iter().collect();
        HttpReply::json(200, &json!({"accounts": [], "hashtags": [], "statuses": statuses}))
    }

    fn upload(&mut self, account: u32, request: &Request, now: Timestamp) -> HttpReply {
        let Some(form) = Form::read(request) else { return self.invalid("File can't be blank") };
        let (kind, slow) = match form.mime.split('/').next().unwrap_or_default() {
            "image" => ("image", false),
            "video" => ("video", true),
            "audio" => ("audio", true),
            _ => return self.error(422, "Validation failed: File content type is invalid"),
        };
        let alt = form.description.unwrap_or_default();
        if alt.chars().count() > 1500 {
            return self.invalid("Description is too long");
        }
        let pending = if slow && self.flavour == Flavour::Mastodon { PROCESSING } else { 0 };
        let id = self.issue(now);
        let file = File { account, kind, alt: (!alt.is_empty()).then_some(alt), pending, status: None };
        let shown = file.show(&id);
        self.media.insert(id, file);
        let status = if pending > 0 || self.flavour == Flavour::Pleroma { 202 } else { 200 };
        HttpReply::json(status, &shown)
    }

    fn media(&mut self, account: u32, id: &str) -> HttpReply {
        let attached_is_gone = self.flavour == Flavour::Mastodon;
        match self.media.get_mut(id) {
            Some(file) if file.account == account && (file.status.is_none() || !attached_is_gone) => {
                let status = if file.pending > 0 { 206 } else { 200 };
                let shown = file.show(id);
                file.pending = file.pending.saturating_sub(1);
                HttpReply::json(status, &shown)
            }
            _ => self.not_found(),
        }
    }

    fn show(&self, kept: &Kept, request: &Request) -> Value {
        let media: Vec<Value> = kept.media.iter().filter_map(|id| Some(self.media.get(id)?.show(id))).collect();
        let counts = self.counts(&kept.id);
        let escaped = kept.text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        let mut value = json!({
            "id": kept.id,
            "uri": format!("https://{}/users/twin{}/statuses/{}", request.url.host_str().unwrap_or_default(), kept.account, kept.id),
            "url": format!("https://{}/@twin{}/{}", request.url.host_str().unwrap_or_default(), kept.account, kept.id),
            "created_at": format!("{:.3}", kept.at),
            "edited_at": null,
            "visibility": kept.visibility,
            "sensitive": !kept.warning.is_empty(),
            "spoiler_text": kept.warning,
            "language": kept.language,
            "content": format!("<p>{}</p>", escaped.replace('\n', "<br />")),
            "in_reply_to_id": kept.answers,
            "reblog": null,
            "media_attachments": media,
            "mentions": [],
            "tags": [],
            "replies_count": counts[&Interaction::Reply],
            "reblogs_count": counts[&Interaction::Repost],
            "favourites_count": counts[&Interaction::Like],
            "account": person(kept.account, request),
        });
        if let Some(quotes) = counts.get(&Interaction::Quote) {
            value["quotes_count"] = json!(quotes);
        }
        if self.flavour == Flavour::GoToSocial {
            value["text"] = if kept.text.is_empty() { Value::Null } else { json!(kept.text) };
        }
        value
    }

    /// A new id: a decimal snowflake, a ULID or a flake; later ones are greater.
    fn issue(&mut self, now: Timestamp) -> String {
        self.issued += 1;
        let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
        let number = (u128::from(millis) << 80) | u128::from(self.issued);
        match self.flavour {
            Flavour::Mastodon => ((millis << 16) + self.issued).to_string(),
            Flavour::GoToSocial => in_base(number, b"0123456789ABCDEFGHJKMNPQRSTVWXYZ", 26),
            Flavour::Pleroma => {
                let number = (u128::from(millis) << 64) | u128::from(self.issued);
                in_base(number, b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", 18)
            }
        }
    }
}

impl Twin for MastodonTwin {
    fn table(&self, account: u32, base: &str, _folder: &str) -> toml::Table {
        let mut token = toml::Table::new();
        token.insert("env".into(), format!("TWIN_TOKEN_{account}").into());
        let mut table = toml::Table::new();
        table.insert("base_url".into(), base.into());
        table.insert("token".into(), token.into());
        table
    }

    fn secrets(&self, account: u32) -> Secrets {
        Secrets([("token".to_owned(), Secret::new(format!("twin-token-{account}")))].into())
    }

    fn answer(&mut self, call: &Call, now: Timestamp) -> Reply {
        Reply::Http(match call {
            Call::Http(request) => self.route(request, now),
            _ => self.error(400, "not a request"),
        })
    }

    fn published_since(&self, mark: &mut usize) -> Vec<Published> {
        let shown = |kept: &Kept| Published {
            account: kept.account,
            id: kept.id.clone(),
            text: kept.text.clone(),
            at: kept.at,
            answers: kept.answers.clone(),
        };
        let from = std::mem::replace(mark, self.statuses.len());
        self.statuses.iter().skip(from).filter(|kept| kept.is_live()).map(shown).collect()
    }

    fn act(&mut self, act: &CrowdAct, now: Timestamp) -> Option<String> {
        self.carry_out(act, now)
    }

    fn standing(&self, account: u32, post: &str) -> Option<Standing> {
        self.stands(account, post)
    }

    fn throttle(&mut self, until: Timestamp) {
        self.throttled = Some(until);
    }

    /// Mastodon's tokens do not expire.
    fn expire_tokens(&mut self) {}

    fn set_revoked(&mut self, revoked: bool) {
        self.revoked = revoked;
    }
}

impl Kept {
    fn is_live(&self) -> bool {
        !self.dropped && !self.deleted
    }
}

impl File {
    fn show(&self, id: &str) -> Value {
        let url = (self.pending == 0).then(|| format!("https://files.example/{id}"));
        json!({"id": id, "type": self.kind, "url": url, "preview_url": url, "description": self.alt})
    }
}

fn account_id(account: u32) -> String {
    (110_000_000_000_000_000 + u64::from(account)).to_string()
}

fn person(account: u32, request: &Request) -> Value {
    let host = request.url.host_str().unwrap_or_default();
    json!({
        "id": account_id(account),
        "username": format!("twin{account}"),
        "acct": format!("twin{account}"),
        "url": format!("https://{host}/@twin{account}"),
        "bot": false,
        "locked": false,
        "source": {"privacy": "unlisted", "language": null},
    })
}

fn header(request: &Request, name: &str) -> Option<String> {
    request.headers.iter().find(|(held, _)| held.eq_ignore_ascii_case(name)).map(|(_, value)| value.expose())
}

/// Mastodon stores mentions of its own people without the domain.
fn without_own_domain(said: &str, host: &str) -> String {
    let (mut out, mut last) = (String::new(), 0);
    for mention in text::mentions(said) {
        let domain = said[mention.user_end..mention.whole.end].trim_start_matches('@');
        let own = domain.eq_ignore_ascii_case(host);
        out.push_str(&said[last..if own { mention.user_end } else { mention.whole.end }]);
        last = mention.whole.end;
    }
    out + &said[last..]
}

fn in_base(mut number: u128, digits: &[u8], width: usize) -> String {
    let base = digits.len() as u128;
    let mut out = vec!['0'; width];
    for place in out.iter_mut().rev() {
        *place = char::from(digits[usize::try_from(number % base).unwrap_or(0)]);
        number /= base;
    }
    out.into_iter().collect()
}

/// An upload's form.
struct Form {
    mime: String,
    description: Option<String>,
}

impl Form {
    fn read(request: &Request) -> Option<Self> {
        let parts = request.body.parts()?;
        let named = |name: &str| parts.iter().find(|part| part.name == name);
        let file = named("file").filter(|file| !file.bytes.is_empty())?;
        Some(Self { mime: file.mime.clone()?, description: named("description").map(Part::text) })
    }
}
