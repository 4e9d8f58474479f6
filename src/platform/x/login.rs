//! A login in a browser, by OAuth 2.0 with PKCE, for applications with a secret and without one.
//!
//! What it gives is a refresh token, which goes into the store and is the first of its line. Its access token is left
//! alone: the proof of the login makes the first refresh, so that a refresh token that would not work is noticed while the
//! person is there. A code of X ends after some thirty seconds.

use url::Url;

use super::session;
use super::wire::Wire;
use crate::domain::Secret;
use crate::platform::contract::auth::{
    Ask, Client, CodeFlow, Granted, Kept, Login as Asked, Redirect, grants, refusal, token,
};
use crate::platform::contract::{HttpReply, Secrets};

/// Where people agree.
pub const DIALOG: &str = "https://x.com/i/oauth2/authorize";
/// To publish, to read what came of it and who liked it, and to go on without the person.
const SCOPES: &str = "tweet.read tweet.write users.read media.write like.read offline.access";
/// What cannot be done without.
const NEEDED: [&str; 4] = ["tweet.read", "tweet.write", "users.read", "media.write"];

/// The login of one account.
pub struct Login {
    pub base: Url,
    pub dialog: Url,
    pub client_id: String,
    pub has_secret: bool,
    pub redirect: Redirect,
}

impl CodeFlow for Login {
    fn gives(&self) -> &'static [&'static str] {
        &[]
    }

    fn needs(&self) -> &'static [&'static str] {
        if self.has_secret { &[session::CLIENT_SECRET] } else { &[] }
    }

    fn redirect(&self) -> Redirect {
        self.redirect.clone()
    }

    fn client(&self, secrets: &Secrets, _: &[HttpReply]) -> Ask<Client> {
        let secret = secrets.get(session::CLIENT_SECRET).filter(|_| self.has_secret).cloned();
        Ask::Done(Client { id: self.client_id.clone(), secret })
    }

    fn authorize(&self, client: &Client, login: &Asked) -> Url {
        let mut url = self.dialog.clone();
        login.add_to(&mut url, client, SCOPES);
        url
    }

    fn exchange(&self, client: &Client, login: &Asked, code: &Secret, replies: &[HttpReply]) -> Ask<Granted> {
        let Some(reply) = replies.last() else {
            let mut fields = vec![
                ("grant_type", "authorization_code"),
                ("code", code.expose()),
                ("redirect_uri", login.redirect.uri()),
                ("code_verifier", login.verifier.expose()),
            ];
            let basic = client.secret.as_ref().map(|secret| session::basic(&client.id, secret));
            if basic.is_none() {
                fields.push((session::CLIENT_ID, &client.id));
            }
            return Ask::Call(Wire { base: &self.base }.token(&fields, basic));
        };
        let value = reply.value().filter(|_| reply.status == 200).unwrap_or_default();
        let secrets: Vec<&Secret> = client.secret.iter().chain([code, &login.verifier]).collect();
        match (token(&value, "access_token"), token(&value, "refresh_token").as_ref().and_then(session::first)) {
            (None, _) => Ask::Refused(format!("x gives no token for this code: {}", refusal(reply, &secrets))),
            (Some(_), _) if !grants(&value["scope"], &NEEDED) => {
                Ask::Refused(format!("x has not granted all that publishing needs: {}", NEEDED.join(" ")))
            }
            (Some(_), None) => Ask::Refused("x gives no refresh token, for which offline.access was asked".into()),
            (Some(_), Some(pair)) => Ask::Done(Granted::Kept(Kept(pair))),
        }
    }
}
