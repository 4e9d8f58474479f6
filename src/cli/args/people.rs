//! People, what came of posts, and the look back.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use jiff::tz::TimeZone;

use crate::domain::time::parse_span;
use crate::domain::{AccountId, Currency, GainKind, PostId};
use crate::engage::outcomes::Field;

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

pub(super) const OUTCOME_HELP: &str = "\
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

pub(super) const OUTCOME_ADD_HELP: &str = "\
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

pub(super) const OUTCOME_IMPORT_HELP: &str = "\
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

pub(super) const INBOX_HELP: &str = "\
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
    /// Write to this file, aside first and then renamed, or to this device or pipe; stdout when none is named
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

pub(super) const PEOPLE_HELP: &str = "\
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

pub(super) const FORGET_HELP: &str = "\
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
    /// Write to this file, aside first and then renamed, or to this device or pipe; stdout when none is named
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

pub(super) const REPORT_HELP: &str = "\
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
