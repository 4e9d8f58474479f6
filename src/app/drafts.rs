//! `cadenced import --from`: reads what somebody has elsewhere, and puts what is new into files of its own in the queue
//! folder.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use crate::cli::args::{DraftGoal, DraftSource, ImportArgs};
use crate::cli::drafts::page::{self, Head};
use crate::cli::drafts::{self, Harvest, Rules};
use crate::cli::exit::{Exit, Failure, Kind};
use crate::cli::outcome::{Bar, Progress, Unseen};
use crate::cli::output::write_new;
use crate::domain::escape::escape;
use crate::domain::path::shown;
use crate::domain::policy::ApprovalMode;
use crate::domain::{AccountId, Fault, Place, limits};
use crate::edge::clock::SystemClock;
use crate::engage::outcomes::Wrong;
use crate::parts::Clock as _;
use crate::queue::signed::beside;

use super::load::{self, Loaded};
use super::new::{Taken, beneath, known};
use super::{outcome, written};

pub fn import(loaded: &Loaded, args: &ImportArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    let refused = |why: String| Failure::new(Kind::NotDone, why);
    let queue = &loaded.settings.queue;
    let Some(from) = args.from else {
        return Err(Failure::new(Kind::Internal, "nobody said what the file is"));
    };
    if queue.approval == ApprovalMode::None {
        return Err(refused(
            "nothing is imported: with queue.approval = \"none\" all drafts would be published".into(),
        )
        .with_hint(
            "set it to \"digest\" or \"signed\" first, and reload the daemon: until then it publishes as it did before",
        ));
    }
    known(loaded, &args.to)?;
    let all: Vec<AccountId> = loaded.settings.accounts.keys().cloned().collect();
    let to: Vec<AccountId> = args.to.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect();
    let to = if to.is_empty() { all } else { to };
    let goal = args.goal.unwrap_or(DraftGoal::Connection).name();
    let head = Head::new(&to, args.audience.as_deref().unwrap_or_default(), goal)
        .map_err(|why| refused(format!("no draft can be written like this: {why}")))?;
    let begun = args.into.clone().unwrap_or_else(|| queue.path.join(format!("{}.toml", from.name())));
    let (_, first) = beneath(&queue.path, &load::absolute(&begun)).map_err(refused)?;

    let name = escape(&shown(&args.file)).into_owned();
    let mut harvest = harvest(args, from, loaded)?;
    let taken = Taken::look(loaded)?;
    if let Some((file, why)) = &taken.unseen {
        let why = format!(
            "nothing is imported: {file} in the queue folder may hold the same posts and cannot be read: {why}"
        );
        return Err(refused(why).with_hint("run the command as who may read it, or take it out of the queue folder"));
    }
    let (zone, now) = (&loaded.settings.zone, SystemClock.now());
    let posts = std::mem::take(&mut harvest.posts);
    let (mut entries, mut named) = (Vec::new(), BTreeSet::new());
    let (mut held, mut twice, mut lacking) = (0u64, 0u64, 0u64);
    for found in posts {
        let id = page::id(from.name(), &found).map_err(|error| Failure::new(Kind::Internal, error.to_string()))?;
        if taken.place(&id).is_some() {
            held += 1;
            continue;
        }
        if named.contains(&id) {
            twice += 1;
            continue;
        }
        match page::entry(&head, &id, &found, zone, now) {
            Ok(entry) => {
                entries.push(entry);
                named.insert(id);
                lacking += u64::from(!found.media.is_empty() || !found.apart.is_empty());
            }
            Err(cause) => harvest.refuse(found.line, of_post(cause, &found)),
        }
    }
    harvest.wrong.sort_by_key(|(line, _)| *line);
    let Harvest { wrong, untold, skipped, columns, .. } = harvest;
    let count = entries.len();
    let files = page::files(&head, entries);
    for made in &files {
        if !page::is_sound(&"draft.toml".into(), made, queue.approval) {
            return Err(Failure::new(Kind::Internal, "what was to be written is no good queue file; nothing is"));
        }
    }
    let mut told = Vec::new();
    for made in &files {
        let path = put(&first, &made.text).map_err(|error| {
            let done = if told.is_empty() { String::new() } else { format!("; there are {}", told.join(", ")) };
            refused(format!("failed to write {}: {error}{done}", shown(&first)))
        })?;
        told.push(shown(&path));
    }
    let mut say = || -> io::Result<()> {
        for (line, Wrong { reason, hint }) in &wrong {
            let place = Place { line: u32::try_from(*line).unwrap_or(u32::MAX), ..Place::file(&name) };
            writeln!(out, "{}", Fault { hint: hint.clone(), ..Fault::error(place, reason.clone()) })?;
        }
        if untold > 0 {
            writeln!(out, "and {untold} more")?;
        }
        write!(out, "{count} drafts are new, {held} are in the queue or on record already")?;
        if twice > 0 {
            write!(out, ", {twice} stand twice in {name}")?;
        }
        if !wrong.is_empty() {
            write!(out, ", {} were not taken", wrong.len() as u64 + untold)?;
        }
        writeln!(out)?;
        for (what, count) in &skipped {
            writeln!(out, "left out: {count} {what}")?;
        }
        if !columns.is_empty() {
            writeln!(out, "left out: what stands in the columns {}", columns.join(", "))?;
        }
        if lacking > 0 {
            writeln!(out, "{lacking} drafts have media that are to be fetched: comments say where they are")?;
        }
        for file in &told {
            writeln!(out, "{file}")?;
        }
        if !told.is_empty() {
            let how = queue.approval.how().unwrap_or_default();
            writeln!(out, "None is approved: look at them, then: cadenced check; cadenced approve FILE|ID {how}")?;
        }
        Ok(())
    };
    written(say())?;
    Ok(if wrong.is_empty() { Exit::Done } else { Exit::Findings })
}

fn harvest(args: &ImportArgs, from: DraftSource, loaded: &Loaded) -> Result<Harvest, Failure> {
    let name = shown(&args.file);
    let failed = |error: io::Error| Failure::new(Kind::NotDone, format!("failed to read {name}: {error}"));
    let file = File::open(&args.file).map_err(|error| match from {
        _ if error.kind() != io::ErrorKind::NotFound => failed(error),
        _ if args.file == Path::new("-") => failed(error).with_hint("only files are read: /dev/stdin is one"),
        DraftSource::MastodonArchive => failed(error).with_hint("outbox.json is in the unpacked archive"),
        _ => failed(error).with_hint("it is the path of a file on this machine; nothing is fetched"),
    })?;
    let about = file.metadata().map_err(failed)?;
    if about.is_dir() {
        let hint = match from {
            DraftSource::MastodonArchive => "give the file outbox.json that is in it",
            _ => "give a file that is in it",
        };
        return Err(Failure::new(Kind::NotDone, format!("{name} is a folder")).with_hint(hint));
    }
    let bytes = about.len();
    let mut progress: Box<dyn Progress> = if bytes >= outcome::LONG && io::stderr().is_terminal() {
        Box::new(Bar::new(io::stderr(), bytes))
    } else {
        Box::new(Unseen)
    };
    let rules = Rules { zone: loaded.settings.zone.clone(), dates: args.dates };
    drafts::read(from, file, &rules, &mut *progress).map_err(|error| {
        let place = Place { line: u32::try_from(error.line).unwrap_or(u32::MAX), ..Place::file(&name) };
        let failure = Failure::new(Kind::NotDone, format!("{place}: {}", error.wrong.reason));
        match error.wrong.hint {
            Some(hint) => failure.with_hint(hint),
            None => failure,
        }
    })
}

/// Where a post has no line, what it is known by.
fn of_post(cause: Wrong, found: &drafts::Found) -> Wrong {
    match found.notes.first().filter(|_| found.line == 0) {
        Some(place) => Wrong { reason: format!("{place}: {}", cause.reason), ..cause },
        None => cause,
    }
}

/// Puts a text into a file of this name, or of one with a number, that was not there.
fn put(first: &Path, text: &str) -> io::Result<PathBuf> {
    let stem = first.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let more = (2..=limits::FILES).map(|number| first.with_file_name(format!("{stem}-{number}.toml")));
    for path in std::iter::once(first.to_path_buf()).chain(more) {
        // What is signed beside a file that is gone would hold for a new one of that name.
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.with_file_name(beside(&name)).symlink_metadata().is_ok() {
            continue;
        }
        match write_new(&path, text.as_bytes()) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
            Ok(()) => return Ok(path),
        }
    }
    Err(io::Error::other("all names are taken"))
}
