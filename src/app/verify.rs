//! `cadenced verify`: is what is on record whole?
//!
//! The journals are the truth, and every byte of theirs is read; beside a running daemon they are read as far as they
//! were complete. The index is a copy that can be made anew, so it is looked at only when no daemon holds the store, by
//! opening the store as the daemon would.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use crate::cli::exit::{Exit, Failure};
use crate::control::protocol::Stage;
use crate::domain::path::shown;
use crate::edge::people::{self as people_files, PeopleStore};
use crate::edge::store::{self, OpenError, Progress};
use crate::engage::people::PeopleFold;
use crate::ledger::store::ReadError;
use crate::ledger::{Record, View};

use super::desk::{has_store, store_refused};
use super::load::{self, Loaded};
use super::written;

pub fn verify(loaded: &Loaded, out: &mut dyn Write) -> Result<Exit, Failure> {
    let place = &loaded.settings.store;
    if !has_store(loaded)? {
        written(writeln!(out, "there is no store at {} yet", shown(place)))?;
        return Ok(Exit::Done);
    }
    let mut findings: Vec<String> = Vec::new();
    // Held while the files are read, so that nobody writes between one look and the next. The view is to come from the
    // index, however small it is.
    let options = store::Options { restore_from: 0, ..store::Options::default() };
    let opened = store::open(place, &options, &mut |progress| {
        if let Progress::Torn(torn) = progress {
            let bytes = torn.bytes;
            findings
                .push(format!("the journal had a torn end of {bytes} bytes, which a crash has left; it is cut off"));
        }
    });
    // What refuses the store as a whole is said after what can be read of it.
    let (opened, refused) = match opened {
        Ok(opened) => (Some(opened), None),
        Err(OpenError::Locked { .. }) => (None, None),
        Err(error) => (None, Some(error)),
    };
    let mut ledger = Ledger::default();
    store::replay_files(place, &mut |record| {
        ledger.take(&record);
        true
    })
    .map_err(store_refused)?;
    written(ledger.tell(out))?;

    if PeopleStore::exists(place) {
        // A daemon that writes them anew has renamed files away under the first look.
        let read = people(place).or_else(|error| if opened.is_some() { Err(error) } else { people(place) });
        match read {
            Ok((records, people)) => written(writeln!(out, "people   {records} records, {people} people"))?,
            Err(error) => findings.push(format!("people: {error}; posts are not concerned")),
        }
    }
    findings.extend(sealed(loaded, &ledger.view));
    if let Some(error) = refused {
        return Err(store_refused(error));
    }
    match opened {
        Some((store, view, opened)) => {
            store.close();
            let anew =
                opened.rebuilt.map(|why| format!("the index was not what the journal says, and is made anew: {why}"));
            let none = opened.without_index.map(|why| format!("there is no index, and none can be made: {why}"));
            let wrong =
                (view != ledger.view).then(|| "index and journal say different things: please report this".into());
            let found: Vec<String> = [anew, none, wrong].into_iter().flatten().collect();
            if found.is_empty() {
                written(writeln!(out, "index    agrees with the journal"))?;
            }
            findings.extend(found);
        }
        None => written(writeln!(out, "index    not looked at: a daemon holds the store"))?,
    }
    for finding in &findings {
        written(writeln!(out, "finding  {finding}"))?;
    }
    Ok(if findings.is_empty() { Exit::Done } else { Exit::Findings })
}

/// How many records of people there are, and of how many people.
fn people(place: &Path) -> Result<(u64, usize), ReadError> {
    let (mut fold, mut records) = (PeopleFold::default(), 0u64);
    people_files::replay_files(place, &mut |record| {
        fold.apply(&record);
        records += 1;
        true
    })?;
    Ok((records, fold.finish().people().count()))
}

/// The ledger as its journal has it.
#[derive(Default)]
struct Ledger {
    view: View,
    records: u64,
    first: Option<Record>,
    last: Option<Record>,
}

impl Ledger {
    fn take(&mut self, record: &Record) {
        self.view.apply(record);
        self.records += 1;
        self.first.get_or_insert_with(|| record.clone());
        self.last = Some(record.clone());
    }

    fn tell(&self, out: &mut dyn Write) -> std::io::Result<()> {
        write!(out, "journal  {} records", self.records)?;
        if let (Some(first), Some(last)) = (&self.first, &self.last) {
            write!(out, ", from {} to {}", first.at, last.at)?;
        }
        let mut states: BTreeMap<Stage, u64> = BTreeMap::new();
        for (_, account) in self.view.accounts() {
            for (_, entry) in account.deliveries() {
                *states.entry(Stage::from(&entry.state)).or_default() += 1;
            }
        }
        let all: u64 = states.values().sum();
        let told: Vec<_> = states.iter().map(|(stage, count)| format!("{count} {}", stage.name())).collect();
        writeln!(out, "\nstates   {all} deliveries: {}", if told.is_empty() { "none".into() } else { told.join(", ") })
    }
}

/// Accounts whose tokens the present key does not open.
fn sealed(loaded: &Loaded, view: &View) -> Vec<String> {
    let (key, faults) = load::seal_key(loaded);
    let mut findings: Vec<_> = faults.iter().map(ToString::to_string).collect();
    for (id, account) in view.accounts() {
        let Some(tokens) = &account.head.tokens else { continue };
        match &key {
            Some(key) if key.open(id, tokens).is_none() => {
                findings
                    .push(format!("{id}: its tokens were sealed with another key; cadenced auth {id} gives new ones"));
            }
            None if faults.is_empty() => {
                findings.push(format!("{id}: its tokens are sealed, and store.seal names no key"));
            }
            _ => {}
        }
    }
    findings
}
