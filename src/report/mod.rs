//! Looks back: was the beat kept, who came back, whom do we owe an answer, what came of it, and last how far it went.
//!
//! Pure: records come in one by one, oldest first, and a [`Report`] goes out. What it holds on the way is one entry for
//! each slot, each post and each outcome, and a short row for each interaction. A figure says what it counts and with how
//! many deliveries it can speak for; what is not known is `None` and no zero. Followers are counted nowhere, and no text of
//! anybody is in a report.

mod beat;
mod conversations;
pub mod demo;
pub mod html;
mod measured;
mod outcomes;
mod people;
mod post;
mod posts;
mod summary;
#[cfg(test)]
mod tests;
mod week;

pub use beat::{AccountBeat, Gap, Week};
pub use conversations::{ConversationSummary, ConversationWeek, Owed, Speed};
pub use measured::Measured;
pub use outcomes::{GainRow, GainWeek, Gains, OutcomeSummary};
pub use people::{Bots, CorePerson, PeopleSummary, PeopleWeek, PlatformPeople, Standings};
pub use posts::{AccountReach, Comparison, PostGroup, PostLine, Reach, Verdict};
pub use summary::{AccountSummary, Report, Reporter, Runway, Window};
