//! What happened: records, the view that is their fold, and the trait behind which they are kept.
//!
//! Records are facts: appended, versioned, never changed. [`View`] is what the core remembers of them. How they
//! are made durable is not known here; `edge` implements [`store::Ledger`].

pub mod record;
pub mod store;
pub mod view;
pub mod words;

pub use record::{Fact, Outcome, Record};
pub use view::View;
