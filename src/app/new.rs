//! `cadenced new`: finds a name that nothing has, what the accounts take and when they have room, and adds the post.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use crate::cli::approve::QueueDesk as _;
use crate::cli::args::NewArgs;
use crate::cli::check::QueueFolder as _;
use crate::cli::exit::{Exit, Failure, Kind};
use crate::cli::new::{self as page, About, Stub};
use crate::control::protocol::{Answer, PlanLine, PlanState, Question};
use crate::domain::policy::ApprovalMode;
use crate::domain::{AccountId, FoundMedia, PostId, Timestamp};
use crate::edge::clock::SystemClock;
use crate::parts::Clock as _;
use crate::platform;
use crate::queue::parse::{self, Surroundings};

use super::load::{self, Loaded};
use super::{desk, folder, written};

/// How far ahead a free slot is looked for.
const DAYS: u32 = 60;

pub fn begin(loaded: &Loaded, args: &NewArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    let refused = |why: String| Failure::new(Kind::NotDone, why);
    known(loaded, &args.to)?;
    let now = SystemClock.now();
    let mut taken = Taken::of_queue(loaded)?;
    // Whoever works on the queue need not be one who may read the store, and then the daemon tells.
    let unseen = desk::has_store(loaded).err();
    let told = match &unseen {
        None => Some((recorded(loaded)?, desk::planned(loaded, DAYS, now)?)),
        Some(_) => told(loaded, now),
    };
    let unknown = told.is_none();
    let (recorded, plan) = told.unwrap_or_default();
    taken.recorded = recorded;
    let id = match &args.id {
        Some(id) => match taken.place(id) {
            Some(place) => {
                return Err(refused(format!("the id {id} is taken: {place}")).with_hint("give it another one"));
            }
            None => id.clone(),
        },
        None => {
            let day = now.to_zoned(loaded.settings.zone.clone()).date().to_string();
            page::name(&day, |id| taken.place(id).is_some())
                .ok_or_else(|| refused(format!("all names of {day} are taken")).with_hint("name it: cadenced new ID"))?
        }
    };
    let queue = &loaded.settings.queue.path;
    let path = load::absolute(&args.file.clone().unwrap_or_else(|| queue.join(format!("{id}.toml"))));
    let (file, path) = beneath(queue, &path).map_err(refused)?;
    let accounts = accounts(loaded, &plan);
    let to = (!args.to.is_empty()).then_some(args.to.as_slice());
    let stub = Stub { id: &id, to, accounts: &accounts };
    let failed = |why: String| refused(format!("nothing was added to {}: {why}", path.display()));
    let all = folder::Folder::all();
    if path.symlink_metadata().is_ok() {
        let before = all.read(queue, &file).map_err(failed)?;
        let text = std::str::from_utf8(&before).map_err(|_| failed("it is not UTF-8".into()))?;
        let after = page::added(text, &stub).map_err(failed)?;
        all.replace(queue, &file, &before, after.as_bytes()).map_err(failed)?;
    } else {
        let text = page::added("", &stub).map_err(failed)?;
        // Never over a file that somebody has put there meanwhile.
        let made = std::fs::OpenOptions::new().write(true).create_new(true).open(&path);
        let done = made.and_then(|mut made| made.write_all(text.as_bytes()).and_then(|()| made.sync_all()));
        done.map_err(|error| failed(error.to_string()))?;
    }
    let how = loaded.settings.queue.approval.how();
    let then = how.map(|how| format!("; then: cadenced approve {id} {how}")).unwrap_or_default();
    written(writeln!(out, "{} holds {id}, with a text to be filled in{then}", path.display()))?;
    if let Some(failure) = unseen.filter(|_| unknown) {
        let (why, _) = failure.told();
        written(writeln!(
            out,
            "whether {id} is on record, and when its accounts have room next, is not known: no daemon tells, and {why}"
        ))?;
    }
    Ok(Exit::Done)
}

/// Names on record, and what goes out when, as the daemon tells.
fn told(loaded: &Loaded, now: Timestamp) -> Option<(BTreeSet<PostId>, Vec<PlanLine>)> {
    let Ok(Some(Answer::Status(report))) = desk::ask_daemon(loaded, &Question::Status { which: None }) else {
        return None;
    };
    let plan = desk::planned(loaded, DAYS, now).ok()?;
    Some((report.deliveries.into_iter().map(|delivery| delivery.post).collect(), plan))
}

/// Names on record, as the store's files tell.
fn recorded(loaded: &Loaded) -> Result<BTreeSet<PostId>, Failure> {
    let view = desk::fold(loaded)?;
    let names = view.accounts().flat_map(|(_, held)| held.deliveries().map(|(post, _)| post.clone()));
    Ok(names.collect())
}

/// Refuses accounts that the configuration does not have.
pub fn known(loaded: &Loaded, to: &[AccountId]) -> Result<(), Failure> {
    let Some(account) = to.iter().find(|account| !loaded.settings.accounts.contains_key(*account)) else {
        return Ok(());
    };
    let known: Vec<&str> = loaded.settings.accounts.keys().map(AccountId::as_str).collect();
    Err(Failure::new(Kind::NotDone, format!("there is no account {account}"))
        .with_hint(format!("there are {}", known.join(", "))))
}

/// The name of a file in the queue folder that is or is to be, and where it really lies.
pub fn beneath(queue: &Path, path: &Path) -> Result<(String, std::path::PathBuf), String> {
    let why = || format!("{} is no place for a queue file: one is *.toml, in {}", path.display(), queue.display());
    let name = path.file_name().and_then(|name| name.to_str()).ok_or_else(why)?;
    if !name.ends_with(".toml") {
        return Err(why());
    }
    let real = |path: &Path| std::fs::canonicalize(path).map_err(|error| format!("{}: {error}", path.display()));
    let path = real(path.parent().ok_or_else(why)?)?.join(name);
    let inside = path.strip_prefix(real(queue)?).map_err(|_| why())?;
    // Nobody looks into folders whose names begin with a dot.
    if inside.iter().any(|part| part.as_encoded_bytes().starts_with(b".")) {
        return Err(why());
    }
    Ok((inside.to_str().ok_or_else(why)?.to_owned(), path))
}

/// Names that posts have or had.
#[derive(Default)]
pub struct Taken {
    posts: BTreeMap<PostId, String>,
    /// What stands in quotes in files that could not be read, for it may be the name of a post.
    unread: BTreeMap<PostId, String>,
    /// What the ledger knows, in the queue or not.
    recorded: BTreeSet<PostId>,
    /// A file of which nothing is known, and why.
    pub unseen: Option<(Arc<str>, String)>,
}

impl Taken {
    pub fn look(loaded: &Loaded) -> Result<Self, Failure> {
        Ok(Self { recorded: recorded(loaded)?, ..Self::of_queue(loaded)? })
    }

    /// Without what the ledger knows.
    fn of_queue(loaded: &Loaded) -> Result<Self, Failure> {
        let mut taken = Self::default();
        let queue = &loaded.settings.queue.path;
        let all = folder::Folder::all();
        let files = all.files(queue).map_err(|why| {
            Failure::new(Kind::NotDone, format!("the queue folder {} cannot be read: {why}", queue.display()))
        })?;
        for (file, bytes) in files {
            let bytes = match bytes {
                Ok(bytes) => bytes,
                Err(why) => {
                    taken.unseen.get_or_insert((file, why));
                    continue;
                }
            };
            let mut media = |_: &str| -> Result<FoundMedia, String> { Err("nobody asks".into()) };
            let mut around = Surroundings { approval: ApprovalMode::None, accounts: None, media: &mut media };
            match parse::read(&file, &bytes, &mut around).posts {
                Some(posts) => {
                    taken.posts.extend(posts.into_iter().map(|post| (post.id, format!("it stands in {file}"))))
                }
                None => {
                    let text = String::from_utf8_lossy(&bytes);
                    let quoted = ['"', '\''].into_iter().flat_map(|quote| text.split(quote));
                    let names = quoted.filter_map(|word| PostId::new(word).ok());
                    taken.unread.extend(names.map(|name| (name, format!("it stands in {file}"))));
                }
            }
        }
        Ok(taken)
    }

    /// Where a name is taken, if it is.
    pub fn place(&self, id: &PostId) -> Option<String> {
        let recorded = || self.recorded.contains(id).then(|| "a post of that name is on record".to_owned());
        self.posts.get(id).or_else(|| self.unread.get(id)).cloned().or_else(recorded)
    }
}

fn accounts(loaded: &Loaded, plan: &[PlanLine]) -> BTreeMap<AccountId, About> {
    let mut all = BTreeMap::new();
    for (id, settings) in &loaded.settings.accounts {
        let (Some(adapter), Some(entry)) = (loaded.adapters.get(id), platform::find(&settings.platform)) else {
            continue;
        };
        let mut free = plan.iter().filter(|line| line.state == PlanState::Empty && line.account() == Some(id));
        let about = About {
            platform: settings.platform.clone(),
            free: free.find_map(|line| line.at),
            zone: settings.schedule.zone.clone(),
            takes: page::takes(&**adapter, &entry.can),
        };
        all.insert(id.clone(), about);
    }
    all
}
