//! `cadenced status`: where everything stands, and the history of one. Pure; the report comes in ready.
//!
//! For people the order is: what waits for a person, accounts, deliveries that are not over (soonest first), then those
//! that are (latest first). Reasons are cut to the page there; the whole of everything is in the JSON.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::{self, Write};

use jiff::tz::TimeZone;

use crate::control::protocol::{AccountState, Attention, DeliveryReport, SpentReport, Stage, StatusReport};
use crate::domain::time::days_text;
use crate::telemetry::escape::escape;

use super::exit::Exit;
use super::output::{Cell, Page, Table, exact_moment, fit, moment, paint, zone_name};

/// Most deliveries in the table. More than that nobody reads, and a queue may hold a million.
const ROWS: usize = 1_000;

/// How `--strict` ends: with 1 when something waits for a person.
pub fn strict(report: &StatusReport) -> Exit {
    if report.attention.is_empty() { Exit::Done } else { Exit::Findings }
}

/// The contract's object.
///
/// # Errors
/// When the output cannot be written.
pub fn json(report: &StatusReport, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, report)?;
    out.write_all(b"\n")
}

/// Everything, for people.
///
/// # Errors
/// When the output cannot be written.
pub fn table(report: &StatusReport, zone: &TimeZone, page: Page, out: &mut dyn Write) -> io::Result<()> {
    head(report, zone, page, out)?;
    attention(&report.attention, page, out)?;
    accounts(report, zone, page, out)?;
    deliveries(&report.deliveries, zone, page, out)
}

/// One post or delivery, each with its history, for people.
///
/// # Errors
/// When the output cannot be written.
pub fn history(report: &StatusReport, zone: &TimeZone, page: Page, out: &mut dyn Write) -> io::Result<()> {
    let styles = page.styles();
    for (place, delivery) in report.deliveries.iter().enumerate() {
        if place > 0 {
            writeln!(out)?;
        }
        let name = paint(page.colour, styles.head, &delivery.delivery.to_string());
        writeln!(out, "{name}  {}", paint(page.colour, stage_style(delivery.state, page), delivery.state.name()))?;
        let at = |moment: Option<_>| moment.map(|moment| exact_moment(moment, zone));
        let facts = [
            ("reason", delivery.reason.clone()),
            ("platform", Some(delivery.platform.clone()).filter(|text| !text.is_empty())),
            ("slot", at(delivery.slot)),
            ("at", at(delivery.at)),
            ("attempts", Some(delivery.attempts.to_string())),
            ("remote id", delivery.remote_id.clone()),
            ("url", delivery.url.clone()),
            ("digest", delivery.digest.map(|digest| digest.to_string())),
        ];
        for (label, text) in facts {
            if let Some(text) = text {
                writeln!(out, "  {} {}", paint(page.colour, styles.dim, &format!("{label:<9}")), escape(&text))?;
            }
        }
        let lines = delivery.history.as_deref().unwrap_or_default();
        if lines.is_empty() {
            writeln!(out, "\n  nothing is recorded yet")?;
            continue;
        }
        writeln!(out)?;
        let mut table = Table::new(&[("RECORDED", None), ("TRY", None), ("WHAT", Some(8)), ("DETAIL", Some(12))]);
        for line in lines {
            table.row(vec![
                Cell::new(exact_moment(line.at, zone)),
                Cell::maybe(line.attempt.map(|attempt| attempt.to_string())),
                Cell::new(&line.what),
                Cell::maybe(line.detail.as_deref()),
            ]);
        }
        table.render(page, out)?;
    }
    let waiting: Vec<_> = report
        .attention
        .iter()
        .filter(|item| report.deliveries.iter().any(|delivery| Some(&delivery.delivery) == item.delivery.as_ref()))
        .cloned()
        .collect();
    if !waiting.is_empty() {
        writeln!(out)?;
        attention(&waiting, page, out)?;
    }
    writeln!(out, "{}", paint(page.colour, styles.dim, &format!("times in {}", zone_name(zone))))
}

fn head(report: &StatusReport, zone: &TimeZone, page: Page, out: &mut dyn Write) -> io::Result<()> {
    let daemon = match (report.daemon.running, report.daemon.pid) {
        (true, Some(pid)) => format!("daemon running, pid {pid}"),
        (true, None) => "daemon running".into(),
        (false, _) => "daemon not running".into(),
    };
    let version = escape(&report.daemon.version);
    let line = format!("{} ({}), {daemon}, version {version}", exact_moment(report.now, zone), zone_name(zone));
    writeln!(out, "{}\n", paint(page.colour, page.styles().dim, &fit(&line, page.width)))
}

fn attention(items: &[Attention], page: Page, out: &mut dyn Write) -> io::Result<()> {
    let styles = page.styles();
    if items.is_empty() {
        return writeln!(out, "{}\n", paint(page.colour, styles.good, "nothing waits for a person"));
    }
    let things = if items.len() == 1 { "1 thing waits".to_owned() } else { format!("{} things wait", items.len()) };
    writeln!(out, "{}", paint(page.colour, styles.error, &format!("{things} for a person")))?;
    for item in items.iter().take(ROWS) {
        let about = match (&item.delivery, &item.account) {
            (Some(delivery), _) => format!("{delivery}: "),
            (None, Some(account)) => format!("{account}: "),
            (None, None) => String::new(),
        };
        let line = format!("  {:<12} {about}{}", item.kind.name(), escape(&item.reason));
        writeln!(out, "{}", fit(&line, page.width))?;
        if let Some(hint) = &item.hint {
            // Never cut: it holds a command to copy.
            writeln!(out, "               {}", paint(page.colour, styles.hint, &escape(hint)))?;
        }
    }
    left_out(items.len(), page, out)?;
    writeln!(out)
}

fn accounts(report: &StatusReport, zone: &TimeZone, page: Page, out: &mut dyn Write) -> io::Result<()> {
    if report.accounts.is_empty() {
        return Ok(());
    }
    let styles = page.styles();
    // Most platforms cost nothing.
    let some_cost = report.accounts.iter().any(|account| account.spent.is_some());
    let spent = some_cost.then_some(("SPENT", None));
    let columns = [
        Some(("ACCOUNT", Some(8))),
        Some(("PLATFORM", Some(8))),
        Some(("STATE", None)),
        Some(("NEXT", None)),
        Some(("RUNWAY", None)),
        spent,
        Some(("REASON", Some(12))),
    ];
    let mut table = Table::new(&columns.into_iter().flatten().collect::<Vec<_>>());
    for account in &report.accounts {
        let style = match account.state {
            AccountState::Ready => styles.good,
            AccountState::Paused | AccountState::Waiting | AccountState::Gone => styles.warn,
            AccountState::Auth => styles.error,
        };
        let runway = account.runway_days.map(days_text);
        let long =
            account.runway_at_least_days.map_or_else(|| "long".into(), |days| format!("over {}", days_text(days)));
        let low = matches!((account.runway_days, account.warn_days), (Some(days), Some(warn)) if days < warn);
        let mut row = vec![
            Cell::new(account.account.as_str()),
            Cell::new(&account.platform),
            Cell::styled(account.state.name(), style),
            Cell::new(account.next.map_or_else(|| "-".into(), |next| moment(next, zone))),
            match runway {
                Some(text) if low => Cell::styled(text, styles.warn),
                Some(text) => Cell::new(text),
                None if account.state == AccountState::Ready => Cell::new(long),
                None => Cell::new("-"),
            },
        ];
        if some_cost {
            let text = account.spent.as_ref().map_or_else(|| "-".into(), spent_text);
            let much = account.spent.as_ref().is_some_and(is_much);
            row.push(if much { Cell::styled(text, styles.warn) } else { Cell::new(text) });
        }
        row.push(Cell::maybe(account.reason.as_deref()));
        table.row(row);
    }
    table.render(page, out)?;
    writeln!(out)
}

/// Spent in this month, and of how much.
fn spent_text(spent: &SpentReport) -> String {
    match spent.budget_usd {
        Some(budget) => format!("{:.2} of {budget:.2} USD", spent.usd),
        None => format!("{:.2} USD", spent.usd),
    }
}

/// Whether most of the budget is spent.
fn is_much(spent: &SpentReport) -> bool {
    spent.budget_usd.is_some_and(|budget| spent.usd >= 0.8 * budget)
}

fn deliveries(all: &[DeliveryReport], zone: &TimeZone, page: Page, out: &mut dyn Write) -> io::Result<()> {
    if all.is_empty() {
        return writeln!(out, "no deliveries: nothing is in the queue, or it has not been read yet");
    }
    let mut counts: BTreeMap<Stage, usize> = BTreeMap::new();
    for delivery in all {
        *counts.entry(delivery.state).or_default() += 1;
    }
    let counts: Vec<_> = counts.iter().map(|(stage, count)| format!("{count} {}", stage.name())).collect();
    let total = if all.len() == 1 { "1 delivery".to_owned() } else { format!("{} deliveries", all.len()) };
    writeln!(out, "{total}: {}", counts.join(", "))?;
    let mut sorted: Vec<&DeliveryReport> = all.iter().collect();
    // Stable, so that equals stay in the order of their names.
    sorted.sort_by_key(|delivery| {
        let over = delivery.state.is_over();
        let soonest = (!over).then_some((delivery.at.is_none(), delivery.at));
        let latest = over.then_some(Reverse(delivery.at));
        (over, soonest, latest)
    });
    let mut table = Table::new(&[
        ("DELIVERY", Some(16)),
        ("STATE", None),
        ("WHEN", None),
        ("TRIES", None),
        ("REASON OR URL", Some(12)),
    ]);
    for delivery in sorted.iter().take(ROWS) {
        table.row(vec![
            Cell::new(delivery.delivery.to_string()),
            Cell::styled(delivery.state.name(), stage_style(delivery.state, page)),
            Cell::maybe(delivery.at.or(delivery.slot).map(|at| moment(at, zone))),
            Cell::new(if delivery.attempts == 0 { String::new() } else { delivery.attempts.to_string() }),
            Cell::maybe(delivery.reason.as_deref().or(delivery.url.as_deref())),
        ]);
    }
    table.render(page, out)?;
    left_out(all.len(), page, out)
}

fn left_out(all: usize, page: Page, out: &mut dyn Write) -> io::Result<()> {
    if all <= ROWS {
        return Ok(());
    }
    let line = format!("… and {} more: --format json has them all", all - ROWS);
    writeln!(out, "{}", paint(page.colour, page.styles().dim, &line))
}

fn stage_style(stage: Stage, page: Page) -> anstyle::Style {
    let styles = page.styles();
    match stage {
        Stage::Scheduled | Stage::Sending | Stage::Delivered => styles.good,
        Stage::Held | Stage::Retrying | Stage::Missed | Stage::Expired => styles.warn,
        Stage::Uncertain | Stage::Refused => styles.error,
        Stage::Withdrawn => styles.dim,
    }
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;
    use unicode_width::UnicodeWidthStr as _;

    use super::*;
    use crate::control::protocol::{AccountReport, DaemonReport, HistoryLine, attention as waiting};
    use crate::domain::Digest;
    use crate::domain::policy::ApprovalMode;

    fn delivery(id: &str, state: Stage, at: Option<&str>, reason: Option<&str>) -> DeliveryReport {
        let delivery: crate::domain::DeliveryId = id.parse().unwrap();
        let delivered = state == Stage::Delivered;
        DeliveryReport {
            post: delivery.post.clone(),
            account: delivery.account.clone(),
            delivery,
            platform: "mastodon".into(),
            state,
            reason: reason.map(ToOwned::to_owned),
            slot: at.map(|at| at.parse().unwrap()),
            at: at.map(|at| at.parse().unwrap()),
            attempts: u32::from(delivered),
            remote_id: delivered.then(|| "115".into()),
            url: delivered.then(|| "https://mastodon.example/@me/115".into()),
            digest: Some(Digest::of(b"desk")),
            allowed_from: None,
            history: None,
        }
    }

    fn report() -> StatusReport {
        let deliveries = vec![
            delivery("a-desk-story@fedi", Stage::Delivered, Some("2026-11-30T08:00:00Z"), None),
            delivery("b-lamp@fedi", Stage::Scheduled, Some("2026-12-02T08:00:00Z"), None),
            delivery(
                "c-chair@fedi",
                Stage::Uncertain,
                Some("2026-12-01T07:30:00Z"),
                Some("the reply was\nlost \u{1b}[2J\u{202e}"),
            ),
            delivery("d-shelf@fedi", Stage::Held, None, Some("not-approved")),
            delivery("e-door@fedi", Stage::Delivered, Some("2026-11-29T08:00:00Z"), None),
        ];
        let account = |name: &str, state, days, reason: Option<&str>| AccountReport {
            account: name.parse().unwrap(),
            platform: "mastodon".into(),
            state,
            reason: reason.map(ToOwned::to_owned),
            next: Some("2026-12-02T08:00:00Z".parse().unwrap()).filter(|_| state == AccountState::Ready),
            runway_days: days,
            runway_at_least_days: None,
            warn_days: Some(7.0),
            identity: None,
            spent: None,
        };
        let accounts = vec![
            account("fedi", AccountState::Ready, Some(3.25), None),
            account("other", AccountState::Auth, None, Some("401: the token was revoked")),
        ];
        StatusReport {
            now: "2026-12-01T08:00:00Z".parse().unwrap(),
            daemon: DaemonReport { running: true, pid: Some(4711), version: "0.1.0".into() },
            attention: waiting(&deliveries, &accounts, ApprovalMode::Digest),
            accounts,
            deliveries,
        }
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
    fn what_waits_for_a_person_comes_first() {
        assert_snapshot!(shown(|out| table(&report(), &berlin(), Page::plain(80), out)), @r#"
        2026-12-01 09:00:00 (Europe/Berlin), daemon running, pid 4711, version 0.1.0

        3 things wait for a person
          uncertain    c-chair@fedi: the reply was\nlost \u{1b}[2J\u{202e}
                       look at the account, then: cadenced resolve c-chair@fedi --delivered URL, --retry or --drop
          account-auth other: 401: the token was revoked
                       give the account a new token (cadenced auth other) and reload
          queue-low    fedi: approved posts for 3.2 days are left, 7.0 are wanted
                       approve more posts

        ACCOUNT  PLATFORM  STATE  NEXT                  RUNWAY    REASON
        fedi     mastodon  ready  Wed 2026-12-02 09:00  3.2 days
        other    mastodon  auth   -                     -         401: the token was re…

        5 deliveries: 1 held, 1 scheduled, 1 uncertain, 2 delivered
        DELIVERY           STATE      WHEN                  TRIES  REASON OR URL
        c-chair@fedi       uncertain  Tue 2026-12-01 08:30         the reply was\nlost …
        b-lamp@fedi        scheduled  Wed 2026-12-02 09:00
        d-shelf@fedi       held                                    not-approved
        a-desk-story@fedi  delivered  Mon 2026-11-30 09:00  1      https://mastodon.exa…
        e-door@fedi        delivered  Sun 2026-11-29 09:00  1      https://mastodon.exa…
        "#);
        assert_snapshot!(shown(|out| table(&report(), &berlin(), Page::plain(120), out)), @r#"
        2026-12-01 09:00:00 (Europe/Berlin), daemon running, pid 4711, version 0.1.0

        3 things wait for a person
          uncertain    c-chair@fedi: the reply was\nlost \u{1b}[2J\u{202e}
                       look at the account, then: cadenced resolve c-chair@fedi --delivered URL, --retry or --drop
          account-auth other: 401: the token was revoked
                       give the account a new token (cadenced auth other) and reload
          queue-low    fedi: approved posts for 3.2 days are left, 7.0 are wanted
                       approve more posts

        ACCOUNT  PLATFORM  STATE  NEXT                  RUNWAY    REASON
        fedi     mastodon  ready  Wed 2026-12-02 09:00  3.2 days
        other    mastodon  auth   -                     -         401: the token was revoked

        5 deliveries: 1 held, 1 scheduled, 1 uncertain, 2 delivered
        DELIVERY           STATE      WHEN                  TRIES  REASON OR URL
        c-chair@fedi       uncertain  Tue 2026-12-01 08:30         the reply was\nlost \u{1b}[2J\u{202e}
        b-lamp@fedi        scheduled  Wed 2026-12-02 09:00
        d-shelf@fedi       held                                    not-approved
        a-desk-story@fedi  delivered  Mon 2026-11-30 09:00  1      https://mastodon.example/@me/115
        e-door@fedi        delivered  Sun 2026-11-29 09:00  1      https://mastodon.example/@me/115
        "#);
    }

    #[test]
    fn what_is_spent_is_shown_where_something_costs() {
        let mut report = report();
        report.deliveries.clear();
        report.attention.clear();
        let spent =
            |usd, budget_usd| Some(SpentReport { month: "2026-12".into(), usd, budget_usd, reads: 3, writes: 40 });
        let reports = [
            (spent(0.6154, None), "0.62 USD"),
            (spent(8.4, Some(20.0)), "8.40 of 20.00 USD"),
            (spent(19.99, Some(20.0)), "19.99 of 20.00 USD"),
        ];
        for (spent, text) in reports {
            report.accounts[0].spent = spent;
            let shown = shown(|out| table(&report, &TimeZone::UTC, Page::plain(100), out));
            let lines: Vec<_> = shown.lines().filter(|line| line.contains("SPENT") || line.contains("USD")).collect();
            assert!(lines.len() == 2 && lines[1].contains(&format!(" {text}")), "{shown}");
        }
    }

    #[test]
    fn all_well_is_said_too() {
        let mut report = report();
        report.attention.clear();
        report.accounts.clear();
        report.deliveries.clear();
        report.daemon = DaemonReport { running: false, pid: None, version: "0.1.0".into() };
        assert_snapshot!(shown(|out| table(&report, &TimeZone::UTC, Page::plain(80), out)), @r#"
        2026-12-01 08:00:00 (UTC), daemon not running, version 0.1.0

        nothing waits for a person

        no deliveries: nothing is in the queue, or it has not been read yet
        "#);
        assert_eq!(strict(&report), Exit::Done);
    }

    #[test]
    fn one_delivery_shows_its_history() {
        let mut report = report();
        let line = |at: &str, what: &str, attempt, detail: Option<&str>| HistoryLine {
            at: at.parse().unwrap(),
            what: what.into(),
            attempt,
            detail: detail.map(ToOwned::to_owned),
        };
        report.deliveries = vec![report.deliveries.swap_remove(2)];
        report.deliveries[0].history = Some(vec![
            line("2026-11-25T10:00:00Z", "planned", None, Some("scheduled")),
            line("2026-12-01T07:30:00.2Z", "intent", Some(1), Some("for 2026-12-01T07:30:00Z")),
            line(
                "2026-12-01T07:31:00Z",
                "ambiguous",
                Some(1),
                Some("\"not there\" counts from 2026-12-01T07:36:00Z: no reply within 60 s"),
            ),
        ]);
        assert_snapshot!(shown(|out| history(&report, &berlin(), Page::plain(80), out)), @r#"
        c-chair@fedi  uncertain
          reason    the reply was\nlost \u{1b}[2J\u{202e}
          platform  mastodon
          slot      2026-12-01 08:30:00
          at        2026-12-01 08:30:00
          attempts  0
          digest    sha256:49be417ad74080a0031b636b44cfc26fdd0065492d6cd3b033960c4414955cf7

        RECORDED             TRY  WHAT       DETAIL
        2026-11-25 11:00:00       planned    scheduled
        2026-12-01 08:30:00  1    intent     for 2026-12-01T07:30:00Z
        2026-12-01 08:31:00  1    ambiguous  "not there" counts from 2026-12-01T07:36:0…

        1 thing waits for a person
          uncertain    c-chair@fedi: the reply was\nlost \u{1b}[2J\u{202e}
                       look at the account, then: cadenced resolve c-chair@fedi --delivered URL, --retry or --drop

        times in Europe/Berlin
        "#);
    }

    #[test]
    fn strict_ends_with_one_when_somebody_is_needed() {
        assert_eq!(strict(&report()).code(), 1);
    }

    #[test]
    fn hostile_text_reaches_no_terminal() {
        for colour in [crate::cli::output::Colour::Never, crate::cli::output::Colour::Always] {
            let page = Page { width: 80, colour };
            let text = shown(|out| table(&report(), &berlin(), page, out));
            assert!(!text.contains("\u{1b}[2J"), "{text:?}");
            assert!(!text.contains('\u{202e}'), "{text:?}");
        }
    }

    #[test]
    fn a_huge_queue_is_counted_and_not_listed() {
        let mut report = report();
        report.deliveries =
            (0..20_000).map(|n| delivery(&format!("p{n}@fedi"), Stage::Scheduled, None, None)).collect();
        let text = shown(|out| table(&report, &berlin(), Page::plain(80), out));
        assert!(text.contains("20000 deliveries: 20000 scheduled"), "{text}");
        assert!(text.contains("… and 19000 more"), "{text}");
        assert!(text.lines().count() < 1_100);
    }

    #[test]
    fn tables_stay_within_the_page() {
        for width in [76, 80, 120, 200] {
            let text = shown(|out| table(&report(), &berlin(), Page::plain(width), out));
            for line in text.lines().filter(|line| !line.contains("cadenced resolve")) {
                assert!(line.width() <= width, "{width}: {line}");
            }
        }
    }
}
