//! What the daemon is given in place of the world: clock, caller, shelf, ledger, log and manager of one life.
//!
//! All of them are handles to the one [`World`]. Those of a life that has ended do nothing any more.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use cadenced::daemon::{Parts, Stage};
use cadenced::domain::{DeliveryId, MediaItem, Timestamp};
use cadenced::ledger::Record;
use cadenced::ledger::store::{CommitError, Figures, Ledger, ReadError, Room};
use cadenced::parts::{Caller, Clock, Done, Shelf, ShelfError};
use cadenced::platform::contract::{Call, Failure, Media, Reply};

use crate::world::World;

#[derive(Clone)]
pub struct Part {
    pub world: Arc<Mutex<World>>,
    pub life: u64,
}

pub fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Part {
    pub fn parts(&self) -> Parts {
        let (log, manager) = (self.clone(), self.clone());
        Parts {
            clock: Arc::new(self.clone()),
            caller: Arc::new(self.clone()),
            shelf: Arc::new(self.clone()),
            ledger: Arc::new(self.clone()),
            people: None,
            log: Box::new(move |at, event| log.living(|world| world.logs(at, event))),
            is_watched: false,
            manager: Box::new(move |stage: Stage| manager.living(|world| world.manages(stage))),
        }
    }

    /// Does it, unless this life is over.
    fn living(&self, act: impl FnOnce(&mut World)) {
        let mut world = lock(&self.world);
        if world.lives(self.life) {
            act(&mut world);
        }
    }
}

impl Clock for Part {
    fn now(&self) -> Timestamp {
        lock(&self.world).wall()
    }

    fn boot(&self) -> Duration {
        lock(&self.world).boot()
    }
}

impl Caller for Part {
    fn call(&self, call: Call, timeout: Duration, done: Done<Result<Reply, Failure>>) {
        self.living(|world| world.calls(call, timeout, done));
    }
}

impl Shelf for Part {
    fn gather(&self, _: Arc<str>, items: Vec<MediaItem>, done: Done<Result<Vec<Media>, ShelfError>>) {
        self.living(|world| world.gathers(items, done));
    }
}

impl Ledger for Part {
    fn submit(&self, batch: Vec<Record>, room: Room, done: Box<dyn FnOnce(Result<(), CommitError>) + Send>) {
        self.living(|world| world.commits(batch, room, done));
    }

    fn history(&self, delivery: &DeliveryId) -> Result<Vec<Record>, ReadError> {
        let mut found = Vec::new();
        self.replay(&mut |record| {
            found.extend((record.fact.delivery() == Some(delivery)).then_some(record));
            true
        })?;
        Ok(found)
    }

    fn replay(&self, each: &mut dyn FnMut(Record) -> bool) -> Result<(), ReadError> {
        lock(&self.world).durable().iter().cloned().all(each);
        Ok(())
    }

    fn has_room(&self) -> bool {
        lock(&self.world).has_room()
    }

    fn figures(&self) -> Figures {
        Figures::default()
    }
}
