//! `cadenced people`: who they are to us. Pure; what is recorded comes in folded.

use std::collections::BTreeMap;
use std::io::{self, Write};

use jiff::tz::TimeZone;
use serde::Serialize;

use crate::domain::{BotSign, Interaction, PersonId, Timestamp};
use crate::engage::people::{People, Person, Standing};
use crate::telemetry::escape::escape;

use super::output::{Cell, Page, Table, csv_cell, moment, paint};

/// Most people in the table; the JSON has all of them.
const ROWS: usize = 200;

/// Whom to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Whom {
    #[default]
    Everybody,
    Of(Standing),
    Advocates,
    Bots,
}

/// One person.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    pub person: PersonId,
    pub handle: String,
    pub platform: String,
    pub standing: Standing,
    /// Whether they bring others.
    pub advocate: bool,
    /// Why they are taken for a machine; `null` for people.
    pub bot: Option<BotSign>,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    /// In the last 90 days.
    pub lately: u64,
    /// All that is on record, by kind.
    pub interactions: BTreeMap<Interaction, u64>,
}

/// Those who are asked for: who has done most lately comes first.
pub fn rows(people: &People, whom: Whom, now: Timestamp) -> Vec<Row> {
    let mut rows: Vec<Row> = match whom {
        Whom::Bots => people.bots().filter_map(|person| row(&person, now)).collect(),
        _ => people.people().filter_map(|person| row(&person, now)).collect(),
    };
    rows.retain(|row| match whom {
        Whom::Of(standing) => row.standing == standing,
        Whom::Advocates => row.advocate,
        Whom::Everybody | Whom::Bots => true,
    });
    rows.sort_by(|a, b| {
        let rank = |row: &Row| (std::cmp::Reverse(row.lately), std::cmp::Reverse(row.last_seen));
        rank(a).cmp(&rank(b)).then_with(|| a.person.cmp(&b.person))
    });
    rows
}

fn row(person: &Person<'_>, now: Timestamp) -> Option<Row> {
    let mut interactions = BTreeMap::new();
    for act in person.acts {
        *interactions.entry(act.kind).or_default() += 1;
    }
    Some(Row {
        person: person.id.clone(),
        handle: person.handle.into(),
        platform: person.id.platform().into(),
        standing: person.standing(now)?,
        advocate: person.is_advocate(now),
        bot: person.bot,
        first_seen: person.acts.first()?.at(),
        last_seen: person.acts.last()?.at(),
        lately: u64::try_from(person.recent(now).len()).unwrap_or(u64::MAX),
        interactions,
    })
}

/// All of them.
///
/// # Errors
/// When the output cannot be written.
pub fn json(rows: &[Row], out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, rows)?;
    out.write_all(b"\n")
}

/// One row each.
///
/// # Errors
/// When the output cannot be written.
pub fn csv(rows: &[Row], out: &mut dyn Write) -> io::Result<()> {
    let kinds = || Interaction::ALL.into_iter().filter(|kind| !kind.is_reach());
    let names: Vec<&str> = kinds().map(Interaction::name).collect();
    write!(out, "person,handle,platform,standing,advocate,bot,first_seen,last_seen,lately,{}\r\n", names.join(","))?;
    for row in rows {
        let Row { person, handle, platform, standing, advocate, bot, first_seen, last_seen, lately, interactions } =
            row;
        let counts = kinds().map(|kind| interactions.get(&kind).copied().unwrap_or(0).to_string());
        let cells = [
            person.to_string(),
            handle.clone(),
            platform.clone(),
            name(*standing).to_owned(),
            advocate.to_string(),
            bot.map_or("", BotSign::reason).to_owned(),
            first_seen.to_string(),
            last_seen.to_string(),
            lately.to_string(),
        ];
        let cells: Vec<String> = cells.into_iter().chain(counts).map(|cell| csv_cell(&cell)).collect();
        write!(out, "{}\r\n", cells.join(","))?;
    }
    Ok(())
}

/// For people.
///
/// # Errors
/// When the output cannot be written.
pub fn table(rows: &[Row], zone: &TimeZone, page: Page, out: &mut dyn Write) -> io::Result<()> {
    if rows.is_empty() {
        return writeln!(out, "nobody is on record here");
    }
    let mut table = Table::new(&[
        ("WHO", Some(12)),
        ("STANDING", None),
        ("90 DAYS", None),
        ("LAST", None),
        ("WHAT", Some(12)),
        ("PERSON", Some(12)),
    ]);
    let styles = page.styles();
    for row in rows.iter().take(ROWS) {
        let who = if row.handle.is_empty() { "unknown".to_owned() } else { format!("@{}", row.handle) };
        let what: Vec<String> = row.interactions.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        let standing = match (row.bot, row.advocate) {
            (Some(sign), _) => sign.reason().to_owned(),
            (None, true) => format!("{}, advocate", name(row.standing)),
            (None, false) => name(row.standing).to_owned(),
        };
        let style = if row.standing == Standing::Core { styles.good } else { styles.dim };
        table.row(vec![
            Cell::new(escape(&who)),
            Cell::styled(standing, style),
            Cell::new(row.lately.to_string()),
            Cell::new(moment(row.last_seen, zone)),
            Cell::new(what.join(", ")),
            Cell::new(row.person.as_str()),
        ]);
    }
    table.render(page, out)?;
    if rows.len() > ROWS {
        let more = format!("and {} more; the JSON has all of them", rows.len() - ROWS);
        writeln!(out, "{}", paint(page.colour, styles.dim, &more))?;
    }
    Ok(())
}

/// The stable name.
pub fn name(standing: Standing) -> &'static str {
    match standing {
        Standing::Core => "core",
        Standing::Lost => "lost",
        Standing::Cooling => "cooling",
        Standing::New => "new",
        Standing::Returning => "returning",
    }
}
