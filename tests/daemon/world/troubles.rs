//! What happens by itself: what is due comes, and things go wrong.

use super::*;

impl World {
    pub(super) fn until_next(&self) -> Duration {
        self.coming.keys().next().map_or(SETTLES, |(at, _)| time::since(*at, self.now()))
    }

    /// What is due happens, up to a few things at once.
    pub(super) fn happens(&mut self, world: &Arc<Mutex<Self>>) -> Result<Option<Daemon>, String> {
        let at_once = 1 + self.chance.below(3);
        for _ in 0..at_once {
            let Some((key, _)) = self.coming.first_key_value().filter(|((at, _), _)| *at <= self.now()) else { break };
            let key = *key;
            let Some(coming) = self.coming.remove(&key) else { break };
            self.steps += 1;
            match coming {
                Coming::Turn { life } if life == self.life => self.turn(),
                Coming::Answered { life, batch, result } if life == self.life => {
                    self.watch.under_way = self.watch.under_way.saturating_sub(1);
                    match &result {
                        Ok(()) => self.watch.acknowledged(&batch.records),
                        Err(_) => self.watch.refused(self.now()),
                    }
                    (batch.done)(result);
                }
                Coming::Arrives { twin, call, reply, durable } => self.arrives(twin, &call, reply, durable, key.0),
                Coming::Replied { life, done, mut result } if life == self.life => {
                    self.watch.under_way -= 1;
                    if self.sabotage == Some(Sabotage::RepliesSwapped) {
                        let other = self.coming.values_mut().find_map(|coming| match coming {
                            Coming::Replied { life: other, result, .. } if *other == life => Some(result),
                            _ => None,
                        });
                        other.into_iter().for_each(|other| std::mem::swap(other, &mut result));
                    }
                    done(result);
                }
                Coming::Gathered { life, done, result } if life == self.life => {
                    self.watch.under_way -= 1;
                    done(result);
                }
                Coming::Read { life } if life == self.life => {
                    self.watch.complete();
                    self.tells(Event::Inbox(Inbox::Complete));
                }
                Coming::Restart => return self.start(world),
                Coming::Trouble => self.trouble(),
                Coming::Operator => {
                    self.operator();
                    // What is asked now is judged by what was told before.
                    break;
                }
                Coming::Turn { .. }
                | Coming::Answered { .. }
                | Coming::Replied { .. }
                | Coming::Gathered { .. }
                | Coming::Read { .. } => {}
            }
            if self.dying.is_some() {
                break;
            }
        }
        Ok(None)
    }

    pub(super) fn arrives(
        &mut self,
        twin: usize,
        call: &Call,
        reply: Option<(u64, Done<Result<Reply, Failure>>)>,
        durable: usize,
        at: Timestamp,
    ) {
        let answer = self.twins[twin].answer(call, at);
        self.say(|| format!("arrives {} -> {}", call_text(call), reply_text(&answer)));
        let account = |number| {
            let mut plans = self.accounts.iter().map(|account| &account.plan);
            let plan = plans.find(|plan| (plan.twin, plan.number) == (twin, number))?;
            AccountId::new(&plan.id).ok()
        };
        self.pairs.answered(call, &answer, account);
        let result = self.oracle.published(twin, &*self.twins[twin], durable);
        self.check(result);
        if let Some((life, done)) = reply {
            let span = self.millis(1000);
            self.later(span, Coming::Replied { life, done, result: Ok(answer) });
        }
    }

    pub(super) fn tells(&mut self, event: Event) {
        if let Some(handle) = &self.handle {
            handle.event(event);
        }
    }

    pub(super) fn setups(&self) -> Vec<AccountSetup> {
        let configured = self.accounts.iter().filter(|account| account.configured);
        let setup = |Account { plan, adapter, paused, .. }: &Account| AccountSetup {
            id: AccountId::new(&plan.id).unwrap(),
            adapter: adapter.clone(),
            secrets: self.twins[plan.twin].secrets(plan.number),
            schedule: plan.schedule.clone(),
            policy: plan.policy.clone(),
            rules: plan.rules,
            links: cadenced::domain::Links::default(),
            paused: *paused,
            identity: None,
            seal: Some(seal(pairs::KEY)),
            token_expires: None,
        };
        configured.map(setup).collect()
    }

    pub(super) fn standing(&self) -> BTreeMap<AccountId, Standing> {
        let standing = |account: &Account| {
            let Account { configured, paused, .. } = *account;
            (AccountId::new(&account.plan.id).unwrap(), Standing { configured, paused })
        };
        self.accounts.iter().map(standing).collect()
    }

    /// The inbox reads the folder at a start. Of a file that cannot be used it tells the last good version.
    pub(super) fn read_folder(&mut self) {
        for name in self.files.keys().cloned().collect::<Vec<_>>() {
            self.tell_file(&name);
        }
        let (life, slow) = (self.life, self.chance.permille(200));
        if self.folder_lost {
            self.lose_folder();
        }
        let span = if slow { Duration::from_secs(self.chance.below(60)) } else { Duration::ZERO };
        if !self.folder_lost {
            self.later(span, Coming::Read { life });
        }
    }

    pub(super) fn tell_file(&mut self, name: &Arc<str>) {
        let file = &self.files[name];
        if !file.there {
            return;
        }
        let posts = scenario::read(name, &file.good);
        let faults = if file.broken {
            self.watch.expects("queue.file_rejected");
            vec![QueueFault::error(Place::file(name), "it is no TOML")]
        } else {
            Vec::new()
        };
        self.watch.file(name.clone(), posts.clone());
        self.tells(Event::Inbox(Inbox::File { file: name.clone(), posts: Some(posts), faults }));
    }

    pub(super) fn lose_folder(&mut self) {
        self.watch.expects("queue.lost");
        self.watch.lost();
        self.tells(Event::Inbox(Inbox::Lost { why: "input/output error".into() }));
    }

    pub(super) fn configures(&mut self) {
        self.watch.configured(self.standing());
        if self.sabotage != Some(Sabotage::ConfigurationUntold) {
            self.tells(Event::Configured(self.setups()));
        }
    }

    pub(super) fn trouble(&mut self) {
        if self.calm() {
            return self.comfort();
        }
        let span = Duration::from_millis(60_000 + self.chance.below(3_600_000));
        self.later(span, Coming::Trouble);
        let twin = self.chance.below(self.twins.len() as u64) as usize;
        if self.chance.permille(self.weather.throttle) {
            self.count("throttled");
            let until = time::after(self.now(), Duration::from_secs(self.chance.below(3600)));
            self.twins[twin].throttle(until);
        }
        if self.chance.permille(self.weather.expire) {
            self.count("tokens expired");
            self.twins[twin].expire_tokens();
        }
        if self.chance.permille(self.weather.revoke) {
            self.count("tokens revoked");
            self.twins[twin].set_revoked(true);
        } else if self.chance.permille(300) {
            self.twins[twin].set_revoked(false);
        }
        // Not drawn: a seed that is kept gives the run it gave before.
        let hidden = self.now().as_second() / 3600 % 3 == 0;
        self.twins[twin].hide_files(hidden);
        if self.chance.permille(self.weather.disk * 3) {
            self.count("disk full for a while");
            self.full_until = time::after(self.now(), Duration::from_secs(self.chance.below(7200)));
            self.disk.set_room(0);
            self.watch.expects("store.full");
        } else if self.now() >= self.full_until {
            self.disk.set_room(u64::MAX);
        }
        if self.chance.permille(500) {
            let chore = if self.chance.permille(980) { Chore::Accounts } else { Chore::Runway };
            self.tells(Event::Chore(chore));
        }
        if self.weather.clock_jumps && self.chance.permille(60) {
            self.jump();
        }
        if self.chance.permille(self.rough.suspend) {
            self.suspend();
        }
        if self.chance.permille(self.weather.edits * 2) {
            self.edit();
        }
        if self.chance.permille(self.rough.files) {
            self.mishandle_files();
        }
        if self.chance.permille(self.rough.configuration) {
            self.reconfigure();
        }
        if self.handle.is_none() {
            return;
        }
        if self.chance.permille(self.rough.stop) {
            self.stop("SIGTERM");
        } else if self.chance.permille(self.weather.crash * 2) {
            self.crash();
        }
    }

    /// Nothing goes wrong any more, and what was wrong is put right.
    pub(super) fn comfort(&mut self) {
        self.later(Duration::from_secs(3600), Coming::Trouble);
        for twin in &mut self.twins {
            twin.set_revoked(false);
            twin.hide_files(false);
        }
        if self.ahead != 0 {
            self.set_clock(0);
        }
        self.disk.set_room(u64::MAX);
        let mut changed = false;
        for account in &mut self.accounts {
            changed |= account.paused || !account.configured;
            (account.paused, account.configured) = (false, true);
        }
        if changed {
            self.configures();
        }
        for name in self.files.keys().cloned().collect::<Vec<_>>() {
            let Some(file) = self.files.get_mut(&name) else { continue };
            if file.broken || !file.there {
                (file.broken, file.there) = (false, true);
                file.good.clone_from(&file.plans);
                self.tell_file(&name);
            }
        }
        if self.folder_lost {
            self.find_folder();
        }
        self.renew_tokens();
        self.tells(Event::Chore(Chore::Accounts));
    }

    pub(super) fn stop(&mut self, reason: &'static str) {
        if self.stop_asked.is_some() {
            return;
        }
        self.stop_asked = Some(self.boot());
        self.slept_while_stopping = false;
        self.watch.stops();
        if self.sabotage != Some(Sabotage::StopUntold)
            && let Some(handle) = &self.handle
        {
            handle.send(Input::Stop(reason));
        }
    }

    pub(super) fn jump(&mut self) {
        let ahead = *self.chance.pick(&[0, -86_400, 2 * 86_400, 3600, -600]);
        if ahead != self.ahead {
            self.set_clock(ahead);
        }
    }

    pub(super) fn set_clock(&mut self, ahead: i64) {
        let seconds = ahead - self.ahead;
        self.ahead = ahead;
        self.unnoticed = self.unnoticed.max(Duration::from_secs(u64::try_from(ahead).unwrap_or(0)));
        self.count("clock jumps");
        self.say(|| format!("the clock is set by {seconds} s"));
        self.oracle.clock_was_set();
        self.watch.expects("clock.behind");
        if self.handle.is_none() || self.accounts.iter().any(|account| !account.configured) {
            self.oracle.clock_was_set_unseen();
        }
        if seconds > 0 {
            self.jump_unsaid = self.accounts.len();
        }
    }

    /// The machine sleeps: clocks go on, and timers stand still. What was on its way arrives meanwhile, or waits in the
    /// machine.
    pub(super) fn suspend(&mut self) {
        self.count("suspends");
        let span = Duration::from_secs(self.chance.below(8 * 3600));
        self.say(|| format!("sleeps for {span:?}"));
        for ((at, number), coming) in std::mem::take(&mut self.coming) {
            let waits = match &coming {
                Coming::Turn { .. }
                | Coming::Answered { .. }
                | Coming::Replied { .. }
                | Coming::Gathered { .. }
                | Coming::Read { .. } => true,
                Coming::Arrives { call: Call::File(_), .. } => true,
                Coming::Arrives { .. } => self.chance.permille(500),
                Coming::Restart | Coming::Trouble | Coming::Operator => false,
            };
            self.coming.insert((if waits { time::after(at, span) } else { at }, number), coming);
        }
        self.suspended += span;
        self.written.values_mut().for_each(|until| *until = time::after(*until, span));
        self.slept_while_stopping = true;
    }

    /// Somebody edits the queue.
    pub(super) fn edit(&mut self) {
        let usable = |(_, file): &(&Arc<str>, &File)| file.there && !file.broken;
        let names: Vec<Arc<str>> = self.files.iter().filter(usable).map(|(name, _)| name.clone()).collect();
        if names.is_empty() || self.folder_lost {
            return;
        }
        self.count("edits");
        let name = self.chance.pick(&names).clone();
        let mut plans = self.files[&name].plans.clone();
        self.change(&mut plans);
        let Some(file) = self.files.get_mut(&name) else { return };
        (file.plans, file.good) = (plans.clone(), plans);
        if self.sabotage == Some(Sabotage::EditUntold) && self.handle.is_some() {
            let posts = scenario::read(&name, &self.files[&name].good);
            return self.watch.file(name, posts);
        }
        self.tell_file(&name);
    }

    fn change(&mut self, plans: &mut Vec<PostPlan>) {
        let place = self.chance.below(plans.len() as u64 + 1) as usize;
        match self.chance.below(6) {
            // A new post, somewhere in the file.
            0 | 1 => {
                self.posts_made += 1;
                let (family, now) = (self.scenario.family, self.now());
                let post = scenario::post(&mut self.chance, family, self.posts_made, now, &self.scenario.accounts);
                plans.insert(place, post);
            }
            2 if place < plans.len() => self.removed.push(plans.remove(place)),
            // Another text, approved anew or not.
            3 if place < plans.len() => plans[place].change(self.chance.permille(500)),
            4 => plans.reverse(),
            5 if !self.removed.is_empty() => {
                let back = self.chance.below(self.removed.len() as u64) as usize;
                plans.insert(place, self.removed.swap_remove(back));
            }
            _ if place < plans.len() => plans[place].approved = !plans[place].approved,
            _ => {}
        }
    }

    /// Files break and are mended, go and come back; the whole folder is lost and found.
    pub(super) fn mishandle_files(&mut self) {
        if self.folder_lost {
            return self.find_folder();
        }
        let names: Vec<Arc<str>> = self.files.keys().cloned().collect();
        let name = self.chance.pick(&names).clone();
        let draw = self.chance.below(4);
        let Some(file) = self.files.get_mut(&name) else { return };
        if file.broken || !file.there {
            (file.broken, file.there) = (false, true);
            file.good.clone_from(&file.plans);
            return self.tell_file(&name);
        }
        match draw {
            0 => {
                self.count("folders lost");
                self.folder_lost = true;
                self.lose_folder();
            }
            1 => {
                file.there = false;
                self.count("files gone");
                self.watch.gone(&name);
                self.tells(Event::Inbox(Inbox::Gone { file: name }));
            }
            _ => {
                file.broken = true;
                self.count("files broken");
                self.watch.expects("queue.file_rejected");
                let faults = vec![QueueFault::error(Place::file(&name), "it is no TOML")];
                self.tells(Event::Inbox(Inbox::File { file: name, posts: None, faults }));
            }
        }
    }

    pub(super) fn find_folder(&mut self) {
        self.folder_lost = false;
        for name in self.files.keys().cloned().collect::<Vec<_>>() {
            self.tell_file(&name);
        }
        self.watch.complete();
        self.tells(Event::Inbox(Inbox::Complete));
    }

    /// The configuration changes; a running daemon reads it again, one that is down finds it at its start.
    pub(super) fn reconfigure(&mut self) {
        self.count("configurations");
        let place = self.chance.below(self.accounts.len() as u64) as usize;
        let draw = self.chance.below(5);
        let mut plan = self.accounts[place].plan.clone();
        if draw > 2 {
            quicken(&mut self.chance, &mut plan, self.scenario.start);
        }
        let account = &mut self.accounts[place];
        match draw {
            0 => account.configured = !account.configured,
            1 | 2 => account.paused = !account.paused,
            _ => {
                let id = AccountId::new(&plan.id).unwrap();
                self.oracle.allows(&id, &plan.policy);
                account.plan = plan;
            }
        }
        if self.jump_unsaid > 0 {
            // An account that is not there when the clock is set hears nothing of it.
            self.oracle.clock_was_set_unseen();
        }
        self.configures();
    }
}
