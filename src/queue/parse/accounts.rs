//! Which accounts an entry is for. An account that the configuration does not have stands against the post alone: the
//! others of its file go out.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::domain::AccountId;
use crate::domain::document::{DeValue, Faults, Value, nearest, quoted};

/// Accounts that an entry names.
#[derive(Debug, Clone, Default)]
pub(super) struct To {
    pub(super) accounts: Vec<AccountId>,
    /// One of them is not configured.
    pub(super) trouble: Option<String>,
}

/// The accounts that may be named.
pub(super) struct Accounts<'r> {
    /// Those that are configured; `None` when nobody has looked.
    known: Option<&'r BTreeSet<AccountId>>,
    /// Lists of the file so far; most posts have one that others have too.
    lists: BTreeSet<Arc<[AccountId]>>,
}

impl<'r> Accounts<'r> {
    pub(super) fn new(known: Option<&'r BTreeSet<AccountId>>) -> Self {
        Self { known, lists: BTreeSet::new() }
    }

    /// The accounts of a post.
    pub(super) fn several<'t>(&self, faults: &mut Faults<'t>, value: &Value<'t>) -> Option<To> {
        let list = faults.list("to", value, "texts")?;
        if list.is_empty() {
            faults.error(value.span(), "\"to\" names no account", None);
            return None;
        }
        let mut to = To::default();
        for item in list.iter() {
            let text = faults.text("to", item)?;
            let (account, trouble) = self.account(faults, text, item)?;
            if to.accounts.contains(&account) {
                faults.warning(item.span(), format!("\"to\" names {account} twice"), None);
                continue;
            }
            to.trouble = to.trouble.or(trouble);
            to.accounts.push(account);
        }
        Some(to)
    }

    /// The account of a reply.
    pub(super) fn one<'t>(&self, faults: &mut Faults<'t>, value: &Value<'t>) -> Option<To> {
        let DeValue::String(text) = value.get_ref() else {
            faults.wrong("to", value, "one account", "write to = \"ACCOUNT\"".to_owned());
            return None;
        };
        let (account, trouble) = self.account(faults, text, value)?;
        Some(To { accounts: vec![account], trouble })
    }

    /// The list, held once for all posts that have it.
    pub(super) fn shared(&mut self, accounts: Vec<AccountId>) -> Arc<[AccountId]> {
        if let Some(list) = self.lists.get(&*accounts) {
            return list.clone();
        }
        let list: Arc<[AccountId]> = accounts.into();
        self.lists.insert(list.clone());
        list
    }

    /// An account; and what stands against it.
    fn account<'t>(
        &self,
        faults: &mut Faults<'t>,
        text: &str,
        value: &Value<'t>,
    ) -> Option<(AccountId, Option<String>)> {
        let account = match AccountId::new(text) {
            Ok(account) => account,
            Err(cause) => {
                let reason = format!("the account {} is refused: {cause}", quoted(text));
                faults.error(value.span(), reason, None);
                return None;
            }
        };
        let Some(known) = self.known else { return Some((account, None)) };
        // A million posts share the names that the configuration has.
        if let Some(account) = known.get(&account) {
            return Some((account.clone(), None));
        }
        let reason = format!("there is no account {account} in the configuration");
        let names = || known.iter().map(AccountId::as_str);
        let hint = match nearest(text, names()) {
            Some(near) => Some(format!("did you mean {near:?}?")),
            None if known.len() <= 12 => Some(format!("accounts: {}", names().collect::<Vec<_>>().join(", "))),
            None => None,
        };
        faults.trouble(value.span(), reason.clone(), hint);
        Some((account, Some(reason)))
    }
}
