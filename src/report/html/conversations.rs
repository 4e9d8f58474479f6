//! Whom we owe an answer, and how fast the others got theirs.

use maud::{Markup, html};

use super::Made;
use super::chart::{Figure, Fill, Plot};
use super::page::Section;
use super::people::who;
use super::table::{Column, Table};
use super::weeks::Weeks;
use super::words::{count, counted, day, figure, large_span, link, moment, span, theirs, unknown};
use crate::report::{ConversationSummary, Report, Speed};

/// Height of the chart of weeks.
const HEIGHT: u64 = 220;
/// Most who wait that are in sight.
const WAITING: usize = 20;

pub fn section(report: &Report, weeks: Weeks, made: &Made) -> Section {
    let conversations = &report.conversations;
    let known = conversations.measured.measured > 0 || conversations.opened > 0 || !conversations.waiting.is_empty();
    let body = html! {
        (figures(conversations, known))
        (waiting(conversations, known, made))
        @if conversations.weeks.iter().any(|week| week.speed.is_some()) { (speed(conversations, weeks)) }
    };
    let about = Section::about(conversations.counts, &conversations.measured);
    Section { id: "conversations", title: "Who waits for us", about, body }
}

fn figures(conversations: &ConversationSummary, known: bool) -> Markup {
    let counts = [
        ("wait for an answer now", conversations.waiting.len() as u64),
        ("conversations opened", conversations.opened),
        ("of them answered", conversations.answered),
    ];
    html! {
        dl class="figures" {
            @for (name, number) in counts {
                div { dt { (name) } dd class=[(!known).then_some("unknown")] { (figure(known.then_some(number))) } }
            }
            @if let Some(Speed { answers, median_s, p90_s }) = conversations.speed {
                div {
                    dt { "half of the first answers came within" } dd { (large_span(median_s)) }
                    dd class="note" { "of " (counted(answers, "first answer", "first answers")) }
                }
                div { dt { "nine of ten came within" } dd { (large_span(p90_s)) } }
            }
        }
    }
}

fn waiting(conversations: &ConversationSummary, known: bool, made: &Made) -> Markup {
    let head = [
        ("Who", Column::Short),
        ("Waits", Column::Short),
        ("Since", Column::Short),
        ("On", Column::Short),
        ("Below", Column::Short),
    ];
    let mut table = Table::new("Who waits, longest first", &head).quiet().wide();
    for owed in &conversations.waiting {
        table.row(vec![
            link(owed.url.as_deref(), &who(&owed.handle, &owed.person)),
            html! { (span(owed.waited_s)) },
            moment(owed.since, made.zone),
            theirs(owed.account.as_str()),
            html! {
                @match &owed.delivery {
                    Some(delivery) => (theirs(delivery.post.as_str())),
                    None => "a mention",
                }
            },
        ]);
    }
    html! {
        div class="block" {
            h3 { "Owed answers" }
            @if !known {
                p { "Who waits is " (unknown()) "." }
            } @else if table.is_empty() {
                p { "Nobody waits." }
            } @else {
                p { "Who has waited longest comes first. " code { "cadenced inbox" } " shows what they said." }
                (table.folded(WAITING, "Everybody who waits"))
            }
        }
    }
}

/// The unit in which the slowest is a figure that one can read.
fn unit(slowest_s: u64) -> (u64, &'static str) {
    match slowest_s {
        0..=7_200 => (60, "min"),
        7_201..=259_200 => (3_600, "h"),
        _ => (86_400, "d"),
    }
}

/// A week's median and the time within which nine of ten were answered, joined.
fn speed(conversations: &ConversationSummary, weeks: Weeks) -> Markup {
    let drawn = || conversations.weeks.iter().filter_map(|week| week.speed.zip(weeks.place(week.starts)));
    let slowest = drawn().map(|(speed, _)| speed.p90_s).max().unwrap_or(0);
    let (size, name) = unit(slowest);
    let plot = Plot::of_units(HEIGHT, slowest, size);
    let drawing = html! {
        (plot.axis(name))
        @for (speed, (x, width)) in drawn() {
            @let x = x.plus(width.half());
            @let (middle, most) = (plot.place(speed.median_s), plot.place(speed.p90_s));
            line class="stem" x1=(x) x2=(x) y1=(most) y2=(middle) {}
            circle class="ring" cx=(x) cy=(most) r=(weeks.mark()) {}
            circle class="solid" cx=(x) cy=(middle) r=(weeks.mark()) {}
        }
        (weeks.axis(plot.floor()))
    };
    let head = [
        ("Week", Column::Short),
        ("From", Column::Short),
        ("Opened", Column::Number),
        ("First answers", Column::Number),
        ("Half within", Column::Number),
        ("Nine of ten within", Column::Number),
    ];
    let mut numbers = Table::new("Conversations by week", &head);
    for week in conversations.weeks.iter().rev() {
        let within = |pick: fn(Speed) -> u64| {
            html! { @match week.speed { Some(speed) => (span(pick(speed))), None => span class="none" { "–" } } }
        };
        numbers.row(vec![
            html! { (week.week) },
            html! { (day(week.starts)) },
            html! { (count(week.opened)) },
            html! { (count(week.answered)) },
            within(|speed| speed.median_s),
            within(|speed| speed.p90_s),
        ]);
    }
    let told = conversations.weeks.iter().filter_map(|week| week.speed.map(|speed| (&week.week, speed)));
    let told = told.map(|(week, speed)| format!("{week}: {} and {}", span(speed.median_s), span(speed.p90_s)));
    let shows = format!("Half and nine of ten within, by week. {}.", told.collect::<Vec<_>>().join("; "));
    let legend = vec![
        (Fill::Mark, "half were answered within".to_owned()),
        (Fill::Ring, "nine of ten were answered within".to_owned()),
    ];
    let what = format!("How long first answers took, by the week in which they were given ({}).", unit_name(name));
    let title = "How fast we answer".to_owned();
    html! {
        (Figure { id: "speed".into(), title, what, shows, height: HEIGHT, drawing, legend, numbers })
    }
}

fn unit_name(unit: &str) -> &'static str {
    match unit {
        "min" => "minutes",
        "h" => "hours",
        _ => "days",
    }
}
