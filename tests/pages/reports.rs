//! Reports to make pages of.

use std::collections::BTreeMap;

use cadenced::domain::{AccountId, BotSign, Cause, DeliveryId, Interaction, Money, PersonId, PostId, Timestamp};
use cadenced::report::*;
use jiff::ToSpan as _;
use jiff::civil::Date;

/// What somebody calls themselves who would like to be more than text.
pub const HOSTILE: &str = "\"><script>alert('x')</script>&<b onmouseover=x>\u{202e}evil\u{0}\n</style>";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub fn week(starts: Date, planned: u64, kept: u64) -> Week {
    let iso = starts.iso_week_date();
    let empty = if planned > kept { [(Cause::Content, planned - kept)].into() } else { BTreeMap::new() };
    let week = format!("{}-W{:02}", iso.year(), iso.week());
    Week { week, starts, planned, kept, late: 0, empty }
}

/// Of a store in which nothing has happened.
pub fn empty() -> Report {
    Report {
        made_up: false,
        window: Window { since: at("2026-04-02T00:00:00Z"), until: at("2026-07-01T00:00:00Z") },
        accounts: Vec::new(),
        people: PeopleSummary::default(),
        conversations: ConversationSummary::default(),
        outcomes: OutcomeSummary::default(),
        posts: Vec::new(),
        comparison: Comparison::default(),
        reach: Reach::default(),
        not_measured: vec!["people", "conversations", "outcomes", "reach"],
    }
}

/// Deliveries of which nothing could be measured.
pub fn unknown() -> Report {
    let measured = Measured { deliveries: 9, measured: 0, not_yet: 5, silent: 3, gone: 1 };
    let mut report = sample(2);
    report.people = PeopleSummary { measured, ..PeopleSummary::default() };
    report.conversations = ConversationSummary { measured, ..ConversationSummary::default() };
    report.outcomes = OutcomeSummary::default();
    report.posts[0].people = None;
    report.posts[0].conversations = None;
    report.comparison.posts.truncate(1);
    let post = &mut report.comparison.posts[0];
    (post.reach, post.people, post.conversations, post.verdict) = (None, None, None, None);
    report.comparison.compared = 0;
    report.reach = Reach { measured, ..Reach::default() };
    report.not_measured = vec!["people", "outcomes"];
    report
}

/// Everything that others can write is hostile.
pub fn hostile() -> Report {
    let mut report = sample(2);
    report.people.core[0].handle = HOSTILE.into();
    report.conversations.waiting[0].handle = HOSTILE.into();
    report.conversations.waiting[0].url = Some(format!("javascript:alert(1)//{HOSTILE}"));
    report.accounts[0].platform = HOSTILE.into();
    report.accounts[0].beat.gaps[0].reason = HOSTILE.into();
    report.posts[0].audience = HOSTILE.into();
    report.outcomes.by_audience[0].name = Some(HOSTILE.into());
    report.comparison.posts[0].audience = HOSTILE.into();
    report
}

/// So many accounts, and something of everything.
pub fn sample(accounts: u64) -> Report {
    let monday: Date = "2026-03-30".parse().unwrap();
    let account = |nth: u64| AccountId::new(&format!("account-{nth}")).unwrap();
    let weeks = || (0..13).map(|nth| monday.checked_add(i64::from(nth).weeks()).unwrap()).zip(0u64..);
    let beat = |nth: u64| AccountBeat {
        planned: 65,
        kept: 60,
        late: nth,
        streak: 10 + nth,
        longest_streak: 30,
        weeks: weeks().map(|(starts, place)| week(starts, 5, if (place + nth) % 5 == 1 { 3 } else { 5 })).collect(),
        gaps: vec![Gap {
            from: at("2026-05-19T09:00:00Z"),
            to: at("2026-05-20T09:00:00Z"),
            slots: 2,
            cause: Cause::Content,
            reason: "nothing is left to send".into(),
        }],
    };
    let measured = Measured { deliveries: 60, measured: 50, not_yet: 4, silent: 5, gone: 1 };
    let ann: PersonId = "mastodon:ann@example.social".parse().unwrap();
    let standing = Standings { core: 3, returning: 8, new: 20, cooling: 4, lost: 2 };
    let speed = Speed { answers: 3, median_s: 5_400, p90_s: 40_000 };
    let sums = |sums: &[(i64, &str)]| {
        sums.iter().map(|(micros, currency)| Money { micros: *micros, currency: currency.parse().unwrap() }).collect()
    };
    let gains = Gains { leads: 5, customers: 2, revenue: sums(&[(1_234_500_000, "EUR"), (99_000_000, "USD")]) };
    let row = |name: &str| GainRow { name: Some(name.into()), posts: 3, gains: gains.clone() };
    let line = |nth: u64, reach: u64, people: u64, verdict| PostLine {
        post: PostId::new(&format!("desk-{nth}")).unwrap(),
        audience: "founders".into(),
        goal: "connection".into(),
        series: None,
        at: at("2026-06-01T09:00:00Z"),
        accounts: vec![account(1)],
        reach: Some(reach),
        measured,
        people: Some(people),
        conversations: Some(1),
        gains: Gains::default(),
        verdict,
    };
    Report {
        accounts: (1..=accounts)
            .map(|nth| AccountSummary {
                account: account(nth),
                platform: "mastodon".into(),
                beat: beat(nth),
                runway: (nth % 2 == 0).then_some(Runway { days: 5.5, at_least: nth > 2 }),
            })
            .collect(),
        people: PeopleSummary {
            counts: "people who did something",
            measured,
            distinct: 37,
            first_time: 20,
            standing,
            advocates: 2,
            kinds: [(Interaction::Reply, 12), (Interaction::Like, 80)].into(),
            bots: vec![Bots { sign: BotSign::PlatformFlag, reason: BotSign::PlatformFlag.reason(), accounts: 2 }],
            weeks: weeks()
                .map(|(starts, place)| PeopleWeek {
                    week: week(starts, 0, 0).week,
                    starts,
                    distinct: 5 + place,
                    new: 2,
                    returning: 3 + place,
                    core: place / 4,
                })
                .collect(),
            platforms: vec![
                PlatformPeople {
                    platform: "mastodon".into(),
                    distinct: 37,
                    first_time: 20,
                    standing,
                    advocates: 2,
                    bots: 2
                };
                2
            ],
            core: vec![CorePerson {
                person: ann.clone(),
                handle: "ann@example.social".into(),
                platform: "mastodon".into(),
                first_seen: at("2026-04-03T10:00:00Z"),
                last_seen: at("2026-06-28T10:00:00Z"),
                interactions: 9,
                weeks: 6,
                advocate: true,
            }],
        },
        conversations: ConversationSummary {
            counts: "conversations",
            measured,
            waiting: vec![Owed {
                account: account(1),
                platform: "mastodon".into(),
                delivery: Some(DeliveryId::new(PostId::new("desk-1").unwrap(), account(1))),
                person: ann,
                handle: "ann@example.social".into(),
                since: at("2026-06-27T10:00:00Z"),
                waited_s: 300_000,
                url: Some("https://example.social/@ann/1".into()),
                answer: "1".into(),
            }],
            opened: 14,
            answered: 11,
            speed: Some(speed),
            weeks: weeks()
                .map(|(starts, place)| ConversationWeek {
                    week: week(starts, 0, 0).week,
                    starts,
                    opened: 1,
                    answered: 1,
                    speed: (place != 4).then_some(speed),
                })
                .collect(),
        },
        outcomes: OutcomeSummary {
            counts: "leads, customers and revenue",
            total: gains.clone(),
            without_post: Gains { leads: 1, ..Gains::default() },
            unknown_post: Gains::default(),
            weeks: Vec::new(),
            by_audience: vec![row("founders"), row("makers"), GainRow { name: None, ..GainRow::default() }],
            by_goal: vec![row("connection"), row("promotion")],
            by_series: vec![row("desk")],
            by_post: vec![row("desk-1")],
            by_account: vec![row("account-1")],
        },
        posts: vec![PostGroup {
            audience: "founders".into(),
            goal: "connection".into(),
            posts: 1,
            deliveries: 2,
            people: Some(7),
            conversations: Some(2),
            gains,
        }],
        comparison: Comparison {
            counts: "views and people",
            rule: "loud is more views than most",
            compared: 3,
            posts: vec![
                line(1, 90, 9, Some(Verdict::QuietAndUseful)),
                line(2, 4_000, 0, Some(Verdict::LoudAndUseless)),
                line(3, 800, 3, None),
            ],
        },
        reach: Reach {
            counts: "views",
            measured,
            views: Some(4_890),
            clicks: Some(120),
            accounts: [(account(1), AccountReach { measured, views: Some(4_890), clicks: Some(120) })].into(),
        },
        not_measured: Vec::new(),
        ..empty()
    }
}
