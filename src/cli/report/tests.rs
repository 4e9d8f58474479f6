//! What people see, and what spreadsheets get.

use insta::assert_snapshot;
use std::collections::BTreeMap;

use clap::ValueEnum as _;

use super::*;
use crate::domain::{AccountId, Money};
use crate::report::{
    AccountBeat, Comparison, ConversationSummary, Gap, OutcomeSummary, PeopleSummary, PostGroup, Reach, Reporter,
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
        runway: (account == "fedi").then_some(Runway { days: 5.5, at_least: false }),
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

fn shown(report: &Report) -> String {
    let mut out = Vec::new();
    table(report, None, &TimeZone::UTC, Page::plain(100), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn as_csv(report: &Report, section: ReportSection) -> String {
    let mut out = Vec::new();
    csv(report, section, &mut out).unwrap();
    String::from_utf8(out).unwrap().replace('\r', "")
}

#[test]
fn people_see_the_beat_first() {
    assert_snapshot!(shown(&report()), @r"
    Fri 2026-05-01 00:00 to Mon 2026-06-01 00:00 (UTC)

    Beat
    slots that have passed, and posts with a time of their own; kept: a post was delivered for it; late:
    by more than a quarter of an hour
    ACCOUNT  PLANNED  KEPT       LATE  STREAK  LONGEST  RUNWAY    NOT KEPT             BY WEEK
    fedi     16       12 (75 %)  1     3       6        5.5 days  3 content, 1 outage  █ ▃▆
    new      0        -          0     0       0        -

    GAP FROM              TO                    ACCOUNT  SLOTS  CAUSE    REASON
    Tue 2026-05-19 09:00  Wed 2026-05-20 09:00  fedi     2      content  nothing is left to send
    Fri 2026-05-22 09:00  Fri 2026-05-22 09:00  fedi     1      outage   missed: its post takes the nex…
    Tue 2026-05-26 09:00  Tue 2026-05-26 09:00  fedi     1      content  \u{1b}[31mdesk: gone

    People

    nobody is on record
    this is known of 0 of 0 deliveries

    Conversations

    nobody waits for an answer, as far as is known

    this is known of 0 of 0 deliveries

    Outcomes

    no outcome was recorded for this time

    Posts

    AUDIENCE        GOAL        POSTS  DELIVERIES  PEOPLE  CONVERSATIONS  LEADS  CUSTOMERS
    indie-founders  connection  7      12          ?       ?              0      0

    ; here 0 of 0

    reach: views unknown, clicks unknown;
    this is known of 0 of 0 deliveries

    not measured yet: people, reach
    ");
}

#[test]
fn a_store_of_today_says_so() {
    let empty = Report { accounts: Vec::new(), posts: Vec::new(), ..report() };
    assert_snapshot!(shown(&empty), @"
    Fri 2026-05-01 00:00 to Mon 2026-06-01 00:00 (UTC)

    Beat
    slots that have passed, and posts with a time of their own; kept: a post was delivered for it; late:
    by more than a quarter of an hour
    no slot has passed in this time

    People

    nobody is on record
    this is known of 0 of 0 deliveries

    Conversations

    nobody waits for an answer, as far as is known

    this is known of 0 of 0 deliveries

    Outcomes

    no outcome was recorded for this time

    Posts

    nothing was delivered in this time

    reach: views unknown, clicks unknown;
    this is known of 0 of 0 deliveries

    not measured yet: people, reach
    ");
}

#[test]
fn a_spreadsheet_gets_a_row_a_week() {
    assert_snapshot!(as_csv(&report(), ReportSection::Beat), @r"
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
    let since = |text: &str| window(text.parse().unwrap(), &zone, now).unwrap().since.to_string();
    assert_eq!(since("2d"), "2026-06-13T12:00:00Z");
    assert_eq!(since("2026-06-01"), "2026-05-31T22:00:00Z");
    assert_eq!(since("2026-06-15"), "2026-06-14T22:00:00Z");
    let refused = window("2026-06-16".parse().unwrap(), &zone, now).unwrap_err();
    assert!(refused.cause().to_string().contains("since Tue 2026-06-16 00:00: that is still to come"), "{refused:?}");
    assert!("yesterday".parse::<Since>().unwrap_err().contains("a day is written as"));
}

/// Of what is made up: the last quarter of two years.
fn demo() -> Report {
    let story = crate::report::demo::story();
    let since = Since::Span(std::time::Duration::from_secs(90 * 86_400));
    let mut reporter = Reporter::new(window(since, &TimeZone::UTC, crate::report::demo::NOW).unwrap(), story.zones);
    story.deliveries.iter().for_each(|record| reporter.record(record));
    story.people.iter().for_each(|record| reporter.people(record));
    Report { made_up: true, ..reporter.finish() }
}

#[test]
fn the_whole_look_back() {
    assert_snapshot!(shown(&demo()), @"
    made up: nothing of this has happened, it shows what a report looks like

    Tue 2026-08-18 09:20 to Mon 2026-11-16 09:20 (UTC)

    Beat
    slots that have passed, and posts with a time of their own; kept: a post was delivered for it; late:
    by more than a quarter of an hour
    ACCOUNT  PLANNED  KEPT       LATE  STREAK  LONGEST  NOT KEPT           BY WEEK
    bsky     26       23 (88 %)  2     6       14       2 content, 1 hold  ███████▁█▄███
    fedi     39       34 (87 %)  1     10      15       3 content, 2 hold  █████▅█▁█▅████
    page     13       12 (92 %)  0     5       7        1 content          ███████▁█████

    GAP FROM              TO                    ACCOUNT  SLOTS  CAUSE    REASON
    Tue 2026-10-06 10:00  Thu 2026-10-08 10:00  bsky     2      content  nothing is left to send
    Thu 2026-10-22 10:00  Thu 2026-10-22 10:00  bsky     1      hold     too many people wait for an an…
    Wed 2026-09-23 09:00  Wed 2026-09-23 09:00  fedi     1      hold     promotion would pass its share
    Mon 2026-10-05 09:00  Fri 2026-10-09 09:00  fedi     3      content  nothing is left to send
    Fri 2026-10-23 09:00  Fri 2026-10-23 09:00  fedi     1      hold     too many people wait for an an…
    Wed 2026-10-07 08:00  Wed 2026-10-07 08:00  page     1      content  nothing is left to send

    People
    people who answered, mentioned, quoted, reposted, liked or saved, each once; no bots, no accounts of
    ours, nobody who only looked; core: three or more interactions in two or more weeks of the last 90
    days
    PLATFORM  PEOPLE  FIRST TIME  CORE  RETURNING  NEW  COOLING  LOST  ADVOCATES  BOTS
    bluesky   86      62          10    6          22   48       282   6          5
    linkedin  43      33          4     7          11   21       141   3          0
    mastodon  140     115         30    12         36   62       498   14         5
    all       269     210         44    25         69   131      921   23         10

    A WEEK     LEAST  MOST  LAST  BY WEEK
    people     1      54    1     ▇▆▇▇▇▆▆▂▆▆▇█▇▂
    new        0      24    0     █▅▇▆▇▆▆▁▅▆▇█▇▁
    returning  1      30    1     ▇▇▇█▇▆▇▂▇▅▇█▇▂
    core       41     50    44    ███████▇█▇▇███

    CORE                    PLATFORM  IN 90 DAYS  WEEKS  LAST SEEN             ADVOCATE
    boris@bearings.example  mastodon  22          13     Mon 2026-11-16 08:36  yes
    goran.pedals.example    bluesky   20          12     Thu 2026-11-12 18:16  yes
    noor@solder.example     mastodon  23          11     Fri 2026-11-13 12:40  yes
    dana.paperclip.example  bluesky   18          11     Thu 2026-11-12 21:57  yes
    ivo.lathe.example       bluesky   17          11     Fri 2026-11-13 04:22  yes
    maren.spokes.example    bluesky   25          10     Sat 2026-11-14 19:55  yes
    anouk-toolbox           linkedin  20          10     Wed 2026-11-11 17:24  yes
    luca@weather.example    mastodon  22          9      Wed 2026-11-11 09:10  yes
    chidi.lantern.example   bluesky   20          9      Sat 2026-11-07 00:55  yes
    deniz-ledger            linkedin  15          9      Wed 2026-11-11 13:36  yes

    beside them, and counted nowhere else: 6 bots (the platform marks it as a bot)
    beside them, and counted nowhere else: 4 bots (it labels itself as a bot)
    this is known of 66 of 69 deliveries; the others: 1 not looked at yet, 1 not told by the platform, 1
    gone before it was known

    Conversations
    what hangs below one first message of somebody else, below a post of ours or naming us; it waits
    while a person has said something after our newest message; bots are not waited for
    WAITS SINCE           FOR         WHO                     PLATFORM  ACCOUNT  BELOW
    Wed 2026-11-04 12:51  11.9 days   ada.ledger.example      bluesky   bsky     2026-w45-shop-story
    Wed 2026-11-04 23:00  11.4 days   deniz-ledger            linkedin  page     2026-w45-shop-story
    Sun 2026-11-08 19:26  7.6 days    milan@thimble.example   mastodon  fedi     2026-w45-bench-note
    Thu 2026-11-12 21:57  3.5 days    dana.paperclip.example  bluesky   bsky     a mention
    Mon 2026-11-16 08:36  43 minutes  boris@bearings.example  mastodon  fedi     2026-w46-bench-note

    165 opened, 147 (89 %) answered
    the first answer came within 1.8 hours for half of them, within 11.2 hours for nine of ten

    A WEEK                      LEAST  MOST  LAST  BY WEEK
    opened                      1      20    1     ▆▆▅▇▇▇▇▂▇▃▆▅█▂
    answered                    1      19    1     ▆▅▅▇▆▇▇▂▇▃▆▄█▂
    minutes to answer (median)  23     193   30    █▆▄▅▄▄▅▂▆██▃▄▃

    this is known of 66 of 69 deliveries; the others: 1 not looked at yet, 1 not told by the platform, 1
    gone before it was known

    Outcomes
    leads, customers and money that were recorded, each key once, by when they happened; they belong to
    a post only where they name it
    BY                               POSTS  LEADS  CUSTOMERS  MONEY
    all                                     10     7          2,400 CHF, 4,375 EUR
              that name no post             4      2          960 CHF, 720 EUR
    audience  bike-shops             13     2      2          1,440 CHF, 885 EUR
              indie-founders         13     1      1          300 EUR
              repair-cafes           11     3      2          2,470 EUR
    goal      connection             20     4      3          2,770 EUR
              change                 11     0      0
              promotion              6      2      2          1,440 CHF, 885 EUR
    series    bench-notes            11     3      2          2,470 EUR
              how-it-works           11     2      2          1,440 CHF, 885 EUR
              (none)                 15     1      1          300 EUR
    account   bsky                   23     2      2          1,440 CHF, 300 EUR
              fedi                   34     3      2          2,750 EUR
              page                   12     1      1          605 EUR
    post      2026-w36-how-it-works  1      2      2          1,440 CHF, 885 EUR
              2026-w37-bench-note    1      1      1          1,035 EUR
              2026-w40-shop-story    1      1      1          300 EUR
              2026-w31-bench-note    0      0      1          605 EUR
              2026-w40-bench-note    1      1      0
              2026-w44-bench-note    1      1      0
              2026-w26-bench-note    0      0      0          395 EUR
              2026-w27-bench-note    0      0      0          435 EUR

    A WEEK     LEAST  MOST  LAST  BY WEEK
    leads      0      1     1     ▁▁██████▁████
    customers  0      1     1     ██▁▁███▁▁▁█▁█

    Posts
    posts that were delivered in this time, with all that became of them until its end; views where the
    platform tells them
    AUDIENCE       GOAL        POSTS  DELIVERIES  PEOPLE  CONVERSATIONS  LEADS  CUSTOMERS  MONEY
    bike-shops     connection  0      0           -       -              0      0
    bike-shops     change      7      15          59      17             0      0
    bike-shops     promotion   6      10          40      14             2      2          1,440 CHF, 8…
    indie-founde…  connection  9      20          118     50             1      1          300 EUR
    indie-founde…  change      4      8           47      17             0      0
    indie-founde…  promotion   0      0           -       -              0      0
    repair-cafes   connection  11     16          103     47             3      1          1,035 EUR
    repair-cafes   change      0      0           -       -              0      0
    repair-cafes   promotion   0      0           -       -              0      0

                      POST                 GOAL        VIEWS   PEOPLE  LEADS  CUSTOMERS  MONEY
    loud and useless  2026-w35-giveaway    promotion   36,047  1       0      0
    loud and useless  2026-w44-giveaway    promotion   32,177  1       0      0
    quiet and useful  2026-w37-bench-note  connection  533     23      1      1          1,035 EUR
    quiet and useful  2026-w40-bench-note  connection  514     22      1      0
    loud and useless: in the top third by views, in the bottom third by people, and no outcome; quiet
    and useful: in the bottom third by views, and in the top third by people or with an outcome;
    compared are posts whose views and people are both known, when they are six or more; here 12 of 37

    reach: views 83,596, clicks 1,853; views and clicks as the platforms counted them when each post was
    looked at last; nobody has said or done anything
    this is known of 12 of 69 deliveries; the others: 1 not looked at yet, 55 not told by the platform,
    1 gone before it was known
    ");
}

#[test]
fn one_section_alone() {
    let (report, whole) = (demo(), shown(&demo()));
    let mut left = whole.clone();
    for section in ReportSection::value_variants() {
        let mut out = Vec::new();
        table(&report, Some(*section), &TimeZone::UTC, Page::plain(100), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        // What is made up says so, whichever part is shown.
        let (head, part) = text.split_at(text.find("(UTC)\n\n").unwrap() + "(UTC)\n\n".len());
        assert!(whole.starts_with(head) && head.starts_with("made up"), "{text}");
        assert!(left.contains(part), "{text}");
        left = left.replace(part, "");
    }
    assert_eq!(left.lines().count(), 4, "{left}");
}

#[test]
fn every_section_is_a_table_for_spreadsheets() {
    let (demo, quiet) = (demo(), Report { made_up: false, ..demo() });
    let head = |section| as_csv(&demo, section).lines().take(3).collect::<Vec<_>>().join("\n");
    assert_snapshot!(head(ReportSection::People), @"
    made_up,week,starts,people,new,returning,core
    true,2026-W34,2026-08-17,45,22,23,50
    true,2026-W35,2026-08-24,36,13,23,49
    ");
    assert_snapshot!(head(ReportSection::Conversations), @"
    made_up,week,starts,opened,answered,median_s,p90_s
    true,2026-W34,2026-08-17,12,13,10878,39582
    true,2026-W35,2026-08-24,12,10,6626,57275
    ");
    assert_snapshot!(head(ReportSection::Outcomes), @"
    made_up,by,name,posts,leads,customers,currency,money
    true,all,,,10,7,CHF,2400.000000
    true,all,,,,,EUR,4375.000000
    ");
    assert_snapshot!(head(ReportSection::Posts), @r#"
    made_up,post,audience,goal,series,at,accounts,people,conversations,leads,customers,money,views,deliveries,views_measured,verdict
    true,2026-w34-shop-story,indie-founders,connection,,2026-08-18T10:40:08Z,bsky,22,5,0,0,,,1,0,
    true,2026-w34-bench-note,repair-cafes,connection,bench-notes,2026-08-19T08:00:07Z,"fedi page",22,5,0,0,,606,2,1,
    "#);
    for section in ReportSection::value_variants() {
        let text = as_csv(&quiet, *section);
        let mut rows = csv_rows(&text);
        let header = rows.next().unwrap();
        assert_ne!(header[0], "made_up");
        assert!(rows.all(|row| row.len() == header.len()), "{text}");
    }
}

/// Rows of cells; no cell of these has a comma or a line break in it.
fn csv_rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().map(|line| line.split(',').collect())
}

#[test]
fn money_is_written_as_people_write_it() {
    let text = |micros| outcomes::amount(&Money { micros, currency: "EUR".parse().unwrap() });
    assert_eq!(text(0), "0 EUR");
    assert_eq!(text(12_340_500_000), "12,340.50 EUR");
    assert_eq!(text(-1_000_001), "-1.000001 EUR");
    assert_eq!(text(1_234_567_000_000), "1,234,567 EUR");
}

#[test]
fn what_is_not_known_is_no_zero() {
    let mut report = demo();
    for group in &mut report.posts {
        (group.people, group.conversations) = (None, Some(0));
    }
    (report.reach.views, report.reach.clicks) = (None, Some(0));
    let text = shown(&report);
    let line = text.lines().find(|line| line.starts_with("bike-shops") && line.contains("change")).unwrap();
    assert!(line.split_whitespace().skip(4).take(2).eq(["?", "0"]), "{line}");
    assert!(text.contains("reach: views unknown, clicks 0"), "{text}");
    assert_eq!(spark(&[Some(0), None, Some(1), Some(100)]), "▁ ▂█");
}
