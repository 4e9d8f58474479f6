//! Which posts were worth their noise: reach set against the people who did something.

use maud::{Markup, html};

use super::chart::{Decades, Figure, Fill, PLOT, Plot};
use super::page::{Section, sentence};
use super::table::{Column, Table};
use super::words::{came, count, day, figure, theirs, unknown};
use crate::report::{PostLine, Report, Verdict};
use jiff::tz::TimeZone;

const HEIGHT: u64 = 300;
/// Most posts of a verdict that carry a number and are in sight.
const NAMED: usize = 10;

pub fn section(report: &Report) -> Section {
    let comparison = &report.comparison;
    let of = |verdict| comparison.posts.iter().filter(move |post| post.verdict == Some(verdict)).collect::<Vec<_>>();
    let (mut loud, mut quiet) = (of(Verdict::LoudAndUseless), of(Verdict::QuietAndUseful));
    loud.sort_by_key(|post| std::cmp::Reverse(post.reach));
    quiet.sort_by_key(|post| std::cmp::Reverse((post.gains.customers, post.gains.leads, post.people)));
    let numbered: Vec<&PostLine> = loud.iter().take(NAMED).chain(quiet.iter().take(NAMED)).copied().collect();
    let known = !report.not_measured.contains(&"outcomes");
    let about = [comparison.counts, comparison.rule];
    let body = html! {
        @if comparison.compared == 0 {
            p class="none" { "No post can be compared: of none are both its views and its people known." }
        } @else {
            (scatter(report, &numbered))
            (verdict("Loud and useless", &loud, &numbered, known))
            (verdict("Quiet and useful", &quiet, &numbered, known))
        }
        @if !comparison.posts.is_empty() {
            details {
                summary { "All posts (" (count(comparison.posts.len() as u64)) ")" }
                (table("All posts, newest first", comparison.posts.iter().rev(), &numbered, known))
            }
        }
    };
    let about = about.into_iter().filter(|text| !text.is_empty()).map(sentence).collect();
    Section { id: "worth", title: "Worth its noise", about, body }
}

fn scatter(report: &Report, numbered: &[&PostLine]) -> Markup {
    let posts = &report.comparison.posts;
    let placed: Vec<_> = posts.iter().filter_map(|post| Some((post, post.reach?, post.people?))).collect();
    let most = |pick: fn(&(&PostLine, u64, u64)) -> u64| placed.iter().map(pick).max().unwrap_or(0);
    let least = placed.iter().map(|(_, reach, _)| *reach).min().unwrap_or(0);
    let across = Decades::of(least, most(|(_, reach, _)| *reach));
    let plot = Plot::new(HEIGHT, most(|(_, _, people)| *people));
    let x = |reach| across.place(reach);
    let drawing = html! {
        (plot.axis("people"))
        @for tick in across.ticks() {
            @let anchor = if x(tick) == PLOT { "end" } else if x(tick) == x(0) { "start" } else { "middle" };
            line class="axis" x1=(x(tick)) x2=(x(tick)) y1=(plot.floor()) y2=(plot.floor() + 5) {}
            text x=(x(tick)) y=(plot.floor() + 18) text-anchor=(anchor) { (count(tick)) @if x(tick) == PLOT { " views" } }
        }
        @for (_, reach, people) in placed.iter().filter(|(post, ..)| post.verdict.is_none()) {
            circle class="spot" cx=(x(*reach)) cy=(plot.place(*people)) r="4" {}
        }
        @for (post, reach, people) in placed.iter().filter(|(post, ..)| post.verdict.is_some()) {
            @let useful = post.verdict == Some(Verdict::QuietAndUseful);
            circle class=(if useful { "solid" } else { "ring" }) cx=(x(*reach)) cy=(plot.place(*people)) r="5" {}
        }
        @for (nth, (reach, people)) in placed.iter().filter_map(|(post, reach, people)| Some((number(post, numbered)?, (reach, people)))) {
            // Neighbours have theirs on either side.
            @let (side, anchor) = if nth % 2 == 1 { ("9", "start") } else { ("-9", "end") };
            text class="strong" x=(x(*reach)) y=(plot.place(*people)) dx=(side) dy="4" text-anchor=(anchor) { (nth) }
        }
    };
    let head = [("Post", Column::Short), ("Views", Column::Number), ("People", Column::Number)];
    let mut numbers = Table::new("Views and people, by post", &head);
    for (post, reach, people) in &placed {
        numbers.row(vec![theirs(post.post.as_str()), html! { (count(*reach)) }, html! { (count(*people)) }]);
    }
    let loud = posts.iter().filter(|post| post.verdict == Some(Verdict::LoudAndUseless)).count();
    let quiet = posts.iter().filter(|post| post.verdict == Some(Verdict::QuietAndUseful)).count();
    let figure = Figure {
        id: "worth-posts".into(),
        title: "Views and people".into(),
        what: "Each mark is a post: its views across, the people who did something with it upwards. Each step across is ten times the one before. Numbers are those of the tables below.".into(),
        shows: format!("{} posts; {loud} are loud and useless, {quiet} quiet and useful.", placed.len()),
        height: HEIGHT,
        drawing,
        legend: vec![
            (Fill::Ring, "loud and useless".into()),
            (Fill::Mark, "quiet and useful".into()),
            (Fill::Spot, "neither".into()),
        ],
        numbers,
    };
    html! { (figure) }
}

/// What a post is called in the drawing.
fn number(post: &PostLine, numbered: &[&PostLine]) -> Option<usize> {
    numbered.iter().position(|known| known.post == post.post).map(|place| place + 1)
}

fn verdict(title: &'static str, posts: &[&PostLine], numbered: &[&PostLine], known: bool) -> Markup {
    html! {
        div class="block" {
            h3 { (title) }
            @if posts.is_empty() { p { "No post." } }
            @else { (table(title, posts.iter().copied(), numbered, known).quiet().folded(NAMED, "All of them")) }
        }
    }
}

fn table<'a>(caption: &str, posts: impl Iterator<Item = &'a PostLine>, numbered: &[&PostLine], known: bool) -> Table {
    let head = [
        ("Post", Column::Short),
        ("Out on", Column::Short),
        ("For", Column::Short),
        ("Views", Column::Number),
        ("People", Column::Number),
        ("Conversations", Column::Number),
        ("Came of it", Column::Text),
    ];
    let mut table = Table::new(caption, &head).wide();
    for post in posts {
        table.row(vec![
            html! {
                @if let Some(nth) = number(post, numbered) { span class="nth" { (nth) } " " }
                (theirs(post.post.as_str()))
            },
            html! { (day(TimeZone::UTC.to_datetime(post.at).date())) },
            html! { (theirs(&post.audience)) br; span class="none" { (theirs(&post.goal)) } },
            figure(post.reach),
            figure(post.people),
            figure(post.conversations),
            html! {
                @match came(&post.gains) {
                    Some(came) => (came),
                    None if known => span class="none" { "–" },
                    None => (unknown()),
                }
            },
        ]);
    }
    table
}
