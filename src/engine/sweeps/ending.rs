//! How a sweep ends, and when the next one is tried after it.
//!
//! What stands in the way of looking never stops an account: it is waited for longer each time, and said once until it works
//! again.

use crate::domain::{AccountId, Timestamp, time};
use crate::platform::contract::sweep::Hindrance;
use crate::telemetry::events::{Event as LogEvent, quote};

use super::super::Engine;
use super::super::desk::Work;
use super::{IN_VAIN, RARELY};

impl Engine {
    pub(super) fn end_sweep(&mut self, account: &AccountId, why: Option<Hindrance>, now: Timestamp) {
        self.sweep_is_over(account, why, now);
        if self.desks.get(account).is_some_and(|desk| matches!(desk.work, Work::Idle)) {
            self.give_back_after_sweep(account, now);
        }
    }

    fn sweep_is_over(&mut self, account: &AccountId, why: Option<Hindrance>, now: Timestamp) {
        let Self { desks, watch, view, .. } = self;
        let (Some(desk), Some(watch)) = (desks.get_mut(account), watch) else { return };
        let Some(running) = desk.sweeps.running.take() else { return };
        self.sweep_ended = true;
        desk.sweeps.put_back(account, running.asked, watch, view, now);
        let sweeps = &mut desk.sweeps;
        // A token that may not do one thing may do the others.
        let partly = running.found && matches!(why, Some(Hindrance::Forbidden { .. }));
        if running.listens && (why.is_none() || partly) {
            sweeps.listened = Some(now);
        }
        match why {
            None => (sweeps.failures, sweeps.after, sweeps.said) = (0, None, false),
            Some(Hindrance::Limited { until, .. }) => sweeps.after = Some(until.min(time::after(now, RARELY))),
            Some(Hindrance::LoggedOut { why }) => {
                if matches!(desk.work, Work::Idle) && desk.probe.is_none() && desk.session == running.session {
                    // The next one begins by asking who we are.
                    desk.session.identity = None;
                }
                if sweeps.failures == 0 {
                    // A token that has run out since the last look is nothing to speak of.
                    sweeps.failures = 1;
                    return;
                }
                sweeps.failed(now);
                self.say_in_vain(account, &why);
            }
            Some(Hindrance::Failed { why }) => {
                sweeps.failed(now);
                if sweeps.failures >= IN_VAIN {
                    self.say_in_vain(account, &why);
                }
            }
            Some(Hindrance::Forbidden { why }) => {
                let until = Some(time::after(now, RARELY));
                if partly && running.listens {
                    sweeps.deaf = until;
                } else {
                    sweeps.after = until;
                }
                self.say_in_vain(account, &why);
            }
        }
    }

    /// Says once, until it works again, that it cannot be looked at an account's posts.
    pub(super) fn say_in_vain(&mut self, account: &AccountId, why: &str) {
        let Some(desk) = self.desks.get_mut(account) else { return };
        let again = desk.sweeps.after.or(desk.sweeps.deaf).unwrap_or(self.now);
        if !std::mem::replace(&mut desk.sweeps.said, true) {
            let platform = desk.setup.adapter.platform().into();
            self.log(LogEvent::EngagementFailed { account: account.clone(), platform, why: quote(why), again });
        }
    }
}
