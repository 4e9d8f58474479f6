//! Was the beat kept: one figure, then every account's weeks, then what was in the way.

use maud::{Markup, html};

use super::Made;
use super::chart::{Bar, Bars, Figure, Fill, bars, image};
use super::page::Section;
use super::table::{Column, Table};
use super::weeks::Weeks;
use super::words::{count, counted, day, moment, percent, theirs};
use crate::domain::Cause;
use crate::report::{AccountSummary, Report, Week};

/// Height of a week's cell, and with the names of the months below.
const CELL: u64 = 30;
const STRIP: u64 = CELL + 20;
/// Up to so many accounts have the width of the page.
const FEW: usize = 3;
/// Most gaps that are in sight.
const GAPS: usize = 12;

pub fn section(report: &Report, weeks: Weeks, made: &Made) -> Section {
    let about = "A slot is kept when its post was delivered for it, however late. Replies keep no beat.";
    let body = if report.accounts.iter().all(|account| account.beat.planned == 0) {
        html! { p class="none" { "No slot has passed in this time." } }
    } else {
        html! { (headline(report)) (strips(report, weeks)) (causes(report)) (gaps(report, made)) }
    };
    Section { id: "beat", title: "The beat", about: vec![about.into()], body }
}

fn headline(report: &Report) -> Markup {
    let sum = |figure: fn(&AccountSummary) -> u64| report.accounts.iter().map(figure).sum::<u64>();
    let (planned, kept) = (sum(|account| account.beat.planned), sum(|account| account.beat.kept));
    let late = sum(|account| account.beat.late);
    let now = report.accounts.iter().max_by_key(|account| account.beat.streak);
    let runways = report.accounts.iter().filter_map(|account| Some((account, account.runway?)));
    let shortest = runways.min_by(|(_, one), (_, other)| one.days.total_cmp(&other.days));
    let longest = report.accounts.iter().max_by_key(|account| account.beat.longest_streak);
    html! {
        div class="block" {
            div class="lead" {
                p class="big" { (percent(kept, planned).unwrap_or(0)) small { "%" } }
                p class="said" {
                    "of the beat was kept: " strong { (count(kept)) " of " (count(planned)) } " planned slots."
                }
            }
        }
        dl class="figures" {
            div { dt { "slots not kept" } dd { (count(planned - kept.min(planned))) } }
            div {
                dt { "kept late" } dd { (count(late)) }
                dd class="note" { "more than 15 minutes after the slot" }
            }
            @if let Some(account) = now {
                div {
                    dt { "longest streak now" } dd { (count(account.beat.streak)) }
                    dd class="note" { "slots in a row, " (theirs(account.account.as_str())) }
                }
            }
            @if let Some((account, runway)) = shortest {
                div {
                    dt { "shortest runway" } dd { (runway.text()) }
                    dd class="note" { "until approved posts run out, " (theirs(account.account.as_str())) }
                }
            }
            @if let Some(account) = longest {
                div {
                    dt { "longest streak in this time" } dd { (count(account.beat.longest_streak)) }
                    dd class="note" { "slots in a row, " (theirs(account.account.as_str())) }
                }
            }
        }
    }
}

/// A row of weeks for each account: how far a cell is filled is how much of its week was kept.
fn strips(report: &Report, weeks: Weeks) -> Markup {
    let few = report.accounts.len() <= FEW;
    let cut = if weeks.cut { " The last 53 weeks are drawn; the table has all." } else { "" };
    html! {
        div class="block" {
            h3 { "Week by week" }
            p { "One cell is one week, filled as far as it was kept. A dot: nothing was planned." (cut) }
            ul class=(if few { "strips few" } else { "strips" }) {
                @for (nth, account) in report.accounts.iter().enumerate() { li { (strip(nth, account, weeks.wide())) } }
            }
            details { summary { "The numbers" span class="readers" { ": week by week" } } (weekly(report)) }
        }
    }
}

fn strip(nth: usize, account: &AccountSummary, weeks: Weeks) -> Markup {
    let beat = &account.beat;
    let cell = |starts| beat.weeks.iter().find(|week| week.starts == starts);
    let drawing = html! {
        @for (monday, place, width) in weeks.columns() {
            @let gap = width.part(14);
            @match cell(monday) {
                Some(week) => (filled(week, place, width.minus(gap))),
                None => circle class="void" cx=(place.plus(width.minus(gap).half())) cy=(CELL / 2) r="1.5" {},
            }
        }
        (weeks.axis(CELL + 4))
    };
    let title = format!("Weeks of {}", account.account);
    let short = beat.weeks.iter().filter(|week| week.kept < week.planned);
    let short: Vec<_> = short.map(|week| format!("{}: {} of {}", week.week, week.kept, week.planned)).collect();
    let shows = match short.as_slice() {
        [] if beat.planned == 0 => "Nothing was planned.".to_owned(),
        [] => format!("All {} planned slots were kept.", count(beat.planned)),
        short => {
            format!("{} of {} planned slots were kept. Short of it: {}.", beat.kept, beat.planned, short.join("; "))
        }
    };
    html! {
        div class="name" {
            p { b { (theirs(account.account.as_str())) } " " span { (theirs(&account.platform)) } }
            p {
                span {
                    (count(beat.kept)) " of " (count(beat.planned)) ", streak " (count(beat.streak))
                    @if let Some(runway) = account.runway { ", runway " (runway.text()) }
                }
            }
        }
        (image(&format!("strip-{nth}"), &title, &shows, STRIP, &drawing))
    }
}

fn filled(week: &Week, place: super::words::Across, width: super::words::Across) -> Markup {
    // What was kept is seen, and so is what was not.
    let full = CELL - 1;
    let height = match (week.kept, week.planned) {
        (0, _) => 0,
        (kept, planned) if kept >= planned => full,
        (kept, planned) => (kept.saturating_mul(full) / planned.max(1)).clamp(3, full - 4),
    };
    html! {
        rect class="track" x=(place) y="0.5" width=(width) height=(full) rx="2" {}
        @if height > 0 {
            rect class="solid" x=(place) y=(format!("{}.5", full - height)) width=(width) height=(height) rx="2" {}
        }
    }
}

fn weekly(report: &Report) -> Table {
    let head = [
        ("Account", Column::Short),
        ("Week", Column::Short),
        ("From", Column::Short),
        ("Planned", Column::Number),
        ("Kept", Column::Number),
        ("Late", Column::Number),
        ("Not kept, by cause", Column::Text),
    ];
    let mut table = Table::new("Planned and kept, by account and week", &head);
    for AccountSummary { account, beat, .. } in &report.accounts {
        for week in beat.weeks.iter().rev() {
            let causes = week.empty.iter().map(|(cause, slots)| format!("{} {}", count(*slots), cause.name()));
            let causes = causes.collect::<Vec<_>>().join(", ");
            table.row(vec![
                theirs(account.as_str()),
                html! { (week.week) },
                html! { (day(week.starts)) },
                html! { (count(week.planned)) },
                html! { (count(week.kept)) },
                html! { (count(week.late)) },
                html! { (causes) },
            ]);
        }
    }
    table
}

/// What a cause means to those who plan.
fn meaning(cause: Cause) -> &'static str {
    match cause {
        Cause::Content => "nothing approved to send",
        Cause::Hold => "promotion share, answers or budget",
        Cause::Policy => "quiet hours, gap, posts of a day",
        Cause::Outage => "daemon, clock, disk or folder",
        Cause::Account => "paused, or token not accepted",
        Cause::Platform => "slow, asked to wait, refused",
        Cause::Other => "none of these",
    }
}

fn causes(report: &Report) -> Markup {
    let weeks = || report.accounts.iter().flat_map(|account| &account.beat.weeks);
    let lost = |cause: &Cause| weeks().filter_map(|week| week.empty.get(cause)).sum::<u64>();
    let told: Vec<_> =
        Cause::ALL.into_iter().map(|cause| (cause, lost(&cause))).filter(|(_, lost)| *lost > 0).collect();
    if told.is_empty() {
        return html! {};
    }
    let head = [("Cause", Column::Short), ("What was in the way", Column::Long), ("Slots", Column::Number)];
    let mut numbers = Table::new("Slots not kept, by cause", &head);
    let mut groups = Vec::new();
    for (cause, lost) in &told {
        numbers.row(vec![html! { (cause.name()) }, html! { (meaning(*cause)) }, html! { (count(*lost)) }]);
        let bar = Bar { fill: Fill::Solid, length: *lost, said: counted(*lost, "slot", "slots") };
        groups.push(Bars { name: format!("{}: {}", cause.name(), meaning(*cause)), bars: vec![bar] });
    }
    let shows = told.iter().map(|(cause, lost)| format!("{}: {}", cause.name(), counted(*lost, "slot", "slots")));
    let shows = shows.collect::<Vec<_>>().join(", ");
    let (height, drawing) = bars(&groups);
    let what = "Slots that were not kept, by what was in the way.".to_owned();
    let title = "Why slots were not kept".to_owned();
    html! {
        (Figure { id: "causes".into(), title, what, shows, height, drawing, legend: Vec::new(), numbers })
    }
}

fn gaps(report: &Report, made: &Made) -> Markup {
    let head = [
        ("From", Column::Short),
        ("To", Column::Short),
        ("Account", Column::Short),
        ("Slots", Column::Number),
        ("Cause", Column::Short),
        ("On record as", Column::Long),
    ];
    let mut table = Table::new("Gaps, newest first", &head).quiet();
    let mut gaps: Vec<_> =
        report.accounts.iter().flat_map(|account| account.beat.gaps.iter().map(move |gap| (account, gap))).collect();
    gaps.sort_by_key(|(_, gap)| std::cmp::Reverse(gap.to));
    for (account, gap) in gaps {
        table.row(vec![
            moment(gap.from, made.zone),
            html! { @if gap.from == gap.to { span class="none" { "–" } } @else { (moment(gap.to, made.zone)) } },
            theirs(account.account.as_str()),
            html! { (count(gap.slots)) },
            html! { (gap.cause.name()) },
            theirs(&gap.reason),
        ]);
    }
    html! {
        div class="block" {
            h3 { "Gaps" }
            @if table.is_empty() {
                p { "None: every planned slot was kept." }
            } @else {
                p { "Slots in a row that were not kept for one cause, newest first." }
                (table.folded(GAPS, "All gaps"))
            }
        }
    }
}
