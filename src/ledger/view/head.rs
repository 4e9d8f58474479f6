//! What is remembered of an account beside its deliveries: its slots, its token, its name, its clock and its money.

use serde::{Deserialize, Serialize};

use crate::domain::{Month, Sealed, Spend, Timestamp};
use crate::ledger::record::{Fact, Record};

/// What is remembered of an account beside its deliveries.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// Why its token is not accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// The remote account's stable id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<String>,
    /// The tokens that it was given last, sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Sealed>,
    /// The last slot that was used or passed by: all before it are over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Timestamp>,
    /// When the wall clock was last set ahead, by its new time: less time has passed since the last post than it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_set: Option<Timestamp>,
    /// What was spent in each of the last months, the one that was spent in last at the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    spent: Vec<(Month, Spend)>,
}

/// For how many months it is remembered what was spent. They are the last that something was spent in, and not the
/// latest: a clock may have been years ahead.
const MONTHS: usize = 3;

impl Head {
    /// What was spent in a month, with what is set aside in it.
    pub fn spent(&self, month: Month) -> Spend {
        self.spent.iter().find(|(known, _)| *known == month).map_or_else(Spend::default, |(_, spent)| *spent)
    }

    fn spend(&mut self, month: Month, spend: Spend) {
        let sum = self.spent(month).plus(spend);
        self.spent.retain(|(known, _)| *known != month);
        self.spent.push((month, sum));
        let most = self.spent.len().saturating_sub(MONTHS);
        self.spent.drain(..most);
    }

    /// Whether something of it lies ahead of the clock at `now`.
    pub fn is_ahead(&self, now: Timestamp) -> bool {
        self.cursor.max(self.clock_set).is_some_and(|latest| latest > now)
    }

    /// Adds what a record of this account, or of one of its deliveries, says.
    pub fn apply(&mut self, record: &Record) {
        match &record.fact {
            Fact::AccountStopped { why, .. } => self.stopped = Some(why.clone()),
            Fact::AccountResumed { .. } => self.stopped = None,
            Fact::ClockSet { .. } => self.clock_set = Some(record.at),
            Fact::AccountSetBack { .. } => {
                self.cursor = self.cursor.map(|cursor| cursor.min(record.at));
                self.clock_set = self.clock_set.map(|set| set.min(record.at));
            }
            Fact::Pinned { identity, .. } => self.pinned = Some(identity.clone()),
            Fact::TokensKept { sealed: Some(sealed), .. } => self.tokens = Some(sealed.clone()),
            Fact::Spent { month, spend, .. } => self.spend(*month, *spend),
            Fact::SlotEmpty { slot, .. } => self.cursor = self.cursor.max(Some(*slot)),
            Fact::Intent(intent) if !intent.fixed => self.cursor = self.cursor.max(intent.slot),
            // The account's first record: slots before it were never promised.
            Fact::Planned { .. } => {
                self.cursor.get_or_insert(record.at);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::Dollars;
    use crate::ledger::view::samples::*;

    #[test]
    fn an_account_remembers_its_slots_its_token_and_its_name() {
        let account = || id().account;
        let empty = |slot| Fact::SlotEmpty { account: account(), slot: at(slot), reason: "nothing".into(), run: None };
        let stopped = || Fact::AccountStopped { account: account(), why: "401".into() };
        let head = |cursor: Option<i64>, stopped: bool| Head {
            stopped: stopped.then(|| "401".into()),
            pinned: None,
            tokens: None,
            cursor: cursor.map(at),
            clock_set: None,
            spent: Vec::new(),
        };
        let cases: Vec<(&str, Vec<Line>, Head)> = vec![
            ("slots begin with the first plan", vec![(5, planned(None))], head(Some(5), false)),
            ("and only with the first", vec![(5, planned(None)), (6, planned(None))], head(Some(5), false)),
            ("an attempt uses its slot", vec![(5, planned(None)), (6, intent(1, "k"))], head(Some(100), false)),
            ("a fixed time uses none", vec![(5, planned(None)), (6, fixed())], head(Some(5), false)),
            ("an empty slot is over", vec![(5, planned(None)), (9, empty(8))], head(Some(8), false)),
            ("an earlier one takes nothing back", vec![(9, empty(8)), (10, empty(7))], head(Some(8), false)),
            ("stopped", vec![(1, stopped())], head(None, true)),
            ("going on", vec![(1, stopped()), (2, Fact::AccountResumed { account: account() })], head(None, false)),
        ];
        for (what, lines, expected) in cases {
            assert_eq!(fold(&lines).account(&account()).unwrap().head, expected, "{what}");
        }
        let pinned = fold(&[(1, Fact::Pinned { account: account(), identity: "110".into() })]);
        assert_eq!(pinned.account(&account()).unwrap().head.pinned.as_deref(), Some("110"));
        let sealed = |text: &str| serde_json::from_value(json!({"origin": "00", "text": text})).unwrap();
        let kept = |text| Fact::TokensKept { account: account(), sealed: Some(sealed(text)) };
        let shown = Fact::TokensKept { account: account(), sealed: None };
        let tokens = fold(&[(1, kept("first")), (2, kept("second")), (3, shown)]);
        assert_eq!(tokens.account(&account()).unwrap().head.tokens, Some(sealed("second")));
    }

    #[test]
    fn an_account_remembers_what_it_spent_in_its_last_months() {
        let spent = |month: &str, money| Fact::Spent {
            account: id().account,
            month: month.parse().unwrap(),
            spend: Spend { money: Dollars(money), reads: 2, writes: 1 },
        };
        let lines =
            [(1, spent("2026-10", 7)), (2, spent("2026-11", 30)), (3, spent("2026-11", -10)), (4, spent("2031-01", 1))];
        let sums = |lines: &[Line]| {
            let view = fold(lines);
            let head = &view.account(&id().account).unwrap().head;
            ["2026-10", "2026-11", "2026-12", "2031-01"].map(|month| head.spent(month.parse().unwrap()).money.0)
        };
        assert_eq!(sums(&lines), [7, 20, 0, 1]);
        let view = fold(&lines);
        let november = view.account(&id().account).unwrap().head.spent("2026-11".parse().unwrap());
        assert_eq!((november.reads, november.writes), (4, 2));
        // The oldest is forgotten, and not the one that a wrong clock has put behind all others.
        assert_eq!(sums(&[&lines[..], &[(5, spent("2026-12", 5)), (6, spent("2026-11", 1))]].concat()), [0, 21, 5, 1]);
    }
}
