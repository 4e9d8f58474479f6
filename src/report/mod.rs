//! Looks back: was the beat kept, and for whom.
//!
//! Pure: records come in one by one, oldest first, and a [`Report`] goes out. What it holds on the way is one entry for
//! each slot of the time that is asked for, and one for each post that is open. A figure says what it counts; what
//! nothing is recorded of is named as not measured, and is no zero.

mod beat;
mod conversations;
mod measured;
mod outcomes;
mod people;
mod posts;
mod summary;

pub use beat::{AccountBeat, Gap, Week};
pub use conversations::{ConversationSummary, ConversationWeek, Owed, Speed};
pub use measured::Measured;
pub use outcomes::{GainRow, GainWeek, Gains, OutcomeSummary};
pub use people::{Bots, CorePerson, PeopleSummary, PeopleWeek, PlatformPeople, Standings};
pub use posts::{AccountReach, Comparison, PostGroup, PostLine, Reach, Verdict};
pub use summary::{AccountSummary, Report, Reporter, Window};
