//! The only door to the store.
//!
//! Nothing here needs an embedded store: batches go in, a batch is durable when its `done` is called, and records
//! come out by delivery or in order. An implementation over a database server would keep the same promises.

use crate::domain::{DeliveryId, Timestamp};

use super::Record;

/// What a batch may use of the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// Refused when only the reserve is left: new intents and plans, which can wait.
    Free,
    /// May use the reserve: outcomes, checkpoints and decisions, which must not be lost.
    Reserve,
}

/// Why a batch is not durable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// The disk is full; nothing of the batch was kept. It may be handed in again.
    #[error("no room for the record: {0}")]
    NoRoom(String),
    /// The disk failed; nothing of the batch was kept, and the ledger has been reopened. It may be handed in again.
    #[error("failed to write the record: {0}")]
    Io(String),
    /// No record of this size is ever kept: handing it in again does not help.
    #[error("a record of {bytes} bytes is none that can be kept")]
    TooLarge { bytes: usize },
    /// The ledger cannot go on: the daemon must stop.
    #[error("the ledger cannot be used any more: {0}")]
    Broken(String),
}

/// Why records cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("failed to read the ledger: {0}")]
pub struct ReadError(pub String);

/// The durable record.
pub trait Ledger: Send + Sync {
    /// Hands in a batch; all of it or nothing is kept. `done` is called when it is durable, in the order of
    /// handing in. Many batches that wait share one sync.
    fn submit(&self, batch: Vec<Record>, room: Room, done: Box<dyn FnOnce(Result<(), CommitError>) + Send>);

    /// Everything recorded about one delivery, oldest first.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn history(&self, delivery: &DeliveryId) -> Result<Vec<Record>, ReadError>;

    /// Gives every durable record to `each`, oldest first, until it returns `false`.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn replay(&self, each: &mut dyn FnMut(Record) -> bool) -> Result<(), ReadError>;

    /// Whether new intents fit. Tries to make room where there is none.
    fn has_room(&self) -> bool;

    /// Figures for logs and `status`.
    fn figures(&self) -> Figures;
}

/// Size of the store.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct Figures {
    pub records: u64,
    pub journal_bytes: u64,
    pub index_bytes: u64,
    /// Highest wall clock that was recorded.
    pub clock_mark: Option<Timestamp>,
}
