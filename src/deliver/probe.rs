//! Asks whether an account's token is accepted again, with the adapter's own first steps and without a post.

use std::sync::Arc;

use serde_json::Value;

use crate::domain::Timestamp;
use crate::platform::contract::{
    Adapter, Attempt, Effect, Failure, Job, Next, Purpose, Reading, Reply, Secrets, Session, Step,
};

/// Most calls of one probe: log in, read limits, look who we are.
const CALLS: u32 = 8;

/// One probe of one account. It starts with an empty session and makes harmless calls only.
#[derive(Debug)]
pub struct Probe {
    adapter: Arc<dyn Adapter>,
    job: Job,
    session: Session,
    calling: Option<Step>,
    calls: u32,
}

/// What a probe has found.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// Make the call and hand what comes back to [`Probe::answered`].
    Call(Step),
    /// The token is accepted; the session is as good as new.
    Accepted(Session),
    /// It is not, or nobody answered.
    NotYet(String),
}

impl Probe {
    /// `job` stands for any post; nothing of it is sent.
    pub fn new(adapter: Arc<dyn Adapter>, job: Job) -> Self {
        Self { adapter, job, session: Session::default(), calling: None, calls: 0 }
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
            Next::Auth(why) => Verdict::NotYet(why),
            // The next step would do something: everything before it was accepted.
            Next::Call(_) | Next::Done(_) | Next::Refuse(_) | Next::CannotTell(_) => {
                Verdict::Accepted(std::mem::take(&mut self.session))
            }
        }
    }

    /// What a call has brought.
    pub fn answered(&mut self, result: Result<Reply, Failure>, secrets: &Secrets, now: Timestamp) -> Verdict {
        let (Some(step), Ok(reply)) = (self.calling.take(), result) else {
            return Verdict::NotYet("nobody answered".into());
        };
        match self.adapter.read(&self.attempt(secrets, now), &step, &reply) {
            Reading::Session(session) => {
                self.session = session;
                self.proceed(secrets, now)
            }
            Reading::Learned(_) | Reading::Refused { .. } => Verdict::Accepted(std::mem::take(&mut self.session)),
            Reading::Auth { why } | Reading::Retry { why, .. } | Reading::Unclear { why } => Verdict::NotYet(why),
            _ => Verdict::NotYet("the answer does not tell".into()),
        }
    }

    fn attempt<'a>(&'a self, secrets: &'a Secrets, now: Timestamp) -> Attempt<'a> {
        Attempt {
            job: &self.job,
            purpose: Purpose::Publish,
            done: &[],
            scratch: &Value::Null,
            session: &self.session,
            secrets,
            now,
        }
    }
}
