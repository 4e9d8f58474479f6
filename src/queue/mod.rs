//! The queue: text becomes approved posts, or faults with line and column.
//!
//! `parse` reads one file, `digest` says what approval is bound to, `approval` writes it into the file, `signed` reads it
//! beside the file, [`Queue`] folds the files into one set of posts in which each id stands once.

pub mod alike;
pub mod approval;
pub mod digest;
pub mod packed;
pub mod parse;
pub mod post;
#[expect(clippy::module_inception, reason = "the queue is what this room is about")]
pub mod queue;
pub mod signed;

pub use packed::Packed;
pub use post::{Approval, Kind, Lapse, Order, Post, Rare, Rarely, Trouble};
pub use queue::{ById, Change, Posts, Queue};
