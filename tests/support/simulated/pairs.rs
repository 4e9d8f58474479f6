//! Tokens that work once, as somebody sees them who looks at the platform, the wire and the ledger.
//!
//! One loss is nobody's fault: the platform has given new tokens in place of those before, and the reply, or the record
//! of it, did not come to rest before a crash or on a bad line. Then, and only then, a person gives the account a new one.

use std::collections::BTreeSet;

use cadenced::domain::AccountId;
use cadenced::ledger::record::Fact;
use cadenced::ledger::{Record, View};
use cadenced::platform::contract::{Call, HeaderValue, Reply};
use serde_json::Value;

use super::seal::seal;

/// What the stores of simulations seal with.
pub const KEY: &str = "what the stores of simulations are sealed with";
/// What tokens of this kind begin with.
const ACCESS: &str = "twin-access-";

#[derive(Debug, Default)]
pub struct Pairs {
    /// Access tokens that are on record, sealed.
    durable: BTreeSet<String>,
    /// Accounts whose last tokens were given out, and are not on record.
    lost: BTreeSet<AccountId>,
}

impl Pairs {
    /// These records are durable.
    pub fn durable(&mut self, records: &[Record]) {
        for record in records {
            let Fact::TokensKept { account, sealed: Some(sealed) } = &record.fact else { continue };
            let plain = seal(KEY).key.open(account, sealed).expect("the store has this key");
            let pair: Value = serde_json::from_slice(&plain).expect("tokens are JSON");
            self.durable.extend(pair["access"].as_str().map(str::to_owned));
            self.lost.remove(account);
        }
    }

    /// A call is made. Nothing is asked with tokens that are not durable.
    pub fn sent(&self, call: &Call) -> Result<(), String> {
        let Call::Http(request) = call else { return Ok(()) };
        for (_, value) in &request.headers {
            if let HeaderValue::Secret { secret, .. } = value
                && secret.expose().starts_with(ACCESS)
                && !self.durable.contains(secret.expose())
            {
                return Err(format!("new tokens are used before they are durable: {}", request.url));
            }
        }
        Ok(())
    }

    /// A platform has answered; whoever was given new tokens has none on record now.
    pub fn answered(&mut self, call: &Call, reply: &Reply, account: impl Fn(u32) -> Option<AccountId>) {
        let (Call::Http(request), Reply::Http(reply)) = (call, reply) else { return };
        if !request.url.path().ends_with("/oauth2/token") || reply.status != 200 {
            return;
        }
        let value = reply.value().unwrap_or_default();
        let given = value["access_token"].as_str().and_then(|token| token.strip_prefix(ACCESS));
        let number = given.and_then(|rest| rest.split('-').next()?.parse().ok());
        self.lost.extend(number.and_then(account));
    }

    /// Whether a person gives the account a new token: it is stopped, whatever was said when it was, and its tokens are lost.
    pub fn asks_a_person(&self, view: &View, account: &AccountId) -> bool {
        let stopped = view.account(account).is_some_and(|account| account.head.stopped.is_some());
        stopped && self.lost.contains(account)
    }

    /// A person has given the account a new token.
    pub fn renewed(&mut self, account: &AccountId) {
        self.lost.remove(account);
    }
}
