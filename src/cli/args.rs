//! What can be asked on the command line. These types record the wish and carry nothing out.
//!
//! The doc comments are the `--help` texts: a first line that stands alone, then what the command does. `docs/commands.md`
//! says the same for readers of the docs, and a test compares names and options.

mod daemon;
mod ledger;
mod people;
mod queue;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub use daemon::*;
pub use ledger::*;
pub use people::*;
pub use queue::*;

/// Publishes approved posts on a steady schedule: exactly once, and with a durable record of every step
///
/// cadenced reads a queue of approved posts from TOML files, publishes them on the schedule of each account, and records
/// every step. Begin with `cadenced check` and `cadenced plan`: they show what would happen and send nothing.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "cadenced",
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    after_long_help = TOP_HELP
)]
pub struct Cli {
    /// The configuration file
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "CADENCED_CONFIG",
        hide_env_values = true,
        default_value = "/etc/cadenced/cadenced.toml"
    )]
    pub config: PathBuf,
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// The command line of this process.
    ///
    /// # Errors
    /// Help or a usage error was printed; the process is to end like this.
    pub fn of_this_process() -> Result<Self, super::Exit> {
        Self::try_parse().map_err(|error| {
            // Where nobody reads it, nothing is lost.
            let _ = error.print();
            if error.use_stderr() { super::Exit::Unusable } else { super::Exit::Done }
        })
    }
}

const TOP_HELP: &str = "\
Examples:
  cadenced check                       what is wrong with the configuration and the queue, and where
  cadenced approve queue/week.toml --by editor@example.org
  cadenced plan --days 7               what goes out when, and what does not and why
  cadenced run                         the daemon, in the foreground
  cadenced status --strict             for a monitor: exit 1 when a person is needed

Exit codes:
  0   done
  1   done, and there is something to mend; or not done, for a reason that is said
  2   the command cannot be used like this
  77  the store is refused: locked, corrupt, or of another machine
  78  the configuration is refused";

/// The verbs.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Run the daemon in the foreground
    ///
    /// Reads the queue, plans, publishes and records until it is told to stop (SIGTERM, SIGINT). SIGHUP reads the
    /// configuration again. Edits of queue files are in force within two seconds, without a signal. One daemon holds the
    /// store; a second one is refused.
    #[command(after_long_help = RUN_HELP)]
    Run(RunArgs),
    /// Find what is wrong with the configuration, the queue and its media
    ///
    /// Reports every problem at file:line:column, with what to write instead: syntax, unknown keys, media that are missing
    /// or changed, texts that a platform would refuse. Sends nothing, asks no platform.
    #[command(after_long_help = CHECK_HELP)]
    Check(CheckArgs),
    /// Show what goes out when, and what is held and why
    ///
    /// Runs the schedule ahead from now, with the rules of the configuration and what is on record. Works with and without
    /// the daemon, and changes nothing.
    #[command(after_long_help = PLAN_HELP)]
    Plan(PlanArgs),
    /// Begin a post: adds one to a queue file, to be filled in
    ///
    /// What stands in the file stays as it is. The post has no text yet and is not approved, so nothing can be sent by accident.
    /// Comments say for each account when it has room next and what it takes.
    #[command(after_long_help = NEW_HELP)]
    New(NewArgs),
    /// Approve posts: exactly as they stand now
    ///
    /// Shows what would be published on each account, asks, and writes the approval into the queue file, keeping its
    /// comments and layout. The approval is bound to text, links, media bytes, accounts and time; one changed letter voids
    /// it.
    #[command(after_long_help = APPROVE_HELP)]
    Approve(ApproveArgs),
    /// Show where everything stands
    ///
    /// First what waits for a person, then accounts and deliveries. With a post or a delivery: its whole history.
    #[command(after_long_help = STATUS_HELP)]
    Status(StatusArgs),
    /// Decide on a delivery that is uncertain, refused or missed
    ///
    /// `uncertain` means: it may have been published, and neither we nor the platform's API can tell. Look at the account,
    /// then say what you saw. The decision is recorded with your name.
    #[command(after_long_help = RESOLVE_HELP)]
    Resolve(ResolveArgs),
    /// Record what came of posts: leads, customers, revenue
    ///
    /// Each outcome is known by its key, such as an order number: one that is handed in twice is recorded once. It is joined
    /// to the post that brought it, by the post's id or by the `utm_content` of the page that was come to.
    #[command(subcommand, disable_help_subcommand = true, arg_required_else_help = true, after_long_help = OUTCOME_HELP)]
    Outcome(OutcomeVerb),
    /// Obtain an account's token, prove it, and put it where the daemon reads it
    ///
    /// Goes through the platform's own login, with a browser on any machine, or takes a token that you paste. The platform is
    /// then asked whose token it is; one that it does not accept, or of another account, is not stored. No token is ever shown.
    #[command(after_long_help = AUTH_HELP)]
    Auth(AuthArgs),
    /// Look for what would go wrong
    ///
    /// Asks every account's platform whose token it has, what it may do and when it ends, and looks at the store, the queue
    /// folder, the secrets and the clock. Publishes nothing and spends no token. Run it as the daemon's user.
    #[command(after_long_help = DOCTOR_HELP)]
    Doctor(DoctorArgs),
    /// Show who waits for an answer
    ///
    /// Conversations below posts of ours and mentions of us in which a person has spoken last, oldest first. What is answered
    /// anywhere, also by hand in the app, waits no more once it has been looked at. Machines are not waited for.
    #[command(after_long_help = INBOX_HELP)]
    Inbox(InboxArgs),
    /// Show who does something with our posts, and what they are to us
    ///
    /// Core: three or more things in two or more weeks of the last 90 days. New, returning, cooling (nothing for 30 days), lost
    /// (nothing for 90 days). Advocates bring others. Machines are not among them; --only bots shows them with the reason.
    #[command(after_long_help = PEOPLE_HELP)]
    People(PeopleArgs),
    /// Remove a person from the store, at once and for good
    ///
    /// What they did and said is removed from what is recorded; counts stay. They are not recorded again, for which a hash of
    /// their id is kept. What they did remains on the platform.
    #[command(after_long_help = FORGET_HELP)]
    Forget(ForgetArgs),
    /// Write out everything that is recorded
    ///
    /// `deliveries` has one row for each delivery with its present state; `attempts` has one row for each record, oldest
    /// first; `outcomes` has one row for each lead, customer and revenue. Secrets are in none: the store holds none in plain
    /// text.
    #[command(after_long_help = EXPORT_HELP)]
    Export(ExportArgs),
    /// Make a store of an export, or drafts of posts from elsewhere
    ///
    /// For a new machine: what is on record as published is not published again. Takes what `cadenced export --what all` wrote,
    /// whole and unchanged, and makes a store where there is none; there is all of it afterwards, or nothing.
    ///
    /// With --from: puts the posts of another program's file into the queue, none of them approved. The same file may be
    /// read again at any time; what is in the queue or on record already is left out.
    #[command(after_long_help = IMPORT_HELP)]
    Import(ImportArgs),
    /// Read the whole store and say whether it is sound
    ///
    /// Every record of the journals is read and checked, the states are counted, and where no daemon holds the store its index
    /// is compared with the journal; one that does not agree is made anew. It holds the store meanwhile: a daemon that is
    /// started then waits for it.
    #[command(after_long_help = VERIFY_HELP)]
    Verify,
    /// Look back: was the beat kept, and for whom
    ///
    /// Planned slots against kept ones, week by week and account by account; why slots stayed empty; what was delivered
    /// for which audience and goal. It never counts followers.
    #[command(after_long_help = REPORT_HELP)]
    Report(ReportArgs),
    /// Print the JSON Schema of a kind of file
    ///
    /// For editors that check and complete TOML. Begin a file with `#:schema PATH` to have it used.
    #[command(after_long_help = SCHEMA_HELP)]
    Schema(SchemaArgs),
    /// Print completions for a shell
    #[command(after_long_help = COMPLETIONS_HELP)]
    Completions(CompletionsArgs),
    /// Print the manual page, all commands in one
    #[command(after_long_help = MAN_HELP)]
    Man,
}
