//! Opening a store folder: the lock, the machine, and the way through all segments to the end.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::domain::path::shown;
use crate::edge::disk::{Disk, DiskFile, How, Lock, is_full, write_zeros};

use super::identity::Identity;
use super::segment::{BadHeader, HEADER, Header, Rest, Tail, WINDOW, Window, scan};
use super::writer::{Current, Writer};
use super::{Durable, Found, Options, Part, StoreId};

/// Why a store is refused.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the store {} is in use{}", shown(store), by(*pid))]
    Locked { store: PathBuf, pid: Option<u32> },
    #[error("the store {} belongs to another machine", shown(store))]
    OtherMachine { store: PathBuf },
    #[error("{} is damaged{}: {why}", shown(file), at(*offset))]
    Corrupt { file: PathBuf, offset: u64, why: String },
    /// The index remembers records that the journal does not hold (any more): a disk that lied about a sync, or an
    /// older copy of the journal.
    #[error("{} has lost its end: it holds {held} records, and {known} were recorded", shown(journal))]
    Shortened { journal: PathBuf, index: PathBuf, held: u64, known: u64 },
    #[error("{} was written by a later version of cadenced ({what})", shown(file))]
    Newer { file: PathBuf, what: String },
    #[error("failed to {what} {}", shown(path))]
    Io { what: &'static str, path: PathBuf, source: io::Error },
}

impl OpenError {
    /// What a person can do about it.
    pub fn hint(&self) -> String {
        match self {
            Self::Locked { pid: Some(pid), .. } => {
                format!("a store has one daemon; stop process {pid}, or give this one a store of its own")
            }
            Self::Locked { pid: None, .. } => "a store has one daemon; stop the other one first".into(),
            Self::OtherMachine { store } => format!(
                "two machines with one store post everything twice; if the store has moved here for good and the \
                 other machine will not use it again, delete {}",
                Identity::path(store).display()
            ),
            Self::Corrupt { .. } => "going on without these records could post things twice; restore the store from a \
                 backup, or keep it for an examination and ask for help"
                .into(),
            Self::Shortened { index, .. } => format!(
                "what the lost records say was sent would be sent again; put the journal back as it was. If that is \
                 gone for good: look what was published last, take those posts out of the queue, and delete {}",
                index.display()
            ),
            Self::Newer { .. } => "install that version again; nothing was changed".into(),
            Self::Io { source, .. } if is_full(source) => "make room on the disk".into(),
            Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "the store must be readable and writable for the user that runs cadenced".into()
            }
            Self::Io { .. } => "look at the disk and at the kernel's log".into(),
        }
    }
}

fn by(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" by process {pid}"))
}

fn at(offset: u64) -> String {
    if offset == 0 { String::new() } else { format!(" at byte {offset}") }
}

/// What a crash has cut short, and opening has removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Torn {
    /// File name of the segment.
    pub segment: String,
    pub bytes: u64,
}

/// The journal's folder in a store.
pub fn folder(store: &Path) -> PathBuf {
    store.join("journal")
}

pub fn segment_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(segment_name(number))
}

pub fn spare_path(folder: &Path) -> PathBuf {
    folder.join("spare.seg")
}

fn segment_name(number: u64) -> String {
    format!("{number:010}.seg")
}

/// The numbers of the segments in a folder, in order, and the names of unfinished files.
pub fn list(disk: &dyn Disk, folder: &Path) -> Result<(Vec<u64>, Vec<String>), OpenError> {
    let names = match disk.list(folder) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(source) => return Err(OpenError::Io { what: "read the folder", path: folder.into(), source }),
    };
    let mut numbers: Vec<u64> = names
        .iter()
        .filter_map(|name| name.strip_suffix(".seg")?.parse().ok())
        .filter(|&number| names.binary_search(&segment_name(number)).is_ok())
        .collect();
    numbers.sort_unstable();
    Ok((numbers, names.into_iter().filter(|name| name.ends_with(".tmp")).collect()))
}

type Opened = (Box<dyn Send + Sync>, Writer, Durable, Found);

/// Asked with the store and how many records it holds, before anything of them is changed; an error leaves the store.
pub type Consent<'c> = &'c mut dyn FnMut(StoreId, u64) -> Result<(), OpenError>;

pub fn open(disk: &Arc<dyn Disk>, store: &Path, options: &Options, consent: Consent<'_>) -> Result<Opened, OpenError> {
    let io = |what, path: &Path| {
        let path = path.to_path_buf();
        move |source| OpenError::Io { what, path, source }
    };
    disk.create_folder(store).map_err(io("create", store))?;
    let lock = match disk.lock(&store.join("lock")).map_err(io("lock", store))? {
        Lock::Held(lock) => lock,
        Lock::Taken(pid) => return Err(OpenError::Locked { store: store.into(), pid }),
    };
    let identity = Identity::read(&**disk, store)?;
    let folder = folder(store);
    let (numbers, unfinished) = list(&**disk, &folder)?;
    for name in unfinished {
        let path = folder.join(name);
        disk.remove(&path).map_err(io("remove", &path))?;
    }
    let fresh = numbers.is_empty();
    if fresh {
        let names = disk.list(store).map_err(io("read the folder", store))?;
        if identity.is_some() || names.iter().any(|name| name == "index") {
            let why = "the journal is missing".into();
            return Err(OpenError::Corrupt { file: folder, offset: 0, why });
        }
        create(disk, store, options).map_err(io("create a journal in", store))?;
        let identity = Identity { store: options.fresh, machine: options.machine.clone() };
        identity.write(&**disk, store)?;
    } else if let Some(identity) = &identity {
        identity.check(store, options)?;
    }
    let numbers = if fresh { vec![1] } else { numbers };

    let mut parts = Vec::with_capacity(numbers.len() + 1);
    let mut torn = None;
    let owner = identity.as_ref().map(|identity| identity.store);
    let mut walk = Walk::new(&folder, owner);
    let mut end = None;
    for (place, number) in numbers.iter().enumerate() {
        let (file, header, tail, rest) = walk.step(&**disk, *number, place + 1 == numbers.len())?;
        let length = file.length().map_err(io("read", &segment_path(&folder, *number)))?;
        parts.push(Part { number: *number, end: tail.end, length });
        end = Some((header, tail, rest));
    }
    let Some((mut header, mut tail, rest)) = end else {
        return Err(OpenError::Corrupt { file: folder, offset: 0, why: "the journal is missing".into() });
    };
    // What looks torn may be a record that somebody else knows to have been good.
    consent(header.store, tail.seq)?;
    if let Rest::Torn { until } = rest {
        let path = segment_path(&folder, header.number);
        let file = disk.open(&path, How::Write).map_err(io("open", &path))?;
        write_zeros(&*file, tail.end, until).and_then(|()| file.sync()).map_err(io("cut the torn end of", &path))?;
        torn = Some(Torn { segment: segment_name(header.number), bytes: until - tail.end });
    }
    let spare = spare_path(&folder);
    let next = super::header(header.store, header.number + 1, tail.seq, tail.crc);
    let spare_is = look_at_spare(&**disk, &spare, options, &next)?;
    if spare_is == Spare::Next {
        let path = segment_path(&folder, next.number);
        disk.rename(&spare, &path).and_then(|()| disk.sync_folder(&folder)).map_err(io("take up", &spare))?;
        let (file, _, its_tail, rest) = walk.step(&**disk, next.number, true)?;
        if rest != Rest::Clean {
            let why = "it has a torn end, although its name was never durable".into();
            return Err(OpenError::Corrupt { file: path, offset: its_tail.end, why });
        }
        let length = file.length().map_err(io("read", &path))?;
        parts.push(Part { number: next.number, end: its_tail.end, length });
        (header, tail) = (next, its_tail);
    }

    let mut adopted = false;
    if !fresh && identity.as_ref().is_none_or(|identity| identity.machine.is_none() && options.machine.is_some()) {
        Identity { store: header.store, machine: options.machine.clone() }.write(&**disk, store)?;
        // Without records there is nothing to post twice: a crash has interrupted the making of the store.
        adopted = tail.seq > 0;
    }

    let path = segment_path(&folder, header.number);
    let file = disk.open(&path, How::Write).map_err(io("open", &path))?;
    let length = parts.last().map_or(0, |part| part.length);
    let current = Current { number: header.number, file, length, end: tail.end, named: true };
    let last = (tail.seq, tail.crc);
    let mut writer = Writer::new(disk.clone(), folder, header.store, options.segment_bytes, current, last);
    writer.set_spare(spare_is == Spare::Ready);
    match writer.prepare_spare() {
        Ok(()) => {}
        // A store on a full disk opens, so that what was under way can be brought to its end.
        Err(error) if is_full(&error) => {}
        Err(source) => return Err(OpenError::Io { what: "prepare", path: spare, source }),
    }
    let found = Found { store: header.store, records: tail.seq, fresh, adopted, torn };
    Ok((lock, writer, Durable { parts, seq: tail.seq }, found))
}

/// Makes the first segment. The identity comes after it, so that a store with an identity has a journal.
fn create(disk: &Arc<dyn Disk>, store: &Path, options: &Options) -> io::Result<()> {
    let folder = folder(store);
    disk.create_folder(&folder)?;
    disk.sync_folder(store)?;
    let header = super::header(options.fresh, 1, 0, 0);
    super::writer::make(&**disk, &folder, options.segment_bytes, Some(&header), &segment_path(&folder, 1))?;
    disk.sync_folder(&folder)
}

/// What the spare segment turned out to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Spare {
    Absent,
    Ready,
    /// It had become the next segment, but its name was lost with the power.
    Next,
}

fn look_at_spare(disk: &dyn Disk, path: &Path, options: &Options, next: &Header) -> Result<Spare, OpenError> {
    let io = |what| move |source| OpenError::Io { what, path: path.into(), source };
    let file = match disk.open(path, How::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Spare::Absent),
        Err(source) => return Err(io("open")(source)),
    };
    let length = file.length().map_err(io("read"))?;
    let used = Window::new(&*file, length, WINDOW).last_nonzero(HEADER).map_err(io("read"))?.is_some();
    if Header::read(&*file).map_err(io("read"))? == Ok(*next) {
        return Ok(Spare::Next);
    }
    if used {
        let why = "the spare segment holds records that do not follow the journal".into();
        return Err(OpenError::Corrupt { file: path.into(), offset: HEADER, why });
    }
    if length != options.segment_bytes {
        drop(file);
        disk.remove(path).map_err(io("remove"))?;
        return Ok(Spare::Absent);
    }
    Ok(Spare::Ready)
}

/// The way through the segments, each checked against the one before it.
pub struct Walk<'p> {
    folder: &'p Path,
    store: Option<StoreId>,
    before: Option<(u64, Tail)>,
}

impl<'p> Walk<'p> {
    /// `store`: whose segments they must be; `None`: those of the first.
    pub fn new(folder: &'p Path, store: Option<StoreId>) -> Self {
        Self { folder, store, before: None }
    }

    /// Reads the next segment through. Only the last one may have a torn end.
    pub fn step(
        &mut self,
        disk: &dyn Disk,
        number: u64,
        last: bool,
    ) -> Result<(Box<dyn DiskFile>, Header, Tail, Rest), OpenError> {
        let path = segment_path(self.folder, number);
        let corrupt = |offset, why: String| OpenError::Corrupt { file: path.clone(), offset, why };
        let expected = self.before.map_or(1, |(number, _)| number + 1);
        if number != expected {
            let file = segment_path(self.folder, expected);
            return Err(OpenError::Corrupt { file, offset: 0, why: "the segment is missing".into() });
        }
        let file =
            disk.open(&path, How::Read).map_err(|source| OpenError::Io { what: "open", path: path.clone(), source })?;
        let unreadable = |error: io::Error| corrupt(0, format!("it cannot be read: {error}"));
        let header = match Header::read(&*file).map_err(unreadable)? {
            Ok(header) => header,
            Err(BadHeader::Newer(version)) => {
                return Err(OpenError::Newer { file: path, what: format!("journal format {version}") });
            }
            Err(BadHeader::Garbled) => return Err(corrupt(0, "its header is no header".into())),
        };
        if *self.store.get_or_insert(header.store) != header.store {
            return Err(corrupt(0, format!("it belongs to another store ({})", header.store)));
        }
        let follows = self.before.map_or((1, 0), |(_, tail)| (tail.seq + 1, tail.crc));
        if header.number != number || (header.first, header.before) != follows {
            return Err(corrupt(
                0,
                "it does not follow the segment before it; records are missing between them".into(),
            ));
        }
        let (tail, rest) = scan(&*file, &header).map_err(unreadable)?;
        match rest {
            Rest::Damaged { at } => {
                return Err(corrupt(at, format!("record {} cannot be read, but later ones can", tail.seq + 1)));
            }
            Rest::Torn { .. } if !last => {
                return Err(corrupt(tail.end, format!("record {} cannot be read, but later ones can", tail.seq + 1)));
            }
            Rest::Torn { .. } | Rest::Clean => {}
        }
        self.before = Some((number, tail));
        Ok((file, header, tail, rest))
    }
}
