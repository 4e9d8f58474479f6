//! Posts: who may go, who is held and why, and how a wait ends.

use super::*;
use crate::plan::index::POSTS_A_STEP;
use crate::queue::Trouble;

const MORNING: &str = "2026-06-01T08:30:00Z";

#[test]
fn what_is_against_a_post_is_said_once_and_in_order_of_weight() {
    let not_before = Some(at("2026-06-01T10:30:00Z"));
    let mut world = World::hourly(free()).with([
        Post { approval: Approval::NotApproved, ..post("a") },
        Post { approval: Approval::Stale, ..post("b") },
        Post {
            rare: Rare { trouble: Some(Trouble::Media("no such file".into())), ..Rare::default() }.into(),
            approval: Approval::NotApproved,
            ..post("c")
        },
        Post {
            rare: Rare { trouble: Some(Trouble::Invalid("too long".into())), ..Rare::default() }.into(),
            ..post("d")
        },
        Post {
            rare: Rare { trouble: Some(Trouble::Duplicate("x and y".into())), ..Rare::default() }.into(),
            ..post("e")
        },
        Post { rare: Rare { not_before, ..Rare::default() }.into(), approval: Approval::Stale, ..post("f") },
        Post { rare: Rare { not_before, ..Rare::default() }.into(), ..post("g") },
    ]);
    let objected = Arc::new(Post { approval: Approval::Stale, ..post("h") });
    world.lane.put(&objected, Some((Held::Invalid, "500 characters at most".into())), None);
    world.posts.insert(objected.id.clone(), objected);
    assert_eq!(
        world.said(MORNING),
        [
            "a held: not-approved",
            "b held: approval-stale",
            "c held: media-missing (no such file)",
            "d held: invalid (too long)",
            "e held: duplicate (x and y)",
            "f held: approval-stale",
            "g held: not-before (not before 2026-06-01T10:30:00Z)",
            "h held: invalid (500 characters at most)",
        ]
    );
    assert_eq!(world.live(MORNING, "2026-06-01T11:30:00Z"), ["g at 11:00"], "the slot before was not its own");
    world.restart();
    let objected = world.posts[&id("h")].clone();
    world.lane.put(
        &objected,
        Some((Held::Invalid, "500 characters at most".into())),
        world.view.account(&World::account_id()),
    );
    assert_eq!(world.said("2026-06-01T11:30:00Z"), [""; 0], "a restart says nothing again");
}

#[test]
fn long_reasons_compare_equal_with_what_was_recorded() {
    let trouble = Some(Trouble::Invalid("x".repeat(2000).into()));
    let mut world =
        World::hourly(free()).with([Post { rare: Rare { trouble, ..Rare::default() }.into(), ..post("a") }]);
    let step = world.step(at(MORNING));
    let Verdict::Held { detail: Some(detail), .. } = &step.verdicts[0] else { panic!() };
    assert!(detail.chars().count() <= crate::domain::limits::QUOTED_CHARS);
}

#[test]
fn an_approval_lets_a_post_go() {
    let mut world = World::hourly(free()).with([Post { approval: Approval::NotApproved, ..post("a") }]);
    world.said(MORNING);
    world.put(post("a"));
    assert_eq!(world.said(MORNING), ["a scheduled for 09:00"]);
    world.put(Post { digest: Digest::of(b"edited"), approval: Approval::Stale, ..post("a") });
    assert_eq!(world.said(MORNING), ["a held: approval-stale"]);
    assert_eq!(world.live(MORNING, "2026-06-01T09:30:00Z"), [""; 0]);
}

#[test]
fn a_post_expires_also_while_it_is_held() {
    let expires = Some(at("2026-06-01T08:45:00Z"));
    let mut world = World::hourly(free()).with([
        Post { rare: Rare { expires, ..Rare::default() }.into(), ..post("a") },
        Post { rare: Rare { expires, ..Rare::default() }.into(), approval: Approval::NotApproved, ..post("b") },
    ]);
    world.said(MORNING);
    assert_eq!(world.step(at(MORNING)).wake, expires);
    assert_eq!(world.said("2026-06-01T08:45:00Z"), ["a expired", "b expired"]);
    assert_eq!(world.live("2026-06-01T08:45:00Z", "2026-06-01T10:30:00Z"), [""; 0]);
    world.restart();
    assert_eq!(world.said("2026-06-01T10:30:00Z"), [""; 0]);
    // Another content is another matter.
    world.put(Post { digest: Digest::of(b"new"), ..post("a") });
    assert_eq!(world.said("2026-06-01T10:30:00Z"), ["a scheduled for 11:00"]);
}

#[test]
fn what_ended_at_first_sight_is_planned_before_so_that_an_edit_brings_it_back_once() {
    let mut world = World::hourly(free()).with([fixed("a", "2026-05-01T00:00:00Z")]);
    assert_eq!(world.said(MORNING), ["a scheduled for 2026-05-01 00:00", "a missed 2026-05-01 00:00"]);
    world.put(Post { digest: Digest::of(b"edited"), ..fixed("a", "2026-05-02T00:00:00Z") });
    assert_eq!(world.said(MORNING), ["a scheduled for 2026-05-02 00:00", "a missed 2026-05-02 00:00"]);
    world.restart();
    assert_eq!(world.said(MORNING), [""; 0]);
    world.put(Post { digest: Digest::of(b"again"), ..post("a") });
    assert_eq!(world.live(MORNING, "2026-06-01T09:30:00Z"), ["a at 09:00"]);
}

#[test]
fn a_withdrawn_post_comes_back_and_a_dropped_one_never() {
    let mut world = World::hourly(free()).with([post("a"), post("b")]);
    world.said(MORNING);
    for (name, by) in [("a", None), ("b", Some("someone".to_string()))] {
        world.lane.remove(&id(name));
        world.record(at(MORNING), Fact::Withdrawn { delivery: World::delivery(&id(name)), by });
    }
    world.put(post("a"));
    world.put(post("b"));
    assert_eq!(world.said(MORNING), ["a scheduled for 09:00"]);
    assert_eq!(world.live(MORNING, "2026-06-01T10:30:00Z"), ["a at 09:00"]);
}

#[test]
fn a_fixed_post_goes_at_its_time_without_a_slot() {
    let mut world = World::hourly(free()).with([fixed("f", "2026-06-01T09:17:00Z"), post("a"), post("b")]);
    assert_eq!(world.live(MORNING, "2026-06-01T10:30:00Z"), ["a at 09:00", "f at 09:17", "b at 10:00"]);
}

#[test]
fn a_fixed_post_may_be_late_within_its_grace_only() {
    let new = || World::hourly(free()).with([fixed("f", "2026-06-01T09:17:00Z")]);
    let mut world = new();
    world.said(MORNING);
    assert_eq!(world.live("2026-06-01T10:16:00Z", "2026-06-01T10:20:00Z"), ["f at 10:16"]);
    let mut world = new();
    world.said(MORNING);
    world.brakes.no_send = Some("the disk is full");
    assert_eq!(world.said("2026-06-01T10:17:00Z").last().unwrap(), "10:00 empty: missed: its post takes the next slot");
    assert_eq!(world.shown("f"), "missed");
}

#[test]
fn a_slot_is_kept_free_for_a_fixed_post_that_comes_within_the_gap() {
    let policy = Policy { min_gap: Duration::from_mins(30), ..free() };
    let mut world = World::hourly(policy).with([fixed("f", "2026-06-01T09:17:00Z"), post("a")]);
    assert_eq!(world.live(MORNING, "2026-06-01T09:05:00Z"), [""; 0]);
    world.said("2026-06-01T09:05:00Z");
    assert_eq!(world.live("2026-06-01T09:05:00Z", "2026-06-01T10:30:00Z"), ["f at 09:17", "a at 10:00"]);
    let policy = Policy { min_gap: Duration::from_mins(30), ..free() };
    let mut held = Post { approval: Approval::NotApproved, ..fixed("f", "2026-06-01T09:17:00Z") };
    held.priority = 3;
    let mut world = World::hourly(policy).with([held, post("a")]);
    assert_eq!(
        world.live(MORNING, "2026-06-01T09:06:00Z"),
        ["a at 09:00"],
        "nothing is kept free for one that is held"
    );
}

#[test]
fn the_reason_of_a_slot_kept_free_names_the_post() {
    let policy = Policy { min_gap: Duration::from_mins(30), ..free() };
    let mut world = World::hourly(policy).with([fixed("f", "2026-06-01T09:17:00Z"), post("a")]);
    world.said(MORNING);
    world.said("2026-06-01T09:00:00Z");
    assert_eq!(world.said("2026-06-01T09:05:00Z"), ["09:00 empty: kept free for f at 2026-06-01T09:17:00Z"]);
}

#[test]
fn the_day_keeps_a_place_for_its_fixed_posts() {
    let policy = Policy { max_per_day: 2, ..free() };
    let mut world = World::new(schedule("UTC", &["0 9-12 * * *"]), policy).with([
        fixed("f", "2026-06-01T20:00:00Z"),
        post("a"),
        post("b"),
    ]);
    assert_eq!(world.live(MORNING, "2026-06-02T09:30:00Z"), ["a at 09:00", "f at 20:00", "b at 2026-06-02 09:00"]);
}

#[test]
fn an_answer_goes_as_soon_as_it_is_not_quiet_and_counts_for_nothing() {
    let quiet = vec![crate::domain::policy::Quiet { from: "22:00".parse().unwrap(), to: "08:45".parse().unwrap() }];
    let policy = Policy { quiet, min_gap: Duration::from_hours(1), max_per_day: 1, ..free() };
    let mut world = World::hourly(policy).with([reply("r1"), reply("r2"), post("a")]);
    assert_eq!(world.live(MORNING, "2026-06-01T09:30:00Z"), ["r1 at 08:45", "r2 at 08:45", "a at 09:00"]);
    world.put(reply("r3"));
    world.brakes.unanswered = true;
    assert_eq!(world.live("2026-06-01T09:31:00Z", "2026-06-01T09:35:00Z"), ["r3 at 09:31"]);
}

#[test]
fn promotion_waits_for_its_share_and_others_go_before() {
    let policy = Policy { promotion: Promotion { share: 0.25, window: 4 }, ..free() };
    let first = |name: &str| Post { priority: 1, ..promotion(name) };
    let mut world = World::hourly(policy).with([first("p"), first("q"), post("a"), post("b"), post("c")]);
    assert_eq!(world.live(MORNING, "2026-06-01T09:30:00Z"), ["p at 09:00"]);
    let step = world.step(at("2026-06-01T10:00:00Z"));
    assert_eq!(lines(&step.verdicts), ["q held: promotion-share"]);
    assert_eq!(
        world.live("2026-06-01T10:00:00Z", "2026-06-01T13:30:00Z"),
        ["a at 10:00", "b at 11:00", "c at 12:00", "q at 13:00"]
    );
    assert_eq!(world.shown("q"), "delivered");
}

#[test]
fn promotion_alone_is_held_to_the_last_post() {
    let policy = Policy { promotion: Promotion { share: 0.5, window: 2 }, ..free() };
    let mut world = World::hourly(policy).with([promotion("p"), promotion("q"), promotion("r")]);
    assert_eq!(world.live(MORNING, "2026-06-01T11:04:00Z"), ["p at 09:00"]);
    assert_eq!([world.shown("q"), world.shown("r")], ["held: promotion-share", "held: promotion-share"]);
    assert_eq!(world.said("2026-06-01T11:05:00Z"), ["11:00 empty: promotion would pass its share"]);
    world.put(post("a"));
    assert_eq!(world.live("2026-06-01T11:05:00Z", "2026-06-01T13:30:00Z"), ["a at 12:00", "q at 13:00"]);
    world.restart();
    assert_eq!(world.said("2026-06-01T13:31:00Z"), [""; 0]);
}

#[test]
fn broadcasts_wait_while_too_many_people_wait() {
    let change = Post { goal: Goal::Change, ..post("b") };
    let mut world = World::hourly(free()).with([promotion("a"), change, post("c")]);
    world.brakes.unanswered = true;
    assert_eq!(world.said(MORNING), ["a scheduled", "b scheduled", "c scheduled for 09:00"]);
    // Whose turn it is says so, once; another post takes the slot.
    assert_eq!(world.live(MORNING, "2026-06-01T10:04:00Z"), ["c at 09:00"]);
    assert_eq!([world.shown("a"), world.shown("b")], ["held: unanswered", "scheduled"]);
    assert_eq!(world.said("2026-06-01T10:05:00Z"), ["10:00 empty: too many people wait for an answer"]);
    world.restart();
    assert_eq!(world.live("2026-06-01T10:06:00Z", "2026-06-01T11:04:00Z"), [""; 0]);
    assert_eq!(world.said("2026-06-01T11:05:00Z"), ["11:00 empty: too many people wait for an answer"]);
    world.brakes.unanswered = false;
    assert_eq!(world.said("2026-06-01T11:06:00Z"), ["a scheduled for 12:00"]);
    // It may be the turn of another one by then.
    world.brakes.unanswered = true;
    world.put(Post { priority: 1, ..promotion("d") });
    assert_eq!(world.said("2026-06-01T11:07:00Z"), ["d scheduled"]);
    assert_eq!(world.live("2026-06-01T11:07:00Z", "2026-06-01T12:01:00Z"), [""; 0]);
    assert_eq!(["a", "b", "d"].map(|post| world.shown(post)), ["scheduled", "scheduled", "held: unanswered"]);
}

#[test]
fn who_is_held_for_the_share_is_not_let_go_because_people_wait() {
    let policy = Policy { promotion: Promotion { share: 0.5, window: 2 }, ..free() };
    let mut world = World::hourly(policy).with([promotion("p"), promotion("q"), promotion("r")]);
    assert_eq!(world.live(MORNING, "2026-06-01T11:01:00Z"), ["p at 09:00"]);
    assert_eq!([world.shown("q"), world.shown("r")], ["held: promotion-share", "held: promotion-share"]);
    for (minute, unanswered) in [(2, true), (3, false), (4, true)] {
        world.brakes.unanswered = unanswered;
        assert_eq!(world.said(&format!("2026-06-01T11:{minute:02}:00Z")), [""; 0]);
    }
}

#[test]
fn a_thousand_broadcasts_wait_without_a_word() {
    let mut world = World::hourly(free()).with((0..1_000).map(|number| promotion(&format!("p{number:04}"))));
    world.live(MORNING, MORNING);
    let mut said = 0;
    for minute in 0..50 {
        world.brakes.unanswered = minute % 2 == 0;
        said += world.said(&format!("2026-06-01T08:{minute:02}:00Z")).len();
    }
    assert_eq!(said, 0, "it is nobody's turn");
    let held =
        world.lane.project_posts(world.account(), world.brakes, at("2026-06-01T08:50:00Z"), at("2026-06-01T09:00:00Z"));
    assert_eq!(held.iter().filter(|line| line.held.is_some()).count(), 0);
    world.brakes.unanswered = true;
    let held =
        world.lane.project_posts(world.account(), world.brakes, at("2026-06-01T08:50:00Z"), at("2026-06-01T09:00:00Z"));
    let waits = |line: &&crate::plan::Projected| matches!(line.held, Some((Held::Unanswered, _)));
    assert_eq!(held.iter().filter(waits).count(), 1_000, "who asks is told of all of them");
    assert_eq!(world.said("2026-06-01T09:00:00Z"), ["p0000 held: unanswered"]);
}

#[test]
fn a_broadcast_with_a_time_of_its_own_or_a_series_says_that_people_wait() {
    let mut world = World::hourly(free()).with([
        Post { goal: Goal::Change, ..fixed("f", "2026-06-01T09:30:00Z") },
        Post { goal: Goal::Change, ..in_series("a") },
        in_series("b"),
    ]);
    world.brakes.unanswered = true;
    let behind = "b held: waiting-series (waits for a)";
    assert_eq!(world.said(MORNING), ["a held: unanswered", behind, "f scheduled for 09:30"]);
    assert_eq!(world.live(MORNING, "2026-06-01T09:29:00Z"), [""; 0]);
    assert_eq!(world.shown("f"), "scheduled");
    assert_eq!(world.said("2026-06-01T09:30:00Z"), ["f held: unanswered"]);
}

#[test]
fn a_series_keeps_its_order_whatever_the_priorities() {
    let mut world =
        World::hourly(free()).with([in_series("c"), Post { priority: 9, ..in_series("b") }, in_series("a"), post("z")]);
    assert_eq!(world.live(MORNING, "2026-06-01T12:30:00Z"), ["a at 09:00", "b at 10:00", "c at 11:00", "z at 12:00"]);
}

#[test]
fn a_series_waits_for_a_post_that_is_held() {
    let mut world = World::hourly(free()).with([
        in_series("a"),
        Post { approval: Approval::NotApproved, ..in_series("b") },
        in_series("c"),
        in_series("d"),
    ]);
    assert_eq!(
        world.said(MORNING),
        [
            "a scheduled for 09:00",
            "b held: not-approved",
            "c held: waiting-series (waits for b)",
            "d held: waiting-series (waits for b)"
        ]
    );
    assert_eq!(world.live(MORNING, "2026-06-01T11:20:00Z"), ["a at 09:00"]);
    world.restart();
    assert_eq!(world.said("2026-06-01T11:20:00Z"), [""; 0]);
    world.put(in_series("b"));
    assert_eq!(world.said("2026-06-01T11:20:00Z"), ["b scheduled for 12:00", "c scheduled", "d scheduled"]);
    assert_eq!(world.live("2026-06-01T11:20:00Z", "2026-06-01T14:30:00Z"), ["b at 12:00", "c at 13:00", "d at 14:00"]);
}

#[test]
fn a_series_waits_for_a_person_and_not_for_what_is_over() {
    let new = || {
        let mut world = World::hourly(free()).with([in_series("a"), in_series("b")]);
        world.said(MORNING);
        let now = at("2026-06-01T09:00:00Z");
        let choice = world.step(now).send.unwrap();
        world.begin(now, &choice);
        world.brakes.no_send = Some("an attempt is open");
        assert_eq!(lines(&world.step(now).verdicts), [""; 0], "an attempt is no reason to hold the next");
        world.brakes.no_send = None;
        world
    };
    let now = at("2026-06-01T09:01:00Z");
    let a = id("a");

    let mut world = new();
    world.conclude(now, &a, Outcome::Uncertain { why: "who knows".into() });
    assert_eq!(world.said("2026-06-01T09:01:00Z"), ["b held: waiting-series (waits for a)"]);
    world.restart();
    assert_eq!(world.said("2026-06-01T09:06:00Z"), [""; 0]);
    world.resolve(now, &a, Decision::Delivered { url: "https://example.org/1".into() });
    assert_eq!(world.said("2026-06-01T09:07:00Z"), ["b scheduled for 10:00"]);

    let mut world = new();
    world.conclude(now, &a, Outcome::Refused { why: "no".into() });
    assert_eq!(world.said("2026-06-01T09:01:00Z"), ["b held: waiting-series (waits for a)"]);
    world.resolve(now, &a, Decision::Drop);
    assert_eq!(world.said("2026-06-01T09:02:00Z"), ["b scheduled for 10:00"]);

    // The engine may just as well take the post out when it begins: the ledger tells.
    let mut world = World::hourly(free()).with([in_series("a"), in_series("b")]);
    world.said(MORNING);
    let choice = world.step(at("2026-06-01T09:00:00Z")).send.unwrap();
    world.lane.remove(&a);
    world.posts.remove(&a);
    world.begin(now, &choice);
    world.step(now);
    world.conclude(now, &a, Outcome::Uncertain { why: "who knows".into() });
    assert_eq!(world.said("2026-06-01T09:01:00Z"), ["b held: waiting-series (waits for a)"]);
    // One that leaves the queue after that holds up nobody.
    world.lane.remove(&a);
    assert_eq!(world.live("2026-06-01T09:02:00Z", "2026-06-01T10:01:00Z"), ["b at 10:00"]);
}

#[test]
fn a_post_first_seen_behind_an_attempt_of_its_series_is_held_until_that_is_over() {
    let mut world = World::hourly(free()).with([in_series("a")]);
    world.said(MORNING);
    let now = at("2026-06-01T09:00:00Z");
    let choice = world.step(now).send.unwrap();
    world.begin(now, &choice);
    world.put(in_series("b"));
    world.put(in_series("c"));
    world.brakes.no_send = Some("an attempt is open");
    assert_eq!(
        world.said("2026-06-01T09:00:01Z"),
        ["b held: waiting-series (waits for a)", "c held: waiting-series (waits for a)"]
    );
    world.brakes.no_send = None;
    world.deliver(now, &id("a"));
    assert_eq!(world.said("2026-06-01T09:00:02Z"), ["b scheduled for 10:00", "c scheduled"]);
}

#[test]
fn an_answer_to_a_post_of_ours_waits_for_its_delivery() {
    let mut world = World::hourly(free()).with([post("a")]);
    let answer = Arc::new(Post { priority: 5, ..post("b") });
    world.posts.insert(answer.id.clone(), answer.clone());
    world.lane.index.put(&answer, None, Some(id("a")), None);
    assert_eq!(
        world.said(MORNING),
        ["b held: waiting-series (answers a, which is not delivered)", "a scheduled for 09:00"]
    );
    let now = at("2026-06-01T09:00:00Z");
    let choice = world.step(now).send.unwrap();
    world.begin(now, &choice);
    world.deliver(now, &id("a"));
    assert_eq!(world.said("2026-06-01T09:00:00Z"), ["b scheduled for 10:00"]);
}

#[test]
fn all_new_posts_of_a_large_queue_are_spoken_of_in_parts() {
    let mut world = World::hourly(free());
    for number in 0..POSTS_A_STEP * 5 / 2 {
        world.put(post(&format!("p{number}")));
    }
    let now = at(MORNING);
    let step = world.step(now);
    assert_eq!((step.verdicts.len(), step.wake), (POSTS_A_STEP, Some(now)));
    world.run(now);
    assert!(world.posts.keys().all(|id| world.shown(id.as_str()) == "scheduled"));
}

#[test]
fn a_clock_that_was_ahead_lets_nobody_go_early() {
    let not_before = Some(at("2026-06-01T10:30:00Z"));
    let mut world = World::hourly(free()).with([
        Post { rare: Rare { not_before, ..Rare::default() }.into(), ..reply("r") },
        Post { rare: Rare { not_before, ..Rare::default() }.into(), ..post("a") },
    ]);
    world.brakes.no_send = Some("nothing yet");
    assert_eq!(world.said("2026-06-08T08:30:00Z").len(), 2);
    world.brakes.no_send = None;
    assert_eq!(
        world.said("2026-06-01T08:30:00Z"),
        [
            "a held: not-before (not before 2026-06-01T10:30:00Z)",
            "r held: not-before (not before 2026-06-01T10:30:00Z)"
        ]
    );
    assert_eq!(world.live("2026-06-01T08:30:00Z", "2026-06-01T11:30:00Z"), ["r at 10:30"]);
}

#[test]
fn a_held_account_holds_posts_with_a_time_of_their_own_and_answers_in_their_time() {
    let quiet = crate::domain::policy::Quiet { from: "07:00".parse().unwrap(), to: "08:45".parse().unwrap() };
    let mut world = World::hourly(Policy { quiet: vec![quiet], ..free() }).with([
        fixed("f", "2026-06-01T09:10:00Z"),
        fixed("g", "2026-06-01T09:10:00Z"),
        fixed("h", "2026-06-01T12:00:00Z"),
        reply("r"),
        reply("s"),
        Post { approval: Approval::Stale, ..reply("t") },
    ]);
    world.said(MORNING);
    world.brakes = whole(Held::AccountAuth);
    assert_eq!(world.said("2026-06-01T08:31:00Z"), [""; 0], "quiet hours");
    assert_eq!(world.step(at("2026-06-01T08:31:00Z")).wake, Some(at("2026-06-01T08:45:00Z")));
    assert_eq!(world.said("2026-06-01T08:45:00Z"), ["r held: account-auth", "s held: account-auth"]);
    let of_posts = |said: Vec<String>| said.into_iter().filter(|line| !line.contains("empty")).collect::<Vec<_>>();
    assert_eq!(of_posts(world.said("2026-06-01T09:09:00Z")), [""; 0]);
    assert_eq!(of_posts(world.said("2026-06-01T09:10:00Z")), ["f held: account-auth", "g held: account-auth"]);
    assert_eq!(of_posts(world.said("2026-06-01T10:10:00Z")), ["f missed 09:10", "g missed 09:10"]);
    world.brakes = Brakes::default();
    let (sent, _) = world.run(at("2026-06-01T10:20:00Z"));
    assert_eq!(sent.iter().map(|choice| choice.post.id.as_str()).collect::<Vec<_>>(), ["r", "s"]);
}
