//! What other people do on the twin, and how it is told of a page's posts.
//!
//! Who is hidden stays counted and stands in no list. Answers are of two levels: one to an answer lands below the comment
//! on top. Reactions and reposts have no names; reposts are told of nobody.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{LinkedinTwin, author, decoded, error, is_page};
use crate::domain::{Interaction, PersonId, Timestamp};
use crate::platform::contract::crowd::{By, CrowdAct, Said, Standing, Word};
use crate::platform::contract::{HttpReply, Request};

const KINDS: [&str; 4] = ["LIKE", "PRAISE", "EMPATHY", "INTEREST"];

impl LinkedinTwin {
    pub(super) fn carry_out(&mut self, act: &CrowdAct, now: Timestamp) -> Option<String> {
        let (act, object) = match act.clone() {
            CrowdAct::Delete { post } => {
                self.posts.iter_mut().filter(|held| held.id == post).for_each(|held| held.deleted = true);
                return None;
            }
            CrowdAct::Quote { .. } | CrowdAct::Mention { .. } | CrowdAct::Repost { .. } | CrowdAct::Unrepost { .. } => {
                return None;
            }
            CrowdAct::Reply { by, to, text, .. } => {
                let above = self.crowd.find(&to).and_then(|said| said.parent.clone());
                let to = match above {
                    Some(top) if top.starts_with("urn:li:comment:") => top,
                    Some(_) => to,
                    None if self.live(&to) => to,
                    None => return None,
                };
                let number: String = to.split_once("activity:").map_or(to.as_str(), |(_, rest)| rest).into();
                let number =
                    number.split(',').next().unwrap_or_default().trim_start_matches("urn:li:share:").to_owned();
                (CrowdAct::Reply { by, to, text, private: false }, format!("urn:li:activity:{number}"))
            }
            act => (act, String::new()),
        };
        let id = format!("urn:li:comment:({object},{})", self.number(now));
        self.crowd.act(&act, &id, now).then_some(id)
    }

    fn live(&self, post: &str) -> bool {
        self.posts.iter().any(|held| held.id == post && !held.deleted)
    }

    pub(super) fn stands(&self, account: u32, post: &str) -> Standing {
        if !self.posts.iter().any(|held| held.id == post && held.account == account && !held.deleted) {
            return Standing { gone: true, ..Standing::default() };
        }
        let likes = self.crowd.count(Interaction::Like, post);
        let comments = self.below(post, true);
        let counts = [(Interaction::Like, likes), (Interaction::Reply, comments.len() as u64)];
        let mut standing = Standing { counts: BTreeMap::from(counts), ..Standing::default() };
        let people = self.crowd.list(Interaction::Like, post);
        standing.who.insert(Interaction::Like, people.iter().filter_map(|done| person(done.by)).collect());
        for said in self.below(post, false) {
            let by = if said.by == By::Ours(account) { None } else { person(said.by) };
            let word = Word { by, parent: said.parent.clone(), text: said.text.clone(), private: false };
            standing.said.insert(said.id.clone(), word);
        }
        standing
    }

    /// All comments below a post, oldest first; also those that are only counted.
    fn below(&self, post: &str, hidden: bool) -> Vec<&Said> {
        let mut inside = vec![post.to_owned()];
        let mut below = Vec::new();
        for said in self.crowd.said().filter(|said| hidden || self.crowd.shows(said.by)) {
            if said.parent.as_ref().is_some_and(|parent| inside.contains(parent)) {
                inside.push(said.id.clone());
                below.push(said);
            }
        }
        below
    }

    /// What there is to read about people; `None`: that is another address.
    pub(super) fn tell(&self, account: u32, path: &[&str], request: &Request) -> Option<HttpReply> {
        let denied = || error(403, "ACCESS_DENIED", "Not enough permissions to access: socialMetadata.GET");
        let missing = || error(404, "NOT_FOUND", "Could not find entity");
        let whole = path.iter().map(|part| decoded(part)).collect::<Vec<_>>();
        let whole: Vec<&str> = whole.iter().map(String::as_str).collect();
        let ours =
            |post: &str| self.posts.iter().any(|held| held.id == post && held.account == account && !held.deleted);
        Some(match whole.as_slice() {
            ["posts", _] | ["socialMetadata" | "reactions", _] | ["socialActions", ..] if !is_page(account) => denied(),
            ["posts", post] => match self.posts.iter().find(|held| held.id == *post && ours(post)) {
                Some(held) => HttpReply::json(200, &held.show()),
                None => missing(),
            },
            ["socialMetadata", post] if ours(post) => HttpReply::json(200, &self.metadata(post)),
            ["reactions", entity] => {
                let post = entity.strip_prefix("(entity:").and_then(|rest| rest.strip_suffix(')')).unwrap_or_default();
                if !ours(post) {
                    return Some(missing());
                }
                let kind = |number: u64| KINDS[usize::try_from(number % 4).unwrap_or(0)];
                let people = self.crowd.list(Interaction::Like, post);
                let all = people.iter().map(|done| {
                    json!({"id": format!("urn:li:reaction:({},{post})", name(done.by)), "reactionType": kind(done.number),
                        "created": {"actor": name(done.by), "time": done.at.as_millisecond()}, "root": post})
                });
                page(&all.collect::<Vec<_>>(), request)
            }
            ["socialActions", post, "comments"] if ours(post) => {
                let shown = self.below(post, false);
                let top = shown.into_iter().filter(|said| said.parent.as_deref() == Some(post));
                page(&top.map(|said| self.show_comment(said)).collect::<Vec<_>>(), request)
            }
            ["socialActions", comment, "comments"] if self.stands_below(comment, &ours) => {
                let answers = self.crowd.shown().filter(|said| said.parent.as_deref() == Some(comment));
                page(&answers.map(|said| self.show_comment(said)).collect::<Vec<_>>(), request)
            }
            ["socialActions", object, "comments", id] => {
                let id = format!("urn:li:comment:({object},{id})");
                match self.crowd.find(&id).filter(|_| self.stands_below(&id, &ours)) {
                    Some(said) => HttpReply::json(200, &self.show_comment(said)),
                    None => missing(),
                }
            }
            ["socialMetadata", _] | ["socialActions", ..] => missing(),
            _ => return None,
        })
    }

    /// Whether a comment is there, and everything that it stands below.
    fn stands_below(&self, comment: &str, ours: &dyn Fn(&str) -> bool) -> bool {
        let mut at = comment;
        while let Some(said) = self.crowd.find(at) {
            match said.parent.as_deref() {
                Some(parent) if ours(parent) => return true,
                Some(parent) => at = parent,
                None => return false,
            }
        }
        false
    }

    fn metadata(&self, post: &str) -> Value {
        let mut kinds: BTreeMap<&str, u64> = BTreeMap::new();
        for number in 0..self.crowd.count(Interaction::Like, post) {
            *kinds.entry(KINDS[usize::try_from(number % 4).unwrap_or(0)]).or_default() += 1;
        }
        let kinds =
            kinds.into_iter().map(|(kind, count)| (kind.to_owned(), json!({"reactionType": kind, "count": count})));
        let all = self.below(post, true);
        let top = all.iter().filter(|said| said.parent.as_deref() == Some(post)).count();
        json!({"entity": post, "commentsState": "OPEN", "reactionSummaries": kinds.collect::<serde_json::Map<_, _>>(),
            "commentSummary": {"count": all.len(), "topLevelCount": top}})
    }

    fn show_comment(&self, said: &Said) -> Value {
        let (object, id) =
            said.id.trim_start_matches("urn:li:comment:(").trim_end_matches(')').split_once(',').unwrap_or_default();
        let answers = self.crowd.shown().filter(|other| other.parent.as_ref() == Some(&said.id)).count();
        let mut value = json!({
            "actor": name(said.by), "commentUrn": said.id, "id": id, "object": object,
            "created": {"actor": name(said.by), "time": said.at.as_millisecond()},
            "message": {"attributes": [], "text": said.text},
        });
        if let Some(parent) = said.parent.as_ref().filter(|parent| parent.starts_with("urn:li:comment:")) {
            value["parentComment"] = json!(parent);
        } else if answers > 0 {
            value["commentsSummary"] = json!({"aggregatedTotalComments": answers, "selectedComments": []});
        } else {
            value["commentsSummary"] = json!({"aggregatedTotalComments": 0});
        }
        value
    }
}

fn name(by: By) -> String {
    match by {
        By::Person(number) => format!("urn:li:person:crowd-{number}"),
        By::Ours(account) => author(account),
    }
}

fn person(by: By) -> Option<PersonId> {
    PersonId::new("linkedin", &name(by))
}

fn page(all: &[Value], request: &Request) -> HttpReply {
    let query: BTreeMap<String, String> = request.url.query_pairs().into_owned().collect();
    let number = |key: &str, otherwise: usize| query.get(key).and_then(|text| text.parse().ok()).unwrap_or(otherwise);
    let (start, count) = (number("start", 0), number("count", 10).min(100));
    let page: Vec<_> = all.iter().skip(start).take(count).collect();
    let paging = json!({"start": start, "count": count, "total": all.len(), "links": []});
    HttpReply::json(200, &json!({ "paging": paging, "elements": page }))
}
