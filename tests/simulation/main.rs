//! The engine under simulation: simulated time, disk, network and platforms, crashes at any command, and the promises
//! I1 to I5 checked after each step.
//!
//! Every run is drawn from one seed, and the same seed gives the same run. `CADENCED_SIM_SEEDS=N` runs N seeds,
//! `CADENCED_SIM_SEED=S` replays one and prints its trace, `CADENCED_SIM_FROM=S` starts elsewhere,
//! `CADENCED_SIM_SECONDS=T` takes as many seeds as fit into that time. A run tells (`-- --nocapture`) what happened in it,
//! and which arrows of the delivery state machine were taken, and which not.

#![cfg(test)]
#![expect(clippy::disallowed_macros, reason = "a run says on stderr which seeds it took and which one failed")]

mod arrows;
mod chance;
mod oracle;
mod scenario;
mod world;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;

use scenario::Scenario;
use world::{Report, Sabotage, World};

/// Seeds of an ordinary run.
const SEEDS: u64 = 2_000;

#[expect(clippy::disallowed_methods, reason = "how long a run takes decides nothing in it")]
fn clock() -> std::time::Instant {
    std::time::Instant::now()
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

/// Only one test at a time may silence panics: the hook is the process's.
static QUIET: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// Runs one seed; the error is what went wrong.
fn run(seed: u64, sabotage: Option<Sabotage>, trace: bool) -> Result<Report, String> {
    let scenario = Scenario::draw(seed);
    let run = AssertUnwindSafe(|| World::new(scenario, sabotage, trace).run());
    match std::panic::catch_unwind(run) {
        Ok(result) => result,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            Err(text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned())).unwrap_or_default())
        }
    }
}

#[test]
fn promises_hold_whatever_happens() {
    if let Some(seed) = number("CADENCED_SIM_SEED") {
        let report = run(seed, None, true).unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        eprintln!("seed {seed}: {report:?}");
        return;
    }
    let first = number("CADENCED_SIM_FROM").unwrap_or(0);
    let began = clock();
    let seconds = number("CADENCED_SIM_SECONDS");
    // For a time: as many seeds as fit.
    let seeds = number("CADENCED_SIM_SEEDS").unwrap_or(if seconds.is_some() { u64::MAX - first } else { SEEDS });
    let over = || seconds.is_some_and(|seconds| began.elapsed().as_secs() >= seconds);
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(8) as u64;
    let alone = QUIET.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let results: Vec<(Report, Vec<(u64, String)>)> = std::thread::scope(|scope| {
        let over = &over;
        let share = |worker: u64| {
            move || {
                let mut sum = Report::default();
                let mut failed = Vec::new();
                for seed in (first..first + seeds).filter(|seed| seed % workers == worker).take_while(|_| !over()) {
                    sum.seeds += 1;
                    match run(seed, None, false) {
                        Ok(report) => sum.add(&report),
                        Err(why) => failed.push((seed, why)),
                    }
                }
                (sum, failed)
            }
        };
        let handles: Vec<_> = (0..workers).map(|worker| scope.spawn(share(worker))).collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).collect()
    });
    std::panic::set_hook(quiet);
    drop(alone);
    let mut sum = Report::default();
    let mut failed: Vec<(u64, String)> = Vec::new();
    for (report, failures) in results {
        sum.add(&report);
        failed.extend(failures);
    }
    failed.sort();
    let seeds = sum.seeds;
    let (took, arrows) = (began.elapsed().as_secs_f64(), arrows::told(&std::mem::take(&mut sum.arrows)));
    let (days, speed) = (sum.simulated_days, sum.simulated_days as f64 / took);
    eprintln!(
        "simulation: {seeds} seeds from {first}: {:.1} years in {took:.1} s ({speed:.0} days/s); {sum:?}",
        days as f64 / 365.25
    );
    eprintln!("arrows of the state machine:\n{arrows}");
    assert!(
        failed.is_empty(),
        "{} of {seeds} seeds failed; replay with CADENCED_SIM_SEED={}:\n{}",
        failed.len(),
        failed[0].0,
        failed.iter().take(10).map(|(seed, why)| format!("  {seed}: {why}\n")).collect::<String>()
    );
    assert!(!arrows.contains("NOT FORESEEN"), "an arrow that the state machine should not have:\n{arrows}");
    // A simulation in which nothing happens proves nothing.
    for (what, count) in [
        ("crashes", sum.crashes),
        ("delivered", sum.delivered),
        ("reconciled", sum.reconciled),
        ("lost replies", sum.lost_replies),
        ("late effects", sum.late_effects),
    ] {
        assert!(count > seeds / 20, "only {count} {what} in {seeds} seeds");
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in [1, 2, 3, 50, 99] {
        let trace = || {
            let mut world = World::new(Scenario::draw(seed), None, false);
            world.keep_trace();
            let result = world.run();
            (result.map(|report| format!("{report:?}")), world.into_trace())
        };
        let (first, second) = (trace(), trace());
        assert!(first.1.len() > 10, "seed {seed} left no trace");
        assert_eq!(first, second, "seed {seed}");
    }
}

/// The simulation must find the double or lost post when a rule of the protocol is taken out.
#[test]
fn each_rule_taken_out_is_found_out() {
    let alone = QUIET.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let quiet = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let mut found = BTreeMap::new();
    for sabotage in Sabotage::ALL {
        let hit = (0..3 * SEEDS).find_map(|seed| run(seed, Some(sabotage), false).err().map(|why| (seed, why)));
        found.insert(format!("{sabotage:?}"), hit);
    }
    std::panic::set_hook(quiet);
    drop(alone);
    for (sabotage, hit) in &found {
        match hit {
            Some((seed, why)) => eprintln!("{sabotage}: seed {seed}: {why}"),
            None => eprintln!("{sabotage}: not found"),
        }
    }
    assert!(found.values().all(Option::is_some), "a rule can be taken out and nobody notices: {found:#?}");
}
