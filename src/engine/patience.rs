//! When an account whose token was not accepted is asked about once more.
//!
//! A probe proves that the token is one, and whose. It does not prove that the token may do what was refused: a permission
//! that is missing for publishing alone is seen by publishing alone. So an account that a probe has let in, and that is
//! stopped again before anything of it went out, is let in later and later; each time costs one attempt that uses up no
//! try. What a person does ends the waiting: another credential and `auth` let it in at once, a reload and a restart ask at once.
//!
//! Nothing of this is recorded: a start asks about every account anyway.

use std::time::Duration;

use crate::domain::{Timestamp, time};

/// The first wait, for the second stop in a row; each following one is twice as long.
const FIRST: Duration = Duration::from_secs(10 * 60);
/// Longest wait. A permission that somebody has granted meanwhile is noticed within a day.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// How one account's probes have fared.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Patience {
    /// How often a probe has let the account in since something went out last.
    let_in: u32,
    /// It is not asked about before.
    until: Option<Timestamp>,
}

impl Patience {
    /// Whether the account may be asked about. A wait that a clock which was wrong has made too long is none.
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.until.is_none_or(|until| until <= now || until > time::after(now, LONGEST))
    }

    /// A probe has let the account in.
    pub fn let_in(&mut self) {
        self.let_in = self.let_in.saturating_add(1);
    }

    /// A probe was paid for, or answered as another account, and has let nobody in.
    pub fn in_vain(&mut self, now: Timestamp) {
        self.let_in();
        self.stopped(now);
    }

    /// The account is stopped.
    pub fn stopped(&mut self, now: Timestamp) {
        let doubled = |times: u32| FIRST.saturating_mul(1 << times.min(16)).min(LONGEST);
        self.until = self.let_in.checked_sub(1).map(|times| time::after(now, doubled(times)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_790_000_000, 0);

    #[test]
    fn each_stop_that_follows_a_probe_is_waited_for_twice_as_long() {
        let mut patience = Patience::default();
        let mut waits = Vec::new();
        for _ in 0..12 {
            patience.stopped(NOW);
            let wait = (0..2_000).find(|minutes| patience.is_over(time::after(NOW, Duration::from_secs(60 * minutes))));
            waits.push(wait.expect("no wait is longer than a day"));
            patience.let_in();
        }
        assert_eq!(waits, [0, 10, 20, 40, 80, 160, 320, 640, 1280, 1440, 1440, 1440]);
    }

    #[test]
    fn a_clock_that_is_set_back_makes_no_wait_longer_than_the_longest() {
        let mut patience = Patience::default();
        patience.let_in();
        patience.stopped(NOW);
        assert!(!patience.is_over(NOW) && patience.is_over(time::before(NOW, LONGEST)));
    }
}
