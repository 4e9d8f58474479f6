//! Looks at the platforms and the ledger from outside and says when a promise is broken.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cadenced::domain::policy::Policy;
use cadenced::domain::{AccountId, DeliveryId, PostId, State, Timestamp, time};
use cadenced::engine::Engine;
use cadenced::ledger::Record;
use cadenced::ledger::record::Fact;
use cadenced::platform::contract::Twin;
use cadenced::queue::Approval;
use cadenced::telemetry::events::Event as LogEvent;

use crate::scenario::Scenario;
use crate::world::BY_HAND;

/// How long a request may be under way: what arrives so late into quiet hours was sent before them.
const UNDER_WAY: Duration = Duration::from_secs(300);

/// Errors that any scenario may cause: each one asks a person for something that a fault has made necessary.
const EXPECTED: [&str; 6] =
    ["delivery.refused", "delivery.uncertain", "store.full", "store.failed", "clock.behind", "account.auth_lost"];

/// One part of a post, as the oracle has seen it appear.
#[derive(Debug, Clone)]
struct Seen {
    at: Timestamp,
    part: u64,
}

#[derive(Debug)]
pub struct Oracle {
    /// (twin, account number) → account id.
    accounts: BTreeMap<(usize, u32), AccountId>,
    policies: BTreeMap<AccountId, (Policy, jiff::tz::TimeZone)>,
    /// How much of each twin's list has been looked at.
    looked: BTreeMap<usize, usize>,
    seen: BTreeMap<DeliveryId, Vec<Seen>>,
    /// Content that was approved when an intent was made for it, by delivery: the digests.
    intended: BTreeSet<DeliveryId>,
    expected: BTreeSet<&'static str>,
    clock_was_set: bool,
    clock_was_set_unseen: bool,
    promotions: BTreeSet<DeliveryId>,
}

impl Oracle {
    pub fn new(scenario: &Scenario) -> Self {
        let id = |text: &str| AccountId::new(text).unwrap();
        Self {
            accounts: scenario.accounts.iter().map(|plan| ((plan.twin, plan.number), id(&plan.id))).collect(),
            policies: scenario
                .accounts
                .iter()
                .map(|plan| (id(&plan.id), (plan.policy.clone(), plan.schedule.zone.clone())))
                .collect(),
            looked: BTreeMap::new(),
            seen: BTreeMap::new(),
            intended: BTreeSet::new(),
            expected: EXPECTED.into(),
            clock_was_set: false,
            clock_was_set_unseen: false,
            promotions: BTreeSet::new(),
        }
    }

    pub fn expects(&mut self, event: &'static str) {
        self.expected.insert(event);
    }

    pub fn clock_was_set(&mut self) {
        self.clock_was_set = true;
    }

    pub fn clock_was_set_unseen(&mut self) {
        self.clock_was_set_unseen = true;
    }

    /// An ERROR that the scenario did not ask for fails the run.
    pub fn error(&self, event: &LogEvent) -> Result<(), String> {
        if self.expected.contains(event.name()) {
            return Ok(());
        }
        Err(format!("unexpected error event: {event:?}"))
    }

    /// I1: an intent is made for what is approved now, and for nothing else.
    pub fn intends(&self, engine: &Engine, records: &[Record]) -> Result<(), String> {
        for record in records {
            let Fact::Intent(intent) = &record.fact else { continue };
            let post = engine.post(&intent.delivery.post);
            let approved = post.is_some_and(|post| {
                post.approval == Approval::Approved
                    && post.digest == intent.digest
                    && post.to.contains(&intent.delivery.account)
            });
            if !approved {
                return Err(format!("I1: {} is attempted, but not approved", intent.delivery));
            }
        }
        Ok(())
    }

    pub fn durable(&mut self, records: &[Record]) {
        for record in records {
            if let Fact::Intent(intent) = &record.fact {
                self.intended.insert(intent.delivery.clone());
                if intent.promotion {
                    self.promotions.insert(intent.delivery.clone());
                }
            }
        }
    }

    /// How many different parts of a delivery can be seen.
    pub fn parts_of(&self, delivery: &DeliveryId) -> usize {
        self.seen.get(delivery).map_or(0, Vec::len)
    }

    /// I3: when nothing is on its way into the ledger, each delivery of the queue is in exactly one state.
    pub fn after_each_step(&self, engine: &Engine) -> Result<(), String> {
        if !engine.is_recorded() {
            return Ok(());
        }
        for post in engine.posts() {
            for account in post.to.iter() {
                let delivery = DeliveryId::new(post.id.clone(), account.clone());
                if engine.view().entry(&delivery).is_none() {
                    return Err(format!("I3: {delivery} is in no state"));
                }
            }
        }
        for (id, account) in engine.view().accounts() {
            let states: usize = account.counts().values().sum();
            if states != account.deliveries().count() {
                return Err(format!("I3: the states of {id} do not add up"));
            }
        }
        Ok(())
    }

    /// A platform has carried something out: I2 and I4, and the beat of what is new.
    pub fn published(
        &mut self,
        twin: usize,
        imitation: &dyn Twin,
        durable: &[Record],
        scenario: &Scenario,
    ) -> Result<(), String> {
        let all = imitation.published();
        let from = self.looked.insert(twin, all.len()).unwrap_or(0);
        for item in all.iter().skip(from) {
            let Some(account) = self.accounts.get(&(twin, item.account)).cloned() else {
                return Err(format!("something appeared on an account that is nobody's: {item:?}"));
            };
            let (post, version, part) = read_marker(&item.text).ok_or_else(|| format!("no marker in {item:?}"))?;
            let delivery = DeliveryId::new(post, account);
            let intent = durable.iter().rev().find_map(|record| match &record.fact {
                Fact::Intent(intent) if intent.delivery == delivery => Some(intent),
                _ => None,
            });
            let Some(intent) = intent else {
                return Err(format!("I4: {delivery} appeared, and no intent was durable when it was sent"));
            };
            if !intent.body.contains(&format!(" v{version} ")) {
                return Err(format!("I1: {delivery} appeared in version {version}, which was not intended"));
            }
            let seen = self.seen.entry(delivery.clone()).or_default();
            if seen.iter().any(|earlier| earlier.part == part) {
                return Err(format!("I2: part {part} of {delivery} appeared twice"));
            }
            seen.push(Seen { at: item.at, part });
            if part == 0 {
                self.beat(&delivery, item.at, scenario)?;
            }
        }
        Ok(())
    }

    /// I5: gap, day, quiet hours and promotion share, as people on the platform see them.
    fn beat(&self, new: &DeliveryId, at: Timestamp, _scenario: &Scenario) -> Result<(), String> {
        let (policy, zone) = &self.policies[&new.account];
        let firsts = self.seen.iter().filter(|(delivery, _)| delivery.account == new.account);
        let mut moments: Vec<(Timestamp, &DeliveryId)> = firsts
            .filter_map(|(delivery, seen)| Some((seen.iter().find(|seen| seen.part == 0)?.at, delivery)))
            .collect();
        moments.sort();
        for pair in moments.windows(2) {
            let gap = time::since(pair[1].0, pair[0].0);
            if gap < policy.min_gap && !self.clock_was_set_unseen {
                return Err(format!(
                    "I5: {} came {gap:?} after {}, allowed {:?}",
                    pair[1].1, pair[0].1, policy.min_gap
                ));
            }
        }
        let window = policy.promotion.window as usize;
        let most = (policy.promotion.share * f64::from(policy.promotion.window) + 1e-9) as usize;
        for run in moments.windows(window.min(moments.len())) {
            let promotions = run.iter().filter(|(_, delivery)| self.promotions.contains(delivery)).count();
            if promotions > most {
                return Err(format!("I5: {promotions} promotions among {} posts, allowed {most}", run.len()));
            }
        }
        if self.clock_was_set {
            // Days and hours are those of a wall clock that was wrong.
            return Ok(());
        }
        let day = |at: Timestamp| at.to_zoned(zone.clone()).date();
        let today = moments.iter().filter(|(other, _)| day(*other) == day(at)).count();
        if today > policy.max_per_day as usize {
            return Err(format!("I5: {new} is post {today} of its day, allowed {}", policy.max_per_day));
        }
        let quiet = |at: Timestamp| policy.quiet.iter().any(|quiet| quiet.covers(at.to_zoned(zone.clone()).time()));
        if quiet(at) && quiet(time::before(at, UNDER_WAY)) {
            return Err(format!("I5: {new} appeared at {at}, in quiet hours"));
        }
        Ok(())
    }

    /// What the ledger says and what people see must be the same in the end.
    pub fn at_the_end(&self, engine: &Engine, _twins: &[Box<dyn Twin>], _scenario: &Scenario) -> Result<(), String> {
        self.after_each_step(engine)?;
        for (id, account) in engine.view().accounts() {
            for (post, entry) in account.deliveries() {
                let delivery = DeliveryId::new(post.clone(), id.clone());
                let seen = self.parts_of(&delivery);
                match &entry.state {
                    State::Delivered { remote, .. } => {
                        let by_hand = remote.url.as_deref() == Some("https://example.org/seen");
                        if seen == 0 && remote.url.as_deref() != Some(BY_HAND) {
                            return Err(format!("lost: {delivery} is called delivered, and nobody can see it"));
                        }
                        let wanted = engine.post(post).filter(|post| Some(post.digest) == entry.digest);
                        let parts = wanted.map_or(seen, |post| 1 + post.content(id).thread.len());
                        if seen != parts && !by_hand && seen > 0 {
                            return Err(format!("lost: {seen} of {parts} parts of {delivery} can be seen"));
                        }
                    }
                    State::Held { .. } | State::Missed | State::Expired | State::Withdrawn if seen > 0 => {
                        return Err(format!("silent: {delivery} is {}, but can be seen", entry.state.name()));
                    }
                    State::Refused { why, .. } if seen > 0 && !why.contains("parts are published") => {
                        return Err(format!("silent: {delivery} is refused ({why}), but can be seen"));
                    }
                    State::Sending { .. } | State::Retrying { .. } | State::Scheduled => {
                        return Err(format!("not settled: {delivery} is {}", entry.state.name()));
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

/// The post, version and part that a text tells.
fn read_marker(text: &str) -> Option<(PostId, u32, u64)> {
    let inner = &text[text.find('[')? + 1..];
    let mut words = inner[..inner.find(']')?].split(' ');
    let post = PostId::new(words.next()?).ok()?;
    let version = words.next()?.strip_prefix('v')?.parse().ok()?;
    let part = words.next()?.strip_prefix("part")?.parse().ok()?;
    Some((post, version, part))
}
