//! Drafts as queue files.
//!
//! What somebody else wrote cannot leave the text it is put into: everything is quoted, comments stay on their line, and
//! characters that nobody sees are written as escapes. Each entry is read again, by the same code that reads the queue,
//! before it is taken.

use std::fmt::Write as _;
use std::sync::Arc;

use jiff::tz::TimeZone;
use sha2::{Digest as _, Sha256};

use super::Found;
use crate::cli::new::string;
use crate::domain::escape::{escape, is_unsafe};
use crate::domain::policy::ApprovalMode;
use crate::domain::{AccountId, Digest, FoundMedia, PostId, Timestamp, limits};
use crate::engage::outcomes::Wrong;
use crate::queue::parse::{self, Surroundings, VISIBILITIES};

/// Longest comment about a post, in characters.
const NOTE_CHARS: usize = 500;
/// Media of one post that are told.
const MEDIA_TOLD: usize = 20;
/// Room for the approval of a post, which is written into its file: a file that is full could never be approved. What is
/// not the name of who approves takes 150 bytes.
const APPROVAL_BYTES: usize = 512;

/// What holds for all posts of a file.
pub struct Head {
    text: String,
}

impl Head {
    /// # Errors
    /// The audience cannot be one.
    pub fn new(to: &[AccountId], audience: &str, goal: &str) -> Result<Self, String> {
        let list: Vec<String> = to.iter().map(|account| string(account.as_str())).collect();
        let text = format!(
            "[defaults]\nto = [{}]\naudience = {}\ngoal = {}\n",
            list.join(", "),
            string(audience),
            string(goal)
        );
        let head = Self { text };
        head.proven("\n[[post]]\nid = \"x\"\ntext = \"x\"\n").map(|()| head)
    }

    /// Whether a file may hold entries of so many bytes and one more, with the approvals of all of them.
    fn has_room(&self, entries: usize, more: usize, posts: usize) -> bool {
        (self.text.len() + entries + more + posts * APPROVAL_BYTES) as u64 <= limits::FILE_BYTES
    }

    /// Whether an entry is one post, below this head.
    ///
    /// # Errors
    /// Why it is none.
    fn proven(&self, entry: &str) -> Result<(), String> {
        let text = format!("{}{entry}", self.text);
        let mut media = |_: &str| Ok(FoundMedia::from(Digest::of(b"")));
        let mut around = Surroundings { approval: ApprovalMode::Digest, accounts: None, media: &mut media };
        let reading = parse::read(&"draft.toml".into(), text.as_bytes(), &mut around);
        match reading.posts {
            Some(posts) if posts.len() == 1 => Ok(()),
            _ => Err(reading.faults.into_iter().next().map_or("it is no post".into(), |fault| fault.reason)),
        }
    }
}

/// The name of a post, which the same post has each time.
///
/// # Errors
/// `kind` is no beginning of a name.
pub fn id(kind: &str, found: &Found) -> Result<PostId, crate::domain::IdError> {
    let digest = Sha256::digest(format!("{kind}\u{1f}{}", found.key).as_bytes());
    let digits: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    PostId::new(&format!("{kind}-{digits}"))
}

/// The entry of a post.
///
/// # Errors
/// What it lacks, or what cannot stand in a queue file.
pub fn entry(head: &Head, id: &PostId, found: &Found, zone: &TimeZone, now: Timestamp) -> Result<String, Wrong> {
    let mut dropped = 0;
    let mut said = |text: &str| {
        let (text, count) = clean(text);
        dropped += count;
        text
    };
    let text = said(&found.text);
    if text.is_empty() {
        let why = if found.media.is_empty() { "it has no text" } else { "it has media only, and no text" };
        return Err(Wrong::new(why).with_hint("cadenced new begins a post that media can be put into"));
    }
    let thread: Vec<String> = found.thread.iter().map(|part| said(part)).filter(|part| !part.is_empty()).collect();
    let warning = found.warning.as_deref().map(said).filter(|text| !text.is_empty());
    let mut page = format!("\n[[post]]\nid = {}\n", string(id.as_str()));
    let mut note = |text: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(page, "# {}", short(text).trim_end());
    };
    found.notes.iter().for_each(|text| note(text));
    if let Some(published) = &found.published {
        note(&format!("published {published}"));
    }
    let written = |at: Timestamp| at.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
    let (past_at, past_day) = (found.at.filter(|at| *at <= now), found.not_before.filter(|from| *from <= now));
    if let Some(at) = past_at {
        note(&format!("was planned for {}, which is over", written(at)));
    }
    if let Some(day) = past_day {
        note(&format!("was planned for {}", day.to_zoned(zone.clone()).date()));
    }
    if dropped > 0 {
        note(&format!("{dropped} control characters were left out of its text"));
    }
    let lang = found.lang.as_deref().filter(|lang| head.proven(&format!("{SAMPLE}lang = {}\n", string(lang))).is_ok());
    if let (None, Some(lang)) = (lang, &found.lang) {
        note(&format!("its language is told as {lang}"));
    }
    // What stands in the text is not said twice.
    let words = text.to_lowercase();
    let (tags, odd): (Vec<&String>, Vec<&String>) = found
        .tags
        .iter()
        .filter(|tag| !tag.is_empty() && !is_tagged(&words, &tag.to_lowercase()))
        .partition(|tag| !tag.contains(|c: char| c.is_whitespace() || is_unsafe(c)) && !tag.starts_with('#'));
    for tag in odd {
        note(&format!("tag: {tag}"));
    }
    // Above the text: an approval is put behind all that is said, and what is uncommented there would be of its table.
    page += &media(id, found);
    let _ = writeln!(page, "text = {}", long(&text));
    let mut line = |key: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = writeln!(page, "{key} = {value}");
        }
    };
    line(
        "thread",
        (!thread.is_empty())
            .then(|| format!("[\n{}]", thread.iter().map(|part| long(part) + ",\n").collect::<String>())),
    );
    line("link", found.link.as_deref().map(string));
    line("lang", lang.map(string));
    let list: Vec<String> = tags.into_iter().map(|tag| string(tag)).collect();
    line("tags", (!list.is_empty()).then(|| format!("[{}]", list.join(", "))));
    let visibility = VISIBILITIES.iter().find(|(_, known)| Some(*known) == found.visibility);
    line("visibility", visibility.map(|(name, _)| string(name)));
    line("warning", warning.as_deref().map(long));
    line("at", found.at.filter(|_| past_at.is_none()).map(written));
    line("not_before", found.not_before.filter(|_| past_day.is_none()).map(written));
    if !head.has_room(0, page.len(), 1) {
        return Err(Wrong::new("it is larger than a queue file may be"));
    }
    head.proven(&page).map(|()| page).map_err(Wrong::new)
}

/// Whether a text in small letters holds a tag, and not only one that begins like it.
fn is_tagged(text: &str, tag: &str) -> bool {
    let mut rest = text.split('#').skip(1).filter_map(|word| word.strip_prefix(tag));
    rest.any(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
}

/// The beginning of a post that lacks nothing.
const SAMPLE: &str = "\n[[post]]\nid = \"x\"\ntext = \"x\"\n";

/// Where the media of a post are, and what to write once they are here.
fn media(id: &PostId, found: &Found) -> String {
    let mut page = String::new();
    let mut items = Vec::new();
    for (number, medium) in found.media.iter().take(MEDIA_TOLD).enumerate() {
        let path = medium.address.split(['?', '#']).next().unwrap_or_default();
        let ending = path.rsplit('/').next().and_then(|name| name.rsplit_once('.')).map_or("", |(_, ending)| ending);
        let fit = (1..=5).contains(&ending.len()) && ending.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let ending = if fit { format!(".{}", ending.to_ascii_lowercase()) } else { String::new() };
        let file = format!("media/{id}-{}{ending}", number + 1);
        let _ = writeln!(page, "# put {} into {file}", short(&medium.address));
        items.push(format!("{{ file = {}, alt = {} }}", string(&file), string(clean(&medium.alt).0.trim())));
    }
    if !items.is_empty() {
        let _ = writeln!(page, "# media = [{}]", items.join(", "));
    }
    for (part, medium) in found.apart.iter().take(MEDIA_TOLD) {
        let alt = string(&short(&medium.alt));
        let _ = writeln!(page, "# with part {part} went {}, alt = {alt}", short(&medium.address));
    }
    let more =
        [found.media.len(), found.apart.len()].map(|count| count.saturating_sub(MEDIA_TOLD)).iter().sum::<usize>();
    if more > 0 {
        let _ = writeln!(page, "# and {more} more media");
    }
    page
}

/// A text as a comment has it.
fn short(text: &str) -> String {
    escape(text).chars().take(NOTE_CHARS).collect()
}

/// A file that is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    pub text: String,
    pub posts: usize,
}

/// Entries as files: none holds more than a queue file may, also when all of it is approved.
pub fn files(head: &Head, entries: Vec<String>) -> Vec<Made> {
    let mut files: Vec<Made> = Vec::new();
    for entry in entries {
        let fits = |made: &Made| {
            let text = made.text.len() - head.text.len();
            made.posts < limits::POSTS_PER_FILE && head.has_room(text, entry.len(), made.posts + 1)
        };
        match files.last_mut().filter(|last| fits(last)) {
            Some(made) => {
                made.text.push_str(&entry);
                made.posts += 1;
            }
            None => files.push(Made { text: format!("{}{entry}", head.text), posts: 1 }),
        }
    }
    files
}

/// Whether a file holds as many posts as were put into it, none of them approved.
pub fn is_sound(file: &Arc<str>, made: &Made, approval: ApprovalMode) -> bool {
    let mut media = |_: &str| Ok(FoundMedia::from(Digest::of(b"")));
    let mut around = Surroundings { approval, accounts: None, media: &mut media };
    let posts = parse::read(file, made.text.as_bytes(), &mut around).posts.unwrap_or_default();
    posts.len() == made.posts && posts.iter().all(|post| post.approval == crate::queue::Approval::NotApproved)
}

/// Lines ended as everywhere, without the control characters that a queue file refuses, and how many of these there were.
fn clean(text: &str) -> (String, usize) {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let refused = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    let count = text.chars().filter(|c| refused(*c)).count();
    let text: String = text.chars().filter(|c| !refused(*c)).collect();
    (text.trim().to_owned(), count)
}

/// A text as TOML: on one line, or on its own lines between three quotes.
fn long(text: &str) -> String {
    if !text.contains('\n') {
        return string(text);
    }
    let mut out = String::from("\"\"\"\n");
    let mut quotes = 0;
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        quotes = if c == '"' { quotes + 1 } else { 0 };
        match c {
            // Three in a row would end it, and so would the last.
            '"' if quotes % 3 == 0 || rest.peek().is_none() => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' | '\t' => out.push(c),
            c if is_unsafe(c) => {
                let _ = write!(out, "\\U{:08X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out + "\"\"\""
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use proptest::prelude::*;

    use super::super::Medium;
    use super::*;
    use crate::domain::Visibility;
    use crate::queue::digest::Body;

    fn head() -> Head {
        Head::new(&[AccountId::new("fedi").unwrap()], "friends of \"desks\"", "connection").unwrap()
    }

    fn written(found: &Found) -> Result<String, Wrong> {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        entry(&head(), &id("buffer", found).unwrap(), found, &zone, "2026-11-27T12:00:00Z".parse().unwrap())
    }

    #[test]
    fn a_draft_says_all_that_is_known_of_it() {
        let found = Found {
            key: "k".into(),
            text: "A desk\r\nwith \"\"\"two\"\"\" screens \\ #work\u{202e}".into(),
            thread: vec!["second".into(), " ".into()],
            link: Some("https://a.example/x".into()),
            lang: Some("de".into()),
            tags: vec!["Work".into(), "desk".into(), "wor".into(), "two words".into()],
            visibility: Some(Visibility::Unlisted),
            warning: Some("long".into()),
            at: Some("2026-12-01T08:00:00Z".parse().unwrap()),
            published: Some("2020".into()),
            media: vec![Medium { address: "https://i.example/a.PNG?x".into(), alt: "a\n\"b\"".into() }],
            apart: vec![(2, Medium { address: "/2\n".into(), alt: "\"c\"".into() })],
            notes: vec!["one\n[[post]]".into()],
            ..Found::default()
        };
        assert_snapshot!(written(&found).unwrap(), @r##"
        [[post]]
        id = "buffer-b2d0de49b329ccd4"
        # one\n[[post]]
        # published 2020
        # tag: two words
        # put https://i.example/a.PNG?x into media/buffer-b2d0de49b329ccd4-1.png
        # media = [{ file = "media/buffer-b2d0de49b329ccd4-1.png", alt = "a\n\"b\"" }]
        # with part 2 went /2\n, alt = "\"c\""
        text = """
        A desk
        with ""\"two""\" screens \\ #work\U0000202E"""
        thread = [
        "second",
        ]
        link = "https://a.example/x"
        lang = "de"
        tags = ["desk", "wor"]
        visibility = "unlisted"
        warning = "long"
        at = 2026-12-01T09:00:00+01:00
        "##);
        let past = Found {
            at: Some("2026-11-27T12:00:00Z".parse().unwrap()),
            text: "x\0y".into(),
            lang: Some("??".into()),
            ..Found::default()
        };
        assert_snapshot!(written(&past).unwrap(), @r#"
        [[post]]
        id = "buffer-d408756b0c472769"
        # was planned for 2026-11-27T13:00:00+01:00, which is over
        # 1 control characters were left out of its text
        # its language is told as ??
        text = "xy"
        "#);
    }

    #[test]
    fn what_can_be_no_post_is_refused() {
        let media = vec![Medium::default()];
        for (found, why) in [
            (Found::default(), "it has no text"),
            (Found { text: "\0\u{1b}".into(), ..Found::default() }, "it has no text"),
            (Found { media, ..Found::default() }, "it has media only, and no text"),
            (
                Found { text: "x".repeat(limits::TEXT_BYTES + 1), ..Found::default() },
                "\"text\" is longer than 65536 bytes",
            ),
        ] {
            assert_eq!(written(&found).unwrap_err().reason, why);
        }
        for audience in ["", "a\nb", "\u{202e}"] {
            assert!(Head::new(&[AccountId::new("a").unwrap()], audience, "change").is_err(), "{audience:?}");
        }
    }

    #[test]
    fn a_day_and_what_is_over_are_told_as_they_are() {
        let at = |text: &str| Some(text.parse().unwrap());
        let found = Found { text: "x".into(), not_before: at("2026-11-30T23:00:00Z"), ..Found::default() };
        assert!(written(&found).unwrap().ends_with("text = \"x\"\nnot_before = 2026-12-01T00:00:00+01:00\n"));
        let found = Found { text: "x".into(), not_before: at("2026-11-26T23:00:00Z"), ..Found::default() };
        assert!(written(&found).unwrap().ends_with("# was planned for 2026-11-27\ntext = \"x\"\n"));
    }

    #[test]
    fn comments_are_of_a_size() {
        let medium = Medium { address: "y".repeat(NOTE_CHARS + 1), alt: "y".repeat(NOTE_CHARS + 1) };
        let media = vec![medium; MEDIA_TOLD + 1];
        let apart = media.iter().map(|medium| (2, medium.clone())).collect();
        let found =
            Found { text: "x".into(), notes: vec!["y".repeat(NOTE_CHARS + 1)], media, apart, ..Found::default() };
        let text = written(&found).unwrap();
        assert!(text.contains(&format!(
            "\n# {}\n# put {} into media/",
            "y".repeat(NOTE_CHARS),
            "y".repeat(NOTE_CHARS)
        )));
        assert!(text.contains("\n# and 2 more media\n"), "{text}");
        assert_eq!(
            (text.matches("# put y").count(), text.matches("# with part 2 went y").count()),
            (MEDIA_TOLD, MEDIA_TOLD)
        );
        assert!(text.matches('y').count() <= NOTE_CHARS + MEDIA_TOLD * (4 * NOTE_CHARS + 1));
    }

    #[test]
    fn no_file_is_larger_than_one_may_be_also_when_it_is_approved() {
        let short: Vec<String> = (0..4_001).map(|n| format!("\n[[post]]\nid = \"p{n}\"\ntext = \"x\"\n")).collect();
        let made = files(&head(), short);
        assert!(made.len() == 3 && made.iter().map(|made| made.posts).sum::<usize>() == 4_001, "{}", made.len());
        let ids = (0..made[0].posts).map(|n| (PostId::new(&format!("p{n}")).unwrap(), Digest::of(b""))).collect();
        let by = "y".repeat(300);
        let approved = crate::queue::approval::approve(&made[0].text, &ids, &by, Timestamp::UNIX_EPOCH).unwrap();
        assert!(approved.len() as u64 <= limits::FILE_BYTES, "{}", approved.len());
        let long: Vec<String> =
            (0..40).map(|n| format!("\n[[post]]\nid = \"p{n}\"\ntext = \"{}\"\n", "x".repeat(60_000))).collect();
        let mut made = files(&head(), long);
        assert_eq!(made.iter().map(|made| made.posts).collect::<Vec<_>>(), [17, 17, 6]);
        assert!(made.iter().all(|made| is_sound(&"a.toml".into(), made, ApprovalMode::Digest)));
        made[0].posts += 1;
        assert!(!is_sound(&"a.toml".into(), &made[0], ApprovalMode::Digest));
        assert!(files(&head(), Vec::new()).is_empty());
        let thread = vec!["x".repeat(limits::TEXT_BYTES); 16];
        let found = Found { text: "x".into(), thread, ..Found::default() };
        assert_eq!(written(&found).unwrap_err().reason, "it is larger than a queue file may be");
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_as_it_was(
            text in "(\"|\\\\|\n|\r|\t|\\[\\[post\\]\\]|'''|\\PC|\u{202e}|\0|#|x){1,40}",
            note in "(\n|\r|\"|\u{2028}|\\PC|\0){0,20}",
        ) {
            let medium = Medium { address: note.clone(), alt: text.clone() };
            let found = Found {
                text: text.clone(), thread: vec![text.clone()], warning: Some(text.clone()), tags: vec![note.clone()],
                lang: Some(note.clone()), published: Some(note.clone()), notes: vec![note], media: vec![medium],
                ..Found::default()
            };
            let (meant, _) = clean(&text);
            match written(&found) {
                Err(wrong) => prop_assert!(meant.is_empty(), "{wrong:?}"),
                Ok(entry) => {
                    let mut media = |_: &str| Ok(FoundMedia::from(Digest::of(b"")));
                    let mut around = Surroundings { approval: ApprovalMode::Digest, accounts: None, media: &mut media };
                    let file = format!("{}{entry}", head().text);
                    let posts = parse::read(&"a.toml".into(), file.as_bytes(), &mut around).posts.unwrap_or_default();
                    prop_assert_eq!(posts.len(), 1);
                    let written = posts[0].body.read();
                    let body = Body::read(&written);
                    prop_assert_eq!(body.text.as_deref(), Some(meant.as_str()));
                    prop_assert_eq!(body.thread.unwrap_or_default(), vec![meant]);
                    prop_assert!(body.media.is_none());
                }
            }
        }
    }
}
