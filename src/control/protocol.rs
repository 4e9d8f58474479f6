//! The types. How they travel is [`super::requests`].
//!
//! The reports are the contract of `--format json`: names of fields are kept, new ones are added, times are RFC 3339.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::overview::Overview;
use crate::domain::policy::ApprovalMode;
use crate::domain::time::days_text;
use crate::domain::{AccountId, DeliveryId, Digest, Gain, IdError, Origin, PersonId, PostId, State, Timestamp};

/// What a command asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "question", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Question {
    /// Is somebody there?
    Ping,
    /// Where everything stands, or the history of one.
    Status {
        /// `None`: every delivery, without histories.
        which: Option<Which>,
    },
    /// Where everything stands, in short.
    Overview,
    /// What goes out when.
    Plan {
        /// How far ahead, from now.
        days: u32,
    },
    /// A person's decision on a delivery that is `uncertain`, `refused` or `missed`.
    Resolve { delivery: DeliveryId, decision: Decision, by: String },
    /// Tokens that a person has obtained for an account, for the store to keep.
    Auth {
        account: AccountId,
        tokens: Tokens,
        /// What they were got by, as far as the command could tell: a daemon that asks by something else would seal them for
        /// what is not in force any more.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        origin: Option<Origin>,
    },
    /// A person says that these messages need no answer any more, by the platform's own ids.
    Settle { account: AccountId, ids: Vec<String>, by: String },
    /// Somebody is to be removed from what is recorded.
    Forget { person: PersonId },
    /// Outcomes, for the ledger to keep; no more at once than fit into a question.
    Gain {
        gains: Vec<Gain>,
        /// Whether those of posts that nobody knows are kept, too.
        #[serde(default)]
        unknown_posts: bool,
    },
}

/// What became of an outcome that was handed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Taken {
    /// It is on record now.
    New,
    /// One with its key was on record already.
    Known,
    /// Not recorded: its post is neither in the queue nor on record.
    UnknownPost { nearest: Option<PostId> },
    /// Not recorded: its account is neither in the configuration nor on record.
    UnknownAccount { nearest: Option<AccountId> },
}

/// Tokens on their way to the daemon. The socket is a file that only its user and group may use.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tokens(pub Value);

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[tokens]")
    }
}

/// One post on all its accounts, or one delivery; written `POST` or `POST@ACCOUNT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    Post(PostId),
    Delivery(DeliveryId),
}

impl Which {
    /// Whether `delivery` is meant.
    pub fn covers(&self, delivery: &DeliveryId) -> bool {
        match self {
            Self::Post(post) => delivery.post == *post,
            Self::Delivery(one) => delivery == one,
        }
    }
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Post(post) => post.fmt(f),
            Self::Delivery(delivery) => delivery.fmt(f),
        }
    }
}

impl FromStr for Which {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        if text.contains('@') { text.parse().map(Self::Delivery) } else { PostId::new(text).map(Self::Post) }
    }
}

impl Serialize for Which {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Which {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// What a person has decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// It is there: this is its URL or URI.
    Delivered { url: String },
    /// It is surely not there: send it.
    Retry,
    /// Never send it.
    Drop,
}

impl Decision {
    /// The stable name, as in logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Delivered { .. } => "delivered",
            Self::Retry => "retry",
            Self::Drop => "drop",
        }
    }
}

/// What the daemon says.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// To [`Question::Ping`].
    Pong(DaemonReport),
    /// To [`Question::Status`].
    Status(Box<StatusReport>),
    /// To [`Question::Overview`].
    Overview(Box<Overview>),
    /// To [`Question::Plan`].
    Plan(PlanReport),
    /// To [`Question::Resolve`].
    Resolved(Resolved),
    /// To [`Question::Auth`]: they are on record, sealed.
    Kept(AccountId),
    /// To [`Question::Settle`] and [`Question::Forget`]: it is so.
    Remembered,
    /// To [`Question::Gain`]: what became of each, in their order. Those that are new are on record.
    Gained(Vec<Taken>),
    /// It was not done.
    Error(Problem),
}

/// Why something was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    pub kind: ErrorKind,
    /// A lower-case fragment.
    pub message: String,
    /// What to do instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// What kind of error an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// The question cannot be read: another version, or no question at all.
    Garbled,
    /// Who asks may not.
    Forbidden,
    /// There is no such post, delivery or account.
    Unknown,
    /// It is there, but its state does not allow this.
    WrongState,
    /// The daemon is not ready yet, or is stopping.
    NotReady,
    /// The store could not take or give it.
    Store,
}

/// Where everything stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatusReport {
    /// The moment of which the rest is true.
    pub now: Timestamp,
    pub daemon: DaemonReport,
    /// In the order of their names.
    pub accounts: Vec<AccountReport>,
    /// In the order of their names.
    pub deliveries: Vec<DeliveryReport>,
    /// What waits for a person; nothing when all is well. See [`attention`].
    pub attention: Vec<Attention>,
}

/// Who holds the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonReport {
    /// Whether the daemon answered. `false`: the command has read the store itself.
    pub running: bool,
    /// The daemon's process id; `null` when it is not running.
    pub pid: Option<u32>,
    /// Version of the program that answered.
    pub version: String,
}

/// One account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AccountReport {
    pub account: AccountId,
    /// As in `platform = "…"`.
    pub platform: String,
    pub state: AccountState,
    /// Why it is not `ready`.
    #[serde(default)]
    pub reason: Option<String>,
    /// When the next post goes out; `null` when nothing is in line.
    #[serde(default)]
    pub next: Option<Timestamp>,
    /// Days until the approved posts run out; `null` when they last longer than was looked ahead.
    #[serde(default)]
    pub runway_days: Option<f64>,
    /// At least so many days, where slots are so many that looking ahead ended early; else `null`.
    #[serde(default)]
    pub runway_at_least_days: Option<f64>,
    /// `policy.runway_warn` in days.
    #[serde(default)]
    pub warn_days: Option<f64>,
    /// The remote account's stable id, once known.
    #[serde(default)]
    pub identity: Option<String>,
    /// What was spent, where the platform bills requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spent: Option<SpentReport>,
}

/// What an account has spent in this month, with what an attempt under way has set aside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpentReport {
    /// Of UTC, as `2026-11`.
    pub month: String,
    /// In US dollars.
    pub usd: f64,
    /// `null` where nothing limits it.
    pub budget_usd: Option<f64>,
    /// Things that were read, as the platform counts them.
    pub reads: i64,
    /// Things that were made.
    pub writes: i64,
}

/// Whether an account publishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccountState {
    /// It publishes.
    Ready,
    /// The configuration pauses it.
    Paused,
    /// Its token is not accepted.
    Auth,
    /// It has deliveries, but is not in the configuration any more.
    Gone,
}

impl AccountState {
    pub fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Paused => "paused",
            Self::Auth => "auth",
            Self::Gone => "gone",
        }
    }
}

/// One delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryReport {
    pub delivery: DeliveryId,
    pub post: PostId,
    pub account: AccountId,
    /// Empty when the account left the configuration before anything was sent.
    pub platform: String,
    pub state: Stage,
    /// Why it is in this state, where there is more to say than the state's name. For `held` it begins with the
    /// reason's stable name.
    pub reason: Option<String>,
    /// The moment of the schedule it keeps or kept, or the post's own fixed time.
    pub slot: Option<Timestamp>,
    /// When the state's next or last thing happens or happened: sent (`delivered`), tried again (`retrying`), due
    /// (`scheduled`).
    pub at: Option<Timestamp>,
    pub attempts: u32,
    /// What the platform calls it, once delivered.
    pub remote_id: Option<String>,
    /// Where a person can see it.
    pub url: Option<String>,
    /// Digest of what was planned last, or sent.
    pub digest: Option<Digest>,
    /// From when the promotion share lets a held post go, as the plan ahead has it; there only when that can be known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_from: Option<Timestamp>,
    /// Oldest first; there only when one post or delivery was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<Vec<HistoryLine>>,
}

/// A state's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    Held,
    Scheduled,
    Sending,
    Retrying,
    Uncertain,
    Delivered,
    Refused,
    Missed,
    Expired,
    Withdrawn,
}

impl Stage {
    pub fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Scheduled => "scheduled",
            Self::Sending => "sending",
            Self::Retrying => "retrying",
            Self::Uncertain => "uncertain",
            Self::Delivered => "delivered",
            Self::Refused => "refused",
            Self::Missed => "missed",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// Whether nothing more happens to it by itself.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Delivered | Self::Refused | Self::Missed | Self::Expired | Self::Withdrawn)
    }
}

impl From<&State> for Stage {
    fn from(state: &State) -> Self {
        match state {
            State::Held { .. } => Self::Held,
            State::Scheduled => Self::Scheduled,
            State::Sending { .. } => Self::Sending,
            State::Retrying { .. } => Self::Retrying,
            State::Uncertain { .. } => Self::Uncertain,
            State::Delivered { .. } => Self::Delivered,
            State::Refused { .. } => Self::Refused,
            State::Missed => Self::Missed,
            State::Expired => Self::Expired,
            State::Withdrawn => Self::Withdrawn,
        }
    }
}

/// One thing that happened to a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryLine {
    pub at: Timestamp,
    /// Stable name of the record or outcome: `planned`, `intent`, `checkpoint`, `delivered`, `retry`, …
    pub what: String,
    pub attempt: Option<u32>,
    /// In words: the reason, the step, who decided.
    pub detail: Option<String>,
}

/// Something that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attention {
    pub kind: AttentionKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<DeliveryId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    pub reason: String,
    /// What to do.
    pub hint: Option<String>,
}

/// What kind of thing waits for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttentionKind {
    /// A delivery may or may not have arrived.
    Uncertain,
    /// A delivery was given up.
    Refused,
    /// A delivery's time passed.
    Missed,
    /// A delivery is held for something that only a person can mend.
    Held,
    /// An account's token is not accepted.
    AccountAuth,
    /// An account's token ends soon, and only a person can get another one.
    TokenExpires,
    /// The version of a platform's API that is asked for ends soon.
    VersionAges,
    /// A queue file cannot be used, or the folder cannot be read.
    Queue,
    /// Approved posts run out.
    QueueLow,
    /// More people wait for an answer than the policy allows.
    Unanswered,
    /// A changed configuration cannot be used.
    Config,
    /// The wall clock is behind what the store has seen.
    Clock,
    /// The store has no room, or cannot be written.
    Store,
}

impl AttentionKind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Uncertain => "uncertain",
            Self::Refused => "refused",
            Self::Missed => "missed",
            Self::Held => "held",
            Self::AccountAuth => "account-auth",
            Self::TokenExpires => "token-expires",
            Self::VersionAges => "version-ages",
            Self::Queue => "queue",
            Self::QueueLow => "queue-low",
            Self::Unanswered => "unanswered",
            Self::Config => "config",
            Self::Clock => "clock",
            Self::Store => "store",
        }
    }
}

/// What of these deliveries and accounts waits for a person, worst first, where this counts as an approval. The daemon and a command without one ask
/// the same function, and add what only they can know (files, clock, store).
pub fn attention(deliveries: &[DeliveryReport], accounts: &[AccountReport], approvals: ApprovalMode) -> Vec<Attention> {
    let held = deliveries.iter().filter_map(|report| of_delivery(report, approvals));
    let mut all: Vec<_> = held.chain(accounts.iter().flat_map(of_account)).collect();
    // Stable: within a kind the order of names stays.
    all.sort_by_key(|item| item.kind);
    all
}

fn of_delivery(report: &DeliveryReport, approvals: ApprovalMode) -> Option<Attention> {
    let reason = report.reason.as_deref();
    let id = &report.delivery;
    let (kind, why, hint) = match report.state {
        Stage::Uncertain => (
            AttentionKind::Uncertain,
            "it may or may not have arrived",
            format!("look at the account, then: cadenced resolve {id} --delivered URL, --retry or --drop"),
        ),
        Stage::Refused => (
            AttentionKind::Refused,
            "it was given up",
            format!("mend what is said, then: cadenced resolve {id} --retry, or --drop"),
        ),
        Stage::Missed => (
            AttentionKind::Missed,
            "its time passed",
            format!("send it late: cadenced resolve {id} --retry; or not at all: --drop"),
        ),
        Stage::Held => (AttentionKind::Held, "", held_hint(reason?, &report.post, approvals)?),
        _ => return None,
    };
    Some(Attention {
        kind,
        delivery: Some(id.clone()),
        account: None,
        reason: reason.filter(|text| !text.is_empty()).unwrap_or(why).to_owned(),
        hint: Some(hint),
    })
}

/// What a person can do about a held delivery; `None` for reasons that pass by themselves, or that another line of
/// the list stands for.
fn held_hint(reason: &str, post: &PostId, approvals: ApprovalMode) -> Option<String> {
    let name = reason.find(|c: char| !c.is_ascii_lowercase() && c != '-').map_or(reason, |end| &reason[..end]);
    Some(match (name, approvals) {
        ("approval-stale", ApprovalMode::Signed) => {
            format!("look at what is said (cadenced check knows who may sign), then: cadenced approve {post} --sign")
        }
        ("approval-stale", _) => match approvals.how() {
            Some(how) => format!("look at the change, then: cadenced approve {post} {how}"),
            None => "look at the change".to_owned(),
        },
        ("invalid" | "duplicate", _) => "mend the post: cadenced check says where".to_owned(),
        ("media-missing", _) => {
            "put the approved file back, or approve the new one: cadenced check says where".to_owned()
        }
        _ => return None,
    })
}

fn of_account(report: &AccountReport) -> Vec<Attention> {
    let item = |kind, reason: String, hint: &str| Attention {
        kind,
        delivery: None,
        account: Some(report.account.clone()),
        reason,
        hint: Some(hint.to_owned()),
    };
    let mut items = Vec::new();
    if report.state == AccountState::Auth {
        let reason = report.reason.clone().unwrap_or_else(|| "its token is not accepted".into());
        let hint = format!("give the account a new token (cadenced auth {}) and reload", report.account);
        items.push(item(AttentionKind::AccountAuth, reason, &hint));
    }
    if let (AccountState::Ready, Some(days), Some(warn)) = (report.state, report.runway_days, report.warn_days)
        && days < warn
    {
        let wanted = if days < 1.0 || warn < 1.0 { days_text(warn) } else { format!("{warn:.1}") };
        let reason = format!("approved posts for {} are left, {wanted} are wanted", days_text(days));
        items.push(item(AttentionKind::QueueLow, reason, "approve more posts"));
    }
    items
}

/// What goes out when, and what does not and why; by time, those that nobody can date last.
pub type PlanReport = Vec<PlanLine>;

/// One line of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanLine {
    /// `null` when nobody can say.
    pub at: Option<Timestamp>,
    /// None for an empty slot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<DeliveryId>,
    /// Whose slot is empty; deliveries name their account themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    pub state: PlanState,
    /// Why it is held, or why the slot is empty.
    pub reason: Option<String>,
    /// It is held now for the promotion share, and goes out then, as the plan ahead has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_from: Option<Timestamp>,
}

impl PlanLine {
    /// The account it is about.
    pub fn account(&self) -> Option<&AccountId> {
        self.account.as_ref().or(self.delivery.as_ref().map(|delivery| &delivery.account))
    }
}

/// What becomes of a line of the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlanState {
    /// It goes out then.
    Scheduled,
    /// It is under way, or is tried again then.
    Sending,
    /// It does not go out as things are.
    Held,
    /// It may have arrived; a person decides.
    Uncertain,
    /// A slot with nothing to send.
    Empty,
}

impl PlanState {
    pub fn name(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Sending => "sending",
            Self::Held => "held",
            Self::Uncertain => "uncertain",
            Self::Empty => "empty",
        }
    }
}

/// A decision that is on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolved {
    pub delivery: DeliveryId,
    pub decision: Decision,
    pub by: String,
    /// State before it.
    pub before: Stage,
    /// State after it.
    pub after: Stage,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn delivery(id: &str, state: Stage, reason: Option<&str>) -> DeliveryReport {
        let delivery: DeliveryId = id.parse().unwrap();
        DeliveryReport {
            post: delivery.post.clone(),
            account: delivery.account.clone(),
            delivery,
            platform: "mastodon".into(),
            state,
            reason: reason.map(ToOwned::to_owned),
            slot: None,
            at: None,
            attempts: 0,
            remote_id: None,
            url: None,
            digest: None,
            allowed_from: None,
            history: None,
        }
    }

    fn account(state: AccountState, runway_days: Option<f64>) -> AccountReport {
        AccountReport {
            account: "fedi".parse().unwrap(),
            platform: "mastodon".into(),
            state,
            reason: None,
            next: None,
            runway_days,
            runway_at_least_days: None,
            warn_days: Some(7.0),
            identity: None,
            spent: None,
        }
    }

    #[test]
    fn a_report_has_the_fields_that_were_promised() {
        let value = serde_json::to_value(delivery("a@fedi", Stage::Delivered, None)).unwrap();
        let keys: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
        let promised = [
            "delivery",
            "post",
            "account",
            "platform",
            "state",
            "reason",
            "slot",
            "at",
            "attempts",
            "remote_id",
            "url",
            "digest",
        ];
        assert!(promised.iter().all(|key| keys.contains(key)), "{keys:?}");
        assert_eq!(keys.len(), promised.len(), "history is there only when asked for: {keys:?}");
        let empty = PlanLine {
            at: Some("2026-12-01T08:00:00Z".parse().unwrap()),
            delivery: None,
            account: Some("fedi".parse().unwrap()),
            state: PlanState::Empty,
            reason: Some("nothing approved".into()),
            allowed_from: None,
        };
        assert_eq!(
            serde_json::to_value(&empty).unwrap(),
            json!({"at": "2026-12-01T08:00:00Z", "account": "fedi", "state": "empty", "reason": "nothing approved"})
        );
    }

    #[test]
    fn attention_is_what_only_a_person_can_settle() {
        let deliveries = [
            delivery("a@fedi", Stage::Held, Some("not-before")),
            delivery("b@fedi", Stage::Held, Some("media-missing: img/desk.jpg")),
            delivery("c@fedi", Stage::Uncertain, Some("the reply was lost")),
            delivery("d@fedi", Stage::Delivered, None),
            delivery("e@fedi", Stage::Missed, None),
        ];
        let found = attention(&deliveries, &[account(AccountState::Ready, Some(2.0))], ApprovalMode::Digest);
        let kinds: Vec<_> = found.iter().map(|item| item.kind.name()).collect();
        assert_eq!(kinds, ["uncertain", "missed", "held", "queue-low"]);
        assert_eq!(found[0].reason, "the reply was lost");
        assert!(found[0].hint.as_deref().unwrap().contains("cadenced resolve c@fedi"));
        let hint = |approvals| {
            let stale = [delivery("f@fedi", Stage::Held, Some("approval-stale: it has changed"))];
            attention(&stale, &[], approvals)[0].hint.clone().unwrap()
        };
        assert!(hint(ApprovalMode::Digest).ends_with("cadenced approve f --by NAME"));
        assert!(hint(ApprovalMode::Signed).ends_with("cadenced approve f --sign"));
        assert!(!hint(ApprovalMode::None).contains("approve"));
        assert_eq!(attention(&[], &[account(AccountState::Ready, None)], ApprovalMode::Digest), []);
        assert_eq!(
            attention(&[], &[account(AccountState::Auth, None)], ApprovalMode::Digest)[0].kind,
            AttentionKind::AccountAuth
        );
    }
}
