//! `cadenced import --from`: what somebody posted or planned elsewhere, made into drafts of ours.
//!
//! A reader for each kind of file gives [`Found`] posts; [`page`] writes them as entries of queue files, without an
//! approval, so that nothing is published before a person has looked at it. Every post has a name that follows from where
//! it came from, so that a file which is read twice adds nothing the second time. What cannot be said in a queue file, such
//! as where its pictures are, stands beside the post as a comment.
//!
//! Nothing is fetched, and no archive is unpacked. Who answers somebody else, passes something on or writes to few does
//! not do that again for everybody: such posts are counted and left out.

mod feed;
mod outbox;
pub mod page;
mod sheet;

use std::collections::BTreeMap;
use std::io::{self, Read};

use jiff::tz::TimeZone;
use url::Url;

use crate::domain::escape::escape;
use crate::domain::html::text_with;
use crate::domain::{Timestamp, Visibility, limits};
use crate::engage::outcomes::{TableError, Wrong};

use super::args::{DateOrder, DraftSource};
use super::outcome::Progress;

/// Largest file that is read.
const SOURCE_BYTES: u64 = 512 * 1024 * 1024;
/// Most posts that are taken of one file.
const POSTS: usize = 100_000;
/// How much of what is wrong is kept, to be told one by one.
const TOLD: usize = 1_000;
/// Links and pictures without a whole address that are told of one post.
const LOST: usize = 20;
/// What a person can do about a file that is too much.
const IN_PARTS: &str = "take it in parts: leave the older posts out of a copy";

/// How a file is to be understood.
pub struct Rules {
    /// Of moments that tell none.
    pub zone: TimeZone,
    /// Whether the day or the month comes first, where the file leaves that open.
    pub dates: Option<DateOrder>,
}

/// A picture, or what else goes with a post.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Medium {
    pub address: String,
    pub alt: String,
}

/// A post of somebody's file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Where it begins in the file; 0 where that is not known.
    pub line: u64,
    /// What it is known by there; or all that is in it, where it has no name.
    pub key: String,
    pub text: String,
    pub thread: Vec<String>,
    pub link: Option<String>,
    pub lang: Option<String>,
    pub tags: Vec<String>,
    pub visibility: Option<Visibility>,
    pub warning: Option<String>,
    /// When it is planned for.
    pub at: Option<Timestamp>,
    /// The beginning of the day it is planned for, where no time is told.
    pub not_before: Option<Timestamp>,
    /// When it was published.
    pub published: Option<String>,
    pub media: Vec<Medium>,
    /// Media of later parts of a thread, with the number of the part; a queue file has them in the first only.
    pub apart: Vec<(usize, Medium)>,
    /// What a person should know who looks at it.
    pub notes: Vec<String>,
}

/// What a file holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Harvest {
    pub posts: Vec<Found>,
    /// What cannot be taken, with its line.
    pub wrong: Vec<(u64, Wrong)>,
    /// How much more cannot be.
    pub untold: u64,
    /// What is no post of its own, and how often that was so.
    pub skipped: BTreeMap<&'static str, u64>,
    /// Columns that mean nothing to us.
    pub columns: Vec<String>,
}

impl Harvest {
    fn skip(&mut self, what: &'static str) {
        *self.skipped.entry(what).or_default() += 1;
    }

    /// Something cannot be taken. What is kept of it is bounded, and harmless for a terminal.
    pub fn refuse(&mut self, line: u64, wrong: Wrong) {
        if self.wrong.len() < TOLD {
            self.wrong.push((line, printable(wrong)));
        } else {
            self.untold += 1;
        }
    }
}

/// Words of a file are in it.
fn printable(wrong: Wrong) -> Wrong {
    Wrong { reason: cut(&wrong.reason), hint: wrong.hint.as_deref().map(cut) }
}

/// The beginning of a text, on one line.
fn cut(text: &str) -> String {
    let begin = text.char_indices().nth(limits::QUOTED_CHARS).map_or(text, |(end, _)| &text[..end]);
    let more = if begin.len() < text.len() { "…" } else { "" };
    format!("{}{more}", escape(begin))
}

/// # Errors
/// There are more posts than are taken of one file.
fn room(posts: usize) -> Result<(), TableError> {
    if posts <= POSTS {
        return Ok(());
    }
    let wrong = Wrong::new(format!("it holds more than {POSTS} posts")).with_hint(IN_PARTS);
    Err(TableError { line: 0, wrong })
}

/// Reads all of a file.
///
/// # Errors
/// It is not what it was said to be, and nothing of it can be taken.
pub fn read(
    from: DraftSource,
    source: impl Read,
    rules: &Rules,
    progress: &mut dyn Progress,
) -> Result<Harvest, TableError> {
    let mut over = false;
    let watched = Watched { inner: source, passed: 0, over: &mut over, progress };
    let harvest = all(from, watched, rules);
    progress.clear();
    harvest.map_err(|error| {
        let wrong = if over {
            Wrong::new(format!("it is larger than {SOURCE_BYTES} bytes")).with_hint(IN_PARTS)
        } else {
            printable(error.wrong)
        };
        TableError { wrong, ..error }
    })
}

fn all(from: DraftSource, mut source: impl Read, rules: &Rules) -> Result<Harvest, TableError> {
    let mut head = Vec::new();
    let read = source.by_ref().take(4).read_to_end(&mut head);
    read.map_err(|error| whole(format!("failed to read it: {error}")))?;
    if head.starts_with(b"PK\x03\x04") || head.starts_with(&[0x1f, 0x8b]) {
        let hint = match from {
            DraftSource::MastodonArchive => "unpack it, and give the file outbox.json that is in it",
            DraftSource::Rss => "unpack it first",
            _ => "unpack it first; if it is of a spreadsheet, save that as CSV in UTF-8",
        };
        return Err(TableError { line: 0, wrong: Wrong::new("it is an archive").with_hint(hint) });
    }
    let source = io::Cursor::new(head).chain(source);
    match from {
        DraftSource::BufferCsv => sheet::read(source, &sheet::BUFFER, rules),
        DraftSource::HootsuiteCsv => sheet::read(source, &sheet::HOOTSUITE, rules),
        DraftSource::MastodonArchive => outbox::read(source),
        DraftSource::Rss => feed::read(source),
    }
}

fn whole(why: impl Into<String>) -> TableError {
    TableError { line: 0, wrong: Wrong::new(why) }
}

/// A source that ends in an error where it is too large, and tells how much of it has been read.
struct Watched<'p, R> {
    inner: R,
    passed: u64,
    /// Set where it is too large: what a parser makes of the error need not say so.
    over: &'p mut bool,
    progress: &'p mut dyn Progress,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.passed += count as u64;
        if self.passed > SOURCE_BYTES {
            *self.over = true;
            return Err(io::Error::other("it is too large"));
        }
        self.progress.at(self.passed);
        Ok(count)
    }
}

/// An address as a post's link may be; `None` for anything else.
fn address(text: &str) -> Option<String> {
    let text = text.trim();
    let plain = !text.chars().any(|c| c.is_whitespace() || crate::domain::escape::is_unsafe(c));
    let url = Url::parse(text).ok().filter(|_| plain)?;
    (matches!(url.scheme(), "http" | "https") && url.has_host()).then(|| text.to_owned())
}

/// What is found beside the words of some HTML.
#[derive(Debug, Default)]
struct Beside {
    /// What addresses are relative to.
    base: Option<Url>,
    media: Vec<Medium>,
    /// The first addresses of which nobody knows to what they are relative, or that lead nowhere on the web.
    lost: Vec<String>,
}

impl Beside {
    /// A whole address, if it can be made one. What stays out is kept for [`Self::note`].
    fn whole(&mut self, text: &str) -> Option<String> {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            return None;
        }
        let joined = || Url::options().base_url(self.base.as_ref()).parse(text).ok();
        let whole = address(text).or_else(|| address(joined()?.as_str()));
        if whole.is_none() && self.lost.len() < LOST {
            self.lost.push(cut(text));
        }
        whole
    }

    /// What a person should know of what stays out.
    fn note(&self) -> Option<String> {
        (!self.lost.is_empty()).then(|| format!("left out, for no address on the web: {}", self.lost.join(", ")))
    }
}

/// The text of some HTML with its links written out, and the pictures in it. `name` says what stands for a link in place
/// of its address, from the words and the address.
fn plain_text(html: &str, name: &dyn Fn(&str, &str, &str) -> Option<String>, beside: &mut Beside) -> String {
    let mut open: Option<(String, String, usize)> = None;
    let text = text_with(html, &mut |tag, out| match tag.name.as_str() {
        "a" => {
            let class = tag.attribute("class").unwrap_or_default();
            open = tag.attribute("href").map(|href| (href, class, out.len()));
        }
        "/a" => {
            let Some((href, class, begin)) = open.take() else { return };
            let words = out.get(begin..).unwrap_or_default().trim().to_owned();
            if let Some(name) = name(&words, &href, &class) {
                out.truncate(begin);
                out.push_str(&name);
            } else if words.starts_with('#') {
                // A tag, which led to its page over there.
            } else if let Some(address) = beside.whole(&href) {
                if stands_for(&words, &address) {
                    out.truncate(begin);
                    out.push_str(&address);
                } else {
                    out.push_str(&if words.is_empty() { address } else { format!(" ({address})") });
                }
            }
        }
        "li" => out.push_str("- "),
        "img" => {
            if let Some(address) = tag.attribute("src").and_then(|source| beside.whole(&source)) {
                beside.media.push(Medium { address, alt: tag.attribute("alt").unwrap_or_default() });
            }
        }
        _ => {}
    });
    text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// Whether words are an address, or the beginning or a part of one that is shown cut.
fn stands_for(words: &str, href: &str) -> bool {
    let bare = |text: &str| {
        let text = text.trim_start_matches("https://").trim_start_matches("http://").trim_start_matches("www.");
        text.trim_end_matches('/').to_owned()
    };
    let (shown, meant) = (bare(words), bare(href));
    match shown.strip_suffix('…').or_else(|| shown.strip_suffix("...")) {
        Some(begin) => begin.contains('.') && meant.starts_with(begin),
        None => !shown.is_empty() && shown == meant,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::outcome::Unseen;

    fn said(html: &str) -> String {
        plain_text(html, &|_, _, _| None, &mut Beside::default())
    }

    #[test]
    fn links_are_written_out_and_pictures_are_found() {
        for (html, text) in [
            ("<p>See <a href=\"https://a.example/x\">the story</a>.</p>", "See the story (https://a.example/x)."),
            (
                "<a href=\"https://a.example/long/path\"><span class=\"invisible\">https://</span><span \
                 class=\"ellipsis\">a.example/lo</span><span class=\"invisible\">ng/path</span></a>",
                "https://a.example/long/path",
            ),
            ("<a href=\"https://a.example/long\">a.example/lo…</a>", "https://a.example/long"),
            ("<a href=\"https://a.example/\">a.example</a>", "https://a.example/"),
            ("<a href=\"https://a.example/tags/x\">#x</a> <a href=\"javascript:x()\">run</a>", "#x run"),
            ("<ul><li>one</li><li>two</li></ul>", "- one\n- two"),
            ("<a href=\"https://a.example\"></a>", "https://a.example"),
            ("</a><a><a href=x>", ""),
        ] {
            assert_eq!(said(html), text, "{html}");
        }
    }

    #[test]
    fn what_is_relative_is_made_whole_or_told() {
        let html = "<img src='https://a.example/i.png' alt='A &amp; B'><img src='data:x'> <img src='/j.png'> \
                    <a href='more'>more</a> <a href='#top'>top</a>";
        let picture = |address: &str, alt: &str| Medium { address: address.into(), alt: alt.into() };
        let mut beside = Beside { base: Url::parse("https://b.example/blog/").ok(), ..Beside::default() };
        let text = plain_text(html, &|_, _, _| None, &mut beside);
        assert!(text.ends_with("more (https://b.example/blog/more) top"), "{text}");
        assert_eq!(beside.media, [picture("https://a.example/i.png", "A & B"), picture("https://b.example/j.png", "")]);
        assert_eq!(beside.note().as_deref(), Some("left out, for no address on the web: data:x"));
        let mut beside = Beside::default();
        plain_text(&html.repeat(LOST), &|_, _, _| None, &mut beside);
        assert_eq!((beside.lost.len(), &beside.lost[..3]), (LOST, &["data:x", "/j.png", "more"].map(String::from)[..]));
    }

    #[test]
    fn archives_are_named_and_not_read() {
        let rules = Rules { zone: TimeZone::UTC, dates: None };
        for (from, head, hint) in [
            (DraftSource::MastodonArchive, &b"PK\x03\x04rest"[..], "outbox.json"),
            (DraftSource::BufferCsv, b"PK\x03\x04rest", "save that as CSV"),
            (DraftSource::Rss, b"\x1f\x8brest", "unpack"),
        ] {
            let error = read(from, head, &rules, &mut Unseen).unwrap_err();
            assert!(error.wrong.reason == "it is an archive" && error.wrong.hint.unwrap().contains(hint));
        }
        let found = read(DraftSource::BufferCsv, &b"PK,text\n1,x\n"[..], &rules, &mut Unseen).unwrap();
        assert_eq!((found.posts.len(), &found.columns[..]), (1, &["PK".to_owned()][..]));
    }

    #[derive(Default)]
    struct Seen(u64);

    impl Progress for Seen {
        fn at(&mut self, bytes: u64) {
            self.0 = bytes;
        }
        fn clear(&mut self) {}
    }

    #[test]
    fn how_much_is_read_is_bounded_and_told() {
        let (mut over, mut seen) = (false, Seen::default());
        let rest = io::repeat(b'x').take(3);
        let passed = SOURCE_BYTES - 2;
        let mut source = Watched { inner: rest, passed, over: &mut over, progress: &mut seen };
        assert_eq!(source.read(&mut [0; 2]).unwrap(), 2);
        assert!(source.read(&mut [0; 2]).is_err());
        assert!(over && seen.0 == SOURCE_BYTES);
        assert!(room(POSTS).is_ok() && room(POSTS + 1).unwrap_err().wrong.hint.is_some());
    }

    #[test]
    fn what_is_told_of_a_file_is_short_and_harmless() {
        let mut harvest = Harvest::default();
        for line in 0..=TOLD as u64 {
            harvest.refuse(line, Wrong::new(format!("\u{1b}[2J\n{}", "x".repeat(10_000))).with_hint("\u{202e}"));
        }
        assert_eq!((harvest.wrong.len(), harvest.untold), (TOLD, 1));
        let Wrong { reason, hint } = &harvest.wrong[0].1;
        assert!(reason.starts_with("\\u{1b}[2J\\nxx") && reason.ends_with("x…") && reason.len() < 400, "{reason}");
        assert_eq!(hint.as_deref(), Some("\\u{202e}"));
        // Neither is what is said of the file as a whole.
        let rules = Rules { zone: TimeZone::UTC, dates: None };
        let error = read(DraftSource::Rss, &b"</\x1b>"[..], &rules, &mut Unseen).unwrap_err();
        assert!(error.wrong.reason.contains("\\u{1b}"), "{error:?}");
    }
}
