//! What other people do with posts on the twin of X, and how it is told and billed. Whoever is hidden stays counted and
//! stands in no list. Of those who like a post, a hundred are told at most.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Answer, XTwin, invalid, user};
use crate::domain::{Interaction, PersonId, Timestamp};
use crate::platform::contract::crowd::{By, CrowdAct, Said, Standing};
use crate::platform::contract::{HttpReply, Request};

const LIKES: usize = 100;

impl XTwin {
    pub(super) fn carry_act_out(&mut self, act: &CrowdAct, now: Timestamp) -> Option<String> {
        if let CrowdAct::Delete { post } = act {
            self.posts.retain(|held| held.id.to_string() != *post);
            return None;
        }
        // All that is said here, everybody may read.
        let act = match act.clone() {
            CrowdAct::Reply { by, to, text, .. } => CrowdAct::Reply { by, to, text, private: false },
            CrowdAct::Mention { by, account, text, .. } => CrowdAct::Mention { by, account, text, private: false },
            act => act,
        };
        // Nobody answers what is not there.
        if let CrowdAct::Reply { to, .. } = &act
            && !self.posts.iter().any(|post| post.id.to_string() == *to)
            && !self.crowd.said().any(|said| said.id == *to)
        {
            return None;
        }
        let id = self.fresh_id(now).to_string();
        let said = self.crowd.act(&act, &id, now);
        // Whoever answers names whom they answer.
        if let CrowdAct::Reply { to, .. } = &act
            && let Some(answered) = self.posts.iter().find(|post| post.id.to_string() == *to)
        {
            self.crowd.names(&id, answered.account);
        }
        said.then_some(id)
    }

    pub(super) fn stands(&self, account: u32, post: &str) -> Option<Standing> {
        if !self.posts.iter().any(|held| held.id.to_string() == post && held.account == account) {
            return Some(Standing { gone: true, ..Standing::default() });
        }
        let person = |by: By| PersonId::new("x", &id_of(by)).filter(|_| by != By::Ours(account));
        let list = |kind| self.crowd.list(kind, post).into_iter().filter_map(|done| person(done.by)).collect();
        let quotes = self.crowd.quotes(post).filter(|said| self.crowd.shows(said.by));
        let who = [
            (Interaction::Like, list(Interaction::Like)),
            (Interaction::Repost, list(Interaction::Repost)),
            (Interaction::Quote, quotes.filter_map(|said| person(said.by)).collect()),
        ];
        Some(Standing { counts: self.counts(post), who: who.into(), ..Standing::default() })
    }

    fn counts(&self, post: &str) -> BTreeMap<Interaction, u64> {
        let ours = self.posts.iter().filter(|held| held.answers.as_deref() == Some(post)).count();
        let said = self.crowd.said().filter(|said| said.parent.as_deref() == Some(post)).count();
        BTreeMap::from([
            (Interaction::Like, self.crowd.count(Interaction::Like, post)),
            (Interaction::Repost, self.crowd.count(Interaction::Repost, post)),
            (Interaction::Quote, self.crowd.quotes(post).count() as u64),
            (Interaction::Reply, (ours + said) as u64),
            (Interaction::Save, 0),
            (Interaction::View, 7),
        ])
    }

    /// What there is to read about people, and what that costs; `None`: that is another address.
    pub(super) fn tell(&self, account: u32, path: &[&str], request: &Request) -> Option<(Answer, i64)> {
        let query: BTreeMap<String, String> = request.url.query_pairs().into_owned().collect();
        let answer = match path {
            ["tweets"] => self.several(&query),
            ["tweets", id, "liking_users"] => self.people(Interaction::Like, id, &query),
            ["tweets", id, "retweeted_by"] => self.people(Interaction::Repost, id, &query),
            ["tweets", id, "quote_tweets"] => {
                let quotes = self.crowd.quotes(id).rev().filter(|said| self.crowd.shows(said.by));
                self.page(quotes.map(|said| (told(said), Some(said.by))).collect(), 10, &query)
            }
            ["users", id, "mentions"] if *id == user(account) => {
                let since = query.get("since_id").and_then(|id| id.parse::<u64>().ok()).unwrap_or_default();
                let to_us = |said: &&Said| {
                    said.names == Some(account)
                        && said.by != By::Ours(account)
                        && said.id.parse().is_ok_and(|id: u64| id > since)
                };
                let all = self.crowd.shown().rev().filter(to_us);
                self.page(all.map(|said| (told(said), Some(said.by))).collect(), 5, &query)
            }
            _ => return None,
        };
        let told = answer.as_ref().ok().and_then(HttpReply::value).unwrap_or_default();
        let length = |list: &Value| list.as_array().map_or(0, |list| i64::try_from(list.len()).unwrap_or(i64::MAX));
        let (items, users) = (length(&told["data"]), length(&told["includes"]["users"]));
        let each = match path {
            ["users", ..] => 1_000,
            [_, _, "liking_users" | "retweeted_by"] => 10_000,
            _ => 5_000,
        };
        Some((answer, items * each + users * 10_000))
    }

    fn several(&self, query: &BTreeMap<String, String>) -> Answer {
        let ids: Vec<&str> = query.get("ids").map(|ids| ids.split(',').collect()).unwrap_or_default();
        if !(1..=100).contains(&ids.len()) {
            return Err(invalid("The number of values in the `ids` query parameter list is not between 1 and 100"));
        }
        let (mut data, mut errors) = (Vec::new(), Vec::new());
        for id in ids {
            let ours = self.posts.iter().find(|held| held.id.to_string() == id);
            let mut item = match (ours, self.crowd.find(id)) {
                (Some(held), _) => json!({"id": id, "text": held.text, "author_id": user(held.account),
                    "created_at": format!("{:.3}", held.at)}),
                (None, Some(said)) => told(said),
                (None, None) => {
                    errors.push(json!({
                        "value": id, "resource_id": id, "parameter": "ids", "resource_type": "tweet",
                        "title": "Not Found Error", "detail": format!("Could not find tweet with ids: [{id}]."),
                        "type": "https://api.x.com/2/problems/resource-not-found",
                    }));
                    continue;
                }
            };
            let counts = self.counts(id);
            if query.get("tweet.fields").is_some_and(|fields| fields.contains("public_metrics")) {
                item["public_metrics"] = json!({
                    "like_count": counts[&Interaction::Like], "retweet_count": counts[&Interaction::Repost],
                    "quote_count": counts[&Interaction::Quote], "reply_count": counts[&Interaction::Reply],
                    "bookmark_count": 0, "impression_count": counts[&Interaction::View],
                });
            }
            data.push(item);
        }
        let mut answer = json!({});
        if !data.is_empty() {
            answer["data"] = data.into();
        }
        if !errors.is_empty() {
            answer["errors"] = errors.into();
        }
        Ok(HttpReply::json(200, &answer))
    }

    fn people(&self, kind: Interaction, post: &str, query: &BTreeMap<String, String>) -> Answer {
        let most = if kind == Interaction::Like { LIKES } else { usize::MAX };
        let all = self.crowd.list(kind, post).into_iter().take(most);
        self.page(all.map(|done| (person(done.by), None)).collect(), 1, query)
    }

    fn page(&self, all: Vec<(Value, Option<By>)>, fewest: usize, query: &BTreeMap<String, String>) -> Answer {
        let size = query.get("max_results").and_then(|size| size.parse().ok()).unwrap_or(10);
        if !(fewest..=100).contains(&size) {
            let message = format!("The `max_results` query parameter value [{size}] is not between {fewest} and 100");
            return Err(invalid(&message));
        }
        let from = query.get("pagination_token").and_then(|token| token.strip_prefix("page")?.parse().ok());
        let from: usize = from.unwrap_or(0);
        let more = all.len() > from + size;
        let page: Vec<_> = all.into_iter().skip(from).take(size).collect();
        let mut answer = json!({"meta": {"result_count": page.len()}});
        if more {
            answer["meta"]["next_token"] = json!(format!("page{}", from + size));
        }
        let authors: BTreeMap<By, Value> = page.iter().filter_map(|(_, by)| Some(((*by)?, person((*by)?)))).collect();
        if !authors.is_empty() && query.contains_key("expansions") {
            answer["includes"] = json!({ "users": authors.into_values().collect::<Vec<_>>() });
        }
        if !page.is_empty() {
            answer["data"] = page.into_iter().map(|(item, _)| item).collect();
        }
        Ok(HttpReply::json(200, &answer))
    }

    /// What an account has said by hand, as it stands in the list of its posts.
    pub(super) fn said_by_hand(&self, id: &str) -> Vec<(u64, Timestamp, Value)> {
        let ours = self.crowd.said().filter(|said| matches!(said.by, By::Ours(_)) && id_of(said.by) == id);
        ours.filter_map(|said| Some((said.id.parse().ok()?, said.at, told(said)))).collect()
    }
}

fn id_of(by: By) -> String {
    match by {
        By::Person(number) => (8_000_000_000 + u64::from(number)).to_string(),
        By::Ours(account) => user(account),
    }
}

fn person(by: By) -> Value {
    let name = match by {
        By::Person(number) => format!("Crowd_{number}"),
        By::Ours(account) => format!("account{account}"),
    };
    json!({"id": id_of(by), "name": name, "username": name})
}

fn told(said: &Said) -> Value {
    let text = said.text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let mut item = json!({
        "id": said.id, "text": text, "author_id": id_of(said.by), "created_at": format!("{:.3}", said.at),
        "edit_history_tweet_ids": [said.id],
    });
    if let Some(parent) = &said.parent {
        item["referenced_tweets"] = json!([{"type": "replied_to", "id": parent}]);
    } else if let Some(post) = &said.quotes {
        item["referenced_tweets"] = json!([{"type": "quoted", "id": post}]);
    }
    item
}
