//! A login in a browser: the program registers itself with the server, which shows the person a code.
//!
//! Every login registers anew, so that nothing of it has to be kept; servers take five registrations in ten minutes from
//! one address. The token does not expire, and the application is not needed again.

use serde_json::json;
use url::Url;

use super::wire::complaint;
use crate::domain::Secret;
use crate::platform::contract::auth::{Ask, Client, CodeFlow, Granted, Login as Asked, Redirect, token};
use crate::platform::contract::{Body, HeaderValue, HttpReply, Method, Request, Secrets};

/// The `redirect_uri` of a server that shows the code.
const SHOWN: &str = "urn:ietf:wg:oauth:2.0:oob";
/// What the adapter asks for and no more: whose token it is, our own posts, somebody's post that is answered, posting.
const SCOPES: &str = "read:accounts read:statuses read:search read:notifications write:statuses write:media";

/// The login on one server.
pub struct Login {
    pub base: Url,
}

impl CodeFlow for Login {
    fn gives(&self) -> &'static [&'static str] {
        &["token"]
    }

    fn redirect(&self) -> Redirect {
        Redirect::Shown(SHOWN.into())
    }

    fn client(&self, _: &Secrets, replies: &[HttpReply]) -> Ask<Client> {
        let Some(reply) = replies.last() else {
            let body = json!({"client_name": "cadenced", "redirect_uris": SHOWN, "scopes": SCOPES});
            return Ask::Call(self.post(&["api", "v1", "apps"], Body::json(&body)));
        };
        let value = reply.value().unwrap_or_default();
        match (reply.status, value["client_id"].as_str(), value["client_secret"].as_str()) {
            (200, Some(id), Some(secret)) => Ask::Done(Client { id: id.into(), secret: Some(Secret::new(secret)) }),
            _ => Ask::Refused(format!("the server registers no application: {}", complaint(reply, None))),
        }
    }

    fn authorize(&self, client: &Client, login: &Asked) -> Url {
        let mut url = self.at(&["oauth", "authorize"]);
        login.add_to(&mut url, client, SCOPES);
        url
    }

    fn exchange(&self, client: &Client, login: &Asked, code: &Secret, replies: &[HttpReply]) -> Ask<Granted> {
        let Some(reply) = replies.last() else {
            let fields = [
                ("grant_type", "authorization_code"),
                ("client_id", &client.id),
                ("client_secret", client.secret.as_ref().map_or("", Secret::expose)),
                ("redirect_uri", login.redirect.uri()),
                ("code", code.expose()),
                ("code_verifier", login.verifier.expose()),
                ("scope", SCOPES),
            ];
            return Ask::Call(self.post(&["oauth", "token"], Body::urlencoded(&fields)));
        };
        let value = reply.value().unwrap_or_default();
        match token(&value, "access_token") {
            Some(token) if reply.status == 200 => Ask::Done(Granted::Secrets(vec![("token", token)])),
            _ => Ask::Refused(format!("the server gives no token for this code: {}", complaint(reply, Some(code)))),
        }
    }
}

impl Login {
    fn post(&self, path: &[&str], body: Body) -> Request {
        let headers = vec![("Accept", HeaderValue::Plain("application/json".into()))];
        Request { method: Method::Post, url: self.at(path), headers, body, secret_path: None }
    }

    fn at(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }
}
