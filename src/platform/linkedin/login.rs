//! A login in a browser. The code is tied to the application's secret and its registered address; LinkedIn knows PKCE for
//! other kinds of applications only.
//!
//! Asked is what the account publishes with and no more: other scopes would void the tokens that the same application has
//! of this member already. Whoever is configured with a refresh token must be given one.

use url::Url;

use super::session::{REFRESH_TOKEN, TOKEN};
use super::wire;
use crate::domain::Secret;
use crate::platform::contract::auth::{
    Ask, Client, CodeFlow, Granted, Login as Asked, Redirect, grants, refusal, token,
};
use crate::platform::contract::{HttpReply, Secrets};

const OF_MEMBER: &str = "openid profile w_member_social";
const OF_PAGE: &str = "w_organization_social r_organization_social";

/// The login of one account.
pub struct Login {
    pub oauth: Url,
    pub client_id: String,
    pub is_page: bool,
    pub refreshes: bool,
    pub redirect: Redirect,
}

impl CodeFlow for Login {
    fn gives(&self) -> &'static [&'static str] {
        if self.refreshes { &[TOKEN, REFRESH_TOKEN] } else { &[TOKEN] }
    }

    fn needs(&self) -> &'static [&'static str] {
        &[super::session::CLIENT_SECRET]
    }

    fn redirect(&self) -> Redirect {
        self.redirect.clone()
    }

    fn client(&self, secrets: &Secrets, _: &[HttpReply]) -> Ask<Client> {
        let secret = secrets.get(super::session::CLIENT_SECRET).cloned();
        Ask::Done(Client { id: self.client_id.clone(), secret })
    }

    fn authorize(&self, client: &Client, login: &Asked) -> Url {
        let mut url = wire::at(&self.oauth, "oauth/v2/authorization");
        login.add_without_challenge(&mut url, client, self.scopes());
        url
    }

    fn exchange(&self, client: &Client, login: &Asked, code: &Secret, replies: &[HttpReply]) -> Ask<Granted> {
        let Some(reply) = replies.last() else {
            let secret = client.secret.as_ref().map_or("", Secret::expose);
            return Ask::Call(wire::grant(
                &self.oauth,
                &[
                    ("grant_type", "authorization_code"),
                    ("code", code.expose()),
                    ("redirect_uri", login.redirect.uri()),
                    ("client_id", &client.id),
                    ("client_secret", secret.trim()),
                ],
            ));
        };
        let value = reply.value().filter(|_| reply.status == 200).unwrap_or_default();
        let secrets: Vec<&Secret> = client.secret.iter().chain([code]).collect();
        let needed: Vec<&str> = self.scopes().split(' ').collect();
        match (token(&value, "access_token"), token(&value, "refresh_token")) {
            (None, _) => Ask::Refused(format!("linkedin gives no token for this code: {}", refusal(reply, &secrets))),
            (Some(_), _) if !grants(&value["scope"], &needed) => {
                Ask::Refused(format!("linkedin has not granted all that was asked: {}", self.scopes()))
            }
            (Some(_), None) if self.refreshes => Ask::Refused(
                "linkedin gives no refresh token: only approved partners' applications have one; leave `refresh_token` \
                 out of the account, and log in again"
                    .into(),
            ),
            (Some(access), Some(refresh)) if self.refreshes => {
                Ask::Done(Granted::Secrets(vec![(TOKEN, access), (REFRESH_TOKEN, refresh)]))
            }
            (Some(access), _) => Ask::Done(Granted::Secrets(vec![(TOKEN, access)])),
        }
    }
}

impl Login {
    fn scopes(&self) -> &'static str {
        if self.is_page { OF_PAGE } else { OF_MEMBER }
    }
}
