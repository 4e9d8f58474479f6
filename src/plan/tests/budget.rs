//! The budget of a month: what would pass it waits for the next one, and what costs less may go meanwhile.

use proptest::prelude::*;

use super::*;
use crate::domain::{Held, time};

const CENT: i64 = 10_000;

fn cents(cents: i64) -> Dollars {
    Dollars(cents * CENT)
}

/// Slots at each full hour, and a budget of so many cents.
fn hourly(budget: i64) -> World {
    World::hourly(Policy { budget: Some(cents(budget)), ..free() })
}

fn why(world: &World, post: &str) -> String {
    match world.state(post) {
        Some(State::Held { reason: Held::Budget, detail }) => detail.as_deref().unwrap_or_default().into(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_would_pass_the_budget_waits_for_the_next_month_and_says_so() {
    let mut world = hourly(50);
    world.put_at(post("a"), cents(20));
    world.put_at(post("b"), cents(20));
    world.put_at(post("c"), cents(20));
    world.put_at(post("d"), cents(10));
    // What fits goes before: c is too dear, and d is not.
    assert_eq!(world.live("2026-06-01T08:30:00Z", "2026-06-01T14:04:00Z"), ["a at 09:00", "b at 10:00", "d at 11:00"]);
    assert_eq!(
        why(&world, "c"),
        "0.40 of 0.50 USD are spent in 2026-06, it may cost 0.20; the next month begins at 2026-07-01T00:00:00Z"
    );
    assert_eq!(
        world.said("2026-06-01T14:05:00Z"),
        ["14:00 empty: the budget of the month is too small for what is left"]
    );
    // A restart changes neither that nor what was said.
    world.restart();
    assert_eq!(world.said("2026-06-01T14:06:00Z"), [""; 0]);
    assert_eq!(world.live("2026-06-30T23:40:00Z", "2026-07-01T05:00:00Z"), ["c at 2026-07-01 00:00"]);
}

#[test]
fn a_higher_budget_lets_it_go_and_so_does_what_is_given_back() {
    for (name, help) in [
        (
            "raised",
            (|world: &mut World| world.set_policy(Policy { budget: Some(cents(60)), ..free() })) as fn(&mut World),
        ),
        ("taken away", |world| world.set_policy(free())),
        ("given back", |world| world.spend(at("2026-06-01T10:30:00Z"), cents(-10))),
    ] {
        let mut world = hourly(30);
        world.put_at(post("a"), cents(20));
        world.put_at(post("b"), cents(20));
        assert_eq!(world.live("2026-06-01T08:30:00Z", "2026-06-01T10:04:00Z"), ["a at 09:00"], "{name}");
        assert_eq!(world.shown("b"), "held: budget", "{name}");
        help(&mut world);
        assert_eq!(world.live("2026-06-01T10:30:00Z", "2026-06-01T12:30:00Z"), ["b at 11:00"], "{name}");
    }
}

#[test]
fn what_a_month_is_too_short_for_is_held_for_good() {
    let mut world = hourly(30);
    world.put_at(post("a"), cents(31));
    assert_eq!(world.live("2026-06-01T08:30:00Z", "2026-08-02T10:04:00Z"), [""; 0]);
    assert_eq!(why(&world, "a"), "it may cost 0.31 USD, and the budget of a month is 0.30");
}

#[test]
fn answers_fixed_times_and_series_keep_to_it_too() {
    let mut world = hourly(30);
    world.put_at(reply("r"), cents(40));
    world.put_at(fixed("f", "2026-06-01T09:20:00Z"), cents(40));
    world.put_at(in_series("s1"), cents(40));
    world.put_at(in_series("s2"), cents(10));
    assert_eq!(world.live("2026-06-01T08:30:00Z", "2026-06-01T10:04:00Z"), [""; 0]);
    assert_eq!(
        ["r", "f", "s1", "s2"].map(|name| world.shown(name)),
        ["held: budget", "held: budget", "held: budget", "held: waiting-series"]
    );
    // Nothing is kept free for what cannot go.
    let gap = Policy { min_gap: Duration::from_hours(1), budget: Some(cents(30)), ..free() };
    let mut world = World::hourly(gap);
    world.put_at(fixed("f", "2026-06-01T09:20:00Z"), cents(40));
    world.put_at(post("a"), cents(10));
    assert_eq!(world.live("2026-06-01T08:30:00Z", "2026-06-01T09:04:00Z"), ["a at 09:00"]);
}

#[test]
fn the_plan_ahead_knows_when_the_money_ends() {
    let mut world = World::new(schedule("UTC", &["0 9 * * *"]), Policy { budget: Some(cents(30)), ..free() });
    for name in ["a", "b", "c"] {
        world.put_at(post(name), cents(20));
    }
    let ahead =
        world.lane.project(world.account(), world.brakes, at("2026-06-20T00:00:00Z"), at("2026-07-02T00:00:00Z"));
    let sent = ahead.iter().filter_map(|line| Some((line.post.as_ref()?.as_str(), short(line.at?))));
    assert_eq!(sent.collect::<Vec<_>>(), [("a", "2026-06-20 09:00".to_owned()), ("b", "2026-07-01 09:00".to_owned())]);
    let held: Vec<_> =
        ahead.iter().filter_map(|line| Some((line.post.as_ref()?.as_str(), line.held.as_ref()?.0))).collect();
    assert_eq!(held, [], "c has its turn on the second of July");
    // Looked at in June alone, they are held.
    let ahead =
        world.lane.project(world.account(), world.brakes, at("2026-06-20T00:00:00Z"), at("2026-06-30T00:00:00Z"));
    let held: Vec<_> =
        ahead.iter().filter_map(|line| Some((line.post.as_ref()?.as_str(), line.held.as_ref()?.0))).collect();
    assert_eq!(held, [("b", Held::Budget), ("c", Held::Budget)]);
}

#[test]
fn a_queue_that_is_too_dear_as_a_whole_is_set_aside_step_by_step() {
    let mut world = hourly(10);
    for n in 0..600 {
        world.put_at(post(&format!("p{n:03}")), cents(20));
    }
    world.put_at(post("z"), cents(10));
    assert_eq!(world.live("2026-06-01T08:59:00Z", "2026-06-01T09:04:00Z"), ["z at 09:00"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever posts cost, whatever comes back of it, and however often the lane is made anew: no month is ever begun
    /// into that would be passed, and what there is enough for goes out.
    #[test]
    fn no_month_ever_costs_more_than_its_budget(
        budget in 5_i64..60,
        costs in proptest::collection::vec(0_i64..30, 1..25),
        events in proptest::collection::vec((0_u64..60, 0_u8..5, 0_i64..100), 1..80),
        raise in 0_i64..40,
    ) {
        let daily = || schedule("UTC", &["0 */6 * * *"]);
        let mut world = World::new(daily(), Policy { budget: Some(cents(budget)), ..free() });
        for (n, cost) in costs.iter().enumerate() {
            world.put_at(post(&format!("p{n:02}")), cents(*cost));
        }
        let mut cap = cents(budget);
        let mut now = at("2026-06-10T00:00:00Z");
        let spent = |world: &World, now| world.account().map_or(Dollars::default(), |account| account.head.spent(Month::of(now)).money);
        for (hours, event, percent) in events {
            now = time::after(now, Duration::from_hours(hours));
            match event {
                0 => world.restart(),
                1 => {
                    cap = cents(budget + raise);
                    world.set_policy(Policy { budget: Some(cap), ..free() });
                }
                _ => {}
            }
            for _ in 0..5000 {
                let step = world.step(now);
                world.record_verdicts(now, &step.verdicts);
                if let Some(choice) = step.send {
                    let cost = world.costs[&choice.post.id];
                    world.begin(now, &choice);
                    prop_assert!(spent(&world, now) <= cap, "{} begins at {now}", choice.post.id);
                    if event == 2 {
                        // A crash: what was set aside is never given back.
                        world.restart();
                    } else {
                        world.spend(now, Dollars(-cost.0 * percent / 100));
                    }
                    world.deliver(now, &choice.post.id.clone());
                } else if step.verdicts.is_empty() && step.wake != Some(now) {
                    break;
                }
            }
            // Whoever is held for it is held for a reason.
            for (id, cost) in &world.costs {
                if let Some(State::Held { reason: Held::Budget, .. }) = world.state(id.as_str()) {
                    prop_assert!(spent(&world, now).plus(*cost) > cap, "{id} is held at {now} and need not be");
                }
            }
        }
        // In time everything goes out that a month has enough for.
        for _ in 0..costs.len() * 40 {
            now = time::after(now, Duration::from_hours(24));
            for _ in 0..8 {
                let (_, wake) = world.run(now);
                now = wake.filter(|wake| time::since(*wake, now) < Duration::from_hours(24)).unwrap_or(now);
            }
        }
        for (id, cost) in &world.costs {
            let expected = if *cost <= cap { "delivered" } else { "held: budget" };
            prop_assert_eq!(world.shown(id.as_str()), expected, "{}", id);
        }
    }
}
