//! An imitation of a PDS: the calls that the adapter makes, answered as the reference server answers them, with
//! the same names, statuses and headers, as far as they have been observed.
//!
//! It keeps sessions that expire, blobs, and records with true content addresses; it counts logins, writes and
//! uploads against the reference server's limits, and checks in a post what that server checks. Any number of
//! accounts `account-N.test` exist, with the password `twin-password-N`. One other person, `fan.test`, has written a
//! post and an answer to it.
//!
//! It differs on purpose in one thing: when the secret is revoked, access tokens end at once. The reference server
//! lets them live out their two hours, others do not; the harder case is imitated.

mod people;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};

use super::record::StrongRef;
use super::syntax::{self, POSTS, PostAddress};
use super::{cid, session, text, wire};
use crate::domain::{Digest, Secret, Timestamp, time};
use crate::platform::contract::crowd::{Crowd, CrowdAct, Standing};
use crate::platform::contract::{Call, HeaderValue, HttpReply, Method, Published, Reply, Request, Secrets, Twin};

/// A person who is none of ours.
pub const FAN: &str = "fan.test";
const FAN_POST: &str = "3kfanpost2222";
const FAN_ANSWER: &str = "3kfanpost3333";

/// Lives of tokens, as of the reference server.
const ACCESS_LIFE: Duration = Duration::from_secs(7_200);
const REFRESH_LIFE: Duration = Duration::from_secs(90 * 24 * 3600);
/// Largest upload (the reference server's default).
const BLOB_BYTES: usize = 5 * 1024 * 1024;
const IMAGE_BYTES: u64 = 2_000_000;
/// What a `putRecord` costs.
const PUT_POINTS: u64 = 2;

/// The scope of a session that was begun with an app password.
const APP_PASSWORD: &str = "com.atproto.appPass";

/// The platform, empty but for the fan.
#[derive(Debug)]
pub struct BlueskyTwin {
    access_life: Duration,
    /// Which account a DID is, once it was asked for.
    accounts: BTreeMap<String, u32>,
    records: BTreeMap<(String, String), Stored>,
    /// Keys of `records` in the order of creation.
    order: Vec<(String, String)>,
    blobs: BTreeSet<(String, String, String, u64)>,
    buckets: BTreeMap<(&'static str, String), Bucket>,
    throttled: Option<Timestamp>,
    revoked: bool,
    /// What access tokens say that they may do.
    scope: &'static str,
    /// Number of the next token, and the first ones that are still good.
    serial: u64,
    access_from: u64,
    refresh_from: u64,
    crowd: Crowd,
    /// Number of what other people have said.
    said: u64,
}

#[derive(Debug)]
struct Stored {
    value: Value,
    cid: String,
    at: Timestamp,
}

/// One allowance: how much of it was used since when.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    limit: u64,
    window: u64,
    used: u64,
    since: Timestamp,
}

impl Default for BlueskyTwin {
    fn default() -> Self {
        Self::new()
    }
}

impl BlueskyTwin {
    pub fn new() -> Self {
        Self::with_access_life(ACCESS_LIFE)
    }

    /// Whose access tokens live as long as that, in whole seconds.
    pub fn with_access_life(access_life: Duration) -> Self {
        let mut twin = Self {
            access_life,
            accounts: BTreeMap::new(),
            records: BTreeMap::new(),
            order: Vec::new(),
            blobs: BTreeSet::new(),
            buckets: BTreeMap::new(),
            throttled: None,
            revoked: false,
            scope: APP_PASSWORD,
            serial: 0,
            access_from: 0,
            refresh_from: 0,
            crowd: Crowd::default(),
            said: 0,
        };
        let post = json!({"$type": POSTS, "text": "Who starts small?", "createdAt": "2026-01-01T00:00:00.000Z"});
        let post = twin.store(&did(FAN), FAN_POST, post, Timestamp::UNIX_EPOCH);
        let answer = json!({
            "$type": POSTS, "text": "Anybody?", "createdAt": "2026-01-01T00:01:00.000Z",
            "reply": {"root": post, "parent": post}
        });
        twin.store(&did(FAN), FAN_ANSWER, answer, Timestamp::UNIX_EPOCH);
        twin
    }

    /// The fan's post, and the fan's answer to it.
    pub fn fan_posts(&self) -> [StrongRef; 2] {
        [FAN_POST, FAN_ANSWER].map(|rkey| {
            let did = did(FAN);
            let cid = self.records.get(&(did.clone(), rkey.into())).map(|held| held.cid.clone()).unwrap_or_default();
            StrongRef { uri: syntax::post_uri(&did, rkey), cid }
        })
    }

    /// The accounts are logged in to with their main passwords from now on.
    pub fn use_main_passwords(&mut self) {
        self.scope = "com.atproto.access";
    }

    /// The DID of account number `account`.
    pub fn did(account: u32) -> String {
        did(&handle(account))
    }

    /// Uploads that no post refers to yet are gone, as they are after a while.
    pub fn collect_blobs(&mut self) {
        self.blobs.clear();
    }

    /// A record appears under a key of account number `account` that the adapter did not write.
    pub fn occupy(&mut self, account: u32, rkey: &str, record: Value) {
        let did = Self::did(account);
        self.accounts.insert(did.clone(), account);
        self.store(&did, rkey, record, Timestamp::UNIX_EPOCH);
    }

    /// The record at `uri`.
    pub fn record(&self, uri: &str) -> Option<&Value> {
        let at = PostAddress::parse(uri)?;
        self.records.get(&(at.repo, at.rkey)).map(|held| &held.value)
    }

    fn store(&mut self, did: &str, rkey: &str, value: Value, at: Timestamp) -> StrongRef {
        let cid = cid::of_record(&value).unwrap_or_default();
        let key = (did.to_owned(), rkey.to_owned());
        let held = StrongRef { uri: syntax::post_uri(did, rkey), cid: cid.clone() };
        if self.records.insert(key.clone(), Stored { value, cid, at }).is_none() {
            self.order.push(key);
        }
        held
    }

    fn dispatch(&mut self, request: &Request, now: Timestamp) -> HttpReply {
        if let Some(until) = self.throttled.filter(|&until| now < until) {
            return too_much(until, now);
        }
        let Some((_, method)) = request.url.path().rsplit_once("/xrpc/") else { return error(404, "NotFound", "") };
        if let Some(handler) = people::handler(method) {
            return match self.authenticate(request, self.scope, now) {
                Ok(account) => handler(self, request, account, now),
                Err(reply) => reply,
            };
        }
        let (wanted, handler): (_, fn(&mut Self, &Request, Timestamp) -> HttpReply) = match method {
            "com.atproto.server.createSession" => (Method::Post, Self::create_session),
            "com.atproto.server.refreshSession" => (Method::Post, Self::refresh_session),
            "com.atproto.server.getSession" => (Method::Get, Self::get_session),
            "com.atproto.repo.uploadBlob" => (Method::Post, Self::upload_blob),
            "com.atproto.repo.putRecord" => (Method::Post, Self::put_record),
            "com.atproto.repo.getRecord" => (Method::Get, Self::get_record),
            "com.atproto.identity.resolveHandle" => (Method::Get, Self::resolve_handle),
            _ => return error(501, "MethodNotImplemented", "Method Not Implemented"),
        };
        if request.method != wanted {
            let message = format!("Incorrect HTTP method ({}) expected {}", request.method.name(), wanted.name());
            return error(400, "InvalidRequest", &message);
        }
        handler(self, request, now)
    }

    fn get_session(&mut self, request: &Request, now: Timestamp) -> HttpReply {
        match self.authenticate(request, self.scope, now) {
            Ok(account) => HttpReply::json(
                200,
                &json!({"did": Self::did(account), "handle": handle(account), "active": true, "emailConfirmed": true}),
            ),
            Err(reply) => reply,
        }
    }

    fn create_session(&mut self, request: &Request, now: Timestamp) -> HttpReply {
        let body = match body(request) {
            Ok(body) => body,
            Err(reply) => return reply,
        };
        let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
        let (identifier, given) = (text("identifier"), text("password"));
        for (key, value) in [("identifier", identifier), ("password", given)] {
            if value.is_empty() {
                return error(400, "InvalidRequest", &format!("Missing required key \"{key}\" at $"));
            }
        }
        let headers = match self.charge(&["login", "login-day"], identifier, 1, now) {
            Ok(headers) => headers,
            Err(reply) => return reply,
        };
        let account = self.account(identifier).filter(|&account| !self.revoked && given == password(account));
        let reply = match account {
            Some(account) => self.session(account, now),
            None => error(401, "AuthenticationRequired", "Invalid identifier or password"),
        };
        with(reply, headers)
    }

    fn refresh_session(&mut self, request: &Request, now: Timestamp) -> HttpReply {
        if !request.body.is_empty() || request.body.mime.is_some() {
            return error(400, "InvalidRequest", "A request body was provided when none was expected");
        }
        match self.authenticate(request, "com.atproto.refresh", now) {
            Ok(account) => self.session(account, now),
            Err(reply) => reply,
        }
    }

    fn session(&mut self, account: u32, now: Timestamp) -> HttpReply {
        let did = Self::did(account);
        let access = self.token(self.scope, &did, self.access_life, now);
        let refresh = self.token("com.atproto.refresh", &did, REFRESH_LIFE, now);
        HttpReply::json(
            200,
            &json!({
                "accessJwt": access, "refreshJwt": refresh, "did": did, "handle": handle(account), "active": true,
                "didDoc": {"id": did, "service": [{
                    "id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": "https://pds.invalid"
                }]}
            }),
        )
    }

    fn upload_blob(&mut self, request: &Request, now: Timestamp) -> HttpReply {
        let account = match self.authenticate(request, self.scope, now) {
            Ok(account) => account,
            Err(reply) => return reply,
        };
        let Some(announced) = &request.body.mime else {
            return error(400, "InvalidRequest", "Request encoding (Content-Type) required but not provided");
        };
        let did = Self::did(account);
        let headers = match self.charge(&["blobs-day"], &did, 1, now) {
            Ok(headers) => headers,
            Err(reply) => return reply,
        };
        let bytes = request.body.concat();
        if bytes.len() > BLOB_BYTES {
            return with(error(413, "PayloadTooLarge", "request entity too large"), headers);
        }
        let mime = sniff(&bytes).unwrap_or(announced);
        let (cid, size) = (cid::of_bytes(&bytes), bytes.len() as u64);
        let blob = json!({"$type": "blob", "ref": {"$link": cid}, "mimeType": mime, "size": size});
        self.blobs.insert((did, cid, mime.into(), size));
        with(HttpReply::json(200, &json!({"blob": blob})), headers)
    }

    fn put_record(&mut self, request: &Request, now: Timestamp) -> HttpReply {
        let account = match self.authenticate(request, self.scope, now) {
            Ok(account) => account,
            Err(reply) => return reply,
        };
        let body = match body(request) {
            Ok(body) => body,
            Err(reply) => return reply,
        };
        let did = Self::did(account);
        let headers = match self.charge(&["points", "points-day"], &did, PUT_POINTS, now) {
            Ok(headers) => headers,
            Err(reply) => return reply,
        };
        with(self.put(&did, &body, now), headers)
    }

    fn put(&mut self, did: &str, body: &Value, now: Timestamp) -> HttpReply {
        let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
        if self.repo(text("repo")).as_deref() != Some(did) {
            return error(401, "AuthenticationRequired", "Authentication Required");
        }
        if text("collection") != POSTS {
            return error(400, "InvalidRequest", "this imitation keeps posts only");
        }
        let rkey = text("rkey");
        if !syntax::is_tid(rkey) {
            let message = format!("Invalid record key for {POSTS}: Invalid TID string (got \"{rkey}\") at $");
            return error(400, "InvalidRequest", &message);
        }
        let mut record = body.get("record").cloned().unwrap_or_default();
        if let Some(map) = record.as_object_mut() {
            map.entry("$type").or_insert(json!(POSTS));
        }
        let Some(cid) = cid::of_record(&record) else { return error(400, "InvalidRequest", "not a record") };
        if let Err(message) = valid(&record) {
            return error(400, "InvalidRequest", &format!("Invalid {POSTS} record: {message}"));
        }
        let answer = |cid: &str| json!({"uri": syntax::post_uri(did, rkey), "cid": cid, "validationStatus": "valid"});
        let held = self.records.get(&(did.to_owned(), rkey.to_owned()));
        match (held, body.get("swapRecord")) {
            // Nothing to do; the swap is not looked at.
            (Some(held), _) if held.cid == cid => return HttpReply::json(200, &answer(&cid)),
            (Some(held), Some(Value::Null)) => {
                return error(400, "InvalidSwap", &format!("Record was at {}", held.cid));
            }
            (held, Some(Value::String(swap))) if held.map(|held| &held.cid) != Some(swap) => {
                let was = held.map_or("null", |held| &held.cid);
                return error(400, "InvalidSwap", &format!("Record was at {was}"));
            }
            _ => {}
        }
        if let Err((name, message)) = self.blobs_are_here(did, &record) {
            return error(400, name, &message);
        }
        self.store(did, rkey, record, now);
        let mut answer = answer(&cid);
        let rev = syntax::tid(u64::try_from(now.as_microsecond()).unwrap_or_default(), 0);
        answer["commit"] = json!({"cid": cid::of_record(&json!({"rev": rev})), "rev": rev});
        HttpReply::json(200, &answer)
    }

    fn blobs_are_here(&self, did: &str, record: &Value) -> Result<(), (&'static str, String)> {
        let images = record.pointer("/embed/images").and_then(Value::as_array);
        for blob in images.into_iter().flatten().filter_map(|image| image.get("image")) {
            let cid = blob.pointer("/ref/$link").and_then(Value::as_str).unwrap_or_default();
            let from = (did.to_owned(), cid.to_owned(), String::new(), 0);
            let first = self.blobs.range(from..).next().filter(|(owner, held, ..)| owner == did && held == cid);
            let Some((.., mime, size)) = first else {
                return Err(("BlobNotFound", format!("Could not find blob: {cid}")));
            };
            let differs = "does not match stored blob";
            if blob.get("size").and_then(Value::as_u64) != Some(*size) {
                return Err(("InvalidSize", format!("Referenced size {differs}. Expected: {size}")));
            }
            if blob.get("mimeType").and_then(Value::as_str) != Some(mime) {
                return Err(("InvalidMimeType", format!("Referenced Mimetype {differs}. Expected: {mime}")));
            }
        }
        Ok(())
    }

    fn get_record(&mut self, request: &Request, _now: Timestamp) -> HttpReply {
        let query = query(request);
        let part = |key: &str| query.get(key).map(String::as_str).unwrap_or_default();
        let (repo, rkey) = (part("repo"), part("rkey"));
        if let Some(said) = self.said_record(&syntax::post_uri(repo, rkey)) {
            let answer = json!({"uri": syntax::post_uri(repo, rkey), "cid": said.cid, "value": said.value});
            return HttpReply::json(200, &answer);
        }
        let held = self.repo(repo).and_then(|did| Some((self.records.get(&(did.clone(), rkey.into()))?, did)));
        match held.filter(|_| part("collection") == POSTS) {
            Some((held, did)) => {
                let answer = json!({"uri": syntax::post_uri(&did, rkey), "cid": held.cid, "value": held.value});
                HttpReply::json(200, &answer)
            }
            None => {
                let message = format!("Could not locate record: {}", syntax::post_uri(repo, rkey));
                error(400, "RecordNotFound", &message)
            }
        }
    }

    fn resolve_handle(&mut self, request: &Request, _now: Timestamp) -> HttpReply {
        let handle = query(request).remove("handle").unwrap_or_default();
        match self.repo(&handle).filter(|_| syntax::is_handle(&handle)) {
            Some(did) => HttpReply::json(200, &json!({"did": did})),
            None => error(400, "HandleNotFound", "Unable to resolve handle"),
        }
    }

    /// The DID of a repository, named by DID or handle.
    fn repo(&mut self, name: &str) -> Option<String> {
        let known = name == did(FAN) || self.accounts.contains_key(name);
        match name.to_ascii_lowercase() {
            _ if known => Some(name.into()),
            name if name == FAN => Some(did(FAN)),
            name => self.account(&name).map(Self::did),
        }
    }

    /// The number of an account, named by DID or handle.
    fn account(&mut self, name: &str) -> Option<u32> {
        if let Some(&account) = self.accounts.get(name) {
            return Some(account);
        }
        let account = name.strip_prefix("account-")?.strip_suffix(".test")?.parse().ok()?;
        self.accounts.insert(Self::did(account), account);
        Some(account)
    }

    fn token(&mut self, scope: &str, did: &str, life: Duration, now: Timestamp) -> String {
        let made = now.as_second();
        let expires = made.saturating_add_unsigned(life.as_secs());
        let claims = json!({"scope": scope, "sub": did, "iat": made, "exp": expires, "jti": self.serial});
        self.serial += 1;
        let head = to_base64(br#"{"typ":"at+jwt","alg":"HS256"}"#);
        sign(&format!("{head}.{}", to_base64(claims.to_string().as_bytes())))
    }

    /// The account whose token a request carries.
    fn authenticate(&self, request: &Request, scope: &str, now: Timestamp) -> Result<u32, HttpReply> {
        let header = request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        let Some(header) = header.map(|(_, value)| HeaderValue::expose(value)) else {
            return Err(error(401, "AuthMissing", "Authentication Required"));
        };
        let Some(token) = header.strip_prefix("Bearer ") else {
            return Err(error(400, "InvalidToken", "Unexpected authorization type"));
        };
        let claims = || {
            let (signed, _) = token.rsplit_once('.').filter(|(signed, _)| sign(signed) == token)?;
            serde_json::from_slice::<Value>(&wire::from_base64(signed.rsplit_once('.')?.1)?).ok()
        };
        let unverified = || error(400, "InvalidToken", "Token could not be verified");
        let claims = claims().filter(|claims| claims["scope"] == scope).ok_or_else(unverified)?;
        let first = if scope == "com.atproto.refresh" { self.refresh_from } else { self.access_from };
        if claims["exp"].as_i64().is_none_or(|expires| expires <= now.as_second()) {
            return Err(error(400, "ExpiredToken", "Token has expired"));
        }
        if self.revoked || claims["jti"].as_u64().is_none_or(|serial| serial < first) {
            return Err(error(400, "ExpiredToken", "Token has been revoked"));
        }
        claims["sub"].as_str().and_then(|did| self.accounts.get(did)).copied().ok_or_else(unverified)
    }

    /// Takes `cost` from each of the buckets, or refuses; the headers describe the tightest.
    fn charge(
        &mut self,
        names: &[&'static str],
        whose: &str,
        cost: u64,
        now: Timestamp,
    ) -> Result<Vec<(String, String)>, HttpReply> {
        let mut tightest: Option<Bucket> = None;
        for name in names {
            let (limit, window) = match *name {
                "login" => (30, 300),
                "login-day" => (300, 86_400),
                "points" => (5_000, 3_600),
                "points-day" => (35_000, 86_400),
                _ => (1_000, 86_400),
            };
            let full = Bucket { limit, window, used: 0, since: now };
            let bucket = self.buckets.entry((name, whose.to_owned())).or_insert(full);
            if time::since(now, bucket.since) >= Duration::from_secs(window) {
                *bucket = full;
            }
            bucket.used += cost;
            if tightest.is_none_or(|tight| bucket.left() < tight.left()) {
                tightest = Some(*bucket);
            }
        }
        match tightest {
            Some(bucket) if bucket.used > bucket.limit => Err(with(too_much(bucket.reset(), now), bucket.headers())),
            Some(bucket) => Ok(bucket.headers()),
            None => Ok(Vec::new()),
        }
    }
}

impl Bucket {
    fn left(&self) -> i128 {
        i128::from(self.limit) - i128::from(self.used)
    }

    fn reset(&self) -> Timestamp {
        time::after(self.since, Duration::from_secs(self.window))
    }

    fn headers(&self) -> Vec<(String, String)> {
        [
            ("ratelimit-limit", self.limit.to_string()),
            ("ratelimit-remaining", self.left().max(0).to_string()),
            ("ratelimit-reset", (self.reset().as_second()).to_string()),
            ("ratelimit-policy", format!("{};w={}", self.limit, self.window)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }
}

impl Twin for BlueskyTwin {
    fn table(&self, account: u32, base: &str, _folder: &str) -> toml::Table {
        let reference = toml::Table::from_iter([("env".into(), format!("TWIN_BLUESKY_PASSWORD_{account}").into())]);
        toml::Table::from_iter([
            ("service".into(), base.into()),
            ("handle".into(), handle(account).into()),
            (session::PASSWORD.into(), toml::Value::Table(reference)),
        ])
    }

    fn secrets(&self, account: u32) -> Secrets {
        Secrets(BTreeMap::from([(session::PASSWORD.into(), Secret::new(password(account)))]))
    }

    fn answer(&mut self, call: &Call, now: Timestamp) -> Reply {
        Reply::Http(match call {
            Call::Http(request) => self.dispatch(request, now),
            _ => error(400, "InvalidRequest", "not a request by HTTP"),
        })
    }

    fn published_since(&self, mark: &mut usize) -> Vec<Published> {
        let published = |key: &(String, String)| {
            let (did, rkey) = key;
            let held = self.records.get(key)?;
            let text = |pointer: &str| held.value.pointer(pointer).and_then(Value::as_str).map(Into::into);
            Some(Published {
                account: *self.accounts.get(did)?,
                id: syntax::post_uri(did, rkey),
                text: text("/text").unwrap_or_default(),
                at: held.at,
                answers: text("/reply/parent/uri"),
            })
        };
        let from = std::mem::replace(mark, self.order.len());
        self.order.iter().skip(from).filter_map(published).collect()
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

    fn expire_tokens(&mut self) {
        self.access_from = self.serial;
    }

    fn set_revoked(&mut self, revoked: bool) {
        self.revoked = revoked;
        self.access_from = self.serial;
        self.refresh_from = self.serial;
    }
}

/// The address that a record with this content has, or `None` when it can be no record's content.
pub fn content_address(record: &Value) -> Option<String> {
    cid::of_record(record)
}

fn handle(account: u32) -> String {
    format!("account-{account}.test")
}

fn password(account: u32) -> String {
    format!("twin-password-{account}")
}

fn did(handle: &str) -> String {
    let mut id = cid::base32(&Digest::of(handle.as_bytes()).0);
    id.truncate(24);
    format!("did:plc:{id}")
}

/// What the reference server refuses in a post, with its words.
fn valid(record: &Value) -> Result<(), String> {
    let text = record.get("text").and_then(Value::as_str).ok_or("Missing required key \"text\" at $.record")?;
    let too_big = |what: &str, most: usize, got: usize, at: &str| {
        Err(format!("{what} too big (maximum {most}, got {got}) at $.record.{at}"))
    };
    if text.len() > text::BYTES {
        return too_big("string", text::BYTES, text.len(), "text");
    }
    if text::graphemes(text) > text::GRAPHEMES {
        return too_big("grapheme", text::GRAPHEMES, text::graphemes(text), "text");
    }
    let created = record.get("createdAt").and_then(Value::as_str);
    let created = created.ok_or("Missing required key \"createdAt\" at $.record")?;
    if !syntax::is_datetime(created) {
        return Err(format!("Invalid datetime (got \"{created}\") at $.record.createdAt"));
    }
    let list = |pointer: &str| record.pointer(pointer).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    for (pointer, most) in [("/langs", 3), ("/tags", 8), ("/embed/images", 4)] {
        if list(pointer).len() > most {
            return too_big("array", most, list(pointer).len(), &pointer[1..].replace('/', "."));
        }
    }
    for facet in list("/facets") {
        for offset in ["/index/byteStart", "/index/byteEnd"] {
            facet.pointer(offset).and_then(Value::as_u64).ok_or("integer too small at $.record.facets")?;
        }
        let did = facet.pointer("/features/0/did").and_then(Value::as_str);
        if let Some(did) = did.filter(|did| !syntax::is_did(did)) {
            return Err(format!("Invalid DID (got \"{did}\") at $.record.facets[0].features[0].did"));
        }
    }
    for image in list("/embed/images") {
        image.get("alt").and_then(Value::as_str).ok_or("Missing required key \"alt\" at $.record.embed.images[0]")?;
        let size = image.pointer("/image/size").and_then(Value::as_u64).unwrap_or_default();
        if size > IMAGE_BYTES {
            let at = "embed.images[0].image";
            return Err(format!("blob too big (maximum {IMAGE_BYTES}, got {size}) at $.record.{at}"));
        }
        let mime = image.pointer("/image/mimeType").and_then(Value::as_str).unwrap_or_default();
        if !mime.starts_with("image/") {
            return Err(format!("Expected \"image/*\" (got \"{mime}\")"));
        }
    }
    for place in ["root", "parent"] {
        let Some(answered) = record.pointer(&format!("/reply/{place}")) else { continue };
        for key in ["uri", "cid"] {
            if answered.get(key).and_then(Value::as_str).is_none() {
                return Err(format!("Missing required key \"{key}\" at $.record.reply.{place}"));
            }
        }
    }
    Ok(())
}

/// The type that the content shows, where it shows one.
fn sniff(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ => None,
    }
}

fn body(request: &Request) -> Result<Value, HttpReply> {
    if request.body.mime.as_deref().is_none_or(|mime| !mime.starts_with("application/json")) {
        return Err(error(400, "InvalidRequest", "Request encoding (Content-Type) required but not provided"));
    }
    let not_json = |_| error(400, "SyntaxError", "Expected property name or '}' in JSON");
    serde_json::from_slice(&request.body.concat()).map_err(not_json)
}

fn query(request: &Request) -> BTreeMap<String, String> {
    request.url.query_pairs().into_owned().collect()
}

fn error(status: u16, name: &str, message: &str) -> HttpReply {
    HttpReply::json(status, &json!({"error": name, "message": message}))
}

fn too_much(until: Timestamp, now: Timestamp) -> HttpReply {
    // Whole seconds, rounded up: asking again then must not be too early.
    let seconds = time::since(until, now).as_millis().div_ceil(1_000).max(1);
    let reply = error(429, "RateLimitExceeded", "Rate Limit Exceeded");
    with(reply, vec![("retry-after".into(), seconds.to_string())])
}

fn with(mut reply: HttpReply, headers: Vec<(String, String)>) -> HttpReply {
    reply.headers.extend(headers);
    reply
}

fn sign(text: &str) -> String {
    let signature = Digest::of(format!("twin's secret {text}").as_bytes());
    format!("{text}.{}", to_base64(&signature.0))
}

/// Base 64 in the alphabet of URLs, without padding.
fn to_base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let held =
            chunk.iter().enumerate().fold(0u32, |held, (place, &byte)| held | u32::from(byte) << (16 - 8 * place));
        for place in 0..=chunk.len() {
            text.push(char::from(DIGITS[((held >> (18 - 6 * place)) & 63) as usize]));
        }
    }
    text
}
