//! What a post's parts say on Discord, and how long it finds them.
//!
//! Discord reads Markdown in every message. Texts go as they were written: what is a star or an underscore to their
//! author may come out as a slanted word, and escaping it would spoil links and be in the way of those who mean it.

use crate::domain::Content;
use crate::platform::contract::holds;

/// Most characters of a message …
pub const CONTENT: usize = 2000;
/// … and of a file's alt text.
pub const ALT: usize = 1024;

/// The texts of the parts. A link that is not in the first one stands on a line of its own behind it; hashtags mean
/// nothing there and are left out.
pub fn compose(content: &Content) -> Vec<String> {
    let text = content.text.trim_end();
    let link = content.link.as_deref().map(str::trim).filter(|link| !link.is_empty() && !holds(text, link));
    let first = match link {
        Some(link) if text.is_empty() => link.to_owned(),
        Some(link) => format!("{text}\n{link}"),
        None => text.to_owned(),
    };
    std::iter::once(first).chain(content.thread.iter().map(|part| part.trim_end().to_owned())).collect()
}

/// Length as Discord counts it: in code points, which is never more than in any other unit it may count.
pub fn length(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_follows_where_the_text_lacks_it_and_tags_do_not() {
        let content = |text: &str| Content {
            text: text.into(),
            link: Some("https://example.org/a".into()),
            tags: vec!["one".into()],
            thread: vec!["more\n".into()],
            ..Content::default()
        };
        assert_eq!(compose(&content("*Text*\n")), ["*Text*\nhttps://example.org/a", "more"]);
        assert_eq!(compose(&content(""))[0], "https://example.org/a");
        assert_eq!(compose(&content("See https://example.org/a."))[0], "See https://example.org/a.");
        assert_eq!(compose(&content("https://example.org/ab"))[0], "https://example.org/ab\nhttps://example.org/a");
    }
}
