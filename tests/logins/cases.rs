//! The logins that there are, and what the configuration has for each.

use std::path::PathBuf;
use std::sync::Arc;

use cadenced::domain::{AccountId, Secret};
use cadenced::platform;
use cadenced::platform::contract::{Adapter, Secrets, Table, Twin};
use cadenced::platform::facebook::twin::FacebookTwin;
use cadenced::platform::graph::twin as graph;
use cadenced::platform::x::twin::{PUBLIC_CLIENT, XTwin};
use cadenced::platform::{facebook, instagram, linkedin, threads, youtube};

/// A platform's login, and what the configuration has for it.
pub struct Case {
    pub platform: &'static str,
    pub account: u32,
    pub twin: fn() -> Box<dyn Twin>,
    /// Plain keys; one without a value is left out.
    pub keys: &'static [(&'static str, &'static str)],
    /// The key and the value of the client's secret.
    pub client: Option<(&'static str, &'static str)>,
    /// The keys that secrets come for; none where they go into the store.
    pub gives: &'static [&'static str],
    pub pkce: bool,
    pub scopes: &'static str,
}

pub const LOOPBACK: &str = "http://127.0.0.1:8917/";

pub fn cases() -> Vec<Case> {
    let x_scopes = "tweet.read tweet.write users.read media.write like.read offline.access";
    vec![
        Case {
            platform: "x",
            account: 3,
            twin: || Box::new(XTwin::with_oauth2()),
            keys: &[("refresh_token", "")],
            client: Some(("client_secret", "twin-client-secret")),
            gives: &[],
            pkce: true,
            scopes: x_scopes,
        },
        Case {
            platform: "x",
            account: 4,
            twin: || Box::new(XTwin::with_oauth2()),
            keys: &[("refresh_token", ""), ("client_secret", ""), ("client_id", PUBLIC_CLIENT)],
            client: None,
            gives: &[],
            pkce: true,
            scopes: x_scopes,
        },
        Case {
            platform: "youtube",
            account: 1,
            twin: || Box::new(youtube::twin::YoutubeTwin::new()),
            keys: &[],
            client: Some(("client_secret", "GOCSPX-twin-client-secret")),
            gives: &["refresh_token"],
            pkce: true,
            scopes: "https://www.googleapis.com/auth/youtube.force-ssl",
        },
        Case {
            platform: "linkedin",
            account: 1,
            twin: || Box::new(linkedin::twin::LinkedinTwin::new()),
            keys: &[("client_id", "twin-client"), ("redirect", linkedin::twin::REDIRECT), ("oauth_url", "BASE")],
            client: Some(("client_secret", "twin-client-secret-1")),
            gives: &["token"],
            pkce: false,
            scopes: "openid profile w_member_social",
        },
        Case {
            platform: "linkedin",
            account: 2,
            twin: || Box::new(linkedin::twin::LinkedinTwin::new()),
            keys: &[("redirect", linkedin::twin::REDIRECT)],
            client: Some(("client_secret", "twin-client-secret-2")),
            gives: &["token", "refresh_token"],
            pkce: false,
            scopes: "w_organization_social r_organization_social",
        },
        Case {
            platform: "threads",
            account: 5,
            twin: || Box::new(threads::twin::ThreadsTwin::new()),
            keys: &[("app_id", graph::APP[0]), ("redirect", graph::REDIRECT)],
            client: Some(("app_secret", graph::APP[1])),
            gives: &["token"],
            pkce: false,
            scopes: "threads_basic,threads_content_publish,threads_manage_replies,threads_read_replies,threads_manage_insights",
        },
        Case {
            platform: "instagram",
            account: 6,
            twin: || Box::new(instagram::twin::InstagramTwin::new()),
            keys: &[("app_id", graph::APP[0]), ("redirect", graph::REDIRECT)],
            client: Some(("app_secret", graph::APP[1])),
            gives: &["token"],
            pkce: false,
            scopes: "instagram_business_basic,instagram_business_content_publish,instagram_business_manage_comments,instagram_business_manage_insights",
        },
        Case {
            platform: "facebook",
            account: 7,
            twin: || Box::new(FacebookTwin::new()),
            keys: &[("app_id", facebook::twin::APP), ("redirect", facebook::twin::REDIRECT)],
            client: Some(("app_secret", "twin-app-secret-7")),
            gives: &["token"],
            pkce: false,
            scopes: "pages_show_list,pages_manage_posts,pages_read_engagement,pages_read_user_content,read_insights",
        },
    ]
}

impl Case {
    pub fn name(&self) -> String {
        format!("{} {}", self.platform, self.account)
    }

    /// The account, with secrets in files of a folder that is not there.
    pub fn adapter(&self, twin: &dyn Twin) -> Arc<dyn Adapter> {
        let mut table = twin.table(self.account, "http://127.0.0.1:1", "unused");
        for (key, value) in self.keys {
            match *value {
                "" => drop(table.remove(*key)),
                "BASE" => drop(table.insert((*key).into(), "http://127.0.0.1:1".into())),
                value => drop(table.insert((*key).into(), value.into())),
            }
        }
        let file = |key: &str| toml::Value::Table([("file".to_owned(), key.into())].into_iter().collect());
        for key in self.gives.iter().copied().chain(self.client.map(|(key, _)| key)) {
            table.insert(key.into(), file(key));
        }
        let mut table = Table::new(AccountId::new("acc").unwrap(), table, PathBuf::from("/secrets"));
        let adapter = (platform::find(self.platform).unwrap().build)(&mut table);
        let complaints = table.into_complaints();
        assert!(complaints.is_empty(), "{}: {complaints:?}", self.name());
        adapter.unwrap()
    }

    pub fn secrets(&self) -> Secrets {
        Secrets(self.client.iter().map(|(key, secret)| ((*key).to_owned(), Secret::new(*secret))).collect())
    }
}
