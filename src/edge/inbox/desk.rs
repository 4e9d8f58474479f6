//! What was read of each queue file, and what has to be read again.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::scan::{Entry, Scan, scan};
use super::{Keep, Reader};
use crate::domain::{Digest, Fault, FoundMedia, Place, Timestamp, limits};
use crate::edge::beneath::{self, Folder, FolderPath, Stamp};
use crate::edge::clock::SystemClock;
use crate::edge::media::Hasher;
use crate::edge::signatures::{self, Turn, Watched};
use crate::parts::{Clock, Inbox};
use crate::queue::Post;
use crate::queue::parse::Reading;
use crate::queue::signed::{Allowed, Verdict, beside, judge};

/// A file that was written more recently than this is probably still being written.
const FRESH: Duration = Duration::from_millis(100);
/// A file that is written again and again is read as it is after this; half of what an edit may take to be in force.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// Between two readings of a file that is still being written and makes no sense yet.
const BETWEEN_TRIES: Duration = Duration::from_millis(20);
/// So many times a file may make no sense while it is being written.
const TRIES: u8 = 5;

/// How much is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Depth {
    /// Queue files.
    Files,
    /// Queue files, and the media they name.
    Media,
}

/// What to do with a file that is being written just now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Look again a little later.
    Wait,
    /// Take it as it is.
    None,
}

/// What a look has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Files are being written, or the time of somebody who signs comes or ends: look again after this.
    pub again: Option<Duration>,
    /// The folder could not be read.
    pub lost: bool,
}

/// The queue folder's files as they were last read. It says what changes; it starts nothing and waits for nothing.
pub struct Desk {
    queue: FolderPath,
    keep: Option<Keep>,
    reader: Reader,
    clock: Arc<dyn Clock>,
    hasher: Hasher,
    files: BTreeMap<Arc<str>, Known>,
    /// Why the folder could not be read, when it could not.
    lost: Option<String>,
    /// Whether [`Inbox::Complete`] has been said since the start, another reader, or since the folder was lost.
    complete: bool,
    /// Whether it has been said what counts as an approval for this reader.
    announced: bool,
    /// When it was looked last.
    looked: Option<Timestamp>,
    /// The first of the files that are one too many.
    surplus: Option<Arc<str>>,
}

/// One name that something was said about, or will be.
#[derive(Default)]
struct Known {
    /// Of the version that was read; `None`: to be read again.
    stamp: Option<Stamp>,
    waiting: Option<Waiting>,
    /// What the last message was made of; the same is not said twice.
    said: Option<Digest>,
    /// The media it names, as they were.
    media: Box<[(Box<str>, Seen)]>,
    /// Whether there was something signed beside it that could be read.
    had_sheet: bool,
    /// What is signed beside it is to be judged again: by others who may sign, or because a key's time has come or gone.
    rejudge: bool,
    /// When that is, if it is known.
    turns_at: Option<Timestamp>,
    /// Whether an earlier moment may be another one for it, when the clock is set back.
    is_timed: bool,
    /// Whether a message has brought posts.
    in_force: bool,
    /// The content that is kept as its last good version.
    kept: Option<Digest>,
}

/// Since when a file has been changing, and how often it has made no sense meanwhile.
#[derive(Clone, Copy)]
struct Waiting {
    since: Timestamp,
    tries: u8,
}

/// A media file when its digest was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Absent,
    At(Stamp),
    /// It was being written.
    Fresh,
    /// It is there, and could not be read.
    Unread,
}

impl Seen {
    /// Whether it has to be looked into again, whatever its stamp says.
    fn is_open(self) -> bool {
        matches!(self, Self::Fresh | Self::Unread)
    }
}

impl Desk {
    /// `keep` is where last good versions are held, if they are. `clock` is compared with the times of files, to tell
    /// those that are being written.
    pub fn new(queue: PathBuf, keep: Option<Keep>, reader: Reader, clock: Arc<dyn Clock>) -> Self {
        Self {
            queue: FolderPath(queue),
            keep,
            reader,
            clock,
            hasher: Hasher::default(),
            files: BTreeMap::new(),
            lost: None,
            complete: false,
            announced: false,
            looked: None,
            surplus: None,
        }
    }

    /// Another reader (a changed configuration): every file is read again at the next look.
    pub fn set_reader(&mut self, reader: Reader) {
        self.reader = reader;
        (self.complete, self.announced) = (false, false);
        for known in self.files.values_mut() {
            known.said = None;
            // Of broken files too: their last good posts are read by the same reader.
            known.rejudge = true;
        }
        self.forget_stamps();
    }

    /// At the next look every file is read, whether it seems to have changed or not.
    pub fn forget_stamps(&mut self) {
        for known in self.files.values_mut() {
            known.stamp = None;
        }
        self.hasher = Hasher::default();
    }

    /// Whether those who may sign are others than when the folder was looked at.
    pub fn has_other_signers(&self) -> bool {
        self.reader.signers.as_ref().is_some_and(Watched::has_moved)
    }

    /// Looks at the folder once and says what has changed. `each` may break off, and is not called any more then.
    pub fn look(&mut self, depth: Depth, patience: Patience, each: &mut dyn FnMut(Inbox) -> ControlFlow<()>) -> Look {
        if let (false, Some(approval)) = (self.announced, self.reader.approval) {
            self.announced = true;
            if each(Inbox::Anew { approval }).is_break() {
                return Look { again: None, lost: false };
            }
        }
        let now = self.clock.now();
        let wait = (patience == Patience::Wait).then_some(LONGEST_WAIT);
        let fresh = |stamp: &Stamp| is_fresh(stamp, now);
        // Before the folder is read: without them, nothing can be said of what it holds.
        let turn = self.reader.signers.as_mut().map(|signers| signers.refresh(now, wait, fresh));
        if let Some(Turn::Lost(why)) = turn {
            return self.lose(why, each);
        }
        let (folder, found) = match self.queue.open().and_then(|folder| scan(&folder).map(|found| (folder, found))) {
            Ok(found) => found,
            Err(error) => return self.lose_folder(&error, each),
        };
        self.lost = None;
        let others = turn == Some(Turn::Other);
        let set_back = self.looked.replace(now).is_some_and(|before| now < before);
        for known in self.files.values_mut() {
            known.rejudge |= others || known.turns_at.is_some_and(|at| at <= now);
            known.rejudge |= set_back && known.is_timed;
        }
        let faults = self.reader.signers.as_ref().filter(|_| others).map(Watched::faults).unwrap_or_default();
        if !faults.is_empty() && each(Inbox::Signers { faults }).is_break() {
            return Look { again: None, lost: false };
        }
        let again = (turn == Some(Turn::Later)).then_some(FRESH);
        let mut look = Look { again, lost: false };
        let _ = self.go_through(&folder, &found, depth, patience, &mut look, each);
        let next = self.files.values().filter_map(|known| known.turns_at).filter(|at| *at > now).min();
        if let Some(next) = next.map(|at| at.duration_since(now).unsigned_abs()) {
            look.again = Some(look.again.unwrap_or(next).min(next));
        }
        if let Some(keep) = &mut self.keep {
            keep.settle();
        }
        look
    }

    fn lose_folder(&mut self, error: &std::io::Error, each: &mut dyn FnMut(Inbox) -> ControlFlow<()>) -> Look {
        let why = match error.kind() {
            std::io::ErrorKind::NotFound => "the queue folder is not there".into(),
            _ => format!("the queue folder cannot be read: {}", beneath::reason(error)),
        };
        for known in self.files.values_mut() {
            (known.stamp, known.said, known.waiting) = (None, None, None);
        }
        self.lose(why, each)
    }

    fn lose(&mut self, why: String, each: &mut dyn FnMut(Inbox) -> ControlFlow<()>) -> Look {
        if self.lost.as_ref() != Some(&why) {
            self.lost = Some(why.clone());
            self.complete = false;
            let _ = each(Inbox::Lost { why });
        }
        Look { again: None, lost: true }
    }

    fn go_through(
        &mut self,
        folder: &Folder,
        found: &Scan,
        depth: Depth,
        patience: Patience,
        look: &mut Look,
        each: &mut dyn FnMut(Inbox) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        self.remove_gone(found, each)?;
        let mut surplus = None;
        for (file, entry) in &found.entries {
            if !self.files.contains_key(file) && self.files.len() >= limits::FILES {
                surplus.get_or_insert(file);
                continue;
            }
            let message = match entry {
                Entry::File(stamp) => self.file(folder, file, stamp, depth, patience, look),
                Entry::Odd(why) => self.fault(folder, file, why, NOT_READ),
                Entry::Unlisted(why) => self.fault(folder, file, why, "let the daemon's user read the folder"),
                Entry::Shortcut => self.fault(folder, file, SHORTCUT, "put the files there, or link each of them"),
            };
            if let Some(message) = message {
                each(message)?;
            }
        }
        if self.surplus.as_ref() != surplus {
            self.surplus = surplus.cloned();
            if let Some(file) = surplus {
                let reason = format!("the queue holds more than {} files; this one is not read", limits::FILES);
                let faults = vec![Fault::error(Place::file(file), reason)];
                each(Inbox::File { file: file.clone(), posts: None, faults })?;
            }
        }
        if depth == Depth::Media {
            self.tidy_hasher();
        }
        let reads = |(file, known): (&Arc<str>, &Known)| known.waiting.is_some() && found.entries.contains_key(file);
        if !self.complete && !self.files.iter().any(reads) {
            self.bring_out_of_sight(folder, found, each)?;
            self.complete = true;
            if let Some(keep) = self.keep.as_mut().filter(|_| !found.is_partial()) {
                keep.prune(self.files.keys());
            }
            each(Inbox::Complete)?;
        }
        ControlFlow::Continue(())
    }

    /// What lies in a folder that cannot be listed is neither there nor gone. What was good there when it was read last is in
    /// force: without it, all that waits there would be withdrawn.
    fn bring_out_of_sight(
        &mut self,
        folder: &Folder,
        found: &Scan,
        each: &mut dyn FnMut(Inbox) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        if !found.is_partial() {
            return ControlFlow::Continue(());
        }
        let mut files = self.keep.as_ref().map(Keep::files).unwrap_or_default();
        // What is in force stays as it was judged: its media and what is signed beside it are out of sight as well.
        let in_force = |file: &Arc<str>| self.files.get(file).is_some_and(|known| known.in_force);
        files.retain(|file| !found.entries.contains_key(file) && !in_force(file) && found.may_hold(file));
        files.sort();
        for file in files {
            self.files.entry(file.clone()).or_default().waiting = None;
            if let Some(posts) = self.last_good(folder, &file, true) {
                each(Inbox::File { file, posts: Some(posts), faults: Vec::new() })?;
            }
        }
        ControlFlow::Continue(())
    }

    fn remove_gone(&mut self, found: &Scan, each: &mut dyn FnMut(Inbox) -> ControlFlow<()>) -> ControlFlow<()> {
        let is_gone = |file: &Arc<str>| !found.entries.contains_key(file) && !found.may_hold(file);
        let gone: Vec<_> = self.files.keys().filter(|file| is_gone(file)).cloned().collect();
        for file in gone {
            self.files.remove(&file);
            if let Some(keep) = &mut self.keep {
                keep.forget(&file);
            }
            each(Inbox::Gone { file })?;
        }
        ControlFlow::Continue(())
    }

    /// A name that holds no file that can be read.
    fn fault(&mut self, folder: &Folder, file: &Arc<str>, why: &str, hint: &str) -> Option<Inbox> {
        let said = Digest::of(why.as_bytes());
        let known = self.files.entry(file.clone()).or_default();
        (known.stamp, known.waiting) = (None, None);
        let rejudge = std::mem::take(&mut known.rejudge);
        if known.said == Some(said) && !rejudge {
            return None;
        }
        known.said = Some(said);
        let faults = vec![Fault::error(Place::file(file), why).with_hint(hint)];
        let posts = self.last_good(folder, file, rejudge);
        Some(Inbox::File { file: file.clone(), posts, faults })
    }

    /// A file that is there: read if it, or something it names, has changed.
    fn file(
        &mut self,
        folder: &Folder,
        file: &Arc<str>,
        stamp: &Stamp,
        depth: Depth,
        patience: Patience,
        look: &mut Look,
    ) -> Option<Inbox> {
        let known = self.files.entry(file.clone()).or_default();
        let other_media = depth == Depth::Media
            && known.media.iter().any(|(path, seen)| seen.is_open() || see(folder, file, path) != *seen);
        let anew = other_media || known.rejudge;
        if known.stamp.as_ref() == Some(stamp) && !anew {
            known.waiting = None;
            return None;
        }
        let now = self.clock.now();
        let fresh = is_fresh(stamp, now) && patience == Patience::Wait;
        let mut waiting = known.waiting.unwrap_or(Waiting { since: now, tries: 0 });
        // However the clock has been set meanwhile.
        let waited = now.duration_since(waiting.since).unsigned_abs();
        if fresh && waited < LONGEST_WAIT {
            known.waiting = Some(waiting);
            look.again = Some(look.again.unwrap_or(FRESH).min(FRESH));
            return None;
        }
        let (bytes, stamp) = match bytes(folder, file) {
            Ok(read) => read,
            // Removed since it was listed: the next look will say so.
            Err(why) if why == GONE => return None,
            Err(why) => return self.fault(folder, file, &why, NOT_READ),
        };
        let mut asked = Asked::new(folder, file, now);
        let (mut reading, verdict) = self.read(file, &bytes, &mut asked);
        let known = self.files.entry(file.clone()).or_default();
        let half_a_file = fresh && (reading.posts.is_none() || bytes.is_empty());
        if half_a_file && waiting.tries < TRIES {
            waiting.tries += 1;
            known.waiting = Some(waiting);
            look.again = Some(BETWEEN_TRIES);
            return None;
        }
        // What approved it was there, and is being replaced: for a moment, all stays as it was.
        let is_broken = verdict.as_ref().is_some_and(|verdict| verdict.fault.is_some());
        let half_a_sheet = match asked.sheet {
            Some(Seen::Fresh) => is_broken,
            Some(Seen::Unread | Seen::Absent) => known.had_sheet,
            Some(Seen::At(_)) | None => false,
        };
        let fault = verdict.as_ref().and_then(|verdict| verdict.fault.clone());
        let closed = asked.sheet == Some(Seen::Unread) && known.had_sheet && patience == Patience::Wait;
        let closed = closed.then(|| Digest::of(format!("{fault:?}").as_bytes()));
        let is_told = closed.is_some() && known.said == closed;
        if half_a_sheet && !is_told && patience == Patience::Wait && waited < LONGEST_WAIT {
            known.waiting = Some(waiting);
            look.again = Some(look.again.unwrap_or(FRESH).min(FRESH));
            return None;
        }
        if closed.is_some() {
            // That is no word against anybody. It is looked at again, and each attempt asks for itself meanwhile.
            (known.stamp, known.waiting, known.said) = (None, None, closed);
            let faults = fault.into_iter().collect();
            return (!is_told).then(|| Inbox::File { file: file.clone(), posts: None, faults });
        }
        known.had_sheet = matches!(asked.sheet, Some(Seen::At(_) | Seen::Fresh));
        // What was read while it was being written is read once more when it has come to rest.
        known.stamp = (!is_fresh(&stamp, now) || patience == Patience::None).then_some(stamp);
        known.waiting = None;
        known.rejudge = false;
        known.turns_at = verdict.as_ref().and_then(|verdict| verdict.turns_at);
        known.is_timed = verdict.is_some_and(|verdict| verdict.is_timed);
        if known.stamp.is_none() || asked.media.iter().any(|(_, seen)| *seen == Seen::Fresh) {
            look.again = Some(look.again.unwrap_or(FRESH).min(FRESH));
        }
        let said = asked.fingerprint(&bytes);
        let before = std::mem::replace(&mut known.media, asked.media.into());
        if reading.posts.is_none() {
            // Its last good version is in force, and with it the media that one names.
            let named = |path: &str| known.media.iter().any(|(named, _)| **named == *path);
            let further: Vec<_> = before.into_iter().filter(|(path, _)| !named(path)).collect();
            let further = further.into_iter().map(|(path, _)| (see(folder, file, &path), path));
            let media = known.media.iter().cloned().chain(further.map(|(seen, path)| (path, seen))).collect();
            known.media = media;
        }
        if known.said == Some(said) && (reading.posts.is_some() || !anew) {
            return None;
        }
        known.said = Some(said);
        if reading.posts.is_some() {
            known.in_force = true;
            reading.faults.extend(self.keep_good(file, &bytes));
        } else {
            reading.posts = self.last_good(folder, file, anew);
        }
        Some(Inbox::File { file: file.clone(), posts: reading.posts, faults: reading.faults })
    }

    /// Has a file read, and its approvals judged where they are signed.
    fn read(&mut self, file: &Arc<str>, bytes: &[u8], asked: &mut Asked<'_>) -> (Reading, Option<Verdict>) {
        let mut reading = (self.reader.read)(file, bytes, &mut |path| asked.look(&mut self.hasher, path));
        let verdict = self.reader.signers.as_ref().map(|signers| asked.judge(&signers.allowed));
        if let Some(verdict) = &verdict {
            judge(reading.posts.as_deref_mut().unwrap_or_default(), verdict);
            reading.faults.extend(verdict.fault.clone());
        }
        (reading, verdict)
    }

    /// The posts of the last good version, where nobody has them yet, or its media or what is signed beside it have changed.
    fn last_good(&mut self, folder: &Folder, file: &Arc<str>, anew: bool) -> Option<Vec<Post>> {
        let known = self.files.entry(file.clone()).or_default();
        if known.in_force && !anew {
            return None;
        }
        let bytes = self.keep.as_ref()?.load(file)?;
        let mut asked = Asked::new(folder, file, self.clock.now());
        // Its faults have been told when it was new, and its places are those of another text.
        let (reading, verdict) = self.read(file, &bytes, &mut asked);
        let posts = reading.posts?;
        let known = self.files.entry(file.clone()).or_default();
        if known.in_force && asked.sheet == Some(Seen::Unread) {
            // Nobody can judge it again before it can be read.
            known.turns_at = None;
            return None;
        }
        known.in_force = true;
        known.turns_at = verdict.as_ref().and_then(|verdict| verdict.turns_at);
        known.is_timed = verdict.is_some_and(|verdict| verdict.is_timed);
        known.kept = Some(Digest::of(&bytes));
        known.media = known.media.iter().cloned().chain(asked.media).collect();
        Some(posts)
    }

    fn keep_good(&mut self, file: &Arc<str>, bytes: &[u8]) -> Option<Fault> {
        let keep = self.keep.as_mut()?;
        let known = self.files.get_mut(file)?;
        let content = Digest::of(bytes);
        if known.kept == Some(content) {
            return None;
        }
        if known.kept.is_none() && keep.load(file).is_some_and(|copy| copy == bytes) {
            known.kept = Some(content);
            return None;
        }
        match keep.save(file, bytes) {
            Ok(()) => {
                known.kept = Some(content);
                None
            }
            Err(error) => {
                known.kept = None;
                let reason = format!("the file is in force, but no copy of it could be kept: {error}");
                Some(Fault::warning(Place::file(file), reason))
            }
        }
    }

    /// Forgets digests of media that no file names any more, when they have become many.
    fn tidy_hasher(&mut self) {
        let named: usize = self.files.values().map(|known| known.media.len()).sum();
        if self.hasher.len() > 2 * named + 1000 {
            self.hasher = Hasher::default();
        }
    }
}

/// The media that a reading asks for.
struct Asked<'a> {
    folder: &'a Folder,
    file: &'a Arc<str>,
    now: Timestamp,
    media: Vec<(Box<str>, Seen)>,
    /// What stands beside the file, where that was asked for.
    sheet: Option<Seen>,
    /// What was answered, for the fingerprint.
    answers: String,
}

impl<'a> Asked<'a> {
    fn new(folder: &'a Folder, file: &'a Arc<str>, now: Timestamp) -> Self {
        Self { folder, file, now, media: Vec::new(), sheet: None, answers: String::new() }
    }

    fn look(&mut self, hasher: &mut Hasher, path: &str) -> Result<FoundMedia, String> {
        let result = hasher.hash(self.folder, self.file, path, |stamp| !is_fresh(stamp, self.now));
        let seen = match &result {
            Ok((stamp, _)) if is_fresh(stamp, self.now) => Seen::Fresh,
            Ok((stamp, _)) => Seen::At(*stamp),
            Err(_) => see(self.folder, self.file, path),
        };
        let result = result.map(|(_, found)| found);
        let digest = result.as_ref().map(|found| found.sha256);
        self.answers += &format!("{path}\0{digest:?}\0");
        self.media.push((path.into(), seen));
        result
    }

    /// Judges what is signed beside the file. It is looked after like the media that the file names.
    fn judge(&mut self, allowed: &Allowed) -> Verdict {
        let (found, stamp) = signatures::approval(self.folder, self.file);
        let name = beside(self.file.rsplit('/').next().unwrap_or_default());
        let seen = match stamp {
            Some(stamp) if is_fresh(&stamp, self.now) => Seen::Fresh,
            Some(stamp) => Seen::At(stamp),
            // What could not be read is looked at again, although it is the same: it may have been for a moment only.
            None => match see(self.folder, self.file, &name) {
                Seen::At(_) => Seen::Unread,
                seen => seen,
            },
        };
        let verdict = Verdict::new(self.file, &found, allowed, self.now);
        self.answers += &format!("{verdict:?}");
        self.sheet = Some(seen);
        self.media.push((name.into(), seen));
        verdict
    }

    /// The same as long as the same bytes name the same media.
    fn fingerprint(&self, bytes: &[u8]) -> Digest {
        Digest::of(format!("{}\0{}", Digest::of(bytes), self.answers).as_bytes())
    }
}

const GONE: &str = "it was removed while it was read";
const SHORTCUT: &str = "it is a symlink to a folder, and those are not followed";
const NOT_READ: &str = "a queue file is a regular file inside the queue folder that the daemon's user may read";

fn bytes(folder: &Folder, file: &Arc<str>) -> Result<(Vec<u8>, Stamp), String> {
    let read = folder.file(file).and_then(|(mut file, stamp)| {
        let bytes = beneath::read_bounded(&mut file, limits::FILE_BYTES)?;
        Ok((bytes, stamp))
    });
    match read {
        Ok((Some(bytes), stamp)) => Ok((bytes, stamp)),
        Ok((None, _)) => Err(format!("it has more than {} MiB", limits::FILE_BYTES >> 20)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(GONE.into()),
        Err(error) => Err(beneath::reason(&error)),
    }
}

fn see(folder: &Folder, file: &str, path: &str) -> Seen {
    let stamp = beneath::beside(file, path).ok().and_then(|path| folder.look(&path).ok());
    stamp.map_or(Seen::Absent, Seen::At)
}

fn is_fresh(stamp: &Stamp, now: Timestamp) -> bool {
    signatures::is_fresh(stamp, now, FRESH)
}

/// Reads the whole folder once, as it is; for commands that need no daemon. `keep` is where the daemon holds last good
/// versions; nothing is written there.
pub fn read_all(queue: &Path, keep: Option<&Path>, reader: Reader) -> Vec<Inbox> {
    let keep = keep.map(|folder| Keep::read_only(folder.into()));
    let mut messages = Vec::new();
    let mut desk = Desk::new(queue.into(), keep, reader, Arc::new(SystemClock));
    desk.look(Depth::Files, Patience::None, &mut |message| {
        messages.push(message);
        ControlFlow::Continue(())
    });
    messages
}
