//! What a post says where there is neither markup nor a field for tags: text, link and hashtags in one.

use crate::domain::Content;

/// The first part's text: a link that is not in it stands on a line of its own, hashtags that are not in it on another.
/// `linked`: the link goes along some other way.
pub fn compose(content: &Content, linked: bool) -> String {
    let mut text = content.text.trim_end().to_owned();
    let mut add = |line: &str| {
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(line);
    };
    if let Some(link) = content.link.as_deref().map(str::trim).filter(|link| !link.is_empty() && !linked)
        && !holds(&content.text, link)
    {
        add(link);
    }
    let tags = content.tags.iter().map(|tag| format!("#{}", tag.trim_start_matches('#')));
    let tags: Vec<String> = tags.filter(|tag| tag.len() > 1 && !holds(&content.text, tag)).collect();
    if !tags.is_empty() {
        add(&tags.join(" "));
    }
    text
}

/// Whether `text` holds a link or a hashtag as a whole word, letter case aside, with or without punctuation behind it.
pub fn holds(text: &str, word: &str) -> bool {
    let (text, word) = (text.to_lowercase(), word.to_lowercase());
    let bare = |piece: &str| piece.trim_matches(['.', ',', ';', ':', '!', '?', '(', ')', '"', '\'']).to_owned();
    text.split_whitespace().any(|piece| piece == word || bare(piece) == bare(&word))
}

/// A text as it is compared in a read-back: white space is trimmed and joined on its way.
pub fn comparable(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The hashtags in a text.
pub fn hashtags(text: &str) -> usize {
    let starts = text.char_indices().filter(|(_, c)| *c == '#').filter(|(at, _)| {
        let before =
            text[..*at].chars().next_back().is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '#' | '&' | '/'));
        before && text[at + 1..].chars().next().is_some_and(|c| c.is_alphanumeric() || c == '_')
    });
    starts.count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_and_tags_are_added_where_the_text_lacks_them() {
        let content = |text: &str, tags: &[&str]| Content {
            text: text.into(),
            link: Some("https://a.example/x".into()),
            tags: tags.iter().map(|&tag| tag.into()).collect(),
            ..Content::default()
        };
        assert_eq!(compose(&content("Hi\n", &["One", "two"]), false), "Hi\nhttps://a.example/x\n#One #two");
        assert_eq!(compose(&content("Hi", &["One"]), true), "Hi\n#One");
        assert_eq!(compose(&content("See https://a.example/x.", &[]), false), "See https://a.example/x.");
        let longer = compose(&content("https://a.example/xy", &[]), false);
        assert_eq!(longer, "https://a.example/xy\nhttps://a.example/x");
        assert_eq!(compose(&content("so #ONE, it #twos", &["one", "two"]), true), "so #ONE, it #twos\n#two");
    }

    #[test]
    fn hashtags_are_counted() {
        assert_eq!(hashtags("#a b#c #d_e (#f) # ##g &#39; https://x.example/#h"), 3);
    }
}
