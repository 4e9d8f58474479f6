//! Moments as they are written in files of shops and forms.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

use crate::domain::Timestamp;

/// Why a text is no moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoMoment {
    #[error("is no date")]
    Shape,
    #[error("may begin with the day or with the month")]
    Ambiguous,
}

/// A moment as it is written: how much of it somebody has told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    Exact(Timestamp),
    /// By the clocks of some zone.
    Civil(DateTime),
    Day(Date),
}

impl Moment {
    /// # Errors
    /// It is none, or may be two.
    pub fn read(text: &str) -> Result<Self, NoMoment> {
        let text = text.trim();
        if let Some(moment) = with_offset(text) {
            return Ok(Self::Exact(moment));
        }
        let (day, time) = match text.split_once(['T', ' ']) {
            Some((day, time)) => (day, time.trim()),
            None => (text, ""),
        };
        let day = date(day.trim_end_matches(','))?;
        if time.is_empty() {
            return Ok(Self::Day(day));
        }
        Ok(Self::Civil(DateTime::from_parts(day, clock(time).ok_or(NoMoment::Shape)?)))
    }

    /// When it is in `zone`, where it tells no offset; a day is its beginning. A time that the clocks of a zone have twice
    /// is the first of the two, one that they jump over is moved by as much as they are.
    ///
    /// # Errors
    /// It is out of all time.
    pub fn at(self, zone: &TimeZone) -> Result<Timestamp, NoMoment> {
        let civil = match self {
            Self::Exact(moment) => return Ok(moment),
            Self::Civil(civil) => civil,
            Self::Day(day) => DateTime::from_parts(day, Time::midnight()),
        };
        civil.to_zoned(zone.clone()).map(|zoned| zoned.timestamp()).map_err(|_| NoMoment::Shape)
    }
}

/// Reads a moment that is meant in `zone` where it tells no offset.
///
/// # Errors
/// It is none, or may be two.
pub fn read(text: &str, zone: &TimeZone) -> Result<Timestamp, NoMoment> {
    Moment::read(text)?.at(zone)
}

/// A moment with its offset, which some write apart from it.
fn with_offset(text: &str) -> Option<Timestamp> {
    let joined = match text.rsplit_once(' ') {
        Some((civil, "UTC" | "GMT" | "Z")) => format!("{civil}Z"),
        Some((civil, offset)) if offset.starts_with(['+', '-']) => format!("{civil}{offset}"),
        _ => text.to_owned(),
    };
    joined.parse().ok()
}

/// `2026-11-27`, `20261127`, `2026/11/27`, `27.11.2026`, `27/11/2026`, `11/27/2026`.
fn date(text: &str) -> Result<Date, NoMoment> {
    let number = |text: &str, most: usize| -> Result<i16, NoMoment> {
        let fit = (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        if fit { text.parse().map_err(|_| NoMoment::Shape) } else { Err(NoMoment::Shape) }
    };
    let made = |year: &str, month: i16, day: i16| {
        let year = if year.len() == 4 { number(year, 4)? } else { return Err(NoMoment::Shape) };
        let [month, day] = [month, day].map(|part| i8::try_from(part).unwrap_or(0));
        Date::new(year, month, day).map_err(|_| NoMoment::Shape)
    };
    if text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return made(&text[..4], number(&text[4..6], 2)?, number(&text[6..], 2)?);
    }
    let mark = text.chars().find(|c| !c.is_ascii_digit()).ok_or(NoMoment::Shape)?;
    let parts: Vec<&str> = text.split(mark).collect();
    let [first, second, third] = parts[..] else { return Err(NoMoment::Shape) };
    match mark {
        '-' | '/' if first.len() == 4 => made(first, number(second, 2)?, number(third, 2)?),
        '.' => made(third, number(second, 2)?, number(first, 2)?),
        '/' | '-' => {
            let (one, two) = (number(first, 2)?, number(second, 2)?);
            match (one > 12, two > 12) {
                (false, false) if one != two => Err(NoMoment::Ambiguous),
                (true, _) => made(third, two, one),
                _ => made(third, one, two),
            }
        }
        _ => Err(NoMoment::Shape),
    }
}

/// `09:30`, `9:30:15`, `9:30:15.250`, `9:30 PM`.
fn clock(text: &str) -> Option<Time> {
    let upper = text.to_ascii_uppercase();
    let (digits, half) = match upper.strip_suffix("AM").or_else(|| upper.strip_suffix("PM")) {
        Some(digits) => (digits.trim_end(), Some(upper.ends_with("PM"))),
        None => (upper.as_str(), None),
    };
    let (hour, rest) = digits.split_once(':')?;
    let hour: u8 = hour.parse().ok()?;
    let hour = match half {
        Some(_) if !(1..=12).contains(&hour) => return None,
        Some(afternoon) => hour % 12 + if afternoon { 12 } else { 0 },
        None => hour,
    };
    // What else would be read and thrown away: an offset is none of ours to ignore.
    let plain = rest.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b':' | b'.'));
    let time: Time = format!("{hour:02}:{rest}").parse().ok().filter(|_| plain)?;
    Some(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_as_files_have_them() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        for (text, moment) in [
            ("2026-11-27T10:00:00Z", "2026-11-27T10:00:00Z"),
            ("2026-11-27T10:00:00+05:00", "2026-11-27T05:00:00Z"),
            ("2026-11-27 10:00:00 +0000", "2026-11-27T10:00:00Z"),
            ("2026-11-27 10:00:00 UTC", "2026-11-27T10:00:00Z"),
            ("2026-11-27T10:00:00", "2026-11-27T09:00:00Z"),
            ("2026-11-27 10:00", "2026-11-27T09:00:00Z"),
            ("2026-11-27 10:00:00.250", "2026-11-27T09:00:00.25Z"),
            ("2026-11-27", "2026-11-26T23:00:00Z"),
            ("20261127", "2026-11-26T23:00:00Z"),
            ("2026/11/27 9:30 PM", "2026-11-27T20:30:00Z"),
            ("27.11.2026", "2026-11-26T23:00:00Z"),
            ("7.1.2026 08:15", "2026-01-07T07:15:00Z"),
            ("27/11/2026, 12:00 am", "2026-11-26T23:00:00Z"),
            ("11/27/2026", "2026-11-26T23:00:00Z"),
            ("11/11/2026", "2026-11-10T23:00:00Z"),
            ("2026-10-25 02:30", "2026-10-25T00:30:00Z"),
            ("2026-03-29 02:30", "2026-03-29T01:30:00Z"),
        ] {
            assert_eq!(read(text, &berlin), Ok(moment.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn what_is_none_or_may_be_two_is_refused() {
        for text in [
            "",
            "soon",
            "2026",
            "27.11.26",
            "2026-13-01",
            "2026-11-31",
            "30/30/2026",
            "2026-11-27 25:00",
            "2026-11-27 9",
        ] {
            assert_eq!(read(text, &TimeZone::UTC), Err(NoMoment::Shape), "{text}");
        }
        for text in ["11/12/2026", "1-2-2026 10:00"] {
            assert_eq!(read(text, &TimeZone::UTC), Err(NoMoment::Ambiguous), "{text}");
        }
    }
}
