//! Articles of a feed: RSS 2.0, RSS 1.0 and Atom.
//!
//! A draft says an article's title and summary, and links to it; where there is no summary, the whole article is its text,
//! for a person to shorten. Of several titles, dates and so on the first counts. Words are HTML in RSS, and in Atom where
//! it says so; elements that stand in them as such are written as HTML again. What is relative is so to `xml:base`, or to
//! the article, or to the page of the feed.
//!
//! The parser expands no entities that a file declares: an article with one is named and not taken, and nothing can grow.
//! The file has to be UTF-8.

use std::collections::BTreeSet;
use std::io::Read;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use url::Url;

use super::{Beside, Found, Harvest, IN_PARTS, Medium, address, plain_text, room, whole};
use crate::domain::html::characters;
use crate::engage::outcomes::{TableError, Wrong};

/// Largest feed that is read, in bytes; it is held as a whole.
const FEED_BYTES: u64 = 64 * 1024 * 1024;
/// Deepest nesting of elements.
const DEPTH: usize = 64;
/// Elements whose words are an article's.
const WORDS: &[&str] = &["title", "description", "summary", "content:encoded", "content"];

pub fn read(source: impl Read) -> Result<Harvest, TableError> {
    let mut bytes = Vec::new();
    let read = source.take(FEED_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|error| whole(format!("failed to read it: {error}")))?;
    if bytes.len() as u64 > FEED_BYTES {
        let wrong = Wrong::new(format!("it is larger than {FEED_BYTES} bytes")).with_hint(IN_PARTS);
        return Err(TableError { line: 0, wrong });
    }
    let text = String::from_utf8(bytes).map_err(|_| TableError {
        line: 0,
        wrong: Wrong::new("it is no text in UTF-8").with_hint("save it as UTF-8"),
    })?;
    let text = text.trim_start_matches('\u{feff}');
    let mut feed = Feed::default();
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
        room(feed.harvest.posts.len())?;
        if let Err(why) = stop {
            if !feed.is_feed {
                return Err(TableError { line, wrong: Wrong::new(why) });
            }
            feed.harvest.refuse(line, Wrong::new(format!("{why}; the rest of the file is not read")));
            return Ok(feed.harvest);
        }
    }
    if !feed.is_feed {
        return Err(whole("it is no feed: it is neither RSS nor Atom"));
    }
    if !feed.open.is_empty() {
        feed.harvest.refuse(line, Wrong::new("it ends in the middle; what was begun is not taken"));
    }
    Ok(feed.harvest)
}

#[derive(Default)]
struct Feed {
    harvest: Harvest,
    /// Names of the elements that are open, without their prefix where it tells nothing.
    open: Vec<String>,
    item: Option<Item>,
    is_feed: bool,
    is_atom: bool,
    /// What is said to be the base of all addresses.
    base: Option<Url>,
    /// The page that the feed is of.
    site: String,
}

#[derive(Default)]
struct Item {
    line: u64,
    /// How many elements are open where one of its own begins.
    depth: usize,
    title: String,
    link: String,
    id: String,
    /// Whether its id, where it is an address, may be that of a page.
    is_page: bool,
    summary: String,
    content: String,
    published: String,
    updated: String,
    labels: Vec<String>,
    media: Vec<Medium>,
    base: Option<Url>,
    wrong: Option<String>,
    /// Whether the words of the element that is open say nothing new.
    is_deaf: bool,
    /// Whether they are HTML.
    is_html: bool,
}

impl Feed {
    fn take(&mut self, event: Event<'_>, line: u64) -> Result<(), String> {
        match event {
            Event::Start(start) => return self.begin(&start, line),
            Event::Empty(start) => {
                self.begin(&start, line)?;
                self.end();
            }
            Event::End(_) => self.end(),
            Event::Text(text) => self.text(&text),
            Event::CData(text) => self.text(&text),
            Event::GeneralRef(name) => {
                let meant = format!("&{};", &*name);
                let said = characters(&meant);
                // In HTML that somebody has not escaped, an `&` need not begin anything.
                let is_name = name.chars().all(|c| c.is_alphanumeric() || matches!(c, '#' | '.' | '_' | '-' | ':'));
                let open = &self.open;
                let item = self.item.as_mut().filter(|item| said == meant && is_name && item.hears(open).is_some());
                match item {
                    Some(item) => {
                        item.wrong.get_or_insert(format!("it holds {meant}, which only its own file explains"));
                    }
                    None => self.text(&said),
                }
            }
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) | Event::Eof => {}
        }
        Ok(())
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
            (self.is_feed, self.is_atom) = (true, name == "feed");
        }
        let attribute = |wanted: &str| {
            start
                .attributes()
                .flatten()
                .find(|attribute| AsRef::<str>::as_ref(&attribute.key) == wanted)
                .map(|attribute| characters(&attribute.value))
                .unwrap_or_default()
        };
        let depth = self.open.len();
        let is_about = matches!(self.open.last().map(String::as_str), Some("channel" | "feed"));
        match &mut self.item {
            None if matches!(name, "item" | "entry") => {
                let base = joined(self.base.as_ref(), &attribute("xml:base"));
                let id = attribute("rdf:about");
                self.item = Some(Item { line, depth: depth + 1, id, is_page: true, base, ..Item::default() });
            }
            None if name == "link"
                && is_about
                && self.site.is_empty()
                && matches!(attribute("rel").as_str(), "" | "alternate") =>
            {
                self.site = attribute("href");
            }
            None if matches!(name, "rss" | "RDF" | "channel" | "feed") => {
                self.base = joined(self.base.as_ref(), &attribute("xml:base"));
            }
            None => {}
            Some(item) if depth == item.depth => item.begin(name, &attribute, self.is_atom),
            Some(item) if name == "media:content" => item.enclosed(attribute("url")),
            // Elements in place of escaped markup.
            Some(item) => {
                let local = start.local_name();
                let local: &str = local.as_ref();
                item.say(&self.open, &format!("<{local}{}>", start.attributes_raw()), true);
            }
        }
        self.open.push(name.to_owned());
        Ok(())
    }

    fn end(&mut self) {
        let closed = self.open.pop().unwrap_or_default();
        let Some(item) = &mut self.item else { return };
        if self.open.len() > item.depth {
            let local = closed.rsplit(':').next().unwrap_or_default();
            item.say(&self.open, &format!("</{local}>"), true);
        } else if self.open.len() < item.depth
            && let Some(item) = self.item.take()
        {
            let line = item.line;
            match item.found(Url::parse(self.site.trim()).ok()) {
                Ok(found) => self.harvest.posts.push(found),
                Err(wrong) => self.harvest.refuse(line, wrong),
            }
        }
    }

    fn text(&mut self, text: &str) {
        match &mut self.item {
            Some(item) => item.say(&self.open, text, false),
            None => {
                if let [.., parent, own] = &self.open[..]
                    && (parent.as_str(), own.as_str()) == ("channel", "link")
                    && self.site.is_empty()
                {
                    self.site = text.trim().to_owned();
                }
            }
        }
    }
}

/// An address and what it is relative to; the base alone where there is none.
fn joined(base: Option<&Url>, address: &str) -> Option<Url> {
    let own = Some(address.trim()).filter(|address| !address.is_empty());
    own.and_then(|own| Url::options().base_url(base).parse(own).ok()).or_else(|| base.cloned())
}

impl Item {
    /// An element of its own begins.
    fn begin(&mut self, name: &str, attribute: &dyn Fn(&str) -> String, is_atom: bool) {
        match name {
            "link" => match attribute("rel").as_str() {
                "" | "alternate" if self.link.is_empty() => self.link = attribute("href"),
                "enclosure" => self.enclosed(attribute("href")),
                _ => {}
            },
            "enclosure" | "media:content" => self.enclosed(attribute("url")),
            "category" => self.labels.push(attribute("term")),
            "guid" => self.is_page = attribute("isPermaLink") != "false",
            name if WORDS.contains(&name) => self.base = joined(self.base.as_ref(), &attribute("xml:base")),
            _ => {}
        }
        self.is_deaf = self.target(name).is_none_or(|target| !target.is_empty());
        self.is_html = !is_atom || matches!(attribute("type").as_str(), "html" | "text/html");
    }

    fn enclosed(&mut self, address: String) {
        self.media.push(Medium { address, alt: String::new() });
    }

    /// Where the words of an element of its own belong.
    fn target(&mut self, name: &str) -> Option<&mut String> {
        Some(match name {
            "title" => &mut self.title,
            "link" => &mut self.link,
            "guid" | "id" => &mut self.id,
            "description" | "summary" => &mut self.summary,
            "content:encoded" | "content" => &mut self.content,
            "pubDate" | "published" | "dc:date" => &mut self.published,
            "updated" => &mut self.updated,
            "category" => self.labels.last_mut()?,
            _ => return None,
        })
    }

    /// The element of its own in which something is said, where that is listened to.
    fn hears<'o>(&self, open: &'o [String]) -> Option<&'o str> {
        let name = open.get(self.depth).filter(|_| !self.is_deaf)?.as_str();
        (open.len() == self.depth + 1 || WORDS.contains(&name)).then_some(name)
    }

    /// Text, or a tag that stands in it as an element.
    fn say(&mut self, open: &[String], text: &str, is_tag: bool) {
        let Some(name) = self.hears(open) else { return };
        let is_text = !is_tag && WORDS.contains(&name) && (!self.is_html || open.len() > self.depth + 1);
        let Some(target) = self.target(name) else { return };
        if is_text {
            target.push_str(&text.replace('&', "&amp;").replace('<', "&lt;"));
        } else {
            target.push_str(text);
        }
    }

    fn found(self, site: Option<Url>) -> Result<Found, Wrong> {
        if let Some(why) = self.wrong {
            return Err(Wrong::new(why));
        }
        let mut beside = Beside { base: self.base.clone().or_else(|| site.clone()), ..Beside::default() };
        let page = address(&self.id).filter(|_| self.is_page);
        let link = beside.whole(&self.link).or(page);
        let own = link.as_deref().and_then(|link| Url::parse(link).ok());
        beside.base = self.base.or_else(|| own.clone()).or_else(|| site.clone());
        for Medium { address, alt } in self.media {
            let address = beside.whole(&address);
            beside.media.extend(address.map(|address| Medium { address, alt }));
        }
        let mut said = |html: &str| {
            // Lines of the source are none of the text.
            let flat = html.split_whitespace().collect::<Vec<_>>().join(" ");
            let text = plain_text(&flat, &|_, _, _| None, &mut beside);
            text.lines().map(str::trim).collect::<Vec<_>>().join("\n").trim().to_owned()
        };
        let title = said(&self.title);
        let summary = said(&self.summary);
        let words = if summary.is_empty() { said(&self.content) } else { summary };
        let text = match (title.is_empty(), words.is_empty()) {
            (false, false) if !begins(&words, &title) => format!("{title}\n\n{words}"),
            (false, true) => title,
            _ => words,
        };
        let mut seen = BTreeSet::new();
        beside.media.retain(|medium| seen.insert(medium.address.clone()));
        let key = match self.id.trim() {
            "" => link.clone().unwrap_or_else(|| text.clone()),
            id if is_of_its_own(id) => id.to_owned(),
            // A number, as in other feeds.
            id => {
                let host = own.or(site).and_then(|url| url.host_str().map(ToOwned::to_owned));
                format!("{id}\u{1f}{}", host.unwrap_or_default())
            }
        };
        let labels = self.labels.iter().map(|label| label.trim()).filter(|label| !label.is_empty());
        let (tags, labels): (Vec<&str>, Vec<&str>) =
            labels.partition(|label| label.chars().all(|c| c.is_alphanumeric() || c == '_'));
        let mut notes: Vec<String> = beside.note().into_iter().collect();
        if !labels.is_empty() {
            notes.push(format!("categories: {}", labels.join(", ")));
        }
        let moments = [&self.published, &self.updated].into_iter().map(|text| text.trim());
        let published = moments.filter(|text| !text.is_empty()).map(ToOwned::to_owned).next();
        let tags = tags.into_iter().map(ToOwned::to_owned).collect();
        let media = beside.media;
        Ok(Found { line: self.line, key, text, link, tags, published, media, notes, ..Found::default() })
    }
}

/// Whether an article's words begin with its title, which may be cut.
fn begins(words: &str, title: &str) -> bool {
    let bare = title.trim_end_matches(['…', '.']);
    let is_cut = title.ends_with('…') || title.ends_with("...");
    words.strip_prefix(bare).is_some_and(|rest| is_cut || !rest.starts_with(char::is_alphanumeric))
}

/// Whether an id is nobody else's, wherever it stands.
fn is_of_its_own(id: &str) -> bool {
    Url::parse(id).is_ok_and(|url| url.has_host() || matches!(url.scheme(), "tag" | "urn"))
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
            assert_eq!((post.key.as_str(), post.link.as_deref()), ("x\u{1f}a.example", Some("https://a.example/1")));
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
    fn what_looks_like_html_and_is_none_stays() {
        for (words, text) in [
            ("<title>Vec&lt;T&gt; explained</title>", "Vec<T> explained"),
            ("<title type='text'>1 &lt; 2 &amp;amp;</title>", "1 < 2 &amp;"),
            ("<title type='html'>&lt;b&gt;Bold&lt;/b&gt; M&amp;uuml;ller, caf&eacute;</title>", "Bold Müller, café"),
            ("<title>AT& T; x</title><author>&who;</author>", "AT& T; x"),
            (
                "<content type='xhtml'><div xmlns:h='x'><h:h2>Head</h:h2><h:p>a &lt;b&gt; <a href='/c?d&amp;e'>see</a><br/>f\
                 </h:p><ul><li>one</li><li>two</li></ul><img src='i.png' alt='&quot;I&quot;'/></div></content>",
                "Head\n\na <b> see (https://a.example/c?d&e)\nf\n\n- one\n- two",
            ),
        ] {
            let found = harvest(&format!(
                "<feed><link rel='self' href='https://no.example/'/><link href='https://a.example/blog/'/><entry>{words}</entry></feed>"
            ));
            let [post] = &found.posts[..] else { panic!("{words}: {found:?}") };
            assert_eq!(post.text, text, "{words}");
            if words.contains("<img") {
                assert_eq!(
                    post.media,
                    [Medium { address: "https://a.example/blog/i.png".into(), alt: "\"I\"".into() }]
                );
            }
        }
        let found = harvest(
            "<rss><channel><item><description><p>One</p><p>two &lt;T></p></description></item></channel></rss>",
        );
        assert_eq!(found.posts[0].text, "One\n\ntwo <T>");
    }

    #[test]
    fn of_several_words_for_the_same_the_first_counts() {
        let found = harvest(
            "<rss xmlns:atom='a'><channel><link>https://a.example/</link><image><link>https://no.example/</link></image>\
             <item><source><link>https://no.example/</link></source><title>Go</title><media:title>no</media:title>\
             <description>Going on</description><atom:link rel='self' href='https://no.example/'/><link>/1</link>\
             <atom:link href='https://no.example/'/><dc:date>2026-01-01</dc:date><pubDate>no</pubDate>\
             <guid isPermaLink='false'>https://id.example/</guid>\
             <media:group><media:content url='m.png'/><media:content url='n.png'/></media:group><enclosure url='m.png'/></item>\
             <item><title>Id</title><guid>https://a.example/2</guid></item>\
             <item><title>No page</title><guid isPermaLink='false'>https://a.example/3</guid></item>\
             <item><atom:link href='/blog/4'/><description>&lt;a href='5'>five&lt;/a></description></item></channel></rss>",
        );
        let [post, id, none, last] = &found.posts[..] else { panic!("{found:?}") };
        assert_eq!((post.text.as_str(), post.link.as_deref()), ("Go\n\nGoing on", Some("https://a.example/1")));
        assert_eq!((post.published.as_deref(), post.key.as_str()), (Some("2026-01-01"), "https://id.example/"));
        let media: Vec<&str> = post.media.iter().map(|medium| medium.address.as_str()).collect();
        assert_eq!(media, ["https://a.example/m.png", "https://a.example/n.png"]);
        assert_eq!(last.text, "five (https://a.example/blog/5)");
        assert_eq!((id.link.as_deref(), none.link.as_deref()), (Some("https://a.example/2"), None));
        let found = harvest(
            "<feed xml:base='https://a.example/x/'><entry xml:base='y/'><title>A</title><link href='1'/><updated>2</updated>\
             <published>1</published><link rel='enclosure' href='e.mp3'/></entry>\
             <entry><title>B</title><updated>2</updated></entry></feed>",
        );
        let published: Vec<_> = found.posts.iter().map(|post| post.published.as_deref()).collect();
        assert_eq!(published, [Some("1"), Some("2")]);
        assert_eq!(found.posts[0].link.as_deref(), Some("https://a.example/x/y/1"));
        assert_eq!(found.posts[0].media[0].address, "https://a.example/x/y/e.mp3");
        let found = harvest("<rss><channel><item><title>A</title><link>/1</link></item></channel></rss>");
        assert_eq!(found.posts[0].notes, ["left out, for no address on the web: /1"]);
    }

    #[test]
    fn numbers_of_two_feeds_are_two_names() {
        let key = |site: &str, item: &str| {
            let text = format!(
                "<rss><channel><link>https://{site}/</link><item><title>x</title>{item}</item></channel></rss>"
            );
            harvest(&text).posts[0].key.clone()
        };
        let guid = "<guid isPermaLink='false'>1</guid>";
        assert_ne!(key("a.example", guid), key("b.example", guid));
        assert_eq!(key("a.example", guid), key("b.example", &format!("{guid}<link>https://a.example/1</link>")));
        for own in ["tag:a.example,2026:1", "urn:uuid:1", "https://a.example/?p=1"] {
            assert_eq!(key("b.example", &format!("<guid>{own}</guid>")), own);
        }
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
        let error = read(std::io::repeat(b' ').take(FEED_BYTES + 1)).unwrap_err();
        assert!(error.wrong.reason.contains("larger than"), "{error:?}");
        let half = harvest("<rss><channel><item><title>one</title></item><item><title>two");
        assert_eq!((half.posts.len(), half.wrong.len()), (1, 1));
    }
}
