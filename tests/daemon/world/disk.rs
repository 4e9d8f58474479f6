//! The journal's turns, on a disk that may fail, or lose its power, at any call.

use super::*;

impl World {
    pub(super) fn fault(&mut self) -> Fault {
        *self.chance.pick(&[Fault::Io, Fault::IoAfter, Fault::Full, Fault::Short, Fault::PowerOff, Fault::PowerOff])
    }

    /// The journal writes what waits; the disk may fail, or the power may go, at any call.
    pub(super) fn turn(&mut self) {
        self.turn_due = false;
        let mut fault = None;
        if !self.calm() && self.chance.permille(self.rough.turn) {
            let calls = *self.chance.pick(&[3, 3, 12]);
            let (n, drawn) = (1 + self.chance.below(calls), self.fault());
            self.disk.fail(n, drawn);
            fault = Some(drawn);
        }
        if let Some(journal) = &self.journal {
            journal.turn();
        }
        let failed = fault.filter(|_| self.disk.has_failed());
        self.disk.fail(u64::MAX, Fault::Io);
        if let Some(fault) = failed {
            self.say(|| format!("the disk fails: {fault:?}"));
            self.disk_failed = true;
            self.watch.expects("store.failed");
            self.watch.expects("store.full");
            self.count(match fault {
                Fault::Io => "disk: errors",
                Fault::IoAfter => "disk: errors after the effect",
                Fault::Full => "disk: no room",
                Fault::Short => "disk: short writes",
                Fault::PowerOff => "disk: power off",
            });
        }
        self.take_answers(failed == Some(Fault::PowerOff));
        if failed == Some(Fault::PowerOff) {
            self.dies(Death::Power);
        }
    }

    /// The journal writes what waits, and nobody is told.
    pub(super) fn write(&mut self) {
        if let Some(journal) = &self.journal {
            journal.turn();
        }
        self.take_answers(false);
    }

    pub(super) fn take_answers(&mut self, power_off: bool) {
        let answers = std::mem::take(&mut *self.answers.lock().unwrap_or_else(PoisonError::into_inner));
        for (number, result) in answers {
            let Some(batch) = self.handed_in.pop_front() else {
                return self.check(Err("an answer to nothing".into()));
            };
            if batch.number != number {
                return self.check(Err("answers do not keep the order of handing in".into()));
            }
            match &result {
                Ok(()) => self.is_durable(&batch.records),
                // Nothing of it was written, though the reserve may have taken a later one.
                Err(CommitError::NoRoom(_)) if power_off => continue,
                Err(_) if power_off => {
                    self.doubted.push(batch.records);
                    continue;
                }
                Err(error) => {
                    let text = format!("not recorded: {error}");
                    self.say(|| text);
                    self.count("batches refused");
                }
            }
            if self.sabotage == Some(Sabotage::RefusalUntold) && result.is_err() {
                continue;
            }
            let at = time::after(self.now(), self.millis(10)).max(self.last_answer);
            self.last_answer = at;
            let life = self.life;
            if self.sabotage != Some(Sabotage::EarlyAcknowledgement) {
                self.put(at, Coming::Answered { life, batch, result });
            }
        }
    }

    pub(super) fn is_durable(&mut self, records: &[Record]) {
        self.oracle.durable(records, self.now());
        self.pairs.durable(records);
        for record in records {
            match &record.fact {
                Fact::ClockSet { .. } => self.jump_unsaid = self.jump_unsaid.saturating_sub(1),
                Fact::Outcome { delivery, outcome: Outcome::Delivered { remote, .. }, .. } => {
                    let seen = self.oracle.id_of(delivery);
                    if seen.is_some_and(|seen| seen != remote.id) {
                        let why = format!("wrong: {delivery} is called {}, and is {seen:?}", remote.id);
                        self.check(Err(why));
                    }
                }
                _ => {}
            }
        }
        self.durable.extend_from_slice(records);
    }
}
