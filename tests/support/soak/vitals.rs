//! What can be measured of a process and its store from the outside, and how much of it may grow.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use crate::support::house::House;

/// More handles and threads in the last calm stretch than in the first: connections come and go with the faults.
const MORE_HANDLES: f64 = 16.0;
const MORE_THREADS: f64 = 4.0;
/// More handles of a process that has worked and is at rest than of a new one.
const SPARE_HANDLES: f64 = 4.0;
/// From so many deliveries on, growth can be told from chance.
const ENOUGH: usize = 1000;
/// Bytes that a delivery more may cost: what is remembered of it and what is recorded, with its share of empty slots and
/// starts. In one life the allocator keeps some more.
const MEMORY_A_DELIVERY: f64 = 4096.0;
const MEMORY_IN_A_LIFE: f64 = 16_384.0;
const JOURNAL_A_DELIVERY: f64 = 4096.0;
const INDEX_A_DELIVERY: f64 = 8192.0;

/// One look at a process and its store; sizes in bytes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sample {
    pub stretch: usize,
    /// Seconds since the start of this process.
    pub age: u64,
    /// Deliveries up to now.
    pub delivered: usize,
    /// Posts in the queue folder.
    pub queued: usize,
    pub resident: u64,
    pub anonymous: u64,
    pub handles: u64,
    pub threads: u64,
    pub journal: u64,
    pub index: u64,
}

impl Sample {
    pub fn of(pid: u32, house: &House) -> Self {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let field = |name: &str| -> u64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
            line.split_whitespace().next().unwrap().parse().unwrap()
        };
        Self {
            resident: field("VmRSS") * 1024,
            anonymous: field("RssAnon") * 1024,
            handles: std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count() as u64,
            threads: field("Threads"),
            journal: written_below(&house.path("store/journal")),
            index: taken_below(&house.path("store/index")),
            ..Self::default()
        }
    }
}

/// Samples of calm stretches and what is made of them.
pub struct Vitals {
    /// The second half of each stretch: in the first, caches and pools fill.
    calm: Vec<Vec<Sample>>,
}

impl Vitals {
    pub fn new(samples: &[Sample]) -> Self {
        let stretches = samples.chunk_by(|a, b| a.stretch == b.stretch);
        Self { calm: stretches.map(|samples| samples[samples.len() / 2..].to_vec()).collect() }
    }

    /// A line a stretch, and what a delivery more has cost.
    pub fn told(&self) -> Vec<String> {
        let stretch = |samples: &Vec<Sample>| {
            let of = |field: fn(&Sample) -> u64| Spread::of(samples, field);
            let (first, last) = (samples[0], samples[samples.len() - 1]);
            format!(
                "alive for {} to {} s, {} to {} delivered, {} posts in the queue: resident {} KiB, anonymous {} KiB, \
                 handles {}, threads {}; journal {}, index {} bytes",
                first.age,
                last.age,
                first.delivered,
                last.delivered,
                of(|sample| sample.queued as u64),
                of(|sample| sample.resident / 1024),
                of(|sample| sample.anonymous / 1024),
                of(|sample| sample.handles),
                of(|sample| sample.threads),
                last.journal,
                last.index
            )
        };
        let [memory, memory_in_a_life, journal, index] = self.cost();
        let cost = format!(
            "a delivery more, by least squares: anonymous {memory:.0} bytes from life to life, {memory_in_a_life:.0} in one \
             life; journal {journal:.0}, index {index:.0} bytes"
        );
        self.calm.iter().map(stretch).chain([cost]).collect()
    }

    /// Bytes a delivery: memory from life to life, memory within one life, journal, index.
    fn cost(&self) -> [f64; 4] {
        let all = [self.calm.concat()];
        [
            slope(&all, |sample| sample.anonymous),
            slope(&self.calm, |sample| sample.anonymous),
            slope(&all, |sample| sample.journal),
            slope(&all, |sample| sample.index),
        ]
    }

    /// What grows that must not, or grows by more than it may. `rested` has worked and is at rest, `fresh` is new.
    pub fn beyond_bounds(&self, rested: &Sample, fresh: &Sample) -> Vec<String> {
        let (first, last) = (&self.calm[0], &self.calm[self.calm.len() - 1]);
        let middle = |samples: &[Sample], field: fn(&Sample) -> u64| Spread::of(samples, field).middle;
        let grown = |field| middle(last, field).saturating_sub(middle(first, field)) as f64;
        let mut bounds = vec![
            ("handles of a process at rest", rested.handles as f64 - fresh.handles as f64, SPARE_HANDLES),
            ("handles", grown(|sample| sample.handles), MORE_HANDLES),
            ("threads", grown(|sample| sample.threads), MORE_THREADS),
        ];
        if rested.delivered >= ENOUGH {
            let [memory, memory_in_a_life, journal, index] = self.cost();
            bounds.extend([
                ("memory from life to life", memory, MEMORY_A_DELIVERY),
                ("memory in one life", memory_in_a_life, MEMORY_IN_A_LIFE),
                ("journal", journal, JOURNAL_A_DELIVERY),
                ("index", index, INDEX_A_DELIVERY),
            ]);
        }
        let beyond = bounds.into_iter().filter(|(_, grown, most)| grown > most);
        beyond.map(|(what, grown, most)| format!("{what}: {grown:.0} more, where {most} are allowed")).collect()
    }
}

/// The least, the middle and the greatest of some figures.
struct Spread {
    least: u64,
    middle: u64,
    greatest: u64,
}

impl Spread {
    fn of(samples: &[Sample], field: impl Fn(&Sample) -> u64) -> Self {
        let mut all: Vec<u64> = samples.iter().map(field).collect();
        all.sort_unstable();
        Self { least: all[0], middle: all[all.len() / 2], greatest: all[all.len() - 1] }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({} to {})", self.middle, self.least, self.greatest)
    }
}

/// Growth of a figure with each delivery, by least squares; each series has a level of its own.
fn slope(series: &[Vec<Sample>], field: impl Fn(&Sample) -> u64) -> f64 {
    let (mut both, mut square) = (0.0, 1.0);
    for samples in series {
        let mean = |of: &dyn Fn(&Sample) -> f64| samples.iter().map(of).sum::<f64>() / samples.len() as f64;
        let x = |sample: &Sample| sample.delivered as f64;
        let y = |sample: &Sample| field(sample) as f64;
        let (mean_x, mean_y) = (mean(&x), mean(&y));
        both += samples.iter().map(|sample| (x(sample) - mean_x) * (y(sample) - mean_y)).sum::<f64>();
        square += samples.iter().map(|sample| (x(sample) - mean_x).powi(2)).sum::<f64>();
    }
    both / square
}

pub fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1024.0 / 1024.0
}

/// Bytes of the files in a folder that were written to: room that is reserved is zero.
fn written_below(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    // A segment may get its name at this moment.
    let bytes = entries.flatten().filter_map(|entry| std::fs::read(entry.path()).ok());
    bytes.map(|bytes| bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last as u64 + 1)).sum()
}

/// What the files in a folder and below take of the disk.
fn taken_below(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let taken = |entry: std::fs::DirEntry| {
        let Ok(about) = entry.metadata() else { return 0 };
        if about.is_dir() { taken_below(&entry.path()) } else { about.blocks() * 512 }
    };
    entries.flatten().map(taken).sum()
}
