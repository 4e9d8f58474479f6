//! What the engine wants done.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::{AccountId, MediaItem};
use crate::engage;
use crate::ledger::Record;
use crate::ledger::store::Room;
use crate::parts::Claim;
use crate::platform::contract::Call;
use crate::telemetry::events::Event as LogEvent;

/// Joins a command and the event that answers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// Something to do outside. Each one with a ticket is answered by one event with the same ticket.
#[derive(Debug)]
pub enum Command {
    /// Make these records durable, all or none; then [`super::Event::Committed`].
    Commit { ticket: Ticket, records: Vec<Record>, room: Room },
    /// Make the call once; then [`super::Event::Replied`].
    Call { ticket: Ticket, account: AccountId, call: Call, timeout: Duration },
    /// Read and hash media; then [`super::Event::Gathered`].
    Gather { ticket: Ticket, queue_file: Arc<str>, items: Vec<MediaItem> },
    /// Look who has approved this by a signature; then [`super::Event::Vouched`].
    Vouch { ticket: Ticket, claim: Claim },
    /// Record these about people; then [`super::Event::Remembered`].
    Remember { ticket: Ticket, records: Vec<engage::Record> },
    /// Print a line of the log.
    Log(LogEvent),
    /// The ledger cannot go on: stop with a clear message.
    Halt { why: String },
}
