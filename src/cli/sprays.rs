//! The part of `cadenced check` that finds sprays: the same text, or nearly, to several accounts of one audience in
//! different posts, or again within 90 days. One post for accounts of several platforms is what posts are for; one for two
//! accounts of the same platform is a spray, unless their texts differ.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::AccountSettings;
use crate::domain::document::Text;
use crate::domain::fault::Severity;
use crate::domain::policy::Spray;
use crate::domain::{AccountId, Content, PostId, Timestamp, time};
use crate::queue::alike::{AGAIN, Alikes, Gist};
use crate::queue::{Kind, Order, Post, parse};

use super::check::Remark;

/// What one account is told by a post.
pub struct Said {
    account: AccountId,
    platform: String,
    spray: Spray,
    content: Content,
    /// When it was sent, or will not be before.
    at: Option<Timestamp>,
}

impl Said {
    pub fn new(account: &AccountId, settings: &AccountSettings, content: Content, at: Option<Timestamp>) -> Self {
        let (platform, spray) = (settings.platform.clone(), settings.policy.spray);
        Self { account: account.clone(), platform, spray, content, at }
    }
}

/// Texts that have been seen, and what was found.
#[derive(Default)]
pub struct Sprays {
    seen: Alikes<Seen>,
    found: Vec<Found>,
}

struct Seen {
    post: PostId,
    order: Order,
    account: AccountId,
    at: Option<Timestamp>,
}

struct Found {
    order: Order,
    account: AccountId,
    other: PostId,
    other_order: Order,
    other_account: AccountId,
}

impl Sprays {
    /// Looks at one post. `told` says that it is told already that it says what another one says.
    pub fn look(
        &mut self,
        post: &Post,
        audience: &str,
        said: Vec<Said>,
        told: bool,
        now: Timestamp,
        remarks: &mut Vec<Remark>,
    ) {
        if post.kind == Kind::Reply {
            return;
        }
        let all: Vec<(Said, Gist)> = said
            .into_iter()
            .filter_map(|said| Some((Gist::of(&said.content)?, said)))
            .map(|(gist, said)| (said, gist))
            .collect();
        for (place, (said, gist)) in all.iter().enumerate().filter(|(_, (said, _))| said.spray != Spray::Off) {
            let same = all[..place].iter().find(|(other, text)| other.platform == said.platform && text.is_like(gist));
            if let Some((other, _)) = same {
                let reason = format!(
                    "{} and {} are both on {}, and say nearly the same",
                    other.account, said.account, said.platform
                );
                let mut remark = Remark::warning(post, "to", reason);
                let hint = format!(
                    "give one of them a text of its own: [post.variant.{}]; policy.spray = \"off\" allows it",
                    said.account
                );
                remark.hint = Some(hint);
                remarks.push(remark);
                break;
            }
        }
        let moment = |at: Option<Timestamp>| at.map_or(now, |at| at);
        let close = |one: Option<Timestamp>, two: Option<Timestamp>| {
            let (one, two) = (moment(one), moment(two));
            time::since(one, two).max(time::since(two, one)) < AGAIN
        };
        for (said, gist) in all.iter().filter(|(said, _)| !told && said.spray != Spray::Off) {
            let accept = |seen: &Seen| seen.post != post.id && close(seen.at, said.at);
            if let Some(seen) = self.seen.find(audience, gist, accept) {
                self.found.push(Found {
                    order: post.order.clone(),
                    account: said.account.clone(),
                    other: seen.post.clone(),
                    other_order: seen.order.clone(),
                    other_account: seen.account.clone(),
                });
                break;
            }
        }
        // One text for all accounts is one text.
        let mut kept: Vec<(&Gist, Option<Timestamp>)> = Vec::new();
        for (said, gist) in &all {
            if !kept.contains(&(gist, said.at)) {
                kept.push((gist, said.at));
                let (post, order) = (post.id.clone(), post.order.clone());
                let seen = Seen { post, order, account: said.account.clone(), at: said.at };
                self.seen.insert(audience, gist.clone(), seen);
            }
        }
    }

    /// What was found, with both places. `read` gives the bytes of a file once more.
    pub fn remarks(&mut self, read: &dyn Fn(&str) -> Vec<u8>) -> Vec<Remark> {
        let mut by_file: BTreeMap<Arc<str>, Vec<Found>> = BTreeMap::new();
        for found in std::mem::take(&mut self.found) {
            by_file.entry(found.other_order.file.clone()).or_default().push(found);
        }
        let mut remarks = Vec::new();
        for (file, found) in by_file {
            let bytes = read(&file);
            let text = Text::new(&file, &bytes, &mut Vec::new()).ok();
            let places = text.as_ref().map(parse::locate);
            for Found { order, account, other, other_order, other_account } in found {
                let place = match (&text, &places) {
                    (Some(text), Some(places)) => {
                        parse::place(text, places, &other_order, "text", Some(&other_account)).to_string()
                    }
                    _ => file.to_string(),
                };
                remarks.push(Remark {
                    order,
                    key: "text".into(),
                    account: Some(account),
                    severity: Severity::Warning,
                    reason: format!("{other} says nearly the same to the same people ({place})"),
                    hint: Some("say it in other words, or once; policy.spray = \"off\" allows it".into()),
                });
            }
        }
        remarks
    }
}
