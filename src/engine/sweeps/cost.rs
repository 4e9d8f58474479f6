//! What looking may cost, where a platform bills requests: never what publishing needs.
//!
//! Half of a budget is left for posts, and without one nothing is spent. What an account has set aside for a post that is under
//! way is not touched.

use crate::domain::{AccountId, Month, Spend, Timestamp, time};
use crate::ledger::Record;
use crate::ledger::store::Room;
use crate::platform::contract::Call;
use crate::platform::contract::sweep::Hindrance;

use super::super::Engine;
use super::super::commits::Then;
use super::super::desk::Work;
use super::AGAIN;

impl Engine {
    /// Why a call that costs so much is not made now.
    pub(super) fn must_not_spend(&self, account: &AccountId, price: Spend, now: Timestamp) -> Option<Hindrance> {
        if !self.may_look(account, price, now) {
            let why = "looking costs money there, and no more than half of a budget is spent on it";
            return Some(Hindrance::Forbidden { why: why.into() });
        }
        let idle = self.desks.get(account).is_some_and(|desk| matches!(desk.work, Work::Idle));
        (!idle).then(|| {
            // What is set aside is for the post that is under way.
            let (until, why) = (time::after(now, AGAIN), "a post is under way".into());
            Hindrance::Limited { until, why }
        })
    }

    /// Keeps a call until what it may cost is in the ledger.
    pub(super) fn sweep_pays_first(&mut self, account: &AccountId, call: Call, price: Spend, now: Timestamp) {
        if let Some(running) = self.desks.get_mut(account).and_then(|desk| desk.sweeps.running.as_mut()) {
            running.held = Some(call);
        }
        self.set_aside_first(account, price, Then::Sweep(account.clone()), now);
    }

    /// Whether looking may cost so much: half of a budget is left for publishing, and without one nothing is spent.
    fn may_look(&self, account: &AccountId, price: Spend, now: Timestamp) -> bool {
        let budget = self.desks.get(account).and_then(|desk| desk.setup.policy.budget);
        let spent = self.view.account(account).map(|held| held.head.spent(Month::of(now)).money).unwrap_or_default();
        budget.is_some_and(|budget| spent.plus(price.money).0 <= budget.0 / 2)
    }

    /// What was set aside for looking and not spent goes back.
    pub(super) fn give_back_after_sweep(&mut self, account: &AccountId, now: Timestamp) {
        let facts = self.give_back(account, now);
        if !facts.is_empty() {
            let records = facts.into_iter().map(|fact| Record::new(now, fact)).collect();
            self.commit(records, Room::Reserve, Then::Changed(account.clone()));
        }
    }
}
