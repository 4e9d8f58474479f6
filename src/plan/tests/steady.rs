//! The beat is steady whatever happens: random schedules, zones, edits, downtimes and outcomes, judged by rules that
//! are written down here once more, over plain lists.

use std::collections::BTreeSet;

use jiff::Zoned;
use proptest::prelude::*;

use super::*;
use crate::domain::policy::Quiet;
use crate::domain::time::after;
use crate::plan::lane::SLOT_GRACE;

/// One thing that happens between two steps.
#[derive(Debug, Clone)]
enum Action {
    /// Time passes to the next wake-up.
    Wake,
    /// Time passes, with the lane asked at each wake-up or not at all.
    Pass {
        minutes: i64,
    },
    Away {
        minutes: i64,
        restart: bool,
    },
    /// The clock was ahead.
    Back {
        minutes: i64,
    },
    Put {
        which: usize,
        draft: Draft,
    },
    Remove {
        which: usize,
    },
    /// None; one of all accounts; this one held, for the one reason or the other; both.
    Brake {
        which: u8,
    },
    Unanswered {
        on: bool,
    },
    /// What becomes of the next attempt.
    Fate(Fate),
    Decide {
        which: usize,
        decision: u8,
    },
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Delivered { seconds: i64 },
    Refused,
    Uncertain { seconds: i64 },
    Abandoned,
    RetriedOnce { minutes: i64 },
}

#[derive(Debug, Clone)]
struct Draft {
    kind: Kind,
    goal: Goal,
    priority: i32,
    series: Option<u8>,
    /// Minutes from now.
    at: Option<i64>,
    not_before: Option<i64>,
    expires: Option<i64>,
    lapse: Option<i64>,
    approval: Approval,
    content: u8,
}

/// A send that the judge has seen.
#[derive(Debug, Clone)]
struct Row {
    post: PostId,
    from: Timestamp,
    to: Option<Timestamp>,
    promotion: bool,
    counts: bool,
}

struct Judge {
    world: World,
    now: Timestamp,
    rows: Vec<Row>,
    slots: BTreeSet<Timestamp>,
    used: BTreeSet<Timestamp>,
    /// All slots up to it are over.
    over: Option<Timestamp>,
    begin: Timestamp,
    fate: Fate,
    wake: Option<Timestamp>,
    steps: usize,
}

const DAYS: i64 = 12;

impl Judge {
    fn new(schedule: Schedule, policy: Policy, start: Timestamp) -> Self {
        let end = after(start, Duration::from_hours(24 * (DAYS as u64 + 3)));
        // The clock may go back.
        let just_before = start.checked_sub(jiff::SignedDuration::from_hours(24 * 14)).unwrap();
        let slots = super::super::slots::after(&schedule, just_before).take_while(|slot| *slot <= end).collect();
        Self {
            world: World::new(schedule, policy),
            now: start,
            rows: Vec::new(),
            slots,
            used: BTreeSet::new(),
            over: None,
            begin: start,
            fate: Fate::Delivered { seconds: 1 },
            wake: Some(start),
            steps: 0,
        }
    }

    fn local(&self, moment: Timestamp) -> Zoned {
        moment.to_zoned(self.world.lane.schedule.zone.clone())
    }

    fn act(&mut self, action: &Action) {
        let account = World::account_id();
        match action {
            Action::Wake => {
                if let Some(wake) = self.wake {
                    self.now = self.now.max(wake.min(after(self.now, Duration::from_hours(24))));
                }
            }
            Action::Pass { minutes } => {
                let until = after(self.now, Duration::from_mins(u64::try_from(*minutes).unwrap()));
                while let Some(wake) = self.wake.filter(|wake| *wake <= until) {
                    self.now = self.now.max(wake);
                    self.rest();
                }
                self.now = self.now.max(until);
            }
            Action::Away { minutes, restart } => {
                self.now = after(self.now, Duration::from_mins(u64::try_from(*minutes).unwrap()));
                if *restart {
                    self.world.restart();
                    if self.world.account().and_then(|account| account.head.cursor).is_none() {
                        // Nothing in the ledger says that there was a schedule before.
                        self.begin = self.now;
                    }
                }
            }
            Action::Back { minutes } => {
                self.now = self.now.checked_sub(jiff::SignedDuration::from_mins(*minutes)).unwrap();
            }
            Action::Put { which, draft } => {
                let moment = |minutes: i64| self.now.checked_add(jiff::SignedDuration::from_mins(minutes)).unwrap();
                let name = format!("p{which:02}");
                let rare = Rare {
                    media: Vec::new(),
                    unapproved: None,
                    lapse: draft.lapse.map(moment).map(|at| Lapse {
                        at,
                        approval: Approval::Stale,
                        why: "its key".into(),
                    }),
                    series: draft.series.map(|series| format!("s{series}").into()),
                    at: draft.at.filter(|_| draft.kind == Kind::Post).map(moment),
                    not_before: draft.not_before.map(moment),
                    expires: draft.expires.map(moment),
                    trouble: None,
                };
                let made = Post {
                    kind: draft.kind,
                    goal: draft.goal,
                    priority: draft.priority,
                    approval: draft.approval,
                    rare: rare.into(),
                    digest: Digest::of(format!("{name} {} {:?}", draft.content, draft.at.map(moment)).as_bytes()),
                    ..post(&name)
                };
                self.world.put(made);
            }
            Action::Remove { which } => {
                let id = id(&format!("p{which:02}"));
                self.world.lane.remove(&id);
                let waiting = self.world.state(id.as_str()).is_some_and(State::is_waiting);
                if self.world.posts.remove(&id).is_some() && waiting {
                    self.world.record(self.now, Fact::Withdrawn { delivery: DeliveryId::new(id, account), by: None });
                }
            }
            Action::Brake { which } => {
                let unanswered = self.world.brakes.unanswered;
                let (held, alone) = match which {
                    2 | 4 => (Some(Held::AccountPaused), *which == 2),
                    3 => (Some(Held::AccountAuth), true),
                    _ => (None, false),
                };
                let no_send = (*which > 0).then_some("a brake is on");
                let whole = held.map(|held| Whole { held, alone });
                self.world.brakes = Brakes { no_send, unanswered, whole, waits_until: None };
            }
            Action::Unanswered { on } => self.world.brakes.unanswered = *on,
            Action::Fate(fate) => self.fate = *fate,
            Action::Decide { which, decision } => {
                let id = id(&format!("p{which:02}"));
                let undecided = matches!(
                    self.world.state(id.as_str()),
                    Some(State::Uncertain { .. } | State::Refused { .. } | State::Missed)
                );
                if undecided {
                    let decision = match decision {
                        0 => Decision::Drop,
                        _ => Decision::Delivered { url: "https://example.org".into() },
                    };
                    self.settle_row(&id, self.now);
                    self.world.resolve(self.now, &id, decision);
                }
            }
        }
        self.rest();
    }

    /// Steps until there is nothing to do at this moment.
    fn rest(&mut self) {
        for round in 0.. {
            assert!(round < 400, "it comes to rest at {}", self.now);
            self.steps += 1;
            let step = self.world.step(self.now);
            self.hear(&step.verdicts);
            let now = self.now;
            self.world.record_verdicts(now, &step.verdicts);
            if let Some(choice) = &step.send {
                self.judge(choice);
                self.send(choice);
            } else if step.verdicts.is_empty() {
                let again = self.world.step(self.now);
                assert_eq!(again, step, "the same question has the same answer");
                assert!(step.wake.is_none_or(|wake| wake > self.now), "no wake-up in the past");
                self.wake = step.wake;
                break;
            }
        }
        self.check_states();
        self.check_against_a_new_lane();
    }

    fn hear(&mut self, verdicts: &[Verdict]) {
        for verdict in verdicts {
            match verdict {
                Verdict::SlotEmpty { slot, .. } => {
                    assert!(self.slots.contains(slot), "{slot} is a slot");
                    assert!(self.over < Some(*slot) && *slot <= self.now, "{slot} is over once, in order");
                    self.over = Some(*slot);
                }
                Verdict::Missed { post, slot } => {
                    let post = &self.world.posts[post];
                    if let Some(at) = super::super::index::fixed_time(post) {
                        assert!(*slot == at && after(at, self.world.lane.late_grace()) <= self.now);
                    } else {
                        assert_eq!(self.world.lane.policy.missed, Missed::Skip);
                        assert_eq!(self.over, Some(*slot), "only for a slot that is over");
                        assert!(after(*slot, SLOT_GRACE) <= self.now);
                        assert!(post.approval == Approval::Approved);
                    }
                }
                Verdict::Expired { post } => assert!(self.world.posts[post].rare.expires.unwrap() <= self.now),
                Verdict::Scheduled { post, .. } => {
                    let state = self.world.state(post.as_str());
                    let with_it = matches!(state, Some(State::Held { reason, .. }) if reason.is_of_the_account());
                    let over = self.world.brakes.whole.is_none();
                    assert!(over || !with_it, "{post} is held with its account until that is over");
                }
                _ => {}
            }
        }
    }

    /// What keeps a post that counts from being sent now, by the words of the contract.
    fn closed(&self) -> Option<&'static str> {
        let (now, policy) = (self.now, &self.world.lane.policy);
        let shown = self.local(now);
        let to = |row: &Row| row.to.expect("the attempt before is settled");
        let counted: Vec<&Row> = self.rows.iter().filter(|row| row.counts).collect();
        let last = counted.iter().max_by_key(|row| row.from);
        let today = shown.date();
        let touches = |row: &&&Row| {
            let recent = after(row.from, Duration::from_hours(48)) >= now;
            recent && self.local(row.from).date() <= today && today <= self.local(to(row)).date()
        };
        let reasons = [
            (policy.quiet.iter().any(|quiet| quiet.covers(shown.time())), "quiet hours"),
            (last.is_some_and(|last| after(last.from.max(to(last)), policy.min_gap) > now), "the gap"),
            (counted.iter().filter(touches).count() >= policy.max_per_day as usize, "the day is full"),
        ];
        reasons.into_iter().find(|(stands, _)| *stands).map(|(_, reason)| reason)
    }

    /// Whether this may be sent now, by the words of the contract.
    fn judge(&mut self, choice: &Choice) {
        let (now, post, policy) = (self.now, &choice.post, self.world.lane.policy.clone());
        assert_eq!(self.world.brakes.no_send, None, "no brake is on");
        assert_eq!(post.approval, Approval::Approved);
        assert_eq!(&self.world.posts[&post.id], post, "what is in the queue now");
        assert!(post.rare.expires.is_none_or(|moment| now < moment));
        assert!(post.rare.lapse.as_ref().is_none_or(|lapse| now < lapse.at), "its approval holds");
        assert!(post.rare.not_before.is_none_or(|moment| moment <= now));
        let state = self.world.state(post.id.as_str());
        assert!(state.is_none_or(State::is_waiting), "{state:?}: nothing is sent twice");
        let shown = self.local(now);
        assert!(!policy.quiet.iter().any(|quiet| quiet.covers(shown.time())), "not in quiet hours");
        let earlier = |other: &&Arc<Post>| {
            other.rare.series.is_some()
                && other.rare.series == post.rare.series
                && (&other.order, &other.id) < (&post.order, &post.id)
        };
        for other in self.world.posts.values().filter(earlier) {
            let state = self.world.state(other.id.as_str());
            let over = self.world.account().and_then(|account| account.entry(&other.id)).is_some_and(|entry| {
                entry.dropped || matches!(entry.state, State::Delivered { .. } | State::Missed | State::Expired)
            });
            assert!(over, "{} stands before {} in its series: {state:?}", other.id, post.id);
        }
        if post.kind == Kind::Reply {
            assert_eq!(choice.slot, None);
            return;
        }
        assert!(!(self.world.brakes.unanswered && post.goal != Goal::Connection));
        assert_eq!(self.closed(), None);

        let mut counted: Vec<&Row> = self.rows.iter().filter(|row| row.counts).collect();
        counted.sort_by_key(|row| row.from);
        if post.goal == Goal::Promotion {
            let window = policy.promotion.window as usize;
            let before = counted.iter().rev().take(window - 1).filter(|row| row.promotion).count();
            // In thousandths, so that nobody's rounding is in it.
            let thousandths = (policy.promotion.share * 1000.0).round() as usize;
            assert!((before + 1) * 1000 <= thousandths * window, "the share is kept");
        }

        let slot = choice.slot.expect("a slot or a time of its own");
        assert!(slot <= now);
        if choice.fixed {
            assert_eq!(post.rare.at, Some(slot));
            assert!(now < after(slot, policy.late_grace.max(Duration::from_secs(10))));
            return;
        }
        assert_eq!(post.rare.at, None);
        assert!(self.slots.contains(&slot), "{slot} is a slot");
        assert!(self.over < Some(slot), "{slot} is not over");
        assert!(self.used.insert(slot), "a slot holds one post");
        assert!(post.rare.not_before.is_none_or(|moment| moment <= slot));
        if after(slot, SLOT_GRACE) <= now {
            assert_eq!(policy.missed, Missed::Now, "only what is made up for is that late");
            let later = self.slots.range((std::ops::Bound::Excluded(slot), std::ops::Bound::Included(now)));
            assert_eq!(later.count(), 0, "it makes up for the latest slot");
        }
        self.over = Some(slot);
    }

    fn settle_row(&mut self, post: &PostId, now: Timestamp) {
        if let Some(row) = self.rows.iter_mut().rev().find(|row| row.post == *post) {
            row.to = Some(now);
        }
    }

    fn send(&mut self, choice: &Choice) {
        let id = choice.post.id.clone();
        let mut start = self.now;
        let fate = std::mem::replace(&mut self.fate, Fate::Delivered { seconds: 1 });
        self.world.begin(start, choice);
        let brakes = self.world.brakes;
        self.world.brakes.no_send = Some("an attempt is open");
        if let Fate::RetriedOnce { minutes } = fate {
            let until = after(start, Duration::from_mins(minutes as u64));
            self.world.conclude(start, &id, Outcome::Retry { until, why: "busy".into(), counted: true });
            self.keep_quiet(until);
            start = until;
            self.world.begin(start, choice);
        }
        let seconds = match fate {
            Fate::Delivered { seconds } | Fate::Uncertain { seconds } => seconds,
            _ => 1,
        };
        self.keep_quiet(after(start, Duration::from_secs(seconds as u64)));
        let why = "because".to_string();
        let counts = match fate {
            Fate::Delivered { .. } | Fate::RetriedOnce { .. } => {
                self.world.deliver(self.now, &id);
                true
            }
            Fate::Uncertain { .. } => {
                self.world.conclude(self.now, &id, Outcome::Uncertain { why });
                true
            }
            Fate::Refused => {
                self.world.conclude(self.now, &id, Outcome::Refused { why });
                false
            }
            Fate::Abandoned => {
                self.world.conclude(self.now, &id, Outcome::Abandoned { why });
                false
            }
        };
        if counts {
            self.rows.push(Row {
                post: id,
                from: start,
                to: Some(self.now),
                promotion: choice.post.goal == Goal::Promotion && choice.post.kind == Kind::Post,
                counts: choice.post.kind == Kind::Post,
            });
        }
        self.world.brakes = brakes;
    }

    /// While an attempt is open the lane is asked on and sends nothing.
    fn keep_quiet(&mut self, until: Timestamp) {
        for _ in 0..400 {
            let step = self.world.step(self.now);
            assert_eq!(step.send, None, "one delivery at a time");
            self.hear(&step.verdicts);
            let now = self.now;
            self.world.record_verdicts(now, &step.verdicts);
            match step.wake {
                Some(wake) if wake <= until => self.now = self.now.max(wake),
                _ if step.verdicts.is_empty() => break,
                _ => {}
            }
        }
        self.now = until;
    }

    /// Every post has a state, and the one that a person would expect.
    fn check_states(&self) {
        for post in self.world.posts.values() {
            let state = self.world.state(post.id.as_str()).expect("every post has a state");
            let (State::Held { .. } | State::Scheduled) = state else { continue };
            assert!(post.rare.expires.is_none_or(|moment| self.now < moment), "it is over when it is over");
            let expected = match post.approval {
                Approval::NotApproved => Some(Held::NotApproved),
                Approval::Stale => Some(Held::ApprovalStale),
                Approval::Approved | Approval::Signed => {
                    let lapsed = post.rare.lapse.as_ref().is_some_and(|lapse| lapse.at <= self.now);
                    lapsed.then_some(Held::ApprovalStale)
                }
            };
            let whole = self.world.brakes.whole;
            if whole.is_some_and(|whole| whole.alone) && post.rare.series.is_none() && *state == State::Scheduled {
                // Whose turn it would be is held with the account.
                let quiet = self.closed() == Some("quiet hours");
                assert!(post.kind == Kind::Post || quiet, "{post:?}");
                let due = post.kind == Kind::Post && post.rare.at.is_some_and(|at| at <= self.now);
                assert!(!due || self.closed().is_some() || post.goal == Goal::Promotion, "{post:?}");
            }
            let broadcast = post.kind == Kind::Post && post.goal != Goal::Connection;
            if self.world.brakes.unanswered && self.world.brakes.no_send.is_none() && *state == State::Scheduled {
                // So is what has a time of its own, while people wait.
                let due = post.rare.at.is_some_and(|at| at <= self.now) && post.rare.series.is_none();
                assert!(!(broadcast && due) || self.closed().is_some(), "{post:?}");
            }
            match state {
                State::Scheduled => assert_eq!(expected, None, "{post:?}"),
                State::Held { reason, .. } => match expected {
                    Some(expected) => assert_eq!(*reason, expected),
                    None => match reason {
                        Held::NotBefore => assert!(post.rare.not_before.unwrap() > self.now),
                        Held::Unanswered => assert!(self.world.brakes.unanswered && broadcast),
                        Held::PromotionShare => assert_eq!(post.goal, Goal::Promotion),
                        Held::WaitingSeries => assert!(post.rare.series.is_some()),
                        Held::AccountAuth | Held::AccountPaused => {
                            assert_eq!(whole.map(|whole| whole.held), Some(*reason));
                        }
                        other => panic!("{other}"),
                    },
                },
                _ => unreachable!(),
            }
        }
    }

    /// The index that was kept up to date says of the posts what one made anew would say, and that is nothing.
    fn check_against_a_new_lane(&self) {
        let mut lane = Lane::new(self.world.lane.schedule.clone(), self.world.lane.policy.clone());
        for post in self.world.posts.values().rev() {
            lane.put(post, None, self.world.account());
        }
        let step = lane.step(self.world.account(), self.world.brakes, self.now);
        let about_posts: Vec<_> = step
            .verdicts
            .iter()
            .filter(|verdict| {
                matches!(verdict, Verdict::Scheduled { .. } | Verdict::Held { .. } | Verdict::Expired { .. })
            })
            .collect();
        assert!(about_posts.is_empty(), "a restart at {} says {about_posts:?}", self.now);
    }

    /// Every slot was used, said to be empty, or counted among those that were.
    fn check_slots(&self) {
        for slot in self.slots.range(self.begin..).take_while(|slot| **slot <= self.now) {
            let open = after(*slot, SLOT_GRACE) > self.now;
            let pending = self.world.lane.policy.missed != Missed::NextSlot;
            assert!(open || pending || self.over >= Some(*slot), "{slot} passed in silence");
        }
    }
}

fn drafts() -> impl Strategy<Value = Draft> {
    let kind = prop_oneof![8 => Just(Kind::Post), 1 => Just(Kind::Reply)];
    let goal = prop_oneof![Just(Goal::Connection), Just(Goal::Change), Just(Goal::Promotion)];
    let approval =
        prop_oneof![8 => Just(Approval::Approved), 1 => Just(Approval::NotApproved), 1 => Just(Approval::Stale)];
    let sometimes = |from: i64, to: i64| prop_oneof![5 => Just(None), 1 => (from..to).prop_map(Some)];
    (
        kind,
        goal,
        0..3i32,
        prop_oneof![3 => Just(None), 1 => (0..2u8).prop_map(Some)],
        sometimes(-100, 3000),
        sometimes(-100, 2000),
        sometimes(-10, 5000),
        sometimes(-10, 5000),
        approval,
        0..3u8,
    )
        .prop_map(|(kind, goal, priority, series, at, not_before, expires, lapse, approval, content)| Draft {
            kind,
            goal,
            priority,
            series,
            at,
            not_before,
            expires,
            lapse,
            approval,
            content,
        })
}

fn actions() -> impl Strategy<Value = Action> {
    let fate = prop_oneof![
        (1..900i64).prop_map(|seconds| Fate::Delivered { seconds }),
        Just(Fate::Refused),
        (1..4000i64).prop_map(|seconds| Fate::Uncertain { seconds }),
        Just(Fate::Abandoned),
        (1..90i64).prop_map(|minutes| Fate::RetriedOnce { minutes }),
    ];
    prop_oneof![
        6 => Just(Action::Wake),
        4 => (1..600i64).prop_map(|minutes| Action::Pass { minutes }),
        2 => (1..1500i64, any::<bool>()).prop_map(|(minutes, restart)| Action::Away { minutes, restart }),
        1 => (1..300i64).prop_map(|minutes| Action::Back { minutes }),
        6 => (0..20usize, drafts()).prop_map(|(which, draft)| Action::Put { which, draft }),
        1 => (0..20usize).prop_map(|which| Action::Remove { which }),
        2 => (0..5u8).prop_map(|which| Action::Brake { which }),
        1 => any::<bool>().prop_map(|on| Action::Unanswered { on }),
        2 => fate.prop_map(Action::Fate),
        1 => (0..20usize, 0..2u8).prop_map(|(which, decision)| Action::Decide { which, decision }),
    ]
}

fn policies() -> impl Strategy<Value = Policy> {
    let missed = prop_oneof![Just(Missed::NextSlot), Just(Missed::Skip), Just(Missed::Now)];
    let promotion = prop_oneof![Just((0.2, 10)), Just((0.5, 4)), Just((0.3, 10)), Just((0.0, 5)), Just((1.0, 3))];
    let quiet =
        prop_oneof![Just(vec![]), Just(vec![("22:00", "07:00")]), Just(vec![("01:30", "02:30"), ("12:00", "13:00")])];
    (1..6u32, 0..300u64, missed, 0..90u64, promotion, quiet).prop_map(
        |(max_per_day, gap, missed, grace, (share, window), quiet)| {
            let quiet = quiet.iter().map(|(from, to)| Quiet { from: from.parse().unwrap(), to: to.parse().unwrap() });
            Policy {
                max_per_day,
                min_gap: Duration::from_mins(gap),
                missed,
                late_grace: Duration::from_mins(grace),
                promotion: Promotion { share, window },
                quiet: quiet.collect(),
                ..free()
            }
        },
    )
}

fn schedules() -> impl Strategy<Value = (&'static str, Vec<&'static str>, Timestamp)> {
    let zones =
        ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca", "UTC"];
    let crons = ["30 9 * * *", "0 */2 * * *", "30 2 * * *", "*/20 * * * *", "0 0,12 * * *", "15 9-18 * * MON-FRI"];
    let crons = prop::collection::vec(prop::sample::select(crons.to_vec()), 1..3);
    (prop::sample::select(zones.to_vec()), crons, 0..4usize, 0..4000i64).prop_map(|(zone, crons, which, minutes)| {
        let year = if zone == "Pacific/Apia" { "2011-06-01T00:00:00Z" } else { "2026-01-01T00:00:00Z" };
        let zone_rules = TimeZone::get(zone).unwrap();
        let change = zone_rules.following(at(year)).nth(which).map_or(at(year), |change| change.timestamp());
        (zone, crons, change.checked_sub(jiff::SignedDuration::from_mins(minutes)).unwrap())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_beat_is_steady_whatever_happens(
        (zone, crons, start) in schedules(),
        policy in policies(),
        first in prop::collection::vec(drafts(), 0..20),
        actions in prop::collection::vec(actions(), 1..60),
    ) {
        let mut judge = Judge::new(schedule(zone, &crons), policy, start);
        judge.rest();
        for (which, draft) in first.into_iter().enumerate() {
            judge.act(&Action::Put { which, draft });
        }
        let end = after(start, Duration::from_hours(24 * DAYS as u64));
        for action in &actions {
            if judge.now > end {
                break;
            }
            judge.act(action);
        }
        judge.check_slots();
        prop_assert!(judge.steps < 30_000);
    }
    #[test]
    fn the_plan_ahead_is_what_happens_if_nothing_else_does(
        (zone, crons, start) in schedules(),
        policy in policies(),
        drafts in prop::collection::vec(drafts(), 0..30),
        unanswered in any::<bool>(),
        away in 0..3000u64,
    ) {
        let mut judge = Judge::new(schedule(zone, &crons), policy, start);
        judge.world.brakes.unanswered = unanswered;
        judge.rest();
        for (which, draft) in drafts.into_iter().enumerate() {
            judge.act(&Action::Put { which, draft });
        }
        let now = after(judge.now, Duration::from_mins(away));
        let until = after(now, Duration::from_hours(24 * 6));
        let world = &mut judge.world;
        let planned = world.lane.project(world.view.account(&World::account_id()), world.brakes, now, until);
        let goes_out = |line: &&super::super::Projected| line.held.is_none() && line.empty.is_none();
        let sends: Vec<_> = planned
            .iter()
            .filter(goes_out)
            .map(|line| format!("{} at {}", line.post.as_ref().unwrap(), short(line.at.unwrap())))
            .collect();
        let runway = world.lane.runway(world.view.account(&World::account_id()), now, until);
        let lived = world.live(&now.to_string(), &until.to_string());
        prop_assert_eq!(&sends, &lived);
        if !unanswered {
            let last = planned.iter().filter(goes_out).filter_map(|line| line.at).max();
            let mut posts = world.posts.values();
            match runway {
                Some(end) => {
                    prop_assert_eq!(end, last.unwrap_or(now));
                    // Promotion behind promotion that is held may still be called scheduled.
                    let left = |post: &Arc<Post>| {
                        world.shown(post.id.as_str()) == "scheduled" && post.goal != Goal::Promotion
                    };
                    prop_assert!(!posts.any(left));
                }
                None => {
                    let left = |post: &Arc<Post>| {
                        post.approval == Approval::Approved && world.shown(post.id.as_str()) != "delivered"
                    };
                    prop_assert!(posts.any(left));
                }
            }
        }
    }
}
