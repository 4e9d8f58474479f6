//! The page around the sections: its head, its beginning and its end.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::weeks::Weeks;
use super::words::{counted, day, days, measured, moment};
use super::{Made, beat, chart, conversations, outcomes, people, reach, worth};
use crate::report::{Measured, Report, Window};

/// Nothing is fetched, run, framed or sent: the page is all there is.
pub const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
const STYLE: &str = include_str!("style.css");

/// A part of the page, with its heading beside it where there is room.
pub struct Section {
    pub id: &'static str,
    pub title: &'static str,
    /// What is counted here, in words.
    pub about: Vec<String>,
    pub body: Markup,
}

impl Section {
    /// What is counted, and of how much of what was delivered it is known.
    pub fn about(counts: &str, known: &Measured) -> Vec<String> {
        let counts = (!counts.is_empty()).then(|| sentence(counts));
        counts.into_iter().chain(measured(known)).collect()
    }
}

/// With a capital letter and a full stop.
pub fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let stop = if words.ends_with('.') { "" } else { "." };
    format!("{first}{}{stop}", letters.as_str())
}

/// What stands around the sections of a page.
pub struct Shell<'s> {
    /// Of the window.
    pub title: String,
    /// Of the page itself.
    pub heading: String,
    /// What is skipped to: its id, and how that is called.
    pub main: (&'static str, &'static str),
    pub version: &'s str,
    /// Style that only this page needs.
    pub style: &'static str,
    pub about: Markup,
    pub sections: Vec<Section>,
    pub footer: Markup,
}

impl Shell<'_> {
    /// The whole document.
    pub fn document(&self) -> Markup {
        let Self { title, heading, main: (main, name), version, style, about, sections, footer } = self;
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta http-equiv="Content-Security-Policy" content=(POLICY);
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="referrer" content="no-referrer";
                    meta name="robots" content="noindex";
                    meta name="color-scheme" content="light dark";
                    meta name="generator" content=(format!("cadenced {version}"));
                    title { (title) }
                    style { (PreEscaped(STYLE)) (PreEscaped(style)) }
                }
                body {
                    a class="skip" href=(format!("#{main}")) { "Skip to the " (name) }
                    (chart::patterns())
                    header class="page top" {
                        p class="kicker" { "cadenced" }
                        h1 { (heading) }
                        (about)
                        nav aria-label="Sections" {
                            ul { @for section in sections { li { a href=(format!("#{}", section.id)) { (section.title) } } } }
                        }
                    }
                    main id=(main) class="page" tabindex="-1" {
                        @for Section { id, title, about, body } in sections {
                            @let heading = format!("{id}-title");
                            section id=(id) class=[(*id == "reach").then_some("reach")] aria-labelledby=(heading) {
                                header {
                                    h2 id=(heading) { (title) }
                                    @for text in about { p { (text) } }
                                }
                                div class="body" { (body) }
                            }
                        }
                    }
                    footer class="page" { div { (footer) } }
                }
            }
        }
    }
}

pub fn page(report: &Report, made: &Made) -> Markup {
    let weeks = Weeks::of(report);
    let sections = vec![
        beat::section(report, weeks, made),
        people::section(report, weeks, made),
        conversations::section(report, weeks, made),
        outcomes::section(report),
        worth::section(report),
        reach::section(report),
    ];
    let when = when(&report.window, made);
    let about = html! {
        div class="about" {
            p { "Was the beat kept, and for whom? " (accounts(report)) }
            p { "Made on " (moment(report.window.until, made.zone)) ". Times are those of " (made.zone.iana_name().unwrap_or("this machine")) "." }
        }
        @if report.made_up { p class="made-up" { strong { "Nothing of this has happened." } " It shows what a report looks like." } }
    };
    let footer = html! {
        @if !report.not_measured.is_empty() {
            p { "Not measured yet: " (report.not_measured.join(", ")) ". What is not measured is unknown here, and never nought." }
        }
        p { "Followers are not counted." }
    };
    let (title, main) = (format!("Report, {when}"), ("report", "report"));
    Shell { title, heading: when, main, version: made.version, style: "", about, sections, footer }.document()
}

/// The days that are looked at.
fn when(window: &Window, made: &Made) -> String {
    let date = |at| made.zone.to_datetime(at).date();
    let (first, last) = (date(window.since), date(window.until));
    if first.year() < 1970 { format!("Until {}", day(last)) } else { days(first, last) }
}

fn accounts(report: &Report) -> String {
    let planned: u64 = report.accounts.iter().map(|account| account.beat.planned).sum();
    let accounts = counted(report.accounts.len() as u64, "account", "accounts");
    format!("{accounts}, {}.", counted(planned, "planned slot", "planned slots"))
}
