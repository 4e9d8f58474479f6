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

use crate::domain::html::text_with;
use crate::domain::{Timestamp, Visibility};
use crate::engage::outcomes::{TableError, Wrong};

use super::args::{DateOrder, DraftSource};
use super::outcome::Progress;

/// Largest file that is read.
const SOURCE_BYTES: u64 = 512 * 1024 * 1024;

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
    /// When it was published.
    pub published: Option<String>,
    pub media: Vec<Medium>,
    /// What a person should know who looks at it.
    pub notes: Vec<String>,
}

/// What a file holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Harvest {
    pub posts: Vec<Found>,
    /// What cannot be taken, with its line.
    pub wrong: Vec<(u64, Wrong)>,
    /// What is no post of its own, and how often that was so.
    pub skipped: BTreeMap<&'static str, u64>,
}

impl Harvest {
    fn skip(&mut self, what: &'static str) {
        *self.skipped.entry(what).or_default() += 1;
    }
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
    let mut source = Watched { inner: source, passed: 0, progress };
    let mut head = [0; 4];
    let mut seen = 0;
    while seen < head.len() {
        match source.read(&mut head[seen..]) {
            Ok(0) => break,
            Ok(count) => seen += count,
            Err(error) => return Err(whole(format!("failed to read it: {error}"))),
        }
    }
    if head.starts_with(b"PK") || head.starts_with(&[0x1f, 0x8b]) {
        let hint = match from {
            DraftSource::MastodonArchive => "unpack it, and give the file outbox.json that is in it",
            _ => "unpack it first",
        };
        return Err(TableError { line: 0, wrong: Wrong::new("it is an archive").with_hint(hint) });
    }
    let source = io::Cursor::new(head).take(seen as u64).chain(source);
    let harvest = match from {
        DraftSource::BufferCsv => sheet::read(source, &sheet::BUFFER, rules),
        DraftSource::HootsuiteCsv => sheet::read(source, &sheet::HOOTSUITE, rules),
        DraftSource::MastodonArchive => outbox::read(source),
        DraftSource::Rss => feed::read(source),
    };
    progress.clear();
    harvest
}

fn whole(why: impl Into<String>) -> TableError {
    TableError { line: 0, wrong: Wrong::new(why) }
}

/// A source that ends in an error where it is too large, and tells how much of it has been read.
struct Watched<'p, R> {
    inner: R,
    passed: u64,
    progress: &'p mut dyn Progress,
}

impl<R: Read> Read for Watched<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.passed += count as u64;
        if self.passed > SOURCE_BYTES {
            return Err(io::Error::other(format!("it is larger than {SOURCE_BYTES} bytes")));
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

/// The text of some HTML with its links written out, and the pictures in it. `name` says what stands for a link in place
/// of its address, from the words and the address.
fn plain_text(html: &str, name: &dyn Fn(&str, &str, &str) -> Option<String>, media: &mut Vec<Medium>) -> String {
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
            } else if stands_for(&words, &href) {
                out.truncate(begin);
                out.push_str(&href);
            } else if address(&href).is_some() && !words.starts_with('#') {
                out.push_str(&if words.is_empty() { href } else { format!(" ({href})") });
            }
        }
        "li" => out.push_str("- "),
        "img" => {
            if let Some(address) = tag.attribute("src").as_deref().and_then(address) {
                media.push(Medium { address, alt: tag.attribute("alt").unwrap_or_default() });
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
        plain_text(html, &|_, _, _| None, &mut Vec::new())
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
        let mut media = Vec::new();
        plain_text(
            "<img src='https://a.example/i.png' alt='A &amp; B'><img src='data:x'>",
            &|_, _, _| None,
            &mut media,
        );
        assert_eq!(media, [Medium { address: "https://a.example/i.png".into(), alt: "A & B".into() }]);
    }

    #[test]
    fn archives_are_named_and_not_read() {
        let rules = Rules { zone: TimeZone::UTC, dates: None };
        for (from, hint) in [(DraftSource::MastodonArchive, "outbox.json"), (DraftSource::BufferCsv, "unpack")] {
            let error = read(from, &b"PK\x03\x04rest"[..], &rules, &mut Unseen).unwrap_err();
            assert!(error.wrong.reason == "it is an archive" && error.wrong.hint.unwrap().contains(hint));
        }
    }
}
