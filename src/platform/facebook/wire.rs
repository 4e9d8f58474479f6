//! The wire: every request the adapter can make, and the objects in the replies.
//!
//! Here is no decision. Requests go to the account's base URL, and with the bytes of videos to the host that Facebook
//! has for them; an address that a reply names is never followed. The token is always a header. The proof that goes
//! with it (`appsecret_proof`) stands in the body where there is one, else in the query: it tells neither secret, and
//! is of no use without the token.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Map, Value, json};
use sha2::Sha256;
use url::Url;

use crate::domain::Secret;
use crate::platform::contract::{Body, HeaderValue, Media, Method, Request};

use super::progress::{Span, Video};

/// Where the API is, and where Facebook wants the bytes of videos.
pub const API: &str = "https://graph.facebook.com";
const API_HOST: &str = "graph.facebook.com";
const VIDEO_HOST: &str = "graph-video.facebook.com";
/// Where people are.
const SITE: &str = "https://www.facebook.com/";

/// What is asked of a post: its counts, how often it was seen, and of each comment.
const COUNTS: &str =
    "id,shares,reactions.summary(total_count).limit(0),comments.filter(stream).summary(total_count).limit(0)";
pub const VIEWS: &str = "post_media_view";
const COMMENT: &str = "id,from{id,name},message,created_time,parent{id},permalink_url";
/// Entries of one page of a list.
const ENTRIES: &str = "100";

/// Builds the requests of one account.
#[derive(Debug, Clone, Copy)]
pub struct Wire<'a> {
    pub base: &'a Url,
    /// Of the Graph API, such as `v26.0`.
    pub version: &'a str,
    pub page: &'a str,
    pub token: &'a Secret,
    pub app_secret: Option<&'a Secret>,
}

/// Whether people see a new post at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    AtOnce,
    Later,
}

impl Wire<'_> {
    /// Whose token it is: with the token of a Page, `me` is the Page.
    pub fn me(self) -> Request {
        self.get(&["me"], &[("fields", "id,name")])
    }

    /// A photo that nobody sees until a post shows it. `boundary` must not occur in the parts.
    pub fn photo(self, boundary: &str, media: &Media) -> Request {
        let alt = media.item.alt.trim();
        let mut fields = vec![("published", "false")];
        fields.extend((!alt.is_empty()).then_some(("alt_text_custom", alt)));
        self.multipart(self.api(), &[self.page, "photos"], boundary, &fields, ("source", media))
    }

    pub fn post(self, message: &str, card: Option<&str>, photos: &[&str], shown: Shown) -> Request {
        let mut fields = Map::new();
        if !message.is_empty() {
            fields.insert("message".into(), message.into());
        }
        if let Some(link) = card {
            fields.insert("link".into(), link.into());
        }
        if !photos.is_empty() {
            let photos = photos.iter().map(|id| json!({ "media_fbid": id })).collect();
            fields.insert("attached_media".into(), photos);
        }
        fields.insert("published".into(), (shown == Shown::AtOnce).into());
        // What a draft is called to people is asked with it. A publishing step asks nothing: a field that cannot be
        // read would be an error after the effect.
        if shown == Shown::Later {
            fields.insert("fields".into(), "id,permalink_url".into());
        }
        self.json(self.api(), &[self.page, "feed"], fields)
    }

    pub fn publish(self, post: &str) -> Request {
        self.json(self.api(), &[post], one("is_published", true.into()))
    }

    pub fn start_video(self, bytes: usize) -> Request {
        let mut fields = one("upload_phase", "start".into());
        fields.insert("file_size".into(), bytes.into());
        self.json(self.video_api(), &[self.page, "videos"], fields)
    }

    /// The bytes of `span`, which lies within the file.
    pub fn transfer(self, boundary: &str, video: &Video, span: Span, media: &Media) -> Request {
        let place = |offset: u64| usize::try_from(offset).unwrap_or(usize::MAX).min(media.bytes.len());
        let (start, end) = (place(span.start), place(span.end));
        let piece = Media { bytes: media.bytes[start..end.max(start)].into(), ..media.clone() };
        let offset = span.start.to_string();
        let fields = [
            ("upload_phase", "transfer"),
            ("upload_session_id", video.session.as_str()),
            ("start_offset", offset.as_str()),
        ];
        self.multipart(self.video_api(), &[self.page, "videos"], boundary, &fields, ("video_file_chunk", &piece))
    }

    /// Publishes the video of an upload session.
    pub fn finish_video(self, video: &Video, message: &str) -> Request {
        let mut fields = one("upload_phase", "finish".into());
        fields.insert("upload_session_id".into(), video.session.as_str().into());
        fields.insert("published".into(), true.into());
        if !message.is_empty() {
            fields.insert("description".into(), message.into());
        }
        self.json(self.video_api(), &[self.page, "videos"], fields)
    }

    pub fn one_post(self, id: &str) -> Request {
        self.get(&[id], &[("fields", "id,is_published,permalink_url")])
    }

    pub fn one_video(self, id: &str) -> Request {
        self.get(&[id], &[("fields", "id,status,published,permalink_url")])
    }

    /// What the Page has published, newest first. Reels are not in it.
    pub fn published_posts(self, limit: u32, after: Option<&str>) -> Request {
        let (limit, fields) = (limit.to_string(), "id,message,created_time,is_published,permalink_url,attachments");
        let mut query = vec![("fields", fields), ("limit", &limit)];
        query.extend(after.map(|after| ("after", after)));
        self.get(&[self.page, "published_posts"], &query)
    }

    /// What is counted of a post.
    pub fn counts(self, id: &str) -> Request {
        self.get(&[id], &[("fields", COUNTS)])
    }

    /// Whether a post or a video is there.
    pub fn there(self, id: &str) -> Request {
        self.get(&[id], &[("fields", "id")])
    }

    pub fn views(self, id: &str) -> Request {
        self.get(&[id, "insights"], &[("metric", VIEWS), ("period", "lifetime")])
    }

    pub fn reactions(self, id: &str, after: Option<&str>) -> Request {
        let mut query = vec![("fields", "id,name,type"), ("limit", ENTRIES)];
        query.extend(after.map(|after| ("after", after)));
        self.get(&[id, "reactions"], &query)
    }

    /// Every comment below a post, or below a comment, the oldest first.
    pub fn comments(self, id: &str, after: Option<&str>) -> Request {
        let mut query = vec![("fields", COMMENT), ("filter", "stream"), ("order", "chronological"), ("limit", ENTRIES)];
        query.extend(after.map(|after| ("after", after)));
        self.get(&[id, "comments"], &query)
    }

    pub fn comment(self, id: &str) -> Request {
        self.get(&[id], &[("fields", COMMENT)])
    }

    fn api(self) -> Url {
        self.base.clone()
    }

    fn video_api(self) -> Url {
        let mut url = self.base.clone();
        // An imitation or a proxy has one host for all.
        if url.host_str() == Some(API_HOST) && url.set_host(Some(VIDEO_HOST)).is_err() {
            return self.api();
        }
        url
    }

    fn get(self, path: &[&str], query: &[(&str, &str)]) -> Request {
        let mut request = self.request(Method::Get, self.api(), path, Body::default());
        request.url.query_pairs_mut().extend_pairs(query);
        if let Some(proof) = self.proof() {
            request.url.query_pairs_mut().append_pair("appsecret_proof", &proof);
        }
        request
    }

    fn json(self, base: Url, path: &[&str], mut fields: Map<String, Value>) -> Request {
        if let Some(proof) = self.proof() {
            fields.insert("appsecret_proof".into(), proof.into());
        }
        self.request(Method::Post, base, path, Body::json(&Value::Object(fields)))
    }

    fn multipart(
        self,
        base: Url,
        path: &[&str],
        boundary: &str,
        fields: &[(&str, &str)],
        file: (&str, &Media),
    ) -> Request {
        let proof = self.proof();
        let mut fields: Vec<(&str, &str)> = fields.to_vec();
        fields.extend(proof.as_deref().map(|proof| ("appsecret_proof", proof)));
        self.request(Method::Post, base, path, Body::multipart(boundary, &fields, file))
    }

    fn request(self, method: Method, base: Url, path: &[&str], body: Body) -> Request {
        let mut url = base;
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push(self.version).extend(path);
        }
        let headers = vec![
            ("Authorization", HeaderValue::Secret { prefix: "Bearer ", secret: self.token.clone() }),
            ("Accept", HeaderValue::Plain("application/json".into())),
        ];
        Request { method, url, headers, body, secret_path: None }
    }

    pub fn proof(self) -> Option<String> {
        self.app_secret.map(|secret| proof(self.token, secret))
    }
}

/// That whoever sends the token also holds the app's secret: HMAC-SHA256 of the token, in hexadecimal digits.
pub fn proof(token: &Secret, app_secret: &Secret) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(app_secret.expose().as_bytes()) else {
        return String::new();
    };
    mac.update(token.expose().as_bytes());
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn one(name: &str, value: Value) -> Map<String, Value> {
    Map::from_iter([(name.to_owned(), value)])
}

/// An id as Facebook gives it: digits, for posts two numbers with `_` between them.
pub struct Id;

impl Id {
    const CHARS: usize = 64;

    pub fn read(value: &Value) -> Option<String> {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.as_u64()?.to_string(),
            _ => return None,
        };
        let plain = text.chars().all(|c| c.is_ascii_digit() || c == '_') && text.starts_with(|c: char| c != '_');
        (plain && text.len() <= Self::CHARS).then_some(text)
    }
}

/// A number that Facebook writes as a text or as a number.
pub fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

/// The bytes that are wanted next, within a file of this length.
pub fn span(value: &Value, length: usize) -> Option<Span> {
    let length = u64::try_from(length).unwrap_or(u64::MAX);
    let (start, end) = (number(&value["start_offset"])?, number(&value["end_offset"])?);
    (start <= end && start <= length).then_some(Span { start, end: end.min(length) })
}

/// Where people see it, as the reply tells. Videos have a path alone. Only addresses on Facebook are told on.
pub fn permalink(value: &Value) -> Option<String> {
    let text = value["permalink_url"].as_str().filter(|text| text.len() <= 2048)?;
    let url = Url::parse(SITE).ok()?.join(text).ok()?;
    let host = url.host_str()?;
    let ours = host == "facebook.com" || host.ends_with(".facebook.com");
    (url.scheme() == "https" && ours).then(|| url.into())
}

/// Where people see a post, by its id.
pub fn post_address(page: &str, id: &str) -> String {
    let (page, post) = id.split_once('_').unwrap_or((page, id));
    format!("{SITE}{page}/posts/{post}")
}

/// Where people see a video, by its id.
pub fn video_address(page: &str, id: &str) -> String {
    format!("{SITE}{page}/videos/{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire<'a>(base: &'a Url, token: &'a Secret, app_secret: Option<&'a Secret>) -> Wire<'a> {
        Wire { base, version: "v26.0", page: "42", token, app_secret }
    }

    #[test]
    fn videos_go_to_their_own_host_and_imitations_have_one() {
        let token = Secret::new("t");
        let base: Url = API.parse().unwrap();
        let there = wire(&base, &token, None);
        assert_eq!(there.start_video(1).url.as_str(), "https://graph-video.facebook.com/v26.0/42/videos");
        assert_eq!(there.publish("42_1").url.as_str(), "https://graph.facebook.com/v26.0/42_1");
        let near: Url = "http://127.0.0.1:8/graph/".parse().unwrap();
        assert_eq!(wire(&near, &token, None).start_video(1).url.as_str(), "http://127.0.0.1:8/graph/v26.0/42/videos");
    }

    #[test]
    fn the_proof_is_the_tokens_hmac_and_stands_in_a_body_where_there_is_one() {
        // RFC 4231, test case 2.
        let (token, app_secret) = (Secret::new("what do ya want for nothing?"), Secret::new("Jefe"));
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(proof(&token, &app_secret), expected);
        let base: Url = API.parse().unwrap();
        let wire = wire(&base, &token, Some(&app_secret));
        assert!(wire.me().url.as_str().ends_with(&format!("?fields=id%2Cname&appsecret_proof={expected}")));
        let request = wire.publish("42_1");
        assert_eq!(request.url.query(), None);
        assert!(String::from_utf8(request.body.concat()).unwrap().contains(expected));
    }

    #[test]
    fn an_id_is_digits_and_an_address_is_one_on_facebook() {
        for good in [json!("42"), json!("42_7"), json!(42)] {
            assert!(Id::read(&good).is_some(), "{good}");
        }
        for bad in [json!(""), json!("_1"), json!("4/2"), json!("me"), json!(-1), json!(1.5), json!("1".repeat(65))] {
            assert_eq!(Id::read(&bad), None, "{bad}");
        }
        let told = |url: &str| permalink(&json!({ "permalink_url": url }));
        assert_eq!(told("/42/videos/7/").as_deref(), Some("https://www.facebook.com/42/videos/7/"));
        assert_eq!(told("https://m.facebook.com/1").as_deref(), Some("https://m.facebook.com/1"));
        for bad in
            ["https://facebook.com.evil.example/", "//evil.example/", "http://www.facebook.com/1", "javascript:1"]
        {
            assert_eq!(told(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_span_lies_within_the_file() {
        let of = |start: Value, end: Value| span(&json!({"start_offset": start, "end_offset": end}), 10);
        assert_eq!(of(json!("0"), json!("4")), Some(Span { start: 0, end: 4 }));
        assert_eq!(of(json!(4), json!(99)), Some(Span { start: 4, end: 10 }));
        assert_eq!(of(json!("10"), json!("10")), Some(Span { start: 10, end: 10 }));
        assert_eq!(of(json!("5"), json!("4")), None);
        assert_eq!(of(json!("11"), json!("12")), None);
        assert_eq!(of(json!(null), json!("4")), None);
    }
}
