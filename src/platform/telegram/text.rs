//! What a post's parts say on Telegram, and how long it finds them.
//!
//! Texts go as they are, without a parse mode, so nothing in them has to be escaped and nothing changes its meaning.
//! Telegram itself finds links, hashtags and names.

use crate::domain::Content;
use crate::platform::contract::holds;

/// Most characters of a message's text …
pub const TEXT: usize = 4096;
/// … and of what stands below media.
pub const CAPTION: usize = 1024;

/// The texts of the parts: a link that is not in the first one stands on a line of its own behind it, hashtags that
/// are not in it on another.
pub fn compose(content: &Content) -> Vec<String> {
    let mut first = vec![content.text.trim_end().to_owned()];
    let link = content.link.as_deref().map(str::trim).filter(|link| !link.is_empty());
    first.extend(link.filter(|link| !holds(&content.text, link)).map(Into::into));
    let tags = content.tags.iter().map(|tag| format!("#{}", tag.trim_start_matches('#')));
    let tags: Vec<String> = tags.filter(|tag| tag.len() > 1 && !holds(&content.text, tag)).collect();
    first.push(tags.join(" "));
    first.retain(|line| !line.is_empty());
    let rest = content.thread.iter().map(|part| part.trim_end().to_owned());
    std::iter::once(first.join("\n")).chain(rest).collect()
}

/// Length in characters, of which Telegram speaks. Should it mean units of UTF-16, of which its entities speak, then it
/// refuses what is too long: what it might take is not held here.
pub fn chars(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_and_tags_follow_where_the_text_lacks_them() {
        let content = |text: &str| Content {
            text: text.into(),
            link: Some("https://example.org/a".into()),
            tags: vec!["one".into(), "#two".into()],
            thread: vec!["more\n".into()],
            ..Content::default()
        };
        assert_eq!(compose(&content("Text\n")), ["Text\nhttps://example.org/a\n#one #two", "more"]);
        assert_eq!(compose(&content("")), ["https://example.org/a\n#one #two", "more"]);
        let text = "See https://example.org/a, #one and #Two.";
        assert_eq!(compose(&content(text))[0], text);
        assert_eq!(compose(&content("https://example.org/abc"))[0].lines().count(), 3, "another link is another link");
    }

    #[test]
    fn length_is_in_characters() {
        assert_eq!((chars("a"), chars("\u{e4}"), chars("\u{1f600}")), (1, 1, 1));
    }
}
