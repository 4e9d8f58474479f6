//! The logins of Threads and Instagram: a code, a token for an hour, a token for sixty days.
//!
//! Both want an application of their own kind, whose id and secret are not those of the Meta app around it, and an https
//! address to send people back to. The second exchange takes its secrets in a query and nowhere else. A token for an hour
//! is never stored.
//!
//! [`refusal`] reads what Meta's token endpoints say in place of a token, Facebook's among them.

use serde_json::Value;
use url::Url;

use super::token::{APP_SECRET, TOKEN};
use crate::domain::Secret;
use crate::platform::contract::auth::{Ask, Client, CodeFlow, Granted, Login as Asked, Redirect, grants, said, token};
use crate::platform::contract::{Body, Complaint, HeaderValue, HttpReply, Method, Request, Secrets, Table};

/// Keys of the account table.
pub const APP_ID: &str = "app_id";
pub const REDIRECT: &str = "redirect";

/// What one service calls things.
#[derive(Debug, PartialEq, Eq)]
pub struct Words {
    /// For messages.
    pub name: &'static str,
    /// Where people agree.
    pub dialog: &'static str,
    /// `grant_type` of the exchange for a long-lived token.
    pub exchange: &'static str,
    /// What is asked, parted by commas.
    pub scopes: &'static str,
    /// What cannot be done without.
    pub needed: &'static [&'static str],
}

/// The application that people log in with, where the account names it.
#[derive(Debug, Clone)]
pub struct App {
    pub id: String,
    pub redirect: Redirect,
}

impl App {
    /// Reads the application's keys: its id, its address and, named elsewhere, its secret belong together.
    pub fn read(table: &mut Table) -> Option<Self> {
        let (id, redirect) = (table.text(APP_ID), Redirect::read(table, None));
        let all = [APP_ID, REDIRECT, APP_SECRET];
        let asked = table.has(APP_ID) || table.has(REDIRECT);
        if let Some(missing) = all.into_iter().find(|key| asked && !table.has(key)) {
            let reason = format!("{missing:?} is missing: a login needs `app_id`, `app_secret` and `redirect`");
            table.complain(Complaint::new(missing, reason));
        }
        Some(Self { id: id?, redirect: redirect? })
    }
}

/// The login of one account.
pub struct Login {
    pub words: &'static Words,
    pub dialog: Url,
    /// Where a code is taken, and where the API is.
    pub codes: Url,
    pub base: Url,
    pub app: App,
}

impl Login {
    /// `None` where the account names no application.
    pub fn of(words: &'static Words, app: Option<&App>, base: &Url, codes: &Url) -> Option<Box<dyn CodeFlow>> {
        let (dialog, app) = (Url::parse(words.dialog).ok()?, app?.clone());
        Some(Box::new(Self { words, dialog, codes: codes.clone(), base: base.clone(), app }))
    }

    fn refused(&self, reply: &HttpReply, secrets: &[&Secret]) -> String {
        format!("{} gives no token for this code: {}", self.words.name, refusal(reply, secrets))
    }
}

impl CodeFlow for Login {
    fn gives(&self) -> &'static [&'static str] {
        &[TOKEN]
    }

    fn needs(&self) -> &'static [&'static str] {
        &[APP_SECRET]
    }

    fn redirect(&self) -> Redirect {
        self.app.redirect.clone()
    }

    fn client(&self, secrets: &Secrets, _: &[HttpReply]) -> Ask<Client> {
        Ask::Done(Client { id: self.app.id.clone(), secret: secrets.get(APP_SECRET).cloned() })
    }

    fn authorize(&self, client: &Client, login: &Asked) -> Url {
        let mut url = self.dialog.clone();
        login.add_without_challenge(&mut url, client, self.words.scopes);
        url
    }

    fn exchange(&self, client: &Client, login: &Asked, code: &Secret, replies: &[HttpReply]) -> Ask<Granted> {
        let secret = client.secret.as_ref().map_or("", Secret::expose);
        let Some(first) = replies.first() else {
            let fields = [
                ("client_id", client.id.as_str()),
                ("client_secret", secret),
                ("grant_type", "authorization_code"),
                ("redirect_uri", login.redirect.uri()),
                ("code", code.expose()),
            ];
            let headers = vec![("Accept", HeaderValue::Plain("application/json".into()))];
            let (url, body) = (below(&self.codes, &["oauth", "access_token"]), Body::urlencoded(&fields));
            return Ask::Call(Request { method: Method::Post, url, headers, body, secret_path: None });
        };
        let value = first.value().filter(|_| first.status == 200).unwrap_or_default();
        // The documents put it into a list, where the service has been seen to give it bare.
        let value = value.get("data").and_then(|list| list.get(0)).unwrap_or(&value);
        let secrets: Vec<&Secret> = client.secret.iter().chain([code]).collect();
        let Some(short) = token(value, "access_token") else { return Ask::Refused(self.refused(first, &secrets)) };
        if !grants(&value["permissions"], self.words.needed) {
            let why =
                format!("{} was not granted what publishing needs: {}", self.words.name, self.words.needed.join(" "));
            return Ask::Refused(why);
        }
        let Some(second) = replies.get(1) else {
            let fields =
                [("grant_type", self.words.exchange), ("client_secret", secret), ("access_token", short.expose())];
            return Ask::Call(Request::get_secretly(below(&self.base, &["access_token"]), &fields));
        };
        let value = second.value().filter(|_| second.status == 200).unwrap_or_default();
        match token(&value, "access_token") {
            Some(long) => Ask::Done(Granted::Secrets(vec![(TOKEN, long)])),
            None => {
                let secrets: Vec<&Secret> = secrets.into_iter().chain([&short]).collect();
                let why = refusal(second, &secrets);
                Ask::Refused(format!("{} gives no token that lasts: {why}", self.words.name))
            }
        }
    }
}

/// An address below another one.
pub fn below(base: &Url, path: &[&str]) -> Url {
    let mut url = base.clone();
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().extend(path);
    }
    url
}

/// What Meta's token endpoints say in place of a token, without the `secrets` that they may have echoed: the envelope of
/// the Graph API, or the flat form of older ones.
pub fn refusal(reply: &HttpReply, secrets: &[&Secret]) -> String {
    let value = reply.value().unwrap_or_default();
    let error = value.get("error").filter(|error| error.is_object()).unwrap_or(&value);
    let text = |keys: [&str; 2]| keys.into_iter().find_map(|key| error.get(key)?.as_str()).unwrap_or_default();
    let number = |key: &str| error.get(key).and_then(Value::as_i64).map(|number| number.to_string());
    let numbers: Vec<String> = [number("code"), number("error_subcode")].into_iter().flatten().collect();
    let words = format!("{} ({})", text(["message", "error_message"]), numbers.join("/"));
    said(reply.status, words.trim_end_matches(" ()"), secrets)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refusal_is_read_in_both_forms() {
        let echoed = Secret::new("canary-code");
        let told = |value: Value| refusal(&HttpReply::json(400, &value), &[&echoed]);
        let graph = json!({"error": {"message": "No canary-code.", "type": "OAuthException", "code": 100, "error_subcode": 36009}});
        assert_eq!(told(graph), "status 400: No [secret]. (100/36009)");
        let flat = json!({"error_type": "OAuthException", "code": 400, "error_message": "Invalid authorization code"});
        assert_eq!(told(flat), "status 400: Invalid authorization code (400)");
        assert_eq!(told(json!(["what"])), "status 400");
    }
}
