//! `cadenced import`: makes a store of what was exported.
//!
//! The store is built aside and takes its place by one rename: there is a whole one, or none.

use std::fs::File;
use std::io::{self, BufReader, Seek as _, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::cli::args::ImportArgs;
use crate::cli::exit::{Exit, Failure, Kind};
use crate::cli::import::{ArchiveError, Row, read};
use crate::domain::path::shown;
use crate::domain::time;
use crate::edge::clock::SystemClock;
use crate::edge::people::PeopleStore;
use crate::edge::store::{self, Store};
use crate::engage;
use crate::engage::store::People as _;
use crate::ledger::store::{CommitError, Ledger as _, Room};
use crate::ledger::{Fact, Record};
use crate::parts::Clock as _;

use super::desk::{has_store, store_refused};
use super::load::Loaded;
use super::written;

/// An export that is older may well be of a daemon that went on since.
const FRESH: Duration = Duration::from_secs(24 * 3_600);
/// Records that are made durable together.
const BATCH: usize = 2_000;

pub fn import(loaded: &Loaded, args: &ImportArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    let name = shown(&args.file);
    let refused = |error: ArchiveError| Failure::new(Kind::NotDone, format!("{name} is not taken in: {error}"));
    let place = &loaded.settings.store;
    if has_store(loaded)? {
        return Err(Failure::new(Kind::NotDone, format!("there is a store at {} already", shown(place)))
            .with_hint("an export becomes a new store: name another store.path, or move that one away"));
    }
    // Once to see whether it can be believed, and once to take it in.
    let mut file = twice(&args.file, place)?;
    let end =
        read(from_the_start(&mut file).map_err(|error| refused(error.into()))?, &mut |_| Ok(())).map_err(refused)?;
    if end.daemon && !args.accept_gap {
        let what =
            format!("{name} was written while a daemon was publishing: what went out after {} is not in it", end.at);
        return Err(Failure::new(Kind::NotDone, what).with_hint(
            "it would be published again. Stop the daemon and export again; or take those posts out of the queue, then use \
             --accept-gap",
        ));
    }
    if end.records == 0 {
        return Err(Failure::new(Kind::NotDone, format!("{name} holds no record: it is of no store"))
            .with_hint("export with the configuration of the daemon, as the daemon's user"));
    }
    if time::since(SystemClock.now(), end.at) > FRESH && !args.accept_gap {
        let what = format!("{name} is of {}: what went out after that is not in it", end.at);
        return Err(Failure::new(Kind::NotDone, what).with_hint(
            "if nothing did, or its posts are out of the queue, say so with --accept-gap; else they would be published again",
        ));
    }
    let aside = aside(place);
    let failed = |what: &str, error: &io::Error| {
        Failure::new(Kind::NotDone, format!("failed to {what} {}: {error}", shown(&aside)))
    };
    if aside.exists() {
        std::fs::remove_dir_all(&aside).map_err(|error| failed("remove", &error))?;
    }
    let made = fill(&aside, &mut file, refused).and_then(|()| same_owner(&aside));
    if let Err(failure) = made {
        let _ = std::fs::remove_dir_all(&aside);
        return Err(failure);
    }
    // An empty folder may stand there already, made by the service manager.
    std::fs::rename(&aside, place).map_err(|error| failed("put into its place", &error))?;
    if let Some(parent) = place.parent().and_then(|parent| File::open(parent).ok()) {
        let _ = parent.sync_all();
    }
    written(writeln!(
        out,
        "{} records of deliveries and {} about people are in {} now, as of {}.\n\
         Nothing of what they say was published is published again. Tokens are in no export: give each account its own.\n\
         Never start the old daemon again: two stores of one queue post everything twice.",
        end.records,
        end.people,
        shown(place),
        end.at
    ))?;
    Ok(Exit::Done)
}

/// The export, as a file that can be read more than once. What comes through a pipe is kept beside the place of the store
/// meanwhile, where there has to be room for it anyway.
fn twice(file: &Path, place: &Path) -> Result<File, Failure> {
    let failed = |error| Failure::new(Kind::NotDone, format!("failed to read {}: {error}", shown(file)));
    let mut opened = File::open(file).map_err(failed)?;
    if opened.metadata().map_err(failed)?.is_file() {
        return Ok(opened);
    }
    let beside = place.parent().unwrap_or(place);
    let kept = tempfile::tempfile_in(beside).and_then(|mut kept| io::copy(&mut opened, &mut kept).map(|_| kept));
    kept.map_err(|error| {
        let what = format!("failed to keep what {} says in {} meanwhile: {error}", shown(file), shown(beside));
        Failure::new(Kind::NotDone, what).with_hint("write the export into a file, and name that")
    })
}

fn from_the_start(file: &mut File) -> io::Result<BufReader<&File>> {
    file.rewind()?;
    Ok(BufReader::with_capacity(1024 * 1024, file))
}

/// Where a store is built, beside its place, so that a rename puts it there.
fn aside(place: &Path) -> PathBuf {
    let mut name = place.file_name().unwrap_or_default().to_owned();
    name.push(".import");
    place.with_file_name(name)
}

/// A store that belongs to another user than the folder around it is of no use to the daemon.
fn same_owner(aside: &Path) -> Result<(), Failure> {
    let owner = |path: &Path| std::fs::metadata(path).map(|about| about.uid()).ok();
    let around = aside.parent().and_then(owner);
    if around.is_none() || around == owner(aside) {
        return Ok(());
    }
    Err(Failure::new(Kind::NotDone, "the store would belong to another user than the folder it is in")
        .with_hint("run it as the daemon's user: runuser -u cadenced -- cadenced import FILE"))
}

fn fill(aside: &Path, file: &mut File, refused: impl Fn(ArchiveError) -> Failure + Copy) -> Result<(), Failure> {
    let (store, ..) = store::open(aside, &store::Options::default(), &mut |_| {}).map_err(store_refused)?;
    let people = PeopleStore::open(aside).map_err(store_refused)?;
    let mut waiting = Waiting { store: &store, people: &people, ledger: Vec::new(), about: Vec::new() };
    let taken = from_the_start(file).map_err(ArchiveError::from);
    let taken = taken.and_then(|file| read(file, &mut |row| waiting.take(row))).map_err(refused);
    let program = concat!("cadenced ", env!("CARGO_PKG_VERSION"), ", from an export").to_owned();
    let told = taken.and_then(|_| {
        let opened = Record::new(SystemClock.now(), Fact::Opened { program });
        waiting.take(Row::Ledger(opened)).and_then(|()| waiting.flush()).map_err(|error| refused(error.into()))
    });
    people.close();
    store.close();
    told
}

/// Records on their way.
struct Waiting<'s> {
    store: &'s Store,
    people: &'s PeopleStore,
    ledger: Vec<Record>,
    about: Vec<engage::Record>,
}

impl Waiting<'_> {
    fn take(&mut self, row: Row) -> io::Result<()> {
        match row {
            Row::Ledger(record) => self.ledger.push(record),
            Row::People(record) => self.about.push(record),
        }
        if self.ledger.len() + self.about.len() >= BATCH { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        let (tell, told) = channel();
        let mut asked = 0;
        let done = || {
            let tell = tell.clone();
            Box::new(move |result: Result<(), CommitError>| drop(tell.send(result)))
        };
        if !self.ledger.is_empty() {
            asked += 1;
            self.store.submit(std::mem::take(&mut self.ledger), Room::Free, done());
        }
        if !self.about.is_empty() {
            asked += 1;
            self.people.submit(std::mem::take(&mut self.about), done());
        }
        for _ in 0..asked {
            let result = told.recv().map_err(|_| io::Error::other("the store gave no answer"))?;
            result.map_err(io::Error::other)?;
        }
        Ok(())
    }
}
