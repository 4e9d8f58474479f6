//! What a post says, how long it may be, and when two texts are the same.
//!
//! Facebook takes plain text: no markup, nothing to escape, line breaks stay. Nothing here knows of HTTP.

use crate::domain::Content;

/// Most characters of a post. The reference names no number; this one is what publishing tools have found, and stable
/// for years. Code points are counted: where Facebook counts more for some, its own refusal decides.
pub const MOST: usize = 63_206;

/// What is said as text: the post's own words, then the link where no card shows it, then the hashtags.
///
/// This is composition 1: a read-back compares with it.
pub fn message(content: &Content) -> String {
    let mut text = content.text.trim_end().to_owned();
    if let Some(link) = link(content).filter(|_| !content.media.is_empty())
        && !text.contains(link)
    {
        add_line(&mut text, link);
    }
    let said: Vec<String> = words(&text).map(str::to_lowercase).collect();
    let tags: Vec<String> = content.tags.iter().map(|tag| format!("#{}", tag.trim().trim_start_matches('#'))).collect();
    let missing = |tag: &&String| tag.len() > 1 && !said.contains(&tag.to_lowercase());
    let missing: Vec<&str> = tags.iter().filter(missing).map(String::as_str).collect();
    if !missing.is_empty() {
        add_line(&mut text, &missing.join(" "));
    }
    text
}

/// The link that becomes a card. A post with photos or a video shows no card, so there it stands in the text.
pub fn card(content: &Content) -> Option<&str> {
    link(content).filter(|_| content.media.is_empty())
}

fn link(content: &Content) -> Option<&str> {
    content.link.as_deref().map(str::trim).filter(|link| !link.is_empty())
}

fn add_line(text: &mut String, line: &str) {
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(line);
}

/// The words of a text, without the punctuation behind them.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace().map(|word| word.trim_end_matches(['.', ',', ';', ':', '!', '?', ')', ']', '"', '\'']))
}

/// A text for comparing: line ends alike, without the white space that servers drop.
pub fn comparable(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.join("\n").trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Digest, MediaItem};

    #[test]
    fn a_link_is_a_card_or_a_line_and_tags_are_said_once() {
        let item = MediaItem { file: "a.png".into(), alt: String::new(), sha256: Digest::of(b""), facts: None };
        let alone = Content {
            text: "We moved. #Desk, at last\n".into(),
            link: Some("https://example.org/a".into()),
            tags: vec!["desk".into(), "#work".into(), "#".into()],
            ..Content::default()
        };
        assert_eq!(message(&alone), "We moved. #Desk, at last\n#work");
        assert_eq!(card(&alone), Some("https://example.org/a"));
        let pictured = Content { media: vec![item.clone()], ..alone.clone() };
        assert_eq!(message(&pictured), "We moved. #Desk, at last\nhttps://example.org/a\n#work");
        assert_eq!(card(&pictured), None);
        let named = Content { text: "See https://example.org/a".into(), tags: Vec::new(), ..pictured };
        assert_eq!(message(&named), "See https://example.org/a");
        let bare = Content { media: vec![item], tags: vec!["desk".into()], ..Content::default() };
        assert_eq!(message(&bare), "#desk");
    }

    #[test]
    fn line_ends_and_space_at_the_edges_make_no_difference() {
        assert_eq!(comparable("a \r\nb\n\n"), comparable("a\nb"));
        assert_ne!(comparable("a\n\nb"), comparable("a\nb"));
    }
}
