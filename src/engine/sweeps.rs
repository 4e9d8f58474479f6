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

use crate::domain::{
    AccountId, DeliveryId, Interaction, Message, Month, PersonId, PostId, Remote, ReplyTo, Spend, Timestamp, time,
};
use crate::engage::found::{self, Ours};
use crate::engage::watch::AGES;
use crate::engage::{self, Fact, Sample, Watch};
use crate::ledger::record::{Fact as LedgerFact, Outcome};
use crate::ledger::store::{CommitError, Room};
use crate::ledger::{self, View};
use crate::platform::contract::sweep::{Found, Heard, Hindrance, Looking, Seek, Sweep, Sweeper, Watched};
use crate::platform::contract::{Call, Failure, Reply, Session};
use crate::queue::digest::content;
use crate::telemetry::events::{Event as LogEvent, quote};

use super::desk::{Desk, Work};
use super::engine::{Mode, Then};
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
/// When what could not be looked at is tried again at first; the wait doubles.
const AGAIN: Duration = Duration::from_secs(10 * 60);
const RARELY: Duration = Duration::from_secs(24 * 3_600);
/// So often in a row it may fail before that is said.
const IN_VAIN: u32 = 3;
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
    /// How often in a row it could not be, and how often it was asked in vain who we are.
    failures: u32,
    probes: u32,
    /// It has been said that it cannot be.
    said: bool,
    /// The token may not listen: it is tried again then.
    deaf: Option<Timestamp>,
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
    /// A request whose cost is on its way into the ledger.
    held: Option<Call>,
    /// The allowance is used up until then.
    spent: Option<Timestamp>,
    /// Something is being recorded.
    recording: bool,
    /// Something was found.
    found: bool,
    listens: bool,
    /// The session that it asks with.
    session: Session,
}

impl Engine {
    /// Knows from here on what is recorded about people, and looks at posts.
    pub fn watch(&mut self, watch: Watch) {
        self.watch = Some(watch);
        let accounts: Vec<AccountId> = self.desks.keys().cloned().collect();
        accounts.iter().for_each(|account| self.list_posts(account));
    }

    /// Whoever an account of ours is there is nobody who waits for an answer.
    pub(super) fn name_ours(&mut self, account: &AccountId) {
        let (Some(watch), Some(desk)) = (&mut self.watch, self.desks.get(account)) else { return };
        let pinned = self.view.account(account).and_then(|held| held.head.pinned.as_deref());
        if let Some(ours) = pinned.and_then(|id| PersonId::new(desk.setup.adapter.platform(), id)) {
            watch.ours(ours);
        }
    }

    /// What is known of people; `None` where nothing is recorded about them.
    pub fn watched(&self) -> Option<&Watch> {
        self.watch.as_ref()
    }

    /// Finds the posts of an account that are still to be looked at.
    pub(super) fn list_posts(&mut self, account: &AccountId) {
        self.name_ours(account);
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
        let busy = |desk: &&Desk| desk.sweeps.running.is_some() || (desk.probe.is_some() && desk.sweeps.probes > 0);
        let running = self.desks.values().filter(busy).count();
        let mut due: Vec<(Timestamp, AccountId)> = self
            .desks
            .iter()
            .filter_map(|(id, desk)| Some((desk.sweeps.next(now).filter(|at| *at <= now)?, id)))
            // Whoever cannot be looked at now takes nobody's place.
            .filter(|(_, id)| self.may_sweep(id, now))
            .map(|(at, id)| (at, id.clone()))
            .collect();
        due.sort();
        for (_, account) in due.into_iter().take(AT_ONCE.saturating_sub(running)) {
            self.begin_sweep(&account, now);
        }
    }

    /// Where sweeps have ended, others begin.
    pub(super) fn sweep_on_others(&mut self, now: Timestamp) {
        for _ in 0..AT_ONCE {
            if std::mem::take(&mut self.sweep_ended) {
                self.sweep_accounts(now);
            }
        }
    }

    fn may_sweep(&self, account: &AccountId, now: Timestamp) -> bool {
        let Some(desk) = self.desks.get(account) else { return false };
        let limited = desk.rate_limited.is_some_and(|until| now < until);
        // Without a session there is nothing to ask with, and it is asked who we are only when nobody publishes.
        let adapter = &desk.setup.adapter;
        let login = desk.session.identity.is_some() || (matches!(desk.work, Work::Idle) && !adapter.keeps_tokens());
        let stopped = is_stopped(&self.view, account) || self.keeps.contains(account);
        login && !stopped && !limited && desk.probe.is_none() && desk.locked.is_none()
    }

    fn begin_sweep(&mut self, account: &AccountId, now: Timestamp) {
        let (Some(watch), Some(desk)) = (&self.watch, self.desks.get_mut(account)) else { return };
        let adapter = desk.setup.adapter.clone();
        let looking = Looking { session: &desk.session, secrets: &desk.setup.secrets, now };
        if adapter.sweep(Sweep::default(), &looking).is_none() {
            desk.sweeps.blind = true;
            return;
        }
        if desk.session.identity.is_none() {
            // It is not asked who we are again and again where nobody tells.
            desk.sweeps.after = Some(time::after(now, doubled(AGAIN / 10, desk.sweeps.probes)));
            desk.sweeps.probes = desk.sweeps.probes.saturating_add(1);
            let in_vain = desk.sweeps.probes > IN_VAIN;
            self.probe_further(account, now);
            if in_vain {
                self.say_in_vain(account, "it cannot be found out whose account it is");
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
        let session = desk.session.clone();
        desk.sweeps.running = Some(Running {
            sweeper,
            ticket: Ticket(0),
            asked,
            held: None,
            spent: None,
            recording: false,
            found: false,
            listens,
            session,
        });
        self.sweep_on(account, now);
    }

    /// What a sweep's call may cost is in the ledger, unless that sweep is over and another one has begun.
    pub(super) fn sweep_has_money(&mut self, account: &AccountId, now: Timestamp) {
        let Some(desk) = self.desks.get(account) else { return };
        match &desk.sweeps.running {
            Some(running) if running.held.is_some() => self.sweep_on(account, now),
            _ if matches!(desk.work, Work::Idle) => self.give_back_after_sweep(account, now),
            _ => {}
        }
    }

    /// What a sweep does next, when nothing is waited for.
    fn sweep_on(&mut self, account: &AccountId, now: Timestamp) {
        loop {
            let (Some(watch), Some(desk)) = (&self.watch, self.desks.get_mut(account)) else { return };
            let Some(running) = &mut desk.sweeps.running else { return };
            let seek = running.held.take().map_or_else(|| running.sweeper.next(), Seek::Ask);
            match seek {
                Seek::Ask(call) => {
                    if self.stopping {
                        desk.sweeps.running = None;
                        return;
                    }
                    if let Some(until) = desk.rate_limited.max(running.spent).filter(|until| now < *until) {
                        let why = "the platform asked to wait".into();
                        return self.end_sweep(account, Some(Hindrance::Limited { until, why }), now);
                    }
                    let price = running.sweeper.price(None);
                    if !price.is_nothing() {
                        let idle = matches!(desk.work, Work::Idle);
                        let (may, short) = (self.may_look(account, price, now), self.is_short(account, price, now));
                        if !may {
                            let why = "looking costs money there, and no more than half of a budget is spent on it";
                            return self.end_sweep(account, Some(Hindrance::Forbidden { why: why.into() }), now);
                        }
                        if !idle {
                            // What is set aside is for the post that is under way.
                            let (until, why) = (time::after(now, AGAIN), "a post is under way".into());
                            return self.end_sweep(account, Some(Hindrance::Limited { until, why }), now);
                        }
                        if short {
                            let running = self.desks.get_mut(account).and_then(|desk| desk.sweeps.running.as_mut());
                            if let Some(running) = running {
                                running.held = Some(call);
                            }
                            return self.set_aside_first(account, price, Then::Sweep(account.clone()), now);
                        }
                    }
                    let Some(desk) = self.desks.get_mut(account) else { return };
                    let Some(running) = &mut desk.sweeps.running else { return };
                    let timeout = desk.setup.rules.timeout;
                    self.next_ticket += 1;
                    running.ticket = Ticket(self.next_ticket);
                    let (ticket, account) = (running.ticket, account.clone());
                    desk.purse.pay(ticket, price, now);
                    self.callers.insert(ticket, account.clone());
                    self.commands.push_back(Command::Call { ticket, account, call, timeout });
                    return;
                }
                Seek::Found(found) => {
                    if let Found::Post(finding) = &found {
                        running.asked.remove(&finding.delivery.post);
                    }
                    let ours = Known { view: &self.view, account };
                    let records = found::records(watch, account, found, &ours, now);
                    running.found = true;
                    if records.is_empty() {
                        continue;
                    }
                    self.next_ticket += 1;
                    running.ticket = Ticket(self.next_ticket);
                    running.recording = true;
                    let ticket = running.ticket;
                    self.callers.insert(ticket, account.clone());
                    // Whatever becomes of the sweep, what is on record is known.
                    self.remembering.insert(ticket, records.clone());
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
            Ok(Reply::Http(reply)) => {
                desk.purse.settle(ticket, running.sweeper.price(Some(reply)));
                running.sweeper.answered(reply, now);
            }
            Ok(Reply::Sockets(replies)) => {
                desk.purse.forget(ticket);
                running.sweeper.heard(replies, now);
            }
            Ok(_) => {
                desk.purse.forget(ticket);
                self.end_sweep(account, Some(Hindrance::Failed { why: "the answer is of another kind".into() }), now);
                return true;
            }
            Err(failure) => {
                match failure {
                    Failure::NeverLeft(_) => desk.purse.settle(ticket, Spend::default()),
                    Failure::MayHaveArrived(_) => desk.purse.forget(ticket),
                }
                self.end_sweep(account, Some(Hindrance::Failed { why: failure.to_string() }), now);
                return true;
            }
        }
        // What has been found with this answer counts; the next is not asked.
        running.spent = pace.filter(|pace| pace.remaining == 0 && pace.reset > now).map(|pace| pace.reset);
        self.sweep_on(account, now);
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
        let Some(records) = self.remembering.remove(&ticket) else { return };
        if result.is_ok() {
            records.iter().for_each(|record| self.remember(record, now));
        }
        let Some(account) = self.caller(ticket) else { return };
        let Some(desk) = self.desks.get_mut(&account) else { return };
        let Some(running) = desk.sweeps.running.as_mut().filter(|running| running.ticket == ticket) else { return };
        running.recording = false;
        match result {
            Ok(()) => {
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
        let waited = watch.conversations().count();
        watch.apply(record);
        let waits = watch.conversations().count();
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
    pub(super) fn answer_given(&self, record: &ledger::Record) -> Option<Fact> {
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
        self.sweep_is_over(account, why, now);
        if self.desks.get(account).is_some_and(|desk| matches!(desk.work, Work::Idle)) {
            self.give_back_after_sweep(account, now);
        }
    }

    fn sweep_is_over(&mut self, account: &AccountId, why: Option<Hindrance>, now: Timestamp) {
        let Self { desks, watch, view, .. } = self;
        let (Some(desk), Some(watch)) = (desks.get_mut(account), watch) else { return };
        let Some(running) = desk.sweeps.running.take() else { return };
        self.sweep_ended = true;
        // What was not told is asked again later: the older it is, the later.
        for post in running.asked {
            let delivery = DeliveryId::new(post.clone(), account.clone());
            let Some(published) = published(view, &delivery) else { continue };
            if watch.due(&delivery, published, now).is_some() {
                let wait = AGAIN.max(time::since(now, published) / 10);
                desk.sweeps.due.insert((time::after(now, wait), post));
            }
        }
        let sweeps = &mut desk.sweeps;
        // A token that may not do one thing may do the others.
        let partly = running.found && matches!(why, Some(Hindrance::Forbidden { .. }));
        if running.listens && (why.is_none() || partly) {
            sweeps.listened = Some(now);
        }
        match why {
            None => (sweeps.failures, sweeps.after, sweeps.said) = (0, None, false),
            Some(Hindrance::Limited { until, .. }) => sweeps.after = Some(until.min(time::after(now, RARELY))),
            Some(Hindrance::LoggedOut { why }) => {
                if matches!(desk.work, Work::Idle) && desk.probe.is_none() && desk.session == running.session {
                    // The next one begins by asking who we are.
                    desk.session.identity = None;
                }
                if sweeps.failures == 0 {
                    // A token that has run out since the last look is nothing to speak of.
                    sweeps.failures = 1;
                    return;
                }
                sweeps.failed(now);
                self.say_in_vain(account, &why);
            }
            Some(Hindrance::Failed { why }) => {
                sweeps.failed(now);
                if sweeps.failures >= IN_VAIN {
                    self.say_in_vain(account, &why);
                }
            }
            Some(Hindrance::Forbidden { why }) => {
                let until = Some(time::after(now, RARELY));
                if partly && running.listens {
                    sweeps.deaf = until;
                } else {
                    sweeps.after = until;
                }
                self.say_in_vain(account, &why);
            }
        }
    }

    /// Whether looking may cost so much: half of a budget is left for publishing, and without one nothing is spent.
    fn may_look(&self, account: &AccountId, price: Spend, now: Timestamp) -> bool {
        let budget = self.desks.get(account).and_then(|desk| desk.setup.policy.budget);
        let spent = self.view.account(account).map(|held| held.head.spent(Month::of(now)).money).unwrap_or_default();
        budget.is_some_and(|budget| spent.plus(price.money).0 <= budget.0 / 2)
    }

    /// What was set aside for looking and not spent goes back.
    fn give_back_after_sweep(&mut self, account: &AccountId, now: Timestamp) {
        let facts = self.give_back(account, now);
        if !facts.is_empty() {
            let records = facts.into_iter().map(|fact| ledger::Record::new(now, fact)).collect();
            self.commit(records, Room::Reserve, Then::Changed(account.clone()));
        }
    }

    /// Says once, until it works again, that it cannot be looked at an account's posts.
    fn say_in_vain(&mut self, account: &AccountId, why: &str) {
        let Some(desk) = self.desks.get_mut(account) else { return };
        let again = desk.sweeps.after.or(desk.sweeps.deaf).unwrap_or(self.now);
        if !std::mem::replace(&mut desk.sweeps.said, true) {
            let platform = desk.setup.adapter.platform().into();
            self.log(LogEvent::EngagementFailed { account: account.clone(), platform, why: quote(why), again });
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
        let deaf = self.deaf.is_some_and(|until| now < until && until <= time::after(now, RARELY));
        !deaf && self.listened.is_none_or(|at| at > now || time::since(now, at) >= LISTEN)
    }

    /// Since when something is due; `None` when nothing is looked at now.
    fn next(&self, now: Timestamp) -> Option<Timestamp> {
        let waits = self.after.is_some_and(|after| now < after && after <= time::after(now, RARELY));
        if self.running.is_some() || self.blind || waits {
            return None;
        }
        let listened = || self.listened.map_or(Timestamp::MIN, |at| time::after(at, LISTEN));
        let listen = self.listens(now).then(listened);
        let post = self.due.first().map(|(at, _)| *at);
        [listen, post].into_iter().flatten().min()
    }

    fn failed(&mut self, now: Timestamp) {
        self.after = Some(time::after(now, doubled(AGAIN, self.failures)));
        self.failures = self.failures.saturating_add(1);
    }

    /// It is known who we are: there is something to ask with.
    pub(super) fn let_in(&mut self) {
        if self.probes > 0 {
            (self.probes, self.after) = (0, None);
        }
    }

    /// The account has another token now; or it is another one, and what was published is not there.
    pub(super) fn begin_anew(&mut self, moved: bool) {
        let running = self.running.take();
        let due = std::mem::take(&mut self.due);
        let turned = if moved { None } else { self.turned };
        *self = Self { turned, ..Self::default() };
        if !moved {
            let asked = running.into_iter().flat_map(|running| running.asked);
            self.due = due.into_iter().chain(asked.map(|post| (Timestamp::MIN, post))).collect();
        }
    }
}

/// A wait that has been doubled so often.
fn doubled(wait: Duration, times: u32) -> Duration {
    wait.saturating_mul(1 << times.min(12)).min(RARELY)
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
