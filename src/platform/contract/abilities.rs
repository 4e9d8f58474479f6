//! What a platform can show, and what is said of content that it cannot.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::Complaint;
use crate::domain::{Content, MediaItem, ReplyTo};

/// What a platform can show. The rest is refused in the same words for all of them, and the documents list it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Abilities {
    /// A post may be text alone.
    pub text_alone: bool,
    /// Most images, videos, sounds and other documents of one post; 0 where it takes none.
    pub images: usize,
    pub videos: usize,
    pub sounds: usize,
    pub documents: usize,
    /// Whether media of several kinds may stand in one post.
    pub mixed: bool,
    pub threads: bool,
    /// Answers to posts of ours, and to those of other people.
    pub answers: Answers,
    pub warnings: bool,
    /// Beside everybody.
    pub unlisted: bool,
    pub followers: bool,
}

/// What a post may answer on a platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    Nothing,
    Ours,
    Anything,
}

/// What a media file is to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MediaKind {
    Image,
    Video,
    Sound,
    Document,
}

impl MediaKind {
    pub fn of(mime: &str) -> Self {
        match mime.split_once('/').map_or("", |(family, _)| family) {
            "image" => Self::Image,
            "video" => Self::Video,
            "audio" => Self::Sound,
            _ => Self::Document,
        }
    }

    fn many(self) -> &'static str {
        match self {
            Self::Image => "images",
            Self::Video => "videos",
            Self::Sound => "sounds",
            Self::Document => "documents",
        }
    }
}

impl Abilities {
    /// What `platform` cannot show of this content. Media that nobody has looked into are counted only.
    pub fn complaints(&self, platform: &str, content: &Content) -> Vec<Complaint> {
        let mut complaints = Vec::new();
        if !self.threads && !content.thread.is_empty() {
            let complaint = Complaint::new("thread", format!("{platform} knows no threads"));
            complaints.push(complaint.with_hint("give this account a variant with `thread = []` and the whole text"));
        }
        let ours = matches!(content.reply_to, Some(ReplyTo::Ours(_)));
        if content.reply_to.is_some() && (self.answers == Answers::Nothing || (self.answers == Answers::Ours && !ours))
        {
            let what = if self.answers == Answers::Ours { "posts of other people" } else { "posts" };
            let complaint = Complaint::new("reply_to", format!("{platform} lets nobody answer {what} this way"));
            complaints.push(complaint.with_hint("leave this account out of `to`"));
        }
        if content.warning.is_some() && !self.warnings {
            let complaint = Complaint::new("warning", format!("{platform} knows no content warnings"));
            complaints.push(complaint.with_hint("leave this account out of `to`, or the warning out of the post"));
        }
        complaints.extend(self.complaints_of_media(platform, &content.media));
        complaints
    }

    fn complaints_of_media(&self, platform: &str, media: &[MediaItem]) -> Vec<Complaint> {
        let complaint = |reason: String| Complaint::new("media", reason);
        if media.is_empty() {
            let hint = "add a file to `media`, or leave this account out of `to`";
            let missing = || complaint(format!("{platform} takes no post without {}", self.wanted())).with_hint(hint);
            return (!self.text_alone).then(missing).into_iter().collect();
        }
        let mut kinds: BTreeMap<MediaKind, usize> = BTreeMap::new();
        for facts in media.iter().filter_map(|item| item.facts.as_ref()) {
            *kinds.entry(MediaKind::of(facts.mime)).or_default() += 1;
        }
        let mut complaints = Vec::new();
        for (kind, count) in &kinds {
            match self.most(*kind) {
                0 => complaints.push(complaint(format!("{platform} takes no {}", kind.many()))),
                most if *count > most => {
                    complaints.push(complaint(format!("{count} {}, {platform} takes {most}", kind.many())));
                }
                _ => {}
            }
        }
        if kinds.len() > 1 && !self.mixed && complaints.is_empty() {
            let names: Vec<_> = kinds.keys().map(|kind| kind.many()).collect();
            complaints.push(complaint(format!("{platform} takes no {} in one post", names.join(" and "))));
        }
        let most = [self.images, self.videos, self.sounds, self.documents].into_iter().max().unwrap_or(0);
        if complaints.is_empty() && media.len() > most {
            complaints.push(complaint(format!("{} files, {platform} takes {most}", media.len())));
        }
        complaints
    }

    /// Most files of this kind in one post.
    pub fn most(&self, kind: MediaKind) -> usize {
        match kind {
            MediaKind::Image => self.images,
            MediaKind::Video => self.videos,
            MediaKind::Sound => self.sounds,
            MediaKind::Document => self.documents,
        }
    }

    fn wanted(&self) -> String {
        let kinds = [MediaKind::Image, MediaKind::Video, MediaKind::Sound, MediaKind::Document];
        let names: Vec<_> = kinds.into_iter().filter(|kind| self.most(*kind) > 0).map(MediaKind::many).collect();
        names.join(" or ")
    }
}

/// By how much a film may be longer than a platform allows before it is held: a track of sound often plays on for a moment
/// behind the last picture, and who counts what is not known.
const SLACK: Duration = Duration::from_millis(500);

/// Whether a film of this length is one that a platform takes which allows `range`.
pub fn lasts(duration: Duration, range: &RangeInclusive<Duration>) -> bool {
    *range.start() <= duration && duration <= *range.end() + SLACK
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_film_of_the_greatest_length_may_have_sound_behind_its_last_picture() {
        let range = Duration::from_secs(3)..=Duration::from_secs(300);
        let lasts = |millis| lasts(Duration::from_millis(millis), &range);
        assert_eq!([2_999, 3_000, 300_040, 301_001].map(lasts), [false, true, true, false]);
    }
}
