//! The core that thinks: it composes queue, plan, ledger and deliver, and adds order, not policy.
//!
//! [`Engine::handle`] takes what happened and `now`; [`Engine::next_command`] gives what is to be done;
//! [`Engine::poll_timeout`] says when to come back at the latest. It opens no file, reads no clock, sends nothing and
//! knows no runtime: the daemon and the simulation drive the very same code.
//!
//! `engine` holds the state and sorts what happens; `commits` hands records in and goes on when they are durable; `clock` keeps an
//! eye on the wall clock; `accounts` takes them as they are configured; `resolve` takes a person's decision; `progress` says how
//! far everything has come, `answers` and `overview` where it stands. `announce` says in the log what has become durable, `empties`
//! says empty slots that follow each other closely as one, and `ends` announces what ends by itself.
//!
//! `planning` keeps the lanes true to queue and ledger; `leaving` knows which withdrawal is the last of its post; `anew` holds
//! everything while something else begins to count as an approval. `attempts` begins attempts and carries them on; `vouched` asks
//! for a signature once more before that, `spray` for what was said elsewhere, and `public` holds posts whose files a platform would not
//! find; `spending` is what calls cost. `desk` is one account; `probes` asks accounts that were stopped once more, and `patience`
//! says when; `tokens` keeps what a refresh has given through crashes; `private` keeps out of the ledger what a platform has handed
//! out for us alone.
//!
//! `sweeps` looks at what has become of posts, `people` knows who speaks to us, and `gains` takes outcomes in.
//!
//! Invariants:
//! - A record is applied to the view, and announced, only when it is durable.
//! - An account does one thing at a time. What is begun, is begun from the plan or from an attempt that is owed.
//! - The first call of an attempt follows its durable intent; the next call follows the durable checkpoint, and the
//!   durable tokens that a refresh has given. What a call may cost is durable before it is made.

mod accounts;
mod anew;
mod announce;
pub mod answers;
mod attempts;
mod clock;
pub mod command;
mod commits;
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
mod progress;
mod public;
mod resolve;
mod spending;
mod spray;
mod sweeps;
mod tokens;
mod vouched;

pub use command::{Command, Ticket};
pub use engine::{Engine, Mode};
pub use event::{AccountSetup, Chore, Event};
pub use gains::{DryRun, Unknown};
pub use resolve::ResolveError;
pub use tokens::{Seal, TokensError, kept_tokens, origin};
