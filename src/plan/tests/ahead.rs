//! The plan ahead, and how far the approved posts reach.

use super::*;
use crate::plan::Projected;
use crate::plan::ahead::EMPTY_SLOTS;

fn listed(lines: &[Projected]) -> Vec<String> {
    let line = |line: &Projected| {
        let post = line.post.as_ref().map_or("nobody", |post| post.as_str());
        match (line.at, &line.held, &line.empty) {
            (Some(at), None, None) => format!("{} {post}", short(at)),
            (Some(at), None, Some(why)) => format!("{} {post}: {why}", short(at)),
            (None, Some((reason, _)), None) => format!("{post} held: {reason}"),
            _ => panic!("{line:?}"),
        }
    };
    lines.iter().map(line).collect()
}

fn project(world: &World, from: &str, until: &str) -> Vec<String> {
    listed(&world.lane.project(world.account(), world.brakes, at(from), at(until)))
}

#[test]
fn the_plan_ahead_is_what_then_happens() {
    let policy = Policy {
        min_gap: Duration::from_mins(45),
        max_per_day: 6,
        promotion: Promotion { share: 0.25, window: 4 },
        ..free()
    };
    let mut world = World::new(schedule("Europe/Berlin", &["0 9-17 * * *"]), policy).with([
        promotion("p"),
        promotion("q"),
        post("a"),
        in_series("b"),
        Post { priority: 3, ..in_series("c") },
        Post {
            rare: Rare { not_before: Some(at("2026-06-01T11:30:00Z")), ..Rare::default() }.into(),
            priority: 7,
            ..post("d")
        },
        fixed("f", "2026-06-01T10:15:00Z"),
        Post { approval: Approval::NotApproved, ..post("n") },
        Post {
            rare: Rare { expires: Some(at("2026-06-01T08:50:00Z")), ..Rare::default() }.into(),
            approval: Approval::NotApproved,
            ..post("o")
        },
    ]);
    let ahead = project(&world, "2026-06-01T06:00:00Z", "2026-06-02T18:00:00Z");
    let is_send = |line: &&String| !line.contains(": ");
    let sends: Vec<_> = ahead.iter().filter(is_send).cloned().collect();
    let mut lived = world.live("2026-06-01T06:00:00Z", "2026-06-02T18:00:00Z");
    for line in &mut lived {
        let (post, moment) = line.split_once(" at ").unwrap();
        *line = format!("{moment} {post}");
    }
    assert_eq!(sends, lived);
    assert_eq!(lived.len(), 6);
    let held = ["n held: not-approved", "o held: not-approved", "q held: promotion-share"];
    assert_eq!(ahead[ahead.len() - 3..], held);
    assert!(ahead.contains(&"10:00 nobody: kept free for f at 2026-06-01T10:15:00Z".to_string()), "{ahead:?}");
}

#[test]
fn a_post_that_the_share_holds_says_since_when_and_until_when() {
    let told = |share: f64, others: &[&str], name: &str| {
        let policy = Policy { promotion: Promotion { share, window: 4 }, ..free() };
        let first = |name: &str| Post { priority: 1, ..promotion(name) };
        let others = others.iter().map(|name| post(name));
        let mut world = World::hourly(policy).with([first("p"), first("q"), first("r")].into_iter().chain(others));
        // It was its turn once, and another post went.
        world.live("2026-06-01T08:30:00Z", "2026-06-01T10:30:00Z");
        assert_eq!(world.shown(name), "held: promotion-share");
        let until = at("2026-06-03T00:00:00Z");
        let lines = world.lane.project(world.account(), world.brakes, at("2026-06-01T10:30:00Z"), until);
        let line = lines.iter().find(|line| line.post == Some(id(name))).unwrap();
        let share = line.share.clone().unwrap();
        (line.at.map(short), share.since.map(short), share.posts)
    };
    let nine = || Some("09:00".to_owned());
    assert_eq!(told(0.25, &["a", "b", "c"], "q"), (Some("13:00".into()), nine(), Some(2)));
    assert_eq!(told(0.25, &["a", "b"], "q"), (None, nine(), Some(2)), "one is not enough");
    assert_eq!(told(0.1, &["a", "b"], "p"), (None, None, None), "less than one of four");
}

#[test]
fn what_is_being_sent_is_not_in_the_plan_any_more() {
    let policy = Policy { promotion: Promotion { share: 0.25, window: 4 }, ..free() };
    let fixed_promotion = Post { goal: Goal::Promotion, ..fixed("p", "2026-06-01T10:00:00Z") };
    let mut world = World::hourly(policy).with([fixed_promotion]);
    world.said("2026-06-01T09:30:00Z");
    let choice = world.step(at("2026-06-01T10:00:00Z")).send.unwrap();
    // The lane hears of it at its next step only.
    let lane = world.lane.clone();
    world.begin(at("2026-06-01T10:00:00Z"), &choice);
    world.lane = lane;
    let ahead = project(&world, "2026-06-01T10:00:01Z", "2026-06-01T12:30:00Z");
    assert!(ahead.iter().all(|line| !line.starts_with("p ")), "{ahead:?}");
}

#[test]
fn what_would_be_given_up_is_on_the_list() {
    let policy = Policy { min_gap: Duration::from_hours(5), ..free() };
    let world = World::new(schedule("UTC", &[]), policy)
        .with([fixed("f", "2026-06-01T10:00:00Z"), fixed("g", "2026-06-01T10:15:00Z")]);
    assert_eq!(project(&world, "2026-06-01T06:00:00Z", "2026-06-02T00:00:00Z"), ["10:00 f", "11:15 g: missed"]);
}

#[test]
fn projecting_changes_nothing() {
    let mut world = World::hourly(free()).with([post("a"), post("b")]);
    let before = project(&world, "2026-06-01T06:30:00Z", "2026-06-01T09:30:00Z");
    assert_eq!(before[..2], ["07:00 a", "08:00 b"]);
    assert_eq!(project(&world, "2026-06-01T06:30:00Z", "2026-06-01T09:30:00Z"), before);
    assert_eq!(world.live("2026-06-01T06:30:00Z", "2026-06-01T09:30:00Z"), ["a at 07:00", "b at 08:00"]);
}

#[test]
fn the_runway_ends_with_the_last_approved_post() {
    let morning = at("2026-06-01T08:30:00Z");
    let held = Post { approval: Approval::NotApproved, ..post("n") };
    let mut world = World::new(schedule("UTC", &["0 9 * * *"]), free()).with([post("a"), post("b"), held]);
    let runway = |world: &World, until| world.lane.runway(world.account(), morning, at(until));
    assert_eq!(runway(&world, "2026-07-01T00:00:00Z"), Some(at("2026-06-02T09:00:00Z")));
    assert_eq!(runway(&world, "2026-06-02T08:00:00Z"), None, "one is left then");
    world.lane.remove(&id("a"));
    world.lane.remove(&id("b"));
    assert_eq!(runway(&world, "2026-07-01T00:00:00Z"), Some(morning));
    for number in 0..50 {
        world.put(post(&format!("p{number}")));
    }
    assert_eq!(runway(&world, "2026-07-01T00:00:00Z"), None);
}

#[test]
fn a_series_goes_on_when_the_time_of_what_it_waits_for_is_over() {
    let ends = Some(at("2026-07-01T12:00:00Z"));
    let mut first = Post { approval: Approval::NotApproved, ..in_series("a") };
    first.rare = Rare { expires: ends, series: Some("story".into()), ..Rare::default() }.into();
    let world = World::hourly(free()).with([first, in_series("b")]);
    let lines = project(&world, "2026-06-01T09:00:00Z", "2026-08-01T09:00:00Z");
    let of_posts: Vec<_> = lines.iter().filter(|line| !line.contains("nobody")).collect();
    assert_eq!(of_posts, ["2026-07-01 12:00 b", "a held: not-approved"]);

    let mut first = Post { approval: Approval::NotApproved, ..in_series("a") };
    first.rare = Rare { at: ends, series: Some("story".into()), ..Rare::default() }.into();
    let world = World::hourly(free()).with([first, in_series("b")]);
    let lines = project(&world, "2026-06-01T09:00:00Z", "2026-08-01T09:00:00Z");
    let goes: Vec<_> = lines.iter().filter(|line| line.ends_with(" b")).collect();
    assert!(matches!(&goes[..], [line] if line.starts_with("2026-07-01 1")), "{goes:?}");
}

#[test]
fn a_large_queue_is_projected_without_walking_through_it() {
    let mut world = World::hourly(Policy { promotion: Promotion { share: 0.2, window: 10 }, ..free() });
    for number in 0..20_000 {
        world.put(if number % 7 == 0 { promotion(&format!("p{number}")) } else { post(&format!("p{number}")) });
    }
    let month = project(&world, "2026-06-01T06:30:00Z", "2026-07-01T06:30:00Z");
    assert_eq!(month.iter().filter(|line| !line.contains("held")).count(), 720);
}

#[test]
fn a_slot_a_second_is_not_walked_through_for_a_year() {
    let world = World::new(schedule("UTC", &["* * * * * *"]), free()).with([post("a")]);
    let lines = project(&world, "2026-06-01T09:00:00Z", "2027-06-01T09:00:00Z");
    assert_eq!(lines.iter().filter(|line| line.ends_with(" a")).count(), 1, "{lines:?}");
    assert!((EMPTY_SLOTS..EMPTY_SLOTS + 10).contains(&lines.len()), "{}", lines.len());
    let runway = |world: &World| world.lane.runway(None, at("2026-06-01T09:00:00Z"), at("2027-06-01T09:00:00Z"));
    assert!(runway(&world).is_some_and(|ends| ends < at("2026-06-01T09:00:10Z")));
    // What waits for a post that waits for a person goes nowhere either.
    let first = Post { approval: Approval::NotApproved, ..in_series("a") };
    let series = World::new(schedule("UTC", &["* * * * * *"]), free()).with([first, in_series("b")]);
    let lines = project(&series, "2026-06-01T09:00:00Z", "2027-06-01T09:00:00Z");
    assert!((EMPTY_SLOTS..EMPTY_SLOTS + 10).contains(&lines.len()), "{}", lines.len());
    let nothing = World::new(schedule("UTC", &["* * * * * *"]), free()).with([]);
    assert_eq!(runway(&nothing), Some(at("2026-06-01T09:00:00Z")));
}

#[test]
fn what_loses_its_approval_before_its_turn_is_not_planned() {
    let morning = at("2026-06-01T08:30:00Z");
    let until = |moment: &str, post: Post| {
        let lapse = Lapse { at: at(moment), approval: Approval::Stale, why: "the key may not sign any more".into() };
        Post { approval: Approval::Signed, rare: Rare { lapse: Some(lapse), ..Rare::default() }.into(), ..post }
    };
    let daily = || World::new(schedule("UTC", &["0 9 * * *"]), free());
    let mut world = daily().with([until("2026-06-02T12:00:00Z", post("a")), post("b")]);
    for name in ["c", "d", "e"] {
        world.put(until("2026-06-02T12:00:00Z", post(name)));
    }
    let lines = project(&world, "2026-06-01T08:30:00Z", "2026-07-01T00:00:00Z");
    let of_posts: Vec<_> = lines.iter().filter(|line| !line.contains("nobody")).collect();
    let held = ["c", "d", "e"].map(|name| format!("{name} held: approval-stale"));
    assert_eq!(of_posts[..2], ["09:00 a", "2026-06-02 09:00 b"]);
    assert_eq!(of_posts[2..], held.iter().collect::<Vec<_>>());
    let runway = |world: &World, until| world.lane.runway(world.account(), morning, at(until));
    assert_eq!(runway(&world, "2026-07-01T00:00:00Z"), Some(at("2026-06-02T09:00:00Z")));
    // More of them than there are slots say nothing of what is left either.
    let mut many = daily();
    for number in 0..100 {
        many.put(until("2026-06-03T12:00:00Z", post(&format!("p{number:02}"))));
    }
    assert_eq!(runway(&many, "2026-07-01T00:00:00Z"), Some(at("2026-06-03T09:00:00Z")));
    // It is so when the time has come, and not any more when the clock was wrong.
    world.said("2026-06-02T11:59:59Z");
    let held = ["a", "c", "d", "e"].map(|name| format!("{name} held: approval-stale (the key may not sign any more)"));
    assert_eq!(world.said("2026-06-02T12:00:00Z"), held);
    let again = ["a scheduled for 2026-06-03 09:00", "c scheduled", "d scheduled", "e scheduled"];
    assert_eq!(world.said("2026-06-02T11:00:00Z"), again);
}

#[test]
fn nothing_is_kept_free_for_what_loses_its_approval_before_its_time() {
    let lapsing = |lapse: &str| {
        let lapse = Lapse { at: at(lapse), approval: Approval::Stale, why: "the key may not sign any more".into() };
        let rare = Rare { at: Some(at("2026-06-01T12:00:00Z")), lapse: Some(lapse), ..Rare::default() };
        Post { approval: Approval::Signed, rare: rare.into(), ..post("f") }
    };
    let gap = || Policy { min_gap: Duration::from_hours(2), ..free() };
    for (lapse, goes) in [("2026-06-01T11:30:00Z", "11:00 a"), ("2026-06-01T12:00:01Z", "12:00 f")] {
        let world = World::hourly(gap()).with([lapsing(lapse), post("a")]);
        let lines = project(&world, "2026-06-01T10:30:00Z", "2026-06-01T12:30:00Z");
        let first = lines.iter().find(|line| line.ends_with(" a") || line.ends_with(" f"));
        assert_eq!(first.map(String::as_str), Some(goes), "{lines:?}");
    }
}
