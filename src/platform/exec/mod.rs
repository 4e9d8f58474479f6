//! Any program as a platform: what this project does not speak to, a few lines of somebody's own do.
//!
//! One run of the program is one question and one answer in JSON ([`wire`]; `docs/platforms/exec.md` for those who write
//! one). What is decided here, and why:
//!
//! - **One part, one run.** The parts of a thread are published one by one, each with a key and with what it answers. So a
//!   program need not know threads to keep a promise about them: what is out is a checkpoint of ours.
//! - **Only what was declared is asked.** A program without a secret and without `can_find` gets nothing but `publish`, and
//!   may be three lines that never look at `action`. One that ignored it would publish when it is asked to look.
//! - **How a lost reply is settled, the configuration says**, because only who wrote the program can know: `repeatable`
//!   where a key makes one post however often it is asked for, `can_find` where our posts can be looked through, and else
//!   a person decides. `find` is asked in both: a post that is not wanted any more must not be repeated to learn whether
//!   it is there.
//! - **A secret has an owner.** With one, the program is asked whose account it opens, before anything is published and
//!   whenever a stopped account may be let in again.
//! - **Only a whole answer counts**: code 0, all of the output, one JSON object, one answer. Everything else may have
//!   happened.
//!
//! It does not run the program, does not know whether it is there, and believes no more of what it says than of any
//! server's words.

#[cfg(test)]
mod tests;
pub mod twin;
mod wire;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize as _;
use serde_json::{Value, json};

use super::contract::examine::Need;
use super::contract::{
    Abilities, Adapter, Answers, Attempt, Call, Complaint, Effect, Entry, Evidence, Exec, Key, KeyKind, Next, Purpose,
    Reading, Reply, Session, Step, Table,
};
use crate::domain::{Content, Digest, Remote, ReplyTo, Secret, SecretRef, Timestamp, limits, time};
use wire::{Action, Posted, Said};

pub static ENTRY: Entry = Entry {
    name: "exec",
    keys: &[
        key("program", KeyKind::Path, true, "The program that publishes; relative to this file."),
        key("args", KeyKind::Texts, false, "What it is called with. Everybody on the machine can read these."),
        key("secret", KeyKind::Secret, false, "Handed to the program in each request."),
        key("repeatable", KeyKind::Bool, false, "The same key makes one post, however often it is asked for."),
        key("can_find", KeyKind::Bool, false, "The program can tell whether the post of a key is there."),
    ],
    // What the service behind the program cannot show, the program refuses.
    can: Abilities {
        text_alone: true,
        images: usize::MAX,
        videos: usize::MAX,
        sounds: usize::MAX,
        documents: usize::MAX,
        mixed: true,
        threads: true,
        answers: Answers::Anything,
        warnings: true,
        unlisted: true,
        followers: true,
    },
    build,
    twin: || Box::new(twin::Programs::default()),
};

const fn key(name: &'static str, kind: KeyKind, required: bool, doc: &'static str) -> Key {
    Key { name, kind, required, doc }
}

/// How long what a program has sent off may take to be seen where it looks.
const LAG: Duration = Duration::from_secs(120);
/// Most bytes of all media of a post together: they are held in memory three times while they become JSON.
const MEDIA_BYTES: u64 = limits::MEDIA_BYTES;
/// Key of [`Session::values`]: which secret the identity belongs to, as a hash.
const MARK: &str = "mark";

/// Names of the steps.
const ACCOUNT: &str = "account";
const PUBLISH: &str = "publish";
const FIND: &str = "find";

fn build(table: &mut Table) -> Option<Arc<dyn Adapter>> {
    let program = table.path("program");
    let args = table.texts("args").unwrap_or_default();
    if args.iter().any(|arg| arg.contains('\0')) {
        table.complain(Complaint::new("args", "an argument cannot hold the character NUL"));
    }
    let repeatable = table.bool("repeatable").unwrap_or(false);
    let can_find = table.bool("can_find").unwrap_or(false);
    let secret = table.optional_secret("secret");
    let evidence = match (repeatable, can_find) {
        (true, _) => Evidence::Repeatable,
        (false, true) => Evidence::LookBack { lag: LAG },
        (false, false) => Evidence::None,
    };
    Some(Arc::new(Program { program: program?, args, folder: table.folder(), secret, evidence }))
}

/// One account: a program, and how it is called.
#[derive(Debug)]
struct Program {
    program: PathBuf,
    args: Vec<String>,
    folder: PathBuf,
    secret: Option<SecretRef>,
    evidence: Evidence,
}

impl Adapter for Program {
    fn platform(&self) -> &'static str {
        ENTRY.name
    }

    fn host(&self) -> String {
        let args = self.args.iter().map(|arg| format!(" {arg}")).collect::<String>();
        format!("{}{args}", self.program.display())
    }

    fn place(&self) -> String {
        match &self.secret {
            None => self.host(),
            Some(secret) => format!("{}, secret from {secret}", self.host()),
        }
    }

    fn evidence(&self) -> Evidence {
        self.evidence
    }

    fn secrets(&self) -> Vec<(&'static str, SecretRef)> {
        self.secret.iter().map(|secret| ("secret", secret.clone())).collect()
    }

    fn check(&self, content: &Content, _session: &Session) -> Vec<Complaint> {
        let mut complaints = ENTRY.can.complaints(ENTRY.name, content);
        let bytes = content.media.iter().filter_map(|item| item.facts.as_ref()).map(|facts| facts.bytes).sum();
        complaints.extend(too_large(bytes).map(|reason| Complaint::new("media", reason)));
        complaints
    }

    fn freeze(&self, _content: &Content, now: Timestamp, _draw: u64) -> Value {
        json!({ "at": time::to_millis(now) })
    }

    fn needs(&self) -> Vec<Need> {
        vec![Need::Program(self.program.clone())]
    }

    fn next(&self, attempt: &Attempt<'_>) -> Next {
        let (job, done) = (attempt.job, posted(attempt));
        if done.len() > job.content.thread.len() {
            return finish(&done);
        }
        let secret = match (&self.secret, secret_of(attempt)) {
            (Some(_), None) => return Next::Auth("there is no secret".into()),
            (Some(_), secret) => secret,
            (None, _) => None,
        };
        if attempt.purpose == Purpose::LookBack && self.evidence == Evidence::None {
            return Next::CannotTell("the program cannot tell what became of an attempt".into());
        }
        if let Some(secret) = secret
            && !is_known(attempt.session, secret)
        {
            return self.step(ACCOUNT.into(), Effect::Harmless, wire::whose(secret));
        }
        let part = done.len();
        let ask = |action| wire::request(action, attempt, done.last(), secret);
        match attempt.purpose {
            Purpose::LookBack => self.step(format!("{FIND}-{part}"), Effect::Harmless, ask(Action::Find)),
            Purpose::Publish => match objection(attempt) {
                Some(why) => Next::Refuse(why),
                None => self.step(format!("{PUBLISH}-{part}"), Effect::Publishes, ask(Action::Publish)),
            },
        }
    }

    fn read(&self, attempt: &Attempt<'_>, step: &Step, reply: &Reply) -> Reading {
        let secret = secret_of(attempt);
        let said = match reply {
            Reply::Exec(reply) => wire::understand(reply, attempt.secrets),
            _ => Err("the answer is not that of a program".into()),
        };
        let data = |id, url| json!(Posted { part: posted(attempt).len(), id, url });
        match (said, step.name.split('-').next().unwrap_or_default()) {
            (Ok(Said::Published { id, url }), PUBLISH) => Reading::Checkpoint(data(id, url)),
            (Ok(Said::Found { id, .. }), FIND)
                if attempt.job.taken.contains(&id) || posted(attempt).iter().any(|part| part.id == id) =>
            {
                Reading::Retry { after: None, why: "the program has found another post of ours".into() }
            }
            (Ok(Said::Found { id, url }), FIND) => Reading::Found(data(id, url)),
            (Ok(Said::Absent), FIND) => Reading::Absent,
            (Ok(Said::Account(id)), ACCOUNT) => Reading::Session(whose(attempt.session, id, secret)),
            (Ok(Said::Retry { after, why }), _) => Reading::Retry { after, why },
            (Ok(Said::RateLimited { wait, why }), _) => {
                Reading::RateLimited { until: time::after(attempt.now, wait), why }
            }
            (Ok(Said::Auth(why)), _) => Reading::Auth { why },
            (Ok(Said::Refused(why)), PUBLISH | FIND) => Reading::Refused { why },
            // It was only asked whose secret that is: no post may be refused for it.
            (Ok(Said::Refused(why)), _) => Reading::Retry { after: None, why },
            (Ok(_), PUBLISH) => Reading::Unclear { why: "the program answers what was not asked".into() },
            (Ok(_), _) => Reading::Retry { after: None, why: "the program answers what was not asked".into() },
            (Err(why), PUBLISH) => Reading::Unclear { why },
            (Err(why), _) => Reading::Retry { after: None, why },
        }
    }
}

impl Program {
    fn step(&self, name: String, effect: Effect, input: Arc<[u8]>) -> Next {
        let (program, args, folder) = (self.program.clone(), self.args.clone(), self.folder.clone());
        Next::Call(Step { name, effect, call: Call::Exec(Exec { program, args, folder, input }) })
    }
}

/// The published parts, the first one first, without gaps.
fn posted(attempt: &Attempt<'_>) -> Vec<Posted> {
    let mut parts: Vec<_> = attempt.done.iter().filter_map(|held| Posted::deserialize(&held.data).ok()).collect();
    parts.sort_by_key(|posted| posted.part);
    parts.into_iter().enumerate().take_while(|(place, held)| *place == held.part).map(|(_, held)| held).collect()
}

fn finish(done: &[Posted]) -> Next {
    match done.first() {
        Some(first) => {
            Next::Done(Remote { id: first.id.clone(), url: first.url.clone(), reference: Value::Null.into() })
        }
        None => Next::Refuse("there is nothing to publish".into()),
    }
}

/// What no program is asked to publish.
fn objection(attempt: &Attempt<'_>) -> Option<String> {
    let job = attempt.job;
    if job.media.len() != job.content.media.len() {
        return Some("the media files were not handed over".into());
    }
    if matches!(job.content.reply_to, Some(ReplyTo::Ours(_))) && job.answers.is_none() {
        return Some("the post that it answers is not on this account".into());
    }
    too_large(job.media.iter().map(|media| media.bytes.len() as u64).sum())
}

fn too_large(bytes: u64) -> Option<String> {
    let most = MEDIA_BYTES >> 20;
    (bytes > MEDIA_BYTES).then(|| format!("the media have {bytes} bytes together, a program gets at most {most} MiB"))
}

fn secret_of<'a>(attempt: &Attempt<'a>) -> Option<&'a Secret> {
    attempt.secrets.get("secret").filter(|secret| !secret.expose().trim().is_empty())
}

fn is_known(session: &Session, secret: &Secret) -> bool {
    session.identity.is_some() && session.values.get(MARK).and_then(Value::as_str) == Some(&mark(secret))
}

fn whose(session: &Session, id: String, secret: Option<&Secret>) -> Session {
    let mut session = session.clone();
    session.identity = Some(id);
    session.values.extend(secret.map(|secret| (MARK.to_owned(), mark(secret).into())));
    session
}

/// Tells secrets apart without keeping one.
fn mark(secret: &Secret) -> String {
    Digest::of(secret.expose().as_bytes()).hex()[..16].into()
}
