//! What the parts of a post say on Threads, and how long that is.

use crate::domain::Content;
use crate::platform::graph::text;

/// The texts of the parts, the first one with link and hashtags.
pub fn compose(content: &Content) -> Vec<String> {
    let first = text::compose(content, attachment(content).is_some());
    std::iter::once(first).chain(content.thread.iter().map(|part| part.trim_end().to_owned())).collect()
}

/// The link that goes along as a card: posts with files have none, and a text that holds it makes its own.
pub fn attachment(content: &Content) -> Option<&str> {
    let link = content.link.as_deref().map(str::trim).filter(|link| !link.is_empty())?;
    let has_text = !content.text.trim().is_empty();
    (content.media.is_empty() && has_text && !text::holds(&content.text, link)).then_some(link)
}

/// Emoji count by their bytes. What could be one or not counts as a character, so that nothing is refused wrongly.
pub fn length(text: &str) -> usize {
    text.chars().map(|c| if matches!(c, '\u{1f000}'..='\u{1faff}') { c.len_utf8() } else { 1 }).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Digest, MediaItem};

    #[test]
    fn a_link_is_a_card_where_it_can_be() {
        let content = |text: &str| Content {
            text: text.into(),
            link: Some("https://a.example/x".into()),
            thread: vec!["more\n".into()],
            ..Content::default()
        };
        assert_eq!(
            (compose(&content("Hi")), attachment(&content("Hi"))),
            (vec!["Hi".into(), "more".into()], Some("https://a.example/x"))
        );
        let inside = content("See https://a.example/x.");
        assert_eq!((compose(&inside)[0].as_str(), attachment(&inside)), ("See https://a.example/x.", None));
        let picture = MediaItem { file: "a.png".into(), alt: String::new(), sha256: Digest::of(b""), facts: None };
        let pictured = Content { media: vec![picture], ..content("Hi") };
        assert_eq!((compose(&pictured)[0].as_str(), attachment(&pictured)), ("Hi\nhttps://a.example/x", None));
        // A link alone is a text.
        assert_eq!(compose(&content(""))[0], "https://a.example/x");
    }

    #[test]
    fn emoji_count_by_their_bytes() {
        for (text, expected) in [("abc", 3), ("äöü", 3), ("道", 1), ("🎉", 4), ("👨‍👩‍👧", 14), ("✂", 1)]
        {
            assert_eq!(length(text), expected, "{text}");
        }
    }
}
