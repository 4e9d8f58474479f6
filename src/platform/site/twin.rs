//! An imitation of the folder: files in memory, one set an account, and what a visitor would find on the pages.
//!
//! It reads texts and reply targets back from the HTML of the pages, not from our list, so that it sees what people
//! see. There is nothing to throttle, to expire or to revoke: a folder takes what it is given.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::Timestamp;
use crate::platform::contract::{Call, FileWork, HttpReply, Published, Reply, Secrets, Twin};

/// The folders of all accounts.
#[derive(Debug, Default)]
pub struct Folder {
    files: BTreeMap<u32, BTreeMap<String, Arc<[u8]>>>,
    /// Account, post and moment of each page, in the order in which they appeared.
    appeared: Vec<(u32, String, Timestamp)>,
}

impl Folder {
    /// The files of one account, by path.
    pub fn files(&self, account: u32) -> BTreeMap<String, Vec<u8>> {
        let files = self.files.get(&account).into_iter().flatten();
        files.map(|(path, bytes)| (path.clone(), bytes.to_vec())).collect()
    }

    /// Puts a file there by another hand than ours; `None` takes it away.
    pub fn tamper(&mut self, account: u32, path: &str, bytes: Option<&[u8]>) {
        let files = self.files.entry(account).or_default();
        match bytes {
            Some(bytes) => files.insert(path.into(), bytes.into()),
            None => files.remove(path),
        };
    }

    fn parts(&self, account: u32, id: &str, at: Timestamp) -> Vec<Published> {
        let html = self.files.get(&account).and_then(|files| files.get(&path_of(id)));
        let Some(html) = html.map(|bytes| String::from_utf8_lossy(bytes)) else { return Vec::new() };
        let mut answers = reply_target(&html);
        let mut texts = texts(&html);
        if texts.is_empty() {
            texts.push(String::new());
        }
        let mut parts = Vec::new();
        for (place, text) in texts.into_iter().enumerate() {
            let id = if place == 0 { id.to_owned() } else { format!("{id}#part-{}", place + 1) };
            let before = answers.replace(id.clone());
            parts.push(Published { account, id, text, at, answers: before });
        }
        parts
    }
}

impl Twin for Folder {
    fn table(&self, account: u32, base: &str, folder: &str) -> toml::Table {
        let mut table = toml::Table::new();
        table.insert("path".into(), format!("{folder}/site-{account}").into());
        table.insert("base_url".into(), format!("{}/site-{account}", base.trim_end_matches('/')).into());
        table.insert("title".into(), format!("Notes {account}").into());
        table
    }

    fn secrets(&self, _account: u32) -> Secrets {
        Secrets::default()
    }

    fn answer(&mut self, call: &Call, now: Timestamp) -> Reply {
        let Call::File(call) = call else {
            return Reply::Http(HttpReply { status: 404, ..HttpReply::default() });
        };
        let name = call.root.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let account = name.strip_prefix("site-").and_then(|number| number.parse().ok()).unwrap_or(0);
        let files = self.files.entry(account).or_default();
        match &call.work {
            FileWork::Read(paths) => {
                Reply::File(paths.iter().map(|path| files.get(path).map(|bytes| bytes.to_vec())).collect())
            }
            FileWork::Write(all) => {
                for (path, bytes) in all {
                    let known = files.insert(path.clone(), bytes.clone()).is_some();
                    if let (false, Some(id)) = (known, id_of(path)) {
                        self.appeared.push((account, id.into(), now));
                    }
                }
                Reply::File(Vec::new())
            }
        }
    }

    fn published_since(&self, mark: &mut usize) -> Vec<Published> {
        let from = std::mem::replace(mark, self.appeared.len());
        self.appeared.iter().skip(from).flat_map(|(account, id, at)| self.parts(*account, id, *at)).collect()
    }

    fn throttle(&mut self, _until: Timestamp) {}

    fn expire_tokens(&mut self) {}

    fn set_revoked(&mut self, _revoked: bool) {}
}

fn path_of(id: &str) -> String {
    format!("posts/{id}/index.html")
}

fn id_of(path: &str) -> Option<&str> {
    path.strip_prefix("posts/")?.strip_suffix("/index.html")
}

/// The texts of a page, part by part, as they were written.
fn texts(html: &str) -> Vec<String> {
    html.split("<div class=\"text\"")
        .skip(1)
        .filter_map(|rest| {
            let inner = rest.split_once('>')?.1.split_once("\n</div>")?.0;
            let inner = inner.replace("</p>\n<p>", "\n\n").replace("<br>\n", "\n");
            Some(unescape(&without_tags(inner.trim_start_matches('\n'))))
        })
        .collect()
}

/// The post of the same site that a page answers, or the address of another one.
fn reply_target(html: &str) -> Option<String> {
    let rest = html.split_once("<a class=\"u-in-reply-to\" href=\"")?.1;
    let address = unescape(rest.split_once('"')?.0);
    let ours = address.rsplit_once("/posts/").and_then(|(_, id)| id.strip_suffix('/'));
    Some(ours.map(Into::into).unwrap_or(address))
}

fn without_tags(html: &str) -> String {
    let mut pieces = html.split('<');
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| text + piece.split_once('>').map_or("", |(_, rest)| rest))
}

fn unescape(text: &str) -> String {
    // The ampersand comes last, so that what was escaped twice is unescaped once.
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")]
        .into_iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}
