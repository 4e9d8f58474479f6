//! What is said of a video, and whether YouTube takes it.
//!
//! The first line of the text is the title, the rest is the description; the link stands at its end unless it stands
//! in it already. Tags are the video's keywords, which nobody sees; whoever wants hashtags writes them into the text.
//! Nothing is shortened or replaced: what was approved goes out, or the post is held.

use crate::domain::Content;
use crate::platform::contract::Complaint;

/// Most characters of a title, bytes of a description, and characters of all tags together.
pub const TITLE_CHARS: usize = 100;
pub const DESCRIPTION_BYTES: usize = 5_000;
pub const TAGS_CHARS: usize = 500;

/// What is said of a video.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    pub title: String,
    pub description: String,
}

pub fn words(content: &Content) -> Words {
    let text = content.text.trim();
    let (title, rest) = text.split_once('\n').unwrap_or((text, ""));
    let mut description = rest.trim_start_matches(['\n', '\r']).trim_end().to_owned();
    if let Some(link) = content.link.as_deref().filter(|link| !text.contains(link)) {
        if !description.is_empty() {
            description += "\n\n";
        }
        description += link;
    }
    Words { title: title.trim_end().to_owned(), description }
}

/// What YouTube would refuse in the words and tags.
pub fn complaints(content: &Content) -> Vec<Complaint> {
    let Words { title, description } = words(content);
    let mut complaints = Vec::new();
    let mut complain = |key: &str, reason: String, hint: &str| {
        complaints.push(Complaint::new(key, reason).with_hint(hint));
    };
    let chars = title.chars().count();
    if title.is_empty() {
        complain("text", "a video needs a title".into(), "its first line is the title, the rest the description");
    }
    if chars > TITLE_CHARS {
        let reason = format!("the first line is the title and has {chars} characters, youtube takes {TITLE_CHARS}");
        complain("text", reason, "shorten the first line, or give this account a variant");
    }
    if description.len() > DESCRIPTION_BYTES {
        let reason = format!("the description has {} bytes, youtube takes {DESCRIPTION_BYTES}", description.len());
        complain("text", reason, "shorten what comes after the first line, or give this account a variant");
    }
    if title.contains(['<', '>']) || description.contains(['<', '>']) {
        let reason = "youtube takes neither '<' nor '>' in a title or description".into();
        complain("text", reason, "write it otherwise, or give this account a variant");
    }
    let tags = tags_chars(&content.tags);
    if tags > TAGS_CHARS {
        let reason = format!("the tags count {tags} characters, youtube takes {TAGS_CHARS}");
        complain("tags", reason, "commas between them count, and two for each tag with a space");
    }
    for tag in content.tags.iter().filter(|tag| tag.trim().is_empty() || tag.contains(['<', '>'])) {
        complain("tags", format!("the tag {tag:?} is none that youtube takes"), "leave it out");
    }
    if let Some(lang) = content.lang.as_deref().filter(|lang| !is_language(lang)) {
        complain("lang", format!("{lang:?} is not a language tag"), "write it as \"en\" or \"pt-BR\"");
    }
    complaints
}

/// As YouTube counts tags: as if written one behind the other, with commas between, and quotes around spaces.
fn tags_chars(tags: &[String]) -> usize {
    let one = |tag: &String| tag.chars().count() + if tag.contains(' ') { 2 } else { 0 };
    tags.iter().map(one).sum::<usize>() + tags.len().saturating_sub(1)
}

fn is_language(lang: &str) -> bool {
    let part = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let first = lang.split('-').next().unwrap_or_default();
    (2..=3).contains(&first.len()) && first.bytes().all(|byte| byte.is_ascii_alphabetic()) && lang.split('-').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(text: &str) -> Content {
        Content { text: text.into(), ..Content::default() }
    }

    #[test]
    fn the_first_line_is_the_title() {
        let of = |text: &str, link: Option<&str>| {
            let Words { title, description } = words(&Content { link: link.map(Into::into), ..content(text) });
            (title, description)
        };
        let pair = |title: &str, description: &str| (title.to_owned(), description.to_owned());
        assert_eq!(of("A desk", None), pair("A desk", ""));
        assert_eq!(of("\nA desk \n\n  Two\nthree\n", None), pair("A desk", "  Two\nthree"));
        assert_eq!(of("A desk\r\n\r\nTwo", None), pair("A desk", "Two"));
        assert_eq!(of("A desk", Some("https://a.example")), pair("A desk", "https://a.example"));
        assert_eq!(of("A\nTwo", Some("https://a.example")), pair("A", "Two\n\nhttps://a.example"));
        assert_eq!(of("A\nat https://a.example", Some("https://a.example")), pair("A", "at https://a.example"));
    }

    #[test]
    fn what_youtube_would_refuse_is_said_beforehand() {
        let keys = |content: &Content| {
            complaints(content).into_iter().map(|complaint| complaint.key).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(keys(&content(&"ü".repeat(100))), "");
        assert_eq!(keys(&content(&"ü".repeat(101))), "text");
        assert_eq!(keys(&content(&format!("a\n{}", "ü".repeat(2500)))), "");
        assert_eq!(keys(&content(&format!("a\n{}", "ü".repeat(2501)))), "text");
        assert_eq!(keys(&content("a <b>")), "text");
        assert_eq!(keys(&content("a\n1 > 0")), "text");
        assert_eq!(keys(&content(" \n")), "text");
        let tagged = |tags: &[String]| keys(&Content { tags: tags.to_vec(), ..content("a") });
        // 100 tags of four letters and 99 commas; one more letter; two quotes around a space.
        let four: Vec<String> = (0..100).map(|tag| format!("t{tag:03}")).collect();
        assert_eq!(tagged(&four), "");
        assert_eq!(tagged(&[four.clone(), vec!["u".into()]].concat()), "tags");
        assert_eq!(tagged(&["a".repeat(248) + " b", "c".repeat(247)]), "");
        assert_eq!(tagged(&["a".repeat(248) + " b", "c".repeat(248)]), "tags");
        assert_eq!(tagged(&["<b>".into(), " ".into()]), "tags tags");
        for (lang, key) in
            [("en", ""), ("pt-BR", ""), ("zh-Hant-TW", ""), ("e", "lang"), ("en_US", "lang"), ("", "lang")]
        {
            assert_eq!(keys(&Content { lang: Some(lang.into()), ..content("a") }), key, "{lang}");
        }
    }
}
