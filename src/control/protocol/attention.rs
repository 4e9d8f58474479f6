//! What waits for a person, and what they can do about it.
//!
//! An item is there only while nothing but a person can settle it, and only once: what follows from another one is left
//! out. This finds what reports show; what is known of files, of the clock and of the store is added by those who know it.

use serde::{Deserialize, Serialize};

use crate::domain::policy::ApprovalMode;
use crate::domain::time::days_text;
use crate::domain::{AccountId, DeliveryId, PostId};

use super::{AccountReport, AccountState, DeliveryReport, Stage};

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
    /// A platform has asked to wait for hours before anything else is sent.
    AccountWaiting,
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
            Self::AccountWaiting => "account-waiting",
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

/// What of these deliveries and accounts waits for a person, worst first, where this counts as an approval. The daemon and
/// a command without one ask the same function, and add what only they can know (files, clock, store).
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
    if report.state == AccountState::Waiting {
        let reason = report.reason.clone().unwrap_or_else(|| "the platform asks to wait".into());
        let hint = "it goes on by itself then, and no sooner; look on the platform for what it has against the account";
        items.push(item(AttentionKind::AccountWaiting, reason, hint));
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

#[cfg(test)]
mod tests {
    use super::super::samples::{account, delivery};
    use super::*;

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
        let waiting = attention(&[], &[account(AccountState::Waiting, None)], ApprovalMode::Digest);
        assert_eq!(waiting[0].kind.name(), "account-waiting");
        assert_eq!(
            attention(&[], &[account(AccountState::Auth, None)], ApprovalMode::Digest)[0].kind,
            AttentionKind::AccountAuth
        );
    }
}
