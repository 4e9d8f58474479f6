//! What other people do on the twin's Pages, and how it is told.
//!
//! Who has blocked the Page or is gone stays counted: among reactions by nothing but the kind, among comments without
//! `from`. Shares are a number alone. An answer to an answer lands below the comment on top.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{FacebookTwin, Form, error, missing, page_id};
use crate::domain::{Interaction, PersonId, Timestamp};
use crate::platform::contract::HttpReply;
use crate::platform::contract::crowd::{By, CrowdAct, Said, Standing, Word};

/// How often a post was seen.
const VIEWS: u64 = 91;
const KINDS: [&str; 4] = ["LIKE", "LOVE", "ANGRY", "CARE"];

impl FacebookTwin {
    pub(super) fn carry_out(&mut self, act: &CrowdAct, now: Timestamp) -> Option<String> {
        let (act, below) = match act.clone() {
            CrowdAct::Delete { post } => {
                self.delete(&post);
                return None;
            }
            CrowdAct::Quote { .. } | CrowdAct::Mention { .. } => return None,
            CrowdAct::Reply { by, to, text, .. } => {
                let on_post = self.posts.iter().any(|post| post.id == to && !post.deleted);
                let above = self.crowd.find(&to).and_then(|said| said.parent.clone());
                let to = match above {
                    Some(top) if self.crowd.said().any(|said| said.id == top) => top,
                    Some(_) => to,
                    None if on_post => to,
                    None => return None,
                };
                let post = to.split('_').nth(usize::from(on_post)).unwrap_or(&to).to_owned();
                (CrowdAct::Reply { by, to, text, private: false }, post)
            }
            act => (act, String::new()),
        };
        let id = format!("{below}_{}", self.issue());
        self.crowd.act(&act, &id, now).then_some(id)
    }

    pub(super) fn stands(&self, account: u32, id: &str) -> Standing {
        if !self.posts.iter().any(|post| post.is_of(account, id) && post.out.is_some()) {
            return Standing { gone: true, ..Standing::default() };
        }
        let count = |kind| self.crowd.count(kind, id);
        let shares = Some(count(Interaction::Repost)).filter(|shares| *shares > 0);
        let comments = self.below(id);
        let counts = [
            (Interaction::Like, Some(count(Interaction::Like))),
            (Interaction::Repost, shares),
            (Interaction::Reply, Some(comments.len() as u64)),
            (Interaction::View, Some(VIEWS)),
        ];
        let counts: BTreeMap<_, _> = counts.into_iter().filter_map(|(kind, count)| Some((kind, count?))).collect();
        let mut standing = Standing { counts, ..Standing::default() };
        let people = self.crowd.list(Interaction::Like, id);
        standing.who.insert(Interaction::Like, people.iter().filter_map(|done| person(done.by)).collect());
        for said in comments.into_iter().filter(|said| self.crowd.shows(said.by)) {
            let by = if said.by == By::Ours(account) { None } else { person(said.by) };
            let word = Word { by, parent: said.parent.clone(), text: said.text.clone(), private: false };
            standing.said.insert(said.id.clone(), word);
        }
        standing
    }

    /// All comments below a post, oldest first.
    fn below(&self, id: &str) -> Vec<&Said> {
        let mut inside = vec![id.to_owned()];
        let mut below = Vec::new();
        for said in self.crowd.said() {
            if said.parent.as_ref().is_some_and(|parent| inside.contains(parent)) {
                inside.push(said.id.clone());
                below.push(said);
            }
        }
        below
    }

    /// Counts of a post as fields of it.
    pub(super) fn count_fields(&self, id: &str, form: &Form) -> Value {
        let mut value = json!({});
        if form.text("fields").is_some_and(|fields| fields.contains("reactions")) {
            let summary = |count: u64| json!({"data": [], "summary": {"total_count": count}});
            value["reactions"] = summary(self.crowd.count(Interaction::Like, id));
            value["comments"] = summary(self.below(id).len() as u64);
            let shares = self.crowd.count(Interaction::Repost, id);
            if shares > 0 {
                value["shares"] = json!({ "count": shares });
            }
        }
        value
    }

    /// What there is to read about people; `None`: that is another address.
    pub(super) fn tell(&self, account: u32, path: &[&str], form: &Form) -> Option<HttpReply> {
        let ours = |id: &str| self.posts.iter().any(|post| post.is_of(account, id));
        let comment = |id: &str| self.crowd.find(id).filter(|said| self.stands_below(said, &ours));
        match path {
            [id, "insights"] => Some(match form.text("metric") {
                _ if !ours(id) => missing(),
                Some(metric @ "post_media_view") => {
                    let told = json!({"name": metric, "period": "lifetime", "values": [{"value": VIEWS}],
                        "id": format!("{id}/insights/{metric}/lifetime")});
                    HttpReply::json(200, &json!({ "data": [told] }))
                }
                _ => error(400, 100, 0, "(#100) The value must be a valid insights metric"),
            }),
            [id, "reactions"] => Some(if ours(id) { page(&self.reactions(id), form) } else { missing() }),
            [id, "comments"] if ours(id) => {
                let all: Vec<Value> = self.below(id).into_iter().map(|said| self.show_comment(said)).collect();
                Some(page(&all, form))
            }
            [id, "comments"] => Some(match comment(id) {
                Some(_) => {
                    let answers = self.crowd.said().filter(|said| said.parent.as_deref() == Some(id));
                    page(&answers.map(|said| self.show_comment(said)).collect::<Vec<_>>(), form)
                }
                None => missing(),
            }),
            [id] => comment(id).map(|said| HttpReply::json(200, &self.show_comment(said))),
            _ => None,
        }
    }

    /// Whether what a comment stands below is there: with a comment, its answers go.
    fn stands_below(&self, said: &Said, ours: &dyn Fn(&str) -> bool) -> bool {
        let Some(parent) = said.parent.as_deref() else { return false };
        ours(parent) || self.crowd.said().any(|above| above.id == parent && above.parent.as_deref().is_some_and(ours))
    }

    /// Newest first; last those of whom nothing is told but what they did.
    fn reactions(&self, id: &str) -> Vec<Value> {
        let shown = self.crowd.list(Interaction::Like, id);
        let kind = |number: u64| KINDS[usize::try_from(number % 4).unwrap_or(0)];
        let mut all: Vec<Value> = shown
            .iter()
            .map(|done| json!({"id": number(done.by), "name": name(done.by), "type": kind(done.number)}))
            .collect();
        let hidden = self.crowd.count(Interaction::Like, id) - shown.len() as u64;
        all.extend((0..hidden).map(|number| json!({ "type": kind(number) })));
        all
    }

    fn show_comment(&self, said: &Said) -> Value {
        let mut value = json!({
            "id": said.id, "message": said.text,
            "created_time": said.at.strftime("%Y-%m-%dT%H:%M:%S+0000").to_string(),
            "permalink_url": format!("https://www.facebook.com/{}", said.id),
        });
        if self.crowd.shows(said.by) {
            value["from"] = json!({"id": number(said.by), "name": name(said.by)});
        }
        let above = said.parent.as_ref().filter(|parent| self.crowd.said().any(|other| other.id == **parent));
        if let Some(parent) = above {
            value["parent"] = json!({ "id": parent });
        }
        value
    }
}

fn number(by: By) -> String {
    match by {
        By::Person(number) => (24_000_000_000_000_000 + u64::from(number)).to_string(),
        By::Ours(account) => page_id(account),
    }
}

fn name(by: By) -> String {
    match by {
        By::Person(number) => format!("Crowd {number}"),
        By::Ours(account) => format!("Twin {account}"),
    }
}

fn person(by: By) -> Option<PersonId> {
    PersonId::new("facebook", &number(by))
}

fn page(all: &[Value], form: &Form) -> HttpReply {
    let limit = form.text("limit").and_then(|limit| limit.parse().ok()).unwrap_or(25).min(100);
    let skip: usize = form.text("after").and_then(|after| after.strip_prefix("at")?.parse().ok()).unwrap_or(0);
    let page: Vec<_> = all.iter().skip(skip).take(limit).collect();
    let mut value = json!({ "data": page });
    if !page.is_empty() {
        let behind = skip + page.len();
        value["paging"] = json!({"cursors": {"before": format!("at{skip}"), "after": format!("at{behind}")}});
        if behind < all.len() {
            value["paging"]["next"] = json!("https://graph.facebook.com/next");
        }
    }
    HttpReply::json(200, &value)
}
