//! One table of a report as CSV (RFC 4180). A cell is empty where the truth is not known.

use std::io::{self, Write};

use crate::cli::args::ReportSection;
use crate::cli::output::csv_cell;
use crate::domain::Cause;
use crate::report::{GainRow, Gains, Report};

/// The table of a section.
///
/// # Errors
/// When the output cannot be written.
pub fn csv(report: &Report, section: ReportSection, out: &mut dyn Write) -> io::Result<()> {
    let (header, rows) = match section {
        ReportSection::Beat => beat(report),
        ReportSection::People => people(report),
        ReportSection::Conversations => conversations(report),
        ReportSection::Outcomes => outcomes(report),
        ReportSection::Posts => posts(report),
    };
    // Whoever gets only the file reads it there.
    let made_up = |text: &str| report.made_up.then(|| text.to_owned());
    csv_row(made_up("made_up").into_iter().chain(header), out)?;
    rows.into_iter().try_for_each(|row| csv_row(made_up("true").into_iter().chain(row), out))
}

type Rows = (Vec<String>, Vec<Vec<String>>);

fn names<const N: usize>(names: [&str; N]) -> Vec<String> {
    names.map(str::to_owned).into()
}

fn maybe<T: ToString>(figure: Option<T>) -> String {
    figure.map_or_else(String::new, |figure| figure.to_string())
}

/// One row for each account and week.
fn beat(report: &Report) -> Rows {
    let mut header = names(["account", "platform", "week", "starts", "planned", "kept", "late"]);
    header.extend(Cause::ALL.map(|cause| format!("empty_{}", cause.name())));
    let mut rows = Vec::new();
    for account in &report.accounts {
        for week in &account.beat.weeks {
            let mut row = vec![account.account.to_string(), account.platform.clone(), week.week.clone()];
            row.push(week.starts.to_string());
            row.extend([week.planned, week.kept, week.late].map(|count| count.to_string()));
            row.extend(Cause::ALL.map(|cause| week.empty.get(&cause).copied().unwrap_or(0).to_string()));
            rows.push(row);
        }
    }
    (header, rows)
}

/// One row for each week.
fn people(report: &Report) -> Rows {
    let rows = report.people.weeks.iter().map(|week| {
        let mut row = vec![week.week.clone(), week.starts.to_string()];
        row.extend([week.distinct, week.new, week.returning, week.core].map(|count| count.to_string()));
        row
    });
    (names(["week", "starts", "people", "new", "returning", "core"]), rows.collect())
}

/// One row for each week.
fn conversations(report: &Report) -> Rows {
    let rows = report.conversations.weeks.iter().map(|week| {
        let mut row =
            vec![week.week.clone(), week.starts.to_string(), week.opened.to_string(), week.answered.to_string()];
        row.extend([week.speed.map(|speed| speed.median_s), week.speed.map(|speed| speed.p90_s)].map(maybe));
        row
    });
    (names(["week", "starts", "opened", "answered", "median_s", "p90_s"]), rows.collect())
}

/// One row for each name and currency: the first has leads and customers, and one more follows for each more currency.
fn outcomes(report: &Report) -> Rows {
    let outcomes = &report.outcomes;
    let mut rows = Vec::new();
    let mut row = |by: &str, name: &str, posts: Option<u64>, gains: &Gains| {
        for place in 0..gains.revenue.len().max(1) {
            let mut row = vec![by.to_owned(), name.to_owned()];
            let first = place == 0;
            row.extend([posts, Some(gains.leads), Some(gains.customers)].map(|count| maybe(count.filter(|_| first))));
            let money = gains.revenue.get(place);
            row.push(maybe(money.map(|money| money.currency)));
            row.push(maybe(money.map(|money| decimal(money.micros))));
            rows.push(row);
        }
    };
    row("all", "", None, &outcomes.total);
    row("without-post", "", None, &outcomes.without_post);
    row("unknown-post", "", None, &outcomes.unknown_post);
    let tables: [(&str, &[GainRow]); 5] = [
        ("audience", &outcomes.by_audience),
        ("goal", &outcomes.by_goal),
        ("series", &outcomes.by_series),
        ("account", &outcomes.by_account),
        ("post", &outcomes.by_post),
    ];
    for (by, lines) in tables {
        for line in lines {
            row(by, line.name.as_deref().unwrap_or_default(), Some(line.posts), &line.gains);
        }
    }
    (names(["by", "name", "posts", "leads", "customers", "currency", "money"]), rows)
}

/// One row for each post.
fn posts(report: &Report) -> Rows {
    let header = names([
        "post",
        "audience",
        "goal",
        "series",
        "at",
        "accounts",
        "people",
        "conversations",
        "leads",
        "customers",
        "money",
        "views",
        "deliveries",
        "views_measured",
        "verdict",
    ]);
    let rows = report.comparison.posts.iter().map(|line| {
        let accounts: Vec<_> = line.accounts.iter().map(|account| account.as_str()).collect();
        let money: Vec<_> =
            line.gains.revenue.iter().map(|sum| format!("{} {}", decimal(sum.micros), sum.currency)).collect();
        let mut row =
            vec![line.post.to_string(), line.audience.clone(), line.goal.clone(), maybe(line.series.as_ref())];
        row.extend([line.at.to_string(), accounts.join(" "), maybe(line.people), maybe(line.conversations)]);
        row.extend([
            line.gains.leads.to_string(),
            line.gains.customers.to_string(),
            money.join(" "),
            maybe(line.reach),
        ]);
        row.extend([line.measured.deliveries, line.measured.measured].map(|count| count.to_string()));
        row.push(maybe(line.verdict.map(|verdict| verdict.name())));
        row
    });
    (header, rows.collect())
}

/// Millionths as a number, for spreadsheets.
fn decimal(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    format!("{sign}{}.{:06}", micros.unsigned_abs() / 1_000_000, micros.unsigned_abs() % 1_000_000)
}

fn csv_row(cells: impl Iterator<Item = String>, out: &mut dyn Write) -> io::Result<()> {
    let cells: Vec<_> = cells.map(|cell| csv_cell(&cell)).collect();
    write!(out, "{}\r\n", cells.join(","))
}
