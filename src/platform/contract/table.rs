//! An account's own keys in the configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;

use url::Url;

pub use crate::domain::links::is_loopback;
use crate::domain::secret::secret_ref;
use crate::domain::{AccountId, Dollars, SecretRef};

/// Something a person should change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The key it is about: of the account table, or of the post (`text`, `thread`, `media`, …).
    pub key: String,
    pub reason: String,
    pub hint: Option<String>,
}

impl Complaint {
    pub fn new(key: &str, reason: impl Into<String>) -> Self {
        Self { key: key.into(), reason: reason.into(), hint: None }
    }

    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// An account's own keys, read one by one; keeps everything that is wrong.
#[derive(Debug)]
pub struct Table {
    pub account: AccountId,
    values: toml::Table,
    base: PathBuf,
    complaints: Vec<Complaint>,
}

impl Table {
    /// `values` are the account's keys without those that every account has; `base` is the folder of the file.
    pub fn new(account: AccountId, values: toml::Table, base: PathBuf) -> Self {
        Self { account, values, base, complaints: Vec::new() }
    }

    pub fn complain(&mut self, complaint: Complaint) {
        self.complaints.push(complaint);
    }

    pub fn into_complaints(self) -> Vec<Complaint> {
        self.complaints
    }

    /// Whether a key is there, whatever it holds.
    pub fn has(&self, key: &str) -> bool {
        self.values.contains_key(key)
    }

    /// A text that may be left out.
    pub fn text(&mut self, key: &str) -> Option<String> {
        match self.values.get(key)? {
            toml::Value::String(text) => Some(text.clone()),
            other => self.wrong(key, "a text in quotes", other.type_str()),
        }
    }

    /// A text that must be there.
    pub fn required(&mut self, key: &str) -> Option<String> {
        self.demand(key);
        self.text(key)
    }

    pub fn bool(&mut self, key: &str) -> Option<bool> {
        match self.values.get(key)? {
            toml::Value::Boolean(value) => Some(*value),
            other => self.wrong(key, "true or false", other.type_str()),
        }
    }

    pub fn integer(&mut self, key: &str) -> Option<i64> {
        match self.values.get(key)? {
            toml::Value::Integer(value) => Some(*value),
            other => self.wrong(key, "a whole number", other.type_str()),
        }
    }

    /// A list of texts that may be left out.
    pub fn texts(&mut self, key: &str) -> Option<Vec<String>> {
        const WANTED: &str = "a list of texts";
        let list = match self.values.get(key)? {
            toml::Value::Array(list) => list,
            other => return self.wrong(key, WANTED, other.type_str()),
        };
        let texts: Result<Vec<_>, _> =
            list.iter().map(|item| item.as_str().map(str::to_owned).ok_or(item.type_str())).collect();
        texts.map_or_else(|found| self.wrong(key, WANTED, &format!("one that holds a {found}")), Some)
    }

    /// A table of amounts in US dollars, by some of these names; nothing where it is left out.
    pub fn amounts(&mut self, key: &str, names: &[&'static str]) -> BTreeMap<&'static str, Dollars> {
        let mut amounts = BTreeMap::new();
        let table = match self.values.get(key) {
            None => return amounts,
            Some(toml::Value::Table(table)) => table.clone(),
            Some(other) => {
                let found = other.type_str();
                self.wrong::<()>(key, "a table of amounts", found);
                return amounts;
            }
        };
        for (name, value) in table {
            let Some(known) = names.iter().find(|known| **known == name) else {
                let complaint = Complaint::new(key, format!("{key:?} has no amount that is called {name:?}"));
                self.complain(complaint.with_hint(format!("there are: {}", names.join(", "))));
                continue;
            };
            let number = match value {
                toml::Value::Float(number) => Some(number),
                toml::Value::Integer(number) => Some(number as f64),
                _ => None,
            };
            match number.and_then(Dollars::read) {
                Some(amount) => _ = amounts.insert(*known, amount),
                None => {
                    let complaint = Complaint::new(key, format!("{key:?}: {name} is no amount of US dollars"));
                    self.complain(complaint.with_hint("write a number such as 0.015"));
                }
            }
        }
        amounts
    }

    /// A list of texts that must be there.
    pub fn required_texts(&mut self, key: &str) -> Option<Vec<String>> {
        self.demand(key);
        self.texts(key)
    }

    /// The folder of the file it stands in.
    pub fn folder(&self) -> PathBuf {
        self.base.clone()
    }

    /// A path that must be there; a relative one is relative to the file it stands in.
    pub fn path(&mut self, key: &str) -> Option<PathBuf> {
        self.required(key).map(|text| self.base.join(text))
    }

    /// A base URL that must be there: `https`, or `http` on a loopback address; no user, query or fragment.
    pub fn base_url(&mut self, key: &str) -> Option<Url> {
        let text = self.required(key)?;
        self.as_base_url(key, &text)
    }

    /// The same, or `default` where it is left out.
    pub fn base_url_or(&mut self, key: &str, default: &str) -> Option<Url> {
        if !self.values.contains_key(key) {
            return self.as_base_url(key, default);
        }
        self.base_url(key)
    }

    fn as_base_url(&mut self, key: &str, text: &str) -> Option<Url> {
        let refuse = |reason: &str, hint: &str| Complaint::new(key, reason).with_hint(hint);
        let complaint = match Url::parse(text) {
            Err(cause) => refuse(&format!("not a URL: {cause}"), "write it as \"https://host.example\""),
            Ok(url) if url.host().is_none() => refuse("the URL names no host", "write it as \"https://host.example\""),
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                refuse("a URL must not hold a user or password", "give secrets by reference, in a key of their own")
            }
            Ok(url) if url.query().is_some() || url.fragment().is_some() => {
                refuse("a base URL has no query and no fragment", "leave out everything from '?' or '#' on")
            }
            Ok(url) if url.scheme() == "http" && !is_loopback(&url) => {
                refuse("http:// is accepted for loopback addresses only", "use https://")
            }
            Ok(url) if !matches!(url.scheme(), "http" | "https") => refuse("the URL is not https", "use https://"),
            Ok(url) => return Some(url),
        };
        self.complain(complaint);
        None
    }

    /// A secret by reference that must be there.
    pub fn secret(&mut self, key: &str) -> Option<SecretRef> {
        self.demand(key);
        self.optional_secret(key)
    }

    /// A secret by reference that may be left out.
    pub fn optional_secret(&mut self, key: &str) -> Option<SecretRef> {
        let base = self.base.clone();
        match secret_ref(self.values.get(key)?, &base) {
            Ok(reference) => Some(reference),
            Err((reason, hint)) => {
                self.complain(Complaint::new(key, reason).with_hint(hint));
                None
            }
        }
    }

    fn demand(&mut self, key: &str) {
        if !self.values.contains_key(key) {
            self.complain(Complaint::new(key, format!("accounts.{}: the key {key:?} is missing", self.account)));
        }
    }

    fn wrong<T>(&mut self, key: &str, wanted: &str, found: &str) -> Option<T> {
        self.complain(Complaint::new(key, format!("{key:?} must be {wanted}, not {found}")));
        None
    }
}
