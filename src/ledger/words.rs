//! One record in words: for histories and exports. The words for a kind of record are stable names, like the records'
//! own; what is said beside them is for people.

use crate::domain::{Held, State};

use super::record::{Decision, Fact, Outcome};

impl Fact {
    /// Stable name of what happened; an outcome is called by what it was.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Opened { .. } => "opened",
            Self::Planned { .. } => "planned",
            Self::Intent(_) => "intent",
            Self::Checkpoint { .. } => "checkpoint",
            Self::Outcome { outcome, .. } => outcome.name(),
            Self::Missed { .. } => "missed",
            Self::Expired { .. } => "expired",
            Self::Withdrawn { .. } => "withdrawn",
            Self::Resolved { .. } => "resolved",
            Self::SlotEmpty { .. } => "slot-empty",
            Self::AccountStopped { .. } => "account-stopped",
            Self::AccountResumed { .. } => "account-resumed",
            Self::ClockSet { .. } => "clock-set",
            Self::AccountSetBack { .. } => "account-set-back",
            Self::DeliverySetBack { .. } => "delivery-set-back",
            Self::Pinned { .. } => "pinned",
            Self::TokensKept { .. } => "tokens-kept",
            Self::Spent { .. } => "spent",
            Self::Gained(_) => "gained",
            Self::ClockConfirmed { .. } => "clock-confirmed",
        }
    }

    /// The attempt it belongs to.
    pub fn attempt(&self) -> Option<u32> {
        match self {
            Self::Intent(intent) => Some(intent.attempt),
            Self::Checkpoint { attempt, .. } | Self::Outcome { attempt, .. } => Some(*attempt),
            _ => None,
        }
    }

    /// What else there is to say, in words. Texts from outside are in it as they were recorded.
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::Opened { program } => Some(program.clone()),
            Self::Planned { held: None, .. } => Some("scheduled".into()),
            Self::Planned { held: Some(reason), detail, .. } => Some(held(*reason, detail.as_deref())),
            Self::Intent(intent) => intent.slot.map(|slot| format!("for {slot}")),
            Self::Checkpoint { step, publishes, reconciled, .. } => Some(format!(
                "{step}{}{}",
                if *publishes { ", published" } else { "" },
                if *reconciled { ", found by looking back" } else { "" },
            )),
            Self::Outcome { outcome, .. } => Some(outcome.detail()),
            Self::Missed { slot, .. } => Some(format!("at {slot}")),
            Self::Expired { .. }
            | Self::AccountResumed { .. }
            | Self::AccountSetBack { .. }
            | Self::TokensKept { .. } => None,
            Self::DeliverySetBack { to, .. } => Some(format!("the clock had been ahead: counts as of {to}")),
            Self::Withdrawn { by, .. } => by.as_ref().map(|by| format!("dropped by {by}")),
            Self::Resolved { decision, by, .. } => Some(match decision {
                Decision::Delivered { url } => format!("delivered as {url}, says {by}"),
                Decision::Retry => format!("to be sent, says {by}"),
                Decision::Drop => format!("never to be sent, says {by}"),
            }),
            Self::SlotEmpty { reason, run: None, .. } => Some(reason.clone()),
            Self::SlotEmpty { reason, run: Some(run), .. } => {
                Some(format!("{reason} ({} slots since {})", run.count, run.first))
            }
            Self::AccountStopped { why, .. } => Some(why.clone()),
            Self::Pinned { identity, .. } => Some(identity.clone()),
            Self::Spent { month, spend, .. } => Some(format!("{} USD in {month}", spend.money)),
            Self::Gained(gain) => Some(format!("{} {}", gain.kind.name(), gain.key)),
            Self::ClockSet { seconds, .. } => Some(format!("ahead by {seconds} s")),
            Self::ClockConfirmed { by } => Some(format!("by {by}")),
        }
    }
}

impl Outcome {
    /// Stable name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Delivered { .. } => "delivered",
            Self::Retry { .. } => "retry",
            Self::RateLimited { .. } => "rate-limited",
            Self::Auth { .. } => "auth",
            Self::Refused { .. } => "refused",
            Self::Ambiguous { .. } => "ambiguous",
            Self::Uncertain { .. } => "uncertain",
            Self::Abandoned { .. } => "abandoned",
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::Delivered { remote, reconciled } => {
                let place = remote.url.as_deref().unwrap_or(&remote.id);
                let how = if *reconciled { ", found by looking back" } else { "" };
                format!("{place}{how}")
            }
            Self::Retry { until, why, .. } | Self::RateLimited { until, why } => format!("again at {until}: {why}"),
            Self::Ambiguous { why, settle } => format!("\"not there\" counts from {settle}: {why}"),
            Self::Auth { why } | Self::Refused { why } | Self::Uncertain { why } | Self::Abandoned { why } => {
                why.clone()
            }
        }
    }
}

/// Why a delivery is in its state, where there is more to say than the state's name.
pub fn reason(state: &State) -> Option<String> {
    match state {
        State::Held { reason, detail } => Some(held(*reason, detail.as_deref())),
        State::Uncertain { why, .. } | State::Refused { why, .. } => Some(why.to_string()),
        State::Scheduled
        | State::Sending { .. }
        | State::Retrying { .. }
        | State::Delivered { .. }
        | State::Missed
        | State::Expired
        | State::Withdrawn => None,
    }
}

/// A reason of `held` and what is known beside it; it begins with the reason's stable name.
pub fn held(reason: Held, detail: Option<&str>) -> String {
    match detail.filter(|text| !text.is_empty()) {
        Some(detail) => format!("{reason}: {detail}"),
        None => reason.name().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_line_says_what_was_recorded() {
        let delivery: crate::domain::DeliveryId = "a@fedi".parse().unwrap();
        let until = "2026-12-01T08:00:30Z".parse().unwrap();
        let outcome = Outcome::RateLimited { until, why: "429".into() };
        let fact = Fact::Outcome { delivery: delivery.clone(), attempt: 2, outcome };
        assert_eq!((fact.name(), fact.attempt()), ("rate-limited", Some(2)));
        assert_eq!(fact.detail().as_deref(), Some("again at 2026-12-01T08:00:30Z: 429"));
        let held = Some(Held::MediaMissing);
        let digest = crate::domain::Digest::of(b"");
        let fact = Fact::Planned { delivery, digest, held, detail: Some("img/a.jpg".into()) };
        assert_eq!(fact.detail().as_deref(), Some("media-missing: img/a.jpg"));
    }
}
