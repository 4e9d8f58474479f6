//! The daemon, its accounts and this machine.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::domain::AccountId;

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

pub(super) const RUN_HELP: &str = "\
Examples:
  cadenced run
  cadenced run --config ./cadenced.toml --dry-run
  cadenced run --until-idle            send what is due and scheduled, then end

Exit codes:
  0   told to stop, or idle with --until-idle
  2   the command cannot be used like this
  77  the store is refused: locked, corrupt, or of another machine
  78  the configuration is refused";

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

pub(super) const AUTH_HELP: &str = "\
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

pub(super) const DOCTOR_HELP: &str = "\
Examples:
  cadenced doctor
  cadenced doctor fedi bsky
  cadenced doctor --offline
  cadenced doctor --format json | jq '.[] | select(.level != \"ok\")'

Exit codes:
  0   nothing found
  1   something was found, a configuration that is refused included
  2   the command cannot be used like this";

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

pub(super) const SCHEMA_HELP: &str = "\
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

pub(super) const COMPLETIONS_HELP: &str = "\
Examples:
  cadenced completions bash > /usr/share/bash-completion/completions/cadenced
  cadenced completions fish > ~/.config/fish/completions/cadenced.fish

Exit codes:
  0  printed
  2  the command cannot be used like this";

pub(super) const MAN_HELP: &str = "\
Examples:
  cadenced man > /usr/local/share/man/man8/cadenced.8
  cadenced man | man -l -

Exit codes:
  0  printed
  2  the command cannot be used like this";
