//! What happens after a post is out: who did something with it, what was said, who waits for an answer.
//!
//! Pure: what an adapter has found comes in, records go out, and the records are folded into what is known.

pub mod conversations;
pub mod found;
pub mod outcomes;
pub mod people;
pub mod record;
pub mod retention;
pub mod store;
pub mod watch;

pub use conversations::{Conversation, Conversations, Past};
pub use record::{Fact, Record, Sample};
pub use watch::Watch;
