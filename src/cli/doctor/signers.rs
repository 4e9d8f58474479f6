//! Whose approvals count, where they are signed: whoever may write that list approves whatever he likes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::domain::path::shown;
use crate::domain::{Fault, Place, Timestamp, time};
use crate::platform::contract::examine::Level;
use crate::queue::signed::{Allowed, approvers};

use super::{Area, Doctor, Finding};

/// An end that is nearer than this is told: a key is not made, signed with and let in from one day to the next.
const SOON: Duration = Duration::from_hours(14 * 24);

/// The list of those who may sign.
pub struct Signatures {
    pub file: PathBuf,
    pub allowed: Allowed,
}

pub(super) fn signers(doctor: &Doctor<'_>) -> Vec<Finding> {
    let Some(Signatures { file, allowed }) = &doctor.subject.signatures else { return Vec::new() };
    let mut findings = whoever_may_write(doctor, file);
    let list = shown(file);
    let fail = |what: String| Finding::new(Area::Signers, Level::Fail, what);
    let signers = match allowed {
        Ok(signers) => signers,
        Err(why) => {
            let what = format!("nobody can tell who may sign: {list} cannot be read: {why}");
            let remedy = "the daemon's user has to read it: until it can, nothing is begun";
            findings.push(fail(what).remedy(remedy));
            return findings;
        }
    };
    findings.extend(signers.faults.iter().map(|(line, why)| {
        let place = Place { line: *line, column: 1, ..Place::file(&list) };
        let fault = Fault::warning(place, why.as_str()).with_hint("mend the line: whoever it is to name cannot sign");
        Finding::of_fault(Area::Signers, Level::Warn, &fault)
    }));
    let now = doctor.desk.now();
    let who = approvers(signers, now);
    if who.is_empty() {
        let what = format!("{list} lets nobody sign now: nothing is approved");
        let remedy = "add a line for each key that may sign: NAME namespaces=\"cadenced\" ssh-ed25519 AAAA…";
        findings.push(fail(what).remedy(remedy));
    }
    let soon = |at: &Timestamp| time::since(*at, now) < SOON;
    for (by, end) in who.iter().filter_map(|(by, end)| Some((by, end.filter(soon)?))) {
        let what = format!("what {by} has signed counts until {end} only; what is not out by then is held");
        let remedy = "have it signed by a key that counts longer, or set a later valid-before";
        findings.push(Finding::new(Area::Signers, Level::Warn, what).remedy(remedy));
    }
    if findings.is_empty() {
        let what = format!("{list} can be read, and written by nobody else; keys that may sign now: {}", who.len());
        findings.push(Finding::new(Area::Signers, Level::Ok, what));
    }
    findings
}

fn whoever_may_write(doctor: &Doctor<'_>, file: &Path) -> Vec<Finding> {
    let list = shown(file);
    let warn = |what: String, remedy: &str| Finding::new(Area::Signers, Level::Warn, what).remedy(remedy);
    let mut findings = Vec::new();
    let open = |path: &Path| doctor.desk.look(path).ok().flatten().filter(|standing| standing.mode & 0o022 != 0);
    if let Some(standing) = open(file) {
        let what = format!("others may say in {list} whose approvals count (its mode is {:04o})", standing.mode);
        findings.push(warn(what, "chmod go-w it"));
    }
    if file.starts_with(&doctor.subject.queue) {
        let what = format!("{list} lies in the queue folder: whoever may put posts there may let himself approve them");
        findings.push(warn(what, "keep it beside the configuration, and correct `queue.allowed_signers`"));
        return findings;
    }
    // In a sticky folder nobody replaces what is another one's.
    let folder = file.parent().and_then(|folder| Some((folder, open(folder)?)));
    if let Some((folder, standing)) = folder.filter(|(_, standing)| standing.mode & 0o1000 == 0) {
        let (folder, mode) = (shown(folder), standing.mode);
        let what = format!("others may put another file in the place of {list} (the mode of {folder} is {mode:04o})");
        findings.push(warn(what, "chmod go-w the folder"));
    }
    findings
}
