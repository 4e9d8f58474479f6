//! Two weeks ahead, day by day: what goes out, what is held and would have gone, and the slots that stay empty.

use std::collections::BTreeMap;

use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use maud::{Markup, html};

use crate::control::overview::Overview;
use crate::control::protocol::{PlanLine, PlanState};
use crate::report::html::words::{counted, moment, theirs};

/// Days that are shown.
const DAYS: i64 = 14;
/// Most posts of a day, and most empty slots; what more there is is counted.
const POSTS: usize = 12;
const SLOTS: usize = 3;

/// The days from today on.
pub fn calendar(overview: &Overview, zone: &TimeZone) -> Markup {
    let today = zone.to_datetime(overview.now).date();
    let mut days: BTreeMap<Date, Vec<&PlanLine>> = BTreeMap::new();
    for line in &overview.ahead.first {
        if let Some(at) = line.at {
            days.entry(zone.to_datetime(at).date().max(today)).or_default().push(line);
        }
    }
    let dates = (0..DAYS).filter_map(|nth| today.checked_add(nth.days()).ok());
    html! {
        ol class="days" {
            @for date in dates {
                @let lines = days.get(&date).map(Vec::as_slice).unwrap_or_default();
                li class=(if date == today { "day today" } else { "day" }) {
                    h3 {
                        time datetime=(date) {
                            span class="weekday" { (date.strftime("%a")) } " " (date.strftime("%-d %b"))
                        }
                        @if date == today { " " span class="tag" { "today" } }
                    }
                    @let known = overview.ahead_until.is_none_or(|until| date < zone.to_datetime(until).date());
                    (day(lines, known, zone))
                }
            }
        }
        @if let Some(until) = overview.ahead_until {
            p class="none" { "From " (moment(until, zone)) " on not everything is shown: cadenced plan has all." }
        }
    }
}

fn day(lines: &[&PlanLine], known: bool, zone: &TimeZone) -> Markup {
    if lines.is_empty() {
        return html! { p class="none" { (if known { "No slot." } else { "–" }) } };
    }
    // Slots that stay empty push no post out of sight.
    let (posts, slots): (Vec<&PlanLine>, Vec<&PlanLine>) = lines.iter().partition(|line| line.delivery.is_some());
    let more_posts = posts.len().saturating_sub(POSTS);
    let more_slots = slots.len().saturating_sub(SLOTS);
    let mut shown: Vec<_> = posts.into_iter().take(POSTS).chain(slots.into_iter().take(SLOTS)).collect();
    shown.sort_by_key(|line| line.at);
    html! {
        ul {
            @for line in &shown { li class=(line.state.name()) { (entry(line, zone)) } }
            @if more_posts > 0 { li class="none" { (counted(more_posts as u64, "more post", "more posts")) } }
            @if more_slots > 0 { li class="none" { (counted(more_slots as u64, "more empty slot", "more empty slots")) } }
        }
    }
}

fn entry(line: &PlanLine, zone: &TimeZone) -> Markup {
    let account = line.account().map(|account| account.as_str()).unwrap_or_default();
    html! {
        @if let Some(at) = line.at {
            time datetime=(at) { (zone.to_datetime(at).strftime("%H:%M")) } " "
        }
        @match &line.delivery {
            Some(delivery) => {
                span class="what" { (theirs(delivery.post.as_str())) } " "
                span class="where" { (theirs(account)) }
            }
            None => {
                span class="what" { "empty slot" } " "
                span class="where" { (theirs(account)) }
            }
        }
        @if line.delivery.is_some() && line.state != PlanState::Scheduled {
            " " span class="tag" { (line.state.name()) }
        }
        @if let Some(reason) = line.reason.as_deref().filter(|_| line.delivery.is_some()) {
            span class="why" { (theirs(reason)) }
        }
    }
}
