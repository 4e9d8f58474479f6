//! What holds where nothing is written.

use std::time::Duration;

use crate::config::settings::{ChoreSettings, PeopleSettings};
use crate::domain::policy::{DeliveryRules, Missed, Policy, Promotion, Retry, Spray, Unanswered};

/// The policy that holds where nothing else is written.
pub fn default_policy() -> Policy {
    Policy {
        max_per_day: 4,
        min_gap: Duration::from_secs(2 * 3_600),
        missed: Missed::NextSlot,
        late_grace: Duration::from_secs(3_600),
        promotion: Promotion { share: 0.2, window: 10 },
        unanswered: Unanswered { max: 5, older_than: Duration::from_secs(24 * 3_600) },
        quiet: Vec::new(),
        runway_warn: Duration::from_secs(7 * 86_400),
        budget: None,
        spray: Spray::default(),
    }
}

/// The delivery rules that hold where nothing else is written.
pub fn default_rules() -> DeliveryRules {
    DeliveryRules {
        timeout: Duration::from_secs(60),
        settle: None,
        retry: Retry { first: Duration::from_secs(30), max: Duration::from_secs(3_600), tries: 8 },
    }
}

/// How long a stop waits when nothing else is written.
pub(super) const STOP_TIMEOUT: Duration = Duration::from_secs(75);

/// The chores' times when nothing else is written.
pub(super) fn default_chores() -> ChoreSettings {
    ChoreSettings {
        runway: "0 0 6 * * *".into(),
        upkeep: "0 17 * * * *".into(),
        accounts: "0 */5 * * * *".into(),
        sweep: "20 * * * * *".into(),
        retention: "0 43 3 * * *".into(),
        digest: "0 0 7 * * MON".into(),
    }
}

/// What is recorded about people when nothing else is written: a year and a month, so that a year can be compared with the
/// one before.
pub(super) const PEOPLE: PeopleSettings = PeopleSettings { record: true, retention: Duration::from_secs(400 * 86_400) };
