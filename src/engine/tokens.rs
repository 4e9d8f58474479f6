//! Tokens that outlive the process.
//!
//! Where a refresh uses up the token it is made with, what it gives is the only way to go on. So it is sealed and made
//! durable before anything is asked with it, like a checkpoint; and at the next start the account begins with it. What
//! was kept belongs to the secrets and the place it was got by ([`Origin`]): when a person gives another secret, or moves
//! the account, it is left alone.
//!
//! One window stays open, for the other side of it is not ours: the platform has used up the old token and answered, and
//! the answer is not durable. A crash then, or an answer that is lost on its way, costs the account its tokens. Nothing
//! is published or lost by that; the platform refuses the old token, the account stops, and a person gives it a new one
//! (`cadenced auth`).

use std::sync::Arc;

use serde_json::Value;

use crate::deliver::delivery::AccountState;
use crate::domain::seal::NONCE;
use crate::domain::{AccountId, Origin, SealKey, Timestamp};
use crate::ledger::record::Fact;
use crate::ledger::store::{CommitError, Room};
use crate::ledger::view::Head;
use crate::ledger::{Record, View};
use crate::parts::Chance;
use crate::platform::contract::Session;
use crate::telemetry::events::quote;

use super::commits::Then;
use super::desk::{Desk, Meanwhile, Work};
use super::engine::Mode;
use super::patience::Patience;
use super::{AccountSetup, Engine, Ticket};

const NO_KEY: &str = "its tokens must outlive the daemon, and the store has no key to seal them with ([store] seal)";
const OTHER_KEY: &str =
    "the tokens kept for it were sealed with another key: give the store that key back, or the account a new token";

/// Whether an account is stopped for this only: nobody has refused its token.
pub(super) fn is_locked(why: &str) -> bool {
    [NO_KEY, OTHER_KEY].contains(&why)
}

/// What is said of a token that is good, and not the account's.
pub(super) fn of_another(found: &str, expected: &str) -> String {
    format!("the token is that of account {}, not of {expected}", quote(found))
}

/// What tokens are sealed with.
#[derive(Clone)]
pub struct Seal {
    pub key: SealKey,
    pub chance: Arc<dyn Chance>,
}

impl std::fmt::Debug for Seal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seal")
    }
}

/// Why tokens that a person has obtained are not kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokensError {
    #[error("there is no account {0}")]
    Unknown(AccountId),
    #[error("the store has no key to seal tokens with")]
    NoKey,
    #[error("a dry run keeps nothing")]
    DryRun,
    #[error("other tokens of {0} are being recorded")]
    Busy(AccountId),
    #[error("the tokens cannot be sealed: {0}")]
    Sealing(String),
    #[error("the tokens could not be recorded: {0}")]
    Commit(CommitError),
}

/// The place and the secrets that this account's tokens are got by.
pub fn origin(setup: &AccountSetup) -> Origin {
    let secrets = setup.secrets.0.iter().map(|(key, secret)| (key.as_str(), secret));
    Origin::of(setup.adapter.platform(), &setup.adapter.host(), secrets)
}

/// The tokens that the ledger holds for an account with the secrets of today.
///
/// # Errors
/// Why they cannot be had.
pub fn kept_tokens(setup: &AccountSetup, head: Option<&Head>) -> Result<Option<Value>, &'static str> {
    open(setup, &origin(setup), head)
}

fn open(setup: &AccountSetup, origin: &Origin, head: Option<&Head>) -> Result<Option<Value>, &'static str> {
    let kept = head.and_then(|head| head.tokens.as_ref()).filter(|sealed| sealed.origin == *origin);
    match (&setup.seal, kept) {
        (None, _) if setup.adapter.keeps_tokens() => Err(NO_KEY),
        (None, _) | (_, None) => Ok(None),
        (Some(seal), Some(sealed)) => {
            let plain = seal.key.open(&setup.id, sealed);
            plain.and_then(|plain| serde_json::from_slice(&plain).ok()).map(Some).ok_or(OTHER_KEY)
        }
    }
}

/// The record of new tokens; `None` where there is no key, and they live no longer than the process.
fn sealed(setup: &AccountSetup, origin: &Origin, tokens: &Value) -> Result<Option<Fact>, String> {
    let Some(seal) = &setup.seal else { return Ok(None) };
    let mut nonce = [0; NONCE];
    seal.chance.fill(&mut nonce)?;
    let plain = tokens.to_string();
    let sealed = seal.key.seal(nonce, &setup.id, origin, plain.as_bytes()).map_err(|error| error.to_string())?;
    Ok(Some(Fact::TokensKept { account: setup.id.clone(), sealed: Some(sealed) }))
}

impl Desk {
    /// Takes the tokens that the ledger holds for the secrets of today, or the reason why they cannot be had.
    pub(super) fn take_tokens(&mut self, head: Option<&Head>) {
        let opened = open(&self.setup, &self.origin, head);
        self.locked = opened.as_ref().err().copied();
        self.session.kept = opened.ok().flatten();
    }

    /// Forgets what was known of the account but for the tokens that another one could not be got by.
    pub(super) fn log_out(&mut self) {
        self.session = Session { kept: self.session.kept.take(), ..Session::default() };
    }
}

impl Engine {
    /// Whether nothing may be asked on this account: its token is not accepted, its tokens cannot be opened, or new ones
    /// are not durable yet.
    pub(super) fn is_shut(&self, account: &AccountId) -> bool {
        let stopped = self.view.account(account).is_some_and(|account| account.head.stopped.is_some());
        let locked = self.desks.get(account).is_some_and(|desk| desk.locked.is_some());
        stopped || locked || self.stops.contains(account) || self.keeps.contains(account)
    }

    /// Stops an account whose tokens cannot be opened.
    pub(super) fn stop_locked(&mut self, account: &AccountId, now: Timestamp) {
        let Some(why) = self.desks.get(account).and_then(|desk| desk.locked) else { return };
        let said = self.view.account(account).and_then(|account| account.head.stopped.as_deref()) == Some(why);
        // Who only looks has no secrets, and stops nothing.
        if self.mode != Mode::Look && !said && self.stops.insert(account.clone()) {
            let fact = Fact::AccountStopped { account: account.clone(), why: why.into() };
            self.commit(vec![Record::new(now, fact)], Room::Reserve, Then::Changed(account.clone()));
        }
    }

    /// The account's session is this now, if it is that of the right account. The attempt goes on when what must not be
    /// lost of it is durable.
    pub(super) fn take_session(&mut self, account: &AccountId, mut session: Session, now: Timestamp) {
        let pinned = self.view.account(account).and_then(|account| account.head.pinned.clone());
        let held = self.held_under_way(account);
        let Some(desk) = self.desks.get_mut(account) else { return };
        let Work::Delivering { delivery, keeping, .. } = &mut desk.work else { return };
        if desk.asked_by != desk.origin {
            // Another secret has come into force since: this is the session of one that counts no more.
            let state = AccountState { session: &desk.session, secrets: &desk.setup.secrets, held };
            let act = delivery.proceed(state, now);
            return self.act(account, act, now);
        }
        if let Some(meanwhile) = &mut desk.authorising {
            // In the ledger these would come behind the person's, and take their place.
            *keeping = true;
            meanwhile.session = Some(session);
            return;
        }
        session.kept = session.kept.or_else(|| desk.session.kept.clone());
        let mut facts = Vec::new();
        if let Some(tokens) = session.kept.as_ref().filter(|kept| desk.session.kept.as_ref() != Some(kept)) {
            match sealed(&desk.setup, &desk.origin, tokens) {
                Ok(fact) => facts.extend(fact),
                Err(why) => {
                    let act = delivery.not_let_in(format!("its new tokens cannot be kept: {why}"));
                    return self.act(account, act, now);
                }
            }
        }
        let expected = desk.setup.identity.clone().or(pinned.clone());
        let wrong = session.identity.as_ref().zip(expected).filter(|(found, expected)| *found != expected);
        if let Some((found, expected)) = wrong {
            let why = of_another(found, &expected);
            if facts.is_empty() {
                let act = delivery.not_let_in(why);
                return self.act(account, act, now);
            }
            // They are kept all the same: what they were got by is used up, and it may be `identity` that is wrong.
            *keeping = true;
            desk.session.kept = session.kept;
            return self.keep(account, facts, Then::WrongAccount(account.clone(), why), now);
        }
        let found = session.identity.clone().filter(|found| pinned.as_ref() != Some(found));
        facts.extend(found.map(|identity| Fact::Pinned { account: account.clone(), identity }));
        desk.session = session;
        desk.sweeps.let_in();
        if facts.is_empty() {
            let state = AccountState { session: &desk.session, secrets: &desk.setup.secrets, held };
            let act = delivery.proceed(state, now);
            return self.act(account, act, now);
        }
        *keeping = true;
        self.keep(account, facts, Then::Kept(account.clone()), now);
    }

    fn keep(&mut self, account: &AccountId, facts: Vec<Fact>, then: Then, now: Timestamp) {
        if facts.iter().any(|fact| matches!(fact, Fact::TokensKept { .. })) {
            self.keeps.insert(account.clone());
        }
        let records = facts.into_iter().map(|fact| Record::new(now, fact)).collect();
        self.commit(records, Room::Reserve, then);
    }

    /// A probe was given new tokens; it goes on when they are durable.
    pub(super) fn keep_for_probe(&mut self, account: &AccountId, tokens: Value, now: Timestamp) {
        let Some(desk) = self.desks.get_mut(account) else { return };
        if let Some(meanwhile) = &mut desk.authorising {
            meanwhile.probe = Some(tokens);
            return;
        }
        let fact = sealed(&desk.setup, &desk.origin, &tokens);
        desk.session.kept = Some(tokens);
        match fact {
            Ok(Some(fact)) => self.keep(account, vec![fact], Then::Probe(account.clone()), now),
            Ok(None) => self.carry_on_probe(account, now),
            Err(_) => desk.probe = None,
        }
    }

    /// Whether the account's tokens are got by this. Of an account that is not there nobody can say otherwise.
    pub fn asks_by(&self, account: &AccountId, origin: &Origin) -> bool {
        self.desks.get(account).is_none_or(|desk| desk.origin == *origin)
    }

    /// Takes tokens that a person has obtained; a stop of the account ends with that. What came of it is given by
    /// [`Engine::next_resolved`] under the same ticket, when it is durable.
    ///
    /// # Errors
    /// There is no such account, no key, or the tokens are too large.
    pub fn keep_tokens(&mut self, account: &AccountId, tokens: &Value, now: Timestamp) -> Result<Ticket, TokensError> {
        let desk = self.desks.get_mut(account).ok_or_else(|| TokensError::Unknown(account.clone()))?;
        if self.mode == Mode::DryRun {
            return Err(TokensError::DryRun);
        }
        if self.keeps.contains(account) {
            return Err(TokensError::Busy(account.clone()));
        }
        let fact = sealed(&desk.setup, &desk.origin, tokens).map_err(TokensError::Sealing)?;
        let kept = fact.ok_or(TokensError::NoKey)?;
        desk.authorising = Some(Meanwhile::default());
        let resumed = is_stopped(&self.view, account).then(|| Fact::AccountResumed { account: account.clone() });
        let facts = std::iter::once(kept).chain(resumed);
        self.keeps.insert(account.clone());
        let records = facts.map(|fact| Record::new(now, fact)).collect();
        Ok(self.commit(records, Room::Reserve, Then::Authorised(account.clone())))
    }

    /// New tokens are in the ledger: whoever is asked next is asked with them.
    pub(super) fn tokens_are_durable(&mut self, account: &AccountId, now: Timestamp) {
        self.keeps.remove(account);
        if let Some(desk) = self.desks.get_mut(account) {
            desk.take_tokens(self.view.account(account).map(|account| &account.head));
        }
        // The key may be another one than when they were sealed.
        self.stop_locked(account, now);
    }

    /// What was learned with the tokens before counts no more.
    pub(super) fn authorised(&mut self, account: &AccountId, now: Timestamp) {
        if let Some(desk) = self.desks.get_mut(account) {
            desk.log_out();
            desk.probe = None;
            desk.patience = Patience::default();
            // What is answered to the tokens of before must not take the place of these.
            desk.asked_by = Origin::default();
            let meanwhile = desk.authorising.take();
            if let (Some(Meanwhile { session: Some(_), .. }), Work::Delivering { keeping, .. }) =
                (meanwhile, &mut desk.work)
            {
                *keeping = false;
            }
        }
        self.advance(account, now);
    }

    /// A person's tokens are not in the ledger. Those before go on, with what was given for them meanwhile.
    pub(super) fn not_authorised(&mut self, account: &AccountId, now: Timestamp) {
        self.keeps.remove(account);
        if let Some(Meanwhile { session, probe }) = self.desks.get_mut(account).and_then(|desk| desk.authorising.take())
        {
            if let (Some(session), Some(Work::Delivering { keeping, .. })) =
                (session, self.desks.get_mut(account).map(|desk| &mut desk.work))
            {
                *keeping = false;
                self.take_session(account, session, now);
            }
            if let Some(tokens) = probe {
                self.keep_for_probe(account, tokens, now);
            }
        }
        self.advance(account, now);
    }

    /// The attempt was given tokens of another account, and they are kept.
    pub(super) fn wrong_account(&mut self, account: &AccountId, why: String, now: Timestamp) {
        if let Some(Work::Delivering { delivery, keeping, .. }) = self.desks.get_mut(account).map(|desk| &mut desk.work)
        {
            *keeping = false;
            let act = delivery.not_let_in(why);
            self.act(account, act, now);
        }
        self.advance(account, now);
    }
}

/// Whether the ledger says that the account's token is not accepted.
pub(super) fn is_stopped(view: &View, account: &AccountId) -> bool {
    view.account(account).is_some_and(|account| account.head.stopped.is_some())
}
