//! The file as written becomes [`Settings`], or faults, all at once and each at its place.
//!
//! Nothing is opened and no environment is read here: what the text does not tell comes in as [`ConfigEnv`]. No
//! message quotes a value of an account's table, because it may be a secret that somebody wrote there by mistake.

mod accounts;
mod defaults;
mod reader;
mod rules;
mod sections;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;

use crate::domain::document::{DeTable, Faults, Text};
use crate::domain::{Fault, Links};

use super::keys::{self, names};
use super::settings::Settings;
use accounts::Common;
use defaults::STOP_TIMEOUT;
use reader::Reader;

pub use defaults::{default_policy, default_rules};

/// What the text alone does not tell.
#[derive(Debug, Clone, Copy)]
pub struct ConfigEnv<'a> {
    /// `$STATE_DIRECTORY`.
    pub state_directory: Option<&'a str>,
    /// `$RUNTIME_DIRECTORY`.
    pub runtime_directory: Option<&'a str>,
    /// Every platform with the keys of its account table.
    pub platforms: &'a BTreeMap<&'static str, Vec<&'static str>>,
}

/// What was read, usable or not.
pub struct Draft {
    /// What could be understood, with defaults for the rest; `None` when the file was not looked at. Only good for
    /// finding more faults unless it is `usable`.
    pub settings: Option<Settings>,
    pub faults: Vec<Fault>,
    pub usable: bool,
}

/// Reads the configuration. `file` is its path, best an absolute one: relative paths in it are taken from its folder.
/// Beside the settings come the warnings. What only an adapter can tell of its account's table is left to it.
///
/// # Errors
/// Everything that is wrong, warnings included.
pub fn read(file: &Path, bytes: &[u8], env: &ConfigEnv<'_>) -> Result<(Settings, Vec<Fault>), Vec<Fault>> {
    let Draft { settings, faults, usable } = draft(file, bytes, env);
    settings.filter(|_| usable).map(|settings| (settings, faults.clone())).ok_or(faults)
}

/// As [`read`], for those who look for faults: what could be understood is given even when there are some.
pub fn draft(file: &Path, bytes: &[u8], env: &ConfigEnv<'_>) -> Draft {
    let shown: Arc<str> = file.display().to_string().into();
    let mut before = Vec::new();
    let text = match Text::new(&shown, bytes, &mut before) {
        Ok(text) => text,
        Err(fault) => {
            before.push(fault);
            return Draft { settings: None, faults: before, usable: false };
        }
    };
    let mut faults = Faults::new(&text, before);
    let root = text.parse(&mut faults);
    let base = file.parent().unwrap_or(Path::new("")).to_owned();
    let mut reader = Reader { faults, base, env };
    let settings = reader.settings(file, &root);
    let usable = !reader.faults.any_errors();
    Draft { settings: Some(settings), faults: reader.faults.finish(), usable }
}

impl<'t> Reader<'_, 't> {
    fn settings(&mut self, file: &Path, root: &DeTable<'t>) -> Settings {
        self.faults.check_keys(root, "at the top of the file", names(keys::ROOT));
        let zone = root.get("timezone").and_then(|value| self.zone(value)).unwrap_or(TimeZone::UTC);
        let policy = match self.section(root, "policy", keys::POLICY) {
            Some(table) => self.policy(table, &default_policy()),
            None => default_policy(),
        };
        let delivery = self.section(root, "delivery", keys::DELIVERY);
        let rules = delivery.map_or_else(default_rules, |table| self.rules(table, &default_rules()));
        let links = self.links(root, &Links::default());
        let stop_timeout = delivery.and_then(|table| self.span(table, "stop_timeout")).unwrap_or(STOP_TIMEOUT);
        let store = self.store(root);
        Settings {
            file: file.to_owned(),
            queue: self.queue(root),
            seal: self.seal(root),
            log: self.log(root),
            control: self.control(root, &store),
            store,
            stop_timeout,
            people: self.people(root),
            digest: self.digest(root),
            chores: self.chores(root),
            accounts: self.accounts(root, &Common { zone: &zone, policy: &policy, rules: &rules, links: &links }),
            zone,
        }
    }
}
