//! Which file is the film, and which the thumbnail.
//!
//! A post has one film, and beside it at most one picture, which becomes the thumbnail. An image is never shown as part
//! of a post here, so the platform's abilities count none: the thumbnail is taken out before they are asked. What a
//! file is, its bytes say; where nobody has looked into it yet, its ending. A file of no known kind may be a film all
//! the same: YouTube knows more containers than we do.

use std::time::Duration;

use super::wire::Film;
use crate::domain::{Content, MediaItem};
use crate::platform::contract::{Abilities, Complaint, Media, MediaKind};

/// Largest thumbnail. Older projects may find 2 MB to be the limit; YouTube says so before anything is public.
const THUMBNAIL_BYTES: u64 = 50_000_000;
/// Longest film.
const LONGEST: Duration = Duration::from_secs(12 * 3600);
const UNKNOWN: &str = "application/octet-stream";
const THUMBNAILS: [&str; 2] = ["image/jpeg", "image/png"];
const IMAGE_ENDINGS: &[&str] = &["png", "jpg", "jpeg", "gif", "webp", "avif", "heic", "bmp", "tif", "tiff", "svg"];
/// Files by these endings are surely no films.
const NOT_FILMS: &[&str] = &["srt", "vtt", "sbv", "txt", "md", "pdf", "zip", "mp3", "m4a", "ogg", "oga", "wav", "flac"];

/// The files of one post by what they are for.
#[derive(Debug, Clone, Copy)]
pub struct Roles<'a> {
    pub film: &'a Media,
    pub thumbnail: Option<&'a Media>,
}

impl<'a> Roles<'a> {
    /// # Errors
    /// Why these files make no post.
    pub fn of(media: &'a [Media]) -> Result<Self, String> {
        let is_image = |media: &&Media| MediaKind::of(&media.mime) == MediaKind::Image;
        let mut films = media.iter().filter(|media| !is_image(media));
        let mut images = media.iter().filter(is_image);
        let (film, thumbnail) = (films.next().ok_or("youtube takes no post without a video")?, images.next());
        if films.next().is_some() || images.next().is_some() {
            return Err("youtube takes one video, and one image as its thumbnail".into());
        }
        if !film.mime.starts_with("video/") && film.mime != UNKNOWN {
            return Err(format!("{} is {}, and only a video can go to youtube", film.item.file, film.mime));
        }
        match thumbnail.and_then(|image| thumbnail_fault(&image.mime, image.bytes.len() as u64)) {
            Some(fault) => Err(fault),
            None => Ok(Self { film, thumbnail }),
        }
    }

    pub fn film(&self) -> Film<'a> {
        Film { mime: &self.film.mime, bytes: self.film.bytes.len() }
    }
}

/// What YouTube would refuse in the files, and what the platform cannot show at all.
pub fn complaints(can: &Abilities, name: &str, content: &Content) -> Vec<Complaint> {
    let (images, films): (Vec<_>, Vec<_>) = content.media.iter().cloned().partition(is_image);
    let films =
        films.into_iter().map(|item| MediaItem { facts: item.facts.filter(|facts| facts.mime != UNKNOWN), ..item });
    let shown = Content { media: films.collect(), ..content.clone() };
    let mut complaints = can.complaints(name, &shown);
    let mut complain = |reason: String| complaints.push(Complaint::new("media", reason));
    if images.len() > 1 {
        complain(format!("{} images, youtube takes one, as the thumbnail of the video", images.len()));
    }
    for facts in images.iter().filter_map(|image| image.facts.as_ref()) {
        if let Some(fault) = thumbnail_fault(facts.mime, facts.bytes) {
            complain(fault);
        }
    }
    for film in &shown.media {
        match &film.facts {
            Some(facts) if facts.duration.is_some_and(|duration| duration > LONGEST) => {
                complain(format!("{} plays for more than 12 hours, youtube takes no longer video", film.file));
            }
            None if NOT_FILMS.contains(&ending(film).as_str()) => {
                complain(format!("{}: only a video and its thumbnail can go to youtube", film.file));
            }
            _ => {}
        }
    }
    complaints
}

fn is_image(item: &MediaItem) -> bool {
    match &item.facts {
        Some(facts) => MediaKind::of(facts.mime) == MediaKind::Image,
        None => IMAGE_ENDINGS.contains(&ending(item).as_str()),
    }
}

fn ending(item: &MediaItem) -> String {
    item.file.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default()
}

fn thumbnail_fault(mime: &str, bytes: u64) -> Option<String> {
    if !THUMBNAILS.contains(&mime) {
        return Some(format!("the thumbnail is {mime}, youtube takes image/jpeg and image/png"));
    }
    (bytes > THUMBNAIL_BYTES).then(|| format!("the thumbnail has {bytes} bytes, youtube takes {THUMBNAIL_BYTES}"))
}
