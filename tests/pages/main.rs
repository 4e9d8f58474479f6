//! The report and the status as pages: well formed, harmless whatever others wrote, and honest about what is not known. What only a
//! browser can tell, `look.sh` asks one, of the pages that are written here and of the made-up report.

#![cfg(test)]

mod reports;
mod status;
mod tags;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use cadenced::domain::escape::is_unsafe;
use cadenced::report::Report;
use cadenced::report::html::{Made, html};
use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use reports::{HOSTILE, empty, hostile, sample, unknown, week};
use tags::{Tags, text};

fn page_of(report: &Report) -> String {
    html(report, &Made { zone: &TimeZone::UTC, version: "1.2.3" })
}

#[test]
fn a_page_is_well_formed_and_read_in_order() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
    fs::create_dir_all(&folder).unwrap();
    let reports = [
        ("empty", empty()),
        ("one", sample(1)),
        ("two", sample(2)),
        ("fifty", sample(50)),
        ("unknown", unknown()),
        ("hostile", hostile()),
    ];
    let reports = reports.into_iter().map(|(name, report)| (name, page_of(&report)));
    for (name, page) in reports.chain(status::pages()) {
        // For the browser.
        fs::write(folder.join(format!("{name}.html")), &page).unwrap();
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
    assert!(HOSTILE.contains("<script>"));
    assert!(page.contains("&lt;script&gt;alert('x')&lt;/script&gt;&amp;&lt;b onmouseover=x&gt;\\u{202e}evil\\u{0}\\n"));
    assert!(!page.chars().any(|c| c != '\n' && is_unsafe(c)));
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
        "desk-1 1 Jun 2026 founders connection unknown unknown unknown unknown",
        "founders connection 1 2 unknown unknown unknown unknown unknown",
        "Not measured yet: people, outcomes.",
    ] {
        assert!(shown.contains(told), "{told:?} is not in {shown}");
    }
    for claimed in ["Nobody yet", "Nobody waits", "None were seen", "Loud and useless"] {
        assert!(!shown.contains(claimed), "{claimed:?} is claimed in {shown}");
    }
    let known = text(&page_of(&sample(1)));
    assert_eq!(known.matches("unknown").count(), known.matches("; unknown for 10:").count(), "{known}");
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
    assert!(shown.contains("revenue in EUR 1,234.50 revenue in USD 99"), "{shown}");
    assert!(!shown.contains("1,333.5"), "a sum of both: {shown}");
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
    let page = page_of(&empty());
    let style = page.split_once("<style>").unwrap().1.split_once("</style>").unwrap().0;
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
