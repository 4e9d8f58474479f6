//! `cadenced approve`: shows exactly what would be approved, asks, and writes the approvals into the queue files, or has
//! them signed and writes them beside.
//!
//! All or nothing of what was asked for: when a post cannot be approved, nothing is written. A file that has changed
//! since it was shown is not touched, and what would be written is read again before it is: it must be approved as
//! shown, media included.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, Write};
use std::path::Path;
use std::sync::Arc;

use crate::config::Settings;
use crate::domain::policy::ApprovalMode;
use crate::domain::{AccountId, Content, Digest, Goal, MediaItem, PostId, ReplyTo, Timestamp, Visibility};
use crate::queue::digest::Body;
use crate::queue::parse::{self, Reading, Surroundings};
use crate::queue::signed::{Allowed, Beside, beside, judge};
use crate::queue::{Approval, Kind, Post, Trouble, approval};

use super::check::QueueFolder;
use super::faults::{self, Look, Source, visible};
use super::signing::{self, Signer, Standing};

/// A queue folder that can be written to.
pub trait QueueDesk: QueueFolder {
    /// The queue file that a word of the command line names, relative to `folder`; `None` when it names none.
    fn locate(&self, folder: &Path, word: &str) -> Option<Arc<str>>;

    /// Puts `after` in the place of `before`, written aside and renamed.
    ///
    /// # Errors
    /// It cannot be written, or the file does not hold `before` any more.
    fn replace(&self, folder: &Path, file: &str, before: &[u8], after: &[u8]) -> Result<(), String>;

    /// Puts `after` beside a queue file, in the place of `before`, written aside and renamed, with the queue file's mode and
    /// group.
    ///
    /// # Errors
    /// It cannot be written, or something else stands there by now, or what stood there could not be read.
    fn replace_beside(&self, folder: &Path, file: &str, before: &Beside, after: &[u8]) -> Result<Written, String>;
}

/// How a file was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    AsItWas,
    /// Whoever wrote it may not give files to the group of the queue file.
    WithoutItsGroup,
}

/// How approvals are given.
pub enum How<'a> {
    /// Written into the queue file, in this name.
    Written { by: &'a str },
    /// Signed, and written beside it.
    Signed(&'a dyn Signer),
}

/// What is to be approved, and by whom.
pub struct Approve<'a> {
    pub settings: &'a Settings,
    /// Queue files and post ids.
    pub what: &'a [String],
    pub how: How<'a>,
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
    /// Where approvals are signed: what is signed so far.
    signed: Option<Standing>,
}

/// What is to be written for a file.
enum Edit {
    File(String),
    Beside { text: String, by: Arc<str> },
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
    let allowed = ask.settings.queue.signers().map(|path| desk.allowed(path));
    let command = Command { ask, desk, folder: &ask.settings.queue.path, allowed };
    let Some(sheets) = command.select(out)? else { return Ok(1) };
    let mut count = 0;
    for sheet in &sheets {
        for post in &sheet.posts {
            command.show(out, &sheet.file, post)?;
            count += 1;
        }
        if let Some(standing) = &sheet.signed {
            signing::show(out, &sheet.file, standing)?;
        }
    }
    if count == 0 {
        writeln!(out, "nothing to approve: all of it is approved already")?;
        return Ok(0);
    }
    if let How::Signed(signer) = ask.how
        && let Err(why) = signer.ready()
    {
        writeln!(out, "error: {}\nnothing was approved", visible(&why))?;
        return Ok(1);
    }
    if !ask.yes {
        let again: usize = sheets.iter().flat_map(|sheet| &sheet.signed).map(|standing| standing.kept.len()).sum();
        match ask.how {
            How::Written { by } => write!(out, "approve {} as {}? [y/N] ", posts(count), visible(by))?,
            How::Signed(_) if again > 0 => write!(out, "sign {}, and {again} again? [y/N] ", posts(count))?,
            How::Signed(_) => write!(out, "sign {}? [y/N] ", posts(count))?,
        }
        out.flush()?;
        let mut answer = String::new();
        input.read_line(&mut answer)?;
        if !matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes") {
            writeln!(out, "nothing was approved")?;
            return Ok(1);
        }
    }
    // Whoever signs may ask for a touch, and that is to be read below all this.
    out.flush()?;
    let mut edits = Vec::new();
    for sheet in &sheets {
        let edited = match ask.how {
            How::Written { by } => command.edit(sheet, by).map(Edit::File),
            How::Signed(signer) => command.sign(sheet, signer),
        };
        match edited {
            Ok(edited) => edits.push((sheet, edited)),
            Err(why) => {
                writeln!(out, "error: {}: {}\nnothing was approved", visible(&sheet.file), visible(&why))?;
                return Ok(1);
            }
        }
    }
    for (sheet, edited) in edits {
        let (folder, file) = (command.folder, &sheet.file);
        let (written, by) = match (&edited, &sheet.signed) {
            (Edit::File(text), _) => {
                let replaced = desk.replace(folder, file, &sheet.bytes, text.as_bytes());
                (replaced.map(|()| Written::AsItWas), None)
            }
            (Edit::Beside { text, by }, standing) => {
                let before = standing.as_ref().map_or(&Beside::Nothing, |standing| &standing.found);
                (desk.replace_beside(folder, file, before, text.as_bytes()), Some(by))
            }
        };
        let written = match written {
            Ok(written) => written,
            Err(why) => {
                writeln!(out, "error: {} was not approved: {}", visible(file), visible(&why))?;
                return Ok(1);
            }
        };
        let by = by.map(|by| format!(" by {}", visible(by))).unwrap_or_default();
        writeln!(out, "{}: {} approved{by}", visible(file), posts(sheet.posts.len()))?;
        if written == Written::WithoutItsGroup {
            let beside = beside(file);
            writeln!(
                out,
                "warning: {} could not be given the queue file's group: see that the daemon may read it",
                visible(&beside)
            )?;
        }
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
    /// Whose signatures count, where approvals are signed.
    allowed: Option<Allowed>,
}

impl Command<'_> {
    /// The posts that were asked for; `None` when something stands against it, and was said.
    fn select(&self, out: &mut dyn Write) -> io::Result<Option<Vec<Sheet>>> {
        let mut files = BTreeSet::new();
        let mut ids = BTreeSet::new();
        let mut good = true;
        if let Some((why, hint)) = self.cannot(&self.ask.how) {
            writeln!(out, "error: {}\n  hint: {}", visible(&why), visible(&hint))?;
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
                let (chosen, others): (Vec<_>, Vec<_>) = posts.into_iter().partition(|post| ids.contains(&post.id));
                found.extend(chosen.iter().map(|post| post.id.clone()));
                if !chosen.is_empty() {
                    sheets.push(self.sheet(file, bytes, chosen, others));
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
            sheets.push(self.sheet(file, bytes, posts, Vec::new()));
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
            sheet.posts.retain(|post| !post.approval.is_given());
        }
        sheets.retain(|sheet| !sheet.posts.is_empty());
        if !good {
            writeln!(out, "nothing was approved")?;
        }
        Ok(good.then_some(sheets))
    }

    /// Why nothing can be approved in this way here, and what to do about it.
    fn cannot(&self, how: &How<'_>) -> Option<(String, String)> {
        match (how, &self.allowed) {
            (How::Written { by }, None) if by.trim().is_empty() || by.chars().any(char::is_control) => {
                Some(("--by must say in one line who approves".into(), "write a name or an address".into()))
            }
            (How::Written { .. }, Some(_)) => {
                Some(("approvals are signed here, and what is written counts for nothing".into(), "use --sign".into()))
            }
            (How::Signed(_), None) => Some((
                "signatures count for nothing here".into(),
                "set approval = \"signed\" and allowed_signers in [queue], or use --by WHO".into(),
            )),
            (How::Signed(_), Some(Err(why))) => {
                let path = self.ask.settings.queue.allowed_signers.as_deref().unwrap_or(Path::new(""));
                let hint = "it has to be there for you to read, with a line for each key that may sign";
                Some((format!("{} cannot be read: {why}", path.display()), hint.into()))
            }
            (How::Written { .. }, None) | (How::Signed(_), Some(Ok(_))) => None,
        }
    }

    /// What is left to be approved of `chosen`, and what else of the file would be signed again.
    fn sheet(&self, file: Arc<str>, bytes: Vec<u8>, mut chosen: Vec<Post>, mut others: Vec<Post>) -> Sheet {
        let mut signed = None;
        if let Some(allowed) = &self.allowed {
            let (found, verdict) = signing::verdict(self.desk, self.folder, &file, allowed, self.ask.now);
            judge(&mut chosen, &verdict);
            judge(&mut others, &verdict);
            signed = Some(Standing::new(found, verdict, &chosen, &others));
        }
        Sheet { file, bytes, posts: chosen, signed }
    }

    /// A signed list of what is approved of a file from now on, if the file still is what was shown.
    fn sign(&self, sheet: &Sheet, signer: &dyn Signer) -> Result<Edit, String> {
        let (Some(standing), Some(allowed)) = (&sheet.signed, &self.allowed) else {
            return Err("signatures count for nothing here".into());
        };
        let bytes = self.desk.read(self.folder, &sheet.file)?;
        let again = self.read(&sheet.file, &bytes).posts.unwrap_or_default();
        let all: BTreeMap<PostId, Digest> =
            sheet.posts.iter().chain(&standing.kept).map(|post| (post.id.clone(), post.digest)).collect();
        let same = |id: &PostId, digest| again.iter().any(|post| post.id == *id && post.digest == digest);
        if bytes != sheet.bytes || !all.iter().all(|(id, digest)| same(id, *digest)) {
            return Err("it has changed since it was shown".into());
        }
        let (text, by) = signing::signed(signer, &sheet.file, all.into_iter(), allowed, self.ask.now)?;
        Ok(Edit::Beside { text, by })
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
        // Written approvals count here whatever the configuration takes for one, unless they are signed.
        let approval = match self.allowed {
            Some(_) => ApprovalMode::Signed,
            None => ApprovalMode::Digest,
        };
        parse::read(file, bytes, &mut Surroundings { approval, accounts: Some(&accounts), media: &mut media })
    }

    /// The file with its posts approved, if it still is what was shown.
    fn edit(&self, sheet: &Sheet, by: &str) -> Result<String, String> {
        let bytes = self.desk.read(self.folder, &sheet.file)?;
        if bytes != sheet.bytes {
            return Err("it has changed since it was shown".into());
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| "it is not UTF-8".to_owned())?;
        let ids: BTreeMap<PostId, Digest> = sheet.posts.iter().map(|post| (post.id.clone(), post.digest)).collect();
        let edited = approval::approve(text, &ids, by, self.ask.now).map_err(|cause| cause.to_string())?;
        let again = self.read(&sheet.file, edited.as_bytes());
        for post in again.posts.iter().flatten().filter(|post| ids.contains_key(&post.id)) {
            if post.approval != Approval::Approved || Some(&post.digest) != ids.get(&post.id) {
                return Err(format!("{} has changed since it was shown", post.id));
            }
        }
        match again.posts {
            Some(_) => Ok(edited),
            None => {
                let why = again.faults.first().map_or("", |fault| &fault.reason);
                Err(format!("with its approvals it could not be read any more: {why}"))
            }
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
            let why = post.rare.unapproved.as_deref();
            line(out, "note", why.unwrap_or("it was approved before, with other content"))?;
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
