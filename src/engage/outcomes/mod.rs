//! Outcomes as people and shops write them, made into outcomes of ours.
//!
//! [`Draft`] is one as texts, wherever they come from: options of a command, a row of a file, a message. [`Draft::read`]
//! says everything that is wrong with it. What could mean two things is refused and never guessed: a wrong sum in a report
//! is worse than a row to mend. Whether a post is known is not decided here; who holds the ledger says so.
//!
//! [`Table`] gives the drafts of a file row by row. It holds one row at a time. [`Rows`] and [`Moment`] serve other files
//! of people and programs as well.

mod amount;
mod draft;
pub mod hook;
mod moment;
mod rows;
mod table;

pub use amount::Decimal;
pub use draft::{Draft, Field, Names, Rules, Wrong};
pub use moment::{Moment, NoMoment};
pub use rows::{Rows, TableError, plain};
pub use table::{Columns, Row, Table};
