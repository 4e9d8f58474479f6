//! Answers commands: the daemon is asked when one runs; else the same engine answers from the store's files.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufReader, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::cli::args::{
    ExportArgs, PlanArgs, PlanFormat, ReportArgs, ReportFormat, ReportSection, ResolveArgs, StatusArgs, StatusFormat,
};
use crate::cli::exit::{Exit, Failure, Kind};
use crate::cli::export::{Exporter, Held};
use crate::cli::output::{PLAIN_WIDTH, Page, write_out};
use crate::cli::{plan as plan_page, report as report_page, resolve as resolve_page, status as status_page};
use crate::control::overview::Overview;
use crate::control::protocol::{Answer, DaemonReport, PlanLine, Question, Resolved, Stage, StatusReport, Which};
use crate::control::requests;
use crate::daemon::driver::recorded;
use crate::domain::{AccountId, DeliveryId, Timestamp, time};
use crate::edge::clock::SystemClock;
use crate::edge::complaints::complaints;
use crate::edge::control::{self, AskError, Patience};
use crate::edge::inbox::{self, Reader};

use crate::edge::store::{self, OpenError};
use crate::engine::{Command, Engine, Event, Mode, answers};
use crate::ledger::store::Ledger;
use crate::ledger::{Record, View};
use crate::parts::Clock as _;
use crate::queue::parse;
use crate::report::{Report, Reporter, Runway, Window, demo, html};

use super::load::{self, Loaded};
use super::people;
use super::written;

/// How long a daemon may take for each line of its answer. A million deliveries take some seconds.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long it may take without a word to whoever waits.
const SILENT: Duration = Duration::from_secs(3);

pub fn plan(loaded: &Loaded, args: &PlanArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    let now = SystemClock.now();
    let lines = planned(loaded, args.days, now)?;
    written(match args.format {
        PlanFormat::Table => plan_page::table(&lines, &jiff::tz::TimeZone::system(), Page::stdout(), out),
        PlanFormat::Json => plan_page::json(&lines, out),
        PlanFormat::Ics => plan_page::ics(&lines, now, out),
    })?;
    Ok(Exit::Done)
}

/// What goes out in the next days.
///
/// # Errors
/// The daemon does not tell, or the store cannot be read.
pub fn planned(loaded: &Loaded, days: u32, now: Timestamp) -> Result<Vec<PlanLine>, Failure> {
    match ask_daemon(loaded, &Question::Plan { days })? {
        Some(Answer::Plan(lines)) => Ok(lines),
        Some(other) => Err(unexpected(&other)),
        None => {
            let engine = engine(loaded, fold(loaded)?, now);
            Ok(engine.plan(now, time::after(now, Duration::from_secs(u64::from(days) * 86_400))))
        }
    }
}

pub fn status(loaded: &Loaded, args: &StatusArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    let report = match ask_daemon(loaded, &Question::Status { which: args.which.clone() })? {
        Some(Answer::Status(report)) => *report,
        Some(other) => return Err(unexpected(&other)),
        None => status_from_files(loaded, args.which.as_ref())?,
    };
    if let Some(which) = &args.which
        && report.deliveries.is_empty()
    {
        return Err(which.nowhere().into());
    }
    let zone = jiff::tz::TimeZone::system();
    written(match (args.format, &args.which) {
        (StatusFormat::Json, _) => status_page::json(&report, out),
        (StatusFormat::Table, Some(_)) => status_page::history(&report, &zone, Page::stdout(), out),
        (StatusFormat::Table, None) => status_page::table(&report, &zone, Page::stdout(), out),
    })?;
    Ok(if args.strict { status_page::strict(&report) } else { Exit::Done })
}

fn status_from_files(loaded: &Loaded, which: Option<&Which>) -> Result<StatusReport, Failure> {
    let now = SystemClock.now();
    let mut report = engine(loaded, fold(loaded)?, now).status(which, not_running(), now);
    if let Some(which) = which {
        let mut records: Vec<Record> = Vec::new();
        replay(loaded, &mut |record| {
            if record.fact.delivery().is_some_and(|delivery| which.covers(delivery)) {
                records.push(record);
            }
            Ok(())
        })?;
        for delivery in &mut report.deliveries {
            let own: Vec<Record> =
                records.iter().filter(|record| record.fact.delivery() == Some(&delivery.delivery)).cloned().collect();
            delivery.history = Some(answers::history(&own));
        }
    }
    Ok(report)
}

pub fn resolve(loaded: &Loaded, args: &ResolveArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    let question =
        Question::Resolve { delivery: args.delivery.clone(), decision: args.decision(), by: args.by.clone() };
    let resolved = match ask_daemon(loaded, &question)? {
        Some(Answer::Resolved(resolved)) => resolved,
        Some(other) => return Err(unexpected(&other)),
        None => resolve_in_store(loaded, args)?,
    };
    written(resolve_page::confirm(&resolved, Page::stdout(), out))?;
    Ok(Exit::Done)
}

fn resolve_in_store(loaded: &Loaded, args: &ResolveArgs) -> Result<Resolved, Failure> {
    if !has_store(loaded)? {
        return Err(Failure::new(Kind::NotDone, format!("there is no delivery {}", args.delivery)));
    }
    let now = SystemClock.now();
    let (store, view, _) =
        store::open(&loaded.settings.store, &store::Options::default(), &mut |_| {}).map_err(store_refused)?;
    let mut engine = engine(loaded, view, now);
    let before = engine.view().entry(&args.delivery).map(|entry| Stage::from(&entry.state));
    let refused = |error: &dyn std::fmt::Display| Failure::new(Kind::NotDone, error.to_string());
    let ticket =
        engine.resolve(&args.delivery, recorded(&args.decision()), &args.by, now).map_err(|error| refused(&error))?;
    while let Some(command) = engine.next_command() {
        if let Command::Commit { ticket: asked, records, room } = command
            && asked == ticket
        {
            let (tell, told) = std::sync::mpsc::channel();
            store.submit(records, room, Box::new(move |result| drop(tell.send(result))));
            let result = told.recv().map_err(|_| refused(&"the store gave no answer"))?;
            result.clone().map_err(|error| refused(&error))?;
            engine.handle(Event::Committed { ticket, result }, now);
        }
    }
    store.close();
    let after = engine.view().entry(&args.delivery).map(|entry| Stage::from(&entry.state));
    let (Some(before), Some(after)) = (before, after) else {
        return Err(refused(&"there is no such delivery"));
    };
    Ok(Resolved { delivery: args.delivery.clone(), decision: args.decision(), by: args.by.clone(), before, after })
}

pub fn export(loaded: &Loaded, args: &ExportArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    // Before anything is read: what happens from now on may be missing.
    let at = SystemClock.now();
    let held = || store::is_held(&loaded.settings.store).map_err(|error| unreadable(loaded, &error));
    let daemon = held()?;
    let mut refused = None;
    let mut fill = |out: &mut dyn Write| {
        let mut exporter = Exporter::new(args.what, args.format, out)?;
        refused = replay(loaded, &mut |record| exporter.record(&record)).err();
        let mut written = Ok(());
        let people = people::replay(loaded, &mut |record| {
            if written.is_ok() {
                written = exporter.people(&record);
            }
        });
        refused = refused.take().or(people.err());
        written?;
        if refused.is_some() {
            // What was not read to its end must not look whole, nor take the place of what is.
            return Err(std::io::Error::other("the store could not be read to its end"));
        }
        exporter.finish(Held { at, daemon: daemon || held().unwrap_or(true) })
    };
    let result = into(args.output.as_deref(), out, &mut fill);
    refused.map_or(result, Err)
}

pub fn report(loaded: &Loaded, args: &ReportArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    let zone = jiff::tz::TimeZone::system();
    let window = report_page::window(args.since, &zone, SystemClock.now())?;
    let mut report = looked_back(loaded, window)?;
    let standing = overview(loaded)?;
    for account in &mut report.accounts {
        let now = standing.accounts.iter().find(|standing| standing.account == account.account);
        account.runway = now.and_then(|now| match (now.runway_days, now.runway_at_least_days) {
            (Some(days), _) => Some(Runway { days, at_least: false }),
            (None, Some(days)) => Some(Runway { days, at_least: true }),
            // It has slots, and they last longer than was looked ahead.
            (None, None) => now.warn_days.map(|_| Runway { days: answers::RUNWAY_DAYS, at_least: true }),
        });
    }
    write_report(&report, args, &zone, out)
}

/// Where everything stands, in short.
fn overview(loaded: &Loaded) -> Result<Overview, Failure> {
    match ask_daemon(loaded, &Question::Overview)? {
        Some(Answer::Overview(overview)) => Ok(*overview),
        Some(other) => Err(unexpected(&other)),
        None => {
            let now = SystemClock.now();
            Ok(engine(loaded, fold(loaded)?, now).overview(not_running(), now))
        }
    }
}

fn not_running() -> DaemonReport {
    DaemonReport { running: false, pid: None, version: env!("CARGO_PKG_VERSION").into() }
}

/// A report of what never was, the same wherever and whenever it is asked for.
pub fn demo(args: &ReportArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    let zone = jiff::tz::TimeZone::UTC;
    let story = demo::story();
    let mut reporter = Reporter::new(report_page::window(args.since, &zone, demo::NOW)?, story.zones);
    story.deliveries.iter().for_each(|record| reporter.record(record));
    story.people.iter().for_each(|record| reporter.people(record));
    let report = Report { made_up: true, ..reporter.finish() };
    write_report(&report, args, &zone, out)
}

fn write_report(
    report: &Report,
    args: &ReportArgs,
    zone: &jiff::tz::TimeZone,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    into(args.output.as_deref(), out, &mut |out| match args.format {
        ReportFormat::Table => {
            let page = if args.output.is_some() { Page::plain(PLAIN_WIDTH) } else { Page::stdout() };
            report_page::table(report, args.section, zone, page, out)
        }
        ReportFormat::Json => report_page::json(report, out),
        ReportFormat::Csv => report_page::csv(report, args.section.unwrap_or(ReportSection::Beat), out),
        ReportFormat::Html => {
            let made = html::Made { zone, version: env!("CARGO_PKG_VERSION") };
            out.write_all(html::html(report, &made).as_bytes())
        }
    })
}

/// What is on record, of deliveries and of people, as a report.
///
/// # Errors
/// The store cannot be read.
pub fn looked_back(loaded: &Loaded, window: Window) -> Result<Report, Failure> {
    let zones = loaded.settings.accounts.iter().map(|(id, account)| (id.clone(), account.schedule.zone.clone()));
    let mut reporter = Reporter::new(window, zones.collect());
    replay(loaded, &mut |record| {
        reporter.record(&record);
        Ok(())
    })?;
    people::replay(loaded, &mut |record| reporter.people(&record))?;
    Ok(reporter.finish())
}

/// Writes to what was named, or to `out` where nothing was.
pub fn into(
    file: Option<&Path>,
    out: &mut dyn Write,
    fill: &mut dyn FnMut(&mut dyn Write) -> std::io::Result<()>,
) -> Result<Exit, Failure> {
    match file {
        None => written(fill(out)).map(|()| Exit::Done),
        Some(path) => match write_out(path, fill) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                Err(Failure::new(Kind::NotDone, format!("failed to write {}: {error}", path.display())))
            }
            _ => Ok(Exit::Done),
        },
    }
}

/// What is over as far as the store's files tell, and when it was sent if it was; nothing when there is no store, or none that
/// can be read.
pub fn finished(config: &Path) -> BTreeMap<DeliveryId, Option<Timestamp>> {
    let Ok(loaded) = load::read(config) else { return BTreeMap::new() };
    let Ok(view) = fold(&loaded) else { return BTreeMap::new() };
    let mut over = BTreeMap::new();
    for (account, held) in view.accounts() {
        for (post, entry) in held.deliveries() {
            if Stage::from(&entry.state).is_over() {
                let sent = entry.sent.as_ref().map(|sent| sent.from);
                over.insert(DeliveryId::new(post.clone(), account.clone()), sent);
            }
        }
    }
    over
}

/// Asks the daemon; `None` when none runs.
pub fn ask_daemon(loaded: &Loaded, question: &Question) -> Result<Option<Answer>, Failure> {
    let Some(path) = &loaded.settings.control.socket else { return Ok(None) };
    let failed = |error: AskError| Failure::new(Kind::NotDone, error);
    let asked = requests::ask(question).map_err(|error| Failure::new(Kind::Internal, error))?;
    let mut tell = || drop(complaints().write_all(b"waiting for the daemon to answer\n"));
    let patience = Patience { timeout: PATIENCE, silent: SILENT, tell: &mut tell };
    let answered = match control::ask(path, asked.method, &asked.target, asked.body, patience) {
        Ok(answered) => answered,
        Err(AskError::Absent(_)) => return Ok(None),
        Err(error @ AskError::Forbidden(_)) => {
            return Err(failed(error).with_hint("run the command as the daemon's user, or join its group"));
        }
        Err(error) => return Err(failed(error)),
    };
    let refused = answered.status >= 400;
    match requests::read_answer(question, refused, BufReader::new(answered)) {
        Ok(Answer::Error(problem)) => Err(problem.into()),
        Ok(answer) => Ok(Some(answer)),
        Err(error) => Err(match error.io_error_kind() {
            Some(std::io::ErrorKind::TimedOut) => failed(AskError::Late),
            Some(_) => failed(AskError::BrokenOff),
            None => Failure::new(Kind::Internal, format!("the daemon's answer cannot be read: {error}"))
                .with_hint("the daemon may be of another version: restart it"),
        }),
    }
}

pub fn unexpected(answer: &Answer) -> Failure {
    let name = match answer {
        Answer::Pong(_) => "pong",
        Answer::Overview(_) => "overview",
        Answer::Status(_) => "status",
        Answer::Plan(_) => "plan",
        Answer::Resolved(_) => "resolved",
        Answer::Kept(_) => "kept",
        Answer::Remembered => "remembered",
        Answer::Gained(_) => "gained",
        Answer::Error(_) => "error",
    };
    Failure::new(Kind::Internal, format!("the daemon answered something else: {name}"))
        .with_hint("the daemon may be of another version: restart it")
}

/// Whether there is a store.
///
/// # Errors
/// It cannot be seen: that there is none is not to be believed then.
pub fn has_store(loaded: &Loaded) -> Result<bool, Failure> {
    match std::fs::metadata(loaded.settings.store.join("journal")) {
        Ok(about) => Ok(about.is_dir()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(unreadable(loaded, &error)),
    }
}

fn unreadable(loaded: &Loaded, error: &std::io::Error) -> Failure {
    let store = crate::domain::path::shown(&loaded.settings.store);
    Failure::new(Kind::StoreRefused, format!("the store {store} cannot be read: {error}"))
        .with_hint("run the command as the daemon's user")
}

/// Gives every record to `each`, without a lock: what was complete at this moment.
fn replay(loaded: &Loaded, each: &mut dyn FnMut(Record) -> std::io::Result<()>) -> Result<(), Failure> {
    if !has_store(loaded)? {
        return Ok(());
    }
    let mut failed = Ok(());
    store::replay_files(&loaded.settings.store, &mut |record| {
        failed = each(record);
        failed.is_ok()
    })
    .map_err(store_refused)?;
    written(failed)
}

pub fn fold(loaded: &Loaded) -> Result<View, Failure> {
    let mut view = View::default();
    replay(loaded, &mut |record| {
        view.apply(&record);
        Ok(())
    })?;
    Ok(view)
}

pub fn store_refused(error: OpenError) -> Failure {
    let hint = error.hint();
    Failure::new(Kind::StoreRefused, error).with_hint(hint)
}

/// How queue files are read: with the accounts and the kind of approval that the configuration names.
pub fn reader(loaded: &Loaded) -> Reader {
    let accounts: BTreeSet<AccountId> = loaded.settings.accounts.keys().cloned().collect();
    let approval = loaded.settings.queue.approval;
    let reader = Reader::new(
        move |file: &Arc<str>,
              bytes: &[u8],
              media: &mut dyn FnMut(&str) -> Result<crate::domain::FoundMedia, String>| {
            let mut around = parse::Surroundings { approval, accounts: Some(&accounts), media };
            parse::read(file, bytes, &mut around)
        },
    )
    .counting(approval);
    match loaded.settings.queue.signers() {
        Some(path) => reader.signed_by(path.to_path_buf()),
        None => reader,
    }
}

/// An engine that knows configuration, queue and ledger, and does nothing.
pub fn engine(loaded: &Loaded, view: View, now: Timestamp) -> Engine {
    let mut engine = Engine::new(0, view, Mode::Look);
    if loaded.settings.people.record
        && let Some(watch) = people::watch(loaded)
    {
        engine.watch(watch);
    }
    engine.handle(Event::Approvals(loaded.settings.queue.approval), now);
    engine.handle(Event::Configured(load::unarmed(loaded)), now);
    let keep = loaded.settings.store.join("queue");
    for message in inbox::read_all(&loaded.settings.queue.path, Some(&keep), reader(loaded)) {
        engine.handle(Event::Inbox(message), now);
    }
    // What it would record is taken as recorded, until it has nothing more to say.
    let mut turns = 0;
    loop {
        let mut said = false;
        while let Some(command) = engine.next_command() {
            if let Command::Commit { ticket, .. } = command {
                said = true;
                engine.handle(Event::Committed { ticket, result: Ok(()) }, now);
            }
        }
        turns += 1;
        if !said || turns > 100_000 {
            return engine;
        }
    }
}
