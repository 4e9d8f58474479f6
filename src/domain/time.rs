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

/// Longest span that is read: a hundred years.
const LONGEST: u64 = 100 * 365 * 86_400;

/// Reads a span as people write it: `90s`, `2h`, `7d`, `1h30m`. Units are `ms`, `s`, `m`, `h`, `d` (24 hours) and `w`.
///
/// # Errors
/// Says what is wrong with the text.
pub fn parse_span(text: &str) -> Result<Duration, &'static str> {
    const SHAPE: &str = "a span is a number and a unit, such as \"90s\", \"2h\" or \"7d\"";
    let mut total = Duration::ZERO;
    let mut rest = text;
    if rest.is_empty() {
        return Err(SHAPE);
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or(SHAPE)?;
        let (number, behind) = rest.split_at(digits);
        let letters = behind.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(letters);
        if number.is_empty() {
            return Err(SHAPE);
        }
        let millis: u64 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            _ => return Err(SHAPE),
        };
        let part = number.parse::<u64>().ok().and_then(|number| number.checked_mul(millis));
        total = part.and_then(|part| total.checked_add(Duration::from_millis(part))).unwrap_or(Duration::MAX);
        rest = behind;
    }
    if total > Duration::from_secs(LONGEST) { Err("a span is at most a hundred years") } else { Ok(total) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_people_write_them() {
        for (text, seconds) in
            [("90s", 90), ("2h", 7_200), ("7d", 604_800), ("1h30m", 5_400), ("0s", 0), ("2w", 1_209_600)]
        {
            assert_eq!(parse_span(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(parse_span("250ms"), Ok(Duration::from_millis(250)));
        for text in ["", "5", "h", "-1h", "1.5h", "1 h", "1y", "1H", "s5", "99999999999999999999s", "200000d", "1h30"] {
            assert!(parse_span(text).is_err(), "{text}");
        }
    }
}
