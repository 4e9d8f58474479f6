//! An imitation of X: the calls that the adapter makes, answered in the shapes and with the errors of version 2 of the
//! API, as far as they are documented or have been told by others.
//!
//! It verifies signatures, rotates refresh tokens, takes uploads at once and in segments, shortens
//! addresses, escapes texts, refuses what an account has said within some hours, and counts requests against limits.
//! Its list of an account's posts lags behind. Any number of accounts exist; one other person has written a post that
//! names them all, and one that names nobody and therefore cannot be answered.
//!
//! It takes a nonce twice: in a test the same may be asked twice at one moment. It bills what its list of prices says, refused posts too; that nobody has
//! paid is told where a test says so ([`XTwin::refuse_next`]).

mod people;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use url::Url;

use super::oauth1::Keys;
use super::session::{
    ACCESS_TOKEN, ACCESS_TOKEN_SECRET, CLIENT_ID, CLIENT_SECRET, CONSUMER_KEY, CONSUMER_SECRET, REFRESH_TOKEN,
};
use super::text;
use crate::domain::{Digest, Dollars, Secret, Timestamp, time};
use crate::platform::contract::crowd::{Crowd, CrowdAct, Standing};
use crate::platform::contract::{
    Billed, Call, Codes, HttpReply, Method, Published, Reply, Request, Secrets, Twin, WrongCode,
};

/// Somebody's post that names our accounts, and one that does not.
pub const SUMMONS: &str = "1500000000000000001";
pub const ALOOF: &str = "1500000000000000002";

const CONSUMER: [&str; 2] = ["twin-consumer", "twin-consumer-secret"];
const CLIENT: [&str; 2] = ["twin-client", "twin-client-secret"];
/// An application without a secret.
pub const PUBLIC_CLIENT: &str = "twin-public-client";
const ACCESS_LIFE: Duration = Duration::from_secs(7_200);
const UPLOAD_LIFE: Duration = Duration::from_secs(86_400);
/// How long the same text is refused.
const SAME_TEXT: Duration = Duration::from_secs(6 * 3600);
/// How long a post is missing in the list of an account's posts.
const LIST_LAG: Duration = Duration::from_secs(20);
/// How long films and animations are processed.
const PROCESSING: Duration = Duration::from_secs(3);
const WINDOW: Duration = Duration::from_secs(900);
/// When the numbers of X's ids began, in milliseconds.
const ID_EPOCH: i64 = 1_288_834_974_657;

/// The platform, empty but for the other person's posts.
#[derive(Debug)]
pub struct XTwin {
    /// Accounts prove themselves by OAuth 2.0.
    oauth2: bool,
    posts: Vec<Stored>,
    last_id: u64,
    uploads: BTreeMap<String, Upload>,
    grants: BTreeMap<u32, Grant>,
    codes: Codes,
    buckets: BTreeMap<(&'static str, u32), (u64, Timestamp)>,
    /// What the next publishing requests are answered with instead.
    refusals: VecDeque<HttpReply>,
    throttled: Option<Timestamp>,
    revoked: bool,
    bill: Vec<Billed>,
    /// Which of an account's refresh tokens is configured, where it is not the first.
    configured: BTreeMap<u32, u64>,
    /// The application may read and not write.
    reads_only: bool,
    crowd: Crowd,
}

#[derive(Debug)]
struct Stored {
    account: u32,
    id: u64,
    text: String,
    at: Timestamp,
    answers: Option<String>,
    media: Vec<String>,
}

#[derive(Debug)]
struct Upload {
    account: u32,
    category: String,
    total: usize,
    segments: BTreeMap<usize, usize>,
    /// When it is, or will be, processed; none before the last call.
    ready: Option<Timestamp>,
    begun: Timestamp,
    alt: Option<String>,
}

/// What an account's tokens are now; each refresh ends those before.
#[derive(Debug, Clone)]
struct Grant {
    serial: u64,
    access_until: Timestamp,
}

type Answer = Result<HttpReply, HttpReply>;

impl Default for XTwin {
    fn default() -> Self {
        Self::new()
    }
}

impl XTwin {
    /// Whose accounts prove themselves by OAuth 1.0a.
    pub fn new() -> Self {
        Self {
            oauth2: false,
            posts: Vec::new(),
            last_id: 0,
            uploads: BTreeMap::new(),
            grants: BTreeMap::new(),
            codes: Codes::default(),
            buckets: BTreeMap::new(),
            refusals: VecDeque::new(),
            throttled: None,
            revoked: false,
            bill: Vec::new(),
            configured: BTreeMap::new(),
            reads_only: false,
            crowd: Crowd::default(),
        }
    }

    /// Whose accounts prove themselves by OAuth 2.0.
    pub fn with_oauth2() -> Self {
        Self { oauth2: true, ..Self::new() }
    }

    /// The next publishing request is not carried out, and answered so.
    pub fn refuse_next(&mut self, status: u16, problem: &Value) {
        self.refusals.push_back(HttpReply::json(status, problem));
    }

    /// Descriptions of the uploads that a post shows.
    pub fn described(&self, post: &str) -> Vec<Option<String>> {
        let post = self.posts.iter().find(|held| held.id.to_string() == post);
        let media = post.map_or(&[][..], |post| &post.media);
        media.iter().map(|id| self.uploads.get(id).and_then(|upload| upload.alt.clone())).collect()
    }

    /// All uploads are forgotten, as they are after a day.
    pub fn forget_uploads(&mut self) {
        self.uploads.clear();
    }

    /// An account says something by another way than ours.
    pub fn say(&mut self, account: u32, text: &str, now: Timestamp) {
        self.store(account, text, None, Vec::new(), now);
    }

    /// The application may read and not write, or both again.
    pub fn set_reads_only(&mut self, reads_only: bool) {
        self.reads_only = reads_only;
    }

    fn dispatch(&mut self, request: &Request, now: Timestamp) -> Answer {
        if let Some(until) = self.throttled.filter(|until| now < *until) {
            return Err(too_much(until));
        }
        let path = request.url.path().split_once("/2/").map_or("", |(_, path)| path).to_owned();
        let path: Vec<&str> = path.split('/').collect();
        if (request.method, path.as_slice()) == (Method::Post, &["oauth2", "token"]) {
            return self.token(request, now);
        }
        let account = self.authenticate(request, now)?;
        let told = (request.method == Method::Get).then(|| self.tell(account, &path, request)).flatten();
        if let Some((answer, micros)) = told {
            if micros > 0 {
                self.bill.push(Billed { account, money: Dollars(micros), at: now, begins: false });
            }
            return answer;
        }
        let answer = self.carry_out(account, &path, request, now);
        self.bill(account, &path, request, &answer, now);
        answer
    }

    fn carry_out(&mut self, account: u32, path: &[&str], request: &Request, now: Timestamp) -> Answer {
        let reply = match (request.method, path) {
            (Method::Get, ["users", "me"]) => {
                self.charge("me", 75, account, now)?;
                let (id, name) = (user(account), format!("account{account}"));
                let mut reply = HttpReply::json(200, &json!({"data": {"id": id, "name": name, "username": name}}));
                if !self.oauth2 {
                    let level = if self.reads_only { "read" } else { "read-write" };
                    reply.headers.push(("x-access-level".into(), level.into()));
                }
                reply
            }
            (Method::Get, ["users", id, "tweets"]) => {
                self.charge("list", 900, account, now)?;
                self.list(id, request, now)?
            }
            (Method::Post, ["tweets"]) => {
                let (left, reset) = self.charge("publish", 100, account, now)?;
                let mut reply = self.publish(account, &body(request)?, now)?;
                reply.headers.push(("x-rate-limit-remaining".into(), left.to_string()));
                reply.headers.push(("x-rate-limit-reset".into(), reset.as_second().to_string()));
                reply
            }
            (Method::Get, ["media", "upload"]) => self.upload_status(account, request, now)?,
            (Method::Post, ["media", rest @ ..]) => {
                self.charge("media", 1_875, account, now)?;
                self.media(account, rest, request, now)?
            }
            _ => return Err(problem(404, "Not Found", "no such address")),
        };
        Ok(reply)
    }

    fn bill(&mut self, account: u32, path: &[&str], request: &Request, answer: &Answer, now: Timestamp) {
        let done = answer.as_ref().ok().and_then(HttpReply::value);
        let too_much = answer.as_ref().is_err_and(|refused| refused.status == 429);
        let posted = body(request).unwrap_or_default();
        let (micros, begins) = match (request.method, path) {
            (Method::Get, ["users", "me"]) if done.is_some() => (10_000, false),
            (Method::Get, ["users", _, "tweets"]) => {
                let listed = done.and_then(|list| list["data"].as_array().map(Vec::len)).unwrap_or(0);
                (1_000 * i64::try_from(listed).unwrap_or(i64::MAX), false)
            }
            (Method::Post, ["tweets"]) if !too_much => {
                let text = text::normal(posted["text"].as_str().unwrap_or_default());
                let price = if text::addresses(&text).is_empty() { 15_000 } else { 200_000 };
                (price, posted["reply"].is_null())
            }
            (Method::Post, ["media", "metadata"]) if !too_much => (5_000, true),
            _ => return,
        };
        self.bill.push(Billed { account, money: Dollars(micros), at: now, begins });
    }

    fn token(&mut self, request: &Request, now: Timestamp) -> Answer {
        let refused =
            |error: &str, words: &str| HttpReply::json(400, &json!({"error": error, "error_description": words}));
        let basic = format!("Basic {}", STANDARD.encode(CLIENT.join(":")));
        let fields: BTreeMap<_, _> = url::form_urlencoded::parse(&request.body.concat()).into_owned().collect();
        let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
        let known = match header(request) {
            Some(header) => header == basic,
            None => field(CLIENT_ID) == PUBLIC_CLIENT,
        };
        if !self.oauth2 || !known {
            return Err(HttpReply::json(
                401,
                &json!({"error": "unauthorized_client", "error_description": "Missing valid authorization header"}),
            ));
        }
        if field("grant_type") == "authorization_code" {
            let (account, scope) = self.codes.take(&fields).map_err(|wrong| {
                let what = match wrong {
                    WrongCode::Unknown | WrongCode::Used => "the authorization code was invalid.",
                    WrongCode::Redirect => "the redirect uri did not match the uri of the authorization code.",
                    WrongCode::Verifier => "the code verifier did not match the code challenge.",
                };
                refused("invalid_request", &format!("Value passed for {what}"))
            })?;
            return Ok(self.tokens(account, &scope, now));
        }
        let given = field("refresh_token");
        let account = given.split('-').nth(2).and_then(|account| account.parse().ok());
        let known = account.filter(|account| given == refresh_token(*account, self.grant(*account).serial));
        let Some(account) = known.filter(|_| !self.revoked) else {
            return Err(refused("invalid_request", "Value passed for the token was invalid."));
        };
        Ok(self.tokens(account, "tweet.read tweet.write users.read media.write offline.access", now))
    }

    /// A new pair, which ends the one before. Who was not asked for `offline.access` gets no refresh token.
    fn tokens(&mut self, account: u32, scope: &str, now: Timestamp) -> HttpReply {
        let grant = Grant { serial: self.grant(account).serial + 1, access_until: time::after(now, ACCESS_LIFE) };
        let mut tokens = json!({
            "token_type": "bearer", "expires_in": ACCESS_LIFE.as_secs(), "scope": scope,
            "access_token": access_token(account, grant.serial),
        });
        if scope.contains("offline.access") {
            tokens["refresh_token"] = json!(refresh_token(account, grant.serial));
        }
        self.grants.insert(account, grant);
        HttpReply::json(200, &tokens)
    }

    fn grant(&self, account: u32) -> Grant {
        self.grants.get(&account).cloned().unwrap_or(Grant { serial: 0, access_until: Timestamp::MIN })
    }

    /// The account that signs a request.
    fn authenticate(&self, request: &Request, now: Timestamp) -> Result<u32, HttpReply> {
        let unauthorized = || problem(401, "Unauthorized", "Unauthorized");
        let header = header(request).filter(|_| !self.revoked).ok_or_else(unauthorized)?;
        if self.oauth2 {
            let token = header.strip_prefix("Bearer ").ok_or_else(unauthorized)?;
            let account = token.split('-').nth(2).and_then(|account| account.parse().ok()).ok_or_else(unauthorized)?;
            let grant = self.grant(account);
            let good = token == access_token(account, grant.serial) && now < grant.access_until;
            return if good { Ok(account) } else { Err(unauthorized()) };
        }
        let fields = header.strip_prefix("OAuth ").ok_or_else(unauthorized)?;
        let fields: BTreeMap<String, String> = fields.split(", ").filter_map(field).collect();
        let value = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
        let account = value("oauth_token").rsplit('-').next().and_then(|account| account.parse().ok());
        let account =
            account.filter(|account| value("oauth_token") == oauth1_token(*account)).ok_or_else(unauthorized)?;
        let own: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let own: Vec<_> = own.into_iter().filter(|(name, _)| *name != "oauth_signature").collect();
        let secrets = [CONSUMER[0].to_owned(), CONSUMER[1].to_owned(), oauth1_token(account), oauth1_secret(account)];
        let [consumer_key, consumer_secret, access_token, access_token_secret] = &secrets.map(Secret::new);
        let keys = Keys { consumer_key, consumer_secret, access_token, access_token_secret };
        let signed = value("oauth_signature") == keys.signature(request, &own);
        if signed && value("oauth_consumer_key") == CONSUMER[0] { Ok(account) } else { Err(unauthorized()) }
    }

    /// Counts a request, and tells how many are left until when.
    fn charge(
        &mut self,
        what: &'static str,
        limit: u64,
        account: u32,
        now: Timestamp,
    ) -> Result<(u64, Timestamp), HttpReply> {
        let bucket = self.buckets.entry((what, account)).or_insert((0, now));
        if time::since(now, bucket.1) >= WINDOW {
            *bucket = (0, now);
        }
        let reset = time::after(bucket.1, WINDOW);
        if bucket.0 == limit {
            return Err(too_much(reset));
        }
        bucket.0 += 1;
        Ok((limit - bucket.0, reset))
    }

    fn publish(&mut self, account: u32, body: &Value, now: Timestamp) -> Answer {
        if let Some(reply) = self.refusals.pop_front() {
            return Err(reply);
        }
        let keys: Vec<&str> = body.as_object().map_or(Vec::new(), |body| body.keys().map(String::as_str).collect());
        if let Some(unknown) = keys.iter().find(|key| !["text", "media", "reply"].contains(key)) {
            return Err(invalid(&format!("$.{unknown}: is not defined in the schema")));
        }
        let text = body["text"].as_str().unwrap_or_default();
        let media: Vec<String> = body["media"]["media_ids"]
            .as_array()
            .map_or(Vec::new(), |ids| ids.iter().filter_map(|id| id.as_str().map(Into::into)).collect());
        let good = |id: &String| {
            let upload = self.uploads.get(id).filter(|upload| upload.account == account);
            upload.is_some_and(|upload| upload.is_ready(now) && time::since(now, upload.begun) < UPLOAD_LIFE)
        };
        if media.len() > 4 || !media.iter().all(good) {
            return Err(invalid("Your media IDs are invalid."));
        }
        if text.is_empty() && media.is_empty() {
            return Err(invalid("One or more parameters to your request was invalid."));
        }
        if text::weight(text) > text::WEIGHT {
            return Err(problem(403, "Forbidden", "Your Tweet text is too long."));
        }
        let parent = body["reply"]["in_reply_to_tweet_id"].as_str();
        match parent {
            Some(ALOOF) => {
                let words = "Reply to this conversation is not allowed because you have not been mentioned or otherwise engaged by the author of the post you are replying to.";
                let mut reply = json!({"title": "Forbidden", "detail": words, "status": 403});
                reply["type"] = json!("https://api.x.com/2/problems/not-authorized-for-resource");
                return Err(HttpReply::json(403, &reply));
            }
            Some(id)
                if id != SUMMONS
                    && self.crowd.find(id).is_none()
                    && !self.posts.iter().any(|post| post.id.to_string() == id) =>
            {
                let words = "You attempted to reply to a Tweet that is deleted or not visible to you.";
                return Err(problem(403, "Forbidden", words));
            }
            _ => {}
        }
        let recent = |post: &&Stored| post.account == account && time::since(now, post.at) < SAME_TEXT;
        if !text.is_empty() && self.posts.iter().filter(recent).any(|post| post.text == text) {
            return Err(problem(403, "Forbidden", "You are not allowed to create a Tweet with duplicate content."));
        }
        let id = self.store(account, text, parent.map(Into::into), media, now);
        let told = self.posts.last().map(|post| told(post)["text"].clone());
        Ok(HttpReply::json(201, &json!({"data": {"id": id, "text": told, "edit_history_tweet_ids": [id]}})))
    }

    fn store(
        &mut self,
        account: u32,
        text: &str,
        answers: Option<String>,
        media: Vec<String>,
        now: Timestamp,
    ) -> String {
        let id = self.fresh_id(now);
        self.posts.push(Stored { account, id, text: text.into(), at: now, answers, media });
        id.to_string()
    }

    /// A number that grows with time.
    fn fresh_id(&mut self, now: Timestamp) -> u64 {
        let of_now = u64::try_from(now.as_millisecond() - ID_EPOCH).unwrap_or_default() << 22;
        self.last_id = of_now.max(self.last_id + 1);
        self.last_id
    }

    fn list(&self, id: &str, request: &Request, now: Timestamp) -> Answer {
        let query: BTreeMap<String, String> = request.url.query_pairs().into_owned().collect();
        let number = |key: &str| query.get(key).and_then(|value| value.parse::<u64>().ok());
        let size = number("max_results").unwrap_or(10);
        if !(5..=100).contains(&size) {
            return Err(invalid(&format!("The `max_results` query parameter value [{size}] is not between 5 and 100")));
        }
        let size = usize::try_from(size).unwrap_or(100);
        let since = number("since_id").unwrap_or_default();
        let wanted =
            |post: &&Stored| user(post.account) == id && post.id > since && time::since(now, post.at) >= LIST_LAG;
        let posts = self.posts.iter().filter(wanted).map(|post| (post.id, told(post)));
        let said = self.said_by_hand(id).into_iter();
        let said = said.filter(|(id, at, _)| *id > since && time::since(now, *at) >= LIST_LAG);
        let mut all: Vec<(u64, Value)> = posts.chain(said.map(|(id, _, told)| (id, told))).collect();
        all.sort_by_key(|(id, _)| std::cmp::Reverse(*id));
        let from =
            query.get("pagination_token").and_then(|token| token.strip_prefix("page")?.parse().ok()).unwrap_or(0);
        let fields: Vec<&str> = query.get("tweet.fields").map_or(Vec::new(), |fields| fields.split(',').collect());
        let page: Vec<Value> = all.iter().skip(from).take(size).map(|(_, told)| shown(told.clone(), &fields)).collect();
        let mut answer = json!({"meta": {"result_count": page.len()}});
        if from + page.len() < all.len() {
            answer["meta"]["next_token"] = json!(format!("page{:016}", from + page.len()));
        }
        if !page.is_empty() {
            answer["data"] = page.into();
        }
        Ok(HttpReply::json(200, &answer))
    }

    fn media(&mut self, account: u32, path: &[&str], request: &Request, now: Timestamp) -> Answer {
        let mut upload = Upload {
            account,
            category: String::new(),
            total: 0,
            segments: BTreeMap::new(),
            ready: None,
            begun: now,
            alt: None,
        };
        match path {
            ["upload"] => {
                let form = form(request);
                let field = |name: &str| form.get(name).cloned().unwrap_or_default();
                upload.category = String::from_utf8_lossy(&field("media_category")).into_owned();
                if upload.category != "tweet_image" || field("media").is_empty() {
                    return Err(invalid("media_category: is not valid here"));
                }
                upload.ready = Some(now);
                Ok(self.opened(upload, field("media").len(), now))
            }
            ["upload", "initialize"] => {
                let body = body(request)?;
                upload.category = body["media_category"].as_str().unwrap_or_default().into();
                upload.total = body["total_bytes"].as_u64().and_then(|total| total.try_into().ok()).unwrap_or(0);
                if upload.total == 0 || !body["media_type"].is_string() {
                    return Err(invalid("total_bytes: is missing"));
                }
                Ok(self.opened(upload, 0, now))
            }
            ["upload", id, "append"] => {
                let form = form(request);
                let segment = form.get("segment_index").and_then(|text| String::from_utf8_lossy(text).parse().ok());
                let (Some(segment), Some(bytes)) = (segment, form.get("media")) else {
                    return Err(invalid("segment_index: is missing"));
                };
                let open = self.uploads.get_mut(*id).filter(|held| held.account == account && held.ready.is_none());
                let held = open.ok_or_else(|| invalid("media_id: is not valid"))?;
                held.segments.insert(segment, bytes.len());
                let expires = time::after(held.begun, UPLOAD_LIFE).as_second();
                Ok(HttpReply::json(200, &json!({"data": {"expires_at": expires}})))
            }
            ["upload", id, "finalize"] => {
                let open = self.uploads.get_mut(*id).filter(|held| held.account == account && held.ready.is_none());
                let held = open.ok_or_else(|| invalid("media_id: is not valid"))?;
                if held.segments.values().sum::<usize>() != held.total {
                    return Err(invalid("the segments do not make up the file"));
                }
                held.ready = Some(time::after(now, PROCESSING));
                Ok(HttpReply::json(200, &held.told(id, now)))
            }
            ["metadata"] => {
                let body = body(request)?;
                let id = body["id"].as_str().unwrap_or_default();
                let alt = body["metadata"]["alt_text"]["text"].as_str().unwrap_or_default();
                if alt.is_empty() || alt.chars().count() > text::ALT_CHARS {
                    return Err(invalid("alt_text: is too long or missing"));
                }
                let held = self.uploads.get_mut(id).filter(|held| held.account == account);
                held.ok_or_else(|| problem(404, "Not Found", "media not found"))?.alt = Some(alt.into());
                Ok(HttpReply::json(
                    200,
                    &json!({"data": {"id": id, "associated_metadata": {"alt_text": {"text": alt}}}}),
                ))
            }
            _ => Err(problem(404, "Not Found", "no such address")),
        }
    }

    fn opened(&mut self, upload: Upload, size: usize, now: Timestamp) -> HttpReply {
        let id = self.fresh_id(now).to_string();
        let mut told = upload.told(&id, now);
        if size > 0 {
            told["data"]["size"] = json!(size);
        }
        self.uploads.insert(id, upload);
        HttpReply::json(200, &told)
    }

    fn upload_status(&self, account: u32, request: &Request, now: Timestamp) -> Answer {
        let query: BTreeMap<String, String> = request.url.query_pairs().into_owned().collect();
        let id = query.get("media_id").map(String::as_str).unwrap_or_default();
        let held = self.uploads.get(id).filter(|held| held.account == account && held.ready.is_some());
        let held = held.ok_or_else(|| problem(404, "Not Found", "media not found"))?;
        Ok(HttpReply::json(200, &held.told(id, now)))
    }
}

impl Upload {
    fn is_ready(&self, now: Timestamp) -> bool {
        self.ready.is_some_and(|ready| ready <= now)
    }

    fn told(&self, id: &str, now: Timestamp) -> Value {
        let mut told = json!({"data": {
            "id": id, "media_key": format!("3_{id}"), "expires_after_secs": UPLOAD_LIFE.as_secs()
        }});
        if self.ready.is_some() && self.category != "tweet_image" {
            told["data"]["processing_info"] = if self.is_ready(now) {
                json!({"state": "succeeded", "progress_percent": 100})
            } else {
                json!({"state": "in_progress", "check_after_secs": 1, "progress_percent": 10})
            };
        }
        told
    }
}

impl Twin for XTwin {
    fn table(&self, account: u32, base: &str, _folder: &str) -> toml::Table {
        let mut table = toml::Table::from_iter([
            ("auth".into(), if self.oauth2 { "oauth2" } else { "oauth1" }.into()),
            ("base_url".into(), base.into()),
        ]);
        if self.oauth2 {
            table.insert(CLIENT_ID.into(), CLIENT[0].into());
        }
        for key in self.secrets(account).0.into_keys() {
            let reference = format!("TWIN_X_{}_{account}", key.to_uppercase());
            let reference = toml::Table::from_iter([("env".into(), reference.into())]);
            table.insert(key, toml::Value::Table(reference));
        }
        table
    }

    fn secrets(&self, account: u32) -> Secrets {
        let serial = self.configured.get(&account).copied().unwrap_or(0);
        let secret = |(key, secret): (&str, String)| (key.to_owned(), Secret::new(secret));
        Secrets(if self.oauth2 {
            let both = [(CLIENT_SECRET, CLIENT[1].to_owned()), (REFRESH_TOKEN, refresh_token(account, serial))];
            both.into_iter().map(secret).collect()
        } else {
            let all = [
                (CONSUMER_KEY, CONSUMER[0].to_owned()),
                (CONSUMER_SECRET, CONSUMER[1].to_owned()),
                (ACCESS_TOKEN, oauth1_token(account)),
                (ACCESS_TOKEN_SECRET, oauth1_secret(account)),
            ];
            all.into_iter().map(secret).collect()
        })
    }

    fn answer(&mut self, call: &Call, now: Timestamp) -> Reply {
        let answer = match call {
            Call::Http(request) => self.dispatch(request, now),
            _ => Err(invalid("not a request by HTTP")),
        };
        let mut reply = answer.unwrap_or_else(|refused| refused);
        reply.headers.push(("date".into(), date(now)));
        Reply::Http(reply)
    }

    fn published_since(&self, mark: &mut usize) -> Vec<Published> {
        let from = std::mem::replace(mark, self.posts.len());
        let published = |post: &Stored| Published {
            account: post.account,
            id: post.id.to_string(),
            text: post.text.clone(),
            at: post.at,
            answers: post.answers.clone(),
        };
        self.posts.iter().skip(from).map(published).collect()
    }

    fn billed_since(&self, mark: &mut usize) -> Vec<Billed> {
        let from = std::mem::replace(mark, self.bill.len());
        self.bill[from..].to_vec()
    }

    fn renew(&mut self, account: u32) {
        let serial = self.grant(account).serial + 1;
        self.grants.insert(account, Grant { serial, access_until: Timestamp::MIN });
        self.configured.insert(account, serial);
    }

    fn act(&mut self, act: &CrowdAct, now: Timestamp) -> Option<String> {
        self.carry_act_out(act, now)
    }

    fn standing(&self, account: u32, post: &str) -> Option<Standing> {
        self.stands(account, post)
    }

    fn throttle(&mut self, until: Timestamp) {
        self.throttled = Some(until);
    }

    fn expire_tokens(&mut self) {
        for grant in self.grants.values_mut() {
            grant.access_until = Timestamp::MIN;
        }
    }

    fn set_revoked(&mut self, revoked: bool) {
        self.revoked = revoked;
    }

    fn agree(&mut self, account: u32, address: &Url) -> Option<String> {
        let dialog = self.oauth2 && address.as_str().starts_with(super::login::DIALOG);
        // X demands PKCE.
        let asked: BTreeMap<String, String> = address.query_pairs().into_owned().collect();
        let client = if asked.get(CLIENT_ID)? == PUBLIC_CLIENT { PUBLIC_CLIENT } else { CLIENT[0] };
        asked.get("code_challenge").filter(|_| dialog)?;
        self.codes.give(account, address, client)
    }
}

/// The remote id of account number `account`.
pub fn user(account: u32) -> String {
    (7_000_000_000 + u64::from(account)).to_string()
}

fn oauth1_token(account: u32) -> String {
    format!("{}-twintoken-{account}", user(account))
}

fn oauth1_secret(account: u32) -> String {
    format!("twin-token-secret-{account}")
}

fn refresh_token(account: u32, serial: u64) -> String {
    format!("twin-refresh-{account}-{serial}")
}

fn access_token(account: u32, serial: u64) -> String {
    format!("twin-access-{account}-{serial}")
}

/// A post as X tells it: addresses are shortened, `&`, `<` and `>` escaped, and media have an address of their own.
fn told(post: &Stored) -> Value {
    let raw = text::normal(&post.text);
    let escape = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    // An address of X's own in the place of another one.
    let shorten = |text: &mut String, urls: &mut Vec<Value>, stands: Value| {
        let mark = Digest::of(format!("{} {}", post.id, urls.len()).as_bytes()).hex();
        let short = format!("https://t.co/{}", &mark[..10]);
        let start = text.chars().count();
        let mut entity = json!({"start": start, "end": start + short.len(), "url": short});
        for (name, value) in stands.as_object().into_iter().flatten() {
            entity[name] = value.clone();
        }
        text.push_str(&short);
        urls.push(entity);
    };
    let mut text = if post.answers.as_deref() == Some(SUMMONS) { "@fan ".to_owned() } else { String::new() };
    let (mut urls, mut from) = (Vec::new(), 0);
    for range in text::addresses(&raw) {
        let written = &raw[range.clone()];
        let expanded = if written.contains("://") { written.to_owned() } else { format!("http://{written}") };
        text += &escape(&raw[from..range.start]);
        shorten(&mut text, &mut urls, json!({"expanded_url": expanded, "display_url": written}));
        from = range.end;
    }
    text += &escape(&raw[from..]);
    if let Some(first) = post.media.first() {
        text += if text.is_empty() { "" } else { " " };
        let expanded = format!("https://x.com/account{}/status/{}/photo/1", post.account, post.id);
        let stands = json!({"expanded_url": expanded, "display_url": "pic.x.com/a", "media_key": format!("3_{first}")});
        shorten(&mut text, &mut urls, stands);
    }
    let mut told = json!({
        "id": post.id.to_string(), "text": text, "edit_history_tweet_ids": [post.id.to_string()],
        "author_id": user(post.account), "created_at": post.at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
    });
    if !urls.is_empty() {
        told["entities"] = json!({ "urls": urls });
    }
    if !post.media.is_empty() {
        let keys: Vec<_> = post.media.iter().map(|id| format!("3_{id}")).collect();
        told["attachments"] = json!({ "media_keys": keys });
    }
    if let Some(parent) = &post.answers {
        told["referenced_tweets"] = json!([{"type": "replied_to", "id": parent}]);
    }
    told
}

/// Only what always is told, and what was asked for.
fn shown(mut told: Value, fields: &[&str]) -> Value {
    if let Some(told) = told.as_object_mut() {
        told.retain(|key, _| {
            ["id", "text", "edit_history_tweet_ids"].contains(&key.as_str()) || fields.contains(&key.as_str())
        });
    }
    told
}

fn header(request: &Request) -> Option<String> {
    request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("authorization")).map(|(_, value)| value.expose())
}

/// A field of an `Authorization` header: `name="value"`, percent-encoded.
fn field(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once('=')?;
    // `+` stands for itself here.
    let value = value.trim_matches('"').replace('+', "%2B");
    let (_, value) = url::form_urlencoded::parse(format!("v={value}").as_bytes()).into_owned().next()?;
    Some((name.to_owned(), value))
}

fn body(request: &Request) -> Result<Value, HttpReply> {
    let is_json = request.body.mime.as_deref() == Some("application/json");
    let body = serde_json::from_slice(&request.body.concat()).ok().filter(|_| is_json);
    body.ok_or_else(|| invalid("the body is not JSON"))
}

/// The fields of a multipart body.
fn form(request: &Request) -> BTreeMap<String, Vec<u8>> {
    let mime = request.body.mime.as_deref().unwrap_or_default();
    let Some((_, boundary)) = mime.split_once("multipart/form-data; boundary=") else { return BTreeMap::new() };
    let (bytes, line) = (request.body.concat(), format!("--{boundary}"));
    let find = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).position(|window| window == part);
    let (mut rest, mut fields) = (bytes.as_slice(), BTreeMap::new());
    while let Some(at) = find(rest, line.as_bytes()) {
        rest = &rest[at + line.len()..];
        let end = find(rest, line.as_bytes()).unwrap_or(rest.len());
        let part = &rest[..end];
        let Some(head) = find(part, b"\r\n\r\n") else { continue };
        let names = String::from_utf8_lossy(&part[..head]).into_owned();
        let name = names.split("name=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
        fields.insert(name.to_owned(), part[head + 4..].strip_suffix(b"\r\n").unwrap_or_default().to_vec());
    }
    fields
}

fn problem(status: u16, title: &str, detail: &str) -> HttpReply {
    HttpReply::json(status, &json!({"title": title, "detail": detail, "type": "about:blank", "status": status}))
}

fn invalid(message: &str) -> HttpReply {
    let body = json!({
        "errors": [{"message": message}], "title": "Invalid Request",
        "detail": "One or more parameters to your request was invalid.",
        "type": "https://api.x.com/2/problems/invalid-request", "status": 400
    });
    HttpReply::json(400, &body)
}

fn too_much(until: Timestamp) -> HttpReply {
    // Whole seconds, rounded up: asking again then must not be too early.
    let reset = until.as_millisecond().div_euclid(1_000) + 1;
    let mut reply = problem(429, "Too Many Requests", "Too Many Requests");
    reply.headers.push(("x-rate-limit-remaining".into(), "0".into()));
    reply.headers.push(("x-rate-limit-reset".into(), reset.to_string()));
    reply
}

fn date(now: Timestamp) -> String {
    now.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
