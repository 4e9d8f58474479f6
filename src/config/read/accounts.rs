//! The table of an account: what holds for all of them, and what is its own. Keys that only the adapter understands are
//! handed on as they stand.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::config::keys::{self, names};
use crate::config::settings::AccountSettings;
use crate::config::values;
use crate::domain::document::{DeTable, DeValue, Value, nearest, quoted};
use crate::domain::policy::{Cron, DeliveryRules, Policy, Schedule};
use crate::domain::{AccountId, Dollars, Links, Timestamp};

use super::reader::Reader;

/// What holds for an account that says nothing else.
pub(super) struct Common<'c> {
    pub(super) zone: &'c TimeZone,
    pub(super) policy: &'c Policy,
    pub(super) rules: &'c DeliveryRules,
    pub(super) links: &'c Links,
}

impl<'t> Reader<'_, 't> {
    pub(super) fn accounts(&mut self, root: &DeTable<'t>, common: &Common<'_>) -> BTreeMap<AccountId, AccountSettings> {
        let mut accounts = BTreeMap::new();
        let Some(value) = root.get("accounts") else { return accounts };
        let Some(table) = self.faults.table("accounts", value) else { return accounts };
        for (key, value) in table.iter() {
            let id = match AccountId::new(key.get_ref()) {
                Ok(id) => Some(id),
                Err(cause) => {
                    let reason = format!("the account id {} is refused: {cause}", quoted(key.get_ref()));
                    self.faults.error(key.span(), reason, None);
                    None
                }
            };
            let Some(table) = self.faults.table(key.get_ref(), value) else { continue };
            let account = self.account(id, table, value, common);
            accounts.extend(account.map(|account| (account.id.clone(), account)));
        }
        accounts
    }

    fn account(
        &mut self,
        id: Option<AccountId>,
        table: &DeTable<'t>,
        whole: &Value<'t>,
        common: &Common<'_>,
    ) -> Option<AccountSettings> {
        let platform = self.platform(table, whole);
        let policy = Policy { budget: self.budget(table), ..self.policy(table, common.policy) };
        let rules = match self.section(table, "delivery", keys::ACCOUNT_DELIVERY) {
            Some(inner) => self.rules(inner, common.rules),
            None => *common.rules,
        };
        let links = self.links(table, common.links);
        let zone = table.get("timezone").and_then(|value| self.zone(value)).unwrap_or_else(|| common.zone.clone());
        let slots = self.slots(table, whole);
        let paused = table.get("paused").and_then(|value| self.faults.flag("paused", value)).unwrap_or(false);
        let identity = self.identity(table);
        let token_expires = table.get("token_expires").and_then(|value| self.moment("token_expires", value));
        let mut own = toml::Table::new();
        let mut places = BTreeMap::from([(String::new(), self.faults.place(whole.span()))]);
        for (key, value) in table.iter() {
            let name = key.get_ref();
            places.insert(name.to_string(), self.faults.place(value.span()));
            if !names(keys::ACCOUNT).chain(names(keys::POLICY)).any(|known| known == name) {
                own.extend(self.owned(value).map(|value| (name.to_string(), value)));
            }
        }
        Some(AccountSettings {
            id: id?,
            platform: platform?,
            schedule: Schedule { zone, slots },
            policy,
            rules,
            links,
            paused,
            identity,
            token_expires,
            table: own,
            places,
        })
    }

    /// The platform's name; and the keys that neither it nor we know are refused.
    fn platform(&mut self, table: &DeTable<'t>, whole: &Value<'t>) -> Option<String> {
        let platforms = self.env.platforms;
        let list = || platforms.keys().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
        let Some(value) = table.get("platform") else {
            self.faults.missing(whole.span(), "platform", format!("known platforms: {}", list()));
            return None;
        };
        let name = self.faults.text("platform", value)?;
        let Some(own) = platforms.get(&**name) else {
            let hint = match nearest(name, platforms.keys().copied()) {
                Some(near) => format!("did you mean {near:?}?"),
                None => format!("known platforms: {}", list()),
            };
            self.faults.error(value.span(), format!("there is no platform {}", quoted(name)), hint);
            return None;
        };
        let known = names(keys::ACCOUNT).chain(names(keys::POLICY)).chain(own.iter().copied());
        self.faults.check_keys(table, &format!("for an account of the platform {name:?}"), known);
        Some(name.to_string())
    }

    fn slots(&mut self, table: &DeTable<'t>, whole: &Value<'t>) -> Vec<Cron> {
        let mut slots = Vec::new();
        let value = table.get("slots");
        if let Some(value) = value {
            let Some(list) = self.faults.list("slots", value, "texts") else { return slots };
            for item in list.iter() {
                let Some(text) = self.faults.text("slots", item) else { continue };
                slots.extend(self.take(item, values::cron(text)));
            }
            if !list.is_empty() {
                return slots;
            }
        }
        let place = value.map_or(whole.span(), |value| value.span());
        let reason = "the account has no slots: only posts with a fixed time and replies go out";
        self.faults.warning(place, reason, "write slots = [\"0 9 * * *\"]".to_owned());
        slots
    }

    fn budget(&mut self, table: &DeTable<'t>) -> Option<Dollars> {
        let value = table.get("budget")?;
        let amount = self.number(value).and_then(Dollars::read).filter(|amount| amount.0 > 0);
        if amount.is_none() {
            let hint = "write budget = 20.0 for 20 US dollars a month; paused = true stops an account".to_owned();
            self.faults.error(value.span(), "\"budget\" must be a number of US dollars, more than none", hint);
        }
        amount
    }

    fn identity(&mut self, table: &DeTable<'t>) -> Option<String> {
        let value = table.get("identity")?;
        let text = self.faults.text("identity", value)?;
        if text.is_empty() || text.chars().any(char::is_control) {
            self.faults.error(value.span(), "\"identity\" is no id of an account", None);
            return None;
        }
        Some(text.to_string())
    }

    /// A date, which counts as its first moment in UTC, or a moment with its offset; both with and without quotes.
    fn moment(&mut self, key: &str, value: &Value<'t>) -> Option<Timestamp> {
        let text = match value.get_ref() {
            DeValue::Datetime(moment) => moment.to_string(),
            _ => self.faults.text(key, value)?.to_string(),
        };
        let date = |text: &str| Some(text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp());
        let moment = text.parse().ok().or_else(|| date(&text));
        if moment.is_none() {
            let hint = "write it as 2027-01-30, or as 2027-01-30T09:00:00Z".to_owned();
            self.faults.error(value.span(), format!("{key:?} is no date"), hint);
        }
        moment
    }
}
