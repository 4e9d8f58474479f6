//! How the daemon starts over what lies on the disk, and how it ends.

use super::*;

impl World {
    /// Opens the store as it lies on the disk and starts the daemon over it, or says that it could not.
    pub(super) fn start(&mut self, world: &Arc<Mutex<Self>>) -> Result<Option<Daemon>, String> {
        self.life += 1;
        self.say(|| "starts".to_owned());
        self.disk_failed = false;
        let faulty = !self.calm() && self.chance.permille(self.rough.turn * 4);
        if faulty {
            let (n, fault) = (1 + self.chance.below(80), self.fault());
            self.disk.fail(n, fault);
        }
        let seed = self.scenario.seed;
        let mut name = [7; 16];
        name[..8].copy_from_slice(&seed.to_be_bytes());
        let options =
            Options { segment_bytes: self.segment, machine: Some("this machine".into()), fresh: StoreId(name) };
        let disk: Arc<dyn Disk> = Arc::new(self.disk.clone());
        let opened = Journal::open_still(disk, Path::new("/store"), &options, &mut |_, _| Ok(()));
        let failed = faulty && self.disk.has_failed();
        self.disk.fail(u64::MAX, Fault::Io);
        let (journal, found) = match opened {
            Ok(opened) => opened,
            Err(error) if failed => {
                self.say(|| format!("the store is refused: {error}"));
                self.count("openings that failed");
                self.bury(Death::Power);
                return Ok(None);
            }
            Err(error) => return Err(format!("the store is refused: {error}")),
        };
        if found.torn.is_some() {
            self.count("torn ends");
        }
        let mut records = Vec::new();
        let read = journal.read(Position::START, &mut |item| {
            records.extend(Record::decode(item.payload));
            true
        });
        read.map_err(|error| error.to_string())?;
        if records.len() as u64 != found.records {
            return Err(format!("{} of {} records can be read", records.len(), found.records));
        }
        self.compare(records)?;
        self.journal = Some(journal);
        let mut view = View::default();
        self.durable.iter().for_each(|record| view.apply(record));
        self.watch.starts(view.clone());
        self.oracle.started(&self.watch);

        let wall = self.wall();
        let mut engine = Engine::new(found.store.seed(), view, Mode::Publish);
        let behind = engine.view().clock_mark.is_some_and(|mark| wall < time::before(mark, Duration::from_secs(2)));
        if behind && self.chance.permille(600) {
            self.count("clocks confirmed");
            engine.handle(Event::ClockConfirmed { by: "a person".into() }, wall);
        }
        let program = "cadenced simulated".to_owned();
        self.commits(vec![Record::new(wall, Fact::Opened { program })], Room::Free, Box::new(|_| {}));
        self.watch.configured(self.standing());
        engine.handle(Event::Configured(self.setups()), wall);
        let (handle, inputs) = Handle::new();
        self.handle = Some(handle.clone());
        self.read_folder();
        let stop_timeout = Duration::from_secs(*self.chance.pick(&[5, 30, 75]));
        let idle = !self.calm() && self.chance.permille(self.rough.idle);
        self.until = Until { idle, stop_timeout };
        let report = DaemonReport { running: true, pid: Some(1), version: "simulated".into() };
        let parts = Part { world: world.clone(), life: self.life }.parts();
        Ok(Some(Box::pin(daemon::run(engine, parts, handle, inputs, self.until, report))))
    }

    /// What was acknowledged is there, in order; of what was handed in last, some first batches may be, each whole.
    pub(super) fn compare(&mut self, found: Vec<Record>) -> Result<(), String> {
        let kept = self.durable.len();
        if found.len() < kept || found[..kept] != self.durable[..] {
            return Err(format!("I4: of {kept} durable records {} are found again, or others", found.len()));
        }
        let mut rest = &found[kept..];
        for batch in std::mem::take(&mut self.doubted) {
            if rest.is_empty() {
                break;
            }
            let Some(later) = rest.strip_prefix(&batch[..]) else {
                return Err(format!("the journal holds what was not handed in, or half of it: {rest:?}"));
            };
            self.count("batches found after a crash");
            self.oracle.durable(&batch, self.now());
            self.pairs.durable(&batch);
            rest = later;
        }
        if !rest.is_empty() {
            return Err(format!("the journal holds what nobody has handed in: {rest:?}"));
        }
        self.durable = found;
        Ok(())
    }

    /// The life is over, however; another one comes.
    pub(super) fn bury(&mut self, death: Death) {
        self.say(|| format!("ends: {death:?}"));
        match death {
            Death::Killed => self.count("kills"),
            Death::Power => self.count("power cuts"),
            Death::Ended => self.count("ends"),
        }
        if self.jump_unsaid > 0 {
            // A clock that is set while nobody looks cannot be told from one that was right.
            self.oracle.clock_was_set_unseen();
            self.jump_unsaid = 0;
        }
        self.life += 1;
        // Who writes files is a thread of the process.
        let file = |coming: &Coming| matches!(coming, Coming::Arrives { call: Call::File(_), .. });
        self.coming.retain(|_, coming| !file(coming));
        self.written.clear();
        self.dying = None;
        self.handle = None;
        self.stop_asked = None;
        if death == Death::Ended && self.journal.is_some() {
            // Closing writes what waits.
            self.write();
        }
        self.journal = None;
        self.turn_due = false;
        self.doubted.extend(self.handed_in.drain(..).map(|batch| batch.records));
        self.asked.clear();
        self.disk = match death {
            Death::Power => {
                let seed = self.chance.next();
                self.disk.power_cut(seed)
            }
            Death::Killed | Death::Ended => self.disk.restart(),
        };
        if self.sabotage == Some(Sabotage::DiskLies) {
            self.disk.lie();
        }
        let down = match self.chance.below(10) {
            0 => Duration::from_secs(self.chance.below(86_400)),
            1..4 => Duration::from_secs(self.chance.below(7200)),
            _ => self.millis(30_000),
        };
        self.later(down, Coming::Restart);
    }

    pub(super) fn ended(&mut self, ended: &Ended) -> Result<(), String> {
        self.say(|| format!("ended {ended:?}"));
        match ended {
            Ended::Idle => {
                if !self.until.idle {
                    return Err("idle, and nobody asked for that".into());
                }
                self.count("ends when idle");
                self.watch.is_idle()?;
            }
            Ended::Stopped => {
                let Some(asked) = self.stop_asked else { return Err("stopped, and nobody asked for that".into()) };
                let took = self.boot().saturating_sub(asked);
                if took > self.until.stop_timeout + STOPS_WITHIN && !self.slept_while_stopping {
                    return Err(format!("a stop took {took:?}, allowed {:?}", self.until.stop_timeout));
                }
                self.count("graceful stops");
            }
            Ended::LedgerBroken(why) => {
                if !self.disk_failed {
                    return Err(format!("the ledger is given up, and the disk was well: {why}"));
                }
                self.count("ledgers given up");
            }
        }
        self.bury(Death::Ended);
        Ok(())
    }
}
