//! What a look back costs: records about people folded into a report, by their number.
//!
//! `cargo bench --bench report [-- INTERACTIONS]`: 1,000,000 interactions of 100,000 people unless it is said otherwise.
//! The records come as they lie in the journal, as JSON. The reference is to read that and fold nothing. Both are done
//! three times in turn, and the middle one counts; the peak is that of the process before and after.

mod support;

use std::collections::BTreeMap;

use cadenced::engage::Record;
use cadenced::report::demo::crowd;
use cadenced::report::{Report, Reporter, Window};
use support::{median, mib, say, size, status_kb, ticks};

const ROUNDS: usize = 3;
/// Interactions of one person, on average.
const EACH: usize = 10;

fn main() {
    let interactions = size(1_000_000);
    let people = interactions / EACH;
    // All in one piece, so that what is measured frees nothing of it.
    let mut journal = Vec::new();
    let mut ends = Vec::new();
    let mut last = None;
    for record in crowd(7, people as u64, interactions as u64) {
        journal.extend(record.encode());
        ends.push(journal.len());
        last = Some(record.at);
    }
    let until = last.expect("records");
    let window = Window { since: "2025-01-01T00:00:00Z".parse().expect("a moment"), until };
    let records = || {
        let begins = std::iter::once(0).chain(ends.iter().copied());
        begins.zip(&ends).map(|(begin, end)| Record::decode(&journal[begin..*end]).expect("a record"))
    };
    let (mut reading, mut folding, mut finishing) = (Vec::new(), Vec::new(), Vec::new());
    let peak = || mib(status_kb(std::process::id(), "VmHWM"));
    let before = peak();
    let mut report: Option<Report> = None;
    for _ in 0..ROUNDS {
        let start = ticks();
        let count = records().map(std::hint::black_box).count();
        reading.push(start.elapsed().as_secs_f64());
        assert_eq!(count, ends.len());

        let start = ticks();
        let mut reporter = Reporter::new(window, BTreeMap::new());
        records().for_each(|record| reporter.people(&record));
        folding.push(start.elapsed().as_secs_f64());
        let start = ticks();
        report = Some(reporter.finish());
        finishing.push(start.elapsed().as_secs_f64());
    }
    let report = report.expect("a report");
    let (reading, folding, finishing) = (median(reading), median(folding), median(finishing));
    say(&format!(
        "{interactions} interactions of {people} people, {} records, {:.1} MiB: reading alone {reading:.2} s; reading and folding \
         {folding:.2} s; counting {finishing:.2} s; together {:.2} of reading alone",
        ends.len(),
        journal.len() as f64 / 1_048_576.0,
        (folding + finishing) / reading,
    ));
    say(&format!(
        "peak {:.1} MiB, of which {before:.1} before it began; {} people within the time, {} of the core",
        peak(),
        report.people.distinct,
        report.people.standing.core,
    ));
}
