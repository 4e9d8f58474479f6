//! A person who looks at the daemon and decides.

use super::*;

impl World {
    pub(super) fn ask(&mut self, question: Question) {
        let Some(handle) = &self.handle else { return };
        let (answer, receiver) = oneshot::channel();
        handle.send(Input::Ask { question: question.clone(), answer });
        let now = self.wall();
        self.asked.push(Asked { question, answer: receiver, now });
    }

    pub(super) fn operator(&mut self) {
        if self.finishing {
            return;
        }
        let span = Duration::from_millis(1_800_000 + self.chance.below(16_000_000));
        self.later(span, Coming::Operator);
        // Status and plan look far ahead, a year for the runway: they take more time than all else.
        match self.chance.below(30) {
            0 | 1 => self.ask(Question::Status { which: None }),
            2..6 => self.ask(Question::Plan { days: 1 }),
            _ => self.ask(Question::Ping),
        }
        self.decide();
        self.renew_tokens();
    }

    /// A person gives new tokens to accounts that have lost theirs.
    pub(super) fn renew_tokens(&mut self) {
        let mut changed = false;
        for place in 0..self.accounts.len() {
            let plan = &self.accounts[place].plan;
            let id = AccountId::new(&plan.id).unwrap();
            if !self.pairs.asks_a_person(&self.watch.view, &id) {
                continue;
            }
            self.twins[plan.twin].renew(plan.number);
            self.pairs.renewed(&id);
            self.count("tokens given by a person");
            self.say(|| format!("{id} is given new tokens"));
            changed = true;
        }
        if changed {
            self.configures();
        }
    }

    /// A person decides what only a person can, looking at the platform.
    pub(super) fn decide(&mut self) {
        let wall = self.wall();
        let mut open: BTreeMap<DeliveryId, bool> = BTreeMap::new();
        for (id, account) in self.watch.view.accounts() {
            for (post, entry) in account.deliveries() {
                let unsure = matches!(entry.state, State::Uncertain { .. });
                if unsure || matches!(entry.state, State::Refused { .. } | State::Missed) {
                    open.insert(DeliveryId::new(PostId::clone(post), id.clone()), unsure);
                }
            }
        }
        for (delivery, unsure) in open {
            // What is plainly over is mostly left at that. Whom a person asks to send is not held to the share.
            let plain = self.watch.post(&delivery.post).is_some_and(|post| post.goal != Goal::Promotion);
            if !(unsure || plain && self.chance.permille(60)) {
                continue;
            }
            // A person waits until everything that was under way must have come to rest.
            let sent = self.watch.view.entry(&delivery).and_then(|entry| entry.sent.as_ref());
            if sent.and_then(|sent| sent.to).is_some_and(|to| time::since(wall, to) < LATEST) {
                continue;
            }
            let decision = match self.oracle.parts_of(&delivery) {
                0 => match self.chance.below(4) {
                    0 => Decision::Drop,
                    1 if !unsure => Decision::Delivered { url: BY_HAND.into() },
                    _ => Decision::Retry,
                },
                _ => Decision::Delivered { url: "https://example.org/seen".into() },
            };
            self.ask(Question::Resolve { delivery, decision, by: "a person".into() });
        }
    }

    /// The loop waits again: all that it was told has been taken, and every question but a decision is answered.
    pub(super) fn look(&mut self) -> Result<(), String> {
        if self.handle.is_none() || self.dying.is_some() {
            return Ok(());
        }
        self.watch.waits(self.now())?;
        for mut asked in std::mem::take(&mut self.asked) {
            let until = |days: u32| time::after(asked.now, Duration::from_secs(u64::from(days) * 86_400));
            match (asked.answer.try_recv(), &asked.question) {
                (Ok(Answer::Resolved(resolved)), Question::Resolve { delivery, .. }) => {
                    self.count("decisions");
                    let said = |record: &Record| matches!(&record.fact, Fact::Resolved { delivery: held, .. } if held == delivery);
                    if resolved.delivery != *delivery || !self.durable.iter().rev().any(said) {
                        return Err(format!("I4: {resolved:?} is answered, and is not on record"));
                    }
                }
                (Ok(Answer::Error(_)), _) => self.count("questions refused"),
                (Ok(answer), Question::Plan { days }) => {
                    self.count("plans");
                    self.watch.answered(&answer, asked.now, until(*days))?;
                }
                (Ok(answer), question) => {
                    self.count(if matches!(question, Question::Status { .. }) { "statuses" } else { "pongs" });
                    self.watch.answered(&answer, asked.now, asked.now)?;
                }
                (Err(oneshot::error::TryRecvError::Empty), Question::Resolve { .. }) => self.asked.push(asked),
                (Err(_), question) => return Err(format!("no answer to {question:?}")),
            }
        }
        if self.watch.has_changed() {
            self.oracle.queue_changed(&self.watch);
        }
        self.oracle.after_each_step(&self.watch)?;
        if let Some(asked) = self.stop_asked
            && self.boot().saturating_sub(asked) > self.until.stop_timeout + 2 * STOPS_WITHIN
            && !self.slept_while_stopping
        {
            return Err("a stop has no end".into());
        }
        Ok(())
    }

    pub(super) fn is_over(&self) -> bool {
        self.now() >= time::after(self.faults_end, Duration::from_secs(7200))
            && self.handle.is_some()
            && self.ahead == 0
            && self.asked.is_empty()
            && self.watch.is_settled()
            && !self.coming.values().any(|coming| matches!(coming, Coming::Arrives { .. } | Coming::Restart))
    }

    /// What people see, what is durable and what the daemon was told are the same in the end.
    pub(super) fn at_the_end(&mut self) -> Result<(), String> {
        let mut folded = View::default();
        self.durable.iter().for_each(|record| folded.apply(record));
        self.oracle.at_the_end(&self.watch, &folded, &self.twins)
    }

    pub(super) fn finish(&mut self) -> Tally {
        for (_, account) in self.watch.view.accounts() {
            for (_, entry) in account.deliveries() {
                *self.tally.entry(entry.state.name()).or_default() += 1;
            }
        }
        let hours = time::since(self.now(), self.scenario.start).as_secs() / 3600;
        self.tally.insert("simulated hours", hours);
        self.tally.insert("records", self.durable.len() as u64);
        self.tally.insert("steps", self.steps);
        std::mem::take(&mut self.tally)
    }
}
