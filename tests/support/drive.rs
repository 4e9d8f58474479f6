//! A tiny `deliver` for one delivery, without ledger, clock or network: asks the adapter what to do, lets the twin
//! answer, lets the adapter read. It watches the rules of the contract at every call.

use std::time::Duration;

use cadenced::domain::time::after;
use cadenced::domain::{Checkpoint, Remote, Timestamp};
use cadenced::platform::contract::{
    Adapter, Attempt, Call, Effect, Evidence, FileWork, HeaderValue, Job, Next, Purpose, Reading, Reply, Secrets,
    Session, Step, Twin,
};
use serde_json::Value;

/// More calls than any attempt may need.
const CALLS: usize = 100;
/// More attempts than any recovery may need.
const ATTEMPTS: usize = 30;

/// What becomes of one call.
pub enum Wire {
    /// It arrives, and so does the reply.
    Whole,
    /// It arrives; nobody hears of it.
    ReplyLost,
    /// It does not arrive, and nobody knows.
    RequestLost,
    /// It does not arrive, and somebody else answers.
    Instead(Reply),
    /// It arrives, and the reply is changed on its way.
    Changed(fn(Reply) -> Reply),
}

/// How an attempt ended.
#[derive(Debug)]
pub enum End {
    Done(Remote),
    /// No reply came to a step of this effect.
    Lost(Effect),
    /// Looking back: it is there, and its checkpoint is kept.
    Found,
    /// What the adapter made of a reply, where that ends the attempt, or where the reply was not the twin's own.
    Read(Reading),
    Refused(String),
    Auth(String),
    CannotTell(String),
}

pub struct Drive<'a> {
    pub adapter: &'a dyn Adapter,
    pub twin: &'a mut dyn Twin,
    pub job: &'a Job,
    pub secrets: Secrets,
    pub session: Session,
    /// Durable results, and whether each is a publication.
    pub done: Vec<(Checkpoint, bool)>,
    pub now: Timestamp,
    /// All that went out, by [`bytes_of`].
    pub sent: Vec<(Effect, Vec<u8>)>,
    /// The same as steps.
    pub steps: Vec<Step>,
}

impl<'a> Drive<'a> {
    pub fn new(adapter: &'a dyn Adapter, twin: &'a mut dyn Twin, job: &'a Job) -> Self {
        let secrets = twin.secrets(0);
        let (session, now) = (Session::default(), job.started);
        Self { adapter, twin, job, secrets, session, done: Vec::new(), now, sent: Vec::new(), steps: Vec::new() }
    }

    /// The process has died and is back: only what was durable is left.
    pub fn crash(&mut self) {
        self.session = Session::default();
    }

    /// One attempt in fair weather.
    pub fn attempt(&mut self) -> End {
        self.attempt_in(Purpose::Publish, &mut |_, _| Wire::Whole)
    }

    pub fn look_back(&mut self) -> End {
        self.attempt_in(Purpose::LookBack, &mut |_, _| Wire::Whole)
    }

    /// One attempt; `weather` decides over each call before it leaves, and may do something to the twin.
    pub fn attempt_in(&mut self, purpose: Purpose, weather: &mut dyn FnMut(&Step, &mut dyn Twin) -> Wire) -> End {
        let mut scratch = Value::Null;
        for _ in 0..CALLS {
            let done: Vec<Checkpoint> = self.done.iter().map(|(checkpoint, _)| checkpoint.clone()).collect();
            let session = self.session.clone();
            let (job, secrets, now) = (self.job, self.secrets.clone(), self.now);
            let attempt =
                Attempt { job, purpose, done: &done, scratch: &scratch, session: &session, secrets: &secrets, now };
            let step = match self.adapter.next(&attempt) {
                Next::Call(step) => step,
                Next::Done(remote) => return End::Done(remote),
                Next::Refuse(why) => return End::Refused(why),
                Next::Auth(why) => return End::Auth(why),
                Next::CannotTell(why) => return End::CannotTell(why),
            };
            self.keeps_secrets(&format!("{step:?}"));
            match self.adapter.next(&attempt) {
                Next::Call(again) => assert_eq!(bytes_of(&step), bytes_of(&again), "`next` gives another answer"),
                other => panic!("`next` gives another answer: {other:?}"),
            }
            if purpose == Purpose::LookBack {
                assert_eq!(step.effect, Effect::Harmless, "looking back changes nothing: {step:?}");
            }
            self.sent.push((step.effect, bytes_of(&step)));
            self.steps.push(step.clone());

            let wire = weather(&step, self.twin);
            let genuine = matches!(wire, Wire::Whole);
            let reply = match wire {
                Wire::Whole => self.answer(&step),
                Wire::Changed(change) => change(self.answer(&step)),
                Wire::Instead(reply) => reply,
                Wire::ReplyLost => {
                    self.answer(&step);
                    return End::Lost(step.effect);
                }
                Wire::RequestLost => return End::Lost(step.effect),
            };
            let reading = self.adapter.read(&attempt, &step, &reply);
            assert_eq!(reading, self.adapter.read(&attempt, &step, &reply), "`read` gives another answer");
            if let Some(pace) = self.adapter.pace(&reply, now) {
                self.keeps_secrets(&format!("{pace:?}"));
            }
            self.keeps_secrets(&format!("{reading:?}"));
            if !genuine && !matches!(reading, Reading::Session(_)) {
                return End::Read(reading);
            }
            match reading {
                Reading::Learned(value) => {
                    assert_eq!(step.effect, Effect::Harmless, "what this step did must be durable: {}", step.name);
                    scratch = value;
                }
                Reading::Checkpoint(data) => {
                    assert_ne!(step.effect, Effect::Harmless, "{} has done nothing", step.name);
                    self.keeps_secrets(&data.to_string());
                    assert!(done.iter().all(|held| held.step != step.name), "{} is done already", step.name);
                    self.done.push((Checkpoint { step: step.name, data }, step.effect == Effect::Publishes));
                }
                Reading::Session(session) => self.session = session,
                Reading::Found(data) => {
                    assert_eq!(purpose, Purpose::LookBack);
                    self.done.push((Checkpoint { step: step.name, data }, true));
                    return End::Found;
                }
                Reading::Wait(span) => {
                    assert!(span > Duration::ZERO, "waiting for nothing");
                    self.now = after(self.now, span);
                }
                Reading::Redo { .. } => {
                    scratch = serde_json::Value::Null;
                    self.done.retain(|(_, publishes)| *publishes);
                }
                ending => return End::Read(ending),
            }
        }
        panic!("the attempt does not end")
    }

    /// Goes on, as `deliver` does after whatever has happened, until the delivery is over.
    pub fn finish(&mut self) -> Remote {
        for _ in 0..ATTEMPTS {
            match self.attempt() {
                End::Done(remote) => return remote,
                End::Read(Reading::Retry { after: span, .. }) => {
                    self.now = after(self.now, span.unwrap_or(Duration::from_secs(30)));
                }
                End::Read(Reading::RateLimited { until, .. }) => self.now = until.max(self.now),
                End::Read(Reading::Unclear { .. } | Reading::AlreadyThere { .. }) | End::Lost(Effect::Publishes) => {
                    self.settle();
                }
                End::Lost(_) => {}
                other => panic!("no way on from {other:?}"),
            }
        }
        panic!("the delivery does not end")
    }

    /// Finds out what became of a publishing step, by the adapter's own rule.
    pub fn settle(&mut self) {
        match self.adapter.evidence() {
            // The next attempt repeats the step.
            Evidence::Repeatable => {}
            Evidence::LookBack { lag } => {
                // Twice, with some time between, before "not there" is believed.
                for _ in 0..2 {
                    self.now = after(self.now, lag + Duration::from_secs(120));
                    match self.look_back() {
                        End::Found => return,
                        End::Read(Reading::Absent) => {}
                        other => panic!("looking back says {other:?}"),
                    }
                }
            }
            Evidence::None => panic!("a person decides"),
        }
    }

    /// Lets the twin answer, and watches that nothing but a publishing step publishes.
    fn answer(&mut self, step: &Step) -> Reply {
        let before = self.twin.published();
        let reply = self.twin.answer(&step.call, self.now);
        if step.effect != Effect::Publishes {
            assert_eq!(
                self.twin.published(),
                before,
                "{} has published, although it says {:?}",
                step.name,
                step.effect
            );
        }
        reply
    }

    /// No secret of the configuration, and no token of the session, stands in `text`.
    fn keeps_secrets(&self, text: &str) {
        for (name, secret) in &self.secrets.0 {
            assert!(!text.contains(secret.expose()), "the secret {name:?} stands in {text}");
        }
        for (name, value) in &self.session.values {
            let named = name.to_lowercase();
            if let (true, Some(token)) = (named.contains("token") || named.contains("jwt"), value.as_str()) {
                assert!(token.is_empty() || !text.contains(token), "the session's {name:?} stands in {text}");
            }
        }
        assert!(!format!("{:?}", self.session).contains("eyJ"), "a token stands in {:?}", self.session);
    }
}

/// What a step sends, its secrets and what only dates it left out.
pub fn bytes_of(step: &Step) -> Vec<u8> {
    let mut undated = step.clone();
    if let Call::Http(request) = &mut undated.call {
        request.headers.retain(|(_, value)| !matches!(value, HeaderValue::Fresh(_)));
    }
    let mut bytes = format!("{undated:?}").into_bytes();
    match &step.call {
        Call::Fetch(_) => {}
        Call::Http(request) => {
            bytes.extend(request.url.as_str().as_bytes());
            bytes.extend(request.body.concat());
        }
        Call::File(call) => {
            if let FileWork::Write(files) = &call.work {
                files.iter().for_each(|(_, content)| bytes.extend(content.iter()));
            }
        }
        // What they send stands in the step itself.
        Call::Sockets(_) => {}
        Call::Exec(call) => bytes.extend(call.input.iter()),
    }
    bytes
}
