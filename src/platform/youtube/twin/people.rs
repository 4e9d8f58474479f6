//! What other people do with videos on the twin: they watch, like and comment. An answer to an answer lands below the
//! comment on top; with a comment come its first two answers.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{YoutubeTwin, channel, list, query};
use crate::domain::{Interaction, PersonId, Timestamp};
use crate::platform::contract::crowd::{By, CrowdAct, Said, Standing, Word};
use crate::platform::contract::{HttpReply, Request};

const VIEWS: u64 = 777;
/// Answers that come with a comment.
const WITH: usize = 2;

impl YoutubeTwin {
    pub(super) fn carry_out(&mut self, act: &CrowdAct, now: Timestamp) -> Option<String> {
        self.said += 1;
        let (act, id) = match act.clone() {
            CrowdAct::Delete { post } => {
                self.videos.remove(&post);
                return None;
            }
            CrowdAct::Reply { by, to, text, .. } => {
                let top = to.split_once('.').map_or(to.clone(), |(top, _)| top.to_owned());
                let is_video = self.videos.contains_key(&top);
                let id = if is_video { format!("Ugtwin{:08}", self.said) } else { format!("{top}.{:08}", self.said) };
                (CrowdAct::Reply { by, to: top, text, private: false }, id)
            }
            CrowdAct::Quote { .. } | CrowdAct::Repost { .. } | CrowdAct::Mention { .. } => return None,
            act => (act, String::new()),
        };
        self.crowd.act(&act, &id, now).then_some(id)
    }

    pub(super) fn stands(&self, account: u32, post: &str) -> Option<Standing> {
        if self.own(account, post).is_none() {
            return Some(Standing { gone: true, ..Standing::default() });
        }
        let counts = [
            (Interaction::View, VIEWS),
            (Interaction::Like, self.crowd.count(Interaction::Like, post)),
            (Interaction::Reply, self.comments(post)),
        ];
        let word = |said: &Said| Word {
            by: PersonId::new("youtube", &channel_of(said.by)).filter(|_| said.by != By::Ours(account)),
            parent: said.parent.clone(),
            text: said.text.clone(),
            private: false,
        };
        let top: Vec<_> = self.crowd.shown().filter(|said| said.parent.as_deref() == Some(post)).collect();
        let answers = self.crowd.shown().filter(|said| top.iter().any(|top| said.parent.as_ref() == Some(&top.id)));
        let said = top.iter().copied().chain(answers).map(|said| (said.id.clone(), word(said))).collect();
        Some(Standing { counts: counts.into(), said, ..Standing::default() })
    }

    fn comments(&self, video: &str) -> u64 {
        let top: Vec<_> = self.crowd.said().filter(|said| said.parent.as_deref() == Some(video)).collect();
        let answers = self.crowd.said().filter(|said| top.iter().any(|top| said.parent.as_ref() == Some(&top.id)));
        (top.len() + answers.count()) as u64
    }

    /// What there is to read about people; `None`: that is another address.
    pub(super) fn tell(&self, path: &str, request: &Request) -> Option<HttpReply> {
        let query = query(request);
        let asked = |key: &str| query.get(key).map(String::as_str).unwrap_or_default();
        match path {
            "youtube/v3/videos" if asked("part").contains("statistics") => {
                let shown = |id: &str| {
                    let video = self.videos.get(id)?;
                    let count = |kind| self.crowd.count(kind, id).to_string();
                    Some(json!({
                        "etag": "etag", "id": id, "snippet": {"channelId": channel(video.account), "title": "a"},
                        "statistics": {"viewCount": VIEWS.to_string(), "likeCount": count(Interaction::Like),
                            "favoriteCount": "0", "commentCount": self.comments(id).to_string()},
                    }))
                };
                Some(list("video", asked("id").split(',').filter_map(shown).collect()))
            }
            "youtube/v3/commentThreads" => {
                let video = asked("videoId");
                let top = self.crowd.shown().rev().filter(|said| said.parent.as_deref() == Some(video));
                let thread = |said: &Said| {
                    let answers: Vec<_> = self.answers(&said.id).collect();
                    let mut thread = json!({
                        "etag": "etag", "id": said.id,
                        "snippet": {"channelId": channel(0), "videoId": video, "canReply": true, "isPublic": true,
                            "totalReplyCount": answers.len(), "topLevelComment": comment(said, video)},
                    });
                    if !answers.is_empty() {
                        let few: Vec<_> = answers.iter().rev().take(WITH).map(|said| comment(said, video)).collect();
                        thread["replies"] = json!({ "comments": few });
                    }
                    thread
                };
                Some(paged("commentThread", top.map(thread).collect(), &query))
            }
            "youtube/v3/comments" if query.contains_key("parentId") => {
                let parent = asked("parentId");
                let video = self.crowd.find(parent).and_then(|said| said.parent.clone()).unwrap_or_default();
                let answers = self.answers(parent).map(|said| comment(said, &video)).collect();
                Some(paged("comment", answers, &query))
            }
            "youtube/v3/comments" => {
                let shown = |id: &str| {
                    let top = self.crowd.find(id.split_once('.').map_or(id, |(top, _)| top))?;
                    Some(comment(self.crowd.find(id)?, top.parent.as_deref().unwrap_or_default()))
                };
                Some(paged("comment", asked("id").split(',').filter_map(shown).collect(), &query))
            }
            _ => None,
        }
    }

    fn answers<'a>(&'a self, comment: &'a str) -> impl DoubleEndedIterator<Item = &'a Said> {
        self.crowd.shown().filter(move |said| said.parent.as_deref() == Some(comment))
    }
}

fn channel_of(by: By) -> String {
    match by {
        By::Person(number) => format!("UCcrowd{number:017}"),
        By::Ours(account) => channel(account),
    }
}

fn comment(said: &Said, video: &str) -> Value {
    let name = match said.by {
        By::Person(number) => format!("@crowd{number}"),
        By::Ours(account) => format!("@twin{account}"),
    };
    let mut snippet = json!({
        "authorDisplayName": name, "authorChannelId": {"value": channel_of(said.by)}, "textDisplay": said.text,
        "textOriginal": said.text, "publishedAt": said.at.to_string(), "updatedAt": said.at.to_string(), "likeCount": 0,
    });
    if !video.is_empty() {
        snippet["videoId"] = json!(video);
    }
    if let Some((top, _)) = said.id.split_once('.') {
        snippet["parentId"] = json!(top);
    }
    json!({"kind": "youtube#comment", "etag": "etag", "id": said.id, "snippet": snippet})
}

fn paged(kind: &str, all: Vec<Value>, query: &BTreeMap<String, String>) -> HttpReply {
    let limit = query.get("maxResults").and_then(|limit| limit.parse().ok()).unwrap_or(20);
    let skip: usize = query.get("pageToken").and_then(|page| page.strip_prefix("page-")?.parse().ok()).unwrap_or(0);
    let more = all.len() > skip + limit;
    let reply = list(kind, all.into_iter().skip(skip).take(limit).collect());
    let mut body = reply.value().unwrap_or_default();
    if more {
        body["nextPageToken"] = json!(format!("page-{}", skip + limit));
    }
    HttpReply::json(200, &body)
}
