//! `cadenced report`: the whole look back, as a table, as JSON or as CSV. Pure; the report comes in ready.
//!
//! The beat comes first, then people, conversations, outcomes and posts; reach is one line at the end.

mod outcomes;
mod people;
mod rows;
#[cfg(test)]
mod tests;

use std::io::{self, Write};

use jiff::tz::TimeZone;

use crate::domain::{Cause, Timestamp, time};
use crate::report::{AccountSummary, Measured, Report, Runway, Week, Window};

use super::args::{ReportSection, Since};
use super::exit::{Failure, Kind};
use super::output::{Cell, Page, Table, fit, moment, paint, zone_name};

pub use rows::csv;

/// The first line of what is no report of anything.
const MADE_UP: &str = "made up: nothing of this has happened, it shows what a report looks like";
/// What is counted as the beat, in words.
const BEAT: &str = "slots that have passed, and posts with a time of their own; kept: a post was delivered for it; late: by more \
    than a quarter of an hour";

/// Most gaps of an account in the table; the JSON has all of them.
const GAPS: usize = 5;
/// Most weeks in a row of bars.
const BARS: usize = 26;
/// From nothing kept to everything.
const BAR: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// From where `since` says until now.
///
/// # Errors
/// That is still to come: a report of it would say that nothing was.
pub fn window(since: Since, zone: &TimeZone, now: Timestamp) -> Result<Window, Failure> {
    let begins = match since {
        Since::Span(span) => time::before(now, span),
        Since::Day(day) => day.to_zoned(zone.clone()).map_or(Timestamp::MIN, |begin| begin.timestamp()),
    };
    if begins > now {
        let what = format!("there is nothing to look back on since {}: that is still to come", moment(begins, zone));
        return Err(
            Failure::new(Kind::Usage, what).with_hint("--since takes a day that has begun, or a span such as 90d")
        );
    }
    Ok(Window { since: begins, until: now })
}

/// The whole of it.
///
/// # Errors
/// When the output cannot be written.
pub fn json(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, report)?;
    out.write_all(b"\n")
}

/// For people: all of it, or one section.
///
/// # Errors
/// When the output cannot be written.
pub fn table(
    report: &Report,
    section: Option<ReportSection>,
    zone: &TimeZone,
    page: Page,
    out: &mut dyn Write,
) -> io::Result<()> {
    let dim = page.styles().dim;
    if report.made_up {
        writeln!(out, "{}\n", paint(page.colour, page.styles().warn, &fit(MADE_UP, page.width)))?;
    }
    let Window { since, until } = report.window;
    let times = format!("{} to {} ({})", moment(since, zone), moment(until, zone), zone_name(zone));
    writeln!(out, "{}\n", paint(page.colour, dim, &fit(&times, page.width)))?;
    let wanted = |of: ReportSection| section.is_none_or(|section| section == of);
    if wanted(ReportSection::Beat) {
        title("Beat", BEAT, page, out)?;
        beat(report, page, out)?;
        gaps(report, zone, page, out)?;
    }
    if wanted(ReportSection::People) {
        people::people(report, zone, page, out)?;
    }
    if wanted(ReportSection::Conversations) {
        people::conversations(report, zone, page, out)?;
    }
    if wanted(ReportSection::Outcomes) {
        outcomes::outcomes(report, page, out)?;
    }
    if wanted(ReportSection::Posts) {
        outcomes::posts(report, page, out)?;
        outcomes::reach(report, page, out)?;
    }
    if report.not_measured.is_empty() {
        return Ok(());
    }
    let missing = format!("not measured yet: {}", report.not_measured.join(", "));
    writeln!(out, "{}", paint(page.colour, dim, &fit(&missing, page.width)))
}

fn beat(report: &Report, page: Page, out: &mut dyn Write) -> io::Result<()> {
    let styles = page.styles();
    // Of the past alone it is not known.
    let runways = report.accounts.iter().any(|account| account.runway.is_some());
    if !runways && report.accounts.iter().all(|account| account.beat.planned == 0) {
        return writeln!(out, "no slot has passed in this time\n");
    }
    let mut columns = vec![
        ("ACCOUNT", Some(8)),
        ("PLANNED", None),
        ("KEPT", None),
        ("LATE", None),
        ("STREAK", None),
        ("LONGEST", None),
    ];
    columns.extend(runways.then_some(("RUNWAY", None)));
    columns.extend([("NOT KEPT", Some(12)), ("BY WEEK", Some(8))]);
    let mut table = Table::new(&columns);
    for AccountSummary { account, beat, runway, .. } in &report.accounts {
        let style = if beat.kept == beat.planned { styles.good } else { styles.warn };
        let mut cells = vec![
            Cell::new(account.as_str()),
            Cell::new(beat.planned.to_string()),
            Cell::styled(share(beat.kept, beat.planned), style),
            Cell::new(beat.late.to_string()),
            Cell::new(beat.streak.to_string()),
            Cell::new(beat.longest_streak.to_string()),
        ];
        cells.extend(runways.then(|| Cell::new(runway.map_or_else(|| "-".into(), Runway::text))));
        cells.extend([Cell::new(causes(&beat.weeks)), Cell::new(bars(&beat.weeks))]);
        table.row(cells);
    }
    table.render(page, out)?;
    writeln!(out)
}

fn gaps(report: &Report, zone: &TimeZone, page: Page, out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new(&[
        ("GAP FROM", None),
        ("TO", None),
        ("ACCOUNT", Some(8)),
        ("SLOTS", None),
        ("CAUSE", None),
        ("REASON", Some(12)),
    ]);
    for AccountSummary { account, beat, .. } in &report.accounts {
        for gap in beat.gaps.iter().rev().take(GAPS).rev() {
            table.row(vec![
                Cell::new(moment(gap.from, zone)),
                Cell::new(moment(gap.to, zone)),
                Cell::new(account.as_str()),
                Cell::new(gap.slots.to_string()),
                Cell::new(gap.cause.name()),
                Cell::new(&gap.reason),
            ]);
        }
    }
    if table.is_empty() {
        return Ok(());
    }
    table.render(page, out)?;
    writeln!(out)
}

/// A heading, and what is counted below it.
fn title(name: &str, counts: &str, page: Page, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", paint(page.colour, page.styles().head, name))?;
    note(counts, page, out)
}

/// Words beside the figures, broken where the page ends.
fn note(text: &str, page: Page, out: &mut dyn Write) -> io::Result<()> {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > page.width {
            writeln!(out, "{}", paint(page.colour, page.styles().dim, &line))?;
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line += word;
    }
    writeln!(out, "{}", paint(page.colour, page.styles().dim, &line))
}

/// With how many deliveries a figure can speak for.
fn known_of(measured: &Measured, page: Page, out: &mut dyn Write) -> io::Result<()> {
    let Measured { deliveries, measured, not_yet, silent, gone } = measured;
    let why =
        [(not_yet, "not looked at yet"), (silent, "not told by the platform"), (gone, "gone before it was known")];
    let why = why.into_iter().filter(|(count, _)| **count > 0);
    let why: Vec<_> = why.map(|(count, why)| format!("{count} {why}")).collect();
    let others = if why.is_empty() { String::new() } else { format!("; the others: {}", why.join(", ")) };
    note(&format!("this is known of {measured} of {deliveries} deliveries{others}"), page, out)?;
    writeln!(out)
}

/// Figures by week, with a bar for each of the last weeks; `None` where there is no figure.
fn a_week(rows: &[(&str, Vec<Option<u64>>)], page: Page, out: &mut dyn Write) -> io::Result<()> {
    let columns = [("A WEEK", None), ("LEAST", None), ("MOST", None), ("LAST", None), ("BY WEEK", Some(8))];
    let mut table = Table::new(&columns);
    for (name, weeks) in rows {
        let shown = &weeks[weeks.len().saturating_sub(BARS)..];
        let figure =
            |figure: Option<u64>| Cell::new(figure.map_or_else(|| "-".to_owned(), |figure| figure.to_string()));
        let known = || shown.iter().flatten().copied();
        let last = shown.last().copied().flatten();
        table.row(vec![
            Cell::new(name),
            figure(known().min()),
            figure(known().max()),
            figure(last),
            Cell::new(spark(shown)),
        ]);
    }
    table.render(page, out)?;
    writeln!(out)
}

/// The highest is a full bar, only nothing is the lowest, and what is not known is none.
fn spark(weeks: &[Option<u64>]) -> String {
    let most = weeks.iter().flatten().max().copied().unwrap_or(0).max(1);
    let steps = BAR.len() as u64 - 1;
    let bar =
        |value: u64| BAR[usize::try_from(value.saturating_mul(steps).div_ceil(most)).unwrap_or(0).min(BAR.len() - 1)];
    weeks.iter().map(|week| week.map_or(' ', bar)).collect()
}

/// `9 of 10` would be read as a grade; the share tells at once.
fn share(kept: u64, planned: u64) -> String {
    if planned == 0 {
        return "-".into();
    }
    // Rounded down: only all of it is 100 %.
    format!("{kept} ({} %)", kept.saturating_mul(100) / planned)
}

fn causes(weeks: &[Week]) -> String {
    let count = |cause: &Cause| weeks.iter().filter_map(|week| week.empty.get(cause)).sum::<u64>();
    let told = Cause::ALL.iter().map(|cause| (cause, count(cause))).filter(|(_, count)| *count > 0);
    told.map(|(cause, count)| format!("{count} {}", cause.name())).collect::<Vec<_>>().join(", ")
}

/// One bar a week, from the first to the last in which something was planned; a blank where nothing was.
fn bars(weeks: &[Week]) -> String {
    let Some(last) = weeks.last() else { return String::new() };
    let bar = |week: &Week| {
        let full = week.planned == week.kept;
        let height = week.kept.saturating_mul(BAR.len() as u64 - 1) / week.planned.max(1);
        if full { BAR[BAR.len() - 1] } else { BAR[usize::try_from(height).unwrap_or(0).min(BAR.len() - 2)] }
    };
    let mut bars = Vec::new();
    let mut day = last.starts;
    for week in weeks.iter().rev() {
        while day > week.starts && bars.len() < BARS {
            bars.push(' ');
            day = day.checked_sub(jiff::Span::new().weeks(1)).unwrap_or(week.starts);
        }
        if bars.len() == BARS {
            break;
        }
        bars.push(bar(week));
        day = day.checked_sub(jiff::Span::new().weeks(1)).unwrap_or(week.starts);
    }
    bars.iter().rev().collect()
}
