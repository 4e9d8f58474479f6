//! The examination of one account: what it needs on this machine, the adapter's first steps, its further questions, and
//! what is to be said of the answers.

use std::time::Duration;

use serde_json::Value;

use crate::cli::args::DoctorArgs;
use crate::deliver::{Probe, probe::Verdict};
use crate::domain::path;
use crate::domain::time::{self, days_text};
use crate::platform::contract::auth::Ask;
use crate::platform::contract::examine::{self, End, Ending, Examination, Facts, Level, Life, Need, Note};
use crate::platform::contract::{Call, HttpReply, Pace, Reply, Session};
use crate::telemetry::events::quote;

use super::{Area, DoctorDesk, Examined, Finding, Patient, to_be_made};

/// Most requests of one examination, beside the adapter's first steps.
const CALLS: usize = 24;
/// How long one request may take, where the account's own time-out is not shorter. A person waits.
const PATIENCE: Duration = Duration::from_secs(20);

/// The examination of one account.
pub struct Patients<'p> {
    pub patient: &'p Patient,
    pub args: &'p DoctorArgs,
    pub desk: &'p dyn DoctorDesk,
}

/// Why an account's first steps have come to nothing.
enum Stop {
    Silent(String),
    /// The server has trouble, or has been asked too much: nothing is said against the token.
    Later(String),
    Refused(String),
}

impl Patients<'_> {
    /// Asks the platform, and looks at what the account needs here.
    pub fn examine(&self) -> Examined {
        let mut examined = Examined::default();
        let patient = self.patient;
        if let Some(why) = &patient.stopped {
            let what = format!("the daemon has stopped it: {why}");
            self.say(&mut examined, Level::Fail, what, Some(self.new_token()));
        }
        if patient.paused {
            self.say(&mut examined, Level::Ok, "it is paused in the configuration".into(), None);
        }
        for need in patient.adapter.needs() {
            self.need(&mut examined, &need);
        }
        if let Err(why) = &patient.kept {
            self.say(&mut examined, Level::Fail, why.clone(), Some("look at `store.seal`; or get a new token".into()));
            return examined;
        }
        let session = if self.args.offline { None } else { self.ask(&mut examined) };
        self.ends(&mut examined, session);
        match examined.pace {
            Some(Pace { remaining: 0, reset }) => {
                let what = format!("its allowance of requests is used up until {reset}");
                self.say(&mut examined, Level::Warn, what, Some("posts wait by themselves until then".into()));
            }
            Some(Pace { remaining, reset }) => {
                let what = format!("its allowance of requests has {remaining} left until {reset}");
                self.say(&mut examined, Level::Ok, what, None);
            }
            None => {}
        }
        examined
    }

    fn say(&self, examined: &mut Examined, level: Level, what: String, remedy: Option<String>) {
        let account = Some(self.patient.id.clone());
        // Adapters keep secrets out of what they say; this is for one that forgets.
        let (what, remedy) =
            (self.patient.secrets.blanked(&what), remedy.map(|text| self.patient.secrets.blanked(&text)));
        examined.findings.push(Finding { area: Area::Account, account, level, what, remedy });
    }

    fn new_token(&self) -> String {
        format!("do what that says; where it is the token that is meant: cadenced auth {}", self.patient.id)
    }

    fn need(&self, examined: &mut Examined, need: &Need) {
        let (what, remedy) = match need {
            Need::Folder(folder) => {
                let shown = path::shown(folder);
                match self.desk.look(folder) {
                    Ok(Some(standing)) if standing.is_folder && standing.writable && standing.passable => return,
                    Ok(Some(standing)) if !standing.is_folder => (format!("{shown} is no folder"), "correct `path`"),
                    Ok(Some(_)) => (format!("this user may not write in {shown}"), "let the daemon's user write there"),
                    Ok(None) => match to_be_made(self.desk, folder) {
                        Ok(()) => return,
                        Err(why) => (why, "make it, or let the daemon's user make it"),
                    },
                    Err(why) => (format!("{shown} cannot be looked at: {why}"), "let the daemon's user look there"),
                }
            }
            Need::Program(program) => {
                let shown = path::shown(program);
                match self.desk.look(program) {
                    Ok(Some(standing)) if !standing.is_folder && standing.passable => return,
                    Ok(Some(_)) => {
                        (format!("{shown} cannot be run"), "it must be a program that may be run: chmod +x it")
                    }
                    Ok(None) => (format!("{shown} is not there"), "correct `program`"),
                    Err(why) => (format!("{shown} cannot be looked at: {why}"), "correct `program`"),
                }
            }
        };
        self.say(examined, Level::Fail, what, Some(remedy.into()));
    }

    /// Asks the platform; gives what is known of the account then.
    fn ask(&self, examined: &mut Examined) -> Option<Session> {
        let patient = self.patient;
        if !patient.faults.is_empty() {
            let what = "it was not asked: its secrets cannot be had here".to_owned();
            self.say(examined, Level::Warn, what, Some("run doctor with the daemon's credentials".into()));
            return None;
        }
        let kept = patient.kept.clone().ok().flatten();
        let session = if patient.adapter.keeps_tokens() {
            Session { kept, ..Session::default() }
        } else {
            match self.first_steps(kept, examined) {
                Ok(session) => session,
                Err(Stop::Silent(why)) => {
                    let remedy = "look at the network, the address in the configuration, and whether the server is up";
                    self.say(examined, Level::Fail, format!("nobody answered: {}", quote(&why)), Some(remedy.into()));
                    return None;
                }
                Err(Stop::Later(why)) => {
                    let what = format!("it could not be asked: {}", quote(&why));
                    self.say(examined, Level::Warn, what, Some("ask again later".into()));
                    return None;
                }
                Err(Stop::Refused(why)) => {
                    self.say(examined, Level::Fail, quote(&why), Some(self.new_token()));
                    return None;
                }
            }
        };
        match self.questions(&session, examined) {
            Ok(facts) => self.tell(examined, &session, facts),
            Err(Stop::Silent(why) | Stop::Later(why)) => {
                let what = format!("it could not be asked everything, nobody answered: {}", quote(&why));
                self.say(examined, Level::Warn, what, Some("ask again later".into()));
            }
            Err(Stop::Refused(why)) => self.say(examined, Level::Fail, quote(&why), Some(self.new_token())),
        }
        Some(session)
    }

    /// The adapter's own first steps, which tell whose account it is.
    fn first_steps(&self, kept: Option<Value>, examined: &mut Examined) -> Result<Session, Stop> {
        let (patient, desk) = (self.patient, self.desk);
        let now = desk.now();
        let mut probe = Probe::new(patient.adapter.clone(), &patient.id, kept, now);
        let mut verdict = probe.proceed(&patient.secrets, now);
        loop {
            verdict = match verdict {
                Verdict::Call(step) => {
                    let reply = self.call(step.call, examined)?;
                    probe.answered(Ok(reply), &patient.secrets, desk.now())
                }
                // Where a refresh spends nothing, what it gives need not be kept.
                Verdict::Keep(_) => probe.proceed(&patient.secrets, desk.now()),
                Verdict::Accepted(session) => return Ok(session),
                Verdict::NotYet(why) if probe.is_refused() => return Err(Stop::Refused(why)),
                Verdict::NotYet(why) => return Err(Stop::Later(why)),
            };
        }
    }

    fn questions(&self, session: &Session, examined: &mut Examined) -> Result<Facts, Stop> {
        let mut replies: Vec<HttpReply> = Vec::new();
        let mut silent = 0;
        while replies.len() <= CALLS {
            let about = Examination { session, secrets: &self.patient.secrets, now: self.desk.now() };
            match self.patient.adapter.examine(&about, &replies) {
                Ask::Done(mut facts) => {
                    // What the adapter has said of it itself is said once.
                    if silent > 0 && facts.notes.iter().all(|note| note.level == Level::Ok) {
                        let what = "not every question was answered: what is not told here was not looked at";
                        facts.notes.push(Note::warn(what, "ask again later"));
                    }
                    return Ok(facts);
                }
                Ask::Refused(why) => return Err(Stop::Refused(why)),
                Ask::Call(request) => {
                    let reply = match self.call(Call::Http(request), examined) {
                        Ok(Reply::Http(reply)) => reply,
                        _ => HttpReply::default(),
                    };
                    silent += u32::from(matches!(reply.status, 0 | 429 | 500..));
                    replies.push(reply);
                }
            }
        }
        Err(Stop::Silent("the questions do not come to an end".into()))
    }

    fn call(&self, call: Call, examined: &mut Examined) -> Result<Reply, Stop> {
        let server = match &call {
            Call::Http(request) => request.url.host_str().map(str::to_owned),
            _ => None,
        };
        let (patient, before) = (self.patient, self.desk.now());
        let reply = self.desk.call(call, patient.timeout.min(PATIENCE)).map_err(Stop::Silent)?;
        let after = self.desk.now();
        if let (Reply::Http(http), Some(server)) = (&reply, server)
            && let Some(shown) = http.date("date")
        {
            // What the header shows was true for a second, at some time between asking and hearing.
            let (earliest, latest) = (before.as_second() - 1, after.as_second() + 1);
            let shown = shown.as_second();
            examined.skews.push((server, shown - shown.clamp(earliest, latest)));
        }
        if let Some(pace) = patient.adapter.pace(&reply, after) {
            let left = examined.pace.map_or(u64::MAX, |pace| pace.remaining);
            examined.pace = if pace.remaining <= left { Some(pace) } else { examined.pace };
        }
        Ok(reply)
    }

    fn tell(&self, examined: &mut Examined, session: &Session, facts: Facts) {
        let patient = self.patient;
        let found = facts.identity.as_ref().or(session.identity.as_ref());
        match (found, &patient.identity) {
            (Some(found), Some(expected)) if found != expected => {
                let what = format!("the token is that of account {}, not of {expected}", quote(found));
                let remedy =
                    format!("log in as the right account (cadenced auth {}), or change `identity`", patient.id);
                self.say(examined, Level::Fail, what, Some(remedy));
            }
            (Some(found), _) => {
                let name = facts.name.as_ref().map(|name| format!("{}, ", quote(name))).unwrap_or_default();
                self.say(examined, Level::Ok, format!("it is {name}account {}", quote(found)), None);
            }
            (None, _) => {}
        }
        match facts.token {
            Some(Life::Endless) => self.say(examined, Level::Ok, "its token has no end".into(), None),
            Some(Life::Renewed) => self.say(examined, Level::Ok, "its token is renewed by the daemon".into(), None),
            Some(Life::Until(at)) => self.end(examined, &End { of: Ending::Token, at }),
            Some(Life::Untold) if patient.token_expires.is_none() => {
                let what = "its token ends, and the platform does not tell when".to_owned();
                self.say(examined, Level::Warn, what, Some("write `token_expires = DATE` into the account".into()));
            }
            Some(Life::Untold) | None => {}
        }
        for note in facts.notes {
            self.say(examined, note.level, note.what, note.remedy);
        }
    }

    /// What ends by itself, as far as the adapter and the configuration know.
    fn ends(&self, examined: &mut Examined, session: Option<Session>) {
        let kept = self.patient.kept.clone().ok().flatten();
        let session = session.unwrap_or_else(|| Session { kept, ..Session::default() });
        let patient = self.patient;
        for end in examine::ends(&*patient.adapter, &session, &patient.secrets, patient.token_expires) {
            self.end(examined, &end);
        }
    }

    fn end(&self, examined: &mut Examined, end: &End) {
        let now = self.desk.now();
        let thing = match &end.of {
            Ending::Token => "its token".to_owned(),
            Ending::Version(version) => format!("version {} of the API", quote(version)),
        };
        let left = time::since(end.at, now);
        let (level, what) = match end.stage(now) {
            Some(0) => (Level::Fail, format!("{thing} has ended, at {}", end.at)),
            stage => {
                let level = if stage.is_some() { Level::Warn } else { Level::Ok };
                (level, format!("{thing} ends in {}, at {}", days_text(time::days(left)), end.at))
            }
        };
        let remedy = (level != Level::Ok).then(|| end.remedy(self.patient.id.as_str()));
        self.say(examined, level, what, remedy);
    }
}
