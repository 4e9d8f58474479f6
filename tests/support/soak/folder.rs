//! The queue folder and those who write in it: new posts, edits, approvals, withdrawals, and files that are cleared away.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use cadenced::domain::{Timestamp, time};
use jiff::SignedDuration;

use crate::chance::Chance;
use crate::support::house::{Deadline, House};
use crate::support::platform::now;

/// Deliveries that wait on one account; then nothing more is written for it, so that the queue keeps its size while an
/// attempt on the account is in doubt.
const MOST_WAITING: usize = 4;
const POSTS_A_FILE: u64 = 3;
/// A file stays for so many new ones at least.
const KEPT: u32 = 5;

/// A post that is or was in the queue.
#[derive(Debug)]
pub struct Post {
    pub to: Vec<String>,
    pub parts: usize,
    version: u32,
    /// Versions that were approved at some time, and when that began.
    approved: BTreeMap<u32, Timestamp>,
    /// It was edited or withdrawn: an attempt may have been given up in the middle of it.
    pub touched: bool,
    pub withdrawn: bool,
}

impl Post {
    /// Whether these are the words of its first parts in one version, and that was approved before `at`.
    pub fn had_approval(&self, id: &str, said: &[String], at: Option<Timestamp>) -> bool {
        self.approved.iter().any(|(version, since)| {
            let parts: Vec<String> = (0..self.parts).map(|part| words(id, part, *version)).collect();
            parts.starts_with(said) && at.is_none_or(|at| *since <= at)
        })
    }
}

/// How much is written.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// Between two new files.
    pub feed: Duration,
    /// Edits and withdrawals for a thousand new files.
    pub edits: u64,
    pub withdrawals: u64,
}

pub struct Folder {
    chance: Chance,
    rate: Rate,
    next: Deadline,
    pub posts: BTreeMap<String, Post>,
    /// The posts of each file that is there, and from when on it may be cleared away.
    files: BTreeMap<String, (Vec<String>, Deadline)>,
    /// Files with a post that is to be approved again, or changed back.
    renewals: Vec<(Deadline, String, String)>,
    /// Deliveries that are known to have come to an end.
    pub over: BTreeSet<String>,
}

/// What a part says. What stands before the full stop tells which part of which post it is.
fn words(id: &str, part: usize, version: u32) -> String {
    format!("{id}-{part}. Version {version} of it")
}

impl Folder {
    pub fn new(rate: Rate, chance: Chance) -> Self {
        Self {
            chance,
            rate,
            next: Deadline::within(Duration::ZERO),
            posts: BTreeMap::new(),
            files: BTreeMap::new(),
            renewals: Vec::new(),
            over: BTreeSet::new(),
        }
    }

    /// How many posts it holds.
    pub fn len(&self) -> usize {
        self.files.values().map(|(ids, _)| ids.len()).sum()
    }

    /// Whether every delivery of every post in it has come to an end.
    pub fn is_over(&self) -> bool {
        self.files.values().flat_map(|(ids, _)| ids).all(|id| self.post_is_over(id))
    }

    /// Does what is due; new posts go to some of `accounts`. Whether a new file was due.
    pub fn edit(&mut self, house: &House, accounts: &[String]) -> bool {
        let due: Vec<_> = self.renewals.extract_if(.., |(at, ..)| at.left() == Duration::ZERO).collect();
        for (_, file, id) in due {
            self.renew(house, &file, &id);
        }
        if self.next.left() > Duration::ZERO {
            return false;
        }
        self.next = Deadline::within(self.rate.feed);
        self.add_file(house, accounts);
        if self.chance.permille(self.rate.edits) {
            self.edit_one(house);
        }
        if self.chance.permille(self.rate.withdrawals) {
            self.withdraw_one(house);
        }
        self.clear_up(house);
        true
    }

    /// Everything in it is approved as it is, and nobody edits it any more.
    pub fn approve_all(&mut self, house: &House) {
        self.renewals.clear();
        for file in self.files.keys().cloned().collect::<Vec<_>>() {
            self.approve(house, &file);
        }
    }

    fn add_file(&mut self, house: &House, accounts: &[String]) {
        let file = format!("f{:05}.toml", self.posts.len());
        let (mut content, mut ids, mut waiting) = (String::new(), Vec::new(), self.waiting());
        for _ in 0..POSTS_A_FILE {
            let mut to = BTreeSet::new();
            for _ in 0..1 + self.chance.below(4) {
                let account = self.chance.pick(accounts);
                let owed = waiting.entry(account.clone()).or_default();
                if *owed < MOST_WAITING {
                    *owed += 1;
                    to.insert(account.clone());
                }
            }
            if !to.is_empty() {
                let id = format!("p{}", self.posts.len());
                content += &self.new_post(&id, to.into_iter().collect());
                ids.push(id);
            }
        }
        if ids.is_empty() {
            return;
        }
        house.queue(&file, &content);
        self.files.insert(file.clone(), (ids, Deadline::within(KEPT * self.rate.feed)));
        self.approve(house, &file);
    }

    fn new_post(&mut self, id: &str, to: Vec<String>) -> String {
        let mut entry = format!(
            "[[post]]\nid = \"{id}\"\nto = {to:?}\naudience = \"testers\"\ngoal = \"connection\"\ntext = \"{}\"\n",
            words(id, 0, 1)
        );
        if self.chance.permille(300) {
            let at = now() + SignedDuration::from_secs(1 + self.chance.below(10) as i64);
            writeln!(entry, "at = {at:.0}").unwrap();
        }
        let parts = 1 + usize::from(self.chance.permille(300));
        if parts > 1 {
            writeln!(entry, "thread = [\"{}\"]", words(id, 1, 1)).unwrap();
        }
        let approved = BTreeMap::new();
        self.posts.insert(id.into(), Post { to, parts, version: 1, approved, touched: false, withdrawn: false });
        entry + "\n"
    }

    /// How many deliveries wait on each account.
    fn waiting(&self) -> BTreeMap<String, usize> {
        let mut waiting = BTreeMap::new();
        for id in self.files.values().flat_map(|(ids, _)| ids) {
            for account in self.posts[id].to.iter().filter(|account| !self.over.contains(&format!("{id}@{account}"))) {
                *waiting.entry(account.clone()).or_default() += 1;
            }
        }
        waiting
    }

    fn approve(&mut self, house: &House, file: &str) {
        // As platforms tell it.
        let began = time::to_millis(now());
        let said = house.run(&["approve", &format!("queue/{file}"), "--by", "editor@example.org", "--yes"]);
        assert_eq!(said.code, 0, "{said:?}");
        for id in &self.files[file].0 {
            let post = self.posts.get_mut(id).unwrap();
            post.approved.entry(post.version).or_insert(began);
        }
    }

    /// A post that is not over, and its file.
    fn any_waiting(&mut self) -> Option<(String, String)> {
        let all = self.files.iter().flat_map(|(file, (ids, _))| ids.iter().map(move |id| (file, id)));
        let waiting: Vec<_> = all.filter(|(_, id)| !self.post_is_over(id)).collect();
        if waiting.is_empty() {
            return None;
        }
        let (file, id) = *self.chance.pick(&waiting);
        Some((file.clone(), id.clone()))
    }

    fn post_is_over(&self, id: &str) -> bool {
        self.posts[id].to.iter().all(|account| self.over.contains(&format!("{id}@{account}")))
    }

    /// Gives a post the words of a version, without asking anybody.
    fn reword(&mut self, house: &House, file: &str, id: &str, version: u32) {
        let post = self.posts.get_mut(id).unwrap();
        let mut content = std::fs::read_to_string(house.path("queue").join(file)).unwrap();
        for part in 0..post.parts {
            content = content.replace(&words(id, part, post.version), &words(id, part, version));
        }
        (post.version, post.touched) = (version, true);
        house.queue(file, &content);
    }

    /// A post loses its approval by an edit; it is renewed later.
    fn edit_one(&mut self, house: &House) {
        let Some((file, id)) = self.any_waiting() else { return };
        let version = self.posts[&id].version;
        self.reword(house, &file, &id, version + 1);
        let wait = self.rate.feed.mul_f64(0.5 + self.chance.below(5) as f64);
        self.renewals.push((Deadline::within(wait), file, id));
    }

    /// An edited post is approved as it is, or is again what was approved.
    fn renew(&mut self, house: &House, file: &str, id: &str) {
        let there = self.files.get(file).is_some_and(|(ids, _)| ids.iter().any(|held| held == id));
        if !there {
            return;
        }
        let post = &self.posts[id];
        let before = post.approved.keys().last().copied().filter(|before| *before < post.version);
        match before {
            Some(before) if self.chance.permille(400) => self.reword(house, file, id, before),
            _ => self.approve(house, file),
        }
    }

    fn withdraw_one(&mut self, house: &House) {
        let Some((file, id)) = self.any_waiting() else { return };
        let post = self.posts.get_mut(&id).unwrap();
        (post.withdrawn, post.touched) = (true, true);
        let ids = &mut self.files.get_mut(&file).unwrap().0;
        ids.retain(|held| *held != id);
        if ids.is_empty() {
            self.remove(house, &file);
            return;
        }
        let content = std::fs::read_to_string(house.path("queue").join(&file)).unwrap();
        let entries = content.split("[[post]]").skip(1).filter(|entry| !entry.contains(&format!("id = \"{id}\"")));
        let content: String = entries.map(|entry| format!("[[post]]{entry}")).collect();
        house.queue(&file, &content);
    }

    /// Files whose posts are all over are taken away.
    pub fn clear_up(&mut self, house: &House) {
        let done = |(ids, from): &(Vec<String>, Deadline)| {
            from.left() == Duration::ZERO && ids.iter().all(|id| self.post_is_over(id))
        };
        let done: Vec<String> =
            self.files.iter().filter(|(_, file)| done(file)).map(|(name, _)| name.clone()).collect();
        done.iter().for_each(|file| self.remove(house, file));
    }

    fn remove(&mut self, house: &House, file: &str) {
        self.files.remove(file);
        std::fs::remove_file(house.path("queue").join(file)).unwrap();
    }
}
