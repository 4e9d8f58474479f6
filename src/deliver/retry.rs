//! How long to wait before another try.

use std::time::Duration;

use crate::domain::policy::Retry;

/// Shortest wait: full jitter may draw zero, and no platform should be asked twice in the same second.
const FLOOR: Duration = Duration::from_secs(1);

/// Exponential back-off with full jitter: uniform between nothing and a ceiling that starts at `first`, doubles with
/// each failure and ends at `max`. `failures` counts from 1; `draw` is uniform over `u64`.
///
/// The form with the least contention of those compared in "Exponential Backoff And Jitter" (AWS Architecture Blog,
/// 2015).
pub fn backoff(rule: &Retry, failures: u32, draw: u64) -> Duration {
    let doublings = failures.saturating_sub(1).min(30);
    let ceiling = rule.first.saturating_mul(1 << doublings).min(rule.max);
    let share = draw as f64 / u64::MAX as f64;
    ceiling.mul_f64(share).max(FLOOR)
}

/// The wait that a platform asks for, and no less; lengthened where it is hardly one. A platform that answers "again at
/// once" for ever would be asked every second for as long, and a person would hear nothing of it. `in_a_row` counts from 1
/// the waits that have brought nothing: each of them doubles the least one, up to the longest ceiling.
pub fn at_least(asked: Duration, rule: &Retry, in_a_row: u32) -> Duration {
    let doublings = in_a_row.saturating_sub(1).min(30);
    asked.max(FLOOR.saturating_mul(1 << doublings).min(rule.max.max(FLOOR)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Retry = Retry { first: Duration::from_secs(30), max: Duration::from_secs(3600), tries: 8 };

    #[test]
    fn the_ceiling_doubles_up_to_the_longest_wait() {
        let ceilings: Vec<_> = [1, 2, 3, 7, 8, 9, 1000].map(|n| backoff(&RULE, n, u64::MAX).as_secs()).into();
        assert_eq!(ceilings, [30, 60, 120, 1920, 3600, 3600, 3600]);
    }

    #[test]
    fn a_platform_is_asked_no_sooner_than_it_says_and_less_and_less_often() {
        let waits = |asked| [1, 2, 3, 12, 13, 1000].map(|n| at_least(Duration::from_secs(asked), &RULE, n).as_secs());
        assert_eq!(waits(0), [1, 2, 4, 2048, 3600, 3600]);
        assert_eq!(waits(60), [60, 60, 60, 2048, 3600, 3600]);
        assert_eq!(waits(86_400), [86_400; 6]);
    }

    #[test]
    fn the_jitter_is_full_but_never_zero() {
        assert_eq!(backoff(&RULE, 1, 0), FLOOR);
        assert_eq!(backoff(&RULE, 1, u64::MAX / 2).as_secs(), 15);
    }
}
