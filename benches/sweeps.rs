//! What it costs to know which posts are to be looked at: folding what is recorded about people at the start, and the
//! chore that asks each minute whether something is due.
//!
//! `cargo bench --bench sweeps [-- POSTS]`: 100,000 delivered posts of the last month unless it is said otherwise, each
//! looked at as often as its age says, by five people a look. Beside it: folding the deliveries themselves.

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use cadenced::domain::time::{after, before};
use cadenced::domain::{DeliveryId, Interaction, PersonId, Profile, Timestamp};
use cadenced::engage::record::Came;
use cadenced::engage::watch::AGES;
use cadenced::engage::{Fact, Record, Sample, Watch};
use cadenced::engine::engine::Mode;
use cadenced::engine::{Chore, Engine, Event};
use cadenced::ledger::View;
use cadenced::parts::Inbox;
use support::{account, config, median, say, setups, size, status_kb, ticks, wall};

const ACCOUNTS: usize = 1_000;
/// People of one look at a post.
const PEOPLE: usize = 5;
const MONTH: Duration = Duration::from_secs(30 * 86_400);
const TURNS: usize = 60;

fn main() {
    let posts = size(100_000);
    let now = wall();
    let at = |n: usize| after(before(now, MONTH), MONTH.mul_f64(n as f64 / posts as f64));
    let lives = (0..posts).flat_map(|n| support::ledger::life(n, &account(n % ACCOUNTS), at(n)));
    let (mut view, begun) = (View::default(), ticks());
    lives.for_each(|record| view.apply(&record));
    let reference = begun.elapsed().as_secs_f64();

    let looks: Vec<Record> = (0..posts).flat_map(|n| looks(n, at(n), now)).collect();
    let resident = status_kb(std::process::id(), "VmRSS");
    let (mut watch, begun) = (Watch::default(), ticks());
    looks.iter().for_each(|record| watch.apply(record));
    let folded = begun.elapsed().as_secs_f64();
    let watched = status_kb(std::process::id(), "VmRSS").saturating_sub(resident);

    let mut engine = Engine::new(7, view, Mode::Publish);
    engine.handle(Event::Configured(setups(&config(ACCOUNTS, "http://127.0.0.1:9", "[]"))), now);
    engine.handle(Event::Inbox(Inbox::Complete), now);
    while engine.next_command().is_some() {}
    let begun = ticks();
    engine.watch(watch);
    let listed = begun.elapsed().as_secs_f64();
    let turns = (0..TURNS).map(|turn| {
        let now = after(now, Duration::from_secs(60 * turn as u64));
        let begun = ticks();
        engine.handle(Event::Chore(Chore::Sweep), now);
        while engine.next_command().is_some() {}
        begun.elapsed().as_secs_f64()
    });
    let turn = median(turns.collect());
    say(&format!(
        "{posts} posts on {ACCOUNTS} accounts, {} looks: folded in {folded:.2} s, {:.2} times the deliveries themselves ({reference:.2} s); \
         listed in {:.0} ms; the chore of a minute takes {:.2} ms; {} kB for each post that is watched",
        looks.len(),
        folded / reference,
        listed * 1e3,
        turn * 1e3,
        watched / posts.max(1) as u64,
    ));
}

/// What is on record of one post.
fn looks(n: usize, at: Timestamp, now: Timestamp) -> Vec<Record> {
    let delivery: DeliveryId = format!("past-post-{n:07}@{}", account(n % ACCOUNTS)).parse().expect("an id");
    let person = |look: usize, place: usize| {
        let number = (n * 7_919 + look * 131 + place * 17) % 100_000;
        PersonId::new("mastodon", &format!("person{number}@example.social")).expect("a person")
    };
    let due = AGES.iter().enumerate().filter(|(_, age)| after(at, **age) <= now);
    due.flat_map(|(look, age)| {
        let then = after(at, *age);
        let people: Vec<PersonId> = (0..PEOPLE).map(|place| person(look, place)).collect();
        let faces = people.iter().map(|person| {
            let handle = person.as_str().trim_start_matches("mastodon:").to_owned();
            Record::new(then, Fact::Person(Profile { person: person.clone(), handle, bot: None }))
        });
        let came = people.iter().map(|person| Came(person.clone(), then)).collect();
        let sample = Sample {
            delivery: delivery.clone(),
            age: age.as_secs(),
            gone: false,
            counts: BTreeMap::from([(Interaction::Like, (PEOPLE * (look + 1)) as u64)]),
            came: BTreeMap::from([(Interaction::Like, came)]),
            left: BTreeMap::new(),
        };
        faces.chain([Record::new(then, Fact::Sampled(Box::new(sample)))]).collect::<Vec<_>>()
    })
    .collect()
}
