//! Moments and spans. Nobody here reads a clock: `now` is always an argument.

use std::time::Duration;

/// An instant in UTC, to the nanosecond.
pub type Timestamp = jiff::Timestamp;

/// `moment + span`, held at the end of representable time instead of overflowing.
pub fn after(moment: Timestamp, span: Duration) -> Timestamp {
    moment.saturating_add(span).unwrap_or(Timestamp::MAX)
}

/// `moment - span`, held at the beginning of representable time instead of overflowing.
pub fn before(moment: Timestamp, span: Duration) -> Timestamp {
    moment.saturating_sub(span).unwrap_or(Timestamp::MIN)
}

/// How much later `late` is than `early`; zero when it is not later.
pub fn since(late: Timestamp, early: Timestamp) -> Duration {
    late.duration_since(early).try_into().unwrap_or(Duration::ZERO)
}

/// Cuts a moment to whole milliseconds, the precision that logs, records and platforms keep.
pub fn to_millis(moment: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(moment.as_millisecond()).unwrap_or(moment)
}
