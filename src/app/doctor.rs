//! `cadenced doctor`: the world for it.

use std::io::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cli::args::DoctorArgs;
use crate::cli::doctor::program::{Program, Running};
use crate::cli::doctor::signers::Signatures;
use crate::cli::doctor::unit::{Installed, Wishes};
use crate::cli::doctor::{self, DoctorDesk, Examined, Ledger, Patient, Standing, Subject};
use crate::cli::exit::{Exit, Failure, Kind};
use crate::cli::output::Page;
use crate::control::protocol::{Answer, Question};
use crate::domain::document::nearest;
use crate::domain::{AccountId, SecretRef, Timestamp};
use crate::edge::clock::SystemClock;
use crate::edge::control::AskError;
use crate::edge::signatures::allowed;
use crate::edge::{secrets, standing};
use crate::engine::{AccountSetup, kept_tokens};
use crate::ledger::View;
use crate::parts::Clock as _;
use crate::platform::contract::{Call, Reply};

use super::calls::Calls;
use super::desk::{ask_daemon, fold, has_store};
use super::load::{self, Loaded};
use super::written;

/// Where units stand, the nearest first.
const UNITS: &[&str] = &[
    "/etc/systemd/system",
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
];
/// Before 2026 there was no cadenced: some build for a day of 1970 or 1980 whatever they build.
const BEGUN: i64 = 1_767_225_600;
/// How many accounts are asked at once.
const AT_ONCE: usize = 8;

pub fn examine(config: &Path, args: &DoctorArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    let _ = secrets::harden();
    let findings = match load::read(config) {
        Err(refusal) => doctor::refused(&refusal.faults),
        Ok(loaded) => {
            let subject = subject(&loaded, args)?;
            let world = World { calls: Calls::new()?, offline: args.offline };
            doctor::examine(&subject, args, &world)
        }
    };
    written(doctor::write(&findings, args.format, Page::stdout(), out))?;
    Ok(doctor::exit(&findings))
}

fn subject(loaded: &Loaded, args: &DoctorArgs) -> Result<Subject, Failure> {
    let settings = &loaded.settings;
    for account in &args.accounts {
        if !settings.accounts.contains_key(account) {
            let failure = Failure::new(Kind::NotDone, format!("there is no account {account}"));
            let near = nearest(account.as_str(), settings.accounts.keys().map(AccountId::as_str));
            return Err(match near {
                Some(near) => failure.with_hint(format!("did you mean {near}?")),
                None => failure.with_hint("the configuration names them below [accounts]"),
            });
        }
    }
    let (view, ledger) = match fold(loaded) {
        Ok(view) => {
            let ledger = Ledger { begun: has_store(loaded).unwrap_or(true), mark: view.clock_mark };
            (view, Ok(ledger))
        }
        Err(failure) => (View::default(), Err(failure.told())),
    };
    let (setups, faults) = load::armed_each(loaded);
    let asked = |id: &AccountId| args.accounts.is_empty() || args.accounts.contains(id);
    let accounts: Vec<Patient> = setups
        .into_iter()
        .filter(|(setup, _)| asked(&setup.id))
        .map(|(setup, faults)| patient(loaded, &view, setup, faults, ledger.is_ok()))
        .collect();
    let references = accounts.iter().flat_map(|patient| patient.adapter.secrets()).map(|(_, reference)| reference);
    let references = references.chain(settings.seal.as_ref().map(|seal| seal.secret.clone()));
    let references = references.chain(settings.digest.token.clone()).chain(settings.control.token.clone());
    let mut files: Vec<PathBuf> = Vec::new();
    let mut wishes = wishes(loaded, &asked);
    for reference in references {
        match reference {
            SecretRef::File(path) => files.push(path),
            SecretRef::Credential(name) => wishes.credentials.push(name),
            SecretRef::Env(_) => {}
        }
    }
    let units: Vec<&Path> = UNITS.iter().map(Path::new).collect();
    Ok(Subject {
        file: settings.file.clone(),
        warnings: loaded.warnings.clone(),
        faults,
        secrets: files,
        queue: settings.queue.path.clone(),
        signatures: settings.queue.signers().map(|file| Signatures { file: file.into(), allowed: allowed(file) }),
        store: settings.store.clone(),
        socket: settings.control.socket.clone(),
        ledger,
        accounts,
        program: program(loaded),
        unit: standing::unit(&units, "cadenced.service").map(Installed),
        wishes,
    })
}

/// This program, and the daemon's if one answers.
fn program(loaded: &Loaded) -> Program {
    let moment = option_env!("SOURCE_DATE_EPOCH").and_then(|seconds| seconds.parse().ok());
    let daemon = match ask_daemon(loaded, &Question::Ping) {
        Ok(Some(Answer::Pong(daemon))) => Some(Running::Version(daemon.version)),
        Err(failure) if matches!(failure.cause().downcast_ref(), Some(AskError::Late)) => Some(Running::Silent),
        // That the daemon may not be asked, or is too busy, is no finding about the program.
        _ => None,
    };
    Program {
        version: env!("CARGO_PKG_VERSION").into(),
        of: moment.filter(|seconds| *seconds >= BEGUN).and_then(|seconds| Timestamp::from_second(seconds).ok()),
        daemon,
    }
}

/// What the configuration asks of the unit; whom accounts talk to is in their tables.
fn wishes(loaded: &Loaded, asked: &dyn Fn(&AccountId) -> bool) -> Wishes {
    let settings = &loaded.settings;
    let mut servers: Vec<(String, String)> = Vec::new();
    // A site's address is where it is read, and not who is talked to.
    for account in settings.accounts.values().filter(|account| asked(&account.id) && account.platform != "site") {
        let texts = account.table.values().flat_map(|value| match value {
            toml::Value::Array(list) => list.iter().filter_map(toml::Value::as_str).collect(),
            other => other.as_str().into_iter().collect::<Vec<_>>(),
        });
        let urls = texts.filter_map(|text| url::Url::parse(text).ok());
        servers.extend(urls.filter_map(|url| Some((host(&url)?, account.id.to_string()))));
    }
    let online = settings.digest.url.is_some() || settings.accounts.values().any(|account| account.platform != "site");
    servers.extend(settings.digest.url.as_ref().and_then(host).map(|host| (host, "the digest".into())));
    Wishes {
        servers,
        resolvers: if online { standing::resolvers() } else { Vec::new() },
        listen: settings.control.listen,
        journald: settings.log.format == Some(crate::config::LogFormat::Journald),
        credentials: Vec::new(),
        written: settings.digest.file.iter().filter_map(|file| file.parent()).map(Path::to_owned).collect(),
    }
}

fn host(url: &url::Url) -> Option<String> {
    url.host_str().map(|host| host.trim_matches(['[', ']']).to_owned())
}

fn patient(
    loaded: &Loaded,
    view: &View,
    setup: AccountSetup,
    faults: Vec<crate::domain::Fault>,
    readable: bool,
) -> Patient {
    let head = view.account(&setup.id).map(|account| &account.head);
    // Without its secrets, or without the ledger, an account's tokens cannot be told from those of another one.
    let kept = if faults.is_empty() && readable { kept_tokens(&setup, head) } else { Ok(None) };
    Patient {
        kept: kept.map_err(str::to_owned),
        identity: setup.identity.clone().or_else(|| head.and_then(|head| head.pinned.clone())),
        stopped: head.and_then(|head| head.stopped.clone()),
        paused: setup.paused,
        token_expires: setup.token_expires,
        timeout: loaded.settings.accounts[&setup.id].rules.timeout,
        faults,
        id: setup.id,
        adapter: setup.adapter,
        secrets: setup.secrets,
    }
}

struct World {
    calls: Calls,
    offline: bool,
}

impl DoctorDesk for World {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    fn call(&self, call: Call, timeout: Duration) -> Result<Reply, String> {
        self.calls.make(call, timeout)
    }

    fn look(&self, path: &Path) -> Result<Option<Standing>, String> {
        let found = standing::look(path).map_err(|error| error.to_string())?;
        Ok(found.map(|found| Standing {
            is_folder: found.is_folder,
            is_socket: found.is_socket,
            mode: found.mode,
            readable: found.readable,
            writable: found.writable,
            passable: found.passable,
        }))
    }

    fn free(&self, path: &Path) -> Option<u64> {
        standing::free(path)
    }

    fn folders(&self, path: &Path, limit: u64) -> u64 {
        standing::folders(path, limit)
    }

    fn watches(&self) -> Option<u64> {
        standing::watches()
    }

    fn addresses(&self, host: &str) -> Vec<IpAddr> {
        match host.parse() {
            Ok(address) => vec![address],
            Err(_) if self.offline => Vec::new(),
            Err(_) => standing::addresses(host),
        }
    }

    fn side_by_side(&self, jobs: usize, job: &(dyn Fn(usize) -> Examined + Sync)) -> Vec<Examined> {
        let places: Vec<usize> = (0..jobs).collect();
        let mut done = Vec::new();
        for together in places.chunks(AT_ONCE) {
            std::thread::scope(|scope| {
                let running: Vec<_> = together.iter().map(|place| scope.spawn(move || job(*place))).collect();
                done.extend(
                    running
                        .into_iter()
                        .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))),
                );
            });
        }
        done
    }
}
