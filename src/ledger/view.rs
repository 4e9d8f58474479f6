//! What the core remembers of the records: the state of every delivery, and the beat of every account.
//!
//! The view is a fold: [`View::apply`] over all records in order gives it, and nothing else does. The fold of one
//! delivery ([`Entry::apply`]) and of one account ([`Head::apply`]) stand alone, so that an index may keep them one
//! by one and give them back at the next start.

mod account;
mod course;
mod entry;
mod head;
#[cfg(test)]
mod samples;

use std::collections::{BTreeMap, HashSet};

use crate::domain::{AccountId, DeliveryId, KeyHash, Timestamp};

use super::record::{Fact, Record};

pub use account::Account;
pub use course::{Course, Open, Sent};
pub use entry::Entry;
pub use head::Head;

/// The fold of all records.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct View {
    /// Highest wall clock that was recorded.
    pub clock_mark: Option<Timestamp>,
    accounts: BTreeMap<AccountId, Account>,
    /// The keys of all outcomes. Nothing more of them is remembered: reports read the records.
    gains: HashSet<KeyHash>,
}

/// The high-water mark of the clock after a record, from that before it.
pub fn clock_mark(before: Option<Timestamp>, record: &Record) -> Option<Timestamp> {
    match record.fact {
        Fact::ClockConfirmed { .. } => Some(record.at),
        _ => before.max(Some(record.at)),
    }
}

impl View {
    /// Adds what a record says. Records that make no sense (of a delivery that is over, say) change nothing: the
    /// ledger is the truth, and the view of a strange ledger must still be one.
    pub fn apply(&mut self, record: &Record) {
        self.clock_mark = clock_mark(self.clock_mark, record);
        if let Some(account) = record.fact.account() {
            self.accounts.entry(account.clone()).or_default().head.apply(record);
        }
        if let Some(delivery) = record.fact.delivery() {
            self.accounts.entry(delivery.account.clone()).or_default().apply(&delivery.post, record);
        }
        if let Fact::Gained(gain) = &record.fact {
            self.gains.insert(gain.key_hash());
        }
    }

    /// Puts back what an index has kept of an account.
    pub fn restore_head(&mut self, account: AccountId, head: Head) {
        self.accounts.entry(account).or_default().head = head;
    }

    /// Puts back what an index has kept of a delivery.
    pub fn restore_delivery(&mut self, delivery: DeliveryId, entry: Entry) {
        let DeliveryId { post, account } = delivery;
        self.accounts.entry(account).or_default().restore(post, entry);
    }

    /// Puts back what an index has kept of an outcome.
    pub fn restore_gain(&mut self, key: KeyHash) {
        self.gains.insert(key);
    }

    /// Whether there is an outcome with this key.
    pub fn knows_gain(&self, key: KeyHash) -> bool {
        self.gains.contains(&key)
    }

    pub fn account(&self, account: &AccountId) -> Option<&Account> {
        self.accounts.get(account)
    }

    pub fn accounts(&self) -> impl Iterator<Item = (&AccountId, &Account)> {
        self.accounts.iter()
    }

    pub fn entry(&self, delivery: &DeliveryId) -> Option<&Entry> {
        self.accounts.get(&delivery.account)?.entry(&delivery.post)
    }

    /// Whether a record changes anything about its delivery; one that makes no sense does not, nor does an outcome that
    /// is known.
    pub fn takes(&self, record: &Record) -> bool {
        if let Fact::Gained(gain) = &record.fact {
            return !self.knows_gain(gain.key_hash());
        }
        record.fact.delivery().and_then(|delivery| self.entry(delivery)).is_none_or(|entry| entry.takes(&record.fact))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::samples::*;
    use super::*;

    #[test]
    fn the_clock_s_mark_only_rises_unless_a_person_says_so() {
        let opened = || Fact::Opened { program: "0.1.0".into() };
        let confirmed = Fact::ClockConfirmed { by: "me".into() };
        assert_eq!(fold(&[(5, opened()), (3, opened())]).clock_mark, Some(at(5)));
        assert_eq!(fold(&[(5, opened()), (3, confirmed), (4, opened())]).clock_mark, Some(at(4)));
    }

    #[test]
    fn an_outcome_is_known_by_its_key_and_changes_no_delivery() {
        let bought = |key: &str| Fact::Gained(Box::new(serde_json::from_value(gain(key)).unwrap()));
        let view = fold(&[(1, planned(None)), (2, bought("order-1"))]);
        assert!(view.knows_gain(hash("order-1")) && !view.knows_gain(hash("order-2")));
        assert!(!view.takes(&Record::new(at(3), bought("order-1"))), "the first counts");
        assert!(view.takes(&Record::new(at(3), bought("order-2"))));
        assert_eq!(view.entry(&id()), fold(&[(1, planned(None))]).entry(&id()));
        assert_eq!(fold(&[(2, bought("order-1"))]).accounts().count(), 0);
    }

    #[test]
    fn restored_parts_make_the_same_view() {
        let bought = Fact::Gained(Box::new(serde_json::from_value(gain("order-1")).unwrap()));
        let lines = [
            (1, planned(None)),
            (2, intent(1, "k")),
            (3, step("part", true)),
            (4, outcome(1, ambiguous(60))),
            (5, bought),
        ];
        let view = fold(&lines);
        let mut restored = View { clock_mark: view.clock_mark, ..View::default() };
        for (name, account) in view.accounts() {
            let again = |text: String| serde_json::from_str(&text).unwrap();
            restored.restore_head(name.clone(), again(serde_json::to_string(&account.head).unwrap()));
            for (post, entry) in account.deliveries() {
                let entry = serde_json::from_str(&serde_json::to_string(entry).unwrap()).unwrap();
                restored.restore_delivery(DeliveryId::new(post.clone(), name.clone()), entry);
            }
        }
        restored.restore_gain(hash("order-1"));
        assert_eq!(restored, view);
    }

    fn hash(key: &str) -> KeyHash {
        serde_json::from_value::<crate::domain::Gain>(gain(key)).unwrap().key_hash()
    }

    fn gain(key: &str) -> serde_json::Value {
        json!({"key": key, "at": at(0), "kind": "lead", "post": "desk", "account": "fedi"})
    }
}
