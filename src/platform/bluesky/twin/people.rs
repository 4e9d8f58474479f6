//! What other people do with what is published on the twin, and how the service that shows posts tells of it.
//!
//! Somebody else is `crowd-N.test`. Bots say so by a label of their own on their profile; some who are none have a label
//! of the same name by somebody else, or one that they took back, or that has expired. Who is hidden (has blocked us, or
//! is gone) stays counted and stands in no list. What was written less than a second ago is not shown yet.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::{BlueskyTwin, Stored, cid, did, error, handle, query, syntax};
use crate::domain::{Interaction, PersonId, Timestamp, time};
use crate::platform::bluesky::syntax::{POSTS, PostAddress};
use crate::platform::contract::crowd::{By, CrowdAct, Said, Standing, Word};
use crate::platform::contract::{HttpReply, Request};

/// By how much what is shown lags behind what was written.
const LAG: Duration = Duration::from_secs(1);
const LABELLER: &str = "did:plc:labeller222222222222222";

pub(super) type Handler = fn(&mut BlueskyTwin, &Request, u32, Timestamp) -> HttpReply;

/// Who reads what a method gives.
pub(super) fn handler(method: &str) -> Option<Handler> {
    Some(match method {
        "app.bsky.feed.getPosts" => BlueskyTwin::get_posts,
        "app.bsky.feed.getLikes" => |twin, request, _, now| twin.people(Interaction::Like, request, now),
        "app.bsky.feed.getRepostedBy" => |twin, request, _, now| twin.people(Interaction::Repost, request, now),
        "app.bsky.feed.getQuotes" => BlueskyTwin::get_quotes,
        "app.bsky.feed.getPostThread" => BlueskyTwin::get_thread,
        "app.bsky.notification.listNotifications" => BlueskyTwin::list_notifications,
        _ => return None,
    })
}

/// A post as the service knows it.
struct Shown<'a> {
    uri: String,
    author: String,
    record: Value,
    at: Timestamp,
    said: Option<&'a Said>,
}

impl BlueskyTwin {
    pub(super) fn carry_out(&mut self, act: &CrowdAct, now: Timestamp) -> Option<String> {
        let by = match act {
            CrowdAct::Delete { post } => {
                let at = PostAddress::parse(post)?;
                self.records.remove(&(at.repo, at.rkey));
                return None;
            }
            CrowdAct::Reply { by, .. } | CrowdAct::Quote { by, .. } | CrowdAct::Mention { by, .. } => *by,
            _ => By::Person(0),
        };
        self.said += 1;
        let rkey = syntax::tid(u64::try_from(now.as_microsecond()).unwrap_or_default(), self.said);
        let uri = syntax::post_uri(&Self::did_of(by), &rkey);
        // Everything is public here.
        let act = match act.clone() {
            CrowdAct::Reply { by, to, text, .. } => CrowdAct::Reply { by, to, text, private: false },
            CrowdAct::Mention { by, account, text, .. } => CrowdAct::Mention { by, account, text, private: false },
            act => act,
        };
        self.crowd.act(&act, &uri, now).then_some(uri)
    }

    pub(super) fn stands(&self, account: u32, post: &str) -> Option<Standing> {
        let ours = PostAddress::parse(post).filter(|at| at.repo == Self::did(account));
        if ours.and_then(|at| self.records.get(&(at.repo, at.rkey))).is_none() {
            return Some(Standing { gone: true, ..Standing::default() });
        }
        let us = Self::did(account);
        let person = |did: String| PersonId::new("bluesky", &did).filter(|_| did != us);
        let mut standing = Standing { counts: self.counts(post), ..Standing::default() };
        for kind in [Interaction::Like, Interaction::Repost] {
            let people = self.crowd.list(kind, post).into_iter();
            standing.who.insert(kind, people.filter_map(|done| person(Self::did_of(done.by))).collect());
        }
        let quotes = self.crowd.quotes(post).filter(|said| self.crowd.shows(said.by));
        standing.who.insert(Interaction::Quote, quotes.filter_map(|said| person(Self::did_of(said.by))).collect());
        let mut todo = vec![post.to_owned()];
        while let Some(parent) = todo.pop() {
            for reply in self.replies(&parent, Timestamp::MAX) {
                let text = reply.record["text"].as_str().unwrap_or_default().to_owned();
                let word =
                    Word { by: person(reply.author.clone()), parent: Some(parent.clone()), text, private: false };
                standing.said.insert(reply.uri.clone(), word);
                todo.push(reply.uri);
            }
        }
        standing.bots = self.crowd.bots().filter_map(|by| person(Self::did_of(by))).collect();
        Some(standing)
    }

    fn did_of(by: By) -> String {
        match by {
            By::Person(number) => did(&format!("crowd-{number}.test")),
            By::Ours(number) => Self::did(number),
        }
    }

    fn counts(&self, uri: &str) -> BTreeMap<Interaction, u64> {
        let replies = self.records.values().filter(|held| answers(&held.value) == Some(uri)).count();
        let said = self.crowd.said().filter(|said| said.parent.as_deref() == Some(uri)).count();
        BTreeMap::from([
            (Interaction::Like, self.crowd.count(Interaction::Like, uri)),
            (Interaction::Repost, self.crowd.count(Interaction::Repost, uri)),
            (Interaction::Quote, self.crowd.quotes(uri).count() as u64),
            (Interaction::Reply, (replies + said) as u64),
            (Interaction::Save, 0),
        ])
    }

    /// The post that is shown at `now` under this address.
    fn shown(&self, uri: &str, now: Timestamp) -> Option<Shown<'_>> {
        if let Some(said) = self.crowd.find(uri) {
            return Some(self.shown_said(said)).filter(|shown| is_shown(shown.at, now));
        }
        let at = PostAddress::parse(uri)?;
        let held = self.records.get(&(at.repo.clone(), at.rkey))?;
        let shown = Shown { uri: uri.into(), author: at.repo, record: held.value.clone(), at: held.at, said: None };
        is_shown(held.at, now).then_some(shown)
    }

    fn shown_said<'a>(&self, said: &'a Said) -> Shown<'a> {
        let record = self.record_of(said);
        Shown { uri: said.id.clone(), author: Self::did_of(said.by), record, at: said.at, said: Some(said) }
    }

    fn record_of(&self, said: &Said) -> Value {
        let mut record = json!({"$type": POSTS, "text": said.text, "createdAt": syntax::datetime(said.at)});
        let reference = |uri: &str| json!({"uri": uri, "cid": cid_of(uri)});
        if let Some(parent) = &said.parent {
            let above = PostAddress::parse(parent).and_then(|at| self.records.get(&(at.repo, at.rkey)));
            let root = above.and_then(|held| held.value.pointer("/reply/root/uri")?.as_str());
            record["reply"] = json!({"root": reference(root.unwrap_or(parent)), "parent": reference(parent)});
        }
        if let Some(post) = &said.quotes {
            record["embed"] = json!({"$type": "app.bsky.embed.record", "record": reference(post)});
        }
        record
    }

    /// The record of something that was said, for those who answer it.
    pub(super) fn said_record(&self, uri: &str) -> Option<Stored> {
        let said = self.crowd.find(uri)?;
        Some(Stored { value: self.record_of(said), cid: cid_of(uri), at: said.at })
    }

    /// What answers a post, oldest first.
    fn replies(&self, uri: &str, now: Timestamp) -> Vec<Shown<'_>> {
        let ours = self.records.iter().filter(|(_, held)| answers(&held.value) == Some(uri));
        let ours = ours.filter_map(|((did, rkey), _)| self.shown(&syntax::post_uri(did, rkey), now));
        let said = self.crowd.shown().filter(|said| said.parent.as_deref() == Some(uri));
        let said = said.map(|said| self.shown_said(said)).filter(|shown| is_shown(shown.at, now));
        let mut replies: Vec<_> = ours.chain(said).collect();
        replies.sort_by(|one, other| (one.at, &one.uri).cmp(&(other.at, &other.uri)));
        replies
    }

    fn view(&self, shown: &Shown<'_>) -> Value {
        let counts = self.counts(&shown.uri);
        json!({
            "uri": shown.uri, "cid": cid_of(&shown.uri), "author": author(&shown.author, shown.said.map(|said| said.by)),
            "record": shown.record, "indexedAt": syntax::datetime(shown.at),
            "likeCount": counts[&Interaction::Like], "repostCount": counts[&Interaction::Repost],
            "replyCount": counts[&Interaction::Reply], "quoteCount": counts[&Interaction::Quote],
            "bookmarkCount": counts[&Interaction::Save],
        })
    }

    fn get_posts(&mut self, request: &Request, _account: u32, now: Timestamp) -> HttpReply {
        let uris: Vec<_> = request.url.query_pairs().filter(|(name, _)| name == "uris").map(|(_, uri)| uri).collect();
        if uris.len() > 25 {
            return error(400, "InvalidRequest", "array too big (maximum 25)");
        }
        let posts: Vec<_> = uris.iter().rev().filter_map(|uri| Some(self.view(&self.shown(uri, now)?))).collect();
        HttpReply::json(200, &json!({ "posts": posts }))
    }

    fn people(&mut self, kind: Interaction, request: &Request, now: Timestamp) -> HttpReply {
        let uri = query(request).remove("uri").unwrap_or_default();
        let all = self.crowd.list(kind, &uri).into_iter().filter(|done| is_shown(done.at, now)).map(|done| {
            let person = author(&Self::did_of(done.by), Some(done.by));
            let at = syntax::datetime(done.at);
            let like = || json!({"actor": person, "createdAt": at, "indexedAt": at});
            (done.at, if kind == Interaction::Like { like() } else { person.clone() })
        });
        let name = if kind == Interaction::Like { "likes" } else { "repostedBy" };
        page(name, &uri, all.collect(), request)
    }

    fn get_quotes(&mut self, request: &Request, _account: u32, now: Timestamp) -> HttpReply {
        let uri = query(request).remove("uri").unwrap_or_default();
        let quotes = self.crowd.quotes(&uri).rev().filter(|said| self.crowd.shows(said.by) && is_shown(said.at, now));
        let all = quotes.map(|said| (said.at, self.view(&self.shown_said(said)))).collect();
        page("posts", &uri, all, request)
    }

    fn get_thread(&mut self, request: &Request, _account: u32, now: Timestamp) -> HttpReply {
        let query = query(request);
        let uri = query.get("uri").cloned().unwrap_or_default();
        let depth = query.get("depth").and_then(|depth| depth.parse().ok()).unwrap_or(6);
        match self.shown(&uri, now) {
            Some(shown) => HttpReply::json(200, &json!({"thread": self.node(&shown, depth, now)})),
            None => error(400, "NotFound", &format!("Post not found: {uri}")),
        }
    }

    fn node(&self, shown: &Shown<'_>, depth: usize, now: Timestamp) -> Value {
        let mut node = json!({"$type": "app.bsky.feed.defs#threadViewPost", "post": self.view(shown)});
        if depth > 0 {
            let replies = self.replies(&shown.uri, now);
            node["replies"] = replies.iter().map(|reply| self.node(reply, depth - 1, now)).collect();
        }
        node
    }

    fn list_notifications(&mut self, request: &Request, account: u32, now: Timestamp) -> HttpReply {
        let us = Self::did(account);
        let reasons: Vec<_> = request.url.query_pairs().filter(|(name, _)| name == "reasons").map(|(_, r)| r).collect();
        let ours = |uri: &String| PostAddress::parse(uri).is_some_and(|at| at.repo == us);
        let mut all = Vec::new();
        for said in self.crowd.shown().rev().filter(|said| said.by != By::Ours(account) && is_shown(said.at, now)) {
            let (reason, subject) = match said {
                Said { parent: Some(parent), .. } if ours(parent) => ("reply", Some(parent)),
                Said { quotes: Some(post), .. } if ours(post) => ("quote", Some(post)),
                Said { names: Some(named), .. } if *named == account => ("mention", None),
                _ => continue,
            };
            let mut item = json!({
                "uri": said.id, "cid": cid_of(&said.id), "author": author(&Self::did_of(said.by), Some(said.by)),
                "reason": reason, "record": self.record_of(said), "isRead": false,
                "indexedAt": syntax::datetime(said.at), "labels": [],
            });
            if let Some(subject) = subject {
                item["reasonSubject"] = json!(subject);
            }
            if reasons.is_empty() || reasons.iter().any(|wanted| *wanted == reason) {
                all.push((said.at, item));
            }
        }
        page("notifications", "", all, request)
    }
}

/// What a record answers.
fn answers(record: &Value) -> Option<&str> {
    record.pointer("/reply/parent/uri")?.as_str()
}

fn is_shown(at: Timestamp, now: Timestamp) -> bool {
    time::after(at, LAG) <= now
}

/// A content address that stands for what is at this address.
fn cid_of(uri: &str) -> String {
    cid::of_record(&json!({ "uri": uri })).unwrap_or_default()
}

fn author(did: &str, by: Option<By>) -> Value {
    let (name, number) = match by {
        Some(By::Person(number)) => (format!("crowd-{number}.test"), number),
        Some(By::Ours(number)) => (handle(number), 0),
        None => ("somebody.test".into(), 0),
    };
    let label = |src: &str| {
        json!({"src": src, "uri": format!("at://{did}/app.bsky.actor.profile/self"), "val": "bot",
               "cts": "2026-01-01T00:00:00.000Z"})
    };
    let mut labels = Vec::new();
    if by.is_some_and(By::is_bot) {
        labels.push(label(did));
    } else if matches!(by, Some(By::Person(_))) {
        let mut other = label(if number % 3 == 1 { LABELLER } else { did });
        match number % 3 {
            0 => other["neg"] = json!(true),
            2 => other["exp"] = json!("2026-02-01T00:00:00.000Z"),
            _ => {}
        }
        labels.push(other);
    }
    json!({"did": did, "handle": name, "labels": labels})
}

/// A page of a list that is newest first. Pages are cut by the moment alone.
fn page(name: &str, uri: &str, all: Vec<(Timestamp, Value)>, request: &Request) -> HttpReply {
    let query = query(request);
    let limit = query.get("limit").and_then(|limit| limit.parse::<usize>().ok()).unwrap_or(50);
    if !(1..=100).contains(&limit) {
        let message = format!("integer too big (maximum 100, got {limit})");
        return error(400, "InvalidRequest", &message);
    }
    let before = query.get("cursor").and_then(|cursor| cursor.parse::<i64>().ok());
    let older = |at: &Timestamp| before.is_none_or(|before| at.as_millisecond() < before);
    let mut page: Vec<_> = all.into_iter().filter(|(at, _)| older(at)).take(limit + 1).collect();
    let more = page.len() > limit;
    page.truncate(limit);
    let cursor = page.last().filter(|_| more).map(|(at, _)| at.as_millisecond().to_string());
    let mut answer = json!({});
    if !uri.is_empty() {
        answer["uri"] = json!(uri);
    }
    answer[name] = page.into_iter().map(|(_, item)| item).collect();
    if let Some(cursor) = cursor {
        answer["cursor"] = json!(cursor);
    }
    HttpReply::json(200, &answer)
}
