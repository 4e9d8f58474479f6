//! Slots that are kept, empty, late and missed.

use super::*;

#[test]
fn posts_take_the_slots_in_order_of_rank() {
    let mut world = World::hourly(free()).with([post("c"), post("a"), post("b"), Post { priority: 2, ..post("z") }]);
    assert_eq!(
        world.said("2026-06-01T08:30:00Z"),
        ["z scheduled for 09:00", "a scheduled", "b scheduled", "c scheduled"]
    );
    assert_eq!(
        world.live("2026-06-01T08:30:00Z", "2026-06-01T12:59:00Z"),
        ["z at 09:00", "a at 10:00", "b at 11:00", "c at 12:00"]
    );
}

#[test]
fn a_slot_is_said_to_be_empty_only_when_its_grace_is_over() {
    let mut world = World::hourly(free());
    assert_eq!(world.said("2026-06-01T08:30:00Z"), [""; 0]);
    let step = world.step(at("2026-06-01T09:00:00Z"));
    assert_eq!((step.verdicts, step.wake), (vec![], Some(at("2026-06-01T09:05:00Z"))));
    assert_eq!(world.said("2026-06-01T09:05:00Z"), ["09:00 empty: nothing is left to send"]);

    // The next one is taken by a post that is approved four minutes late.
    assert_eq!(world.said("2026-06-01T10:00:00Z"), [""; 0]);
    world.put(post("a"));
    let (sent, _) = world.run(at("2026-06-01T10:04:00Z"));
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].slot, Some(at("2026-06-01T10:00:00Z")));
    assert_eq!(world.run(at("2026-06-01T10:06:00Z")).1, Some(at("2026-06-01T11:00:00Z")), "it was used, not empty");
}

#[test]
fn who_comes_late_takes_no_slot_that_was_empty_when_another_one_has_come() {
    let mut world = World::new(schedule("UTC", &["* * * * * *"]), free());
    assert_eq!(world.live("2026-06-01T09:00:00Z", "2026-06-01T09:00:30Z"), [""; 0]);
    let slots = |world: &mut World, now: &str| {
        let (sent, _) = world.run(at(now));
        sent.iter().map(|choice| format!("{} for {}", choice.post.id, short(choice.slot.unwrap()))).collect::<Vec<_>>()
    };
    world.put(post("a"));
    let step = world.step(at("2026-06-01T09:00:30.5Z"));
    assert_eq!(world.step(at("2026-06-01T09:00:30.5Z")), step, "until it has begun, it is the same");
    assert_eq!(slots(&mut world, "2026-06-01T09:00:30.5Z"), ["a for 09:00:30"], "and not a slot of half a minute ago");
    assert_eq!(world.live("2026-06-01T09:00:30.5Z", "2026-06-01T09:00:40Z"), [""; 0]);
    world.put(post("b"));
    world.put(post("c"));
    assert_eq!(slots(&mut world, "2026-06-01T09:00:40.5Z"), ["b for 09:00:40"], "one post a slot, and no burst");
    assert_eq!(slots(&mut world, "2026-06-01T09:00:41Z"), ["c for 09:00:41"]);
    // Nobody has seen what was open when there was no daemon.
    world.put(post("d"));
    world.restart();
    assert_eq!(slots(&mut world, "2026-06-01T09:00:51Z")[0], "d for 09:00:42");
    // A brake is no empty line.
    world.brakes.no_send = Some("the disk is full");
    world.put(post("e"));
    world.run(at("2026-06-01T09:01:00Z"));
    world.brakes.no_send = None;
    assert_eq!(slots(&mut world, "2026-06-01T09:01:05Z"), ["e for 09:00:52"]);
}

#[test]
fn a_restart_of_four_minutes_loses_no_slot() {
    let mut world = World::hourly(free()).with([post("a")]);
    world.said("2026-06-01T08:59:00Z");
    // A ledger that knows the account knows where its slots begin.
    world.record(at("2026-06-01T08:59:00Z"), empty("2026-06-01T08:00:00Z"));
    world.restart();
    assert_eq!(world.live("2026-06-01T09:04:00Z", "2026-06-01T09:30:00Z"), ["a at 09:04"]);
}

fn empty(slot: &str) -> Fact {
    Fact::SlotEmpty { account: World::account_id(), slot: at(slot), reason: String::new(), run: None }
}

/// A world that was away from half past eight until half past twelve.
fn back(missed: Missed, posts: &[&str]) -> World {
    let mut world = World::hourly(Policy { missed, ..free() }).with(posts.iter().map(|name| post(name)));
    world.record(at("2026-06-01T08:06:00Z"), empty("2026-06-01T08:00:00Z"));
    world.said("2026-06-01T08:30:00Z");
    world
}

#[test]
fn missed_slots_leave_their_posts_to_the_next_slots() {
    let mut world = back(Missed::NextSlot, &["a", "b"]);
    assert_eq!(
        world.said("2026-06-01T12:30:00Z"),
        ["09:00", "10:00", "11:00", "12:00"].map(|slot| format!("{slot} empty: missed: its post takes the next slot"))
    );
    assert_eq!(world.live("2026-06-01T12:30:00Z", "2026-06-01T15:30:00Z"), ["a at 13:00", "b at 14:00"]);
}

#[test]
fn missed_slots_can_cost_their_posts() {
    let mut world = back(Missed::Skip, &["a", "b", "c", "d", "e"]);
    assert_eq!(
        world.said("2026-06-01T12:30:00Z"),
        [
            "09:00 empty: missed: a is given up",
            "a missed 09:00",
            "10:00 empty: missed: b is given up",
            "b missed 10:00",
            "11:00 empty: missed: c is given up",
            "c missed 11:00",
            "12:00 empty: missed: d is given up",
            "d missed 12:00",
        ]
    );
    assert_eq!(world.live("2026-06-01T12:30:00Z", "2026-06-01T15:30:00Z"), ["e at 13:00"]);
    let mut alone = back(Missed::Skip, &["a"]);
    assert_eq!(alone.said("2026-06-01T10:30:00Z")[2], "10:00 empty: missed: nothing is left to send");
}

#[test]
fn what_is_given_up_is_what_would_have_gone() {
    let mut world = World::hourly(Policy { missed: Missed::Skip, ..free() }).with([
        in_series("b"),
        Post { priority: 9, ..in_series("c") },
        Post {
            rare: Rare { not_before: Some(at("2026-06-01T09:30:00Z")), ..Rare::default() }.into(),
            priority: 5,
            ..post("late")
        },
        Post { priority: 1, ..post("a") },
        post("z"),
    ]);
    world.record(at("2026-06-01T08:06:00Z"), empty("2026-06-01T08:00:00Z"));
    world.said("2026-06-01T08:30:00Z");
    let said = world.said("2026-06-01T12:30:00Z");
    let missed: Vec<_> = said.iter().filter(|line| !line.contains("empty")).collect();
    assert_eq!(
        missed,
        ["late scheduled for 13:00", "a missed 09:00", "late missed 10:00", "b missed 11:00", "c missed 12:00"]
    );
}

#[test]
fn one_post_makes_up_for_all_missed_slots_and_never_two() {
    let mut world = back(Missed::Now, &["a", "b"]);
    let said = world.said("2026-06-01T12:30:00Z");
    assert_eq!(
        said,
        ["09:00", "10:00", "11:00"].map(|slot| format!("{slot} empty: missed: one post makes up for all"))
    );
    let (sent, _) = world.run(at("2026-06-01T12:30:00Z"));
    assert_eq!(sent.iter().map(|choice| choice.slot).collect::<Vec<_>>(), [Some(at("2026-06-01T12:00:00Z"))]);
    assert_eq!(world.live("2026-06-01T12:31:00Z", "2026-06-01T13:30:00Z"), ["b at 13:00"]);
    // With nobody waiting they are just missed.
    assert_eq!(back(Missed::Now, &[]).said("2026-06-01T10:30:00Z").len(), 2);
}

#[test]
fn making_up_waits_for_the_gates_but_not_beyond_the_next_slot() {
    let quiet = |to: &str| Policy {
        quiet: vec![crate::domain::policy::Quiet { from: "12:00".parse().unwrap(), to: to.parse().unwrap() }],
        missed: Missed::Now,
        ..free()
    };
    let mut world = back(Missed::Now, &["a", "b"]);
    world.lane.set_rules(schedule("UTC", &["0 * * * *"]), quiet("12:45"));
    assert_eq!(world.live("2026-06-01T12:30:00Z", "2026-06-01T13:30:00Z"), ["a at 12:45", "b at 13:00"]);

    let mut world = back(Missed::Now, &["a", "b"]);
    world.lane.set_rules(schedule("UTC", &["0 * * * *"]), quiet("13:03"));
    assert_eq!(world.live("2026-06-01T12:30:00Z", "2026-06-01T14:30:00Z"), ["a at 13:03", "b at 14:00"]);
}

#[test]
fn a_clock_that_went_ahead_is_downtime_and_nothing_bursts() {
    for missed in [Missed::NextSlot, Missed::Now] {
        let mut world = back(missed, &["a", "b", "c", "d"]);
        let (sent, _) = world.run(at("2026-06-08T12:30:00Z"));
        assert!(sent.len() <= 1, "{missed:?} {sent:?}");
    }
}

#[test]
fn years_of_a_slot_a_second_are_said_in_a_hundred_lines() {
    for missed in [Missed::NextSlot, Missed::Skip, Missed::Now] {
        let mut world = World::new(schedule("UTC", &["* * * * * *"]), Policy { missed, ..free() });
        world.put(post("a"));
        world.record(at("2016-06-01T00:00:00Z"), empty("2016-06-01T00:00:00Z"));
        let step = world.step(at("2026-06-01T00:00:00Z"));
        assert!(step.verdicts.len() < 110, "{missed:?}");
        world.record_verdicts(at("2026-06-01T00:00:00Z"), &step.verdicts);
        let cursor = world.account().unwrap().head.cursor;
        let done = if missed == Missed::Skip { "2016" } else { "2026-05-31T23:55:00Z" };
        if missed != Missed::Skip {
            assert_eq!(cursor, Some(at(done)));
        }
        let (_, wake) = world.run(at("2026-06-01T00:00:00Z"));
        assert!(wake.is_some_and(|wake| wake > at("2026-06-01T00:00:00Z")));
    }
}

#[test]
fn all_posts_of_many_missed_slots_are_given_up_by_name() {
    let mut world = World::new(schedule("UTC", &["* * * * *"]), Policy { missed: Missed::Skip, ..free() });
    for number in 0..250 {
        world.put(post(&format!("p{number:03}")));
    }
    world.record(at("2026-06-01T00:00:00Z"), empty("2026-06-01T00:00:00Z"));
    world.brakes.no_send = Some("nothing yet");
    world.run(at("2026-06-01T00:00:30Z"));
    world.brakes.no_send = None;
    let (sent, _) = world.run(at("2026-06-02T00:00:30Z"));
    assert_eq!(sent, []);
    assert!(world.posts.keys().all(|id| world.shown(id.as_str()) == "missed"));
}

#[test]
fn nothing_is_given_up_while_nothing_may_be_done() {
    let mut world = back(Missed::Skip, &["a", "b"]);
    world.brakes.no_send = Some("the queue folder is lost");
    assert_eq!(world.said("2026-06-01T12:30:00Z"), [""; 0]);
    let said = world.said("2026-06-01T13:01:00Z");
    assert_eq!(
        said,
        ["09:00", "10:00", "11:00", "12:00"].map(|slot| format!("{slot} empty: missed: the queue folder is lost"))
    );
    world.brakes.no_send = None;
    assert_eq!(world.live("2026-06-01T13:02:00Z", "2026-06-01T14:30:00Z"), ["a at 13:02", "b at 14:00"]);
}

#[test]
fn a_brake_is_the_reason_of_the_slots_that_pass_meanwhile() {
    let mut world = World::hourly(Policy { missed: Missed::Skip, ..free() }).with([post("a")]);
    world.brakes.no_send = Some("the account is paused");
    world.said("2026-06-01T08:59:00Z");
    assert_eq!(world.said("2026-06-01T09:00:00Z"), [""; 0]);
    assert_eq!(world.said("2026-06-01T09:05:00Z"), ["09:00 empty: the account is paused"]);
    assert_eq!(world.shown("a"), "scheduled", "a slot that was seen costs nobody his post");
}

#[test]
fn whose_turn_comes_while_the_account_is_held_is_held_with_it_and_told_once() {
    let mut world = World::hourly(free()).with([post("a"), post("b")]);
    world.said("2026-06-01T08:30:00Z");
    world.brakes = whole(Held::AccountPaused);
    assert_eq!(world.said("2026-06-01T08:59:00Z"), [""; 0], "it is nobody's turn yet");
    assert_eq!(world.said("2026-06-01T09:00:00Z"), ["a held: account-paused"]);
    assert_eq!(world.said("2026-06-01T09:05:00Z"), ["09:00 empty: the account is paused"]);
    // Neither the next slot nor a restart calls anybody else, or says it again.
    assert_eq!(world.said("2026-06-01T10:00:00Z"), [""; 0]);
    assert_eq!(world.said("2026-06-01T10:05:00Z"), ["10:00 empty: the account is paused"]);
    world.restart();
    assert_eq!(world.said("2026-06-01T10:30:00Z"), [""; 0]);
    world.brakes = whole(Held::AccountAuth);
    assert_eq!(world.said("2026-06-01T10:31:00Z"), ["a held: account-auth"]);
    world.restart();
    world.brakes = whole(Held::AccountPaused);
    assert_eq!(world.said("2026-06-01T10:32:00Z"), ["a held: account-paused"]);
    world.brakes = Brakes::default();
    assert_eq!(world.said("2026-06-01T10:33:00Z"), ["a scheduled for 11:00"]);
    assert_eq!(world.live("2026-06-01T10:33:00Z", "2026-06-01T12:30:00Z"), ["a at 11:00", "b at 12:00"]);
}

#[test]
fn it_is_nobody_s_turn_while_more_than_the_account_is_in_the_way() {
    let mut world = World::hourly(free()).with([post("a"), reply("r"), fixed("f", "2026-06-01T09:00:00Z")]);
    world.said("2026-06-01T08:30:00Z");
    let paused = whole(Held::AccountPaused);
    let folder_lost = Whole { alone: false, ..paused.whole.unwrap() };
    world.brakes = Brakes { whole: Some(folder_lost), ..paused };
    assert_eq!(world.said("2026-06-01T09:01:00Z"), [""; 0]);
    world.brakes = paused;
    let all = ["f", "a", "r"].map(|name| format!("{name} held: account-paused"));
    let mut said = world.said("2026-06-01T09:02:00Z");
    said.sort_by_key(|line| all.iter().position(|other| other == line));
    assert_eq!(said, all);
    // What is called stays so while something else is in the way too.
    world.brakes = Brakes { whole: Some(folder_lost), ..paused };
    assert_eq!(world.said("2026-06-01T09:03:00Z"), [""; 0]);
}

#[test]
fn whoever_is_held_with_the_account_stays_so_through_an_edit() {
    let mut world = World::hourly(free()).with([post("a"), post("b")]);
    world.said("2026-06-01T08:30:00Z");
    world.brakes = whole(Held::AccountPaused);
    world.said("2026-06-01T09:00:00Z");
    let edited = Post { digest: Digest::of(b"another text"), ..post("a") };
    world.put(Post { approval: Approval::Stale, ..edited.clone() });
    // It makes room for the next one.
    assert_eq!(world.said("2026-06-01T09:01:00Z"), ["a held: approval-stale", "b held: account-paused"]);
    world.put(edited);
    assert_eq!(world.said("2026-06-01T09:02:00Z"), ["a held: account-paused"]);
}

#[test]
fn gates_open_for_those_who_are_held_with_their_account_too() {
    let policy = Policy { min_gap: Duration::from_secs(4 * 60), ..free() };
    let mut world = World::new(schedule("UTC", &["0 9 * * *", "2 9 * * *"]), policy).with([post("a"), post("b")]);
    assert_eq!(world.live("2026-06-01T08:00:00Z", "2026-06-01T09:01:00Z"), ["a at 09:00"]);
    world.brakes = whole(Held::AccountPaused);
    let step = world.step(at("2026-06-01T09:02:00Z"));
    assert_eq!((step.verdicts, step.wake), (vec![], Some(at("2026-06-01T09:04:00Z"))));
    assert_eq!(world.said("2026-06-01T09:04:00Z"), ["b held: account-paused"]);
}

#[test]
fn an_account_that_is_paused_for_long_says_little() {
    let mut world = World::hourly(free());
    for number in 0..10_000 {
        world.put(post(&format!("p{number:05}")));
    }
    world.run(at("2026-06-01T08:30:00Z"));
    world.brakes = whole(Held::AccountPaused);
    let mut said = Vec::new();
    for hours in 1..=48 {
        let now = at("2026-06-01T08:01:00Z").checked_add(jiff::SignedDuration::from_hours(hours)).unwrap();
        let step = world.step(now);
        world.record_verdicts(now, &step.verdicts);
        said.extend(lines(&step.verdicts).into_iter().filter(|line| !line.contains("empty")));
    }
    assert_eq!(said, ["p00000 held: account-paused"]);
}

#[test]
fn the_gap_keeps_a_slot_waiting_within_its_grace() {
    let policy = |gap| Policy { min_gap: Duration::from_secs(gap), ..free() };
    let both = || schedule("UTC", &["0 9 * * *", "2 9 * * *"]);
    let mut world = World::new(both(), policy(4 * 60)).with([post("a"), post("b")]);
    assert_eq!(world.live("2026-06-01T08:00:00Z", "2026-06-01T09:30:00Z"), ["a at 09:00", "b at 09:04"]);
    let mut world = World::new(both(), policy(10 * 60)).with([post("a"), post("b")]);
    assert_eq!(world.live("2026-06-01T08:00:00Z", "2026-06-01T09:06:00Z"), ["a at 09:00"]);
    world.step(at("2026-06-01T09:06:00Z"));
    world.restart();
    assert_eq!(world.live("2026-06-01T09:30:00Z", "2026-06-02T09:01:00Z"), ["b at 2026-06-02 09:00"]);
}

#[test]
fn a_day_that_is_full_leaves_its_slots_empty() {
    let mut world = World::new(schedule("UTC", &["0 9-12 * * *"]), Policy { max_per_day: 2, ..free() });
    for name in ["a", "b", "c"] {
        world.put(post(name));
    }
    let sent = world.live("2026-06-01T08:00:00Z", "2026-06-01T11:01:00Z");
    assert_eq!(sent, ["a at 09:00", "b at 10:00"]);
    assert_eq!(world.said("2026-06-01T11:05:00Z"), ["11:00 empty: max_per_day"]);
    assert_eq!(world.live("2026-06-01T11:05:00Z", "2026-06-02T10:30:00Z"), ["c at 2026-06-02 09:00"]);
}

#[test]
fn a_changed_schedule_begins_now() {
    let mut world = World::hourly(Policy { missed: Missed::Now, ..free() }).with([post("a")]);
    world.record(at("2026-06-01T08:06:00Z"), empty("2026-06-01T08:00:00Z"));
    world.said("2026-06-01T08:30:00Z");
    let policy = world.lane.policy.clone();
    world.lane.set_rules(schedule("UTC", &["15 8 * * *", "45 8 * * *"]), policy);
    assert_eq!(world.live("2026-06-01T08:31:00Z", "2026-06-01T08:50:00Z"), ["a at 08:45"]);
}

#[test]
fn an_account_without_slots_and_one_whose_slots_never_come_sleep() {
    for crons in [&[][..], &["0 0 30 2 *"][..]] {
        let mut world = World::new(schedule("UTC", crons), free()).with([post("a")]);
        assert_eq!(world.run(at("2026-06-01T08:31:00Z")), (vec![], None));
    }
}

#[test]
fn the_same_slot_is_not_used_twice_by_a_second_step() {
    let mut world = World::hourly(free()).with([post("a"), post("b")]);
    world.said("2026-06-01T08:30:00Z");
    let now = at("2026-06-01T09:00:00Z");
    let choice = world.step(now).send.unwrap();
    assert_eq!(world.step(now).send.unwrap(), choice, "until it has begun, it is the same");
    world.begin(now, &choice);
    assert_eq!(world.step(now).send, None, "an attempt is open");
    world.deliver(now, &choice.post.id);
    assert_eq!(world.step(now).send, None);
}
