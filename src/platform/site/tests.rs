use std::collections::{BTreeMap, BTreeSet};

use super::twin::Folder;
use super::*;
use crate::domain::{AccountId, DeliveryId, Digest, JsonText, MediaItem, ReplyTo};
use crate::platform::contract::{Media, Secrets, Twin as _};

const BASE: &str = "https://example.org/notes";

fn about(extra: &str) -> toml::Table {
    format!("path = 'site-0'\nbase_url = '{BASE}/'\ntitle = 'Notes'\n{extra}").parse().unwrap()
}

fn built(values: toml::Table) -> Result<Arc<dyn Adapter>, Vec<Complaint>> {
    let mut table = Table::new(AccountId::new("site").unwrap(), values, "/srv/web".into());
    let built = (ENTRY.build)(&mut table);
    let complaints = table.into_complaints();
    if complaints.is_empty() { Ok(built.unwrap()) } else { Err(complaints) }
}

fn site() -> Arc<dyn Adapter> {
    built(about("")).unwrap()
}

fn job(adapter: &dyn Adapter, id: &str, minute: i64, content: Content) -> Job {
    let started = Timestamp::from_second(1_800_000_000 + 60 * minute).unwrap();
    Job {
        delivery: DeliveryId::new(PostId::new(id).unwrap(), AccountId::new("site").unwrap()),
        attempt: 1,
        key: "0123456789abcdef0123456789abcdef".into(),
        digest: Digest::of(id.as_bytes()),
        media: content.media.iter().map(media).collect(),
        frozen: adapter.freeze(&content, started, 1),
        content,
        started,
        answers: None,
        taken: Arc::new(BTreeSet::new()),
    }
}

fn media(item: &MediaItem) -> Media {
    let mime = if item.file.ends_with("png") { "image/png" } else { "application/x-unknown" };
    Media { item: item.clone(), mime: mime.into(), size: Some((3, 2)), bytes: item.file.as_bytes().into() }
}

fn picture(file: &str, alt: &str) -> MediaItem {
    MediaItem { file: file.into(), alt: alt.into(), sha256: Digest::of(file.as_bytes()), facts: None }
}

fn said(text: &str) -> Content {
    Content { text: text.into(), ..Content::default() }
}

/// Reads, and gives the call that publishes or what stops it.
fn prepare(adapter: &dyn Adapter, twin: &mut Folder, job: &Job) -> Result<Step, String> {
    let (session, secrets, mut scratch) = (Session::default(), Secrets::default(), Value::Null);
    loop {
        let attempt = Attempt {
            job,
            purpose: Purpose::Publish,
            done: &[],
            scratch: &scratch,
            session: &session,
            secrets: &secrets,
            now: job.started,
        };
        let step = match adapter.next(&attempt) {
            Next::Call(step) if step.effect == Effect::Publishes => return Ok(step),
            Next::Call(step) => step,
            other => return Err(format!("{other:?}")),
        };
        let reply = twin.answer(&step.call, job.started);
        match adapter.read(&attempt, &step, &reply) {
            Reading::Learned(value) => scratch = value,
            Reading::Retry { why, .. } => return Err(why),
            other => panic!("{other:?}"),
        }
    }
}

fn publish(adapter: &dyn Adapter, twin: &mut Folder, job: &Job) {
    let step = prepare(adapter, twin, job).unwrap();
    twin.answer(&step.call, job.started);
}

fn text_of(twin: &Folder, path: &str) -> String {
    let files = twin.files(0);
    let bytes = files.get(path).unwrap_or_else(|| panic!("no {path} among {:?}", files.keys()));
    String::from_utf8(bytes.clone()).unwrap()
}

/// Everything that could go wrong in a text, at once.
fn hostile() -> Content {
    Content {
        text: "<b>Bold</b> & \"quoted\" \u{0}\u{1b}[31m]]> --> \u{fffe}\n\nsee https://example.org/?a=1&b='2'".into(),
        link: Some("javascript:alert('x')".into()),
        lang: Some("de\"><script>".into()),
        tags: vec!["a<b".into(), "\"c\" onload=\"x".into()],
        media: vec![picture("a.png", "\"><script>alert(1)</script>\u{7}"), picture("b.exe", "A <program>")],
        thread: vec!["</section></article><h1>two".into(), "three\u{b}".into()],
        reply_to: Some(ReplyTo::Theirs("at://did:plc:x/\"y<z".into())),
        visibility: Visibility::Public,
        warning: Some("</summary><script>".into()),
    }
}

/// Element names and attributes of a document, in order; panics where it is not well-formed. With `html`, elements
/// that have no end are known.
fn elements(document: &str, html: bool) -> Vec<(String, BTreeMap<String, String>)> {
    const VOID: &[&str] = &["meta", "link", "img", "br"];
    let body = document.split_once('\n').expect("a first line").1;
    let forbidden = |c: char| (c.is_control() && !matches!(c, '\n' | '\t')) || matches!(c, '\u{fffe}' | '\u{ffff}');
    assert!(!document.contains(forbidden), "a character that no document may hold: {document}");
    let (mut open, mut found) = (Vec::new(), Vec::new());
    let mut pieces = body.split('<');
    assert_eq!(pieces.next(), Some(""));
    for piece in pieces {
        let (tag, text) = piece.split_once('>').unwrap_or_else(|| panic!("'<' without '>': {piece}"));
        let entities = |text: &str| {
            for rest in text.split('&').skip(1) {
                let name = rest.split_once(';').map(|(name, _)| name);
                assert!(matches!(name, Some("amp" | "lt" | "gt" | "quot" | "#39")), "a bare ampersand: {text}");
            }
        };
        entities(text);
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name.to_owned()), "a wrong end in {piece}");
            continue;
        }
        let (tag, empty) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let (name, mut rest) = tag.split_once(' ').unwrap_or((tag, ""));
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric()), "no element: {name:?}");
        let mut attributes = BTreeMap::new();
        while !rest.is_empty() {
            let bare = rest.split(' ').next().unwrap();
            if html && !bare.contains('=') {
                attributes.insert(bare.to_owned(), String::new());
                rest = rest[bare.len()..].trim_start();
                continue;
            }
            let (key, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("no attribute: {rest:?}"));
            let (value, after) = after.split_once('"').unwrap_or_else(|| panic!("no end of a value: {rest:?}"));
            assert!(key.chars().all(|c| c.is_ascii_alphabetic() || "-:".contains(c)), "no name: {key:?}");
            entities(value);
            assert!(attributes.insert(key.to_owned(), value.to_owned()).is_none(), "{key} twice");
            rest = after.trim_start();
        }
        found.push((name.to_owned(), attributes));
        let ends = empty || (html && VOID.contains(&name));
        if !ends {
            open.push(name.to_owned());
        }
    }
    assert!(open.is_empty(), "never ended: {open:?}");
    found
}

/// The rules of JSON Feed 1.1 that concern what we write.
fn assert_json_feed(text: &str) -> Value {
    let feed: Value = serde_json::from_str(text).unwrap();
    let is_text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    let is_url = |value: &Value| value.as_str().is_some_and(|text| url::Url::parse(text).is_ok());
    assert_eq!(feed["version"], "https://jsonfeed.org/version/1.1");
    assert!(is_text(&feed["title"]) && is_url(&feed["home_page_url"]) && is_url(&feed["feed_url"]));
    let known = ["version", "title", "home_page_url", "feed_url", "description", "authors", "language", "items"];
    for key in feed.as_object().unwrap().keys() {
        assert!(known.contains(&key.as_str()) || key.starts_with('_'), "{key}");
    }
    let mut ids = BTreeSet::new();
    let known = "id url external_url content_html summary image date_published tags language attachments";
    for item in feed["items"].as_array().unwrap() {
        assert!(is_text(&item["id"]) && is_url(&item["url"]) && is_text(&item["content_html"]), "{item:#}");
        assert!(ids.insert(item["id"].to_string()), "an id stands once");
        assert!(item["date_published"].as_str().unwrap().parse::<Timestamp>().is_ok());
        for attachment in item["attachments"].as_array().into_iter().flatten() {
            assert!(is_url(&attachment["url"]) && is_text(&attachment["mime_type"]));
            assert!(attachment["size_in_bytes"].is_u64());
        }
        assert!(item["tags"].as_array().into_iter().flatten().all(is_text));
        for key in item.as_object().unwrap().keys() {
            assert!(known.split(' ').any(|known| known == key), "{key}");
        }
        elements(&format!("\n{}", item["content_html"].as_str().unwrap().trim_end()), true);
    }
    feed
}

/// RFC 4287: well-formed, and each of feed and entries has its required elements once.
fn assert_atom(text: &str) {
    assert!(
        text.starts_with("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\"")
    );
    elements(text, false);
    let (head, entries) = text.split_once("<entry").map_or((text, ""), |(head, rest)| (head, rest));
    for required in ["<id>", "<title>", "<updated>", "<author>", "rel=\"self\"", "rel=\"alternate\""] {
        assert_eq!(head.matches(required).count(), 1, "{required} in {head}");
    }
    for entry in entries.split("<entry").filter(|entry| !entry.is_empty()) {
        for required in ["<id>", "<title>", "<updated>", "<published>", "rel=\"alternate\"", "<content type=\"html\">"]
        {
            assert_eq!(entry.matches(required).count(), 1, "{required} in {entry}");
        }
    }
}

/// Landmarks, languages, names and texts for everything; no scripts, and nothing from elsewhere.
fn assert_page(html: &str) {
    assert!(html.starts_with("<!DOCTYPE html>\n"));
    let all = elements(html, true);
    let count = |name: &str| all.iter().filter(|(found, _)| found == name).count();
    for once in ["html", "title", "main", "h1", "nav"] {
        assert_eq!(count(once), 1, "{once}");
    }
    assert_eq!((count("script"), count("iframe"), count("style")), (0, 0, 0));
    assert!(html.contains("<a class=\"skip\" href=\"#main\">") && html.contains("<main id=\"main\""));
    let mut ids = BTreeSet::new();
    for (name, attributes) in &all {
        assert!(name != "html" || attributes.contains_key("lang"));
        assert!(
            name != "img" || (attributes.contains_key("alt") && attributes["src"].contains("media/")),
            "{attributes:?}"
        );
        assert!(
            name != "time" || attributes["datetime"].parse::<Timestamp>().is_ok() || attributes["datetime"].len() == 10
        );
        assert!(attributes.keys().all(|key| !key.starts_with("on")), "{attributes:?}");
        assert!(attributes.get("id").is_none_or(|id| ids.insert(id.clone())), "an id stands once");
        for key in ["href", "src"] {
            let scheme = attributes.get(key).and_then(|target| target.split_once(':')).map(|(scheme, _)| scheme);
            assert!(matches!(scheme, None | Some("https" | "http")), "{attributes:?}");
        }
        let loads = attributes.contains_key("src") || attributes.get("rel").is_some_and(|rel| rel == "stylesheet");
        let target = attributes.get("src").or(attributes.get("href"));
        assert!(!loads || target.is_some_and(|target| !target.contains("//")), "{attributes:?}");
    }
}

fn assert_site(twin: &Folder) {
    for (path, bytes) in twin.files(0) {
        let text = String::from_utf8_lossy(&bytes);
        match path.rsplit_once('.').map(|(_, extension)| extension) {
            Some("html") => assert_page(&text),
            Some("xml") => assert_atom(&text),
            _ if path == JSON_FEED => drop(assert_json_feed(&text)),
            _ => {}
        }
    }
}

#[test]
fn nothing_that_people_write_breaks_a_page_or_a_feed() {
    let hostile_words = "author = '<i>&\"'\ndescription = \"</p>\\u0000<script>\"";
    let mut values = about(hostile_words);
    values.insert("title".into(), "</title><script>&".into());
    let adapter = built(values).unwrap();
    let mut twin = Folder::default();
    publish(&*adapter, &mut twin, &job(&*adapter, "a", 0, hostile()));
    publish(&*adapter, &mut twin, &job(&*adapter, "b", 1, Content { warning: None, ..hostile() }));
    publish(&*adapter, &mut twin, &job(&*adapter, "c", 2, Content::default()));
    assert_site(&twin);
    let page = text_of(&twin, "posts/b/index.html");
    assert!(page.contains("&lt;b&gt;Bold&lt;/b&gt; &amp; &quot;quoted&quot;"), "{page}");
    assert!(page.contains("alt=\"&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;\""), "{page}");
    assert!(twin.files(0).keys().any(|path| path.ends_with(".bin")), "unknown media are served as plain bytes");
}

#[test]
fn a_page_shows_all_there_is() {
    let adapter = built(about("author = 'Ada'\nlang = 'en'\ndescription = 'What we do'")).unwrap();
    let mut twin = Folder::default();
    publish(&*adapter, &mut twin, &job(&*adapter, "first", 0, said("The first one")));
    let content = Content {
        text: "Ein Anfang.\n\nMehr unter https://example.org/mehr.".into(),
        link: Some("https://example.org/story/".into()),
        lang: Some("de".into()),
        tags: vec!["bauen".into()],
        media: vec![picture("desk.png", "Ein kleiner Tisch")],
        thread: vec!["Der zweite Teil".into()],
        reply_to: Some(ReplyTo::Ours(PostId::new("first").unwrap())),
        ..Content::default()
    };
    let job = Job {
        answers: Some(Remote {
            id: "first".into(),
            url: Some(format!("{BASE}/posts/first/")),
            reference: JsonText::default(),
        }),
        ..job(&*adapter, "second", 1, content)
    };
    publish(&*adapter, &mut twin, &job);
    assert_site(&twin);
    insta::with_settings!({ prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("page", text_of(&twin, "posts/second/index.html"));
        insta::assert_snapshot!("index", text_of(&twin, INDEX));
        insta::assert_snapshot!("archive", text_of(&twin, ARCHIVE));
        insta::assert_snapshot!("feed", text_of(&twin, JSON_FEED));
        insta::assert_snapshot!("atom", text_of(&twin, ATOM));
        insta::assert_snapshot!("list", text_of(&twin, LIST));
    });
    assert_eq!(twin.files(0)[&format!("media/{}.png", Digest::of(b"desk.png").hex())], b"desk.png");
    assert_eq!(twin.files(0)[STYLE], pages::STYLE.as_bytes());
}

#[test]
fn the_same_picture_twice_is_one_file() {
    let adapter = site();
    let content = Content { media: vec![picture("a.png", "Once"), picture("a.png", "Twice")], ..said("Look") };
    let step = prepare(&*adapter, &mut Folder::default(), &job(&*adapter, "a", 0, content)).unwrap();
    let Call::File(FileCall { work: FileWork::Write(files), .. }) = &step.call else { panic!("{step:?}") };
    let paths: BTreeSet<_> = files.iter().map(|(path, _)| path).collect();
    assert_eq!(paths.len(), files.len(), "{paths:?}");
}

#[test]
fn a_warning_stands_before_everything_that_it_warns_of() {
    let adapter = site();
    let mut twin = Folder::default();
    let content = Content {
        warning: Some("spiders".into()),
        media: vec![picture("s.png", "A huge spider")],
        ..said("Eight legs")
    };
    publish(&*adapter, &mut twin, &job(&*adapter, "a", 0, content));
    for path in [INDEX, ARCHIVE] {
        let text = text_of(&twin, path);
        assert!(text.contains("spiders") && !text.contains("Eight legs"), "{text}");
    }
    let page = text_of(&twin, "posts/a/index.html");
    let details = &page[page.find("<details>").unwrap()..page.find("</details>").unwrap()];
    assert!(details.contains("Eight legs") && details.contains("A huge spider") && details.contains("spiders"));
    assert!(!page.replace(details, "").contains("legs") && !page.replace(details, "").contains("huge"), "{page}");
    let feed = assert_json_feed(&text_of(&twin, JSON_FEED));
    assert_eq!((&feed["items"][0]["summary"], &feed["items"][0]["image"]), (&json!("spiders"), &Value::Null));
}

#[test]
fn an_unlisted_post_has_a_page_and_no_other_file_names_it() {
    let adapter = site();
    let mut twin = Folder::default();
    publish(&*adapter, &mut twin, &job(&*adapter, "open", 0, said("Open")));
    let quiet = Content { visibility: Visibility::Unlisted, ..said("Whisper") };
    publish(&*adapter, &mut twin, &job(&*adapter, "quiet", 1, quiet));
    assert_site(&twin);
    assert!(text_of(&twin, "posts/quiet/index.html").contains("<meta name=\"robots\" content=\"noindex\">"));
    for (path, bytes) in twin.files(0).into_iter().filter(|(path, _)| path != "posts/quiet/index.html") {
        let text = String::from_utf8(bytes).unwrap();
        assert!(!text.contains("quiet") && !text.contains("Whisper"), "{path}: {text}");
    }
}

#[test]
fn followers_alone_cannot_be_served() {
    let adapter = site();
    let content = Content { visibility: Visibility::Followers, ..said("For few") };
    let complaints = adapter.check(&content, &Session::default());
    assert_eq!(complaints.iter().map(|complaint| complaint.key.as_str()).collect::<Vec<_>>(), ["visibility"]);
    let refused = prepare(&*adapter, &mut Folder::default(), &job(&*adapter, "a", 0, content));
    assert!(refused.is_err_and(|why| why.starts_with("Refuse")));
    assert_eq!(adapter.check(&hostile(), &Session::default()), []);
}

#[test]
fn lists_stay_bounded_and_the_archive_holds_all() {
    let adapter = site();
    let mut twin = Folder::default();
    // The pages are not needed here, and the list alone goes on.
    let mut list = List::default();
    for minute in 0..120 {
        let Some(Value::String(at)) = adapter.freeze(&said(""), Timestamp::UNIX_EPOCH, 0).get("at").cloned() else {
            panic!("a moment is frozen")
        };
        assert_eq!(at, "1970-01-01T00:00:00Z");
        let job = job(&*adapter, &format!("p{minute:03}"), minute, said(&format!("Post {minute}\nand more")));
        let about =
            About { base: BASE.into(), title: "Notes".into(), author: None, description: None, lang: "en".into() };
        list.put(wire::Entry::new(&job, &about, job.started));
    }
    twin.tamper(0, LIST, Some(&list.encode()));
    publish(&*adapter, &mut twin, &job(&*adapter, "last", 500, said("The last one")));
    assert_site(&twin);
    let count = |path: &str, what: &str| text_of(&twin, path).matches(what).count();
    assert_eq!(count(ATOM, "<entry"), 50);
    assert_eq!(assert_json_feed(&text_of(&twin, JSON_FEED))["items"].as_array().unwrap().len(), 50);
    assert_eq!(count(INDEX, "<article"), 100);
    assert_eq!(count(ARCHIVE, "<li><time"), 121);
    assert_eq!((count(LIST, "\"body\""), count(LIST, "\"excerpt\"")), (50, 99));
    assert!(text_of(&twin, INDEX).find("The last one") < text_of(&twin, INDEX).find("Post 119"));
}

#[test]
fn a_crash_between_any_two_files_leaves_no_dead_link_and_a_repeat_completes_the_site() {
    let adapter = site();
    let mut before = Folder::default();
    publish(&*adapter, &mut before, &job(&*adapter, "first", 0, said("First")));
    let content = Content { media: vec![picture("a.png", "A")], ..said("Second") };
    let second = job(&*adapter, "second", 1, content);
    let step = prepare(&*adapter, &mut before, &second).unwrap();
    let Call::File(FileCall { root, work: FileWork::Write(all) }) = &step.call else { panic!("{step:?}") };
    let files = before.files(0);
    let with = |count: usize| {
        let mut twin = Folder::default();
        files.iter().for_each(|(path, bytes)| twin.tamper(0, path, Some(bytes)));
        let work = FileWork::Write(all[..count].to_vec());
        twin.answer(&Call::File(FileCall { root: root.clone(), work }), second.started);
        twin
    };
    let whole = with(all.len()).files(0);
    for count in 0..=all.len() {
        let mut twin = with(count);
        assert_site(&twin);
        for (path, bytes) in twin.files(0).iter().filter(|(path, _)| path.ends_with(".html")) {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            for (_, attributes) in elements(&String::from_utf8_lossy(bytes), true) {
                let target = attributes.get("href").or(attributes.get("src")).filter(|target| !target.contains(':'));
                let Some(target) = target.filter(|target| !target.starts_with('#')) else { continue };
                let target = plain(&Path::new(folder).join(target)).display().to_string();
                assert!(twin.files(0).contains_key(&target), "after {count} files, {path} leads to {target}");
            }
        }
        // A later attempt, with the moment of the first.
        publish(&*adapter, &mut twin, &Job { attempt: 2, ..second.clone() });
        assert_eq!(twin.files(0), whole, "after {count} files");
    }
}

#[test]
fn what_we_did_not_make_or_cannot_read_is_named_and_left_alone() {
    let adapter = site();
    let later = "{\"version\":2,\"posts\":[]}";
    let cut = "{\"version\":1,\"posts\":[{\"id\":\"first\"";
    let climbing = "{\"version\":1,\"posts\":[{\"id\":\"../x\",\"at\":\"2026-01-01T00:00:00Z\",\"title\":\"t\"}]}";
    for (path, bytes, named) in [
        (LIST, Some(cut), LIST),
        (LIST, Some(later), "later version"),
        (LIST, Some(climbing), LIST),
        (LIST, Some(""), LIST),
        (LIST, None, LIST),
        (INDEX, Some("<h1>By hand</h1>"), INDEX),
        (JSON_FEED, Some("{}"), JSON_FEED),
        (ATOM, Some("<rss/>"), ATOM),
        ("posts/second/index.html", Some("<p>mine</p>"), "posts/second/index.html"),
    ] {
        let mut twin = Folder::default();
        publish(&*adapter, &mut twin, &job(&*adapter, "first", 0, said("First")));
        twin.tamper(0, path, bytes.map(str::as_bytes));
        let refused = prepare(&*adapter, &mut twin, &job(&*adapter, "second", 1, said("Second")));
        assert!(refused.as_ref().is_err_and(|why| why.contains(named)), "{path} {bytes:?}: {refused:?}");
    }
}

#[test]
fn a_style_sheet_that_people_made_their_own_is_kept() {
    let adapter = site();
    let mut twin = Folder::default();
    for (there, kept) in [("body { color: red }", true), ("/* made by cadenced; older */ p {}", false), ("", false)] {
        twin.tamper(0, STYLE, Some(there.as_bytes()));
        publish(&*adapter, &mut twin, &job(&*adapter, "a", 0, said("A")));
        assert_eq!(text_of(&twin, STYLE) == there, kept, "{there}");
    }
}

#[test]
fn looking_back_finds_the_page_and_nothing_else() {
    let adapter = site();
    let mut twin = Folder::default();
    let (first, second) = (job(&*adapter, "first", 0, said("Same")), job(&*adapter, "second", 1, said("Same")));
    publish(&*adapter, &mut twin, &first);
    let look = |twin: &mut Folder, job: &Job| {
        let (session, secrets) = (Session::default(), Secrets::default());
        let attempt = Attempt {
            job,
            purpose: Purpose::LookBack,
            done: &[],
            scratch: &Value::Null,
            session: &session,
            secrets: &secrets,
            now: job.started,
        };
        let Next::Call(step) = adapter.next(&attempt) else { panic!("there is something to look at") };
        assert_eq!(step.effect, Effect::Harmless);
        let reply = twin.answer(&step.call, job.started);
        adapter.read(&attempt, &step, &reply)
    };
    let found = look(&mut twin, &first);
    assert!(matches!(&found, Reading::Found(remote) if remote["url"] == format!("{BASE}/posts/first/")), "{found:?}");
    assert_eq!(look(&mut twin, &second), Reading::Absent);
    twin.tamper(0, LIST, Some(b"garbled"));
    assert!(matches!(look(&mut twin, &first), Reading::Found(_)), "a page that people can see is there");
    twin.tamper(0, "posts/first/index.html", Some(b"another's"));
    assert_eq!(look(&mut twin, &first), Reading::Absent);
}

#[test]
fn a_list_of_the_first_version_stays_readable() {
    let list = List::decode(include_bytes!("fixtures/posts-1.json")).unwrap();
    let ids: Vec<_> = list.posts.iter().map(|entry| entry.id.as_str()).collect();
    assert_eq!(ids, ["2026-11-desk-story", "2026-10-first-story"]);
    let body = list.posts[0].body.as_deref().unwrap();
    assert_eq!((body.parts.len(), body.media.len(), body.warning.as_deref()), (2, 1, Some("long")));
    assert_eq!(List::decode(&list.encode()).unwrap(), list);
}

#[test]
fn a_table_is_refused_with_everything_that_is_wrong() {
    let keys = |values: &str| -> Vec<String> {
        let complaints = built(values.parse().unwrap()).err().unwrap_or_default();
        complaints.into_iter().map(|complaint| complaint.key).collect()
    };
    assert_eq!(keys(""), ["path", "base_url", "title"]);
    assert_eq!(
        keys("path = 'a'\nbase_url = 'http://example.org'\ntitle = ' '\nlang = 'not a tag'"),
        ["base_url", "title", "lang"]
    );
    assert_eq!(keys("path = 1\nbase_url = 'https://example.org'\ntitle = 'T'\nauthor = ''"), ["path", "author"]);
    assert_eq!(keys("path = 'a'\nbase_url = 'https://example.org'\ntitle = 'T'"), [""; 0]);
}

#[test]
fn one_folder_has_one_name() {
    let place = |path: &str| {
        let mut values = about("");
        values.insert("path".into(), path.into());
        built(values).unwrap().place()
    };
    assert_eq!(place("site"), "/srv/web/site");
    assert_eq!(place("./x/../site/"), "/srv/web/site");
    assert_eq!(place("/srv/web/site"), "/srv/web/site");
}

#[test]
fn a_folder_that_was_moved_is_the_same_site() {
    let at = |key: &str, value: &str| {
        let mut values = about("");
        values.insert(key.into(), value.into());
        built(values).unwrap()
    };
    let (here, moved) = (at("path", "site"), at("path", "elsewhere"));
    assert_ne!(here.place(), moved.place());
    assert_eq!(here.host(), moved.host());
    assert_ne!(here.host(), at("base_url", "https://other.example/notes").host());
}
