//! Our own site: a folder of plain pages and feeds that any web server can serve. It needs no account anywhere.
//!
//! | file | for |
//! |---|---|
//! | `posts/ID/index.html` | one post; the parts of a thread are sections of it |
//! | `index.html`, `archive.html` | the latest posts with their beginnings; all of them, a line each |
//! | `feed.json`, `atom.xml` | JSON Feed 1.1 and Atom, the latest posts with their whole content |
//! | `posts.json` | our list of listed posts, from which the files above are written anew |
//! | `media/SHA256.EXT`, `style.css` | media by content; the style sheet, which people may make their own |
//!
//! An attempt reads the list, then writes everything in one call, in an order in which no file leads to one that is
//! not there yet. The post's id is its address, so a repeat writes the same page again: that is the evidence.
//!
//! It does not take posts back, rename them or touch what it has not made: a file of ours that somebody else has put
//! there, or a list that cannot be read, stops the attempt with the name of the file, and is left as it is. An
//! unlisted post has a page, and no other file names it.

mod feeds;
mod pages;
#[cfg(test)]
mod tests;
mod text;
pub mod twin;
mod wire;

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::domain::{Content, JsonText, PostId, Remote, SecretRef, Timestamp, Visibility, time};

use super::contract::examine::Need;
use super::contract::{
    Abilities, Adapter, Answers, Attempt, Call, Complaint, Effect, Entry, Evidence, FileCall, FileWork, Job, Key,
    KeyKind, Next, Purpose, Reading, Reply, Session, Step, Table,
};
use feeds::Feed;
use wire::{About, List};

pub static ENTRY: Entry =
    Entry { name: "site", keys: KEYS, can: CAN, build, twin: || Box::new(twin::Folder::default()) };

const CAN: Abilities = Abilities {
    text_alone: true,
    images: usize::MAX,
    videos: usize::MAX,
    sounds: usize::MAX,
    documents: usize::MAX,
    mixed: true,
    threads: true,
    answers: Answers::Anything,
    warnings: true,
    unlisted: true,
    followers: false,
};

const KEYS: &[Key] = &[
    key("path", KeyKind::Path, true, "Folder of the site, relative to this file; a web server serves it."),
    key("base_url", KeyKind::Url, true, "Where that folder is reached, such as \"https://example.org/notes\"."),
    key("title", KeyKind::Text, true, "Name of the site, on every page and in the feeds."),
    key("author", KeyKind::Text, false, "Who writes it; the title where it is left out."),
    key("description", KeyKind::Text, false, "What it is about, in a sentence."),
    key("lang", KeyKind::Text, false, "Language of the site, as in \"en\" or \"pt-BR\"; \"en\" where it is left out."),
];

const fn key(name: &'static str, kind: KeyKind, required: bool, doc: &'static str) -> Key {
    Key { name, kind, required, doc }
}

/// Names of the steps.
const READ: &str = "read";
const PUBLISH: &str = "publish";
const LOOK: &str = "look";

const LIST: &str = "posts.json";
const STYLE: &str = "style.css";
const INDEX: &str = "index.html";
const ARCHIVE: &str = "archive.html";
const JSON_FEED: &str = "feed.json";
const ATOM: &str = "atom.xml";

/// What is in every page of ours, and in no other page by chance.
const PAGE_MARK: &str = "<meta name=\"generator\" content=\"cadenced\">";
/// Files that are written anew each time, and what shows that they are ours.
const MARKS: &[(&str, &str)] = &[
    (INDEX, PAGE_MARK),
    (ARCHIVE, PAGE_MARK),
    (JSON_FEED, "\"_cadenced\""),
    (ATOM, "<generator>cadenced</generator>"),
];
/// First line of the style sheet while it is ours.
const STYLE_MARK: &str = "/* made by cadenced;";

fn page(id: &PostId) -> String {
    format!("posts/{id}/index.html")
}

fn build(table: &mut Table) -> Option<Arc<dyn Adapter>> {
    let root = table.path("path");
    let base = table.base_url("base_url");
    let title = table.required("title");
    let (author, description) = (table.text("author"), table.text("description"));
    let lang = table.text("lang").unwrap_or_else(|| "en".into());
    for (key, text) in [("title", &title), ("author", &author), ("description", &description)] {
        if text.as_ref().is_some_and(|text| text::clean(text).trim().is_empty()) {
            table.complain(Complaint::new(key, format!("{key:?} must not be empty")));
        }
    }
    if !is_language(&lang) {
        let complaint = Complaint::new("lang", format!("{lang:?} is no language tag"));
        table.complain(complaint.with_hint("write it as \"en\", \"de\" or \"pt-BR\""));
    }
    let base = base?.as_str().trim_end_matches('/').to_owned();
    let about = About { base, title: title?, author, description, lang };
    Some(Arc::new(Site { root: plain(&root?), about }))
}

/// Whether a text looks like a BCP 47 tag.
fn is_language(tag: &str) -> bool {
    let part = |part: &str| (1..=8).contains(&part.len()) && part.chars().all(|c| c.is_ascii_alphanumeric());
    tag.starts_with(|c: char| c.is_ascii_alphabetic()) && tag.split('-').all(part)
}

/// The path without `.` and `..`, so that one folder has one name.
fn plain(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if matches!(out.components().next_back(), Some(Component::Normal(_))) => {
                out.pop();
            }
            part => out.push(part),
        }
    }
    out
}

#[derive(Debug)]
struct Site {
    root: PathBuf,
    about: About,
}

impl Adapter for Site {
    fn platform(&self) -> &'static str {
        ENTRY.name
    }

    fn place(&self) -> String {
        self.root.display().to_string()
    }

    /// Where readers find it: a folder that was moved, with all that lies in it, is the same site.
    fn host(&self) -> String {
        self.about.base.clone()
    }

    fn evidence(&self) -> Evidence {
        Evidence::Repeatable
    }

    fn secrets(&self) -> Vec<(&'static str, SecretRef)> {
        Vec::new()
    }

    fn check(&self, content: &Content, _session: &Session) -> Vec<Complaint> {
        match content.visibility {
            Visibility::Followers => {
                let complaint = Complaint::new("visibility", "a public site has no followers to show a post to alone");
                vec![complaint.with_hint("use \"public\" or \"unlisted\", or leave this account out of `to`")]
            }
            Visibility::Public | Visibility::Unlisted => Vec::new(),
        }
    }

    fn freeze(&self, _content: &Content, now: Timestamp, _draw: u64) -> Value {
        json!({ "at": time::to_millis(now) })
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Folder(self.root.clone())]
    }

    fn next(&self, attempt: &Attempt<'_>) -> Next {
        let job = attempt.job;
        if !attempt.done.is_empty() {
            return Next::Done(self.remote(job));
        }
        if job.content.visibility == Visibility::Followers {
            return Next::Refuse("a public site has no followers to show a post to alone".into());
        }
        match (attempt.purpose, Known::from_scratch(attempt.scratch)) {
            (Purpose::LookBack, _) => {
                let files = vec![page(&job.delivery.post), ATOM.to_owned()];
                self.step(LOOK, Effect::Harmless, FileWork::Read(files))
            }
            (Purpose::Publish, None) => self.step(READ, Effect::Harmless, FileWork::Read(wanted(job))),
            (Purpose::Publish, Some(known)) => {
                self.step(PUBLISH, Effect::Publishes, FileWork::Write(self.files(job, known)))
            }
        }
    }

    fn read(&self, attempt: &Attempt<'_>, step: &Step, reply: &Reply) -> Reading {
        let job = attempt.job;
        match (step.name.as_str(), reply) {
            (READ, Reply::File(files)) => match self.learn(job, files) {
                Ok(scratch) => Reading::Learned(scratch),
                Err(why) => Reading::Retry { after: None, why },
            },
            (PUBLISH, Reply::File(files)) if files.is_empty() => Reading::Checkpoint(json!(self.remote(job))),
            (LOOK, Reply::File(files)) => match files.as_slice() {
                [Some(page), last] if holds(page, PAGE_MARK) && written_to_the_end(job, last.as_deref()) => {
                    Reading::Found(json!(self.remote(job)))
                }
                [_, _] => Reading::Absent,
                _ => Reading::Retry { after: None, why: "the folder was not read".into() },
            },
            (PUBLISH, _) => Reading::Unclear { why: "the answer is not that of a folder".into() },
            _ => Reading::Retry { after: None, why: "the answer is not that of a folder".into() },
        }
    }
}

/// What the files of the site have told.
struct Known {
    list: List,
    /// Whether the style sheet is ours to write.
    style: bool,
}

impl Known {
    fn from_scratch(scratch: &Value) -> Option<Self> {
        let list = List::decode(scratch.get("list")?.as_str()?.as_bytes()).ok()?;
        Some(Self { list, style: scratch.get("style")?.as_bool()? })
    }

    /// `list` is `posts.json` as it was read.
    fn scratch(list: &str, style: bool) -> Value {
        json!({ "list": list, "style": style })
    }
}

/// The files that an attempt reads, in the order in which `learn` takes them.
fn wanted(job: &Job) -> Vec<String> {
    let marked = MARKS.iter().map(|(name, _)| (*name).to_owned());
    [LIST.to_owned(), STYLE.to_owned(), page(&job.delivery.post)].into_iter().chain(marked).collect()
}

/// Whether the file that is written last names the post too. A page alone may be what a crash has left: the list and
/// the feeds would never hear of it.
fn written_to_the_end(job: &Job, last: Option<&[u8]>) -> bool {
    let named = format!("/posts/{}/</id>", job.delivery.post);
    !wire::is_listed(job.content.visibility) || last.is_some_and(|bytes| holds(bytes, &named))
}

fn holds(bytes: &[u8], mark: &str) -> bool {
    bytes.windows(mark.len()).any(|window| window == mark.as_bytes())
}

impl Site {
    fn step(&self, name: &str, effect: Effect, work: FileWork) -> Next {
        let call = Call::File(FileCall { root: self.root.clone(), work });
        Next::Call(Step { name: name.into(), effect, call })
    }

    fn remote(&self, job: &Job) -> Remote {
        let id = &job.delivery.post;
        Remote { id: id.to_string(), url: Some(self.about.post_url(id)), reference: JsonText::default() }
    }

    /// When the post is said to have appeared: the same for every attempt.
    fn moment(&self, job: &Job) -> Timestamp {
        let frozen = job.frozen.get("at").and_then(Value::as_str).and_then(|text| text.parse().ok());
        frozen.unwrap_or(job.started)
    }

    /// Takes in the list, as scratch; the error names the file that must not be written over.
    fn learn(&self, job: &Job, files: &[Option<Vec<u8>>]) -> Result<Value, String> {
        let [list, style, old, marked @ ..] = files else { return Err("the folder was not read".into()) };
        if marked.len() != MARKS.len() {
            return Err("the folder was not read".into());
        }
        let at = |name: &str| self.root.join(name).display().to_string();
        let own_page = page(&job.delivery.post);
        let marks = MARKS.iter().copied().zip(marked).chain([((own_page.as_str(), PAGE_MARK), old)]);
        for ((name, mark), file) in marks {
            // An empty file holds nothing that could be lost.
            if file.as_ref().is_some_and(|bytes| !bytes.is_empty() && !holds(bytes, mark)) {
                let file = at(name);
                return Err(format!("{file} was not made by cadenced: move it away, or give the site another folder"));
            }
        }
        let list = match list {
            Some(bytes) => {
                List::decode(bytes)
                    .map_err(|error| format!("{} {error}: mend it, or move it away with {}", at(LIST), at(INDEX)))?;
                String::from_utf8_lossy(bytes)
            }
            // The list is written before the index: here it was lost, and all older posts would leave the index.
            None if marked.iter().flatten().any(|bytes| !bytes.is_empty()) => {
                return Err(format!(
                    "{} is gone: put it back, or move {} and what lies beside it away",
                    at(LIST),
                    at(INDEX)
                ));
            }
            None => String::from_utf8_lossy(&List::default().encode()).into_owned().into(),
        };
        let style = style.as_ref().is_none_or(|bytes| bytes.is_empty() || bytes.starts_with(STYLE_MARK.as_bytes()));
        Ok(Known::scratch(&list, style))
    }

    /// Everything that makes the post appear, each file behind those that it leads to. Only the very first page of a
    /// site, for a moment, leads to an index that is still to come.
    fn files(&self, job: &Job, known: Known) -> Vec<(String, Arc<[u8]>)> {
        let at = self.moment(job);
        let listed = wire::is_listed(job.content.visibility);
        let entry = wire::Entry::new(job, &self.about, at);
        let mut list = known.list;
        let mut files: Vec<(String, Arc<[u8]>)> = Vec::new();
        if known.style {
            files.push((STYLE.into(), pages::STYLE.as_bytes().into()));
        }
        if let Some(body) = &entry.body {
            let media = body.media.iter().zip(&job.media).map(|(file, media)| (file.path(), media.bytes.clone()));
            // By path: a picture that is shown twice is one file.
            files.extend(media.collect::<BTreeMap<_, _>>());
            let html = pages::post(&self.about, &entry, body, listed);
            files.push((page(&job.delivery.post), html.into_bytes().into()));
        }
        if listed {
            list.put(entry);
        }
        files.push((LIST.into(), list.encode().into()));
        files.push((ARCHIVE.into(), pages::archive(&self.about, &list).into_bytes().into()));
        files.push((INDEX.into(), pages::index(&self.about, &list).into_bytes().into()));
        let feed = Feed::new(&self.about, &list);
        files.push((JSON_FEED.into(), feed.json().into()));
        files.push((ATOM.into(), feed.atom(at).into()));
        files
    }
}
