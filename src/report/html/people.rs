//! Who came, and who came back.

use maud::{Markup, html};

use super::Made;
use super::chart::{Bar, Bars, Figure, Fill, Plot, bars};
use super::page::Section;
use super::table::{Column, Table};
use super::weeks::Weeks;
use super::words::{Across, count, counted, date, day, theirs};
use crate::report::{PeopleSummary, PeopleWeek, Report, Standings};

/// Height of the chart of weeks.
const HEIGHT: u64 = 220;
/// Most people of the core that are in sight.
const CORE: usize = 20;

pub fn section(report: &Report, weeks: Weeks, made: &Made) -> Section {
    let people = &report.people;
    let body = html! {
        (figures(people))
        @if !people.weeks.is_empty() { (weekly(people, weeks)) }
        @if on_record(&people.standing) > 0 { (standing(people)) }
        @if recorded(people) { (core(people, made)) }
        @if !people.kinds.is_empty() { (kinds(people)) }
        @if people.platforms.len() > 1 { (platforms(people)) }
        @if recorded(people) || !people.bots.is_empty() { (bots(people)) }
    };
    let about = Section::about(people.counts, &people.measured);
    Section { id: "people", title: "Who came back", about, body }
}

fn on_record(standing: &Standings) -> u64 {
    let Standings { core, returning, new, cooling, lost } = standing;
    core + returning + new + cooling + lost
}

/// Whether it is known of any delivery within the time that is looked at who did something with it.
fn known(people: &PeopleSummary) -> bool {
    people.measured.measured > 0 || people.distinct > 0
}

/// The same, of any delivery at all.
fn recorded(people: &PeopleSummary) -> bool {
    known(people) || on_record(&people.standing) > 0
}

fn figures(people: &PeopleSummary) -> Markup {
    let (known, recorded) = (known(people), recorded(people));
    let figures = [
        ("people", known.then_some(people.distinct), ""),
        ("for the first time", known.then_some(people.first_time), ""),
        ("in the core", recorded.then_some(people.standing.core), ""),
        ("advocates", recorded.then_some(people.advocates), "brought others at least twice"),
    ];
    html! {
        dl class="figures" {
            @for (name, number, note) in figures {
                div {
                    dt { (name) }
                    @match number {
                        Some(number) => dd { (count(number)) },
                        None => dd class="unknown" { "unknown" },
                    }
                    @if !note.is_empty() { dd class="note" { (note) } }
                }
            }
        }
    }
}

fn weekly(people: &PeopleSummary, weeks: Weeks) -> Markup {
    let drawn = || people.weeks.iter().filter_map(|week| weeks.place(week.starts).map(|(x, width)| (week, x, width)));
    let most = drawn().map(|(week, ..)| week.distinct.max(week.core)).max().unwrap_or(0);
    let plot = Plot::new(HEIGHT, most);
    let drawing = html! {
        (plot.axis("people"))
        @for (week, x, width) in drawn() {
            @let gap = width.part(22);
            (column(week, plot, x.plus(gap.half()), width.minus(gap)))
        }
        @for (week, x, width) in drawn() {
            circle class="ring" cx=(x.plus(width.half())) cy=(plot.place(week.core)) r=(weeks.mark()) {}
        }
        (weeks.axis(plot.floor()))
    };
    let head = [
        ("Week", Column::Short),
        ("From", Column::Short),
        ("People", Column::Number),
        ("Returning", Column::Number),
        ("New", Column::Number),
        ("Core at its end", Column::Number),
    ];
    let mut numbers = Table::new("People by week", &head);
    for week in people.weeks.iter().rev() {
        let figures = [week.distinct, week.returning, week.new, week.core].map(|figure| html! { (count(figure)) });
        numbers.row([html! { (week.week) }, html! { (day(week.starts)) }].into_iter().chain(figures).collect());
    }
    let shows = match (people.weeks.first(), people.weeks.last()) {
        (Some(first), Some(last)) => format!(
            "From {} people in {} to {} in {}; the core went from {} to {}.",
            first.distinct, first.week, last.distinct, last.week, first.core, last.core
        ),
        _ => String::new(),
    };
    let legend = vec![
        (Fill::Solid, "had done something before".to_owned()),
        (Fill::Hatch, "for the first time".to_owned()),
        (Fill::Ring, "in the core at the end of the week".to_owned()),
    ];
    let what = "People who did something with posts of ours, by week.".to_owned();
    let title = "People by week".to_owned();
    html! {
        (Figure { id: "people-weeks".into(), title, what, shows, height: HEIGHT, drawing, legend, numbers })
    }
}

fn column(week: &PeopleWeek, plot: Plot, x: Across, width: Across) -> Markup {
    let (returning, both) = (plot.rise(week.returning), plot.rise(week.returning + week.new));
    let floor = plot.floor();
    html! {
        @if both > returning {
            rect class="hatch" x=(x) y=(floor - both) width=(width) height=(both - returning) {}
        }
        @if returning > 0 {
            rect class="solid" x=(x) y=(floor - returning) width=(width) height=(returning) {}
        }
    }
}

/// Everybody on record in one bar.
fn standing(people: &PeopleSummary) -> Markup {
    let all = on_record(&people.standing);
    let Standings { core, returning, new, cooling, lost } = people.standing;
    let parts = [
        (Fill::Solid, "core", core),
        (Fill::Hatch, "returning", returning),
        (Fill::Dots, "new", new),
        (Fill::Slats, "cooling", cooling),
        (Fill::Plain, "lost", lost),
    ];
    let whole = Across::percent(100);
    let mut before = 0;
    let mut placed = Vec::new();
    for (fill, _, many) in parts.into_iter().filter(|(_, _, many)| *many > 0) {
        let x = Across::of(before, all, whole);
        before += many;
        placed.push((fill, x, Across::of(before, all, whole).minus(x)));
    }
    let drawing = html! {
        @for (fill, x, width) in placed { rect class=(fill.class()) x=(x) y="1" width=(width) height="30" {} }
    };
    let mut numbers = Table::new("People by standing", &[("Standing", Column::Short), ("People", Column::Number)]);
    for (_, name, many) in parts {
        numbers.row(vec![html! { (name) }, html! { (count(many)) }]);
    }
    let legend = parts.map(|(fill, name, many)| (fill, format!("{name} {}", count(many)))).into();
    let shows = parts.map(|(_, name, many)| format!("{name}: {}", count(many))).join(", ");
    let what = format!("{} on record, by what they are to us at the end.", counted(all, "person", "people"));
    let title = "How they stand to us".to_owned();
    html! {
        (Figure { id: "standing".into(), title, what, shows, height: 32, drawing, legend, numbers })
    }
}

/// Somebody by what people call them, else by what the platform does.
pub fn who(handle: &str, person: &crate::domain::PersonId) -> String {
    if handle.is_empty() { person.to_string() } else { format!("@{handle}") }
}

fn core(people: &PeopleSummary, made: &Made) -> Markup {
    let head = [
        ("Who", Column::Short),
        ("Platform", Column::Short),
        ("Interactions", Column::Number),
        ("Weeks", Column::Number),
        ("Last seen", Column::Short),
        ("First seen", Column::Short),
    ];
    let mut table = Table::new("The core, most faithful first", &head).quiet();
    for person in &people.core {
        table.row(vec![
            html! { (theirs(&who(&person.handle, &person.person))) @if person.advocate { " " span class="tag" { "advocate" } } },
            theirs(&person.platform),
            html! { (count(person.interactions)) },
            html! { (count(person.weeks)) },
            date(person.last_seen, made.zone),
            date(person.first_seen, made.zone),
        ]);
    }
    html! {
        div class="block" {
            h3 { "The core" }
            @if table.is_empty() {
                p { "Nobody yet has come back often enough." }
            } @else {
                p { "Those who come back, the most faithful first, by what they did in the last 90 days." }
                (table.folded(CORE, "Everybody in the core"))
            }
        }
    }
}

fn kinds(people: &PeopleSummary) -> Markup {
    let mut numbers = Table::new("What people did", &[("Kind", Column::Short), ("Times", Column::Number)]);
    let mut groups = Vec::new();
    for (kind, times) in &people.kinds {
        numbers.row(vec![html! { (kind.name()) }, html! { (count(*times)) }]);
        let bar = Bar { fill: Fill::Solid, length: *times, said: count(*times) };
        groups.push(Bars { name: kind.name().to_owned(), bars: vec![bar] });
    }
    let shows = people.kinds.iter().map(|(kind, times)| format!("{kind}: {}", count(*times)));
    let shows = shows.collect::<Vec<_>>().join(", ");
    let (height, drawing) = bars(&groups);
    let what = "Times that people did something, by kind. A kind that is absent was not seen.".to_owned();
    let title = "What they did".to_owned();
    html! {
        (Figure { id: "kinds".into(), title, what, shows, height, drawing, legend: Vec::new(), numbers })
    }
}

fn platforms(people: &PeopleSummary) -> Markup {
    let head = [
        ("Platform", Column::Short),
        ("People", Column::Number),
        ("First time", Column::Number),
        ("Core", Column::Number),
        ("Returning", Column::Number),
        ("New", Column::Number),
        ("Cooling", Column::Number),
        ("Lost", Column::Number),
        ("Advocates", Column::Number),
        ("Bots", Column::Number),
    ];
    let mut table = Table::new("People by platform", &head).quiet();
    for platform in &people.platforms {
        let Standings { core, returning, new, cooling, lost } = platform.standing;
        let figures = [
            platform.distinct,
            platform.first_time,
            core,
            returning,
            new,
            cooling,
            lost,
            platform.advocates,
            platform.bots,
        ];
        let figures = figures.map(|figure| html! { (count(figure)) });
        table.row([theirs(&platform.platform)].into_iter().chain(figures).collect());
    }
    html! { div class="block" { h3 { "By platform" } (table) } }
}

fn bots(people: &PeopleSummary) -> Markup {
    html! {
        div class="block" {
            h3 { "Bots" }
            @if people.bots.is_empty() {
                p { "None were seen." }
            } @else {
                p { "They are counted nowhere else." }
                ul class="facts" {
                    @for bots in &people.bots {
                        li { (counted(bots.accounts, "account", "accounts")) ": " (bots.reason) }
                    }
                }
            }
        }
    }
}
