//! Cron text, and the slots that it makes: three lines, the zone, the expression, and a moment in seconds.
//!
//! How long a search takes is the fuzzer's to judge (`-timeout`).

use std::time::Duration;

use cadenced::config::values;
use cadenced::domain::Timestamp;
use cadenced::domain::policy::Schedule;
use cadenced::domain::time::{before, parse_span};
use cadenced::plan::slots;

/// Slots that are looked at.
const SLOTS: usize = 6;
/// The years 1970 to 2200.
const SECONDS: i64 = 230 * 365 * 86_400;

pub fn run(bytes: &[u8]) -> &'static str {
    let Ok(text) = std::str::from_utf8(bytes) else { return "no text" };
    let mut lines = text.split('\n');
    let mut line = || lines.next().unwrap_or_default();
    let (zone, expression, moment) = (line(), line(), line());
    let _ = (values::quiet(expression), parse_span(expression));
    let cron = match values::cron(expression) {
        Ok(cron) => cron,
        Err(refused) => {
            assert!(!refused.reason.is_empty());
            return "no expression";
        }
    };
    let Ok(zone) = values::zone(zone) else { return "no zone" };
    let seconds = moment.parse::<i64>().unwrap_or_default().rem_euclid(SECONDS);
    let moment = Timestamp::from_second(seconds).expect("a moment of these centuries");
    let schedule = Schedule { zone, slots: vec![cron] };
    let found: Vec<_> = slots::after(&schedule, moment).take(SLOTS).collect();
    let mut last = moment;
    for slot in &found {
        assert!(*slot > last, "slots rise");
        assert_eq!(slots::after(&schedule, last).next(), Some(*slot), "none is passed over");
        assert_eq!(slots::latest(&schedule, *slot), Some(*slot), "looking back finds it");
        let earlier = slots::latest(&schedule, before(*slot, Duration::from_nanos(1)));
        assert!(earlier.is_none_or(|earlier| earlier <= last.max(moment)), "nothing lies between two");
        last = *slot;
    }
    if found.is_empty() { "no slot" } else { "slots" }
}
