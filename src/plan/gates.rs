//! The rules that a moment has to pass before something is sent: quiet hours, the gap, the day, the promotion share.
//!
//! Each gate is a function of the policy, the beat so far and `now`, and says until when it is closed where that can
//! be known. They look back only as far as they need: what is told here costs the same after ten posts and after a
//! million. Which post would go is not their business.

use std::time::Duration;

use jiff::ToSpan;
use jiff::civil;
use jiff::tz::TimeZone;

use crate::domain::Timestamp;
use crate::domain::policy::{Policy, Promotion};
use crate::domain::time::{after, before};

use super::past::Past;
use super::slots;

/// How far before `now` a send can have begun and still count for today: today itself, and an attempt that took
/// a day to be settled. What a person decides later about an old attempt does not move the post to today.
const LOOK_BACK: Duration = Duration::from_secs(48 * 60 * 60);

/// Why nothing that counts may be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// The latest attempt is not settled; its outcome will say when.
    Open,
    Quiet {
        /// `None`: for ever.
        until: Option<Timestamp>,
    },
    Gap {
        until: Timestamp,
    },
    Day {
        until: Timestamp,
    },
}

impl Closed {
    /// When it opens, if that can be known.
    pub fn until(self) -> Option<Timestamp> {
        match self {
            Self::Open => None,
            Self::Quiet { until } => until,
            Self::Gap { until } | Self::Day { until } => Some(until),
        }
    }

    /// The reason of a slot that passes meanwhile.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Open => "an attempt is open",
            Self::Quiet { .. } => "quiet",
            Self::Gap { .. } => "min_gap",
            Self::Day { .. } => "max_per_day",
        }
    }
}

/// Quiet hours: nothing at all is sent.
pub fn quiet(policy: &Policy, zone: &TimeZone, now: Timestamp) -> Option<Closed> {
    covering(policy, zone.to_datetime(now).time())?;
    Some(Closed::Quiet { until: quiet_end(policy, zone, now) })
}

fn covering(policy: &Policy, time: civil::Time) -> Option<civil::Time> {
    policy.quiet.iter().find(|quiet| quiet.covers(time)).map(|quiet| quiet.to)
}

fn quiet_end(policy: &Policy, zone: &TimeZone, now: Timestamp) -> Option<Timestamp> {
    let mut moment = now;
    // One range may end in another; after two rounds through all of them it is always quiet.
    for _ in 0..2 * policy.quiet.len() + 1 {
        let shown = zone.to_datetime(moment);
        let Some(end) = covering(policy, shown.time()) else { return Some(moment) };
        let day = if end > shown.time() { shown.date() } else { shown.date().tomorrow().ok()? };
        let time = day.to_datetime(end);
        let first = slots::instant(zone, time);
        // In the second pass of a fold the first pass of that time is over.
        moment = if first > moment { first } else { zone.to_ambiguous_timestamp(time).later().ok()? };
    }
    None
}

/// The gap since the latest send that counts. An attempt that is not settled closes it altogether.
pub fn gap(policy: &Policy, past: &Past<'_>, now: Timestamp) -> Option<Closed> {
    let latest = past.counted().next()?;
    let Some(to) = latest.to else { return Some(Closed::Open) };
    // Where the clock was set ahead since, nobody knows how little time has passed: the gap begins anew.
    let until = after(latest.from.max(to).max(past.clock_set().unwrap_or(to)), policy.min_gap);
    (now < until).then_some(Closed::Gap { until })
}

/// The account's own local day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    /// How many posts it may still hold.
    pub left: u32,
    /// When the next one begins; later than `now`.
    pub end: Timestamp,
}

impl Day {
    pub fn closed(self) -> Option<Closed> {
        (self.left == 0).then_some(Closed::Day { until: self.end })
    }
}

/// What today may still hold. A send counts for each day from the one it began in to the one it was settled in.
pub fn day(policy: &Policy, zone: &TimeZone, past: &Past<'_>, now: Timestamp) -> Day {
    let date = |moment| zone.to_datetime(moment).date();
    let today = date(now);
    let far = before(now, LOOK_BACK);
    let recent = past.counted().take_while(|sent| sent.from >= far);
    let counts = recent.filter(|sent| date(sent.from) <= today && sent.to.is_none_or(|to| today <= date(to)));
    let most = usize::try_from(policy.max_per_day).unwrap_or(usize::MAX);
    let used = u32::try_from(counts.take(most).count()).unwrap_or(u32::MAX);
    let tomorrow = today.tomorrow().map(|day| slots::instant(zone, day.to_datetime(civil::Time::midnight())));
    // Where clocks go back over midnight, the next day has begun once already.
    let end = tomorrow.ok().filter(|end| *end > now);
    let end = end.unwrap_or_else(|| now.checked_add(1.hour()).unwrap_or(Timestamp::MAX));
    Day { left: policy.max_per_day.saturating_sub(used), end }
}

/// Whether one more promotion post keeps the share: of it and the `window - 1` posts before it, and so of every
/// `window` consecutive posts.
pub fn promotion_open(rule: &Promotion, past: &Past<'_>) -> bool {
    let window = rule.window.max(1);
    let most = most_promotion(rule);
    let others = usize::try_from(window - 1).unwrap_or(usize::MAX);
    let sent = past.counted().take(others).filter(|sent| sent.promotion).count();
    sent as f64 + 1.0 <= most
}

/// A share that is written 0.3 is a little less in binary; 0.3 of 10 are 3 all the same.
fn most_promotion(rule: &Promotion) -> f64 {
    (rule.share * f64::from(rule.window.max(1)) + 1e-9).floor()
}

/// What the promotion share waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filled {
    /// When the latest promotion that counts was sent.
    pub since: Option<Timestamp>,
    /// How many posts that are no promotion make room for one; `None` when no number does.
    pub others: Option<u32>,
}

/// How long the share stays closed: what was sent before moves out of the window with every post that follows.
pub fn promotion_filled(rule: &Promotion, past: &Past<'_>) -> Filled {
    let window = rule.window.max(1);
    let most = most_promotion(rule);
    let counted = past.counted().take(usize::try_from(window - 1).unwrap_or(usize::MAX));
    let places: Vec<(u32, Timestamp)> =
        (0u32..).zip(counted).filter(|(_, sent)| sent.promotion).map(|(place, sent)| (place, sent.from)).collect();
    // As many as may stand in a window beside one more stay in it; the next one has to move out.
    let others = (most >= 1.0).then(|| {
        let stays = places.get(most as usize - 1);
        stays.map_or(0, |(place, _)| (window - 1).saturating_sub(*place))
    });
    Filled { since: places.first().map(|(_, from)| *from), others }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::policy::{Missed, Quiet, Unanswered};
    use crate::plan::past::{Counted, Imagined};

    fn policy() -> Policy {
        Policy {
            max_per_day: 2,
            min_gap: Duration::from_hours(2),
            missed: Missed::NextSlot,
            late_grace: Duration::from_hours(1),
            promotion: Promotion { share: 0.2, window: 10 },
            unanswered: Unanswered { max: 5, older_than: Duration::from_hours(24) },
            quiet: Vec::new(),
            runway_warn: Duration::from_hours(7 * 24),
            budget: None,
            spray: crate::domain::policy::Spray::default(),
        }
    }

    fn quiet_hours(ranges: &[(&str, &str)]) -> Policy {
        let quiet = ranges.iter().map(|(from, to)| Quiet { from: from.parse().unwrap(), to: to.parse().unwrap() });
        Policy { quiet: quiet.collect(), ..policy() }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn sent(from: &str, to: Option<&str>) -> Counted {
        Counted { from: at(from), to: to.map(at), promotion: false }
    }

    fn past(sent: &[Counted]) -> Imagined {
        Imagined { sent: sent.to_vec(), ..Imagined::default() }
    }

    fn berlin() -> TimeZone {
        TimeZone::get("Europe/Berlin").unwrap()
    }

    #[test]
    fn the_share_opens_after_so_many_others_as_move_promotion_out_of_the_window() {
        // Latest first: was it promotion?
        let filled = |share: f64, window: u32, sent: &[bool]| {
            let moment = |place: usize| Timestamp::from_second(1_800_000_000 - 86_400 * place as i64).unwrap();
            let counted = |(place, promotion): (usize, &bool)| Counted {
                from: moment(place),
                to: Some(moment(place)),
                promotion: *promotion,
            };
            // The past is imagined in the order in which it came.
            let imagined = past(&sent.iter().enumerate().map(counted).rev().collect::<Vec<_>>());
            let rule = Promotion { share, window };
            let Filled { since, others } = promotion_filled(&rule, &Past::with(None, &imagined));
            if others == Some(0) {
                assert!(promotion_open(&rule, &Past::with(None, &imagined)));
            }
            (since.map(|since| (0..).find(|place| moment(*place) == since).unwrap()), others)
        };
        let (yes, no) = (true, false);
        assert_eq!(filled(0.2, 10, &[no, no]), (None, Some(0)));
        assert_eq!(filled(0.2, 10, &[yes, no]), (Some(0), Some(0)));
        assert_eq!(filled(0.2, 10, &[no, yes, no, yes]), (Some(1), Some(6)));
        assert_eq!(filled(0.25, 4, &[no, yes]), (Some(1), Some(2)));
        assert_eq!(filled(0.05, 10, &[no]), (None, None), "none is ever allowed");
        assert_eq!(filled(1.0, 1, &[yes]), (None, Some(0)));
    }

    #[test]
    fn quiet_hours_over_midnight_end_in_the_morning() {
        let policy = quiet_hours(&[("22:00", "07:00")]);
        let until = |now| quiet(&policy, &berlin(), at(now)).map(|closed| closed.until().unwrap().to_string());
        assert_eq!(until("2026-06-01T19:59:59Z"), None);
        assert_eq!(until("2026-06-01T20:00:00Z"), Some("2026-06-02T05:00:00Z".into()));
        assert_eq!(until("2026-06-02T04:59:59.999Z"), Some("2026-06-02T05:00:00Z".into()));
        assert_eq!(until("2026-06-02T05:00:00Z"), None);
    }

    #[test]
    fn quiet_ranges_that_touch_are_one_and_all_day_never_ends() {
        let policy = quiet_hours(&[("12:00", "13:00"), ("13:00", "14:00")]);
        assert_eq!(
            quiet(&policy, &TimeZone::UTC, at("2026-06-01T12:30:00Z")),
            Some(Closed::Quiet { until: Some(at("2026-06-01T14:00:00Z")) })
        );
        let always = quiet_hours(&[("00:00", "12:00"), ("12:00", "00:00")]);
        assert_eq!(quiet(&always, &TimeZone::UTC, at("2026-06-01T12:30:00Z")), Some(Closed::Quiet { until: None }));
    }

    #[test]
    fn quiet_hours_that_end_in_a_gap_or_a_fold() {
        let policy = quiet_hours(&[("22:00", "02:30")]);
        let until = |now| quiet(&policy, &berlin(), at(now)).and_then(Closed::until);
        // 02:30 does not exist: at 03:00 the clock has reached it.
        assert_eq!(until("2026-03-29T00:30:00Z"), Some(at("2026-03-29T01:00:00Z")));
        // 02:30 comes twice; between, the clock reads quiet hours once more.
        assert_eq!(until("2026-10-25T00:10:00Z"), Some(at("2026-10-25T00:30:00Z")));
        assert_eq!(until("2026-10-25T00:40:00Z"), None);
        assert_eq!(until("2026-10-25T01:10:00Z"), Some(at("2026-10-25T01:30:00Z")));
    }

    #[test]
    fn the_gap_runs_from_the_later_of_sending_and_settling() {
        let closed = |sent: &[Counted], now: &str| gap(&policy(), &Past::with(None, &past(sent)), at(now));
        let until = Some(Closed::Gap { until: at("2026-06-01T11:10:00Z") });
        assert_eq!(
            closed(&[sent("2026-06-01T09:00:00Z", Some("2026-06-01T09:10:00Z"))], "2026-06-01T11:09:00Z"),
            until
        );
        assert_eq!(closed(&[sent("2026-06-01T09:00:00Z", Some("2026-06-01T09:10:00Z"))], "2026-06-01T11:10:00Z"), None);
        assert_eq!(closed(&[sent("2026-06-01T09:00:00Z", None)], "2026-06-09T00:00:00Z"), Some(Closed::Open));
        assert_eq!(closed(&[], "2026-06-09T00:00:00Z"), None);
    }

    #[test]
    fn a_day_is_local_and_a_send_over_midnight_counts_for_both() {
        let left = |sent: &[Counted], now: &str| day(&policy(), &berlin(), &Past::with(None, &past(sent)), at(now));
        let late = [sent("2026-06-01T21:59:00Z", Some("2026-06-01T22:01:00Z"))];
        assert_eq!(left(&late, "2026-06-01T21:59:30Z"), Day { left: 1, end: at("2026-06-01T22:00:00Z") });
        assert_eq!(left(&late, "2026-06-02T10:00:00Z").left, 1);
        assert_eq!(left(&late, "2026-06-02T22:00:00Z").left, 2);
        let two = [sent("2026-06-01T08:00:00Z", Some("2026-06-01T08:00:01Z")), late[0]];
        let day = left(&two, "2026-06-01T21:59:30Z");
        assert_eq!((day.left, day.closed()), (0, Some(Closed::Day { until: at("2026-06-01T22:00:00Z") })));
    }

    #[test]
    fn the_promotion_share_is_that_of_any_window() {
        let promotion = |share: f64, window: u32, beat: &str| {
            let sent = beat.chars().enumerate().map(|(hour, kind)| Counted {
                from: Timestamp::from_second(i64::try_from(hour).unwrap() * 3600).unwrap(),
                to: None,
                promotion: kind == 'P',
            });
            let past = past(&sent.collect::<Vec<_>>());
            promotion_open(&Promotion { share, window }, &Past::with(None, &past))
        };
        assert!(promotion(0.2, 10, "P........"));
        assert!(!promotion(0.2, 10, "PP......."), "the third of ten");
        assert!(promotion(0.2, 10, "PP........."), "both are out of the window");
        assert!(!promotion(0.2, 10, ".PP......."));
        assert!(promotion(0.3, 10, "PP."), "0.3 of 10 are 3");
        assert!(!promotion(0.0, 10, "...."));
        assert!(promotion(1.0, 10, "PPPPPPPPPPPP"));
        assert!(!promotion(0.2, 4, ""), "no share of four is a whole post");
    }
}
