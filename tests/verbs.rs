//! `check` and `approve` on a queue folder in memory: what they say, how they end, and what they write.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use cadenced::cli::approve::{Approve, How, QueueDesk, Written, approve};
use cadenced::cli::check::{Check, Format, QueueFiles, QueueFolder, check, platform_keys};
use cadenced::cli::faults::Look;
use cadenced::config::{self, ConfigEnv, Settings};
use cadenced::domain::{Content, DeliveryId, Digest, FoundMedia, MediaFacts, MediaItem, SecretRef, Timestamp};
use cadenced::platform::contract::{
    Adapter, Attempt, Complaint, Entry, Evidence, Key, KeyKind, Next, Reading, Reply, Session, Step, Table,
};
use cadenced::queue::signed::{Allowed, Beside};

const CONFIG: &str = r#"
[queue]
path = "q"
[policy]
quiet = ["22:00-07:00"]
[accounts.one]
platform = "wall"
place = "1"
slots = ["0 9 * * *"]
[accounts.two]
platform = "wall"
place = "2"
slots = ["0 9 * * *"]
paused = true
"#;

/// A platform that takes ten letters.
#[derive(Debug)]
struct Wall(String);

static WALL: Entry = Entry {
    name: "wall",
    keys: &[
        Key { name: "place", kind: KeyKind::Text, required: true, doc: "Where." },
        Key { name: "token", kind: KeyKind::Secret, required: false, doc: "Secret." },
    ],
    can: cadenced::platform::site::ENTRY.can,
    build: |table: &mut Table| {
        let place = table.required("place")?;
        if place == "nowhere" {
            table.complain(Complaint::new("place", "there is no such place").with_hint("go elsewhere"));
        }
        Some(Arc::new(Wall(place)))
    },
    twin: || panic!("nobody asks for it here"),
};

impl Adapter for Wall {
    fn platform(&self) -> &'static str {
        "wall"
    }
    fn place(&self) -> String {
        self.0.clone()
    }
    fn evidence(&self) -> Evidence {
        Evidence::None
    }
    fn secrets(&self) -> Vec<(&'static str, SecretRef)> {
        Vec::new()
    }
    fn check(&self, content: &Content, _: &Session) -> Vec<Complaint> {
        let long = content.text.chars().count() > 10;
        let film = |item: &MediaItem| item.facts.as_ref().is_some_and(|facts| facts.mime == "video/mp4");
        let films = content.media.iter().any(film).then(|| Complaint::new("media", "a wall takes no films"));
        let long = long.then(|| Complaint::new("text", "longer than ten letters").with_hint("shorten it"));
        let far = content.link.as_ref().is_some_and(|link| link.len() > 60);
        let far = far.then(|| Complaint::new("link", "the link is longer than sixty letters"));
        long.into_iter().chain(films).chain(far).collect()
    }
    fn freeze(&self, _: &Content, _: Timestamp, _: u64) -> serde_json::Value {
        serde_json::Value::Null
    }
    fn next(&self, _: &Attempt<'_>) -> Next {
        Next::Refuse("not here".into())
    }
    fn read(&self, _: &Attempt<'_>, _: &Step, _: &Reply) -> Reading {
        Reading::Absent
    }
}

/// A folder in memory. `changes` happen at the next reading of a file.
#[derive(Default)]
struct Folder {
    files: RefCell<BTreeMap<String, Vec<u8>>>,
    changes: RefCell<BTreeMap<String, Vec<u8>>>,
    media: RefCell<BTreeMap<String, Vec<u8>>>,
}

impl Folder {
    fn new(files: &[(&str, &str)]) -> Self {
        let files = files.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())).collect();
        let media = BTreeMap::from([("desk.jpg".to_owned(), b"desk".to_vec())]);
        Self { files: RefCell::new(files), changes: RefCell::default(), media: RefCell::new(media) }
    }

    fn text(&self, file: &str) -> String {
        String::from_utf8(self.files.borrow()[file].clone()).expect("text")
    }
}

impl QueueFolder for Folder {
    fn files<'f>(&'f self, folder: &Path) -> Result<QueueFiles<'f>, String> {
        if folder != Path::new("/c/q") {
            return Err("there is no such folder".into());
        }
        let files: Vec<_> =
            self.files.borrow().iter().map(|(name, bytes)| (name.as_str().into(), Ok(bytes.clone()))).collect();
        Ok(Box::new(files.into_iter()))
    }

    fn read(&self, _: &Path, file: &str) -> Result<Vec<u8>, String> {
        if let Some(bytes) = self.changes.borrow_mut().remove(file) {
            self.files.borrow_mut().insert(file.to_owned(), bytes);
        }
        self.files.borrow().get(file).cloned().ok_or_else(|| "it is gone".into())
    }

    fn media(&self, _: &Path, _: &str, path: &str) -> Result<FoundMedia, String> {
        self.media
            .borrow()
            .get(path)
            .map(|bytes| {
                let facts = MediaFacts { mime: "video/mp4", bytes: 1, size: None, duration: None };
                let facts = path.ends_with(".mp4").then(|| facts.into());
                FoundMedia { sha256: Digest::of(bytes), facts }
            })
            .ok_or_else(|| "there is no such file".into())
    }

    fn media_size(&self, _: &Path, _: &str, path: &str) -> Option<u64> {
        self.media.borrow().get(path).map(|bytes| bytes.len() as u64)
    }

    fn beside(&self, _: &Path, _: &str) -> Beside {
        Beside::Nothing
    }

    fn allowed(&self, _: &Path) -> Allowed {
        Err("nobody signs here".into())
    }
}

impl QueueDesk for Folder {
    fn locate(&self, _: &Path, word: &str) -> Option<Arc<str>> {
        self.files.borrow().contains_key(word).then(|| word.into())
    }

    fn replace(&self, _: &Path, file: &str, before: &[u8], after: &[u8]) -> Result<(), String> {
        let mut files = self.files.borrow_mut();
        if files[file] != before {
            return Err("it has changed".into());
        }
        files.insert(file.to_owned(), after.to_vec());
        Ok(())
    }

    fn replace_beside(&self, _: &Path, _: &str, _: &Beside, _: &[u8]) -> Result<Written, String> {
        Err("nobody signs here".into())
    }
}

fn run(config: &str, folder: &Folder, format: Format, over: &dyn Fn(&DeliveryId) -> bool) -> (u8, String) {
    run_after(config, folder, format, over, &|_| None)
}

/// The same, when deliveries were sent.
fn run_after(
    config: &str,
    folder: &Folder,
    format: Format,
    over: &dyn Fn(&DeliveryId) -> bool,
    sent: &dyn Fn(&DeliveryId) -> Option<Timestamp>,
) -> (u8, String) {
    let ask = Check {
        config_file: Path::new("/c/cadenced.toml"),
        config: Ok(config.as_bytes().to_vec()),
        state_directory: None,
        runtime_directory: None,
        registry: &[&WALL],
        now: "2026-11-20T10:00:00Z".parse().expect("a moment"),
        format,
        over,
        sent,
    };
    let mut out = Vec::new();
    let code = check(&ask, folder, &mut out).expect("memory takes it");
    (code, String::from_utf8(out).expect("text"))
}

fn plain(config: &str, folder: &Folder) -> (u8, String) {
    run(config, folder, Format::Text(Look::Plain), &|_| false)
}

fn snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("fixtures/verbs");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

fn post(id: &str, to: &str, text: &str, more: &str) -> String {
    format!(
        "[[post]]\nid = \"{id}\"\nto = [\"{to}\"]\naudience = \"a\"\ngoal = \"change\"\ntext = \"{text}\"\n{more}\n"
    )
}

#[test]
fn a_clean_queue_is_clean() {
    let folder = Folder::new(&[("a.toml", &post("a", "one", "short", "")), ("b/c.toml", "")]);
    assert_eq!(plain(CONFIG, &folder), (0, "2 queue files, 1 post: no problems\n".into()));
    assert_eq!(run(CONFIG, &folder, Format::Json, &|_| false), (0, String::new()));
}

#[test]
fn what_the_platform_does_not_take_is_told_from_the_file_itself() {
    let film = "media = [{ file = 'film.mp4', alt = 'a film' }]";
    let folder = Folder::new(&[("a.toml", &post("a", "one", "short", film))]);
    folder.media.borrow_mut().insert("film.mp4".into(), Vec::new());
    let (code, said) = plain(CONFIG, &folder);
    assert!(code == 1 && said.contains("a wall takes no films"), "{said}");
}

#[test]
fn a_broken_configuration_is_unusable() {
    let folder = Folder::new(&[]);
    let config = CONFIG
        .replace("place = \"1\"", "place = \"nowhere\"\ntoken = \"hunter2\"")
        .replace("place = \"2\"", "placce = \"nowhere\" # hunter2");
    let (code, said) = plain(&config, &folder);
    assert!(!said.contains("hunter2"), "{said}");
    let clash = CONFIG.replace("place = \"2\"", "place = \"1\"");
    let (again, twice) = plain(&clash, &folder);
    let (lost, gone) = plain(&CONFIG.replace("path = \"q\"", "path = \"elsewhere\""), &folder);
    assert_eq!((code, again, lost), (2, 2, 2));
    snapshot("check-config", &format!("{said}{twice}{gone}"));
}

#[test]
fn warnings_about_the_configuration_alone_are_no_findings() {
    let config = CONFIG.replacen("slots = [\"0 9 * * *\"]", "slots = [\"0 9 * * *\", \"0 23 * * *\"]", 1);
    let (code, said) = plain(&config, &Folder::new(&[]));
    assert_eq!(code, 0);
    snapshot("check-quiet-slot", &said);
}

fn mixed() -> Folder {
    let mut first = post("long", "one", "much too long a text", "");
    first += &post("past", "one", "x", "at = 2026-11-20T08:00:00Z");
    first += &post("night", "one", "y", "at = 2026-12-01T23:00:00Z");
    first += &post("noon", "one", "z", "at = 2026-12-02T12:00:00Z\nexpires = 2026-12-03T00:00:00Z");
    first += &post("gone", "one", "", "expires = 2026-11-20T10:00:00Z\nmedia = [{ file = \"no.jpg\" }]");
    let mut second = post("close", "one", "w", "at = 2026-12-02T13:00:00Z");
    second += &post("paused", "two", "x", "reply_to = \"nigth\"");
    second += &post("again", "one", "x", "[post.variant.one]\ntext = \"still too long a text\"");
    second += &post("long", "one", "other", "");
    second += &post("echo", "one", "w", "");
    second += &post("same", "one", "v", "");
    second += "[[reply]]\nid = \"r\"\nto = \"on\"\nconversation = \"17\"\ntext = \"\"\n";
    Folder::new(&[
        ("a.toml", &first),
        ("b.toml", &second),
        ("c.toml", "[[post]\n"),
        ("d.toml", &post("fine", "one", "v", "")),
    ])
}

#[test]
fn findings_are_told_where_they_are() {
    let (code, said) = plain(CONFIG, &mixed());
    assert_eq!(code, 1);
    snapshot("check-findings", &said);
    let (code, said) = run(CONFIG, &mixed(), Format::Json, &|delivery| delivery.post.as_str() == "past");
    assert_eq!(code, 1);
    assert!(said.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()));
    assert!(!said.contains("has passed"), "what is over may be in the past");
    snapshot("check-findings-json", &said);
}

fn settings() -> Settings {
    let platforms = platform_keys(&[&WALL]);
    let env = ConfigEnv { state_directory: None, runtime_directory: None, platforms: &platforms };
    config::read(Path::new("/c/cadenced.toml"), CONFIG.as_bytes(), &env).expect("a good configuration").0
}

fn ask(folder: &Folder, what: &[&str], answer: Option<&str>) -> (u8, String) {
    let what: Vec<_> = what.iter().map(|word| (*word).to_owned()).collect();
    let ask = Approve {
        settings: &settings(),
        what: &what,
        how: How::Written { by: "editor@example.org" },
        yes: answer.is_none(),
        now: "2026-11-20T10:00:00Z".parse().expect("a moment"),
        look: Look::Plain,
    };
    let mut out = Vec::new();
    let code = approve(&ask, folder, &mut answer.unwrap_or("").as_bytes(), &mut out).expect("memory takes it");
    (code, String::from_utf8(out).expect("text"))
}

fn tricky() -> Folder {
    let mut text = String::from("# top\n\n");
    text += "[[post]] # one\nid = \"a\"\nto = [\"one\", \"two\"]\naudience = \"founders\"\ngoal = \"promotion\"\n";
    text += "text = \"\"\"\nfirst \\u202eline\nsecond\"\"\"\nlink = \"https://example.org\"\ntags = [\"x\", \"y\"]\nlang = \"en\"\n";
    text +=
        "thread = [\"more\"]\nmedia = [{ file = \"desk.jpg\", alt = \"a desk\" }]\nnot_before = 2026-11-25T00:00:00Z\n";
    text += "series = \"s\"\npriority = 3\nreply_to = \"z\"\nvisibility = \"unlisted\"\nwarning = \"w\"\n";
    text += "[post.variant.two]\ntext = \"for two\"\nmedia = []\n\n# of b\n";
    text += &post("b", "one", "other", "");
    Folder::new(&[("a.toml", &text), ("b.toml", &post("c", "one", "third", ""))])
}

#[test]
fn exactly_what_is_shown_is_approved() {
    let folder = tricky();
    let before = folder.text("a.toml");
    let (code, said) = ask(&folder, &["a", "b.toml"], Some("y\n"));
    assert_eq!(code, 0, "{said}");
    snapshot("approve", &format!("{said}----\n{}", folder.text("a.toml")));
    assert!(folder.text("b.toml").contains("[post.approval]"));
    let kept: String = folder
        .text("a.toml")
        .lines()
        .filter(|line| before.lines().any(|old| old == *line))
        .map(|line| line.to_owned() + "\n")
        .collect();
    assert_eq!(kept, before);
    let (code, said) = ask(&folder, &["a"], None);
    assert_eq!((code, said.as_str()), (0, "nothing to approve: all of it is approved already\n"));
    let (code, said) = plain(CONFIG, &folder);
    assert!(code == 1 && !said.contains("approval"), "{said}");
}

#[test]
fn nothing_is_approved_without_a_yes() {
    for answer in ["", "n\n", "yep\n", "\n"] {
        let folder = tricky();
        let before = folder.text("a.toml");
        let (code, said) = ask(&folder, &["a"], Some(answer));
        assert_eq!((code, folder.text("a.toml")), (1, before));
        assert!(said.ends_with("[y/N] nothing was approved\n"), "{said}");
    }
}

#[test]
fn what_changed_since_it_was_shown_is_not_approved() {
    let folder = tricky();
    let other = folder.text("a.toml").replace("other", "0ther");
    folder.changes.borrow_mut().insert("a.toml".into(), other.clone().into_bytes());
    let (code, said) = ask(&folder, &["b"], None);
    assert_eq!((code, folder.text("a.toml")), (1, other));
    assert!(said.ends_with("error: a.toml: it has changed since it was shown\nnothing was approved\n"), "{said}");
}

#[test]
fn a_file_that_has_no_room_for_its_approval_is_told() {
    let mut text = post("a", "one", "full", "");
    text += &"#".repeat(1024 * 1024 - text.len());
    let folder = Folder::new(&[("a.toml", &text)]);
    let (code, said) = ask(&folder, &["a"], None);
    assert_eq!((code, folder.text("a.toml")), (1, text));
    assert!(said.contains("could not be read any more: the file is larger than 1048576 bytes\n"), "{said}");
}

#[test]
fn what_cannot_be_approved_is_told() {
    let folder = mixed();
    let before = folder.text("a.toml");
    let mut said = String::new();
    for what in [&["gone"][..], &["nobody"], &["No Such"], &["c.toml"], &["a.toml", "fine"]] {
        let (code, told) = ask(&folder, what, None);
        assert_eq!(code, 1, "{told}");
        said += &format!("# {what:?}\n{told}");
    }
    snapshot("approve-refused", &said);
    assert_eq!(folder.text("a.toml"), before);
    assert!(!folder.text("d.toml").contains("approval"), "all or nothing");
}

#[test]
fn the_same_words_to_the_same_people_are_a_finding() {
    let sprays = |config: &str, first: &str, second: &str, sent: &dyn Fn(&DeliveryId) -> Option<Timestamp>| {
        let folder = Folder::new(&[("1.toml", first), ("2.toml", second)]);
        let (_, out) = run_after(config, &folder, Format::Json, &|delivery| sent(delivery).is_some(), sent);
        let found: Vec<String> = out
            .lines()
            .filter(|line| line.contains("nearly the same"))
            .map(|line| {
                let fault: serde_json::Value = serde_json::from_str(line).expect("JSON");
                format!("{}:{} {}", fault["file"].as_str().expect("a file"), fault["line"], fault["reason"])
            })
            .collect();
        found
    };
    let first = post("p", "one", "a b c d e", "");
    let second = post("q", "two", "A b! c d E", "");
    let never = |_: &DeliveryId| None;
    let said = "/c/q/2.toml:6 \"p says nearly the same to the same people (1.toml:6:8)\"";
    assert_eq!(sprays(CONFIG, &first, &second, &never), [said]);
    let others = second.replace("audience = \"a\"", "audience = \"b\"");
    assert!(sprays(CONFIG, &first, &others, &never).is_empty(), "it is for other people");
    assert!(sprays(CONFIG, &first, &post("q", "two", "f g h i j", ""), &never).is_empty(), "it says something else");
    let off = CONFIG.replace("[policy]", "[policy]\nspray = \"off\"");
    assert!(sprays(&off, &first, &second, &never).is_empty());
    // What was sent counts for ninety days.
    let sent = |day: &str| {
        let at: Timestamp = format!("{day}T09:00:00Z").parse().expect("a moment");
        move |delivery: &DeliveryId| (delivery.post.as_str() == "p").then_some(at)
    };
    assert_eq!(sprays(CONFIG, &first, &second, &sent("2026-09-01")), [said]);
    assert!(sprays(CONFIG, &first, &second, &sent("2026-08-01")).is_empty());
    let expired = |delivery: &DeliveryId| delivery.post.as_str() == "p";
    let folder = Folder::new(&[("1.toml", &first), ("2.toml", &second)]);
    let (_, out) = run_after(CONFIG, &folder, Format::Json, &expired, &never);
    assert!(!out.contains("nearly the same"), "what never went out has not been said: {out}");
}

#[test]
fn one_post_for_two_accounts_of_a_platform_needs_two_texts() {
    let both = post("p", "one", "a b c d e", "").replace("[\"one\"]", "[\"one\", \"two\"]");
    let (_, out) = plain(CONFIG, &Folder::new(&[("1.toml", &both)]));
    assert!(out.contains("one and two are both on wall, and say nearly the same"), "{out}");
    assert!(out.contains("[post.variant.two]"), "{out}");
    let own = format!("{both}[post.variant.two]\ntext = \"f g h i j\"\n");
    let (_, out) = plain(CONFIG, &Folder::new(&[("1.toml", &own)]));
    assert!(!out.contains("nearly the same"), "{out}");
}

#[test]
fn a_link_is_as_long_as_it_goes_out() {
    let tagging = format!("{CONFIG}[links]\ntag = true\n");
    let check = |config: &str, more: &str| {
        let link = format!("link = \"https://a.example/\"\n{more}");
        plain(config, &Folder::new(&[("1.toml", &post("p", "one", "short", &link))])).1
    };
    assert!(check(&tagging, "").contains("one: the link is longer than sixty letters"), "{}", check(&tagging, ""));
    let not_here = tagging.replace("place = \"1\"", "place = \"1\"\nlinks = { tag = false }");
    for out in [check(CONFIG, ""), check(&tagging, "track = false"), check(&not_here, "")] {
        assert!(!out.contains("the link is longer"), "{out}");
    }
}
