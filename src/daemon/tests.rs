//! The loop over a ledger that does not answer.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Ended, Handle, Input, Parts, Until, run};
use crate::control::protocol::{Answer, AttentionKind, DaemonReport, Question};
use crate::domain::{DeliveryId, Gain, GainKind, MediaItem, Timestamp, time};
use crate::engine::{Engine, Event, Mode};
use crate::ledger::store::{CommitError, Figures, Ledger, ReadError, Room};
use crate::ledger::{Record, View};
use crate::parts::{Caller, Clock, Done, Inbox, Shelf, ShelfError};
use crate::platform::contract::{Call, Failure, Media, Reply};

const START: Timestamp = Timestamp::constant(1_800_000_000, 0);

/// The time of the runtime, which stands still while somebody works.
struct Virtual(Instant, Mutex<Duration>);

impl Clock for Virtual {
    fn now(&self) -> Timestamp {
        time::after(START, self.boot())
    }

    fn boot(&self) -> Duration {
        self.0.elapsed() + *self.1.lock().unwrap()
    }
}

struct Nowhere;

impl Caller for Nowhere {
    fn call(&self, _: Call, _: Duration, _: Done<Result<Reply, Failure>>) {}
}

impl Shelf for Nowhere {
    fn gather(&self, _: Arc<str>, _: Vec<MediaItem>, _: Done<Result<Vec<Media>, ShelfError>>) {}
}

/// A journal on a disk that answers when the test says so.
#[derive(Default)]
struct Hung(Mutex<Vec<Done<Result<(), CommitError>>>>);

impl Hung {
    fn answer(&self, result: &Result<(), CommitError>) {
        self.0.lock().unwrap().drain(..).for_each(|done| done(result.clone()));
    }
}

impl Ledger for Hung {
    fn submit(&self, _: Vec<Record>, _: Room, done: Box<dyn FnOnce(Result<(), CommitError>) + Send>) {
        self.0.lock().unwrap().push(done);
    }

    fn history(&self, _: &DeliveryId) -> Result<Vec<Record>, ReadError> {
        Ok(Vec::new())
    }

    fn replay(&self, _: &mut dyn FnMut(Record) -> bool) -> Result<(), ReadError> {
        Ok(())
    }

    fn has_room(&self) -> bool {
        true
    }

    fn figures(&self) -> Figures {
        Figures::default()
    }
}

/// A daemon that has read an empty queue, and what it has said and told the service manager, with the second of each.
struct House {
    clock: Arc<Virtual>,
    ledger: Arc<Hung>,
    handle: Handle,
    said: Arc<Mutex<Vec<(u64, String)>>>,
    ended: tokio::task::JoinHandle<Ended>,
}

impl House {
    fn new() -> Self {
        let clock = Arc::new(Virtual(Instant::now(), Mutex::default()));
        let (handle, inputs) = Handle::new();
        let engine = Engine::new(7, View::default(), Mode::Publish);
        let (ledger, said) = (Arc::new(Hung::default()), Arc::new(Mutex::new(Vec::new())));
        let (logged, managed, seconds) = (said.clone(), said.clone(), clock.clone());
        let parts = Parts {
            clock: clock.clone(),
            caller: Arc::new(Nowhere),
            shelf: Arc::new(Nowhere),
            ledger: ledger.clone(),
            people: None,
            log: Box::new(move |at, event| {
                logged.lock().unwrap().push((time::since(at, START).as_secs(), event.name().to_owned()));
            }),
            manager: Box::new(move |stage| {
                managed.lock().unwrap().push((seconds.boot().as_secs(), format!("{stage:?}")));
            }),
            is_watched: false,
        };
        let until = Until { idle: false, stop_timeout: Duration::from_secs(75) };
        let report = DaemonReport { running: true, pid: None, version: "0".into() };
        #[expect(clippy::disallowed_methods, reason = "the loop is to run beside the test")]
        let ended = tokio::spawn(run(engine, parts, handle.clone(), inputs, until, report));
        handle.event(Event::Inbox(Inbox::Complete));
        Self { clock, ledger, handle, said, ended }
    }

    /// Records an outcome, which waits for the disk.
    fn records(&self) -> oneshot::Receiver<Answer> {
        let gain = Gain {
            key: "order 1".into(),
            at: START,
            kind: GainKind::Lead,
            post: None,
            account: None,
            money: None,
            note: String::new(),
        };
        self.ask(Question::Gain { gains: vec![gain], unknown_posts: true })
    }

    fn ask(&self, question: Question) -> oneshot::Receiver<Answer> {
        let (answer, answered) = oneshot::channel();
        self.handle.send(Input::Ask { question, answer });
        answered
    }

    /// The seconds at which this was said.
    fn seconds(&self, what: &str) -> Vec<u64> {
        let said = self.said.lock().unwrap();
        said.iter().filter(|(_, name)| name == what).map(|(second, _)| *second).collect()
    }
}

/// Lets seconds pass.
#[expect(clippy::disallowed_methods, reason = "the runtime's time is paused: nobody waits")]
async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_does_not_answer_is_told_once_and_so_is_its_end() {
    let house = House::new();
    pass(100).await;
    assert_eq!(house.seconds("store.failed"), Vec::<u64>::new(), "nothing is owed");
    let alive = house.seconds("Alive").len();
    assert!(alive >= 6, "{alive}");

    let mut recorded = house.records();
    pass(100).await;
    let told = house.seconds("store.failed");
    assert!(told.len() == 1 && (130..=145).contains(&told[0]), "{told:?}");
    let last = house.seconds("Alive").pop().unwrap();
    assert!(last >= 185, "another start would meet the same disk: {last}");
    let Ok(Answer::Overview(overview)) = house.ask(Question::Overview).await else { panic!() };
    assert!(overview.silent);
    let Ok(Answer::Status(status)) = house.ask(Question::Status { which: None }).await else { panic!() };
    for attention in [&overview.attention.first, &status.attention] {
        assert_eq!(attention[0].kind, AttentionKind::Store, "{attention:?}");
        assert_eq!(attention[0].reason, "the disk of the store has not answered for 100 s");
    }
    assert!(recorded.try_recv().is_err());

    house.ledger.answer(&Ok(()));
    assert!(matches!(recorded.await, Ok(Answer::Gained(_))));
    pass(20).await;
    assert_eq!(house.seconds("store.answers"), [200]);
    assert!(house.seconds("Alive").pop().unwrap() >= 200);
    let Ok(Answer::Overview(overview)) = house.ask(Question::Overview).await else { panic!() };
    assert!(!overview.silent && overview.attention.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_machine_that_slept_is_no_disk_that_hangs() {
    let house = House::new();
    let _recorded = house.records();
    pass(1).await;
    *house.clock.1.lock().unwrap() += Duration::from_hours(1);
    pass(20).await;
    assert_eq!(house.seconds("store.failed"), Vec::<u64>::new());
    pass(40).await;
    assert_eq!(house.seconds("store.failed").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_start_that_goes_on_says_so_and_a_question_is_no_sign_of_that() {
    let house = House::new();
    pass(100).await;
    assert_eq!((house.seconds("Starting"), house.seconds("Ready")), (vec![0], vec![0]));
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_breaks_is_told_before_the_end() {
    let house = House::new();
    let _recorded = house.records();
    pass(1).await;
    house.ledger.answer(&Err(CommitError::Broken("the disk is gone".into())));
    assert_eq!(house.ended.await.unwrap(), Ended::LedgerBroken("the disk is gone".into()));
    let said = house.said.lock().unwrap();
    let names: Vec<&str> = said.iter().map(|(_, name)| name.as_str()).filter(|name| name.contains('.')).collect();
    assert_eq!(names, ["daemon.ready", "store.failed", "daemon.stopped"]);
}

#[tokio::test(start_paused = true)]
async fn who_asks_twice_to_stop_waits_no_longer() {
    for (asked, waited) in [(1, 75), (2, 4)] {
        let house = House::new();
        let _recorded = house.records();
        pass(1).await;
        let begun = Instant::now();
        for _ in 0..asked {
            // Passed on twice, it is one.
            house.handle.send(Input::Stop("SIGTERM"));
            house.handle.send(Input::Stop("SIGINT"));
            pass(2).await;
        }
        assert_eq!(house.ended.await.unwrap(), Ended::Stopped);
        assert_eq!(begun.elapsed().as_secs(), waited);
    }
}
