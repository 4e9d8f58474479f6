//! What is on record of posts: shown, decided, written out and taken in.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::control::protocol::{Decision, Which, person, remote_url};
use crate::domain::{AccountId, DeliveryId};

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

pub(super) const STATUS_HELP: &str = "\
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

pub(super) const RESOLVE_HELP: &str = "\
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

/// `cadenced export`
#[derive(Debug, Clone, Args)]
pub struct ExportArgs {
    #[arg(long, value_enum, default_value_t, help = "Which table")]
    pub what: ExportWhat,
    #[arg(long, value_enum, default_value_t, help = "How to write it")]
    pub format: ExportFormat,
    /// Write to this file, aside first and then renamed, or to this device or pipe; stdout when none is named
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

pub(super) const IMPORT_HELP: &str = "\
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

pub(super) const VERIFY_HELP: &str = "\
Examples:
  cadenced verify

Exit codes:
  0   sound
  1   something was found, and is said
  2   the command cannot be used like this
  77  the store is refused: damaged, of another machine, of a later version
  78  the configuration is refused";

pub(super) const EXPORT_HELP: &str = "\
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
