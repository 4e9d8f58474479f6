//! Outcomes, posts and reach, for people.

use std::cmp::Reverse;
use std::io::{self, Write};

use crate::cli::output::{Cell, Page, Table};
use crate::domain::Money;
use crate::report::{GainRow, Gains, OutcomeSummary, PostLine, Report, Verdict};

use super::{a_week, known_of, note, title};

/// Most posts in a table; the JSON has all of them.
const POSTS: usize = 10;

pub fn outcomes(report: &Report, page: Page, out: &mut dyn Write) -> io::Result<()> {
    let outcomes = &report.outcomes;
    title("Outcomes", outcomes.counts, page, out)?;
    if outcomes.total.is_empty() {
        return writeln!(out, "no outcome was recorded for this time\n");
    }
    tables(outcomes, page, out)?;
    let week = |of: fn(&Gains) -> u64| outcomes.weeks.iter().map(|week| Some(of(&week.gains))).collect::<Vec<_>>();
    a_week(&[("leads", week(|gains| gains.leads)), ("customers", week(|gains| gains.customers))], page, out)
}

fn tables(outcomes: &OutcomeSummary, page: Page, out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new(&[
        ("BY", None),
        ("", Some(12)),
        ("POSTS", None),
        ("LEADS", None),
        ("CUSTOMERS", None),
        ("MONEY", Some(12)),
    ]);
    let mut row = |by: &str, name: &str, posts: Option<u64>, gains: &Gains| {
        let [leads, customers, money] = figures(gains);
        table.row(vec![
            Cell::new(by),
            Cell::new(name),
            Cell::maybe(posts.map(|posts| posts.to_string())),
            leads,
            customers,
            money,
        ]);
    };
    row("all", "", None, &outcomes.total);
    row("", "that name no post", None, &outcomes.without_post);
    if !outcomes.unknown_post.is_empty() {
        row("", "that name an unknown post", None, &outcomes.unknown_post);
    }
    let mut best: Vec<&GainRow> = outcomes.by_post.iter().collect();
    best.sort_by_key(|row| Reverse((row.gains.customers, row.gains.leads)));
    best.truncate(POSTS);
    for (by, rows) in [
        ("audience", outcomes.by_audience.iter().collect()),
        ("goal", outcomes.by_goal.iter().collect()),
        ("series", outcomes.by_series.iter().collect()),
        ("account", outcomes.by_account.iter().collect()),
        ("post", best),
    ] {
        for (place, line) in rows.into_iter().enumerate() {
            let by = if place == 0 { by } else { "" };
            row(by, line.name.as_deref().unwrap_or("(none)"), Some(line.posts), &line.gains);
        }
    }
    table.render(page, out)?;
    writeln!(out)
}

fn figures(gains: &Gains) -> [Cell; 3] {
    let money = gains.revenue.iter().map(amount).collect::<Vec<_>>().join(", ");
    [Cell::new(gains.leads.to_string()), Cell::new(gains.customers.to_string()), Cell::new(money)]
}

/// `12,340.50 EUR`; without cents where there are none.
pub fn amount(money: &Money) -> String {
    let (whole, part) = (money.micros.unsigned_abs() / 1_000_000, money.micros.unsigned_abs() % 1_000_000);
    let sign = if money.micros < 0 { "-" } else { "" };
    let part = match format!("{part:06}").trim_end_matches('0') {
        "" => String::new(),
        digits => format!(".{digits:0<2}"),
    };
    format!("{sign}{}{part} {}", grouped(whole), money.currency)
}

/// A number with its thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// What is not known is no zero.
fn known(figure: Option<u64>) -> Cell {
    Cell::new(figure.map_or_else(|| "?".to_owned(), grouped))
}

pub fn posts(report: &Report, page: Page, out: &mut dyn Write) -> io::Result<()> {
    let comparison = &report.comparison;
    title("Posts", comparison.counts, page, out)?;
    if report.posts.is_empty() {
        return writeln!(out, "nothing was delivered in this time\n");
    }
    let mut table = Table::new(&[
        ("AUDIENCE", Some(8)),
        ("GOAL", None),
        ("POSTS", None),
        ("DELIVERIES", None),
        ("PEOPLE", None),
        ("CONVERSATIONS", None),
        ("LEADS", None),
        ("CUSTOMERS", None),
        ("MONEY", Some(12)),
    ]);
    for group in &report.posts {
        let [posts, deliveries] = [group.posts, group.deliveries].map(|count| Cell::new(count.to_string()));
        let [leads, customers, money] = figures(&group.gains);
        let (people, talks) = (known(group.people), known(group.conversations));
        let unknown = group.posts == 0;
        let [people, talks] = [people, talks].map(|cell| if unknown { Cell::new("-") } else { cell });
        table.row(vec![
            Cell::new(&group.audience),
            Cell::new(&group.goal),
            posts,
            deliveries,
            people,
            talks,
            leads,
            customers,
            money,
        ]);
    }
    table.render(page, out)?;
    writeln!(out)?;
    verdicts(report, page, out)
}

fn verdicts(report: &Report, page: Page, out: &mut dyn Write) -> io::Result<()> {
    let comparison = &report.comparison;
    let mut table = Table::new(&[
        ("", None),
        ("POST", Some(12)),
        ("GOAL", None),
        ("VIEWS", None),
        ("PEOPLE", None),
        ("LEADS", None),
        ("CUSTOMERS", None),
        ("MONEY", Some(12)),
    ]);
    for (verdict, name) in
        [(Verdict::LoudAndUseless, "loud and useless"), (Verdict::QuietAndUseful, "quiet and useful")]
    {
        let mut lines: Vec<&PostLine> = comparison.posts.iter().filter(|line| line.verdict == Some(verdict)).collect();
        match verdict {
            Verdict::LoudAndUseless => lines.sort_by_key(|line| Reverse(line.reach)),
            Verdict::QuietAndUseful => {
                lines.sort_by_key(|line| Reverse((line.gains.customers, line.gains.leads, line.people)))
            }
        }
        for line in lines.into_iter().take(POSTS) {
            let [leads, customers, money] = figures(&line.gains);
            table.row(vec![
                Cell::new(name),
                Cell::new(line.post.as_str()),
                Cell::new(&line.goal),
                known(line.reach),
                known(line.people),
                leads,
                customers,
                money,
            ]);
        }
    }
    if !table.is_empty() {
        table.render(page, out)?;
    }
    let compared = comparison.compared;
    let of = comparison.posts.len();
    note(&format!("{}; here {compared} of {of}", comparison.rule), page, out)?;
    writeln!(out)
}

/// Small, and last.
pub fn reach(report: &Report, page: Page, out: &mut dyn Write) -> io::Result<()> {
    let reach = &report.reach;
    let figure = |figure: Option<u64>| figure.map_or_else(|| "unknown".to_owned(), grouped);
    note(
        &format!("reach: views {}, clicks {}; {}", figure(reach.views), figure(reach.clicks), reach.counts),
        page,
        out,
    )?;
    known_of(&reach.measured, page, out)
}
