//! The core that thinks: it composes queue, plan, ledger and deliver, and adds order, not policy.
//!
//! [`Engine::handle`] takes what happened and `now`; [`Engine::next_command`] gives what is to be done;
//! [`Engine::poll_timeout`] says when to come back at the latest. It opens no file, reads no clock, sends nothing and
//! knows no runtime: the daemon and the simulation drive the very same code.
//!
//! `engine` holds the state and sorts what happens; `planning` keeps the lanes true to queue and ledger; `attempts`
//! begins attempts and carries them on; `probes` asks accounts that were stopped once more, and `patience` says when;
//! `public` holds posts whose files a platform would not find; `private` keeps out of the ledger what a platform has handed
//! out for us alone; `answers` says where everything stands; `announce` says in the log what has become durable; `leaving` knows which withdrawal is the last of its post; `desk` is one
//! account; `tokens` keeps what a refresh has given through crashes; `ends` announces what ends by itself; `spending` what calls
//! cost; `vouched` asks for a signature once more; `anew` holds everything while something else begins to count as an approval; `sweeps` looks at
//! what has become of posts, and `people` knows who speaks to us; `empties` says empty slots that follow each other closely as one.
//!
//! Invariants:
//! - A record is applied to the view, and announced, only when it is durable.
//! - An account does one thing at a time. What is begun, is begun from the plan or from an attempt that is owed.
//! - The first call of an attempt follows its durable intent; the next call follows the durable checkpoint, and the
//!   durable tokens that a refresh has given. What a call may cost is durable before it is made.

mod anew;
mod announce;
pub mod answers;
mod attempts;
pub mod command;
mod desk;
mod empties;
mod ends;
#[expect(clippy::module_inception, reason = "the engine is what this room is about")]
pub mod engine;
pub mod event;
mod gains;
mod leaving;
mod overview;
mod patience;
mod people;
mod planning;
mod private;
mod probes;
mod public;
mod spending;
mod spray;
mod sweeps;
mod tokens;
mod vouched;

pub use command::{Command, Ticket};
pub use engine::{Engine, Mode, ResolveError};
pub use event::{AccountSetup, Chore, Event};
pub use gains::{DryRun, Unknown};
pub use tokens::{Seal, TokensError, kept_tokens, origin};
