//! Looking through what the Page has published, for a post whose id nobody knows.
//!
//! That is needed for a post that was published in one step and whose answer was lost, and before a draft is made once
//! more. Where an id is known, that very object is asked instead, because the list is no proof: Facebook ranks it,
//! bounds it, and leaves Reels out (a video always has its id before it is published).
//!
//! Where the list is all there is to tell (no draft is made), "not there" is believed only of a list that shows that it
//! may be read, by a post, and that it goes by time, as far as it was read.
//!
//! A post is ours when it shows our very photos, or when it says the same and is not older than the delivery. What
//! could be ours and is not known to be makes "not there" doubtful.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::{Timestamp, time};
use crate::platform::contract::{Attempt, HttpReply};

use super::errors::GraphError;
use super::progress::{Done, Draft, Scratch};
use super::text;
use super::wire::{self, Id};

/// How far apart the clocks may be without anybody knowing.
const SKEW: Duration = Duration::from_secs(120);
/// Posts on one page, and few where that many do not fit into an answer.
const PAGE: u32 = 25;
const SMALL_PAGE: u32 = 5;
/// Most posts that are read.
const POSTS: usize = 200;
/// A look whose last news is older begins anew.
const STALE: Duration = Duration::from_secs(5);

/// How far a look has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// When it learned something last.
    at: Timestamp,
    pub pages: u32,
    posts: usize,
    /// A page was too long to be read whole, so small ones are asked for.
    small: bool,
    /// Where the list goes on.
    pub after: Option<String>,
    found: Vec<Draft>,
    /// When the post was made that was read last.
    #[serde(default)]
    oldest: Option<Timestamp>,
    /// Why "not there" could not be believed.
    doubt: Option<String>,
    /// The list was read far enough.
    pub verdict: Option<Verdict>,
}

/// What a list is to prove.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// That no draft was shown, which few are.
    BesideDrafts,
    /// That the post is not out.
    Alone,
}

/// What a look has found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    There(Draft),
    NotThere,
    /// So many posts could be it, and only one is.
    Several(usize),
    CannotTell(String),
}

impl Look {
    pub fn begin(now: Timestamp) -> Self {
        let (after, found, oldest, doubt, verdict) = (None, Vec::new(), None, None, None);
        Self { at: now, pages: 0, posts: 0, small: false, after, found, oldest, doubt, verdict }
    }

    /// The look that is under way.
    pub fn of(attempt: &Attempt<'_>) -> Self {
        let held = Scratch::of(attempt).look;
        let current = |look: &Self| time::since(attempt.now, look.at) <= STALE;
        held.filter(current).unwrap_or_else(|| Self::begin(attempt.now))
    }

    pub fn limit(&self) -> u32 {
        if self.small { SMALL_PAGE } else { PAGE }
    }

    /// Reads a page of the list; `None` where the reply is none.
    pub fn read(mut self, attempt: &Attempt<'_>, reply: &HttpReply, proof: Proof) -> Option<Self> {
        self.at = attempt.now;
        let too_long = || GraphError::read(reply).is_some_and(|error| error.is_too_much_data());
        if !self.small && ((reply.status == 200 && reply.cut) || too_long()) {
            self.small = true;
            return Some(self);
        }
        let value = reply.value().filter(|_| reply.status == 200)?;
        let items = value["data"].as_array()?;
        self.pages += 1;
        self.posts += items.len();
        let wanted = Wanted::of(attempt, reply.date("date"));
        for item in items {
            match wanted.judge(item) {
                Judgement::Ours(post) if self.found.iter().all(|met| met.id != post.id) => self.found.push(post),
                Judgement::Ours(_) | Judgement::Other => {}
                Judgement::Doubtful(why) => _ = self.doubt.get_or_insert_with(|| why.into()),
            }
        }
        if self.posts == 0 && !attempt.job.taken.is_empty() {
            // A token that may not read them is shown an empty list, not an error.
            self.doubt.get_or_insert("the list of our posts is empty, and is known not to be".into());
        }
        if proof == Proof::Alone {
            self.doubt_order(items);
        }
        // Only a page that names no next one is the last: a page of posts that may not be seen is empty.
        let goes_on = !value["paging"]["next"].is_null();
        let next = &value["paging"]["cursors"]["after"];
        let next = next.as_str().filter(|after| after.len() <= 1024 && goes_on);
        let passed = !items.is_empty() && items.iter().all(|item| created(item).is_some_and(|at| at < wanted.floor));
        let stuck = next.is_some() && next == self.after.as_deref();
        let over = passed || !goes_on;
        if over && self.posts == 0 && proof == Proof::Alone {
            let why =
                "the list of our posts is empty, as it is for a token without the permission pages_read_engagement";
            self.doubt.get_or_insert(why.into());
        }
        // Empty pages could go on for ever.
        let stuck = stuck || (!over && next.is_none());
        let long = self.posts >= POSTS || self.pages as usize >= POSTS;
        if !over && stuck {
            self.doubt.get_or_insert("the next page of our posts cannot be asked for".into());
        }
        if !over && long {
            self.doubt.get_or_insert("our list of posts is too long to be read through".into());
        }
        if over || stuck || long {
            self.verdict = Some(match (self.found.as_slice(), &self.doubt) {
                ([post], _) => Verdict::There(post.clone()),
                ([], None) => Verdict::NotThere,
                ([], Some(doubt)) => Verdict::CannotTell(doubt.clone()),
                (several, _) => Verdict::Several(several.len()),
            });
        }
        self.after = next.map(Into::into);
        Some(self)
    }
}

impl Look {
    /// Of a list that does not go by time nobody knows where ours would stand.
    fn doubt_order(&mut self, items: &[Value]) {
        for item in items {
            let at = created(item);
            let falls = at.is_some_and(|at| self.oldest.is_none_or(|oldest| at <= oldest));
            if !falls {
                self.doubt.get_or_insert("the list of our posts does not go by time".into());
            }
            self.oldest = at.or(self.oldest);
        }
    }
}

/// What is looked for.
struct Wanted<'a> {
    attempt: &'a Attempt<'a>,
    message: String,
    photos: Vec<String>,
    /// The earliest time, by Facebook's clock, that it can be dated.
    floor: Timestamp,
}

enum Judgement {
    Other,
    Ours(Draft),
    Doubtful(&'static str),
}

impl<'a> Wanted<'a> {
    fn of(attempt: &'a Attempt<'a>, server: Option<Timestamp>) -> Self {
        let photos = Done::of(attempt.done).photos.into_values().map(|photo| photo.id).collect();
        let message = text::comparable(&text::message(&attempt.job.content));
        Self { attempt, message, photos, floor: attempt.floor(server, SKEW) }
    }

    fn judge(&self, item: &Value) -> Judgement {
        let Some(id) = Id::read(&item["id"]) else { return Judgement::Other };
        if self.attempt.job.taken.contains(&id) || item["is_published"] == Value::Bool(false) {
            return Judgement::Other;
        }
        let post = Draft { url: wire::permalink(item), id, at: self.attempt.now };
        let shown = photos_of(item);
        // Nobody else has these very uploads.
        if !shown.is_empty() && shown.iter().all(|id| self.photos.contains(id)) {
            return Judgement::Ours(post);
        }
        let said = text::comparable(item["message"].as_str().unwrap_or_default());
        let early = created(item).is_none_or(|at| at < self.floor);
        match (said == self.message, early) {
            (false, _) => Judgement::Other,
            (true, true) if said.is_empty() => Judgement::Other,
            (true, true) => Judgement::Doubtful("a post from before this delivery began says the same"),
            (true, false) if said.is_empty() => Judgement::Doubtful("a post without a word could be ours"),
            (true, false) => Judgement::Ours(post),
        }
    }
}

/// The photos that a post shows.
fn photos_of(item: &Value) -> Vec<String> {
    let list = |value: &Value| value["data"].as_array().cloned().unwrap_or_default();
    let mut ids = Vec::new();
    for attachment in list(&item["attachments"]) {
        let parts = list(&attachment["subattachments"]);
        let shown = if parts.is_empty() { vec![attachment] } else { parts };
        ids.extend(shown.iter().filter_map(|part| Id::read(&part["target"]["id"])));
    }
    ids
}

/// Facebook writes the zone as `+0000`.
pub(super) fn created(item: &Value) -> Option<Timestamp> {
    let text = item["created_time"].as_str()?;
    text.parse().ok().or_else(|| Timestamp::strptime("%Y-%m-%dT%H:%M:%S%z", text).ok())
}
