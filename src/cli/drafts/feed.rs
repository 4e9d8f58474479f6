//! Articles of a feed: RSS 2.0, RSS 1.0 and Atom.
//!
//! A draft says an article's title and summary, and links to it; where there is no summary, the whole article is its text,
//! for a person to shorten. The parser expands no entities that a file declares: an article with one is named and not
//! taken, and nothing can grow. The file has to be UTF-8.

use std::io::Read;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::{Found, Harvest, Medium, address, plain_text, whole};
use crate::domain::html::characters;
use crate::engage::outcomes::{TableError, Wrong};

/// Largest feed that is read, in bytes; it is held as a whole.
const FEED_BYTES: u64 = 64 * 1024 * 1024;
/// Deepest nesting of elements.
const DEPTH: usize = 64;

pub fn read(source: impl Read) -> Result<Harvest, TableError> {
    let mut bytes = Vec::new();
    let read = source.take(FEED_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|error| whole(format!("failed to read it: {error}")))?;
    if bytes.len() as u64 > FEED_BYTES {
        return Err(whole(format!("it is larger than {FEED_BYTES} bytes")));
    }
    let text = String::from_utf8(bytes).map_err(|_| TableError {
        line: 0,
        wrong: Wrong::new("it is no text in UTF-8").with_hint("save it as UTF-8"),
    })?;
    let text = text.trim_start_matches('\u{feff}');
    let mut feed = Feed { harvest: Harvest::default(), open: Vec::new(), item: None, is_feed: false };
    let mut reader = Reader::from_str(text);
    reader.config_mut().allow_dangling_amp = true;
    let (mut line, mut counted) = (1, 0);
    loop {
        let event = reader.read_event();
        let place = usize::try_from(reader.buffer_position()).unwrap_or(text.len()).min(text.len());
        let passed = text.as_bytes()[counted..place].iter().filter(|byte| **byte == b'\n').count() as u64;
        (line, counted) = (line + passed, place);
        let stop = match event {
            Ok(Event::Eof) => break,
            Ok(event) => feed.take(event, line),
            Err(error) => Err(format!("it is no XML: {error}")),
        };
        if let Err(why) = stop {
            if !feed.is_feed {
                return Err(TableError { line, wrong: Wrong::new(why) });
            }
            feed.harvest.wrong.push((line, Wrong::new(format!("{why}; the rest of the file is not read"))));
            return Ok(feed.harvest);
        }
    }
    if !feed.is_feed {
        return Err(whole("it is no feed: it is neither RSS nor Atom"));
    }
    if !feed.open.is_empty() {
        feed.harvest.wrong.push((line, Wrong::new("it ends in the middle; what was begun is not taken")));
    }
    Ok(feed.harvest)
}

#[derive(Default)]
struct Item {
    line: u64,
    title: String,
    link: String,
    id: String,
    summary: String,
    content: String,
    published: String,
    labels: Vec<String>,
    media: Vec<Medium>,
    wrong: Option<String>,
}

struct Feed {
    harvest: Harvest,
    /// Names of the elements that are open, without their prefix where it tells nothing.
    open: Vec<String>,
    item: Option<Item>,
    is_feed: bool,
}

impl Feed {
    fn take(&mut self, event: Event<'_>, line: u64) -> Result<(), String> {
        match event {
            Event::Start(start) => self.begin(&start, line),
            Event::Empty(start) => {
                self.begin(&start, line)?;
                self.end();
                Ok(())
            }
            Event::End(_) => {
                self.end();
                Ok(())
            }
            Event::Text(text) => {
                self.text(&text);
                Ok(())
            }
            Event::CData(text) => {
                self.text(&text);
                Ok(())
            }
            Event::GeneralRef(name) => {
                let meant = format!("&{};", &*name);
                let said = characters(&meant);
                if said == meant
                    && let Some(item) = &mut self.item
                {
                    item.wrong.get_or_insert(format!("it holds {meant}, which only its own file explains"));
                } else {
                    self.text(&said);
                }
                Ok(())
            }
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) | Event::Eof => Ok(()),
        }
    }

    fn begin(&mut self, start: &BytesStart<'_>, line: u64) -> Result<(), String> {
        if self.open.len() >= DEPTH {
            return Err(format!("its elements are nested deeper than {DEPTH}"));
        }
        let whole = start.name();
        let name: &str = whole.as_ref();
        let name = name.strip_prefix("rdf:").or_else(|| name.strip_prefix("atom:")).unwrap_or(name);
        if self.open.is_empty() {
            if !matches!(name, "rss" | "RDF" | "feed") {
                return Err("it is no feed: it is neither RSS nor Atom".into());
            }
            self.is_feed = true;
        }
        let attribute = |wanted: &str| {
            start
                .attributes()
                .flatten()
                .find(|attribute| AsRef::<str>::as_ref(&attribute.key) == wanted)
                .map(|attribute| characters(&attribute.value))
                .unwrap_or_default()
        };
        match (&mut self.item, name) {
            (None, "item" | "entry") => self.item = Some(Item { line, id: attribute("rdf:about"), ..Item::default() }),
            (Some(item), "link") => {
                let rel = attribute("rel");
                if matches!(rel.as_str(), "" | "alternate") && item.link.is_empty() {
                    item.link = attribute("href");
                } else if rel == "enclosure" {
                    item.media.push(Medium { address: attribute("href"), alt: String::new() });
                }
            }
            (Some(item), "enclosure" | "media:content") => {
                item.media.push(Medium { address: attribute("url"), alt: String::new() });
            }
            (Some(item), "category") => {
                let term = attribute("term");
                item.labels.push(term);
            }
            _ => {}
        }
        self.open.push(name.to_owned());
        Ok(())
    }

    fn end(&mut self) {
        let closed = self.open.pop().unwrap_or_default();
        if matches!(closed.as_str(), "item" | "entry")
            && !self.open.iter().any(|open| matches!(open.as_str(), "item" | "entry"))
            && let Some(item) = self.item.take()
        {
            match item.found() {
                Ok(found) => self.harvest.posts.push(found),
                Err(wrong) => self.harvest.wrong.push(wrong),
            }
        } else if matches!(closed.as_str(), "p" | "div" | "br" | "li") {
            // Elements in place of escaped markup: their ends are those of lines.
            self.text(if closed == "p" { "</p>" } else { "<br>" });
        }
    }

    fn text(&mut self, text: &str) {
        let Some(item) = &mut self.item else { return };
        let depth = self.open.iter().position(|open| matches!(open.as_str(), "item" | "entry")).map_or(0, |at| at + 1);
        let target = match self.open.get(depth).map(String::as_str) {
            Some("title") => &mut item.title,
            Some("link") => &mut item.link,
            Some("guid" | "id") => &mut item.id,
            Some("description" | "summary") => &mut item.summary,
            Some("content:encoded" | "content") => &mut item.content,
            Some("pubDate" | "published" | "dc:date") => &mut item.published,
            Some("updated") if item.published.is_empty() => &mut item.published,
            Some("category") => match item.labels.last_mut() {
                Some(label) => label,
                None => return,
            },
            _ => return,
        };
        target.push_str(text);
    }
}

impl Item {
    fn found(self) -> Result<Found, (u64, Wrong)> {
        let refused = |why: String| (self.line, Wrong::new(why));
        if let Some(why) = self.wrong {
            return Err(refused(why));
        }
        let mut media: Vec<Medium> = Vec::new();
        for medium in self.media {
            if address(&medium.address).is_some() && !media.contains(&medium) {
                media.push(medium);
            }
        }
        let mut said = |html: &str| {
            // Lines of the source are none of the text.
            let flat = html.split_whitespace().collect::<Vec<_>>().join(" ");
            let text = plain_text(&flat, &|_, _, _| None, &mut media);
            text.lines().map(str::trim).collect::<Vec<_>>().join("\n").trim().to_owned()
        };
        let title = said(&self.title);
        let summary = said(&self.summary);
        let words = if summary.is_empty() { said(&self.content) } else { summary };
        let text = match (title.is_empty(), words.is_empty()) {
            (false, false) if !words.starts_with(title.trim_end_matches(['…', '.'])) => format!("{title}\n\n{words}"),
            (false, true) => title,
            _ => words,
        };
        let link = address(&self.link).or_else(|| address(&self.id));
        let key = [&self.id, &self.link].into_iter().map(|key| key.trim()).find(|key| !key.is_empty());
        let key = key.map_or_else(|| text.clone(), ToOwned::to_owned);
        let labels = self.labels.iter().map(|label| label.trim()).filter(|label| !label.is_empty());
        let (tags, labels): (Vec<&str>, Vec<&str>) =
            labels.partition(|label| label.chars().all(|c| c.is_alphanumeric() || c == '_'));
        let mut notes = Vec::new();
        if !labels.is_empty() {
            notes.push(format!("categories: {}", labels.join(", ")));
        }
        let published = Some(self.published.trim().to_owned()).filter(|text| !text.is_empty());
        let tags = tags.into_iter().map(ToOwned::to_owned).collect();
        Ok(Found { line: self.line, key, text, link, tags, published, media, notes, ..Found::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn harvest(text: &str) -> Harvest {
        read(text.as_bytes()).unwrap_or_else(|error| panic!("{error:?}"))
    }

    #[test]
    fn articles_of_all_kinds_of_feeds_are_the_same() {
        for text in [
            "\u{feff}<?xml version='1.0'?>\r\n<!DOCTYPE rss>\n<rss version='2.0'><channel><title>Blog</title><link>https://a.example</link>\
             <item>\n<title>A &amp; B</title><link>https://a.example/1</link><guid isPermaLink='false'>x</guid>\
             <description><![CDATA[<p>Some\nwords, <a href='https://b.example/'>there</a>.</p>]]></description>\
             <content:encoded>long</content:encoded><pubDate>Tue, 01 Dec 2026 09:00:00 GMT</pubDate>\
             <category>tea</category><category>Slow work</category></item></channel></rss>",
            "<rdf:RDF><item rdf:about='x'><title>A &#38; B</title><link>https://a.example/1</link><description>&lt;p>Some words, \
             &lt;a href=\"https://b.example/\">there&lt;/a>.</description><category>tea</category>\
             <category>Slow work</category><dc:date>Tue, 01 Dec 2026 09:00:00 GMT</dc:date></item></rdf:RDF>",
            "<feed xmlns='http://www.w3.org/2005/Atom'><title>Blog</title><entry><title>A &amp; B</title>\
             <link rel='self' href='https://a.example/self'/><link href='https://a.example/1'/><id>x</id>\
             <summary type='html'>Some words, &lt;a href='https://b.example/'&gt;there&lt;/a&gt;.</summary>\
             <category term='tea'/><category term='Slow work'/><published>Tue, 01 Dec 2026 09:00:00 GMT</published></entry></feed>",
        ] {
            let found = harvest(text);
            let [post] = &found.posts[..] else { panic!("{text}: {found:?}") };
            assert_eq!(post.text, "A & B\n\nSome words, there (https://b.example/).", "{text}");
            assert_eq!((post.key.as_str(), post.link.as_deref()), ("x", Some("https://a.example/1")));
            assert_eq!(
                (&post.tags[..], &post.notes[..]),
                (&["tea".to_owned()][..], &["categories: Slow work".to_owned()][..])
            );
            assert_eq!(post.published.as_deref(), Some("Tue, 01 Dec 2026 09:00:00 GMT"));
            assert!(found.wrong.is_empty(), "{found:?}");
        }
    }

    #[test]
    fn what_has_no_title_or_no_summary_says_the_rest() {
        let found = harvest(
            "<rss><channel><item><description>Only words</description></item>\
             <item><title>Only a title</title></item>\
             <item><title>Words that…</title><description>Words that go on</description></item>\
             <item><title>T</title><content:encoded>&lt;img src='https://i.example/a.png' alt='A'&gt;Whole</content:encoded>\
             <enclosure url='https://i.example/b.mp3' type='audio/mpeg'/></item></channel></rss>",
        );
        let texts: Vec<&str> = found.posts.iter().map(|post| post.text.as_str()).collect();
        assert_eq!(texts, ["Only words", "Only a title", "Words that go on", "T\n\nWhole"]);
        let media: Vec<&str> = found.posts[3].media.iter().map(|medium| medium.address.as_str()).collect();
        assert_eq!(media, ["https://i.example/b.mp3", "https://i.example/a.png"]);
    }

    #[test]
    fn nothing_grows_and_nothing_is_fetched() {
        let laughs = "<!DOCTYPE rss [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;'><!ENTITY c SYSTEM 'file:///etc/passwd'>]>\n<rss><channel>\n\
                      <item><title>&b;</title></item>\n<item><title>&c;</title></item>\n<item><title>good</title></item></channel></rss>";
        let found = harvest(laughs);
        assert_eq!(found.posts.len(), 1);
        let wrong: Vec<_> = found.wrong.iter().map(|(line, wrong)| (*line, wrong.reason.as_str())).collect();
        assert_eq!(
            wrong,
            [
                (3, "it holds &b;, which only its own file explains"),
                (4, "it holds &c;, which only its own file explains")
            ]
        );
        let deep = format!("<rss>{}", "<a>".repeat(100_000));
        assert!(harvest(&deep).wrong[0].1.reason.contains("nested deeper"));
        for text in ["", "words", "<html><item/></html>", "<rss"] {
            assert!(read(text.as_bytes()).is_err(), "{text}");
        }
        assert!(read(&b"<rss>\xff</rss>"[..]).is_err());
        let half = harvest("<rss><channel><item><title>one</title></item><item><title>two");
        assert_eq!((half.posts.len(), half.wrong.len()), (1, 1));
    }
}
