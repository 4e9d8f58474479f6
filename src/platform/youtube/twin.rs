//! An imitation of YouTube: the calls that the adapter makes, answered in the shapes of the published API and with the
//! reasons that its documents list.
//!
//! Any number of channels exist, each with a refresh token of its own and a playlist; all belong to one Google project
//! with one client. Upload sessions keep bytes in multiples of 256 KiB, as the real ones do, and answer with the same
//! video for ever once they are whole. A video takes a while to be processed. What the published API says of lists
//! lagging behind, this one does not imitate: nothing here is decided by a list's being up to date.

mod people;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use url::Url;

use super::session::{CLIENT_SECRET, REFRESH_TOKEN};
use super::text;
use crate::domain::{Secret, Timestamp, time};
use crate::platform::contract::crowd::{Crowd, CrowdAct, Standing};
use crate::platform::contract::{
    Call, Codes, HeaderValue, HttpReply, Method, Published, Reply, Request, Secrets, Twin, WrongCode,
};

const CLIENT: &str = "123-twin.apps.googleusercontent.com";
const SECRET: &str = "GOCSPX-twin-client-secret";
const SCOPE: &str = "https://www.googleapis.com/auth/youtube.force-ssl";
const TOKEN_LIFE: Duration = Duration::from_secs(3_599);
const PROCESSING: Duration = Duration::from_secs(40);
/// What sessions keep is a multiple of that, but for the last bytes.
const GRAIN: usize = 256 * 1024;

/// What the project, or the platform, is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    Usual,
    /// The project is not audited: its uploads stay private.
    Unaudited,
    /// Films cannot be read.
    Unreadable,
    /// Films stay in processing.
    Slow,
    /// Channels are not verified: no thumbnails.
    Unverified,
    /// Sessions keep only half of what a request brings.
    Forgetful,
    /// Captions cannot be read.
    Illegible,
}

/// The platform, empty.
#[derive(Debug)]
pub struct YoutubeTwin {
    manner: Manner,
    sessions: BTreeMap<String, Upload>,
    videos: BTreeMap<String, Video>,
    /// Ids of videos in the order in which people could first see them.
    order: Vec<String>,
    /// Captions: video, language, name and text.
    captions: Vec<[String; 4]>,
    /// Playlist and video, in order.
    entries: Vec<(String, String)>,
    throttled: Option<Timestamp>,
    /// Until then the day's quota is used up.
    exhausted: Option<Timestamp>,
    revoked: bool,
    unverified: bool,
    /// For how many seconds people have given access, where it is not for good.
    lent: Option<u64>,
    /// Numbers of tokens given out, and the first one that is still good.
    serial: u64,
    good_from: u64,
    codes: Codes,
    /// When each token ends.
    tokens: BTreeMap<String, (u32, Timestamp)>,
    crowd: Crowd,
    /// Number of what people have said.
    said: u64,
}

#[derive(Debug)]
struct Upload {
    account: u32,
    about: Value,
    mime: String,
    total: usize,
    stored: usize,
    video: Option<String>,
}

#[derive(Debug)]
struct Video {
    account: u32,
    about: Value,
    uploaded: Timestamp,
    thumbnail: bool,
    published: Option<Timestamp>,
}

impl Default for YoutubeTwin {
    fn default() -> Self {
        Self::new()
    }
}

impl YoutubeTwin {
    pub fn new() -> Self {
        Self::with(Manner::Usual)
    }

    pub fn with(manner: Manner) -> Self {
        Self {
            manner,
            sessions: BTreeMap::new(),
            videos: BTreeMap::new(),
            order: Vec::new(),
            captions: Vec::new(),
            entries: Vec::new(),
            throttled: None,
            exhausted: None,
            revoked: false,
            unverified: false,
            lent: None,
            serial: 0,
            good_from: 0,
            codes: Codes::default(),
            tokens: BTreeMap::new(),
            crowd: Crowd::default(),
            said: 0,
        }
    }

    /// How many videos there are, private ones among them.
    pub fn videos(&self) -> usize {
        self.videos.len()
    }

    /// How often a video stands in the playlist of account number `account`.
    pub fn listed(&self, account: u32) -> usize {
        self.entries.iter().filter(|(list, _)| *list == playlist(account)).count()
    }

    /// Language, name and text of all captions.
    pub fn captions(&self) -> Vec<[&str; 3]> {
        self.captions.iter().map(|[_, lang, name, text]| [lang.as_str(), name, text]).collect()
    }

    /// How many videos have a thumbnail of their own.
    pub fn thumbnails(&self) -> usize {
        self.videos.values().filter(|video| video.thumbnail).count()
    }

    /// Somebody sets who may see all videos, in the studio.
    pub fn set_privacy(&mut self, privacy: &str) {
        for video in self.videos.values_mut() {
            video.about["status"]["privacyStatus"] = json!(privacy);
        }
    }

    /// Somebody deletes all videos, in the studio.
    pub fn delete_videos(&mut self) {
        self.videos.clear();
    }

    /// Upload sessions are forgotten, as they are after a while.
    pub fn forget_sessions(&mut self) {
        self.sessions.clear();
    }

    /// The project's quota is used up until then.
    pub fn exhaust(&mut self, until: Timestamp) {
        self.exhausted = Some(until);
    }

    fn dispatch(&mut self, request: &Request, now: Timestamp) -> HttpReply {
        let path = request.url.path().trim_start_matches('/').to_owned();
        if path == "token" && request.method == Method::Post {
            return self.token(request, now);
        }
        let account = match self.authenticate(request, now) {
            Ok(account) => account,
            Err(reply) => return *reply,
        };
        if self.throttled.is_some_and(|until| now < until) {
            return error(403, "usageLimits", "userRateLimitExceeded", "User Rate Limit Exceeded");
        }
        if self.exhausted.is_some_and(|until| now < until) {
            let message = "The request cannot be completed because you have exceeded your quota.";
            return error(403, "youtube.quota", "quotaExceeded", message);
        }
        let told = (request.method == Method::Get).then(|| self.tell(&path, request)).flatten();
        if let Some(reply) = told {
            return reply;
        }
        match (request.method, path.as_str()) {
            (Method::Get, "youtube/v3/channels") => self.channels(account, request),
            (Method::Post, "upload/youtube/v3/videos") => self.begin(account, request),
            (Method::Put, "upload/youtube/v3/videos") => self.bytes(account, request, now),
            (Method::Post, "upload/youtube/v3/thumbnails/set") => self.set_thumbnail(account, request),
            (Method::Post, "upload/youtube/v3/captions") => self.add_captions(account, request, now),
            (Method::Get, "youtube/v3/videos") => self.find(account, request, now),
            (Method::Put, "youtube/v3/videos") => self.update(account, request, now),
            (Method::Get, "youtube/v3/playlistItems") => self.find_entry(account, request),
            (Method::Post, "youtube/v3/playlistItems") => self.add_entry(account, request),
            _ => error(404, "global", "notFound", "Not Found"),
        }
    }

    /// People give access for so many seconds from now on.
    pub fn lend(&mut self, seconds: u64) {
        self.lent = Some(seconds);
    }

    /// The channel is not verified from now on.
    pub fn leave_unverified(&mut self) {
        self.unverified = true;
    }

    fn channels(&self, account: u32, request: &Request) -> HttpReply {
        let mut about = json!({"id": channel(account)});
        let parts = request.url.query_pairs().find(|(name, _)| name == "part").map(|(_, parts)| parts.into_owned());
        for part in parts.unwrap_or_default().split(',') {
            match part {
                "snippet" => about["snippet"] = json!({"title": format!("Twin {account}")}),
                "status" => {
                    let uploads = if self.unverified { "eligible" } else { "allowed" };
                    about["status"] = json!({"privacyStatus": "public", "longUploadsStatus": uploads});
                }
                _ => {}
            }
        }
        list("channel", vec![about])
    }

    fn token(&mut self, request: &Request, now: Timestamp) -> HttpReply {
        let form: BTreeMap<String, String> = url::form_urlencoded::parse(&request.body.concat()).into_owned().collect();
        let field = |key: &str| form.get(key).map(String::as_str).unwrap_or_default();
        let refuse = |status, error: &str, description: &str| {
            HttpReply::json(status, &json!({"error": error, "error_description": description}))
        };
        if request.body.mime.as_deref() != Some("application/x-www-form-urlencoded") {
            return refuse(400, "invalid_request", "Bad Request");
        }
        if (field("client_id"), field("client_secret")) != (CLIENT, SECRET) {
            return refuse(401, "invalid_client", "The OAuth client was not found.");
        }
        if field("grant_type") == "authorization_code" {
            return match self.codes.take(&form) {
                Ok((account, scope)) => self.access(account, &scope, Some(refresh_token(account)), now),
                Err(WrongCode::Redirect) => refuse(400, "redirect_uri_mismatch", "Bad Request"),
                Err(WrongCode::Verifier) => refuse(400, "invalid_grant", "Invalid code verifier."),
                Err(WrongCode::Unknown) => refuse(400, "invalid_grant", "Malformed auth code."),
                Err(WrongCode::Used) => refuse(400, "invalid_grant", "Bad Request"),
            };
        }
        if field("grant_type") != "refresh_token" {
            return refuse(400, "unsupported_grant_type", "Invalid grant_type");
        }
        let account = field("refresh_token").strip_prefix("1//twin-refresh-").and_then(|number| number.parse().ok());
        let Some(account) = account.filter(|_| !self.revoked) else {
            return refuse(400, "invalid_grant", "Token has been expired or revoked.");
        };
        self.access(account, SCOPE, None, now)
    }

    fn access(&mut self, account: u32, scope: &str, refresh: Option<String>, now: Timestamp) -> HttpReply {
        self.serial += 1;
        let token = format!("ya29.twin-access-{account}-{}", self.serial);
        self.tokens.insert(token.clone(), (account, time::after(now, TOKEN_LIFE)));
        let mut body = json!({"access_token": token, "expires_in": 3599, "scope": scope, "token_type": "Bearer"});
        if let Some(refresh) = refresh {
            body["refresh_token"] = json!(refresh);
        }
        if let Some(seconds) = self.lent {
            body["refresh_token_expires_in"] = seconds.into();
        }
        HttpReply::json(200, &body)
    }

    fn authenticate(&self, request: &Request, now: Timestamp) -> Result<u32, Box<HttpReply>> {
        let bearer = header(request, "authorization");
        let token = bearer.strip_prefix("Bearer ").unwrap_or_default();
        let serial = token.rsplit('-').next().and_then(|serial| serial.parse::<u64>().ok()).unwrap_or_default();
        let held = self.tokens.get(token).filter(|(_, end)| now < *end && serial > self.good_from && !self.revoked);
        held.map(|(account, _)| *account).ok_or_else(|| {
            let message = "Request had invalid authentication credentials.";
            Box::new(error(401, "global", "authError", message))
        })
    }

    fn begin(&mut self, account: u32, request: &Request) -> HttpReply {
        let query = query(request);
        if query.get("uploadType").map(String::as_str) != Some("resumable") {
            return error(400, "global", "badRequest", "this imitation takes resumable uploads only");
        }
        let Some(about) = body(request) else { return error(400, "global", "parseError", "Parse Error") };
        let total = header(request, "x-upload-content-length").parse().unwrap_or_default();
        let mime = header(request, "x-upload-content-type");
        if total == 0 || !(mime.starts_with("video/") || mime == "application/octet-stream") {
            return error(400, "youtube.video", "mediaBodyRequired", "The request does not include the video content.");
        }
        if let Err(reply) = valid(&about) {
            return *reply;
        }
        let id = format!("ADPycdu-twin-upload-session-{}", self.sessions.len() + self.videos.len() + 1);
        let mut location = request.url.clone();
        location.query_pairs_mut().append_pair("upload_id", &id);
        self.sessions.insert(id, Upload { account, about, mime, total, stored: 0, video: None });
        let headers = vec![("location".into(), location.into())];
        HttpReply { status: 200, headers, body: Vec::new(), cut: false }
    }

    /// A chunk, or the question how much there is.
    fn bytes(&mut self, account: u32, request: &Request, now: Timestamp) -> HttpReply {
        let id = query(request).remove("upload_id").unwrap_or_default();
        let manner = self.manner;
        let next = format!("v{:010}", self.videos.len() + 1);
        let Some(upload) = self.sessions.get_mut(&id).filter(|upload| upload.account == account) else {
            return HttpReply { status: 404, headers: Vec::new(), body: b"Not Found".to_vec(), cut: false };
        };
        let range = header(request, "content-range");
        let sent = request.body.len();
        let bad = || error(400, "global", "badContent", "Invalid Content-Range");
        let Some((place, total)) = range.strip_prefix("bytes ").and_then(|range| range.split_once('/')) else {
            return bad();
        };
        if total != upload.total.to_string() || (sent > 0 && request.body.mime.as_ref() != Some(&upload.mime)) {
            return bad();
        }
        if place != "*" && upload.video.is_none() {
            let wanted = format!("{}-{}", upload.stored, (upload.stored + sent).saturating_sub(1));
            let last = upload.stored + sent == upload.total;
            if place != wanted || sent == 0 || !(last || sent.is_multiple_of(GRAIN)) {
                return bad();
            }
            upload.stored += match manner {
                Manner::Forgetful => sent.min((sent / 2).next_multiple_of(GRAIN)),
                _ => sent,
            };
        }
        if upload.stored < upload.total {
            let range = ("range".to_owned(), format!("bytes=0-{}", upload.stored.saturating_sub(1)));
            let headers = if upload.stored == 0 { Vec::new() } else { vec![range] };
            return HttpReply { status: 308, headers, body: Vec::new(), cut: false };
        }
        let video = upload.video.get_or_insert(next).clone();
        let about = upload.about.clone();
        let made = Video { account, about, uploaded: now, thumbnail: false, published: None };
        let status = if self.videos.contains_key(&video) { 200 } else { 201 };
        self.videos.entry(video.clone()).or_insert(made);
        HttpReply { status, ..self.shown(&video, now) }
    }

    fn shown(&self, id: &str, now: Timestamp) -> HttpReply {
        self.videos.get(id).map_or_else(not_found, |video| HttpReply::json(200, &self.resource(id, video, now)))
    }

    fn resource(&self, id: &str, video: &Video, now: Timestamp) -> Value {
        let done = time::since(now, video.uploaded) >= PROCESSING;
        let (upload, processing) = match self.manner {
            Manner::Unreadable if done => ("failed", "failed"),
            Manner::Slow => ("uploaded", "processing"),
            _ if done => ("processed", "succeeded"),
            _ => ("uploaded", "processing"),
        };
        let mut status = video.about["status"].clone();
        status["uploadStatus"] = json!(upload);
        if upload == "failed" {
            status["failureReason"] = json!("codec");
        }
        let mut snippet = video.about["snippet"].clone();
        snippet["publishedAt"] = json!(video.uploaded.to_string());
        snippet["channelId"] = json!(channel(video.account));
        json!({
            "kind": "youtube#video", "etag": "etag", "id": id, "snippet": snippet, "status": status,
            "processingDetails": {"processingStatus": processing},
        })
    }

    fn own(&self, account: u32, id: &str) -> Option<&Video> {
        self.videos.get(id).filter(|video| video.account == account)
    }

    fn set_thumbnail(&mut self, account: u32, request: &Request) -> HttpReply {
        let id = query(request).remove("videoId").unwrap_or_default();
        if self.manner == Manner::Unverified {
            let message = "The authenticated user doesn't have permissions to upload and set custom video thumbnails.";
            return error(403, "youtube.thumbnail", "forbidden", message);
        }
        if !matches!(request.body.mime.as_deref(), Some("image/png" | "image/jpeg")) {
            return error(400, "youtube.thumbnail", "invalidImage", "The provided image content is invalid.");
        }
        let Some(video) = self.videos.get_mut(&id).filter(|video| video.account == account) else {
            return not_found();
        };
        video.thumbnail = true;
        let sizes = json!({"default": {"url": "https://i.ytimg.com/vi/x/default.jpg", "width": 120, "height": 90}});
        let body = json!({"kind": "youtube#thumbnailSetResponse", "etag": "etag", "items": [sizes]});
        HttpReply::json(200, &body)
    }

    fn add_captions(&mut self, account: u32, request: &Request, now: Timestamp) -> HttpReply {
        let Some((about, text)) = related(request) else {
            return error(400, "youtube.caption", "contentRequired", "The request does not contain a caption file.");
        };
        let said = |key: &str| about["snippet"][key].as_str().unwrap_or_default().to_owned();
        let (video, lang, name) = (said("videoId"), said("language"), said("name"));
        if self.own(account, &video).is_none() {
            return not_found();
        }
        if self.manner == Manner::Illegible {
            let message = "The caption content could not be parsed.";
            return error(400, "youtube.caption", "invalidMetadata", message);
        }
        if self.captions.iter().any(|held| held[..3] == [video.as_str(), &lang, &name]) {
            let message = "The specified video already has a caption track with the given language and name.";
            return error(409, "youtube.caption", "captionExists", message);
        }
        self.captions.push([video, lang, name, text]);
        let id = format!("AUieDa-{}", self.captions.len());
        let mut snippet = about["snippet"].clone();
        snippet["lastUpdated"] = json!(now.to_string());
        snippet["status"] = json!("serving");
        HttpReply::json(200, &json!({"kind": "youtube#caption", "etag": "etag", "id": id, "snippet": snippet}))
    }

    fn find(&self, account: u32, request: &Request, now: Timestamp) -> HttpReply {
        let id = query(request).remove("id").unwrap_or_default();
        let found = self.own(account, &id).map(|video| self.resource(&id, video, now));
        list("video", found.into_iter().collect())
    }

    fn update(&mut self, account: u32, request: &Request, now: Timestamp) -> HttpReply {
        let Some(wanted) = body(request) else { return error(400, "global", "parseError", "Parse Error") };
        let id = wanted["id"].as_str().unwrap_or_default().to_owned();
        if self.own(account, &id).is_none() {
            return not_found();
        }
        let mut status = wanted["status"].clone();
        if !matches!(status["privacyStatus"].as_str(), Some("public" | "unlisted" | "private")) {
            return error(400, "youtube.video", "invalidVideoMetadata", "The request metadata is invalid.");
        }
        if self.manner == Manner::Unaudited {
            status["privacyStatus"] = json!("private");
        }
        let appears = status["privacyStatus"] != "private";
        if let Some(video) = self.videos.get_mut(&id) {
            video.about["status"] = status;
            if appears && video.published.is_none() {
                video.published = Some(now);
                self.order.push(id.clone());
            }
        }
        self.shown(&id, now)
    }

    fn find_entry(&self, account: u32, request: &Request) -> HttpReply {
        let query = query(request);
        let asked = |key: &str| query.get(key).cloned().unwrap_or_default();
        if asked("playlistId") != playlist(account) {
            return no_playlist();
        }
        let wanted = (asked("playlistId"), asked("videoId"));
        let found = self.entries.iter().filter(|entry| **entry == wanted).map(|(_, video)| json!({"id": video}));
        list("playlistItem", found.collect())
    }

    fn add_entry(&mut self, account: u32, request: &Request) -> HttpReply {
        let Some(body) = body(request) else { return error(400, "global", "parseError", "Parse Error") };
        let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (list, video) = (text("/snippet/playlistId"), text("/snippet/resourceId/videoId"));
        if list != playlist(account) {
            return no_playlist();
        }
        if self.own(account, &video).is_none() || text("/snippet/resourceId/kind") != "youtube#video" {
            return not_found();
        }
        self.entries.push((list, video));
        let id = format!("UEx-{}", self.entries.len());
        HttpReply::json(200, &json!({"kind": "youtube#playlistItem", "id": id, "snippet": body["snippet"]}))
    }
}

impl Twin for YoutubeTwin {
    fn table(&self, account: u32, base: &str, _folder: &str) -> toml::Table {
        let env = |name: &str| {
            let name = format!("TWIN_{name}_{account}");
            toml::Value::Table([("env".to_owned(), toml::Value::String(name))].into_iter().collect())
        };
        let text = |text: &str| toml::Value::String(text.into());
        let keys = [
            ("client_id", text(CLIENT)),
            (CLIENT_SECRET, env("CLIENT_SECRET")),
            (REFRESH_TOKEN, env("REFRESH_TOKEN")),
            ("playlist", text(&playlist(account))),
            ("base_url", text(base)),
            ("auth_url", text(base)),
        ];
        keys.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }

    fn secrets(&self, account: u32) -> Secrets {
        let refresh = refresh_token(account);
        let secrets = [(CLIENT_SECRET, SECRET), (REFRESH_TOKEN, &refresh)];
        Secrets(secrets.into_iter().map(|(key, text)| (key.to_owned(), Secret::new(text))).collect())
    }

    fn answer(&mut self, call: &Call, now: Timestamp) -> Reply {
        match call {
            Call::Http(request) => Reply::Http(self.dispatch(request, now)),
            _ => Reply::Http(error(404, "global", "notFound", "Not Found")),
        }
    }

    fn published_since(&self, mark: &mut usize) -> Vec<Published> {
        let new = self.order.get(*mark..).unwrap_or_default();
        *mark = self.order.len();
        let post = |id: &String| {
            let video = self.videos.get(id)?;
            let said = |key: &str| video.about["snippet"][key].as_str().unwrap_or_default();
            Some(Published {
                account: video.account,
                id: id.clone(),
                text: format!("{}\n\n{}", said("title"), said("description")),
                at: video.published?,
                answers: None,
            })
        };
        new.iter().filter_map(post).collect()
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
        self.good_from = self.serial;
    }

    fn set_revoked(&mut self, revoked: bool) {
        self.revoked = revoked;
    }

    fn agree(&mut self, account: u32, address: &Url) -> Option<String> {
        let asked: BTreeMap<String, String> = address.query_pairs().into_owned().collect();
        let offline = asked.get("access_type")? == "offline" && asked.get("prompt")? == "consent";
        let dialog = address.as_str().starts_with(super::login::DIALOG);
        if offline && dialog { self.codes.give(account, address, CLIENT) } else { None }
    }
}

fn refresh_token(account: u32) -> String {
    format!("1//twin-refresh-{account}")
}

/// Titles, descriptions and tags as `videos.insert` takes them.
fn valid(about: &Value) -> Result<(), Box<HttpReply>> {
    let text = |pointer: &str| about.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let refuse = |reason: &str| Err(Box::new(error(400, "youtube.video", reason, "The request metadata is invalid.")));
    let (title, description) = (text("/snippet/title"), text("/snippet/description"));
    if title.is_empty() || title.chars().count() > text::TITLE_CHARS || title.contains(['<', '>']) {
        return refuse("invalidTitle");
    }
    if description.len() > text::DESCRIPTION_BYTES || description.contains(['<', '>']) {
        return refuse("invalidDescription");
    }
    if text("/snippet/categoryId").parse::<u32>().is_err() {
        return refuse("invalidCategoryId");
    }
    // This imitation lets nobody forget what it watches over.
    if text("/status/privacyStatus") != "private" {
        return refuse("invalidVideoMetadata");
    }
    Ok(())
}

fn channel(account: u32) -> String {
    format!("UCtwinchannel{account:011}")
}

/// The one playlist of an account.
pub fn playlist(account: u32) -> String {
    format!("PLtwinplaylist{account:011}")
}

fn list(kind: &str, items: Vec<Value>) -> HttpReply {
    let of = |mut item: Value| {
        item["kind"] = json!(format!("youtube#{kind}"));
        item
    };
    let items: Vec<_> = items.into_iter().map(of).collect();
    let info = json!({"totalResults": items.len(), "resultsPerPage": 5});
    let mut body = json!({"kind": format!("youtube#{kind}ListResponse"), "etag": "etag", "pageInfo": info});
    body["items"] = json!(items);
    HttpReply::json(200, &body)
}

fn not_found() -> HttpReply {
    error(404, "youtube.video", "videoNotFound", "The video that you are trying to find cannot be found.")
}

fn no_playlist() -> HttpReply {
    error(404, "youtube.playlistItem", "playlistNotFound", "The playlist cannot be found.")
}

fn error(code: u16, domain: &str, reason: &str, message: &str) -> HttpReply {
    let errors = json!([{"message": message, "domain": domain, "reason": reason}]);
    HttpReply::json(code, &json!({"error": {"code": code, "message": message, "errors": errors}}))
}

fn header(request: &Request, name: &str) -> String {
    let held = request.headers.iter().find(|(held, _)| held.eq_ignore_ascii_case(name));
    held.map(|(_, value)| HeaderValue::expose(value)).unwrap_or_default()
}

fn query(request: &Request) -> BTreeMap<String, String> {
    request.url.query_pairs().into_owned().collect()
}

fn body(request: &Request) -> Option<Value> {
    let is_json = request.body.mime.as_deref().is_some_and(|mime| mime.starts_with("application/json"));
    serde_json::from_slice(&request.body.concat()).ok().filter(|_| is_json)
}

/// The two parts of a body: what is said of a file, and the file.
fn related(request: &Request) -> Option<(Value, String)> {
    let boundary = request.body.mime.as_deref()?.strip_prefix("multipart/related; boundary=")?;
    let body = String::from_utf8(request.body.concat()).ok()?;
    let body = body.strip_suffix(&format!("\r\n--{boundary}--\r\n"))?;
    let parts = body.strip_prefix(&format!("--{boundary}\r\n"))?;
    let (about, file) = parts.split_once(&format!("\r\n--{boundary}\r\n"))?;
    let content = |part: &str| Some(part.split_once("\r\n\r\n")?.1.to_owned());
    Some((serde_json::from_str(&content(about)?).ok()?, content(file)?))
}
