//! Why a slot stayed empty, for those who look back on the beat.
//!
//! Records tell it in words for people. Which of these words mean the same to somebody who plans ahead is decided here
//! once, for what is recorded today as for what was recorded by earlier versions.

use serde::{Deserialize, Serialize};

/// What a person would have to look after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// There was no approved post that could go.
    Content,
    /// There was one, and a rule held it back: the promotion share, answers that are owed, the budget.
    Hold,
    /// A rule about time was in the way: quiet hours, the gap, the posts of a day.
    Policy,
    /// The daemon, its clock, its disk or its folder could not.
    Outage,
    /// The account was paused, or its token not accepted.
    Account,
    /// The platform was slow, asked to wait, or refused.
    Platform,
    /// None of these.
    Other,
}

/// Beginnings of reasons, and what they mean. `missed: ` in front of one is read first.
const REASONS: &[(&str, Cause)] = &[
    ("nothing is left", Cause::Content),
    ("the post was withdrawn", Cause::Content),
    ("promotion would pass", Cause::Hold),
    ("too many people wait", Cause::Hold),
    ("it would pass the budget", Cause::Hold),
    ("the budget of the month", Cause::Hold),
    ("missed, or empty before", Cause::Outage),
    ("quiet", Cause::Policy),
    ("min_gap", Cause::Policy),
    ("max_per_day", Cause::Policy),
    ("kept free for ", Cause::Policy),
    ("another post was sent", Cause::Policy),
    ("an attempt is open", Cause::Platform),
    ("another delivery was ", Cause::Platform),
    ("the platform asked to wait", Cause::Platform),
    ("its time passed while it was being retried", Cause::Platform),
    ("the daemon was ", Cause::Outage),
    ("the wall clock was ", Cause::Outage),
    ("the queue ", Cause::Outage),
    ("the disk was full", Cause::Outage),
    ("the account is paused", Cause::Account),
    ("the account's token", Cause::Account),
    ("the account's new tokens", Cause::Account),
];

impl Cause {
    /// Every cause, in the order in which they are told.
    pub const ALL: [Self; 7] =
        [Self::Content, Self::Hold, Self::Policy, Self::Outage, Self::Account, Self::Platform, Self::Other];

    /// What a recorded reason means.
    pub fn of(reason: &str) -> Self {
        let known = |text: &str| REASONS.iter().find(|(begin, _)| text.starts_with(begin)).map(|(_, cause)| *cause);
        if let Some(missed) = reason.strip_prefix("missed: ") {
            // Nobody was there to keep it, unless it is said what kept them.
            return known(missed).filter(|cause| *cause != Self::Content).unwrap_or(Self::Outage);
        }
        // A post that was begun and given up is named before the reason.
        let behind = || reason.split_once(": ").map(|(_, rest)| known(rest).unwrap_or(Self::Content));
        known(reason).or_else(behind).unwrap_or(Self::Other)
    }

    /// The stable name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Content => "content",
            Self::Hold => "hold",
            Self::Policy => "policy",
            Self::Outage => "outage",
            Self::Account => "account",
            Self::Platform => "platform",
            Self::Other => "other",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_slot_is_an_outage_unless_somebody_kept_it_from_being_used() {
        for reason in
            ["missed: its post takes the next slot", "missed: nothing is left to give up", "missed: p is given up"]
        {
            assert_eq!(Cause::of(reason), Cause::Outage, "{reason}");
        }
        assert_eq!(Cause::of("missed: the account is paused"), Cause::Account);
        // The first of these is said by records of earlier versions.
        for why in ["folder could not be read", "could not be read", "was being read anew"] {
            assert_eq!(Cause::of(&format!("the queue {why}")), Cause::Outage, "{why}");
        }
    }

    #[test]
    fn what_was_begun_and_given_up_is_read_behind_its_name() {
        assert_eq!(Cause::of("desk: the post was withdrawn or changed"), Cause::Content);
        assert_eq!(Cause::of("desk: its time passed while it was being retried"), Cause::Platform);
        assert_eq!(Cause::of("desk: failed to read img/desk.png"), Cause::Content);
        assert_eq!(Cause::of("who knows"), Cause::Other);
    }
}
