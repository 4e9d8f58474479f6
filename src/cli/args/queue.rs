//! The queue: looked at, planned, filled and approved.

use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};

use crate::control::protocol::person;
use crate::domain::{AccountId, PostId};

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

pub(super) const CHECK_HELP: &str = "\
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

pub(super) const PLAN_HELP: &str = "\
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

pub(super) const NEW_HELP: &str = "\
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

pub(super) const APPROVE_HELP: &str = "\
Examples:
  cadenced approve queue/week.toml --by editor@example.org
  cadenced approve queue/week.toml --sign --key ~/.ssh/id_ed25519
  cadenced approve 2026-11-desk-story 2026-11-lamp --by me --yes

Exit codes:
  0   approved
  1   not approved: refused by you, or a post cannot be approved as it stands
  2   the command cannot be used like this
  78  the configuration is refused";
