//! Looking for what an ambiguous publishing call may have left.
//!
//! First the container is asked (`asked-PART`): one that is finished or in progress was not published, and it is the one
//! that a repeat would publish, so there nothing more is needed. Otherwise our own posts are looked through, newest first
//! (`look-PART-LIST-PAGE`), because no edge leads from a container to its post: text, time and parent must fit, and it
//! must be no other delivery's.
//!
//! Where the container says PUBLISHED and no post fits, the list lags behind, or somebody has deleted the post: the look
//! is repeated, and in the end a person decides. "Not there" needs a container that is not published, or none at all.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::progress::{Scratch, data};
use super::publishing::{Parent, View, harmless, parent};
use super::reading::{Answer, Status};
use super::{text, wire};
use crate::domain::{Timestamp, time};
use crate::platform::contract::{Next, Reading};

/// How much earlier than our own clock says a post of ours may be dated, and how much earlier one that says the same
/// leaves a doubt: clocks have been seen to be wrong.
const SKEW: Duration = Duration::from_secs(120);
const NEAR: Duration = Duration::from_secs(86_400);
/// Posts on a page, and most pages of one list.
const PAGE: &str = "25";
const PAGES: usize = 20;

/// How far a look has come.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Look {
    part: usize,
    asked: bool,
    /// The container says so.
    published: bool,
    /// Which of the lists, and from where on.
    list: usize,
    page: usize,
    after: Option<String>,
    /// Why "not there" cannot be believed.
    doubt: Option<String>,
}

impl Look {
    fn of(scratch: &Scratch, part: usize) -> Self {
        scratch.look.clone().filter(|look| look.part == part).unwrap_or(Self { part, ..Self::default() })
    }

    fn learned(self, mut scratch: Scratch) -> Reading {
        scratch.look = Some(self);
        scratch.learned()
    }
}

/// The lists in which a part may stand. Whether an answer to ourselves is among the posts or the answers is not told.
fn lists(answer: &super::Dialect, answers: bool) -> Vec<&'static str> {
    let further = answer.answers.filter(|_| answers);
    further.into_iter().chain([answer.posts]).collect()
}

/// The next question of a look.
pub fn next(view: &View<'_>) -> Next {
    let part = view.done.posts.len();
    let look = Look::of(&view.scratch, part);
    if let Some(made) = view.done.containers.get(&part).filter(|_| !look.asked) {
        return harmless(format!("asked-{part}"), view.status(&made.id));
    }
    if !look.asked {
        let fields = [("fields", "id")];
        return harmless(
            format!("none-{part}"),
            view.wire.get(&[view.account.user.as_deref().unwrap_or("me")], &fields),
        );
    }
    let dialect = view.account.dialect;
    let is_answer = !matches!(parent(view.attempt.job, &view.done, part), Parent::Nobody);
    let lists = lists(dialect, is_answer);
    let Some(list) = lists.get(look.list) else { return Next::CannotTell("the look came to no end".into()) };
    let mut fields = format!("id,{},timestamp,permalink", dialect.text);
    if dialect.answers == Some(*list) {
        fields += ",replied_to";
    }
    let mut query = vec![("fields", fields.as_str()), ("limit", PAGE)];
    query.extend(look.after.as_deref().map(|after| ("after", after)));
    harmless(format!("look-{part}-{}-{}", look.list, look.page), view.wire.get(&[view.me(), list], &query))
}

/// What the container says.
pub fn read_status(answer: &Answer<'_>, part: usize) -> Reading {
    let scratch = Scratch::of(answer.attempt);
    let mut look = Look { asked: true, ..Look::of(&scratch, part) };
    match answer.container_status() {
        Some(Status::Finished | Status::InProgress) => return Reading::Absent,
        Some(Status::Published) => look.published = true,
        Some(Status::Failed | Status::Expired) => {}
        None if answer.has_no_status() || answer.is_missing() => {}
        None => return answer.unanswered("failed to ask after a container"),
    }
    look.learned(scratch)
}

/// One page of our own posts.
pub fn read_page(answer: &Answer<'_>, part: usize) -> Reading {
    let (attempt, scratch) = (answer.attempt, Scratch::of(answer.attempt));
    let mut look = Look::of(&scratch, part);
    let Some(value) = answer.value().filter(|value| value["data"].is_array()) else {
        return answer.unanswered("failed to read our own posts");
    };
    let items = value["data"].as_array().map(Vec::as_slice).unwrap_or_default();
    let wanted = Wanted::of(answer, part);
    for item in items {
        match wanted.judge(item, look.published) {
            Judgement::Other => {}
            Judgement::Perhaps(why) => look.doubt = Some(why.into()),
            Judgement::Ours(id, url) => return Reading::Found(data(&answer.posted(part, id, url))),
        }
    }
    let cursor = &value["paging"]["cursors"]["after"];
    let cursor = cursor.as_str().filter(|cursor| cursor.len() <= 512 && Some(*cursor) != look.after.as_deref());
    let passed = items.last().and_then(written).is_some_and(|at| at < time::before(wanted.floor, NEAR));
    look.page += 1;
    if let Some(cursor) = cursor.filter(|_| !items.is_empty() && !passed) {
        if look.page < PAGES {
            look.after = Some(cursor.into());
            return look.learned(scratch);
        }
        look.doubt = Some("our list of posts is too long to be read through".into());
    }
    let is_answer = !matches!(parent(attempt.job, &answer.done, part), Parent::Nobody);
    if look.list + 1 < lists(answer.dialect, is_answer).len() {
        (look.list, look.page, look.after) = (look.list + 1, 0, None);
        return look.learned(scratch);
    }
    match look.doubt {
        Some(why) => Reading::Retry { after: None, why },
        None if look.published => {
            let name = answer.dialect.name;
            let why = format!("{name} says that it is published, and it is not among our posts: too new, or deleted");
            Reading::Retry { after: None, why }
        }
        None => Reading::Absent,
    }
}

/// What is looked for.
struct Wanted<'a> {
    answer: &'a Answer<'a>,
    text: String,
    parent: Option<String>,
    floor: Timestamp,
}

enum Judgement {
    Other,
    Perhaps(&'static str),
    Ours(String, Option<String>),
}

impl<'a> Wanted<'a> {
    fn of(answer: &'a Answer<'a>, part: usize) -> Self {
        let job = answer.attempt.job;
        let made = answer.done.containers.get(&part).map(|made| made.at);
        let parent = match parent(job, &answer.done, part) {
            Parent::Is(id) => Some(id),
            _ => None,
        };
        let said = answer.texts.get(part).map(|said| text::comparable(said)).unwrap_or_default();
        let now = answer.attempt.now;
        let behind = answer.reply.date("date").map_or(Duration::ZERO, |theirs| time::since(now, theirs));
        // A clock that was set back since tells nothing of what was before.
        let begun = Some(made.unwrap_or(job.started)).filter(|begun| *begun <= time::after(now, SKEW));
        let floor = begun.map_or(Timestamp::MIN, |begun| time::before(begun, SKEW + behind));
        Self { answer, text: said, parent, floor }
    }

    fn judge(&self, item: &Value, published: bool) -> Judgement {
        let Some(id) = wire::id(&item["id"]) else { return Judgement::Other };
        let (job, done) = (self.answer.attempt.job, &self.answer.done);
        let other = job.taken.contains(&id) || done.posts.iter().any(|post| post.id == id);
        let said = item[self.answer.dialect.text].as_str().map(text::comparable).unwrap_or_default();
        let hangs = item["replied_to"].get("id").and_then(wire::id);
        let elsewhere = hangs.is_some() && hangs != self.parent;
        if other || elsewhere || said != self.text {
            return Judgement::Other;
        }
        match written(item) {
            // What was there before the container was made is not what came of it.
            Some(at) if published && at < self.floor => Judgement::Other,
            // The newest one that says the same and is nobody else's must be it.
            Some(_) if published => Judgement::Ours(id, wire::web_address(&item["permalink"])),
            Some(at) if at < time::before(self.floor, NEAR) => Judgement::Other,
            Some(at) if at < self.floor => Judgement::Perhaps("a post from before this delivery began says the same"),
            None => Judgement::Perhaps("a post that says the same does not tell when it was written"),
            Some(_) if self.text.is_empty() => Judgement::Perhaps("a post without a text could be ours"),
            Some(_) => Judgement::Ours(id, wire::web_address(&item["permalink"])),
        }
    }
}

/// When a post was written: `2026-11-22T12:00:00+0000`.
pub(super) fn written(item: &Value) -> Option<Timestamp> {
    let text = item["timestamp"].as_str()?;
    let told = || jiff::fmt::strtime::parse("%Y-%m-%dT%H:%M:%S%z", text).ok()?.to_timestamp().ok();
    text.parse().ok().or_else(told)
}
