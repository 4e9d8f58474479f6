//! People and conversations, for people.

use std::io::{self, Write};

use jiff::tz::TimeZone;

use crate::cli::output::{Cell, Page, Table, moment};
use crate::domain::time;
use crate::report::{ConversationSummary, ConversationWeek, PeopleSummary, PeopleWeek, Report, Speed, Standings};

use super::{a_week, known_of, note, share, title};

/// Most of the core that are named in the table; the JSON has more.
const CORE: usize = 10;
/// Most who wait that are named in the table; the JSON has all of them.
const OWED: usize = 10;

pub fn people(report: &Report, zone: &TimeZone, page: Page, out: &mut dyn Write) -> io::Result<()> {
    let people = &report.people;
    title("People", people.counts, page, out)?;
    if people.standing == Standings::default() {
        writeln!(out, "nobody is on record")?;
        return known_of(&people.measured, page, out);
    }
    standings(people, page, out)?;
    let week = |of: fn(&PeopleWeek) -> u64| people.weeks.iter().map(|week| Some(of(week))).collect::<Vec<_>>();
    a_week(
        &[
            ("people", week(|week| week.distinct)),
            ("new", week(|week| week.new)),
            ("returning", week(|week| week.returning)),
            ("core", week(|week| week.core)),
        ],
        page,
        out,
    )?;
    core(people, zone, page, out)?;
    for bots in &people.bots {
        note(&format!("beside them, and counted nowhere else: {} bots ({})", bots.accounts, bots.reason), page, out)?;
    }
    known_of(&people.measured, page, out)
}

fn standings(people: &PeopleSummary, page: Page, out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new(&[
        ("PLATFORM", Some(8)),
        ("PEOPLE", None),
        ("FIRST TIME", None),
        ("CORE", None),
        ("RETURNING", None),
        ("NEW", None),
        ("COOLING", None),
        ("LOST", None),
        ("ADVOCATES", None),
        ("BOTS", None),
    ]);
    let mut row = |name: &str, distinct, first_time, standing: Standings, advocates, bots| {
        let Standings { core, returning, new, cooling, lost } = standing;
        let figures = [distinct, first_time, core, returning, new, cooling, lost, advocates, bots];
        let figures = figures.map(|figure: u64| Cell::new(figure.to_string()));
        table.row([Cell::new(name)].into_iter().chain(figures).collect());
    };
    for of in &people.platforms {
        row(&of.platform, of.distinct, of.first_time, of.standing, of.advocates, of.bots);
    }
    let bots = people.bots.iter().map(|bots| bots.accounts).sum();
    row("all", people.distinct, people.first_time, people.standing, people.advocates, bots);
    table.render(page, out)?;
    writeln!(out)
}

fn core(people: &PeopleSummary, zone: &TimeZone, page: Page, out: &mut dyn Write) -> io::Result<()> {
    if people.core.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&[
        ("CORE", Some(12)),
        ("PLATFORM", None),
        ("IN 90 DAYS", None),
        ("WEEKS", None),
        ("LAST SEEN", None),
        ("ADVOCATE", None),
    ]);
    for person in people.core.iter().take(CORE) {
        let name = if person.handle.is_empty() { person.person.as_str() } else { &person.handle };
        table.row(vec![
            Cell::new(name),
            Cell::new(&person.platform),
            Cell::new(person.interactions.to_string()),
            Cell::new(person.weeks.to_string()),
            Cell::new(moment(person.last_seen, zone)),
            Cell::new(if person.advocate { "yes" } else { "" }),
        ]);
    }
    table.render(page, out)?;
    writeln!(out)
}

pub fn conversations(report: &Report, zone: &TimeZone, page: Page, out: &mut dyn Write) -> io::Result<()> {
    let talks = &report.conversations;
    title("Conversations", talks.counts, page, out)?;
    owed(talks, zone, page, out)?;
    if talks.opened > 0 {
        writeln!(out, "{} opened, {} answered", talks.opened, share(talks.answered, talks.opened))?;
        if let Some(Speed { median_s, p90_s, .. }) = talks.speed {
            let (half, most) = (span(median_s), span(p90_s));
            writeln!(out, "the first answer came within {half} for half of them, within {most} for nine of ten")?;
        }
        writeln!(out)?;
        let week = |of: fn(&ConversationWeek) -> Option<u64>| talks.weeks.iter().map(of).collect::<Vec<_>>();
        a_week(
            &[
                ("opened", week(|week| Some(week.opened))),
                ("answered", week(|week| Some(week.answered))),
                ("minutes to answer (median)", week(|week| Some(week.speed?.median_s.div_ceil(60)))),
            ],
            page,
            out,
        )?;
    }
    known_of(&talks.measured, page, out)
}

fn owed(talks: &ConversationSummary, zone: &TimeZone, page: Page, out: &mut dyn Write) -> io::Result<()> {
    if talks.waiting.is_empty() {
        return writeln!(out, "nobody waits for an answer, as far as is known\n");
    }
    let mut table = Table::new(&[
        ("WAITS SINCE", None),
        ("FOR", None),
        ("WHO", Some(12)),
        ("PLATFORM", None),
        ("ACCOUNT", Some(8)),
        ("BELOW", Some(12)),
    ]);
    for owed in talks.waiting.iter().take(OWED) {
        let name = if owed.handle.is_empty() { owed.person.as_str() } else { &owed.handle };
        table.row(vec![
            Cell::new(moment(owed.since, zone)),
            Cell::new(span(owed.waited_s)),
            Cell::new(name),
            Cell::new(&owed.platform),
            Cell::new(owed.account.as_str()),
            Cell::new(owed.delivery.as_ref().map_or("a mention", |delivery| delivery.post.as_str())),
        ]);
    }
    table.render(page, out)?;
    if talks.waiting.len() > OWED {
        writeln!(out, "and {} more", talks.waiting.len() - OWED)?;
    }
    writeln!(out)
}

fn span(seconds: u64) -> String {
    time::days_text(time::days(std::time::Duration::from_secs(seconds)))
}
