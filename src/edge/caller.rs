//! Gives each call of an adapter to the one who can carry it out, and sees to it that every call is answered.
//!
//! Invariants:
//! - Each call is answered exactly once, also when its task panics or is dropped.
//! - A folder into which an earlier write has not come to its end, though it was given up, is neither read nor written.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;

use super::exec;
use super::http::Http;
use super::relay::Relays;
use crate::parts::{Caller, Done};
use crate::platform::contract::{Call, Failure, FileCall, FileWork, Reply};

/// Carries out calls on the site's files; blocking.
pub type Files = Arc<dyn Fn(&FileCall) -> Result<Reply, Failure> + Send + Sync>;

/// The caller for the network, the site's files and programs.
#[derive(Clone)]
pub struct Dispatcher {
    runtime: Handle,
    http: Http,
    relays: Relays,
    files: Files,
    writing: Writing,
}

impl Dispatcher {
    pub fn new(runtime: Handle, http: Http, relays: Relays, files: Files) -> Self {
        Self { runtime, http, relays, files, writing: Writing::default() }
    }

    fn work_on_files(&self, call: FileCall, timeout: Duration, answer: Answer) {
        let Ok(claim) = self.writing.claim(&call) else {
            let why = "an earlier write to this folder has not come to its end";
            return answer.give(Err(Failure::NeverLeft(why.into())));
        };
        let files = self.files.clone();
        let work = self.runtime.spawn_blocking(move || {
            let _held = claim;
            files(&call)
        });
        self.runtime.spawn(async move {
            answer.give(match tokio::time::timeout(timeout, work).await {
                Ok(Ok(result)) => result,
                Ok(Err(_)) => Err(Failure::MayHaveArrived("the work on files was broken off".into())),
                Err(_) => Err(Failure::MayHaveArrived(format!("the files took longer than {timeout:?}"))),
            });
        });
    }
}

impl Caller for Dispatcher {
    fn call(&self, call: Call, timeout: Duration, done: Done<Result<Reply, Failure>>) {
        let answer = Answer(Some(done));
        match call {
            Call::Http(request) => {
                let http = self.http.clone();
                self.runtime.spawn(async move { answer.give(http.send(request, timeout).await.map(Reply::Http)) });
            }
            Call::Fetch(file) => {
                let http = self.http.clone();
                self.runtime.spawn(async move { answer.give(http.fetch(file, timeout).await) });
            }
            Call::File(call) => self.work_on_files(call, timeout, answer),
            Call::Sockets(sockets) => {
                let relays = self.relays.clone();
                self.runtime.spawn(async move { answer.give(relays.talk(sockets, timeout).await.map(Reply::Sockets)) });
            }
            Call::Exec(call) => {
                self.runtime.spawn(async move { answer.give(exec::run(call, timeout).await.map(Reply::Exec)) });
            }
        }
    }
}

/// Folders that are being written. A write that takes too long is given up, but nothing can take it back: it may still
/// put its own list of posts in the place of a later one.
#[derive(Clone, Default)]
struct Writing(Arc<Mutex<BTreeSet<PathBuf>>>);

/// Held until a write has come to its end.
struct Claim {
    writing: Writing,
    root: PathBuf,
}

/// Somebody writes there.
struct Busy;

impl Writing {
    /// What a call must hold while it works: nothing, if it only reads.
    fn claim(&self, call: &FileCall) -> Result<Option<Claim>, Busy> {
        let mut roots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if roots.contains(&call.root) {
            return Err(Busy);
        }
        Ok(match &call.work {
            FileWork::Read(_) => None,
            FileWork::Write(_) => {
                roots.insert(call.root.clone());
                Some(Claim { writing: self.clone(), root: call.root.clone() })
            }
        })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.writing.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.root);
    }
}

/// Sees to it that the result is given exactly once, also when the task is dropped or panics: an attempt without
/// an outcome would hold its account for ever.
struct Answer(Option<Done<Result<Reply, Failure>>>);

impl Answer {
    fn give(mut self, result: Result<Reply, Failure>) {
        if let Some(done) = self.0.take() {
            done(result);
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if let Some(done) = self.0.take() {
            done(Err(Failure::MayHaveArrived("the request was broken off".into())));
        }
    }
}
