//! What accounts spend where the platform bills requests.
//!
//! What a call may cost is in the ledger before the call is made: an intent sets aside the cost of the whole post in its
//! own batch, so that this costs no sync of its own, and what a call needs beyond that is set aside first. What was set
//! aside and not spent is given back with the outcome. So a crash makes the sum too large by what one attempt had set
//! aside, and never too small.
//!
//! Whether a post is begun at all is for the plan to say. An attempt of which nothing can be seen yet is given up rather
//! than let it pass the budget; one that has begun to appear is finished, and one that is in doubt is looked for,
//! whatever it costs. A call counts for the month in which it is sent.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{AccountId, Content, Dollars, Month, Spend, Timestamp};
use crate::ledger::Record;
use crate::ledger::record::Fact;
use crate::ledger::store::Room;
use crate::telemetry::events::Event as LogEvent;

use super::commits::Then;
use super::{Engine, Ticket};

/// Why an attempt is given up that would cost more than may be spent.
pub(super) const TOO_DEAR: &str = "it would pass the budget of the month";
/// Shares of the budget that are worth a line in the log, in percent.
const MARKS: [i64; 2] = [80, 100];

/// What is set aside in the ledger and not spent yet.
#[derive(Debug, Default)]
pub(super) struct Purse {
    left: BTreeMap<Month, Spend>,
    /// What calls under way were taken to cost.
    calls: BTreeMap<Ticket, (Month, Spend)>,
    /// What was said in the log, so that it is said once.
    said: BTreeSet<(Month, i64)>,
}

impl Purse {
    fn left(&self, month: Month) -> Spend {
        self.left.get(&month).copied().unwrap_or_default()
    }

    fn add(&mut self, month: Month, spend: Spend) {
        let left = self.left(month).plus(spend);
        if left.is_nothing() {
            self.left.remove(&month);
        } else {
            self.left.insert(month, left);
        }
    }

    /// A call is made that may cost so much.
    pub fn pay(&mut self, call: Ticket, price: Spend, now: Timestamp) {
        if !price.is_nothing() {
            let month = Month::of(now);
            self.add(month, Spend::default().minus(price));
            self.calls.insert(call, (month, price));
        }
    }

    /// It has come back, and has cost that.
    pub fn settle(&mut self, call: Ticket, price: Spend) {
        if let Some((month, asked)) = self.calls.remove(&call) {
            self.add(month, asked.minus(price));
        }
    }

    /// It has come back to nobody: it counts as it was taken.
    pub fn forget(&mut self, call: Ticket) {
        self.calls.remove(&call);
    }

    /// What has to be recorded so that so much is set aside in this month, and nothing in any other. What is given back
    /// is not there any more at once; what is set aside is there when it is durable.
    fn hold(&mut self, account: &AccountId, month: Month, wanted: Spend) -> Vec<Fact> {
        let months: BTreeSet<Month> = self.left.keys().copied().chain([month]).collect();
        let mut facts = Vec::new();
        for other in months {
            let wanted = if other == month { wanted } else { Spend::default() };
            let spend = wanted.minus(self.left(other));
            if spend.is_nothing() {
                continue;
            }
            if is_given_back(spend) {
                self.add(other, spend);
            }
            facts.push(Fact::Spent { account: account.clone(), month: other, spend });
        }
        facts
    }
}

fn is_given_back(spend: Spend) -> bool {
    spend.money.0 < 0
}

impl Engine {
    /// What publishing something may cost, where it matters to the plan.
    pub(super) fn cost(&self, account: &AccountId, content: &Content) -> Option<Dollars> {
        let setup = &self.desks.get(account)?.setup;
        setup.policy.budget.map(|_| setup.adapter.cost(content).money)
    }

    /// Whether so much more may be spent in this month; what is set aside already is part of it.
    fn may_spend(&self, account: &AccountId, cost: Dollars, now: Timestamp) -> bool {
        let Some(desk) = self.desks.get(account) else { return false };
        let month = Month::of(now);
        let spent = self.view.account(account).map(|account| account.head.spent(month).money).unwrap_or_default();
        let sum = spent.minus(desk.purse.left(month).money).plus(cost);
        desk.setup.policy.budget.is_none_or(|budget| sum <= budget)
    }

    /// Whether something may be begun on this account now that costs what this does.
    pub(super) fn can_afford(&self, account: &AccountId, content: &Content, now: Timestamp) -> bool {
        self.cost(account, content).is_none_or(|cost| self.may_spend(account, cost, now))
    }

    /// The records beside an intent, by which what it may cost is set aside.
    pub(super) fn set_aside(&mut self, account: &AccountId, content: &Content, now: Timestamp) -> Vec<Fact> {
        let Some(desk) = self.desks.get_mut(account) else { return Vec::new() };
        desk.purse.hold(account, Month::of(now), desk.setup.adapter.cost(content))
    }

    /// The records beside an outcome, by which what is left is given back.
    pub(super) fn give_back(&mut self, account: &AccountId, now: Timestamp) -> Vec<Fact> {
        let desk = self.desks.get_mut(account);
        desk.map_or_else(Vec::new, |desk| desk.purse.hold(account, Month::of(now), Spend::default()))
    }

    /// Whether more has to be set aside before a call that costs so much is made.
    pub(super) fn is_short(&self, account: &AccountId, price: Spend, now: Timestamp) -> bool {
        self.desks.get(account).is_some_and(|desk| price.money > desk.purse.left(Month::of(now)).money)
    }

    /// Whether a call that costs so much may be made by an attempt of which nothing can be seen.
    pub(super) fn may_pay(&self, account: &AccountId, price: Spend, now: Timestamp) -> bool {
        self.may_spend(account, price.money, now)
    }

    /// Makes what a call costs durable before it is made.
    pub(super) fn set_aside_first(&mut self, account: &AccountId, price: Spend, then: Then, now: Timestamp) {
        let Some(desk) = self.desks.get_mut(account) else { return };
        let facts = desk.purse.hold(account, Month::of(now), price);
        let records = facts.into_iter().map(|fact| Record::new(now, fact)).collect();
        self.commit(records, Room::Reserve, then);
    }

    /// A sum has become durable; `before` is what was spent in that month before.
    pub(super) fn spent(&mut self, account: &AccountId, month: Month, spend: Spend, before: Dollars) {
        let Some(desk) = self.desks.get_mut(account) else { return };
        if !is_given_back(spend) {
            desk.purse.add(month, spend);
        }
        let Some(budget) = desk.setup.policy.budget else { return };
        let after = before.plus(spend.money);
        let is_below = |spent: Dollars, mark: i64| i128::from(spent.0) * 100 < i128::from(budget.0) * i128::from(mark);
        for mark in MARKS {
            if is_below(before, mark) && !is_below(after, mark) {
                self.say_budget(account, month, mark, after);
            }
        }
    }

    /// A post is held because of the budget: what is left of it is as good as nothing.
    pub(super) fn held_for_budget(&mut self, account: &AccountId, now: Timestamp) {
        let month = Month::of(now);
        let spent = self.view.account(account).map(|account| account.head.spent(month).money).unwrap_or_default();
        self.say_budget(account, month, 100, spent);
    }

    fn say_budget(&mut self, account: &AccountId, month: Month, percent: i64, spent: Dollars) {
        let Some(desk) = self.desks.get_mut(account) else { return };
        let Some(budget) = desk.setup.policy.budget else { return };
        desk.purse.said.retain(|(said, _)| *said >= month);
        if desk.purse.said.insert((month, percent)) {
            let (account, platform) = (account.clone(), desk.setup.adapter.platform().into());
            let (month, spent_usd, budget_usd) = (month.to_string(), spent.as_f64(), budget.as_f64());
            self.log(LogEvent::AccountBudget { account, platform, month, percent, spent_usd, budget_usd });
        }
    }
}
