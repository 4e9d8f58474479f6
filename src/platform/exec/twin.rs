//! An imitation of a person's programs: one an account, each in front of a service that takes what it is given, as often
//! as it is asked, and can be looked through by the key. So that a post appears once is nobody's merit but ours.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::domain::{Secret, Timestamp, time};
use crate::platform::contract::{Call, Exec, ExecReply, HttpReply, Published, Reply, Secrets, Twin};

/// What their services hold.
#[derive(Debug, Default)]
pub struct Programs {
    posts: Vec<Kept>,
    throttled: Option<Timestamp>,
    revoked: bool,
}

#[derive(Debug)]
struct Kept {
    key: String,
    post: Published,
}

impl Programs {
    fn run(&mut self, call: &Exec, now: Timestamp) -> Result<Value, String> {
        let account = account_of(call)?;
        let request: Value = serde_json::from_slice(&call.input).map_err(|error| format!("no JSON: {error}"))?;
        let text = |key: &str| request[key].as_str().map(str::to_owned).ok_or(format!("{key} is no text"));
        if request["version"] != 1 {
            return Err("another version".into());
        }
        if self.revoked || text("secret")? != secret(account) {
            return Ok(json!({ "auth": "the service does not know this secret" }));
        }
        if let Some(until) = self.throttled.filter(|until| *until > now) {
            let seconds = time::since(until, now).as_secs_f64();
            return Ok(json!({ "rate_limited": seconds, "why": "too many posts" }));
        }
        let place = |post: &Published| json!({ "id": post.id, "url": format!("https://board.example/{}", post.id) });
        match text("action")?.as_str() {
            "account" => Ok(json!({ "account": format!("board-{account}") })),
            "find" => {
                let key = text("key")?;
                let held = self.posts.iter().find(|held| held.post.account == account && held.key == key);
                Ok(held.map_or(json!({ "absent": true }), |held| json!({ "found": place(&held.post) })))
            }
            "publish" => {
                for media in request["media"].as_array().ok_or("media is no list")? {
                    media["data"].as_str().filter(|data| !data.is_empty()).ok_or("a file without data")?;
                }
                let answered = |key: &str| request["answers"][key].as_str().map(str::to_owned);
                let id = (self.posts.len() + 1).to_string();
                let answers = answered("id").or_else(|| answered("url"));
                let post = Published { account, id, text: text("text")?, at: now, answers };
                let reply = json!({ "published": place(&post) });
                self.posts.push(Kept { key: text("key")?, post });
                Ok(reply)
            }
            other => Ok(json!({ "refused": format!("nobody knows how to {other}") })),
        }
    }
}

/// The program's own name tells whose it is, and so does what it is called with.
fn account_of(call: &Exec) -> Result<u32, String> {
    let name = call.program.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let account: u32 = name.strip_prefix("board-").and_then(|number| number.parse().ok()).ok_or("another program")?;
    if call.args != ["--account".to_owned(), account.to_string()] {
        return Err(format!("called with {:?}", call.args));
    }
    Ok(account)
}

fn secret(account: u32) -> String {
    format!("twin-secret-{account}")
}

impl Twin for Programs {
    fn table(&self, account: u32, _base: &str, folder: &str) -> toml::Table {
        let mut table = toml::Table::new();
        table.insert("program".into(), format!("{folder}/board-{account}").into());
        table.insert("args".into(), vec!["--account".to_owned(), account.to_string()].into());
        let way = toml::Table::from_iter([("env".to_owned(), format!("TWIN_SECRET_{account}").into())]);
        table.insert("secret".into(), way.into());
        table.insert("can_find".into(), true.into());
        table
    }

    fn secrets(&self, account: u32) -> Secrets {
        Secrets(BTreeMap::from([("secret".into(), Secret::new(secret(account)))]))
    }

    fn answer(&mut self, call: &Call, now: Timestamp) -> Reply {
        let Call::Exec(call) = call else {
            return Reply::Http(HttpReply { status: 404, ..HttpReply::default() });
        };
        Reply::Exec(match self.run(call, now) {
            Ok(value) => ExecReply { output: format!("{value}\n").into_bytes(), ..ExecReply::default() },
            Err(said) => ExecReply { code: 1, said, ..ExecReply::default() },
        })
    }

    fn published_since(&self, mark: &mut usize) -> Vec<Published> {
        let from = std::mem::replace(mark, self.posts.len());
        self.posts.iter().skip(from).map(|held| held.post.clone()).collect()
    }

    fn throttle(&mut self, until: Timestamp) {
        self.throttled = Some(until);
    }

    /// A secret does not end by itself.
    fn expire_tokens(&mut self) {}

    fn set_revoked(&mut self, revoked: bool) {
        self.revoked = revoked;
    }
}
