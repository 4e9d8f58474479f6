//! What platforms bill for requests, and the months that they bill it in.
//!
//! Amounts are whole millionths of a dollar, so that sums are exact. Months are those of UTC, as platforms count them.

use std::fmt;
use std::str::FromStr;

use jiff::civil;
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Timestamp;

/// An amount of money, in millionths of a US dollar.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Dollars(pub i64);

impl Dollars {
    /// The largest amount that a person may write.
    pub const MOST: f64 = 1e9;

    /// The amount that a person has written; `None` where it is none, or less than nothing.
    pub fn read(number: f64) -> Option<Self> {
        // Rounded: a fraction such as 0.015 is not exact in binary.
        (0.0..=Self::MOST).contains(&number).then(|| Self((number * 1e6).round() as i64))
    }

    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    pub fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// In dollars, for reports.
    pub fn as_f64(self) -> f64 {
        self.0 as f64 / 1e6
    }
}

/// Two decimals, and more where they say something: `20.00`, `0.015`.
impl fmt::Display for Dollars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let (whole, rest) = (self.0.unsigned_abs() / 1_000_000, self.0.unsigned_abs() % 1_000_000);
        let digits = format!("{rest:06}");
        let kept = digits.trim_end_matches('0').len().max(2);
        write!(f, "{sign}{whole}.{}", &digits[..kept])
    }
}

/// What requests cost: an estimate, a sum, or the difference of two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spend {
    #[serde(rename = "micros")]
    pub money: Dollars,
    /// Things that were read, as the platform counts them.
    #[serde(default)]
    pub reads: i64,
    /// Things that were made.
    #[serde(default)]
    pub writes: i64,
}

impl Spend {
    /// So many things are read, at so much each.
    pub fn read(price: Dollars, count: u32) -> Self {
        let count = i64::from(count);
        Self { money: Dollars(price.0.saturating_mul(count)), reads: count, writes: 0 }
    }

    /// One thing is made.
    pub fn write(price: Dollars) -> Self {
        Self { money: price, reads: 0, writes: 1 }
    }

    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            money: self.money.plus(other.money),
            reads: self.reads.saturating_add(other.reads),
            writes: self.writes.saturating_add(other.writes),
        }
    }

    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self {
            money: self.money.minus(other.money),
            reads: self.reads.saturating_sub(other.reads),
            writes: self.writes.saturating_sub(other.writes),
        }
    }

    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

/// A calendar month of UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    year: i16,
    month: i8,
}

impl Month {
    /// The month that holds a moment.
    pub fn of(moment: Timestamp) -> Self {
        let date = TimeZone::UTC.to_datetime(moment).date();
        Self { year: date.year(), month: date.month() }
    }

    /// When the next month begins.
    pub fn end(self) -> Timestamp {
        let first = civil::Date::new(self.year, self.month, 1).ok();
        let next = first.and_then(|first| first.last_of_month().tomorrow().ok());
        next.and_then(|next| next.to_zoned(TimeZone::UTC).ok()).map_or(Timestamp::MAX, |next| next.timestamp())
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

/// A text that is no month.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a month is written as 2026-11")]
pub struct NoMonth;

impl FromStr for Month {
    type Err = NoMonth;

    fn from_str(text: &str) -> Result<Self, NoMonth> {
        let (year, month) = text.rsplit_once('-').ok_or(NoMonth)?;
        let (year, month) = (year.parse().map_err(|_| NoMonth)?, month.parse().map_err(|_| NoMonth)?);
        civil::Date::new(year, month, 1).map(|_| Self { year, month }).map_err(|_| NoMonth)
    }
}

impl Serialize for Month {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Month {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_read_and_show_as_people_write_them() {
        for (number, shown) in
            [(20.0, "20.00"), (0.015, "0.015"), (0.2, "0.20"), (0.0, "0.00"), (0.000_001, "0.000001")]
        {
            assert_eq!(Dollars::read(number).unwrap().to_string(), shown);
        }
        assert_eq!(Dollars(-1_500_000).to_string(), "-1.50");
        for number in [-0.01, f64::NAN, f64::INFINITY, 1e10] {
            assert_eq!(Dollars::read(number), None, "{number}");
        }
    }

    #[test]
    fn months_are_those_of_utc_and_end_where_the_next_begins() {
        let of = |text: &str| Month::of(text.parse().unwrap());
        for (moment, month, end) in [
            ("2026-11-30T23:59:59.999Z", "2026-11", "2026-12-01T00:00:00Z"),
            ("2026-12-01T00:00:00Z", "2026-12", "2027-01-01T00:00:00Z"),
            ("2028-02-29T12:00:00+14:00", "2028-02", "2028-03-01T00:00:00Z"),
            ("2026-03-01T00:30:00+02:00", "2026-02", "2026-03-01T00:00:00Z"),
        ] {
            assert_eq!((of(moment).to_string().as_str(), of(moment).end().to_string().as_str()), (month, end));
            assert_eq!(month.parse(), Ok(of(moment)));
        }
        for text in ["", "2026", "2026-13", "2026-00", "2026-11-01", "x-1"] {
            assert_eq!(text.parse::<Month>(), Err(NoMonth), "{text}");
        }
        assert_eq!(Month::of(Timestamp::MAX).end(), Timestamp::MAX);
    }
}
