//! The files that machines read: `posts.json`, our own list of what is there; `feed.json`, a JSON Feed 1.1
//! (<https://www.jsonfeed.org/version/1.1/>); `atom.xml`, an Atom feed (RFC 4287).
//!
//! `posts.json` is all that is needed to write index, archive and feeds anew. It lies in a public folder, so it holds
//! listed posts only, and of those only what their pages show. The newest carry their whole content, the others a
//! title, so that it stays small over the years.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::domain::{PostId, ReplyTo, Timestamp, Visibility};
use crate::platform::contract::{Job, Media};

use super::pages;
use super::text::{self, clean, escape, link_target};

/// Version of `posts.json` that this build writes. `fixtures/posts-1.json` is a sample of it that stays readable.
const VERSION: u32 = 1;
/// Posts in the feeds; as many keep their whole content in the list.
const FEED: usize = 50;
/// Posts on the index; as many keep an excerpt in the list.
pub const INDEX: usize = 100;

/// What the site says of itself.
#[derive(Debug, Clone)]
pub struct About {
    /// Where the folder is reached, without a slash at the end.
    pub base: String,
    pub title: String,
    pub author: Option<String>,
    pub description: Option<String>,
    /// BCP 47.
    pub lang: String,
}

impl About {
    /// Where a post is reached.
    pub fn post_url(&self, id: &PostId) -> String {
        format!("{}/posts/{id}/", self.base)
    }
}

/// `posts.json`: the listed posts, newest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct List {
    version: u32,
    pub posts: Vec<Entry>,
}

/// One post, as pages, feeds and the list know it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub id: PostId,
    /// When it was published, as shown.
    pub at: Timestamp,
    pub title: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lang: Option<String>,
    /// `None` once newer posts have pushed it out of the feeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Box<Body>>,
}

/// What a page shows of a post.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Body {
    /// The text and the parts of its thread.
    pub parts: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<File>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// The address of what it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<String>,
}

/// One media file of the site.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct File {
    /// Its name in the folder `media`.
    pub name: String,
    pub mime: String,
    pub alt: String,
    pub bytes: u64,
    /// Width and height in pixels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<(u32, u32)>,
}

impl Entry {
    /// The post of a job, published at `at`.
    pub fn new(job: &Job, about: &About, at: Timestamp) -> Self {
        let content = &job.content;
        let body = Body {
            parts: std::iter::once(&content.text).chain(&content.thread).map(|part| clean(part)).collect(),
            link: content.link.as_deref().map(clean),
            tags: content.tags.iter().map(|tag| clean(tag)).collect(),
            media: job.media.iter().map(File::new).collect(),
            warning: content.warning.as_deref().map(clean).filter(|warning| !warning.trim().is_empty()),
            answers: content.reply_to.as_ref().map(|target| match (target, &job.answers) {
                (ReplyTo::Theirs(address), _) => clean(address),
                (ReplyTo::Ours(_), Some(crate::domain::Remote { url: Some(url), .. })) => clean(url),
                (ReplyTo::Ours(id), _) => about.post_url(id),
            }),
        };
        // What stands behind a warning must not be told by a list.
        let (mut title, excerpt) = match &body.warning {
            Some(warning) => (text::title_and_excerpt(warning).0, None),
            None => text::title_and_excerpt(&content.text),
        };
        if title.is_empty() {
            title = body.media.first().map(|file| text::title_and_excerpt(&file.alt).0).unwrap_or_default();
        }
        if title.is_empty() {
            title = job.delivery.post.to_string();
        }
        Self { id: job.delivery.post.clone(), at, title, excerpt, lang: content.lang.clone(), body: Some(body.into()) }
    }
}

impl File {
    fn new(media: &Media) -> Self {
        Self {
            name: format!("{}.{}", media.item.sha256.hex(), extension(&media.mime)),
            mime: media.mime.clone(),
            alt: clean(&media.item.alt),
            bytes: media.bytes.len() as u64,
            size: media.size,
        }
    }

    /// Its path in the folder of the site.
    pub fn path(&self) -> String {
        format!("media/{}", self.name)
    }
}

/// The extension by which a web server tells the type. What we do not know is served as plain bytes, so that nothing
/// can be smuggled in that a browser would run.
fn extension(mime: &str) -> &'static str {
    match mime {
        "image/jpeg" => "jpg",
        "image/png" => "png",
        "image/gif" => "gif",
        "image/webp" => "webp",
        "image/avif" => "avif",
        "video/mp4" => "mp4",
        "video/webm" => "webm",
        "video/quicktime" => "mov",
        "audio/mpeg" => "mp3",
        "audio/ogg" | "application/ogg" => "ogg",
        "audio/x-flac" | "audio/flac" => "flac",
        "audio/m4a" | "audio/mp4" | "audio/x-m4a" => "m4a",
        "audio/x-wav" | "audio/wav" => "wav",
        "application/pdf" => "pdf",
        _ => "bin",
    }
}

impl Default for List {
    fn default() -> Self {
        Self { version: VERSION, posts: Vec::new() }
    }
}

/// Why a list cannot be gone on from.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    #[error("was written by a later version of cadenced")]
    Newer,
    #[error("cannot be read ({0})")]
    Garbled(serde_json::Error),
}

impl List {
    /// Reads what [`List::encode`] wrote, by this version or an earlier one.
    pub fn decode(bytes: &[u8]) -> Result<Self, ListError> {
        #[derive(Deserialize)]
        struct Head {
            version: u32,
        }
        let head: Head = serde_json::from_slice(bytes).map_err(ListError::Garbled)?;
        if head.version > VERSION {
            return Err(ListError::Newer);
        }
        let list: Self = serde_json::from_slice(bytes).map_err(ListError::Garbled)?;
        Ok(Self { version: VERSION, ..list })
    }

    /// The bytes that are kept: a line a post, for people who look.
    pub fn encode(&self) -> Vec<u8> {
        let lines: Vec<String> = self.posts.iter().map(|entry| json!(entry).to_string()).collect();
        format!("{{\"version\":{VERSION},\"posts\":[\n{}\n]}}\n", lines.join(",\n")).into_bytes()
    }

    /// Adds a post, or puts it in place of the one with its id; thins out what feeds and index need no more.
    pub fn put(&mut self, entry: Entry) {
        self.posts.retain(|held| held.id != entry.id);
        self.posts.push(entry);
        self.posts.sort_by(|a, b| (b.at, &b.id).cmp(&(a.at, &a.id)));
        for entry in self.posts.iter_mut().skip(FEED) {
            entry.body = None;
        }
        for entry in self.posts.iter_mut().skip(INDEX) {
            entry.excerpt = None;
        }
    }

    fn in_feeds(&self) -> impl Iterator<Item = (&Entry, &Body)> {
        self.posts.iter().take(FEED).filter_map(|entry| Some((entry, entry.body.as_deref()?)))
    }
}

/// Whether index and feeds name a post.
pub fn is_listed(visibility: Visibility) -> bool {
    visibility == Visibility::Public
}

/// A moment to the second, as feeds and pages write it.
pub fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `feed.json`.
pub fn json_feed(about: &About, list: &List) -> Vec<u8> {
    let items: Vec<Value> = list.in_feeds().map(|(entry, body)| json_item(about, entry, body)).collect();
    let mut feed = json!({
        "version": "https://jsonfeed.org/version/1.1",
        "title": clean(&about.title),
        "home_page_url": format!("{}/", about.base),
        "feed_url": format!("{}/feed.json", about.base),
        "language": clean(&about.lang),
        "_cadenced": { "made_by": pages::MADE_BY },
        "items": items,
    });
    put_some(&mut feed, "description", about.description.as_deref().map(clean));
    put_some(&mut feed, "authors", about.author.as_deref().map(|name| json!([{ "name": clean(name) }])));
    format!("{feed:#}\n").into_bytes()
}

fn json_item(about: &About, entry: &Entry, body: &Body) -> Value {
    let url = about.post_url(&entry.id);
    let media_url = |file: &File| format!("{}/{}", about.base, file.path());
    let mut item = json!({
        "id": url,
        "url": url,
        "content_html": pages::content(about, entry, body, &format!("{}/", about.base)),
        "date_published": moment(entry.at),
    });
    let image = body.media.iter().find(|file| file.mime.starts_with("image/")).filter(|_| body.warning.is_none());
    let attachments: Vec<Value> = body
        .media
        .iter()
        .map(|file| json!({ "url": media_url(file), "mime_type": file.mime, "size_in_bytes": file.bytes }))
        .collect();
    put_some(&mut item, "summary", body.warning.clone());
    put_some(&mut item, "language", entry.lang.clone());
    put_some(&mut item, "external_url", body.link.as_deref().and_then(link_target));
    put_some(&mut item, "image", image.map(media_url));
    put_some(&mut item, "tags", Some(&body.tags).filter(|tags| !tags.is_empty()));
    put_some(&mut item, "attachments", Some(attachments).filter(|all| !all.is_empty()));
    item
}

fn put_some(object: &mut Value, key: &str, value: Option<impl Serialize>) {
    if let Some(value) = value {
        object[key] = json!(value);
    }
}

/// `atom.xml`. `now` is when the list last changed, for a feed that is empty.
pub fn atom(about: &About, list: &List, now: Timestamp) -> Vec<u8> {
    let base = escape(&about.base);
    let title = escape(&about.title);
    let updated = moment(list.posts.first().map_or(now, |entry| entry.at));
    let author = escape(about.author.as_deref().unwrap_or(&about.title));
    let subtitle = about.description.as_ref().map(|text| format!("<subtitle>{}</subtitle>\n", escape(text)));
    let entries: String = list.in_feeds().map(|(entry, body)| atom_entry(about, entry, body)).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n\
         <feed xmlns=\"http://www.w3.org/2005/Atom\" xml:lang=\"{lang}\">\n\
         <id>{base}/</id>\n<title>{title}</title>\n{subtitle}<updated>{updated}</updated>\n\
         <link rel=\"self\" type=\"application/atom+xml\" href=\"{base}/atom.xml\"/>\n\
         <link rel=\"alternate\" type=\"text/html\" href=\"{base}/\"/>\n\
         <generator>{made_by}</generator>\n<author><name>{author}</name></author>\n{entries}</feed>\n",
        lang = escape(&about.lang),
        subtitle = subtitle.unwrap_or_default(),
        made_by = pages::MADE_BY,
    )
    .into_bytes()
}

fn atom_entry(about: &About, entry: &Entry, body: &Body) -> String {
    let url = escape(&about.post_url(&entry.id));
    let at = moment(entry.at);
    let lang = entry.lang.as_deref().map(|lang| format!(" xml:lang=\"{}\"", escape(lang))).unwrap_or_default();
    let mut extras = String::new();
    for tag in &body.tags {
        extras += &format!("<category term=\"{}\"/>\n", escape(tag));
    }
    if let Some(link) = body.link.as_deref().and_then(link_target) {
        extras += &format!("<link rel=\"related\" href=\"{}\"/>\n", escape(link));
    }
    for file in &body.media {
        let (base, path, mime) = (escape(&about.base), file.path(), escape(&file.mime));
        let length = file.bytes;
        extras += &format!(
            "<link rel=\"enclosure\" type=\"{mime}\" length=\"{length}\" href=\"{base}/{}\"/>\n",
            escape(&path)
        );
    }
    if let Some(warning) = &body.warning {
        extras += &format!("<summary>{}</summary>\n", escape(warning));
    }
    format!(
        "<entry{lang}>\n<id>{url}</id>\n<title>{}</title>\n<published>{at}</published>\n<updated>{at}</updated>\n\
         <link rel=\"alternate\" type=\"text/html\" href=\"{url}\"/>\n{extras}<content type=\"html\">{}</content>\n\
         </entry>\n",
        escape(&entry.title),
        escape(&pages::content(about, entry, body, &format!("{}/", about.base))),
    )
}
