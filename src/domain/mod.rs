//! The words of the project, and nothing that acts.
//!
//! Every other room imports this one; this one imports none of ours. A type lives here when two rooms
//! must mean the same thing by it. Values are valid by construction: what a person, a disk or a network
//! could get wrong is refused at the constructor.

pub mod cause;
pub mod content;
pub mod document;
pub mod escape;
pub mod fault;
pub mod gain;
pub mod html;
pub mod ids;
pub mod limits;
pub mod links;
pub mod path;
pub mod people;
pub mod policy;
pub mod seal;
pub mod secret;
pub mod sorted;
pub mod spending;
pub mod state;
pub mod tagging;
pub mod time;

pub use cause::Cause;
pub use content::{Content, FoundMedia, Goal, MediaFacts, MediaItem, ReplyTo, Visibility};
pub use fault::{Fault, Place};
pub use gain::{Currency, Gain, GainKind, KeyHash, Money};
pub use ids::{AccountId, DeliveryId, Digest, IdError, PostId};
pub use people::{BotSign, Interaction, Message, PersonId, Profile};
pub use seal::{Origin, SealKey, Sealed};
pub use secret::{Secret, SecretRef};
pub use sorted::Sorted;
pub use spending::{Dollars, Month, Spend};
pub use state::{Checkpoint, Held, JsonText, Remote, State};
pub use tagging::Links;
pub use time::Timestamp;
