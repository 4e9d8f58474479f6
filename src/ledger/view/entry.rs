//! What is remembered of one delivery, and how it is kept: in memory, where most have only been planned, and in an index.

use std::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::domain::{Digest, Held, State};
use crate::ledger::record::{Fact, Record};

use super::Course;

/// What is remembered of a delivery. A million of them stay in memory, and most have only been planned: of those, no
/// more is kept than why they are held.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Entry {
    /// What the plan held last, or what was sent.
    pub digest: Option<Digest>,
    /// Why it is held, while nothing else is known.
    held: Option<Held>,
    /// Where there is more to remember.
    course: Option<Box<Course>>,
}

impl Entry {
    /// Adds what a record of this delivery says.
    pub fn apply(&mut self, record: &Record) {
        if !self.takes(&record.fact) {
            return;
        }
        match &record.fact {
            // What was sent stays what is known of an attempt that is owed.
            Fact::Planned { digest, .. } if !self.state.is_open() => self.digest = Some(*digest),
            Fact::Intent(intent) => self.digest = Some(intent.digest),
            _ => {}
        }
        let mut course = self.course.take().map_or_else(|| planned(self.held).clone(), |course| *course);
        course.apply(record);
        self.set(course);
    }

    fn set(&mut self, course: Course) {
        self.held = if let State::Held { reason, .. } = course.state { Some(reason) } else { None };
        let only_planned = course == *planned(self.held);
        if !only_planned {
            (self.held, self.course) = (None, Some(Box::new(course)));
        }
    }
}

impl Deref for Entry {
    type Target = Course;

    fn deref(&self) -> &Course {
        self.course.as_deref().unwrap_or_else(|| planned(self.held))
    }
}

/// The course of a delivery that was only planned.
fn planned(held: Option<Held>) -> &'static Course {
    const fn course(state: State) -> Course {
        Course { state, attempts: 0, dropped: false, asked: false, halted: None, sent: None, open: None }
    }
    macro_rules! planned {
        ($($reason:ident)*) => {
            match held {
                None => {
                    static SCHEDULED: Course = course(State::Scheduled);
                    &SCHEDULED
                }
                $(Some(Held::$reason) => {
                    static HELD: Course = course(State::Held { reason: Held::$reason, detail: None });
                    &HELD
                })*
            }
        };
    }
    planned!(NotApproved ApprovalStale Invalid MediaMissing WaitingSeries PromotionShare Unanswered Budget AccountAuth AccountPaused NotBefore Duplicate)
}

/// An [`Entry`] as an index keeps it.
#[derive(Serialize, Deserialize)]
struct Written<State, Sent, Open> {
    state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    digest: Option<Digest>,
    #[serde(default)]
    attempts: u32,
    #[serde(default)]
    dropped: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    asked: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    halted: Option<Held>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent: Option<Sent>,
    #[serde(skip_serializing_if = "Option::is_none")]
    open: Option<Open>,
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Course { state, attempts, dropped, asked, halted, sent, open } = &**self;
        let (digest, attempts, dropped, asked, halted) = (self.digest, *attempts, *dropped, *asked, *halted);
        let (sent, open) = (sent.as_ref(), open.as_ref());
        Written { state, digest, attempts, dropped, asked, halted, sent, open }.serialize(to)
    }
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let Written { state, digest, attempts, dropped, asked, halted, sent, open } = Written::deserialize(from)?;
        let mut entry = Self { digest, ..Self::default() };
        entry.set(Course { state, attempts, dropped, asked, halted, sent, open });
        Ok(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::{Digest, Entry, Fact, Held};
    use crate::domain::PostId;
    use crate::ledger::view::samples::*;

    #[test]
    fn a_delivery_that_was_only_planned_takes_no_more_than_its_digest() {
        assert!(size_of::<(PostId, Entry)>() <= 64, "{}", size_of::<(PostId, Entry)>());
        let kept = |lines: &[Line]| fold(lines).entry(&id()).unwrap().course.is_some();
        let detailed = || Fact::Planned {
            delivery: id(),
            digest: Digest::of(b"desk"),
            held: Some(Held::NotBefore),
            detail: Some("not before noon".into()),
        };
        let given_up = [(1, intent(1, "k")), (2, outcome(1, abandoned()))];
        assert!(!kept(&[(1, planned(None))]));
        assert!(!kept(&[(1, detailed()), (2, planned(Some(Held::PromotionShare)))]));
        assert!(kept(&[(1, planned(None)), (2, detailed())]));
        assert!(kept(&[(1, planned(Some(Held::NotApproved))), (2, withdrawn(None))]));
        // That there was an attempt is not forgotten.
        assert!(kept(&given_up));
    }
}
