//! Weeks, from Monday on.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::engage::people::week_starts;

/// By ISO 8601, such as `2026-W48`.
pub fn name(monday: Date) -> String {
    let iso = monday.iso_week_date();
    format!("{:04}-W{:02}", iso.year(), iso.week())
}

/// The Monday of a week by its number.
pub fn monday(week: u32) -> Date {
    TimeZone::UTC.to_datetime(week_starts(week)).date()
}

/// Puts in what lies between the first and the last, so that no week is left out where nothing was.
pub fn without_gaps<T: Default>(mut weeks: BTreeMap<u32, T>) -> BTreeMap<u32, T> {
    if let (Some((&first, _)), Some((&last, _))) = (weeks.first_key_value(), weeks.last_key_value()) {
        for week in first..last {
            weeks.entry(week).or_default();
        }
    }
    weeks
}
