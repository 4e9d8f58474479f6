//! Looking for a post of ours whose publishing step got no answer, in the list of our own posts.
//!
//! X tells no key of ours back, so a post is known by what it is: the uploads it shows, which nobody else has, or its
//! words, addresses and place in a conversation, made comparable ([`text::comparable`]). What is nearly the same is
//! neither ours nor not: then nobody can tell, and a person decides, for to publish twice is worse.
//!
//! Each post that is listed costs money, so pages are small, and reading ends at the first post that is older than the
//! delivery by X's own clock.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::progress::{Done, Left, Scratch};
use super::reading::{Answer, again};
use super::text::{self, Comparable};
use super::wire::{self, Trouble};
use crate::domain::Timestamp;
use crate::platform::contract::{Attempt, Effect, Reading, Request};

/// Posts on one page, and most posts that are read.
pub(super) const PAGE: u32 = 20;
const POSTS: usize = 400;
/// Most pages: some may hold less than they could, or nothing.
const PAGES: usize = 30;
/// By how much two clocks may differ that are right.
const SKEW: Duration = Duration::from_secs(120);
/// A cut text proves nothing when it is shorter than that.
const CUT_CHARS: usize = 100;

/// How far a look has come.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Look {
    part: usize,
    posts: usize,
    pages: usize,
    /// Where the list goes on.
    page: Option<String>,
    found: Vec<String>,
    /// Why "not there" could not be believed.
    doubt: Option<String>,
    /// Nobody can tell, and why.
    verdict: Option<String>,
}

/// The question that a look asks next.
///
/// # Errors
/// Why nobody can tell.
pub(super) fn next(attempt: &Attempt<'_>, wire: wire::Wire<'_>, me: &str) -> Result<Request, String> {
    let done = Done::of(attempt.done);
    let look = Look::of(attempt, done.posts.len());
    match look.verdict {
        Some(why) => Err(why),
        None => {
            let before = done.posts.last().map(|post| post.id.as_str());
            Ok(wire.own_posts(me, PAGE, before, look.page.as_deref()))
        }
    }
}

/// Reads one page of our posts.
pub(super) fn read(answer: &Answer<'_>, part: usize) -> Reading {
    let attempt = answer.attempt;
    let value = match answer.understand() {
        Ok(value) => value,
        // A token that may publish and not list is no token that is refused: the account would be let in again, and the
        // look be refused again, for ever.
        Err(
            Trouble::Refused { why, .. } | Trouble::Duplicate(why) | Trouble::NoParent(why) | Trouble::Stopped(why),
        ) => return again(why),
        Err(trouble) => return answer.settle(Effect::Harmless, trouble),
    };
    let none = value["meta"]["result_count"] == 0 && value["data"].is_null();
    let items = match value["data"].as_array() {
        Some(items) => items.as_slice(),
        None if none => &[],
        None => return again("the reply does not list our posts".into()),
    };
    let Some(wanted) = Wanted::of(answer, part) else { return again("nobody knows what to look for".into()) };
    let mut look = Look::of(attempt, part);
    look.posts += items.len();
    look.pages += 1;
    if value["errors"].as_array().is_some_and(|errors| !errors.is_empty()) {
        look.doubt("X could not list all our posts");
    }
    let floor = attempt.floor(answer.reply.date("date"), SKEW);
    let mut passed = false;
    for item in items {
        let created: Option<Timestamp> = item["created_at"].as_str().and_then(|text| text.parse().ok());
        let early = created.is_some_and(|created| created < floor);
        passed |= early;
        match wanted.judge(item, early) {
            Judgement::Other => {}
            Judgement::Ours(id) if look.found.contains(&id) => {}
            Judgement::Ours(id) => look.found.push(id),
            Judgement::Doubtful(why) => look.doubt(why),
        }
    }
    // An empty page is no end while the list is told to go on.
    let meta = &value["meta"];
    let told = !meta["next_token"].is_null();
    let next = meta["next_token"].as_str().filter(|token| is_token(token));
    let stuck = next.is_some() && next == look.page.as_deref();
    let ended = passed || next.is_none();
    if !passed && told && next.is_none() {
        look.doubt("X does not tell in a usable way where the list of our posts goes on");
    }
    if !passed && !told && meta["result_count"] != items.len() {
        look.doubt("X tells of another number of posts than it lists");
    }
    if !ended && (stuck || look.posts >= POSTS || look.pages >= PAGES) {
        look.doubt("our list of posts is too long to be read through");
        return look.conclude(attempt);
    }
    look.page = next.map(Into::into);
    if ended { look.conclude(attempt) } else { look.kept(attempt) }
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

impl Look {
    /// The look that is under way.
    fn of(attempt: &Attempt<'_>, part: usize) -> Self {
        let held = Scratch::of(attempt).look.filter(|look| look.part == part);
        held.unwrap_or_else(|| Self { part, ..Self::default() })
    }

    fn doubt(&mut self, why: &str) {
        self.doubt.get_or_insert_with(|| why.into());
    }

    /// The list has been read far enough.
    fn conclude(mut self, attempt: &Attempt<'_>) -> Reading {
        self.verdict = match (self.found.as_slice(), &self.doubt) {
            ([id], _) => {
                return Reading::Found(Left::Posted { part: self.part, id: id.clone(), at: attempt.now }.value());
            }
            ([], None) => return Reading::Absent,
            ([], Some(doubt)) => Some(doubt.clone()),
            (several, _) => Some(format!("{} posts of ours say the same", several.len())),
        };
        self.kept(attempt)
    }

    fn kept(self, attempt: &Attempt<'_>) -> Reading {
        Scratch { look: Some(self), ..Scratch::of(attempt) }.learned()
    }
}

/// What is looked for.
struct Wanted<'a> {
    answer: &'a Answer<'a>,
    done: Done,
    part: usize,
    said: Comparable,
    parent: Option<String>,
    media: usize,
}

enum Judgement {
    Other,
    Ours(String),
    Doubtful(&'static str),
}

impl<'a> Wanted<'a> {
    fn of(answer: &'a Answer<'a>, part: usize) -> Option<Self> {
        let job = answer.attempt.job;
        let done = Done::of(answer.attempt.done);
        let parent = match done.posts.last() {
            Some(before) => Some(before.id.clone()),
            None => super::answered(job).ok()?,
        };
        let said = text::comparable(text::compose(&job.content).get(part)?);
        let said = if parent.is_some() { without_mentions(said) } else { said };
        Some(Self { answer, done, part, said, parent, media: if part == 0 { job.content.media.len() } else { 0 } })
    }

    /// What a post of our list has to do with it.
    fn judge(&self, item: &Value, early: bool) -> Judgement {
        let unreadable = Judgement::Doubtful("a post of ours cannot be read");
        let Some(id) = wire::id(&item["id"]) else { return unreadable };
        let known = self.answer.attempt.job.taken.contains(&id) || self.done.posts.iter().any(|post| post.id == id);
        let related = item["referenced_tweets"].as_array().or(item["referenced_posts"].as_array());
        let related = |kind: &str| related.into_iter().flatten().find(|other| other["type"] == kind);
        if known || related("retweeted").is_some() {
            return Judgement::Other;
        }
        let keys = item["attachments"]["media_keys"].as_array().map_or(&[][..], Vec::as_slice);
        if self.part == 0 && !keys.is_empty() && keys.iter().all(|key| self.is_our_upload(key)) {
            return Judgement::Ours(id);
        }
        let same_place = related("replied_to").and_then(|parent| parent["id"].as_str()) == self.parent.as_deref();
        let note = Some(&item["note_tweet"]).filter(|note| note.is_object()).unwrap_or(&item["note_post"]);
        let is_long = note["text"].is_string();
        let told = if is_long { note } else { item };
        let (Some(text), Some(_)) = (told["text"].as_str(), item["created_at"].as_str()) else { return unreadable };
        let theirs = text::written(text, &shortened(&told["entities"]["urls"])).map(|text| {
            let theirs = text::comparable(&text);
            if self.parent.is_some() { without_mentions(theirs) } else { theirs }
        });
        let theirs = theirs.iter().find(|theirs| theirs.words == self.said.words).unwrap_or(&theirs[0]);
        let same_words = theirs.words == self.said.words;
        let same = *theirs == self.said && same_place && keys.len() == self.media;
        if same {
            return match (early, self.said.words.is_empty()) {
                (true, _) => Judgement::Doubtful("a post from before this delivery began says the same"),
                (false, true) => Judgement::Doubtful("a post with nothing but media could be ours"),
                (false, false) => Judgement::Ours(id),
            };
        }
        let begins = theirs.words.trim_end_matches(['\u{fffc}', ' ']).trim_end_matches('…').trim_end();
        let is_cut = !is_long && same_place && begins.chars().count() >= CUT_CHARS && text.contains('…');
        match early {
            true => Judgement::Other,
            false if same_words && !self.said.words.is_empty() => {
                Judgement::Doubtful("a post says the same with other links, other media or in another place")
            }
            false if same_place && was_edited(item) => Judgement::Doubtful("a post that could be ours was edited"),
            false if is_cut && self.said.words.starts_with(begins) => {
                Judgement::Doubtful("a post that is told in part only could be ours")
            }
            false => Judgement::Other,
        }
    }

    /// A media key ends in the id of the upload.
    fn is_our_upload(&self, key: &Value) -> bool {
        let id = key.as_str().and_then(|key| key.split_once('_')).map(|(_, id)| id);
        id.is_some_and(|id| self.done.uploads.values().any(|upload| upload.id.as_deref() == Some(id)))
    }
}

/// Whether its words are not those that it was published with.
fn was_edited(item: &Value) -> bool {
    let versions = item["edit_history_tweet_ids"].as_array().or(item["edit_history_post_ids"].as_array());
    versions.is_some_and(|versions| versions.len() > 1)
}

/// Pairs of what stands in a text and what it stands for; nothing, for media.
fn shortened(urls: &Value) -> Vec<(&str, Option<&str>)> {
    let urls = urls.as_array().map_or(&[][..], Vec::as_slice);
    let pairs = urls.iter().filter_map(|entity| {
        let short = entity["url"].as_str().filter(|short| !short.is_empty())?;
        let is_media = entity["media_key"].is_string()
            || entity["display_url"].as_str().is_some_and(|shown| shown.starts_with("pic."));
        let long = entity["expanded_url"].as_str().or(entity["unwound_url"].as_str()).unwrap_or(short);
        Some((short, (!is_media).then_some(long)))
    });
    pairs.collect()
}

/// X may put the names of those who are answered before the text.
fn without_mentions(said: Comparable) -> Comparable {
    let is_mention = |word: &&str| word.len() > 1 && word.starts_with('@');
    let words: Vec<_> = said.words.split(' ').skip_while(is_mention).collect();
    Comparable { words: words.join(" "), ..said }
}
