//! Slots: the posting moments of an account, as instants.
//!
//! A slot is a civil time in the account's zone at which one of its cron expressions fires; expressions that fire at
//! the same civil time make one slot. Cron text is croner's business, and only on civil time, where there is no
//! daylight saving. What becomes of a civil time is decided here, by one rule: its instant is the first moment at
//! which the zone's clocks have reached it. So a time that a gap swallows is kept at the first moment after the gap
//! (several swallowed by one gap are one slot), and one that a fold repeats is kept once, at the first.
//!
//! Invariant: slots are strictly increasing instants, and there is one for each civil time but those of a gap.

use jiff::civil;
use jiff::tz::{AmbiguousOffset, TimeZone};

use crate::domain::Timestamp;
use crate::domain::policy::Schedule;

/// The first moment at which clocks in `zone` have reached `time`. Held at the ends of representable time.
pub fn instant(zone: &TimeZone, time: civil::DateTime) -> Timestamp {
    let end = if time.year() > 0 { Timestamp::MAX } else { Timestamp::MIN };
    match zone.to_ambiguous_timestamp(time).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(time).unwrap_or(end),
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(time).unwrap_or(end),
        AmbiguousOffset::Gap { after, .. } => {
            // With the later offset the time lies before the gap; the next transition is the gap.
            let Ok(short) = after.to_timestamp(time) else { return end };
            let gap = zone.following(short).find(|change| change.offset() == after);
            gap.map_or(end, |change| change.timestamp())
        }
    }
}

/// How far clocks in a zone have come at some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reached {
    /// All times up to this one.
    To(civil::DateTime),
    /// All times before this one: in the second pass of a fold, its end.
    Before(civil::DateTime),
}

fn reached(zone: &TimeZone, moment: Timestamp) -> Reached {
    let shown = zone.to_datetime(moment);
    if let AmbiguousOffset::Fold { before, after } = zone.to_ambiguous_timestamp(shown).offset()
        && let Ok(first) = before.to_timestamp(shown)
        && first < moment
        && let Some(back) = zone.following(first).find(|change| change.offset() == after)
    {
        return Reached::Before(before.to_datetime(back.timestamp()));
    }
    Reached::To(shown)
}

/// The slots of `schedule` later than `moment`, in order. Ends where no expression fires any more; croner looks
/// some three thousand years ahead, which an expression that never fires pays once.
pub fn after(schedule: &Schedule, moment: Timestamp) -> Slots<'_> {
    let mut slots = Slots { schedule, next: Vec::with_capacity(schedule.slots.len()), given: None };
    slots.go_to(moment);
    slots
}

/// The latest slot at or before `moment`.
pub fn latest(schedule: &Schedule, moment: Timestamp) -> Option<Timestamp> {
    let (time, inclusive) = match reached(&schedule.zone, moment) {
        Reached::To(time) => (time, true),
        Reached::Before(time) => (time, false),
    };
    // croner counts in whole seconds: it would take the second that `time` stands in for one that is reached only
    // where the fraction is cut off, which is what is wanted here.
    let time = whole_seconds(time);
    let fired = schedule.slots.iter().filter_map(|cron| cron.pattern.find_previous_occurrence(&time, inclusive).ok());
    fired.max().map(|time| instant(&schedule.zone, time))
}

/// See [`after`].
#[derive(Debug, Clone)]
pub struct Slots<'a> {
    schedule: &'a Schedule,
    /// The next civil time of each expression, or the one that was just given.
    next: Vec<Option<civil::DateTime>>,
    /// Given, and not searched on from yet: who asks for one slot pays for one search.
    given: Option<civil::DateTime>,
}

impl Slots<'_> {
    fn go_to(&mut self, moment: Timestamp) {
        let (time, inclusive) = match reached(&self.schedule.zone, moment) {
            Reached::To(time) => (time, false),
            Reached::Before(time) => (time, true),
        };
        let time = whole_seconds(time);
        let patterns = self.schedule.slots.iter().map(|cron| &cron.pattern);
        self.next = patterns.map(|pattern| pattern.find_next_occurrence(&time, inclusive).ok()).collect();
    }
}

impl Iterator for Slots<'_> {
    type Item = Timestamp;

    fn next(&mut self) -> Option<Timestamp> {
        if let Some(given) = self.given.take() {
            for (cron, next) in self.schedule.slots.iter().zip(&mut self.next) {
                if *next == Some(given) {
                    *next = cron.pattern.find_next_occurrence(&given, false).ok();
                }
            }
        }
        let time = self.next.iter().flatten().min().copied()?;
        let zone = &self.schedule.zone;
        let slot = instant(zone, time);
        if zone.to_datetime(slot) == time {
            self.given = Some(time);
        } else {
            // It lay in a gap: all that the gap swallowed is this one slot.
            self.go_to(slot);
        }
        Some(slot)
    }
}

fn whole_seconds(time: civil::DateTime) -> civil::DateTime {
    time.with().subsec_nanosecond(0).build().unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jiff::ToSpan;
    use proptest::prelude::*;

    use super::*;
    use crate::domain::policy::Cron;

    fn schedule(zone: &str, crons: &[&str]) -> Schedule {
        let read = |text: &&str| Cron { text: (*text).into(), pattern: text.parse().unwrap() };
        Schedule { zone: TimeZone::get(zone).unwrap(), slots: crons.iter().map(read).collect() }
    }

    /// The next slots after a moment, as they read on the clock and in UTC.
    fn listed(schedule: &Schedule, from: &str, count: usize) -> Vec<String> {
        let from: Timestamp = from.parse().unwrap();
        let slots = after(schedule, from).take(count);
        slots.map(|slot| slot.to_zoned(schedule.zone.clone()).strftime("%F %H:%M%:z").to_string()).collect()
    }

    /// The rule, taken literally: walk through all minutes, and note when clocks first reach each civil time that
    /// an expression wants.
    fn reference(schedule: &Schedule, from: Timestamp, until: Timestamp) -> Vec<Timestamp> {
        let mut found = BTreeSet::new();
        let step = 1.minutes();
        // A day ahead, for what clocks had reached at `from`.
        let mut moment = from.checked_sub(26.hours()).unwrap();
        let mut highest = schedule.zone.to_datetime(moment);
        while moment <= until {
            let shown = schedule.zone.to_datetime(moment);
            while highest < shown {
                highest = highest.checked_add(step).unwrap();
                let wanted = |cron: &Cron| cron.pattern.is_time_matching(&highest).unwrap();
                if schedule.slots.iter().any(wanted) && moment > from {
                    found.insert(moment);
                }
            }
            moment = moment.checked_add(step).unwrap();
        }
        found.into_iter().collect()
    }

    #[test]
    fn a_gap_and_a_fold_in_berlin() {
        let daily = schedule("Europe/Berlin", &["30 2 * * *"]);
        assert_eq!(
            listed(&daily, "2026-03-27T12:00:00Z", 3),
            ["2026-03-28 02:30+01:00", "2026-03-29 03:00+02:00", "2026-03-30 02:30+02:00"]
        );
        assert_eq!(
            listed(&daily, "2026-10-23T12:00:00Z", 3),
            ["2026-10-24 02:30+02:00", "2026-10-25 02:30+02:00", "2026-10-26 02:30+01:00"]
        );
        let often = schedule("Europe/Berlin", &["*/30 * * * *"]);
        assert_eq!(
            listed(&often, "2026-03-29T00:00:00Z", 3),
            ["2026-03-29 01:30+01:00", "2026-03-29 03:00+02:00", "2026-03-29 03:30+02:00"]
        );
        assert_eq!(
            listed(&often, "2026-10-24T23:45:00Z", 4),
            ["2026-10-25 02:00+02:00", "2026-10-25 02:30+02:00", "2026-10-25 03:00+01:00", "2026-10-25 03:30+01:00"]
        );
        // Asked in the second pass of the fold, nothing of the first comes again.
        assert_eq!(listed(&often, "2026-10-25T01:10:00Z", 1), ["2026-10-25 03:00+01:00"]);
        assert_eq!(latest(&often, "2026-10-25T01:10:00Z".parse().unwrap()), "2026-10-25T00:30:00Z".parse().ok());
    }

    #[test]
    fn a_day_that_did_not_exist_is_kept_at_the_first_moment_after_it() {
        let apia = schedule("Pacific/Apia", &["0 9 * * *", "0 17 * * *"]);
        assert_eq!(
            listed(&apia, "2011-12-29T12:00:00-10:00", 3),
            ["2011-12-29 17:00-10:00", "2011-12-31 00:00+14:00", "2011-12-31 09:00+14:00"]
        );
    }

    #[test]
    fn half_an_hour_of_lord_howe_and_the_ramadan_of_casablanca() {
        let howe = schedule("Australia/Lord_Howe", &["45 1 * * *", "15 2 * * *"]);
        assert_eq!(
            listed(&howe, "2026-04-04T00:00:00Z", 3),
            ["2026-04-05 01:45+11:00", "2026-04-05 02:15+10:30", "2026-04-06 01:45+10:30"]
        );
        assert_eq!(listed(&howe, "2026-10-03T15:20:00Z", 1), ["2026-10-04 02:30+11:00"]);
        let casablanca = schedule("Africa/Casablanca", &["30 2 * * *"]);
        let all = listed(&casablanca, "2026-01-01T00:00:00Z", 365);
        assert_eq!(all.iter().map(|slot| &slot[..10]).collect::<BTreeSet<_>>().len(), 365);
    }

    #[test]
    fn expressions_that_fire_together_make_one_slot() {
        let both = schedule("America/New_York", &["0 9 * * MON-FRI", "0 9,12 * * *"]);
        assert_eq!(
            listed(&both, "2026-06-05T00:00:00Z", 4),
            ["2026-06-05 09:00-04:00", "2026-06-05 12:00-04:00", "2026-06-06 09:00-04:00", "2026-06-06 12:00-04:00"]
        );
    }

    #[test]
    fn what_never_fires_ends() {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        assert_eq!(after(&schedule("UTC", &["0 0 30 2 *"]), now).next(), None);
        assert_eq!(latest(&schedule("UTC", &["0 0 30 2 *"]), now), None);
        assert_eq!(after(&schedule("UTC", &[]), now).next(), None);
        assert_eq!(after(&schedule("UTC", &["* * * * *"]), Timestamp::MAX).next(), None);
        assert_eq!(latest(&schedule("UTC", &["* * * * *"]), Timestamp::MIN), None);
    }

    #[test]
    fn every_zone_has_one_slot_for_each_civil_time_around_its_next_transitions() {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        for name in jiff::tz::db().available() {
            let often = schedule(name.as_str(), &["*/30 * * * *"]);
            for change in often.zone.following(start).take(10) {
                // Civil time from two hours before to three hours after.
                let from = change.timestamp().checked_sub(2.hours()).unwrap();
                let until = change.timestamp().checked_add(3.hours()).unwrap();
                let slots: Vec<_> = after(&often, from).take_while(|slot| *slot <= until).collect();
                assert!(slots.is_sorted_by(|a, b| a < b), "{name:?} {change:?}");
                let mut shown: Vec<_> = slots.iter().map(|slot| often.zone.to_datetime(*slot)).collect();
                shown.dedup();
                assert_eq!(shown.iter().collect::<BTreeSet<_>>().len(), slots.len(), "{name:?} {change:?}");
                // Every half hour of the clock in between is there, or its gap's end is.
                let (mut time, last) = (shown[0], shown[shown.len() - 1]);
                while time <= last {
                    assert!(slots.contains(&instant(&often.zone, time)), "{name:?} {time}");
                    time = time.checked_add(30.minutes()).unwrap();
                }
            }
        }
    }

    fn zones() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            "Europe/Berlin",
            "America/New_York",
            "Australia/Lord_Howe",
            "Pacific/Apia",
            "Africa/Casablanca",
            "Asia/Kolkata",
            "America/Sao_Paulo",
            "UTC",
        ])
    }

    fn crons() -> impl Strategy<Value = Vec<&'static str>> {
        let some = ["*/30 * * * *", "15 2 * * *", "30 2,3 * * *", "0 0 * * *", "0 9 * * MON-FRI", "*/7 1-3 * * *"];
        prop::collection::vec(prop::sample::select(some.to_vec()), 1..4)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

        #[test]
        fn the_rule_taken_literally_gives_the_same(
            zone in zones(), crons in crons(), year in 2009i16..2027, which in 0usize..4, shift in 0i64..2880,
        ) {
            let schedule = schedule(zone, &crons);
            let new_year = civil::date(year, 1, 1).to_zoned(TimeZone::UTC).unwrap().timestamp();
            let change = schedule.zone.following(new_year).nth(which).map_or(new_year, |change| change.timestamp());
            let from = change.checked_sub((shift - 600).minutes()).unwrap().round(jiff::Unit::Minute).unwrap();
            let until = from.checked_add(60.hours()).unwrap();
            let expected = reference(&schedule, from, until);
            let found: Vec<_> = after(&schedule, from).take_while(|slot| *slot <= until).collect();
            prop_assert_eq!(&found, &expected);
            // From in between, and looking back, it is the same line of slots.
            for (index, slot) in expected.iter().enumerate() {
                let just_before = slot.checked_sub(1.nanosecond()).unwrap();
                prop_assert_eq!(after(&schedule, just_before).next(), Some(*slot));
                prop_assert_eq!(after(&schedule, *slot).next(), expected.get(index + 1).copied().or(after(&schedule, until).next()));
                prop_assert_eq!(latest(&schedule, *slot), Some(*slot));
                if index > 0 {
                    prop_assert_eq!(latest(&schedule, just_before), Some(expected[index - 1]));
                }
            }
        }
    }
}
