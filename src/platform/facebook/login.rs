//! A login in a browser: a code, the person's token for an hour or two, their token for sixty days, and with that the
//! token of the one Page that the account names. Only the last is stored; one that comes of a long-lived token has no end.
//!
//! Facebook gives those tokens for secrets in a query and nowhere else.

use serde_json::Value;
use url::Url;

use super::wire::proof;
use crate::domain::Secret;
use crate::platform::contract::auth::{Ask, Client, CodeFlow, Granted, Login as Asked, Redirect, token};
use crate::platform::contract::{Body, HeaderValue, HttpReply, Method, Request, Secrets};
use crate::platform::graph::login::{App, below, refusal};

/// Where people agree; the version stands before it.
const DIALOG: &str = "https://www.facebook.com";
/// To find the Page, to publish on it, and to read what people answer there and what came of it.
const SCOPES: &str = "pages_show_list,pages_manage_posts,pages_read_engagement,pages_read_user_content,read_insights";
/// Pages of one list: a login may make but a few requests.
const PAGES: &str = "100";
/// Ids of other Pages that are named when the right one is not among them.
const NAMED: usize = 5;

/// The login of one Page.
pub struct Login {
    pub base: Url,
    pub dialog: Url,
    pub version: String,
    pub page: String,
    pub app: App,
}

impl Login {
    pub fn of(app: Option<&App>, base: &Url, version: &str, page: &str) -> Option<Box<dyn CodeFlow>> {
        let dialog = below(&Url::parse(DIALOG).ok()?, &[version, "dialog", "oauth"]);
        let (app, base) = (app?.clone(), base.clone());
        Some(Box::new(Self { base, dialog, version: version.into(), page: page.into(), app }))
    }

    fn exchange_for(&self, fields: &[(&str, &str)]) -> Ask<Granted> {
        Ask::Call(Request::get_secretly(below(&self.base, &[&self.version, "oauth", "access_token"]), fields))
    }

    /// One list of the Pages that the person has a role on.
    fn list(&self, user: &Secret, client: &Client, after: Option<&str>) -> Ask<Granted> {
        let mut url = below(&self.base, &[&self.version, "me", "accounts"]);
        url.query_pairs_mut().append_pair("fields", "id,access_token").append_pair("limit", PAGES);
        if let Some(after) = after {
            url.query_pairs_mut().append_pair("after", after);
        }
        if let Some(secret) = &client.secret {
            url.query_pairs_mut().append_pair("appsecret_proof", &proof(user, secret));
        }
        let headers = vec![
            ("Authorization", HeaderValue::Secret { prefix: "Bearer ", secret: user.clone() }),
            ("Accept", HeaderValue::Plain("application/json".into())),
        ];
        Ask::Call(Request { method: Method::Get, url, headers, body: Body::default(), secret_path: None })
    }

    /// The Page's own token, or the next list.
    fn choose(&self, user: &Secret, client: &Client, lists: &[HttpReply]) -> Ask<Granted> {
        let mut others = Vec::new();
        let mut after = None;
        for reply in lists {
            let value = reply.value().filter(|_| reply.status == 200).unwrap_or_default();
            let Some(pages) = value["data"].as_array() else {
                let secrets: Vec<&Secret> = client.secret.iter().chain([user]).collect();
                return Ask::Refused(format!("facebook does not tell the Pages: {}", refusal(reply, &secrets)));
            };
            let id = |page: &Value| page["id"].as_str().map(str::to_owned);
            if let Some(page) = pages.iter().find(|page| id(page).as_deref() == Some(&self.page)) {
                return match token(page, "access_token") {
                    Some(token) => Ask::Done(Granted::Secrets(vec![("token", token)])),
                    None => Ask::Refused("facebook gives no token of the Page: the person needs a role on it".into()),
                };
            }
            others.extend(pages.iter().filter_map(id));
            // The address of the next list holds the token; only the place in it is taken over.
            let more = value["paging"]["next"].is_string() && !pages.is_empty();
            after = value["paging"]["cursors"]["after"].as_str().filter(|_| more).map(str::to_owned);
        }
        if lists.is_empty() || after.is_some() {
            return self.list(user, client, after.as_deref());
        }
        others.truncate(NAMED);
        let others = if others.is_empty() { "none".to_owned() } else { others.join(", ") };
        let page = &self.page;
        Ask::Refused(format!("the Page {page} is not among those that were chosen in the dialog: {others}"))
    }
}

impl CodeFlow for Login {
    fn gives(&self) -> &'static [&'static str] {
        &["token"]
    }

    fn needs(&self) -> &'static [&'static str] {
        &["app_secret"]
    }

    fn redirect(&self) -> Redirect {
        self.app.redirect.clone()
    }

    fn client(&self, secrets: &Secrets, _: &[HttpReply]) -> Ask<Client> {
        Ask::Done(Client { id: self.app.id.clone(), secret: secrets.get("app_secret").cloned() })
    }

    fn authorize(&self, client: &Client, login: &Asked) -> Url {
        let mut url = self.dialog.clone();
        login.add_without_challenge(&mut url, client, SCOPES);
        url
    }

    fn exchange(&self, client: &Client, login: &Asked, code: &Secret, replies: &[HttpReply]) -> Ask<Granted> {
        let secret = client.secret.as_ref().map_or("", Secret::expose);
        let app = [("client_id", client.id.as_str()), ("client_secret", secret)];
        let granted = |reply: &HttpReply| token(&reply.value().filter(|_| reply.status == 200)?, "access_token");
        let Some(first) = replies.first() else {
            let fields = [("redirect_uri", login.redirect.uri()), ("code", code.expose())];
            return self.exchange_for(&[app, fields].concat());
        };
        let mut secrets: Vec<&Secret> = client.secret.iter().chain([code]).collect();
        let Some(short) = granted(first) else {
            return Ask::Refused(format!("facebook gives no token for this code: {}", refusal(first, &secrets)));
        };
        let Some(second) = replies.get(1) else {
            let fields = [("grant_type", "fb_exchange_token"), ("fb_exchange_token", short.expose())];
            return self.exchange_for(&[app, fields].concat());
        };
        let Some(long) = granted(second) else {
            secrets.push(&short);
            return Ask::Refused(format!("facebook gives no token that lasts: {}", refusal(second, &secrets)));
        };
        self.choose(&long, client, &replies[2..])
    }
}
