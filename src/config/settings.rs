//! The configuration, valid by construction.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;

use url::Url;

use crate::domain::policy::{ApprovalMode, DeliveryRules, Policy, Schedule};
use crate::domain::{AccountId, Links, Place, SecretRef, Timestamp};

/// Everything the file says, with defaults filled in and paths made absolute.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The file it was read from.
    pub file: PathBuf,
    /// The zone of every account that names none, and of moments that commands are given without an offset.
    pub zone: TimeZone,
    pub queue: QueueSettings,
    /// Folder of `journal/` and `index/`.
    pub store: PathBuf,
    pub seal: Option<SealSettings>,
    pub log: LogSettings,
    pub control: ControlSettings,
    /// How long SIGTERM waits for what is in flight.
    pub stop_timeout: Duration,
    pub people: PeopleSettings,
    pub digest: DigestSettings,
    pub chores: ChoreSettings,
    pub accounts: BTreeMap<AccountId, AccountSettings>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueSettings {
    pub path: PathBuf,
    pub approval: ApprovalMode,
    /// Whose signatures count; named where approvals are signed.
    pub allowed_signers: Option<PathBuf>,
}

impl QueueSettings {
    /// Where those stand whose signatures count, if approvals are signed.
    pub fn signers(&self) -> Option<&Path> {
        self.allowed_signers.as_deref().filter(|_| self.approval == ApprovalMode::Signed)
    }
}

/// The secret that tokens in the store are sealed with.
#[derive(Debug, Clone)]
pub struct SealSettings {
    pub secret: SecretRef,
    pub place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogSettings {
    /// `None`: pretty on a terminal, else json.
    pub format: Option<LogFormat>,
    pub level: LogLevel,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Json,
    Journald,
    Pretty,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

#[derive(Debug, Clone)]
pub struct ControlSettings {
    /// `None`: there is no folder to put one in.
    pub socket: Option<PathBuf>,
    /// Where it listens over TCP; `None`: nowhere.
    pub listen: Option<SocketAddr>,
    pub allow_remote: bool,
    pub token: Option<SecretRef>,
}

/// Where the look back on the week goes beside the log.
#[derive(Debug, Clone, Default)]
pub struct DigestSettings {
    pub file: Option<PathBuf>,
    pub url: Option<Url>,
    pub token: Option<SecretRef>,
}

/// What is recorded about people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeopleSettings {
    /// Whether anything is.
    pub record: bool,
    /// How long.
    pub retention: Duration,
}

/// When recurring chores run, as cron expressions of six fields (seconds first), in UTC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChoreSettings {
    /// Looks at every account's runway.
    pub runway: String,
    /// Looks after the store: room, size.
    pub upkeep: String,
    /// Asks accounts whose token was not accepted once more.
    pub accounts: String,
    /// Looks at what has become of posts.
    pub sweep: String,
    /// Lets go of people whose time is over.
    pub retention: String,
    /// Looks back on the week.
    pub digest: String,
}

/// One account. What is the same for all platforms is read; the rest is the adapter's.
#[derive(Debug, Clone)]
pub struct AccountSettings {
    pub id: AccountId,
    /// As written in `platform = "…"`.
    pub platform: String,
    pub schedule: Schedule,
    pub policy: Policy,
    pub rules: DeliveryRules,
    pub links: Links,
    pub paused: bool,
    /// The remote account's stable id, when the file pins it.
    pub identity: Option<String>,
    /// When its token ends, where a person has said so.
    pub token_expires: Option<Timestamp>,
    /// The keys that only the adapter knows.
    pub table: toml::Table,
    /// Where each key of the account's table stands, and the table itself under `""`.
    pub places: BTreeMap<String, Place>,
}

impl AccountSettings {
    /// The place of a key, or of the table when it has no such key.
    pub fn place(&self, key: &str) -> Place {
        let found = self.places.get(key).or_else(|| self.places.get(""));
        found.cloned().unwrap_or_else(|| Place::file("cadenced.toml"))
    }
}
