//! What a post is as notes: their texts and tags.
//!
//! Everything is made of the content as it was approved and of what was frozen, and of nothing else: not of the
//! configuration of today, and not of the bytes of media, which are not at hand when an attempt is looked for. So a note
//! has the same id whenever it is made.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::event::Draft;
use crate::domain::{Content, MediaItem};

/// How a post is put together; the next one is 2.
const COMPOSITION: u32 = 1;

/// What a repeat must not take from the configuration or the clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frozen {
    pub composition: u32,
    /// When the first part was made, in seconds.
    pub at: i64,
    /// What tells two posts apart that say the same in the same second: the id would be one, and so would the notes.
    pub salt: String,
    /// The relay that notes name as the place of the others.
    pub hint: String,
    /// Where media are.
    pub media: Option<String>,
}

impl Frozen {
    pub fn new(at: i64, draw: u64, hint: String, media: Option<String>) -> Self {
        Self { composition: COMPOSITION, at, salt: format!("{draw:016x}"), hint, media }
    }

    pub fn read(frozen: &Value) -> Option<Self> {
        Self::deserialize(frozen).ok().filter(|frozen| frozen.composition == COMPOSITION)
    }
}

/// Where a conversation began, and the note that ours answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Above {
    pub root: String,
    pub last: String,
}

/// Part number `part` of a post by `author`, below `above`.
pub fn draft(content: &Content, part: usize, frozen: &Frozen, author: &str, above: Option<&Above>) -> Draft {
    let mut tags: Vec<Vec<String>> = Vec::new();
    let mut tag = |fields: &[&str]| tags.push(fields.iter().map(|field| (*field).to_owned()).collect());
    if let Some(Above { root, last }) = above {
        tag(&["e", root, &frozen.hint, "root", author]);
        if root != last {
            tag(&["e", last, &frozen.hint, "reply", author]);
        }
        tag(&["p", author]);
    }
    if part == 0 {
        tag(&["salt", &frozen.salt]);
    }
    if let Some(warning) = &content.warning {
        tag(&["content-warning", warning]);
    }
    let mut text =
        if part == 0 { &content.text } else { content.thread.get(part - 1).unwrap_or(&content.text) }.clone();
    if part == 0 {
        let below = |text: &mut String, more: &str| {
            if !text.is_empty() {
                text.push_str("\n\n");
            }
            text.push_str(more);
        };
        if let Some(link) = content.link.as_ref().filter(|link| !text.contains(*link)) {
            below(&mut text, link);
        }
        let unsaid: Vec<_> = content.tags.iter().filter(|tag| !says(&text, tag)).map(|tag| format!("#{tag}")).collect();
        if !unsaid.is_empty() {
            below(&mut text, &unsaid.join(" "));
        }
        for name in &content.tags {
            tag(&["t", &name.to_lowercase()]);
        }
        if let Some(base) = &frozen.media {
            let urls: Vec<_> = content.media.iter().map(|item| url(base, item)).collect();
            if !urls.is_empty() {
                below(&mut text, &urls.join("\n"));
            }
            for (item, url) in content.media.iter().zip(&urls) {
                let mut fields = vec!["imeta".to_owned(), format!("url {url}")];
                fields.extend(mime(&extension(item)).map(|mime| format!("m {mime}")));
                fields.push(format!("x {}", item.sha256.hex()));
                fields.extend((!item.alt.is_empty()).then(|| format!("alt {}", item.alt)));
                tags.push(fields);
            }
        }
    }
    // A second apart, so that what sorts by time alone shows them in order.
    Draft { created_at: frozen.at + part as i64, tags, content: text }
}

/// Whether the text holds this hashtag as a word of its own.
fn says(text: &str, tag: &str) -> bool {
    let hashtag = format!("#{}", tag.to_lowercase());
    let text = text.to_lowercase();
    text.match_indices(&hashtag).any(|(at, _)| {
        let goes_on = |c: char| c.is_alphanumeric() || c == '_';
        !text[at + hashtag.len()..].starts_with(goes_on)
    })
}

/// The address of a file that a person has put there.
fn url(base: &str, item: &MediaItem) -> String {
    let name = format!("{}.{}", item.sha256.hex(), extension(item));
    format!("{}/{}", base.trim_end_matches('/'), name.trim_end_matches('.'))
}

/// By the file's name: nothing else of it is at hand whenever an address is made.
fn extension(item: &MediaItem) -> String {
    let name = item.file.rsplit('/').next().unwrap_or_default();
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension).to_ascii_lowercase();
    if extension.chars().all(|c| c.is_ascii_alphanumeric()) { extension } else { String::new() }
}

fn mime(extension: &str) -> Option<&'static str> {
    Some(match extension {
        "jpg" | "jpeg" => "image/jpeg",
        "png" => "image/png",
        "gif" => "image/gif",
        "webp" => "image/webp",
        "avif" => "image/avif",
        "mp4" => "video/mp4",
        "webm" => "video/webm",
        "mov" => "video/quicktime",
        "mp3" => "audio/mpeg",
        "ogg" => "audio/ogg",
        "pdf" => "application/pdf",
        _ => return None,
    })
}

/// The first character that implementations write differently in what an id is the digest of.
pub fn unwritable(text: &str) -> Option<char> {
    text.chars().find(|c| *c < ' ' && !matches!(c, '\n' | '\r' | '\t'))
}
