//! What goes out when: the plan ahead, a line for each delivery and for each slot that stays empty.

use serde::{Deserialize, Serialize};

use crate::domain::{AccountId, DeliveryId, Timestamp};

/// What goes out when, and what does not and why; by time, those that nobody can date last.
pub type PlanReport = Vec<PlanLine>;

/// One line of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanLine {
    /// `null` when nobody can say.
    pub at: Option<Timestamp>,
    /// None for an empty slot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<DeliveryId>,
    /// Whose slot is empty; deliveries name their account themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    pub state: PlanState,
    /// Why it is held, or why the slot is empty.
    pub reason: Option<String>,
    /// It is held now for the promotion share, and goes out then, as the plan ahead has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_from: Option<Timestamp>,
}

impl PlanLine {
    /// The account it is about.
    pub fn account(&self) -> Option<&AccountId> {
        self.account.as_ref().or(self.delivery.as_ref().map(|delivery| &delivery.account))
    }
}

/// What becomes of a line of the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlanState {
    /// It goes out then.
    Scheduled,
    /// It is under way, or is tried again then.
    Sending,
    /// It does not go out as things are.
    Held,
    /// It may have arrived; a person decides.
    Uncertain,
    /// A slot with nothing to send.
    Empty,
}

impl PlanState {
    pub fn name(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Sending => "sending",
            Self::Held => "held",
            Self::Uncertain => "uncertain",
            Self::Empty => "empty",
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_empty_slot_names_its_account_and_no_delivery() {
        let empty = PlanLine {
            at: Some("2026-12-01T08:00:00Z".parse().unwrap()),
            delivery: None,
            account: Some("fedi".parse().unwrap()),
            state: PlanState::Empty,
            reason: Some("nothing approved".into()),
            allowed_from: None,
        };
        assert_eq!(
            serde_json::to_value(&empty).unwrap(),
            json!({"at": "2026-12-01T08:00:00Z", "account": "fedi", "state": "empty", "reason": "nothing approved"})
        );
    }
}
