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

/// A span in days, as precise as anybody wants to know: tenths of a day, and below one day seconds.
pub fn days(span: Duration) -> f64 {
    let days = span.as_secs_f64() / 86_400.0;
    if days < 1.0 { (days * 100_000.0).round() / 100_000.0 } else { (days * 10.0).round() / 10.0 }
}

/// A number of days for people, in the unit that fits.
pub fn days_text(days: f64) -> String {
    let seconds = days * 86_400.0;
    let (number, unit) = match seconds {
        _ if days >= 1.0 => return format!("{days:.1} days"),
        3600.0.. => return format!("{:.1} hours", seconds / 3600.0),
        60.0.. => ((seconds / 60.0).round(), "minute"),
        _ => (seconds.round(), "second"),
    };
    format!("{number} {unit}{}", if number == 1.0 { "" } else { "s" })
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
    fn days_are_told_in_the_unit_that_fits() {
        for (span, days_shown, text) in [
            ("0s", 0.0, "0 seconds"),
            ("1s", 0.00001, "1 second"),
            ("90s", 0.00104, "1 minute"),
            ("14h", 0.58333, "14.0 hours"),
            ("7d", 7.0, "7.0 days"),
            ("80h", 3.3, "3.3 days"),
        ] {
            let days = days(parse_span(span).unwrap());
            assert!((days - days_shown).abs() < 1e-9, "{span}: {days}");
            assert_eq!(days_text(days), text, "{span}");
        }
    }

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
