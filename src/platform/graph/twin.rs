//! A wire-level imitation of what Threads and Instagram share, for tests and simulation.
//!
//! It imitates what an adapter can get wrong: containers that take time, are lost, fail, end after a day and publish once;
//! posts that come late into the list; tokens that can be changed for others; the day's quota; the proof of the app's
//! secret; and the error envelope. Several accounts live on one twin; account number N has the token `PLATFORM-token-N`.
//! What one service takes and the other does not, is given in [`Manner`].
//!
//! Files are "fetched" from the twin itself, below `/media/`: what is asked for there is what its name says.

mod people;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use url::Url;

use super::{Dialect, login, wire};
use crate::domain::{Digest, Secret, Timestamp, time};
use crate::platform::contract::crowd::Crowd;
use crate::platform::contract::{Call, Codes, HttpReply, Method, Published, Reply, Request, Secrets, WrongCode};

/// How long a container lives: a day by the documents. An hour more here, so that what was made is there a day later.
const LIFE: Duration = Duration::from_secs(25 * 3600);
/// How late a post comes into the list.
const LATE: Duration = Duration::from_secs(20);
/// Instagram's list of what is gone after a day.
const STORIES: &str = "stories";
const DAY: Duration = Duration::from_secs(86_400);
/// How long a token lives that a refresh gives.
const TOKEN_LIFE: u64 = 5_184_000;

/// The application that people log in with, and where it sends them.
pub const APP: [&str; 2] = ["990011", "twin-app-secret"];
pub const REDIRECT: &str = "https://app.example/back";

/// What is one service's own.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    pub dialect: &'static Dialect,
    pub login: &'static login::Words,
    pub platform: &'static str,
    /// Posts in a day.
    pub quota: u64,
    /// Characters of a text.
    pub characters: usize,
    pub text_alone: bool,
    /// Items of a carousel.
    pub items: usize,
    /// Kinds of files by their endings.
    pub images: &'static [&'static str],
    /// Code and subcode of what is not ready, of what cannot be found.
    pub not_ready: (i64, i64),
}

#[derive(Debug)]
pub struct GraphTwin {
    manner: Manner,
    containers: BTreeMap<String, Container>,
    posts: Vec<Kept>,
    issued: u64,
    refreshed: u64,
    /// Tokens of earlier refreshes are no longer accepted.
    accepted_from: u64,
    throttled: Option<Timestamp>,
    revoked: bool,
    app_secret: Option<Secret>,
    /// Permissions that no token has.
    withheld: Vec<&'static str>,
    /// Publishing calls that will be answered with "not ready" though they could be carried out.
    unready: u32,
    /// Publishing calls that are carried out and answered with an error.
    denied: u32,
    /// The next bytes that are sent break off in the middle.
    broken: bool,
    /// Why the next container fails, in the service's words.
    failing: Option<String>,
    /// The folder of media cannot be read.
    pub hidden: bool,
    pub used: u64,
    codes: Codes,
    crowd: Crowd,
}

#[derive(Debug, Clone)]
struct Container {
    account: u32,
    form: BTreeMap<String, String>,
    at: Timestamp,
    /// How often it will still be called in progress.
    pending: u32,
    is_item: bool,
    /// It waits for its bytes, and has so many.
    hungry: bool,
    stored: usize,
    published: bool,
    failed: Option<String>,
}

#[derive(Debug, Clone)]
struct Kept {
    account: u32,
    id: String,
    text: String,
    at: Timestamp,
    answers: Option<String>,
    story: bool,
}

impl GraphTwin {
    pub fn new(manner: Manner) -> Self {
        Self {
            manner,
            containers: BTreeMap::new(),
            posts: Vec::new(),
            issued: 0,
            refreshed: 0,
            accepted_from: 0,
            throttled: None,
            revoked: false,
            app_secret: None,
            withheld: Vec::new(),
            unready: 0,
            denied: 0,
            broken: false,
            failing: None,
            hidden: false,
            used: 0,
            codes: Codes::default(),
            crowd: Crowd::default(),
        }
    }

    /// The next `calls` that publish find nothing, although the container is finished.
    pub fn lose_sight(&mut self, calls: u32) {
        self.unready = calls;
    }

    /// The next `calls` that publish do so, and are answered with an error.
    pub fn deny(&mut self, calls: u32) {
        self.denied = calls;
    }

    /// Of the next bytes that are sent only half arrive.
    pub fn break_off(&mut self) {
        self.broken = true;
    }

    /// The next container fails.
    pub fn fail(&mut self, why: &str) {
        self.failing = Some(why.into());
    }

    /// No token has this permission any more. Nothing else is refused for it.
    pub fn withhold(&mut self, permission: &'static str) {
        self.withheld.push(permission);
    }

    /// A person deletes a post.
    pub fn delete(&mut self, id: &str) {
        self.posts.retain(|post| post.id != id);
    }

    /// Texts and images that were made containers of, whether or not they were published.
    pub fn containers(&self) -> Vec<&BTreeMap<String, String>> {
        self.containers.values().map(|container| &container.form).collect()
    }

    pub fn table(&self, account: u32, base: &str) -> toml::Table {
        let mut table = toml::Table::new();
        let secret = |name: String| {
            let mut secret = toml::Table::new();
            secret.insert("env".into(), name.into());
            toml::Value::Table(secret)
        };
        let platform = self.manner.platform.to_uppercase();
        table.insert("base_url".into(), base.into());
        table.insert("token".into(), secret(format!("{platform}_TOKEN_{account}")));
        table.insert("media_base_url".into(), format!("{}/media", base.trim_end_matches('/')).into());
        table
    }

    pub fn secrets(&self, account: u32) -> Secrets {
        let token = Secret::new(format!("{}-token-{account}", self.manner.platform));
        Secrets([("token".to_owned(), token)].into())
    }

    /// From now on every call has to prove that it knows the app's secret.
    pub fn demand_proof(&mut self, app_secret: Secret) {
        self.app_secret = Some(app_secret);
    }

    pub fn throttle(&mut self, until: Timestamp) {
        self.throttled = Some(until);
    }

    /// Tokens of refreshes end; configured ones live for sixty days.
    pub fn expire_tokens(&mut self) {
        self.accepted_from = self.refreshed + 1;
    }

    pub fn set_revoked(&mut self, revoked: bool) {
        self.revoked = revoked;
    }

    pub fn published_since(&self, mark: &mut usize) -> Vec<Published> {
        let from = std::mem::replace(mark, self.posts.len());
        let shown = |kept: &Kept| Published {
            account: kept.account,
            id: kept.id.clone(),
            text: kept.text.clone(),
            at: kept.at,
            answers: kept.answers.clone(),
        };
        self.posts.iter().skip(from).map(shown).collect()
    }

    pub fn answer(&mut self, call: &Call, now: Timestamp) -> Reply {
        let request = match call {
            Call::Http(request) => request,
            Call::Fetch(file) => return self.serve(&file.url, file.most),
            _ => return Reply::Http(error(400, 100, None, "not a request")),
        };
        let mut reply = self.route(request, now);
        let date = now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        reply.headers.push(("date".into(), date));
        Reply::Http(reply)
    }

    /// A file of the folder that media are to be put into.
    fn serve(&self, url: &Url, most: u64) -> Reply {
        match file_of(url.as_str()).filter(|_| !self.hidden) {
            Some((digest, _)) => Reply::Fetched { status: 200, bytes: most, digest },
            None => Reply::Fetched { status: 404, bytes: 0, digest: Digest::of(b"") },
        }
    }

    fn route(&mut self, request: &Request, now: Timestamp) -> HttpReply {
        if let Some(until) = self.throttled.filter(|until| *until > now) {
            let minutes = time::since(until, now).as_secs().div_ceil(60);
            let usage = json!({"17": [{"type": self.manner.platform, "call_count": 101, "total_cputime": 9,
                "total_time": 9, "estimated_time_to_regain_access": minutes}]});
            let mut reply = error(400, 4, None, "Application request limit reached");
            reply.headers.push(("x-business-use-case-usage".into(), usage.to_string()));
            return reply;
        }
        let end: Vec<String> = request.url.path_segments().into_iter().flatten().map(Into::into).collect();
        match (request.method, end.iter().map(String::as_str).collect::<Vec<_>>().as_slice()) {
            (Method::Post, [.., "oauth", "access_token"]) => return self.short_token(&parameters(request)),
            (Method::Get, ["access_token"]) => return self.long_token(&parameters(request)),
            _ => {}
        }
        let Some((account, token)) = self.account(request) else {
            return error(400, 190, Some(463), "Error validating access token: Session has expired");
        };
        let parameters = parameters(request);
        let path: Vec<String> = request.url.path_segments().into_iter().flatten().map(Into::into).collect();
        let path: Vec<&str> = path.iter().map(String::as_str).filter(|part| !part.is_empty()).collect();
        let bytes = path.first() == Some(&"ig-api-upload");
        let proof = self.app_secret.as_ref().map(|secret| wire::proof(secret, &Secret::new(token)));
        if !bytes && proof.is_some_and(|proof| parameters.get("appsecret_proof") != Some(&proof)) {
            return error(400, 100, None, "API calls from the server require an appsecret_proof argument");
        }
        if path == ["refresh_access_token"] {
            return self.refresh(account, &parameters);
        }
        if bytes {
            return self.take_bytes(account, path.last().copied().unwrap_or_default(), request);
        }
        let Some(path) = path.first().filter(|version| version.starts_with('v')).map(|_| &path[1..]) else {
            return error(400, 2500, None, "Unknown path components");
        };
        let me = account_id(account);
        let dialect = self.manner.dialect;
        let told = (request.method == Method::Get).then(|| self.tell(account, path, &parameters)).flatten();
        if let Some(reply) = told {
            return reply;
        }
        match (request.method, path) {
            (Method::Get, [who]) if self.is_me(who, &me) => self.person(account),
            (Method::Get, [who, edge]) if self.is_me(who, &me) && *edge == dialect.quota => self.quota(account, now),
            (Method::Get, ["me", "permissions"]) => self.permissions(),
            (Method::Post, [who, edge]) if self.is_me(who, &me) && *edge == dialect.containers => {
                self.create(account, parameters, now)
            }
            (Method::Post, [who, edge]) if self.is_me(who, &me) && *edge == dialect.publish => {
                let id = parameters.get("creation_id").cloned().unwrap_or_default();
                self.publish(account, &id, now)
            }
            (Method::Get, [who, edge])
                if self.is_me(who, &me)
                    && (*edge == dialect.posts || Some(*edge) == dialect.answers || *edge == STORIES) =>
            {
                self.list(account, edge, &parameters, now)
            }
            (Method::Get, [id]) => self.object(account, id, &parameters, now),
            _ => error(400, 2500, None, "Unknown path components"),
        }
    }

    /// A person agrees: see [`Twin::agree`](crate::platform::contract::Twin::agree).
    pub fn agree(&mut self, account: u32, address: &Url) -> Option<String> {
        let registered = address.query_pairs().any(|(name, value)| name == "redirect_uri" && value == REDIRECT);
        let dialog = address.as_str().starts_with(self.manner.login.dialog);
        // Meta hangs that on every address.
        let back = if registered && dialog { self.codes.give(account, address, APP[0]) } else { None };
        back.map(|back| format!("{back}#_"))
    }

    /// A token for an hour. This imitation takes it for the exchange and for nothing else, so that nobody stores one.
    fn short_token(&mut self, form: &BTreeMap<String, String>) -> HttpReply {
        let refuse = |message: &str| {
            let told = json!({"error_type": "OAuthException", "code": 400, "error_message": message});
            HttpReply::json(400, &told)
        };
        let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        if field("client_id") != APP[0] || field("grant_type") != "authorization_code" {
            return refuse("Invalid platform app");
        }
        if field("client_secret") != APP[1] {
            return refuse("Error validating client secret.");
        }
        match self.codes.take(form) {
            Ok((account, scope)) => {
                let token = format!("{}-short-{account}", self.manner.platform);
                let permissions: Vec<&str> = scope.split(',').collect();
                let told = json!({"access_token": token, "user_id": account_id(account), "permissions": permissions});
                HttpReply::json(200, &told)
            }
            Err(WrongCode::Used) => refuse("This authorization code has been used"),
            Err(WrongCode::Redirect) => refuse(
                "Error validating verification code. Please make sure your redirect_uri is identical to the one you used \
                 in the OAuth dialog request",
            ),
            Err(WrongCode::Unknown | WrongCode::Verifier) => refuse("Invalid authorization code"),
        }
    }

    /// A token for sixty days.
    fn long_token(&self, parameters: &BTreeMap<String, String>) -> HttpReply {
        let field = |name: &str| parameters.get(name).map(String::as_str).unwrap_or_default();
        let account = field("access_token").strip_prefix(&format!("{}-short-", self.manner.platform));
        let Some(account) = account.filter(|_| field("grant_type") == self.manner.login.exchange) else {
            return error(400, 190, None, "Invalid OAuth access token");
        };
        if field("client_secret") != APP[1] {
            return error(400, 101, None, "Error validating application. Invalid application secret");
        }
        let token = format!("{}-token-{account}", self.manner.platform);
        HttpReply::json(200, &json!({"access_token": token, "token_type": "bearer", "expires_in": TOKEN_LIFE}))
    }

    fn is_me(&self, who: &str, me: &str) -> bool {
        who == "me" || who == me
    }

    fn account(&self, request: &Request) -> Option<(u32, String)> {
        let header = request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        let by_query = self.manner.dialect.refresh_by_query && request.url.path().ends_with("/refresh_access_token");
        let given = match by_query {
            true => parameters(request).get("access_token").cloned()?,
            false => header?.1.expose(),
        };
        let token = given.strip_prefix("Bearer ").or_else(|| given.strip_prefix("OAuth ")).unwrap_or(&given);
        let number = token.strip_prefix(&format!("{}-token-", self.manner.platform))?;
        let (number, generation) = match number.split_once(".r") {
            Some((number, generation)) => (number, generation.parse().ok()?),
            None => (number, u64::MAX),
        };
        (!self.revoked && generation >= self.accepted_from).then_some((number.parse().ok()?, token.into()))
    }

    fn refresh(&mut self, account: u32, parameters: &BTreeMap<String, String>) -> HttpReply {
        if parameters.get("grant_type").map(String::as_str) != Some(self.manner.dialect.refresh) {
            return error(400, 100, None, "Invalid parameter");
        }
        self.refreshed += 1;
        let token = format!("{}-token-{account}.r{}", self.manner.platform, self.refreshed);
        HttpReply::json(200, &json!({"access_token": token, "token_type": "bearer", "expires_in": TOKEN_LIFE}))
    }

    /// As Facebook's login has them.
    fn permissions(&self) -> HttpReply {
        let all = ["instagram_basic", "instagram_content_publish", "pages_show_list", "pages_read_engagement"];
        let status = |name: &&str| if self.withheld.contains(name) { "declined" } else { "granted" };
        let told: Vec<_> = all.iter().map(|name| json!({"permission": name, "status": status(name)})).collect();
        HttpReply::json(200, &json!({ "data": told }))
    }

    fn person(&self, account: u32) -> HttpReply {
        let id = account_id(account);
        HttpReply::json(200, &json!({"id": id, "user_id": id, "username": format!("twin{account}")}))
    }

    fn spent(&self, account: u32, now: Timestamp) -> u64 {
        let recent = |post: &&Kept| post.account == account && time::since(now, post.at) < DAY;
        self.posts.iter().filter(recent).count() as u64 + self.used
    }

    fn quota(&self, account: u32, now: Timestamp) -> HttpReply {
        let config = |total: u64| json!({"quota_total": total, "quota_duration": 86_400});
        let used = self.spent(account, now);
        HttpReply::json(
            200,
            &json!({"data": [{"quota_usage": used, "config": config(self.manner.quota), "reply_quota_usage": used,
                "reply_config": config(1000)}]}),
        )
    }

    fn create(&mut self, account: u32, form: BTreeMap<String, String>, now: Timestamp) -> HttpReply {
        let invalid = |message: &str| error(400, 100, None, message);
        let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let (kind, text) = (field("media_type"), field(self.manner.dialect.text));
        let is_item = field("is_carousel_item") == "true";
        let hungry = field("upload_type") == "resumable";
        if text.chars().count() > self.manner.characters {
            return invalid(&format!("Param text must be at most {} characters long.", self.manner.characters));
        }
        if let Some(parent) = form.get("reply_to_id")
            && !self.posts.iter().any(|post| post.id == *parent)
        {
            return error(400, 24, Some(4_279_009), "The media with that id cannot be found.");
        }
        let mut pending = 0;
        if kind == "CAROUSEL" {
            let children: Vec<&str> = field("children").split(',').collect();
            if !(2..=self.manner.items).contains(&children.len()) {
                return error(400, 100, Some(2_207_028), "Your post needs between 2 and more items.");
            }
            let fit = |id: &&str| self.containers.get(*id).is_some_and(|held| held.is_item && held.is_ready());
            if !children.iter().all(fit) {
                return self.not_ready();
            }
            pending = 1;
        } else if let Some(address) = form.get("image_url").or_else(|| form.get("video_url")) {
            let Some((_, ending)) = file_of(address) else {
                return error(400, 9004, Some(2_207_052), "The media could not be fetched from this URI");
            };
            let image = self.manner.images.contains(&ending.as_str());
            let fits = if form.contains_key("image_url") { image } else { matches!(ending.as_str(), "mp4" | "mov") };
            if self.hidden || !fits {
                let (code, subcode) = if fits { (9004, 2_207_052) } else { (36_001, 2_207_005) };
                return error(400, code, Some(subcode), "The image format is not supported");
            }
            pending = if image { 1 } else { 2 };
        } else if !hungry && (!self.manner.text_alone || text.is_empty()) {
            return invalid("The parameter image_url is required");
        }
        self.issued += 1;
        let id = (17_900_000_000_000_000 + self.issued).to_string();
        let failed = self.failing.take();
        let made = Container { account, form, at: now, pending, is_item, hungry, stored: 0, published: false, failed };
        self.containers.insert(id.clone(), made);
        HttpReply::json(200, &json!({ "id": id }))
    }

    fn take_bytes(&mut self, account: u32, id: &str, request: &Request) -> HttpReply {
        let header = |name: &str| {
            let found = request.headers.iter().find(|(held, _)| held.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.expose()).unwrap_or_default()
        };
        let (offset, size, length) = (header("offset").parse(), header("file_size").parse(), request.body.len());
        let goes_on = |held: &Container| offset == Ok(held.stored) && size == Ok(held.stored + length);
        let broken = std::mem::take(&mut self.broken);
        let held = self.containers.get_mut(id).filter(|held| held.account == account && held.hungry && goes_on(held));
        match held {
            Some(held) if broken => {
                held.stored += length / 2;
                let info = json!({"retriable": true, "type": "PartialRequestError", "message": "Partial request"});
                HttpReply::json(500, &json!({ "debug_info": info }))
            }
            Some(held) => {
                held.stored += length;
                held.hungry = false;
                held.pending = 2;
                HttpReply::json(200, &json!({"success": true, "message": "Upload successful."}))
            }
            None => HttpReply::json(
                400,
                &json!({"debug_info": {"retriable": false, "type": "ProcessingFailedError", "message": "no such upload"}}),
            ),
        }
    }

    fn not_ready(&self) -> HttpReply {
        let (code, subcode) = self.manner.not_ready;
        error(400, code, Some(subcode), "Media ID is not available")
    }

    fn publish(&mut self, account: u32, id: &str, now: Timestamp) -> HttpReply {
        let Some(held) = self.containers.get(id).filter(|held| held.account == account && !held.is_item) else {
            return self.not_ready();
        };
        if self.unready > 0 {
            self.unready -= 1;
            return self.not_ready();
        }
        if held.published {
            return error(400, 100, None, "The media has been published already");
        }
        if !held.is_ready() || held.is_expired(now) {
            return self.not_ready();
        }
        if self.spent(account, now) >= self.manner.quota {
            return error(400, 9, Some(2_207_042), "You reached the maximum number of posts per day");
        }
        self.issued += 1;
        let post = Kept {
            account,
            id: (18_000_000_000_000_000 + self.issued).to_string(),
            text: held.form.get(self.manner.dialect.text).cloned().unwrap_or_default(),
            at: now,
            answers: held.form.get("reply_to_id").cloned(),
            story: held.form.get("media_type").is_some_and(|kind| kind == "STORIES"),
        };
        let reply = HttpReply::json(200, &json!({ "id": post.id }));
        self.posts.push(post);
        if let Some(held) = self.containers.get_mut(id) {
            held.published = true;
        }
        if self.denied > 0 {
            self.denied -= 1;
            return error(400, 4, Some(2_207_051), "We restrict certain activity to protect our community");
        }
        reply
    }

    /// A container, or a post.
    fn object(&mut self, account: u32, id: &str, parameters: &BTreeMap<String, String>, now: Timestamp) -> HttpReply {
        let dialect = self.manner.dialect;
        let fields = parameters.get("fields").map(String::as_str).unwrap_or_default();
        if let Some(post) = self.posts.iter().find(|post| post.id == id && post.account == account) {
            let counts = self.count_fields(post);
            let known = |field: &&str| ["permalink", "id", "timestamp"].contains(field) || !counts[*field].is_null();
            return match fields.split(',').find(|field| !known(field)) {
                Some(field) => error(400, 100, None, &format!("Tried accessing nonexisting field ({field})")),
                None => {
                    let mut value = self.show(post);
                    for field in fields.split(',').filter(|field| !counts[*field].is_null()) {
                        value[field] = counts[field].clone();
                    }
                    HttpReply::json(200, &value)
                }
            };
        }
        let Some(held) = self.containers.get_mut(id).filter(|held| held.account == account) else {
            return error(400, 100, Some(33), "Unsupported get request. Object with that ID does not exist");
        };
        let status = match () {
            () if held.published => "PUBLISHED",
            () if held.is_expired(now) => "EXPIRED",
            () if held.failed.is_some() => "ERROR",
            () if held.hungry => "IN_PROGRESS",
            () if held.pending > 0 => {
                held.pending -= 1;
                "IN_PROGRESS"
            }
            () => "FINISHED",
        };
        let mut value = json!({ "id": id });
        let fields = if held.form.contains_key("upload_type") && fields == "video_status" {
            let phase = json!({"status": "in_progress", "bytes_transferred": held.stored});
            value["video_status"] = json!({"uploading_phase": phase});
            dialect.status
        } else {
            fields
        };
        if let Some(why) = &held.failed {
            value[dialect.problem] = json!(why);
        }
        if let Some(field) = fields.split(',').find(|field| ![dialect.status, dialect.problem].contains(field)) {
            return error(400, 100, None, &format!("Tried accessing nonexisting field ({field})"));
        }
        value[dialect.status] = json!(status);
        HttpReply::json(200, &value)
    }

    fn list(&self, account: u32, edge: &str, parameters: &BTreeMap<String, String>, now: Timestamp) -> HttpReply {
        let dialect = self.manner.dialect;
        let of_edge =
            |post: &&Kept| dialect.answers.is_none() || post.answers.is_some() == (Some(edge) == dialect.answers);
        let of_edge = |post: &&Kept| of_edge(post) && post.story == (edge == STORIES);
        let seen = |post: &&Kept| post.account == account && time::since(now, post.at) >= LATE;
        let limit = parameters.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(25);
        let skip: usize = parameters.get("after").and_then(|after| after.strip_prefix("at")?.parse().ok()).unwrap_or(0);
        let all: Vec<Value> =
            self.posts.iter().rev().filter(of_edge).filter(seen).map(|post| self.show(post)).collect();
        let page: Vec<Value> = all.iter().skip(skip).take(limit).cloned().collect();
        let mut value = json!({ "data": page });
        if !page.is_empty() {
            value["paging"] =
                json!({"cursors": {"before": format!("at{skip}"), "after": format!("at{}", skip + page.len())}});
        }
        HttpReply::json(200, &value)
    }

    fn show(&self, post: &Kept) -> Value {
        let mut value = json!({
            "id": post.id,
            "timestamp": post.at.strftime("%Y-%m-%dT%H:%M:%S+0000").to_string(),
            "permalink": format!("https://www.{}.com/@twin{}/post/{}", self.manner.platform, post.account, post.id),
        });
        if !post.text.is_empty() {
            value[self.manner.dialect.text] = json!(post.text);
        }
        if let Some(parent) = &post.answers {
            value["replied_to"] = json!({ "id": parent });
        }
        value
    }
}

impl Container {
    fn is_ready(&self) -> bool {
        self.pending == 0 && !self.hungry && self.failed.is_none()
    }

    fn is_expired(&self, now: Timestamp) -> bool {
        time::since(now, self.at) > LIFE
    }
}

fn account_id(account: u32) -> String {
    (17_841_400_000_000_000 + u64::from(account)).to_string()
}

/// What a file below `/media/` must hold, by its name, and its ending.
fn file_of(address: &str) -> Option<(Digest, String)> {
    let url = Url::parse(address).ok()?;
    let name = url.path().split_once("/media/")?.1;
    let (hex, ending) = name.split_once('.')?;
    Some((format!("sha256:{hex}").parse().ok()?, ending.into()))
}

/// Those of the URL and of the form.
fn parameters(request: &Request) -> BTreeMap<String, String> {
    let url = request.exposed_url().unwrap_or_else(|_| request.url.clone());
    let mut all: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
    if request.body.mime.as_deref() == Some("application/x-www-form-urlencoded") {
        all.extend(url::form_urlencoded::parse(&request.body.concat()).into_owned());
    }
    all
}

fn error(status: u16, code: i64, subcode: Option<i64>, message: &str) -> HttpReply {
    let mut error = json!({
        "message": message,
        "type": "OAuthException",
        "code": code,
        "is_transient": false,
        "fbtrace_id": "A-ptA4ve9FlWkRMi935kaIS",
    });
    if let Some(subcode) = subcode {
        error["error_subcode"] = subcode.into();
        error["error_user_title"] = "Something went wrong".into();
        error["error_user_msg"] = message.into();
    }
    HttpReply::json(status, &json!({ "error": error }))
}
