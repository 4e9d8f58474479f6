//! What is recorded about people: opened for the daemon, trimmed in its time, read and changed for commands.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use crate::edge::clock::SystemClock;
use crate::edge::people::PeopleStore;
use crate::engage::retention::{Retention, Trim};
use crate::engage::store::People as _;
use crate::engage::{Record, Watch};
use crate::engine::Engine;
use crate::ledger::store::CommitError;
use crate::parts::Clock as _;
use crate::telemetry::events::Event as LogEvent;
use crate::telemetry::setup::Printer;

use super::load::Loaded;

/// Opens it and tells the engine what is in it. Posts go out all the same where it cannot be used.
pub fn open(loaded: &Loaded, engine: &mut Engine, printer: &Printer) -> Option<Arc<PeopleStore>> {
    if !loaded.settings.people.record {
        return None;
    }
    let opened = PeopleStore::open(&loaded.settings.store).map_err(|error| error.to_string()).and_then(|people| {
        let mut watch = Watch::default();
        let read = people.replay(&mut |record| {
            watch.apply(&record);
            true
        });
        read.map(|()| (people, watch)).map_err(|error| error.to_string())
    });
    match opened {
        Ok((people, watch)) => {
            engine.watch(watch);
            Some(people)
        }
        Err(why) => {
            printer.emit(&LogEvent::PeopleUnreadable { why });
            None
        }
    }
}

/// How long people are kept: as configured, and no longer than the terms of their platform allow.
pub fn retention(loaded: &Loaded) -> Retention {
    let mut platforms: BTreeMap<String, Duration> = BTreeMap::new();
    for adapter in loaded.adapters.values() {
        if let Some(most) = adapter.retention() {
            platforms.insert(adapter.platform().to_owned(), most);
        }
    }
    Retention { most: loaded.settings.people.retention, platforms }
}

/// A chore: lets go of people whose time is over.
pub fn trim(people: Arc<PeopleStore>, retention: Retention, printer: Arc<Printer>) -> Box<dyn Fn() + Send + Sync> {
    Box::new(move || {
        let (people, retention, printer) = (people.clone(), retention.clone(), printer.clone());
        // It reads everything, and whoever calls has other things to do.
        let run = move || {
            let mut trim = Trim::new(retention, SystemClock.now());
            let read = people.replay(&mut |record| {
                trim.look(&record);
                true
            });
            let result = read.map_err(|error| error.to_string()).and_then(|()| {
                rewrite(&people, Box::new(move |record| trim.keep(record))).map_err(|error| error.to_string())
            });
            printer.emit(&match result {
                Ok(()) => LogEvent::PeopleRewritten { reason: "retention".into() },
                Err(why) => LogEvent::StoreFailed { why: format!("people are kept for longer: {why}") },
            });
        };
        drop(std::thread::Builder::new().name("retention".into()).spawn(run));
    })
}

/// Writes everything anew, and waits until it is.
pub fn rewrite(people: &PeopleStore, keep: Box<dyn FnMut(Record) -> Option<Record> + Send>) -> Result<(), CommitError> {
    let (tell, told) = channel();
    people.rewrite(keep, Box::new(move |result| drop(tell.send(result))));
    told.recv().unwrap_or_else(|_| Err(CommitError::Broken("the store of people gave no answer".into())))
}
