//! A person's decision on a delivery that does not go on by itself.

use crate::domain::{DeliveryId, State, Timestamp};
use crate::ledger::Record;
use crate::ledger::record::{Decision, Fact};
use crate::ledger::store::{CommitError, Room};

use super::commits::Then;
use super::{Engine, Ticket};

/// Why a person's decision cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    #[error("there is no delivery {0}")]
    Unknown(DeliveryId),
    #[error("{delivery} is {state}: only an uncertain, refused or missed delivery can be resolved")]
    NotOpen { delivery: DeliveryId, state: &'static str },
    #[error("{delivery} is not sent any more: its post expired at {expires}")]
    Expired { delivery: DeliveryId, expires: Timestamp },
    #[error("{0} is being decided already")]
    Busy(DeliveryId),
    #[error("the decision could not be recorded: {0}")]
    Commit(CommitError),
}

impl Engine {
    /// Takes a person's decision. What came of it is given by [`Engine::next_resolved`] under the same ticket, when it
    /// is durable.
    ///
    /// # Errors
    /// When the delivery is in a state that leaves nothing to decide.
    pub fn resolve(
        &mut self,
        delivery: &DeliveryId,
        decision: Decision,
        by: &str,
        now: Timestamp,
    ) -> Result<Ticket, ResolveError> {
        let entry = self.view.entry(delivery).ok_or_else(|| ResolveError::Unknown(delivery.clone()))?;
        match entry.state {
            State::Uncertain { .. } | State::Refused { .. } | State::Missed => {}
            _ => return Err(ResolveError::NotOpen { delivery: delivery.clone(), state: entry.state.name() }),
        }
        let parts = entry.open.as_ref().map_or(0, |open| open.published);
        let expires =
            self.posts.get(&delivery.post).and_then(|post| post.rare.expires).filter(|expires| *expires <= now);
        if let (Decision::Retry, 0, Some(expires)) = (&decision, parts, expires) {
            return Err(ResolveError::Expired { delivery: delivery.clone(), expires });
        }
        if !self.resolving.insert(delivery.clone()) {
            return Err(ResolveError::Busy(delivery.clone()));
        }
        let fact = Fact::Resolved { delivery: delivery.clone(), decision, by: by.into() };
        Ok(self.commit(vec![Record::new(now, fact)], Room::Reserve, Then::Resolved(delivery.clone())))
    }

    /// What a person has given that has been recorded, or could not be.
    pub fn next_resolved(&mut self) -> Option<(Ticket, Result<(), CommitError>)> {
        self.resolved.pop()
    }
}
