//! A wire-level imitation of the Graph API as far as a publisher of Pages meets it, for tests and simulation.
//!
//! It imitates what an adapter can get wrong: that drafts are not seen and have an id, that a list leaves out what is
//! not published, which errors a repeat gets, that videos are uploaded in pieces and processed afterwards, how limits
//! and refusals look. What other people do is in [`people`]. Account number N is a Page with the id
//! 110000000000000000 + N, the token `twin-token-N` and the app secret `twin-app-secret-N`. Who logs in as it has a role on
//! two other Pages, and is told one Page a list.

mod people;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use url::Url;

use crate::domain::{Secret, Timestamp, time};
use crate::platform::contract::crowd::{Crowd, CrowdAct, Standing};
use crate::platform::contract::{Call, Codes, HttpReply, Method, Published, Reply, Request, Secrets, Twin, WrongCode};

use super::text;
use super::wire::proof;

/// Bytes of a video that are asked for at a time.
const PIECE: u64 = 64;
/// How often a finished video is said to be in processing.
const PROCESSING: u32 = 2;
/// The app that people log in with, and where it sends them.
pub const APP: &str = "990022";
pub const REDIRECT: &str = "https://app.example/page";
const FIRST_PAGE: u64 = 110_000_000_000_000_000;

/// The imitation.
#[derive(Debug, Default)]
pub struct FacebookTwin {
    posts: Vec<Post>,
    photos: BTreeMap<String, Photo>,
    videos: BTreeMap<String, Video>,
    /// What is out, in the order it appeared: places in `posts`.
    shown: Vec<usize>,
    issued: u64,
    throttled: Option<Timestamp>,
    revoked: bool,
    shows_drafts: bool,
    keeps_drafts: bool,
    fails_videos: bool,
    served: Option<String>,
    codes: Codes,
    /// Whoever logs in leaves the Page out.
    leaves_out: bool,
    /// Longest page of a list; longer ones are too much data.
    longest_page: Option<usize>,
    crowd: Crowd,
}

#[derive(Debug, Clone)]
struct Post {
    account: u32,
    id: String,
    message: String,
    link: Option<String>,
    photos: Vec<String>,
    created: Timestamp,
    /// When it appeared.
    out: Option<Timestamp>,
    deleted: bool,
}

#[derive(Debug, Clone)]
struct Photo {
    account: u32,
    alt: Option<String>,
}

#[derive(Debug, Clone)]
struct Video {
    account: u32,
    session: String,
    size: u64,
    held: u64,
    /// Once it is finished: how often it is still in processing.
    processing: Option<u32>,
}

impl FacebookTwin {
    pub fn new() -> Self {
        Self::default()
    }

    /// Drafts with photos or links are shown at once, as some have reported.
    #[must_use]
    pub fn showing_drafts(mut self) -> Self {
        self.shows_drafts = true;
        self
    }

    /// A draft's publication is acknowledged and not carried out.
    #[must_use]
    pub fn keeping_drafts(mut self) -> Self {
        self.keeps_drafts = true;
        self
    }

    /// Videos are taken, and fail when they are processed.
    #[must_use]
    pub fn failing_videos(mut self) -> Self {
        self.fails_videos = true;
        self
    }

    /// Another version than the one that is asked for serves the calls.
    #[must_use]
    pub fn serving(mut self, version: &str) -> Self {
        self.served = Some(version.into());
        self
    }

    /// Whoever logs in does not choose the Page in the dialog.
    #[must_use]
    pub fn leaving_out(mut self) -> Self {
        self.leaves_out = true;
        self
    }

    /// Pages of more posts are not answered.
    #[must_use]
    pub fn answering_at_most(mut self, posts: usize) -> Self {
        self.longest_page = Some(posts);
        self
    }

    /// A person deletes a post on the Page.
    pub fn delete(&mut self, id: &str) {
        for post in self.posts.iter_mut().filter(|post| post.id == id) {
            post.deleted = true;
        }
    }

    /// What photos say to people who do not see them, those of posts and others, in the order of their uploads.
    pub fn alts(&self) -> Vec<Option<String>> {
        self.photos.values().map(|photo| photo.alt.clone()).collect()
    }

    fn route(&mut self, request: &Request, now: Timestamp) -> HttpReply {
        let path: Vec<String> =
            request.url.path_segments().into_iter().flatten().filter(|part| !part.is_empty()).map(Into::into).collect();
        let Some(at) = path.iter().position(|part| super::is_version(part)) else {
            return error(400, 2500, 0, "Unknown path components: /");
        };
        let version = path[at].clone();
        let path: Vec<&str> = path[at + 1..].iter().map(String::as_str).collect();
        let form = Form::of(request);
        match path.as_slice() {
            ["oauth", "access_token"] => return self.user_token(&form),
            ["me", "accounts"] => return self.pages(request, &form),
            _ => {}
        }
        let mut reply = match self.account(request, &form) {
            Err(reply) => reply,
            Ok(_) if self.throttled.is_some_and(|until| until > now) => self.too_many(now),
            Ok(account) => self.serve(account, request.method, &path, &form, now),
        };
        let served = self.served.clone().unwrap_or(version);
        reply.headers.push(("facebook-api-version".into(), served));
        reply
    }

    fn account(&self, request: &Request, form: &Form) -> Result<u32, HttpReply> {
        let token = request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        let token = token.map(|(_, value)| value.expose()).unwrap_or_default();
        let token = token.strip_prefix("Bearer ").unwrap_or_default();
        let number: Option<u32> = token.strip_prefix("twin-token-").and_then(|number| number.parse().ok());
        let Some(number) = number.filter(|_| !self.revoked) else {
            return Err(error(400, 190, 460, "Error validating access token: The session has been invalidated"));
        };
        let expected = proof(&Secret::new(token), &app_secret(number));
        if form.text("appsecret_proof") != Some(&expected) {
            return Err(error(400, 100, 0, "Invalid appsecret_proof provided in the API argument"));
        }
        Ok(number)
    }

    /// The tokens of a person: one for an hour, and for that one for sixty days. Neither is the token of a Page.
    fn user_token(&mut self, form: &Form) -> HttpReply {
        let text = |name: &str| form.text(name).unwrap_or_default().to_owned();
        let number =
            |secret: &str| secret.strip_prefix("twin-app-secret-").and_then(|number| number.parse::<u32>().ok());
        let Some(number) = number(&text("client_secret")).filter(|_| text("client_id") == APP) else {
            return error(400, 1, 0, "Error validating client secret.");
        };
        let given = |token: String| {
            HttpReply::json(200, &json!({"access_token": token, "token_type": "bearer", "expires_in": 5_183_944}))
        };
        if text("grant_type") == "fb_exchange_token" {
            let short = format!("twin-user-short-{number}");
            if text("fb_exchange_token") != short {
                return error(400, 190, 0, "Invalid OAuth access token data.");
            }
            return given(format!("twin-user-long-{number}"));
        }
        let fields = ["code", "redirect_uri"].map(|name| (name.to_owned(), text(name)));
        match self.codes.take(&fields.into()) {
            Ok((account, _)) => given(format!("twin-user-short-{account}")),
            Err(WrongCode::Used) => error(400, 100, 36_009, "This authorization code has been used."),
            Err(WrongCode::Redirect) => error(
                400,
                100,
                36_008,
                "Error validating verification code. Please make sure your redirect_uri is identical to the one you used \
                 in the OAuth dialog request",
            ),
            Err(WrongCode::Unknown | WrongCode::Verifier) => error(400, 100, 0, "Invalid verification code format."),
        }
    }

    /// The Pages of a person, one a list: two others before the one. A token that ends soon gives tokens that end soon.
    fn pages(&self, request: &Request, form: &Form) -> HttpReply {
        let token = request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        let token = token.map(|(_, value)| value.expose()).unwrap_or_default();
        let token = token.strip_prefix("Bearer ").unwrap_or_default();
        let (long, number) = match (token.strip_prefix("twin-user-long-"), token.strip_prefix("twin-user-short-")) {
            (Some(number), _) => (true, number.parse().ok()),
            (None, short) => (false, short.and_then(|number| number.parse().ok())),
        };
        let Some(number) = number.filter(|_| !self.revoked) else {
            return error(400, 190, 460, "Error validating access token: The session has been invalidated");
        };
        if form.text("appsecret_proof") != Some(&proof(&Secret::new(token), &app_secret(number))) {
            return error(400, 100, 0, "Invalid appsecret_proof provided in the API argument");
        }
        let life = if long { "" } else { "-for-an-hour" };
        let page =
            |account: u32| json!({"id": page_id(account), "access_token": format!("twin-token-{account}{life}")});
        let mut all = vec![page(number + 100), page(number + 200)];
        if !self.leaves_out {
            all.push(page(number));
        }
        let at: usize = form.text("after").and_then(|after| after.strip_prefix("at")?.parse().ok()).unwrap_or(0);
        let mut value = json!({"data": all.get(at).into_iter().collect::<Vec<_>>()});
        value["paging"] = json!({"cursors": {"before": format!("at{at}"), "after": format!("at{}", at + 1)}});
        if at + 1 < all.len() {
            value["paging"]["next"] = json!("https://graph.facebook.com/next");
        }
        HttpReply::json(200, &value)
    }

    fn too_many(&self, now: Timestamp) -> HttpReply {
        let wait = self.throttled.map_or(0, |until| time::since(until, now).as_secs().div_ceil(60));
        let usage = json!({"1": [{"type": "pages", "call_count": 104, "total_cputime": 3, "total_time": 5,
                                  "estimated_time_to_regain_access": wait}]});
        let mut reply = error(400, 80_001, 2_446_079, "There have been too many calls to this Page account.");
        reply.headers.push(("x-business-use-case-usage".into(), usage.to_string()));
        reply
    }

    fn serve(&mut self, account: u32, method: Method, path: &[&str], form: &Form, now: Timestamp) -> HttpReply {
        let page = page_id(account);
        match (method, path) {
            (Method::Get, ["me"]) => HttpReply::json(200, &json!({"id": page, "name": format!("Twin {account}")})),
            (Method::Post, [on, "photos"]) if *on == page => self.photo(account, form),
            (Method::Post, [on, "feed"]) if *on == page => self.post(account, form, now),
            (Method::Post, [on, "videos"]) if *on == page => self.video(account, form, now),
            (Method::Get, [on, "published_posts"]) if *on == page => self.list(account, form),
            (_, [_, "photos" | "feed" | "videos" | "published_posts"]) => {
                error(403, 200, 0, "(#200) The permission(s) pages_manage_posts are not available")
            }
            (Method::Post, [id]) => self.publish(account, id, form, now),
            (Method::Get, [id]) if self.videos.contains_key(*id) => self.show_video(account, id),
            (Method::Get, [id, ..]) => {
                // A video is a post of the Page, too.
                let own = id.strip_prefix(&format!("{page}_")).filter(|id| self.videos.contains_key(*id));
                let path = [&[own.unwrap_or(id)], &path[1..]].concat();
                match self.posts.iter().find(|post| path.len() == 1 && post.is_of(account, path[0])) {
                    Some(post) => {
                        let mut shown = self.show(post);
                        merge(&mut shown, self.count_fields(&post.id, form));
                        shown["id"] = json!(id);
                        HttpReply::json(200, &shown)
                    }
                    None => self.tell(account, &path, form).unwrap_or_else(missing),
                }
            }
            _ => error(400, 2500, 0, "Unknown path components"),
        }
    }

    fn issue(&mut self) -> String {
        self.issued += 1;
        (122_000_000_000_000_u64 + self.issued).to_string()
    }

    fn photo(&mut self, account: u32, form: &Form) -> HttpReply {
        let bytes = form.file("source").unwrap_or_default();
        let known = [b"\x89PNG".as_slice(), b"\xff\xd8", b"GIF8", b"BM", b"II", b"MM", b"RIFF"];
        if !known.iter().any(|begin| bytes.starts_with(begin)) {
            return error(400, 324, 2_069_019, "Missing or invalid image file");
        }
        if form.text("published") != Some("false") {
            return error(400, 100, 0, "This imitation takes photos for later only");
        }
        let id = self.issue();
        let alt = form.text("alt_text_custom").map(Into::into);
        self.photos.insert(id.clone(), Photo { account, alt });
        HttpReply::json(200, &json!({ "id": id }))
    }

    fn post(&mut self, account: u32, form: &Form, now: Timestamp) -> HttpReply {
        let message = form.text("message").unwrap_or_default().trim().to_owned();
        let link = form.text("link").map(str::to_owned);
        let attached = form.value["attached_media"].as_array().cloned().unwrap_or_default();
        let photos: Vec<String> =
            attached.iter().filter_map(|media| media["media_fbid"].as_str()).map(Into::into).collect();
        if message.is_empty() && link.is_none() && photos.is_empty() {
            return error(400, 100, 1_349_125, "Missing message or attachment");
        }
        if message.chars().count() > text::MOST {
            return error(400, 100, 0, "(#100) Param message must be shorter");
        }
        if link.as_deref().is_some_and(|link| !link.starts_with("http")) {
            return error(400, 1500, 0, "The url you supplied is invalid");
        }
        if photos.iter().any(|id| self.photos.get(id).is_none_or(|photo| photo.account != account)) {
            return error(400, 100, 0, "(#100) Invalid parameter: attached_media");
        }
        let id = format!("{}_{}", page_id(account), self.issue());
        let rich = link.is_some() || !photos.is_empty();
        let post = Post { account, id, message, link, photos, created: now, out: None, deleted: false };
        let published = form.value["published"] != Value::Bool(false);
        if published && self.repeats(&post) {
            return duplicate();
        }
        let mut shown = json!({"id": post.id});
        if form.text("fields").is_some() {
            shown["permalink_url"] = json!(address(&post.id));
        }
        self.posts.push(post);
        if published || (rich && self.shows_drafts) {
            self.come_out(self.posts.len() - 1, now);
        }
        HttpReply::json(200, &shown)
    }

    fn come_out(&mut self, place: usize, now: Timestamp) {
        self.posts[place].out = Some(time::to_millis(now));
        self.shown.push(place);
    }

    /// Whether the last post of the Page says and shows the same.
    fn repeats(&self, post: &Post) -> bool {
        let of_page = |place: &&usize| self.posts[**place].account == post.account;
        let last = self.shown.iter().rev().find(of_page).map(|place| &self.posts[*place]);
        last.is_some_and(|last| {
            !last.deleted && last.message == post.message && last.link == post.link && last.photos == post.photos
        })
    }

    fn publish(&mut self, account: u32, id: &str, form: &Form, now: Timestamp) -> HttpReply {
        let Some(place) = self.posts.iter().position(|post| post.is_of(account, id)) else { return missing() };
        if form.value["is_published"] != Value::Bool(true) {
            return error(400, 100, 0, "(#100) Nothing to update");
        }
        if self.posts[place].out.is_none() {
            if self.repeats(&self.posts[place]) {
                return duplicate();
            }
            if !self.keeps_drafts {
                self.come_out(place, now);
            }
        }
        HttpReply::json(200, &json!({ "success": true }))
    }

    fn show(&self, post: &Post) -> Value {
        let attachments: Vec<Value> = match post.photos.as_slice() {
            [] => Vec::new(),
            [one] => vec![json!({"type": "photo", "target": {"id": one}})],
            several => {
                let parts: Vec<Value> =
                    several.iter().map(|id| json!({"type": "photo", "target": {"id": id}})).collect();
                vec![json!({"type": "album", "subattachments": {"data": parts}})]
            }
        };
        let mut value = json!({
            "id": post.id,
            "created_time": post.created.strftime("%Y-%m-%dT%H:%M:%S+0000").to_string(),
            "is_published": post.out.is_some(),
            "permalink_url": address(&post.id),
        });
        if !post.message.is_empty() {
            value["message"] = json!(post.message);
        }
        if !attachments.is_empty() {
            value["attachments"] = json!({ "data": attachments });
        }
        value
    }

    fn list(&self, account: u32, form: &Form) -> HttpReply {
        let limit = form.text("limit").and_then(|text| text.parse().ok()).unwrap_or(25_usize).min(100);
        if self.longest_page.is_some_and(|most| limit > most) {
            return error(500, 1, 0, "Please reduce the amount of data you're asking for, then retry your request");
        }
        let from = form.text("after").and_then(|text| text.parse().ok()).unwrap_or(0_usize);
        let live = |place: &&usize| self.posts[**place].account == account && !self.posts[**place].deleted;
        let all: Vec<&Post> = self.shown.iter().rev().filter(live).map(|place| &self.posts[*place]).collect();
        let page: Vec<Value> = all.iter().skip(from).take(limit).map(|post| self.show(post)).collect();
        let mut value = json!({ "data": page });
        if !page.is_empty() {
            value["paging"] =
                json!({"cursors": {"before": from.to_string(), "after": (from + page.len()).to_string()}});
            if from + page.len() < all.len() {
                value["paging"]["next"] = json!("https://graph.facebook.com/next");
            }
        }
        HttpReply::json(200, &value)
    }

    fn video(&mut self, account: u32, form: &Form, now: Timestamp) -> HttpReply {
        let phase = form.text("upload_phase");
        if phase == Some("start") {
            let Some(size) = form.value["file_size"].as_u64().filter(|size| *size > 0) else {
                return error(400, 6000, 1_363_022, "The video you tried to upload is too small.");
            };
            let (id, session) = (self.issue(), self.issue());
            let video = Video { account, session: session.clone(), size, held: 0, processing: None };
            let wanted = video.wanted();
            self.videos.insert(id.clone(), video);
            let mut value = json!({"video_id": id, "upload_session_id": session});
            merge(&mut value, wanted);
            return HttpReply::json(200, &value);
        }
        let session = form.text("upload_session_id").unwrap_or_default();
        let of_session = |(_, video): &(&String, &mut Video)| video.account == account && video.session == session;
        let Some((id, video)) = self.videos.iter_mut().find(of_session) else {
            return error(400, 6000, 1_363_041, "The upload session is invalid.");
        };
        match phase {
            Some("transfer") => {
                let bytes = form.file("video_file_chunk").map_or(0, |bytes| bytes.len() as u64);
                let start: Option<u64> = form.text("start_offset").and_then(|text| text.parse().ok());
                if start != Some(video.held) || bytes == 0 {
                    let mut reply = json!({"error": {"message": "There was a problem uploading your video.",
                        "type": "OAuthException", "code": 6001, "error_subcode": 1_363_037, "is_transient": false,
                        "error_data": video.wanted(), "fbtrace_id": "Atwin"}});
                    reply["error"]["error_user_msg"] = json!("Please try uploading it again.");
                    return HttpReply::json(400, &reply);
                }
                video.held = (video.held + bytes).min(video.size);
                HttpReply::json(200, &video.wanted())
            }
            Some("finish") if video.held == video.size && video.processing.is_none() => {
                video.processing = Some(PROCESSING);
                let (id, failed) = (id.clone(), self.fails_videos);
                let message = form.text("description").unwrap_or_default().to_owned();
                if !failed {
                    let post = Post {
                        account,
                        id,
                        message,
                        link: None,
                        photos: vec![],
                        created: now,
                        out: None,
                        deleted: false,
                    };
                    self.posts.push(post);
                    self.come_out(self.posts.len() - 1, now);
                }
                HttpReply::json(200, &json!({ "success": true }))
            }
            _ => error(400, 6000, 1_363_041, "The upload session is invalid."),
        }
    }

    fn show_video(&mut self, account: u32, id: &str) -> HttpReply {
        let failed = self.fails_videos;
        let Some(video) = self.videos.get_mut(id).filter(|video| video.account == account) else { return missing() };
        let phase = |status: &str| json!({ "status": status });
        let status = match &mut video.processing {
            None if video.held < video.size => json!({"video_status": "upload_in_progress",
                "uploading_phase": phase("in_progress"), "processing_phase": phase("not_started"),
                "publishing_phase": phase("not_started")}),
            None => json!({"video_status": "upload_complete", "uploading_phase": phase("complete"),
                "processing_phase": phase("not_started"), "publishing_phase": phase("not_started")}),
            Some(0) if failed => json!({"video_status": "error", "uploading_phase": phase("complete"),
                "processing_phase": {"status": "error", "errors": [{"code": 1_363_008, "message": "The video is broken"}]},
                "publishing_phase": phase("not_started")}),
            Some(0) => json!({"video_status": "ready", "uploading_phase": phase("complete"),
                "processing_phase": phase("complete"),
                "publishing_phase": {"status": "complete", "publish_status": "published"}}),
            Some(left) => {
                *left -= 1;
                json!({"video_status": "processing", "uploading_phase": phase("complete"),
                    "processing_phase": phase("in_progress"), "publishing_phase": phase("not_started")})
            }
        };
        let published = video.processing.is_some();
        let address = format!("/{}/videos/{id}/", page_id(account));
        let value = json!({"id": id, "status": status, "published": published, "permalink_url": address});
        HttpReply::json(200, &value)
    }
}

impl Post {
    fn is_of(&self, account: u32, id: &str) -> bool {
        self.account == account && self.id == id && !self.deleted
    }
}

impl Video {
    fn wanted(&self) -> Value {
        json!({"start_offset": self.held.to_string(), "end_offset": (self.held + PIECE).min(self.size).to_string()})
    }
}

impl Twin for FacebookTwin {
    fn table(&self, account: u32, base: &str, _folder: &str) -> toml::Table {
        let variable = |name: &str| toml::Value::Table([("env".to_owned(), name.into())].into_iter().collect());
        let mut table = toml::Table::new();
        table.insert("page".into(), page_id(account).into());
        table.insert("base_url".into(), base.into());
        table.insert("token".into(), variable(&format!("TWIN_TOKEN_{account}")));
        table.insert("app_secret".into(), variable(&format!("TWIN_APP_SECRET_{account}")));
        table
    }

    fn secrets(&self, account: u32) -> Secrets {
        let token = Secret::new(format!("twin-token-{account}"));
        Secrets([("token".to_owned(), token), ("app_secret".to_owned(), app_secret(account))].into())
    }

    fn answer(&mut self, call: &Call, now: Timestamp) -> Reply {
        Reply::Http(match call {
            Call::Http(request) => self.route(request, now),
            _ => error(400, 100, 0, "not a request"),
        })
    }

    fn published_since(&self, mark: &mut usize) -> Vec<Published> {
        let from = std::mem::replace(mark, self.shown.len());
        let live = self.shown.iter().skip(from).map(|place| &self.posts[*place]).filter(|post| !post.deleted);
        let shown = |post: &Post| Published {
            account: post.account,
            id: post.id.clone(),
            text: post.message.clone(),
            at: post.out.unwrap_or(post.created),
            answers: None,
        };
        live.map(shown).collect()
    }

    fn throttle(&mut self, until: Timestamp) {
        self.throttled = Some(until);
    }

    /// The tokens of Pages have no end.
    fn expire_tokens(&mut self) {}

    fn set_revoked(&mut self, revoked: bool) {
        self.revoked = revoked;
    }

    fn act(&mut self, act: &CrowdAct, now: Timestamp) -> Option<String> {
        self.carry_out(act, now)
    }

    fn standing(&self, account: u32, post: &str) -> Option<Standing> {
        Some(self.stands(account, post))
    }

    fn agree(&mut self, account: u32, address: &Url) -> Option<String> {
        let registered = address.query_pairs().any(|(name, value)| name == "redirect_uri" && value == REDIRECT);
        let dialog = address.path().ends_with("/dialog/oauth");
        let back = if registered && dialog { self.codes.give(account, address, APP) } else { None };
        back.map(|back| format!("{back}#_=_"))
    }
}

fn page_id(account: u32) -> String {
    (FIRST_PAGE + u64::from(account)).to_string()
}

fn app_secret(account: u32) -> Secret {
    Secret::new(format!("twin-app-secret-{account}"))
}

fn address(post: &str) -> String {
    format!("https://www.facebook.com/{}", post.replace('_', "/posts/"))
}

fn error(status: u16, code: i64, subcode: i64, message: &str) -> HttpReply {
    let mut error = json!({"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "Atwin"});
    if subcode != 0 {
        error["error_subcode"] = json!(subcode);
    }
    HttpReply::json(status, &json!({ "error": error }))
}

fn missing() -> HttpReply {
    error(400, 100, 33, "Unsupported request. Object does not exist, or cannot be loaded due to missing permissions")
}

fn duplicate() -> HttpReply {
    error(400, 506, 0, "(#506) Duplicate status message")
}

fn merge(value: &mut Value, more: Value) {
    if let (Some(value), Value::Object(more)) = (value.as_object_mut(), more) {
        value.extend(more);
    }
}

/// The parameters of a request, wherever they stand: query, JSON, or a form with a file.
#[derive(Debug, Default)]
struct Form {
    value: Value,
    file: Option<(String, Vec<u8>)>,
}

impl Form {
    fn of(request: &Request) -> Self {
        let url = request.exposed_url().unwrap_or_else(|_| request.url.clone());
        let query: serde_json::Map<String, Value> =
            url.query_pairs().map(|(name, value)| (name.into_owned(), Value::String(value.into_owned()))).collect();
        let mut form = Self { value: Value::Object(query), file: None };
        let body = request.body.concat();
        let mime = request.body.mime.as_deref().unwrap_or_default();
        if let Some(boundary) = mime.strip_prefix("multipart/form-data; boundary=") {
            form.read_parts(&body, boundary);
        } else if let Ok(value @ Value::Object(_)) = serde_json::from_slice(&body) {
            merge(&mut form.value, value);
        }
        form
    }

    fn read_parts(&mut self, body: &[u8], boundary: &str) {
        // Latin-1 keeps bytes and characters alike, so that places in one are places in the other.
        let text: String = body.iter().copied().map(char::from).collect();
        let bytes = |part: &str| part.chars().map(|c| c as u8).collect::<Vec<u8>>();
        for part in text.split(&format!("--{boundary}")) {
            let Some((head, value)) = part.split_once("\r\n\r\n") else { continue };
            let value = value.strip_suffix("\r\n").unwrap_or(value);
            let Some(name) = head.split("name=\"").nth(1).and_then(|rest| rest.split('"').next()) else { continue };
            if head.contains("filename=") {
                self.file = Some((name.into(), bytes(value)));
            } else if let Ok(value) = String::from_utf8(bytes(value)) {
                self.value[name] = Value::String(value);
            }
        }
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.value[name].as_str()
    }

    fn file(&self, name: &str) -> Option<&[u8]> {
        self.file.as_ref().filter(|(held, _)| held == name).map(|(_, bytes)| bytes.as_slice())
    }
}
