//! The clocks. Nobody else reads one.
//!
//! Three clocks are told apart: the wall clock, which a person or a time server may set; the time since boot, which
//! goes on while the machine sleeps and which nobody can set; and the ticks that timeouts at the edge are counted
//! in. What a jump of the wall clock against the time since boot means is decided elsewhere.

use std::time::{Duration, Instant, SystemTime};

use crate::domain::Timestamp;
use crate::parts::Clock;

/// The machine's wall clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        wall()
    }

    fn boot(&self) -> Duration {
        since_boot()
    }
}

/// The wall clock, held at the ends of representable time.
fn wall() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads the wall clock")]
    let now = SystemTime::now();
    Timestamp::try_from(now).unwrap_or(if now > SystemTime::UNIX_EPOCH { Timestamp::MAX } else { Timestamp::MIN })
}

fn since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

/// Ticks for deadlines at the edge; they say nothing about the time of day and stop while the machine sleeps.
pub fn ticks() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads the monotonic clock")]
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_clocks_go_forward() {
        let (first, second) = (SystemClock.boot(), SystemClock.boot());
        assert!(second >= first);
        assert!(first > Duration::ZERO);
        assert!(SystemClock.now().as_second() > 1_700_000_000, "the wall clock of this machine is in the past");
    }
}
