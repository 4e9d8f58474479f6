//! `cadenced auth`: the world for it.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::cli::args::AuthArgs;
use crate::cli::auth::{Auth, AuthDesk, auth};
use crate::cli::exit::{Exit, Failure, Kind};
use crate::control::protocol::{Answer, Question, Tokens};
use crate::domain::document::nearest;
use crate::domain::{AccountId, Secret, Timestamp};
use crate::edge::chance::SystemChance;
use crate::edge::clock::SystemClock;
use crate::edge::secrets::Owner;
use crate::edge::{secrets, store, terminal};
use crate::engine::{AccountSetup, Command, Engine, Event, Mode, origin};
use crate::ledger::store::Ledger as _;
use crate::parts::{Chance as _, Clock as _};
use crate::platform::contract::{Call, Reply};

use super::calls::Calls;
use super::desk::{ask_daemon, fold, store_refused, unexpected};
use super::load::{self, Loaded};

pub fn obtain(loaded: &Loaded, args: &AuthArgs, out: &mut dyn Write) -> Result<Exit, Failure> {
    let Some(adapter) = loaded.adapters.get(&args.account) else {
        let known = loaded.settings.accounts.keys().map(AccountId::as_str);
        let failure = Failure::new(Kind::NotDone, format!("there is no account {}", args.account));
        return Err(match nearest(args.account.as_str(), known) {
            Some(near) => failure.with_hint(format!("did you mean {near}?")),
            None => failure.with_hint("the configuration names them below [accounts]"),
        });
    };
    // Core dumps hold what is typed. Where that is refused, a login is still better than none.
    let _ = secrets::harden();
    let pinned = fold(loaded)?.account(&args.account).and_then(|account| account.head.pinned.clone());
    let (setup, _) = load::armed_account(loaded, &args.account);
    let ask = Auth {
        args,
        adapter,
        secrets: setup.map(|setup| setup.secrets).unwrap_or_default(),
        identity: loaded.settings.accounts[&args.account].identity.clone().or(pinned),
    };
    let calls = Calls::new()?;
    let timeout = loaded.settings.accounts[&args.account].rules.timeout;
    let world = World { loaded, account: &args.account, out: args.out.as_deref(), calls, timeout };
    auth(&ask, &world, out)
}

struct World<'w> {
    loaded: &'w Loaded,
    account: &'w AccountId,
    /// The folder of secrets that are credentials.
    out: Option<&'w Path>,
    calls: Calls,
    timeout: Duration,
}

impl AuthDesk for World<'_> {
    fn now(&self) -> Timestamp {
        SystemClock.now()
    }

    fn call(&self, call: Call) -> Result<Reply, String> {
        self.calls.make(call, self.timeout)
    }

    fn chance(&self) -> Result<[u8; 48], String> {
        let mut bytes = [0; 48];
        SystemChance.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn line(&self) -> io::Result<String> {
        terminal::hidden_line()
    }

    fn may_write(&self, path: &Path) -> Result<(), String> {
        secrets::may_write(path, self.reader(path)).map_err(|error| error.to_string())
    }

    fn write(&self, path: &Path, secret: &Secret) -> Result<Option<String>, String> {
        let reader = self.reader(path);
        let owner = secrets::write(path, secret, reader).map_err(|error| error.to_string())?;
        Ok(if owner != Owner::ROOT {
            None
        } else if self.is_credential(path) {
            Some("it is root's, as the service manager wants a credential's file".into())
        } else {
            Some("it is root's: where the daemon runs as another user, give it to that one (chown)".into())
        })
    }

    fn may_keep(&self) -> Result<(), Failure> {
        match ask_daemon(self.loaded, &Question::Ping)? {
            Some(_) => Ok(()),
            None => self.armed().map(|_| ()),
        }
    }

    fn keep(&self, tokens: &Value) -> Result<(), Failure> {
        // Without the daemon's credentials nobody here knows what it asks by.
        let origin = self.armed().ok().map(|setup| origin(&setup));
        let question = Question::Auth { account: self.account.clone(), tokens: Tokens(tokens.clone()), origin };
        match ask_daemon(self.loaded, &question)? {
            Some(Answer::Kept(_)) => Ok(()),
            Some(other) => Err(unexpected(&other)),
            None => self.keep_in_store(tokens),
        }
    }
}

impl World<'_> {
    /// Whether the service manager reads the file for the daemon.
    fn is_credential(&self, path: &Path) -> bool {
        self.out.is_some_and(|folder| path.starts_with(folder))
    }

    /// Who has to be able to read a secret that root writes: the user of the daemon, whose its store is.
    fn reader(&self, path: &Path) -> Owner {
        let daemon = || Owner::of(&self.loaded.settings.store);
        if self.is_credential(path) { Owner::ROOT } else { daemon().unwrap_or(Owner::ROOT) }
    }

    /// The account with everything that tokens are sealed by.
    fn armed(&self) -> Result<AccountSetup, Failure> {
        match load::armed_account(self.loaded, self.account) {
            (Some(setup), faults) if faults.is_empty() => Ok(setup),
            (_, faults) => {
                let all: Vec<String> = faults.iter().map(ToString::to_string).collect();
                let hint = "start the daemon and try again, or give this command the daemon's credentials";
                Err(refused(&all.join("; ")).with_hint(hint))
            }
        }
    }

    /// No daemon runs: the store is opened here.
    fn keep_in_store(&self, tokens: &Value) -> Result<(), Failure> {
        let setup = self.armed()?;
        let now = SystemClock.now();
        let (store, view, _) =
            store::open(&self.loaded.settings.store, &store::Options::default(), &mut |_| {}).map_err(store_refused)?;
        let mut engine = Engine::new(0, view, Mode::Look);
        engine.handle(Event::Configured(vec![setup]), now);
        let ticket = engine.keep_tokens(self.account, tokens, now).map_err(|error| refused(&error))?;
        while let Some(command) = engine.next_command() {
            if let Command::Commit { ticket: asked, records, room } = command
                && asked == ticket
            {
                let (tell, told) = std::sync::mpsc::channel();
                store.submit(records, room, Box::new(move |result| drop(tell.send(result))));
                let result = told.recv().map_err(|_| refused(&"the store gave no answer"))?;
                result.map_err(|error| refused(&error))?;
            }
        }
        store.close();
        Ok(())
    }
}

fn refused(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Kind::NotDone, error.to_string())
}
