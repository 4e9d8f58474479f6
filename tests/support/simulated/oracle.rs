//! Looks at the platforms and the ledger from outside and says when a promise is broken.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use cadenced::domain::policy::Policy;
use cadenced::domain::{AccountId, Cause, DeliveryId, Dollars, Month, PostId, State, Timestamp, time};
use cadenced::engine::Engine;
use cadenced::ledger::record::{Decision, Fact, Outcome};
use cadenced::ledger::view::Open;
use cadenced::ledger::{Record, View};
use cadenced::platform::contract::Twin;
use cadenced::queue::Post;
use cadenced::queue::digest::content;
use cadenced::telemetry::events::Event as LogEvent;

use super::scenario::{PostPlan, Scenario};

/// Where a person has published what the daemon had given up.
pub const BY_HAND: &str = "https://example.org/by-hand";

/// How long a request may be under way: what arrives so late into quiet hours was sent before them.
const UNDER_WAY: Duration = Duration::from_secs(300);

/// How far into a month what was sent in the one before may arrive: requests wait while a machine sleeps.
const AT_THE_TURN: Duration = Duration::from_secs(12 * 3600);

/// Errors that any scenario may cause: each one asks a person for something that a fault has made necessary.
const EXPECTED: [&str; 6] =
    ["delivery.refused", "delivery.uncertain", "store.full", "store.failed", "clock.behind", "account.auth_lost"];

/// What a daemon goes by: the queue as it was told of it, and the ledger folded. The engine's own, or what an observer
/// has put together.
pub trait Known {
    fn view(&self) -> &View;
    fn post(&self, id: &PostId) -> Option<&Post>;
    fn posts(&self) -> impl Iterator<Item = &Post>;
    /// Accounts that there are now.
    fn accounts(&self) -> impl Iterator<Item = &AccountId>;
    /// Whether every delivery's state must be in the ledger now.
    fn is_recorded(&self) -> bool;
}

impl Known for Engine {
    fn view(&self) -> &View {
        Self::view(self)
    }

    fn post(&self, id: &PostId) -> Option<&Post> {
        Self::post(self, id).map(|post| &**post)
    }

    fn posts(&self) -> impl Iterator<Item = &Post> {
        Self::posts(self).map(|post| &**post)
    }

    fn accounts(&self) -> impl Iterator<Item = &AccountId> {
        Self::accounts(self).map(|account| &account.id)
    }

    fn is_recorded(&self) -> bool {
        Self::is_recorded(self)
    }
}

/// One part of a post, as the oracle has seen it appear.
#[derive(Debug, Clone)]
struct Seen {
    part: u64,
    /// The platform's name for it.
    id: String,
}

#[derive(Debug)]
pub struct Oracle {
    /// (twin, account number) → account id.
    accounts: BTreeMap<(usize, u32), AccountId>,
    policies: BTreeMap<AccountId, (Policy, jiff::tz::TimeZone)>,
    /// How far each twin's list has been looked at, and how much was in it.
    looked: BTreeMap<usize, (usize, usize)>,
    seen: BTreeMap<DeliveryId, Vec<Seen>>,
    /// When the first part of each post appeared, in order.
    beats: BTreeMap<AccountId, Vec<(Timestamp, DeliveryId)>>,
    /// How many records are durable.
    durable: usize,
    /// Bodies that intents were made for, each with the number of its record.
    intended: BTreeMap<DeliveryId, Vec<(usize, String)>>,
    /// Deliveries of the queue for which no state has been seen yet.
    unrecorded: BTreeSet<DeliveryId>,
    /// How many deliveries of each account have had a state in this life of the engine: none of them ever loses it.
    recorded: BTreeMap<AccountId, usize>,
    expected: BTreeSet<&'static str>,
    clock_was_set: bool,
    clock_was_set_unseen: bool,
    promotions: BTreeSet<DeliveryId>,
    /// What was called uncertain, and when. Nobody may see it, but it counts as sent.
    doubted: BTreeMap<AccountId, Vec<(Timestamp, DeliveryId)>>,
    /// What counts as sent, by when its last attempt began.
    standing: BTreeMap<AccountId, Vec<DeliveryId>>,
    /// A person has wanted them sent.
    asked: BTreeSet<DeliveryId>,
    /// How far each twin's bill has been looked at.
    bills: BTreeMap<usize, usize>,
    /// By the ledger, what is set aside included, and by the bills.
    spent: BTreeMap<AccountId, BTreeMap<Month, Dollars>>,
    billed: BTreeMap<AccountId, Bill>,
    /// What a record has shown to be wrong.
    broken: Option<String>,
}

/// What an account was billed.
#[derive(Debug, Default)]
struct Bill {
    in_all: Dollars,
    /// Without what may have been sent in the month before.
    monthly: BTreeMap<Month, Dollars>,
    /// Of that, what was asked for posts of which nothing could be seen yet.
    beginnings: BTreeMap<Month, Dollars>,
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
            beats: BTreeMap::new(),
            durable: 0,
            intended: BTreeMap::new(),
            unrecorded: BTreeSet::new(),
            recorded: BTreeMap::new(),
            expected: EXPECTED.into(),
            clock_was_set: false,
            clock_was_set_unseen: false,
            promotions: BTreeSet::new(),
            doubted: BTreeMap::new(),
            standing: BTreeMap::new(),
            asked: BTreeSet::new(),
            bills: BTreeMap::new(),
            spent: BTreeMap::new(),
            billed: BTreeMap::new(),
            broken: None,
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

    /// The account may also be number `number` of this twin.
    pub fn may_be_at(&mut self, twin: usize, number: u32, account: &AccountId) {
        self.accounts.insert((twin, number), account.clone());
    }

    /// I1: an intent is made for what is approved now, by the files that the engine was told of, and for nothing else.
    pub fn intends(&self, files: &BTreeMap<Arc<str>, Vec<PostPlan>>, records: &[Record]) -> Result<(), String> {
        for record in records {
            let Fact::Intent(intent) = &record.fact else { continue };
            let DeliveryId { post, account } = &intent.delivery;
            if self.parts_of(&intent.delivery) > content(&intent.body, account).thread.len() {
                // All of it can be seen: it is only asked where.
                continue;
            }
            let named = files.values().flatten().filter(|plan| plan.id() == post);
            if !named.into_iter().any(|plan| plan.allows(account, &intent.digest)) {
                return Err(format!("I1: {} is attempted, but not approved", intent.delivery));
            }
        }
        Ok(())
    }

    pub fn durable(&mut self, records: &[Record], now: Timestamp) {
        for record in records {
            self.durable += 1;
            if let Fact::Outcome { delivery, outcome, .. } = &record.fact {
                match outcome {
                    Outcome::Uncertain { .. } => {
                        self.doubted.entry(delivery.account.clone()).or_default().push((now, delivery.clone()));
                    }
                    Outcome::Refused { .. } | Outcome::Abandoned { .. } if self.parts_of(delivery) == 0 => {
                        self.standing.entry(delivery.account.clone()).or_default().retain(|other| other != delivery);
                    }
                    _ => {}
                }
            }
            if let Fact::SlotEmpty { reason, .. } = &record.fact
                && Cause::of(reason) == Cause::Other
            {
                self.broken.get_or_insert(format!("nobody knows the cause of {reason:?}"));
            }
            if let Fact::Spent { account, month, spend } = &record.fact {
                let sum = self.spent.entry(account.clone()).or_default().entry(*month).or_default();
                *sum = sum.plus(spend.money);
            }
            if let Fact::Resolved { delivery, decision: Decision::Retry, .. } = &record.fact {
                self.asked.insert(delivery.clone());
            }
            if let Fact::Intent(intent) = &record.fact {
                let known = self.intended.entry(intent.delivery.clone()).or_default();
                known.push((self.durable, intent.body.clone()));
                if intent.promotion {
                    self.promotions.insert(intent.delivery.clone());
                }
                if intent.counts {
                    self.stands(&intent.delivery);
                }
            }
        }
        let affordable = self.affordable(records);
        self.broken = self.broken.take().or(affordable.err());
    }

    /// What is begun fits into the month, as a whole and with what is set aside. `records` are one batch.
    fn affordable(&self, records: &[Record]) -> Result<(), String> {
        for record in records {
            let Fact::Intent(intent) = &record.fact else { continue };
            let account = &intent.delivery.account;
            let Some(cap) = self.policies.get(account).and_then(|(policy, _)| policy.budget) else { continue };
            let spent = self.spent.get(account).and_then(|spent| spent.get(&Month::of(record.at))).copied();
            let spent = spent.unwrap_or_default();
            if self.parts_of(&intent.delivery) == 0 && spent > cap {
                return Err(format!("budget: {} is begun with {spent} of {cap} USD spent", intent.delivery));
            }
        }
        Ok(())
    }

    /// No platform bills more than the ledger has counted, and what is begun keeps to the budget of each month.
    fn bill(&mut self, twin: usize, imitation: &dyn Twin) -> Result<(), String> {
        for item in imitation.billed_since(self.bills.entry(twin).or_default()) {
            let Some(account) = self.accounts.get(&(twin, item.account)) else {
                return Err(format!("somebody else's account is billed: {item:?}"));
            };
            let spent = self.spent.get(account).cloned().unwrap_or_default();
            let counted = spent.values().fold(Dollars::default(), |sum, month| sum.plus(*month));
            let bill = self.billed.entry(account.clone()).or_default();
            bill.in_all = bill.in_all.plus(item.money);
            if bill.in_all > counted {
                return Err(format!("budget: {account} is billed {} USD, {counted} are counted", bill.in_all));
            }
            let month = Month::of(item.at);
            if self.clock_was_set || month != Month::of(time::before(item.at, AT_THE_TURN)) {
                continue;
            }
            let add = |sums: &mut BTreeMap<Month, Dollars>, money| {
                let sum = sums.entry(month).or_default();
                *sum = sum.plus(money);
                *sum
            };
            let sum = add(&mut bill.monthly, item.money);
            let counted = spent.get(&month).copied().unwrap_or_default();
            if sum > counted {
                return Err(format!("budget: {account} is billed {sum} USD in {month}, {counted} are counted"));
            }
            let begun = add(&mut bill.beginnings, if item.begins { item.money } else { Dollars::default() });
            let cap = self.policies.get(account).and_then(|(policy, _)| policy.budget);
            if cap.is_some_and(|cap| begun > cap) {
                return Err(format!("budget: {begun} USD are billed for what was begun in {month}, allowed {cap:?}"));
            }
        }
        Ok(())
    }

    /// I5: the share, when a promotion is chosen, of what counts by then: what was sent, or may have been, each since its
    /// last attempt began. Whom a person asks to send is not held to it.
    fn stands(&mut self, delivery: &DeliveryId) {
        let (policy, _) = &self.policies[&delivery.account];
        let (window, most) = share_of(policy);
        let standing = self.standing.entry(delivery.account.clone()).or_default();
        let begun = standing.len();
        standing.retain(|other| other != delivery);
        let is_new = standing.len() == begun;
        let is_promotion = |delivery: &&DeliveryId| self.promotions.contains(*delivery);
        let before: Vec<_> = standing.iter().rev().take(window.saturating_sub(1)).collect();
        let promotions = 1 + before.iter().copied().filter(is_promotion).count();
        if is_new && is_promotion(&delivery) && promotions > most && !self.asked.contains(delivery) {
            let why = format!("I5: {delivery} is promotion {promotions}, allowed {most}, behind {before:?}");
            self.broken.get_or_insert(why);
        }
        standing.push(delivery.clone());
    }

    /// How many records are durable.
    pub fn durable_records(&self) -> usize {
        self.durable
    }

    /// How many different parts of a delivery can be seen.
    pub fn parts_of(&self, delivery: &DeliveryId) -> usize {
        self.seen.get(delivery).map_or(0, Vec::len)
    }

    /// The policy of an account is this from now on: what it allows counts together with what was allowed before.
    pub fn allows(&mut self, account: &AccountId, policy: &Policy) {
        if let Some((held, _)) = self.policies.get_mut(account) {
            held.min_gap = held.min_gap.min(policy.min_gap);
            held.max_per_day = held.max_per_day.max(policy.max_per_day);
            held.budget = held.budget.zip(policy.budget).map(|(before, now)| before.max(now));
        }
    }

    /// What a delivery's first part is called where it can be seen.
    pub fn id_of(&self, delivery: &DeliveryId) -> Option<&str> {
        self.seen.get(delivery)?.iter().find(|seen| seen.part == 0).map(|seen| seen.id.as_str())
    }

    /// An engine has started.
    pub fn started(&mut self, engine: &impl Known) {
        self.recorded.clear();
        self.queue_changed(engine);
    }

    /// The queue or the accounts are not what they were.
    pub fn queue_changed(&mut self, engine: &impl Known) {
        let configured: BTreeSet<&AccountId> = engine.accounts().collect();
        let pairs = engine.posts().flat_map(|post| post.to.iter().map(move |account| (post, account)));
        self.unrecorded = pairs
            .filter(|(_, account)| configured.contains(account))
            .map(|(post, account)| DeliveryId::new(post.id.clone(), account.clone()))
            .filter(|delivery| engine.view().entry(delivery).is_none())
            .collect();
    }

    /// I3: when nothing is on its way into the ledger, each delivery of the queue is in exactly one state. A state is
    /// never lost again, so only those are looked for that had none; that none is lost, the numbers show.
    pub fn after_each_step(&mut self, engine: &impl Known) -> Result<(), String> {
        if let Some(why) = self.broken.take() {
            return Err(why);
        }
        for (id, account) in engine.view().accounts() {
            let entries = account.deliveries().len();
            let before = self.recorded.get_mut(id);
            if before.as_ref().is_some_and(|before| entries < **before) {
                return Err(format!("I3: a delivery of {id} has lost its state"));
            }
            match before {
                Some(before) => *before = entries,
                None => drop(self.recorded.insert(id.clone(), entries)),
            }
            if account.counts().values().sum::<usize>() != entries {
                return Err(format!("I3: the states of {id} do not add up"));
            }
        }
        if self.unrecorded.is_empty() || !engine.is_recorded() {
            return Ok(());
        }
        if let Some(delivery) = self.unrecorded.iter().find(|delivery| engine.view().entry(delivery).is_none()) {
            return Err(format!("I3: {delivery} is in no state"));
        }
        self.unrecorded.clear();
        Ok(())
    }

    /// The same without any memory of what was seen before, and that the engine remembers what is durable and no more.
    pub fn look_at_everything(&mut self, engine: &impl Known, folded: &View) -> Result<(), String> {
        if engine.view() != folded {
            return Err("I3: the engine's view is not the fold of what is durable".into());
        }
        self.queue_changed(engine);
        self.after_each_step(engine)?;
        for (id, account) in engine.view().accounts() {
            let mut states: BTreeMap<&'static str, usize> = BTreeMap::new();
            for (_, entry) in account.deliveries() {
                *states.entry(entry.state.name()).or_default() += 1;
            }
            if states != *account.counts() {
                return Err(format!("I3: the states of {id} do not add up"));
            }
        }
        for (account, beat) in &self.beats {
            self.gaps_and_shares(account, beat)?;
        }
        Ok(())
    }

    /// A platform has carried something out: I2 and I4, and the beat of what is new. `durable` is how many records were
    /// durable when the request was sent.
    pub fn published(&mut self, twin: usize, imitation: &dyn Twin, durable: usize) -> Result<(), String> {
        self.bill(twin, imitation)?;
        let (mark, count) = self.looked.entry(twin).or_default();
        let new = imitation.published_since(mark);
        *count += new.len();
        for item in new {
            let Some(account) = self.accounts.get(&(twin, item.account)).cloned() else {
                return Err(format!("something appeared on an account that is nobody's: {item:?}"));
            };
            let (post, version, part) = read_marker(&item.text).ok_or_else(|| format!("no marker in {item:?}"))?;
            let delivery = DeliveryId::new(post, account);
            let known = self.intended.get(&delivery);
            let intent = known.and_then(|known| known.iter().rev().find(|(number, _)| *number <= durable));
            let Some((_, body)) = intent else {
                return Err(format!("I4: {delivery} appeared, and no intent was durable when it was sent"));
            };
            if !body.contains(&format!(" v{version} ")) {
                return Err(format!("I1: {delivery} appeared in version {version}, which was not intended"));
            }
            let seen = self.seen.entry(delivery.clone()).or_default();
            if seen.iter().any(|earlier| earlier.part == part) {
                return Err(format!("I2: part {part} of {delivery} appeared twice"));
            }
            seen.push(Seen { part, id: item.id.clone() });
            if part == 0 {
                self.beat(delivery, item.at)?;
            }
        }
        Ok(())
    }

    /// I5: gap, day, quiet hours and promotion share, as people on the platform see them. What was there before has been
    /// looked at; what is new concerns those near it.
    fn beat(&mut self, new: DeliveryId, at: Timestamp) -> Result<(), String> {
        let account = new.account.clone();
        let (policy, zone) = self.policies[&account].clone();
        let beat = self.beats.entry(account.clone()).or_default();
        let place = beat.partition_point(|known| *known < (at, new.clone()));
        beat.insert(place, (at, new.clone()));
        let beat = &self.beats[&account];
        let window = policy.promotion.window as usize;
        let near = &beat[place.saturating_sub(window)..(place + window + 1).min(beat.len())];
        self.gaps_and_shares(&account, near)?;
        if self.clock_was_set {
            // Days and hours are those of a wall clock that was wrong.
            return Ok(());
        }
        let day = |at: Timestamp| at.to_zoned(zone.clone()).date();
        let date = day(at);
        let same = |(other, _): &&(Timestamp, DeliveryId)| day(*other) == date;
        let today = beat[..place].iter().rev().take_while(same).count() + beat[place..].iter().take_while(same).count();
        if today > policy.max_per_day as usize {
            return Err(format!("I5: {new} is post {today} of its day, allowed {}", policy.max_per_day));
        }
        let quiet = |at: Timestamp| policy.quiet.iter().any(|quiet| quiet.covers(at.to_zoned(zone.clone()).time()));
        if quiet(at) && quiet(time::before(at, UNDER_WAY)) {
            return Err(format!("I5: {new} appeared at {at}, in quiet hours"));
        }
        Ok(())
    }

    fn gaps_and_shares(&self, account: &AccountId, beat: &[(Timestamp, DeliveryId)]) -> Result<(), String> {
        let (policy, _) = &self.policies[account];
        for pair in beat.windows(2) {
            let gap = time::since(pair[1].0, pair[0].0);
            if gap < policy.min_gap && !self.clock_was_set_unseen {
                return Err(format!(
                    "I5: {} came {gap:?} after {}, allowed {:?}",
                    pair[1].1, pair[0].1, policy.min_gap
                ));
            }
        }
        self.share(account, beat)
    }

    /// The share as people see it, where nothing was ever in doubt: what was counts as sent, and may not be there, or be
    /// sent later.
    fn share(&self, account: &AccountId, beat: &[(Timestamp, DeliveryId)]) -> Result<(), String> {
        let (window, most) = share_of(&self.policies[account].0);
        let doubted = self.doubted.get(account).map_or(&[][..], Vec::as_slice);
        for run in beat.windows(window.min(beat.len()).max(1)) {
            let (Some((from, _)), Some((to, _))) = (run.first(), run.last()) else { continue };
            let in_doubt = doubted
                .iter()
                .any(|(at, other)| (from <= at && at <= to) || run.iter().any(|(_, delivery)| delivery == other));
            let asked = run.iter().any(|(_, delivery)| self.asked.contains(delivery));
            let promotions = run.iter().filter(|(_, delivery)| self.promotions.contains(delivery)).count();
            if promotions > most && !in_doubt && !asked {
                let run: Vec<_> = run.iter().map(|(_, delivery)| delivery.to_string()).collect();
                return Err(format!("I5: {promotions} promotions, allowed {most}, among {}", run.join(", ")));
            }
        }
        Ok(())
    }

    /// What the ledger says and what people see must be the same in the end.
    pub fn at_the_end(&mut self, engine: &impl Known, folded: &View, twins: &[Box<dyn Twin>]) -> Result<(), String> {
        self.look_at_everything(engine, folded)?;
        for (twin, (_, count)) in &self.looked {
            if twins[*twin].published().len() != *count {
                return Err("something on a platform has come or gone unseen".into());
            }
        }
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
                    State::Refused { why, .. } if entry.open.as_ref().is_some_and(|open| seen >= parts_of(open)) => {
                        return Err(format!("silent: {delivery} is refused ({why}), but all of it can be seen"));
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

/// Of how many posts how many may be promotions.
fn share_of(policy: &Policy) -> (usize, usize) {
    let most = (policy.promotion.share * f64::from(policy.promotion.window) + 1e-9) as usize;
    (policy.promotion.window as usize, most)
}

/// How many parts an attempt is to publish.
fn parts_of(open: &Open) -> usize {
    1 + content(&open.intent.body, &open.intent.delivery.account).thread.len()
}

/// The post, version and part that a text tells.
pub fn read_marker(text: &str) -> Option<(PostId, u32, u64)> {
    // A request holds other brackets too.
    text.match_indices('[').find_map(|(at, _)| {
        let inner = &text[at + 1..];
        let mut words = inner[..inner.find(']')?].split(' ');
        let post = PostId::new(words.next()?).ok()?;
        let version = words.next()?.strip_prefix('v')?.parse().ok()?;
        let part = words.next()?.strip_prefix("part")?.parse().ok()?;
        Some((post, version, part))
    })
}
