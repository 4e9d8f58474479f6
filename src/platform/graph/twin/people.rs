//! What other people do with posts on the twin of Threads and Instagram, and how it is told.
//!
//! Who likes and passes on is counted and told of nobody. Whoever is hidden stays counted, and what they said is not told.
//! On Instagram an answer to an answer lands below the comment on top.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{GraphTwin, Kept, account_id, error};
use crate::domain::{Interaction, PersonId, Timestamp};
use crate::platform::contract::HttpReply;
use crate::platform::contract::crowd::{By, CrowdAct, Said, Standing, Word};

/// How often a post was seen.
const VIEWS: u64 = 77;

impl GraphTwin {
    /// Threads tells what answers what; Instagram knows comments, and answers to them.
    fn is_tree(&self) -> bool {
        self.manner.dialect.answers.is_some()
    }

    pub fn carry_out(&mut self, act: &CrowdAct, now: Timestamp) -> Option<String> {
        let act = match act.clone() {
            CrowdAct::Delete { post } => {
                self.delete(&post);
                return None;
            }
            CrowdAct::Reply { by, to, text, .. } => {
                let top = self.crowd.said().find(|said| said.id == to).and_then(|said| said.parent.clone());
                let top = top.filter(|top| !self.is_tree() && self.posts.iter().all(|post| post.id != *top));
                CrowdAct::Reply { by, to: top.unwrap_or(to), text, private: false }
            }
            CrowdAct::Quote { .. } | CrowdAct::Repost { .. } if !self.is_tree() => return None,
            act => act,
        };
        self.issued += 1;
        let id = (18_000_000_000_000_000 + self.issued).to_string();
        self.crowd.act(&act, &id, now).then_some(id)
    }

    pub fn stands(&self, account: u32, post: &str) -> Option<Standing> {
        if !self.posts.iter().any(|kept| kept.id == post && kept.account == account) {
            return Some(Standing { gone: true, ..Standing::default() });
        }
        let mut counts: BTreeMap<_, _> =
            [(Interaction::Like, self.crowd.count(Interaction::Like, post)), (Interaction::View, VIEWS)].into();
        if self.is_tree() {
            counts.insert(Interaction::Repost, self.crowd.count(Interaction::Repost, post));
            counts.insert(Interaction::Quote, self.crowd.quotes(post).count() as u64);
        } else {
            counts.insert(Interaction::Save, 0);
        }
        counts.insert(Interaction::Reply, self.replies(post));
        let mut standing = Standing { counts, ..Standing::default() };
        for item in self.below(post) {
            let (id, word) = match item {
                Item::Ours(kept) => {
                    (&kept.id, Word { by: None, parent: kept.answers.clone(), text: kept.text.clone(), private: false })
                }
                Item::Said(said) => {
                    let by = self.id_of(account, said.by);
                    (&said.id, Word { by, parent: said.parent.clone(), text: said.text.clone(), private: false })
                }
            };
            standing.said.insert(id.clone(), word);
        }
        Some(standing)
    }

    fn id_of(&self, account: u32, by: By) -> Option<PersonId> {
        let id = match by {
            By::Ours(number) if number == account => return None,
            _ if self.is_tree() => name(by).to_lowercase(),
            _ => number(by),
        };
        PersonId::new(self.manner.platform, &id)
    }

    /// Threads counts direct answers, Instagram all comments.
    fn replies(&self, post: &str) -> u64 {
        let ours = self.posts.iter().filter(|kept| kept.answers.as_deref() == Some(post)).count();
        let direct = |said: &&Said| said.parent.as_deref() == Some(post);
        let nested = |said: &&Said| {
            let above = self.crowd.said().find(|other| Some(&other.id) == said.parent.as_ref());
            !self.is_tree() && above.is_some_and(|above| direct(&above))
        };
        (ours + self.crowd.said().filter(|said| direct(said) || nested(said)).count()) as u64
    }

    /// Everything below a post, newest first.
    fn below(&self, id: &str) -> Vec<Item<'_>> {
        let mut inside = vec![id.to_owned()];
        let mut all: Vec<Item<'_>> =
            self.posts.iter().map(Item::Ours).chain(self.crowd.shown().map(Item::Said)).collect();
        all.sort_by_key(|item| item.id().to_owned());
        all.retain(|item| {
            let hangs = item.parent().is_some_and(|parent| inside.iter().any(|held| held == parent));
            if hangs {
                inside.push(item.id().to_owned());
            }
            hangs
        });
        all.reverse();
        all
    }

    /// What there is to read about people; `None`: that is another address.
    pub(super) fn tell(&self, account: u32, path: &[&str], parameters: &BTreeMap<String, String>) -> Option<HttpReply> {
        let missing = || error(400, 100, Some(33), "Unsupported get request. Object with that ID does not exist");
        let ours = |id: &str| self.posts.iter().find(|post| post.id == id && post.account == account);
        let edge = if self.is_tree() { "conversation" } else { "comments" };
        match path {
            [id, "insights"] => {
                let metrics = parameters.get("metric").map(String::as_str).unwrap_or_default();
                let Some(truth) = ours(id).and_then(|_| self.stands(account, id)) else { return Some(missing()) };
                let one = |name: &str| {
                    let kind = match name {
                        "views" => Interaction::View,
                        "likes" => Interaction::Like,
                        "replies" => Interaction::Reply,
                        "reposts" => Interaction::Repost,
                        "quotes" => Interaction::Quote,
                        "saved" => Interaction::Save,
                        _ => return None,
                    };
                    let value = truth.counts.get(&kind)?;
                    Some(json!({"name": name, "period": "lifetime", "values": [{"value": value}], "title": name,
                        "id": format!("{id}/insights/{name}/lifetime")}))
                };
                let told: Option<Vec<Value>> = metrics.split(',').map(one).collect();
                Some(match told {
                    Some(data) => HttpReply::json(200, &json!({ "data": data })),
                    None => error(400, 100, None, "(#100) metric must be a valid insights metric"),
                })
            }
            [id, list] if *list == edge => Some(match ours(id) {
                Some(_) => {
                    let below = self.below(id);
                    let top = |item: &&Item<'_>| self.is_tree() || item.parent() == Some(*id);
                    let all: Vec<_> = below.iter().filter(top).map(|item| self.show_item(item, id)).collect();
                    page(&all, parameters)
                }
                None => missing(),
            }),
            [id, "replies"] if *id != "me" && self.is_tree() => {
                self.crowd.find(id).filter(|said| said.names.is_none() && said.quotes.is_none())?;
                let below = self.below(id);
                let direct = below.iter().filter(|item| item.parent() == Some(*id));
                Some(page(&direct.map(|item| self.show_item(item, id)).collect::<Vec<_>>(), parameters))
            }
            [id] => {
                let said = self.crowd.find(id).filter(|said| said.parent.is_some())?;
                Some(HttpReply::json(200, &self.show_item(&Item::Said(said), "")))
            }
            _ => None,
        }
    }

    fn show_item(&self, item: &Item<'_>, root: &str) -> Value {
        let (id, text, at, by) = match item {
            Item::Ours(kept) => (&kept.id, &kept.text, kept.at, By::Ours(kept.account)),
            Item::Said(said) => (&said.id, &said.text, said.at, said.by),
        };
        let mut value = json!({
            "id": id, "text": text, "username": name(by),
            "timestamp": at.strftime("%Y-%m-%dT%H:%M:%S+0000").to_string(),
        });
        if self.is_tree() {
            value["permalink"] = json!(format!("https://www.threads.com/@{}/post/{id}", name(by)));
            value["replied_to"] = json!({ "id": item.parent() });
            value["is_reply_owned_by_me"] = json!(matches!(by, By::Ours(_)));
            return value;
        }
        let top = item.parent().and_then(|parent| self.crowd.said().find(|said| said.id == parent));
        let post = top.map_or(item.parent(), |top| top.parent.as_deref());
        value["media"] = json!({ "id": post });
        value["from"] = json!({"id": number(by), "username": name(by)});
        if let Some(parent) =
            item.parent().filter(|parent| *parent != root && self.crowd.said().any(|said| said.id == *parent))
        {
            value["parent_id"] = json!(parent);
        }
        let answers = self.crowd.shown().filter(|said| said.parent.as_deref() == Some(id));
        let answers: Vec<_> = answers.map(|said| self.show_item(&Item::Said(said), root)).collect();
        if !answers.is_empty() {
            value["replies"] = json!({ "data": answers });
        }
        value
    }

    /// What a post's fields count, where they do.
    pub(super) fn count_fields(&self, post: &Kept) -> Value {
        json!({
            "like_count": self.crowd.count(Interaction::Like, &post.id), "comments_count": self.replies(&post.id),
            "username": name(By::Ours(post.account)),
        })
    }
}

/// Ours, or somebody else's.
enum Item<'a> {
    Ours(&'a Kept),
    Said(&'a Said),
}

impl Item<'_> {
    fn id(&self) -> &str {
        match self {
            Self::Ours(kept) => &kept.id,
            Self::Said(said) => &said.id,
        }
    }

    fn parent(&self) -> Option<&str> {
        match self {
            Self::Ours(kept) => kept.answers.as_deref(),
            Self::Said(said) => said.parent.as_deref(),
        }
    }
}

fn name(by: By) -> String {
    match by {
        By::Person(number) => format!("Crowd.{number}"),
        By::Ours(account) => format!("twin{account}"),
    }
}

fn number(by: By) -> String {
    match by {
        By::Person(number) => (99_000_000_000 + u64::from(number)).to_string(),
        By::Ours(account) => account_id(account),
    }
}

fn page(all: &[Value], parameters: &BTreeMap<String, String>) -> HttpReply {
    let limit = parameters.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(25);
    let skip: usize = parameters.get("after").and_then(|after| after.strip_prefix("at")?.parse().ok()).unwrap_or(0);
    let page: Vec<_> = all.iter().skip(skip).take(limit).collect();
    let mut value = json!({ "data": page });
    if !page.is_empty() {
        let after = skip + page.len();
        value["paging"] = json!({"cursors": {"before": format!("at{skip}"), "after": format!("at{after}")}});
    }
    HttpReply::json(200, &value)
}
