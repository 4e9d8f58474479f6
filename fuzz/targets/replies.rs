//! One delivery, carried out by the delivery protocol against the platform's imitation, with replies that the input
//! invents.
//!
//! The input is text. Its first line names what is published (`plain`, `thread`, `media`, `answer`, `warning`,
//! `unlisted`), and `found` for an attempt that a crash has left. Each piece after a line `%%` is about one call: the
//! first line says what becomes of it, the rest is the body.
//!
//! | first line | what becomes of the call |
//! |---|---|
//! | `reply STATUS NAME: VALUE \| …` | it does not arrive, and somebody answers so |
//! | `after STATUS NAME: VALUE \| …` | it is carried out, and somebody answers so |
//! | `cut STATUS …` | as `reply`, and the body is not whole |
//! | `bend N` | it is carried out, and the body of its reply is written over from byte N on |
//! | `file N`, `gone N` | file N of what was read is the body, or is not there |
//! | `lost` | it is carried out, and no reply comes |
//! | `unsent` | it is not carried out, and no reply comes |
//! | `never` | it does not leave |
//!
//! A program's reply is its output, and its code is 0 where the status is a success. Relays each say every line of the
//! body, and break off where the status is no success.
//!
//! All else, and each call that no piece is left for, is carried out and answered by the imitation. A byte 1 in a body or
//! a header stands for the account's secret.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use cadenced::deliver::delivery::AccountState;
use cadenced::deliver::{Act, Delivery, Progress};
use cadenced::domain::policy::{DeliveryRules, Retry};
use cadenced::domain::time::after;
use cadenced::domain::{
    AccountId, Content, DeliveryId, Digest, MediaFacts, MediaItem, PostId, ReplyTo, Timestamp, Visibility,
};
use cadenced::ledger::Outcome;
use cadenced::platform::contract::{
    Abilities, Adapter, Answers, Call, Effect, Entry, Evidence, ExecReply, Failure, HttpReply, Job, Media, Reply,
    Secrets, Session, SocketEnd, SocketReply, Step, Table, Twin,
};

/// More steps than any delivery takes: one call has a limit, and each doubt, wait and retry of a look another.
const STEPS: usize = 5_000;
/// How often a token that is refused while a look is needed is accepted again.
const LET_IN: usize = 3;

/// What one platform adds.
pub struct Platform {
    pub entry: &'static Entry,
    pub twin: Box<dyn Twin>,
    /// Somebody's post, for `answer`.
    pub address: &'static str,
}

/// Everything of one run.
struct Run<'a> {
    twin: Box<dyn Twin>,
    secrets: Secrets,
    now: Timestamp,
    script: Vec<&'a [u8]>,
    /// A success that the platform did not tell has been told to a step that only asks.
    misled: bool,
    /// Such a success has been told to any step.
    invented: bool,
}

pub fn run(platform: Platform, bytes: &[u8]) -> &'static str {
    let mut pieces = pieces(bytes);
    let first = if pieces.is_empty() { &[][..] } else { pieces.remove(0) };
    let words = String::from_utf8_lossy(first.split(|&byte| byte == b'\n').next().unwrap_or_default()).into_owned();
    let words: Vec<&str> = words.split(' ').collect();
    pieces.reverse();

    let Platform { entry, twin, address } = platform;
    let adapter = adapter(entry, &*twin);
    let job = job(&*adapter, content(&words, address, &entry.can));
    let (parts, evidence) = (texts(&job.content), adapter.evidence());
    let rules = DeliveryRules {
        timeout: Duration::from_secs(60),
        settle: None,
        retry: Retry { first: Duration::from_secs(30), max: Duration::from_secs(3_600), tries: 8 },
    };
    let secrets = twin.secrets(0);
    let mut run = Run { twin, secrets, now: job.started, script: pieces, misled: false, invented: false };
    let so_far = Progress { done: Vec::new(), published: 0, tries: 0, begun: run.now };
    let mut delivery = Delivery::new(adapter.clone(), rules, job, so_far, 7);
    let mut session = Session::default();
    let secrets = run.secrets.clone();
    let mut act = None;
    if words.contains(&"found") {
        let (found, first) = delivery.found(None, run.now);
        (delivery, act) = (found, Some(first));
    }
    let mut act = act.unwrap_or_else(|| {
        delivery.proceed(AccountState { session: &session, secrets: &secrets, held: None }, run.now)
    });
    let mut let_in = 0;
    let end = 'run: {
        for _ in 0..STEPS {
            let result = match act {
                Act::Call(step) => Some(run.call(&step)),
                Act::Keep { checkpoint, .. } => {
                    assert!(!checkpoint.data.is_null(), "{} has left nothing", checkpoint.step);
                    None
                }
                Act::Session(new) => {
                    session = new;
                    None
                }
                Act::Sleep(until) => {
                    run.now = until.max(after(run.now, Duration::from_secs(1)));
                    None
                }
                Act::End(outcome) => {
                    run.tells_no_secret(&outcome);
                    match outcome {
                        Outcome::Ambiguous { .. } => None,
                        Outcome::Delivered { remote, .. } => {
                            assert!(!remote.id.trim().is_empty(), "delivered, and nobody knows as what");
                            break 'run "delivered";
                        }
                        other => break 'run other.name(),
                    }
                }
                Act::Park { .. } if let_in == LET_IN => break 'run "parked",
                Act::Park { .. } => {
                    let_in += 1;
                    run.now = after(run.now, Duration::from_secs(300));
                    delivery.let_in_again(run.now);
                    session = Session::default();
                    None
                }
            };
            let account = AccountState { session: &session, secrets: &secrets, held: None };
            act = match result {
                Some(result) => delivery.answered(result, account, run.now),
                None => delivery.proceed(account, run.now),
            };
        }
        panic!("it comes to no end: {act:?}");
    };

    let published = run.twin.published();
    for part in &parts {
        let seen = published.iter().filter(|post| post.text.contains(part.as_str())).count();
        // Where the same bytes make one post, not even a lie makes two. Elsewhere nobody can look through a platform
        // that says of a post that it is not there.
        let bound = evidence == Evidence::Repeatable || !run.misled;
        assert!(seen <= 1 || !bound, "{part:?} appeared {seen} times, and it ended {end}");
        assert!(end != "delivered" || run.invented || seen == 1, "{part:?} is called delivered and is not there");
    }
    end
}

fn pieces(bytes: &[u8]) -> Vec<&[u8]> {
    const MARK: &[u8] = b"\n%%\n";
    let mut pieces = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(MARK.len()).position(|window| window == MARK) {
        pieces.push(&rest[..at]);
        rest = &rest[at + MARK.len()..];
    }
    pieces.push(rest);
    pieces
}

impl Run<'_> {
    fn call(&mut self, step: &Step) -> Result<Reply, Failure> {
        self.now = after(self.now, Duration::from_secs(1));
        let piece = self.script.pop().unwrap_or_default();
        let (line, body) = match piece.iter().position(|&byte| byte == b'\n') {
            Some(end) => (&piece[..end], &piece[end + 1..]),
            None => (piece, &[][..]),
        };
        let line = self.with_secret(line);
        let line = String::from_utf8_lossy(&line).into_owned();
        let body = self.with_secret(body);
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match word {
            "reply" | "cut" => Ok(self.invent(step, rest, body, word == "cut")),
            "after" => {
                self.twin.answer(&step.call, self.now);
                Ok(self.invent(step, rest, body, false))
            }
            "bend" | "file" | "gone" => {
                let place = rest.parse::<usize>().unwrap_or_default();
                let genuine = self.twin.answer(&step.call, self.now);
                self.believed(step, matches!(&genuine, Reply::Http(reply) if !(200..300).contains(&reply.status)));
                Ok(bent(genuine, word, place, body))
            }
            "lost" => {
                self.twin.answer(&step.call, self.now);
                Err(Failure::MayHaveArrived("the reply was lost".into()))
            }
            "unsent" => Err(Failure::MayHaveArrived("the request was lost".into())),
            "never" => Err(Failure::NeverLeft("there is no way".into())),
            _ => Ok(self.twin.answer(&step.call, self.now)),
        }
    }

    fn invent(&mut self, step: &Step, line: &str, body: Vec<u8>, cut: bool) -> Reply {
        let (status, headers) = line.split_once(' ').unwrap_or((line, ""));
        let status = status.parse().ok().filter(|status| (100..=599).contains(status)).unwrap_or(200);
        let header = |text: &str| {
            let (name, value) = text.split_once(':')?;
            Some((name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        };
        let headers = headers.split('|').filter_map(header).collect();
        let is_failure = !(200..300).contains(&status);
        self.believed(step, is_failure);
        match step.call {
            Call::Exec(_) => {
                let said = String::from_utf8_lossy(&body).lines().next().unwrap_or_default().to_owned();
                let code = if is_failure { i32::from(status) } else { 0 };
                Reply::Exec(ExecReply { code, output: body, cut, said })
            }
            Call::Fetch(_) => Reply::Fetched { status, bytes: body.len() as u64, digest: Digest::of(&body) },
            Call::Sockets(ref sockets) => {
                let messages: Vec<_> = String::from_utf8_lossy(&body).lines().map(str::to_owned).collect();
                let end = if is_failure { SocketEnd::BrokenOff(line.into()) } else { SocketEnd::Over };
                Reply::Sockets(vec![SocketReply { messages, end }; sockets.len()])
            }
            Call::Http(_) | Call::File(_) => Reply::Http(HttpReply { status, headers, body, cut }),
        }
    }

    /// Notes that the reply to a step is not the platform's own.
    fn believed(&mut self, step: &Step, is_failure: bool) {
        self.invented |= !is_failure;
        self.misled |= !is_failure && step.effect != Effect::Publishes;
    }

    fn with_secret(&self, bytes: &[u8]) -> Vec<u8> {
        let secret = self.secrets.0.values().next().map(|secret| secret.expose()).unwrap_or_default();
        let put = |byte: &u8| if *byte == 1 { secret.as_bytes().to_vec() } else { vec![*byte] };
        bytes.iter().flat_map(put).collect()
    }

    /// Reasons are logged, recorded and shown.
    fn tells_no_secret(&self, outcome: &Outcome) {
        let (Outcome::Retry { why, .. }
        | Outcome::RateLimited { why, .. }
        | Outcome::Auth { why }
        | Outcome::Refused { why }
        | Outcome::Ambiguous { why, .. }
        | Outcome::Uncertain { why }
        | Outcome::Abandoned { why }) = outcome
        else {
            return;
        };
        // What is cut in the middle tells half of it.
        let begins = |secret: &str| why.contains(secret.get(..8).unwrap_or(secret));
        let told = self.secrets.0.values().any(|secret| begins(secret.expose()));
        assert!(!told, "a secret is told: {why}");
    }
}

fn bent(reply: Reply, word: &str, place: usize, body: Vec<u8>) -> Reply {
    match (reply, word) {
        (Reply::Http(mut reply), _) => {
            write_over(&mut reply.body, place, body);
            Reply::Http(reply)
        }
        (Reply::Sockets(mut replies), _) => {
            for message in replies.iter_mut().flat_map(|reply| &mut reply.messages) {
                let mut bytes = std::mem::take(message).into_bytes();
                write_over(&mut bytes, place, body.clone());
                *message = String::from_utf8_lossy(&bytes).into_owned();
            }
            Reply::Sockets(replies)
        }
        (Reply::Exec(mut reply), _) => {
            write_over(&mut reply.output, place, body);
            Reply::Exec(reply)
        }
        (Reply::Fetched { status, bytes, .. }, _) => Reply::Fetched { status, bytes, digest: Digest::of(&body) },
        (Reply::File(mut files), _) => {
            let count = files.len();
            match (files.get_mut(place), word) {
                (Some(file), "file") => *file = Some(body),
                (Some(file), "gone") => *file = None,
                // As many files as were not asked for.
                _ => files.resize(count + place.min(3), Some(body)),
            }
            Reply::File(files)
        }
    }
}

fn write_over(bytes: &mut Vec<u8>, place: usize, with: Vec<u8>) {
    let place = place.min(bytes.len());
    let end = (place + with.len()).min(bytes.len());
    bytes.splice(place..end, with);
}

fn adapter(entry: &Entry, twin: &dyn Twin) -> Arc<dyn Adapter> {
    let values = twin.table(0, "http://127.0.0.1:1/", "folder");
    let mut table = Table::new(AccountId::new("a0").expect("an id"), values, PathBuf::from("/base"));
    (entry.build)(&mut table).expect("the table of an imitation is good")
}

/// What the words ask for, as far as the platform can show it, and no less than it demands.
fn content(words: &[&str], address: &str, can: &Abilities) -> Content {
    let has = |word: &str| words.contains(&word);
    let thread = if has("thread") && can.threads { 1..3 } else { 1..1 };
    Content {
        text: "part 0 of <post> & \"more\"".into(),
        lang: Some("en".into()),
        thread: thread.map(|part| format!("part {part} of <post>")).collect(),
        media: if has("media") || !can.text_alone { media(can) } else { Vec::new() },
        reply_to: (has("answer") && can.answers == Answers::Anything).then(|| ReplyTo::Theirs(address.into())),
        warning: (has("warning") && can.warnings).then(|| "long".into()),
        visibility: if has("unlisted") { Visibility::Unlisted } else { Visibility::Public },
        ..Content::default()
    }
}

fn media(can: &Abilities) -> Vec<MediaItem> {
    let file = |file: &str| MediaItem {
        file: file.into(),
        alt: format!("Twelve pixels of {file}"),
        sha256: Digest::of(file.as_bytes()),
        facts: None,
    };
    match can.images {
        0 => vec![file("one.mp4")],
        most => ["one.png", "two.png"].into_iter().take(most).map(file).collect(),
    }
}

/// What the files are: films, or the first kind of picture that the platform takes.
fn kind(adapter: &dyn Adapter, items: &[MediaItem]) -> &'static str {
    let fits = |mime: &&'static str| {
        let facts = MediaFacts { mime, bytes: 16, size: Some((4, 3)), duration: None };
        let media = items.iter().map(|item| MediaItem { facts: Some(Arc::new(facts.clone())), ..item.clone() });
        let content = Content { text: "a".into(), media: media.collect(), ..Content::default() };
        adapter.check(&content, &Session::default()).is_empty()
    };
    match items.iter().any(|item| item.file.ends_with(".mp4")) {
        true => "video/mp4",
        false => ["image/png", "image/jpeg"].into_iter().find(fits).unwrap_or("image/png"),
    }
}

fn texts(content: &Content) -> Vec<String> {
    std::iter::once(&content.text).chain(&content.thread).cloned().collect()
}

fn job(adapter: &dyn Adapter, mut content: Content) -> Job {
    // What a platform cannot show is left out.
    for complaint in adapter.check(&content, &Session::default()) {
        match complaint.key.as_str() {
            "visibility" => content.visibility = Visibility::Public,
            "warning" => content.warning = None,
            "reply_to" => content.reply_to = None,
            // Some take no brackets of HTML.
            "text" if complaint.reason.contains('<') => content.text = content.text.replace('<', "(").replace('>', ")"),
            other => panic!("{other}: {}", complaint.reason),
        }
    }
    let now = Timestamp::constant(1_790_000_000, 0);
    let digest = Digest::of(format!("{content:?}").as_bytes());
    let mime = kind(adapter, &content.media);
    let media = |item: &MediaItem| Media {
        item: item.clone(),
        mime: mime.into(),
        size: Some((4, 3)),
        // As long as the smallest picture; the imitations look at the first bytes.
        bytes: [b"\x89PNG\r\n\x1a\n".as_slice(), item.file.as_bytes()].concat().into(),
    };
    Job {
        delivery: DeliveryId::new(PostId::new("post").expect("an id"), AccountId::new("a0").expect("an id")),
        attempt: 1,
        key: digest.hex()[..32].to_owned(),
        digest,
        media: content.media.iter().map(media).collect(),
        frozen: adapter.freeze(&content, now, 7),
        content,
        started: now,
        answers: None,
        taken: Arc::default(),
    }
}
