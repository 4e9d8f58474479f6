//! YouTube, by the Data API v3. A post is one video.
//!
//! What one attempt does, step by step: `token` and `channel` where they are not known ([`session`]); `begin`, which
//! opens an upload session; `ask`, how much of the film that session has; `chunk-N`, the bytes from N on; `video`, the
//! last of them, which makes a private video; `thumbnail`; `captions`; `processing`, until YouTube has understood the film;
//! `playlist-look` and `playlist`; and `publish-0`, which makes the private video public.
//!
//! What is decided here, and why:
//! - **What people see comes of one small request.** Everything before it is private. It sets a video's status, so
//!   repeating it makes no second video. It is looked back for all the same and not simply repeated: a video that is
//!   seen to be no longer private is published, whoever has set it so since, and a person who has taken a published
//!   video back is not overruled. What a look cannot tell is whether somebody took it back before we first looked.
//! - **A lost reply to the bytes makes no second video.** The session is the idempotency token: it is asked before any
//!   byte is sent, in every attempt, and the answer alone says where to go on. One that has all bytes answers with the
//!   video that it made. So chunks need no checkpoints, and count as harmless: what they leave belongs to the session,
//!   whose checkpoint is there. Only a session that is gone before it told what it made may leave a private video
//!   that nobody needs; the upload then begins anew.
//! - **The session's address is a bearer capability**: who knows it may put bytes into this upload until that is whole.
//!   It stands in the checkpoint under the key that the ledger has sealed or not at all
//!   ([`crate::domain::Checkpoint::PRIVATE`]): without a key for the store, an upload begins anew after a restart. With
//!   the last byte it loses its power. It goes into no log, no reason and no export, and only to hosts that may have our
//!   token anyway ([`wire::Wire::session`]).
//! - **What was approved goes out whole.** A thumbnail or captions that are refused hold the video back, and so does a
//!   playlist that is not there: all come first, while nobody sees the video. Setting a thumbnail again changes nothing;
//!   captions of a language and name that are there already are refused as such, so that a second try proves the first; a
//!   playlist is looked through before something is put into it, and a second entry would harm nobody.
//! - **Processing is waited for**, ten minutes at most: a film that YouTube cannot read is refused while it is private.
//!   After that the video goes out and gets better while people watch.
//! - **A project that Google has not audited publishes nothing**: YouTube keeps what it uploads private, and the reply
//!   to the publishing step shows it. That is refused with what to do.
//!
//! What it does not do: captions in several languages, comments, threads, scheduling by YouTube, editing, deleting, live streams; alternative
//! texts have no place there. It does not ask who is subscribed, and keeps no count of the quota.

mod examine;
mod login;
mod media;
mod progress;
mod reading;
mod session;
mod sweep;
pub mod text;
pub mod twin;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use url::Url;

use super::contract::examine::{End, Examination, Facts};
use super::contract::sweep::{Looking, Sweep, Sweeper};
use super::contract::{
    Abilities, Adapter, Answers, Ask, Attempt, AuthFlow, Call, Complaint, Effect, Entry, Evidence, HttpReply, Key,
    KeyKind, Next, Purpose, Reading, Reply, Secrets, Session, Step, Table, Twin,
};
use crate::domain::{Content, Remote, Secret, SecretRef, Timestamp, Visibility};
use media::Roles;
use progress::{Done, Scratch, Uploaded};
use wire::Wire;

/// How long what was set may not be seen by who asks.
const LAG: Duration = Duration::from_secs(5 * 60);
/// YouTube API Services, Developer Policies, III.E.4: what is stored of other people must be asked for again or deleted
/// within thirty days.
const RETENTION: Duration = Duration::from_secs(30 * 86_400);
/// "People & Blogs", which every region has.
const CATEGORY: &str = "22";

pub static ENTRY: Entry = Entry {
    name: "youtube",
    keys: &[
        Key {
            name: "client_id",
            kind: KeyKind::Text,
            required: true,
            doc: "The OAuth client of the Google project, such as `123-abc.apps.googleusercontent.com`.",
        },
        Key { name: session::CLIENT_SECRET, kind: KeyKind::Secret, required: true, doc: "The secret of that client." },
        Key {
            name: session::REFRESH_TOKEN,
            kind: KeyKind::Secret,
            required: true,
            doc: "The refresh token that connecting the channel has given (`cadenced auth`), with the scope `youtube.force-ssl`.",
        },
        Key {
            name: "playlist",
            kind: KeyKind::Text,
            required: false,
            doc: "Id of a playlist of the channel, into which every video goes.",
        },
        Key {
            name: "category",
            kind: KeyKind::Text,
            required: false,
            doc: "Number of the videos' category. Default: `22`, People & Blogs.",
        },
        Key {
            name: "made_for_kids",
            kind: KeyKind::Bool,
            required: false,
            doc: "Whether the videos are made for children, as the law asks to be declared. Default: false.",
        },
        Key {
            name: "base_url",
            kind: KeyKind::Url,
            required: false,
            doc: "Address of the API. Default: `https://www.googleapis.com`.",
        },
        Key {
            name: "auth_url",
            kind: KeyKind::Url,
            required: false,
            doc: "Address of the token endpoint, without `/token`. Default: `https://oauth2.googleapis.com`.",
        },
    ],
    // The one image beside a video is its thumbnail, which is no part of what is shown: see `media`.
    can: Abilities {
        text_alone: false,
        images: 0,
        videos: 1,
        sounds: 0,
        documents: 0,
        mixed: false,
        threads: false,
        answers: Answers::Nothing,
        warnings: false,
        unlisted: true,
        followers: false,
    },
    build,
    twin: || Box::new(twin::YoutubeTwin::new()) as Box<dyn Twin>,
};

fn build(table: &mut Table) -> Option<Arc<dyn Adapter>> {
    let api = table.base_url_or("base_url", wire::API);
    let auth = table.base_url_or("auth_url", wire::AUTH);
    let client = table.required("client_id");
    let client_secret = table.secret(session::CLIENT_SECRET);
    let refresh_token = table.secret(session::REFRESH_TOKEN);
    let playlist = known(table, "playlist", is_id, "it stands behind `list=` in the playlist's address");
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let category =
        known(table, "category", is_number, "such as \"22\" (People & Blogs) or \"28\" (Science & Technology)");
    let made_for_kids = table.bool("made_for_kids").unwrap_or(false);
    let (playlist, category) = (playlist?, category?.unwrap_or_else(|| CATEGORY.into()));
    Some(Arc::new(Youtube {
        wire: Wire::new(api?, auth?),
        client: client?,
        client_secret: client_secret?,
        refresh_token: refresh_token?,
        playlist,
        category,
        made_for_kids,
    }))
}

/// The text under a key that may be left out; the outer `None` when it is there and cannot be meant.
fn known(table: &mut Table, key: &str, good: impl Fn(&str) -> bool, hint: &str) -> Option<Option<String>> {
    let text = table.text(key);
    if text.as_deref().is_none_or(good) {
        return Some(text);
    }
    table.complain(Complaint::new(key, format!("this is no {key} of youtube")).with_hint(hint));
    None
}

/// Whether a text may be the id of a channel, a video or a playlist.
fn is_id(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    (2..=128).contains(&text.len()) && text.bytes().all(plain)
}

/// One channel.
#[derive(Debug)]
struct Youtube {
    wire: Wire,
    client: String,
    client_secret: SecretRef,
    refresh_token: SecretRef,
    playlist: Option<String>,
    category: String,
    made_for_kids: bool,
}

impl Adapter for Youtube {
    fn platform(&self) -> &'static str {
        ENTRY.name
    }

    fn host(&self) -> String {
        let api = self.wire.api();
        let port = api.port().map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}{port}", api.host_str().unwrap_or_default())
    }

    /// Which channel it is, only YouTube knows; the token that opens it stands for it.
    fn place(&self) -> String {
        format!("{}, token from {}", self.host(), self.refresh_token)
    }

    fn evidence(&self) -> Evidence {
        Evidence::LookBack { lag: LAG }
    }

    fn secrets(&self) -> Vec<(&'static str, SecretRef)> {
        vec![(session::CLIENT_SECRET, self.client_secret.clone()), (session::REFRESH_TOKEN, self.refresh_token.clone())]
    }

    fn auth(&self) -> AuthFlow {
        let page = "the client's secret and a refresh token, which connecting the channel gives";
        let login = |dialog| login::Login { wire: self.wire.clone(), dialog, client: self.client.clone() };
        let code = Url::parse(login::DIALOG).ok().map(|dialog| Box::new(login(dialog)) as _);
        AuthFlow { page: Some(page.into()), code }
    }

    fn check(&self, content: &Content, _session: &Session) -> Vec<Complaint> {
        let mut complaints = media::complaints(&ENTRY.can, ENTRY.name, content);
        complaints.extend(text::complaints(content));
        if content.visibility == Visibility::Followers {
            let complaint =
                Complaint::new("visibility", "youtube shows a video to everybody, or to who has its address");
            complaints.push(complaint.with_hint("leave this account out, or make the post public or unlisted"));
        }
        complaints
    }

    /// Words and status are made anew for each attempt, always by the same rules.
    fn freeze(&self, _content: &Content, _now: Timestamp, _draw: u64) -> Value {
        json!({})
    }

    fn examine(&self, about: &Examination<'_>, replies: &[HttpReply]) -> Ask<Facts> {
        self.examined(about, replies)
    }

    fn sweep(&self, sweep: Sweep, looking: &Looking<'_>) -> Option<Box<dyn Sweeper>> {
        Some(Box::new(sweep::Sweeping::new(self.wire.clone(), sweep, looking)))
    }

    fn retention(&self) -> Option<Duration> {
        Some(RETENTION)
    }

    fn ends(&self, session: &Session, _secrets: &Secrets) -> Vec<End> {
        self.ending(session)
    }

    fn next(&self, attempt: &Attempt<'_>) -> Next {
        // Both are answers; `Err` is only the shorter way out.
        self.advance(attempt).unwrap_or_else(|early| *early)
    }

    fn read(&self, attempt: &Attempt<'_>, step: &Step, reply: &Reply) -> Reading {
        match reply {
            Reply::Http(reply) => self.reading(attempt, step, reply),
            _ => Reading::Retry { after: None, why: "a reply of files to a request by HTTP".into() },
        }
    }
}

impl Youtube {
    fn advance(&self, attempt: &Attempt<'_>) -> Result<Next, Box<Next>> {
        let (done, scratch) = (Done::of(attempt.done), Scratch::of(attempt));
        if let Some(published) = &done.published {
            return Ok(Next::Done(remote(&published.published)));
        }
        let token = session::access(&self.wire, &self.client, attempt)?;
        if attempt.purpose == Purpose::LookBack {
            return Ok(self.look(&token, done.uploaded.as_ref()));
        }
        let content = &attempt.job.content;
        if attempt.job.media.len() != content.media.len() {
            return Ok(Next::Refuse("the media files were not handed over".into()));
        }
        let roles = Roles::of(&attempt.job.media).map_err(|why| Box::new(Next::Refuse(why)))?;
        let Some(Uploaded { video, .. }) = &done.uploaded else {
            return self.upload(&token, content, roles, &done, &scratch);
        };
        if let Some(image) = roles.thumbnail.filter(|_| !done.adorned) {
            return Ok(leaves("thumbnail", self.wire.set_thumbnail(&token, video, image)));
        }
        if let Some(captions) = roles.captions.filter(|_| !done.captioned) {
            let lang = content.lang.as_deref().unwrap_or_default();
            return Ok(leaves("captions", self.wire.add_captions(&token, video, lang, captions, &attempt.job.key)));
        }
        if !scratch.processed {
            return Ok(harmless("processing", self.wire.video(&token, video)));
        }
        if let Some(playlist) = self.playlist.as_deref().filter(|playlist| done.listed.as_deref() != Some(playlist)) {
            match scratch.in_playlist {
                Some(true) => {}
                Some(false) => return Ok(leaves("playlist", self.wire.add_to_playlist(&token, playlist, video))),
                None => return Ok(harmless("playlist-look", self.wire.in_playlist(&token, playlist, video))),
            }
        }
        let call = self.wire.set_status(&token, video, &self.status(privacy(content)));
        Ok(Next::Call(Step { name: "publish-0".into(), effect: Effect::Publishes, call }))
    }

    /// What is next until there is a video.
    fn upload(
        &self,
        token: &Secret,
        content: &Content,
        roles: Roles<'_>,
        done: &Done,
        scratch: &Scratch,
    ) -> Result<Next, Box<Next>> {
        let film = roles.film();
        let session = done.begun.as_ref().and_then(|begun| self.wire.session(&begun.session));
        let Some(session) = session else {
            return Ok(leaves("begin", self.wire.begin(token, &self.about(content), film)));
        };
        let Some(from) = scratch.stored else {
            let ask = self.wire.ask(token, session, film);
            return Ok(if scratch.whole { leaves("video", ask) } else { harmless("ask", ask) });
        };
        let rest = roles.film.bytes.get(from..).unwrap_or_default();
        if from == 0 && rest.len() <= wire::CHUNK {
            return Ok(leaves("video", self.wire.chunk(token, session, film, from, roles.film.bytes.clone())));
        }
        let chunk: Arc<[u8]> = rest[..rest.len().min(wire::CHUNK)].into();
        let is_last = chunk.len() == rest.len();
        let call = self.wire.chunk(token, session, film, from, chunk);
        Ok(if is_last { leaves("video", call) } else { harmless(&format!("chunk-{from}"), call) })
    }

    /// Asks for the video. Where there is none yet, nothing can have been published; who answers at all proves it.
    fn look(&self, token: &Secret, uploaded: Option<&Uploaded>) -> Next {
        harmless(
            "look-0",
            match uploaded {
                Some(Uploaded { video, .. }) => self.wire.video(token, video),
                None => self.wire.own_channel(token),
            },
        )
    }

    /// What goes along with the bytes.
    fn about(&self, content: &Content) -> Value {
        let words = text::words(content);
        let mut snippet = json!({
            "title": words.title, "description": words.description, "tags": content.tags, "categoryId": self.category,
        });
        if let Some(lang) = &content.lang {
            snippet["defaultLanguage"] = json!(lang);
        }
        json!({"snippet": snippet, "status": self.status("private")})
    }

    /// The same when the video is made and when it is published, but for who may see it.
    fn status(&self, privacy: &str) -> Value {
        json!({
            "privacyStatus": privacy, "selfDeclaredMadeForKids": self.made_for_kids,
            "embeddable": true, "publicStatsViewable": true, "license": "youtube",
        })
    }
}

fn leaves(name: &str, call: Call) -> Next {
    Next::Call(Step { name: name.into(), effect: Effect::Leaves, call })
}

fn harmless(name: &str, call: Call) -> Next {
    Next::Call(Step { name: name.into(), effect: Effect::Harmless, call })
}

fn privacy(content: &Content) -> &'static str {
    match content.visibility {
        Visibility::Public => "public",
        // `check` lets no narrower one pass; where one would, the narrowest that publishes at all is right.
        Visibility::Unlisted | Visibility::Followers => "unlisted",
    }
}

fn remote(video: &str) -> Remote {
    let url = Some(format!("https://www.youtube.com/watch?v={video}"));
    Remote { id: video.into(), url, reference: Default::default() }
}

#[cfg(test)]
mod tests;
