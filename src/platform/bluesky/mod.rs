//! Bluesky, through the account's personal data server (PDS), the AT Protocol's `com.atproto.repo` calls.
//!
//! A post is a record under a key that we choose. Keys and moments are made once, before the first attempt
//! ([`record::Frozen`]), and every attempt sends the same record to the same key with `putRecord` and
//! `swapRecord: null`: the first one creates it, any later one is answered alike and changes nothing, and a record
//! that is not ours is never overwritten. So a lost reply is settled by sending once more, at any time.
//!
//! The steps of one attempt: a login where one is needed ([`session`]), `upload-N` for each image, `resolve-N` for
//! each handle that is mentioned, `target` for somebody's post that is answered, then `publish-N` for each part. A
//! part names the one before it by address and content, so parts go out one by one. `resolve` and `target` change
//! nothing on the server, and still count as leaving something: what they learn goes into the record, so it must
//! survive a crash for the repeat to be the same.
//!
//! What it does not do: video, galleries, thumbnails on cards, editing, deleting, custom reply controls. Images
//! leave as they were approved, metadata included. Warnings and visibility have no place on this
//! platform: see [`record`] for the first, and [`Adapter::check`] refuses the second.

mod cid;
mod examine;
pub mod record;
mod session;
mod sweep;
pub mod syntax;
pub mod text;
pub mod twin;
mod wire;

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::contract::examine::{Examination, Facts};
use super::contract::sweep::{Looking, Sweep, Sweeper};
use super::contract::{
    Abilities, Adapter, Answers, Ask, Attempt, AuthFlow, Complaint, Effect, Entry, Evidence, HttpReply, Job, Key,
    KeyKind, Next, Pace, Purpose, Reading, Reply, Session, Step, Table,
};
use crate::domain::{Checkpoint, Content, Remote, ReplyTo, SecretRef, Timestamp, Visibility};
use record::{Around, Frozen, Image, StrongRef};
use syntax::PostAddress;
use wire::{Trouble, Wire};

/// Most images in one post, and most bytes of each (lexicon `app.bsky.embed.images`). Servers that have not been
/// brought up to date refuse more than a million bytes.
const IMAGES: usize = 4;
const IMAGE_BYTES: usize = 2_000_000;
/// Most tags in the record's own field (lexicon `app.bsky.feed.post`).
const TAGS: usize = 8;
/// Files by these endings are surely no images. What has another ending is judged by its content when it is sent.
const NOT_IMAGES: &[&str] =
    &["mp4", "m4v", "mov", "webm", "mkv", "avi", "mpg", "mpeg", "mp3", "m4a", "ogg", "wav", "pdf"];

pub static ENTRY: Entry = Entry {
    name: "bluesky",
    keys: &[
        Key {
            name: "service",
            kind: KeyKind::Url,
            required: true,
            doc: "The account's personal data server, or its provider's entryway, such as https://bsky.social",
        },
        Key { name: "handle", kind: KeyKind::Text, required: true, doc: "The account's handle without @, or its DID" },
        Key {
            name: session::PASSWORD,
            kind: KeyKind::Secret,
            required: true,
            doc: "An app password, made in the account's settings",
        },
    ],
    can: Abilities {
        text_alone: true,
        images: IMAGES,
        videos: 0,
        sounds: 0,
        documents: 0,
        mixed: false,
        threads: true,
        answers: Answers::Anything,
        warnings: true,
        unlisted: false,
        followers: false,
    },
    build,
    twin: || Box::new(twin::BlueskyTwin::new()),
};

fn build(table: &mut Table) -> Option<Arc<dyn Adapter>> {
    let service = table.base_url("service");
    let handle = table.required("handle").filter(|handle| {
        let known = syntax::is_handle(handle) || syntax::is_did(handle);
        if !known {
            let bare = handle.trim_start_matches('@');
            let hint =
                if syntax::is_handle(bare) { format!("write {bare:?}") } else { "write \"name.example\"".into() };
            table.complain(
                Complaint::new("handle", format!("{handle:?} is neither a handle nor a DID")).with_hint(hint),
            );
        }
        known
    });
    let password = table.secret(session::PASSWORD);
    Some(Arc::new(Bluesky { wire: Wire::new(service?), handle: handle?, password: password? }))
}

/// One account.
#[derive(Debug)]
struct Bluesky {
    wire: Wire,
    handle: String,
    password: SecretRef,
}

impl Adapter for Bluesky {
    fn platform(&self) -> &'static str {
        ENTRY.name
    }

    fn host(&self) -> String {
        let service = self.wire.service();
        let port = service.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}{port}", service.host_str().unwrap_or_default())
    }

    fn place(&self) -> String {
        format!("{}/{}", self.host(), self.handle.to_lowercase())
    }

    fn evidence(&self) -> Evidence {
        Evidence::Repeatable
    }

    fn secrets(&self) -> Vec<(&'static str, SecretRef)> {
        vec![(session::PASSWORD, self.password.clone())]
    }

    fn auth(&self) -> AuthFlow {
        let page = "an app password, made in the app below Settings, Privacy and security, App passwords";
        AuthFlow { page: Some(page.into()), code: None }
    }

    fn check(&self, content: &Content, _session: &Session) -> Vec<Complaint> {
        check(content)
    }

    fn freeze(&self, content: &Content, now: Timestamp, draw: u64) -> Value {
        json!(Frozen::new(content, now, draw))
    }

    fn next(&self, attempt: &Attempt<'_>) -> Next {
        // Both are answers; `Err` is only the shorter way out.
        self.advance(attempt).unwrap_or_else(|early| *early)
    }

    fn read(&self, attempt: &Attempt<'_>, step: &Step, reply: &Reply) -> Reading {
        let Reply::Http(reply) = reply else {
            return Reading::Retry { after: None, why: "a reply of files to a request by HTTP".into() };
        };
        match StepName::parse(&step.name) {
            StepName::Session => session::read(attempt, step, reply),
            StepName::Upload(place) => read_upload(attempt, place, reply),
            StepName::Resolve(place) => read_resolve(attempt, place, reply),
            StepName::Target => read_target(attempt, reply),
            StepName::Publish(part) => read_publish(attempt, part, reply),
            StepName::Look(part) => read_look(attempt, part, reply),
        }
    }

    fn examine(&self, about: &Examination<'_>, replies: &[HttpReply]) -> Ask<Facts> {
        self.examined(about, replies)
    }

    fn sweep(&self, sweep: Sweep, looking: &Looking<'_>) -> Option<Box<dyn Sweeper>> {
        Some(Box::new(sweep::Sweeping::new(self.wire.clone(), &self.handle, sweep, looking)))
    }

    fn pace(&self, reply: &Reply, now: Timestamp) -> Option<Pace> {
        match reply {
            Reply::Http(reply) => wire::pace(reply, now),
            _ => None,
        }
    }
}

/// The steps by name, with the place they are for.
enum StepName {
    Session,
    Upload(usize),
    Resolve(usize),
    Target,
    Publish(usize),
    Look(usize),
}

impl StepName {
    fn parse(name: &str) -> Self {
        let place = || name.rsplit_once('-').and_then(|(_, place)| place.parse().ok()).unwrap_or(usize::MAX);
        match name.split('-').next().unwrap_or_default() {
            "upload" => Self::Upload(place()),
            "resolve" => Self::Resolve(place()),
            "target" => Self::Target,
            "publish" => Self::Publish(place()),
            "look" => Self::Look(place()),
            _ => Self::Session,
        }
    }
}

/// What is remembered in [`Remote::reference`], for posts that answer this one.
#[derive(Debug, Serialize, Deserialize)]
struct Reference {
    /// Where the conversation began.
    root: StrongRef,
    /// The last part, which an answer hangs below.
    last: StrongRef,
}

/// Whose a handle is; `None`: nobody's.
#[derive(Debug, Serialize, Deserialize)]
struct Resolved {
    handle: String,
    did: Option<String>,
}

/// What a post answers, as far as it is known.
enum Target {
    Nothing,
    Known(record::Reply),
    /// Has to be asked for.
    At(PostAddress),
    Nowhere(&'static str),
}

impl Bluesky {
    fn advance(&self, attempt: &Attempt<'_>) -> Result<Next, Box<Next>> {
        let job = attempt.job;
        let content = &job.content;
        let frozen = Frozen::read(&job.frozen, content).ok_or_else(|| {
            Box::new(Next::Refuse("the record keys of the first attempt do not fit this post".into()))
        })?;
        let published = published(attempt.done, record::parts(content));
        let part = published.len();
        let Some(rkey) = frozen.rkeys.get(part) else {
            return Ok(Next::Done(remote(job, attempt.done, &frozen, &published)));
        };
        if attempt.purpose == Purpose::LookBack {
            return self.look(attempt, part, rkey, &published);
        }
        if let Some(why) = unfit(job) {
            return Ok(Next::Refuse(why));
        }
        let login = session::login(&self.wire, &self.handle, attempt)?;
        let leave = |name: String, call| Next::Call(Step { name, effect: Effect::Leaves, call });
        let images: Vec<_> =
            (0..job.media.len()).map(|place| checkpoint(attempt.done, &format!("upload-{place}"))).collect();
        if part == 0
            && let Some(place) = images.iter().position(Option::is_none)
        {
            let call = self.wire.upload_blob(login.access, &job.media[place]);
            return Ok(leave(format!("upload-{place}"), call));
        }
        let people = resolved(attempt.done);
        for (place, handle) in handles(job).iter().enumerate() {
            if !people.iter().any(|person| person.handle == *handle) {
                return Ok(leave(format!("resolve-{place}"), self.wire.resolve_handle(handle)));
            }
        }
        let did_of = |handle: &str| people.iter().find(|person| person.handle == handle)?.did.as_deref();
        let target = match target(job, attempt.done) {
            Target::Nothing => None,
            Target::Known(reply) => Some(reply),
            Target::Nowhere(why) => return Ok(Next::Refuse(why.into())),
            Target::At(at) => {
                let did =
                    if syntax::is_did(&at.repo) { Some(at.repo.as_str()) } else { did_of(&at.repo.to_lowercase()) };
                return Ok(match did {
                    Some(did) => leave("target".into(), self.wire.get_post(Some(login.access), did, &at.rkey)),
                    None => Next::Refuse(format!("the post to answer is nowhere: nobody has the handle {}", at.repo)),
                });
            }
        };
        let reply = match (published.first(), published.last()) {
            (Some(first), Some(last)) => {
                let root = target.map_or_else(|| first.clone(), |target| target.root);
                Some(record::Reply { root, parent: last.clone() })
            }
            _ => target,
        };
        let sizes = job.media.iter().map(|media| media.size);
        let around = Around {
            people: people.iter().filter_map(|person| Some((person.handle.as_str(), person.did.as_deref()?))).collect(),
            images: images.into_iter().flatten().zip(sizes).map(|(blob, size)| Image { blob, size }).collect(),
            reply,
        };
        let record = record::record(content, &frozen, part, &around);
        let call = self.wire.put_post(login.access, &login.did, rkey, &record);
        Ok(Next::Call(Step { name: format!("publish-{part}"), effect: Effect::Publishes, call }))
    }

    /// Asks for the record under our key. Whose repository that is must be known by DID: a handle may have gone to
    /// somebody else, who of course does not have it.
    fn look(&self, attempt: &Attempt<'_>, part: usize, rkey: &str, published: &[StrongRef]) -> Result<Next, Box<Next>> {
        let known = attempt.session.identity.clone();
        let from_parts = || Some(PostAddress::parse(&published.first()?.uri)?.repo);
        let did = match known.or_else(from_parts) {
            Some(did) => did,
            None => session::login(&self.wire, &self.handle, attempt)?.did,
        };
        let call = self.wire.get_post(session::access(attempt.session, attempt.now), &did, rkey);
        Ok(Next::Call(Step { name: format!("look-{part}"), effect: Effect::Harmless, call }))
    }
}

fn check(content: &Content) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    for part in 0..record::parts(content) {
        let key = if part == 0 { "text" } else { "thread" };
        let name = if part == 0 { "the text".to_owned() } else { format!("part {}", part + 1) };
        let text = record::text(content, part);
        let (graphemes, bytes) = (text::graphemes(&text), text.len());
        if graphemes > text::GRAPHEMES {
            let reason = format!("{name} has {graphemes} characters, bluesky takes {}", text::GRAPHEMES);
            complaints.push(Complaint::new(key, reason).with_hint(SHORTER));
        }
        if bytes > text::BYTES {
            let reason = format!("{name} has {bytes} bytes, bluesky takes {}", text::BYTES);
            complaints.push(Complaint::new(key, reason).with_hint(SHORTER));
        }
        let bare = content.media.is_empty() && content.link.is_none();
        if text.trim().is_empty() && (part > 0 || bare) {
            complaints.push(Complaint::new(key, format!("{name} is empty")));
        }
    }
    let tags = record::tags(content);
    if tags.len() > TAGS {
        complaints.push(Complaint::new(
            "tags",
            format!("{} tags, bluesky takes {TAGS} beside those in the text", tags.len()),
        ));
    }
    for tag in tags {
        let graphemes = text::graphemes(&tag);
        if tag.trim().is_empty() || graphemes > text::TAG_GRAPHEMES || tag.len() > text::TAG_BYTES {
            let reason =
                format!("the tag {tag:?} has {graphemes} characters, bluesky takes 1 to {}", text::TAG_GRAPHEMES);
            complaints.push(Complaint::new("tags", reason));
        }
    }
    complaints.extend(ENTRY.can.complaints(ENTRY.name, content));
    for item in &content.media {
        let ending = item.file.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
        if NOT_IMAGES.contains(&ending.as_str()) {
            complaints.push(Complaint::new("media", format!("{}: only images can go to bluesky", item.file)));
        }
    }
    if content.link.as_deref().is_some_and(|link| record::uri(link).is_none()) {
        complaints.push(Complaint::new("link", "the link is not an http or https address"));
    }
    if let Some(lang) = content.lang.as_deref().filter(|lang| !syntax::is_language(lang)) {
        complaints.push(
            Complaint::new("lang", format!("{lang:?} is not a language tag"))
                .with_hint("write it as \"en\" or \"pt-BR\""),
        );
    }
    if content.visibility != Visibility::Public {
        let reason = "everything on bluesky is public; there is no narrower visibility";
        complaints
            .push(Complaint::new("visibility", reason).with_hint("leave this account out, or make the post public"));
    }
    if let Some(ReplyTo::Theirs(address)) = &content.reply_to
        && PostAddress::parse(address).is_none()
    {
        let hint = "write \"https://bsky.app/profile/NAME/post/KEY\" or \"at://DID/app.bsky.feed.post/KEY\"";
        complaints.push(Complaint::new("reply_to", "this is not the address of a bluesky post").with_hint(hint));
    }
    complaints
}

const SHORTER: &str = "shorten it, split it into a thread, or give this account a variant";

/// What makes the post impossible to publish, once its media are at hand.
fn unfit(job: &Job) -> Option<String> {
    if job.media.len() != job.content.media.len() {
        return Some(format!("{} of {} media files are at hand", job.media.len(), job.content.media.len()));
    }
    if job.media.len() > IMAGES {
        return Some(format!("{} images, bluesky takes {IMAGES}", job.media.len()));
    }
    job.media.iter().find_map(|media| {
        let (file, bytes) = (&media.item.file, media.bytes.len());
        if !media.mime.starts_with("image/") {
            return Some(format!("{file} is {}, and only images can go to bluesky", media.mime));
        }
        (!(1..=IMAGE_BYTES).contains(&bytes))
            .then(|| format!("{file} has {bytes} bytes, bluesky takes 1 to {IMAGE_BYTES}"))
    })
}

fn checkpoint<'a>(done: &'a [Checkpoint], step: &str) -> Option<&'a Value> {
    // The last one: after a `Redo` an older one may be about.
    done.iter().rev().find(|checkpoint| checkpoint.step == step).map(|checkpoint| &checkpoint.data)
}

/// The parts that are published, from the first on.
fn published(done: &[Checkpoint], parts: usize) -> Vec<StrongRef> {
    (0..parts).map_while(|part| StrongRef::deserialize(checkpoint(done, &format!("publish-{part}"))?).ok()).collect()
}

fn resolved(done: &[Checkpoint]) -> Vec<Resolved> {
    let steps = done.iter().rev().filter(|checkpoint| checkpoint.step.starts_with("resolve-"));
    steps.filter_map(|checkpoint| Resolved::deserialize(&checkpoint.data).ok()).collect()
}

/// Every handle that has to be resolved, in an order that does not change.
fn handles(job: &Job) -> Vec<String> {
    let mut handles = record::handles(&job.content);
    if let Target::At(at) = target(job, &[])
        && !syntax::is_did(&at.repo)
    {
        handles.insert(at.repo.to_lowercase());
    }
    handles.into_iter().collect()
}

fn target(job: &Job, done: &[Checkpoint]) -> Target {
    let at = match &job.content.reply_to {
        None => return Target::Nothing,
        Some(ReplyTo::Theirs(address)) => PostAddress::parse(address),
        Some(ReplyTo::Ours(_)) => {
            let Some(remote) = &job.answers else { return Target::Nowhere("the post to answer is not delivered") };
            if let Ok(Reference { root, last }) = Reference::deserialize(remote.reference.value()) {
                return Target::Known(record::Reply { root, parent: last });
            }
            // A person has said where it is; the rest can be asked for.
            PostAddress::parse(&remote.id).or_else(|| PostAddress::parse(remote.url.as_deref()?))
        }
    };
    match (checkpoint(done, "target").map(record::Reply::deserialize), at) {
        (Some(Ok(reply)), _) => Target::Known(reply),
        (_, Some(at)) => Target::At(at),
        (_, None) => Target::Nowhere("the post to answer has no address on bluesky"),
    }
}

/// What the post is called, now that all parts are there. `published` is not empty: a post has a part.
fn remote(job: &Job, done: &[Checkpoint], frozen: &Frozen, published: &[StrongRef]) -> Remote {
    let (first, last) = (published.first().cloned(), published.last().cloned());
    let root = match target(job, done) {
        Target::Known(reply) => Some(reply.root),
        Target::Nothing => first.clone(),
        // What it answers was not kept. An answer to this one will ask for the root.
        Target::At(_) | Target::Nowhere(_) => None,
    };
    let id = first.map(|first| first.uri).unwrap_or_default();
    let did = PostAddress::parse(&id).map(|at| at.repo).unwrap_or_default();
    let rkey = frozen.rkeys.first().map(String::as_str).unwrap_or_default();
    Remote {
        url: Some(format!("https://bsky.app/profile/{did}/post/{rkey}")),
        id,
        reference: root.zip(last).map(|(root, last)| json!(Reference { root, last }).into()).unwrap_or_default(),
    }
}

/// What trouble means for a step that needs a login and surely did nothing by it, and for one that may have.
fn settle(attempt: &Attempt<'_>, effect: Effect, trouble: Trouble) -> Reading {
    match trouble {
        Trouble::Token(why) => session::refused(attempt, why, false),
        Trouble::LoggedOut(why) => session::refused(attempt, why, true),
        Trouble::Stopped(why) => Reading::Auth { why },
        Trouble::TooMuch { until, why } => Reading::RateLimited { until, why },
        Trouble::Refused { why, .. } => Reading::Refused { why },
        Trouble::Unknown { why, .. } if effect == Effect::Publishes => Reading::Unclear { why },
        Trouble::Unknown { after, why } => Reading::Retry { after, why },
    }
}

fn understand(attempt: &Attempt<'_>, reply: &HttpReply) -> Result<Value, Trouble> {
    wire::understand(reply, &session::hidden(attempt), attempt.now)
}

fn again(why: &str) -> Reading {
    Reading::Retry { after: None, why: why.into() }
}

/// The blob is kept exactly as the server returned it: it may have found another type than we announced, and a
/// record that differs from what it found is refused.
fn read_upload(attempt: &Attempt<'_>, place: usize, reply: &HttpReply) -> Reading {
    let blob = match understand(attempt, reply) {
        Ok(value) => value.get("blob").cloned().unwrap_or_default(),
        Err(trouble) => return settle(attempt, Effect::Leaves, trouble),
    };
    let link = blob.get("ref").and_then(|link| link.get("$link")?.as_str()).unwrap_or_default();
    let size = blob.get("size").and_then(Value::as_u64);
    let Some(media) = attempt.job.media.get(place) else { return again("an upload of no file of this post") };
    match blob.get("mimeType").and_then(Value::as_str) {
        Some(mime) if !mime.starts_with("image/") => {
            let mime = wire::quote(mime, &session::hidden(attempt)).chars().take(80).collect::<String>();
            Reading::Refused { why: format!("the server takes {} for {mime:?}, not for an image", media.item.file) }
        }
        Some(_) if !link.is_empty() && size == Some(media.bytes.len() as u64) => Reading::Checkpoint(blob),
        _ => again("the blob in the reply is not the one that was sent"),
    }
}

/// A handle that the server does not know stays plain text: the post was approved with its words, and those go out.
fn read_resolve(attempt: &Attempt<'_>, place: usize, reply: &HttpReply) -> Reading {
    let Some(handle) = handles(attempt.job).into_iter().nth(place) else { return again("a handle of no part") };
    let did = match understand(attempt, reply) {
        Ok(value) => match value.get("did").and_then(Value::as_str).filter(|did| syntax::is_did(did)) {
            Some(did) => Some(did.to_owned()),
            None => return again("the reply to the handle is not a DID"),
        },
        Err(Trouble::Refused { .. } | Trouble::Stopped(_)) => None,
        // It was asked without a login, so a login cannot be what is wrong.
        Err(Trouble::Token(why) | Trouble::LoggedOut(why)) => return Reading::Retry { after: None, why },
        Err(trouble) => return settle(attempt, Effect::Leaves, trouble),
    };
    Reading::Checkpoint(json!(Resolved { handle, did }))
}

fn read_target(attempt: &Attempt<'_>, reply: &HttpReply) -> Reading {
    let value = match understand(attempt, reply) {
        Ok(value) => value,
        Err(Trouble::Refused { why, .. } | Trouble::Stopped(why)) => {
            return Reading::Refused { why: format!("the post to answer cannot be had: {why}") };
        }
        Err(trouble) => return settle(attempt, Effect::Leaves, trouble),
    };
    let Target::At(asked) = target(attempt.job, &[]) else { return again("an answer to no question") };
    let parent = StrongRef::deserialize(&value).ok().filter(|parent| {
        PostAddress::parse(&parent.uri).is_some_and(|at| syntax::is_did(&at.repo) && at.rkey == asked.rkey)
    });
    let (Some(parent), Some(value)) = (parent, value.get("value").filter(|value| value.is_object())) else {
        return again("the reply does not hold the post to answer");
    };
    // Whoever answers joins the conversation where it began.
    let root = value.get("reply").and_then(|reply| reply.get("root"));
    let root = root.and_then(|root| StrongRef::deserialize(root).ok()).unwrap_or_else(|| parent.clone());
    Reading::Checkpoint(json!(record::Reply { root, parent }))
}

fn read_publish(attempt: &Attempt<'_>, part: usize, reply: &HttpReply) -> Reading {
    match understand(attempt, reply) {
        Ok(value) => match ours(attempt, part, &value) {
            Some(held) => Reading::Checkpoint(json!(held)),
            None => Reading::Unclear { why: "the reply does not name the record that was sent".into() },
        },
        Err(Trouble::Refused { name, why }) => match name.as_str() {
            // Another record under our key: ours with another facet, or somebody's. Looking tells.
            "InvalidSwap" | "RecordAlreadyExists" => Reading::AlreadyThere { why },
            "BlobNotFound" | "InvalidMimeType" | "InvalidSize" => Reading::Redo { why },
            _ => Reading::Refused { why },
        },
        Err(trouble) => settle(attempt, Effect::Publishes, trouble),
    }
}

fn read_look(attempt: &Attempt<'_>, part: usize, reply: &HttpReply) -> Reading {
    let value = match understand(attempt, reply) {
        Ok(value) => value,
        Err(Trouble::Refused { name, .. }) if name == "RecordNotFound" => return Reading::Absent,
        // Older servers say it in words only.
        Err(Trouble::Refused { why, .. }) if why.contains("Could not locate record") => return Reading::Absent,
        Err(Trouble::Refused { why, .. }) => return Reading::Retry { after: None, why },
        Err(trouble) => return settle(attempt, Effect::Harmless, trouble),
    };
    let record = value.get("value").filter(|value| value.is_object());
    let (Some(held), Some(record)) = (ours(attempt, part, &value), record) else {
        return again("the reply does not hold the record asked for");
    };
    let Some(frozen) = Frozen::read(&attempt.job.frozen, &attempt.job.content) else {
        return again("the record keys of the first attempt do not fit this post");
    };
    let has = |key: &str| record.get(key)?.as_str();
    let text = record::text(&attempt.job.content, part);
    // Text and moment are enough: nobody else writes there, and a mention may have been resolved otherwise.
    if has("text") == Some(&text) && has("createdAt") == frozen.created.get(part).map(String::as_str) {
        Reading::Found(json!(held))
    } else {
        Reading::Refused { why: format!("another record stands where this post should be: {}", held.uri) }
    }
}

/// The record that a reply names, when it is the one of part `part` in our repository.
fn ours(attempt: &Attempt<'_>, part: usize, value: &Value) -> Option<StrongRef> {
    let held = StrongRef::deserialize(value).ok()?;
    let frozen = Frozen::read(&attempt.job.frozen, &attempt.job.content)?;
    let at = PostAddress::parse(&held.uri)?;
    let mine = attempt.session.identity.as_ref().is_none_or(|did| *did == at.repo);
    (mine && syntax::is_did(&at.repo) && at.rkey == *frozen.rkeys.get(part)? && !held.cid.is_empty()).then_some(held)
}

#[cfg(test)]
mod tests;
