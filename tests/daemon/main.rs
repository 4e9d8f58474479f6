//! The whole daemon under simulation: the loop that ships, on paused time, over the journal that ships, on a disk that
//! loses what was not synced. Crashes at any command and at any call of the disk; I1 to I5 checked after each step.
//!
//! Every run is drawn from one seed, and the same seed gives the same run. `CADENCED_DAEMON_SEEDS=N` runs N seeds,
//! `CADENCED_DAEMON_SEED=S` replays one and prints its trace, `CADENCED_DAEMON_FROM=S` starts elsewhere,
//! `CADENCED_DAEMON_SECONDS=T` takes as many seeds as fit into that time. A run tells (`-- --nocapture`) what happened
//! in it.

#![cfg(test)]
#![expect(clippy::disallowed_macros, reason = "a run says on stderr which seeds it took and which one failed")]

#[path = "../support/failing_disk.rs"]
#[allow(dead_code, reason = "the journal's own tests use all of it")]
mod failing_disk;
mod parts;
#[path = "../support/simulated/mod.rs"]
#[allow(dead_code, reason = "the engine's simulation uses more of it")]
mod simulated;
mod watch;
mod world;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use simulated::runs::{self, Quiet, number};
use simulated::scenario::{of_so_many, on_x};
use world::{Sabotage, Tally, World};

/// Seeds of an ordinary run.
const SEEDS: u64 = 200;

/// Seeds with all accounts on X.
const SEEDS_ON_X: u64 = 40;

/// Seeds that have found something once, and what. They always run.
const KEPT: [(u64, &str); 1] = [(
    of_so_many(5, 761),
    "a batch for which there was no room was looked for before a later one that the reserve had taken",
)];

fn trace(seed: u64, sabotage: Option<Sabotage>, print: bool, keep: bool) -> (Result<Tally, String>, Vec<String>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let mut trace = Vec::new();
    let result = runs::caught(|| {
        runtime.block_on(async {
            let mut world = World::new(seed, sabotage, print);
            if keep {
                world.keep_trace();
            }
            let world = Arc::new(Mutex::new(world));
            let result = world::run(world.clone()).await;
            trace = parts::lock(&world).take_trace();
            result
        })
    });
    (result, trace)
}

/// Runs one seed; the error is what went wrong.
fn run(seed: u64, sabotage: Option<Sabotage>) -> Result<Tally, String> {
    trace(seed, sabotage, false, false).0
}

fn add(sum: &mut Tally, other: &Tally) {
    for (what, count) in other {
        *sum.entry(what).or_default() += count;
    }
}

#[test]
fn promises_hold_whatever_happens() {
    if let Some(seed) = number("CADENCED_DAEMON_SEED") {
        let report = trace(seed, None, true, false).0.unwrap_or_else(|why| panic!("seed {seed}: {why}"));
        eprintln!("seed {seed}: {report:?}");
        return;
    }
    let first = number("CADENCED_DAEMON_FROM").unwrap_or(0);
    let began = runs::clock();
    let seconds = number("CADENCED_DAEMON_SECONDS");
    // For a time: as many seeds as fit.
    let seeds = number("CADENCED_DAEMON_SEEDS").unwrap_or(if seconds.is_some() { u64::MAX - first } else { SEEDS });
    let over = || seconds.is_some_and(|seconds| began.elapsed().as_secs() >= seconds);
    let workers = runs::workers();
    let quiet = Quiet::new();
    let results: Vec<(Tally, Vec<(u64, String)>)> = std::thread::scope(|scope| {
        let over = &over;
        let share = |worker: u64| {
            move || {
                let mut sum = Tally::new();
                let mut failed = Vec::new();
                for seed in (first..first + seeds).filter(|seed| seed % workers == worker).take_while(|_| !over()) {
                    *sum.entry("seeds").or_default() += 1;
                    match run(seed, None) {
                        Ok(report) => add(&mut sum, &report),
                        Err(why) => failed.push((seed, why)),
                    }
                }
                (sum, failed)
            }
        };
        let handles: Vec<_> = (0..workers).map(|worker| scope.spawn(share(worker))).collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).collect()
    });
    drop(quiet);
    let mut sum = Tally::new();
    let mut failed: Vec<(u64, String)> = Vec::new();
    for (report, failures) in results {
        add(&mut sum, &report);
        failed.extend(failures);
    }
    failed.sort();
    let seeds = sum["seeds"];
    eprintln!("daemon: {seeds} seeds from {first} in {:.1} s; {sum:#?}", began.elapsed().as_secs_f64());
    assert!(
        failed.is_empty(),
        "{} of {seeds} seeds failed; replay with CADENCED_DAEMON_SEED={}:\n{}",
        failed.len(),
        failed[0].0,
        failed.iter().take(20).map(|(seed, why)| format!("  {seed}: {why}\n")).collect::<String>()
    );
    // A simulation in which nothing happens proves nothing.
    assert!(sum.contains_key("torn ends") || seeds < SEEDS, "no torn end in {seeds} seeds");
    for what in [
        "delivered",
        "reconciled",
        "kills",
        "power cuts",
        "batches refused",
        "lost replies",
        "late effects",
        "wrong replies",
        "clock jumps",
        "suspends",
        "configurations",
        "files broken",
        "folders lost",
        "graceful stops",
        "ends when idle",
        "statuses",
        "plans",
        "decisions",
    ] {
        let count = sum.get(what).copied().unwrap_or(0);
        assert!(count > seeds / 20, "only {count} {what} in {seeds} seeds");
    }
}

/// Where requests cost money and tokens work once.
#[test]
fn nothing_is_spent_unseen_and_no_token_is_lost() {
    let quiet = Quiet::new();
    let mut sum = Tally::new();
    let mut failed = Vec::new();
    for seed in (0..SEEDS_ON_X).map(on_x) {
        match run(seed, None) {
            Ok(report) => add(&mut sum, &report),
            Err(why) => failed.push((seed, why)),
        }
    }
    drop(quiet);
    assert!(failed.is_empty(), "replay with CADENCED_DAEMON_SEED: {failed:#?}");
    for what in ["delivered", "tokens given by a person", "tokens expired", "kills"] {
        let count = sum.get(what).copied().unwrap_or(0);
        assert!(count > SEEDS_ON_X / 20, "only {count} {what} in {SEEDS_ON_X} seeds");
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for seed in [1, 2, 3, 50, 99] {
        let (first, second) = (trace(seed, None, false, true), trace(seed, None, false, true));
        assert!(first.1.len() > 10, "seed {seed} left no trace");
        assert!(first == second, "seed {seed} gives two runs");
    }
}

#[test]
fn seeds_that_have_found_something_stay_green() {
    for (seed, what) in KEPT {
        run(seed, None).unwrap_or_else(|why| panic!("seed {seed} ({what}): {why}"));
    }
}

/// The simulation must notice when a rule of the daemon or of the world is taken out.
#[test]
fn each_rule_taken_out_is_found_out() {
    let quiet = Quiet::new();
    let mut found = BTreeMap::new();
    for sabotage in Sabotage::ALL {
        let hit = (0..2 * SEEDS).find_map(|seed| {
            let why = run(seed, Some(sabotage)).err()?;
            // It is the sabotage that was found, and not what would be there without it.
            run(seed, None).is_ok().then_some((seed, why))
        });
        eprintln!("{sabotage:?}: {hit:?}");
        found.insert(format!("{sabotage:?}"), hit);
    }
    drop(quiet);
    assert!(found.values().all(Option::is_some), "a rule can be taken out and nobody notices: {found:#?}");
}
