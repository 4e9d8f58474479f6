//! Other people: who they are to us, and what they do with a post.
//!
//! A person is one account on one platform. Nothing here is about how many people follow anybody.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Timestamp;

/// Longest id of a person, in bytes. A DID has at most 2,048, those in use have 32.
const PERSON_BYTES: usize = 512;

/// Something that people do with a post, and that platforms count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Interaction {
    /// An answer below a post of ours.
    Reply,
    /// A post that names us and stands below none of ours.
    Mention,
    /// A post of theirs that shows ours, with words of their own.
    Quote,
    /// Ours, passed on as it is.
    Repost,
    Like,
    /// A bookmark.
    Save,
    /// A way that was gone from the post to its link.
    Click,
    View,
}

impl Interaction {
    pub const ALL: [Self; 8] =
        [Self::Reply, Self::Mention, Self::Quote, Self::Repost, Self::Like, Self::Save, Self::Click, Self::View];

    /// The stable name, as in records and tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reply => "reply",
            Self::Mention => "mention",
            Self::Quote => "quote",
            Self::Repost => "repost",
            Self::Like => "like",
            Self::Save => "save",
            Self::Click => "click",
            Self::View => "view",
        }
    }

    /// Whether it brings the post, or us, before other people.
    pub fn brings_others(self) -> bool {
        matches!(self, Self::Quote | Self::Repost | Self::Mention)
    }

    /// Whether it is reach: nobody has said or done anything.
    pub fn is_reach(self) -> bool {
        matches!(self, Self::Click | Self::View)
    }
}

impl fmt::Display for Interaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// One account of somebody else: the platform's name, `:`, and what the platform calls it for good, such as
/// `bluesky:did:plc:…` or `mastodon:ann@example.social`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersonId(Arc<str>);

/// A text that names no person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a person is written PLATFORM:ID, without spaces")]
pub struct NoPerson;

impl PersonId {
    /// `None` where the platform's id is empty, too long, or holds what no id holds.
    pub fn new(platform: &str, id: &str) -> Option<Self> {
        let fit = !id.is_empty() && id.len() <= PERSON_BYTES;
        let clean = !id.chars().any(|c| c.is_whitespace() || c.is_control() || is_bidi(c));
        (fit && clean).then(|| Self(format!("{platform}:{id}").into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn platform(&self) -> &str {
        self.0.split_once(':').map_or("", |(platform, _)| platform)
    }
}

/// Characters that turn the direction of what is shown: nobody's id needs one.
fn is_bidi(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl fmt::Display for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Borrow<str> for PersonId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for PersonId {
    type Err = NoPerson;

    fn from_str(text: &str) -> Result<Self, NoPerson> {
        let (platform, id) = text.split_once(':').ok_or(NoPerson)?;
        let plain = !platform.is_empty() && platform.bytes().all(|byte| byte.is_ascii_lowercase());
        Self::new(platform, id).filter(|_| plain).ok_or(NoPerson)
    }
}

impl Serialize for PersonId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for PersonId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// How a person looked when they were seen last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    pub person: PersonId,
    /// What people call them, without `@`. It may go to somebody else one day.
    pub handle: String,
    /// Why they are taken for a machine; never a guess.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bot: Option<BotSign>,
}

impl Profile {
    /// Longest handle that is kept, in characters.
    const HANDLE_CHARS: usize = 256;

    /// `handle` as the platform tells it; what would not stand on one line as it reads is left out of it.
    pub fn new(person: PersonId, handle: &str, bot: Option<BotSign>) -> Self {
        let plain = |c: &char| !c.is_whitespace() && !c.is_control() && !is_bidi(*c);
        let handle = handle.trim_start_matches('@').chars().filter(plain).take(Self::HANDLE_CHARS).collect();
        Self { person, handle, bot }
    }
}

/// What says that an account is a machine's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BotSign {
    /// The platform marks it as one.
    PlatformFlag,
    /// It says so itself.
    SelfLabel,
}

impl BotSign {
    /// In words, for tables.
    pub fn reason(self) -> &'static str {
        match self {
            Self::PlatformFlag => "the platform marks it as a bot",
            Self::SelfLabel => "it labels itself as a bot",
        }
    }
}

/// Something that was said below a post of ours, or to us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The platform's id or URI of it.
    pub id: String,
    /// What it answers, by the same kind of id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// `None`: we have said it, through this program or by hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<PersonId>,
    pub at: Timestamp,
    /// Plain text, cut to [`Message::TEXT_CHARS`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// Where a person can see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What is to be written as `conversation` to answer it.
    pub answer: String,
    /// Whether it was said to us alone: its text is shown to nobody but the person who answers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub private: bool,
}

impl Message {
    /// Longest text that is kept of a message, in characters.
    pub const TEXT_CHARS: usize = 1_000;

    /// A text as it is kept: cut, and without what could make it read as something else.
    pub fn plain(text: &str) -> String {
        let shown = |c: &char| (*c == '\n' || !c.is_control()) && !is_bidi(*c);
        let kept: String = text.trim().chars().filter(shown).take(Self::TEXT_CHARS).collect();
        kept.trim_end().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_a_platform_and_what_it_calls_them() {
        let ann: PersonId = "bluesky:did:plc:ann".parse().unwrap();
        assert_eq!((ann.platform(), ann.to_string().as_str()), ("bluesky", "bluesky:did:plc:ann"));
        assert_eq!(PersonId::new("bluesky", "did:plc:ann"), Some(ann));
        for text in ["", "ann", ":ann", "bluesky:", "Bluesky:ann", "x:a b", "x:a\u{202e}b", "x:a\nb"] {
            assert_eq!(text.parse::<PersonId>(), Err(NoPerson), "{text:?}");
        }
        assert_eq!(PersonId::new("x", &"a".repeat(PERSON_BYTES + 1)), None);
    }

    #[test]
    fn what_people_call_themselves_and_say_reads_as_it_stands() {
        let ann = PersonId::new("bluesky", "did:plc:ann").unwrap();
        assert_eq!(Profile::new(ann, "@ann\u{202e}.test\r\n\u{1b}[2J", None).handle, "ann.test[2J");
        assert_eq!(
            Message::plain(" a\r\n\tb \u{1f468}\u{200d}\u{1f469}\u{2066}\u{7} "),
            "a\nb \u{1f468}\u{200d}\u{1f469}"
        );
        assert_eq!(Message::plain(&"\u{e4}".repeat(5_000)).chars().count(), Message::TEXT_CHARS);
    }
}
