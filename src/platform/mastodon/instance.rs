//! What a server tells of itself: which software it is, and its limits.
//!
//! Everything is optional: forks leave things out, and a server that tells nothing is still posted to. What is not
//! known is not checked here; the server's own refusal decides then.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::{Content, Timestamp};
use crate::platform::contract::{Complaint, Media};

use super::text::{self, Counting};

/// The software, as far as it behaves differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Software {
    /// Upstream and its forks.
    Mastodon,
    GoToSocial,
    /// Akkoma included.
    Pleroma,
    Pixelfed,
    /// Something else, or a server that does not say.
    Other,
    /// Its instance document fits several; nodeinfo will tell.
    Undecided,
}

/// A server's account of itself, kept in the session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    pub software: Software,
    /// Accounts may have another default than plain text.
    pub formats: bool,
    pub characters: Option<u64>,
    pub url_characters: u64,
    /// Attachments of one post.
    pub media: Option<u64>,
    pub mimes: Vec<String>,
    pub image_bytes: Option<u64>,
    pub image_pixels: Option<u64>,
    pub video_bytes: Option<u64>,
    /// Characters of an alt text.
    pub alt: Option<u64>,
    /// When it was read.
    pub read: Timestamp,
}

/// Attachments that Mastodon takes; it does not tell before 3.4.
const MASTODON_MEDIA: u64 = 4;
/// Length and number that no known server takes, for complaints while nothing is known of the server.
const ABSURD_CHARACTERS: u64 = 100_000;
const ABSURD_MEDIA: u64 = 16;
const ABSURD_ALT: u64 = 10_000;

impl Instance {
    /// A server that told nothing that could be understood.
    pub fn unknown(now: Timestamp) -> Self {
        Self {
            software: Software::Other,
            formats: false,
            characters: None,
            url_characters: text::URL_CHARACTERS,
            media: None,
            mimes: Vec::new(),
            image_bytes: None,
            image_pixels: None,
            video_bytes: None,
            alt: None,
            read: now,
        }
    }

    /// Reads the answer of `/api/v2/instance` or `/api/v1/instance`; `None` when it is neither.
    pub fn read(value: &Value, now: Timestamp) -> Option<Self> {
        let version = value["version"].as_str()?;
        let statuses = &value["configuration"]["statuses"];
        let media = &value["configuration"]["media_attachments"];
        // Zero and nonsense mean "not told".
        let number = |value: &Value| value.as_u64().filter(|&number| number > 0);
        let mimes = media["supported_mime_types"].as_array().map(Vec::as_slice).unwrap_or_default();
        let software = Self::software(value, version);
        let glitch = version.to_ascii_lowercase().contains("glitch");
        Some(Self {
            software,
            formats: glitch || matches!(software, Software::GoToSocial | Software::Pleroma),
            characters: number(&statuses["max_characters"]).or_else(|| number(&value["max_toot_chars"])),
            url_characters: number(&statuses["characters_reserved_per_url"])
                .filter(|&characters| characters <= 1_000)
                .unwrap_or(text::URL_CHARACTERS),
            media: number(&statuses["max_media_attachments"]),
            mimes: mimes.iter().filter_map(|mime| Some(mime.as_str()?.to_ascii_lowercase())).take(200).collect(),
            image_bytes: number(&media["image_size_limit"]).or_else(|| number(&value["upload_limit"])),
            image_pixels: number(&media["image_matrix_limit"]),
            video_bytes: number(&media["video_size_limit"]).or_else(|| number(&value["upload_limit"])),
            alt: number(&media["description_limit"]).or_else(|| number(&value["description_limit"])),
            read: now,
        })
    }

    /// Servers that imitate Mastodon say so in the version; GoToSocial has its own numbers there, or an injected
    /// Mastodon version with its own behind a plus.
    fn software(value: &Value, version: &str) -> Software {
        let version = version.to_ascii_lowercase();
        let source = value["source_url"].as_str().unwrap_or_default().to_ascii_lowercase();
        if let Some((_, named)) = version.split_once("compatible;") {
            Self::named(named.trim().split([' ', ')']).next().unwrap_or_default())
        } else if source.contains("gotosocial") || version.starts_with("0.") || version.contains("+0.") {
            Software::GoToSocial
        } else if value["api_versions"]["mastodon"].is_u64() || source.contains("mastodon") {
            Software::Mastodon
        } else {
            Software::Undecided
        }
    }

    /// The software of that name in nodeinfo or a version string.
    pub fn named(name: &str) -> Software {
        match name.to_ascii_lowercase().as_str() {
            // Forks that keep Mastodon's code keep its behaviour.
            "mastodon" | "hometown" | "glitchsoc" => Software::Mastodon,
            "gotosocial" => Software::GoToSocial,
            "pleroma" | "akkoma" => Software::Pleroma,
            "pixelfed" => Software::Pixelfed,
            _ => Software::Other,
        }
    }

    pub fn counting(&self) -> Counting {
        let url = self.url_characters;
        match self.software {
            Software::Mastodon => Counting::Mastodon { url },
            Software::GoToSocial => Counting::CodePoints,
            Software::Pleroma => Counting::Graphemes,
            Software::Pixelfed | Software::Other | Software::Undecided => Counting::Lenient { url },
        }
    }

    /// Whether an answer of 200 may be a lie: Mastodon's spam filter answers with a status that it never stores.
    pub fn may_drop_silently(&self) -> bool {
        matches!(self.software, Software::Mastodon | Software::Other)
    }

    /// Whether errors are kept under the idempotency key, so that a new try needs a new key: Pleroma replays
    /// whatever it answered, and Pixelfed uses a key up before it looks at the rest.
    pub fn keeps_refusals(&self) -> bool {
        matches!(self.software, Software::Pleroma | Software::Pixelfed)
    }

    fn max_media(&self) -> Option<u64> {
        match self.software {
            Software::Pleroma => self.media,
            _ => Some(self.media.unwrap_or(MASTODON_MEDIA)),
        }
    }

    /// The language as this server understands it: Mastodon knows ISO 639 and no regions but those of Chinese, and
    /// takes an unknown code for none.
    pub fn language(&self, lang: &str) -> String {
        let primary = lang.split(['-', '_']).next().unwrap_or(lang).to_ascii_lowercase();
        match self.software {
            Software::Mastodon | Software::Other if primary != "zh" => primary,
            _ => lang.into(),
        }
    }

    /// What this server would refuse in `content`.
    pub fn check(&self, content: &Content) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        if let Some(limit) = self.characters {
            too_long(self.counting(), limit, content, &mut complaints);
        }
        if let Some(limit) = self.max_media() {
            too_many(limit, content, &mut complaints);
        }
        if let Some(limit) = self.alt {
            long_alt(limit, content, &mut complaints);
        }
        complaints
    }

    /// Why this server would not take the file, if so.
    pub fn refuses(&self, media: &Media) -> Option<String> {
        let (name, mime) = (&media.item.file, &media.mime);
        let (kind, bytes) = (mime.split('/').next().unwrap_or_default(), media.bytes.len() as u64);
        // Audio goes by too many names to be judged here.
        let known = self.mimes.iter().any(|held| spelt(held) == spelt(mime));
        if matches!(kind, "image" | "video") && !self.mimes.is_empty() && !known {
            return Some(format!("{name} is {mime}, which the server does not take"));
        }
        let limit = if kind == "image" { self.image_bytes } else { self.video_bytes };
        if let Some(limit) = limit.filter(|&limit| bytes > limit) {
            return Some(format!("{name} has {bytes} bytes, the server takes {limit}"));
        }
        let (width, height) = media.size?;
        let pixels = u64::from(width) * u64::from(height);
        let limit = self.image_pixels.filter(|&limit| kind == "image" && pixels > limit)?;
        Some(format!("{name} has {width} x {height} = {pixels} pixels, the server takes {limit}"))
    }
}

fn spelt(mime: &str) -> String {
    mime.replace("/x-", "/")
}

/// What is surely wrong with `content`, whatever the server.
pub fn check_blind(content: &Content) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    too_long(Counting::Lenient { url: text::URL_CHARACTERS }, ABSURD_CHARACTERS, content, &mut complaints);
    too_many(ABSURD_MEDIA, content, &mut complaints);
    long_alt(ABSURD_ALT, content, &mut complaints);
    complaints
}

fn too_long(counting: Counting, limit: u64, content: &Content, complaints: &mut Vec<Complaint>) {
    let warning = content.warning.as_deref().unwrap_or_default();
    for (part, text) in text::compose(content).iter().enumerate() {
        let length = text::length(counting, warning, text);
        if length > limit {
            let key = if part == 0 { "text" } else { "thread" };
            let which =
                if content.thread.is_empty() { String::new() } else { format!("part {} of the thread: ", part + 1) };
            let reason = format!("{which}{length} characters as the server counts them, it takes {limit}");
            complaints.push(Complaint::new(key, reason).with_hint("shorten it, or go on in `thread`"));
        }
    }
}

fn too_many(limit: u64, content: &Content, complaints: &mut Vec<Complaint>) {
    let count = content.media.len() as u64;
    if count > limit {
        complaints.push(Complaint::new("media", format!("{count} media files, the server takes {limit}")));
    }
}

fn long_alt(limit: u64, content: &Content, complaints: &mut Vec<Complaint>) {
    for item in &content.media {
        let length = item.alt.chars().count() as u64;
        if length > limit {
            let reason = format!("{}: the alt text has {length} characters, the server takes {limit}", item.file);
            complaints.push(Complaint::new("media", reason));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: Value) -> Instance {
        Instance::read(&value, Timestamp::UNIX_EPOCH).unwrap()
    }

    #[test]
    fn software_is_told_apart() {
        let table = [
            (json!({"version": "4.5.15", "api_versions": {"mastodon": 7}}), Software::Mastodon),
            (
                json!({"version": "4.2.0+glitch", "source_url": "https://github.com/glitch-soc/mastodon"}),
                Software::Mastodon,
            ),
            (json!({"version": "0.20.0 git-57cb4fe"}), Software::GoToSocial),
            (json!({"version": "3.5.3+0.20.0"}), Software::GoToSocial),
            (
                json!({"version": "4.3.0", "source_url": "https://codeberg.org/superseriousbusiness/gotosocial"}),
                Software::GoToSocial,
            ),
            (json!({"version": "2.7.2 (compatible; Pleroma 2.6.50)"}), Software::Pleroma),
            (json!({"version": "2.7.2 (compatible; Akkoma 3.13.2)"}), Software::Pleroma),
            (json!({"version": "3.5.3 (compatible; Pixelfed 0.11.13)"}), Software::Pixelfed),
            (json!({"version": "4.2.1 (compatible; Iceshrimp 2024.1)"}), Software::Other),
            (json!({"version": "4.1.2"}), Software::Undecided),
        ];
        for (value, expected) in table {
            assert_eq!(read(value.clone()).software, expected, "{value}");
        }
        assert_eq!(Instance::read(&json!({"title": "x"}), Timestamp::UNIX_EPOCH), None);
        assert_eq!(Instance::read(&json!([1]), Timestamp::UNIX_EPOCH), None);
    }

    #[test]
    fn limits_are_found_where_each_server_puts_them() {
        let old = read(
            json!({"version": "2.7.2 (compatible; Pleroma 2.5.0)", "max_toot_chars": 5000, "upload_limit": 16, "description_limit": 5}),
        );
        assert_eq!((old.characters, old.image_bytes, old.alt, old.max_media()), (Some(5000), Some(16), Some(5), None));
        let odd = read(
            json!({"version": "4.5.0", "configuration": {"statuses": {"max_characters": 0, "characters_reserved_per_url": 1e9}}}),
        );
        assert_eq!((odd.characters, odd.url_characters, odd.max_media()), (None, 23, Some(4)));
    }

    #[test]
    fn languages_are_sent_as_the_server_knows_them() {
        let mastodon = read(json!({"version": "4.5.0", "api_versions": {"mastodon": 7}}));
        let gotosocial = read(json!({"version": "0.20.0"}));
        assert_eq!(mastodon.language("en-US"), "en");
        assert_eq!(mastodon.language("zh-TW"), "zh-TW");
        assert_eq!(gotosocial.language("pt-BR"), "pt-BR");
    }

    #[test]
    fn nothing_is_held_for_a_limit_that_nobody_told() {
        let long = Content { text: "x".repeat(5_000), ..Content::default() };
        assert_eq!(check_blind(&long), []);
        assert_eq!(Instance::unknown(Timestamp::UNIX_EPOCH).check(&long), []);
        let absurd = Content { text: "x".repeat(100_001), ..Content::default() };
        assert_eq!(check_blind(&absurd).len(), 1);
        let told = read(
            json!({"version": "4.5.0", "api_versions": {"mastodon": 7}, "configuration": {"statuses": {"max_characters": 500}}}),
        );
        let thread = Content { thread: vec!["ok".into(), "y".repeat(501)], ..long };
        let complaints = told.check(&thread);
        assert_eq!(complaints.iter().map(|c| c.key.as_str()).collect::<Vec<_>>(), ["text", "thread"]);
        assert!(
            complaints[1].reason.contains("part 3")
                && complaints[1].reason.contains("501")
                && complaints[1].reason.contains("500")
        );
    }
}
