//! Looking among our own posts for what an ambiguous attempt may have left.
//!
//! The list of our posts is read from the newest one back to shortly before the delivery began. What could be ours
//! by time, parent, visibility, warning and media is compared by its source text, which GoToSocial puts into the list
//! and the others give one by one. Then: one match is it; none is "not there now"; anything else nobody can tell.
//!
//! Doubt never becomes "not there": a list that is longer than we read, a post without a source, a post that somebody
//! has edited since, each make the answer "cannot tell" unless another one matches. Where servers change what they
//! were given (a narrower visibility, a parent that is gone, a warning that becomes the text) the change is expected.
//!
//! A look that was interrupted begins anew: what it has learned is true of one moment only.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::{Timestamp, Visibility, time};
use crate::platform::contract::{Attempt, Next, Reading};

use super::progress::{Done, Parent, Posted, Scratch, data};
use super::reading::Answer;
use super::wire::{self, Id, Status, Wire};
use super::{Situation, harmless, identity_of, text};

/// How much earlier than the delivery's begin, by the server's clock, its post may be dated.
const SKEW: Duration = Duration::from_secs(120);
/// Posts on one page: the most that Mastodon gives, and few where that many do not fit into an answer.
const PAGE: u32 = 40;
const SMALL_PAGE: u32 = 5;
/// Most posts of the list that are read.
const POSTS: u32 = 400;
/// Most posts whose source is asked for.
const SOURCES: usize = 40;
/// A look whose last news is older begins anew.
const STALE: Duration = Duration::from_secs(5);

/// How far a look has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Look {
    part: usize,
    /// When it learned something last.
    at: Timestamp,
    /// Pages read, and posts on them.
    pages: u32,
    posts: u32,
    /// A page was too long to be read whole, so small ones are asked for.
    #[serde(default)]
    small: bool,
    /// The list goes on below this id.
    before: Option<String>,
    /// The list has been read far enough.
    ended: bool,
    /// Could be ours; the source will tell.
    open: Vec<Candidate>,
    found: Vec<Posted>,
    /// Why "not there" could not be believed.
    doubt: Option<String>,
    /// Nobody can tell, and why.
    verdict: Option<String>,
}

/// A post that could be the one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Candidate {
    post: Posted,
    /// With what it would have to say.
    texts: Vec<String>,
    edited: bool,
    /// Its HTML says the same, should there be no source.
    html: bool,
}

/// The next question of a look.
pub(super) fn next(view: &Situation<'_>) -> Next {
    let part = view.done.posts.len();
    let held = view.scratch.look.as_ref().filter(|look| look.is_current(part, view.attempt.now));
    if let Some(why) = held.and_then(|look| look.verdict.clone()) {
        return Next::CannotTell(why);
    }
    match held {
        Some(look) if look.ended && !look.open.is_empty() => source(view.wire, look),
        Some(look) if !look.ended => page(view, Some(look)),
        _ => page(view, None),
    }
}

fn source(wire: Wire<'_>, look: &Look) -> Next {
    let Some(candidate) = look.open.first() else {
        return Next::CannotTell("the look came to no end".into());
    };
    harmless(format!("source-{}-{}", look.part, look.open.len()), wire.source(&candidate.post.id))
}

fn page(view: &Situation<'_>, look: Option<&Look>) -> Next {
    let Some(account) = identity_of(view.attempt.session, view.wire.token) else {
        return Next::Auth("nobody knows whose token it is".into());
    };
    let pages = look.map_or(0, |look| look.pages);
    let size = if look.is_some_and(|look| look.small) { SMALL_PAGE } else { PAGE };
    let before = look.and_then(|look| look.before.as_deref());
    harmless(format!("look-{}-{pages}", view.done.posts.len()), view.wire.own_statuses(account, size, before))
}

/// Reads one page of our posts.
pub(super) fn read_page(answer: &Answer<'_>, page: usize) -> Reading {
    let attempt = answer.attempt;
    let Some(wanted) = Wanted::of(attempt) else {
        return Reading::Retry { after: None, why: "nobody knows what to look for".into() };
    };
    let held = Look::of(attempt, wanted.part);
    let mut look = if page > 0 { held } else { Look { small: held.small, ..Look::new(attempt, wanted.part) } };
    let value = answer.reply.value().filter(|_| answer.reply.status == 200);
    let Some(items) = value.as_ref().and_then(Value::as_array) else {
        if answer.reply.status == 200 && answer.reply.cut && !look.small {
            look.small = true;
            return look.conclude(attempt);
        }
        return answer.forbidden("read:statuses").unwrap_or_else(|| answer.unanswered("failed to read our own posts"));
    };
    look.pages += 1;
    look.posts += u32::try_from(items.len()).unwrap_or(POSTS);
    let floor = attempt.floor(wire::server_time(answer.reply), SKEW);
    for item in items {
        match wanted.judge(item, floor, attempt) {
            Judgement::Other => {}
            Judgement::Ours(post) | Judgement::Perhaps(Candidate { post, .. }) if look.has_met(&post.id) => {}
            Judgement::Ours(post) => look.found.push(post),
            Judgement::Perhaps(candidate) if look.open.len() < SOURCES => look.open.push(candidate),
            Judgement::Perhaps(_) => look.doubt("too many posts could be ours"),
            Judgement::Alike => look.doubt("a post with nothing but media could be ours"),
            Judgement::Earlier => look.doubt("a post from before this delivery began says the same"),
        }
    }
    let last = items.last().and_then(|item| Id::read(&item["id"]));
    let passed = items.last().and_then(created).is_some_and(|at| at < floor);
    let stuck = last.is_none() || last == look.before;
    if items.is_empty() || passed {
        look.ended = true;
    } else if stuck || look.posts >= POSTS {
        look.ended = true;
        look.doubt("our list of posts is too long to be read through");
    }
    look.before = last;
    look.conclude(attempt)
}

/// Reads the source of the first post that could be ours.
pub(super) fn read_source(answer: &Answer<'_>) -> Reading {
    let attempt = answer.attempt;
    let Some(wanted) = Wanted::of(attempt) else {
        return Reading::Retry { after: None, why: "nobody knows what to look for".into() };
    };
    let mut look = Look::of(attempt, wanted.part);
    if look.open.is_empty() {
        return Reading::Retry { after: None, why: "nobody asked for this source".into() };
    }
    let value = answer.reply.value().filter(|_| answer.reply.status == 200);
    let source = value.as_ref().map(|value| &value["text"]).filter(|text| text.is_string() || text.is_null());
    let candidate = match (source, answer.reply.status) {
        (Some(source), _) => {
            let candidate = look.open.remove(0);
            let said = text::comparable(source.as_str().unwrap_or_default());
            if candidate.texts.contains(&said) {
                look.found.push(candidate.post);
            } else if candidate.edited {
                look.doubt("a post that could be ours was edited");
            }
            None
        }
        // The server has no sources, or the post was deleted since.
        (None, 404 | 405 | 410 | 501) => Some(look.open.remove(0)),
        _ => {
            return answer
                .forbidden("read:statuses")
                .unwrap_or_else(|| answer.unanswered("failed to read a post's source"));
        }
    };
    match candidate {
        Some(candidate) if candidate.html => look.found.push(candidate.post),
        Some(_) => look.doubt("the server does not tell what a post of ours says"),
        None => {}
    }
    look.conclude(attempt)
}

impl Look {
    fn new(attempt: &Attempt<'_>, part: usize) -> Self {
        Self {
            part,
            at: attempt.now,
            pages: 0,
            posts: 0,
            small: false,
            before: None,
            ended: false,
            open: Vec::new(),
            found: Vec::new(),
            doubt: None,
            verdict: None,
        }
    }

    /// The look that is under way.
    fn of(attempt: &Attempt<'_>, part: usize) -> Self {
        let held = Scratch::of(attempt).look.filter(|look| look.part == part && look.verdict.is_none());
        held.unwrap_or_else(|| Self::new(attempt, part))
    }

    /// Pages overlap when posts are deleted between them.
    fn has_met(&self, id: &str) -> bool {
        self.found.iter().chain(self.open.iter().map(|candidate| &candidate.post)).any(|post| post.id == id)
    }

    fn is_current(&self, part: usize, now: Timestamp) -> bool {
        self.part == part && time::since(now, self.at) <= STALE
    }

    fn doubt(&mut self, why: &str) {
        self.doubt.get_or_insert_with(|| why.into());
    }

    /// What is known now: the end of the look, or where it goes on.
    fn conclude(mut self, attempt: &Attempt<'_>) -> Reading {
        self.at = attempt.now;
        if self.ended && self.open.is_empty() {
            self.verdict = match (self.found.as_slice(), &self.doubt) {
                ([post], _) => return Reading::Found(data(post)),
                ([], None) => return Reading::Absent,
                ([], Some(doubt)) => Some(doubt.clone()),
                (several, _) => Some(format!("{} posts of ours say the same", several.len())),
            };
        }
        let scratch = Scratch { look: Some(self), ..Scratch::of(attempt) };
        scratch.learned()
    }
}

fn created(item: &Value) -> Option<Timestamp> {
    item["created_at"].as_str()?.parse().ok()
}

/// What is looked for.
struct Wanted {
    part: usize,
    account: String,
    /// Pairs of warning and text as servers may have stored them.
    said: Vec<(String, String)>,
    visibility: &'static [&'static str],
    parent: Option<Parent>,
    /// Alt texts, and the ids of uploads where they are known.
    alts: Vec<String>,
    uploads: Vec<String>,
}

enum Judgement {
    Other,
    Ours(Posted),
    Perhaps(Candidate),
    /// As many media as ours without a word, and not our uploads: neither ours for sure nor not.
    Alike,
    /// It says the same, but is dated before the delivery began. Either somebody said it before, or a clock was wrong.
    Earlier,
}

impl Wanted {
    fn of(attempt: &Attempt<'_>) -> Option<Self> {
        let (job, done) = (attempt.job, Done::of(attempt.done));
        let part = done.posts.len();
        let token = attempt.secrets.get("token")?;
        let account = identity_of(attempt.session, token)?.to_owned();
        let text = text::comparable(text::compose(&job.content).get(part)?);
        let warning = text::comparable(job.content.warning.as_deref().unwrap_or_default());
        let mut said = vec![(warning.clone(), text.clone())];
        // Mastodon makes the warning the text where there is no other.
        if text.is_empty() && !warning.is_empty() {
            said.push((String::new(), warning));
        }
        let parent = match (done.posts.last(), &job.content.reply_to) {
            (Some(before), _) => Some(Parent::Id(before.id.clone())),
            (None, None) => None,
            (None, Some(_)) => match (&job.answers, Scratch::of(attempt).parent) {
                (_, Some(parent)) => Some(parent),
                (Some(remote), None) => Some(Parent::Id(remote.id.clone())),
                (None, None) => Some(Parent::Gone),
            },
        };
        let media = if part == 0 { job.content.media.as_slice() } else { &[] };
        Some(Self {
            part,
            account,
            said,
            visibility: match job.content.visibility {
                Visibility::Public => &["public", "unlisted", "private"],
                Visibility::Unlisted => &["unlisted", "private"],
                Visibility::Followers => &["private"],
            },
            parent,
            alts: media.iter().map(|item| text::comparable(&item.alt)).collect(),
            uploads: if part == 0 { done.uploads.into_values().map(|held| held.id).collect() } else { Vec::new() },
        })
    }

    /// What a post of our list has to do with it.
    fn judge(&self, item: &Value, floor: Timestamp, attempt: &Attempt<'_>) -> Judgement {
        let Some(status) = Status::read(item).filter(|status| status.account == self.account) else {
            return Judgement::Other;
        };
        let known = attempt.job.taken.contains(&status.id)
            || Done::of(attempt.done).posts.iter().any(|post| post.id == status.id);
        let early = created(item).is_some_and(|at| at < floor);
        if known || item["reblog"].is_object() {
            return Judgement::Other;
        }
        let edited = item["edited_at"].is_string();
        let post = Posted {
            part: self.part,
            id: status.id,
            url: status.url,
            visibility: status.visibility.clone(),
            attempt: attempt.job.attempt,
            at: attempt.now,
            seen: true,
        };
        let attached = item["media_attachments"].as_array().map(Vec::as_slice).unwrap_or_default();
        let ids: Vec<String> = attached.iter().filter_map(|media| Id::read(&media["id"])).collect();
        // Nobody else has these very uploads.
        if !ids.is_empty() && ids.iter().all(|id| self.uploads.contains(id)) {
            return Judgement::Ours(post);
        }
        let alt = |media: &Value| text::comparable(media["description"].as_str().unwrap_or_default());
        let same_media = attached.iter().map(alt).collect::<Vec<_>>() == self.alts;
        let same_place = self.is_below(&item["in_reply_to_id"]);
        let seen_by = status.visibility.as_deref().is_none_or(|held| self.visibility.contains(&held));
        let warning = text::comparable(item["spoiler_text"].as_str().unwrap_or_default());
        let texts: Vec<String> =
            self.said.iter().filter(|(held, _)| *held == warning || edited).map(|(_, text)| text.clone()).collect();
        if !(same_place && seen_by) || texts.is_empty() || !(same_media || edited) {
            return Judgement::Other;
        }
        if early {
            let said = item["text"].as_str().map(|said| texts.contains(&text::comparable(said)));
            let shown = || item["content"].as_str().is_some_and(|html| texts.iter().any(|t| text::shows(html, t)));
            return if said.unwrap_or_else(shown) { Judgement::Earlier } else { Judgement::Other };
        }
        let wordless = self.alts.iter().chain(&texts).all(String::is_empty);
        if wordless && !attached.is_empty() {
            return Judgement::Alike;
        }
        match item["text"].as_str() {
            Some(said) if texts.contains(&text::comparable(said)) => Judgement::Ours(post),
            Some(_) if !edited => Judgement::Other,
            _ => {
                let html =
                    item["content"].as_str().is_some_and(|html| texts.iter().any(|text| text::shows(html, text)));
                Judgement::Perhaps(Candidate { post, texts, edited, html })
            }
        }
    }

    /// Whether it answers what ours answers. A parent that was deleted leaves none behind.
    fn is_below(&self, held: &Value) -> bool {
        match &self.parent {
            None => held.is_null(),
            Some(Parent::Gone) => true,
            Some(Parent::Id(id)) => held.is_null() || Id::read(held).is_some_and(|held| held == *id),
        }
    }
}
