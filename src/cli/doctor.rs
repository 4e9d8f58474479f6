//! `cadenced doctor`: what would go wrong, before it does.
//!
//! A list of checks ([`CHECKS`]), each with findings about one area: what, how bad, and what to do. A check decides from
//! what is in [`Doctor`] and does nothing; nothing is published, and no token that works once is spent. Accounts are asked
//! first, several at once; what their servers' clocks show is compared with ours.
//!
//! Nothing of the world is touched here; [`DoctorDesk`] is asked. No secret is written to `out`.

mod asking;
pub mod program;
pub mod signers;
pub mod unit;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::domain::{AccountId, Fault, Timestamp, path, time};
use crate::platform::contract::examine::Level;
use crate::platform::contract::{Adapter, Call, Pace, Reply, Secrets};
use crate::telemetry::escape::escape;

use super::args::{DoctorArgs, DoctorFormat};
use super::exit::Exit;
use super::output::{Page, paint};
use asking::Patients;
use program::{Program, Running};
use signers::Signatures;
use unit::{Installed, Wishes};

/// How far our clock may be from what servers show. Their headers count in whole seconds.
const SKEW: i64 = 5;
/// From then on signed requests and new tokens are refused here and there.
const BAD_SKEW: i64 = 60;
/// What to do where this user sees too little.
const AS_DAEMON: &str = "run doctor as the daemon's user; if it is that one, let it in";
/// Where the unit takes credentials from.
const CREDENTIALS: &str = "/etc/cadenced/credentials";
/// What is there on a machine whose clock is kept: by timesyncd, by chrony, by ntpd, by openntpd.
const KEEPERS: &[&str] =
    &["/run/systemd/timesync/synchronized", "/run/chrony/chronyd.pid", "/run/ntpd.pid", "/var/run/ntpd.sock"];
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

    /// How many folders there are below a path, itself included; no more than `limit` are counted.
    fn folders(&self, path: &Path, limit: u64) -> u64;

    /// How many folders a user may watch at once.
    fn watches(&self) -> Option<u64>;

    /// The addresses that a name stands for; none where that cannot be found out.
    fn addresses(&self, host: &str) -> Vec<IpAddr>;

    /// Does every job from 0 on, several at once, and gives what came of them in their order.
    fn side_by_side(&self, jobs: usize, job: &(dyn Fn(usize) -> Examined + Sync)) -> Vec<Examined>;
}

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    pub is_folder: bool,
    pub is_socket: bool,
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
    /// Where approvals are signed.
    pub signatures: Option<Signatures>,
    pub store: PathBuf,
    /// Where commands reach the daemon.
    pub socket: Option<PathBuf>,
    /// Whether its records can be read; else why, and what to do.
    pub ledger: Result<Ledger, (String, String)>,
    pub accounts: Vec<Patient>,
    pub program: Program,
    /// The unit as it is installed here, if it is.
    pub unit: Option<Installed>,
    /// What the configuration asks of it.
    pub wishes: Wishes,
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
    Signers,
    Account,
    Clock,
    Control,
    Program,
    Unit,
}

impl Area {
    fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Secrets => "secrets",
            Self::Store => "store",
            Self::Queue => "queue",
            Self::Signers => "signers",
            Self::Account => "account",
            Self::Clock => "clock",
            Self::Control => "control",
            Self::Program => "program",
            Self::Unit => "unit",
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
pub const CHECKS: &[Check] =
    &[config, secrets, store, queue, signers::signers, accounts, clock, control, program::program, unit::unit];

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
    if let Ok(Some(standing)) = doctor.desk.look(Path::new(CREDENTIALS))
        && standing.mode & 0o077 != 0
    {
        let what = format!("others may look into {CREDENTIALS} (its mode is {:04o})", standing.mode);
        findings.push(Finding::new(Area::Secrets, Level::Warn, what).remedy("chmod 700 it: systemd alone reads it"));
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
    let folder = &doctor.subject.queue;
    let shown = path::shown(folder);
    let fail = |what: String, remedy: &str| vec![Finding::new(Area::Queue, Level::Fail, what).remedy(remedy)];
    let standing = match doctor.desk.look(folder) {
        Err(why) => return fail(format!("{shown} cannot be looked at: {why}"), AS_DAEMON),
        Ok(None) => return fail(format!("{shown} is not there"), "make the folder, or correct `queue.path`"),
        Ok(Some(standing)) if !standing.is_folder => {
            return fail(format!("{shown} is no folder"), "correct `queue.path`");
        }
        Ok(Some(standing)) if !(standing.readable && standing.passable) => {
            let remedy = "the daemon's user has to read and enter it: chmod or chown it";
            return fail(format!("this user may not read {shown}"), remedy);
        }
        Ok(Some(standing)) => standing,
    };
    let warn = |what: String| Finding::new(Area::Queue, Level::Warn, what);
    let mut findings = Vec::new();
    if standing.mode & 0o002 != 0 {
        let what = format!("everybody on this machine may put posts into {shown} (its mode is {:04o})", standing.mode);
        findings.push(warn(what).remedy("chmod o-w it"));
    }
    // Each folder is one watch, and others of the same user watch as well.
    if let Some(most) = doctor.desk.watches()
        && doctor.desk.folders(folder, most) >= most
    {
        let what =
            format!("{shown} has more folders than a user may watch ({most}): it is looked at every second instead");
        findings.push(warn(what).remedy("sysctl fs.inotify.max_user_watches=524288, or fewer folders"));
    }
    if findings.is_empty() {
        let what = format!("{shown} can be read; cadenced check says whether it is sound");
        findings.push(Finding::new(Area::Queue, Level::Ok, what));
    }
    findings
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
    let there = |path: &str| matches!(doctor.desk.look(Path::new(path)), Ok(Some(_)));
    // A container has the clock of the machine that it runs on.
    if there("/run/systemd/system") && !there("/run/systemd/container") && !KEEPERS.iter().any(|keeper| there(keeper)) {
        let what =
            "nothing seems to keep the clock right: no timesyncd that has been told the time, no chrony, no ntpd";
        let finding = Finding::new(Area::Clock, Level::Warn, what);
        findings.push(finding.remedy("timedatectl set-ntp true, and look at timedatectl some minutes later"));
    }
    // One answer a server: the one that agrees best, for others may have been under way for long.
    let mut servers: BTreeMap<&str, i64> = BTreeMap::new();
    for (server, skew) in doctor.examined.iter().flat_map(|examined| &examined.skews) {
        let best = servers.entry(server).or_insert(*skew);
        *best = if skew.abs() < best.abs() { *skew } else { *best };
    }
    let mut skews: Vec<(&str, i64)> = servers.into_iter().collect();
    skews.sort_by_key(|(_, skew)| *skew);
    // One server whose clock is wrong is not our trouble; most of them are right.
    if let Some((server, skew)) = skews.get(skews.len() / 2) {
        let (size, side) = (skew.unsigned_abs(), if skew > &0 { "behind" } else { "ahead of" });
        let what = format!("the clock is {size} s {side} that of {server}");
        let finding = |level| Finding::new(Area::Clock, level, what).remedy("let it be set by NTP");
        match skew.abs() {
            0..=SKEW => {
                let servers = skews.len();
                let what = format!("the clock agrees with the servers' (asked: {servers})");
                findings.push(Finding::new(Area::Clock, Level::Ok, what));
            }
            size => findings.push(finding(if size >= BAD_SKEW { Level::Fail } else { Level::Warn })),
        }
    }
    findings
}

fn control(doctor: &Doctor<'_>) -> Vec<Finding> {
    let Some(socket) = &doctor.subject.socket else { return Vec::new() };
    let shown = path::shown(socket);
    match doctor.desk.look(socket) {
        Ok(Some(standing)) if !standing.is_socket => {
            let what = format!("{shown} is no socket: no command reaches the daemon there");
            let finding = Finding::new(Area::Control, Level::Fail, what);
            vec![finding.remedy("correct `control.socket`, or move away what stands there; then restart the daemon")]
        }
        _ if doctor.subject.program.daemon == Some(Running::Silent) => {
            let what = "the daemon holds its socket and does not answer".to_owned();
            let finding = Finding::new(Area::Control, Level::Fail, what);
            vec![finding.remedy("journalctl -u cadenced says what it did last; systemctl restart cadenced")]
        }
        _ => Vec::new(),
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
