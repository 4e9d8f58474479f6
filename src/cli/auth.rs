//! `cadenced auth`: from a person to a token that is proven and stored.
//!
//! Where the token will go is settled before a person is sent to the platform, so that no login is for nothing; it is
//! proven before it is stored, so that one that works is not lost for one that does not. Proving makes the adapter's own
//! harmless first calls ([`Probe`]). Where tokens work once, a probe spends them: what it is given in their place is what
//! is stored, and a first token that was pasted is left to the daemon to prove.
//!
//! Nothing of the world is touched here; [`AuthDesk`] is asked. No secret is written to `out`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use crate::deliver::{Probe, probe::Verdict};
use crate::domain::{AccountId, Secret, SecretRef, Timestamp, path};
use crate::platform::contract::auth::{Ask, CodeFlow, Granted, Kept, Login};
use crate::platform::contract::{Adapter, Call, HttpReply, Reply, Request, Secrets, Session};
use crate::telemetry::escape::escape;
use crate::telemetry::events::quote;

use super::args::AuthArgs;
use super::exit::{Exit, Failure, Kind};

/// Most requests of one part of a login.
const CALLS: usize = 8;

/// The world, as far as a login needs it.
pub trait AuthDesk {
    fn now(&self) -> Timestamp;

    /// Makes a call once and waits for its answer.
    ///
    /// # Errors
    /// Nobody answered.
    fn call(&self, call: Call) -> Result<Reply, String>;

    /// Chance that nobody can foretell.
    ///
    /// # Errors
    /// There is none.
    fn chance(&self) -> Result<[u8; 48], String>;

    /// A line that the person types or pastes; where they type it, it is not shown.
    ///
    /// # Errors
    /// It cannot be read.
    fn line(&self) -> io::Result<String>;

    /// Whether [`AuthDesk::write`] will be possible.
    ///
    /// # Errors
    /// Why not.
    fn may_write(&self, path: &Path) -> Result<(), String>;

    /// Writes a secret into a file of its own; what the person should know of that file.
    ///
    /// # Errors
    /// It cannot be written.
    fn write(&self, path: &Path, secret: &Secret) -> Result<Option<String>, String>;

    /// Whether [`AuthDesk::keep`] will be possible.
    ///
    /// # Errors
    /// Why not.
    fn may_keep(&self) -> Result<(), Failure>;

    /// Gives tokens to the store.
    ///
    /// # Errors
    /// They are not kept.
    fn keep(&self, tokens: &Value) -> Result<(), Failure>;
}

/// Whose token is to be obtained.
pub struct Auth<'a> {
    pub args: &'a AuthArgs,
    pub adapter: &'a Arc<dyn Adapter>,
    /// The secrets that can be had today.
    pub secrets: Secrets,
    /// The remote account that it has to be, where that is known.
    pub identity: Option<String>,
}

/// Where a secret goes.
enum Place {
    File(PathBuf),
    /// Nowhere that this program may write; the person is told what to do.
    Told(SecretRef),
}

/// Obtains, proves, stores.
///
/// # Errors
/// Why nothing was stored.
pub fn auth(ask: &Auth<'_>, desk: &dyn AuthDesk, out: &mut dyn Write) -> Result<Exit, Failure> {
    let mut command = Command { ask, desk, out };
    let flow = ask.adapter.auth();
    if ask.adapter.secrets().is_empty() && flow.code.is_none() {
        command.say(&format!("{} needs no token", ask.args.account))?;
        return Ok(Exit::Done);
    }
    match flow.code {
        Some(code) if !ask.args.paste => command.log_in(&*code)?,
        code => command.paste(flow.page.as_deref(), code.map_or(&[], |code| code.needs()))?,
    }
    Ok(Exit::Done)
}

struct Command<'c> {
    ask: &'c Auth<'c>,
    desk: &'c dyn AuthDesk,
    out: &'c mut dyn Write,
}

fn not_done(why: impl Into<String>) -> Failure {
    Failure::new(Kind::NotDone, why.into())
}

fn wrote(result: io::Result<()>) -> Result<(), Failure> {
    result.map_err(|error| Failure::new(Kind::Internal, format!("failed to write the output: {error}")))
}

impl Command<'_> {
    fn account(&self) -> &AccountId {
        &self.ask.args.account
    }

    fn say(&mut self, text: &str) -> Result<(), Failure> {
        wrote(writeln!(self.out, "{text}"))
    }

    /// Asks for a line.
    fn ask(&mut self, prompt: &str) -> Result<String, Failure> {
        wrote(write!(self.out, "{prompt}: ").and_then(|()| self.out.flush()))?;
        self.desk.line().map_err(|error| not_done(format!("nothing was stored: no answer: {error}")))
    }

    /// The platform's own login.
    fn log_in(&mut self, code: &dyn CodeFlow) -> Result<(), Failure> {
        let places = self.places(code.gives())?;
        if let Some((key, _)) = places.iter().find(|(_, place)| matches!(place, Place::Told(_))) {
            return Err(not_done(format!("{key:?} of {} is no file that this command could write", self.account()))
                .with_hint("name a folder for it with --out FOLDER, or paste a token with --paste"));
        }
        if code.gives().is_empty() {
            self.desk.may_keep()?;
        }
        let chance = self.desk.chance().map_err(not_done)?;
        let login = Login::new(code.redirect(), chance);
        let mut held = self.ask.secrets.clone();
        for key in code.needs() {
            if held.get(key).is_none() {
                self.say(&format!("{key:?} of {} cannot be read here, and the login needs it.", self.account()))?;
                held.0.insert((*key).to_owned(), self.secret(key)?);
            }
        }
        let client = self.requests(&mut |replies| code.client(&held, replies))?;
        let address = code.authorize(&client, &login);
        self.say("Open this address in a browser, log in as the account, and agree:\n")?;
        self.say(&format!("  {address}\n"))?;
        let brought =
            self.ask("Then paste here at once what you are shown, or the whole address that you are sent to")?;
        let given = login.code(&brought).map_err(|error| not_done(error.to_string()))?;
        match self.requests(&mut |replies| code.exchange(&client, &login, &given, replies))? {
            Granted::Secrets(secrets) => {
                let mut all = held;
                all.0.extend(secrets.iter().map(|(key, secret)| ((*key).to_owned(), secret.clone())));
                self.prove(&all, None)?;
                self.store(&places, &secrets)
            }
            Granted::Kept(Kept(tokens)) => {
                let tokens = self.prove(&held, Some(tokens.clone()))?.unwrap_or(tokens);
                self.desk.keep(&tokens)?;
                self.say("its tokens are in the store, sealed")
            }
        }
    }

    /// Secrets that the person has already. Those of the application, which are `clients`, only where they are not there.
    fn paste(&mut self, page: Option<&str>, clients: &[&str]) -> Result<(), Failure> {
        let is_wanted = |key: &&'static str| !clients.contains(key) || self.ask.secrets.get(key).is_none();
        let keys: Vec<_> = self.ask.adapter.secrets().into_iter().map(|(key, _)| key).filter(is_wanted).collect();
        if keys.iter().all(|key| clients.contains(key)) {
            let why = format!("the configuration of {} names nothing that could be pasted", self.account());
            return Err(not_done(why).with_hint("log in without --paste"));
        }
        let places = self.places(&keys)?;
        if let Some(page) = page {
            self.say(&format!("{} needs {page}.", self.account()))?;
        }
        let mut given = Vec::new();
        for key in keys {
            given.push((key, self.secret(key)?));
        }
        if self.ask.adapter.keeps_tokens() {
            self.say(
                "It is stored unproven, for its first use spends it, and that is the daemon's: when it has read it, with \
                 the account's next post. If it is not accepted then, `cadenced status` shows the account as `auth`.",
            )?;
        } else {
            let mut all = self.ask.secrets.clone();
            all.0.extend(given.iter().map(|(key, secret)| ((*key).to_owned(), secret.clone())));
            self.prove(&all, None)?;
        }
        self.store(&places, &given)
    }

    /// A secret that the person has already.
    fn secret(&mut self, key: &str) -> Result<Secret, Failure> {
        let line = self.ask(&format!("{key} (it is not shown)"))?;
        let text = line.trim_end_matches(['\r', '\n']).trim();
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(not_done(format!("nothing was stored: that is no {key}")));
        }
        Ok(Secret::new(text))
    }

    /// Where these secrets go.
    fn places(&self, keys: &[&'static str]) -> Result<Vec<(&'static str, Place)>, Failure> {
        let named = self.ask.adapter.secrets();
        let mut places = Vec::new();
        for key in keys {
            let reference = named.iter().find(|(named, _)| named == key).map(|(_, reference)| reference);
            let reference = reference.ok_or_else(|| {
                let hint = format!("add to the account: {key} = {{ file = \"PATH\" }}");
                not_done(format!("the configuration names no place for {key:?}")).with_hint(hint)
            })?;
            let place = match (reference, &self.ask.args.out) {
                (SecretRef::File(path), _) => Place::File(path.clone()),
                (SecretRef::Credential(name) | SecretRef::Env(name), Some(folder)) => Place::File(folder.join(name)),
                (other, None) => Place::Told(other.clone()),
            };
            if let Place::File(path) = &place {
                self.desk.may_write(path).map_err(|why| {
                    not_done(format!("{key:?} of {} cannot go to {}: {why}", self.account(), path::shown(path)))
                })?;
            }
            places.push((*key, place));
        }
        Ok(places)
    }

    /// Makes requests until there is nothing more to ask.
    fn requests<T>(&self, next: &mut dyn FnMut(&[HttpReply]) -> Ask<T>) -> Result<T, Failure> {
        let mut replies = Vec::new();
        while replies.len() <= CALLS {
            match next(&replies) {
                Ask::Done(result) => return Ok(result),
                Ask::Refused(why) => return Err(not_done(quote(&why))),
                Ask::Call(request) => replies.push(self.request(request)?),
            }
        }
        Err(not_done("the login does not come to an end"))
    }

    fn request(&self, request: Request) -> Result<HttpReply, Failure> {
        match self.desk.call(Call::Http(request)) {
            Ok(Reply::Http(reply)) => Ok(reply),
            Ok(_) => Err(not_done("the platform did not answer by HTTP")),
            Err(why) => Err(not_done(format!("the platform did not answer: {why}"))),
        }
    }

    /// Asks the platform whose tokens these are, and says so; gives what has taken the place of `kept`.
    fn prove(&mut self, secrets: &Secrets, kept: Option<Value>) -> Result<Option<Value>, Failure> {
        let mut latest = kept.clone();
        let now = self.desk.now();
        let mut probe = Probe::new(self.ask.adapter.clone(), self.account(), kept, now);
        let mut verdict = probe.proceed(secrets, now);
        let session: Session = loop {
            verdict = match verdict {
                Verdict::Call(step) => match self.desk.call(step.call) {
                    Ok(reply) => probe.answered(Ok(reply), secrets, self.desk.now()),
                    Err(why) => break Err(format!("the platform did not answer: {why}")),
                },
                Verdict::Keep(tokens) => {
                    latest = Some(tokens);
                    probe.proceed(secrets, self.desk.now())
                }
                Verdict::Accepted(session) => break Ok(session),
                Verdict::NotYet(why) => break Err(why),
            };
        }
        .map_err(|why| not_done(format!("nothing was stored: {}", quote(&why))))?;
        let found = session.identity.unwrap_or_default();
        if let Some(expected) = self.ask.identity.as_ref().filter(|expected| **expected != found) {
            let why = format!("nothing was stored: the token is that of account {}, not of {expected}", quote(&found));
            return Err(not_done(why).with_hint("log in as the right account, or change its `identity`"));
        }
        self.say(&format!("it is accepted: {} is the account {}", self.account(), escape(&quote(&found))))?;
        Ok(latest)
    }

    fn store(&mut self, places: &[(&'static str, Place)], secrets: &[(&'static str, Secret)]) -> Result<(), Failure> {
        let mut written = false;
        for (key, secret) in secrets {
            match places.iter().find(|(named, _)| named == key).map(|(_, place)| place) {
                Some(Place::File(path)) => {
                    let failed = |why| not_done(format!("failed to write {}: {why}", path::shown(path)));
                    let remark = self.desk.write(path, secret).map_err(failed)?;
                    let remark = remark.map(|remark| format!("; {remark}")).unwrap_or_default();
                    self.say(&format!("{key} is in {}{remark}", path::shown(path)))?;
                    written = true;
                }
                Some(Place::Told(reference)) => {
                    self.say(&format!("{key} was not stored. {}", how_to_store(reference)))?
                }
                None => return Err(not_done(format!("the login gave {key:?}, and there is no place for it"))),
            }
        }
        if written {
            self.say("the daemon reads it when it is told to: systemctl reload cadenced, or restart for a credential")?;
        }
        Ok(())
    }
}

/// What a person has to do where this program cannot write.
fn how_to_store(reference: &SecretRef) -> String {
    match reference {
        SecretRef::Credential(name) => format!(
            "The configuration reads the credential {name:?}:\n  \
             systemd-creds encrypt --name={name} - /etc/cadenced/{name}.cred    # paste it, then Ctrl-D\n\
             The unit names that file: LoadCredentialEncrypted={name}:/etc/cadenced/{name}.cred; then restart the service"
        ),
        SecretRef::Env(name) => {
            format!("The configuration reads the variable {name:?}: set it where the daemon starts")
        }
        SecretRef::File(path) => format!("The configuration reads the file {}", path::shown(path)),
    }
}
