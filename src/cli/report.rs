//! `cadenced report`: how the beat was kept, as a table, as JSON or as CSV. Pure; the report comes in ready.

use std::io::{self, Write};

use jiff::tz::TimeZone;

use crate::domain::{Cause, Timestamp, time};
use crate::report::{AccountSummary, Report, Week, Window};

use super::args::Since;
use super::output::{Cell, Page, Table, csv_cell, fit, moment, paint, zone_name};

/// Most gaps of an account in the table; the JSON has all of them.
const GAPS: usize = 5;
/// Most weeks in a row of bars.
const BARS: usize = 26;
/// From nothing kept to everything.
const BAR: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// From where `since` says until now.
pub fn window(since: Since, zone: &TimeZone, now: Timestamp) -> Window {
    let begins = match since {
        Since::Span(span) => time::before(now, span),
        Since::Day(day) => day.to_zoned(zone.clone()).map_or(Timestamp::MIN, |begin| begin.timestamp()),
    };
    Window { since: begins, until: now }
}

/// The whole of it.
///
/// # Errors
/// When the output cannot be written.
pub fn json(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, report)?;
    out.write_all(b"\n")
}

/// One row for each account and week.
///
/// # Errors
/// When the output cannot be written.
pub fn csv(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let header = ["account", "platform", "week", "starts", "planned", "kept", "late"];
    let mut header: Vec<String> = header.into_iter().map(str::to_owned).collect();
    header.extend(Cause::ALL.map(|cause| format!("empty_{}", cause.name())));
    csv_row(&header, out)?;
    for account in &report.accounts {
        for week in &account.beat.weeks {
            let mut row = vec![account.account.to_string(), account.platform.clone(), week.week.clone()];
            row.push(week.starts.to_string());
            row.extend([week.planned, week.kept, week.late].map(|count| count.to_string()));
            row.extend(Cause::ALL.map(|cause| week.empty.get(&cause).copied().unwrap_or(0).to_string()));
            csv_row(&row, out)?;
        }
    }
    Ok(())
}

fn csv_row<T: AsRef<str>>(cells: &[T], out: &mut dyn Write) -> io::Result<()> {
    let cells: Vec<_> = cells.iter().map(|cell| csv_cell(cell.as_ref())).collect();
    write!(out, "{}\r\n", cells.join(","))
}

/// For people.
///
/// # Errors
/// When the output cannot be written.
pub fn table(report: &Report, zone: &TimeZone, page: Page, out: &mut dyn Write) -> io::Result<()> {
    let dim = page.styles().dim;
    let Window { since, until } = report.window;
    let times = format!("{} to {} ({})", moment(since, zone), moment(until, zone), zone_name(zone));
    writeln!(out, "{}\n", paint(page.colour, dim, &fit(&times, page.width)))?;
    beat(report, page, out)?;
    gaps(report, zone, page, out)?;
    posts(report, page, out)?;
    let missing = format!("not measured yet: {}", report.not_measured.join(", "));
    writeln!(out, "{}", paint(page.colour, dim, &fit(&missing, page.width)))
}

fn beat(report: &Report, page: Page, out: &mut dyn Write) -> io::Result<()> {
    let styles = page.styles();
    if report.accounts.iter().all(|account| account.beat.planned == 0) {
        return writeln!(out, "no slot has passed in this time\n");
    }
    let mut table = Table::new(&[
        ("ACCOUNT", Some(8)),
        ("PLANNED", None),
        ("KEPT", None),
        ("LATE", None),
        ("STREAK", None),
        ("LONGEST", None),
        ("NOT KEPT", Some(12)),
        ("BY WEEK", Some(8)),
    ]);
    for AccountSummary { account, beat, .. } in &report.accounts {
        let style = if beat.kept == beat.planned { styles.good } else { styles.warn };
        table.row(vec![
            Cell::new(account.as_str()),
            Cell::new(beat.planned.to_string()),
            Cell::styled(share(beat.kept, beat.planned), style),
            Cell::new(beat.late.to_string()),
            Cell::new(beat.streak.to_string()),
            Cell::new(beat.longest_streak.to_string()),
            Cell::new(causes(&beat.weeks)),
            Cell::new(bars(&beat.weeks)),
        ]);
    }
    table.render(page, out)?;
    writeln!(out)
}

fn gaps(report: &Report, zone: &TimeZone, page: Page, out: &mut dyn Write) -> io::Result<()> {
    let mut table = Table::new(&[
        ("GAP FROM", None),
        ("TO", None),
        ("ACCOUNT", Some(8)),
        ("SLOTS", None),
        ("CAUSE", None),
        ("REASON", Some(12)),
    ]);
    for AccountSummary { account, beat, .. } in &report.accounts {
        for gap in beat.gaps.iter().rev().take(GAPS).rev() {
            table.row(vec![
                Cell::new(moment(gap.from, zone)),
                Cell::new(moment(gap.to, zone)),
                Cell::new(account.as_str()),
                Cell::new(gap.slots.to_string()),
                Cell::new(gap.cause.name()),
                Cell::new(&gap.reason),
            ]);
        }
    }
    if table.is_empty() {
        return Ok(());
    }
    table.render(page, out)?;
    writeln!(out)
}

fn posts(report: &Report, page: Page, out: &mut dyn Write) -> io::Result<()> {
    if report.posts.is_empty() {
        return writeln!(out, "nothing was delivered in this time\n");
    }
    let mut table = Table::new(&[("AUDIENCE", Some(8)), ("GOAL", None), ("POSTS", None), ("DELIVERIES", None)]);
    for group in &report.posts {
        let [posts, deliveries] = [group.posts, group.deliveries].map(|count| Cell::new(count.to_string()));
        table.row(vec![Cell::new(&group.audience), Cell::new(&group.goal), posts, deliveries]);
    }
    table.render(page, out)?;
    writeln!(out)
}

/// `9 of 10` would be read as a grade; the share tells at once.
fn share(kept: u64, planned: u64) -> String {
    if planned == 0 {
        return "-".into();
    }
    // Rounded down: only all of it is 100 %.
    format!("{kept} ({} %)", kept.saturating_mul(100) / planned)
}

fn causes(weeks: &[Week]) -> String {
    let count = |cause: &Cause| weeks.iter().filter_map(|week| week.empty.get(cause)).sum::<u64>();
    let told = Cause::ALL.iter().map(|cause| (cause, count(cause))).filter(|(_, count)| *count > 0);
    told.map(|(cause, count)| format!("{count} {}", cause.name())).collect::<Vec<_>>().join(", ")
}

/// One bar a week, from the first to the last in which something was planned; a blank where nothing was.
fn bars(weeks: &[Week]) -> String {
    let Some(last) = weeks.last() else { return String::new() };
    let bar = |week: &Week| {
        let full = week.planned == week.kept;
        let height = week.kept.saturating_mul(BAR.len() as u64 - 1) / week.planned.max(1);
        if full { BAR[BAR.len() - 1] } else { BAR[usize::try_from(height).unwrap_or(0).min(BAR.len() - 2)] }
    };
    let mut bars = Vec::new();
    let mut day = last.starts;
    for week in weeks.iter().rev() {
        while day > week.starts && bars.len() < BARS {
            bars.push(' ');
            day = day.checked_sub(jiff::Span::new().weeks(1)).unwrap_or(week.starts);
        }
        if bars.len() == BARS {
            break;
        }
        bars.push(bar(week));
        day = day.checked_sub(jiff::Span::new().weeks(1)).unwrap_or(week.starts);
    }
    bars.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use std::collections::BTreeMap;

    use super::*;
    use crate::domain::AccountId;
    use crate::report::{
        AccountBeat, Comparison, ConversationSummary, Gap, OutcomeSummary, PeopleSummary, PostGroup, Reach,
    };

    fn week(starts: &str, planned: u64, kept: u64, empty: &[(Cause, u64)]) -> Week {
        let starts: jiff::civil::Date = starts.parse().unwrap();
        let week = format!("2026-W{:02}", starts.iso_week_date().week());
        Week { week, starts, planned, kept, late: 0, empty: empty.iter().copied().collect::<BTreeMap<_, _>>() }
    }

    fn report() -> Report {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let gap = |from: &str, to: &str, slots, cause, reason: &str| Gap {
            from: at(from),
            to: at(to),
            slots,
            cause,
            reason: reason.into(),
        };
        let fedi = AccountBeat {
            planned: 16,
            kept: 12,
            late: 1,
            streak: 3,
            longest_streak: 6,
            weeks: vec![
                week("2026-05-04", 5, 5, &[]),
                week("2026-05-18", 5, 2, &[(Cause::Outage, 1), (Cause::Content, 2)]),
                week("2026-05-25", 6, 5, &[(Cause::Content, 1)]),
            ],
            gaps: vec![
                gap("2026-05-19T09:00:00Z", "2026-05-20T09:00:00Z", 2, Cause::Content, "nothing is left to send"),
                gap(
                    "2026-05-22T09:00:00Z",
                    "2026-05-22T09:00:00Z",
                    1,
                    Cause::Outage,
                    "missed: its post takes the next slot",
                ),
                gap("2026-05-26T09:00:00Z", "2026-05-26T09:00:00Z", 1, Cause::Content, "\u{1b}[31mdesk: gone"),
            ],
        };
        let summary = |account: &str, beat| AccountSummary {
            account: AccountId::new(account).unwrap(),
            platform: "mastodon".into(),
            beat,
        };
        Report {
            made_up: false,
            window: Window { since: at("2026-05-01T00:00:00Z"), until: at("2026-06-01T00:00:00Z") },
            accounts: vec![summary("fedi", fedi), summary("new", AccountBeat::default())],
            people: PeopleSummary::default(),
            conversations: ConversationSummary::default(),
            outcomes: OutcomeSummary::default(),
            posts: vec![PostGroup {
                audience: "indie-founders".into(),
                goal: "connection".into(),
                posts: 7,
                deliveries: 12,
                ..PostGroup::default()
            }],
            comparison: Comparison::default(),
            reach: Reach::default(),
            not_measured: vec!["people", "reach"],
        }
    }

    fn shown(report: &Report, write: fn(&Report, &TimeZone, Page, &mut dyn Write) -> io::Result<()>) -> String {
        let mut out = Vec::new();
        write(report, &TimeZone::UTC, Page::plain(100), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn people_see_the_beat_first() {
        assert_snapshot!(shown(&report(), table), @r"
    Fri 2026-05-01 00:00 to Mon 2026-06-01 00:00 (UTC)

    ACCOUNT  PLANNED  KEPT       LATE  STREAK  LONGEST  NOT KEPT             BY WEEK
    fedi     16       12 (75 %)  1     3       6        3 content, 1 outage  █ ▃▆
    new      0        -          0     0       0

    GAP FROM              TO                    ACCOUNT  SLOTS  CAUSE    REASON
    Tue 2026-05-19 09:00  Wed 2026-05-20 09:00  fedi     2      content  nothing is left to send
    Fri 2026-05-22 09:00  Fri 2026-05-22 09:00  fedi     1      outage   missed: its post takes the nex…
    Tue 2026-05-26 09:00  Tue 2026-05-26 09:00  fedi     1      content  \u{1b}[31mdesk: gone

    AUDIENCE        GOAL        POSTS  DELIVERIES
    indie-founders  connection  7      12

    not measured yet: people, reach
    ");
    }

    #[test]
    fn a_store_of_today_says_so() {
        let empty = Report { accounts: Vec::new(), posts: Vec::new(), ..report() };
        assert_snapshot!(shown(&empty, table), @r"
    Fri 2026-05-01 00:00 to Mon 2026-06-01 00:00 (UTC)

    no slot has passed in this time

    nothing was delivered in this time

    not measured yet: people, reach
    ");
    }

    #[test]
    fn a_spreadsheet_gets_a_row_a_week() {
        assert_snapshot!(shown(&report(), |report, _, _, out| csv(report, out)).replace('\r', ""), @r"
    account,platform,week,starts,planned,kept,late,empty_content,empty_hold,empty_policy,empty_outage,empty_account,empty_platform,empty_other
    fedi,mastodon,2026-W19,2026-05-04,5,5,0,0,0,0,0,0,0,0
    fedi,mastodon,2026-W21,2026-05-18,5,2,0,2,0,0,1,0,0,0
    fedi,mastodon,2026-W22,2026-05-25,6,5,0,1,0,0,0,0,0,0
    ");
    }

    #[test]
    fn a_look_back_begins_a_span_ago_or_with_a_day() {
        let now = "2026-06-15T12:00:00Z".parse().unwrap();
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let since = |text: &str| window(text.parse().unwrap(), &zone, now).since.to_string();
        assert_eq!(since("2d"), "2026-06-13T12:00:00Z");
        assert_eq!(since("2026-06-01"), "2026-05-31T22:00:00Z");
        assert!("yesterday".parse::<Since>().unwrap_err().contains("a day is written as"));
    }
}
