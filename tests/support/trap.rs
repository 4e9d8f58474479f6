//! Kills a daemon at a named point, from the outside: when its log says a line, when the platform meets a request of
//! it, or when the kernel tells that it has touched a file.
//!
//! The daemon is the one that ships and knows nothing of this. What the points can be told by is what everybody can
//! see; between two things that can be seen nothing but chance can aim.

#![allow(dead_code, reason = "each test binary uses its own part of this file")]

use std::fs::File;
use std::mem::MaybeUninit;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::process::{Pid, Signal};

use super::platform::{Asked, Weather};

/// Where a daemon is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// Its log has said this: it is so, and on record where it is of that kind.
    Said(&'static str),
    /// A record of this kind about the aim stands in the journal's file; its sync has not come back yet.
    Written(&'static str),
    /// A request has arrived at the platform, and is never carried out.
    Arrived(Request),
    /// It is carried out, and never answered.
    CarriedOut(Request),
    /// It is carried out, and its answer is on the way.
    Answered(Request),
    /// Something was done to a file of this name, in the store or on the site of the aim.
    Touched(&'static str),
    /// The same, after the daemon was ready.
    TouchedLater(&'static str),
    /// Bytes were written to such a file.
    WrittenTo(&'static str),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Request {
    /// The first one of all.
    First,
    /// The one that publishes this part of the aim, counted from 0.
    Part(usize),
    /// The one that publishes the first part of the aim once more, after its first answer was lost.
    Repeat,
    /// The one that looks for the aim, after its answer was lost.
    Look,
}

/// What a point is about: a delivery of a thread whose parts say `post-0.`, `post-1.` and so on.
#[derive(Debug, Clone)]
pub struct Aim {
    pub post: String,
    pub account: String,
    pub platform: &'static str,
}

impl Aim {
    /// What only this part of the post says.
    pub fn text(post: &str, part: usize) -> String {
        format!("{post}-{part}.")
    }
}

/// What is done to one daemon.
struct Armed {
    pid: Pid,
    point: Point,
    aim: Aim,
    /// How often its first part was to be published.
    tries: usize,
    /// Whether the first answer is lost before or after the effect, where the point asks for that.
    lost_before: bool,
    ready: bool,
    sprung: bool,
}

/// Waits for a point and kills.
#[derive(Clone, Default)]
pub struct Trap(Arc<Mutex<Option<Armed>>>);

impl Trap {
    pub fn arm(&self, pid: u32, point: Point, aim: Aim, lost_before: bool) {
        let pid = Pid::from_raw(pid.try_into().unwrap()).unwrap();
        *self.0.lock().unwrap() = Some(Armed { pid, point, aim, tries: 0, lost_before, ready: false, sprung: false });
    }

    /// From now on nothing is killed. Whether it was. To be asked before the process is waited for: its number is
    /// somebody else's afterwards.
    pub fn disarm(&self) -> bool {
        self.0.lock().unwrap().take().is_some_and(|armed| armed.sprung)
    }

    /// The daemon is ready.
    pub fn ready(&self) {
        if let Some(armed) = self.0.lock().unwrap().as_mut() {
            armed.ready = true;
        }
    }

    fn spring(&self) {
        if let Some(armed) = self.0.lock().unwrap().as_mut() {
            armed.spring();
        }
    }

    /// What becomes of a request; `None` when the point is not about it.
    pub fn asked(&self, platform: &str, asked: &Asked) -> Option<Weather> {
        let mut held = self.0.lock().unwrap();
        let armed = held.as_mut().filter(|armed| armed.aim.platform == platform && !armed.sprung)?;
        let wanted = match armed.point {
            Point::Arrived(wanted) | Point::CarriedOut(wanted) | Point::Answered(wanted) => wanted,
            // Its answer is lost, and nothing is killed for that.
            Point::Said("delivery.ambiguous" | "delivery.reconciled") => Request::Part(usize::MAX),
            _ => return None,
        };
        let says = |part| {
            let text = Aim::text(&armed.aim.post, part);
            asked.publishes && asked.seen.body.windows(text.len()).any(|window| window == text.as_bytes())
        };
        let first_part = says(0);
        let looks = asked.what.ends_with("repo.getRecord") || asked.what.ends_with("/statuses") && !asked.publishes;
        let hit = match wanted {
            Request::First => true,
            Request::Part(part) => says(part),
            Request::Repeat => first_part && armed.tries > 0,
            Request::Look => looks && armed.tries > 0,
        };
        armed.tries += usize::from(first_part);
        if !hit {
            let loses = matches!(wanted, Request::Repeat | Request::Look | Request::Part(usize::MAX));
            let lost = first_part && armed.tries == 1 && loses;
            return lost.then(|| if armed.lost_before { Weather::CutBefore } else { Weather::CutAfter });
        }
        let trap = self.clone();
        Some(match armed.point {
            Point::CarriedOut(_) => Weather::Then(Box::new(move || trap.spring())),
            Point::Answered(_) => Weather::AnswerThen(Box::new(move || trap.spring())),
            _ => {
                armed.spring();
                Weather::CutBefore
            }
        })
    }

    /// A file in a watched folder was touched.
    fn touched(&self, name: &str, written: bool, journal: &mut Tail) {
        let mut held = self.0.lock().unwrap();
        let Some(armed) = held.as_mut() else { return };
        let hit = match armed.point {
            Point::Touched(wanted) => name == wanted,
            Point::TouchedLater(wanted) => name == wanted && armed.ready,
            Point::WrittenTo(wanted) => name == wanted && written,
            Point::Written(kind) if written => {
                let about = format!("\"{kind}\":{{\"delivery\":\"{}@{}\"", armed.aim.post, armed.aim.account);
                let plain = format!("\"{kind}\":{{");
                journal.now_holds(if matches!(kind, "opened" | "pinned") { &plain } else { &about })
            }
            _ => false,
        };
        if hit {
            armed.spring();
        }
    }
}

impl Armed {
    fn spring(&mut self) {
        self.sprung = true;
        // It may have ended by itself; whoever waits for it will see.
        let _ = rustix::process::kill_process(self.pid, Signal::KILL);
    }
}

/// A thread that sees what is done to files, for one life of a daemon.
pub struct Watch {
    stop: PathBuf,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Watches these folders below `root` as long as they are there, and `root` itself.
    pub fn start(root: &Path, folders: &[String], trap: &Trap) -> Self {
        let watch = inotify::init(CreateFlags::CLOEXEC).unwrap();
        let flags = WatchFlags::CREATE | WatchFlags::MODIFY | WatchFlags::MOVED_TO;
        inotify::add_watch(&watch, root, flags).unwrap();
        for folder in folders {
            // Not there yet, in a store that is being made.
            let _ = inotify::add_watch(&watch, root.join(folder), flags);
        }
        let mut journal = Tail::of(&root.join("store/journal"));
        let trap = trap.clone();
        let stop = root.join("watch-ends");
        let _ = std::fs::remove_file(&stop);
        let see = move || {
            let mut buffer = [MaybeUninit::uninit(); 4096];
            let mut events = inotify::Reader::new(watch, &mut buffer);
            loop {
                let event = events.next().unwrap();
                let name = event.file_name().and_then(|name| name.to_str().ok()).unwrap_or_default();
                if name == "watch-ends" {
                    return;
                }
                trap.touched(name, event.events().contains(inotify::ReadFlags::MODIFY), &mut journal);
            }
        };
        let thread = std::thread::Builder::new().name("watch".into()).spawn(see).unwrap();
        Self { stop, thread: Some(thread) }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        std::fs::write(&self.stop, "").unwrap();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What a life of a daemon adds to the journal's last segment.
struct Tail {
    file: Option<File>,
    from: u64,
}

impl Tail {
    /// From the end that the journal has now.
    fn of(folder: &Path) -> Self {
        let names = std::fs::read_dir(folder)
            .into_iter()
            .flatten()
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let last = names.filter(|name| name.starts_with('0')).max();
        let Some(last) = last else { return Self { file: None, from: 0 } };
        let bytes = std::fs::read(folder.join(&last)).unwrap();
        let from = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1);
        Self { file: Some(File::open(folder.join(last)).unwrap()), from }
    }

    fn now_holds(&mut self, text: &str) -> bool {
        let Some(file) = &self.file else { return false };
        let mut bytes = vec![0; 64 * 1024];
        let have = file.read_at(&mut bytes, self.from).unwrap_or(0);
        bytes[..have].windows(text.len()).any(|window| window == text.as_bytes())
    }
}
