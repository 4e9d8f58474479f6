//! `cadenced approve --sign` on a queue folder in memory: what it shows, what it asks, and what it has signed.

use std::cell::{Cell, RefCell};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use cadenced::cli::approve::{Approve, How, QueueDesk, Written, approve};
use cadenced::cli::check::{QueueFiles, QueueFolder, platform_keys};
use cadenced::cli::faults::Look;
use cadenced::cli::signing;
use cadenced::config::{self, ConfigEnv, Settings};
use cadenced::domain::{Digest, FoundMedia};
use cadenced::queue::signed::{Allowed, Beside, Signers};
use jiff::tz::TimeZone;

use super::keys::Signer;
use super::sheets::now;

const CONFIG: &str = r#"
[queue]
path = "q"
approval = "signed"
allowed_signers = "allowed"
[store]
path = "s"
[accounts.x]
platform = "site"
path = "site"
base_url = "https://notes.example"
title = "Notes"
slots = ["0 9 * * *"]
"#;

fn settings() -> Settings {
    let platforms = platform_keys(&[&cadenced::platform::site::ENTRY]);
    let env = ConfigEnv { state_directory: None, runtime_directory: None, platforms: &platforms };
    config::read(Path::new("/c/cadenced.toml"), CONFIG.as_bytes(), &env).expect("a good configuration").0
}

fn post(id: &str, text: &str, more: &str) -> String {
    format!("[[post]]\nid = \"{id}\"\nto = [\"x\"]\naudience = \"all\"\ngoal = \"change\"\ntext = \"{text}\"\n{more}\n")
}

const PICTURE: &str = "media = [{ file = \"desk.jpg\", alt = \"a desk\" }]";

/// One queue file, what stands beside it, and one picture.
struct Folder {
    file: RefCell<String>,
    /// What the file becomes when it is read for the so-manieth time.
    edit: RefCell<Option<(u32, String)>>,
    beside: RefCell<Beside>,
    picture: Cell<bool>,
    allowed: String,
    reads: Cell<u32>,
}

impl Folder {
    fn new(file: &str) -> Self {
        Self {
            file: RefCell::new(file.to_owned()),
            edit: RefCell::new(None),
            beside: RefCell::new(Beside::Nothing),
            picture: Cell::new(true),
            allowed: format!("me {}\n", Signer::new(1).line()),
            reads: Cell::new(0),
        }
    }

    fn sheet(&self) -> String {
        match &*self.beside.borrow() {
            Beside::Bytes(bytes) => String::from_utf8(bytes.clone()).expect("a text"),
            other => format!("{other:?}"),
        }
    }
}

impl QueueFolder for Folder {
    fn files<'f>(&'f self, folder: &Path) -> Result<QueueFiles<'f>, String> {
        let bytes = self.read(folder, "week.toml");
        Ok(Box::new(std::iter::once(("week.toml".into(), bytes))))
    }

    fn read(&self, _: &Path, _: &str) -> Result<Vec<u8>, String> {
        self.reads.set(self.reads.get() + 1);
        if let Some((_, text)) = self.edit.borrow_mut().take_if(|(at, _)| *at == self.reads.get()) {
            *self.file.borrow_mut() = text;
        }
        Ok(self.file.borrow().clone().into_bytes())
    }

    fn media(&self, _: &Path, _: &str, _: &str) -> Result<FoundMedia, String> {
        if self.picture.get() { Ok(Digest::of(b"desk").into()) } else { Err("there is no such file".into()) }
    }

    fn media_size(&self, _: &Path, _: &str, _: &str) -> Option<u64> {
        None
    }

    fn beside(&self, _: &Path, _: &str) -> Beside {
        self.beside.borrow().clone()
    }

    fn allowed(&self, _: &Path) -> Allowed {
        Ok(Signers::read(&self.allowed, &TimeZone::UTC))
    }
}

impl QueueDesk for Folder {
    fn locate(&self, _: &Path, word: &str) -> Option<Arc<str>> {
        (word == "week.toml").then(|| word.into())
    }

    fn replace(&self, _: &Path, _: &str, _: &[u8], _: &[u8]) -> Result<(), String> {
        Err("nobody writes into the file here".into())
    }

    fn replace_beside(&self, _: &Path, _: &str, before: &Beside, after: &[u8]) -> Result<Written, String> {
        assert_eq!(*before, *self.beside.borrow());
        *self.beside.borrow_mut() = Beside::Bytes(after.to_vec());
        Ok(Written::AsItWas)
    }
}

/// Somebody with a key, who looks at what is on the screen when asked.
struct Hand<'s> {
    ready: Result<(), String>,
    screen: &'s Screen,
    signed: Cell<u32>,
}

impl signing::Signer for Hand<'_> {
    fn ready(&self) -> Result<(), String> {
        self.ready.clone()
    }

    fn sign(&self, message: &str) -> Result<String, String> {
        assert!(self.screen.waiting.borrow().is_empty(), "what is asked for is to be seen first");
        self.signed.set(self.signed.get() + 1);
        Ok(Signer::new(1).sign(message))
    }
}

/// What is seen, and what is written and not seen yet.
#[derive(Default)]
struct Screen {
    seen: RefCell<String>,
    waiting: RefCell<Vec<u8>>,
}

impl Write for &Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.waiting.borrow_mut().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let waiting = std::mem::take(&mut *self.waiting.borrow_mut());
        self.seen.borrow_mut().push_str(std::str::from_utf8(&waiting).expect("a text"));
        Ok(())
    }
}

/// The exit code, what was said, and how often the hand has signed.
fn sign(folder: &Folder, what: &str, ready: Result<(), String>, answer: Option<&str>) -> (u8, String, u32) {
    let screen = Screen::default();
    let hand = Hand { ready, screen: &screen, signed: Cell::new(0) };
    let ask = Approve {
        settings: &settings(),
        what: &[what.to_owned()],
        how: How::Signed(&hand),
        yes: answer.is_none(),
        now: now(),
        look: Look::Plain,
    };
    let code = approve(&ask, folder, &mut answer.unwrap_or("").as_bytes(), &mut &screen).expect("a screen takes it");
    (&screen).flush().expect("a screen takes it");
    let said = screen.seen.borrow().clone();
    (code, said, hand.signed.get())
}

#[test]
fn what_would_not_be_signed_again_is_shown_before_the_question() {
    let three = [post("a", "one", PICTURE), post("b", "two", ""), post("c", "three", "")].concat();
    let folder = Folder::new(&three);
    let (code, said, _) = sign(&folder, "week.toml", Ok(()), None);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("week.toml: 3 posts approved by me"), "{said}");
    // Somebody else approves an edit, without the picture on their machine, and one post is gone.
    folder.picture.set(false);
    *folder.file.borrow_mut() = [post("a", "one", PICTURE), post("b", "two!", "")].concat();
    let (code, said, signed) = sign(&folder, "b", Ok(()), Some("n\n"));
    assert_eq!((code, signed), (1, 0), "{said}");
    for line in [
        "left out a  (week.toml)  its approval ends with this: the media file \"desk.jpg\" cannot be used: there is no such file\n",
        "left out c  (week.toml)  its approval ends with this: it is not in the file any more\n",
    ] {
        let at = said.find(line).unwrap_or_else(|| panic!("{line}{said}"));
        assert!(at < said.find("[y/N]").expect("a question"), "{said}");
    }
    assert!(!said.contains("left out b"), "{said}");
    // With it, nothing is lost.
    folder.picture.set(true);
    let (code, said, _) = sign(&folder, "b", Ok(()), Some("y\n"));
    assert!(code == 0 && said.contains("again a  (week.toml)") && !said.contains("left out a"), "{said}");
    for id in ["a", "b"] {
        assert!(folder.sheet().contains(&format!("\n{id} sha256:")), "{}", folder.sheet());
    }
}

#[test]
fn what_changed_since_it_was_shown_is_not_signed() {
    let folder = Folder::new(&post("a", "one", ""));
    *folder.edit.borrow_mut() = Some((2, post("a", "another", "")));
    let (code, said, signed) = sign(&folder, "week.toml", Ok(()), Some("y\n"));
    assert!(said.contains("error: week.toml: it has changed since it was shown\nnothing was approved"), "{said}");
    assert_eq!((code, signed, folder.sheet().as_str()), (1, 0, "Nothing"));
    // Not even where all of its contents are the same.
    let folder = Folder::new(&post("a", "one", PICTURE));
    *folder.edit.borrow_mut() = Some((2, post("a", "one", PICTURE) + "# the same\n"));
    assert_eq!(sign(&folder, "week.toml", Ok(()), Some("y\n")).0, 1);
}

#[test]
fn nobody_is_asked_where_nobody_can_sign() {
    let folder = Folder::new(&post("a", "one", ""));
    let (code, said, signed) = sign(&folder, "a", Err("there is no agent".into()), Some("y\n"));
    assert_eq!((code, signed), (1, 0));
    assert!(said.contains("  digest     | sha256:"), "it is shown, for those who sign by hand: {said}");
    assert!(said.ends_with("error: there is no agent\nnothing was approved\n") && !said.contains("[y/N]"), "{said}");
}
