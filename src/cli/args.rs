//! What can be asked on the command line. These types record the wish and carry nothing out.
//!
//! The doc comments are the `--help` texts: a first line that stands alone, then what the command does. `docs/commands.md`
//! says the same for readers of the docs, and a test compares names and options.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use jiff::tz::TimeZone;

use crate::control::protocol::{Decision, Which};
use crate::domain::time::parse_span;
use crate::domain::{AccountId, Currency, DeliveryId, GainKind, PostId};
use crate::engage::outcomes::Field;

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
    /// is compared with the journal; one that does not agree is made anew.
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

/// `cadenced run`
#[derive(Debug, Clone, Copy, Args)]
pub struct RunArgs {
    /// End when nothing is sending, retrying or scheduled any more
    #[arg(long)]
    pub until_idle: bool,
    /// Publish nothing; say what would be sent
    #[arg(long)]
    pub dry_run: bool,
    /// The wall clock is right although the store has seen a later time
    #[arg(long)]
    pub confirm_clock: bool,
}

const RUN_HELP: &str = "\
Examples:
  cadenced run
  cadenced run --config ./cadenced.toml --dry-run
  cadenced run --until-idle            send what is due and scheduled, then end

Exit codes:
  0   told to stop, or idle with --until-idle
  2   the command cannot be used like this
  77  the store is refused: locked, corrupt, or of another machine
  78  the configuration is refused";

/// `cadenced check`
#[derive(Debug, Clone, Args)]
pub struct CheckArgs {
    /// Queue files to look at; all of the queue when none is named
    #[arg(value_name = "FILES")]
    pub files: Vec<PathBuf>,
    #[arg(long, value_enum, default_value_t, help = "How to print the findings")]
    pub format: CheckFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum CheckFormat {
    /// For people, with excerpts
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

const CHECK_HELP: &str = "\
Examples:
  cadenced check
  cadenced check queue/week.toml
  cadenced check --format json | jq -r .reason

Exit codes:
  0  nothing found
  1  something was found
  2  the configuration or a named file cannot be used at all";

/// `cadenced plan`
#[derive(Debug, Clone, Copy, Args)]
pub struct PlanArgs {
    /// How many days to look ahead
    #[arg(long, value_name = "N", default_value_t = 14, value_parser = clap::value_parser!(u32).range(1..=3660))]
    pub days: u32,
    #[arg(long, value_enum, default_value_t, help = "How to print the plan")]
    pub format: PlanFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum PlanFormat {
    /// For people
    #[default]
    Table,
    /// A list of {at, delivery, state, reason}
    Json,
    /// A calendar (RFC 5545)
    Ics,
}

const PLAN_HELP: &str = "\
Examples:
  cadenced plan
  cadenced plan --days 60 --format ics > posts.ics
  cadenced plan --format json | jq '.[] | select(.state == \"held\")'

Exit codes:
  0   printed
  2   the command cannot be used like this
  77  the store is refused
  78  the configuration is refused";

/// `cadenced new`
#[derive(Debug, Clone, Args)]
pub struct NewArgs {
    /// Its id; the day and a number when none is given
    #[arg(value_name = "ID")]
    pub id: Option<PostId>,
    /// Who publishes it; those that the file's defaults name, else all
    #[arg(long, value_name = "ACCOUNT", num_args = 1..)]
    pub to: Vec<AccountId>,
    /// The file that it is added to, made where it is not there; ID.toml in the queue folder when none is named
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub file: Option<PathBuf>,
}

const NEW_HELP: &str = "\
Examples:
  cadenced new
  cadenced new 2026-11-lamp --to fedi bsky
  cadenced new 2026-11-lamp --file queue/week.toml

Exit codes:
  0   added
  1   not added: the id is taken, or the file cannot be added to
  2   the command cannot be used like this
  77  the store is refused
  78  the configuration is refused";

/// `cadenced approve`
#[derive(Debug, Clone, Args)]
pub struct ApproveArgs {
    /// Queue files, or ids of posts
    #[arg(required = true, value_name = "FILE|ID")]
    pub items: Vec<String>,
    /// Who approves
    #[arg(long, value_name = "WHO", value_parser = person, required_unless_present = "sign", conflicts_with = "sign")]
    pub by: Option<String>,
    /// Sign the approval with ssh-keygen, where the configuration wants it signed
    #[arg(long)]
    pub sign: bool,
    /// The key to sign with, or its public half where the agent holds it; without it, the agent's key that may sign
    #[arg(long, value_name = "FILE", requires = "sign", conflicts_with = "by", value_hint = ValueHint::FilePath)]
    pub key: Option<PathBuf>,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

const APPROVE_HELP: &str = "\
Examples:
  cadenced approve queue/week.toml --by editor@example.org
  cadenced approve queue/week.toml --sign --key ~/.ssh/id_ed25519
  cadenced approve 2026-11-desk-story 2026-11-lamp --by me --yes

Exit codes:
  0   approved
  1   not approved: refused by you, or a post cannot be approved as it stands
  2   the command cannot be used like this
  78  the configuration is refused";

/// `cadenced status`
#[derive(Debug, Clone, Args)]
pub struct StatusArgs {
    /// One post or one delivery, with its history
    #[arg(value_name = "POST[@ACCOUNT]")]
    pub which: Option<Which>,
    #[arg(long, value_enum, default_value_t, help = "How to print it")]
    pub format: StatusFormat,
    /// Exit with 1 when something waits for a person
    #[arg(long)]
    pub strict: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum StatusFormat {
    /// For people
    #[default]
    Table,
    /// One JSON object, every delivery in it
    Json,
}

const STATUS_HELP: &str = "\
Examples:
  cadenced status
  cadenced status 2026-11-desk-story@fedi
  cadenced status --strict > /dev/null || echo 'somebody must look'
  cadenced status --format json | jq '.attention'

Exit codes:
  0   printed
  1   with --strict: something waits for a person; or there is no such post
  2   the command cannot be used like this
  77  the store is refused
  78  the configuration is refused";

/// `cadenced resolve`
#[derive(Debug, Clone, Args)]
pub struct ResolveArgs {
    /// The delivery
    #[arg(value_name = "POST@ACCOUNT")]
    pub delivery: DeliveryId,
    #[command(flatten)]
    decision: DecisionArgs,
    /// Who decides
    // A service or a container often has no $USER; a decision is taken all the same.
    #[arg(
        long,
        value_name = "WHO",
        env = "USER",
        hide_env_values = true,
        default_value = "a person",
        hide_default_value = true,
        value_parser = person
    )]
    pub by: String,
}

#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
struct DecisionArgs {
    /// It is there: under this URL (or at:// URI)
    #[arg(long, value_name = "URL", value_parser = remote_url)]
    delivered: Option<String>,
    /// It is surely not there: send it
    #[arg(long)]
    retry: bool,
    /// Never send it
    #[arg(long)]
    drop: bool,
}

impl ResolveArgs {
    /// The one decision that was given.
    pub fn decision(&self) -> Decision {
        match &self.decision {
            DecisionArgs { delivered: Some(url), .. } => Decision::Delivered { url: url.clone() },
            DecisionArgs { retry: true, .. } => Decision::Retry,
            // The parser asks for exactly one of the three. Were it to let none pass, the choice that sends nothing is
            // the one that can be taken back.
            DecisionArgs { .. } => Decision::Drop,
        }
    }
}

const RESOLVE_HELP: &str = "\
Examples:
  cadenced resolve desk@fedi --delivered https://mastodon.example/@me/115
  cadenced resolve desk@fedi --retry --by editor@example.org
  cadenced resolve desk@fedi --drop

Exit codes:
  0   recorded
  1   not recorded: no such delivery, or nothing to decide in its state
  2   the command cannot be used like this
  77  the store is refused
  78  the configuration is refused";

/// `cadenced outcome`
#[derive(Debug, Clone, Subcommand)]
pub enum OutcomeVerb {
    /// Record one outcome
    ///
    /// A post that is neither in the queue nor on record is refused, with the nearest known one.
    #[command(after_long_help = OUTCOME_ADD_HELP)]
    Add(OutcomeAddArgs),
    /// Record the rows of a CSV file
    ///
    /// The first row names the columns: key (id, order, …), at (date, created_at, …), kind (type), amount (value, revenue,
    /// total), currency, post (utm_content), url (landing_page), account, note, in any case and order. Columns are separated
    /// by commas, semicolons or tabs. Rows that cannot be taken are said at FILE:LINE, and the rest is recorded; the same file
    /// may be imported again at any time. A file without keys has its rows known by what they say.
    #[command(after_long_help = OUTCOME_IMPORT_HELP)]
    Import(OutcomeImportArgs),
}

const OUTCOME_HELP: &str = "\
Examples:
  cadenced outcome add --kind lead --post desk --key form-17
  cadenced outcome import orders.csv --kind revenue --currency EUR

Exit codes:
  0   recorded, or known already
  1   some were not recorded: no such post, rows that cannot be read
  2   the command cannot be used like this
  77  the store is refused
  78  the configuration is refused";

/// `cadenced outcome add`
#[derive(Debug, Clone, Args)]
pub struct OutcomeAddArgs {
    #[arg(long, value_enum, help = "What it is")]
    pub kind: OutcomeKind,
    /// The post that brought it
    #[arg(long, value_name = "POST")]
    pub post: Option<PostId>,
    /// The account that brought it
    #[arg(long, value_name = "ACCOUNT")]
    pub account: Option<AccountId>,
    /// What it is known by, such as an order number; one is made when none is given
    #[arg(long, value_name = "KEY")]
    pub key: Option<String>,
    /// When it was; now when not given
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
    /// What it brought; less than nothing for money that was given back
    #[arg(long, value_name = "AMOUNT", requires = "currency", allow_hyphen_values = true)]
    pub amount: Option<String>,
    /// The currency of the amount, such as EUR
    #[arg(long, value_name = "CURRENCY")]
    pub currency: Option<Currency>,
    /// A note for yourselves; it is kept for good, so write no names of people
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// Record it although its post is neither in the queue nor on record
    #[arg(long)]
    pub unknown_post: bool,
}

const OUTCOME_ADD_HELP: &str = "\
Examples:
  cadenced outcome add --kind lead --post desk --key form-17
  cadenced outcome add --kind revenue --post desk --amount 120.50 --currency EUR

Exit codes:
  0   recorded, or known already
  1   not recorded: no such post or account
  2   the command cannot be used like this
  77  the store is refused
  78  the configuration is refused";

/// `cadenced outcome import`
#[derive(Debug, Clone, Args)]
pub struct OutcomeImportArgs {
    /// The file
    #[arg(value_name = "FILE.csv")]
    pub file: PathBuf,
    /// The column of a field, where it has another name; without a column's name the field has none
    #[arg(long, value_name = "FIELD=COLUMN", value_parser = column_of)]
    pub map: Vec<(Field, String)>,
    #[arg(long, value_enum, help = "What a row is that does not say")]
    pub kind: Option<OutcomeKind>,
    /// The currency of amounts that have none, such as EUR
    #[arg(long, value_name = "CURRENCY")]
    pub currency: Option<Currency>,
    /// The time zone of moments without one; the configuration's when not given
    #[arg(long, value_name = "ZONE", value_parser = time_zone)]
    pub timezone: Option<TimeZone>,
    #[arg(long, value_enum, help = "What separates decimals, where that cannot be told")]
    pub decimal: Option<DecimalMark>,
    /// Record rows although their post is neither in the queue nor on record
    #[arg(long)]
    pub unknown_posts: bool,
}

const OUTCOME_IMPORT_HELP: &str = "\
Examples:
  cadenced outcome import orders.csv --kind revenue --currency EUR
  cadenced outcome import leads.csv --kind lead --map at=Submitted
  cadenced outcome import shop.csv --decimal comma --timezone Europe/Berlin

Exit codes:
  0   every row is recorded, or was already
  1   some rows are not recorded: they are said
  2   the command cannot be used like this
  77  the store is refused
  78  the configuration is refused";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum OutcomeKind {
    /// Somebody who asks
    Lead,
    /// Somebody who has bought for the first time
    Customer,
    /// Money, from whomever
    Revenue,
}

impl OutcomeKind {
    pub fn kind(self) -> GainKind {
        match self {
            Self::Lead => GainKind::Lead,
            Self::Customer => GainKind::Customer,
            Self::Revenue => GainKind::Revenue,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DecimalMark {
    /// 1,234.56
    Point,
    /// 1.234,56
    Comma,
}

fn column_of(text: &str) -> Result<(Field, String), String> {
    let (field, column) = text.split_once('=').ok_or("write FIELD=COLUMN, such as at=Submitted")?;
    Ok((field.trim().parse()?, column.trim().to_owned()))
}

fn time_zone(text: &str) -> Result<TimeZone, String> {
    TimeZone::get(text).map_err(|_| "write an IANA name, such as Europe/Berlin".into())
}

/// `cadenced auth`
#[derive(Debug, Clone, Args)]
pub struct AuthArgs {
    /// The account, as the configuration calls it
    #[arg(value_name = "ACCOUNT")]
    pub account: AccountId,
    /// Take a token that you paste, also where the platform has a login
    #[arg(long)]
    pub paste: bool,
    /// Folder for secrets that the daemon reads as credentials or from its environment: a file for each, mode 0600
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
}

const AUTH_HELP: &str = "\
Examples:
  cadenced auth fedi
  cadenced auth bsky --paste < password.txt
  cadenced auth fedi --out new-secrets

Exit codes:
  0   the token is accepted, and stored or said where to put
  1   not done: no such account, not accepted, or it cannot be stored
  2   the command cannot be used like this
  77  the store is refused
  78  the configuration is refused";

/// `cadenced doctor`
#[derive(Debug, Clone, Args)]
pub struct DoctorArgs {
    /// Accounts to examine; all of them when none is named
    #[arg(value_name = "ACCOUNT")]
    pub accounts: Vec<AccountId>,
    /// Ask nobody: look at this machine only
    #[arg(long)]
    pub offline: bool,
    #[arg(long, value_enum, default_value_t, help = "How to print the findings")]
    pub format: DoctorFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum DoctorFormat {
    /// For people
    #[default]
    Text,
    /// A list of {area, account, level, what, remedy}
    Json,
}

const DOCTOR_HELP: &str = "\
Examples:
  cadenced doctor
  cadenced doctor fedi bsky
  cadenced doctor --offline
  cadenced doctor --format json | jq '.[] | select(.level != \"ok\")'

Exit codes:
  0   nothing found
  1   something was found, a configuration that is refused included
  2   the command cannot be used like this";

/// `cadenced export`
#[derive(Debug, Clone, Args)]
pub struct ExportArgs {
    #[arg(long, value_enum, default_value_t, help = "Which table")]
    pub what: ExportWhat,
    #[arg(long, value_enum, default_value_t, help = "How to write it")]
    pub format: ExportFormat,
    /// Write to this file, aside first and then renamed; stdout when none is named
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ExportWhat {
    /// One row for each delivery, as it stands now
    Deliveries,
    /// One row for each record, oldest first
    Attempts,
    /// One row for each lead, customer and revenue
    Outcomes,
    /// One row for each look at a post, with who has come and gone since the look before
    Engagement,
    /// One row for each thing that is on record of people: how they look, and what they said
    People,
    /// All of them
    #[default]
    All,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ExportFormat {
    /// One JSON object a line
    #[default]
    Jsonl,
    /// RFC 4180, with a header; cells that a spreadsheet would take for a formula begin with an apostrophe
    Csv,
}

/// `cadenced import`
#[derive(Debug, Clone, Args)]
pub struct ImportArgs {
    /// What `cadenced export` wrote, or what --from names
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// It is old, or was written while a daemon was publishing, and what went out after that is out of the queue
    #[arg(long, conflicts_with = "from")]
    pub accept_gap: bool,
    #[arg(long, value_enum, requires = "audience", help = "What the file is, where it is no export of cadenced")]
    pub from: Option<DraftSource>,
    /// The account that is to publish the drafts; may be given several times; all accounts when not given
    #[arg(long, value_name = "ACCOUNT", requires = "from")]
    pub to: Vec<AccountId>,
    /// Who the drafts are for, in your own words
    #[arg(long, value_name = "WHO", requires = "from")]
    pub audience: Option<String>,
    #[arg(long, value_enum, requires = "from", help = "What they are for; connection when not given")]
    pub goal: Option<DraftGoal>,
    /// The queue file to make; a number is put behind its name where it exists, and for each further one
    #[arg(long, value_name = "FILE.toml", requires = "from")]
    pub into: Option<PathBuf>,
    #[arg(long, value_enum, requires = "from", help = "What comes first in dates such as 2/3/2026")]
    pub dates: Option<DateOrder>,
}

/// Whose file drafts are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DraftSource {
    /// Rows for Buffer's bulk upload
    BufferCsv,
    /// Rows for Hootsuite's bulk composer
    HootsuiteCsv,
    /// The file outbox.json of an unpacked Mastodon archive
    MastodonArchive,
    /// A feed: RSS or Atom
    Rss,
}

impl DraftSource {
    /// What the names of its posts begin with.
    pub fn name(self) -> &'static str {
        match self {
            Self::BufferCsv => "buffer",
            Self::HootsuiteCsv => "hootsuite",
            Self::MastodonArchive => "mastodon",
            Self::Rss => "feed",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DraftGoal {
    Connection,
    Change,
    Promotion,
}

impl DraftGoal {
    pub fn name(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Change => "change",
            Self::Promotion => "promotion",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DateOrder {
    /// 2/3/2026 is in March
    DayFirst,
    /// 2/3/2026 is in February
    MonthFirst,
}

const IMPORT_HELP: &str = "\
Examples:
  cadenced export > cadenced.jsonl    on the old machine, its daemon stopped
  cadenced import cadenced.jsonl      on the new one, as the daemon's user
  cadenced import outbox.json --from mastodon-archive --to fedi --audience all
  cadenced import posts.csv --from buffer-csv --audience founders

Exit codes:
  0   there is a store now; with --from: every post is in the queue
  1   not done, or some posts were not taken, for reasons that are said
  2   the command cannot be used like this
  77  the store is refused
  78  the configuration is refused";

const VERIFY_HELP: &str = "\
Examples:
  cadenced verify

Exit codes:
  0   sound
  1   something was found, and is said
  2   the command cannot be used like this
  77  the store is refused: damaged, of another machine, of a later version
  78  the configuration is refused";

const EXPORT_HELP: &str = "\
Examples:
  cadenced export > cadenced.jsonl
  cadenced export --what deliveries --format csv -o deliveries.csv
  cadenced export --what outcomes --format csv

Exit codes:
  0   written
  1   the file cannot be written
  2   the command cannot be used like this
  77  the store is refused
  78  the configuration is refused";

/// `cadenced inbox`
#[derive(Debug, Clone, Args)]
pub struct InboxArgs {
    /// Only what was said to this account
    #[arg(long, value_name = "ACCOUNT")]
    pub account: Option<AccountId>,
    /// Write a queue file with an answer to be filled in and approved
    #[arg(long, value_name = "ID")]
    pub draft: Option<String>,
    /// The file to write it to; answer-ID.toml in the queue folder when none is named
    #[arg(long, value_name = "FILE", requires = "draft")]
    pub into: Option<PathBuf>,
    /// Say that no answer is needed
    #[arg(long, value_name = "ID", conflicts_with = "draft")]
    pub done: Option<String>,
    /// Who says so, for the record
    #[arg(long, value_name = "WHO", env = "USER", hide_env_values = true)]
    pub by: Option<String>,
    #[arg(long, value_enum, default_value_t, help = "How to write it")]
    pub format: InboxFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum InboxFormat {
    /// For people
    #[default]
    Table,
    /// One JSON array
    Json,
}

const INBOX_HELP: &str = "\
Examples:
  cadenced inbox
  cadenced inbox --draft 1f3a9b2c      then write the answer and approve it
  cadenced inbox --done 1f3a9b2c

Exit codes:
  0   done
  1   there is no such conversation, or the file is there already
  2   the command cannot be used like this
  77  the store is refused
  78  the configuration is refused";

/// `cadenced people`
#[derive(Debug, Clone, Args)]
pub struct PeopleArgs {
    /// Only these
    #[arg(long, value_enum)]
    pub only: Option<Only>,
    #[arg(long, value_enum, default_value_t, help = "How to write it")]
    pub format: PeopleFormat,
    /// Write to this file, aside first and then renamed; stdout when none is named
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Only {
    Core,
    Returning,
    New,
    Cooling,
    Lost,
    Advocates,
    Bots,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum PeopleFormat {
    /// For people
    #[default]
    Table,
    /// One JSON array
    Json,
    /// RFC 4180, with a header
    Csv,
}

const PEOPLE_HELP: &str = "\
Examples:
  cadenced people --only core
  cadenced people --format csv -o people.csv

Exit codes:
  0   done
  1   the file cannot be written
  2   the command cannot be used like this
  77  the store is refused
  78  the configuration is refused";

/// `cadenced forget`
#[derive(Debug, Clone, Args)]
pub struct ForgetArgs {
    /// The person, as PLATFORM:ID or by their handle
    #[arg(value_name = "PERSON")]
    pub person: String,
    /// Do not ask
    #[arg(long)]
    pub yes: bool,
}

const FORGET_HELP: &str = "\
Examples:
  cadenced forget @ann@mastodon.example
  cadenced forget bluesky:did:plc:ewvi7nxzyoun6zhxrhs64oiz --yes

Exit codes:
  0   nothing of them is recorded any more
  1   nobody of that name is on record, or more than one; or the answer was no
  2   the command cannot be used like this
  77  the store is refused
  78  the configuration is refused";

/// `cadenced report`
#[derive(Debug, Clone, Args)]
pub struct ReportArgs {
    /// How far to look back: a span such as 90d, or a day such as 2026-09-01
    #[arg(long, value_name = "SPAN|DAY", default_value = "90d")]
    pub since: Since,
    #[arg(long, value_enum, default_value_t, help = "How to write it")]
    pub format: ReportFormat,
    #[arg(
        long,
        value_enum,
        help = "Only this part; a CSV always holds one, the beat when none is named, and JSON all of them"
    )]
    pub section: Option<ReportSection>,
    /// Show the report of a business that is made up, two years of it; needs no configuration
    #[arg(long)]
    pub demo: bool,
    /// Write to this file, aside first and then renamed; stdout when none is named
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// A part of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportSection {
    /// Slots kept and not kept, by account and week
    Beat,
    /// Who did something with posts, who came back
    People,
    /// Who waits for an answer, and how fast we answer
    Conversations,
    /// Leads, customers and money, by what they came from
    Outcomes,
    /// Reach set against people and outcomes, post by post
    Posts,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ReportFormat {
    /// For people
    #[default]
    Table,
    /// One JSON object
    Json,
    /// RFC 4180: one table
    Csv,
    /// One page with charts, for a browser; it fetches nothing
    Html,
}

/// Where a look back begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    Span(Duration),
    Day(jiff::civil::Date),
}

impl std::str::FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(day) = text.parse() {
            return Ok(Self::Day(day));
        }
        parse_span(text).map(Self::Span).map_err(|why| format!("{why}; a day is written as \"2026-09-01\""))
    }
}

const REPORT_HELP: &str = "\
Examples:
  cadenced report
  cadenced report --since 2026-01-01 --format csv -o beat.csv
  cadenced report --format html -o report.html
  cadenced report --format csv --section outcomes
  cadenced report --demo --since 730d

What a slot that was not kept is counted as:
  content   nothing approved was there to send
  hold      the promotion share, owed answers or the budget held what was there
  policy    quiet hours, the gap or the posts of a day were in the way
  outage    the daemon, its clock, its disk or its queue folder could not
  account   the account was paused, or its token not accepted
  platform  the platform was slow, asked to wait, or refused
  other     none of these

Exit codes:
  0   written
  1   the file cannot be written
  2   the command cannot be used like this
  77  the store is refused
  78  the configuration is refused";

/// `cadenced schema`
#[derive(Debug, Clone, Copy, Args)]
pub struct SchemaArgs {
    #[arg(value_enum, value_name = "KIND", help = "Which kind of file")]
    pub kind: SchemaKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaKind {
    /// cadenced.toml
    Config,
    /// Queue files
    Queue,
}

const SCHEMA_HELP: &str = "\
Examples:
  cadenced schema config > schema/cadenced.schema.json
  cadenced schema queue > schema/queue.schema.json

Exit codes:
  0  printed
  2  the command cannot be used like this";

/// `cadenced completions`
#[derive(Debug, Clone, Copy, Args)]
pub struct CompletionsArgs {
    #[arg(value_enum, value_name = "SHELL", help = "Which shell")]
    pub shell: clap_complete::Shell,
}

const COMPLETIONS_HELP: &str = "\
Examples:
  cadenced completions bash > /usr/share/bash-completion/completions/cadenced
  cadenced completions fish > ~/.config/fish/completions/cadenced.fish

Exit codes:
  0  printed
  2  the command cannot be used like this";

const MAN_HELP: &str = "\
Examples:
  cadenced man > /usr/local/share/man/man8/cadenced.8
  cadenced man | man -l -

Exit codes:
  0  printed
  2  the command cannot be used like this";

/// Longest name of a person, in characters; it is kept in every record of a decision.
const PERSON_CHARS: usize = 200;

/// Takes a name that can stand in a record and in a log as it is.
fn person(text: &str) -> Result<String, String> {
    let name = text.trim();
    if name.is_empty() {
        return Err("say who, as a name or an address".into());
    }
    if name.chars().any(crate::telemetry::escape::is_unsafe) {
        return Err("a name holds no control characters".into());
    }
    if name.chars().count() > PERSON_CHARS {
        return Err(format!("a name has at most {PERSON_CHARS} characters"));
    }
    Ok(name.to_owned())
}

/// Takes the address of a published post. `at://` names hold colons that a URL parser takes for ports, so no more is
/// asked than that it is an address and can stand on one line.
fn remote_url(text: &str) -> Result<String, String> {
    let rest = ["https://", "http://", "at://"].iter().find_map(|scheme| text.strip_prefix(scheme));
    match rest {
        Some(rest)
            if !rest.is_empty()
                && !text.chars().any(|c| c.is_whitespace() || crate::telemetry::escape::is_unsafe(c)) =>
        {
            Ok(text.to_owned())
        }
        _ => Err("give the post's address as the platform shows it: https://… or at://…".into()),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use clap::CommandFactory as _;
    use insta::assert_snapshot;

    use super::*;

    const PAGE: &str = include_str!("../../docs/commands.md");

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_decision_is_exactly_one() {
        for line in [
            "cadenced resolve a@b --by me",
            "cadenced resolve a@b --by me --retry --drop",
            "cadenced resolve a@b --by me --retry --delivered https://x.example/1",
            "cadenced resolve a@b --by me --delivered nonsense",
            "cadenced resolve a@b --by me --delivered https://x.example/\u{202e}1",
            "cadenced resolve nonsense --by me --drop",
            "cadenced resolve a@b --drop --by \u{1b}[2J",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
        let Command::Resolve(args) =
            parse("cadenced resolve a@b --by me --delivered at://did:plc:x/y/z").unwrap().command
        else {
            panic!("another command")
        };
        assert_eq!(args.decision(), Decision::Delivered { url: "at://did:plc:x/y/z".into() });
        let Command::Resolve(args) = parse("cadenced resolve a@b --by me --retry").unwrap().command else {
            panic!("another command")
        };
        assert_eq!(args.decision(), Decision::Retry);
    }

    #[test]
    fn the_configuration_may_be_named_before_and_after_the_verb() {
        for line in ["cadenced --config x.toml plan", "cadenced plan --config x.toml"] {
            assert_eq!(parse(line).unwrap().config, PathBuf::from("x.toml"));
        }
    }

    #[test]
    fn days_and_names_have_limits() {
        assert!(parse("cadenced plan --days 0").is_err());
        assert!(parse("cadenced plan --days 99999").is_err());
        assert!(parse("cadenced approve a --by").is_err());
        assert!(parse("cadenced approve a").is_err());
        assert!(parse("cadenced approve a --sign --by me").is_err());
        assert!(parse("cadenced approve a --by me --key k").is_err());
        assert!(parse("cadenced approve a --sign --key k").is_ok());
        assert!(parse("cadenced status UPPER").is_err());
    }

    /// Every command that does something, with its words: `outcome add` and not `outcome`.
    fn commands() -> Vec<(String, clap::Command)> {
        fn collect(before: &str, command: &clap::Command, all: &mut Vec<(String, clap::Command)>) {
            for inner in command.get_subcommands() {
                let name = format!("{before}{}", inner.get_name());
                if inner.has_subcommands() {
                    collect(&format!("{name} "), inner, all);
                } else {
                    all.push((name, inner.clone()));
                }
            }
        }
        let mut all = Vec::new();
        collect("", &Cli::command(), &mut all);
        all
    }

    #[test]
    fn every_command_teaches() {
        for (name, command) in commands() {
            let after = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
            assert!(after.contains("Examples:\n  cadenced "), "{name} has no examples");
            assert!(after.contains("Exit codes:\n  0 "), "{name} has no exit codes");
            assert!(after.lines().all(|line| line.len() <= 80), "{name} does not fit an old terminal");
            for argument in command.get_arguments() {
                assert!(argument.get_help().is_some(), "{name} {} says nothing", argument.get_id());
            }
        }
    }

    #[test]
    fn help_reads_well() {
        let mut command = Cli::command().term_width(80);
        command.build();
        let help = command.find_subcommand_mut("resolve").unwrap().render_long_help().to_string();
        let help: String = help.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        assert_snapshot!(help, @r#"
        Decide on a delivery that is uncertain, refused or missed

        `uncertain` means: it may have been published, and neither we nor the platform's
        API can tell. Look at the account, then say what you saw. The decision is
        recorded with your name.

        Usage: cadenced resolve [OPTIONS] <--delivered <URL>|--retry|--drop> <POST@ACCOUNT>

        Arguments:
          <POST@ACCOUNT>
                  The delivery

        Options:
              --config <FILE>
                  The configuration file

                  [env: CADENCED_CONFIG]
                  [default: /etc/cadenced/cadenced.toml]

              --delivered <URL>
                  It is there: under this URL (or at:// URI)

              --retry
                  It is surely not there: send it

              --drop
                  Never send it

              --by <WHO>
                  Who decides

                  [env: USER]

          -h, --help
                  Print help (see a summary with '-h')

        Examples:
          cadenced resolve desk@fedi --delivered https://mastodon.example/@me/115
          cadenced resolve desk@fedi --retry --by editor@example.org
          cadenced resolve desk@fedi --drop

        Exit codes:
          0   recorded
          1   not recorded: no such delivery, or nothing to decide in its state
          2   the command cannot be used like this
          77  the store is refused
          78  the configuration is refused
        "#);
        assert_snapshot!(command.render_help(), @r#"
        Publishes approved posts on a steady schedule: exactly once, and with a durable
        record of every step

        Usage: cadenced [OPTIONS] <COMMAND>

        Commands:
          run          Run the daemon in the foreground
          check        Find what is wrong with the configuration, the queue and its
                       media
          plan         Show what goes out when, and what is held and why
          new          Begin a post: adds one to a queue file, to be filled in
          approve      Approve posts: exactly as they stand now
          status       Show where everything stands
          resolve      Decide on a delivery that is uncertain, refused or missed
          outcome      Record what came of posts: leads, customers, revenue
          auth         Obtain an account's token, prove it, and put it where the daemon
                       reads it
          doctor       Look for what would go wrong
          inbox        Show who waits for an answer
          people       Show who does something with our posts, and what they are to us
          forget       Remove a person from the store, at once and for good
          export       Write out everything that is recorded
          import       Make a store of an export, or drafts of posts from elsewhere
          verify       Read the whole store and say whether it is sound
          report       Look back: was the beat kept, and for whom
          schema       Print the JSON Schema of a kind of file
          completions  Print completions for a shell
          man          Print the manual page, all commands in one

        Options:
              --config <FILE>  The configuration file [env: CADENCED_CONFIG] [default:
                               /etc/cadenced/cadenced.toml]
          -h, --help           Print help (see more with '--help')
          -V, --version        Print version
        "#);
    }

    #[test]
    fn the_page_has_the_same_commands_and_options() {
        let mut page: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut current = None;
        for line in PAGE.lines() {
            if let Some(heading) = line.strip_prefix("## ") {
                current = heading.strip_prefix("cadenced ").map(ToOwned::to_owned);
                if let Some(name) = &current {
                    page.insert(name.clone(), BTreeSet::new());
                }
            } else if let (Some(name), Some(option)) = (&current, line.strip_prefix("- `")) {
                let option = option.split('`').next().unwrap();
                page.get_mut(name).unwrap().insert(option.to_owned());
            }
        }
        let mut built_in = BTreeMap::new();
        for (name, command) in commands() {
            let options = command.get_arguments().filter(|argument| argument.get_id() != "config");
            built_in.insert(name, options.map(written).collect::<BTreeSet<_>>());
        }
        assert_eq!(page, built_in);
    }

    /// An argument as the page writes it: `--days N`, `FILES`, `--format table|json`.
    fn written(argument: &clap::Arg) -> String {
        let values: Vec<_> = argument.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
        let takes_value = argument.get_action().takes_values();
        let value = match argument.get_value_names() {
            _ if takes_value && !values.is_empty() => values.join("|"),
            Some(names) if takes_value => names[0].to_string(),
            _ => String::new(),
        };
        let name = argument.get_long().map(|long| format!("--{long}")).unwrap_or_default();
        let short = argument.get_short().map(|short| format!("-{short}, ")).unwrap_or_default();
        format!("{short}{name} {value}").trim().to_owned()
    }

    #[test]
    fn examples_on_the_page_and_in_help_can_be_parsed() {
        let mut examples: Vec<String> = PAGE.lines().map(ToOwned::to_owned).collect();
        for command in commands().into_iter().map(|(_, command)| command).chain([Cli::command()]) {
            let after = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
            examples.extend(after.lines().map(|line| line.trim().to_owned()));
        }
        let mut tried = 0;
        for example in examples.iter().filter(|line| line.starts_with("cadenced ")) {
            let words: Vec<_> = example
                .split("  ")
                .next()
                .unwrap()
                .split(' ')
                .take_while(|word| !matches!(*word, "<" | ">" | "|" | "||" | "#"))
                .collect();
            Cli::try_parse_from(&words).unwrap_or_else(|error| panic!("{example}: {error}"));
            tried += 1;
        }
        assert!(tried > 20, "{tried}");
    }
}
