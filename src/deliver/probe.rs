//! Asks whether an account's token is accepted again, with the adapter's own first steps and without a post.
//!
//! Only one thing is a sign that it is: an answer that told whose account it is. That a step which needs no token went
//! well, or that the adapter has nothing to ask, says nothing. Nor does it say that the token is not accepted: that is told
//! apart from what nobody could tell.

use std::sync::Arc;

use serde_json::Value;

use crate::domain::{AccountId, Content, DeliveryId, Digest, PostId, Spend, Timestamp};
use crate::platform::contract::{
    Adapter, Attempt, Effect, Failure, Job, Next, Purpose, Reading, Reply, Secrets, Session, Step,
};

use super::delivery::price;
use super::echo::without_secrets;

/// Most calls of one probe: log in, read limits, look who we are.
const CALLS: u32 = 8;

/// One probe of one account. It starts with the tokens that were kept and nothing else, and makes harmless calls only.
#[derive(Debug)]
pub struct Probe {
    adapter: Arc<dyn Adapter>,
    job: Job,
    session: Session,
    scratch: Value,
    calling: Option<Step>,
    calls: u32,
    refused: bool,
}

/// What a probe has found.
#[derive(Clone)]
pub enum Verdict {
    /// Make the call and hand what comes back to [`Probe::answered`].
    Call(Step),
    /// Make these tokens durable, then [`Probe::proceed`].
    Keep(Value),
    /// The token is accepted; the session is as good as new.
    Accepted(Session),
    /// It is not, or nobody answered.
    NotYet(String),
}

impl Probe {
    /// Nothing of a post is sent: the job stands for one without content.
    pub fn new(adapter: Arc<dyn Adapter>, account: &AccountId, kept: Option<Value>, now: Timestamp) -> Self {
        let post = PostId::new("probe").unwrap_or_else(|_| unreachable!("a plain word is an id"));
        let content = Content::default();
        let job = Job {
            delivery: DeliveryId::new(post, account.clone()),
            attempt: 0,
            key: String::new(),
            digest: Digest([0; 32]),
            frozen: adapter.freeze(&content, now, 0),
            content,
            media: Vec::new(),
            started: now,
            answers: None,
            taken: Arc::default(),
        };
        let session = Session { kept, ..Session::default() };
        Self { adapter, job, session, scratch: Value::Null, calling: None, calls: 0, refused: false }
    }

    /// It goes on with what is known of the account.
    #[must_use]
    pub fn with(self, session: Session) -> Self {
        Self { session, ..self }
    }

    /// What to do next.
    pub fn proceed(&mut self, secrets: &Secrets, now: Timestamp) -> Verdict {
        self.calls += 1;
        if self.calls > CALLS {
            return Verdict::NotYet("the account's session does not settle".into());
        }
        match self.adapter.next(&self.attempt(secrets, now)) {
            Next::Call(step) if step.effect == Effect::Harmless => {
                self.calling = Some(step.clone());
                Verdict::Call(step)
            }
            Next::Auth(why) => {
                self.refused = true;
                Verdict::NotYet(why)
            }
            // The next step would do something.
            Next::Call(_) | Next::Done(_) => self.verdict("nothing tells whether the token is accepted".into()),
            Next::Refuse(why) | Next::CannotTell(why) => self.verdict(why),
        }
    }

    /// Whether the token was refused, and not only that nobody could tell.
    pub fn is_refused(&self) -> bool {
        self.refused
    }

    /// What is known when there is nothing left to ask.
    fn verdict(&mut self, why: String) -> Verdict {
        // Where there is no secret, there is none that could be refused.
        let has_none = self.adapter.secrets().is_empty() && !self.adapter.keeps_tokens();
        if self.session.identity.is_some() || has_none {
            return Verdict::Accepted(std::mem::take(&mut self.session));
        }
        Verdict::NotYet(why)
    }

    /// What the call that was chosen last costs at most; with what it has brought, what it has cost at most.
    pub fn price(&self, result: Option<&Result<Reply, Failure>>, secrets: &Secrets, now: Timestamp) -> Spend {
        let step = self.calling.as_ref();
        step.map_or_else(Spend::default, |step| price(&*self.adapter, &self.attempt(secrets, now), step, result))
    }

    /// Whether an answer is waited for.
    pub fn is_asking(&self) -> bool {
        self.calling.is_some()
    }

    /// The call that was chosen last is not made now, and chosen again by the next [`Probe::proceed`].
    pub fn put_back(&mut self) {
        if self.calling.take().is_some() {
            self.calls -= 1;
        }
    }

    /// What a call has brought.
    pub fn answered(&mut self, result: Result<Reply, Failure>, secrets: &Secrets, now: Timestamp) -> Verdict {
        let (Some(step), Ok(reply)) = (self.calling.take(), result) else {
            return Verdict::NotYet("nobody answered".into());
        };
        let reading = self.adapter.read(&self.attempt(secrets, now), &step, &reply);
        match without_secrets(reading, secrets, &self.session) {
            Reading::Session(mut session) => {
                let before = self.session.kept.take();
                session.kept = session.kept.or_else(|| before.clone());
                self.session = session;
                match &self.session.kept {
                    Some(tokens) if self.session.kept != before => Verdict::Keep(tokens.clone()),
                    _ => self.proceed(secrets, now),
                }
            }
            Reading::Learned(scratch) => {
                self.scratch = scratch;
                self.proceed(secrets, now)
            }
            Reading::Refused { why } => self.verdict(why),
            Reading::Auth { why } => {
                self.refused = true;
                Verdict::NotYet(why)
            }
            Reading::Retry { why, .. } | Reading::RateLimited { why, .. } | Reading::Unclear { why } => {
                Verdict::NotYet(why)
            }
            _ => Verdict::NotYet("the answer does not tell".into()),
        }
    }

    fn attempt<'a>(&'a self, secrets: &'a Secrets, now: Timestamp) -> Attempt<'a> {
        Attempt {
            job: &self.job,
            purpose: Purpose::Publish,
            done: &[],
            scratch: &self.scratch,
            session: &self.session,
            secrets,
            now,
        }
    }
}
