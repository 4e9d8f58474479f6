//! What approval is bound to: the canonical JSON of a post, and SHA-256 over it.
//!
//! The body is the post's table as JSON by RFC 8785: everything but `approval`, with the file's `[defaults]` merged in,
//! moments in UTC, each media file with the SHA-256 of its bytes, and keys that are not there left out. `to` is a list
//! of accounts without repeats, also in a reply. Neither the layout of the TOML nor the order of its keys has a part
//! in it.
//!
//! Invariants: equal bodies have equal digests; [`Body::read`] gives back what [`Body::write`] was given.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::domain::links::holds;
use crate::domain::{
    AccountId, Content, Digest, Goal, Links, MediaItem, PostId, ReplyTo, Timestamp, Visibility, tagging,
};

/// A text that is borrowed where it can be.
pub type Words<'a> = Cow<'a, str>;

/// Everything about a post that is approved.
///
/// The fields stand in the order of their names, which is the order that RFC 8785 wants, and account ids are ASCII; so
/// writing needs no sorting.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Body<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<Words<'a>>,
    /// What a reply answers; only replies have it.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub conversation: Option<Words<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goal: Option<Goal>,
    #[serde(borrow, default)]
    pub id: Words<'a>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub lang: Option<Words<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub link: Option<Words<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub media: Option<Vec<MediaBody<'a>>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Words<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub series: Option<Words<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<Words<'a>>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Words<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<Vec<Words<'a>>>,
    #[serde(borrow, default)]
    pub to: Vec<Words<'a>>,
    /// `false`: its links are never tagged. Left out while they may be, so that digests of before stay what they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub track: Option<bool>,
    #[serde(borrow, default, skip_serializing_if = "BTreeMap::is_empty")]
    pub variant: BTreeMap<Words<'a>, VariantBody<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visibility: Option<Visibility>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<Words<'a>>,
}

/// What differs for one account.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct VariantBody<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub link: Option<Words<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub media: Option<Vec<MediaBody<'a>>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<Words<'a>>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Words<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub thread: Option<Vec<Words<'a>>>,
}

/// One media file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MediaBody<'a> {
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub alt: Option<Words<'a>>,
    #[serde(borrow, default)]
    pub file: Words<'a>,
    /// 64 hexadecimal digits; absent only while the file is missing.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Words<'a>>,
}

impl<'a> Body<'a> {
    /// The canonical JSON.
    pub fn write(&self) -> String {
        serde_json::to_string(self).expect("a body is made of texts, whole numbers and moments only")
    }

    /// Reads canonical JSON. Of a body that we did not make, as much as can be understood: what is left is empty.
    pub fn read(body: &'a str) -> Self {
        serde_json::from_str(body).unwrap_or_default()
    }

    /// What `account` would publish: its variant over the post.
    pub fn content(&self, account: &AccountId) -> Content {
        let none = VariantBody::default();
        let own = self.variant.get(account.as_str()).unwrap_or(&none);
        let media = own.media.as_ref().or(self.media.as_ref());
        let answered = self.reply_to.as_ref().or(self.conversation.as_ref());
        Content {
            text: own.text.as_ref().or(self.text.as_ref()).map(owned).unwrap_or_default(),
            link: own.link.as_ref().or(self.link.as_ref()).map(owned),
            lang: self.lang.as_ref().map(owned),
            tags: all(own.tags.as_ref().or(self.tags.as_ref())),
            media: media.map(|media| media.iter().map(MediaBody::item).collect()).unwrap_or_default(),
            thread: all(own.thread.as_ref().or(self.thread.as_ref())),
            reply_to: answered.map(|answered| match PostId::new(answered) {
                Ok(id) if self.conversation.is_none() => ReplyTo::Ours(id),
                _ => ReplyTo::Theirs(answered.clone().into_owned()),
            }),
            visibility: self.visibility.unwrap_or_default(),
            warning: self.warning.as_ref().map(owned),
        }
    }
}

impl Body<'_> {
    /// The link that `account` publishes, with tags; `None` where it goes out as it is. A link that stands in the text goes
    /// out in the text, and no second time beside it.
    pub fn tagged_link(&self, account: &AccountId, links: &Links, platform: &str) -> Option<String> {
        if !links.tag || self.track == Some(false) {
            return None;
        }
        let variant = self.variant.get(account.as_str());
        let own = variant.and_then(|variant| variant.link.as_ref());
        let text = variant.and_then(|variant| variant.text.as_ref()).or(self.text.as_ref());
        let link = own.or(self.link.as_ref())?;
        if text.is_some_and(|text| holds(text, link)) {
            return None;
        }
        let campaign = links.campaign.as_deref().or(self.series.as_deref()).or(self.audience.as_deref());
        let origin = tagging::Origin {
            source: links.source.as_deref().unwrap_or(platform),
            medium: &links.medium,
            campaign,
            post: &self.id,
        };
        tagging::tagged(link, &origin)
    }
}

impl MediaBody<'_> {
    fn item(&self) -> MediaItem {
        let sha256 = self.sha256.as_deref().and_then(|hex| Digest::from_hex(hex).ok());
        MediaItem {
            file: owned(&self.file),
            alt: self.alt.as_ref().map(owned).unwrap_or_default(),
            // No bytes have this digest, so nothing is ever sent for a file that was missing.
            sha256: sha256.unwrap_or(Digest([0; 32])),
            facts: None,
        }
    }
}

fn owned(words: &Words<'_>) -> String {
    words.clone().into_owned()
}

fn all(list: Option<&Vec<Words<'_>>>) -> Vec<String> {
    list.map(|list| list.iter().map(owned).collect()).unwrap_or_default()
}

/// What approval is bound to.
pub fn digest(body: &str) -> Digest {
    Digest::of(body.as_bytes())
}

/// What `account` would publish of the post with this body.
pub fn content(body: &str, account: &AccountId) -> Content {
    Body::read(body).content(account)
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    fn words() -> impl Strategy<Value = Words<'static>> {
        prop_oneof!["\\PC{0,12}", "[a-z\"\\\\/\n\t\u{7f}\u{1}é😀]{0,12}"].prop_map(Cow::Owned)
    }

    fn list() -> impl Strategy<Value = Option<Vec<Words<'static>>>> {
        proptest::option::of(proptest::collection::vec(words(), 0..3))
    }

    fn media() -> impl Strategy<Value = Option<Vec<MediaBody<'static>>>> {
        let one = (proptest::option::of(words()), words(), proptest::option::of(any::<[u8; 32]>()));
        let one = one.prop_map(|(alt, file, sha)| MediaBody { alt, file, sha256: sha.map(|b| Digest(b).hex().into()) });
        proptest::option::of(proptest::collection::vec(one, 0..3))
    }

    prop_compose! {
        fn variant()(link in proptest::option::of(words()), media in media(), tags in list(), thread in list(),
                     text in proptest::option::of(words())) -> VariantBody<'static> {
            VariantBody { link, media, tags, text, thread }
        }
    }

    prop_compose! {
        fn body()(at in proptest::option::of(-10_000_000_000_000i64..200_000_000_000_000), priority in any::<Option<i32>>(),
                  (media, tags, thread) in (media(), list(), list()), texts in proptest::collection::vec(proptest::option::of(words()), 9),
                  id in words(), to in proptest::collection::vec(words(), 0..3),
                  variant in proptest::collection::btree_map("[a-z0-9._-]{1,8}".prop_map(Cow::Owned), variant(), 0..3)) -> Body<'static> {
            let mut texts = texts.into_iter();
            let mut next = || texts.next().flatten();
            Body {
                at: at.map(|at| Timestamp::from_millisecond(at).unwrap()),
                audience: next(), conversation: next(), expires: None, goal: Some(Goal::Change), id, lang: next(),
                link: next(), media, not_before: None, priority, reply_to: next(), series: next(), tags, text: next(),
                thread, to, track: priority.map(|number| number > 0), variant, visibility: Some(Visibility::Unlisted), warning: next(),
            }
        }
    }

    proptest! {
        #[test]
        fn a_body_is_canonical_json_and_reads_back(body in body()) {
            let written = body.write();
            prop_assert_eq!(&serde_json_canonicalizer::to_string(&body).unwrap(), &written);
            prop_assert_eq!(Body::read(&written), body);
        }

        #[test]
        fn a_foreign_body_gives_some_content(text in "\\PC{0,60}") {
            content(&text, &AccountId::new("a").unwrap());
        }
    }

    #[test]
    fn a_variant_replaces_what_it_names_and_nothing_else() {
        let body = r#"{"goal":"change","id":"p","lang":"en","link":"https://a.example","tags":["x"],"text":"all","thread":["b"],"to":["a"],"variant":{"a":{"tags":[],"text":"for a"}}}"#;
        let ours = content(body, &AccountId::new("a").unwrap());
        let other = content(body, &AccountId::new("b").unwrap());
        assert_eq!((ours.text.as_str(), ours.tags.len(), ours.thread.len()), ("for a", 0, 1));
        assert_eq!(
            (other.text.as_str(), other.tags.len(), other.link.as_deref()),
            ("all", 1, Some("https://a.example"))
        );
    }

    #[test]
    fn a_link_is_tagged_with_where_it_is_published() {
        let links = Links { tag: true, ..Links::default() };
        let of = |body: &str, links: &Links| {
            Body::read(body).tagged_link(&AccountId::new("a").unwrap(), links, "mastodon").unwrap_or_default()
        };
        let plain = r#"{"audience":"founders","id":"p","link":"https://a.example/"}"#;
        let tags = "utm_source=mastodon&utm_medium=social&utm_campaign=founders&utm_content=p";
        assert_eq!(of(plain, &links), format!("https://a.example/?{tags}"));
        let own = r#"{"audience":"founders","id":"p","link":"https://a.example/","series":"desk","variant":{"a":{"link":"https://b.example/?x=1"}}}"#;
        let said = Links { source: Some("us".into()), medium: "post".into(), ..links.clone() };
        let tags = "utm_source=us&utm_medium=post&utm_campaign=desk&utm_content=p";
        assert_eq!(of(own, &said), format!("https://b.example/?x=1&{tags}"));
        let said = Links { campaign: Some("spring".into()), ..links.clone() };
        assert!(of(own, &said).contains("utm_campaign=spring&"));
        for (body, links) in [
            (plain, &Links::default()),
            (r#"{"audience":"founders","id":"p","link":"https://a.example/","track":false}"#, &links),
            (r#"{"audience":"founders","id":"p"}"#, &links),
        ] {
            assert_eq!(of(body, links), "", "{body}");
        }
    }

    #[test]
    fn an_answer_is_ours_by_id_and_theirs_by_address() {
        let of = |body: &str| content(body, &AccountId::new("a").unwrap()).reply_to.unwrap();
        assert_eq!(of(r#"{"reply_to":"p1"}"#), ReplyTo::Ours(PostId::new("p1").unwrap()));
        assert_eq!(of(r#"{"reply_to":"at://did/x"}"#), ReplyTo::Theirs("at://did/x".into()));
        assert_eq!(of(r#"{"conversation":"https://a.example/1"}"#), ReplyTo::Theirs("https://a.example/1".into()));
    }

    #[test]
    fn the_digest_of_a_kept_body_does_not_change() {
        let body = Body {
            id: "p".into(),
            to: vec!["a".into()],
            text: Some("é\n\"\u{1}".into()),
            at: Some("2026-12-01T08:00:00Z".parse().unwrap()),
            priority: Some(-3),
            ..Body::default()
        };
        let written = body.write();
        assert_eq!(
            written,
            "{\"at\":\"2026-12-01T08:00:00Z\",\"id\":\"p\",\"priority\":-3,\"text\":\"é\\n\\\"\\u0001\",\"to\":[\"a\"]}"
        );
        assert_eq!(
            digest(&written).to_string(),
            "sha256:876e2eeaeed9760063a34990b919b404997b0397cefcbd9909e05d5ce487bb08"
        );
    }
}
