//! What an imitation of a platform is.

use super::{Call, Reply, Secrets};
use crate::domain::Timestamp;

/// A wire-level imitation of a platform, for tests, simulation and benchmarks. Pure: time comes in, effects stay
/// inside. Faults of the network are not its business; faults of the platform are.
pub trait Twin: Send {
    /// The keys of an account table that reach account number `account` (from 0) of this platform. `base` is a
    /// URL to reach HTTP twins by, and `folder` a place for files. Secrets are given as `{ env = "NAME" }`.
    fn table(&self, account: u32, base: &str, folder: &str) -> toml::Table;

    /// The secrets of account number `account`, by key.
    fn secrets(&self, account: u32) -> Secrets;

    /// Carries a call out and answers it.
    fn answer(&mut self, call: &Call, now: Timestamp) -> Reply;

    /// What is published of that which appeared after `mark`, in the order it appeared; a thread's parts each on their
    /// own. `mark` is 0 at first, and afterwards stands behind what was given.
    fn published_since(&self, mark: &mut usize) -> Vec<Published>;

    /// Everything that is published, in the order it appeared.
    fn published(&self) -> Vec<Published> {
        self.published_since(&mut 0)
    }

    /// Until then, calls are refused as the platform refuses them when too much is asked.
    fn throttle(&mut self, until: Timestamp);

    /// Short-lived tokens given out so far are no longer accepted.
    fn expire_tokens(&mut self);

    /// The account's secret is accepted, or no longer.
    fn set_revoked(&mut self, revoked: bool);
}

/// One thing that people can see on a twin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// As in [`Twin::table`].
    pub account: u32,
    pub id: String,
    pub text: String,
    /// When it appeared.
    pub at: Timestamp,
    /// The id of the post that it answers.
    pub answers: Option<String>,
}
