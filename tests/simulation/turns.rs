//! I3 of accounts that are held as a whole, paused or without a token that is accepted: whose turn comes meanwhile is
//! told so, and told once.
//!
//! When it is somebody's turn is judged here by plain rules of thumb, and only where nothing else could have been in the
//! way: nothing was sent on the account for days, no quiet hours are near, and nobody keeps a slot free.

use std::time::Duration;

use cadenced::domain::policy::Policy;
use cadenced::domain::{DeliveryId, Goal, Held, State, Timestamp, time};
use cadenced::engine::{AccountSetup, Engine};
use cadenced::ledger::record::Fact;
use cadenced::ledger::view::{Account, Entry};
use cadenced::ledger::{Record, View};
use cadenced::queue::Post;

/// Longer than any gap and any day, an attempt that is settled late included.
const LONG: Duration = Duration::from_secs(4 * 86_400);
/// How long a slot stays open.
const GRACE: Duration = Duration::from_secs(5 * 60);

/// What a record says of a delivery that is held with its account is new.
pub fn once(before: &View, record: &Record) -> Result<(), String> {
    let Fact::Planned { delivery, digest, held: Some(held), .. } = &record.fact else { return Ok(()) };
    let Some(entry) = before.entry(delivery).filter(|entry| entry.digest == Some(*digest)) else { return Ok(()) };
    if held.is_of_the_account() && (is_held_with_it(entry, *held) || entry.halted == Some(*held)) {
        return Err(format!("I3: {delivery} is told once more that it is held: {held}"));
    }
    Ok(())
}

/// With nothing on its way into the ledger, at `wall`: who is owed an attempt, or has a time of his own, and cannot go
/// because of his account is held.
pub fn told(engine: &Engine, wall: Timestamp) -> Result<(), String> {
    for setup in engine.accounts() {
        let Some(account) = engine.view().account(&setup.id) else { continue };
        let Some(held) = held(setup, account) else { continue };
        if account.open().filter_map(|post| account.entry(post)).any(|entry| !is_retrying(entry)) {
            continue;
        }
        for post in account.open() {
            let entry = account.entry(post).expect("it is open");
            if matches!(entry.state, State::Retrying { at, .. } if at <= wall) && entry.halted != Some(held) {
                return Err(format!("I3: {post}@{} is owed, and was not told: {held}", setup.id));
            }
        }
        let due = |post: &&std::sync::Arc<Post>| {
            post.to.contains(&setup.id) && is_plain(post) && post.rare.at.is_some_and(|at| at <= wall)
        };
        let quiet = is_quiet(setup, wall, wall);
        if quiet || !is_silent(account, wall) {
            continue;
        }
        for post in engine.posts().filter(due) {
            if account.entry(&post.id).is_some_and(|entry| entry.state == State::Scheduled) {
                return Err(format!("I3: the time of {}@{} has come, and it was not told: {held}", post.id, setup.id));
            }
        }
    }
    Ok(())
}

/// Where a slot passes because of its account, somebody is held because of it, unless nobody was in line.
pub fn slots(engine: &Engine, records: &[Record], wall: Timestamp) -> Result<(), String> {
    for record in records {
        let Fact::SlotEmpty { account: id, slot, reason, .. } = &record.fact else { continue };
        let of_the_account =
            ["the account is paused", "the account's token is not accepted"].contains(&reason.as_str());
        let setup = engine.accounts().find(|setup| setup.id == *id);
        let (true, Some(setup), Some(account)) = (of_the_account, setup, engine.view().account(id)) else { continue };
        let until = time::after(*slot, GRACE);
        // What has changed since the slot was open says nothing of it.
        let late = wall > time::after(until, Duration::from_secs(1));
        let mine = || engine.posts().filter(|post| post.to.contains(id));
        let kept_free = mine().any(|post| post.rare.at.is_some());
        if late
            || kept_free
            || setup.policy.budget.is_some()
            || !is_silent(account, *slot)
            || is_quiet(setup, *slot, until)
        {
            continue;
        }
        let told = |post: &Post| {
            let delivery = DeliveryId::new(post.id.clone(), id.clone());
            let now = records.iter().any(|record| {
                matches!(&record.fact, Fact::Planned { delivery: other, held: Some(held), .. }
                    if *other == delivery && held.is_of_the_account())
            });
            let before = account
                .entry(&post.id)
                .is_some_and(|entry| matches!(entry.state, State::Held { reason, .. } if reason.is_of_the_account()));
            now || before
        };
        let in_line = |post: &Post| {
            let scheduled = account.entry(&post.id).is_some_and(|entry| entry.state == State::Scheduled);
            is_plain(post) && post.rare.not_before.is_none() && scheduled
        };
        if mine().any(|post| in_line(post)) && !mine().any(|post| told(post)) {
            return Err(format!("I3: {slot} of {id} has passed ({reason}), and nobody was told that it was his"));
        }
    }
    Ok(())
}

fn held(setup: &AccountSetup, account: &Account) -> Option<Held> {
    let stopped = account.head.stopped.as_ref().map(|_| Held::AccountAuth);
    stopped.or(setup.paused.then_some(Held::AccountPaused))
}

fn is_held_with_it(entry: &Entry, held: Held) -> bool {
    matches!(entry.state, State::Held { reason, .. } if reason == held)
}

fn is_retrying(entry: &Entry) -> bool {
    matches!(entry.state, State::Retrying { .. })
}

/// Nothing of its own makes it wait for others.
fn is_plain(post: &Post) -> bool {
    post.rare.series.is_none() && post.goal == Goal::Connection && post.approval.is_given()
}

/// Nothing of the account that was sent lately closes a gate, nor a clock that was set.
fn is_silent(account: &Account, now: Timestamp) -> bool {
    let long_ago = time::before(now, LONG);
    let sent = account.beat().next().is_none_or(|(_, sent)| sent.to.is_some_and(|to| to.max(sent.from) < long_ago));
    sent && account.head.clock_set.is_none_or(|set| set < long_ago)
}

fn is_quiet(setup: &AccountSetup, from: Timestamp, to: Timestamp) -> bool {
    let Policy { quiet, .. } = &setup.policy;
    let shown = |moment: Timestamp| moment.to_zoned(setup.schedule.zone.clone()).time();
    quiet.iter().any(|quiet| quiet.covers(shown(from)) || quiet.covers(shown(to)))
}
