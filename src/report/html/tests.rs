use std::collections::{BTreeMap, BTreeSet};

use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::*;
use crate::domain::{AccountId, BotSign, Cause, DeliveryId, Interaction, Money, PersonId, PostId, Timestamp};
use crate::report::*;

/// What somebody calls themselves who would like to be more than text.
const HOSTILE: &str = "\"><script>alert('x')</script>&<b onmouseover=x>\u{202e}evil\u{0}\n</style>";

#[test]
fn a_page_is_well_formed_and_read_in_order() {
    for report in [empty(), sample(1), sample(2), sample(50), unknown(), hostile()] {
        let page = page_of(&report);
        let tags = Tags::read(&page);
        assert_eq!(tags.count("h1"), 1);
        assert_eq!(tags.count("main"), 1);
        let mut level = 0;
        for heading in tags.opened.iter().filter_map(|tag| tag.name.strip_prefix('h')?.parse::<u8>().ok()) {
            assert!(heading <= level + 1, "h{heading} after h{level}");
            level = heading;
        }
        let ids: Vec<&str> = tags.opened.iter().filter_map(|tag| tag.attribute("id")).collect();
        let known: BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!(known.len(), ids.len(), "an id comes twice: {ids:?}");
        for tag in &tags.opened {
            for name in ["aria-labelledby", "aria-describedby"].iter().filter_map(|name| tag.attribute(name)) {
                assert!(known.contains(name), "{name} is nowhere");
            }
            if let Some(place) = tag.attribute("href").and_then(|href| href.strip_prefix('#')) {
                assert!(known.contains(place), "#{place} is nowhere");
            }
        }
        for image in tags.opened.iter().filter(|tag| tag.name == "svg" && tag.attribute("aria-hidden").is_none()) {
            assert_eq!(image.attribute("role"), Some("img"));
            assert!(image.attribute("aria-labelledby").is_some() && image.attribute("aria-describedby").is_some());
        }
        assert_eq!(tags.count("figure"), tags.count("figcaption"));
        assert_eq!(tags.count("table"), tags.count("caption"));
    }
}

#[test]
fn a_page_asks_for_nothing() {
    let page = page_of(&sample(2));
    let tags = Tags::read(&page);
    let policy = tags.opened.iter().find(|tag| tag.attribute("http-equiv") == Some("Content-Security-Policy"));
    let content = policy.and_then(|tag| tag.attribute("content")).unwrap_or_default();
    assert!(content.starts_with("default-src 'none'; style-src 'unsafe-inline'"), "{content}");
    for name in ["script", "link", "img", "iframe", "object", "form", "image", "use", "foreignObject"] {
        assert_eq!(tags.count(name), 0, "{name}");
    }
    assert!(!page.contains("@import") && !page.contains("@font-face"));
    assert!(page.match_indices("url(").all(|(at, _)| page[at..].starts_with("url(#")));
}

#[test]
fn what_others_wrote_stays_text() {
    let page = page_of(&hostile());
    let tags = Tags::read(&page);
    assert_eq!((tags.count("script"), tags.count("b"), tags.count("style")), (0, 2, 1));
    assert!(tags.opened.iter().all(|tag| tag.attribute("onmouseover").is_none()));
    assert!(page.contains("&lt;script&gt;alert('x')&lt;/script&gt;&amp;&lt;b onmouseover=x&gt;\\u{202e}evil\\u{0}\\n"));
    assert!(!page.chars().any(|c| c != '\n' && crate::domain::escape::is_unsafe(c)));
    // A link leads to the web or is none.
    let links: Vec<_> = tags.opened.iter().filter_map(|tag| tag.attribute("href")).collect();
    assert!(links.iter().all(|link| link.starts_with('#')), "{links:?}");
    assert!(page_of(&sample(1)).contains("href=\"https://example.social/@ann/1\""));
}

#[test]
fn what_is_not_known_is_no_nought() {
    let shown = text(&page_of(&unknown()));
    for told in [
        "people unknown for the first time unknown in the core unknown",
        "wait for an answer now unknown conversations opened unknown",
        "Who waits is unknown .",
        "leads unknown customers unknown revenue unknown",
        "views unknown ways gone to the link unknown",
        "Known for 0 of 9 deliveries; unknown for 9: 5 not looked at yet, 3 where the platform does not tell, 1 gone before it was known.",
        "desk-1 1 Jun 2026 founders connection unknown unknown unknown unknown unknown unknown",
        "founders connection 1 2 unknown unknown unknown unknown unknown",
        "Not measured yet: people, outcomes.",
    ] {
        assert!(shown.contains(told), "{told:?} is not in {shown}");
    }
    let known = text(&page_of(&sample(1)));
    assert!(!known.contains("unknown"), "{known}");
    assert!(known.contains("Known for 50 of 60 deliveries; unknown for 10: 4 not looked at yet"));
}

#[test]
fn nothing_at_all_makes_a_page_too() {
    let shown = text(&page_of(&empty()));
    for told in ["No slot has passed in this time.", "Nothing was delivered in this time.", "No post can be compared"] {
        assert!(shown.contains(told), "{told:?} is not in {shown}");
    }
}

#[test]
fn the_same_report_gives_the_same_bytes() {
    assert_eq!(page_of(&sample(3)), page_of(&sample(3)));
}

#[test]
fn the_questions_come_in_their_order_and_followers_are_counted_nowhere() {
    let page = page_of(&sample(2));
    let sections: Vec<_> = Tags::read(&page).opened.into_iter().filter(|tag| tag.name == "section").collect();
    let ids: Vec<_> = sections.iter().filter_map(|tag| tag.attribute("id")).collect();
    assert_eq!(ids, ["beat", "people", "conversations", "outcomes", "worth", "reach"]);
    assert_eq!(text(&page).to_lowercase().matches("follower").count(), 1, "but to say that they are not");
}

#[test]
fn amounts_of_different_currencies_stand_side_by_side() {
    let shown = text(&page_of(&sample(1)));
    assert!(shown.contains("revenue in EUR 1,234.50 EUR revenue in USD 99 USD"), "{shown}");
    assert!(!shown.contains("1,333.5"), "a sum of both: {shown}");
    let lost = Money { micros: -2_500_000, currency: "EUR".parse().unwrap() };
    assert_eq!(words::money(&lost), "−2.50 EUR");
    assert_eq!(words::money(&Money { micros: 1_000_001, ..lost }), "1.000001 EUR");
}

#[test]
fn figures_are_read_at_a_glance() {
    assert_eq!([0, 999, 1_000, 1_234_567].map(words::count), ["0", "999", "1,000", "1,234,567"]);
    assert_eq!([59, 60, 3_600, 5_400, 90_000].map(words::span), ["59 s", "1 min", "1 h", "1 h 30 min", "1 d 1 h"]);
    assert_eq!([words::percent(199, 200), words::percent(0, 0)], [Some(99), None]);
}

#[test]
fn a_year_of_weeks_is_drawn_and_the_table_has_all() {
    let mut report = sample(1);
    let first: Date = "2024-01-01".parse().unwrap();
    report.accounts[0].beat.weeks = (0..120).map(|nth| week(first.checked_add(nth.weeks()).unwrap(), 5, 4)).collect();
    let shown = page_of(&report);
    assert!(shown.contains("The last 53 weeks are drawn; the table has all."));
    assert!(shown.contains("2024-W01"));
    assert!(!page_of(&sample(1)).contains("53 weeks"));
}

#[test]
fn colours_can_be_told_apart_in_every_scheme() {
    let style = include_str!("style.css");
    let schemes = style.match_indices("--paper: ").map(|(at, _)| {
        let end = style[at..].find('}').unwrap();
        style[at..at + end].split(';').filter_map(|line| line.trim().strip_prefix("--")?.split_once(": ")).collect()
    });
    let schemes: Vec<BTreeMap<&str, &str>> = schemes.collect();
    assert_eq!(schemes.len(), 3, "light, dark and paper");
    for colours in schemes {
        // Words need 4.5 to 1, what is drawn needs 3 to 1.
        for (front, least) in [("ink", 4.5), ("soft", 4.5), ("accent", 4.5), ("edge", 3.0)] {
            for back in ["paper", "sheet"] {
                let contrast = contrast(colours[front], colours[back]);
                assert!(contrast >= least, "{front} on {back}: {contrast:.2}");
            }
        }
    }
}

/// By WCAG 2.
fn contrast(one: &str, other: &str) -> f64 {
    let light = |colour: &str| {
        let part = |at: usize| f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
        let linear = |part: f64| if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) };
        0.2126 * linear(part(1)) + 0.7152 * linear(part(3)) + 0.0722 * linear(part(5))
    };
    let (one, other) = (light(one), light(other));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn page_of(report: &Report) -> String {
    html(report, &Made { at: at("2026-07-01T08:30:00Z"), zone: &TimeZone::UTC, version: "1.2.3" })
}

fn week(starts: Date, planned: u64, kept: u64) -> Week {
    let iso = starts.iso_week_date();
    let empty = if planned > kept { [(Cause::Content, planned - kept)].into() } else { BTreeMap::new() };
    let week = format!("{}-W{:02}", iso.year(), iso.week());
    Week { week, starts, planned, kept, late: 0, empty }
}

fn empty() -> Report {
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

fn unknown() -> Report {
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

fn hostile() -> Report {
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
fn sample(accounts: u64) -> Report {
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
            .map(|nth| AccountSummary { account: account(nth), platform: "mastodon".into(), beat: beat(nth) })
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

/// One opening tag.
struct Tag<'a> {
    name: &'a str,
    attributes: Vec<(&'a str, &'a str)>,
}

impl<'a> Tag<'a> {
    fn attribute(&self, name: &str) -> Option<&'a str> {
        self.attributes.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }
}

/// All tags of a page. Reading it fails where one is not closed, is closed in another's place, or is not written out.
struct Tags<'a> {
    opened: Vec<Tag<'a>>,
}

impl<'a> Tags<'a> {
    fn read(page: &'a str) -> Self {
        let mut rest = page.strip_prefix("<!DOCTYPE html>").expect("a page says what it is");
        let mut opened: Vec<Tag> = Vec::new();
        let mut open: Vec<&str> = Vec::new();
        while let Some(begin) = rest.find('<') {
            assert!(!rest[..begin].contains('>'), "a stray sign in {:?}", &rest[..begin]);
            rest = &rest[begin + 1..];
            if let Some(closing) = rest.strip_prefix('/') {
                let (name, behind) = closing.split_once('>').expect("a closing tag ends");
                assert_eq!(open.pop(), Some(name), "within {open:?}");
                rest = behind;
                continue;
            }
            let end = rest.find(['>', ' ']).expect("a tag ends");
            let name = &rest[..end];
            assert!(name.chars().all(|c| c.is_ascii_alphanumeric()), "{name:?} is no name");
            let mut tag = Tag { name, attributes: Vec::new() };
            rest = &rest[end..];
            while let Some(attribute) = rest.strip_prefix(' ') {
                let (attribute_name, behind) = attribute.split_once("=\"").expect("every attribute has a value here");
                assert!(attribute_name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{attribute_name:?}");
                let (value, behind) = behind.split_once('"').expect("a value ends");
                assert!(!value.contains('<') && tag.attribute(attribute_name).is_none(), "{attribute_name}: {value}");
                tag.attributes.push((attribute_name, value));
                rest = behind;
            }
            rest = rest.strip_prefix('>').expect("a tag ends");
            if !matches!(name, "meta" | "br") {
                open.push(name);
            }
            opened.push(tag);
            if name == "style" {
                rest = &rest[rest.find("</style>").expect("the style ends")..];
            }
        }
        assert_eq!((open, rest), (Vec::new(), ""));
        Self { opened }
    }

    fn count(&self, name: &str) -> usize {
        self.opened.iter().filter(|tag| tag.name == name).count()
    }
}

/// What is read, with one blank between two pieces.
fn text(page: &str) -> String {
    let body = page.split_once("<main").expect("a main part").1;
    let pieces = body.split('<').filter_map(|piece| piece.split_once('>')).map(|(_, text)| text);
    pieces.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
}

#[test]
#[ignore = "preview"]
fn preview() {
    for (name, report) in [
        ("empty", empty()),
        ("one", sample(1)),
        ("three", sample(3)),
        ("fifty", sample(50)),
        ("unknown", unknown()),
        ("hostile", hostile()),
    ] {
        std::fs::create_dir_all("target/pages").unwrap();
        std::fs::write(format!("target/pages/{name}.html"), page_of(&report)).unwrap();
    }
}
