//! Reports to look at: a delivery and an account, with as little to say as may be.

use crate::domain::DeliveryId;

use super::{AccountReport, AccountState, DeliveryReport, Stage};

pub fn delivery(id: &str, state: Stage, reason: Option<&str>) -> DeliveryReport {
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

pub fn account(state: AccountState, runway_days: Option<f64>) -> AccountReport {
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
