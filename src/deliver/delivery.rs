//! One delivery in progress.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::domain::policy::DeliveryRules;
use crate::domain::{Checkpoint, DeliveryId, Spend, Timestamp, time};
use crate::ledger::Outcome;
use crate::platform::contract::{
    Adapter, Attempt, Effect, Evidence, Failure, Job, Next, Purpose, Reading, Reply, Secrets, Session, Step,
};

use super::echo::without_secrets;
use super::retry::{at_least, backoff};

/// When a read-back's "not there" may count at the earliest, where neither the configuration nor the platform asks for
/// another time. Requests have been seen to take effect minutes after the client gave up on them.
const SETTLE: Duration = Duration::from_secs(5 * 60);
/// How soon the first look follows a lost reply. What is found then is found; what is not found then means nothing.
const FIRST_LOOK: Duration = Duration::from_secs(10);
/// Time between the two looks that must agree that nothing is there.
const BETWEEN_LOOKS: Duration = Duration::from_secs(2 * 60);
/// How long looking may fail before a person is asked.
const LOOK_PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);
/// For how long in all a platform that asks to wait is waited for before a person is asked: longer than a month's cap may
/// stand nobody keeps an account waiting for one post.
const LIMITED_PATIENCE: Duration = Duration::from_secs(5 * 24 * 60 * 60);
/// How often the account may be let in again and looking for one post be refused all the same, before a person is asked.
const SHUT_OUT: u32 = 5;
/// Longest time in all that one attempt waits for media to be processed.
const WAIT_PATIENCE: Duration = Duration::from_secs(60 * 60);
/// Most calls of one attempt, beside those its parts and media need.
const SPARE_CALLS: u32 = 200;
/// Most times that account state may change in one attempt: log in, refresh, read limits, and each once more.
const SESSION_CHANGES: u32 = 8;
/// Most times that an attempt does its uploads again.
const REDOS: u32 = 2;

/// What is said of a delivery that nothing is left to send of, and that a person has to look for.
pub const UNNAMED: &str = "all of it is published, but its address is not known";

/// What the daemon still wants of a delivery that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// That it be published.
    Publish,
    /// The post was withdrawn or changed: only find out whether it arrived.
    Settle,
}

/// What a delivery wants done.
#[derive(Debug, Clone)]
pub enum Act {
    /// Make the call and hand what comes back to [`Delivery::answered`].
    Call(Step),
    /// Make this checkpoint durable, then [`Delivery::proceed`].
    Keep { checkpoint: Checkpoint, publishes: bool, reconciled: bool },
    /// The account's state is this now; then [`Delivery::proceed`].
    Session(Session),
    /// Nothing to do before then.
    Sleep(Timestamp),
    /// Make this outcome durable. After [`Outcome::Ambiguous`] the delivery goes on; after all others it is over.
    End(Outcome),
    /// The account's token is not accepted, and the attempt is in doubt: keep it until the account goes on.
    Park { why: String },
}

/// What a delivery may know of its account.
#[derive(Debug, Clone, Copy)]
pub struct AccountState<'a> {
    pub session: &'a Session,
    pub secrets: &'a Secrets,
    /// Why nothing may be published on it now. What is in doubt is looked for all the same; the rest waits outside of the
    /// attempt, for as long as that takes.
    pub held: Option<&'static str>,
}

/// What earlier attempts have left, and when this one began.
#[derive(Debug, Clone)]
pub struct Progress {
    /// Durable results of steps, oldest first.
    pub done: Vec<Checkpoint>,
    /// How many of them are published parts.
    pub published: u32,
    /// Tries of the budget that are used up.
    pub tries: u32,
    pub begun: Timestamp,
}

/// One delivery in progress, from its durable intent to its outcome.
#[derive(Debug)]
pub struct Delivery {
    adapter: Arc<dyn Adapter>,
    rules: DeliveryRules,
    job: Job,
    done: Vec<Checkpoint>,
    published: u32,
    scratch: Value,
    wanted: Wanted,
    begun: Timestamp,
    doubt: Option<Doubt>,
    /// It was not there when looked for, and is being sent once more with the same bytes: the first try may still
    /// arrive, and both make one post. Until that is settled, nothing but a success ends the doubt.
    repeating: Option<Doubt>,
    /// Something of it was learned by looking.
    reconciled: bool,
    /// Tries of the budget that are used up, without this one.
    tries: u32,
    /// A number that chance is drawn from.
    draw: u64,
    calling: Option<Step>,
    sleep: Option<Timestamp>,
    calls: u32,
    session_changes: u32,
    redos: u32,
    waiting_since: Option<Timestamp>,
    /// How often the platform has asked to wait since this attempt has brought something.
    waits: u32,
}

/// A publishing step may have arrived.
#[derive(Debug, Clone)]
struct Doubt {
    why: String,
    /// From then on "not there" counts.
    settle: Timestamp,
    /// When it was first not there, after `settle`.
    absent: Option<Timestamp>,
    /// The platform itself said that it has it.
    claimed: bool,
    since: Timestamp,
    /// When the doubt began.
    began: Timestamp,
    failed_looks: u32,
    /// How often a look was not let in.
    shut_out: u32,
    /// A repeat was refused for this reason; that ends it once the first try is surely not there.
    refused: Option<String>,
}

impl Delivery {
    /// A delivery whose intent has just become durable, or was found in the ledger. `draw` is what chance is drawn from.
    pub fn new(adapter: Arc<dyn Adapter>, rules: DeliveryRules, job: Job, so_far: Progress, draw: u64) -> Self {
        let Progress { done, published, tries, begun } = so_far;
        let mut kept: Vec<Checkpoint> = Vec::with_capacity(done.len());
        for checkpoint in done {
            // A step that was done again stands twice; the later one counts.
            kept.retain(|earlier| earlier.step != checkpoint.step);
            kept.push(checkpoint);
        }
        Self {
            adapter,
            rules,
            job,
            done: kept,
            published,
            scratch: Value::Null,
            wanted: Wanted::Publish,
            begun,
            doubt: None,
            repeating: None,
            reconciled: false,
            tries,
            draw,
            calling: None,
            sleep: None,
            calls: 0,
            session_changes: 0,
            redos: 0,
            waiting_since: None,
            waits: 0,
        }
    }

    /// The same, found in `sending` at start: what it had sent, nobody knows. `settle` is what the ledger holds, if it
    /// was already known to be in doubt.
    pub fn found(mut self, settle: Option<Timestamp>, now: Timestamp) -> (Self, Act) {
        match settle {
            Some(settle) => {
                // "Not there" may count from then, but two looks of this life must agree.
                self.doubt = Some(Doubt::new("it was in doubt when the daemon stopped", settle, now));
                let act = self.proceed_later(now);
                (self, act)
            }
            None => {
                let act = self.doubt("the daemon stopped while it was being sent", now, Claim::Unknown);
                (self, act)
            }
        }
    }

    /// Remote ids of other posts of the account. To be told before it looks for its own.
    pub fn know_others(&mut self, taken: std::collections::BTreeSet<String>) {
        self.job.taken = Arc::new(taken);
    }

    pub fn id(&self) -> &DeliveryId {
        &self.job.delivery
    }

    pub fn attempt(&self) -> u32 {
        self.job.attempt
    }

    pub fn is_in_doubt(&self) -> bool {
        self.doubt.is_some() || self.repeating.is_some()
    }

    /// When it wants to be asked again.
    pub fn sleeps_until(&self) -> Option<Timestamp> {
        self.sleep
    }

    /// The post was withdrawn or changed. A call that is under way comes to its end first.
    pub fn only_settle(&mut self) {
        self.wanted = Wanted::Settle;
    }

    /// The post is wanted again, unchanged.
    pub fn publish_after_all(&mut self) {
        self.wanted = Wanted::Publish;
    }

    /// The account is let in again, after a time in which nobody could look.
    pub fn let_in_again(&mut self, now: Timestamp) {
        if let Some(doubt) = &mut self.doubt {
            doubt.since = now;
        }
    }

    /// The wall clock was set ahead by `step`. What may still be under way comes no sooner for that.
    pub fn clock_set_ahead(&mut self, step: Duration) {
        for doubt in [&mut self.doubt, &mut self.repeating].into_iter().flatten() {
            doubt.settle = time::after(doubt.settle, step);
            doubt.since = time::after(doubt.since, step);
            doubt.absent = doubt.absent.map(|absent| time::after(absent, step));
        }
    }

    /// The call that was chosen last is not made before `until`. Where nothing can be seen of the delivery, the attempt
    /// ends with that; else it goes on then.
    pub fn put_off(&mut self, until: Timestamp, now: Timestamp) -> Option<Outcome> {
        self.calling = None;
        if self.published == 0 && !self.is_in_doubt() {
            let until = time::after(now, self.patiently(time::since(until, now)));
            return Some(Outcome::RateLimited { until, why: "the account's allowance is used up".into() });
        }
        self.doubt_again();
        self.wait_with_a_doubt(until, now);
        None
    }

    /// How long to wait where the platform asks to wait for so long. An attempt that has brought something is none of those
    /// in a row that have brought nothing.
    fn patiently(&mut self, asked: Duration) -> Duration {
        self.waits += 1;
        let brought = u32::try_from(self.done.len()).unwrap_or(u32::MAX);
        let before = self.job.attempt.saturating_sub(1).saturating_sub(brought);
        at_least(asked, &self.rules.retry, self.waits.saturating_add(before))
    }

    /// A time in which nobody may look is not taken off the patience of looking, for some days.
    fn wait_with_a_doubt(&mut self, until: Timestamp, now: Timestamp) -> Act {
        if let Some(doubt) = &mut self.doubt {
            let since = time::after(doubt.since, time::since(until, now));
            doubt.since = since.min(time::after(doubt.began, LIMITED_PATIENCE)).max(doubt.since);
        }
        self.sleep_until(until)
    }

    /// The call that was chosen last is not made now, and chosen again by the next [`Delivery::proceed`]. Whether something
    /// of the delivery may be seen.
    pub fn put_back(&mut self) -> bool {
        if self.calling.take().is_some() {
            self.calls = self.calls.saturating_sub(1);
        }
        self.published > 0 || self.is_in_doubt()
    }

    /// What the call that was chosen last costs at most; with what it has brought, what it has cost at most.
    pub fn price(&self, result: Option<&Result<Reply, Failure>>, account: AccountState<'_>, now: Timestamp) -> Spend {
        let step = self.calling.as_ref();
        step.map_or_else(Spend::default, |step| price(&*self.adapter, &self.attempt_with(account, now), step, result))
    }

    /// The account turned out not to be the right one, or not to be let in.
    pub fn not_let_in(&mut self, why: String) -> Act {
        self.calling = None;
        self.auth(why)
    }

    /// What to do next.
    pub fn proceed(&mut self, account: AccountState<'_>, now: Timestamp) -> Act {
        if let Some(until) = self.sleep.filter(|until| *until > now) {
            return Act::Sleep(until);
        }
        self.sleep = None;
        if self.wanted == Wanted::Settle {
            self.doubt_again();
            if self.doubt.is_none() && !self.is_out() {
                return Act::End(self.give_up_unwanted());
            }
        }
        if let Some(why) = account.held {
            self.doubt_again();
            if self.doubt.is_none() && !self.is_out() {
                return Act::End(Outcome::Retry { until: now, why: why.into(), counted: false });
            }
        }
        if let Some(doubt) = &self.doubt
            && time::since(now, doubt.since) > LOOK_PATIENCE
        {
            let why = format!("{}; looking for it failed for {} h", doubt.why, LOOK_PATIENCE.as_secs() / 3600);
            return Act::End(Outcome::Uncertain { why });
        }
        // Where nothing can tell, a person is asked once it has surely come to rest: who looks earlier may not see it and
        // send it twice, and the next post would follow it too soon.
        if let Some(doubt) = self.doubt.as_ref().filter(|doubt| now < doubt.settle)
            && self.adapter.evidence() == Evidence::None
        {
            let until = doubt.settle;
            return self.sleep_until(until);
        }
        if self.doubt.is_none() && !self.has_media() && !self.is_out() {
            // What was found in doubt after a restart goes on as a new attempt, which reads its media first.
            let why = "the rest is to be sent".to_owned();
            return Act::End(Outcome::Retry { until: now, why, counted: false });
        }
        let next = self.adapter.next(&self.attempt_with(account, now));
        match next {
            Next::Call(step) => self.call(step, now),
            Next::Done(remote) => Act::End(Outcome::Delivered { remote, reconciled: self.reconciled }),
            Next::Refuse(why) => self.refuse(why),
            Next::Auth(why) => self.auth(why),
            Next::CannotTell(how) => {
                // What cannot be told now may be told by a later look, which still comes in time.
                if let Some(settle) = self.doubt.as_ref().map(|doubt| doubt.settle).filter(|settle| now < *settle) {
                    self.again(None, how, Count::No, now);
                    return self.sleep_until(self.sleep.map_or(settle, |until| until.min(settle)));
                }
                let why = self.doubt.as_ref().map_or(how.clone(), |doubt| format!("{}; {how}", doubt.why));
                Act::End(Outcome::Uncertain { why })
            }
        }
    }

    /// What a call has brought.
    pub fn answered(&mut self, result: Result<Reply, Failure>, account: AccountState<'_>, now: Timestamp) -> Act {
        let Some(step) = self.calling.take() else {
            return self.proceed(account, now);
        };
        let reply = match result {
            Ok(reply) => reply,
            Err(Failure::NeverLeft(why)) => return self.again(None, why, Count::No, now),
            Err(Failure::MayHaveArrived(why)) => {
                return match step.effect {
                    Effect::Publishes => self.doubt(&why, now, Claim::Unknown),
                    Effect::Harmless | Effect::Leaves => self.again(None, why, Count::Yes, now),
                };
            }
        };
        let reading = self.adapter.read(&self.attempt_with(account, now), &step, &reply);
        let reading = without_secrets(reading, account.secrets, account.session);
        let reading = announced(reading, &reply, now);
        self.take(step, reading, account, now)
    }

    fn take(&mut self, step: Step, reading: Reading, account: AccountState<'_>, now: Timestamp) -> Act {
        if !matches!(reading, Reading::Wait(_)) {
            self.waiting_since = None;
        }
        match reading {
            Reading::Learned(scratch) if step.effect == Effect::Harmless => {
                self.scratch = scratch;
                self.proceed(account, now)
            }
            Reading::Checkpoint(data) if step.effect != Effect::Harmless => {
                self.keep(Checkpoint { step: step.name, data }, step.effect, false, account, now)
            }
            Reading::Session(session) => {
                self.session_changes += 1;
                if self.session_changes > SESSION_CHANGES {
                    return self.again(None, "the account's session does not settle".into(), Count::Yes, now);
                }
                Act::Session(session)
            }
            Reading::Found(data) if self.doubt.is_some() => {
                self.doubt = None;
                self.reconciled = true;
                self.scratch = Value::Null;
                let step = format!("publish-{}", self.published);
                self.keep(Checkpoint { step, data }, Effect::Publishes, true, account, now)
            }
            Reading::Absent if self.doubt.is_some() => self.not_there(account, now),
            Reading::Wait(span) => {
                let since = *self.waiting_since.get_or_insert(now);
                if time::since(now, since) > WAIT_PATIENCE {
                    return self.again(None, "the platform does not finish processing".into(), Count::Yes, now);
                }
                self.sleep_until(time::after(now, span.max(Duration::from_secs(1))))
            }
            Reading::Retry { after, why } => {
                let count = if after.is_some() { Count::No } else { Count::Yes };
                let after = after.map(|asked| self.patiently(asked));
                self.again(after, why, count, now)
            }
            Reading::RateLimited { until, why } => {
                let until = time::after(now, self.patiently(time::since(until, now)));
                self.doubt_again();
                if self.doubt.is_some() {
                    return self.wait_with_a_doubt(until, now);
                }
                Act::End(Outcome::RateLimited { until, why })
            }
            Reading::Auth { why } => self.auth(why),
            Reading::Refused { why } => self.refuse(why),
            Reading::AlreadyThere { why } => self.doubt(&why, now, Claim::ByPlatform),
            Reading::Redo { why } => {
                self.redos += 1;
                if self.redos > REDOS {
                    return self.again(None, why, Count::Yes, now);
                }
                self.done.retain(|checkpoint| checkpoint.step.starts_with("publish-"));
                // What was learned may be of what is gone.
                self.scratch = Value::Null;
                self.proceed(account, now)
            }
            Reading::Unclear { why } => match step.effect {
                Effect::Publishes => self.doubt(&why, now, Claim::Unknown),
                Effect::Harmless | Effect::Leaves => self.again(None, why, Count::Yes, now),
            },
            // An adapter that answers what was not asked: nothing is known, so the careful way is taken.
            Reading::Learned(_) | Reading::Checkpoint(_) | Reading::Found(_) | Reading::Absent => {
                let why = format!("the reply to {} was read as something it cannot be", step.name);
                match step.effect {
                    Effect::Publishes => self.doubt(&why, now, Claim::Unknown),
                    Effect::Harmless | Effect::Leaves => self.again(None, why, Count::Yes, now),
                }
            }
        }
    }

    fn has_media(&self) -> bool {
        self.job.media.len() == self.job.content.media.len()
    }

    fn attempt_with<'a>(&'a self, account: AccountState<'a>, now: Timestamp) -> Attempt<'a> {
        Attempt {
            job: &self.job,
            purpose: if self.doubt.is_some() { Purpose::LookBack } else { Purpose::Publish },
            done: &self.done,
            scratch: &self.scratch,
            session: account.session,
            secrets: account.secrets,
            now,
        }
    }

    fn call(&mut self, step: Step, now: Timestamp) -> Act {
        if self.doubt.is_some() && step.effect != Effect::Harmless {
            let why = format!("looking for it would need {}, which is not harmless", step.name);
            return Act::End(Outcome::Uncertain { why });
        }
        self.calls += 1;
        let content = &self.job.content;
        let needed = 4 * (content.media.len() + content.thread.len()) as u32;
        if self.calls > SPARE_CALLS + needed {
            self.calls = 0;
            return self.again(None, "the attempt came to no end".into(), Count::Yes, now);
        }
        self.calling = Some(step.clone());
        Act::Call(step)
    }

    /// A step has left something. When that was the last one, the outcome alone is recorded: it says the same.
    fn keep(
        &mut self,
        checkpoint: Checkpoint,
        effect: Effect,
        reconciled: bool,
        account: AccountState<'_>,
        now: Timestamp,
    ) -> Act {
        let publishes = effect == Effect::Publishes;
        self.published += u32::from(publishes);
        self.done.retain(|earlier| earlier.step != checkpoint.step);
        self.done.push(checkpoint.clone());
        self.waits = 0;
        if publishes {
            self.scratch = Value::Null;
            self.repeating = None;
        }
        let parts = 1 + self.job.content.thread.len();
        if !self.has_media() && (self.published as usize) < parts {
            return Act::Keep { checkpoint, publishes, reconciled };
        }
        match self.adapter.next(&self.attempt_with(account, now)) {
            Next::Done(remote) => Act::End(Outcome::Delivered { remote, reconciled: self.reconciled }),
            _ => Act::Keep { checkpoint, publishes, reconciled },
        }
    }

    /// It may have arrived: from here on it is only looked for, until that is known.
    fn doubt(&mut self, why: &str, now: Timestamp, claim: Claim) -> Act {
        let asked = match self.adapter.evidence() {
            Evidence::None | Evidence::Repeatable => SETTLE.max(self.rules.timeout * 2),
            Evidence::LookBack { lag } => SETTLE.max(self.rules.timeout * 2).max(lag),
        };
        let settle = match claim {
            Claim::Unknown => time::after(now, self.rules.settle.unwrap_or(asked)),
            Claim::ByPlatform => now,
        };
        let settle = self.repeating.take().map_or(settle, |earlier| settle.max(earlier.settle));
        self.scratch = Value::Null;
        self.calling = None;
        self.calls = 0;
        self.doubt = Some(Doubt { claimed: claim == Claim::ByPlatform, ..Doubt::new(why, settle, now) });
        let first_look = match self.adapter.evidence() {
            Evidence::Repeatable => backoff(&self.rules.retry, self.tries.saturating_add(1), self.draw),
            _ => FIRST_LOOK,
        };
        self.sleep = Some(time::after(now, first_look));
        Act::End(Outcome::Ambiguous { why: why.into(), settle })
    }

    fn not_there(&mut self, account: AccountState<'_>, now: Timestamp) -> Act {
        self.scratch = Value::Null;
        let Some(doubt) = &mut self.doubt else {
            return Act::Sleep(now);
        };
        let unwanted = self.wanted == Wanted::Settle || doubt.refused.is_some() || account.held.is_some();
        // A repeat that comes long after the first try has to pass the plan's gates again.
        let soon = time::since(now, self.begun) < SETTLE;
        if self.adapter.evidence() == Evidence::Repeatable && soon && !unwanted && !doubt.claimed {
            return self.repeat(now);
        }
        if now < doubt.settle {
            let until = doubt.settle;
            return self.sleep_until(until);
        }
        let first = *doubt.absent.get_or_insert(now);
        // One look is enough where it asks for the very record.
        let sure = self.adapter.evidence() == Evidence::Repeatable || time::since(now, first) >= BETWEEN_LOOKS;
        if !sure {
            return self.sleep_until(time::after(first, BETWEEN_LOOKS));
        }
        if doubt.claimed {
            let why = format!("{}, but it is not to be found", doubt.why);
            return Act::End(Outcome::Uncertain { why });
        }
        let (why, refused) = (doubt.why.clone(), doubt.refused.take());
        self.doubt = None;
        if let Some(why) = refused {
            return self.refuse(why);
        }
        if self.wanted == Wanted::Settle {
            return Act::End(self.give_up_unwanted());
        }
        self.again(None, why, Count::Yes, now)
    }

    /// Sends the same bytes once more, within the attempt whose intent holds them.
    fn repeat(&mut self, now: Timestamp) -> Act {
        let Some(mut doubt) = self.doubt.take() else {
            return Act::Sleep(now);
        };
        self.tries = self.tries.saturating_add(1);
        if self.tries >= self.rules.retry.tries {
            doubt.refused = Some(format!("given up after {} tries: {}", self.tries, doubt.why));
            let until = doubt.settle.max(time::after(now, Duration::from_secs(1)));
            self.doubt = Some(doubt);
            return self.sleep_until(until);
        }
        self.repeating = Some(doubt);
        self.reconciled = true;
        self.sleep_until(time::after(now, Duration::from_secs(1)))
    }

    /// The repeat did not go through: what came of the first try is still open.
    fn doubt_again(&mut self) {
        if let Some(doubt) = self.repeating.take() {
            self.doubt = Some(doubt);
        }
    }

    /// It did not happen, or looking for it did not work: once more, later.
    fn again(&mut self, after: Option<Duration>, why: String, count: Count, now: Timestamp) -> Act {
        self.doubt_again();
        if let Some(doubt) = &mut self.doubt {
            doubt.failed_looks += 1;
            self.scratch = Value::Null;
            self.session_changes = 0;
            let wait = after.unwrap_or_else(|| backoff(&self.rules.retry, doubt.failed_looks, self.draw));
            // However long the wait that is asked for: it ends with the patience.
            let patience = time::after(doubt.since, LOOK_PATIENCE + Duration::from_secs(1));
            let until = time::after(now, wait).min(patience).max(time::after(now, Duration::from_secs(1)));
            return self.sleep_until(until);
        }
        let counted = count == Count::Yes;
        let tries = self.tries.saturating_add(u32::from(counted));
        // When all is out, only a question about it has failed.
        if tries >= self.rules.retry.tries && !self.is_out() {
            return self.refuse(format!("given up after {tries} tries: {why}"));
        }
        // Tries that do not count still lengthen the wait.
        let wait = after.unwrap_or_else(|| backoff(&self.rules.retry, self.job.attempt, self.draw));
        Act::End(Outcome::Retry { until: time::after(now, wait), why, counted })
    }

    fn refuse(&mut self, why: String) -> Act {
        if let Some(mut doubt) = self.repeating.take() {
            let until = doubt.settle;
            doubt.refused = Some(why);
            self.doubt = Some(doubt);
            return self.sleep_until(until);
        }
        if self.doubt.is_some() {
            return Act::End(Outcome::Uncertain { why: format!("looking for it was refused: {why}") });
        }
        if self.is_out() {
            // What is out cannot be refused any more; what was asked behind it was.
            return Act::End(Outcome::Uncertain { why: format!("all of it was published, and then: {why}") });
        }
        Act::End(Outcome::Refused { why: self.with_parts(why) })
    }

    fn auth(&mut self, why: String) -> Act {
        self.doubt_again();
        if let Some(doubt) = &mut self.doubt {
            doubt.shut_out += 1;
            if doubt.shut_out > SHUT_OUT {
                let why = format!("{}; looking for it is not let in, though the account is: {why}", doubt.why);
                return Act::End(Outcome::Uncertain { why });
            }
            return Act::Park { why };
        }
        Act::End(Outcome::Auth { why })
    }

    /// All parts are published.
    fn is_out(&self) -> bool {
        self.published as usize > self.job.content.thread.len()
    }

    fn give_up_unwanted(&self) -> Outcome {
        let why = "the post was withdrawn or changed".to_owned();
        match self.published {
            0 => Outcome::Abandoned { why },
            _ => Outcome::Refused { why: self.with_parts(why) },
        }
    }

    fn with_parts(&self, why: String) -> String {
        match self.published {
            0 => why,
            n => format!("{why} ({n} of {} parts are published)", 1 + self.job.content.thread.len()),
        }
    }

    fn sleep_until(&mut self, until: Timestamp) -> Act {
        self.sleep = Some(until);
        Act::Sleep(until)
    }

    fn proceed_later(&mut self, now: Timestamp) -> Act {
        self.sleep_until(time::after(now, FIRST_LOOK))
    }
}

/// A pause that a server has announced is waited for, and uses up no try.
fn announced(reading: Reading, reply: &Reply, now: Timestamp) -> Reading {
    match (reading, reply) {
        (Reading::Retry { after: None, why }, Reply::Http(reply)) if reply.status == 503 => {
            Reading::Retry { after: reply.retry_after(now), why }
        }
        (reading, _) => reading,
    }
}

/// What a step costs at most, or has cost at most with what it has brought.
pub(super) fn price(
    adapter: &dyn Adapter,
    attempt: &Attempt<'_>,
    step: &Step,
    result: Option<&Result<Reply, Failure>>,
) -> Spend {
    match result {
        Some(Err(Failure::NeverLeft(_))) => Spend::default(),
        Some(Ok(reply)) => adapter.price(attempt, step, Some(reply)),
        Some(Err(Failure::MayHaveArrived(_))) | None => adapter.price(attempt, step, None),
    }
}

impl Doubt {
    fn new(why: &str, settle: Timestamp, since: Timestamp) -> Self {
        Self {
            why: why.into(),
            settle,
            absent: None,
            claimed: false,
            since,
            began: since,
            failed_looks: 0,
            shut_out: 0,
            refused: None,
        }
    }
}

/// Whether a try is taken off the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Count {
    Yes,
    No,
}

/// Who says that it may be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claim {
    Unknown,
    ByPlatform,
}
