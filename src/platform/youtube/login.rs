//! Connecting a channel in a browser, as Google has it for desktop applications: the browser ends at an address of its own
//! machine, and PKCE proves that the code is ours. The channel is chosen in the dialog.
//!
//! A refresh token is given only for `access_type=offline`, and a second time only for `prompt=consent`.

use url::Url;

use super::session::{CLIENT_SECRET, REFRESH_TOKEN};
use super::wire::Wire;
use crate::domain::Secret;
use crate::platform::contract::auth::{
    Ask, Client, CodeFlow, Granted, LOOPBACK, Login as Asked, Redirect, grants, refusal, token,
};
use crate::platform::contract::{HttpReply, Secrets};

/// Where people agree.
pub const DIALOG: &str = "https://accounts.google.com/o/oauth2/v2/auth";
/// To publish and to read what came of it. No narrower scope makes a video public.
const SCOPE: &str = "https://www.googleapis.com/auth/youtube.force-ssl";

/// The login of one channel.
pub struct Login {
    pub wire: Wire,
    pub dialog: Url,
    pub client: String,
}

impl CodeFlow for Login {
    fn gives(&self) -> &'static [&'static str] {
        &[REFRESH_TOKEN]
    }

    fn needs(&self) -> &'static [&'static str] {
        &[CLIENT_SECRET]
    }

    fn redirect(&self) -> Redirect {
        Redirect::To(LOOPBACK.into())
    }

    fn client(&self, secrets: &Secrets, _: &[HttpReply]) -> Ask<Client> {
        Ask::Done(Client { id: self.client.clone(), secret: secrets.get(CLIENT_SECRET).cloned() })
    }

    fn authorize(&self, client: &Client, login: &Asked) -> Url {
        let mut url = self.dialog.clone();
        login.add_to(&mut url, client, SCOPE);
        url.query_pairs_mut().append_pair("access_type", "offline").append_pair("prompt", "consent");
        url
    }

    fn exchange(&self, client: &Client, login: &Asked, code: &Secret, replies: &[HttpReply]) -> Ask<Granted> {
        let Some(reply) = replies.last() else {
            return Ask::Call(self.wire.token(&[
                ("grant_type", "authorization_code"),
                ("client_id", &client.id),
                ("client_secret", client.secret.as_ref().map_or("", Secret::expose)),
                ("redirect_uri", login.redirect.uri()),
                ("code", code.expose()),
                ("code_verifier", login.verifier.expose()),
            ]));
        };
        let value = reply.value().filter(|_| reply.status == 200).unwrap_or_default();
        let secrets: Vec<&Secret> = client.secret.iter().chain([code, &login.verifier]).collect();
        match (token(&value, "access_token"), token(&value, REFRESH_TOKEN)) {
            (None, _) => Ask::Refused(format!("google gives no token for this code: {}", refusal(reply, &secrets))),
            // People may untick what is asked.
            (Some(_), _) if !grants(&value["scope"], &[SCOPE]) => {
                Ask::Refused("the right to manage videos was not granted: tick it in the dialog".into())
            }
            (Some(_), None) => Ask::Refused(
                "google gives no refresh token: take the application's access away at \
                 https://myaccount.google.com/connections, and begin again"
                    .into(),
            ),
            (Some(_), Some(refresh)) => Ask::Done(Granted::Secrets(vec![(REFRESH_TOKEN, refresh)])),
        }
    }
}
