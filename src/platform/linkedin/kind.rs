//! The kinds of media, and what LinkedIn takes of each.

use std::time::Duration;

use super::text;
use crate::domain::MediaItem;
use crate::platform::contract::{Media, MediaKind, lasts};

/// Most pixels of an image: fewer than this.
const PIXELS: u64 = 36_152_320;
/// How long a video plays.
const SHORTEST: Duration = Duration::from_secs(3);
const LONGEST: Duration = Duration::from_secs(30 * 60);
/// What Word and PowerPoint files are found to be. The last two are what they look like from outside, when what is
/// inside is not recognised.
const OFFICE: &[&str] = &[
    "application/msword",
    "application/vnd.ms-powerpoint",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "application/zip",
    "application/x-ole-storage",
];

/// What a file becomes on LinkedIn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Image,
    Video,
    Document,
}

impl Kind {
    pub fn of(mime: &str) -> Self {
        match MediaKind::of(mime) {
            MediaKind::Image => Self::Image,
            MediaKind::Video => Self::Video,
            MediaKind::Sound | MediaKind::Document => Self::Document,
        }
    }

    /// Of an upload, by its URN.
    pub fn of_urn(urn: &str) -> Option<Self> {
        [Self::Image, Self::Video, Self::Document].into_iter().find(|kind| kind.owns(urn))
    }

    /// In a URN, and in the reply that gives one.
    pub fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
            Self::Document => "document",
        }
    }

    /// In a path.
    pub fn collection(self) -> &'static str {
        match self {
            Self::Image => "images",
            Self::Video => "videos",
            Self::Document => "documents",
        }
    }

    /// Whether `urn` is one of an upload of this kind.
    pub fn owns(self, urn: &str) -> bool {
        let id = urn.strip_prefix("urn:li:").and_then(|rest| rest.strip_prefix(self.name()));
        id.and_then(|rest| rest.strip_prefix(':')).is_some_and(is_id)
    }

    /// How long an upload is left alone before it is used, where nobody may ask whether it is ready.
    pub fn grace(self) -> Duration {
        Duration::from_secs(if self == Self::Image { 5 } else { 60 })
    }
}

/// The last part of a URN, as LinkedIn makes them.
pub fn is_id(text: &str) -> bool {
    (1..=200).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// What LinkedIn would refuse in a file that somebody has looked into.
pub fn unfit(item: &MediaItem) -> Option<String> {
    let facts = item.facts.as_ref()?;
    refused(item, facts.mime, facts.size)
}

/// The same, of a file that is at hand.
pub fn unfit_at_hand(media: &Media) -> Option<String> {
    refused(&media.item, &media.mime, media.size)
}

fn refused(item: &MediaItem, mime: &str, size: Option<(u32, u32)>) -> Option<String> {
    let file = &item.file;
    match Kind::of(mime) {
        Kind::Image if !matches!(mime, "image/jpeg" | "image/png" | "image/gif") => {
            Some(format!("{file} is {mime}; linkedin takes JPEG, PNG and GIF"))
        }
        Kind::Image => {
            let pixels = size.map_or(0, |(width, height)| u64::from(width) * u64::from(height));
            let alt = text::length(&item.alt);
            if pixels >= PIXELS {
                Some(format!("{file} has {pixels} pixels, linkedin takes fewer than {PIXELS}"))
            } else if alt > text::ALT_CHARACTERS {
                let most = text::ALT_CHARACTERS;
                Some(format!("the description of {file} has {alt} characters, linkedin takes {most}"))
            } else {
                None
            }
        }
        Kind::Video if !matches!(mime, "video/mp4" | "video/x-m4v") => {
            Some(format!("{file} is {mime}; linkedin takes MP4"))
        }
        Kind::Video => {
            let plays = item.facts.as_ref().and_then(|facts| facts.duration)?;
            let fits = lasts(plays, &(SHORTEST..=LONGEST));
            (!fits).then(|| format!("{file} plays {} s, linkedin takes 3 s to 30 min", plays.as_secs()))
        }
        Kind::Document if mime != "application/pdf" && !OFFICE.contains(&mime) => {
            Some(format!("{file} is {mime}; linkedin takes PDF, Word and PowerPoint"))
        }
        Kind::Document => item
            .alt
            .trim()
            .is_empty()
            .then(|| format!("{file} needs an `alt`: linkedin shows it as the document's title, and demands one")),
    }
}
