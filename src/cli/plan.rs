//! `cadenced plan`: the plan ahead as a table, as JSON or as a calendar. Pure; the lines come in ready.

use std::collections::BTreeMap;
use std::io::{self, Write};

use jiff::tz::TimeZone;

use crate::control::protocol::{PlanLine, PlanState};
use crate::domain::Timestamp;
use crate::telemetry::escape::escape;

use super::output::{Cell, Page, Table, moment, paint, zone_name};

/// For people: one line for each post and empty slot, then how many of each.
///
/// # Errors
/// When the output cannot be written.
pub fn table(lines: &[PlanLine], zone: &TimeZone, page: Page, out: &mut dyn Write) -> io::Result<()> {
    if lines.is_empty() {
        return writeln!(out, "nothing is planned: there is no approved post, and no slot in this time");
    }
    let styles = page.styles();
    let mut table =
        Table::new(&[("WHEN", None), ("ACCOUNT", Some(8)), ("POST", Some(12)), ("STATE", None), ("REASON", Some(12))]);
    let mut counts: BTreeMap<PlanState, usize> = BTreeMap::new();
    for line in lines {
        *counts.entry(line.state).or_default() += 1;
        let style = match line.state {
            PlanState::Scheduled | PlanState::Sending => styles.good,
            PlanState::Held | PlanState::Empty => styles.warn,
            PlanState::Uncertain => styles.error,
        };
        table.row(vec![
            Cell::new(line.at.map_or_else(|| "nobody can say".into(), |at| moment(at, zone))),
            Cell::maybe(line.account().map(ToString::to_string)),
            Cell::maybe(line.delivery.as_ref().map(|delivery| delivery.post.to_string())),
            Cell::styled(line.state.name(), style),
            Cell::maybe(line.reason.as_deref()),
        ]);
    }
    table.render(page, out)?;
    let counts: Vec<_> = counts.iter().map(|(state, count)| format!("{count} {}", state.name())).collect();
    let last = format!("{}; times in {}", counts.join(", "), zone_name(zone));
    writeln!(out, "\n{}", paint(page.colour, styles.dim, &last))
}

/// The contract's list of `{at, delivery, state, reason}`.
///
/// # Errors
/// When the output cannot be written.
pub fn json(lines: &[PlanLine], out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, lines)?;
    out.write_all(b"\n")
}

/// A calendar (RFC 5545): a post that goes out is a confirmed event, what is held for a known time or an empty slot a
/// tentative one. What nobody can date is not in it. An event keeps its UID when its time changes, so that a calendar
/// that reads the file again moves it and does not double it.
///
/// # Errors
/// When the output cannot be written.
pub fn ics(lines: &[PlanLine], now: Timestamp, out: &mut dyn Write) -> io::Result<()> {
    let stamp = utc(now);
    fold("BEGIN:VCALENDAR", out)?;
    fold("VERSION:2.0", out)?;
    fold(concat!("PRODID:-//cadenced//cadenced ", env!("CARGO_PKG_VERSION"), "//EN"), out)?;
    fold("CALSCALE:GREGORIAN", out)?;
    fold("X-WR-CALNAME:cadenced", out)?;
    for line in lines {
        let (Some(at), Some(account)) = (line.at, line.account()) else { continue };
        let start = utc(at);
        let (uid, summary) = match &line.delivery {
            Some(delivery) => (format!("cadenced-{delivery}"), format!("{} on {account}", delivery.post)),
            None => (format!("cadenced-empty-{start}@{account}"), format!("empty slot on {account}")),
        };
        let (status, mark) = match line.state {
            PlanState::Scheduled | PlanState::Sending => ("CONFIRMED", ""),
            PlanState::Held => ("TENTATIVE", "held: "),
            PlanState::Uncertain => ("TENTATIVE", "uncertain: "),
            PlanState::Empty => ("TENTATIVE", ""),
        };
        fold("BEGIN:VEVENT", out)?;
        fold(&format!("UID:{}", text(&uid)), out)?;
        fold(&format!("DTSTAMP:{stamp}"), out)?;
        fold(&format!("DTSTART:{start}"), out)?;
        fold(&format!("SUMMARY:{}", text(&format!("{mark}{summary}"))), out)?;
        if let Some(reason) = &line.reason {
            fold(&format!("DESCRIPTION:{}", text(reason)), out)?;
        }
        fold(&format!("STATUS:{status}"), out)?;
        // A post takes nobody's time.
        fold("TRANSP:TRANSPARENT", out)?;
        fold("END:VEVENT", out)?;
    }
    fold("END:VCALENDAR", out)
}

fn utc(at: Timestamp) -> String {
    at.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// A TEXT value: what has a meaning in it gets a backslash. Controls cannot stand in it at all and are shown as escapes.
fn text(value: &str) -> String {
    let mut safe = String::with_capacity(value.len());
    for c in escape(value).chars() {
        if matches!(c, '\\' | ';' | ',') {
            safe.push('\\');
        }
        safe.push(c);
    }
    safe
}

/// Longest line in octets, without its line break (RFC 5545, 3.1).
const LINE_OCTETS: usize = 75;

/// Writes one content line, folded between characters.
fn fold(line: &str, out: &mut dyn Write) -> io::Result<()> {
    let mut folded = String::with_capacity(line.len() + 8);
    let mut octets = 0;
    for c in line.chars() {
        if octets + c.len_utf8() > LINE_OCTETS {
            folded.push_str("\r\n ");
            octets = 1;
        }
        folded.push(c);
        octets += c.len_utf8();
    }
    folded.push_str("\r\n");
    out.write_all(folded.as_bytes())
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    fn line(at: Option<&str>, delivery: &str, state: PlanState, reason: Option<&str>) -> PlanLine {
        PlanLine {
            at: at.map(|at| at.parse().unwrap()),
            delivery: Some(delivery.parse().unwrap()),
            account: None,
            state,
            reason: reason.map(ToOwned::to_owned),
            allowed_from: None,
        }
    }

    fn lines() -> Vec<PlanLine> {
        vec![
            line(Some("2026-12-01T08:00:00Z"), "2026-11-desk-story@fedi", PlanState::Scheduled, None),
            PlanLine {
                at: Some("2026-12-02T08:00:00Z".parse().unwrap()),
                delivery: None,
                account: Some("fedi".parse().unwrap()),
                state: PlanState::Empty,
                reason: Some("no approved post".into()),
                allowed_from: None,
            },
            line(
                Some("2026-12-03T09:00:00Z"),
                "2026-11-lamp@bsky",
                PlanState::Held,
                Some("invalid: 301 characters, the platform takes 300; \u{1b}[2Jshort\u{202e}en, or split it\nplease"),
            ),
            line(None, "2026-11-chair@fedi", PlanState::Held, Some("not-approved")),
        ]
    }

    fn berlin() -> TimeZone {
        TimeZone::get("Europe/Berlin").unwrap()
    }

    fn shown(render: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        render(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_table_fits_the_terminal() {
        assert_snapshot!(shown(|out| table(&lines(), &berlin(), Page::plain(80), out)), @r#"
        WHEN                  ACCOUNT  POST                STATE      REASON
        Tue 2026-12-01 09:00  fedi     2026-11-desk-story  scheduled
        Wed 2026-12-02 09:00  fedi                         empty      no approved post
        Thu 2026-12-03 10:00  bsky     2026-11-lamp        held       invalid: 301 char…
        nobody can say        fedi     2026-11-chair       held       not-approved

        1 scheduled, 2 held, 1 empty; times in Europe/Berlin
        "#);
        assert_snapshot!(shown(|out| table(&lines(), &berlin(), Page::plain(120), out)), @r#"
        WHEN                  ACCOUNT  POST                STATE      REASON
        Tue 2026-12-01 09:00  fedi     2026-11-desk-story  scheduled
        Wed 2026-12-02 09:00  fedi                         empty      no approved post
        Thu 2026-12-03 10:00  bsky     2026-11-lamp        held       invalid: 301 characters, the platform takes 300; \u{1b}[2…
        nobody can say        fedi     2026-11-chair       held       not-approved

        1 scheduled, 2 held, 1 empty; times in Europe/Berlin
        "#);
        assert_snapshot!(shown(|out| table(&[], &berlin(), Page::plain(80), out)), @r#"nothing is planned: there is no approved post, and no slot in this time"#);
    }

    #[test]
    fn json_is_the_list_that_was_promised() {
        assert_snapshot!(shown(|out| json(&lines()[..2], out)), @r#"
        [
          {
            "at": "2026-12-01T08:00:00Z",
            "delivery": "2026-11-desk-story@fedi",
            "state": "scheduled",
            "reason": null
          },
          {
            "at": "2026-12-02T08:00:00Z",
            "account": "fedi",
            "state": "empty",
            "reason": "no approved post"
          }
        ]
        "#);
    }

    #[test]
    fn the_calendar_is_folded_and_escaped() {
        let now = "2026-11-30T12:00:00Z".parse().unwrap();
        let calendar = shown(|out| ics(&lines(), now, out));
        for line in calendar.split_terminator("\r\n") {
            assert!(line.len() <= 75, "{line}");
            assert!(!line.contains(['\r', '\n', '\u{1b}', '\u{202e}']), "{line:?}");
        }
        assert_snapshot!(calendar.replace("\r\n", "\n"), @r#"
        BEGIN:VCALENDAR
        VERSION:2.0
        PRODID:-//cadenced//cadenced 0.1.0//EN
        CALSCALE:GREGORIAN
        X-WR-CALNAME:cadenced
        BEGIN:VEVENT
        UID:cadenced-2026-11-desk-story@fedi
        DTSTAMP:20261130T120000Z
        DTSTART:20261201T080000Z
        SUMMARY:2026-11-desk-story on fedi
        STATUS:CONFIRMED
        TRANSP:TRANSPARENT
        END:VEVENT
        BEGIN:VEVENT
        UID:cadenced-empty-20261202T080000Z@fedi
        DTSTAMP:20261130T120000Z
        DTSTART:20261202T080000Z
        SUMMARY:empty slot on fedi
        DESCRIPTION:no approved post
        STATUS:TENTATIVE
        TRANSP:TRANSPARENT
        END:VEVENT
        BEGIN:VEVENT
        UID:cadenced-2026-11-lamp@bsky
        DTSTAMP:20261130T120000Z
        DTSTART:20261203T090000Z
        SUMMARY:held: 2026-11-lamp on bsky
        DESCRIPTION:invalid: 301 characters\, the platform takes 300\; \\u{1b}[2Jsh
         ort\\u{202e}en\, or split it\\nplease
        STATUS:TENTATIVE
        TRANSP:TRANSPARENT
        END:VEVENT
        END:VCALENDAR
        "#);
        assert_eq!(calendar.matches("BEGIN:VEVENT").count(), 3, "what nobody can date is left out");
    }

    #[test]
    fn an_event_keeps_its_uid_when_it_moves() {
        let uid = |at: &str| {
            let now = "2026-11-30T12:00:00Z".parse().unwrap();
            let calendar = shown(|out| ics(&[line(Some(at), "desk@fedi", PlanState::Scheduled, None)], now, out));
            calendar.lines().find(|line| line.starts_with("UID:")).unwrap().to_owned()
        };
        assert_eq!(uid("2026-12-01T08:00:00Z"), uid("2027-01-01T08:00:00Z"));
    }

    #[test]
    fn folding_never_cuts_a_character() {
        let long = format!("SUMMARY:{}", "ü家👩".repeat(40));
        let folded = shown(|out| fold(&long, out));
        assert!(folded.split_terminator("\r\n").all(|line| line.len() <= 75));
        assert_eq!(folded.replace("\r\n ", "").trim_end(), long);
    }
}
