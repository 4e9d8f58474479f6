//! What is recorded about people: opened for the daemon, trimmed in its time, read and changed for commands.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::cli::args::{ForgetArgs, InboxArgs, InboxFormat, Only, PeopleArgs, PeopleFormat};
use crate::cli::exit::{Exit, Failure, Kind};
use crate::cli::inbox::{self as page, Waiting};
use crate::cli::output::{PLAIN_WIDTH, Page};
use crate::cli::people::{self as people_page, Whom};
use crate::control::protocol::{Answer, Question};
use crate::domain::{AccountId, Digest, PersonId, PostId, Profile};
use crate::edge::clock::SystemClock;
use crate::edge::people::{PeopleStore, replay_files};
use crate::edge::store::{self, Store};
use crate::engage::people::{PeopleFold, Standing};
use crate::engage::retention::{Retention, Trim};
use crate::engage::store::People as _;
use crate::engage::{Conversations, Fact, Record, Watch};
use crate::engine::Engine;
use crate::ledger::store::CommitError;
use crate::parts::Clock as _;
use crate::telemetry::escape::escape;
use crate::telemetry::events::Event as LogEvent;
use crate::telemetry::setup::Printer;

use super::desk::{ask_daemon, fold, has_store, into, store_refused, unexpected};
use super::load::Loaded;
use super::written;

/// Opens it and tells the engine what is in it. Posts go out all the same where it cannot be used. Where nothing is to be
/// recorded any more, what was recorded is still trimmed, and can be forgotten.
pub fn open(loaded: &Loaded, engine: &mut Engine, printer: &Printer) -> Option<Arc<PeopleStore>> {
    let records = loaded.settings.people.record;
    if !records && !PeopleStore::exists(&loaded.settings.store) {
        return None;
    }
    let opened = PeopleStore::open(&loaded.settings.store).map_err(|error| error.to_string()).and_then(|people| {
        let mut watch = Watch::default();
        watch.keep_to(retention(loaded));
        let read = people.replay(&mut |record| {
            watch.apply(&record);
            true
        });
        read.map(|()| (people, watch)).map_err(|error| error.to_string())
    });
    match opened {
        Ok((people, watch)) => {
            if records {
                engine.watch(watch);
            }
            Some(people)
        }
        Err(why) => {
            printer.emit(&LogEvent::PeopleUnreadable { why });
            None
        }
    }
}

/// What is known of people, as far as it can be read.
pub fn watch(loaded: &Loaded) -> Option<Watch> {
    let mut watch = Watch::default();
    replay(loaded, &mut |record| watch.apply(&record)).ok()?;
    Some(watch)
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

/// A chore: lets go of people whose time is over. `tell` hears when that is done.
pub fn trim(
    people: Arc<PeopleStore>,
    retention: Retention,
    printer: Arc<Printer>,
    tell: impl Fn(Retention) + Clone + Send + Sync + 'static,
) -> Box<dyn Fn() + Send + Sync> {
    Box::new(move || {
        let (people, retention, printer, tell) = (people.clone(), retention.clone(), printer.clone(), tell.clone());
        // It reads everything, and whoever calls has other things to do.
        let run = move || match rewrite(&people, Trim::new(retention.clone(), SystemClock.now())) {
            Ok(()) => {
                printer.emit(&LogEvent::PeopleRewritten { reason: "retention".into() });
                tell(retention);
            }
            Err(why) => printer.emit(&LogEvent::StoreFailed { why: format!("people are kept for longer: {why}") }),
        };
        drop(std::thread::Builder::new().name("retention".into()).spawn(run));
    })
}

/// Removes what is recorded of a person.
///
/// # Errors
/// Why it could not be removed.
pub fn remove(people: &PeopleStore, person: &PersonId) -> Result<(), String> {
    rewrite(people, Trim::without(digest(person), SystemClock.now()))
}

/// The same, and they are not recorded again.
///
/// # Errors
/// Why that could not be.
pub fn forget_for_good(people: &PeopleStore, person: &PersonId) -> Result<(), String> {
    let record = Record::new(SystemClock.now(), Fact::Forgotten { person: digest(person) });
    submit(people, vec![record]).map_err(|error| error.to_string())?;
    remove(people, person)
}

fn digest(person: &PersonId) -> Digest {
    Digest::of(person.as_str().as_bytes())
}

/// `cadenced inbox`
pub fn inbox(loaded: &Loaded, args: &InboxArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    if let Some(account) = &args.account
        && !loaded.settings.accounts.contains_key(account)
    {
        let names: Vec<_> = loaded.settings.accounts.keys().map(AccountId::as_str).collect();
        return Err(Failure::new(Kind::NotDone, format!("there is no account {account}"))
            .with_hint(format!("accounts: {}", names.join(", "))));
    }
    let (mut conversations, mut people) = (Conversations::default(), HashMap::new());
    ours(loaded)?.into_iter().for_each(|person| conversations.ours(person));
    replay(loaded, &mut |record| {
        conversations.apply(&record);
        if let Fact::Person(profile) = record.fact {
            people.insert(profile.person.clone(), profile);
        }
    })?;
    let waiting = page::waiting(&conversations, args.account.as_ref(), &people, SystemClock.now());
    if let Some(id) = args.draft.as_ref().or(args.done.as_ref()) {
        let held = named(&waiting, id)?;
        return match &args.draft {
            Some(_) => draft(loaded, held, args, out),
            None => settle(loaded, held, args, out),
        };
    }
    written(match args.format {
        InboxFormat::Json => page::json(&waiting, out),
        InboxFormat::Table => page::table(&waiting, &TimeZone::system(), Page::stdout(), out),
    })?;
    Ok(Exit::Done)
}

/// Whoever our accounts are on their platforms: they are nobody who waits, and no people.
fn ours(loaded: &Loaded) -> Result<Vec<PersonId>, Failure> {
    let view = fold(loaded)?;
    let named = loaded
        .adapters
        .iter()
        .filter_map(|(id, adapter)| PersonId::new(adapter.platform(), view.account(id)?.head.pinned.as_deref()?));
    Ok(named.collect())
}

/// The conversation of that name, or of which it is the beginning, if that is one only.
fn named<'w>(waiting: &'w [Waiting], id: &str) -> Result<&'w Waiting, Failure> {
    let mut found =
        waiting.iter().filter(|held| !id.is_empty() && (held.id.starts_with(id) || held.conversation == id));
    match (found.next(), found.next()) {
        (Some(held), None) => Ok(held),
        (Some(_), Some(_)) => {
            Err(Failure::new(Kind::NotDone, format!("more than one conversation begins with {}", escape(id)))
                .with_hint("write more of its name"))
        }
        (None, _) => Err(Failure::new(Kind::NotDone, format!("no conversation {} waits for an answer", escape(id)))
            .with_hint("cadenced inbox lists those that do")),
    }
}

/// The store of people, and the store around it, which nobody else has meanwhile.
fn open_alone(loaded: &Loaded) -> Result<(Arc<Store>, Arc<PeopleStore>), Failure> {
    let (store, ..) =
        store::open(&loaded.settings.store, &store::Options::default(), &mut |_| {}).map_err(store_refused)?;
    let people = PeopleStore::open(&loaded.settings.store).map_err(store_refused)?;
    Ok((store, people))
}

fn draft(loaded: &Loaded, held: &Waiting, args: &InboxArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    let refused = |what: String| Failure::new(Kind::NotDone, what);
    if held.messages.iter().any(|said| said.private) {
        // No platform's answer from here would be as private as what was said.
        let place = held.messages.iter().rev().find_map(|said| said.url.as_deref()).unwrap_or(&held.conversation);
        return Err(refused(format!(
            "{} was said to you alone, and an answer from here would be seen by others",
            held.id
        ))
        .with_hint(format!("answer it in the app: {}", escape(place))));
    }
    let post = PostId::new(&format!("re-{}", held.answer)).map_err(|error| Failure::new(Kind::Internal, error))?;
    let file = args.into.clone();
    let file = file.unwrap_or_else(|| loaded.settings.queue.path.join(format!("answer-{}.toml", held.answer)));
    let mut made = std::fs::OpenOptions::new().write(true).create_new(true).open(&file).map_err(|error| {
        let failure = refused(format!("{} is not written: {error}", file.display()));
        if error.kind() == std::io::ErrorKind::AlreadyExists {
            failure.with_hint("an answer has been begun there; fill it in, or name another file with --into")
        } else {
            failure
        }
    })?;
    let approval = loaded.settings.queue.approval;
    let text = page::draft(held, &post, approval);
    made.write_all(text.as_bytes())
        .and_then(|()| made.sync_all())
        .map_err(|error| refused(format!("failed to write {}: {error}", file.display())))?;
    let then = match approval.how() {
        Some(how) => format!("; then: cadenced approve {post} {how}"),
        None => "; it goes out when it has a text".to_owned(),
    };
    written(writeln!(out, "{} holds an answer to be filled in{then}", file.display()))?;
    Ok(Exit::Done)
}

fn settle(loaded: &Loaded, held: &Waiting, args: &InboxArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    let by = crate::control::protocol::person(args.by.as_deref().unwrap_or_default())
        .map_err(|why| Failure::new(Kind::NotDone, why).with_hint("name yourself with --by WHO"))?;
    let (account, ids) = (held.account.clone(), held.ids.clone());
    let question = Question::Settle { account: account.clone(), ids: ids.clone(), by: by.clone() };
    match ask_daemon(loaded, &question)? {
        Some(Answer::Remembered) => {}
        Some(other) => return Err(unexpected(&other)),
        None => {
            let (_store, people) = open_alone(loaded)?;
            let record = Record::new(SystemClock.now(), Fact::Settled { account, ids, by });
            submit(&people, vec![record]).map_err(|error| Failure::new(Kind::StoreRefused, error))?;
        }
    }
    written(writeln!(out, "{} needs no answer any more", held.id))?;
    Ok(Exit::Done)
}

/// `cadenced people`
pub fn people(loaded: &Loaded, args: &PeopleArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    let mut everybody = PeopleFold::default();
    ours(loaded)?.into_iter().for_each(|person| everybody.ours(person));
    replay(loaded, &mut |record| everybody.apply(&record))?;
    let whom = match args.only {
        None => Whom::Everybody,
        Some(Only::Core) => Whom::Of(Standing::Core),
        Some(Only::Returning) => Whom::Of(Standing::Returning),
        Some(Only::New) => Whom::Of(Standing::New),
        Some(Only::Cooling) => Whom::Of(Standing::Cooling),
        Some(Only::Lost) => Whom::Of(Standing::Lost),
        Some(Only::Advocates) => Whom::Advocates,
        Some(Only::Bots) => Whom::Bots,
    };
    let rows = people_page::rows(&everybody.finish(), whom, SystemClock.now());
    let zone = TimeZone::system();
    into(args.output.as_deref(), out, &mut |out| match args.format {
        PeopleFormat::Table if args.output.is_some() => people_page::table(&rows, &zone, Page::plain(PLAIN_WIDTH), out),
        PeopleFormat::Table => people_page::table(&rows, &zone, Page::stdout(), out),
        PeopleFormat::Json => people_page::json(&rows, out),
        PeopleFormat::Csv => people_page::csv(&rows, out),
    })
}

/// `cadenced forget`
pub fn forget(loaded: &Loaded, args: &ForgetArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    let profile = person(loaded, &args.person)?;
    if !args.yes {
        let name = escape(&profile.handle).to_string();
        let question = format!("remove everything that is recorded of {} (@{name})? [y/N] ", profile.person);
        written(write!(out, "{question}").and_then(|()| out.flush()))?;
        let mut answer = String::new();
        let _ = std::io::stdin().read_line(&mut answer);
        if !matches!(answer.trim(), "y" | "Y" | "yes") {
            written(writeln!(out, "nothing is removed"))?;
            return Ok(Exit::Findings);
        }
    }
    let person = profile.person;
    match ask_daemon(loaded, &Question::Forget { person: person.clone() })? {
        Some(Answer::Remembered) => {}
        Some(other) => return Err(unexpected(&other)),
        None => {
            let (_store, people) = open_alone(loaded)?;
            let refused = |error: String| Failure::new(Kind::StoreRefused, error);
            forget_for_good(&people, &person).map_err(refused)?;
        }
    }
    written(writeln!(out, "nothing of {person} is recorded any more"))?;
    Ok(Exit::Done)
}

/// The one person of that id or handle.
fn person(loaded: &Loaded, named: &str) -> Result<Profile, Failure> {
    let handle = named.trim_start_matches('@').to_lowercase();
    let mut found: BTreeMap<PersonId, Profile> = BTreeMap::new();
    replay(loaded, &mut |record| {
        if let Fact::Person(profile) = record.fact {
            if profile.person.as_str() == named || profile.handle.to_lowercase() == handle {
                found.insert(profile.person.clone(), profile);
            } else {
                // A handle may have gone to somebody else.
                found.remove(&profile.person);
            }
        }
    })?;
    let mut all = found.into_values();
    match (all.next(), all.next()) {
        (Some(profile), None) => Ok(profile),
        (Some(one), Some(other)) => {
            let what = format!("{} is {}, {} and perhaps others", escape(named), one.person, other.person);
            Err(Failure::new(Kind::NotDone, what).with_hint("name the person as PLATFORM:ID"))
        }
        (None, _) => Err(Failure::new(Kind::NotDone, format!("nobody called {} is on record", escape(named)))
            .with_hint("cadenced people lists who is")),
    }
}

/// Gives every record about people to `each`.
pub fn replay(loaded: &Loaded, each: &mut dyn FnMut(Record)) -> Result<(), Failure> {
    has_store(loaded)?;
    let read = replay_files(&loaded.settings.store, &mut |record| {
        each(record);
        true
    });
    read.map_err(|error| {
        Failure::new(Kind::StoreRefused, error).with_hint("where it was written anew meanwhile, try again")
    })
}

fn submit(people: &PeopleStore, records: Vec<Record>) -> Result<(), CommitError> {
    let (tell, told) = channel();
    people.submit(records, Box::new(move |result| drop(tell.send(result))));
    told.recv().unwrap_or_else(|_| Err(CommitError::Broken("the store of people gave no answer".into())))
}

/// Writes everything anew, and waits until it is.
fn rewrite(people: &PeopleStore, mut trim: Trim) -> Result<(), String> {
    for look in [Trim::forget, Trim::look] {
        let read = people.replay(&mut |record| {
            look(&mut trim, &record);
            true
        });
        read.map_err(|error| error.to_string())?;
    }
    let (tell, told) = channel();
    people.rewrite(Box::new(move |record| trim.keep(record)), Box::new(move |result| drop(tell.send(result))));
    let result = told.recv().unwrap_or_else(|_| Err(CommitError::Broken("the store of people gave no answer".into())));
    result.map_err(|error| error.to_string())
}
