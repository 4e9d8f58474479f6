//! The door to what is recorded about people.

use super::Record;
use crate::ledger::store::{CommitError, ReadError};

/// Called once with what became of a batch, or of a rewriting.
pub type Done = Box<dyn FnOnce(Result<(), CommitError>) + Send>;

/// The durable record about people. What is in it is not kept for ever, and nothing of what is published depends on it.
pub trait People: Send + Sync {
    /// Hands in a batch, which is kept in order; of one that fails or that a crash cuts off, a beginning may be kept. `done`
    /// is called when all of it is durable, in the order of handing in.
    fn submit(&self, batch: Vec<Record>, done: Done);

    /// Writes everything anew, with what `keep` makes of each record, oldest first; `None` leaves it out. What is not kept
    /// is gone from the disk when `done` is called.
    fn rewrite(&self, keep: Box<dyn FnMut(Record) -> Option<Record> + Send>, done: Done);

    /// Gives every durable record to `each`, oldest first, until it returns `false`.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn replay(&self, each: &mut dyn FnMut(Record) -> bool) -> Result<(), ReadError>;
}
