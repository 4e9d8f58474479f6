//! What other people do with notes on the twin's relays.
//!
//! Each event goes to two of the three relays. Deletions go to all; the relay `three` keeps what was taken back all the
//! same, as some do. Nobody can keep others from reading, so a block changes nothing; who vanishes (NIP-62) is deleted
//! everywhere, with everything that they did. Every third person uses a client that marks nothing (NIP-10), and whoever
//! likes twice has two reactions.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use super::super::event::{DELETION, Draft, Event, Key, NOTE, PROFILE, REACTION};
use super::{RELAYS, Relays, secret};
use crate::domain::{Digest, Interaction, PersonId, Secret, Timestamp};
use crate::platform::contract::Published;
use crate::platform::contract::crowd::{By, Crowd, CrowdAct, Said, Standing, Word};

#[derive(Debug, Default)]
pub struct People {
    crowd: Crowd,
    /// What was said, and what its conversation began with.
    roots: BTreeMap<String, String>,
    /// Reactions and reposts, by who did them with what.
    done: BTreeMap<(By, Interaction, String), Vec<String>>,
    deleted: BTreeSet<String>,
    vanished: BTreeSet<By>,
    profiled: BTreeSet<By>,
    issued: u64,
}

impl People {
    pub fn is_deleted(&self, post: &str) -> bool {
        self.deleted.contains(post)
    }
}

impl Relays {
    pub(super) fn carry_out(&mut self, act: &CrowdAct, now: Timestamp) -> Option<String> {
        use Interaction::{Like, Repost};
        let by = match act {
            CrowdAct::Like { by, .. }
            | CrowdAct::Unlike { by, .. }
            | CrowdAct::Repost { by, .. }
            | CrowdAct::Unrepost { by, .. }
            | CrowdAct::Reply { by, .. }
            | CrowdAct::Quote { by, .. }
            | CrowdAct::Mention { by, .. } => *by,
            CrowdAct::Unsay { id } => {
                let by = self.people.crowd.find(id)?.by;
                self.take_back(by, vec![id.clone()], now);
                self.people.crowd.act(act, "", now);
                return None;
            }
            CrowdAct::Vanish { person } => {
                let by = By::Person(*person);
                let key = key(by)?.pubkey();
                self.held.values_mut().for_each(|held| held.retain(|_, event| event.pubkey != key));
                self.people.vanished.insert(by);
                self.people.crowd.act(act, "", now);
                return None;
            }
            CrowdAct::Block { .. } => return None,
            CrowdAct::Delete { post } => {
                let account = self.appeared.iter().find(|held| held.id == *post)?.account;
                self.take_back(By::Ours(account), vec![post.clone()], now);
                self.people.deleted.insert(post.clone());
                return None;
            }
        };
        if self.people.vanished.contains(&by) {
            return None;
        }
        self.introduce(by, now);
        let author = |event: &Event| vec!["p".to_owned(), event.pubkey.clone()];
        let (kind, tags, text) = match act {
            CrowdAct::Like { post, .. } => {
                let about = self.event(post)?;
                (
                    REACTION,
                    vec![vec!["e".into(), post.clone()], author(&about)],
                    if self.people.issued.is_multiple_of(2) { "+" } else { "" },
                )
            }
            CrowdAct::Repost { post, .. } => {
                let about = self.event(post)?;
                let kind = if self.people.issued.is_multiple_of(2) { 6 } else { 16 };
                (kind, vec![vec!["e".into(), post.clone(), String::new()], author(&about)], "")
            }
            CrowdAct::Unlike { post, .. } => return self.undo(by, Like, post, act, now),
            CrowdAct::Unrepost { post, .. } => return self.undo(by, Repost, post, act, now),
            CrowdAct::Reply { to, text, .. } => {
                let above = self.event(to)?;
                let root = self.root(to);
                let tag = |id: &str, mark: &str| vec!["e".to_owned(), id.to_owned(), String::new(), mark.to_owned()];
                let mut tags = match by {
                    By::Person(number) if number % 3 == 0 => vec![vec!["e".to_owned(), root.clone()]],
                    _ => vec![tag(&root, "root")],
                };
                if root != *to {
                    tags.push(if tags[0].len() == 2 { vec!["e".into(), to.clone()] } else { tag(to, "reply") });
                }
                tags.push(author(&above));
                tags.extend(above.tags.iter().filter(|tag| tag[0] == "p").cloned());
                (NOTE, tags, text.as_str())
            }
            CrowdAct::Quote { post, text, .. } => {
                let about = self.event(post)?;
                (
                    NOTE,
                    vec![vec!["q".into(), post.clone(), String::new(), about.pubkey.clone()], author(&about)],
                    text.as_str(),
                )
            }
            CrowdAct::Mention { account, text, .. } => {
                (NOTE, vec![vec!["p".into(), key(By::Ours(*account))?.pubkey()]], text.as_str())
            }
            CrowdAct::Unsay { .. } | CrowdAct::Block { .. } | CrowdAct::Vanish { .. } | CrowdAct::Delete { .. } => {
                return None;
            }
        };
        let id = self.publish(by, kind, tags, text, now)?;
        match act {
            CrowdAct::Like { post, .. } => {
                self.people.done.entry((by, Like, post.clone())).or_default().push(id.clone())
            }
            CrowdAct::Repost { post, .. } => {
                self.people.done.entry((by, Repost, post.clone())).or_default().push(id.clone())
            }
            CrowdAct::Reply { to, .. } => drop(self.people.roots.insert(id.clone(), self.root(to))),
            _ => {}
        }
        let open = match act.clone() {
            CrowdAct::Reply { by, to, text, .. } => CrowdAct::Reply { by, to, text, private: false },
            CrowdAct::Mention { by, account, text, .. } => CrowdAct::Mention { by, account, text, private: false },
            act => act,
        };
        self.people.crowd.act(&open, &id, now).then_some(id)
    }

    /// Who is a bot says so, and some have a name.
    fn introduce(&mut self, by: By, now: Timestamp) {
        let By::Person(number) = by else { return };
        let plain = number % 2 == 0 && !by.is_bot();
        if plain || !self.people.profiled.insert(by) {
            return;
        }
        let before = json!({"name": format!("before{number}"), "bot": !by.is_bot()}).to_string();
        let now_as = json!({"name": format!("crowd {number}"), "bot": by.is_bot()}).to_string();
        let earlier = crate::domain::time::before(now, std::time::Duration::from_secs(9));
        self.publish(by, PROFILE, Vec::new(), &before, earlier);
        self.publish(by, PROFILE, Vec::new(), &now_as, now);
    }

    fn undo(&mut self, by: By, kind: Interaction, post: &str, act: &CrowdAct, now: Timestamp) -> Option<String> {
        let ids = self.people.done.remove(&(by, kind, post.to_owned())).unwrap_or_default();
        self.take_back(by, ids, now);
        self.people.crowd.act(act, "", now);
        None
    }

    fn publish(&mut self, by: By, kind: u32, mut tags: Vec<Vec<String>>, text: &str, now: Timestamp) -> Option<String> {
        self.people.issued += 1;
        tags.push(vec!["twin".into(), self.people.issued.to_string()]);
        let draft = Draft { created_at: now.as_second(), tags, content: text.into() };
        let event = key(by)?.sign_as(kind, draft)?;
        let id = event.id.clone();
        let not = usize::from(event.id.as_bytes()[0]) % RELAYS.len();
        for (_, relay) in RELAYS.iter().enumerate().filter(|(place, _)| *place != not) {
            self.held.entry(format!("/{relay}")).or_default().insert(id.clone(), event.clone());
        }
        Some(id)
    }

    fn take_back(&mut self, by: By, ids: Vec<String>, now: Timestamp) {
        if ids.is_empty() {
            return;
        }
        let tags = ids.iter().map(|id| vec!["e".to_owned(), id.clone()]).collect();
        let draft = Draft { created_at: now.as_second(), tags, content: String::new() };
        let Some(event) = key(by).and_then(|key| key.sign_as(DELETION, draft)) else { return };
        for relay in RELAYS {
            let held = self.held.entry(format!("/{relay}")).or_default();
            if relay != "three" {
                held.retain(|id, _| !ids.contains(id));
            }
            held.insert(event.id.clone(), event.clone());
        }
    }

    /// What is there to be answered.
    fn event(&self, id: &str) -> Option<Event> {
        let there = self.people.crowd.find(id).is_some() || self.live().any(|post| post.id == id);
        let mut held = self.held.values().filter_map(|held| held.get(id));
        held.next().filter(|_| there).cloned()
    }

    fn live(&self) -> impl Iterator<Item = &Published> {
        self.appeared.iter().filter(|post| !self.people.is_deleted(&post.id))
    }

    /// What a conversation began with.
    fn root(&self, id: &str) -> String {
        let mut id = id;
        while let Some(above) = self.appeared.iter().find(|post| post.id == id).and_then(|post| post.answers.as_deref())
        {
            id = above;
        }
        self.people.roots.get(id).cloned().unwrap_or_else(|| id.to_owned())
    }

    pub(super) fn stands(&self, account: u32, post: &str) -> Standing {
        if !self.live().any(|held| held.id == post && held.account == account) {
            return Standing { gone: true, ..Standing::default() };
        }
        let crowd = &self.people.crowd;
        let bots = crowd.bots().filter_map(person).collect();
        let mut standing = Standing { bots, ..Standing::default() };
        for kind in [Interaction::Like, Interaction::Repost] {
            standing.who.insert(kind, crowd.list(kind, post).iter().filter_map(|done| person(done.by)).collect());
        }
        let quotes = crowd.quotes(post).filter(|said| crowd.shows(said.by));
        standing.who.insert(Interaction::Quote, quotes.filter_map(|said| person(said.by)).collect());
        standing.counts = standing.who.iter().map(|(kind, who)| (*kind, who.len() as u64)).collect();
        let below = |said: &&Said| self.people.roots.get(&said.id).is_some_and(|root| root == post);
        for said in crowd.shown().filter(below) {
            let by = if said.by == By::Ours(account) { None } else { person(said.by) };
            let word = Word { by, parent: said.parent.clone(), text: said.text.clone(), private: false };
            standing.said.insert(said.id.clone(), word);
        }
        for part in self.live().filter(|part| part.id != post && self.root(&part.id) == post) {
            let by = if part.account == account { None } else { person(By::Ours(part.account)) };
            let word = Word { by, parent: part.answers.clone(), text: part.text.clone(), private: false };
            standing.said.insert(part.id.clone(), word);
        }
        let theirs = standing.said.values().filter(|word| word.by.is_some()).count();
        standing.counts.insert(Interaction::Reply, theirs as u64);
        standing
    }
}

fn key(by: By) -> Option<Key> {
    match by {
        By::Ours(account) => Key::read(&secret(account)),
        By::Person(number) => Key::read(&Secret::new(Digest::of(format!("twin-person-{number}").as_bytes()).hex())),
    }
}

fn person(by: By) -> Option<PersonId> {
    PersonId::new("nostr", &key(by)?.pubkey())
}
