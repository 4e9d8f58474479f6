//! An imitation of LinkedIn: the calls that the adapter makes, answered as the documents and people's reports say.
//!
//! Accounts with even numbers are pages, run by an approved partner's app: their tokens expire and are refreshed.
//! Those with odd numbers are members with a self-serve app: their tokens write and do not read, and when they end a
//! person has to act, so nothing but a revocation ends them here.
//!
//! It keeps what matters for once-only: a post is there at once and in its page's list only after a while, the same
//! words of the same author are refused as a duplicate that is named, and a text is cut off at the first reserved
//! character that is not escaped. Files become ready some time after they were sent.

mod people;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use url::Url;

use super::kind::Kind;
use super::{VERSION, is_version, session, text};
use crate::domain::{Secret, Timestamp, time};
use crate::platform::contract::crowd::{Crowd, CrowdAct, Standing};
use crate::platform::contract::{Call, Codes, HttpReply, Method, Published, Reply, Request, Secrets, Twin, WrongCode};

/// How long a post is missing from the list of its author.
const UNLISTED: Duration = Duration::from_secs(60);
/// For so long the same words are a duplicate.
const DUPLICATE: Duration = Duration::from_secs(24 * 3600);
/// A slice of a video.
const SLICE: usize = 4 * 1024 * 1024;
const CLIENT: &str = "twin-client";
/// Where the app sends people.
pub const REDIRECT: &str = "https://app.example/linkedin";

/// The platform, empty.
#[derive(Debug, Default)]
pub struct LinkedinTwin {
    posts: Vec<Kept>,
    files: BTreeMap<String, File>,
    issued: u64,
    /// Versions before this one are gone.
    oldest: Option<String>,
    throttled: Option<Timestamp>,
    revoked: bool,
    /// Number of the next token of a page, and the first one that is still good.
    serial: u64,
    good_from: u64,
    /// Posts that are made and whose answer is a gateway's time-out.
    time_outs: u32,
    codes: Codes,
    /// Scopes that no token has.
    withheld: Vec<&'static str>,
    crowd: Crowd,
}

#[derive(Debug)]
struct Kept {
    account: u32,
    id: String,
    commentary: String,
    content: Value,
    at: Timestamp,
    deleted: bool,
}

/// An upload, and what has arrived of it.
#[derive(Debug)]
struct File {
    owner: u32,
    kind: Kind,
    wanted: usize,
    parts: BTreeMap<usize, (String, usize)>,
    /// When all of it was there.
    whole: Option<Timestamp>,
    failed: bool,
}

/// Whose token a request carries, and what it may do.
struct Caller {
    account: u32,
}

impl Caller {
    fn urn(&self) -> String {
        author(self.account)
    }
}

impl LinkedinTwin {
    pub fn new() -> Self {
        Self::default()
    }

    /// Versions before `oldest` are served no more.
    pub fn sunset(&mut self, oldest: &str) {
        self.oldest = Some(oldest.into());
    }

    /// The next posts are made, and a gateway has given up waiting for that.
    pub fn time_out(&mut self, posts: u32) {
        self.time_outs = posts;
    }

    /// Uploads that no post refers to yet are forgotten.
    pub fn forget_files(&mut self) {
        self.files.clear();
    }

    /// Files that were sent turn out not to be what they should.
    pub fn fail_files(&mut self) {
        self.files.values_mut().for_each(|file| file.failed = true);
    }

    /// Somebody posts by hand.
    pub fn post_by_hand(&mut self, account: u32, words: &str, now: Timestamp) -> String {
        self.keep(account, text::little(words), Value::Null, now)
    }

    /// What was sent as `content` of a post.
    pub fn content(&self, id: &str) -> Option<&Value> {
        self.posts.iter().find(|post| post.id == id).map(|post| &post.content)
    }

    /// What is left of an upload, for tests: how many slices it came in.
    pub fn slices(&self, urn: &str) -> usize {
        self.files.get(urn).map_or(0, |file| file.parts.len())
    }

    fn dispatch(&mut self, request: &Request, now: Timestamp) -> HttpReply {
        let path = request.url.path().to_owned();
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        match (request.method, segments.as_slice()) {
            (Method::Post, ["oauth", "v2", "accessToken"]) => return self.refresh(request),
            (Method::Post, ["oauth", "v2", "introspectToken"]) => return self.introspect(request, now),
            (Method::Put, ["dms-uploads", id, part]) => return self.put(request, id, part, now),
            _ => {}
        }
        let caller = match self.authenticate(request) {
            Ok(caller) => caller,
            Err(reply) => return reply,
        };
        if self.throttled.is_some_and(|until| now < until) {
            return error(
                429,
                "TOO_MANY_REQUESTS",
                "Resource level throttle APPLICATION DAY limit for calls to this resource is reached.",
            );
        }
        if let ["v2", "userinfo"] = segments.as_slice() {
            return HttpReply::json(200, &json!({"sub": member(caller.account), "name": "Twin", "locale": "en_US"}));
        }
        if let Some(reply) = self.version_trouble(request) {
            return reply;
        }
        match (request.method, segments.as_slice()) {
            (Method::Get, ["rest", "posts"]) => self.list(&caller, request, now),
            (Method::Post, ["rest", "posts"]) => self.create(&caller, request, now),
            (Method::Post, ["rest", collection]) => match of_collection(collection) {
                Some(kind) => self.action(&caller, kind, request, now),
                None => error(404, "RESOURCE_NOT_FOUND", "No virtual resource found"),
            },
            (Method::Get, ["rest", collection, urn]) if of_collection(collection).is_some() => {
                self.file(&caller, &decoded(urn), now)
            }
            (Method::Get, ["rest", path @ ..]) => {
                let nothing = || error(404, "RESOURCE_NOT_FOUND", "No virtual resource found");
                self.tell(caller.account, path, request).unwrap_or_else(nothing)
            }
            _ => error(404, "RESOURCE_NOT_FOUND", "No virtual resource found"),
        }
    }

    /// No token has this scope any more.
    pub fn withhold(&mut self, scope: &'static str) {
        self.withheld.push(scope);
    }

    /// An app asks about a token that was made for it.
    fn introspect(&self, request: &Request, now: Timestamp) -> HttpReply {
        let body = request.body.concat();
        let form: BTreeMap<String, String> = url::form_urlencoded::parse(&body).into_owned().collect();
        let field = |key: &str| form.get(key).map(String::as_str).unwrap_or_default();
        if field("client_id") != CLIENT || !field("client_secret").starts_with("twin-client-secret-") {
            return HttpReply::json(401, &json!({"error": "invalid_client"}));
        }
        let number = field("token").strip_prefix("twin-token-").and_then(|rest| rest.split('-').next()?.parse().ok());
        let Some(account) = number.filter(|_| !self.revoked) else {
            return HttpReply::json(200, &json!({"active": false, "status": "revoked"}));
        };
        let all = if is_page(account) {
            "w_organization_social,r_organization_social"
        } else {
            "openid,profile,w_member_social"
        };
        let scopes: Vec<&str> = all.split(',').filter(|scope| !self.withheld.contains(scope)).collect();
        let (made, ends) = (now.as_second() - 86_400, now.as_second() + 5_000_000);
        HttpReply::json(
            200,
            &json!({
                "active": true, "client_id": CLIENT, "authorized_at": made, "created_at": made, "status": "active",
                "expires_at": ends, "scope": scopes.join(","), "auth_type": "3L",
            }),
        )
    }

    fn refresh(&mut self, request: &Request) -> HttpReply {
        let body = request.body.concat();
        let form: BTreeMap<String, String> = url::form_urlencoded::parse(&body).into_owned().collect();
        let field = |key: &str| form.get(key).map(String::as_str).unwrap_or_default();
        let oauth = |status, error: &str, about: &str| {
            HttpReply::json(status, &json!({"error": error, "error_description": about}))
        };
        let known = field("client_id") == CLIENT && field("client_secret").starts_with("twin-client-secret-");
        if !known {
            return oauth(401, "invalid_client", "Client authentication failed");
        }
        if field("grant_type") == "authorization_code" {
            // One text for all that may be wrong.
            let wrong = "Unable to retrieve access token: appid/redirect uri/code verifier does not match authorization \
                         code. Or authorization code expired. Or external member binding exists";
            return match self.codes.take(&form) {
                Ok((account, scope)) => self.tokens(account, &scope),
                Err(WrongCode::Redirect) => oauth(400, "invalid_redirect_uri", wrong),
                Err(_) => oauth(400, "invalid_request", wrong),
            };
        }
        if field("grant_type") != "refresh_token" {
            return oauth(400, "unsupported_grant_type", "The grant type is not supported");
        }
        let number = field("refresh_token").strip_prefix("twin-refresh-").and_then(|number| number.parse::<u32>().ok());
        match number.filter(|number| is_page(*number) && !self.revoked) {
            Some(number) => {
                self.serial += 1;
                let token = format!("twin-token-{number}-{}", self.serial);
                HttpReply::json(
                    200,
                    &json!({
                        "access_token": token, "expires_in": 5_184_000,
                        "refresh_token": field("refresh_token"), "refresh_token_expires_in": 20_000_000
                    }),
                )
            }
            None => oauth(
                400,
                "invalid_request",
                "The provided authorization grant or refresh token is invalid, expired or revoked.",
            ),
        }
    }

    /// What a code is good for. Only partners' apps, those of pages here, get a refresh token.
    fn tokens(&mut self, account: u32, scope: &str) -> HttpReply {
        self.serial += 1;
        let access = format!("twin-token-{account}-{}", self.serial);
        let mut tokens = json!({"access_token": access, "expires_in": 5_184_000, "scope": scope.replace(' ', ",")});
        if is_page(account) {
            tokens["refresh_token"] = json!(format!("twin-refresh-{account}"));
            tokens["refresh_token_expires_in"] = json!(31_536_000);
        }
        HttpReply::json(200, &tokens)
    }

    fn authenticate(&self, request: &Request) -> Result<Caller, HttpReply> {
        let Some(header) = header(request, "authorization") else {
            return Err(error(401, "EMPTY_ACCESS_TOKEN", "Empty oauth2 access token"));
        };
        let refused = |code: &str, message: &str| {
            let code = json!({"status": 401, "serviceErrorCode": 65_601, "code": code, "message": message});
            HttpReply::json(401, &code)
        };
        let invalid = || refused("INVALID_ACCESS_TOKEN", "Invalid access token");
        let token = header.strip_prefix("Bearer twin-token-").ok_or_else(invalid)?;
        let (number, serial) = token.split_once('-').unwrap_or((token, "0"));
        let account: u32 = number.parse().map_err(|_| invalid())?;
        let serial: u64 = serial.parse().map_err(|_| invalid())?;
        if self.revoked {
            return Err(refused("REVOKED_ACCESS_TOKEN", "The token used in the request has been revoked by the user"));
        }
        if is_page(account) && serial < self.good_from {
            return Err(refused("EXPIRED_ACCESS_TOKEN", "The token used in the request has expired"));
        }
        Ok(Caller { account })
    }

    fn version_trouble(&self, request: &Request) -> Option<HttpReply> {
        let Some(version) = header(request, "linkedin-version") else {
            return Some(error(
                400,
                "VERSION_MISSING",
                "A version must be present. Please specify a version by adding the LinkedIn-Version header.",
            ));
        };
        let gone = self.oldest.as_ref().is_some_and(|oldest| version < *oldest);
        if gone || !is_version(&version) {
            let message = format!("Requested version {version} is not active");
            return Some(error(426, "NONEXISTENT_VERSION", &message));
        }
        (header(request, "x-restli-protocol-version").as_deref() != Some("2.0.0"))
            .then(|| error(400, "ILLEGAL_ARGUMENT", "Syntax exception in path variables"))
    }

    fn list(&self, caller: &Caller, request: &Request, now: Timestamp) -> HttpReply {
        if !is_page(caller.account) {
            return error(
                403,
                "ACCESS_DENIED",
                "Not enough permissions to access: partnerApiPostsExternal.FINDER-author.20260901",
            );
        }
        let query: BTreeMap<String, String> = request.url.query_pairs().into_owned().collect();
        let asked = |key: &str| query.get(key).map(String::as_str).unwrap_or_default();
        if asked("q") != "author" || header(request, "x-restli-method").as_deref() != Some("FINDER") {
            return error(400, "ILLEGAL_ARGUMENT", "No such finder");
        }
        if asked("author") != caller.urn() {
            return error(403, "ACCESS_DENIED", "Not enough permissions to access the posts of this author");
        }
        let number = |key: &str, otherwise: usize| asked(key).parse().unwrap_or(otherwise);
        let (start, count) = (number("start", 0), number("count", 10).min(100));
        let listed =
            self.posts.iter().rev().filter(|post| {
                post.account == caller.account && !post.deleted && time::since(now, post.at) >= UNLISTED
            });
        let elements: Vec<Value> = listed.skip(start).take(count).map(Kept::show).collect();
        HttpReply::json(200, &json!({"paging": {"start": start, "count": count, "links": []}, "elements": elements}))
    }

    fn create(&mut self, caller: &Caller, request: &Request, now: Timestamp) -> HttpReply {
        let Ok(post) = serde_json::from_slice::<Value>(&request.body.concat()) else {
            return error(400, "MALFORMED_JSON", "Cannot parse the request");
        };
        if post["author"] != caller.urn() {
            return error(
                403,
                "ACCESS_DENIED",
                "Field Value validation failed in REQUEST_BODY: Data Processing Exception while processing fields [/author]",
            );
        }
        let fixed = [("visibility", "PUBLIC"), ("lifecycleState", "PUBLISHED")];
        if let Some((field, _)) = fixed.iter().find(|(field, value)| post[*field] != *value) {
            return input_error(400, "INVALID_VALUE_FOR_FIELD", &format!("/{field} has a value that is not allowed"));
        }
        if post["distribution"]["feedDistribution"] != "MAIN_FEED" {
            return input_error(400, "MISSING_FIELD", "/distribution :: field is required but not found");
        }
        let Some(commentary) = post["commentary"].as_str() else {
            return input_error(400, "MISSING_FIELD", "/commentary :: field is required but not found");
        };
        let content = post.get("content").cloned().unwrap_or(Value::Null);
        if commentary.trim().is_empty() && content.is_null() {
            return input_error(400, "INVALID_VALUE_BLANK_FIELD", "/commentary must not be blank");
        }
        if text::read(commentary).chars().count() > text::CHARACTERS {
            return input_error(400, "FIELD_LENGTH_TOO_LONG", "/commentary is too long");
        }
        if let Some(reply) = self.content_trouble(caller.account, &content) {
            return reply;
        }
        let same = self.posts.iter().rev().find(|held| {
            held.account == caller.account && held.commentary == commentary && time::since(now, held.at) < DUPLICATE
        });
        if let Some(held) = same {
            let message = format!("Content is a duplicate of {}", held.id);
            return HttpReply::json(
                422,
                &json!({
                    "status": 422, "message": message, "errorDetailType": "com.linkedin.common.error.BadRequest",
                    "errorDetails": {"inputErrors": [{"code": "DUPLICATE_POST", "description": "Duplicate post is detected"}]}
                }),
            );
        }
        let id = self.keep(caller.account, commentary.into(), content, now);
        if self.time_outs > 0 {
            self.time_outs -= 1;
            return HttpReply { status: 504, ..HttpReply::default() };
        }
        HttpReply { status: 201, headers: vec![("x-restli-id".into(), id)], ..HttpReply::default() }
    }

    fn content_trouble(&self, account: u32, content: &Value) -> Option<HttpReply> {
        if content.is_null() {
            return None;
        }
        let field = |pointer: &str| content.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let kinds = content.as_object().map_or(0, serde_json::Map::len);
        if kinds != 1 {
            return Some(input_error(400, "INVALID_VALUE_FOR_FIELD", "/content takes one kind of content"));
        }
        if content.get("article").is_some() {
            let missing = field("/article/source").is_empty() || field("/article/title").is_empty();
            return missing.then(|| input_error(400, "MISSING_FIELD", "/content/article"));
        }
        let images = content.pointer("/multiImage/images").and_then(Value::as_array);
        if images.is_some_and(|images| !(2..=20).contains(&images.len())) {
            return Some(input_error(400, "INVALID_VALUE_FOR_FIELD", "/content/multiImage takes 2 to 20 images"));
        }
        let many = images.into_iter().flatten();
        let mut files = content.get("media").into_iter().chain(many);
        files.find_map(|file| {
            let urn = file["id"].as_str().unwrap_or_default();
            let held = self.files.get(urn).filter(|held| held.owner == account);
            match held {
                None => Some(input_error(400, "INVALID_IMAGE_ID", &format!("{urn} does not exist"))),
                Some(held) if held.whole.is_none() => {
                    Some(input_error(400, "MEDIA_ASSET_WAITING_UPLOAD", &format!("{urn} has not been uploaded")))
                }
                Some(held) if held.failed => {
                    Some(input_error(400, "MEDIA_ASSET_PROCESSING_FAILED", &format!("{urn} could not be processed")))
                }
                Some(held) if held.kind == Kind::Document && file["title"].as_str().unwrap_or_default().is_empty() => {
                    Some(input_error(400, "MISSING_FIELD", "/content/media/title"))
                }
                Some(_) => None,
            }
        })
    }

    fn keep(&mut self, account: u32, commentary: String, content: Value, now: Timestamp) -> String {
        let id = format!("urn:li:share:{}", self.number(now));
        self.posts.push(Kept {
            account,
            id: id.clone(),
            commentary,
            content,
            at: time::to_millis(now),
            deleted: false,
        });
        id
    }

    /// A new number, with the moment in its upper bits.
    fn number(&mut self, now: Timestamp) -> u64 {
        self.issued += 1;
        (u64::try_from(now.as_millisecond()).unwrap_or_default() << 22) | (self.issued & 0x3f_ffff)
    }

    fn action(&mut self, caller: &Caller, kind: Kind, request: &Request, now: Timestamp) -> HttpReply {
        let body: Value = serde_json::from_slice(&request.body.concat()).unwrap_or_default();
        match request.url.query() {
            Some("action=initializeUpload") => {
                self.initialize(caller, kind, &body["initializeUploadRequest"], request, now)
            }
            Some("action=finalizeUpload") if kind == Kind::Video => {
                self.finalize(caller, &body["finalizeUploadRequest"], now)
            }
            _ => error(400, "ILLEGAL_ARGUMENT", "No such action"),
        }
    }

    fn initialize(
        &mut self,
        caller: &Caller,
        kind: Kind,
        wanted: &Value,
        request: &Request,
        now: Timestamp,
    ) -> HttpReply {
        if wanted["owner"] != caller.urn() {
            return error(403, "ACCESS_DENIED", "The owner of the upload is not the caller");
        }
        let size = usize::try_from(wanted["fileSizeBytes"].as_u64().unwrap_or_default()).unwrap_or_default();
        if kind == Kind::Video && size == 0 {
            return input_error(400, "MISSING_FIELD", "/fileSizeBytes");
        }
        let id = format!("Twin-{}", self.number(now));
        let urn = format!("urn:li:{}:{id}", kind.name());
        let file =
            File { owner: caller.account, kind, wanted: size, parts: BTreeMap::new(), whole: None, failed: false };
        self.files.insert(urn.clone(), file);
        let to = |part: usize| place(request, &id, part);
        let value = match kind {
            Kind::Video => {
                let firsts = (0..size).step_by(SLICE).enumerate();
                let slices: Vec<Value> = firsts
                    .map(|(part, first)| json!({"firstByte": first, "lastByte": (first + SLICE).min(size) - 1, "uploadUrl": to(part)}))
                    .collect();
                json!({"video": urn, "uploadToken": format!("upload-{id}"), "uploadInstructions": slices})
            }
            _ => json!({kind.name(): urn, "uploadUrl": to(0)}),
        };
        let mut value = value;
        value["uploadUrlExpiresAt"] = json!(now.as_millisecond() + 86_400_000);
        HttpReply::json(200, &json!({ "value": value }))
    }

    fn put(&mut self, request: &Request, id: &str, part: &str, now: Timestamp) -> HttpReply {
        let found = self.files.iter_mut().find(|(urn, _)| urn.rsplit(':').next() == Some(id));
        let Some((_, file)) = found else { return HttpReply { status: 403, ..HttpReply::default() } };
        let authorized = header(request, "authorization").is_some();
        // A slice must come without a token, the rest with one.
        if authorized == (file.kind == Kind::Video) {
            return HttpReply { status: 401, ..HttpReply::default() };
        }
        let length = request.body.len();
        let part = part.parse().unwrap_or_default();
        let tag = format!("/ambry-video/signedId/{part}-{length}");
        file.parts.insert(part, (tag.clone(), length));
        if file.kind == Kind::Video {
            return HttpReply { status: 200, headers: vec![("etag".into(), tag)], ..HttpReply::default() };
        }
        file.whole = Some(now);
        HttpReply { status: 201, ..HttpReply::default() }
    }

    fn finalize(&mut self, caller: &Caller, wanted: &Value, now: Timestamp) -> HttpReply {
        let urn = wanted["video"].as_str().unwrap_or_default().to_owned();
        let Some(file) = self.files.get_mut(&urn).filter(|file| file.owner == caller.account) else {
            return error(404, "NOT_FOUND", "No such video");
        };
        let token = format!("upload-{}", urn.rsplit(':').next().unwrap_or_default());
        let held: Vec<&str> = file.parts.values().map(|(tag, _)| tag.as_str()).collect();
        let told: Vec<&str> =
            wanted["uploadedPartIds"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let bytes: usize = file.parts.values().map(|(_, length)| length).sum();
        if held != told || bytes != file.wanted || wanted["uploadToken"] != token {
            return input_error(400, "INVALID_VALUE_FOR_FIELD", "/uploadedPartIds");
        }
        file.whole = Some(now);
        HttpReply { status: 200, ..HttpReply::default() }
    }

    fn file(&self, caller: &Caller, urn: &str, now: Timestamp) -> HttpReply {
        if !is_page(caller.account) {
            return error(403, "ACCESS_DENIED", "Not enough permissions to access: GET");
        }
        let Some(file) = self.files.get(urn).filter(|file| file.owner == caller.account) else {
            return error(404, "NOT_FOUND", "No such upload");
        };
        let takes = Duration::from_secs(if file.kind == Kind::Image { 3 } else { 40 });
        let status = match file.whole {
            None => "WAITING_UPLOAD",
            Some(_) if file.failed => "PROCESSING_FAILED",
            Some(since) if time::since(now, since) < takes => "PROCESSING",
            Some(_) => "AVAILABLE",
        };
        HttpReply::json(200, &json!({"id": urn, "owner": caller.urn(), "status": status}))
    }
}

impl Kept {
    fn show(&self) -> Value {
        let millis = self.at.as_millisecond();
        let mut post = json!({
            "id": self.id, "author": author(self.account), "commentary": self.commentary, "visibility": "PUBLIC",
            "lifecycleState": "PUBLISHED", "createdAt": millis, "publishedAt": millis, "lastModifiedAt": millis,
            "lifecycleStateInfo": {"isEditedByAuthor": false}, "isReshareDisabledByAuthor": false,
            "distribution": {"feedDistribution": "MAIN_FEED", "targetEntities": [], "thirdPartyDistributionChannels": []}
        });
        if !self.content.is_null() {
            post["content"] = self.content.clone();
        }
        post
    }
}

impl Twin for LinkedinTwin {
    fn table(&self, account: u32, base: &str, _folder: &str) -> toml::Table {
        let secret = |name: &str| {
            let reference = toml::Table::from_iter([("env".into(), format!("TWIN_LINKEDIN_{name}_{account}").into())]);
            toml::Value::Table(reference)
        };
        let mut table = toml::Table::from_iter([
            ("base_url".into(), base.into()),
            ("author".into(), author(account).into()),
            ("version".into(), VERSION.into()),
            (session::TOKEN.into(), secret("TOKEN")),
        ]);
        if is_page(account) {
            table.extend([
                ("oauth_url".into(), base.into()),
                ("client_id".into(), CLIENT.into()),
                (session::REFRESH_TOKEN.into(), secret("REFRESH")),
                (session::CLIENT_SECRET.into(), secret("CLIENT")),
            ]);
        }
        table
    }

    fn secrets(&self, account: u32) -> Secrets {
        let mut secrets = vec![(session::TOKEN, format!("twin-token-{account}"))];
        if is_page(account) {
            secrets.push((session::REFRESH_TOKEN, format!("twin-refresh-{account}")));
            secrets.push((session::CLIENT_SECRET, format!("twin-client-secret-{account}")));
        }
        Secrets(secrets.into_iter().map(|(key, secret)| (key.to_owned(), Secret::new(secret))).collect())
    }

    fn answer(&mut self, call: &Call, now: Timestamp) -> Reply {
        Reply::Http(match call {
            Call::Http(request) => self.dispatch(request, now),
            _ => error(400, "ILLEGAL_ARGUMENT", "not a request"),
        })
    }

    fn published_since(&self, mark: &mut usize) -> Vec<Published> {
        let shown = |post: &Kept| Published {
            account: post.account,
            id: post.id.clone(),
            text: seen(&post.commentary),
            at: post.at,
            answers: None,
        };
        let from = std::mem::replace(mark, self.posts.len());
        self.posts.iter().skip(from).filter(|post| !post.deleted).map(shown).collect()
    }

    fn act(&mut self, act: &CrowdAct, now: Timestamp) -> Option<String> {
        self.carry_out(act, now)
    }

    fn standing(&self, account: u32, post: &str) -> Option<Standing> {
        is_page(account).then(|| self.stands(account, post))
    }

    fn throttle(&mut self, until: Timestamp) {
        self.throttled = Some(until);
    }

    fn expire_tokens(&mut self) {
        self.good_from = self.serial + 1;
    }

    fn set_revoked(&mut self, revoked: bool) {
        self.revoked = revoked;
    }

    fn agree(&mut self, account: u32, address: &Url) -> Option<String> {
        let registered = address.query_pairs().any(|(name, value)| name == "redirect_uri" && value == REDIRECT);
        let dialog = address.path() == "/oauth/v2/authorization";
        if registered && dialog { self.codes.give(account, address, CLIENT) } else { None }
    }
}

/// What people see of a commentary: cut off at the first reserved character that is neither escaped nor the beginning
/// of an element.
fn seen(commentary: &str) -> String {
    let (mut end, mut escaped) = (commentary.len(), false);
    let mut inside: Option<char> = None;
    for (at, c) in commentary.char_indices() {
        let rest = &commentary[at..];
        if std::mem::take(&mut escaped) {
            continue;
        }
        match (c, inside) {
            ('\\', _) => escaped = true,
            (_, Some(last)) if c == last => inside = None,
            (_, Some(_)) => {}
            ('{', None) if rest.starts_with("{hashtag|") => inside = Some('}'),
            ('@', None) if rest.starts_with("@[") => inside = Some(')'),
            ('|' | '{' | '}' | '@' | '[' | ']' | '(' | ')' | '<' | '>' | '#' | '*' | '_' | '~', None) => {
                end = at;
                break;
            }
            _ => {}
        }
    }
    text::read(&commentary[..end])
}

/// Where a slice goes: beside the API, as the request came to it.
fn place(request: &Request, id: &str, part: usize) -> String {
    let mut url: Url = request.url.clone();
    url.set_path(&format!("/dms-uploads/{id}/{part}"));
    url.set_query(Some("ca=twin&sync=0"));
    url.into()
}

fn of_collection(name: &str) -> Option<Kind> {
    [Kind::Image, Kind::Video, Kind::Document].into_iter().find(|kind| kind.collection() == name)
}

fn decoded(urn: &str) -> String {
    [("%3A", ":"), ("%28", "("), ("%29", ")"), ("%2C", ",")]
        .iter()
        .fold(urn.into(), |text, (from, to)| text.replace(from, to))
}

fn is_page(account: u32) -> bool {
    account.is_multiple_of(2)
}

fn member(account: u32) -> String {
    format!("Twin-{account}")
}

/// The author of account number `account`.
pub fn author(account: u32) -> String {
    if is_page(account) {
        format!("urn:li:organization:{}", 1000 + account)
    } else {
        format!("urn:li:person:{}", member(account))
    }
}

fn header(request: &Request, name: &str) -> Option<String> {
    request.headers.iter().find(|(held, _)| held.eq_ignore_ascii_case(name)).map(|(_, value)| value.expose())
}

fn error(status: u16, code: &str, message: &str) -> HttpReply {
    HttpReply::json(status, &json!({"status": status, "code": code, "message": message}))
}

/// About one field of what was sent.
fn input_error(status: u16, code: &str, description: &str) -> HttpReply {
    HttpReply::json(
        status,
        &json!({
            "status": status, "code": "BAD_REQUEST", "message": description,
            "errorDetailType": "com.linkedin.common.error.BadRequest",
            "errorDetails": {"inputErrors": [{"code": code, "description": description}]}
        }),
    )
}
