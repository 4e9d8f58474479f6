//! What other people do with what is published on the twin, and how the server tells of it.
//!
//! Somebody else is `crowdN`, every fifth on our own server, the others elsewhere. Who is hidden (has blocked us, or is
//! gone) stays counted, and stands in no list. Replies to a post of ours and posts that name us make notifications.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::domain::{Interaction, PersonId, Timestamp};
use crate::platform::contract::crowd::{By, CrowdAct, Said, Standing, Word};
use crate::platform::contract::{HttpReply, Request};

use super::{Flavour, Kept, MastodonTwin, account_id, person};

/// Most statuses that are asked for at once.
const STATUSES: usize = 20;
const FAR: &[&str] = &["far.example", "B\u{fc}cher.example", "other.example"];

impl MastodonTwin {
    pub(super) fn carry_out(&mut self, act: &CrowdAct, now: Timestamp) -> Option<String> {
        if let CrowdAct::Delete { post } = act {
            self.delete(post);
            return None;
        }
        let id = self.issue(now);
        self.crowd.doubles = self.flavour == Flavour::GoToSocial;
        self.crowd.act(act, &id, now).then_some(id)
    }

    pub(super) fn stands(&self, account: u32, post: &str) -> Option<Standing> {
        let Some(kept) = self.live().find(|kept| kept.id == post && kept.account == account) else {
            return Some(Standing { gone: true, ..Standing::default() });
        };
        let mut standing = Standing { counts: self.counts(&kept.id), ..Standing::default() };
        for kind in [Interaction::Like, Interaction::Repost] {
            let people = self.crowd.list(kind, post).into_iter().filter_map(|done| self.id_of(account, done.by));
            standing.who.insert(kind, people.collect());
        }
        if self.flavour == Flavour::Mastodon {
            let people = self.crowd.quotes(post).filter(|said| self.crowd.shows(said.by));
            standing.who.insert(Interaction::Quote, people.filter_map(|said| self.id_of(account, said.by)).collect());
        }
        for item in self.below(post) {
            let word = match &item {
                Item::Ours(kept) => Word {
                    by: self.id_of(account, By::Ours(kept.account)),
                    parent: kept.answers.clone(),
                    text: kept.text.clone(),
                    private: !matches!(kept.visibility.as_str(), "public" | "unlisted"),
                },
                Item::Said(said) => Word {
                    by: self.id_of(account, said.by),
                    parent: said.parent.clone(),
                    text: said.text.clone(),
                    private: said.private,
                },
            };
            standing.said.insert(item.id().to_owned(), word);
        }
        standing.bots = self.crowd.bots().filter_map(|by| self.id_of(account, by)).collect();
        Some(standing)
    }

    /// Whom account number `account` has to take them for; nobody where it is itself.
    fn id_of(&self, account: u32, by: By) -> Option<PersonId> {
        let host = &self.host;
        let name = match by {
            By::Ours(number) if number == account => return None,
            By::Ours(number) => format!("twin{number}@{host}"),
            By::Person(number) => match far(number) {
                Some(host) => format!("crowd{number}@{}", url::Host::parse(host).ok()?),
                None => format!("crowd{number}@{host}"),
            },
        };
        PersonId::new("mastodon", &name)
    }

    pub(super) fn counts(&self, id: &str) -> BTreeMap<Interaction, u64> {
        let replies = self.live().filter(|kept| kept.answers.as_deref() == Some(id)).count();
        // Mastodon does not count what not everybody can see.
        let counted = |said: &&Said| !said.private || self.flavour != Flavour::Mastodon;
        let said = self.crowd.said().filter(|said| said.parent.as_deref() == Some(id)).filter(counted).count();
        let mut counts = BTreeMap::from([
            (Interaction::Like, self.crowd.count(Interaction::Like, id)),
            (Interaction::Repost, self.crowd.count(Interaction::Repost, id)),
            (Interaction::Reply, (replies + said) as u64),
        ]);
        if self.flavour == Flavour::Mastodon {
            counts.insert(Interaction::Quote, self.crowd.quotes(id).count() as u64);
        }
        counts
    }

    /// Everything that stands below a status, in the order in which it was said.
    fn below(&self, id: &str) -> Vec<Item<'_>> {
        let everything = self.live().map(Item::Ours).chain(self.crowd.said().map(Item::Said));
        let mut everything: Vec<Item<'_>> = everything.collect();
        everything.sort_by_key(|item| (item.id().len(), item.id().to_owned()));
        let mut inside = BTreeSet::from([id.to_owned()]);
        let mut below = Vec::new();
        // Whoever is hidden hides none of those who have answered them.
        for item in everything {
            if item.parent().is_some_and(|parent| inside.contains(parent)) {
                inside.insert(item.id().to_owned());
                below.push(item);
            }
        }
        below.retain(|item| !matches!(item, Item::Said(said) if !self.crowd.shows(said.by)));
        below
    }

    /// What there is to read about people; `None`: that is another address.
    pub(super) fn tell(&self, account: u32, request: &Request, path: &[&str]) -> Option<HttpReply> {
        let reply = match path {
            ["api", "v1", "statuses"] => self.several(request),
            ["api", "v1", "statuses", id, list @ ("favourited_by" | "reblogged_by" | "quotes" | "context")] => {
                if !self.is_there(id) {
                    return Some(self.not_found());
                }
                match *list {
                    "favourited_by" => self.people(Interaction::Like, id, request),
                    "reblogged_by" => self.people(Interaction::Repost, id, request),
                    "quotes" if self.flavour == Flavour::Mastodon => self.quotes(id, request),
                    "quotes" => return None,
                    _ => {
                        let below = self.below(id);
                        let below: Vec<_> = below.iter().map(|item| self.show_item(item, request)).collect();
                        HttpReply::json(200, &json!({"ancestors": [], "descendants": below}))
                    }
                }
            }
            ["api", "v1", "statuses", id] => {
                let said = self.crowd.find(id)?;
                HttpReply::json(200, &self.show_said(said, request))
            }
            ["api", "v1", "notifications"] => self.notifications(account, request),
            _ => return None,
        };
        Some(reply)
    }

    pub(super) fn is_there(&self, id: &str) -> bool {
        self.live().any(|kept| kept.id == id) || self.crowd.find(id).is_some()
    }

    fn several(&self, request: &Request) -> HttpReply {
        if self.flavour == Flavour::GoToSocial {
            let headers = vec![("content-type".into(), "text/plain".into())];
            return HttpReply { status: 405, headers, body: b"405 method not allowed".to_vec(), cut: false };
        }
        let ids: Vec<_> = request.url.query_pairs().filter(|(name, _)| name == "id[]").map(|(_, id)| id).collect();
        if ids.len() > STATUSES {
            return self.invalid("too many statuses");
        }
        let show = |id: &std::borrow::Cow<'_, str>| {
            let kept = self.live().find(|kept| kept.id == *id).map(|kept| self.show(kept, request));
            kept.or_else(|| self.crowd.find(id).map(|said| self.show_said(said, request)))
        };
        // They come in an order of their own.
        HttpReply::json(200, &Value::Array(ids.iter().rev().filter_map(show).collect()))
    }

    fn people(&self, kind: Interaction, id: &str, request: &Request) -> HttpReply {
        let all: Vec<(String, Value)> = self
            .crowd
            .list(kind, id)
            .into_iter()
            .map(|done| (done.number.to_string(), self.show_person(done.by, request)))
            .collect();
        self.page(all, 80, request)
    }

    fn quotes(&self, id: &str, request: &Request) -> HttpReply {
        let shown = self.crowd.quotes(id).rev().filter(|said| self.crowd.shows(said.by));
        let all = shown.map(|said| (said.id.clone(), self.show_said(said, request))).collect();
        self.page(all, 40, request)
    }

    /// A page of a list that is newest first: all of it on GoToSocial, else so many and where it goes on.
    fn page(&self, all: Vec<(String, Value)>, most: usize, request: &Request) -> HttpReply {
        if self.flavour == Flavour::GoToSocial {
            return HttpReply::json(200, &all.into_iter().map(|(_, value)| value).collect());
        }
        let limit = query(request, "limit").and_then(|text| text.parse().ok()).unwrap_or(most / 2).min(most);
        let below = query(request, "max_id");
        let before = |id: &String| below.as_ref().is_none_or(|below| (id.len(), id) < (below.len(), below));
        let page: Vec<_> = all.into_iter().filter(|(id, _)| before(id)).take(limit).collect();
        let last = page.last().map(|(id, _)| id.clone()).filter(|_| page.len() == limit);
        let mut reply = HttpReply::json(200, &page.into_iter().map(|(_, value)| value).collect());
        let mut link = "<https://elsewhere.example/list?since_id=1>; rel=\"prev\"".to_owned();
        if let Some(id) = last {
            link = format!("<https://elsewhere.example/list?limit={limit}&max_id={id}>; rel=\"next\", {link}");
        }
        reply.headers.push(("link".into(), link));
        reply
    }

    fn notifications(&self, account: u32, request: &Request) -> HttpReply {
        let ours = |id: &str| self.statuses.iter().any(|kept| kept.id == id && kept.account == account);
        let to_us = |said: &&Said| {
            let answers = said.parent.as_deref().is_some_and(ours);
            (answers || said.names == Some(account)) && said.by != By::Ours(account)
        };
        let shown = |said: &Said| {
            let id = format!("{}7", said.id);
            let value = json!({
                "id": id, "type": "mention", "created_at": format!("{:.3}", said.at),
                "account": self.show_person(said.by, request), "status": self.show_said(said, request),
            });
            (id, value)
        };
        let all: Vec<(String, Value)> = self.crowd.shown().filter(to_us).map(shown).collect();
        let limit = query(request, "limit").and_then(|text| text.parse().ok()).unwrap_or(40).min(80);
        let page: Vec<_> = match query(request, "min_id") {
            Some(after) => {
                all.into_iter().filter(|(id, _)| (id.len(), id) > (after.len(), &after)).take(limit).collect()
            }
            None => all.into_iter().rev().take(limit).rev().collect(),
        };
        HttpReply::json(200, &page.into_iter().rev().map(|(_, value)| value).collect())
    }

    fn show_item(&self, item: &Item<'_>, request: &Request) -> Value {
        match item {
            Item::Ours(kept) => self.show(kept, request),
            Item::Said(said) => self.show_said(said, request),
        }
    }

    fn show_said(&self, said: &Said, request: &Request) -> Value {
        let kept = Kept {
            account: u32::MAX,
            id: said.id.clone(),
            text: said.text.clone(),
            warning: String::new(),
            visibility: if said.private { "direct" } else { "public" }.into(),
            language: None,
            answers: said.parent.clone(),
            media: Vec::new(),
            at: said.at,
            dropped: false,
            deleted: false,
        };
        let mut value = self.show(&kept, request);
        value["account"] = self.show_person(said.by, request);
        let host = request.url.host_str().unwrap_or_default();
        let name = value["account"]["acct"].as_str().unwrap_or_default().to_owned();
        value["url"] = json!(format!("https://{host}/@{name}/{}", said.id));
        value["uri"] = json!(format!("https://{host}/users/{name}/statuses/{}", said.id));
        value
    }

    fn show_person(&self, by: By, request: &Request) -> Value {
        let By::Person(number) = by else {
            let By::Ours(account) = by else { return Value::Null };
            return person(account, request);
        };
        let host = request.url.host_str().unwrap_or_default();
        let acct = far(number).map_or_else(|| format!("Crowd{number}"), |host| format!("Crowd{number}@{host}"));
        json!({
            "id": account_id(1_000_000 + number),
            "username": format!("Crowd{number}"),
            "acct": acct,
            "url": format!("https://{}/@Crowd{number}", far(number).unwrap_or(host)),
            "bot": by.is_bot(),
            "locked": false,
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

/// The server of somebody, where it is not ours.
fn far(number: u32) -> Option<&'static str> {
    (!number.is_multiple_of(5)).then(|| FAR[number as usize % FAR.len()])
}

fn query(request: &Request, name: &str) -> Option<String> {
    request.url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}
