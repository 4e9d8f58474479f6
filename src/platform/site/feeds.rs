//! The feeds: `feed.json`, a JSON Feed 1.1 (<https://www.jsonfeed.org/version/1.1/>); `atom.xml`, an Atom feed (RFC 4287).
//!
//! Both hold the latest posts with their whole content, which is made into HTML once for both.

use serde::Serialize;

use crate::domain::Timestamp;

use super::pages;
use super::text::{clean, escape, link_target};
use super::wire::{About, Body, Entry, File, List, moment};

/// What the feeds hold of the latest posts: each with its content as HTML, whose links lead out of the feed.
pub struct Feed<'a> {
    about: &'a About,
    latest: Vec<Latest<'a>>,
}

struct Latest<'a> {
    entry: &'a Entry,
    body: &'a Body,
    html: String,
}

/// `feed.json`; keys are written in the order of their names.
#[derive(Serialize)]
struct JsonFeed<'a> {
    _cadenced: MadeBy,
    #[serde(skip_serializing_if = "Option::is_none")]
    authors: Option<[Author; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    feed_url: String,
    home_page_url: String,
    items: Vec<JsonItem<'a>>,
    language: String,
    title: String,
    version: &'static str,
}

#[derive(Serialize)]
struct MadeBy {
    made_by: &'static str,
}

#[derive(Serialize)]
struct Author {
    name: String,
}

#[derive(Serialize)]
struct JsonItem<'a> {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<Attachment<'a>>,
    content_html: &'a str,
    date_published: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_url: Option<&'a str>,
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    tags: &'a [String],
    url: String,
}

#[derive(Serialize)]
struct Attachment<'a> {
    mime_type: &'a str,
    size_in_bytes: u64,
    url: String,
}

impl<'a> Feed<'a> {
    pub fn new(about: &'a About, list: &'a List) -> Self {
        let root = format!("{}/", about.base);
        let latest = |(entry, body)| Latest { entry, body, html: pages::content(about, entry, body, &root) };
        Self { about, latest: list.in_feeds().map(latest).collect() }
    }

    /// `feed.json`.
    pub fn json(&self) -> Vec<u8> {
        let about = self.about;
        let feed = JsonFeed {
            _cadenced: MadeBy { made_by: pages::MADE_BY },
            authors: about.author.as_deref().map(|name| [Author { name: clean(name) }]),
            description: about.description.as_deref().map(clean),
            feed_url: format!("{}/feed.json", about.base),
            home_page_url: format!("{}/", about.base),
            items: self.latest.iter().map(|latest| latest.json(about)).collect(),
            language: clean(&about.lang),
            title: clean(&about.title),
            version: "https://jsonfeed.org/version/1.1",
        };
        let mut out = Vec::new();
        // Texts and numbers cannot fail to be written into memory.
        let _ = serde_json::to_writer_pretty(&mut out, &feed);
        out.push(b'\n');
        out
    }

    /// `atom.xml`. `now` is when the list last changed, for a feed that is empty.
    pub fn atom(&self, now: Timestamp) -> Vec<u8> {
        let about = self.about;
        let base = escape(&about.base);
        let title = escape(&about.title);
        let updated = moment(self.latest.first().map_or(now, |latest| latest.entry.at));
        let author = escape(about.author.as_deref().unwrap_or(&about.title));
        let subtitle = about.description.as_ref().map(|text| format!("<subtitle>{}</subtitle>\n", escape(text)));
        let entries: String = self.latest.iter().map(|latest| latest.atom(about)).collect();
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
}

impl Latest<'_> {
    fn json(&self, about: &About) -> JsonItem<'_> {
        let Latest { entry, body, html } = self;
        let url = about.post_url(&entry.id);
        let media_url = |file: &File| format!("{}/{}", about.base, file.path());
        let image = body.media.iter().find(|file| file.mime.starts_with("image/")).filter(|_| body.warning.is_none());
        JsonItem {
            attachments: body
                .media
                .iter()
                .map(|file| Attachment { mime_type: &file.mime, size_in_bytes: file.bytes, url: media_url(file) })
                .collect(),
            content_html: html,
            date_published: moment(entry.at),
            external_url: body.link.as_deref().and_then(link_target),
            id: url.clone(),
            image: image.map(media_url),
            language: entry.lang.as_deref(),
            summary: body.warning.as_deref(),
            tags: &body.tags,
            url,
        }
    }

    fn atom(&self, about: &About) -> String {
        let Latest { entry, body, html } = self;
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
            escape(html),
        )
    }
}
