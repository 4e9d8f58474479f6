//! Looking among a page's posts for what an ambiguous attempt may have left.
//!
//! The list is read from the newest post back to shortly before the delivery began. A post is ours when it holds the
//! very files that we have uploaded, or, where there are none, when it says the same. One match is it; none is "not
//! there now". Doubt never becomes "not there": a list that is longer than we read, a post that somebody has edited
//! since, the same words with other files, or said before we began, make the answer "cannot tell" unless another post
//! matches.
//!
//! A look that was interrupted begins anew: what it has learned is true of one moment only.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::upload::{Scratch, uploaded};
use super::wire::{PAGE, Trouble};
use super::{Linkedin, Posted, Situation, harmless, is_post, text};
use crate::domain::{Timestamp, time};
use crate::platform::contract::{Attempt, Effect, HttpReply, Next, Reading};

/// How much earlier than the delivery's begin, by LinkedIn's clock, its post may be dated.
pub const SKEW: Duration = Duration::from_secs(120);
/// Most pages of the list that are read.
const PAGES: usize = 10;
/// A look whose last news is older begins anew.
const STALE: Duration = Duration::from_secs(5);

/// How far a look has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// When it learned something last.
    at: Timestamp,
    pages: usize,
    found: Vec<String>,
    /// Why "not there" could not be believed.
    doubt: Option<String>,
    /// Nobody can tell, and why.
    verdict: Option<String>,
}

/// The next question of a look.
pub fn next(view: &Situation<'_>, author: &str) -> Next {
    let held = Scratch::of(view.attempt).look.filter(|look| time::since(view.attempt.now, look.at) <= STALE);
    if let Some(why) = held.as_ref().and_then(|look| look.verdict.clone()) {
        return Next::CannotTell(why);
    }
    let pages = held.map_or(0, |look| look.pages);
    harmless(format!("look-{pages}"), view.wire.posts(author, pages * PAGE, PAGE))
}

/// Reads one page of the author's posts.
pub fn read(account: &Linkedin, attempt: &Attempt<'_>, page: usize, reply: &HttpReply) -> Reading {
    let value = reply.value().filter(|_| reply.status == 200).unwrap_or_default();
    let Some(items) = value.get("elements").and_then(Value::as_array) else {
        return match super::trouble(attempt, reply) {
            Trouble::Forbidden(why) => {
                Reading::Auth { why: format!("the token may not read the page's posts (r_organization_social): {why}") }
            }
            Trouble::Refused { why, .. } => super::again(format!("failed to read the page's posts: {why}")),
            trouble => account.settle(attempt, Effect::Harmless, trouble),
        };
    };
    let mut look = Scratch::of(attempt).look.filter(|_| page > 0).unwrap_or(Look {
        at: attempt.now,
        pages: 0,
        found: Vec::new(),
        doubt: None,
        verdict: None,
    });
    let floor = attempt.floor(reply.date("date"), SKEW);
    let wanted = Wanted::of(attempt);
    for item in items {
        match wanted.judge(item, floor, attempt) {
            Judgement::Other => {}
            Judgement::Ours(post) if look.found.contains(&post) => {}
            Judgement::Ours(post) => look.found.push(post),
            Judgement::Doubt(why) => _ = look.doubt.get_or_insert_with(|| why.into()),
        }
    }
    look.pages += 1;
    // A page may hold nothing although the list goes on: what its reader may not see is left out of it.
    let passed = match items.as_slice() {
        [] => is_end(&value, page),
        items => items.iter().all(|item| created(item).is_some_and(|at| at < floor)),
    };
    if !passed && look.pages < PAGES {
        return keep(attempt, look);
    }
    if !passed {
        look.doubt.get_or_insert_with(|| "the page's list of posts is too long to be read through".into());
    }
    look.verdict = match (look.found.as_slice(), &look.doubt) {
        ([post], _) => return Reading::Found(Posted::data(post)),
        ([], None) => return Reading::Absent,
        ([], Some(doubt)) => Some(doubt.clone()),
        (several, _) => Some(format!("{} posts of the page say the same", several.len())),
    };
    keep(attempt, look)
}

/// Whether an empty page is told to be the end of the list: no page comes after it, and no post is counted there.
fn is_end(value: &Value, page: usize) -> bool {
    let links = value.pointer("/paging/links").and_then(Value::as_array);
    let more = links.is_some_and(|links| links.iter().any(|link| link.get("rel").is_some_and(|rel| rel == "next")));
    let total = value.pointer("/paging/total").and_then(Value::as_u64);
    let counted = total.is_none_or(|total| usize::try_from(total).is_ok_and(|total| total <= page * PAGE));
    (links.is_some() || total.is_some()) && !more && counted
}

fn keep(attempt: &Attempt<'_>, look: Look) -> Reading {
    let mut scratch = Scratch::of(attempt);
    scratch.look = Some(Look { at: attempt.now, ..look });
    scratch.learned()
}

fn created(item: &Value) -> Option<Timestamp> {
    let millis = item.get("createdAt").and_then(Value::as_i64);
    let told = millis.and_then(|millis| Timestamp::from_millisecond(millis).ok());
    told.or_else(|| super::made(item.get("id")?.as_str()?))
}

/// What is looked for.
struct Wanted {
    text: String,
    /// How many files it has, and those that are known to be uploaded.
    files: usize,
    urns: Vec<String>,
}

enum Judgement {
    Other,
    Ours(String),
    Doubt(&'static str),
}

impl Wanted {
    fn of(attempt: &Attempt<'_>) -> Self {
        let content = &attempt.job.content;
        let files = content.media.len();
        let urns = (0..files).filter_map(|place| uploaded(attempt.done, place)).map(|held| held.urn).collect();
        Self { text: text::compose(content), files, urns }
    }

    /// What a post of the list has to do with it.
    fn judge(&self, item: &Value, floor: Timestamp, attempt: &Attempt<'_>) -> Judgement {
        let word = |pointer: &str| item.pointer(pointer).and_then(Value::as_str);
        let Some(id) = word("/id").filter(|id| is_post(id)) else { return Judgement::Other };
        let another = word("/author").is_some_and(|author| attempt.session.identity.as_deref() != Some(author));
        let draft = word("/lifecycleState") == Some("DRAFT");
        let shared = item.pointer("/reshareContext/parent").is_some();
        if another || draft || shared || attempt.job.taken.contains(id) {
            return Judgement::Other;
        }
        let early = created(item).is_some_and(|at| at < floor);
        let same = text::same(&text::read(word("/commentary").unwrap_or_default()), &self.text);
        let ours = || match word("/lifecycleState") {
            Some("PUBLISH_FAILED") => Judgement::Doubt("linkedin has the post and says that it could not publish it"),
            _ => Judgement::Ours(id.into()),
        };
        let files = files(item);
        if self.files > 0 {
            // Nobody else has these very uploads.
            let held = |urn: &&str| self.urns.iter().any(|held| held == urn);
            return match files.len() == self.files {
                true if files.iter().all(held) => ours(),
                true if same && !early => Judgement::Doubt("a post says the same and has other files"),
                _ => Judgement::Other,
            };
        }
        let edited = item.pointer("/lifecycleStateInfo/isEditedByAuthor") == Some(&Value::Bool(true));
        match (same && files.is_empty(), early) {
            (true, true) => Judgement::Doubt("a post from before this delivery began says the same"),
            (true, false) => ours(),
            (false, false) if edited && files.is_empty() => Judgement::Doubt("a post that could be ours was edited"),
            (false, _) => Judgement::Other,
        }
    }
}

/// The files of a post: one, or several images.
fn files(item: &Value) -> Vec<&str> {
    let one = item.pointer("/content/media/id").and_then(Value::as_str);
    let many = item.pointer("/content/multiImage/images").and_then(Value::as_array);
    let many = many.into_iter().flatten().filter_map(|image| image.get("id")?.as_str());
    one.into_iter().chain(many).collect()
}
