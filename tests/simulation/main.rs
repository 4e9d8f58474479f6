//! The engine under simulation: simulated time, disk, network and platforms, crashes at any command, and the promises
//! I1 to I5 checked after each step.
//!
//! Every run is drawn from one seed and leads one kind of life (see [`simulated::scenario::Family`]); the same seed gives the same
//! run. `CADENCED_SIM_SEEDS=N` runs N seeds of the dense kind and N/100 of each of the others, `CADENCED_SIM_FAMILY=dense`,
//! `long` or `years` one kind only, `CADENCED_SIM_FROM=S` starts elsewhere, `CADENCED_SIM_SEED=S` replays one and prints its trace,
//! `CADENCED_SIM_SECONDS=T` takes as many seeds as fit into that time, which is shared by all kinds. A run tells
//! (`-- --nocapture`) what happened in it, and which arrows of the delivery state machine were taken, and which not.

#![cfg(test)]
#![expect(clippy::disallowed_macros, reason = "a run says on stderr which seeds it took and which one failed")]

#[path = "../support/simulated/mod.rs"]
#[allow(dead_code, reason = "the simulation of the whole daemon uses more of it")]
mod simulated;
mod tally;
mod turns;
mod world;

use std::collections::BTreeMap;

use simulated::arrows;
use simulated::runs::{self, Quiet, number};
use simulated::scenario::{Family, Scenario, of_so_many, on_x};
use tally::Report;
use world::{Sabotage, World};

/// Dense seeds of an ordinary run.
const SEEDS: u64 = 2_000;
const FAMILIES: [Family; 3] = [Family::Dense, Family::Long, Family::Years];
/// For so many dense seeds there is one of each other kind.
const LONG: u64 = 100;
/// Dense seeds with all accounts on X.
const SEEDS_ON_X: u64 = 400;
/// How long the nightly run takes when nothing else is asked for.
const NIGHT_SECONDS: u64 = 600;

/// Seeds that have found something once, and what. They always run.
const REGRESSIONS: [(Family, u64, &str); 3] = [
    (
        Family::Dense,
        of_so_many(5, 2047),
        "an attempt in doubt was looked for on a host that its account was moved to meanwhile",
    ),
    (Family::Dense, of_so_many(5, 120), "a host that the account had left was asked with the token of the new one"),
    (
        Family::Dense,
        of_so_many(5, 1_002_263),
        "what a person had dropped was called scheduled by a plan that was recorded late, for ever",
    ),
];

/// Runs one seed; the error is what went wrong.
fn run(family: Family, seed: u64, sabotage: Option<Sabotage>, trace: bool) -> Result<Report, String> {
    let scenario = Scenario::draw(family, seed);
    runs::caught(|| World::new(scenario, sabotage, trace).run())
}

/// Seconds that a processor has spent on this thread.
fn processor_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// What is to be run.
struct Campaign {
    first: u64,
    /// How many seeds of each kind.
    seeds: BTreeMap<Family, u64>,
    /// After so many seconds nothing new is begun.
    seconds: Option<u64>,
}

/// All runs of one kind.
#[derive(Default)]
struct Sum {
    report: Report,
    processor_seconds: f64,
}

impl Campaign {
    /// As the environment asks for it.
    fn asked(seeds: u64, seconds: Option<u64>) -> Self {
        let seconds = number("CADENCED_SIM_SECONDS").or(seconds);
        // For a time: as many seeds as fit.
        let seeds = number("CADENCED_SIM_SEEDS").unwrap_or(if seconds.is_some() { u64::MAX / 2 } else { seeds });
        let long = if seconds.is_some() { seeds } else { seeds.div_ceil(LONG) };
        let only = std::env::var("CADENCED_SIM_FAMILY").ok();
        let wanted = |family: &Family| only.as_deref().is_none_or(|only| only == family.name());
        let seeds = FAMILIES.map(|family| (family, if family == Family::Dense { seeds } else { long }));
        let seeds = seeds.into_iter().filter(|(family, _)| wanted(family));
        Self { first: number("CADENCED_SIM_FROM").unwrap_or(0), seeds: seeds.collect(), seconds }
    }

    fn run(&self) -> Outcome {
        let began = runs::clock();
        let workers = runs::workers();
        let quiet = Quiet::new();
        let shares: Vec<Outcome> = std::thread::scope(|scope| {
            let handles: Vec<_> =
                (0..workers).map(|worker| scope.spawn(move || self.share(worker, workers, began))).collect();
            handles.into_iter().map(|handle| handle.join().unwrap()).collect()
        });
        drop(quiet);
        let mut outcome = Outcome::default();
        for share in shares {
            for (family, sum) in share.sums {
                let all = outcome.sums.entry(family).or_default();
                all.report.add(&sum.report);
                all.processor_seconds += sum.processor_seconds;
            }
            outcome.failed.extend(share.failed);
        }
        outcome.failed.sort();
        outcome
    }

    /// What one of the threads does: always a run of the kind that has had least time.
    fn share(&self, worker: u64, workers: u64, began: std::time::Instant) -> Outcome {
        let mut outcome = Outcome::default();
        let mut next: BTreeMap<Family, u64> = self.seeds.keys().map(|family| (*family, worker)).collect();
        let over = || self.seconds.is_some_and(|seconds| began.elapsed().as_secs() >= seconds);
        while !over() {
            let left = next.iter().filter(|(family, next)| **next < self.seeds[*family]);
            let spent = |family: &Family| outcome.sums.get(family).map_or(0.0, |sum| sum.processor_seconds);
            let Some((family, place)) =
                left.min_by(|a, b| spent(a.0).total_cmp(&spent(b.0))).map(|(family, next)| (*family, *next))
            else {
                break;
            };
            next.insert(family, place + workers);
            let seed = self.first + place;
            let before = processor_seconds();
            let result = run(family, seed, None, false);
            let sum = outcome.sums.entry(family).or_default();
            sum.processor_seconds += processor_seconds() - before;
            sum.report.seeds += 1;
            match result {
                Ok(report) => sum.report.add(&report),
                Err(why) => outcome.failed.push((family, seed, why)),
            }
        }
        outcome
    }
}

/// What came of it.
#[derive(Default)]
struct Outcome {
    sums: BTreeMap<Family, Sum>,
    failed: Vec<(Family, u64, String)>,
}

impl Outcome {
    fn all(&self) -> Report {
        let mut all = Report::default();
        self.sums.values().for_each(|sum| all.add(&sum.report));
        all
    }

    fn tell(&self) {
        for (family, Sum { report, processor_seconds }) in &self.sums {
            let a_day = |count: u64| count as f64 / report.days.max(1) as f64;
            eprintln!(
                "simulation, {}: {} seeds, {:.1} years ({} days, something was recorded on {}), {} crashes; a day has {:.1} steps, \
                 {:.2} slots, {:.1} records, {:.1} calls; {:.0} days a second on one core ({:.0} of those with a record), \
                 {:.2} µs a step",
                family.name(),
                report.seeds,
                report.days as f64 / 365.25,
                report.days,
                report.busy_days,
                report.crashes(),
                a_day(report.steps),
                a_day(report.slots),
                a_day(report.records),
                a_day(report.calls),
                report.days as f64 / processor_seconds,
                report.busy_days as f64 / processor_seconds,
                processor_seconds * 1e6 / report.steps.max(1) as f64,
            );
        }
        let all = self.all();
        eprintln!("changes of the clocks (daylight saving): {}; what happened:\n{}", all.clock_changes, all.told());
        eprintln!("arrows of the state machine:\n{}", arrows::told(&all.arrows));
    }

    fn check(&self) {
        let seeds = self.all().seeds;
        assert!(
            self.failed.is_empty(),
            "{} of {seeds} seeds failed; replay with CADENCED_SIM_FAMILY={} CADENCED_SIM_SEED={}:\n{}",
            self.failed.len(),
            self.failed[0].0.name(),
            self.failed[0].1,
            self.failed
                .iter()
                .take(10)
                .map(|(family, seed, why)| format!("  {} {seed}: {why}\n", family.name()))
                .collect::<String>()
        );
        let all = self.all();
        let arrows = arrows::told(&all.arrows);
        assert!(!arrows.contains("NOT FORESEEN"), "an arrow that the state machine should not have:\n{arrows}");
        assert_eq!(all.unlisted(), [""; 0], "kinds that the tally does not list");
        // A simulation in which nothing happens proves nothing.
        for kind in ["delivered", "reconciled", "lost reply", "late effect"] {
            assert!(all.of(kind) > seeds / 20, "only {} {kind} in {seeds} seeds", all.of(kind));
        }
        assert!(all.crashes() > seeds / 20, "only {} crashes in {seeds} seeds", all.crashes());
    }
}

#[test]
fn promises_hold_whatever_happens() {
    if let Some(seed) = number("CADENCED_SIM_SEED") {
        let asked = std::env::var("CADENCED_SIM_FAMILY").unwrap_or_default();
        let family = FAMILIES.into_iter().find(|family| family.name() == asked).unwrap_or(Family::Dense);
        let report = run(family, seed, None, true).unwrap_or_else(|why| panic!("{} {seed}: {why}", family.name()));
        eprintln!("{} {seed}: {report:?}", family.name());
        return;
    }
    let outcome = Campaign::asked(SEEDS, None).run();
    outcome.tell();
    outcome.check();
}

/// What runs at night: as long as it is given, and everything that can happen has to happen in it.
#[test]
#[ignore = "takes ten minutes, or CADENCED_SIM_SECONDS"]
fn nightly() {
    let outcome = Campaign::asked(u64::MAX / 2, Some(NIGHT_SECONDS)).run();
    outcome.tell();
    outcome.check();
    let all = outcome.all();
    assert_eq!(all.never(), [""; 0], "never happened");
    assert_eq!(arrows::not_taken(&all.arrows), [""; 0], "never taken");
}

#[test]
fn what_was_found_once_is_not_found_again() {
    for (family, seed, what) in REGRESSIONS {
        run(family, seed, None, false).unwrap_or_else(|why| panic!("{} {seed} ({what}): {why}", family.name()));
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    for (family, seed) in
        [1, 2, 3, 50, 99].map(|seed| (Family::Dense, seed)).into_iter().chain([(Family::Long, 1), (Family::Years, 1)])
    {
        let trace = || {
            let mut world = World::new(Scenario::draw(family, seed), None, false);
            world.keep_trace();
            let result = world.run();
            (result.map(|report| format!("{report:?}")), world.into_trace())
        };
        let (first, second) = (trace(), trace());
        assert!(first.1.len() > 10, "seed {seed} left no trace");
        assert_eq!(first, second, "seed {seed}");
    }
}

/// Where requests cost money and tokens work once: no bill is larger than what was counted before, what is begun keeps to
/// the budget of each month, and tokens are lost only where nobody could have kept them.
#[test]
fn nothing_is_spent_unseen_and_no_token_is_lost() {
    if number("CADENCED_SIM_SEED").is_some() {
        return;
    }
    let outcome =
        Campaign { first: on_x(number("CADENCED_SIM_FROM").unwrap_or(0)), ..Campaign::asked(SEEDS_ON_X, None) }.run();
    outcome.tell();
    outcome.check();
    let all = outcome.all();
    for kind in ["held for the budget", "budget raised", "tokens given by a person", "tokens expired"] {
        assert!(all.of(kind) > all.seeds / 20, "only {} {kind} in {} seeds", all.of(kind), all.seeds);
    }
}

/// The simulation must find the double or lost post when a rule of the protocol is taken out.
#[test]
fn each_rule_taken_out_is_found_out() {
    let quiet = Quiet::new();
    let mut found = BTreeMap::new();
    for sabotage in Sabotage::ALL {
        let known = REGRESSIONS.iter().map(|(family, seed, _)| (*family, *seed));
        let drawn = |seed| if sabotage.is_about_x() { on_x(seed) } else { seed };
        let mut seeds = known.chain((0..3 * SEEDS).map(|seed| (Family::Dense, drawn(seed))));
        let hit = seeds.find_map(|(family, seed)| {
            let why = run(family, seed, Some(sabotage), false).err()?;
            // It is the sabotage that was found, and not what would be there without it.
            run(family, seed, None, false).is_ok().then_some((seed, why))
        });
        found.insert(format!("{sabotage:?}"), hit);
    }
    drop(quiet);
    for (sabotage, hit) in &found {
        match hit {
            Some((seed, why)) => eprintln!("{sabotage}: seed {seed}: {why}"),
            None => eprintln!("{sabotage}: not found"),
        }
    }
    assert!(found.values().all(Option::is_some), "a rule can be taken out and nobody notices: {found:#?}");
}
