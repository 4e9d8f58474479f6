//! Where the answers to a sweep hold what, and what they are called.

use serde_json::Value;

use crate::domain::{Interaction, Timestamp};
use crate::platform::bluesky::syntax::{self, PostAddress};
use crate::platform::bluesky::wire::Trouble;
use crate::platform::contract::sweeping::Page;

/// What is asked of notifications.
pub(super) const REASONS: &[&str] = &["mention", "reply", "quote"];

pub(super) const COUNTS: &[(Interaction, &str)] = &[
    (Interaction::Like, "likeCount"),
    (Interaction::Repost, "repostCount"),
    (Interaction::Quote, "quoteCount"),
    (Interaction::Reply, "replyCount"),
    (Interaction::Save, "bookmarkCount"),
];

/// The call that tells a list, and where it stands in the answer.
pub(super) fn list_of(kind: Interaction) -> (&'static str, &'static str) {
    match kind {
        Interaction::Like => ("app.bsky.feed.getLikes", "likes"),
        Interaction::Repost => ("app.bsky.feed.getRepostedBy", "repostedBy"),
        _ => ("app.bsky.feed.getQuotes", "posts"),
    }
}

pub(super) fn next_page(value: &Value) -> Page {
    let cursor = value["cursor"].as_str().filter(|cursor| !cursor.is_empty() && cursor.len() <= 1_000);
    cursor.map_or(Page::Last, |cursor| Page::Next(cursor.to_owned()))
}

/// Whose a post is, by its address.
pub(super) fn author(uri: &str) -> Option<String> {
    let at = PostAddress::parse(uri)?;
    (uri.starts_with("at://") && syntax::is_did(&at.repo)).then_some(at.repo)
}

pub(super) fn moment(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

/// A place in a conversation where nobody can be seen: deleted, or blocked.
pub(super) fn is_hidden(node: &Value) -> bool {
    node["notFound"] == true || node["blocked"] == true
}

pub(super) fn is_missing(trouble: &Trouble) -> bool {
    match trouble {
        Trouble::Refused { name, why } => {
            matches!(name.as_str(), "NotFound" | "RecordNotFound") || why.contains("Could not locate record")
        }
        _ => false,
    }
}

pub(super) fn unreadable(what: &str) -> Trouble {
    Trouble::Unknown { after: None, why: format!("the reply does not hold {what}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_address_of_a_post_by_did_names_its_author() {
        let table = [
            ("at://did:plc:abc/app.bsky.feed.post/3l", Some("did:plc:abc")),
            ("at://fan.test/app.bsky.feed.post/3l", None),
            ("https://bsky.app/profile/did:plc:abc/post/3l", None),
            ("at://did:plc:abc/app.bsky.feed.like/3l", None),
        ];
        for (uri, expected) in table {
            assert_eq!(author(uri).as_deref(), expected, "{uri}");
        }
    }
}
