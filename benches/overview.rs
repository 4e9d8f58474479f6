//! What whoever only looks costs the daemon: the overview that the status page and the metrics are made of, the page, the
//! metrics and the line for `systemctl status`, against the whole status as JSON.
//!
//! `cargo bench --bench overview [-- POSTS]`: 100,000 delivered posts of the last month on 100 accounts unless it is said
//! otherwise, and 2,000 posts ahead, with two slots a day on each account. The engine's thread makes the overview, the line and the status; page and metrics are made beside it.

mod support;

use std::time::Duration;

use cadenced::control::metrics::{self, StoreSize};
use cadenced::control::overview::Overview;
use cadenced::control::protocol::DaemonReport;
use cadenced::domain::time::{after, before};
use cadenced::engine::engine::Mode;
use cadenced::engine::{Command, Engine, Event};
use cadenced::ledger::View;
use cadenced::page::{self, Status};
use cadenced::parts::Inbox;
use support::{account, config, median, say, setups, size, ticks, wall};

const ACCOUNTS: usize = 100;
const AHEAD: usize = 2_000;
const MONTH: Duration = Duration::from_secs(30 * 86_400);
const TURNS: usize = 9;

fn main() {
    let posts = size(100_000);
    let now = wall();
    let at = |n: usize| after(before(now, MONTH), MONTH.mul_f64(n as f64 / posts as f64));
    let mut view = View::default();
    let lives = (0..posts).flat_map(|n| support::ledger::life(n, &account(n % ACCOUNTS), at(n)));
    lives.for_each(|record| view.apply(&record));
    let mut engine = Engine::new(7, view, Mode::Publish);
    let config = config(ACCOUNTS, "http://127.0.0.1:9", r#"["0 9 * * *", "0 17 * * *"]"#);
    engine.handle(Event::Configured(setups(&config)), now);
    let queue = support::file(posts, posts + AHEAD, ACCOUNTS, |_| None);
    engine.handle(Event::Inbox(support::inbox("ahead.toml", &queue)), now);
    engine.handle(Event::Inbox(Inbox::Complete), now);
    while let Some(command) = engine.next_command() {
        if let Command::Commit { ticket, .. } = command {
            engine.handle(Event::Committed { ticket, result: Ok(()) }, now);
        }
    }

    let daemon = || DaemonReport { running: true, pid: Some(1), version: "0".into() };
    let zone = jiff::tz::TimeZone::UTC;
    let took = |act: &mut dyn FnMut() -> usize| {
        let turns = (0..TURNS).map(|_| {
            let begun = ticks();
            assert!(act() > 0, "something is made");
            begun.elapsed().as_secs_f64()
        });
        median(turns.collect())
    };
    let mut made: Option<Overview> = None;
    let status = took(&mut || serde_json::to_vec(&engine.status(None, daemon(), now)).map_or(0, |json| json.len()));
    let overview = took(&mut || made.insert(engine.overview(daemon(), now)).counts.len());
    let line = took(&mut || engine.headline(now).len());
    let Some(seen) = made else { return };
    let shown = took(&mut || page::html(&Status { overview: &seen, report: None, zone: &zone }).len());
    let figures = took(&mut || metrics::text(&seen, StoreSize::default()).len());
    say(&format!(
        "{posts} delivered posts on {ACCOUNTS} accounts, {AHEAD} ahead ({} lines of them on the page): overview {:.1} ms, {:.2} times the status as JSON ({:.1} ms); \
         line for the service manager {:.2} ms; page {:.2} ms, metrics {:.2} ms beside it",
        seen.ahead.first.len(),
        overview * 1e3,
        overview / status,
        status * 1e3,
        line * 1e3,
        shown * 1e3,
        figures * 1e3,
    ));
}
