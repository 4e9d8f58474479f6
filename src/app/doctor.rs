//! `cadenced doctor`: the world for it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::cli::args::DoctorArgs;
use crate::cli::doctor::{self, DoctorDesk, Examined, Ledger, Patient, Standing, Subject};
use crate::cli::exit::{Exit, Failure, Kind};
use crate::cli::output::Page;
use crate::domain::document::nearest;
use crate::domain::{AccountId, SecretRef, Timestamp};
use crate::edge::caller::Dispatcher;
use crate::edge::clock::SystemClock;
use crate::edge::http::Http;
use crate::edge::relay::Relays;
use crate::edge::{files, secrets, standing};
use crate::engine::{AccountSetup, kept_tokens};
use crate::ledger::View;
use crate::parts::{Caller as _, Clock as _};
use crate::platform::contract::{Call, Reply};

use super::desk::{fold, has_store};
use super::load::{self, Loaded};
use super::written;

/// How many accounts are asked at once.
const AT_ONCE: usize = 8;

pub fn examine(config: &Path, args: &DoctorArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    let _ = secrets::harden();
    let findings = match load::read(config) {
        Err(refusal) => doctor::refused(&refusal.faults),
        Ok(loaded) => {
            let subject = subject(&loaded, args)?;
            doctor::examine(&subject, args, &World::new()?)
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
            let ledger = Ledger { begun: has_store(loaded), mark: view.clock_mark };
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
    let files = references.filter_map(|reference| match reference {
        SecretRef::File(path) => Some(path),
        SecretRef::Credential(_) | SecretRef::Env(_) => None,
    });
    Ok(Subject {
        file: settings.file.clone(),
        warnings: loaded.warnings.clone(),
        faults,
        secrets: files.collect::<Vec<PathBuf>>(),
        queue: settings.queue.path.clone(),
        store: settings.store.clone(),
        ledger,
        accounts,
    })
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
    /// The caller's threads.
    _runtime: Runtime,
    caller: Dispatcher,
}

impl World {
    fn new() -> Result<Self, Failure> {
        let internal = |what: &str, error: &dyn std::fmt::Display| {
            Failure::new(Kind::Internal, format!("failed to {what}: {error}"))
        };
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|error| internal("start the runtime", &error))?;
        let agent = concat!("cadenced/", env!("CARGO_PKG_VERSION"));
        let http = Http::new(agent, &[]).map_err(|error| internal("set up HTTP", &error))?;
        let relays = Relays::new(agent, &[]).map_err(|error| internal("set up WebSocket", &error))?;
        let caller = Dispatcher::new(runtime.handle().clone(), http, relays, Arc::new(files::carry_out));
        Ok(Self { _runtime: runtime, caller })
    }
}

impl DoctorDesk for World {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    fn call(&self, call: Call, timeout: Duration) -> Result<Reply, String> {
        let (tell, told) = std::sync::mpsc::channel();
        self.caller.call(call, timeout, Box::new(move |result| drop(tell.send(result))));
        told.recv().map_err(|_| "the call was broken off".to_owned())?.map_err(|failure| failure.to_string())
    }

    fn look(&self, path: &Path) -> Result<Option<Standing>, String> {
        let found = standing::look(path).map_err(|error| error.to_string())?;
        Ok(found.map(|found| Standing {
            is_folder: found.is_folder,
            mode: found.mode,
            readable: found.readable,
            writable: found.writable,
            passable: found.passable,
        }))
    }

    fn free(&self, path: &Path) -> Option<u64> {
        standing::free(path)
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
