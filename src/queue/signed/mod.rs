//! Signed approvals: beside a queue file stands who has approved which of its posts, with a signature.
//!
//! A queue file is read as ever; then [`judge`] says of each of its posts whether what is signed beside it is the content
//! that it has, by somebody whose word counts at this moment. The same is asked again of the same files right before an
//! intent is made ([`Verdict::of`]). Nothing is opened here, and no clock is read.
//!
//! Nothing that cannot be verified counts for anything: neither a sheet that is broken, nor a key that is not allowed, nor
//! `[approval]` tables in the queue file. Why, is told in each post's hold.
//!
//! A signature tells what was approved and by whom, not when, and not for how long: whoever can write to the queue folder
//! can put an old sheet back, and with it what it approved, word for word. What ends an approval for good is its key
//! leaving `allowed_signers`, unless another key has signed the same again, or the post's own `expires`.

pub mod sheet;
pub mod signers;
pub mod sshsig;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use sheet::Sheet;
pub use signers::{Signers, Standing};
pub use sshsig::Key;

use super::{Approval, Lapse, Post, Rare, Trouble};
use crate::domain::{Digest, Fault, Place, PostId, Timestamp};

/// What signatures are made for, so that none that was made for something else counts.
pub const NAMESPACE: &str = "cadenced";

/// The file beside `file` that holds its approvals.
pub fn beside(file: &str) -> String {
    format!("{file}.approval")
}

/// What stands beside a queue file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Beside {
    Nothing,
    /// Why it cannot be read.
    Unreadable(String),
    Bytes(Vec<u8>),
}

/// Whose approvals count, or why nobody knows.
pub type Allowed = Result<Signers, String>;

/// What stands beside a queue file, judged at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What was signed; `None` when nothing could be verified.
    lines: Option<BTreeMap<PostId, Digest>>,
    by: Result<Arc<str>, Void>,
    /// The next moment at which it may be judged otherwise.
    pub turns_at: Option<Timestamp>,
    /// Whether it may be judged otherwise at another moment, an earlier one included.
    pub is_timed: bool,
    /// When what holds now does not hold any more.
    pub lapse: Option<Lapse>,
    /// What is wrong with the file itself.
    pub fault: Option<Fault>,
    name: String,
}

/// Why an approval does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Void {
    /// [`Approval::NotApproved`] or [`Approval::Stale`].
    pub approval: Approval,
    pub why: Arc<str>,
}

impl Void {
    fn not_approved(why: impl Into<Arc<str>>) -> Self {
        Self { approval: Approval::NotApproved, why: why.into() }
    }

    fn stale(why: impl Into<Arc<str>>) -> Self {
        Self { approval: Approval::Stale, why: why.into() }
    }
}

impl Verdict {
    /// Judges what stands beside `file`.
    pub fn new(file: &str, found: &Beside, allowed: &Allowed, now: Timestamp) -> Self {
        let name = beside(file);
        let mut verdict = Self {
            lines: None,
            by: Err(Void::not_approved(format!("there is no {name}"))),
            turns_at: None,
            is_timed: false,
            lapse: None,
            fault: None,
            name: name.clone(),
        };
        let broken = |line: u32, reason: &str| {
            let place = Place { line, ..Place::file(&name) };
            Fault::warning(place, reason).with_hint("let cadenced approve --sign write it")
        };
        let sheet = match found {
            Beside::Nothing => return verdict,
            Beside::Unreadable(why) => Err(broken(0, &format!("it cannot be read: {why}"))),
            Beside::Bytes(bytes) => Sheet::read(bytes).map_err(|cause| broken(cause.line, &cause.reason)),
        };
        let verified = sheet.and_then(|sheet| match sheet.signature.verify(NAMESPACE, sheet.message.as_bytes()) {
            Ok(()) => Ok(sheet),
            Err(refused) => Err(broken(0, &refused.to_string())),
        });
        let sheet = match verified {
            Ok(sheet) => sheet,
            Err(fault) => {
                verdict.by = Err(Void::not_approved(format!("{}: {}", fault.place, fault.reason)));
                verdict.fault = Some(fault);
                return verdict;
            }
        };
        let key = &sheet.signature.key;
        verdict.by = match allowed {
            Ok(signers) => {
                verdict.turns_at = signers.turns_at(key, now);
                verdict.is_timed = signers.is_timed(key);
                verdict.lapse = lapse(signers, key, now);
                by(signers, key, now)
            }
            Err(why) => Err(Void::not_approved(format!("allowed_signers cannot be read: {why}"))),
        };
        verdict.lines = Some(sheet.lines);
        verdict
    }

    /// Why what was signed approves nothing, where it could be verified.
    pub fn why_nothing_counts(&self) -> Option<&str> {
        let void = self.by.as_ref().err().filter(|_| self.lines.is_some())?;
        Some(&void.why)
    }

    /// The posts that were signed.
    pub fn names(&self) -> impl Iterator<Item = &PostId> {
        self.lines.iter().flat_map(BTreeMap::keys)
    }

    /// Who has approved this content of a post.
    ///
    /// # Errors
    /// Nobody whose word counts now.
    pub fn of(&self, id: &PostId, digest: &Digest) -> Result<Arc<str>, Void> {
        let signed = match &self.lines {
            Some(lines) => {
                lines.get(id).ok_or_else(|| Void::not_approved(format!("{} does not name it", self.name)))?
            }
            None => return self.by.clone(),
        };
        match &self.by {
            Ok(by) if signed == digest => Ok(by.clone()),
            Ok(by) => Err(Void::stale(format!("it has changed since {by} signed it"))),
            Err(void) => Err(void.clone()),
        }
    }
}

fn by(signers: &Signers, key: &Key, now: Timestamp) -> Result<Arc<str>, Void> {
    let print = key.fingerprint();
    match signers.standing(key, NAMESPACE, now) {
        Standing::Allowed { by, .. } => Ok(by.into()),
        Standing::Expired { line, at } => {
            Err(Void::stale(format!("the key {print} was allowed until {at} (allowed_signers:{line})")))
        }
        Standing::NotYet { line, from } => {
            Err(Void::not_approved(format!("the key {print} is allowed from {from} on (allowed_signers:{line})")))
        }
        // Somebody has signed it, and a person has to say whether that was right: nothing of it passes by itself.
        Standing::OtherNamespace { line } => Err(Void::stale(format!(
            "the key {print} is allowed for other namespaces than {NAMESPACE:?} (allowed_signers:{line})"
        ))),
        Standing::Unknown => {
            let refused = signers.faults.first();
            let refused = refused.map(|(line, why)| format!("; its line {line} is refused: {why}")).unwrap_or_default();
            Err(Void::stale(format!("the key {print} is not in allowed_signers{refused}")))
        }
    }
}

/// When the file will not let a key sign any more that it lets sign now.
fn lapse(signers: &Signers, key: &Key, now: Timestamp) -> Option<Lapse> {
    by(signers, key, now).ok()?;
    let mut turn = signers.turns_at(key, now);
    while let Some(at) = turn {
        match by(signers, key, at) {
            Err(Void { approval, why }) => return Some(Lapse { at, approval, why }),
            Ok(_) => turn = signers.turns_at(key, at),
        }
    }
    None
}

/// Whose signatures count at `now`, key by key, and when that ends where it does.
pub fn approvers(signers: &Signers, now: Timestamp) -> Vec<(Arc<str>, Option<Timestamp>)> {
    let end = |key| lapse(signers, key, now).map(|lapse| lapse.at);
    signers.keys().into_iter().filter_map(|key| Some((by(signers, key, now).ok()?, end(key)))).collect()
}

/// Says of each post whether it is approved.
pub fn judge(posts: &mut [Post], verdict: &Verdict) {
    for post in posts {
        let void = match verdict.of(&post.id, &post.digest) {
            Ok(_) => {
                post.approval = Approval::Signed;
                if verdict.lapse.is_some() {
                    post.rare = Rare { lapse: verdict.lapse.clone(), ..Rare::clone(&post.rare) }.into();
                }
                continue;
            }
            Err(void) => void,
        };
        // Whether the approval still holds can be told only when the file is back.
        let unknown = matches!(post.rare.trouble, Some(Trouble::Media(_)));
        post.approval = if unknown { Approval::NotApproved } else { void.approval };
        post.rare = Rare { unapproved: Some(void.why), ..Rare::clone(&post.rare) }.into();
    }
}
