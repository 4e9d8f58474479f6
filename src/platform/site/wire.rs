//! `posts.json`, our own list of what is there.
//!
//! It is all that is needed to write index, archive and feeds anew. It lies in a public folder, so it holds
//! listed posts only, and of those only what their pages show. The newest carry their whole content, the others a
//! title, so that it stays small over the years.

use serde::{Deserialize, Serialize};

use crate::domain::{PostId, ReplyTo, Timestamp, Visibility};
use crate::platform::contract::{Job, Media};

use super::text::{self, clean};

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

/// One post, as pages, feeds and the list know it. Keys are written in the order of their names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// When it was published, as shown.
    pub at: Timestamp,
    /// `None` once newer posts have pushed it out of the feeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Box<Body>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<String>,
    pub id: PostId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lang: Option<String>,
    pub title: String,
}

/// What a page shows of a post.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Body {
    /// The address of what it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<File>,
    /// The text and the parts of its thread.
    pub parts: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// One media file of the site.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct File {
    pub alt: String,
    pub bytes: u64,
    pub mime: String,
    /// Its name in the folder `media`.
    pub name: String,
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
            name: media.public_name(),
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
        let newer = |version: u32| version > VERSION;
        match serde_json::from_slice::<Self>(bytes) {
            Ok(list) if newer(list.version) => Err(ListError::Newer),
            Ok(list) => Ok(Self { version: VERSION, ..list }),
            // A later version may have any form beside its number.
            Err(error) => match serde_json::from_slice::<Head>(bytes) {
                Ok(head) if newer(head.version) => Err(ListError::Newer),
                _ => Err(ListError::Garbled(error)),
            },
        }
    }

    /// The bytes that are kept: a line a post, for people who look.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = format!("{{\"version\":{VERSION},\"posts\":[\n").into_bytes();
        for (place, entry) in self.posts.iter().enumerate() {
            out.extend_from_slice(if place > 0 { b",\n" } else { b"" });
            // Texts and numbers cannot fail to be written into memory.
            let _ = serde_json::to_writer(&mut out, entry);
        }
        out.extend_from_slice(b"\n]}\n");
        out
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

    /// The posts of the feeds, with their content.
    pub fn in_feeds(&self) -> impl Iterator<Item = (&Entry, &Body)> {
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
