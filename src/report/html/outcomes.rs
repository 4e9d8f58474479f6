//! What came of it: leads, customers and revenue, by audience and goal, series and post. Amounts of different currencies
//! are never added and never stand in one drawing.

use std::collections::BTreeSet;

use maud::{Markup, html};

use super::chart::{Bar, Bars, Figure, Fill, bars};
use super::page::Section;
use super::table::{Column, Table};
use super::words::{bare_money, came, count, counted, figure, money, revenue, theirs, unknown};
use crate::domain::{Currency, Money};
use crate::report::{GainRow, Gains, PostGroup, Report};

/// Most names in one drawing; the table has all.
const DRAWN: usize = 12;
/// Most rows of a table that are in sight.
const ROWS: usize = 12;

pub fn section(report: &Report) -> Section {
    let outcomes = &report.outcomes;
    let known = !report.not_measured.contains(&"outcomes");
    let about = if outcomes.counts.is_empty() { Vec::new() } else { vec![super::page::sentence(outcomes.counts)] };
    let body = html! {
        (figures(&outcomes.total, known))
        @if !known {
            p class="none" { "What came of posts is " (unknown()) ": no outcome is on record. " code { "cadenced outcome" } " records them." }
        }
        @if known {
            (drawn("audience", "What came of it, by audience", &outcomes.by_audience))
            (drawn("goal", "What came of it, by goal", &outcomes.by_goal))
            @for currency in currencies(&outcomes.by_audience) { (earned(currency, &outcomes.by_audience)) }
        }
        (groups(&report.posts, known))
        @if known {
            (rows("By series", "Series", &outcomes.by_series))
            (rows("By post", "Post", &outcomes.by_post))
            (rows("By account", "Account", &outcomes.by_account))
            (unplaced("name no post", &outcomes.without_post))
            (unplaced("name a post that is not on record", &outcomes.unknown_post))
        }
    };
    Section { id: "outcomes", title: "What came of it", about, body }
}

fn figures(total: &Gains, known: bool) -> Markup {
    html! {
        dl class="figures" {
            @for (name, number) in [("leads", total.leads), ("customers", total.customers)] {
                div { dt { (name) } dd class=[(!known).then_some("unknown")] { (figure(known.then_some(number))) } }
            }
            @if total.revenue.is_empty() {
                div { dt { "revenue" } dd class="unknown" { @if known { "none on record" } @else { "unknown" } } }
            }
            @for amount in &total.revenue { div { dt { "revenue in " (amount.currency) } dd { (bare_money(amount)) } } }
        }
    }
}

fn name(row: &GainRow, of: &str) -> String {
    row.name.clone().unwrap_or_else(|| format!("no {of} on record"))
}

/// Leads and customers, side by side.
fn drawn(of: &'static str, title: &'static str, rows: &[GainRow]) -> Markup {
    if rows.iter().all(|row| row.gains.leads + row.gains.customers == 0) {
        return html! {};
    }
    let mut largest: Vec<_> = rows.iter().collect();
    largest.sort_by_key(|row| std::cmp::Reverse((row.gains.customers, row.gains.leads)));
    let groups: Vec<_> = largest
        .iter()
        .take(DRAWN)
        .map(|row| Bars {
            name: format!("{}, {}", name(row, of), counted(row.posts, "post", "posts")),
            bars: vec![
                Bar { fill: Fill::Hatch, length: row.gains.leads, said: counted(row.gains.leads, "lead", "leads") },
                Bar {
                    fill: Fill::Solid,
                    length: row.gains.customers,
                    said: counted(row.gains.customers, "customer", "customers"),
                },
            ],
        })
        .collect();
    let shows: Vec<_> = largest
        .iter()
        .take(DRAWN)
        .map(|row| {
            let Gains { leads, customers, .. } = &row.gains;
            format!(
                "{}: {}, {}",
                name(row, of),
                counted(*leads, "lead", "leads"),
                counted(*customers, "customer", "customers")
            )
        })
        .collect();
    let (height, drawing) = bars(&groups);
    let cut =
        if rows.len() > DRAWN { format!(" The first {DRAWN} are drawn; the table has all.") } else { String::new() };
    let figure = Figure {
        id: format!("by-{of}"),
        title: title.to_owned(),
        what: format!("Leads and customers that name a post.{cut}"),
        shows: shows.join("; "),
        height,
        drawing,
        legend: vec![(Fill::Hatch, "leads".into()), (Fill::Solid, "customers".into())],
        numbers: table(title, if of == "goal" { "Goal" } else { "Audience" }, of, rows),
    };
    html! { (figure) }
}

fn currencies(rows: &[GainRow]) -> BTreeSet<Currency> {
    rows.iter().flat_map(|row| &row.gains.revenue).map(|sum| sum.currency).collect()
}

/// What audiences brought in one currency.
fn earned(currency: Currency, rows: &[GainRow]) -> Markup {
    let sum = |row: &GainRow| row.gains.revenue.iter().find(|sum| sum.currency == currency).map_or(0, |sum| sum.micros);
    let mut largest: Vec<_> =
        rows.iter().map(|row| (name(row, "audience"), sum(row))).filter(|(_, sum)| *sum != 0).collect();
    largest.sort_by_key(|(_, sum)| std::cmp::Reverse(*sum));
    let said = |micros| money(&Money { micros, currency });
    let groups: Vec<_> = largest
        .iter()
        .take(DRAWN)
        .map(|(name, micros)| {
            // What was paid back is told, and has no length.
            let length = u64::try_from(*micros).unwrap_or(0);
            Bars { name: name.clone(), bars: vec![Bar { fill: Fill::Solid, length, said: said(*micros) }] }
        })
        .collect();
    let mut numbers = Table::new(
        format!("Revenue in {currency}, by audience"),
        &[("Audience", Column::Short), ("Revenue", Column::Number)],
    );
    for (name, micros) in &largest {
        numbers.row(vec![theirs(name), html! { (said(*micros)) }]);
    }
    let shows =
        largest.iter().map(|(name, micros)| format!("{name}: {}", said(*micros))).collect::<Vec<_>>().join("; ");
    let (height, drawing) = bars(&groups);
    let what = "What names a post. Amounts of different currencies are never added.".to_owned();
    let figure = Figure {
        id: format!("revenue-{currency}"),
        title: format!("Revenue in {currency}, by audience"),
        what,
        shows,
        height,
        drawing,
        legend: Vec::new(),
        numbers,
    };
    html! { (figure) }
}

fn groups(posts: &[PostGroup], known: bool) -> Markup {
    let head = [
        ("Audience", Column::Text),
        ("Goal", Column::Short),
        ("Posts", Column::Number),
        ("Deliveries", Column::Number),
        ("People", Column::Number),
        ("Conversations", Column::Number),
        ("Leads", Column::Number),
        ("Customers", Column::Number),
        ("Revenue", Column::Number),
    ];
    let mut table = Table::new("Posts by audience and goal", &head).quiet().wide();
    for group in posts {
        let audience = if group.audience.is_empty() { "no audience on record" } else { &group.audience };
        let goal = if group.goal.is_empty() { "not on record" } else { &group.goal };
        table.row(vec![
            theirs(audience),
            theirs(goal),
            html! { (count(group.posts)) },
            html! { (count(group.deliveries)) },
            of_some(group.deliveries, group.people),
            of_some(group.deliveries, group.conversations),
            figure(known.then_some(group.gains.leads)),
            figure(known.then_some(group.gains.customers)),
            html! { @if known { (revenue(&group.gains)) } @else { (unknown()) } },
        ]);
    }
    html! {
        div class="block" {
            h3 { "Every audience and goal" }
            @if table.is_empty() { p { "Nothing was delivered in this time." } } @else { (table.folded(3 * ROWS, "All of them")) }
        }
    }
}

fn table(caption: &str, head: &'static str, of: &str, rows: &[GainRow]) -> Table {
    let name_column = if of == "audience" { Column::Text } else { Column::Short };
    let mut columns = vec![(head, name_column), ("Posts", Column::Number)];
    // A post is one post.
    columns.truncate(if of == "post" { 1 } else { 2 });
    columns.extend([("Leads", Column::Number), ("Customers", Column::Number), ("Revenue", Column::Number)]);
    let mut table = Table::new(caption, &columns);
    for row in rows {
        let Gains { leads, customers, .. } = row.gains;
        let mut cells = vec![theirs(&name(row, of))];
        if of != "post" {
            cells.push(html! { (count(row.posts)) });
        }
        cells.extend([html! { (count(leads)) }, html! { (count(customers)) }, revenue(&row.gains)]);
        table.row(cells);
    }
    table
}

/// Those that brought something, most first.
fn rows(title: &'static str, head: &'static str, rows: &[GainRow]) -> Markup {
    let of = head.to_lowercase();
    let mut told: Vec<_> = rows.iter().filter(|row| row.gains != Gains::default()).cloned().collect();
    told.sort_by_key(|row| std::cmp::Reverse((row.gains.customers, row.gains.leads)));
    html! {
        @if !told.is_empty() {
            div class="block" { h3 { (title) } (table(title, head, &of, &told).quiet().folded(ROWS, "All of them")) }
        }
    }
}

/// A figure about deliveries: where there were none, there is nothing to know.
fn of_some(deliveries: u64, number: Option<u64>) -> Markup {
    html! { @if deliveries == 0 { span class="none" { "–" } } @else { (figure(number)) } }
}

/// What no post has brought is told, so that the tables add up.
fn unplaced(why: &str, gains: &Gains) -> Markup {
    html! { @if let Some(came) = came(gains) { p class="none" { (came) " " (why) ": in the total only." } } }
}
