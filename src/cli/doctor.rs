//! `cadenced doctor`: what would go wrong, before it does.
//!
//! A list of checks ([`CHECKS`]), each with findings about one area: what, how bad, and what to do. A check decides from
//! what is in [`Doctor`] and does nothing; nothing is published, and no token that works once is spent. Accounts are asked
//! first, several at once; what their servers' clocks show is compared with ours.
//!
//! Nothing of the world is touched here; [`DoctorDesk`] is asked. No secret is written to `out`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::deliver::{Probe, probe::Verdict};
use crate::domain::time::{self, days_text};
use crate::domain::{AccountId, Fault, Timestamp, path};
use crate::platform::contract::auth::Ask;
use crate::platform::contract::examine::{self, End, Ending, Examination, Facts, Level, Life, Need};
use crate::platform::contract::{Adapter, Call, HttpReply, Pace, Reply, Secrets, Session};
use crate::telemetry::escape::escape;
use crate::telemetry::events::quote;

use super::args::{DoctorArgs, DoctorFormat};
use super::exit::Exit;
use super::output::{Page, paint};

/// Most requests of one examination, beside the adapter's first steps.
const CALLS: usize = 24;
/// How long one request may take, where the account's own time-out is not shorter. A person waits.
const PATIENCE: Duration = Duration::from_secs(20);
/// How far our clock may be from what servers show. Their headers count in whole seconds.
const SKEW: i64 = 5;
/// From then on signed requests and new tokens are refused here and there.
const BAD_SKEW: i64 = 60;
/// What to do where this user sees too little.
const AS_DAEMON: &str = "run doctor as the daemon's user; if it is that one, let it in";
/// Less free room than that is told of: the store keeps what is under way apart, and begins nothing new without room.
const ROOM: u64 = 256 * 1024 * 1024;

/// The world, as far as an examination needs it.
pub trait DoctorDesk: Sync {
    fn now(&self) -> Timestamp;

    /// Makes a call once and waits for its answer.
    ///
    /// # Errors
    /// Nobody answered.
    fn call(&self, call: Call, timeout: Duration) -> Result<Reply, String>;

    /// What stands at a path, for the user that asks; `None` where nothing does.
    ///
    /// # Errors
    /// It cannot be looked at.
    fn look(&self, path: &Path) -> Result<Option<Standing>, String>;

    /// Free bytes of the disk that a path is on.
    fn free(&self, path: &Path) -> Option<u64>;

    /// Does every job from 0 on, several at once, and gives what came of them in their order.
    fn side_by_side(&self, jobs: usize, job: &(dyn Fn(usize) -> Examined + Sync)) -> Vec<Examined>;
}

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub is_folder: bool,
    /// The bits that `chmod` sets.
    pub mode: u32,
    pub readable: bool,
    pub writable: bool,
    /// A program that may be run, or a folder that may be entered.
    pub passable: bool,
}

/// What is examined, as far as files tell.
pub struct Subject {
    /// The configuration's file.
    pub file: PathBuf,
    pub warnings: Vec<Fault>,
    /// Secrets that cannot be had and belong to no account.
    pub faults: Vec<Fault>,
    /// Files that secrets are read from.
    pub secrets: Vec<PathBuf>,
    pub queue: PathBuf,
    pub store: PathBuf,
    /// Whether its records can be read; else why, and what to do.
    pub ledger: Result<Ledger, (String, String)>,
    pub accounts: Vec<Patient>,
}

/// What the ledger tells.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Whether there is one yet.
    pub begun: bool,
    /// The highest wall clock that it has seen.
    pub mark: Option<Timestamp>,
}

/// One account.
pub struct Patient {
    pub id: AccountId,
    pub adapter: Arc<dyn Adapter>,
    pub secrets: Secrets,
    /// Secrets that cannot be had.
    pub faults: Vec<Fault>,
    /// The tokens that the store keeps for it, or why they cannot be had.
    pub kept: Result<Option<Value>, String>,
    /// The remote account that it has to be, where that is known.
    pub identity: Option<String>,
    /// Why the daemon has stopped it.
    pub stopped: Option<String>,
    pub paused: bool,
    /// When its token ends, as the configuration says.
    pub token_expires: Option<Timestamp>,
    pub timeout: Duration,
}

/// What a finding is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Area {
    Config,
    Secrets,
    Store,
    Queue,
    Account,
    Clock,
}

impl Area {
    fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Secrets => "secrets",
            Self::Store => "store",
            Self::Queue => "queue",
            Self::Account => "account",
            Self::Clock => "clock",
        }
    }
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub area: Area,
    pub account: Option<AccountId>,
    pub level: Level,
    pub what: String,
    pub remedy: Option<String>,
}

impl Finding {
    fn new(area: Area, level: Level, what: impl Into<String>) -> Self {
        Self { area, account: None, level, what: what.into(), remedy: None }
    }

    #[must_use]
    fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    fn of_fault(area: Area, level: Level, fault: &Fault) -> Self {
        Self { remedy: fault.hint.clone(), ..Self::new(area, level, fault.to_string()) }
    }
}

/// What came of asking one account.
#[derive(Debug, Default)]
pub struct Examined {
    pub findings: Vec<Finding>,
    /// What is left of its allowance, by the answer that left least.
    pub pace: Option<Pace>,
    /// By how many seconds each server's clock is ahead of ours, whole seconds and the way there allowed for.
    pub skews: Vec<(String, i64)>,
}

/// Everything that the checks decide from.
pub struct Doctor<'d> {
    pub subject: &'d Subject,
    pub desk: &'d dyn DoctorDesk,
    pub examined: Vec<Examined>,
}

/// One look at one area.
pub type Check = fn(&Doctor<'_>) -> Vec<Finding>;

/// All checks, in the order in which their findings are told.
pub const CHECKS: &[Check] = &[config, secrets, store, queue, accounts, clock];

/// Looks at everything.
pub fn examine(subject: &Subject, args: &DoctorArgs, desk: &dyn DoctorDesk) -> Vec<Finding> {
    let ask = |place: usize| Patients { patient: &subject.accounts[place], args, desk }.examine();
    let examined = desk.side_by_side(subject.accounts.len(), &ask);
    let doctor = Doctor { subject, desk, examined };
    CHECKS.iter().flat_map(|check| check(&doctor)).collect()
}

/// A configuration that cannot be used: nothing else can be looked at.
pub fn refused(faults: &[Fault]) -> Vec<Finding> {
    faults.iter().map(|fault| Finding::of_fault(Area::Config, Level::Fail, fault)).collect()
}

fn config(doctor: &Doctor<'_>) -> Vec<Finding> {
    let Subject { file, warnings, accounts, .. } = doctor.subject;
    let valid = format!("{} is valid; accounts examined: {}", path::shown(file), accounts.len());
    let warnings = warnings.iter().map(|fault| Finding::of_fault(Area::Config, Level::Warn, fault));
    std::iter::once(Finding::new(Area::Config, Level::Ok, valid)).chain(warnings).collect()
}

fn secrets(doctor: &Doctor<'_>) -> Vec<Finding> {
    let fail = |fault| Finding::of_fault(Area::Secrets, Level::Fail, fault);
    let mut findings: Vec<Finding> = doctor.subject.faults.iter().map(fail).collect();
    for patient in &doctor.subject.accounts {
        let own = patient.faults.iter().map(fail);
        findings.extend(own.map(|finding| Finding { account: Some(patient.id.clone()), ..finding }));
    }
    let folders: std::collections::BTreeSet<&Path> =
        doctor.subject.secrets.iter().filter_map(|file| file.parent()).collect();
    for folder in folders {
        // Whoever may write in the folder may put another file in a secret's place. A sticky folder is no better: a
        // file that is not there yet can be put there.
        if let Ok(Some(standing)) = doctor.desk.look(folder)
            && standing.mode & 0o022 != 0
        {
            let what = format!(
                "others may put files into {}, which holds secrets (its mode is {:04o})",
                path::shown(folder),
                standing.mode
            );
            findings.push(Finding::new(Area::Secrets, Level::Warn, what).remedy("chmod go-w it"));
        }
    }
    if findings.is_empty() {
        findings.push(Finding::new(Area::Secrets, Level::Ok, "every secret can be read, and by nobody else"));
    }
    findings
}

fn store(doctor: &Doctor<'_>) -> Vec<Finding> {
    let fail = |what: String| Finding::new(Area::Store, Level::Fail, what);
    let folder = &doctor.subject.store;
    let shown = path::shown(folder);
    let mut findings = Vec::new();
    match (&doctor.subject.ledger, doctor.desk.look(folder)) {
        (_, Err(why)) => findings.push(fail(format!("{shown} cannot be looked at: {why}")).remedy(AS_DAEMON)),
        (Err((why, remedy)), _) => findings.push(fail(why.clone()).remedy(remedy.clone())),
        (_, Ok(None)) => {
            findings.extend(to_be_made(doctor.desk, folder).err().map(|why| fail(why).remedy(AS_DAEMON)));
        }
        (Ok(_), Ok(Some(standing))) => findings.extend(about_store(&shown, standing)),
    }
    let existing = folder.ancestors().find(|folder| matches!(doctor.desk.look(folder), Ok(Some(_))));
    if let Some(free) = existing.and_then(|folder| doctor.desk.free(folder)).filter(|free| *free < ROOM) {
        let what = format!("the disk of {shown} has {} MiB left", free >> 20);
        findings
            .push(Finding::new(Area::Store, Level::Warn, what).remedy("make room: without it nothing new is begun"));
    }
    if findings.is_empty() {
        let begun = doctor.subject.ledger.as_ref().is_ok_and(|ledger| ledger.begun);
        let what = if begun { "can be read and written" } else { "will be made at the first start" };
        findings.push(Finding::new(Area::Store, Level::Ok, format!("{shown} {what}")));
    }
    findings
}

fn about_store(shown: &str, standing: Standing) -> Option<Finding> {
    if !standing.is_folder {
        return Some(Finding::new(Area::Store, Level::Fail, format!("{shown} is no folder")));
    }
    if !(standing.readable && standing.writable && standing.passable) {
        let what = format!("this user may not read and write in {shown}");
        let remedy = "run doctor as the daemon's user; if it is that one, give it the folder: chown -R";
        return Some(Finding::new(Area::Store, Level::Fail, what).remedy(remedy));
    }
    let open = standing.mode & 0o007 != 0;
    open.then(|| {
        let what = format!(
            "everybody on this machine may look into {shown} (its mode is {:04o}): posts stand in it",
            standing.mode
        );
        Finding::new(Area::Store, Level::Warn, what).remedy("chmod 700 it")
    })
}

/// Whether a folder that is not there can be made.
fn to_be_made(desk: &dyn DoctorDesk, folder: &Path) -> Result<(), String> {
    let above = folder.ancestors().skip(1).find_map(|above| Some((above, desk.look(above).ok().flatten()?)));
    match above {
        Some((_, standing)) if standing.is_folder && standing.writable && standing.passable => Ok(()),
        Some((above, _)) => Err(format!(
            "{} is not there, and this user may not make it in {}",
            path::shown(folder),
            path::shown(above)
        )),
        None => Err(format!("{} is not there, and cannot be made", path::shown(folder))),
    }
}

fn queue(doctor: &Doctor<'_>) -> Vec<Finding> {
    let shown = path::shown(&doctor.subject.queue);
    let fail = |what: String, remedy: &str| Finding::new(Area::Queue, Level::Fail, what).remedy(remedy);
    vec![match doctor.desk.look(&doctor.subject.queue) {
        Err(why) => fail(format!("{shown} cannot be looked at: {why}"), AS_DAEMON),
        Ok(None) => fail(format!("{shown} is not there"), "make the folder, or correct `queue.path`"),
        Ok(Some(standing)) if !standing.is_folder => fail(format!("{shown} is no folder"), "correct `queue.path`"),
        Ok(Some(standing)) if !(standing.readable && standing.passable) => fail(
            format!("this user may not read {shown}"),
            "the daemon's user has to read and enter it: chmod or chown it",
        ),
        Ok(Some(_)) => Finding::new(
            Area::Queue,
            Level::Ok,
            format!("{shown} can be read; cadenced check says whether it is sound"),
        ),
    }]
}

fn accounts(doctor: &Doctor<'_>) -> Vec<Finding> {
    doctor.examined.iter().flat_map(|examined| examined.findings.iter().cloned()).collect()
}

fn clock(doctor: &Doctor<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let now = doctor.desk.now();
    let mark = doctor.subject.ledger.as_ref().ok().and_then(|ledger| ledger.mark);
    if let Some(mark) = mark.filter(|mark| time::since(*mark, now) > Duration::from_secs(2)) {
        let what = format!("it is {now} here, and the store has seen {mark}: nothing is sent before that");
        let remedy = "set the clock; if it is right, start the daemon once with --confirm-clock";
        findings.push(Finding::new(Area::Clock, Level::Fail, what).remedy(remedy));
    }
    let mut skews: Vec<&(String, i64)> = doctor.examined.iter().flat_map(|examined| &examined.skews).collect();
    skews.sort_by_key(|(_, skew)| *skew);
    // One server whose clock is wrong is not our trouble; most of them are right.
    if let Some((server, skew)) = skews.get(skews.len() / 2) {
        let (size, side) = (skew.unsigned_abs(), if *skew > 0 { "behind" } else { "ahead of" });
        let what = format!("the clock is {size} s {side} that of {server}");
        let finding = |level| Finding::new(Area::Clock, level, what).remedy("let it be set by NTP");
        match skew.abs() {
            0..=SKEW => {
                let servers = skews.len();
                let what = format!("the clock agrees with the servers' (answers: {servers})");
                findings.push(Finding::new(Area::Clock, Level::Ok, what));
            }
            size => findings.push(finding(if size >= BAD_SKEW { Level::Fail } else { Level::Warn })),
        }
    }
    findings
}

/// The examination of one account.
struct Patients<'p> {
    patient: &'p Patient,
    args: &'p DoctorArgs,
    desk: &'p dyn DoctorDesk,
}

/// Why an account's first steps have come to nothing.
enum Stop {
    Silent(String),
    /// The server has trouble, or has been asked too much: nothing is said against the token.
    Later(String),
    Refused(String),
}

impl Patients<'_> {
    fn examine(&self) -> Examined {
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
        format!("get a new token: cadenced auth {}", self.patient.id)
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
        while replies.len() <= CALLS {
            let about = Examination { session, secrets: &self.patient.secrets, now: self.desk.now() };
            match self.patient.adapter.examine(&about, &replies) {
                Ask::Done(facts) => return Ok(facts),
                Ask::Refused(why) => return Err(Stop::Refused(why)),
                Ask::Call(request) => match self.call(Call::Http(request), examined) {
                    Ok(Reply::Http(reply)) => replies.push(reply),
                    _ => replies.push(HttpReply::default()),
                },
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

/// How the command ends: with 1 where anything is not as it should be.
pub fn exit(findings: &[Finding]) -> Exit {
    if findings.iter().all(|finding| finding.level == Level::Ok) { Exit::Done } else { Exit::Findings }
}

/// Writes the findings.
///
/// # Errors
/// When the output cannot be written.
pub fn write(findings: &[Finding], format: DoctorFormat, page: Page, out: &mut dyn Write) -> io::Result<()> {
    match format {
        DoctorFormat::Text => text(findings, page, out),
        DoctorFormat::Json => json(findings, out),
    }
}

fn text(findings: &[Finding], page: Page, out: &mut dyn Write) -> io::Result<()> {
    let name = |finding: &Finding| match &finding.account {
        Some(account) => account.to_string(),
        None => finding.area.name().to_owned(),
    };
    let width = findings.iter().map(|finding| name(finding).len()).max().unwrap_or_default();
    let styles = page.styles();
    for finding in findings {
        let style = match finding.level {
            Level::Ok => styles.good,
            Level::Warn => styles.warn,
            Level::Fail => styles.error,
        };
        let level = paint(page.colour, style, &format!("{:4}", finding.level.name()));
        writeln!(out, "{level}  {:width$}  {}", name(finding), escape(&finding.what))?;
        if let Some(remedy) = &finding.remedy {
            writeln!(
                out,
                "{:>1$}  {2}",
                "",
                width + 6,
                paint(page.colour, styles.hint, &format!("-> {}", escape(remedy)))
            )?;
        }
    }
    Ok(())
}

fn json(findings: &[Finding], out: &mut dyn Write) -> io::Result<()> {
    let line = |finding: &Finding| {
        serde_json::json!({
            "area": finding.area,
            "account": finding.account,
            "level": finding.level.name(),
            "what": finding.what,
            "remedy": finding.remedy,
        })
    };
    serde_json::to_writer_pretty(&mut *out, &findings.iter().map(line).collect::<Vec<_>>())?;
    out.write_all(b"\n")
}
