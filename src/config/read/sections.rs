//! The tables of the file that are about the program itself: where posts come from, where the ledger is, how commands
//! reach the daemon, what is logged, recorded and told.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use url::Url;

use crate::config::settings::{
    ChoreSettings, ControlSettings, DigestSettings, LogFormat, LogLevel, LogSettings, PeopleSettings, QueueSettings,
    SealSettings,
};
use crate::config::{keys, values};
use crate::domain::document::{DeTable, DeValue, Value, quoted};
use crate::domain::links::is_loopback;
use crate::domain::path::shown;
use crate::domain::policy::ApprovalMode;

use super::defaults::{PEOPLE, default_chores};
use super::reader::Reader;

/// Where the store is when neither the file nor `$STATE_DIRECTORY` says: the folder that systemd makes for us.
const STORE: &str = "/var/lib/cadenced/store";
/// What `sun_path` holds (unix(7)), without the zero behind it.
const SOCKET_BYTES: usize = 107;
/// Where the service manager puts the socket of the daemon that has that store.
const RUNTIME: &str = "/run/cadenced";

impl<'t> Reader<'_, 't> {
    pub(super) fn queue(&mut self, root: &DeTable<'t>) -> QueueSettings {
        let mut queue =
            QueueSettings { path: self.base.join("queue"), approval: ApprovalMode::Digest, allowed_signers: None };
        let Some(table) = self.section(root, "queue", keys::QUEUE) else { return queue };
        if let Some(path) = self.path(table, "path") {
            queue.path = path;
        }
        if let Some(value) = table.get("approval") {
            let modes =
                [("digest", ApprovalMode::Digest), ("signed", ApprovalMode::Signed), ("none", ApprovalMode::None)];
            queue.approval = self.faults.one_of("approval", value, &modes).unwrap_or(queue.approval);
        }
        queue.allowed_signers = self.path(table, "allowed_signers");
        let named = table.get("allowed_signers").map(|value| value.span());
        match (queue.approval, table.get("approval"), named, &queue.allowed_signers) {
            (ApprovalMode::Signed, Some(value), None, _) => {
                let hint = "add allowed_signers = \"FILE\", with a line for each key that may approve".to_owned();
                self.faults.error(value.span(), "nothing says whose signatures count", hint);
            }
            (ApprovalMode::Signed, _, Some(span), Some(path)) if path.starts_with(&queue.path) => {
                let reason = "whoever may write to the queue folder can let anybody sign: this file lies in it";
                self.faults.warning(span, reason, "keep it elsewhere".to_owned());
            }
            (ApprovalMode::Signed, ..) | (_, _, None, _) => {}
            (_, _, Some(span), _) => {
                let reason = "\"allowed_signers\" has no effect: approvals are not signed here";
                self.faults.warning(span, reason, "set approval = \"signed\", or take it out".to_owned());
            }
        }
        queue
    }

    pub(super) fn store(&mut self, root: &DeTable<'t>) -> PathBuf {
        let written = self.section(root, "store", keys::STORE).and_then(|table| self.path(table, "path"));
        written.unwrap_or_else(|| match first_folder(self.env.state_directory) {
            Some(folder) => folder.join("store"),
            None => PathBuf::from(STORE),
        })
    }

    pub(super) fn seal(&mut self, root: &DeTable<'t>) -> Option<SealSettings> {
        let DeValue::Table(table) = root.get("store")?.get_ref() else { return None };
        let value = table.get("seal")?;
        Some(SealSettings { secret: self.secret(value)?, place: self.faults.place(value.span()) })
    }

    pub(super) fn log(&mut self, root: &DeTable<'t>) -> LogSettings {
        let mut log = LogSettings { format: None, level: LogLevel::Info };
        let Some(table) = self.section(root, "log", keys::LOG) else { return log };
        let formats = [("json", LogFormat::Json), ("journald", LogFormat::Journald), ("pretty", LogFormat::Pretty)];
        log.format = table.get("format").and_then(|value| self.faults.one_of("format", value, &formats));
        let levels = [
            ("error", LogLevel::Error),
            ("warn", LogLevel::Warn),
            ("info", LogLevel::Info),
            ("debug", LogLevel::Debug),
            ("trace", LogLevel::Trace),
        ];
        if let Some(level) = table.get("level").and_then(|value| self.faults.one_of("level", value, &levels)) {
            log.level = level;
        }
        log
    }

    pub(super) fn control(&mut self, root: &DeTable<'t>, store: &Path) -> ControlSettings {
        let table = self.section(root, "control", keys::CONTROL);
        let written = table.and_then(|table| self.path(table, "socket"));
        if let (Some(path), Some(value)) = (&written, table.and_then(|table| table.get("socket")))
            && path.as_os_str().len() > SOCKET_BYTES
        {
            let reason = format!("a socket's path has at most {SOCKET_BYTES} bytes, and {} is longer", shown(path));
            self.faults.error(
                value.span(),
                reason,
                "choose a folder nearer to the root, such as /run/cadenced".to_owned(),
            );
        }
        let runtime = first_folder(self.env.runtime_directory);
        // Commands are not run by the service manager, and have to find its daemon all the same.
        let runtime = runtime.or_else(|| (store == Path::new(STORE)).then(|| PathBuf::from(RUNTIME)));
        let socket = written.or_else(|| Some(runtime?.join("control.sock")));
        let mut control = ControlSettings { socket, listen: None, allow_remote: false, token: None };
        let Some(table) = table else { return control };
        if let Some(value) = table.get("allow_remote") {
            control.allow_remote = self.faults.flag("allow_remote", value).unwrap_or(false);
        }
        if let Some(value) = table.get("token") {
            control.token = self.secret(value);
        }
        if let Some(value) = table.get("listen") {
            control.listen = self.listen(value, control.allow_remote);
        }
        control
    }

    pub(super) fn people(&mut self, root: &DeTable<'t>) -> PeopleSettings {
        let mut people = PEOPLE;
        let Some(table) = self.section(root, "people", keys::PEOPLE) else { return people };
        if let Some(value) = table.get("record") {
            people.record = self.faults.flag("record", value).unwrap_or(people.record);
        }
        people.retention = self.positive(table, "retention").unwrap_or(people.retention);
        people
    }

    pub(super) fn digest(&mut self, root: &DeTable<'t>) -> DigestSettings {
        let Some(table) = self.section(root, "digest", keys::DIGEST) else { return DigestSettings::default() };
        let file = self.path(table, "file");
        let token = table.get("token").and_then(|value| self.secret(value));
        let url = table.get("url").and_then(|value| self.own_address(value));
        DigestSettings { file, url, token }
    }

    pub(super) fn chores(&mut self, root: &DeTable<'t>) -> ChoreSettings {
        let mut chores = default_chores();
        if let Some(table) = self.section(root, "chores", keys::CHORES) {
            for (name, chore) in [
                ("runway", &mut chores.runway),
                ("upkeep", &mut chores.upkeep),
                ("accounts", &mut chores.accounts),
                ("sweep", &mut chores.sweep),
                ("retention", &mut chores.retention),
                ("digest", &mut chores.digest),
            ] {
                let Some(value) = table.get(name) else { continue };
                let Some(text) = self.faults.text(name, value) else { continue };
                if text.split_ascii_whitespace().count() == 5 {
                    let hint = format!("write \"0 {}\"", text.trim());
                    self.faults.error(value.span(), "a chore's cron expression has six fields, seconds first", hint);
                } else if self.take(value, values::cron(text)).is_some() {
                    *chore = text.to_string();
                }
            }
        }
        chores
    }

    fn listen(&mut self, value: &Value<'t>, allow_remote: bool) -> Option<SocketAddr> {
        let text = self.faults.text("listen", value)?;
        let Ok(address) = text.parse::<SocketAddr>() else {
            let reason = format!("\"listen\" cannot be {}", quoted(text));
            self.faults.error(value.span(), reason, "write an address and a port: \"127.0.0.1:8321\"".to_owned());
            return None;
        };
        if !address.ip().is_loopback() && !allow_remote {
            let reason = format!("{address} can be reached from other machines");
            self.faults.error(value.span(), reason, "use 127.0.0.1, or set allow_remote = true".to_owned());
            return None;
        }
        Some(address)
    }

    /// An address of one's own that something is sent to.
    fn own_address(&mut self, value: &Value<'t>) -> Option<Url> {
        let text = self.faults.text("url", value)?;
        let url = Url::parse(text).ok().filter(|url| {
            let loopback = is_loopback(url);
            let plain = url.username().is_empty() && url.password().is_none();
            plain && url.host().is_some() && (url.scheme() == "https" || (url.scheme() == "http" && loopback))
        });
        if url.is_none() {
            let reason = "\"url\" is no address that a digest may be sent to";
            let hint =
                "write \"https://host/path\"; http is for loopback addresses only, and a secret stands in `token`";
            self.faults.error(value.span(), reason, hint.to_owned());
        }
        url
    }
}

/// systemd may name several folders, with colons between; the first is ours.
fn first_folder(folders: Option<&str>) -> Option<PathBuf> {
    let first = folders?.split(':').next()?;
    (!first.is_empty()).then(|| PathBuf::from(first))
}
