//! Looks at what has become of posts, and listens for who speaks to us, beside everything else that an account does.
//!
//! A delivery is never delayed by it: a sweep makes one call after another, each of which nothing waits for; it begins
//! none while the platform asks us to wait or when little is left of the account's allowance; and a stop drops it. What it
//! has found is on record post by post, so that one that was broken off goes on with what is missing.
//!
//! It never refreshes a token. Where there is no session, a probe is made first, with the account's ordinary first steps;
//! where a refresh uses tokens up, that is left to those who publish.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::domain::{AccountId, DeliveryId, Interaction, Message, PostId, Remote, ReplyTo, Spend, Timestamp, time};
use crate::engage::found::{self, Ours};
use crate::engage::watch::AGES;
use crate::engage::{self, Fact, Sample, Watch};
use crate::ledger::View;
use crate::ledger::record::{Fact as LedgerFact, Outcome};
use crate::ledger::store::CommitError;
use crate::platform::contract::sweep::{Found, Heard, Hindrance, Looking, Seek, Sweep, Sweeper, Watched};
use crate::platform::contract::{Call, Failure, Reply};
use crate::queue::digest::content;
use crate::telemetry::events::{Event as LogEvent, quote};

use super::desk::{Desk, Work};
use super::engine::Mode;
use super::tokens::is_stopped;
use super::{Command, Engine, Ticket};

/// How often it is asked who has spoken to us.
const LISTEN: Duration = Duration::from_secs(10 * 60);
/// How many accounts are looked at side by side. Publishing has the network to itself but for these.
const AT_ONCE: usize = 4;
/// Most posts of one sweep.
const POSTS: usize = 100;
/// Most conversations that are looked at in one sweep, to see whether they were answered by hand.
const WAITING: usize = 10;
/// A sweep goes on only while so many calls are left of the account's allowance: those are for publishing.
const RESERVE: u64 = 30;
/// When what could not be looked at is tried again at first; the wait doubles.
const AGAIN: Duration = Duration::from_secs(10 * 60);
const RARELY: Duration = Duration::from_secs(24 * 3_600);
/// Posts that are older are not looked for by what a platform calls them.
const REMEMBERED: usize = 5_000;

/// What an account's sweeps stand at.
#[derive(Debug, Default)]
pub(super) struct Sweeps {
    /// Posts and when each is to be looked at.
    due: BTreeSet<(Timestamp, PostId)>,
    running: Option<Running>,
    /// When it was asked last who has spoken to us.
    listened: Option<Timestamp>,
    /// Conversations up to this one were looked at lately, by when they began to wait.
    turned: Option<Timestamp>,
    /// Nothing is looked at before.
    after: Option<Timestamp>,
    /// How often in a row it could not be.
    failures: u32,
    /// The adapter has nothing to look with.
    blind: bool,
}

/// A sweep that is under way.
#[derive(Debug)]
struct Running {
    sweeper: Box<dyn Sweeper>,
    /// The call or the commit that is waited for.
    ticket: Ticket,
    /// Posts that were asked about and not told yet.
    asked: BTreeSet<PostId>,
    /// What is being recorded.
    records: Vec<engage::Record>,
    listens: bool,
}

impl Engine {
    /// Knows from here on what is recorded about people, and looks at posts.
    pub fn watch(&mut self, watch: Watch) {
        self.watch = Some(watch);
        let accounts: Vec<AccountId> = self.desks.keys().cloned().collect();
        accounts.iter().for_each(|account| self.list_posts(account));
    }

    /// What is known of people; `None` where nothing is recorded about them.
    pub fn watched(&self) -> Option<&Watch> {
        self.watch.as_ref()
    }

    /// Finds the posts of an account that are still to be looked at.
    pub(super) fn list_posts(&mut self, account: &AccountId) {
        let now = self.now;
        let (Some(watch), Some(held), Some(desk)) =
            (&self.watch, self.view.account(account), self.desks.get_mut(account))
        else {
            return;
        };
        let oldest = time::before(now, AGES[AGES.len() - 1] * 2);
        let posts = held.beat().take_while(|(_, sent)| sent.from >= oldest);
        let due = posts.filter_map(|(post, sent)| {
            is_told(held.entry(post)?.remote()?)?;
            let delivery = DeliveryId::new(post.clone(), account.clone());
            Some((watch.due(&delivery, sent.from, now)?, post.clone()))
        });
        desk.sweeps.due = due.collect();
    }

    /// A post is out: it is looked at in its time.
    pub(super) fn look_at_in_time(&mut self, delivery: &DeliveryId, now: Timestamp) {
        let Some(watch) = &self.watch else { return };
        let Some(published) = published(&self.view, delivery) else { return };
        let due = watch.due(delivery, published, now);
        if let (Some(due), Some(desk)) = (due, self.desks.get_mut(&delivery.account)) {
            desk.sweeps.due.insert((due, delivery.post.clone()));
        }
    }

    /// Begins what is due, for as many accounts as may be looked at side by side.
    pub(super) fn sweep_accounts(&mut self, now: Timestamp) {
        if self.mode != Mode::Publish || self.watch.is_none() || self.stopping || self.clock_behind || !self.ready {
            return;
        }
        let running = self.desks.values().filter(|desk| desk.sweeps.running.is_some()).count();
        let mut due: Vec<(Timestamp, AccountId)> = self
            .desks
            .iter()
            .filter_map(|(id, desk)| Some((desk.sweeps.next(now).filter(|at| *at <= now)?, id.clone())))
            .collect();
        due.sort();
        for (_, account) in due.into_iter().take(AT_ONCE.saturating_sub(running)) {
            self.begin_sweep(&account, now);
        }
    }

    fn begin_sweep(&mut self, account: &AccountId, now: Timestamp) {
        let stopped = is_stopped(&self.view, account) || self.keeps.contains(account);
        let (Some(watch), Some(desk)) = (&self.watch, self.desks.get_mut(account)) else { return };
        let limited = desk.rate_limited.is_some_and(|until| now < until);
        if stopped || limited || desk.probe.is_some() || desk.locked.is_some() {
            return;
        }
        let adapter = desk.setup.adapter.clone();
        let looking = Looking { session: &desk.session, secrets: &desk.setup.secrets, now };
        if adapter.sweep(Sweep::default(), &looking).is_none() {
            desk.sweeps.blind = true;
            return;
        }
        if desk.session.identity.is_none() {
            // It is not asked who we are again and again where nobody tells.
            desk.sweeps.failed(now);
            if matches!(desk.work, Work::Idle) && !adapter.keeps_tokens() {
                self.probe(account, now);
            }
            return;
        }
        let listens = desk.sweeps.listens(now);
        let mut sweep = Sweep { heard: listens.then(|| Heard(watch.heard(account))), ..Sweep::default() };
        let waiting = watch.conversations().waiting(Some(account));
        let waiting: Vec<_> = waiting.filter_map(|held| Some((held.since?, held.latest.id.clone()))).collect();
        if listens && !waiting.is_empty() {
            let later = waiting.iter().filter(|(since, _)| desk.sweeps.turned.is_none_or(|turned| *since > turned));
            let mut turn: Vec<_> = later.take(WAITING).collect();
            if turn.is_empty() {
                turn = waiting.iter().take(WAITING).collect();
            }
            desk.sweeps.turned = turn.last().map(|(since, _)| *since);
            sweep.waiting = turn.into_iter().map(|(_, id)| id.clone()).collect();
        }
        let due: Vec<_> =
            desk.sweeps.due.iter().take_while(|(at, _)| *at <= time::after(now, AGES[5])).cloned().collect();
        let mut asked = BTreeSet::new();
        for (at, post) in due {
            let delivery = DeliveryId::new(post.clone(), account.clone());
            let Some(published) = published(&self.view, &delivery) else {
                desk.sweeps.due.remove(&(at, post));
                continue;
            };
            if asked.len() >= POSTS || at > time::after(now, Watch::spare(published, at)) {
                continue;
            }
            let Some(remote) = self.view.entry(&delivery).and_then(|entry| entry.remote()).cloned() else { continue };
            let known = watch.known(&delivery);
            sweep.posts.push(Watched { delivery, remote, known });
            desk.sweeps.due.remove(&(at, post.clone()));
            asked.insert(post);
        }
        let looking = Looking { session: &desk.session, secrets: &desk.setup.secrets, now };
        let Some(sweeper) = adapter.sweep(sweep, &looking) else { return };
        desk.sweeps.running = Some(Running { sweeper, ticket: Ticket(0), asked, records: Vec::new(), listens });
        self.sweep_on(account, now);
    }

    /// What a sweep does next, when nothing is waited for.
    fn sweep_on(&mut self, account: &AccountId, now: Timestamp) {
        loop {
            let (Some(watch), Some(desk)) = (&self.watch, self.desks.get_mut(account)) else { return };
            let Some(running) = &mut desk.sweeps.running else { return };
            match running.sweeper.next() {
                Seek::Ask(request) => {
                    let limited = desk.rate_limited.is_some_and(|until| now < until);
                    let dear = running.sweeper.price(None) != Spend::default();
                    if self.stopping || limited || dear {
                        let why = if dear { "looking costs money here" } else { "the platform asked to wait" };
                        return self.end_sweep(account, Some(Hindrance::Failed { why: why.into() }), now);
                    }
                    let timeout = desk.setup.rules.timeout;
                    self.next_ticket += 1;
                    running.ticket = Ticket(self.next_ticket);
                    let (ticket, account) = (running.ticket, account.clone());
                    self.callers.insert(ticket, account.clone());
                    self.commands.push_back(Command::Call { ticket, account, call: Call::Http(request), timeout });
                    return;
                }
                Seek::Found(found) => {
                    if let Found::Post(finding) = &found {
                        running.asked.remove(&finding.delivery.post);
                    }
                    let ours = Known { view: &self.view, account };
                    let records = found::records(watch, account, found, &ours, now);
                    if records.is_empty() {
                        continue;
                    }
                    self.next_ticket += 1;
                    running.ticket = Ticket(self.next_ticket);
                    running.records.clone_from(&records);
                    let ticket = running.ticket;
                    self.callers.insert(ticket, account.clone());
                    self.commands.push_back(Command::Remember { ticket, records });
                    return;
                }
                Seek::Over => return self.end_sweep(account, None, now),
                Seek::Stopped(why) => return self.end_sweep(account, Some(why), now),
            }
        }
    }

    /// Takes the answer to a sweep's call. `false`: the call was another one.
    pub(super) fn swept(
        &mut self,
        account: &AccountId,
        ticket: Ticket,
        result: &Result<Reply, Failure>,
        now: Timestamp,
    ) -> bool {
        let Some(desk) = self.desks.get_mut(account) else { return false };
        let Some(running) = desk.sweeps.running.as_mut().filter(|running| running.ticket == ticket) else {
            return false;
        };
        let pace = result.as_ref().ok().and_then(|reply| desk.setup.adapter.pace(reply, now));
        match result {
            Ok(Reply::Http(reply)) => running.sweeper.answered(reply, now),
            Ok(_) => {
                self.end_sweep(account, Some(Hindrance::Failed { why: "the answer is of another kind".into() }), now);
                return true;
            }
            Err(failure) => {
                self.end_sweep(account, Some(Hindrance::Failed { why: failure.to_string() }), now);
                return true;
            }
        }
        match pace.filter(|pace| pace.remaining < RESERVE && pace.reset > now) {
            Some(pace) => {
                let why = "what is left of the allowance is for publishing".into();
                // What has been found with this answer counts.
                self.sweep_on(account, now);
                let waits = |desk: &Desk| desk.sweeps.running.as_ref().is_some_and(|run| run.records.is_empty());
                if self.desks.get(account).is_some_and(waits) {
                    self.end_sweep(account, Some(Hindrance::Limited { until: pace.reset, why }), now);
                }
            }
            None => self.sweep_on(account, now),
        }
        true
    }

    /// What was found is on record, or could not be recorded.
    pub(super) fn remembered(&mut self, ticket: Ticket, result: Result<(), CommitError>, now: Timestamp) {
        if let Some(place) = self.settling.iter().position(|(waited, _)| *waited == ticket) {
            let (_, records) = self.settling.swap_remove(place);
            if result.is_ok() {
                records.iter().for_each(|record| self.remember(record, now));
            }
            self.resolved.push((ticket, result));
            return self.advance_all(now);
        }
        let Some(account) = self.caller(ticket) else { return };
        let Some(desk) = self.desks.get_mut(&account) else { return };
        let Some(running) = desk.sweeps.running.as_mut().filter(|running| running.ticket == ticket) else { return };
        let records = std::mem::take(&mut running.records);
        match result {
            Ok(()) => {
                records.iter().for_each(|record| self.remember(record, now));
                self.sweep_on(&account, now);
                // Somebody may have begun to wait, or does no more.
                self.advance(&account, now);
            }
            Err(error) => {
                // They are still due: nothing of it counts as seen.
                for record in &records {
                    if let (Fact::Sampled(sample), Some(desk)) = (&record.fact, self.desks.get_mut(&account)) {
                        desk.sweeps.due.insert((time::after(now, AGAIN), sample.delivery.post.clone()));
                    }
                }
                self.end_sweep(&account, Some(Hindrance::Failed { why: error.to_string() }), now);
            }
        }
    }

    fn remember(&mut self, record: &engage::Record, now: Timestamp) {
        let Some(watch) = &mut self.watch else { return };
        let waited = watch.conversations().waiting(None).count();
        watch.apply(record);
        let waits = watch.conversations().waiting(None).count();
        match &record.fact {
            Fact::Sampled(sample) => {
                self.collected(sample);
                self.look_at_in_time(&sample.delivery, now);
            }
            Fact::Said { account, delivery, message } if waits > waited => {
                self.log(LogEvent::ConversationOpened {
                    account: account.clone(),
                    delivery: delivery.clone(),
                    message: quote(&message.id),
                    person: message.by.as_ref().map(ToString::to_string),
                });
            }
            Fact::Said { account, message, .. } if waits < waited => {
                self.log(LogEvent::ConversationAnswered { account: account.clone(), message: quote(&message.id) });
            }
            Fact::Settled { account, ids, .. } if waits < waited => {
                let message = ids.first().map(|id| quote(id)).unwrap_or_default();
                self.log(LogEvent::ConversationAnswered { account: account.clone(), message });
            }
            _ => {}
        }
    }

    fn collected(&mut self, sample: &Sample) {
        let Sample { delivery, age, gone, counts, came, left } = sample;
        let platform = self.desks.get(&delivery.account).map_or("", |desk| desk.setup.adapter.platform());
        let count = |kind| counts.get(&kind).copied();
        self.log(LogEvent::EngagementCollected {
            delivery: delivery.clone(),
            post: delivery.post.to_string(),
            account: delivery.account.clone(),
            platform: platform.into(),
            age_s: *age,
            gone: *gone,
            replies: count(Interaction::Reply),
            reposts: count(Interaction::Repost),
            quotes: count(Interaction::Quote),
            likes: count(Interaction::Like),
            came: came.values().map(Vec::len).sum(),
            left: left.values().map(Vec::len).sum(),
        });
    }

    /// What a record says of somebody who waits: an answer of ours is out, and need not be found by looking. To be asked
    /// before the record is applied.
    pub(super) fn answer_given(&self, record: &crate::ledger::Record) -> Option<Fact> {
        let LedgerFact::Outcome { delivery, outcome: Outcome::Delivered { remote, .. }, .. } = &record.fact else {
            return None;
        };
        let conversations = self.watch.as_ref()?.conversations();
        let intent = &self.entry(delivery)?.open.as_ref()?.intent;
        let Some(ReplyTo::Theirs(asked)) = content(&intent.body, &delivery.account).reply_to else { return None };
        let is_asked =
            |message: &&Message| message.answer == asked || message.id == asked || message.url.as_ref() == Some(&asked);
        let mut waiting = conversations.waiting(Some(&delivery.account));
        let (held, parent) = waiting.find_map(|held| {
            let parent = conversations.unanswered(held).find(is_asked)?.id.clone();
            Some((held.delivery.clone(), parent))
        })?;
        let message = Message {
            id: remote.id.clone(),
            parent: Some(parent),
            by: None,
            at: record.at,
            text: String::new(),
            url: remote.url.clone(),
            answer: remote.url.clone().unwrap_or_else(|| remote.id.clone()),
            private: false,
        };
        Some(Fact::Said { account: delivery.account.clone(), delivery: held, message })
    }

    /// A person of ours says that these messages need no answer. What came of it is given by [`Engine::next_resolved`].
    ///
    /// # Errors
    /// When nothing is recorded about people.
    pub fn settle(&mut self, facts: Vec<Fact>, now: Timestamp) -> Result<Ticket, &'static str> {
        if self.watch.is_none() {
            return Err("nothing is recorded about people here");
        }
        let records: Vec<_> = facts.into_iter().map(|fact| engage::Record::new(now, fact)).collect();
        let ticket = self.ticket();
        self.commands.push_back(Command::Remember { ticket, records: records.clone() });
        self.settling.push((ticket, records));
        Ok(ticket)
    }

    /// Whether more people have waited longer for an answer than the account's policy allows.
    pub(super) fn is_unanswered(&self, account: &AccountId, now: Timestamp) -> bool {
        let (Some(watch), Some(desk)) = (&self.watch, self.desks.get(account)) else { return false };
        let rule = &desk.setup.policy.unanswered;
        let most = usize::try_from(rule.max).unwrap_or(usize::MAX);
        let before = time::before(now, rule.older_than);
        let late = watch.conversations().waiting(Some(account));
        // Oldest first.
        late.take_while(|held| held.since.is_some_and(|since| since < before)).nth(most).is_some()
    }

    /// Accounts on which somebody has waited too long by now, or no more.
    pub(super) fn watch_the_waiting(&mut self, now: Timestamp) {
        let changed = |(id, desk): &(&AccountId, &Desk)| desk.unanswered != self.is_unanswered(id, now);
        let changed: Vec<AccountId> = self.desks.iter().filter(changed).map(|(id, _)| id.clone()).collect();
        changed.iter().for_each(|account| self.advance(account, now));
    }

    fn end_sweep(&mut self, account: &AccountId, why: Option<Hindrance>, now: Timestamp) {
        let Some(desk) = self.desks.get_mut(account) else { return };
        let Some(running) = desk.sweeps.running.take() else { return };
        // What was not told is asked again later.
        let later = time::after(now, AGAIN);
        desk.sweeps.due.extend(running.asked.into_iter().map(|post| (later, post)));
        let listened = running.listens && why.is_none();
        if listened {
            desk.sweeps.listened = Some(now);
        }
        let failures = desk.sweeps.failures;
        let why = match why {
            None => {
                (desk.sweeps.failures, desk.sweeps.after) = (0, None);
                return;
            }
            Some(Hindrance::Limited { until, .. }) => {
                desk.sweeps.after = Some(until.min(time::after(now, RARELY)));
                return;
            }
            Some(Hindrance::LoggedOut { why }) => {
                if matches!(desk.work, Work::Idle) && desk.probe.is_none() {
                    // The next one begins with a login.
                    desk.session.values.clear();
                    desk.session.identity = None;
                }
                desk.sweeps.failed(now);
                if failures == 0 {
                    // A token that has run out since the last look is nothing to speak of.
                    desk.sweeps.after = None;
                    return;
                }
                why
            }
            Some(Hindrance::Failed { why }) => {
                desk.sweeps.failed(now);
                why
            }
            Some(Hindrance::Forbidden { why }) => {
                desk.sweeps.failures = u32::MAX;
                desk.sweeps.after = Some(time::after(now, RARELY));
                why
            }
        };
        let again = desk.sweeps.after.unwrap_or(now);
        if failures == 0 || desk.sweeps.failures == u32::MAX {
            let platform = desk.setup.adapter.platform().into();
            self.log(LogEvent::EngagementFailed { account: account.clone(), platform, why: quote(&why), again });
        }
    }

    /// Once a day: what is too old to be looked at is let go of.
    pub(super) fn let_go(&mut self, now: Timestamp) {
        let oldest = time::before(now, AGES[AGES.len() - 1] * 2);
        let Self { watch, view, .. } = self;
        if let Some(watch) = watch {
            watch.let_go(|delivery| published(view, delivery).is_none_or(|published| published < oldest));
        }
    }
}

impl Sweeps {
    fn listens(&self, now: Timestamp) -> bool {
        self.listened.is_none_or(|at| at > now || time::since(now, at) >= LISTEN)
    }

    /// Since when something is due; `None` when nothing is looked at now.
    fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let waits = self.after.is_some_and(|after| now < after && after <= time::after(now, RARELY));
        if self.running.is_some() || self.blind || waits {
            return None;
        }
        let listen = self.listened.filter(|at| *at <= now).map_or(now, |at| time::after(at, LISTEN));
        let post = self.due.first().map(|(at, _)| *at);
        Some(post.map_or(listen, |post| post.min(listen)))
    }

    fn failed(&mut self, now: Timestamp) {
        let wait = AGAIN.saturating_mul(1 << self.failures.min(8)).min(RARELY);
        self.failures = self.failures.saturating_add(1);
        self.after = Some(time::after(now, wait));
    }

    /// The account is another one now, or has another token.
    pub(super) fn begin_anew(&mut self) {
        if let Some(running) = self.running.take() {
            self.due.extend(running.asked.into_iter().map(|post| (Timestamp::MIN, post)));
        }
        (self.after, self.failures, self.blind) = (None, 0, false);
    }
}

/// What the ledger tells of our posts.
struct Known<'a> {
    view: &'a View,
    account: &'a AccountId,
}

impl Ours for Known<'_> {
    fn published(&self, delivery: &DeliveryId) -> Option<Timestamp> {
        published(self.view, delivery)
    }

    fn post(&self, account: &AccountId, remote: &str) -> Option<DeliveryId> {
        let held = self.view.account(account).filter(|_| account == self.account)?;
        let called =
            |post: &&PostId| held.entry(post).and_then(|entry| entry.remote()).is_some_and(|held| held.id == remote);
        let post = held.beat().take(REMEMBERED).map(|(post, _)| post).find(called)?;
        Some(DeliveryId::new(post.clone(), account.clone()))
    }
}

/// When a delivery's last attempt began: no later than people could see it.
fn published(view: &View, delivery: &DeliveryId) -> Option<Timestamp> {
    let entry = view.entry(delivery)?;
    entry.remote()?;
    entry.sent.as_ref().map(|sent| sent.from)
}

/// What a person has resolved is known by its address alone, which tells a platform nothing.
fn is_told(remote: &Remote) -> Option<()> {
    let by_hand = remote.url.as_ref() == Some(&remote.id) && remote.reference.is_null() && remote.id.contains("://");
    (!by_hand || remote.id.starts_with("at://")).then_some(())
}
