//! `cadenced approve`: shows exactly what would be approved, asks, and writes the approvals into the queue files.
//!
//! All or nothing of what was asked for: when a post cannot be approved, nothing is written. A file that has changed
//! since it was shown is not touched, and what would be written is read again before it is: it must be approved as
//! shown, media included.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::sync::Arc;

use crate::config::Settings;
use crate::domain::{AccountId, Content, Digest, Goal, MediaItem, PostId, ReplyTo, Timestamp, Visibility};
use crate::queue::digest::Body;
use crate::queue::parse::{self, Reading, Surroundings};
use crate::queue::{Approval, Kind, Post, Trouble, approval};

use super::check::QueueFolder;
use super::faults::{self, Look, Source, visible};

/// A queue folder that can be written to.
pub trait QueueDesk: QueueFolder {
    /// The queue file that a word of the command line names, relative to `folder`; `None` when it names none.
    fn locate(&self, folder: &Path, word: &str) -> Option<Arc<str>>;

    /// Puts `after` in the place of `before`, written aside and renamed.
    ///
    /// # Errors
    /// It cannot be written, or the file does not hold `before` any more.
    fn replace(&self, folder: &Path, file: &str, before: &[u8], after: &[u8]) -> Result<(), String>;
}

/// What is to be approved, and by whom.
pub struct Approve<'a> {
    pub settings: &'a Settings,
    /// Queue files and post ids.
    pub what: &'a [String],
    pub by: &'a str,
    /// Do not ask.
    pub yes: bool,
    pub now: Timestamp,
    pub look: Look,
}

/// A file with the posts that are to be approved.
struct Sheet {
    file: Arc<str>,
    bytes: Vec<u8>,
    posts: Vec<Post>,
}

/// Shows, asks, writes. The exit code: 0 when all of it is approved now, else 1.
///
/// # Errors
/// The output cannot be written to, or the answer cannot be read.
pub fn approve(
    ask: &Approve<'_>,
    desk: &dyn QueueDesk,
    input: &mut dyn BufRead,
    out: &mut dyn Write,
) -> io::Result<u8> {
    let command = Command { ask, desk, folder: &ask.settings.queue.path };
    let Some(sheets) = command.select(out)? else { return Ok(1) };
    let mut count = 0;
    for sheet in &sheets {
        for post in &sheet.posts {
            command.show(out, &sheet.file, post)?;
            count += 1;
        }
    }
    if count == 0 {
        writeln!(out, "nothing to approve: all of it is approved already")?;
        return Ok(0);
    }
    if !ask.yes {
        write!(out, "approve {} as {}? [y/N] ", posts(count), visible(ask.by))?;
        out.flush()?;
        let mut answer = String::new();
        input.read_line(&mut answer)?;
        if !matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
            writeln!(out, "nothing was approved")?;
            return Ok(1);
        }
    }
    let mut edits = Vec::new();
    for sheet in &sheets {
        match command.edit(sheet) {
            Ok(edited) => edits.push((sheet, edited)),
            Err(why) => {
                writeln!(out, "error: {}: {}\nnothing was approved", visible(&sheet.file), visible(&why))?;
                return Ok(1);
            }
        }
    }
    for (sheet, edited) in edits {
        if let Err(why) = desk.replace(command.folder, &sheet.file, &sheet.bytes, edited.as_bytes()) {
            writeln!(out, "error: {} was not approved: {}", visible(&sheet.file), visible(&why))?;
            return Ok(1);
        }
        writeln!(out, "{}: {} approved", visible(&sheet.file), posts(sheet.posts.len()))?;
    }
    Ok(0)
}

fn posts(count: usize) -> String {
    if count == 1 { "1 post".into() } else { format!("{count} posts") }
}

struct Command<'c> {
    ask: &'c Approve<'c>,
    desk: &'c dyn QueueDesk,
    folder: &'c Path,
}

impl Command<'_> {
    /// The posts that were asked for; `None` when something stands against it, and was said.
    fn select(&self, out: &mut dyn Write) -> io::Result<Option<Vec<Sheet>>> {
        let mut files = BTreeSet::new();
        let mut ids = BTreeSet::new();
        let mut good = true;
        if self.ask.by.trim().is_empty() || self.ask.by.chars().any(char::is_control) {
            writeln!(out, "error: --by must say in one line who approves")?;
            good = false;
        }
        for word in self.ask.what {
            match (self.desk.locate(self.folder, word), PostId::new(word)) {
                (Some(file), _) => drop(files.insert(file)),
                (None, Ok(id)) => drop(ids.insert(id)),
                (None, Err(_)) => {
                    writeln!(out, "error: {} is neither a queue file nor the id of a post", visible(word))?;
                    good = false;
                }
            }
        }
        let mut read: BTreeMap<Arc<str>, Result<Vec<u8>, String>> = BTreeMap::new();
        for file in &files {
            read.insert(file.clone(), self.desk.read(self.folder, file));
        }
        let mut sheets = Vec::new();
        let mut found = BTreeSet::new();
        // Only ids need a look at all files.
        if !ids.is_empty() {
            let all = match self.desk.files(self.folder) {
                Ok(all) => all,
                Err(why) => {
                    writeln!(out, "error: the queue folder cannot be read: {}", visible(&why))?;
                    return Ok(None);
                }
            };
            for (file, bytes) in all.filter(|(file, _)| !files.contains(file)) {
                let Ok(bytes) = bytes else { continue };
                let Reading { posts, faults } = self.read(&file, &bytes);
                let Some(posts) = posts else {
                    // An id may stand in a file that is broken: then the person needs to know.
                    let text = String::from_utf8_lossy(&bytes);
                    if ids.iter().any(|id| text.contains(id.as_str())) {
                        self.write_faults(out, &faults, &text)?;
                        good = false;
                    }
                    continue;
                };
                let chosen: Vec<_> = posts.into_iter().filter(|post| ids.contains(&post.id)).collect();
                found.extend(chosen.iter().map(|post| post.id.clone()));
                if !chosen.is_empty() {
                    sheets.push(Sheet { file, bytes, posts: chosen });
                }
            }
        }
        for (file, bytes) in read {
            let bytes = match bytes {
                Ok(bytes) => bytes,
                Err(why) => {
                    writeln!(out, "error: {} cannot be read: {}", visible(&file), visible(&why))?;
                    good = false;
                    continue;
                }
            };
            let Reading { posts, faults } = self.read(&file, &bytes);
            let Some(posts) = posts else {
                self.write_faults(out, &faults, &String::from_utf8_lossy(&bytes))?;
                good = false;
                continue;
            };
            found.extend(posts.iter().map(|post| post.id.clone()));
            sheets.push(Sheet { file, bytes, posts });
        }
        for id in ids.iter().filter(|id| !found.contains(*id)) {
            writeln!(out, "error: there is no post {id} in the queue")?;
            good = false;
        }
        for sheet in &mut sheets {
            for post in &sheet.posts {
                if let Some(Trouble::Media(why) | Trouble::Invalid(why) | Trouble::Duplicate(why)) = &post.rare.trouble
                {
                    writeln!(out, "error: {} cannot be approved as it is: {}", post.id, visible(why))?;
                    good = false;
                }
            }
            sheet.posts.retain(|post| post.approval != Approval::Approved);
        }
        sheets.retain(|sheet| !sheet.posts.is_empty());
        if !good {
            writeln!(out, "nothing was approved")?;
        }
        Ok(good.then_some(sheets))
    }

    fn write_faults(&self, out: &mut dyn Write, faults: &[crate::domain::Fault], text: &str) -> io::Result<()> {
        for fault in faults {
            faults::write(out, fault, Source::Queue(text), self.ask.look)?;
        }
        Ok(())
    }

    fn read(&self, file: &Arc<str>, bytes: &[u8]) -> Reading {
        let accounts: BTreeSet<AccountId> = self.ask.settings.accounts.keys().cloned().collect();
        let mut media = |path: &str| self.desk.media(self.folder, file, path);
        // Written approvals count here whatever the configuration takes for one.
        let approval = crate::domain::policy::ApprovalMode::Digest;
        parse::read(file, bytes, &mut Surroundings { approval, accounts: Some(&accounts), media: &mut media })
    }

    /// The file with its posts approved, if it still is what was shown.
    fn edit(&self, sheet: &Sheet) -> Result<String, String> {
        let bytes = self.desk.read(self.folder, &sheet.file)?;
        if bytes != sheet.bytes {
            return Err("it has changed since it was shown".into());
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| "it is not UTF-8".to_owned())?;
        let ids: BTreeMap<PostId, Digest> = sheet.posts.iter().map(|post| (post.id.clone(), post.digest)).collect();
        let edited = approval::approve(text, &ids, self.ask.by, self.ask.now).map_err(|cause| cause.to_string())?;
        let again = self.read(&sheet.file, edited.as_bytes());
        for post in again.posts.iter().flatten().filter(|post| ids.contains_key(&post.id)) {
            if post.approval != Approval::Approved || Some(&post.digest) != ids.get(&post.id) {
                return Err(format!("{} has changed since it was shown", post.id));
            }
        }
        match again.posts {
            Some(_) => Ok(edited),
            None => Err("it could not be read any more".into()),
        }
    }

    /// Everything that the digest covers.
    fn show(&self, out: &mut dyn Write, file: &Arc<str>, post: &Post) -> io::Result<()> {
        let body = post.body.read();
        let body = Body::read(&body);
        let kind = if post.kind == Kind::Reply { "reply" } else { "post" };
        writeln!(out, "{kind} {}  ({})", post.id, visible(file))?;
        let accounts: Vec<_> = post.to.iter().map(AccountId::as_str).collect();
        line(out, "to", &accounts.join(", "))?;
        if let Some(audience) = &body.audience {
            line(out, "audience", audience)?;
        }
        if let Some(goal) = body.goal {
            line(out, "goal", goal_name(goal))?;
        }
        line(out, "when", &when(post))?;
        if let Some(series) = &body.series {
            line(out, "series", series)?;
        }
        if let Some(priority) = body.priority {
            line(out, "priority", &priority.to_string())?;
        }
        let (own, plain): (Vec<_>, Vec<_>) =
            post.to.iter().partition(|account| body.variant.contains_key(account.as_str()));
        if let Some(account) = plain.first() {
            self.show_content(out, file, &body.content(account))?;
        }
        for account in own {
            writeln!(out, "  as {account}:")?;
            self.show_content(out, file, &body.content(account))?;
        }
        for account in post.to.iter() {
            let Some(settings) = self.ask.settings.accounts.get(account) else { continue };
            if let Some(link) = body.tagged_link(account, &settings.links, &settings.platform) {
                line(out, "link on", &format!("{account}: {link}"))?;
            }
        }
        if body.track == Some(false) {
            line(out, "track", "its links are never tagged")?;
        }
        if post.approval == Approval::Stale {
            line(out, "note", "it was approved before, with other content")?;
        }
        line(out, "digest", &post.digest.to_string())?;
        writeln!(out)
    }

    fn show_content(&self, out: &mut dyn Write, file: &str, content: &Content) -> io::Result<()> {
        line(out, "text", &content.text)?;
        for part in &content.thread {
            line(out, "then", part)?;
        }
        match &content.reply_to {
            Some(ReplyTo::Ours(id)) => line(out, "answers", id.as_str())?,
            Some(ReplyTo::Theirs(address)) => line(out, "answers", address)?,
            None => {}
        }
        if let Some(link) = &content.link {
            line(out, "link", link)?;
        }
        for item in &content.media {
            self.show_media(out, file, item)?;
        }
        if !content.tags.is_empty() {
            line(out, "tags", &content.tags.join(", "))?;
        }
        if let Some(lang) = &content.lang {
            line(out, "lang", lang)?;
        }
        if let Some(warning) = &content.warning {
            line(out, "warning", warning)?;
        }
        let visibility = match content.visibility {
            Visibility::Public => "public",
            Visibility::Unlisted => "unlisted",
            Visibility::Followers => "followers",
        };
        line(out, "visible to", visibility)
    }

    fn show_media(&self, out: &mut dyn Write, file: &str, item: &MediaItem) -> io::Result<()> {
        let size = self.desk.media_size(self.folder, file, &item.file);
        let size = size.map_or_else(|| "size unknown".into(), |bytes| format!("{bytes} bytes"));
        line(out, "media", &format!("{}\n{size}, {}", item.file, item.sha256))?;
        line(out, "  alt", &item.alt)
    }
}

fn goal_name(goal: Goal) -> &'static str {
    parse::GOALS.iter().find(|(_, known)| *known == goal).map_or("", |(name, _)| name)
}

fn when(post: &Post) -> String {
    let mut when = match (post.rare.at, post.kind) {
        (Some(at), _) => format!("at {at}"),
        (None, Kind::Post) => "the account's next free slot".into(),
        (None, Kind::Reply) => "as soon as quiet hours allow".into(),
    };
    if let Some(from) = post.rare.not_before {
        when += &format!(", not before {from}");
    }
    if let Some(until) = post.rare.expires {
        when += &format!(", until {until}");
    }
    when
}

/// One line of the sheet; a text of several lines is set below itself.
fn line(out: &mut dyn Write, name: &str, value: &str) -> io::Result<()> {
    for (place, part) in value.split('\n').enumerate() {
        let name = if place == 0 { name } else { "" };
        writeln!(out, "  {name:<11}| {}", visible(part))?;
    }
    Ok(())
}
