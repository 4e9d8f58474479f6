//! `cadenced outcome`: hands outcomes to the daemon, or to the store itself when none runs.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write};
use std::sync::Arc;

use crate::cli::args::{OutcomeAddArgs, OutcomeImportArgs};
use crate::cli::exit::{Exit, Failure, Kind};
use crate::cli::outcome::{self as page, Bar, Import, Progress, Recorder, Unseen};
use crate::control::protocol::{Answer, Question, Taken};
use crate::domain::{Gain, path};
use crate::edge::chance::SystemChance;
use crate::edge::clock::SystemClock;
use crate::edge::store::{self, Store};
use crate::engine::{Command, Engine, Event, Unknown};
use crate::ledger::Fact;
use crate::ledger::store::Ledger as _;
use crate::parts::{Chance as _, Clock as _};

use super::desk::{ask_daemon, engine, store_refused, unexpected};
use super::load::Loaded;
use super::written;

/// What to do when nobody has said what became of it.
const AGAIN: &str = "do the same again: what is recorded already stays as it is";
/// From which size on a file is long enough to say how far it is, in bytes.
pub const LONG: u64 = 1024 * 1024;

pub fn add(loaded: &Loaded, args: &OutcomeAddArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    let made = made_key()?;
    let gain = page::one(args, made.clone(), &loaded.settings.zone, SystemClock.now())?;
    let mut recorder = recorder(loaded, if args.unknown_post { Unknown::Keep } else { Unknown::Refuse })?;
    let made = args.key.is_none().then_some(made);
    let told = page::add(gain, &mut Named { recorder: &mut *recorder, made }, out)?;
    exit(told)
}

pub fn import(loaded: &Loaded, args: &OutcomeImportArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    let name = path::shown(&args.file);
    let failed = |error: io::Error| Failure::new(Kind::NotDone, format!("failed to read {name}: {error}"));
    let file = File::open(&args.file).map_err(failed)?;
    let bytes = file.metadata().map_err(failed)?.len();
    let mut recorder = recorder(loaded, if args.unknown_posts { Unknown::Keep } else { Unknown::Refuse })?;
    let mut progress: Box<dyn Progress> = if bytes >= LONG && io::stderr().is_terminal() {
        Box::new(Bar::new(io::stderr(), bytes))
    } else {
        Box::new(Unseen)
    };
    let import = Import {
        name: &name,
        rules: page::rules(args, &loaded.settings.zone, SystemClock.now()),
        recorder: &mut *recorder,
        progress: &mut *progress,
        out,
    };
    exit(import.run(file, &args.map)?)
}

fn exit(told: io::Result<Exit>) -> Result<Exit, Failure> {
    match told {
        Ok(exit) => Ok(exit),
        Err(error) => written(Err(error)).map(|()| Exit::Done),
    }
}

/// A key that no other outcome has: 128 bits of chance.
fn made_key() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    SystemChance.fill(&mut bytes).map_err(|error| Failure::new(Kind::Internal, error))?;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("made-{digits}"))
}

/// Whoever holds the store.
fn recorder<'l>(loaded: &'l Loaded, unknown: Unknown) -> Result<Box<dyn Recorder + 'l>, Failure> {
    if ask_daemon(loaded, &Question::Ping)?.is_some() {
        return Ok(Box::new(Daemon { loaded, unknown }));
    }
    let (store, view, _) =
        store::open(&loaded.settings.store, &store::Options::default(), &mut |_| {}).map_err(store_refused)?;
    Ok(Box::new(Own { store, engine: engine(loaded, view, SystemClock.now()), unknown }))
}

/// Says how to repeat what may have been recorded, where its key was made here.
struct Named<'r> {
    recorder: &'r mut dyn Recorder,
    made: Option<String>,
}

impl Recorder for Named<'_> {
    fn record(&mut self, gains: Vec<Gain>) -> Result<Vec<Taken>, Failure> {
        let told = self.recorder.record(gains);
        match &self.made {
            Some(key) => told.map_err(|failure| failure.with_hint(format!("repeat it with --key {key}"))),
            None => told,
        }
    }
}

struct Daemon<'l> {
    loaded: &'l Loaded,
    unknown: Unknown,
}

impl Recorder for Daemon<'_> {
    fn record(&mut self, gains: Vec<Gain>) -> Result<Vec<Taken>, Failure> {
        let question = Question::Gain { gains, unknown_posts: self.unknown == Unknown::Keep };
        match ask_daemon(self.loaded, &question)? {
            Some(Answer::Gained(taken)) => Ok(taken),
            Some(other) => Err(unexpected(&other)),
            None => Err(Failure::new(Kind::NotDone, "the daemon has stopped meanwhile").with_hint(AGAIN)),
        }
    }
}

/// The store, opened here.
struct Own {
    store: Arc<Store>,
    engine: Engine,
    unknown: Unknown,
}

impl Recorder for Own {
    fn record(&mut self, gains: Vec<Gain>) -> Result<Vec<Taken>, Failure> {
        let now = SystemClock.now();
        let refused = |error: &dyn std::fmt::Display| {
            Failure::new(Kind::NotDone, format!("the outcomes could not be recorded: {error}"))
        };
        let asked = self.engine.gain(gains, self.unknown, now).map_err(|error| refused(&error))?;
        loop {
            if let Some((_, result)) = self.engine.next_gained().filter(|(ticket, _)| *ticket == asked) {
                return result.map_err(|error| refused(&error));
            }
            match self.engine.next_command() {
                Some(Command::Commit { ticket, records, room })
                    if records.iter().all(|record| matches!(record.fact, Fact::Gained(_))) =>
                {
                    let (tell, told) = std::sync::mpsc::channel();
                    self.store.submit(records, room, Box::new(move |result| drop(tell.send(result))));
                    let result = told.recv().map_err(|_| refused(&"the store gave no answer"))?;
                    self.engine.handle(Event::Committed { ticket, result }, now);
                }
                // This engine only looks; nothing else of what it would do is done.
                Some(_) => {}
                None => return Err(refused(&"the store gave no answer")),
            }
        }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.store.close();
    }
}
