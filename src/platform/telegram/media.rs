//! What a file is to Telegram, and which files it takes together.
//!
//! Sizes and dimensions of what would be a photo are checked ahead. Above 50 MB, the public server takes nothing from
//! a bot; a server of one's own does, so there is no bound elsewhere.

use crate::domain::Content;
use crate::platform::contract::{Job, Media};

/// Most bytes of a photo, and of anything that is sent to the public server.
const PHOTO_BYTES: u64 = 10 * 1024 * 1024;
pub const FILE_BYTES: u64 = 50 * 1024 * 1024;
/// Most pixels of a photo's width and height together, and how many times one may be the other.
const PHOTO_SIDES: u64 = 10_000;
const PHOTO_RATIO: u64 = 20;

/// How a file is sent and shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Photo,
    Video,
    Animation,
    Audio,
    /// Shown by its name; people load it down.
    Document,
}

impl Kind {
    pub fn of(mime: &str) -> Self {
        match mime {
            "image/jpeg" | "image/png" | "image/webp" => Self::Photo,
            "video/mp4" | "video/x-m4v" => Self::Video,
            "image/gif" => Self::Animation,
            "audio/mpeg" | "audio/mp4" | "audio/m4a" | "audio/x-m4a" => Self::Audio,
            _ => Self::Document,
        }
    }

    /// Of the field that holds the file, and of the item of an album.
    pub fn name(self) -> &'static str {
        match self {
            Self::Photo => "photo",
            Self::Video => "video",
            Self::Animation => "animation",
            Self::Audio => "audio",
            Self::Document => "document",
        }
    }

    pub fn method(self) -> &'static str {
        match self {
            Self::Photo => "sendPhoto",
            Self::Video => "sendVideo",
            Self::Animation => "sendAnimation",
            Self::Audio => "sendAudio",
            Self::Document => "sendDocument",
        }
    }

    fn many(self) -> &'static str {
        match self {
            Self::Photo => "photos",
            Self::Video => "videos",
            Self::Animation => "animations",
            Self::Audio => "sounds",
            Self::Document => "documents",
        }
    }
}

/// What is known of a file.
struct File<'a> {
    name: &'a str,
    mime: &'a str,
    bytes: u64,
    size: Option<(u32, u32)>,
}

impl<'a> File<'a> {
    fn of(media: &'a Media) -> Self {
        Self { name: &media.item.file, mime: &media.mime, bytes: media.bytes.len() as u64, size: media.size }
    }
}

/// What Telegram would refuse of the files that somebody has looked at. `most` is the largest file the server takes.
pub fn objections(content: &Content, most: Option<u64>) -> Vec<String> {
    let facts = content.media.iter().filter_map(|item| Some((item, item.facts.as_ref()?)));
    let file =
        facts.map(|(item, facts)| File { name: &item.file, mime: facts.mime, bytes: facts.bytes, size: facts.size });
    of_files(&file.collect::<Vec<_>>(), most)
}

/// The same of the very bytes that are to be sent.
pub fn unfit(job: &Job, most: Option<u64>) -> Option<String> {
    if job.media.len() != job.content.media.len() {
        return Some("the media files were not handed over".into());
    }
    let files: Vec<_> = job.media.iter().map(File::of).collect();
    of_files(&files, most).into_iter().next()
}

fn of_files(files: &[File<'_>], most: Option<u64>) -> Vec<String> {
    let mut objections: Vec<String> = files.iter().filter_map(|file| of_file(file, most)).collect();
    let mut kinds: Vec<Kind> = files.iter().map(|file| Kind::of(file.mime)).collect();
    kinds.sort_unstable();
    let several = kinds.len() > 1;
    kinds.dedup();
    if several && kinds.contains(&Kind::Animation) {
        objections.push("an animation stands alone in a telegram message".into());
    } else if kinds.len() > 1 && kinds != [Kind::Photo, Kind::Video] {
        let names: Vec<_> = kinds.iter().map(|kind| kind.many()).collect();
        objections.push(format!("telegram takes no {} in one album", names.join(" and ")));
    }
    objections
}

fn of_file(file: &File<'_>, most: Option<u64>) -> Option<String> {
    let File { name, bytes, .. } = file;
    if let Some(most) = most.filter(|most| bytes > most) {
        return Some(format!("{name} has {bytes} bytes, telegram takes {most} from a bot"));
    }
    if Kind::of(file.mime) != Kind::Photo {
        return None;
    }
    if *bytes > PHOTO_BYTES {
        return Some(format!("{name} has {bytes} bytes, telegram takes {PHOTO_BYTES} for a photo"));
    }
    let (width, height) = file.size.map(|(width, height)| (u64::from(width), u64::from(height)))?;
    if width + height > PHOTO_SIDES || width.max(height) > PHOTO_RATIO * width.min(height) {
        return Some(format!(
            "{name} measures {width} × {height}, telegram takes {PHOTO_SIDES} for both sides together, and one at most \
             {PHOTO_RATIO} times the other"
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a file is, its bytes, and its sides.
    type Given = (&'static str, u64, (u32, u32));

    fn about(files: &[Given]) -> Vec<String> {
        let files: Vec<_> =
            files.iter().map(|&(mime, bytes, size)| File { name: "a.bin", mime, bytes, size: Some(size) }).collect();
        of_files(&files, Some(FILE_BYTES))
    }

    #[test]
    fn what_is_refused_is_known_ahead() {
        let small = (4, 3);
        let fine: &[&[Given]] = &[
            &[("image/png", PHOTO_BYTES, (9_000, 1_000))],
            &[("image/jpeg", 1, small), ("video/mp4", FILE_BYTES, small)],
            &[("image/gif", PHOTO_BYTES + 1, small)],
            &[("application/pdf", 1, small), ("application/zip", 1, small)],
            &[("audio/mpeg", 1, small), ("audio/m4a", 1, small)],
            &[("image/svg+xml", PHOTO_BYTES + 1, (30_000, 1))],
        ];
        for files in fine {
            assert_eq!(about(files), [""; 0], "{files:?}");
        }
        let wrong: &[&[Given]] = &[
            &[("image/png", PHOTO_BYTES + 1, small)],
            &[("image/png", 1, (9_001, 1_000))],
            &[("image/png", 1, (2_100, 100))],
            &[("video/mp4", FILE_BYTES + 1, small)],
            &[("image/gif", 1, small), ("image/png", 1, small)],
            &[("image/gif", 1, small), ("image/gif", 1, small)],
            &[("application/pdf", 1, small), ("image/png", 1, small)],
            &[("audio/mpeg", 1, small), ("application/pdf", 1, small)],
        ];
        for files in wrong {
            assert_eq!(about(files).len(), 1, "{files:?}");
        }
    }
}
