//! Which file is the film, which the thumbnail, and which the captions.
//!
//! A post has one film, and beside it at most one picture, which becomes the thumbnail, and one file of captions. Neither
//! is ever shown as part of a post here, so the platform's abilities count none: they are taken out before they are asked.
//! What a file is, its bytes say; where nobody has looked into it yet, its ending. Captions are plain text, of which bytes
//! say little, so the ending names them. A file of no known kind may be a film all the same: YouTube knows more
//! containers than we do.

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
/// Files by these endings are captions.
const CAPTIONS: &[&str] = &["srt", "vtt"];
/// Most characters of the name that people choose captions by.
const CAPTIONS_NAME: usize = 150;
/// Files by these endings are surely no films.
const NOT_FILMS: &[&str] = &["sbv", "txt", "md", "pdf", "zip", "mp3", "m4a", "ogg", "oga", "wav", "flac"];

/// The files of one post by what they are for.
#[derive(Debug, Clone, Copy)]
pub struct Roles<'a> {
    pub film: &'a Media,
    pub thumbnail: Option<&'a Media>,
    pub captions: Option<&'a Media>,
}

impl<'a> Roles<'a> {
    /// # Errors
    /// Why these files make no post.
    pub fn of(media: &'a [Media]) -> Result<Self, String> {
        let is_image = |media: &&Media| MediaKind::of(&media.mime) == MediaKind::Image;
        let is_captions = |media: &&Media| media.mime == UNKNOWN && is_captions(&media.item);
        let mut films = media.iter().filter(|media| !is_image(media) && !is_captions(media));
        let (mut images, mut texts) = (media.iter().filter(is_image), media.iter().filter(is_captions));
        let (film, thumbnail) = (films.next().ok_or("youtube takes no post without a video")?, images.next());
        let captions = texts.next();
        if films.next().is_some() || images.next().is_some() || texts.next().is_some() {
            return Err("youtube takes one video, one image as its thumbnail, and one file of captions".into());
        }
        if let Some(captions) = captions.filter(|captions| !has_times(&captions.bytes)) {
            return Err(format!("{} holds no captions in UTF-8 with times", captions.item.file));
        }
        if !film.mime.starts_with("video/") && film.mime != UNKNOWN {
            return Err(format!("{} is {}, and only a video can go to youtube", film.item.file, film.mime));
        }
        match thumbnail.and_then(|image| thumbnail_fault(&image.mime, image.bytes.len() as u64)) {
            Some(fault) => Err(fault),
            None => Ok(Self { film, thumbnail, captions }),
        }
    }

    pub fn film(&self) -> Film<'a> {
        Film { mime: &self.film.mime, bytes: self.film.bytes.len() }
    }
}

/// What YouTube would refuse in the files, and what the platform cannot show at all.
pub fn complaints(can: &Abilities, name: &str, content: &Content) -> Vec<Complaint> {
    let (images, others): (Vec<_>, Vec<_>) = content.media.iter().cloned().partition(is_image);
    let (captions, films): (Vec<_>, Vec<_>) = others.into_iter().partition(is_captions);
    let films =
        films.into_iter().map(|item| MediaItem { facts: item.facts.filter(|facts| facts.mime != UNKNOWN), ..item });
    let shown = Content { media: films.collect(), ..content.clone() };
    let mut complaints = can.complaints(name, &shown);
    let mut complain = |reason: String| complaints.push(Complaint::new("media", reason));
    if images.len() > 1 {
        complain(format!("{} images, youtube takes one, as the thumbnail of the video", images.len()));
    }
    if captions.len() > 1 {
        complain(format!("{} files of captions, youtube takes one", captions.len()));
    }
    if let Some(named) = captions.iter().find(|file| file.alt.chars().count() > CAPTIONS_NAME) {
        complain(format!(
            "the description of {} names its captions, in at most {CAPTIONS_NAME} characters",
            named.file
        ));
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
                complain(format!("{}: only a video, its thumbnail and its captions can go to youtube", film.file));
            }
            _ => {}
        }
    }
    if !captions.is_empty() && content.lang.is_none() {
        let complaint = Complaint::new("lang", "nobody says what language the captions are in");
        complaints.push(complaint.with_hint("give the post its `lang`, such as \"en\""));
    }
    complaints
}

/// Whether a file of a post holds the captions of its video.
fn is_captions(item: &MediaItem) -> bool {
    let known = item.facts.as_ref().is_some_and(|facts| facts.mime != UNKNOWN);
    !known && CAPTIONS.contains(&ending(item).as_str())
}

/// Both kinds have an arrow between the times of each line that is shown.
fn has_times(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| text.contains("-->"))
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
