//! A lane with a ledger around it, as the engine would drive it: what a step says is recorded, what it sends is sent.

mod ahead;
mod budget;
mod posts;
mod slots;
mod steady;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde_json::Value;

use super::{Brakes, Choice, Lane, Step, Verdict, Whole};
use crate::domain::policy::{Cron, Missed, Policy, Promotion, Schedule, Unanswered};
use crate::domain::{
    AccountId, DeliveryId, Digest, Dollars, Goal, Held, JsonText, Month, PostId, Remote, Spend, State, Timestamp,
};
use crate::ledger::record::{Decision, Intent};
use crate::ledger::view::Account;
use crate::ledger::{Fact, Outcome, Record, View};
use crate::queue::{Approval, Kind, Lapse, Order, Post, Rare, Rarely};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn id(text: &str) -> PostId {
    PostId::new(text).unwrap()
}

fn schedule(zone: &str, crons: &[&str]) -> Schedule {
    let read = |text: &&str| Cron { text: (*text).into(), pattern: text.parse().unwrap() };
    Schedule { zone: TimeZone::get(zone).unwrap(), slots: crons.iter().map(read).collect() }
}

/// Nothing but the slots limits the beat.
fn free() -> Policy {
    Policy {
        max_per_day: 1000,
        min_gap: Duration::ZERO,
        missed: Missed::NextSlot,
        late_grace: Duration::from_hours(1),
        promotion: Promotion { share: 1.0, window: 10 },
        unanswered: Unanswered { max: 5, older_than: Duration::from_hours(24) },
        quiet: Vec::new(),
        runway_warn: Duration::from_hours(7 * 24),
        budget: None,
        spray: crate::domain::policy::Spray::default(),
    }
}

/// An approved post for a slot. Its place in the queue is that of its id in the alphabet.
fn post(name: &str) -> Post {
    Post {
        id: id(name),
        kind: Kind::Post,
        to: [AccountId::new("fedi").unwrap()].into(),
        goal: Goal::Connection,
        priority: 0,
        order: Order { file: name.into(), place: 0 },
        digest: Digest::of(name.as_bytes()),
        approval: Approval::Approved,
        rare: Rarely::default(),
        answers_ours: false,
        body: "{}".into(),
    }
}

fn reply(name: &str) -> Post {
    Post { kind: Kind::Reply, ..post(name) }
}

fn fixed(name: &str, moment: &str) -> Post {
    Post { rare: Rare { at: Some(at(moment)), ..Rare::default() }.into(), ..post(name) }
}

fn promotion(name: &str) -> Post {
    Post { goal: Goal::Promotion, ..post(name) }
}

fn in_series(name: &str) -> Post {
    Post { rare: Rare { series: Some("story".into()), ..Rare::default() }.into(), ..post(name) }
}

/// The account as a whole is held, and nothing else stands against sending.
fn whole(held: Held) -> Brakes {
    let no_send = if held == Held::AccountPaused { "the account is paused" } else { "its token is not accepted" };
    Brakes { no_send: Some(no_send), whole: Some(Whole { held, alone: true }), ..Brakes::default() }
}

struct World {
    view: View,
    lane: Lane,
    posts: BTreeMap<PostId, Arc<Post>>,
    brakes: Brakes,
    /// What publishing costs, for those that cost something.
    costs: BTreeMap<PostId, Dollars>,
}

impl World {
    fn new(schedule: Schedule, policy: Policy) -> Self {
        Self {
            view: View::default(),
            lane: Lane::new(schedule, policy),
            posts: BTreeMap::new(),
            brakes: Brakes::default(),
            costs: BTreeMap::new(),
        }
    }

    /// Slots at each full hour, in UTC.
    fn hourly(policy: Policy) -> Self {
        Self::new(schedule("UTC", &["0 * * * *"]), policy)
    }

    fn with(mut self, posts: impl IntoIterator<Item = Post>) -> Self {
        for post in posts {
            self.put(post);
        }
        self
    }

    fn account_id() -> AccountId {
        AccountId::new("fedi").unwrap()
    }

    fn delivery(post: &PostId) -> DeliveryId {
        DeliveryId::new(post.clone(), Self::account_id())
    }

    fn account(&self) -> Option<&Account> {
        self.view.account(&Self::account_id())
    }

    fn state(&self, post: &str) -> Option<&State> {
        self.account()?.entry(&id(post)).map(|entry| &entry.state)
    }

    /// As `status` would show it.
    fn shown(&self, post: &str) -> String {
        match self.state(post) {
            None => "unknown".into(),
            Some(State::Held { reason, .. }) => format!("held: {reason}"),
            Some(state) => state.name().into(),
        }
    }

    fn put(&mut self, post: Post) {
        let id = post.id.clone();
        self.posts.insert(id.clone(), Arc::new(post));
        self.again(&id);
    }

    /// A post that costs something.
    fn put_at(&mut self, post: Post, cost: Dollars) {
        self.costs.insert(post.id.clone(), cost);
        self.put(post);
    }

    fn again(&mut self, post: &PostId) {
        let Some(post) = self.posts.get(post) else { return };
        if let Some(cost) = self.costs.get(&post.id) {
            self.lane.reckon(&post.id, *cost);
        }
        self.lane.put(post, None, self.view.account(&Self::account_id()));
    }

    /// The same ledger and queue, and a lane that knows of neither.
    fn restart(&mut self) {
        self.lane = Lane::new(self.lane.schedule.clone(), self.lane.policy.clone());
        for id in self.posts.keys().cloned().collect::<Vec<_>>() {
            self.again(&id);
        }
    }

    /// Other rules, as a changed configuration gives them.
    fn set_policy(&mut self, policy: Policy) {
        self.lane.set_rules(self.lane.schedule.clone(), policy);
        for id in self.posts.keys().cloned().collect::<Vec<_>>() {
            self.again(&id);
        }
    }

    /// Something is spent in the month of `now`, or given back.
    fn spend(&mut self, now: Timestamp, money: Dollars) {
        let spend = Spend { money, reads: 0, writes: 0 };
        self.record(now, Fact::Spent { account: Self::account_id(), month: Month::of(now), spend });
    }

    fn record(&mut self, now: Timestamp, fact: Fact) {
        self.view.apply(&Record::new(now, fact));
    }

    fn record_verdicts(&mut self, now: Timestamp, verdicts: &[Verdict]) {
        for verdict in verdicts {
            let planned = |post: &PostId, held, detail| Fact::Planned {
                delivery: Self::delivery(post),
                digest: self.posts[post].digest,
                held,
                detail,
            };
            let fact = match verdict {
                Verdict::Scheduled { post, .. } => planned(post, None, None),
                Verdict::Held { post, reason, detail } => planned(post, Some(*reason), detail.clone()),
                Verdict::Missed { post, slot } => Fact::Missed { delivery: Self::delivery(post), slot: *slot },
                Verdict::Expired { post } => Fact::Expired { delivery: Self::delivery(post) },
                Verdict::SlotEmpty { slot, reason } => {
                    Fact::SlotEmpty { account: Self::account_id(), slot: *slot, reason: reason.clone(), run: None }
                }
            };
            self.record(now, fact);
            if let Verdict::Missed { post, .. } | Verdict::Expired { post } = verdict {
                self.again(post);
            }
        }
    }

    fn begin(&mut self, now: Timestamp, choice: &Choice) {
        let post = &choice.post;
        let attempt = self.account().and_then(|account| account.entry(&post.id)).map_or(0, |entry| entry.attempts) + 1;
        let intent = Intent {
            delivery: Self::delivery(&post.id),
            platform: "test".into(),
            host: None,
            attempt,
            tries: 0,
            digest: post.digest,
            key: "key".into(),
            slot: choice.slot,
            fixed: choice.fixed,
            fingerprint: 0,
            promotion: super::index::is_promotion(post),
            counts: post.kind == Kind::Post,
            body: String::new(),
            link: None,
            by: None,
            frozen: Value::Null,
            started: now,
        };
        let id = post.id.clone();
        self.record(now, Fact::Intent(Box::new(intent)));
        if let Some(cost) = self.costs.get(&id) {
            self.spend(now, *cost);
        }
        self.again(&id);
    }

    fn conclude(&mut self, now: Timestamp, post: &PostId, outcome: Outcome) {
        let delivery = Self::delivery(post);
        let attempt = self.view.entry(&delivery).map_or(0, |entry| entry.attempts);
        self.record(now, Fact::Outcome { delivery, attempt, outcome });
        self.again(post);
    }

    fn deliver(&mut self, now: Timestamp, post: &PostId) {
        let remote = Remote { id: "1".into(), url: None, reference: JsonText::default() };
        self.conclude(now, post, Outcome::Delivered { remote, reconciled: false });
    }

    fn resolve(&mut self, now: Timestamp, post: &PostId, decision: Decision) {
        self.record(now, Fact::Resolved { delivery: Self::delivery(post), decision, by: "someone".into() });
        self.again(post);
    }

    fn step(&mut self, now: Timestamp) -> Step {
        self.lane.step(self.view.account(&Self::account_id()), self.brakes, now)
    }

    /// Steps until nothing new is said and nothing is sent; all that is sent is delivered at once. Returns what was
    /// sent, and when to ask again.
    fn run(&mut self, now: Timestamp) -> (Vec<Choice>, Option<Timestamp>) {
        let mut sent = Vec::new();
        for _ in 0..5000 {
            let step = self.step(now);
            self.record_verdicts(now, &step.verdicts);
            if let Some(choice) = step.send {
                self.begin(now, &choice);
                self.deliver(now, &choice.post.id.clone());
                sent.push(choice);
            } else if step.verdicts.is_empty() && step.wake != Some(now) {
                return (sent, step.wake);
            }
        }
        panic!("it never comes to rest at {now}");
    }

    /// Runs at every wake-up from `from` to `until`: `id at time` of all that was sent.
    fn live(&mut self, from: &str, until: &str) -> Vec<String> {
        let (mut now, until) = (at(from), at(until));
        let mut lines = Vec::new();
        for _ in 0..5000 {
            let (sent, wake) = self.run(now);
            lines.extend(sent.iter().map(|choice| format!("{} at {}", choice.post.id, short(now))));
            match wake {
                Some(wake) if wake <= until => {
                    assert!(wake > now, "no step is asked for in the past");
                    now = wake;
                }
                _ => return lines,
            }
        }
        panic!("it wakes up without end");
    }

    /// What a step says, and records it.
    fn said(&mut self, now: &str) -> Vec<String> {
        let step = self.step(at(now));
        self.record_verdicts(at(now), &step.verdicts);
        let second = self.step(at(now));
        assert_eq!(second.verdicts, [], "what is recorded is not said again");
        assert_eq!(second.send, step.send, "what is to be sent does not depend on what was said");
        lines(&step.verdicts)
    }
}

/// Hour and minute; with the day if it is not the first of June.
fn short(moment: Timestamp) -> String {
    let shown = moment.to_zoned(TimeZone::UTC);
    let day = if shown.strftime("%F").to_string() == "2026-06-01" { "" } else { "%F " };
    let seconds = if shown.second() == 0 && shown.subsec_nanosecond() == 0 { "" } else { ":%S%.f" };
    shown.strftime(&format!("{day}%H:%M{seconds}")).to_string()
}

fn lines(verdicts: &[Verdict]) -> Vec<String> {
    let line = |verdict: &Verdict| match verdict {
        Verdict::Scheduled { post, slot: None } => format!("{post} scheduled"),
        Verdict::Scheduled { post, slot: Some(slot) } => format!("{post} scheduled for {}", short(*slot)),
        Verdict::Held { post, reason, detail: None } => format!("{post} held: {reason}"),
        Verdict::Held { post, reason, detail: Some(detail) } => format!("{post} held: {reason} ({detail})"),
        Verdict::Missed { post, slot } => format!("{post} missed {}", short(*slot)),
        Verdict::Expired { post } => format!("{post} expired"),
        Verdict::SlotEmpty { slot, reason } => format!("{} empty: {reason}", short(*slot)),
    };
    verdicts.iter().map(line).collect()
}
