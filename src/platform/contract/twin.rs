//! What an imitation of a platform is.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use sha2::{Digest as _, Sha256};
use url::Url;

use super::crowd::{CrowdAct, Standing};
use super::{Call, Reply, Secrets};
use crate::domain::{Dollars, Timestamp};

/// A wire-level imitation of a platform, for tests, simulation and benchmarks. Pure: time comes in, effects stay
/// inside. Faults of the network are not its business; faults of the platform are.
pub trait Twin: Send {
    /// The keys of an account table that reach account number `account` (from 0) of this platform. `base` is a
    /// URL to reach HTTP twins by, and `folder` a place for files. Secrets are given as `{ env = "NAME" }`.
    fn table(&self, account: u32, base: &str, folder: &str) -> toml::Table;

    /// The secrets of account number `account`, by key.
    fn secrets(&self, account: u32) -> Secrets;

    /// Carries a call out and answers it.
    fn answer(&mut self, call: &Call, now: Timestamp) -> Reply;

    /// What is published of that which appeared after `mark`, in the order it appeared; a thread's parts each on their
    /// own. `mark` is 0 at first, and afterwards stands behind what was given.
    fn published_since(&self, mark: &mut usize) -> Vec<Published>;

    /// Everything that is published, in the order it appeared.
    fn published(&self) -> Vec<Published> {
        self.published_since(&mut 0)
    }

    /// What was billed after `mark`, in order; `mark` is as in [`Twin::published_since`].
    fn billed_since(&self, _mark: &mut usize) -> Vec<Billed> {
        Vec::new()
    }

    /// A person obtains a new secret for an account; those before end with that.
    fn renew(&mut self, _account: u32) {}

    /// Until then, calls are refused as the platform refuses them when too much is asked.
    fn throttle(&mut self, until: Timestamp);

    /// Short-lived tokens given out so far are no longer accepted.
    fn expire_tokens(&mut self);

    /// The public folder that files are fetched from is empty, or whole again. Nothing to those that fetch none.
    fn hide_files(&mut self, _hidden: bool) {}

    /// The account's secret is accepted, or no longer.
    fn set_revoked(&mut self, revoked: bool);

    /// Somebody does something on the platform; the id of what was said by that. `None` where nothing was said, or where
    /// it cannot be done.
    fn act(&mut self, _act: &CrowdAct, _now: Timestamp) -> Option<String> {
        None
    }

    /// What a sweep has to find of a post of account number `account`. `None` where this platform tells nothing.
    fn standing(&self, _account: u32, _post: &str) -> Option<Standing> {
        None
    }

    /// A person opens this address of a login, as account number `account`, and agrees: where their browser is sent.
    /// `None` where the platform shows them an error instead, or has no login.
    fn agree(&mut self, _account: u32, _address: &Url) -> Option<String> {
        None
    }
}

/// The authorization codes that a twin has given out. Each is good once, for who asked for it.
#[derive(Debug, Default)]
pub struct Codes(BTreeMap<String, Code>);

#[derive(Debug, Clone)]
struct Code {
    account: u32,
    scope: String,
    redirect: String,
    challenge: Option<String>,
    used: bool,
}

/// Why a code is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrongCode {
    Unknown,
    Used,
    Redirect,
    Verifier,
}

impl Codes {
    /// Gives one out to the application that the address names. `client` is the one that is known.
    pub fn give(&mut self, account: u32, address: &Url, client: &str) -> Option<String> {
        let asked: BTreeMap<String, String> = address.query_pairs().into_owned().collect();
        let field = |name: &str| asked.get(name).cloned().unwrap_or_default();
        let challenge = asked.get("code_challenge").cloned();
        let plain = challenge.is_some() && field("code_challenge_method") != "S256";
        if (field("response_type"), field("client_id")) != ("code".to_owned(), client.to_owned()) || plain {
            return None;
        }
        // It has characters that forms must escape.
        let code = format!("code/{account}+{}=", self.0.len() + 1);
        let redirect = field("redirect_uri");
        let mut back = Url::parse(&redirect).ok()?;
        back.query_pairs_mut().append_pair("code", &code).append_pair("state", &field("state"));
        let scope = field("scope");
        self.0.insert(code, Code { account, scope, redirect, challenge, used: false });
        Some(back.into())
    }

    /// Takes one; whose it is, and the scopes that were asked for.
    ///
    /// # Errors
    /// Why not. One that was shown is used up all the same.
    pub fn take(&mut self, form: &BTreeMap<String, String>) -> Result<(u32, String), WrongCode> {
        let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let held = self.0.get_mut(field("code")).ok_or(WrongCode::Unknown)?;
        if std::mem::replace(&mut held.used, true) {
            return Err(WrongCode::Used);
        }
        let verifier = BASE64.encode(Sha256::digest(field("code_verifier")));
        match &held.challenge {
            _ if held.redirect != field("redirect_uri") => Err(WrongCode::Redirect),
            Some(challenge) if *challenge != verifier => Err(WrongCode::Verifier),
            _ => Ok((held.account, held.scope.clone())),
        }
    }
}

/// One thing that a twin bills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Billed {
    /// As in [`Twin::table`].
    pub account: u32,
    pub money: Dollars,
    pub at: Timestamp,
    /// Whether it is of a post of which nothing can be seen yet.
    pub begins: bool,
}

/// One thing that people can see on a twin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// As in [`Twin::table`].
    pub account: u32,
    pub id: String,
    pub text: String,
    /// When it appeared.
    pub at: Timestamp,
    /// The id of the post that it answers.
    pub answers: Option<String>,
}
