//! The weeks that all drawings of a page have across, so that one can be read below the other.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, ToSpan as _};
use maud::{Markup, html};

use crate::report::Report;

use super::chart::PLOT;
use super::words::Across;

/// Most weeks that are drawn: a year. Tables have all.
const MOST: i64 = 53;
/// Fewest, so that the first days of a store are no bars as wide as the page.
const LEAST: i64 = 8;

/// With more than so many, marks are small and months are told by the quarter.
const MANY: i64 = 27;

/// Weeks by their Mondays, one beside the other.
#[derive(Debug, Clone, Copy)]
pub struct Weeks {
    first: Date,
    count: i64,
    /// Where the last of them ends.
    end: Across,
    /// Whether some are left out.
    pub cut: bool,
}

impl Weeks {
    /// From the first week in which something was to the last of the time that is looked at.
    pub fn of(report: &Report) -> Self {
        let monday = |at| {
            let date = TimeZone::UTC.to_datetime(at).date();
            back(date, i64::from(date.weekday().to_monday_zero_offset()).days())
        };
        let told = report.accounts.iter().flat_map(|account| account.beat.weeks.iter().map(|week| week.starts));
        let told = told.chain(report.people.weeks.iter().map(|week| week.starts));
        let told: Vec<Date> = told.chain(report.conversations.weeks.iter().map(|week| week.starts)).collect();
        let (begin, end) = (monday(report.window.since), monday(report.window.until));
        let last = told.iter().copied().max().unwrap_or(end).max(end);
        let first = told.iter().copied().min().unwrap_or(begin);
        let all = weeks_between(first, last) + 1;
        let count = all.clamp(LEAST, MOST);
        Self { first: back(last, (count - 1).weeks()), count, end: PLOT, cut: all > MOST }
    }

    /// The place and the width of a week's column.
    pub fn place(self, starts: Date) -> Option<(Across, Across)> {
        let nth = weeks_between(self.first, starts);
        (0..self.count).contains(&nth).then(|| self.nth(nth))
    }

    /// Half the width of a mark that stands for a week, in pixels: a year of them has to fit on a phone.
    pub fn mark(self) -> &'static str {
        if self.count > MANY { "2" } else { "4" }
    }

    /// The same weeks, over the whole width.
    pub fn wide(self) -> Self {
        Self { end: Across::percent(100), ..self }
    }

    fn nth(self, nth: i64) -> (Across, Across) {
        let at = |nth: i64| Across::of(nth.unsigned_abs(), self.count.unsigned_abs(), self.end);
        (at(nth), at(nth + 1).minus(at(nth)))
    }

    /// Every Monday, with the place and the width of its column.
    pub fn columns(self) -> impl Iterator<Item = (Date, Across, Across)> {
        (0..self.count).map(move |nth| {
            let (place, width) = self.nth(nth);
            (self.first.checked_add(nth.weeks()).unwrap_or(self.first), place, width)
        })
    }

    /// The names of months below the first week that begins in them.
    pub fn axis(self, y: u64) -> Markup {
        let every = if self.count > MANY { 3 } else { 1 };
        let mut told = Vec::new();
        let mut month = None;
        for (monday, place, _) in self.columns() {
            let begins = month.replace((monday.year(), monday.month())) != Some((monday.year(), monday.month()));
            // The first column may show the end of a month, whose name would leave no room for the next.
            let room = monday.day() <= 7 && (i32::from(monday.month()) - 1) % every == 0;
            if begins && room {
                let name = if monday.month() == 1 { monday.strftime("%b %Y") } else { monday.strftime("%b") };
                told.push((place, name.to_string()));
            }
        }
        html! {
            @for (place, name) in told {
                line class="axis" x1=(place) x2=(place) y1=(y) y2=(y + 5) {}
                text x=(place) y=(y + 16) dx="4" { (name) }
            }
        }
    }
}

fn back(date: Date, span: Span) -> Date {
    date.checked_sub(span).unwrap_or(date)
}

fn weeks_between(first: Date, last: Date) -> i64 {
    // Days alone have no calendar in them.
    i64::from(first.until(last).map_or(0, |span| span.get_days())).div_euclid(7)
}
