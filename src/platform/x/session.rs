//! Who asks: the two ways to prove it, and whose account it is.
//!
//! **OAuth 1.0a** has four secrets that never expire; each request is signed.
//!
//! **OAuth 2.0** has an access token that lives for two hours and a refresh token that gets a new pair, once. So the
//! pair that a refresh gives replaces the configured token for good: it is handed out as [`Session::kept`], which is
//! durable before the new tokens are used. What is kept names the configured token it came from; when a person
//! configures another one, that one counts again. A pair that a login in a browser gave ([`super::login`]) came from none.
//!
//! When the reply to a refresh is lost, nobody knows whether the refresh token is spent. It is tried once more: either
//! nothing had arrived, or X refuses it, and then only a person can get a new one. Tokens are refreshed as
//! seldom as can be, after a refusal or shortly before they expire, because each refresh runs that risk.
//!
//! Lives are counted from when a token arrived, by our own clock.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::oauth1::Keys;
use super::wire::{self, Trouble, Wire};
use crate::domain::{AccountId, Digest, Secret, SecretRef, Timestamp, time};
use crate::platform::contract::auth::token;
use crate::platform::contract::examine::Examination;
use crate::platform::contract::{
    Attempt, Call, Complaint, Effect, HeaderValue, Next, Reading, Request, Secrets, Session, Step, Table,
};

/// Steps of their own.
pub const REFRESH: &str = "refresh";
pub const IDENTITY: &str = "identity";

pub const CONSUMER_KEY: &str = "consumer_key";
pub const CONSUMER_SECRET: &str = "consumer_secret";
pub const ACCESS_TOKEN: &str = "access_token";
pub const ACCESS_TOKEN_SECRET: &str = "access_token_secret";
pub const CLIENT_ID: &str = "client_id";
pub const CLIENT_SECRET: &str = "client_secret";
pub const REFRESH_TOKEN: &str = "refresh_token";
const OF_OAUTH1: [&str; 4] = [CONSUMER_KEY, CONSUMER_SECRET, ACCESS_TOKEN, ACCESS_TOKEN_SECRET];
const OF_OAUTH2: [&str; 4] = [CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN, "redirect"];

/// A token is replaced when it has less than this to live, so that it does not expire under way.
const MARGIN: Duration = Duration::from_secs(120);
/// How long a token lives that does not tell.
const LIFE: Duration = Duration::from_secs(7_200);
/// A token that is refused so soon after it was given out is not replaced by another one.
const FRESH: Duration = Duration::from_secs(60);
/// Key of [`Session::values`]: which token the identity belongs to, as a hash.
const MARK: &str = "mark";

/// How an account proves itself.
#[derive(Debug)]
pub enum Auth {
    OAuth1([SecretRef; 4]),
    OAuth2 {
        client_id: String,
        client_secret: Option<SecretRef>,
        /// The first one. Without it somebody has to log in.
        refresh_token: Option<SecretRef>,
        /// Whose login it is, for people.
        account: AccountId,
    },
}

/// What [`Session::kept`] holds.
#[derive(Serialize, Deserialize)]
struct Pair {
    /// Mark of the configured refresh token that it came from; none where it came from a login.
    origin: Option<String>,
    refresh: String,
    /// None after it was refused.
    access: Option<String>,
    issued: Timestamp,
    life_s: u64,
}

impl Auth {
    /// Reads the keys of one way, and complains about those of the other.
    pub fn read(table: &mut Table) -> Option<Self> {
        let way = table.required("auth")?;
        let (others, name) = match way.as_str() {
            "oauth1" => (&OF_OAUTH2[..], "oauth2"),
            "oauth2" => (&OF_OAUTH1[..], "oauth1"),
            _ => {
                let complaint = Complaint::new("auth", format!("there is no way {way:?} to prove who asks"));
                table.complain(complaint.with_hint("write \"oauth1\" or \"oauth2\""));
                return None;
            }
        };
        for key in others.iter().filter(|key| table.has(key)).collect::<Vec<_>>() {
            let reason = format!("{key:?} belongs to `auth = \"{name}\"`, and this account has {way:?}");
            table.complain(Complaint::new(key, reason).with_hint("leave it out, or change `auth`"));
        }
        if way == "oauth1" {
            let [key, secret, token, token_secret] = OF_OAUTH1.map(|key| table.secret(key));
            return Some(Self::OAuth1([key?, secret?, token?, token_secret?]));
        }
        let client_id = table.required(CLIENT_ID);
        let client_secret = table.has(CLIENT_SECRET).then(|| table.secret(CLIENT_SECRET));
        let refresh_token = table.has(REFRESH_TOKEN).then(|| table.secret(REFRESH_TOKEN));
        // One that is there must be a good one.
        let sound = |secret: Option<Option<SecretRef>>| secret.map_or(Some(None), |secret| secret.map(Some));
        let (client_secret, refresh_token) = (sound(client_secret)?, sound(refresh_token)?);
        Some(Self::OAuth2 { client_id: client_id?, client_secret, refresh_token, account: table.account.clone() })
    }

    pub fn secrets(&self) -> Vec<(&'static str, SecretRef)> {
        match self {
            Self::OAuth1(refs) => OF_OAUTH1.into_iter().zip(refs.iter().cloned()).collect(),
            Self::OAuth2 { client_secret, refresh_token, .. } => {
                let secret = client_secret.iter().map(|secret| (CLIENT_SECRET, secret.clone()));
                secret.chain(refresh_token.iter().map(|token| (REFRESH_TOKEN, token.clone()))).collect()
            }
        }
    }

    /// The secret that stands for the account, where there is one.
    fn own(&self) -> Option<(&'static str, &SecretRef)> {
        match self {
            Self::OAuth1(refs) => Some((ACCESS_TOKEN, &refs[2])),
            Self::OAuth2 { refresh_token, .. } => refresh_token.as_ref().map(|token| (REFRESH_TOKEN, token)),
        }
    }

    /// Where the token comes from, for people.
    pub fn origin(&self) -> String {
        match (self.own(), self) {
            (None, Self::OAuth2 { account, .. }) => format!("the login of {account}"),
            (own, _) => own.map(|(_, reference)| reference.to_string()).unwrap_or_default(),
        }
    }

    /// What requests are signed with, or what has to be done to have it.
    ///
    /// # Errors
    /// The step that refreshes, or [`Next::Auth`] when a secret is missing.
    pub fn signer<'a>(&self, wire: Wire<'_>, attempt: &'a Attempt<'a>) -> Result<Signer<'a>, Box<Next>> {
        let missing = |key: &str| Box::new(Next::Auth(format!("the secret {key:?} is not given")));
        let secret = |key: &'static str| {
            let secret = attempt.secrets.get(key).filter(|secret| !secret.expose().trim().is_empty());
            secret.ok_or_else(|| missing(key))
        };
        let Self::OAuth2 { client_id, client_secret, .. } = self else {
            let [key, consumer, token, token_secret] = OF_OAUTH1.map(secret);
            return Ok(Signer::OAuth1(Keys {
                consumer_key: key?,
                consumer_secret: consumer?,
                access_token: token?,
                access_token_secret: token_secret?,
            }));
        };
        let configured = self.own().map(|(key, _)| secret(key)).transpose()?;
        let client_secret = client_secret.as_ref().map(|_| secret(CLIENT_SECRET)).transpose()?;
        let pair = Pair::of(attempt.session, configured);
        if let Some(access) = pair.as_ref().and_then(|pair| pair.access(attempt.now)) {
            return Ok(Signer::OAuth2(access));
        }
        let refresh = pair.as_ref().map(|pair| pair.refresh.as_str()).or(configured.map(Secret::expose));
        let refresh = refresh.ok_or_else(|| Box::new(Next::Auth(NOBODY.into())))?;
        let mut fields = vec![("grant_type", "refresh_token"), ("refresh_token", refresh)];
        let basic = client_secret.map(|client_secret| basic(client_id, client_secret));
        if basic.is_none() {
            fields.push((CLIENT_ID, client_id));
        }
        let call = Call::Http(wire.token(&fields, basic));
        Err(Box::new(Next::Call(Step { name: REFRESH.into(), effect: Effect::Harmless, call })))
    }

    /// The remote account, where it was learned with the token that is configured now.
    pub fn identity<'a>(&self, attempt: &'a Attempt<'_>) -> Option<&'a str> {
        let held = attempt.session.values.get(MARK).and_then(Value::as_str);
        (held.is_some() && held == self.mark(attempt).as_deref()).then_some(attempt.session.identity.as_deref())?
    }

    fn mark(&self, attempt: &Attempt<'_>) -> Option<String> {
        let Some((key, _)) = self.own() else { return Some("login".into()) };
        Some(mark(attempt.secrets.get(key)?))
    }

    /// The session with the account that a reply names in it.
    pub fn identified(&self, attempt: &Attempt<'_>, value: &Value) -> Option<Session> {
        let mut session = attempt.session.clone();
        session.identity = Some(wire::id(&value["data"]["id"])?);
        session.values.insert(MARK.into(), json!(self.mark(attempt)?));
        Some(session)
    }

    /// The session with the tokens that a refresh has given in it.
    pub fn refreshed(&self, attempt: &Attempt<'_>, value: &Value) -> Option<Session> {
        let configured = attempt.secrets.get(REFRESH_TOKEN);
        let access = Some(token(value, "access_token")?.expose().to_owned());
        let before = Pair::of(attempt.session, configured);
        let origin = before.as_ref().map_or_else(|| configured.map(mark), |pair| pair.origin.clone());
        // Where none is given, the old one is good for another time.
        let given = token(value, "refresh_token").map(|token| token.expose().to_owned());
        let before = before.map(|pair| pair.refresh).or_else(|| Some(configured?.expose().to_owned()));
        let life_s = value["expires_in"].as_u64().unwrap_or(LIFE.as_secs());
        let pair = Pair { origin, refresh: given.or(before)?, access, issued: attempt.now, life_s };
        Some(pair.kept_in(attempt.session))
    }

    /// What is to be done when a step's reply refuses who asks.
    pub fn refused(&self, attempt: &Attempt<'_>, why: String) -> Reading {
        let pair = Pair::of(attempt.session, attempt.secrets.get(REFRESH_TOKEN));
        match pair {
            None => Reading::Auth { why },
            Some(pair) if time::since(attempt.now, pair.issued) < FRESH => {
                Reading::Auth { why: format!("a token that was just given out is refused: {why}") }
            }
            Some(pair) => Reading::Session(Pair { access: None, ..pair }.kept_in(attempt.session)),
        }
    }
}

/// A request of an examination.
pub enum Kept {
    Signed(Request),
    /// The access token is over, and a refresh would spend what gets the next one.
    Over,
    /// No token is kept.
    Missing,
    /// None is kept, and none is configured that could be spent for one.
    Nobody,
}

impl Auth {
    /// Signs a request with what is at hand, and refreshes nothing.
    pub fn sign_examination(&self, about: &Examination<'_>, mut request: Request) -> Kept {
        match self {
            Self::OAuth1(_) => {
                let [Some(key), Some(consumer), Some(token), Some(token_secret)] =
                    OF_OAUTH1.map(|key| about.secrets.get(key))
                else {
                    return Kept::Missing;
                };
                let keys = Keys {
                    consumer_key: key,
                    consumer_secret: consumer,
                    access_token: token,
                    access_token_secret: token_secret,
                };
                keys.sign(&mut request, "examination", about.now);
                Kept::Signed(request)
            }
            Self::OAuth2 { .. } => {
                let configured = about.secrets.get(REFRESH_TOKEN);
                let Some(pair) = Pair::of(about.session, configured) else {
                    return if configured.is_some() { Kept::Missing } else { Kept::Nobody };
                };
                let Some(access) = pair.access(about.now) else { return Kept::Over };
                request.headers.push(("Authorization", HeaderValue::Secret { prefix: "Bearer ", secret: access }));
                Kept::Signed(request)
            }
        }
    }

    /// What requests that only look are signed with, if it is at hand: nothing is refreshed for them.
    pub fn signing(&self, session: &Session, secrets: &Secrets, now: Timestamp) -> Option<Signing> {
        let given = |key: &str| secrets.get(key).filter(|secret| !secret.expose().trim().is_empty());
        match self {
            Self::OAuth1(_) => {
                let [key, consumer, token, token_secret] = OF_OAUTH1.map(given);
                Some(Signing::OAuth1(Box::new([key?, consumer?, token?, token_secret?].map(Clone::clone))))
            }
            Self::OAuth2 { .. } => Pair::of(session, given(REFRESH_TOKEN))?.access(now).map(Signing::OAuth2),
        }
    }

    /// What must not show up in what an examination says.
    pub fn hidden_of(&self, about: &Examination<'_>) -> Vec<String> {
        held(about.secrets, about.session)
    }
}

/// All secrets that must not show up in anything that is said.
pub fn hidden(attempt: &Attempt<'_>) -> Vec<String> {
    held(attempt.secrets, attempt.session)
}

/// The same of a session and the secrets that belong to it.
pub fn held(secrets: &Secrets, session: &Session) -> Vec<String> {
    let configured = secrets.0.values().map(|secret| secret.expose().to_owned());
    let pair = session.kept.as_ref().and_then(|kept| Pair::deserialize(kept).ok());
    configured.chain(pair.into_iter().flat_map(|pair| pair.access.into_iter().chain([pair.refresh]))).collect()
}

/// What a login gives: its access token is not looked at, so that the refresh token is proven at once.
pub fn first(refresh: &Secret) -> Option<Value> {
    let refresh = refresh.expose().to_owned();
    let pair = Pair { origin: None, refresh, access: None, issued: Timestamp::UNIX_EPOCH, life_s: LIFE.as_secs() };
    serde_json::to_value(pair).ok()
}

/// How an application with a secret proves itself.
pub fn basic(client_id: &str, client_secret: &Secret) -> HeaderValue {
    let both = STANDARD.encode(format!("{client_id}:{}", client_secret.expose()));
    HeaderValue::Secret { prefix: "Basic ", secret: Secret::new(both) }
}

impl Pair {
    /// What is kept, where it comes from this configured token or from a login.
    fn of(session: &Session, configured: Option<&Secret>) -> Option<Self> {
        let pair = Self::deserialize(session.kept.as_ref()?).ok()?;
        (pair.origin.is_none() || pair.origin == configured.map(mark)).then_some(pair)
    }

    /// The access token, unless it is about to expire.
    fn access(&self, now: Timestamp) -> Option<Secret> {
        let life = Duration::from_secs(self.life_s);
        let fresh = time::since(now, self.issued) < life.saturating_sub(MARGIN.min(life / 2));
        self.access.as_ref().filter(|_| fresh).map(Secret::new)
    }

    fn kept_in(&self, session: &Session) -> Session {
        Session { kept: serde_json::to_value(self).ok(), ..session.clone() }
    }
}

/// Tells tokens apart without keeping one.
fn mark(token: &Secret) -> String {
    Digest::of(token.expose().as_bytes()).hex()[..16].into()
}

/// What a sweep signs its requests with.
#[derive(Debug)]
pub enum Signing {
    /// In the order of the account's keys.
    OAuth1(Box<[Secret; 4]>),
    OAuth2(Secret),
}

impl Signing {
    pub fn sign(&self, mut request: Request, now: Timestamp) -> Request {
        match self {
            Self::OAuth1(secrets) => {
                let [consumer_key, consumer_secret, access_token, access_token_secret] = &**secrets;
                let what = format!("sweep\n{}", request.url);
                Keys { consumer_key, consumer_secret, access_token, access_token_secret }.sign(
                    &mut request,
                    &what,
                    now,
                );
            }
            Self::OAuth2(access) => {
                let value = HeaderValue::Secret { prefix: "Bearer ", secret: access.clone() };
                request.headers.push(("Authorization", value));
            }
        }
        request
    }
}

/// What requests are signed with.
pub enum Signer<'a> {
    OAuth1(Keys<'a>),
    OAuth2(Secret),
}

impl Signer<'_> {
    /// The step that sends `request`, signed.
    pub fn step(&self, attempt: &Attempt<'_>, name: String, effect: Effect, mut request: Request) -> Step {
        match self {
            Self::OAuth1(keys) => {
                let job = attempt.job;
                let what = format!("{}\n{}\n{}\n{name}", job.delivery, job.key, job.attempt);
                keys.sign(&mut request, &what, attempt.now);
            }
            Self::OAuth2(access) => {
                let value = HeaderValue::Secret { prefix: "Bearer ", secret: access.clone() };
                request.headers.push(("Authorization", value));
            }
        }
        Step { name, effect, call: Call::Http(request) }
    }
}

/// What the reply to [`REFRESH`] means. Only what the token endpoint itself has said is the end of a token.
pub fn read_refresh(auth: &Auth, attempt: &Attempt<'_>, answer: Result<Value, Trouble>, said: &str) -> Reading {
    let is_final = !matches!(said, "" | "temporarily_unavailable" | "server_error" | "slow_down");
    match answer {
        Ok(value) => match auth.refreshed(attempt, &value) {
            Some(session) => Reading::Session(session),
            None => Reading::Retry { after: None, why: "the reply to the refresh holds no token".into() },
        },
        Err(Trouble::TooMuch { until, why }) => Reading::RateLimited { until, why },
        Err(Trouble::Refused { why, .. } | Trouble::Token(why)) if is_final => {
            Reading::Auth { why: format!("{why} ({SPENT})") }
        }
        Err(Trouble::Stopped(why)) => Reading::Auth { why },
        Err(trouble) => Reading::Retry { after: None, why: trouble.why() },
    }
}

const SPENT: &str =
    "the refresh token is spent, revoked or too old: get a new one, with `cadenced auth` or in the configuration";
pub const NOBODY: &str = "nobody has logged in as it yet: `cadenced auth` does";
