//! A disk in memory that fails when it is told to, and loses at a power cut what was not synced.
//!
//! It is harsher than most real ones: of the unsynced writes any 512 bytes may survive or not, names that were not
//! synced come and go one by one, and after a failed sync the unwritten pages count as clean, as on Linux. The
//! file that it failed on never becomes durable through the same handle again.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use cadenced::edge::disk::{Disk, DiskFile, How, Lock};

/// How a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// An error before the effect; a write has done half of it.
    Io,
    /// An error after the effect.
    IoAfter,
    /// No room, before the effect.
    Full,
    /// Not an error: a write that writes half of what it was given.
    Short,
    /// The power goes before the effect: this call and all later ones fail.
    PowerOff,
}

#[derive(Clone)]
pub struct FailingDisk {
    state: Arc<Mutex<State>>,
    /// Handles of an earlier boot are dead.
    boot: u64,
}

#[derive(Default)]
struct State {
    boot: u64,
    next: u64,
    files: BTreeMap<u64, Inode>,
    folders: BTreeSet<PathBuf>,
    names: BTreeMap<PathBuf, u64>,
    durable_names: BTreeMap<PathBuf, u64>,
    name_changes: Vec<(PathBuf, Option<u64>, Option<PathBuf>)>,
    calls: u64,
    fault: Option<(u64, Fault)>,
    dead: bool,
    locked: bool,
    /// Whether a sync does nothing.
    lies: bool,
    /// Bytes that can still be allocated.
    room: u64,
    chance: u64,
}

#[derive(Default)]
struct Inode {
    now: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

impl Change {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Self::Length(length) => to.resize((*length).max(to.len()), 0),
            Self::Write(at, bytes) => {
                to.resize(to.len().max(at + bytes.len()), 0);
                to[*at..at + bytes.len()].copy_from_slice(bytes);
            }
        }
    }
}

/// What a call has to do now.
enum Turn {
    Do,
    Half,
    HalfThenFail(io::Error),
    DoThenFail(io::Error),
}

impl FailingDisk {
    pub fn new() -> Self {
        let state = State { room: u64::MAX, chance: 1, ..State::default() };
        Self { state: Arc::new(Mutex::new(state)), boot: 0 }
    }

    /// From now on, counted from 1, the n-th call fails.
    pub fn fail(&self, n: u64, fault: Fault) {
        let mut state = self.state.lock().unwrap();
        state.calls = 0;
        state.fault = Some((n, fault));
    }

    /// Whether the fault that was ordered has happened.
    pub fn has_failed(&self) -> bool {
        let state = self.state.lock().unwrap();
        state.fault.is_some_and(|(n, _)| state.calls >= n)
    }

    /// From now on it says that bytes are durable, and does nothing for it.
    pub fn lie(&self) {
        self.state.lock().unwrap().lies = true;
    }

    /// Bytes that can still be allocated.
    pub fn set_room(&self, bytes: u64) {
        self.state.lock().unwrap().room = bytes;
    }

    /// The process ends, but the power stays: everything written is still there.
    pub fn restart(&self) -> Self {
        let mut state = self.state.lock().unwrap();
        state.boot += 1;
        state.fault = None;
        state.dead = false;
        state.locked = false;
        Self { state: self.state.clone(), boot: state.boot }
    }

    /// The power goes and comes back: of what was not synced, chance decides.
    pub fn power_cut(&self, seed: u64) -> Self {
        let mut guard = self.state.lock().unwrap();
        let state = &mut *guard;
        state.chance = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        for inode in state.files.values_mut() {
            for change in std::mem::take(&mut inode.pending) {
                survive(&change, &mut inode.durable, &mut state.chance);
            }
            inode.now.clone_from(&inode.durable);
        }
        for (path, file, gone) in std::mem::take(&mut state.name_changes) {
            if draw(&mut state.chance) {
                set(&mut state.durable_names, &path, file, gone.as_deref());
            }
        }
        state.names.clone_from(&state.durable_names);
        drop(guard);
        self.restart()
    }

    /// The bytes of a file, for damage by hand.
    pub fn edit(&self, path: &Path, edit: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state.lock().unwrap();
        let file = state.names[path];
        let inode = state.files.get_mut(&file).unwrap();
        edit(&mut inode.now);
        inode.durable.clone_from(&inode.now);
        inode.pending.clear();
    }

    pub fn unlink(&self, path: &Path) {
        let mut state = self.state.lock().unwrap();
        state.names.remove(path).unwrap();
        state.durable_names.remove(path);
    }

    pub fn swap(&self, one: &Path, other: &Path) {
        let mut state = self.state.lock().unwrap();
        let (a, b) = (state.names[one], state.names[other]);
        state.names.extend([(one.to_path_buf(), b), (other.to_path_buf(), a)]);
    }

    pub fn names(&self) -> Vec<PathBuf> {
        self.state.lock().unwrap().names.keys().cloned().collect()
    }

    fn turn(&self) -> io::Result<Turn> {
        let mut state = self.state.lock().unwrap();
        if state.dead || state.boot != self.boot {
            return Err(io::Error::other("no power"));
        }
        state.calls += 1;
        match state.fault {
            Some((n, fault)) if n == state.calls => match fault {
                Fault::Io => Ok(Turn::HalfThenFail(io::Error::from_raw_os_error(5))),
                Fault::IoAfter => Ok(Turn::DoThenFail(io::Error::from_raw_os_error(5))),
                Fault::Full => Err(io::Error::from_raw_os_error(28)),
                Fault::Short => Ok(Turn::Half),
                Fault::PowerOff => {
                    state.dead = true;
                    Err(io::Error::other("no power"))
                }
            },
            _ => Ok(Turn::Do),
        }
    }

    /// Carries out an effect that is whole or not at all.
    fn whole<T>(&self, effect: impl FnOnce(&mut State) -> io::Result<T>) -> io::Result<T> {
        match self.turn()? {
            Turn::Do | Turn::Half => effect(&mut self.state.lock().unwrap()),
            Turn::HalfThenFail(error) => Err(error),
            Turn::DoThenFail(error) => {
                let mut state = self.state.lock().unwrap();
                let result = effect(&mut state);
                drop(state);
                result.and(Err(error))
            }
        }
    }
}

fn draw(chance: &mut u64) -> bool {
    *chance ^= *chance << 13;
    *chance ^= *chance >> 7;
    *chance ^= *chance << 17;
    *chance & 0x10 != 0
}

/// Applies what chance lets survive of a change, 512 bytes at a time.
fn survive(change: &Change, to: &mut Vec<u8>, chance: &mut u64) {
    match change {
        Change::Length(_) => {
            if draw(chance) {
                change.apply(to);
            }
        }
        Change::Write(at, bytes) => {
            let mut from = 0;
            while from < bytes.len() {
                let until = (((at + from) / 512 + 1) * 512 - at).min(bytes.len());
                if draw(chance) {
                    Change::Write(at + from, bytes[from..until].to_vec()).apply(to);
                }
                from = until;
            }
        }
    }
}

fn set(names: &mut BTreeMap<PathBuf, u64>, path: &Path, file: Option<u64>, gone: Option<&Path>) {
    match file {
        Some(file) => _ = names.insert(path.into(), file),
        None => _ = names.remove(path),
    }
    if let Some(gone) = gone {
        names.remove(gone);
    }
}

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl State {
    fn change_name(&mut self, path: &Path, file: Option<u64>, gone: Option<&Path>) {
        set(&mut self.names, path, file, gone);
        self.name_changes.push((path.into(), file, gone.map(Into::into)));
    }
}

impl Disk for FailingDisk {
    fn open(&self, path: &Path, how: How) -> io::Result<Box<dyn DiskFile>> {
        let file = self.whole(|state| match (state.names.get(path).copied(), how) {
            (Some(file), How::Read | How::Write) => Ok(file),
            (None, How::Read | How::Write) => Err(missing()),
            (_, How::Create) => {
                // An existing file is emptied in truth; a new one under the same name is harsher on the caller.
                state.next += 1;
                let file = state.next;
                state.files.insert(file, Inode::default());
                state.change_name(path, Some(file), None);
                Ok(file)
            }
        })?;
        Ok(Box::new(Handle { disk: self.clone(), file, spoiled: AtomicBool::new(false) }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.whole(|state| {
            let file = state.names.get(from).copied().ok_or_else(missing)?;
            state.change_name(to, Some(file), Some(from));
            Ok(())
        })
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.whole(|state| {
            let (durable, rest) =
                std::mem::take(&mut state.name_changes).into_iter().partition(|(name, ..)| name.parent() == Some(path));
            state.name_changes = rest;
            for (name, file, gone) in Vec::<(PathBuf, Option<u64>, Option<PathBuf>)>::from_iter(durable) {
                set(&mut state.durable_names, &name, file, gone.as_deref());
            }
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.whole(|state| {
            if !state.names.contains_key(path) {
                return Err(missing());
            }
            state.change_name(path, None, None);
            Ok(())
        })
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        self.whole(|state| {
            let name = |file: &PathBuf| Some(file.file_name()?.to_str()?.to_owned());
            let inside = |file: &&PathBuf| file.parent() == Some(path);
            let names: Vec<_> = state.names.keys().filter(inside).filter_map(name).collect();
            if names.is_empty() && !state.folders.contains(path) { Err(missing()) } else { Ok(names) }
        })
    }

    fn create_folder(&self, path: &Path) -> io::Result<()> {
        self.whole(|state| {
            state.folders.insert(path.into());
            Ok(())
        })
    }

    fn lock(&self, _path: &Path) -> io::Result<Lock> {
        self.whole(|state| {
            if std::mem::replace(&mut state.locked, true) {
                return Ok(Lock::Taken(Some(7)));
            }
            Ok(Lock::Held(Box::new(Unlock(self.clone()))))
        })
    }
}

struct Unlock(FailingDisk);

impl Drop for Unlock {
    fn drop(&mut self) {
        let mut state = self.0.state.lock().unwrap();
        if state.boot == self.0.boot {
            state.locked = false;
        }
    }
}

struct Handle {
    disk: FailingDisk,
    file: u64,
    /// A sync has failed; later ones report success and do nothing.
    spoiled: AtomicBool,
}

impl Handle {
    fn change(&self, state: &mut State, change: Change) {
        let inode = state.files.get_mut(&self.file).unwrap();
        change.apply(&mut inode.now);
        inode.pending.push(change);
    }
}

impl DiskFile for Handle {
    fn length(&self) -> io::Result<u64> {
        self.disk.whole(|state| Ok(state.files[&self.file].now.len() as u64))
    }

    fn read_at(&self, to: &mut [u8], offset: u64) -> io::Result<usize> {
        self.disk.whole(|state| {
            let bytes = &state.files[&self.file].now;
            let from = usize::try_from(offset).unwrap().min(bytes.len());
            let length = to.len().min(bytes.len() - from);
            to[..length].copy_from_slice(&bytes[from..from + length]);
            Ok(length)
        })
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let turn = self.disk.turn()?;
        let length = match turn {
            Turn::Half | Turn::HalfThenFail(_) => bytes.len().div_ceil(2),
            Turn::Do | Turn::DoThenFail(_) => bytes.len(),
        };
        let at = usize::try_from(offset).unwrap();
        self.change(&mut self.disk.state.lock().unwrap(), Change::Write(at, bytes[..length].to_vec()));
        match turn {
            Turn::Do | Turn::Half => Ok(length),
            Turn::HalfThenFail(error) | Turn::DoThenFail(error) => Err(error),
        }
    }

    fn sync(&self) -> io::Result<()> {
        let turn = self.disk.turn()?;
        if self.spoiled.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut guard = self.disk.state.lock().unwrap();
        let state = &mut *guard;
        if state.lies {
            return Ok(());
        }
        let inode = state.files.get_mut(&self.file).unwrap();
        let pending = std::mem::take(&mut inode.pending);
        match turn {
            Turn::Do | Turn::Half => {
                pending.iter().for_each(|change| change.apply(&mut inode.durable));
                Ok(())
            }
            Turn::HalfThenFail(error) | Turn::DoThenFail(error) => {
                self.spoiled.store(true, Ordering::Relaxed);
                // Pages that could not be written are clean from now on; a second sync would have nothing to do.
                pending.iter().for_each(|change| survive(change, &mut inode.durable, &mut state.chance));
                Err(error)
            }
        }
    }

    fn allocate(&self, length: u64) -> io::Result<()> {
        self.disk.whole(|state| {
            let have = state.files[&self.file].now.len() as u64;
            let more = length.saturating_sub(have);
            if more > state.room {
                return Err(io::Error::from_raw_os_error(28));
            }
            state.room -= if state.room == u64::MAX { 0 } else { more };
            self.change(state, Change::Length(usize::try_from(length).unwrap()));
            Ok(())
        })
    }
}
