//! What the readers of all tables share: the faults so far, and the values that more than one table has.

use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::config::keys::{Key, names};
use crate::config::values::{self, Refused};
use crate::domain::SecretRef;
use crate::domain::document::{DeTable, DeValue, Faults, Value, quoted};
use crate::domain::secret::secret_ref;
use crate::domain::time::parse_span;

use super::ConfigEnv;

/// Reads one file.
pub(super) struct Reader<'r, 't> {
    pub(super) faults: Faults<'t>,
    /// The file's folder, from which relative paths are taken.
    pub(super) base: PathBuf,
    pub(super) env: &'r ConfigEnv<'r>,
}

impl<'t> Reader<'_, 't> {
    /// A table of the file, its keys checked.
    pub(super) fn section<'v>(
        &mut self,
        table: &'v DeTable<'t>,
        name: &str,
        known: &'static [Key],
    ) -> Option<&'v DeTable<'t>> {
        let section = self.faults.table(name, table.get(name)?)?;
        self.faults.check_keys(section, &format!("in {name:?}"), names(known));
        Some(section)
    }

    /// A path; a relative one is relative to the file.
    pub(super) fn path(&mut self, table: &DeTable<'t>, key: &str) -> Option<PathBuf> {
        let value = table.get(key)?;
        let text = self.faults.text(key, value)?;
        if text.is_empty() || text.chars().any(char::is_control) {
            self.faults.error(value.span(), format!("{key:?} is no path"), None);
            return None;
        }
        Some(self.base.join(&**text))
    }

    pub(super) fn count(&mut self, table: &DeTable<'t>, key: &str, least: i64) -> Option<u32> {
        let number = self.faults.integer(key, table.get(key)?, least..=i64::from(u32::MAX))?;
        u32::try_from(number).ok()
    }

    pub(super) fn span(&mut self, table: &DeTable<'t>, key: &str) -> Option<Duration> {
        let value = table.get(key)?;
        let text = match value.get_ref() {
            DeValue::String(text) => text,
            DeValue::Integer(number) => {
                let hint = format!("write {key} = \"{}s\" for seconds", number.as_str());
                self.faults.wrong(key, value, "a span of time in quotes", hint);
                return None;
            }
            _ => {
                self.faults.wrong(key, value, "a span of time in quotes", "write \"90s\", \"2h\" or \"7d\"".to_owned());
                return None;
            }
        };
        match parse_span(text) {
            Ok(span) => Some(span),
            Err(why) => {
                self.faults.error(value.span(), format!("{key:?} cannot be {}", quoted(text)), why.to_owned());
                None
            }
        }
    }

    /// A span that must not be zero.
    pub(super) fn positive(&mut self, table: &DeTable<'t>, key: &str) -> Option<Duration> {
        let span = self.span(table, key)?;
        if span.is_zero()
            && let Some(value) = table.get(key)
        {
            self.faults.error(value.span(), format!("{key:?} must be longer than nothing"), None);
            return None;
        }
        Some(span)
    }

    pub(super) fn number(&self, value: &Value<'t>) -> Option<f64> {
        match value.get_ref() {
            DeValue::Float(number) => number.as_str().parse().ok(),
            DeValue::Integer(number) => number.as_str().parse().ok(),
            _ => None,
        }
    }

    pub(super) fn zone(&mut self, value: &Value<'t>) -> Option<TimeZone> {
        let text = self.faults.text("timezone", value)?;
        self.take(value, values::zone(text))
    }

    pub(super) fn secret(&mut self, value: &Value<'t>) -> Option<SecretRef> {
        let plain = self.owned(value)?;
        match secret_ref(&plain, &self.base) {
            Ok(reference) => Some(reference),
            Err((reason, hint)) => {
                self.faults.error(value.span(), reason, hint);
                None
            }
        }
    }

    pub(super) fn take<T>(&mut self, value: &Value<'t>, result: Result<T, Refused>) -> Option<T> {
        match result {
            Ok(good) => Some(good),
            Err(Refused { reason, hint }) => {
                self.faults.error(value.span(), reason, hint);
                None
            }
        }
    }

    /// The value without its place.
    pub(super) fn owned(&mut self, value: &Value<'t>) -> Option<toml::Value> {
        Some(match value.get_ref() {
            DeValue::String(text) => toml::Value::String(text.to_string()),
            DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => toml::Value::Integer(number),
                Err(_) => {
                    self.faults.error(value.span(), "the number is too large", None);
                    return None;
                }
            },
            DeValue::Float(number) => toml::Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(flag) => toml::Value::Boolean(*flag),
            DeValue::Datetime(moment) => toml::Value::Datetime(*moment),
            DeValue::Array(list) => toml::Value::Array(list.iter().filter_map(|item| self.owned(item)).collect()),
            DeValue::Table(table) => toml::Value::Table(
                table.iter().filter_map(|(key, value)| Some((key.get_ref().to_string(), self.owned(value)?))).collect(),
            ),
        })
    }
}
