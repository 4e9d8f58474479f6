//! Single values of the configuration that are more than a text: cron expressions, quiet hours, time zones.

use jiff::civil;
use jiff::tz::TimeZone;

use crate::domain::document::{nearest, quoted};
use crate::domain::policy::{Cron, Quiet};

/// What is wrong with a value, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub reason: String,
    pub hint: Option<String>,
}

fn refused<T>(reason: impl Into<String>, hint: impl Into<String>) -> Result<T, Refused> {
    Err(Refused { reason: reason.into(), hint: Some(hint.into()) })
}

/// Fields of a cron expression with six of them, their ranges, and what they are called.
const FIELDS: [(&str, &str); 6] = [
    ("second", "0-59"),
    ("minute", "0-59"),
    ("hour", "0-23"),
    ("day of the month", "1-31"),
    ("month", "1-12 or JAN-DEC"),
    ("day of the week", "0-7 or SUN-SAT"),
];

/// Longest cron expression.
const CRON_BYTES: usize = 400;

/// Reads a cron expression of 5 fields, or of 6 with seconds first.
///
/// # Errors
/// Says which field is wrong. An expression that never comes true is refused, and so is a field for years.
pub fn cron(text: &str) -> Result<Cron, Refused> {
    const SHAPE: &str = "write five fields, \"MINUTE HOUR DAY MONTH WEEKDAY\", or six with seconds first";
    let legal =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '\t' | '*' | ',' | '-' | '/' | '#' | '?' | '+');
    if text.len() > CRON_BYTES {
        return refused(format!("a cron expression has at most {CRON_BYTES} characters"), SHAPE);
    }
    if let Some(c) = text.chars().find(|&c| !legal(c)) {
        return refused(format!("a cron expression has no {c:?}"), SHAPE);
    }
    let fields: Vec<&str> = text.split_ascii_whitespace().collect();
    match fields.len() {
        5 | 6 => {}
        7 => return refused("a cron expression has no field for years", SHAPE),
        count => return refused(format!("a cron expression has 5 or 6 fields, not {count}"), SHAPE),
    }
    let parser = croner::parser::CronParser::builder().seconds(croner::parser::Seconds::Optional).build();
    let Ok(pattern) = parser.parse(text) else {
        let names = &FIELDS[FIELDS.len() - fields.len()..];
        // The parser does not say which field it means; each is tried alone.
        let wrong = (0..fields.len()).find(|&place| {
            let alone: Vec<_> =
                (0..fields.len()).map(|other| if other == place { fields[other] } else { "*" }).collect();
            parser.parse(&alone.join(" ")).is_err()
        });
        return match wrong {
            Some(place) => refused(
                format!("the {} cannot be {:?}", names[place].0, fields[place]),
                format!("the {} is {}, \"*\", a list, a range or a step", names[place].0, names[place].1),
            ),
            None => refused("this is no cron expression", SHAPE),
        };
    };
    // 28 years hold every pairing of date and weekday within a century; a leap day before a century without one
    // is found too, because the parser looks thousands of years ahead.
    if pattern.find_next_occurrence(&civil::date(2024, 1, 1).at(0, 0, 0, 0), true).is_err() {
        return refused("this cron expression never comes true", "choose a day that the month has");
    }
    Ok(Cron { text: text.to_owned(), pattern })
}

/// Reads `HH:MM-HH:MM`; over midnight when the second is not later.
///
/// # Errors
/// Says what is wrong; hours that leave nothing of the day are refused.
pub fn quiet(text: &str) -> Result<Quiet, Refused> {
    const SHAPE: &str = "write quiet hours as \"22:00-07:00\"";
    let wrong = || refused(format!("{} is no span of hours", quoted(text)), SHAPE);
    let Some((from, to)) = text.split_once('-') else { return wrong() };
    let (Some(from), Some(to)) = (time_of_day(from), time_of_day(to)) else { return wrong() };
    if from == to {
        return refused("quiet hours from a time to the same time leave nothing of the day", SHAPE);
    }
    Ok(Quiet { from, to })
}

/// Reads `HH:MM`; 24:00 is the midnight at the day's end.
fn time_of_day(text: &str) -> Option<civil::Time> {
    let (hour, minute) = text.trim().split_once(':')?;
    let number = |digits: &str| -> Option<i8> {
        (digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_digit())).then(|| digits.parse().ok())?
    };
    match (number(hour)?, number(minute)?) {
        (24, 0) => Some(civil::Time::midnight()),
        (hour, minute) => civil::Time::new(hour, minute, 0, 0).ok(),
    }
}

/// Looks a time zone up by its IANA name.
///
/// # Errors
/// There is no such zone.
pub fn zone(name: &str) -> Result<TimeZone, Refused> {
    match TimeZone::get(name) {
        Ok(zone) if !zone.is_unknown() => Ok(zone),
        _ => {
            let names: Vec<_> = jiff::tz::db().available().map(|known| known.as_str().to_owned()).collect();
            let hint = match nearest(name, names.iter().map(String::as_str)) {
                Some(near) => format!("did you mean {near:?}?"),
                None => "write an IANA name such as \"Europe/Berlin\" or \"UTC\"".into(),
            };
            refused(format!("there is no time zone {}", quoted(name)), hint)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cron_expressions_are_refused_by_field() {
        for text in ["30 9 * * MON-FRI", "0 11 * * SAT", "*/5 * * * * *", "0 0 29 2 *", "0 9 L * *", "0 9 * * mon#2"] {
            assert!(cron(text).is_ok(), "{text}: {:?}", cron(text));
        }
        for (text, reason) in [
            ("0 25 * * *", "the hour cannot be \"25\""),
            ("0 9 * * FUN", "the day of the week cannot be \"FUN\""),
            ("61 0 9 * * *", "the second cannot be \"61\""),
            ("0 9 * *", "a cron expression has 5 or 6 fields, not 4"),
            ("0 0 9 * * * 2026", "a cron expression has no field for years"),
            ("@daily", "a cron expression has no '@'"),
            ("0 0 30 2 *", "this cron expression never comes true"),
            ("0 0 31 4,6,9,11 *", "this cron expression never comes true"),
            ("", "a cron expression has 5 or 6 fields, not 0"),
            ("0 9 * * \u{202e}", "a cron expression has no '\\u{202e}'"),
        ] {
            assert_eq!(cron(text).unwrap_err().reason, reason, "{text}");
        }
    }

    #[test]
    fn quiet_hours_may_pass_midnight() {
        let night = quiet("22:00-07:00").unwrap();
        assert!(night.covers(civil::time(23, 0, 0, 0)) && !night.covers(civil::time(7, 0, 0, 0)));
        assert_eq!(quiet("20:00-24:00").unwrap().to, civil::Time::midnight());
        for text in [
            "",
            "22-07",
            "22:00",
            "25:00-07:00",
            "2:00-07:00",
            "22:00-22:00",
            "00:00-24:00",
            "22:00–07:00",
            "+2:00-07:00",
        ] {
            assert!(quiet(text).is_err(), "{text}");
        }
    }

    #[test]
    fn time_zones_have_names() {
        assert!(zone("Europe/Berlin").is_ok());
        assert_eq!(zone("Europe/Berlim").unwrap_err().hint.unwrap(), "did you mean \"Europe/Berlin\"?");
        assert!(zone("Etc/Unknown").is_err());
        assert!(zone("").is_err());
        assert!(zone("../../etc/passwd").is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_a_cron_expression_panic(text in "[0-9*,/#?+LW A-Z-]{0,30}") {
            let _ = cron(&text);
        }
    }
}
