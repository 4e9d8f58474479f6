//! What can be found out about an account without doing anything: what `cadenced doctor` asks an adapter, and what the
//! engine asks about things that end by themselves.
//!
//! Pure, like the adapter. The ordinary first steps come before ([`crate::deliver::Probe`]): who is asking, and whose
//! account it is. What an examination adds are questions that no attempt needs: permissions, allowances, the end of a
//! token. Every one of them is harmless. Where tokens work once ([`super::Adapter::keeps_tokens`]), the first steps
//! are left out, because they might refresh; the examination then asks with the token that is kept, or says that
//! there is none to ask with.

use std::path::PathBuf;
use std::time::Duration;

use super::{Adapter, Secrets, Session};
use crate::domain::{Timestamp, time};

/// What an adapter may know when it examines an account.
#[derive(Debug, Clone, Copy)]
pub struct Examination<'a> {
    /// What the first steps have given; where tokens work once, what is kept.
    pub session: &'a Session,
    pub secrets: &'a Secrets,
    pub now: Timestamp,
}

/// What an adapter has found out about an account.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// What people call the account.
    pub name: Option<String>,
    /// The remote account's stable id, where the first steps were left out.
    pub identity: Option<String>,
    /// What is to be said of its token's end.
    pub token: Option<Life>,
    pub notes: Vec<Note>,
}

/// Until when a token is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// Until somebody takes it back.
    Endless,
    /// It ends, and another one is got in time without a person.
    Renewed,
    Until(Timestamp),
    /// It ends, and nobody tells when.
    Untold,
}

/// How bad something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Ok,
    /// Something will go wrong, or some posts cannot go out.
    Warn,
    /// Nothing goes out as things are.
    Fail,
}

impl Level {
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One thing that was found, in words that hold no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    pub level: Level,
    pub what: String,
    pub remedy: Option<String>,
}

impl Note {
    pub fn ok(what: impl Into<String>) -> Self {
        Self { level: Level::Ok, what: what.into(), remedy: None }
    }

    pub fn warn(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { level: Level::Warn, what: what.into(), remedy: Some(remedy.into()) }
    }

    pub fn fail(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { level: Level::Fail, what: what.into(), remedy: Some(remedy.into()) }
    }
}

/// Something on this machine that an account cannot do without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// A folder that can be written, or made.
    Folder(PathBuf),
    /// A program that can be run.
    Program(PathBuf),
}

/// Something of an account that ends by itself, and that only a person can replace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    pub of: Ending,
    pub at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ending {
    Token,
    /// The version of the API that is asked for.
    Version(String),
}

/// A permission, the scopes of which any one gives it, and what it is for.
#[derive(Debug, Clone, Copy)]
pub struct Permission {
    pub any_of: &'static [&'static str],
    /// Whether every post needs it.
    pub always: bool,
    /// "… is needed" for this.
    pub purpose: &'static str,
}

/// What is to be said of the permissions that a token has.
pub fn permissions(wanted: &[Permission], has: impl Fn(&str) -> bool, remedy: &str) -> Vec<Note> {
    let missing = |permission: &&Permission| !permission.any_of.iter().any(|scope| has(scope));
    let notes: Vec<Note> = wanted.iter().filter(missing).map(|permission| note_of(permission, remedy)).collect();
    if notes.is_empty() { vec![Note::ok("the token has the permissions that posts need")] } else { notes }
}

fn note_of(permission: &Permission, remedy: &str) -> Note {
    let level = if permission.always { Level::Fail } else { Level::Warn };
    let what = format!("the token lacks {}, which {} needs", permission.any_of[0], permission.purpose);
    Note { level, what, remedy: Some(remedy.into()) }
}

/// What is to be said of an allowance of posts.
pub fn allowance(used: u64, total: u64, of: &str) -> Note {
    let what = format!("{used} of {total} {of} are used up");
    if used >= total { Note::warn(what, "posts wait by themselves until there is room again") } else { Note::ok(what) }
}

/// When the end of a token is announced, in days before it.
const TOKEN: &[u32] = &[14, 7, 3, 0];
/// The same for a version of an API, whose successor somebody has to read about.
const VERSION: &[u32] = &[30, 14, 7, 3, 0];

impl End {
    /// The last announcement that is due, in days before the end; 0 when it is over, `None` while it is far away.
    pub fn stage(&self, now: Timestamp) -> Option<u32> {
        let stages = match self.of {
            Ending::Token => TOKEN,
            Ending::Version(_) => VERSION,
        };
        let is_due = |days: &&u32| now >= time::before(self.at, Duration::from_secs(u64::from(**days) * 86_400));
        stages.iter().rev().find(is_due).copied()
    }

    /// What a person can do.
    pub fn remedy(&self, account: &str) -> String {
        match &self.of {
            Ending::Token => format!("get a new token: cadenced auth {account}"),
            Ending::Version(_) => {
                "install a later cadenced, or read what a later version changes and set the account's `version`".into()
            }
        }
    }
}

/// What of an account ends by itself. What the platform tells counts before what the configuration says.
pub fn ends(adapter: &dyn Adapter, session: &Session, secrets: &Secrets, token_expires: Option<Timestamp>) -> Vec<End> {
    let mut ends = adapter.ends(session, secrets);
    if !ends.iter().any(|end| end.of == Ending::Token) {
        ends.extend(token_expires.map(|at| End { of: Ending::Token, at }));
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_announced_in_stages() {
        let now: Timestamp = "2026-12-01T12:00:00Z".parse().unwrap();
        let stage = |of: Ending, hours: i64| {
            let at = now.checked_add(jiff::SignedDuration::from_hours(hours)).unwrap();
            End { of, at }.stage(now)
        };
        let token = [(337, None), (336, Some(14)), (169, Some(14)), (168, Some(7)), (72, Some(3)), (1, Some(3))];
        for (hours, expected) in token.into_iter().chain([(0, Some(0)), (-5, Some(0))]) {
            assert_eq!(stage(Ending::Token, hours), expected, "{hours}");
        }
        assert_eq!(stage(Ending::Version("202609".into()), 700), Some(30));
        assert_eq!(stage(Ending::Version("202609".into()), 800), None);
    }

    #[test]
    fn a_permission_is_given_by_any_of_its_scopes() {
        let wanted = [
            Permission { any_of: &["write:statuses", "write"], always: true, purpose: "every post" },
            Permission { any_of: &["write:media", "write"], always: false, purpose: "a post with media" },
        ];
        let levels = |held: &[&str]| {
            let notes = permissions(&wanted, |scope| held.contains(&scope), "ask again");
            notes.into_iter().map(|note| note.level).collect::<Vec<_>>()
        };
        assert_eq!(levels(&["write"]), [Level::Ok]);
        assert_eq!(levels(&["write:statuses"]), [Level::Warn]);
        assert_eq!(levels(&["read"]), [Level::Fail, Level::Warn]);
    }
}
