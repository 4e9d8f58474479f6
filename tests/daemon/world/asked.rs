//! What the daemon asks of the world: to record, to call, to read media, to print.

use super::*;

impl World {
    pub fn logs(&mut self, at: Timestamp, event: &LogEvent) {
        self.say(|| format!("log {at} {} {}", event.name(), serde_json::to_string(event).unwrap()));
        if event.name() == "delivery.reconciled" {
            self.count("reconciled");
        }
        if self.sabotage == Some(Sabotage::LogLoses) && event.name() == "delivery.held" {
            return;
        }
        let result = self.watch.logs(event);
        self.check(result);
    }

    pub fn manages(&mut self, stage: Stage<'_>) {
        match stage {
            Stage::Ready => self.count("ready"),
            Stage::Starting => {}
            Stage::Alive => *self.tally.entry("turns of the loop").or_default() += 1,
            Stage::Stopping => self.count("stopping"),
            Stage::Says(line) => {
                let shown = line.to_owned();
                self.say(|| format!("says {shown}"));
            }
        }
    }

    pub fn has_room(&self) -> bool {
        self.journal.as_ref().is_some_and(Journal::has_room)
    }

    pub fn commits(&mut self, records: Vec<Record>, room: Room, done: Committed) {
        self.say(|| format!("commit {records:?}"));
        let result = self.watch.intends(&records);
        self.check(result);
        match self.strikes() {
            Some(false) => return self.crash(),
            Some(true) => self.crash(),
            None => {}
        }
        let Some(journal) = &self.journal else { return };
        let payloads = records.iter().map(Record::encode).collect();
        self.sequence += 1;
        let (number, answers) = (self.sequence, self.answers.clone());
        let answered = move |result| answers.lock().unwrap_or_else(PoisonError::into_inner).push((number, result));
        journal.submit(payloads, room, Box::new(answered));
        self.watch.under_way += 1;
        let life = self.life;
        if self.sabotage == Some(Sabotage::EarlyAcknowledgement) {
            let told = Batch { number, records: records.clone(), done };
            self.later(Duration::from_millis(1), Coming::Answered { life, batch: told, result: Ok(()) });
            self.handed_in.push_back(Batch { number, records, done: Box::new(|_| {}) });
        } else {
            self.handed_in.push_back(Batch { number, records, done });
        }
        if !self.turn_due {
            self.turn_due = true;
            let slow = if self.sabotage == Some(Sabotage::EarlyAcknowledgement) { 4000 } else { 10 };
            let span = self.millis(slow);
            self.later(span, Coming::Turn { life });
        }
    }

    pub fn calls(&mut self, call: Call, timeout: Duration, done: Done<Result<Reply, Failure>>) {
        self.count("calls");
        let result = self.watch.sends(&twins::handed_over(&call)).and(self.pairs.sent(&call));
        self.check(result);
        match self.strikes() {
            Some(false) => return self.crash(),
            Some(true) => self.crash(),
            None => {}
        }
        let Some(twin) = twins::reached(&call, &self.entries) else {
            return self.check(Err(format!("a call to nobody: {}", call_text(&call))));
        };
        self.watch.under_way += 1;
        let (life, durable) = (self.life, self.oracle.durable_records());
        let weather = if self.calm() { Weather::default() } else { self.weather.clone() };
        let gone = match self.sabotage {
            Some(Sabotage::TimeoutIsFailure) => Failure::NeverLeft("timed out".into()),
            _ => Failure::MayHaveArrived("timed out".into()),
        };
        let told = |done, result| Coming::Replied { life, done, result };
        if let Call::File(file) = &call
            && self.written.get(&file.root).is_some_and(|until| *until >= self.now())
        {
            let why = "an earlier write to this folder has not come to its end".to_owned();
            let span = self.millis(2);
            self.later(span, told(done, Err(Failure::NeverLeft(why))));
        } else if self.chance.permille(weather.never_left) {
            self.count("never left");
            let span = self.millis(10_000);
            self.later(span, told(done, Err(Failure::NeverLeft("connection refused".into()))));
        } else if self.chance.permille(weather.lost_request) {
            self.count("lost requests");
            self.later(timeout, told(done, Err(gone)));
        } else if self.chance.permille(weather.late_effect) {
            self.count("late effects");
            let late = Duration::from_millis(self.chance.below(LATEST.as_millis() as u64));
            if let Call::File(file) = &call
                && matches!(file.work, FileWork::Write(_))
            {
                self.written.insert(file.root.clone(), time::after(self.now(), late));
            }
            self.later(late, Coming::Arrives { twin, call, reply: None, durable });
            if self.sabotage != Some(Sabotage::TimeoutUntold) {
                self.later(timeout, told(done, Err(gone)));
            }
        } else if self.chance.permille(weather.lost_reply) {
            self.count("lost replies");
            let span = self.millis(2000);
            self.later(span, Coming::Arrives { twin, call, reply: None, durable });
            let error = twins::broken_reply(&mut self.chance, gone, true).1;
            let span = span + self.millis(3000);
            self.later(span, told(done, error));
        } else if self.chance.permille(weather.server_error + weather.garbage) {
            self.count("wrong replies");
            let span = self.millis(2000);
            let error = twins::broken_reply(&mut self.chance, gone, false).1;
            self.later(span, told(done, error));
        } else {
            let span = self.millis(3000);
            self.later(span, Coming::Arrives { twin, call, reply: Some((life, done)), durable });
        }
    }

    pub fn gathers(&mut self, items: Vec<MediaItem>, done: Done<Result<Vec<Media>, ShelfError>>) {
        match self.strikes() {
            Some(false) => return self.crash(),
            Some(true) => self.crash(),
            None => {}
        }
        self.watch.under_way += 1;
        let result = if !self.calm() && self.chance.permille(self.weather.edits / 4) {
            self.count("unreadable media");
            Err(ShelfError::Unreadable { file: "dot.png".into(), why: "gone for a moment".into() })
        } else {
            Ok(items.into_iter().map(scenario::media).collect())
        };
        let (life, span) = (self.life, self.millis(10));
        self.later(span, Coming::Gathered { life, done, result });
    }
}
