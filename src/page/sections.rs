//! The page and its sections, in the order in which a person needs them.

use std::collections::BTreeMap;

use maud::{Markup, html};

use crate::control::overview::{Delivered, Overview};
use crate::control::protocol::{AccountReport, AccountState, Attention, PlanLine, Stage};
use crate::domain::time::{self, days_text};
use crate::report::html::page::{Section, Shell};
use crate::report::html::table::{Column, Table};
use crate::report::html::weeks::Weeks;
use crate::report::html::words::{count, counted, link, moment, span, theirs};
use crate::report::html::{Made, beat};

use super::{Status, calendar};

/// What the report's page does not have.
const OWN_STYLE: &str = include_str!("status.css");
/// Held posts of one reason that are named.
const NAMED: usize = 8;

pub fn page(status: &Status) -> Markup {
    let Status { overview, report, zone } = *status;
    let made = Made { zone, version: &overview.daemon.version };
    let mut sections = vec![needs(overview), ahead(status), latest(status)];
    if let Some(report) = report {
        sections.push(beat::section(report, Weeks::of(report), &made));
    }
    sections.push(accounts(status));
    let about = html! {
        div class="about" {
            p { (next(status)) }
            p { "As of " (moment(overview.now, zone)) ". Times are those of " (zone.iana_name().unwrap_or("this machine")) "; load the page again for newer ones." }
        }
    };
    let footer = html! {
        p { "cadenced " (overview.daemon.version) @if let Some(pid) = overview.daemon.pid { ", process " (pid) } "." }
        p { "For programs: " a href="/v1/overview" { "/v1/overview" } ", " a href="/v1/status" { "/v1/status" } ", " a href="/metrics" { "/metrics" } "." }
    };
    let heading = headline(overview);
    let (title, main) = (format!("{heading} – cadenced"), ("status", "status"));
    Shell { title, heading, main, version: made.version, style: OWN_STYLE, about, sections, footer }.document()
}

/// The whole of it in one line.
fn headline(overview: &Overview) -> String {
    match overview.attention.len() {
        _ if overview.stopping => "Stopping".into(),
        _ if !overview.ready => "Reading the queue".into(),
        0 => "All is well".into(),
        1 => "One thing needs a person".into(),
        many => format!("{} things need a person", count(many)),
    }
}

fn next(status: &Status) -> Markup {
    let overview = status.overview;
    html! {
        @match overview.next() {
            Some((at, account, delivery)) => {
                "Next: "
                @if let Some(delivery) = delivery { (theirs(delivery.post.as_str())) " on " }
                (theirs(account.as_str())) ", " (moment(at, status.zone)) ". "
            }
            None => "No post is in line. ",
        }
        @if overview.in_flight > 0 {
            (counted(overview.in_flight as u64, "account is", "accounts are")) " sending or asking something. "
        }
    }
}

fn needs(overview: &Overview) -> Section {
    let Overview { attention, waiting, .. } = overview;
    let talk = match waiting {
        0 => "Nobody waits for an answer.".to_owned(),
        waiting => {
            let since = overview.waiting_since.map(|since| time::since(overview.now, since).as_secs());
            let longest = since.map(|seconds| format!(", the longest for {}", span(seconds))).unwrap_or_default();
            format!(
                "{}{longest}: cadenced inbox shows them.",
                counted(*waiting, "conversation waits for us", "conversations wait for us")
            )
        }
    };
    let body = html! {
        @if attention.is_empty() {
            p { "Nothing does." }
        } @else {
            ul class="needs" { @for item in &attention.first { li { (need(item)) } } }
        }
        @if attention.more > 0 {
            p class="none" { (counted(attention.more, "more is", "more are")) " not shown: cadenced status has all." }
        }
    };
    Section { id: "needs", title: "Needs a person", about: vec![talk], body }
}

fn need(item: &Attention) -> Markup {
    html! {
        p class="head" {
            span class="tag" { (item.kind.name()) } " "
            @if let Some(delivery) = &item.delivery { strong { (theirs(&delivery.to_string())) } }
            @else if let Some(account) = &item.account { strong { (theirs(account.as_str())) } }
        }
        p { (theirs(&item.reason)) }
        @if let Some(hint) = &item.hint { p class="hint" { (theirs(hint)) } }
    }
}

fn ahead(status: &Status) -> Section {
    let overview = status.overview;
    let held = overview.held.len();
    let about = vec![
        "What goes out as things are, and the slots that stay empty.".to_owned(),
        match held {
            0 => "No approved post is held without a date.".to_owned(),
            held => format!("{} without a date, by reason below.", counted(held, "post is held", "posts are held")),
        },
    ];
    let body = html! {
        (calendar::calendar(overview, status.zone))
        @if held > 0 { (held_posts(overview)) }
    };
    Section { id: "ahead", title: "The next two weeks", about, body }
}

/// Posts without a date, by what holds them.
fn held_posts(overview: &Overview) -> Markup {
    let mut reasons: BTreeMap<&str, Vec<&PlanLine>> = BTreeMap::new();
    for line in &overview.held.first {
        reasons.entry(line.reason.as_deref().unwrap_or_else(|| line.state.name())).or_default().push(line);
    }
    let mut table = Table::new(
        "Held posts, by reason",
        &[("Reason", Column::Long), ("Posts", Column::Number), ("Which", Column::Text)],
    );
    for (reason, lines) in &reasons {
        let named: Vec<_> = lines.iter().filter_map(|line| line.delivery.as_ref()).take(NAMED).collect();
        let more = lines.len() - named.len();
        table.row(vec![
            theirs(reason),
            html! { (count(lines.len() as u64)) },
            html! {
                @for (nth, delivery) in named.iter().enumerate() {
                    @if nth > 0 { ", " }
                    (theirs(&delivery.to_string()))
                }
                @if more > 0 { ", and " (more) " more" }
            },
        ]);
    }
    html! {
        div class="block" {
            h3 { "Held, without a date" }
            (table)
            @if overview.held.more > 0 { p class="none" { (counted(overview.held.more, "more is", "more are")) " not shown: cadenced plan has all." } }
        }
    }
}

fn latest(status: &Status) -> Section {
    let overview = status.overview;
    let head =
        [("Post", Column::Long), ("Account", Column::Short), ("Sent", Column::Short), ("Late by", Column::Number)];
    let mut table = Table::new("The last deliveries, newest first", &head).quiet();
    for Delivered { delivery, late_seconds } in &overview.latest {
        table.row(vec![
            link(delivery.url.as_deref(), delivery.post.as_str()),
            theirs(delivery.account.as_str()),
            html! { @if let Some(at) = delivery.at { (moment(at, status.zone)) } },
            html! { @match late_seconds { Some(seconds) => (span(*seconds as u64)), None => span class="none" { "–" } } },
        ]);
    }
    let delivered = overview.count(Stage::Delivered);
    let about = vec![format!("{} in all.", counted(delivered, "delivery", "deliveries"))];
    let body =
        html! { @if table.is_empty() { p class="none" { "Nothing has been delivered yet." } } @else { (table) } };
    Section { id: "latest", title: "Last deliveries", about, body }
}

fn accounts(status: &Status) -> Section {
    let head = [
        ("Account", Column::Short),
        ("Platform", Column::Short),
        ("State", Column::Text),
        ("Next", Column::Short),
        ("Runway", Column::Short),
        ("Deliveries", Column::Text),
    ];
    let mut table = Table::new("Accounts", &head).quiet();
    for account in &status.overview.accounts {
        table.row(vec![
            theirs(account.account.as_str()),
            theirs(&account.platform),
            state(account),
            html! { @match account.next { Some(at) => (moment(at, status.zone)), None => span class="none" { "–" } } },
            runway(account),
            states(status.overview, account),
        ]);
    }
    let about = vec!["Runway is how long approved posts last.".to_owned()];
    Section { id: "accounts", title: "Accounts", about, body: html! { (table) } }
}

fn state(account: &AccountReport) -> Markup {
    html! {
        @match account.state {
            AccountState::Ready => "ready",
            other => span class="tag" { (other.name()) },
        }
        @if let Some(reason) = &account.reason { " " (theirs(reason)) }
    }
}

fn runway(account: &AccountReport) -> Markup {
    html! {
        @match (account.runway_days, account.runway_at_least_days) {
            (Some(days), _) => (days_text(days)),
            (None, Some(days)) => { "over " (days_text(days)) }
            (None, None) => span class="none" { "–" },
        }
    }
}

fn states(overview: &Overview, account: &AccountReport) -> Markup {
    let states = overview.counts.get(&account.account);
    let told: Vec<_> =
        states.into_iter().flatten().map(|(stage, number)| format!("{} {}", count(*number), stage.name())).collect();
    html! { (told.join(", ")) }
}
