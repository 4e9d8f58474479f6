//! How figures, moments and what others wrote are shown.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use maud::{Markup, Render, html};

use crate::domain::{Money, Timestamp, escape::escape};
use crate::report::{Gains, Measured};

/// What others wrote: its direction stays its own, and what nobody sees is shown.
pub fn theirs(text: &str) -> Markup {
    html! { bdi { (escape(text)) } }
}

/// What is not known is no zero.
pub fn unknown() -> Markup {
    html! { span class="unknown" { "unknown" } }
}

/// With thousands set apart by a comma.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// `1 post`, `2 posts`.
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// Of a hundred, rounded down: only all of it is 100.
pub fn percent(part: u64, whole: u64) -> Option<u64> {
    part.saturating_mul(100).checked_div(whole)
}

/// A figure, or that it is not known.
pub fn figure(number: Option<u64>) -> Markup {
    html! { @match number { Some(number) => (count(number)), None => (unknown()) } }
}

/// A link to a page of the web, and the words alone where it leads elsewhere.
pub fn link(url: Option<&str>, words: &str) -> Markup {
    let web = url.filter(|url| url.starts_with("https://") || url.starts_with("http://"));
    html! {
        @match web {
            Some(url) => a href=(url) rel="noopener noreferrer nofollow" { (theirs(words)) },
            None => (theirs(words)),
        }
    }
}

/// A span for people, by its two largest units: `3 d 4 h`.
pub fn span(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    let two = |large: u64, unit: &str, small: u64, part: &str| match small {
        0 => format!("{} {unit}", count(large)),
        small => format!("{} {unit} {small} {part}", count(large)),
    };
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min"),
        (0, hours, minutes) => two(hours, "h", minutes % 60, "min"),
        (days, hours, _) => two(days, "d", hours % 24, "h"),
    }
}

/// An amount with its currency behind it.
pub fn money(amount: &Money) -> String {
    format!("{} {}", bare_money(amount), amount.currency)
}

/// An amount whose currency is told beside it: as many decimals as it needs, and two where it needs any.
pub fn bare_money(amount: &Money) -> String {
    let micros = amount.micros.unsigned_abs();
    let (whole, part) = (micros / 1_000_000, format!("{:06}", micros % 1_000_000));
    let decimals = part.trim_end_matches('0').len();
    let part = if decimals == 0 { String::new() } else { format!(".{}", &part[..decimals.max(2)]) };
    let sign = if amount.micros < 0 { "−" } else { "" };
    format!("{sign}{}{part}", count(whole))
}

/// The same where it stands large: units are small beside their figures.
pub fn large_span(seconds: u64) -> Markup {
    let shown = span(seconds);
    html! {
        @for (nth, piece) in shown.split(' ').enumerate() {
            @if nth > 0 { " " }
            @if nth % 2 == 0 { (piece) } @else { small { (piece) } }
        }
    }
}

/// Everything that came of something, in a row.
pub fn came(gains: &Gains) -> Option<String> {
    let mut parts = Vec::new();
    if gains.leads > 0 {
        parts.push(counted(gains.leads, "lead", "leads"));
    }
    if gains.customers > 0 {
        parts.push(counted(gains.customers, "customer", "customers"));
    }
    parts.extend(gains.revenue.iter().map(money));
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// One sum for each currency, side by side; a dash where there is none.
pub fn revenue(gains: &Gains) -> Markup {
    html! {
        @if gains.revenue.is_empty() { span class="none" { "–" } }
        @for (nth, sum) in gains.revenue.iter().enumerate() {
            @if nth > 0 { br; }
            (money(sum))
        }
    }
}

/// Of how many deliveries it is known, and why not of the others.
pub fn measured(measured: &Measured) -> Option<String> {
    let Measured { deliveries, measured, not_yet, silent, gone } = *measured;
    if deliveries == 0 {
        return None;
    }
    let why = [
        (not_yet, "not looked at yet"),
        (silent, "where the platform does not tell"),
        (gone, "gone before it was known"),
    ];
    let why: Vec<_> =
        why.iter().filter(|(many, _)| *many > 0).map(|(many, why)| format!("{} {why}", count(*many))).collect();
    let of = counted(deliveries, "delivery", "deliveries");
    Some(match deliveries - measured.min(deliveries) {
        0 => format!("Known for all of {of}."),
        rest => format!("Known for {} of {of}; unknown for {}: {}.", count(measured), count(rest), why.join(", ")),
    })
}

/// A moment for people, to the minute; a program reads it in full.
pub fn moment(at: Timestamp, zone: &TimeZone) -> Markup {
    html! { time datetime=(at) { (at.to_zoned(zone.clone()).strftime("%-d %b %Y, %H:%M")) } }
}

/// The day of a moment, where the minute tells nothing.
pub fn date(at: Timestamp, zone: &TimeZone) -> Markup {
    html! { time datetime=(at) { (day(zone.to_datetime(at).date())) } }
}

/// A day, such as `4 May 2026`.
pub fn day(date: Date) -> String {
    date.strftime("%-d %b %Y").to_string()
}

/// From the first day to the last, naming a year once where there is one.
pub fn days(first: Date, last: Date) -> String {
    let begin = if first.year() == last.year() { "%-d\u{a0}%B" } else { "%-d\u{a0}%B\u{a0}%Y" };
    format!("{}\u{a0}– {}", first.strftime(begin), last.strftime("%-d\u{a0}%B\u{a0}%Y"))
}

/// A place across a drawing, in hundredths of a percent: the drawing is as wide as the page lets it be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Across(u64);

impl Across {
    /// `part` of `whole`, laid over the width that ends at `end`.
    pub fn of(part: u64, whole: u64, end: Self) -> Self {
        let place = u128::from(part) * u128::from(end.0) / u128::from(whole.max(1));
        Self(u64::try_from(place).unwrap_or(end.0))
    }

    pub const fn percent(whole: u64) -> Self {
        Self(whole * 100)
    }

    pub fn plus(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }

    pub fn minus(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }

    /// So many hundredths of it.
    pub fn part(self, hundredths: u64) -> Self {
        Self(self.0 * hundredths / 100)
    }

    pub fn half(self) -> Self {
        Self(self.0 / 2)
    }
}

impl Render for Across {
    fn render_to(&self, to: &mut String) {
        to.push_str(&format!("{}.{:02}%", self.0 / 100, self.0 % 100));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_read_at_a_glance() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!([59, 60, 3_600, 5_400, 90_000].map(span), ["59 s", "1 min", "1 h", "1 h 30 min", "1 d 1 h"]);
        assert_eq!([percent(199, 200), percent(0, 0)], [Some(99), None]);
    }

    #[test]
    fn amounts_have_as_many_decimals_as_they_need() {
        let euros = |micros| money(&Money { micros, currency: "EUR".parse().unwrap() });
        assert_eq!([99_000_000, 1_234_500_000].map(euros), ["99 EUR", "1,234.50 EUR"]);
        assert_eq!([-2_500_000, 1_000_001].map(euros), ["−2.50 EUR", "1.000001 EUR"]);
        assert_eq!(euros(i64::MIN), "−9,223,372,036,854.775808 EUR");
    }
}
