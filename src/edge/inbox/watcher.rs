//! The thread that looks at the queue folder.
//!
//! Hints of the operating system only make it look sooner; what is there is always read from the folder itself. Where
//! hints cannot be believed (a network file system, a watch that could not be set), it looks every second instead.

use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::{Depth, Desk, Keep, Patience, Reader};
use crate::edge::beneath::Folder;
use crate::edge::clock::{self, SystemClock};
use crate::parts::Inbox;

/// From the first hint to the look, so that what belongs together is read together.
const GATHER: Duration = Duration::from_millis(100);
/// After a look that a hint has caused comes another one: what happens in a new folder before it is watched gives no
/// hint.
const AFTERWARDS: Duration = Duration::from_secs(1);
/// How often it is looked whether the folder itself has been replaced, which gives no hint where a symlink is
/// switched over; and how often everything is looked at where hints are not believed.
const TICK: Duration = Duration::from_secs(1);
/// How often everything is looked at anyway.
const RESCAN: Duration = Duration::from_secs(60);
/// Of its time it spends at most one part in this many looking, unless a hint asks for it.
const IDLE_SHARE: u32 = 10;

/// What a watcher needs.
pub struct Watch {
    pub queue: PathBuf,
    /// Where last good versions are held; `None`: nowhere.
    pub keep: Option<PathBuf>,
    pub reader: Reader,
}

/// Watches a queue folder from a thread of its own until it is stopped or dropped.
pub struct Watcher {
    orders: Sender<Order>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

enum Order {
    Hint,
    /// Hints are not coming any more.
    Deaf,
    Rescan,
    Reader(Box<Reader>),
    Stop,
}

impl Watcher {
    /// Starts the thread. `each` is called from it with every message: first with what is there, then
    /// [`Inbox::Complete`], then with what changes.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(watch: Watch, each: impl FnMut(Inbox) + Send + 'static) -> io::Result<Self> {
        let (orders, inbox) = mpsc::channel();
        let stop = Arc::new(AtomicBool::new(false));
        let mut guard = Guard {
            desk: Desk::new(watch.queue.clone(), watch.keep.map(Keep::new), watch.reader, Arc::new(SystemClock)),
            queue: watch.queue,
            hints: Hints { orders: orders.clone(), pending: Arc::default() },
            watched: None,
            stop: stop.clone(),
            rested: clock::ticks(),
            afterwards: None,
            each,
        };
        let thread = std::thread::Builder::new().name("inbox".into()).spawn(move || guard.run(&inbox))?;
        Ok(Self { orders, stop, thread: Some(thread) })
    }

    /// Reads every file again, as SIGHUP asks for. What has not changed is not told again.
    pub fn rescan(&self) {
        let _ = self.orders.send(Order::Rescan);
    }

    /// Reads every file again with another reader, and tells all.
    pub fn set_reader(&self, reader: Reader) {
        let _ = self.orders.send(Order::Reader(Box::new(reader)));
    }

    /// Ends the thread and waits for it. Not to be called from inside `each`.
    pub fn stop(mut self) {
        self.ask_to_stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }

    fn ask_to_stop(&self) {
        self.stop.store(true, Ordering::Release);
        let _ = self.orders.send(Order::Stop);
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.ask_to_stop();
    }
}

/// Where hints go. Of each kind only one waits, however many there are.
#[derive(Clone)]
struct Hints {
    orders: Sender<Order>,
    /// 0: none, 1: of queue files, 2: of something else.
    pending: Arc<AtomicU8>,
}

impl Hints {
    fn take(&self) -> Depth {
        if self.pending.swap(0, Ordering::AcqRel) > 1 { Depth::Media } else { Depth::Files }
    }

    fn hint(&self, event: notify::Result<notify::Event>) {
        let Ok(event) = event else {
            let _ = self.orders.send(Order::Deaf);
            return;
        };
        use notify::event::{AccessKind, AccessMode};
        // Our own looking opens folders and files.
        let is_reading = matches!(event.kind, EventKind::Access(kind) if kind != AccessKind::Close(AccessMode::Write));
        if is_reading {
            return;
        }
        let is_queue_file = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "toml");
        let all_queue_files = !event.paths.is_empty() && event.paths.iter().all(is_queue_file);
        let kind = if all_queue_files { 1 } else { 2 };
        if self.pending.fetch_max(kind, Ordering::AcqRel) == 0 {
            let _ = self.orders.send(Order::Hint);
        }
    }
}

/// What is watched: the folder that was there when the watch was set.
struct Watched {
    identity: (u64, u64),
    /// Whether its file system tells of changes.
    believed: bool,
    _watcher: RecommendedWatcher,
}

struct Guard<F> {
    desk: Desk,
    queue: PathBuf,
    hints: Hints,
    watched: Option<Watched>,
    stop: Arc<AtomicBool>,
    /// When to look once more after a hint.
    afterwards: Option<Instant>,
    /// No hint makes it look before this, so that it rests as long as it looks.
    rested: Instant,
    each: F,
}

/// When to look next, and at what.
struct Due {
    at: Instant,
    depth: Depth,
}

impl Due {
    /// The earlier moment and the greater depth.
    fn or(self, at: Instant, depth: Depth) -> Self {
        Self { at: self.at.min(at), depth: self.depth.max(depth) }
    }
}

impl<F: FnMut(Inbox)> Guard<F> {
    fn run(&mut self, orders: &Receiver<Order>) {
        let mut due = Due { at: clock::ticks(), depth: Depth::Media };
        let mut hinted = false;
        loop {
            let now = clock::ticks();
            // The folder itself is looked after at every tick.
            let wait = due.at.saturating_duration_since(now).min(TICK);
            match orders.recv_timeout(wait) {
                Ok(Order::Hint) => {
                    hinted = true;
                    due = due.or((clock::ticks() + GATHER).max(self.rested), Depth::Files);
                }
                Ok(Order::Deaf) => {
                    self.watched = None;
                    due = due.or(clock::ticks(), Depth::Media);
                }
                Ok(Order::Rescan) => {
                    self.desk.forget_stamps();
                    due = due.or(clock::ticks(), Depth::Media);
                }
                Ok(Order::Reader(reader)) => {
                    self.desk.set_reader(*reader);
                    due = due.or(clock::ticks(), Depth::Media);
                }
                Ok(Order::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if self.stop.load(Ordering::Acquire) {
                return;
            }
            if self.watched.as_ref().is_some_and(|watched| identity(&self.queue) != Some(watched.identity)) {
                self.watched = None;
                due = due.or(clock::ticks(), Depth::Media);
            }
            if self.desk.has_other_signers() {
                due = due.or(clock::ticks(), Depth::Files);
            }
            if clock::ticks() >= due.at {
                due = self.look(due.depth, hinted);
                hinted = false;
            }
        }
    }

    /// Looks, and says when to look again.
    fn look(&mut self, depth: Depth, hinted: bool) -> Due {
        // Before the look: what changes after it gives a hint then.
        if self.watched.is_none() {
            self.watched = watch(&self.queue, &self.hints);
        }
        let depth = depth.max(self.hints.take());
        let begun = clock::ticks();
        let (each, stop) = (&mut self.each, &self.stop);
        let look = self.desk.look(depth, Patience::Wait, &mut |message| {
            each(message);
            if stop.load(Ordering::Acquire) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let ended = clock::ticks();
        self.rested = ended + (ended - begun);
        let believed = self.watched.as_ref().is_some_and(|watched| watched.believed) && !look.lost;
        let rest = IDLE_SHARE * (ended - begun);
        let anyway = ended + rest.max(if believed { RESCAN } else { TICK }).min(RESCAN);
        let again = look.again.map(|again| ended + again);
        let afterwards = hinted.then(|| ended + AFTERWARDS.max(rest).min(RESCAN));
        Due { at: next(anyway, again, &mut self.afterwards, afterwards, begun), depth: Depth::Media }
    }
}

/// The earliest moment of those that ask for a look after the one that has `begun`. The look after a hint is not forgotten
/// over one that comes before it.
fn next(
    anyway: Instant,
    again: Option<Instant>,
    waiting: &mut Option<Instant>,
    afterwards: Option<Instant>,
    begun: Instant,
) -> Instant {
    *waiting = afterwards.or(waiting.filter(|at| *at > begun));
    [again, *waiting].into_iter().flatten().fold(anyway, Instant::min)
}

fn watch(queue: &Path, hints: &Hints) -> Option<Watched> {
    let (identity, believed) = (identity(queue)?, hints_are_believed(queue));
    let hints = hints.clone();
    // Symlinks in the folder may lead anywhere; a watch on all that lies there is nobody's wish.
    let config = notify::Config::default().with_follow_symlinks(false);
    let mut watcher = RecommendedWatcher::new(move |event| hints.hint(event), config).ok()?;
    watcher.watch(&queue.canonicalize().ok()?, RecursiveMode::Recursive).ok()?;
    Some(Watched { identity, believed, _watcher: watcher })
}

fn identity(queue: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(queue).ok().map(|about| (about.dev(), about.ino()))
}

/// Whether the file system is one that tells of every change, whoever makes it. Those of other machines do not.
fn hints_are_believed(queue: &Path) -> bool {
    const LOCAL: [u32; 9] = [
        0xEF53,      // ext2, ext3, ext4
        0x5846_5342, // xfs
        0x9123_683E, // btrfs
        0x0102_1994, // tmpfs
        0x8584_58F6, // ramfs
        0xF2F5_2010, // f2fs
        0x2FC1_2FC1, // zfs
        0xCA45_1A4E, // bcachefs
        0x794C_7630, // overlayfs
    ];
    Folder::open(queue).and_then(|folder| folder.file_system()).is_ok_and(|kind| LOCAL.contains(&kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_look_after_a_hint_comes_whatever_else_asks_for_one() {
        let start = clock::ticks();
        let after = |millis| start + Duration::from_millis(millis);
        let (rescan, mut waiting) = (after(60_000), None);
        // The time of a key is an hour ahead.
        assert_eq!(next(rescan, Some(after(3_600_000)), &mut waiting, Some(after(1000)), start), after(1000));
        assert_eq!(next(rescan, Some(after(3_600_000)), &mut waiting, None, after(1000)), rescan);
        // A file is being written.
        assert_eq!(next(rescan, Some(after(100)), &mut waiting, Some(after(1000)), start), after(100));
        assert_eq!(next(rescan, None, &mut waiting, None, after(100)), after(1000));
        assert_eq!(next(rescan, None, &mut waiting, None, after(1000)), rescan);
    }
}
