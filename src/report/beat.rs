//! The beat of one account: slots that were planned and slots that were kept, week by week.
//!
//! A slot of the schedule is planned once it has passed; a post with a time of its own is planned for that time. It is
//! kept when its post was delivered for it, however late. Replies keep no beat.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::ToSpan as _;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

use crate::domain::{Cause, PostId, Timestamp, time};
use crate::ledger::record::{Decision, Fact, Intent, Outcome};

use super::{Window, week};

/// What is later than this was late: until then a slot stays open.
const LATE: Duration = Duration::from_secs(15 * 60);

/// How one account kept its beat.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct AccountBeat {
    /// Slots that have passed, and posts with a time of their own whose time has.
    pub planned: u64,
    /// Those of them whose post was delivered.
    pub kept: u64,
    /// Of those kept: more than a quarter of an hour after their moment.
    pub late: u64,
    /// How many were kept one after another, up to now.
    pub streak: u64,
    /// The longest such row within the time that is looked at.
    pub longest_streak: u64,
    /// Every week in which something was planned, oldest first.
    pub weeks: Vec<Week>,
    /// Slots that were not kept, oldest first; those that follow each other with one cause are one gap.
    pub gaps: Vec<Gap>,
}

/// One week, from Monday on, in the account's zone.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Week {
    /// By ISO 8601, such as `2026-W48`.
    pub week: String,
    /// Its Monday.
    pub starts: Date,
    pub planned: u64,
    pub kept: u64,
    pub late: u64,
    /// How many slots were not kept, by cause.
    pub empty: BTreeMap<Cause, u64>,
}

/// Slots in a row that were not kept.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Gap {
    pub from: Timestamp,
    pub to: Timestamp,
    pub slots: u64,
    pub cause: Cause,
    /// Of the last of them, in the words of the record.
    pub reason: String,
}

/// A slot, and the post where it is that post's own time.
type Moment = (Timestamp, Option<PostId>);

/// What has become of a moment.
#[derive(Debug)]
enum Slot {
    Kept {
        at: Timestamp,
    },
    /// `first` is earlier than the slot itself where several were recorded as one.
    Empty {
        count: u64,
        first: Timestamp,
        cause: Cause,
        reason: String,
    },
}

/// Folds records.
#[derive(Debug, Default)]
pub struct Beat {
    slots: BTreeMap<Moment, Slot>,
    /// What an attempt is to keep, until it is delivered. A retry counts for the slot of the first try.
    open: BTreeMap<PostId, Moment>,
    /// Posts that were given up at a moment; of a slot, the slot's own record tells it better.
    missed: Vec<Moment>,
    /// When it became unsure whether a post is there.
    unsure: BTreeMap<PostId, Timestamp>,
}

impl Beat {
    /// Takes a record of this account.
    pub fn record(&mut self, at: Timestamp, fact: &Fact) {
        match fact {
            Fact::Intent(intent) => self.intended(intent),
            Fact::Outcome { delivery, outcome, .. } => match outcome {
                Outcome::Delivered { .. } => self.delivered(&delivery.post, at),
                Outcome::Refused { why } => self.not_kept(&delivery.post, format!("refused: {why}")),
                Outcome::Uncertain { why } => {
                    self.unsure.insert(delivery.post.clone(), at);
                    self.not_kept(&delivery.post, format!("uncertain: {why}"));
                }
                Outcome::Abandoned { why } => self.abandoned(&delivery.post, why),
                Outcome::Retry { .. }
                | Outcome::RateLimited { .. }
                | Outcome::Auth { .. }
                | Outcome::Ambiguous { .. } => {}
            },
            Fact::Resolved { delivery, decision: Decision::Delivered { .. }, .. } => {
                // It was there when it became unsure, and not only when a person had looked.
                let at = self.unsure.remove(&delivery.post).unwrap_or(at);
                if let Some(place) = self.missed.iter().position(|(_, post)| post.as_ref() == Some(&delivery.post)) {
                    self.open.insert(delivery.post.clone(), self.missed.remove(place));
                }
                self.delivered(&delivery.post, at);
            }
            // What lies ahead of a clock that was wrong has not come yet.
            Fact::AccountSetBack { .. } => {
                self.slots.retain(|(moment, _), _| *moment <= at);
                self.missed.retain(|(moment, _)| *moment <= at);
            }
            Fact::Missed { delivery, slot } => self.missed.push((*slot, Some(delivery.post.clone()))),
            Fact::SlotEmpty { slot, reason, run, .. } => {
                let (count, first) =
                    run.map(|run| (run.count, run.first)).or_else(|| many(reason)).unwrap_or((1, *slot));
                let cause = Cause::of(reason);
                let empty = Slot::Empty { count, first, cause, reason: reason.clone() };
                self.slots.entry((*slot, None)).or_insert(empty);
            }
            _ => {}
        }
    }

    fn intended(&mut self, intent: &Intent) {
        let Some(slot) = intent.slot.filter(|_| intent.counts) else { return };
        let post = &intent.delivery.post;
        let own = intent.fixed.then(|| post.clone());
        self.open.entry(post.clone()).or_insert((slot, own));
    }

    fn delivered(&mut self, post: &PostId, at: Timestamp) {
        if let Some(moment) = self.open.remove(post) {
            self.slots.insert(moment, Slot::Kept { at });
        }
    }

    /// A slot's own record tells it better. What has its own time, and passed it while it was tried, says so itself.
    fn abandoned(&mut self, post: &PostId, why: &str) {
        let Some(moment) = self.open.remove(post) else { return };
        let cause = Cause::of(why);
        if moment.1.is_some() && cause == Cause::Platform {
            let empty = Slot::Empty { count: 1, first: moment.0, cause, reason: why.to_owned() };
            self.slots.entry(moment).or_insert(empty);
        }
    }

    /// A person may still decide that it is there, or that it is to be sent.
    fn not_kept(&mut self, post: &PostId, reason: String) {
        if let Some(moment) = self.open.get(post) {
            let empty = Slot::Empty { count: 1, first: moment.0, cause: Cause::Platform, reason };
            self.slots.insert(moment.clone(), empty);
        }
    }

    /// Counts what lies within the window.
    pub fn finish(mut self, window: &Window, zone: &TimeZone) -> AccountBeat {
        for (slot, post) in std::mem::take(&mut self.missed) {
            // Given up for a slot: that is on record with the slot, and names the post.
            let named = |slot: &Slot| {
                let given_up = post.as_ref().map(|post| format!("missed: {post} is given up"));
                matches!(slot, Slot::Empty { reason, .. } if given_up.as_ref() == Some(reason))
            };
            if !self.slots.get(&(slot, None)).is_some_and(named) {
                let reason = "missed".to_owned();
                let empty = Slot::Empty { count: 1, first: slot, cause: Cause::Other, reason };
                self.slots.entry((slot, post)).or_insert(empty);
            }
        }
        let mut beat = AccountBeat::default();
        let mut weeks: BTreeMap<Date, Week> = BTreeMap::new();
        for ((moment, _), slot) in self.slots.into_iter().filter(|((moment, _), _)| window.holds(*moment)) {
            let starts = monday(moment, zone);
            let week = weeks.entry(starts).or_insert_with(|| Week::new(starts));
            match slot {
                Slot::Kept { at } => {
                    let late = u64::from(time::since(at, moment) > LATE);
                    (week.planned, week.kept, week.late) = (week.planned + 1, week.kept + 1, week.late + late);
                    (beat.planned, beat.kept, beat.late) = (beat.planned + 1, beat.kept + 1, beat.late + late);
                    beat.streak += 1;
                    beat.longest_streak = beat.longest_streak.max(beat.streak);
                }
                Slot::Empty { count, first, cause, reason } => {
                    (week.planned, beat.planned) = (week.planned + count, beat.planned + count);
                    *week.empty.entry(cause).or_default() += count;
                    let in_a_row = beat.streak == 0;
                    beat.streak = 0;
                    match beat.gaps.last_mut().filter(|gap| in_a_row && gap.cause == cause) {
                        Some(gap) => (gap.to, gap.slots, gap.reason) = (moment, gap.slots + count, reason),
                        None => beat.gaps.push(Gap { from: first, to: moment, slots: count, cause, reason }),
                    }
                }
            }
        }
        beat.weeks = weeks.into_values().collect();
        beat
    }
}

/// How many slots a record stands for that tells it in words only, and since when: so it is written where more were missed
/// than are told one by one.
fn many(reason: &str) -> Option<(u64, Timestamp)> {
    let (count, since) = reason.rsplit_once(" (")?.1.strip_suffix(')')?.split_once(" slots since ")?;
    let count = count.split_once(' ').map_or(count, |(count, _)| count);
    Some((count.parse().ok()?, since.parse().ok()?))
}

impl Week {
    fn new(starts: Date) -> Self {
        Self { week: week::name(starts), starts, planned: 0, kept: 0, late: 0, empty: BTreeMap::new() }
    }
}

/// The Monday of the week that a moment lies in.
fn monday(moment: Timestamp, zone: &TimeZone) -> Date {
    let date = zone.to_datetime(moment).date();
    let since = i64::from(date.weekday().to_monday_zero_offset());
    date.checked_sub(since.days()).unwrap_or(date)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AccountId, DeliveryId, Digest, JsonText, Remote};
    use crate::ledger::record::Run;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn delivery(post: &str) -> DeliveryId {
        format!("{post}@a").parse().unwrap()
    }

    fn intent(post: &str, slot: Option<&str>, fixed: bool) -> Fact {
        Fact::Intent(Box::new(Intent {
            delivery: delivery(post),
            platform: "plain".into(),
            host: None,
            attempt: 1,
            tries: 0,
            digest: Digest([0; 32]),
            key: String::new(),
            slot: slot.map(at),
            fixed,
            fingerprint: 0,
            promotion: false,
            counts: slot.is_some(),
            body: String::new(),
            link: None,
            by: None,
            frozen: serde_json::Value::Null,
            started: at("2026-06-01T00:00:00Z"),
        }))
    }

    fn outcome(post: &str, outcome: Outcome) -> Fact {
        Fact::Outcome { delivery: delivery(post), attempt: 1, outcome }
    }

    fn delivered(post: &str) -> Fact {
        let remote = Remote { id: "1".into(), url: None, reference: JsonText::default() };
        outcome(post, Outcome::Delivered { remote, reconciled: false })
    }

    fn empty(slot: &str, reason: &str, run: Option<(u64, &str)>) -> Fact {
        let run = run.map(|(count, first)| Run { count, first: at(first) });
        Fact::SlotEmpty { account: AccountId::new("a").unwrap(), slot: at(slot), reason: reason.into(), run }
    }

    /// What the facts come to from 1 June 2026, a Monday, to the end of the month.
    fn beat(zone: &str, facts: &[(&str, Fact)]) -> AccountBeat {
        let mut beat = Beat::default();
        facts.iter().for_each(|(moment, fact)| beat.record(at(moment), fact));
        let window = Window { since: at("2026-06-01T00:00:00Z"), until: at("2026-07-01T00:00:00Z") };
        beat.finish(&window, &TimeZone::get(zone).unwrap())
    }

    fn figures(beat: &AccountBeat) -> (u64, u64, u64, u64, u64) {
        (beat.planned, beat.kept, beat.late, beat.streak, beat.longest_streak)
    }

    const NINE: &str = "2026-06-01T09:00:00Z";

    #[test]
    fn a_slot_is_kept_when_its_post_is_delivered_however_late() {
        let kept = |delivered_at: &str| {
            let told = [(NINE, intent("p", Some(NINE), false)), (delivered_at, delivered("p"))];
            figures(&beat("UTC", &told))
        };
        assert_eq!(kept("2026-06-01T09:00:02Z"), (1, 1, 0, 1, 1));
        assert_eq!(kept("2026-06-03T09:00:00Z"), (1, 1, 1, 1, 1));
    }

    #[test]
    fn a_retry_counts_for_the_slot_of_the_first_try() {
        let retry = Outcome::Retry { until: at(NINE), why: "later".into(), counted: true };
        let told = [
            (NINE, intent("p", Some(NINE), false)),
            (NINE, outcome("p", retry)),
            // Whoever tries again uses up no other slot.
            (NINE, intent("p", Some(NINE), true)),
            (NINE, delivered("p")),
            // The same slot is not told empty as well.
            (NINE, empty(NINE, "another post was sent", None)),
        ];
        assert_eq!(figures(&beat("UTC", &told)), (1, 1, 0, 1, 1));
    }

    #[test]
    fn what_is_refused_or_uncertain_keeps_no_slot_until_a_person_says_that_it_is_there() {
        let refused = Outcome::Refused { why: "no".into() };
        let mut told = vec![(NINE, intent("p", Some(NINE), false)), (NINE, outcome("p", refused))];
        let found = beat("UTC", &told);
        assert_eq!((figures(&found), found.gaps[0].cause), ((1, 0, 0, 0, 0), Cause::Platform));
        let decision = Decision::Delivered { url: "https://example.org/1".into() };
        told.push((NINE, Fact::Resolved { delivery: delivery("p"), decision, by: "me".into() }));
        assert_eq!(figures(&beat("UTC", &told)), (1, 1, 0, 1, 1));
    }

    #[test]
    fn what_was_begun_and_given_up_is_told_by_its_slot() {
        let abandoned = Outcome::Abandoned { why: "the post was withdrawn or changed".into() };
        let told = [
            (NINE, intent("p", Some(NINE), false)),
            (NINE, outcome("p", abandoned)),
            (NINE, empty(NINE, "p: the post was withdrawn or changed", None)),
        ];
        let found = beat("UTC", &told);
        assert_eq!((figures(&found), found.gaps[0].cause), ((1, 0, 0, 0, 0), Cause::Content));
    }

    #[test]
    fn a_post_with_its_own_time_keeps_that_and_misses_it() {
        let (ten, eleven) = ("2026-06-01T10:00:00Z", "2026-06-01T11:00:00Z");
        let missed = |post: &str, slot: &str| Fact::Missed { delivery: delivery(post), slot: at(slot) };
        let told = [
            (ten, intent("p", Some(ten), true)),
            (ten, delivered("p")),
            (eleven, missed("q", eleven)),
            // Given up for a slot: the slot is told, and counts once.
            (eleven, empty(NINE, "missed: r is given up", None)),
            (eleven, missed("r", NINE)),
        ];
        let found = beat("UTC", &told);
        assert_eq!(figures(&found), (3, 1, 0, 0, 1));
        assert_eq!(found.gaps.iter().map(|gap| gap.cause).collect::<Vec<_>>(), [Cause::Outage, Cause::Other]);
    }

    #[test]
    fn slots_that_are_told_together_in_words_are_counted() {
        let told = |reason: &str| figures(&beat("UTC", &[(NINE, empty(NINE, reason, None))])).0;
        assert_eq!(told("missed: its post takes the next slot (92 slots since 2026-05-30T10:00:00Z)"), 92);
        assert_eq!(told("missed: nothing is left to give up (10000 or more slots since 2026-05-30T10:00:00Z)"), 10_000);
        assert_eq!(told("missed: the words (of somebody) slots since"), 1);
    }

    #[test]
    fn what_a_person_finds_later_was_there_before() {
        let uncertain = Outcome::Uncertain { why: "timed out".into() };
        let decision = Decision::Delivered { url: "https://example.org/1".into() };
        let resolved =
            |post: &str| Fact::Resolved { delivery: delivery(post), decision: decision.clone(), by: "me".into() };
        let next_day = "2026-06-02T09:00:00Z";
        let told = [
            (NINE, intent("p", Some(NINE), false)),
            ("2026-06-01T09:06:00Z", outcome("p", uncertain)),
            (next_day, resolved("p")),
        ];
        assert_eq!(figures(&beat("UTC", &told)), (1, 1, 0, 1, 1));
        // Published by hand after its time was missed.
        let missed = Fact::Missed { delivery: delivery("q"), slot: at(NINE) };
        assert_eq!(figures(&beat("UTC", &[(NINE, missed), (next_day, resolved("q"))])), (1, 1, 1, 1, 1));
    }

    #[test]
    fn two_things_at_one_moment_are_two() {
        let missed = Fact::Missed { delivery: delivery("q"), slot: at(NINE) };
        let told = [(NINE, intent("p", Some(NINE), false)), (NINE, delivered("p")), (NINE, missed)];
        assert_eq!(figures(&beat("UTC", &told)), (2, 1, 0, 0, 1));
    }

    #[test]
    fn what_lies_ahead_of_a_clock_that_was_wrong_is_not_told() {
        let told = [
            ("2026-06-10T09:00:00Z", empty("2026-06-10T09:00:00Z", "missed: its post takes the next slot", None)),
            ("2026-06-01T10:00:00Z", Fact::AccountSetBack { account: AccountId::new("a").unwrap() }),
            ("2026-06-10T09:05:00Z", empty("2026-06-10T09:00:00Z", "nothing is left to send", None)),
        ];
        assert_eq!(beat("UTC", &told).gaps.iter().map(|gap| gap.cause).collect::<Vec<_>>(), [Cause::Content]);
    }

    #[test]
    fn answers_keep_no_beat() {
        let told = [(NINE, intent("re", None, false)), (NINE, delivered("re"))];
        assert_eq!(figures(&beat("UTC", &told)), (0, 0, 0, 0, 0));
    }

    #[test]
    fn gaps_are_runs_of_one_cause_and_end_a_streak() {
        let (nothing, paused) = ("nothing is left to send", "the account is paused");
        let day = |day: u32| format!("2026-06-{day:02}T09:00:00Z");
        let mut told = Vec::new();
        for kept in [1, 2, 7] {
            told.push((NINE, intent(&format!("p{kept}"), Some(&day(kept)), false)));
            told.push((NINE, delivered(&format!("p{kept}"))));
        }
        told.push((NINE, empty(&day(4), nothing, Some((2, &day(3))))));
        told.push((NINE, empty(&day(5), nothing, None)));
        told.push((NINE, empty(&day(6), paused, None)));
        let found = beat("UTC", &told);
        assert_eq!(figures(&found), (7, 3, 0, 1, 2));
        let gaps: Vec<_> = found.gaps.iter().map(|gap| (gap.from, gap.to, gap.slots, gap.cause)).collect();
        let content = (at(&day(3)), at(&day(5)), 3, Cause::Content);
        assert_eq!(gaps, [content, (at(&day(6)), at(&day(6)), 1, Cause::Account)]);
    }

    #[test]
    fn weeks_are_those_of_the_account_s_zone_and_the_window_cuts() {
        // Sunday, half past eleven at night in Berlin, is the week before Monday's.
        let (sunday, monday) = ("2026-06-07T21:30:00Z", "2026-06-07T22:30:00Z");
        let before = "2026-05-31T23:59:59Z";
        let told: Vec<_> = [before, sunday, monday].map(|slot| (slot, empty(slot, "quiet", None))).into();
        let weeks =
            |zone| beat(zone, &told).weeks.iter().map(|week| (week.week.clone(), week.planned)).collect::<Vec<_>>();
        assert_eq!(weeks("Europe/Berlin"), [("2026-W23".to_owned(), 1), ("2026-W24".to_owned(), 1)]);
        assert_eq!(weeks("UTC"), [("2026-W23".to_owned(), 2)]);
        assert_eq!(beat("UTC", &told).weeks[0].empty, [(Cause::Policy, 2)].into());
    }
}
