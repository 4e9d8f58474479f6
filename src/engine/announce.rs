//! Says in the log what has become durable. Called for each record right before it is applied to the view, so that
//! what went before is still known.

use crate::domain::{DeliveryId, Held, Money, State, Timestamp, time};
use crate::ledger::Record;
use crate::ledger::record::{Decision, Fact, Intent, Outcome};
use crate::plan;
use crate::telemetry::events::{About, Event as LogEvent, quote};

use super::Engine;

impl Engine {
    pub(super) fn announce(&mut self, record: &Record) {
        let event = match &record.fact {
            // What is set back follows from the confirmation, which is said. What is spent is said where it matters.
            Fact::Opened { .. }
            | Fact::ClockSet { .. }
            | Fact::Spent { .. }
            | Fact::AccountSetBack { .. }
            | Fact::DeliverySetBack { .. } => None,
            Fact::Gained(gain) => Some(LogEvent::OutcomeRecorded {
                kind: gain.kind.name().into(),
                key: quote(&gain.key),
                post: gain.post.as_ref().map(ToString::to_string),
                account: gain.account.clone(),
                amount: gain.money.map(Money::amount),
                currency: gain.money.map(|money| money.currency.to_string()),
            }),
            Fact::ClockConfirmed { by } => {
                let mark = self.view().clock_mark.unwrap_or(record.at);
                Some(LogEvent::ClockConfirmed { by: quote(by), now: record.at, mark })
            }
            Fact::Planned { delivery, held: None, .. } => Some(self.free(delivery)),
            Fact::Planned { delivery, held: Some(reason), detail, .. } => Some(LogEvent::DeliveryHeld {
                about: self.about(delivery),
                reason: reason.name().into(),
                detail: detail.as_deref().map(quote),
            }),
            Fact::Intent(intent) => Some(LogEvent::DeliverySending {
                about: About::new(&intent.delivery, &intent.platform, intent.attempt),
                slot: intent.slot,
                lateness_ms: lateness(intent, record.at),
            }),
            Fact::Checkpoint { delivery, step, .. } => {
                Some(LogEvent::DeliveryCheckpoint { about: self.about(delivery), step: step.clone() })
            }
            Fact::Outcome { delivery, outcome, .. } => {
                self.announce_outcome(delivery, outcome, record.at);
                None
            }
            Fact::Missed { delivery, slot } => {
                Some(LogEvent::DeliveryMissed { about: self.about(delivery), slot: *slot })
            }
            Fact::Expired { delivery } => Some(LogEvent::DeliveryExpired { about: self.about(delivery) }),
            Fact::Withdrawn { delivery, by } => {
                self.log(LogEvent::DeliveryWithdrawn { about: self.about(delivery) });
                let last = by.is_none() && self.is_last_of_its_post(delivery);
                last.then(|| LogEvent::PostWithdrawn { post: delivery.post.to_string() })
            }
            Fact::Resolved { delivery, decision, by } => Some(LogEvent::DeliveryResolved {
                about: self.about(delivery),
                decision: match decision {
                    Decision::Delivered { .. } => "delivered".into(),
                    Decision::Retry => "retry".into(),
                    Decision::Drop => "drop".into(),
                },
                by: quote(by),
            }),
            Fact::SlotEmpty { account, slot, reason, run } => Some(LogEvent::SlotEmpty {
                account: account.clone(),
                slot: *slot,
                reason: reason.clone(),
                count: run.map_or(1, |run| run.count),
                first: run.map_or(*slot, |run| run.first),
            }),
            Fact::AccountStopped { account, why } => Some(LogEvent::AccountAuthLost {
                account: account.clone(),
                platform: self.platform(account),
                reason: quote(why),
            }),
            Fact::AccountResumed { account } => {
                let (name, platform) = (account.clone(), self.platform(account));
                Some(match self.untested.contains(account) {
                    true => LogEvent::AccountAuthUntested { account: name, platform },
                    false => LogEvent::AccountAuthRefreshed { account: name, platform },
                })
            }
            Fact::TokensKept { account, .. } => {
                Some(LogEvent::AccountTokensKept { account: account.clone(), platform: self.platform(account) })
            }
            Fact::Pinned { account, identity } => Some(LogEvent::AccountPinned {
                account: account.clone(),
                platform: self.platform(account),
                identity: quote(identity),
            }),
        };
        if let Some(event) = event {
            self.log(event);
        }
    }

    fn announce_outcome(&mut self, delivery: &DeliveryId, outcome: &Outcome, at: Timestamp) {
        let about = self.about(delivery);
        let doubted =
            self.entry(delivery).and_then(|entry| entry.open.as_ref()).is_some_and(|open| open.ambiguous.is_some());
        let reconciled = |found| LogEvent::DeliveryReconciled { about: about.clone(), found };
        match outcome {
            Outcome::Delivered { remote, reconciled: looked } => {
                if *looked {
                    self.log(reconciled(true));
                }
                let entry = self.entry(delivery);
                let open = entry.and_then(|entry| entry.open.as_ref());
                let (slot, lateness_ms, begun) = open
                    .map_or((None, 0, at), |open| (open.intent.slot, lateness(&open.intent, open.begun), open.begun));
                let duration_ms = u64::try_from(time::since(at, begun).as_millis()).unwrap_or(u64::MAX);
                let (remote_id, url) = (quote(&remote.id), remote.url.as_deref().map(quote));
                self.log(LogEvent::DeliveryDelivered { about, slot, lateness_ms, remote_id, url, duration_ms });
            }
            Outcome::Retry { until, why, .. } => {
                if doubted {
                    self.log(reconciled(false));
                }
                self.log(LogEvent::DeliveryRetrying { about, at: *until, reason: quote(why) });
            }
            Outcome::RateLimited { until, why } => {
                self.log(LogEvent::DeliveryRetrying { about, at: *until, reason: quote(why) });
            }
            // It is tried again, but not before the account's token is accepted.
            Outcome::Auth { why } => {
                let (reason, detail) = (Held::AccountAuth.name().into(), Some(quote(why)));
                self.log(LogEvent::DeliveryHeld { about, reason, detail });
            }
            Outcome::Refused { why } => self.log(LogEvent::DeliveryRefused { about, reason: quote(why) }),
            Outcome::Ambiguous { why, settle } => {
                self.log(LogEvent::DeliveryAmbiguous { about, settle: *settle, reason: quote(why) });
            }
            Outcome::Uncertain { why } => self.log(LogEvent::DeliveryUncertain { about, reason: quote(why) }),
            Outcome::Abandoned { .. } => {
                if doubted {
                    self.log(reconciled(false));
                }
                // What keeps it back now, if something does, is said next.
                let slot = self.own_time(delivery);
                self.log(LogEvent::DeliveryScheduled { about, slot });
            }
        }
    }

    /// Whether the post has left the queue, and no other account has it waiting or under way.
    fn is_last_of_its_post(&self, delivery: &DeliveryId) -> bool {
        self.post(&delivery.post).is_none() && self.leaving.is_last(delivery)
    }

    /// The time of its own that the post has.
    fn own_time(&self, delivery: &DeliveryId) -> Option<Timestamp> {
        self.post(&delivery.post).and_then(|post| plan::fixed_time(post))
    }

    /// Nothing holds a delivery: it is in line, or tried again in its time.
    fn free(&self, delivery: &DeliveryId) -> LogEvent {
        let about = self.about(delivery);
        match self.entry(delivery).map(|entry| (&entry.state, entry.trouble())) {
            Some((State::Retrying { at, .. }, trouble)) => {
                LogEvent::DeliveryRetrying { about, at: *at, reason: quote(&trouble.unwrap_or_default()) }
            }
            _ => LogEvent::DeliveryScheduled { about, slot: self.own_time(delivery) },
        }
    }

    fn about(&self, delivery: &DeliveryId) -> About {
        let attempt = self.entry(delivery).map_or(0, |entry| entry.attempts);
        About::new(delivery, &self.platform(&delivery.account), attempt)
    }

    fn platform(&self, account: &crate::domain::AccountId) -> String {
        self.desks.get(account).map(|desk| desk.setup.adapter.platform()).unwrap_or_default().into()
    }
}

/// By how many milliseconds an attempt began after its slot.
fn lateness(intent: &Intent, begun: Timestamp) -> i64 {
    intent.slot.map_or(0, |slot| begun.as_millisecond() - slot.as_millisecond())
}
