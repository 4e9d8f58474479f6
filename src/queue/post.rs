//! One entry of the queue, as the planner and the deliverer need it.

use std::ops::Deref;
use std::sync::Arc;

use crate::domain::{AccountId, Content, Digest, FoundMedia, Goal, PostId, Timestamp};

use super::Packed;

/// A post that has been read, checked and digested. Small: a million of them stay in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    pub id: PostId,
    pub kind: Kind,
    /// In the order written, without repeats. The posts of a file share equal lists.
    pub to: Arc<[AccountId]>,
    pub goal: Goal,
    pub priority: i32,
    pub order: Order,
    pub digest: Digest,
    pub approval: Approval,
    pub rare: Rarely,
    /// Whether it answers a post of ours; which, its content tells.
    pub answers_ours: bool,
    /// The canonical JSON that `digest` was taken over. [`Post::content`] reads it.
    pub body: Packed,
}

/// What most posts have nothing of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rare {
    pub series: Option<Box<str>>,
    /// This moment and no other.
    pub at: Option<Timestamp>,
    pub not_before: Option<Timestamp>,
    pub expires: Option<Timestamp>,
    /// Something about it that a person has to mend before it can go out (a media file that is not there).
    pub trouble: Option<Trouble>,
    /// What its media files are, where somebody has looked into them.
    pub media: Vec<FoundMedia>,
    /// Why it is not approved, where there is more to say than that. The posts of a file share equal reasons.
    pub unapproved: Option<Arc<str>>,
    /// When its approval ends, where that is known before.
    pub lapse: Option<Lapse>,
}

/// The end of an approval that holds until then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lapse {
    /// The first moment at which it does not hold any more.
    pub at: Timestamp,
    /// What it will be called then.
    pub approval: Approval,
    pub why: Arc<str>,
}

/// [`Rare`], for which only those posts pay that have some of it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Rarely(Option<Box<Rare>>);

impl From<Rare> for Rarely {
    fn from(rare: Rare) -> Self {
        Self((rare != Rare::default()).then(|| Box::new(rare)))
    }
}

impl Deref for Rarely {
    type Target = Rare;

    fn deref(&self) -> &Rare {
        static NOTHING: Rare = Rare {
            series: None,
            at: None,
            not_before: None,
            expires: None,
            trouble: None,
            media: Vec::new(),
            unapproved: None,
            lapse: None,
        };
        self.0.as_deref().unwrap_or(&NOTHING)
    }
}

impl std::fmt::Debug for Rarely {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Rare::fmt(self, f)
    }
}

/// What kind of entry it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `[[post]]`: takes a slot, or its own fixed time.
    Post,
    /// `[[reply]]`: an answer in a conversation; needs no slot and is sent as soon as quiet hours allow.
    Reply,
}

/// Place in the queue: files in name order, then from top to bottom.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Order {
    /// Path relative to the queue folder, with `/`.
    pub file: Arc<str>,
    /// From 0, over posts and then replies.
    pub place: u32,
}

/// Whether a person has agreed to exactly this content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approval {
    Approved,
    /// By a signature that is asked for again right before each intent.
    Signed,
    NotApproved,
    /// There is an approval, of other content, or by a key whose time is over.
    Stale,
}

impl Approval {
    /// Whether somebody has agreed, as far as is known now.
    pub fn is_given(self) -> bool {
        matches!(self, Self::Approved | Self::Signed)
    }
}

/// What keeps one post from being published although its file can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// Why the media cannot be used.
    Media(Box<str>),
    /// Why the post cannot go out as it is.
    Invalid(Box<str>),
    /// Which files hold its id with different contents.
    Duplicate(Box<str>),
}

impl Post {
    /// What `account` would publish: the variant applied over the post.
    pub fn content(&self, account: &AccountId) -> Content {
        let mut content = super::digest::content(&self.body.read(), account);
        self.know_media(&mut content);
        content
    }

    /// Adds to a content that was read from this post's body what its media are.
    pub fn know_media(&self, content: &mut Content) {
        for item in &mut content.media {
            let found = self.rare.media.iter().find(|found| found.sha256 == item.sha256);
            item.facts = found.and_then(|found| found.facts.clone());
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    #[test]
    fn a_post_takes_little_beside_its_body() {
        // With the two counts of its `Arc` and malloc's own word it fills a block of 144.
        assert!(size_of::<Post>() <= 120, "{}", size_of::<Post>());
    }

    #[test]
    fn what_a_post_has_nothing_of_takes_no_room() {
        assert_eq!(Rarely::from(Rare::default()).0, None);
        assert_eq!(
            Rarely::from(Rare { series: Some("desk".into()), ..Rare::default() }).series.as_deref(),
            Some("desk")
        );
    }

    /// A post without anything.
    pub fn post() -> Post {
        Post {
            id: PostId::new("p").unwrap(),
            kind: Kind::Post,
            to: Arc::default(),
            goal: Goal::Connection,
            priority: 0,
            order: Order { file: "a.toml".into(), place: 0 },
            digest: Digest([0; 32]),
            approval: Approval::Approved,
            rare: Rarely::default(),
            answers_ours: false,
            body: Packed::default(),
        }
    }
}
