//! How far a delivery has come: which record can follow what is known, and what it makes of it.
//!
//! Records that make no sense change nothing. A verdict of the plan, an outcome and a person's decision may be under way
//! to the disk at the same time; whichever is written last must not undo what the others have done.

use serde::{Deserialize, Serialize};

use crate::domain::{Checkpoint, Held, JsonText, Remote, State, Timestamp, time};
use crate::ledger::record::{Decision, Fact, Intent, Outcome, Record};

#[cfg(test)]
mod tests;

/// How far a delivery has come.
#[derive(Debug, Clone, PartialEq)]
pub struct Course {
    pub state: State,
    /// Attempts so far.
    pub attempts: u32,
    /// A person has dropped it; being in the queue does not bring it back.
    pub dropped: bool,
    /// A person has asked for another try: that its own time may have passed holds it back no more.
    pub asked: bool,
    /// Another attempt is owed, and the account as a whole holds it.
    pub halted: Option<Held>,
    /// Its place in the beat.
    pub sent: Option<Box<Sent>>,
    /// What an attempt has left for the next one.
    pub open: Option<Box<Open>>,
}

/// A post's place in the beat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sent {
    /// When its last attempt began.
    pub from: Timestamp,
    /// When that attempt was settled; none while it is not.
    pub to: Option<Timestamp>,
    pub slot: Option<Timestamp>,
    pub promotion: bool,
    /// Whether it counts for the gap, the day and the promotion share.
    pub counts: bool,
    pub fingerprint: u64,
}

/// An attempt that is not over, or whose results the next attempt goes on from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Open {
    pub intent: Intent,
    /// When the last intent was recorded.
    pub begun: Timestamp,
    /// Durable results of its steps.
    pub done: Vec<Checkpoint>,
    /// How many of `done` are published parts.
    pub published: u32,
    /// When it became doubtful whether it has arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubted: Option<Timestamp>,
    /// It may have arrived; "not there" counts from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ambiguous: Option<Timestamp>,
    /// Why the last attempt has not arrived, or is in doubt; none while nothing speaks against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

impl Course {
    /// Whether what a record says can follow what is known. A verdict of the plan that was written late must not
    /// bring a delivery back that was sent or dropped meanwhile, nor an outcome end another attempt than its own.
    pub(super) fn takes(&self, fact: &Fact) -> bool {
        let plans = match self.state {
            State::Held { .. } | State::Scheduled | State::Missed | State::Expired | State::Withdrawn => !self.dropped,
            State::Sending { .. }
            | State::Retrying { .. }
            | State::Uncertain { .. }
            | State::Delivered { .. }
            | State::Refused { .. } => false,
        };
        match fact {
            // That its account holds what is owed, and that it does not any more.
            Fact::Planned { held, .. } if matches!(self.state, State::Retrying { .. }) => {
                held.map_or(self.halted.is_some(), Held::is_of_the_account)
            }
            Fact::Planned { .. } | Fact::Missed { .. } | Fact::Expired { .. } | Fact::Withdrawn { .. } => plans,
            Fact::Outcome { attempt, .. } => self.state.is_open() && *attempt == self.attempts,
            Fact::Resolved { .. } => !matches!(self.state, State::Sending { .. } | State::Delivered { .. }),
            // What a person decided while an intent was on its way stands: the attempt finds no intent of its own.
            Fact::Intent(_) => !self.dropped && !matches!(self.state, State::Delivered { .. }),
            _ => true,
        }
    }

    /// Adds what a record that it takes says.
    pub(super) fn apply(&mut self, record: &Record) {
        let at = record.at;
        match &record.fact {
            Fact::Planned { held, .. } if matches!(self.state, State::Retrying { .. }) => self.halted = *held,
            Fact::Planned { held, detail, .. } => {
                self.state = match held {
                    Some(reason) => State::Held { reason: *reason, detail: detail.as_deref().map(Into::into) },
                    None => State::Scheduled,
                };
            }
            Fact::Intent(intent) => self.begin(intent, at),
            Fact::Checkpoint { step, data, publishes, .. } => {
                if let Some(open) = &mut self.open {
                    open.done.push(Checkpoint { step: step.clone(), data: data.clone() });
                    open.published += u32::from(*publishes);
                    open.ambiguous = None;
                    open.trouble = None;
                }
            }
            Fact::Outcome { attempt, outcome, .. } => self.conclude(*attempt, outcome, at),
            Fact::Missed { .. } => self.state = State::Missed,
            Fact::Expired { .. } => self.state = State::Expired,
            Fact::Withdrawn { by, .. } => {
                self.state = State::Withdrawn;
                self.dropped |= by.is_some();
            }
            Fact::Resolved { decision, .. } => self.resolve(decision, at),
            Fact::DeliverySetBack { to, .. } => self.set_back(*to, at),
            _ => {}
        }
    }

    /// Whether it did something, or waits for a moment that was told, ahead of the clock at `now`.
    pub fn is_ahead(&self, now: Timestamp) -> bool {
        let sent = self.sent.as_ref().is_some_and(|sent| sent.from.max(sent.to.unwrap_or(sent.from)) > now);
        let open = self.open.as_ref().is_some_and(|open| open.begun.max(open.doubted.unwrap_or(open.begun)) > now);
        sent || open || matches!(self.state, State::Retrying { at, .. } if at > now)
    }

    /// The clock was ahead, and is right at `now`. What may still arrive has as long as it had.
    fn set_back(&mut self, to: Timestamp, now: Timestamp) {
        if let Some(sent) = &mut self.sent {
            if sent.from > now {
                sent.from = to.min(now);
            }
            sent.to = sent.to.map(|settled| settled.min(now));
        }
        if let Some(open) = &mut self.open {
            let known = open.doubted.unwrap_or(open.begun);
            if known > now {
                open.ambiguous = open.ambiguous.map(|settle| time::after(now, time::since(settle, known)));
            }
            open.begun = open.begun.min(now);
            open.doubted = open.doubted.map(|doubted| doubted.min(now));
        }
        if let State::Retrying { at, .. } = &mut self.state {
            *at = (*at).min(now);
        }
    }

    fn begin(&mut self, intent: &Intent, at: Timestamp) {
        let same = |open: &Open| {
            open.intent.key == intent.key && !open.intent.is_elsewhere(&intent.platform, intent.host.as_deref())
        };
        let earlier = self.open.take().filter(|open| same(open));
        let (done, published) = earlier.map_or((Vec::new(), 0), |open| (open.done, open.published));
        self.state = State::Sending { attempt: intent.attempt };
        self.attempts = intent.attempt;
        self.halted = None;
        self.sent = Some(Box::new(Sent {
            from: at,
            to: None,
            slot: intent.slot,
            promotion: intent.promotion,
            counts: intent.counts,
            fingerprint: intent.fingerprint,
        }));
        self.open = Some(Box::new(Open {
            intent: intent.clone(),
            begun: at,
            done,
            published,
            doubted: None,
            ambiguous: None,
            trouble: None,
        }));
    }

    fn conclude(&mut self, attempt: u32, outcome: &Outcome, at: Timestamp) {
        if let Some(sent) = &mut self.sent {
            sent.to = Some(at);
        }
        self.halted = None;
        match outcome {
            Outcome::Delivered { remote, .. } => {
                self.state = State::Delivered { attempt, remote: Box::new(remote.clone()) };
                self.open = None;
                self.asked = false;
            }
            Outcome::Retry { until, counted, why } => {
                self.state = State::Retrying { attempt, at: *until };
                if let Some(open) = &mut self.open {
                    open.intent.tries = open.intent.tries.saturating_add(u32::from(*counted));
                }
                self.not_out(why);
            }
            Outcome::RateLimited { until, why } => {
                self.state = State::Retrying { attempt, at: *until };
                self.not_out(why);
            }
            Outcome::Auth { why } => {
                self.state = State::Retrying { attempt, at };
                self.halted = Some(Held::AccountAuth);
                self.not_out(why);
            }
            Outcome::Refused { why } => {
                self.state = State::Refused { attempt, why: why.as_str().into() };
                self.asked = false;
                self.forget_unless_published();
            }
            Outcome::Ambiguous { settle, why } => {
                self.state = State::Sending { attempt };
                if let Some(sent) = &mut self.sent {
                    sent.to = None;
                }
                if let Some(open) = &mut self.open {
                    open.ambiguous = Some(*settle);
                    open.doubted = Some(at);
                    open.trouble = Some(why.clone());
                }
            }
            Outcome::Uncertain { why } => {
                self.state = State::Uncertain { attempt, why: why.as_str().into() };
                self.asked = false;
            }
            Outcome::Abandoned { .. } => {
                self.state = State::Scheduled;
                self.asked = false;
                self.forget_unless_published();
            }
        }
    }

    /// Another attempt is owed, and this is why.
    fn not_out(&mut self, why: &str) {
        if let Some(open) = &mut self.open {
            open.ambiguous = None;
            open.trouble = Some(why.to_owned());
        }
    }

    /// After an attempt that surely published nothing, nothing counts for the beat.
    fn forget_unless_published(&mut self) {
        if self.open.as_ref().is_none_or(|open| open.published == 0) {
            self.sent = None;
            self.open = None;
        }
    }

    fn resolve(&mut self, decision: &Decision, at: Timestamp) {
        let attempt = self.attempts;
        if let Some(sent) = &mut self.sent {
            sent.to = Some(at);
        }
        self.halted = None;
        match decision {
            Decision::Delivered { url } => {
                let remote = Remote { id: url.clone(), url: Some(url.clone()), reference: JsonText::default() };
                self.state = State::Delivered { attempt, remote: Box::new(remote) };
                self.open = None;
            }
            Decision::Retry => {
                self.state = State::Retrying { attempt, at };
                self.dropped = false;
                self.asked = true;
                if let Some(open) = &mut self.open {
                    open.intent.tries = 0;
                    open.ambiguous = None;
                    open.trouble = None;
                }
            }
            Decision::Drop => {
                self.state = State::Withdrawn;
                self.dropped = true;
            }
        }
    }

    /// Why an attempt is owed, or in doubt.
    pub fn trouble(&self) -> Option<String> {
        let trouble = self.open.as_ref().and_then(|open| open.trouble.clone());
        let asked = self.asked.then(|| "a person wants it sent".to_owned());
        trouble.or(asked).filter(|_| self.state.is_open())
    }

    /// What the platform calls it, once it is delivered.
    pub fn remote(&self) -> Option<&Remote> {
        match &self.state {
            State::Delivered { remote, .. } => Some(remote),
            _ => None,
        }
    }
}
