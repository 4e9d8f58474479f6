//! What the core remembers of the records: the state of every delivery, and the beat of every account.
//!
//! The view is a fold: [`View::apply`] over all records in order gives it, and nothing else does. The fold of one
//! delivery ([`Entry::apply`]) and of one account ([`Head::apply`]) stand alone, so that an index may keep them one
//! by one and give them back at the next start.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::domain::{
    AccountId, Checkpoint, DeliveryId, Digest, Held, JsonText, KeyHash, Month, PostId, Remote, Sealed, Sorted, Spend,
    State, Timestamp, time,
};

use super::record::{Decision, Fact, Intent, Outcome, Record};

/// The fold of all records.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct View {
    /// Highest wall clock that was recorded.
    pub clock_mark: Option<Timestamp>,
    accounts: BTreeMap<AccountId, Account>,
    /// The keys of all outcomes. Nothing more of them is remembered: reports read the records.
    gains: HashSet<KeyHash>,
}

/// One account's part of the view.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Account {
    pub head: Head,
    deliveries: Sorted<PostId, Entry>,
    /// What was sent, by when it was sent; a post at most once.
    beat: BTreeSet<(Timestamp, PostId)>,
    /// Deliveries with an attempt under way or owed.
    open: BTreeSet<PostId>,
    /// How many deliveries are in each state, by its name.
    counts: BTreeMap<&'static str, usize>,
}

/// What is remembered of an account beside its deliveries.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// Why its token is not accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<String>,
    /// The remote account's stable id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pinned: Option<String>,
    /// The tokens that it was given last, sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Sealed>,
    /// The last slot that was used or passed by: all before it are over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<Timestamp>,
    /// When the wall clock was last set ahead, by its new time: less time has passed since the last post than it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_set: Option<Timestamp>,
    /// What was spent in each of the last months, the one that was spent in last at the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    spent: Vec<(Month, Spend)>,
}

/// For how many months it is remembered what was spent. They are the last that something was spent in, and not the
/// latest: a clock may have been years ahead.
const MONTHS: usize = 3;

/// What is remembered of a delivery. A million of them stay in memory, and most have only been planned: of those, no
/// more is kept than why they are held.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Entry {
    /// What the plan held last, or what was sent.
    pub digest: Option<Digest>,
    /// Why it is held, while nothing else is known.
    held: Option<Held>,
    /// Where there is more to remember.
    course: Option<Box<Course>>,
}

/// How far a delivery has come.
#[derive(Debug, Clone, PartialEq)]
pub struct Course {
    pub state: State,
    /// Attempts so far.
    pub attempts: u32,
    /// A person has dropped it; being in the queue does not bring it back.
    pub dropped: bool,
    /// A person has asked for another try: that its own time may have passed holds it back no more.
    pub asked: bool,
    /// Another attempt is owed, and the account as a whole holds it.
    pub halted: Option<Held>,
    /// Its place in the beat.
    pub sent: Option<Box<Sent>>,
    /// What an attempt has left for the next one.
    pub open: Option<Box<Open>>,
}

/// An [`Entry`] as an index keeps it.
#[derive(Serialize, Deserialize)]
struct Written<State, Sent, Open> {
    state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest: Option<Digest>,
    #[serde(default)]
    attempts: u32,
    #[serde(default)]
    dropped: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    asked: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    halted: Option<Held>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent: Option<Sent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    open: Option<Open>,
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Course { state, attempts, dropped, asked, halted, sent, open } = &**self;
        let (digest, attempts, dropped, asked, halted) = (self.digest, *attempts, *dropped, *asked, *halted);
        let (sent, open) = (sent.as_ref(), open.as_ref());
        Written { state, digest, attempts, dropped, asked, halted, sent, open }.serialize(to)
    }
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let Written { state, digest, attempts, dropped, asked, halted, sent, open } = Written::deserialize(from)?;
        let mut entry = Self { digest, ..Self::default() };
        entry.set(Course { state, attempts, dropped, asked, halted, sent, open });
        Ok(entry)
    }
}

/// A post's place in the beat.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sent {
    /// When its last attempt began.
    pub from: Timestamp,
    /// When that attempt was settled; none while it is not.
    pub to: Option<Timestamp>,
    pub slot: Option<Timestamp>,
    pub promotion: bool,
    /// Whether it counts for the gap, the day and the promotion share.
    pub counts: bool,
    pub fingerprint: u64,
}

/// An attempt that is not over, or whose results the next attempt goes on from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Open {
    pub intent: Intent,
    /// When the last intent was recorded.
    pub begun: Timestamp,
    /// Durable results of its steps.
    pub done: Vec<Checkpoint>,
    /// How many of `done` are published parts.
    pub published: u32,
    /// When it became doubtful whether it has arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubted: Option<Timestamp>,
    /// It may have arrived; "not there" counts from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ambiguous: Option<Timestamp>,
    /// Why the last attempt has not arrived, or is in doubt; none while nothing speaks against it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trouble: Option<String>,
}

/// The high-water mark of the clock after a record, from that before it.
pub fn clock_mark(before: Option<Timestamp>, record: &Record) -> Option<Timestamp> {
    match record.fact {
        Fact::ClockConfirmed { .. } => Some(record.at),
        _ => before.max(Some(record.at)),
    }
}

impl View {
    /// Adds what a record says. Records that make no sense (of a delivery that is over, say) change nothing: the
    /// ledger is the truth, and the view of a strange ledger must still be one.
    pub fn apply(&mut self, record: &Record) {
        self.clock_mark = clock_mark(self.clock_mark, record);
        if let Some(account) = record.fact.account() {
            self.accounts.entry(account.clone()).or_default().head.apply(record);
        }
        if let Some(delivery) = record.fact.delivery() {
            self.accounts.entry(delivery.account.clone()).or_default().apply(&delivery.post, record);
        }
        if let Fact::Gained(gain) = &record.fact {
            self.gains.insert(gain.key_hash());
        }
    }

    /// Puts back what an index has kept of an account.
    pub fn restore_head(&mut self, account: AccountId, head: Head) {
        self.accounts.entry(account).or_default().head = head;
    }

    /// Puts back what an index has kept of a delivery.
    pub fn restore_delivery(&mut self, delivery: DeliveryId, entry: Entry) {
        let DeliveryId { post, account } = delivery;
        let account = self.accounts.entry(account).or_default();
        account.enter(&post, Standing::of(&entry));
        account.deliveries.insert(post, entry);
    }

    /// Puts back what an index has kept of an outcome.
    pub fn restore_gain(&mut self, key: KeyHash) {
        self.gains.insert(key);
    }

    /// Whether there is an outcome with this key.
    pub fn knows_gain(&self, key: KeyHash) -> bool {
        self.gains.contains(&key)
    }

    pub fn account(&self, account: &AccountId) -> Option<&Account> {
        self.accounts.get(account)
    }

    pub fn accounts(&self) -> impl Iterator<Item = (&AccountId, &Account)> {
        self.accounts.iter()
    }

    pub fn entry(&self, delivery: &DeliveryId) -> Option<&Entry> {
        self.accounts.get(&delivery.account)?.entry(&delivery.post)
    }

    /// Whether a record changes anything about its delivery; one that makes no sense does not, nor does an outcome that
    /// is known.
    pub fn takes(&self, record: &Record) -> bool {
        if let Fact::Gained(gain) = &record.fact {
            return !self.knows_gain(gain.key_hash());
        }
        record.fact.delivery().and_then(|delivery| self.entry(delivery)).is_none_or(|entry| entry.takes(&record.fact))
    }
}

impl Account {
    pub fn entry(&self, post: &PostId) -> Option<&Entry> {
        self.deliveries.get(post).map(|(_, entry)| entry)
    }

    /// All deliveries, by post id.
    pub fn deliveries(&self) -> impl ExactSizeIterator<Item = (&PostId, &Entry)> {
        self.deliveries.iter().map(|(post, entry)| (post, entry))
    }

    /// Deliveries with an attempt under way or owed, by post id.
    pub fn open(&self) -> impl Iterator<Item = &PostId> {
        self.open.iter()
    }

    /// How many deliveries are in each state, by its name.
    pub fn counts(&self) -> &BTreeMap<&'static str, usize> {
        &self.counts
    }

    /// The id as it is held here: those who keep it for long share it.
    pub fn id(&self, post: &PostId) -> Option<&PostId> {
        self.deliveries.get(post).map(|(id, _)| id)
    }

    fn apply(&mut self, post: &PostId, record: &Record) {
        let (before, after) = match self.deliveries.get_mut(post) {
            Some(entry) => {
                let before = Standing::of(entry);
                entry.apply(record);
                (Some(before), Standing::of(entry))
            }
            None => {
                let mut entry = Entry::default();
                entry.apply(record);
                let after = Standing::of(&entry);
                self.deliveries.insert(post.clone(), entry);
                (None, after)
            }
        };
        if before != Some(after) {
            if let Some(before) = before {
                self.leave(post, before);
            }
            self.enter(post, after);
        }
    }

    fn leave(&mut self, post: &PostId, standing: Standing) {
        if let Some(from) = standing.sent {
            self.beat.remove(&(from, post.clone()));
        }
        if standing.open {
            self.open.remove(post);
        }
        if let Some(count) = self.counts.get_mut(standing.state) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(standing.state);
            }
        }
    }

    fn enter(&mut self, post: &PostId, standing: Standing) {
        if let Some(from) = standing.sent {
            self.beat.insert((from, post.clone()));
        }
        if standing.open {
            self.open.insert(post.clone());
        }
        *self.counts.entry(standing.state).or_default() += 1;
    }

    /// What was sent, latest first.
    pub fn beat(&self) -> impl Iterator<Item = (&PostId, &Sent)> {
        self.beat.iter().rev().filter_map(|(_, post)| {
            let sent = self.entry(post)?.sent.as_deref()?;
            Some((post, sent))
        })
    }
}

/// Where a delivery stands beside its entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Standing {
    sent: Option<Timestamp>,
    open: bool,
    state: &'static str,
}

impl Standing {
    fn of(entry: &Entry) -> Self {
        let sent = entry.sent.as_ref().map(|sent| sent.from);
        Self { sent, open: entry.state.is_open(), state: entry.state.name() }
    }
}

impl Deref for Entry {
    type Target = Course;

    fn deref(&self) -> &Course {
        self.course.as_deref().unwrap_or_else(|| planned(self.held))
    }
}

/// The course of a delivery that was only planned.
fn planned(held: Option<Held>) -> &'static Course {
    const fn course(state: State) -> Course {
        Course { state, attempts: 0, dropped: false, asked: false, halted: None, sent: None, open: None }
    }
    macro_rules! planned {
        ($($reason:ident)*) => {
            match held {
                None => {
                    static SCHEDULED: Course = course(State::Scheduled);
                    &SCHEDULED
                }
                $(Some(Held::$reason) => {
                    static HELD: Course = course(State::Held { reason: Held::$reason, detail: None });
                    &HELD
                })*
            }
        };
    }
    planned!(NotApproved ApprovalStale Invalid MediaMissing WaitingSeries PromotionShare Unanswered Budget AccountAuth AccountPaused NotBefore Duplicate)
}

impl Entry {
    /// Adds what a record of this delivery says.
    pub fn apply(&mut self, record: &Record) {
        if !self.takes(&record.fact) {
            return;
        }
        match &record.fact {
            // What was sent stays what is known of an attempt that is owed.
            Fact::Planned { digest, .. } if !self.state.is_open() => self.digest = Some(*digest),
            Fact::Intent(intent) => self.digest = Some(intent.digest),
            _ => {}
        }
        let mut course = self.course.take().map_or_else(|| planned(self.held).clone(), |course| *course);
        course.apply(record);
        self.set(course);
    }

    fn set(&mut self, course: Course) {
        self.held = if let State::Held { reason, .. } = course.state { Some(reason) } else { None };
        let only_planned = course == *planned(self.held);
        if !only_planned {
            (self.held, self.course) = (None, Some(Box::new(course)));
        }
    }
}

impl Course {
    /// Whether what a record says can follow what is known. A verdict of the plan that was written late must not
    /// bring a delivery back that was sent or dropped meanwhile, nor an outcome end another attempt than its own.
    fn takes(&self, fact: &Fact) -> bool {
        let plans = match self.state {
            State::Held { .. } | State::Scheduled | State::Missed | State::Expired | State::Withdrawn => !self.dropped,
            State::Sending { .. }
            | State::Retrying { .. }
            | State::Uncertain { .. }
            | State::Delivered { .. }
            | State::Refused { .. } => false,
        };
        match fact {
            // That its account holds what is owed, and that it does not any more.
            Fact::Planned { held, .. } if matches!(self.state, State::Retrying { .. }) => {
                held.map_or(self.halted.is_some(), Held::is_of_the_account)
            }
            Fact::Planned { .. } | Fact::Missed { .. } | Fact::Expired { .. } | Fact::Withdrawn { .. } => plans,
            Fact::Outcome { attempt, .. } => self.state.is_open() && *attempt == self.attempts,
            Fact::Resolved { .. } => !matches!(self.state, State::Sending { .. } | State::Delivered { .. }),
            // What a person decided while an intent was on its way stands: the attempt finds no intent of its own.
            Fact::Intent(_) => !self.dropped && !matches!(self.state, State::Delivered { .. }),
            _ => true,
        }
    }

    /// Adds what a record that it takes says.
    fn apply(&mut self, record: &Record) {
        let at = record.at;
        match &record.fact {
            Fact::Planned { held, .. } if matches!(self.state, State::Retrying { .. }) => self.halted = *held,
            Fact::Planned { held, detail, .. } => {
                self.state = match held {
                    Some(reason) => State::Held { reason: *reason, detail: detail.as_deref().map(Into::into) },
                    None => State::Scheduled,
                };
            }
            Fact::Intent(intent) => self.begin(intent, at),
            Fact::Checkpoint { step, data, publishes, .. } => {
                if let Some(open) = &mut self.open {
                    open.done.push(Checkpoint { step: step.clone(), data: data.clone() });
                    open.published += u32::from(*publishes);
                    open.ambiguous = None;
                    open.trouble = None;
                }
            }
            Fact::Outcome { attempt, outcome, .. } => self.conclude(*attempt, outcome, at),
            Fact::Missed { .. } => self.state = State::Missed,
            Fact::Expired { .. } => self.state = State::Expired,
            Fact::Withdrawn { by, .. } => {
                self.state = State::Withdrawn;
                self.dropped |= by.is_some();
            }
            Fact::Resolved { decision, .. } => self.resolve(decision, at),
            Fact::DeliverySetBack { to, .. } => self.set_back(*to, at),
            _ => {}
        }
    }

    /// Whether it did something, or waits for a moment that was told, ahead of the clock at `now`.
    pub fn is_ahead(&self, now: Timestamp) -> bool {
        let sent = self.sent.as_ref().is_some_and(|sent| sent.from.max(sent.to.unwrap_or(sent.from)) > now);
        let open = self.open.as_ref().is_some_and(|open| open.begun.max(open.doubted.unwrap_or(open.begun)) > now);
        sent || open || matches!(self.state, State::Retrying { at, .. } if at > now)
    }

    /// The clock was ahead, and is right at `now`. What may still arrive has as long as it had.
    fn set_back(&mut self, to: Timestamp, now: Timestamp) {
        if let Some(sent) = &mut self.sent {
            if sent.from > now {
                sent.from = to.min(now);
            }
            sent.to = sent.to.map(|settled| settled.min(now));
        }
        if let Some(open) = &mut self.open {
            let known = open.doubted.unwrap_or(open.begun);
            if known > now {
                open.ambiguous = open.ambiguous.map(|settle| time::after(now, time::since(settle, known)));
            }
            open.begun = open.begun.min(now);
            open.doubted = open.doubted.map(|doubted| doubted.min(now));
        }
        if let State::Retrying { at, .. } = &mut self.state {
            *at = (*at).min(now);
        }
    }

    fn begin(&mut self, intent: &Intent, at: Timestamp) {
        let same = |open: &Open| {
            open.intent.key == intent.key && !open.intent.is_elsewhere(&intent.platform, intent.host.as_deref())
        };
        let earlier = self.open.take().filter(|open| same(open));
        let (done, published) = earlier.map_or((Vec::new(), 0), |open| (open.done, open.published));
        self.state = State::Sending { attempt: intent.attempt };
        self.attempts = intent.attempt;
        self.halted = None;
        self.sent = Some(Box::new(Sent {
            from: at,
            to: None,
            slot: intent.slot,
            promotion: intent.promotion,
            counts: intent.counts,
            fingerprint: intent.fingerprint,
        }));
        self.open = Some(Box::new(Open {
            intent: intent.clone(),
            begun: at,
            done,
            published,
            doubted: None,
            ambiguous: None,
            trouble: None,
        }));
    }

    fn conclude(&mut self, attempt: u32, outcome: &Outcome, at: Timestamp) {
        if let Some(sent) = &mut self.sent {
            sent.to = Some(at);
        }
        self.halted = None;
        match outcome {
            Outcome::Delivered { remote, .. } => {
                self.state = State::Delivered { attempt, remote: Box::new(remote.clone()) };
                self.open = None;
                self.asked = false;
            }
            Outcome::Retry { until, counted, why } => {
                self.state = State::Retrying { attempt, at: *until };
                if let Some(open) = &mut self.open {
                    open.intent.tries = open.intent.tries.saturating_add(u32::from(*counted));
                }
                self.not_out(why);
            }
            Outcome::RateLimited { until, why } => {
                self.state = State::Retrying { attempt, at: *until };
                self.not_out(why);
            }
            Outcome::Auth { why } => {
                self.state = State::Retrying { attempt, at };
                self.halted = Some(Held::AccountAuth);
                self.not_out(why);
            }
            Outcome::Refused { why } => {
                self.state = State::Refused { attempt, why: why.as_str().into() };
                self.asked = false;
                self.forget_unless_published();
            }
            Outcome::Ambiguous { settle, why } => {
                self.state = State::Sending { attempt };
                if let Some(sent) = &mut self.sent {
                    sent.to = None;
                }
                if let Some(open) = &mut self.open {
                    open.ambiguous = Some(*settle);
                    open.doubted = Some(at);
                    open.trouble = Some(why.clone());
                }
            }
            Outcome::Uncertain { why } => {
                self.state = State::Uncertain { attempt, why: why.as_str().into() };
                self.asked = false;
            }
            Outcome::Abandoned { .. } => {
                self.state = State::Scheduled;
                self.asked = false;
                self.forget_unless_published();
            }
        }
    }

    /// Another attempt is owed, and this is why.
    fn not_out(&mut self, why: &str) {
        if let Some(open) = &mut self.open {
            open.ambiguous = None;
            open.trouble = Some(why.to_owned());
        }
    }

    /// After an attempt that surely published nothing, nothing counts for the beat.
    fn forget_unless_published(&mut self) {
        if self.open.as_ref().is_none_or(|open| open.published == 0) {
            self.sent = None;
            self.open = None;
        }
    }

    fn resolve(&mut self, decision: &Decision, at: Timestamp) {
        let attempt = self.attempts;
        if let Some(sent) = &mut self.sent {
            sent.to = Some(at);
        }
        self.halted = None;
        match decision {
            Decision::Delivered { url } => {
                let remote = Remote { id: url.clone(), url: Some(url.clone()), reference: JsonText::default() };
                self.state = State::Delivered { attempt, remote: Box::new(remote) };
                self.open = None;
            }
            Decision::Retry => {
                self.state = State::Retrying { attempt, at };
                self.dropped = false;
                self.asked = true;
                if let Some(open) = &mut self.open {
                    open.intent.tries = 0;
                    open.ambiguous = None;
                    open.trouble = None;
                }
            }
            Decision::Drop => {
                self.state = State::Withdrawn;
                self.dropped = true;
            }
        }
    }

    /// Why an attempt is owed, or in doubt.
    pub fn trouble(&self) -> Option<String> {
        let trouble = self.open.as_ref().and_then(|open| open.trouble.clone());
        let asked = self.asked.then(|| "a person wants it sent".to_owned());
        trouble.or(asked).filter(|_| self.state.is_open())
    }

    /// What the platform calls it, once it is delivered.
    pub fn remote(&self) -> Option<&Remote> {
        match &self.state {
            State::Delivered { remote, .. } => Some(remote),
            _ => None,
        }
    }
}

impl Head {
    /// What was spent in a month, with what is set aside in it.
    pub fn spent(&self, month: Month) -> Spend {
        self.spent.iter().find(|(known, _)| *known == month).map_or_else(Spend::default, |(_, spent)| *spent)
    }

    fn spend(&mut self, month: Month, spend: Spend) {
        let sum = self.spent(month).plus(spend);
        self.spent.retain(|(known, _)| *known != month);
        self.spent.push((month, sum));
        let most = self.spent.len().saturating_sub(MONTHS);
        self.spent.drain(..most);
    }

    /// Whether something of it lies ahead of the clock at `now`.
    pub fn is_ahead(&self, now: Timestamp) -> bool {
        self.cursor.max(self.clock_set).is_some_and(|latest| latest > now)
    }

    /// Adds what a record of this account, or of one of its deliveries, says.
    pub fn apply(&mut self, record: &Record) {
        match &record.fact {
            Fact::AccountStopped { why, .. } => self.stopped = Some(why.clone()),
            Fact::AccountResumed { .. } => self.stopped = None,
            Fact::ClockSet { .. } => self.clock_set = Some(record.at),
            Fact::AccountSetBack { .. } => {
                self.cursor = self.cursor.map(|cursor| cursor.min(record.at));
                self.clock_set = self.clock_set.map(|set| set.min(record.at));
            }
            Fact::Pinned { identity, .. } => self.pinned = Some(identity.clone()),
            Fact::TokensKept { sealed: Some(sealed), .. } => self.tokens = Some(sealed.clone()),
            Fact::Spent { month, spend, .. } => self.spend(*month, *spend),
            Fact::SlotEmpty { slot, .. } => self.cursor = self.cursor.max(Some(*slot)),
            Fact::Intent(intent) if !intent.fixed => self.cursor = self.cursor.max(intent.slot),
            // The account's first record: slots before it were never promised.
            Fact::Planned { .. } => {
                self.cursor.get_or_insert(record.at);
            }
            _ => {}
        }
    }
}

impl Fact {
    /// The delivery it is about.
    pub fn delivery(&self) -> Option<&DeliveryId> {
        match self {
            Self::Planned { delivery, .. }
            | Self::Checkpoint { delivery, .. }
            | Self::Outcome { delivery, .. }
            | Self::Missed { delivery, .. }
            | Self::Expired { delivery }
            | Self::Withdrawn { delivery, .. }
            | Self::DeliverySetBack { delivery, .. }
            | Self::Resolved { delivery, .. } => Some(delivery),
            Self::Intent(intent) => Some(&intent.delivery),
            Self::Opened { .. }
            | Self::SlotEmpty { .. }
            | Self::AccountStopped { .. }
            | Self::AccountResumed { .. }
            | Self::AccountSetBack { .. }
            | Self::Pinned { .. }
            | Self::TokensKept { .. }
            | Self::Spent { .. }
            | Self::Gained(_)
            | Self::ClockSet { .. }
            | Self::ClockConfirmed { .. } => None,
        }
    }

    /// The account whose [`Head`] it may change.
    pub fn account(&self) -> Option<&AccountId> {
        match self {
            Self::SlotEmpty { account, .. }
            | Self::AccountStopped { account, .. }
            | Self::AccountResumed { account }
            | Self::AccountSetBack { account }
            | Self::ClockSet { account, .. }
            | Self::TokensKept { account, .. }
            | Self::Spent { account, .. }
            | Self::Pinned { account, .. } => Some(account),
            Self::Intent(intent) => Some(&intent.delivery.account),
            Self::Planned { delivery, .. } => Some(&delivery.account),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::Dollars;

    /// A record: second, then what happened.
    type Line = (i64, Fact);

    #[test]
    fn the_state_follows_the_last_record() {
        let cases: Vec<(&str, Vec<Line>, State)> = vec![
            ("planned", vec![(1, planned(None))], State::Scheduled),
            (
                "held",
                vec![(1, planned(None)), (2, planned(Some(Held::NotBefore)))],
                State::Held { reason: Held::NotBefore, detail: None },
            ),
            ("begun", vec![(1, intent(1, "k"))], State::Sending { attempt: 1 }),
            ("a step", vec![(1, intent(1, "k")), (2, step("upload", false))], State::Sending { attempt: 1 }),
            ("delivered", vec![(1, intent(1, "k")), (2, outcome(1, delivered()))], arrived(1, "42", None)),
            (
                "retry",
                vec![(1, intent(1, "k")), (2, outcome(1, retry(90, true)))],
                State::Retrying { attempt: 1, at: at(90) },
            ),
            (
                "rate limit",
                vec![(1, intent(1, "k")), (2, outcome(1, limited(90)))],
                State::Retrying { attempt: 1, at: at(90) },
            ),
            (
                "token",
                vec![(1, intent(1, "k")), (2, outcome(1, Outcome::Auth { why: "401".into() }))],
                State::Retrying { attempt: 1, at: at(2) },
            ),
            (
                "refused",
                vec![(1, intent(1, "k")), (2, outcome(1, refused()))],
                State::Refused { attempt: 1, why: "422".into() },
            ),
            ("in doubt", vec![(1, intent(1, "k")), (2, outcome(1, ambiguous(60)))], State::Sending { attempt: 1 }),
            (
                "nobody knows",
                vec![(1, intent(1, "k")), (2, outcome(1, ambiguous(60))), (61, outcome(1, uncertain()))],
                State::Uncertain { attempt: 1, why: "lost".into() },
            ),
            ("given up before it left", vec![(1, intent(1, "k")), (2, outcome(1, abandoned()))], State::Scheduled),
            ("missed", vec![(1, planned(None)), (9, missed())], State::Missed),
            ("expired", vec![(1, planned(None)), (9, Fact::Expired { delivery: id() })], State::Expired),
            ("left the queue", vec![(1, planned(None)), (9, withdrawn(None))], State::Withdrawn),
            ("came back", vec![(1, withdrawn(None)), (9, planned(None))], State::Scheduled),
            (
                "a person found it",
                vec![
                    (1, intent(1, "k")),
                    (2, outcome(1, uncertain())),
                    (3, resolved(Decision::Delivered { url: "https://a/1".into() })),
                ],
                arrived(1, "https://a/1", Some("https://a/1")),
            ),
            (
                "a person wants it sent",
                vec![(1, intent(1, "k")), (2, outcome(1, uncertain())), (3, resolved(Decision::Retry))],
                State::Retrying { attempt: 1, at: at(3) },
            ),
            (
                "a person gives it up",
                vec![(1, intent(1, "k")), (2, outcome(1, uncertain())), (3, resolved(Decision::Drop))],
                State::Withdrawn,
            ),
            (
                "an intent from before a person gave it up",
                vec![(1, planned(None)), (2, missed()), (3, resolved(Decision::Drop)), (3, intent(1, "k"))],
                State::Withdrawn,
            ),
            (
                "an intent from before a person published it by hand",
                vec![
                    (1, planned(None)),
                    (2, missed()),
                    (3, resolved(Decision::Delivered { url: "https://a/1".into() })),
                    (3, intent(1, "k")),
                ],
                arrived(0, "https://a/1", Some("https://a/1")),
            ),
            (
                "a plan from before a person gave it up",
                vec![(1, planned(None)), (2, missed()), (3, resolved(Decision::Drop)), (3, planned(None))],
                State::Withdrawn,
            ),
        ];
        for (what, lines, state) in cases {
            let view = fold(&lines);
            assert_eq!(view.entry(&id()).unwrap().state, state, "{what}");
        }
    }

    #[test]
    fn the_beat_holds_what_was_sent_or_may_have_been() {
        type Case = (&'static str, Vec<Line>, Option<(i64, Option<i64>)>);
        // What happened; then, for the beat: begun at, settled at.
        let cases: Vec<Case> = vec![
            ("nothing sent", vec![(1, planned(None))], None),
            ("under way", vec![(1, intent(1, "k"))], Some((1, None))),
            ("delivered", vec![(1, intent(1, "k")), (5, outcome(1, delivered()))], Some((1, Some(5)))),
            ("in doubt", vec![(1, intent(1, "k")), (5, outcome(1, ambiguous(60)))], Some((1, None))),
            ("nobody knows", vec![(1, intent(1, "k")), (5, outcome(1, uncertain()))], Some((1, Some(5)))),
            ("refused", vec![(1, intent(1, "k")), (5, outcome(1, refused()))], None),
            (
                "refused after a part was there",
                vec![(1, intent(1, "k")), (2, step("part", true)), (5, outcome(1, refused()))],
                Some((1, Some(5))),
            ),
            ("given up", vec![(1, intent(1, "k")), (5, outcome(1, abandoned()))], None),
            (
                "sent again later",
                vec![(1, intent(1, "k")), (2, outcome(1, retry(30, true))), (30, intent(2, "k"))],
                Some((30, None)),
            ),
        ];
        for (what, lines, sent) in cases {
            let view = fold(&lines);
            let account = view.account(&id().account).unwrap();
            let beat: Vec<_> = account.beat().map(|(_, sent)| (sent.from, sent.to)).collect();
            let sent: Vec<_> = sent.into_iter().map(|(from, to)| (at(from), to.map(at))).collect();
            assert_eq!(beat, sent, "{what}");
        }
    }

    #[test]
    fn the_next_attempt_on_the_same_content_goes_on_from_the_last() {
        let first = [(1, intent(1, "k")), (2, step("upload", false)), (3, step("part", true))];
        type Case = (&'static str, Vec<Line>, Option<(usize, u32, u32)>);
        // What follows; then steps kept, parts published, tries used up.
        let cases: Vec<Case> = vec![
            ("nothing", vec![], Some((2, 1, 0))),
            ("counted", vec![(4, outcome(1, retry(9, true)))], Some((2, 1, 1))),
            ("not counted", vec![(4, outcome(1, limited(9)))], Some((2, 1, 0))),
            ("same content", vec![(4, outcome(1, retry(9, true))), (9, intent(2, "k"))], Some((2, 1, 0))),
            ("other content", vec![(4, outcome(1, retry(9, true))), (9, intent(2, "l"))], Some((0, 0, 0))),
            ("decided", vec![(4, outcome(1, retry(9, true))), (5, resolved(Decision::Retry))], Some((2, 1, 0))),
            ("over", vec![(4, outcome(1, delivered()))], None),
        ];
        for (what, lines, expected) in cases {
            let view = fold(&[&first[..], &lines[..]].concat());
            let open = view.entry(&id()).unwrap().open.as_ref();
            assert_eq!(open.map(|open| (open.done.len(), open.published, open.intent.tries)), expected, "{what}");
        }
    }

    #[test]
    fn doubt_ends_with_evidence() {
        let doubt = [(1, intent(1, "k")), (2, outcome(1, ambiguous(60)))];
        let settle = |more: &[Line]| {
            fold(&[&doubt[..], more].concat()).entry(&id()).unwrap().open.as_ref().and_then(|open| open.ambiguous)
        };
        assert_eq!(settle(&[]), Some(at(60)));
        assert_eq!(settle(&[(70, step("found", true))]), None);
        assert_eq!(settle(&[(70, outcome(1, retry(80, true)))]), None);
        assert_eq!(settle(&[(70, outcome(1, uncertain()))]), Some(at(60)));
    }

    #[test]
    fn what_makes_no_sense_changes_nothing() {
        let begun = vec![(1, intent(1, "k"))];
        let retrying = vec![(1, intent(1, "k")), (2, outcome(1, retry(9, true)))];
        let done = vec![(1, intent(1, "k")), (2, outcome(1, delivered()))];
        let doubtful = vec![(1, intent(1, "k")), (2, outcome(1, uncertain()))];
        let again = vec![(1, intent(1, "k")), (2, outcome(1, retry(9, true))), (9, intent(2, "k"))];
        let cases: Vec<(&str, &[Line], Fact)> = vec![
            ("a plan that was written late", &done, planned(None)),
            ("a plan during an attempt", &begun, planned(Some(Held::NotApproved))),
            ("a plan between two attempts", &retrying, planned(None)),
            ("a plan of what is in doubt", &doubtful, planned(None)),
            ("missed after all", &done, missed()),
            ("withdrawn while it is being sent", &begun, withdrawn(None)),
            ("withdrawn after it was sent", &done, withdrawn(None)),
            ("the outcome of an earlier attempt", &again, outcome(1, abandoned())),
            ("a second outcome", &done, outcome(1, retry(20, true))),
            ("a decision on what is delivered", &done, resolved(Decision::Retry)),
        ];
        for (what, lines, fact) in cases {
            let before = fold(lines);
            let mut view = before.clone();
            view.apply(&Record::new(at(30), fact));
            assert_eq!(view.entry(&id()), before.entry(&id()), "{what}");
        }
    }

    #[test]
    fn a_delivery_that_was_only_planned_takes_no_more_than_its_digest() {
        assert!(size_of::<(PostId, Entry)>() <= 64, "{}", size_of::<(PostId, Entry)>());
        let kept = |lines: &[Line]| fold(lines).entry(&id()).unwrap().course.is_some();
        let detailed = || Fact::Planned {
            delivery: id(),
            digest: Digest::of(b"desk"),
            held: Some(Held::NotBefore),
            detail: Some("not before noon".into()),
        };
        let given_up = [(1, intent(1, "k")), (2, outcome(1, abandoned()))];
        assert!(!kept(&[(1, planned(None))]));
        assert!(!kept(&[(1, detailed()), (2, planned(Some(Held::PromotionShare)))]));
        assert!(kept(&[(1, planned(None)), (2, detailed())]));
        assert!(kept(&[(1, planned(Some(Held::NotApproved))), (2, withdrawn(None))]));
        // That there was an attempt is not forgotten.
        assert!(kept(&given_up));
    }

    #[test]
    fn what_is_owed_is_held_with_its_account_and_stays_owed() {
        let owed = [(1, intent(1, "k")), (2, outcome(1, retry(60, true)))];
        let with = |more: &[Line]| fold(&[&owed, more].concat());
        let halted = |view: &View| view.entry(&id()).unwrap().halted;
        let before = with(&[]);
        let other = Fact::Planned {
            delivery: id(),
            digest: Digest::of(b"other"),
            held: Some(Held::AccountPaused),
            detail: None,
        };
        let held = with(&[(3, other)]);
        let (entry, then) = (held.entry(&id()).unwrap(), before.entry(&id()).unwrap());
        assert_eq!(entry.halted, Some(Held::AccountPaused));
        assert_eq!((entry.digest, &entry.state, &entry.open), (then.digest, &then.state, &then.open));
        let kept: Entry = serde_json::from_value(serde_json::to_value(entry).unwrap()).unwrap();
        assert_eq!(&kept, entry);
        let paused = (3, planned(Some(Held::AccountPaused)));
        assert_eq!(halted(&with(&[paused.clone(), (4, planned(None))])), None);
        assert_eq!(halted(&with(&[paused.clone(), (4, intent(2, "k"))])), None);
        assert_eq!(halted(&with(&[paused.clone(), (4, resolved(Decision::Retry))])), None);
        assert_eq!(halted(&with(&[paused, (4, outcome(1, abandoned()))])), None);
        let refused = fold(&[(1, intent(1, "k")), (2, outcome(1, Outcome::Auth { why: "401".into() }))]);
        assert_eq!(halted(&refused), Some(Held::AccountAuth));
        // The plan has nothing else to say of it.
        for held in [None, Some(Held::NotApproved)] {
            assert!(!before.takes(&Record::new(at(3), planned(held))));
        }
    }

    #[test]
    fn a_person_s_drop_outlives_the_queue() {
        let view = fold(&[(1, planned(None)), (2, withdrawn(Some("me"))), (3, planned(None))]);
        assert!(view.entry(&id()).unwrap().dropped);
        let view = fold(&[(1, withdrawn(Some("me"))), (2, resolved(Decision::Retry))]);
        assert!(!view.entry(&id()).unwrap().dropped);
    }

    #[test]
    fn an_account_remembers_its_slots_its_token_and_its_name() {
        let account = || id().account;
        let empty = |slot| Fact::SlotEmpty { account: account(), slot: at(slot), reason: "nothing".into(), run: None };
        let stopped = || Fact::AccountStopped { account: account(), why: "401".into() };
        let head = |cursor: Option<i64>, stopped: bool| Head {
            stopped: stopped.then(|| "401".into()),
            pinned: None,
            tokens: None,
            cursor: cursor.map(at),
            clock_set: None,
            spent: Vec::new(),
        };
        let cases: Vec<(&str, Vec<Line>, Head)> = vec![
            ("slots begin with the first plan", vec![(5, planned(None))], head(Some(5), false)),
            ("and only with the first", vec![(5, planned(None)), (6, planned(None))], head(Some(5), false)),
            ("an attempt uses its slot", vec![(5, planned(None)), (6, intent(1, "k"))], head(Some(100), false)),
            ("a fixed time uses none", vec![(5, planned(None)), (6, fixed())], head(Some(5), false)),
            ("an empty slot is over", vec![(5, planned(None)), (9, empty(8))], head(Some(8), false)),
            ("an earlier one takes nothing back", vec![(9, empty(8)), (10, empty(7))], head(Some(8), false)),
            ("stopped", vec![(1, stopped())], head(None, true)),
            ("going on", vec![(1, stopped()), (2, Fact::AccountResumed { account: account() })], head(None, false)),
        ];
        for (what, lines, expected) in cases {
            assert_eq!(fold(&lines).account(&account()).unwrap().head, expected, "{what}");
        }
        let pinned = fold(&[(1, Fact::Pinned { account: account(), identity: "110".into() })]);
        assert_eq!(pinned.account(&account()).unwrap().head.pinned.as_deref(), Some("110"));
        let sealed = |text: &str| serde_json::from_value(json!({"origin": "00", "text": text})).unwrap();
        let kept = |text| Fact::TokensKept { account: account(), sealed: Some(sealed(text)) };
        let shown = Fact::TokensKept { account: account(), sealed: None };
        let tokens = fold(&[(1, kept("first")), (2, kept("second")), (3, shown)]);
        assert_eq!(tokens.account(&account()).unwrap().head.tokens, Some(sealed("second")));
    }

    #[test]
    fn an_account_remembers_what_it_spent_in_its_last_months() {
        let spent = |month: &str, money| Fact::Spent {
            account: id().account,
            month: month.parse().unwrap(),
            spend: Spend { money: Dollars(money), reads: 2, writes: 1 },
        };
        let lines =
            [(1, spent("2026-10", 7)), (2, spent("2026-11", 30)), (3, spent("2026-11", -10)), (4, spent("2031-01", 1))];
        let sums = |lines: &[Line]| {
            let view = fold(lines);
            let head = &view.account(&id().account).unwrap().head;
            ["2026-10", "2026-11", "2026-12", "2031-01"].map(|month| head.spent(month.parse().unwrap()).money.0)
        };
        assert_eq!(sums(&lines), [7, 20, 0, 1]);
        let view = fold(&lines);
        let november = view.account(&id().account).unwrap().head.spent("2026-11".parse().unwrap());
        assert_eq!((november.reads, november.writes), (4, 2));
        // The oldest is forgotten, and not the one that a wrong clock has put behind all others.
        assert_eq!(sums(&[&lines[..], &[(5, spent("2026-12", 5)), (6, spent("2026-11", 1))]].concat()), [0, 21, 5, 1]);
    }

    #[test]
    fn the_clock_s_mark_only_rises_unless_a_person_says_so() {
        let opened = || Fact::Opened { program: "0.1.0".into() };
        let confirmed = Fact::ClockConfirmed { by: "me".into() };
        assert_eq!(fold(&[(5, opened()), (3, opened())]).clock_mark, Some(at(5)));
        assert_eq!(fold(&[(5, opened()), (3, confirmed), (4, opened())]).clock_mark, Some(at(4)));
    }

    #[test]
    fn an_attempt_that_is_owed_or_in_doubt_has_a_reason() {
        let lines = [
            (1, intent(1, "k")),
            (2, outcome(1, retry(90, true))),
            (90, intent(2, "k")),
            (91, outcome(2, ambiguous(60))),
            (92, step("part", true)),
            (93, outcome(2, uncertain())),
            (94, resolved(Decision::Retry)),
            (95, intent(3, "k")),
        ];
        let reasons: Vec<_> = (1..=lines.len()).map(|n| fold(&lines[..n]).entry(&id()).unwrap().trouble()).collect();
        let [retry, doubt] = [&lines[1], &lines[3]].map(|(_, fact)| match fact {
            Fact::Outcome { outcome: Outcome::Retry { why, .. } | Outcome::Ambiguous { why, .. }, .. } => {
                Some(why.clone())
            }
            _ => None,
        });
        let asked = Some("a person wants it sent".to_owned());
        assert_eq!(reasons, [None, retry, None, doubt, None, None, asked.clone(), asked]);
    }

    #[test]
    fn an_outcome_is_known_by_its_key_and_changes_no_delivery() {
        let bought = |key: &str| Fact::Gained(Box::new(serde_json::from_value(gain(key)).unwrap()));
        let view = fold(&[(1, planned(None)), (2, bought("order-1"))]);
        assert!(view.knows_gain(hash("order-1")) && !view.knows_gain(hash("order-2")));
        assert!(!view.takes(&Record::new(at(3), bought("order-1"))), "the first counts");
        assert!(view.takes(&Record::new(at(3), bought("order-2"))));
        assert_eq!(view.entry(&id()), fold(&[(1, planned(None))]).entry(&id()));
        assert_eq!(fold(&[(2, bought("order-1"))]).accounts().count(), 0);
    }

    fn hash(key: &str) -> KeyHash {
        serde_json::from_value::<crate::domain::Gain>(gain(key)).unwrap().key_hash()
    }

    fn gain(key: &str) -> serde_json::Value {
        json!({"key": key, "at": at(0), "kind": "lead", "post": "desk", "account": "fedi"})
    }

    #[test]
    fn restored_parts_make_the_same_view() {
        let bought = Fact::Gained(Box::new(serde_json::from_value(gain("order-1")).unwrap()));
        let lines = [
            (1, planned(None)),
            (2, intent(1, "k")),
            (3, step("part", true)),
            (4, outcome(1, ambiguous(60))),
            (5, bought),
        ];
        let view = fold(&lines);
        let mut restored = View { clock_mark: view.clock_mark, ..View::default() };
        for (name, account) in view.accounts() {
            let again = |text: String| serde_json::from_str(&text).unwrap();
            restored.restore_head(name.clone(), again(serde_json::to_string(&account.head).unwrap()));
            for (post, entry) in account.deliveries() {
                let entry = serde_json::from_str(&serde_json::to_string(entry).unwrap()).unwrap();
                restored.restore_delivery(DeliveryId::new(post.clone(), name.clone()), entry);
            }
        }
        restored.restore_gain(hash("order-1"));
        assert_eq!(restored, view);
    }

    fn fold(lines: &[Line]) -> View {
        let mut view = View::default();
        for (second, fact) in lines {
            view.apply(&Record::new(at(*second), fact.clone()));
        }
        view
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn id() -> DeliveryId {
        "desk@fedi".parse().unwrap()
    }

    fn planned(held: Option<Held>) -> Fact {
        Fact::Planned { delivery: id(), digest: Digest::of(b"desk"), held, detail: None }
    }

    fn plain_intent(attempt: u32, key: &str) -> Intent {
        Intent {
            delivery: id(),
            platform: "mastodon".into(),
            host: None,
            attempt,
            tries: 0,
            digest: Digest::of(b"desk"),
            key: key.into(),
            slot: Some(at(100)),
            fixed: false,
            fingerprint: 1,
            promotion: false,
            counts: true,
            body: String::new(),
            link: None,
            by: None,
            frozen: json!(null),
            started: at(0),
        }
    }

    fn intent(attempt: u32, key: &str) -> Fact {
        Fact::Intent(Box::new(plain_intent(attempt, key)))
    }

    fn fixed() -> Fact {
        Fact::Intent(Box::new(Intent { fixed: true, ..plain_intent(1, "k") }))
    }

    fn step(name: &str, publishes: bool) -> Fact {
        let (delivery, step) = (id(), name.into());
        Fact::Checkpoint { delivery, attempt: 1, step, data: json!({}), publishes, reconciled: false }
    }

    fn outcome(attempt: u32, outcome: Outcome) -> Fact {
        Fact::Outcome { delivery: id(), attempt, outcome }
    }

    fn delivered() -> Outcome {
        let remote = Remote { id: "42".into(), url: None, reference: JsonText::default() };
        Outcome::Delivered { remote, reconciled: false }
    }

    fn arrived(attempt: u32, remote: &str, url: Option<&str>) -> State {
        let remote = Remote { id: remote.into(), url: url.map(Into::into), reference: JsonText::default() };
        State::Delivered { attempt, remote: Box::new(remote) }
    }

    fn retry(until: i64, counted: bool) -> Outcome {
        Outcome::Retry { until: at(until), why: "503".into(), counted }
    }

    fn limited(until: i64) -> Outcome {
        Outcome::RateLimited { until: at(until), why: "429".into() }
    }

    fn refused() -> Outcome {
        Outcome::Refused { why: "422".into() }
    }

    fn ambiguous(settle: i64) -> Outcome {
        Outcome::Ambiguous { why: "lost".into(), settle: at(settle) }
    }

    fn uncertain() -> Outcome {
        Outcome::Uncertain { why: "lost".into() }
    }

    fn abandoned() -> Outcome {
        Outcome::Abandoned { why: "withdrawn".into() }
    }

    fn missed() -> Fact {
        Fact::Missed { delivery: id(), slot: at(5) }
    }

    fn withdrawn(by: Option<&str>) -> Fact {
        Fact::Withdrawn { delivery: id(), by: by.map(Into::into) }
    }

    fn resolved(decision: Decision) -> Fact {
        Fact::Resolved { delivery: id(), decision, by: "me".into() }
    }
}
